"""Every number of the other pages for every encoder: which latent space is best behaved under effects?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb.pages.content import compare_encoders as content
from latentfx_nb.pages.controls import Ask, Field, dropdown
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet


class CompareEncoders(Page):
    """Sort the encoders by any measure; those that do not ship are measured at the press of a button.

    `source` is "bundled", a folder or a ClipSet. There is nothing to hear.
    """

    title = "Compare encoders"
    blurb = "Which latent space is best behaved under effects? All numbers at once."
    notebook = "09_compare_encoders"
    takes_clips = False  # a few files of a visitor's are too few recordings for its probes
    words = "One measure of every encoder, sorted, with intervals"
    looks = frozenset({"sort"})
    make_choice = content.ComparisonChoice
    content = content

    def __init__(self, source: str | Path | ClipSet = "bundled") -> None:
        self.sort = dropdown("Sort by", content.sortings(), width="400px")
        words = "encodes these clips with every encoder that is ready; finished ones are kept"
        self.measure_button = Ask("measure", "Measure the others", tooltip=words, layout={"width": "180px"})
        super().__init__(source, Field("sort", self.sort), self.measure_button)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [group("Source", self.clip_set, self.own_files), group("Table", self.sort, self.measure_button)]

    def stage(self) -> Sequence[widgets.Widget]:
        """Return the table, and the picture below it."""
        return [self.html["table"], self.picture]

    def settle(self, shown: content.ComparisonShown) -> None:
        """Offer to measure as long as there is something to measure."""
        self.measure_button.show(bool(shown.left))
