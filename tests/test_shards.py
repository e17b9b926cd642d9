"""Shards read as they lie: the same numbers as zarr reads, for whatever is asked of them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import zarr

from latentfx_nb.store.shards import read_lazily, shard_bytes, shard_name, widen
from latentfx_nb.store.store import create_array

SHAPE = (5, 4, 6, 9)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store whose fourth clip was never written, and whose second lacks its first render."""
    place = tmp_path_factory.mktemp("shards") / "latents.zarr"
    group = zarr.create_group(place)
    create_array(group, SHAPE, "effect")
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    for row in (0, 2, 4):
        group["latents"][row] = x[row]
    group["latents"][1, 1:] = x[1, 1:]
    return place


def lazily(place):
    return xr.DataArray(xr.Variable(("clip", "effect", "dim", "frame"), read_lazily(place / "latents", SHAPE)))


KEYS = {
    "all": (),
    "a clip": (2,),
    "a clip that is not there": (3,),
    "clips with gaps": (slice(0, 4),),
    "a render": (4, 2),
    "the last": (-1, -1),
    "a number": (0, 1, 2, 3),
    "every second": (slice(None, None, 2), slice(1, None, 2), slice(None, None, 3), slice(None, None, 4)),
    "backwards": (slice(None, None, -1), slice(None, None, -1), slice(None, None, -1), slice(None, None, -1)),
    "lists": ([4, 0, 0], [3, 1], [5, 2], [8, 0, 1]),
    "a mask": (np.array([True, False, True, False, True]), 0, slice(2, 4)),
    "nothing": (slice(0, 0), slice(2, 2)),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_selection_is_what_zarr_reads(store, key):
    whole = xr.DataArray(zarr.open_group(store)["latents"][:], dims=("clip", "effect", "dim", "frame"))
    selected = lazily(store)[key]
    assert not selected.variable._in_memory
    assert selected.dtype == np.float32
    assert np.array_equal(selected.values, whole[key].values, equal_nan=True)


def test_selecting_twice_and_by_points(store):
    whole = xr.DataArray(zarr.open_group(store)["latents"][:], dims=("clip", "effect", "dim", "frame"))
    points = {"clip": xr.DataArray([0, 2, 4], dims="point"), "frame": xr.DataArray([8, 0, 3], dims="point")}
    for pick in (lambda x: x[1:].isel(effect=2)[[3, 1]], lambda x: x.isel(points), lambda x: x.T[2:5, :, 1]):
        assert np.array_equal(pick(lazily(store)).values, pick(whole).values, equal_nan=True)


def test_a_written_value_stays_in_memory(store):
    x = lazily(store)
    x[0, 0] = 7
    assert (x[0, 0] == 7).all() and not (lazily(store)[0, 0] == 7).any()


def test_a_whole_shard_has_the_size_that_is_expected_of_it(store):
    assert (store / "latents" / shard_name(0)).stat().st_size == shard_bytes(SHAPE)


@pytest.mark.parametrize("size", [0, 3, 50, 400])
def test_what_is_left_of_a_torn_shard_is_an_error(store, tmp_path, size):
    folder = tmp_path / "latents"
    folder.mkdir()
    content = (store / "latents" / shard_name(0)).read_bytes()
    (folder / shard_name(0)).write_bytes(content[:size])
    with pytest.raises(ValueError, match=r"c\.0\.0\.0\.0 fails its crc32c checksum: delete"):
        lazily(tmp_path)[0].load()


def test_every_float16_is_widened_exactly():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    for half in (every, every[np.isfinite(every)], every[:0]):
        wide = np.empty(half.shape, np.float32)
        widen(half, wide)
        assert np.array_equal(wide.view(np.uint32), half.astype(np.float32).view(np.uint32))
