"""One small dot plot a measure, with a row an encoder."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import SET_COLORS, error_bars, finish

COMPARED_COLUMNS = 4


def encoder_comparison(measures: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> go.Figure:
    """Return a small dot plot for each measure, name -> title, with a row an encoder.

    `measures` maps encoders to frames with a row a measure and the columns value, low and high. There is a trace for
    each measure, in order; the encoders stand in the order of the mapping, the first on top.
    """
    rows = -(-len(titles) // COMPARED_COLUMNS)
    figure = make_subplots(
        rows, COMPARED_COLUMNS, subplot_titles=list(titles.values()), shared_yaxes=True, horizontal_spacing=0.03,
        vertical_spacing=0.1,
    )  # fmt: skip
    for number, name in enumerate(titles):
        place = number // COMPARED_COLUMNS + 1, number % COMPARED_COLUMNS + 1
        marker = {"size": 9, "color": SET_COLORS[0]}
        figure.add_trace(
            go.Scatter(mode="markers", marker=marker, showlegend=False, name=titles[name], **compared(measures, name)),
            *place,
        )
    figure.update_yaxes(compared_axis(measures))
    figure.update_annotations(font_size=12)
    return finish(figure, height=210 * rows + 60).update_layout(margin_r=30)


def compared_axis(measures: Mapping[str, pd.DataFrame]) -> dict:
    """Return the axis of the encoders in `encoder_comparison`; categories would keep the order they came in first."""
    names = list(measures)
    return {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5]}


def compared(measures: Mapping[str, pd.DataFrame], name: str) -> dict:
    """Return the data of one measure of `encoder_comparison`."""
    rows = pd.DataFrame({encoder: frame.loc[name] for encoder, frame in measures.items()}).T
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    hover = "%{text}: %{x:.3g} (-%{error_x.arrayminus:.2g}, +%{error_x.array:.2g})<extra></extra>"
    places = {"x": middle, "y": np.arange(len(rows)), "text": list(rows.index)}
    return {**places, "error_x": error_bars(middle, low, high), "hovertemplate": hover}
