"""A visitor's clips through effects, as points among those of the bundled clips."""

from __future__ import annotations

import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.points import point_looks
from latentfx_nb.figures.theme import (
    MARK,
    coordinates,
    effect_look,
    finish,
    hover_texts,
    name_axes,
    scatter,
)


def own_points(points: xr.DataArray, cloud: xr.DataArray, chosen: tuple[int, int] | None = None) -> go.Figure:
    """Return one scene of `points (clip, effect, component)` in the colours of their effects, over a faint `cloud`.

    Traces: "bundled clips", the cloud `(clip, effect, component)`; "points"; "chosen", a ring around the point of clip
    and effect `chosen`, both numbers; and "legend HPF" and so on.
    """
    flat = points.sizes["component"] == 2
    faint = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    bright = {"size": 6 if flat else 4, **point_looks(points, "effect"), "opacity": 0.85, "line": {"width": 0}}
    ring = {"size": 13 if flat else 11, "color": MARK, "symbol": "circle-open", "line": {"width": 3}}
    look = {"mode": "markers", "hoverinfo": "text"}
    traces = [
        scatter(flat, **look, **_named("bundled clips"), marker=faint, **coordinates(cloud), text=hover_texts(cloud)),
        scatter(flat, **look, meta="points", name="", marker=bright, **coordinates(points), text=hover_texts(points)),
        scatter(flat, mode="markers", hoverinfo="skip", **_named("chosen"), marker=ring, **ring_place(points, chosen)),
    ]
    traces += [_legend(flat, label) for label in EFFECTS]
    figure = go.Figure(traces)
    name_axes(figure, cloud, flat=flat, drawn=[points])
    return finish(figure, height=600)


def ring_place(points: xr.DataArray, chosen: tuple[int, int] | None) -> dict:
    """Return where the ring around a chosen point is; nowhere if none is chosen."""
    if chosen is None:
        return {axis: [None] for axis in "xyz"[: points.sizes["component"]]}
    return coordinates(points[chosen])


def _named(name: str) -> dict:
    return {"name": name, "meta": name}


def _legend(flat: bool, label: str) -> go.Scatter | go.Scatter3d:
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    marker = {"size": 8, **effect_look(label)}
    name = f"{label} {EFFECTS[label].name.lower()}"
    return scatter(flat, **nowhere, mode="markers", marker=marker, name=name, meta=f"legend {label}", showlegend=True)
