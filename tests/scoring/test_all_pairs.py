"""All pairs on Spark: the rows of a brute force, whatever the partitioning, and no TensorFlow in any worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark import SparkFiles
from pyspark.sql import DataFrame, SparkSession

from recsys_spark.evaluation.baselines import fit_baselines
from recsys_spark.kernels.cpu import byte_lanes
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.kernels.top_n import Kernel
from recsys_spark.publishing.rows import top_n_rows
from recsys_spark.run import Run
from recsys_spark.schemas import PinnedIds
from recsys_spark.scoring import shipping
from recsys_spark.scoring.all_pairs import ScoringPlan, score_all_pairs
from recsys_spark.scoring.pairs import score_pairs
from recsys_spark.scoring.shipping import Tally
from recsys_spark.scoring.staging import stage_lists
from recsys_spark.scoring.uncertainty import Samples
from recsys_spark.scoring.work import work_of
from recsys_spark.storage import Folder

N_USERS, N_ITEMS, TOP_N = 40, 25, 5
RNG = np.random.default_rng(7)
COLD_USER, FULL_USER, OVERFLOWING_USER = 3, 4, 5
NO_CANDIDATE = 11
SEEN = {u: sorted(RNG.choice(N_ITEMS, size=RNG.integers(0, 12), replace=False).tolist()) for u in range(N_USERS)}
SEEN[FULL_USER] = list(range(N_ITEMS))
IDS = PinnedIds(user="string", item="string")


def table(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


DOT = PairScorer(table(N_USERS, 6), table(N_ITEMS, 6), table(N_USERS), table(N_ITEMS), scale=1.5, offset=3.0)
DEEP = PairScorer(
    table(N_USERS, 4),
    table(N_ITEMS, 3),
    layers=(DenseLayer(table(7, 8), table(8), "relu"), DenseLayer(table(8, 1), table(1), "linear")),
)


def plan(scorer: PairScorer, **changes: object) -> ScoringPlan:
    trained = np.arange(N_USERS) != COLD_USER
    items = np.repeat(np.arange(N_ITEMS, dtype=np.int32), np.arange(N_ITEMS))
    fallback = fit_baselines(
        np.zeros(len(items), np.int32),
        items,
        np.ones(len(items), np.float32),
        n_users=N_USERS,
        n_items=N_ITEMS,
        damping=0,
    )["popularity"]
    values: dict[str, object] = {
        "scorer": scorer,
        "fallback": fallback,
        "has_vector": trained,
        "candidates": np.array([i for i in range(N_ITEMS) if i != NO_CANDIDATE], np.int32),
        "item_ids": pa.array([f"item-{i}" for i in range(N_ITEMS)]),
        "top_n": TOP_N,
    }
    return ScoringPlan(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def users(spark: SparkSession) -> DataFrame:
    rows = [(f"user-{u}", u, seen) for u, seen in SEEN.items()]
    return spark.createDataFrame(rows, "user_id string, user_index int, seen array<int>")


def lists(users: DataFrame, plan: ScoringPlan) -> dict[int, tuple[str, str, list[int], list[float]]]:
    rows = score_all_pairs(users, plan, IDS).collect()
    assert all([f"item-{i}" for i in r["item_indices"]] == r["item_ids"] for r in rows)
    assert all(r["user_id"] == f"user-{r['user_index']}" for r in rows)
    return {r["user_index"]: (r["outcome"], r["reason"], r["item_indices"], r["scores"]) for r in rows}


def brute_force(scorer: PairScorer, user: int, *, exclude_seen: bool = True) -> tuple[list[int], list[float]]:
    scores = scorer.score(np.full(N_ITEMS, user, np.int32), np.arange(N_ITEMS, dtype=np.int32))
    allowed = [i for i in range(N_ITEMS) if i != NO_CANDIDATE and not (exclude_seen and i in SEEN[user])]
    best = sorted(allowed, key=lambda i: (-scores[i], i))[:TOP_N]
    return best, [float(scores[i]) for i in best]


@pytest.mark.parametrize("scorer", [DOT, DEEP], ids=["dot", "deep"])
def test_each_list_is_that_of_a_brute_force_to_the_bit(users: DataFrame, scorer: PairScorer) -> None:
    found = lists(users, plan(scorer))

    assert len(found) == N_USERS
    for user in set(range(N_USERS)) - {COLD_USER, FULL_USER}:
        assert found[user] == ("ok", "model", *brute_force(scorer, user))


@pytest.mark.parametrize("scorer", [DOT, DEEP], ids=["dot", "deep"])
@pytest.mark.parametrize("kernel", ["plain", "screen"])
def test_vectors_in_a_mapped_file_change_no_row(
    users: DataFrame, scorer: PairScorer, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lists(users, plan(scorer, kernel=kernel, samples=SAMPLES))
    before = len(list(Path(SparkFiles.getRootDirectory()).iterdir()))

    monkeypatch.setattr(shipping, "LEAST_IN_A_FILE", 1)

    assert lists(users, plan(scorer, kernel=kernel, samples=SAMPLES)) == expected
    assert len(list(Path(SparkFiles.getRootDirectory()).iterdir())) == before + 1


def test_the_tally_is_that_of_the_lists(spark: SparkSession, users: DataFrame) -> None:
    tally = Tally.start(spark)

    rows = score_all_pairs(users, plan(DOT, kernel="screen"), IDS, tally=tally).collect()

    assert (tally.users.value, tally.decided.value) == (N_USERS, N_USERS * (N_ITEMS - 1))
    assert tally.scored.value == sum(row["pairs_scored"] for row in rows)


def test_little_work_is_staged_by_one_task_in_silence(users: DataFrame, tmp_path: Path) -> None:
    for block in range(4):
        some = users.where(f"user_index % 4 = {block}").coalesce(1)
        some.write.mode("append").parquet(str(tmp_path / "seen"))
    stored, said = users.sparkSession.read.parquet(str(tmp_path / "seen")), list[str]()

    target = Folder(str(tmp_path / "lists"))
    work = stage_lists(stored, plan(DOT), IDS, target, n_users=N_USERS, blocks=4, say=said.append)

    # so little work that it is one task's, which ends before there is anything to say
    assert (work.users, len(target.parquet_files()), said) == (N_USERS, 1, [])
    staged = users.sparkSession.read.parquet(str(target)).collect()
    assert {row["user_index"]: row["item_indices"] for row in staged} == {
        user: row[2] for user, row in lists(users, plan(DOT)).items()
    }


def test_partitions_and_order_change_no_row(users: DataFrame) -> None:
    expected = lists(users, plan(DOT))

    for partitions in (1, 3, 7):
        assert lists(users.repartition(partitions, "user_id"), plan(DOT)) == expected


def test_a_user_without_a_vector_gets_the_unseen_items_of_the_fallback(users: DataFrame) -> None:
    outcome, reason, items, _ = lists(users, plan(DOT))[COLD_USER]

    most_popular_first = [i for i in reversed(range(N_ITEMS)) if i != NO_CANDIDATE and i not in SEEN[COLD_USER]]
    assert (outcome, reason, items) == ("cold_fallback", "no_trained_vector", most_popular_first[:TOP_N])


def test_a_user_who_has_seen_everything_is_ok_with_nothing_left(users: DataFrame) -> None:
    assert lists(users, plan(DOT))[FULL_USER] == ("ok", "nothing_left", [], [])


@pytest.mark.parametrize("kernel", ["plain", "screen"])
def test_each_row_tells_how_it_was_made_which_changes_nothing_else(
    users: DataFrame, kernel: Kernel, tmp_path: Path
) -> None:
    assert lists(users, plan(DOT, kernel=kernel)) == lists(users, plan(DOT))

    score_all_pairs(users, plan(DOT, kernel=kernel), IDS).write.parquet(str(tmp_path / "lists"))
    work = work_of(Folder(str(tmp_path / "lists")))
    assert work.users == N_USERS
    if kernel == "screen" and byte_lanes():
        # the cold user's list is that of popularity, which has no columns
        assert work.users_by_kernel == {"screen": N_USERS - 1, "plain": 1}
        assert work.kernels == f"plain 1, screen {N_USERS - 1}"
        assert N_ITEMS - 1 < work.scored < N_USERS * (N_ITEMS - 1)
    else:
        assert work.users_by_kernel == {"plain": N_USERS}
        # unless every pair is asked for, popularity's order is walked down for the cold user until the list is full
        all_pairs, of_one_user = N_USERS * (N_ITEMS - 1), N_ITEMS - 1
        if kernel == "plain":
            assert work.scored == all_pairs
        else:
            assert all_pairs - of_one_user < work.scored < all_pairs


def test_a_user_whose_scores_overflow_is_an_error_and_no_one_else_is(users: DataFrame) -> None:
    vectors = DOT.user.copy()
    vectors[OVERFLOWING_USER] = 3e38
    found = lists(users, plan(PairScorer(vectors, DOT.item * np.float32(100))))

    assert found[OVERFLOWING_USER] == ("error", "score_not_finite", [], [])
    assert [u for u, row in found.items() if row[0] == "error"] == [OVERFLOWING_USER]


def test_seen_items_may_be_kept(users: DataFrame) -> None:
    found = lists(users, plan(DOT, exclude_seen=False))

    assert found[FULL_USER] == ("ok", "model", *brute_force(DOT, FULL_USER, exclude_seen=False))


def test_lists_are_as_long_as_there_are_candidates(users: DataFrame) -> None:
    found = lists(users, plan(DOT, top_n=1000))

    assert {u: len(row[2]) for u, row in found.items()} == {
        u: N_ITEMS - len(set(SEEN[u]) | {NO_CANDIDATE}) for u in range(N_USERS)
    }


def test_without_candidates_every_list_is_empty(users: DataFrame) -> None:
    found = lists(users, plan(DOT, candidates=np.array([], np.int32)))

    assert {row[:3] if isinstance(row[2], tuple) else (row[0], row[1], len(row[2])) for row in found.values()} == {
        ("ok", "nothing_left", 0)
    }


def test_published_scores_are_clipped_and_the_order_is_not(users: DataFrame) -> None:
    clipped = PairScorer(DOT.user, DOT.item, DOT.user_bias, DOT.item_bias, scale=1.5, offset=3.0, clip=(2.5, 3.5))

    plain, bounded = lists(users, plan(DOT)), lists(users, plan(clipped))

    assert {u: row[2] for u, row in plain.items()} == {u: row[2] for u, row in bounded.items()}
    assert all(2.5 <= s <= 3.5 for u, row in bounded.items() if u != COLD_USER for s in row[3])


SAMPLES = Samples(PairScorer(table(N_USERS, 12), table(N_ITEMS, 12), scale=0.5), count=4)
"""Four samples of three columns each, whose own scores have the scale 2."""


def test_each_score_has_the_standard_deviation_of_the_samples_scores(users: DataFrame) -> None:
    rows = score_all_pairs(users, plan(DOT, samples=SAMPLES), IDS).collect()

    of_model = [row for row in rows if row["reason"] == "model"]
    assert len(of_model) == N_USERS - 2
    for row in of_model:
        products = SAMPLES.scorer.user[row["user_index"]] * SAMPLES.scorer.item[row["item_indices"]]
        of_samples = 2 * products.reshape(-1, 4, 3).sum(axis=2)
        np.testing.assert_allclose(row["score_stds"], of_samples.std(axis=1, ddof=1), rtol=1e-4)
    assert len({len(row["item_indices"]) for row in of_model}) == 1
    assert {row["user_index"]: row["scores"] for row in rows} == {
        user: found[3] for user, found in lists(users, plan(DOT)).items()
    }


def test_scores_of_the_fallback_and_those_of_a_model_without_samples_have_none(users: DataFrame) -> None:
    (cold,) = score_all_pairs(users.where(f"user_index = {COLD_USER}"), plan(DOT, samples=SAMPLES), IDS).collect()
    (plain,) = score_all_pairs(users.where("user_index = 0"), plan(DOT), IDS).collect()

    assert cold["outcome"] == "cold_fallback"
    for row in (cold, plain):
        assert row["score_stds"] == [None] * TOP_N == [None] * len(row["scores"])


def test_deviations_are_published_beside_their_scores(users: DataFrame) -> None:
    wanted = users.where(f"user_index in (0, {COLD_USER})")
    found = score_all_pairs(wanted, plan(DOT, samples=SAMPLES), IDS)
    run = Run.start(Folder("nowhere"))
    rows = top_n_rows(found, run, "dot-1", run.started_at).collect()

    for staged in found.collect():
        mine = sorted((row for row in rows if row["user_id"] == staged["user_id"]), key=lambda row: row["rank"])
        assert [row["item_id"] for row in mine] == staged["item_ids"]
        assert [(row["score"], row["score_std"]) for row in mine] == list(
            zip(staged["scores"], staged["score_stds"], strict=True)
        )
    assert len(rows) == 2 * TOP_N


def test_a_table_of_pairs_gets_the_very_scores_of_the_lists(spark: SparkSession, users: DataFrame) -> None:
    found = lists(users, plan(DEEP))
    pairs = [(u, i, s) for u, row in found.items() if u != COLD_USER for i, s in zip(row[2], row[3], strict=True)]
    table_of_pairs = spark.createDataFrame(pairs, "user_index int, item_index int, expected float")

    rows = score_pairs(table_of_pairs, {"deep": DEEP, "dot": DOT}).collect()

    assert len(rows) == len(pairs) > 100
    assert all(r["deep"] == r["expected"] for r in rows)
    assert any(r["dot"] != r["deep"] for r in rows)


def test_no_worker_that_scored_has_imported_tensorflow(spark: SparkSession, users: DataFrame) -> None:
    lists(users, plan(DOT))
    score_pairs(users.selectExpr("user_index", "0 as item_index"), {"dot": DOT}).count()

    def modules(batches):  # type: ignore[no-untyped-def]
        import sys

        for batch in batches:
            names = [n for n in ("tensorflow", "keras", "recsys_spark.scoring.all_pairs") if n in sys.modules]
            yield pa.RecordBatch.from_pydict({"names": [",".join(names)] * batch.num_rows})

    # Python workers are reused, so these are the processes that have just scored
    found = {r["names"] for r in users.repartition(4).mapInArrow(modules, "names string").collect()}

    assert "recsys_spark.scoring.all_pairs" in ",".join(found)
    assert "tensorflow" not in ",".join(found)
    assert "keras" not in ",".join(found)
