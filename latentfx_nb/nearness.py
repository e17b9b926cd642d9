"""Keep what was made of computed numbers, and find it again: by nearness, as no hash of such numbers would.

Processors differ in the last bits of all that they compute. So what follows from computed numbers is kept under an
exact name (settings, shapes, weights, versions) with a sketch of the numbers, and found where the sketch is the same
but for last bits. One folder serves unlike machines. Any file may be deleted: what it held is computed again.
"""

from __future__ import annotations

import io
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.cache import digest, keep, kept

SUMS = 4
"""Random sums that tell a row of an input from others."""

NEAR = 1e-4
"""Share of the rms by which they may be off: last bits stay below a tenth of it, and stored latents are no finer."""

FORMAT = 1
"""Of what is kept here: counts up when files or sketches are made in another way."""


def random_sums(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return sums of `rows [... row feature]` with random weights, `[... row sum]`: the same weights for every row."""
    # Drawn as whole numbers over a power of two, so they are the same on every processor.
    weights = np.random.default_rng(0).random((rows.shape[-1], SUMS), np.float32) - np.float32(0.5)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is near nothing
        return (rows @ weights).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Sketch:
    """What tells an input from all others, whichever processor made its last bits.

    sums: `[row sum]`. scale: `[row 1]`, the rms that a difference is measured by.
    """

    sums: NDArray[np.float32]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, sums: NDArray[np.float32], part: NDArray[np.intp]) -> Sketch:
        """Return the sketch of an input with these random sums of its rows, each of which belongs to the part `part`.

        A part is measured by its own rms, so that a change of a weak one is not lost among strong ones.
        """
        squares = np.bincount(part, np.square(sums, dtype=np.float64).mean(axis=1)) / np.maximum(1, np.bincount(part))
        return cls(sums, np.maximum(np.sqrt(squares), 1e-30)[part][:, None])

    @property
    def label(self) -> NDArray[np.float32]:
        """What all rows sum up to `[sum]`: it stands in a file's name, so that most others need not be read."""
        return self.sums.sum(axis=0, dtype=np.float64).astype(np.float32)

    def may_be(self, labels: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which of `labels [file sum]` an input that is near may have."""
        with np.errstate(invalid="ignore"):
            return (np.abs(labels - self.label) <= NEAR * self.scale.sum()).all(axis=1)

    def distance(self, sums: NDArray[np.float32]) -> float:
        """Return by how much an input's sums are off at most, as a share of the rms."""
        with np.errstate(invalid="ignore"):
            return float((np.abs(sums - self.sums) / self.scale).max(initial=0.0))


def keep_near(folder: Path, name: str, sketch: Sketch, made: NDArray[Any], what: str, most: int) -> None:
    """Keep an array that was made of an input, for `kept_near`; of more than `most` files in the folder the oldest go.

    A folder that cannot be written to is announced, with `what` was to be kept.
    """
    content = io.BytesIO(sketch.sums.astype("<f4").tobytes())
    content.seek(0, os.SEEK_END)
    np.save(content, made, allow_pickle=False)
    label = sketch.label.astype("<f4").tobytes().hex()
    keep(folder / f"{_stem(name)}-{label}-{uuid.uuid4().hex[:8]}.kept", content.getvalue(), what)
    with suppress(OSError):  # another process may be making room too
        files = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
        for old in files[:-most]:
            old.unlink(missing_ok=True)


def kept_near(folder: Path, name: str, sketch: Sketch) -> NDArray[Any] | None:
    """Return what was made of the nearest input, if that differs in last bits only and every bit is as it was kept.

    `name` holds all that it was made with besides the input, and nothing that was computed.
    """
    read = [(path, _read(path, sketch)) for path in _candidates(folder, name, sketch)]
    found = [(distance, path, made) for path, (distance, made) in read if distance <= NEAR]
    if not found:
        return None
    _, path, made = min(found, key=lambda one: one[0])
    with suppress(OSError):  # a cache that cannot be written can be read
        path.touch()  # the oldest go first, and this one is in use
    return made


def _stem(name: str) -> str:
    """Return how the names of all files begin that are kept under `name`."""
    return digest(f"{FORMAT} {name}")[:32]


def _candidates(folder: Path, name: str, sketch: Sketch) -> list[Path]:
    named = re.compile(rf"{_stem(name)}-([0-9a-f]{{{8 * SUMS}}})-[0-9a-f]{{8}}\.kept")
    found = [matched for matched in map(named.fullmatch, os.listdir(folder) if folder.is_dir() else ()) if matched]
    labels = np.frombuffer(bytes.fromhex("".join(matched[1] for matched in found)), "<f4").reshape(-1, SUMS)
    return [folder / found[i][0] for i in np.flatnonzero(sketch.may_be(labels))]


def _read(path: Path, sketch: Sketch) -> tuple[float, NDArray[Any] | None]:
    """Return how far a file's input is from this one, infinitely far in a damaged file, and what was made of it."""
    content, size = kept(path), sketch.sums.nbytes
    if content is None:
        return np.inf, None
    file = io.BytesIO(content)
    sums = np.frombuffer(file.read(size), "<f4").reshape(sketch.sums.shape)
    return sketch.distance(sums), np.load(file, allow_pickle=False)
