"""`latentfx_nb.probes`: the reduction changes nothing, recordings never straddle a fold, chance is chance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from latentfx_nb import probes
from latentfx_nb.probes import accuracy_interval, grouped_folds, masking_losses, masking_losses_by_clip, probe_hits

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")

EFFECTS = ["CLN", "CHS", "DIS", "HPF"]


def rows(n_recordings=20, n_labels=4, width=12, signal=0.0, seed=0):
    """Return features, labels and recordings: each recording through each label, told apart by `signal`."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(n_labels), n_recordings)
    recordings = np.repeat(np.arange(n_recordings), n_labels)
    directions = generator.standard_normal((n_labels, width))
    x = generator.standard_normal((len(labels), width)) + signal * directions[labels]
    return x, labels, recordings


def means(n_clips=24, n_dims=6, told_by=None, seed=0):
    """Return `(clip, effect, dim)` noise; `told_by` maps an effect to the dims that each tell it from clean."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n_clips, len(EFFECTS), n_dims))
    for effect, dims in (told_by or {}).items():
        x[:, EFFECTS.index(effect), dims] += 12
    recording = [f"r{clip // 2}" for clip in range(n_clips)]
    coords = {"clip": np.arange(n_clips), "effect": EFFECTS, "recording": ("clip", recording)}
    return xr.DataArray(x, coords, ("clip", "effect", "dim"))


# ---------------------------------------------------------------------------------------------------------------- probe


def test_separable_labels_are_all_named():
    x, labels, recordings = rows(signal=8.0)
    assert probe_hits(x, labels, recordings).all()


@pytest.mark.parametrize("width", [12, 300])
def test_noise_is_named_by_chance(width):
    x, labels, recordings = rows(n_recordings=100, width=width)
    assert probe_hits(x, labels, recordings).mean() == pytest.approx(1 / 4, abs=0.09)  # 4 standard errors of 400 rows


def test_a_voice_of_each_recording_does_not_help():
    """Rows that are recognised by their recording alone tell nothing about a recording that was never heard."""
    _, _, recordings = rows(n_recordings=60)
    voices = np.random.default_rng(1).standard_normal((60, 30))[recordings]
    labels = np.random.default_rng(2).integers(0, 2, 60)[recordings]
    assert probe_hits(voices, labels, recordings).mean() < 0.75
    assert LogisticRegression(C=100).fit(voices, labels).score(voices, labels) == 1


@pytest.mark.parametrize("width", [90, 700])
def test_the_reduction_is_the_direct_fit(width, monkeypatch):
    monkeypatch.setattr(probes, "BLOCK_COLUMNS", 64)  # several blocks, the last one short
    x, labels, recordings = rows(width=width, signal=5 / np.sqrt(width))
    x = x * np.geomspace(0.01, 100, width) + 5
    hits = np.zeros(len(labels), bool)
    for train, test in grouped_folds(labels, recordings):
        scale = StandardScaler().fit(x[train])
        probe = LogisticRegression(max_iter=2000, tol=1e-7).fit(scale.transform(x[train]), labels[train])
        reduced = probes._reduced(x.astype(np.float32), train)
        assert reduced.shape[1] <= len(train)
        same = LogisticRegression(max_iter=2000, tol=1e-7).fit(reduced[train], labels[train])
        direct = probe.predict_proba(scale.transform(x[test]))
        np.testing.assert_allclose(same.predict_proba(reduced[test]), direct, atol=2e-3)
        hits[test] = probe.predict(scale.transform(x[test])) == labels[test]
    assert 0.3 < hits.mean() < 1
    monkeypatch.setattr(probes, "STRENGTHS", (1.0,))
    np.testing.assert_array_equal(probe_hits(x, labels, recordings), hits)


def test_the_penalty_is_chosen_on_recordings_held_back(monkeypatch):
    """A small difference of two large features is read with a weak penalty only, and that one is found."""
    _, labels, recordings = rows(n_recordings=40, n_labels=2)
    common = np.random.default_rng(0).standard_normal(len(labels))
    x = np.stack([common + 0.3 * labels, common], axis=1)
    assert probe_hits(x, labels, recordings).mean() > 0.95
    monkeypatch.setattr(probes, "STRENGTHS", (probes.STRENGTHS[0],))
    assert probe_hits(x, labels, recordings).mean() < 0.75


def test_two_recordings_are_enough_for_two_folds():
    x, labels, recordings = rows(n_recordings=2, signal=8.0)
    assert probe_hits(x, labels, recordings, folds=2).all()


@pytest.mark.parametrize("width", [12, 300])
def test_constant_features_change_nothing(width):
    x, labels, recordings = rows(width=width, signal=1.0)
    dead = np.concatenate([x, np.full((len(x), 40), 0.1), np.zeros((len(x), 1))], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hits = probe_hits(dead, labels, recordings)
    np.testing.assert_array_equal(hits, probe_hits(x, labels, recordings))


@pytest.mark.parametrize("width", [12, 300])
def test_a_feature_that_only_moves_where_it_is_tested_is_no_nan(width):
    x, labels, recordings = rows(width=width, signal=8.0)
    x[:, 0] = recordings == 3
    assert probe_hits(x, labels, recordings).mean() > 0.95


def test_features_that_are_all_equal_are_chance():
    _, labels, recordings = rows()
    assert probe_hits(np.ones((len(labels), 500)), labels, recordings).mean() == pytest.approx(1 / 4, abs=0.01)


def test_half_precision_latents_are_taken():
    x, labels, recordings = rows(width=200, signal=8.0)
    assert probe_hits(x.astype(np.float16), labels, recordings).all()


# ---------------------------------------------------------------------------------------------------------------- folds


def test_no_recording_is_on_both_sides_and_every_row_is_tested_once():
    _, labels, recordings = rows(n_recordings=13)
    tested = np.zeros(len(labels), int)
    for train, test in grouped_folds(labels, recordings):
        assert not set(recordings[train]) & set(recordings[test])
        assert set(labels[train]) == set(labels)
        tested[test] += 1
    assert (tested == 1).all()


def test_folds_depend_on_the_seed_alone():
    _, labels, recordings = rows()
    folds = [[tuple(test) for _, test in grouped_folds(labels, recordings, seed=seed)] for seed in (0, 0, 1)]
    assert folds[0] == folds[1] != folds[2]


def test_too_few_recordings_are_an_error_with_a_remedy():
    x, labels, recordings = rows(n_recordings=4)
    with pytest.raises(ValueError, match="5 folds need as many recordings, not 4: pass more clips, or fewer folds"):
        probe_hits(x, labels, recordings)
    assert len(probe_hits(x, labels, recordings, folds=2)) == 16


def test_a_label_in_one_recording_is_an_error():
    x, labels, recordings = rows()
    with pytest.raises(ValueError, match="'new' is heard in one recording only"):
        probe_hits(x, np.where(recordings == 3, "new", "old"), recordings)


def test_rows_that_do_not_fit_are_an_error():
    x, labels, recordings = rows()
    with pytest.raises(ValueError, match="80 labels and 79 recordings"):
        probe_hits(x, labels, recordings[1:])


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


# -------------------------------------------------------------------------------------------------------------- masking


def test_masking_the_only_dim_that_tells_costs_all_there_is():
    losses = masking_losses(means(told_by={"DIS": [2], "HPF": [1, 4]}))
    assert losses.dims == ("effect", "dim")
    assert list(losses["effect"].values) == ["CHS", "DIS", "HPF"]
    assert float(losses.sel(effect="DIS")[2]) == pytest.approx(50, abs=20)
    assert np.argmax(losses.sel(effect="DIS").values) == 2
    assert np.abs(losses.sel(effect="DIS").drop_isel(dim=2)).max() == 0
    assert np.abs(losses.sel(effect="HPF")).max() == 0  # either of two dims is enough
    assert np.abs(losses.sel(effect="CHS")).max() < 30
    assert losses.attrs["units"] == "percentage points"


def test_masking_is_a_probe_without_that_dim():
    x = means(told_by={"DIS": [2]})
    x[:, EFFECTS.index("DIS")] -= 10.5  # now every dim tells a little
    pair = x.sel(effect=["CLN", "DIS"])
    recordings, labels = np.tile(x["recording"].values, 2), np.repeat([0, 1], x.sizes["clip"])
    wide = np.concatenate([pair.sel(effect="CLN").values, pair.sel(effect="DIS").values])
    whole = probe_hits(wide, labels, recordings).mean()
    losses = masking_losses(pair)
    for dim in range(6):
        less = probe_hits(np.delete(wide, dim, axis=1), labels, recordings).mean()
        assert float(losses[0, dim]) == pytest.approx(100 * (whole - less), abs=2.1)  # one of 48 answers


def test_losses_by_clip_average_to_the_losses():
    x = means(told_by={"DIS": [2]})
    by_clip = masking_losses_by_clip(x)
    assert by_clip.dims == ("effect", "dim", "clip")
    xr.testing.assert_equal(by_clip.mean("clip"), masking_losses(x))
    assert list(by_clip["recording"].values) == list(x["recording"].values)
    assert set(np.unique(by_clip)) <= {-100, -50, 0, 50, 100}


def test_the_order_of_dims_and_effects_does_not_matter():
    x = means(told_by={"DIS": [2]})
    turned = x.transpose("dim", "effect", "clip").sel(effect=EFFECTS[::-1])
    xr.testing.assert_allclose(masking_losses(turned).sel(effect=EFFECTS[1:]), masking_losses(x))


def test_masking_without_clean_clips_is_an_error():
    with pytest.raises(ValueError, match="CLN is not among"):
        masking_losses(means().drop_sel(effect="CLN"))


def test_convergence_warnings_are_errors_here():
    with pytest.raises(ConvergenceWarning):
        warnings.warn("not converged", ConvergenceWarning, stacklevel=1)
