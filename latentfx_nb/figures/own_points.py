"""A visitor's clips through effects, as points among those of the bundled clips."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.figures.points import cloud_traces, point_traces, ring_trace
from latentfx_nb.figures.theme import coordinates, finish, name_axes


def own_points(
    points: xr.DataArray,
    cloud: xr.DataArray,
    chosen: tuple[int, int] | None = None,
    color: str = "effect",
    faded: np.ndarray | None = None,
) -> go.Figure:
    """Return one scene of `points (clip, effect, component)` over a faint `cloud` of the same dims.

    Traces: "bundled clips", the cloud; "points HPF" and so on, the points of each effect ("points guitar" coloured by
    instrument, "points" by clip); and "chosen", a ring around the point of clip and effect `chosen`, both numbers.
    `faded [sample]` says which points, clip by clip, are hardly seen.
    """
    flat = points.sizes["component"] == 2
    traces = cloud_traces(cloud, "bundled clips") + point_traces(points, color, "points", faded)
    ring = ring_trace(flat, None if chosen is None else points[chosen]).update(meta="chosen")
    figure = go.Figure([*traces, ring])
    name_axes(figure, cloud, flat=flat, drawn=[points])
    return finish(figure, height=600)


def ring_place(points: xr.DataArray, chosen: tuple[int, int] | None) -> dict:
    """Return where the ring around a chosen point is; nowhere if none is chosen."""
    if chosen is None:
        return {axis: [None] for axis in "xyz"[: points.sizes["component"]]}
    return coordinates(points[chosen])
