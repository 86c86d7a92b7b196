"""A run knows who it is, and a stage's key is a hash of all that goes into it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from recsys_spark import run as run_module
from recsys_spark.run import Run, end_of, input_key
from recsys_spark.storage import Folder


@pytest.fixture
def output(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "out"))


def test_run_ids_are_unique_also_within_a_second(output: Folder) -> None:
    assert len({Run.start(output).run_id for _ in range(100)}) == 100


def test_run_ids_sort_by_time(output: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2023, 12, 31, 23, 59, 58, tzinfo=UTC)
    moments = [start + timedelta(seconds=7919 * 97**n) for n in range(4)]
    ids = []
    for moment in moments:

        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None, moment: datetime = moment) -> datetime:  # type: ignore[override]
                assert tz is UTC
                return moment

        monkeypatch.setattr(run_module, "datetime", Clock)
        ids.append(Run.start(output).run_id)

    assert ids == sorted(ids)
    assert [run_id[:15] for run_id in ids] == [f"{moment:%Y%m%dT%H%M%S}" for moment in moments]


def test_a_run_is_for_the_given_date_or_for_today(output: Folder) -> None:
    before = datetime.now(UTC).date()
    today = Run.start(output).as_of

    assert before <= today <= datetime.now(UTC).date()
    assert Run.start(output, date(2020, 2, 29)).as_of == date(2020, 2, 29)


def test_a_day_ends_with_the_first_moment_after_it_in_utc() -> None:
    assert end_of(date(2024, 2, 29)) == datetime(2024, 3, 1, tzinfo=UTC)
    assert end_of(date(2023, 12, 31)) == datetime(2024, 1, 1, tzinfo=UTC)


def test_everything_lies_under_the_output_and_nothing_is_made_by_asking(output: Folder) -> None:
    run = Run.start(output)
    places = [run.state, run.models, run.summaries, run.work("ingest", "abc")]

    assert [str(place).removeprefix(f"{output}/") for place in places] == [
        "state",
        "models",
        "summaries",
        "_work/ingest-abc",
    ]
    assert not output.exists()


def test_a_warning_is_kept_once_and_belongs_to_its_run(output: Folder) -> None:
    run = Run.start(output)
    run.warn("one")
    run.warn("two")
    run.warn("one")

    assert run.warnings == ["one", "two"]
    assert Run.start(output).warnings == []


def test_the_same_inputs_have_the_same_key_and_others_another() -> None:
    key = input_key({"a": 1, "b": [1, 2]}, "fingerprint")

    assert key == input_key({"b": [1, 2], "a": 1}, "fingerprint")
    others = [
        input_key({"a": 1, "b": [2, 1]}, "fingerprint"),
        input_key({"a": "1", "b": [1, 2]}, "fingerprint"),
        input_key({"a": 1, "b": [1, 2]}, None),
        input_key({"a": 1, "b": [1, 2]}),
        input_key("fingerprint", {"a": 1, "b": [1, 2]}),
    ]
    assert len({key, *others}) == 6
    assert len(key) == 16
    assert set(key) <= set("0123456789abcdef")


def test_another_version_of_the_code_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    key = input_key("a")
    monkeypatch.setattr(run_module, "__version__", "another")

    assert input_key("a") != key
