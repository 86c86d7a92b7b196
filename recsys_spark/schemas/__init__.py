"""Every published table: its columns, their types, nullability and meaning, declared once.

`docs/tables.md` and `docs/schemas.json` are written from these declarations.
"""

from __future__ import annotations

from recsys_spark.schemas.beside import (
    EMBEDDING_MAPS,
    ITEM_VECTORS,
    RANKED_PAIRS,
    SIMILAR_ITEMS,
    TOP_USERS,
    TRIALS,
    USER_LISTS,
    USER_VECTORS,
)
from recsys_spark.schemas.columns import (
    AS_OF,
    ITEM,
    MODEL_ID,
    RUN_ID,
    TIME,
    USER,
    Column,
    Entries,
    IdKind,
    IdName,
    PinnedIds,
    TableSchema,
    misfits,
    require_columns,
)
from recsys_spark.schemas.nightly import (
    ITEMS,
    METRICS,
    QUARANTINE,
    RATINGS,
    RUNS,
    TOP_N,
    TOP_N_HISTORY,
    USER_OUTCOMES,
    USERS,
)

SCHEMA_VERSION = "1.0"
"""Of all tables together, `major.minor`: `docs/make_schemas.py` says which changes raise which."""

TABLES = (TOP_N, TOP_N_HISTORY, USER_OUTCOMES, ITEMS, USERS, RATINGS, QUARANTINE, METRICS, RUNS)
"""Those of every night."""

ALL_TABLES = (
    *TABLES,
    USER_LISTS,
    TRIALS,
    RANKED_PAIRS,
    TOP_USERS,
    SIMILAR_ITEMS,
    ITEM_VECTORS,
    USER_VECTORS,
    EMBEDDING_MAPS,
)
"""Also the one that follows `top_n`, and those of jobs that run now and then."""

__all__ = [
    "ALL_TABLES",
    "AS_OF",
    "EMBEDDING_MAPS",
    "ITEM",
    "ITEMS",
    "ITEM_VECTORS",
    "METRICS",
    "MODEL_ID",
    "QUARANTINE",
    "RANKED_PAIRS",
    "RATINGS",
    "RUNS",
    "RUN_ID",
    "SCHEMA_VERSION",
    "SIMILAR_ITEMS",
    "TABLES",
    "TIME",
    "TOP_N",
    "TOP_N_HISTORY",
    "TOP_USERS",
    "TRIALS",
    "USER",
    "USERS",
    "USER_LISTS",
    "USER_OUTCOMES",
    "USER_VECTORS",
    "Column",
    "Entries",
    "IdKind",
    "IdName",
    "PinnedIds",
    "TableSchema",
    "misfits",
    "require_columns",
]
