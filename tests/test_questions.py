"""Questions other than the nightly one, by the real stages on the sample that pyspark ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark import artifact, questions, stages
from recsys_spark.errors import AuditError, DataError
from recsys_spark.job import Job
from recsys_spark.kernels.scorer import PairScorer
from tests.jobs import JobMaker, parquet_jobs

N_USERS, N_ITEMS = 30, 100
SETTINGS = ("training.epochs=2", "split={test_fraction: 0, validation_fraction: 0}")


@pytest.fixture(scope="module")
def job(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobMaker:
    """Makes a job on the sample, after one ingest and one training of it; each call is a new attempt."""
    folder = tmp_path_factory.mktemp("questions")

    make = parquet_jobs(spark, folder, *SETTINGS)
    trained = make()
    stages.ingest(trained)
    stages.train(trained)
    return make


def model(job: Job) -> PairScorer:
    return artifact.load(str(job.run.models / str(job.summary.model_id)))["main"]


def scores_of(job: Job) -> np.ndarray:
    """f32[users, items] by id, which in the sample is the index."""
    pairs = np.indices((N_USERS, N_ITEMS), np.int32).reshape(2, -1)
    return model(job).score(*pairs).reshape(N_USERS, N_ITEMS)


def seen() -> set[tuple[int, int]]:
    import pyspark

    path = Path(pyspark.__file__).parent / "data" / "mllib" / "als" / "sample_movielens_ratings.txt"
    rows = pd.read_csv(path, sep="::", engine="python", header=None)
    return set(zip(rows[0], rows[1], strict=True))


def published(job: Job, table: str) -> pd.DataFrame:
    return pd.read_parquet(Path(job.settings.output.path) / table / "current")


def ranked(job: JobMaker, folder: Path, pairs: list[tuple[int, int]], *overrides: str) -> Job:
    """A job that has ranked some pairs."""
    text = "".join(f"{item};{user}\n" for user, item in pairs)
    (folder / "pairs.csv").write_text("what;who\n" + text)
    table = f"pairs={{path: {folder}/pairs.csv, separator: ';', columns: {{user: who, item: what}}}}"
    asked = job(table, *overrides)
    questions.score_pairs(asked)
    return asked


def test_given_pairs_are_ranked_as_a_brute_force_would_seen_ones_too(job: JobMaker, tmp_path: Path) -> None:
    pairs = [(u, i) for u in range(N_USERS) for i in range(N_ITEMS) if (u + i) % 3]

    asked = ranked(job, tmp_path, pairs + pairs[:7])

    rows, scores = published(asked, "ranked_pairs"), scores_of(asked)
    expected = {
        (u, i): (place, scores[u, i])
        for u in range(N_USERS)
        for place, i in enumerate(sorted((i for w, i in pairs if w == u), key=lambda i: (-scores[u, i], i)), start=1)
    }
    found = zip(rows.user_id, rows.item_id, rows["rank"], rows.score, strict=True)
    assert {(u, i): (rank, np.float32(score)) for u, i, rank, score in found} == expected
    assert len(rows) == len(pairs)
    assert set(rows.reason) == {"model"}
    assert set(rows.model_id) == {asked.summary.model_id}
    assert asked.summary.counts == {
        "pairs_read": len(pairs) + 7,
        "pairs_ranked": len(pairs),
        "rows_published": len(pairs),
    }
    assert list(asked.summary.tables) == ["ranked_pairs"]


def test_pairs_of_which_none_is_known_come_back_with_a_warning(job: JobMaker, tmp_path: Path) -> None:
    asked = ranked(job, tmp_path, [(5000, 1), (1, 5000)])

    rows = published(asked, "ranked_pairs").sort_values("user_id")
    assert list(rows.reason) == ["unknown_item", "unknown_user"]
    assert rows[["rank", "score"]].isna().all(axis=None)
    assert "none of them has a score (unknown_item 1, unknown_user 1)" in asked.run.warnings[0]


def test_a_table_that_cannot_be_read_leaves_the_answer_before_it(job: JobMaker, tmp_path: Path) -> None:
    first = ranked(job, tmp_path, [(1, 1)])
    (tmp_path / "pairs.csv").write_text("what;who\n1;\n")
    second = job(f"pairs={{path: {tmp_path}/pairs.csv, separator: ';', columns: {{user: who, item: what}}}}")

    with pytest.raises(DataError, match="user_missing 1"):
        questions.score_pairs(second)

    assert set(published(second, "ranked_pairs").run_id) == {first.run.run_id}


def best_users(job: Job, n: int, may: Callable[[int, int], bool]) -> dict[int, list[int]]:
    """By item, of the users who may be in its list."""
    scores = scores_of(job)
    return {
        i: sorted((u for u in range(N_USERS) if may(u, i)), key=lambda u: (-scores[u, i], u))[:n]
        for i in range(N_ITEMS)
    }


def lists(job: Job) -> dict[int, list[int]]:
    """The users of each item that has some, best first; their ranks have no gaps."""
    rows = published(job, "top_users").sort_values(["item_id", "rank"])
    by_item = rows.groupby("item_id")
    assert all(list(ranks) == list(range(1, len(ranks) + 1)) for _, ranks in by_item["rank"])
    return {int(item): list(users) for item, users in by_item["user_id"]}


def test_every_item_gets_the_best_users_who_have_not_seen_it(job: JobMaker) -> None:
    asked, left_out = job("scoring.top_users=4"), seen()

    questions.top_users(asked)

    assert lists(asked) == best_users(asked, 4, lambda u, i: (u, i) not in left_out)
    rows, scores = published(asked, "top_users"), scores_of(asked)
    assert (rows.score.to_numpy() == scores[rows.user_id, rows.item_id]).all()
    assert set(rows.reason) == {"model"}
    assert asked.summary.counts["rows_published"] == len(rows) == 4 * N_ITEMS
    assert asked.summary.counts["pairs_scored"] == N_USERS * N_ITEMS
    assert asked.run.warnings == []


def test_what_restricts_the_nightly_lists_restricts_these(job: JobMaker, tmp_path: Path) -> None:
    (tmp_path / "barred.csv").write_text("user_id,item_id\n" + "".join(f"{u},7\n" for u in range(N_USERS) if u != 9))
    asked = job(
        f"scoring.exclude.path={tmp_path}/barred.csv",
        "scoring.exclude_seen=false",
        "scoring.items_allowed=item_id < 10",
        "scoring.users=['3', '9', '12', '5000']",
        "source.where=_c0 >= 0",
    )
    stages.ingest(asked)
    stages.train(asked)

    questions.top_users(asked)

    allowed = best_users(asked, 10, lambda u, i: u in (3, 9, 12) and (i != 7 or u == 9))
    assert lists(asked) == {item: users for item, users in allowed.items() if item < 10}
    assert "only 3 users have a trained vector" in asked.run.warnings[0]


def test_lists_that_forget_who_has_seen_the_item_are_not_published(
    job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, forgetful = job(), job()
    questions.top_users(first)
    everybody = questions.left_out_of_lists
    monkeypatch.setattr(questions, "left_out_of_lists", lambda *a: everybody(*a).where("false"))

    with pytest.raises(AuditError, match="nothing_seen"):
        questions.top_users(forgetful)

    assert set(published(first, "top_users").run_id) == {first.run.run_id}


@pytest.mark.parametrize("question", [questions.score_pairs, questions.top_users])
def test_a_question_before_the_model_is_trained_says_which_job_to_run(
    job: JobMaker, question: Callable[[Job], None]
) -> None:
    with pytest.raises(DataError, match=r"stage train.*none") as raised:
        question(job("training.seed=99"))

    assert "`train`" in raised.value.hint
