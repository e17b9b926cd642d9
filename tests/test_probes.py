"""`analysis.probes`: no recording crosses a split, chance is chance, what is planted is found, tables add up."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from latentfx_nb.analysis import probes, training
from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.intervals import accuracy_interval, ratio_interval
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.probes import (
    class_accuracy,
    confusion_matrix,
    hit_share,
    learning_rate_curve,
    named_by,
    overall_accuracy,
    paper_table,
    probe_hits,
    probe_table,
)
from latentfx_nb.analysis.training import ProbeConfig, recording_splits
from latentfx_nb.paper import EFFECT_SETTINGS, TABLE_3, TABLE_3_CLASSES
from latentfx_nb.sound.clips import load_clips

train_probes = partial(probes.train_probes, bar=partial(tqdm, disable=True))
EFFECTS = list(EFFECT_SETTINGS)


def rows(n_recordings=20, n_labels=4, width=12, signal=0.0, seed=0):
    """Return features, labels and recordings: each recording through each label, told apart by `signal`."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(n_labels), n_recordings)
    recordings = np.repeat(np.arange(n_recordings), n_labels)
    directions = generator.standard_normal((n_labels, width))
    x = generator.standard_normal((len(labels), width)) + signal * directions[labels]
    return x.astype(np.float32), labels, recordings


def latents(n_clips=24, dim=6, frames=5, signal=1.0, seed=0):
    """Return `(clip, effect, dim, frame)`, two clips a recording, in which effects move the dims by `signal`."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n_clips, 10, dim, frames)) + signal * generator.standard_normal((10, dim, 1))
    coords = {
        "clip": [f"c{i}" for i in range(n_clips)],
        "effect": EFFECTS,
        "instrument": ("clip", np.where(np.arange(n_clips) % 4 < 2, "guitar", "piano")),
        "recording": ("clip", [f"r{i // 2}" for i in range(n_clips)]),
        "time_s": ("frame", np.arange(frames)),
    }
    return xr.DataArray(x.astype(np.float32), coords, ("clip", "effect", "dim", "frame"))


def of(x, labels, recordings, config=None):
    return train_probes(x, labels, config or ProbeConfig(), recordings=recordings)["probe"]


# ------------------------------------------------------------------------------------------------------- what is learnt


def test_separable_labels_are_all_named():
    assert overall_accuracy(of(*rows(signal=8.0))) == (1, 1, 1)


@pytest.mark.parametrize("width", [12, 300])
def test_shuffled_labels_are_named_by_chance(width):
    """Ten labels, 1000 rows: within four standard errors of 10 %."""
    x, labels, recordings = rows(100, 10, width, signal=3.0)
    shuffled = np.random.default_rng(0).permutation(labels)
    accuracy, low, high = overall_accuracy(of(x, shuffled, recordings))
    assert accuracy == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 1000))
    assert high - low < 8 * np.sqrt(0.09 / 1000)


def test_a_voice_of_each_recording_does_not_help():
    """Rows that are recognised by their recording alone tell nothing about a recording that was never heard."""
    _, _, recordings = rows(60)
    voices = np.random.default_rng(1).standard_normal((60, 30))[recordings]
    labels = np.random.default_rng(2).integers(0, 2, 60)[recordings]
    assert overall_accuracy(of(voices, labels, recordings))[0] < 0.75
    assert LogisticRegression(C=100).fit(voices, labels).score(voices, labels) == 1


def test_a_planted_direction_is_found():
    generator = np.random.default_rng(0)
    labels, recordings = np.tile([0, 1], 1000), np.repeat(np.arange(1000), 2)
    direction = generator.standard_normal(20)
    direction /= np.linalg.norm(direction)
    x = generator.standard_normal((2000, 20)) + 3 * np.outer(labels - 0.5, direction)
    found = of(x, labels, recordings)["weight"].mean(["seed", "fold"])[0].values
    assert found @ direction / np.linalg.norm(found) > 0.97


def test_weights_are_for_features_as_they_were_passed():
    x, labels, recordings = rows(40, signal=1.0)
    x = x * np.geomspace(0.1, 100, 12, dtype=np.float32) + 7
    result = of(x, labels, recordings)
    for fold, split in enumerate(recording_splits(labels, recordings)):
        z = x[split.test].astype(np.float64) @ result["weight"][0, fold].values.T + result["bias"][0, fold].values
        np.testing.assert_array_equal(z.argmax(axis=1), result["predicted"][0].values[split.test])


@pytest.mark.parametrize("encoder", ["diffae-mini", "stacked-mini-2", "logmel"])
def test_accuracy_is_that_of_logistic_regression(encoder):
    """On the bundled clips' time averages, the same training rows, scaled alike: within two points."""
    means = effect_means(load_clips("bundled"), encoder)
    config = ProbeConfig(seeds=(0, 1, 2))
    ours = overall_accuracy(train_probes(means, config=config)["probe"])[0]
    x, labels = means.values.reshape(-1, means.sizes["dim"]), np.tile(EFFECTS, means.sizes["clip"])
    recordings, right = np.repeat(means["recording"].values, 10), []
    for seed in config.seeds:
        for split in recording_splits(labels, recordings, seed=seed):
            scale = StandardScaler().fit(x[split.train])
            other = LogisticRegression(max_iter=5000).fit(scale.transform(x[split.train]), labels[split.train])
            right.append(other.predict(scale.transform(x[split.test])) == labels[split.test])
    assert ours == pytest.approx(np.concatenate(right).mean(), abs=0.02)


def test_features_need_scaling_and_are_not_scaled_if_told_so():
    x, labels, recordings = rows(40, signal=1.0)
    wild = x * np.geomspace(1e-4, 1e4, 12, dtype=np.float32)
    scaled, as_they_are = (of(wild, labels, recordings, ProbeConfig(standardise=how)) for how in (True, False))
    assert overall_accuracy(scaled)[0] == pytest.approx(overall_accuracy(of(x, labels, recordings))[0], abs=0.03)
    assert overall_accuracy(as_they_are)[0] < overall_accuracy(scaled)[0] - 0.1


@pytest.mark.parametrize("width", [12, 300])
def test_constant_features_change_nothing_but_the_draw(width):
    x, labels, recordings = rows(width=width, signal=8.0)
    dead = np.concatenate([x, np.full((len(x), 40), 0.1), np.zeros((len(x), 1))], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = of(dead, labels, recordings)
    assert overall_accuracy(result)[0] == 1
    assert (result["weight"].values[..., width:] == 0).all()


def test_a_feature_that_only_moves_where_it_is_tested_is_not_used():
    x, labels, recordings = rows(60, signal=8.0)
    x[:, 0] = 1e6 * (recordings == 3)
    assert hit_share(of(x, labels, recordings)).values[recordings == 3].all()


def test_features_that_are_all_equal_are_chance():
    _, labels, recordings = rows()
    result = of(np.ones((len(labels), 500), np.float32), labels, recordings)
    assert overall_accuracy(result)[0] == pytest.approx(1 / 4, abs=0.01)


# ------------------------------------------------------------------------------------------------------------- features


def test_averages_and_flattened_latents_are_trained_together_as_each_alone():
    x = latents(signal=0.4)
    features = {"toy-T": x.mean("frame"), "toy-F": x}
    config = ProbeConfig(seeds=(0, 3), max_epochs=40)
    together = train_probes(features, config=config)
    assert list(together) == ["toy-T", "toy-F"]
    assert [one.attrs["features"] for one in together.values()] == [6, 30]
    for name, one in features.items():
        xr.testing.assert_equal(together[name], train_probes({name: one}, config=config)[name])
        assert together[name]["predicted"].dims == ("seed", "clip", "effect")
        assert together[name]["weight"].shape == (2, 5, 10, one.size // 240)
    later = train_probes(features, config=replace(config, seeds=(3,)))["toy-T"]
    np.testing.assert_array_equal(later["predicted"][0], together["toy-T"]["predicted"][1])


def test_any_coordinate_or_array_may_be_the_label():
    x = latents(40, signal=0.5).mean("frame")
    x += 2.0 * (x["instrument"] == "guitar")
    by_name = train_probes(x, "instrument")["probe"]
    assert by_name["label"].values.tolist() == ["guitar", "piano"]
    assert by_name.attrs["parameters"] == 6  # two labels share a logit
    assert overall_accuracy(by_name)[0] > 0.9
    own = xr.DataArray(np.where(x["instrument"] == "guitar", "strings", "keys"), dims="clip")
    by_array = train_probes(x, own)["probe"]
    assert overall_accuracy(by_array) == pytest.approx(overall_accuracy(by_name), abs=0.02)
    with pytest.raises(ValueError, match="has no coordinate 'mood', only"):
        train_probes(x, "mood")


def test_wide_features_are_trained_from_a_scratch_file_alike(monkeypatch, own_cache):
    x = latents(signal=0.4).astype(np.float16).astype(np.float32)  # as a store holds them
    inside = train_probes(x)["probe"]
    monkeypatch.setattr(training, "MEMORY_BYTES", 4 * x.size - 1)
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 3 * 4 * x[0].size)
    monkeypatch.setattr("latentfx_nb.analysis.training.SCORE_BYTES", 7 * 4 * 30)
    outside = train_probes(x)["probe"]
    np.testing.assert_array_equal(outside["predicted"], inside["predicted"])
    np.testing.assert_allclose(outside["weight"], inside["weight"], atol=1e-4)
    assert list(own_cache.iterdir()) == []  # nothing is left


def test_copying_wide_features_shows_progress_and_can_be_stopped(monkeypatch, own_cache):
    monkeypatch.setattr(training, "MEMORY_BYTES", 0)
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 4 * latents()[:6].size)
    moved = []

    class Bar(tqdm):
        def update(self, n=1):
            moved.append(n)
            if len(moved) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probes.train_probes(latents(), bar=partial(Bar, disable=True))
    assert moved == [60, 60, 60]
    assert list(own_cache.iterdir()) == []


def test_wide_features_without_room_on_the_disk_are_an_error(monkeypatch, own_cache):
    monkeypatch.setattr(training, "MEMORY_BYTES", 0)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    with pytest.raises(OSError, match="set LATENTFX_CACHE to a folder on a larger disk"):
        train_probes(latents())


@pytest.mark.parametrize("memory", [0, 2**30])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_an_error(memory, value, monkeypatch, own_cache):
    monkeypatch.setattr(training, "MEMORY_BYTES", memory)
    x = latents()
    x[2, 3, 4, 1] = value
    with pytest.raises(ValueError, match="sample 23 has features that are NaN, infinite"):
        train_probes(x)


def test_features_beyond_half_precision_are_an_error_in_a_scratch_file(monkeypatch, own_cache):
    monkeypatch.setattr(training, "MEMORY_BYTES", 0)
    with pytest.raises(ValueError, match="beyond what their storage holds: drop it, scale them"):
        train_probes(1e6 * latents())


def test_means_and_scales_are_those_of_each_split(monkeypatch):
    generator = np.random.default_rng(0)
    x = (generator.standard_normal((500, 7)) * np.geomspace(0.01, 100, 7) + 50).astype(np.float32)
    subsets = [generator.permutation(500)[:n] for n in (300, 20)]
    monkeypatch.setattr("latentfx_nb.analysis.training.SCORE_BYTES", 90 * 4 * 7)
    means, scales = training.means_and_scales(Rows(x), subsets, True)
    for mean, scale, subset in zip(means, scales, subsets, strict=True):
        np.testing.assert_allclose(mean, x[subset].mean(axis=0, dtype=np.float64), rtol=1e-5)
        np.testing.assert_allclose(1 / scale, x[subset].std(axis=0, dtype=np.float64), rtol=1e-5)


def test_an_outlier_of_another_split_costs_no_precision():
    x = np.full((100, 3), 0.1, np.float32)
    x[:, 1] += 1e-3 * np.arange(100)
    x[90:] = 1e6
    (mean,), (scale,) = training.means_and_scales(Rows(x), [np.arange(90)], True)
    assert scale[0] == scale[2] == 0
    assert 1 / scale[1] == pytest.approx(x[:90, 1].std(dtype=np.float64), rel=1e-5)
    np.testing.assert_allclose(mean, x[:90].mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_validation_accuracy_is_told_while_training_and_a_bar_moves():
    told, moved = [], []

    class Bar(tqdm):
        def update(self, n=1):
            moved.append(n)

    features = {"easy": latents(signal=3.0).mean("frame"), "hard": latents(signal=0.0).mean("frame")}
    probes.train_probes(features, bar=partial(Bar, disable=True), watch=told.append)
    assert told[-1]["easy"] > 0.9 > 0.4 > told[-1]["hard"]
    assert sum(moved) == 10 * ProbeConfig().max_epochs


def test_training_can_be_stopped():
    def stop(accuracy):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_probes(latents(), watch=stop)


def test_one_label_is_nothing_to_tell_apart():
    x, _, recordings = rows()
    with pytest.raises(ValueError, match="a probe needs two labels to tell apart"):
        of(x, np.zeros(len(x)), recordings)


# --------------------------------------------------------------------------------------------------------------- splits


def test_no_recording_crosses_a_split_and_every_row_is_tested_once():
    _, labels, recordings = rows(13)
    tested = np.zeros(len(labels), int)
    for split in recording_splits(labels, recordings):
        parts = [set(recordings[part]) for part in split]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 13
        assert sorted(np.concatenate(split)) == list(range(len(labels)))
        assert all(set(labels[part]) == set(labels) for part in split)
        tested[split.test] += 1
    assert (tested == 1).all()


def test_splits_depend_on_the_seed_alone():
    _, labels, recordings = rows()
    drawn = [[tuple(split.test) for split in recording_splits(labels, recordings, seed=seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_one_fold_may_be_the_only_test_as_in_the_paper():
    x, labels, recordings = rows(signal=8.0)
    result = of(x, labels, recordings, ProbeConfig(test_folds=1, seeds=(0, 1)))
    for seed in range(2):
        test = recording_splits(labels, recordings, seed=seed)[0].test
        named = result["predicted"][seed].values
        assert (named[test] == labels[test]).all()
        assert (np.delete(named, test) == probes.UNTESTED).all()
    assert overall_accuracy(result) == (1, 1, 1)
    assert class_accuracy(result)["n"].iat[-1] == np.isfinite(hit_share(result)).sum()
    np.testing.assert_array_equal(confusion_matrix(result), np.eye(4))


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"folds": 2}, "there must be three"),
        ({"test_folds": 6}, "pass 1 to 5, or None"),
        ({"seeds": ()}, "pass at least one"),
        ({"learning_rate": -1}, "above zero"),
    ],
)
def test_a_configuration_that_cannot_be_is_an_error(setting, message):
    with pytest.raises(ValueError, match=message):
        ProbeConfig(**setting)


def test_too_few_recordings_are_an_error_with_a_remedy():
    x, labels, recordings = rows(4, signal=8.0)
    with pytest.raises(ValueError, match="5 folds need as many recordings, not 4: pass more clips, or fewer folds"):
        of(x, labels, recordings)
    assert overall_accuracy(of(x, labels, recordings, ProbeConfig(folds=3)))[0] > 0.8


def test_a_label_in_two_recordings_is_an_error():
    x, labels, recordings = rows()
    with pytest.raises(ValueError, match=r"'new' is heard in 2 recording\(s\), and a probe needs three"):
        of(x, np.where(np.isin(recordings, (3, 4)), "new", "old"), recordings)


def test_rows_that_do_not_fit_are_an_error():
    x, labels, recordings = rows()
    with pytest.raises(ValueError, match="80 labels and 79 recordings"):
        recording_splits(labels, recordings[1:])
    with pytest.raises(ValueError, match="labels of shape"):
        of(x, labels[1:], recordings)


# ------------------------------------------------------------------------------------------------------------- interval


def test_the_interval_of_independent_rows_is_the_textbooks():
    hits = np.random.default_rng(0).random(1000) < 0.3
    mean, low, high = accuracy_interval(hits, np.arange(1000))
    error = np.sqrt(mean * (1 - mean) / 1000)
    assert mean == hits.mean()
    assert (low, high) == (pytest.approx(mean - 1.96 * error, abs=0.003), pytest.approx(mean + 1.96 * error, abs=0.003))


def test_rows_of_one_recording_count_once():
    """Ten copies of every row are no more news than one."""
    hits = np.random.default_rng(0).random(100) < 0.5
    once = accuracy_interval(hits, np.arange(100))
    np.testing.assert_allclose(accuracy_interval(np.repeat(hits, 10), np.repeat(np.arange(100), 10)), once)
    alone = accuracy_interval(np.repeat(hits, 10), np.arange(1000))
    assert alone[2] - alone[1] < 0.4 * (once[2] - once[1])


def test_a_paired_difference_is_surer_than_its_parts():
    generator = np.random.default_rng(0)
    hits = generator.random(200) < 0.5
    better = hits | (generator.random(200) < 0.1)
    mean, low, high = accuracy_interval(better, np.arange(200), other=hits)
    assert mean == pytest.approx(better.mean() - hits.mean())
    assert 0 < low < mean < high < 0.15
    assert accuracy_interval(hits, np.arange(200), other=hits) == (0, 0, 0)


def test_the_interval_depends_on_the_seed_alone():
    hits, recordings = np.arange(40) % 3 == 0, np.arange(40)
    assert accuracy_interval(hits, recordings) == accuracy_interval(hits, recordings)
    assert accuracy_interval(hits, recordings, seed=1)[0] == accuracy_interval(hits, recordings)[0]


@pytest.mark.parametrize("hits, other", [([], None), ([1, 0], None), ([1, 0, 1], [1, 0])])
def test_an_interval_of_rows_that_do_not_fit_is_an_error(hits, other):
    with pytest.raises(ValueError, match="shape"):
        accuracy_interval(hits, [] if not hits else ["a", "b", "c"], other)


# --------------------------------------------------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def results():
    x = latents(signal=0.4)
    return train_probes({"toy-T": x.mean("frame"), "toy-F": x}, config=ProbeConfig(seeds=(0, 1)))


def test_accuracies_confusions_and_hits_are_of_the_same_answers(results):
    for result in results.values():
        hits, classes, confusion = hit_share(result), class_accuracy(result), confusion_matrix(result)
        right = result["predicted"].values == result["truth"].values
        assert float(hits.mean()) == right.mean()
        assert list(classes.index) == [*sorted(EFFECTS), "overall"]
        assert classes.loc["overall", "accuracy"] == pytest.approx(right.mean())
        assert classes["n"].tolist() == [24] * 10 + [240]
        assert ((classes["low"] <= classes["accuracy"]) & (classes["accuracy"] <= classes["high"])).all()
        np.testing.assert_allclose(confusion.sum("named"), 1)
        np.testing.assert_allclose(np.diagonal(confusion), classes["accuracy"].drop("overall"))


def test_hits_of_rows_are_those_of_the_probes():
    x = latents(signal=0.4).mean("frame")
    result = train_probes(x)["probe"]
    labels, recordings = np.tile(EFFECTS, 24), np.repeat(x["recording"].values, 10)
    np.testing.assert_array_equal(
        probe_hits(x.values.reshape(240, 6), labels, recordings), hit_share(result).values.ravel()
    )


def test_a_gain_is_paired(results):
    gain, low, high = overall_accuracy(results["toy-T"], results["toy-F"])
    both = [overall_accuracy(one)[0] for one in results.values()]
    assert gain == pytest.approx(both[0] - both[1])
    assert low < gain < high
    with pytest.raises(ValueError, match="train both on them"):
        overall_accuracy(results["toy-T"], train_probes(latents(12).mean("frame"))["probe"])


def test_the_table_has_the_columns_of_table_3(results):
    table, paper = probe_table(results), paper_table()
    assert list(table.columns[:12]) == list(paper.columns[:12]) == ["dim", "probe", *TABLE_3_CLASSES]
    assert list(table.columns[12:]) == ["overall", "low", "high", "class mean"]
    assert table["dim"].tolist() == [6, 30]
    assert table["probe"].tolist() == [60, 300]
    accuracy = class_accuracy(results["toy-T"])["accuracy"]
    assert table.loc["toy-T", "RVB"] == pytest.approx(100 * accuracy["RVB"])
    assert table.loc["toy-T", "class mean"] == pytest.approx(100 * accuracy.drop("overall").mean())
    assert pd.read_csv(pd.io.common.StringIO(table.to_csv()), index_col=0).shape == table.shape
    assert r"toy-T & 6 & 60 &" in table.to_latex(float_format="%.1f")


def test_the_papers_table_is_what_it_prints():
    table = paper_table()
    assert len(table) == len(TABLE_3) == 8
    assert table.loc["DiffAE-T", ["CMP", "DIS", "AVG"]].tolist() == [3.6, 92.9, 40.3]  # it writes DST for DIS
    assert table.loc["VGGish-F", ["dim", "probe", "CHS", "TRV"]].tolist() == [2176, 21_800, 98.0, 95.1]
    # Its AVG is the mean of its classes in one row of eight only (to a decimal).
    means = table[list(TABLE_3_CLASSES)].mean(axis=1)
    assert (means.sub(table["AVG"]).abs() > 0.06).sum() >= 5


def test_learning_rates_are_compared_on_the_same_splits():
    x = latents(signal=0.6).mean("frame")
    curve = learning_rate_curve({"toy-T": x}, rates=(1e-6, 1e-2), bar=partial(tqdm, disable=True))
    assert curve.index.tolist() == [("toy-T", 1e-6), ("toy-T", 1e-2)]
    assert curve.loc[("toy-T", 1e-2), "accuracy"] == overall_accuracy(train_probes(x)["probe"])[0]
    assert curve.loc[("toy-T", 1e-6), "accuracy"] < curve.loc[("toy-T", 1e-2), "low"]


# ------------------------------------------------------------------------------------------------ new features, ratios


@pytest.mark.parametrize("n_labels", [2, 4])
def test_new_features_are_named_as_the_probes_named_the_old_ones(n_labels):
    x, labels, recordings = rows(signal=0.7, n_labels=n_labels)
    result = of(x, labels, recordings)
    named = named_by(result, x, recordings)
    np.testing.assert_array_equal(named, result["label"].values[result["predicted"].values[0]])
    some = np.array([3, 8, 15])
    np.testing.assert_array_equal(named_by(result, x[some], recordings[some]), named[some])


def test_each_recording_is_named_by_the_fold_that_tested_it():
    x, labels, recordings = rows()
    result = of(x, labels, recordings)
    splits = recording_splits(labels, recordings)
    for fold, split in enumerate(splits):
        assert set(result["fold"].values[0, split.test]) == {fold}
    with pytest.raises(ValueError, match="no probe was tested on 99"):
        named_by(result, x[:1], [99])
    partly = of(x, labels, recordings, ProbeConfig(test_folds=1))
    untested = recordings[splits[1].test]
    with pytest.raises(ValueError, match="train on all folds"):
        named_by(partly, x[splits[1].test], untested)
    with pytest.raises(ValueError, match=r"these probes take \[sample 12\]"):
        named_by(result, x[:, :3], recordings)


def test_a_ratio_of_sums_and_its_interval():
    parts, wholes, recordings = np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 6, 8]), list("aabb")
    assert ratio_interval(parts, wholes, recordings) == pytest.approx((0.5, 0.5, 0.5))
    middle, low, high = ratio_interval(parts, np.full(4, 2.0), recordings)
    assert (middle, low, high) == pytest.approx((10 / 8, 3 / 4, 7 / 4))
    assert ratio_interval(parts, np.ones(4), recordings) == accuracy_interval(parts, recordings)
    with pytest.raises(ValueError, match="one recording each"):
        ratio_interval(parts, wholes[:3], recordings)
