"""Page 03: four scenes, rings, colours, claims, without a browser."""

from __future__ import annotations

import html
import re
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.pages import (
    effect_clusters,
)
from latentfx_nb.sound.clips import load_clips
from tests.on_pages import LABELS, assert_sounds, click, drawn, ready, said
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

EffectClusters = partial(effect_clusters.EffectClusters, encoder="logmel")


def rings(panel):
    return [drawn(ring)[0] for ring in panel.figure.data[4:8]]


def test_the_four_scenes_hold_the_shipped_points(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    for trace, view in zip(panel.figure.data, prepared.VIEWS):
        np.testing.assert_allclose(drawn(trace), points.views[view].values.reshape(-1, 3), rtol=1e-6)
    assert panel.compute_umap.layout.display == "none"
    shown = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", panel.numbers.value)
    expected = []
    for label, row in points.purity.iterrows():
        ends = points.windows.loc[label].iloc[[-1, 0]]  # the whole clip is time-averaged, one frame flattened
        np.testing.assert_allclose(ends["purity"], row[["mean", "flat"]], atol=1e-6)
        between = [f" ({100 * one.low:.0f} to {100 * one.high:.0f})" for one in ends.itertuples()]
        cells = [f"{row[kind]:.0%}{interval}" for kind, interval in zip(("mean", "flat"), between, strict=True)]
        expected.append((label, *cells, f"{row['chance']:.0%}"))
    assert shown == expected
    assert "n = 640 renders, of 64 clips from 48 recordings" in panel.numbers.value
    for part in ("640 renders x 64 features", "not standardised", "n_neighbors 15", "min_dist 0.1", "seed 0"):
        assert part in panel.numbers.value


@pytest.mark.parametrize("number", [0, 5, 321, 639])
def test_a_click_rings_the_point_in_every_scene_and_loads_its_sound(number, bundled):
    panel = ready(EffectClusters())
    click(panel, number)
    clip, effect = divmod(number, 10)
    for ring, trace in zip(rings(panel), panel.figure.data[:4], strict=True):
        np.testing.assert_allclose(ring, drawn(trace)[number], rtol=1e-6)
    assert panel.player.title == f"{bundled.table['clip'].iat[clip]}: {EFFECTS[LABELS[effect]].name}"
    assert_sounds(panel.player, bundled[clip], LABELS[effect])
    assert panel.player.playing is False


def test_of_many_clicks_the_last_one_is_heard(bundled, monkeypatch):
    panel = ready(EffectClusters())
    gate, started, rendered = threading.Event(), threading.Event(), []

    def slow(clip, label, *setting):
        rendered.append(label)
        started.set()
        assert gate.wait(PATIENCE_S)
        return render(clip, label, *setting)

    monkeypatch.setattr(base, "render", slow)
    panel.choose(0, 1)
    assert started.wait(PATIENCE_S)
    for clip in range(1, 30):
        panel.choose(clip, 5)
    gate.set()
    ready(panel)
    assert rendered == ["CLN", "CHS", "CLN", "HPF"]
    assert panel.player.title == f"{bundled.table['clip'].iat[29]}: High-pass filter"


def test_showing_one_effect_keeps_its_points_and_clicks(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    panel.effect.value = "HPF"
    for trace, view in zip(panel.figure.data, prepared.VIEWS):
        np.testing.assert_allclose(drawn(trace), points.views[view].sel(effect="HPF").values, rtol=1e-6)
        assert len(trace.text) == 64
        assert all(text.endswith("High-pass filter") for text in trace.text)
        assert set(trace.marker.color) == {figures.EFFECT_COLORS["HPF"]}
    click(panel, 17)
    assert panel.player.title == f"{bundled.table['clip'].iat[17]}: High-pass filter"
    np.testing.assert_allclose(rings(panel)[0], points.views["pca_mean"].sel(effect="HPF").values[17], rtol=1e-6)
    panel.effect.value = ""
    assert len(panel.figure.data[0].x) == 640


def test_colour_buttons_recolour_points_and_legend(bundled):
    panel = ready(EffectClusters())
    for coloring, colours, entries in (("instrument", 2, 3), ("clip", 64, 0), ("effect", 10, 10)):
        panel.coloring.value = coloring
        for trace in panel.figure.data[:4]:
            assert len(set(trace.marker.color)) == colours
            assert len(trace.marker.color) == 640
        legend = [trace for trace in panel.figure.data[8:] if trace.visible]
        assert [trace.meta for trace in legend] == [coloring] * entries
    assert tuple(panel.coloring.options) == figures.COLORINGS


def test_umap_of_a_folder_waits_for_its_button(few, warm_cache):
    panel = ready(EffectClusters(few))
    titles = [annotation.text for annotation in panel.figure.layout.annotations[:4]]
    assert titles[1] == "UMAP, time-averaged: not computed yet"
    assert titles[0].endswith("of the variance)")
    assert [len(trace.x) for trace in panel.figure.data[:4]] == [30, 0, 30, 0]
    assert panel.compute_umap.layout.display == "flex"
    assert panel.figure.layout.scene2.xaxis.title.text == "UMAP1"
    click(panel, 12)
    assert list(panel.figure.data[5].x) == [None]
    panel.compute_umap.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.figure.layout.annotations[1].text == "UMAP, time-averaged"
    assert [len(trace.x) for trace in panel.figure.data[:4]] == [30] * 4
    assert all(np.isfinite(drawn(trace)).all() for trace in panel.figure.data[:4])
    assert panel.compute_umap.layout.display == "none"
    np.testing.assert_allclose(rings(panel)[3], drawn(panel.figure.data[3])[12], rtol=1e-6)
    assert {len(trace.text) for trace in panel.figure.data[:4]} == {30}


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
    assert len(panel.figure.data[0].x) == 640
    click(panel, 503)
    assert panel.player.title == f"{bundled.table['clip'].iat[50]}: {EFFECTS[LABELS[3]].name}"
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.data[0])[503], rtol=1e-6)


def test_rings_of_one_clip_set_do_not_stay_on_another(few, warm_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())
    click(panel, 503)
    panel.clip_set.value = str(few)
    ready(panel)
    clean = drawn(panel.figure.data[0])[0]
    np.testing.assert_allclose(rings(panel)[0], clean, rtol=1e-6)
    assert [list(ring.x) for ring in (panel.figure.data[5], panel.figure.data[7])] == [[None]] * 2  # no UMAP yet
    assert panel.player.title == f"{load_clips(few).table['clip'].iat[0]}: Clean"


def test_a_new_encoder_keeps_the_chosen_point(lyra_weights):
    panel = ready(EffectClusters())
    click(panel, 213)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    for ring, trace in zip(rings(panel), panel.figure.data[:4], strict=True):
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
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", panel.claims.value)
    return [[html.unescape(cell) for cell in row.split("</td><td>")] for row in rows]


def assert_shows_claims(panel):
    verdicts = ("holds", "does not hold", "not tested")
    expected = [[*cells, verdict] for cells, verdict in zip(CLAIMS.drop(columns="holds").values.tolist(), verdicts)]
    assert claims_shown(panel) == expected
    assert "compare directions, not sizes" in panel.claims.value
    assert panel.test_claims.layout.display == "none"


@pytest.fixture
def shipped_claims(monkeypatch):
    """Let the shipped points come with `CLAIMS`, and computed ones without, as they do."""
    original = effect_clusters.cluster_points

    def cluster_points(clips, *arguments, **options):
        return replace(original(clips, *arguments, **options), claims=CLAIMS if clips.name == "bundled" else None)

    monkeypatch.setattr(effect_clusters, "cluster_points", cluster_points)


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

    monkeypatch.setattr(effect_clusters, "cluster_claims", tested)
    panel = ready(EffectClusters())
    panel.clip_set.value = str(few)
    ready(panel)
    assert claims_shown(panel) == []
    assert "press the button" in panel.claims.value
    assert panel.test_claims.layout.display == "flex"
    assert asked == []
    panel.test_claims.click()
    ready(panel)
    assert asked == [(load_clips(few).name, "logmel")]
    assert said(panel) == ""
    assert_shows_claims(panel)
    panel._prepare(umap=False)  # as the UMAP button does, with umap: the tested claims stay
    assert_shows_claims(ready(panel))
    panel.clip_set.value = "bundled"
    assert_shows_claims(ready(panel))


def test_too_few_recordings_for_the_claims_are_a_sentence(few, warm_cache):
    panel = ready(EffectClusters(few))
    panel.test_claims.click()
    ready(panel)
    remedy = "5 folds need as many recordings, not 3: pass more clips, or fewer folds"
    assert said(panel) == f"That did not work: {remedy}"
    assert panel.test_claims.layout.display == "flex"
    assert len(panel.figure.data[0].x) == 30


def test_clusters_of_one_vector_a_clip_say_that_there_is_no_time(summary, bundled):
    panel = ready(EffectClusters(bundled[:12], encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: there is no time to average or to flatten" in panel.numbers.value
    mean, flat = (np.stack([panel.figure.data[i][axis] for axis in "xyz"]) for i in (0, 2))
    np.testing.assert_allclose(mean, flat, atol=1e-2)
    panel.test_claims.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.claims.value.count("one vector a clip: no time to average") == 3
    panel.encoder.value = "logmel"
    ready(panel)
    assert "one vector" not in panel.numbers.value


def test_two_dimensions_need_no_webgl():
    panel = ready(EffectClusters(dimensions=2))
    assert {trace.type for trace in panel.figure.data} == {"scatter"}
    assert drawn(panel.figure.data[0]).shape == (640, 2)
    click(panel, 47)
    np.testing.assert_allclose(drawn(panel.figure.data[4])[0], drawn(panel.figure.data[0])[47])
    assert said(panel) == ""
