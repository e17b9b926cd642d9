"""Pictures of a visitor's own clips among those of a data set: whose cloud it is, and what is not shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.figures.points import cloud_traces
from latentfx_nb.figures.theme import plain

CLOUD = "data set"
"""What the trace of the reference's points is called in `meta`."""

NOT_SHOWN = "not shown"
"""Beginning of the names of annotations that say so."""


def mark_reference(figure: go.Figure, name: str, said: str = "") -> go.Figure:
    """Return the figure with its cloud named in the legend; `said` is written into the picture, at the top."""
    for trace in figure.data:
        if trace.meta == CLOUD or str(trace.meta).removeprefix(CLOUD).strip().isdigit():  # else coloured by groups
            trace.update(name=plain(name), showlegend=True)
            break
    if said:
        figure.add_annotation(note_in(said))
    return figure


def note_in(said: str, x: float = 0.5, y: float = 1.0) -> dict[str, Any]:
    """Return a sentence in the picture, in its lines, below the place `x`, `y`, both shares of it from 0 to 1."""
    look = {"showarrow": False, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "top"}
    return {"text": plain(said).replace("\n", "<br>"), "name": NOT_SHOWN, "x": x, "y": y, **look}


def add_to_titles(figure: go.Figure, words: Mapping[str, str]) -> go.Figure:
    """Return the figure with words, after a comma, added to each title that holds a key of `words`."""
    for title in figure.layout.annotations:
        for key, added in words.items():
            if key in title.text:
                title.text = f"{title.text}, {plain(added)}"
                break
    return figure


def cloud_trace(points: xr.DataArray, view: int) -> go.Scatter | go.Scatter3d:
    """Return the faint cloud `points (clip, effect, component)` behind a view, "data set 1" behind the first."""
    (trace,) = cloud_traces(points, CLOUD)
    return trace.update(meta=f"{CLOUD} {view}", legendgroup=CLOUD)
