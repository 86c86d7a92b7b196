"""Tables by name in a real Hive metastore, opened by sessions that come after the one that registered them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError
from recsys_spark.publishing.catalog import Catalog
from recsys_spark.schemas import SCHEMA_VERSION, TOP_N
from recsys_spark.storage import Folder
from tests.publishing.hive import in_another_process

SCENARIOS = "tests.publishing.catalog_scenarios"
Found = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its name has a blank and a quotation mark, as folders of people have."""
    made = tmp_path_factory.mktemp("cat") / "joe's tables"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def published(folder: Path) -> Found:
    """What the session saw that published and registered."""
    found: Found = in_another_process(SCENARIOS, "publish", str(folder), folder=folder.parent)
    return found


@pytest.fixture(scope="module")
def seen(published: Found, folder: Path) -> Found:
    """What the next session sees, without ours having any part in it."""
    found: Found = in_another_process(SCENARIOS, "read", str(folder), folder=folder.parent)
    return found


@pytest.mark.parametrize("layout", ["delta", "parquet"])
def test_names_show_what_is_published_also_to_later_sessions(layout: str, published: Found, seen: Found) -> None:
    first = {"top_n": ["run-1"], "top_n_history": ["run-1"], "user_outcomes": ["run-1"], "ranked_pairs": ["run-1"]}
    kept = ["run-1", "run-2"] if layout == "delta" else ["run-2", "run-3"]
    last = {"top_n": kept[1:], "ranked_pairs": kept[1:], "top_n_history": kept, "user_outcomes": kept}

    assert published[f"{layout} first"] == first
    assert seen[f"{layout} runs"] == last
    assert seen[f"{layout} title"] == "Ännchen", "a column that has joined"
    tables = ("top_n", "top_n_history", "user_outcomes", "items", "ranked_pairs")
    assert sorted(published[f"{layout} names"]) == sorted(f"spark_catalog.by_{layout}.{name}" for name in tables)


@pytest.mark.parametrize("layout", ["delta", "parquet"])
def test_tables_and_columns_say_what_they_are_for(layout: str, seen: Found) -> None:
    described, properties = seen[f"{layout} described"], seen[f"{layout} properties"]

    assert described["Comment"][0] == TOP_N.comment
    assert {column.name: described[column.name][1] for column in TOP_N.columns} == {
        column.name: column.comment for column in TOP_N.columns
    }
    assert described["Type"][0] == "EXTERNAL"
    assert properties["recsys.schema_version"] == SCHEMA_VERSION
    assert properties["recsys.key"] == "user_id, variant, rank"


def test_readers_by_path_notice_nothing_of_the_names(published: Found, folder: Path) -> None:
    table = DeltaTable(folder / "delta" / "top_n")
    top_n = table.to_pyarrow_dataset()  # noqa: F841  (DuckDB reads it by its name)

    assert duckdb.sql("select distinct run_id, count(*) from top_n group by 1").fetchall() == [("run-2", 4)]
    assert table.protocol().min_reader_version == 1
    # one commit of a name's comment and properties, once
    operations = [commit["operation"] for commit in table.history()]
    assert sorted(operations) == ["SET TBLPROPERTIES", "WRITE", "WRITE"]


def test_names_that_lead_elsewhere_are_refused_and_left_as_they_are(seen: Found, folder: Path) -> None:
    for layout in ("delta", "parquet"):
        for action in ("prepare", "register"):
            of_table = seen[f"{layout} taken {action}"]
            assert of_table.startswith("ConfigError: configuration: output.catalog")
            assert f"{folder}/elsewhere" in of_table
            assert f"{folder}/{layout}/" in of_table
            assert "a view of that name" in seen[f"{layout} viewed {action}"]
        assert seen[f"{layout} no_such_catalog.any prepare"].startswith("ConfigError")
        assert seen[f"{layout} no_such_catalog.any register"].startswith("DataError")
        assert seen[f"{layout} again"] == seen[f"{layout} runs"], "names that were dropped come back"
    assert seen["mine"] == [1, 2]


def test_a_catalog_that_ends_with_the_session_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("shop", "spark_catalog.shop"):
        with pytest.raises(ConfigError, match=r"output\.catalog.*in-memory"):
            Catalog(spark, name, Folder(str(tmp_path)), "delta").prepare({})
