"""The paths that a knob makes of clips (Figures 6-9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.theme import (
    EFFECT_COLORS,
    MARK,
    SET_COLORS,
    coordinates,
    finish,
    hover_texts,
    plain,
    scatter,
    scene_axes,
)

MOST_KNOBS = 4
"""Knobs whose paths one picture holds (Figure 9 has four)."""


def knob_path(
    paths: xr.DataArray,
    cloud: xr.DataArray | None = None,
    chosen: Sequence[xr.DataArray] | None = None,
    others: Sequence[xr.DataArray] = (),
) -> go.Figure:
    """Return the paths `(clip, value, component)` that a knob makes of clips (Figures 6-9), over a faint `cloud`.

    The first trace is the cloud `(clip, effect, component)` of the whole data set, whose basis the paths are drawn in;
    then come the paths, light to dark as the knob goes up, in the effect's colour, then a diamond a clip where the knob
    stands (`chosen (clip, component)`; by default the path's first point). After these come three traces for the paths
    of `others`, further knobs (Figure 9), and what the legend shows of all four.
    """
    flat = paths.sizes["component"] == 2
    background = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    figure = go.Figure(
        [
            scatter(
                flat,
                **({} if cloud is None else coordinates(cloud)),
                mode="markers",
                marker=background,
                text=[] if cloud is None else hover_texts(cloud),
                hoverinfo="text",
                name="data set",
            ),
            scatter(flat, mode="lines+markers", hoverinfo="text", name="paths", **path_trace(paths)),
            scatter(flat, mode="markers", hoverinfo="text", name="knob", **knob_trace(paths, chosen)),
        ]
    )
    further = [*others, *[None] * MOST_KNOBS][: MOST_KNOBS - 1]
    for other in further:
        nothing = {axis: [None] for axis in ("xy" if flat else "xyz")}
        drawn = nothing if other is None else path_trace(other)
        figure.add_trace(scatter(flat, mode="lines+markers", hoverinfo="text", name="further paths", **drawn))
    for one in (paths, *further):
        nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
        figure.add_trace(scatter(flat, **nowhere, mode="markers", **path_legend(one)))
    if flat:
        figure.update_xaxes(title=str(paths["component"].values[0]))
        figure.update_yaxes(title=str(paths["component"].values[1]), scaleanchor="x")
    else:
        figure.update_scenes(scene_axes(paths))
    return finish(figure, height=600)


def path_trace(paths: xr.DataArray | None) -> dict:
    """Return x, y, z, colours and hover texts of all paths in one trace, with a gap after each clip."""
    if paths is None:
        return {"x": [None], "y": [None], "z": [None], "text": []}
    gap = xr.full_like(paths.isel(value=[0]), np.nan)
    gapped = xr.concat([paths, gap], "value", coords="minimal", compat="override", join="outer")
    turn = np.append(np.linspace(0, 1.0, paths.sizes["value"]), 0)
    texts = [
        f"<b>{plain(clip)}</b><br>{_knob_text(paths, value)}"
        for clip in paths["clip"].values
        for value in [*paths["value"].values, paths["value"].values[0]]
    ]
    colors = np.tile(turn, paths.sizes["clip"])
    scale = {"color": colors, "colorscale": _shades(_path_color(paths)), "cmin": 0.0, "cmax": 1.0}
    flat = paths.sizes["component"] == 2
    line = {"width": 1, "color": "#777777"} if flat else {"width": 4, **scale}
    return {**coordinates(gapped), "text": texts, "line": line, "marker": {"size": 5 if flat else 3, **scale}}


def path_legend(paths: xr.DataArray | None) -> dict:
    """Return what the legend of `knob_path` says of a knob's paths."""
    if paths is None or "effect" not in paths["value"].attrs:
        return {"name": "", "showlegend": False, "marker": {"size": 8}}
    attributes = paths["value"].attrs
    words = f"{EFFECTS[attributes['effect']].name}: {EFFECTS[attributes['effect']].knob(attributes['knob']).words}"
    return {"name": words, "showlegend": True, "marker": {"size": 8, "color": _path_color(paths)}}


def _path_color(paths: xr.DataArray) -> str:
    return EFFECT_COLORS.get(paths["value"].attrs.get("effect"), SET_COLORS[0])


def _shades(color: str) -> list[list]:
    """Return a colour scale from a tint of `color` "#rrggbb" by itself to a shade of it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return [[at, "rgb({},{},{})".format(*ends.round().astype(int))] for at, ends in (
        (0.0, 255 - 0.3 * (255 - rgb)), (0.6, rgb), (1.0, 0.45 * rgb)
    )]  # fmt: skip


def knob_trace(paths: xr.DataArray, chosen: Sequence[xr.DataArray] | None = None) -> dict:
    """Return x, y, z and hover texts of the diamonds `chosen (clip, component)` that say where the knob stands."""
    here = paths.isel(value=0) if chosen is None else chosen
    marker = {"size": 13 if paths.sizes["component"] == 2 else 8, "symbol": "diamond", "color": MARK}
    marker["line"] = {"width": 1, "color": "#ffffff"}
    return {**coordinates(here), "text": [f"<b>{plain(clip)}</b>" for clip in paths["clip"].values], "marker": marker}


def _knob_text(paths: xr.DataArray, value: float) -> str:
    attributes = paths["value"].attrs
    if "effect" not in attributes:
        return f"{value:.4g}"
    return EFFECTS[attributes["effect"]].knob(attributes["knob"]).text(value)
