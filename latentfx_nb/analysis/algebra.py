"""Effect vectors: learn what an effect does to latents, and do it to other latents.

The authors began with this: vector algebra on the latents of frozen autoencoders, "largely unsuccessful" (section 1).
Here an effect is learned from a few pairs of dry and wet latents, in four ways. Each is a map of single frames that can
be turned up and down:

- "mean": the mean difference of time-averaged latents, one vector for all frames (the authors' way);
- "frame": the mean difference of each frame, a vector for each moment of the clip;
- "ridge": the affine map of dry frames to wet ones that ridge regression finds, drawn towards "mean";
- "orthogonal": the rotation (and reflection) about the means that brings dry frames nearest to wet ones (Procrustes:
  Schoenemann 1966), which keeps all distances.

Latents are `[..., dim, frame]`, labelled or plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

Latents = xr.DataArray | NDArray[np.floating]

METHODS = {
    "mean": "mean shift",
    "frame": "a shift for each frame",
    "ridge": "ridge regression",
    "orthogonal": "rotation",
}
"""Ways to learn an effect, and their words."""

RIDGE = 0.1
"""Share of the dry frames' mean variance, times their number, that is added to each variance. Ours."""


@dataclass(frozen=True, eq=False)
class EffectMap:
    """What an effect does to a frame of latents: `displacement = frame @ matrix + offset`.

    matrix: `[dim dim]`, None for a plain shift. offset: `[dim 1]`, or `[dim frame]` if each frame has its own.
    """

    method: str
    offset: NDArray[np.float32]
    matrix: NDArray[np.float32] | None = None

    def displacement(self, latents: Latents) -> NDArray[np.float32]:
        """Return how `latents [..., dim, frame]` are displaced at full strength, of the same shape.

        Raises ValueError if the dims are not those that were learned on; or the frames, if each has its own shift.
        """
        z = np.asarray(latents, np.float32)
        dim, frames = self.offset.shape
        if z.ndim < 2 or z.shape[-2] != dim or frames not in (1, z.shape[-1]):
            wanted = f"{dim} dims" + (f" x {frames} frames" if frames > 1 else "")
            raise ValueError(
                f"this effect was learned on latents of {wanted} and is applied to shape {z.shape}: pass [..., dim, "
                "frame] of the same encoder, and of clips of one length"
            )
        if self.matrix is None:
            return np.broadcast_to(self.offset, z.shape)
        return np.swapaxes(np.swapaxes(z, -1, -2) @ self.matrix, -1, -2) + self.offset

    def apply(self, latents: Latents, strength: float = 1.0) -> Latents:
        """Return `latents [..., dim, frame]` with the effect: 0 changes nothing, 1 is as learned, 2 twice as much.

        Labels stay. Raises as `displacement` does.
        """
        moved = np.asarray(latents, np.float32) + np.float32(strength) * self.displacement(latents)
        return latents.copy(data=moved) if isinstance(latents, xr.DataArray) else moved


def learn_effect(dry: Latents, wet: Latents, method: str = "mean", ridge: float = RIDGE) -> EffectMap:
    """Return the map that turns `dry` into `wet [pair dim frame]` as well as its method can (see above).

    Raises ValueError for an unknown method, no pairs, shapes that differ, and latents that are not finite.
    """
    if method not in METHODS:
        raise ValueError(f"no method is called {method!r}; choose one of {', '.join(METHODS)}")
    dry, wet = np.asarray(dry, np.float64), np.asarray(wet, np.float64)
    if dry.shape != wet.shape or dry.ndim != 3 or not dry.size:
        raise ValueError(f"dry and wet must be pairs [pair dim frame], they are of shape {dry.shape} and {wet.shape}")
    if not (np.isfinite(dry).all() and np.isfinite(wet).all()):
        raise ValueError("dry or wet latents hold NaN or infinity: encode these clips again, or leave them out")
    if method == "frame":
        return EffectMap(method, (wet - dry).mean(axis=0).astype(np.float32))
    x, y = (np.swapaxes(z, 1, 2).reshape(-1, z.shape[1]) for z in (dry, wet))
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    matrix = None
    if method != "mean":
        matrix = _LINEAR[method](x - mean_x, y - mean_y, ridge)
    shift = mean_y - mean_x if matrix is None else mean_y - mean_x - mean_x @ matrix
    return EffectMap(
        method, shift.astype(np.float32)[:, None], None if matrix is None else np.ascontiguousarray(matrix, np.float32)
    )


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Return the displacement as a matrix. It is the change that is shrunk, so that much shrinkage leaves the shift."""
    moments = x.T @ x
    penalty = ridge * max(np.trace(moments) / len(moments), np.finfo(float).tiny)
    return np.linalg.solve(moments + penalty * np.eye(len(moments)), x.T @ (y - x))


def _orthogonal(x: NDArray[np.float64], y: NDArray[np.float64], _: float) -> NDArray[np.float64]:
    return orthogonal_procrustes(x, y)[0] - np.eye(x.shape[1])


_LINEAR = {"ridge": _ridge, "orthogonal": _orthogonal}


def interpolate(first: Latents, second: Latents, share: float, spherical: bool = False) -> Latents:
    """Return latents `[..., dim, frame]` between two clips: `share` 0 is the first, 1 the second.

    Interpolation is linear, frame by frame; or `spherical`: each frame turns from the one direction to the other along
    the great circle and changes its length evenly (Shoemake 1985), so that the middle is not shorter than both. Frames
    of opposite or no direction are interpolated linearly. The first's labels stay.

    Raises ValueError if the shapes differ.
    """
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    _check_alike(a, b)
    between = (1 - share) * a + share * b
    if spherical:
        between = _turned(a, b, share, between)
    return first.copy(data=between) if isinstance(first, xr.DataArray) else between


def _turned(a: NDArray, b: NDArray, share: float, between: NDArray) -> NDArray[np.float32]:
    lengths = [np.linalg.norm(z, axis=-2, keepdims=True) for z in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        units = [z / length for z, length in zip((a, b), lengths, strict=True)]
        angle = np.arccos(np.clip((units[0] * units[1]).sum(axis=-2, keepdims=True), -1, 1))
        weights = [np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)]
        length = (1 - share) * lengths[0] + share * lengths[1]
        turned = length * (weights[0] * units[0] + weights[1] * units[1])
    determined = np.isfinite(turned) & (np.sin(angle) > 1e-3)
    return np.where(determined, turned, between).astype(np.float32)


def scale_dims(latents: Latents, dims: Sequence[int], factor: float) -> Latents:
    """Return `latents [..., dim, frame]` with the swing of some dims about their mean over time multiplied by `factor`.

    0 holds them at their average, -1 turns them over. Raises ValueError for a dim that is not there.
    """
    moved = np.array(latents, np.float32)
    chosen = _checked_dims(moved, dims)
    part = moved[..., chosen, :]
    middle = part.mean(axis=-1, keepdims=True)
    moved[..., chosen, :] = middle + np.float32(factor) * (part - middle)
    return latents.copy(data=moved) if isinstance(latents, xr.DataArray) else moved


def swap_dims(latents: Latents, other: Latents, dims: Sequence[int]) -> Latents:
    """Return `latents [..., dim, frame]` with some dims taken from `other`, which may be wet, or another clip.

    Raises ValueError for a dim that is not there, or shapes that differ.
    """
    moved, from_other = np.array(latents, np.float32), np.asarray(other, np.float32)
    _check_alike(moved, from_other)
    chosen = _checked_dims(moved, dims)
    moved[..., chosen, :] = from_other[..., chosen, :]
    return latents.copy(data=moved) if isinstance(latents, xr.DataArray) else moved


def _check_alike(a: NDArray, b: NDArray) -> None:
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            f"latents of shape {a.shape} and {b.shape} do not go together: pass two of [..., dim, frame] of the same "
            "encoder and length"
        )


def _checked_dims(latents: NDArray, dims: Sequence[int]) -> list[int]:
    if latents.ndim < 2:
        raise ValueError(f"latents are [..., dim, frame], not of shape {latents.shape}")
    outside = [dim for dim in dims if not 0 <= dim < latents.shape[-2]]
    if outside:
        raise ValueError(f"dims {outside} are not among the {latents.shape[-2]} of these latents: count from 0")
    return list(dims)
