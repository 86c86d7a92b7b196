"""Features are read for a model that uses them and for no other, and say who can be scored without a rating."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys_spark.errors import DataError
from recsys_spark.ingest.encoding import Addition, Vocabularies, Vocabulary
from recsys_spark.ingest.ingested import Ingested
from recsys_spark.known_features import KnownFeatures
from recsys_spark.models.settings import PosteriorMfSettings
from recsys_spark.settings import Settings
from recsys_spark.storage import Folder
from recsys_spark.training.rows import TrainingRows
from tests.ingest.test_features import Fields, write
from tests.jobs import settings_of
from tests.training.test_features import raw_of

ITEMS: list[Fields | None] = [
    {"title": "Emma", "year": "1815", "kind": "Novel"},
    {"title": "Faust", "year": "1808", "kind": "Play"},
    {"title": "Unknown"},
    None,
    {"title": "Zadig", "year": None, "kind": "Novel"},
    {"title": "Candide", "year": "1759", "kind": " "},
]
N_USERS, N_ITEMS = 4, len(ITEMS)
ROWS = TrainingRows(
    np.array([0, 1, 2], np.int32), np.array([0, 5, 5], np.int32), np.ones(3, np.float32), np.zeros(3, np.uint8)
)
"""Emma and Candide are rated."""

COLUMNS = "items.columns={item: id, title: title, year: year, kind: kind}"
FEATURES = "items.features={numeric: [year], categorical: [kind], scaling: standard}"


def settings(*overrides: str) -> Settings:
    return settings_of(*overrides)


def ingested(folder: Path) -> Ingested:
    sizes = (Vocabulary("long", (Addition("run-1", count, ""),)) for count in (N_USERS, N_ITEMS))
    return Ingested(Folder(str(folder)), None, Vocabularies(*sizes), {}, {})


@pytest.fixture
def stored(tmp_path: Path) -> Ingested:
    """An ingest of which only the items' table is there."""
    write(tmp_path / "items", ITEMS)
    return ingested(tmp_path)


@pytest.fixture
def known(stored: Ingested) -> KnownFeatures:
    return KnownFeatures.of(settings(COLUMNS, FEATURES), stored)


def test_who_has_a_number_or_a_category_is_usable_without_a_rating(known: KnownFeatures) -> None:
    assert known.usable("item").tolist() == [True, True, False, False, True, True]


def test_a_side_of_which_nothing_is_known_has_no_one_usable(known: KnownFeatures) -> None:
    assert known.users is None
    assert known.usable("user").tolist() == [False] * N_USERS


def test_numbers_are_scaled_by_the_items_of_the_rows_alone_and_given_to_all(known: KnownFeatures) -> None:
    sides = known.sides(ROWS)
    assert (sides.n_users, sides.n_items, sides.user_features.shape) == (N_USERS, N_ITEMS, (N_USERS, 0))
    # 1815 and 1759: mean 1787, deviation 28; Faust of 1808 lies between them
    years = sides.item_features[:, 0]
    assert years[[0, 5, 1]].tolist() == pytest.approx([1, -1, 0.75])


def test_users_and_items_are_each_known_by_their_own_rows(known: KnownFeatures) -> None:
    genders = raw_of(categorical={"gender": [["F"], ["M"], ["F"], ["X"]]})
    both = replace(known, users=genders)

    sides = both.sides(ROWS)

    assert sides.user_features.tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert sides.item_features.shape == known.sides(ROWS).item_features.shape
    assert both.description(ROWS)["user"]["names"] == ["gender=F", "gender=M"]


def test_the_description_tells_what_the_columns_of_a_fit_are(known: KnownFeatures) -> None:
    description = known.description(ROWS)
    assert set(description) == {"item"}
    assert {"year", "kind"} <= set(str(description["item"]).replace("'", " ").split())


def test_a_model_that_uses_no_features_reads_none(tmp_path: Path) -> None:
    declared = settings(COLUMNS, FEATURES).model_copy(update={"model": PosteriorMfSettings()})
    with pytest.raises(DataError, match="only blank fields"):
        KnownFeatures.of(settings(COLUMNS, FEATURES), ingested(tmp_path / "nothing"))

    known = KnownFeatures.of(declared, ingested(tmp_path / "nothing"))

    assert (known.users, known.items) == (None, None)
    assert not known.usable("item").any()
    assert known.sides(ROWS).features("item").shape == (N_ITEMS, 0)


def test_features_that_no_setting_names_are_not_read(tmp_path: Path) -> None:
    known = KnownFeatures.of(settings(COLUMNS), ingested(tmp_path / "nothing"))

    assert (known.n_users, known.n_items, known.items) == (N_USERS, N_ITEMS, None)
    assert known.description(ROWS) == {}
