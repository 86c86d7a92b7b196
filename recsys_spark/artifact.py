"""Artefacts: fitted models as files, checked before they are believed.

    models/<model_id>/
      manifest.json                  what the model is, and the sha256 and size of every file below
      published/main.safetensors     the tensors of a scorer, one file for each named scorer
      published/model.keras          for people; nothing here ever opens it
      evaluated/...                  the fit whose test metrics are reported

Nothing in an artefact executes when it is loaded: tensors are plain numbers, never a pickle. What is not a tensor
(activations, scale, offset, clip) stands in the manifest, and each scorer's digest covers it together with the tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import DenseLayer, PairScorer

Role = Literal["published", "evaluated"]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(r"(published|evaluated)/([a-z][a-z0-9_]*\.safetensors|model\.keras)")


@dataclass(frozen=True)
class Description:
    """What a person or a later run wants to know about a fit; plain values only."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    model: str
    """Name in the registry of models: lower case, digits, underscores."""

    settings: dict[str, Any] = field(default_factory=dict)
    """The model's and the training's settings."""

    vocabularies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For `user` and `item`: size and hash of the vocabulary that the indices refer to."""

    data_fingerprint: str = ""
    """Identifies the ratings that the published scorers were fitted on."""

    target: dict[str, Any] = field(default_factory=dict)
    """How ratings were scaled for training; its inverse is already in the scorers."""

    epochs: dict[str, int] = field(default_factory=dict)
    """Epochs of the fit of each role."""

    metrics: dict[str, Any] = field(default_factory=dict)
    """Metrics of the evaluated fit."""


@dataclass(frozen=True)
class FileRecord:
    """One file of an artefact."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    sha256: str
    bytes: int


@dataclass(frozen=True)
class ScorerRecord:
    """What a scorer is beside its tensors' numbers."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    tensors: dict[str, list[int]]
    """Shape of each tensor by name, in the order of `PairScorer.tensors`."""

    activations: list[str]
    """One for each dense layer."""

    scale: float
    offset: float
    clip: tuple[float, float] | None
    digest: str
    """sha256 over all of the above and the tensors' numbers."""


@dataclass(frozen=True)
class Manifest:
    """All that `manifest.json` says."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: int
    model_id: str
    created_at: datetime
    description: Description
    scorers: dict[Role, dict[str, ScorerRecord]]
    files: dict[str, FileRecord]
    """Every file but the manifest, by its path inside the artefact."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """A model to save.

    Args:
        description: what it is.
        scorers: for each role its named scorers; `published` must have `main`.
        keras_files: for each role a `.keras` file to copy beside its scorers; may be empty.
    """

    description: Description
    scorers: Mapping[Role, Mapping[str, PairScorer]]
    keras_files: Mapping[Role, Path] = field(default_factory=dict)

    @property
    def model_id(self) -> str:
        """See the function `model_id`."""
        return model_id(self.description.model, self.scorers["published"])


def model_id(model: str, scorers: Mapping[str, PairScorer]) -> str:
    """The content's name: `<model>-<12 hex digits>`, the same for the same published scorers.

    Args:
        model: name of the model.
        scorers: its published scorers by name.
    """
    digests = {name: _record(scorers[name]).digest for name in sorted(scorers)}
    return f"{model}-{hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]}"


def save(models: Path | str, artefact: Artefact) -> Path:
    """Write an artefact to `models/<model_id>`, all of it or nothing.

    It is written to a temporary folder beside and renamed. A folder of that name with the same content is left as it is
    (when it was made does not matter); any other one is replaced.

    Args:
        models: the folder of all artefacts; made if missing. A path or a `file:` URI.
        artefact: what to write.

    Returns:
        The artefact's folder.

    Raises:
        ArtifactError: a name that is not lower case letters, digits and underscores; no scorer `main`; a value that
            JSON cannot hold.
    """
    _check_names(artefact)
    folder = _local(models) / artefact.model_id
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.draft")
    try:
        manifest = _write(draft, artefact)
        if not _holds(folder, manifest):
            _move_into_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def load(folder: Path | str, role: Role = "published") -> dict[str, PairScorer]:
    """The scorers of one role by name; each file's size and sha256 are checked before it is parsed.

    Args:
        folder: the artefact's own folder, a path or a `file:` URI.
        role: `published`, or `evaluated` for the fit that the reported metrics belong to.

    Raises:
        ArtifactError: something is missing, damaged, or not what the manifest says.
    """
    folder = _local(folder)
    manifest = read_manifest(folder)
    records = manifest.scorers.get(role)
    if not records:
        raise ArtifactError(f"{folder}: {role}", expected="scorers of this role", found="none")
    return {name: _load_scorer(folder, f"{role}/{name}.safetensors", manifest) for name in records}


def read_manifest(folder: Path | str) -> Manifest:
    """Read and check `manifest.json`; the other files are not opened.

    Raises:
        ArtifactError: it is missing, cannot be read, is of another format, or names a file that does not belong here.
    """
    path = _local(folder) / MANIFEST
    try:
        text = path.read_bytes()
        found = json.loads(text).get("format")
        if found != FORMAT:
            raise ArtifactError(
                f"{path}: format",
                expected=str(FORMAT),
                found=repr(found),
                hint="it was written by another version of this package; train again or use that version",
            )
        manifest = TypeAdapter(Manifest).validate_json(text, strict=True)
    except OSError as error:
        raise ArtifactError(str(path), expected="a readable file", found=error.strerror or str(error)) from error
    except (ValidationError, ValueError, AttributeError) as error:
        raise ArtifactError(str(path), expected="a manifest", found=str(error)) from error
    _check_files(path, manifest)
    return manifest


def file_record(path: Path) -> FileRecord:
    """Size and sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(sha256=digest, bytes=path.stat().st_size)


def verify_file(folder: Path, name: str, manifest: Manifest) -> Path:
    """The path of a file of an artefact, once its size and sha256 are found to be those of the manifest.

    Raises:
        ArtifactError: the file is missing or has other content.
    """
    path = folder / name
    expected = manifest.files[name]
    try:
        size = path.stat().st_size
        found = file_record(path) if size == expected.bytes else None
    except OSError as error:
        raise ArtifactError(str(path), expected="a readable file", found=error.strerror or str(error)) from error
    hint = "the file has changed since it was written: restore the folder or train again"
    if found is None:
        raise ArtifactError(str(path), expected=f"{expected.bytes} bytes", found=f"{size} bytes", hint=hint)
    if found != expected:
        raise ArtifactError(str(path), expected=f"sha256 {expected.sha256}", found=found.sha256, hint=hint)
    return path


def _check_names(artefact: Artefact) -> None:
    if "main" not in artefact.scorers.get("published", {}):
        raise ArtifactError("scorers", expected="a published scorer named 'main'", found="none")
    names = [artefact.description.model, *(name for scorers in artefact.scorers.values() for name in scorers)]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ArtifactError(
                "name of a model or scorer", expected="lower case letters, digits and underscores", found=repr(name)
            )


def _check_files(path: Path, manifest: Manifest) -> None:
    """A manifest may only name files inside its folder, each scorer has its file, and the folder its own name."""
    for name in manifest.files:
        if not _FILE.fullmatch(name):
            raise ArtifactError(
                f"{path}: files", expected="<role>/<name>.safetensors or <role>/model.keras", found=repr(name)
            )
    for role, records in manifest.scorers.items():
        for name in records:
            if f"{role}/{name}.safetensors" not in manifest.files:
                raise ArtifactError(f"{path}: files", expected=f"{role}/{name}.safetensors", found="no such entry")


def _record(scorer: PairScorer) -> ScorerRecord:
    record = ScorerRecord(
        tensors={name: list(tensor.shape) for name, tensor in scorer.tensors().items()},
        activations=[layer.activation for layer in scorer.layers],
        scale=scorer.scale,
        offset=scorer.offset,
        clip=scorer.clip,
        digest="",
    )
    digest = hashlib.sha256(json.dumps(asdict(record)).encode())
    for tensor in scorer.tensors().values():
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").data)
    return replace(record, digest=digest.hexdigest())


def _write(draft: Path, artefact: Artefact) -> Manifest:
    for role, scorers in artefact.scorers.items():
        (draft / role).mkdir(parents=True)
        for name, scorer in scorers.items():
            save_file(scorer.tensors(), draft / role / f"{name}.safetensors")
    for role, keras_file in artefact.keras_files.items():
        shutil.copyfile(keras_file, draft / role / "model.keras")
    manifest = Manifest(
        format=FORMAT,
        model_id=artefact.model_id,
        created_at=datetime.now(UTC),
        description=artefact.description,
        scorers={role: {name: _record(s) for name, s in scorers.items()} for role, scorers in artefact.scorers.items()},
        files={
            path.relative_to(draft).as_posix(): file_record(path)
            for path in sorted(draft.rglob("*"))
            if path.is_file()
        },
    )
    values = asdict(manifest) | {"created_at": manifest.created_at.isoformat()}
    try:
        text = json.dumps(values, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtifactError("description", expected="plain finite values", found=str(error)) from error
    (draft / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _holds(folder: Path, manifest: Manifest) -> bool:
    """Whether the folder already holds exactly this artefact, undamaged."""
    try:
        existing = read_manifest(folder)
        for name in existing.files:
            verify_file(folder, name, existing)
    except ArtifactError:
        return False
    return replace(existing, created_at=manifest.created_at) == manifest


def _move_into_place(draft: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.old")
    if folder.exists():
        folder.rename(old)
    try:
        draft.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _load_scorer(folder: Path, name: str, manifest: Manifest) -> PairScorer:
    role, scorer_name = name.removesuffix(".safetensors").split("/")
    record = manifest.scorers[role][scorer_name]  # type: ignore[index]
    path = verify_file(folder, name, manifest)
    try:
        tensors: dict[str, F32] = load_file(path)
    except SafetensorError as error:
        raise ArtifactError(str(path), expected="a safetensors file", found=str(error)) from error
    shapes = {key: list(tensor.shape) for key, tensor in tensors.items()}
    if shapes != record.tensors:
        raise ArtifactError(str(path), expected=f"tensors {record.tensors}", found=str(shapes))
    scorer = _scorer(path, tensors, record)
    if _record(scorer).digest != record.digest:
        raise ArtifactError(
            f"{path}: digest", expected=record.digest, found="another scorer", hint="the manifest was changed by hand"
        )
    return scorer


def _scorer(path: Path, tensors: dict[str, F32], record: ScorerRecord) -> PairScorer:
    try:
        return PairScorer(
            user=tensors["user"],
            item=tensors["item"],
            user_bias=tensors.get("user_bias"),
            item_bias=tensors.get("item_bias"),
            layers=tuple(
                DenseLayer(tensors[f"layers.{n}.weight"], tensors[f"layers.{n}.bias"], activation)
                for n, activation in enumerate(record.activations)
            ),
            levels=tensors.get("levels"),
            scale=record.scale,
            offset=record.offset,
            clip=record.clip,
        )
    except KeyError as error:
        raise ArtifactError(str(path), expected=f"a tensor {error}", found=", ".join(tensors)) from error
    except ArtifactError as error:
        raise ArtifactError(
            f"{path}: {error.subject}", expected=error.expected, found=error.found, hint=error.hint
        ) from error


def _local(path: Path | str) -> Path:
    """A local path from a path or a `file:` URI."""
    text = os.fspath(path)
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "file":
        return Path("/" + rest.lstrip("/"))
    if colon and re.fullmatch(r"[a-z][a-z0-9+.-]+", scheme) and rest.startswith("//"):
        raise ArtifactError("folder", expected="a local path or a file: URI", found=text)
    return Path(text)
