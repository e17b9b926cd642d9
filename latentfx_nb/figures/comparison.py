"""Encoders side by side: one measure sorted, or one small dot plot a measure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import SET_COLORS, error_bars, finish

COMPARED_COLUMNS = 4

NOBODY = "-"
"""Stands where an encoder's name would, as long as none is measured."""


def encoder_comparison(measures: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> go.Figure:
    """Return a small dot plot for each measure, name -> title, with a row an encoder.

    `measures` maps encoders to frames with a row a measure and the columns value, low and high; without any the plots
    are empty. Each trace has its measure's name; the encoders stand in the order of the mapping, the first on top.
    """
    measures = measures or {NOBODY: pd.DataFrame(np.nan, list(titles), ["value", "low", "high"])}
    rows = -(-len(titles) // COMPARED_COLUMNS)
    figure = make_subplots(
        rows, COMPARED_COLUMNS, subplot_titles=list(titles.values()), shared_yaxes=True, horizontal_spacing=0.03,
        vertical_spacing=0.1,
    )  # fmt: skip
    look = {"mode": "markers", "marker": {"size": 9, "color": SET_COLORS[0]}, "showlegend": False}
    for number, (name, title) in enumerate(titles.items()):
        place = number // COMPARED_COLUMNS + 1, number % COMPARED_COLUMNS + 1
        figure.add_trace(go.Scatter(**look, name=title, meta=name, **_dots(measures, name)), *place)
    figure.update_yaxes(_encoder_axis(list(measures)))
    figure.update_annotations(font_size=12)
    return finish(figure, height=210 * rows + 60).update_layout(margin_r=30)


def encoder_ranking(measures: Mapping[str, pd.DataFrame], name: str, title: str) -> go.Figure:
    """Return one measure of encoders with its intervals, in the order of the mapping, the first on the left.

    `measures` are as in `encoder_comparison`; `title` stands at the axis. The trace is called "ranking".
    """
    frames = measures or {NOBODY: pd.DataFrame(np.nan, [name], ["value", "low", "high"])}
    rows = pd.DataFrame({encoder: frame.loc[name] for encoder, frame in frames.items()}).T
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    hover = "<b>%{text}</b><br>%{y:.3g} (-%{error_y.arrayminus:.2g}, +%{error_y.array:.2g})<extra></extra>"
    places = {"x": np.arange(len(rows)), "y": middle, "text": list(rows.index)}
    look = {"mode": "markers", "marker": {"size": 12, "color": SET_COLORS[0]}, "showlegend": False}
    bars = {"error_y": error_bars(middle, low, high), "hovertemplate": hover}
    figure = go.Figure(go.Scatter(**look, **places, **bars, name=title, meta="ranking"))
    figure.update_xaxes(tickvals=list(range(len(rows))), ticktext=list(rows.index), range=[-0.2, len(rows) - 0.8])
    figure.update_yaxes(title=title)
    return finish(figure, height=420).update_layout(margin={"t": 16, "r": 48})


def _encoder_axis(names: list[str]) -> dict:
    """Return the axis of the encoders; categories would keep the order in which they came first."""
    return {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5]}


def _dots(measures: Mapping[str, pd.DataFrame], name: str) -> dict:
    """Return one measure of all encoders, with its intervals."""
    rows = pd.DataFrame({encoder: frame.loc[name] for encoder, frame in measures.items()}).T
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    hover = "%{text}: %{x:.3g} (-%{error_x.arrayminus:.2g}, +%{error_x.array:.2g})<extra></extra>"
    places = {"x": middle, "y": np.arange(len(rows)), "text": list(rows.index)}
    return {**places, "error_x": error_bars(middle, low, high), "hovertemplate": hover}
