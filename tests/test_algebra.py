"""`analysis.algebra`: planted effects are learned, what has no effect is not, and held-out clips stay held out."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import torch
import xarray as xr
from tqdm.auto import tqdm

from latentfx_nb.analysis import algebra_baselines, algebra_study
from latentfx_nb.analysis.algebra import METHODS, interpolate, learn_effect, scale_dims, swap_dims
from latentfx_nb.analysis.algebra_baselines import WET
from latentfx_nb.analysis.algebra_study import algebra_scores
from latentfx_nb.analysis.algebra_tables import (
    COMPARED,
    MEASURES,
    REAL,
    baseline_leads,
    farther_effects,
    few_shot_scores,
    lost_words,
    method_scores,
    score_table,
)
from latentfx_nb.analysis.distances import logmel_distance_db, stft_distance, stft_distances
from latentfx_nb.analysis.equalizer import FFT, Equalizer, learn_equalizer
from latentfx_nb.analysis.held_out import HELD_OUT, held_out_rows, learning_rows
from latentfx_nb.encoders import load_encoder
from latentfx_nb.sound.audio import is_doubled
from latentfx_nb.sound.clips import load_clips

SILENT = partial(tqdm, disable=True)
DIMS, FRAMES = 6, 40


@pytest.fixture(scope="module")
def bundled():
    return load_clips("bundled")


def latents(pairs=5, seed=0, frames=FRAMES):
    return np.random.default_rng(seed).standard_normal((pairs, DIMS, frames))


def rotation(seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((DIMS, DIMS)))[0]


PLANTED = {
    "mean": lambda z: z + np.arange(DIMS)[:, None],
    "frame": lambda z: z + np.sin(np.arange(DIMS * FRAMES)).reshape(DIMS, FRAMES),
    "ridge": lambda z: np.einsum("ij,...jt->...it", np.eye(DIMS) + 0.4 * rotation(1), z) + np.arange(DIMS)[:, None],
    "orthogonal": lambda z: np.einsum("ij,...jt->...it", rotation(2), z) + np.arange(DIMS)[:, None],
}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_what_it_can_hold(method):
    dry, new = latents(), latents(2, seed=9)
    learned = learn_effect(dry, PLANTED[method](dry), method, ridge=1e-9)
    np.testing.assert_allclose(learned.apply(new), PLANTED[method](new), atol=1e-4)
    assert learned.apply(new).dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_strength_is_a_share_of_the_displacement(method):
    dry, new = latents(), latents(1, seed=9)[0]
    learned = learn_effect(dry, PLANTED[method](dry), method)
    np.testing.assert_array_equal(learned.apply(new, 0.0), new.astype(np.float32))
    half, whole = (learned.apply(new, strength) - new for strength in (0.5, 1.0))
    np.testing.assert_allclose(2 * half, whole, atol=1e-5)
    np.testing.assert_allclose(learned.displacement(new), whole, atol=1e-5)


def test_a_rotation_keeps_distances_and_much_ridge_leaves_the_shift():
    dry, new = latents(), latents(1, seed=9)[0]
    wet = PLANTED["ridge"](dry)
    turned = learn_effect(dry, wet, "orthogonal").apply(new)
    apart = [np.linalg.norm(z[:, 1:] - z[:, :-1], axis=0) for z in (new, turned)]
    np.testing.assert_allclose(*apart, rtol=1e-4)
    shift = learn_effect(dry, wet, "mean").apply(new)
    np.testing.assert_allclose(learn_effect(dry, wet, "ridge", ridge=1e9).apply(new), shift, atol=1e-4)


def test_the_mean_shift_is_the_difference_of_time_averages():
    dry, wet = latents(), latents(seed=1)
    learned = learn_effect(dry, wet)
    np.testing.assert_allclose(learned.offset[:, 0], (wet.mean(axis=(0, 2)) - dry.mean(axis=(0, 2))), atol=1e-6)


def test_labels_stay_and_extra_dims_are_moved_alike():
    dry = latents()
    learned = learn_effect(dry, PLANTED["ridge"](dry), "ridge")
    many = xr.DataArray(latents(4), {"clip": list("abcd")}, ("clip", "dim", "frame"))
    moved = learned.apply(many)
    assert list(moved["clip"].values) == list("abcd")
    np.testing.assert_allclose(moved[2], learned.apply(many[2].values), atol=1e-5)


def test_wrong_pairs_and_latents_are_refused_with_the_remedy():
    dry = latents()
    with pytest.raises(ValueError, match="choose one of mean, frame, ridge, orthogonal"):
        learn_effect(dry, dry, "magic")
    with pytest.raises(ValueError, match=r"pairs \[pair dim frame\]"):
        learn_effect(dry, dry[:2])
    with pytest.raises(ValueError, match=r"pairs \[pair dim frame\]"):
        learn_effect(dry[:0], dry[:0])
    with pytest.raises(ValueError, match="NaN or infinity"):
        learn_effect(dry, dry * np.nan)
    with pytest.raises(ValueError, match="6 dims and is applied"):
        learn_effect(dry, dry).apply(np.zeros((3, FRAMES)))
    with pytest.raises(ValueError, match="6 dims x 40 frames"):
        learn_effect(dry, dry, "frame").apply(np.zeros((DIMS, 39)))


# ------------------------------------------------------------------------------------- moving between clips, and dims


@pytest.mark.parametrize("spherical", [False, True])
def test_interpolation_begins_with_one_and_ends_with_the_other(spherical):
    a, b = latents(2).astype(np.float32)
    np.testing.assert_allclose(interpolate(a, b, 0.0, spherical), a, atol=1e-5)
    np.testing.assert_allclose(interpolate(a, b, 1.0, spherical), b, atol=1e-5)


def test_the_middle_of_a_great_circle_is_as_long_as_its_ends():
    a, b = np.array([[3.0], [0.0]]), np.array([[0.0], [3.0]])
    np.testing.assert_allclose(interpolate(a, b, 0.5)[:, 0], [1.5, 1.5])
    np.testing.assert_allclose(interpolate(a, b, 0.5, True)[:, 0], [3 / np.sqrt(2)] * 2, rtol=1e-6)
    longer = interpolate(a, 3 * b, 0.5, True)
    assert np.linalg.norm(longer) == pytest.approx(6)


def test_frames_without_a_great_circle_go_straight():
    a = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    for b in (-a, np.zeros_like(a), a):
        np.testing.assert_allclose(interpolate(a, b, 0.25, True), 0.75 * a + 0.25 * b, atol=1e-6)


def test_a_dim_is_held_still_turned_over_or_taken_from_another():
    z, other = latents(2).astype(np.float32)
    still = scale_dims(z, [2], 0.0)
    np.testing.assert_allclose(still[2], z[2].mean(), atol=1e-6)
    np.testing.assert_array_equal(np.delete(still, 2, 0), np.delete(z, 2, 0))
    np.testing.assert_allclose(scale_dims(z, [2], -1.0)[2] + z[2], 2 * z[2].mean(), atol=1e-5)
    np.testing.assert_allclose(scale_dims(z, [0, 1], 1.0), z, atol=1e-6)
    swapped = swap_dims(z, other, [0, 5])
    np.testing.assert_array_equal(swapped[[0, 5]], other[[0, 5]])
    np.testing.assert_array_equal(swapped[1:5], z[1:5])


def test_dims_and_shapes_that_do_not_fit_are_refused():
    z = latents(1)[0]
    for change in (partial(scale_dims, factor=2.0), partial(swap_dims, z)):
        with pytest.raises(ValueError, match="count from 0"):
            change(z, dims=[DIMS])
    with pytest.raises(ValueError, match="do not go together"):
        swap_dims(z, z[:3], [0])
    with pytest.raises(ValueError, match="do not go together"):
        interpolate(z, z[:, :3], 0.5)


# ------------------------------------------------------------------------------------------------------------ distances


def test_distances_are_0_for_the_same_sound_and_grow_with_the_difference():
    noise = np.random.default_rng(0).standard_normal((3, 2, 24_000)).astype(np.float32) * 0.1
    same, near, far = noise[0], noise[0] + 0.1 * noise[1], noise[0] + 10 * noise[2]
    for distance in (stft_distance, logmel_distance_db):
        assert distance(same, same) == pytest.approx(0, abs=1e-6)
        assert 0 < distance(near, same) < distance(far, same)
    assert logmel_distance_db(2 * same, same) == pytest.approx(20 * np.log10(2), abs=0.05)


# ------------------------------------------------------------------------------------------------------------ the study


def test_held_out_clips_are_of_a_recording_each_and_of_both_instruments(bundled):
    rows = held_out_rows(bundled)
    table = bundled.table.iloc[rows]
    assert len(rows) == HELD_OUT >= 8
    assert table["recording"].is_unique
    assert table["instrument"].value_counts().tolist() == [6, 6]
    assert len(held_out_rows(bundled[:3], 12)) == bundled[:3].table["recording"].nunique()
    with pytest.raises(ValueError, match="add clips"):
        held_out_rows(bundled[[0, 1]])


def test_what_is_learned_from_never_shares_a_recording_with_the_clip(bundled):
    recordings = bundled.table["recording"].to_numpy()
    for row in held_out_rows(bundled):
        rows = learning_rows(bundled, row, 16)
        assert len(set(rows)) == 16
        assert recordings[row] not in recordings[rows]
        assert rows[:4] == learning_rows(bundled, row, 4)
    assert learning_rows(bundled, 0, 8) != learning_rows(bundled, 0, 8, seed=1)


class Mute:
    """Latents are the sound itself, in blocks of 64 samples, each a turned vector."""

    name, sample_rate, channels, dim, weights_hash = "planted", 48_000, 1, 64, "planted"
    frame_rate = 750.0
    device = torch.device("cpu")
    mixing = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(0)))[0]

    def frames(self, n_samples):
        return n_samples // 64

    def encode(self, audio):
        return self.mixing @ audio[:, 0].unflatten(-1, (-1, 64)).mT


class Planted(Mute):
    """`decode` takes the blocks apart again, so nothing is lost on the way."""

    def decode(self, latents, *, seed):
        return (self.mixing.T @ latents).mT.flatten(1)[:, None]


@pytest.fixture
def linear_effect(monkeypatch):
    """Make effects that a planted encoder can hold: HPF mixes the samples of a block, LPF adds the same to each."""
    comb = np.eye(64, dtype=np.float32) * 0.6 + 0.4 * np.eye(64, k=-8, dtype=np.float32)
    hum = 0.05 * np.sin(2 * np.pi * np.arange(64) / 16).astype(np.float32)

    def rendered(clip, label, *_arguments, **_options):
        if label == "CLN":
            return clip
        blocks = clip.reshape(2, -1, 64)
        return (blocks + hum if label == "LPF" else blocks @ comb.T).reshape(clip.shape)

    def encoded(clips, encoder, effects=None, store=None, *, average=False, bar=None):
        labels = ["CLN", *WET]
        sounds = np.stack([[rendered(clips[row], label) for label in labels] for row in range(len(clips))])
        with torch.inference_mode():
            z = encoder.encode(torch.from_numpy(sounds).flatten(0, 1)).unflatten(0, sounds.shape[:2]).numpy()
        coordinates = {
            "clip": clips.table["clip"].to_numpy(object),
            "effect": labels,
            "recording": ("clip", clips.table["recording"].to_numpy(object)),
            "instrument": ("clip", clips.table["instrument"].to_numpy(object)),
        }
        attributes = {"encoder": encoder.name, "weights_hash": encoder.weights_hash}
        array = xr.DataArray(z, coordinates, ("clip", "effect", "dim", "frame"), attrs=attributes)
        return array.mean("frame") if average else array

    for module in (algebra_study, algebra_baselines):
        monkeypatch.setattr(module, "render", rendered)
    monkeypatch.setattr(algebra_study, "encode_effects", encoded)


@pytest.mark.ci
def test_on_a_planted_linear_encoder_algebra_recovers_the_effect(bundled, linear_effect, monkeypatch):
    """A shift recovers what is added, ridge regression what is mixed, and each only that."""
    monkeypatch.setattr(
        algebra_study,
        "reconstruction",
        lambda e, z, n, **_: np.repeat(
            e.decode(torch.from_numpy(np.ascontiguousarray(z, np.float32))[None], seed=0)[0].numpy(), 2, axis=0
        )[:, :n],
    )  # fmt: skip - without the loudness, which is no part of the planted effects
    some = bundled[[0, 4, 8, 12, 20, 36, 40, 44, 48, 52]]
    study = partial(algebra_scores, some, Planted(), ["HPF", "LPF"], ("mean", "ridge"), (4,), 4, bar=SILENT)
    scores = study(ridge=1e-6)  # nothing here is noise
    assert scores.sizes == {"effect": 2, "approach": 2, "k": 1, "clip": 4}
    for measure in ("latents", "averages", "stft", "logmel"):
        table = score_table(scores, measure)
        for effect, method in (("HPF", "ridge"), ("LPF", "mean"), ("HPF", "real"), ("LPF", "real")):
            assert table.loc[(effect, method), "score"].item() > 0.95, (measure, effect, method)
        assert table.loc[("HPF", "mean", 4), "score"] < 0.5, measure
        assert (table["n"] == 4).all()
    xr.testing.assert_identical(study(ridge=1e-6), scores)


def test_a_stopped_study_goes_on_with_the_effects_it_has_not_done(bundled, linear_effect, own_cache, monkeypatch):
    some = bundled[[0, 4, 8, 12, 36, 40, 44]]
    study = partial(algebra_scores, some, Mute(), methods=("mean",), shots=(1,), held_out=2, bar=SILENT)
    whole = study(["HPF", "LPF"])
    assert "stft" not in whole  # what does not decode is scored by its latents
    done = list((own_cache / "algebra").iterdir())
    assert len(done) == 2
    done[0].unlink()

    measured = []
    original = algebra_study._Study._stacked
    monkeypatch.setattr(algebra_study._Study, "_stacked", lambda *a: measured.append(a[1]) or original(*a))
    xr.testing.assert_identical(study(["HPF", "LPF"]), whole)
    assert len(measured) == 1
    content = bytearray(done[1].read_bytes())
    content[-100] ^= 1
    done[1].write_bytes(content)
    xr.testing.assert_identical(study(["HPF", "LPF"]), whole)
    assert len(measured) == 2


def test_more_pairs_than_there_are_clips_are_left_out(bundled, linear_effect, own_cache):
    some = bundled[[0, 4, 8, 12, 36, 40]]
    scores = algebra_scores(some, Mute(), ["HPF"], ("mean",), held_out=2, bar=SILENT)
    assert scores["k"].values.tolist() == [1, 2, 4]


def test_unknown_effects_methods_and_measures_are_named(bundled):
    with pytest.raises(ValueError, match=r"effects \['CLN'\] cannot be learned; choose some of CHS"):
        algebra_scores(bundled, load_encoder("logmel"), ["CLN"])
    with pytest.raises(ValueError, match="choose some of mean, frame"):
        algebra_scores(bundled, load_encoder("logmel"), methods=())
    scores = xr.Dataset({"missed": 1.0})
    with pytest.raises(ValueError, match="hold no measure 'stft', only latents"):
        score_table(scores, "stft")


def test_sounds_and_dims_that_do_not_fit_are_refused(noise):
    sound = noise(2000)
    for other in (sound[:, :1999], sound[:1], sound.T):
        with pytest.raises(ValueError, match="cannot be compared: pass two"):
            stft_distance(sound, other)
    with pytest.raises(ValueError, match="at least 1025 samples"):
        stft_distance(sound[:, :1024], sound[:, :1024])
    assert stft_distance(sound[:, :1025], sound[:, :1025]) == 0
    with pytest.raises(ValueError, match=r"\(2, 2000\) and \(2, 1000\) differ in length"):
        logmel_distance_db(sound, sound[:, :1000])
    with pytest.raises(ValueError, match=r"latents are \[..., dim, frame\], not of shape \(3,\)"):
        scale_dims(np.ones(3), [0], 2)


# ------------------------------------------------------------------------------------------------------- the baselines


def test_the_distance_is_that_of_auraloss(noise):
    from auraloss.freq import MultiResolutionSTFTLoss

    for doubled in (False, True):
        sounds = [0.3 * noise(24_000, seed=seed, doubled=doubled) for seed in range(3)]
        theirs = [
            float(MultiResolutionSTFTLoss()(torch.from_numpy(one)[None], torch.from_numpy(sounds[2])[None]))
            for one in sounds
        ]
        np.testing.assert_allclose(stft_distances(sounds, sounds[2]), theirs, rtol=1e-4, atol=1e-6)


def test_an_equaliser_recovers_a_planted_filter_on_sounds_that_it_never_heard(noise):
    """A smooth filter of its own kind: gains of 0.1 to 1.9 along a cosine over frequency."""
    planted = Equalizer(1 + 0.9 * np.cos(np.linspace(0, 3 * np.pi, FFT // 2 + 1)))
    dry, new = [noise(100_000, seed=seed) for seed in range(3)], noise(100_000, seed=9)
    learned = learn_equalizer(dry, [planted.apply(one) for one in dry])
    np.testing.assert_allclose(learned.gain, planted.gain, rtol=0.02)
    target = planted.apply(new)
    assert np.abs(learned.apply(new) - target).max() < 0.01 * np.abs(target).max()
    assert learned.apply(new).shape == new.shape and learned.apply(new).dtype == np.float32


def test_an_equaliser_of_equal_sounds_and_of_a_gain_changes_no_more_than_that(noise):
    dry = [noise(20_000, seed=seed, doubled=True) for seed in range(2)]
    np.testing.assert_allclose(learn_equalizer(dry, dry).gain, 1, atol=1e-12)
    halved = learn_equalizer(dry, [0.5 * one for one in dry])
    np.testing.assert_allclose(halved.apply(dry[0]), 0.5 * dry[0], atol=1e-6)
    assert is_doubled(halved.apply(dry[0]))
    with pytest.raises(ValueError, match="learned from pairs, not from 1 dry and 0 wet"):
        learn_equalizer(dry[:1], [])


def test_an_equaliser_of_the_pairs_removes_a_planted_filter_and_less_behind_a_decoder(bundled, own_cache, monkeypatch):
    """The planted effect is a filter; the planted decoder blurs."""
    planted = Equalizer(1 + 0.9 * np.cos(np.linspace(0, 3 * np.pi, FFT // 2 + 1)))
    blurred = partial(scipy.ndimage.uniform_filter1d, size=9, axis=-1)
    monkeypatch.setattr(algebra_baselines, "render", lambda c, label: c if label == "CLN" else planted.apply(c))
    monkeypatch.setattr(algebra_baselines, "normalise", lambda sound, _: sound)
    monkeypatch.setattr(algebra_baselines, "reconstruction", lambda e, z, n, **_: blurred(decoded(e, z)))
    study, read = planted_study(bundled, (1, 2)), []
    found = study()
    left = {name: found[f"stft_{name}"].mean("clip").squeeze("effect") for name in ("raw", "eq", "eq_decoded")}
    assert left["eq"].sizes == {"k": 2}
    assert (left["eq"] < 0.1 * left["raw"]).all()
    assert (left["eq_decoded"] > 2 * left["eq"]).all()
    monkeypatch.setattr(algebra_baselines, "average_power", lambda sound: read.append(sound))
    xr.testing.assert_identical(study(), found)
    assert read == []  # kept


def decoded(encoder, z):
    return encoder.decode(torch.from_numpy(z)[None], seed=0)[0].numpy().repeat(2, 0)


def planted_study(bundled, shots):
    """`algebra_baselines` of HPF in the planted encoder on four clips, two of them held out."""
    some = bundled[[0, 4, 36, 40]]
    latents = [Planted().encode(torch.from_numpy(some[row])[None])[0].numpy() for row in range(4)]
    dry = xr.DataArray(latents, {"clip": some.table["clip"].to_numpy(object)}, ("clip", "dim", "frame"))
    return partial(algebra_baselines.algebra_baselines, some, Planted(), ["HPF"], shots, 2, dry=dry, bar=SILENT)


def test_the_raw_dry_sound_of_an_effect_that_does_nothing_is_the_effect(bundled, own_cache, monkeypatch):
    monkeypatch.setattr(algebra_baselines, "render", lambda clip, label: clip)
    monkeypatch.setattr(algebra_baselines, "normalise", lambda sound, _: sound)
    monkeypatch.setattr(algebra_baselines, "reconstruction", lambda e, z, n, **_: 0.5 * decoded(e, z))
    found = planted_study(bundled, (1,))()
    assert (found["stft_raw"] == 0).all() and (found["logmel_raw"] == 0).all()
    np.testing.assert_allclose(found["stft_eq"], 0, atol=1e-3)
    assert (found["logmel_eq_decoded"] > 4).all()  # 6 dB less, but in bands that are silent
    with pytest.raises(ValueError, match="does not decode at once"):
        algebra_baselines.algebra_baselines(bundled, Mute())


def planted_baselines():
    """HPF: ours removes half; an equaliser 0.9 on the raw sound. RVB: ours is worse than nothing, on all four clips."""
    ours = {"HPF": 5.0, "RVB": 12.0}
    values = {"nothing": 10.0, "real": 1.0, "raw": 11.0, "eq_decoded": 8.0, "eq": 1.0}
    effects, clips = list(ours), list("abcd")
    spread = np.array([0.0, 0.1, 0.2, 0.3])
    variables = {"stft": (("effect", "approach", "k", "clip"), [[[one + spread]] for one in ours.values()])}
    for name, value in values.items():
        learned = name.startswith("eq")
        found = np.broadcast_to(value + spread, (2, 4))
        variables[f"stft_{name}"] = (
            (("effect", "k", "clip"), found[:, None]) if learned else (("effect", "clip"), found)
        )
    coordinates = {"effect": effects, "approach": ["ridge"], "k": [8], "clip": clips, "recording": ("clip", clips)}
    return xr.Dataset(variables, coordinates)


def test_where_a_method_loses_is_said_with_the_points():
    scores = planted_baselines()
    leads = baseline_leads(scores, "ridge", 8)
    assert leads.loc[("HPF", "eq"), "lead"] == pytest.approx(16 / 40.6)
    assert leads.loc[("HPF", "nothing"), "high"] < 0
    assert farther_effects(scores, "ridge", 8) == ["RVB"]
    assert lost_words(scores, "ridge", 8) == (
        "Ridge regression from 8 pairs ends farther from the real effect than doing nothing for reverb (20); than the "
        "raw dry sound for reverb (10); than the static equaliser on the raw dry sound for high-pass filter (39) and "
        "reverb (108); than the static equaliser on the decoded dry sound for reverb (39) (percentage points of the "
        "multi-resolution STFT distance)."
    )
    with pytest.raises(ValueError, match="has no baselines here"):
        baseline_leads(scores.drop_vars("stft_raw"), "ridge", 8)
    assert set(method_scores(scores, "stft", "ridge", 8)) == {METHODS["ridge"], REAL, *COMPARED.values()}
    curves = few_shot_scores(scores, "stft", "HPF")
    assert list(curves["raw dry sound"].index) == [8]


def table_of(missed, nothing):
    shape = ("effect", "approach", "k", "clip")
    variables = {
        "missed": (shape, np.array(missed, float)[None, None, None]),
        "missed_nothing": (("effect", "clip"), np.array(nothing, float)[None]),
        "missed_real": (("effect", "clip"), np.zeros((1, len(nothing)))),
    }
    coordinates = {"effect": ["HPF"], "approach": ["mean"], "k": [1], "recording": ("clip", list("abcd"))}
    return score_table(xr.Dataset(variables, coordinates), "latents")


def test_a_score_is_the_share_of_the_distance_that_is_gone():
    table = table_of([1, 2, 0, 1], [2, 4, 4, 6])
    assert isinstance(table, pd.DataFrame)
    own = table.loc[("HPF", "mean", 1)]
    assert own["score"] == pytest.approx(1 - 4 / 16)
    assert own["low"] < own["score"] < own["high"]
    assert table.loc[("HPF", "real", 0), "score"] == 1
    assert table_of([4, 8, 8, 12], [2, 4, 4, 6]).loc[("HPF", "mean", 1), "score"] == pytest.approx(-1)


def test_every_measure_reads():
    assert set(MEASURES) == {"latents", "averages", "stft", "logmel", "named"}
