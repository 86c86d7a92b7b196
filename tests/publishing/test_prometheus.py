"""The file for Prometheus: every line is of the exposition format, and what is told survives failures."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark import __version__
from recsys_spark.publishing.prometheus import FAMILIES, Sample, exposition, samples_in, write_metrics
from recsys_spark.publishing.summary import Summary

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 3, 3, 4, 5, tzinfo=UTC)

# as https://prometheus.io/docs/instrumenting/exposition_formats/ says, and not as the code does
HELP = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\n]+")
TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
NUMBER = r"(?:NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{{{LABEL}(?:,{LABEL})*\}})? {NUMBER}")


def check_format(text: str) -> None:
    """Every line is help, type or sample; a metric's lines stand together, after its type; no sample comes twice."""
    assert text.endswith("\n")
    typed: list[str] = []
    seen: set[str] = set()
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            assert match[1] not in typed
        elif match := TYPE.fullmatch(line):
            assert match[1] not in typed
            typed.append(match[1])
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == typed[-1]
            key = line.rpartition(" ")[0]
            assert key not in seen
            seen.add(key)


def summary(job: str = "nightly", status: str = "published") -> Summary:
    return Summary(
        run_id="20260102T030405-abcdef",
        job=job,
        as_of="2026-01-02",
        status=status,
        counts={"users": 30, "rows_published": 300},
        metrics={
            "test": {"mse": 0.95, "n": 313, "intervals": {"mse": [0.9, 1.0]}},
            "baseline": {"mean": {"mse": 1.45}},
        },
        audit={"last_run": "20260101T030405-abcdef", "ok_share": 0.75, "overlap": None},
        warnings=["a", "b"],
        seconds={"ingest": 1.5},
        model_id="dot-0123456789ab",
    )


def values(file: Path, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by the values of their labels."""
    return {tuple(s.labels.values()): s.value for s in samples_in(file.read_text()) if s.name == name}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recsys.prom"


def test_a_published_night_tells_status_times_counts_and_metrics(file: Path) -> None:
    write_metrics(file, summary(), exit_code=0, ended=NOW)

    check_format(file.read_text())
    assert values(file, "recsys_run_info") == {
        ("nightly", "20260102T030405-abcdef", "2026-01-02", "dot-0123456789ab", __version__, "published"): 1
    }
    assert values(file, "recsys_last_success_timestamp_seconds") == {("nightly",): NOW.timestamp()}
    assert values(file, "recsys_exit_code") == {("nightly",): 0}
    assert [k for k, v in values(file, "recsys_run_status").items() if v] == [("nightly", "published")]
    assert values(file, "recsys_stage_seconds") == {("nightly", "ingest"): 1.5}
    assert values(file, "recsys_count") == {("nightly", "users"): 30, ("nightly", "rows_published"): 300}
    assert values(file, "recsys_metric") == {
        ("nightly", "main", "test", "mse"): 0.95,
        ("nightly", "main", "test", "n"): 313,
        ("nightly", "mean", "test", "mse"): 1.45,
    }
    assert values(file, "recsys_audit") == {("nightly", "ok_share"): 0.75}
    assert values(file, "recsys_warnings") == {("nightly",): 2}


def test_a_failure_keeps_when_the_job_last_succeeded(file: Path) -> None:
    write_metrics(file, summary(), exit_code=0, ended=NOW)
    write_metrics(file, summary(status="data_failed"), exit_code=3, ended=LATER)

    assert values(file, "recsys_last_success_timestamp_seconds") == {("nightly",): NOW.timestamp()}
    assert values(file, "recsys_last_run_timestamp_seconds") == {("nightly",): LATER.timestamp()}
    assert values(file, "recsys_exit_code") == {("nightly",): 3}


def test_a_job_that_never_succeeded_has_no_time_of_success(file: Path) -> None:
    write_metrics(file, summary(status="failed"), exit_code=1, ended=NOW)

    assert values(file, "recsys_last_success_timestamp_seconds") == {}
    assert "recsys_last_success" not in file.read_text()


def test_each_job_keeps_its_own_lines(file: Path) -> None:
    write_metrics(file, summary(), exit_code=0, ended=NOW)
    nightly = [line for line in file.read_text().splitlines() if "nightly" in line]
    write_metrics(file, summary("maintain", "done"), exit_code=0, ended=LATER)

    check_format(file.read_text())
    assert [line for line in file.read_text().splitlines() if "nightly" in line] == nightly
    assert values(file, "recsys_last_run_timestamp_seconds")[("maintain",)] == LATER.timestamp()


def test_a_file_of_other_content_is_replaced(file: Path) -> None:
    file.write_text("something else\n")

    write_metrics(file, summary(), exit_code=0, ended=NOW)

    check_format(file.read_text())


def test_a_folder_that_does_not_exist_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="textfile"):
        write_metrics(tmp_path / "textfile" / "recsys.prom", summary(), exit_code=0, ended=NOW)

    assert list(tmp_path.iterdir()) == []


def test_a_collector_that_reads_meanwhile_sees_whole_files_and_no_other_prom_file(file: Path) -> None:
    write_metrics(file, summary(), exit_code=0, ended=NOW)
    ended, found = threading.Event(), set()

    def collect() -> None:
        while not ended.is_set():
            found.update((path.name, path.read_text()[-40:]) for path in file.parent.glob("*.prom"))

    reader = threading.Thread(target=collect)
    reader.start()
    try:
        for _ in range(50):
            write_metrics(file, summary(), exit_code=0, ended=NOW)
    finally:
        ended.set()
        reader.join()

    assert found == {(file.name, file.read_text()[-40:])}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@given(
    st.lists(
        st.builds(
            Sample,
            st.sampled_from(sorted(FAMILIES)),
            st.fixed_dictionaries({"job_name": st.text(st.characters(codec="utf-8")), "other": st.text('\\"\nn,}= ')}),
            st.floats(allow_nan=False),
        ),
        min_size=1,
        unique_by=lambda s: (s.name, tuple(s.labels.values())),
    )
)
def test_whatever_stands_in_a_label_the_format_holds_and_comes_back(samples: list[Sample]) -> None:
    text = exposition(samples)

    check_format(text)
    assert sorted(samples_in(text), key=_key) == sorted(samples, key=_key)


def _key(sample: Sample) -> tuple[str, ...]:
    return (sample.name, *sample.labels.values())
