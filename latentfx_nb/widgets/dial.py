"""A knob that is turned like one: dragged, rolled, typed with its unit, swept by itself, or learnt by a MIDI device."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from latentfx_nb.effects import typed
from latentfx_nb.widgets.modules import FOLDER, module_text


class Dial(anywidget.AnyWidget):
    """A rotary knob for one setting, between `low` and `high`, in equal ratios if `log`.

    `words` and `unit` name the setting, `knob` is what programs call it; `start` is the value of a double click;
    `ticks` are further marks, each a value and what it is; `size` is "large" or "small". `value` has the six
    significant digits that one would type. A value out of range raises `traitlets.TraitError`, from Python or from a
    page; a page itself refuses what is typed so. `ready` turns true when a page shows the dial; `by_hand` is true while
    a value from the page is being told.
    """

    _esm = module_text("dial")
    _css = FOLDER / "dial.css"

    value = traitlets.Float(0.0).tag(sync=True)
    low = traitlets.Float(0.0).tag(sync=True)
    high = traitlets.Float(1.0).tag(sync=True)
    start = traitlets.Float(0.0).tag(sync=True)
    log = traitlets.Bool().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)
    knob = traitlets.Unicode().tag(sync=True)
    ticks = traitlets.List(traitlets.Tuple()).tag(sync=True)
    size = traitlets.Enum(["large", "small"], "large").tag(sync=True)
    disabled = traitlets.Bool().tag(sync=True)
    ready = traitlets.Bool().tag(sync=True)

    def __init__(self, value: float = 0.0, **traits: Any) -> None:
        super().__init__(value=value, **{"start": value, **traits})
        self.by_hand = self._written = False
        self.observe(self._note, "value")
        self.on_msg(self._answer)

    def become(self, **traits: Any) -> None:
        """Turn into another knob: all that differs changes at once, in one message."""
        with self.hold_sync(), self.hold_trait_notifications():
            for name, value in traits.items():
                self.set_trait(name, value)

    @traitlets.validate("value")
    def _in_range(self, proposal: Any) -> float:
        value = typed(proposal["value"])
        if not self.low <= value <= self.high:
            what, unit = self.words or "the setting", f" {self.unit}" if self.unit else ""
            raise traitlets.TraitError(
                f"{what} = {value:g} is out of range: choose {self.low:g} to {self.high:g}{unit}"
            )
        return value

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page sends, as ipywidgets does; who is told of it may ask whether a hand has turned."""
        self.by_hand = True
        try:
            super().set_state(sync_data)
        finally:
            self.by_hand = False

    def _note(self, _change: Any) -> None:
        self._written = not self.by_hand

    def _answer(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        # The value is sent again only if Python wrote it last: a late answer must not undo a turn.
        if message.get("kind") == "ready":
            self.ready = True
            written = ["value"] if self._written else []
            self.send_state(
                [*written, "low", "high", "start", "log", "unit", "words", "knob", "ticks", "disabled", "ready"]
            )
