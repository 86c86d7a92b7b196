"""Where a source lies: paths as they are written in a configuration."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path

PYSPARK = "pyspark:"


def resolved(path: str) -> str:
    """The path or URI that Spark opens; `pyspark:...` is a file inside the installed pyspark package."""
    if path.startswith(PYSPARK):
        return str(_spark_home() / path.removeprefix(PYSPARK))
    return path if "://" in path else str(Path(path).absolute())


def local_files(path: str) -> list[Path] | None:
    """The files behind a local path, folder or glob, sorted; none at all for a remote URI."""
    place = resolved(path)
    if "://" in place:
        return None
    root = Path(place)
    if root.is_dir():
        return sorted(f for f in root.rglob("*") if f.is_file() and not _hidden(f, root))
    if root.is_file():
        return [root]
    anchor = Path(root.anchor)
    return sorted(f for f in anchor.glob(str(root.relative_to(anchor))) if f.is_file()) if is_glob(place) else []


def fingerprint(path: str) -> str | None:
    """A hash of the names, sizes and times of change of the files behind a local path; none for a remote one.

    Of a Delta table its newest commit counts, which alone says what the table holds.
    """
    files = local_files(path)
    if files is None:
        return None
    commits = sorted((Path(resolved(path)) / "_delta_log").glob("*.json"))
    files = commits[-1:] or files
    facts = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def is_glob(path: str) -> bool:
    """Whether Spark takes the path for a pattern."""
    return any(mark in path for mark in "*?[{")


def _spark_home() -> Path:
    """The installed pyspark; under spark-submit the module lies in an archive, and SPARK_HOME says where Spark is."""
    if "SPARK_HOME" in os.environ:
        return Path(os.environ["SPARK_HOME"])
    package = importlib.util.find_spec("pyspark")
    return Path(package.origin).parent if package and package.origin else Path()


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith((".", "_")) and "=" not in part for part in file.relative_to(root).parts)
