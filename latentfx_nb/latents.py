"""Clips x effects, or clips x knob values, as labelled latents in a store that survives being killed.

A store is a zarr group with one shard a clip, so that one render is read alone and one clip is written at once. Chunks
carry a checksum. `ledger.bin` beside them gets a record, with the clip's time averages, after its shard is on
disk: what has no record, or no whole shard, is encoded again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock
from numpy.typing import NDArray
from tqdm.auto import tqdm
from zarr.codecs import Crc32cCodec
from zarr.codecs.numcodecs import AsType

from latentfx_nb import audio
from latentfx_nb.cache import cache_dir, check_space
from latentfx_nb.clips import ClipSet
from latentfx_nb.effects import EFFECTS, Setting, get_effect, render_many, settings_hash
from latentfx_nb.encoders.base import Encoder, batch_size, encode_clips
from latentfx_nb.paper import CLIP_SAMPLES, KNOB_VALUES, SAMPLE_RATE_HZ, TARGET_LUFS

# What zarr says of storing float16 and text is known here: both are stored as its own codecs define.
warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3 specification")
warnings.filterwarnings("ignore", message="The data type .* does not have a Zarr V3 specification")

FORMAT = 1
"""Version of the store's layout; a store of another version is refused, never read or overwritten."""

LEDGER = "latents/ledger.bin"  # inside the array's folder, where zarr looks for chunks only


def encode_effects(
    clips: ClipSet,
    encoder: Encoder,
    effects: str | Sequence[str] | None = None,
    store: str | Path | None = None,
    *,
    average: bool = False,
    bar: Callable[..., Any] = tqdm,
) -> xr.DataArray:
    """Return the latents `(clip, effect, dim, frame)` of every clip through every effect as Table 1 sets it.

    They are read lazily, as float32, from `store` (float16 on disk; by default a folder of the cache named after the
    content), which is written with a progress bar if it is not complete yet; an interrupted run goes on where it
    stopped. `average=True` returns their means over time `(clip, effect, dim)` instead, kept exact in the store and
    there at once. `bar` is called as tqdm is, for progress shown in another way.

    Raises ValueError for an unknown effect, zero clips, a store that holds another data set or was written by another
    version, and OSError, with all finished clips kept, if the disk is full.
    """
    labels = [effects] if isinstance(effects, str) else list(EFFECTS if effects is None else effects)
    settings = [Setting(label) for label in labels]
    axis = xr.Variable("effect", labels)
    return _encode(_Job(clips, encoder, settings, axis), store, average, bar)


def encode_sweep(
    clips: ClipSet,
    encoder: Encoder,
    effect: str,
    n: int = KNOB_VALUES,
    knob: str | None = None,
    store: str | Path | None = None,
    *,
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
    return _encode(_Job(clips, encoder, settings, axis), store, average, bar)


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

    def default_path(self) -> Path:
        kind = "-".join([self.axis.dims[0], *filter(None, [self.axis.attrs.get("effect")])])
        return cache_dir() / "latents" / f"{self.encoder.name}-{kind}-{_hash(self.parts)[:16]}.zarr"


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _encode(job: _Job, path: str | Path | None, average: bool, bar: Callable[..., Any]) -> xr.DataArray:
    path = job.default_path() if path is None else Path(path).expanduser()
    if not (path.exists() and _Store(job, path).is_complete()):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever comes second waits, and then finds the work done.
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _create(job, path)
            _Store(job, path).fill(bar)
    store = _Store(job, path)
    return store.means() if average else store.latents()


def _create(job: _Job, path: Path) -> None:
    """Make an empty store under another name and give it its own when it is whole."""
    check_space(path.parent, 2 * int(np.prod(job.shape)))
    scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=path.name, suffix=".partial"))
    try:
        skeleton = xr.Dataset(coords=job.coordinates(), attrs=job.attributes())
        skeleton.to_zarr(scratch, mode="w", consolidated=False)
        _create_array(job, zarr.open_group(scratch, mode="r+"))
        (scratch / LEDGER).touch()
        scratch.rename(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _create_array(job: _Job, group: zarr.Group) -> None:
    _, settings, dim, frames = job.shape
    group.create_array(
        "latents",
        shape=job.shape,
        dtype="float32",
        chunks=(1, 1, dim, frames),
        shards=(1, settings, dim, frames),
        filters=[AsType(encode_dtype="float16", decode_dtype="float32")],
        compressors=[Crc32cCodec()],  # latents barely compress: a checksum is worth more
        chunk_key_encoding={"name": "default", "separator": "."},
        fill_value=float("nan"),  # not even a shard deleted behind our back reads as zeros
        dimension_names=("clip", job.axis.dims[0], "dim", "frame"),
    )
    batch = batch_size(job.encoder, settings, CLIP_SAMPLES)
    # The batch is part of the store: another one may round differently, and a resumed run has to give the same bits.
    group.attrs.update({"format": FORMAT, "parts": job.parts, "batch": batch})


class _Store:
    """An existing store that holds `job`, complete or not.

    Raises ValueError if the folder holds something else.
    """

    def __init__(self, job: _Job, path: Path) -> None:
        self.job, self.path = job, path
        self._batch = self._checked_attributes()["batch"]
        self._ledger = _Ledger(path / LEDGER, job.shape[1:3])

    def _checked_attributes(self) -> dict:
        try:
            attributes = json.loads((self.path / "zarr.json").read_text())["attributes"]
            found, parts = attributes["format"], attributes["parts"]
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{self.path} is not a store of latents; give another path, or delete it") from error
        if found != FORMAT:
            raise ValueError(
                f"{self.path} was written in format {found} and this version reads format {FORMAT}; it is left as it "
                "is: give another path, or delete it and encode again"
            )
        differing = [name for name, digest in self.job.parts.items() if parts.get(name) != digest]
        if differing:
            raise ValueError(
                f"{self.path} holds another data set (its {' and '.join(differing)} differ); it is left as it is: "
                "give another path, or none to have one chosen"
            )
        return attributes

    def is_complete(self) -> bool:
        return len(self._finished()) == len(self.job.clips)

    def fill(self, bar: Callable[..., Any]) -> None:
        """Encode every clip that is not in the store yet; rendering runs ahead of the encoder on other threads."""
        done = self._finished()
        todo = [row for row in range(len(self.job.clips)) if row not in done]
        if not todo:
            return
        array = zarr.open_group(self.path, mode="r+")["latents"]
        clips, encoder, settings = self.job.clips, self.job.encoder, self.job.settings
        description = f"{encoder.name}: {' '.join(dict.fromkeys(setting.label for setting in settings))}"
        renders = render_many(clips[todo], settings)
        with closing(renders), bar(total=len(clips), initial=len(done), desc=description, unit="clip") as progress:
            for row, wet in zip(todo, renders, strict=True):
                batches = [wet[i : i + self._batch] for i in range(0, len(wet), self._batch)]
                self._write(array, row, np.concatenate([encode_clips(encoder, batch) for batch in batches]))
                progress.update()

    def _write(self, array: zarr.Array, row: int, latents: NDArray[np.float32]) -> None:
        if np.abs(latents).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"{self.job.encoder.name} gave latents beyond 65504, which float16 cannot hold; scale them"
            )
        # zarr reads a shard before it writes one, and a torn one would stop it.
        (self.path / "latents" / f"c.{row}.0.0.0").unlink(missing_ok=True)
        try:
            array[row] = latents
            self._ledger.append(row, latents.mean(axis=-1))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            kept = len(self._finished())
            message = f"the disk of {self.path} is full; {kept} finished clips are kept: free space and run it again"
            raise OSError(errno.ENOSPC, message) from error

    def _finished(self) -> dict[int, NDArray[np.float32]]:
        """Return row -> time averages of the clips that the ledger lists and whose shard is there, whole."""
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self.path / "latents")}
        _, settings, dim, frames = self.job.shape
        whole = settings * (2 * dim * frames + 4) + 16 * settings + 4  # chunks and index, each with its crc32c
        return {row: means for row, means in self._ledger.read().items() if sizes.get(f"c.{row}.0.0.0") == whole}

    def latents(self) -> xr.DataArray:
        array = xr.open_zarr(self.path, chunks=None, consolidated=False)["latents"]
        array = array.assign_coords(self.job.coordinates())  # labels may have been corrected since
        array.attrs = self.job.attributes()
        array.encoding["source"] = str(self.path)
        return array

    def means(self) -> xr.DataArray:
        finished = self._finished()
        array = np.stack([finished[row] for row in range(len(self.job.clips))])
        coordinates = {name: v for name, v in self.job.coordinates().items() if "frame" not in v.dims}
        return xr.DataArray(array, coordinates, ("clip", self.job.axis.dims[0], "dim"), attrs=self.job.attributes())


class _Ledger:
    """A file of records, one for each finished clip: its row, its time averages and a checksum over both."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self._path = path
        self._record = np.dtype([("row", "<u4"), ("means", "<f4", shape), ("crc", "<u4")])

    def read(self) -> dict[int, NDArray[np.float32]]:
        """Return row -> time averages `[setting dim]` of every record that is whole."""
        content = self._path.read_bytes()
        whole = len(content) // self._record.itemsize * self._record.itemsize
        finished = {}
        for record in np.frombuffer(content[:whole], self._record):
            if record["crc"] == self._checksum(record):
                finished[int(record["row"])] = record["means"]
        return finished

    def append(self, row: int, means: NDArray[np.float32]) -> None:
        """Add a record and wait until it is on disk; an unfinished one at the end is written over."""
        record = np.zeros((), self._record)
        record["row"], record["means"] = row, means
        record["crc"] = self._checksum(record)
        with open(self._path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.truncate(size - size % self._record.itemsize)
            file.seek(0, os.SEEK_END)
            file.write(record.tobytes())
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _checksum(record: np.void) -> int:
        return zlib.crc32(record.tobytes()[:-4])
