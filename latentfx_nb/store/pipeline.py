"""Clips, one after the other: rendered ahead on threads, encoded, written; with the time and the faults of each."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.effects import Setting, render_many
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.devices import on_threads
from latentfx_nb.encoders.running import Inputs, encode_inputs, placed_inputs
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.cluster import OncePerProcess
from latentfx_nb.store.store import write_clip

FAULTS = (ValueError, OSError)
"""Errors in reading or rendering a clip that concern this clip alone."""


@dataclass(frozen=True)
class EncodingPlan:
    """Settings, batch size and thread count, the same for every writer of a store, so that all give the same bits."""

    settings: Sequence[Setting]
    batch: int
    threads: int | None


StageSeconds = dict[str, float]
"""Seconds that were spent waiting for renders, for the encoder and for the disk."""

Step = tuple[int, dict[int, Exception], StageSeconds]
"""How many clips are finished, which of them are bad and why, and the time they took."""

Outcome = NDArray[np.float32] | Exception
"""What became of a clip: its latents `[setting dim frame]`, or their time averages, or the error."""


def time_shares(stages: StageSeconds) -> str:
    """Return each stage's share of the time, for the progress line: "render 61%, encode 30%, write 9%"."""
    total = sum(stages.values()) or 1.0
    return ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in stages.items())


@contextmanager
def timed(stages: StageSeconds, stage: str) -> Iterator[None]:
    """Add the seconds that the block inside takes to `stages[stage]`."""
    start = time.perf_counter()
    yield
    add_seconds(stages, {stage: time.perf_counter() - start})


def add_seconds(stages: StageSeconds, spent: StageSeconds) -> None:
    """Add the seconds in `spent` to those in `stages`."""
    for stage, seconds in spent.items():
        stages[stage] = stages.get(stage, 0.0) + seconds


def encoded(
    clips: ClipSet, loaded: OncePerProcess, plan: EncodingPlan, stages: StageSeconds, workers: int | None = None
) -> Generator[Outcome, None, None]:
    """Yield each clip's latents, or its error, in order; renders are made ahead, on other threads."""
    encoder = loaded.get()
    renders = render_many(clips, plan.settings, workers=workers, then=partial(placed_inputs, encoder), faults=FAULTS)
    with closing(renders):
        for _ in range(len(clips)):
            with timed(stages, "render"):
                found = next(renders)
            if not isinstance(found, Exception):
                with timed(stages, "encode"), loaded.turn, on_threads(plan.threads):
                    found = latents_of(encoder, found, plan.batch)
            yield found


def latents_of(encoder: Encoder, inputs: Inputs, batch: int) -> Outcome:
    """Return the latents of one clip's renders, or a ValueError if they cannot be kept."""
    try:
        batches = [inputs[i : i + batch] for i in range(0, len(inputs), batch)]
        latents = np.concatenate([encode_inputs(encoder, one) for one in batches])
        if np.abs(latents).max() > np.finfo(np.float16).max:
            raise ValueError(f"{encoder.name} gave latents beyond 65504, which float16 cannot hold; scale them")
    except ValueError as error:
        return error
    return latents


def keep_latents(place: str, row: int, clip: ClipSet, digest: str, found: Outcome) -> Outcome:
    """Write a clip's latents into the store at `place`; return their time averages, or the clip's error."""
    found = changed(clip, digest) or found
    if isinstance(found, Exception):
        return found
    write_clip(place, row, found)
    return found.mean(axis=-1)


class ChangedClip(ValueError):
    """A clip's file changed since the store was named after it, or is gone."""


def changed(clip: ClipSet, digest: str) -> ChangedClip | None:
    """Return an error if the file of a single clip changed since its `digest` was taken, else None."""
    file = clip.table["file"].iat[0]
    if clip.hashes() == [digest] and Path(file).is_file():
        return None
    return ChangedClip(f"{file} changed while it was encoded, or is gone; load the clips anew and run it again")
