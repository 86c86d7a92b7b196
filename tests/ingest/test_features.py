"""Features come from the stored tables in index order, with gaps where a field says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_spark import config
from recsys_spark.errors import ConfigError, DataError
from recsys_spark.ingest import features
from recsys_spark.ingest.features import Categories, RawFeatures, has_features, read_features
from recsys_spark.ingest.metadata import read_metadata
from recsys_spark.ingest.settings import FeatureColumns, ItemsSource
from recsys_spark.ingest.tables import describe_ids
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder

BASE = Path(__file__).parents[2] / "conf" / "base.yaml"

Fields = dict[str, str | None]


def write(folder: Path, rows: Sequence[Fields | None], *, order: Sequence[int] | None = None, files: int = 1) -> Folder:
    """Row number i has index i, its key `title` as title and the rest as attributes; None: not described at all."""
    order = range(len(rows)) if order is None else order
    folder.mkdir(parents=True, exist_ok=True)
    described = [rows[i] for i in order]
    attributes = [None if row is None else [(k, v) for k, v in row.items() if k != "title"] for row in described]
    table = pa.table(
        {
            "item_index": pa.array(order, pa.int32()),
            "title": pa.array([(row or {}).get("title") for row in described], pa.string()),
            "attributes": pa.array(attributes, pa.map_(pa.string(), pa.string())),
        }
    )
    for number, piece in enumerate(np.array_split(np.arange(len(rows)), files)):
        pq.write_table(table.take(piece), folder / f"part-{number}.parquet")
    return Folder(str(folder))


def read(folder: Folder, **columns: Any) -> RawFeatures:
    return read_features(folder, "item", FeatureColumns(**columns), pq.read_table(str(folder)).num_rows)


def numbers(tmp_path: Path, fields: Sequence[str | None]) -> list[float]:
    return read(write(tmp_path, [{"x": field} for field in fields]), numeric=["x"]).numeric["x"].tolist()


def by_row(categories: Categories) -> list[list[str]]:
    bounds = zip(categories.offsets[:-1], categories.offsets[1:], strict=True)
    return [[categories.names[code] for code in categories.codes[start:end]] for start, end in bounds]


class TestRead:
    ROWS: list[Fields | None] = [
        {"title": "Emma", "year": "1815", "genres": "Novel|Comedy"},
        {"title": "Zadig", "year": None, "genres": "Novel"},
        None,
        {"title": None, "year": "1899.5", "genres": None},
        {"title": "Faust", "genres": "Play|Tragedy|Novel"},
    ]

    @pytest.mark.parametrize("files", [1, 3])
    @pytest.mark.parametrize("order", [range(5), (3, 0, 4, 2, 1)])
    @pytest.mark.parametrize("rows_at_once", [2, 1000])
    def test_rows_stand_in_the_order_of_their_indices_however_they_are_stored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Sequence[int], files: int, rows_at_once: int
    ) -> None:
        monkeypatch.setattr(features, "_ROWS_AT_ONCE", rows_at_once)
        folder = write(tmp_path, self.ROWS, order=order, files=files)

        raw = read(folder, numeric=["year"], categorical=["genres", "title"], separators={"genres": "|"})

        assert raw.n == 5
        np.testing.assert_array_equal(raw.numeric["year"], np.array([1815, np.nan, np.nan, 1899.5, np.nan], "f4"))
        assert raw.numeric["year"].dtype == np.float32
        genres = raw.categories["genres"]
        assert genres.names == ("Comedy", "Novel", "Play", "Tragedy")
        assert (genres.offsets.dtype, genres.codes.dtype) == (np.int64, np.int32)
        assert by_row(genres) == [["Comedy", "Novel"], ["Novel"], [], [], ["Novel", "Play", "Tragedy"]]
        np.testing.assert_array_equal(genres.rows, [0, 0, 1, 4, 4, 4])
        assert by_row(raw.categories["title"]) == [["Emma"], ["Zadig"], [], [], ["Faust"]]

    def test_what_the_ingest_stores_of_a_table_can_be_read(self, spark: SparkSession, tmp_path: Path) -> None:
        (tmp_path / "anime.csv").write_text('id,genre,episodes\n1,"Drama, School",12\n2,,Unknown\n7,Drama,1\n')
        source = ItemsSource(
            path=str(tmp_path / "anime.csv"), columns={"item": "id", "genre": "genre", "episodes": "episodes"}
        )
        vocabulary = spark.createDataFrame(
            [(2, 1, "r"), (7, 0, "r"), (9, 3, "r"), (1, 2, "r")], "id long, index int, first_seen_run string"
        )
        pairs = spark.createDataFrame([(0, 2, 1)], "user_index int, item_index int, accepted int")
        items = describe_ids(vocabulary, pairs, read_metadata(spark, source, "item"), "item", only_described=False)
        items.repartition(2, "item_index").write.parquet(str(tmp_path / "items"))

        raw = read(
            Folder(str(tmp_path / "items")), numeric=["episodes"], categorical=["genre"], separators={"genre": ","}
        )

        np.testing.assert_array_equal(raw.numeric["episodes"], [1, np.nan, 12, np.nan])
        assert by_row(raw.categories["genre"]) == [["Drama"], [], ["Drama", "School"], []]

    def test_a_column_may_be_both_a_number_and_a_category(self, tmp_path: Path) -> None:
        raw = read(write(tmp_path, [{"age": "25"}, {"age": "1"}]), numeric=["age"], categorical=["age"])
        assert raw.numeric["age"].tolist() == [25, 1]
        assert by_row(raw.categories["age"]) == [["25"], ["1"]]


class TestNumbers:
    @pytest.mark.parametrize(
        ("field", "value"),
        [("12", 12), (" 12 ", 12), ("-3.5", -3.5), ("+4", 4), (".5", 0.5), ("5.", 5), ("1.5E3", 1500), ("0012", 12)],
    )
    def test_what_is_a_number(self, tmp_path: Path, field: str, value: float) -> None:
        assert numbers(tmp_path, [field]) == [value]

    @pytest.mark.parametrize(
        "field",
        [
            None,
            "",
            "  ",
            "Unknown",
            "1,234",
            "12 min",
            "$5",
            "1e999",
            "-1e39",
            "inf",
            "nan",
            "1_000",
            "e5",
            ".",
            "٣",
            "1 2",
        ],
    )
    def test_what_is_missing(self, tmp_path: Path, field: str | None) -> None:
        first, second = numbers(tmp_path, [field, "1"])
        assert np.isnan(first)
        assert second == 1

    @pytest.mark.parametrize("field", ["Comedy", "1e999"])
    def test_a_column_without_a_number_is_refused_with_an_example(self, tmp_path: Path, field: str) -> None:
        with pytest.raises(DataError) as raised:
            numbers(tmp_path, [None, "", field, "Drama"])

        assert raised.value.subject == "items.features.numeric, column 'x'"
        assert f"for example '{field}'" in raised.value.found

    def test_a_column_that_says_nothing_at_all_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="found only blank fields") as raised:
            numbers(tmp_path, [None, " "])
        assert "ids of this table" in raised.value.hint


class TestCategories:
    def read(self, tmp_path: Path, fields: Sequence[str | None], **columns: Any) -> Categories:
        rows: list[Fields | None] = [{"g": field} for field in fields]
        return read(write(tmp_path, rows), categorical=["g"], **columns).categories["g"]

    def test_without_a_separator_a_field_is_one_category(self, tmp_path: Path) -> None:
        assert by_row(self.read(tmp_path, ["a, b", " a, b ", "", None])) == [["a, b"], ["a, b"], [], []]

    @pytest.mark.parametrize("separator", [",", ", "])
    def test_pieces_are_trimmed_and_blank_ones_are_nothing(self, tmp_path: Path, separator: str) -> None:
        found = self.read(tmp_path, ["b, a", ", ", ", a, , ", "b"], separators={"g": separator})
        assert by_row(found) == [["a", "b"], [], ["a"], ["b"]]

    def test_a_separator_may_be_a_blank(self, tmp_path: Path) -> None:
        assert by_row(self.read(tmp_path, [" a  b", "b "], separators={"g": " "})) == [["a", "b"], ["b"]]

    def test_a_separator_is_no_pattern(self, tmp_path: Path) -> None:
        assert by_row(self.read(tmp_path, ["a|b.c"], separators={"g": "|"})) == [["a", "b.c"]]
        assert by_row(self.read(tmp_path, ["a|b.c"], separators={"g": "."})) == [["a|b", "c"]]

    def test_a_category_named_twice_in_a_field_is_there_once(self, tmp_path: Path) -> None:
        assert by_row(self.read(tmp_path, ["a|b|a", "b|b"], separators={"g": "|"})) == [["a", "b"], ["b"]]

    def test_a_column_that_says_nothing_at_all_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="column 'g': expected at least one category, found only blank fields"):
            self.read(tmp_path, ["|", None], separators={"g": "|"})


def test_a_row_has_features_if_anything_is_known_of_it(tmp_path: Path) -> None:
    rows: list[Fields | None] = [{"x": "1", "g": "a"}, {"x": "?", "g": ""}, {"x": "2"}, {"x": None, "g": "b"}, None]
    raw = read(write(tmp_path, rows), numeric=["x"], categorical=["g"])
    assert has_features(raw).tolist() == [True, False, True, True, False]


class TestSettings:
    COLUMNS = "items.columns={item: 0, title: 1, year: 2, genres: 3}"

    def problem(self, *overrides: str) -> ConfigError:
        with pytest.raises(ConfigError) as raised:
            config.load(Settings, [BASE], [self.COLUMNS, *overrides])
        return raised.value

    def test_features_are_columns_of_their_section(self) -> None:
        chosen = ["numeric=[year]", "categorical=[genres, title]", "separators={genres: '|'}"]
        settings = config.load(Settings, [BASE], [self.COLUMNS, *(f"items.features.{x}" for x in chosen)])

        assert settings.items.features.names == ("year", "genres", "title")
        assert settings.items.features.separators == {"genres": "|"}

    def test_without_a_path_a_preset_can_be_loaded(self) -> None:
        settings = config.load(Settings, [BASE], [self.COLUMNS, "items.features.numeric=[year]"])
        assert settings.items.path is None

    def test_an_unknown_column_is_refused_with_the_nearest(self) -> None:
        found = self.problem("items.features.categorical=[genre]")
        assert found.subject == "items.features"
        assert "'genre' is not one (did you mean 'genres'?)" in found.expected

    def test_the_id_is_no_feature(self) -> None:
        found = self.problem("items.features.numeric=[item]")
        assert "'item' is not one" in found.expected

    def test_only_categories_have_separators(self) -> None:
        found = self.problem("items.features.numeric=[year]", "items.features.separators={year: ','}")
        assert found.subject == "items.features.separators"
        assert "'year' is not one" in found.expected

    @pytest.mark.parametrize(
        ("override", "key"),
        [
            ("numeric=[year, year]", "numeric"),
            ("scaling=log", "scaling"),
            ("max_categories=0", "max_categories"),
            ("separators={genres: ''}", "separators.genres"),
        ],
    )
    def test_what_else_is_refused(self, override: str, key: str) -> None:
        assert self.problem(f"items.features.{override}").subject == f"items.features.{key}"
