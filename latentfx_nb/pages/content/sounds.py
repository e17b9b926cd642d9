"""Sounds by what makes them: a clip through an effect, and the pair that the player holds."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from latentfx_nb.effects import EFFECTS, Setting, render, render_normalised
from latentfx_nb.paper import SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.sound.audio import Clip, normalise
from latentfx_nb.sound.clips import ClipSet

SOUNDS_KEPT = 4
"""Renders of 2 MB each: what is heard is drawn, too, and the clean clip stays while its knob is turned."""

CLIPS_KEPT = 2
"""Clips of 2 MB each, read and at their loudness, while their knobs are turned."""


QUIET_DB = -60.0
"""Mean level of a whole clip of which no part can be below the meter's gate: with one block of it, over -70 LUFS."""


class Sound(NamedTuple):
    """A clip through an effect, by what makes it."""

    clips: ClipSet
    row: int
    effect: str = "CLN"
    value: float | None = None
    knob: str | None = None
    mono: bool = False  # an effect with a stereo width is summed to mono


class Heard(NamedTuple):
    """What the player holds, by what makes it."""

    title: str
    dry: Sound
    wet: Sound


def dry_and_wet(
    clips: ClipSet, row: int, effect: str, value: float | None = None, knob: str | None = None, words: str = ""
) -> Heard:
    """Return a clip without and with an effect, called after both (or `words` instead of the effect), to be heard."""
    title = f"{clips.table['clip'].iat[row]}: {words or EFFECTS[effect].name}"
    return Heard(title, Sound(clips, row), Sound(clips, row, effect, value, knob))


def setting_words(effect: str, knob: str | None, value: float | None) -> str:
    """Return an effect and its setting in words: "Reverb, room size 0.8"."""
    spec = EFFECTS[effect]
    return spec.name if knob is None or value is None else f"{spec.name}, {spec.knob(knob).text(value)}"


def heard_of(value: Any, choice: Any, clips: ClipSet) -> Heard | None:
    """Return the sounds of an entry: a clip's row, a row and an effect, or an effect; None for anything else.

    A clip is heard through the effect of the choice as its knob stands, an effect on the clip that is chosen.
    """
    effect, row = getattr(choice, "effect", "CLN"), getattr(choice, "row", 0)
    if isinstance(value, str) and value in EFFECTS:
        return dry_and_wet(clips, row, value)
    if isinstance(value, int):
        if effect not in EFFECTS:
            effect = "CLN"
        knob, setting = getattr(choice, "knob", None), getattr(choice, "value", None)
        return dry_and_wet(clips, value, effect, setting, knob, setting_words(effect, knob, setting))
    if isinstance(value, tuple) and len(value) == 2 and value[1] in EFFECTS:
        return dry_and_wet(clips, *value)
    return None


def rendered(sound: Sound) -> Clip:
    """Return a sound `[channel sample]`."""
    return render(sound.clips[sound.row], sound.effect, sound.value, sound.knob, mono=sound.mono)


def played_lufs(sound: Clip, gain: float = 1.0) -> float | None:
    """Return the loudness at which a render `[channel sample]` is played; None for one too quiet to be brought to it.

    A render over `QUIET_DB` on the whole is not silent to the meter, and has the paper's loudness, but for the `gain`.
    """
    power = float(np.mean(np.square(sound)))
    return TARGET_LUFS + 20 * math.log10(gain) if power > 10 ** (QUIET_DB / 10) else None


def kept_renders() -> Callable[[Sound], Clip]:
    """Return `rendered` for threads that ask for the same sounds: each is rendered once, and the last few are kept.

    So are the last clips: a turn of the knob neither reads the clip's file nor measures its loudness again.
    """

    @lru_cache(CLIPS_KEPT)
    def clip(clips: ClipSet, row: int) -> Clip:
        return normalise(clips[row], SAMPLE_RATE_HZ)

    @lru_cache(SOUNDS_KEPT)
    def kept(sound: Sound) -> Clip:
        setting = Setting(sound.effect, sound.value, sound.knob, sound.mono)
        return render_normalised(clip(sound.clips, sound.row), setting)

    turn = threading.Lock()

    def render_once(sound: Sound) -> Clip:
        with turn:
            return kept(sound)

    return render_once
