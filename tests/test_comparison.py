"""`latentfx_nb.analysis.comparison`: measures of planted paths, displacements and neighbourhoods."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tqdm.auto import tqdm

from latentfx_nb.analysis import geometry
from latentfx_nb.analysis.comparison import (
    MEASURES,
    displacements,
    encoder_measures,
    mean_ranks,
    path_measures,
    path_table,
    purity_by_window,
)
from latentfx_nb.analysis.measures import effect_dimension, measures_of
from latentfx_nb.analysis.neighbours import purity_table
from latentfx_nb.effects import EFFECTS

CLIPS = 12
SILENT = partial(tqdm, disable=True)


def labels(clips=CLIPS):
    names = [f"clip_{i}" for i in range(clips)]
    instruments = ["guitar" if i % 2 else "piano" for i in range(clips)]
    recordings = [f"rec_{i // 2}" for i in range(clips)]  # two clips each
    return {"clip": names, "instrument": ("clip", instruments), "recording": ("clip", recordings)}


def straight_paths(noise=0.0, seed=0):
    """Paths along one direction, the same for all clips, from different starts."""
    draw = np.random.default_rng(seed)
    start, direction = draw.standard_normal((CLIPS, 1, 16)), draw.standard_normal(16)
    along = np.linspace(0, 1, 32)[None, :, None] * direction
    values = start + along + noise * draw.standard_normal((CLIPS, 32, 16))
    return xr.DataArray(values, labels(), ("clip", "value", "dim"))


def test_straight_paths_of_one_direction_are_perfect_in_every_measure():
    found = path_measures(straight_paths())
    assert list(found.data_vars) == list(measures_of("paths"))
    for name, value in {"straightness": 1, "curvature": 0, "dimension": 1, "correlation": 1, "agreement": 1}.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4, err_msg=name)


def test_paths_are_measured_whatever_the_order_of_their_dims():
    paths = straight_paths(0.1)
    xr.testing.assert_allclose(path_measures(paths), path_measures(paths.transpose("dim", "clip", "value")))


def test_one_recording_has_no_agreement_but_is_still_measured():
    found = path_measures(straight_paths(0.1)[:2])
    assert np.isfinite(found["straightness"]).all()
    assert np.isnan(found["agreement"]).all()
    assert np.isnan(found["correlation"]).all()
    assert path_table({"HPF": straight_paths()[:2]}).loc[("HPF", "agreement"), "n"] == 0


def test_the_table_holds_means_and_intervals_over_recordings():
    paths = straight_paths(0.05)
    table = path_table({"one": paths, "other": paths + 0 * paths})
    assert list(table.columns) == ["value", "low", "high", "n"]
    row, own = table.loc[("one", "straightness")], geometry.straightness(paths)
    assert row["value"] == pytest.approx(float(own.mean()))
    assert row["low"] < row["value"] < row["high"]
    assert row["n"] == CLIPS


def planted_means(spread=0.0, seed=0):
    """Each effect moves all clips by a vector of its own, and by `spread` in a direction of the clip's own."""
    draw = np.random.default_rng(seed)
    clean, effects = draw.standard_normal((CLIPS, 1, 16)), draw.standard_normal((10, 16)) * 3
    effects[list(EFFECTS).index("CLN")] = 0
    own = spread * draw.standard_normal((CLIPS, 10, 16))
    own[:, list(EFFECTS).index("CLN")] = 0
    coordinates = {**labels(), "effect": list(EFFECTS)}
    return xr.DataArray(clean + effects + own, coordinates, ("clip", "effect", "dim"))


def test_effects_that_move_all_clips_alike_agree_and_have_one_dimension():
    agreement, moved = MEASURES["effect_agreement"], displacements(planted_means())
    assert moved.sizes == {"clip": CLIPS, "effect": 9, "dim": 16}
    np.testing.assert_allclose(agreement.per_clip(moved), np.ones(CLIPS))
    np.testing.assert_allclose(effect_dimension(moved), (1, 1, 1, CLIPS))
    scattered = displacements(planted_means(spread=20))
    assert agreement.estimate(scattered).value < 0.2
    assert effect_dimension(scattered).value > 4


def latents_of(clips=CLIPS, frames=48, seed=0):
    """The effect stands in the average over time, the clip in what happens when."""
    draw = np.random.default_rng(seed)
    effects = draw.standard_normal((1, 10, 8, 1))
    course = draw.standard_normal((clips, 1, 8, frames)) * 3
    course -= course.mean(axis=-1, keepdims=True)
    values = effects + course + 0.1 * draw.standard_normal((clips, 10, 8, frames))
    times = (np.arange(frames) + 0.5) / 100
    coordinates = {**labels(clips), "effect": list(EFFECTS), "time_s": ("frame", times)}
    return xr.DataArray(values.astype(np.float32), coordinates, ("clip", "effect", "dim", "frame"))


def test_windows_run_from_flattened_to_time_averaged():
    latents = latents_of()
    found = purity_by_window(latents, SILENT)
    flat = purity_table(latents, features=("dim", "frame"))
    mean = purity_table(latents.mean("frame"))
    windows = found.index.get_level_values("window_s").unique()
    assert windows[0] == pytest.approx(0.01)
    assert windows[-1] == pytest.approx(0.48)
    assert len(windows) == 7  # 48 frames halve to 24, 12, 6, 3, 2 and 1
    for label in flat.index:
        own = found.loc[label]
        assert own["purity"].iloc[0] == pytest.approx(flat.loc[label, "purity"], abs=1e-3)
        assert own["purity"].iloc[-1] == pytest.approx(mean.loc[label, "purity"], abs=1e-3)
        np.testing.assert_allclose(own["chance"], flat.loc[label, "chance"])
        assert (own["low"] <= own["purity"]).all()
        assert (own["purity"] <= own["high"]).all()
    assert found.loc["clip", "purity"].iloc[0] == 1
    assert found.loc["effect", "purity"].iloc[-1] == 1


def test_windows_of_one_frame_a_clip_are_one():
    found = purity_by_window(latents_of(frames=1), SILENT)
    assert len(found) == 3


def planted_rows(right):
    values = np.full((CLIPS, 10), right)
    names = ("hit_mean", "hit_flat", "same_effect_mean", "same_effect_flat")
    return xr.Dataset(dict.fromkeys(names, (("clip", "effect"), values)))


def planted_scores(missed, sound=True):
    shape = {"effect": ["HPF", "LPF"], "approach": ["mean", "ridge"], "k": [1, 8], "clip": [f"c{i}" for i in range(6)]}
    nothing = xr.DataArray(np.arange(1.0, 13).reshape(2, 6), dims=("effect", "clip"))
    moved = xr.DataArray(np.full((2, 2, 2, 6), missed), dims=tuple(shape)) * nothing
    variables = {"missed": moved, "missed_nothing": nothing}
    if sound:
        variables |= {"stft": moved * 0.5, "stft_nothing": nothing}
    recordings = ("clip", [f"r{i}" for i in range(6)])
    return xr.Dataset(variables, {**shape, "recording": recordings}).transpose("effect", "approach", "k", "clip")


def test_an_encoder_has_every_measure_that_there_is_data_for():
    paths = {"HPF": straight_paths(), "DIS": straight_paths(seed=1)}
    found = encoder_measures(planted_means(), paths, planted_rows(0.5), planted_scores(0.25))
    assert list(found.index) == list(MEASURES)
    perfect = ("straightness", "dimension", "correlation", "agreement", "effect_agreement", "effect_dimension")
    expected = {"probe_mean": 0.5, "same_effect_flat": 0.5, "curvature": 0, **dict.fromkeys(perfect, 1)}
    expected |= {"algebra_mean": 0.75, "algebra_ridge": 0.75, "algebra_sound": 0.875}
    for name, value in expected.items():
        assert found.loc[name, "value"] == pytest.approx(value, abs=1e-4), name
        assert found.loc[name, "low"] <= found.loc[name, "value"] + 1e-9
    without = encoder_measures(planted_means(), paths, planted_rows(0.5))
    assert without.loc["algebra_ridge":].isna().any(axis=None)
    assert without.loc["straightness", "n"] == CLIPS
    mute = encoder_measures(planted_means(), paths, planted_rows(0.5), planted_scores(0.25, sound=False))
    assert np.isnan(mute.loc["algebra_sound", "value"])
    assert mute.loc["algebra_ridge", "value"] == pytest.approx(0.75)


def test_ranks_know_which_way_is_better_and_leave_out_what_one_lacks():
    frame = pd.DataFrame({"value": 1.0}, index=list(MEASURES))
    best, worst = frame.copy(), frame.copy()
    for name, measure in MEASURES.items():
        best.loc[name, "value"], worst.loc[name, "value"] = (2, 0) if measure.more_is_better else (0, 2)
    worst.loc["algebra_sound", "value"] = np.nan
    ranks = mean_ranks({"worst": worst, "middle": frame, "best": best})
    assert ranks.to_dict() == {"worst": 3, "middle": 2, "best": 1}
