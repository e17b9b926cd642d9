"""Panels of pages 02 and 09, and what grew on 03 and 04, without a browser."""

from __future__ import annotations

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.comparison import MEASURES, PATH_MEASURES, path_measures
from latentfx_nb.analysis.geometry import extent, smooth, speed
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import compare_encoders, effect_clusters, knob_paths, trajectories
from latentfx_nb.sound.clips import load_clips
from tests.on_pages import assert_sounds, drawn, ready, said

Trajectories = partial(trajectories.Trajectories, encoder="logmel")


@pytest.fixture(scope="module")
def bundled():
    return load_clips("bundled")


@pytest.fixture(scope="module")
def few(real_clips):
    """Three clips of three recordings, which nothing has been prepared for."""
    return real_clips[[1, 6, 22]]


def cells(table):
    """Return the rows of an HTML table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in rows]


def places(bridge):
    track = bridge._track
    return np.frombuffer(track["points"], "<f4").reshape(track["shape"]), track


# -------------------------------------------------------------------------------------------------------- trajectories


def test_trajectories_open_on_a_clip_clean_and_distorted(bundled):
    panel = ready(Trajectories())
    assert said(panel) == ""
    legend = [trace.name for trace in panel.figure.data if trace.showlegend]
    assert legend == ["gtr_00_a, clean", "gtr_00_a, distortion"]
    latents = encode_clips(load_encoder("logmel"), [render(bundled[0], label) for label in ("CLN", "DIS")])
    basis = prepared.trajectory_basis(bundled, "logmel")
    for trace, own in zip(panel.figure.data[1:3], latents, strict=True):
        times = panel._drawn.latents[0]["time_s"]
        smoothed = smooth(panel._drawn.latents[0].copy(data=own), trajectories.WINDOW_S)
        assert len(times) == own.shape[-1]
        np.testing.assert_allclose(drawn(trace), basis.transform(smoothed), atol=1e-3)
    assert panel.heard.label == "gtr_00_a, distortion"
    assert_sounds(panel.player, bundled[0], "DIS")


def test_the_player_gets_the_places_of_every_marker():
    panel = ready(Trajectories())
    points, track = places(panel.bridge)
    assert track["figure"] == panel.figure.model_id
    assert panel.figure.data[track["trace"]].name == "now"
    assert points.shape == (2, 512, 3)
    for marker, trace in zip(points, panel.figure.data[1:3], strict=True):
        np.testing.assert_allclose(marker, drawn(trace), atol=1e-5)
    assert track["step_s"] == pytest.approx(512 / 48_000)


def test_clips_effects_and_window_can_be_chosen(bundled):
    panel = ready(Trajectories())
    panel.chosen.value, panel.effects.value = (0, 40), ("CLN", "HPF")
    ready(panel)
    names = [trace.name for trace in panel.figure.data if trace.showlegend]
    assert names == [f"{clip}, {e}" for clip in ("gtr_00_a", bundled.table["clip"].iat[40])
                     for e in ("clean", "high-pass filter")]  # fmt: skip
    assert places(panel.bridge)[0].shape[0] == 4
    assert panel.heard.label == "gtr_00_a, high-pass filter"
    panel.heard.value = (40, "HPF")
    ready(panel)
    assert_sounds(panel.player, bundled[40], "HPF")
    before = drawn(panel.figure.data[1])
    panel.window_s.value = 2.0
    ready(panel)
    assert np.ptp(drawn(panel.figure.data[1]), axis=0).max() < 0.8 * np.ptp(before, axis=0).max()
    assert panel.heard.label.endswith("high-pass filter")
    assert panel.heard.value == (40, "HPF")


def test_speed_and_extent_are_those_of_the_smoothed_latents():
    panel = ready(Trajectories())
    rows = cells(panel.numbers.value)[1:]
    assert "PCA: exact, of all frames x 64 features, centred, not standardised" in panel.numbers.value
    for row, own in zip(rows, panel._drawn.latents, strict=True):
        assert row == [figures.trajectory_name(own), f"{float(speed(own)):.3g}", f"{float(extent(own)):.3g}"]


def test_more_trajectories_than_can_be_told_apart_are_left_out_and_it_is_said():
    panel = ready(Trajectories())
    panel.chosen.value = (0, 1, 2, 3)
    ready(panel)
    assert sum(bool(trace.showlegend) for trace in panel.figure.data) == figures.MOST_TRAJECTORIES
    assert "6 of the 8 trajectories are drawn" in said(panel)


def test_a_click_on_a_trajectory_is_heard_from_there_on():
    panel, sent = ready(Trajectories()), []
    panel.player.send = lambda content, buffers=None: sent.append(content)
    panel._clicked(0, SimpleNamespace(point_inds=[100]))
    ready(panel)
    assert panel.heard.value == (0, "CLN")
    assert panel.player.title == "gtr_00_a, clean"
    assert sent == [{"kind": "seek", "time_s": pytest.approx(100.5 * 512 / 48_000)}]
    panel._clicked(1, SimpleNamespace(point_inds=[]))
    assert panel.heard.value == (0, "CLN")


def test_trajectories_of_other_clips_and_in_two_dimensions(few):
    panel = ready(Trajectories(few, dimensions=2))
    assert said(panel) == ""
    assert panel.figure.data[1].type == "scatter"
    assert places(panel.bridge)[0].shape == (2, 512, 2)
    panel.encoder.value = "diffae-mini"
    ready(panel)
    assert said(panel) == ""
    assert places(panel.bridge)[0].shape == (2, 2048, 2)


# ---------------------------------------------------------------------------------------------------- compare encoders


def test_all_that_ships_is_compared_and_sorted(lyra_weights):
    panel = ready(compare_encoders.CompareEncoders())
    assert said(panel) == ""
    head, *rows = cells(panel.table.value)
    assert head == ["encoder", "mean rank", *(measure.heading for measure in MEASURES.values())]
    assert sorted(row[0] for row in rows) == ["diffae-mini", "logmel", "lyra-v2", "stacked-mini-2"]
    ranks = [float(row[1]) for row in rows]
    assert ranks == sorted(ranks)
    assert rows[[row[0] for row in rows].index("logmel")][-1] == "--"
    panel.sort.value = "curvature"
    ready(panel)
    turns = [float(row[head.index("turns")].split()[0]) for row in cells(panel.table.value)[1:]]
    assert turns == sorted(turns)
    panel.sort.value = "probe_mean"
    ready(panel)
    rows = cells(panel.table.value)[1:]
    named = [float(row[head.index("probe -T")].split()[0]) for row in rows]
    assert named == sorted(named, reverse=True)
    assert list(panel.figure.layout.yaxis.ticktext) == [row[0] for row in rows]
    assert "Not measured on these clips yet: stacked-mini-1" in panel.table.value


def test_encoders_that_do_not_ship_are_measured_on_request(monkeypatch, bundled):
    panel = ready(compare_encoders.CompareEncoders())
    asked = []

    def measured(clips, names, bar, *, compute):
        asked.append((names, compute))
        return {name: pd.DataFrame(0.5, list(MEASURES), ["value", "low", "high", "n"]) for name in names}

    monkeypatch.setattr(compare_encoders, "compare_encoders", measured)
    panel.measure_button.click()
    ready(panel)
    assert (["stacked-mini-1"], True) in asked
    assert all(compute for _, compute in asked)
    assert "stacked-mini-1" in [row[0] for row in cells(panel.table.value)]
    assert panel.measure_button.layout.display == "none"


def test_clips_that_nothing_ships_for_wait_for_the_button(few):
    panel = ready(compare_encoders.CompareEncoders(few))
    assert "No encoder is measured on these clips yet" in panel.table.value
    panel.measure_button.click()
    ready(panel)
    assert said(panel).startswith("That did not work: 5 folds need as many recordings, not 3")


# -------------------------------------------------------------------------------------------------- pages 03 and 04


def test_knob_paths_along_further_knobs_are_drawn_and_measured(bundled):
    panel = ready(knob_paths.KnobPaths(bundled, encoder="logmel", effect="HPF"))
    head, own = cells(panel.tables.value)
    assert head == ["knob", *PATH_MEASURES.values()]
    path = prepared.sweep_means(prepared.path_clips(bundled), "logmel", "HPF")
    assert own[1].startswith(f"{float(path_measures(path)['straightness'].mean()):.2f} (")
    panel.others.value = [("DIS", "drive_db"), ("LPF", "cutoff_frequency_hz")]
    ready(panel)
    assert [row[0] for row in cells(panel.tables.value)[1:]] == [
        "High-pass filter: cutoff frequency", "Distortion: drive", "Low-pass filter: cutoff frequency"
    ]  # fmt: skip
    for trace in panel.figure.data[3:5]:
        assert drawn(trace).shape == (8 * 33, 3)
    panel.others.value = []
    ready(panel)
    assert list(panel.figure.data[3].x) == [None]


def test_the_claims_of_paths_stand_where_they_ship_and_wait_elsewhere(few, bundled):
    panel = ready(knob_paths.KnobPaths(bundled, encoder="logmel"))
    rows = cells(panel.claims.value)[1:]
    assert len(rows) == 2
    assert {row[-1] for row in rows} <= {"holds", "does not hold"}
    assert panel.test_claims.layout.display == "none"
    own = ready(knob_paths.KnobPaths(few, encoder="logmel"))
    assert "press the button" in own.claims.value
    own.test_claims.click()
    ready(own)
    assert said(own) == ""
    assert len(cells(own.claims.value)) == 3


def test_curves_of_averaging_windows_stand_below_the_clusters(bundled):
    panel = ready(effect_clusters.EffectClusters(bundled, encoder="logmel"))
    windows = prepared.window_purity(bundled, "logmel")
    for curve, label in zip(panel.figure.data[-3:], figures.WINDOW_COLORS, strict=True):
        np.testing.assert_allclose(curve.y, 100 * windows.loc[label]["purity"])
    panel.coloring.value = "instrument"
    assert all(curve.visible in (None, True) for curve in panel.figure.data[-3:])
    assert panel.figure.layout.annotations[4].text == figures.WINDOWS_TITLE
