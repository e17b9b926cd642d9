"""Nearest neighbours of each sample, and how many of them share its label (section 3.1, Figures 3-5)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from latentfx_nb.analysis.passes import DENSE_SIDE, OUTER_BLOCKS, mean_and_scatter, precise
from latentfx_nb.analysis.samples import Array, Samples, samples_of

RENDERS_BESIDE = 9  # a clip has ten renders (Table 1), so nine others: the largest k at which "clip" can reach 1


def neighbours(
    x: Array, k: int = RENDERS_BESIDE, features: str | Sequence[Hashable] | None = None
) -> NDArray[np.int32]:
    """Return the `k` nearest other samples of each sample, `[sample k]`, nearest first (Euclidean, exact).

    Samples are counted in the order of `x`'s sample dims, the last one fastest. Raises ValueError if k is below 1 or
    not below the number of samples, and on NaN.
    """
    samples = precise(x, features)
    if not 1 <= k < samples.n_samples:
        raise ValueError(
            f"k={k} neighbours must be from 1 to {samples.n_samples - 1} "
            f"with {samples.n_samples} samples: pass another k"
        )
    mean, *_ = mean_and_scatter(samples)
    return nearest(samples, None, mean, k + 1)[0][:, 1:]


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
    codes = samples_of(x, features).codes(labels)  # labels that do not fit are an error before the search, not after
    return float(shared(neighbours(x, k, features), codes).mean())


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
    samples = precise(x, features)
    codes = {label: samples.codes(label) for label in by}
    near = neighbours(x, k, features)
    table = {
        label: {"purity": float(shared(near, code).mean()), "chance": chance(code)} for label, code in codes.items()
    }
    return pd.DataFrame.from_dict(table, orient="index", columns=["purity", "chance"]).rename_axis("label")


def shared(near: NDArray[np.int32], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of each sample's neighbours `near [sample k]` carry its label, `[sample k]`."""
    return labels[near] == labels[:, None]


def chance(labels: ArrayLike) -> float:
    """Return the chance that two samples, drawn without replacement, carry the same of `labels [sample]`."""
    counts = np.unique(labels, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum() / (counts.sum() * (counts.sum() - 1)))


def nearest(
    queries: Samples, samples: Samples | None, mean: NDArray[Any], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return indices and distances `[query k]` of the `k` nearest rows, nearest first.

    Without `samples` the queries are searched themselves, and each is its own first neighbour, whatever equals it.
    """
    indices = np.empty((queries.n_samples, k), np.int32)
    distances = np.empty((queries.n_samples, k), np.float32)
    for outer, left in queries.blocks(mean, OUTER_BLOCKS):
        found = np.empty((len(left), 0), np.int32), np.empty((len(left), 0), left.dtype)
        for inner, right in (queries if samples is None else samples).blocks(mean):
            for start in range(0, len(right), DENSE_SIDE):  # bounds the table of distances, not the read
                part = right[start : start + DENSE_SIDE]
                offset = inner.start + start
                squares = _squared_distances(left, part)
                if samples is None:
                    own = np.arange(max(outer.start, offset), min(outer.stop, offset + len(part)))
                    squares[own - outer.start, own - offset] = -1
                found = _keep_nearest(found, offset, squares, k)
        indices[outer], distances[outer] = found[0], np.sqrt(np.maximum(found[1], 0))
    return indices, distances


def _squared_distances(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    lengths = np.einsum("ij,ij->i", right, right)
    squares = -2 * (left @ right.T) + lengths + np.einsum("ij,ij->i", left, left)[:, None]
    return np.maximum(squares, 0, out=squares)


def _keep_nearest(
    found: tuple[NDArray[np.int32], NDArray[Any]], offset: int, squares: NDArray[Any], k: int
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return the `k` nearest of those `found` and of candidates from `offset` on at these squared distances."""
    new = np.broadcast_to(np.arange(offset, offset + squares.shape[1], dtype=np.int32), squares.shape)
    indices, squares = np.hstack([found[0], new]), np.hstack([found[1], squares])
    if squares.shape[1] > k:
        some = np.argpartition(squares, k - 1, axis=1)[:, :k]
        indices, squares = np.take_along_axis(indices, some, 1), np.take_along_axis(squares, some, 1)
    order = np.argsort(squares, axis=1, kind="stable")
    return np.take_along_axis(indices, order, 1), np.take_along_axis(squares, order, 1)
