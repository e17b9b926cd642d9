"""A cache of results made from computed numbers, found again by nearness: a hash of such numbers would miss them.

Processors differ in the last bits of what they compute. So a result is kept under an exact name (settings, shapes,
weights, versions) with a sketch of the numbers it was made from, and is found if a sketch differs in last bits only.
Machines with unlike processors can share one folder. Any file may be deleted: its result is computed again.
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
"""Random sums by which one row of an input is told from another."""

NEAR = 1e-4
"""Share of the rms by which near sums may differ: last bits stay below a tenth of it; float16 latents are no finer."""

FORMAT = 1
"""Version of files and sketches, which counts up when they are made in another way."""


def random_sums(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return sums of `rows [... row feature]` with random weights, `[... row sum]`: the same weights for every row."""
    # Drawn as whole numbers over a power of two, so they are the same on every processor.
    weights = np.random.default_rng(0).random((rows.shape[-1], SUMS), np.float32) - np.float32(0.5)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is near nothing
        return (rows @ weights).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Sketch:
    """Random sums of an input, by which it is recognised whichever processor made its last bits.

    sums: `[row sum]`. scale: `[row 1]`, the rms that differences are divided by.
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
        """The sums over all rows `[sum]`. A file's name holds them, so that few files need be read to find one."""
        return self.sums.sum(axis=0, dtype=np.float64).astype(np.float32)

    def may_be(self, labels: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which of `labels [file sum]` could be those of a near input."""
        with np.errstate(invalid="ignore"):
            return (np.abs(labels - self.label) <= NEAR * self.scale.sum()).all(axis=1)

    def distance(self, sums: NDArray[np.float32]) -> float:
        """Return the largest difference of an input's sums from these, as a share of the rms."""
        with np.errstate(invalid="ignore"):
            return float((np.abs(sums - self.sums) / self.scale).max(initial=0.0))


def keep_near(folder: Path, name: str, sketch: Sketch, made: NDArray[Any], what: str, most: int) -> None:
    """Keep an array that was made from an input, for `kept_near`; the oldest of more than `most` files are deleted.

    If the folder cannot be written to, a warning says that `what` is not kept.
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
    """Return the array made from the nearest input, if that differs in last bits only; None if there is none.

    `name` holds all that the array depends on besides the input, and nothing that was computed. Damaged files are
    passed over.
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
    """Return the start of the names of all files that are kept under `name`."""
    return digest(f"{FORMAT} {name}")[:32]


def _candidates(folder: Path, name: str, sketch: Sketch) -> list[Path]:
    named = re.compile(rf"{_stem(name)}-([0-9a-f]{{{8 * SUMS}}})-[0-9a-f]{{8}}\.kept")
    found = [matched for matched in map(named.fullmatch, os.listdir(folder) if folder.is_dir() else ()) if matched]
    labels = np.frombuffer(bytes.fromhex("".join(matched[1] for matched in found)), "<f4").reshape(-1, SUMS)
    return [folder / found[i][0] for i in np.flatnonzero(sketch.may_be(labels))]


def _read(path: Path, sketch: Sketch) -> tuple[float, NDArray[Any] | None]:
    """Return the distance of a file's input from this one (infinite for a damaged file), and the array made from it."""
    content, size = kept(path), sketch.sums.nbytes
    if content is None:
        return np.inf, None
    file = io.BytesIO(content)
    sums = np.frombuffer(file.read(size), "<f4").reshape(sketch.sums.shape)
    return sketch.distance(sums), np.load(file, allow_pickle=False)
