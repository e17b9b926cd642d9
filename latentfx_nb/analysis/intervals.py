"""95 % intervals over recordings: percentile bootstraps that draw recordings whole, as their rows are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

DRAWS = 2000
"""Bootstrap draws of an interval. Ours: its ends then move by less than their second digit from seed to seed."""


class Estimate(NamedTuple):
    """A number, the ends of its 95 % interval, and how many clips it was measured on."""

    value: float
    low: float
    high: float
    n: int


UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0)
"""The estimate of something that there is no data for."""


def estimate(values: ArrayLike, recordings: ArrayLike) -> Estimate:
    """Return the mean of the `values [row]` that are finite with its interval; `UNKNOWN` if none is.

    Raises ValueError if values and recordings differ in number.
    """
    values, recordings = np.asarray(values, np.float64), np.asarray(recordings)
    if values.shape != recordings.shape:
        raise ValueError(f"rows of shape {values.shape} need one recording each, not {recordings.shape}: pass [row]")
    known = np.isfinite(values)
    if not known.any():
        return UNKNOWN
    return Estimate(*accuracy_interval(values[known], recordings[known]), int(known.sum()))


def interval_table(
    found: Mapping[tuple[Any, ...], Sequence[Any]], names: Sequence[str], columns: Sequence[str] = Estimate._fields
) -> pd.DataFrame:
    """Return a frame with a row for each entry of `found`, whose keys become the index levels `names`."""
    return pd.DataFrame(list(found.values()), pd.MultiIndex.from_tuples(found, names=names), columns)


def accuracy_interval(
    hits: ArrayLike, recordings: ArrayLike, other: ArrayLike | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `hits [row]`, or of `hits - other`, with the ends of its 95 % interval.

    Any measure of a row can stand for hits. Raises ValueError if the rows differ in number, or are none.
    """
    values = np.asarray(hits, np.float64)
    if other is not None:
        if np.shape(other) != values.shape:
            raise ValueError(f"a paired difference needs rows of one shape, not {values.shape} and {np.shape(other)}")
        values = values - np.asarray(other, np.float64)
    return ratio_interval(values, np.ones(values.shape), recordings, draws, seed)


def estimates(values: ArrayLike, recordings: ArrayLike) -> list[Estimate]:
    """Return `estimate` of each column of `values [row column]`, all of which are known, from the same draws.

    Raises ValueError if rows and recordings differ in number, or are none.
    """
    values, recordings = np.asarray(values, np.float64), np.asarray(recordings)
    if values.ndim != 2 or values.shape[:1] != recordings.shape or not values.size:
        raise ValueError(f"values of shape {values.shape} need [row column] and a recording for each row")
    codes = np.unique(recordings, return_inverse=True)[1]
    sums, counts = np.zeros((codes.max() + 1, values.shape[1])), np.bincount(codes)
    np.add.at(sums, codes, values)
    drawn = _drawn(len(counts))
    low, high = np.percentile((drawn @ sums) / (drawn @ counts)[:, None], (2.5, 97.5), axis=0)
    means = values.mean(axis=0)
    return [Estimate(float(m), float(a), float(b), len(values)) for m, a, b in zip(means, low, high, strict=True)]


def ratio_interval(
    parts: ArrayLike, wholes: ArrayLike, recordings: ArrayLike, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the sum of `parts [row]` over the sum of `wholes [row]`, with the ends of its 95 % interval.

    Raises ValueError if the rows differ in number, or are none.
    """
    parts, wholes, recordings = np.asarray(parts, np.float64), np.asarray(wholes, np.float64), np.asarray(recordings)
    if not parts.shape == wholes.shape == recordings.shape or not parts.size:
        raise ValueError(f"rows of shape {parts.shape} need one recording each, not {recordings.shape}: pass [row]")
    codes = np.unique(recordings, return_inverse=True)[1]
    above, below = np.bincount(codes, parts), np.bincount(codes, wholes)
    drawn = _drawn(len(above), draws, seed)
    low, high = np.percentile((drawn @ above) / (drawn @ below), (2.5, 97.5))
    return float(parts.sum() / wholes.sum()), float(low), float(high)


def _drawn(recordings: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.int64]:
    """Return how often each recording is drawn, `[draw recording]`."""
    return np.random.default_rng(seed).multinomial(recordings, np.full(recordings, 1 / recordings), draws)


def removed_interval(left: ArrayLike, before: ArrayLike, recordings: ArrayLike) -> tuple[float, float, float]:
    """Return the share of `before [row]` that is gone in `left [row]`, both summed, with the ends of its interval.

    1 is all of it, 0 none, and below 0 there is more than before. Raises as `ratio_interval` does.
    """
    share, low, high = ratio_interval(left, before, recordings)
    return 1 - share, 1 - high, 1 - low
