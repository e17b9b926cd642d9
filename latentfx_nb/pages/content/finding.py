"""Points that are looked for by words: which they are, how many, and which point of a trace is which sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures import point_groups


def lacking(points: xr.DataArray, words: str) -> NDArray[np.bool_] | None:
    """Return the samples of `points (clip, effect, ...)`, clip by clip, of which some word is no part; None if all fit.

    Words are looked for in a sample's clip, its instrument and its effect, capitals or not.
    """
    wanted = words.casefold().split()
    if not wanted:
        return None
    labels = [f"{label} {EFFECTS[label].name}" for label in map(str, points["effect"].values)]
    clips = zip(points["clip"].values, points["instrument"].values, strict=True)
    names = [f"{clip} {instrument} {label}".casefold() for clip, instrument in clips for label in labels]
    return np.array([any(word not in name for word in wanted) for name in names], bool)


def found_words(faded: NDArray[np.bool_] | None) -> str:
    """Return how many of the points that are drawn are not `faded`, in words; nothing if nothing is looked for."""
    return "" if faded is None else f"{(~faded).sum()} of {len(faded)} points"


def sample_of(points: xr.DataArray, color: str, key: str, number: int) -> int | None:
    """Return the sample that a point is: that of a `number` in the trace of the group `key`; None without it."""
    for group in point_groups(points, color):
        if group.key == key and number < len(group.samples):
            return int(group.samples[number])
    return None


def by_trace(points: xr.DataArray, color: str, name: str, every: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    """Return trace -> what `every` has for each of its points: one of each sample, clip by clip."""
    groups = point_groups(points, color)
    return {f"{name} {group.key}".strip(): [every[sample] for sample in group.samples] for group in groups}
