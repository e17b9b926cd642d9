"""Points of clips through effects in scenes to click in (Figures 3-5), and curves of neighbourhoods below."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.theme import (
    EFFECT_COLORS,
    EFFECT_SYMBOLS,
    INSTRUMENT_COLORS,
    INSTRUMENT_SYMBOLS,
    MARK,
    coordinates,
    finish,
    hover_texts,
    name_axes,
    scatter,
    with_interval,
)

COLORINGS = ("effect", "instrument", "clip")


def clusters(points: xr.DataArray, color: str = "effect", title: str = "") -> go.Figure:
    """Return one scene of `points (clip, effect, component)`, coloured by effect, instrument or clip (Figures 3-5)."""
    return effect_clusters({title: points}, color)


def effect_clusters(
    views: Mapping[str, xr.DataArray], color: str = "effect", windows: pd.DataFrame | None = None
) -> go.Figure:
    """Return a scene for each of the `views`, title -> points `(clip, effect, component)`, two a row (Figures 3-5).

    Traces come in this order: the points of each view, then one ring a view that marks a chosen point, then what the
    legend needs. With two components the scenes are flat. `windows` (`comparison.purity_by_window`, or an empty frame)
    are drawn below as curves, one a label, which come last.
    """
    views = dict(views)
    flat = all(points.sizes["component"] == 2 for points in views.values())
    columns = min(2, len(views))
    rows = -(-len(views) // columns)
    scenes = [[{"type": "xy" if flat else "scene"}] * columns] * rows
    below = [] if windows is None else [[{"colspan": columns, "l": 0.06}, *[None] * (columns - 1)]]
    titles = [*views, *[""] * (rows * columns - len(views)), *[WINDOWS_TITLE][: len(below)]]
    figure = make_subplots(
        rows + len(below),
        columns,
        specs=[*scenes, *below],
        row_heights=[*[1.0] * rows, *[0.6] * len(below)],
        subplot_titles=titles,
        horizontal_spacing=0.07 if flat else 0.01,
        vertical_spacing=0.1 if flat else 0.05 if below else 0.04,
    )
    places = [(i // columns + 1, i % columns + 1) for i in range(len(views))]
    for (title, points), (row, column) in zip(views.items(), places, strict=True):
        figure.add_trace(_cloud(points, color).update(name=title), row, column)
    for row, column in places:
        figure.add_trace(_ring(flat), row, column)
    for trace in _legend(flat, color):
        figure.add_trace(trace, *places[0])
    for points, (row, column) in zip(views.values(), places, strict=True):
        name_axes(figure, points, row, column, flat)
    if windows is not None:
        for label, shade in WINDOW_COLORS.items():
            look = {"mode": "lines+markers+text", "marker": {"color": shade}, "textposition": "top left"}
            figure.add_trace(go.Scatter(**look, **window_curve(label, windows)), rows + 1, 1)
        figure.update_xaxes(title="averaged over (s)", type="log", row=rows + 1, col=1)
        figure.update_yaxes(title="neighbours (%)", range=[0, 119], row=rows + 1, col=1)
    finished = finish(figure, height=420 * rows + 90 + 300 * len(below))
    # At the figure's foot: how far below the curves their axis' title ends depends on the width.
    foot = {"yref": "container", "y": 0, "yanchor": "bottom"}
    return finished.update_layout(legend=foot, margin={"b": 120}) if below else finished


WINDOWS_TITLE = "Flattened, averaged, and between: neighbours that share the label, by the averaging window"


WINDOW_COLORS = {"effect": "#d55e00", "instrument": "#00a761", "clip": "#0072b2"}


def window_curve(label: str, windows: pd.DataFrame) -> dict:
    """Return the data of one curve below `effect_clusters`: the purity of neighbourhoods by averaging window."""
    named = {"name": f"same {label}", "showlegend": False, "line": {"color": WINDOW_COLORS[label]}}
    if not len(windows):
        return {"x": [None], "y": [None], "text": [""], **named}
    own = windows.loc[label].rename(columns={"purity": "accuracy"})
    hover = f"same {label}: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}}), over %{{x:.3g}} s"
    text = [""] * (len(own) - 1) + [named["name"]]
    return {"x": list(own.index), "text": text, **named, **with_interval(own), "hovertemplate": hover}


def point_looks(points: xr.DataArray, color: str) -> dict[str, list[str]]:
    """Return colour and symbol of each sample of `points (clip, effect, component)`, in the order they are drawn."""
    clips, effects = points.sizes["clip"], points.sizes["effect"]
    labels = [str(label) for label in points["effect"].values]
    if color == "effect":
        return {
            "color": [EFFECT_COLORS[x] for x in labels] * clips,
            "symbol": [EFFECT_SYMBOLS[x] for x in labels] * clips,
        }
    if color == "instrument":
        names = [name if name in INSTRUMENT_COLORS else "other" for name in map(str, points["instrument"].values)]
        each = [(INSTRUMENT_COLORS[name], INSTRUMENT_SYMBOLS[name]) for name in names]
    elif color == "clip":
        each = [(shade, "circle") for shade in clip_colors(clips)]
    else:
        raise ValueError(f"points can be coloured by {', '.join(COLORINGS)}, not by {color!r}")
    shades, symbols = ([one for one in column for _ in range(effects)] for column in zip(*each, strict=True))
    return {"color": shades, "symbol": symbols}


def clip_colors(n: int) -> list[str]:
    """Return `n` colours around the wheel; neighbours differ in lightness too, as no wheel holds many clips apart."""
    return [f"hsl({360 * i / max(n, 1):.0f}, 70%, {(38, 52, 64)[i % 3]}%)" for i in range(n)]


def _cloud(points: xr.DataArray, color: str) -> go.Scatter | go.Scatter3d:
    flat = points.sizes["component"] == 2
    marker = {"size": 6 if flat else 4, **point_looks(points, color), "opacity": 0.85, "line": {"width": 0}}
    return scatter(
        flat, **coordinates(points), mode="markers", marker=marker, text=hover_texts(points), hoverinfo="text", name=""
    )


def _ring(flat: bool) -> go.Scatter | go.Scatter3d:
    marker = {"size": 13 if flat else 11, "color": "rgba(0,0,0,0)", "symbol": "circle-open", "line": {"width": 3}}
    marker["color"] = MARK
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    return scatter(flat, **nowhere, mode="markers", marker=marker, hoverinfo="skip", name="chosen")


def _legend(flat: bool, color: str) -> list[go.Scatter | go.Scatter3d]:
    """Traces without points, one a category of each colouring; only those of `color` are visible."""
    groups = {
        "effect": {
            f"{label} {EFFECTS[label].name.lower()}": {"color": shade, "symbol": EFFECT_SYMBOLS[label]}
            for label, shade in EFFECT_COLORS.items()
        },
        "instrument": {
            name: {"color": shade, "symbol": INSTRUMENT_SYMBOLS[name]} for name, shade in INSTRUMENT_COLORS.items()
        },
    }
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    return [
        scatter(
            flat,
            **nowhere,
            mode="markers",
            marker={"size": 8, **look},
            name=name,
            meta=coloring,
            showlegend=True,
            visible=coloring == color,
        )
        for coloring, looks in groups.items()
        for name, look in looks.items()
    ]
