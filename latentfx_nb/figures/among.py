"""Pictures of a visitor's own clips among those of a data set: whose cloud it is, and what is not shown of them."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from latentfx_nb.figures.theme import plain

CLOUD = "data set"
"""What the trace of the reference's points is called in `meta`."""

NOT_SHOWN = "not shown"
"""Beginning of the names of annotations that say so."""


def mark_reference(figure: go.Figure, name: str, said: str = "") -> go.Figure:
    """Return the figure with its cloud named in the legend; `said` is written into the picture, at the top."""
    for trace in figure.data:
        if trace.meta == CLOUD:
            trace.update(name=plain(name), showlegend=True)
    if said:
        say_in(figure, said)
    return figure


def say_in(figure: go.Figure, said: str, x: float = 0.5, y: float = 1.0) -> None:
    """Write a sentence into the picture, below the place `x`, `y`, both shares of it from 0 to 1."""
    look: dict[str, Any] = {"showarrow": False, "xref": "paper", "yref": "paper", "yanchor": "top"}
    figure.add_annotation(text=plain(said), name=NOT_SHOWN, x=x, y=y, **look)
