"""An output as two nights leave it: few enough rows to know them all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.written_tables import WrittenTables
from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.manifest import Description
from recsys_spark.schemas import (
    ITEMS,
    METRICS,
    RATINGS,
    RUNS,
    TOP_N,
    TOP_N_HISTORY,
    USER_OUTCOMES,
    USERS,
    PinnedIds,
)

IDS = PinnedIds(user="string", item="long")

FIRST, FAILED, SECOND, THIRD = (
    "20260101T010000-aaaaaa",
    "20260102T000000-ffffff",
    "20260102T010000-bbbbbb",
    "20260103T010000-cccccc",
)

USER_IDS = ("ann", "bob", "cleo", "dan", "eve")
"""Cleo was folded in, dan has no vector, eve has seen everything."""

TITLES = {
    1: "Star Wars (1977)",
    2: "Hobbit, The",
    3: "寿司 ☂",
    4: "\x1b[31mRed\x1b[0m <b>&amp;</b> [bold]alert[/bold]\u202e\nnext",
    5: 'The "Quiet" American',
    6: None,
    7: "Star Trek",
    8: "Solo",
    9: "Solo",
}
"""The last item has no rating: the model does not know it."""


def scorer() -> PairScorer:
    """Two directions: items of odd ids lie along the one, of even ids along the other, each a little to the side."""
    aside = np.linspace(0, 0.4, 9, dtype=np.float32)
    along = np.tile(np.array([[1, 0], [0, 1]], np.float32), (5, 1))[:9]
    return PairScorer(
        user=np.array([[1, 0.25], [0.5, 1], [0, 1], [0, 0], [1, 1]], np.float32),
        item=np.ascontiguousarray(along + aside[:, None] * along[:, ::-1]),
        item_bias=np.linspace(0.1, 0.9, 9, dtype=np.float32),
        offset=3.5,
        clip=(1.0, 4.75),
    )


def deep_scorer() -> PairScorer:
    """One dense layer over the same columns."""
    weight = np.array([[1], [0.5], [0.25], [2]], np.float32)
    dot = scorer()
    return PairScorer(user=dot.user, item=dot.item, layers=(DenseLayer(weight, np.zeros(1, np.float32), "linear"),))


def save_model(output: Path, main: PairScorer, name: str = "dot") -> str:
    """Store a scorer as an artefact that knows all users but dan and all items but the last."""
    known = PairScorer(
        user=np.zeros((5, 0), np.float32),
        item=np.zeros((9, 0), np.float32),
        user_bias=np.array([1, 1, 1, 0, 1], np.float32),
        item_bias=np.array([1] * 8 + [0], np.float32),
    )
    stored = Artefact(Description(model=name), {"published": {"main": main, "known": known}})
    return artifact.save(output / "models", stored).name


def write(output: Path, layout: str, main: PairScorer | None = None) -> WrittenTables:
    """Two nights of a model, and between them one that failed."""
    model_id = save_model(output, main or scorer())
    tables = WrittenTables(output, layout, IDS)
    for run_id, day, lists in ((FIRST, 1, LISTS_BEFORE), (SECOND, 2, LISTS)):
        entries = _entries(lists, run_id, day, model_id)
        for table, rows in ((ITEMS, _items()), (USERS, _users()), (RATINGS, _ratings()), (TOP_N, entries)):
            tables.replace(table, rows, run_id)
        tables.add_run(METRICS, _metrics(run_id, model_id, day), run_id)
        tables.add_run(TOP_N_HISTORY, entries, run_id)
        tables.add_run(USER_OUTCOMES, _outcomes(lists, run_id, day), run_id)
        tables.add_run(RUNS, [_entry(run_id, day, model_id)], run_id)
        tables.point(run_id)
    error = {"code": "data", "message": "data: source.path: expected one, found none.", "hint": ""}
    failed = {"run_id": FAILED, "job": "nightly", "as_of": "2026-01-02", "status": "data_failed", "error": error}
    (output / "summaries" / f"{FAILED}.json").write_text(json.dumps(failed))
    return tables


def similar_items(model_id: str, measure: str) -> list[dict[str, Any]]:
    """Rows of the table of that name, in which item 1 is most like item 5 and then like item 2."""
    return [
        {
            "target_item_id": 1,
            "rank": rank,
            "item_id": item_id,
            "score": score,
            "measure": measure,
            "run_id": THIRD,
            "model_id": model_id,
            "as_of": date(2026, 1, 3),
            "generated_at": datetime(2026, 1, 3, tzinfo=UTC),
        }
        for rank, item_id, score in ((1, 5, 0.75), (2, 2, 0.5))
    ]


Lists = dict[tuple[str, str | None], tuple[str, list[int]]]
"""For user and variant the reason and the items."""

LISTS: Lists = {
    ("ann", None): ("model", [7, 5, 3]),
    ("ann", "short"): ("model", [3]),
    ("bob", None): ("model", [6, 8, 4]),
    ("cleo", None): ("folded_in", [4, 2]),
    ("dan", None): ("cold_fallback", [1]),
    ("eve", None): ("nothing_left", []),
}

LISTS_BEFORE: Lists = {
    ("ann", None): ("model", [7, 5, 1]),
    ("bob", None): ("model", [6, 8, 4]),
    ("fay", None): ("model", [1]),
}


def score(user: str, item: int) -> float:
    """What the model says of a pair."""
    pair = np.array([USER_IDS.index(user)], np.int32), np.array([item - 1], np.int32)
    return float(scorer().published(scorer().score(*pair))[0])


def _entries(lists: Lists, run_id: str, day: int, model_id: str) -> list[dict[str, Any]]:
    return [
        {
            "user_id": user,
            "rank": rank,
            "item_id": item,
            "score": score(user, item) if reason == "model" and user in USER_IDS else 4.0 - rank,
            "reason": reason,
            "variant": variant,
            "run_id": run_id,
            "model_id": model_id,
            "as_of": date(2026, 1, day),
            "generated_at": datetime(2026, 1, day, 3, tzinfo=UTC),
        }
        for (user, variant), (reason, items) in lists.items()
        for rank, item in enumerate(items, start=1)
    ]


def _outcomes(lists: Lists, run_id: str, day: int) -> list[dict[str, Any]]:
    reasons = {"cold_fallback": "no_trained_vector"}
    return [
        {
            "user_id": user,
            "outcome": "cold_fallback" if reason == "cold_fallback" else "ok",
            "n_items": len(items),
            "reason": reasons.get(reason, reason),
            "run_id": run_id,
            "as_of": date(2026, 1, day),
        }
        for (user, variant), (reason, items) in lists.items()
        if variant is None
    ]


def _items() -> list[dict[str, Any]]:
    about = {"first_seen_run": FIRST, "n_ratings": 2, "in_source": True, "attributes": [("genre", "a|b")]}
    return [{"item_id": item, "item_index": item - 1, "title": title, **about} for item, title in TITLES.items()]


def _users() -> list[dict[str, Any]]:
    about = {"first_seen_run": FIRST, "in_source": True, "attributes": [("age", "30")]}
    return [
        {"user_id": user, "user_index": index, "n_ratings": 2 if user == "ann" else 0, **about}
        for index, user in enumerate(USER_IDS)
    ]


def _ratings() -> list[dict[str, Any]]:
    given = (("ann", 2, 4.5, 9, "train"), ("ann", 4, 1.0, 12, "test"), ("bob", 2, 3.0, 8, "train"))
    return [
        {
            "user_id": user,
            "item_id": item,
            "user_index": USER_IDS.index(user),
            "item_index": item - 1,
            "rating": rating,
            "timestamp": datetime(2025, 12, 31, hour, tzinfo=UTC),
            "part": part,
        }
        for user, item, rating, hour, part in given
    ]


def _metrics(run_id: str, model_id: str, day: int) -> list[dict[str, Any]]:
    same = {"run_id": run_id, "model_id": model_id, "scorer": "main", "strategy": "random", "protocol": "full"}
    same |= {"split": "test"}
    return [
        {**same, "metric": "mse", "value": 1.0 / day},
        {**same, "metric": "ndcg", "k": 10, "value": 0.25 * day},
        {**same, "metric": "n", "value": 4000.0},
        {**same, "metric": "mse", "segment": "rating=1", "value": 9.0},
        {**same, "metric": "mse", "scorer": "mean", "value": 2.0},
    ]


def _entry(run_id: str, day: int, model_id: str) -> dict[str, Any]:
    now = datetime(2026, 1, day, 3, tzinfo=UTC)
    return {
        "run_id": run_id,
        "as_of": date(2026, 1, day),
        "job": "nightly",
        "status": "published",
        "model_id": model_id,
        "fingerprint": "f",
        "config_hash": f"c{day}",
        "code_version": "0",
        "counts": [("users", 5), ("rows_published", 9)],
        "seconds": [("score", 61.5)],
        "started_at": now,
        "finished_at": now,
    }
