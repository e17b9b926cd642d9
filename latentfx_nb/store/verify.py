"""Check every byte of a store against its ledgers, and drop what is bad, so that it is encoded again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.store.folders import Folder, folder_at
from latentfx_nb.store.ledger import LEDGER, checksum, ledgers, record_type, records
from latentfx_nb.store.shards import shard_bytes, shard_name
from latentfx_nb.store.store import ARRAY, check_description, explaining_write_errors, read_document


@dataclass(frozen=True)
class Verdict:
    """The findings of `verify`: a store's sizes, and its rows that are good, bad (with the reason) and unfinished.

    `fault` says why the store cannot be read at all. `damaged_records` counts records of the ledgers whose checksum
    differs: nothing tells any more which clips they were of.
    """

    place: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    stored_bytes: int = 0
    good: Sequence[int] = ()
    bad: Mapping[int, str] = field(default_factory=dict)
    unfinished: Sequence[int] = ()
    damaged_records: int = 0
    fault: str = ""
    repaired: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing bad was found; clips that are still to be encoded are no fault."""
        return not (self.bad or self.damaged_records or self.fault)

    def __str__(self) -> str:
        if self.fault:
            return self.fault
        sizes = ", ".join(f"{dim} {size}" for dim, size in self.sizes.items())
        line = f"{self.place}: {sizes}, {self.stored_bytes / 1e6:.1f} MB: "
        line += f"{len(self.good)} clips good, {len(self.bad)} bad, {len(self.unfinished)} unfinished"
        line += f", {self.damaged_records} records of the ledger damaged" if self.damaged_records else ""
        line += "".join(f"; row {row}: {reason}" for row, reason in self.bad.items())
        return line + ("; what is bad was dropped: encode it again" if self.repaired else "")


def verify(place: str | Path, repair: bool = False) -> Verdict:
    """Read all of a store, and check every checksum, every record of its ledgers, and averages against the latents.

    With `repair`, bad clips are dropped, so that the next run encodes these again and no others; a store that cannot be
    read at all is left as it is. `verify` waits for a run that fills the store meanwhile.
    """
    folder = folder_at(place)
    try:
        check_description(folder, read_document(folder))
        dims, shape = _layout(folder)
    except ValueError as error:
        return Verdict(folder.place, fault=str(error))
    verdict = _verify_clips(folder, dims, shape)
    if repair and not verdict.is_sound:
        _drop(folder, shape, verdict)
        verdict = replace(verdict, repaired=True)
    return verdict


def _layout(folder: Folder) -> tuple[tuple[str, ...], tuple[int, ...]]:
    try:
        array = json.loads(folder.read(ARRAY))
        dims, shape = tuple(array["dimension_names"]), tuple(map(int, array["shape"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder.place} has lost {ARRAY}, which says what it holds; restore that from a copy, or delete the "
            "store and encode again"
        ) from error
    if len(dims) != 4 or len(shape) != 4:
        raise ValueError(f"{folder.place} holds latents over {len(shape)} dims, not 4; delete it and encode again")
    return dims, shape


def _verify_clips(folder: Folder, dims: tuple[str, ...], shape: tuple[int, ...]) -> Verdict:
    # A writer adds a record after the shard, so the ledgers are read before the shards.
    listed, damaged = _read_ledgers(folder, shape)
    sizes = folder.sizes("latents")
    latents = folder.latents(dims, shape)
    faults = {row: _fault(latents, row, records, sizes, shape) for row, records in sorted(listed.items())}
    good, bad = [row for row in faults if not faults[row]], {row: fault for row, fault in faults.items() if fault}
    unfinished = [row for row in range(shape[0]) if row not in listed]
    stored = sum(sizes.values())
    return Verdict(folder.place, dict(zip(dims, shape, strict=True)), stored, good, bad, unfinished, damaged)


def _read_ledgers(folder: Folder, shape: tuple[int, ...]) -> tuple[dict[int, list[NDArray]], int]:
    """Return row -> the averages of each of its records, and how many records are damaged."""
    listed: dict[int, list[NDArray]] = {}
    damaged = 0
    for ledger in ledgers(folder.sizes("latents")):
        for one in records(folder.read(ledger), record_type(shape[1:3])):
            if one["crc"] == checksum(one) and one["row"] < shape[0]:
                listed.setdefault(int(one["row"]), []).append(one["means"])
            else:
                damaged += 1
    return listed, damaged


def _fault(
    latents: xr.Variable, row: int, records: Sequence[NDArray], sizes: Mapping[str, int], shape: tuple[int, ...]
) -> str:
    """Return what is wrong with a listed clip; an empty text if all is as it was written."""
    size, whole = sizes.get(shard_name(row)), shard_bytes(shape)
    if size != whole:
        return "its file is gone" if size is None else f"its file has {size} bytes of {whole}"
    try:
        values = np.asarray(latents[row].values, np.float64)
    except ValueError:
        return "its file fails its checksum"
    if not np.isfinite(values).all():
        return "its latents are not finite"
    # Averages were taken before the latents were rounded to float16, by half a last place each, and to float32.
    tolerance = np.abs(values).mean(-1) * 2.0**-11 * 1.02 + 2.0**-24
    if not all((np.abs(values.mean(-1) - averages) <= tolerance).all() for averages in records):
        return "its averages are not those of its latents"
    return ""


def _drop(folder: Folder, shape: tuple[int, ...], verdict: Verdict) -> None:
    """Remove bad clips' records and damaged ones from the ledgers, then the bad clips' files."""
    for ledger in ledgers(folder.sizes("latents")):
        part = ledger.removeprefix(LEDGER).removesuffix(".bin").removeprefix(".")
        with explaining_write_errors(folder.place), folder.lock(part):
            written = records(folder.read(ledger), record_type(shape[1:3]))
            kept = [one.tobytes() for one in written if one["crc"] == checksum(one) and one["row"] not in verdict.bad]
            folder.replace(ledger, b"".join(kept))
    with explaining_write_errors(folder.place):
        for row in verdict.bad:
            folder.remove(f"latents/{shard_name(row)}")
