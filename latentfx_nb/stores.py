"""Latents on disk: a zarr group that survives being killed, on this machine or at a URL that fsspec knows.

A store has one shard a clip, so that one render is read alone and one clip is written at once. Chunks carry a checksum.
A ledger beside them gets a record, with the clip's time averages, after its shard is on disk: what has no record, or
no whole shard, is encoded again. Several writers may fill one store, each with a ledger of its own: shards take their
names only when they are whole, and whoever writes a clip writes the same bits.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import uuid
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import xarray as xr
import zarr
from filelock import FileLock
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.codecs.numcodecs import AsType

from latentfx_nb.cache import check_space
from latentfx_nb.shards import read_lazily, shard_bytes, shard_name

# What zarr says of storing float16 and text is known here: both are stored as its own codecs define.
warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3 specification")
warnings.filterwarnings("ignore", message="The data type .* does not have a Zarr V3 specification")

FORMAT = 1
"""Version of the store's layout; a store of another version is refused, never read or overwritten."""

LEDGER = "latents/ledger"  # inside the array's folder, where zarr looks for chunks only


@dataclass(frozen=True)
class Content:
    """What a store is to hold: latents `(clip, *, dim, frame)`, their labels, and a hash of each thing they depend on.

    The second dim is `effect` or `value`. `parts` are named, so that a refusal can say what differs.
    """

    shape: tuple[int, int, int, int]
    axis: str
    coordinates: Mapping[str, xr.Variable]
    attributes: Mapping[str, Any]
    parts: Mapping[str, str]


class Store:
    """The store of `content` at a path or URL, there or not, complete or not."""

    def __init__(self, content: Content, place: str | Path) -> None:
        self.content = content
        self.folder = _Local(Path(place).expanduser().absolute()) if _is_local(place) else _Remote(str(place))

    def __str__(self) -> str:
        return self.folder.place

    def lock(self, part: str = "") -> AbstractContextManager:
        """Return what keeps a second writer of the same part out: nothing can at a URL."""
        return self.folder.lock(part)

    def create(self, batch: int, threads: int) -> None:
        """Make the empty store, unless it is there.

        The batch and the encoder's threads are part of it: others may round differently, and whoever goes on with it
        has to give the same bits. Raises OSError if the disk cannot hold the latents.
        """
        if self.folder.exists():
            return
        content = self.content
        with self.folder.creating(2 * int(np.prod(content.shape))) as place:
            skeleton = xr.Dataset(coords=content.coordinates, attrs=content.attributes)
            skeleton.to_zarr(place, mode="w", consolidated=False)
            group = zarr.open_group(place, mode="r+")
            _create_array(group, content.shape, content.axis)
            group.attrs.update({"format": FORMAT, "parts": dict(content.parts), "batch": batch, "threads": threads})

    def checked(self) -> tuple[int, int | None]:
        """Return batch and threads with which this store is encoded; raise ValueError if it holds anything else.

        The threads of stores that were begun before there was a choice are None.
        """
        try:
            attributes = json.loads(self.folder.read("zarr.json"))["attributes"]
            found, parts, batch = attributes["format"], attributes["parts"], attributes["batch"]
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{self} is not a store of latents; give another path, or delete it") from error
        if found != FORMAT:
            raise ValueError(
                f"{self} was written in format {found} and this version reads format {FORMAT}; it is left as it "
                "is: give another path, or delete it and encode again"
            )
        differing = [name for name, digest in self.content.parts.items() if parts.get(name) != digest]
        if differing:
            raise ValueError(
                f"{self} holds another data set (its {' and '.join(differing)} differ); it is left as it is: "
                "give another path, or none to have one chosen"
            )
        return batch, attributes.get("threads")

    def is_complete(self) -> bool:
        """Say whether it is there and every clip in it; raise ValueError if something else is there."""
        if not self.folder.exists():
            return False
        self.checked()
        return len(self.finished()) == self.content.shape[0]

    def finished(self) -> dict[int, NDArray[np.float32]]:
        """Return row -> time averages `[setting dim]` of the clips that a ledger lists and whose shard is whole."""
        sizes = self.folder.sizes("latents")
        ledgers = [f"latents/{name}" for name in sizes if f"latents/{name}".startswith(LEDGER)]
        listed = {}
        for ledger in sorted(ledgers):
            listed |= _read_records(self.folder.read(ledger), _record_type(self.content.shape[1:3]))
        whole = shard_bytes(self.content.shape)
        return {row: means for row, means in listed.items() if sizes.get(shard_name(row)) == whole}

    def record(self, means: Mapping[int, NDArray[np.float32]], part: str = "") -> None:
        """List clips whose shards are on disk, with their time averages, in the ledger of this part."""
        records = b"".join(_record(row, one) for row, one in means.items())
        with self.keeping():
            self.folder.append(
                f"{LEDGER}{part and '.'}{part}.bin", records, _record_type(self.content.shape[1:3]).itemsize
            )

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Say of a full disk what it did not cost."""
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            message = f"the disk of {self} is full; {len(self.finished())} finished clips are kept: free space and "
            raise OSError(errno.ENOSPC, f"{message}run it again") from error

    def latents(self) -> xr.DataArray:
        """Return the latents, float32, read lazily.

        Where a chunk is read whose checksum differs, ValueError is raised; a shard that is not there reads as NaN.
        """
        content = self.content
        array = xr.DataArray(self.folder.latents(("clip", content.axis, "dim", "frame"), content.shape), name="latents")
        array = array.assign_coords(content.coordinates)  # labels may have been corrected since
        array.attrs = dict(content.attributes)
        array.encoding["source"] = str(self)
        return array

    def means(self, rows: list[int] | None = None) -> xr.DataArray:
        """Return the time averages of finished clips, as exact as they were encoded."""
        finished = self.finished()
        content = self.content
        rows = list(range(content.shape[0])) if rows is None else rows
        kept = {name: v for name, v in content.coordinates.items() if "frame" not in v.dims}
        kept = {name: v[rows] if v.dims == ("clip",) else v for name, v in kept.items()}
        array = np.array([finished[row] for row in rows], np.float32).reshape(len(rows), *content.shape[1:3])
        return xr.DataArray(array, kept, ("clip", content.axis, "dim"), attrs=dict(content.attributes))


def write_clip(place: str, row: int, latents: NDArray[np.float32]) -> None:
    """Write one clip's latents `[setting dim frame]` into the store at `place`, whole or not at all."""
    array = zarr.open_group(place, mode="r+")["latents"]
    if _is_local(place):
        # zarr reads a shard before it writes one, and a torn one would stop it.
        shard = Path(place, "latents", shard_name(row))
        if shard.exists() and shard.stat().st_size != shard_bytes(array.shape):
            shard.unlink()
    array[row] = latents


def _create_array(group: zarr.Group, shape: tuple[int, int, int, int], axis: str) -> None:
    _, settings, dim, frames = shape
    group.create_array(
        "latents",
        shape=shape,
        dtype="float32",
        chunks=(1, 1, dim, frames),
        shards=(1, settings, dim, frames),
        filters=[AsType(encode_dtype="float16", decode_dtype="float32")],
        compressors=[Crc32cCodec()],  # latents barely compress: a checksum is worth more
        chunk_key_encoding={"name": "default", "separator": "."},
        fill_value=float("nan"),  # not even a shard deleted behind our back reads as zeros
        dimension_names=("clip", axis, "dim", "frame"),
    )


# ------------------------------------------------------------------------------------------------------------ ledger


def _record_type(shape: tuple[int, int]) -> np.dtype:
    """Return the record of one finished clip: its row, its time averages and a checksum over both."""
    return np.dtype([("row", "<u4"), ("means", "<f4", shape), ("crc", "<u4")])


def _record(row: int, means: NDArray[np.float32]) -> bytes:
    record = np.zeros((), _record_type(means.shape))
    record["row"], record["means"] = row, means
    record["crc"] = _checksum(record)
    return record.tobytes()


def _read_records(content: bytes, record_type: np.dtype) -> dict[int, NDArray[np.float32]]:
    """Return row -> time averages of every record that is whole."""
    whole = len(content) // record_type.itemsize * record_type.itemsize
    records = np.frombuffer(content[:whole], record_type)
    return {int(one["row"]): one["means"] for one in records if one["crc"] == _checksum(one)}


def _checksum(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[:-4])


# ----------------------------------------------------------------------------------------------------------- folders


def _is_local(place: str | Path) -> bool:
    return isinstance(place, Path) or "://" not in place


class _Local:
    """A store's folder on a disk of this machine, or one that it has mounted."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, str(path)

    def exists(self) -> bool:
        return self.path.exists()

    def lock(self, part: str) -> AbstractContextManager:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.path}{part and '.'}{part}.lock")

    @contextmanager
    def creating(self, size: int) -> Iterator[str]:
        """Give the name of a folder to fill, which takes its own once it is whole."""
        check_space(self.path.parent, size)
        scratch = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=self.path.name, suffix=".partial"))
        try:
            yield str(scratch)
            scratch.rename(self.path)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def latents(self, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Variable:
        return xr.Variable(dims, read_lazily(self.path / "latents", shape))

    def sizes(self, name: str) -> dict[str, int]:
        return {entry.name: entry.stat().st_size for entry in os.scandir(self.path / name)}

    def append(self, name: str, records: bytes, record_bytes: int) -> None:
        """Add records and wait until they are on disk; an unfinished one at the end is written over."""
        path = self.path / name
        path.touch()
        with open(path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.truncate(size - size % record_bytes)
            file.seek(0, os.SEEK_END)
            file.write(records)
            file.flush()
            os.fsync(file.fileno())


class _Remote:
    """A store's folder at a URL: object storage, whose objects are written whole and never added to."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/")
        self._files, self._root = fsspec.core.url_to_fs(self.place)

    def exists(self) -> bool:
        self._files.invalidate_cache()
        return self._files.exists(f"{self._root}/zarr.json")

    def lock(self, part: str) -> AbstractContextManager:
        return nullcontext()

    @contextmanager
    def creating(self, size: int) -> Iterator[str]:
        yield self.place  # its attributes are written last, and without them it is no store

    def read(self, name: str) -> bytes:
        return self._files.cat_file(f"{self._root}/{name}")

    def latents(self, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Variable:
        return xr.open_zarr(self.place, chunks=None, consolidated=False)["latents"].variable

    def sizes(self, name: str) -> dict[str, int]:
        self._files.invalidate_cache()
        found = self._files.ls(f"{self._root}/{name}", detail=True)
        return {one["name"].rpartition("/")[2]: one["size"] for one in found}

    def append(self, name: str, records: bytes, record_bytes: int) -> None:
        """Add records in an object of their own."""
        self._files.pipe_file(f"{self._root}/{name}.{uuid.uuid4().hex}", records)
