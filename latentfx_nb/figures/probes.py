"""Accuracies of linear probes, their confusion matrix and learning rates (Table 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.theme import LEGEND_BELOW, SET_COLORS, STALE, finish, plain, with_gaps, with_interval

T = TypeVar("T")

OVERALL = "overall"
"""What stands below the bars of all labels together."""

MOST_SETS = 8
"""Feature sets that one picture of probes holds apart."""

SET_PATTERNS = ("", "/", "x", "-", "\\", "|", "+", ".")
"""Patterns of bars, so that feature sets can be told apart without colours."""


def linear_probes(
    accuracies: Mapping[str, pd.DataFrame],
    confusion: xr.DataArray,
    rates: Mapping[str, pd.DataFrame] | None = None,
    paper: Mapping[str, pd.Series] | None = None,
    confused: str = "",
) -> go.Figure:
    """Return the accuracy of probes by label as bars, beside them what one of them confuses.

    `accuracies` maps up to eight feature sets to frames with a row a label and the columns accuracy, low and high;
    `confusion (label, named)` are the shares of one of them, `confused`. `paper` maps some of these sets to what the
    paper reports of its own, in percent by label: they are marks beside the bars. `rates` are frames as `accuracies`
    with a row a learning rate: curves below. Traces: "bars 1" and so on, a feature set each; "paper 1" and so on, the
    marks of the set of that number; "chance"; "confusions", the matrix; "rates 1" and so on, in the colours of their
    sets' bars. Effects stand in the order of Table 1 everywhere.
    """
    labels = ordered([str(label) for label in confusion["label"].values])
    figure = _places(labels, bool(rates), confused)
    for bars in accuracy_bars(accuracies).values():
        figure.add_trace(go.Bar(bars))
    for mark in _paper_marks(accuracies, paper or {}):
        figure.add_trace(mark, 1, 1)
    figure.add_trace(_chance([plain(label) for label in labels]), 1, 1)
    look = {"coloraxis": "coloraxis", "name": "confusion", "meta": "confusions"}
    figure.add_trace(go.Heatmap(**confusion_cells(confusion), **look), 1, 2)
    for curve in _rate_curves(accuracies, rates or {}):
        figure.add_trace(curve, 2, 1)
    scale = {"colorscale": "Blues", "cmin": 0, "cmax": 100, "showscale": False}
    figure.update_layout(barmode="group", scattermode="group", coloraxis=scale)
    figure = finish(figure, height=820 if rates else 560)
    return figure.update_layout(legend={"y": LEGEND_BELOW}, margin={"t": 32})


def ordered(labels: Sequence[str]) -> list[str]:
    """Return labels as they stand in figures: effects in the order of Table 1, others after them as they come."""
    return [*(one for one in EFFECTS if one in labels), *(one for one in labels if one not in EFFECTS)]


def accuracy_bars(accuracies: Mapping[str, pd.DataFrame]) -> dict[str, dict]:
    """Return the bars of `linear_probes`, by the names of their traces."""
    return {f"bars {number}": _bars(number, name, **_classes(one)) for number, name, one in _numbered(accuracies)}


def growing_bars(accuracies: Mapping[str, float], before: Mapping[str, pd.DataFrame] | None = None) -> dict[str, dict]:
    """Return the bars of `linear_probes` while probes are trained: the validation accuracy of each set so far, 0 to 1.

    They are by the names of their traces, as `accuracy_bars`. What a set had `before` stays, faintly, in its place.
    """
    before = before or {}
    return {
        f"bars {number}": _bars(number, name, **_growing(accuracy, before.get(name)))
        for number, name, accuracy in _numbered(accuracies)
    }


def confusion_cells(confusion: xr.DataArray) -> dict:
    """Return x, y, z and texts of the matrix of `linear_probes`, of `confusion (label, named)`."""
    labels = ordered([str(label) for label in confusion["label"].values])
    percent = 100 * confusion.sel(label=labels, named=labels).values
    texts = [[f"{cell:.0f}" if cell >= 0.5 else "" for cell in line] for line in percent]
    hover = "%{y} named %{x}: %{z:.0f} %<extra></extra>"
    names = [plain(name) for name in labels]
    cells = {"z": with_gaps(percent), "text": texts, "texttemplate": "%{text}", "hovertemplate": hover}
    return {"x": names, "y": names, **cells}


def _places(labels: Sequence[str], rates: bool, confused: str) -> go.Figure:
    """Return the axes: bars on the left, the matrix on the right, and those of the curves below if there are any."""
    matrix = f"Confusions of {plain(confused)}: click to hear" if confused else "What is taken for what"
    below = ["How the learning rate matters"] if rates else []
    figure = make_subplots(
        1 + rates,
        2,
        specs=[[{}, {}], *[[{"colspan": 2}, None]] * rates],
        subplot_titles=["Accuracy by label", matrix, *below],
        column_widths=[0.54, 0.46],
        row_heights=[0.66, 0.34] if rates else None,
        vertical_spacing=0.18,
        horizontal_spacing=0.09,
    )
    names = [plain(label) for label in labels]
    whole = {"type": "category", "categoryorder": "array", "categoryarray": [*names, OVERALL]}
    figure.update_xaxes(**whole, range=[-0.5, len(names) + 0.5], row=1, col=1)
    figure.update_yaxes(title="recognised (%)", range=[0, 104], row=1, col=1)
    figure.update_xaxes(title="named by the probe", type="category", row=1, col=2)
    figure.update_yaxes(title="true label", type="category", autorange="reversed", row=1, col=2)
    if rates:
        log = {"type": "log", "range": [-4.2, -0.8], "dtick": 1, "exponentformat": "none"}
        figure.update_xaxes(title="learning rate", **log, row=2, col=1)
        figure.update_yaxes(title="recognised (%)", range=[0, 104], row=2, col=1)
    return figure


def _numbered(sets: Mapping[str, T]) -> list[tuple[int, str, T]]:
    """Return the sets that one picture holds apart, numbered from 1."""
    return [(number, name, one) for number, (name, one) in enumerate(islice(sets.items(), MOST_SETS), start=1)]


def _classes(accuracy: pd.DataFrame) -> dict:
    """Return the bars of a set, in the order in which labels stand in figures, all of them together last."""
    labels = [*ordered([str(label) for label in accuracy.index if label != OVERALL]), OVERALL]
    accuracy = accuracy.loc[[label for label in labels if label in accuracy.index]]
    return {"x": [plain(label) for label in accuracy.index], **with_interval(accuracy)}


def _growing(accuracy: float, before: pd.DataFrame | None) -> dict:
    """Return the bar of all labels so far, beside those of `before`, faint."""
    stayed = {} if before is None else _classes(before.drop(OVERALL, errors="ignore"))
    x, y = list(stayed.get("x", ())), list(stayed.get("y", ()))
    hover, faint = "%{x}: %{y:.1f} %", {"opacity": [STALE] * len(x) + [1.0]}
    bars = {"x": [*x, OVERALL], "y": [*y, 100 * accuracy], "error_y": {"visible": False}, "hovertemplate": hover}
    return {**bars, "marker": faint}


def _paper_marks(sets: Collection[str], paper: Mapping[str, pd.Series]) -> list[go.Scatter]:
    """Return what the paper reports of its own sets, a mark at the bar of each of ours that is of the same kind."""
    marks: list[go.Scatter] = []
    for number, name in enumerate(islice(sets, MOST_SETS), start=1):
        if name not in paper:
            continue
        place = {"x": [plain(label) for label in paper[name].index], "y": list(paper[name]), "offsetgroup": str(number)}
        marker = {"symbol": "diamond", "size": 8, "color": "#808080", "line": {"color": "#ffffff", "width": 1.5}}
        look = {"mode": "markers", "marker": marker, "legendgroup": "paper", "showlegend": not marks}
        hover = "%{x}: the paper reports %{y:.1f} %<extra></extra>"
        said = {"name": "the paper's (Table 3)", "meta": f"paper {number}", "hovertemplate": hover}
        marks.append(go.Scatter(**place, **look, **said))
    return marks


def _bars(number: int, name: str, marker: Mapping | None = None, **values: Any) -> dict:
    """Return one set of bars, counted from 1: its look, its place and its values."""
    pattern = {"shape": SET_PATTERNS[number - 1], "fillmode": "overlay", "fgcolor": "#ffffff", "solidity": 0.15}
    look = {"color": SET_COLORS[number - 1], "pattern": pattern, **(marker or {})}
    place = {"type": "bar", "xaxis": "x", "yaxis": "y", "meta": f"bars {number}", "offsetgroup": str(number)}
    return {**place, "name": name, "marker": look, "visible": True, **values}


def _chance(labels: list[str]) -> go.Scatter:
    """Return where guessing ends up, across all labels; it comes last in the legend."""
    x, y = [*labels, OVERALL], [100 / len(labels)] * (len(labels) + 1)
    line = {"color": "#808080", "width": 1, "dash": "dot"}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "legendrank": 2000}
    return go.Scatter(x=x, y=y, name="chance", meta="chance", **look)


def _rate_curves(sets: Collection[str], rates: Mapping[str, pd.DataFrame]) -> list[go.Scatter]:
    """Return the curves, each in the colour of its set's bars."""
    look = {"mode": "lines+markers", "showlegend": False}
    order = list(dict.fromkeys([*sets, *rates]))
    curves = []
    for number, (name, curve) in enumerate(rates.items(), start=1):
        marker = {"color": SET_COLORS[order.index(name) % len(SET_COLORS)]}
        drawn = {"x": list(curve.index), "name": name, "marker": marker, **with_interval(curve)}
        curves.append(go.Scatter(meta=f"rates {number}", **look, **drawn))
    return curves
