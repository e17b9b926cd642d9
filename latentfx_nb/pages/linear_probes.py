"""Table 3, live: probes of several encoders at once, what they confuse, and how much the learning rate matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb import figures
from latentfx_nb.analysis.training import LEARNING_RATES
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content import linear_probes as content
from latentfx_nb.pages.controls import (
    Ask,
    Clicked,
    Control,
    Field,
    Listed,
    clip_label,
    dropdown,
    one_of,
    several,
    several_encoders,
)
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.picker import Picker

KINDS = (("time-averaged (-T)", "T"), ("flattened (-F)", "F"))


class LinearProbes(Page):
    """Choose encoders and features and press train: bars grow, a table stands beside Table 3, confusions are heard.

    `source` is "bundled", a folder or a ClipSet. Time averages of `encoders` are trained on before the page is there.
    """

    title = "Linear probes"
    blurb = "Does an encoder know which effect it hears? Train probes while you watch."
    notebook = "05_linear_probes"
    words = "Accuracies of linear probes by encoder, and which labels one of them confuses"
    waits = frozenset({"clips", "encoders", "kinds", "label", "rate", "seeds", "standardise"})
    turns = frozenset({"confused_set", "cell", "confused"})
    spare = figures.MOST_SETS - 1
    make_choice = content.ProbesChoice
    content = content

    def __init__(self, source: str | Path | ClipSet = "bundled", encoders: tuple[str, ...] = ("diffae-mini",)) -> None:
        defaults = content.ProbesChoice()
        self.encoders = several_encoders(encoders)
        self.kinds = several("Features", KINDS, defaults.kinds)
        self.label = dropdown("Label")
        rates = [(f"{rate:g}", rate) for rate in LEARNING_RATES]
        self.rate = dropdown("Learning rate", rates, defaults.rate, "190px")
        self.seeds = dropdown("Seeds", [1, 3, 5, 10], defaults.seeds, "120px")
        self.standardise = widgets.Checkbox(value=True, description="Standardise features", indent=False)
        self.standardise.layout.width = "190px"
        self.train_button = Ask("train", "Train", button_style="primary", tooltip="train all probes")
        self.compare_rates = Ask("compare_rates", "Compare learning rates", layout={"width": "190px"})
        self.confused_set = one_of("Confusions of")
        self.confused = one_of("Listen to")
        self.cell = Clicked(cell=None)
        names = ("encoders", "kinds", "label", "rate", "seeds", "standardise")
        fields = [Field(name, getattr(self, name)) for name in names]
        looked: list[Control] = [
            Listed("confused_set", self.confused_set),
            self.cell,
            Listed("confused", self.confused),
        ]
        super().__init__(source, *fields, *looked, self.train_button, self.compare_rates)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.encoders),
            group("Probes", self.kinds, self.label, self.rate, self.seeds, self.standardise, self.train_button),
            group("Listen", self.confused_set, self.confused),
            group("More", self.compare_rates),
        ]

    def list_clips(self, clips: ClipSet) -> None:
        """Offer what a probe could learn of the clips."""
        labels = content.labels_of(clips)
        chosen = self.label.value if self.label.value in labels else "effect"
        self.label.options, self.label.value = labels, chosen

    def settle(self, shown: content.ProbesShown) -> None:
        """List the trained sets and who is confused; what is looked at stays, as far as it is there."""
        choice = replace(shown.choice, confused_set=self.confused_set.value, **self.cell.read())
        looked = content.turned(shown, choice)
        _list(self.confused_set, list(shown.results), looked.choice.confused_set)
        self.cell.write({"cell": looked.choice.cell})
        self.confused.description = looked.cell_words()
        found: list[tuple[str, Any]] = []
        for one in looked.renders():
            render = f"{clip_label(shown.probed, one.row)}, {EFFECTS[one.effect].name}"
            found.append((f"{render}: {one.share:.0%} of its probes", (one.row, one.effect)))
        _list(self.confused, found or [("no render is", None)], looked.choice.confused)


def _list(chooser: Picker, options: list, chosen: Any) -> None:
    """Offer what can be chosen, unless it is offered already."""
    if list(chooser.options) != options:
        chooser.options = options
    chooser.value = chosen
