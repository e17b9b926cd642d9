"""Section 1's question, live: can an effect be added to latents as a vector, and how near does it sound?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.analysis.algebra_baselines import WET
from latentfx_nb.analysis.algebra_tables import MEASURES
from latentfx_nb.analysis.held_out import HELD_OUT, SHOTS
from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.narrow import first_part
from latentfx_nb.pages.content import latent_algebra as content
from latentfx_nb.pages.content.algebra_choice import (
    BETWEEN,
    CHANGES,
    DIMS,
    MODES,
    ONLY_SCORES,
    PAIRS,
    SCALE,
    SOUNDS,
    VECTOR,
    AlgebraChoice,
)
from latentfx_nb.pages.controls import Ask, Field, dropdown, list_clips, one_encoder, one_of, planes, several
from latentfx_nb.pages.frame import area, group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.dial import Dial

FIELDS = ("encoder", "mode", "effect", "method", "pairs", "strength", "other", "spherical", "share", "change", "dims",
          "factor", "measure")  # fmt: skip
"""Fields of the choice whose controls are called as they are."""


class LatentAlgebra(Page):
    """Learn an effect from a few pairs, add it to another clip's latents, and hear four sounds; or move between clips.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    title = "Latent algebra"
    blurb = "Add an effect to a clip's latents as a vector, and hear how near it comes."
    notebook = "07_latent_algebra"
    words = "How near latent algebra comes to real effects, and where the latents go"
    stale = ("learned from", "the way", "start", "aim", "result")
    beside = ONLY_SCORES
    make_choice = AlgebraChoice
    content = content

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effect: str = "HPF",
        method: str = "ridge",
        dimensions: int = 3,
    ) -> None:
        self.encoder = one_encoder(encoder)
        self.mode = widgets.ToggleButtons(options=MODES, style={"button_width": "auto"})
        self.mode.add_class("lfx-modes")
        self.clip, self.other = one_of("Clip"), one_of("Other clip")
        self._make_movers(effect, method)
        measures = {name: words for name, (_, words) in MEASURES.items()}
        self.measure = dropdown("Score by", _options(measures), "stft")
        decodes = f"decodes {HELD_OUT} recordings for each effect; what is finished is kept"
        self.score_button = Ask("score", "Score all effects", tooltip=decodes)
        self.decode_button = Ask("decode", "Decode", tooltip="this encoder decodes slowly, so it waits for you")
        fields = {name: getattr(self, name) for name in FIELDS} | {"row": self.clip}
        self.dimensions = planes(dimensions)
        controls = [Field(name, widget) for name, widget in {**fields, "dimensions": self.dimensions}.items()]
        super().__init__(source, *controls, self.score_button, self.decode_button)
        self.bridge.watch_over(*self._dials)
        self.picture.narrow(first_part, self.show_again)
        for chooser in (self.mode, self.change):
            chooser.observe(lambda _: self._show_movers(), "value")
        self._show_movers()

    def _make_movers(self, effect: str, method: str) -> None:
        """Make what says how a clip is moved; each mode shows some of it, in the same place."""
        self._movers = area("movers")
        self.effect = dropdown("Effect", [(f"{EFFECTS[one].name} ({one})", one) for one in WET], effect)
        self.method = dropdown("Method", _options(METHODS), method)
        self.pairs = dropdown("Pairs", SHOTS, PAIRS)
        self.strength = Dial(1.0, low=-1.0, high=2.0, words="Strength", ticks=[(0.0, "dry"), (1.0, "as learned")])
        self.spherical = dropdown("Interpolate along", [("a straight line", False), ("a great circle", True)], False)
        self.share = Dial(0.5, low=0.0, high=1.0, words="Share of the other clip")
        self.change = dropdown("Change", CHANGES, SCALE)
        self.dims = several("Dims")
        self.factor = Dial(0.0, low=-1.0, high=3.0, words="Scale by", ticks=[(0.0, "held still"), (1.0, "as it is")])
        self._dials = self.strength, self.share, self.factor

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.clip, self.encoder),
            group("Move", self.mode, self._movers, self.decode_button),
            group("Scores", self.measure, self.score_button),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.dimensions]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        return {"read": [self.html["how"]], "facts": [self.html["told"], self.html["scored"]]}

    def list_clips(self, clips: ClipSet) -> None:
        """Offer the clips, and choose the first, and the last to go to."""
        list_clips(self.clip, clips, 0)
        list_clips(self.other, clips, len(clips) - 1)

    def opened(self) -> None:
        """Hear the clip and move it: what is drawn by now is made of averages that ship."""
        self.ask()

    def settle(self, shown: content.AlgebraShown) -> None:
        """Offer the dims and the clips that there are, and what is still to be computed."""
        dims = shown.averages.means.sizes["dim"]
        if len(self.dims.options) != dims:
            self.dims.value = ()
            self.dims.options = list(range(dims))
            self.dims.value = (0,)
        if shown.clips is self.clips:  # else others are listed by now
            for chooser in (self.clip, self.other):
                _leave_out(chooser, shown.rows)
        self.score_button.show(shown.scores is None)
        self.decode_button.show(content.decodes_slowly(shown))

    def _show_movers(self) -> None:
        """Show the controls of a mode, and what its sounds are called."""
        learned = (self.effect, self.method, self.pairs, self.strength)
        factor = (self.factor,) if self.change.value == SCALE else ()
        self._movers.children = {
            VECTOR: learned,
            BETWEEN: (self.other, self.spherical, self.share),
            DIMS: (self.effect, self.change, self.dims, *factor),
        }[self.mode.value]
        self.player.labels = SOUNDS[self.mode.value]


def _options(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(said, name) for name, said in words.items()]


def _leave_out(chooser: Any, rows: Sequence[int]) -> None:
    """Offer only the clips of those `rows`: others could not be read."""
    options = [option for option in chooser.options if option[1] in rows]
    if len(options) < len(chooser.options):
        chosen = chooser.value if chooser.value in rows else rows[0]
        chooser.options, chooser.value = options, chosen
