"""Points of clips through effects: their colours and symbols, and a trace for each effect or instrument."""

from __future__ import annotations

import colorsys
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.theme import (
    INSTRUMENT_COLORS,
    INSTRUMENT_SYMBOLS,
    MARK,
    coordinates,
    effect_look,
    hover_texts,
    scatter,
)

COLORINGS = ("effect", "instrument", "clip")

REFERENCE = "CLN"
"""The effect that all others are compared to: it is drawn over them, with an outline."""

GREY = "#9a9a9a"
"""Points that others are drawn over."""

FADED = 0.1
"""How opaque points are that do not match what is searched for, or are not among those selected."""


class Group(NamedTuple):
    """Points that share a colour: `key` "HPF", its words, its samples' numbers (clip by clip), colour and symbol."""

    key: str
    words: str
    samples: np.ndarray
    look: dict[str, Any]


def point_groups(points: xr.DataArray, color: str) -> list[Group]:
    """Return the groups of `points (clip, effect, component)` that are drawn as a trace each, the last one on top.

    Coloured by clip, all are one group whose key is empty. Raises ValueError for a colouring that there is not.
    """
    numbers = np.arange(points.sizes["clip"] * points.sizes["effect"]).reshape(-1, points.sizes["effect"])
    if color == "effect":
        labels = sorted(enumerate(map(str, points["effect"].values)), key=lambda one: one[1] == REFERENCE)
        return [Group(label, effect_words(label), numbers[:, i], effect_look(label)) for i, label in labels]
    if color == "instrument":
        names = np.array([_instrument(name) for name in points["instrument"].values], object)
        looks = {name: {"color": INSTRUMENT_COLORS[name], "symbol": INSTRUMENT_SYMBOLS[name]} for name in names}
        return [
            Group(name, name, numbers[names == name].ravel(), looks[name])
            for name in INSTRUMENT_COLORS
            if name in looks
        ]
    return [Group("", "", numbers.ravel(), point_looks(points, color) | {"symbol": "circle"})]


def effect_words(label: str) -> str:
    """Return what the legend calls an effect: "HPF high-pass filter"."""
    return f"{label} {EFFECTS[label].name.lower()}"


def point_traces(
    points: xr.DataArray, color: str, name: str, faded: np.ndarray | None = None, named: bool = True
) -> list[go.Scatter | go.Scatter3d]:
    """Return a trace for each group of `points`, called `name` and its key ("view 1 HPF"); see `point_groups`.

    `faded [sample]` says which samples are hardly seen. `named` traces are in the legend; pressing an entry there hides
    the groups of that key in all views.
    """
    flat = points.sizes["component"] == 2
    rows, texts = np.asarray(points, np.float32).reshape(-1, points.shape[-1]), np.array(hover_texts(points), object)
    traces = []
    for group in point_groups(points, color):
        look = {"mode": "markers", "hoverinfo": "text", "text": texts[group.samples].tolist()}
        legend = {"legendgroup": group.key, "legendrank": 1} if group.key == REFERENCE else {"legendgroup": group.key}
        look |= {"name": group.words, "meta": f"{name} {group.key}".strip(), "showlegend": named and bool(group.key)}
        marker = _marker(flat, group, None if faded is None else faded[group.samples])
        traces.append(scatter(flat, **coordinates(rows[group.samples]), **look, **legend, marker=marker))
    return traces


def cloud_traces(
    points: xr.DataArray, name: str, color: str = "", faded: np.ndarray | None = None
) -> list[go.Scatter | go.Scatter3d]:
    """Return quiet points that others are drawn over, all of them grey and one trace called `name`, or by `color`.

    Then there is a trace for each group, in the legend, as `point_traces` has them. `faded [sample]` as there.
    """
    if color:
        return [_quiet(trace) for trace in point_traces(points, color, name, faded)]
    flat, marker = points.sizes["component"] == 2, {"size": 3, "color": GREY, "opacity": 0.25}
    if faded is not None and faded.any():
        marker |= {"color": [_faint(GREY, flat) if one else GREY for one in faded], "opacity": 0.9}
    look = {"mode": "markers", "hoverinfo": "text", "text": hover_texts(points), "marker": marker}
    return [scatter(flat, **coordinates(points), **look, name=name, meta=name)]


def _quiet(trace: go.Scatter | go.Scatter3d) -> go.Scatter | go.Scatter3d:
    """Return a trace of a cloud: small, and let through what lies behind it."""
    return trace.update(marker={"size": trace.marker.size - 1, "opacity": 0.6})


def ring_trace(flat: bool, point: xr.DataArray | None = None) -> go.Scatter | go.Scatter3d:
    """Return a ring around a point `(component)`, or one that is nowhere."""
    size, edge = 13 if flat else 11, {"width": 3}
    marker = {"size": size, "symbol": "circle-open", "line": edge, "color": MARK}
    place = {axis: [None] for axis in ("xy" if flat else "xyz")} if point is None else coordinates(point)
    return scatter(flat, **place, mode="markers", marker=marker, hoverinfo="skip", name="chosen")


def point_looks(points: xr.DataArray, color: str) -> dict[str, list[str]]:
    """Return colour and symbol of each sample of `points (clip, effect, component)`, clip by clip."""
    clips, effects = points.sizes["clip"], points.sizes["effect"]
    labels = [str(label) for label in points["effect"].values]
    if color == "effect":
        return {
            "color": [effect_look(x)["color"] for x in labels] * clips,
            "symbol": [effect_look(x)["symbol"] for x in labels] * clips,
        }
    if color == "instrument":
        names = [_instrument(name) for name in points["instrument"].values]
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


def _instrument(name: object) -> str:
    return str(name) if str(name) in INSTRUMENT_COLORS else "other"


def _marker(flat: bool, group: Group, faded: np.ndarray | None) -> dict[str, Any]:
    """Return how the points of a group look; those of the reference are larger and have an outline."""
    first = group.key == REFERENCE
    marker = {"size": (6 if flat else 4) + first, **group.look, "opacity": 1 if first else 0.85}
    marker["line"] = {"width": 1 if first else 0, "color": "#ffffff"}
    if faded is not None and faded.any():
        colors = marker["color"] if isinstance(marker["color"], list) else [marker["color"]] * len(faded)
        marker["color"] = [_faint(one, flat) if faint else one for one, faint in zip(colors, faded, strict=True)]
        marker["line"] = {"width": 0, "color": "#ffffff"}
    return marker


def _faint(color: str, flat: bool) -> str:
    """Return a colour "#rrggbb" or "hsl(...)" that is hardly seen.

    In space plotly adds the colour of a point as it is to what lies behind, so that faint ones would glow in the dark:
    there it has to be as dark as the point is faint.
    """
    if color.startswith("hsl("):
        hue, saturation, lightness = (float(part.strip(" %")) for part in color[4:-1].split(","))
        rgb = [255 * part for part in colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)]
    else:
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return f"rgba({', '.join(str(round(part if flat else FADED * part)) for part in rgb)}, {FADED})"
