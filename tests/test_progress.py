"""What stands on stderr: lines for people, or one JSON object in each line for collectors of logs."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from recsys_spark.errors import DataError
from recsys_spark.progress import Progress

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def as_json() -> Progress:
    progress = Progress()
    progress.log_as_json(job="nightly", run_id="20260102T030405-abcdef")
    return progress


def lines(capsys: Captured) -> list[dict[str, Any]]:
    printed = capsys.readouterr()
    assert printed.out == ""
    return [json.loads(line) for line in printed.err.splitlines()]


def test_text_lines_begin_with_the_seconds_since_the_start(capsys: Captured) -> None:
    progress = Progress()
    with progress.stage("ingest"):
        progress.say("1,501 ratings read")

    printed = capsys.readouterr()

    assert printed.out == ""
    assert re.sub(r"\d+\.\d", "0.0", printed.err).splitlines() == [
        "[   0.0 s] ingest ...",
        "[   0.0 s] 1,501 ratings read",
        "[   0.0 s] ingest done in 0.0 s",
    ]


def test_each_json_line_says_when_who_where_and_what(as_json: Progress, capsys: Captured) -> None:
    with as_json.stage("ingest"):
        as_json.say("Zoë\nand a second line")

    told = lines(capsys)

    assert [line["event"] for line in told] == ["stage_started", "progress", "stage_done"]
    for line in told:
        assert list(line)[:7] == ["time", "run_id", "job", "stage", "event", "seconds", "message"]
        assert (line["run_id"], line["job"], line["stage"]) == ("20260102T030405-abcdef", "nightly", "ingest")
        assert abs((datetime.now(UTC) - datetime.fromisoformat(line["time"])).total_seconds()) < 60
        assert line["seconds"] >= 0
    assert told[1]["message"] == "Zoë\nand a second line"
    assert told[2]["stage_seconds"] == as_json.seconds["ingest"]


def test_outside_of_a_stage_json_lines_name_none(as_json: Progress, capsys: Captured) -> None:
    with as_json.stage("ingest"):
        pass
    as_json.end(status="published", exit_code=0)

    last = lines(capsys)[-1]

    assert (last["event"], last["stage"], last["message"], last["exit_code"]) == ("ended", None, "published", 0)


def test_a_failure_in_json_names_its_stage_and_how_to_mend_it(as_json: Progress, capsys: Captured) -> None:
    error = DataError("source.path", expected="at least one rating", found="none", hint="look there")
    with pytest.raises(DataError), as_json.stage("ingest"):
        raise error
    as_json.fail(error, {"code": "data", "message": error.message, "hint": error.hint})

    *_, stage_failed, failed = lines(capsys)

    assert (stage_failed["event"], stage_failed["stage"]) == ("stage_failed", "ingest")
    assert (failed["event"], failed["stage"], failed["code"]) == ("failed", "ingest", "data")
    assert failed["message"] == "data: source.path: expected at least one rating, found none."
    assert failed["hint"] == "look there"
    assert "traceback" not in failed


def test_an_unexpected_failure_has_its_traceback_inside_the_one_json_line(as_json: Progress, capsys: Captured) -> None:
    try:
        raise RuntimeError("the disk is on fire")
    except RuntimeError as error:
        as_json.fail(error, {"code": "unexpected", "message": "RuntimeError: the disk is on fire", "hint": ""})

    (failed,) = lines(capsys)

    assert failed["message"] == "RuntimeError: the disk is on fire"
    assert "test_progress.py" in failed["traceback"]


def test_a_failed_stage_has_its_time_and_says_nothing_more_in_text(capsys: Captured) -> None:
    progress = Progress()
    with pytest.raises(RuntimeError), progress.stage("train"):
        raise RuntimeError

    assert list(progress.seconds) == ["train"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_those_who_draw_on_stderr_are_told_to_write_lines_only_where_json_stands(as_json: Progress) -> None:
    assert Progress().lines_only is None
    assert as_json.lines_only == as_json.say


def test_each_line_is_written_at_once_so_that_lines_of_two_threads_do_not_mix(
    as_json: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", SimpleNamespace(write=written.append, flush=lambda: None))
        for progress in (as_json, Progress()):
            progress.say("a")

    assert [text[-1] for text in written] == ["\n", "\n"]
