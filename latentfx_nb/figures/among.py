"""Pictures of a visitor's own clips among those of a data set: whose cloud it is, and what is not shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.figures.scenes import axes_of
from latentfx_nb.figures.theme import coordinates, hover_texts, plain, scatter

CLOUD = "data set"
"""What the trace of the reference's points is called in `meta`."""

NOT_SHOWN = "not shown"
"""Beginning of the names of annotations that say so."""


def mark_reference(figure: go.Figure, name: str, said: str = "") -> go.Figure:
    """Return the figure with its cloud named in the legend; `said` is written into the picture, at the top."""
    clouds = [trace for trace in figure.data if str(trace.meta).startswith(CLOUD)]
    for trace in clouds[:1]:
        trace.update(name=plain(name), showlegend=True)
    if said:
        say_in(figure, said)
    return figure


def say_in(figure: go.Figure, said: str, x: float = 0.5, y: float = 1.0) -> None:
    """Write a sentence into the picture, below the place `x`, `y`, both shares of it from 0 to 1."""
    look: dict[str, Any] = {"showarrow": False, "xref": "paper", "yref": "paper", "yanchor": "top"}
    figure.add_annotation(text=plain(said), name=NOT_SHOWN, x=x, y=y, **look)


def add_to_titles(figure: go.Figure, words: Mapping[str, str]) -> go.Figure:
    """Return the figure with words, after a comma, added to each title that holds a key of `words`."""
    for title in figure.layout.annotations:
        for key, added in words.items():
            if key in title.text:
                title.text = f"{title.text}, {plain(added)}"
                break
    return figure


def cloud_behind(figure: go.Figure, view: str, points: xr.DataArray, name: str, said: str = "") -> None:
    """Add a faint cloud `points (clip, effect, component)` to the scene of a view, a trace's name or its beginning.

    The axes are those of the cloud. `said` is written into the scene, which says what it does not show.
    """
    first = next(trace for trace in figure.data if str(trace.meta).startswith(view))
    flat = first.type == "scatter"
    look = {"mode": "markers", "marker": {"size": 3, "color": "#9a9a9a", "opacity": 0.25}, "hoverinfo": "text"}
    axes = {"xaxis": first.xaxis, "yaxis": first.yaxis, "zorder": -1} if flat else {"scene": first.scene}
    named = {"name": plain(name), "meta": f"{CLOUD} {view.partition(' ')[2]}"}
    figure.add_trace(scatter(flat, **look, **named, **axes, **coordinates(points), text=hover_texts(points)))
    _fit_axes(figure, first, points, flat)
    if said:
        domain = _domain(figure, first, flat)
        say_in(figure, said, *domain)


def _fit_axes(figure: go.Figure, trace: Any, points: xr.DataArray, flat: bool) -> None:
    """Fit the axes of a trace, and its camera, to `points`; the names of the axes stay as they are."""
    axes = axes_of(points, flat)
    if flat:
        for axis in (trace.xaxis or "x", trace.yaxis or "y"):
            figure.layout[f"{axis[0]}axis{axis[1:]}"].range = axes[f"{axis[0]}axis"].get("range")
        return
    ranges = {name: {"range": part.get("range")} for name, part in axes["scene"].items() if name.endswith("axis")}
    others = {name: part for name, part in axes["scene"].items() if not name.endswith("axis")}
    figure.layout[trace.scene or "scene"].update({**others, **ranges})


def _domain(figure: go.Figure, trace: Any, flat: bool) -> tuple[float, float]:
    """Return the middle and the top of a trace's scene, as shares of the picture."""
    if flat:
        across, up = (figure.layout[f"{axis[0]}axis{axis[1:]}"].domain for axis in (trace.xaxis, trace.yaxis))
    else:
        across, up = (getattr(figure.layout[trace.scene or "scene"].domain, axis) for axis in "xy")
    across, up = across or (0, 1), up or (0, 1)
    return (across[0] + across[1]) / 2, up[1]
