"""Finds a user in whatever a job has written: every file is decoded, also those that nothing refers to.

Values are compared whole, so that an id inside another is none; beside that, text and numbers are looked for as bytes
in files of any kind, which is why tests use ids that cannot stand there by chance.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import yaml
from safetensors.numpy import load_file

from recsys_spark import artifact
from recsys_spark.manifest import read_manifest

Vectors = list[np.ndarray]


def traces(output: Path, user_id: str | int, vectors: Vectors | None = None) -> list[str]:
    """The files below `output` that hold the id as a value, a statistic or bytes, or one of the vectors."""
    found = []
    for file in sorted(path for path in output.rglob("*") if path.is_file() and not path.is_symlink()):
        content = file.read_bytes()
        values = list(decoded(file, content))
        if any(same(value, user_id) for value in values) or any(needle in content for needle in needles(user_id)):
            found.append(str(file.relative_to(output)))
        elif any(holds(content, tensor, vector) for vector in vectors or [] for tensor in tensors(file, content)):
            found.append(f"{file.relative_to(output)} (vector)")
    return found


def vectors_of(models: Path, index: int) -> Vectors:
    """What every scorer of every artefact has learnt of a user; without what is too short to be told from chance."""
    found = []
    for model in models.iterdir():
        for role in read_manifest(model).scorers:
            for scorer in artifact.load(model, role).values():
                found += [scorer.user[index]] if scorer.user.shape[1] > 1 and scorer.user[index].any() else []
    assert found
    return found


def decoded(file: Path, content: bytes) -> Iterator[Any]:
    """Every single value of a file, with its statistics."""
    if content[:4] == b"PAR1":
        with pq.ParquetFile(file) as parquet:
            yield from flat(parquet.read().to_pylist())
            meta = parquet.metadata
            for group in (meta.row_group(i) for i in range(meta.num_row_groups)):
                for column in (group.column(i) for i in range(meta.num_columns)):
                    if column.statistics is not None and column.statistics.has_min_max:
                        yield from (column.statistics.min, column.statistics.max)
    elif file.suffix in (".json", ".crc", "") and content[:1] in (b"{", b"["):
        text = content.decode()
        yield from flat([json.loads(text)] if text.count("\n{") == 0 else [json.loads(t) for t in text.splitlines()])
    elif file.suffix == ".yaml":
        yield from flat(yaml.safe_load(content))


def flat(value: Any) -> Iterator[Any]:
    """Scalars of nested values; JSON inside text is opened, too."""
    if isinstance(value, dict):
        yield from flat(list(value.items()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from flat(inner)
    else:
        yield value
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                yield from flat(json.loads(value))
            except ValueError:
                return


def same(value: Any, user_id: str | int) -> bool:
    return value == user_id or (isinstance(value, str) and value.strip() == str(user_id))


def needles(user_id: str | int) -> list[bytes]:
    """The id as text, as JSON writes it, and, if it is a number, as Parquet and numpy store it."""
    texts = {str(user_id), json.dumps(str(user_id))[1:-1]}
    numbers = [struct.pack("<q", user_id), struct.pack(">q", user_id)] if isinstance(user_id, int) else []
    return [text.encode() for text in texts] + numbers


def tensors(file: Path, content: bytes) -> Iterator[np.ndarray]:
    """The tensors of a file of weights."""
    if file.suffix == ".safetensors":
        yield from load_file(file).values()
    elif file.suffix == ".keras":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            weights = archive.read("model.weights.h5")
        with h5py.File(io.BytesIO(weights)) as h5:
            datasets: list[np.ndarray] = []
            h5.visititems(lambda _, entry: datasets.append(entry[()]) if isinstance(entry, h5py.Dataset) else None)
            yield from datasets


def holds(content: bytes, tensor: np.ndarray, vector: np.ndarray) -> bool:
    """Whether a vector is a row of a tensor, or its bytes stand anywhere in the file."""
    if vector.astype("<f4").tobytes() in content:
        return True
    return tensor.ndim == 2 and tensor.shape[1] == len(vector) and bool((tensor == vector).all(axis=1).any())
