"""Sums over samples that need not fit into memory: one pass for each, exact to the last digits of float64."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from latentfx_nb.analysis.samples import Array, Blocks, Samples, samples_of

DENSE_SIDE = 2048  # float64 eigh of this size takes seconds; its cost grows with the cube
OUTER_BLOCKS = 4  # pairwise products hold this many blocks at a time, so the store is read that many times less often


def precise(x: Array, features: str | Sequence[Hashable] | None) -> Samples:
    """Return the samples, in float64 where they are narrow enough for that to cost nothing."""
    samples = samples_of(x, features)
    return samples.in_float64() if samples.n_features <= DENSE_SIDE else samples


def check_components(n: int, samples: Samples) -> None:
    """Raise ValueError if `samples` cannot be projected to `n` components."""
    if n not in (2, 3):
        raise ValueError(f"n={n!r} components cannot be drawn: pass n=2 or n=3")
    if samples.n_samples < n:
        raise ValueError(f"{samples.n_samples} samples cannot span n={n} components: pass at least {n} samples")
    if samples.n_features < n:
        raise ValueError(f"{samples.n_features} features cannot span n={n} components: pass n=2, or wider latents")


_limit = threading.RLock()  # limits that overlap would be lifted in the wrong order


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to the calling thread, where threads run side by side or products are too small for its own."""
    with _limit, threadpool_limits(1, "blas"):
        yield


def one_pass(work: Callable[[Blocks], Any], samples: Samples, mean: NDArray[Any] | None = None) -> list[Any]:
    """Return what `work` makes of each share of the samples, less `mean`: they are read once, a thread for each core.

    Reading, converting and multiplying run beside each other.
    """
    shares = samples.shares(mean)
    if len(shares) == 1:
        return [work(shares[0])]
    with one_blas_thread(), ThreadPoolExecutor(len(shares)) as threads:
        return list(threads.map(work, shares))


def mean_and_scatter(
    samples: Samples, vectors: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean `[feature]`, the summed squared distance from it, and two products with `vectors`.

    The products are the scatter matrix times `vectors [feature vector]`, and the samples' places along them
    `[sample vector]`. All of it takes one read. Differences from the mean of a few samples are summed, which keeps the
    precision that data far from the origin would lose. They are corrected once the mean of all is known.
    """
    _, first = next(samples.blocks(n=1 / 16))
    check_samples(first, 0, samples.n_samples)
    near = first.mean(0, dtype=np.float64).astype(samples.dtype)
    vectors = np.empty((samples.n_features, 0)) if vectors is None else vectors
    single, places = vectors.astype(samples.dtype), np.empty((samples.n_samples, vectors.shape[1]))

    def sums(blocks: Blocks) -> tuple[NDArray[np.float64], float]:
        total, squares = np.zeros((vectors.shape[1] + 1, samples.n_features)), 0.0
        for position, block in blocks:
            check_samples(block, position.start, samples.n_samples)
            apart = block - near
            along = apart @ single
            places[position] = along
            total += np.column_stack([along, np.ones(len(along), along.dtype)]).T @ apart
            squares += float(np.vecdot(apart, apart).sum(dtype=np.float64))
        return total, squares

    totals, squares = zip(*one_pass(sums, samples))
    *image, shift = sum(totals)
    shift = shift / samples.n_samples
    offset = shift @ vectors
    image = np.reshape(image, vectors.shape[::-1]).T - samples.n_samples * np.outer(shift, offset)
    mean = near + shift
    scatter = sum(squares) - samples.n_samples * float(shift @ shift)
    # Equal samples leave only the rounding of their mean, far below float32's resolution of any real difference.
    if scatter <= samples.n_samples * (1e-12 * np.linalg.norm(mean)) ** 2:
        raise ValueError(
            f"all {samples.n_samples} samples are equal, so there is no direction to project on: "
            "pass latents that differ (is the sound silent, or a single clip given many times?)"
        )
    return mean, scatter, image, places - offset


def check_samples(block: NDArray[Any], start: int, n_samples: int) -> None:
    """Raise ValueError if a block of samples, the first of which is number `start`, is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        bad = ~np.isfinite(block @ np.ones(block.shape[1], block.dtype))
    if bad.any():
        raise ValueError(
            f"x has NaN or infinite features, first in sample {start + int(bad.argmax())} of {n_samples}: "
            "drop those samples, or encode them again"
        )


def check_points_finite(scores: NDArray[Any]) -> None:
    """Raise ValueError if projected samples `[sample component]` are not finite, as features were not."""
    bad = ~np.isfinite(scores).all(1)
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {len(scores)} samples of x have NaN or infinite features, first sample {bad.argmax()}: "
            "drop those samples, or encode them again"
        )


def project(samples: Samples, mean: NDArray[Any], axes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the samples of `samples` along `axes [feature component]`, from `mean`."""
    scores = np.empty((samples.n_samples, axes.shape[1]))

    def place(blocks: Blocks) -> None:
        for position, block in blocks:
            scores[position] = block @ axes.astype(block.dtype)

    one_pass(place, samples, mean)
    return scores
