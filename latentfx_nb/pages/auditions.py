"""Play buttons in the lists of a page: an entry is heard, and nothing else of the page changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import ipywidgets as widgets

from latentfx_nb.pages.described import Described
from latentfx_nb.widgets.picker import Picker


def connect_pickers(page: Described, shown: Iterable[widgets.Widget]) -> None:
    """Let the pickers of a page hear the browser, and those that are `playable`, or become so, be heard.

    They are those among `shown`, whatever boxes they lie in, and those that give fields of the choice.
    """
    fields = [getattr(control, "widget", control) for control in page.controls]
    for picker in dict.fromkeys(one for one in _within([*shown, *fields]) if isinstance(one, Picker)):
        page.bridge.watch_over(picker)
        _Auditions(page, picker)


class _Auditions:
    """Plays a picker's entries, and shows there which one sounds."""

    def __init__(self, page: Described, picker: Picker) -> None:
        self._page, self._picker = page, picker
        picker.on_play(self._play)
        page.player.observe(self._paused, "playing")

    def _play(self, value: Any) -> None:
        page, self._picker.playing = self._page, None
        heard = None if value is None else page.auditioned(value, page.choice(), self._picker.source or page.clips)
        if heard is None:
            page.hearing.end_preview()
        else:
            page.hearing.preview(heard)
            self._picker.playing = value

    def _paused(self, change: Any) -> None:
        if not change["new"] and self._picker.playing is not None:
            self._picker.playing = None
            self._page.hearing.end_preview()


def _within(given: Iterable[Any]) -> Iterator[Any]:
    for widget in given:
        yield widget
        yield from _within(getattr(widget, "children", ()))
