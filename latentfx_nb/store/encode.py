"""Clips x effects, or clips x knob values, as labelled latents in a store; an interrupted run is continued.

Threads render ahead, the encoder takes one clip's renders after the other, and another thread writes. The work runs on
one machine, on a share of the clips (for a job array), or in blocks on the workers of a Dask cluster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from tqdm.auto import tqdm

from latentfx_nb.effects import TABLE_1, Setting, get_effect, sweep_settings, through
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.devices import cpu_threads
from latentfx_nb.encoders.running import batch_size
from latentfx_nb.paper import CLIP_SAMPLES, KNOB_VALUES
from latentfx_nb.sound.clips import ClipSet, SkippedFiles
from latentfx_nb.store.blocks import fill_on_cluster
from latentfx_nb.store.cluster import OncePerProcess, check_client
from latentfx_nb.store.job import Job
from latentfx_nb.store.pipeline import (
    EncodingPlan,
    Outcome,
    StageSeconds,
    Step,
    add_seconds,
    encoded,
    keep_latents,
    time_shares,
    timed,
)
from latentfx_nb.store.store import Store

SHOWN = 5
"""Most clips that a warning or an error names, each with its reason."""


class SkippedClips(SkippedFiles):
    """Some clips could not be encoded; `skipped` maps each to a sentence that names its file and the reason."""

    def __init__(self, sentence: str, skipped: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.skipped = dict(skipped)


def encode_effects(
    clips: ClipSet,
    encoder: Encoder,
    effects: str | Sequence[str] | None = None,
    store: str | Path | None = None,
    client: Any = None,
    *,
    shard: tuple[int, int] | None = None,
    average: bool = False,
    mono: bool = False,
    bar: Callable[..., Any] = tqdm,
    on_error: str = "skip",
) -> xr.DataArray:
    """Return the latents `(clip, effect, dim, frame)` of every clip through every effect as Table 1 sets it.

    They are read lazily, as float32, from `store` (float16 on disk; a folder or a URL that fsspec knows; by default a
    folder of the cache named after the content). An incomplete store is filled first, with a progress bar, from where
    an interrupted run stopped. `average=True` returns the means over time `(clip, effect, dim)` instead, which the
    store keeps exactly. `mono=True` renders effects with a stereo width as mono, as `render` does; such a store has a
    name of its own. `bar` is called as tqdm is, to show progress in another way.

    A clip is left out of the result if its file cannot be read, changes or goes meanwhile, or if the encoder gives no
    latents of it that can be kept (`encoded_clips` gives the clips that are in the result). It is tried again next
    time. When all others are done, a `SkippedClips` warning names it with the reason; if the bar has a method
    `skipped`, that is called with clip -> reason instead. `on_error="raise"` stops there; finished clips are kept.

    With a `dask.distributed.Client` as `client` its workers do the work: they must reach the clips and the store under
    the same names. `shard=(3, 16)` encodes and returns the third of sixteen shares of the clips, so that sixteen jobs
    fill one store. Both give the bits that one machine gives with the same number of threads; processors of another
    kind give other last bits, for which no store is refused.

    Raises ValueError for an unknown effect, zero clips, a store that holds another data set or was written by another
    version, if no clip at all could be encoded, and OSError, with all finished clips kept, if the disk is full or
    cannot be written.
    """
    labels = [effects] if isinstance(effects, str) else list(TABLE_1 if effects is None else effects)
    settings = [Setting(label, mono=mono) for label in labels]
    axis = xr.Variable("effect", labels)
    return _encode(Job(clips, encoder, settings, axis), store, client, shard, average, bar, on_error)


def encode_sweep(
    clips: ClipSet,
    encoder: Encoder,
    effect: str,
    n: int = KNOB_VALUES,
    knob: str | None = None,
    store: str | Path | None = None,
    client: Any = None,
    *,
    shard: tuple[int, int] | None = None,
    average: bool = False,
    bar: Callable[..., Any] = tqdm,
    on_error: str = "skip",
) -> xr.DataArray:
    """Return the latents `(clip, value, dim, frame)` of every clip along `n` values of one effect's knob (Table 2).

    The coordinate `value` holds the settings, its `units` attribute their unit; `knob` is the effect's first by
    default. Store, averages and errors are those of `encode_effects`. A store from before settings were rounded to six
    digits is continued with its own settings, which differ by less than anybody can type.
    """
    turned = get_effect(effect).knob(knob)
    settings = sweep_settings(effect, n, turned.name)
    values = np.array([setting.value for setting in settings])
    axis = xr.Variable("value", values, {"units": turned.unit, "effect": effect, "knob": turned.name})
    return _encode(Job(clips, encoder, settings, axis), store, client, shard, average, bar, on_error)


def encoded_clips(clips: ClipSet, latents: xr.DataArray) -> ClipSet:
    """Return the clips that `latents (clip, ...)` belong to, row for row: some of `clips` may not have been encoded."""
    rows = pd.Index(clips.table["clip"]).get_indexer(latents["clip"].values)
    return clips if np.array_equal(rows, np.arange(len(clips))) else clips[rows]


def _encode(
    job: Job,
    place: str | Path | None,
    client: Any,
    shard: tuple[int, int] | None,
    average: bool,
    bar: Callable[..., Any],
    on_error: str,
) -> xr.DataArray:
    if on_error not in ("skip", "raise"):
        raise ValueError(f"on_error = {on_error!r} is none: give 'skip', to go on with the other clips, or 'raise'")
    if client is not None:
        check_client(client)
    rows = job.rows(shard)
    job, place = job.begun_in_cache() if place is None else (job.begun_at(place), place)
    store = Store(job.spec(), place)
    if not store.is_complete():
        create = partial(store.create, batch_size(job.encoder, len(job.settings), CLIP_SAMPLES), cpu_threads())
        part = f"{shard[0]}-of-{shard[1]}" if shard else ""
        if part:
            with store.lock():
                create()
        # A second run waits here, and then finds the work done.
        with store.lock(part):
            create()
            bad = _fill(store, job, rows, part, client, bar, on_error)
        rows = [row for row in rows if row not in bad]
        store.check_finished(rows)
    if average:
        return store.means(rows)
    return store.latents() if len(rows) == len(job.clips) else store.latents().isel(clip=rows)


def _fill(
    store: Store, job: Job, rows: Sequence[int], part: str, client: Any, bar: Callable[..., Any], on_error: str
) -> set[int]:
    """Encode every clip of `rows` that is not in the store yet; name and return the rows that cannot be encoded."""
    plan, done = EncodingPlan(job.settings, *store.checked()), store.finished()
    todo = [row for row in rows if row not in done]
    if not todo:
        return set()
    if client is None:
        work = _fill_here(store, job, plan, todo, part)
    else:
        work = fill_on_cluster(store, job, plan, todo, part, client)
    labels = list(dict.fromkeys(setting.label for setting in job.settings))
    description = f"Listening {through(labels)} with {job.encoder.name}"
    stages: StageSeconds = {}
    bad: dict[int, str] = {}
    with (
        store.explaining_a_full_disk(),
        closing(work),
        bar(total=len(rows), initial=len(rows) - len(todo), desc=description, unit="clip") as progress,
    ):
        for count, faults, spent in work:
            if faults and on_error == "raise":
                raise next(iter(faults.values()))
            # As text: an error's traceback would keep the clip's sound in memory.
            bad |= {row: _sentence(job.clips, row, error) for row, error in faults.items()}
            add_seconds(stages, spent)
            progress.set_postfix_str(time_shares(stages), refresh=False)
            progress.update(count)
        if bad:
            _tell(job.clips, rows, bad, progress)
    return set(bad)


def _sentence(clips: ClipSet, row: int, error: Exception) -> str:
    file = clips.table["file"].iat[row]
    return str(error) if file in str(error) else f"{file}: {error}"


def _tell(clips: ClipSet, rows: Sequence[int], bad: Mapping[int, str], progress: Any) -> None:
    """Name the clips that could not be encoded; raise ValueError if none of `rows` could."""
    few = "; ".join(list(bad.values())[:SHOWN]) + (f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
    if len(bad) == len(rows):
        raise ValueError(f"none of {len(rows)} clips could be encoded: {few}")
    skipped = {str(clips.table["clip"].iat[row]): reason for row, reason in sorted(bad.items())}
    if hasattr(progress, "skipped"):
        progress.skipped(skipped)
    else:
        told = f"{len(bad)} of {len(rows)} clips could not be encoded and are left out, to be tried again next time"
        warnings.warn(SkippedClips(f"{told}: {few}", skipped), stacklevel=5)


def _fill_here(
    store: Store, job: Job, plan: EncodingPlan, rows: Sequence[int], part: str
) -> Generator[Step, None, None]:
    """Yield a step for each clip, encoded on this machine; the next clip is encoded while one is written."""

    def write(row: int, found: Outcome) -> dict[int, Exception]:
        found = keep_latents(str(store), row, job.clips[row : row + 1], job.hashes[row], found)
        if isinstance(found, Exception):
            return {row: found}
        store.record({row: found}, part)
        return {}

    # Leaving this block waits for the clip that is being written, whatever ended the loop.
    with ThreadPoolExecutor(1, thread_name_prefix="write") as disk:
        stages: StageSeconds = {}
        written: Future | None = None
        latents = encoded(job.clips[rows], OncePerProcess(lambda: job.encoder), plan, stages)
        with closing(latents):
            for row, one in zip(rows, latents, strict=True):
                before, written = written, disk.submit(write, row, one)
                if before is not None:
                    with timed(stages, "write"):
                        bad = before.result()
                    yield 1, bad, stages
                    stages.clear()
        if written is not None:
            with timed(stages, "write"):
                bad = written.result()
            yield 1, bad, stages
