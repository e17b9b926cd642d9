"""A reader of a store's shards on this machine's disks: one checksum a render, one conversion a clip.

zarr, which writes them, spends half a millisecond of Python on each chunk, so a pass over ten thousand renders would
take seconds. The layout is zarr's `sharding_indexed`: chunks in any order, each followed by its crc32c, then an index
of their offsets and lengths with a crc32c of its own. Missing and damaged chunks are treated as zarr treats them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

INTACT = 0x48674BC7  # the crc32c of any bytes that their own crc32c follows
MISSING = 2**64 - 1  # offset and length of a chunk that was never written
SIGN = -(2**31)


class ShardedArray(BackendArray):
    """Latents `(clip, setting, dim, frame)` for xarray to index lazily: float32, from float16 in one shard a clip.

    What is missing reads as NaN; bytes that changed raise ValueError.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        axes = [np.arange(size)[one] for size, one in zip(self.shape, key, strict=True)]
        rows, settings = map(np.atleast_1d, axes[:2])
        dims, frames = (one if axis.ndim else slice(axis, axis + 1) for axis, one in zip(axes[2:], key[2:]))
        found = np.empty([axis.size for axis in axes], np.float32)
        for row, latents in zip(rows, found):
            widen(self._shard(row, settings)[:, dims][:, :, frames], latents)
        return found.reshape([axis.size for axis in axes if axis.ndim])

    def _shard(self, row: int, settings: NDArray[np.intp]) -> NDArray[np.float16]:
        """Return some of a clip's chunks, `[setting dim frame]`."""
        path = self.folder / shard_name(row)
        if not path.exists():
            return np.full((len(settings), *self.shape[2:]), np.nan, "<f2")
        return self.read_file(path, settings)

    def read_file(self, path: Path, settings: NDArray[np.intp]) -> NDArray[np.float16]:
        """Return some of the chunks in a clip's file, `[setting dim frame]`; raise ValueError if one was changed."""
        found = np.empty((len(settings), *self.shape[2:]), "<f2")
        with open(path, "rb", buffering=0) as file:
            file.seek(max(0, file.seek(0, 2) - _index_bytes(self.shape)))
            index = np.frombuffer(_intact(file, _index_bytes(self.shape)), "<u8").reshape(-1, 2)
            for chunk, (offset, length) in zip(found, index[settings].tolist()):
                if offset == length == MISSING:
                    chunk.fill(np.nan)
                else:
                    file.seek(offset)
                    chunk[...] = np.frombuffer(_intact(file, length), "<f2").reshape(chunk.shape)
        return found


def _intact(file: BinaryIO, length: int) -> memoryview:
    """Return the next bytes of the file, less the checksum at their end."""
    content = file.read(length)
    if len(content) < length or google_crc32c.value(content) != INTACT:
        raise ValueError(
            f"{file.name} fails its crc32c checksum: delete this file, or let `python -m latentfx_nb verify --repair` "
            "find all that fail, and encode again what it held"
        )
    return memoryview(content)[:-4]


def is_intact(path: Path, shape: tuple[int, ...]) -> bool:
    """Say whether a clip's file is whole, and its index and every chunk in it as they were written."""
    if path.stat().st_size != shard_bytes(shape):
        return False
    shards = ShardedArray(path.parent, shape)
    try:
        shards.read_file(path, np.arange(shape[1]))
    except ValueError:
        return False
    return True


def widen(half: NDArray[np.float16], out: NDArray[np.float32]) -> None:
    """Write float16 values as float32, bit for bit as numpy does, but not one by one: in a quarter of the time."""
    bits = out.view(np.int32)
    np.left_shift(half.view(np.int16), 13, out=bits, dtype=np.int32)  # exponent and fraction are in place now,
    bits &= SIGN | 0x0FFFE000  # the sign is, once its copies below it are gone,
    out *= np.float32(2.0**112)  # and exponents count from 127, not from 15; what was subnormal becomes normal
    if out.size and (out.max() >= 2.0**16 or out.min() <= -(2.0**16)):  # the largest exponent was infinity or NaN
        out[...] = half


def read_lazily(folder: Path, shape: tuple[int, ...]) -> indexing.CopyOnWriteArray:
    """Return the data of an xarray variable of latents on disk: read whenever they are asked for, and not kept."""
    array = indexing.LazilyIndexedArray(ShardedArray(folder, shape))
    return indexing.CopyOnWriteArray(array)  # type: ignore[arg-type]  # xarray itself nests them so


def shard_name(row: int) -> str:
    """Return the name of a clip's file in the array's folder."""
    return f"c.{row}.0.0.0"


def shard_bytes(shape: tuple[int, ...]) -> int:
    """Return the size of a whole shard: chunks and index, each with its crc32c."""
    return shape[1] * (2 * shape[2] * shape[3] + 4) + _index_bytes(shape)


def _index_bytes(shape: tuple[int, ...]) -> int:
    return 16 * shape[1] + 4
