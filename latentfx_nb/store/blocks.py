"""Blocks of clips, encoded on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.effects import settings_hash
from latentfx_nb.encoders import reloading
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.cluster import OncePerProcess, run_blocks
from latentfx_nb.store.job import Job
from latentfx_nb.store.pipeline import (
    ChangedClip,
    EncodingPlan,
    StageSeconds,
    Step,
    changed,
    encoded,
    keep_latents,
    timed,
)
from latentfx_nb.store.store import Store

BLOCK = 8
"""Clips in one task of a cluster: a few seconds of rendering, which are lost when a worker dies."""


@dataclass(frozen=True)
class _Block:
    """One task: what it encodes, and what must be the same on the worker as where the work was begun."""

    rows: Sequence[int]
    clips: ClipSet
    hashes: Sequence[str]
    plan: EncodingPlan
    renders: str  # hash of the settings and of the libraries that render them
    place: str


_Written = tuple[dict[int, NDArray[np.float32]], dict[int, Exception], StageSeconds]
"""A worker's answer on a block: time averages of its clips by row, the errors of others, and the time it took."""


def fill_on_cluster(
    store: Store, job: Job, plan: EncodingPlan, rows: Sequence[int], part: str, client: Any
) -> Generator[Step, None, None]:
    """Yield a step for each block that a worker has written, once it is listed in the ledger."""
    blocks = []
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        known = [job.hashes[row] for row in some]
        blocks.append(_Block(some, job.clips[some], known, plan, job.parts["effects"], str(store)))
    found = run_blocks(client, _encode_block, blocks, reloading(job.encoder))
    with closing(found):
        for means, bad, stages in found:
            if means:
                store.record(means, part)
            elif _sees_other_files(job, bad):
                raise ValueError(
                    f"files of {job.clips.name!r} differ on a worker: all machines must see the same folder of clips"
                )
            yield len(means) + len(bad), bad, stages


def _sees_other_files(job: Job, bad: Mapping[int, Exception]) -> bool:
    """Return whether a worker found every file of a block changed while one of them is unchanged here."""
    return all(isinstance(error, ChangedClip) for error in bad.values()) and any(
        changed(job.clips[row : row + 1], job.hashes[row]) is None for row in bad
    )


def _encode_block(
    loaded: OncePerProcess, block: _Block
) -> tuple[dict[int, NDArray[np.float32]], dict[int, Exception], StageSeconds]:
    """Encode and write a block, on a worker; return time averages or what is wrong by row, and the time it took."""
    if settings_hash(block.plan.settings) != block.renders:
        raise ValueError(
            "this worker has another version of pedalboard or pyloudnorm: install the same on all machines"
        )
    means: dict[int, NDArray[np.float32]] = {}
    bad: dict[int, Exception] = {}
    stages: StageSeconds = {}
    # Tasks on one worker render side by side, and take turns at the encoder.
    latents = encoded(block.clips, loaded, block.plan, stages, workers=1)
    with closing(latents):
        for index, (row, one) in enumerate(zip(block.rows, latents, strict=True)):
            with timed(stages, "write"):
                found = keep_latents(block.place, row, block.clips[index : index + 1], block.hashes[index], one)
            if isinstance(found, np.ndarray):
                means[row] = found
            else:  # as an error that every machine can unpickle, which errors of libraries may not be
                bad[row] = found if isinstance(found, ChangedClip) else ValueError(str(found))
    return means, bad, stages
