"""What masking dims costs, as a map, as bars, and dims over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import error_bars, finish, with_gaps

LINES = (
    {"color": "#808080", "width": 2},
    {"color": "#d55e00", "width": 2},
    {"color": "#808080", "width": 2, "dash": "dot"},
    {"color": "#d55e00", "width": 2, "dash": "dot"},
)
"""Clean and wet, of one dim and of a second."""


def dimension_masking(
    lost: xr.DataArray, bars: Mapping[str, pd.DataFrame], lines: Mapping[str, xr.DataArray] | None = None
) -> go.Figure:
    """Return the points lost by masking as a heat map, the same as bars per effect, and dims over time.

    `lost` has two dims, drawn down and across (effect and dim; or dim and dim). `bars` are two frames with a row an
    effect and the columns points, low and high. `lines` are up to four series `(frame)` with the coordinate `time_s`.
    Traces come in this order: the map, two sets of bars, four lines.
    """
    figure = make_subplots(
        2,
        2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        subplot_titles=["Percentage points lost", "Per effect", "The chosen dim over time"],
        vertical_spacing=0.17,
        horizontal_spacing=0.1,
        row_heights=[0.5, 0.5],
    )
    figure.add_trace(go.Heatmap(**masking_cells(lost), coloraxis="coloraxis", name="lost"), 1, 1)
    for (name, frame), color in zip(bars.items(), ("#9db7cf", "#0072b2"), strict=True):
        figure.add_trace(go.Bar(marker={"color": color}, **lost_bars(name, frame)), 2, 1)
    series = [*(lines or {}).items(), *[(None, None)] * 4][:4]
    for (name, line), look in zip(series, LINES, strict=True):
        figure.add_trace(go.Scatter(mode="lines", line=look, **dim_line(name, line)), 2, 2)
    figure.update_yaxes(title="points", row=2, col=1)
    figure.update_xaxes(title="time (s)", row=2, col=2)
    figure.update_yaxes(title="latent value", row=2, col=2)
    figure.update_layout(masking_axes(lost), barmode="group")
    figure = finish(figure, height=780)
    return figure.update_layout(legend={"y": -0.07}, margin={"b": 40})


def masking_axes(lost: xr.DataArray) -> dict:
    """Return the axes and colours of the map of `dimension_masking`."""
    down, across = lost.dims
    end = float(np.nanmax(np.abs(lost.values), initial=1.0))
    bar = {"title": lost.attrs.get("units", ""), "thickness": 12, "len": 0.42, "y": 0.79}
    signed = bool((lost < 0).any())
    scale = {"colorscale": "RdBu_r" if signed else "Reds", "cmin": -end if signed else 0, "cmax": end, "colorbar": bar}
    rows = {"title": {"text": _axis_title(down)}, "type": "category", "autorange": "reversed"}
    columns = {"title": {"text": _axis_title(across)}, "type": "category", "tickangle": 0}
    return {"coloraxis": scale, "xaxis": columns, "yaxis": rows}


def masking_cells(lost: xr.DataArray) -> dict:
    """Return x, y and z of the map of `dimension_masking`."""
    down, across = lost.dims
    unit = "%{z:.1f} " + lost.attrs.get("units", "")
    x, y = ([str(value) for value in lost[dim].values] for dim in (across, down))
    return {"x": x, "y": y, "z": with_gaps(lost.values), "hovertemplate": f"%{{y}}, dim %{{x}}: {unit}<extra></extra>"}


def lost_bars(name: str, points: pd.DataFrame) -> dict:
    """Return the data of one set of bars of `dimension_masking`."""
    middle, low, high = (points[column].to_numpy(float) for column in ("points", "low", "high"))
    bars = error_bars(middle, low, high)
    texts = list(points["text"]) if "text" in points else [""] * len(points)
    hover = "%{x}: %{y:.1f} points (-%{error_y.arrayminus:.1f}, +%{error_y.array:.1f}) %{hovertext}"
    return {
        "x": list(points.index), "y": middle, "error_y": bars, "name": name, "hovertext": texts, "hovertemplate": hover
    }  # fmt: skip


def dim_line(name: str | None, line: xr.DataArray | None) -> dict:
    """Return the data of one line of `dimension_masking`: a dim over time, or one value for the whole clip."""
    if line is None:
        return {"x": [], "y": [], "name": "", "showlegend": False}
    times, values = line["time_s"].values, line.values
    if len(times) == 1:
        times, values = [0.0, line.attrs["length_s"]], np.repeat(values, 2)
    return {"x": times, "y": np.asarray(values, np.float32), "name": name, "showlegend": True}


def _axis_title(dim: str) -> str:
    return {"dim": "latent dim", "other": "latent dim hidden with it"}.get(dim, dim)
