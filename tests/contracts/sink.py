"""What every sink promises; the test class of a sink inherits this."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.errors import DataError
from recsys_spark.publishing.sink import Sink
from recsys_spark.reader import Output
from recsys_spark.schemas import ITEMS, RANKED_PAIRS, RUNS, TOP_N, TOP_N_HISTORY, USER_OUTCOMES, PinnedIds
from recsys_spark.storage import Folder

IDS = PinnedIds(user="string", item="long")

SinkFactory = Callable[[str], Sink]


class SinkContract:
    """Set `sink_type`; `visible` reads a table as a stranger would, without Spark."""

    sink_type: Callable[..., Sink]

    def visible(self, output: Path, table: str) -> pa.Table | None:
        raise NotImplementedError

    @pytest.fixture
    def sink(self, spark: SparkSession, tmp_path: Path) -> SinkFactory:
        return lambda run_id: type(self).sink_type(spark, Folder(str(tmp_path)), IDS, run_id)

    def test_a_run_becomes_visible_with_publish_and_not_before(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        second = sink("run-2")
        second.add_run(TOP_N_HISTORY, top_n(spark, "run-2", 2.0), run_id="run-2", keep=7)

        assert self.scores(tmp_path) == {1.0}
        second.publish(TOP_N, top_n(spark, "run-2", 2.0))
        assert self.scores(tmp_path) == {2.0}

    def test_top_n_holds_nothing_but_the_run_published_last(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3):
            self.publish_run(spark, sink, f"run-{number}", score=float(number))

        rows = self.visible(tmp_path, "top_n")

        assert rows is not None
        assert set(rows["run_id"].to_pylist()) == {"run-3"}
        assert rows.num_rows == 4

    def test_history_keeps_the_newest_runs_and_no_more(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3, 4):
            self.publish_run(spark, sink, f"run-{number}", score=float(number), keep=2)

        for table in ("top_n_history", "user_outcomes"):
            rows = self.visible(tmp_path, table)
            assert rows is not None
            assert set(rows["run_id"].to_pylist()) == {"run-3", "run-4"}

    def test_adding_a_run_again_replaces_its_rows(self, spark: SparkSession, sink: SinkFactory, tmp_path: Path) -> None:
        for score in (1.0, 5.0):
            sink("run-1").add_run(TOP_N_HISTORY, top_n(spark, "run-1", score), run_id="run-1", keep=3)

        rows = self.visible(tmp_path, "top_n_history")

        assert rows is not None
        assert set(rows["score"].to_pylist()) == {5.0}
        assert rows.num_rows == 4

    def test_a_table_of_no_night_and_those_of_the_nights_do_not_change_each_other(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)

        sink("run-2").publish_alone(RANKED_PAIRS, ranked_pairs(spark, "run-2"))
        assert (self.runs(tmp_path, "ranked_pairs"), self.runs(tmp_path, "top_n")) == ({"run-2"}, {"run-1"})

        self.publish_run(spark, sink, "run-3", score=3.0, keep=1)
        assert (self.runs(tmp_path, "ranked_pairs"), self.runs(tmp_path, "top_n")) == ({"run-2"}, {"run-3"})

    def test_a_table_of_no_night_holds_nothing_but_the_run_published_last(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2, 3, 4):
            sink(f"run-{number}").publish_alone(RANKED_PAIRS, ranked_pairs(spark, f"run-{number}"))

        by_spark, rows = sink("run-9").read(RANKED_PAIRS), self.visible(tmp_path, "ranked_pairs")

        assert by_spark is not None
        assert rows is not None
        assert {row["run_id"] for row in by_spark.collect()} == set(rows["run_id"].to_pylist()) == {"run-4"}
        assert by_spark.count() == rows.num_rows == 1

    def test_a_write_that_fails_leaves_the_table_of_no_night_as_it_was(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        sink("run-1").publish_alone(RANKED_PAIRS, ranked_pairs(spark, "run-1"))
        failing = ranked_pairs(spark, "run-2").withColumn("reason", F.lit(None).cast("string"))

        with pytest.raises(Exception, match=r"ranked_pairs\.reason: null where none is allowed"):
            sink("run-2").publish_alone(RANKED_PAIRS, failing)

        assert self.runs(tmp_path, "ranked_pairs") == {"run-1"}

    def test_a_write_that_fails_leaves_what_was_visible(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        failing = top_n(spark, "run-2", 2.0).selectExpr("* except (rank)", "if(rank = 2, null, rank) as rank")

        with pytest.raises(Exception, match=r"top_n\.rank: null where none is allowed"):
            sink("run-2").publish(TOP_N, failing)

        assert self.scores(tmp_path) == {1.0}

    def test_a_table_of_another_shape_is_refused_with_every_column_named(
        self, spark: SparkSession, sink: SinkFactory
    ) -> None:
        wrong = top_n(spark, "run-1", 1.0).drop("as_of").withColumnRenamed("score", "points")

        with pytest.raises(DataError, match=r"score \(missing.*as_of \(missing"):
            sink("run-1").publish(TOP_N, wrong)

    def test_appended_rows_stay_beside_the_ones_before(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for run_id in ("run-1", "run-2"):
            sink(run_id).append(RUNS, ledger(spark, run_id))
        sink("run-9").append(RUNS, ledger(spark, "run-3"), run_id="run-3")

        rows = self.visible(tmp_path, "runs")

        assert rows is not None
        assert sorted(rows["run_id"].to_pylist()) == ["run-1", "run-2", "run-3"]

    def test_the_visible_run_is_the_one_published_last_also_if_it_has_no_rows(
        self, spark: SparkSession, sink: SinkFactory
    ) -> None:
        assert sink("run-1").visible_run() is None
        self.publish_run(spark, sink, "run-1", score=1.0)
        sink("run-2").add_run(TOP_N_HISTORY, top_n(spark, "run-2", 2.0), run_id="run-2", keep=7)
        assert sink("run-3").visible_run() == "run-1"

        sink("run-2").publish(TOP_N, top_n(spark, "run-2", 2.0).limit(0))
        assert sink("run-3").visible_run() == "run-2"

    def test_an_earlier_run_becomes_visible_again_and_no_other_table_changes(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2):
            self.publish_run(spark, sink, f"run-{number}", score=float(number))
        sink("run-2").append(RUNS, ledger(spark, "run-2"))
        history = sink("run-3").read(TOP_N_HISTORY)
        assert history is not None
        others = {name: self.visible(tmp_path, name) for name in ("items", "user_outcomes", "top_n_history", "runs")}

        sink("run-3").publish_again(TOP_N, history.where("run_id = 'run-1'"), run_id="run-1")

        assert self.scores(tmp_path) == {1.0}
        assert self.runs(tmp_path, "top_n") == {"run-1"}
        assert sink("run-4").visible_run() == "run-1"
        for name, before in others.items():
            after = self.visible(tmp_path, name)
            assert before is not None
            assert after is not None
            assert sorted(map(str, after.to_pylist())) == sorted(map(str, before.to_pylist()))
        self.publish_run(spark, sink, "run-5", score=5.0, keep=1)
        assert self.scores(tmp_path) == {5.0}

    def test_what_a_run_added_that_never_became_visible_can_be_taken_back(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        dead = sink("run-2")
        dead.replace(ITEMS, items(spark))
        dead.add_run(TOP_N_HISTORY, top_n(spark, "run-2", 2.0), run_id="run-2", keep=7)
        dead.add_run(USER_OUTCOMES, outcomes(spark, "run-2"), run_id="run-2", keep=7)

        for _ in range(2):
            sink("run-3").discard_run("run-2")

        for table in ("top_n_history", "user_outcomes"):
            assert self.runs(tmp_path, table) == {"run-1"}
        assert self.scores(tmp_path) == {1.0}
        assert not (tmp_path / "published" / "run-2").exists()

    def test_history_keeps_the_visible_run_however_many_come_after_it(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)

        for number in (2, 3, 4):
            back_fill = top_n(spark, f"run-{number}", float(number))
            sink(f"run-{number}").add_run(TOP_N_HISTORY, back_fill, run_id=f"run-{number}", keep=2)

        assert "run-1" in self.runs(tmp_path, "top_n_history")
        assert "run-4" in self.runs(tmp_path, "top_n_history")

    def test_what_spark_reads_is_what_a_stranger_reads(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)

        for table in (TOP_N, TOP_N_HISTORY, ITEMS, USER_OUTCOMES):
            by_spark = sink("run-1").read(table)
            outside = self.visible(tmp_path, table.name)
            assert by_spark is not None
            assert outside is not None
            assert by_spark.columns == [column.name for column in table.columns]
            assert by_spark.count() == outside.num_rows > 0

    def test_a_reader_without_spark_sees_what_spark_sees(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        for number in (1, 2):
            self.publish_run(spark, sink, f"run-{number}", score=float(number))
            sink(f"run-{number}").append(RUNS, ledger(spark, f"run-{number}"))
            sink(f"run-{number}").publish_alone(RANKED_PAIRS, ranked_pairs(spark, f"run-{number}"))
        output, by_spark = Output(tmp_path), sink("run-9")

        for table in (TOP_N, TOP_N_HISTORY, USER_OUTCOMES, ITEMS, RUNS, RANKED_PAIRS):
            expected = by_spark.read(table)
            assert expected is not None
            rows = output.rows(table.name, [column.name for column in table.columns])
            assert sorted(map(str, rows.to_pylist())) == sorted(map(str, expected.toArrow().to_pylist()))
        assert output.visible_run() == by_spark.visible_run() == "run-2"

        history = by_spark.read(TOP_N_HISTORY)
        assert history is not None
        sink("run-3").publish_again(TOP_N, history.where("run_id = 'run-1'"), run_id="run-1")
        assert output.visible_run() == "run-1"
        assert output.rows("top_n", ["score"])["score"].unique().to_pylist() == [1.0]

    def test_a_table_tells_where_its_files_are_and_what_columns_they_have(
        self, spark: SparkSession, sink: SinkFactory, tmp_path: Path
    ) -> None:
        self.publish_run(spark, sink, "run-1", score=1.0)
        sink("run-1").publish_alone(RANKED_PAIRS, ranked_pairs(spark, "run-1"))

        for table in (TOP_N, TOP_N_HISTORY, ITEMS, USER_OUTCOMES, RANKED_PAIRS):
            by_spark, place = sink("run-9").read(table), sink("run-9").place(table)
            assert by_spark is not None
            assert place is not None
            files = [Folder(file).location for file in by_spark.inputFiles()]
            assert files
            assert all(file.startswith(f"{place.location}/") for file in files)
            assert sink("run-9").columns(table) == dict(by_spark.dtypes)

    def test_a_table_that_was_never_written_reads_as_none(self, sink: SinkFactory) -> None:
        never = sink("run-1")

        assert (never.read(TOP_N), never.place(TOP_N), never.columns(TOP_N)) == (None, None, None)

    def publish_run(self, spark: SparkSession, sink: SinkFactory, run_id: str, *, score: float, keep: int = 7) -> None:
        writer, rows = sink(run_id), top_n(spark, run_id, score)
        writer.replace(ITEMS, items(spark))
        writer.add_run(TOP_N_HISTORY, rows, run_id=run_id, keep=keep)
        writer.add_run(USER_OUTCOMES, outcomes(spark, run_id), run_id=run_id, keep=keep)
        writer.publish(TOP_N, rows)
        writer.forget_old(keep)

    def runs(self, output: Path, table: str) -> set[str]:
        rows = self.visible(output, table)
        assert rows is not None
        return set(rows["run_id"].to_pylist())

    def scores(self, output: Path) -> set[float]:
        rows = self.visible(output, "top_n")
        assert rows is not None
        return set(rows["score"].to_pylist())


def top_n(spark: SparkSession, run_id: str, score: float) -> DataFrame:
    rows = [
        {
            "user_id": user,
            "rank": rank,
            "item_id": 10 * rank,
            "score": score,
            "reason": "model",
            "run_id": run_id,
            "model_id": "dot-1",
            "as_of": date(2026, 1, 2),
            "generated_at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        }
        for user in ("a", "b")
        for rank in (1, 2)
    ]
    return frame(spark, rows, TOP_N.arrow(IDS))


def ranked_pairs(spark: SparkSession, run_id: str) -> DataFrame:
    row = {"user_id": "a", "item_id": 10, "rank": 1, "score": 4.5, "reason": "model", "model_id": "dot-1"}
    dated = row | {"run_id": run_id, "as_of": date(2026, 1, 2), "generated_at": datetime(2026, 1, 2, 3, tzinfo=UTC)}
    return frame(spark, [dated], RANKED_PAIRS.arrow(IDS))


def items(spark: SparkSession) -> DataFrame:
    row = {"item_id": 10, "item_index": 0, "first_seen_run": "run-1", "n_ratings": 3, "in_source": True}
    return frame(spark, [row | {"title": "Ännchen", "attributes": [("genre", "a|b")]}], ITEMS.arrow(IDS))


def outcomes(spark: SparkSession, run_id: str) -> DataFrame:
    row = {
        "user_id": "a",
        "outcome": "ok",
        "n_items": 2,
        "reason": "model",
        "run_id": run_id,
        "as_of": date(2026, 1, 2),
    }
    return frame(spark, [row], USER_OUTCOMES.arrow(IDS))


def ledger(spark: SparkSession, run_id: str) -> DataFrame:
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    row = {
        "run_id": run_id,
        "as_of": date(2026, 1, 2),
        "status": "published",
        "config_hash": "c",
        "code_version": "0",
        "counts": [("users", 2)],
        "seconds": [("score", 1.5)],
        "started_at": now,
        "finished_at": now,
    }
    return frame(spark, [row], RUNS.arrow(IDS))


def frame(spark: SparkSession, rows: list[dict[str, Any]], schema: pa.Schema) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema))
