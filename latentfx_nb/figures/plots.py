"""Arrays in, plotly figures out: nothing here computes, and every figure is complete when it is returned."""

from __future__ import annotations

import html
import sys
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.effects import EFFECTS

# A page opens more than a second sooner: what shows figures in plotly imports nbformat, which imports jsonschema, which
# compiles 39 grammars of international URLs if it finds them. Schemas of notebooks ask for none.
_looked_for = sys.modules.setdefault("rfc3987_syntax", None)
import plotly.graph_objects as go  # noqa: E402
from plotly.io import renderers  # noqa: E402, F401
from plotly.subplots import make_subplots  # noqa: E402

if _looked_for is None:
    del sys.modules["rfc3987_syntax"]

EFFECT_COLORS = {
    "CLN": "#808080",
    "CHS": "#8d84ff",
    "CMP": "#1a728d",
    "DLY": "#00a761",
    "DIS": "#ff4f58",
    "HPF": "#b98d00",
    "LPF": "#9e5809",
    "PS": "#e561c1",
    "RVB": "#9546b9",
    "TRV": "#8d35ff",
}
"""Ten colours, each at least 3:1 against white and against the dark theme (WCAG 2.2, 1.4.11), and at least 19 apart in
CIELAB from each other for all of normal, protan, deutan and tritan sight (Machado et al. 2009): found by search, as no
published palette of ten keeps either."""

EFFECT_SYMBOLS = {
    "CLN": "circle",
    "CHS": "diamond",
    "CMP": "square",
    "DLY": "cross",
    "DIS": "x",
    "HPF": "circle-open",
    "LPF": "square-open",
    "PS": "diamond-open",
    "RVB": "circle",
    "TRV": "square",
}
"""Three-dimensional plots have eight symbols: who shares one does not share a hue."""

INSTRUMENT_COLORS = {"guitar": "#d55e00", "piano": "#0072b2", "other": "#808080"}

INSTRUMENT_SYMBOLS = {"guitar": "diamond", "piano": "circle", "other": "x"}

MOST_SETS = 8
"""Feature sets that one picture of probes holds apart."""

SET_COLORS = ("#0072b2", "#d55e00", "#00a761", "#e561c1", "#b98d00", "#8d84ff", "#9546b9", "#808080")

SET_PATTERNS = ("", "/", "x", "-", "\\", "|", "+", ".")
"""What tells sets apart for who sees no colours."""

LINES = (
    {"color": "#808080", "width": 2},
    {"color": "#d55e00", "width": 2},
    {"color": "#808080", "width": 2, "dash": "dot"},
    {"color": "#d55e00", "width": 2, "dash": "dot"},
)
"""Clean and wet, of one dim and of a second."""

CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "latentfx"},
}
"""What every figure is shown with: nothing that would send data to somebody else."""

MARK = "#d6006c"
"""What is chosen, and where the knob stands: seen on both themes, and no effect's colour."""


def _template(ink: str, paper: str, grid: str, zero: str) -> go.layout.Template:
    """Return a theme for every figure, of four colours."""
    axis = {"gridcolor": grid, "zerolinecolor": zero, "linecolor": zero, "ticks": ""}
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
        _name_axes(figure, points, row, column, flat)
    if windows is not None:
        for label, shade in WINDOW_COLORS.items():
            look = {"mode": "lines+markers+text", "marker": {"color": shade}, "textposition": "top left"}
            figure.add_trace(go.Scatter(**look, **window_curve(label, windows)), rows + 1, 1)
        figure.update_xaxes(title="averaged over (s)", type="log", row=rows + 1, col=1)
        figure.update_yaxes(title="neighbours (%)", range=[0, 119], row=rows + 1, col=1)
    finished = _finish(figure, height=420 * rows + 90 + 300 * len(below))
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
    return {"x": list(own.index), "text": text, **named, **_with_interval(own), "hovertemplate": hover}


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


def plain(text: object) -> str:
    """Return a name so that plotly shows it letter by letter: it takes <b>, <a href=...> and the like for markup."""
    return html.escape(str(text), quote=False)


def hover_texts(points: xr.DataArray) -> list[str]:
    """Return what a point says of itself: clip, instrument and effect, in the order the points are drawn."""
    names = [EFFECTS[str(label)].name for label in points["effect"].values]
    clips = zip(points["clip"].values, points["instrument"].values, strict=True)
    heads = [f"<b>{plain(clip)}</b> ({plain(instrument)})<br>" for clip, instrument in clips]
    return [head + name for head in heads for name in names]


def coordinates(points: xr.DataArray) -> dict[str, np.ndarray]:
    """Return `points [..., component]` as the x, y (and z) of a trace, float32, all samples in one row."""
    columns = np.asarray(points, np.float32).reshape(-1, points.shape[-1]).T
    return dict(zip("xyz", columns, strict=False))


def _cloud(points: xr.DataArray, color: str) -> go.Scatter | go.Scatter3d:
    flat = points.sizes["component"] == 2
    marker = {"size": 6 if flat else 4, **point_looks(points, color), "opacity": 0.85, "line": {"width": 0}}
    return _scatter(
        flat, **coordinates(points), mode="markers", marker=marker, text=hover_texts(points), hoverinfo="text", name=""
    )


def own_points(points: xr.DataArray, cloud: xr.DataArray) -> go.Figure:
    """Return one scene of `points (clip, effect, component)` in the colours of their effects, over a faint `cloud`.

    The traces are the cloud, the points, a ring that marks a chosen one, and what the legend needs.
    """
    flat = points.sizes["component"] == 2
    look = {"mode": "markers", "marker": {"size": 3, "color": "#9a9a9a", "opacity": 0.25}, "hoverinfo": "text"}
    behind = _scatter(flat, **coordinates(cloud), text=hover_texts(cloud), name="bundled clips", **look)
    legend = [trace for trace in _legend(flat, "effect") if trace.visible]
    figure = go.Figure([behind, _cloud(points, "effect"), _ring(flat), *legend])
    if flat:
        figure.update_xaxes(title=str(cloud["component"].values[0]))
        figure.update_yaxes(title=str(cloud["component"].values[1]))
    else:
        figure.update_scenes(_scene(cloud))
    return _finish(figure, height=600)


def _scatter(flat: bool, **properties) -> go.Scatter | go.Scatter3d:
    properties.setdefault("showlegend", False)
    return go.Scatter(**properties) if flat else go.Scatter3d(**properties)


def _ring(flat: bool) -> go.Scatter | go.Scatter3d:
    marker = {"size": 13 if flat else 11, "color": "rgba(0,0,0,0)", "symbol": "circle-open", "line": {"width": 3}}
    marker["color"] = MARK
    nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
    return _scatter(flat, **nowhere, mode="markers", marker=marker, hoverinfo="skip", name="chosen")


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
        _scatter(
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


MOST_KNOBS = 4
"""Knobs whose paths one picture holds (Figure 9 has four)."""


def knob_path(
    paths: xr.DataArray,
    cloud: xr.DataArray | None = None,
    chosen: Sequence[xr.DataArray] | None = None,
    others: Sequence[xr.DataArray] = (),
) -> go.Figure:
    """Return the paths `(clip, value, component)` that a knob makes of clips (Figures 6-9), over a faint `cloud`.

    The first trace is the cloud `(clip, effect, component)` of the whole data set, whose basis the paths are drawn in;
    then come the paths, light to dark as the knob goes up, in the effect's colour, then a diamond a clip where the knob
    stands (`chosen (clip, component)`; by default the path's first point). After these come three traces for the paths
    of `others`, further knobs (Figure 9), and what the legend shows of all four.
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
    further = [*others, *[None] * MOST_KNOBS][: MOST_KNOBS - 1]
    for other in further:
        nothing = {axis: [None] for axis in ("xy" if flat else "xyz")}
        drawn = nothing if other is None else path_trace(other)
        figure.add_trace(_scatter(flat, mode="lines+markers", hoverinfo="text", name="further paths", **drawn))
    for one in (paths, *further):
        nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
        figure.add_trace(_scatter(flat, **nowhere, mode="markers", **path_legend(one)))
    if flat:
        figure.update_xaxes(title=str(paths["component"].values[0]))
        figure.update_yaxes(title=str(paths["component"].values[1]), scaleanchor="x")
    else:
        figure.update_scenes(_scene(paths))
    return _finish(figure, height=600)


def path_trace(paths: xr.DataArray | None) -> dict:
    """Return x, y, z, colours and hover texts of all paths in one trace, with a gap after each clip."""
    if paths is None:
        return {"x": [None], "y": [None], "z": [None], "text": []}
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
    line = {"width": 1, "color": "#777777"} if flat else {"width": 4, **scale}
    return {**coordinates(gapped), "text": texts, "line": line, "marker": {"size": 5 if flat else 3, **scale}}


def path_legend(paths: xr.DataArray | None) -> dict:
    """Return what the legend of `knob_path` says of a knob's paths."""
    if paths is None or "effect" not in paths["value"].attrs:
        return {"name": "", "showlegend": False, "marker": {"size": 8}}
    attributes = paths["value"].attrs
    words = f"{EFFECTS[attributes['effect']].name}: {EFFECTS[attributes['effect']].knob(attributes['knob']).words}"
    return {"name": words, "showlegend": True, "marker": {"size": 8, "color": _path_color(paths)}}


def _path_color(paths: xr.DataArray) -> str:
    return EFFECT_COLORS.get(paths["value"].attrs.get("effect"), SET_COLORS[0])


def _shades(color: str) -> list[list]:
    """Return a colour scale from a tint of `color` "#rrggbb" by itself to a shade of it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return [[at, "rgb({},{},{})".format(*ends.round().astype(int))] for at, ends in (
        (0.0, 255 - 0.3 * (255 - rgb)), (0.6, rgb), (1.0, 0.45 * rgb)
    )]  # fmt: skip


def knob_trace(paths: xr.DataArray, chosen: Sequence[xr.DataArray] | None = None) -> dict:
    """Return x, y, z and hover texts of the diamonds `chosen (clip, component)` that say where the knob stands."""
    here = paths.isel(value=0) if chosen is None else chosen
    marker = {"size": 13 if paths.sizes["component"] == 2 else 8, "symbol": "diamond", "color": MARK}
    marker["line"] = {"width": 1, "color": "#ffffff"}
    return {**coordinates(here), "text": [f"<b>{plain(clip)}</b>" for clip in paths["clip"].values], "marker": marker}


def _knob_text(paths: xr.DataArray, value: float) -> str:
    attributes = paths["value"].attrs
    if "effect" not in attributes:
        return f"{value:.4g}"
    return EFFECTS[attributes["effect"]].knob(attributes["knob"]).text(value)


MOST_TRAJECTORIES = 6
"""Trajectories that one picture holds apart."""


def trajectories(paths: Sequence[xr.DataArray], cloud: xr.DataArray | None = None) -> go.Figure:
    """Return trajectories through time, light to dark, in the basis of a data set's frames (Figure 2).

    `paths` are up to six of `(frame, component)` with the coordinates `time_s`, `clip` and `effect`; `cloud (frame,
    component)` are frames of the whole data set. Traces come in this order: the cloud, six trajectories, what the
    legend shows of each, and the markers, which stand at the first frames.
    """
    flat = paths[0].sizes["component"] == 2
    background = {"size": 2, "color": "#9a9a9a", "opacity": 0.25}
    places = {} if cloud is None else coordinates(cloud)
    figure = go.Figure(_scatter(flat, **places, mode="markers", marker=background, hoverinfo="skip", name="data set"))
    shown = [*paths, *[None] * MOST_TRAJECTORIES][:MOST_TRAJECTORIES]
    for path, color in zip(shown, SET_COLORS, strict=False):
        mode = "lines+markers" if flat else "lines"
        figure.add_trace(_scatter(flat, mode=mode, hoverinfo="text", **trajectory_trace(path, color, flat)))
    for path, color in zip(shown, SET_COLORS, strict=False):
        nowhere = {axis: [None] for axis in ("xy" if flat else "xyz")}
        look = {"mode": "markers", "marker": {"size": 8, "color": color, "symbol": "diamond"}}
        figure.add_trace(_scatter(flat, **nowhere, **look, **trajectory_legend(path)))
    figure.add_trace(_scatter(flat, mode="markers", hoverinfo="skip", name="now", **now_trace(paths)))
    if flat:
        names = paths[0]["component"].values
        figure.update_xaxes(title=str(names[0]))
        figure.update_yaxes(title=str(names[1]), scaleanchor="x")
    else:
        figure.update_scenes(_scene(paths[0]))
    figure = _finish(figure, height=620)
    return figure.update_layout(legend={"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}, margin={"t": 60})


def trajectory_trace(path: xr.DataArray | None, color: str, flat: bool = False) -> dict:
    """Return the data of one trace of `trajectories`, from a tint of `color` at the start to a shade of it at the end.

    Without a path it is empty.
    """
    if path is None:
        return {**{axis: [None] for axis in ("xy" if flat else "xyz")}, "name": "", "visible": False}
    times = path["time_s"].values
    name = plain(trajectory_name(path))
    texts = [f"<b>{name}</b><br>{time_s:.2f} s" for time_s in times]
    shades = {"color": times, "colorscale": _shades(color), "cmin": 0.0, "cmax": float(times[-1]) or 1.0}
    look = (
        {"line": {"width": 1, "color": color}, "marker": {"size": 3, **shades}}
        if flat
        else {"line": {"width": 4, **shades}}
    )
    return {**coordinates(path), "text": texts, "name": name, "visible": True, **look}


def trajectory_legend(path: xr.DataArray | None) -> dict:
    """Return what the legend of `trajectories` says of one; lines of many shades have no colour there."""
    return {"name": "" if path is None else plain(trajectory_name(path)), "showlegend": path is not None}


def trajectory_name(path: xr.DataArray) -> str:
    """Return what a trajectory with the coordinates `clip` and `effect` is of."""
    return trajectory_words(path["clip"].item(), path["effect"].item())


def trajectory_words(clip: str, effect: str) -> str:
    """Return what the trajectory of a clip through an effect is called."""
    return f"{clip}, {EFFECTS[effect].name.lower()}"


def now_trace(paths: Sequence[xr.DataArray]) -> dict:
    """Return the markers of `trajectories`, at their first frames."""
    flat = paths[0].sizes["component"] == 2
    marker = {"size": 13 if flat else 9, "symbol": "diamond", "color": list(SET_COLORS[: len(paths)])}
    marker["line"] = {"width": 1, "color": "#000000"}
    return {**coordinates(np.stack([path.values[0] for path in paths])), "marker": marker}


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
            what = f"{titles[column - 1]}: {('spectrogram', 'latents')[row - 1]}"
            figure.add_trace(_heatmap(image, axes[column == 3]).update(name=what), row, column)
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


def linear_probes(
    accuracies: Mapping[str, pd.DataFrame], confusion: xr.DataArray, rates: Mapping[str, pd.DataFrame] | None = None
) -> go.Figure:
    """Return the class-wise accuracy of probes as bars, below it what one confuses, and how the learning rate matters.

    `accuracies` maps up to eight feature sets to frames with a row a label and the columns accuracy, low and high;
    `confusion (label, named)` are the shares of one of them; `rates` are frames of the same columns, a row a learning
    rate. Traces come in this order: eight sets of bars, chance, the matrix, eight curves.
    """
    figure = make_subplots(
        2,
        2,
        specs=[[{"colspan": 2}, None], [{}, {}]],
        subplot_titles=["Class-wise accuracy", "What is taken for what", rates_title(rates)],
        vertical_spacing=0.14,
        horizontal_spacing=0.14,
    )
    names = [*accuracies, *[None] * MOST_SETS][:MOST_SETS]
    for name, color, shape in zip(names, SET_COLORS, SET_PATTERNS, strict=True):
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "solidity": 0.15}
        marker = {"color": color, "pattern": pattern}
        figure.add_trace(go.Bar(marker=marker, **accuracy_bars(name, accuracies.get(name))), 1, 1)
    line = {"color": "#808080", "width": 1, "dash": "dot"}
    chance = chance_line(list(confusion["label"].values))
    figure.add_trace(go.Scatter(mode="lines", line=line, name="chance", hoverinfo="skip", **chance), 1, 1)
    figure.add_trace(go.Heatmap(**confusion_cells(confusion), coloraxis="coloraxis", name="confusion"), 2, 1)
    for name, color in zip(names, SET_COLORS, strict=True):
        curve = None if rates is None else rates.get(name)
        look = {"mode": "lines+markers", "marker": {"color": color}, "showlegend": False}
        figure.add_trace(go.Scatter(**look, **rate_curve(name, curve)), 2, 2)
    figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=1, col=1)
    figure.update_xaxes(title="named by the probe", type="category", row=2, col=1)
    figure.update_yaxes(title="true label", type="category", autorange="reversed", row=2, col=1)
    figure.update_xaxes(title="learning rate", type="log", range=[-4.2, -0.8], dtick=1, row=2, col=2)
    figure.update_xaxes(exponentformat="none", row=2, col=2)
    figure.update_yaxes(title="accuracy (%)", range=[0, 104], row=2, col=2)
    scale = {"colorscale": "Blues", "cmin": 0, "cmax": 100, "showscale": False}
    figure.update_layout(barmode="group", coloraxis=scale)
    figure = _finish(figure, height=820)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.08, "yanchor": "bottom"}
    return figure.update_layout(legend=legend, margin={"t": 90})


def rates_title(curves: Collection | None) -> str:
    """Return what stands over the curves of `linear_probes`, or over the place for them."""
    return "Sensitivity to the learning rate" if curves else "Learning rates: press Compare learning rates"


def accuracy_bars(name: str | None, accuracy: pd.DataFrame | None) -> dict:
    """Return the data of one set of bars of `linear_probes`; a set without a name is not shown."""
    if name is None:
        return {"x": [], "y": [], "name": "", "visible": False}
    if accuracy is None:
        return {"x": [], "y": [], "name": name, "visible": True}
    return {"x": list(map(plain, accuracy.index)), "name": name, "visible": True, **_with_interval(accuracy)}


def growing_bar(name: str, accuracy: float) -> dict:
    """Return the data of a set of bars while it is being trained: its validation accuracy so far."""
    return {"x": ["overall"], "y": [100 * accuracy], "name": name, "visible": True, "error_y.visible": False}


def chance_line(labels: Sequence[str]) -> dict:
    """Return where guessing ends up, across all labels."""
    return {"x": [*map(plain, labels), "overall"], "y": [100 / len(labels)] * (len(labels) + 1)}


def confusion_cells(confusion: xr.DataArray) -> dict:
    """Return x, y, z and texts of the matrix of `linear_probes`, of `confusion (label, named)`."""
    percent = 100 * confusion.values
    texts = [[f"{cell:.0f}" if cell >= 0.5 else "" for cell in line] for line in percent]
    hover = "%{y} named %{x}: %{z:.0f} %<extra></extra>"
    names = {"x": [plain(n) for n in confusion["named"].values], "y": [plain(n) for n in confusion["label"].values]}
    return {**names, "z": _with_gaps(percent), "text": texts, "texttemplate": "%{text}", "hovertemplate": hover}


def rate_curve(name: str | None, curve: pd.DataFrame | None) -> dict:
    """Return the data of one curve of `linear_probes`, of a frame with a row a learning rate."""
    if curve is None:
        return {"x": [], "y": [], "name": name or ""}
    return {"x": list(curve.index), "name": name, **_with_interval(curve)}


def _with_interval(accuracy: pd.DataFrame) -> dict:
    """Return y and its error bars in percent, and what they say of themselves."""
    middle, low, high = (100 * accuracy[column].to_numpy(float) for column in ("accuracy", "low", "high"))
    bars = _error_bars(middle, low, high)
    hover = "%{x}: %{y:.1f} % (95 % interval -%{error_y.arrayminus:.1f}, +%{error_y.array:.1f})"
    return {"y": middle, "error_y": bars, "hovertemplate": hover}


def _error_bars(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict:
    ends = {"array": high - middle, "arrayminus": middle - low}
    return {"type": "data", "symmetric": False, "visible": True, "thickness": 1, "width": 3, **ends}


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
    figure = _finish(figure, height=780)
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
    return {"x": x, "y": y, "z": _with_gaps(lost.values), "hovertemplate": f"%{{y}}, dim %{{x}}: {unit}<extra></extra>"}


def lost_bars(name: str, points: pd.DataFrame) -> dict:
    """Return the data of one set of bars of `dimension_masking`."""
    middle, low, high = (points[column].to_numpy(float) for column in ("points", "low", "high"))
    bars = _error_bars(middle, low, high)
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


PLACE_COLORS = ("#808080", "#d55e00", "#0072b2")
"""Where a clip starts from, where it should come to, and where algebra brings it."""

METHOD_COLORS = {
    "mean shift": "#b98d00",
    "a shift for each frame": "#8d84ff",
    "ridge regression": "#0072b2",
    "rotation": "#00a761",
}
"""Colours of `algebra.METHODS`, by their words; what is not algebra but the real effect has that place's."""

METHOD_SYMBOLS = ("circle", "diamond", "square", "x")


def latent_algebra(
    cloud: xr.DataArray,
    pairs: tuple[xr.DataArray, xr.DataArray],
    places: Mapping[str, xr.DataArray],
    path: xr.DataArray,
    bars: Mapping[str, pd.DataFrame],
    curves: Mapping[str, pd.DataFrame],
) -> go.Figure:
    """Return where algebra brings a clip, in the basis of the data set, and how near it comes on held-out recordings.

    `cloud (clip, effect, component)` are all time averages, `pairs` what was learned from: two of `(clip, component)`,
    each joined by a line. `places` are three points `(component)`: the start, the aim and where it came to; `path
    (value, component)` is the way there. `bars` are two frames with a row an effect, `curves` four with a row for each
    number of pairs; both with the columns score, low and high. Traces come in this order: the cloud, the pairs, the
    path, three places, two sets of bars, four curves.
    """
    flat = cloud.sizes["component"] == 2
    figure = make_subplots(
        2,
        2,
        specs=[[{"type": "xy" if flat else "scene", "rowspan": 2}, {}], [None, {}]],
        subplot_titles=["Time averages", "Scores", "Few-shot"],
        column_widths=[0.54, 0.46],
        horizontal_spacing=0.07,
        vertical_spacing=0.16,
    )
    background = {"size": 3, "color": "#9a9a9a", "opacity": 0.25}
    texts = hover_texts(cloud)
    scene = [
        _scatter(flat, **coordinates(cloud), mode="markers", marker=background, text=texts, hoverinfo="text"),
        _scatter(flat, mode="lines", line={"color": "#b0b0b0", "width": 2}, hoverinfo="skip", **pair_lines(*pairs)),
        _scatter(
            flat, mode="lines", line={"color": PLACE_COLORS[2], "width": 4}, hoverinfo="skip", **coordinates(path)
        ),
    ]
    for trace, name in zip(scene, ("data set", "learned from", "the way"), strict=True):
        figure.add_trace(trace.update(name=name), 1, 1)
    for (name, place), color in zip(places.items(), PLACE_COLORS, strict=True):
        marker = {
            "size": 14 if flat else 8,
            "symbol": "diamond",
            "color": color,
            "line": {"width": 1, "color": "#ffffff"},
        }
        look = {"mode": "markers", "marker": marker, "hoverinfo": "text", "showlegend": True}
        figure.add_trace(_scatter(flat, **look, **algebra_place(name, place)), 1, 1)
    for name, frame in bars.items():
        figure.add_trace(go.Bar(**score_bars(name, frame)), 1, 2)
    for (name, frame), symbol in zip(curves.items(), METHOD_SYMBOLS, strict=True):
        color = METHOD_COLORS[name]
        look = {"mode": "lines+markers", "marker": {"color": color, "symbol": symbol}, "line": {"color": color}}
        figure.add_trace(go.Scatter(**look, **score_curve(name, frame)), 2, 2)
    _name_axes(figure, cloud, 1, 1, flat)
    axes = {"title": "score (%)", "zeroline": True, "zerolinecolor": "#808080"}
    figure.update_yaxes(**axes, row=1, col=2)
    figure.update_yaxes(**axes, row=2, col=2)
    figure.update_xaxes(type="category", row=1, col=2)
    figure.update_xaxes(title="pairs learned from", type="category", row=2, col=2)
    figure.update_layout(barmode="group")
    return _finish(figure, height=700).update_layout(legend={"y": -0.1}, margin={"b": 60})


def pair_lines(dry: xr.DataArray, wet: xr.DataArray) -> dict:
    """Return a line from each point of `dry` to its fellow in `wet`, both `(clip, component)`, as one trace."""
    gap = np.full_like(dry.values, np.nan)
    return coordinates(np.stack([dry.values, wet.values, gap], axis=1))


def algebra_place(name: str, place: xr.DataArray) -> dict:
    """Return the data of one of the three places of `latent_algebra`."""
    return {**coordinates(place.values[None]), "name": name, "text": [f"<b>{name}</b>"]}


def score_bars(name: str, scores: pd.DataFrame) -> dict:
    """Return the data of one set of bars of `latent_algebra`."""
    hover = f"{name}, %{{x}}: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}})"
    look = {"name": name, "marker": {"color": METHOD_COLORS.get(name, PLACE_COLORS[1])}}
    return {"x": list(scores.index), **look, **_score_values(scores), "hovertemplate": hover}


def score_curve(name: str, scores: pd.DataFrame) -> dict:
    """Return the data of one few-shot curve of `latent_algebra`."""
    hover = f"{name}, %{{x}} pairs: %{{y:.1f}} % (-%{{error_y.arrayminus:.1f}}, +%{{error_y.array:.1f}})"
    return {"x": [str(k) for k in scores.index], "name": name, **_score_values(scores), "hovertemplate": hover}


def _score_values(scores: pd.DataFrame) -> dict:
    middle, low, high = (100 * scores[column].to_numpy(float) for column in ("score", "low", "high"))
    return {"y": middle, "error_y": _error_bars(middle, low, high)}


COMPARED_COLUMNS = 4


def encoder_comparison(measures: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> go.Figure:
    """Return a small dot plot for each measure, name -> title, with a row an encoder.

    `measures` maps encoders to frames with a row a measure and the columns value, low and high. There is a trace for
    each measure, in order; the encoders stand in the order of the mapping, the first on top.
    """
    rows = -(-len(titles) // COMPARED_COLUMNS)
    figure = make_subplots(
        rows, COMPARED_COLUMNS, subplot_titles=list(titles.values()), shared_yaxes=True, horizontal_spacing=0.03,
        vertical_spacing=0.1,
    )  # fmt: skip
    for number, name in enumerate(titles):
        place = number // COMPARED_COLUMNS + 1, number % COMPARED_COLUMNS + 1
        marker = {"size": 9, "color": SET_COLORS[0]}
        figure.add_trace(
            go.Scatter(mode="markers", marker=marker, showlegend=False, name=titles[name], **compared(measures, name)),
            *place,
        )
    figure.update_yaxes(compared_axis(measures))
    figure.update_annotations(font_size=12)
    return _finish(figure, height=210 * rows + 60).update_layout(margin_r=30)


def compared_axis(measures: Mapping[str, pd.DataFrame]) -> dict:
    """Return the axis of the encoders in `encoder_comparison`; categories would keep the order they came in first."""
    names = list(measures)
    return {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5]}


def compared(measures: Mapping[str, pd.DataFrame], name: str) -> dict:
    """Return the data of one measure of `encoder_comparison`."""
    rows = pd.DataFrame({encoder: frame.loc[name] for encoder, frame in measures.items()}).T
    middle, low, high = (rows[column].to_numpy(float) for column in ("value", "low", "high"))
    hover = "%{text}: %{x:.3g} (-%{error_x.arrayminus:.2g}, +%{error_x.array:.2g})<extra></extra>"
    places = {"x": middle, "y": np.arange(len(rows)), "text": list(rows.index)}
    return {**places, "error_x": _error_bars(middle, low, high), "hovertemplate": hover}


def _with_gaps(cells: np.ndarray) -> np.ndarray:
    """Return cells without NaN, which no message to a page may hold."""
    return np.where(np.isnan(cells), None, cells)


def _axis_title(dim: str) -> str:
    return {"dim": "latent dim", "other": "latent dim hidden with it"}.get(dim, dim)


def _scene(points: xr.DataArray) -> dict:
    names = [str(name) for name in points["component"].values]
    axes = {f"{axis}axis": {"title": {"text": name}} for axis, name in zip("xyz", names, strict=True)}
    # So far away, and so low a middle, that the nearest labels of the axes are in the picture.
    camera = {"eye": {"x": 1.45, "y": 1.45, "z": 0.75}, "center": {"x": 0, "y": 0, "z": -0.2}}
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
        template=TEMPLATES[False],
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
