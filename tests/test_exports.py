"""Points and latents as files that other programs open, with all labels, whole or not at all."""

from __future__ import annotations

import errno
import json

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import xarray as xr

from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import exports
from latentfx_nb.store.encode import encode_effects, encode_sweep
from latentfx_nb.store.exports import points_table, write_latents, write_parquet
from tests.test_latents import Quiet, Tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
    pytest.mark.filterwarnings("ignore:The data type"),
]


@pytest.fixture(scope="module")
def clips():
    return load_clips("bundled")[[0, 20, 40]]


@pytest.fixture(scope="module")
def latents(clips, tmp_path_factory):
    return encode_effects(clips, Tiny(), ["CLN", "HPF"], tmp_path_factory.mktemp("s") / "s.zarr", bar=Quiet)


@pytest.fixture
def points(latents):
    means = latents.mean("frame")
    some = means.isel(dim=slice(3)).rename(dim="component").assign_coords(component=["PC1", "PC2", "PC3"])
    return {"pca": some.assign_attrs(latents.attrs), "umap": some[..., :2] + 1}


def test_a_table_has_a_row_a_render(points, clips):
    table = points_table(points, clips)
    assert len(table) == 6
    assert table["clip"].tolist() == [clip for clip in clips.table["clip"] for _ in range(2)]
    assert table["effect"].tolist() == ["CLN", "HPF"] * 3
    assert table["text"][1] == f"{clips.table['clip'][0]}: High-pass filter"
    for place, axis in enumerate("xyz"):
        np.testing.assert_array_equal(table[f"pca_{axis}"], points["pca"].values[..., place].ravel())
    assert "umap_y" in table and "umap_z" not in table
    assert table["licence"].tolist() == [one for one in clips.table["licence"] for _ in range(2)]
    assert "file" not in table, "where files lie is nobody's business"
    assert table.attrs["encoder"] == "tiny" and "torch" in table.attrs["versions"]


def test_points_of_other_renders_are_refused(points):
    with pytest.raises(ValueError, match="no points to export"):
        points_table({})
    with pytest.raises(ValueError, match="'umap' are of other renders"):
        points_table({"pca": points["pca"], "umap": points["umap"][:2]})


def test_parquet_is_read_back_with_what_it_is_of(points, clips, tmp_path):
    table = points_table(points, clips)
    path = write_parquet(table, tmp_path / "deep" / "points.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    kept = json.loads(pyarrow.parquet.read_schema(path).metadata[b"PANDAS_ATTRS"])
    assert kept["encoder"] == "tiny" and kept["weights_hash"] == "0" * 64


def read(path):
    if path.suffix == ".nc":
        return xr.open_dataset(path)["latents"]
    return xr.open_zarr(path, consolidated=False)["latents"]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("block", [1, 10**9])
def test_latents_come_back_with_all_their_labels(latents, tmp_path, monkeypatch, suffix, block):
    monkeypatch.setattr(exports, "BLOCK_BYTES", block)
    path = write_latents(latents, tmp_path / f"mine{suffix}")
    with read(path) as found:
        assert found.dtype == np.float32 and found.dims == latents.dims
        np.testing.assert_array_equal(found.values, latents.values)
        assert set(found.coords) == set(latents.coords)
        for name, coordinate in latents.coords.items():
            assert found[name].values.tolist() == coordinate.values.tolist() and found[name].dims == coordinate.dims
        assert found["time_s"].attrs["units"] == "s"
        assert {name: found.attrs[name] for name in latents.attrs} == latents.attrs
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_sweep_keeps_its_unit(clips, tmp_path, suffix):
    sweep = encode_sweep(clips[:1], Tiny(), "HPF", 3, bar=Quiet)
    with read(write_latents(sweep, tmp_path / f"sweep{suffix}")) as found:
        assert found["value"].attrs == {"units": "Hz", "effect": "HPF", "knob": "cutoff_frequency_hz"}


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("dims", [("effect", "clip", "dim", "frame"), ("frame", "dim", "effect", "clip")])
def test_clip_comes_first_wherever_it_stood(latents, tmp_path, monkeypatch, suffix, dims):
    """Written as they lay, some clips at a time, they would lack an effect, or have one of zeros."""
    monkeypatch.setattr(exports, "BLOCK_BYTES", 1)
    turned = latents.transpose(*dims)
    with read(write_latents(turned, tmp_path / f"mine{suffix}")) as found:
        assert found.dims == ("clip", *(dim for dim in dims if dim != "clip"))
        xr.testing.assert_equal(found.drop_vars("time_s"), turned.transpose(*found.dims).drop_vars("time_s"))
        assert found["time_s"].values.tolist() == latents["time_s"].values.tolist()


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_latents_without_clips_are_refused_or_empty(latents, tmp_path, suffix):
    sentence = r"these \(effect, dim, frame\) have no dim 'clip': choose a clip with a list, latents\[\[3\]\], or add"
    with pytest.raises(ValueError, match=sentence):
        write_latents(latents[0], tmp_path / f"mine{suffix}")
    assert list(tmp_path.iterdir()) == []
    with read(write_latents(latents[:0], tmp_path / f"none{suffix}")) as found:
        assert found.dims == latents.dims and found.shape == (0, *latents.shape[1:])


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_nothing_is_overwritten_unasked_and_nothing_half_written_stays(latents, tmp_path, monkeypatch, suffix):
    path = write_latents(latents[:1], tmp_path / f"mine{suffix}")
    with pytest.raises(FileExistsError, match=rf"mine\{suffix} is there already: give another name, or overwrite=True"):
        write_latents(latents, path)

    def full(array, scratch):
        scratch.mkdir() if suffix == ".zarr" else scratch.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setitem(exports._WRITERS, suffix, full)
        with pytest.raises(OSError, match="No space left"):
            write_latents(latents, path, overwrite=True)
    with read(path) as found:
        assert found.sizes["clip"] == 1
    write_latents(latents, path, overwrite=True)
    with read(path) as found:
        assert found.sizes["clip"] == 3
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_another_kind_of_file_and_too_small_a_disk(latents, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"mine.mat ends in neither .zarr nor .nc"):
        write_latents(latents, tmp_path / "mine.mat")
    monkeypatch.setattr("latentfx_nb.cache.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OSError, match="the exported latents need"):
        write_latents(latents, tmp_path / "mine.nc")
