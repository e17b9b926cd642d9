"""The shards of a store on this machine's disks, read as they lie: one seek, one checksum, one conversion a render.

zarr, which writes them, spends half a millisecond of Python on each chunk; a pass over ten thousand renders would take
seconds. The layout is zarr's `sharding_indexed`: chunks in any order, each followed by its crc32c, then an index of
their offsets and lengths with a crc32c of its own. The bytes, and what is missing or changed, mean what they mean there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

READERS = 2  # threads: one converts while the other waits for the disk or the next checksum
INTACT = 0x48674BC7  # the crc32c of any bytes that their own crc32c follows
MISSING = 2**64 - 1  # offset and length of a chunk that was never written


class Shards(BackendArray):
    """Latents `(clip, setting, dim, frame)` as xarray reads them lazily: float32, from float16 in one shard a clip.

    What is missing reads as NaN; bytes that changed raise ValueError.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder, self.shape, self.dtype = folder, shape, np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        axes = [np.arange(size)[one] for size, one in zip(self.shape, key, strict=True)]
        rows, settings, *_ = map(np.atleast_1d, axes)
        dims, frames = (slice(axis, axis + 1) if axis.ndim == 0 else one for axis, one in zip(axes[2:], key[2:]))
        found = np.empty([axis.size for axis in axes], np.float32)

        def read(place: int) -> None:
            chunks = _chunks(self.folder / shard_name(rows[place]), settings, self.shape)
            for one, chunk in zip(found[place], chunks):
                if chunk is None:
                    one.fill(np.nan)
                else:
                    widen(chunk[dims][:, frames], one)

        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, range(len(rows))))
        return found.reshape([axis.size for axis in axes if axis.ndim])


def read_lazily(folder: Path, shape: tuple[int, ...]) -> indexing.CopyOnWriteArray:
    """Return what an xarray variable holds for latents on disk: read when asked for, and not kept."""
    return indexing.CopyOnWriteArray(indexing.LazilyIndexedArray(Shards(folder, shape)))


def shard_name(row: int) -> str:
    """Return the name of a clip's file in the array's folder."""
    return f"c.{row}.0.0.0"


def shard_bytes(shape: tuple[int, ...]) -> int:
    """Return the size of a whole shard: chunks and index, each with its crc32c."""
    return shape[1] * _chunk_bytes(shape) + _index_bytes(shape)


def _chunk_bytes(shape: tuple[int, ...]) -> int:
    return 2 * shape[2] * shape[3] + 4


def _index_bytes(shape: tuple[int, ...]) -> int:
    return 16 * shape[1] + 4


def _chunks(path: Path, settings: NDArray[np.intp], shape: tuple[int, ...]) -> list[NDArray[np.float16] | None]:
    """Return the chunks `[dim frame]` of some settings; None for those that are not there."""
    try:
        file = open(path, "rb", buffering=0)
    except FileNotFoundError:
        return [None] * len(settings)
    with file:
        file.seek(max(0, file.seek(0, 2) - _index_bytes(shape)))
        index = np.frombuffer(_intact(file, _index_bytes(shape)), "<u8").reshape(-1, 2)
        found = []
        for offset, length in index[settings].tolist():
            if offset == length == MISSING:
                found.append(None)
                continue
            file.seek(offset)
            found.append(np.frombuffer(_intact(file, length), "<f2").reshape(shape[2:]))
    return found


def _intact(file: BinaryIO, length: int) -> memoryview:
    """Return the next bytes of the file without the checksum at their end."""
    content = file.read(length)
    if len(content) < length or google_crc32c.value(content) != INTACT:
        raise ValueError(f"{file.name} fails its crc32c checksum: delete this file, and encode again what it held")
    return memoryview(content)[:-4]


def widen(half: NDArray[np.float16], out: NDArray[np.float32]) -> None:
    """Write float16 values as float32, exactly as numpy does, which takes three times as long: one after the other."""
    bits = half.view(np.uint16)
    np.left_shift(bits & 0x7FFF, 13, out=out.view(np.uint32), dtype=np.uint32)
    out *= np.float32(2.0**112)  # moves the exponent's zero from 15 to 127, and makes subnormal numbers normal ones
    if out.size and out.max() >= 2.0**16:  # infinity and NaN have no place on float16's own scale
        out[...] = half
    else:
        np.bitwise_or(out.view(np.uint32), np.left_shift(bits & 0x8000, 16, dtype=np.uint32), out=out.view(np.uint32))
