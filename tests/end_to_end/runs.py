"""Real jobs through `spark-submit.sh`, and their tables as a stranger reads them: with delta-rs, not with Spark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from deltalake import DeltaTable

PROJECT = Path(__file__).resolve().parents[2]
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of JVMs that live for a minute: compiling what runs often for speed would take longer than it saves."""

HANGS = 1800
"""Seconds after which a job counts as hanging, also on a machine that is slow and busy."""

RESULT = ["user_id", "variant", "rank", "item_id", "score"]


@dataclass(frozen=True)
class Finished:
    """A job that has ended."""

    code: int
    summary: dict[str, Any]
    lines: list[str]
    errors: str
    output: Path

    def table(self, name: str) -> pd.DataFrame:
        """A published table: Delta by delta-rs, Parquet through the link `current`."""
        if (self.output / name / "_delta_log").is_dir():
            return DeltaTable(self.output / name).to_pandas()
        linked = self.output / "current" / name
        return pd.read_parquet(linked if linked.exists() else self.output / name)

    def rows(self) -> pd.DataFrame:
        """What two runs are compared by: the lists and the outcomes."""
        lists = self.table("top_n")[RESULT].sort_values(["user_id", "rank"])
        outcomes = self.table("user_outcomes")
        mine = outcomes[outcomes.run_id.astype(str) == self.summary["run_id"]]
        return lists.merge(mine[["user_id", "outcome", "n_items"]], on="user_id", how="outer").reset_index(drop=True)


def submit(*arguments: str, cwd: Path, output: Path) -> Finished:
    """Run `./spark-submit.sh ARGUMENTS --set output.path=OUTPUT` in a folder that is not the project's."""
    environment = clean_environment()
    command = [str(PROJECT / "spark-submit.sh"), *arguments, "--set", f"output.path={output}"]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=HANGS, check=False)
    lines = done.stdout.splitlines()
    assert lines, f"nothing on stdout; stderr ends with:\n{done.stderr[-3000:]}"
    return Finished(done.returncode, json.loads(lines[-1]), lines, done.stderr, output)


def clean_environment() -> dict[str, str]:
    """Nothing of Spark's or Python's that the tests themselves need."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_", "PYTHONPATH"))}
    return kept | {"JAVA_TOOL_OPTIONS": QUICK_START}


def published(run: Finished) -> Finished:
    """The run itself, if it was published."""
    assert run.code == 0, f"{run.summary['error']}\n{run.errors[-3000:]}"
    assert run.summary["status"] == "published"
    return run


def remove_cluster_folders() -> None:
    """What local-cluster leaves inside the installed pyspark."""
    for folder in (PROJECT / ".venv").glob("lib/python3*/site-packages/pyspark/work"):
        shutil.rmtree(folder, ignore_errors=True)


def assert_lists_follow_keras(run: Finished, *, users: int) -> None:
    """Each of some users' lists is what `keras_model.predict` over all unseen candidates gives, sorted.

    Only items whose predictions differ by less than the tolerance of the export law may have changed places. Of a model
    for ranking the candidates are the items that anybody liked, and what its second output says of them, if it has one,
    stands beside the scores.
    """
    import keras

    model = run.output / "models" / run.summary["model_id"]
    description = json.loads((model / "manifest.json").read_text())["description"]
    target, levels = description["target"], description["settings"]["model"].get("levels")
    network = keras.models.load_model(model / "published" / "model.keras", safe_mode=True)
    ratings, items, top_n = run.table("ratings"), run.table("items"), run.table("top_n")
    # with features, an item that the items' table describes needs no rating
    described = items["attributes"].notna() if description["features"] else False
    candidates = items[(items.n_ratings > 0) | described].set_index("item_index").item_id.sort_index()
    if "liked_at" in target:
        candidates = candidates[candidates.index.isin(ratings[ratings.rating >= target["liked_at"]].item_index)]
    everyone = ratings.drop_duplicates("user_id").sort_values("user_id")
    chosen = everyone.sample(min(users, len(everyone)), random_state=7)
    for user_id, user_index in zip(chosen.user_id, chosen.user_index, strict=True):
        seen = set(ratings[ratings.user_id == user_id].item_index)
        unseen = np.array([i for i in candidates.index if i not in seen], np.int32)
        pairs = {"user": np.full(len(unseen), user_index, np.int32), "item": unseen}
        output = network.predict(pairs, batch_size=8192, verbose=0)
        predicted = _scores(output, target, levels)
        by_item = dict(zip(candidates.loc[unseen], predicted, strict=True))
        mine = top_n[top_n.user_id == user_id].sort_values("rank")
        best = np.sort(predicted)[::-1][: len(mine)]
        tolerance = 1e-5 * (np.abs(best) + predicted.std())
        assert list(mine["rank"]) == list(range(1, min(10, len(unseen)) + 1))
        assert (np.abs(mine.score.to_numpy() - best) <= tolerance).all()
        assert (np.abs(np.array([by_item[i] for i in mine.item_id]) - best) <= 2 * tolerance).all()
        if isinstance(output, dict):
            rated = dict(zip(candidates.loc[unseen], _in_rating_units(output["rating"][:, 0], target), strict=True))
            np.testing.assert_allclose(mine.predicted_rating, [rated[i] for i in mine.item_id], rtol=1e-4)


def _scores(output: Any, target: dict[str, float], levels: list[float] | None) -> Any:
    if "liked_at" in target:
        return output["main"][:, 0] if isinstance(output, dict) else output[:, 0]
    return _in_rating_units(output[:, 0] if levels is None else output @ np.array(levels), target)


def _in_rating_units(head: Any, target: dict[str, float]) -> Any:
    return head * target["scale"] + target["offset"]
