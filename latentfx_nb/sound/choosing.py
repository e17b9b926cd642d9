"""The paper's choice of clips from GuitarSet and MAESTRO: drawn by lot, the same on every machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from latentfx_nb.cache import digest
from latentfx_nb.paper import CHOICE_SEED, CLIP_SAMPLES, CLIPS_PER_INSTRUMENT, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio

MIDDLE = CLIP_SAMPLES // 2, SAMPLE_RATE_HZ * 2 // 5
"""Start and length of one 0.4 s block, which is what loudness is measured in."""


def choose(clips: pd.DataFrame, seed: int = CHOICE_SEED, per_recording: int | None = None) -> pd.DataFrame:
    """Return the rows of `clips` that make up the paper's set: 512 an instrument, half of GuitarSet's comp, half solo.

    `clips` has one row a clip of every file. Files are drawn from in turn, so that no file gives two clips more than
    another unless that one is used up; which clips they are is drawn by `seed` from names and positions alone, so it is
    the same on every machine and for WAV and FLAC. Clips that run past their recording's end and clips that BS.1770
    hears nothing in (those cannot be brought to one loudness) are passed over. Of the chosen set, at most
    `per_recording` clips a recording are kept.

    Raises ValueError if there are not enough such clips.
    """
    order = clips[clips["padded_samples"] == 0]
    order = order.assign(draw=[_draw(seed, *cut) for cut in zip(order["file"], order["start"])]).sort_values("draw")
    order = order.assign(turn=order.groupby("file").cumcount()).sort_values(["turn", "draw"])
    mode = order["mode"].fillna("") if "mode" in order else ""
    kind = (order["instrument"] + " " + mode).str.strip()
    kinds = kind.groupby(order["instrument"]).nunique()
    wanted = {name: CLIPS_PER_INSTRUMENT // kinds[name.split()[0]] for name in kind.unique()}
    chosen = pd.concat([_first_sounding(rows, wanted[name], name) for name, rows in order.groupby(kind)])
    if per_recording is not None:
        chosen = chosen.sort_values(["turn", "draw"]).groupby("recording").head(per_recording)
    return chosen.sort_index().drop(columns=["draw", "turn"])


def _draw(seed: int, file: str, start: int) -> str:
    """Return a key that sorts clips at random: a hash, so neither other files nor library versions change the order."""
    return digest(f"{seed} {Path(file).stem} {start}")


def _first_sounding(rows: pd.DataFrame, wanted: int, kind: str) -> pd.DataFrame:
    """Return the first `wanted` rows whose clips have sound; raise ValueError if there are fewer."""
    sounding: list[Any] = []
    for row, file, start in zip(rows.index, rows["file"], rows["start"]):
        if len(sounding) == wanted:
            break
        if _sounds(file, start):
            sounding.append(row)
    if len(sounding) < wanted:
        raise ValueError(
            f"the recordings of {kind} give {len(sounding)} full clips with sound in them, and the set takes {wanted}; "
            "see with latentfx_nb.sound.datasets.validate whether they are whole"
        )
    return rows.loc[sounding]


def _sounds(file: str, start: int) -> bool:
    """Return whether BS.1770 hears anything in a clip; one block of its middle, which is quick, is tried first."""
    for offset, length in (MIDDLE, (0, CLIP_SAMPLES)):
        mono = audio.to_channels(audio.read(file, SAMPLE_RATE_HZ, start + offset, length), 1)
        if audio.loudness_lufs(audio.to_channels(mono, 2), SAMPLE_RATE_HZ) > -math.inf:
            return True
    return False
