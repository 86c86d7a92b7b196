"""Delta tables from which a user is taken out: rows, older versions, and what the log says of files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable as DeltaRs
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.forgetting.delta import DeltaTable
from recsys_spark.forgetting.erasure import forget
from recsys_spark.ingest.forgotten import Forgotten
from recsys_spark.publishing.delta import DeltaSink, run_named
from recsys_spark.schemas import QUARANTINE, TOP_USERS, USER_OUTCOMES, USER_VECTORS, PinnedIds, TableSchema
from recsys_spark.spark_schema import to_spark
from recsys_spark.storage import Folder
from tests.forgetting.decoding import traces
from tests.forgetting.nights import World

USER = 8234567890123456789
OTHERS = (823456789012345678, 1, 2)
IDS = PinnedIds(user="long", item="long")
LIST = Forgotten.empty().joined_by([str(USER)])


def frame(spark: SparkSession, table: TableSchema, rows: list[dict[str, Any]]) -> DataFrame:
    schema = to_spark(table.arrow(IDS))
    return spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema)


def outcomes(run_id: str) -> list[dict[str, Any]]:
    same = {"outcome": "ok", "n_items": 1, "reason": "model", "run_id": run_id, "as_of": date(2024, 1, 1)}
    return [{"user_id": user} | same for user in (USER, *OTHERS)]


def refused(*raws: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"raw": raw, "reason": why, "class": "defect", "origin": "a", "run_id": "r"} for raw, why in raws]


def best_users() -> list[dict[str, Any]]:
    same = {"score": 1.0, "reason": "model", "run_id": "r", "model_id": "m", "as_of": date(2024, 1, 1)}
    same |= {"generated_at": datetime(2024, 1, 1, tzinfo=UTC)}
    return [
        {"item_id": item, "rank": rank, "user_id": user} | same
        for item in (10, 11)
        for rank, user in enumerate((1, USER, 2), start=1)
    ]


@pytest.fixture
def sink(spark: SparkSession, tmp_path: Path) -> DeltaSink:
    return DeltaSink(spark, Folder(str(tmp_path)), IDS, "run-1")


def erase(spark: SparkSession, output: Path, table: str) -> int:
    return DeltaTable(spark, Folder(str(output / table)), table).erase(LIST)


def by_delta_rs(output: Path, table: str) -> pd.DataFrame:
    rows: pd.DataFrame = DeltaRs(output / table).to_pandas()
    return rows


def test_rows_of_every_run_and_the_versions_before_are_gone(
    spark: SparkSession, sink: DeltaSink, tmp_path: Path
) -> None:
    for run_id in ("run-1", "run-2", "run-2"):
        rows = frame(spark, USER_OUTCOMES, outcomes(run_id))
        sink.add_run(USER_OUTCOMES, rows, run_id=run_id, keep=3)
    assert traces(tmp_path, USER)
    # nothing of ids in the log even while the rows are there
    assert not [place for place in traces(tmp_path, USER) if "_delta_log" in place]

    assert erase(spark, tmp_path, "user_outcomes") == 2

    assert traces(tmp_path, USER) == []
    left = by_delta_rs(tmp_path, "user_outcomes")
    assert sorted(left.user_id) == sorted(OTHERS * 2)
    assert left.run_id.value_counts().to_dict() == {"run-1": 3, "run-2": 3}
    assert DeltaRs(tmp_path / "user_outcomes").metadata().partition_columns == ["run_id"]
    assert erase(spark, tmp_path, "user_outcomes") == 0
    sink.add_run(USER_OUTCOMES, frame(spark, USER_OUTCOMES, outcomes("run-3")[1:]), run_id="run-3", keep=3)
    assert len(by_delta_rs(tmp_path, "user_outcomes")) == 9


def test_refused_rows_go_by_their_user_and_lines_by_any_of_their_pieces(
    spark: SparkSession, sink: DeltaSink, tmp_path: Path
) -> None:
    gone = [
        (f'{{"user":"{USER}","item":"1"}}', "rating_missing"),
        (f'{{"user":" {USER}","item":"1"}}', "user_id_type"),
        (f"{USER}::1", "malformed_row"),
        (f'1,"{USER}"\t3', "malformed_row"),
    ]
    kept = [
        (f'{{"user":"1","item":"{USER}0"}}', "rating_missing"),
        (f"{USER}0::1", "malformed_row"),
        (f"1::2::x{USER}", "malformed_row"),
    ]
    sink.replace(QUARANTINE, frame(spark, QUARANTINE, refused(*gone, *kept)))

    assert erase(spark, tmp_path, "quarantine") == 4

    assert sorted(by_delta_rs(tmp_path, "quarantine").raw) == sorted(raw for raw, _ in kept)


def test_those_after_a_forgotten_user_move_up_in_lists_of_users(
    spark: SparkSession, sink: DeltaSink, tmp_path: Path
) -> None:
    sink.publish_alone(TOP_USERS, frame(spark, TOP_USERS, best_users()))

    assert erase(spark, tmp_path, "top_users") == 2

    rows = by_delta_rs(tmp_path, "top_users").sort_values(["item_id", "rank"])
    assert rows[["item_id", "rank", "user_id"]].to_numpy().tolist() == [[10, 1, 1], [10, 2, 2], [11, 1, 1], [11, 2, 2]]


def test_vectors_of_users_go_with_the_versions_before(spark: SparkSession, sink: DeltaSink, tmp_path: Path) -> None:
    same = {"run_id": "r", "model_id": "m", "as_of": date(2024, 1, 1), "generated_at": datetime(2024, 1, 1, tzinfo=UTC)}
    rows = [{"user_id": user, "vector": [1.0, 2.0], "bias": None} | same for user in (USER, *OTHERS)]
    for _ in range(2):
        sink.publish_alone(USER_VECTORS, frame(spark, USER_VECTORS, rows))
    assert traces(tmp_path, USER)

    assert erase(spark, tmp_path, "user_vectors") == 1

    assert traces(tmp_path, USER) == []
    assert sorted(by_delta_rs(tmp_path, "user_vectors").user_id) == sorted(OTHERS)


@pytest.mark.slow
def test_a_table_made_with_statistics_loses_them_and_what_the_log_said_before(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = frame(spark, USER_OUTCOMES, outcomes("run-1"))
    place = str(tmp_path / "user_outcomes")
    for _ in range(2):
        rows.write.format("delta").mode("overwrite").option("userMetadata", "run_id=run-7").save(place)
    assert [place for place in traces(tmp_path, USER) if "_delta_log" in place]

    erase(spark, tmp_path, "user_outcomes")

    assert traces(tmp_path, USER) == []
    assert sorted(by_delta_rs(tmp_path, "user_outcomes").user_id) == sorted(OTHERS)
    log = b"".join(entry.read_bytes() for entry in (tmp_path / "user_outcomes" / "_delta_log").glob("*.json"))
    assert b"minValues" not in log
    # readers are told of the visible run by the newest commit that names one
    assert run_named(spark, place) == "run_id=run-7"


def test_nothing_is_deleted_where_a_file_of_the_current_version_is_lacking(
    spark: SparkSession, sink: DeltaSink, tmp_path: Path
) -> None:
    for _ in range(2):
        sink.replace(TOP_USERS, frame(spark, TOP_USERS, best_users()[:1]))
    needed = Path(DeltaRs(tmp_path / "top_users").file_uris()[0])
    needed.rename(needed.with_suffix(".lost"))
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(DataError, match="not there"):
        DeltaTable(spark, Folder(str(tmp_path / "top_users")), "top_users")._unneeded()

    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_with_delta_tables_is_not_taken_for_one_of_parquet(
    spark: SparkSession, sink: DeltaSink, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, "parquet", str(USER))
    (world.output / "top_n" / "_delta_log").mkdir(parents=True)

    with pytest.raises(ConfigError, match="delta"):
        forget(world.job([world.user]))
