"""Figures 3-5: PCA and UMAP of time averages and of flattened latents, one figure of four views to click in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.effects import EFFECTS, TABLE_1
from latentfx_nb.pages.content import effect_clusters as content
from latentfx_nb.pages.controls import Ask, Clicked, Field, dropdown, one_encoder, planes
from latentfx_nb.pages.finding import Finder
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.markup import in_words
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet

FIRST = {"ringed_row": 0, "ringed_effect": "CLN"}
"""The point that is ringed at first."""


class EffectClusters(Page):
    """Look at four views, one of them large; a clicked point is ringed in all of them and heard.

    A small view that is clicked becomes the large one. Points are coloured by effect, instrument or clip; those that
    are not looked for, or lie outside what was drawn around in a plane, fade in all views.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL. UMAP of anything
    but the bundled clips waits for its button, as the first one in a process takes long to compile; so do the paper's
    claims, which need knob paths too.
    """

    title = "Effect clusters"
    blurb = f"All clips through {in_words(len(TABLE_1))} effects: do they group by effect or by music?"
    notebook = "03_effect_clusters"
    words = f"Clips through {in_words(len(TABLE_1))} effects as points: PCA and UMAP, averaged over time and flattened"
    turns = frozenset(FIRST)
    looks = frozenset({"effect", "color", "main_view", "filter", "selected"})
    private = frozenset({"selected"})
    stale = tuple(f"{what} {number + 1}" for what in ("view", "chosen") for number in range(len(content.VIEWS)))
    make_choice = content.ClustersChoice
    content = content

    def __init__(
        self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini", dimensions: int = 3
    ) -> None:
        every = (f"all {in_words(len(TABLE_1))} effects", "")
        effects = [every, *((f"{EFFECTS[label].name} ({label})", label) for label in TABLE_1)]
        self.encoder, self.effect = one_encoder(encoder), dropdown("Show", effects)
        self.finder = Finder()
        self.compute_umap = Ask("compute_umap", "Compute UMAP", tooltip="of all renders, and of their frames")
        self.test_claims = Ask(
            "test_claims",
            "Test the claims",
            tooltip="encodes knob paths of up to eight clips, and averages all latents in windows",
        )
        drawn = {"ringed_row": lambda row: row in range(len(self.clips)), "ringed_effect": lambda one: one in TABLE_1}
        self.ringed, self.selection = Clicked(drawn, **FIRST), Clicked(selected=())
        self.main_view = dropdown("Large view", [(words, view) for view, words in content.VIEWS.items()])
        self.dimensions = planes(dimensions)
        fields = {"encoder": self.encoder, "effect": self.effect, "dimensions": self.dimensions}
        fields |= {"main_view": self.main_view, **self.finder.fields()}
        controls = [Field(name, widget) for name, widget in fields.items()]
        super().__init__(source, *controls, self.ringed, self.selection, self.compute_umap, self.test_claims)
        self.finder.join(self, self.show_all)
        self.bridge.on("select", self._select)
        self.bridge.on("place", self._enlarge)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.encoder),
            group("Points", self.effect, self.main_view, self.compute_umap),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.dimensions, *self.finder.head(self)]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        return {"facts": [self.html["numbers"]], "claims": [self.html["claims"], self.test_claims]}

    def list_clips(self, clips: ClipSet) -> None:
        """Ring the first clip, and select no points of clips that are gone."""
        self.ringed.write(FIRST)
        self.selection.write({"selected": ()})

    def settle(self, shown: content.ClustersShown) -> None:
        """Offer UMAP and the test of the claims where they are still to be made."""
        self.compute_umap.show("umap_mean" not in shown.points.views)
        self.test_claims.show(shown.points.claims is None)

    def show_all(self) -> None:
        """Show all points again, whatever was looked for or selected."""
        self.choose(filter="", selected=())
        self.figure.layout.selections = ()

    def _select(self, message: Mapping[str, Any]) -> None:
        """Select the points that were drawn around: they stay bright in all views."""
        points = [(str(trace), int(number)) for trace, number in message["points"]]
        self.choose(selected=content.selected(self.shown, points))

    def _enlarge(self, message: Mapping[str, Any]) -> None:
        """Draw the view large whose number was clicked."""
        views = list(content.VIEWS)
        if 1 <= message["number"] <= len(views):
            self.choose(main_view=views[message["number"] - 1])

    def click(self, name: str, points: Any) -> None:
        """Ring a point of what is drawn, though something else may be prepared; it stays ringed if it is still there.

        Its sound is loaded, not started.
        """
        view = content.view_of(name)
        if view is not None and view != self.shown.choice.main_view:
            self.choose(main_view=view)
            return
        fields = self.clicked(self.shown, name, points)
        if fields and self.shown.clips is self.clips:
            self.choose(**fields)
        if fields:
            self.turn_drawn(**fields)
