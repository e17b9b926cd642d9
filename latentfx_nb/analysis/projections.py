"""PCA and UMAP: fit once, transform anywhere; and how pure the neighbourhoods are (§3.1, Figures 2-8).

Samples and features are read off the dims: the features are the dim `feature` if there is one, else `dim`, and every
other dim is a sample, so a basis fitted on `(clip, effect, dim)` draws a sweep `(clip, value, dim)` or a trajectory
`(frame, dim)` as it is. `features=("dim", "frame")` flattens latents that are not stacked and reads them block by
block, so a lazily opened store (`xarray.open_zarr(..., chunks=None)`) is never in memory as a whole. Plain arrays
`[*sample feature]` give plain arrays.

PCA is exact. Where the smaller side is at most 2048, its matrix is solved: the float64 covariance of features, or the
Gram matrix of samples, whose answer is then polished. Polishing, and everything where both sides are larger, is a block
Krylov iteration (subspace iteration that keeps its earlier blocks) with Rayleigh-Ritz: one read of the store a pass,
until the residuals bound the angle of every component. Products of wide samples are float32, repeated in float64 where
that is not enough. Each core reads and multiplies a share of the samples.

UMAP is imported at the first fit that is not cached, never before. Its numba loops may start an OpenMP pool that resets
torch's thread count: set `NUMBA_THREADING_LAYER=workqueue` before Python starts.
"""

from __future__ import annotations

import importlib.metadata
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from latentfx_nb.cache import cache_dir
from latentfx_nb.nearness import Sketch, keep_near, kept_near, random_sums
from latentfx_nb.analysis.samples import Array, Blocks, Samples

RENDERS_BESIDE = 9  # a clip has ten renders (Table 1), so nine others: the largest k at which "clip" can reach 1
DENSE_SIDE = 2048  # float64 eigh of this size takes seconds; its cost grows with the cube
OUTER_BLOCKS = 4  # pairwise products hold this many blocks at a time, so the store is read that many times less often
KRYLOV_WIDTH = 16  # 256 bytes a feature and pass; real spectra settle in about five passes
KRYLOV_PASSES = 24  # spectra that need more have no direction worth drawing
ANGLE = 3e-4  # the sine that a component may be off: its cosine is then above 1 - 5e-8
SKETCH_WIDTH = 32

# What UMAP is drawn with unless it is told otherwise; pages print it beside the picture.
UMAP_NEIGHBOURS = 15
UMAP_MIN_DIST = 0.1
UMAP_METRIC = "Euclidean"
UMAP_SEED = 0

KEPT_FITS = 200
"""UMAPs whose points are kept: 60 MB of ten thousand points each."""


# --------------------------------------------------------------------------------------------------------------- PCA


@dataclass(frozen=True, eq=False)
class PCA:
    """A fitted principal component basis: `.transform(x)` places any latents with the same features in it.

    points: `[*sample component]`, the samples it was fitted on. explained: `[component]`, each component's share of
    the total variance of all features. components: `[component feature]`, orthonormal rows; in each the entry of
    largest magnitude is positive, which fixes the signs. mean: `[feature]`. angle: an upper estimate of the sine
    between any component and the exact one, 0 where a dense float64 solver gave it.
    """

    points: Array
    explained: Array
    components: Array
    mean: Array
    angle: float
    features: tuple[Hashable, ...] | None = field(repr=False)
    axes: dict[Hashable, NDArray[Any]] = field(repr=False)

    def transform(self, x: Array) -> Array:
        """Return the coordinates `[*sample component]` of `x`, with all of its sample coordinates.

        Raises ValueError if the features are not those of the fit, in number or in name, and on NaN or infinity.
        """
        rows = _precise(x, self.features)
        rows.check_features(np.shape(self.mean)[-1], self.axes)
        scores = _project(rows, np.asarray(self.mean), np.asarray(self.components).T)
        _check_finite(scores)
        return rows.label_points(scores, "PC")


def fit_pca(x: Array, n: int = 3, features: str | Sequence[Hashable] | None = None) -> PCA:
    """Return the exact `n`-dimensional PCA of `x [*sample feature]` (Figures 2-8; the paper draws n = 3).

    `features` names the dims that are flattened into features; without it they are `feature`, else `dim`, or the last
    axis of a plain array. Samples are read block by block along the first sample dim, at most 64 MiB a core.
    Data of lower rank than `n` give components of no variance, of arbitrary direction. Raises ValueError if n is
    neither 2 nor 3, if there are fewer samples or features than components, on NaN or infinity, and on samples that
    are all equal, which have no direction. Warns (RuntimeWarning) if eigenvalues too close together leave a component
    uncertain.
    """
    rows = _precise(x, features)
    _check_components(n, rows)
    start = _random_start(rows)
    mean, scatter, image, places = _moments(rows, start)
    if rows.n_features <= min(rows.n_samples, DENSE_SIDE):
        values, axes = _dense_axes(rows, mean, n)
        scores, angle = _project(rows, mean, axes), 0.0
    else:
        if not start.shape[1]:
            start = _gram_start(rows, mean)
            image, places = _scatter_times(rows, mean, start)
        values, axes, scores, angle = _krylov_axes(rows, mean, n, start, image, places)
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(n)])
    axes, scores = signs * axes, signs * scores
    return PCA(
        points=rows.label_points(scores, "PC"),
        explained=rows.label_components(np.maximum(values, 0) / scatter, "PC"),
        components=rows.label_features(axes.T, "PC"),
        mean=rows.label_features(mean),
        angle=angle,
        features=rows.features,
        axes=rows.feature_axes(),
    )


def _precise(x: Array, features: str | Sequence[Hashable] | None) -> Samples:
    """Return the samples, in float64 where they are narrow enough for that to cost nothing."""
    rows = Samples(x, features)
    return rows.in_float64() if rows.n_features <= DENSE_SIDE else rows


def _check_components(n: int, rows: Samples) -> None:
    if n not in (2, 3):
        raise ValueError(f"n={n!r} components cannot be drawn: pass n=2 or n=3")
    if rows.n_samples < n:
        raise ValueError(f"{rows.n_samples} samples cannot span n={n} components: pass at least {n} samples")
    if rows.n_features < n:
        raise ValueError(f"{rows.n_features} features cannot span n={n} components: pass n=2, or wider latents")


_limit = threading.RLock()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Keep BLAS to the thread that calls it, wherever threads or small products would only wait for its own."""
    with _limit, threadpool_limits(1, "blas"):  # limits that overlap would be lifted in the wrong order
        yield


def _pass(work: Callable[[Blocks], Any], rows: Samples, mean: NDArray[Any] | None = None) -> list[Any]:
    """Return what `work` makes of each share of the samples, less `mean`: they are read once, a thread for each core.

    Reading, converting and multiplying run beside each other.
    """
    shares = rows.shares(mean)
    if len(shares) == 1:
        return [work(shares[0])]
    with _one_blas_thread(), ThreadPoolExecutor(len(shares)) as threads:
        return list(threads.map(work, shares))


def _moments(
    rows: Samples, vectors: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean `[feature]` and the summed squared distance from it; and what `_scatter_times` does of `vectors`.

    All of it takes one read: what is summed are differences from the mean of a few samples, which also keep the
    precision that data far from the origin would lose. They are corrected once the mean of all is known.
    """
    _, first = next(rows.blocks(n=1 / 16))
    _check_samples(first, 0, rows.n_samples)
    near = first.mean(0, dtype=np.float64).astype(rows.dtype)
    vectors = np.empty((rows.n_features, 0)) if vectors is None else vectors
    single, places = vectors.astype(rows.dtype), np.empty((rows.n_samples, vectors.shape[1]))

    def sums(blocks: Blocks) -> tuple[NDArray[np.float64], float]:
        total, squares = np.zeros((vectors.shape[1] + 1, rows.n_features)), 0.0
        for position, block in blocks:
            _check_samples(block, position.start, rows.n_samples)
            apart = block - near
            along = apart @ single
            places[position] = along
            total += np.column_stack([along, np.ones(len(along), along.dtype)]).T @ apart
            squares += float(np.vecdot(apart, apart).sum(dtype=np.float64))
        return total, squares

    totals, squares = zip(*_pass(sums, rows))
    *image, shift = sum(totals)
    shift = shift / rows.n_samples
    offset = shift @ vectors
    image = np.reshape(image, vectors.shape[::-1]).T - rows.n_samples * np.outer(shift, offset)
    mean = near + shift
    scatter = sum(squares) - rows.n_samples * float(shift @ shift)
    # Equal samples leave only the rounding of their mean, far below float32's resolution of any real difference.
    if scatter <= rows.n_samples * (1e-12 * np.linalg.norm(mean)) ** 2:
        raise ValueError(
            f"all {rows.n_samples} samples are equal, so there is no direction to project on: "
            "pass latents that differ (is the sound silent, or a single clip given many times?)"
        )
    return mean, scatter, image, places - offset


def _check_samples(block: NDArray[Any], start: int, n_samples: int) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        bad = ~np.isfinite(block @ np.ones(block.shape[1], block.dtype))
    if bad.any():
        raise ValueError(
            f"x has NaN or infinite features, first in sample {start + int(bad.argmax())} of {n_samples}: "
            "drop those samples, or encode them again"
        )


def _dense_axes(rows: Samples, mean: NDArray[Any], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the leading eigenvalues and axes `[feature component]` of the float64 scatter matrix."""
    scatter = np.zeros((rows.n_features, rows.n_features))
    for _, block in rows.blocks(mean):
        scatter += block.T @ block
    values, vectors = np.linalg.eigh(scatter)
    return values[: -n - 1 : -1], vectors[:, : -n - 1 : -1]


def _random_start(rows: Samples) -> NDArray[np.float64]:
    """Return the orthonormal block `[feature width]` from which the Krylov iteration starts; none where it need not."""
    needed = min(rows.n_samples, rows.n_features) > DENSE_SIDE
    directions = np.random.default_rng(0).standard_normal((rows.n_features, KRYLOV_WIDTH if needed else 0))
    return np.linalg.qr(directions)[0]


def _gram_start(rows: Samples, mean: NDArray[Any]) -> NDArray[np.float64]:
    """Return the Gram matrix's answer, which leaves the Krylov iteration no more than float32's rounding to undo."""
    width = min(KRYLOV_WIDTH, rows.n_samples, rows.n_features)
    leading = np.linalg.eigh(_gram(rows, mean))[1][:, : -width - 1 : -1]
    start = np.zeros((rows.n_features, width))
    for position, block in rows.blocks(mean):
        start += block.T @ leading[position].astype(block.dtype)
    return np.linalg.qr(start)[0]


def _gram(rows: Samples, mean: NDArray[Any]) -> NDArray[np.float64]:
    """Return the inner products `[sample sample]` of the centred samples."""
    gram = np.zeros((rows.n_samples, rows.n_samples))
    for outer, left in rows.blocks(mean, OUTER_BLOCKS):
        gram[outer, outer] = left @ left.T
        for inner, right in rows.blocks(mean, start=outer.stop):
            gram[outer, inner] = left @ right.T
            gram[inner, outer] = gram[outer, inner].T
    return gram


def _krylov_axes(
    rows: Samples, mean: NDArray[Any], n: int, start: NDArray[Any], image: NDArray[Any], places: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Return leading eigenvalues, axes `[feature component]`, scores `[sample component]` and the bound on angles."""
    with _one_blas_thread():
        values, axes, scores, angle = _krylov(rows, mean, n, start, image, places)
        if angle > ANGLE and rows.dtype == np.float32:  # components a thousand times weaker than the first need float64
            rows = rows.in_float64()
            values, axes, scores, angle = _krylov(rows, mean, n, axes, *_scatter_times(rows, mean, axes))
    if angle > ANGLE:
        warnings.warn(
            f"PCA stopped with components up to {angle:.1e} (sine) off, not {ANGLE:.0e}: "
            "the leading eigenvalues lie so close together that the data hardly tell these axes apart",
            RuntimeWarning,
            stacklevel=3,
        )
    return values[:n], axes[:, :n], scores[:, :n], angle


def _krylov(
    rows: Samples, mean: NDArray[Any], n: int, basis: NDArray[Any], images: NDArray[Any], places: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Return eigenvalues, as many Ritz vectors as `basis` has, the samples' places along them, and the bound on `n`.

    `images` and `places` are what `_scatter_times` gives for `basis`. A pass reads x once and adds a block to all
    three; the last places are the scores, so that the samples need not be read again for them.
    """
    width = basis.shape[1]
    while True:
        small = basis.T @ images
        values, mixing = np.linalg.eigh((small + small.T) / 2)
        values, mixing = values[::-1], mixing[:, ::-1]
        lead = mixing[:, :n]
        residuals = np.linalg.norm(images @ lead - basis @ (lead * values[:n]), axis=0)
        angle = _angle(values, residuals)
        # Where only rounding is left, further passes in this precision add nothing.
        rounding = residuals.max() <= 4 * np.finfo(rows.dtype).eps * values[0]
        if angle <= ANGLE or rounding or basis.shape[1] >= KRYLOV_PASSES * width:
            return values, basis @ mixing[:, :width], places @ mixing[:, :width], angle
        block = images[:, -width:]
        for _ in range(2):  # once is not orthogonal enough in floating point; twice is
            block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
        image, place = _scatter_times(rows, mean, block)
        basis, images, places = np.hstack([basis, block]), np.hstack([images, image]), np.hstack([places, place])


def _scatter_times(
    rows: Samples, mean: NDArray[Any], vectors: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scatter matrix times `vectors`, `[feature vector]`, and the samples' places along them."""
    single = vectors.astype(rows.dtype)
    places = np.empty((rows.n_samples, vectors.shape[1]))

    def product(blocks: Blocks) -> NDArray[np.float64]:
        total = np.zeros(vectors.shape[::-1])
        for position, block in blocks:
            along = block @ single
            places[position] = along
            total += along.T @ block
        return total

    return sum(_pass(product, rows, mean)).T, places


def _angle(values: NDArray[Any], residuals: NDArray[Any]) -> float:
    """Return the largest residual over gap, which bounds the sine between a Ritz vector and its eigenvector.

    Where two eigenvalues agree to 1e-3 the axes within their plane are not defined, so the gap counts as 1e-3 of the
    value, and residuals at float64 noise of the largest value count as none.
    """
    n = len(residuals)
    steps = -np.diff(np.r_[np.inf, values, 0.0])
    gaps = np.maximum(np.minimum(steps[:n], steps[1 : n + 1]), 1e-3 * values[:n])
    negligible = residuals <= 1e-13 * values[0]
    return float(np.where(negligible, 0.0, residuals / np.where(negligible, 1.0, gaps)).max())


def _check_finite(scores: NDArray[Any]) -> None:
    bad = ~np.isfinite(scores).all(1)
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {len(scores)} samples of x have NaN or infinite features, first sample {bad.argmax()}: "
            "drop those samples, or encode them again"
        )


def _project(rows: Samples, mean: NDArray[Any], axes: NDArray[Any]) -> NDArray[np.float64]:
    scores = np.empty((rows.n_samples, axes.shape[1]))

    def place(blocks: Blocks) -> None:
        for position, block in blocks:
            scores[position] = block @ axes.astype(block.dtype)

    _pass(place, rows, mean)
    return scores


# -------------------------------------------------------------------------------------------------------------- UMAP


class UMAP:
    """A fitted UMAP: `.points [*sample component]`, and `.transform(x)`, which places new latents among them.

    The model behind `.transform` is made when it is first needed: points found in the cache neither import umap nor
    wait for its compiler. The model is then fitted with the same data and seed and given the cached points, so new
    samples land among the points that are shown.
    """

    def __init__(self, rows: Samples, mean: NDArray[Any], spread: float, settings: dict[str, Any], cache: bool) -> None:
        self._rows, self._mean, self._spread, self._settings, self._model = rows, mean, spread, settings, None
        self._lock = threading.Lock()  # a panel's slider and a notebook cell may both ask first
        self._placed = np.asarray(self._kept() if cache else self._fit().embedding_, np.float32)
        self.points: Array = rows.label_points(self._placed.copy(), "UMAP")

    def _kept(self) -> NDArray[Any]:
        """Return the points in the cache; if there are none yet, those of a fit, which then are."""
        folder, sketch = cache_dir() / "umap", _sketch(self._rows, self._mean)
        versions = {name: importlib.metadata.version(name) for name in ("umap-learn", "numba")}
        name = repr((self._rows.n_samples, self._rows.n_features, sorted(self._settings.items()), versions))
        placed = kept_near(folder, name, sketch)
        if placed is None:
            placed = self._fit().embedding_
            keep_near(folder, name, sketch, placed, "the fitted UMAP", KEPT_FITS)
        return placed

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the model, which is fitted again where it is needed, and the lock."""
        return {**vars(self), "_model": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        return f"UMAP({self._rows.n_samples} samples of {self._rows.n_features} features, {self._settings})"

    def transform(self, x: Array) -> Array:
        """Return where the samples of `x` fall among the fitted points, `[*sample component]` float32.

        Samples equal to fitted ones land near them; only the whole fitted set lands on them. The first call compiles
        for a second, or, if the points came from the cache, fits the model first. Raises ValueError if the features
        are not those of the fit, and on NaN or infinity.
        """
        rows = _precise(x, self._rows.features)
        rows.check_features(self._rows.n_features, self._rows.feature_axes())
        if not rows.n_samples:
            return rows.label_points(self._placed[:0], "UMAP")
        stand_in = _stand_in(rows, self._mean, self._spread)
        _check_finite(stand_in)
        with self._lock:
            model = self._fit() if self._model is None else self._model
            model.embedding_ = self._placed
            model.knn_search_index.found = _nearest(rows, self._rows, self._mean, self._settings["n_neighbors"])
            return rows.label_points(np.array(model.transform(stand_in)), "UMAP")

    def _fit(self) -> Any:
        found = _nearest(self._rows, None, self._mean, self._settings["n_neighbors"])
        with warnings.catch_warnings():
            # umap announces at import that its TensorFlow variant is missing, and at the fit that our exact search is
            # not pynndescent's; both are meant.
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            warnings.filterwarnings("ignore", r"precomputed_knn\[2\] \(knn_search_index\) is not an NNDescent")
            import umap

            model = umap.UMAP(**self._settings, n_jobs=1, precomputed_knn=(*found, _FoundNeighbours()))
            self._model = model.fit(_stand_in(self._rows, self._mean, self._spread))
        return self._model


class _FoundNeighbours:
    """What umap calls its search index: it hands over neighbours that `_nearest` found, so nothing is compiled."""

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
) -> UMAP:
    """Return a seeded `n`-dimensional UMAP of `x [*sample feature]` (Figures 3-5; the paper states no settings).

    The neighbours are exact and found here, which halves umap's first fit and spares `transform` an index: on a wide
    matrix they are read from the store in blocks. The same data, seed and machine give the same points, bit for bit.
    They are kept in the cache folder unless `cache` is False, and found for the same settings and data that differ in
    last bits only, as another processor makes them. `features` as in `fit_pca`. Raises ValueError if n is neither 2 nor
    3, if there are fewer than n + 2 samples or n features, if n_neighbors is below 2 or not below the number of
    samples, if min_dist is not from 0 to 1, on NaN or infinity, and on samples that are all equal.
    """
    rows = _precise(x, features)
    _check_components(n, rows)
    if rows.n_samples < n + 2:  # umap begins with n + 1 eigenvectors of a graph, which has to have more samples
        raise ValueError(
            f"UMAP places no fewer than {n + 2} samples by n={n} components, here are {rows.n_samples}: pass more, or "
            "call fit_pca"
        )
    if not 2 <= n_neighbors < rows.n_samples:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be from 2 to {rows.n_samples - 1} with {rows.n_samples} samples: "
            "pass another n_neighbors, or more samples"
        )
    if not 0 <= min_dist <= 1:
        raise ValueError(f"min_dist={min_dist} must be from 0 to 1, the spread of the points")
    mean, scatter, *_ = _moments(rows)
    settings = {
        "n_components": n,
        "n_neighbors": int(n_neighbors),
        "min_dist": float(min_dist),
        "random_state": int(seed),
        "transform_seed": int(seed),
    }
    return UMAP(rows, mean, np.sqrt(scatter / rows.n_samples), settings, cache)


def _stand_in(rows: Samples, mean: NDArray[Any], spread: float) -> NDArray[np.float32]:
    """Return what umap is shown as the data, `[sample feature]`.

    Given the neighbours, it looks at the data only to arrange clusters that no neighbour connects. There it takes
    exp(-distance^2), which vanishes for latents of any size, so distances are measured in the samples' rms distance
    from their mean; and wide features are replaced by a random projection, which keeps distances to about an eighth.
    """
    if rows.n_features <= DENSE_SIDE:
        return np.concatenate([block for _, block in rows.blocks(mean)]).astype(np.float32) / np.float32(spread)
    directions = np.random.default_rng(0).standard_normal((rows.n_features, SKETCH_WIDTH), np.float32)
    return _project(rows, mean, directions / (np.sqrt(SKETCH_WIDTH) * spread)).astype(np.float32)


def _sketch(rows: Samples, mean: NDArray[Any]) -> Sketch:
    """Return what the cache knows samples by, as they lie about their mean."""
    sums = np.concatenate([random_sums(block) for _, block in rows.blocks(mean)])
    return Sketch.of(sums, np.zeros(len(sums), np.intp))


# -------------------------------------------------------------------------------------------------------- neighbours


def neighbours(
    x: Array, k: int = RENDERS_BESIDE, features: str | Sequence[Hashable] | None = None
) -> NDArray[np.int32]:
    """Return the `k` nearest other samples of each sample, `[sample k]`, nearest first (Euclidean, exact).

    Samples are counted in the order of `x`'s sample dims, the last one fastest. Raises ValueError if k is below 1 or
    not below the number of samples, and on NaN.
    """
    rows = _precise(x, features)
    if not 1 <= k < rows.n_samples:
        raise ValueError(
            f"k={k} neighbours must be from 1 to {rows.n_samples - 1} with {rows.n_samples} samples: pass another k"
        )
    mean, *_ = _moments(rows)
    return _nearest(rows, None, mean, k + 1)[0][:, 1:]


def neighbour_purity(
    x: Array,
    labels: str | ArrayLike | xr.DataArray,
    k: int = RENDERS_BESIDE,
    features: str | Sequence[Hashable] | None = None,
) -> float:
    """Return the mean share, 0-1, of each sample's `k` nearest others that carry its label (Euclidean, exact).

    `labels` names a coordinate of `x`, or is an array with one label per sample; a labelled one may lack dims of `x`.
    Under random labels the expected share is the chance that two samples drawn without replacement agree. k is 9, for
    the nine other renders of a clip: with more, "same clip" could not reach 1; every label is judged at the same k.
    Raises ValueError if the labels do not fit the samples; k as in `neighbours`.
    """
    codes = Samples(x, features).labels(labels)  # labels that do not fit are an error before the search, not after
    return _purity(neighbours(x, k, features), codes)


def purity_table(
    x: xr.DataArray,
    by: Sequence[str] = ("effect", "instrument", "clip"),
    k: int = RENDERS_BESIDE,
    features: str | Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Return `purity` and `chance` (0-1) per label, one row for each coordinate or dim in `by` (§3.1).

    They put a number on what Figures 3-5 show. Measured on latents they describe the model, on `.points` (pass
    `features="component"`) the picture. k and chance as in `neighbour_purity`.
    """
    rows = _precise(x, features)
    codes = {label: rows.labels(label) for label in by}
    near = neighbours(x, k, features)
    table = {label: {"purity": _purity(near, code), "chance": _chance(code)} for label, code in codes.items()}
    return pd.DataFrame.from_dict(table, orient="index", columns=["purity", "chance"]).rename_axis("label")


def _purity(near: NDArray[np.int32], codes: NDArray[np.intp]) -> float:
    return float((codes[near] == codes[:, None]).mean())


def _chance(codes: NDArray[np.intp]) -> float:
    counts = np.bincount(codes).astype(float)
    return float((counts * (counts - 1)).sum() / (len(codes) * (len(codes) - 1)))


def _nearest(
    queries: Samples, rows: Samples | None, mean: NDArray[Any], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return indices and distances `[query k]` of the `k` nearest rows, nearest first.

    Without `rows` the queries are searched themselves, and each is its own first neighbour, whatever equals it.
    """
    indices = np.empty((queries.n_samples, k), np.int32)
    distances = np.empty((queries.n_samples, k), np.float32)
    for outer, left in queries.blocks(mean, OUTER_BLOCKS):
        nearest = np.empty((len(left), 0), np.int32), np.empty((len(left), 0), left.dtype)
        for inner, right in (queries if rows is None else rows).blocks(mean):
            for start in range(0, len(right), DENSE_SIDE):  # bounds the table of distances, not the read
                part = right[start : start + DENSE_SIDE]
                offset = inner.start + start
                squares = _squared_distances(left, part)
                if rows is None:
                    own = np.arange(max(outer.start, offset), min(outer.stop, offset + len(part)))
                    squares[own - outer.start, own - offset] = -1
                nearest = _keep_nearest(nearest, offset, squares, k)
        indices[outer], distances[outer] = nearest[0], np.sqrt(np.maximum(nearest[1], 0))
    return indices, distances


def _squared_distances(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    lengths = np.einsum("ij,ij->i", right, right)
    squares = -2 * (left @ right.T) + lengths + np.einsum("ij,ij->i", left, left)[:, None]
    return np.maximum(squares, 0, out=squares)


def _keep_nearest(
    nearest: tuple[NDArray[np.int32], NDArray[Any]], offset: int, squares: NDArray[Any], k: int
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    new = np.broadcast_to(np.arange(offset, offset + squares.shape[1], dtype=np.int32), squares.shape)
    indices, squares = np.hstack([nearest[0], new]), np.hstack([nearest[1], squares])
    if squares.shape[1] > k:
        some = np.argpartition(squares, k - 1, axis=1)[:, :k]
        indices, squares = np.take_along_axis(indices, some, 1), np.take_along_axis(squares, some, 1)
    order = np.argsort(squares, axis=1, kind="stable")
    return np.take_along_axis(indices, order, 1), np.take_along_axis(squares, order, 1)
