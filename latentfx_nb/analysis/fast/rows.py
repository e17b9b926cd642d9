"""Rows of features to learn from, in memory or in a store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import RawIOBase

import numpy as np
from numpy.typing import NDArray

SCORE_BYTES = 2**28  # of features scored, or copied to a GPU, at a time


class Rows:
    """Features `[row feature]`, float32 or float16, in memory."""

    def __init__(self, values: NDArray[np.floating]) -> None:
        self.values, self.shape = np.ascontiguousarray(values), values.shape

    def parts(self, rows: NDArray[np.intp], batch: int) -> Iterator[tuple[NDArray, NDArray[np.intp], slice]]:
        """Yield pieces of `rows`, each made of whole batches: a matrix, the numbers of its rows there, its place."""
        yield readable(self.values), rows, slice(None)

    def read(self, rows: slice) -> NDArray[np.floating]:
        """Return consecutive rows `[row feature]`."""
        return self.values[rows]


class StoredRows(Rows):
    """Features `[row feature]` in a file of float16, opened unbuffered, of which only batches are ever in memory."""

    def __init__(self, file: RawIOBase, shape: tuple[int, int]) -> None:
        self._file, self.shape = file, shape
        self._turn = threading.Lock()  # a file has one position

    def parts(self, rows: NDArray[np.intp], batch: int) -> Iterator[tuple[NDArray, NDArray[np.intp], slice]]:
        buffer = np.empty((batch, self.shape[1]), np.float16)
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            for line, row in zip(buffer, some, strict=False):
                self._fill(line, int(row))
            yield readable(buffer[: len(some)]), np.arange(len(some)), slice(start, start + batch)

    def read(self, rows: slice) -> NDArray[np.float16]:
        start, stop, _ = rows.indices(self.shape[0])
        block = np.empty((stop - start, self.shape[1]), np.float16)
        self._fill(block, start)
        return block

    def _fill(self, block: NDArray[np.float16], row: int) -> None:
        left = memoryview(block.reshape(-1).view(np.uint8))
        with self._turn:
            self._file.seek(row * self.shape[1] * block.itemsize)
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise OSError(f"the scratch file of the features ended early, at row {row}: run it again")
                left = left[count:]


def readable(values: NDArray[np.floating]) -> NDArray:
    """Return `values` as the kernels take them: numba has no float16, so its bits pass as integers."""
    return values.view(np.uint16) if values.dtype == np.float16 else values
