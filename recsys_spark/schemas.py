"""Every published table: its columns, their types, nullability and meaning, declared once.

Ids keep the source's own type, so a schema becomes concrete only with the `IdTypes` that a vocabulary has pinned.
`docs/tables.md` is written from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from recsys_spark.errors import DataError

IdName = Literal["string", "long"]


@dataclass(frozen=True)
class IdKind:
    """The type of an id column: that of users or of items, pinned on the first night."""

    of: Literal["user", "item"]


USER, ITEM = IdKind("user"), IdKind("item")
TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class PinnedIds:
    """The id types that a vocabulary has pinned."""

    user: IdName
    item: IdName

    def arrow(self, kind: IdKind) -> pa.DataType:
        """The Arrow type of user or item ids."""
        return {"string": pa.string(), "long": pa.int64()}[self.user if kind.of == "user" else self.item]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: pa.DataType | IdKind
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns in order, the columns that make a row unique, and what it is for."""

    name: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def arrow(self, ids: PinnedIds) -> pa.Schema:
        """The Arrow schema; each field carries its comment as metadata `comment`."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    ids.arrow(column.type) if isinstance(column.type, IdKind) else column.type,
                    nullable=column.nullable,
                    metadata={"comment": column.comment},
                )
                for column in self.columns
            ],
            metadata={"name": self.name},
        )


RUN_ID = Column("run_id", pa.string(), "The attempt that wrote this row")
MODEL_ID = Column("model_id", pa.string(), "The artefact under models/<model_id>/")
AS_OF = Column("as_of", pa.date32(), "The business date of the run")

_TOP_N_COLUMNS = (
    Column("user_id", USER, "The user, in the source's own type"),
    Column("rank", pa.int32(), "1 is best; 1..n without gaps"),
    Column("item_id", ITEM, "An item that the user may get and has not seen, in the source's own type"),
    Column("score", pa.float32(), "What the list is ordered by; rating units for rating models"),
    Column(
        "reason",
        pa.string(),
        "Whose order it is: model; folded_in: the model's, with a vector made of ratings that it was not fitted on; "
        "cold_fallback; rule",
    ),
    Column("score_std", pa.float32(), "Standard deviation of the score, where the model has samples", nullable=True),
    Column("predicted_rating", pa.float32(), "Of models with a second head for ratings", nullable=True),
    Column(
        "variant",
        pa.string(),
        "Which of a user's lists, by its name in scoring.variants; null for that of all candidates",
        nullable=True,
    ),
    RUN_ID,
    MODEL_ID,
    AS_OF,
    Column("generated_at", TIME, "When the run was published (UTC)"),
)

TOP_N = TableSchema(
    "top_n",
    "The best unseen items for every user: the latest complete run, nothing else",
    ("user_id", "variant", "rank"),
    _TOP_N_COLUMNS,
)

TOP_N_HISTORY = TableSchema(
    "top_n_history",
    "The lists of the last runs, one partition each",
    ("run_id", "user_id", "variant", "rank"),
    _TOP_N_COLUMNS,
)

USER_OUTCOMES = TableSchema(
    "user_outcomes",
    "What became of each user of a run",
    ("run_id", "user_id"),
    (
        Column("user_id", USER, "The user"),
        Column("outcome", pa.string(), "ok, cold_fallback or error"),
        Column("n_items", pa.int32(), "Length of the list of all candidates"),
        Column("reason", pa.string(), "Why: model, folded_in, no_trained_vector, nothing_left, score_not_finite"),
        RUN_ID,
        AS_OF,
    ),
)

_COUNTS = (
    Column("first_seen_run", pa.string(), "The run that gave the index"),
    Column("n_ratings", pa.int64(), "Accepted ratings in the run's source"),
    Column("in_source", pa.bool_(), "Whether the run's source knows it, by ratings or metadata"),
)
_ATTRIBUTES = Column(
    "attributes", pa.map_(pa.string(), pa.string()), "Further metadata columns, as text", nullable=True
)

ITEMS = TableSchema(
    "items",
    "Every item ever seen, with its stable index",
    ("item_id",),
    (
        Column("item_id", ITEM, "The item"),
        Column("item_index", pa.int32(), "Dense, append-only; the row of the item's vector"),
        *_COUNTS,
        Column("title", pa.string(), "From the items' table", nullable=True),
        _ATTRIBUTES,
    ),
)

USERS = TableSchema(
    "users",
    "Every user ever seen, with their stable index",
    ("user_id",),
    (
        Column("user_id", USER, "The user"),
        Column("user_index", pa.int32(), "Dense, append-only; the row of the user's vector"),
        *_COUNTS,
        _ATTRIBUTES,
    ),
)

RATINGS = TableSchema(
    "ratings",
    "The accepted ratings of the last ingest; may be ahead of top_n",
    ("user_id", "item_id"),
    (
        Column("user_id", USER, "The user"),
        Column("item_id", ITEM, "The item"),
        Column("user_index", pa.int32(), "As in users"),
        Column("item_index", pa.int32(), "As in items"),
        Column("rating", pa.float32(), "In rating units"),
        Column("timestamp", TIME, "When it was given, if the source says so", nullable=True),
        Column(
            "part",
            pa.string(),
            "train, validation, test; gap: in no part of a temporal split; validation_history and "
            "test_history: told of users who are held out",
        ),
    ),
)

QUARANTINE = TableSchema(
    "quarantine",
    "The rows of the last ingest that were not accepted",
    (),
    (
        Column("raw", pa.string(), "The line if it could not be split, else its fields as JSON"),
        Column("reason", pa.string(), "Machine-readable, one of those in docs/tables.md"),
        Column("class", pa.string(), "defect (cannot be read) or policy (left out by a rule)"),
        Column("origin", pa.string(), "The file that the row came from"),
        RUN_ID,
    ),
)

METRICS = TableSchema(
    "metrics",
    "What was measured in each run",
    (),
    (
        RUN_ID,
        MODEL_ID,
        Column(
            "scorer",
            pa.string(),
            "main for the model, diversified for its lists if these are chosen for variety, else the baseline: mean, "
            "item_mean, bias, popularity, or one of evaluation.baselines",
        ),
        Column("strategy", pa.string(), "How the parts were made: split.strategy"),
        Column("protocol", pa.string(), "How it was measured: evaluation.protocol"),
        Column("split", pa.string(), "train, validation or test; on validation, of scorers fitted on train alone"),
        Column(
            "segment",
            pa.string(),
            "rating=, user_ratings= or item_ratings= and a value or range (how many ratings the user or item has among "
            "the rows of the fit), or a column of evaluation.segments; null for all rows",
            nullable=True,
        ),
        Column(
            "epoch",
            pa.int32(),
            "Of the fit that chose the epochs, or of the evaluated one if none did; null for the finished model",
            nullable=True,
        ),
        Column(
            "metric",
            pa.string(),
            "n; mse, rmse, mae; where the model clips these are of clipped predictions, the baselines' too, and "
            "mse_unclipped, rmse_unclipped, mae_unclipped of unclipped ones; accuracy and mae_most_likely of a "
            "classifier; mse_gain: the best baseline's mse minus the model's; loss and learning_rate of an epoch. Of "
            "ranking, with k: ndcg, recall, precision, map, mrr, hit_rate, novelty, item_coverage, gini, ndcg_gain "
            "(the model's ndcg minus the best baseline's), similarity (of the items of a list, where lists are chosen "
            "for variety); _sampled: among drawn items; _recent: newer ones weigh more; n_users, cold_users, "
            "users_without_relevant_items, cold_item_ratings",
        ),
        Column("k", pa.int32(), "Cut-off of a ranking metric", nullable=True),
        Column("relevant_at", pa.float64(), "Of ranking: the lowest rating of a relevant item", nullable=True),
        Column("value", pa.float64(), "The figure; errors in rating units, loss in units of the target"),
        Column("low", pa.float64(), "Lower end of its 95 % interval, by resampling users", nullable=True),
        Column("high", pa.float64(), "Upper end of its 95 % interval, by resampling users", nullable=True),
    ),
)

RUNS = TableSchema(
    "runs",
    "The ledger: one row for each run that reached its end",
    ("run_id",),
    (
        RUN_ID,
        AS_OF,
        Column("job", pa.string(), "The job that it was: nightly, score, rollback", nullable=True),
        Column("status", pa.string(), "published or history_only"),
        Column("restored_run", pa.string(), "The earlier run that a rollback made visible again", nullable=True),
        Column("model_id", pa.string(), "The artefact that the lists came from", nullable=True),
        Column("fingerprint", pa.string(), "Of the inputs; null where a source has none", nullable=True),
        Column("config_hash", pa.string(), "Of the resolved configuration"),
        Column("code_version", pa.string(), "Of this package"),
        Column("counts", pa.map_(pa.string(), pa.int64()), "As in the summary"),
        Column("seconds", pa.map_(pa.string(), pa.float64()), "Seconds spent in each stage"),
        Column("started_at", TIME, "UTC"),
        Column("finished_at", TIME, "UTC"),
    ),
)

TRIALS = TableSchema(
    "trials",
    "What the job tune has tried, one partition for each of its last runs: all trials of the study that it searched",
    ("run_id", "trial"),
    (
        RUN_ID,
        Column(
            "study", pa.string(), "Names the inputs, the settings and the search space; tuning/<study>/ is its folder"
        ),
        Column("trial", pa.int32(), "From 0, in the order in which they were drawn"),
        Column("state", pa.string(), "complete, pruned (ended early, as it promised little) or failed"),
        Column("metric", pa.string(), "mse, mae, or ndcg: what NDCG@10 lacks to 1"),
        Column("value", pa.float64(), "The error on the validation part; null if it failed", nullable=True),
        Column("epochs", pa.int32(), "After which that error was measured; null if it failed", nullable=True),
        Column("parameters", pa.map_(pa.string(), pa.string()), "The settings drawn, by key, as JSON"),
        Column("message", pa.string(), "Why it failed, or which trial it repeats", nullable=True),
        Column("seconds", pa.float64(), "Its time; null if its process ended first", nullable=True),
        Column("started_at", TIME, "UTC"),
    ),
)

_ANSWER = (RUN_ID, MODEL_ID, AS_OF, Column("generated_at", TIME, "When the table was published (UTC)"))

RANKED_PAIRS = TableSchema(
    "ranked_pairs",
    "The pairs given to the last score_pairs, in the order in which the model puts each user's items",
    ("user_id", "item_id"),
    (
        Column("user_id", USER, "The user, in the source's own type"),
        Column("item_id", ITEM, "The item, in the source's own type; it may be one that the user has seen"),
        Column(
            "rank",
            pa.int32(),
            "1 is the best of the user's pairs; 1..n without gaps, the higher score first, of equal ones the lower "
            "item_index; null without a score",
            nullable=True,
        ),
        Column(
            "score", pa.float32(), "As in top_n: of the model, or of the fallback; null if there is none", nullable=True
        ),
        Column(
            "reason",
            pa.string(),
            "model; cold_fallback: the user has no trained vector, the fallback (scoring.fallback) orders the items; "
            "without a score: unknown_user or unknown_item (never seen in any source), untrained_item (the model has "
            "learnt nothing about it), score_not_finite",
        ),
        *_ANSWER,
    ),
)

TOP_USERS = TableSchema(
    "top_users",
    "The best users for every candidate item, by the last top_users",
    ("item_id", "rank"),
    (
        Column("item_id", ITEM, "The item, in the source's own type"),
        Column("rank", pa.int32(), "1 is best; 1..n without gaps"),
        Column("user_id", USER, "A user who has not seen the item, in the source's own type"),
        Column("score", pa.float32(), "What the list is ordered by; the score of this pair in top_n"),
        Column("reason", pa.string(), "model"),
        *_ANSWER,
    ),
)

SIMILAR_ITEMS = TableSchema(
    "similar_items",
    "The most similar items of every item that the model knows, by the last similar_items",
    ("target_item_id", "rank"),
    (
        Column("target_item_id", ITEM, "The item that the others are similar to, in the source's own type"),
        Column("rank", pa.int32(), "1 is most similar; 1..n without gaps"),
        Column("item_id", ITEM, "Another item, in the source's own type"),
        Column("score", pa.float32(), "The similarity, by the measure; of equal ones the lower item_index comes first"),
        Column(
            "measure",
            pa.string(),
            "cosine or dot: of the model's item vectors, without biases; correlation: Pearson's, of the scores of two "
            "items over drawn users",
        ),
        *_ANSWER,
    ),
)

_VECTOR = (
    Column("vector", pa.list_(pa.float32()), "As the published scorer has it; all rows have as many numbers"),
    Column("bias", pa.float32(), "What is added to the scores, where the model has such a bias", nullable=True),
    *_ANSWER,
)

ITEM_VECTORS = TableSchema(
    "item_vectors",
    "The model's vector of every item that it knows, for anybody's vector search, by the last vectors",
    ("item_id",),
    (Column("item_id", ITEM, "The item, in the source's own type"), *_VECTOR),
)

USER_VECTORS = TableSchema(
    "user_vectors",
    "The model's vector of every user whom it knows, by the last vectors",
    ("user_id",),
    (Column("user_id", USER, "The user, in the source's own type"), *_VECTOR),
)

EMBEDDING_MAPS = TableSchema(
    "embedding_maps",
    "Item vectors laid out on a plane, by the last report that had maps",
    ("method", "parameter", "normalised", "item_id"),
    (
        Column("item_id", ITEM, "The item, in the source's own type; above a number of items some were drawn"),
        Column("method", pa.string(), "pca, tsne or umap"),
        Column("parameter", pa.float64(), "tsne: perplexity; umap: neighbours", nullable=True),
        Column("normalised", pa.bool_(), "Whether vectors were brought to length 1 before"),
        Column("x", pa.float32(), "First coordinate; of pca that of the largest variance"),
        Column("y", pa.float32(), "Second coordinate"),
        *_ANSWER,
    ),
)

TABLES = (TOP_N, TOP_N_HISTORY, USER_OUTCOMES, ITEMS, USERS, RATINGS, QUARANTINE, METRICS, RUNS)
"""Those of every night."""

ALL_TABLES = (*TABLES, TRIALS, RANKED_PAIRS, TOP_USERS, SIMILAR_ITEMS, ITEM_VECTORS, USER_VECTORS, EMBEDDING_MAPS)
"""Also those of jobs that run now and then."""


def require_columns(table: str, expected: pa.Schema, found: Mapping[str, str], *, types: Mapping[str, str]) -> None:
    """Refuse a table that lacks a column of its schema or has it in another type, naming all of them at once.

    Args:
        table: for the message.
        expected: the schema.
        found: name -> type of the columns that are there.
        types: name -> type that the schema's columns should have, in the same notation as `found`.

    Raises:
        DataError: some column is missing or of another type.
    """
    wrong = [
        f"{name} ({found.get(name, 'missing')} instead of {types[name]})"
        for name in expected.names
        if found.get(name) != types[name]
    ]
    if wrong:
        raise DataError(table, expected="the columns of its schema", found=", ".join(wrong))
