"""Clips through effects, loudness-normalised before and after; and the hash that renders are known by."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import metadata
from itertools import islice
from typing import Any

import numpy as np

from latentfx_nb.cache import digest
from latentfx_nb.effects.registry import Setting, get_effect
from latentfx_nb.paper import SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.sound import audio
from latentfx_nb.sound.audio import Clip

version = cache(metadata.version)
"""Return the installed version of a library: a file is read and parsed for it, once."""


def render(
    clip: Clip,
    label: str,
    value: float | None = None,
    knob: str | None = None,
    lufs: float = TARGET_LUFS,
    sample_rate: int = SAMPLE_RATE_HZ,
    mono: bool = False,
) -> Clip:
    """Return `clip [channel sample]` through one effect, loudness-normalised before and after (section 2.2).

    With `mono`, an effect with a stereo width, which makes the two channels of a doubled clip differ (of the ten the
    reverb alone), is summed to mono before the loudness is set: both channels are their mean. Others keep their bits.
    A render that is silent or below -70 LUFS, such as a high note through a 70 Hz low-pass, keeps its level.

    Raises ValueError for an unknown effect, a knob it does not have, a value out of range, an empty clip or samples
    that are not finite, and as `audio.check_clip` does.
    """
    return render_settings(clip, [Setting(label, value, knob, mono)], lufs, sample_rate)[0]


def render_settings(
    clip: Clip, settings: Sequence[Setting], lufs: float = TARGET_LUFS, sample_rate: int = SAMPLE_RATE_HZ
) -> list[Clip]:
    """Return one render of `clip [channel sample]` for each setting; the loudness before is measured only once."""
    before = audio.normalise(clip, sample_rate, lufs)
    return [render_normalised(before, setting, lufs, sample_rate) for setting in settings]


def render_normalised(
    before: Clip, setting: Setting, lufs: float = TARGET_LUFS, sample_rate: int = SAMPLE_RATE_HZ
) -> Clip:
    """Return `render` of a clip `[channel sample]` whose loudness is `lufs` already, bit for bit. Raises as that."""
    wet = get_effect(setting.label).render(before, sample_rate, setting.value, setting.knob)
    if setting.summed:
        wet = np.repeat(wet.mean(axis=0, keepdims=True), len(wet), axis=0)
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
    a worker are held ahead of the reader. The threads also read the clips, and call `then` on each clip's renders. A
    clip that cannot be read or rendered raises when its turn comes, after all clips before it; errors of the types
    `faults` are yielded in the place of its renders instead.
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
    """Return what renders depend on besides the clip and the libraries' versions, exactly, ready for JSON."""
    return {"settings": [_setting_recipe(setting) for setting in settings], "lufs": lufs}


def _setting_recipe(setting: Setting) -> list[Any]:
    return [setting.label, setting.parameters(), *(["summed to mono"] if setting.summed else [])]


def render_versions() -> dict[str, str]:
    """Return the installed version of each library that renders depend on."""
    return {name: version(name) for name in ("pedalboard", "pyloudnorm")}


def settings_hash(settings: Sequence[Setting], lufs: float = TARGET_LUFS) -> str:
    """Return a sha256 over what renders depend on besides the clip: settings, loudness and library versions."""
    return digest([*recipe(settings, lufs).values(), render_versions()])
