"""`./spark-submit.sh similar_items` and `vectors` on the tables of a real night, without its source."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.end_to_end.runs import Finished, submit

SESSION = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=3")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(sample: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Finished]:
    """Both jobs on a copy of the sample's output."""
    folder = tmp_path_factory.mktemp("asked")
    shutil.copytree(sample.output, folder / "output", symlinks=True)
    vectors = submit(*SESSION, "vectors", "--set", "source.path=gone.csv", cwd=folder, output=folder / "output")
    options = ("--set", "source.path=gone.csv", "--set", "similar_items.top_n=5")
    return vectors, submit(*SESSION, "similar_items", *options, cwd=folder, output=folder / "output")


def test_both_jobs_are_done_and_count_what_they_published(asked: tuple[Finished, Finished], sample: Finished) -> None:
    for run in asked:
        assert (run.code, run.summary["status"]) == (0, "done"), run.errors[-3000:]
        assert run.summary["model_id"] == sample.summary["model_id"]
        assert (run.output / "summaries" / f"{run.summary['run_id']}.json").exists()
    assert asked[0].summary["counts"] == {"items_with_vector": 100, "users_with_vector": 30, "rows_published": 130}
    assert asked[1].summary["counts"] == {"items_compared": 100, "items_without_similar": 0, "rows_published": 500}


def test_a_search_in_the_vectors_gives_the_lists(asked: tuple[Finished, Finished]) -> None:
    run = asked[1]
    table, lists = run.table("item_vectors"), run.table("similar_items").sort_values(["target_item_id", "rank"])

    vectors = np.stack(table.vector.to_list()).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)

    place = {item: at for at, item in enumerate(table.item_id)}
    for item, rows in lists.groupby("target_item_id"):
        assert list(rows["rank"]) == [1, 2, 3, 4, 5]
        mine = cosines[place[item]]
        np.testing.assert_allclose(rows.score, np.sort(mine)[::-1][:5], atol=1e-6)
        np.testing.assert_allclose(rows.score, mine[[place[other] for other in rows.item_id]], atol=1e-6)


def test_the_tables_of_the_night_stay_as_they_are(asked: tuple[Finished, Finished], sample: Finished) -> None:
    for name in ("top_n", "runs", "items"):
        before, after = sample.table(name), asked[1].table(name)
        assert before.astype(str).equals(after.astype(str))
