"""Rows per second of a table that is read by default settings, beside a plain `spark.read.jdbc`, in turns.

    ./.venv/bin/python benchmarks/database_reading.py [--rows 1000000] [--rounds 3] [--out FILE]

The servers are real ones, started on loopback for this alone (Debian's packages `postgresql` and `mariadb-server`; one
that is not installed is named and left out). The table has a primary key, a user, an item, a rating and a time. Both
readings go to Spark's `noop` sink, so that nothing but reading is timed; a first round is not counted. The servers have
the same cores as Spark. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from pyspark.sql import DataFrame, SparkSession  # noqa: E402 - after the path is set

from benchmarks.turns import seconds_in_turns, tell  # noqa: E402
from recsys_spark.ingest.sources import open_table  # noqa: E402
from recsys_spark.ingest.table_source import TableSource  # noqa: E402
from tests.databases import USER, MariaDB, PostgreSQL, Server, running  # noqa: E402

PASSWORD = "RECSYS_BENCHMARK_PASSWORD"
TABLE = "CREATE TABLE rating (id integer PRIMARY KEY, user_id integer, book_id integer, rating smallint, at bigint)"
COLUMNS = "n, n % 53424, n % 10000, 1 + n % 5, 1700000000 + n"
NUMBERS = {
    "postgresql": "generate_series(1, {rows}) AS numbers(n)",
    "mariadb": "(SELECT seq AS n FROM seq_1_to_{rows}) AS s",
}


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    jars = ",".join(map(str, sorted((PROJECT / ".cache" / "jars").glob("*.jar"))))
    builder = SparkSession.builder.master("local[2]").config("spark.jars", jars).config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.memory", "4g").getOrCreate()
    figures: dict[str, Any] = {"rows": given.rows, "rounds": given.rounds, "rows_per_second": {}}
    for kind in (PostgreSQL, MariaDB):
        if not kind.is_installed():
            tell(f"NOT MEASURED: no server of {kind.scheme} is installed (Debian: {kind.package})")
            continue
        for server in running(kind):
            figures["rows_per_second"][kind.scheme] = measured(spark, server, given.rows, given.rounds)
    text = json.dumps(figures)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def measured(spark: SparkSession, server: Server, rows: int, rounds: int) -> dict[str, float]:
    """Rows per second of both, and how many times as many ours are."""
    server.execute(TABLE, f"INSERT INTO rating SELECT {COLUMNS} FROM {NUMBERS[server.scheme].format(rows=rows)}")
    os.environ[PASSWORD] = server.password
    source = TableSource.model_validate(
        {"format": "jdbc", "url": server.url, "user": USER, "password": f"env:{PASSWORD}", "table": "rating"}
    )
    login = {"user": USER, "password": server.password, "driver": source.address.dialect.driver}

    def plain() -> DataFrame:
        # as Spark must be told for MariaDB, see recsys_spark/database/dialects.py
        url = source.address.driver_url if server.scheme == "mariadb" else server.url
        return spark.read.jdbc(url, "rating", properties=login)

    def ours() -> DataFrame:
        return open_table(spark, source, "source")

    for name, table in (("plain", plain()), ("ours", ours())):
        assert table.count() == rows, f"{name} has other rows"
    contenders = {"plain": lambda: read(plain()), "ours": lambda: read(ours())}
    seconds = seconds_in_turns(contenders, rounds)
    found = {name: rows / taken for name, taken in seconds.items()}
    found["ratio"] = found["ours"] / found["plain"]
    found["partitions"] = ours().rdd.getNumPartitions()
    tell(f"{server.scheme}: {found}")
    return found


def read(table: DataFrame) -> None:
    """Read every row and column, and keep nothing."""
    table.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main()
