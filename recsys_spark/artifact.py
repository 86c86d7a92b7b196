"""Artefacts: fitted models as files, checked before they are believed.

    models/<model_id>/
      manifest.json                  what the model is, and the sha256 and size of every file below
      published/main.safetensors     the tensors of a scorer, one file for each named scorer
      published/model.keras          for people; nothing here ever opens it
      evaluated/...                  the fit whose test metrics are reported
      weights/<fit>.safetensors      what each fit has learned, for a later one to start from; where that is asked for

Nothing in an artefact executes when it is loaded: tensors are plain numbers, never a pickle. What is not a tensor
(activations, scale, offset, clip) stands in the manifest, and each scorer's digest covers it together with the tensors.
All files of a role are judged before a number of any of them is read: sizes and hashes, the headers of the tensors, and
the network, which nothing here opens. Hashes tell damage, not malice: who can write the folder can write its hashes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys_spark.errors import ArtifactError
from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.manifest import (
    FORMAT,
    MANIFEST,
    Description,
    FitName,
    Manifest,
    Role,
    ScorerRecord,
    file_record,
    local_path,
    read_manifest,
    verify_file,
)
from recsys_spark.network_file import check_network
from recsys_spark.tensor_file import check_header

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Artefact:
    """A model to save.

    Args:
        description: what it is.
        scorers: for each role its named scorers; `published` must have `main`.
        keras_files: for each role a `.keras` file to copy beside its scorers; may be empty.
        weights: for each fit what it has learned, arrays by name; may be empty.
    """

    description: Description
    scorers: Mapping[Role, Mapping[str, PairScorer]]
    keras_files: Mapping[Role, Path] = field(default_factory=dict)
    weights: Mapping[FitName, Mapping[str, F32]] = field(default_factory=dict)

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
    return _model_id(model, {name: record_of(scorer) for name, scorer in scorers.items()})


def record_of(scorer: PairScorer) -> ScorerRecord:
    """Shapes, activations, scaling and clip of a scorer, with a digest over these and its tensors' numbers."""
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
            JSON cannot hold; a network that is not made of Keras' own layers.
    """
    _check_names(artefact)
    models = local_path(models)
    models.mkdir(parents=True, exist_ok=True)
    draft = models / f".{artefact.description.model}.{uuid.uuid4().hex}.draft"
    try:
        manifest = _write(draft, artefact)
        folder = models / manifest.model_id
        if not _holds(folder, manifest):
            _move_into_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def revise(folder: Path, artefact: Artefact, *, vectors_erased: int) -> None:
    """Put other content in the place of an artefact's, all of it or nothing; it keeps its name and its age.

    Args:
        folder: the artefact's own.
        artefact: the new content, of the same shapes.
        vectors_erased: for the manifest: users whose vectors are zeros in the new content.
    """
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.draft")
    try:
        _write(draft, artefact, instead_of=replace(read_manifest(folder), vectors_erased=vectors_erased))
        _move_into_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load(folder: Path | str, role: Role = "published") -> dict[str, PairScorer]:
    """The scorers of one role by name, once all files of that role are found to be what the manifest says.

    Args:
        folder: the artefact's own folder, a path or a `file:` URI.
        role: `published`, or `evaluated` for the fit that the reported metrics belong to.

    Raises:
        ArtifactError: something is missing, damaged, not what the manifest says, or could execute.
    """
    folder = local_path(folder)
    manifest = read_manifest(folder)
    records = manifest.scorers.get(role)
    if not records:
        raise ArtifactError(f"{folder}: {role}", expected="scorers of this role", found="none")
    paths = {name: verify_file(folder, name, manifest) for name in manifest.files if name.startswith(f"{role}/")}
    network = paths.get(f"{role}/model.keras")
    if network is not None:
        check_network(network)
    tensors = {name: paths[f"{role}/{name}.safetensors"] for name in records}
    for name, path in tensors.items():
        check_header(path, records[name].tensors)
    return {name: _load_scorer(path, records[name]) for name, path in tensors.items()}


def load_weights(folder: Path | str, fit: FitName) -> dict[str, F32]:
    """What a fit has learned, arrays by name, once the file is found to be what the manifest says.

    Args:
        folder: the artefact's own folder, a path or a `file:` URI.
        fit: whose weights.

    Raises:
        ArtifactError: they were not stored, or are missing, damaged, or not what the manifest says.
    """
    folder = local_path(folder)
    manifest, name = read_manifest(folder), f"weights/{fit}.safetensors"
    if name not in manifest.files or fit not in manifest.weights:
        raise ArtifactError(f"{folder}: {name}", expected="the weights of this fit", found="none")
    path = verify_file(folder, name, manifest)
    check_header(path, manifest.weights[fit])
    weights = _read_tensors(path)
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise ArtifactError(str(path), expected="finite numbers", found="some that are not")
    return weights


def _read_tensors(path: Path) -> dict[str, F32]:
    try:
        tensors: dict[str, F32] = load_file(path)
    except SafetensorError as error:
        raise ArtifactError(str(path), expected="a safetensors file", found=str(error)) from error
    return tensors


def _check_names(artefact: Artefact) -> None:
    if "main" not in artefact.scorers.get("published", {}):
        raise ArtifactError("scorers", expected="a published scorer named 'main'", found="none")
    names = [artefact.description.model, *(name for scorers in artefact.scorers.values() for name in scorers)]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ArtifactError(
                "name of a model or scorer", expected="lower case letters, digits and underscores", found=repr(name)
            )


def _model_id(model: str, records: Mapping[str, ScorerRecord]) -> str:
    digests = {name: records[name].digest for name in sorted(records)}
    return f"{model}-{hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]}"


def _write(draft: Path, artefact: Artefact, *, instead_of: Manifest | None = None) -> Manifest:
    for role, scorers in artefact.scorers.items():
        (draft / role).mkdir(parents=True)
        for name, scorer in scorers.items():
            save_file(scorer.tensors(), draft / role / f"{name}.safetensors")
    for role, keras_file in artefact.keras_files.items():
        check_network(keras_file)
        shutil.copyfile(keras_file, draft / role / "model.keras")
    for fit, weights in artefact.weights.items():
        (draft / "weights").mkdir(exist_ok=True)
        save_file(dict(weights), draft / "weights" / f"{fit}.safetensors")
    records = {role: {name: record_of(s) for name, s in named.items()} for role, named in artefact.scorers.items()}
    written = sorted(path for path in draft.rglob("*") if path.is_file())
    manifest = Manifest(
        format=FORMAT,
        model_id=_model_id(artefact.description.model, records["published"]),
        created_at=datetime.now(UTC),
        description=artefact.description,
        scorers=records,
        files={path.relative_to(draft).as_posix(): file_record(path) for path in written},
        weights={fit: {n: list(a.shape) for n, a in arrays.items()} for fit, arrays in artefact.weights.items()},
    )
    if instead_of is not None:
        manifest = replace(instead_of, scorers=manifest.scorers, files=manifest.files)
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


def _load_scorer(path: Path, record: ScorerRecord) -> PairScorer:
    tensors = _read_tensors(path)
    scorer = _scorer(path, tensors, record)
    if record_of(scorer).digest != record.digest:
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
