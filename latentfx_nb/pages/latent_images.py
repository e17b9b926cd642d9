"""Figure 1: a clip, an effect and a knob; what is heard before and after, as spectrograms and as latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb.effects import EFFECTS
from latentfx_nb.figures.narrow import compact
from latentfx_nb.pages.content import latent_images as content
from latentfx_nb.pages.controls import Field, list_clips, one_encoder, one_of
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet


class LatentImages(Page):
    """Choose a clip, an effect and a knob's setting; six images and two sounds follow, then the wet one decoded.

    `source` is "bundled", a folder or a ClipSet; `clip` is the row of the clip that it opens with.
    """

    title = "Latent images"
    blurb = "One clip, one effect, one knob: hear it, and see the latents change."
    notebook = "01_latent_images"
    words = "Spectrograms and latents of a clip before and after an effect, and their difference"
    make_choice = content.ImagesChoice
    content = content

    def __init__(
        self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini", effect: str = "DIS", clip: int = 0
    ) -> None:
        self.encoder, self.clip = one_encoder(encoder), one_of("Clip")
        self.knob = KnobControl(effect, list(EFFECTS))
        self._first = clip
        super().__init__(source, Field("encoder", self.encoder), Field("row", self.clip), self.knob)
        self.knob.join(self.bridge)
        self.picture.narrow(compact, self.show_again)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.clip, self.encoder),
            group("Effect", *self.knob.choices, self.knob.slider),
        ]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        return {"facts": [self.html["limits"]]}

    def list_clips(self, clips: ClipSet) -> None:
        """Offer the clips."""
        list_clips(self.clip, clips, self._first)
        self._first = 0

    def opened(self) -> None:
        """Load the sounds, which are rendered already, and decode."""
        self.hearing.hear(content.heard(self.shown.choice, self.clips, self.shown))
        self.go_further()
