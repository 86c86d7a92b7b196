"""A database serves one whole run at any time, whoever reads and whatever dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.publishing.database import ServedTables
from recsys_spark.publishing.settings import ServeSettings
from recsys_spark.schemas import TOP_N, USER_OUTCOMES, PinnedIds
from recsys_spark.spark_schema import to_spark
from tests.databases import USER, Server

IDS = PinnedIds(user="string", item="long")
AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
USERS = ["ann", "Ann", "\N{GRINNING FACE} caf\u00e9"]


@pytest.fixture
def served(spark: SparkSession, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedTables]:
    monkeypatch.setenv("RECSYS_TEST_DATABASE", server.password)
    at = {"url": server.url, "user": USER, "password": "env:RECSYS_TEST_DATABASE", "lock_seconds": 2}
    yield ServedTables(spark, ServeSettings.model_validate(at))
    server.execute(*(f"DROP TABLE IF EXISTS {table}" for table in tables_of(server)))


def tables_of(server: Server) -> list[str]:
    where = "current_schema()" if server.scheme == "postgresql" else "DATABASE()"
    return [
        name
        for (name,) in server.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {where}")
    ]


def night(spark: SparkSession, run: str, length: int = 3) -> dict[str, DataFrame]:
    """The tables of a run in which each user has a list of that length."""
    common = {"run_id": run, "as_of": date(2026, 1, 2)}
    lists: list[dict[str, Any]] = [
        {"user_id": user, "rank": rank, "item_id": 10**12 + rank, "score": 1 / rank, "reason": "model"}
        | common
        | {"score_std": None, "predicted_rating": 0.1, "variant": None, "model_id": "m", "generated_at": AT}
        for user in USERS
        for rank in range(1, length + 1)
    ]
    outcomes = [{"user_id": user, "outcome": "ok", "n_items": length, "reason": "model"} | common for user in USERS]
    rows = {TOP_N: lists, USER_OUTCOMES: outcomes}
    return {
        table.name: spark.createDataFrame(
            [tuple(row[c.name] for c in table.columns) for row in some], to_spark(table.arrow(IDS))
        )
        for table, some in rows.items()
    }


def test_what_was_given_is_served_to_the_letter(served: ServedTables, spark: SparkSession, server: Server) -> None:
    assert served.served_run() is None
    assert served.serve(night(spark, "run-1")) == {"top_n": 9, "user_outcomes": 3}

    assert served.served_run() == "run-1"
    rank = '"rank"' if server.scheme == "postgresql" else "`rank`"
    rows = server.rows(f"SELECT user_id, {rank}, item_id, score, variant, as_of, generated_at FROM top_n")
    single = [float(f"{1 / r:.6g}") for r in (1, 2, 3)]
    assert sorted((r[0], r[1], r[2], float(f"{r[3]:.6g}"), r[4], r[5]) for r in rows) == sorted(
        (user, r, 10**12 + r, single[r - 1], None, date(2026, 1, 2)) for user in USERS for r in (1, 2, 3)
    )
    assert {row[6].replace(tzinfo=row[6].tzinfo or UTC) for row in rows} == {AT}
    assert len(server.rows("SELECT * FROM top_n WHERE user_id = 'ann'")) == 3
    assert sorted(tables_of(server)) == ["top_n", "user_outcomes"]


def test_readers_see_one_whole_run_while_nights_are_swapped(
    served: ServedTables, spark: SparkSession, server: Server
) -> None:
    """Both tables in one statement; each run has lists of another length, so that a mixture shows."""
    served.serve(night(spark, "run-1", length=1))
    both = (
        "SELECT (SELECT COUNT(*) FROM top_n), (SELECT MIN(run_id) FROM top_n), (SELECT MAX(run_id) FROM top_n),"
        " (SELECT MIN(run_id) FROM user_outcomes), (SELECT MAX(n_items) FROM user_outcomes)"
    )
    seen, ended = [], threading.Event()

    def watch() -> None:
        connection = server.connect()
        connection.autocommit = True if server.scheme == "postgresql" else connection.autocommit(True)
        with connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute(both)
                seen.append(cursor.fetchone())
        connection.close()

    reader = threading.Thread(target=watch)
    reader.start()
    for length in (2, 3, 4):
        served.serve(night(spark, f"run-{length}", length=length))
    ended.set()
    reader.join()

    assert {row[1] for row in seen} >= {"run-1"}
    for count, low, high, outcomes, longest in seen:
        assert (count, high, outcomes, longest) == (3 * longest, low, low, int(low.removeprefix("run-")))


def test_a_reader_who_holds_on_stops_the_swap_and_loses_nothing(
    served: ServedTables, spark: SparkSession, server: Server
) -> None:
    served.serve(night(spark, "run-1"))
    holding = server.connect()
    with holding.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM top_n")
        cursor.fetchall()
        with pytest.raises(DataError) as raised:
            served.serve(night(spark, "run-2"))
    holding.close()

    assert raised.value.subject == "serve.lock_seconds"
    assert served.served_run() == "run-1"
    served.serve(night(spark, "run-2"))
    assert served.served_run() == "run-2"
    assert sorted(tables_of(server)) == ["top_n", "user_outcomes"]


def test_a_server_that_dies_in_the_middle_of_a_swap_serves_a_whole_run_afterwards(
    spark: SparkSession, server: Server, served: ServedTables
) -> None:
    served.serve(night(spark, "run-1", length=1))
    patient = ServedTables(spark, served.settings.model_copy(update={"lock_seconds": 60}))
    holding = server.connect()
    with holding.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM top_n")
        # by then the side tables are loaded, and the swap waits for this reader
        timer = threading.Timer(8, server.kill)
        timer.start()
        with pytest.raises(DataError) as raised:
            patient.serve(night(spark, "run-2", length=2))
    holding.close()
    timer.join()
    server.start()

    assert raised.value.subject == "serve.url"
    assert server.password not in str(raised.value)
    assert served.served_run() == "run-1"
    assert server.rows("SELECT COUNT(*) FROM top_n") == [(3,)]
    assert served.serve(night(spark, "run-2", length=2)) == {"top_n": 6, "user_outcomes": 3}
    assert sorted(tables_of(server)) == ["top_n", "user_outcomes"]


def test_rights_of_readers_outlive_a_swap(served: ServedTables, spark: SparkSession, server: Server) -> None:
    if server.scheme != "postgresql":
        pytest.skip("where rights go by name, nothing has to be done")
    served.serve(night(spark, "run-1"))
    server.execute("CREATE ROLE application", "GRANT SELECT ON top_n TO application")
    served.serve(night(spark, "run-2"))

    assert server.rows("SELECT has_table_privilege('application', 'top_n', 'SELECT')") == [(True,)]
    server.execute("DROP OWNED BY application", "DROP ROLE application")


def test_a_wrong_password_is_said_with_its_key(
    served: ServedTables, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECSYS_TEST_DATABASE", "K4narie-wrong")
    with pytest.raises(ConfigError) as raised:
        served.served_run()

    assert raised.value.subject == "serve.password"
    assert "K4narie" not in str(raised.value)
