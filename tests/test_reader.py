"""What is read without Spark is what the sinks have written, in both layouts."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.written_tables import WrittenTables
from recsys_spark.errors import ArtifactError, DataError, NotFoundError
from recsys_spark.published_model import FoldedInWarning
from recsys_spark.reader import Output
from recsys_spark.schemas import RUNS, SIMILAR_ITEMS, TOP_N
from tests.published_output import (
    FIRST,
    IDS,
    SECOND,
    THIRD,
    TITLES,
    deep_scorer,
    save_model,
    score,
    scorer,
    similar_items,
    write,
)


def test_filters_take_one_value_several_and_null(published: Path) -> None:
    output = Output(published)

    assert output.rows("top_n", ["item_id"], user_id="ann", variant=None)["item_id"].to_pylist() == [7, 5, 3]
    assert output.rows("top_n", ["item_id"], user_id="ann", variant="short")["item_id"].to_pylist() == [3]
    assert output.rows("items", ["title"], item_id=[1, 7])["title"].to_pylist() == [TITLES[1], TITLES[7]]
    assert output.rows("items", item_id=[]).num_rows == 0
    assert output.rows("top_n_history", run_id=FIRST, user_id="fay").num_rows == 1


def test_the_visible_run_is_told_and_follows_what_is_published(published: Path) -> None:
    output = Output(published)
    assert output.visible_run() == SECOND

    tables = WrittenTables(published, published.name, IDS)
    tables.replace(TOP_N, output.rows("top_n_history", run_id=FIRST).select(output.table("top_n").schema.names), THIRD)
    tables.point(THIRD, of=FIRST)

    assert output.visible_run() == (FIRST if published.name == "parquet" else THIRD)
    assert output.rows("top_n", user_id="fay").num_rows == 1


def test_a_table_that_stands_alone_is_read_through_its_own_pointer(published: Path) -> None:
    output, tables = Output(published), WrittenTables(published, published.name, IDS)
    assert not output.has("similar_items")

    tables.alone(SIMILAR_ITEMS, similar_items("dot-1", "cosine"), "run-1")
    tables.alone(SIMILAR_ITEMS, similar_items("dot-2", "cosine"), "run-2")

    assert output.rows("similar_items", ["model_id"])["model_id"].unique().to_pylist() == ["dot-2"]
    assert output.visible_run() == SECOND


def test_timestamps_are_utc_with_microseconds_in_both_layouts(published: Path) -> None:
    rows = Output(published).rows("ratings", ["timestamp"], user_id="bob")

    assert str(rows.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    assert rows["timestamp"].to_pylist() == [datetime(2025, 12, 31, 8, tzinfo=UTC)]


def test_a_table_that_was_never_published_and_one_that_cannot_be_are_told_apart(published: Path) -> None:
    output = Output(published)

    with pytest.raises(NotFoundError, match=r"top_users: expected a table that was published.*\n.*job top_users"):
        output.rows("top_users")
    with pytest.raises(NotFoundError, match="did you mean 'top_users'"):
        output.rows("topusers")
    with pytest.raises(NotFoundError, match=r"items.colour: expected a column of the table: item_id"):
        output.rows("items", colour="red")
    with pytest.raises(DataError, match=r"items.item_id: expected values of type int64"):
        output.rows("items", item_id="one")


def test_columns_that_an_earlier_version_did_not_write_are_null(published: Path) -> None:
    older = dataclasses.replace(RUNS, columns=tuple(c for c in RUNS.columns if c.name not in ("job", "restored_run")))
    rows = Output(published).rows("runs", [c.name for c in older.columns])
    shutil.rmtree(published / "runs")
    tables = WrittenTables(published, published.name, IDS)
    tables.add_run(older, rows.slice(0, 1), FIRST)

    assert [row["job"] for row in Output(published).rows("runs").to_pylist()] == [None]


def test_a_first_run_without_a_column_does_not_hide_that_of_later_ones(tmp_path: Path) -> None:
    output = write(tmp_path / "parquet", "parquet").output
    (file,) = (output / "runs" / f"run_id={FIRST}").glob("*.parquet")
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["job", "restored_run"]), file)

    rows = Output(output).rows("runs").to_pylist()

    assert [(row["run_id"], row["job"]) for row in rows] == [(FIRST, None), (SECOND, "nightly")]


def test_scores_are_those_of_the_published_lists_to_the_bit(published: Path) -> None:
    output = Output(published)
    rows = output.rows("top_n", reason="model").to_pylist()

    scores = output.model().score([row["user_id"] for row in rows], [row["item_id"] for row in rows])

    assert scores.tolist() == [row["score"] for row in rows]
    assert scores.dtype == np.float32
    assert max(scores) == scorer().clip[1], "one of them is clipped"  # type: ignore[index]


def test_one_user_goes_with_several_items_and_one_item_with_several_users(published: Path) -> None:
    model = Output(published).model()

    assert model.score("ann", [1, 6]).tolist() == [score("ann", 1), score("ann", 6)]
    assert model.score(["ann", "bob"], 2).tolist() == [score("ann", 2), score("bob", 2)]
    assert model.score("ann", np.array([1])).tolist() == [score("ann", 1)]
    assert model.score("ann", []).tolist() == []
    with pytest.raises(DataError, match="as many users as items"):
        model.score(["ann", "bob"], [1, 2, 3])


def test_of_users_who_were_folded_in_a_warning_tells(published: Path) -> None:
    model = Output(published).model()

    with pytest.warns(FoldedInWarning, match=f"folded in for run {SECOND}: cleo"):
        model.score(["ann", "cleo"], [1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score("ann", [1])


def test_whom_the_model_knows_nothing_of_is_told(published: Path) -> None:
    model = Output(published).model()

    with pytest.raises(DataError, match=r"user dan: expected users that the model dot-\w+ has learnt"):
        model.score("dan", [1])
    with pytest.raises(DataError, match="item 9: expected items that the model"):
        model.score("ann", [1, 9])
    with pytest.raises(NotFoundError, match=r"user anne: .*none of that id.\n  the nearest are: ann"):
        model.score("anne", [1])
    with pytest.raises(NotFoundError, match=r"item 11: .*\n  the nearest are: 9, 8, 7, 6, 5"):
        model.score("ann", [11])
    with pytest.raises(DataError, match="items: expected ids of type int64"):
        model.score("ann", ["one"])


def test_similar_items_are_by_the_cosine_of_their_vectors(published: Path) -> None:
    model = Output(published).model()
    vectors = scorer().item.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[0] / lengths / lengths[0]

    found = model.similar(1, 99)

    # neither the item itself nor the one that nobody has rated
    assert [one.item_id for one in found] == [i + 1 for i in np.argsort(-cosines, kind="stable") if i not in (0, 8)]
    assert [one.cosine for one in found] == pytest.approx(sorted(cosines[1:8], reverse=True), rel=1e-12)
    assert model.similar(1, 2) == found[:2]
    assert model.similarity(1, found[0].item_id) == found[0].cosine


def test_a_model_of_layers_has_no_cosines_but_scores(published: Path) -> None:
    output = Output(published)
    model = output.model(save_model(output.path, deep_scorer(), "mlp"))

    assert (
        model.score("ann", [1]).tolist() == deep_scorer().score(np.zeros(1, np.int32), np.zeros(1, np.int32)).tolist()
    )
    with pytest.raises(DataError, match=r"expected a dot product.*\n.*the job similar_items"):
        model.similar(1)


def test_models_are_found_by_name_and_checked(published: Path) -> None:
    output = Output(published)
    name = output.visible_model()
    assert output.model(name).model_id == name

    with pytest.raises(NotFoundError, match=f"there are: {name}"):
        output.model("dot-000000000000")
    tensors = output.path / "models" / str(name) / "published" / "main.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="sha256"):
        output.model()


def test_a_damaged_file_is_told_with_its_table(published: Path) -> None:
    for file in published.rglob("*.parquet"):
        file.write_bytes(b"PAR1 and nothing else")

    with pytest.raises(DataError, match=r"the table items in .*: expected one that can be read"):
        Output(published).rows("items")


def test_a_damaged_pointer_is_told(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text("{")

    with pytest.raises(DataError, match=r"current.json: expected a pointer to a run"):
        Output(tmp_path).visible_run()


def test_what_is_no_output_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        Output(tmp_path / "none")
    with pytest.raises(NotFoundError, match="none of its tables there"):
        Output(tmp_path)
    with pytest.raises(NotFoundError, match="an output folder on this machine, found one on s3a:"):
        Output("s3a://bucket/output")


def test_an_output_in_which_nothing_was_published_has_no_tables(tmp_path: Path) -> None:
    (tmp_path / "summaries").mkdir()
    output = Output(f"file://{tmp_path}")

    assert output.visible_run() is None
    assert output.visible_model() is None
    assert not output.has("top_n")
    with pytest.raises(NotFoundError, match="the visible model: expected published lists"):
        output.model()


@pytest.mark.parametrize("last", ["delta", "parquet"])
def test_of_two_layouts_in_one_folder_the_one_published_last_is_read(tmp_path: Path, last: str) -> None:
    first = "parquet" if last == "delta" else "delta"
    write(tmp_path / "output", first)
    shutil.rmtree(tmp_path / "output" / "models")
    rows = Output(tmp_path / "output").rows("top_n", user_id="bob")
    tables = WrittenTables(tmp_path / "output", last, IDS)
    tables.replace(TOP_N, rows, THIRD)
    tables.point(THIRD)

    output = Output(tmp_path / "output")

    assert (output.layout.name, output.visible_run()) == (last, THIRD)
    assert output.rows("top_n").num_rows == 3
