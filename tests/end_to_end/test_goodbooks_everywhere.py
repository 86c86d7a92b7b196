"""goodbooks-10k in each kind of source gives one and the same night: text, Parquet, Delta, MariaDB, PostgreSQL."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.databases import USER, Server
from tests.end_to_end.runs import PROJECT, Finished, published, submit

DATA = Path(os.environ.get("RECSYS_TEST_DATA", PROJECT.parent / "shared" / "data")) / "goodbooks-10k-kaggle"
PASSWORD = "RECSYS_TEST_DATABASE"
BOOK = {
    "id": "integer",
    "title": "varchar(300)",
    "authors": "varchar(1000)",
    "original_publication_year": "double precision",
    "language_code": "varchar(20)",
}
SETTINGS = (
    *("--config", str(PROJECT / "conf" / "goodbooks.yaml"), "--set", "output.format=parquet"),
    *("--set", "training.epochs=1", "--set", "evaluation.bootstrap=0", "--set", "evaluation.k=[]"),
)

pytestmark = [pytest.mark.slow, pytest.mark.data]


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    if not DATA.exists():
        pytest.skip(f"goodbooks-10k is not in {DATA}; RECSYS_TEST_DATA names the folder of the public data sets")
    return pd.read_csv(DATA / "ratings.csv.gz")


@pytest.fixture(scope="module")
def books(ratings: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(DATA / "books.csv.gz", usecols=list(BOOK))[list(BOOK)]


@pytest.fixture(scope="module")
def from_text(ratings: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The night of the files as they were released."""
    paths = ("--set", f"source.path={DATA / 'ratings.csv.gz'}", "--set", f"items.path={DATA / 'books.csv.gz'}")
    return night(tmp_path_factory.mktemp("text"), *paths)


def night(folder: Path, *settings: str) -> Finished:
    return published(submit("nightly", *SETTINGS, *settings, cwd=folder, output=folder / "output"))


def assert_same_night(found: Finished, expected: Finished) -> None:
    """Rows read and published, lists, outcomes, model, and what is known of the books."""
    pd.testing.assert_frame_equal(found.rows(), expected.rows())
    assert len(found.rows()) == 10 * 53_424
    assert found.summary["model_id"] == expected.summary["model_id"]
    assert found.summary["counts"] == expected.summary["counts"]
    columns = ["item_id", "item_index", "n_ratings", "title"]
    items = (run.table("items")[columns].sort_values("item_id", ignore_index=True) for run in (found, expected))
    pd.testing.assert_frame_equal(*items)


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_files_of_each_format(
    kind: str, ratings: pd.DataFrame, books: pd.DataFrame, from_text: Finished, tmp_path: Path
) -> None:
    settings = []
    for name, key, table in (("ratings", "source", ratings), ("books", "items", books)):
        path = tmp_path / name
        if kind == "delta":
            write_deltalake(path, pa.Table.from_pandas(table))
        else:
            path.mkdir()
            table.to_parquet(path / "0.parquet")
        settings += ["--set", f"{key}.format={kind}", "--set", f"{key}.path={path}"]

    assert_same_night(night(tmp_path, *settings), from_text)


def test_the_tables_rating_and_book_of_a_database(
    server: Server,
    ratings: pd.DataFrame,
    books: pd.DataFrame,
    from_text: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD, server.password)
    server.execute("CREATE TABLE rating (user_id integer, book_id integer, rating smallint)")
    server.execute(f"CREATE TABLE book ({', '.join(f'{name} {kind}' for name, kind in BOOK.items())})")
    server.insert("rating", ratings[["user_id", "book_id", "rating"]].astype(object).to_numpy().tolist())
    server.insert("book", books.astype(object).where(books.notna(), None).to_numpy().tolist())
    at = {"format": "jdbc", "url": server.url, "user": USER, "password": f"env:{PASSWORD}", "path": None}
    settings = [
        *("--set", f"source={json.dumps({**at, 'table': 'rating', 'jdbc': {'partition_column': 'user_id'}})}"),
        *("--set", f"items={json.dumps({**at, 'table': 'book'})}"),
    ]

    found = night(tmp_path, *settings)
    server.execute("DROP TABLE rating", "DROP TABLE book")

    assert_same_night(found, from_text)
