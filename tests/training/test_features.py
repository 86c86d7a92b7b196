"""Encoders learn from the items of the fit alone, and whatever they are shown becomes finite columns."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.errors import DataError
from recsys_spark.ingest.features import Categories, RawFeatures, read_features
from recsys_spark.ingest.settings import FeatureColumns
from recsys_spark.kernels.arrays import F32, Flags
from recsys_spark.storage import Folder
from recsys_spark.training.features import QUANTILES, FeatureEncoder, known_of

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RECSYS_TEST_DATA", PROJECT.parent / "shared" / "data"))

Scaling = Literal["quantile", "standard"]
NAN = float("nan")


def categories_of(rows: Sequence[Sequence[str]]) -> Categories:
    names = tuple(sorted({name for row in rows for name in row}))
    codes = [sorted({names.index(name) for name in row}) for row in rows]
    offsets = np.cumsum([0, *map(len, codes)])
    return Categories(offsets, np.array([code for row in codes for code in row], np.int32), names)


def raw_of(
    numeric: Mapping[str, Sequence[float]] | None = None,
    categorical: Mapping[str, Sequence[Sequence[str]]] | None = None,
    **options: Any,
) -> RawFeatures:
    numeric, categorical = numeric or {}, categorical or {}
    n = len(next(iter([*numeric.values(), *categorical.values()])))
    return RawFeatures(
        n,
        FeatureColumns(numeric=tuple(numeric), categorical=tuple(categorical), **options),
        {name: np.array(values, np.float32) for name, values in numeric.items()},
        {name: categories_of(rows) for name, rows in categorical.items()},
    )


def fit(raw: RawFeatures, present: Sequence[int] | None = None) -> FeatureEncoder:
    chosen = np.zeros(raw.n, np.bool_)
    chosen[list(range(raw.n) if present is None else present)] = True
    return FeatureEncoder.fit(raw, chosen, raw.columns)


def column(encoder: FeatureEncoder, raw: RawFeatures, name: str) -> list[float]:
    values: list[float] = encoder.transform(raw)[:, encoder.names.index(name)].tolist()
    return values


class TestFittedOnThePresentOnly:
    NUMBERS = (1, 2, 4, NAN, 3, 9)
    GENRES = (["a"], ["b"], ["a", "b"], [], ["c"], ["d"])

    @pytest.mark.parametrize("scaling", ["quantile", "standard"])
    def test_what_is_known_of_absent_items_changes_nothing_for_the_others(self, scaling: Scaling) -> None:
        present = [0, 1, 2, 3]
        first = raw_of({"x": self.NUMBERS}, {"g": self.GENRES}, scaling=scaling)
        second = raw_of({"x": (*self.NUMBERS[:4], -1e6, NAN)}, {"g": (*self.GENRES[:4], ["z"], ["b"])}, scaling=scaling)

        one, other = fit(first, present), fit(second, present)

        assert one.names == other.names == ("x", "x_missing", "g=a", "g=b")
        np.testing.assert_array_equal(one.transform(first)[:4], other.transform(second)[:4])
        np.testing.assert_array_equal(one.transform(second), other.transform(second))
        assert one.describe() == other.describe()

    def test_what_is_known_of_present_items_does_change_the_others(self) -> None:
        raw = raw_of({"x": self.NUMBERS})
        assert column(fit(raw, [0, 1, 2]), raw, "x") != column(fit(raw, [0, 1, 5]), raw, "x")

    def test_a_value_missing_only_among_absent_items_has_no_column_of_its_own(self) -> None:
        raw = raw_of({"x": self.NUMBERS})
        assert fit(raw, [0, 1, 2]).names == ("x",)
        assert fit(raw, [0, 1, 3]).names == ("x", "x_missing")

    def test_a_column_of_which_the_fit_knows_nothing_is_left_out(self) -> None:
        raw = raw_of({"x": self.NUMBERS}, {"g": self.GENRES})

        encoder = fit(raw, [3])

        assert encoder.names == ()
        assert encoder.transform(raw).shape == (6, 0)


class TestNumbers:
    def test_quantiles_are_the_share_of_values_below(self) -> None:
        raw = raw_of({"x": [10, 1000, 20, 30, 40]})
        np.testing.assert_allclose(column(fit(raw), raw, "x"), [0, 1, 0.25, 0.5, 0.75], atol=1e-7)

    def test_standard_scaling_has_mean_0_and_deviation_1(self) -> None:
        raw = raw_of({"x": [1, 2, 2, 5]}, scaling="standard")
        np.testing.assert_allclose(column(fit(raw), raw, "x"), np.array([-1.5, -0.5, -0.5, 2.5]) / 1.5, atol=1e-6)

    @pytest.mark.parametrize(("scaling", "middle"), [("quantile", 0.5), ("standard", 0)])
    def test_a_missing_value_takes_the_middle_and_is_flagged(self, scaling: Scaling, middle: float) -> None:
        raw = raw_of({"x": [1, NAN, 3, 9]}, scaling=scaling)
        encoder = fit(raw)
        assert column(encoder, raw, "x")[1] == middle
        assert column(encoder, raw, "x_missing") == [0, 1, 0, 0]

    @pytest.mark.parametrize("scaling", ["quantile", "standard"])
    def test_a_value_beyond_those_of_the_fit_counts_as_the_nearest(self, scaling: Scaling) -> None:
        raw = raw_of({"x": [1, 2, 5, -1e30, 3e38]}, scaling=scaling)
        low, _, high, below, above = column(fit(raw, [0, 1, 2]), raw, "x")
        assert (below, above) == (low, high)

    @pytest.mark.parametrize("scaling", ["quantile", "standard"])
    @pytest.mark.parametrize("known", [[7], [7, 7, 7]])
    def test_a_constant_column_stays_constant(self, scaling: Scaling, known: list[float]) -> None:
        raw = raw_of({"x": [*known, 8]}, scaling=scaling)
        assert set(column(fit(raw, range(len(known))), raw, "x")) == {0}

    def test_more_values_than_quantiles_are_all_used(self) -> None:
        # the default of scikit-learn looks at a random 10,000 of them
        values = np.random.default_rng(1).permutation(20 * QUANTILES)
        raw = raw_of({"x": values})
        np.testing.assert_allclose(column(fit(raw), raw, "x"), values / (len(values) - 1), atol=1e-6)


class TestCategories:
    def test_each_category_of_a_field_has_its_flag(self) -> None:
        raw = raw_of(categorical={"g": [["a", "b"], ["c"], [], ["a"]]})
        encoder = fit(raw)
        assert encoder.names == ("g=a", "g=b", "g=c")
        assert encoder.transform(raw).tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]

    def test_the_most_frequent_ones_have_columns_and_the_rest_share_other(self) -> None:
        raw = raw_of(categorical={"g": [["b", "d"], ["d", "c"], ["a"], ["a", "e"], ["e"]]}, max_categories=2)
        encoder = fit(raw)
        assert encoder.names == ("g=a", "g=d", "g=other")  # a, d and e stand in two rows each
        assert encoder.transform(raw).tolist() == [[0, 1, 1], [0, 1, 1], [1, 0, 0], [1, 0, 1], [0, 0, 1]]
        assert encoder.describe()["columns"][0]["sharing_other"] == 3

    def test_an_unknown_category_counts_as_other_or_as_nothing(self) -> None:
        rows = [["a"], ["a"], ["b"], ["new"]]
        with_other = raw_of(categorical={"g": rows}, max_categories=1)
        without = raw_of(categorical={"g": rows}, max_categories=2)
        assert fit(with_other, [0, 1, 2]).transform(with_other).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
        assert fit(without, [0, 1, 2]).transform(without).tolist() == [[1, 0], [1, 0], [0, 1], [0, 0]]

    @pytest.mark.parametrize(("most", "names"), [(9, ("g=a", "g=b", "g=other")), (2, ("g=a", "g=other"))])
    def test_a_category_called_other_is_the_shared_one(self, most: int, names: tuple[str, ...]) -> None:
        raw = raw_of(categorical={"g": [["other"], ["a"], ["other"], ["b"], ["a"]]}, max_categories=most)
        encoder = fit(raw)
        assert encoder.names == names
        assert column(encoder, raw, "g=other") == [1, 0, 1, 0 if most == 9 else 1, 0]

    def test_another_night_may_have_other_categories_in_another_order(self) -> None:
        tonight = raw_of(categorical={"g": [["b"], ["d"]]})
        tomorrow = raw_of(categorical={"g": [["a"], ["d"], ["b", "c"]]})
        assert fit(tonight).transform(tomorrow).tolist() == [[0, 0], [0, 1], [1, 0]]


def test_numbers_come_first_and_each_column_is_named_in_the_order_of_the_settings() -> None:
    raw = raw_of({"y": [1, NAN], "x": [1, 2]}, {"type": [["TV"], ["Movie"]], "g": [["b"], ["a"]]})
    encoder = fit(raw)
    assert encoder.names == ("y", "y_missing", "x", "type=Movie", "type=TV", "g=a", "g=b")
    assert encoder.transform(raw)[1].tolist() == [0.5, 1, 1, 1, 0, 1, 0]


def test_the_description_is_plain_and_says_what_was_fitted() -> None:
    raw = raw_of({"x": [1, NAN, 3, 100]}, {"g": [["a"], [], ["b"], ["c"]]})

    described = fit(raw, [0, 1, 2]).describe()

    assert json.loads(json.dumps(described)) == {
        "fitted_on": 3,
        "names": ["x", "x_missing", "g=a", "g=b"],
        "columns": [
            {
                "kind": "numeric",
                "name": "x",
                "scaling": "quantile",
                "lowest": 1,
                "highest": 3,
                "known": 2,
                "missing": 1,
            },
            {"kind": "categorical", "name": "g", "categories": ["a", "b"], "sharing_other": 0},
        ],
    }


values = st.floats(width=32, allow_infinity=False)
fields = st.lists(st.sampled_from(["a", "b", "c", "d", "other"]), max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(values, fields, st.booleans()), min_size=1, max_size=12),
    scaling=st.sampled_from(["quantile", "standard"]),
    most=st.integers(1, 4),
)
def test_whatever_the_values_are_columns_are_finite_and_in_their_range(
    rows: list[tuple[float, list[str], bool]], scaling: Scaling, most: int
) -> None:
    raw = raw_of({"x": [row[0] for row in rows]}, {"g": [row[1] for row in rows]}, scaling=scaling, max_categories=most)
    present = np.array([row[2] for row in rows])

    encoder = FeatureEncoder.fit(raw, present, raw.columns)
    encoded = encoder.transform(raw)

    assert encoded.shape == (raw.n, len(encoder.names))
    assert encoded.dtype == np.float32
    assert encoded.flags.c_contiguous
    assert np.isfinite(encoded).all()
    for name, found in zip(encoder.names, encoded.T, strict=True):
        if name == "x":
            # n values lie within sqrt(n - 1) standard deviations of their mean
            limits = (0, 1) if scaling == "quantile" else (-(len(rows) ** 0.5), len(rows) ** 0.5)
            assert limits[0] <= found.min() <= found.max() <= limits[1]
        else:
            assert set(found.tolist()) <= {0, 1}


class TestKnownOf:
    def test_it_is_fitted_on_the_items_of_the_rows_each_once_and_knows_all(self) -> None:
        known = known_of(
            raw_of({"year": [1, 3, 9, 100]}, scaling="standard"), np.array([0, 1, 1, 1], np.int32), 4, "item"
        )

        assert known is not None
        assert known.encoder.fitted_on == 2
        assert known.columns().tolist() == [[-1], [1], [1], [1]]

    def test_without_features_nothing_is_known(self) -> None:
        assert known_of(None, np.array([0], np.int32), 3, "user") is None

    def test_features_of_another_number_of_items_are_refused(self) -> None:
        with pytest.raises(DataError, match="features of items: expected those of 4 items, found 2"):
            known_of(raw_of({"year": [1, 3]}), np.array([0], np.int32), 4, "item")


def stored(folder: Path, side: str, rows: Sequence[Mapping[str, str]]) -> Folder:
    attributes = pa.array([list(row.items()) for row in rows], pa.map_(pa.string(), pa.string()))
    index = pa.array(range(len(rows)), pa.int32())
    title = pa.nulls(len(rows), pa.string())
    pq.write_table(pa.table({f"{side}_index": index, "title": title, "attributes": attributes}), folder / "0.parquet")
    return Folder(str(folder))


def data(name: str) -> Path:
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not in {DATA} (RECSYS_TEST_DATA names the folder of the data sets)")
    return DATA / name


def by_name(encoder: FeatureEncoder, encoded: F32, row: int | np.integer[Any]) -> dict[str, float]:
    return {name: value for name, value in zip(encoder.names, encoded[row].tolist(), strict=True) if value}


@pytest.mark.data
def test_anime_features_fitted_on_two_thirds_of_the_titles(tmp_path: Path) -> None:
    with gzip.open(data("anime/anime.csv.gz"), "rt", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    columns = FeatureColumns(
        numeric=("episodes", "members"), categorical=("type", "genre"), separators={"genre": ","}, max_categories=30
    )
    raw = read_features(stored(tmp_path, "item", rows), "item", columns, len(rows))
    unknown = np.array([row["episodes"] == "Unknown" for row in rows])
    assert unknown.sum() > 300
    np.testing.assert_array_equal(np.isnan(raw.numeric["episodes"]), unknown)
    present: Flags = np.arange(len(rows)) % 3 != 0

    encoder = FeatureEncoder.fit(raw, present, columns)
    encoded = encoder.transform(raw)

    np.testing.assert_array_equal(encoded[:, encoder.names.index("episodes_missing")], unknown)
    members = encoded[:, encoder.names.index("members")]
    assert members[present].mean() == pytest.approx(0.5, abs=0.01)
    assert members[~present].mean() == pytest.approx(0.5, abs=0.02)
    first = by_name(encoder, encoded, 0)  # Kimi no Na wa.: a film
    assert {name for name in first if "=" in name} == {
        "type=Movie", "genre=Drama", "genre=Romance", "genre=School", "genre=Supernatural"
    }  # fmt: skip
    assert encoder.names[-1] == "genre=other"
    assert sum(name.startswith("genre=") for name in encoder.names) == 31


@pytest.mark.data
def test_movielens_1m_users_by_gender_age_and_occupation(tmp_path: Path) -> None:
    lines = data("ml-1m/users.dat").read_text().splitlines()
    rows = [dict(zip(("gender", "age", "occupation"), line.split("::")[1:4], strict=True)) for line in lines]
    columns = FeatureColumns(numeric=("age",), categorical=("gender", "occupation"), scaling="standard")
    raw = read_features(stored(tmp_path, "user", rows), "user", columns, len(rows))

    encoder = FeatureEncoder.fit(raw, np.ones(len(rows), np.bool_), columns)
    encoded = encoder.transform(raw)

    assert encoded.shape == (6040, 1 + 2 + 21)
    np.testing.assert_allclose([encoded[:, 0].mean(), encoded[:, 0].std()], [0, 1], atol=1e-5)
    assert (encoded[:, 1:3].sum(1) == 1).all()
    assert (encoded[:, 3:].sum(1) == 1).all()
    assert by_name(encoder, encoded, 0).keys() == {"age", "gender=F", "occupation=10"}
