"""Phrases for guitar and piano, written by rule from a seed, and their sound through FluidSynth.

`guitar_phrase(seed)` and `piano_phrase(seed)` compose a piece of 13 to 30 seconds; `render(phrase, soundfont)` plays
it.
Any General MIDI program may play either kind: `piano_phrase(7, program=11)` is a vibraphone with a pianist's hands.
A seed fixes everything but the sound, which is the soundfont's and FluidSynth's.

A piece is composed in beats and performed in seconds: key -> chords (functional harmony, a cadence every four bars) ->
tones on a beat grid (voice leading, playable guitar shapes, motifs) -> notes (rubato, swing, strum delays, humanised
time and force, pedal, bends). Tempo counts quarter notes.

Seeds 0 to 9999 are the bundled clips' (`BUNDLED_SEEDS`): training draws its own from 10 000 upward.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import mido
import numpy as np
import soundfile as sf
from scipy.signal import butter, lfilter

SAMPLE_RATE = 48_000
BUNDLED_SEEDS = range(10_000)
TEMPO_BPM = (60, 180)
PIECE_S = 13.0  # room for two excerpts of 5.46 s that share no sound
TAIL_S = 1.0
TICKS_PER_BEAT = 960
BEND_SEMITONES = 2  # General MIDI's default pitch-wheel range
GAIN = 0.5  # FluidSynth's master gain; its output is float, so nothing clips on the way

PIANO_PROGRAMS = {"grand": 0, "bright": 1}
GUITAR_PROGRAMS = {"nylon": 24, "steel": 25, "jazz": 26, "clean": 27}
# The soundfont holds one force of touch a note: played softly it gets quieter but not darker, and all its microphones
# stand close. A low-pass of first order (6 dB an octave), its corner drawn for each piece, stands in for the player's
# touch, the microphone's distance and an electric guitar's tone knob. Without it steel strings and piano are brighter
# than recordings are.
TONE_HZ = {"piano": (1200.0, 4000.0), "guitar": (1500.0, 6000.0)}


@dataclass(frozen=True)
class Note:
    """A sounding note: seconds, MIDI pitch, velocity 1 to 127, and its MIDI channel (on the guitar, its string)."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int
    channel: int = 0


@dataclass(frozen=True)
class Phrase:
    """A composed and performed piece: everything a synthesiser needs, and what a table says about it."""

    instrument: str
    style: str
    program: int
    seed: int
    tempo_bpm: int
    key: str
    meter: str
    notes: tuple[Note, ...]
    bars_s: tuple[float, ...]  # where each bar begins
    pedal: tuple[tuple[float, bool], ...] = ()  # (time_s, down)
    bends: tuple[tuple[float, int, float], ...] = ()  # (time_s, channel, semitones)
    tone_hz: float = 20_000.0  # corner of the first-order low-pass that `render` applies

    @property
    def length_s(self) -> float:
        """Where the last note ends, in seconds."""
        return max(note.end_s for note in self.notes)


# ---------------------------------------------------------------------------------------------------------- harmony

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# Degree -> the degrees that may follow it; a repeated one is likelier. Major and minor follow the circle of fifths,
# the modes rock between the tonic and the chords that carry their colour (IV in dorian, bVII in mixolydian).
FOLLOWERS = {
    "major": {0: (3, 4, 5, 1, 2), 1: (4, 4, 6), 2: (5, 3), 3: (4, 0, 1), 4: (0, 0, 5), 5: (1, 3, 4), 6: (0,)},
    "minor": {0: (3, 5, 6, 4, 2), 1: (4,), 2: (5, 3, 6), 3: (4, 6, 0), 4: (0, 0, 5), 5: (2, 6, 3, 1), 6: (2, 0, 5)},
    "dorian": {0: (3, 3, 6, 1, 2), 1: (3, 0), 2: (3, 6), 3: (0, 6), 4: (0, 3), 6: (3, 0, 2)},
    "mixolydian": {0: (6, 6, 3, 4), 1: (3, 6), 3: (0, 6, 1), 4: (3, 0), 5: (3, 6), 6: (3, 0, 5)},
}
CADENCE = {"major": (4, 0), "minor": (4, 0), "dorian": (3, 0), "mixolydian": (6, 0)}


@dataclass(frozen=True)
class Key:
    """A tonic pitch class and a mode."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


@dataclass(frozen=True)
class Chord:
    """A root pitch class, the intervals above it (third, fifth and maybe seventh) and the scale that fits over it."""

    root: int
    intervals: tuple[int, ...]
    scale: frozenset[int]

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)


def chord_on(key: Key, degree: int, seventh: bool = False) -> Chord:
    """Return the chord on `degree` (0 is the tonic) of `key`; the minor key's fifth degree gets its leading tone."""
    scale = list(SCALES[key.mode])
    if key.mode == "minor" and degree == 4:
        scale[6] = 11
    root = scale[degree]
    stack = [(scale[(degree + step) % 7] - root) % 12 for step in ((0, 2, 4, 6) if seventh else (0, 2, 4))]
    return Chord((key.tonic + root) % 12, tuple(stack), frozenset((key.tonic + tone) % 12 for tone in scale))


def progression(rng: np.random.Generator, key: Key, count: int, sevenths: float) -> list[Chord]:
    """Return `count` chords that begin on the tonic; every fourth bar closes half, the last one fully."""
    degrees = [0]
    while len(degrees) < count:
        degrees.append(int(rng.choice(FOLLOWERS[key.mode][degrees[-1]])))
    dominant, tonic = CADENCE[key.mode]
    for end in range(3, count, 8):
        degrees[end] = dominant
    degrees[-2:] = [dominant, tonic]
    return [chord_on(key, degree, rng.random() < sevenths) for degree in degrees]


# ------------------------------------------------------------------------------------------------ meter, bars, rhythm

# The weight of each eighth note of the bar: where notes fall first, and how strongly they are played.
METERS = {"4/4": (4, 1, 2, 1, 3, 1, 2, 1), "3/4": (4, 1, 2, 1, 2, 1), "6/8": (4, 1, 1, 3, 1, 1)}


@dataclass(frozen=True)
class Span:
    """One chord's place: its first beat and its length in beats."""

    beat: float
    length: float
    chord: Chord


@dataclass(frozen=True)
class Plan:
    """What a style needs to write tones: the frame of the piece, before any tone of it."""

    key: Key
    tempo_bpm: int
    meter: str
    bars: int
    spans: tuple[Span, ...]
    rate_hz: float  # the wanted note starts per second; the note values follow from it and the tempo

    @property
    def bar_beats(self) -> float:
        return len(METERS[self.meter]) / 2

    @property
    def starts_per_bar(self) -> int:
        wanted = round(self.rate_hz * self.bar_beats * 60 / self.tempo_bpm)
        return int(np.clip(wanted, 1, 2 * len(METERS[self.meter])))

    def weight(self, beat: float) -> float:
        """Return how strong `beat` is, from 0 (between eighths) to 1 (the first of the bar)."""
        eighth = (beat % self.bar_beats) * 2
        nearest = round(eighth)
        return METERS[self.meter][nearest % len(METERS[self.meter])] / 4 if abs(eighth - nearest) < 0.05 else 0.0

    def chord_at(self, beat: float) -> Chord:
        """Return the chord that sounds on `beat`."""
        return next(span.chord for span in reversed(self.spans) if span.beat <= beat + 1e-6)

    def step(self) -> float:
        """Return the note value (in beats) whose even pulse comes closest to the wanted rate."""
        values = (0.25, 0.5, 1.0, 2.0) if self.meter == "4/4" else (0.25, 0.5, 1.0)
        return min(values, key=lambda value: abs(np.log(self.tempo_bpm / 60 / value / self.rate_hz)))


def draw_plan(rng: np.random.Generator, rate_hz: tuple[float, float], sevenths: float, tempo_bpm: int | None) -> Plan:
    """Return a plan with a drawn key, tempo, meter and harmony; slow bars hold two chords."""
    key = Key(int(rng.integers(12)), str(rng.choice(list(SCALES), p=(0.4, 0.3, 0.15, 0.15))))
    drawn_bpm = round(float(np.exp(rng.uniform(*np.log(TEMPO_BPM)))))
    tempo_bpm = tempo_bpm or drawn_bpm
    meter = str(rng.choice(list(METERS), p=(0.65, 0.2, 0.15)))
    beats = len(METERS[meter]) / 2
    bar_s = beats * 60 / tempo_bpm
    bars = 4 * int(np.ceil(PIECE_S / bar_s / 4))
    split = 2 if bar_s > 2.6 else 1
    chords = progression(rng, key, bars * split, sevenths)
    spans = tuple(Span(index * beats / split, beats / split, chord) for index, chord in enumerate(chords))
    return Plan(key, tempo_bpm, meter, bars, spans, float(rng.uniform(*rate_hz)))


def rhythm(rng: np.random.Generator, meter: str, starts: int) -> list[float]:
    """Return `starts` beats of one bar, the first always among them, strong places likelier than weak ones."""
    weights = np.array(METERS[meter], dtype=float)
    spacing = 0.5
    if starts > len(weights):  # sixteenths fill the gaps only when the eighths do not suffice
        weights = np.stack([weights, np.full(len(weights), 0.5)], axis=1).ravel()
        spacing = 0.25
    chances = weights[1:] ** 1.5
    others = rng.choice(np.arange(1, len(weights)), size=starts - 1, replace=False, p=chances / chances.sum())
    return sorted([0.0, *(spacing * others)])


# ------------------------------------------------------------------------------------------------------ tones, melody


@dataclass(frozen=True)
class Tone:
    """A written note, in beats; `accent` is 0 to 1, `delay_s` what the hand adds (a strum's later strings)."""

    beat: float
    length: float
    pitch: int
    accent: float
    channel: int = 0
    delay_s: float = 0.0
    voice: int = 0  # tones of one voice share the hand's timing error


def ladder(scale: frozenset[int], low: int, high: int) -> list[int]:
    """Return the MIDI pitches from `low` to `high` whose class is in `scale`."""
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in scale]


def nearest(pitches: list[int], target: float) -> int:
    """Return the pitch closest to `target`."""
    return min(pitches, key=lambda pitch: abs(pitch - target))


@dataclass(frozen=True)
class Motif:
    """One bar of melody as an idea: its rhythm in beats and its scale steps from one note to the next."""

    beats: tuple[float, ...]
    steps: tuple[int, ...]


def draw_motif(rng: np.random.Generator, meter: str, starts: int) -> Motif:
    """Return a motif that moves mostly by step, sometimes by a third or a leap, and turns back after a leap."""
    beats = rhythm(rng, meter, starts)
    steps = [0]
    direction = int(rng.choice((-1, 1)))
    for _ in beats[1:]:
        if rng.random() < 0.3 or abs(steps[-1]) > 2:
            direction = -direction
        steps.append(direction * int(rng.choice((1, 2, 3, 4, 0), p=(0.58, 0.2, 0.08, 0.06, 0.08))))
    return Motif(tuple(beats), tuple(steps))


def varied(rng: np.random.Generator, motif: Motif) -> Motif:
    """Return `motif` turned upside down or with one of its steps changed: it stays recognisable."""
    steps = list(motif.steps)
    if rng.random() < 0.3:
        return Motif(motif.beats, tuple(-step for step in steps))
    place = int(rng.integers(len(steps)))
    steps[place] += int(rng.choice((-1, 1)))
    return Motif(motif.beats, tuple(steps))


def melody(rng: np.random.Generator, plan: Plan, low: int, high: int, channel: int = 0, voice: int = 0) -> list[Tone]:
    """Return a one-voice line from `low` to `high`: two or three motifs in a form, chord tones on strong beats."""
    motifs = [draw_motif(rng, plan.meter, plan.starts_per_bar) for _ in range(3)]
    form = str(rng.choice(("aaba", "abac", "aabb", "abcb", "aabc")))
    centre = (low + high) / 2
    tones: list[tuple[float, int]] = []
    for bar in range(plan.bars):
        motif = motifs["abc".index(form[bar % 4])]
        if bar >= 4 and rng.random() < 0.6:
            motif = varied(rng, motif)
        target = centre + (high - low) / 4 * np.sin(2 * np.pi * (bar + 1) / plan.bars) + rng.normal(0, 2)
        tones += _placed(plan, motif, bar * plan.bar_beats, target, low, high)
    ends = [beat for beat, _ in tones[1:]] + [plan.bars * plan.bar_beats]
    return [
        Tone(beat, min(end - beat, 2.5), pitch, plan.weight(beat), channel, voice=voice)
        for (beat, pitch), end in zip(tones, ends, strict=True)
    ]


def _placed(plan: Plan, motif: Motif, start: float, target: float, low: int, high: int) -> list[tuple[float, int]]:
    """Return the motif's `(beat, pitch)` pairs in the bar at `start`, begun near `target` and fitted to the chords."""
    placed = []
    pitch = round(target)
    for offset, step in zip(motif.beats, motif.steps, strict=True):
        chord = plan.chord_at(start + offset)
        rungs = ladder(chord.scale, low, high)
        place = rungs.index(nearest(rungs, pitch)) + step
        if not 0 <= place < len(rungs):  # the hand turns back at the end of its range
            place -= 2 * step
        pitch = rungs[int(np.clip(place, 0, len(rungs) - 1))]
        if plan.weight(start + offset) >= 0.5:
            pitch = nearest([rung for rung in rungs if rung % 12 in chord.classes], pitch)
        placed.append((start + offset, pitch))
    return placed


# -------------------------------------------------------------------------------------------------------------- piano


def voicings(chord: Chord, low: int, high: int) -> list[tuple[int, ...]]:
    """Return every way to put each class of `chord` once between `low` and `high`, within a tenth (one hand)."""
    classes = chord.classes[1:] if len(chord.intervals) == 4 else chord.classes  # the bass has the seventh chord's root
    places = [ladder(frozenset((tone,)), low, high) for tone in classes]
    chosen = {tuple(sorted(pitches)) for pitches in itertools.product(*places)}
    return sorted(pitches for pitches in chosen if pitches[-1] - pitches[0] <= 16)


def parallels(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Return how many pairs of voices move in parallel fifths or octaves."""
    count = 0
    for first, second in itertools.combinations(range(min(len(before), len(after))), 2):
        same = (before[second] - before[first]) % 12 == (after[second] - after[first]) % 12
        perfect = (after[second] - after[first]) % 12 in (0, 7)
        count += same and perfect and before[first] != after[first]
    return count


def lead_voices(rng: np.random.Generator, plan: Plan, low: int, high: int) -> list[tuple[int, ...]]:
    """Return one voicing `(bass, upper voices...)` a span: small steps, a moving bass, few parallels."""
    led: list[tuple[int, ...]] = []
    for span in plan.spans:
        bass = _next_bass(rng, span.chord, led[-1][0] if led else int(rng.integers(36, 48)))
        choices = [(bass, *upper) for upper in voicings(span.chord, low, high)]
        led.append(min(choices, key=lambda choice: _move_cost(led[-1] if led else None, choice, (low + high) / 2)))
    return led


def _next_bass(rng: np.random.Generator, chord: Chord, before: int) -> int:
    """Return the root between A1 and D3 nearest to the last bass note; now and then the third, where it is closer."""
    roots = ladder(frozenset((chord.root,)), 33, 50)
    thirds = ladder(frozenset((chord.classes[1],)), 33, 50)
    root, third = nearest(roots, before), nearest(thirds, before)
    return third if rng.random() < 0.25 and 0 < abs(third - before) <= 2 < abs(root - before) else root


def _move_cost(before: tuple[int, ...] | None, after: tuple[int, ...], centre: float) -> float:
    drift = 0.4 * abs(np.mean(after[1:]) - centre)
    if before is None:
        return drift
    moves = sum(abs(a - b) for b, a in zip(before[1:], after[1:], strict=False))
    return drift + moves + 6 * parallels(before, after)


def _comp(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Chords in the right hand on a rhythm of their own, the bass below on the strong beats."""
    led = lead_voices(rng, plan, 51, 71)
    patterns = [rhythm(rng, plan.meter, plan.starts_per_bar) for _ in range(2)]
    short = rng.random() < 0.35
    tones = []
    for bar in range(plan.bars):
        pattern = patterns[1 if bar % 4 == 3 else 0]
        ends = [*pattern[1:], plan.bar_beats]
        for place, (beat, end) in enumerate(zip(pattern, ends, strict=True)):
            start = bar * plan.bar_beats + beat
            voicing = led[_span_index(plan, start)]
            length = (end - beat) * (0.5 if short else 0.95)
            tones += [Tone(start, length, pitch, plan.weight(start), voice=1) for pitch in voicing[1:]]
            if place == 0 or plan.weight(start) >= 0.75:
                tones.append(Tone(start, end - beat, voicing[0], plan.weight(start)))
    return tones


def _span_index(plan: Plan, beat: float) -> int:
    return max(index for index, span in enumerate(plan.spans) if span.beat <= beat + 1e-6)


def _figure(rng: np.random.Generator, voices: int) -> tuple[int, ...]:
    """Return the order in which an arpeggio takes its voices, the lowest first."""
    rising = tuple(range(voices))
    figures = [rising, rising + rising[-2:0:-1], (0, voices - 1, *rising[1:-1]), (0, *rising[:0:-1])]
    return figures[int(rng.integers(len(figures)))]


def _arpeggio(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Broken chords over both hands; the pedal holds them. Each chord begins the figure anew."""
    led = lead_voices(rng, plan, 50, 73)
    step = plan.step()
    figure = _figure(rng, 4)
    tones = []
    for span, voicing in zip(plan.spans, led, strict=True):
        for index in range(max(1, round(span.length / step))):
            beat = span.beat + index * step
            pitch = voicing[figure[index % len(figure)] % len(voicing)]
            if index == 0 and rng.random() < 0.6:  # the top voice sings along with the bass
                tones.append(Tone(beat, span.length, voicing[-1] + 12 * (voicing[-1] < 67), 0.9, voice=1))
            tones.append(Tone(beat, span.length - index * step, pitch, plan.weight(beat)))
    return tones


def _accompaniment(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Return the left hand under a melody: broken tenths, off-beat chords or long chords."""
    kind = str(rng.choice(("broken", "offbeat", "held")))
    pulse = max(0.5, plan.step())
    tones = []
    for span, voicing in zip(plan.spans, lead_voices(rng, plan, 46, 62), strict=True):
        if kind == "held":
            tones += [Tone(span.beat, span.length, pitch, 0.5) for pitch in voicing]
            continue
        for index, beat in enumerate(np.arange(span.beat, span.beat + span.length - 1e-6, pulse)):
            if index == 0:
                pitches = voicing[:1]
            else:
                pitches = voicing[1:] if kind == "offbeat" else (voicing[1 + (index - 1) % (len(voicing) - 1)],)
            tones += [Tone(float(beat), pulse, pitch, 0.6 if index == 0 else 0.2) for pitch in pitches]
    return tones


def _song(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """A melody in the right hand over an accompaniment in the left."""
    return melody(rng, plan, 60, 80, voice=1) + _accompaniment(rng, plan)


def _two_part(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Two lines: the lower one answers the upper in contrary motion and consonance, at about half its pace."""
    upper = melody(rng, plan, 60, 79, voice=1)
    pattern = rhythm(rng, plan.meter, max(2, plan.starts_per_bar // 2 + 1))
    beats = [bar * plan.bar_beats + beat for bar in range(plan.bars) for beat in pattern]
    lower: list[int] = []
    tops: list[int] = []
    for beat in beats:
        tops.append([tone.pitch for tone in upper if tone.beat <= beat + 1e-6][-1])
        chord = plan.chord_at(beat)
        strong = plan.weight(beat) >= 0.5
        choices = ladder(frozenset(chord.classes) if strong else chord.scale, 40, 59)
        noise = rng.normal(0, 0.7, len(choices))
        costs = [_counterpoint_cost(lower, tops, pitch) + extra for pitch, extra in zip(choices, noise, strict=True)]
        lower.append(choices[int(np.argmin(costs))])
    ends = [*beats[1:], plan.bars * plan.bar_beats]
    return upper + [
        Tone(beat, end - beat, pitch, plan.weight(beat)) for beat, end, pitch in zip(beats, ends, lower, strict=True)
    ]


def _counterpoint_cost(lower: list[int], tops: list[int], pitch: int) -> float:
    """Return how badly `pitch` goes on from the line `lower` under the line `tops` (whose last note sounds with it)."""
    interval = (tops[-1] - pitch) % 12
    cost = 0.0 if interval in (3, 4, 8, 9) else 1.5 if interval in (0, 7) else 4.0
    if not lower:
        return cost + 0.2 * abs(pitch - 48)
    move, move_above = pitch - lower[-1], tops[-1] - tops[-2]
    parallel = interval in (0, 7) and move * move_above > 0
    return cost + 0.5 * abs(move) + 2.0 * (move == 0) + 1.5 * (move * move_above > 0) + 5.0 * parallel


PIANO_STYLES: dict[str, Callable[[np.random.Generator, Plan], list[Tone]]] = {
    "comping": _comp,
    "arpeggio": _arpeggio,
    "melody": _song,
    "two-part": _two_part,
}
PIANO_RATE_HZ = {"comping": (1.0, 2.6), "arpeggio": (1.6, 3.6), "melody": (1.0, 2.6), "two-part": (1.2, 2.8)}


def piano_phrase(
    seed: int, style: str | None = None, program: int | None = None, tempo_bpm: int | None = None
) -> Phrase:
    """Return the piano piece of `seed`; `style` is one of `PIANO_STYLES`, `program` any General MIDI program (0-127).

    What is left out is drawn from the seed. Raises ValueError on an unknown style.
    """
    rng = np.random.default_rng([seed, 0])
    style = _drawn(rng, style, PIANO_STYLES)
    program = _drawn(rng, program, PIANO_PROGRAMS.values())
    plan = draw_plan(rng, PIANO_RATE_HZ[style], sevenths=0.25, tempo_bpm=tempo_bpm)
    tones = PIANO_STYLES[style](rng, plan)
    performance = Performance(
        plan,
        rubato=float(rng.uniform(0.005, 0.03)),
        swing=float(rng.uniform(0.06, 0.15)) if style == "comping" and plan.meter == "4/4" else 0.0,
        force=float(rng.uniform(58, 86)),
        spread_s=0.007,
    )
    phrase = performance.play(rng, tones)
    phrase = replace(phrase, notes=stop_when_struck_again(phrase.notes, "pitch"))
    pedal = () if style == "two-part" else _pedal(performance)
    phrase = replace(phrase, tone_hz=_tone(rng, "piano"))
    return replace(phrase, instrument="piano", style=style, program=program, seed=seed, pedal=pedal)


def _pedal(performance: Performance) -> tuple[tuple[float, bool], ...]:
    """Return a legato pedal: up as each chord begins, down again once its notes are struck."""
    events = []
    for span in performance.plan.spans:
        start_s = performance.seconds(span.beat)
        events += [(start_s, False), (start_s + 0.09, True)]
    return (*events, (performance.seconds(performance.plan.bars * performance.plan.bar_beats), False))


# ------------------------------------------------------------------------------------------------------------- guitar

STRINGS = (40, 45, 50, 55, 59, 64)  # E2 A2 D3 G3 B3 E4
FRETS = 15
Shape = tuple[int | None, ...]  # a fret a string from low to high, 0 open, None not played


@cache
def shapes(classes: tuple[int, ...]) -> tuple[Shape, ...]:
    """Return the shapes a hand can hold for the chord of `classes` (root first): four frets, four fingers, root low."""
    found = set()
    for hand, lowest, highest in itertools.product(range(1, 10), (0, 1, 2), (4, 5)):
        options = [_frets(string, classes, hand) for string in range(lowest, highest + 1)]
        for frets in itertools.product(*options):
            shape = (None,) * lowest + frets + (None,) * (5 - highest)
            if _playable(shape, classes):
                found.add(shape)
    return tuple(sorted(found, key=lambda shape: [-1 if fret is None else fret for fret in shape]))


def _frets(string: int, classes: tuple[int, ...], hand: int) -> list[int]:
    within = [0, *range(hand, hand + 4)] if hand <= 4 else range(hand, hand + 4)
    return [fret for fret in within if (STRINGS[string] + fret) % 12 in classes]


def _playable(shape: Shape, classes: tuple[int, ...]) -> bool:
    """Tell whether four fingers reach `shape` and the chord can be heard in it (root lowest, third and seventh in)."""
    played = [(string, fret) for string, fret in enumerate(shape) if fret is not None]
    heard = [(STRINGS[string] + fret) % 12 for string, fret in played]
    needed = {classes[0], classes[1], classes[-1]}
    return len(played) >= 4 and heard[0] == classes[0] and needed <= set(heard) and _fingers(shape) <= 4


def _fingers(shape: Shape) -> int:
    """Return the fingers `shape` takes: one barre may hold the lowest fret if no played string above it is open."""
    pressed = [fret for fret in shape if fret]
    barre = pressed and 0 not in shape
    return len(pressed) - (pressed.count(min(pressed)) - 1 if barre else 0)


def _hand(shape: Shape) -> float:
    pressed = [fret for fret in shape if fret]
    return float(np.mean(pressed)) if pressed else 1.0


def hold_shapes(rng: np.random.Generator, plan: Plan) -> list[Shape]:
    """Return one shape a span: near the piece's place on the neck, near the last shape, full rather than thin."""
    home = float(rng.choice((1.5, 1.5, 3.0, 5.0, 7.0)))
    held: list[Shape] = []
    chosen: dict[tuple[int, ...], Shape] = {}
    for span in plan.spans:
        classes = span.chord.classes
        if classes not in chosen:  # the same chord comes back in the same shape, as players do
            options = shapes(classes)
            thin = [sum(fret is None for fret in shape) for shape in options]
            reach = [
                abs(_hand(shape) - home) + 0.5 * abs(_hand(shape) - _hand(held[-1] if held else shape))
                for shape in options
            ]
            fingers = [0.2 * _fingers(shape) for shape in options]
            costs = np.add(np.add(thin, reach), fingers) + rng.uniform(0, 0.5, len(options))
            chosen[classes] = options[int(np.argmin(costs))]
        held.append(chosen[classes])
    return held


def _strings(shape: Shape) -> list[tuple[int, int]]:
    """Return `(string, pitch)` of the played strings, low to high."""
    return [(string, STRINGS[string] + fret) for string, fret in enumerate(shape) if fret is not None]


def _strum(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Strummed chords: down on the beat, up between, low strings first on the way down, fewer strings on the way up."""
    held = hold_shapes(rng, plan)
    patterns = [rhythm(rng, plan.meter, plan.starts_per_bar) for _ in range(2)]
    sweep_s = float(rng.uniform(0.008, 0.022))
    tones = []
    for bar in range(plan.bars):
        pattern = patterns[1 if bar % 4 == 3 else 0]
        for beat, end in zip(pattern, [*pattern[1:], plan.bar_beats], strict=True):
            start = bar * plan.bar_beats + beat
            shape = held[_span_index(plan, start)]
            down = abs(beat - round(beat)) < 0.05 or (plan.meter == "6/8" and plan.weight(start) >= 0.75)
            tones += _stroke(rng, plan, shape, start, end - beat, down, sweep_s)
    return tones


def _stroke(
    rng: np.random.Generator, plan: Plan, shape: Shape, start: float, length: float, down: bool, sweep_s: float
) -> list[Tone]:
    """Return one stroke's tones: each string a little later than the last, strong beats struck faster and fuller."""
    accent = plan.weight(start)
    strings = _strings(shape)
    if not down:
        strings = strings[: -int(rng.integers(3, 5)) - 1 : -1]
    elif accent < 0.6 and rng.random() < 0.5:
        strings = strings[: int(rng.integers(3, len(strings) + 1))]
    gap_s = sweep_s * (1.3 - 0.5 * accent) * rng.uniform(0.85, 1.15)
    ring = min(length, 2.0) if down else length
    return [
        Tone(start, ring, pitch, accent * (1 - 0.07 * order), string, delay_s=order * gap_s)
        for order, (string, pitch) in enumerate(strings)
    ]


def _pick(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """Fingerpicking: the thumb alternates between low strings on the beat, the fingers take the high ones between."""
    held = hold_shapes(rng, plan)
    step = min(plan.step(), 1.0)
    fingers = [int(finger) for finger in rng.permutation(3)] + [int(rng.integers(3))]
    travis = rng.random() < 0.5
    tones = []
    for span, shape in zip(plan.spans, held, strict=True):
        low, high = _strings(shape)[:-3], _strings(shape)[-3:]
        for index in range(max(1, round(span.length / step))):
            beat = span.beat + index * step
            thumb = index % 2 == 0 if travis else index % 4 == 0
            string, pitch = low[index // 2 % len(low)] if thumb else high[fingers[index % 4]]
            ring = span.length - index * step
            tones.append(Tone(beat, ring, pitch, plan.weight(beat) if thumb else 0.4, string))
            if index == 0 and rng.random() < 0.5:  # a pinch: thumb and finger together
                tones.append(Tone(beat, ring, high[-1][1], 0.7, high[-1][0]))
    return tones


def _solo(rng: np.random.Generator, plan: Plan) -> list[Tone]:
    """A single line in one position of the neck, with a double stop here and there on long notes."""
    low = int(rng.integers(45, 55))
    line = melody(rng, plan, low, low + int(rng.integers(17, 23)))
    hand = int(rng.integers(2, 8))
    tones = []
    for tone in line:
        string = _string_for(tone.pitch, hand)
        tones.append(replace(tone, channel=string))
        if tone.length * 60 / plan.tempo_bpm > 0.5 and rng.random() < 0.35:
            below = list(ladder(frozenset(plan.chord_at(tone.beat).classes), 45, tone.pitch - 3))
            other = _string_for(below[-1], hand) if below else string
            if other != string:
                tones.append(replace(tone, pitch=below[-1], channel=other, accent=0.3, delay_s=-0.012))
    return tones


def _string_for(pitch: int, hand: int) -> int:
    """Return the string on which `pitch` lies closest to the hand's middle."""
    options = [string for string, lowest in enumerate(STRINGS) if 0 <= pitch - lowest <= FRETS]
    return min(options, key=lambda string: abs(pitch - STRINGS[string] - hand - 1.5))


GUITAR_STYLES: dict[str, Callable[[np.random.Generator, Plan], list[Tone]]] = {
    "strum": _strum,
    "fingerpicked": _pick,
    "solo": _solo,
}
GUITAR_RATE_HZ = {"strum": (1.6, 4.5), "fingerpicked": (2.4, 6.0), "solo": (2.0, 5.5)}


def guitar_phrase(
    seed: int, style: str | None = None, program: int | None = None, tempo_bpm: int | None = None
) -> Phrase:
    """Return the guitar piece of `seed`; `style` is one of `GUITAR_STYLES`, `program` any General MIDI program (0-127).

    What is left out is drawn from the seed. Each string has its own MIDI channel (0 is the low E string), so a string
    struck again stops its last note and a bend moves one string only. Raises ValueError on an unknown style.
    """
    rng = np.random.default_rng([seed, 1])
    style = _drawn(rng, style, GUITAR_STYLES)
    program = _drawn(rng, program, GUITAR_PROGRAMS.values())
    sevenths = 0.7 if program == GUITAR_PROGRAMS["jazz"] else 0.3
    plan = draw_plan(rng, GUITAR_RATE_HZ[style], sevenths, tempo_bpm)
    tones = GUITAR_STYLES[style](rng, plan)
    performance = Performance(
        plan,
        rubato=float(rng.uniform(0.0, 0.015)),
        swing=float(rng.uniform(0.05, 0.14)) if plan.meter == "4/4" and rng.random() < 0.35 else 0.0,
        force=float(rng.uniform(66, 96)),
        spread_s=0.005,
    )
    phrase = performance.play(rng, tones)
    phrase = replace(phrase, notes=stop_when_struck_again(phrase.notes, "channel"))
    bends = _bends(rng, phrase.notes) if style == "solo" else ()
    phrase = replace(phrase, tone_hz=_tone(rng, "guitar"))
    return replace(phrase, instrument="guitar", style=style, program=program, seed=seed, bends=bends)


def _bends(rng: np.random.Generator, notes: tuple[Note, ...]) -> tuple[tuple[float, int, float], ...]:
    """Return bends into long notes from a semitone or a tone below, and a vibrato on some of them."""
    bends: list[tuple[float, int, float]] = []
    for note in notes:
        length_s = note.end_s - note.start_s
        if length_s < 0.4 or rng.random() > 0.4:
            continue
        depth = float(rng.choice((0.0, -1.0, -2.0), p=(0.5, 0.3, 0.2)))
        rate_hz, width = rng.uniform(4.5, 6.0), rng.uniform(0.08, 0.2)
        for time_s in np.arange(0.0, length_s - 0.02, 0.012):
            rise = depth * max(0.0, 1 - time_s / 0.14)
            tremble = width * np.sin(2 * np.pi * rate_hz * (time_s - 0.2)) if time_s > 0.2 else 0.0
            bends.append((note.start_s + float(time_s), note.channel, float(rise + tremble)))
        bends.append((note.end_s, note.channel, 0.0))
    return tuple(bends)


# -------------------------------------------------------------------------------------------------------- performance


def _drawn(rng: np.random.Generator, given: object, choices) -> object:
    """Return `given`, or one of `choices` if it is None. It draws either way, so the rest of the piece stays."""
    drawn = list(choices)[int(rng.integers(len(choices)))]
    if isinstance(given, str) and given not in choices:
        raise ValueError(f"{given!r} is no style; choose one of {', '.join(choices)}")
    return drawn if given is None else given


def _tone(rng: np.random.Generator, instrument: str) -> float:
    return float(np.exp(rng.uniform(*np.log(TONE_HZ[instrument]))))


@dataclass(frozen=True)
class Performance:
    """How written tones become played notes: slow rubato, swing, a hand's drift in time, force by metre and phrase."""

    plan: Plan
    rubato: float  # how far the tempo wanders, as a share of it
    swing: float  # by how many beats the second eighth of a beat comes late
    force: float  # MIDI velocity of a tone of middle accent
    spread_s: float  # standard deviation of one note's timing
    lead_s: float = field(default=0.05)  # silence before the first beat, so that an early note stays in the piece

    def seconds(self, beat: float) -> float:
        """Return when `beat` falls, in seconds, rubato and swing included."""
        turn = 2 * np.pi / (4 * self.plan.bar_beats)
        swung = beat + self.swing * (abs(beat % 1 - 0.5) < 0.05)
        return self.lead_s + 60 / self.plan.tempo_bpm * (swung + self.rubato / turn * np.sin(turn * swung))

    def velocity(self, rng: np.random.Generator, tone: Tone) -> int:
        """Return the force of `tone`: metric accent, a swell over each four bars, and chance."""
        swell = 5 * np.sin(np.pi * (tone.beat / (4 * self.plan.bar_beats) % 1))
        voice = 7 * (tone.voice == 1)  # the upper voice sings out
        return int(np.clip(self.force + 22 * (tone.accent - 0.4) + swell + voice + rng.normal(0, 4), 20, 120))

    def play(self, rng: np.random.Generator, tones: list[Tone]) -> Phrase:
        """Return `tones` as a phrase in seconds; its instrument, style, program and seed are the caller's to fill."""
        drift_s = {}
        notes = []
        for tone in sorted(tones, key=lambda tone: (tone.beat, tone.voice, tone.channel, tone.pitch)):
            # A hand is early or late for a while, then corrects itself: a first-order process, not white noise.
            drift_s[tone.voice] = 0.8 * drift_s.get(tone.voice, 0.0) + rng.normal(0, self.spread_s)
            start_s = self.seconds(tone.beat) + drift_s[tone.voice] + tone.delay_s + rng.normal(0, self.spread_s / 3)
            end_s = self.seconds(tone.beat + tone.length) + rng.normal(0, self.spread_s)
            start_s = max(0.0, start_s)
            velocity = self.velocity(rng, tone)
            notes.append(Note(start_s, max(end_s, start_s + 0.06), tone.pitch, velocity, tone.channel))
        notes = tuple(sorted(notes, key=lambda note: (note.start_s, note.pitch)))
        bars_s = tuple(self.seconds(bar * self.plan.bar_beats) for bar in range(self.plan.bars))
        plan = self.plan
        return Phrase("", "", 0, 0, plan.tempo_bpm, plan.key.name, plan.meter, notes, bars_s)


def stop_when_struck_again(notes: tuple[Note, ...], key: str) -> tuple[Note, ...]:
    """Return `notes` with each one ended where the next of the same `key` ("channel": string, "pitch": key) begins.

    Without this a MIDI note-off of the first would silence the second.
    """
    kept: list[Note] = []
    for value in sorted({getattr(note, key) for note in notes}):
        line = sorted((note for note in notes if getattr(note, key) == value), key=lambda note: note.start_s)
        following = [note.start_s for note in line[1:]] + [np.inf]
        for note, until_s in zip(line, following, strict=True):
            if until_s - note.start_s > 0.02:  # struck together: one sound
                kept.append(replace(note, end_s=min(note.end_s, float(until_s) - 0.004)))
    return tuple(sorted(kept, key=lambda note: (note.start_s, note.channel, note.pitch)))


# -------------------------------------------------------------------------------------------------------------- sound


def midi(phrase: Phrase) -> mido.MidiFile:
    """Return `phrase` as a MIDI file of one track: program changes, notes, pedal and bends in time order."""
    beat_us = mido.bpm2tempo(phrase.tempo_bpm)
    channels = sorted({note.channel for note in phrase.notes})
    # At one instant: a note ends, then the pedal and the wheel move, then the next note begins.
    events: list[tuple[float, int, mido.Message]] = []
    for note in phrase.notes:
        where = {"channel": note.channel, "note": note.pitch}
        events.append((note.start_s, 3, mido.Message("note_on", velocity=note.velocity, **where)))
        events.append((note.end_s, 0, mido.Message("note_off", velocity=64, **where)))
    for time_s, down in phrase.pedal:
        for channel in channels:
            message = mido.Message("control_change", channel=channel, control=64, value=127 * down)
            events.append((time_s, 1, message))
    for time_s, channel, semitones in phrase.bends:
        wheel = int(np.clip(round(8192 * semitones / BEND_SEMITONES), -8192, 8191))
        events.append((time_s, 2, mido.Message("pitchwheel", channel=channel, pitch=wheel)))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=beat_us)])
    track += [mido.Message("program_change", channel=channel, program=phrase.program) for channel in channels]
    timed = [(round(mido.second2tick(time_s, TICKS_PER_BEAT, beat_us)), *rest) for time_s, *rest in events]
    last = 0
    for tick, _, message in sorted(timed, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - last))
        last = tick
    return mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track])


def excerpt_starts(phrase: Phrase, length_s: float) -> tuple[float, float]:
    """Return where the piece's opening and its close begin, in seconds: both on a bar, both `length_s` of music.

    The close is the last bar from which music lasts that long, so it holds the final cadence.
    """
    last_s = max(start_s for start_s in phrase.bars_s if start_s + length_s <= phrase.length_s)
    return phrase.bars_s[0], last_s


def render(phrase: Phrase, soundfont: Path, command: str = "fluidsynth") -> np.ndarray:
    """Return the dry sound of `phrase` as float32 mono `[sample]` at 48 kHz, its last notes ringing on for a second.

    A first-order low-pass at `phrase.tone_hz` follows (see `TONE_HZ`).
    FluidSynth's reverb and chorus are off and its output is float, so there is neither dither nor clipping. Raises
    FileNotFoundError without the soundfont or the command (Debian: fluid-soundfont-gm, fluidsynth).
    """
    if not Path(soundfont).is_file():
        raise FileNotFoundError(f"no soundfont at {soundfont}: install one (Debian: apt install fluid-soundfont-gm)")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "phrase.mid"), Path(folder, "phrase.wav")
        midi(phrase).save(score)
        dry = ["-ni", "-q", "-R", "0", "-C", "0", "-g", str(GAIN), "-o", "synth.cpu-cores=1"]
        output = ["-r", str(SAMPLE_RATE), "-T", "wav", "-O", "float", "-F", str(sound)]
        subprocess.run([command, *dry, *output, str(soundfont), str(score)], check=True, capture_output=True)
        stereo, _ = sf.read(sound, dtype="float32", always_2d=True)
    mono = stereo.mean(axis=1, dtype=np.float64)[: int((phrase.length_s + TAIL_S) * SAMPLE_RATE)]
    return lfilter(*butter(1, phrase.tone_hz, fs=SAMPLE_RATE), mono).astype(np.float32)


def fluidsynth_version(command: str = "fluidsynth") -> str:
    """Return the version of the installed FluidSynth, such as "2.3.1"."""
    said = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    return re.search(r"version (\S+)", said).group(1)
