"""Audio to train the shipped autoencoders on: our own phrases on many instruments, through random effects.

No recording is used. Pieces come from `tools.phrases` with seeds from 10 000 upward, which the bundled clips never
touch, and sound through the same soundfont. A clip is 262 144 stereo samples at 48 kHz and -28 LUFS, as `render` gives
them, kept as 16-bit integers with one scale a clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pedalboard
from tqdm import tqdm

from latentfx_nb.effects import EFFECTS
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import normalise
from tools import phrases

TRAINING_SEED, VALIDATION_SEED = 10_000, 50_000  # of the first piece of each set
CLIPS_PER_PIECE = 3
QUIETEST = 1e-3  # peak under which an excerpt counts as a rest and is left out

# General MIDI programs, from 0; the guitars and pianos that the pages show come up more often than the rest.
PROGRAMS = (*range(8), *range(24, 32)) * 3 + (*range(8, 24), *range(32, 48), *range(56, 80), *range(104, 109))
BRIGHT = 0.5  # share of the pieces whose tone is left open, so that the models hear treble too


def compose(seed: int) -> phrases.Phrase:
    """Return the piece of `seed`: a guitarist's or a pianist's hands on any instrument, dark or bright."""
    rng = np.random.default_rng([seed, 2])
    write = phrases.guitar_phrase if rng.random() < 0.5 else phrases.piano_phrase
    phrase = write(seed, program=int(rng.choice(PROGRAMS)))
    return (
        replace(phrase, tone_hz=float(np.exp(rng.uniform(*np.log([3000, 18_000])))))
        if rng.random() < BRIGHT
        else phrase
    )


def clips_of(seed: int, soundfont: Path) -> list[np.ndarray]:
    """Return up to three clips `[2 262144]` of one piece, each with its own stereo image, effects and loudness."""
    rng = np.random.default_rng([seed, 3])
    piece = phrases.render(compose(seed), soundfont)
    other = phrases.render(compose(seed + 1), soundfont) if rng.random() < 0.3 else None
    clips = []
    for start in range(0, len(piece) - CLIP_SAMPLES + 1, CLIP_SAMPLES)[:CLIPS_PER_PIECE]:
        dry = piece[start : start + CLIP_SAMPLES]
        if np.abs(dry).max() > QUIETEST:
            clips.append(_processed(rng, _stereo(rng, dry, other)))
    return clips


def _stereo(rng: np.random.Generator, dry: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Return `[2 sample]`: doubled mono as in the paper, a second player panned aside, or two microphones apart."""
    if other is not None and len(other) >= CLIP_SAMPLES:
        start = int(rng.integers(len(other) - CLIP_SAMPLES + 1))
        second = other[start : start + CLIP_SAMPLES] * rng.uniform(0.3, 1.0)
        angles = rng.uniform(0, np.pi / 2, 2)
        return np.stack([f(angles[0]) * dry + f(angles[1]) * second for f in (np.cos, np.sin)]).astype(np.float32)
    if rng.random() < 0.25:
        late = int(rng.uniform(0.0002, 0.012) * SAMPLE_RATE_HZ)
        shelf = pedalboard.HighShelfFilter(float(rng.uniform(1000, 6000)), float(rng.uniform(-9, 3)))
        return np.stack(
            [dry, shelf(np.roll(dry, late) * (np.arange(len(dry)) >= late).astype(np.float32), SAMPLE_RATE_HZ)]
        )
    return np.repeat(dry[None], 2, axis=0)


def _processed(rng: np.random.Generator, clip: np.ndarray) -> np.ndarray:
    """Return `clip` with room noise (one in three), none, one or two random effects, and -28 LUFS before and after."""
    clip = normalise(clip, SAMPLE_RATE_HZ)
    if rng.random() < 1 / 3:
        noise = rng.normal(0, 10 ** (rng.uniform(-85, -55) / 20), clip.shape if rng.random() < 0.5 else clip.shape[1:])
        clip = clip + pedalboard.LowpassFilter(float(rng.uniform(1000, 16_000)))(
            noise.astype(np.float32), SAMPLE_RATE_HZ
        )
    for effect in _effects(rng)[: rng.choice(3, p=[0.4, 0.35, 0.25])]:
        clip = effect(clip)
    return normalise(clip, SAMPLE_RATE_HZ)


def _effects(rng: np.random.Generator) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return two random effects of Table 1 or of an equaliser, every knob of each at a random setting."""
    return [_effect(rng, str(label)) for label in rng.choice([*EFFECTS, "shelf", "shelf"], 2, replace=False)]


def _effect(rng: np.random.Generator, label: str) -> Callable[[np.ndarray], np.ndarray]:
    if label == "shelf":
        kind = pedalboard.LowShelfFilter if rng.random() < 0.5 else pedalboard.HighShelfFilter
        plugin = kind(float(np.exp(rng.uniform(*np.log([100, 8000])))), float(rng.uniform(-15, 15)))
        return lambda clip: plugin(clip, SAMPLE_RATE_HZ)
    spec = EFFECTS[label]
    setting = dict(spec.setting)
    for knob in spec.knobs:
        low, high = (np.log([knob.low, knob.high])) if knob.log else (knob.low, knob.high)
        value = rng.uniform(low, high)
        setting[knob.name] = float(np.exp(value) if knob.log else value)
    return lambda clip: spec.process(**setting)(clip, SAMPLE_RATE_HZ)


@dataclass(frozen=True)
class Clips:
    """Clips in one file of 16-bit integers `[clip 2 262144]`, memory-mapped, and the scale of each."""

    samples: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.scales)

    def clip(self, row: int) -> np.ndarray:
        """Return one clip `[2 262144]` float32."""
        return self.samples[row] * self.scales[row]

    def crops(self, rng: np.random.Generator, count: int, length: int) -> np.ndarray:
        """Return `count` random excerpts `[count 2 length]` float32, left and right swapped in half of them."""
        out = np.empty((count, 2, length), np.float32)
        for row in range(count):
            clip, start = rng.integers(len(self)), rng.integers(self.samples.shape[-1] - length + 1)
            excerpt = self.samples[clip, :, start : start + length][:: int(rng.choice([1, -1]))]
            out[row] = excerpt * (self.scales[clip] * 10 ** (rng.uniform(-9, 3) / 20))
        return out


def make(folder: Path, pieces: int, first_seed: int, soundfont: Path, workers: int) -> Clips:
    """Return the clips of `pieces` pieces, rendered into `folder` unless they lie there already.

    Every second seed is a piece of its own: the one after it may play along.
    """
    samples, scales = folder / "samples.npy", folder / "scales.npy"
    wanted = {"pieces": pieces, "first_seed": first_seed, "fluidsynth": phrases.fluidsynth_version()}
    done = folder / "done.json"
    if not (done.is_file() and json.loads(done.read_text()) == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        _write(samples, scales, list(_rendered(range(first_seed, first_seed + 2 * pieces, 2), soundfont, workers)))
        done.write_text(json.dumps(wanted))
    return Clips(np.load(samples, mmap_mode="r"), np.load(scales))


def _rendered(seeds: range, soundfont: Path, workers: int) -> Iterator[tuple[np.ndarray, float]]:
    with ProcessPoolExecutor(workers) as pool:
        bar = tqdm(pool.map(_encoded, seeds, [soundfont] * len(seeds)), total=len(seeds), unit="piece", desc="audio")
        for clips in bar:
            yield from clips


def _encoded(seed: int, soundfont: Path) -> list[tuple[np.ndarray, float]]:
    """Return each clip of a piece as 16-bit integers and their scale."""
    out = []
    for clip in clips_of(seed, soundfont):
        scale = max(float(np.abs(clip).max()), 1e-9) / 32767
        out.append((np.round(clip / scale).astype(np.int16), scale))
    return out


def _write(samples: Path, scales: Path, clips: list[tuple[np.ndarray, float]]) -> None:
    array = np.lib.format.open_memmap(samples, "w+", np.int16, (len(clips), 2, CLIP_SAMPLES))
    for row, (clip, _) in enumerate(clips):
        array[row] = clip
    array.flush()
    np.save(scales, np.array([scale for _, scale in clips], np.float32))
