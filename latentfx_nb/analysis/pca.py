"""PCA: fit once, transform anywhere (Figures 2 and 6-8).

A basis fitted on `(clip, effect, dim)` draws a sweep `(clip, value, dim)` or a trajectory `(frame, dim)` as it is:
`samples` says which dims are features. `features=("dim", "frame")` flattens latents that are not stacked and reads them
block by block, so a lazily opened store (`xarray.open_zarr(..., chunks=None)`) is never in memory as a whole.

PCA is exact. Where the smaller side is at most 2048, its matrix is solved: the float64 covariance of features, or the
Gram matrix of samples, whose answer is then polished. Polishing, and everything where both sides are larger, is a block
Krylov iteration (subspace iteration that keeps its earlier blocks) with Rayleigh-Ritz: one read of the store a pass,
until the residuals bound the angle of every component. Products of wide samples are float32, repeated in float64 where
that is not enough. Each core reads and multiplies a share of the samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.analysis.passes import (
    DENSE_SIDE,
    OUTER_BLOCKS,
    check_components,
    check_points_finite,
    mean_and_scatter,
    one_blas_thread,
    one_pass,
    precise,
    project,
)
from latentfx_nb.analysis.samples import Array, Blocks, Samples

KRYLOV_WIDTH = 16  # 256 bytes a feature and pass; real spectra settle in about five passes
KRYLOV_PASSES = 24  # spectra that need more have no direction worth drawing
ANGLE = 3e-4  # the sine that a component may be off: its cosine is then above 1 - 5e-8


Kind = TypeVar("Kind", xr.DataArray, NDArray[Any])
"""What was fitted: labelled arrays, or plain ones."""


@dataclass(frozen=True, eq=False)
class PCA(Generic[Kind]):
    """A fitted principal component basis: `.transform(x)` places any latents with the same features in it.

    points: `[*sample component]`, the samples it was fitted on. explained: `[component]`, each component's share of
    the total variance of all features. components: `[component feature]`, orthonormal rows; in each the entry of
    largest magnitude is positive, which fixes the signs. mean: `[feature]`. angle: an upper estimate of the sine
    between any component and the exact one, 0 where a dense float64 solver gave it.
    """

    points: Kind
    explained: Kind
    components: Kind
    mean: Kind
    angle: float
    features: tuple[Hashable, ...] | None = field(repr=False)
    axes: dict[Hashable, NDArray[Any]] = field(repr=False)

    @overload
    def transform(self, x: xr.DataArray) -> xr.DataArray: ...
    @overload
    def transform(self, x: NDArray[Any]) -> NDArray[Any]: ...
    def transform(self, x: Array) -> Array:
        """Return the coordinates `[*sample component]` of `x`, with all of its sample coordinates.

        Raises ValueError if the features are not those of the fit, in number or in name, and on NaN or infinity.
        """
        samples = precise(x, self.features)
        samples.check_features(np.shape(self.mean)[-1], self.axes)
        scores = project(samples, np.asarray(self.mean), np.asarray(self.components).T)
        check_points_finite(scores)
        return _with_shares(samples.label_points(scores, "PC"), self.explained)


@overload
def fit_pca(x: xr.DataArray, n: int = 3, features: str | Sequence[Hashable] | None = None) -> PCA[xr.DataArray]: ...
@overload
def fit_pca(x: NDArray[Any], n: int = 3, features: str | Sequence[Hashable] | None = None) -> PCA[NDArray[Any]]: ...
def fit_pca(x: Array, n: int = 3, features: str | Sequence[Hashable] | None = None) -> PCA[Any]:
    """Return the exact `n`-dimensional PCA of `x [*sample feature]` (Figures 2-8; the paper draws n = 3).

    `features` names the dims that are flattened into features; without it they are `feature`, else `dim`, or the last
    axis of a plain array. Samples are read block by block along the first sample dim, at most 64 MiB a core.
    Data of lower rank than `n` give components of no variance, of arbitrary direction. Raises ValueError if n is
    neither 2 nor 3, if there are fewer samples or features than components, on NaN or infinity, and on samples that
    are all equal, which have no direction. Warns (RuntimeWarning) if eigenvalues too close together leave a component
    uncertain.
    """
    samples = precise(x, features)
    check_components(n, samples)
    start = _random_start(samples)
    mean, scatter, image, places = mean_and_scatter(samples, start)
    if samples.n_features <= min(samples.n_samples, DENSE_SIDE):
        values, axes = _dense_axes(samples, mean, n)
        scores, angle = project(samples, mean, axes), 0.0
    else:
        if not start.shape[1]:
            start = _gram_start(samples, mean)
            image, places = _scatter_times(samples, mean, start)
        values, axes, scores, angle = _krylov_axes(samples, mean, n, start, image, places)
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(n)])
    axes, scores = signs * axes, signs * scores
    explained = samples.label_components(np.maximum(values, 0) / scatter, "PC")
    return PCA(
        points=_with_shares(samples.label_points(scores, "PC"), explained),
        explained=explained,
        components=samples.label_features(axes.T, "PC"),
        mean=samples.label_features(mean),
        angle=angle,
        features=samples.features,
        axes=samples.feature_axes(),
    )


def _with_shares(points: Array, explained: Array) -> Array:
    """Return points whose components, if they are labelled, know their shares of the variance: the axes' names.

    What else `explained` knows of the components, these points know too.
    """
    if isinstance(points, np.ndarray):
        return points
    known = {"explained": [round(float(share), 4) for share in np.asarray(explained)]}
    if isinstance(explained, xr.DataArray):
        known = {**explained["component"].attrs, **known}
    return points.assign_coords(component=points["component"].assign_attrs(known))


def _dense_axes(samples: Samples, mean: NDArray[Any], n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the leading eigenvalues and axes `[feature component]` of the float64 scatter matrix."""
    scatter = np.zeros((samples.n_features, samples.n_features))
    for _, block in samples.blocks(mean):
        scatter += block.T @ block
    values, vectors = np.linalg.eigh(scatter)
    return values[: -n - 1 : -1], vectors[:, : -n - 1 : -1]


def _random_start(samples: Samples) -> NDArray[np.float64]:
    """Return the orthonormal block `[feature width]` from which the Krylov iteration starts; none where it need not."""
    needed = min(samples.n_samples, samples.n_features) > DENSE_SIDE
    directions = np.random.default_rng(0).standard_normal((samples.n_features, KRYLOV_WIDTH if needed else 0))
    return np.linalg.qr(directions)[0]


def _gram_start(samples: Samples, mean: NDArray[Any]) -> NDArray[np.float64]:
    """Return the Gram matrix's answer, which leaves the Krylov iteration no more than float32's rounding to undo."""
    width = min(KRYLOV_WIDTH, samples.n_samples, samples.n_features)
    leading = np.linalg.eigh(_gram(samples, mean))[1][:, : -width - 1 : -1]
    start = np.zeros((samples.n_features, width))
    for position, block in samples.blocks(mean):
        start += block.T @ leading[position].astype(block.dtype)
    return np.linalg.qr(start)[0]


def _gram(samples: Samples, mean: NDArray[Any]) -> NDArray[np.float64]:
    """Return the inner products `[sample sample]` of the centred samples."""
    gram = np.zeros((samples.n_samples, samples.n_samples))
    for outer, left in samples.blocks(mean, OUTER_BLOCKS):
        gram[outer, outer] = left @ left.T
        for inner, right in samples.blocks(mean, start=outer.stop):
            gram[outer, inner] = left @ right.T
            gram[inner, outer] = gram[outer, inner].T
    return gram


def _krylov_axes(
    samples: Samples, mean: NDArray[Any], n: int, start: NDArray[Any], image: NDArray[Any], places: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Return leading eigenvalues, axes `[feature component]`, scores `[sample component]` and the bound on angles."""
    with one_blas_thread():
        values, axes, scores, angle = _krylov(samples, mean, n, start, image, places)
        if angle > ANGLE and samples.dtype == np.float32:  # for components a thousand times weaker
            samples = samples.in_float64()
            values, axes, scores, angle = _krylov(samples, mean, n, axes, *_scatter_times(samples, mean, axes))
    if angle > ANGLE:
        warnings.warn(
            f"PCA stopped with components up to {angle:.1e} (sine) off, not {ANGLE:.0e}: "
            "the leading eigenvalues lie so close together that the data hardly tell these axes apart",
            RuntimeWarning,
            stacklevel=3,
        )
    return values[:n], axes[:, :n], scores[:, :n], angle


def _krylov(
    samples: Samples, mean: NDArray[Any], n: int, basis: NDArray[Any], images: NDArray[Any], places: NDArray[Any]
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
        rounding = residuals.max() <= 4 * np.finfo(samples.dtype).eps * values[0]
        if angle <= ANGLE or rounding or basis.shape[1] >= KRYLOV_PASSES * width:
            return values, basis @ mixing[:, :width], places @ mixing[:, :width], angle
        block = images[:, -width:]
        for _ in range(2):  # once is not orthogonal enough in floating point; twice is
            block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
        image, place = _scatter_times(samples, mean, block)
        basis, images, places = np.hstack([basis, block]), np.hstack([images, image]), np.hstack([places, place])


def _scatter_times(
    samples: Samples, mean: NDArray[Any], vectors: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scatter matrix times `vectors`, `[feature vector]`, and the samples' places along them."""
    single = vectors.astype(samples.dtype)
    places = np.empty((samples.n_samples, vectors.shape[1]))

    def product(blocks: Blocks) -> NDArray[np.float64]:
        total = np.zeros(vectors.shape[::-1])
        for position, block in blocks:
            along = block @ single
            places[position] = along
            total += along.T @ block
        return total

    return sum(one_pass(product, samples, mean)).T, places


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
