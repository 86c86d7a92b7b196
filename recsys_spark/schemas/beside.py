"""The tables of jobs that run now and then, and those that follow what a night has published."""

from __future__ import annotations

import pyarrow as pa

from recsys_spark.schemas.columns import AS_OF, ITEM, MODEL_ID, RUN_ID, TIME, USER, Column, Entries, TableSchema

USER_LISTS = TableSchema(
    "user_lists",
    "The lists of top_n, one row each, and when each last changed; made if output.change_data_feed asks for it. Its "
    "change data feed names the lists that are new, have changed or are gone",
    ("user_id", "variant"),
    (
        Column("user_id", USER, "The user, in the source's own type"),
        Column("variant", pa.string(), "As in top_n", nullable=True),
        Column(
            "items",
            Entries(
                (
                    Column("rank", pa.int32(), "As in top_n, from 1 on"),
                    Column("item_id", ITEM, "As in top_n"),
                    Column("score", pa.float32(), "As in top_n"),
                    Column("reason", pa.string(), "As in top_n"),
                    Column("score_std", pa.float32(), "As in top_n", nullable=True),
                    Column("predicted_rating", pa.float32(), "As in top_n", nullable=True),
                )
            ),
            "The list, in the order of its ranks; the columns are those of top_n",
        ),
        Column(
            "changed_run_id",
            pa.string(),
            "The attempt that brought this list: a night, a rollback, or a start that made up for one that had died",
        ),
        Column("changed_as_of", pa.date32(), "The business date of the lists that it came with"),
        Column("changed_at", TIME, "When it came (UTC)"),
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
