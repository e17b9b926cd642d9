"""One clip's latents, moved: where they start, where they should come to, where latent algebra brings them, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from latentfx_nb.analysis.algebra import interpolate, learn_effect, scale_dims, swap_dims

STEPS = 17
"""Points of the way from start to result."""


@dataclass(frozen=True, eq=False)
class Move:
    """The latents `(dim, frame)` of one clip at the start, of its aim and of the result.

    `way` maps a share of the way, 0 to 1, to latents `(dim, frame)`. `dry` and `wet` are time averages `(clip, dim)` of
    the pairs that were learned from; there may be none.
    """

    start: xr.DataArray
    aim: xr.DataArray
    result: xr.DataArray
    way: Callable[[float], xr.DataArray]
    dry: xr.DataArray
    wet: xr.DataArray

    def reached(self, latents: xr.DataArray) -> float:
        """Return which share of the squared distance from start to aim is gone at `latents`; NaN if there is none."""
        whole = float(np.square(self.aim - self.start).sum())
        return 1 - float(np.square(self.aim - latents).sum()) / whole if whole else np.nan

    def averaged(self) -> AveragedMove:
        """Return the time averages of all this."""
        start, aim, result = (one.mean("frame") for one in (self.start, self.aim, self.result))
        way = [self.way(share).mean("frame") for share in np.linspace(0, 1, STEPS)]
        return AveragedMove(start, aim, result, _along(way), self.dry, self.wet)


@dataclass(frozen=True, eq=False)
class AveragedMove:
    """Time averages of a moved clip: `start`, `aim` and `result (dim)`, `way (value, dim)`, pairs `(clip, dim)`."""

    start: xr.DataArray
    aim: xr.DataArray
    result: xr.DataArray
    way: xr.DataArray
    dry: xr.DataArray
    wet: xr.DataArray


def add_effect(
    start: xr.DataArray,
    aim: xr.DataArray,
    dry: Sequence[xr.DataArray],
    wet: Sequence[xr.DataArray],
    method: str,
    strength: float,
) -> Move:
    """Return a clip moved by what pairs of `dry` and `wet` latents `(dim, frame)` teach; raises as `learn_effect`."""
    before, after = (np.stack([one.values for one in side]) for side in (dry, wet))
    learned = learn_effect(before, after, method)
    labels = {"dim": start["dim"]}
    averages = [xr.DataArray(side.mean(axis=-1), labels, ("clip", "dim")) for side in (before, after)]

    def way(share: float) -> xr.DataArray:
        moved = learned.apply(start, share * strength)
        return start.copy(data=moved)

    return Move(start, aim, way(1.0), way, *averages)


def go_between(start: xr.DataArray, other: xr.DataArray, share: float, spherical: bool) -> Move:
    """Return a clip moved towards another one, whose latents are the aim; raises as `interpolate`."""

    def way(share: float) -> xr.DataArray:
        return start.copy(data=interpolate(start, other, share, spherical))

    return Move(start, other, way(share), way, *_no_pairs(start))


def change_dims(start: xr.DataArray, aim: xr.DataArray, dims: Sequence[int], factor: float | None = None) -> Move:
    """Return a clip whose `dims` swing `factor` times as far, or, without a factor, are those of `aim`.

    Raises as `scale_dims` and `swap_dims`.
    """
    changed = swap_dims(start, aim, dims) if factor is None else scale_dims(start, dims, factor)
    result = start.copy(data=changed)
    return Move(start, aim, result, lambda share: start.copy(data=interpolate(start, result, share)), *_no_pairs(start))


def mean_shift(means: xr.DataArray, row: int, effect: str, rows: Sequence[int]) -> AveragedMove:
    """Return where the mean shift of the pairs in `rows` brings clip `row`, of time averages `(clip, effect, dim)`."""
    dry, wet = (means.sel(effect=label) for label in ("CLN", effect))
    start = dry.isel(clip=row)
    pairs = [side.isel(clip=list(rows)) for side in (dry, wet)]
    shift = (pairs[1] - pairs[0]).mean("clip")
    way = _along([start + share * shift for share in np.linspace(0, 1, STEPS)])
    return AveragedMove(start, wet.isel(clip=row), start + shift, way, *pairs)


def _along(way: Sequence[xr.DataArray]) -> xr.DataArray:
    return xr.concat(way, "value", coords="minimal", compat="override")


def _no_pairs(start: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    nothing = start.mean("frame").expand_dims("clip").isel(clip=slice(0))
    return nothing, nothing
