"""Which clips latent algebra is scored on, and which it learns from: never of the same recording."""

from __future__ import annotations

import numpy as np

from latentfx_nb.analysis.samples import spread
from latentfx_nb.sound.clips import ClipSet

SHOTS = (1, 2, 4, 8, 16)
"""Numbers of pairs to learn from: the few-shot curve."""

HELD_OUT = 12
"""Recordings that are scored, as many of each instrument as can be."""


def held_out_rows(clips: ClipSet, n: int = HELD_OUT) -> list[int]:
    """Return the rows of at most `n` clips to score: one a recording, spread over the set, as many of each instrument.

    Raises ValueError if the clips are of fewer than two recordings: then nothing is left to learn from.
    """
    table = clips.table.drop_duplicates("recording")
    if len(table) < 2:
        raise ValueError(
            "effects are learned on some recordings and tried on others, and all these clips are of one: add clips"
        )
    groups = [group.index for _, group in table.groupby("instrument", sort=True)]
    rows: list[int] = []
    for number, group in enumerate(groups):
        share = (n - len(rows)) // (len(groups) - number)
        rows += list(group[spread(len(group), share)])
    return sorted(map(int, rows))


def learning_rows(clips: ClipSet, row: int | None, k: int, seed: int = 0) -> list[int]:
    """Return the rows of `k` clips to learn from: drawn from all recordings but the one of clip `row`, if it is one.

    The draw depends on `seed` and `row`. A larger `k` adds rows to those of a smaller one. There may be fewer than `k`.
    """
    recordings = clips.table["recording"].to_numpy()
    others = np.arange(len(clips)) if row is None else np.flatnonzero(recordings != recordings[row])
    return np.random.default_rng([seed, row or 0]).permutation(others)[:k].tolist()
