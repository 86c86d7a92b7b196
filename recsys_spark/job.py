"""One job at work: the session, the settings, the attempt, and where its stages keep their private files.

A stage keeps them in `_work/<stage>-<hash of its inputs>/`, whose record `stage.json` is written last; so a later job
of the same configuration and sources finds what an earlier one has left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_spark import config
from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.ingest.ingested import RECORD, Ingested, is_whole
from recsys_spark.ingest.location import fingerprint
from recsys_spark.ingest.settings import SeenFilter
from recsys_spark.manifest import MANIFEST, Manifest
from recsys_spark.progress import Progress
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.publishing.summary import Summary
from recsys_spark.run import STAGES, Run, end_of, input_key
from recsys_spark.schemas import RUNS
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.stored_models import in_use

SCORED = "scored.json"
"""In the folder `state`: where the lists of the run that readers see were staged."""


@dataclass
class Job:
    """What every stage needs: the session, the settings, the attempt, and where to report."""

    spark: SparkSession
    settings: Settings
    run: Run
    summary: Summary
    progress: Progress
    name: str = "nightly"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the command line, by name; the job's own are among them."""

    check_lock: Callable[[], None] = lambda: None
    """Makes sure that the output is still held by this run; called before anything becomes visible."""

    fingerprint: str | None = field(init=False)
    """Of the inputs, taken once: a source that changes while the job runs must not send its stages apart."""

    forgotten: Forgotten | None = field(init=False)
    """Users of whom nothing may be kept, as the list was when the job started; none: nobody was ever forgotten."""

    def __post_init__(self) -> None:
        self.forgotten = Forgotten.load(self.run.state)
        self.fingerprint = _source_fingerprint(self.settings, self.forgotten)

    def folder(self, stage: str) -> Folder:
        """The private folder of a stage, by the hash of all that it depends on."""
        tree = config.as_tree(self.settings)
        inputs = [tree[section] for section in ("source", "items", "users", "quality", "split")]
        if self.settings.training.event_weights is not None:
            # they become ratings
            inputs.append(self.settings.training.event_weights)
        if self.forgotten is not None:
            # in the fingerprint, too, but not every source has one
            inputs.append(self.forgotten.digest)
        if stage in ("ingest", "score"):
            inputs.append(self._list_inputs())
        if stage != "ingest":
            # the baselines are fitted beside the model
            inputs += [tree["model"], tree["training"], tree["evaluation"]["baseline_damping"]]
            inputs += [self.in_use.model_id] if self.in_use else []
            if self.settings.training.warm_start and self.in_use is None:
                inputs.append(self.last_model)
        if stage in ("evaluate", "score"):
            inputs.append(tree["evaluation" if stage == "evaluate" else "scoring"])
        if stage == "evaluate" and self.settings.scoring.diversity is not None:
            # lists are measured as they are published
            inputs.append([tree["scoring"]["diversity"], tree["scoring"]["top_n"]])
        if stage == "score" and self.settings.scoring.mode == "incremental":
            inputs.append(self.run.state.read_json(SCORED))
        return self.run.work(stage, input_key(self.fingerprint, *inputs))

    @cached_property
    def in_use(self) -> Manifest | None:
        """The stored model that this run uses instead of training one; none: it trains.

        Raises:
            RecsysError: there is none, or it is too old.
        """
        training = self.settings.training
        if training.use_model is None:
            return None
        end = end_of(self.run.as_of)
        return in_use(self.run.models, training.use_model, max_age=training.max_model_age, end=end)

    @property
    def from_stage(self) -> str | None:
        """The first stage that is done again even if it is finished, by `--from`."""
        return self.arguments.get("from_stage")

    def may_reuse(self, stage: str) -> bool:
        """Whether this run may go on from a stage that an earlier attempt has finished, and there is one.

        Without a fingerprint nobody can tell whether its inputs are the same.
        """
        if self.fingerprint is None:
            return False
        first = self.from_stage or ("ingest" if self.settings.run.force else None)
        if first is not None and STAGES.index(stage) >= STAGES.index(first):
            return False
        record = self.folder(stage).read_json(RECORD)
        if record is None:
            return False
        if stage == "train":
            model_id: str = record["model_id"]
            return (self.run.models / model_id / MANIFEST).exists()
        return stage == "evaluate" or is_whole(self.folder(stage))

    def discard(self, stage: str) -> None:
        """Remove what an attempt has left of a stage; its record first, so that half of it never looks finished."""
        folder = self.folder(stage)
        folder.delete_file(RECORD)
        folder.delete()

    @cached_property
    def last_model(self) -> str | None:
        """The model of the newest published night before this one's date; none: there is none.

        Not the visible one: so another attempt at a date starts where the first one did, and gives the same rows.
        """
        vocabularies = Vocabularies.load(self.run.state)
        if vocabularies is None:
            return None
        sink = SINKS[self.settings.output.format](self.spark, self.run.output, vocabularies.ids, self.run.run_id)
        runs = sink.read(RUNS)
        if runs is None:
            return None
        earlier = runs.where((F.col("status") == "published") & (F.col("as_of") < F.lit(self.run.as_of)))
        newest = earlier.orderBy(F.desc("as_of"), F.desc("started_at")).select("model_id").first()
        return None if newest is None else newest["model_id"]

    @property
    def states(self) -> Folder:
        """Where fits keep states to go on from; not in the stage's folder, which is discarded while unfinished."""
        return self.run.work("states", self.folder("train").location.rpartition("-")[2])

    def study_folder(self) -> Folder:
        """The folder of a search, by the hash of all that its trials depend on.

        Without a fingerprint none is continued.
        """
        tune = config.as_tree(self.settings.tune)
        search = {key: value for key, value in tune.items() if key not in ("trials", "timeout")}
        inputs = (self.fingerprint or self.run.run_id, self.folder("train").location.rpartition("/")[2], search)
        return self.run.output / "tuning" / input_key(*inputs)

    def ingested(self) -> Ingested:
        """What the stage `ingest` has left.

        Raises:
            DataError: nothing.
        """
        return Ingested.load(self.folder("ingest"))

    def trained(self) -> dict[str, Any]:
        """The record that the stage `train` has left.

        Raises:
            DataError: there is none.
        """
        stored: dict[str, Any] | None = self.folder("train").read_json(RECORD)
        if stored is None:
            hint = "run the job `train` with the same configuration and sources first, or `nightly` for everything"
            raise DataError("stage train", expected="a model of these inputs and settings", found="none", hint=hint)
        return stored

    def _list_inputs(self) -> dict[str, Any]:
        """What the lists of seen and of barred items depend on beyond the ratings.

        The business date only where a period counts from it.
        """
        seen, exclude = seen_filter(self.settings), self.settings.scoring.exclude
        dated = (seen is not None and seen.within_days is not None) or (
            exclude is not None and exclude.columns.until is not None
        )
        return {
            "seen": None if seen is None else config.as_tree(seen),
            "exclude": None if exclude is None else config.as_tree(exclude),
            "as_of": self.run.as_of.isoformat() if dated else None,
        }


def seen_filter(settings: Settings) -> SeenFilter | None:
    """Which seen rows ingest makes its lists of; whether they are used at all is not its concern."""
    seen = settings.scoring.exclude_seen
    return seen if isinstance(seen, SeenFilter) else None


def _source_fingerprint(settings: Settings, forgotten: Forgotten | None) -> str | None:
    """Of all inputs together, the list of forgotten users among them; none where one of them has none."""
    given = [table for table in settings.tables_read if table.is_given]
    prints = [None if table.format == "jdbc" else fingerprint(table.place) for table in given]
    if forgotten is not None:
        prints.append(forgotten.digest)
    return None if None in prints else input_key(*prints)
