"""Labelled arrays as a matrix of samples and features that is read block by block, so that a store may outgrow memory.

Samples and features are read off the dims: the features are the dim `feature` if there is one, else `dim`, and every
other dim is a sample. `features=("dim", "frame")` flattens latents that are not stacked. Plain arrays are
`[*sample feature]`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

Array = xr.DataArray | NDArray[Any]

BLOCK_BYTES = 64 * 2**20  # one block of samples as it is read: large enough for BLAS, small beside a notebook's memory
SHARED_ROWS = 64  # of wide samples: fewer, and adding up what is made of each block costs more than making it

Blocks = Iterator[tuple[slice, NDArray[Any]]]


def cores() -> int:
    """Return how many of the machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(length: int, n: int) -> list[int]:
    """Return `n` places spread evenly from 0 to `length` - 1, or all there are: by whole numbers, the same anywhere."""
    n = min(length, n)
    return [place * (length - 1) // max(n - 1, 1) for place in range(n)]


class Samples:
    """`x` seen as a matrix `[sample feature]`, float32, read in blocks of whole entries of its first sample dim.

    Raises ValueError if `features` are not dims of `x`, or if there are none.
    """

    def __init__(self, x: Array, features: str | Sequence[Hashable] | None = None) -> None:
        self.labelled = isinstance(x, xr.DataArray)
        if self.labelled:
            self.x, self.features = x, _feature_dims(x, features)
            self.samples = tuple(dim for dim in x.dims if dim not in self.features)
            self.shape = tuple(x.sizes[dim] for dim in self.samples)
            self.n_features = int(np.prod([x.sizes[dim] for dim in self.features]))
        else:
            self.x = x if isinstance(x, np.ndarray) else np.asarray(x)
            self.features = None
            if not self.x.ndim:
                raise ValueError(f"x must be [*sample feature], it is the single number {x!r}")
            self.shape, self.n_features = self.x.shape[:-1], self.x.shape[-1]
        self.n_samples = int(np.prod(self.shape))
        self.dtype = np.float32

    def in_float64(self) -> Samples:
        """Return the same samples, read as float64."""
        rows = copy.copy(self)
        rows.dtype = np.float64
        return rows

    def blocks(self, mean: NDArray[Any] | None = None, n: float = 1, start: int = 0, stop: int | None = None) -> Blocks:
        """Yield (rows, block `[sample feature]`), less `mean`, of samples `start` to `stop`, at most `n` * 64 MiB each.

        A block is never smaller than one entry of the first sample dim.
        """
        if not self.shape:
            yield slice(0, 1), self._centred(slice(None), mean)
            return
        entry = int(np.prod(self.shape[1:]))
        step = max(1, int(n * BLOCK_BYTES) // max(1, entry * self._sample_bytes()))
        end = self.shape[0] if stop is None else stop // entry
        for first in range(start // entry if entry else 0, end, step):
            last = min(first + step, end)
            yield slice(first * entry, last * entry), self._centred(slice(first, last), mean)

    def shares(self, mean: NDArray[Any] | None = None) -> list[Blocks]:
        """Return the blocks, less `mean`, in one share a core, small enough to stay in its cache from read to use."""
        rows = SHARED_ROWS * self._sample_bytes() / BLOCK_BYTES
        n = min(1.0, max(1 / 16, rows))
        if self.n_samples * self._sample_bytes() <= n * BLOCK_BYTES:
            return [self.blocks(mean, n)]
        edges = np.unique(np.linspace(0, self.shape[0], cores() + 1).astype(int)) * int(np.prod(self.shape[1:]))
        return [self.blocks(mean, n, *share) for share in zip(edges[:-1].tolist(), edges[1:].tolist())]

    def _sample_bytes(self) -> int:
        return self.n_features * np.dtype(self.dtype).itemsize

    def _centred(self, entries: slice, mean: NDArray[Any] | None) -> NDArray[Any]:
        if self.labelled:
            part = self.x.isel({self.samples[0]: entries}) if self.samples else self.x
            values = part.transpose(*self.samples, *self.features).values
        else:
            values = self.x[entries]
        block = np.asarray(values, self.dtype).reshape(-1, self.n_features)
        return block if mean is None else block - mean.astype(self.dtype)

    def feature_axes(self) -> dict[Hashable, NDArray[Any]]:
        """Return the labels along each feature dim that has some."""
        if not self.labelled:
            return {}
        return {dim: self.x.indexes[dim].to_numpy() for dim in self.features if dim in self.x.indexes}

    def check_features(self, n: int, axes: dict[Hashable, NDArray[Any]]) -> None:
        """Raise ValueError unless the features are `n` and bear the labels `axes` wherever both sides have labels."""
        if self.n_features != n:
            at = f" along {'x'.join(map(str, self.features))}" if self.labelled else ""
            raise ValueError(
                f"x has {self.n_features} features{at}, the fit had {n}: "
                "pass latents of the same encoder, reduced in the same way, or fit again"
            )
        for dim, own in self.feature_axes().items():
            if dim in axes and not np.array_equal(own, axes[dim]):
                raise ValueError(
                    f"x is labelled {own[:4]}... along {dim}, the fit was {axes[dim][:4]}...: "
                    f"select the same {dim} in the same order, or fit again"
                )

    def labels(self, labels: str | ArrayLike | xr.DataArray) -> NDArray[np.intp]:
        """Return one integer per sample, equal where the labels are; raises as `values_of` does."""
        return np.unique(self.values_of(labels), return_inverse=True)[1]

    def values_of(self, labels: str | ArrayLike | xr.DataArray) -> NDArray[Any]:
        """Return one label per sample: those of a coordinate of `x`, by name, or an array along the samples.

        Raises ValueError for a coordinate that `x` lacks, and for labels that do not fit the samples.
        """
        if isinstance(labels, str):
            labels = self._coordinate(labels)
        if isinstance(labels, xr.DataArray) and self.labelled:
            if not set(labels.dims) <= set(self.samples):
                raise ValueError(f"labels lie along {labels.dims}, the samples along {self.samples}")
            sizes = {dim: self.x.sizes[dim] for dim in self.samples}
            labels = labels.variable.set_dims(sizes).transpose(*self.samples).values
        labels = np.asarray(labels)
        if labels.size != self.n_samples or labels.shape not in (self.shape, (self.n_samples,)):
            raise ValueError(f"labels of shape {labels.shape} do not fit samples of shape {self.shape}: pass one each")
        return labels.ravel()

    def _coordinate(self, name: str) -> xr.DataArray:
        if self.labelled and (name in self.x.coords or name in self.samples):
            return self.x[name]  # a dim without labels counts from 0
        known = sorted(map(str, {*self.x.coords, *self.samples})) if self.labelled else "none on a plain array"
        raise ValueError(f"x has no coordinate {name!r}, only {known}: pass one of these, or an array of labels")

    def label_points(self, points: NDArray[Any], prefix: str) -> Array:
        """Return `points [sample component]` as `[*sample component]` with the sample coordinates of `x`."""
        points = points.reshape(*self.shape, points.shape[-1])
        if not self.labelled:
            return points
        coords = _without(self.x, self.features).coords
        labelled = xr.DataArray(points, coords, (*self.samples, "component"), prefix.lower(), self.x.attrs)
        return labelled.assign_coords(component=_component_labels(prefix, points.shape[-1]))

    def label_components(self, values: NDArray[Any], prefix: str) -> Array:
        if not self.labelled:
            return values
        return xr.DataArray(values, {"component": _component_labels(prefix, len(values))}, ("component",))

    def label_features(self, values: NDArray[Any], prefix: str | None = None) -> Array:
        """Return `values [feature]`, or with a prefix `[component feature]`, with the feature coordinates of `x`."""
        if not self.labelled:
            return values
        like = _without(self.x, self.samples)
        if len(self.features) > 1:
            like = like.stack(feature=self.features, create_index=False)
        if prefix is None:
            return xr.DataArray(values, like.coords, like.dims)
        labelled = xr.DataArray(values, like.coords, ("component", *like.dims))
        return labelled.assign_coords(component=_component_labels(prefix, len(values)))


def _feature_dims(x: xr.DataArray, features: str | Sequence[Hashable] | None) -> tuple[Hashable, ...]:
    if features is None:
        features = next((dim for dim in ("feature", "dim") if dim in x.dims), None)
        if features is None:
            raise ValueError(f"x has the dims {x.dims}, neither feature nor dim: name its features with features=")
    dims = (features,) if isinstance(features, str) else tuple(features)
    missing = [dim for dim in dims if dim not in x.dims]
    if missing or not dims or len(set(dims)) < len(dims):
        raise ValueError(f"features={dims} must be distinct dims of x, which are {x.dims}")
    return dims


def _without(x: xr.DataArray, dims: Sequence[Hashable]) -> xr.DataArray:
    """Return one entry of `x` along `dims` (of a lazy store, unread), less every coordinate that lies along them."""
    along = [name for name, coordinate in x.coords.items() if set(coordinate.dims) & set(dims)]
    return x.drop_vars(along).isel(dict.fromkeys(dims, 0))


def _component_labels(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{i + 1}" for i in range(n)]
