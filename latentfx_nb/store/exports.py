"""Points and latents as files that other programs open: Parquet, CSV, zarr and netCDF."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.cache import atomic_path, check_space
from latentfx_nb.effects import EFFECTS
from latentfx_nb.sound.clips import ClipSet

BLOCK_BYTES = 64 * 2**20
"""Latents in memory at a time."""

PROVENANCE = ("latentfx-nb", "pedalboard", "pyloudnorm", "torch", "umap-learn", "scikit-learn")
"""Packages whose versions are written beside the points."""


def points_table(points: Mapping[str, xr.DataArray], clips: ClipSet | None = None) -> pd.DataFrame:
    """Return one row a render: clip, effect, instrument, recording, and its place in each of the `points`.

    `points` are name -> `(clip, effect, component)` of the same renders; `{"pca": ...}` gives the columns pca_x, pca_y
    and pca_z. `text` names a row in words. With `clips`, the other columns of their table follow, without the paths of
    files. `.attrs` holds encoder, hash of its weights and versions.

    Raises ValueError if there are no points, or not of the same renders.
    """
    if not points:
        raise ValueError("there are no points to export: give a name and points, such as {'pca': pca.points}")
    first = next(iter(points.values())).transpose("clip", "effect", "component")
    shape = first.shape[:2]
    per_clip = {name: np.repeat(first[name].values, shape[1]) for name in ("clip", "instrument", "recording")}
    effects = np.tile(first["effect"].values, shape[0])
    names = [EFFECTS[str(label)].name for label in effects]
    table = pd.DataFrame(per_clip | {"effect": effects, "effect_name": names})
    table["text"] = [f"{clip}: {name}" for clip, name in zip(table["clip"], names, strict=True)]
    for name, one in points.items():
        one = one.transpose("clip", "effect", "component")
        if one.shape[:2] != shape or not all(np.array_equal(one[dim], first[dim]) for dim in ("clip", "effect")):
            raise ValueError(f"the points {name!r} are of other renders than the first: give all of one data set")
        for axis, values in zip("xyz", one.values.reshape(-1, one.shape[2]).T, strict=False):
            table[f"{name}_{axis}"] = values.astype(np.float32)
    if clips is not None:
        more = clips.table.drop(columns=["file", "clip", "instrument", "recording"], errors="ignore")
        rows = pd.Index(clips.table["clip"]).get_indexer(table["clip"])
        table = table.join(more.iloc[rows].reset_index(drop=True))
    kept = {name: first.attrs[name] for name in ("encoder", "weights_hash", "lufs", "clip_set") if name in first.attrs}
    table.attrs = kept | {"versions": {name: version(name) for name in PROVENANCE}}
    return table


def write_parquet(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table with its `.attrs` as Parquet and return the path.

    Embedding Atlas opens it: `embedding-atlas FILE --x umap_x --y umap_y --text text`
    (https://apple.github.io/embedding-atlas/tool.html). Raises ImportError without the extra `export`.
    """
    path = Path(path).expanduser()
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("Parquet is written by pyarrow: pip install 'latentfx-nb[export]', or take CSV") from error
    with atomic_path(path) as scratch:
        table.to_parquet(scratch, index=False)
    return path


def write_latents(latents: xr.DataArray, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write latents `(clip, ...)` with all labels as `.zarr` (a folder) or `.nc` (netCDF4), and return the path.

    The dim `clip` comes first in the file, wherever it stands in the array. Latents are read and written some clips at
    a time, so a store larger than memory passes; the file takes its name only when it is whole. `xarray.open_zarr` and
    `xarray.open_dataset` read them back, as float32.

    Raises ValueError for another suffix and for latents without the dim `clip`, FileExistsError unless `overwrite`,
    OSError if the disk is too small, and ImportError for netCDF without the extra `export`.
    """
    path = Path(path).expanduser()
    if path.suffix not in _WRITERS:
        raise ValueError(f"{path.name} ends in neither {' nor '.join(_WRITERS)}: choose one of these two")
    if "clip" not in latents.dims:
        raise ValueError(
            f"latents are written clip by clip, and these ({', '.join(map(str, latents.dims))}) have no dim 'clip': "
            "choose a clip with a list, latents[[3]], or add the dim, latents.expand_dims('clip')"
        )
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: give another name, or overwrite=True")
    path.parent.mkdir(parents=True, exist_ok=True)
    check_space(path.parent, 4 * latents.size, "the exported latents", "give a folder on a larger disk")
    scratch = path.with_name(f".{path.name}.partial")
    _remove(scratch)
    try:
        _WRITERS[path.suffix](latents.rename("latents"), scratch)
        _remove(path)
        scratch.rename(path)
    finally:
        _remove(scratch)
    return path


def _blocks(latents: xr.DataArray) -> list[slice]:
    clips = latents.sizes["clip"]
    step = max(1, BLOCK_BYTES // max(1, 4 * latents.size // max(clips, 1)))
    return [slice(start, min(start + step, clips)) for start in range(0, max(clips, 1), step)]


def _block(latents: xr.DataArray, rows: slice) -> xr.DataArray:
    return latents.isel(clip=rows).transpose("clip", ...).load()


def _write_zarr(latents: xr.DataArray, path: Path) -> None:
    for number, rows in enumerate(_blocks(latents)):
        block = _block(latents, rows).drop_attrs(deep=False).assign_attrs(_plain(latents.attrs)).to_dataset()
        if number:
            block.to_zarr(path, append_dim="clip", consolidated=False)
        else:
            chunks = {"latents": {"chunks": (1, *block["latents"].shape[1:])}}
            block.to_zarr(path, mode="w", consolidated=False, encoding=chunks)


def _write_netcdf(latents: xr.DataArray, path: Path) -> None:
    try:
        import h5netcdf  # type: ignore[import-untyped]  # it ships no types
    except ImportError as error:
        raise ImportError("netCDF is written by h5netcdf: pip install 'latentfx-nb[export]', or take .zarr") from error
    skeleton = xr.Dataset(coords={name: one.variable for name, one in latents.coords.items()})
    skeleton.to_netcdf(path, engine="h5netcdf")
    with h5netcdf.File(path, "a") as file:
        for dim, size in latents.sizes.items():
            if dim not in file.dimensions:
                file.dimensions[dim] = size
        others = (dim for dim in latents.dims if dim != "clip")
        variable = file.create_variable("latents", ("clip", *others), np.float32)
        for rows in _blocks(latents):
            variable[rows] = _block(latents, rows).values
        named = [str(name) for name in latents.coords if name not in latents.dims]
        for name, value in (_plain(latents.attrs) | {"coordinates": " ".join(named)}).items():
            variable.attrs[name] = value


_WRITERS = {".zarr": _write_zarr, ".nc": _write_netcdf}


def _plain(attributes: Mapping) -> dict:
    """Return attributes in types that both formats can hold."""
    plain = (str, int, float, np.integer, np.floating)
    return {name: value if isinstance(value, plain) else json.dumps(value) for name, value in attributes.items()}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
