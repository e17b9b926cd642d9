"""`latentfx_nb.figures`: what is drawn is what was given, complete, in the documented order, and sent to nobody."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.analysis.algebra_tables import COMPARED
from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.narrow import compact, first_part, stacked
from latentfx_nb.figures.scenes import PICTURE, SHORTEST_SIDE
from latentfx_nb.widgets import bridge
from latentfx_nb.widgets.figure import ShownFigure

CLIPS = ["gtr_00", "gtr_01", "pno_00"]
INSTRUMENTS = ["guitar", "guitar", "piano"]


def labelled(dim, labels, n, seed=0, prefix="PC", attributes=None):
    values = np.random.default_rng(seed).standard_normal((len(CLIPS), len(labels), n))
    coordinates = {
        "clip": CLIPS,
        "instrument": ("clip", INSTRUMENTS),
        dim: (dim, labels, attributes or {}),
        "component": [f"{prefix}{i + 1}" for i in range(n)],
    }
    return xr.DataArray(values, coordinates, ("clip", dim, "component"))


def points(n=3, seed=0, prefix="PC"):
    return labelled("effect", list(EFFECTS), n, seed, prefix)


def paths(n=3, seed=0):
    knob = {"units": "Hz", "effect": "HPF", "knob": "cutoff_frequency_hz"}
    return labelled("value", np.geomspace(50.0, 10_000.0, 7), n, seed, attributes=knob)


def images(n, shape, dims, seed=0):
    generator = np.random.default_rng(seed)
    axis = np.arange(1, shape[0] + 1) * 10.0
    time = ("time_s", np.arange(shape[1]) / 10) if "time_s" in dims else ("frame", np.arange(shape[1]) / 10)
    two = [xr.DataArray(generator.uniform(-80, 0, shape), {dims[0]: axis, "time_s": time}, dims) for _ in range(n - 1)]
    return [*two, two[1] - two[0]]


def four_views(n=3):
    names = ["PCA, time-averaged", "UMAP, time-averaged", "PCA, flattened", "UMAP, flattened"]
    return {name: points(n, seed, "UMAP" if seed % 2 else "PC") for seed, name in enumerate(names)}


def drawn(trace):
    """Return what a trace draws, `[point component]`."""
    return np.stack(
        [np.asarray(trace[axis], float) for axis in "xyz" if axis in trace and trace[axis] is not None], axis=-1
    )


def trajectory(effect="DIS", n=3, frames=20, seed=0):
    values = np.random.default_rng(seed).standard_normal((frames, n))
    coordinates = {"time_s": ("frame", (np.arange(frames) + 0.5) / 10), "clip": "gtr_00", "effect": effect}
    return xr.DataArray(values, coordinates | {"component": [f"PC{i + 1}" for i in range(n)]}, ("frame", "component"))


def windows():
    index = pd.MultiIndex.from_product(
        [["clip", "effect", "instrument"], [0.01, 0.1, 5.4]], names=["label", "window_s"]
    )
    columns = {"purity": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1}
    return pd.DataFrame(columns, index) + np.linspace(0, 0.1, 9)[:, None]


def scores(index):
    return pd.DataFrame({"score": 0.5, "low": 0.2, "high": 0.6}, index=index)


def algebra(n=3):
    cloud, clean = points(n), points(n)[:, 0]
    places = dict(zip(("dry", "real effect", "algebra"), clean, strict=True))
    bars = dict.fromkeys(("ridge regression", "real", *COMPARED.values()), scores(["HPF", "LPF"]))
    curves = dict.fromkeys((*METHODS.values(), *COMPARED.values()), scores([1, 2, 4]))
    return figures.latent_algebra(cloud, (clean, clean + 1), places, paths(n)[0], bars, curves)


def compared(*names):
    frame = pd.DataFrame({"value": [1.0, 2.0], "low": [0.5, 1.0], "high": [2.0, 2.5]}, index=["one", "other"])
    return {name: frame + number for number, name in enumerate(names)}


TITLES = {"one": "One measure", "other": "Another"}

FIGURES = {
    "effect_clusters, windows": lambda: figures.effect_clusters(four_views(), windows=windows()),
    "trajectories": lambda: figures.trajectories([trajectory("CLN"), trajectory()], trajectory(frames=50)),
    "trajectories, flat": lambda: figures.trajectories([trajectory(n=2)]),
    "latent_algebra": algebra,
    "latent_algebra, flat": lambda: algebra(2),
    "encoder_comparison": lambda: figures.encoder_comparison(compared("a", "b"), TITLES),
    "encoder_ranking": lambda: figures.encoder_ranking(compared("a", "b"), next(iter(TITLES)), "A measure"),
    "clusters": lambda: figures.clusters(points(), title="One"),
    "clusters, flat": lambda: figures.clusters(points(2), "instrument", "One"),
    "effect_clusters": lambda: figures.effect_clusters(four_views()),
    "effect_clusters, flat": lambda: figures.effect_clusters(four_views(2), "clip"),
    "knob_path": lambda: figures.knob_path(paths(), points()),
    "knob_path, flat": lambda: figures.knob_path(paths(2), points(2)),
    "knob_path, no cloud": lambda: figures.knob_path(paths()),
    "latent_images": lambda: figures.latent_images(
        images(3, (20, 30), ("frequency_hz", "time_s")), images(3, (16, 12), ("dim", "frame"))
    ),
}


@pytest.fixture(params=FIGURES)
def figure(request):
    return FIGURES[request.param]()


def test_every_figure_is_complete_and_has_the_house_look(figure):
    assert type(figure) is go.Figure
    assert figure.layout.uirevision == "keep"
    assert figure.layout.legend.itemsizing == "constant"
    assert figure.layout.height >= 250
    assert figure.layout.template.layout.to_plotly_json() != {}
    written = json.loads(figure.to_json())
    assert len(written["data"]) == len(figure.data)
    for trace in figure.data:
        filled = trace.z if trace.type == "heatmap" else trace.x
        assert trace.name == "data set" or len(filled) > 0


def scenes_of(figure):
    return [figure.layout[name] for name in figure.layout if re.fullmatch(r"scene\d*", name)]


def test_scenes_are_boxes_that_keep_their_camera():
    for figure in (figures.effect_clusters(four_views()), figures.knob_path(paths(), points())):
        scenes = scenes_of(figure)
        used = {trace.scene or "scene" for trace in figure.data}
        assert len(scenes) == len(used)
        for scene in scenes:
            assert (scene.aspectmode, scene.uirevision) == ("manual", "keep")
            sides = [scene.aspectratio[axis] for axis in "xyz"]
            assert max(sides) == 1 and min(sides) >= SHORTEST_SIDE
            assert all(scene[f"{axis}axis"].title.text for axis in "xyz")


def seen(x, scene, picture):
    """Return where points `[point axis]` are in a scene's picture, -1 to 1 to the right and up."""
    camera = {name: np.array([scene.camera[name][axis] for axis in "xyz"]) for name in ("eye", "center", "up")}
    ends = np.array([scene[f"{axis}axis"].range for axis in "xyz"])
    box = ((x - ends[:, 0]) / np.ptp(ends, axis=1) - 0.5) * [scene.aspectratio[axis] for axis in "xyz"]
    back = camera["eye"] - camera["center"]
    back /= np.linalg.norm(back)
    right = np.cross(camera["up"], back)
    right /= np.linalg.norm(right)
    off = box - camera["eye"]
    places = off @ np.stack([right, np.cross(back, right)]).T / -(off @ back)[:, None] / np.tan(np.radians(22.5))
    return places / [picture, 1]


@pytest.mark.parametrize("stretch", [(1, 1, 1), (20, 1, 1), (1, 9, 1), (1, 1, 9), (5, 3, 0)])
def test_the_camera_is_chosen_so_that_points_fill_the_picture(stretch):
    cloud = points() * np.array(stretch)
    (scene,) = scenes_of(figures.clusters(cloud))
    places = seen(cloud.values.reshape(-1, 3), scene, PICTURE)
    assert np.abs(places).max() <= 1
    assert np.ptp(places[:, 0]) / 2 > 0.5  # of the picture's width
    first, second = (np.corrcoef(cloud.values[..., i].ravel(), places[:, i])[0, 1] for i in (0, 1))
    assert min(first, second) > 0.8 or 0 in stretch  # PC1 to the right, PC2 up: as in a plane


def test_the_camera_stays_while_other_paths_are_drawn_among_the_points():
    cloud = points() * 10
    before, after = (scenes_of(figures.knob_path(paths(seed=seed), cloud))[0] for seed in (0, 1))
    assert before.camera == after.camera
    (wide,) = scenes_of(figures.knob_path(paths() * 100, cloud))
    for axis, values in zip("xyz", (paths() * 100).values.reshape(-1, 3).T, strict=True):
        low, high = wide[f"{axis}axis"].range
        assert low < values.min() < values.max() < high


def test_axes_say_their_share_of_the_variance_where_pca_says_it():
    shares = points().assign_coords(component=("component", ["PC1", "PC2", "PC3"], {"explained": [0.376, 0.2, 0.1]}))
    (scene,) = scenes_of(figures.knob_path(paths(), shares))
    assert [scene[f"{axis}axis"].title.text for axis in "xyz"] == ["PC1 · 38 %", "PC2 · 20 %", "PC3 · 10 %"]
    flat = figures.knob_path(paths(2), shares.isel(component=slice(2)))
    assert (flat.layout.xaxis.title.text, flat.layout.yaxis.title.text) == ("PC1 · 38 %", "PC2 · 20 %")


def test_faint_points_are_as_dark_in_space_as_plotly_adds_them_to_what_is_behind():
    faded = np.tile([True, False], 10 * points().sizes["clip"] // 2)
    for color in figures.COLORINGS:
        flat, solid = (figures.clusters(points(n), color).data[0].marker.color for n in (2, 3))
        assert flat == solid  # nothing is faded
        flat, solid = (figures.own_points(points(n), points(n), None, color, faded).data[1].marker for n in (2, 3))
        for one, other in zip(flat.color, solid.color, strict=True):
            if one.startswith("rgba"):
                rgb, dark = (np.array(shade[5:-1].split(","), float) for shade in (one, other))
                np.testing.assert_allclose(dark[:3], 0.1 * rgb[:3], atol=0.51)
                assert rgb[3] == dark[3] == 0.1
            else:
                assert one == other


def test_nothing_is_sent_to_a_cloud():
    assert figures.CONFIG["showSendToCloud"] is False
    assert figures.CONFIG.get("plotlyServerURL", "") == ""
    shown = bridge.FigureWidget(figures.clusters(points()))
    assert shown._config.items() >= figures.CONFIG.items(), "pages show their figures with another configuration"


@pytest.mark.parametrize("path", sorted(Path(figures.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_figures_import_nothing_that_computes(path):
    """House rule 3: figures compute nothing. What could is not imported, and no method of it is called by name."""
    tree = ast.parse(path.read_text())
    modules = {n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {one for one in modules if not one.startswith("latentfx_nb.figures")} <= {
        *("__future__", "collections.abc", "typing", "colorsys", "html", "itertools"),
        *("numpy", "pandas", "xarray", "plotly.graph_objects", "plotly.subplots"),
        "latentfx_nb.effects",
    }
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & {"linalg", "fft", "mean", "std", "transform", "render", "encode", "load_clips", "random"}


def test_what_is_given_is_left_as_it_was():
    views, sweep, cloud = four_views(), paths(), points()
    copies = {name: x.copy(deep=True) for name, x in views.items()}, sweep.copy(deep=True), cloud.copy(deep=True)
    figures.effect_clusters(views)
    figures.knob_path(sweep, cloud)
    for name, x in views.items():
        xr.testing.assert_identical(x, copies[0][name])
    xr.testing.assert_identical(sweep, copies[1])
    xr.testing.assert_identical(cloud, copies[2])


# ------------------------------------------------------------------------------------------------------------ clusters


def view(figure, number):
    """Return the traces of a view's points, by what stands after "view 1"."""
    named = {trace.meta: trace for trace in figure.data if str(trace.meta).startswith(f"view {number}")}
    return {name.removeprefix(f"view {number}").strip(): trace for name, trace in named.items()}


def rings(figure):
    return [trace for trace in figure.data if trace.name == "chosen"]


@pytest.mark.parametrize("n", [2, 3])
def test_each_view_has_a_trace_for_each_effect_and_a_ring(n):
    views = four_views(n)
    figure = figures.effect_clusters(views)
    kind = {2: "scatter", 3: "scatter3d"}[n]
    assert {trace.type for trace in figure.data} == {kind}
    for number, x in enumerate(views.values(), start=1):
        traces = view(figure, number)
        assert set(traces) == set(EFFECTS)
        assert list(traces)[-1] == "CLN"  # drawn over the others
        for label, trace in traces.items():
            np.testing.assert_allclose(drawn(trace), x.sel(effect=label).values, rtol=1e-6)
            assert (trace.legendgroup, trace.showlegend) == (label, number == 1)
    for number, ring in enumerate(rings(figure), start=1):
        assert (ring.meta, ring.hoverinfo, list(ring.x)) == (f"chosen {number}", "skip", [None])
    axis = "scene" if n == 3 else "xaxis"
    places = [{trace[axis] for trace in view(figure, number).values()} for number in range(1, 5)]
    assert places == [{ring[axis]} for ring in rings(figure)]
    assert len(set.union(*places)) == 4
    assert [annotation.text for annotation in figure.layout.annotations] == list(views)


def test_rings_are_drawn_where_a_view_has_the_point():
    views = four_views()
    points = list(views.values())
    drawn_rings = rings(figures.effect_clusters(views, rings=[points[0][1, 2], None, points[2][1, 2]]))
    for number in (0, 2):
        np.testing.assert_allclose(drawn(drawn_rings[number]), [points[number].values[1, 2]], rtol=1e-6)
    assert [list(drawn_rings[number].x) for number in (1, 3)] == [[None], [None]]


@pytest.mark.parametrize("n", [2, 3])
def test_one_view_is_large_and_the_others_are_small_at_its_side(n):
    views = four_views(n)
    figure = figures.large_and_small(views, main=2)
    suffixes = ("", "2", "3", "4")
    parts = [figure.layout[f"{'scene' if n == 3 else 'xaxis'}{one}"] for one in suffixes]
    widths = [np.ptp(part.domain.x if n == 3 else part.domain) for part in parts]
    assert widths[2] == max(widths) > 3 * max(widths[:2] + widths[3:])
    titles = [(part.xaxis if n == 3 else part).title.text for part in parts]
    assert titles == ["", "", "PC1", ""]
    assert {note.text: note.font.size for note in figure.layout.annotations}[list(views)[2]] == 14
    other = figures.large_and_small(views, main=0)
    for before, after in zip(figure.data, other.data, strict=True):
        assert before == after  # traces stay in their scenes: only these change places


def test_points_that_are_not_looked_for_are_hardly_seen():
    x, faded = points(), np.arange(30) % 3 == 0
    figure = figures.large_and_small({"one": x, "other": x * 2}, faded=faded)
    for number in (1, 2):
        for group in figures.point_groups(x, "effect"):
            colors = view(figure, number)[group.key].marker.color
            assert [color.startswith("rgba") for color in colors] == faded[group.samples].tolist()
    assert all(isinstance(trace.marker.color, str) for trace in figures.large_and_small({"one": x}).data)


@pytest.mark.parametrize("color", figures.COLORINGS)
def test_groups_hold_each_sample_once(color):
    groups = figures.point_groups(points(), color)
    assert sorted(np.concatenate([group.samples for group in groups])) == list(range(30))


def test_axes_are_named_after_their_own_components():
    figure = figures.effect_clusters(four_views())
    names = [figure.layout[scene].xaxis.title.text for scene in ("scene", "scene2", "scene3", "scene4")]
    assert names == ["PC1", "UMAP1", "PC1", "UMAP1"]
    flat = figures.effect_clusters(four_views(2))
    assert [flat.layout[axis].title.text for axis in ("xaxis", "xaxis2")] == ["PC1", "UMAP1"]
    assert [flat.layout[axis].title.text for axis in ("yaxis", "yaxis2")] == ["PC2", "UMAP2"]


def test_a_point_says_its_clip_instrument_and_effect():
    texts = figures.clusters(points(), "clip").data[0].text
    assert len(texts) == len(CLIPS) * len(EFFECTS)
    for text, (clip, label) in zip(texts, itertools.product(range(len(CLIPS)), EFFECTS)):
        assert text == f"<b>{CLIPS[clip]}</b> ({INSTRUMENTS[clip]})<br>{EFFECTS[label].name}"


SIGHT = {  # Machado, Oliveira & Fernandes 2009, at full severity, on linear RGB
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colors):
    """Return `[color channel]` of "#rrggbb", as light."""
    coded = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors]) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def cielab(light):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(light, 0, 1) @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def contrast(colors, ground):
    luminance, behind = linear(colors) @ [0.2126, 0.7152, 0.0722], linear([ground]) @ [0.2126, 0.7152, 0.0722]
    return (np.maximum(luminance, behind) + 0.05) / (np.minimum(luminance, behind) + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_ten_effects_have_ten_colours_that_stay_apart(sight):
    assert list(figures.EFFECT_COLORS) == list(EFFECTS)
    seen = cielab(linear(figures.EFFECT_COLORS.values()) @ np.array(SIGHT[sight]).T)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[~np.eye(10, dtype=bool)]
    assert apart.min() > (30 if sight == "normal" else 19)


@pytest.mark.parametrize("dark", [False, True])
def test_colours_and_text_are_seen_on_both_themes(dark):
    ground = figures.TEMPLATES[dark].layout.paper_bgcolor
    for colors in (
        figures.EFFECT_COLORS.values(),
        figures.INSTRUMENT_COLORS.values(),
        figures.SET_COLORS,
        [figures.MARK],
    ):
        assert contrast(colors, ground).min() >= 3, colors
    assert contrast([figures.TEMPLATES[dark].layout.font.color], ground) > 12


def test_symbols_tell_effects_and_instruments_without_colour():
    assert list(figures.EFFECT_SYMBOLS) == list(EFFECTS) and list(figures.INSTRUMENT_SYMBOLS) == list(
        figures.INSTRUMENT_COLORS
    )
    assert len(set(figures.INSTRUMENT_SYMBOLS.values())) == 3
    used = [*figures.EFFECT_SYMBOLS.values(), *figures.INSTRUMENT_SYMBOLS.values()]
    assert len(set(figures.EFFECT_SYMBOLS.values())) == 7  # as many as there are in three dimensions, but for "x"
    assert "x" not in used  # which is drawn as a letter, and as an empty box where no font has it


@pytest.mark.parametrize("color", figures.COLORINGS)
def test_points_take_the_looks_of_their_labels(color):
    x = points()
    looks = figures.point_looks(x, color)
    figure = figures.clusters(x, color)
    for group in figures.point_groups(x, color):
        marker = view(figure, 1)[group.key].marker
        for name, found in looks.items():
            own = [marker[name]] * len(group.samples) if isinstance(marker[name], str) else list(marker[name])
            assert own == [found[sample] for sample in group.samples]
    shades, symbols = (np.array(looks[name]).reshape(len(CLIPS), len(EFFECTS)) for name in ("color", "symbol"))
    if color == "effect":
        assert (shades == np.array(list(figures.EFFECT_COLORS.values()))).all()
        assert (symbols == np.array(list(figures.EFFECT_SYMBOLS.values()))).all()
    elif color == "instrument":
        assert (shades == np.array([[figures.INSTRUMENT_COLORS[name]] for name in INSTRUMENTS])).all()
        assert (symbols == np.array([[figures.INSTRUMENT_SYMBOLS[name]] for name in INSTRUMENTS])).all()
    else:
        assert (shades == shades[:, :1]).all() and (symbols == "circle").all()
        assert len(set(shades[:, 0])) == len(CLIPS)


@pytest.mark.parametrize("color", figures.COLORINGS)
def test_no_points_have_no_looks(color):
    assert figures.point_looks(points().isel(clip=slice(0)), color) == {"color": [], "symbol": []}


def test_an_unknown_instrument_and_an_unknown_colouring():
    x = points().assign_coords(instrument=("clip", ["banjo", "guitar", "piano"]))
    assert figures.point_looks(x, "instrument")["color"][0] == figures.INSTRUMENT_COLORS["other"]
    with pytest.raises(ValueError, match="effect, instrument, clip, not by 'mood'"):
        figures.point_looks(x, "mood")


@pytest.mark.parametrize("n", [8, 64, 128])
def test_every_clip_has_a_colour_of_its_own(n):
    assert len(set(figures.clip_colors(n))) == n


@pytest.mark.parametrize(("color", "entries"), [("effect", 10), ("instrument", 2), ("clip", 0)])
def test_the_legend_names_what_the_colours_mean(color, entries):
    shown = [trace for trace in figures.effect_clusters(four_views(), color).data if trace.showlegend]
    assert len(shown) == entries
    looks = {"effect": (figures.EFFECT_COLORS, figures.EFFECT_SYMBOLS)}.get(
        color, (figures.INSTRUMENT_COLORS, figures.INSTRUMENT_SYMBOLS)
    )
    for trace in shown:
        assert trace.name.startswith(trace.legendgroup)
        assert trace.marker.color == looks[0][trace.legendgroup]
        assert trace.marker.symbol == looks[1][trace.legendgroup]
    if color == "effect":
        assert [trace.name for trace in sorted(shown, key=lambda trace: trace.legendrank or 1000)][0] == "CLN clean"


def test_the_reference_is_drawn_last_and_has_an_outline():
    *others, clean = figures.clusters(points()).data[:10]
    assert (clean.name, clean.marker.line.width, clean.marker.opacity) == ("CLN clean", 1, 1)
    assert all(trace.marker.line.width == 0 and trace.marker.size < clean.marker.size for trace in others)


def test_a_view_without_points_is_an_empty_scene():
    figure = figures.effect_clusters({"full": points(), "not yet": points(prefix="UMAP").isel(clip=slice(0))})
    assert [sum(len(trace.x) for trace in view(figure, number).values()) for number in (1, 2)] == [30, 0]
    assert figure.layout.annotations[1].text == "not yet"


# ---------------------------------------------------------------------------------------------------------- knob paths


@pytest.mark.parametrize("n", [2, 3])
def test_cloud_paths_and_diamonds_come_in_this_order(n):
    sweep, cloud = paths(n), points(n, 1)
    figure = figures.knob_path(sweep, cloud)
    knob = "High-pass filter: cutoff frequency"
    assert [trace.meta for trace in figure.data] == ["data set", "paths", "knob", f"legend {knob}"]
    assert figure.data[3].name == knob
    assert {trace.type for trace in figure.data} == {{2: "scatter", 3: "scatter3d"}[n]}
    np.testing.assert_allclose(drawn(figure.data[0]), cloud.values.reshape(-1, n), rtol=1e-6)
    np.testing.assert_allclose(drawn(figure.data[2]), sweep.values[:, 0], rtol=1e-6)
    assert figure.data[2].marker.symbol == "diamond"
    assert [text.count(clip) for text, clip in zip(figure.data[2].text, CLIPS, strict=True)] == [1, 1, 1]


@pytest.mark.parametrize("n", [2, 3])
def test_paths_are_one_trace_with_a_gap_after_each_clip(n):
    sweep = paths(n)
    trace = figures.knob_path(sweep).data[1]
    values = drawn(trace).reshape(len(CLIPS), -1, n)
    np.testing.assert_allclose(values[:, :-1], sweep.values, rtol=1e-6)
    assert np.isnan(values[:, -1]).all()
    assert trace.mode == "lines+markers"
    assert not trace.connectgaps


def test_a_path_says_clip_and_setting_and_is_coloured_along_the_knob():
    sweep = paths()
    trace = figures.knob_path(sweep).data[1]
    texts = np.array(trace.text).reshape(len(CLIPS), -1)
    turn = np.asarray(trace.marker.color).reshape(len(CLIPS), -1)
    for row, clip in enumerate(CLIPS):
        assert texts[row, 0] == f"<b>{clip}</b><br>cutoff frequency 50 Hz"
        assert texts[row, 6] == f"<b>{clip}</b><br>cutoff frequency 10 kHz"
        assert (np.diff(turn[row, :-1]) > 0).all()
    assert len(trace.x) == len(trace.text) == len(trace.marker.color) == len(trace.line.color)


def test_a_sweep_of_unknown_origin_is_drawn_with_plain_numbers():
    sweep = paths()
    sweep["value"].attrs.clear()
    assert figures.knob_path(sweep).data[1].text[0] == "<b>gtr_00</b><br>50"


def test_chosen_diamonds_stand_where_they_are_told():
    chosen = paths().isel(value=4)
    np.testing.assert_allclose(drawn(figures.knob_path(paths(), None, chosen).data[2]), chosen.values, rtol=1e-6)


def test_without_a_cloud_its_trace_is_empty_and_keeps_its_place():
    figure = figures.knob_path(paths())
    assert figure.data[0].name == "data set"
    assert figure.data[0].x is None


# --------------------------------------------------------------------------------------------------------------- images


def six():
    return images(3, (20, 30), ("frequency_hz", "time_s")), images(3, (16, 12), ("dim", "frame"), seed=1)


def test_six_images_hold_what_was_given_in_order():
    spectrograms, latents = six()
    figure = figures.latent_images(spectrograms, latents)
    assert [trace.type for trace in figure.data] == ["heatmap"] * 6
    for trace, image in zip(figure.data, [*spectrograms, *latents], strict=True):
        np.testing.assert_allclose(trace.z, image.values, rtol=1e-5)
        np.testing.assert_array_equal(trace.x, image["time_s"].values)
        np.testing.assert_array_equal(trace.y, image[image.dims[0]].values)
    assert [a.text for a in figure.layout.annotations] == [
        f"{when}: {what}" for what in ("spectrogram", "latents") for when in ("Clean", "With the effect", "Difference")
    ]
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.title.text == "frequency (Hz)"
    assert figure.layout.yaxis4.title.text == "latent dim"


def test_before_and_after_share_a_scale_and_differences_are_centred_on_zero():
    figure = figures.latent_images(*six())
    assert [trace.coloraxis for trace in figure.data] == ["coloraxis"] * 2 + ["coloraxis2"] + ["coloraxis3"] * 2 + [
        "coloraxis4"
    ]
    for name in ("coloraxis2", "coloraxis4"):
        assert figure.layout[name].cmin == -figure.layout[name].cmax < 0


def test_an_effect_that_changes_nothing_still_has_a_scale():
    spectrograms, latents = six()
    ranges = figures.image_ranges(spectrograms, [latents[0], latents[0], 0 * latents[0]])
    assert ranges["coloraxis4"]["cmin"] < 0 < ranges["coloraxis4"]["cmax"]


# ------------------------------------------------------------------------------------------------- probes and masking


def accuracies(names=("a-T", "b-T"), labels=("CLN", "DIS", "HPF")):
    middle = np.linspace(0.2, 0.8, len(labels) + 1)
    frame = pd.DataFrame({"accuracy": middle, "low": middle - 0.1, "high": middle + 0.05}, index=[*labels, "overall"])
    return dict.fromkeys(names, frame)


def confusion(labels=("CLN", "DIS", "HPF")):
    shares = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0], [0.0, 0.004, 0.996]])
    return xr.DataArray(shares, {"label": list(labels), "named": list(labels)}, ("label", "named"))


def named(figure):
    """Return the traces of a figure by their names."""
    return {trace.meta: trace for trace in figure.data}


def test_probes_are_bars_chance_a_matrix_and_curves_with_the_documented_names():
    rates = {"b-T": accuracies()["a-T"].set_axis([1e-4, 1e-3, 1e-2, 1e-1])}
    figure = figures.linear_probes(accuracies(), confusion(), rates)
    traces = named(figure)
    assert list(traces) == ["bars 1", "bars 2", "chance", "confusions", "rates 1"]
    assert [trace.type for trace in figure.data] == ["bar", "bar", "scatter", "heatmap", "scatter"]
    bars, other, chance, matrix, curve = figure.data
    assert (bars.xaxis, matrix.xaxis, curve.xaxis) == ("x", "x2", "x3")
    assert (bars.name, other.name) == ("a-T", "b-T")
    assert list(bars.x) == ["CLN", "DIS", "HPF", "overall"]
    np.testing.assert_allclose(bars.y, [20, 40, 60, 80])
    np.testing.assert_allclose(bars.error_y.array, 5)
    np.testing.assert_allclose(bars.error_y.arrayminus, 10)
    assert chance.y == (100 / 3,) * 4
    assert list(matrix.x) == list(matrix.y) == ["CLN", "DIS", "HPF"]
    np.testing.assert_allclose(np.asarray(matrix.z, float), 100 * confusion().values)
    assert matrix.text[2] == ["", "", "100"] and matrix.text[0][1] == "50"
    assert list(curve.x) == [1e-4, 1e-3, 1e-2, 1e-1]
    assert curve.marker.color == other.marker.color
    assert figure.layout.xaxis3.type == "log"
    assert figure.layout.annotations[2].text == "How the learning rate matters"


def test_without_learning_rates_bars_and_matrix_have_the_whole_height():
    layout = figures.linear_probes(accuracies(), confusion()).layout
    assert layout.yaxis.domain == layout.yaxis2.domain == (0.0, 1.0)
    assert layout.xaxis.domain[1] < layout.xaxis2.domain[0]
    assert "xaxis3" not in layout and len(layout.annotations) == 2


def test_effects_stand_in_the_order_of_table_1_in_bars_matrix_and_marks():
    labels = ["CHS", "CLN", "DIS", "DLY"]  # as a sorted list has them
    shares = xr.DataArray(np.diag([0.1, 0.2, 0.3, 0.4]), {"label": labels, "named": labels}, ("label", "named"))
    marks = pd.Series({"DLY": 9.0, "DIS": 8.0, "CLN": 7.0})
    figure = figures.linear_probes(accuracies(("a-T", "b-T"), labels), shares, paper={"b-T": marks}, confused="b-T")
    bars, other, paper, chance, matrix = figure.data
    order = ["CLN", "CHS", "DLY", "DIS"]
    assert list(bars.x) == [*order, "overall"]
    np.testing.assert_allclose(bars.y, [35, 20, 65, 50, 80])
    assert list(matrix.x) == list(matrix.y) == order == list(chance.x)[:-1]
    np.testing.assert_allclose(np.diag(np.asarray(matrix.z, float)), [20, 10, 40, 30])
    assert list(figure.layout.xaxis.categoryarray) == [*order, "overall"]
    assert (paper.meta, dict(zip(paper.x, paper.y, strict=True))) == ("paper 2", marks.to_dict())
    assert paper.offsetgroup == other.offsetgroup != bars.offsetgroup  # the mark stands at its own set's bars
    assert "b-T" in figure.layout.annotations[1].text


def test_on_a_narrow_screen_the_parts_stand_below_each_other_with_their_titles():
    rates = {"b-T": accuracies()["a-T"].set_axis([1e-4, 1e-3, 1e-2, 1e-1])}
    for figure in (
        figures.linear_probes(accuracies(), confusion(), rates, confused="b-T"),
        figures.dimension_masking(lost_points(), lost_frames()),
    ):
        layout = stacked(figure).layout
        parts = [axis.domain for axis in stacked(figure).select_yaxes()]
        assert all(low > below for (low, _), (_, below) in itertools.pairwise(parts))
        assert {axis.domain for axis in stacked(figure).select_xaxes()} == {(0, 1)}
        assert [title.y for title in layout.annotations] == [top for _, top in parts]
        assert not any(":" in title.text for title in layout.annotations)
        assert figure.layout.xaxis.domain[1] < 1  # the figure that is given stays as it is


def test_on_a_narrow_screen_algebra_is_its_scene_alone_and_images_have_short_titles():
    figure = algebra()
    alone = first_part(figure)
    assert {trace.type for trace in alone.data if trace.visible is not False} == {"scatter3d"}
    assert alone.layout.scene.domain.x == alone.layout.scene.domain.y == (0, 1)
    assert not any(axis.visible for axis in alone.select_yaxes()) and not alone.layout.annotations
    assert figure.layout.scene.domain.x[1] < 1 and all(trace.visible is not False for trace in figure.data)
    small = compact(figures.latent_images(*six()))
    assert [title.text for title in small.layout.annotations] == 2 * ["Clean", "With the effect", "Difference"]
    assert not any(axis.showscale for axis in small.select_coloraxes())


def test_on_a_narrow_screen_a_plane_stands_alone_too():
    alone = first_part(algebra(2))
    assert {trace.xaxis for trace in alone.data if trace.visible is not False} <= {None, "x"}
    assert alone.layout.xaxis.domain == (0, 1) and alone.layout.xaxis.visible and not alone.layout.xaxis2.visible


def test_a_picture_holds_eight_sets_apart():
    many = accuracies([f"{number}-T" for number in range(10)])
    bars = [trace for trace in figures.linear_probes(many, confusion()).data if trace.type == "bar"]
    assert len(bars) == 8 == len({(bar.marker.color, bar.marker.pattern.shape) for bar in bars})


def test_a_growing_bar_is_the_validation_accuracy_so_far():
    figure = ShownFigure(figures.linear_probes(accuracies(("a-T",)), confusion()), "probes", spare=1)
    figure.move(figures.growing_bars({"a-T": 0.25, "b-T": 0.5}))
    first, second = figure.trace("bars 1"), figure.trace("bars 2")
    assert (first.x, first.y) == (("overall",), (25,))
    assert (second.x, second.y, second.name) == (("overall",), (50,), "b-T")
    assert first.error_y.visible is False and second.visible is True
    figure.move(figures.growing_bars({"a-T": 0.3}, accuracies(("a-T",))))
    assert first.x == ("CLN", "DIS", "HPF", "overall")
    np.testing.assert_allclose(first.y, [20, 40, 60, 30])
    assert first.marker.opacity == (figures.STALE,) * 3 + (1,)  # what was there stays in its place, faintly
    figure.bring(figures.linear_probes(accuracies(("a-T",)), confusion()))
    assert first.error_y.visible is True and list(first.x) == ["CLN", "DIS", "HPF", "overall"]
    assert second.visible is False and "bars 2" not in figure.names()
    assert first.marker.opacity is None


def lost_points(pairs=False):
    cells = np.array([[0.0, 5.0, -1.0], [2.0, np.nan, 3.0]])
    axes = {"dim": [4, 7], "other": [0, 1, 2]} if pairs else {"effect": ["DIS", "HPF"], "dim": [0, 1, 2]}
    return xr.DataArray(cells, axes, tuple(axes), attrs={"units": "percentage points"})


def lost_frames():
    frame = pd.DataFrame({"points": [1.0, 2.0], "low": [0.5, 1.0], "high": [2.0, 4.0]}, index=["DIS", "HPF"])
    return {"mean": frame, "worst": frame.assign(text=["without 1", "without 2"])}


def test_masking_is_a_map_bars_and_lines_with_the_documented_names():
    line = xr.DataArray(np.arange(4.0), {"time_s": ("frame", np.arange(4) / 10)}, ("frame",))
    titles = ("Lost", "Each", "Dim 1")
    figure = figures.dimension_masking(
        lost_points(), lost_frames(), {"dim 1, clean": line, "dim 1, DIS": -line}, titles
    )
    assert list(named(figure)) == ["map", "bars 1", "bars 2", "line 1", "line 2"]
    assert [trace.type for trace in figure.data] == ["heatmap", "bar", "bar", "scatter", "scatter"]
    cells, mean, worst, first, second = figure.data
    assert (list(cells.x), list(cells.y)) == (["0", "1", "2"], ["DIS", "HPF"])
    assert cells.z[1][1] is None  # a page's messages hold no NaN
    assert "%{z:.1f} percentage points" in cells.hovertemplate
    np.testing.assert_allclose(mean.error_x.array, [1, 2])
    np.testing.assert_allclose(mean.error_x.arrayminus, [0.5, 1])
    assert list(mean.y) == list(cells.y)  # the bars stand beside the rows of the map
    assert list(worst.hovertext) == ["without 1", "without 2"]
    assert (first.name, list(first.y)) == ("dim 1, clean", [0, 1, 2, 3])
    assert (second.name, second.line.color) == ("dim 1, DIS", figures.LINES[1]["color"])
    assert tuple(one.text for one in figure.layout.annotations) == titles


def test_without_dims_over_time_the_map_has_the_whole_height():
    figure = figures.dimension_masking(lost_points(), lost_frames())
    assert list(named(figure)) == ["map", "bars 1", "bars 2"]
    assert figure.layout.yaxis.domain == (0.0, 1.0)
    assert len(figure.layout.annotations) == 2


def test_a_map_with_gains_has_its_zero_at_the_centre_of_its_colours():
    axis = figures.dimension_masking(lost_points(), lost_frames()).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-5, 5)
    axis = figures.dimension_masking(lost_points().clip(min=0), lost_frames()).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (0, 5)


def test_a_map_of_pairs_names_both_axes():
    layout = figures.dimension_masking(lost_points(pairs=True), lost_frames()).layout
    assert layout.yaxis.title.text == "latent dim"
    assert layout.xaxis.title.text == "latent dim hidden with it"


def test_a_dim_of_one_vector_is_a_level_line():
    line = xr.DataArray([0.5], {"time_s": ("frame", [2.7])}, ("frame",), attrs={"length_s": 5.4})
    drawn = named(figures.dimension_masking(lost_points(), lost_frames(), {"dim 1": line}))["line 1"]
    assert (list(drawn.x), list(drawn.y)) == ([0.0, 5.4], [0.5, 0.5])


@pytest.mark.parametrize(
    "figure",
    [
        figures.linear_probes(accuracies(), confusion()),
        figures.dimension_masking(lost_points(), lost_frames()),
    ],
)
def test_figures_of_probes_can_be_sent_to_a_page(figure):
    json.loads(json.dumps(figure.to_plotly_json(), default=lambda array: array.tolist(), allow_nan=False))
    assert figure.layout.template == figures.clusters(points()).layout.template


@pytest.mark.browser
def test_a_figure_is_written_as_png_with_the_extra_for_it(tmp_path, monkeypatch):
    pytest.importorskip("kaleido", reason="pip install 'latentfx-nb[export]'")
    if "CHROMIUM" in os.environ:
        monkeypatch.setenv("BROWSER_PATH", os.environ["CHROMIUM"])
    figures.linear_probes(accuracies(), confusion()).write_image(tmp_path / "probes.png", width=400, height=300)
    assert (tmp_path / "probes.png").read_bytes().startswith(b"\x89PNG")


# -------------------------------------------------------------------------------------- trajectories, algebra, encoders


def test_trajectories_have_names_and_markers_stand_at_their_starts():
    both = [trajectory("CLN"), trajectory(seed=1)]
    figure = figures.trajectories(both, trajectory(frames=50))
    traces = {trace.meta: trace for trace in figure.data}
    assert list(traces) == ["data set", "now", "trajectory 1", "trajectory 2", "legend 1", "legend 2"]
    for number, path in enumerate(both, start=1):
        trace = traces[f"trajectory {number}"]
        np.testing.assert_allclose(drawn(trace), path.values, rtol=1e-6)
        np.testing.assert_array_equal(trace.line.color, path["time_s"].values)
        assert trace.text[3].endswith("0.35 s")
    legend = [trace for trace in figure.data if trace.showlegend]
    assert legend == [traces["legend 1"], traces["legend 2"]]
    assert [trace.name for trace in legend] == ["gtr_00, clean", "gtr_00, distortion"]
    np.testing.assert_allclose(drawn(traces["now"]), [path.values[0] for path in both], rtol=1e-6)
    assert list(traces["now"].marker.color) == list(figures.SET_COLORS[:2])


def test_further_knobs_are_drawn_in_their_effects_colour():
    other = paths(seed=1)
    other["value"].attrs = {"units": "dB", "effect": "DIS", "knob": "drive_db"}
    figure = figures.knob_path(paths(), points(), others=[other])
    named = {trace.meta: trace for trace in figure.data}
    further = named["further paths 1"]
    assert len(drawn(further)) == len(drawn(named["paths"]))
    assert further.marker.colorscale[1][1] == "rgb(217,10,42)"
    legend = [trace for trace in figure.data if trace.showlegend]
    assert [trace.name for trace in legend] == ["High-pass filter: cutoff frequency", "Distortion: drive"]
    assert [trace.legendgroup for trace in legend] == [named["paths"].legendgroup, further.legendgroup]


def test_curves_of_windows_come_last_and_may_be_missing():
    figure = figures.effect_clusters(four_views(), windows=windows())
    assert [trace.meta for trace in figure.data[-3:]] == [f"same {label}" for label in figures.WINDOW_COLORS]
    for trace, label in zip(figure.data[-3:], figures.WINDOW_COLORS, strict=True):
        own = windows().loc[label]
        np.testing.assert_allclose(trace.y, 100 * own["purity"])
        np.testing.assert_allclose(trace.error_y.array, 100 * (own["high"] - own["purity"]))
        np.testing.assert_array_equal(trace.x, [0.01, 0.1, 5.4])
    missing = figures.effect_clusters(four_views(), windows=pd.DataFrame(), windows_title="press")
    assert figure.layout.annotations[4].text == figures.WINDOWS_TITLE
    assert missing.layout.annotations[4].text == "press"
    assert all(list(trace.x) == [None] for trace in missing.data[-3:])
    assert len(missing.data) == len(figures.effect_clusters(four_views()).data) + 3


def test_algebra_draws_pairs_places_bars_and_curves():
    figure = algebra()
    pairs = drawn(figure.data[1]).reshape(len(CLIPS), 3, 3)
    np.testing.assert_allclose(pairs[:, 1] - pairs[:, 0], 1, rtol=1e-5)
    assert np.isnan(pairs[:, 2]).all()
    assert [trace.name for trace in figure.data[3:6]] == ["dry", "real effect", "algebra"]
    assert [trace.text[0] for trace in figure.data[3:6]] == ["<b>dry</b>", "<b>real effect</b>", "<b>algebra</b>"]
    colors = [str(trace.marker.color) for trace in figure.data[3:8]]
    assert len(set(colors)) == 5  # no colour means two things
    listed = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert len(listed) == len(set(listed))
    assert [trace.type for trace in figure.data[6:]] == ["bar"] * 2 + ["scatter"] * (3 + 4 + 3)
    metas = ["bars 1", "bars 2", "mark 1", "mark 2", "mark 3", *(f"curve {number}" for number in range(1, 8))]
    assert [trace.meta for trace in figure.data[6:]] == metas
    np.testing.assert_allclose(figure.data[6].y, 50)
    np.testing.assert_allclose(figure.data[6].error_y.arrayminus, 30)
    assert list(figure.data[8].x) == ["HPF", "LPF"]
    assert list(figure.data[11].x) == ["1", "2", "4"]


def test_baselines_of_algebra_look_alike_as_marks_and_curves_and_are_told_apart():
    assert list(figures.BASELINE_LOOKS) == list(COMPARED.values())
    traces = {trace.meta: trace for trace in algebra().data}
    marks, curves = [traces[f"mark {i}"] for i in (1, 2, 3)], [traces[f"curve {i}"] for i in (5, 6, 7)]
    for mark, curve in zip(marks, curves, strict=True):
        assert (mark.name, mark.marker.symbol, mark.marker.color) == (curve.name, curve.marker.symbol, curve.line.color)
    assert len({mark.marker.symbol for mark in marks}) == len({curve.line.dash for curve in curves}) == 3
    assert {mark.marker.color for mark in marks}.isdisjoint(figures.METHOD_COLORS.values())


def test_bars_of_effects_whose_sound_got_farther_are_hatched():
    cloud, clean = points(), points()[:, 0]
    places = dict(zip(("dry", "real effect", "algebra"), clean, strict=True))
    bars = {"ridge regression": scores(["HPF", "RVB"]).assign(farther=[False, True])}
    figure = figures.latent_algebra(cloud, (clean, clean), places, paths()[0], bars, {})
    assert list(figure.data[6].marker.pattern.shape) == ["", "/"]


def test_encoders_are_compared_in_the_order_given():
    figure = figures.encoder_comparison(compared("b", "a"), TITLES)
    assert list(figure.data[1].y) == [0, 1]
    assert list(figure.data[1].text) == ["b", "a"]
    np.testing.assert_allclose(figure.data[1].x, [2, 3])
    assert list(figure.layout.yaxis.ticktext) == ["b", "a"]
    assert [note.text for note in figure.layout.annotations] == list(TITLES.values())


def test_encoders_are_ranked_from_left_to_right_with_intervals():
    name = next(iter(TITLES))
    figure = figures.encoder_ranking(compared("b", "a", "c"), name, "A measure")
    (trace,) = figure.data
    assert trace.meta == "ranking"
    assert list(figure.layout.xaxis.ticktext) == list(trace.text) == ["b", "a", "c"]
    frames = compared("b", "a", "c")
    np.testing.assert_allclose(trace.y, [frames[one].loc[name, "value"] for one in "bac"])
    np.testing.assert_allclose(
        trace.error_y.array, [frames[one].loc[name, "high"] - frames[one].loc[name, "value"] for one in "bac"]
    )
    assert figure.layout.yaxis.title.text == "A measure"


def test_labels_of_axes_make_room_for_themselves():
    for template in figures.TEMPLATES.values():
        assert template.layout.xaxis.automargin and template.layout.yaxis.automargin


def test_each_way_of_learning_has_its_colour_in_bars_and_curves():
    assert list(figures.METHOD_COLORS) == list(METHODS.values())
    figure = FIGURES["latent_algebra"]()
    marked = {trace.name: trace.marker.color for trace in figure.data if trace.type == "scatter" and trace.marker.color}
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert bars[0].marker.color == marked[bars[0].name] == figures.METHOD_COLORS["ridge regression"]


def test_an_effect_without_a_colour_of_its_own_gets_one(monkeypatch):
    for label in ("TOY", "TOO"):
        monkeypatch.setitem(EFFECTS, label, EFFECTS["HPF"])
    looks = [figures.effect_look(label) for label in EFFECTS]
    assert len({look["color"] for look in looks}) == len(EFFECTS)
    assert all(re.fullmatch("#[0-9a-f]{6}", look["color"]) for look in looks)
    labelled = points().isel(effect=[0]).assign_coords(effect=["TOY"])
    assert set(figures.point_looks(labelled, "effect")["color"]) == {looks[-2]["color"]}
