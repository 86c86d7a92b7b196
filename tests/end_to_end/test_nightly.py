"""The nightly job on real ratings: what a reader finds in its tables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from deltalake import DeltaTable

from recsys_spark import artifact
from recsys_spark.schemas import TABLES
from tests.end_to_end.runs import PROJECT, Finished, assert_lists_follow_keras, published, submit

DATA = Path(os.environ.get("RECSYS_TEST_DATA", PROJECT.parent / "shared" / "data"))


def test_the_last_line_on_stdout_is_the_summary_and_a_file_holds_the_same(sample: Finished) -> None:
    stored = json.loads((sample.output / "summaries" / f"{sample.summary['run_id']}.json").read_text())

    assert stored == sample.summary
    assert sample.summary["error"] is None
    assert set(sample.summary["tables"]) == {table.name for table in TABLES} | {"models"}


def test_nothing_but_the_summary_stands_on_stdout_and_progress_on_stderr(sample: Finished) -> None:
    assert len(sample.lines) == 1
    assert "pairs decided" in sample.errors
    assert "rows/s" in sample.errors


def test_every_row_read_is_accepted_or_quarantined(sample: Finished, sample_file: Path) -> None:
    counts = sample.summary["counts"]

    assert counts["ratings_read"] == len(sample_file.read_text().splitlines()) == 1501
    assert counts["ratings_accepted"] == len(sample.table("ratings"))
    assert counts["ratings_quarantined"] == len(sample.table("quarantine"))
    assert counts["ratings_read"] == counts["ratings_accepted"] + counts["ratings_quarantined"]


def test_every_user_has_one_outcome_and_their_list_has_that_length(sample: Finished) -> None:
    outcomes, lists = sample.table("user_outcomes"), sample.table("top_n")

    assert sorted(outcomes.user_id) == sorted(sample.table("ratings").user_id.unique())
    assert dict(zip(outcomes.user_id, outcomes.n_items, strict=True)) == lists.groupby("user_id").size().to_dict()
    assert outcomes.outcome.value_counts().to_dict() == {"ok": sample.summary["counts"]["ok"]}


def test_no_list_holds_an_item_that_its_user_has_seen_or_that_is_unknown(sample: Finished) -> None:
    lists, ratings = sample.table("top_n"), sample.table("ratings")

    assert len(lists.merge(ratings, on=["user_id", "item_id"])) == 0
    assert set(lists.item_id) <= set(sample.table("items").item_id)
    assert not lists.duplicated(["user_id", "item_id"]).any()


def test_first_and_last_items_can_be_recommended_like_any_other(sample: Finished) -> None:
    everything = sample.output / "models" / sample.summary["model_id"]
    scorer = artifact.load(everything)["main"]
    items = sample.table("items")

    assert (scorer.n_items, scorer.n_users) == (len(items), len(sample.table("users")))
    assert sorted(items.item_index) == list(range(len(items)))


def test_each_list_is_what_keras_predicts_sorted_without_the_seen_items(sample: Finished) -> None:
    assert_lists_follow_keras(sample, users=50)


def test_the_reported_errors_are_those_of_the_evaluated_model_on_the_test_rows(sample: Finished) -> None:
    ratings = sample.table("ratings")
    held_in, test = ratings[ratings.part != "test"], ratings[ratings.part == "test"]
    model = artifact.load(sample.output / "models" / sample.summary["model_id"], "evaluated")["main"]

    predicted = model.score(test.user_index.to_numpy(np.int32), test.item_index.to_numpy(np.int32))
    mse = float(((predicted.astype(float) - test.rating) ** 2).mean())
    mean_mse = float(((held_in.rating.astype(float).mean() - test.rating) ** 2).mean())

    reported = sample.summary["metrics"]
    assert reported["test"]["mse"] == pytest.approx(mse, rel=1e-9)
    assert reported["baseline"]["mean"]["mse"] == pytest.approx(mean_mse, rel=1e-6)
    assert set(reported["baseline"]) == {"mean", "item_mean", "bias", "popularity"}
    assert reported["test"]["mse"] < min(b["mse"] for b in reported["baseline"].values() if "mse" in b)


def test_ranking_is_that_of_the_evaluated_fit_on_what_it_has_not_seen(sample: Finished) -> None:
    ratings = sample.table("ratings")
    held_in, test = ratings[ratings.part != "test"], ratings[ratings.part == "test"]
    model = artifact.load(sample.output / "models" / sample.summary["model_id"], "evaluated")["main"]
    mean = held_in.rating.astype(float).mean()
    candidates = np.array(sorted(set(held_in.item_index)), np.int32)
    relevant = test[(test.rating >= mean) & test.item_index.isin(candidates)]
    relevant = relevant[relevant.user_index.isin(held_in.user_index)]
    gains = []
    for user, items in relevant.groupby("user_index").item_index:
        unseen = candidates[~np.isin(candidates, held_in[held_in.user_index == user].item_index)]
        scores = model.score(np.full(len(unseen), user, np.int32), unseen)
        best = unseen[np.lexsort((unseen, -scores))][:10]
        discounts = 1 / np.log2(np.arange(2, 12))
        gains.append(discounts[np.isin(best, items)].sum() / discounts[: len(items)].sum())

    reported = sample.summary["metrics"]
    assert reported["test"]["n_users"] == len(gains)
    assert reported["test"]["ndcg@10"] == pytest.approx(np.mean(gains), rel=1e-9)
    assert reported["validation"].keys() >= {"ndcg@10", "recall@10", "item_coverage@10", "gini@10"}
    (row,) = (
        sample.table("metrics")
        .query("split == 'test' and scorer == 'main' and metric == 'ndcg' and segment.isna()")
        .itertuples()
    )
    assert (row.k, row.value, row.relevant_at) == (10, reported["test"]["ndcg@10"], pytest.approx(mean))


def test_the_metrics_table_says_what_the_summary_says(sample: Finished) -> None:
    rows = sample.table("metrics")
    finished = rows[rows.epoch.isna() & rows.segment.isna() & (rows.scorer == "main")]
    by_key = {(r.split, r.metric): r.value for r in finished.itertuples()}

    assert by_key[("test", "rmse")] == sample.summary["metrics"]["test"]["rmse"]
    assert by_key[("validation", "mae")] == sample.summary["metrics"]["validation"]["mae"]
    assert rows[rows.metric == "loss"].epoch.min() == 1


def test_delta_rs_polars_and_duckdb_read_every_table(sample: Finished) -> None:
    for table in TABLES:
        place = str(sample.output / table.name)
        rows = DeltaTable(place).to_pyarrow_dataset()  # read by its name below
        n = rows.count_rows()
        assert rows.schema.names == [column.name for column in table.columns]
        assert pl.read_delta(place).height == n
        assert duckdb.sql("select count(*) from rows").fetchall() == [(n,)]


def test_the_ledger_and_the_other_tables_name_the_run(sample: Finished) -> None:
    run_id = sample.summary["run_id"]

    ledger = sample.table("runs")

    assert list(ledger.run_id) == [run_id]
    assert dict(ledger.counts[0])["rows_published"] == len(sample.table("top_n"))
    for table in ("top_n", "top_n_history", "user_outcomes", "metrics"):
        assert set(sample.table(table).run_id) == {run_id}


@pytest.mark.data
def test_movielens_100k_gives_the_lists_of_its_keras_model_and_beats_the_baselines(tmp_path: Path) -> None:
    folder = DATA / "ml-100k"
    if not folder.is_dir():
        pytest.skip(f"MovieLens 100K is not in {folder} (RECSYS_TEST_DATA names the folder of the data sets)")
    paths = {"source": "u.data.gz", "items": "u.item", "users": "u.user"}
    options = [x for section, name in paths.items() for x in ("--set", f"{section}.path={folder / name}")]

    run = published(
        submit(
            "nightly",
            "--config",
            str(PROJECT / "conf/movielens-100k.yaml"),
            *options,
            cwd=tmp_path,
            output=tmp_path / "o",
        )
    )

    assert run.summary["counts"]["ratings_read"] == run.summary["counts"]["ratings_accepted"] == 100_000
    assert_lists_follow_keras(run, users=50)
    metrics = run.summary["metrics"]
    assert metrics["test"]["mse"] < min(b["mse"] for b in metrics["baseline"].values() if "mse" in b)
    titles = run.table("items").set_index("item_id").title
    assert titles[1] == "Toy Story (1995)"
    assert titles[543] == "Misérables, Les (1995)"
