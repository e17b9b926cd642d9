"""Figures for narrow screens: their parts below each other, in small type, or the first part alone."""

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
            title.update(text=_short(title), x=0.5, y=top, font={"size": 13})
    return figure.update_layout(coloraxis={"showscale": False}, font={"size": 11})


def compact(figure: go.Figure) -> go.Figure:
    """Return a grid of images in small type, without colour bars; titles are cut at their colon."""
    figure = go.Figure(figure)
    for title in figure.layout.annotations:
        title.update(text=_short(title), font={"size": 11})
    bars = {axis: {"showscale": False} for axis in figure.to_dict()["layout"] if axis.startswith("coloraxis")}
    return figure.update_layout(bars).update_layout(font={"size": 11}).update_xaxes(title={"font": {"size": 11}})


def first_part(figure: go.Figure) -> go.Figure:
    """Return a figure with nothing but its first scene or plane, as large as all of it."""
    figure = go.Figure(figure)
    solid = any(trace.type == "scatter3d" for trace in figure.data)
    for trace in figure.data:
        if (trace.type != "scatter3d") if solid else (trace.xaxis not in (None, "x")):
            trace.visible = False
    for axes in [*figure.select_xaxes(), *figure.select_yaxes()]:
        axes.visible = not solid and axes.plotly_name in ("xaxis", "yaxis")
    figure.layout.annotations = ()
    whole = {"domain": {"x": (0, 1), "y": (0, 1)}}
    if solid:
        return figure.update_layout(scene=whole)
    return figure.update_layout(xaxis={"domain": (0, 1)}, yaxis={"domain": (0, 1)})


def _short(title: go.layout.Annotation) -> str:
    return str(title.text).split(":")[0]
