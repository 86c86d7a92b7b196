"""The same ratings give the same night, whatever they lie in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from recsys_spark import stages
from tests.databases import USER, Server
from tests.jobs import JobMaker, csv_source, night_of, parquet_jobs, published

RATINGS = [
    (f"user {u}", i, float(1 + (u * i) % 5), 1_700_000_000 + u) for u in range(12) for i in range(10) if (u + 2 * i) % 3
]
BOOKS = [(i, f"Book {i}: caf\u00e9") for i in range(10)]
COLUMNS = "columns: {user: user, item: item, rating: rating, timestamp: timestamp}"
SCHEMA = StructType(
    [
        StructField(name, kind)
        for name, kind in (
            ("user", StringType()),
            ("item", LongType()),
            ("rating", DoubleType()),
            ("timestamp", LongType()),
        )
    ]
)
TABLES = (
    "CREATE TABLE rating ({user} varchar(40), item integer, rating numeric(4, 1), {timestamp} bigint)",
    "CREATE TABLE book (id integer PRIMARY KEY, title varchar(100))",
)

Given = Mapping[str, tuple[str, ...]]


def in_files(spark: SparkSession, folder: Path) -> dict[str, tuple[str, ...]]:
    """The settings of the same ratings in each format of files."""
    rows = spark.createDataFrame(RATINGS, SCHEMA)
    for kind in ("parquet", "delta"):
        rows.write.format(kind).save(str(folder / kind))
    items = folder / "books.csv"
    pd.DataFrame(BOOKS, columns=["id", "title"]).to_csv(items, index=False)
    books = f"items={{path: {items}, separator: ',', header: true, columns: {{item: id, title: title}}}}"
    csv = csv_source(folder / "ratings.csv", ("user", "item", "rating", "timestamp"), RATINGS)
    others = {
        kind: (f"source={{format: {kind}, path: {folder / kind}, {COLUMNS}}}", books) for kind in ("parquet", "delta")
    }
    return {"csv": (*csv, books), **others}


def in_database(server: Server) -> tuple[str, ...]:
    """The settings of the same ratings in a server, which is filled with them."""
    quoted = {name: f'"{name}"' if server.scheme == "postgresql" else f"`{name}`" for name in ("user", "timestamp")}
    server.execute(*(statement.format(**quoted) for statement in TABLES))
    server.insert("rating", RATINGS)
    server.insert("book", BOOKS)
    at = f"format: jdbc, url: '{server.url}', user: {USER}, password: 'env:RECSYS_TEST_DATABASE'"
    return (
        f"source={{{at}, table: rating, jdbc: {{partition_column: item, partitions: 3}}, {COLUMNS}}}",
        f"items={{{at}, query: 'SELECT id, title FROM book', columns: {{item: id, title: title}}}}",
    )


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    return parquet_jobs(spark, tmp_path_factory.mktemp("sources"), "training.epochs=2", "training.batch_size=16")


@pytest.fixture(scope="module")
def files(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    return in_files(spark, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def from_csv(job: JobMaker, files: Given) -> pd.DataFrame:
    return lists(job, files["csv"], "csv")


def lists(job: JobMaker, given: tuple[str, ...], name: str) -> pd.DataFrame:
    night = night_of(job(*given, output=name))
    columns = ["user_id", "rank", "item_id", "score", "reason"]
    return published(night)[columns].sort_values(["user_id", "rank"], ignore_index=True)


def learnt_from(make: Callable[[], tuple[str, ...]], job: JobMaker, name: str) -> dict[str, pd.DataFrame]:
    """What a model is fitted on, what lists leave out, and the items with their titles."""
    one = job(*make(), output=name)
    stages.ingest(one)
    folder = one.folder("ingest").path
    found = {table: pd.read_parquet(folder / table) for table in ("ratings", "seen", "items")}
    return {**found, "items": found["items"].drop(columns="first_seen_run")}


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_files_of_each_format_give_the_same_rows_to_learn_from(job: JobMaker, files: Given, kind: str) -> None:
    expected = learnt_from(lambda: files["csv"], job, "learnt from csv")
    found = learnt_from(lambda: files[kind], job, f"learnt from {kind}")

    for table, rows in expected.items():
        pd.testing.assert_frame_equal(found[table], rows)


def test_tables_of_a_database_give_the_lists_of_the_files(
    job: JobMaker, from_csv: pd.DataFrame, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_TEST_DATABASE", server.password)
    given = in_database(server)
    found = lists(job, given, server.scheme)
    items = published(job(*given, output=server.scheme), "items").set_index("item_id")
    server.execute("DROP TABLE rating", "DROP TABLE book")

    assert len(found) == 40
    pd.testing.assert_frame_equal(found, from_csv)
    assert items.loc[3, "title"] == "Book 3: caf\u00e9"
