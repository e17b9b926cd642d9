"""How much faster ten classes of a clip are rendered than by a naive stereo loop: `python -m benchmarks.rendering`.

The naive loop gives every one of the ten classes a new meter, the plugin on both channels and a new meter again, on one
thread. The last line is `ratio=NUMBER`, its time over ours on one thread; the line before is the same for two threads.
Rounds alternate between the two, and ratios are medians over rounds, so that a busy machine slows both alike; the ratio
for two threads means something only while two cores are free.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.metadata import version

import numpy as np
import pyloudnorm

from latentfx_nb.effects import EFFECTS, Setting, render_many, render_settings
from latentfx_nb.paper import SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import load_clips

ROUNDS = 9
CLIPS_AT_ONCE = 4  # what two threads share in a round
SETTINGS = [Setting(label) for label in EFFECTS]
PLUGINS = {label: spec.process for label, spec in EFFECTS.items() if isinstance(spec.process, type)}


def naive_normalise(clip):
    measured = pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(clip.T)
    return (clip * 10 ** ((TARGET_LUFS - measured) / 20)).astype(np.float32)


def naive_effect(clip, label):
    if label in PLUGINS:
        return PLUGINS[label](**EFFECTS[label].setting)(clip, SAMPLE_RATE_HZ)
    return clip[:, ::-1].copy() if label == "TRV" else clip.copy()


def naive_render(clip):
    return [naive_normalise(naive_effect(naive_normalise(clip), label)) for label in EFFECTS]


def milliseconds(call, *arguments):
    start = time.perf_counter()
    call(*arguments)
    return 1000 * (time.perf_counter() - start)


def check_agreement(clip):
    """Raise if the two ways do not give the same sound: pitch shift turns a last bit of gain into 0.006."""
    for label, naive, ours in zip(EFFECTS, naive_render(clip), render_settings(clip, SETTINGS)):
        largest = float(np.abs(naive - ours).max())
        if largest > (2e-2 if label == "PS" else 1e-5):
            raise RuntimeError(f"{label} differs from the naive loop by {largest:g}: nothing to compare")


def print_stages(clip):
    before = audio.normalise(clip, SAMPLE_RATE_HZ)
    stages = {"loudness": (naive_normalise, (clip,), audio.normalise, (clip, SAMPLE_RATE_HZ))}
    for label, spec in EFFECTS.items():
        stages[label] = naive_effect, (before, label), spec.render, (before, SAMPLE_RATE_HZ)
    print(f"{'stage':10}{'naive, ms':>11}{'ours, ms':>11}")
    for name, (naive, naive_arguments, ours, our_arguments) in stages.items():
        pairs = [(milliseconds(naive, *naive_arguments), milliseconds(ours, *our_arguments)) for _ in range(5)]
        print(f"{name:10}" + "".join(f"{statistics.median(column):11.2f}" for column in zip(*pairs)))


def main():
    clips = load_clips("bundled")
    clip, described = clips[0], f"bundled clip {clips.table['clip'].iat[0]}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("pedalboard", "pyloudnorm", "numpy", "scipy"))
    print(f"Python {platform.python_version()}, {versions}; {os.cpu_count()} cores")
    kind = "mono doubled" if audio.is_doubled(clip) else "true stereo"
    print(f"{described}: {clip.shape[1]} samples, {kind}; ten classes, {ROUNDS} rounds")
    check_agreement(clip)
    print_stages(clip)

    rounds = []
    for _ in range(ROUNDS):
        naive = milliseconds(naive_render, clip)
        one = milliseconds(render_settings, clip, SETTINGS)
        two = milliseconds(lambda: list(render_many([clip] * CLIPS_AT_ONCE, SETTINGS, workers=2))) / CLIPS_AT_ONCE
        rounds.append((naive, one, two))
    naive, one, two = (statistics.median(column) for column in zip(*rounds))
    print(f"a clip: naive {naive:.0f} ms, ours {one:.0f} ms on one thread, {two:.0f} ms on two")
    one_ratio, two_ratio = (statistics.median(row[0] / row[i] for row in rounds) for i in (1, 2))
    print(f"two_threads_ratio={two_ratio:.2f}")
    print(f"ratio={one_ratio:.2f}")


if __name__ == "__main__":
    main()
