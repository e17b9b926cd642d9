"""Points of clips through effects in scenes to click in (Figures 3-5), and curves of neighbourhoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.among import cloud_trace, note_in
from latentfx_nb.figures.points import point_traces, ring_trace
from latentfx_nb.figures.scenes import axes_of
from latentfx_nb.figures.theme import finish, name_axes, with_interval

WINDOWS_TITLE = "Flattened, averaged, and between: neighbours that share the label, by the averaging window"

WINDOW_COLORS = {"effect": "#d55e00", "instrument": "#00a761", "clip": "#0072b2"}

LARGE, SMALL = (0.0, 0.74), (0.77, 1.0)
"""From where to where the large scene and the small ones beside it reach in the picture's width."""

GAP = 0.06
"""What lies between small scenes, for their titles, as a share of the picture's height."""

BOX, SMALL_BOX = 1.12, 1.35
"""Width over height for which the camera of the large scene and of the small ones stands right: the large one is wider
on a page, which leaves room for words at its sides."""


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
    Traces: "view 1 HPF" and so on, the points of each view and effect ("view 1 guitar" by instrument, "view 1" by
    clip); "chosen 1" and so on, the rings; and "same effect" and the like, the curves.
    """
    views = dict(views)
    flat = all(points.sizes["component"] == 2 for points in views.values())
    columns = min(2, len(views))
    rows = -(-len(views) // columns)
    places = [(i // columns + 1, i % columns + 1) for i in range(len(views))]
    figure = _scenes(list(views), rows, columns, flat, None if windows is None else windows_title)
    for traces, place in zip(_traces(views, color, rings, None), places, strict=True):
        for trace in traces:
            figure.add_trace(trace, *place)
    for points, place in zip(views.values(), places, strict=True):
        name_axes(figure, points, *place, flat)
    if windows is not None:
        _add_curves(figure, windows, rows + 1)
    figure = finish(figure, height=420 * rows + 90 + 300 * (windows is not None))
    return _with_foot(figure.update_layout(margin={"t": 32}), windows is not None)


def large_and_small(
    views: Mapping[str, xr.DataArray],
    main: int = 0,
    color: str = "effect",
    rings: Sequence[xr.DataArray | None] = (),
    faded: np.ndarray | None = None,
    around: Sequence[xr.DataArray | None] = (),
    missing: str = "",
) -> go.Figure:
    """Return the view of number `main` large, and the others small at its side, with the traces of `effect_clusters`.

    The first view's scene is "scene" (in a plane the axes "x" and "y"), the second's "scene2" and so on, whichever is
    large. `faded [sample]` says which samples, clip by clip, are hardly seen. `around` are clouds that the points of
    the views lie in, and whose axes they have: faint traces "data set 1" and so on. A view without points says that
    they are `missing`.
    """
    flat = all(points.sizes["component"] == 2 for points in views.values())
    figure, spot, notes = go.Figure(), 0, []
    everything = zip(views.items(), _traces(views, color, rings, faded), strict=True)
    for number, ((title, points), traces) in enumerate(everything):
        domain = _domain(None if number == main else spot, len(views) - 1)
        spot += number != main
        suffix = "" if number == 0 else str(number + 1)
        cloud = around[number] if around else None
        behind = [] if cloud is None else [cloud_trace(cloud, number + 1)]
        figure.add_traces([trace.update(_axes_names(flat, suffix)) for trace in [*behind, *traces]])
        box = BOX if number == main else SMALL_BOX
        axes = axes_of(points, flat, picture=box) if cloud is None else axes_of(cloud, flat, [points], box)
        figure.update_layout(_placed(axes, domain, suffix, number == main))
        notes.append(_title(title, domain, number == main))
        if missing and not points.sizes["clip"]:
            notes.append(note_in(missing, sum(domain["x"]) / 2, domain["y"][1]))
    return finish(figure, height=600).update_layout(annotations=notes, margin={"t": 24})


def _traces(
    views: Mapping[str, xr.DataArray], color: str, rings: Sequence[xr.DataArray | None], faded: np.ndarray | None
) -> list[list[Any]]:
    """Return the traces of each view: its points, and its ring; the first view's are in the legend."""
    traces = []
    for number, (points, ring) in enumerate(zip_longest(views.values(), rings), start=1):
        flat = points.sizes["component"] == 2
        own = faded if points.sizes["clip"] else None
        cloud = point_traces(points, color, f"view {number}", own, named=number == 1)
        traces.append([*cloud, ring_trace(flat, ring).update(meta=f"chosen {number}")])
    return traces


def _domain(spot: int | None, spots: int) -> dict[str, list[float]]:
    """Return where a scene is: the large one, or one of the small ones from top to bottom."""
    if spot is None:
        return {"x": list(LARGE), "y": [0.0, 1.0]}
    height = (1 - GAP * (spots - 1)) / spots
    top = 1 - spot * (height + GAP)
    return {"x": list(SMALL), "y": [round(max(top - height, 0), 4), round(top, 4)]}


def _axes_names(flat: bool, suffix: str) -> dict[str, str]:
    return {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"} if flat else {"scene": f"scene{suffix}"}


def _placed(axes: Mapping[str, dict], domain: Mapping[str, list[float]], suffix: str, large: bool) -> dict[str, dict]:
    """Return the axes of one scene at its place; small ones have neither names nor numbers."""
    placed = {}
    for name, axis in axes.items():
        if name == "scene":
            parts = {f"{one}axis": axis[f"{one}axis"] | _labels(axis[f"{one}axis"], large) for one in "xyz"}
            placed[f"scene{suffix}"] = {**axis, **parts, "domain": dict(domain)}
        else:
            anchor = {"domain": domain[name[0]], "anchor": f"{'y' if name[0] == 'x' else 'x'}{suffix}"}
            placed[f"{name}{suffix}"] = {**axis, **_labels(axis, large), **anchor}
    return placed


def _labels(axis: Mapping[str, Any], large: bool) -> dict[str, Any]:
    title = axis["title"] if large else {**axis["title"], "text": ""}
    return {"title": title, "showticklabels": large}


def _title(words: str, domain: Mapping[str, list[float]], large: bool) -> dict[str, Any]:
    place = {"x": domain["x"][not large], "y": domain["y"][1], "xref": "paper", "yref": "paper"}
    # What is too long for a small view on a phone reaches over the large one, and not out of the picture.
    anchor = {"xanchor": "left" if large else "right", "yanchor": "bottom", "showarrow": False}
    return {"text": words, **place, **anchor, "font": {"size": 14 if large else 11}}


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
