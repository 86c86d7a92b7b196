"""Every row is accepted or quarantined with the first reason that holds, wherever it stands."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from typing import Literal

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_spark.ingest import quality
from recsys_spark.ingest.settings import QualitySettings
from recsys_spark.schemas import IdName, PinnedIds
from tests.ingest.ratings import SCHEMA, Text, as_read, judged

RULES = QualitySettings(rating_range=(1, 5), drop_ratings=(-1, 0))

REASONS: dict[tuple[Text, ...], Text] = {
    ("ann", "1", "4"): None,
    ("ann", "2", "5"): None,
    ("ann", "3", "1.0"): None,
    ("ann", "4", "+2.5e0"): None,
    ("ann", "5", " 3 "): None,
    ("Zoë", "Les Misérables", "3"): None,
    (" ann", "1", "4"): None,
    ("a", "b", "3", None, "a,b,3,too,many"): "malformed_row",
    (None, None, None, "x", "a"): "malformed_row",
    (None, "1", "4"): "user_missing",
    ("", "1", "4"): "user_missing",
    ("  ", "1", "4"): "user_missing",
    (None, None, "x"): "user_missing",
    ("ann", None, "4"): "item_missing",
    ("ann", " ", "x", "x"): "item_missing",
    ("Zo\ufffd", "1", "4"): "not_decodable",
    ("ann", "\ufffd", "x", "x"): "not_decodable",
    ("ann", "1", None): "rating_missing",
    ("ann", "1", ""): "rating_missing",
    ("ann", "1", " ", "x"): "rating_missing",
    ("ann", "1", "four"): "rating_unparsable",
    ("ann", "1", "4,5"): "rating_unparsable",
    ("ann", "1", "4 5"): "rating_unparsable",
    ("ann", "1", "--4"): "rating_unparsable",
    ("ann", "1", "\u0664"): "rating_unparsable",
    ("ann", "1", "NaN"): "rating_not_finite",
    ("ann", "1", "inf"): "rating_not_finite",
    ("ann", "1", "-Infinity"): "rating_not_finite",
    ("ann", "1", "1e400"): "rating_not_finite",
    ("ann", "1", "-1e39", "x"): "rating_not_finite",
    ("ann", "1", "-1"): "dropped_value",
    ("ann", "1", "-1.0"): "dropped_value",
    ("ann", "1", "-0"): "dropped_value",
    ("ann", "1", "0", "x"): "dropped_value",
    ("ann", "1", "0.999"): "rating_out_of_range",
    ("ann", "1", "5.001"): "rating_out_of_range",
    ("ann", "1", "1e38", "x"): "rating_out_of_range",
    ("ann", "1", "4", "yesterday"): "timestamp_unparsable",
    ("ann", "1", "4", "NaN"): "timestamp_unparsable",
    ("ann", "1", "4", "1e300"): "timestamp_unparsable",
    ("ann", "1", "4", "1700000000000"): "timestamp_unparsable",
    ("ann", "1", "4", "12:30:00"): "timestamp_unparsable",
    ("ann", "1", "4", "now"): "timestamp_unparsable",
    ("ann", "1", "4", "0000-00-00"): "timestamp_unparsable",
    ("ann", "1", "4", "99999-01-01"): "timestamp_unparsable",
    ("ann", "1", "4", "01/02/2024"): "timestamp_unparsable",
}
"""user, item, rating, timestamp, malformed line -> the reason under `RULES`."""

TIMES = {
    "0": datetime(1970, 1, 1),
    "1700000000": datetime(2023, 11, 14, 22, 13, 20),
    "1.7e9": datetime(2023, 11, 14, 22, 13, 20),
    "1700000000.25": datetime(2023, 11, 14, 22, 13, 20, 250000),
    "-86400": datetime(1969, 12, 31),
    "2023-11-14": datetime(2023, 11, 14),
    "2023-11-14 22:13:20": datetime(2023, 11, 14, 22, 13, 20),
    "2023-11-14T22:13:20.25Z": datetime(2023, 11, 14, 22, 13, 20, 250000),
    "2023-11-14T22:13:20+02:00": datetime(2023, 11, 14, 20, 13, 20),
}
"""Seconds since 1970 or ISO 8601 -> the time in UTC."""

PLAIN = {"7", "0", "-7", str(2**63 - 1), str(-(2**63))}
NOT_PLAIN = {"007", " 7", "7 ", "7\n", "+5", "-0", "1.0", "1e3", str(2**63), "\u0667", "0x7", "7a", "ann"}


@pytest.fixture(scope="module")
def found_reasons(spark: SparkSession) -> list[Text]:
    """The reasons of `REASONS`, found in one go."""
    rows = quality.check_rows(as_read(spark, REASONS).coalesce(1), RULES).collect()
    assert [row["user"] for row in rows] == [key[0] for key in REASONS]
    return [row["reason"] for row in rows]


@pytest.mark.parametrize(("place", "row"), list(enumerate(REASONS)), ids=lambda value: repr(value)[:60])
def test_a_row_gets_the_first_reason_that_holds(found_reasons: list[Text], place: int, row: tuple[Text, ...]) -> None:
    assert found_reasons[place] == REASONS[row]


def test_every_reason_that_a_row_alone_can_have_is_among_the_examples() -> None:
    of_tables = {"duplicate", *(reason for reason in quality.POLICIES if reason.startswith(("user_", "item_")))}
    of_types = {"user_id_type", "item_id_type"}
    of_lists, of_events = {quality.FORGOTTEN}, {"event_unknown"}
    of_others = of_tables | of_types | of_lists | of_events
    assert set(REASONS.values()) - {None} == {*quality.DEFECTS, *quality.POLICIES} - of_others


def test_without_ratings_every_row_that_names_a_user_and_an_item_counts_1(spark: SparkSession) -> None:
    rows = as_read(spark, [("ann", "1"), ("ann", None), ("bob", "2", None, "never"), ("bob", "2", "not read")])
    found = quality.check_rows(rows.coalesce(1), QualitySettings(), quality.Implicit()).collect()
    reasons = [(row["rating"], row["reason"]) for row in found]
    assert reasons == [(1, None), (1, "item_missing"), (1, "timestamp_unparsable"), (1, None)]


def test_an_event_counts_what_its_kind_weighs_and_a_kind_without_a_weight_is_a_defect(spark: SparkSession) -> None:
    kinds = ["view", "buy", "gaze", None, " view"]
    rows = spark.createDataFrame([("ann", "1", None, None, None, "f", k) for k in kinds], f"{SCHEMA}, event string")
    weights = quality.Implicit({"view": 0.5, "buy": 3})
    found = quality.check_rows(rows.coalesce(1), QualitySettings(), weights).collect()
    assert [(row["rating"], row["reason"]) for row in found] == [
        (0.5, None),
        (3, None),
        *[(None, "event_unknown")] * 3,
    ]


def test_without_a_range_any_finite_rating_is_accepted(spark: SparkSession) -> None:
    ratings = ["-1", "0", "1e38", "-1e38", "1e39", "NaN"]
    rows = quality.check_rows(as_read(spark, [("ann", "1", r) for r in ratings]), QualitySettings()).collect()

    assert {row["rating_text"]: row["reason"] for row in rows} == {
        **dict.fromkeys(ratings, None),
        "1e39": "rating_not_finite",
        "NaN": "rating_not_finite",
    }


def test_times_are_seconds_since_1970_or_iso_8601_and_may_be_missing(spark: SparkSession) -> None:
    texts = [*TIMES, None, "", " "]
    checked = quality.check_rows(as_read(spark, [("ann", "1", "4", text) for text in texts]), RULES)
    rows = checked.select("timestamp_text", "reason", F.date_format("timestamp", "yyyy-MM-dd HH:mm:ss.SSS")).collect()

    assert {row[0]: row[2] for row in rows if row[2]} == {
        text: f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}" for text, time in TIMES.items()
    }
    assert {row["reason"] for row in rows} == {None}


@pytest.mark.parametrize(("kept", "pinned"), [(PLAIN, "long"), (NOT_PLAIN, "string")])
def test_ids_are_plain_integers_or_text(spark: SparkSession, kept: set[str], pinned: IdName) -> None:
    rows = spark.createDataFrame([(text,) for text in PLAIN | NOT_PLAIN | {"", " "}], "id string")

    assert {r["id"] for r in rows.where(quality.is_id("id", "long")).collect()} == PLAIN
    assert {r["id"] for r in rows.where(quality.is_id("id", "string")).collect()} == PLAIN | NOT_PLAIN
    assert {r["id"] for r in rows.where(quality.is_id("id", pinned)).collect()} >= kept


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"),
    [
        pytest.param([("7", "8", "4"), ("9", "1", "4")], "auto", ("long", "long"), id="all plain integers"),
        pytest.param([("7", "8", "4"), ("007", "1", "4")], "auto", ("string", "long"), id="one user that is none"),
        pytest.param([("7", "8", "4"), ("9", "x", "bad")], "auto", ("long", "long"), id="rows that are not sound"),
        pytest.param([("7", str(2**63), "4")], "auto", ("long", "string"), id="beyond 64 bits"),
        pytest.param([("7", "8", "4")], "string", ("string", "string"), id="as wanted: text"),
        pytest.param([("ann", "8", "4")], "long", ("long", "long"), id="as wanted: integers"),
    ],
)
def test_id_types_are_pinned_by_the_sound_rows_or_as_wanted(
    spark: SparkSession, rows: list[tuple[str, ...]], wanted: str, expected: tuple[IdName, IdName]
) -> None:
    checked = quality.check_rows(as_read(spark, rows), RULES)

    assert quality.pin_id_types(checked, {"user": wanted, "item": wanted}) == PinnedIds(*expected)


def test_without_a_sound_row_nothing_is_pinned(spark: SparkSession) -> None:
    checked = quality.check_rows(as_read(spark, [("7", "8", "bad"), (None, "8", "4")]), RULES)

    assert quality.pin_id_types(checked, {"user": "auto", "item": "auto"}) is None


def test_an_id_of_another_type_than_the_pinned_one_is_a_defect_whatever_else_is_wrong(spark: SparkSession) -> None:
    rows = {
        ("7", "8", "4"): None,
        ("007", "8", "4"): "user_id_type",
        ("7", "8.0", "4"): "item_id_type",
        ("ann", "book", "4"): "user_id_type",
        ("7", "book", "-1"): "item_id_type",
        ("7", "book", "bad"): "item_id_type",
        ("7", "8", "-1"): "dropped_value",
        ("ann", None, "4"): "item_missing",
        (None, "book", "4"): "user_missing",
        ("ann", "book", "4", None, "the line"): "malformed_row",
    }
    checked = quality.check_rows(as_read(spark, rows).coalesce(1), RULES)

    found = quality.check_id_types(checked, PinnedIds(user="long", item="long")).collect()
    assert [row["reason"] for row in found] == list(rows.values())
    found = quality.check_id_types(checked, PinnedIds(user="string", item="string")).collect()
    assert not {row["reason"] for row in found} & {"user_id_type", "item_id_type"}


PAIRS = {
    "times differ": [("3", "100"), ("5", "300"), ("1", "200")],
    "equal times": [("2", "100"), ("4", "100"), ("3", "100")],
    "some without a time": [("5", None), ("2", "100"), ("3", "50"), ("1", "")],
    "none has a time": [("2", None), ("4", None), ("3", None)],
    "one of them is dropped": [("2", "100"), ("-1", "900")],
    "one of them is a defect": [("2", "100"), ("9", "900"), ("x", "900")],
    "the same row twice": [("3", "100"), ("3", "100")],
}
"""Several rows of the same item: rating, time."""

SUMS: dict[str, float] = {
    "times differ": 9,
    "equal times": 9,
    "some without a time": 11,
    "none has a time": 9,
    "the same row twice": 6,
}
"""Of the sound ones."""


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("latest", {"times differ": 5, "equal times": 4, "some without a time": 2, "none has a time": 4}),
        ("first", {"times differ": 3, "equal times": 2, "some without a time": 3, "none has a time": 2}),
        ("mean", {"times differ": 3, "equal times": 3, "some without a time": 11 / 4, "none has a time": 3}),
        ("sum", SUMS),
        ("error", {"times differ": 5, "equal times": 4, "some without a time": 2, "none has a time": 4}),
    ],
)
def test_of_several_ratings_one_is_kept(
    spark: SparkSession, policy: Literal["latest", "mean", "sum", "first", "error"], kept: dict[str, float]
) -> None:
    rows = [("ann", item, rating, time) for item, ratings in PAIRS.items() for rating, time in ratings]

    found = judged(as_read(spark, rows), RULES.model_copy(update={"duplicates": policy})).collect()

    expected = {"one of them is dropped": 2, "one of them is a defect": 2, "the same row twice": 3, **kept}
    accepted = [(row["item"], row["rating"]) for row in found if row["reason"] is None]
    assert sorted(accepted) == sorted(expected.items())
    assert sorted(row["item"] for row in found) == sorted(row[1] for row in rows)
    others = {item: len(ratings) - 1 for item, ratings in PAIRS.items() if "one of them" not in item}
    refused = [row["item"] for row in found if row["reason"] == "duplicate"]
    assert {item: refused.count(item) for item in refused} == others


def test_the_mean_stands_under_the_newest_time(spark: SparkSession) -> None:
    rows = [("ann", "1", "1", "100"), ("ann", "1", "4", "300"), ("ann", "1", "4", None)]
    found = judged(as_read(spark, rows), RULES.model_copy(update={"duplicates": "mean"}))

    kept = found.where("reason IS NULL").select("rating", F.unix_timestamp("timestamp")).collect()
    assert [tuple(row) for row in kept] == [(3.0, 300)]


def test_the_mean_is_the_same_to_the_last_bit_whatever_the_order(spark: SparkSession) -> None:
    ratings = ("1.1", "1.2", "1.3")  # in other orders their sum ends in other bits
    orders = list(itertools.permutations(ratings))
    rows = [("ann", str(i), rating, str(t)) for i, order in enumerate(orders) for t, rating in enumerate(order)]

    found = judged(as_read(spark, rows), RULES.model_copy(update={"duplicates": "mean"}))

    kept = [row["rating"] for row in found.where("reason IS NULL").collect()]
    assert kept == [(1.1 + 1.2 + 1.3) / 3] * len(orders)


def test_users_and_items_below_the_minimum_are_left_out_items_first(spark: SparkSession) -> None:
    pairs = ["ann 1", "ann 2", "bob 1", "bob 2", "cid 1", "cid 3", "dan 1"]
    rules = RULES.model_copy(update={"min_ratings_per_item": 2, "min_ratings_per_user": 2})
    rows = [(*pair.split(), "4") for pair in pairs] + [("cid", "3", "-1"), ("dan", "2", "x"), ("ann", "3", "9")]

    found = judged(as_read(spark, rows), rules).where("rating_text = '4'").collect()

    assert {f"{row['user']} {row['item']}": row["reason"] for row in found} == {
        **dict.fromkeys(pairs[:4], None),
        "cid 3": "item_below_minimum",
        "cid 1": "user_below_minimum",  # nothing but item 1 is left of cid
        "dan 1": "user_below_minimum",
    }


@pytest.fixture(scope="module")
def filtered(spark: SparkSession) -> DataFrame:
    checked = quality.check_rows(as_read(spark, [("ann", "1", "4"), ("ann", "2", "4"), ("bob", "1", "x")]), RULES)
    return quality.keep_only(checked, "item", spark.createDataFrame([("2",), ("3",)], "id string"))


def test_what_a_metadata_filter_leaves_out_is_a_policy_and_defects_stay_what_they_are(filtered: DataFrame) -> None:
    rows = {(row["user"], row["item"]): row["reason"] for row in filtered.collect()}

    assert rows == {("ann", "1"): "item_filtered", ("ann", "2"): None, ("bob", "1"): "rating_unparsable"}
    assert set(filtered.columns) >= {"user", "item", "rating", "timestamp", "reason", "_malformed", "_origin"}


def test_seen_is_every_row_that_names_a_user_and_an_item(spark: SparkSession) -> None:
    checked = quality.check_rows(as_read(spark, REASONS), RULES)

    seen = {row["reason"] for row in quality.seen_rows(checked).collect()}
    assert seen == set(REASONS.values()) - set(quality.NOT_SEEN)
    assert {None, "dropped_value", "rating_missing", "rating_out_of_range", "timestamp_unparsable"} <= seen


def test_a_quarantined_row_shows_its_line_or_its_fields_with_reason_class_and_file(spark: SparkSession) -> None:
    rows = [("ann", "1", "4", "100"), ("ann", "1", "-1", "200"), ("ann", None, "4"), (None, None, None, None, "a,b")]
    checked = quality.check_rows(as_read(spark, rows), RULES)

    found = {row["reason"]: row for row in quality.quarantined_rows(checked).collect()}

    assert {reason: row["class"] for reason, row in found.items()} == {
        "dropped_value": "policy",
        "item_missing": "defect",
        "malformed_row": "defect",
    }
    assert found["malformed_row"]["raw"] == "a,b"
    assert json.loads(found["dropped_value"]["raw"]) == {
        "user": "ann",
        "item": "1",
        "rating": "-1",
        "timestamp": "200",
    }
    assert {row["origin"] for row in found.values()} == {"file:/ratings.csv"}
    assert all(row["raw"] for row in found.values())


def test_a_quarantined_row_shows_its_event_where_the_source_has_events(spark: SparkSession) -> None:
    rows = as_read(spark, [("ann", "1", "-1")]).withColumn("event", F.lit("view"))

    (found,) = quality.quarantined_rows(quality.check_rows(rows, RULES)).collect()

    assert json.loads(found["raw"]) == {"user": "ann", "item": "1", "rating": "-1", "event": "view"}


def test_every_reason_is_a_defect_or_a_policy_and_not_both() -> None:
    assert not quality.DEFECTS.keys() & quality.POLICIES.keys()
    assert set(quality.NOT_SEEN) - {quality.FORGOTTEN} < quality.DEFECTS.keys()
