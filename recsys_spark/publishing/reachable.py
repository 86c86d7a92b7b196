"""Whether the output can be written, asked before anything is done."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from recsys_spark.errors import ConfigError
from recsys_spark.publishing.settings import OutputSettings
from recsys_spark.storage import Folder


def output_problems(output: OutputSettings) -> Iterator[ConfigError]:
    """What is wrong with a local output folder. It is not created; a remote one is not looked at."""
    folder = Folder(output.path)
    if not folder.is_local:
        return
    place = nearest_existing(folder.path)
    hint = "--set output.path=... names a folder; it is created if need be"
    expected = "a folder that can be written"
    if not place.is_dir():
        yield ConfigError("output.path", expected=expected, found=f"'{place}' is a file", hint=hint)
        return
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        found = f"'{place}': {(error.strerror or str(error)).lower()}"
        yield ConfigError("output.path", expected=expected, found=found, hint=hint)


def nearest_existing(path: Path) -> Path:
    """The path itself or the closest of its parents that exists."""
    return next(p for p in (path, *path.parents) if p.exists())
