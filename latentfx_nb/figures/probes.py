"""Accuracies of linear probes, their confusion matrix and learning rates (Table 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import SET_COLORS, finish, plain, with_gaps, with_interval

MOST_SETS = 8
"""Feature sets that one picture of probes holds apart."""


SET_PATTERNS = ("", "/", "x", "-", "\\", "|", "+", ".")
"""What tells sets apart for who sees no colours."""


def linear_probes(
    accuracies: Mapping[str, pd.DataFrame], confusion: xr.DataArray, rates: Mapping[str, pd.DataFrame] | None = None
) -> go.Figure:
    """Return the class-wise accuracy of probes as bars, below it what one confuses, and how the learning rate matters.

    `accuracies` maps up to eight feature sets to frames with a row a label and the columns accuracy, low and high;
    `confusion (label, named)` are the shares of one of them; `rates` are frames of the same columns, a row a learning
    rate. Traces come in this order: eight sets of bars, chance, the matrix, eight curves.
    """
    figure = make_subplots(
        2,
        2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        subplot_titles=["Class-wise accuracy", "What is taken for what", rates_title(rates)],
        vertical_spacing=0.14,
        horizontal_spacing=0.14,
    )
    names = [*accuracies, *[None] * MOST_SETS][:MOST_SETS]
    for name, color, shape in zip(names, SET_COLORS, SET_PATTERNS, strict=True):
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "solidity": 0.15}
        marker = {"color": color, "pattern": pattern}
        figure.add_trace(go.Bar(marker=marker, **accuracy_bars(name, accuracies.get(name))), 1, 1)
    line = {"color": "#808080", "width": 1, "dash": "dot"}
    chance = chance_line(list(confusion["label"].values))
    figure.add_trace(go.Scatter(mode="lines", line=line, name="chance", hoverinfo="skip", **chance), 1, 1)
    figure.add_trace(go.Heatmap(**confusion_cells(confusion), coloraxis="coloraxis", name="confusion"), 2, 1)
    for name, color in zip(names, SET_COLORS, strict=True):
        curve = None if rates is None else rates.get(name)
        look = {"mode": "lines+markers", "marker": {"color": color}, "showlegend": False}
        figure.add_trace(go.Scatter(**look, **rate_curve(name, curve)), 2, 2)
    figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=1, col=1)
    figure.update_xaxes(title="named by the probe", type="category", row=2, col=1)
    figure.update_yaxes(title="true label", type="category", autorange="reversed", row=2, col=1)
    figure.update_xaxes(title="learning rate", type="log", range=[-4.2, -0.8], dtick=1, row=2, col=2)
    figure.update_xaxes(exponentformat="none", row=2, col=2)
    figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=2, col=2)
    scale = {"colorscale": "Blues", "cmin": 0, "cmax": 100, "showscale": False}
    figure.update_layout(barmode="group", coloraxis=scale)
    figure = finish(figure, height=820)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.08, "yanchor": "bottom"}
    return figure.update_layout(legend=legend, margin={"t": 90})


def rates_title(curves: Collection | None) -> str:
    """Return what stands over the curves of `linear_probes`, or over the place for them."""
    return "Sensitivity to the learning rate" if curves else "Learning rates: press Compare learning rates"


def accuracy_bars(name: str | None, accuracy: pd.DataFrame | None) -> dict:
    """Return the data of one set of bars of `linear_probes`; a set without a name is not shown."""
    if name is None:
        return {"x": [], "y": [], "name": "", "visible": False}
    if accuracy is None:
        return {"x": [], "y": [], "name": name, "visible": True}
    return {"x": list(map(plain, accuracy.index)), "name": name, "visible": True, **with_interval(accuracy)}


def growing_bar(name: str, accuracy: float) -> dict:
    """Return the data of a set of bars while it is being trained: its validation accuracy so far."""
    return {"x": ["overall"], "y": [100 * accuracy], "name": name, "visible": True, "error_y.visible": False}


def chance_line(labels: Sequence[str]) -> dict:
    """Return where guessing ends up, across all labels."""
    return {"x": [*map(plain, labels), "overall"], "y": [100 / len(labels)] * (len(labels) + 1)}


def confusion_cells(confusion: xr.DataArray) -> dict:
    """Return x, y, z and texts of the matrix of `linear_probes`, of `confusion (label, named)`."""
    percent = 100 * confusion.values
    texts = [[f"{cell:.0f}" if cell >= 0.5 else "" for cell in line] for line in percent]
    hover = "%{y} named %{x}: %{z:.0f} %<extra></extra>"
    names = {"x": [plain(n) for n in confusion["named"].values], "y": [plain(n) for n in confusion["label"].values]}
    return {**names, "z": with_gaps(percent), "text": texts, "texttemplate": "%{text}", "hovertemplate": hover}


def rate_curve(name: str | None, curve: pd.DataFrame | None) -> dict:
    """Return the data of one curve of `linear_probes`, of a frame with a row a learning rate."""
    if curve is None:
        return {"x": [], "y": [], "name": name or ""}
    return {"x": list(curve.index), "name": name, **with_interval(curve)}
