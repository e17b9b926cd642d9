"""`latentfx_nb.analysis.geometry`: shapes whose answer is known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import xarray as xr

from latentfx_nb import straightness
from latentfx_nb.analysis.geometry import (
    direction_agreement,
    extent,
    knob_correlation,
    participation_ratio,
    smooth,
    speed,
    total_curvature,
)


def in_dims(path, dims=64, seed=0):
    """Lay a path `[value 2]` into a random plane of `dims` dimensions, which keeps every distance."""
    plane = np.linalg.qr(np.random.default_rng(seed).standard_normal((dims, 2)))[0]
    return path @ plane.T


def arc(angle, n=2001):
    turn = np.linspace(0, angle, n)
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def test_a_line_is_1_however_unevenly_it_is_walked():
    steps = np.sort(np.random.default_rng(1).uniform(0, 7, 32))
    assert straightness(in_dims(np.outer(steps, [3.0, -4.0]))) == pytest.approx(1.0, abs=1e-12)


def test_a_closed_loop_is_0():
    assert straightness(in_dims(arc(2 * np.pi))) == pytest.approx(0.0, abs=1e-12)


def test_a_line_walked_there_and_back_is_0():
    path = np.concatenate([np.linspace(0, 1, 16), np.linspace(1, 0, 16)])[:, None] * np.ones(5)
    assert straightness(path) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("angle", [np.pi / 2, np.pi, 3 * np.pi / 2])
def test_an_arc_is_its_chord_over_its_length(angle):
    """A semicircle is 2 / pi."""
    assert straightness(in_dims(arc(angle))) == pytest.approx(2 * np.sin(angle / 2) / angle, rel=1e-6)


def test_scale_place_and_direction_do_not_matter():
    path = np.random.default_rng(2).standard_normal((32, 64)).cumsum(axis=0)
    assert straightness(1e-3 * path + 100.0) == pytest.approx(straightness(path), rel=1e-9)
    assert straightness(path[::-1]) == pytest.approx(straightness(path), rel=1e-12)


def test_a_path_that_never_moves_is_nan_and_its_neighbours_are_not():
    paths = np.zeros((3, 8, 4))
    paths[0] += np.arange(8)[:, None]
    paths[2] = 5.0
    result = straightness(paths)
    assert result[0] == pytest.approx(1.0)
    assert np.isnan(result[1:]).all()


def test_float32_paths_are_measured_in_float64():
    """A small arc far from the origin, whose steps float32 sums would lose."""
    path = (1000 + in_dims(arc(np.pi, 2001))).astype(np.float32)
    assert straightness(path) == straightness(path.astype(np.float64))
    assert straightness(path).dtype == np.float64


@pytest.mark.parametrize("shape", [(2, 8), (4, 1, 8), (0, 8)])
def test_too_few_points_are_an_error_that_names_the_shape(shape):
    with pytest.raises(ValueError, match="at least 3 points") as caught:
        straightness(np.zeros(shape))
    assert str(shape) in str(caught.value)


def test_a_labelled_sweep_gives_one_number_a_clip():
    values = np.random.default_rng(3).standard_normal((5, 32, 16)).cumsum(axis=1)
    sweep = xr.DataArray(
        values, {"clip": list("abcde"), "instrument": ("clip", ["guitar"] * 5)}, ("clip", "value", "dim")
    )
    result = straightness(sweep)
    assert result.dims == ("clip",)
    assert list(result["clip"].values) == list("abcde")
    assert list(result["instrument"].values) == ["guitar"] * 5
    np.testing.assert_array_equal(result.values, straightness(values))
    np.testing.assert_array_equal(straightness(sweep.transpose("dim", "value", "clip")).values, result.values)


def test_a_path_without_dims_is_an_error_that_names_the_shape():
    with pytest.raises(ValueError, match=r"over \(value, dim\) is needed, not of shape \(8,\)"):
        straightness(np.zeros(8))


# ----------------------------------------------------------------------------------------------------- total curvature


def helix(turns, pitch, n):
    angle = np.linspace(0, 2 * np.pi * turns, n)
    return np.stack([np.cos(angle), np.sin(angle), pitch * angle / (2 * np.pi)], axis=-1)


def test_a_line_does_not_turn_and_a_line_there_and_back_turns_once():
    line = np.outer(np.linspace(0, 1, 16), np.ones(5))
    assert total_curvature(line) == pytest.approx(0, abs=1e-6)
    assert total_curvature(np.concatenate([line, line[::-1]])) == pytest.approx(np.pi, abs=1e-6)


@pytest.mark.parametrize("angle", [np.pi / 2, np.pi, 2 * np.pi])
def test_an_arc_turns_by_its_angle(angle):
    assert total_curvature(in_dims(arc(angle))) == pytest.approx(angle, rel=1e-3)


@pytest.mark.parametrize("pitch", [0.0, 2.0, 10.0])
def test_a_helix_has_its_closed_forms(pitch):
    """Curvature 1 / (1 + c^2), length 2 pi t sqrt(1 + c^2), with c the pitch over 2 pi; whole turns end above."""
    turns, c = 3, pitch / (2 * np.pi)
    path = helix(turns, pitch, 6001)
    assert total_curvature(path) == pytest.approx(2 * np.pi * turns / np.sqrt(1 + c * c), rel=1e-3)
    assert straightness(path) == pytest.approx(c / np.sqrt(1 + c * c), abs=1e-6)


def test_turning_ignores_steps_that_stand_still():
    path = np.repeat(arc(np.pi, 50), 3, axis=0)
    assert total_curvature(path) == pytest.approx(total_curvature(arc(np.pi, 50)), abs=1e-12)
    assert np.isnan(total_curvature(np.zeros((5, 3))))


# ------------------------------------------------------------------------------------ dimension, agreement, correlation


def test_displacements_along_one_direction_have_one_dimension():
    scales = np.random.default_rng(0).uniform(-2, 5, 40)
    assert participation_ratio(np.outer(scales, [3.0, -4.0, 1.0])) == pytest.approx(1, abs=1e-12)
    same = np.ones((10, 1)) * np.array([[1.0, 2.0]])
    assert participation_ratio(same) == pytest.approx(1)  # about zero: one direction, though it has no variance


@pytest.mark.parametrize("n", [2, 5, 16])
def test_displacements_alike_in_n_directions_have_n_dimensions(n):
    directions = np.linalg.qr(np.random.default_rng(n).standard_normal((64, n)))[0].T
    assert participation_ratio(np.concatenate([directions, -2 * directions])) == pytest.approx(n)
    assert np.isnan(participation_ratio(np.zeros((3, 4))))


def test_random_directions_agree_by_0_and_equal_ones_by_1():
    random = np.random.default_rng(0).standard_normal((400, 64))
    assert abs(direction_agreement(random).mean()) < 3 / np.sqrt(64) / 400
    same = np.outer(np.arange(1, 5), [0.0, 3.0, 4.0])
    np.testing.assert_allclose(direction_agreement(same), 1)


def test_clips_of_one_recording_do_not_agree_with_themselves():
    """Two takes of one piece move alike; between the pieces there is a right angle."""
    moved = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    labelled = xr.DataArray(moved, {"clip": list("abcd"), "recording": ("clip", ["x", "x", "y", "z"])}, ("clip", "dim"))
    found = direction_agreement(labelled)
    np.testing.assert_allclose(found, [0, 0, 0, np.nan], atol=1e-12)
    assert list(found["clip"].values) == list("abcd")


def test_agreement_is_of_each_effect_alone():
    moved = xr.DataArray(np.random.default_rng(3).standard_normal((6, 4, 5)), dims=("clip", "effect", "dim"))
    found = direction_agreement(moved)
    assert found.dims == ("clip", "effect")
    np.testing.assert_allclose(found[:, 2], direction_agreement(moved[:, 2]))


def planted_paths(noise, seed=0, clips=6, values=32, dims=20):
    draw = np.random.default_rng(seed)
    direction = draw.standard_normal(dims)
    start, bends = draw.standard_normal((clips, 1, dims)) * 5, draw.standard_normal((clips, values, dims))
    return start + np.linspace(0, 1, values)[None, :, None] * direction + noise * bends


def test_one_direction_for_all_clips_tells_the_knob():
    np.testing.assert_allclose(knob_correlation(planted_paths(0.0)), 1, atol=1e-6)
    assert (knob_correlation(planted_paths(0.1)) > 0.9).all()


def test_a_direction_of_each_clips_own_tells_the_others_nothing():
    draw = np.random.default_rng(1)
    own = draw.standard_normal((40, 1, 64)) * np.linspace(0, 1, 32)[:, None]
    assert abs(knob_correlation(own).mean()) < 3 / np.sqrt(40)
    assert np.isnan(knob_correlation(np.zeros((3, 5, 4)))).all()


def test_comparisons_between_clips_need_two_recordings():
    with pytest.raises(ValueError, match="pass two or more"):
        direction_agreement(np.ones((3, 4)), ["a", "a", "a"])
    with pytest.raises(ValueError, match="one recording each"):
        knob_correlation(planted_paths(0.1), ["a", "b"])


# -------------------------------------------------------------------------------------------------------- trajectories


def trajectory(values, rate=100.0):
    return xr.DataArray(values, {"time_s": ("frame", (np.arange(values.shape[-1]) + 0.5) / rate)}, ("dim", "frame"))


def test_speed_and_extent_of_a_circle():
    """Radius 2, one turn a second."""
    angle = 2 * np.pi * np.arange(1000) / 100
    circle = trajectory(2 * np.stack([np.cos(angle), np.sin(angle)]))
    assert float(speed(circle)) == pytest.approx(4 * np.pi, rel=1e-3)
    assert float(extent(circle)) == pytest.approx(2, rel=1e-6)
    assert np.isnan(speed(circle[:, :1]))


def test_smoothing_averages_a_window_in_seconds():
    ramp = trajectory(np.arange(100.0)[None])
    np.testing.assert_allclose(smooth(ramp, 0.05)[0, 2:-2], np.arange(2.0, 98.0), atol=1e-4)
    assert float(smooth(ramp, 0.05)[0, 0]) == pytest.approx(1.0)  # frames 0, 1 and 2: what there is
    np.testing.assert_allclose(smooth(ramp, 0.001), ramp)
    np.testing.assert_allclose(smooth(ramp, 1e6), 49.5, atol=25.5)
    with pytest.raises(ValueError, match="above 0"):
        smooth(ramp, 0)


@pytest.mark.parametrize("measure", [straightness, total_curvature, participation_ratio, knob_correlation])
def test_dims_that_are_missing_are_named(measure):
    x = xr.DataArray(np.random.default_rng(0).standard_normal((4, 5, 6)), dims=("clip", "effect", "dim"))
    with pytest.raises(ValueError, match=r"over \('clip', 'effect', 'dim'\) lacks value: rename"):
        measure(x)
    with pytest.raises(ValueError, match="lacks dim: rename"):
        measure(x.rename(effect="value", dim="feature"))


def test_what_directions_and_trajectories_lack_is_named():
    x = xr.DataArray(np.random.default_rng(0).standard_normal((4, 5, 6)), dims=("piece", "effect", "dim"))
    with pytest.raises(ValueError, match="lacks clip: rename"):
        direction_agreement(x)
    with pytest.raises(ValueError, match=r"over \(clip, ..., dim\) is needed, not of shape \(3,\)"):
        direction_agreement(np.ones(3))
    for measure in (partial(smooth, window_s=0.1), speed):
        with pytest.raises(ValueError, match="lacks frame"):
            measure(x)
        with pytest.raises(ValueError, match="lacks time_s"):
            measure(x.rename(effect="frame"))
    with pytest.raises(ValueError, match="lacks frame"):
        extent(x)
    for measure in (partial(smooth, window_s=0.1), speed, extent):
        with pytest.raises(TypeError, match="a labelled array with .*frame.* is needed, as encode_effects gives, not"):
            measure(x.values)
