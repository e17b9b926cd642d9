"""Points of the bundled clips that ship with the package, so that a page opens at once; anything else is computed.

`bundled/points/<encoder>.nc` holds, for an encoder: the time averages of all bundled clips through all effects, their
PCA and UMAP points, how pure their neighbourhoods are, the basis that trajectories are drawn in, the time averages of
eight clips along Table 2's knobs, the paper's claims, tested on all of these, and how near latent algebra comes to each
effect.
Nothing here is trusted by its name: a file serves only clips, effects and weights with the hashes it was made from.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.algebra import algebra_scores
from latentfx_nb.cache import atomic_write
from latentfx_nb.claims import COMPARED, compare_claims, paper_claims, row_measures
from latentfx_nb.clips import BUNDLED, ClipSet, load_clips
from latentfx_nb.comparison import encoder_measures, purity_by_window
from latentfx_nb.effects import EFFECTS, Setting, get_effect, settings_hash
from latentfx_nb.encoders import load_encoder, weights_hash
from latentfx_nb.latents import encode_effects, encode_sweep
from latentfx_nb.paper import KNOB_RANGES, KNOB_VALUES
from latentfx_nb.projections import PCA, UMAP_NEIGHBOURS, fit_pca, fit_umap, purity_table

POINTS = BUNDLED / "points"

FLATTENED = ("dim", "frame")

VIEWS = {
    "pca_mean": "PCA, time-averaged",
    "umap_mean": "UMAP, time-averaged",
    "pca_flat": "PCA, flattened",
    "umap_flat": "UMAP, flattened",
}
"""The four scenes of Figures 3-5: projection x what is projected."""

PATH_CLIPS_PER_INSTRUMENT = 4

COMPARED_PAIR = ("stacked-mini-2", "diffae-mini")  # our Stacked and DiffAE: the paper says that the first clusters more

CLAIM_COLUMNS = {"claim": "claim", "place": "claim_place", "number": "claim_number"}  # as they are stored

CLOUD_FRAMES = 1500
"""Frames of a data set that stand for all of them behind trajectories: enough to see where they lie."""

ALGEBRA = "algebra_"  # what stands before its variables and dims in a file


def effect_means(clips: ClipSet, encoder: str, bar: Callable[..., Any] = tqdm) -> xr.DataArray:
    """Return time averages `(clip, effect, dim)` of `clips` through all ten effects, shipped or computed."""
    shipped = _shipped_effects(clips, encoder)
    if shipped is not None:
        return shipped["means"].drop_vars("clip_hash")
    return encode_effects(clips, load_encoder(encoder), average=True, bar=bar)


def sweep_means(
    clips: ClipSet, encoder: str, effect: str, knob: str | None = None, bar: Callable[..., Any] = tqdm
) -> xr.DataArray:
    """Return time averages `(clip, value, dim)` of `clips` along 32 values of a knob, shipped or computed."""
    turned = get_effect(effect).knob(knob)
    shipped = _shipped_path(clips, encoder, effect, turned.name)
    if shipped is not None:
        attributes = {"units": turned.unit, "effect": effect, "knob": turned.name}
        return shipped.assign_coords(value=("value", shipped["value"].values, attributes))
    return encode_sweep(clips, load_encoder(encoder), effect, knob=turned.name, average=True, bar=bar)


def trajectory_basis(clips: ClipSet, encoder: str, bar: Callable[..., Any] = tqdm) -> PCA:
    """Return the 3-D PCA of all frames of `clips` through all ten effects (Figure 2), shipped or computed.

    Its `points (frame, component)` are a sample of the frames, evenly spaced.
    """
    shipped = _shipped_effects(clips, encoder)
    if shipped is not None and len(clips) == shipped.attrs["n_clips"] and "frame_mean" in shipped:
        return _read_basis(shipped)
    latents = encode_effects(clips, load_encoder(encoder), bar=bar)
    with bar(total=1, desc="PCA of all frames", unit="step") as progress:
        basis = _frame_basis(latents)
        progress.update()
    return basis


def _frame_basis(latents: xr.DataArray) -> PCA:
    basis = fit_pca(latents, 3, "dim")
    points = basis.points.transpose("clip", "effect", "frame", "component").values.reshape(-1, 3)
    some = np.linspace(0, len(points) - 1, min(len(points), CLOUD_FRAMES)).astype(int)
    return replace(basis, points=xr.DataArray(points[some], {"component": basis.points["component"]}, _CLOUD_DIMS))


_CLOUD_DIMS = ("frame", "component")


def _store_basis(basis: PCA) -> xr.Dataset:
    return xr.Dataset(
        {
            "frame_mean": ("dim", basis.mean.values.astype(np.float64)),
            "frame_components": (("component_3d", "dim"), basis.components.values.astype(np.float64)),
            "frame_explained": ("component_3d", basis.explained.values.astype(np.float64)),
            "frame_cloud": (("cloud", "component_3d"), basis.points.values.astype(np.float32)),
        }
    )


def _read_basis(dataset: xr.Dataset) -> PCA:
    names = {"component": [f"PC{i + 1}" for i in range(3)]}
    dims = dataset["dim"].values
    return PCA(
        points=xr.DataArray(dataset["frame_cloud"].values, names, _CLOUD_DIMS),
        explained=xr.DataArray(dataset["frame_explained"].values, names, ("component",)),
        components=xr.DataArray(dataset["frame_components"].values, {**names, "dim": dims}, ("component", "dim")),
        mean=xr.DataArray(dataset["frame_mean"].values, {"dim": dims}, ("dim",)),
        angle=0.0,
        features=("dim",),
        axes={"dim": dims},
    )


def window_purity(clips: ClipSet, encoder: str, bar: Callable[..., Any] = tqdm) -> pd.DataFrame:
    """Return `comparison.purity_by_window` of `clips` through all ten effects, shipped or computed."""
    shipped = _shipped_effects(clips, encoder)
    if shipped is not None and len(clips) == shipped.attrs["n_clips"] and "window" in shipped:
        return _read_windows(shipped)
    return purity_by_window(encode_effects(clips, load_encoder(encoder), bar=bar), bar)


def _read_windows(dataset: xr.Dataset) -> pd.DataFrame | None:
    if "window" not in dataset:
        return None
    keys = [dataset["window_label"].values.astype(str), dataset["window_s"].values]
    index = pd.MultiIndex.from_arrays(keys, names=["label", "window_s"])
    return pd.DataFrame(dataset["window"].values, index, dataset["window_column"].values.astype(str))


def _store_windows(table: pd.DataFrame) -> xr.Dataset:
    return xr.Dataset(
        {
            "window": (("window_row", "window_column"), table.to_numpy(np.float32)),
            "window_label": ("window_row", table.index.get_level_values("label").to_numpy(object)),
            "window_s": ("window_row", table.index.get_level_values("window_s").to_numpy(float)),
        },
        {"window_column": table.columns.to_numpy(object)},
    )


def effect_algebra(clips: ClipSet, encoder: str) -> xr.Dataset | None:
    """Return `algebra.algebra_scores` of all effects on `clips`, if they ship; else None: decoding takes minutes."""
    shipped = _shipped_effects(clips, encoder)
    if shipped is None or len(clips) != shipped.attrs["n_clips"] or f"{ALGEBRA}missed" not in shipped:
        return None
    own = shipped[[name for name in shipped.variables if str(name).startswith(ALGEBRA)]]
    return own.drop_vars("clip", errors="ignore").rename({n: n.removeprefix(ALGEBRA) for n in _prefixed(own)})


def _prefixed(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in {*dataset.variables, *dataset.dims} if str(name).startswith(ALGEBRA)]


def _store_algebra(scores: xr.Dataset) -> xr.Dataset:
    names = {str(name): f"{ALGEBRA}{name}" for name in {*scores.variables, *scores.dims}}
    stored = scores.drop_attrs().rename(names)
    return stored.assign_coords({name: v.astype(object) for name, v in stored.coords.items() if v.dtype.kind == "U"})


def compare_encoders(
    clips: ClipSet, encoders: Sequence[str], bar: Callable[..., Any] = tqdm, *, compute: bool = True
) -> dict[str, pd.DataFrame]:
    """Return `comparison.encoder_measures` of each encoder, by name, shipped or computed.

    Without `compute`, only of those that ship for `clips`. What ships holds algebra too; scoring it anew takes minutes
    (`algebra.algebra_scores`), so there it is NaN. Raises ValueError for clips of too few recordings, as probes do.
    """
    found = {}
    for name in encoders:
        shipped = _shipped_effects(clips, name)
        whole = shipped is not None and len(clips) == shipped.attrs["n_clips"] and "row_hit_mean" in shipped
        if not (whole or compute):
            continue
        means = effect_means(clips, name, bar)
        if whole:
            rows = shipped.rename({f"row_{key}": key for key in _ROWS}).drop_vars("clip_hash")
        else:
            latents = encode_effects(clips, load_encoder(name), bar=bar)
            with bar(total=1, desc=f"{name}: probing the renders", unit="step") as progress:
                rows = row_measures(latents, means)
                progress.update()
        paths = {effect: sweep_means(path_clips(clips), name, effect, bar=bar) for effect in KNOB_RANGES}
        found[name] = encoder_measures(means, paths, rows, effect_algebra(clips, name))
    return found


_ROWS = ("hit_mean", "hit_flat", "same_effect_mean", "same_effect_flat")


def shipped_paths(clips: ClipSet, encoder: str) -> dict[str, xr.DataArray] | None:
    """Return the time averages of `path_clips(clips)` along the knobs of Table 2, if all of them ship; else None."""
    some = path_clips(clips)
    paths = {effect: _shipped_path(some, encoder, effect, knob) for effect, (knob, *_) in KNOB_RANGES.items()}
    return None if any(path is None for path in paths.values()) else paths


@dataclass(frozen=True)
class ClusterPoints:
    """What Figures 3-5 show of one data set: points, and numbers measured on the latents and not on their picture."""

    views: dict[str, xr.DataArray]  # some of `VIEWS` -> (clip, effect, component)
    explained: dict[str, NDArray[np.float64]]  # "pca_mean", "pca_flat" -> share of the variance a component holds
    purity: pd.DataFrame  # by effect, instrument and clip: the columns mean, flat and chance
    claims: pd.DataFrame | None = None  # as `cluster_claims` returns them, where they ship; else it takes its time
    windows: pd.DataFrame | None = None  # likewise of `window_purity`


def cluster_points(
    clips: ClipSet, encoder: str, n: int = 3, umap: bool = True, bar: Callable[..., Any] = tqdm
) -> ClusterPoints:
    """Return the points of the four `VIEWS` in `n` dimensions, shipped or computed.

    Without `umap` its views are left out unless they ship: the first one in a process takes long to compile.
    """
    shipped = _shipped_effects(clips, encoder)
    if shipped is not None and len(clips) == shipped.attrs["n_clips"]:
        claims, windows = _shipped_claims(shipped, clips, encoder), _read_windows(shipped)
        return replace(_read_points(shipped, n), claims=claims, windows=windows)
    model = load_encoder(encoder)
    latents, means = encode_effects(clips, model, bar=bar), encode_effects(clips, model, average=True, bar=bar)
    return _read_points(_project(latents, means, (n,) if umap else ()), n)


def cluster_claims(clips: ClipSet, encoder: str, bar: Callable[..., Any] = tqdm) -> pd.DataFrame:
    """Return the paper's claims tested on `clips` and an encoder, as `claims.paper_claims` does, shipped or computed.

    Where both of our autoencoders ship for `clips`, the paper's comparison of its two follows. Computing them takes a
    minute, and on clips that are new as long again as encoding them and the knob paths of eight of them. Raises
    ValueError for clips of fewer than five recordings.
    """
    shipped = _shipped_effects(clips, encoder)
    if shipped is not None and len(clips) == shipped.attrs["n_clips"] and "claim" in shipped:
        return _shipped_claims(shipped, clips, encoder)
    model = load_encoder(encoder)
    latents, means = encode_effects(clips, model, bar=bar), encode_effects(clips, model, average=True, bar=bar)
    with bar(total=1, desc="Probing the renders", unit="step") as progress:  # first: it refuses too few recordings
        rows = row_measures(latents, means)
        progress.update()
    paths = {effect: sweep_means(path_clips(clips), encoder, effect, bar=bar) for effect in KNOB_RANGES}
    with bar(total=1, desc="Testing the claims", unit="step") as progress:
        found = paper_claims(latents, means, paths, rows)
        progress.update()
    return found


def _shipped_claims(dataset: xr.Dataset, clips: ClipSet, encoder: str) -> pd.DataFrame | None:
    """Return the stored table, or None if the file was written before there was one."""
    if "claim" not in dataset:
        return None
    holds = [{1: True, 0: False}.get(int(code)) for code in dataset["claim_holds"].values]
    columns = {name: dataset[stored].values.astype(str) for name, stored in CLAIM_COLUMNS.items()}
    table = pd.DataFrame(columns).assign(holds=pd.Series(holds, dtype=object))
    if encoder not in COMPARED_PAIR:
        return table
    both = {name: _shipped_effects(clips, name) for name in COMPARED_PAIR}
    if any(one is None or "row_hit_mean" not in one for one in both.values()):
        return table
    compared = compare_claims({name: one.rename({f"row_{key}": key for key in COMPARED}) for name, one in both.items()})
    return pd.concat([table, compared], ignore_index=True)


def _store_claims(rows: xr.Dataset, table: pd.DataFrame) -> xr.Dataset:
    """Return the table and what it was averaged from, as they are stored; an open claim's `holds` is -1."""
    measured = {f"row_{name}": values.astype(np.float32) for name, values in rows.data_vars.items()}
    texts = {stored: ("claim_row", table[name].to_numpy(object)) for name, stored in CLAIM_COLUMNS.items()}
    holds = [-1 if one is None else int(one) for one in table["holds"]]
    return xr.Dataset(measured | texts | {"claim_holds": ("claim_row", np.array(holds, np.int8))})


def _project(latents: xr.DataArray, means: xr.DataArray, umap_dimensions: Sequence[int]) -> xr.Dataset:
    """Return all points as they are stored; PCA has three components, UMAP as many as `umap_dimensions` say."""
    dataset = xr.Dataset({"means": means})
    purity = {}
    for kind, x, features in (("mean", means, None), ("flat", latents, FLATTENED)):
        pca = fit_pca(x, features=features)
        dataset[f"pca_{kind}"] = _unnamed(pca.points, "component_3d")
        dataset[f"explained_{kind}"] = "component_3d", np.asarray(pca.explained)
        for n in umap_dimensions:
            near = umap_neighbours(means)
            points = fit_umap(x, n, n_neighbors=near, features=features).points
            dataset[f"umap_{kind}_{n}d"] = _unnamed(points, f"component_{n}d")
        purity[kind] = purity_table(x, features=features)
    dataset["purity"] = ("label", "kind"), np.stack([table["purity"] for table in purity.values()], axis=1)
    dataset["chance"] = "label", purity["mean"]["chance"].to_numpy()
    return dataset.assign_coords(label=list(purity["mean"].index), kind=list(purity))


def umap_neighbours(means: xr.DataArray) -> int:
    """Return how many neighbours UMAP is given: a folder with a single clip has fewer renders to be near to."""
    return min(UMAP_NEIGHBOURS, means.sizes["clip"] * means.sizes["effect"] - 1)


def _unnamed(points: xr.DataArray, dim: str) -> xr.DataArray:
    """Return bare points: the dimension's name says how many components there are, not which method they are of."""
    return xr.DataArray(points.values.astype(np.float32), dims=(*points.dims[:-1], dim))


def _read_points(dataset: xr.Dataset, n: int) -> ClusterPoints:
    views, explained = {}, {}
    for view in VIEWS:
        method, kind = view.split("_")
        stored = view if method == "pca" else f"{view}_{n}d"
        if stored not in dataset:
            continue
        points = dataset[stored]
        points = points.rename({points.dims[-1]: "component"}).isel(component=slice(n))
        names = [f"{'PC' if method == 'pca' else 'UMAP'}{i + 1}" for i in range(n)]
        views[view] = points.assign_coords(component=names)
        if method == "pca":
            explained[view] = dataset[f"explained_{kind}"].values[:n]
    purity = dataset["purity"].to_pandas().assign(chance=dataset["chance"].values)
    return ClusterPoints(views, explained, purity)


def path_clips(clips: ClipSet) -> ClipSet:
    """Return the few clips whose knob paths are prepared: the same number of each instrument, from different pieces."""
    table = clips.table.drop_duplicates("recording")
    rows = []
    for _, group in table.groupby("instrument", sort=True):
        spread = np.linspace(0, len(group) - 1, min(len(group), PATH_CLIPS_PER_INSTRUMENT)).astype(int)
        rows += list(group.index[spread])
    return clips[sorted(rows)]


def make_points(encoder: str, bar: Callable[..., Any] = tqdm) -> xr.Dataset:
    """Compute what ships for the bundled clips and one encoder; `python -m latentfx_nb warm --publish` writes it."""
    clips, model = load_clips("bundled"), load_encoder(encoder)
    means = encode_effects(clips, model, average=True, bar=bar)
    latents = encode_effects(clips, model, bar=bar)
    dataset = _project(latents, means, umap_dimensions=(2, 3))
    chosen = path_clips(clips)
    paths = {effect: encode_sweep(chosen, model, effect, average=True, bar=bar) for effect in KNOB_RANGES}
    for effect, path in paths.items():
        dataset[f"path_{effect}"] = ("path_clip", f"value_{effect}", "dim"), path.values
        dataset[f"settings_{effect}"] = settings_hash(_sweep(effect))
        dataset = dataset.assign_coords({f"value_{effect}": path["value"].values})
    dataset = dataset.assign_coords(
        clip_hash=("clip", clips.hashes()), path_clip=chosen.table["clip"].to_numpy(object),
        path_clip_hash=("path_clip", chosen.hashes()),
    )  # fmt: skip
    rows = row_measures(latents, means)
    dataset = dataset.merge(_store_claims(rows, paper_claims(latents, means, paths, rows)))
    dataset = dataset.merge(_store_basis(_frame_basis(latents)))
    dataset = dataset.merge(_store_windows(purity_by_window(latents, bar)))
    dataset = dataset.merge(_store_algebra(algebra_scores(clips, model, bar=bar)))
    dataset.attrs = {**means.attrs, "n_clips": len(clips), "settings": settings_hash(_TABLE_1)}
    return dataset


def write_points(encoder: str, folder: Path = POINTS, bar: Callable[..., Any] = tqdm) -> Path:
    """Write `make_points(encoder)` to `folder/<encoder>.nc` (NetCDF 3, float32) and return the path."""
    path = folder / f"{encoder}.nc"
    content = make_points(encoder, bar).to_netcdf(engine="scipy", format="NETCDF3_64BIT")
    with atomic_write(path) as file:
        file.write(content)
    _load_points.cache_clear()
    return path


@lru_cache(maxsize=8)
def _load_points(encoder: str) -> xr.Dataset | None:
    path = POINTS / f"{encoder}.nc"
    return xr.load_dataset(io.BytesIO(path.read_bytes()), engine="scipy") if path.exists() else None


def _shipped_effects(clips: ClipSet, encoder: str) -> xr.Dataset | None:
    dataset = _shipped(clips, encoder, "clip")
    if dataset is None or dataset.attrs["settings"] != settings_hash(_TABLE_1):
        return None
    return _labelled(dataset, clips)


def _shipped_path(clips: ClipSet, encoder: str, effect: str, knob: str) -> xr.DataArray | None:
    dataset = _shipped(clips, encoder, "path_clip")
    name = f"settings_{effect}"
    if dataset is None or name not in dataset or str(dataset[name].values) != settings_hash(_sweep(effect, knob)):
        return None
    path = dataset[f"path_{effect}"].rename({f"value_{effect}": "value", "path_clip": "clip"})
    return _labelled(path.drop_vars("path_clip_hash"), clips)


def _labelled(rows, clips: ClipSet):
    """Return shipped `rows (clip, ...)` with the labels of the clips that were asked for, which may be others."""
    labels = {name: ("clip", clips.table[name].to_numpy(object)) for name in ("clip", "instrument", "recording")}
    return rows.assign_coords(labels)


def _shipped(clips: ClipSet, encoder: str, dim: str) -> xr.Dataset | None:
    """Return the shipped rows of `clips`, or None if one of them, or the encoder's weights, is not what was shipped."""
    dataset = _load_points(encoder)
    if dataset is None or dataset.attrs["weights_hash"] != weights_hash(encoder):
        return None
    rows = {str(digest): row for row, digest in enumerate(dataset[f"{dim}_hash"].values)}
    wanted = [rows.get(digest) for digest in clips.hashes()]
    return None if None in wanted else dataset.isel({dim: wanted})


_TABLE_1 = [Setting(label) for label in EFFECTS]


def _sweep(effect: str, knob: str | None = None) -> list[Setting]:
    turned = get_effect(effect).knob(knob)
    return [Setting(effect, value, turned.name) for value in turned.values(KNOB_VALUES).tolist()]
