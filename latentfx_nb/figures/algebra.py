"""Where latent algebra brings a clip, and how near on held-out recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import MARK, coordinates, error_bars, finish, hover_texts, name_axes, scatter

PLACE_COLORS = ("#808080", "#d55e00", MARK)
"""Where a clip starts from, where it should come to, and where algebra brings it: none of a method's colours."""

PLACE_LABELS = ("bottom center", "top left", "top right")
"""Where their names stand, apart from each other where the places are near."""

BEST = {"color": "rgba(128, 128, 128, 0.15)", "line": {"color": "#808080", "width": 1.5}}
"""The bars of what the effect's own latents get: an outline, as nothing is learned in them."""


METHOD_COLORS = {
    "mean shift": "#b98d00",
    "a shift for each frame": "#8d84ff",
    "ridge regression": "#0072b2",
    "rotation": "#00a761",
}
"""Colours of `algebra.METHODS`, by their words."""

BOX = 1.0
"""Width over height for which the scene's camera stands right: it is wider on a page, for words at its sides."""

METHOD_SYMBOLS = ("circle", "diamond", "square", "x")

BASELINE_COLOR = "#25a5bb"
"""Colour of what knows no latents; its three kinds differ by symbol and dash."""

BASELINE_LOOKS = {
    "raw dry sound": ("triangle-down", "dot"),
    "static equaliser on the raw dry sound": ("triangle-up", "solid"),
    "static equaliser on the decoded dry sound": ("star", "dash"),
}
"""Symbols and dashes of `algebra_tables.COMPARED`, by their words."""


def latent_algebra(
    cloud: xr.DataArray,
    pairs: tuple[xr.DataArray, xr.DataArray],
    places: Mapping[str, xr.DataArray],
    path: xr.DataArray,
    bars: Mapping[str, pd.DataFrame],
    curves: Mapping[str, pd.DataFrame],
    titles: tuple[str, str] = ("Scores", "Few-shot"),
) -> go.Figure:
    """Return where algebra brings a clip, in the basis of the data set, and how near it comes on held-out recordings.

    `cloud (clip, effect, component)` are all time averages, `pairs` what was learned from: two of `(clip, component)`,
    each joined by a line. `places` are three points `(component)`: the start, the aim and where it came to; `path
    (value, component)` is the way there. `bars` are frames with a row an effect: a method's, what the real latents get,
    and baselines, which are drawn as marks over the bars. `curves` are frames with a row for each number of pairs, of
    methods and baselines. All have the columns score, low and high. Where `bars` have a column `farther` that is True,
    a bar is hatched: the sound got farther away there, whatever the score says. `titles` stand over bars and curves.

    Traces: "data set", "learned from", "the way"; "start", "aim" and "result", which have their names in `places`
    beside them; "bars 1", "bars 2", "mark 1" and on; "curve 1" and on. The legend names a method and a baseline once.
    """
    flat = cloud.sizes["component"] == 2
    scene = [*_background(flat, cloud, pairs, path), *_places(flat, places)]
    scores, few_shot = _bars(bars), _curves(curves)
    figure = _grid(flat, titles)
    figure.add_traces(scene, rows=1, cols=1)
    figure.add_traces(scores, rows=1, cols=2)
    figure.add_traces(few_shot, rows=2, cols=2)
    name_axes(figure, cloud, 1, 1, flat, [path, *places.values()], BOX)
    return finish(figure, height=700).update_layout(legend={"y": -0.1}, margin={"t": 32, "b": 60})


def _grid(flat: bool, titles: tuple[str, str]) -> go.Figure:
    """Return an empty figure: a scene on the left, bars and curves on the right."""
    figure = make_subplots(
        2,
        2,
        specs=[[{"type": "xy" if flat else "scene", "rowspan": 2}, {}], [None, {}]],
        subplot_titles=["Where the latents go", *titles],
        column_widths=[0.68, 0.32],
        horizontal_spacing=0.07,
        vertical_spacing=0.16,
    )
    for row in (1, 2):
        figure.update_yaxes(title="score (%)", zeroline=True, zerolinecolor="#808080", row=row, col=2)
    figure.update_xaxes(type="category", row=1, col=2)
    figure.update_xaxes(title="pairs learned from", type="category", row=2, col=2)
    return figure.update_layout(barmode="group").update_annotations(font_size=12)


def _background(
    flat: bool, cloud: xr.DataArray, pairs: tuple[xr.DataArray, xr.DataArray], path: xr.DataArray
) -> list[go.Scatter | go.Scatter3d]:
    """Return the data set, what was learned from, and the way."""
    marker = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    grey, blue = {"color": "#b0b0b0", "width": 2}, {"color": PLACE_COLORS[2], "width": 4}
    texts = hover_texts(cloud)
    traces = [
        scatter(flat, **coordinates(cloud), mode="markers", marker=marker, text=texts, hoverinfo="text"),
        scatter(flat, mode="lines", line=grey, hoverinfo="skip", **_pair_lines(*pairs)),
        scatter(flat, mode="lines", line=blue, hoverinfo="skip", **coordinates(path)),
    ]
    names = ("data set", "learned from", "the way")
    return [trace.update(name=name, meta=name) for trace, name in zip(traces, names, strict=True)]


def _pair_lines(dry: xr.DataArray, wet: xr.DataArray) -> dict[str, np.ndarray]:
    """Return a line from each point of `dry` to its fellow in `wet`, both `(clip, component)`, as one trace."""
    gap = np.full_like(dry.values, np.nan)
    return coordinates(np.stack([dry.values, wet.values, gap], axis=1))


def _places(flat: bool, places: Mapping[str, xr.DataArray]) -> list[go.Scatter | go.Scatter3d]:
    """Return three diamonds with their names."""
    traces = []
    metas = ("start", "aim", "result")
    for (name, place), meta, color, side in zip(places.items(), metas, PLACE_COLORS, PLACE_LABELS, strict=True):
        outline = {"width": 1, "color": "#ffffff"}
        marker = {"size": 14 if flat else 8, "symbol": "diamond", "color": color, "line": outline}
        look = {"mode": "markers+text", "marker": marker, "hoverinfo": "text", "text": [f"<b>{name}</b>"]}
        look |= {"textposition": side, "textfont": {"color": color}}
        traces.append(scatter(flat, **look, **coordinates(place.values[None]), name=name, meta=meta))
    return traces


def _bars(bars: Mapping[str, pd.DataFrame]) -> list[go.Bar | go.Scatter]:
    """Return a set of bars for each frame, a bar an effect; and marks over them for each baseline."""
    traces = []
    for number, (name, frame) in enumerate(((n, f) for n, f in bars.items() if n not in BASELINE_LOOKS), start=1):
        marker: dict[str, Any] = {"color": METHOD_COLORS[name]} if name in METHOD_COLORS else dict(BEST)
        if "farther" in frame:
            marker["pattern"] = {"shape": ["/" if farther else "" for farther in frame["farther"]]}
        look: dict[str, Any] = {"name": name, "meta": f"bars {number}", "legendgroup": name, "marker": marker}
        look["showlegend"] = name not in METHOD_COLORS  # the curve of the same method is in the legend
        traces.append(go.Bar(x=list(frame.index), **look, **_score_values(frame, f"{name}, %{{x}}")))
    return [*traces, *_marks({name: frame for name, frame in bars.items() if name in BASELINE_LOOKS})]


def _marks(baselines: Mapping[str, pd.DataFrame]) -> list[go.Scatter]:
    """Return marks for each baseline, one an effect; its curve is in the legend."""
    traces = []
    for number, (name, frame) in enumerate(baselines.items(), start=1):
        marker = {"color": BASELINE_COLOR, "symbol": BASELINE_LOOKS[name][0], "size": 8}
        look = {"name": name, "meta": f"mark {number}", "legendgroup": name, "marker": marker, "showlegend": False}
        values = _score_values(frame, f"{name}, %{{x}}")
        traces.append(go.Scatter(x=list(frame.index), mode="markers", **look, **values))
    return traces


def _curves(curves: Mapping[str, pd.DataFrame]) -> list[go.Scatter]:
    """Return a few-shot curve for each frame, a point a number of pairs."""
    symbols = dict(zip(METHOD_COLORS, METHOD_SYMBOLS, strict=True))
    traces = []
    for number, (name, frame) in enumerate(curves.items(), start=1):
        symbol, dash = BASELINE_LOOKS.get(name) or (symbols[name], "solid")
        color = METHOD_COLORS.get(name, BASELINE_COLOR)
        line = {"color": color, "dash": dash}
        look = {"mode": "lines+markers", "marker": {"color": color, "symbol": symbol}, "line": line}
        values = _score_values(frame, f"{name}, %{{x}} pairs")
        called = {"name": name, "meta": f"curve {number}", "legendgroup": name}
        traces.append(go.Scatter(x=[str(k) for k in frame.index], **called, **look, **values))
    return traces


def _score_values(scores: pd.DataFrame, head: str) -> dict:
    """Return y, error bars and what they say of themselves after `head`."""
    middle, low, high = (100 * scores[column].to_numpy(float) for column in ("score", "low", "high"))
    hover = f"{head}: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}})"
    return {"y": middle, "error_y": error_bars(middle, low, high), "hovertemplate": hover}
