"""What pointer and keys choose on a page: a click takes a point and its sound, a second plays it; keys step clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from latentfx_nb.pages.content.sounds import Heard
from latentfx_nb.pages.controls import Field
from latentfx_nb.pages.described import Described

HEARD_ROWS = ("row", "confused")
"""Fields whose chooser lists what can be heard."""


class Pointing(widgets.ToggleButton):
    """Follows the pointer on a page's figure; as a button, it lets points be heard that the pointer only rests on."""

    def __init__(self, page: Described) -> None:
        super().__init__(description="Hear on hover", tooltip="Points sound while the pointer rests on them")
        self._page = page
        self.add_class("lfx-preview")
        if not page.clicks_sound:
            self.layout.display = "none"
        page.bridge.on_point(self._click, self._rest)
        page.bridge.on("step", lambda told: self._step(1 if told.get("by") == 1 else -1))
        self.observe(lambda _: self._switch(), "value")

    def _click(self, name: str, points: Any) -> None:
        page, heard = self._page, self._heard_at(name, points)
        held = page.hearing.holds(heard)
        page.click(name, points)
        page.hearing.click(heard, held)

    def _rest(self, name: str | None, points: Any) -> None:
        heard = None if name is None else self._heard_at(name, points)
        if heard is not None and self.value:
            self._page.hearing.preview(heard)
        else:
            self._page.hearing.end_preview()

    def _step(self, by: int) -> None:
        """Choose the clip before or after the one that is heard: of those listed, round and round."""
        page, chooser = self._page, self._chooser()
        if chooser is not None and chooser.index is not None:
            chooser.index = (chooser.index + by) % len(chooser.options)
        elif hasattr(page.choice(), "ringed_row"):
            page.choose(ringed_row=(page.choice().ringed_row + by) % len(page.clips))

    def _chooser(self) -> Any:
        """Return the page's chooser of what is heard; None if it has none."""
        for control in self._page.controls:
            if isinstance(control, Field) and control.name in HEARD_ROWS:
                return control.widget
            if isinstance(control, widgets.Dropdown):  # a chooser of more than a row is a control by itself
                return control
        return None

    def _heard_at(self, name: str, points: Any) -> Heard | None:
        """Return the sounds of a point of what is drawn; None if it has none."""
        page, shown = self._page, self._page.shown
        fields = page.clicked(shown, name, points)
        return page.heard(replace(shown.choice, **fields), shown.clips, shown) if fields else None

    def _switch(self) -> None:
        self._page.bridge.previews = self.value
        if not self.value:
            self._page.hearing.end_preview()
