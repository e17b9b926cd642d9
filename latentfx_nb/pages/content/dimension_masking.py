"""Page 06, free of widgets: which dims a probe needs to tell an effect from clean clips, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.claims import DECISIVE_POINTS, masking_claims
from latentfx_nb.analysis.masking import (
    MASKING,
    greedy_masking,
    loss_interval,
    loss_table,
    mask_probes,
    pair_masks,
    points_lost,
)
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.sounds import encoded
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import load_encoder
from latentfx_nb.figures.among import add_to_titles
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.own import of, reference_words, tested_on
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, dry_and_wet
from latentfx_nb.pages.markup import claims_table, note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

WET = [label for label in EFFECTS if label != "CLN"]

GREEDY = 8
"""Dims that are hidden one after another."""

TRAINED = frozenset({"encoder", "mode", "effect", "seeds"})
"""Fields that probes are trained by."""

MOST_PAIRED = 128
"""Dims of which all pairs are hidden: 8128 probes a split."""

NOTES = {
    "one": "Each cell is a probe that tells one effect from clean clips without one dim: the points of accuracy that "
    "it loses on unheard recordings (section 3.3).",
    "two": "Each cell is a probe of the chosen effect that does not see two dims. The paper did not try this.",
    "greedy": "How often a dim is among the first eight that the probes of all splits hide, each time the one whose "
    "absence costs most on validation recordings. The paper did not try this.",
}

MORE_NOTES = {
    "one": "The worst of many masks is partly the worst by chance: look at its interval.",
    "two": "",
    "greedy": "Dims that all probes hide carry the effect. The bars are what hiding them costs on recordings that had "
    "no part in the choice, and what hiding as many random dims costs.",
}

TITLES = {
    "one": "Points lost without a latent dim: click a cell to hear its effect",
    "two": "Points lost without two dims, {effect}: click a cell to hear it",
    "greedy": f"How often a latent dim is among the {GREEDY} most telling: click a cell to hear its effect",
}

HINTS = {
    "effect": "the probe tells renders of this effect from clean clips",
    "nothing hidden": "accuracy of the probe that sees all dims, on unheard recordings",
    "mean of all masks (points)": "points lost on average over the masks",
    "worst mask (points)": "points lost by the mask that costs most, partly by chance: look at its interval",
}
"""What the heads of the table mean."""

CAVEAT = (
    "Another model, other clips and other splits than the paper's, whose worst losses are missing from its text: "
    "compare where the losses lie, not how large they are."
)

Bar = Callable[..., Any]


@dataclass(frozen=True)
class MaskingChoice(Choice):
    """What is hidden from which probes, what is lost against, and the clip and the cell that are heard and drawn."""

    encoder: str = "diffae-mini"
    mode: str = "one"
    effect: str = WET[0]  # the only one, of a study of two dims
    seeds: int = 1
    train: bool = False
    against: str = "best"
    row: int = 0
    cell: tuple[Any, ...] | None = None  # an effect and one or two dims; None: the cell that costs most

    def config(self) -> ProbeConfig:
        """Return the protocol of the training."""
        return replace(MASKING, seeds=tuple(range(self.seeds)))


class Losses(NamedTuple):
    """What is lost against a model, as a map, as bars, a row an effect, and in words; intervals take their time."""

    against: str
    cells: xr.DataArray  # effects by dims, or dims by dims
    bars: dict[str, pd.DataFrame]
    numbers: str  # HTML


@dataclass(frozen=True)
class MaskingShown(Shown):
    """A study of masks, and dims of a clip over time, if any are chosen."""

    choice: MaskingChoice
    masked: ClipSet  # those of the clips that could be read
    study: xr.Dataset  # of `mask_probes` or `greedy_masking`
    losses: Losses
    worst: tuple[Any, ...]  # the cell that cost most once all was trained: an effect and one or two dims
    lines: Mapping[str, xr.DataArray] | None = None  # (frame); None: not encoded, or nothing is chosen yet
    wants_lines: bool = False

    def cell(self) -> tuple[str, tuple[int, ...]]:
        """Return the effect and the dim, or two, of the chosen cell; of the worst one, if none is chosen."""
        effect, *dims = self.choice.cell or self.worst
        return effect, tuple(dims)


def prepare(choice: MaskingChoice, clips: ClipSet, last: MaskingShown | None, progress: Progress) -> MaskingShown:
    """Return a newly trained study; its worst cell is chosen, and another clip set begins with its first clip.

    A visitor's own clips are heard and drawn over time; the study is of their reference, and stays if that does.
    """
    row = choice.row if last is not None and last.clips is clips else 0
    same = last is not None and last.clips.reference is clips.reference and not last.choice.differing(choice) & TRAINED
    if last is not None and same and not choice.train:
        other = replace(choice, row=row, cell=last.choice.cell)
        return replace(last, clips=clips, choice=other, lines=None, wants_lines=True)
    means = progress.read(effect_means, clips.reference, choice.encoder)
    study = _STUDIES[choice.mode](means, choice, progress.bar)
    masked = encoded_clips(clips.reference, means)
    losses = _losses(study, choice, masked)
    chosen, worst = replace(choice, row=row, cell=None), _worst(losses.cells, choice)
    return MaskingShown(chosen, clips, masked, study, losses, worst, wants_lines=last is not None)


def turned(shown: MaskingShown, choice: MaskingChoice) -> MaskingShown:
    """Return that other dims are wanted, or those of another clip; a cell that is not on the map changes nothing."""
    if choice.cell is not None and not _is_on_map(choice.cell, shown):
        choice = replace(choice, cell=shown.choice.cell)
    other = (choice.row, choice.cell) != (shown.choice.row, shown.choice.cell)
    return replace(shown, choice=choice, wants_lines=shown.wants_lines or other)


def exact(shown: MaskingShown, progress: Progress) -> MaskingShown:
    """Return what is lost against the chosen model, and the chosen dims over time, clean and with the effect."""
    if shown.losses.against != shown.choice.against:
        shown = replace(shown, losses=_losses(shown.study, shown.choice, shown.masked))
    if not shown.wants_lines:
        return shown
    progress.fade()
    sounds, (effect, dims) = _heard(shown), shown.cell()
    pair = progress.sound(sounds.dry), progress.sound(sounds.wet)
    latents = dict(zip(("clean", effect), encoded(load_encoder(shown.choice.encoder), pair), strict=True))
    progress.check()
    lines = {f"dim {dim}, {name}": one.sel(dim=dim) for dim in dims for name, one in latents.items()}
    return replace(shown, lines=lines, wants_lines=False)


def figure_of(shown: MaskingShown) -> go.Figure:
    """Return the figure."""
    choice, over_time = shown.choice, ""
    if shown.lines is not None:
        dims = " and ".join(map(str, shown.cell()[1]))
        over_time = f"Dim {dims} over time, {figures.plain(_heard(shown).title)}"
    title = TITLES[choice.mode].format(effect=EFFECTS[choice.effect].name.lower())
    titles = (title, "Lost per effect", over_time)
    figure = figures.dimension_masking(shown.losses.cells, shown.losses.bars, shown.lines, titles)
    others = {} if shown.clips.among is None else dict.fromkeys(("without", "among", "per effect"), _others(shown))
    return add_to_titles(figure, others)


def _others(shown: MaskingShown) -> str:
    """Return whose probes the map is of."""
    return f"probes of the {reference_words(shown.clips)}"


def heard(choice: MaskingChoice, clips: ClipSet, shown: MaskingShown | None) -> Heard | None:
    """Return the chosen clip of those that are shown, clean and with the effect of the chosen cell."""
    if shown is None:
        return None
    return _heard(turned(shown, replace(shown.choice, row=choice.row, cell=choice.cell)))


def clicked(shown: MaskingShown, name: str, points: Any) -> Mapping[str, Any]:
    """Return the cell of the map that was clicked."""
    if name != "map":
        return {}
    down, across = points.ys[0], int(points.xs[0])
    return {"cell": (shown.choice.effect, int(down), across) if shown.choice.mode == "two" else (str(down), across)}


def code_of(shown: MaskingShown) -> str:
    """Return the lines that draw this in a notebook, or, of two dims and of the most telling, that measure it."""
    choice = shown.choice
    begin = (
        f"means = lfx.prepared.effect_means({of(shown.clips)}, {choice.encoder!r})\n"
        f"config = dataclasses.replace(lfx.MASKING, seeds={choice.config().seeds!r})\n"
    )
    end = {
        "one": f"lost = lfx.masking_losses(means, config, {choice.against!r})\n"
        'lfx.plots.dimension_masking(lost.mean("clip"), lfx.masking.loss_table(lost))',
        "two": "pairs = lfx.masking.pair_masks(means.sizes['dim'])\n"
        f"study = lfx.mask_probes(means.sel(effect=['CLN', {choice.effect!r}]), pairs, config)\n"
        f"lfx.masking.points_lost(study, {choice.against!r}).mean('clip')",
        "greedy": f"study = lfx.greedy_masking(means, {GREEDY}, config)\nstudy['chosen'].to_pandas()",
    }[choice.mode]
    return "import dataclasses\n" + begin + end


def texts(shown: MaskingShown) -> Mapping[str, str]:
    """Return what the map says, the paper's claims, and what hiding dims costs in numbers."""
    return {"numbers": shown.losses.numbers + tested_on(shown.clips)}


def _is_on_map(cell: tuple[Any, ...], shown: MaskingShown) -> bool:
    effect, *dims = cell
    right_length = len(dims) == (2 if shown.choice.mode == "two" else 1)
    there = {int(dim) for dim in shown.losses.cells["dim"].values}  # names of masks are texts
    return right_length and effect in shown.study["effect"].values and there.issuperset(dims)


def _heard(shown: MaskingShown) -> Heard:
    return dry_and_wet(shown.clips, shown.choice.row, shown.cell()[0])


def _claims(study: xr.Dataset, choice: MaskingChoice) -> str:
    if choice.mode != "one" or not set(WET) <= set(study["effect"].values):
        return ""
    found = masking_claims(points_lost(study, "unmasked").rename(mask="dim"))
    caveat = note(f"Ours: a dim is decisive from {DECISIVE_POINTS:.0f} points on. {CAVEAT}")
    shown = claims_table(found, "number here, against the model that sees all")
    return "<h3>The paper's claims, tested here</h3>" + shown + caveat


def _costs(right: xr.DataArray, bars: Mapping[str, pd.DataFrame]) -> str:
    """Return the table of what hiding dims costs, of `right (effect, mask, clip)`, whose first mask hides nothing."""
    nothing = 100 * right.isel({right.dims[1]: 0}).mean("clip").to_series()
    head = [f"{name} ({unit})" for name in bars for unit in ("points", "95 % interval")]
    rows = []
    for effect in nothing.index:
        cells = [text for one in bars.values() for text in _interval(one.loc[effect])]
        rows.append((effect, f"{nothing[effect]:.1f} %", *cells))
    return "<h3>What hiding dims costs</h3>" + table(("effect", "nothing hidden", *head), rows, HINTS)


def _downloads(bars: Mapping[str, pd.DataFrame], cells: xr.DataArray) -> str:
    saved = pd.concat(bars, axis=1).drop(columns="text", level=1, errors="ignore")
    saved.columns = [f"{name}: {part}" for name, part in saved.columns]
    return table_downloads(saved, "masking_bars") + table_downloads(cells.to_pandas(), "masking_map", "the map")


def _interval(bar: pd.Series) -> tuple[str, str]:
    text = f" ({bar['text']})" if "text" in bar else ""
    return f"{bar['points']:+.1f}{text}", f"{bar['low']:+.1f} to {bar['high']:+.1f}"


# ---------------------------------------------------------------------------------------------------------- the studies


def _one(means: xr.DataArray, choice: MaskingChoice, bar: Bar) -> xr.Dataset:
    return mask_probes(means, None, choice.config(), bar=bar)


def _two(means: xr.DataArray, choice: MaskingChoice, bar: Bar) -> xr.Dataset:
    n_dims = means.sizes["dim"]
    if n_dims > MOST_PAIRED:
        raise ValueError(
            f"{n_dims} dims have {n_dims * (n_dims - 1) // 2} pairs, too many probes: choose an encoder of at most "
            f"{MOST_PAIRED} dims"
        )
    return mask_probes(means.sel(effect=["CLN", choice.effect]), pair_masks(n_dims), choice.config(), bar=bar)


def _greedy(means: xr.DataArray, choice: MaskingChoice, bar: Bar) -> xr.Dataset:
    return greedy_masking(means, min(GREEDY, means.sizes["dim"] - 1), choice.config(), bar=bar)


_STUDIES = {"one": _one, "two": _two, "greedy": _greedy}


def _losses(study: xr.Dataset, choice: MaskingChoice, masked: ClipSet) -> Losses:
    """Return the map, the bars and the words of a study of the clips `masked`."""
    if choice.mode == "greedy":
        cells = (100 * study["chosen"]).assign_attrs(units="% of the probes")
        right, bars = study["right"].sel(order="greedy"), _greedy_bars(study)
    else:
        # A choice is made of plain names; `points_lost` checks them.
        lost = points_lost(study, cast(Literal["best", "unmasked"], choice.against))
        average = lost.mean("clip", keep_attrs=True)
        cells = average.rename(mask="dim") if choice.mode == "one" else _paired(average, study.sizes["dim"])
        right, bars = study["right"], loss_table(lost)
    recordings = masked.table["recording"].nunique()
    n = note(f"n = {right.sizes['clip']} clips, each clean and wet, of {recordings} recordings.")
    numbers = (
        note(NOTES[choice.mode])
        + note(MORE_NOTES[choice.mode])
        + _claims(study, choice)
        + _costs(right, bars)
        + n
        + _downloads(bars, cells)
    )
    return Losses(choice.against, cells, bars, numbers)


def _paired(lost: xr.DataArray, n_dims: int) -> xr.DataArray:
    """Return what pairs of dims cost one effect, `(effect, mask)`, as a map `(dim, other)`, each pair in both cells."""
    cells = np.full((n_dims, n_dims), np.nan)
    first, second = np.triu_indices(n_dims, 1)
    cells[first, second] = cells[second, first] = lost.isel(effect=0).values
    dims = np.arange(n_dims)
    return xr.DataArray(cells, {"dim": dims, "other": dims}, ("dim", "other"), attrs=lost.attrs)


def _worst(lost: xr.DataArray, choice: MaskingChoice) -> tuple[Any, ...]:
    """Return the effect and the dim, or two, of the cell that costs most."""
    at = np.unravel_index(np.nanargmax(lost.values), lost.shape)
    down, across = (lost[dim].values[i] for dim, i in zip(lost.dims, at, strict=True))
    return (choice.effect, int(down), int(across)) if choice.mode == "two" else (str(down), int(across))


def _greedy_bars(study: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Return, for each effect, what hiding all the chosen dims costs, and as many random ones."""
    right = 100 * study["right"]
    lost = (right.isel(hidden=0) - right.isel(hidden=-1)).transpose("order", "effect", "clip")
    k = int(study["hidden"].values[-1])
    return {
        f"{k} random dims": loss_interval(lost.sel(order="random")),
        f"the {k} most telling": loss_interval(lost.sel(order="greedy")),
    }
