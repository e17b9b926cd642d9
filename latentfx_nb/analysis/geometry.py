"""Shapes in latent space, in the full dimension and not in a picture of it (section 3.1, Figures 2 and 6-9).

A *path* runs over a knob's values, a *trajectory* over time. Labelled arrays are read by the names of their dims,
plain ones by the order that each function states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d

Array = TypeVar("Array", xr.DataArray, NDArray[np.floating])
"""Labelled arrays give labelled ones, plain arrays plain ones."""

SHRINKAGE = 1e-3
"""Share of the mean variance that is added to each: few paths in many dims would leave a direction undetermined."""


def straightness(x: Array) -> Array:
    """Return chord over arc length of each path over the dims `(value, dim)`: 1 is a straight line, 0 a closed loop.

    Takes `(..., value, dim)`, or a plain array with these as its last two axes; gives `(...)`. A path that never moves
    has no direction and is NaN. Section 3.1: distortion's paths "tend to appear comparatively unidirectional".

    Raises ValueError if a path has fewer than three points, which are straight whatever they are.
    """
    return _on_axes(_straightness, x, ["value", "dim"])


def _straightness(path: NDArray[np.float64]) -> NDArray[np.float64]:
    _check_points(path, "straightness")
    arc = np.linalg.norm(np.diff(path, axis=-2), axis=-1).sum(axis=-1)
    chord = np.linalg.norm(path[..., -1, :] - path[..., 0, :], axis=-1)
    return np.divide(chord, arc, out=np.full_like(chord, np.nan), where=arc > 0)


def total_curvature(x: Array) -> Array:
    """Return by how many radians each path over `(value, dim)` turns in all: 0 is a straight line, 2 pi a circle.

    Takes and gives what `straightness` does: the sum of the angles between successive steps, which for finer and finer
    points tends to the integral of the curve's curvature over its length (Milnor 1950). Steps that stand still are
    skipped; a path of fewer than two others is NaN. Noise turns a path at every point: compare paths of the same
    number of values.

    Raises ValueError if a path has fewer than three points, which cannot turn.
    """
    return _on_axes(_total_curvature, x, ["value", "dim"])


def _total_curvature(path: NDArray[np.float64]) -> NDArray[np.float64]:
    _check_points(path, "total curvature")
    steps = np.diff(path, axis=-2)
    turned = [_turns(one) for one in steps.reshape(-1, *steps.shape[-2:])]
    return np.array(turned).reshape(steps.shape[:-2])


def _turns(steps: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(steps, axis=-1)
    directions = steps[lengths > 0] / lengths[lengths > 0, None]
    if len(directions) < 2:
        return np.nan
    # The angle from half-sums and half-differences keeps its digits where a cosine has lost them.
    apart = np.linalg.norm(directions[1:] - directions[:-1], axis=-1)
    along = np.linalg.norm(directions[1:] + directions[:-1], axis=-1)
    return float(2 * np.arctan2(apart, along).sum())


def participation_ratio(displacements: Array, along: str = "value") -> Array:
    """Return in how many dimensions displacements over `(along, dim)` spread: 1 for one direction, n for n alike.

    Takes `(..., along, dim)`, or a plain array with these as its last two axes; gives `(...)`. With the eigenvalues l
    of the second moments about zero, not about the mean, it is (sum l)^2 / sum l^2. For a path, pass its steps,
    `path.diff("value")`; for an effect, wet minus dry `along="clip"`. It is NaN if nothing moves.
    """
    return _on_axes(_participation_ratio, displacements, [along, "dim"])


def _participation_ratio(moved: NDArray[np.float64]) -> NDArray[np.float64]:
    # Both sides have the same eigenvalues; the smaller one is less work.
    other = np.swapaxes(moved, -1, -2)
    moments = moved @ other if moved.shape[-2] < moved.shape[-1] else other @ moved
    total = np.trace(moments, axis1=-2, axis2=-1)
    squares = np.square(moments).sum(axis=(-2, -1))
    return np.divide(total**2, squares, out=np.full_like(total, np.nan), where=squares > 0)


def direction_agreement(displacements: Array, recordings: ArrayLike | None = None) -> Array:
    """Return the mean cosine between each clip's displacement and those of other recordings' clips: 1 if all agree.

    Takes `(clip, ..., dim)`, or a plain array with these as its first and last axes; gives `(clip, ...)`. Random
    directions agree by 0. `recordings` has one label a clip: by default the coordinate of that name, else each clip is
    a recording. A clip that is not displaced is NaN and is not compared with the others.

    Raises ValueError if there are fewer than two recordings, or not one label a clip.
    """
    groups = _groups(displacements, recordings)

    def agreement(moved: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths = np.linalg.norm(moved, axis=-1, keepdims=True)
        units = np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > 0)
        others = (groups[:, None] != groups).astype(float)
        cosines = np.einsum("c...d,c...d->c...", units, np.tensordot(others, units, axes=1))
        counted = np.tensordot(others, (lengths[..., 0] > 0).astype(float), axes=1) * (lengths[..., 0] > 0)
        return np.divide(cosines, counted, out=np.full_like(cosines, np.nan), where=counted > 0)

    if not isinstance(displacements, xr.DataArray):
        return agreement(np.asarray(displacements, np.float64))
    ordered = displacements.transpose("clip", ..., "dim")
    values = agreement(np.asarray(ordered, np.float64))
    like = ordered.isel(dim=0, drop=True)
    return xr.DataArray(values, like.coords, like.dims)


def knob_correlation(paths: Array, recordings: ArrayLike | None = None) -> Array:
    """Return how well one direction, the same for all clips, tells where the knob stands on each clip's path.

    Takes `(clip, value, dim)`, gives `(clip)`: the canonical correlation of latents with the knob's position. The
    direction is fitted on the paths of all other recordings, each about its own mean, and the correlation is taken on
    this one: 1 if one direction serves all. The position is the number of the value: equal steps of the knob, or equal
    ratios. Each variance is raised by a thousandth of their mean (canonical ridge: Vinod 1976). A path that does
    not move along the direction is NaN. `recordings` and errors are those of `direction_agreement`.
    """
    groups = _groups(paths, recordings)

    def correlation(paths: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = paths - paths.mean(axis=1, keepdims=True)
        position = np.linspace(-1, 1, moved.shape[1])
        moments, products = np.swapaxes(moved, 1, 2) @ moved, np.swapaxes(moved, 1, 2) @ position
        found = np.full(len(moved), np.nan)
        for group in np.unique(groups):
            others = groups != group
            summed = moments[others].sum(axis=0)
            ridge = SHRINKAGE * np.trace(summed) / len(summed)
            if ridge > 0:
                direction = np.linalg.solve(summed + ridge * np.eye(len(summed)), products[others].sum(axis=0))
                found[~others] = _correlations(moved[~others] @ direction, position)
        return found

    return _on_axes(correlation, paths, ["clip", "value", "dim"], ["clip"])


def _correlations(series: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's correlation of each of `series [clip value]`, of mean zero, with the knob's position."""
    lengths = np.linalg.norm(series, axis=-1) * np.linalg.norm(position)
    return np.divide(series @ position, lengths, out=np.full_like(lengths, np.nan), where=lengths > 0)


# -------------------------------------------------------------------------------------------------------- trajectories


def smooth(trajectory: xr.DataArray, window_s: float) -> xr.DataArray:
    """Return a trajectory `(..., frame)`, with the coordinate `time_s`, averaged over a window centred on each frame.

    At both ends the window is cut off. It is at least one frame, which changes nothing.

    Raises ValueError for a window that is not longer than 0 s.
    """
    if not window_s > 0:
        raise ValueError(f"a window of {window_s:g} s holds nothing: pass one above 0; one frame is no smoothing")
    _check_labels(trajectory, "frame", "time_s")
    times = trajectory["time_s"].values
    width = len(times) if len(times) < 2 else min(len(times), max(1, round(window_s / (times[1] - times[0]))))
    axis = trajectory.get_axis_num("frame")
    sums = uniform_filter1d(np.asarray(trajectory, np.float64), width, axis=axis, mode="constant")
    held = uniform_filter1d(np.ones(len(times)), width, mode="constant")
    shape = [-1 if dim == "frame" else 1 for dim in trajectory.dims]
    return trajectory.copy(data=(sums / held.reshape(shape)).astype(np.float32))


def speed(trajectory: xr.DataArray) -> xr.DataArray:
    """Return how far a trajectory `(..., dim, frame)` goes in a second, on average: latent units a second.

    For a single frame it is NaN. Finer frames follow more of a jitter: compare trajectories smoothed by one window.
    """
    _check_labels(trajectory, "dim", "frame", "time_s")
    times = trajectory["time_s"].values
    if len(times) < 2:
        return trajectory.isel(dim=0, frame=0, drop=True) * np.nan
    steps = trajectory.astype(np.float64).diff("frame")
    return ((steps**2).sum("dim") ** 0.5).sum("frame") / float(times[-1] - times[0])


def extent(trajectory: xr.DataArray) -> xr.DataArray:
    """Return how far a trajectory `(..., dim, frame)` strays from its mean: the rms distance, in latent units."""
    _check_labels(trajectory, "dim", "frame")
    apart = trajectory.astype(np.float64) - trajectory.astype(np.float64).mean("frame")
    return (apart**2).sum("dim").mean("frame") ** 0.5


def _on_axes(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    x: Any,
    inner: Sequence[str],
    outer: Sequence[str] = (),
) -> Any:
    """Return `function` of `x` with the dims `inner` last and in this order: the last axes of a plain array."""
    if not isinstance(x, xr.DataArray):
        plain = np.asarray(x, np.float64)
        if plain.ndim < len(inner):
            raise ValueError(f"an array over ({', '.join(inner)}) is needed, not of shape {plain.shape}")
        return function(plain)
    _check_labels(x, *inner)
    return xr.apply_ufunc(function, x.astype(np.float64), input_core_dims=[inner], output_core_dims=[outer])


def _check_labels(x: Any, *names: str) -> None:
    """Raise TypeError unless `x` is labelled, ValueError if it lacks one of these dims or the coordinate time_s."""
    if not isinstance(x, xr.DataArray):
        raise TypeError(f"a labelled array with {', '.join(names)} is needed, as encode_effects gives, not {type(x)}")
    missing = [name for name in names if name not in (x.coords if name == "time_s" else x.dims)]
    if missing:
        raise ValueError(
            f"an array over {x.dims} lacks {', '.join(missing)}: rename its dims, or assign the coordinate"
        )


def _check_points(path: NDArray[np.float64], what: str) -> None:
    if path.shape[-2] < 3:
        raise ValueError(f"{what} needs at least 3 points (value, dim) on a path, not shape {path.shape}")


def _groups(x: Any, recordings: ArrayLike | None) -> NDArray[np.intp]:
    """Return a number for each clip, equal within a recording."""
    if isinstance(x, xr.DataArray):
        _check_labels(x, "clip", "dim")
        clips, own = x.sizes["clip"], x.coords.get("recording")
    elif np.ndim(x) < 2:
        raise ValueError(f"an array over (clip, ..., dim) is needed, not of shape {np.shape(x)}")
    else:
        clips, own = len(x), None
    if recordings is None:
        recordings = np.arange(clips) if own is None else own.values
    if np.shape(recordings) != (clips,):
        raise ValueError(f"{clips} clips need one recording each, not {np.shape(recordings)}")
    groups = np.unique(recordings, return_inverse=True)[1]
    if not groups.any():
        raise ValueError("directions are compared between recordings, and all these clips are of one: pass two or more")
    return groups
