"""The job `forget`: the order in which a user is taken out of everything that an output holds.

First comes the list, so that from then on no night brings the user back; then the vocabulary, the stages, the tables,
the notes, the models. Each step finds by the list, or by an index without an id, what is still to be done. So a job
that was stopped is finished by any later one, and one that is repeated does no harm.
"""

from __future__ import annotations

from recsys_spark.errors import ConfigError
from recsys_spark.forgetting import notes, vocabulary
from recsys_spark.forgetting.artefacts import erase_vectors
from recsys_spark.forgetting.delta import DeltaTable, delta_tables
from recsys_spark.forgetting.parquet import Removed, judge_of, parquet_below, take_out
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.job import Job
from recsys_spark.storage import Folder

OWN_FOLDERS = ("state", "models", "_work", "summaries", "evaluations", "reports", "tuning")
"""What under the output is no table."""


def forget(job: Job) -> None:
    """Erase the users of the request, and all earlier ones of whom anything is left.

    Raises:
        ConfigError: the output has Delta tables, and the settings say that it has none.
        ArtifactError: a model is damaged, so that it cannot be told what it holds; all else has been done.
    """
    run, asked = job.run, job.arguments["users"]
    deltas = delta_tables(run.output)
    if deltas and job.settings.output.format != "delta":
        hint = f"the output holds Delta tables ({', '.join(deltas)}): --set output.format=delta"
        raise ConfigError("output.format", expected="delta", found=job.settings.output.format, hint=hint)
    with job.progress.stage("list"):
        job.check_lock()
        before = Forgotten.load(run.state) or Forgotten.empty()
        forgotten = before.joined_by(asked)
        forgotten.save(run.state)
    with job.progress.stage("vocabulary"):
        removed, found = vocabulary.take_out_ids(run.state, forgotten)
        known = Vocabularies.load(run.state)
    with job.progress.stage("stages"):
        (run.output / "_work").delete()
    with job.progress.stage("tables"):
        for name in deltas:
            rows = DeltaTable(job.spark, run.output / name, name).erase(forgotten)
            removed.rows[name] = removed.rows.get(name, 0) + rows
        _clean_parquet(run.output, deltas, forgotten, removed)
    with job.progress.stage("notes"):
        notes.clean_summaries(run.summaries, forgotten)
        notes.clean_found_settings(run.output / "tuning", forgotten)
        # their example users may be among them; the job `report` writes any of them anew
        run.reports.delete()
    with job.progress.stage("models"):
        gone = None if known is None else vocabulary.without_id(known.users, run.state)
        models = 0 if gone is None else erase_vectors(str(run.models), gone)
    forgotten.done().save(run.state)
    unknown = len({forgotten.hash_of(user) for user in asked} - before.hashes - found)
    _tell(job, removed, {"users_forgotten": len(asked), "users_unknown": unknown, "models_changed": models})


def _clean_parquet(output: Folder, deltas: list[str], forgotten: Forgotten, removed: Removed) -> None:
    """Every Parquet file under the output that is no part of a Delta table, whichever run it belongs to."""
    files, root = output.arrow
    for path in parquet_below(output, but=(*deltas, *OWN_FOLDERS)):
        judge = judge_of(forgotten, files, path)
        rows = 0 if judge is None else take_out(files, path, judge)
        if rows:
            removed.count(_table_of(path.removeprefix(f"{root}/")), rows)


def _table_of(path: str) -> str:
    """The table that a file of the Parquet sink belongs to."""
    parts = path.split("/")
    return parts[2] if parts[0] == "published" else parts[0]


def _tell(job: Job, removed: Removed, counts: dict[str, int]) -> None:
    rows = {name: n for name, n in sorted(removed.rows.items()) if n}
    told = ", ".join(f"{name} {n:,}" for name, n in rows.items())
    job.progress.say(
        f"{counts['users_forgotten']:,} users asked for, {counts['users_unknown']:,} of them never seen; "
        f"rows removed: {told or 'none'}; {counts['models_changed']:,} models changed"
    )
    job.summary.counts |= counts | {"files_rewritten": removed.files, "rows_removed": sum(rows.values())}
    job.summary.counts |= {f"rows_removed_{name}": n for name, n in rows.items()}
