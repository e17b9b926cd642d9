"""A store's ledgers: which clips are finished, with their time averages and checksums.

A writer adds a record to its own ledger after the clip's shard is on disk. A clip without an intact record in any
ledger is encoded again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

LEDGER = "latents/ledger"  # inside the array's folder, where zarr looks for chunks only


def checksum_of(document: Mapping[str, Any]) -> int:
    """Return the crc32c of zarr.json without the checksums themselves and what zarr may add for speed."""
    attributes = {name: value for name, value in document["attributes"].items() if name != "checksums"}
    kept = [document.get("zarr_format"), document.get("node_type"), attributes]
    return google_crc32c.value(json.dumps(kept, sort_keys=True).encode())


def ledgers(names: Iterable[str]) -> list[str]:
    """Return the ledgers among the names of files in the array's folder."""
    found = (f"latents/{name}" for name in names)
    return sorted(one for one in found if one.startswith(LEDGER) and not one.endswith(".partial"))


def record_type(shape: tuple[int, ...]) -> np.dtype:
    """Return the type of one finished clip's record: its row, its time averages `shape` and a checksum over both."""
    return np.dtype([("row", "<u4"), ("means", "<f4", shape), ("crc", "<u4")])


def record(row: int, means: NDArray[np.float32]) -> bytes:
    """Return the record of a finished clip, with its time averages `[setting dim]`, as bytes."""
    one = np.zeros((), record_type(means.shape))
    one["row"], one["means"] = row, means
    one["crc"] = checksum(one)
    return one.tobytes()


def read_records(content: bytes, record_type: np.dtype) -> dict[int, NDArray[np.float32]]:
    """Return row -> time averages of every intact record."""
    return {int(one["row"]): one["means"] for one in records(content, record_type) if one["crc"] == checksum(one)}


def records(content: bytes, record_type: np.dtype) -> NDArray[np.void]:
    """Return all records, intact or not, without an unfinished one at the end."""
    whole = len(content) // record_type.itemsize * record_type.itemsize
    return np.frombuffer(content[:whole], record_type)


def checksum(record: np.void | NDArray[np.void]) -> int:
    """Return the checksum over all of a record but its own checksum."""
    return zlib.crc32(record.tobytes()[:-4])
