"""Page 03: four scenes, rings, colours, claims, without a browser."""

from __future__ import annotations

import html
import re
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.effects import EFFECTS, render_normalised
from latentfx_nb.pages import effect_clusters
from latentfx_nb.pages.content import effect_clusters as content
from latentfx_nb.pages.content import sounds
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.curves import FOOT, HEIGHT
from latentfx_nb.sound.clips import load_clips
from tests import on_pages
from tests.on_pages import LABELS, assert_sounds, drawn, happens, ready, said
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

EffectClusters = partial(effect_clusters.EffectClusters, encoder="logmel")


def traces_of(panel, number=1):
    """Return the traces of a view, by their effect or instrument."""
    name = f"view {number}"
    keys = [one.removeprefix(name).strip() for one in panel.figure.names() if one.split(" ")[:2] == name.split(" ")]
    return {key: panel.figure.trace(f"{name} {key}".strip()) for key in keys}


def cloud(panel, number=1, by="effect"):
    """Return the points of a view `[sample component]`, clip by clip, whatever they are coloured by."""
    x = panel.shown.means.sel(effect=panel.shown.effects)
    groups = {group.key: group.samples for group in figures.point_groups(x, by)}
    drawn_traces = {key: drawn(trace) for key, trace in traces_of(panel, number).items()}
    assert set(drawn_traces) == set(groups)
    points = np.concatenate([drawn_traces[key] for key in groups])
    if not len(points):
        return points
    return points[np.argsort(np.concatenate(list(groups.values())))]


def clouds(panel, by="effect"):
    return [cloud(panel, number, by) for number in range(1, 5)]


def rings(panel):
    return [drawn(panel.figure.trace(f"chosen {number}"))[0] for number in range(1, 5)]


def click(panel, number):
    """Click a sample of the first view, counted clip by clip, on the trace of its effect."""
    return on_pages.click(panel, *trace_and_number(panel, number))


def trace_and_number(panel, number):
    clip, effect = divmod(number, len(panel.shown.effects))
    return f"view 1 {panel.shown.effects[effect]}", clip


def test_the_four_scenes_hold_the_shipped_points(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    for found, view in zip(clouds(panel), prepared.VIEWS, strict=True):
        np.testing.assert_allclose(found, points.views[view].values.reshape(-1, 3), rtol=1e-6)
    assert panel.compute_umap.layout.display == "none"
    shown = re.findall(
        r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", panel.html["numbers"].value
    )
    expected = []
    for label, row in points.purity.iterrows():
        ends = points.windows.loc[label].iloc[[-1, 0]]  # the whole clip is time-averaged, one frame flattened
        np.testing.assert_allclose(ends["purity"], row[["mean", "flat"]], atol=1e-6)
        between = [f" ({100 * one.low:.0f} to {100 * one.high:.0f})" for one in ends.itertuples()]
        cells = [f"{row[kind]:.0%}{interval}" for kind, interval in zip(("mean", "flat"), between, strict=True)]
        expected.append((label, *cells, f"{row['chance']:.0%}"))
    assert shown == expected
    assert "n = 640 renders, of 64 clips from 48 recordings" in panel.html["numbers"].value
    for part in ("640 renders x 64 features", "not standardised", "n_neighbors 15", "min_dist 0.1", "seed 0"):
        assert part in panel.html["numbers"].value


@pytest.mark.parametrize("number", [0, 5, 321, 639])
def test_a_click_rings_the_point_in_every_scene_and_loads_its_sound(number, bundled):
    panel = ready(EffectClusters())
    click(panel, number)
    clip, effect = divmod(number, 10)
    for ring, found in zip(rings(panel), clouds(panel), strict=True):
        np.testing.assert_allclose(ring, found[number], rtol=1e-6)
    assert panel.player.title == f"{bundled.table['clip'].iat[clip]}: {EFFECTS[LABELS[effect]].name}"
    assert_sounds(panel.player, bundled[clip], LABELS[effect])
    assert panel.player.playing is False


def test_of_many_clicks_the_last_one_is_heard(bundled, monkeypatch):
    panel = ready(EffectClusters())
    gate, started, rendered = threading.Event(), threading.Event(), []

    def slow(clip, setting):
        rendered.append(setting.label)
        started.set()
        assert gate.wait(PATIENCE_S)
        return render_normalised(clip, setting)

    monkeypatch.setattr(sounds, "render_normalised", slow)
    panel.choose(ringed_row=0, ringed_effect="CHS")
    assert happens(started)
    for clip in range(1, 30):
        panel.choose(ringed_row=clip, ringed_effect="HPF")
    gate.set()
    ready(panel)
    assert rendered == ["CLN", "CHS", "CLN", "HPF"]
    assert panel.player.title == f"{bundled.table['clip'].iat[29]}: High-pass filter"


def test_showing_one_effect_keeps_its_points_and_clicks(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    panel.effect.value = "HPF"
    for number, view in enumerate(prepared.VIEWS, start=1):
        assert list(traces_of(panel, number)) == ["HPF"]
        trace = traces_of(panel, number)["HPF"]
        np.testing.assert_allclose(drawn(trace), points.views[view].sel(effect="HPF").values, rtol=1e-6)
        assert len(trace.text) == 64
        assert all(text.endswith("High-pass filter") for text in trace.text)
        assert trace.marker.color == figures.EFFECT_COLORS["HPF"]
    click(panel, 17)
    assert panel.player.title == f"{bundled.table['clip'].iat[17]}: High-pass filter"
    np.testing.assert_allclose(rings(panel)[0], points.views["pca_mean"].sel(effect="HPF").values[17], rtol=1e-6)
    panel.effect.value = ""
    assert len(cloud(panel)) == 640


def test_colour_buttons_recolour_points_and_legend(bundled):
    panel = ready(EffectClusters())
    before = clouds(panel)
    for coloring, colours, entries in (("instrument", 2, 2), ("clip", 64, 0), ("effect", 10, 10)):
        panel.finder.color.value = coloring
        for number, found in enumerate(clouds(panel, coloring), start=1):
            shades = [trace.marker.color for trace in traces_of(panel, number).values()]
            every = {shade for one in shades for shade in ([one] if isinstance(one, str) else one)}
            assert len(every) == colours
            np.testing.assert_array_equal(found, before[number - 1])
        legend = {trace.name for trace in panel.figure.data if trace.showlegend and trace.visible is not False}
        assert len(legend) == entries
        assert not entries or {"instrument": "guitar", "effect": "CLN clean"}[coloring] in legend
    assert tuple(panel.finder.color.options) == figures.COLORINGS


def test_umap_of_a_folder_waits_for_its_button(few, warm_cache):
    panel = ready(EffectClusters(few))
    titles = [annotation.text for annotation in panel.figure.layout.annotations[:4]]
    assert titles[1] == "UMAP, time-averaged: not computed yet"
    assert re.fullmatch(r"PCA, time-averaged · \d+ %", titles[0])  # of the variance, as at the axes
    assert [len(found) for found in clouds(panel)] == [30, 0, 30, 0]
    assert panel.compute_umap.layout.display == "flex"
    panel.main_view.value = "umap_mean"
    assert panel.figure.layout.scene2.xaxis.title.text == "UMAP1"
    panel.main_view.value = "pca_mean"
    click(panel, 12)
    assert list(panel.figure.trace("chosen 2").x) == [None]
    panel.compute_umap.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.figure.layout.annotations[1].text == "UMAP, time-averaged"
    assert [len(found) for found in clouds(panel)] == [30] * 4
    assert all(np.isfinite(found).all() for found in clouds(panel))
    assert panel.compute_umap.layout.display == "none"
    np.testing.assert_allclose(rings(panel)[3], cloud(panel, 4)[12], rtol=1e-6)
    assert {len(trace.text) for number in range(1, 5) for trace in traces_of(panel, number).values()} == {3}


def test_a_click_means_what_is_drawn_while_a_folder_cannot_be_prepared(few, bundled, monkeypatch):
    """The clip set has changed, but its points are not there: the scenes still show the old one."""
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())

    def full(*_arguments, **_options):
        raise OSError("the disk is full")

    monkeypatch.setattr(prepared, "encode_effects", full)
    panel.clip_set.value = str(few)
    ready(panel)
    assert said(panel) == "That did not work: the disk is full"
    assert len(cloud(panel)) == 640
    click(panel, 503)
    assert panel.player.title == f"{bundled.table['clip'].iat[50]}: {EFFECTS[LABELS[3]].name}"
    np.testing.assert_allclose(rings(panel)[0], cloud(panel)[503], rtol=1e-6)


def test_rings_of_one_clip_set_do_not_stay_on_another(few, warm_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())
    click(panel, 503)
    assert panel.clip_set.value == "bundled"  # a click chooses no clip set
    panel.clip_set.value = str(few)
    ready(panel)
    clean = cloud(panel)[0]
    np.testing.assert_allclose(rings(panel)[0], clean, rtol=1e-6)
    assert [list(ring.x) for ring in (panel.figure.trace("chosen 2"), panel.figure.trace("chosen 4"))] == [
        [None]
    ] * 2  # no UMAP yet
    assert panel.player.title == f"{load_clips(few).table['clip'].iat[0]}: Clean"


def test_a_new_encoder_keeps_the_chosen_point(lyra_weights):
    panel = ready(EffectClusters())
    click(panel, 213)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    for ring, found in zip(rings(panel), clouds(panel), strict=True):
        np.testing.assert_allclose(ring, found[213], rtol=1e-6)


CLAIMS = pd.DataFrame(
    {
        "claim": ["Averages beat", "DIS & others <b>", "VGGish"],
        "place": ["section 4", "section 3.1", "section 3.2"],
        "number": ["+1.0 points (+0.5 to +1.5)", "-0.2 (-0.3 to +0.1)", "its weights do not ship"],
        "holds": pd.Series([True, False, None], dtype=object),
    }
)


def claims_shown(panel):
    """Return the cells of the claims' table, row by row."""
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", panel.html["claims"].value)
    return [[html.unescape(cell) for cell in row.split("</td><td>")] for row in rows]


def assert_shows_claims(panel):
    verdicts = ("holds", "does not hold", "not tested")
    expected = [[*cells, verdict] for cells, verdict in zip(CLAIMS.drop(columns="holds").values.tolist(), verdicts)]
    assert claims_shown(panel) == expected
    assert "compare directions, not sizes" in panel.html["claims"].value
    assert panel.test_claims.layout.display == "none"


@pytest.fixture
def shipped_claims(monkeypatch):
    """Let the shipped points come with `CLAIMS`, and computed ones without, as they do."""
    original = content.cluster_points

    def cluster_points(clips, *arguments, **options):
        return replace(original(clips, *arguments, **options), claims=CLAIMS if clips.name == "bundled" else None)

    monkeypatch.setattr(content, "cluster_points", cluster_points)


def test_shipped_claims_are_a_table_in_words(shipped_claims):
    assert_shows_claims(ready(EffectClusters()))


def test_claims_of_a_folder_wait_for_their_button(few, warm_cache, shipped_claims, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    asked = []

    def tested(clips, encoder, bar):
        asked.append((clips.name, encoder))
        with bar(total=1, desc="Testing the claims", unit="step") as progress:
            progress.update()
        return CLAIMS

    monkeypatch.setattr(content, "cluster_claims", tested)
    panel = ready(EffectClusters())
    panel.clip_set.value = str(few)
    ready(panel)
    assert claims_shown(panel) == []
    assert "press the button" in panel.html["claims"].value
    assert panel.test_claims.layout.display == "flex"
    assert asked == []
    panel.test_claims.click()
    ready(panel)
    assert asked == [(load_clips(few).name, "logmel")]
    assert said(panel) == ""
    assert_shows_claims(panel)
    panel.compute_umap.click()  # the tested claims stay
    assert_shows_claims(ready(panel))
    assert panel.compute_umap.layout.display == "none"
    panel.clip_set.value = "bundled"
    assert_shows_claims(ready(panel))


def test_too_few_recordings_for_the_claims_are_a_sentence(few, warm_cache):
    panel = ready(EffectClusters(few))
    panel.test_claims.click()
    ready(panel)
    remedy = "5 folds need as many recordings, not 3: pass more clips, or fewer folds"
    assert said(panel) == f"That did not work: {remedy}"
    assert panel.test_claims.layout.display == "flex"
    assert len(cloud(panel)) == 30


@pytest.mark.ci
def test_clusters_of_one_vector_a_clip_say_that_there_is_no_time(summary, bundled):
    panel = ready(EffectClusters(bundled[:12], encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: there is no time to average or to flatten" in panel.html["numbers"].value
    mean, flat = (cloud(panel, number) for number in (1, 3))
    np.testing.assert_allclose(mean, flat, atol=1e-2)
    panel.test_claims.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.html["claims"].value.count("one vector a clip: no time to average") == 3
    panel.encoder.value = "logmel"
    ready(panel)
    assert "one vector" not in panel.html["numbers"].value


def test_two_dimensions_need_no_webgl():
    panel = ready(EffectClusters(dimensions=2))
    assert {trace.type for trace in panel.figure.data} == {"scatter"}
    assert cloud(panel).shape == (640, 2)
    click(panel, 47)
    np.testing.assert_allclose(drawn(panel.figure.trace("chosen 1"))[0], cloud(panel)[47])
    assert said(panel) == ""


def test_a_plane_comes_and_goes_without_computing(monkeypatch):
    panel = ready(EffectClusters())
    monkeypatch.setattr(prepared, "fit_pca", None)
    monkeypatch.setattr(prepared, "encode_effects", None)
    for dimensions in (2, 3, 2):
        panel.dimensions.value = dimensions
        ready(panel)
        assert said(panel) == ""
        assert [found.shape for found in clouds(panel)] == [(640, dimensions)] * 4
        click(panel, 47)
        for ring, found in zip(rings(panel), clouds(panel), strict=True):
            np.testing.assert_allclose(ring, found[47], rtol=1e-6)


def test_curves_of_averaging_windows_stand_with_the_facts(bundled):
    panel = ready(EffectClusters(bundled))
    windows = prepared.window_purity(bundled, "logmel")
    drawn_curves = re.findall(r'<polyline points="([^"]*)"', panel.html["numbers"].value)
    for curve, label in zip(drawn_curves, figures.WINDOW_COLORS, strict=True):
        heights = [float(point.split(",")[1]) for point in curve.split()]
        room = HEIGHT - FOOT - 8  # y goes down the picture
        np.testing.assert_allclose(1 - (np.array(heights) - 8) / room, windows.loc[label]["purity"], atol=1e-3)


def test_without_curves_it_is_said_what_to_press(few, warm_cache):
    panel = ready(EffectClusters(few))
    assert "Averaging windows: press Test the claims" in panel.html["numbers"].value
    assert "<polyline" not in panel.html["numbers"].value


def faded(panel, number=1):
    """Return which samples of a view are hardly seen."""
    found = {}
    for label, trace in traces_of(panel, number).items():
        color = trace.marker.color
        found[label] = [False] * len(trace.x) if isinstance(color, str) else [one.startswith("rgba") for one in color]
    return np.stack([found[label] for label in panel.shown.effects], axis=1).ravel()


def test_what_is_not_looked_for_fades_in_all_views(bundled):
    panel = ready(EffectClusters())
    assert not faded(panel).any() and panel.html["count"].value == ""
    panel.finder.words.value = "piano hpf"
    piano = np.repeat(bundled.table["instrument"].to_numpy() == "piano", 10)
    expected = ~(piano & (np.tile(np.array(LABELS), 64) == "HPF"))
    for number in range(1, 5):
        np.testing.assert_array_equal(faded(panel, number), expected)
    assert panel.html["count"].value == f"{(~expected).sum()} of 640 points"
    panel.finder.words.value = bundled.table["clip"].iat[7]
    assert panel.html["count"].value == "10 of 640 points"
    panel.finder.clear.click()
    assert panel.finder.words.value == "" and not faded(panel).any()


def test_points_that_were_drawn_around_stay_bright_in_all_views(bundled):
    panel = ready(EffectClusters(dimensions=2))
    around = [["view 1 HPF", 3], ["view 1 CLN", 3], ["chosen 1", 0], ["view 1 DIS", 20]]
    tell(panel, kind="select", points=around)
    numbers = sorted([30 + LABELS.index("HPF"), 30 + LABELS.index("CLN"), 200 + LABELS.index("DIS")])
    for number in range(1, 5):
        assert np.flatnonzero(~faded(panel, number)).tolist() == numbers
    assert panel.html["count"].value == "3 of 640 points"
    panel.dimensions.value = 3
    ready(panel)
    assert np.flatnonzero(~faded(panel, 2)).tolist() == numbers
    panel.effect.value = "HPF"
    assert panel.html["count"].value == "1 of 64 points"
    panel.effect.value = ""
    tell(panel, kind="clear")
    assert not faded(panel).any()
    assert "selected" in panel.private


def tell(panel, **message):
    """Say something to the page as its bridge's browser side does."""
    panel.bridge._handle_custom_msg(message, [])


def widths(panel):
    names = ("scene", "scene2", "scene3", "scene4")
    return [round(float(np.ptp(panel.figure.layout[name].domain.x)), 2) for name in names]


def test_a_small_view_that_is_clicked_becomes_the_large_one():
    panel = ready(EffectClusters())
    first, ring = panel.figure, rings(panel)[0]
    assert widths(panel) == [0.74, 0.23, 0.23, 0.23]
    on_pages.click(panel, "view 3 HPF", 5)  # a point there: the view comes first
    assert widths(panel) == [0.23, 0.23, 0.74, 0.23]
    np.testing.assert_array_equal(rings(panel)[0], ring)
    tell(panel, kind="place", number=2)
    assert widths(panel) == [0.23, 0.74, 0.23, 0.23]
    assert panel.main_view.value == "umap_mean" and panel.figure is first
    on_pages.click(panel, "view 2 HPF", 5)  # now it is heard
    assert panel.player.title.endswith("High-pass filter")


def test_the_number_of_effects_is_that_of_those_drawn():
    panel = ready(EffectClusters())
    assert panel.effect.options[0] == ("all ten effects", "")
    assert [value for _, value in panel.effect.options[1:]] == list(panel.shown.means["effect"].values)


def test_colours_and_clicks_do_not_wait_for_the_claims_and_do_not_stop_them(few, warm_cache, monkeypatch):
    gate, started = threading.Event(), threading.Event()

    def tested(clips, encoder, bar):
        started.set()
        assert gate.wait(PATIENCE_S)
        return CLAIMS

    monkeypatch.setattr(content, "cluster_claims", tested)
    panel = ready(EffectClusters(few))
    panel.test_claims.click()
    assert happens(started)
    panel.finder.color.value = "instrument"
    panel.effect.value = "HPF"
    instruments = set(map(str, panel.shown.means["instrument"].values))
    assert set(traces_of(panel)) <= {*figures.INSTRUMENT_COLORS} and len(traces_of(panel)) == len(
        {one if one in figures.INSTRUMENT_COLORS else "other" for one in instruments}
    )
    assert len(cloud(panel, by="instrument")) == 3
    last = list(traces_of(panel))[-1]
    panel.click(f"view 1 {last}", SimpleNamespace(point_inds=[0]))
    on_pages.heard_by_now(panel)
    chosen = drawn(traces_of(panel)[last])[0]
    np.testing.assert_allclose(rings(panel)[0], chosen, rtol=1e-6)
    gate.set()
    ready(panel)
    assert_shows_claims(panel)
    assert len(cloud(panel, by="instrument")) == 3
    np.testing.assert_allclose(rings(panel)[0], chosen, rtol=1e-6)
    first = next(iter(traces_of(panel)))
    on_pages.click(panel, f"view 1 {first}", 0)  # what was asked for once does not keep the ring from moving
    np.testing.assert_allclose(rings(panel)[0], drawn(traces_of(panel)[first])[0], rtol=1e-6)


def test_a_click_moves_the_rings_alone():
    panel, sent = ready(EffectClusters()), []
    panel.figure.observe(lambda change: sent.append(change["new"]), "_py2js_update")
    before = {name: panel.figure.trace(name).x for name in panel.figure.names()}
    click(panel, 321)
    rings = {panel.figure.number(f"chosen {number}") for number in range(1, 5)}
    assert {number for one in sent if one for number in one["style_traces"]} == rings
    views = [name for name in before if name.startswith("view ")]
    assert len(views) == 40 and all(np.array_equal(panel.figure.trace(name).x, before[name]) for name in views)


def test_a_click_while_another_encoder_is_prepared_rings_the_point_in_both(monkeypatch, lyra_weights):
    panel = ready(EffectClusters())
    gate, started, original = threading.Event(), threading.Event(), content.cluster_points

    def slow(*arguments, **options):
        started.set()
        assert gate.wait(PATIENCE_S)
        return original(*arguments, **options)

    monkeypatch.setattr(content, "cluster_points", slow)
    panel.encoder.value = "lyra-v2"
    assert happens(started)
    name, number = trace_and_number(panel, 213)
    panel.click(name, SimpleNamespace(point_inds=[number]))
    on_pages.heard_by_now(panel)
    np.testing.assert_allclose(rings(panel)[0], cloud(panel)[213], rtol=1e-6)
    before = rings(panel)[0]
    gate.set()
    ready(panel)
    np.testing.assert_allclose(rings(panel)[0], cloud(panel)[213], rtol=1e-6)
    assert not np.allclose(rings(panel)[0], before)


def test_clusters_are_prepared_without_a_page(bundled):
    choice = content.ClustersChoice(encoder="logmel", effect="HPF", color="clip", ringed_row=40, ringed_effect="DLY")
    again, unknown = content.ClustersChoice.of(choice.kept())
    assert (again, unknown) == (choice, [])
    shown = content.prepare(choice, bundled, None, Progress())
    figure = content.figure_of(shown)
    named = {trace.meta: trace for trace in figure.data}
    assert list(named) == [name for n in range(1, 5) for name in (f"view {n}", f"chosen {n}")]
    points = prepared.cluster_points(bundled, "logmel").views["pca_flat"]
    np.testing.assert_allclose(drawn(named["chosen 3"])[0], points[40].sel(effect="DLY"), rtol=1e-6)
    np.testing.assert_allclose(drawn(named["view 3"]), points.sel(effect="HPF"), rtol=1e-6)
    assert content.clicked(shown, "view 1", SimpleNamespace(point_inds=[7])) == {
        "ringed_row": 7, "ringed_effect": "HPF"
    }  # fmt: skip
    assert content.clicked(shown, "view 2", SimpleNamespace(point_inds=[7])) == {}  # a small one
    assert content.clicked(shown, "chosen 1", SimpleNamespace(point_inds=[0])) == {}
    assert content.heard(choice, bundled, shown).title == f"{bundled.table['clip'].iat[40]}: Delay"
    assert content.prepare(replace(choice, color="effect"), bundled, shown, Progress()).points is shown.points
    assert len(content.sounds(shown)["view 4"]) == 64


def test_the_caption_is_of_the_axes_of_the_large_view():
    shown = content.prepare(content.ClustersChoice(encoder="logmel"), load_clips("bundled"), None, Progress())

    def says_words(shown, view):
        chosen = replace(shown, choice=replace(shown.choice, main_view=view))
        return "Along the axes one hears" in content.texts(chosen)["numbers"]

    assert {view for view in prepared.VIEWS if says_words(shown, view)} == {"pca_mean", "pca_flat"}
    without = replace(shown.around, views={"pca_mean": shown.around.views["pca_mean"]})
    assert not says_words(replace(shown, around=without), "umap_mean")  # which is not computed
