"""What masking dims costs, as a map, as bars, and dims over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import LEGEND_BELOW, error_bars, finish, with_gaps

LINES = (
    {"color": "#808080", "width": 2},
    {"color": "#d55e00", "width": 2},
    {"color": "#808080", "width": 2, "dash": "dot"},
    {"color": "#d55e00", "width": 2, "dash": "dot"},
)
"""Clean and wet, of one dim and of a second."""

TITLES = ("Points lost without a latent dim", "Lost per effect", "The chosen dim over time")
"""Of the map, the bars and the lines."""


def dimension_masking(
    lost: xr.DataArray,
    bars: Mapping[str, pd.DataFrame],
    lines: Mapping[str, xr.DataArray] | None = None,
    titles: tuple[str, str, str] = TITLES,
) -> go.Figure:
    """Return the points lost by masking as a heat map, beside it the same as bars per effect, below dims over time.

    `lost` has two dims, drawn down and across (effect and dim; or dim and dim). `bars` are two frames with a row an
    effect and the columns points, low and high. `lines` are up to four series `(frame)` with the coordinate `time_s`.
    Traces: "map"; "bars 1" and "bars 2"; "line 1" and so on. Without lines the map has their place as well.
    """
    figure = make_subplots(
        2 if lines else 1,
        2,
        specs=[[{}, {}], *[[{"colspan": 2}, None]] * bool(lines)],
        subplot_titles=titles[: 3 if lines else 2],
        column_widths=[0.77, 0.23],
        row_heights=[0.62, 0.38] if lines else None,
        vertical_spacing=0.18,
        horizontal_spacing=0.07,
    )
    figure.add_trace(_map(lost), 1, 1)
    for number, ((name, frame), color) in enumerate(zip(bars.items(), ("#9db7cf", "#0072b2"), strict=True), start=1):
        figure.add_trace(go.Bar(marker={"color": color}, meta=f"bars {number}", **_lost_bars(name, frame)), 1, 2)
    for line in _dim_lines(lines or {}):
        figure.add_trace(line, 2, 1)
    figure.update_yaxes(type="category", autorange="reversed", row=1, col=2)
    if lines:
        figure.update_xaxes(title="time (s)", row=2, col=1)
        figure.update_yaxes(title="latent value", row=2, col=1)
    figure.update_layout(_map_axes(lost, bool(lines)), barmode="group")
    figure = finish(figure, height=780 if lines else 520)
    return figure.update_layout(legend={"y": LEGEND_BELOW}, margin={"t": 32})


def _map(lost: xr.DataArray) -> go.Heatmap:
    down, across = lost.dims
    unit = "%{z:.1f} " + lost.attrs.get("units", "")
    x, y = ([str(value) for value in lost[dim].values] for dim in (across, down))
    hover = f"%{{y}}, dim %{{x}}: {unit}<extra></extra>"
    look = {"coloraxis": "coloraxis", "name": "lost", "meta": "map", "hovertemplate": hover}
    return go.Heatmap(x=x, y=y, z=with_gaps(lost.values), **look)


def _map_axes(lost: xr.DataArray, shares: bool) -> dict:
    """Return the axes and colours of the map; where something is gained, no loss is the middle of the colours.

    The map `shares` the height with lines below it, or has it all.
    """
    down, across = lost.dims
    end = float(np.nanmax(np.abs(lost.values), initial=1.0))
    long, middle = (0.5, 0.74) if shares else (0.9, 0.5)
    bar = {"title": {"text": "points", "side": "top"}, "thickness": 10, "len": long, "y": middle, "x": 1.01}
    if not lost.attrs.get("units", "").startswith("percentage"):
        bar["title"] = {"text": "%", "side": "top"}
    signed = bool((lost < 0).any())
    scale = {"colorscale": "RdBu_r" if signed else "Reds", "cmin": -end if signed else 0, "cmax": end, "colorbar": bar}
    named = {"dim": "latent dim", "other": "latent dim hidden with it"} if down == "dim" else {}
    rows = {"title": {"text": named.get(str(down), "")}, "type": "category", "autorange": "reversed"}
    columns = {"title": {"text": named.get(str(across), "")}, "type": "category", "tickangle": 0}
    return {"coloraxis": scale, "xaxis": columns, "yaxis": rows}


def _lost_bars(name: str, points: pd.DataFrame) -> dict:
    middle, low, high = (points[column].to_numpy(float) for column in ("points", "low", "high"))
    bars = error_bars(middle, low, high)
    texts = list(points["text"]) if "text" in points else [""] * len(points)
    hover = "%{y}: %{x:.1f} points (-%{error_x.arrayminus:.1f}, +%{error_x.array:.1f}) %{hovertext}"
    values = {"orientation": "h", "x": middle, "y": list(points.index), "error_x": bars}
    return {**values, "name": name, "hovertext": texts, "hovertemplate": hover}


def _dim_lines(lines: Mapping[str, xr.DataArray]) -> list[go.Scatter]:
    """Return dims over time."""
    drawn = []
    for number, ((name, line), look) in enumerate(zip(lines.items(), LINES, strict=False), start=1):
        times, values = line["time_s"].values, line.values
        if len(times) == 1:  # one value stands for the whole clip
            times, values = np.array([0.0, line.attrs["length_s"]]), np.repeat(values, 2)
        y = np.asarray(values, np.float32)
        drawn.append(go.Scatter(x=times, y=y, mode="lines", line=look, name=name, meta=f"line {number}"))
    return drawn
