"""The masking figure, live: which dims does a probe need to tell an effect from clean clips, alone or together?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.claims import DECISIVE_POINTS, VERDICTS, masking_claims
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
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import load_encoder
from latentfx_nb.pages.base import STYLE, Heard, Panel, clip_label, dry_and_wet, encoded
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

WET = [label for label in EFFECTS if label != "CLN"]

GREEDY = 8  # dims that are hidden one after another

MOST_PAIRED = 128  # dims of which all pairs are hidden: 8128 probes a split

MODES = (("one dim", "one"), ("two dims", "two"), (f"the {GREEDY} most telling, one by one", "greedy"))

NOTES = {
    "one": "Each cell is a probe that tells one effect from clean clips without one dim: the points of accuracy that "
    "it loses on recordings that it never heard (section 3.3). The worst of many cells is the worst by luck, too: look "
    "at its interval.",
    "two": "Each cell is a probe of the chosen effect that does not see two dims. The paper did not try this.",
    "greedy": "How often a dim is among the first eight that the probes of all splits hide, each time the one without "
    "which the loss on validation recordings grows most: dims that all of them hide carry the effect. The bars are "
    "what hiding them costs on recordings that had no part in the choice, and what hiding as many random dims costs. "
    "The paper did not try this.",
}

NOTHING_CHOSEN = "A dim over time: click a cell of the map, or choose a clip"

CAVEAT = (
    "Another model, other clips and other splits than the paper's, whose worst losses are missing from its text: "
    "compare where the losses lie, not how large they are."
)


class _Studied(NamedTuple):
    """What is drawn, put in place all at once."""

    clips: ClipSet
    encoder: str
    mode: str
    effect: str  # the only one, of a study of two dims
    study: xr.Dataset
    lost: xr.DataArray  # what the map shows: effects by dims, or dims by dims

    def bars(self, against: str) -> dict[str, pd.DataFrame]:
        """Return the two sets of bars, a row an effect."""
        return _greedy_bars(self.study) if self.mode == "greedy" else loss_table(points_lost(self.study, against))

    def worst(self) -> tuple[str, tuple[int, ...]]:
        """Return the effect and the dim, or two, of the cell that costs most."""
        at = np.unravel_index(np.nanargmax(self.lost.values), self.lost.shape)
        down, across = (self.lost[dim].values[i] for dim, i in zip(self.lost.dims, at, strict=True))
        return (self.effect, (int(down), int(across))) if self.mode == "two" else (str(down), (int(across),))


class DimensionMasking(Panel):
    """Choose an encoder and what to hide and press train; click a cell to hear the effect and see the dim over time.

    `source` is "bundled", a folder or a ClipSet. Its single dims are masked before the page is there.
    """

    def __init__(self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini") -> None:
        super().__init__(source, encoder)
        self.mode = widgets.Dropdown(options=MODES, description="Hide", style=STYLE, layout={"width": "280px"})
        self.effect = widgets.Dropdown(
            options=[(EFFECTS[label].name, label) for label in WET], description="Effect", style=STYLE
        )
        self.against = widgets.Dropdown(
            options=[("the best model (paper)", "best"), ("the model that sees all", "unmasked")],
            description="Lost against",
            style=STYLE,
            layout={"width": "280px"},
        )
        self.seeds = widgets.Dropdown(options=[1, 3, 5, 10], description="Seeds", style=STYLE)
        self.effect.layout.width, self.seeds.layout.width = "190px", "120px"
        self.clip = widgets.Dropdown(description="Listen to", style=STYLE, layout={"width": "260px"})
        self.train_button = widgets.Button(description="Train", button_style="primary", tooltip="train all probes")
        self.numbers = widgets.HTML()
        self._drawn = self.first(self._trained)
        self._list_clips()
        self._cell = self._drawn.worst()
        figure = figures.dimension_masking(self._drawn.lost, self._drawn.bars(self.against.value))
        figure.layout.annotations[2].text = NOTHING_CHOSEN
        self.figure = self.figure_widget(figure, "What each probe loses without each latent dim, and one dim over time")
        self._map, self._bars, self._lines = self.figure.data[0], self.figure.data[1:3], self.figure.data[3:]
        self._map.on_click(self._clicked)
        self.children = self._layout()
        self.on_clips(self._clips_changed)
        self.train_button.on_click(lambda _: self.train())
        self.against.observe(lambda _: self.worker.submit("draw", self._redraw), "value")
        self.clip.observe(lambda _: self._listing or self._show_chosen(), "value")
        self.mode.observe(lambda _: self._show_choosers(), "value")
        self._show_choosers()
        self._show_numbers()
        self.offer(self._chosen_sound())

    def train(self) -> None:
        """Train what is chosen, on the worker's thread; a newer press stops an older one's work."""
        self.worker.submit("train", self._train)

    def choose(self, effect: str, dims: Sequence[int]) -> None:
        """Load the sound of an effect on the chosen clip, and draw one or two dims of it over time."""
        self._cell = effect, dims
        self._show_chosen()

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        upper = widgets.HBox([self.clip_set, self.own_files, self.encoder, self.mode, self.effect], layout=row)
        lower = widgets.HBox([self.against, self.seeds, self.train_button, self.clip], layout=row)
        tools = FigureTools(self, "dimension_masking")
        return [upper, lower, self.status, self.player, self.figure, tools, self.numbers]

    def code(self) -> str:
        """Return the lines that draw this in a notebook, or, of two dims and of the most telling, that measure it."""
        drawn = self._drawn
        begin = self.clips_code() + (
            f"means = lfx.prepared.effect_means(clips, {drawn.encoder!r})\n"
            f"config = dataclasses.replace(lfx.MASKING, seeds={tuple(range(self.seeds.value))!r})\n"
        )
        end = {
            "one": f"lost = lfx.masking_losses(means, config, {self.against.value!r})\n"
            'lfx.plots.dimension_masking(lost.mean("clip"), lfx.masking.loss_table(lost))',
            "two": "pairs = lfx.masking.pair_masks(means.sizes['dim'])\n"
            f"study = lfx.mask_probes(means.sel(effect=['CLN', {drawn.effect!r}]), pairs, config)\n"
            f"lfx.masking.points_lost(study, {self.against.value!r}).mean('clip')",
            "greedy": f"study = lfx.greedy_masking(means, {GREEDY}, config)\nstudy['chosen'].to_pandas()",
        }[drawn.mode]
        return "import dataclasses\n" + begin + end

    def _show_choosers(self) -> None:
        """Show what the mode has use for: pairs are of one effect, and greedy losses are against nothing hidden."""
        self.effect.layout.display = "flex" if self.mode.value == "two" else "none"
        self.against.layout.display = "none" if self.mode.value == "greedy" else "flex"

    def _list_clips(self) -> None:
        self._listing = True
        self.clip.options = [(clip_label(self.clips, row), row) for row in range(len(self.clips))]
        self.clip.value = 0
        self._listing = False

    def _clips_changed(self) -> None:
        self._list_clips()
        self._show_chosen()

    # --------------------------------------------------------------------------------------------- training and drawing

    def _trained(self) -> _Studied:
        clips, encoder, mode, effect = self.clips, self.encoder.value, self.mode.value, self.effect.value
        config = replace(MASKING, seeds=tuple(range(self.seeds.value)))
        means = self.read(effect_means, clips, encoder)
        study = _STUDIES[mode](means, effect, config, self.busy)
        return _Studied(
            encoded_clips(clips, means), encoder, mode, effect, study, _mapped(study, mode, self.against.value)
        )

    def _train(self) -> None:
        self.status.say("")
        self._drawn = self._trained()
        self._draw()
        self.choose(*self._drawn.worst())
        self.status.say("")

    def _redraw(self) -> None:
        drawn = self._drawn
        self._drawn = drawn._replace(lost=_mapped(drawn.study, drawn.mode, self.against.value))
        self._draw()

    def _draw(self) -> None:
        drawn = self._drawn
        with self.figure.batch_update():
            self._map.update(figures.masking_cells(drawn.lost))
            self.figure.update_layout(figures.masking_axes(drawn.lost))
            title = _TITLES[drawn.mode].format(effect=EFFECTS[drawn.effect].name.lower())
            self.figure.layout.annotations[0].text = title
            for trace, (name, frame) in zip(self._bars, drawn.bars(self.against.value).items(), strict=True):
                trace.update(figures.lost_bars(name, frame))
        self._show_numbers()

    def _show_numbers(self) -> None:
        self.numbers.value = note(NOTES[self._drawn.mode]) + self._claims() + self._losses()

    def _claims(self) -> str:
        study = self._drawn.study
        if self._drawn.mode != "one" or not set(WET) <= set(study["effect"].values):
            return ""
        found = masking_claims(points_lost(study, "unmasked").rename(mask="dim"))
        rows = [(c.claim, c.place, c.number, VERDICTS[c.holds]) for c in found.itertuples()]
        head = ("claim", "place in the paper", "number here, against the model that sees all", "here it ...")
        caveat = note(f"Ours: a dim is decisive from {DECISIVE_POINTS:.0f} points on. {CAVEAT}")
        return "<h3>The paper's claims, tested here</h3>" + table(head, rows) + caveat

    def _losses(self) -> str:
        drawn, bars = self._drawn, self._drawn.bars(self.against.value)
        right = drawn.study["right"].sel(order="greedy") if drawn.mode == "greedy" else drawn.study["right"]
        nothing = 100 * right.isel({right.dims[1]: 0}).mean("clip").to_series()
        head = [f"{name} ({unit})" for name in bars for unit in ("points", "95 % interval")]
        rows = [
            (
                effect,
                f"{nothing[effect]:.1f} %",
                *(text for one in bars.values() for text in _interval(one.loc[effect])),
            )
            for effect in nothing.index
        ]
        saved = pd.concat(bars, axis=1).drop(columns="text", level=1, errors="ignore")
        saved.columns = [f"{name}: {part}" for name, part in saved.columns]
        recordings = drawn.clips.table["recording"].nunique()
        n = note(f"n = {right.sizes['clip']} clips, each clean and wet, of {recordings} recordings.")
        links = table_downloads(saved, "masking_bars")
        links += table_downloads(drawn.lost.to_pandas(), "masking_map", "the map")
        return "<h3>What hiding dims costs</h3>" + table(("effect", "nothing hidden", *head), rows) + n + links

    # --------------------------------------------------------------------------------------------------- sound and time

    def _clicked(self, _trace, points, _state) -> None:
        if points.xs:
            down, across = points.ys[0], points.xs[0]
            if self._drawn.mode == "two":
                self.choose(self._drawn.effect, (int(down), int(across)))
            else:
                self.choose(str(down), (int(across),))

    def _chosen_sound(self) -> Heard:
        return dry_and_wet(self.clips, self.clip.value, self._cell[0])

    def _show_chosen(self) -> None:
        """Load the sound of the chosen cell on the chosen clip, then draw the chosen dims of it."""
        heard = self._chosen_sound()
        self.hear(heard)
        self.worker.submit("dims", partial(self._draw_dims, heard, *self._cell))

    def _draw_dims(self, heard: Heard, effect: str, dims: Sequence[int]) -> None:
        self.fade(self._lines)
        sounds = self.sound(heard.dry), self.sound(heard.wet)
        latents = dict(zip(("clean", effect), encoded(load_encoder(self._drawn.encoder), sounds), strict=True))
        self._check()
        lines = {f"dim {dim}, {name}": one.sel(dim=dim) for dim in dims for name, one in latents.items()}
        series = [*lines.items(), *[(None, None)] * len(self._lines)][: len(self._lines)]
        with self.figure.batch_update():
            named = f"Dim {' and '.join(map(str, dims))} over time, {figures.plain(heard.title)}"
            self.figure.layout.annotations[2].text = named
            for trace, (name, line) in zip(self._lines, series, strict=True):
                trace.update(figures.dim_line(name, line), opacity=1)


# ---------------------------------------------------------------------------------------------------------- the studies

_TITLES = {
    "one": "Percentage points lost without a dim",
    "two": "Percentage points lost without two dims, {effect}",
    "greedy": f"How often a dim is among the {GREEDY} most telling",
}


def _one(means: xr.DataArray, effect: str, config: ProbeConfig, bar: Callable) -> xr.Dataset:
    return mask_probes(means, None, config, bar=bar)


def _two(means: xr.DataArray, effect: str, config: ProbeConfig, bar: Callable) -> xr.Dataset:
    n_dims = means.sizes["dim"]
    if n_dims > MOST_PAIRED:
        raise ValueError(
            f"{n_dims} dims have {n_dims * (n_dims - 1) // 2} pairs, too many probes: choose an encoder of at most "
            f"{MOST_PAIRED} dims"
        )
    return mask_probes(means.sel(effect=["CLN", effect]), pair_masks(n_dims), config, bar=bar)


def _greedy(means: xr.DataArray, effect: str, config: ProbeConfig, bar: Callable) -> xr.Dataset:
    return greedy_masking(means, min(GREEDY, means.sizes["dim"] - 1), config, bar=bar)


_STUDIES = {"one": _one, "two": _two, "greedy": _greedy}


def _mapped(study: xr.Dataset, mode: str, against: str) -> xr.DataArray:
    """Return the points lost as a map: effects by dims, or dims by dims with each pair in both its cells.

    Of a greedy study, it is how often each dim was chosen.
    """
    if mode == "greedy":
        return (100 * study["chosen"]).assign_attrs(units="% of the probes")
    lost = points_lost(study, against).mean("clip", keep_attrs=True)
    if mode == "one":
        return lost.rename(mask="dim")
    n_dims = study.sizes["dim"]
    cells = np.full((n_dims, n_dims), np.nan)
    first, second = np.triu_indices(n_dims, 1)
    cells[first, second] = cells[second, first] = lost.isel(effect=0).values
    dims = np.arange(n_dims)
    return xr.DataArray(cells, {"dim": dims, "other": dims}, ("dim", "other"), attrs=lost.attrs)


def _greedy_bars(study: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Return, for each effect, what hiding all the chosen dims costs, and as many random ones."""
    right = 100 * study["right"]
    lost = (right.isel(hidden=0) - right.isel(hidden=-1)).transpose("order", "effect", "clip")
    k = int(study["hidden"].values[-1])
    return {
        f"{k} random dims": loss_interval(lost.sel(order="random")),
        f"the {k} most telling": loss_interval(lost.sel(order="greedy")),
    }


def _interval(bar: pd.Series) -> tuple[str, str]:
    text = f" ({bar['text']})" if "text" in bar else ""
    return f"{bar['points']:+.1f}{text}", f"{bar['low']:+.1f} to {bar['high']:+.1f}"
