"""Where latent algebra brings a clip, and how near on held-out recordings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import coordinates, error_bars, finish, hover_texts, name_axes, scatter

PLACE_COLORS = ("#808080", "#d55e00", "#0072b2")
"""Where a clip starts from, where it should come to, and where algebra brings it."""


METHOD_COLORS = {
    "mean shift": "#b98d00",
    "a shift for each frame": "#8d84ff",
    "ridge regression": "#0072b2",
    "rotation": "#00a761",
}
"""Colours of `algebra.METHODS`, by their words; what is not algebra but the real effect has that place's."""


METHOD_SYMBOLS = ("circle", "diamond", "square", "x")


def latent_algebra(
    cloud: xr.DataArray,
    pairs: tuple[xr.DataArray, xr.DataArray],
    places: Mapping[str, xr.DataArray],
    path: xr.DataArray,
    bars: Mapping[str, pd.DataFrame],
    curves: Mapping[str, pd.DataFrame],
) -> go.Figure:
    """Return where algebra brings a clip, in the basis of the data set, and how near it comes on held-out recordings.

    `cloud (clip, effect, component)` are all time averages, `pairs` what was learned from: two of `(clip, component)`,
    each joined by a line. `places` are three points `(component)`: the start, the aim and where it came to; `path
    (value, component)` is the way there. `bars` are two frames with a row an effect, `curves` four with a row for each
    number of pairs; both with the columns score, low and high. Traces come in this order: the cloud, the pairs, the
    path, three places, two sets of bars, four curves.
    """
    flat = cloud.sizes["component"] == 2
    figure = make_subplots(
        2,
        2,
        specs=[[{"type": "xy" if flat else "scene", "rowspan": 2}, {}], [None, {}]],
        subplot_titles=["Time averages", "Scores", "Few-shot"],
        column_widths=[0.54, 0.46],
        horizontal_spacing=0.07,
        vertical_spacing=0.16,
    )
    background = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    texts = hover_texts(cloud)
    scene = [
        scatter(flat, **coordinates(cloud), mode="markers", marker=background, text=texts, hoverinfo="text"),
        scatter(flat, mode="lines", line={"color": "#b0b0b0", "width": 2}, hoverinfo="skip", **pair_lines(*pairs)),
        scatter(flat, mode="lines", line={"color": PLACE_COLORS[2], "width": 4}, hoverinfo="skip", **coordinates(path)),
    ]
    for trace, name in zip(scene, ("data set", "learned from", "the way"), strict=True):
        figure.add_trace(trace.update(name=name), 1, 1)
    for (name, place), color in zip(places.items(), PLACE_COLORS, strict=True):
        marker = {
            "size": 14 if flat else 8,
            "symbol": "diamond",
            "color": color,
            "line": {"width": 1, "color": "#ffffff"},
        }
        look = {"mode": "markers", "marker": marker, "hoverinfo": "text", "showlegend": True}
        figure.add_trace(scatter(flat, **look, **algebra_place(name, place)), 1, 1)
    for name, frame in bars.items():
        figure.add_trace(go.Bar(**score_bars(name, frame)), 1, 2)
    for (name, frame), symbol in zip(curves.items(), METHOD_SYMBOLS, strict=True):
        color = METHOD_COLORS[name]
        look = {"mode": "lines+markers", "marker": {"color": color, "symbol": symbol}, "line": {"color": color}}
        figure.add_trace(go.Scatter(**look, **score_curve(name, frame)), 2, 2)
    name_axes(figure, cloud, 1, 1, flat)
    axes = {"title": "score (%)", "zeroline": True, "zerolinecolor": "#808080"}
    figure.update_yaxes(**axes, row=1, col=2)
    figure.update_yaxes(**axes, row=2, col=2)
    figure.update_xaxes(type="category", row=1, col=2)
    figure.update_xaxes(title="pairs learned from", type="category", row=2, col=2)
    figure.update_layout(barmode="group")
    return finish(figure, height=700).update_layout(legend={"y": -0.1}, margin={"b": 60})


def pair_lines(dry: xr.DataArray, wet: xr.DataArray) -> dict:
    """Return a line from each point of `dry` to its fellow in `wet`, both `(clip, component)`, as one trace."""
    gap = np.full_like(dry.values, np.nan)
    return coordinates(np.stack([dry.values, wet.values, gap], axis=1))


def algebra_place(name: str, place: xr.DataArray) -> dict:
    """Return the data of one of the three places of `latent_algebra`."""
    return {**coordinates(place.values[None]), "name": name, "text": [f"<b>{name}</b>"]}


def score_bars(name: str, scores: pd.DataFrame) -> dict:
    """Return the data of one set of bars of `latent_algebra`."""
    hover = f"{name}, %{{x}}: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}})"
    look = {"name": name, "marker": {"color": METHOD_COLORS.get(name, PLACE_COLORS[1])}}
    return {"x": list(scores.index), **look, **_score_values(scores), "hovertemplate": hover}


def score_curve(name: str, scores: pd.DataFrame) -> dict:
    """Return the data of one few-shot curve of `latent_algebra`."""
    hover = f"{name}, %{{x}} pairs: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}})"
    return {"x": [str(k) for k in scores.index], "name": name, **_score_values(scores), "hovertemplate": hover}


def _score_values(scores: pd.DataFrame) -> dict:
    middle, low, high = (100 * scores[column].to_numpy(float) for column in ("score", "low", "high"))
    return {"y": middle, "error_y": error_bars(middle, low, high)}
