"""Shapes in latent space, in the full dimension and not in a picture of it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray


def straightness(x: xr.DataArray | NDArray[np.floating]) -> xr.DataArray | NDArray[np.floating]:
    """Return chord over arc length of each path over the dims `(value, dim)`: 1 is a straight line, 0 a closed loop.

    Takes `(..., value, dim)`, or a plain array whose last two axes are these; gives `(...)`. A path that never moves
    has no direction and is NaN. Section 3.1: distortion's paths "tend to appear comparatively unidirectional".

    Raises ValueError if a path has fewer than three points, which are straight whatever they are.
    """
    if isinstance(x, xr.DataArray):
        return xr.apply_ufunc(straightness, x, input_core_dims=[["value", "dim"]])
    if x.ndim < 2 or x.shape[-2] < 3:
        raise ValueError(f"straightness needs at least 3 points (value, dim) on a path, not shape {x.shape}")
    path = np.asarray(x, np.float64)
    arc = np.linalg.norm(np.diff(path, axis=-2), axis=-1).sum(axis=-1)
    chord = np.linalg.norm(path[..., -1, :] - path[..., 0, :], axis=-1)
    return np.divide(chord, arc, out=np.full_like(chord, np.nan), where=arc > 0)
