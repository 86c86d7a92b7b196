"""The job `report`: a page of a real run, made of the output alone, and the table of its maps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recsys_spark.errors import ConfigError
from recsys_spark.job import Job
from recsys_spark.reporting import report
from tests.visible_nights import Nights

QUICK = ("report.maps.methods=[pca]", "report.users=3", "split={test_fraction: 0.2, validation_fraction: 0.1}")


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two nights with other settings, the second with its report."""
    found = Nights(spark, tmp_path_factory.mktemp("reporting") / "output", "parquet")
    found.night(*QUICK)
    found.night(*QUICK, "model.embedding_size=4", "report.enabled=true", "evaluation.k=[5, 10]", "run.force=true")
    return found


def _asked(nights: Nights, run: str | None = None, *overrides: str) -> Job:
    job = nights.job("source.path=gone.csv", *QUICK, *overrides)
    job.arguments = {"run": run}
    report(job)
    return job


def _page(job: Job) -> str:
    return Path(job.summary.tables["report"]).read_text(encoding="utf-8")


def _data(page: str) -> dict[str, Any]:
    (block,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(block)
    return found


def _runs(nights: Nights) -> list[str]:
    return sorted(file.stem for file in (nights.output / "summaries").glob("*.json"))


def test_a_night_that_is_asked_for_a_report_writes_it_beside_its_tables(nights: Nights) -> None:
    written = sorted(file.name for file in (nights.output / "reports").glob("*.html"))
    last = max(nights.table("top_n").run_id)

    assert f"{last}.html" in written
    assert f"{min(_runs(nights))}.html" not in written


def test_the_page_tells_what_the_tables_say(nights: Nights) -> None:
    job = _asked(nights)
    page, data = _page(job), _data(_page(job))

    accepted = len(nights.table("ratings"))
    assert f"{accepted:,}" in page
    assert sum(data["charts"]["ratings"]["data"][0]["y"]) == accepted
    assert sum(data["charts"]["lengths"]["data"][0]["y"]) == nights.table("users").in_source.sum()
    metrics = pd.read_parquet(nights.output / "metrics")
    mse = metrics[(metrics.scorer == "main") & (metrics.split == "test") & (metrics.metric == "mse")]
    mse = mse[mse.segment.isna() & mse.epoch.isna() & (mse.run_id.astype(str) == max(nights.table("top_n").run_id))]
    assert page.count(f"{mse['value'].item():.4f}") >= 2, "as a key figure and in the table"
    assert {"mse", "loss", "density-test", "density-train", "by-k-ndcg", "scores"} <= data["charts"].keys()
    assert "Since the last run" in page
    assert "Its configuration was another one." in page


def test_predictions_that_are_shown_are_those_of_the_evaluated_fit(nights: Nights) -> None:
    from recsys_spark import artifact

    job = _asked(nights)
    ratings = nights.table("ratings")
    test = ratings[ratings.part == "test"]
    scorer = artifact.load(nights.output / "models" / str(job.summary.model_id), "evaluated")["main"]
    predicted = scorer.score(test.user_index.to_numpy("int32"), test.item_index.to_numpy("int32"))
    rows = re.search(r'id="title-density-test".*?<tbody>(.*?)</tbody>', _page(job), re.DOTALL)

    assert rows is not None
    cells = [re.findall(r">([^<]+)</t[dh]>", row) for row in rows[1].split("</tr>") if "<td" in row]
    told = {float(level): (int(n.replace(",", "")), float(mean)) for level, n, mean, _ in cells}
    for level, mine in test.assign(predicted=predicted).groupby("rating"):
        n, mean = told[float(level)]
        assert n == len(mine)
        assert mean == pytest.approx(mine.predicted.astype(float).mean(), abs=6e-4)


def test_the_maps_are_a_table_with_a_row_for_each_item_that_the_model_knows(nights: Nights) -> None:
    job = _asked(nights)
    maps, items = nights.table("embedding_maps"), _data(_page(job))["map"]

    assert set(maps.method) == {"pca"}
    assert set(maps.normalised) == {False, True}
    raw = maps[~maps.normalised].sort_values("item_id")
    assert sorted(raw.item_id) == sorted(items["ids"])
    assert set(maps.model_id) == {job.summary.model_id}
    vectors = nights.model(str(job.summary.model_id))["main"].item
    index = nights.table("items").set_index("item_id").item_index
    mine = vectors[index[raw.item_id].to_numpy()].astype(float)
    wanted = np.linalg.svd(mine - mine.mean(axis=0), full_matrices=False)
    assert np.abs(raw.x.to_numpy()) == pytest.approx(np.abs(wanted.U[:, 0] * wanted.S[0]), abs=1e-4)


def test_an_earlier_run_has_a_report_without_what_the_last_ingest_tells(nights: Nights) -> None:
    first = min(_runs(nights))
    job = _asked(nights, first)
    page = _page(job)

    assert job.summary.tables["report"].endswith(f"reports/{first}.html")
    assert "Ratings have been read anew since this run" in page
    assert "ratings" not in _data(page)["charts"]
    assert "density-test" not in _data(page)["charts"]
    assert "Since the last run" not in page


def test_a_run_that_does_not_exist_is_named(nights: Nights) -> None:
    with pytest.raises(ConfigError, match=r"--run: expected a run of .* found 20010101T000000-abcdef"):
        _asked(nights, "20010101T000000-abcdef")


def test_without_maps_there_is_no_map_and_the_table_stays_as_it_is(nights: Nights) -> None:
    _asked(nights)
    before = nights.table("embedding_maps")
    job = _asked(nights, None, "report.maps=null")

    assert _data(_page(job))["map"] is None
    assert "embedding_maps" not in job.summary.tables
    assert nights.table("embedding_maps").equals(before)


def test_a_model_that_is_gone_leaves_a_page_and_a_warning(nights: Nights) -> None:
    model_id = str(_asked(nights).summary.model_id)
    place = nights.output / "models" / model_id
    aside = place.rename(nights.output / f"aside-{model_id}")
    try:
        job = _asked(nights)
    finally:
        aside.rename(place)

    assert job.run.warnings == [f"report: the model {model_id} is no longer there: no maps, no predicted ratings"]
    assert _data(_page(job))["map"] is None


@pytest.mark.slow
def test_deep_models_have_maps_and_similar_items_by_correlation(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path / "output", "parquet")
    model = "model={name: mlp, embedding_size: 4, layers: [8]}"
    job = nights.night(*QUICK, model, "report.enabled=true", "report.maps.vectors=raw")
    made = _data(_page(job))["map"]

    assert job.run.warnings == [w for w in job.run.warnings if "report" not in w]
    assert made["measure"] == "correlation of their scores"
    assert [one["name"] for one in made["maps"]] == ["PCA"]


def test_a_report_that_fails_leaves_the_night_published_with_a_warning(spark: SparkSession, tmp_path: Path) -> None:
    nights = Nights(spark, tmp_path / "output", "parquet")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "reports").write_text("in the way")
    job = nights.night("report.enabled=true", *QUICK)

    assert job.summary.status == "published"
    assert len(nights.table("top_n")) == 300
    assert any("their report could not be written" in warning for warning in job.run.warnings)
