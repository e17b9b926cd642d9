"""95 % intervals over recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 2000
"""Bootstrap draws of an interval. Ours: its ends then move by less than their second digit from seed to seed."""


def accuracy_interval(
    hits: ArrayLike, recordings: ArrayLike, other: ArrayLike | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `hits [row]`, or of `hits - other`, with the ends of its 95 % interval.

    The interval is a percentile bootstrap over recordings, which are drawn whole, as their rows are alike. Any measure
    of a row will do for hits. Raises ValueError if the rows differ in number, or are none.
    """
    values = np.asarray(hits, np.float64)
    if other is not None:
        if np.shape(other) != values.shape:
            raise ValueError(f"a paired difference needs rows of one shape, not {values.shape} and {np.shape(other)}")
        values = values - np.asarray(other, np.float64)
    return ratio_interval(values, np.ones(values.shape), recordings, draws, seed)


def ratio_interval(
    parts: ArrayLike, wholes: ArrayLike, recordings: ArrayLike, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the sum of `parts [row]` over the sum of `wholes [row]`, with the ends of its 95 % interval.

    The interval is the one of `accuracy_interval`. Raises ValueError if the rows differ in number, or are none.
    """
    parts, wholes, recordings = np.asarray(parts, np.float64), np.asarray(wholes, np.float64), np.asarray(recordings)
    if not parts.shape == wholes.shape == recordings.shape or not parts.size:
        raise ValueError(f"rows of shape {parts.shape} need one recording each, not {recordings.shape}: pass [row]")
    codes = np.unique(recordings, return_inverse=True)[1]
    above, below = np.bincount(codes, parts), np.bincount(codes, wholes)
    drawn = np.random.default_rng(seed).multinomial(len(above), np.full(len(above), 1 / len(above)), draws)
    low, high = np.percentile((drawn @ above) / (drawn @ below), (2.5, 97.5))
    return float(parts.sum() / wholes.sum()), float(low), float(high)
