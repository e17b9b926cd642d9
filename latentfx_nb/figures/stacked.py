"""Figures for narrow screens: what stands side by side stands below each other."""

from __future__ import annotations

import plotly.graph_objects as go

GAP = 0.14
"""The share of a figure's height between two parts, for the title of one and the axis of the other."""


def stacked(figure: go.Figure) -> go.Figure:
    """Return a figure of flat parts with these below each other, as wide as all, in the order in which one reads.

    A colour bar has no room there, and titles are cut at their colon.
    """
    figure = go.Figure(figure)
    layout = figure.layout
    axes = [axis.plotly_name.removeprefix("yaxis") for axis in figure.select_yaxes()]
    axes.sort(key=lambda number: (-layout[f"yaxis{number}"].domain[1], layout[f"xaxis{number}"].domain[0]))
    height = (1 - GAP * (len(axes) - 1)) / len(axes)
    for place, number in enumerate(axes):
        top = 1 - place * (height + GAP)
        layout[f"yaxis{number}"].domain = (max(0, top - height), top)
        layout[f"xaxis{number}"].update(domain=(0, 1), title={"text": None})
        if place < len(layout.annotations):
            title = layout.annotations[place]
            title.update(text=str(title.text).split(":")[0], x=0.5, y=top, font={"size": 13})
    return figure.update_layout(coloraxis={"showscale": False}, font={"size": 11})
