"""Accuracies of linear probes, their confusion matrix and learning rates (Table 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice

import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import SET_COLORS, finish, plain, with_gaps, with_interval

MOST_SETS = 8
"""Feature sets that one picture of probes holds apart."""

SET_PATTERNS = ("", "/", "x", "-", "\\", "|", "+", ".")
"""Patterns of bars, so that feature sets can be told apart without colours."""


def linear_probes(
    accuracies: Mapping[str, pd.DataFrame], confusion: xr.DataArray, rates: Mapping[str, pd.DataFrame] | None = None
) -> go.Figure:
    """Return the class-wise accuracy of probes as bars, below it what one confuses, and how the learning rate matters.

    `accuracies` maps up to eight feature sets to frames with a row a label and the columns accuracy, low and high;
    `confusion (label, named)` are the shares of one of them; `rates` are frames of the same columns, a row a learning
    rate. Traces: "bars 1" and so on, a feature set each; "chance"; "confusions", the matrix; "rates 1" and so on, the
    curves, in the colours of their sets' bars. Without rates "rates 1" is empty and keeps the place.
    """
    figure = _three_places(rates)
    for bars in accuracy_bars(accuracies).values():
        figure.add_trace(go.Bar(bars))
    figure.add_trace(_chance([plain(label) for label in confusion["label"].values]), 1, 1)
    look = {"coloraxis": "coloraxis", "name": "confusion", "meta": "confusions"}
    figure.add_trace(go.Heatmap(**confusion_cells(confusion), **look), 2, 1)
    for curve in _rate_curves(accuracies, rates or {}):
        figure.add_trace(curve, 2, 2)
    scale = {"colorscale": "Blues", "cmin": 0, "cmax": 100, "showscale": False}
    figure.update_layout(barmode="group", coloraxis=scale)
    figure = finish(figure, height=820)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.08, "yanchor": "bottom"}
    return figure.update_layout(legend=legend, margin={"t": 90})


def accuracy_bars(accuracies: Mapping[str, pd.DataFrame]) -> dict[str, dict]:
    """Return the bars of `linear_probes`, by the names of their traces."""
    return {
        f"bars {number}": _bars(number, name)
        | {"x": [plain(label) for label in accuracy.index], **with_interval(accuracy)}
        for number, (name, accuracy) in enumerate(islice(accuracies.items(), MOST_SETS), start=1)
    }


def growing_bars(accuracies: Mapping[str, float]) -> dict[str, dict]:
    """Return the bars of `linear_probes` while probes are trained: the validation accuracy of each set so far, 0 to 1.

    They are by the names of their traces, as `accuracy_bars`.
    """
    return {
        f"bars {number}": _bars(number, name)
        | {"x": ["overall"], "y": [100 * accuracy], "error_y": {"visible": False}, "hovertemplate": "%{y:.1f} %"}
        for number, (name, accuracy) in enumerate(islice(accuracies.items(), MOST_SETS), start=1)
    }


def confusion_cells(confusion: xr.DataArray) -> dict:
    """Return x, y, z and texts of the matrix of `linear_probes`, of `confusion (label, named)`."""
    percent = 100 * confusion.values
    texts = [[f"{cell:.0f}" if cell >= 0.5 else "" for cell in line] for line in percent]
    hover = "%{y} named %{x}: %{z:.0f} %<extra></extra>"
    names = {"x": [plain(n) for n in confusion["named"].values], "y": [plain(n) for n in confusion["label"].values]}
    return {**names, "z": with_gaps(percent), "text": texts, "texttemplate": "%{text}", "hovertemplate": hover}


def _three_places(rates: Collection | None) -> go.Figure:
    """Return the axes: wide ones for the bars, below them those of the matrix and of the curves."""
    curves = "Sensitivity to the learning rate" if rates else "Learning rates: press Compare learning rates"
    figure = make_subplots(
        2,
        2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        subplot_titles=["Class-wise accuracy", "What is taken for what", curves],
        vertical_spacing=0.14,
        horizontal_spacing=0.14,
    )
    figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=1, col=1)
    figure.update_xaxes(title="named by the probe", type="category", row=2, col=1)
    figure.update_yaxes(title="true label", type="category", autorange="reversed", row=2, col=1)
    figure.update_xaxes(title="learning rate", type="log", range=[-4.2, -0.8], dtick=1, row=2, col=2)
    figure.update_xaxes(exponentformat="none", row=2, col=2)
    return figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=2, col=2)


def _bars(number: int, name: str) -> dict:
    """Return the look and the place of one set of bars, counted from 1."""
    pattern = {"shape": SET_PATTERNS[number - 1], "fillmode": "overlay", "fgcolor": "#ffffff", "solidity": 0.15}
    marker = {"color": SET_COLORS[number - 1], "pattern": pattern}
    place = {"type": "bar", "xaxis": "x", "yaxis": "y", "meta": f"bars {number}"}
    return {**place, "name": name, "marker": marker, "visible": True}


def _chance(labels: list[str]) -> go.Scatter:
    """Return where guessing ends up, across all labels; it comes last in the legend."""
    x, y = [*labels, "overall"], [100 / len(labels)] * (len(labels) + 1)
    line = {"color": "#808080", "width": 1, "dash": "dot"}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "legendrank": 2000}
    return go.Scatter(x=x, y=y, name="chance", meta="chance", **look)


def _rate_curves(sets: Collection[str], rates: Mapping[str, pd.DataFrame]) -> list[go.Scatter]:
    """Return the curves, each in the colour of its set's bars; without any, an empty one that keeps their axes."""
    look = {"mode": "lines+markers", "showlegend": False}
    if not rates:
        return [go.Scatter(x=[], y=[], meta="rates 1", **look)]
    order = list(dict.fromkeys([*sets, *rates]))
    curves = []
    for number, (name, curve) in enumerate(rates.items(), start=1):
        marker = {"color": SET_COLORS[order.index(name) % len(SET_COLORS)]}
        drawn = {"x": list(curve.index), "name": name, "marker": marker, **with_interval(curve)}
        curves.append(go.Scatter(meta=f"rates {number}", **look, **drawn))
    return curves
