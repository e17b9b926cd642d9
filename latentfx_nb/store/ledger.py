"""A store's ledgers: which clips are complete, with their averages and checksums."""

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
    """Return the crc32c of what zarr.json says, less the checksums themselves and what zarr may add for its speed."""
    attributes = {name: value for name, value in document["attributes"].items() if name != "checksums"}
    kept = [document.get("zarr_format"), document.get("node_type"), attributes]
    return google_crc32c.value(json.dumps(kept, sort_keys=True).encode())


def ledgers(names: Iterable[str]) -> list[str]:
    """Return those of the files in the array's folder that list clips."""
    found = (f"latents/{name}" for name in names)
    return sorted(one for one in found if one.startswith(LEDGER) and not one.endswith(".partial"))


def record_type(shape: tuple[int, ...]) -> np.dtype:
    """Return the record of one finished clip: its row, its time averages and a checksum over both."""
    return np.dtype([("row", "<u4"), ("means", "<f4", shape), ("crc", "<u4")])


def record(row: int, means: NDArray[np.float32]) -> bytes:
    """Return the record of a complete clip, with its time averages `[setting dim]`, as bytes."""
    record = np.zeros((), record_type(means.shape))
    record["row"], record["means"] = row, means
    record["crc"] = checksum(record)
    return record.tobytes()


def read_records(content: bytes, record_type: np.dtype) -> dict[int, NDArray[np.float32]]:
    """Return row -> time averages of every record that is whole."""
    return {int(one["row"]): one["means"] for one in records(content, record_type) if one["crc"] == checksum(one)}


def records(content: bytes, record_type: np.dtype) -> NDArray[np.void]:
    """Return all records, good or not; an unfinished one at the end is none."""
    whole = len(content) // record_type.itemsize * record_type.itemsize
    return np.frombuffer(content[:whole], record_type)


def checksum(record: np.void | NDArray[np.void]) -> int:
    """Return the checksum over all of a record but its own checksum."""
    return zlib.crc32(record.tobytes()[:-4])
