"""Encoders side by side: every measure of `measures` on knob paths and on encoders, as tables with intervals.

Measures do not depend on the latents' own units, so encoders can be compared. Intervals are percentile bootstraps over
recordings (`intervals`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.intervals import UNKNOWN, Estimate, accuracy_interval, estimate, interval_table
from latentfx_nb.analysis.measures import ALGEBRA_PAIRS as ALGEBRA_PAIRS
from latentfx_nb.analysis.measures import MEASURES, Measure, all_measures, measures_of
from latentfx_nb.analysis.neighbours import chance, neighbours, shared

NEIGHBOUR_LABELS = ("effect", "instrument", "clip")


def path_measures(paths: xr.DataArray) -> xr.Dataset:
    """Return every measure of each path in `paths (clip, value, dim)`, over `(clip)` (Figures 6-9).

    They are taken in the latents' own space: a projection shortens and straightens what it does not show. A measure
    that compares recordings is NaN where all clips are of one.
    """
    paths = paths.transpose("clip", "value", "dim")
    return xr.Dataset({name: one.per_clip(paths) for name, one in measures_of("paths").items()})


def path_table(paths: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Return the path measures of each knob, name -> `(clip, value, dim)`, over clips, with their 95 % intervals.

    The rows are knob and measure, the columns value, low, high and n, the number of clips whose paths move.
    """
    found = {}
    for knob, path in paths.items():
        for name, values in path_measures(path).data_vars.items():
            found[knob, name] = estimate(values.values, path["recording"].values)
    return interval_table(found, ["knob", "measure"])


def displacements(means: xr.DataArray) -> xr.DataArray:
    """Return how each effect displaces the time averages `(clip, effect, dim)` of clean clips, of the same dims."""
    clean = means.sel(effect="CLN", drop=True)
    return (means.drop_sel(effect="CLN") - clean).transpose("clip", "effect", "dim")


def purity_by_window(latents: xr.DataArray, bar: Callable[..., Any] = tqdm) -> pd.DataFrame:
    """Return how pure neighbourhoods are for each window that latents are averaged over: one frame to the whole clip.

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
                purity = accuracy_interval(shared(near, code).mean(axis=1), recordings)
                found[label, length_s / parts] = *purity, chance(code)
            progress.update()
    return interval_table(found, ["label", "window_s"], ["purity", "low", "high", "chance"]).sort_index()


def _codes(latents: xr.DataArray, label: str) -> NDArray[np.intp]:
    """Return one number for each render, equal where the label is."""
    values = np.unique(latents[label].values, return_inverse=True)[1]
    if label == "effect":
        return np.tile(values, latents.sizes["clip"])
    return np.repeat(np.arange(latents.sizes["clip"]) if label == "clip" else values, latents.sizes["effect"])


def _averaged(latents: xr.DataArray, parts: int) -> xr.DataArray:
    """Return latents averaged in `parts` windows of frames, as equal in length as whole frames allow."""
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
    """Return all `MEASURES` of one encoder: a row each, with the columns value, low, high and n.

    `means (clip, effect, dim)` are time averages, `paths` knobs -> `(clip, value, dim)`, over which path measures are
    averaged, `rows` `claims.row_measures` of the same clips, and `scores` `algebra_study.algebra_scores`. Measures that
    there is no data for are NaN. n counts clips.
    """
    labelled = rows.assign_coords(recording=("clip", means["recording"].values))
    data = {"renders": labelled, "displacements": displacements(means), "means": means, "algebra": scores}
    found = {
        name: _over_knobs(one, paths) if one.of == "paths" else one.estimate(data[one.of])
        for name, one in all_measures().items()
    }
    return pd.DataFrame(list(found.values()), pd.Index(list(found), name="measure"))


def _over_knobs(one: Measure, paths: Mapping[str, xr.DataArray]) -> Estimate:
    """Return a path measure, averaged over knobs for each clip and then over clips."""
    every = [path.transpose("clip", "value", "dim") for path in paths.values()]
    values = np.nanmean([one.per_clip(path).values for path in every], axis=0)
    return estimate(values, every[0]["recording"].values)


def nothing_measured() -> pd.DataFrame:
    """Return a frame like those of `encoder_measures` in which nothing is known: for a figure that waits for data."""
    return pd.DataFrame([UNKNOWN] * len(MEASURES), pd.Index(list(MEASURES), name="measure"))


def mean_ranks(measures: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Return each encoder's rank, 1 the best behaved, averaged over the measures that all encoders have.

    `measures` are frames of `encoder_measures`, by encoder. Ranks do not say how far apart two are: look at the
    intervals.
    """
    values = pd.DataFrame({name: frame["value"] for name, frame in measures.items()}).dropna()
    worse = np.array([-1.0 if MEASURES[name].more_is_better else 1.0 for name in values.index])
    return values.mul(worse, axis=0).rank(axis=1).mean(axis=0)
