"""Maps: each method keeps together what belongs together, and small or odd inputs have maps too."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_spark.report.layouts import layouts
from recsys_spark.report.settings import MapSettings

SAID: list[str] = []


def _two_groups(n: int) -> np.ndarray:
    random = np.random.default_rng(1)
    middles = np.repeat([[6.0, 0, 0, 0], [0, 6.0, 0, 0]], n // 2, axis=0)
    return (middles + random.normal(scale=0.4, size=(n, 4))).astype(np.float32)


def test_every_map_that_is_asked_for_is_made_once_and_told() -> None:
    said: list[str] = []
    settings = MapSettings(methods=("pca", "tsne"), perplexities=(5, 12), vectors="both")
    found = list(layouts(_two_groups(40), settings, said.append))

    assert [(one.method, one.parameter, one.normalised) for one in found] == [
        ("pca", None, False),
        ("tsne", 5, False),
        ("tsne", 12, False),
        ("pca", None, True),
        ("tsne", 5, True),
        ("tsne", 12, True),
    ]
    assert said[1] == "map of 40 items: t-SNE, perplexity 5"
    assert said[-1] == "map of 40 items: t-SNE, perplexity 12, normalised"


@pytest.mark.parametrize("method", ["pca", "tsne", pytest.param("umap", marks=pytest.mark.slow)])
def test_items_of_one_group_lie_nearer_to_each_other_than_to_the_other_group(method: str) -> None:
    vectors = _two_groups(60)
    (found,) = layouts(
        vectors, MapSettings(methods=(method,), vectors="raw", perplexities=(8,), neighbours=8), SAID.append
    )

    assert found.points.shape == (60, 2)
    assert np.isfinite(found.points).all()
    middles = found.points[:30].mean(axis=0), found.points[30:].mean(axis=0)
    within = np.linalg.norm(found.points[:30] - middles[0], axis=1).mean()
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * within


def test_the_first_axis_of_pca_has_the_larger_variance() -> None:
    vectors = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32) * np.array([1, 9, 3], np.float32)
    (found,) = layouts(vectors, MapSettings(methods=("pca",), vectors="raw"), SAID.append)

    x, y = found.points.var(axis=0, ddof=1)
    assert x == pytest.approx(np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[-1], rel=1e-4)
    assert x > y


def test_the_same_vectors_give_the_same_map() -> None:
    vectors, settings = _two_groups(30), MapSettings(methods=("tsne", "umap"), vectors="normalised", perplexities=(5,))
    first, second = (list(layouts(vectors, settings, SAID.append)) for _ in range(2))

    assert [one.points.tolist() for one in first] == [one.points.tolist() for one in second]


@pytest.mark.parametrize("n", [4, 5, 9])
def test_a_handful_of_items_has_maps_with_fewer_neighbours(n: int) -> None:
    found = list(layouts(_two_groups(10)[:n], MapSettings(vectors="raw"), SAID.append))

    assert [one.method for one in found] == ["tsne", "umap", "pca"]
    assert found[0].parameter == pytest.approx((n - 1) / 3)
    assert all(np.isfinite(one.points).all() for one in found)


def test_too_few_items_or_no_columns_are_no_map() -> None:
    assert list(layouts(_two_groups(10)[:3], MapSettings(), SAID.append)) == []
    assert list(layouts(np.empty((10, 0), np.float32), MapSettings(), SAID.append)) == []


def test_one_column_is_a_line() -> None:
    (found,) = layouts(_two_groups(10)[:, :1], MapSettings(methods=("pca",), vectors="raw"), SAID.append)

    assert not found.points[:, 1].any()
