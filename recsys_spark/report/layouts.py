"""Vectors laid out on a plane: by PCA, t-SNE and UMAP, as the libraries that are kept for it do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from recsys_spark.kernels.arrays import F32
from recsys_spark.kernels.similarity import unit_rows
from recsys_spark.report.settings import MapSettings, Method

FEWEST = 4
"""Vectors that are worth a map."""


class Layout(NamedTuple):
    """One map."""

    method: Method
    parameter: float | None
    """tsne: the perplexity; umap: the number of neighbours."""

    normalised: bool
    """Whether vectors were brought to length 1 before."""

    points: F32
    """f32[n, 2]"""

    @property
    def name(self) -> str:
        """As a reader is told."""
        told = {"pca": "PCA", "tsne": f"t-SNE, perplexity {self.parameter:g}" if self.parameter else "", "umap": ""}
        if self.method == "umap":
            return f"UMAP, {self.parameter:g} neighbours"
        return told[self.method]


def layouts(vectors: F32, settings: MapSettings, say: Callable[[str], None]) -> Iterator[Layout]:
    """Every map that was asked for.

    Perplexities and neighbours are lowered where there are too few vectors. The same vectors give the same maps on
    one machine; t-SNE and UMAP add up in another order on another kind of CPU.

    Args:
        vectors: f32[n, k].
        settings: which maps.
        say: told of each map that is begun, since some take minutes.
    """
    n = len(vectors)
    if n < FEWEST or not vectors.shape[1]:
        return
    spread = {"raw": (False,), "normalised": (True,), "both": (False, True)}[settings.vectors]
    for normalised in spread:
        rows = unit_rows(vectors) if normalised else vectors
        for method in settings.methods:
            for parameter in _parameters(method, settings, n):
                layout = Layout(method, parameter, normalised, np.empty((0, 2), np.float32))
                say(f"map of {n:,} items: {layout.name}{', normalised' if normalised else ''}")
                yield layout._replace(points=_points(rows, layout, settings.seed))


def _parameters(method: Method, settings: MapSettings, n: int) -> list[float | None]:
    if method == "pca":
        return [None]
    if method == "umap":
        return [float(min(settings.neighbours, n - 1))]
    # a perplexity of a third of the others is the most that has a meaning
    found: list[float | None] = [*sorted({min(perplexity, (n - 1) / 3) for perplexity in settings.perplexities})]
    return found


def _points(rows: F32, layout: Layout, seed: int) -> F32:
    found = {"pca": _pca, "tsne": _tsne, "umap": _umap}[layout.method](rows, layout.parameter, seed)
    points: F32 = np.ascontiguousarray(found, np.float32)
    return points


def _pca(rows: F32, _: float | None, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    if rows.shape[1] == 1:
        return np.column_stack((rows, np.zeros_like(rows)))
    found: np.ndarray = PCA(2, svd_solver="covariance_eigh", random_state=seed).fit_transform(rows.astype(np.float64))
    return found


def _tsne(rows: F32, perplexity: float | None, seed: int) -> np.ndarray:
    from openTSNE import TSNE

    assert perplexity is not None
    # one thread: OpenMP's wait for each other while a driver does something else
    return np.asarray(TSNE(perplexity=perplexity, random_state=seed, n_jobs=1).fit(rows))


def _umap(rows: F32, neighbours: float | None, seed: int) -> np.ndarray:
    import warnings

    with warnings.catch_warnings():
        # of TensorFlow, which its parametric kind would need, and of repeated vectors
        warnings.simplefilter("ignore")
        from umap import UMAP

        assert neighbours is not None
        # too few points for the spectral start
        start = "spectral" if len(rows) > 15 else "random"
        found: np.ndarray = UMAP(n_neighbors=int(neighbours), random_state=seed, n_jobs=1, init=start).fit_transform(
            rows
        )
    return found
