"""The knob that panels share: an effect, which of its parameters is turned, and a slider in that parameter's unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from latentfx_nb.effects import EFFECTS, Knob, typed
from latentfx_nb.pages.base import STYLE

STEPS = 400


class KnobControl:
    """Choosers for effect and parameter (`choices`), and the `slider` that turns it.

    `on_choose` callbacks hear of another effect or parameter, `on_turn` ones of another value, and of every new choice.
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
        self._choosing: list[Callable[[], None]] = []
        self._turning: list[Callable[[], None]] = []
        self._listing = False
        self._effect.observe(lambda _: self._effect_changed(), "value")
        self._parameter.observe(lambda _: self._listing or self._parameter_changed(), "value")
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
        return self.spec and self.spec.name

    @property
    def value(self) -> float | None:
        """The setting, as one would type it and inside its range; a logarithmic slider gives neither."""
        return self.spec and typed(np.clip(self._slider.value, self.spec.low, self.spec.high))

    @value.setter
    def value(self, value: float) -> None:
        self._slider.value = value

    def text(self) -> str:
        """Return effect and setting in words."""
        name = EFFECTS[self.effect].name
        return name if self.spec is None else f"{name}, {self.spec.text(self.value)}"

    def on_choose(self, callback: Callable[[], None]) -> None:
        self._choosing.append(callback)

    def on_turn(self, callback: Callable[[], None]) -> None:
        self._turning.append(callback)

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
        self._told = self.value
        self._tell(self._choosing)
        self._tell(self._turning)

    def _slider_moved(self) -> None:
        if self.value != self._told:  # the page's slider answers a value with its own last bits of it
            self._told = self.value
            self._tell(self._turning)

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
        self._slider.observe(lambda _: self._slider_moved(), "value")
        self.slider.children = [self._slider]

    @staticmethod
    def _tell(callbacks: list[Callable[[], None]]) -> None:
        for callback in callbacks:
            callback()
