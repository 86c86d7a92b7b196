"""Columns replaced by their mean: each change is that of scoring the changed rows, and features have their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_spark.errors import ArtifactError, DataError
from recsys_spark.explaining.ablations import column_groups
from recsys_spark.explaining.explain import explain
from recsys_spark.explaining.model import ExplainedModel
from recsys_spark.kernels.scorer import DenseLayer, PairScorer
from recsys_spark.manifest import Description

YEAR = {"kind": "numeric", "name": "year", "scaling": "quantile", "lowest": 1.0, "highest": 2.0, "known": 5}
GENRES = {"kind": "categorical", "name": "genres", "categories": ["a", "b", "other"], "sharing_other": 2}
FEATURES = {"item": {"fitted_on": 6, "names": [], "columns": [YEAR | {"missing": 1}, GENRES]}}


def deep(seed: int, *, levels: int = 0, k_item: int = 8) -> PairScorer:
    random = np.random.default_rng(seed)

    def table(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    outputs = levels or 1
    return PairScorer(
        table(6, 3),
        table(9, k_item),
        layers=(
            DenseLayer(table(3 + k_item, 5), table(5), "relu"),
            DenseLayer(table(5, outputs), table(outputs), "linear"),
        ),
        levels=np.arange(1, levels + 1, dtype=np.float32) if levels else None,
        scale=1.5,
        offset=3.0,
    )


def stored(scorer: PairScorer, features: dict[str, object] | None = None) -> ExplainedModel:
    """As an artefact holds it; the model knows all but the first user and the last item."""
    settings = {"model": {"name": "mlp"}, "training": {}}
    known = PairScorer(
        np.zeros((6, 0), np.float32),
        np.zeros((9, 0), np.float32),
        (np.arange(6) > 0).astype(np.float32),
        (np.arange(9) < 8).astype(np.float32),
    )
    described = Description("mlp", settings, features=FEATURES if features is None else features)
    return ExplainedModel.stored(described, {"main": scorer, "known": known})


@given(seed=st.integers(0, 2**32 - 1))
def test_a_change_is_what_scoring_the_mean_of_the_columns_changes(seed: int) -> None:
    scorer = deep(seed)
    user, item = 1 + seed % 5, seed % 8

    found = explain(stored(scorer), user, item)

    columns = {
        ("user", "embedding"): slice(0, 3),
        ("item", "embedding"): slice(0, 3),
        ("item", "year"): slice(3, 5),
        ("item", "genres"): slice(5, 8),
    }
    assert {(a.side, a.columns) for a in found.ablations} == set(columns)
    for ablation in found.ablations:
        place = columns[ablation.side, ablation.columns]
        sides = {"user": scorer.user.copy(), "item": scorer.item.copy()}
        row, of = (user, slice(1, None)) if ablation.side == "user" else (item, slice(0, 8))
        sides[ablation.side][row, place] = sides[ablation.side][of, place].mean(axis=0, dtype=np.float64)
        changed = replace(scorer, **sides).score(np.array([user], np.int32), np.array([item], np.int32))[0]
        assert ablation.change == pytest.approx(found.score - float(changed), abs=1e-5 * (1 + abs(found.score)))
    changes = [abs(a.change) for a in found.ablations]
    assert changes == sorted(changes, reverse=True)
    assert (found.parts, found.history, found.nearest) == (None, None, ())


@given(seed=st.integers(0, 2**32 - 1))
def test_probabilities_of_levels_are_those_of_softmax_and_give_the_score(seed: int) -> None:
    scorer = deep(seed, levels=4)

    found = explain(stored(scorer), 2, 5)

    row = np.concatenate([scorer.user[2], scorer.item[5]]).astype(np.float64)
    hidden = np.maximum(row @ scorer.layers[0].weight + scorer.layers[0].bias, 0)
    logits = hidden @ scorer.layers[1].weight + scorer.layers[1].bias
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose([level.probability for level in found.levels], expected, rtol=1e-3, atol=1e-6)
    assert [level.level for level in found.levels] == [4.5, 6.0, 7.5, 9.0]
    assert sum(x.level * x.probability for x in found.levels) == pytest.approx(found.score, rel=1e-4)


def test_a_side_of_features_alone_has_no_embedding() -> None:
    model = stored(deep(1, k_item=5))

    assert [name for name, _ in column_groups(model, "item")] == ["year", "genres"]


def test_a_manifest_that_describes_more_columns_than_there_are_is_refused() -> None:
    with pytest.raises(ArtifactError, match="features of items: expected at least 5 columns, found 4"):
        stored(deep(1, k_item=4))


def test_a_scorer_that_the_model_does_not_have_is_told() -> None:
    described = Description("mlp", {"model": {"name": "mlp"}, "training": {}})
    with pytest.raises(DataError, match="expected a scorer rating, found main"):
        ExplainedModel.stored(described, {"main": deep(1)}, of="rating")
