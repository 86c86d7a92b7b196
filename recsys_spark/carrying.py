"""The scoring of a night in the mode `incremental`: which lists are made, and which are carried over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from recsys_spark import config
from recsys_spark.errors import DataError
from recsys_spark.ingest.ingested import RECORD, Ingested
from recsys_spark.ingest.reconcile import stored_rows
from recsys_spark.job import SCORED, Job
from recsys_spark.planning import left_out_of_lists
from recsys_spark.scoring.all_pairs import ScoringPlan
from recsys_spark.scoring.incremental import Basis, Changes, carried_lists, changed_users
from recsys_spark.staged import read_staged
from recsys_spark.storage import Folder

_SPEED_ONLY = ("mode", "kernel", "top_users")


@dataclass(frozen=True)
class Wanted:
    """Who is to be scored.

    Args:
        users: their rows, one file for each block.
        n_users: how many they are.
        blocks: files they lie in.
        carried: the lists of the others; none: there are no others.
    """

    users: DataFrame
    n_users: int
    blocks: int
    carried: DataFrame | None = None


def wanted_users(job: Job, ingested: Ingested, plan: ScoringPlan, model_id: str) -> Wanted:
    """Everybody, or in the mode `incremental` those whose lists might be others than in the visible run.

    What the lists depend on is stored in the stage, for the next run.
    """
    basis = Basis.of(plan, model_id, _rules(job), ingested.vocabularies.users.size)
    basis.save(job.folder("score") / "basis")
    users, listed = left_out_of_lists(job, ingested), job.settings.scoring.users
    everybody = Wanted(
        users,
        n_users=ingested.counts["users"] if listed is None else len(listed),
        blocks=len((ingested.folder / "seen").parquet_files()),
    )
    if job.settings.scoring.mode == "full":
        return everybody
    found = _staged_before(job)
    if isinstance(found, str):
        job.run.warn(f"scoring.mode: everybody is scored: {found}")
        return everybody
    before, stage = found
    earlier = Basis.load(stage / "basis")
    changes = Changes.between(earlier, basis) if earlier is not None else None
    if changes is None or changes.everybody is not None:
        why = "the lists before are of another version" if changes is None else changes.everybody
        job.progress.say(f"scoring.mode: everybody is scored: {why}")
        return everybody
    lists = read_staged(job.spark, stage / "lists")
    target = job.folder("score") / "changed"
    users_before = left_out_of_lists(job, before)
    changed_users(users, users_before, lists, changes).write.mode("overwrite").parquet(str(target))
    changed = read_staged(job.spark, target)
    n_changed = stored_rows(target)
    job.progress.say(
        f"{n_changed:,} of {everybody.n_users:,} users are scored, the lists of the others stay as they are"
    )
    return Wanted(changed, n_changed, len(target.parquet_files()), carried_lists(lists, users, changed))


def remember(job: Job, ingested: Ingested) -> None:
    """Note where the lists that are visible now were staged."""
    places = {"run_id": job.run.run_id, "ingest": str(ingested.folder), "score": str(job.folder("score"))}
    job.run.state.write_json(SCORED, places)


def _staged_before(job: Job) -> tuple[Ingested, Folder] | str:
    """The stages of the visible run; or why they are of no use."""
    places = job.run.state.read_json(SCORED)
    if places is None:
        return "there is no run before"
    stage = Folder(places["score"])
    if stage.read_json(RECORD) is None:
        return f"the lists of run {places['run_id']} are no longer in {stage}"
    try:
        return Ingested.load(Folder(places["ingest"])), stage
    except DataError:
        return f"the ingest of run {places['run_id']} is no longer in {places['ingest']}"


def _rules(job: Job) -> dict[str, Any]:
    scoring = config.as_tree(job.settings.scoring)
    damping = job.settings.evaluation.baseline_damping
    return {key: value for key, value in scoring.items() if key not in _SPEED_ONLY} | {"damping": damping}
