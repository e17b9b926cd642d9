"""Latents of clips over time (Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.paths import _shades
from latentfx_nb.figures.theme import SET_COLORS, coordinates, finish, name_axes, plain, scatter

MOST_TRAJECTORIES = 6
"""Trajectories that one picture holds apart."""


def trajectories(paths: Sequence[xr.DataArray], cloud: xr.DataArray | None = None) -> go.Figure:
    """Return trajectories through time, light to dark, in the basis of a data set's frames (Figure 2).

    `paths` are up to six of `(frame, component)` with the coordinates `time_s`, `clip` and `effect`; `cloud (frame,
    component)` are frames of the whole data set. Traces: "data set", the cloud; "now", the markers, which stand at the
    first frames; "trajectory 1" and so on; and "legend 1" and so on, what the legend shows of each.
    """
    flat = paths[0].sizes["component"] == 2
    coloured = list(zip(paths[:MOST_TRAJECTORIES], SET_COLORS, strict=False))
    lines, legend = [], []
    for i, (path, color) in enumerate(coloured, 1):
        group = {"legendgroup": f"trajectory {i}"}  # the line in the legend hides the one in the picture
        lines.append(_line(path, color, flat).update(meta=f"trajectory {i}", **group))
        legend.append(_legend(path, color, flat).update(meta=f"legend {i}", **group))
    figure = go.Figure([_cloud(cloud, flat), _now(paths[:MOST_TRAJECTORIES], flat), *lines, *legend])
    name_axes(figure, paths[0] if cloud is None else cloud, flat=flat, drawn=paths)
    figure = finish(figure, height=620)
    return figure.update_layout(legend={"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"})


def _cloud(cloud: xr.DataArray | None, flat: bool) -> go.Scatter | go.Scatter3d:
    places = {} if cloud is None else coordinates(cloud)
    look = {"mode": "markers", "marker": {"size": 2, "color": "#9a9a9a", "opacity": 0.25}, "hoverinfo": "skip"}
    return scatter(flat, **places, **look, name="data set", meta="data set")


def _line(path: xr.DataArray, color: str, flat: bool) -> go.Scatter | go.Scatter3d:
    """Return one trajectory, from a tint of `color` at the start to a shade of it at the end."""
    times = path["time_s"].values
    name = plain(trajectory_name(path))
    texts = [f"<b>{name}</b><br>{time_s:.2f} s" for time_s in times]
    shades = {"color": times, "colorscale": _shades(color), "cmin": 0.0, "cmax": float(times[-1]) or 1.0}
    if flat:
        look = {"mode": "lines+markers", "line": {"width": 1, "color": color}, "marker": {"size": 3, **shades}}
    else:
        look = {"mode": "lines", "line": {"width": 4, **shades}}
    return scatter(flat, **coordinates(path), **look, text=texts, hoverinfo="text", name=name)


def _legend(path: xr.DataArray, color: str, flat: bool) -> go.Scatter | go.Scatter3d:
    """Return what the legend says of a trajectory: lines of many shades have no colour there."""
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    marker = {"size": 8, "color": color, "symbol": "diamond"}
    name = plain(trajectory_name(path))
    return scatter(flat, **nowhere, mode="markers", marker=marker, name=name, showlegend=True)


def _now(paths: Sequence[xr.DataArray], flat: bool) -> go.Scatter | go.Scatter3d:
    """Return the markers at the first frames. Their number stays the same, as the page moves them by it."""
    size, colors, edge = 13 if flat else 9, list(SET_COLORS[: len(paths)]), {"width": 1, "color": "#000000"}
    marker = {"size": size, "symbol": "diamond", "color": colors, "line": edge}
    places = coordinates(np.stack([path.values[0] for path in paths]))
    over = {"zorder": 1} if flat else {}  # over the lines, which come later
    return scatter(flat, **places, **over, mode="markers", marker=marker, hoverinfo="skip", name="now", meta="now")


def trajectory_name(path: xr.DataArray) -> str:
    """Return what a trajectory with the coordinates `clip` and `effect` is of."""
    return trajectory_words(path["clip"].item(), path["effect"].item())


def trajectory_words(clip: str, effect: str) -> str:
    """Return what the trajectory of a clip through an effect is called."""
    return f"{clip}, {EFFECTS[effect].name.lower()}"
