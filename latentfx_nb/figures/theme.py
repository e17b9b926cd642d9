"""What all figures share: colours and symbols, the light and the dark theme, axes, words under the mouse."""

from __future__ import annotations

import colorsys
import html
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.scenes import name_axes as name_axes
from latentfx_nb.figures.scenes import scene_axes as scene_axes

EFFECT_COLORS = {
    "CLN": "#6c6c6c",  # grey
    "CHS": "#09a3a5",  # teal
    "CMP": "#8c8fcf",  # lavender
    "DLY": "#007b2a",  # green
    "DIS": "#d90a2a",  # red
    "HPF": "#d27d09",  # orange
    "LPF": "#2765cb",  # blue
    "PS": "#ff3c93",  # pink
    "RVB": "#9f04fa",  # violet
    "TRV": "#ff00fe",  # magenta
}
"""Ten colours of ten names, each at least 3:1 against white and against the dark theme (WCAG 2.2, 1.4.11). In CIELAB
they are at least 30 apart for normal sight, and 19 for protan, deutan and tritan sight (Machado et al. 2009): found by
search, as no published palette of ten keeps either. 3:1 on both themes leaves only middling lightness, so that hues do
most of the work; a search that asks for less than 19 finds no more than 38 for normal sight."""

EFFECT_SYMBOLS = {
    "CLN": "circle",
    "CHS": "diamond",
    "CMP": "square",
    "DLY": "cross",
    "DIS": "diamond",
    "HPF": "circle-open",
    "LPF": "square-open",
    "PS": "diamond-open",
    "RVB": "circle",
    "TRV": "square",
}
"""Plots in space have eight symbols, of which "x" is a letter that many systems lack: who shares one of the seven does
not share a hue."""

GOLDEN = 0.618034
"""A step around the colour wheel by the golden ratio: however many are taken, they stay apart."""


def effect_look(label: str) -> dict[str, str]:
    """Return colour ("#rrggbb") and symbol of an effect: its own, or, for one without, derived from its place."""
    if label in EFFECT_COLORS:
        return {"color": EFFECT_COLORS[label], "symbol": EFFECT_SYMBOLS[label]}
    others = [one for one in EFFECTS if one not in EFFECT_COLORS]
    place = others.index(label) if label in others else len(others)
    rgb = colorsys.hls_to_rgb((0.1 + GOLDEN * place) % 1, 0.42, 0.6)
    symbols = sorted(set(EFFECT_SYMBOLS.values()))
    return {"color": "#" + "".join(f"{round(255 * part):02x}" for part in rgb), "symbol": symbols[place % len(symbols)]}


INSTRUMENT_COLORS = {"guitar": "#d55e00", "piano": "#0072b2", "other": "#808080"}

INSTRUMENT_SYMBOLS = {"guitar": "diamond", "piano": "circle", "other": "cross"}

SET_COLORS = ("#0072b2", "#d55e00", "#00a761", "#e561c1", "#b98d00", "#8d84ff", "#9546b9", "#808080")

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "latentfx"},
}
"""What every figure is shown with: nothing that would send data to somebody else."""

LEGEND_BELOW = -0.12
"""Where a legend stands below the labels of a figure's axes, in shares of its height."""

MARK = "#d6006c"
"""What is chosen, and where the knob stands: seen on both themes, and no effect's colour."""


def _template(ink: str, paper: str, grid: str, zero: str) -> go.layout.Template:
    """Return a theme for every figure, of four colours."""
    axis: dict[str, Any] = {"gridcolor": grid, "zerolinecolor": zero, "linecolor": zero, "ticks": ""}
    axis |= {"automargin": True, "title": {"standoff": 15}}  # figures have no margins for labels but these
    scene = {"showbackground": False, "showspikes": False, "gridcolor": grid, "zerolinecolor": zero}
    family = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
    return go.layout.Template(
        data={"bar": [go.Bar(error_y={"color": ink})]},  # plotly's own are dark in every theme
        layout={
            "font": {"family": family, "size": 13, "color": ink},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": SET_COLORS,
            "hovermode": "closest",
            "autotypenumbers": "strict",
            "xaxis": axis,
            "yaxis": axis,
            "scene": {f"{name}axis": scene for name in "xyz"},
        },
    )


STALE = 0.2
"""How opaque a trace is while it is not of what is chosen."""

TEMPLATES = {
    False: _template("#2b2b2b", "#ffffff", "#d9d9d9", "#bfbfbf"),
    True: _template("#e0e0e0", "#1e1e1e", "#4a4a4a", "#6e6e6e"),
}
"""The look of figures by whether the page is dark; text has at least 12:1."""


def plain(text: object) -> str:
    """Return a name so that plotly shows it letter by letter: it takes <b>, <a href=...> and the like for markup."""
    return html.escape(str(text), quote=False)


def hover_texts(points: xr.DataArray) -> list[str]:
    """Return what a point says of itself: clip, instrument and effect, in the order the points are drawn."""
    names = [EFFECTS[str(label)].name for label in points["effect"].values]
    clips = zip(points["clip"].values, points["instrument"].values, strict=True)
    heads = [f"<b>{plain(clip)}</b>{_in_brackets(instrument)}<br>" for clip, instrument in clips]
    return [head + name for head in heads for name in names]


def _in_brackets(instrument: object) -> str:
    return "" if instrument == "unknown" else f" ({plain(instrument)})"


def coordinates(points: xr.DataArray | np.ndarray) -> dict[str, np.ndarray]:
    """Return `points [..., component]` as the x, y (and z) of a trace, float32, all samples in one row."""
    columns = np.asarray(points, np.float32).reshape(-1, points.shape[-1]).T
    return dict(zip("xyz", columns, strict=False))


def scatter(flat: bool, **properties: Any) -> go.Scatter | go.Scatter3d:
    """Return a trace of points in a plane if `flat`, else in space; it is not in the legend unless told so."""
    properties.setdefault("showlegend", False)
    return go.Scatter(**properties) if flat else go.Scatter3d(**properties)


def with_interval(accuracy: pd.DataFrame) -> dict:
    """Return y and its error bars in percent, and what they say of themselves."""
    middle, low, high = (100 * accuracy[column].to_numpy(float) for column in ("accuracy", "low", "high"))
    bars = error_bars(middle, low, high)
    hover = "%{x}: %{y:.1f} % (95 % interval -%{error_y.arrayminus:.1f}, +%{error_y.array:.1f})"
    return {"y": middle, "error_y": bars, "hovertemplate": hover}


def error_bars(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict:
    """Return the error bars of intervals `low` to `high` around `middle`."""
    ends = {"array": high - middle, "arrayminus": middle - low}
    return {"type": "data", "symmetric": False, "visible": True, "thickness": 1, "width": 3, **ends}


def with_gaps(cells: np.ndarray) -> np.ndarray:
    """Return cells without NaN, which no message to a page may hold."""
    gaps: np.ndarray = cells.astype(object)
    gaps[np.isnan(cells)] = None
    return gaps


def finish(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure the house's look; `uirevision` keeps the reader's camera and zoom when data change."""
    figure.update_layout(
        template=TEMPLATES[False],
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        uirevision="keep",
        legend={
            "itemsizing": "constant",
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": -0.02,
            "yanchor": "top",
        },
        hoverlabel={"align": "left"},
    )
    return figure
