"""Arrays in, plotly figures out: nothing here computes, and every figure is complete when it is returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.effects import EFFECTS

EFFECT_COLORS = {
    "CLN": "#6e6e6e",
    "CHS": "#0072b2",
    "CMP": "#56b4e9",
    "DLY": "#009e73",
    "DIS": "#d55e00",
    "HPF": "#e69f00",
    "LPF": "#b8a800",
    "PS": "#cc79a7",
    "RVB": "#882255",
    "TRV": "#332288",
}
"""Ten colours that stay apart in the common forms of colour blindness (Okabe & Ito 2008, extended by Tol's)."""

INSTRUMENT_COLORS = {"guitar": "#d55e00", "piano": "#0072b2", "other": "#6e6e6e"}

CONFIG = {"displaylogo": False, "showSendToCloud": False, "responsive": True}
"""What every figure is shown with: nothing that would send data to somebody else."""

FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "#2b2b2b"}

COLORINGS = ("effect", "instrument", "clip")


def clusters(points: xr.DataArray, color: str = "effect", title: str = "") -> go.Figure:
    """Return one scene of `points (clip, effect, component)`, coloured by effect, instrument or clip (Figures 3-5)."""
    return effect_clusters({title: points}, color)


def effect_clusters(views: Mapping[str, xr.DataArray], color: str = "effect") -> go.Figure:
    """Return a scene for each of the `views`, title -> points `(clip, effect, component)`, two a row (Figures 3-5).

    Traces come in this order: the points of each view, then one ring a view that marks a chosen point, then what the
    legend needs. With two components the scenes are flat.
    """
    views = dict(views)
    flat = all(points.sizes["component"] == 2 for points in views.values())
    columns = min(2, len(views))
    rows = -(-len(views) // columns)
    figure = make_subplots(
        rows,
        columns,
        specs=[[{"type": "xy" if flat else "scene"}] * columns] * rows,
        subplot_titles=list(views),
        horizontal_spacing=0.07 if flat else 0.01,
        vertical_spacing=0.1 if flat else 0.04,
    )
    places = [(i // columns + 1, i % columns + 1) for i in range(len(views))]
    for points, (row, column) in zip(views.values(), places, strict=True):
        figure.add_trace(_cloud(points, color), row, column)
    for row, column in places:
        figure.add_trace(_ring(flat), row, column)
    for trace in _legend(flat, color):
        figure.add_trace(trace, *places[0])
    for points, (row, column) in zip(views.values(), places, strict=True):
        _name_axes(figure, points, row, column, flat)
    return _finish(figure, height=420 * rows + 90)


def point_colors(points: xr.DataArray, color: str) -> list[str]:
    """Return a colour for each sample of `points (clip, effect, component)`, in the order the points are drawn."""
    clips, effects = points.sizes["clip"], points.sizes["effect"]
    if color == "effect":
        return [EFFECT_COLORS[str(label)] for label in points["effect"].values] * clips
    if color == "instrument":
        each = [INSTRUMENT_COLORS.get(str(name), INSTRUMENT_COLORS["other"]) for name in points["instrument"].values]
    elif color == "clip":
        each = clip_colors(clips)
    else:
        raise ValueError(f"points can be coloured by {', '.join(COLORINGS)}, not by {color!r}")
    return [shade for shade in each for _ in range(effects)]


def clip_colors(n: int) -> list[str]:
    """Return `n` colours around the wheel; neighbours differ in lightness too, as no wheel holds many clips apart."""
    return [f"hsl({360 * i / max(n, 1):.0f}, 70%, {(38, 52, 64)[i % 3]}%)" for i in range(n)]


def hover_texts(points: xr.DataArray) -> list[str]:
    """Return what a point says of itself: clip, instrument and effect, in the order the points are drawn."""
    names = [EFFECTS[str(label)].name for label in points["effect"].values]
    clips = zip(points["clip"].values, points["instrument"].values, strict=True)
    return [f"<b>{clip}</b> ({instrument})<br>{name}" for clip, instrument in clips for name in names]


def coordinates(points: xr.DataArray) -> dict[str, np.ndarray]:
    """Return `points [..., component]` as the x, y (and z) of a trace, float32, all samples in one row."""
    columns = np.asarray(points, np.float32).reshape(-1, points.shape[-1]).T
    return dict(zip("xyz", columns, strict=False))


def _cloud(points: xr.DataArray, color: str) -> go.Scatter | go.Scatter3d:
    flat = points.sizes["component"] == 2
    marker = {"size": 6 if flat else 4, "color": point_colors(points, color), "opacity": 0.85, "line": {"width": 0}}
    return _scatter(
        flat, **coordinates(points), mode="markers", marker=marker, text=hover_texts(points), hoverinfo="text", name=""
    )


def _scatter(flat: bool, **properties) -> go.Scatter | go.Scatter3d:
    properties.setdefault("showlegend", False)
    return go.Scatter(**properties) if flat else go.Scatter3d(**properties)


def _ring(flat: bool) -> go.Scatter | go.Scatter3d:
    marker = {"size": 13 if flat else 11, "color": "rgba(0,0,0,0)", "symbol": "circle-open", "line": {"width": 3}}
    marker["color"] = "#111111"
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    return _scatter(flat, **nowhere, mode="markers", marker=marker, hoverinfo="skip", name="chosen")


def _legend(flat: bool, color: str) -> list[go.Scatter | go.Scatter3d]:
    """Traces without points, one a category of each colouring; only those of `color` are visible."""
    groups = {
        "effect": {f"{label} {EFFECTS[label].name.lower()}": shade for label, shade in EFFECT_COLORS.items()},
        "instrument": INSTRUMENT_COLORS,
    }
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    return [
        _scatter(
            flat,
            **nowhere,
            mode="markers",
            marker={"size": 8, "color": shade},
            name=name,
            meta=coloring,
            showlegend=True,
            visible=coloring == color,
        )
        for coloring, shades in groups.items()
        for name, shade in shades.items()
    ]


def knob_path(
    paths: xr.DataArray, cloud: xr.DataArray | None = None, chosen: Sequence[xr.DataArray] | None = None
) -> go.Figure:
    """Return the paths `(clip, value, component)` that a knob makes of clips (Figures 6-9), over a faint `cloud`.

    The first trace is the cloud `(clip, effect, component)` of the whole data set, whose basis the paths are drawn in;
    then come the paths, light to dark as the knob goes up, then a diamond a clip where the knob stands (`chosen`
    `(clip, component)`; by default the path's first point).
    """
    flat = paths.sizes["component"] == 2
    background = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    figure = go.Figure(
        [
            _scatter(
                flat,
                **({} if cloud is None else coordinates(cloud)),
                mode="markers",
                marker=background,
                text=[] if cloud is None else hover_texts(cloud),
                hoverinfo="text",
                name="data set",
            ),
            _scatter(flat, mode="lines+markers", hoverinfo="text", name="paths", **path_trace(paths)),
            _scatter(flat, mode="markers", hoverinfo="text", name="knob", **knob_trace(paths, chosen)),
        ]
    )
    if flat:
        figure.update_xaxes(title=str(paths["component"].values[0]))
        figure.update_yaxes(title=str(paths["component"].values[1]), scaleanchor="x")
    else:
        figure.update_scenes(_scene(paths))
    return _finish(figure, height=600)


def path_trace(paths: xr.DataArray) -> dict:
    """Return x, y, z, colours and hover texts of all paths in one trace, with a gap after each clip."""
    gap = xr.full_like(paths.isel(value=[0]), np.nan)
    gapped = xr.concat([paths, gap], "value", coords="minimal", compat="override", join="outer")
    turn = np.append(np.linspace(0.15, 1.0, paths.sizes["value"]), 0.15)
    texts = [
        f"<b>{clip}</b><br>{_knob_text(paths, value)}"
        for clip in paths["clip"].values
        for value in [*paths["value"].values, paths["value"].values[0]]
    ]
    colors = np.tile(turn, paths.sizes["clip"])
    scale = {"color": colors, "colorscale": "Viridis", "cmin": 0.0, "cmax": 1.0}
    flat = paths.sizes["component"] == 2
    line = {"width": 1, "color": "#777777"} if flat else {"width": 4, **scale}
    return {**coordinates(gapped), "text": texts, "line": line, "marker": {"size": 5 if flat else 3, **scale}}


def knob_trace(paths: xr.DataArray, chosen: Sequence[xr.DataArray] | None = None) -> dict:
    """Return x, y, z and hover texts of the diamonds `chosen (clip, component)` that say where the knob stands."""
    here = paths.isel(value=0) if chosen is None else chosen
    marker = {"size": 13 if paths.sizes["component"] == 2 else 8, "symbol": "diamond", "color": "#d6006c"}
    marker["line"] = {"width": 1, "color": "#ffffff"}
    return {**coordinates(here), "text": [f"<b>{clip}</b>" for clip in paths["clip"].values], "marker": marker}


def _knob_text(paths: xr.DataArray, value: float) -> str:
    attributes = paths["value"].attrs
    if "effect" not in attributes:
        return f"{value:.4g}"
    return EFFECTS[attributes["effect"]].knob(attributes["knob"]).text(value)


def latent_images(spectrograms: Sequence[xr.DataArray], latents: Sequence[xr.DataArray]) -> go.Figure:
    """Return six images (Figure 1): spectrograms above, latents below; before, after and difference side by side.

    `spectrograms` are three of `(frequency_hz, time_s)` in dB, `latents` three of `(dim, frame)` with the coordinate
    `time_s`; where there is one frame only, it is as wide as their attribute `length_s`. Traces come in that order.
    Differences have zero at the centre of their colours.
    """
    titles = ["Clean", "With the effect", "Difference"]
    figure = make_subplots(
        2,
        3,
        shared_xaxes="all",
        shared_yaxes="rows",
        subplot_titles=[f"{title}: spectrogram" for title in titles] + [f"{title}: latents" for title in titles],
        horizontal_spacing=0.05,
        vertical_spacing=0.12,
    )
    for row, images in enumerate((spectrograms, latents), start=1):
        axes = (f"coloraxis{2 * row - 1}", f"coloraxis{2 * row}")
        for column, image in enumerate(images, start=1):
            figure.add_trace(_heatmap(image, axes[column == 3]), row, column)
    figure.update_yaxes(type="log", row=1)
    figure.update_yaxes(title="frequency (Hz)", row=1, col=1)
    figure.update_yaxes(title="latent dim", row=2, col=1)
    figure.update_xaxes(title="time (s)", row=2)
    figure.update_layout(image_ranges(spectrograms, latents))
    return _finish(figure, height=640)


def image_ranges(spectrograms: Sequence[xr.DataArray], latents: Sequence[xr.DataArray]) -> dict:
    """Return the four colour axes of `latent_images`, scaled to what the images hold."""
    low, high = np.percentile(latents[0], [1, 99])
    # A tenth of what the clean latents span, or rounding would fill the scale of an effect that is turned down.
    spread = float(max(np.percentile(np.abs(latents[2]), 99), 0.1 * (high - low), 1e-6))
    place = {"thickness": 10, "len": 0.42}
    upper, lower = {**place, "y": 0.8, "title": "dB"}, {**place, "y": 0.2}
    return {
        "coloraxis1": {"colorscale": "Magma", "cmin": -90, "cmax": 0, "colorbar": upper},
        "coloraxis2": {"colorscale": "RdBu_r", "cmin": -40, "cmax": 40, "colorbar": {**upper, "x": 1.09}},
        "coloraxis3": {"colorscale": "Viridis", "cmin": float(low), "cmax": float(high), "colorbar": lower},
        "coloraxis4": {"colorscale": "RdBu_r", "cmin": -spread, "cmax": spread, "colorbar": {**lower, "x": 1.09}},
    }


def image_data(image: xr.DataArray) -> dict:
    """Return x, y and z of one image of `latent_images`."""
    vertical, times = image[image.dims[0]].values, image["time_s"].values
    if len(times) == 1 and "length_s" in image.attrs:
        times = np.array([0.0, image.attrs["length_s"]])  # the edges of its only column
    return {"z": np.asarray(image, np.float32), "x": times, "y": vertical}


def _heatmap(image: xr.DataArray, axis: str) -> go.Heatmap:
    unit = image.attrs.get("units", "")
    hover = f"%{{x:.2f}} s, {image.dims[0].replace('_hz', '')} %{{y:.4g}}: %{{z:.3g}} {unit}<extra></extra>"
    return go.Heatmap(**image_data(image), coloraxis=axis, hovertemplate=hover)


def _scene(points: xr.DataArray) -> dict:
    names = [str(name) for name in points["component"].values]
    look = {"showbackground": False, "gridcolor": "#d9d9d9", "zerolinecolor": "#bfbfbf", "showspikes": False}
    axes = {f"{axis}axis": {**look, "title": {"text": name}} for axis, name in zip("xyz", names, strict=True)}
    camera = {"eye": {"x": 1.35, "y": 1.35, "z": 0.7}, "center": {"x": 0, "y": 0, "z": -0.15}}
    return {**axes, "aspectmode": "cube", "uirevision": "keep", "camera": camera}


def _name_axes(figure: go.Figure, points: xr.DataArray, row: int, column: int, flat: bool) -> None:
    if not flat:
        figure.update_scenes(_scene(points), row=row, col=column)
        return
    figure.update_xaxes(title=str(points["component"].values[0]), row=row, col=column)
    figure.update_yaxes(title=str(points["component"].values[1]), row=row, col=column)


def _finish(figure: go.Figure, height: int) -> go.Figure:
    """Give a figure the house's look; `uirevision` keeps the reader's camera and zoom when data change."""
    figure.update_layout(
        template="plotly_white",
        font=FONT,
        height=height,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
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
