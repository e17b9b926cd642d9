"""Which clips are of one song: two stems of it share key, tempo and tune, so no split may part them."""

from __future__ import annotations

import re

import pandas as pd

SLAKH_STEM = re.compile(r"(?:.*_)?(slakh_.+)_S\d+")
"""A recording named after a stem of Slakh2100, as in gtr_slakh_omitted49_S02: the track's name is its first group."""


def songs_of(table: pd.DataFrame) -> list[str]:
    """Return the song of each row of a table of clips.

    It is what the manifest's column `song` says; where that is empty or missing, the recording, of which all stems of
    one Slakh track are one.
    """
    recordings = table["recording"].astype(str)
    said = table["song"].astype(str) if "song" in table else pd.Series("", table.index)
    return [song or _track(recording) for song, recording in zip(said, recordings, strict=True)]


def _track(recording: str) -> str:
    stem = SLAKH_STEM.fullmatch(recording)
    return stem[1] if stem else recording
