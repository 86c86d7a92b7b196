"""Fits every preset on the data that is there and writes the figures that `docs/models.md` shows.

    ./.venv/bin/python benchmarks/presets.py --data FOLDER [--only PRESET ...] [--seeds 3]

Each preset runs the stages ingest, train and evaluate of the nightly job in one Spark session, without publishing. The
first seed is fitted as the preset says: on train to find the number of epochs, then on train and validation, measured
on test. The other seeds repeat the second fit with that number of epochs. A data set whose folder is missing is named
and left as it is in `docs/models.json`. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from pyspark.sql import SparkSession  # noqa: E402 - found beside this file

from recsys_spark import config  # noqa: E402
from recsys_spark.progress import Progress  # noqa: E402
from recsys_spark.publishing.summary import Summary  # noqa: E402
from recsys_spark.run import Run  # noqa: E402
from recsys_spark.session import build_session  # noqa: E402
from recsys_spark.settings import Settings  # noqa: E402
from recsys_spark.storage import Folder  # noqa: E402

FIGURES = PROJECT / "docs" / "models.json"


@dataclass(frozen=True)
class DataSet:
    """A public data set: what it is called, its folder, and how a preset is told where its files are."""

    title: str
    folder: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One preset on one data set: the configuration files, lowest first."""

    name: str
    data: str
    files: tuple[str, ...]
    further: tuple[str, ...] = ()


DATA = {
    "goodbooks": DataSet(
        "goodbooks-10k (Kaggle release)",
        "goodbooks-10k-kaggle",
        ("source.path={}/ratings.csv.gz", "items.path={}/books.csv.gz"),
    ),
    "ml-100k": DataSet(
        "MovieLens 100K", "ml-100k", ("source.path={}/u.data.gz", "items.path={}/u.item", "users.path={}/u.user")
    ),
    "ml-1m": DataSet(
        "MovieLens 1M",
        "ml-1m",
        ("source.path={}/ratings.dat.gz", "items.path={}/movies.dat", "users.path={}/users.dat"),
    ),
    "anime-5000": DataSet(
        "anime, 5,000 users",
        "anime-5000-users",
        (
            "source.path={}/anime_ratings.dat.gz",
            "source.separator=\\t",
            "source.columns={{user: User_ID, item: Anime_ID, rating: Feedback}}",
            "source.where=try_cast(User_ID as bigint) < 80000",
            "items.path={}/anime_info.dat.gz",
            "items.separator=\\t",
            "items.columns.item=anime_ids",
        ),
    ),
    "anime-tail": DataSet(
        "anime, the last 956 users",
        "anime",
        (
            "source.path={}/rating_tail.csv.gz",
            "source.header=false",
            "source.columns={{user: 0, item: 1, rating: 2}}",
            "source.where=try_cast(_c0 as bigint) < 80000",
            "items.path={}/anime.csv.gz",
        ),
    ),
}

ALS = ("evaluation.baselines=[als]",)
TENTH = ("split.test_fraction=0.1", "split.validation_fraction=0.1")

ANIME = ("anime-dot", "anime-mlp", "anime-hybrid", "anime-classifier")

CASES = (
    Case("goodbooks-dot", "goodbooks", ("goodbooks-dot",)),
    Case("goodbooks-mlp", "goodbooks", ("goodbooks-mlp",)),
    Case("biased-mf", "goodbooks", ("goodbooks", "biased-mf"), ALS),
    Case("posterior-mf", "goodbooks", ("goodbooks", "posterior-mf"), ("model.embedding_size=8",)),
    Case("movielens-100k-dropout", "ml-100k", ("movielens-100k-dropout",)),
    Case("biased-mf", "ml-100k", ("movielens-100k", "biased-mf"), TENTH + ALS),
    Case("posterior-mf", "ml-100k", ("movielens-100k", "posterior-mf"), TENTH),
    Case("biased-mf", "ml-1m", ("movielens-1m", "biased-mf"), TENTH + ALS),
    Case("posterior-mf", "ml-1m", ("movielens-1m", "posterior-mf"), TENTH),
    *(Case(name, "anime-5000", (name,)) for name in ANIME),
    *(Case(name, "anime-tail", (name,)) for name in ANIME),
)


def main() -> None:
    """Run the cases that were asked for and add their figures to what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECSYS_TEST_DATA", "../shared/data"))
    parser.add_argument("--only", nargs="*", help="presets, or data sets; all if not given")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    spark = session()
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            key = f"{case.name} / {case.data}"
            if given.only and case.name not in given.only and case.data not in given.only:
                continue
            folder = (given.data / DATA[case.data].folder).resolve()
            if not folder.is_dir():
                print(f"NOT RUN: {key}: there is no folder {folder}", file=sys.stderr)
                continue
            print(f"--- {key}", file=sys.stderr)
            figures[key] = measured(spark, case, folder, Path(scratch) / case.data, given.seeds)
            # what a run has found is kept, also if it is stopped
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    spark.stop()
    print(json.dumps({key: value["test"]["mse"] for key, value in figures.items()}))


def session() -> SparkSession:
    """A local session with both cores, quiet."""
    logging = f"-Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        "--master local[*] --driver-memory 4g --conf spark.ui.enabled=false "
        f"--conf spark.driver.extraJavaOptions={logging} pyspark-shell"
    )
    return build_session("presets", delta=False)


def measured(spark: SparkSession, case: Case, folder: Path, output: Path, seeds: int) -> dict[str, Any]:
    """The figures of one case over some seeds."""
    files = [PROJECT / "conf" / f"{name}.yaml" for name in ("base", *case.files)]
    told = [text.format(folder) for text in DATA[case.data].overrides]
    overrides = [*told, *case.further, f"output.path={output}", "output.format=parquet", "training.refit=false"]
    settings = config.load(Settings, files, overrides)
    first = fitted(spark, settings)
    runs = [first]
    for seed in range(settings.training.seed + 1, settings.training.seed + seeds):
        repeat = ["split.validation_fraction=0", f"training.seed={seed}", "training.early_stopping=null"]
        if settings.training.schedule != "cosine":
            repeat.append(f"training.epochs={first['epochs']}")
        runs.append(fitted(spark, config.load(Settings, files, [*overrides, *repeat])))
    tests = [run["metrics"]["test"] for run in runs]
    return {
        "data": DATA[case.data].title,
        "preset": list(case.files),
        "overrides": list(case.further),
        "split": f"{settings.split.strategy}, {settings.split.test_fraction:g} test, seed {settings.split.seed}",
        "seeds": [settings.training.seed + n for n in range(len(runs))],
        "epochs": first["epochs"],
        "counts": first["counts"],
        "train": first["metrics"]["train"],
        "validation": first["metrics"]["validation"],
        "test": {name: [test[name] for test in tests] for name in tests[0] if isinstance(tests[0][name], float)},
        "intervals": tests[0].get("intervals", {}),
        "baseline": first["metrics"]["baseline"],
        "fit_seconds": first["fit_seconds"],
        "rows_per_second": first["rows_per_second"],
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "measured_on": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def fitted(spark: SparkSession, settings: Settings) -> dict[str, Any]:
    """Ingest (once for the same data and split), train and evaluate."""
    from recsys_spark import stages

    job = stages.Job(spark, settings, Run.start(Folder(settings.output.path)), Summary(), Progress())
    if stages._folder(job, "ingest").read_json("stage.json") is None:
        stages.ingest(job)
    stages.train(job)
    stages.evaluate(job)
    trained = stages._trained(job)
    evaluated = [epoch for epoch in trained["history"] if epoch["fit"] == "evaluated"]
    speeds = sorted(epoch["rows_per_second"] for epoch in evaluated)
    fitted_rows = sum(job.summary.metrics[part]["n"] for part in ("train", "validation") if part in job.summary.metrics)
    return {
        "metrics": job.summary.metrics,
        "counts": stages._ingested(job).counts,
        "epochs": trained["epochs"],
        "rows_per_second": speeds[len(speeds) // 2],
        "fit_seconds": sum(fitted_rows / epoch["rows_per_second"] for epoch in evaluated),
    }


if __name__ == "__main__":
    main()
