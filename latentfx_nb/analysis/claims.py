"""What the paper says of its encoders, tested on one: each claim with its number and whether it holds.

A claim about a difference holds if the whole 95 % interval of that difference, over recordings, is on its side. With an
interval that includes zero it does not hold, and is not refuted either. Models, clips and splits differ from the
paper's: compare directions, not sizes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.intervals import Estimate, accuracy_interval, estimate
from latentfx_nb.analysis.masking import masking_losses
from latentfx_nb.analysis.neighbours import chance, neighbours, shared
from latentfx_nb.analysis.probes import overall_accuracy, probe_hits
from latentfx_nb.paper import EFFECT_SETTINGS, KNOB_RANGES

STRAIGHT = 0.95
"""Straightness from which a path counts as straight. Ours: a circular arc of this straightness turns by 63 degrees."""

DECISIVE_POINTS = 10.0
"""Percentage points that masking a decisive dim costs. Ours, as the worst loss is missing from the text of section
3.3: a fifth of the 50 points between a perfect clean-against-effect probe and guessing."""

LINEAR_KNOBS = ("HPF", "LPF")
"""Knobs of "linear" effects, whose paths are curved all the same (section 3.1)."""

COSTLY = ("TRV", "LPF", "CHS", "CMP")
CHEAP = ("HPF", "PS", "RVB")
"""Effects that masking any dim costs much, and hardly anything (section 3.3)."""

AVERAGES_PLACE = "section 4 (Table 3: but for Stacked2)"

VERDICTS = {True: "holds", False: "does not hold", None: "not tested"}
"""What `holds` says, in words."""

COMPARED = {
    "same_effect_flat": ("neighbours share it, flattened", "section 3.1, Figure 5"),
    "same_effect_mean": ("neighbours share it, time-averaged", "section 3.1, Figure 4"),
    "hit_mean": ("the probe names it, time-averaged", "section 3.2, Table 3"),
}
"""Row measures by which two encoders are compared: their words, and where the paper compares them."""


class Claim(NamedTuple):
    """One row of the table: what the paper says and where, our number for it, and whether it holds (None: open)."""

    claim: str
    place: str
    number: str
    holds: bool | None


def paper_claims(
    latents: xr.DataArray, means: xr.DataArray, paths: Mapping[str, xr.DataArray], rows: xr.Dataset | None = None
) -> pd.DataFrame:
    """Return the paper's qualitative claims as a table: `claim`, `place`, `number` and `holds` (None: not tested).

    `latents (clip, effect, dim, frame)` and their `means (clip, effect, dim)` carry the coordinates instrument and
    recording; `paths` maps DIS, RVB, HPF and LPF to time averages `(clip, value, dim)` along their knob. `rows` are
    `row_measures(latents, means)`, if they are there already; computing them takes a minute.

    Raises ValueError if an effect of Table 1 or a path of Table 2 is missing, and as `probe_hits` does.
    """
    _check_complete(EFFECT_SETTINGS, means["effect"].values, "effects")
    _check_complete(KNOB_RANGES, paths)
    rows = row_measures(latents, means) if rows is None else rows
    straight = {effect: straightness(path) for effect, path in paths.items()}
    lost = masking_losses(means, against="unmasked", bar=partial(tqdm, disable=True))
    of_time = [_averages_beat_flattened(rows), _flattened_by_performance(rows), _averaging_brings_out_the_effect(rows)]
    if latents is not None and latents.sizes["frame"] == 1:
        of_time = [claim._replace(number="one vector a clip: no time to average", holds=None) for claim in of_time]
    return _table(
        [
            *of_time,
            _instruments_divide(rows),
            *_of_paths(straight),
            *_of_masking(lost),
            _all_beat_chance(rows),
            _vggish_beats_autoencoders(),
        ]
    )


def path_claims(paths: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Return the table of what the paper says of knob paths, tested on Table 2: effect -> `(clip, value, dim)`.

    Raises ValueError if one of the four is missing.
    """
    _check_complete(KNOB_RANGES, paths)
    return _table(_of_paths({effect: straightness(paths[effect]) for effect in KNOB_RANGES}))


def _of_paths(straight: Mapping[str, xr.DataArray]) -> list[Claim]:
    return [_linear_paths_are_curved(straight), _distortion_is_straightest(straight)]


def masking_claims(lost: xr.DataArray) -> pd.DataFrame:
    """Return the table of what the paper says of masking, tested on `lost (effect, dim, clip)` of all nine effects.

    `lost` are `masking.masking_losses`, best against the unmasked model: the best of many is a lucky one.
    """
    return _table(_of_masking(lost))


def _of_masking(lost: xr.DataArray) -> list[Claim]:
    return [_no_dim_is_decisive(lost), _masking_costs_some_more(lost)]


def probe_claims(results: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the table of what the paper says of probes, tested on `results` of `probes.train_probes` on effects.

    All features beat chance; and where an encoder's name stands with "-T" and with "-F", the averages beat the others.
    """
    found = [_beats_chance(name, result) for name, result in results.items()]
    for name, result in results.items():
        if name.endswith("-T") and (other := f"{name[:-2]}-F") in results:
            claim = f"{name[:-2]}: time-averaged latents beat flattened ones on the probe"
            gain = overall_accuracy(result, results[other])
            number = "{:+.1f} points ({:+.1f} to {:+.1f})".format(*(100 * part for part in gain))
            found.append(Claim(claim, AVERAGES_PLACE, number, gain[1] > 0))
    return _table(found)


def _beats_chance(name: str, result: xr.Dataset) -> Claim:
    accuracy, chance = overall_accuracy(result), 1 / result.sizes["label"]
    number = f"{_percent(accuracy)}; chance {chance:.0%}"
    return Claim(f"{name}: a probe does better than chance", "section 3.2, Table 3", number, accuracy[1] > chance)


def _check_complete(wanted: Iterable[str], given: Container[str], what: str = "paths") -> None:
    missing = [label for label in wanted if label not in given]
    if missing:
        raise ValueError(f"the claims need all {what} of the paper; encode {', '.join(missing)} too, which is missing")


def compare_claims(rows: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the table of what the paper says of two encoders: the first clusters by effect more than the second.

    `rows` maps the encoders' names to their `row_measures` of the same clips, which are paired here. Raises ValueError
    if there are not two, or if their clips or effects differ.
    """
    if len(rows) != 2:
        raise ValueError(f"two encoders are compared, not {len(rows)}: pass the one that should cluster more first")
    (first, one), (second, other) = rows.items()
    if not np.array_equal(one["clip"], other["clip"]) or not np.array_equal(one["effect"], other["effect"]):
        raise ValueError(f"{first} and {second} heard different renders: pass both encoders' rows of the same clips")
    found = []
    for name, (how, place) in COMPARED.items():
        claim = f"{first} clusters by effect more strongly than {second}: {how}"
        found.append(_above(claim, place, one[name], other[name]))
    return _table(found)


def _table(claims: list[Claim]) -> pd.DataFrame:
    table = pd.DataFrame(claims, columns=Claim._fields)
    table["holds"] = pd.Series([None if c.holds is None else bool(c.holds) for c in claims], dtype=object)
    return table


# ---------------------------------------------------------------------------------------------- measured on each render


def row_measures(latents: xr.DataArray, means: xr.DataArray) -> xr.Dataset:
    """Return what probes and neighbours say of every render, `(clip, effect)`, of which the claims are averages.

    For the time averages (`_mean`) and the flattened latents (`_flat`): `hit`, whether a probe names the effect;
    `instrument`, whether one names the instrument, if there are two of three recordings each; `same_effect` and
    `same_clip`, the share of the nine nearest neighbours that has its effect or clip. The flattened latents are read
    into memory as float32. Raises ValueError as `probe_hits` does.
    """
    means, latents = means.transpose("clip", "effect", "dim"), latents.transpose("clip", "effect", "dim", "frame")
    measures = {}
    for kind, x in (("mean", means), ("flat", latents)):
        wide = np.asarray(x.values, np.float32).reshape(x.sizes["clip"] * x.sizes["effect"], -1)
        for name, values in _of_renders(wide, means).items():
            measures[f"{name}_{kind}"] = ("clip", "effect"), values.reshape(means.shape[:2])
    return xr.Dataset(measures, {name: means[name] for name in ("clip", "effect", "instrument", "recording")})


def _of_renders(x: NDArray[np.float32], means: xr.DataArray) -> dict[str, NDArray[Any]]:
    """Return the row measures `[row]` of features `x [row feature]`, labelled as `means (clip, effect, dim)` are."""
    clips, per_clip = means.sizes["clip"], means.sizes["effect"]
    effects = np.tile(means["effect"].values, clips)
    instruments, recordings = (np.repeat(means[name].values, per_clip) for name in ("instrument", "recording"))
    near = neighbours(x)
    found = {
        "hit": probe_hits(x, effects, recordings),
        "same_effect": shared(near, effects).mean(axis=1),
        "same_clip": shared(near, np.repeat(np.arange(clips), per_clip)).mean(axis=1),
    }
    recordings_of = [len(np.unique(recordings[instruments == name])) for name in np.unique(instruments)]
    if len(recordings_of) > 1 and min(recordings_of) > 2:
        found["instrument"] = probe_hits(x, instruments, recordings)
    return found


def _interval(x: xr.DataArray, other: xr.DataArray | None = None) -> tuple[float, float, float]:
    """Return mean and 95 % interval over recordings of `x`, or of `x - other`, over the dims `clip` and maybe more."""
    rows = x if other is None else x.astype(float) - other.transpose(*x.dims).values
    rows = rows.transpose("clip", ...)
    recordings = np.repeat(rows["recording"].values, rows.size // rows.sizes["clip"])
    return accuracy_interval(rows.values.ravel(), recordings)


def _above(claim: str, place: str, x: xr.DataArray, other: xr.DataArray) -> Claim:
    """Return the claim that the share `x` of each render is above the share `other`."""
    mean, low, high = (100 * part for part in _interval(x, other))
    number = (
        f"{float(x.mean()):z.1%} against {float(other.mean()):z.1%}: {mean:+z.1f} points ({low:+z.1f} to {high:+z.1f})"
    )
    return Claim(claim, place, number, low > 0)


def _percent(interval: tuple[float, float, float]) -> str:
    return "{:.1f}% ({:.1f} to {:.1f})".format(*(100 * part for part in interval))


# ----------------------------------------------------------------------------------------------------------- the claims


def _averages_beat_flattened(rows: xr.Dataset) -> Claim:
    claim = "Time-averaged latents beat flattened ones on the ten-class probe"
    return _above(claim, AVERAGES_PLACE, rows["hit_mean"], rows["hit_flat"])


def _flattened_by_performance(rows: xr.Dataset) -> Claim:
    claim = "Flattened latents group by performance: over chance, neighbours share the clip more than the effect"
    clip, effect = (rows[f"same_{dim}_flat"] - _chance(rows, dim) for dim in ("clip", "effect"))
    return _above(claim, "section 3.1, Figure 5", clip, effect)


def _chance(rows: xr.Dataset, dim: str) -> float:
    """Return the share of the other renders that agree along `dim`."""
    return chance(np.arange(rows.sizes["clip"] * rows.sizes["effect"]) % rows.sizes[dim])


def _averaging_brings_out_the_effect(rows: xr.Dataset) -> Claim:
    claim = "Averaging over time brings out the effect: more neighbours share it than in flattened latents"
    return _above(claim, "section 3.1, Figure 4", rows["same_effect_mean"], rows["same_effect_flat"])


def _instruments_divide(rows: xr.Dataset) -> Claim:
    claim = "Guitar and piano divide the space: a linear probe tells them apart on recordings it never heard"
    if "instrument_mean" not in rows:
        return Claim(claim, "section 4", "needs two instruments, each in three recordings", None)
    majority = np.unique(rows["instrument"].values, return_counts=True)[1].max() / rows.sizes["clip"]
    mean, flat = _interval(rows["instrument_mean"]), _interval(rows["instrument_flat"])
    number = f"time-averaged {_percent(mean)}, flattened {_percent(flat)}; the commoner one is {majority:.1%} of clips"
    return Claim(claim, "section 4", number, min(mean[1], flat[1]) > majority)


def _linear_paths_are_curved(straight: Mapping[str, xr.DataArray]) -> Claim:
    claim = "Knob paths are curved even for linear effects: the straightness of HPF and LPF stays below 1"
    place = "section 3.1, Figures 7-9"
    per_clip = np.mean([straight[effect].values for effect in LINEAR_KNOBS], axis=0)
    mean, low, high, n = _over_clips(per_clip)
    if n < 2:
        return Claim(claim, place, "needs paths that move, of two clips", None)
    number = f"straightness {mean:.2f} ({low:.2f} to {high:.2f}), straight from {STRAIGHT}; n = {per_clip.size} clips"
    return Claim(claim, place, number, high < STRAIGHT)


def _distortion_is_straightest(straight: Mapping[str, xr.DataArray]) -> Claim:
    """Every rival has to be beaten, so the one that comes closest is the number."""
    claim, place = "Distortion's knob paths are the straightest", "section 3.1, Figure 9"
    own = straight["DIS"].values
    gaps = {effect: _over_clips(own - straight[effect].values) for effect in sorted(straight) if effect != "DIS"}
    gaps = {effect: gap for effect, gap in gaps.items() if gap.n > 1}
    if not gaps:
        return Claim(claim, place, "needs paths that move, of two clips", None)
    rival = min(gaps, key=lambda effect: gaps[effect].low)
    mean, low, high, _ = gaps[rival]
    gap = f"{mean:+.2f} ({low:+.2f} to {high:+.2f}) against {rival}, its closest rival"
    return Claim(claim, place, f"straightness {np.nanmean(own):.2f}: {gap}; n = {own.size} clips", low > 0)


def _over_clips(values: NDArray[np.floating]) -> Estimate:
    """Return mean and interval over the clips `[clip]` whose paths move; one clip has no spread."""
    return estimate(values, np.arange(len(values)))


def _no_dim_is_decisive(lost: xr.DataArray) -> Claim:
    losses = lost.mean("clip")
    worst = losses[losses.argmax(...)]
    effect, dim = worst["effect"].item(), int(losses.argmax(...)["dim"])
    _, low, high = _interval(lost.sel(effect=effect).isel(dim=dim))
    number = (
        f"at most {float(worst):.1f} points ({low:.1f} to {high:.1f}), {effect} without dim {dim}, "
        f"worst of {losses.sizes['dim']} x {losses.sizes['effect']}; decisive from {DECISIVE_POINTS:.0f}"
    )
    claim = "No single dim is decisive: masking one costs a clean-against-effect probe little"
    return Claim(claim, "section 3.3, heat map", number, float(worst) < DECISIVE_POINTS)


def _masking_costs_some_more(lost: xr.DataArray) -> Claim:
    costly, cheap = (lost.sel(effect=list(group)).mean(["effect", "dim"]) / 100 for group in (COSTLY, CHEAP))
    claim = f"Masking a dim costs {', '.join(COSTLY)} more than {', '.join(CHEAP)}"
    return _above(claim, "section 3.3, heat map", costly, cheap)


def _all_beat_chance(rows: xr.Dataset) -> Claim:
    mean, flat = _interval(rows["hit_mean"]), _interval(rows["hit_flat"])
    chance = 1 / rows.sizes["effect"]
    number = f"time-averaged {_percent(mean)}, flattened {_percent(flat)}; chance {chance:.0%}"
    claim = "Both features name the effect more often than chance"
    return Claim(claim, "section 3.2, Table 3", number, min(mean[1], flat[1]) > chance)


def _vggish_beats_autoencoders() -> Claim:
    claim = "VGGish names effects better than any autoencoder"
    return Claim(claim, "section 3.2, Table 3", "VGGish's weights do not ship with this package", None)
