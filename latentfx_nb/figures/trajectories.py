"""Latents of clips over time (Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.paths import _shades
from latentfx_nb.figures.theme import SET_COLORS, coordinates, finish, plain, scatter, scene_axes

MOST_TRAJECTORIES = 6
"""Trajectories that one picture holds apart."""


def trajectories(paths: Sequence[xr.DataArray], cloud: xr.DataArray | None = None) -> go.Figure:
    """Return trajectories through time, light to dark, in the basis of a data set's frames (Figure 2).

    `paths` are up to six of `(frame, component)` with the coordinates `time_s`, `clip` and `effect`; `cloud (frame,
    component)` are frames of the whole data set. Traces come in this order: the cloud, six trajectories, what the
    legend shows of each, and the markers, which stand at the first frames.
    """
    flat = paths[0].sizes["component"] == 2
    background = {"size": 2, "color": "#9a9a9a", "opacity": 0.25}
    places = {} if cloud is None else coordinates(cloud)
    figure = go.Figure(scatter(flat, **places, mode="markers", marker=background, hoverinfo="skip", name="data set"))
    shown = [*paths, *[None] * MOST_TRAJECTORIES][:MOST_TRAJECTORIES]
    for path, color in zip(shown, SET_COLORS, strict=False):
        mode = "lines+markers" if flat else "lines"
        figure.add_trace(scatter(flat, mode=mode, hoverinfo="text", **trajectory_trace(path, color, flat)))
    for path, color in zip(shown, SET_COLORS, strict=False):
        nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
        look = {"mode": "markers", "marker": {"size": 8, "color": color, "symbol": "diamond"}}
        figure.add_trace(scatter(flat, **nowhere, **look, **trajectory_legend(path)))
    figure.add_trace(scatter(flat, mode="markers", hoverinfo="skip", name="now", **now_trace(paths)))
    if flat:
        names = paths[0]["component"].values
        figure.update_xaxes(title=str(names[0]))
        figure.update_yaxes(title=str(names[1]), scaleanchor="x")
    else:
        figure.update_scenes(scene_axes(paths[0]))
    figure = finish(figure, height=620)
    return figure.update_layout(legend={"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}, margin={"t": 60})


def trajectory_trace(path: xr.DataArray | None, color: str, flat: bool = False) -> dict:
    """Return the data of one trace of `trajectories`, from a tint of `color` at the start to a shade of it at the end.

    Without a path it is empty.
    """
    if path is None:
        return {**{axis: [None] for axis in ("xy" if flat else "xyz")}, "name": "", "visible": False}
    times = path["time_s"].values
    name = plain(trajectory_name(path))
    texts = [f"<b>{name}</b><br>{time_s:.2f} s" for time_s in times]
    shades = {"color": times, "colorscale": _shades(color), "cmin": 0.0, "cmax": float(times[-1]) or 1.0}
    look = (
        {"line": {"width": 1, "color": color}, "marker": {"size": 3, **shades}}
        if flat
        else {"line": {"width": 4, **shades}}
    )
    return {**coordinates(path), "text": texts, "name": name, "visible": True, **look}


def trajectory_legend(path: xr.DataArray | None) -> dict:
    """Return what the legend of `trajectories` says of one; lines of many shades have no colour there."""
    return {"name": "" if path is None else plain(trajectory_name(path)), "showlegend": path is not None}


def trajectory_name(path: xr.DataArray) -> str:
    """Return what a trajectory with the coordinates `clip` and `effect` is of."""
    return trajectory_words(path["clip"].item(), path["effect"].item())


def trajectory_words(clip: str, effect: str) -> str:
    """Return what the trajectory of a clip through an effect is called."""
    return f"{clip}, {EFFECTS[effect].name.lower()}"


def now_trace(paths: Sequence[xr.DataArray]) -> dict:
    """Return the markers of `trajectories`, at their first frames."""
    flat = paths[0].sizes["component"] == 2
    marker = {"size": 13 if flat else 9, "symbol": "diamond", "color": list(SET_COLORS[: len(paths)])}
    marker["line"] = {"width": 1, "color": "#000000"}
    return {**coordinates(np.stack([path.values[0] for path in paths])), "marker": marker}
