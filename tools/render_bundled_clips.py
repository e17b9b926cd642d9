"""Render the 64 bundled clips: `python -m tools.render_bundled_clips`, from the repository root.

Needs FluidSynth and the FluidR3 soundfont (Debian: `apt install fluidsynth fluid-soundfont-gm`) and mido. The pieces
are fixed in `PIECES`, so two runs with one FluidSynth write the same bytes.

`--search REAL_CLIPS` chooses the pieces anew and logs the table: it walks through the bundled seeds and keeps pieces
whose excerpts lie in the 10-90 % range of the real clips in every statistic, resemble no clip kept before and never
fall silent. Only this search sees real clips.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from tools import clip_statistics, phrases

CLIP_SAMPLES = 262_144  # the paper's clip: 5.46 s at 48 kHz
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
CLIPS = Path(__file__).resolve().parents[1] / "latentfx_nb" / "bundled" / "clips"
LICENCE = "CC0-1.0"
PEAK = 10 ** (-9 / 20)  # -9 dBFS: room for effects that raise the level, and half the bytes of a full-scale file
FADE_IN_S, FADE_OUT_S = 0.003, 0.02  # a cut through sounding notes must not click
EARLY_S = 0.02  # a humanised first note may come before its bar
COLUMNS = (
    "file",
    "instrument",
    "recording",
    "licence",
    "style",
    "program",
    "tempo_bpm",
    "key",
    "meter",
    "seed",
    "start_s",
    "tone_hz",
    "fluidsynth",
    "sha256",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """One piece to render: what to write, from which seed, and how many excerpts (1: the opening; 2: and the close)."""

    instrument: str
    style: str
    program: int
    seed: int
    excerpts: int

    def compose(self) -> phrases.Phrase:
        """Return the written piece."""
        write = {"guitar": phrases.guitar_phrase, "piano": phrases.piano_phrase}[self.instrument]
        return write(self.seed, style=self.style, program=self.program)


@dataclass(frozen=True)
class Clip:
    """One excerpt: 16-bit samples `[sample]`, its place in the piece in seconds, and its letter."""

    audio: np.ndarray
    start_s: float
    letter: str


def clips_of(piece: Piece, phrase: phrases.Phrase, soundfont: Path) -> list[Clip]:
    """Return the excerpts of `phrase`, each of 262 144 samples, peaking at -9 dBFS."""
    sound = phrases.render(phrase, soundfont)
    starts_s = phrases.excerpt_starts(phrase, CLIP_SAMPLES / phrases.SAMPLE_RATE)[: piece.excerpts]
    return [Clip(_cut(sound, start_s), start_s, letter) for letter, start_s in zip("ab", starts_s, strict=False)]


def _cut(sound: np.ndarray, start_s: float) -> np.ndarray:
    """Return 262 144 samples of `sound` from just before `start_s`, faded at both ends, as int16."""
    first = max(0, int((start_s - EARLY_S) * phrases.SAMPLE_RATE))
    clip = sound[first : first + CLIP_SAMPLES].astype(np.float64)
    if len(clip) < CLIP_SAMPLES:
        raise ValueError(f"the piece ends {CLIP_SAMPLES - len(clip)} samples before its excerpt does: lengthen PIECE_S")
    for fade_s, edge in ((FADE_IN_S, slice(None)), (FADE_OUT_S, slice(None, None, -1))):
        length = int(fade_s * phrases.SAMPLE_RATE)
        clip[edge][:length] *= np.linspace(0, 1, length)
    return np.round(clip * PEAK / np.abs(clip).max() * 32767).astype(np.int16)


def render_all(folder: Path, soundfont: Path) -> None:
    """Write every clip and the manifest to `folder`, in place of the FLACs that lie there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.flac"):
        old.unlink()
    rows = [row for piece in tqdm(list(named_pieces()), unit="piece") for row in _write(folder, soundfont, *piece)]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    total = sum(path.stat().st_size for path in folder.glob("*.flac"))
    logger.info("%d clips, %.1f MB", len(rows), total / 1e6)


def named_pieces() -> Iterator[tuple[str, Piece]]:
    """Yield every piece with its name, such as "gtr_00": guitar first, numbered within the instrument."""
    numbers: Counter[str] = Counter()
    for piece in PIECES:
        yield f"{_PREFIX[piece.instrument]}_{numbers[piece.instrument]:02d}", piece
        numbers[piece.instrument] += 1


_PREFIX = {"guitar": "gtr", "piano": "pno"}


def _write(folder: Path, soundfont: Path, name: str, piece: Piece) -> list[dict]:
    """Write the clips of one piece and return their manifest rows."""
    phrase = piece.compose()
    version = phrases.fluidsynth_version()
    rows = []
    for clip in clips_of(piece, phrase, soundfont):
        path = folder / f"{name}_{clip.letter}.flac"
        sf.write(path, clip.audio, phrases.SAMPLE_RATE, subtype="PCM_16")
        written = (phrase.style, phrase.program, phrase.tempo_bpm, phrase.key, phrase.meter, phrase.seed)
        sound = (f"{clip.start_s:.3f}", round(phrase.tone_hz), version, hashlib.sha256(path.read_bytes()).hexdigest())
        rows.append(dict(zip(COLUMNS, (path.name, piece.instrument, name, LICENCE, *written, *sound), strict=True)))
    return rows


# ------------------------------------------------------------------------------------------------------------- search

MOST_ALIKE = 0.5  # correlation of log-mel fingerprints at the best shift; two excerpts of unrelated music reach 0.4
QUIETEST_DB = -40.0  # the quietest half second against the loudest
KEY_REPEATS = 2
SEEDS_PER_SLOT = 200


def slots() -> Iterator[Piece]:
    """Yield the pieces wanted, each with the first seed to try: every style on every program, a third in two parts."""
    for instrument, styles, programs, repeats in (
        ("guitar", phrases.GUITAR_STYLES, phrases.GUITAR_PROGRAMS, 2),
        ("piano", phrases.PIANO_STYLES, phrases.PIANO_PROGRAMS, 3),
    ):
        wanted = [(s, p, r) for r in range(repeats) for p in programs.values() for s in styles]
        first = 0 if instrument == "guitar" else len(phrases.BUNDLED_SEEDS) // 2
        for index, (style, program, _) in enumerate(wanted):
            turn = index // len(styles) if len(styles) % 3 == 0 else 0  # else one style would get all the second parts
            excerpts = 2 if index % 3 == turn % 3 else 1
            yield Piece(instrument, style, program, first + index * SEEDS_PER_SLOT, excerpts)


def search(real_clips: Path, soundfont: Path) -> list[Piece]:
    """Return one fitting piece a slot; a slot whose seeds all fail raises RuntimeError."""
    ranges = clip_statistics.ranges(clip_statistics.folder_statistics(real_clips))
    kept: list[Piece] = []
    prints: list[np.ndarray] = []
    keys: Counter[tuple[str, str]] = Counter()
    tries = 0
    for slot in tqdm(list(slots()), unit="slot"):
        for seed in range(slot.seed, slot.seed + SEEDS_PER_SLOT):
            piece = Piece(slot.instrument, slot.style, slot.program, seed, slot.excerpts)
            phrase = piece.compose()
            if keys[piece.instrument, phrase.key] >= KEY_REPEATS:
                continue
            tries += 1
            found = _fitting(piece, phrase, soundfont, ranges[piece.instrument], prints)
            if found:
                kept.append(piece)
                prints += found
                keys[piece.instrument, phrase.key] += 1
                break
        else:
            raise RuntimeError(f"none of {SEEDS_PER_SLOT} seeds from {slot.seed} fits {slot.style} on {slot.program}")
    logger.info("%d of %d pieces kept", len(kept), tries)
    return kept


def _fitting(
    piece: Piece, phrase: phrases.Phrase, soundfont: Path, ranges: dict[str, tuple[float, float]], prints: list
) -> list[np.ndarray] | None:
    """Return the fingerprints of the piece's clips if each is in range, unlike `prints` and sounding; else None."""
    new: list[np.ndarray] = []
    for clip in clips_of(piece, phrase, soundfont):
        audio = clip.audio / np.float32(32768)
        values = clip_statistics.statistics(audio)
        if not all(low <= values[name] <= high for name, (low, high) in ranges.items()):
            return None
        fingerprint = clip_statistics.log_mel(audio)
        if any(clip_statistics.likeness(fingerprint, other) > MOST_ALIKE for other in prints + new):
            return None
        if clip_statistics.quietest_db(audio) < QUIETEST_DB:
            return None
        new.append(fingerprint)
    return new


def main() -> None:
    """Render the bundled clips, or search for new ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=CLIPS, help="folder for the FLACs and manifest.csv")
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT)
    parser.add_argument("--search", type=Path, metavar="REAL_CLIPS", help="choose the pieces anew and log the table")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.search:
        for piece in search(arguments.search, arguments.soundfont):
            logger.info("    %r,", piece)
    else:
        render_all(arguments.out, arguments.soundfont)


# Chosen by `--search`; the order fixes the file names.
PIECES: tuple[Piece, ...] = (
    Piece("guitar", "strum", 24, 0, 2),
    Piece("guitar", "fingerpicked", 24, 200, 1),
    Piece("guitar", "solo", 24, 400, 1),
    Piece("guitar", "strum", 25, 600, 1),
    Piece("guitar", "fingerpicked", 25, 801, 2),
    Piece("guitar", "solo", 25, 1005, 1),
    Piece("guitar", "strum", 26, 1209, 1),
    Piece("guitar", "fingerpicked", 26, 1400, 1),
    Piece("guitar", "solo", 26, 1601, 2),
    Piece("guitar", "strum", 27, 1816, 2),
    Piece("guitar", "fingerpicked", 27, 2000, 1),
    Piece("guitar", "solo", 27, 2202, 1),
    Piece("guitar", "strum", 24, 2400, 1),
    Piece("guitar", "fingerpicked", 24, 2600, 2),
    Piece("guitar", "solo", 24, 2801, 1),
    Piece("guitar", "strum", 25, 3001, 1),
    Piece("guitar", "fingerpicked", 25, 3200, 1),
    Piece("guitar", "solo", 25, 3411, 2),
    Piece("guitar", "strum", 26, 3609, 2),
    Piece("guitar", "fingerpicked", 26, 3802, 1),
    Piece("guitar", "solo", 26, 4005, 1),
    Piece("guitar", "strum", 27, 4210, 1),
    Piece("guitar", "fingerpicked", 27, 4402, 2),
    Piece("guitar", "solo", 27, 4608, 1),
    Piece("piano", "comping", 0, 5008, 2),
    Piece("piano", "arpeggio", 0, 5215, 1),
    Piece("piano", "melody", 0, 5402, 1),
    Piece("piano", "two-part", 0, 5605, 2),
    Piece("piano", "comping", 1, 5805, 1),
    Piece("piano", "arpeggio", 1, 6001, 1),
    Piece("piano", "melody", 1, 6212, 2),
    Piece("piano", "two-part", 1, 6403, 1),
    Piece("piano", "comping", 0, 6607, 1),
    Piece("piano", "arpeggio", 0, 6812, 2),
    Piece("piano", "melody", 0, 7005, 1),
    Piece("piano", "two-part", 0, 7201, 1),
    Piece("piano", "comping", 1, 7420, 2),
    Piece("piano", "arpeggio", 1, 7600, 1),
    Piece("piano", "melody", 1, 7802, 1),
    Piece("piano", "two-part", 1, 8005, 2),
    Piece("piano", "comping", 0, 8204, 1),
    Piece("piano", "arpeggio", 0, 8402, 1),
    Piece("piano", "melody", 0, 8615, 2),
    Piece("piano", "two-part", 0, 8800, 1),
    Piece("piano", "comping", 1, 9002, 1),
    Piece("piano", "arpeggio", 1, 9229, 2),
    Piece("piano", "melody", 1, 9401, 1),
    Piece("piano", "two-part", 1, 9600, 1),
)

if __name__ == "__main__":
    main()
