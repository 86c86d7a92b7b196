"""The manifest of an artefact: what the model is, and the sha256 and size of every file beside it.

A manifest is believed only after it is found to be of this format, complete, and free of paths that lead elsewhere; a
file only after its size and sha256 are found to be those that the manifest names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from recsys_spark.errors import ArtifactError

Role = Literal["published", "evaluated"]
"""`published` is fitted on everything; `evaluated` is the fit that the reported metrics belong to."""

FitName = Literal["validated", "evaluated", "published"]
"""The fits of a run; see `training/fits.py`."""

MAIN: Final = "main"
"""The scorer that ranks the lists and is published."""

KNOWN: Final = "known"
"""The scorer whose biases are 1 for the users and items that the model knows, else 0."""

RATING: Final = "rating"
"""The scorer of a model for ranking that predicts ratings besides."""

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MAX_MANIFEST: Final = 64 << 20
"""Bytes; the manifest of a model with thousands of categories has one."""

_FILE = re.compile(
    r"(published|evaluated)/([a-z][a-z0-9_]*\.safetensors|model\.keras)"
    r"|weights/(validated|evaluated|published)\.safetensors"
)


@dataclass(frozen=True)
class Description:
    """What a person or a later run wants to know about a fit; plain values only."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    model: str
    """Name in the registry of models: lower case, digits, underscores."""

    settings: dict[str, Any] = field(default_factory=dict)
    """The model's, the training's and the split's settings."""

    vocabularies: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For `user` and `item`: size and digest of the vocabulary that the indices refer to."""

    data_fingerprint: str = ""
    """Identifies the ratings that the published scorers were fitted on."""

    target: dict[str, Any] = field(default_factory=dict)
    """How ratings were scaled for training; its inverse is already in the scorers."""

    features: dict[str, Any] = field(default_factory=dict)
    """For `user` and `item`, where they have any: how features became columns."""

    samples: int = 0
    """Samples of the posterior that the scorer `samples` holds side by side."""

    epochs: dict[str, int] = field(default_factory=dict)
    """Epochs of the fit of each role."""

    metrics: dict[str, Any] = field(default_factory=dict)
    """Metrics of the evaluated fit."""

    columns: dict[FitName, dict[str, list[str]]] = field(default_factory=dict)
    """For each fit whose weights are stored: the names of the feature columns, by side."""

    started_from: str | None = None
    """The model_id whose weights the fits started from; none: fresh weights."""


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

    weights: dict[FitName, dict[str, list[int]]] = field(default_factory=dict)
    """For each fit whose weights are stored: the shape of each array."""

    vectors_erased: int = 0
    """Forgotten users whose vectors have been set to zero; with any, `model_id` is a name and no hash of the content
    anymore."""


def read_manifest(folder: Path | str) -> Manifest:
    """Read and check `manifest.json`; the other files are not opened.

    Raises:
        ArtifactError: it is missing, cannot be read, is of another format, or names a file that does not belong here.
    """
    path = local_path(folder) / MANIFEST
    try:
        size = _plain_file(path).st_size
        if size > MAX_MANIFEST:
            raise ArtifactError(str(path), expected=f"at most {MAX_MANIFEST:,} bytes", found=f"{size:,}")
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
    except (ValidationError, ValueError, AttributeError, RecursionError) as error:
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
        ArtifactError: the file is missing, is a link to another place, or has other content.
    """
    path = folder / name
    expected = manifest.files[name]
    if path.parent.is_symlink():
        raise ArtifactError(str(path.parent), expected="a folder of the artefact", found="a link to another place")
    try:
        size = _plain_file(path).st_size
        found = file_record(path) if size == expected.bytes else None
    except OSError as error:
        raise ArtifactError(str(path), expected="a readable file", found=error.strerror or str(error)) from error
    hint = "the file has changed since it was written: restore the folder or train again"
    if found is None:
        raise ArtifactError(str(path), expected=f"{expected.bytes} bytes", found=f"{size} bytes", hint=hint)
    if found != expected:
        raise ArtifactError(str(path), expected=f"sha256 {expected.sha256}", found=found.sha256, hint=hint)
    return path


def _plain_file(path: Path) -> os.stat_result:
    """What the system says of a file that is neither a link nor a device nor a pipe."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactError(str(path), expected="a plain file", found="a link, or no file at all")
    return found


def _check_files(path: Path, manifest: Manifest) -> None:
    """A manifest may only name files inside its folder, and each scorer has its file."""
    for name in manifest.files:
        if not _FILE.fullmatch(name):
            raise ArtifactError(
                f"{path}: files",
                expected="<role>/<name>.safetensors, <role>/model.keras or weights/<fit>.safetensors",
                found=repr(name),
            )
    for role, records in manifest.scorers.items():
        for name in records:
            if f"{role}/{name}.safetensors" not in manifest.files:
                raise ArtifactError(f"{path}: files", expected=f"{role}/{name}.safetensors", found="no such entry")


def local_path(path: Path | str) -> Path:
    """A local path from a path or a `file:` URI."""
    text = os.fspath(path)
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "file":
        return Path("/" + rest.lstrip("/"))
    if colon and re.fullmatch(r"[a-z][a-z0-9+.-]+", scheme) and rest.startswith("//"):
        raise ArtifactError("folder", expected="a local path or a file: URI", found=text)
    return Path(text)
