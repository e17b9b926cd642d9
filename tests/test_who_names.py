"""Who names the effect: nothing leaks into a reduction, stems of a song stay together, what ships was measured so."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tqdm import tqdm

from latentfx_nb.analysis import prepared, shipped, who_names
from latentfx_nb.analysis.intervals import estimate, estimates
from latentfx_nb.analysis.matched import Reduction, rightly_named
from latentfx_nb.analysis.probes import train_probes
from latentfx_nb.analysis.training import ProbeConfig, recording_splits
from latentfx_nb.effects import TABLE_1
from latentfx_nb.encoders import load_encoder, weights_hash
from latentfx_nb.encoders.logmel import mel_filters
from latentfx_nb.encoders.untrained import untrained
from latentfx_nb.pages.content import who_names as content
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.songs import songs_of
from tools import who_names as measuring

QUIET = partial(tqdm, disable=True)
PCA, RANDOM = Reduction("PCA", 32), Reduction("random", 32)


def planted(signal, songs=20, labels=4, width=200, hidden=6, seed=0):
    """Return features, labels and songs: labels differ along `hidden` directions that many features share."""
    generator = np.random.default_rng(seed)
    truth, of = np.tile(np.arange(labels), songs), np.repeat(np.arange(songs), labels)
    places = signal * generator.standard_normal((labels, hidden))[truth] + generator.standard_normal(
        (len(truth), hidden)
    )
    x = places @ generator.standard_normal((hidden, width)) + 0.1 * generator.standard_normal((len(truth), width))
    return x.astype(np.float32), truth, of


def named(x, truth, of, reduction=None, **options):
    return rightly_named(x, truth, of, reduction, ProbeConfig(**options), QUIET)


# ---------------------------------------------------------------------------------------------------------- reductions


@pytest.mark.parametrize("reduction", [None, PCA, RANDOM], ids=str)
def test_planted_labels_are_named_at_every_size(reduction):
    assert named(*planted(signal=12.0), reduction).mean() == 1


@pytest.mark.parametrize("reduction", [None, PCA, RANDOM], ids=str)
def test_shuffled_labels_are_named_by_chance(reduction):
    """Four labels, 400 rows: within four standard errors of 25 %."""
    x, truth, songs = planted(signal=5.0, songs=100)
    right = named(x, np.random.default_rng(1).permutation(truth), songs, reduction)
    assert abs(right.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 400)


def test_without_a_reduction_these_are_the_probes_of_page_05():
    x, truth, songs = planted(signal=0.7)
    config = ProbeConfig(seeds=(0, 3))
    result = train_probes(x, truth, config, recordings=songs, bar=QUIET)["probe"]
    same = rightly_named(x, truth, songs, None, config, QUIET)
    assert np.array_equal(same, (result["predicted"] == result["truth"]).values) and 0.3 < same.mean() < 1


@pytest.mark.parametrize("reduction", [PCA, RANDOM], ids=str)
def test_only_training_songs_have_a_say_in_a_reduction(reduction):
    x, truth, songs = planted(signal=1.0)
    split = recording_splits(truth, songs)[0]
    others = np.concatenate([split.validation, split.test])
    changed = x.copy()
    changed[others] = 100 * np.random.default_rng(2).standard_normal((len(others), x.shape[1]))
    one, other = reduction.of(x, split.train), reduction.of(changed, split.train)
    assert one.shape == (len(x), 32) and np.array_equal(one[split.train], other[split.train])
    assert not np.allclose(one[others], other[others])


def test_pca_keeps_what_the_training_rows_spread_along():
    x, truth, songs = planted(signal=1.0)
    train = recording_splits(truth, songs)[0].train
    reduced = PCA.of(x, train)[train]
    share = np.square(reduced[:, :6]).sum() / np.square((x[train] - x[train].mean(0)) / x[train].std(0)).sum()
    assert share > 0.98  # six directions were planted
    assert np.allclose(np.corrcoef(reduced[:, :6].T), np.eye(6), atol=1e-3)


def test_random_directions_differ_from_seed_to_seed_and_keep_lengths():
    x, truth, songs = planted(signal=1.0)
    train = recording_splits(truth, songs)[0].train
    one, other = (Reduction("random", 64).of(x, train, seed) for seed in (0, 1))
    assert np.array_equal(one, Reduction("random", 64).of(x, train, 0)) and not np.allclose(one, other)
    scaled = (x - x[train].mean(0)) / x[train].std(0)
    ratio = np.linalg.norm(one[1:] - one[:-1], axis=1) / np.linalg.norm(np.diff(scaled, axis=0), axis=1)
    assert 0.8 < np.median(ratio) < 1.25


def test_features_that_are_few_enough_stay_as_they_are():
    x = planted(signal=1.0, width=32)[0]
    assert PCA.of(x, np.arange(10)) is x


# --------------------------------------------------------------------------------------------------------------- songs


def test_stems_of_one_slakh_track_are_one_song():
    recordings = ["gtr_slakh_train1_S07", "pno_slakh_train1_S02", "gtr_slakh_test1876_S03", "gtr_mdn", "take_S01"]
    assert songs_of(pd.DataFrame({"recording": recordings})) == [
        "slakh_train1", "slakh_train1", "slakh_test1876", "gtr_mdn", "take_S01"]  # fmt: skip


def test_a_manifest_can_say_the_song():
    table = pd.DataFrame({"recording": ["a", "b", "gtr_slakh_train1_S07"], "song": ["one", "one", ""]})
    assert songs_of(table) == ["one", "one", "slakh_train1"]


def test_no_split_parts_the_stems_of_a_song(real_clips):
    songs, recordings = np.array(real_clips.songs()), real_clips.table["recording"]
    assert len(set(songs)) == recordings.nunique() - 3
    for split in recording_splits(np.tile(["CLN", "DIS"], len(songs)), np.repeat(songs, 2)):
        sides = [set(np.repeat(songs, 2)[rows]) for rows in split]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


# ------------------------------------------------------------------------------------------------------------ verdicts


def answers(**rights):
    """Return answers of ten songs of two clips, as they ship: row -> how many of five seeds name a clip."""
    names = list(rights)
    by_clip = np.array([np.resize(one, 20) for one in rights.values()])
    right = np.tile(by_clip[:, None, :, None], (1, 1, 1, 10))
    kinds = [who_names.kind_of(name, decodes=True) for name in names]
    return xr.Dataset(
        {
            "right": (("row", "size", "clip", "effect"), right),
            "accuracy": (("row", "size", "seed"), np.repeat(right.mean((2, 3))[..., None] / 5, 5, 2)),
        },
        {
            "row": names, "size": ["full"], "effect": list(TABLE_1), "seed": range(5),
            "kind": ("row", kinds), "dim": ("row", [8] * len(names)), "song": ("clip", np.repeat(range(10), 2)),
        },
    )  # fmt: skip


def test_a_claim_holds_is_refuted_or_stays_undecided():
    data = answers(**{"yamnet": [4], "diffae-mini": [3], "lyra-v2": [2]})
    (found,) = who_names.classifier_verdicts(data, "full")
    assert (found.one, found.other, found.outcome) == ("yamnet", "diffae-mini", "holds")
    assert found.gain[:3] == pytest.approx((0.2, 0.2, 0.2)) and found.gain.n == 20
    data = answers(**{"yamnet": [2], "diffae-mini": [3], "lyra-v2": [1]})
    assert [one.outcome for one in who_names.classifier_verdicts(data, "full")] == ["refuted"]
    data = answers(**{"yamnet": [5, 5, 0, 0], "diffae-mini": [0, 0, 4, 5]})
    assert [one.outcome for one in who_names.classifier_verdicts(data, "full")] == ["undecided"]
    assert who_names.classifier_verdicts(answers(**{"lyra-v2": [3]}), "full") == []
    with pytest.raises(ValueError, match="compared with nothing"):
        who_names.verdict(data, "full", "yamnet", [])


def test_columns_have_the_intervals_that_each_has_alone():
    generator = np.random.default_rng(0)
    values, songs = generator.random((40, 3)), generator.integers(0, 9, 40)
    assert np.allclose(estimates(values, songs), [estimate(column, songs) for column in values.T])
    with pytest.raises(ValueError, match=r"need \[row column\] and a recording for each row"):
        estimates(values, songs[1:])


def test_draws_of_random_weights_are_one_row_and_a_baseline():
    draws = {f"diffae-mini, random weights {seed}": [seed] for seed in range(5)}
    data = answers(**{"diffae-mini": [3], "logmel": [1], **draws})
    table = who_names.accuracies(data).xs("full", level="size")
    assert list(table.index) == ["diffae-mini", "diffae-mini, random weights", "logmel"]
    assert table.loc["diffae-mini, random weights", ["value", "least", "most"]].tolist() == pytest.approx([0.4, 0, 0.8])
    assert table["kind"].tolist() == ["autoencoder", "random weights", "statistics"]
    assert list(who_names.lost(data)) == []
    (against,) = who_names.lost(answers(**{"diffae-mini": [2], "logmel": [1], "logmel-stats": [4]}))
    assert (against.other, against.outcome) == ("logmel-stats", "refuted")


# -------------------------------------------------------------------------------------------------------- what is said


def test_who_loses_is_said_first_and_the_headline_has_its_verdicts(monkeypatch):
    data = answers(**{"diffae-mini": [2], "logmel-stats": [4], "yamnet": [5], "lyra-v2, random weights 0": [1]})
    monkeypatch.setattr(content, "published", {"real": data}.get)
    assert content.lost_words() == [
        "On real recordings, diffae-mini names fewer effects than logmel-stats, its best baseline: "
        "-40.0 points (-40.0 to -40.0)."
    ]
    claims = content.claims()
    assert claims[0][1:] == ("+60.0 points (+60.0 to +60.0) against diffae-mini, its closest rival", "holds")
    assert "real recordings" in claims[0][0] and claims[-1][2] == "not tested"
    rows = {row[0]: row for row in content.rows(data)}
    assert list(rows)[:2] == ["yamnet", "logmel-stats"] and "lyra-v2, random weights (1 draw)" in rows
    assert (
        rows["diffae-mini"][1:4] == ("autoencoder", "8", "40.0 (40 to 40)") and rows["diffae-mini"][4] == content.SAME
    )
    assert rows["VGGish, in the paper"][-1] == "not tested here: its weights were out of reach"
    assert rows["guessing"][3] == "10"


# ---------------------------------------------------------------------------------------------------------- publishing


@pytest.fixture
def few_seeds(monkeypatch, own_points):
    """Measure with two seeds of three epochs, into a copy of what ships."""
    config = ProbeConfig(seeds=(0, 1), max_epochs=3)
    for module in (who_names, measuring):
        monkeypatch.setattr(module, "PROTOCOL", config)
    return own_points


def test_only_rows_that_are_missing_are_measured(few_seeds, bundled, monkeypatch):
    clips = bundled[:12]
    monkeypatch.setattr(
        measuring, "_means", lambda name, load, clips: np.random.default_rng(0).random((len(clips), 10, 40))
    )
    encoders = {name: partial(SimpleNamespace, weights_hash=name) for name in ("yamnet", "logmel")}
    assert list(measuring.publish("bundled", clips, encoders)) == ["yamnet", "logmel"]
    assert list(measuring.publish("bundled", clips, encoders)) == []
    first = who_names.published("bundled")
    encoders = {"new": partial(SimpleNamespace, weights_hash="n")} | encoders
    encoders["logmel"] = partial(SimpleNamespace, weights_hash="other weights")
    assert list(measuring.publish("bundled", clips, encoders)) == ["new", "logmel"]
    data = who_names.published("bundled")
    assert data["row"].values.tolist() == ["new", "yamnet", "logmel"]
    assert data["weights_hash"].values.tolist() == ["n", "yamnet", "other weights"]
    assert (
        data["kind"].values.tolist() == ["encoder", "classifier", "statistics"]
        and data["dim"].values.tolist() == [40] * 3
    )
    assert data.sel(row="yamnet")["right"].equals(first.sel(row="yamnet")["right"])
    assert np.allclose(data["right"].mean(("clip", "effect")) / 2, data["accuracy"].mean("seed"))
    assert list(measuring.publish("bundled", bundled[:13], {"yamnet": encoders["yamnet"]})) == ["yamnet"]  # other clips


def test_one_number_is_measured_and_is_no_good(bundled):
    """The centroid of the average spectrum: above chance, far below statistics, and the same at every size."""
    levels_db = prepared.effect_means(bundled, "logmel", compute=False).values
    bands_hz = mel_filters() @ np.linspace(0, SAMPLE_RATE_HZ / 2, mel_filters().shape[1]) / mel_filters().sum(1)
    power = 10 ** (levels_db / 10)
    centroid = np.log((power @ bands_hz) / power.sum(-1))[..., None].astype(np.float32)
    found = measuring.measured(centroid, bundled, QUIET)
    assert (found["right"] == found["right"][0]).all()
    accuracy = float(found["accuracy"][0].mean())
    statistics = who_names.accuracies(who_names.published("bundled")).loc[("logmel-stats", "full"), "value"]
    assert 1.5 * who_names.CHANCE < accuracy < statistics - 0.3


# ---------------------------------------------------------------------------------------------------------- what ships


@pytest.mark.parametrize("clip_set", who_names.SETS)
def test_the_table_that_ships_is_of_the_encoders_that_there_are(clip_set):
    data = who_names.published(clip_set)
    rows = [str(name) for name in data["row"].values]
    assert {"diffae-mini", "stacked-mini-2", "logmel", "logmel-stats", "texture-stats", "lyra-v2"} <= set(rows)
    for name, kept in zip(rows, data["weights_hash"].values, strict=True):
        model, _, seed = name.partition(who_names.DRAWN)
        assert (untrained(model, int(seed), "cpu").weights_hash if seed else weights_hash(model)) == kept, name
    assert set(data.data_vars) == {"right", "accuracy"}  # no sound, no latents
    assert data["right"].min() >= 0 and data["right"].max() <= 5
    assert np.allclose(data["right"].mean(("clip", "effect")) / 5, data["accuracy"].mean("seed"), atol=1e-6)
    assert len(set(data["song"].values)) == {"real": 14, "bundled": 48}[clip_set]


def test_the_bundled_table_is_of_the_bundled_clips(bundled):
    data = shipped.read(who_names.piece("bundled"))
    assert data["clip_hash"].values.tolist() == bundled.hashes()
    assert data["song"].values.tolist() == bundled.songs()


def test_the_real_table_is_of_the_real_clips(real_clips):
    data = shipped.read(who_names.piece("real"))
    assert data["clip_hash"].values.tolist() == real_clips.hashes()
    assert data["song"].values.tolist() == real_clips.songs()


@pytest.mark.ci
def test_a_row_that_ships_is_what_is_measured_here(bundled):
    """Other processors compute other last bits, so single renders may be named otherwise."""
    means = prepared.effect_means(bundled, "logmel", compute=False).values
    found, kept = measuring.measured(means, bundled, QUIET), who_names.published("bundled").sel(row="logmel")
    assert np.abs(found["right"].values - kept["right"].values).mean() < 0.1
    assert np.allclose(found["accuracy"].mean("seed"), kept["accuracy"].mean("seed"), atol=0.01)


@pytest.mark.ci
def test_averages_are_those_that_are_encoded_clip_by_clip(bundled, own_cache):
    found = measuring.averages(bundled[:1], {"logmel": partial(load_encoder, "logmel", "cpu")})["logmel"]
    assert np.allclose(found, prepared.effect_means(bundled[:1], "logmel", compute=False), atol=2e-3)
