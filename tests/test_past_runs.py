"""The job `runs`: what the ledger and the summaries tell of the last runs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.past_runs import runs_of
from recsys_spark.publishing.summary import Summary
from recsys_spark.run_list import PastRun, as_table, readable_duration
from recsys_spark.schemas import RUNS
from recsys_spark.storage import Folder
from tests.contracts.sink import IDS, frame

PUBLISHED = ("20260101T010000-aaaaaa", "20260103T010000-cccccc")
FAILED = "20260102T010000-bbbbbb"


@pytest.fixture(scope="module")
def ledger(spark: SparkSession) -> DataFrame:
    def row(run_id: str) -> dict[str, Any]:
        return {
            "run_id": run_id,
            "as_of": date(2026, 1, 1),
            "status": "published",
            "model_id": "dot-0123456789ab",
            "config_hash": "c",
            "code_version": "0",
            "counts": [("users", 53424), ("rows_published", 534240)],
            "seconds": [("ingest", 60.0), ("score", 5.2)],
            "started_at": datetime(2026, 1, 1, tzinfo=UTC),
            "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
        }

    return frame(spark, [row(run_id) for run_id in PUBLISHED], RUNS.arrow(IDS))


@pytest.fixture
def summaries(tmp_path: Path) -> Folder:
    """Of a failed attempt, and of jobs that publish no lists."""
    error = {"code": "data", "message": "data: source.path: expected one,\nfound none.", "hint": ""}
    for summary in (
        Summary(FAILED, "nightly", "2026-01-02", "data_failed", seconds={"ingest": 7.4}, warnings=["w"], error=error),
        Summary("20260104T010000-dddddd", "maintain", "2026-01-04", "done"),
        Summary("20260105T010000-eeeeee", "nightly", "2026-01-04", "nothing_to_do"),
        Summary(PUBLISHED[1], "nightly", "2026-01-03", "published", seconds={"ledger": 70.0}, warnings=["v", "w"]),
    ):
        (tmp_path / f"{summary.run_id}.json").write_text(json.dumps(summary.as_dict()))
    return Folder(str(tmp_path))


def test_failed_attempts_stand_between_published_runs_and_the_newest_comes_first(
    ledger: DataFrame, summaries: Folder
) -> None:
    found = runs_of(ledger, summaries, most=9)

    assert [(run.run_id[6:8], run.status) for run in found] == [
        ("05", "nothing_to_do"),
        ("03", "published"),
        ("02", "data_failed"),
        ("01", "published"),
    ]


def test_no_more_are_shown_than_wanted(ledger: DataFrame, summaries: Folder) -> None:
    assert [run.run_id[6:8] for run in runs_of(ledger, summaries, most=2)] == ["05", "03"]


def test_an_output_without_runs_has_none(tmp_path: Path) -> None:
    assert runs_of(None, Folder(str(tmp_path / "summaries")), most=9) == []


def test_the_table_says_who_when_how_much_and_why_not(ledger: DataFrame, summaries: Folder) -> None:
    table = as_table(runs_of(ledger, summaries, most=9)[1:], visible=PUBLISHED[1], width=None)

    # the run before the last has no summary any more
    assert table.splitlines() == [
        "run                       as of       job      status       model              users     rows        took  "
        "started (UTC)     warnings",
        "------------------------  ----------  -------  -----------  ----------------  ------  -------  ----------  "
        "----------------  --------",
        "20260103T010000-cccccc *  2026-01-01  nightly  published    dot-0123456789ab  53,424  534,240  1 min 10 s  "
        "2026-01-03 01:00         2",
        "20260102T010000-bbbbbb    2026-01-02  nightly  data_failed                                            7 s  "
        "2026-01-02 01:00         1",
        "                          data: source.path: expected one, found none.",
        "20260101T010000-aaaaaa    2026-01-01           published    dot-0123456789ab  53,424  534,240  1 min 05 s  "
        "2026-01-01 01:00",
        "* what readers see",
    ]


def test_errors_are_cut_to_the_terminal(ledger: DataFrame, summaries: Folder) -> None:
    table = as_table(runs_of(ledger, summaries, most=9), visible=PUBLISHED[1], width=40)

    assert "                          data: sourc..." in table.splitlines()


@pytest.mark.parametrize(
    ("visible", "told"), [(None, "no lists are published"), (PUBLISHED[0], f"readers see {PUBLISHED[0]}")]
)
def test_readers_are_told_of_also_where_their_run_is_not_shown(visible: str | None, told: str) -> None:
    failed = PastRun(FAILED, "2026-01-02", "nightly", "failed", None, {}, None, None, None, "why")

    assert as_table([failed], visible=visible, width=None).splitlines()[-1] == told


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")]
)
def test_durations_are_told_as_a_person_says_them(seconds: float, text: str) -> None:
    assert readable_duration(seconds) == text
