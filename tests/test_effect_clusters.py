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
from latentfx_nb.sound.clips import load_clips
from tests import on_pages
from tests.on_pages import LABELS, assert_sounds, drawn, happens, ready, said
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

EffectClusters = partial(effect_clusters.EffectClusters, encoder="logmel")


def clouds(panel):
    return [panel.figure.trace(f"view {number}") for number in range(1, 5)]


def rings(panel):
    return [drawn(panel.figure.trace(f"chosen {number}"))[0] for number in range(1, 5)]


def click(panel, number):
    """Click a point of the first scene."""
    return on_pages.click(panel, "view 1", number)


def test_the_four_scenes_hold_the_shipped_points(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    for trace, view in zip(clouds(panel), prepared.VIEWS, strict=True):
        np.testing.assert_allclose(drawn(trace), points.views[view].values.reshape(-1, 3), rtol=1e-6)
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
    for ring, trace in zip(rings(panel), clouds(panel), strict=True):
        np.testing.assert_allclose(ring, drawn(trace)[number], rtol=1e-6)
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
    for trace, view in zip(clouds(panel), prepared.VIEWS, strict=True):
        np.testing.assert_allclose(drawn(trace), points.views[view].sel(effect="HPF").values, rtol=1e-6)
        assert len(trace.text) == 64
        assert all(text.endswith("High-pass filter") for text in trace.text)
        assert set(trace.marker.color) == {figures.EFFECT_COLORS["HPF"]}
    click(panel, 17)
    assert panel.player.title == f"{bundled.table['clip'].iat[17]}: High-pass filter"
    np.testing.assert_allclose(rings(panel)[0], points.views["pca_mean"].sel(effect="HPF").values[17], rtol=1e-6)
    panel.effect.value = ""
    assert len(panel.figure.trace("view 1").x) == 640


def test_colour_buttons_recolour_points_and_legend(bundled):
    panel = ready(EffectClusters())
    for coloring, colours, entries in (("instrument", 2, 3), ("clip", 64, 0), ("effect", 10, 10)):
        panel.coloring.value = coloring
        for trace in clouds(panel):
            assert len(set(trace.marker.color)) == colours
            assert len(trace.marker.color) == 640
        legend = [trace.name for trace in panel.figure.data if trace.showlegend and trace.visible]
        assert len(legend) == entries
        assert not entries or {"instrument": "guitar", "effect": "CLN clean"}[coloring] == legend[0]
    assert tuple(panel.coloring.options) == figures.COLORINGS


def test_umap_of_a_folder_waits_for_its_button(few, warm_cache):
    panel = ready(EffectClusters(few))
    titles = [annotation.text for annotation in panel.figure.layout.annotations[:4]]
    assert titles[1] == "UMAP, time-averaged: not computed yet"
    assert titles[0].endswith("of the variance)")
    assert [len(trace.x) for trace in clouds(panel)] == [30, 0, 30, 0]
    assert panel.compute_umap.layout.display == "flex"
    assert panel.figure.layout.scene2.xaxis.title.text == "UMAP1"
    click(panel, 12)
    assert list(panel.figure.trace("chosen 2").x) == [None]
    panel.compute_umap.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.figure.layout.annotations[1].text == "UMAP, time-averaged"
    assert [len(trace.x) for trace in clouds(panel)] == [30] * 4
    assert all(np.isfinite(drawn(trace)).all() for trace in clouds(panel))
    assert panel.compute_umap.layout.display == "none"
    np.testing.assert_allclose(rings(panel)[3], drawn(panel.figure.trace("view 4"))[12], rtol=1e-6)
    assert {len(trace.text) for trace in clouds(panel)} == {30}


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
    assert len(panel.figure.trace("view 1").x) == 640
    click(panel, 503)
    assert panel.player.title == f"{bundled.table['clip'].iat[50]}: {EFFECTS[LABELS[3]].name}"
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[503], rtol=1e-6)


def test_rings_of_one_clip_set_do_not_stay_on_another(few, warm_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())
    click(panel, 503)
    assert panel.clip_set.value == "bundled"  # a click chooses no clip set
    panel.clip_set.value = str(few)
    ready(panel)
    clean = drawn(panel.figure.trace("view 1"))[0]
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
    for ring, trace in zip(rings(panel), clouds(panel), strict=True):
        np.testing.assert_allclose(ring, drawn(trace)[213], rtol=1e-6)


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
    assert len(panel.figure.trace("view 1").x) == 30


def test_clusters_of_one_vector_a_clip_say_that_there_is_no_time(summary, bundled):
    panel = ready(EffectClusters(bundled[:12], encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: there is no time to average or to flatten" in panel.html["numbers"].value
    mean, flat = (np.stack([panel.figure.trace(f"view {i}")[axis] for axis in "xyz"]) for i in (1, 3))
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
    assert drawn(panel.figure.trace("view 1")).shape == (640, 2)
    click(panel, 47)
    np.testing.assert_allclose(drawn(panel.figure.trace("chosen 1"))[0], drawn(panel.figure.trace("view 1"))[47])
    assert said(panel) == ""


def test_curves_of_averaging_windows_stand_below_the_clusters(bundled):
    panel = ready(EffectClusters(bundled))
    windows = prepared.window_purity(bundled, "logmel")
    curves = [panel.figure.trace(f"same {label}") for label in figures.WINDOW_COLORS]
    for curve, label in zip(curves, figures.WINDOW_COLORS, strict=True):
        np.testing.assert_allclose(curve.y, 100 * windows.loc[label]["purity"])
    panel.coloring.value = "instrument"
    assert all(curve.visible in (None, True) for curve in curves)
    assert panel.figure.layout.annotations[4].text == figures.WINDOWS_TITLE


def test_without_curves_their_title_says_what_to_press(few, warm_cache):
    panel = ready(EffectClusters(few))
    assert panel.figure.layout.annotations[4].text == "Averaging windows: press Test the claims"
    assert list(panel.figure.trace("same effect").x) == [None]


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
    panel.coloring.value = "instrument"
    assert len(set(panel.figure.trace("view 1").marker.color)) == 2
    panel.effect.value = "HPF"
    assert len(panel.figure.trace("view 1").x) == 3
    panel.click("view 1", SimpleNamespace(point_inds=[2]))
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[2], rtol=1e-6)
    gate.set()
    ready(panel)
    assert_shows_claims(panel)
    assert len(set(panel.figure.trace("view 1").marker.color)) == 2
    assert len(panel.figure.trace("view 1").x) == 3
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[2], rtol=1e-6)
    click(panel, 0)  # what was asked for once does not keep the ring from moving
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[0], rtol=1e-6)


def test_a_click_moves_the_rings_alone():
    panel, sent = ready(EffectClusters()), []
    panel.figure.observe(lambda change: sent.append(change["new"]), "_py2js_update")
    before = {name: panel.figure.trace(name).x for name in panel.figure.names()}
    click(panel, 321)
    rings = {panel.figure.number(f"chosen {number}") for number in range(1, 5)}
    assert {number for one in sent if one for number in one["style_traces"]} == rings
    assert all(np.array_equal(panel.figure.trace(f"view {n}").x, before[f"view {n}"]) for n in range(1, 5))


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
    panel.click("view 1", SimpleNamespace(point_inds=[213]))
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[213], rtol=1e-6)
    before = rings(panel)[0]
    gate.set()
    ready(panel)
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.trace("view 1"))[213], rtol=1e-6)
    assert not np.allclose(rings(panel)[0], before)


def test_clusters_are_prepared_without_a_page(bundled):
    choice = content.ClustersChoice(encoder="logmel", effect="HPF", color="clip", ringed_row=40, ringed_effect="DLY")
    again, unknown = content.ClustersChoice.of(choice.kept())
    assert (again, unknown) == (choice, [])
    shown = content.prepare(choice, bundled, None, Progress())
    figure = content.figure_of(shown)
    names = [trace.meta for trace in figure.data]
    assert names == [*(f"{what} {n}" for what in ("view", "chosen") for n in range(1, 5)),
                     "same effect", "same instrument", "same clip"]  # fmt: skip
    points = prepared.cluster_points(bundled, "logmel").views["pca_flat"]
    np.testing.assert_allclose(drawn(figure.data[6])[0], points[40].sel(effect="DLY"), rtol=1e-6)
    np.testing.assert_allclose(drawn(figure.data[2]), points.sel(effect="HPF"), rtol=1e-6)
    assert content.clicked(shown, "view 2", SimpleNamespace(point_inds=[7])) == {
        "ringed_row": 7, "ringed_effect": "HPF"
    }  # fmt: skip
    assert content.clicked(shown, "same clip", SimpleNamespace(point_inds=[1])) == {}
    assert content.heard(choice, bundled, shown).title == f"{bundled.table['clip'].iat[40]}: Delay"
    assert content.prepare(replace(choice, color="effect"), bundled, shown, Progress()).points is shown.points
    assert len(content.sounds(shown)["view 4"]) == 64
