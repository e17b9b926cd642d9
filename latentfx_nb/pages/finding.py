"""What lets points be looked for on a page: how they are coloured, words to find some by, and the way back to all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from latentfx_nb.figures import COLORINGS
from latentfx_nb.pages.controls import STYLE
from latentfx_nb.pages.described import Described


class Finder:
    """Colours of points and `words` to find some of them by, as a page's fields `color` and `filter`; both are looks.

    How many are found is the page's text "count". `quiet` offers to draw them all in grey, too, and does so at first.
    """

    def __init__(self, quiet: str = "") -> None:
        self.words = widgets.Text(placeholder="Find: clip, instrument, effect")
        self.words.add_class("lfx-find")
        self.words.tooltip = "Points that do not match fade"
        self.color = _quiet_colors(quiet) if quiet else _colors()
        self.clear = widgets.Button(description="Clear", tooltip="Show all points again (Esc)")
        self.clear.layout = {"width": "auto", "display": "none"}

    def fields(self) -> Mapping[str, widgets.Widget]:
        """Return field -> widget."""
        return {"color": self.color, "filter": self.words}

    def join(self, page: Described, show_all: Callable[[], None]) -> None:
        """Have a page offer, once it stands, to `show_all` while some are found: by a button, and by Escape."""
        page.html["count"].observe(lambda change: self._offer(change["new"]), "value")
        self._offer(page.html["count"].value)
        self.clear.on_click(lambda _: show_all())
        page.bridge.on("clear", lambda _: show_all())

    def head(self, page: Described) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.color, self.words, page.html["count"], self.clear]

    def _offer(self, count: Any) -> None:
        self.clear.layout.display = "flex" if count else "none"


def _colors() -> widgets.ToggleButtons:
    return widgets.ToggleButtons(options=COLORINGS, style={"button_width": "auto"})


def _quiet_colors(what: str) -> widgets.Dropdown:
    options = [("grey", ""), *((f"by {color}", color) for color in COLORINGS)]
    return widgets.Dropdown(options=options, description=what, style=STYLE, layout={"width": "170px"})
