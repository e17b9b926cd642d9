"""Which latent space is best behaved under effects? Paths, displacements and neighbourhoods as numbers with intervals.

All of them are free of the latents' own units, so encoders can be held side by side. Intervals are percentile
bootstraps over recordings (`probes.accuracy_interval`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra_study import MEASURES as ALGEBRA
from latentfx_nb.analysis.geometry import (
    direction_agreement,
    knob_correlation,
    participation_ratio,
    straightness,
    total_curvature,
)
from latentfx_nb.analysis.intervals import accuracy_interval, ratio_interval
from latentfx_nb.analysis.neighbours import neighbours

PATH_MEASURES = {
    "straightness": "straightness (chord over arc)",
    "curvature": "total curvature (rad)",
    "dimension": "dimension of the steps",
    "correlation": "one direction tells the knob (correlation)",
    "agreement": "agreement of directions (cosine)",
}
"""What is measured on knob paths, and how it reads."""

NEIGHBOUR_LABELS = ("effect", "instrument", "clip")

ALGEBRA_PAIRS = 8
"""Pairs that the effect vectors which are compared were learned from."""


class Measure(NamedTuple):
    """A column of the comparison: heading, how it reads, where it comes from, and whether more is better behaved."""

    heading: str
    title: str
    source: str
    more_is_better: bool


MEASURES = {
    "probe_mean": Measure("probe -T", "probe names the effect, time-averaged", "Table 3", True),
    "probe_flat": Measure("probe -F", "probe names the effect, flattened", "Table 3", True),
    "same_effect_mean": Measure("near -T", "neighbours share the effect, time-averaged", "Figure 4", True),
    "same_effect_flat": Measure("near -F", "neighbours share the effect, flattened", "Figure 5", True),
    "straightness": Measure("straight", "knob paths: straightness", "Figures 6-9", True),
    "curvature": Measure("turns", "knob paths: total curvature (rad)", "Figures 6-9", False),
    "dimension": Measure("path dims", "knob paths: dimension of the steps", "ours", False),
    "correlation": Measure("one knob", "knob paths: one direction tells the knob", "ours", True),
    "agreement": Measure("knobs agree", "knob paths: agreement between clips", "ours", True),
    "effect_agreement": Measure("effects agree", "effects: agreement between clips", "ours", True),
    "effect_dimension": Measure("effect dims", "effects: dimension of the displacements", "ours", False),
    "algebra_mean": Measure("shift", "algebra: displacement explained by a shift", "section 1", True),
    "algebra_ridge": Measure("ridge", "algebra: displacement explained by ridge", "section 1", True),
    "algebra_sound": Measure("ridge, heard", "algebra: STFT distance removed by ridge", "section 1", True),
}
"""Everything two latent spaces are compared by."""


def path_measures(paths: xr.DataArray) -> xr.Dataset:
    """Return the `PATH_MEASURES` of each path in `paths (clip, value, dim)`, over `(clip)` (Figures 6-9).

    In the latents' own space: a projection shortens and straightens what it does not show. `dimension` is the
    participation ratio of the steps; `agreement` is between the chords, from the first value to the last; it and the
    correlation are NaN where all clips are of one recording.
    """
    paths = paths.transpose("clip", "value", "dim")
    several = len(np.unique(paths["recording"].values)) > 1
    nothing = straightness(paths) * np.nan
    chords = paths.isel(value=-1, drop=True) - paths.isel(value=0, drop=True)
    return xr.Dataset(
        {
            "straightness": straightness(paths),
            "curvature": total_curvature(paths),
            "dimension": participation_ratio(paths.astype(np.float64).diff("value")),
            "correlation": knob_correlation(paths) if several else nothing,
            "agreement": direction_agreement(chords) if several else nothing,
        }
    )


def path_table(paths: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Return the path measures of each knob, name -> `(clip, value, dim)`, over clips, with their 95 % intervals.

    The rows are knob and measure, the columns value, low, high and n, the number of clips whose paths move.
    """
    found = {}
    for name, path in paths.items():
        for measure, values in path_measures(path).data_vars.items():
            found[name, measure] = _interval(values.values, values["recording"].values)
    return _table(found, ["knob", "measure"])


def displacement_measures(means: xr.DataArray) -> xr.Dataset:
    """Return how effects displace the time averages `(clip, effect, dim)` of clean clips.

    `agreement (clip, effect)` is the mean cosine with other recordings' displacements; `dimension (effect, recording)`
    the participation ratio of all clips' displacements without one recording, and `dimension_all (effect)` of all.
    """
    clean = means.sel(effect="CLN", drop=True)
    moved = (means.drop_sel(effect="CLN") - clean).transpose("clip", "effect", "dim")
    recordings = moved["recording"].values
    names = np.unique(recordings)
    without = [participation_ratio(moved.isel(clip=recordings != name), along="clip") for name in names]
    return xr.Dataset(
        {
            "agreement": direction_agreement(moved),
            "dimension": xr.concat(without, pd.Index(names, name="without")),
            "dimension_all": participation_ratio(moved, along="clip"),
        }
    )


def purity_by_window(latents: xr.DataArray, bar: Callable[..., Any] = tqdm) -> pd.DataFrame:
    """Return how pure neighbourhoods are, by the window over which latents are averaged: one frame to the whole clip.

    `latents (clip, effect, dim, frame)`, with the coordinate `time_s`, are averaged in windows of 1, 2, 4, ... frames
    and then flattened, so that the first row is "-F" and the last "-T" (section 3.1, Figures 4 and 5). The rows are
    label (effect, instrument, clip) and window_s; the columns purity, the share of the nine nearest neighbours that
    agree in the label, low, high and chance. Latents averaged over two frames are held in memory, as float32.
    """
    latents = latents.transpose("clip", "effect", "dim", "frame")
    frames = latents.sizes["frame"]
    length_s = float(latents["time_s"].values[[0, -1]].sum())  # frames are named by their middles
    steps = int(np.ceil(np.log2(frames))) + 1
    recordings = np.repeat(latents["recording"].values, latents.sizes["effect"])
    codes = {label: _codes(latents, label) for label in NEIGHBOUR_LABELS}
    found = {}
    with bar(total=steps, desc="Neighbours by window", unit="window") as progress:
        for step in range(steps):
            parts = -(-frames >> step) if step else frames
            near = neighbours(latents if not step else _averaged(latents, parts), features=("dim", "frame"))
            for label, code in codes.items():
                shared = (code[near] == code[:, None]).mean(axis=1)
                counts = np.bincount(code)
                chance = float((counts * (counts - 1)).sum() / (len(code) * (len(code) - 1)))
                found[label, length_s / parts] = (*accuracy_interval(shared, recordings), chance)
            progress.update()
    index = pd.MultiIndex.from_tuples(found, names=["label", "window_s"])
    return pd.DataFrame(found.values(), index, ["purity", "low", "high", "chance"]).sort_index()


def _codes(latents: xr.DataArray, label: str) -> NDArray[np.intp]:
    """Return one number for each render, equal where the label is."""
    values = np.unique(latents[label].values, return_inverse=True)[1]
    if label == "effect":
        return np.tile(values, latents.sizes["clip"])
    return np.repeat(np.arange(latents.sizes["clip"]) if label == "clip" else values, latents.sizes["effect"])


def _averaged(latents: xr.DataArray, parts: int) -> xr.DataArray:
    """Return latents averaged in `parts` windows of frames, alike in length as far as whole frames allow."""
    starts = np.linspace(0, latents.sizes["frame"], parts + 1).round().astype(int)
    lengths = np.diff(starts).astype(np.float32)
    clips = [np.add.reduceat(one.values, starts[:-1], axis=-1) / lengths for one in latents]
    return latents.isel(frame=slice(parts)).copy(data=np.stack(clips).astype(np.float32))


def encoder_measures(
    means: xr.DataArray,
    paths: Mapping[str, xr.DataArray],
    rows: xr.Dataset,
    scores: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Return the `MEASURES` of one encoder: a row each, with the columns value, low, high and n.

    `means (clip, effect, dim)` are time averages, `paths` knobs -> `(clip, value, dim)`, over which path measures are
    averaged, `rows` `claims.row_measures` of the same clips, and `scores` `algebra.algebra_scores`; what there is no
    data for is NaN. n counts clips.
    """
    recordings = means["recording"].values
    found = {}
    for name, row in {
        "probe_mean": "hit_mean",
        "probe_flat": "hit_flat",
        "same_effect_mean": "same_effect_mean",
        "same_effect_flat": "same_effect_flat",
    }.items():
        found[name] = _interval(rows[row].transpose("clip", "effect").mean("effect").values, recordings)
    measured = [path_measures(path) for path in paths.values()]
    for name in PATH_MEASURES:
        values = np.nanmean([one[name].values for one in measured], axis=0)
        found[name] = _interval(values, measured[0]["recording"].values)
    moved = displacement_measures(means)
    found["effect_agreement"] = _interval(moved["agreement"].mean("effect").values, recordings)
    found["effect_dimension"] = _jackknife(moved, len(recordings))
    for name, measure, method in (
        ("algebra_mean", "latents", "mean"),
        ("algebra_ridge", "latents", "ridge"),
        ("algebra_sound", "stft", "ridge"),
    ):
        found[name] = _over_effects(scores, measure, method)
    return _table(found, None).reindex(list(MEASURES))


def mean_ranks(measures: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Return each encoder's rank, 1 the best behaved, averaged over the measures that all encoders have.

    `measures` are frames of `encoder_measures`, by encoder. Ranks say nothing of how far apart two are: look at the
    intervals.
    """
    values = pd.DataFrame({name: frame["value"] for name, frame in measures.items()}).dropna()
    worse = np.array([-1.0 if MEASURES[name].more_is_better else 1.0 for name in values.index])
    return values.mul(worse, axis=0).rank(axis=1).mean(axis=0)


def _interval(values: NDArray[np.floating], recordings: NDArray) -> tuple[float, float, float, int]:
    """Return mean and interval of the values `[clip]` that are known, and their number."""
    known = np.isfinite(values)
    if not known.any():
        return np.nan, np.nan, np.nan, 0
    return *accuracy_interval(values[known], recordings[known]), int(known.sum())


def _jackknife(moved: xr.Dataset, clips: int) -> tuple[float, float, float, int]:
    """Return the mean dimension over effects; drawing clips twice would lower it, so +-1.96 jackknife errors serve."""
    middle = float(moved["dimension_all"].mean())
    left_out = moved["dimension"].mean("effect").values
    error = np.sqrt((len(left_out) - 1) * np.var(left_out))
    return middle, middle - 1.96 * error, middle + 1.96 * error, clips


def _over_effects(scores: xr.Dataset | None, measure: str, method: str) -> tuple[float, float, float, int]:
    """Return the score of all effects together, each weighing alike; of a sound there is none without a decoder."""
    name = ALGEBRA[measure][0]
    if scores is None or name not in scores or ALGEBRA_PAIRS not in scores["k"].values:
        return np.nan, np.nan, np.nan, 0
    missed, nothing = scores[name].sel(approach=method, k=ALGEBRA_PAIRS), scores[f"{name}_nothing"]
    left = [(one / nothing.mean("clip")).mean("effect").values for one in (missed, nothing)]
    share, low, high = ratio_interval(*left, scores["recording"].values)
    return 1 - share, 1 - high, 1 - low, scores.sizes["clip"]


def _table(found: Mapping[Any, Sequence[float]], names: Sequence[str] | None) -> pd.DataFrame:
    keys = list(found)
    index = pd.MultiIndex.from_tuples(keys, names=names) if names else pd.Index(keys, name="measure")
    return pd.DataFrame(list(found.values()), index, ["value", "low", "high", "n"])
