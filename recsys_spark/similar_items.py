"""The job `similar_items`: the most similar items of every item, by the model of the lists that readers see."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from recsys_spark.bookkeeping import publish_alone
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.job import Job
from recsys_spark.kernels.arrays import F32, I32, Flags
from recsys_spark.kernels.similarity import centred_scores, compared, unit_rows
from recsys_spark.publishing.audit_items import audit_similar_items
from recsys_spark.publishing.ledger import PUBLISHED
from recsys_spark.publishing.rows import similar_items_rows
from recsys_spark.publishing.summary import gist
from recsys_spark.schemas import ITEM, SIMILAR_ITEMS
from recsys_spark.scoring.settings import SimilarItemsSettings
from recsys_spark.scoring.similar_items import SimilarItemsPlan, stage_similar_items
from recsys_spark.visible_model import VisibleModel, visible_model

MOST_BYTES = 1 << 30
"""Of the scores that correlations are made of, on the driver and on each node."""

LEAST_USERS = 50
"""A correlation over fewer users, if there are more, would say little."""


def similar_items(job: Job) -> None:
    """Find the most similar items of every item that the visible model knows, and make the table of them."""
    found = _make(job)
    job.summary.counts |= found


def similar_items_of_night(job: Job) -> None:
    """Do the same at the end of a night that has published its lists, if that is asked for.

    The night stays published whatever becomes of it: a failure is a warning.
    """
    if not job.settings.similar_items.enabled or job.summary.status != PUBLISHED:
        return
    try:
        found = _make(job)
    except Exception as error:
        why = f"{gist(error)}; the job `similar_items` makes the table anew"
        job.run.warn(f"the lists of the night are published, but similar_items could not be made: {why}")
        return
    # the night has a count of this name for its own lists
    found["similar_items_published"] = found.pop("rows_published")
    job.summary.counts |= found


def _make(job: Job) -> dict[str, int]:
    """Compare, audit and publish; gives the counts."""
    staged = job.run.work("similar_items", job.run.run_id)
    with job.progress.stage("similar_items"):
        model = visible_model(job)
        measure, plan, left_out = _plan(job, model)
        n_items = len(plan.items)
        work = stage_similar_items(job.spark, plan, model.ids, staged)
        lists = job.spark.read.parquet(str(staged))
        found = audit_similar_items(lists, n_items=n_items, top_n=plan.n, stage=str(staged))
        job.progress.say(
            f"{n_items:,} items of {model.model_id} compared by {measure} (items by kernel: {work.kernels}); "
            f"{left_out:,} more have no similar ones: their vector is zero, or their score the same for everybody"
        )
        if found["error"]:
            job.run.warn(f"similar_items: {found['error']:,} items have no list, since a score of theirs is not finite")
        rows = similar_items_rows(lists, measure, job.run, model.model_id, datetime.now(UTC))
        publish_alone(job, model.ids, SIMILAR_ITEMS, rows)
        staged.delete()
    job.summary.model_id = model.model_id
    counts = {"items_compared": n_items, "items_without_similar": left_out + found["error"]}
    return counts | {"rows_published": found["rows_published"]}


def _plan(job: Job, model: VisibleModel) -> tuple[str, SimilarItemsPlan, int]:
    """By which measure which items are compared, and how many that are asked for are similar to nothing."""
    item_ids, asked = _items_in_source(model)
    asked &= model.known("item")
    measure, vectors = _measured(job, model, np.flatnonzero(asked).astype(np.int32))
    items = np.flatnonzero(asked & vectors.any(axis=1)).astype(np.int32)
    settings = job.settings
    plan = SimilarItemsPlan(
        compared(vectors), items, item_ids, n=settings.similar_items.top_n, kernel=settings.scoring.kernel
    )
    return measure, plan, int(asked.sum()) - len(items)


def _items_in_source(model: VisibleModel) -> tuple[pa.Array, Flags]:
    """The id of every item index, null where there is none, and which of them the source knows; on the driver."""
    rows = model.in_source("item").toArrow()
    indices = rows.column("item_index").to_numpy()
    place = np.full(model.main.n_items, -1, np.int64)
    place[indices] = np.arange(len(indices))
    ids = rows.column("item_id").combine_chunks().cast(model.ids.arrow(ITEM))
    return ids.take(pa.array(place, mask=place < 0)), place >= 0


def _measured(job: Job, model: VisibleModel, items: I32) -> tuple[str, F32]:
    """The measure, and items as vectors whose dot products are their similarity."""
    settings, scorer = job.settings.similar_items, model.main
    measure = settings.measure
    if measure == "auto":
        measure = "cosine" if scorer.is_dot else "correlation"
    if measure == "correlation":
        users = drawn_users(settings, model.known("user"), n_items=scorer.n_items)
        wanted = min(settings.users, int(model.known("user").sum()))
        if len(users) < wanted:
            job.run.warn(
                f"similar_items.users: {len(users):,} users were drawn, not {wanted:,}: the scores of more for "
                f"{scorer.n_items:,} items would take above {MOST_BYTES >> 20:,} MiB"
            )
        return measure, centred_scores(scorer, users, items)
    if not scorer.is_dot:
        raise ConfigError(
            "similar_items.measure",
            expected=f"auto or correlation for {model.model_id}, a model with dense layers",
            found=measure,
            hint="only the layers know what such a vector means: its angles and lengths tell nothing about scores",
        )
    return measure, unit_rows(scorer.item) if measure == "cosine" else scorer.item


def drawn_users(settings: SimilarItemsSettings, known: Flags, *, n_items: int) -> I32:
    """The users over whose scores items are correlated: by the seed alone, whatever the partitioning.

    Args:
        settings: how many, and the seed.
        known: bool[n_users], who may be drawn.
        n_items: of the scorer; the more there are, the fewer users fit into `MOST_BYTES`.

    Returns:
        i32[m], ascending.

    Raises:
        DataError: fewer than two users, or fewer than `LEAST_USERS` fit.
    """
    users = np.flatnonzero(known).astype(np.int32)
    room = MOST_BYTES // (4 * max(n_items, 1))
    wanted = min(settings.users, len(users))
    if wanted < 2:
        raise DataError("similar_items", expected="two users at least whom the model knows", found=str(wanted))
    if room < min(LEAST_USERS, wanted):
        raise DataError(
            "similar_items",
            expected=f"room for the scores of {min(LEAST_USERS, wanted)} users in {MOST_BYTES >> 20:,} MiB",
            found=f"{n_items:,} items, room for {room}",
            hint="a model without dense layers needs no scores: its items are compared by cosine",
        )
    drawn = np.random.default_rng(settings.seed).choice(users, min(wanted, room), replace=False)
    return np.sort(drawn)
