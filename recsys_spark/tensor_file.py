"""A safetensors file judged by its header, before any of its numbers is read.

Such a file begins with 8 bytes that hold a number n, little endian; then come n bytes of JSON, name -> {"dtype",
"shape", "data_offsets"}, and then the numbers of the tensors, one after the other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any, Final, NoReturn

from recsys_spark.errors import ArtifactError

MAX_HEADER: Final = 1 << 20
"""Bytes. A scorer has a handful of tensors, whose header is a few hundred bytes long."""

_LENGTH = 8


def check_header(path: Path, shapes: Mapping[str, list[int]]) -> None:
    """Refuse a file that does not consist of float32 tensors of these names and shapes, and of nothing else.

    Args:
        path: the file.
        shapes: of the tensors, by name.

    Raises:
        ArtifactError: it is cut short, longer than its tensors, no safetensors file, or holds other tensors.
    """
    header, rest = _header_of(path)
    try:
        found = {name: list(entry["shape"]) for name, entry in header.items()}
        spans = {name: tuple(map(index, entry["data_offsets"])) for name, entry in header.items()}
        kinds = {str(entry["dtype"]) for entry in header.values()}
    except (TypeError, KeyError):
        _refuse(path, "a header that describes no tensors")
    if found != dict(shapes):
        raise ArtifactError(str(path), expected=f"tensors {dict(shapes)}", found=str(found)[:500])
    if kinds - {"F32"}:
        raise ArtifactError(str(path), expected="numbers of the type F32", found=", ".join(sorted(kinds))[:500])
    at = 0
    for name in sorted(spans, key=spans.__getitem__):
        end = at + 4 * math.prod(shapes[name])
        if spans[name] != (at, end):
            _refuse(path, f"a tensor {name!r} that does not lie in bytes {at:,} to {end:,}")
        at = end
    if at != rest:
        _refuse(path, f"{rest:,} bytes behind the header, whose tensors take {at:,}")


def _header_of(path: Path) -> tuple[dict[str, Any], int]:
    """The header, without its free text, and the number of bytes behind it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if size < _LENGTH or length > size - _LENGTH:
            _refuse(path, f"a header of {length:,} bytes in a file of {size:,}")
        if length > MAX_HEADER:
            _refuse(path, f"a header of {length:,} bytes, above {MAX_HEADER:,}")
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"a header that is not JSON ({type(error).__name__})")
    if not isinstance(header, dict):
        _refuse(path, "a header that describes no tensors")
    header.pop("__metadata__", None)
    return header, size - _LENGTH - length


def _refuse(path: Path, found: str) -> NoReturn:
    raise ArtifactError(str(path), expected="a safetensors file", found=found)
