"""Effects as data (label, plugin, fixed setting, knobs), found by their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pedalboard
from numpy.typing import NDArray

from latentfx_nb.sound import audio
from latentfx_nb.sound.audio import Clip


def typed(value: float) -> float:
    """Return the number that one would type for `value`: its six significant digits, the same on every processor.

    A value that differs in its last bits from 0, or from the middle between two such numbers, is taken for it.
    """
    clear = float(f"{round(value, 12) + 0.0:.12g}")  # + 0.0 as -0.0 is written in another way
    return float(f"{clear:.6g}")


def _four_digits(value: float) -> str:
    """Return a number to four digits and without an exponent."""
    return np.format_float_positional(float(f"{value:.4g}"), trim="-")


@dataclass(frozen=True)
class Knob:
    """The one parameter a sweep turns, in the unit its name ends with (Table 2)."""

    name: str
    low: float
    high: float
    unit: str = ""
    log: bool = False

    @property
    def words(self) -> str:
        """The name as people say it, without its unit: "cutoff frequency"."""
        return self.name.removesuffix("_hz").removesuffix("_db").removesuffix("_seconds").replace("_", " ")

    def text(self, value: float) -> str:
        """Return a setting in words: "cutoff frequency 2 kHz"."""
        words = "" if self.words == self.unit else self.words  # four semitones, not "semitones 4 semitones"
        return f"{words} {self.brief(value)}".strip()

    def brief(self, value: float) -> str:
        """Return a setting in the unit in which it is read: "2 kHz", "500 ms"."""
        if self.unit == "Hz" and abs(value) >= 1000:
            return f"{_four_digits(value / 1000)} kHz"
        if self.unit == "s" and 0 < abs(value) < 1:
            return f"{_four_digits(value * 1000)} ms"
        return f"{_four_digits(value)} {self.unit}".rstrip()

    def values(self, n: int) -> NDArray[np.float64]:
        """Return `n` settings `[value]` from `low` to `high`: equal ratios if `log`, else equal steps.

        They have six significant digits, as one types them: the last bits of `geomspace` differ between processors.
        """
        if n < 2:
            raise ValueError(f"a knob path needs at least 2 values, not {n}")
        space = np.geomspace if self.log else np.linspace
        return np.array([typed(value) for value in space(self.low, self.high, n)])

    def check(self, value: float) -> float:
        """Return `value`; raise ValueError with the knob's range if it lies outside."""
        if not self.low <= value <= self.high:
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(f"{self.name} = {value:g} is out of range: choose {self.low:g} to {self.high:g}{unit}")
        return float(value)


@dataclass(frozen=True)
class EffectSpec:
    """An effect class: its label, its fixed setting (Table 1) and its knobs, Table 2's first."""

    label: str
    name: str
    process: Callable[..., Callable[[Clip, int], Clip]]  # a pedalboard plugin class, or one of two plain functions
    setting: Mapping[str, float] = field(default_factory=dict)
    knobs: tuple[Knob, ...] = ()
    keeps_doubled: bool = True  # equal channels stay equal, bit for bit, so one of them is work enough

    def knob(self, name: str | None = None) -> Knob:
        """Return the knob called `name`, or the first; raise ValueError listing the knobs there are."""
        if not self.knobs:
            raise ValueError(f"{self.label} has no knob; effects with one: {', '.join(turnable())}")
        found = [knob for knob in self.knobs if name in (None, knob.name)]
        if not found:
            raise ValueError(f"{self.label} has no knob {name!r}; it has {', '.join(k.name for k in self.knobs)}")
        return found[0]

    def settings(self, value: float | None = None, knob: str | None = None) -> dict[str, float]:
        """Return every parameter handed to the plugin when `knob` (or the first one) is turned to `value`."""
        if value is None and knob is None:
            return dict(self.setting)
        turned = self.knob(knob)
        return {**self.setting} if value is None else {**self.setting, turned.name: turned.check(value)}

    def render(self, clip: Clip, sample_rate: int, value: float | None = None, knob: str | None = None) -> Clip:
        """Return `clip [channel sample]` with the effect applied; `value` turns `knob`, or the first one.

        The length is kept, so delay and reverb tails are cut where the clip ends. A doubled mono clip is rendered
        once and doubled again wherever that gives the same bits.

        Raises ValueError if the effect has no such knob or the value is out of its range, and as `audio.check_clip`
        does.
        """
        audio.check_clip(clip)
        effect = self.process(**self.settings(value, knob))
        if self.keeps_doubled and audio.is_doubled(clip):
            return np.repeat(_applied(effect, clip[:1], sample_rate), 2, axis=0)
        return _applied(effect, clip, sample_rate)


def _applied(effect: Callable[[Clip, int], Clip], clip: Clip, sample_rate: int) -> Clip:
    """Return `effect` of `clip [channel sample]`, padded if need be: pedalboard takes the longer side for time."""
    channels, samples = clip.shape
    if samples > channels or not isinstance(effect, pedalboard.Plugin):
        return effect(clip, sample_rate)
    return effect(audio.fit_length(clip, channels + 1), sample_rate)[:, :samples]


EFFECTS: dict[str, EffectSpec] = {}
"""Label -> `EffectSpec`, in the order of Table 1 (`table` fills it)."""


def turnable() -> tuple[str, ...]:
    """Return the labels of the effects that have a knob."""
    return tuple(label for label, spec in EFFECTS.items() if spec.knobs)


def get_effect(label: str) -> EffectSpec:
    """Return the effect called `label`; raise ValueError listing the known ones."""
    if label not in EFFECTS:
        raise ValueError(f"no effect is called {label!r}; choose one of {', '.join(EFFECTS)}")
    return EFFECTS[label]


def through(labels: Sequence[str]) -> str:
    """Return through what clips go, in words: "through 10 effects", "through the reverb", "without an effect"."""
    if len(labels) > 1:
        return f"through {len(labels)} effects"
    return "without an effect" if labels[0] == "CLN" else f"through the {get_effect(labels[0]).name.lower()}"


@dataclass(frozen=True)
class Setting:
    """One render to make: an effect as Table 1 sets it, or with one knob turned to `value`.

    With `mono`, a render with a stereo width is summed to mono and doubled; other effects are as they are.
    """

    label: str
    value: float | None = None
    knob: str | None = None
    mono: bool = False

    def __post_init__(self) -> None:
        self.parameters()  # raises for an unknown effect or a value out of range, before anything is computed

    def parameters(self) -> dict[str, float]:
        """Return all parameters that the plugin is given, which are part of a stored render's key."""
        return get_effect(self.label).settings(self.value, self.knob)

    @property
    def summed(self) -> bool:
        """Whether the render is summed to mono: it is asked for, and the effect does not keep equal channels equal."""
        return self.mono and not get_effect(self.label).keeps_doubled
