"""Every number of the other pages for every encoder: which latent space is best behaved under effects?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb.pages.content import compare_encoders as content
from latentfx_nb.pages.controls import Ask, Field
from latentfx_nb.pages.frame import area, group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.table import SortedTable


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
        words = {"corner": "encoder", "label": "Measures of every encoder", "nothing": content.NOTHING_YET}
        self.table = SortedTable(content.columns(), content.RANK, **words)
        tooltip = "encodes these clips with every encoder that is ready; finished ones are kept"
        self.measure_button = Ask("measure", "Measure the others", tooltip=tooltip)
        super().__init__(source, Field("sort", self.table), self.measure_button)
        self.player.layout.display = "none"
        self.bridge.watch_over(self.table)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        others = group("Other encoders", self.html["left"], self.measure_button)
        return [group("Source", self.clip_set, self.own_files), others]

    def stage(self) -> Sequence[widgets.Widget]:
        """Return the table, and below it the measure that it is sorted by."""
        return [area("table", self.table), self.picture]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        return {"facts": [self.html["numbers"]]}

    def settle(self, shown: content.ComparisonShown) -> None:
        """Show what is measured, and offer to measure as long as there is something to measure."""
        self.table.rows = content.rows(shown)
        self.measure_button.show(bool(shown.left))
