"""The knob that panels share: an effect, which of its parameters is turned, and a slider in that parameter's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from latentfx_nb.effects import EFFECTS, Knob, typed
from latentfx_nb.pages.controls import STYLE

STEPS = 400


class KnobControl:
    """Choosers for effect and parameter (`choices`), and the `slider` that turns it.

    It reads as the fields `effect`, `knob` and `value`; the latter two are None for an effect without a knob.
    """

    def __init__(self, effect: str, effects: Sequence[str]) -> None:
        self._effect = widgets.Dropdown(
            options=[(f"{EFFECTS[label].name} ({label})", label) for label in effects],
            value=effect,
            description="Effect",
            style=STYLE,
            layout={"width": "230px"},
        )
        self._parameter = widgets.Dropdown(description="Knob", style=STYLE, layout={"width": "240px"})
        self.choices = [self._effect, self._parameter]
        self.slider = widgets.Box(layout={"width": "100%", "min_height": "34px"})
        self._told: dict[str, Any] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._listing = False
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
        """The setting, as one would type it and inside its range; a logarithmic slider gives neither."""
        if self.spec is None:
            return None
        return typed(np.clip(self._slider.value, self.spec.low, self.spec.high))

    @value.setter
    def value(self, value: float) -> None:
        self._slider.value = value

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

    def _effect_changed(self) -> None:
        knobs = EFFECTS[self.effect].knobs
        self._listing = True  # putting in options changes the value, but nobody has chosen yet
        self._parameter.options = [(knob.words, knob.name) for knob in knobs]
        self._parameter.index = 0 if knobs else None
        self._parameter.disabled = not knobs
        self._listing = False
        self._parameter_changed()

    def _parameter_changed(self) -> None:
        self._make_slider()
        self._tell()

    def _tell(self) -> None:
        """Call back if it is set to something else: the page's slider answers a value with its own last bits of it."""
        if self.read() != self._told:
            self._told = dict(self.read())
            for callback in self._callbacks:
                callback()

    def _make_slider(self) -> None:
        knob = self.spec
        if knob is None:
            self.slider.children = [widgets.Label(f"{EFFECTS[self.effect].name} has no knob.")]
            return
        start = EFFECTS[self.effect].setting[knob.name]
        low, high, place = np.log10([knob.low, knob.high, start]) if knob.log else (knob.low, knob.high, start)
        kind = widgets.FloatLogSlider if knob.log else widgets.FloatSlider
        # The page rounds to steps counted from the low end: Table 1's setting has to be one of them.
        step = (place - low) / max(1, round(STEPS * (place - low) / (high - low))) or (high - low) / STEPS
        self._slider = kind(start, min=low, max=high, step=step, readout_format=".4g")
        self._slider.description = f"{knob.words} ({knob.unit})" if knob.unit else knob.words
        self._slider.style, self._slider.layout = STYLE, {"width": "100%"}
        self._slider.observe(lambda _: self._tell(), "value")
        self.slider.children = [self._slider]
