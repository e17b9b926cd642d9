"""The masking figure, live: which dims does a probe need to tell an effect from clean clips, alone or together?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb import figures
from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.narrow import stacked
from latentfx_nb.pages.content import dimension_masking as content
from latentfx_nb.pages.controls import Ask, Clicked, Field, Listed, dropdown, list_clips, one_encoder, one_of
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet

MODES = (("one dim", "one"), ("two dims", "two"), (f"{content.GREEDY} dims, one by one", "greedy"))
REFERENCES = (("best model (paper)", "best"), ("unmasked model", "unmasked"))


class DimensionMasking(Page):
    """Choose an encoder and what to hide and press train; click a cell to hear the effect and see the dim over time.

    `source` is "bundled", a folder or a ClipSet. Its single dims are masked before the page is there.
    """

    title = "Dimension masking"
    blurb = "Hide latent dims from a probe: is there a dim for each effect?"
    notebook = "06_dimension_masking"
    words = "What each probe loses without each latent dim, and one dim over time"
    waits = frozenset({"clips", "encoder", "mode", "effect", "seeds"})
    turns = frozenset({"against", "row", "cell"})
    stale = tuple(f"line {number}" for number in range(1, len(figures.LINES) + 1))
    spare = len(figures.LINES) - 1
    make_choice = content.MaskingChoice
    content = content

    def __init__(self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini") -> None:
        self.encoder = one_encoder(encoder)
        self.mode = dropdown("Hide", MODES)
        self.effect = dropdown("Effect", [(EFFECTS[label].name, label) for label in content.WET])
        self.against = dropdown("Against", REFERENCES)
        self.seeds = dropdown("Seeds", [1, 3, 5, 10])
        self.clip = one_of("Listen to", [("", 0)])
        self.cell = Clicked(cell=None)
        self.train_button = Ask("train", "Train", button_style="primary", tooltip="train all probes")
        self._listed: ClipSet | None = None
        fields = [Field(name, getattr(self, name)) for name in ("encoder", "mode", "effect", "against", "seeds")]
        super().__init__(source, *fields, Listed("row", self.clip), self.cell, self.train_button)
        self.picture.narrow(stacked, self.show_again)
        self.mode.observe(lambda _: self._show_choosers(), "value")
        self._show_choosers()

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.encoder),
            group("Probes", self.mode, self.effect, self.against, self.seeds, self.train_button),
            group("Listen", self.clip),
        ]

    def settle(self, shown: content.MaskingShown) -> None:
        """List the clips of what is shown, if they are others, and take over the cell."""
        if self._listed is not shown.clips:
            self._listed = shown.clips
            list_clips(self.clip, shown.clips, shown.choice.row)
        self.cell.write({"cell": shown.choice.cell})

    def _show_choosers(self) -> None:
        """Show what the mode has use for: pairs are of one effect, and greedy losses are against nothing hidden."""
        self.effect.layout.display = "flex" if self.mode.value == "two" else "none"
        self.against.layout.display = "none" if self.mode.value == "greedy" else "flex"
