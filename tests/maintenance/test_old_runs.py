"""Which runs the tables forget."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from recsys_spark.maintenance.old_runs import runs_to_forget
from recsys_spark.schemas import METRICS, TOP_N_HISTORY, TRIALS, TableSchema

RUNS = [f"2026010{day}T000000-abcdef" for day in range(1, 6)]
NOON_OF_THE_FOURTH = datetime(2026, 1, 4, 12, tzinfo=UTC)


def forgotten(table: TableSchema, *, recorded: list[str], visible: str | None = RUNS[4], keep: int = 9) -> list[int]:
    """The days of the runs."""
    found = runs_to_forget(table, RUNS, recorded=set(recorded), visible=visible, keep=keep, before=NOON_OF_THE_FOURTH)
    return [int(run_id[6:8]) for run_id in found]


@pytest.mark.parametrize("table", [TOP_N_HISTORY, METRICS])
def test_a_run_that_never_came_to_its_end_is_forgotten_unless_it_may_be_at_work(table: TableSchema) -> None:
    assert forgotten(table, recorded=[RUNS[0], RUNS[2]], visible=RUNS[2]) == [2, 4]


def test_a_visible_run_stays_although_the_ledger_does_not_know_it() -> None:
    assert forgotten(TOP_N_HISTORY, recorded=[RUNS[0]], visible=RUNS[1]) == [3, 4]


def test_the_history_keeps_its_newest_runs_and_the_visible_one() -> None:
    assert forgotten(TOP_N_HISTORY, recorded=RUNS, keep=2) == [1, 2, 3]
    assert forgotten(TOP_N_HISTORY, recorded=RUNS, keep=2, visible=RUNS[1]) == [1, 3]


def test_runs_that_are_forgotten_anyhow_take_no_place_in_the_history() -> None:
    assert forgotten(TOP_N_HISTORY, recorded=[RUNS[0], RUNS[1], RUNS[4]], keep=2) == [1, 3, 4]


def test_metrics_are_kept_for_ever() -> None:
    assert forgotten(METRICS, recorded=RUNS, keep=1) == []


def test_searches_are_in_no_ledger_and_only_ever_too_many() -> None:
    assert forgotten(TRIALS, recorded=[], keep=3, visible=None) == [1, 2]


def test_an_id_of_another_kind_may_be_one_at_work() -> None:
    found = runs_to_forget(METRICS, ["run-1"], recorded=set(), visible=None, keep=1, before=NOON_OF_THE_FOURTH)

    assert found == []
