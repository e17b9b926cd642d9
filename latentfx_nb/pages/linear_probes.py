"""Table 3, live: probes of several encoders at once, what they confuse, and how much the learning rate matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb import figures
from latentfx_nb.analysis.training import LEARNING_RATES
from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.narrow import stacked
from latentfx_nb.pages.content import linear_probes as content
from latentfx_nb.pages.content import who_names
from latentfx_nb.pages.controls import (
    Ask,
    Clicked,
    Control,
    Field,
    Listed,
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

NOBODY = ("(none)", None)
"""What is listed where no render is confused so."""


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
        self.label = dropdown("Predict")
        rates = [(f"{rate:g}", rate) for rate in LEARNING_RATES]
        self.rate = dropdown("Learning rate", rates, defaults.rate)
        self.seeds = dropdown("Seeds", [1, 3, 5, 10], defaults.seeds)
        self.standardise = widgets.Checkbox(value=True, description="Standardise features", indent=False)
        self.mono = widgets.Checkbox(value=False, description="Reverb without stereo width", indent=False)
        self.train_button = Ask("train", "Train", button_style="primary", tooltip="train all probes")
        self.compare_rates = Ask("compare_rates", "Compare learning rates")
        self.confused_set, self.confused = one_of("Confusions of"), one_of("Listen to")
        self.confused.playable = True
        self.cell = Clicked(cell=None)
        names = ("encoders", "kinds", "label", "rate", "seeds", "standardise", "mono")
        fields = [Field(name, getattr(self, name)) for name in names]
        looked: list[Control] = [
            Listed("confused_set", self.confused_set),
            self.cell,
            Listed("confused", self.confused),
        ]
        super().__init__(source, *fields, *looked, self.train_button, self.compare_rates)
        self.picture.narrow(stacked, self.show_again)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.encoders, self.kinds, self.mono),
            group("Probes", self.label, self.rate, self.seeds, self.standardise, self.train_button),
            group("Protocol", self.compare_rates),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.confused_set, self.confused]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show; who loses to a baseline stands before all other numbers."""
        first, published = widgets.HTML(who_names.first_words()), widgets.HTML(who_names.published_numbers())
        claims = [self.html["claims"], widgets.HTML(who_names.claims_text())]
        return {"facts": [first, self.html["numbers"], self.html["width"], published], "claims": claims}

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
        _list_renders(self.confused, shown.probed, looked.renders(), looked.choice.confused)


def _list_renders(chooser: Picker, clips: ClipSet, renders: Sequence[content.Confused], chosen: Any) -> None:
    """Offer confused renders, each with its effect and how many of its probes took it so, and choose one."""
    named = {(one.row, one.effect): one for one in renders}
    options: list[tuple[str, Any]] = [(str(clips.table["clip"].iat[row]), (row, effect)) for row, effect in named]
    options = options or [NOBODY]
    details = {key: f"{EFFECTS[one.effect].name} · {one.share:.0%} of its probes" for key, one in named.items()}
    if (tuple(options), details) != (chooser.options, chooser.details):
        chooser.offer(options, details)
        chooser.source = clips
    chooser.value = chosen


def _list(chooser: Picker, options: list, chosen: Any) -> None:
    """Offer what can be chosen, unless it is offered already."""
    if list(chooser.options) != options:
        chooser.options = options
    chooser.value = chosen
