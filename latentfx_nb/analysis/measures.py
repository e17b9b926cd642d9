"""The built-in measures of how a latent space behaves under effects, in the order of tables (`registry`: your own)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from latentfx_nb.analysis.geometry import (
    direction_agreement,
    knob_correlation,
    participation_ratio,
    straightness,
    total_curvature,
)
from latentfx_nb.analysis.intervals import UNKNOWN, Estimate, removed_interval
from latentfx_nb.analysis.registry import ALGEBRA_PAIRS as ALGEBRA_PAIRS
from latentfx_nb.analysis.registry import BUILT_IN, MEASURES, measure
from latentfx_nb.analysis.registry import Measure as Measure
from latentfx_nb.analysis.registry import all_measures as all_measures
from latentfx_nb.analysis.registry import glossary as glossary
from latentfx_nb.analysis.registry import measures_of as measures_of

# ---------------------------------------------------------------------------------------------- probes and neighbours


@measure(
    "probe_mean",
    of="renders",
    heading="probe -T",
    title="probe names the effect, time-averaged",
    says="share of renders whose effect a linear probe names from time averages; the probe never heard the recording",
    better="more",
    place="Table 3",
)
def _probe_mean(rows: xr.Dataset) -> xr.DataArray:
    return rows["hit_mean"]


@measure(
    "probe_flat",
    of="renders",
    heading="probe -F",
    title="probe names the effect, flattened",
    says="share of renders whose effect a linear probe names from flattened latents, which keep what happens when",
    better="more",
    place="Table 3",
)
def _probe_flat(rows: xr.Dataset) -> xr.DataArray:
    return rows["hit_flat"]


@measure(
    "same_effect_mean",
    of="renders",
    heading="near -T",
    title="neighbours share the effect, time-averaged",
    says="share of a render's nine nearest neighbours that have its effect, among time averages",
    better="more",
    place="Figure 4",
)
def _same_effect_mean(rows: xr.Dataset) -> xr.DataArray:
    return rows["same_effect_mean"]


@measure(
    "same_effect_flat",
    of="renders",
    heading="near -F",
    title="neighbours share the effect, flattened",
    says="share of a render's nine nearest neighbours that have its effect, among flattened latents",
    better="more",
    place="Figure 5",
)
def _same_effect_flat(rows: xr.Dataset) -> xr.DataArray:
    return rows["same_effect_flat"]


# --------------------------------------------------------------------------------------------------------- knob paths


def _several_recordings(paths: xr.DataArray) -> bool:
    return len(np.unique(paths["recording"].values)) > 1


def _nothing(paths: xr.DataArray) -> xr.DataArray:
    return paths.isel(value=0, dim=0, drop=True) * np.nan


measure(
    "straightness",
    of="paths",
    heading="straight",
    title="knob paths: straightness",
    says="chord over arc of the path along a knob: 1 is a straight line, 0 a closed loop",
    better="more",
    place="Figures 6-9",
)(straightness)

measure(
    "curvature",
    of="paths",
    heading="turns",
    title="knob paths: total curvature (rad)",
    says="by how many radians the path along a knob turns in all: 0 is a straight line, 6.28 a circle",
    better="less",
    place="Figures 6-9",
)(total_curvature)


@measure(
    "dimension",
    of="paths",
    heading="path dims",
    title="knob paths: dimension of the steps",
    says="in how many dimensions the steps of the path along a knob spread (participation ratio): 1 is one direction",
    better="less",
)
def _path_dimension(paths: xr.DataArray) -> Any:
    return participation_ratio(paths.astype(np.float64).diff("value"))


@measure(
    "correlation",
    of="paths",
    heading="one knob",
    title="knob paths: one direction tells the knob",
    says="correlation of the knob with the place along one direction, which is fitted on other recordings' paths",
    better="more",
)
def _knob_told(paths: xr.DataArray) -> Any:
    return knob_correlation(paths) if _several_recordings(paths) else _nothing(paths)


@measure(
    "agreement",
    of="paths",
    heading="knobs agree",
    title="knob paths: agreement between clips",
    says="mean cosine between the chords of different recordings' paths, from the knob's first value to its last",
    better="more",
)
def _chord_agreement(paths: xr.DataArray) -> Any:
    chords = paths.isel(value=-1, drop=True) - paths.isel(value=0, drop=True)
    return direction_agreement(chords) if _several_recordings(paths) else _nothing(paths)


# ---------------------------------------------------------------------------------------------- displacements, algebra


@measure(
    "effect_agreement",
    of="displacements",
    heading="effects agree",
    title="effects: agreement between clips",
    says="mean cosine between an effect's displacements of different recordings' time averages",
    better="more",
)
def _effect_agreement(moved: xr.DataArray) -> Any:
    return direction_agreement(moved)


@measure(
    "effect_dimension",
    of="displacements",
    heading="effect dims",
    title="effects: dimension of the displacements",
    says="in how many dimensions an effect's displacements of all clips' time averages spread (participation ratio)",
    better="less",
)
def effect_dimension(moved: xr.DataArray) -> Estimate:
    """Return the participation ratio of the displacements `(clip, effect, dim)` of each effect, averaged over effects.

    The ends are 1.96 jackknife errors away, one recording left out at a time: a bootstrap draws clips twice, which
    lowers the dimension.
    """
    recordings = moved["recording"].values
    middle = float(xr.DataArray(participation_ratio(moved, along="clip")).mean())
    others = (moved.isel(clip=recordings != name) for name in np.unique(recordings))
    left_out = [float(xr.DataArray(participation_ratio(some, along="clip")).mean()) for some in others]
    error = np.sqrt((len(left_out) - 1) * np.var(left_out))
    return Estimate(middle, middle - 1.96 * error, middle + 1.96 * error, len(recordings))


def _removed(scores: xr.Dataset, name: str, method: str) -> Estimate:
    """Return the share of a distance that a method removes, each effect weighing alike; unknown without decoder."""
    if name not in scores or ALGEBRA_PAIRS not in scores["k"].values:
        return UNKNOWN
    missed, nothing = scores[name].sel(approach=method, k=ALGEBRA_PAIRS), scores[f"{name}_nothing"]
    left, before = ((one / nothing.mean("clip")).mean("effect").values for one in (missed, nothing))
    return Estimate(*removed_interval(left, before, scores["recording"].values), scores.sizes["clip"])


@measure(
    "algebra_mean",
    of="algebra",
    heading="shift",
    title="algebra: displacement explained by a shift",
    says=f"share of the latents' displacement that the mean shift of {ALGEBRA_PAIRS} pairs makes on other recordings",
    better="more",
    place="section 1",
)
def _algebra_mean(scores: xr.Dataset) -> Estimate:
    return _removed(scores, "missed", "mean")


@measure(
    "algebra_ridge",
    of="algebra",
    heading="ridge",
    title="algebra: displacement explained by ridge",
    says=f"share of the latents' displacement that ridge regression on {ALGEBRA_PAIRS} pairs makes on other recordings",
    better="more",
    place="section 1",
)
def _algebra_ridge(scores: xr.Dataset) -> Estimate:
    return _removed(scores, "missed", "ridge")


@measure(
    "algebra_sound",
    of="algebra",
    heading="ridge, heard",
    title="algebra: STFT distance removed by ridge",
    says="share of the STFT distance to the real effect that is gone when what ridge regression makes is decoded",
    better="more",
    place="section 1",
)
def _algebra_sound(scores: xr.Dataset) -> Estimate:
    return _removed(scores, "stft", "ridge")


BUILT_IN.update(MEASURES)
