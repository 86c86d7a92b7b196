"""A few of the long form's cases, see `tests/chaos`, and two nights that start at the same time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.chaos.cases import DRIVER, JVM, Case, kill
from tests.chaos.judge import DAYS, Clean, clean_nights, judge, rows_of
from tests.chaos.night import Night


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, sample_file: Path) -> Clean:
    return clean_nights(tmp_path_factory.mktemp("clean"), sample_file, "delta")


@pytest.mark.slow
def test_a_night_that_is_killed_again_and_again_is_done_in_the_end_and_readers_notice_nothing(
    clean: Clean, tmp_path: Path
) -> None:
    moments = (("] train ...", 1.0), ("] score ...", 0.3), ("] publish ...", 1.0))
    first, *further = (partial(kill, when=when, after=after, whom=(*DRIVER, *JVM)) for when, after in moments)

    verdict = judge(Case("killed three times", first, tuple(further)), clean, tmp_path)

    assert verdict.happened
    assert verdict.code != 0
    assert verdict.good, verdict


def test_of_two_nights_that_start_together_one_publishes_and_one_names_it(clean: Clean, tmp_path: Path) -> None:
    nights = [Night(tmp_path / "output", clean.ratings[1], DAYS[1]) for _ in range(2)]

    ends = sorted((night.end() for night in nights), key=lambda end: end[0])

    (code, winner), (refused, loser) = ends
    assert (code, winner["status"], refused, loser["status"]) == (0, "published", 4, "locked")
    assert winner["run_id"] in loser["error"]["message"]
    assert len(rows_of(tmp_path / "output")) == winner["counts"]["rows_published"]
