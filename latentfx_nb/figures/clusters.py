"""Points of clips through effects in scenes to click in (Figures 3-5), and curves of neighbourhoods below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.theme import (
    INSTRUMENT_COLORS,
    INSTRUMENT_SYMBOLS,
    MARK,
    coordinates,
    effect_look,
    finish,
    hover_texts,
    name_axes,
    scatter,
    with_interval,
)

COLORINGS = ("effect", "instrument", "clip")

WINDOWS_TITLE = "Flattened, averaged, and between: neighbours that share the label, by the averaging window"

WINDOW_COLORS = {"effect": "#d55e00", "instrument": "#00a761", "clip": "#0072b2"}


def clusters(points: xr.DataArray, color: str = "effect", title: str = "") -> go.Figure:
    """Return one scene of `points (clip, effect, component)`, coloured by effect, instrument or clip (Figures 3-5)."""
    return effect_clusters({title: points}, color)


def effect_clusters(
    views: Mapping[str, xr.DataArray],
    color: str = "effect",
    windows: pd.DataFrame | None = None,
    rings: Sequence[xr.DataArray | None] = (),
    windows_title: str = WINDOWS_TITLE,
) -> go.Figure:
    """Return a scene for each of the `views`, title -> points `(clip, effect, component)`, two a row (Figures 3-5).

    With two components the scenes are flat. `windows` (`comparison.purity_by_window`, or an empty frame) are drawn
    below as curves, one a label. `rings` are points `(component)` of each view that are marked, None in a view without.
    Traces: "view 1" and so on, the points of each view; "chosen 1" and so on, the rings; "legend CLN clean" and the
    like, what the legend needs; and "same effect" and the like, the curves.
    """
    views = dict(views)
    flat = all(points.sizes["component"] == 2 for points in views.values())
    columns = min(2, len(views))
    rows = -(-len(views) // columns)
    places = [(i // columns + 1, i % columns + 1) for i in range(len(views))]
    figure = _scenes(list(views), rows, columns, flat, None if windows is None else windows_title)
    for number, ((title, points), place) in enumerate(zip(views.items(), places, strict=True), start=1):
        figure.add_trace(_cloud(points, color).update(name=title, meta=f"view {number}"), *place)
        name_axes(figure, points, *place, flat)
    for number, (ring, place) in enumerate(zip_longest(rings, places), start=1):
        figure.add_trace(_ring(flat, ring).update(meta=f"chosen {number}"), *place)
    for trace in _legend(flat, color):
        figure.add_trace(trace, *places[0])
    if windows is not None:
        _add_curves(figure, windows, rows + 1)
    return _with_foot(finish(figure, height=420 * rows + 90 + 300 * (windows is not None)), windows is not None)


def _scenes(titles: Sequence[str], rows: int, columns: int, flat: bool, below: str | None) -> go.Figure:
    """Return empty scenes with titles, and, if there is something `below`, axes as wide as all with that title."""
    scenes = [[{"type": "xy" if flat else "scene"}] * columns] * rows
    wide = [] if below is None else [[{"colspan": columns, "l": 0.06}, *[None] * (columns - 1)]]
    return make_subplots(
        rows + len(wide),
        columns,
        specs=[*scenes, *wide],
        row_heights=[*[1.0] * rows, *[0.6] * len(wide)],
        subplot_titles=[*titles, *[""] * (rows * columns - len(titles)), *[below][: len(wide)]],
        horizontal_spacing=0.07 if flat else 0.01,
        vertical_spacing=0.1 if flat else 0.05 if wide else 0.04,
    )


def _add_curves(figure: go.Figure, windows: pd.DataFrame, row: int) -> None:
    for label, shade in WINDOW_COLORS.items():
        look = {"mode": "lines+markers+text", "marker": {"color": shade}, "textposition": "top left"}
        figure.add_trace(go.Scatter(**look, **_curve(label, windows), meta=f"same {label}"), row, 1)
    figure.update_xaxes(title="averaged over (s)", type="log", row=row, col=1)
    figure.update_yaxes(title="neighbours (%)", range=[0, 119], row=row, col=1)


def _with_foot(figure: go.Figure, below: bool) -> go.Figure:
    """Put the legend at the figure's foot if curves are below: how far their axis' title goes depends on the width."""
    foot = {"yref": "container", "y": 0, "yanchor": "bottom"}
    return figure.update_layout(legend=foot, margin={"b": 120}) if below else figure


def _curve(label: str, windows: pd.DataFrame) -> dict:
    """Return one curve below the scenes: the purity of neighbourhoods by averaging window."""
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
            "color": [effect_look(x)["color"] for x in labels] * clips,
            "symbol": [effect_look(x)["symbol"] for x in labels] * clips,
        }
    if color == "instrument":
        names = [name if name in INSTRUMENT_COLORS else "other" for name in map(str, points["instrument"].values)]
        each = [(INSTRUMENT_COLORS[name], INSTRUMENT_SYMBOLS[name]) for name in names]
    elif color == "clip":
        each = [(shade, "circle") for shade in clip_colors(clips)]
    else:
        raise ValueError(f"points can be coloured by {', '.join(COLORINGS)}, not by {color!r}")
    every = [one for one in each for _ in range(effects)]
    return {"color": [shade for shade, _ in every], "symbol": [symbol for _, symbol in every]}


def clip_colors(n: int) -> list[str]:
    """Return `n` colours around the wheel; neighbours differ in lightness too, as no wheel holds many clips apart."""
    return [f"hsl({360 * i / max(n, 1):.0f}, 70%, {(38, 52, 64)[i % 3]}%)" for i in range(n)]


def _cloud(points: xr.DataArray, color: str) -> go.Scatter | go.Scatter3d:
    flat = points.sizes["component"] == 2
    marker = {"size": 6 if flat else 4, **point_looks(points, color), "opacity": 0.85, "line": {"width": 0}}
    return scatter(
        flat, **coordinates(points), mode="markers", marker=marker, text=hover_texts(points), hoverinfo="text", name=""
    )


def _ring(flat: bool, point: xr.DataArray | None = None) -> go.Scatter | go.Scatter3d:
    """Return a ring around a point `(component)`, or one that is nowhere."""
    size, edge = 13 if flat else 11, {"width": 3}
    marker = {"size": size, "symbol": "circle-open", "line": edge, "color": MARK}
    place = {axis: [None] for axis in ("xy" if flat else "xyz")} if point is None else coordinates(point)
    return scatter(flat, **place, mode="markers", marker=marker, hoverinfo="skip", name="chosen")


def _legend(flat: bool, color: str) -> list[go.Scatter | go.Scatter3d]:
    """Return traces without points, one for each category of a colouring."""
    looks: dict[str, dict[str, str]] = {}
    if color == "effect":
        for label, spec in EFFECTS.items():
            looks[f"{label} {spec.name.lower()}"] = effect_look(label)
    elif color == "instrument":
        for name, shade in INSTRUMENT_COLORS.items():
            looks[name] = {"color": shade, "symbol": INSTRUMENT_SYMBOLS[name]}
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    shared = {**nowhere, "mode": "markers", "showlegend": True, "visible": True}
    return [
        scatter(flat, **shared, marker={"size": 8, **look}, name=name, meta=f"legend {name}")
        for name, look in looks.items()
    ]
