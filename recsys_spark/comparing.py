"""The job `compare`: whether one run ranks better than another, by the users that both were measured on."""

from __future__ import annotations

from collections.abc import Sequence

from recsys_spark.errors import ConfigError
from recsys_spark.evaluation.groups import GroupSums
from recsys_spark.evaluation.paired import Comparison, compared
from recsys_spark.job import Job
from recsys_spark.run import Run
from recsys_spark.storage import Folder
from recsys_spark.text_table import TextColumn, text_table

COLUMNS = (
    TextColumn("part"),
    TextColumn("metric"),
    TextColumn("users", "right"),
    TextColumn("run", "right"),
    TextColumn("with", "right"),
    TextColumn("gain", "right"),
    TextColumn("95 % interval", "right"),
    TextColumn("p", "right"),
)


def compare(job: Job) -> None:
    """Write the comparison of two runs to stdout, above the summary, and into it.

    Arguments of the job: `run` and `with_run`, run_ids; `with_output`, the output folder of the second one, if it is
    another; `scorer` and `with_scorer`, whose lists: `main`, `diversified` or a baseline.

    Raises:
        ConfigError: a run was not measured, or has no such scorer.
        DataError: they were not measured on the same users and ratings.
    """
    given = job.arguments
    other_output = given["with_output"]
    elsewhere = job.run if other_output is None else Run.start(Folder(other_output), job.run.as_of)
    mine = _sums(job.run, given["run"], given["scorer"], "--run", "--scorer")
    other = _sums(elsewhere, given["with_run"], given["with_scorer"], "--with", "--with-scorer")
    common = sorted(mine.keys() & other.keys())
    found = [one for part in common for one in compared(mine[part], other[part], seed=job.settings.evaluation.seed)]
    names = [_named(given["run"], given["scorer"]), _named(given["with_run"], given["with_scorer"])]
    print(f"{names[0]} with {names[1]}\n{as_table(found)}")
    job.summary.metrics = {"compared": [one._asdict() for one in found], "runs": names}


def as_table(found: Sequence[Comparison]) -> str:
    """A line for each metric."""
    rows = [
        [
            one.split,
            one.metric,
            f"{one.n_users:,}",
            f"{one.value:.4f}",
            f"{one.other:.4f}",
            f"{one.gain:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
            f"{one.p:.4f}",
        ]
        for one in found
    ]
    return text_table(COLUMNS, rows)


def _named(run_id: str, scorer: str) -> str:
    return run_id if scorer == "main" else f"{run_id} ({scorer})"


def _sums(run: Run, run_id: str, scorer: str, run_option: str, scorer_option: str) -> dict[str, GroupSums]:
    """What was kept of a run, by part."""
    stored = run.evaluations.read_json(f"{run_id}.json")
    if stored is None:
        known = [name.removesuffix(".json") for name in run.evaluations.children() if not name.startswith(".")]
        raise ConfigError(
            run_option,
            expected=f"a published run of {run.output} that measured how it ranks",
            found=run_id,
            hint="a run that uses a stored model measures nothing; there are: " + (", ".join(known[-5:]) or "none"),
        )
    sums = [GroupSums.of_dict(one) for one in stored]
    found = {one.split: one for one in sums if one.scorer == scorer}
    if not found:
        known = sorted({one.scorer for one in sums})
        raise ConfigError(scorer_option, expected=f"one of {', '.join(known)}", found=scorer)
    return found
