"""Axes of scenes in space and in a plane: named, fitted to the points, and seen by a camera that these choose.

The picture in space is the one in the plane, with depth: PC1 goes to the right, PC2 up, PC3 towards the reader. The
camera stands a little aside and above, so that the third is seen too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

SHORTEST_SIDE = 0.4
"""The shortest side of a scene's box may be, as a share of the longest; else sides are as long as the data."""

WIDER = 1.2
"""The width of a box over its height is at least that of the picture times this, so that points fill wide pictures."""

DEEPEST = 0.6
"""The depth of a box is at most this share of its width: what is deep is small behind and large in front."""

MARGIN = 0.04
"""Room on each side of what is drawn, as a share of its span."""

SIDEWAYS, ABOVE = np.radians((15.0, 9.0))
"""How far the camera stands from the third axis, towards the first and towards the second."""

FIELD_OF_VIEW = np.tan(np.radians(22.5))
"""Half the height of what plotly's camera sees at a distance of one."""

PICTURE = 1.6
"""Width over height of a page's picture, for which the camera stands right; taller ones are seen from farther away."""

FILLED, BOXED = np.array([0.92, 0.84]), np.array([0.95, 0.92])
"""How much of the picture the middle 99 % of the points and the whole box fill at the most, in width and height: the
rest is for the axes' labels."""

CORNERS = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])

TICKS = {"nticks": 5, "tickfont": {"size": 11}, "tickangle": 0}

STEPS = (1, 2, 2.5, 5, 10)
"""Between the numbers at an axis, times a power of ten."""

CORNER = 0.08
"""Words among the numbers of an axis keep this share of it away from its ends, where other axes have theirs."""


def axis_names(points: xr.DataArray) -> list[str]:
    """Return the names of the components of `points`, with their share of the variance if PCA says it: "PC1 · 38 %"."""
    component = points["component"]
    shares = component.attrs.get("explained", ())
    names = [str(name) for name in component.values]
    return [f"{name} · {share:.0%}".replace("%", " %") for name, share in zip(names, shares)] or names


def axis_ends(points: xr.DataArray) -> list[tuple[str, str] | None]:
    """Return what is heard towards the low and the high end of each component, if `points` know it; else None."""
    ends = points["component"].attrs.get("ends") or [None] * points.sizes["component"]
    return [None if one is None else (one.low, one.high) for one in ends]


def flat_titles(points: xr.DataArray) -> list[str]:
    """Return the titles of axes in a plane, with what is heard towards their ends: "← darker · PC1 · 38 % · ..."."""
    named = zip(axis_names(points), axis_ends(points), strict=False)
    return [name if ends is None else f"← {ends[0]} · {name} · {ends[1]} →" for name, ends in named]


def heard_ticks(ends: tuple[str, str], low: float, high: float) -> dict:
    """Return the ticks of an axis in space from `low` to `high`, whose outermost say what is heard towards its ends.

    A title would not do: plotly turns it around when the camera goes behind the scene, and its arrows would lie.
    """
    room = CORNER * (high - low)
    low, high = low + room, high - room
    about = (high - low) / 2.5  # few, as the third axis is short on a screen
    power = 10.0 ** np.floor(np.log10(about))
    step = power * max(one for one in STEPS if one * power <= about)
    values = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    texts = [ends[0], *(f"{value:.6g}".replace("-", "\N{MINUS SIGN}") for value in values[1:-1]), ends[1]]
    return {"tickmode": "array", "tickvals": values.tolist(), "ticktext": texts}


def scene_axes(points: xr.DataArray, drawn: Sequence[xr.DataArray] = (), picture: float = PICTURE) -> dict:
    """Return axes and camera of a scene of `points (..., component)`, for a `picture` of that width over its height.

    The axes hold all of `points` and of what else is `drawn`; the camera is chosen for the points alone, so that it
    stays where it is while other things are drawn among them.
    """
    titles, lengths = axis_names(points), np.ones(3)
    axes: dict = {
        f"{axis}axis": {"title": {"text": name, "font": {"size": 12}}, **TICKS}
        for axis, name in zip("xyz", titles, strict=True)
    }
    ranges = _ranges(points, drawn)
    eye, center = _camera(np.zeros((1, 3)), lengths, picture)
    if len(ranges):
        for axis, ends, heard in zip("xyz", ranges, axis_ends(points), strict=False):
            axes[f"{axis}axis"]["range"] = list(ends)
            axes[f"{axis}axis"] |= {} if heard is None else heard_ticks(heard, *ends)
        lengths = ranges[:, 1] - ranges[:, 0]
        lengths = _sides(lengths, picture)
        places = ((_rows(points) - ranges[:, 0]) / (ranges[:, 1] - ranges[:, 0]) - 0.5) * lengths
        eye, center = _camera(places, lengths, picture)
    camera = {"eye": _xyz(eye), "center": _xyz(center), "up": {"x": 0, "y": 1, "z": 0}}
    return {**axes, "aspectmode": "manual", "aspectratio": _xyz(lengths), "uirevision": "keep", "camera": camera}


def name_axes(
    figure: go.Figure,
    points: xr.DataArray,
    row: int | None = None,
    column: int | None = None,
    flat: bool = False,
    drawn: Sequence[xr.DataArray] = (),
    picture: float = PICTURE,
) -> None:
    """Name and fit the axes of one scene of a figure, or of its only one, to `points` and what else is `drawn`."""
    axes = axes_of(points, flat, drawn, picture)
    if not flat:
        figure.update_scenes(axes["scene"], row=row, col=column)
        return
    figure.update_xaxes(axes["xaxis"], row=row, col=column)
    figure.update_yaxes(axes["yaxis"], row=row, col=column)
    figure.update_layout(dragmode="pan")


def axes_of(
    points: xr.DataArray, flat: bool, drawn: Sequence[xr.DataArray] = (), picture: float = PICTURE
) -> dict[str, dict]:
    """Return the axes of a scene as parts of a layout: "scene", or "xaxis" and "yaxis" in a plane.

    Axes in a plane have no equal scales: that would leave half of a wide picture empty, and the shares of the variance
    in the axes' names say how far the points really spread.
    """
    if not flat:
        return {"scene": scene_axes(points, drawn, picture)}
    ranges = _ranges(points, drawn)
    axes: dict[str, dict] = {f"{axis}axis": {"title": {"text": name}} for axis, name in zip("xy", flat_titles(points))}
    for axis, ends in zip("xy", ranges, strict=False):
        axes[f"{axis}axis"]["range"] = list(ends)
    return axes


def _rows(points: xr.DataArray) -> np.ndarray:
    """Return the points that have a place, `[point component]`."""
    rows = np.asarray(points, float).reshape(-1, points.shape[-1])
    return rows[np.isfinite(rows).all(axis=1)]


def _ranges(points: xr.DataArray, drawn: Sequence[xr.DataArray]) -> np.ndarray:
    """Return the ends of each axis, `[component end]`, to four digits; nothing if there are no points."""
    rows = np.concatenate([_rows(one) for one in (points, *drawn)])
    if not len(rows):
        return np.empty((0, 2))
    low, high = rows.min(axis=0), rows.max(axis=0)
    room = np.maximum(MARGIN * (high - low), 1e-3 * np.maximum(np.abs(high), 1e-3))
    return np.array([[float(f"{end:.4g}") for end in ends] for ends in zip(low - room, high + room, strict=True)])


def _sides(lengths: np.ndarray, picture: float) -> np.ndarray:
    """Return the sides of a scene's box: as the data's `lengths`, but none too short, and wide in a wide picture."""
    sides = np.clip(lengths / lengths.max(), SHORTEST_SIDE, 1)
    sides[0] = max(sides[0], WIDER * picture * sides[1])
    sides[2] = min(sides[2], DEEPEST * sides[0])
    return np.clip(sides / sides.max(), SHORTEST_SIDE, 1)


def _camera(places: np.ndarray, sides: np.ndarray, picture: float) -> tuple[np.ndarray, np.ndarray]:
    """Return eye and centre of a camera from which `places [point axis]` in the scene's box fill the picture."""
    towards = np.array([np.sin(SIDEWAYS) * np.cos(ABOVE), np.sin(ABOVE), np.cos(SIDEWAYS) * np.cos(ABOVE)])
    right = np.array([np.cos(SIDEWAYS), 0, -np.sin(SIDEWAYS)])
    plane = np.stack([right, np.cross(towards, right)])
    seen_at_one = FIELD_OF_VIEW * np.array([picture, 1])
    center, distance = np.zeros(3), 1.8
    for _ in range(12):  # what is nearer looks larger: each step comes closer to the distance that is right
        within = np.stack([_seen(one, center, distance, towards, plane) for one in (places, CORNERS * sides)])
        within /= seen_at_one
        points, box = within.sum(axis=1) / 2
        middle = np.array([points[0], (points[1] + box[1]) / 2])  # the labels of the first axis are below the box
        center = center + (middle * seen_at_one * distance) @ plane
        needed = np.abs(within - middle).max(axis=1) / np.stack([FILLED, BOXED])
        distance = float(np.clip(distance * needed.max(), 0.7, 3))
    return center + distance * towards, center


def _xyz(values: np.ndarray) -> dict[str, float]:
    return {axis: round(float(value), 3) for axis, value in zip("xyz", values, strict=True)}


def _seen(
    places: np.ndarray, center: np.ndarray, distance: float, towards: np.ndarray, plane: np.ndarray
) -> np.ndarray:
    """Return the ends `[end axis]` of the middle 99 % of places, as seen from a `distance` of the centre."""
    off = places - center
    seen = off @ plane.T / np.maximum(distance - off @ towards, 0.1)[:, None]
    return np.percentile(seen, (0.5, 99.5), axis=0)
