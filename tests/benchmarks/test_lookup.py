"""The benchmark of the command `recsys` runs, and its output is one that the command can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.test_commands import run


@pytest.mark.slow
def test_every_command_is_measured_in_both_layouts(tmp_path: Path) -> None:
    figures, _ = run("lookup.py", "--users", "50", "--items", "30", "--rounds", "1", out=tmp_path / "l.json")

    assert set(figures["layouts"]) == {"delta", "parquet"}
    for commands in figures["layouts"].values():
        assert set(commands) >= {"show user", "similar", "runs", "diff"}
        assert all(seconds["processor"] > 0 for seconds in commands.values())
