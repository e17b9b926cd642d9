"""Figures 6-9: a knob moves a clip along its path, in the basis of the whole data set, with sound."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb import figures
from latentfx_nb.analysis.prepared import path_clips
from latentfx_nb.effects import TABLE_1, TURNABLE
from latentfx_nb.pages.content import knob_paths as content
from latentfx_nb.pages.controls import Ask, Field, list_clips, one_encoder, one_of, planes, several
from latentfx_nb.pages.finding import Finder
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.pages.page import Page
from latentfx_nb.paper import KNOB_RANGES
from latentfx_nb.sound.clips import ClipSet


class KnobPaths(Page):
    """Turn a knob: diamonds move along prepared paths at once; the heard clip is rendered and encoded for that value.

    A knob whose paths do not ship is heard first; then the heard clip's path is computed and drawn, then the others.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    title = "Knob paths"
    blurb = "Turn a knob and watch a clip move through latent space."
    notebook = "04_knob_paths"
    words = "Paths of clips through latent space as a knob turns"
    turns = frozenset({"value", "row"})
    looks = frozenset({"color", "filter"})
    stale = ("paths", "knob", "heard path", *(f"further paths {number}" for number in range(1, figures.MOST_KNOBS)))
    spare = 2 * (figures.MOST_KNOBS - 1) + len(TABLE_1)
    make_choice = content.KnobChoice
    content = content

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effect: str = "HPF",
        dimensions: int = 3,
    ) -> None:
        self._followed: tuple = (None,) * 3  # the points, and the trace of a figure, that the browser moves by itself
        self.encoder = one_encoder(encoder)
        # Table 2's effects come first.
        self.knob = KnobControl(effect, [*KNOB_RANGES, *(label for label in TURNABLE if label not in KNOB_RANGES)])
        self.chosen, self.heard_clip = several("Clips"), one_of("Listen to")
        self.others = several("Knobs", [(content.knob_words(*content.named(one)), one) for one in content.every_knob()])
        self.test_claims = Ask("test_claims", "Test the claims", tooltip="encodes four knob paths of up to eight clips")
        self.dimensions, self.finder = planes(dimensions), Finder(quiet="Cloud")
        fields = {"encoder": self.encoder, "row": self.heard_clip, "rows": self.chosen, "others": self.others}
        controls = [Field(name, widget) for name, widget in {**fields, "dimensions": self.dimensions}.items()]
        controls += [Field(name, widget) for name, widget in self.finder.fields().items()]
        super().__init__(source, self.knob, *controls, self.test_claims)
        self.finder.join(self, lambda: self.choose(filter=""))
        self.knob.join(self.bridge)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.heard_clip, self.encoder),
            group("Effect", *self.knob.choices, self.knob.slider),
            group("Paths", self.chosen, self.others),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        exactness = widgets.HTML('<span class="lfx-exactness" role="status"></span>')
        return [self.dimensions, self.html["scale"], exactness, *self.finder.head(self)]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        texts = self.html
        claims = [texts["claims"], self.test_claims]
        return {"read": [texts["how"]], "facts": [texts["numbers"], texts["tables"]], "claims": claims}

    def list_clips(self, clips: ClipSet) -> None:
        """Offer the clips, and choose those that the prepared paths are of."""
        first = set(path_clips(clips).table["clip"])
        chosen = [number for number, clip in enumerate(clips.table["clip"]) if clip in first][: content.MOST_PATHS]
        list_clips(self.chosen, clips, chosen)
        list_clips(self.heard_clip, clips, chosen[0])

    def settle(self, shown: content.KnobShown) -> None:
        """Offer the test of the claims where it is still to be made, and let the knob move what is drawn."""
        self.test_claims.show(shown.claims is None)
        self._follow(shown)
        self.bridge.stand(shown.choice.value, shown.is_exact)

    def moves_itself(self) -> bool:
        """Say whether the browser has moved the diamonds: where a hand has turned the dial that it follows."""
        return self.knob.dial.by_hand and self.bridge.follows(self.knob.dial)

    def _follow(self, shown: content.KnobShown) -> None:
        """Have the browser move the diamonds of what is drawn, unless another knob has been chosen meanwhile."""
        followed = shown.points[0], self.figure, self.figure.number("knob")
        turning = shown.choice.effect, shown.choice.knob
        if turning != (self.knob.effect, self.knob.name) or all(map(operator.is_, followed, self._followed)):
            return
        self._followed = followed
        points = shown.points[0].transpose("clip", "value", "component")
        values = points["value"].values
        self.bridge.follow_knob(
            self.knob.dial, self.figure, "knob", points.values, values, content.is_log(shown.choice)
        )
