"""The job `vectors`: the vectors of items and users as tables, by the model of the lists that readers see."""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import functions as F

from recsys_spark.bookkeeping import publish_alone
from recsys_spark.job import Job
from recsys_spark.models.sides import Side
from recsys_spark.publishing.rows import signed_rows
from recsys_spark.schemas import ITEM_VECTORS, USER_VECTORS
from recsys_spark.scoring.vectors import SideVectors, vector_rows
from recsys_spark.visible_model import VisibleModel, visible_model


def vectors(job: Job) -> None:
    """Make the tables `item_vectors` and `user_vectors` of what the visible model has learnt.

    Each is replaced at once, by itself; both name the model that they are of.
    """
    with job.progress.stage("load"):
        model = visible_model(job)
    with job.progress.stage("publish"):
        items, users = _publish(job, model, "item"), _publish(job, model, "user")
        width = model.main.item.shape[1], model.main.user.shape[1]
        job.progress.say(
            f"{model.model_id}: {items:,} vectors of items with {width[0]} numbers, {users:,} of users with {width[1]}"
        )
    job.summary.counts |= {
        "items_with_vector": items,
        "users_with_vector": users,
        "rows_published": items + users,
    }
    job.summary.model_id = model.model_id


def _publish(job: Job, model: VisibleModel, side: Side) -> int:
    """One table; gives the number of its rows."""
    main, known = model.main, model.known(side)
    if side == "item":
        table, found = ITEM_VECTORS, SideVectors(main.item, main.item_bias, known)
    else:
        table, found = USER_VECTORS, SideVectors(main.user, main.user_bias, known)
    rows = vector_rows(model.in_source(side), found)
    publish_alone(job, model.ids, table, signed_rows(rows, job.run, model.model_id, datetime.now(UTC)))
    published = model.sink.read(table)
    assert published is not None
    counted = published.agg(F.count(F.lit(1)).alias("n")).collect()[0]
    return int(counted["n"])
