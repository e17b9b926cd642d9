"""Arrays seen as a matrix of samples and features that is read block by block, so that a store may outgrow memory.

In labelled arrays the features are the dim `feature` if there is one, else `dim`, and every other dim is a sample.
`features=("dim", "frame")` flattens latents that are not stacked. Plain arrays are `[*sample feature]`.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, DTypeLike, NDArray

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


def samples_of(x: Array, features: str | Sequence[Hashable] | None = None) -> Samples:
    """Return `x`, labelled or plain, as samples. Raises ValueError if `features` are not dims of `x`, or are none."""
    return LabelledSamples(x, features) if isinstance(x, xr.DataArray) else PlainSamples(x)


class Samples(ABC):
    """A matrix `[sample feature]`, float32, read in blocks of whole entries of its first sample dim.

    shape: the sizes of the sample dims. features: the names of the feature dims, None for a plain array. dims: the
    names of the sample dims; a plain array's are called "axis_0" and so on.
    """

    shape: tuple[int, ...]
    n_features: int
    dims: tuple[Hashable, ...]
    features: tuple[Hashable, ...] | None
    dtype: DTypeLike = np.float32

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(np.prod(self.shape, dtype=int))

    def in_float64(self) -> Samples:
        """Return the same samples, read as float64."""
        samples = copy.copy(self)
        samples.dtype = np.float64
        return samples

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
        n = min(1.0, max(1 / 16, SHARED_ROWS * self._sample_bytes() / BLOCK_BYTES))
        if self.n_samples * self._sample_bytes() <= n * BLOCK_BYTES:
            return [self.blocks(mean, n)]
        edges = np.unique(np.linspace(0, self.shape[0], cores() + 1).astype(int)) * int(np.prod(self.shape[1:]))
        return [self.blocks(mean, n, *share) for share in zip(edges[:-1].tolist(), edges[1:].tolist())]

    def _sample_bytes(self) -> int:
        return self.n_features * np.dtype(self.dtype).itemsize

    def _centred(self, entries: slice, mean: NDArray[Any] | None) -> NDArray[Any]:
        block = np.asarray(self._read(entries), self.dtype).reshape(-1, self.n_features)
        return block if mean is None else block - mean.astype(self.dtype)

    @abstractmethod
    def _read(self, entries: slice) -> NDArray[Any]:
        """Return some entries of the first sample dim, the features last."""

    # ------------------------------------------------------------------------------------------------ labels

    @property
    @abstractmethod
    def coordinates(self) -> Mapping[str, xr.DataArray]:
        """The coordinates of the samples, by name."""

    @abstractmethod
    def feature_axes(self) -> dict[Hashable, NDArray[Any]]:
        """Return the labels along each feature dim that has some."""

    def check_features(self, n: int, axes: Mapping[Hashable, NDArray[Any]]) -> None:
        """Raise ValueError unless the features are `n` and bear the labels `axes` wherever both sides have labels."""
        if self.n_features != n:
            at = f" along {'x'.join(map(str, self.features))}" if self.features else ""
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

    def codes(self, labels: str | ArrayLike | xr.DataArray) -> NDArray[np.intp]:
        """Return one integer per sample, equal where the labels are; raises as `labels` does."""
        return np.unique(self.labels(labels), return_inverse=True)[1]

    def labels(self, labels: str | ArrayLike | xr.DataArray) -> NDArray[Any]:
        """Return one label per sample: those of a coordinate of `x`, by name, or an array along the samples.

        Raises ValueError for a coordinate that `x` lacks, and for labels that do not fit the samples.
        """
        found = np.asarray(self._along_samples(labels))
        if found.size != self.n_samples or found.shape not in (self.shape, (self.n_samples,)):
            raise ValueError(f"labels of shape {found.shape} do not fit samples of shape {self.shape}: pass one each")
        return found.ravel()

    @abstractmethod
    def _along_samples(self, labels: str | ArrayLike | xr.DataArray) -> ArrayLike:
        """Return the coordinate `labels` names, or labels that lack dims of the samples, spread along all of them."""

    # ------------------------------------------------------------------------------------------------ results

    def label_points(self, points: NDArray[Any], prefix: str) -> Array:
        """Return `points [sample component]` as `[*sample component]` with the sample coordinates of `x`."""
        return points.reshape(*self.shape, points.shape[-1])

    def label_components(self, values: NDArray[Any], prefix: str) -> Array:
        """Return `values [component]`, labelled if `x` is."""
        return values

    def label_features(self, values: NDArray[Any], prefix: str | None = None) -> Array:
        """Return `values [feature]`, or with a prefix `[component feature]`, with the feature coordinates of `x`."""
        return values


class PlainSamples(Samples):
    """The samples of an array `[*sample feature]`."""

    features = None
    coordinates: Mapping[str, xr.DataArray] = {}

    def __init__(self, x: ArrayLike) -> None:
        self._x = x if isinstance(x, np.ndarray) else np.asarray(x)
        if not self._x.ndim:
            raise ValueError(f"x must be [*sample feature], it is the single number {x!r}")
        self.shape, self.n_features = self._x.shape[:-1], self._x.shape[-1]
        self.dims = tuple(f"axis_{number}" for number in range(len(self.shape)))

    def _read(self, entries: slice) -> NDArray[Any]:
        return self._x[entries]

    def feature_axes(self) -> dict[Hashable, NDArray[Any]]:
        return {}

    def _along_samples(self, labels: str | ArrayLike | xr.DataArray) -> ArrayLike:
        if isinstance(labels, str):
            raise _no_coordinate(labels, "none on a plain array")
        return labels


class LabelledSamples(Samples):
    """The samples of a labelled array."""

    features: tuple[Hashable, ...]

    def __init__(self, x: xr.DataArray, features: str | Sequence[Hashable] | None = None) -> None:
        self._x, self.features = x, _feature_dims(x, features)
        self.dims = tuple(dim for dim in x.dims if dim not in self.features)
        self.shape = tuple(x.sizes[dim] for dim in self.dims)
        self.n_features = int(np.prod([x.sizes[dim] for dim in self.features], dtype=int))

    def _read(self, entries: slice) -> NDArray[Any]:
        part = self._x.isel({self.dims[0]: entries}) if self.dims else self._x
        return part.transpose(*self.dims, *self.features).values

    @property
    def coordinates(self) -> Mapping[str, xr.DataArray]:
        own = set(self.dims)
        found = {str(name): c for name, c in self._x.coords.items() if c.dims and set(c.dims) <= own}
        return {name: c.reset_coords(drop=True) for name, c in found.items()}

    def feature_axes(self) -> dict[Hashable, NDArray[Any]]:
        return {dim: self._x.indexes[dim].to_numpy() for dim in self.features if dim in self._x.indexes}

    def _along_samples(self, labels: str | ArrayLike | xr.DataArray) -> ArrayLike:
        if isinstance(labels, str):
            if labels not in self._x.coords and labels not in self.dims:
                raise _no_coordinate(labels, str(sorted(map(str, {*self._x.coords, *self.dims}))))
            labels = self._x[labels]  # a dim without labels counts from 0
        if not isinstance(labels, xr.DataArray):
            return labels
        if not set(labels.dims) <= set(self.dims):
            raise ValueError(f"labels lie along {labels.dims}, the samples along {self.dims}")
        return labels.variable.set_dims(dict(zip(self.dims, self.shape))).transpose(*self.dims).values

    def label_points(self, points: NDArray[Any], prefix: str) -> Array:
        points = points.reshape(*self.shape, points.shape[-1])
        coords = _without(self._x, self.features).coords
        labelled = xr.DataArray(points, coords, (*self.dims, "component"), prefix.lower(), self._x.attrs)
        return labelled.assign_coords(component=_component_labels(prefix, points.shape[-1]))

    def label_components(self, values: NDArray[Any], prefix: str) -> Array:
        return xr.DataArray(values, {"component": _component_labels(prefix, len(values))}, ("component",))

    def label_features(self, values: NDArray[Any], prefix: str | None = None) -> Array:
        like = _without(self._x, self.dims)
        if len(self.features) > 1:
            like = like.stack(feature=self.features, create_index=False)
        if prefix is None:
            return xr.DataArray(values, like.coords, like.dims)
        labelled = xr.DataArray(values, like.coords, ("component", *like.dims))
        return labelled.assign_coords(component=_component_labels(prefix, len(values)))


def _no_coordinate(name: str, known: str) -> ValueError:
    return ValueError(f"x has no coordinate {name!r}, only {known}: pass one of these, or an array of labels")


def _feature_dims(x: xr.DataArray, features: str | Sequence[Hashable] | None) -> tuple[Hashable, ...]:
    if features is None:
        features = next((str(dim) for dim in ("feature", "dim") if dim in x.dims), None)
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
