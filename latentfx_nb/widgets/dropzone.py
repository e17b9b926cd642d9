"""A place in a page to choose files at, or to drop them on: their content reaches Python file by file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import anywidget
import traitlets

from latentfx_nb.widgets.modules import module_text

CSS = """
.latentfx-drop { position: relative; display: inline-flex; align-items: center; box-sizing: border-box;
  min-height: 30px; margin: 2px; padding: 3px 14px; cursor: pointer; border-radius: 5px;
  border: 1px dashed var(--jp-border-color1, #9e9e9e); color: var(--jp-ui-font-color1, #222);
  font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); }
.latentfx-drop:hover, .latentfx-drop[data-over="true"] { background: var(--jp-layout-color2, #eee);
  border-color: var(--jp-brand-color1, #1976d2); }
.latentfx-drop:focus-within { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.latentfx-drop input { position: absolute; inset: 0; width: 100%; opacity: 0; cursor: pointer; }
"""


class HandedIn(NamedTuple):
    """A file as the page hands it over."""

    name: str
    size: int
    content: bytes | None
    """None if the page could not read it, as of a folder, or if it alone or with those before it was over the limit."""

    left: int
    """How many of those that were chosen together are still to come."""


class DropZone(anywidget.AnyWidget):
    """A box that opens the browser's file chooser, and takes what is dropped on it or on the panel around it.

    `taken` is called with each file. `accept` are suffixes such as ".wav", `most_bytes` what one choice may send: the
    browser keeps back what is more, so that it never fills the kernel's memory.
    """

    _esm = module_text("dropzone")
    _css = CSS

    label = traitlets.Unicode("Choose files, or drop them here").tag(sync=True)
    accept = traitlets.List(traitlets.Unicode()).tag(sync=True)
    most_bytes = traitlets.Int(200_000_000).tag(sync=True)

    def __init__(self, taken: Callable[[HandedIn], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._taken = taken
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, message: dict[str, Any], buffers: list[memoryview]) -> None:
        if message.get("kind") == "file":
            content = bytes(buffers[0]) if buffers else None
            self._taken(HandedIn(str(message["name"]), int(message["size"]), content, int(message["left"])))
