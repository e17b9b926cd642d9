"""Points of clips, as they ship with the package or, for other clips, effects and encoders, computed now.

Pages and notebooks ask here and need not care which it is (`shipped` says what is there). With `compute=False` nothing
is ever encoded: what does not ship raises `NotShipped`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra_study import algebra_scores
from latentfx_nb.analysis.claims import COMPARED, compare_claims, paper_claims, row_measures
from latentfx_nb.analysis.comparison import encoder_measures, purity_by_window
from latentfx_nb.analysis.neighbours import purity_table
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.samples import spread
from latentfx_nb.analysis.shipped import NotShipped as NotShipped
from latentfx_nb.analysis.shipped import entries, knob_piece, measure, measure_piece, setting_piece
from latentfx_nb.analysis.shipped import made_with as made_with
from latentfx_nb.analysis.umap import UMAP_NEIGHBOURS, fit_umap
from latentfx_nb.effects import TABLE_1, get_effect
from latentfx_nb.encoders import load_encoder
from latentfx_nb.paper import KNOB_RANGES, KNOB_VALUES
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects, encode_sweep

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

Bar = Callable[..., Any]


# ------------------------------------------------------------------------------------------------------- time averages


def effect_means(
    clips: ClipSet,
    encoder: str,
    bar: Bar = tqdm,
    *,
    effects: Sequence[str] | None = None,
    compute: bool = True,
) -> xr.DataArray:
    """Return time averages `(clip, effect, dim)` of `clips` through `effects` (None: the ten of Table 1).

    Effects that ship for all the clips are read, and only the others are encoded.
    """
    labels, hashes = list(TABLE_1 if effects is None else effects), clips.hashes()
    found = {label: entries(setting_piece(encoder, label), hashes) for label in labels}
    missing = [label for label in labels if len(found[label]) < len(clips)]
    if missing:
        _may_compute(compute, f"the time averages through {', '.join(missing)}", encoder)
        computed = encode_effects(clips, load_encoder(encoder), missing, average=True, bar=bar)
        if missing == labels:
            return computed
        for label in missing:
            found[label] = _by_row(computed.sel(effect=label), clips)
    rows = [row for row in range(len(clips)) if all(row in found[label] for label in labels)]
    values = np.stack([[found[label][row] for label in labels] for row in rows])
    return _labelled(values, clips[rows], xr.Variable("effect", np.array(labels, object)), encoder)


def sweep_means(
    clips: ClipSet, encoder: str, effect: str, knob: str | None = None, bar: Bar = tqdm, *, compute: bool = True
) -> xr.DataArray:
    """Return time averages `(clip, value, dim)` of `clips` along 32 values of a knob.

    Clips whose path ships are read, and only the others are encoded.
    """
    turned = get_effect(effect).knob(knob)
    found = entries(knob_piece(encoder, effect, turned.name), clips.hashes())
    missing = [row for row in range(len(clips)) if row not in found]
    if missing:
        _may_compute(compute, f"the path along {effect}'s {turned.name} of {len(missing)} clips", encoder)
        some = clips[missing]
        computed = encode_sweep(some, load_encoder(encoder), effect, knob=turned.name, average=True, bar=bar)
        if not found:
            return computed
        found |= {missing[row]: values for row, values in _by_row(computed, some).items()}
    rows = sorted(found)
    attributes = {"units": turned.unit, "effect": effect, "knob": turned.name}
    axis = xr.Variable("value", turned.values(KNOB_VALUES), attributes)
    return _labelled(np.stack([found[row] for row in rows]), clips[rows], axis, encoder)


def knob_paths(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> dict[str, xr.DataArray]:
    """Return the time averages of `path_clips(clips)` along the four knobs of Table 2, by effect."""
    some = path_clips(clips)
    return {effect: sweep_means(some, encoder, effect, bar=bar, compute=compute) for effect in KNOB_RANGES}


def path_clips(clips: ClipSet) -> ClipSet:
    """Return the few clips whose knob paths are prepared: the same number of each instrument, from different pieces."""
    table = clips.table.drop_duplicates("recording")
    rows = []
    for _, group in table.groupby("instrument", sort=True):
        rows += list(group.index[spread(len(group), PATH_CLIPS_PER_INSTRUMENT)])
    return clips[sorted(rows)]


def _may_compute(compute: bool, what: str, encoder: str) -> None:
    if not compute:
        raise NotShipped(f"{what} in {encoder} do not ship for these clips; with compute=True they are computed")


def _by_row(computed: xr.DataArray, clips: ClipSet) -> dict[int, NDArray[np.float32]]:
    """Return row of `clips` -> what was computed of it; clips that could not be read are not there."""
    rows = {clip: row for row, clip in enumerate(clips.table["clip"])}
    return {rows[clip]: values for clip, values in zip(computed["clip"].values, computed.values, strict=True)}


def _labelled(values: NDArray[np.float32], clips: ClipSet, axis: xr.Variable, encoder: str) -> xr.DataArray:
    """Return `values [clip axis dim]` as `encode_effects` and `encode_sweep` label theirs."""
    coordinates = {**_clip_labels(clips), axis.dims[0]: axis, "dim": np.arange(values.shape[-1])}
    return xr.DataArray(values, coordinates, ("clip", axis.dims[0], "dim"), attrs={"encoder": encoder})


def _clip_labels(clips: ClipSet) -> dict[str, tuple[str, NDArray]]:
    return {name: ("clip", clips.table[name].to_numpy(object)) for name in ("clip", "instrument", "recording")}


def _measured(clips: ClipSet, encoder: str, name: str) -> xr.Dataset | None:
    """Return a measure that ships for `clips`, with their labels, where it speaks of each; else None."""
    dataset = measure(measure_piece(encoder, name, MEASURES[name].knobs), clips.hashes())
    return dataset.assign_coords(_clip_labels(clips)) if dataset is not None and "clip" in dataset.dims else dataset


# --------------------------------------------------------------------------------------------------------- trajectories


def trajectory_basis(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> PCA:
    """Return the 3-D PCA of all frames of `clips` through all ten effects (Figure 2), shipped or computed.

    Its `points (frame, component)` are a sample of the frames, evenly spaced.
    """
    dataset = _measured(clips, encoder, "basis")
    if dataset is not None:
        return _read_basis(dataset)
    _may_compute(compute, "the basis of all frames", encoder)
    latents = encode_effects(clips, load_encoder(encoder), bar=bar)
    with bar(total=1, desc="PCA of all frames", unit="step") as progress:
        basis = _frame_basis(latents)
        progress.update()
    return basis


def _frame_basis(latents: xr.DataArray) -> PCA:
    basis = fit_pca(latents, 3, "dim")
    points = basis.points.transpose("clip", "effect", "frame", "component").values.reshape(-1, 3)
    some = points[spread(len(points), CLOUD_FRAMES)]
    return replace(basis, points=xr.DataArray(some, {"component": basis.points["component"]}, _CLOUD_DIMS))


_CLOUD_DIMS = ("frame", "component")


def _store_basis(basis: PCA) -> xr.Dataset:
    return xr.Dataset(
        {
            "mean": ("dim", basis.mean.values.astype(np.float64)),
            "components": (("component", "dim"), basis.components.values.astype(np.float64)),
            "explained": ("component", basis.explained.values.astype(np.float64)),
            "cloud": (("frame", "component"), basis.points.values.astype(np.float32)),
        }
    )


def _read_basis(dataset: xr.Dataset) -> PCA:
    names = {"component": [f"PC{i + 1}" for i in range(3)]}
    dims = np.arange(dataset.sizes["dim"])
    return PCA(
        points=xr.DataArray(dataset["cloud"].values, names, _CLOUD_DIMS),
        explained=xr.DataArray(dataset["explained"].values, names, ("component",)),
        components=xr.DataArray(dataset["components"].values, {**names, "dim": dims}, ("component", "dim")),
        mean=xr.DataArray(dataset["mean"].values, {"dim": dims}, ("dim",)),
        angle=0.0,
        features=("dim",),
        axes={"dim": dims},
    )


# ------------------------------------------------------------------------------------------------- windows and algebra


def window_purity(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> pd.DataFrame:
    """Return `comparison.purity_by_window` of `clips` through all ten effects, shipped or computed."""
    dataset = _measured(clips, encoder, "windows")
    if dataset is not None:
        return _read_windows(dataset)
    _may_compute(compute, "the averaging windows", encoder)
    return purity_by_window(encode_effects(clips, load_encoder(encoder), bar=bar), bar)


def _read_windows(dataset: xr.Dataset) -> pd.DataFrame:
    keys = [dataset["label"].values.astype(str), dataset["window_s"].values]
    index = pd.MultiIndex.from_arrays(keys, names=["label", "window_s"])
    return pd.DataFrame(dataset["window"].values, index, dataset["column"].values.astype(str))


def _store_windows(table: pd.DataFrame) -> xr.Dataset:
    return xr.Dataset(
        {
            "window": (("row", "column"), table.to_numpy(np.float32)),
            "label": ("row", table.index.get_level_values("label").to_numpy(object)),
            "window_s": ("row", table.index.get_level_values("window_s").to_numpy(float)),
        },
        {"column": table.columns.to_numpy(object)},
    )


def effect_algebra(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> xr.Dataset:
    """Return `algebra.algebra_scores` of all effects on `clips`, shipped or computed: decoding takes minutes."""
    dataset = _measured(clips, encoder, "algebra")
    if dataset is not None:
        return dataset.rename({name: name.removeprefix(OF_ALGEBRA) for name in _prefixed(dataset)}).drop_attrs()
    _may_compute(compute, "the scores of latent algebra", encoder)
    return algebra_scores(clips, load_encoder(encoder), bar=bar)


OF_ALGEBRA = "algebra_"  # before the names of its dims, whose clips are the few held-out ones


def _prefixed(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in {*dataset.variables, *dataset.dims} if str(name).startswith(OF_ALGEBRA)]


def _store_algebra(scores: xr.Dataset) -> xr.Dataset:
    names = {str(name): f"{OF_ALGEBRA}{name}" for name in {*scores.variables, *scores.dims}}
    stored = scores.drop_attrs().rename(names)
    return stored.assign_coords({name: v.astype(object) for name, v in stored.coords.items() if v.dtype.kind == "U"})


# ------------------------------------------------------------------------------------------------------------- clusters


@dataclass(frozen=True)
class ClusterPoints:
    """What Figures 3-5 show of one data set: points, and numbers measured on the latents and not on their picture."""

    views: dict[str, xr.DataArray]  # some of `VIEWS` -> (clip, effect, component)
    explained: dict[str, NDArray[np.float64]]  # "pca_mean", "pca_flat" -> share of the variance a component holds
    purity: pd.DataFrame  # by effect, instrument and clip: the columns mean, flat and chance
    claims: pd.DataFrame | None = None  # as `cluster_claims` returns them, where they ship; else it takes its time
    windows: pd.DataFrame | None = None  # likewise of `window_purity`


def cluster_points(
    clips: ClipSet, encoder: str, n: int = 3, umap: bool = True, bar: Bar = tqdm, *, compute: bool = True
) -> ClusterPoints:
    """Return the points of the four `VIEWS` in `n` dimensions, shipped or computed.

    Without `umap` its views are left out unless they ship: the first one in a process takes long to compile.
    """
    dataset = _measured(clips, encoder, "projections")
    if dataset is not None:
        return replace(
            _read_points(dataset, n),
            claims=_if_shipped(cluster_claims, clips, encoder),
            windows=_if_shipped(window_purity, clips, encoder),
        )
    _may_compute(compute, "the points", encoder)
    latents, means = _latents_and_means(clips, encoder, bar)
    return _read_points(_project(latents, means, (n,) if umap else ()), n)


def _if_shipped(read: Callable[..., Any], clips: ClipSet, encoder: str) -> Any:
    try:
        return read(clips, encoder, compute=False)
    except NotShipped:
        return None


def _latents_and_means(clips: ClipSet, encoder: str, bar: Bar) -> tuple[xr.DataArray, xr.DataArray]:
    model = load_encoder(encoder)
    return encode_effects(clips, model, bar=bar), encode_effects(clips, model, average=True, bar=bar)


def _project(latents: xr.DataArray, means: xr.DataArray, umap_dimensions: Sequence[int]) -> xr.Dataset:
    """Return all points as they are stored; PCA has three components, UMAP as many as `umap_dimensions` say."""
    dataset = xr.Dataset(coords=means.coords).drop_vars("dim")
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


# --------------------------------------------------------------------------------------------------- claims, comparison


def cluster_claims(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> pd.DataFrame:
    """Return the paper's claims tested on `clips` and an encoder, as `claims.paper_claims` does, shipped or computed.

    Where both of our autoencoders ship for `clips`, the paper's comparison of its two follows. Computing them takes a
    minute, and on clips that are new as long again as encoding them and the knob paths of eight of them. Raises
    ValueError for clips of fewer than five recordings.
    """
    dataset = _measured(clips, encoder, "claims")
    if dataset is not None:
        return _with_comparison(_read_claims(dataset), clips, encoder)
    _may_compute(compute, "the claims", encoder)
    latents, means = _latents_and_means(clips, encoder, bar)
    with bar(total=1, desc="Probing the renders", unit="step") as progress:  # first: it refuses too few recordings
        rows = row_measures(latents, means)
        progress.update()
    paths = knob_paths(clips, encoder, bar)
    with bar(total=1, desc="Testing the claims", unit="step") as progress:
        found = paper_claims(latents, means, paths, rows)
        progress.update()
    return found


def _read_claims(dataset: xr.Dataset) -> pd.DataFrame:
    holds = [{1: True, 0: False}.get(int(code)) for code in dataset["claim_holds"].values]
    columns = {name: dataset[stored].values.astype(str) for name, stored in CLAIM_COLUMNS.items()}
    return pd.DataFrame(columns).assign(holds=pd.Series(holds, dtype=object))


def _with_comparison(table: pd.DataFrame, clips: ClipSet, encoder: str) -> pd.DataFrame:
    if encoder not in COMPARED_PAIR:
        return table
    both = {name: _measured(clips, name, "claims") for name in COMPARED_PAIR}
    if any(one is None for one in both.values()):
        return table
    compared = compare_claims({name: _rows_of(one)[list(COMPARED)] for name, one in both.items()})
    return pd.concat([table, compared], ignore_index=True)


def _rows_of(dataset: xr.Dataset) -> xr.Dataset:
    """Return the stored `claims.row_measures`."""
    stored = [str(name) for name in dataset.data_vars if str(name).startswith(OF_ROWS)]
    return dataset[stored].rename({name: name.removeprefix(OF_ROWS) for name in stored})


OF_ROWS = "row_"


def _store_claims(rows: xr.Dataset, table: pd.DataFrame) -> xr.Dataset:
    """Return the table and what it was averaged from, as they are stored; an open claim's `holds` is -1."""
    measured = {f"{OF_ROWS}{name}": values.astype(np.float32) for name, values in rows.data_vars.items()}
    texts = {stored: ("claim_row", table[name].to_numpy(object)) for name, stored in CLAIM_COLUMNS.items()}
    holds = [-1 if one is None else int(one) for one in table["holds"]]
    return xr.Dataset(measured | texts | {"claim_holds": ("claim_row", np.array(holds, np.int8))})


def compare_encoders(
    clips: ClipSet, encoders: Sequence[str], bar: Bar = tqdm, *, compute: bool = True
) -> dict[str, pd.DataFrame]:
    """Return `comparison.encoder_measures` of each encoder, by name, shipped or computed.

    Without `compute`, only of those that ship for `clips`. What ships holds algebra too; scoring it anew takes minutes
    (`algebra.algebra_scores`), so there it is NaN. Raises ValueError for clips of too few recordings, as probes do.
    """
    found = {}
    for name in encoders:
        rows = _measured(clips, name, "claims")
        if rows is not None:
            rows = _rows_of(rows)
        elif compute:
            rows = _row_measures(clips, name, bar)
        else:
            continue
        try:
            means, paths = (read(clips, name, bar, compute=compute) for read in (effect_means, knob_paths))
        except NotShipped:
            continue
        found[name] = encoder_measures(means, paths, rows, _if_shipped(effect_algebra, clips, name))
    return found


def _row_measures(clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
    latents, means = _latents_and_means(clips, encoder, bar)
    with bar(total=1, desc=f"{encoder}: probing the renders", unit="step") as progress:
        rows = row_measures(latents, means)
        progress.update()
    return rows


# ------------------------------------------------------------------------------------------------------ what is shipped


@dataclass(frozen=True)
class Measure:
    """Something that ships for all bundled clips: how it is computed, and the effects whose knobs it rests on."""

    make: Callable[[ClipSet, str, Bar], xr.Dataset]
    knobs: tuple[str, ...] = ()


def _make_claims(clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
    latents, means = _latents_and_means(clips, encoder, bar)
    rows = row_measures(latents, means)
    return _store_claims(rows, paper_claims(latents, means, knob_paths(clips, encoder, bar), rows))


MEASURES: Mapping[str, Measure] = {
    "projections": Measure(lambda clips, name, bar: _project(*_latents_and_means(clips, name, bar), (2, 3))),
    "basis": Measure(
        lambda clips, name, bar: _store_basis(_frame_basis(encode_effects(clips, load_encoder(name), bar=bar)))
    ),
    "windows": Measure(
        lambda clips, name, bar: _store_windows(
            purity_by_window(encode_effects(clips, load_encoder(name), bar=bar), bar)
        )
    ),
    "claims": Measure(_make_claims, tuple(KNOB_RANGES)),
    "algebra": Measure(lambda clips, name, bar: _store_algebra(algebra_scores(clips, load_encoder(name), bar=bar))),
}
"""Name -> what `tools/publish.py` computes and the functions above read."""
