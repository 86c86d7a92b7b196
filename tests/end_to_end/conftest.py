"""One real nightly run on the bundled sample, shared by the tests that look at its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.runs import Finished, published, submit


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`./spark-submit.sh nightly` on two cores, with Delta tables, started in an unrelated folder."""
    folder = tmp_path_factory.mktemp("sample")
    options = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3")
    return published(submit(*options, "nightly", cwd=folder, output=folder / "output"))


@pytest.fixture(scope="session")
def sample_file() -> Path:
    """The ratings that pyspark ships."""
    import pyspark

    return Path(pyspark.__file__).parent / "data" / "mllib" / "als" / "sample_movielens_ratings.txt"
