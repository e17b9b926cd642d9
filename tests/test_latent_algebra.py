"""Page 07: a clip moved by what pairs teach, between clips, along dims; decoded and scored; without a browser."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.algebra import METHODS, learn_effect
from latentfx_nb.analysis.algebra_baselines import WET
from latentfx_nb.analysis.algebra_tables import COMPARED, farther_effects, lost_words, score_table
from latentfx_nb.analysis.held_out import learning_rows
from latentfx_nb.analysis.moves import add_effect, change_dims, go_between, mean_shift
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder, registry
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import latent_algebra
from latentfx_nb.pages.content import latent_algebra as content
from latentfx_nb.pages.content.algebra_choice import BETWEEN, CHANGES, DIMS, SOUNDS, VECTOR, AlgebraChoice
from latentfx_nb.pages.content.algebra_scores import scored
from latentfx_nb.pages.content.kept import Kept
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.store import decoding
from tests.on_pages import Toy, assert_sounds, drawn, happens, heard_by_now, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LatentAlgebra = partial(latent_algebra.LatentAlgebra, encoder="logmel")


@pytest.fixture(scope="module")
def few(real_clips):
    """Three clips of three recordings, which nothing has been prepared for."""
    return real_clips[[1, 6, 22]]


class Wide(Toy):
    """As `Toy`, with four dims: the loudness of the quarters of each block."""

    name, dim = "wide", 4

    def encode(self, audio):
        blocks = audio[..., : 160 * self.frames(audio.shape[-1])].reshape(len(audio), -1, 4, 40)
        return blocks.std(dim=-1).swapaxes(1, 2)

    def decode(self, latents, *, seed):
        return super().decode(latents.mean(dim=1, keepdim=True), seed=seed)


@pytest.fixture
def wide(monkeypatch, own_cache):
    encoder = Wide()
    monkeypatch.setitem(registry.REGISTERED, "wide", encoder)
    yield encoder
    encoder.go.set()


def cells(table):
    """Return the rows of an HTML table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def places(panel):
    return [panel.figure.trace(name) for name in ("start", "aim", "result")]


def title_of(panel, number):
    return panel.figure.layout.annotations[number].text


def test_algebra_opens_with_scores_of_every_effect_and_their_intervals(bundled):
    panel = ready(LatentAlgebra())
    assert said(panel) == ""
    scored = panel.html["scored"].value
    head, *rows = cells(scored)
    assert head[0] == "effect"
    assert head[-1] == "better than nothing, by time averages"  # logmel has no decoder
    assert [row[0] for row in rows] == list(WET)
    assert all(re.fullmatch(r"-?\d+ \(-?\d+ to -?\d+\) of -?\d+", cell) for row in rows for cell in row[1:-1])
    assert {row[-1] for row in rows} <= {"yes", "no"}
    assert "12 held-out clips" in scored
    assert (
        "The points are drawn in their own PCA. PCA: exact, of the time averages of 640 renders"
        in panel.html["how"].value
    )
    assert list(panel.figure.trace("bars 1").x) == list(WET)
    curves = [panel.figure.trace(f"curve {number}") for number in range(1, 5)]
    assert [trace.name for trace in curves] == list(METHODS.values())
    assert list(curves[0].x) == ["1", "2", "4", "8", "16"]


def test_what_opens_first_is_the_mean_shift_of_averages_and_encodes_nothing(bundled, monkeypatch):
    def encode(*_arguments):
        pytest.fail("something was encoded")

    monkeypatch.setattr(LogMel, "encode", encode)
    shown = content.prepare(AlgebraChoice(encoder="logmel", effect="LPF"), bundled, None, Progress())
    assert shown.move is None
    assert "told" not in content.texts(shown)
    means = prepared.effect_means(bundled, "logmel")
    dry, wet = (means.sel(effect=label) for label in ("CLN", "LPF"))
    rows = learning_rows(bundled, 0, 8)
    expected = dry[0] + (wet[rows] - dry[rows]).mean("clip")
    figure = content.figure_of(shown)
    result = next(trace for trace in figure.data if trace.meta == "result")
    np.testing.assert_allclose(drawn(result)[0], shown.averages.basis.transform(expected), atol=1e-3)
    assert content.further(shown, Progress()) is None


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
    np.testing.assert_allclose(panel.shown.move.result, expected, atol=1e-3)
    basis = panel.shown.averages.basis
    for trace, latents in zip(places(panel), (dry[-1], wet[-1], expected), strict=True):
        np.testing.assert_allclose(drawn(trace)[0], basis.transform(latents.mean(axis=-1)[None])[0], atol=1e-2)
    assert_sounds(panel.player, bundled[0], "LPF")
    assert "from 2 pairs, strength 0.50" in panel.player.title
    explained = 1 - np.square(expected - wet[-1]).sum() / np.square(dry[-1] - wet[-1]).sum()
    assert cells(panel.html["told"].value)[2][1] == f"{explained:z.0%}"


def test_decoded_sounds_follow_and_stay_until_the_next_are_there(monkeypatch):
    panel = ready(latent_algebra.LatentAlgebra(encoder="stacked-mini-2"))
    assert panel.player.decoded
    assert panel.player.algebra
    assert panel.player.labels["algebra"] == "Decoded algebra"
    assert all(cell for row in cells(panel.html["told"].value) for cell in row)
    assert "better than nothing, by STFT distance" in panel.html["scored"].value
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
    panel.measure.value = "named"  # no other sounds: what was decoded stays, and so do its distances
    ready(panel)
    assert panel.player.listening == "algebra"
    assert panel.player.algebra == before
    assert all(cell for row in cells(panel.html["told"].value) for cell in row)
    panel.effect.value = "LPF"  # other sounds: at once, and without a decoder
    heard_by_now(panel)
    assert panel.player.listening == "wet"
    ready(panel)


def decoding_is_at_work(panel, encoder):
    """Choose so few pairs that there are enough clips to learn from, and wait for the decoder."""
    encoder.go.clear()
    panel.pairs.value = 2
    assert happens(encoder.at_work)


def test_decoding_is_stopped_by_the_next_choice(few, wide):
    panel = ready(LatentAlgebra(few, encoder="wide"))
    decoding_is_at_work(panel, wide)
    panel.effect.value = "LPF"
    wide.go.set()
    ready(panel)
    assert len(wide.seeds) == 3  # the clean sound, which was at work, and the other two of the next choice
    assert said(panel) == ""
    assert panel.player.algebra
    assert panel.shown.decoded is not None
    assert panel.shown.choice.effect == "LPF"


def test_another_measure_does_not_stop_the_decoder(few, wide):
    panel = ready(LatentAlgebra(few, encoder="wide"))
    decoding_is_at_work(panel, wide)
    panel.measure.value = "averages"
    wide.go.set()
    ready(panel)
    assert len(wide.seeds) == 3
    assert all(cell for row in cells(panel.html["told"].value) for cell in row)
    assert panel.player.algebra


def test_between_two_clips_and_single_dims_need_no_learning(bundled):
    panel = ready(LatentAlgebra())
    panel.mode.value = BETWEEN
    assert panel.player.labels == SOUNDS[BETWEEN]
    ready(panel)
    assert said(panel) == ""
    dry, wet = (encode_clips(load_encoder("logmel"), [render(bundled[row], "CLN")])[0] for row in (0, 63))
    np.testing.assert_allclose(panel.shown.move.result, (dry + wet) / 2, atol=1e-3)
    assert panel.player.labels["wet"] == "Other clip"
    assert [trace.name for trace in places(panel)] == ["clip", "other clip", "between"]
    panel.mode.value = DIMS
    panel.dims.value = (3, 5)
    ready(panel)
    moved = panel.shown.move.result.values
    np.testing.assert_allclose(moved[[3, 5]], dry[[3, 5]].mean(axis=-1, keepdims=True).repeat(512, axis=1), atol=1e-3)
    np.testing.assert_allclose(np.delete(moved, [3, 5], 0), np.delete(dry, [3, 5], 0), atol=1e-3)
    panel.change.value = CHANGES[1]
    ready(panel)
    wet = encode_clips(load_encoder("logmel"), [render(bundled[0], "HPF")])[0]
    np.testing.assert_allclose(panel.shown.move.result.values[3], wet[3], atol=1e-3)
    assert panel.factor not in panel._movers.children
    panel.change.value = CHANGES[0]
    assert panel._movers.children[-1] is panel.factor
    assert panel.player.labels == SOUNDS[DIMS]


def test_dims_that_another_encoder_does_not_have_are_chosen_anew(few, wide):
    panel = ready(LatentAlgebra(few))
    panel.mode.value = DIMS
    panel.dims.value = (3, 5)
    ready(panel)
    panel.encoder.value = "wide"
    ready(panel)
    assert said(panel) == ""
    assert panel.dims.options == (0, 1, 2, 3)
    assert panel.dims.value == panel.shown.choice.dims == (0,)
    assert "dim 0 scaled by" in panel.player.title
    assert panel.player.algebra


def test_another_measure_effect_and_method_are_drawn(bundled):
    panel = ready(LatentAlgebra())
    before = np.array(panel.figure.trace("bars 1").y), np.array(panel.figure.trace("curve 1").y)
    panel.measure.value = "averages"
    ready(panel)
    assert not np.allclose(panel.figure.trace("bars 1").y, before[0])
    assert title_of(panel, 1).startswith("Share of the displacement of time averages")
    panel.effect.value = "TRV"
    ready(panel)
    assert title_of(panel, 2) == "Few-shot: time reverse"
    assert not np.allclose(panel.figure.trace("curve 1").y, before[1])
    panel.measure.value = "stft"  # which logmel cannot have: its latents are scored
    ready(panel)
    assert said(panel) == ""
    assert title_of(panel, 1).startswith("Share of the latents' displacement")
    assert panel.score_button.layout.display == "none"


@pytest.mark.ci
def test_clips_that_are_too_few_say_so_and_others_are_scored_on_request(few, real_clips):
    panel = ready(LatentAlgebra(few))
    assert "2 clips of other recordings are all there is to learn from: choose fewer pairs" in said(panel)
    panel.pairs.value = 2
    ready(panel)
    assert said(panel) == ""
    assert "No probe can say what this is" in panel.html["told"].value
    assert "press the button" in panel.html["scored"].value
    assert title_of(panel, 1) == "Not scored yet"
    own = ready(LatentAlgebra(real_clips[[0, 6, 12, 18, 24, 28]]))
    own.pairs.value = 4
    ready(own)
    own.score_button.click()
    ready(own)
    assert said(own) == ""
    assert [row[0] for row in cells(own.html["scored"].value)[1:]] == list(WET)
    assert own.score_button.layout.display == "none"


def test_the_rest_of_a_set_with_a_broken_file_is_shown_and_the_file_is_named(bundled, monkeypatch):
    """What `encode_effects` leaves out stands in no row: rows of what was computed are not those of the set."""
    whole, lost = prepared.effect_means, bundled.table["clip"].iat[3]

    def without(some, *arguments, bar, **options):
        means = whole(some, *arguments, **options)
        with bar(total=1, desc="logmel") as progress:
            progress.skipped({lost: f"{lost}.flac breaks off"})
        return means.sel(clip=means["clip"] != lost)

    monkeypatch.setattr(content, "effect_means", without)
    panel = ready(LatentAlgebra(bundled))
    assert said(panel) == f"Left out: {lost}.flac breaks off."
    left = [row for row in range(64) if row != 3]
    assert [row for _, row in panel.clip.options] == [row for _, row in panel.other.options] == left
    assert panel.shown.averages.rows == left
    assert lost not in panel.shown.averages.clips.table["clip"].tolist()
    panel.clip.value = 4  # the fourth row of what was computed
    ready(panel)
    start = panel.shown.averages.basis.transform(whole(bundled, "logmel")[4, 0])
    np.testing.assert_allclose(drawn(panel.figure.trace("start"))[0], start, atol=0.5)  # of a spread of hundreds
    rows = re.search(r"clips\[\[(.*?)\]\]", panel.code()).group(1)
    assert rows.startswith("4, ") and "3" not in rows.split(", ")


def test_a_clip_that_cannot_be_moved_leaves_the_last_one_faint_and_the_scores_follow(few):
    panel = ready(LatentAlgebra(few))
    panel.pairs.value = 2
    ready(panel)
    assert {trace.opacity for trace in places(panel)} == {None}
    panel.pairs.value = 16
    panel.effect.value = "LPF"
    ready(panel)
    assert "2 clips of other recordings" in said(panel)
    assert {trace.opacity for trace in places(panel)} == {figures.STALE}
    assert panel.shown.choice.effect == "LPF"
    panel.pairs.value = 1
    ready(panel)
    assert said(panel) == ""
    assert {trace.opacity for trace in places(panel)} == {None}


def test_a_slow_decoder_is_watched_and_can_be_stopped(monkeypatch):
    panel = ready(LatentAlgebra())
    taken, words, say = [], [], panel.status.say
    monkeypatch.setattr(panel.status, "say", lambda text: (words.append(text), say(text)))

    def slow(encoder, latents, length, *, bar):
        for step in bar(range(100)):
            taken.append(step)
            assert words[-1] == f"Decoding: step {step + 1} of 100"
            if step == 3:
                panel.worker.cancel()
        pytest.fail("it was not stopped")

    class Slow(LogMel):
        decodes_slowly = True

        def decode(self, latents, *, seed):
            raise NotImplementedError

    monkeypatch.setattr(content, "reconstruction", slow)
    monkeypatch.setitem(registry.REGISTERED, "logmel", Slow(torch.device("cpu")))
    monkeypatch.setattr(content, "load_encoder", lambda name: registry.REGISTERED[name])
    assert panel.decode_button.layout.display == "none"
    panel.strength.value = 0.25
    ready(panel)
    assert taken == []  # minutes are not begun by themselves
    assert panel.decode_button.layout.display == "flex"
    panel.decode_button.click()
    ready(panel)
    assert taken == [0, 1, 2, 3]
    assert said(panel) == "Stopped; what was finished is kept."
    panel.measure.value = "averages"
    ready(panel)
    assert taken == [0, 1, 2, 3]  # and not begun again


def test_a_clip_is_prepared_without_widgets_and_what_was_encoded_is_remembered(bundled, monkeypatch):
    calls, encode = [], LogMel.encode
    monkeypatch.setattr(LogMel, "encode", lambda self, audio: calls.append(len(audio)) or encode(self, audio))
    choice = AlgebraChoice(encoder="logmel", pairs=2)
    first = content.prepare(choice, bundled, None, Progress())
    shown = content.prepare(choice, bundled, first, Progress())
    assert sum(calls) == 6
    assert shown.named.startswith("A probe names them: dry, ")
    assert shown.move is not None and shown.decoded is None
    again = content.prepare(replace(choice, measure="averages"), bundled, shown, Progress())
    assert again.move is shown.move
    farther = content.prepare(replace(choice, strength=2.0), bundled, shown, Progress())
    assert sum(calls) == 6
    twice = 2 * shown.move.result - shown.move.start
    np.testing.assert_allclose(farther.move.result, twice, atol=1e-3)


def test_where_algebra_loses_is_said_first_and_names_of_sounds_that_got_farther_are_marked(bundled):
    scores = prepared.effect_algebra(bundled, "diffae-mini", compute=False)
    found, farther = scored(scores, AlgebraChoice(measure="named")), farther_effects(scores, "ridge", 8)
    assert "PS" in farther and "HPF" not in farther
    said = html.unescape(found.text)
    assert said.index(lost_words(scores, "ridge", 8)) < said.index("<table")
    marked = [row[0] for row in cells(found.text)[1:] if any("yet the sound is farther away" in cell for cell in row)]
    assert marked == farther
    bars = found.bars["ridge regression"]
    assert list(bars.index[bars["farther"]]) == farther
    by_sound = scored(scores, AlgebraChoice())
    assert "farther" not in by_sound.bars["ridge regression"]
    table = score_table(scores, "stft")
    for name, words in COMPARED.items():
        np.testing.assert_allclose(
            by_sound.bars[words]["score"],
            [table.loc[(effect, name, 0 if name == "raw" else 8), "score"] for effect in WET],
        )


def test_a_choice_can_be_kept():
    choice = AlgebraChoice(encoder="logmel", mode=DIMS, dims=(1, 5), factor=2.0, spherical=True)
    found, unknown = AlgebraChoice.of(choice.kept() | {"more": 1})
    assert found == choice
    assert unknown == ["more"]


def test_kept_choices_open_again_and_only_the_newest_things_are_kept():
    panel = ready(LatentAlgebra())
    panel.choose(mode=BETWEEN, row=2, other=5, share=0.25)
    ready(panel)
    assert panel.shown.choice == AlgebraChoice(
        encoder="logmel", mode=BETWEEN, row=2, other=5, share=0.25, dims=panel.dims.value
    )
    kept = Kept(2)
    assert [kept.get(of, lambda of=of: of.upper()) for of in "aabac"] == list("AABAC")
    assert "a" in kept and "c" in kept and "b" not in kept
    assert kept.find("b") is None


# -------------------------------------------------------------------------------------------------------- moves alone


@pytest.fixture
def latents():
    """Five latents `(dim, frame)` as an encoder's are labelled."""
    import xarray as xr

    values = np.random.default_rng(0).standard_normal((5, 4, 6)).astype(np.float32)
    return [xr.DataArray(one, {"dim": np.arange(4)}, ("dim", "frame")) for one in values]


def test_ways_lead_from_the_start_to_the_result_or_to_the_aim(latents):
    start, aim, *pairs = latents
    moves = [
        add_effect(start, aim, pairs[:1], pairs[1:2], "mean", 1.5),
        go_between(start, aim, 0.25, False),
        change_dims(start, aim, [1], 0.0),
        change_dims(start, aim, [1]),
    ]
    for move in moves:
        np.testing.assert_allclose(move.way(0), start, atol=1e-6)
        assert move.reached(start) == 0
        assert move.reached(aim) == 1
        averaged = move.averaged()
        assert averaged.way.dims == ("value", "dim")
        np.testing.assert_allclose(averaged.way[0], start.mean("frame"), atol=1e-6)
        np.testing.assert_allclose(averaged.result, move.result.mean("frame"), atol=1e-6)
    for move in (moves[0], *moves[2:]):
        np.testing.assert_allclose(move.way(1), move.result, atol=1e-6)
    np.testing.assert_allclose(moves[1].way(1), aim, atol=1e-6)
    assert moves[0].dry.shape == moves[0].wet.shape == (1, 4)
    assert moves[1].dry.shape == (0, 4)
    assert np.isnan(go_between(start, start, 0.5, False).reached(aim))


def test_a_mean_shift_needs_averages_only(bundled):
    means = prepared.effect_means(bundled, "logmel")
    shift = mean_shift(means, 3, "HPF", [5, 9])
    dry, wet = (means.sel(effect=label) for label in ("CLN", "HPF"))
    np.testing.assert_allclose(shift.start, dry[3])
    np.testing.assert_allclose(shift.aim, wet[3])
    np.testing.assert_allclose(shift.result, dry[3] + (wet[[5, 9]] - dry[[5, 9]]).mean("clip"), rtol=1e-5)
    np.testing.assert_allclose(shift.way[-1], shift.result, rtol=1e-5)
    assert shift.dry.shape == (2, 64)


def test_the_mode_it_opens_with_is_the_vector():
    assert AlgebraChoice().mode == VECTOR
