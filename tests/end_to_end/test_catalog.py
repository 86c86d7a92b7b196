"""Nights through the launcher with a Hive metastore, and a stranger's session that reads by name afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from recsys_spark.schemas import TABLES
from recsys_spark.session import build_session
from tests.end_to_end.runs import published, submit
from tests.publishing.hive import in_another_process, options

WANTED = ("--set", "output.catalog=shop", "--set", "output.change_data_feed=true", "--set", "evaluation.k=[]")


@pytest.mark.slow
def test_a_night_gives_its_tables_names_and_the_next_start_gives_back_lost_ones(tmp_path: Path) -> None:
    spark = ("--master", "local[2]", *options(tmp_path))
    night = (*spark, "nightly", "--as-of", "2026-01-31", *WANTED)

    first = published(submit(*night, cwd=tmp_path, output=tmp_path / "output"))

    expected = {table.name: f"spark_catalog.shop.{table.name}" for table in TABLES}
    assert first.summary["catalog"] == expected | {"user_lists": "spark_catalog.shop.user_lists"}
    read = in_another_process("tests.end_to_end.test_catalog", "drop", folder=tmp_path)
    assert read["lists"] == first.summary["counts"]["rows_published"] == 300
    assert read["runs"] == [first.summary["run_id"]]
    assert read["changes"] == {"insert": 30}

    again = submit(*night, cwd=tmp_path, output=tmp_path / "output")

    assert (again.code, again.summary["status"]) == (0, "nothing_to_do"), again.errors[-3000:]
    assert again.summary["catalog"] == first.summary["catalog"]
    assert in_another_process("tests.end_to_end.test_catalog", "read", folder=tmp_path) == read


def test_without_a_metastore_a_night_ends_before_it_has_begun(tmp_path: Path) -> None:
    refused = submit("--master", "local[1]", "nightly", *WANTED, cwd=tmp_path, output=tmp_path / "output")

    assert (refused.code, refused.summary["status"]) == (2, "invalid")
    assert "in-memory" in refused.summary["error"]["message"]
    assert "spark.sql.catalogImplementation=hive" in refused.summary["error"]["hint"]
    assert not (tmp_path / "output" / "top_n").exists()


def stranger(action: str) -> dict[str, Any]:
    """What a session that knows nothing but the names sees; `drop` then takes them away, and no file."""
    session = build_session("stranger", delta=True)
    lists = session.table("shop.top_n")
    changes = session.sql("SELECT _change_type, count(*) FROM table_changes('shop.user_lists', 0) GROUP BY 1").collect()
    found = {
        "lists": lists.count(),
        "runs": [row[0] for row in lists.select("run_id").distinct().collect()],
        "changes": {row[0]: row[1] for row in changes},
    }
    if action == "drop":
        session.sql("DROP SCHEMA shop CASCADE")
    session.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(stranger(sys.argv[1])), flush=True)
