"""What a session with a Hive metastore does and sees, each in a process of its own: `python -m ... SCENARIO FOLDER`.

The metastore is Derby in the folder. A scenario prints what it has found as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recsys_spark.errors import RecsysError
from recsys_spark.publishing.catalog import Catalog
from recsys_spark.publishing.sinks import SINKS
from recsys_spark.schemas import ALL_TABLES, ITEMS, RANKED_PAIRS, TOP_N, TOP_N_HISTORY, USER_OUTCOMES, TableSchema
from recsys_spark.session import build_session
from recsys_spark.storage import Folder
from tests.contracts.sink import IDS, items, outcomes, ranked_pairs, top_n

FORMATS = ("delta", "parquet")
SCHEMA = {"delta": "by_delta", "parquet": "by_parquet"}


def catalog(spark: SparkSession, folder: Path, kind: str, schema: str) -> Catalog:
    return Catalog(spark, schema, Folder(str(folder / kind)), kind)


def prepare(spark: SparkSession, folder: Path, kind: str, schema: str) -> None:
    output = Folder(str(folder / kind))
    catalog(spark, folder, kind, schema).prepare({table.name: str(output / table.name) for table in ALL_TABLES})


def register(
    spark: SparkSession, folder: Path, kind: str, schema: str, tables: Sequence[TableSchema] = ALL_TABLES
) -> list[str]:
    sink = SINKS[kind](spark, Folder(str(folder / kind)), IDS, "run-9")
    places = {table: sink.place(table) for table in tables}
    names = catalog(spark, folder, kind, schema)
    return [names.register(table, place, IDS) for table, place in places.items() if place is not None]


def night(spark: SparkSession, folder: Path, kind: str, run_id: str, score: float) -> None:
    sink = SINKS[kind](spark, Folder(str(folder / kind)), IDS, run_id)
    sink.replace(ITEMS, items(spark))
    for table, rows in ((TOP_N_HISTORY, top_n(spark, run_id, score)), (USER_OUTCOMES, outcomes(spark, run_id))):
        sink.add_run(table, rows, run_id=run_id, keep=2)
    sink.publish_alone(RANKED_PAIRS, ranked_pairs(spark, run_id))
    sink.publish(TOP_N, top_n(spark, run_id, score))


def publish(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """Three nights of each layout; the names follow the first and the last."""
    found: dict[str, Any] = {}
    for kind in FORMATS:
        prepare(spark, folder, kind, f"spark_catalog.{SCHEMA[kind]}")
        night(spark, folder, kind, "run-1", 1.0)
        register(spark, folder, kind, f"spark_catalog.{SCHEMA[kind]}")
        if kind == "parquet":
            # as an earlier version would have registered it, without a column that has joined since
            spark.sql(f"DROP TABLE {SCHEMA[kind]}.items")
            columns = "item_id bigint, item_index int, first_seen_run string, n_ratings bigint, in_source boolean"
            place = f"{folder}/{kind}/published/run-1"
            spark.sql(f'CREATE TABLE {SCHEMA[kind]}.items ({columns}) USING PARQUET LOCATION "{place}"')
        found[f"{kind} first"] = runs(spark, SCHEMA[kind])
        # only the last of them is registered: jobs may have died before they came to it
        for score in (2.0,) if kind == "delta" else (2.0, 3.0):
            night(spark, folder, kind, f"run-{score:.0f}", score)
        prepare(spark, folder, kind, SCHEMA[kind])
        found[f"{kind} names"] = register(spark, folder, kind, SCHEMA[kind])
        versions = _versions(folder)
        register(spark, folder, kind, SCHEMA[kind])
        assert _versions(folder) == versions, "to register again is no commit"
    return found


def read(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """What a later session sees of them, before and after what others do."""
    found: dict[str, Any] = {}
    for kind in FORMATS:
        found[f"{kind} runs"] = runs(spark, SCHEMA[kind])
        rows = spark.sql(f"DESCRIBE TABLE EXTENDED {SCHEMA[kind]}.top_n").collect()
        found[f"{kind} described"] = {row["col_name"]: [row["data_type"], row["comment"]] for row in rows}
        properties = spark.sql(f"SHOW TBLPROPERTIES {SCHEMA[kind]}.top_n").collect()
        found[f"{kind} properties"] = {row["key"]: row["value"] for row in properties}
        found[f"{kind} title"] = spark.table(f"{SCHEMA[kind]}.items").head()["title"]  # type: ignore[index]
    return found | conflicts(spark, folder)


def conflicts(spark: SparkSession, folder: Path) -> dict[str, Any]:
    """Names that lead elsewhere, and that they still do afterwards; names that were dropped come back."""
    found: dict[str, Any] = {}
    spark.sql("CREATE SCHEMA taken")
    spark.sql(f'CREATE TABLE taken.items USING PARQUET LOCATION "{folder}/elsewhere" AS SELECT 1 AS mine')
    spark.sql("CREATE SCHEMA viewed")
    spark.sql("CREATE VIEW viewed.top_n AS SELECT 2 AS mine")
    for kind in FORMATS:
        for schema, table in (("taken", ITEMS), ("viewed", TOP_N), ("no_such_catalog.any", TOP_N)):
            found[f"{kind} {schema} prepare"] = complaint(lambda: prepare(spark, folder, kind, schema))  # noqa: B023
            found[f"{kind} {schema} register"] = complaint(
                lambda: register(spark, folder, kind, schema, [table])  # noqa: B023
            )
        spark.sql(f"DROP SCHEMA {SCHEMA[kind]} CASCADE")
        prepare(spark, folder, kind, SCHEMA[kind])
        register(spark, folder, kind, SCHEMA[kind])
        found[f"{kind} again"] = runs(spark, SCHEMA[kind])
    found["mine"] = [spark.table("taken.items").head()[0], spark.table("viewed.top_n").head()[0]]  # type: ignore[index]
    return found


def complaint(action: Callable[[], object]) -> str:
    try:
        action()
    except RecsysError as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def runs(spark: SparkSession, schema: str) -> dict[str, list[str]]:
    """The runs that each table by name has rows of."""
    tables = (TOP_N, TOP_N_HISTORY, USER_OUTCOMES, RANKED_PAIRS)
    return {
        table.name: sorted(
            row[0] for row in spark.table(f"{schema}.{table.name}").select("run_id").distinct().collect()
        )
        for table in tables
    }


def _versions(folder: Path) -> int:
    return len(list(folder.glob("delta/*/_delta_log/*.json")))


SCENARIOS: dict[str, Callable[[SparkSession, Path], dict[str, Any]]] = {
    "publish": publish,
    "read": read,
}

if __name__ == "__main__":
    session = build_session("catalog", delta=True)
    print(json.dumps(SCENARIOS[sys.argv[1]](session, Path(sys.argv[2]))), flush=True)
    session.stop()
