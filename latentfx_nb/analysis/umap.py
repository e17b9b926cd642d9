"""UMAP (Figures 3-5): fitted once, kept in the cache, and new points placed among the fitted ones.

umap is imported at the first fit that is not cached, never before. Its numba loops may start an OpenMP pool that resets
torch's thread count: set `NUMBA_THREADING_LAYER=workqueue` before Python starts.
"""

from __future__ import annotations

import importlib.metadata
import threading
import warnings
from collections.abc import Hashable, Sequence
from typing import Any, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.analysis.neighbours import nearest
from latentfx_nb.analysis.passes import (
    DENSE_SIDE,
    check_components,
    check_points_finite,
    mean_and_scatter,
    precise,
    project,
)
from latentfx_nb.analysis.samples import Array, Samples
from latentfx_nb.cache import cache_dir
from latentfx_nb.nearness import Sketch, keep_near, kept_near, random_sums

SKETCH_WIDTH = 32  # dims that wide features are projected to for umap's layout

# What UMAP is drawn with unless it is told otherwise; pages print it beside the picture.
UMAP_NEIGHBOURS = 15
UMAP_MIN_DIST = 0.1
UMAP_METRIC = "Euclidean"
UMAP_SEED = 0

KEPT_FITS = 200
"""UMAPs whose points are kept: 60 MB of ten thousand points each."""


class UMAP:
    """A fitted UMAP: `.points [*sample component]`, and `.transform(x)`, which places new latents among them.

    The model behind `.transform` is fitted when it is first needed, with the same data and seed: points found in the
    cache neither import umap nor wait for its compiler. The model is given the cached points, so new samples land among
    those that are shown.
    """

    def __init__(
        self,
        samples: Samples,
        mean: NDArray[Any],
        spread: float,
        settings: dict[str, Any],
        cache: bool,
        points: NDArray[Any] | None = None,
    ) -> None:
        self._samples, self._mean, self._spread, self._settings, self._model = samples, mean, spread, settings, None
        self._lock = threading.Lock()  # a panel's slider and a notebook cell may both ask first
        if points is None:
            points = self._kept() if cache else self._fit().embedding_
        self._placed = np.asarray(points, np.float32)
        self.points: Array = samples.label_points(self._placed.copy(), "UMAP")

    def _kept(self) -> NDArray[Any]:
        """Return the points in the cache; if there are none yet, fit and keep them."""
        folder, sketch = cache_dir() / "umap", _sketch(self._samples, self._mean)
        versions = {name: importlib.metadata.version(name) for name in ("umap-learn", "numba")}
        name = repr((self._samples.n_samples, self._samples.n_features, sorted(self._settings.items()), versions))
        placed = kept_near(folder, name, sketch)
        if placed is None:
            placed = self._fit().embedding_
            keep_near(folder, name, sketch, placed, "the fitted UMAP", KEPT_FITS)
        return placed

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the lock and the model, which is fitted again when it is needed."""
        return {**vars(self), "_model": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        return f"UMAP({self._samples.n_samples} samples of {self._samples.n_features} features, {self._settings})"

    @overload
    def transform(self, x: xr.DataArray) -> xr.DataArray: ...
    @overload
    def transform(self, x: NDArray[Any]) -> NDArray[Any]: ...
    def transform(self, x: Array) -> Array:
        """Return where the samples of `x` fall among the fitted points, `[*sample component]` float32.

        Samples equal to fitted ones land near them; only the whole fitted set lands on them. The first call compiles
        for a second, or, if the points came from the cache, fits the model first. Raises ValueError if the features
        are not those of the fit, and on NaN or infinity.
        """
        samples = precise(x, self._samples.features)
        samples.check_features(self._samples.n_features, self._samples.feature_axes())
        if not samples.n_samples:
            return samples.label_points(self._placed[:0], "UMAP")
        stand_in = _stand_in(samples, self._mean, self._spread)
        check_points_finite(stand_in)
        with self._lock:
            model = self._fit() if self._model is None else self._model
            model.embedding_ = self._placed
            model.knn_search_index.found = nearest(samples, self._samples, self._mean, self._settings["n_neighbors"])
            return samples.label_points(np.array(model.transform(stand_in)), "UMAP")

    def _fit(self) -> Any:
        found = nearest(self._samples, None, self._mean, self._settings["n_neighbors"])
        with warnings.catch_warnings():
            # umap announces at import that its TensorFlow variant is missing, and at the fit that our exact search is
            # not pynndescent's; both are meant.
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            warnings.filterwarnings("ignore", r"precomputed_knn\[2\] \(knn_search_index\) is not an NNDescent")
            import umap

            model = umap.UMAP(**self._settings, n_jobs=1, precomputed_knn=(*found, _FoundNeighbours()))
            self._model = model.fit(_stand_in(self._samples, self._mean, self._spread))
        return self._model


class _FoundNeighbours:
    """Stands for umap's search index and returns the neighbours that `nearest` found, so that nothing is compiled."""

    _angular_trees = False  # umap asks in order to choose the accuracy of an approximate search
    found: tuple[NDArray[np.int32], NDArray[np.float32]]

    def query(self, stand_in: NDArray[Any], k: int, epsilon: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        return self.found


def fit_umap(
    x: Array,
    n: int = 3,
    seed: int = UMAP_SEED,
    *,
    n_neighbors: int = UMAP_NEIGHBOURS,
    min_dist: float = UMAP_MIN_DIST,
    features: str | Sequence[Hashable] | None = None,
    cache: bool = True,
    points: NDArray[Any] | None = None,
) -> UMAP:
    """Return a seeded `n`-dimensional UMAP of `x [*sample feature]` (Figures 3-5; the paper states no settings).

    The neighbours are exact and found here, which halves umap's first fit and spares `transform` an index: on a wide
    matrix they are read from the store in blocks. The same data, seed and machine give the same points, bit for bit.
    They are kept in the cache folder unless `cache` is False, and found again for the same settings and for data that
    differ in last bits only, as another processor makes them. `features` as in `fit_pca`. `points [sample component]`
    of a UMAP of the same samples, made elsewhere, stand in for new ones: then nothing is fitted before `.transform`.

    Raises ValueError if n is neither 2 nor 3, if there are fewer than n + 2 samples or n features, if n_neighbors is
    below 2 or not below the number of samples, if min_dist is not from 0 to 1, on NaN or infinity, and on samples that
    are all equal.
    """
    samples = precise(x, features)
    check_components(n, samples)
    if samples.n_samples < n + 2:  # umap begins with n + 1 eigenvectors of a graph, which has to have more samples
        raise ValueError(
            f"UMAP places no fewer than {n + 2} samples by n={n} components, here are {samples.n_samples}: "
            "pass more, or call fit_pca"
        )
    if not 2 <= n_neighbors < samples.n_samples:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be from 2 to {samples.n_samples - 1} with {samples.n_samples} samples: "
            "pass another n_neighbors, or more samples"
        )
    if not 0 <= min_dist <= 1:
        raise ValueError(f"min_dist={min_dist} must be from 0 to 1, the spread of the points")
    mean, scatter, *_ = mean_and_scatter(samples)
    settings = {
        "n_components": n,
        "n_neighbors": int(n_neighbors),
        "min_dist": float(min_dist),
        "random_state": int(seed),
        "transform_seed": int(seed),
    }
    if points is not None and points.shape != (samples.n_samples, n):
        raise ValueError(
            f"points of shape {points.shape} are not those of {samples.n_samples} samples in {n} dimensions"
        )
    return UMAP(samples, mean, np.sqrt(scatter / samples.n_samples), settings, cache, points)


def _stand_in(samples: Samples, mean: NDArray[Any], spread: float) -> NDArray[np.float32]:
    """Return the data that umap is given in place of the samples, `[sample feature]`.

    With given neighbours, umap uses the data only to arrange clusters that no neighbour connects. There it takes
    exp(-distance^2), which vanishes for latents of any size, so distances are measured in the samples' rms distance
    from their mean; and wide features are replaced by a random projection, which keeps distances to about an eighth.
    """
    if samples.n_features <= DENSE_SIDE:
        return np.concatenate([block for _, block in samples.blocks(mean)]).astype(np.float32) / np.float32(spread)
    directions = np.random.default_rng(0).standard_normal((samples.n_features, SKETCH_WIDTH), np.float32)
    return project(samples, mean, directions / (np.sqrt(SKETCH_WIDTH) * spread)).astype(np.float32)


def _sketch(samples: Samples, mean: NDArray[Any]) -> Sketch:
    """Return the sketch by which the cache knows the samples, taken about their mean."""
    sums = np.concatenate([random_sums(block) for _, block in samples.blocks(mean)])
    return Sketch.of(sums, np.zeros(len(sums), np.intp))
