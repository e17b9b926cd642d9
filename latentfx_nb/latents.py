"""Clips x effects, or clips x knob values, as labelled latents in a store that an interrupted run goes on with.

Rendering runs ahead on threads, the encoder takes one clip's renders after the other, and a third thread writes: on one
machine, on a share of the clips for a job array, or in blocks on the workers of a Dask cluster.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb import audio
from latentfx_nb.cache import cache_dir
from latentfx_nb.clips import ClipSet
from latentfx_nb.cluster import Loaded, run_blocks
from latentfx_nb.effects import EFFECTS, Setting, get_effect, render_many, settings_hash
from latentfx_nb.encoders import reloading
from latentfx_nb.encoders.base import Encoder, batch_size, cpu_threads, encode_inputs, model_inputs, on_threads
from latentfx_nb.paper import CLIP_SAMPLES, KNOB_VALUES, SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.stores import Content, Store, write_clip

BLOCK = 8
"""Clips in one task of a cluster: a few seconds of rendering, and what is lost with a worker that dies."""


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
) -> xr.DataArray:
    """Return the latents `(clip, effect, dim, frame)` of every clip through every effect as Table 1 sets it.

    They are read lazily, as float32, from `store` (float16 on disk; a folder or a URL that fsspec knows; by default a
    folder of the cache named after the content), which is written with a progress bar if it is not complete yet; an
    interrupted run goes on where it stopped. `average=True` returns their means over time `(clip, effect, dim)`
    instead, kept exact in the store and there at once. `bar` is called as tqdm is, for progress shown in another way.

    With a `dask.distributed.Client` as `client` its workers do the work: they must reach the clips and the store under
    the same names. `shard=(3, 16)` encodes the third of sixteen shares of the clips and returns these, so that
    sixteen jobs with one store fill it; both give the bits that one machine gives with the same number of threads.

    Raises ValueError for an unknown effect, zero clips, a store that holds another data set or was written by another
    version, for a file that changes while it is encoded, and OSError, with all finished clips kept, if the disk is full
    or cannot be written.
    """
    labels = [effects] if isinstance(effects, str) else list(EFFECTS if effects is None else effects)
    settings = [Setting(label) for label in labels]
    axis = xr.Variable("effect", labels)
    return _encode(_Job(clips, encoder, settings, axis), store, client, shard, average, bar)


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
) -> xr.DataArray:
    """Return the latents `(clip, value, dim, frame)` of every clip along `n` values of one effect's knob (Table 2).

    The coordinate `value` holds the settings, its `units` attribute their unit; `knob` is the effect's first by
    default. Store, averages and errors are those of `encode_effects`.
    """
    turned = get_effect(effect).knob(knob)
    values = turned.values(n)
    settings = [Setting(effect, value, turned.name) for value in values.tolist()]
    axis = xr.Variable("value", values, {"units": turned.unit, "effect": effect, "knob": turned.name})
    return _encode(_Job(clips, encoder, settings, axis), store, client, shard, average, bar)


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
    def parts(self) -> dict[str, str]:
        """A hash for each thing that the latents depend on, so that a refusal can name what differs."""
        return {
            "clips": _hash(self.clips.hashes()),
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
        return Content(self.shape, self.axis.dims[0], self.coordinates(), self.attributes(), self.parts)

    def rows(self, shard: tuple[int, int] | None) -> list[int]:
        """Return the rows of the i-th of n shares of the clips, `shard = (i, n)`; all without one."""
        i, n = shard or (1, 1)
        if not 1 <= i <= n:
            raise ValueError(f"shard {i}/{n} is none: the first of {n} is 1/{n}, the last {n}/{n}")
        return np.array_split(np.arange(len(self.clips)), n)[i - 1].tolist()

    def default_path(self) -> Path:
        kind = "-".join([self.axis.dims[0], *filter(None, [self.axis.attrs.get("effect")])])
        return cache_dir() / "latents" / f"{self.encoder.name}-{kind}-{_hash(self.parts)[:16]}.zarr"


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _encode(
    job: _Job,
    place: str | Path | None,
    client: Any,
    shard: tuple[int, int] | None,
    average: bool,
    bar: Callable[..., Any],
) -> xr.DataArray:
    rows = job.rows(shard)
    store = Store(job.content(), job.default_path() if place is None else place)
    if not store.is_complete():
        create = partial(store.create, batch_size(job.encoder, len(job.settings), CLIP_SAMPLES), cpu_threads())
        part = f"{shard[0]}-of-{shard[1]}" if shard else ""
        if part:
            with store.lock():
                create()
        # Whoever comes second waits, and then finds the work done.
        with store.lock(part):
            create()
            _fill(store, job, rows, part, client, bar)
        store.check_finished(rows)
    if average:
        return store.means(rows)
    return store.latents().isel(clip=rows) if shard else store.latents()


def _fill(store: Store, job: _Job, rows: Sequence[int], part: str, client: Any, bar: Callable[..., Any]) -> None:
    """Encode every clip of `rows` that is not in the store yet."""
    way, done = _Way(job.settings, *store.checked()), store.finished()
    todo = [row for row in rows if row not in done]
    if not todo:
        return
    if client is None:
        work = _fill_here(store, job, way, todo, part)
    else:
        work = _fill_on_cluster(store, job, way, todo, part, client)
    description = f"{job.encoder.name}: {' '.join(dict.fromkeys(setting.label for setting in job.settings))}"
    stages = Counter()
    with (
        store.keeping(),
        closing(work),
        bar(total=len(rows), initial=len(rows) - len(todo), desc=description, unit="clip") as progress,
    ):
        for finished, spent in work:
            stages.update(spent)
            progress.set_postfix_str(_shares(stages), refresh=False)
            progress.update(finished)


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


def _encoded(
    clips: ClipSet, loaded: Loaded, way: _Way, stages: Stages, workers: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the latents `[setting dim frame]` of one clip after the other; renders are made ahead, on other threads."""
    encoder = loaded.get()
    renders = render_many(clips, way.settings, workers=workers, then=partial(model_inputs, encoder))
    with closing(renders):
        for _ in range(len(clips)):
            with _timed(stages, "render"):
                inputs = next(renders)
            batches = [inputs[i : i + way.batch] for i in range(0, len(inputs), way.batch)]
            with _timed(stages, "encode"), loaded.turn, on_threads(way.threads):
                latents = np.concatenate([encode_inputs(encoder, batch) for batch in batches])
            if np.abs(latents).max() > np.finfo(np.float16).max:
                raise ValueError(f"{encoder.name} gave latents beyond 65504, which float16 cannot hold; scale them")
            yield latents


def _fill_here(store: Store, job: _Job, way: _Way, rows: Sequence[int], part: str) -> Iterator[tuple[int, Stages]]:
    """Yield 1 and the time it took for each clip that is written; the next one is encoded meanwhile."""

    hashes = job.clips.hashes()

    def write(row: int, latents: NDArray[np.float32]) -> None:
        _check_unchanged(job.clips, row, hashes[row])
        write_clip(str(store), row, latents)
        store.record({row: latents.mean(axis=-1)}, part)

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
                        before.result()
                    yield 1, stages
                    stages.clear()
        with _timed(stages, "write"):
            written.result()
        yield 1, stages


def _check_unchanged(clips: ClipSet, row: int, digest: str) -> None:
    """Raise ValueError if a clip's file is not the one any more after which the store was named."""
    if clips[row : row + 1].hashes() != [digest]:
        raise ValueError(
            f"{clips.table['file'].iat[row]} changed while it was encoded; the clips before it are kept: load the "
            "clips anew and run it again"
        )


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


def _fill_on_cluster(
    store: Store, job: _Job, way: _Way, rows: Sequence[int], part: str, client: Any
) -> Iterator[tuple[int, Stages]]:
    """Yield the number of clips and the time of each block that a worker has written; here it is listed."""
    hashes = job.clips.hashes()
    blocks = []
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        known = [hashes[row] for row in some]
        blocks.append(_Block(some, job.clips[some], known, way, job.parts["effects"], str(store)))
    found = run_blocks(client, _encode_block, blocks, reloading(job.encoder))
    with closing(found):
        for means, stages in found:
            store.record(means, part)
            yield len(means), stages


def _encode_block(loaded: Loaded, block: _Block) -> tuple[dict[int, NDArray[np.float32]], Stages]:
    """Encode and write a block, on a worker; return the time averages of its rows, and the time it took."""
    if block.clips.hashes() != list(block.hashes):
        raise ValueError(
            f"files of {block.clips.name!r} differ on this worker: all machines must see the same folder of clips"
        )
    if settings_hash(block.way.settings) != block.renders:
        raise ValueError(
            "this worker has another version of pedalboard or pyloudnorm: install the same on all machines"
        )
    means, stages = {}, Counter()
    # Tasks on one worker render side by side, and take turns at the encoder.
    latents = _encoded(block.clips, loaded, block.way, stages, workers=1)
    with closing(latents):
        for place, (row, one) in enumerate(zip(block.rows, latents, strict=True)):
            with _timed(stages, "write"):
                _check_unchanged(block.clips, place, block.hashes[place])
                write_clip(block.place, row, one)
            means[row] = one.mean(axis=-1)
    return means, stages
