"""What the published tables name, and what must therefore stay."""

from __future__ import annotations

from dataclasses import dataclass

from recsys_spark.publishing.sink import Sink
from recsys_spark.schemas import (
    EMBEDDING_MAPS,
    ITEM_VECTORS,
    RANKED_PAIRS,
    SIMILAR_ITEMS,
    TOP_N,
    TOP_N_HISTORY,
    TOP_USERS,
    USER_VECTORS,
)

_OF_NO_NIGHT = (RANKED_PAIRS, TOP_USERS, SIMILAR_ITEMS, ITEM_VECTORS, USER_VECTORS, EMBEDDING_MAPS)
"""Tables that may name a model of any earlier night."""


@dataclass(frozen=True)
class Needed:
    """Runs and artefacts that a reader of the published lists finds named there."""

    visible: str | None
    """The run that `top_n` shows; none: there is none yet."""

    runs: frozenset[str]
    """The visible one and those whose lists are kept."""

    models: frozenset[str]


def needed_by_tables(sink: Sink) -> Needed:
    """What the tables name. The driver collects a row for each run that one of them holds."""
    visible = sink.visible_run()
    runs, models = set() if visible is None else {visible}, set()
    for table in (TOP_N, TOP_N_HISTORY, *_OF_NO_NIGHT):
        rows = sink.read(table)
        if rows is not None:
            named = rows.select("run_id", "model_id").distinct().collect()
            models |= {str(row["model_id"]) for row in named}
            if table in (TOP_N, TOP_N_HISTORY):
                runs |= {str(row["run_id"]) for row in named}
    return Needed(visible, frozenset(runs), frozenset(models))
