"""`latentfx_nb.geometry`: straightness of shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from latentfx_nb import straightness


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


@pytest.mark.parametrize("shape", [(2, 8), (4, 1, 8), (8,), (0, 8)])
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
