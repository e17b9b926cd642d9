"""The paths that a knob makes of clips (Figures 6-9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS, Knob
from latentfx_nb.figures.among import CLOUD
from latentfx_nb.figures.points import cloud_traces
from latentfx_nb.figures.theme import (
    MARK,
    SET_COLORS,
    coordinates,
    effect_look,
    finish,
    name_axes,
    plain,
    scatter,
)

MOST_KNOBS = 4
"""Knobs whose paths one picture holds (Figure 9 has four)."""


def knob_path(
    paths: xr.DataArray,
    cloud: xr.DataArray | None = None,
    chosen: xr.DataArray | None = None,
    others: Sequence[xr.DataArray] = (),
    heard: str | None = None,
    color: str = "",
    faded: np.ndarray | None = None,
) -> go.Figure:
    """Return the paths `(clip, value, component)` that a knob makes of clips (Figures 6-9), over a faint `cloud`.

    Traces: "data set", the cloud `(clip, effect, component)` of the whole data set, whose basis the paths are drawn in
    (grey, or one a group, "data set HPF", by `color`; of its samples, clip by clip, those that are `faded` are hardly
    seen);
    "paths", light to dark as the knob goes up, in the effect's colour; "knob", a diamond a clip where the knob stands
    (`chosen (clip, component)`; by default the path's first point); "further paths 1" and so on for those of `others`,
    further knobs (Figure 9); and one for each knob's line in the legend. With a clip that is `heard`, "heard path" is
    its path once more, wide, with the knob's two ends written at its own; the other paths and diamonds are quiet.
    """
    flat, quiet = paths.sizes["component"] == 2, heard is not None
    look = {"mode": "lines+markers", "hoverinfo": "text"}
    behind = [scatter(flat, name=CLOUD, meta=CLOUD)] if cloud is None else cloud_traces(cloud, CLOUD, color, faded)
    traces = [*behind, scatter(flat, **look, **_named("paths", paths), **path_trace(paths, quiet))]
    for number, other in enumerate(others, start=1):
        also = _named("further paths", other) | {"meta": f"further paths {number}"}
        traces.append(scatter(flat, **look, **also, **path_trace(other, quiet)))
    if heard is not None:
        traces.append(scatter(flat, **_named("heard path", paths), **heard_trace(paths, heard)))
    knob = {"mode": "markers", "hoverinfo": "text", **_named("knob", paths)}
    traces.append(scatter(flat, **knob, **knob_trace(paths, chosen, heard)))
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    traces += [scatter(flat, **nowhere, mode="markers", **path_legend(one)) for one in (paths, *others)]
    figure = go.Figure(traces)
    name_axes(figure, paths if cloud is None else cloud, flat=flat, drawn=(paths, *others))
    return finish(figure, height=600)


def path_trace(paths: xr.DataArray, quiet: bool = False) -> dict:
    """Return x, y, z, colours and hover texts of all paths in one trace, with a gap after each clip."""
    gap = xr.full_like(paths.isel(value=[0]), np.nan)
    gapped = xr.concat([paths, gap], "value", coords="minimal", compat="override", join="outer")
    turn = np.append(np.linspace(0, 1.0, paths.sizes["value"]), 0)
    texts = [
        f"<b>{plain(clip)}</b><br>{_knob_text(paths, value)}"
        for clip in paths["clip"].values
        for value in [*paths["value"].values, paths["value"].values[0]]
    ]
    colors = np.tile(turn, paths.sizes["clip"])
    scale = {"color": colors, "colorscale": _shades(_path_color(paths)), "cmin": 0.0, "cmax": 1.0}
    flat = paths.sizes["component"] == 2
    line = {"width": 1, "color": "#777777"} if flat else {"width": 2 if quiet else 4, **scale}
    look = {"line": line, "marker": {"size": (5 if flat else 3) - quiet, **scale}}
    return {**coordinates(gapped), "text": texts, "opacity": 0.5 if quiet else 1.0, **look}


def heard_trace(paths: xr.DataArray, heard: str) -> dict:
    """Return what draws the path of the clip `heard` wide, with the ends of the knob at its own; empty without one."""
    own = paths.sel(clip=paths["clip"] == heard)
    found, flat = path_trace(own), paths.sizes["component"] == 2
    ends = [""] * len(found["text"])
    if ends:
        ends[0], ends[-2] = (_value_text(paths, value) for value in paths["value"].values[[0, -1]])
    found["line"] = {"width": 4, "color": _path_color(paths)} if flat else {**found["line"], "width": 6}
    found["marker"] = {**found["marker"], "size": 7 if flat else 3}
    # Plotly shows `text` at the points and `hovertext` under the mouse.
    written = {"hovertext": found["text"], "text": ends, "textposition": "top center", "textfont": {"size": 13}}
    return {**found, **written, "mode": "lines+markers+text", "hoverinfo": "text"}


def path_legend(paths: xr.DataArray) -> dict:
    """Return what the legend of `knob_path` says of a knob's paths."""
    if "effect" not in paths["value"].attrs:
        return {"name": "", "showlegend": False, "marker": {"size": 8}}
    attributes = paths["value"].attrs
    words = f"{EFFECTS[attributes['effect']].name}: {EFFECTS[attributes['effect']].knob(attributes['knob']).words}"
    return {
        "name": words,
        "meta": f"legend {words}",
        "legendgroup": words,
        "showlegend": True,
        "marker": {"size": 8, "color": _path_color(paths)},
    }


def _named(name: str, paths: xr.DataArray) -> dict:
    """Return what a trace is called, and the line in the legend that hides it with the others of its knob."""
    return {"name": name, "meta": name, "legendgroup": path_legend(paths).get("legendgroup")}


def path_scale(paths: xr.DataArray) -> tuple[str, list[str], str]:
    """Return the low end of a knob, the colours "rgb(...)" of its paths from there on, and its high end."""
    low, high = (_value_text(paths, value) for value in paths["value"].values[[0, -1]])
    return low, [color for _, color in _shades(_path_color(paths))], high


def _path_color(paths: xr.DataArray) -> str:
    effect = paths["value"].attrs.get("effect")
    return SET_COLORS[0] if effect is None else effect_look(effect)["color"]


def _shades(color: str) -> list[list]:
    """Return a colour scale from a tint of `color` "#rrggbb" by itself to a shade of it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return [[at, "rgb({},{},{})".format(*ends.round().astype(int))] for at, ends in (
        (0.0, 255 - 0.3 * (255 - rgb)), (0.6, rgb), (1.0, 0.55 * rgb)
    )]  # fmt: skip


def knob_trace(paths: xr.DataArray, chosen: xr.DataArray | None = None, heard: str | None = None) -> dict:
    """Return x, y, z and hover texts of the diamonds `chosen (clip, component)` that say where the knob stands.

    Of those that are not of the clip `heard`, if there is one, only small dots are left.
    """
    here = paths.isel(value=0) if chosen is None else chosen
    size, edge = 13 if paths.sizes["component"] == 2 else 8, {"width": 1, "color": "#ffffff"}
    marker: dict = {"size": size, "symbol": "diamond", "color": MARK, "line": edge}
    if heard is not None:
        own = paths["clip"].values == heard
        looks = {"size": (size + 5, size - 4), "symbol": ("diamond", "circle"), "color": (MARK, _path_color(paths))}
        marker |= {name: [loud if one else quiet for one in own] for name, (loud, quiet) in looks.items()}
    return {**coordinates(here), "text": [f"<b>{plain(clip)}</b>" for clip in paths["clip"].values], "marker": marker}


def _knob_text(paths: xr.DataArray, value: float) -> str:
    knob = _knob(paths)
    return f"{value:.4g}" if knob is None else knob.text(value)


def _value_text(paths: xr.DataArray, value: float) -> str:
    knob = _knob(paths)
    return f"{value:.4g}" if knob is None else knob.brief(value)


def _knob(paths: xr.DataArray) -> Knob | None:
    attributes = paths["value"].attrs
    return EFFECTS[attributes["effect"]].knob(attributes["knob"]) if "effect" in attributes else None
