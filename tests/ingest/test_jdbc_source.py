"""Databases keep the contract of sources, and say what is wrong without saying what is secret."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError, DataError, RecsysError
from recsys_spark.ingest.night import NightInputs, check_and_store
from recsys_spark.ingest.settings import (
    ItemsSource,
    QualitySettings,
    RatingsSource,
    SplitSettings,
    UsersSource,
)
from recsys_spark.ingest.sources import open_table
from recsys_spark.ingest.sources.jdbc import Bound, disjoint, ranges, worth_reading_at_once
from recsys_spark.ingest.table_source import TableSource
from recsys_spark.storage import Folder
from tests.contracts.source import COLUMNS, SourceContract, texts
from tests.databases import USER, Server

VARIABLE = "RECSYS_TEST_DATABASE"
TYPES = {
    "postgresql": "user_id text, item_id integer, as_float double precision, rating numeric(3, 1)",
    "mariadb": "user_id varchar(20), item_id int unsigned, as_float double, rating decimal(3, 1)",
}

Source = Callable[..., TableSource]


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[Server]:
    """A server with ratings, and its password in a variable."""
    server.execute(
        f"CREATE TABLE rating ({TYPES[server.scheme]})",
        "CREATE TABLE numbered (id integer PRIMARY KEY, day date, at timestamp NULL, score smallint)",
        "CREATE TABLE by_name (name varchar(20) PRIMARY KEY, value integer)",
        "CREATE TABLE empty (id integer PRIMARY KEY)",
    )
    server.insert("rating", list(zip(*COLUMNS.values(), strict=True)))
    days = [f"2024-01-{1 + i % 28:02}" for i in range(1_000)]
    server.insert("numbered", [(i * 7, day, f"{day} 01:02:03", i % 5) for i, day in enumerate(days)])
    server.insert("by_name", [("a", 1), ("b", 2), ("c", None)])
    os.environ[VARIABLE] = server.password
    yield server
    del os.environ[VARIABLE]
    server.execute(*(f"DROP TABLE {table}" for table in ("rating", "numbered", "by_name", "empty")))


@pytest.fixture
def source_of(filled: Server) -> Source:
    def make(**keys: Any) -> TableSource:
        wanted = {"url": filled.url, "user": USER, "password": f"env:{VARIABLE}", **keys}
        return TableSource.model_validate({"format": "jdbc", **wanted})

    return make


class TestJdbcSource(SourceContract):
    format = "jdbc"

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, filled: Server) -> TableSource:
        return TableSource.model_validate(
            {"format": "jdbc", "url": filled.url, "user": USER, "password": f"env:{VARIABLE}", "table": "rating"}
        )


def partitions_and_rows(spark: SparkSession, source: TableSource) -> tuple[int, list[tuple[Any, ...]]]:
    table = open_table(spark, source, "source")
    wanted = [name for name in table.columns if not name.startswith("_")]
    return table.rdd.getNumPartitions(), sorted(tuple(row) for row in table.select(*wanted).collect())


def test_the_ranges_of_a_primary_key_are_read_at_once(spark: SparkSession, source_of: Source) -> None:
    partitions, rows = partitions_and_rows(spark, source_of(table="numbered", jdbc={"partitions": 8}))

    assert partitions == 8
    assert [row[0] for row in rows] == [7 * i for i in range(1_000)]


@pytest.mark.parametrize("column", ["day", "at", "score"])
def test_ranges_of_another_column_give_the_same_rows(spark: SparkSession, source_of: Source, column: str) -> None:
    _, expected = partitions_and_rows(spark, source_of(table="numbered", jdbc={"partitions": 1}))
    partitions, rows = partitions_and_rows(
        spark, source_of(table="numbered", jdbc={"partition_column": column, "partitions": 3})
    )

    assert partitions == 3
    assert rows == expected


def test_a_query_is_read_at_once_by_a_column_that_is_named(spark: SparkSession, source_of: Source) -> None:
    query = "SELECT id, score + 1 AS more FROM numbered WHERE id < 700"
    alone, rows = partitions_and_rows(spark, source_of(query=query))
    several, same = partitions_and_rows(spark, source_of(query=query, jdbc={"partition_column": "id", "partitions": 8}))

    assert (alone, several) == (1, 8)
    assert same == rows == [(7 * i, i % 5 + 1) for i in range(100)]


def test_rows_with_null_in_the_column_of_the_ranges_are_read_too(spark: SparkSession, source_of: Source) -> None:
    _, rows = partitions_and_rows(spark, source_of(query="SELECT * FROM by_name", jdbc={"partition_column": "value"}))

    assert sorted(row[0] for row in rows) == ["a", "b", "c"]


@pytest.mark.parametrize("table", ["by_name", "empty"])
def test_without_ranges_one_task_reads(spark: SparkSession, source_of: Source, table: str) -> None:
    partitions, rows = partitions_and_rows(spark, source_of(table=table))

    assert partitions == 1
    assert len(rows) == {"by_name": 3, "empty": 0}[table]


def test_predicates_that_overlap_and_leave_rows_out_give_each_row_once(spark: SparkSession, source_of: Source) -> None:
    predicates = ["value = 1", "name < 'c'", "value > 5"]
    partitions, rows = partitions_and_rows(spark, source_of(table="by_name", jdbc={"predicates": predicates}))

    assert partitions == 4
    assert [row[0] for row in rows] == ["a", "b", "c"]


def test_small_tables_are_not_read_by_many(spark: SparkSession, source_of: Source) -> None:
    assert partitions_and_rows(spark, source_of(table="numbered"))[0] == 1
    assert [worth_reading_at_once(1, n) for n in (1, 999_999, 1_000_000, 10**9)] == [1, 1, 2, 8]
    assert worth_reading_at_once(date(2024, 1, 1), date(2024, 1, 2)) == 8


@given(st.lists(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=4), min_size=1, max_size=4))
def test_of_disjoint_predicates_each_row_fulfils_one(truths: list[list[bool | None]]) -> None:
    """By three-valued logic, of rows for which the predicates have these truths."""
    n = min(map(len, truths))
    names = tuple(f"p{i}" for i in range(n))
    for row in truths:
        values = {f"({name})": value for name, value in zip(names, row, strict=False)}
        fulfilled = 0
        for condition in disjoint(names):
            parts = condition.split(" AND ")
            fulfilled += all(
                values[part.removesuffix(" IS NOT TRUE")] is not True if "NOT" in part else values[part] is True
                for part in parts
            )
        assert fulfilled == 1


@given(
    st.one_of(
        st.tuples(st.integers(-(10**18), 10**18), st.integers(0, 10**18)).map(lambda two: (two[0], sum(two))),
        st.tuples(st.dates(), st.dates()).map(sorted),
        st.tuples(st.datetimes(), st.datetimes()).map(sorted),
    ),
    st.integers(1, 12),
    st.data(),
)
def test_of_ranges_each_value_is_in_one(bounds: tuple[Bound, Bound], n: int, data: st.DataObject) -> None:
    low, high = bounds
    kinds = {int: st.integers(), date: st.dates(), datetime: st.datetimes()}
    value = data.draw(st.one_of(st.just(low), st.just(high), st.none(), kinds[type(low)]))
    conditions = ranges("c", low, high, n)

    written = "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"
    kind = {int: "HUGEINT", date: "DATE", datetime: "TIMESTAMP"}[type(low)]
    asked = " + ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in conditions)
    assert len(conditions) <= n
    assert duckdb.sql(f"SELECT {asked} FROM (SELECT CAST({written} AS {kind}) AS c)").fetchall() == [(1,)]


def test_times_without_a_zone_stay_what_they_are(spark: SparkSession, source_of: Source) -> None:
    table = open_table(spark, source_of(table="numbered", where="id = 0"), "source")

    assert texts(table, "day", "at") == [("2024-01-01", "2024-01-01 01:02:03")]


def test_a_tinyint_of_one_digit_is_a_number(spark: SparkSession, mariadb: Server, source_of: Source) -> None:
    source = source_of(query="SELECT 1")
    if source.address.dialect.name == "PostgreSQL":
        pytest.skip("PostgreSQL has no such type")
    mariadb.execute("CREATE TABLE stars (id int, rating tinyint(1))", "INSERT INTO stars VALUES (1, 5), (2, 0)")
    table = open_table(spark, source_of(table="stars"), "source")
    mariadb.execute("DROP TABLE stars") if not (found := texts(table, "id", "rating")) else None

    assert found == [("1", "5"), ("2", "0")]
    mariadb.execute("DROP TABLE stars")


def test_a_mysql_url_asks_the_same_database(spark: SparkSession, mariadb: Server, source_of: Source) -> None:
    if source_of(query="SELECT 1").address.dialect.name == "PostgreSQL":
        pytest.skip("another kind of database")
    source = source_of(table="by_name", url=mariadb.url.replace("mariadb", "mysql", 1))

    assert texts(open_table(spark, source, "source"), "name") == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    ("keys", "subject", "said"),
    [
        ({"password": "env:RECSYS_TEST_WRONG"}, "items.password", "password"),
        ({"table": "ratings"}, "items.table", "ratings"),
        ({"table": None, "query": "SELECT raging FROM rating"}, "items.query", "raging"),
        ({"table": None, "query": "SELECT FROM WHERE"}, "items.query", "WHERE"),
        ({"jdbc": {"partition_column": "raging"}}, "items.jdbc.partition_column", "raging"),
        ({"jdbc": {"partition_column": "user_id"}}, "items.jdbc.partition_column", "user_id"),
        ({"url": "/nowhere"}, "items.url", "nowhere"),
        ({"jdbc": {"tls": "verify"}}, "items.jdbc.tls", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_key(
    spark: SparkSession,
    source_of: Source,
    filled: Server,
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, Any],
    subject: str,
    said: str,
) -> None:
    monkeypatch.setenv("RECSYS_TEST_WRONG", "K4narie-wrong")
    if "url" in keys:
        keys = {"url": filled.url.rpartition("/")[0] + keys["url"]}
    with pytest.raises(ConfigError) as raised:
        open_table(spark, source_of(**{"table": "rating", **keys}), "items")

    assert raised.value.subject == subject
    assert said in raised.value.found
    assert_nothing_secret(raised.value, filled.password, "K4narie-wrong")


def test_nobody_at_the_address_is_said(spark: SparkSession, source_of: Source, filled: Server) -> None:
    url = filled.url.replace(str(filled.port), "9")
    with pytest.raises(DataError) as raised:
        open_table(spark, source_of(table="rating", url=url), "source")

    assert raised.value.subject == "source.url"
    assert url in raised.value.found


def test_nulls_and_nonsense_are_quarantined_row_by_row(
    spark: SparkSession, source_of: Source, filled: Server, tmp_path: Path
) -> None:
    filled.execute(
        "CREATE TABLE dirty (user_id varchar(20), item_id integer, rating varchar(20))",
        "INSERT INTO dirty VALUES ('a', 1, '3'), (NULL, 1, '3'), ('b', NULL, '4'), ('c', 2, NULL), ('d', 3, 'good')",
    )
    checked, read = checked_rows(spark, source_of(table="dirty"), tmp_path)

    reasons = {row["user"]: row["reason"] for row in checked.collect()}
    assert read == 5
    assert reasons == {
        "a": None,
        None: "user_missing",
        "b": "item_missing",
        "c": "rating_missing",
        "d": "rating_unparsable",
    }
    filled.execute("DROP TABLE dirty")


def test_a_server_that_dies_in_the_middle_of_a_read_is_said(
    spark: SparkSession, source_of: Source, filled: Server, tmp_path: Path
) -> None:
    """The read is held in its middle by a predicate that sleeps on the server; then the server is killed."""
    sleeping = "id = 70 AND pg_sleep(30) IS NULL" if filled.scheme == "postgresql" else "id = 70 AND SLEEP(30) = 1"
    source = source_of(
        query=f"SELECT 'a' AS user_id, 1 AS item_id, 2 AS rating FROM empty RIGHT JOIN numbered ON {sleeping}"
    )
    source = source_of(table="numbered", jdbc={"predicates": ["id < 70", sleeping]})
    timer = threading.Timer(6, filled.kill)
    timer.start()
    with pytest.raises(DataError) as raised:
        checked_rows(spark, source, tmp_path)
    timer.join()
    filled.start()

    assert raised.value.subject == "source.url"
    assert "answers to the end" in raised.value.expected
    assert_nothing_secret(raised.value, filled.password)


def test_a_server_that_is_too_slow_is_given_up(
    spark: SparkSession, source_of: Source, filled: Server, tmp_path: Path
) -> None:
    sleeping = "id = 70 AND pg_sleep(30) IS NULL" if filled.scheme == "postgresql" else "id = 70 AND SLEEP(30) = 1"
    source = source_of(table="numbered", jdbc={"predicates": [sleeping], "answer_seconds": 2})
    with pytest.raises(DataError) as raised:
        checked_rows(spark, source, tmp_path)

    assert raised.value.subject == "source.url"
    assert "answer_seconds" in raised.value.expected


def test_no_plan_shows_the_password(
    spark: SparkSession, source_of: Source, filled: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    open_table(spark, source_of(table="rating", where="item_id = 8"), "source").explain("extended")

    told = capsys.readouterr().out
    assert "rating" in told
    assert filled.password not in told


@pytest.mark.parametrize("keys", [{}, {"table": "a", "query": "SELECT 1"}])
def test_a_table_and_a_query_are_one_too_many_and_neither_one_too_few(source_of: Source, keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either a table or a query"):
        source_of(**keys)


@pytest.mark.parametrize("url", ["jdbc:oracle:thin:@host", "postgresql://host/db"])
def test_a_database_that_is_not_known_is_refused(source_of: Source, url: str) -> None:
    with pytest.raises(ValueError, match="begins with jdbc:postgresql"):
        source_of(url=url, table="rating")


def checked_rows(spark: SparkSession, source: TableSource, folder: Path) -> tuple[Any, int]:
    given = source.model_dump(exclude={"columns"}, exclude_unset=True)
    if "numbered" in str(source.table):
        given["columns"] = {"user": "id", "item": "score", "rating": "score"}
    ratings = RatingsSource.model_validate({**given, "format": "jdbc"})
    nothing = {"items": ItemsSource(), "users": UsersSource(), "quality": QualitySettings(), "split": SplitSettings()}
    return check_and_store(spark, NightInputs(source=ratings, **nothing), Folder(str(folder)))


def assert_nothing_secret(error: RecsysError, *passwords: str) -> None:
    chain: BaseException | None = error
    while chain is not None:
        assert not any(password in str(chain) for password in passwords)
        chain = chain.__cause__ or chain.__context__
