"""The knob that panels share: an effect, which of its parameters is turned, and a dial in that parameter's unit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from latentfx_nb.effects import EFFECTS, Knob, typed
from latentfx_nb.pages.controls import STYLE
from latentfx_nb.pages.worker import main
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.dial import Dial

PATIENCE_S = 20.0
"""How long a page that stands may take to show its dial before a plain slider takes its place."""

SORRY = "The knob could not start; here is a plain slider."
STEPS = 400
"""Steps of the plain slider."""


class KnobControl:
    """Choosers for effect and parameter (`choices`), and the `slider`: the place of the dial that turns it.

    It reads as the fields `effect`, `knob` and `value`; the latter two are None for an effect without a knob. Another
    effect turns the same `dial` into another knob, so nothing has to start anew. `join` it to its page's bridge.
    """

    def __init__(self, effect: str, effects: Sequence[str]) -> None:
        self._effect = widgets.Dropdown(
            options=[(EFFECTS[label].name, label) for label in effects],
            value=effect,
            description="Effect",
            style=STYLE,
            layout={"width": "100%"},
        )
        self._parameter = widgets.Dropdown(description="Knob", style=STYLE, layout={"width": "100%"})
        self.choices = [self._effect, self._parameter]
        self.dial, self._note = Dial(), widgets.Label()
        self.slider = widgets.VBox([self.dial, self._note], layout={"width": "100%"})
        self._plain: widgets.Box | None = None  # the fall-back's place, once it is needed
        self._told: dict[str, Any] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._listing = False
        self.dial.observe(lambda _: self._turned(), "value")
        self._effect.observe(lambda _: self._effect_changed(), "value")
        self._parameter.observe(lambda _: None if self._listing else self._parameter_changed(), "value")
        self._effect_changed()

    @property
    def effect(self) -> str:
        return self._effect.value

    @effect.setter
    def effect(self, label: str) -> None:
        self._effect.value = label

    @property
    def spec(self) -> Knob | None:
        """The knob that is turned; None for an effect that has none."""
        return EFFECTS[self.effect].knob(self._parameter.value) if EFFECTS[self.effect].knobs else None

    @property
    def name(self) -> str | None:
        return None if self.spec is None else self.spec.name

    @property
    def value(self) -> float | None:
        """The setting, as one would type it; one out of the knob's range raises ValueError, and the old one stays."""
        return None if self.spec is None else self.dial.value

    @value.setter
    def value(self, value: float) -> None:
        if self.spec is not None:
            self.dial.value = self.spec.check(typed(value))

    def read(self) -> Mapping[str, Any]:
        """Return effect, knob and value."""
        return {"effect": self.effect, "knob": self.name, "value": self.value}

    def write(self, fields: Mapping[str, Any]) -> None:
        """Set those of effect, knob and value that are given."""
        self.effect = fields.get("effect", self.effect)
        if fields.get("knob") is not None:
            self._parameter.value = fields["knob"]
        if fields.get("value") is not None:
            self.value = fields["value"]

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever it reads as something else."""
        self._callbacks.append(callback)

    def join(self, bridge: Bridge) -> None:
        """Keep the dial updating, and put a plain slider in its place if the page stands and the dial does not."""
        bridge.watch_over(self.dial)
        bridge.observe(lambda _: self._wait(), "ready")

    def _wait(self) -> None:
        timer = threading.Timer(PATIENCE_S, lambda: main.call(self._fall_back))
        timer.daemon = True
        timer.start()

    def _fall_back(self) -> None:
        """Put a plain slider in the dial's place, and say so, unless the dial has started."""
        if self.dial.ready or self._plain is not None:
            return
        self._plain = widgets.Box(layout={"width": "100%"})
        self.slider.children = [widgets.Label(SORRY), self._plain, self._note]
        self._show_plain()

    def _effect_changed(self) -> None:
        knobs = EFFECTS[self.effect].knobs
        self._listing = True  # putting in options changes the value, but nobody has chosen yet
        self._parameter.options = [(knob.words, knob.name) for knob in knobs]
        self._parameter.index = 0 if knobs else None
        self._parameter.disabled = not knobs
        self._listing = False
        self._parameter_changed()

    def _parameter_changed(self) -> None:
        self._turn_into()
        self._tell()

    def _turned(self) -> None:
        self._set_plain()
        self._tell()

    def _tell(self) -> None:
        """Call back if it is set to something else."""
        if self.read() != self._told:
            self._told = dict(self.read())
            for callback in self._callbacks:
                callback()

    def _turn_into(self) -> None:
        """Let the dial be the knob that is chosen, at Table 1's setting."""
        knob = self.spec
        if self._plain is not None:
            self._plain.children = []  # the old knob's slider has another range
        self._note.value = "" if knob else f"{EFFECTS[self.effect].name} has no knob."
        self._note.layout.display, self.dial.layout.display = ("none", "") if knob else ("", "none")
        if knob is not None:
            start = EFFECTS[self.effect].setting[knob.name]
            scale = {"low": knob.low, "high": knob.high, "log": knob.log, "unit": knob.unit}
            self.dial.become(value=start, start=start, words=knob.words, knob=f"{self.effect}.{knob.name}", **scale)
        self._show_plain()

    def _show_plain(self) -> None:
        if self._plain is not None and self.spec is not None:
            self._plain.children = [self._plain_slider(self.spec)]

    def _set_plain(self) -> None:
        slider = self._plain.children[0] if self._plain is not None and self._plain.children else None
        if slider is not None and typed(slider.value) != self.dial.value:
            slider.value = self.dial.value

    def _plain_slider(self, knob: Knob) -> widgets.Widget:
        start, scale = self.dial.start, np.log10 if knob.log else float
        low, high, place = (float(scale(one)) for one in (knob.low, knob.high, start))
        kind = widgets.FloatLogSlider if knob.log else widgets.FloatSlider
        # The page rounds to steps counted from the low end: Table 1's setting has to be one of them.
        step = (place - low) / max(1, round(STEPS * (place - low) / (high - low))) or (high - low) / STEPS
        slider = kind(self.dial.value, min=low, max=high, step=step, readout_format=".4g", layout={"width": "100%"})
        slider.description = f"{knob.words} ({knob.unit})" if knob.unit else knob.words

        def turned(_: Any) -> None:  # it gives neither round numbers nor only those of the range
            self.value = typed(float(np.clip(slider.value, knob.low, knob.high)))

        slider.observe(turned, "value")
        return slider
