"""Table 3, live: probes of several encoders at once, what they confuse, and how much the learning rate matters."""

from __future__ import annotations

import html
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.claims import VERDICTS, probe_claims
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.probes import (
    OVERALL,
    UNTESTED,
    class_accuracy,
    confusion_matrix,
    learning_rate_curve,
    paper_table,
    probe_table,
    train_probes,
)
from latentfx_nb.analysis.training import LEARNING_RATES, ProbeConfig, Watch
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import load_encoder
from latentfx_nb.pages.base import STYLE, Heard, Panel, clip_label, dry_and_wet, encoder_options
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects, encoded_clips

KINDS = (("time-averaged (-T)", "T"), ("flattened (-F)", "F"))

PAPER_NAMES = {
    "vggish": "VGGish",
    "vggish-paper": "VGGish",
    "stacked-2": "Stacked2",
    "stacked-mini-2": "Stacked2",
    "stacked-1": "Stacked1",
    "stacked-mini-1": "Stacked1",
    "diffae": "DiffAE",
    "diffae-mini": "DiffAE",
}
"""Encoders of ours -> what Table 3 calls the one of its kind."""

MOST_LABELS = 24  # of a column that can be asked for: more fit neither the bars nor the matrix

CAVEAT = (
    "Other models, other clips and other splits than the paper's: compare orderings, not sizes. Percent of the renders "
    "of recordings that a probe never heard, in brackets and as error bars the 95 % interval over recordings. The "
    "paper's AVG is not the mean of its class columns, so ours are printed both ways."
)


class _Trained(NamedTuple):
    """What is drawn, put in place all at once."""

    clips: ClipSet
    label: str
    results: dict[str, xr.Dataset]


class LinearProbes(Panel):
    """Choose encoders and features and press train: bars grow, a table stands beside Table 3, confusions are heard.

    `source` is "bundled", a folder or a ClipSet. Time averages of `encoders` are trained on before the page is there.
    """

    def __init__(self, source: str | Path | ClipSet = "bundled", encoders: tuple[str, ...] = ("diffae-mini",)) -> None:
        super().__init__(source)
        self.encoders = widgets.SelectMultiple(rows=5, layout={"width": "400px"})
        self.encoders.options, self.encoders.value = encoder_options(), encoders
        self.kinds = widgets.SelectMultiple(options=KINDS, value=("T",), rows=2, layout={"width": "190px"})
        self.label = widgets.Dropdown(description="Label", style=STYLE, layout={"width": "230px"})
        self.rate = widgets.Dropdown(
            options=[(f"{rate:g}", rate) for rate in LEARNING_RATES], description="Learning rate", style=STYLE
        )
        self.rate.value, self.rate.layout.width = ProbeConfig().learning_rate, "190px"
        self.seeds = widgets.Dropdown(options=[1, 3, 5, 10], value=3, description="Seeds", style=STYLE)
        self.seeds.layout.width = "120px"
        self.standardise = widgets.Checkbox(value=True, description="Standardise features", indent=False)
        self.standardise.layout.width = "190px"
        self.train_button = widgets.Button(description="Train", button_style="primary", tooltip="train all probes")
        self.compare_rates = widgets.Button(description="Compare learning rates", layout={"width": "190px"})
        self.confused_set = widgets.Dropdown(description="Confusions of", style=STYLE, layout={"width": "260px"})
        self.confused = widgets.Dropdown(description="Listen to", style=STYLE, layout={"width": "480px"})
        self.numbers, self.claims = widgets.HTML(), widgets.HTML()
        self._list_labels()
        self._drawn = self.first(self._trained)
        self._list_labels()
        names = list(self._drawn.results)
        self.confused_set.options, self.confused_set.value = names, names[0]
        matrix = confusion_matrix(self._drawn.results[names[0]])
        self._cell = _most_confused(matrix)
        self.figure = self.figure_widget(
            figures.linear_probes(_accuracies(self._drawn), matrix),
            "Accuracies of linear probes by encoder, and which labels one of them confuses",
        )
        self._bars, self._chance = self.figure.data[: figures.MOST_SETS], self.figure.data[figures.MOST_SETS]
        self._cells, self._curves = self.figure.data[figures.MOST_SETS + 1], self.figure.data[figures.MOST_SETS + 2 :]
        self._cells.on_click(self._clicked)
        self.children = self._layout()
        self.on_clips(self._list_labels)
        self.train_button.on_click(lambda _: self.train())
        self.compare_rates.on_click(lambda _: self._compare_rates())
        self.confused_set.observe(lambda _: self._draw_confusion(), "value")
        self._list_confused()
        if self.confused.value is not None:
            self.offer(self._chosen_sound())
        self.confused.observe(lambda _: self._hear(), "value")
        self._show_numbers()

    def train(self) -> None:
        """Train what is chosen, on the worker's thread; a newer press stops an older one's work."""
        self.worker.submit("train", self._train)

    def choose(self, label: str, named: str) -> None:
        """List the renders of `label` that a probe took for `named`, and load the first one's sound."""
        self._cell = label, named
        self._list_confused()

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        sets = widgets.VBox([widgets.Label("Encoders (Ctrl-click for several)"), self.encoders])
        kinds = widgets.VBox([widgets.Label("Features"), self.kinds, self.standardise])
        knobs = widgets.HBox([self.clip_set, self.own_files, self.label, self.rate, self.seeds], layout=row)
        buttons = widgets.HBox([self.train_button, self.compare_rates], layout=row)
        side = widgets.VBox([knobs, buttons], layout={"flex": "1 1 500px"})
        choices = widgets.HBox([sets, kinds, side], layout={"flex_flow": "row wrap"})
        hearing = widgets.HBox([self.confused_set, self.confused], layout=row)
        tools = FigureTools(self, "linear_probes")
        return [choices, self.status, self.figure, tools, hearing, self.player, self.numbers, self.claims]

    def code(self) -> str:
        """Return the lines that train and draw this in a notebook."""
        sets = []
        for drawn in self._drawn.results:
            name, kind = drawn.rsplit("-", 1)
            read = f"prepared.effect_means(clips, {name!r})"
            sets.append(
                f"{drawn!r}: lfx.{read if kind == 'T' else f'encode_effects(clips, lfx.load_encoder({name!r}))'}"
            )
        config = self._config()
        chosen = f"learning_rate={config.learning_rate}, standardise={config.standardise}, seeds={config.seeds}"
        return self.clips_code() + (
            f"features = {{{', '.join(sets)}}}\n"
            f"results = lfx.train_probes(features, {self._drawn.label!r}, lfx.ProbeConfig({chosen}))\n"
            "accuracies = {name: lfx.probes.class_accuracy(result) for name, result in results.items()}\n"
            f"matrix = lfx.probes.confusion_matrix(results[{self.confused_set.value!r}])\n"
            "lfx.plots.linear_probes(accuracies, matrix)"
        )

    def _list_labels(self) -> None:
        """Offer effect, instrument and every column of the clip table that a probe could learn."""
        found = [("effect", "effect")]
        for column in self.clips.table.columns.drop("recording"):
            heard = self.clips.table.groupby(column, dropna=False)["recording"].nunique()
            if 2 <= len(heard) <= MOST_LABELS and heard.min() >= 3 and not heard.index.hasnans:
                found.append((column, column))
        chosen = self.label.value if self.label.value in dict(found) else "effect"
        self.label.options, self.label.value = found, chosen

    def _features(self, clips: ClipSet) -> tuple[ClipSet, dict[str, xr.DataArray]]:
        """Return the clips that could be read, and of them the chosen sets, `name-T` and `name-F`.

        Every column of the clip table is a coordinate.
        """
        chosen = [(name, kind) for name in self.encoders.value for kind in self.kinds.value]
        if not 1 <= len(chosen) <= figures.MOST_SETS:
            raise ValueError(f"{len(chosen)} feature sets are chosen: choose 1 to {figures.MOST_SETS} of them")
        sets = {f"{name}-{kind}": self._read(clips, name, kind) for name, kind in chosen}
        self.tell_made(*self.encoders.value)
        clips = encoded_clips(clips, next(iter(sets.values())))
        columns = {name: ("clip", clips.table[name].astype(str).to_numpy(object)) for name in clips.table.columns}
        return clips, {name: features.assign_coords(columns) for name, features in sets.items()}

    def _read(self, clips: ClipSet, name: str, kind: str) -> xr.DataArray:
        if kind == "T":
            return self.read(effect_means, clips, name)
        return encode_effects(clips, load_encoder(name), bar=self.busy)

    def _config(self) -> ProbeConfig:
        seeds = tuple(range(self.seeds.value))
        return ProbeConfig(learning_rate=self.rate.value, standardise=self.standardise.value, seeds=seeds)

    def _trained(self, watch: Watch | None = None) -> _Trained:
        (clips, features), label = self._features(self.clips), self.label.value
        return _Trained(clips, label, train_probes(features, label, self._config(), bar=self.busy, watch=watch))

    def _train(self) -> None:
        self.status.say("")
        try:
            self._drawn = self._trained(self._grow)
        finally:
            self._draw_bars()  # those of before, if it was stopped
        names = list(self._drawn.results)
        with self.figure.batch_update():
            for curve in self._curves:
                curve.update(figures.rate_curve(None, None))
        shown = self.confused_set.value if self.confused_set.value in names else names[0]
        self.confused_set.options, self.confused_set.value = names, shown
        self._draw_confusion()
        self._show_numbers()
        probes = sum(result["epoch"].size for result in self._drawn.results.values())
        self.status.say(f"{probes} probes trained: each fold of recordings is the test once, for each seed.")

    def _draw_bars(self) -> None:
        accuracies = _accuracies(self._drawn)
        names = list(accuracies)
        with self.figure.batch_update():
            for bars, name in zip(self._bars, _padded(names), strict=True):
                bars.update(figures.accuracy_bars(name, accuracies.get(name)))
            self._chance.update(figures.chance_line(accuracies[names[0]].index.drop(OVERALL)))

    def _grow(self, accuracy: dict[str, float]) -> None:
        with self.figure.batch_update():
            for bars, name in zip(self._bars, _padded(list(accuracy)), strict=True):
                bars.update(figures.growing_bar(name, accuracy[name]) if name else figures.accuracy_bars(None, None))

    def _compare_rates(self) -> None:
        def job() -> None:
            self.status.say("")
            _, features = self._features(self.clips)
            curve = learning_rate_curve(features, self.label.value, self._config(), bar=self.busy)
            names = list(curve.index.unique("features"))
            with self.figure.batch_update():
                for trace, name in zip(self._curves, _padded(names), strict=True):
                    trace.update(figures.rate_curve(name, None if name is None else curve.loc[name]))
                self.figure.layout.annotations[2].text = figures.rates_title(names)
            self.status.say("")

        self.worker.submit("compare", job)

    def _draw_confusion(self) -> None:
        if self.confused_set.value not in self._drawn.results:
            return  # the list of sets is being changed
        matrix = confusion_matrix(self._drawn.results[self.confused_set.value])
        self._cells.update(figures.confusion_cells(matrix))
        if not set(self._cell) <= set(matrix["label"].values):
            self._cell = _most_confused(matrix)
        self._list_confused()

    def _list_confused(self) -> None:
        """List whom the cell is made of, most often confused first."""
        drawn, (label, named) = self._drawn, self._cell
        result = drawn.results[self.confused_set.value]
        names = list(result["label"].values)
        tested = (result["predicted"] != UNTESTED).sum("seed")
        share = (result["predicted"] == names.index(named)).sum("seed") / tested
        share = share.where(result["truth"] == names.index(label), 0).transpose("clip", "effect").values
        rows = [(row, effect) for row, effect in np.argwhere(share > 0)[np.argsort(-share[share > 0], kind="stable")]]
        found = [
            (f"{clip_label(drawn.clips, row)}, {EFFECTS[_effect(effect)].name}: {share[row, effect]:.0%} of its probes",
             (int(row), _effect(effect))) for row, effect in rows
        ]  # fmt: skip
        self.confused.description = f"{label} named {named}"
        self.confused.options = found or [("no render is", None)]
        self.confused.value = self.confused.options[0][1]

    def _clicked(self, _trace, points, _state) -> None:
        if points.xs:
            self.choose(html.unescape(str(points.ys[0])), html.unescape(str(points.xs[0])))

    def _hear(self) -> None:
        if self.confused.value is not None:
            self.hear(self._chosen_sound())

    def _chosen_sound(self) -> Heard:
        row, effect = self.confused.value
        words = f"{EFFECTS[effect].name} ({self.confused.description})"
        return dry_and_wet(self._drawn.clips, row, effect, words=words)

    def _show_numbers(self) -> None:
        results = self._drawn.results
        ours = probe_table(results)
        rows = [_cells(name, line, f"{line[OVERALL]:.1f} ({line['low']:.0f} to {line['high']:.0f})",
                       f"{line['class mean']:.1f}") for name, line in ours.iterrows()]  # fmt: skip
        head = ["features", "dim", "probe", *ours.columns[2:-4], "overall", "class mean"]
        self.claims.value, shown = "", ours
        if self._drawn.label == "effect":
            twins = [f"{PAPER_NAMES[name[:-2]]}{name[-2:]}" for name in results if name[:-2] in PAPER_NAMES]
            paper = paper_table()
            paper = paper.loc[[*dict.fromkeys(twins), *paper.index.difference(twins, sort=False)]]
            paper.index = [f"paper: {name}" for name in paper.index]
            rows += [_cells(name, line, f"AVG {line['AVG']:.1f}", "") for name, line in paper.iterrows()]
            shown = pd.concat([ours, paper])
            claims = [(c.claim, c.number, VERDICTS[c.holds]) for c in probe_claims(results).itertuples()]
            self.claims.value = table(("claim (section 3.2, section 4)", "number here", "here it ..."), claims)
        title = "<h3>Table 3, ours and the paper's</h3>" if self._drawn.label == "effect" else "<h3>Accuracy</h3>"
        caption = note(CAVEAT + self._numbers_of())
        self.numbers.value = title + table(head, rows) + caption + table_downloads(shown, "linear_probes")

    def _numbers_of(self) -> str:
        """Return what the percentages are of."""
        result = next(iter(self._drawn.results.values()))
        recordings = self._drawn.clips.table["recording"].nunique()
        return f" n = {result['truth'].size} renders of {recordings} recordings, {result.sizes['seed']} seed(s)."


def _cells(name: str, line: pd.Series, overall: str, mean: str) -> list[str]:
    labels = [
        label for label in line.index if label not in ("dim", "probe", "AVG", OVERALL, "low", "high", "class mean")
    ]
    classes = [f"{line[label]:.1f}" for label in labels]
    return [name, f"{line['dim']:.0f}", f"{line['probe'] / 1000:.1f} k", *classes, overall, mean]


def _effect(number: int) -> str:
    return list(EFFECTS)[number]


def _padded(names: list[str]) -> list[str | None]:
    return [*names, *[None] * figures.MOST_SETS][: figures.MOST_SETS]


def _accuracies(trained: _Trained) -> dict[str, pd.DataFrame]:
    return {name: class_accuracy(result) for name, result in trained.results.items()}


def _most_confused(confusion: xr.DataArray) -> tuple[str, str]:
    """Return the label that is most often taken for another one, and that one."""
    wrong = np.where(np.eye(len(confusion)), -1, confusion.values)
    label, named = np.unravel_index(wrong.argmax(), wrong.shape)
    return confusion["label"].values[label], confusion["named"].values[named]
