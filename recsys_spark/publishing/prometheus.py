"""How jobs ended, as a text file for Prometheus: the format that node_exporter's textfile collector reads.

The file holds the last run of each job, told apart by the label `job_name`: a job replaces its own lines and keeps
those of the others. When a job last succeeded stays known while it fails.

References:
    https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from recsys_spark import __version__
from recsys_spark.publishing.summary import STATUSES, Summary
from recsys_spark.storage import Folder

LAST_SUCCESS = "recsys_last_success_timestamp_seconds"

FAMILIES = {
    "recsys_run_info": "The last run of a job; always 1.",
    LAST_SUCCESS: "When a job last ended with exit code 0.",
    "recsys_last_run_timestamp_seconds": "When a job last ended, however it did.",
    "recsys_exit_code": "Of the last run: 0 well, 1 unexpected, 2 configuration, 3 data or audit, 4 locked.",
    "recsys_run_status": "1 for the status of the last run, 0 for every other one.",
    "recsys_stage_seconds": "Wall time of each stage of the last run.",
    "recsys_count": "Counts of the last run, as in its summary.",
    "recsys_metric": "Metrics of the last run; scorer main is the model, any other a baseline.",
    "recsys_audit": "Figures of the last run that its audit holds against thresholds, as in its summary.",
    "recsys_warnings": "Warnings of the last run.",
}
"""Every metric, in the order of the file, with its help. All are gauges."""

_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}
_UNESCAPED = {escape: char for char, escape in _ESCAPES.items()}
_SAMPLE = re.compile(r'(?P<name>[a-z_]+)\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\} (?P<value>\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\.)*)"')


class Sample(NamedTuple):
    """One line of the file."""

    name: str
    labels: dict[str, str]
    value: float


def write_metrics(path: Path, summary: Summary, *, exit_code: int, ended: datetime) -> None:
    """Replace a job's lines in the file, at once: a reader sees the old file or the new one.

    Args:
        path: of the file, in a folder that exists.
        summary: of the job that has ended.
        exit_code: of the job.
        ended: when.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    before = samples_in(path.read_bytes().decode()) if path.exists() else []
    others = [sample for sample in before if sample.labels.get("job_name") != summary.job]
    mine = [sample for sample in before if sample.labels.get("job_name") == summary.job]
    successes = [sample.value for sample in mine if sample.name == LAST_SUCCESS]
    last_success = ended.timestamp() if exit_code == 0 else next(iter(successes), None)
    now = samples_of(summary, exit_code=exit_code, ended=ended, last_success=last_success)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    Folder(str(path.parent)).write_text(path.name, exposition([*others, *now]))


def samples_of(summary: Summary, *, exit_code: int, ended: datetime, last_success: float | None) -> Iterator[Sample]:
    """What a summary has to tell.

    Args:
        summary: of a job that has ended.
        exit_code: of the job.
        ended: when.
        last_success: seconds since 1970; none: it never succeeded.
    """

    def sample(name: str, value: float, **labels: str | None) -> Sample:
        return Sample(name, {"job_name": summary.job or "", **{k: v or "" for k, v in labels.items()}}, value)

    about = {"run_id": summary.run_id, "as_of": summary.as_of, "model_id": summary.model_id, "version": __version__}
    yield sample("recsys_run_info", 1, **about, status=summary.status)
    if last_success is not None:
        yield sample(LAST_SUCCESS, last_success)
    yield sample("recsys_last_run_timestamp_seconds", ended.timestamp())
    yield sample("recsys_exit_code", exit_code)
    for status in sorted({*STATUSES, summary.status}):
        yield sample("recsys_run_status", float(status == summary.status), status=status)
    for stage, seconds in summary.seconds.items():
        yield sample("recsys_stage_seconds", seconds, stage=stage)
    for count, n in summary.counts.items():
        yield sample("recsys_count", n, count=count)
    for labels, value in _metrics(summary.metrics):
        yield sample("recsys_metric", value, **labels)
    for figure, value in summary.audit.items():
        if isinstance(value, int | float):
            yield sample("recsys_audit", value, figure=figure)
    yield sample("recsys_warnings", len(summary.warnings))


def exposition(samples: Iterable[Sample]) -> str:
    """Samples as the text of a file, grouped by metric as the format asks."""
    by_name: dict[str, list[Sample]] = {name: [] for name in FAMILIES}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, family in by_name.items():
        if family:
            lines += [f"# HELP {name} {FAMILIES[name]}"] if name in FAMILIES else []
            lines += [f"# TYPE {name} gauge", *(_line(sample) for sample in family)]
    return "".join(f"{line}\n" for line in lines)


def samples_in(text: str) -> list[Sample]:
    """The samples of a file that `exposition` has written; other lines are passed over."""
    found = (_SAMPLE.fullmatch(line) for line in text.split("\n"))
    return [
        Sample(match["name"], {k: _unescaped(v) for k, v in _LABEL.findall(match["labels"])}, float(match["value"]))
        for match in found
        if match
    ]


def _metrics(tree: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], float]]:
    """The plain numbers of the summary's metrics with their labels; ends of intervals stay in the tables."""
    scored = [("main", part, values) for part, values in tree.items() if part not in ("baseline", "diversified")]
    compared = "test" if "test" in tree else "train"
    others = {**tree.get("baseline", {}), **({"diversified": tree["diversified"]} if "diversified" in tree else {})}
    scored += [(name, compared, values) for name, values in others.items()]
    for scorer, part, values in scored:
        for metric, value in values.items():
            if isinstance(value, int | float):
                yield {"scorer": scorer, "split": part, "metric": metric}, value


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}} {_number(sample.value)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in value)


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda escape: _UNESCAPED.get(escape[0], escape[0]), value)
