"""A night whose ratings lie in a database, started as its users start it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.databases import USER, Server
from tests.end_to_end.runs import Finished, published, submit


def test_a_night_from_a_database_gives_the_rows_of_the_file_and_tells_no_password(
    sample: Finished, sample_file: Path, mariadb: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver comes by the launcher, as the configuration names a database."""
    mariadb.execute("CREATE TABLE rating (reader integer, book integer, stars float, at bigint)")
    mariadb.insert("rating", [line.split("::") for line in sample_file.read_text().splitlines()])
    monkeypatch.setenv("SHOP_PASSWORD", mariadb.password)
    (tmp_path / "shop.yaml").write_text(
        f"""\
source:
  format: jdbc
  url: {mariadb.url}
  user: {USER}
  password: env:SHOP_PASSWORD
  table: rating
  jdbc: {{partition_column: reader, partitions: 3}}
  columns: {{user: reader, item: book, rating: stars, timestamp: at}}
serve:
  url: {mariadb.url}
  user: {USER}
  password: env:SHOP_PASSWORD
""",
        encoding="utf-8",
    )
    (tmp_path / "events").mkdir()
    events = ("--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir=file:{tmp_path}/events")
    plain = ("--conf", "spark.eventLog.compress=false")

    run = published(
        submit(*events, *plain, "nightly", "--config", "shop.yaml", cwd=tmp_path, output=tmp_path / "output")
    )

    pd.testing.assert_frame_equal(run.rows(), sample.rows())
    assert run.summary["counts"]["ratings_read"] == 1501
    served = mariadb.rows("SELECT user_id, `rank`, item_id FROM top_n")
    assert sorted(served) == sorted(run.rows()[["user_id", "rank", "item_id"]].itertuples(index=False, name=None))
    told = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"JDBCRelation" in text for text in told), "the event log tells of the reading"
    assert not any(
        mariadb.password.encode() in text for text in (*told, run.errors.encode(), *map(str.encode, run.lines))
    )
