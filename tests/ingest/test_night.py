"""The ingest of a night: its books balance, and what it cannot do it says in words."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest import night, quality
from recsys_spark.ingest.encoding import Vocabularies, Vocabulary
from recsys_spark.ingest.night import NightInputs
from recsys_spark.ingest.reconcile import reconcile
from recsys_spark.ingest.settings import (
    IdTypes,
    ItemsSource,
    QualitySettings,
    RatingColumns,
    RatingsSource,
    SplitSettings,
    UsersSource,
)
from recsys_spark.run import Run
from recsys_spark.storage import Folder

HEADER = "user_id,item_id,rating,time\n"
MANY = HEADER + "".join(f"{i},{i * 7919 % 1000},{1 + i % 5},{i}\n" for i in range(20_000))
COLUMNS = RatingColumns(timestamp="time")


def inputs(
    path: Path, *, items: ItemsSource | None = None, rules: dict[str, Any] | None = None, **source: Any
) -> NightInputs:
    return NightInputs(
        RatingsSource(path=str(path), **{"columns": COLUMNS, **source}),
        items or ItemsSource(),
        UsersSource(),
        QualitySettings(**(rules or {})),
        SplitSettings(),
    )


def stored(place: Path, content: str | bytes) -> Path:
    place.parent.mkdir(exist_ok=True, parents=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def cut_short(folder: Path) -> Path:
    whole = gzip.compress(MANY.encode())
    return stored(folder / "ratings.csv.gz", whole[: len(whole) * 3 // 4])


def two_headers(folder: Path) -> Path:
    stored(folder / "a.csv", HEADER + "1,2,3,4\n")
    stored(folder / "b.csv", "item_id,user_id,rating,time\n1,2,3,4\n")
    return folder


def a_column_more(folder: Path) -> Path:
    stored(folder / "a.csv", HEADER + "1,2,3,4\n")
    stored(folder / "b.csv", HEADER.replace("\n", ",more\n") + "1,2,3,4,5\n")
    return folder


def names_only(folder: Path) -> Path:
    return stored(folder / "ratings.csv", HEADER)


def one_word(folder: Path) -> Path:
    return stored(folder / "ratings.csv", HEADER + "1,2,3,4\n1,3,three,4\n")


@pytest.mark.parametrize(
    ("make", "where", "subject", "expected"),
    [
        (cut_short, None, "source.path", "a gzip file that ends where it should"),
        (two_headers, None, "source.path", "the same header in every file"),
        (a_column_more, None, "source.path", "the same header in every file"),
        (names_only, None, "source.path", "at least one rating"),
        (one_word, "rating > 5", "source.where", "a condition that every row can answer"),
        (one_word, "user_id = '2'", "source.path", "at least one rating that source.where keeps"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_source_that_cannot_be_read_or_gives_nothing_is_told_in_words(
    spark: SparkSession, tmp_path: Path, make: Callable[[Path], Path], where: str | None, subject: str, expected: str
) -> None:
    path = make(tmp_path / "source")
    with pytest.raises(DataError) as raised:
        night.check_and_store(spark, inputs(path, where=where), Folder(str(tmp_path / "work")))

    assert raised.value.subject == subject
    assert raised.value.expected == expected
    assert "Exception" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_metadata_that_cannot_be_read_are_told_in_words(spark: SparkSession, tmp_path: Path) -> None:
    ratings = stored(tmp_path / "ratings.csv", HEADER + "1,2,3,4\n")
    whole = gzip.compress("".join(f"{i},title {i * 7919 % 1000}\n" for i in range(20_000)).encode())
    broken = stored(tmp_path / "items.csv.gz", whole[: len(whole) * 3 // 4])

    items = ItemsSource(path=str(broken), header=False, columns={"item": 0, "title": 1})

    with pytest.raises(DataError) as raised:
        night.load_metadata(spark, inputs(ratings, items=items))

    assert raised.value.subject == "items.path"
    assert raised.value.expected == "a gzip file that ends where it should"


def test_without_a_sound_row_the_first_night_names_the_commonest_reasons(spark: SparkSession, tmp_path: Path) -> None:
    path = stored(tmp_path / "ratings.csv", HEADER + "1,2,bad,4\n1,3,bad,4\n,3,4,4\n")
    checked, _ = night.check_and_store(spark, inputs(path), Folder(str(tmp_path / "work")))

    with pytest.raises(DataError) as raised:
        night.pinned_types(checked, IdTypes(), None)

    assert "rating_unparsable: 2, user_missing: 1" in raised.value.found


def test_another_id_type_than_the_pinned_one_is_refused_and_auto_takes_it_over(
    spark: SparkSession, tmp_path: Path
) -> None:
    known = Vocabularies(users=Vocabulary("long"), items=Vocabulary("string"))
    rows = spark.range(0)

    assert night.pinned_types(rows, IdTypes(), known) == known.ids
    assert night.pinned_types(rows, IdTypes(user="long", item="string"), known) == known.ids
    with pytest.raises(ConfigError) as raised:
        night.pinned_types(rows, IdTypes(item="long"), known)
    assert raised.value.subject == "source.id_type.item"


DIRTY = HEADER + "\n".join(
    [
        "30,7,4,100",
        "30,7,5,200",
        "30,8,-1,100",
        "4,7,3,100",
        "4,9,x,100",
        "5,9,2,",
        "5,6,2,1e300",
        "12,99,-1,1",
        "012,7,3,1",
        ",9,3,1",
        "too,few",
        "one,too,many,4,5",
    ]
)
BOOKS = "id,title\n6,Six\n7,Seven\n8,Eight\n10,Ten\n007,Bond\n"


def test_a_night_keeps_its_books_and_leaves_every_table(spark: SparkSession, tmp_path: Path) -> None:
    path, books = stored(tmp_path / "ratings.csv", DIRTY), stored(tmp_path / "books.csv", BOOKS)
    items = ItemsSource(path=str(books), columns={"item": "id", "title": "title"})
    rules = {"drop_ratings": (-1,), "rating_range": (1, 5), "max_quarantined_share": 0.7}
    todo = inputs(path, items=items, rules=rules, where="user_id <> '4' OR item_id <> '7'")
    run, work = Run.start(Folder(str(tmp_path / "out")), date(2024, 1, 1)), Folder(str(tmp_path / "out" / "work"))

    checked, ratings_read = night.check_and_store(spark, todo, work)
    metadata = night.load_metadata(spark, todo)
    # the rows that are sound so far have one id in another form, so the type must be asked for
    ids = night.pinned_types(checked, IdTypes(user="long", item="long"), None)
    classified = night.classify_and_store(spark, checked, ids, todo, metadata, work)
    night.store_quarantine(classified, work)
    vocabularies = night.extend_vocabularies(spark, quality.seen_rows(classified), metadata, ids, run, work)
    night.encode_and_store(spark, classified, vocabularies, todo, run, work)
    counts, reasons = reconcile(spark, work, ratings_read, todo.quality)
    night.describe_and_store(spark, classified, vocabularies, metadata, todo, run, work, others_seen=True)

    assert counts == {"ratings_read": 11, "ratings_accepted": 2, "ratings_quarantined": 9}
    assert reasons == {
        "dropped_value": 2,
        "duplicate": 1,
        "malformed_row": 2,
        "rating_unparsable": 1,
        "timestamp_unparsable": 1,
        "user_id_type": 1,
        "user_missing": 1,
    }
    assert Vocabularies.load(run.state) is None  # saved once the whole ingest is known to be sound
    item_index = {row["id"]: row["index"] for row in vocabularies.items.read(spark, run.state).collect()}
    assert item_index == {6: 0, 7: 1, 8: 2, 9: 3, 10: 4, 99: 5}
    ratings = {(r["user_id"], r["item_id"]): r["rating"] for r in spark.read.parquet(str(work / "ratings")).collect()}
    assert ratings == {(30, 7): 5.0, (5, 9): 2.0}
    seen = {row["user_id"]: row["seen"] for row in spark.read.parquet(str(work / "seen")).collect()}
    assert seen == {4: [3], 5: [0, 3], 12: [5], 30: [1, 2]}
    described = {row["item_id"]: row for row in spark.read.parquet(str(work / "items")).collect()}
    assert {id_: row["title"] for id_, row in described.items()} == {
        6: "Six",
        7: "Seven",
        8: "Eight",
        9: None,
        10: "Ten",
        99: None,
    }
    assert {id_: row["n_ratings"] for id_, row in described.items()} == {6: 0, 7: 1, 8: 0, 9: 1, 10: 0, 99: 0}


@pytest.mark.parametrize(
    ("rules", "ratings_read", "expected"),
    [
        ({"max_quarantined_share": 0.3}, 4, "at most 30.0% of the rows defect"),
        ({"duplicates": "error", "max_quarantined_share": 1}, 4, "one rating for each user and item"),
        ({"max_quarantined_share": 1}, 5, "read = accepted + quarantined"),
    ],
)
def test_the_books_are_refused(
    spark: SparkSession, tmp_path: Path, rules: dict[str, Any], ratings_read: int, expected: str
) -> None:
    work = Folder(str(tmp_path))
    spark.range(1).write.parquet(str(work / "ratings"))
    reasons = "'duplicate', 'rating_missing', 'malformed_row'"
    spark.sql(f"SELECT explode(array({reasons})) AS reason").write.parquet(str(work / "quarantine"))

    with pytest.raises(DataError) as raised:
        reconcile(spark, work, ratings_read, QualitySettings(**rules))

    assert raised.value.expected == expected
