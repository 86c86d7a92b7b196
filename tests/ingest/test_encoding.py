"""Vocabularies give every id one dense index for ever."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.ingest.encoding import STATE_FILE, Addition, Vocabularies, Vocabulary, encode, extend
from recsys_spark.schemas import IdName, PinnedIds
from recsys_spark.storage import Folder
from tests.ingest.ratings import as_read

Id = str | int

NIGHTS: dict[IdName, list[list[Id]]] = {
    "string": [["bob", "Zoë", "ann", "bob", "10", "9", "日本"], ["aaa", "bob", "zzz"]],
    "long": [[30, -4, 2**63 - 1, 30, 7, 0], [8, -(2**63), 7]],
}
"""The ids of two nights, with repetition."""

SORTED: dict[IdName, list[list[Id]]] = {
    "string": [["10", "9", "Zoë", "ann", "bob", "日本"], ["aaa", "zzz"]],
    "long": [[-4, 0, 7, 30, 2**63 - 1], [-(2**63), 8]],
}
"""The new ids of each night in their order: numbers by value, text by its bytes."""


def frame(spark: SparkSession, ids: Sequence[Id], kind: IdName) -> DataFrame:
    return spark.createDataFrame([(i,) for i in ids], f"id {'string' if kind == 'string' else 'bigint'}")


def extended(vocabulary: Vocabulary, ids: DataFrame, state: Folder, run_id: str) -> Vocabulary:
    return extend(
        ids.sparkSession, vocabulary, ids, state=state, scratch=state / f"_{run_id}", side="user", run_id=run_id
    )


def indices(spark: SparkSession, vocabulary: Vocabulary, state: Folder) -> dict[Id, int]:
    return {row["id"]: row["index"] for row in vocabulary.read(spark, state).collect()}


@pytest.mark.parametrize("kind", ["string", "long"])
def test_new_ids_get_the_next_indices_in_their_order_and_old_ones_keep_theirs(
    spark: SparkSession, tmp_path: Path, kind: IdName
) -> None:
    state = Folder(str(tmp_path))
    first_night, second_night = (frame(spark, ids, kind) for ids in NIGHTS[kind])

    first = extended(Vocabulary(kind), first_night, state, "run-1")
    second = extended(first, second_night, state, "run-2")

    in_order = SORTED[kind][0]
    assert indices(spark, first, state) == {id_: index for index, id_ in enumerate(in_order)}
    in_order = in_order + SORTED[kind][1]
    assert indices(spark, second, state) == {id_: index for index, id_ in enumerate(in_order)}
    assert (first.size, second.size) == (len(SORTED[kind][0]), len(in_order))
    rows = second.read(spark, state).collect()
    assert {row["id"] for row in rows if row["first_seen_run"] == "run-1"} == set(SORTED[kind][0])
    assert {row["id"] for row in rows if row["first_seen_run"] == "run-2"} == set(SORTED[kind][1])


def test_a_night_without_new_ids_leaves_the_vocabulary_and_its_folder_as_they_are(
    spark: SparkSession, tmp_path: Path
) -> None:
    state = Folder(str(tmp_path / "state"))
    first = extended(Vocabulary("string"), frame(spark, ["a", "b"], "string"), state, "run-1")

    again = extended(first, frame(spark, ["b", "b"], "string"), state, "run-2")
    none = extended(first, frame(spark, [], "string"), state, "run-3")

    assert again == none == first
    assert (state / "users").children() == ["000000-run-1"]


def test_the_order_and_the_partitioning_of_the_ids_change_neither_indices_nor_digest(
    spark: SparkSession, tmp_path: Path
) -> None:
    ids = [f"id {i * 7919 % 1000:03}" for i in range(1000)]
    found = []
    for name, parts, shuffles in (("a", 1, "1"), ("b", 3, "5"), ("c", 7, "2")):
        before = spark.conf.get("spark.sql.shuffle.partitions")
        spark.conf.set("spark.sql.shuffle.partitions", shuffles)
        try:
            state = Folder(str(tmp_path / name))
            rows = frame(spark, ids if name == "a" else [*reversed(ids), *ids[:100]], "string").repartition(parts)
            vocabulary = extended(Vocabulary("string"), rows, state, "run-1")
        finally:
            spark.conf.set("spark.sql.shuffle.partitions", str(before))
        found.append((indices(spark, vocabulary, state), vocabulary.digest))

    assert found[0][0] == {id_: index for index, id_ in enumerate(sorted(ids))}
    assert found[0] == found[1] == found[2]


def test_another_content_has_another_digest(spark: SparkSession, tmp_path: Path) -> None:
    digests = []
    for number, ids in enumerate([["a", "b"], ["a", "c"]]):
        state = Folder(str(tmp_path / str(number)))
        digests.append(extended(Vocabulary("string"), frame(spark, ids, "string"), state, "run-1").digest)
    state = Folder(str(tmp_path / "two nights"))
    vocabulary = extended(Vocabulary("string"), frame(spark, ["b"], "string"), state, "run-1")
    digests.append(extended(vocabulary, frame(spark, ["a", "b"], "string"), state, "run-2").digest)

    assert len(set(digests)) == 3, "also the same ids under other indices"


def test_a_vocabulary_begins_with_each_one_that_it_has_been_and_with_no_other_one() -> None:
    nights = [Addition(f"users/{n}", 10 + n, f"digest {n}") for n in range(3)]
    grown = [Vocabulary("long", tuple(nights[:n])) for n in range(4)]
    assert all(grown[3].begins_with(earlier.size, earlier.digest) for earlier in grown)
    assert not grown[1].begins_with(grown[2].size, grown[2].digest)
    assert not grown[3].begins_with(grown[2].size + 1, grown[2].digest)
    assert not grown[3].begins_with(nights[1].size, Vocabulary("long", (nights[1],)).digest)


def test_what_counts_changes_only_when_it_is_saved(spark: SparkSession, tmp_path: Path) -> None:
    state = Folder(str(tmp_path))
    assert Vocabularies.load(state) is None
    users = extended(Vocabulary("long"), frame(spark, [1, 2], "long"), state, "run-1")
    assert Vocabularies.load(state) is None

    saved = Vocabularies(users=users, items=Vocabulary("string"))
    saved.save(state)
    content = (tmp_path / STATE_FILE).read_bytes()
    longer = extended(users, frame(spark, [3], "long"), state, "run-2")

    assert (tmp_path / STATE_FILE).read_bytes() == content
    assert Vocabularies.load(state) == saved
    assert saved.ids == PinnedIds(user="long", item="string")
    assert longer.size == 3
    assert indices(spark, saved.users, state) == {1: 0, 2: 1}


def test_a_run_that_never_saved_leaves_nothing_behind_for_the_next(spark: SparkSession, tmp_path: Path) -> None:
    state = Folder(str(tmp_path))
    first = extended(Vocabulary("long"), frame(spark, [1, 2], "long"), state, "run-1")
    extended(first, frame(spark, [3, 4], "long"), state, "run-that-failed")

    third = extended(first, frame(spark, [4, 5], "long"), state, "run-3")

    assert indices(spark, third, state) == {1: 0, 2: 1, 4: 2, 5: 3}


def test_rows_get_their_ids_in_the_pinned_types_with_the_indices(spark: SparkSession) -> None:
    users = spark.createDataFrame([(7, 0, "r"), (-1, 1, "r")], "id bigint, index int, first_seen_run string")
    items = spark.createDataFrame([("007", 0, "r"), ("7", 1, "r")], "id string, index int, first_seen_run string")

    encoded = encode(as_read(spark, [("7", "7", "4"), ("-1", "007", "3"), ("7", "007", "2")]), users, items)

    columns = ("user_id", "item_id", "user_index", "item_index", "rating_text")
    found = sorted(tuple(row) for row in encoded.select(*columns).collect())
    assert found == [(-1, "007", 1, 0, "3"), (7, "007", 0, 0, "2"), (7, "7", 0, 1, "4")]
    assert dict(encoded.dtypes)["user_id"] == "bigint"
    assert dict(encoded.dtypes)["user_index"] == "int"
