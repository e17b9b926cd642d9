"""Results for clips: read where they ship with the package, computed for other clips, effects and encoders.

Pages and notebooks ask here and need not care which it is (`shipped` says what ships). With `compute=False` nothing is
ever encoded: asking for something that does not ship raises `NotShipped`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra_baselines import algebra_baselines
from latentfx_nb.analysis.algebra_study import algebra_scores
from latentfx_nb.analysis.axes import views_with_ends
from latentfx_nb.analysis.claims import COMPARED, compare_claims, paper_claims, row_measures
from latentfx_nb.analysis.clusters import VIEWS as VIEWS
from latentfx_nb.analysis.clusters import ClusterPoints, points_of, project
from latentfx_nb.analysis.clusters import umap_neighbours as umap_neighbours
from latentfx_nb.analysis.comparison import encoder_measures, purity_by_window
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.pieces import (
    CLOUD_DIMS,
    ClaimResults,
    read_algebra,
    read_basis,
    read_claims,
    read_windows,
    store_algebra,
    store_basis,
    store_claims,
    store_windows,
)
from latentfx_nb.analysis.samples import spread
from latentfx_nb.analysis.shipped import NotShipped, entries, knob_piece, read_study, setting_piece, study_piece
from latentfx_nb.analysis.shipped import made_with as made_with
from latentfx_nb.effects import TABLE_1, get_effect
from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.paper import KNOB_RANGES, KNOB_VALUES
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects, encode_sweep

PATH_CLIPS_PER_INSTRUMENT = 4
"""Clips of each instrument whose knob paths ship."""

COMPARED_PAIR = ("stacked-mini-2", "diffae-mini")
"""Our Stacked and DiffAE: the paper says that the first clusters more by effect."""

CLOUD_FRAMES = 1500
"""Frames that stand for a whole data set behind trajectories: enough to see where all of them lie."""

Bar = Callable[..., Any]


# ------------------------------------------------------------------------------------------------------- time averages


def effect_means(
    clips: ClipSet,
    encoder: str,
    bar: Bar = tqdm,
    *,
    effects: Sequence[str] | None = None,
    mono: bool = False,
    compute: bool = True,
) -> xr.DataArray:
    """Return time averages `(clip, effect, dim)` of `clips` through `effects` (None: the ten of Table 1).

    Effects that ship for all the clips are read, and only the others are encoded. `mono` is as `encode_effects` has it.
    """
    labels, hashes = list(TABLE_1 if effects is None else effects), clips.hashes()
    found = {label: entries(setting_piece(encoder, label, mono), hashes) for label in labels}
    missing = [label for label in labels if len(found[label]) < len(clips)]
    if missing:
        _may_compute(compute, f"the time averages through {', '.join(missing)}", encoder)
        computed = encode_effects(clips, load_encoder(encoder), missing, average=True, mono=mono, bar=bar)
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
    """Return row of `clips` -> its computed averages; clips that could not be read are left out."""
    rows: dict[str, int] = {clip: row for row, clip in enumerate(clips.table["clip"])}
    return {rows[clip]: values for clip, values in zip(computed["clip"].values, computed.values, strict=True)}


def _labelled(values: NDArray[np.float32], clips: ClipSet, axis: xr.Variable, encoder: str) -> xr.DataArray:
    """Return `values [clip axis dim]` as `encode_effects` and `encode_sweep` label theirs."""
    (along,) = axis.dims
    coordinates = {**_clip_labels(clips), str(along): axis, "dim": np.arange(values.shape[-1])}
    return xr.DataArray(values, coordinates, ("clip", along, "dim"), attrs={"encoder": encoder})


def _clip_labels(clips: ClipSet) -> dict[str, Any]:
    return {name: ("clip", clips.table[name].to_numpy(object)) for name in ("clip", "instrument", "recording")}


# ------------------------------------------------------------------------------------------------------- whole studies


def trajectory_basis(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> PCA:
    """Return the 3-D PCA of all frames of `clips` through all ten effects (Figure 2), shipped or computed.

    Its `points (frame, component)` are a sample of the frames, evenly spaced.
    """
    return _shipped_or_computed("basis", clips, encoder, bar, compute)


def window_purity(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> pd.DataFrame:
    """Return `comparison.purity_by_window` of `clips` through all ten effects, shipped or computed."""
    return _shipped_or_computed("windows", clips, encoder, bar, compute)


def effect_algebra(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> xr.Dataset:
    """Return `algebra_study.algebra_scores` of all effects on `clips`, shipped or computed: decoding takes minutes."""
    shipped = _shipped("algebra", clips, encoder)
    if shipped is None:
        _may_compute(compute, STUDIES["algebra"].what, encoder)
        return algebra_scores(clips, load_encoder(encoder), bar=bar)
    scores, baselines = read_algebra(shipped), _shipped("baselines", clips, encoder)
    return scores if baselines is None else scores.assign(read_algebra(baselines).data_vars)


def cluster_points(
    clips: ClipSet, encoder: str, n: int = 3, umap: bool = True, bar: Bar = tqdm, *, compute: bool = True
) -> ClusterPoints:
    """Return the points of the four `VIEWS` in `n` dimensions, shipped or computed.

    PCA's axes know what one hears towards their ends, where that ships (`axes.with_ends`).
    Without `umap` its views are left out unless they ship: the first one in a process takes long to compile.
    """
    dataset = _shipped("projections", clips, encoder)
    if dataset is None:
        _may_compute(compute, STUDIES["projections"].what, encoder)
        computed = points_of(project(*_latents_and_means(clips, encoder, bar), (n,) if umap else ()), n)
        return replace(computed, views=views_with_ends(computed.views, clips))
    points = points_of(dataset, n)
    return replace(
        points,
        views=views_with_ends(points.views, clips),
        claims=_if_shipped(cluster_claims, clips, encoder),
        windows=_if_shipped(window_purity, clips, encoder),
    )


def cluster_claims(clips: ClipSet, encoder: str, bar: Bar = tqdm, *, compute: bool = True) -> pd.DataFrame:
    """Return the paper's claims tested on `clips` and an encoder, as `claims.paper_claims` does, shipped or computed.

    Where both of our autoencoders ship for `clips`, the paper's comparison of its two follows. Computing them takes a
    minute, and on new clips as long again as encoding them and the knob paths of eight of them. Raises ValueError for
    clips of fewer than five recordings.
    """
    table = _shipped_or_computed("claims", clips, encoder, bar, compute).table
    shipped = {name: _shipped("claims", clips, name) for name in COMPARED_PAIR if encoder in COMPARED_PAIR}
    rows = {name: read_claims(one).rows[list(COMPARED)] for name, one in shipped.items() if one is not None}
    if len(rows) < len(COMPARED_PAIR):
        return table
    return pd.concat([table, compare_claims(rows)], ignore_index=True)


def compare_encoders(
    clips: ClipSet, encoders: Sequence[str], bar: Bar = tqdm, *, compute: bool = True
) -> dict[str, pd.DataFrame]:
    """Return `comparison.encoder_measures` of each encoder, by name, shipped or computed.

    Without `compute`, only of those that ship for `clips`. What ships holds algebra too; scoring it anew takes minutes
    (`effect_algebra`), so there it is NaN. Raises ValueError for clips of too few recordings, as probes do.
    """
    found = {}
    for name in encoders:
        with suppress(NotShipped):
            rows = _rows(clips, name, bar, compute)
            means = effect_means(clips, name, bar, compute=compute)
            paths = knob_paths(clips, name, bar, compute=compute)
            found[name] = encoder_measures(means, paths, rows, _if_shipped(effect_algebra, clips, name))
    return found


def _if_shipped(read: Callable[..., Any], clips: ClipSet, encoder: str) -> Any:
    try:
        return read(clips, encoder, compute=False)
    except NotShipped:
        return None


# -------------------------------------------------------------------------------------------- how studies are made


@dataclass(frozen=True)
class Study:
    """Something that ships for all bundled clips.

    what: its words in an error. compute: makes it of clips and an encoder. store, read: turn it into the dataset that
    ships, and back. knobs: the effects whose knob paths it needs. suits: whether it can be made with an encoder.
    """

    what: str
    compute: Callable[[ClipSet, str, Bar], Any]
    store: Callable[[Any], xr.Dataset]
    read: Callable[[xr.Dataset], Any]
    knobs: tuple[str, ...] = ()
    suits: Callable[[str], bool] = lambda _: True

    def make(self, clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
        """Return the dataset that ships, computed."""
        return self.store(self.compute(clips, encoder, bar))


def _shipped_or_computed(name: str, clips: ClipSet, encoder: str, bar: Bar, compute: bool) -> Any:
    dataset, study = _shipped(name, clips, encoder), STUDIES[name]
    if dataset is not None:
        return study.read(dataset)
    _may_compute(compute, study.what, encoder)
    return study.compute(clips, encoder, bar)


def _shipped(name: str, clips: ClipSet, encoder: str) -> xr.Dataset | None:
    """Return the dataset of a study that ships for `clips`, with their labels if it is over clips; else None."""
    dataset = read_study(study_piece(encoder, name, STUDIES[name].knobs), clips.hashes())
    return dataset.assign_coords(_clip_labels(clips)) if dataset is not None and "clip" in dataset.dims else dataset


def _latents_and_means(clips: ClipSet, encoder: str, bar: Bar) -> tuple[xr.DataArray, xr.DataArray]:
    model = load_encoder(encoder)
    return encode_effects(clips, model, bar=bar), encode_effects(clips, model, average=True, bar=bar)


def _one_step(bar: Bar, desc: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` makes of its arguments, under a progress bar of one step."""
    with bar(total=1, desc=desc, unit="step") as progress:
        made = work(*arguments)
        progress.update()
    return made


def _all_points(clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
    return project(*_latents_and_means(clips, encoder, bar), (2, 3))


def _basis(clips: ClipSet, encoder: str, bar: Bar) -> PCA:
    latents = encode_effects(clips, load_encoder(encoder), bar=bar)
    basis = _one_step(bar, "PCA of all frames", fit_pca, latents, 3, "dim")
    points = basis.points.transpose("clip", "effect", "frame", "component").values.reshape(-1, 3)
    some = points[spread(len(points), CLOUD_FRAMES)]
    return replace(basis, points=xr.DataArray(some, {"component": basis.points["component"]}, CLOUD_DIMS))


def _windows(clips: ClipSet, encoder: str, bar: Bar) -> pd.DataFrame:
    return purity_by_window(encode_effects(clips, load_encoder(encoder), bar=bar), bar)


def _claims(clips: ClipSet, encoder: str, bar: Bar) -> ClaimResults:
    latents, means = _latents_and_means(clips, encoder, bar)
    # The probes come first: they refuse too few recordings before any path is encoded.
    rows = _one_step(bar, "Probing the renders", row_measures, latents, means)
    paths = knob_paths(clips, encoder, bar)
    return ClaimResults(rows, _one_step(bar, "Testing the claims", paper_claims, latents, means, paths, rows))


def _rows(clips: ClipSet, encoder: str, bar: Bar, compute: bool) -> xr.Dataset:
    """Return the row measures that the claims rest on, shipped or computed without the claims."""
    dataset = _shipped("claims", clips, encoder)
    if dataset is not None:
        return read_claims(dataset).rows
    _may_compute(compute, STUDIES["claims"].what, encoder)
    return _one_step(bar, f"{encoder}: probing the renders", row_measures, *_latents_and_means(clips, encoder, bar))


def _algebra(clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
    return algebra_scores(clips, load_encoder(encoder), baselines=False, bar=bar)


def _baselines(clips: ClipSet, encoder: str, bar: Bar) -> xr.Dataset:
    return algebra_baselines(clips, load_encoder(encoder), bar=bar)


def _decodes(encoder: str) -> bool:
    return bool(list_encoders().at[encoder, "has_decoder"])


def _as_it_is(dataset: xr.Dataset) -> xr.Dataset:
    return dataset


STUDIES: Mapping[str, Study] = {
    "projections": Study("the points", _all_points, _as_it_is, _as_it_is),
    "basis": Study("the basis of all frames", _basis, store_basis, read_basis),
    "windows": Study("the averaging windows", _windows, store_windows, read_windows),
    "claims": Study("the claims", _claims, store_claims, read_claims, tuple(KNOB_RANGES)),
    "algebra": Study("the scores of latent algebra", _algebra, store_algebra, read_algebra),
    "baselines": Study("the baselines of latent algebra", _baselines, store_algebra, read_algebra, suits=_decodes),
}
"""Name -> what `tools/publish.py` computes and the functions above read."""
