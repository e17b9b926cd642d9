"""`latentfx_nb.nearness`: what another processor computed is found, and nothing else is."""

from __future__ import annotations

import os

import numpy as np
import pytest

from latentfx_nb import nearness
from latentfx_nb.nearness import NEAR, Sketch, keep_near, kept_near, random_sums


def rows(seed=0, shape=(12, 300)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sketched(x, by_row=False):
    return Sketch.of(random_sums(x), np.arange(len(x)) * by_row)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "near"


def keep(folder, x, made, name="name", most=100, **options):
    keep_near(folder, name, sketched(x, **options), np.asarray(made), "it", most)


def found(folder, x, name="name", **options):
    made = kept_near(folder, name, sketched(x, **options))
    return None if made is None else made.item()


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_last_bits_make_no_difference(folder, by_row, towards):
    x = rows()
    keep(folder, x, 1.5, by_row=by_row)
    moved = np.nextafter(x, np.float32(towards))
    assert (moved != x).all() and sketched(x).label.tobytes() != sketched(moved).label.tobytes()
    assert found(folder, moved, by_row=by_row) == 1.5
    assert found(folder, x * np.float32(1 + NEAR / 10), by_row=by_row) == 1.5


@pytest.mark.parametrize(
    "change",
    [
        lambda x: 1.01 * x,
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: np.roll(x, 1, axis=1),
        lambda x: x[:, [1, 0, *range(2, x.shape[1])]],  # two features change places
        lambda x: x + 0.01,
        lambda x: x * np.where(np.arange(len(x)) == 3, 1.01, 1)[:, None].astype("f4"),  # one row
        lambda x: x + np.eye(*x.shape, 7, dtype="f4") * np.eye(len(x), dtype="f4")[:, :1],  # one number
    ],
)
def test_a_change_is_another_input(folder, change):
    x = rows()
    keep(folder, x, 1)
    assert found(folder, np.ascontiguousarray(change(x))) is None


def test_a_weak_part_is_measured_by_itself(folder):
    x = rows()
    x[3] *= 1e-6
    for by_row in (True, False):
        keep(folder, x, 1, name=str(by_row), by_row=by_row)
    moved = x.copy()
    moved[3] *= 1.01
    assert found(folder, moved, name="True", by_row=True) is None
    assert found(folder, moved, name="False") == 1


def test_names_are_exact(folder):
    keep(folder, rows(), 1, name="PCA of 3")
    assert found(folder, rows(), name="PCA of 2") is None


def test_the_nearest_of_several_is_found(folder):
    x = rows()
    for number, factor in enumerate([1 - 8e-5, 1, 1 + 8e-5]):
        keep(folder, x * np.float32(factor), number)
    assert len(list(folder.iterdir())) == 3
    assert [found(folder, x * np.float32(factor)) for factor in (1 - 9e-5, 1 + 1e-6, 1 + 9e-5)] == [0, 1, 2]


def test_only_what_may_be_near_is_read(folder, monkeypatch):
    for seed in range(30):
        keep(folder, rows(seed), seed)
    read = []
    real = nearness.kept
    monkeypatch.setattr(nearness, "kept", lambda path: read.append(path) or real(path))
    assert [found(folder, rows(seed)) for seed in (3, 14, 15)] == [3, 14, 15]
    assert found(folder, rows(99)) is None
    assert len(read) == 3


def test_arrays_of_any_kind_come_back_as_they_were(folder):
    for made in (np.arange(6, dtype="f4").reshape(2, 3), np.array("a text"), np.array([], bool)):
        keep_near(folder, repr(made), sketched(rows()), made, "it", 10)
        again = kept_near(folder, repr(made), sketched(rows()))
        np.testing.assert_array_equal(again, made)
        assert again.dtype == made.dtype and again.shape == made.shape


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", None])
def test_a_damaged_file_counts_as_none_and_the_next_one_serves(folder, damage):
    keep(folder, rows(), 1)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    assert found(folder, rows()) is None
    keep(folder, rows(), 2)
    assert found(folder, rows()) == 2


def test_what_is_not_finite_is_near_nothing(folder):
    for wrong in (np.nan, np.inf, np.finfo("f4").max):
        x = rows()
        x[:2] = wrong
        keep(folder, x, 1)
        assert found(folder, x) is None
    assert found(folder, rows()) is None


def test_an_input_without_rows_is_known_by_its_name(folder):
    keep(folder, rows()[:0], 1)
    assert found(folder, rows()[:0]) == 1
    assert found(folder, rows()[:0], name="other") is None


def test_the_oldest_go_and_what_others_left_goes_with_them(folder):
    folder.mkdir()
    (folder / "of_an_older_version.npy").touch()
    for seed in range(3):
        keep(folder, rows(seed), seed, most=3)
        for path in folder.iterdir():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    assert found(folder, rows(0)) == 0  # so it is in use
    keep(folder, rows(3), 3, most=3)
    assert len(list(folder.iterdir())) == 3
    assert [found(folder, rows(seed)) for seed in range(4)] == [0, None, 2, 3]


def test_a_folder_that_cannot_be_written_is_announced(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match="it is not kept and will be computed again .*LATENTFX_CACHE"):
        keep(tmp_path / "file" / "near", rows(), 1)
    assert found(tmp_path / "file" / "near", rows()) is None
