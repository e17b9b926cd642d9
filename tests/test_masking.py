"""`analysis.masking`: the dim that tells is the dim that costs, two that stand in for each other cost together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import xarray as xr
from tqdm import tqdm

from latentfx_nb.analysis import masking
from latentfx_nb.analysis.intervals import accuracy_interval
from latentfx_nb.analysis.masking import MASKING, loss_table, pair_masks, points_lost
from latentfx_nb.analysis.probes import train_probes

silent = partial(tqdm, disable=True)
mask_probes = partial(masking.mask_probes, bar=silent)
masking_losses = partial(masking.masking_losses, bar=silent)
greedy_masking = partial(masking.greedy_masking, bar=silent)

EFFECTS = ["CLN", "CHS", "DIS", "HPF"]


def means(n_clips=160, n_dims=6, told_by=None, seed=0):
    """Return `(clip, effect, dim)` noise; `told_by` maps an effect to the dims that each tell it from clean."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n_clips, len(EFFECTS), n_dims))
    for effect, dims in (told_by or {}).items():
        x[:, EFFECTS.index(effect), dims] += 12
    recording = [f"r{clip // 2}" for clip in range(n_clips)]
    coords = {"clip": np.arange(n_clips), "effect": EFFECTS, "recording": ("clip", recording)}
    return xr.DataArray(x, coords, ("clip", "effect", "dim"), name="means")


def test_a_dim_that_alone_tells_an_effect_loses_exactly_that_effect():
    losses = masking_losses(means(told_by={"DIS": [2], "HPF": [1, 4]}), against="unmasked").mean("clip")
    assert losses.dims == ("effect", "dim")
    assert list(losses["effect"].values) == ["CHS", "DIS", "HPF"]
    assert float(losses.sel(effect="DIS", dim=2)) == pytest.approx(50, abs=15)
    assert np.abs(losses.sel(effect="DIS").drop_isel(dim=2)).max() == 0
    assert np.abs(losses.sel(effect="HPF")).max() == 0  # either of two dims is enough
    assert np.abs(losses.sel(effect="CHS")).max() < 30  # noise: nothing tells it


def test_masking_is_training_without_that_dim():
    """On the same splits, from other first weights: nearly the same answers."""
    x = means(told_by={"DIS": [2]})
    x[:, EFFECTS.index("DIS")] -= 10.5  # now every dim tells a little
    pair = x.sel(effect=["CLN", "DIS"])
    right = mask_probes(pair)["right"].mean("clip")[0]
    for mask in range(7):
        less = pair if mask == 0 else pair.drop_isel(dim=mask - 1)
        named = train_probes(less, "effect", MASKING, bar=silent)["probe"]
        assert float(right[mask]) == pytest.approx(float((named["predicted"][0] == named["truth"]).mean()), abs=0.07)


def test_what_is_right_and_lost_is_told_for_each_clip():
    x = means(told_by={"DIS": [2]})
    study = mask_probes(x, config=replace(MASKING, seeds=(0, 1)))
    assert study["right"].dims == ("effect", "mask", "clip")
    assert study["mask"].values.tolist() == ["", "0", "1", "2", "3", "4", "5"]
    assert set(np.unique(study["right"])) <= {0, 0.25, 0.5, 0.75, 1}  # two renders, two seeds
    np.testing.assert_array_equal(study["hidden"], np.eye(7, 6, -1, dtype=bool))
    lost = points_lost(study)
    assert lost["recording"].values.tolist() == x["recording"].values.tolist()
    assert lost.attrs["units"] == "percentage points"


def test_points_are_lost_against_the_best_model_or_the_one_that_sees_all():
    study = mask_probes(means())
    right = 100 * study["right"].mean("clip")
    best, unmasked = (points_lost(study, against).mean("clip") for against in ("best", "unmasked"))
    np.testing.assert_allclose(best, (right.max("mask") - right).isel(mask=slice(1, None)))
    np.testing.assert_allclose(unmasked, (right.isel(mask=0) - right).isel(mask=slice(1, None)))
    assert float(best.min()) == 0 > float(unmasked.min())
    with pytest.raises(ValueError, match="not against 'worst'"):
        points_lost(study, "worst")


def test_two_dims_that_stand_in_for_one_another_cost_together():
    x = means(told_by={"HPF": [1, 4]})
    study = mask_probes(x.sel(effect=["CLN", "HPF"]), pair_masks(6))
    lost = points_lost(study, "unmasked").mean("clip")[0]
    assert float(lost.sel(mask="1 and 4")) == pytest.approx(50, abs=15)
    assert np.abs(lost.where(lost["mask"] != "1 and 4", drop=True)).max() == 0


def test_all_pairs_are_masked_once():
    masks = pair_masks(32)
    assert masks.shape == (496, 32)
    assert (masks.sum(axis=1) == 2).all()
    assert len({tuple(mask) for mask in masks}) == 496


def test_greedy_masking_finds_the_dims_that_carry_an_effect():
    x = means(told_by={"DIS": [0, 3], "HPF": [5]})
    found = greedy_masking(x, k=2)
    chosen = found["chosen"]
    np.testing.assert_allclose(chosen.sum("dim"), 2)
    assert chosen.sel(effect="DIS", dim=[0, 3]).values.tolist() == [1, 1]
    assert float(chosen.sel(effect="HPF", dim=5)) == 1
    right = found["right"].mean("clip")
    assert found["right"].dims == ("order", "effect", "hidden", "clip")
    assert right.sel(order="greedy", effect="DIS").values == pytest.approx([1, 1, 0.5], abs=0.15)
    assert right.sel(order="greedy", effect="HPF").values == pytest.approx([1, 0.5, 0.5], abs=0.15)
    np.testing.assert_array_equal(right.sel(order="greedy", hidden=0), right.sel(order="random", hidden=0))
    # Of 15 pairs of random dims one hides both of DIS's, and five HPF's only one.
    assert float(right.sel(order="random", effect="DIS", hidden=2)) > 0.7


def test_the_first_greedy_step_is_a_study_of_single_dims():
    x = means(told_by={"HPF": [5]})
    single = mask_probes(x)["right"].sel(effect="HPF", mask="5")
    np.testing.assert_array_equal(greedy_masking(x, 1)["right"].sel(order="greedy", effect="HPF", hidden=1), single)


def test_one_fold_may_be_the_only_test():
    study = mask_probes(means(told_by={"DIS": [2]}), config=replace(MASKING, test_folds=1))
    tested = np.isfinite(study["right"].isel(effect=0, mask=0))
    assert 20 <= int(tested.sum()) <= 44
    assert float(study["right"].sel(effect="DIS", mask="").mean()) == 1
    bars = loss_table(points_lost(study))["worst mask"]
    assert bars.loc["DIS", "points"] == pytest.approx(50, abs=20)
    both = mask_probes(means(told_by={"DIS": [2]}), config=replace(MASKING, test_folds=1, seeds=(0, 1)))
    assert int(tested.sum()) < int(np.isfinite(both["right"].isel(effect=0, mask=0)).sum()) <= 2 * int(tested.sum()) + 8


def test_the_table_tells_the_mean_and_the_worst_mask():
    lost = masking_losses(means(told_by={"DIS": [2]}))
    mean, worst = loss_table(lost).values()
    assert worst.loc["DIS", "text"] == "without 2"
    rows = lost.sel(effect="DIS", dim=2)
    assert tuple(worst.loc["DIS", ["points", "low", "high"]]) == accuracy_interval(rows, lost["recording"])
    np.testing.assert_allclose(mean["points"], lost.mean(["dim", "clip"]))


def test_the_order_of_dims_and_effects_does_not_matter():
    x = means(told_by={"DIS": [2]})
    turned = x.transpose("dim", "effect", "clip").sel(effect=["DIS", "CLN", "HPF", "CHS"])
    losses = masking_losses(turned)
    assert losses["effect"].values.tolist() == ["DIS", "HPF", "CHS"]
    assert float(losses.mean("clip").sel(effect="DIS", dim=2)) == pytest.approx(50, abs=15)


def test_labels_of_dims_are_kept():
    x = means(told_by={"DIS": [2]}).assign_coords(dim=[10, 20, 30, 40, 50, 60])
    assert masking_losses(x)["dim"].values.tolist() == [10, 20, 30, 40, 50, 60]
    assert mask_probes(x)["mask"].values[3] == "30"


@pytest.mark.parametrize("chosen, message", [(["CHS", "DIS"], "CLN is not among"), (["CLN"], "encode others too")])
def test_masking_without_something_to_compare_is_an_error(chosen, message):
    with pytest.raises(ValueError, match=message):
        mask_probes(means().sel(effect=chosen))


def test_masks_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"masks of shape \(5, 5\) do not fit 6 dims: pass \[mask 6\]"):
        mask_probes(means(), np.eye(5))


@pytest.mark.parametrize("k", [0, 6])
def test_more_dims_than_there_are_cannot_be_hidden(k):
    with pytest.raises(ValueError, match="pass 1 to 5"):
        greedy_masking(means(), k)


def test_means_that_are_not_finite_are_an_error():
    x = means()
    x[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        mask_probes(x)
