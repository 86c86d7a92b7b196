"""Kernels run from a zip file, as Spark ships them, and their machine code is found again, never a stale one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "recsys_spark"

SCORE_ONE = """
import numpy as np
from recsys_spark.kernels import lanes, score32
from recsys_spark.kernels.scorer import PairScorer
assert SHIPPED in score32.__file__, score32.__file__
scorer = PairScorer(np.array([[2]], np.float32), np.array([[3]], np.float32))
one = np.array([0], np.int32)
print("score", scorer.score(one, one)[0], "hits", sum(score32.score_dots.stats.cache_hits.values()))
"""


def zipped(path: Path, *, rescale: str = "") -> Path:
    """The kernels in a zip file; optionally with another `rescale`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for source in (PACKAGE / "__init__.py", PACKAGE / "errors.py", *sorted((PACKAGE / "kernels").glob("*.py"))):
            text = source.read_text()
            if rescale and source.name == "lanes.py":
                original = "fma(scores[lane], head.scale, head.offset)"
                assert original in text
                text = text.replace(original, rescale)
            archive.writestr(source.relative_to(PACKAGE.parent).as_posix(), text)
    return path


def run(package: Path, *, cwd: Path, **environment: str) -> tuple[float, int]:
    """Score one pair in another process; the score, and whether its machine code came from the cache."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", f"SHIPPED = {str(package)!r}\n{SCORE_ONE}"],
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(package)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"score (\S+) hits (\d+)\n", done.stdout)
    assert found, done.stdout
    return float(found[1]), int(found[2])


@pytest.mark.parametrize("where", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
def test_the_next_application_finds_the_machine_code_of_the_first(tmp_path: Path, where: str) -> None:
    cache = {where: str(tmp_path / "kept")}

    assert run(zipped(tmp_path / "application-1" / "p.zip"), cwd=tmp_path, **cache) == (6, 0)
    assert run(zipped(tmp_path / "application-2" / "p.zip"), cwd=tmp_path, **cache) == (6, 1)


def test_a_change_in_a_called_function_is_not_missed(tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    before = run(zipped(tmp_path / "1.zip"), cwd=tmp_path, **cache)
    after = run(zipped(tmp_path / "2.zip", rescale="scores[lane] + np.float32(1)"), cwd=tmp_path, **cache)

    assert (before, after) == ((6, 0), (7, 0))


def test_a_cache_that_cannot_be_written_costs_a_compilation_only(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")

    assert run(zipped(tmp_path / "p.zip"), cwd=tmp_path, NUMBA_CACHE_DIR=str(in_the_way)) == (6, 0)


def test_a_damaged_cache_costs_a_compilation_only(tmp_path: Path) -> None:
    package, cache = zipped(tmp_path / "p.zip"), {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    run(package, cwd=tmp_path, **cache)
    damaged = [*(tmp_path / "kept").rglob("*.nbi"), *(tmp_path / "kept").rglob("*.nbc")]
    for file in damaged:
        file.write_bytes(file.read_bytes()[:20])

    assert damaged
    assert run(package, cwd=tmp_path, **cache) == (6, 0)
    assert run(package, cwd=tmp_path, **cache) == (6, 1)
