"""Panels of pages 07 and 09, and what grew on 04, without a browser."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.algebra import METHODS, learn_effect
from latentfx_nb.analysis.algebra_study import WET, learning_rows
from latentfx_nb.analysis.comparison import MEASURES, PATH_MEASURES, path_measures
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import compare_encoders, knob_paths, latent_algebra
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import decoding
from tests.on_pages import assert_sounds, drawn, ready, said

LatentAlgebra = partial(latent_algebra.LatentAlgebra, encoder="logmel")


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


# ------------------------------------------------------------------------------------------------------ latent algebra


def test_algebra_opens_with_scores_of_every_effect_and_their_intervals(bundled):
    panel = ready(LatentAlgebra())
    assert said(panel) == ""
    head, *rows = cells(panel.scored.value)
    assert head[0] == "effect"
    assert head[-1] == "better than nothing, by time averages"  # logmel has no decoder
    assert [row[0] for row in rows] == list(WET)
    assert all(re.fullmatch(r"-?\d+ \(-?\d+ to -?\d+\) of -?\d+", cell) for row in rows for cell in row[1:-1])
    assert {row[-1] for row in rows} <= {"yes", "no"}
    assert "Each of 12 held-out clips" in panel.scored.value
    assert (
        "The points are drawn in their own PCA. PCA: exact, of the time averages of 640 renders" in panel.scored.value
    )
    assert list(panel.figure.data[6].x) == list(WET)
    assert [trace.name for trace in panel.figure.data[8:]] == list(METHODS.values())
    assert list(panel.figure.data[8].x) == ["1", "2", "4", "8", "16"]


@pytest.mark.parametrize("method", METHODS)
def test_a_clip_is_moved_by_what_pairs_of_other_recordings_teach(bundled, method):
    panel = ready(LatentAlgebra(method=method, effect="LPF"))
    panel.pairs.value = 2
    ready(panel)
    panel.strength.value = 0.5
    ready(panel)
    encoder = load_encoder("logmel")
    sounds = [[render(bundled[row], label) for row in [*learning_rows(bundled, 0, 2), 0]] for label in ("CLN", "LPF")]
    dry, wet = (encode_clips(encoder, side) for side in sounds)
    expected = learn_effect(dry[:-1], wet[:-1], method).apply(dry[-1], 0.5)
    np.testing.assert_allclose(panel._moved.moved, expected, atol=1e-3)
    basis = panel._basis
    for trace, latents in zip(panel.figure.data[3:6], (dry[-1], wet[-1], expected), strict=True):
        np.testing.assert_allclose(drawn(trace)[0], basis.transform(latents.mean(axis=-1)[None])[0], atol=1e-2)
    assert_sounds(panel.player, bundled[0], "LPF")
    assert "from 2 pairs, strength 0.50" in panel.player.title
    explained = 1 - np.square(expected - wet[-1]).sum() / np.square(dry[-1] - wet[-1]).sum()
    assert cells(panel.told.value)[2][1] == f"{explained:z.0%}"


def test_decoded_sounds_follow_and_stay_until_the_next_are_there(monkeypatch):
    panel = ready(latent_algebra.LatentAlgebra(encoder="stacked-mini-2"))
    assert panel.player.decoded
    assert panel.player.algebra
    assert panel.player.labels["algebra"] == "Decoded algebra"
    assert all(cell for row in cells(panel.told.value) for cell in row)
    assert "better than nothing, by STFT distance" in panel.scored.value
    panel.player.listening, before = "algebra", panel.player.algebra
    seen = []
    panel.player.observe(lambda change: seen.append(bool(change["new"])), "algebra")
    panel.strength.value = 0.0
    ready(panel)
    assert panel.player.listening == "algebra"
    assert seen == [True]
    assert panel.player.algebra != before
    monkeypatch.setattr(decoding, "decode_latents", None)  # the same sounds again are read, not decoded
    panel.strength.value = 1.0
    ready(panel)
    assert said(panel) == ""
    assert panel.player.algebra == before


def test_between_two_clips_and_single_dims_need_no_learning(bundled):
    panel = ready(LatentAlgebra())
    panel.mode.value = latent_algebra.BETWEEN
    ready(panel)
    assert said(panel) == ""
    dry, wet = (encode_clips(load_encoder("logmel"), [render(bundled[row], "CLN")])[0] for row in (0, 63))
    np.testing.assert_allclose(panel._moved.moved, (dry + wet) / 2, atol=1e-3)
    assert panel.player.labels["wet"] == "Other clip"
    panel.mode.value = latent_algebra.DIMS
    panel.dims.value = (3, 5)
    ready(panel)
    moved = panel._moved.moved.values
    np.testing.assert_allclose(moved[[3, 5]], dry[[3, 5]].mean(axis=-1, keepdims=True).repeat(512, axis=1), atol=1e-3)
    np.testing.assert_allclose(np.delete(moved, [3, 5], 0), np.delete(dry, [3, 5], 0), atol=1e-3)
    panel.change.value = latent_algebra.CHANGES[1]
    ready(panel)
    wet = encode_clips(load_encoder("logmel"), [render(bundled[0], "HPF")])[0]
    np.testing.assert_allclose(panel._moved.moved.values[3], wet[3], atol=1e-3)
    assert panel.factor not in panel._row.children


def test_another_measure_effect_and_method_are_drawn(bundled):
    panel = ready(LatentAlgebra())
    before = np.array(panel.figure.data[6].y), np.array(panel.figure.data[8].y)
    panel.measure.value = "averages"
    ready(panel)
    assert not np.allclose(panel.figure.data[6].y, before[0])
    assert panel.figure.layout.annotations[1].text.startswith("Share of the displacement of time averages")
    panel.effect.value = "TRV"
    ready(panel)
    assert panel.figure.layout.annotations[2].text == "Few-shot: time reverse"
    assert not np.allclose(panel.figure.data[8].y, before[1])
    panel.measure.value = "stft"  # which logmel cannot have: its latents are scored
    ready(panel)
    assert said(panel) == ""
    assert panel.figure.layout.annotations[1].text.startswith("Share of the latents' displacement")


def test_clips_that_are_too_few_say_so_and_others_are_scored_on_request(few, real_clips):
    panel = ready(LatentAlgebra(few))
    assert "2 clips of other recordings are all there is to learn from: choose fewer pairs" in said(panel)
    panel.pairs.value = 2
    ready(panel)
    assert said(panel) == ""
    assert "No probe can say what this is" in panel.told.value
    assert "press the button" in panel.scored.value
    assert panel.figure.layout.annotations[1].text == "Not scored yet"
    own = ready(LatentAlgebra(real_clips[[0, 6, 12, 18, 24, 28]]))
    own.pairs.value = 4
    ready(own)
    own.score_button.click()
    ready(own)
    assert said(own) == ""
    assert [row[0] for row in cells(own.scored.value)[1:]] == list(WET)
    assert own.score_button.layout.display == "none"


def test_a_slow_decoder_is_watched_and_can_be_stopped(monkeypatch):
    panel = ready(LatentAlgebra())
    taken = []

    def slow(encoder, latents, length, *, bar):
        for step in bar(range(100)):
            taken.append(step)
            assert said(panel) == f"Decoding: step {step + 1} of 100"
            if step == 3:
                panel.worker.cancel()
        pytest.fail("it was not stopped")

    class Slow(type(load_encoder("logmel"))):
        device = torch.device("cpu")

        decodes_slowly = True

        def decode(self, latents, *, seed):
            raise NotImplementedError

    monkeypatch.setattr(latent_algebra, "reconstruction", slow)
    monkeypatch.setattr(latent_algebra, "load_encoder", lambda name: Slow())
    assert panel.decode_button.layout.display == "none"
    panel.strength.value = 0.25
    ready(panel)
    assert taken == []  # minutes are not begun by themselves
    assert panel.decode_button.layout.display == "flex"
    panel.decode_button.click()
    ready(panel)
    assert taken == [0, 1, 2, 3]
    assert said(panel) == "Stopped; what was finished is kept."


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


# ----------------------------------------------------------------------------------------------------------- page 04


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
