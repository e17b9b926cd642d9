"""Figure 2: clips move through latent space in time, in the basis of all frames, and a marker follows the sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from latentfx_nb import figures
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content import trajectories as content
from latentfx_nb.pages.controls import (
    STYLE,
    Field,
    list_clips,
    one_encoder,
    planes,
    several,
)
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.dial import Dial


class Trajectories(Page):
    """Choose clips and effects: their trajectories appear, and markers run along them in step with the sound.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    title = "Trajectories"
    blurb = "A clip's path through latent space in time, with a marker that follows the sound."
    notebook = "02_trajectories"
    words = "Paths of clips through latent space in time"
    turns = frozenset({"heard_row", "heard_effect"})
    stale = tuple(f"trajectory {number + 1}" for number in range(figures.MOST_TRAJECTORIES))
    spare = 2 * (figures.MOST_TRAJECTORIES - 1)
    make_choice = content.TrajectoriesChoice
    content = content

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effects: tuple[str, ...] = ("CLN", "DIS"),
        dimensions: int = 3,
    ) -> None:
        self.encoder = one_encoder(encoder)
        self.chosen = several("Clips")
        self.effects = several("Effects", [(spec.name, label) for label, spec in EFFECTS.items()], effects)
        low_s, high_s = content.WINDOWS_S
        self.window_s = Dial(content.WINDOW_S, low=low_s, high=high_s, log=True, unit="s", words="smoothing window")
        self.listen = _Listen()
        for chooser in (self.chosen, self.effects):  # before the page reads them: what is heard is one of them
            chooser.observe(lambda _: self._list_heard(), "value")
        fields = {"encoder": self.encoder, "rows": self.chosen, "effects": self.effects, "window_s": self.window_s}
        self.dimensions = planes(dimensions)
        controls = [Field(name, widget) for name, widget in {**fields, "dimensions": self.dimensions}.items()]
        super().__init__(source, *controls, self.listen)
        self.bridge.watch_over(self.window_s)

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        return [
            group("Source", self.clip_set, self.own_files, self.encoder, self.listen),
            group("Trajectories", self.chosen, self.effects),
            group("Smoothing", self.window_s),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.dimensions]

    def list_clips(self, clips: ClipSet) -> None:
        """Offer the clips, and choose the first."""
        list_clips(self.chosen, clips, (0,))

    def opened(self) -> None:
        """Load the sound, which is rendered already."""
        self.hearing.hear(content.heard(self.shown.choice, self.clips, self.shown))

    def settle(self, shown: content.TrajectoriesShown) -> None:
        """Hand the places of the markers to the bridge, which moves them with the sound."""
        places = np.stack([one.values for one in shown.points])
        self.bridge.follow(self.figure, "now", places, shown.latents[0]["time_s"].values, self.player)

    def click(self, name: str, points: Any) -> None:
        """Listen to the trajectory that was clicked, if it is still chosen, from the time of the point on."""
        fields = self.clicked(self.shown, name, points)
        if fields and self.shown.clips is self.clips and self.listen.offers(fields):
            self.choose(**fields)
            self.player.seek(content.clicked_time_s(self.shown, name, points))

    def _list_heard(self) -> None:
        every = content.every_trajectory(self.chosen.value, self.effects.value)
        self.listen.offer(self.clips, every[: figures.MOST_TRAJECTORIES])


class _Listen(widgets.Dropdown):
    """A chooser of one of the trajectories; it reads as `heard_row` and `heard_effect`."""

    def __init__(self) -> None:
        super().__init__(description="Listen to", style=STYLE, layout={"width": "340px"})
        self._listing = False

    def offer(self, clips: ClipSet, named: Sequence[tuple[int, str]]) -> None:
        """Offer trajectories; still the same is chosen, if it is there, else the first that is an effect."""
        before, names = self.label, [content.words_of(clips, *one) for one in named]
        first = next((one for one in named if one[1] != "CLN"), named[0])
        self._listing = True
        self.index = None
        self.options = list(zip(names, named, strict=True))
        self.value = named[names.index(before)] if before in names else first
        self._listing = False

    def offers(self, fields: Mapping[str, Any]) -> bool:
        """Say whether what fields name can be chosen."""
        return self._named(fields) in [one for _, one in self.options]

    def read(self) -> Mapping[str, Any]:
        return {"heard_row": self.value[0], "heard_effect": self.value[1]}

    def write(self, fields: Mapping[str, Any]) -> None:
        """Choose what fields name, if it is offered."""
        if self.offers(fields):
            self.value = self._named(fields)

    def on_change(self, callback: Callable[[], None]) -> None:
        self.observe(lambda _: None if self._listing else callback(), "value")

    def _named(self, fields: Mapping[str, Any]) -> tuple[int, str]:
        return fields.get("heard_row", self.value[0]), fields.get("heard_effect", self.value[1])
