"""Clips x effects, or clips x knob values, as labelled latents in a store that an interrupted run goes on with.

Rendering runs ahead on threads, the encoder takes one clip's renders after the other, and a third thread writes: on one
machine, on a share of the clips for a job array, or in blocks on the workers of a Dask cluster.
"""

from __future__ import annotations

import glob
import hashlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.sound import audio
from latentfx_nb.cache import cache_dir
from latentfx_nb.sound.clips import ClipSet, SkippedFiles
from latentfx_nb.store.cluster import Loaded, check_client, run_blocks
from latentfx_nb.effects import (
    EFFECTS,
    TABLE_1,
    Setting,
    get_effect,
    render_many,
    render_versions,
    settings_hash,
    sweep_settings,
    typed,
)
from latentfx_nb.encoders import reloading
from latentfx_nb.encoders.base import Encoder, batch_size, cpu_threads, encode_inputs, model_inputs, on_threads
from latentfx_nb.paper import CLIP_SAMPLES, KNOB_VALUES, SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.store.store import Content, Store, stored_parts, stored_values, write_clip

BLOCK = 8
"""Clips in one task of a cluster: a few seconds of rendering, and what is lost with a worker that dies."""

FAULTS = (ValueError, OSError)
"""What is raised where a clip is read or rendered, and is about this clip alone."""

SHOWN = 5
"""Clips that a warning or an error names, each with its reason."""


class SkippedClips(SkippedFiles):
    """Clips could not be encoded, and the others are; `skipped` says why: clip -> a sentence that names its file."""

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
    bar: Callable[..., Any] = tqdm,
    on_error: str = "skip",
) -> xr.DataArray:
    """Return the latents `(clip, effect, dim, frame)` of every clip through every effect as Table 1 sets it.

    They are read lazily, as float32, from `store` (float16 on disk; a folder or a URL that fsspec knows; by default a
    folder of the cache named after the content), which is written with a progress bar if it is not complete yet; an
    interrupted run goes on where it stopped. `average=True` returns their means over time `(clip, effect, dim)`
    instead, kept exact in the store and there at once. `bar` is called as tqdm is, for progress shown in another way.

    A clip whose file cannot be read, or changes or goes meanwhile, and one of which the encoder makes nothing that can
    be kept, is left out of what is returned (`encoded_clips` gives the clips that are in it), and is tried again next
    time. When all others are done, a `SkippedClips` warning names it with the reason; if what `bar` returns has a
    method `skipped`, that is given clip -> reason instead. `on_error="raise"` stops there; finished clips are kept.

    With a `dask.distributed.Client` as `client` its workers do the work: they must reach the clips and the store under
    the same names. `shard=(3, 16)` encodes the third of sixteen shares of the clips and returns these, so that
    sixteen jobs with one store fill it; both give the bits that one machine gives with the same number of threads. On
    processors of other kinds the last bits are others, and no store is refused for them.

    Raises ValueError for an unknown effect, zero clips, a store that holds another data set or was written by another
    version, if no clip at all could be encoded, and OSError, with all finished clips kept, if the disk is full or
    cannot be written.
    """
    labels = [effects] if isinstance(effects, str) else list(TABLE_1 if effects is None else effects)
    settings = [Setting(label) for label in labels]
    axis = xr.Variable("effect", labels)
    return _encode(_Job(clips, encoder, settings, axis), store, client, shard, average, bar, on_error)


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
    default. Store, averages and errors are those of `encode_effects`. A store that was begun before settings had six
    digits is read and gone on with, and keeps its own: they differ from ours by less than anybody can type.
    """
    turned = get_effect(effect).knob(knob)
    settings = sweep_settings(effect, n, turned.name)
    values = np.array([setting.value for setting in settings])
    axis = xr.Variable("value", values, {"units": turned.unit, "effect": effect, "knob": turned.name})
    return _encode(_Job(clips, encoder, settings, axis), store, client, shard, average, bar, on_error)


def encoded_clips(clips: ClipSet, latents: xr.DataArray) -> ClipSet:
    """Return those of `clips` that `latents (clip, ...)` are of, row for row: some may not have been encoded."""
    rows = pd.Index(clips.table["clip"]).get_indexer(latents["clip"].values)
    return clips if np.array_equal(rows, np.arange(len(clips))) else clips[rows]


@dataclass(frozen=True)
class _Job:
    """What one store holds: the renders of `clips` that `settings` name, through `encoder`."""

    clips: ClipSet
    encoder: Encoder
    settings: Sequence[Setting]
    axis: xr.Variable  # the second dim and its coordinate

    def __post_init__(self) -> None:
        if not len(self.clips):
            raise ValueError("there are no clips to encode; load_clips('bundled') gives 64")
        if not self.settings:
            raise ValueError(f"there are no effects to render; choose some of {', '.join(EFFECTS)}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        samples = audio.samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, self.encoder.sample_rate)
        return len(self.clips), len(self.settings), self.encoder.dim, self.encoder.frames(samples)

    @cached_property
    def hashes(self) -> list[str]:
        """Those of the clips as the work begins: what changes later is another clip."""
        return self.clips.hashes()

    @cached_property
    def parts(self) -> dict[str, str]:
        """A hash for each thing that the latents depend on, so that a refusal can name what differs."""
        return {
            "clips": _hash(self.hashes),
            "effects": settings_hash(self.settings),
            "encoder": _hash([self.encoder.name, self.encoder.weights_hash]),
        }

    def coordinates(self) -> dict[str, xr.Variable]:
        table = self.clips.table
        rate = self.encoder.frame_rate
        times = (np.arange(self.shape[3]) + 0.5) / rate if rate else np.zeros(1)
        return {
            "clip": xr.Variable("clip", table["clip"].to_numpy(object)),
            "instrument": xr.Variable("clip", table["instrument"].to_numpy(object)),
            "recording": xr.Variable("clip", table["recording"].to_numpy(object)),
            self.axis.dims[0]: self.axis.astype(object) if self.axis.dtype.kind == "U" else self.axis,
            "dim": xr.Variable("dim", np.arange(self.shape[2])),
            "time_s": xr.Variable("frame", times, {"units": "s"}),
        }

    def attributes(self) -> dict:
        encoder = self.encoder
        attributes = {
            "encoder": encoder.name,
            "weights_hash": encoder.weights_hash,
            "sample_rate_hz": encoder.sample_rate,
            "frame_rate_hz": encoder.frame_rate,
            "hop": round(encoder.sample_rate / encoder.frame_rate) if encoder.frame_rate else None,
            "lufs": TARGET_LUFS,
            "clip_set": self.clips.name,
        }
        if hasattr(encoder, "seed"):
            attributes["seed"] = encoder.seed
        return {name: value for name, value in attributes.items() if value is not None}

    def content(self) -> Content:
        return Content(
            self.shape, self.axis.dims[0], self.coordinates(), self.attributes(), self.parts, render_versions()
        )

    def rows(self, shard: tuple[int, int] | None) -> list[int]:
        """Return the rows of the i-th of n shares of the clips, `shard = (i, n)`; all without one."""
        i, n = shard or (1, 1)
        if not 1 <= i <= n:
            raise ValueError(f"shard {i}/{n} is none: the first of {n} is 1/{n}, the last {n}/{n}")
        return np.array_split(np.arange(len(self.clips)), n)[i - 1].tolist()

    def default_path(self) -> Path:
        return cache_dir() / "latents" / f"{self._kind}{_hash(self.parts)[:16]}.zarr"

    @property
    def _kind(self) -> str:
        effect = self.axis.attrs.get("effect")
        return "-".join([self.encoder.name, self.axis.dims[0], *([effect] if effect else []), ""])

    def begun_at(self, place: str | Path) -> _Job:
        """Return the job with the settings of the sweep in the store there, if they are ours before these were rounded.

        Settings have had six digits since their last bits were found to differ between processors; stores that were
        begun before are named after all their bits.
        """
        if self.axis.dims[0] != "value" or stored_parts(place).get("effects") in (None, self.parts["effects"]):
            return self
        values = stored_values(place)
        if [typed(value) for value in values.tolist()] != self.axis.values.tolist():
            return self
        effect, knob = self.axis.attrs["effect"], self.axis.attrs["knob"]
        settings = [Setting(effect, value, knob) for value in values.tolist()]
        return replace(self, settings=settings, axis=self.axis.copy(data=values))

    def begun_in_cache(self) -> tuple[_Job, Path]:
        """Return where the job's store is in the cache, or is to be, and the job as `begun_at` there."""
        path = self.default_path()
        if self.axis.dims[0] == "value" and not path.exists():
            for other in sorted(path.parent.glob(f"{glob.escape(self._kind)}*.zarr")):
                with suppress(ValueError):  # of another format, or damaged: `verify` says so, nothing is written there
                    job = self.begun_at(other)
                    if job.default_path() == other:
                        return job, other
        return self, path


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _encode(
    job: _Job,
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
    store = Store(job.content(), place)
    if not store.is_complete():
        create = partial(store.create, batch_size(job.encoder, len(job.settings), CLIP_SAMPLES), cpu_threads())
        part = f"{shard[0]}-of-{shard[1]}" if shard else ""
        if part:
            with store.lock():
                create()
        # Whoever comes second waits, and then finds the work done.
        with store.lock(part):
            create()
            bad = _fill(store, job, rows, part, client, bar, on_error)
        rows = [row for row in rows if row not in bad]
        store.check_finished(rows)
    if average:
        return store.means(rows)
    return store.latents() if len(rows) == len(job.clips) else store.latents().isel(clip=rows)


def _fill(
    store: Store, job: _Job, rows: Sequence[int], part: str, client: Any, bar: Callable[..., Any], on_error: str
) -> set[int]:
    """Encode every clip of `rows` that is not in the store yet; return those that cannot be, once they are told."""
    way, done = _Way(job.settings, *store.checked()), store.finished()
    todo = [row for row in rows if row not in done]
    if not todo:
        return set()
    if client is None:
        work = _fill_here(store, job, way, todo, part)
    else:
        work = _fill_on_cluster(store, job, way, todo, part, client)
    description = f"{job.encoder.name}: {' '.join(dict.fromkeys(setting.label for setting in job.settings))}"
    stages, bad = Counter(), {}
    with (
        store.keeping(),
        closing(work),
        bar(total=len(rows), initial=len(rows) - len(todo), desc=description, unit="clip") as progress,
    ):
        for count, faults, spent in work:
            if faults and on_error == "raise":
                raise next(iter(faults.values()))
            # Words alone: an error's traceback keeps alive the sound that it was raised over.
            bad |= {row: _sentence(job.clips, row, error) for row, error in faults.items()}
            stages.update(spent)
            progress.set_postfix_str(_shares(stages), refresh=False)
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


@dataclass(frozen=True)
class _Way:
    """How each clip of a store is encoded, whoever does it, so that all give the same bits."""

    settings: Sequence[Setting]
    batch: int
    threads: int | None


Stages = Counter[str]
"""Seconds that were spent waiting for renders, for the encoder and for the disk."""


def _shares(stages: Stages) -> str:
    """Return where time goes, for the progress line: "render 61%, encode 30%, write 9%"."""
    total = sum(stages.values()) or 1.0
    return ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in stages.items())


@contextmanager
def _timed(stages: Stages, stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[stage] += time.perf_counter() - start


Found = NDArray[np.float32] | Exception
"""What became of a clip: its latents `[setting dim frame]`, or their averages, or what is wrong with it."""


def _encoded(clips: ClipSet, loaded: Loaded, way: _Way, stages: Stages, workers: int | None = None) -> Iterator[Found]:
    """Yield the latents of one clip after the other, or what is wrong; renders are made ahead, on other threads."""
    encoder = loaded.get()
    renders = render_many(clips, way.settings, workers=workers, then=partial(model_inputs, encoder), faults=FAULTS)
    with closing(renders):
        for _ in range(len(clips)):
            with _timed(stages, "render"):
                found = next(renders)
            if not isinstance(found, Exception):
                with _timed(stages, "encode"), loaded.turn, on_threads(way.threads):
                    found = _latents(encoder, found, way.batch)
            yield found


def _latents(encoder: Encoder, inputs: NDArray[np.float32], batch: int) -> Found:
    """Return the latents of one clip's renders, or the ValueError that they are none which can be kept."""
    try:
        batches = [inputs[i : i + batch] for i in range(0, len(inputs), batch)]
        latents = np.concatenate([encode_inputs(encoder, one) for one in batches])
        if np.abs(latents).max() > np.finfo(np.float16).max:
            raise ValueError(f"{encoder.name} gave latents beyond 65504, which float16 cannot hold; scale them")
    except ValueError as error:
        return error
    return latents


def _written(place: str, row: int, clip: ClipSet, digest: str, found: Found) -> Found:
    """Write a clip's latents into the store at `place` and return their time averages, or what is wrong with it."""
    found = _changed(clip, digest) or found
    if isinstance(found, Exception):
        return found
    write_clip(place, row, found)
    return found.mean(axis=-1)


class _Changed(ValueError):
    """A clip's file is not the one any more after which the store was named."""


def _changed(clip: ClipSet, digest: str) -> _Changed | None:
    """Return what to say of a single clip if its file is another than when its `digest` was taken."""
    file = clip.table["file"].iat[0]
    if clip.hashes() == [digest] and Path(file).is_file():
        return None
    return _Changed(f"{file} changed while it was encoded, or is gone; load the clips anew and run it again")


Step = tuple[int, dict[int, Exception], Stages]
"""How many clips are done with, which of them are bad and why, and the time they took."""


def _fill_here(store: Store, job: _Job, way: _Way, rows: Sequence[int], part: str) -> Iterator[Step]:
    """Yield a step for each clip; the next one is encoded while it is written."""

    def write(row: int, found: Found) -> dict[int, Exception]:
        found = _written(str(store), row, job.clips[row : row + 1], job.hashes[row], found)
        if isinstance(found, Exception):
            return {row: found}
        store.record({row: found}, part)
        return {}

    # Its end waits for what is being written, whatever ended the loop.
    with ThreadPoolExecutor(1, thread_name_prefix="write") as disk:
        stages: Stages = Counter()
        written: Future | None = None
        latents = _encoded(job.clips[rows], Loaded(lambda: job.encoder), way, stages)
        with closing(latents):
            for row, one in zip(rows, latents, strict=True):
                before, written = written, disk.submit(write, row, one)
                if before is not None:
                    with _timed(stages, "write"):
                        bad = before.result()
                    yield 1, bad, stages
                    stages.clear()
        with _timed(stages, "write"):
            bad = written.result()
        yield 1, bad, stages


# ----------------------------------------------------------------------------------------------------- on a cluster


@dataclass(frozen=True)
class _Block:
    """What one task encodes, and what must be the same where it runs as where it was asked for."""

    rows: Sequence[int]
    clips: ClipSet
    hashes: Sequence[str]
    way: _Way
    renders: str  # hash of the settings and of the libraries that render them
    place: str


def _fill_on_cluster(store: Store, job: _Job, way: _Way, rows: Sequence[int], part: str, client: Any) -> Iterator[Step]:
    """Yield a step for each block that a worker has written; here it is listed."""
    blocks = []
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        known = [job.hashes[row] for row in some]
        blocks.append(_Block(some, job.clips[some], known, way, job.parts["effects"], str(store)))
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


def _sees_other_files(job: _Job, bad: Mapping[int, Exception]) -> bool:
    """Say whether a worker found every file of a block changed, and here one of them is as it was."""
    return all(isinstance(error, _Changed) for error in bad.values()) and any(
        _changed(job.clips[row : row + 1], job.hashes[row]) is None for row in bad
    )


def _encode_block(loaded: Loaded, block: _Block) -> tuple[dict[int, NDArray[np.float32]], dict[int, Exception], Stages]:
    """Encode and write a block, on a worker; return time averages or what is wrong by row, and the time it took."""
    if settings_hash(block.way.settings) != block.renders:
        raise ValueError(
            "this worker has another version of pedalboard or pyloudnorm: install the same on all machines"
        )
    means, bad, stages = {}, {}, Counter()
    # Tasks on one worker render side by side, and take turns at the encoder.
    latents = _encoded(block.clips, loaded, block.way, stages, workers=1)
    with closing(latents):
        for place, (row, one) in enumerate(zip(block.rows, latents, strict=True)):
            with _timed(stages, "write"):
                found = _written(block.place, row, block.clips[place : place + 1], block.hashes[place], one)
            if isinstance(found, np.ndarray):
                means[row] = found
            else:  # as what every machine can read back: errors of libraries need not be
                bad[row] = found if isinstance(found, _Changed) else ValueError(str(found))
    return means, bad, stages
