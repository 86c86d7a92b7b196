"""What a run is to the visible one: the same once more, its successor, its replacement, or a thing of the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from recsys_spark.publishing.ledger import Entry
from recsys_spark.publishing.standing import Attempt, standing_to

TODAY, YESTERDAY = date(2026, 3, 2), date(2026, 3, 1)
NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
VISIBLE = Entry("run-1", TODAY, "nightly", "published", "config", "0.1", NOW, NOW, fingerprint="files")
SAME = Attempt(TODAY, "files", "config", "0.1")


def test_the_first_run_stands_alone() -> None:
    standing = standing_to(None, SAME)

    assert (standing.nothing_to_do, standing.history_only, standing.replaces) == (False, False, None)


def test_the_same_once_more_is_nothing_to_do() -> None:
    assert standing_to(VISIBLE, SAME).nothing_to_do


def test_the_same_input_on_another_day_is_a_run_of_its_own() -> None:
    standing = standing_to(replace(VISIBLE, as_of=YESTERDAY), SAME)

    assert not standing.nothing_to_do
    assert standing.replaces is None


@pytest.mark.parametrize(
    ("attempt", "why"),
    [
        (replace(SAME, fingerprint="others"), "changed input"),
        (replace(SAME, config_hash="another"), "changed configuration"),
        (replace(SAME, code_version="0.2"), "another version of the code"),
        (replace(SAME, force=True), "asked for by run.force"),
        (replace(SAME, fingerprint="others", code_version="0.2"), "changed input, another version of the code"),
    ],
)
def test_what_has_changed_replaces_the_visible_run_and_says_why(attempt: Attempt, why: str) -> None:
    standing = standing_to(VISIBLE, attempt)

    assert standing.replaces == why
    assert not standing.nothing_to_do


@pytest.mark.parametrize(("before", "now"), [(None, None), ("files", None), (None, "files")])
def test_without_a_fingerprint_a_run_is_never_skipped(before: str | None, now: str | None) -> None:
    standing = standing_to(replace(VISIBLE, fingerprint=before), replace(SAME, fingerprint=now))

    assert not standing.nothing_to_do
    assert standing.replaces == "whether the input changed cannot be told"


@pytest.mark.parametrize("force", [False, True])
def test_a_date_before_that_of_the_visible_run_never_becomes_current(force: bool) -> None:
    standing = standing_to(VISIBLE, replace(SAME, as_of=YESTERDAY, force=force))

    assert standing.history_only
    assert not standing.nothing_to_do
