"""The model of the lists that readers see, found by what the output alone says: no source, no stage is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame

from recsys_spark.bookkeeping import put_right, sink_of
from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import Vocabularies
from recsys_spark.job import Job
from recsys_spark.kernels.arrays import Flags
from recsys_spark.kernels.scorer import PairScorer
from recsys_spark.planning import have_vectors
from recsys_spark.publishing.ledger import visible_entry
from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import ITEMS, USERS, PinnedIds
from recsys_spark.stored_models import scorers_for


@dataclass(frozen=True, eq=False)
class VisibleModel:
    """A model that lists were published of.

    Args:
        model_id: its name.
        scorers: the published ones, with a row for every user and item of the vocabularies.
        ids: the pinned id types.
        sink: of the output.
    """

    model_id: str
    scorers: Mapping[str, PairScorer]
    ids: PinnedIds
    sink: Sink

    @property
    def main(self) -> PairScorer:
        """The scorer that orders the lists."""
        return self.scorers["main"]

    def known(self, side: Literal["user", "item"]) -> Flags:
        """Of whom it has learnt something: bool[n], by index. Forgotten users are not among them."""
        users, items = have_vectors(self.scorers)
        return users if side == "user" else items

    def in_source(self, side: Literal["user", "item"]) -> DataFrame:
        """Those whom the newest ingest's source knows: an id and its index, of the table `users` or `items`."""
        table = ITEMS if side == "item" else USERS
        rows = self.sink.read(table)
        if rows is None:
            raise DataError(f"table {table.name}", expected="one beside the published lists", found="none")
        return rows.where("in_source").select(f"{side}_id", f"{side}_index")


def visible_model(job: Job) -> VisibleModel:
    """Load the model of the run that readers see; the books of a run that died are finished before.

    Raises:
        DataError: no run was ever published here.
        ArtifactError: the artefact is damaged, gone, or belongs to other users and items.
    """
    put_right(job)
    vocabularies = Vocabularies.load(job.run.state)
    sink = None if vocabularies is None else sink_of(job, vocabularies.ids)
    entry = None if sink is None else visible_entry(sink)
    if vocabularies is None or sink is None or entry is None or entry.model_id is None:
        hint = "run the job `nightly` first; output.path and output.format must be those of its tables"
        raise DataError(str(job.run.output), expected="lists that were published", found="none", hint=hint)
    scorers = scorers_for(str(job.run.models / entry.model_id), vocabularies)
    return VisibleModel(entry.model_id, scorers, vocabularies.ids, sink)
