"""The tables of every night."""

from __future__ import annotations

import pyarrow as pa

from recsys_spark.schemas.columns import AS_OF, ITEM, MODEL_ID, RUN_ID, TIME, USER, Column, TableSchema

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
