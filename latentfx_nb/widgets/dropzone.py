"""A box in a page where files are chosen, dropped or recorded; Python gets their contents one file at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import anywidget
import traitlets

from latentfx_nb.widgets.modules import FOLDER, module_text


class HandedIn(NamedTuple):
    """A file that the page has sent."""

    name: str
    size: int
    content: bytes | None
    """None if the page could not read the file (a folder), or if it and those before it exceed the limit."""

    left: int
    """How many files of the same choice are still to come."""


class DropZone(anywidget.AnyWidget):
    """A box that opens the browser's file chooser, and accepts files dropped on it or on the panel around it.

    Beside it, where the page may ask for the microphone, a button records a file of at most `most_s` seconds. `taken`
    is called with each file. `accept` lists suffixes such as ".wav"; `most_bytes` limits what one choice may send: the
    browser keeps back the rest, so it never fills the kernel's memory. `kept` files are said to be there, beside a
    button that calls `removed`.
    """

    _esm = module_text("dropzone")
    _css = FOLDER / "dropzone.css"

    label = traitlets.Unicode("Choose files, or drop them here").tag(sync=True)
    accept = traitlets.List(traitlets.Unicode()).tag(sync=True)
    most_bytes = traitlets.Int(200_000_000).tag(sync=True)
    most_s = traitlets.Int(600).tag(sync=True)
    kept = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, taken: Callable[[HandedIn], None], removed: Callable[[], None] = lambda: None, **traits: Any
    ) -> None:
        super().__init__(**traits)
        self._taken, self._removed = taken, removed
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, message: dict[str, Any], buffers: list[memoryview]) -> None:
        if message.get("kind") == "remove":
            self._removed()
        if message.get("kind") == "file":
            content = bytes(buffers[0]) if buffers else None
            self._taken(HandedIn(str(message["name"]), int(message["size"]), content, int(message["left"])))
