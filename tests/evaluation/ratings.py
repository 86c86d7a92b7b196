"""A few hundred made-up ratings with three parts, scorers for them, and their errors by pandas alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.ingest.tables import read_training_set
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.storage import Folder

N_USERS, N_ITEMS = 40, 60
SCHEMA = "user_index int, item_index int, rating float, part string"


def some_ratings(n: int = 600, seed: int = 1) -> pd.DataFrame:
    """Distinct pairs with ratings 1 to 5: low indices have more ratings, the last user and item none."""
    random = np.random.default_rng(seed)
    pairs = np.stack(np.meshgrid(np.arange(N_USERS - 1), np.arange(N_ITEMS - 1)), axis=-1).reshape(-1, 2)
    chance = 1 / ((1 + pairs[:, 0]) * (1 + pairs[:, 1]))
    chosen = pairs[random.choice(len(pairs), n, replace=False, p=chance / chance.sum())]
    return pd.DataFrame(
        {
            "user_index": chosen[:, 0].astype(np.int32),
            "item_index": chosen[:, 1].astype(np.int32),
            "rating": random.integers(1, 6, n).astype(np.float32),
            "part": random.choice(["train", "validation", "test"], n, p=[0.6, 0.2, 0.2]),
        }
    )


def in_spark(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(rows, SCHEMA)


def stored(spark: SparkSession, rows: pd.DataFrame, folder: Path, files: int = 3) -> DataFrame:
    """As ingest stores the training set: in order, all rows of a user in one file."""
    named = in_spark(spark, rows).withColumnsRenamed({"user_index": "user", "item_index": "item"})
    ordered = named.repartitionByRange(files, "user").sortWithinPartitions("user", "item")
    ordered.write.parquet(f"{folder}/ratings")
    return read_training_set(spark, Folder(f"{folder}/ratings"))


def dot(seed: int, *, clip: tuple[float, float] | None = None) -> PairScorer:
    """Scores around 3, many of them beyond 1 and 5."""
    random = np.random.default_rng(seed)
    user, item = (random.normal(size=(n, 3)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    return PairScorer(user, item, offset=3.0, clip=clip)


def classifier(levels: list[float], seed: int = 3) -> PairScorer:
    """Two layers and a logit for each level."""
    random = np.random.default_rng(seed)
    user, item = (random.normal(size=(n, 3)).astype(np.float32) for n in (N_USERS, N_ITEMS))
    hidden = DenseLayer(random.normal(size=(6, 8)).astype(np.float32), np.zeros(8, np.float32), "relu")
    last = random.normal(size=(8, len(levels))).astype(np.float32)
    layers = (hidden, DenseLayer(last, np.zeros(len(levels), np.float32), "linear"))
    return PairScorer(user, item, layers=layers, levels=np.array(levels, np.float32))


def counts(rows: pd.DataFrame) -> PairScorer:
    """The scorer `popularity` of some rows."""
    user, item = (
        np.bincount(rows[f"{side}_index"], minlength=n).astype(np.float32)
        for side, n in (("user", N_USERS), ("item", N_ITEMS))
    )
    return PairScorer(np.zeros((N_USERS, 0), np.float32), np.zeros((N_ITEMS, 0), np.float32), user, item)


def errors(rows: pd.DataFrame, scorer: PairScorer) -> Mapping[str, float]:
    """What `rating_errors` should find for one scorer on some rows."""
    users, items = rows.user_index.to_numpy(np.int32), rows.item_index.to_numpy(np.int32)
    scores = scorer.score(users, items).astype(float)
    clipped = scores if scorer.clip is None else np.clip(scores, *scorer.clip)
    found = {"n": float(len(rows))} | _errors(clipped - rows.rating, "")
    return found if scorer.clip is None else found | _errors(scores - rows.rating, "_unclipped")


def _errors(error: pd.Series, suffix: str) -> dict[str, float]:
    mse = float((error**2).mean())
    return {f"mse{suffix}": mse, f"rmse{suffix}": mse**0.5, f"mae{suffix}": float(error.abs().mean())}
