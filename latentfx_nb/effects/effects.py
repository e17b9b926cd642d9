"""Tables 1 and 2 of the paper as data, and their rendering with pedalboard."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
import pedalboard
from numpy.typing import NDArray

from latentfx_nb.sound import audio
from latentfx_nb.sound.audio import Clip
from latentfx_nb.paper import SAMPLE_RATE_HZ, TARGET_LUFS


def typed(value: float) -> float:
    """Return the number that one would type for `value`: its six significant digits, the same on every processor.

    What is 0, or halfway between two such numbers, but for its last bits is so altogether.
    """
    clear = float(f"{round(value, 12) + 0.0:.12g}")  # + 0.0 as -0.0 is written in another way
    return float(f"{clear:.6g}")


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
        """Return a setting in words: "cutoff frequency 2000 Hz"."""
        return f"{self.words} {value:.4g} {self.unit}".rstrip()

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
            raise ValueError(f"{self.label} has no knob; effects with one: {', '.join(TURNABLE)}")
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
    """Return `effect` of `clip [channel sample]`; pedalboard takes the longer side for time, so that has to be so."""
    channels, samples = clip.shape
    if samples > channels or not isinstance(effect, pedalboard.Plugin):
        return effect(clip, sample_rate)
    return effect(audio.fit_length(clip, channels + 1), sample_rate)[:, :samples]


# Pedalboard's defaults stand written out, so that a new release of it cannot change a data set unnoticed. Knobs that
# Table 2 does not print are ours and end where the effect stops being useful on a 5.4 s clip.
_SPECS = (
    EffectSpec("CLN", "Clean", lambda: lambda clip, _: clip.copy()),
    EffectSpec(
        "CHS",
        "Chorus",
        pedalboard.Chorus,
        {"rate_hz": 1.0, "depth": 0.25, "centre_delay_ms": 7.0, "feedback": 0.0, "mix": 0.5},
        (Knob("rate_hz", 0.1, 10.0, "Hz", log=True), Knob("depth", 0.0, 1.0), Knob("mix", 0.0, 1.0)),
    ),
    # Table 1 gives no ratio, and pedalboard's default of 1 compresses nothing: 25 is the authors' own notebooks' value.
    EffectSpec(
        "CMP",
        "Compressor",
        pedalboard.Compressor,
        {"threshold_db": -50.0, "ratio": 25.0, "attack_ms": 1.0, "release_ms": 100.0},
        (Knob("threshold_db", -60.0, 0.0, "dB"), Knob("ratio", 1.0, 50.0, log=True)),
    ),
    EffectSpec(
        "DLY",
        "Delay",
        pedalboard.Delay,
        {"delay_seconds": 0.5, "feedback": 0.0, "mix": 0.5},
        (Knob("delay_seconds", 0.01, 2.0, "s", log=True), Knob("feedback", 0.0, 0.9), Knob("mix", 0.0, 1.0)),
    ),
    EffectSpec("DIS", "Distortion", pedalboard.Distortion, {"drive_db": 25.0}, (Knob("drive_db", 0.0, 30.0, "dB"),)),
    EffectSpec(
        "HPF",
        "High-pass filter",
        pedalboard.HighpassFilter,
        {"cutoff_frequency_hz": 2000.0},
        (Knob("cutoff_frequency_hz", 50.0, 10_000.0, "Hz", log=True),),
    ),
    EffectSpec(
        "LPF",
        "Low-pass filter",
        pedalboard.LowpassFilter,
        {"cutoff_frequency_hz": 70.0},
        (Knob("cutoff_frequency_hz", 50.0, 10_000.0, "Hz", log=True),),
    ),
    EffectSpec(
        "PS", "Pitch shift", pedalboard.PitchShift, {"semitones": 4.0}, (Knob("semitones", -12.0, 12.0, "semitones"),)
    ),
    EffectSpec(
        "RVB",
        "Reverb",
        pedalboard.Reverb,
        {"room_size": 0.8, "damping": 0.5, "wet_level": 0.33, "dry_level": 0.4, "width": 1.0, "freeze_mode": 0.0},
        (Knob("room_size", 0.01, 0.99), Knob("damping", 0.0, 1.0), Knob("wet_level", 0.0, 1.0)),
        keeps_doubled=False,  # the reverb spreads a mono sound over both channels
    ),
    EffectSpec("TRV", "Time reverse", lambda: lambda clip, _: np.ascontiguousarray(clip[:, ::-1])),
)

EFFECTS: dict[str, EffectSpec] = {spec.label: spec for spec in _SPECS}
"""Label -> `EffectSpec`, in the order of Table 1."""

TABLE_1 = tuple(EFFECTS)
"""Labels of the ten effects of the paper's Table 1: what every experiment renders unless told otherwise."""

TURNABLE = tuple(label for label, spec in EFFECTS.items() if spec.knobs)
"""Labels of the effects that have a knob."""


def get_effect(label: str) -> EffectSpec:
    """Return the effect called `label`; raise ValueError listing the known ones."""
    if label not in EFFECTS:
        raise ValueError(f"no effect is called {label!r}; choose one of {', '.join(EFFECTS)}")
    return EFFECTS[label]


@dataclass(frozen=True)
class Setting:
    """One render to make: an effect as Table 1 sets it, or with one knob turned to `value`."""

    label: str
    value: float | None = None
    knob: str | None = None

    def __post_init__(self) -> None:
        self.parameters()  # an unknown effect or a value out of range shows here, before anything is computed

    def parameters(self) -> dict[str, float]:
        """Return everything handed to the plugin: what a stored render is keyed by."""
        return get_effect(self.label).settings(self.value, self.knob)


def render(
    clip: Clip,
    label: str,
    value: float | None = None,
    knob: str | None = None,
    lufs: float = TARGET_LUFS,
    sample_rate: int = SAMPLE_RATE_HZ,
) -> Clip:
    """Return `clip [channel sample]` through one effect, loudness-normalised before and after (section 2.2).

    A render that is silent or below -70 LUFS, such as a high note through a 70 Hz low-pass, keeps its level.

    Raises ValueError for an unknown effect, a knob it does not have, a value out of range, an empty clip or samples
    that are not finite, and as `audio.check_clip` does.
    """
    return render_settings(clip, [Setting(label, value, knob)], lufs, sample_rate)[0]


def render_settings(
    clip: Clip, settings: Sequence[Setting], lufs: float = TARGET_LUFS, sample_rate: int = SAMPLE_RATE_HZ
) -> list[Clip]:
    """Return one render of `clip [channel sample]` for each setting; the loudness before is measured only once."""
    before = audio.normalise(clip, sample_rate, lufs)
    return [_render_normalised(before, setting, lufs, sample_rate) for setting in settings]


def _render_normalised(before: Clip, setting: Setting, lufs: float, sample_rate: int) -> Clip:
    wet = get_effect(setting.label).render(before, sample_rate, setting.value, setting.knob)
    return audio.normalise(wet, sample_rate, lufs)


def render_many(
    clips: Sequence[Clip],
    settings: Sequence[Setting],
    lufs: float = TARGET_LUFS,
    sample_rate: int = SAMPLE_RATE_HZ,
    workers: int | None = None,
    then: Callable[[list[Clip]], Any] = list,
    faults: tuple[type[Exception], ...] = (),
) -> Generator[Any, None, None]:
    """Yield the renders of each clip in order, made ahead on `workers` threads (by default one a core).

    Every plugin and meter releases the interpreter's lock, so threads serve and nothing is copied. At most two clips
    a worker are held ahead of the reader. Clips are read on the threads too, and one that cannot be read or rendered
    raises only when its turn comes, after all clips before it; errors of the types `faults` are yielded in the place of
    its renders instead. What has to be done to a clip's renders next, `then`, is done there as well.
    """
    workers = workers or os.cpu_count() or 1
    rows = iter(range(len(clips)))

    def render_row(row: int) -> Any:
        try:
            return then(render_settings(clips[row], settings, lufs, sample_rate))
        except faults as error:
            return error

    with ThreadPoolExecutor(workers, thread_name_prefix="render") as pool:
        waiting = [pool.submit(render_row, row) for row in islice(rows, 2 * workers)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(render_row, row) for row in islice(rows, 1)]
        finally:
            for future in waiting:
                future.cancel()


def sweep_settings(effect: str, n: int, knob: str | None = None) -> list[Setting]:
    """Return the settings along `n` values of one effect's knob, its first by default."""
    turned = get_effect(effect).knob(knob)
    return [Setting(effect, value, turned.name) for value in turned.values(n).tolist()]


def recipe(settings: Sequence[Setting], lufs: float = TARGET_LUFS) -> dict[str, Any]:
    """Return all that renders depend on besides the clip and the libraries' versions, ready for JSON and exact."""
    return {"settings": [[setting.label, setting.parameters()] for setting in settings], "lufs": lufs}


def render_versions() -> dict[str, str]:
    """Return the installed version of each library that renders depend on."""
    return {name: version(name) for name in ("pedalboard", "pyloudnorm")}


def settings_hash(settings: Sequence[Setting], lufs: float = TARGET_LUFS) -> str:
    """Return a sha256 over all that renders depend on besides the clip, the libraries' versions among it."""
    content = [*recipe(settings, lufs).values(), render_versions()]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
