"""`recsys explain` on small outputs that are written by hand: a dot product, a history tower, a classifier."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_spark import artifact
from recsys_spark.artifact import Artefact
from recsys_spark.cli import main
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.manifest import Description
from recsys_spark.models.folds import history_scorer

USERS, ITEMS = ["ann", "bob", "eve"], ["tea", "milk", "salt", "rice"]
TITLES = ["Green tea", "Oat milk", "Sea salt", None]
RATED = [("ann", 0, 5.0), ("ann", 1, 2.0), ("ann", 3, 4.0), ("bob", 2, 3.0), ("eve", 0, 4.0), ("eve", 1, 5.0)]
NEVER_TRAINED, FOLDED_IN = "salt", "eve"


def table(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def known() -> PairScorer:
    user, item = np.array([1, 1, 1], np.float32), np.array([1, 1, 0, 1], np.float32)
    return PairScorer(np.zeros((3, 0), np.float32), np.zeros((4, 0), np.float32), user, item)


ITEM = table(2, 4, 3)
ITEM[2] = 0
DOT = PairScorer(table(1, 3, 3), ITEM, table(3, 3), table(4, 4), scale=0.5, offset=3.5, clip=(1.0, 5.0))
DEEP = PairScorer(
    table(1, 3, 3),
    table(2, 4, 2),
    layers=(DenseLayer(table(5, 5, 4), table(6, 4), "relu"), DenseLayer(table(7, 4, 2), table(8, 2), "linear")),
    levels=np.array([1, 2], np.float32),
)
MODELS: dict[str, tuple[dict[str, Any], dict[str, PairScorer]]] = {
    "dot": ({"model": {"name": "dot", "l2": 0.01}, "training": {}}, {"main": DOT}),
    "softmax": (
        {"model": {"name": "softmax"}, "training": {}},
        {"main": PairScorer(table(1, 3, 3), ITEM), "history": history_scorer(table(9, 4, 3), 3)},
    ),
    "classifier": ({"model": {"name": "classifier"}, "training": {}}, {"main": DEEP}),
}


@pytest.fixture(params=MODELS)
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A published run of a model, in the Parquet layout."""
    settings, scorers = MODELS[request.param]
    target = {"liked_at": 3.0} if request.param == "softmax" else {}
    described = Description(request.param, settings, target=target)
    model_id = artifact.save(tmp_path / "models", Artefact(described, {"published": scorers | {"known": known()}})).name
    at, run = datetime(2026, 1, 1, tzinfo=UTC), "run-1"
    user, item, rating = (list(column) for column in zip(*RATED, strict=True))
    tables = {
        "users": {"user_id": USERS, "user_index": pa.array(range(3), pa.int32()), "n_ratings": [3, 1, 2]},
        "items": {"item_id": ITEMS, "item_index": pa.array(range(4), pa.int32()), "title": TITLES},
        "ratings": {
            "user_id": user,
            "item_id": [ITEMS[i] for i in item],
            "item_index": pa.array(item, pa.int32()),
            "rating": pa.array(rating, pa.float32()),
            "timestamp": pa.array([at] * len(RATED), pa.timestamp("us", tz="UTC")),
        },
        "top_n": {"user_id": USERS, "item_id": ["milk", "tea", "rice"], "model_id": [model_id] * 3},
    }
    for name, columns in tables.items():
        write(tmp_path / "published" / run / name, columns)
    reasons = ["folded_in" if user == FOLDED_IN else "model" for user in USERS]
    write(tmp_path / "user_outcomes" / f"run_id={run}", {"user_id": USERS, "reason": reasons})
    pointer = {"run_id": run, "tables": {name: f"published/{run}/{name}" for name in tables}}
    (tmp_path / "current.json").write_text(json.dumps(pointer))
    return tmp_path


def write(folder: Path, columns: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "part-0.parquet")


def asked(capsys: pytest.CaptureFixture[str], output: Path, *arguments: str) -> dict[str, Any]:
    assert main(["explain", *arguments, "--output", str(output), "--json"]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def model_of(output: Path) -> str:
    (folder,) = (output / "models").iterdir()
    return folder.name


def test_a_score_is_explained_by_the_parts_that_its_model_has(capsys: pytest.CaptureFixture[str], output: Path) -> None:
    model_id = model_of(output)
    scorer = artifact.load(output / "models" / model_id)["main"]

    found = asked(capsys, output, "ann", "Green tea")

    assert found["item"] == {"item_id": "tea", "title": "Green tea"}
    assert (found["user_id"], found["model_id"], found["vector"]) == ("ann", model_id, "trained")
    assert found["unclipped"] == scorer.score(np.zeros(1, np.int32), np.zeros(1, np.int32))[0]
    if scorer.is_dot:
        assert sum(found["parts"].values()) == pytest.approx(found["score"], abs=1e-5)
        assert {row["item_id"]: row["rating"] for row in found["nearest"]} == {"milk": 2.0, "rice": 4.0}
        shares = {share["item_id"]: share["title"] for share in found["history"]["shares"]}
        # two is below what counts as liked
        liked = {"tea": "Green tea", "rice": None}
        assert shares == (liked if model_id.startswith("softmax") else liked | {"milk": "Oat milk"})
    else:
        assert (found["parts"], found["history"], found["nearest"]) == (None, None, [])
        assert {(a["side"], a["columns"]) for a in found["ablations"]} == {("user", "embedding"), ("item", "embedding")}
        assert sum(level["probability"] for level in found["levels"]) == pytest.approx(1, abs=1e-5)


def test_a_person_reads_the_same(capsys: pytest.CaptureFixture[str], output: Path) -> None:
    values = asked(capsys, output, "ann", "tea")

    assert main(["explain", "ann", "tea", "--most", "1", "--output", str(output)]) == 0

    text = capsys.readouterr().out
    first = f"score {values['score']:.4f} of user ann for Green tea (item tea), by the model {model_of(output)}"
    assert text.startswith(first)
    if values["history"] is not None:
        largest = values["history"]["shares"][0]
        assert f"{largest['change']:,.4f}" in text
        assert "do not add up" in text if values["history"]["kind"] == "left_out" else "more ratings together" in text
    else:
        assert "how probable each level is" in text
        assert "embedding of the user" in text


def test_who_was_folded_in_is_explained_by_the_vector_of_the_ratings(
    capsys: pytest.CaptureFixture[str], output: Path
) -> None:
    found = asked(capsys, output, FOLDED_IN, "rice")

    if found["history"] is None:
        assert found["vector"] == "trained"
    else:
        assert found["vector"] == "folded_in"
        assert found["unclipped"] == found["history"]["score"]


@pytest.mark.parametrize(
    ("user", "item", "code", "message"),
    [
        ("ann", NEVER_TRAINED, 3, "learnt something about"),
        ("nobody", "tea", 2, "user 'nobody'"),
        ("ann", "coffee", 2, "item 'coffee'"),
    ],
)
def test_what_cannot_be_explained_is_told(
    capsys: pytest.CaptureFixture[str], output: Path, user: str, item: str, code: int, message: str
) -> None:
    assert main(["explain", user, item, "--output", str(output)]) == code

    assert message in capsys.readouterr().err
