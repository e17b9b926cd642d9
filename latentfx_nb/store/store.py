"""Latents on disk: a zarr group that survives being killed, on this machine or at a URL that fsspec knows.

A store has one shard a clip, so that one render is read alone and one clip is written at once. Chunks carry a checksum.
A ledger beside them gets a record, with the clip's time averages, after its shard is on disk: what has no record, or
no whole shard, is encoded again. Several writers may fill one store, each with a ledger of its own: shards take their
names only when they are whole, and whoever writes a clip writes the same bits. What says how to read and go on with a
store has checksums too, kept in its attributes. `verify` reads all of it.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fsspec
import google_crc32c
import numpy as np
import xarray as xr
import zarr
from filelock import FileLock
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.codecs.numcodecs import AsType

from latentfx_nb.cache import atomic_write, check_space
from latentfx_nb.store.shards import is_intact, read_lazily, shard_bytes, shard_name

# What zarr says of storing float16 and text is known here: both are stored as its own codecs define.
warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3 specification")
warnings.filterwarnings("ignore", message="The data type .* does not have a Zarr V3 specification")

FORMAT = 1
"""Version of the store's layout; a store of another version is refused, never read or overwritten."""

LEDGER = "latents/ledger"  # inside the array's folder, where zarr looks for chunks only

ARRAY = "latents/zarr.json"  # how zarr writes a shard; our own reader does not need it

UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Content:
    """What a store is to hold: latents `(clip, *, dim, frame)`, their labels, and a hash of each thing they depend on.

    The second dim is `effect` or `value`. `parts` are named, so that a refusal can say what differs; `versions` are
    those of the libraries that render, whose hash is in the part `effects`.
    """

    shape: tuple[int, int, int, int]
    axis: str
    coordinates: Mapping[str, xr.Variable]
    attributes: Mapping[str, Any]
    parts: Mapping[str, str]
    versions: Mapping[str, str]


class Store:
    """The store of `content` at a path or URL, there or not, complete or not."""

    def __init__(self, content: Content, place: str | Path) -> None:
        self.content = content
        self.folder = _folder(place)

    def __str__(self) -> str:
        return self.folder.place

    @contextmanager
    def lock(self, part: str = "") -> Iterator[None]:
        """Keep a second writer of the same part out; nothing can at a URL.

        It is the kernel's lock on an open file, so one left by a killed process, of whatever age, keeps nobody out.
        """
        with ExitStack() as held:
            with _writing(str(self)):
                held.enter_context(self.folder.lock(part))
            yield

    def create(self, batch: int, threads: int) -> None:
        """Make the empty store, unless it is there.

        The batch and the encoder's threads are part of it: others may round differently, and whoever goes on with it
        has to give the same bits. Raises OSError if the disk cannot hold the latents.
        """
        if self.folder.exists():
            return
        content = self.content
        needed = 2 * int(np.prod(content.shape))
        with _writing(str(self)), self.folder.creating(needed) as place:
            skeleton = xr.Dataset(coords=content.coordinates, attrs=content.attributes)
            skeleton.to_zarr(place, mode="w", consolidated=False)
            group = zarr.open_group(place, mode="r+")
            _create_array(group, content.shape, content.axis)
            files = _folder(place)
            checksums = {name: google_crc32c.value(files.read(name)) for name in files.names() if name != "zarr.json"}
            own = {"format": FORMAT, "parts": dict(content.parts), "versions": dict(content.versions)}
            own |= {"batch": batch, "threads": threads}
            document = group.metadata.to_dict()
            document["attributes"] = {**document["attributes"], **own}
            group.attrs.update({**own, "checksums": {**checksums, "zarr.json": _checksum_of(document)}})

    def checked(self) -> tuple[int, int | None]:
        """Return batch and threads with which this store is encoded; raise ValueError if it holds anything else.

        The threads of stores that were begun before there was a choice are None.
        """
        document = _document(self.folder)
        _check_description(self.folder, document, [ARRAY])
        attributes = document["attributes"]
        parts = attributes["parts"]
        differing = [name for name, digest in self.content.parts.items() if parts.get(name) != digest]
        if differing:
            why = self._other_versions(attributes) if "effects" in differing else ""
            raise ValueError(
                f"{self} holds another data set (its {' and '.join(differing)} differ{why}); it is left as it is: "
                "give another path, or none to have one chosen"
            )
        return attributes["batch"], attributes.get("threads")

    def _other_versions(self, attributes: Mapping[str, Any]) -> str:
        """Say which libraries rendered it in other versions; stores that were begun before they were named say none."""
        here = self.content.versions
        there = {name: v for name, v in attributes.get("versions", here).items() if v != here.get(name)}
        if not there:
            return ""
        made, installed = (" and ".join(f"{name} {one.get(name)}" for name in there) for one in (there, here))
        return f": it was rendered with {made}, and here is {installed}"

    def is_complete(self) -> bool:
        """Say whether it is there and every clip in it; raise ValueError if something else is there."""
        if not self.folder.exists():
            return False
        self.checked()
        return len(self.finished()) == self.content.shape[0]

    def finished(self) -> dict[int, NDArray[np.float32]]:
        """Return row -> time averages `[setting dim]` of the clips that a ledger lists and whose shard is whole."""
        sizes = self.folder.sizes("latents")
        listed = {}
        for ledger in _ledgers(sizes):
            listed |= _read_records(self.folder.read(ledger), _record_type(self.content.shape[1:3]))
        whole = shard_bytes(self.content.shape)
        return {row: means for row, means in listed.items() if sizes.get(shard_name(row)) == whole}

    def record(self, means: Mapping[int, NDArray[np.float32]], part: str = "") -> None:
        """List clips whose shards are on disk, with their time averages, in the ledger of this part."""
        records = b"".join(_record(row, one) for row, one in means.items())
        with self.keeping(), _writing(str(self)):
            self.folder.append(
                f"{LEDGER}{part and '.'}{part}.bin", records, _record_type(self.content.shape[1:3]).itemsize
            )

    def check_finished(self, rows: Sequence[int], finished: Mapping[int, Any] | None = None) -> None:
        """Raise OSError if any of the rows is not finished, which after a run means that what was written is gone."""
        lost = sorted(set(rows) - set(self.finished() if finished is None else finished))
        if lost:
            raise OSError(
                errno.EIO,
                f"{len(lost)} clips were written to {self} and are not there, the first in row {lost[0]}: run it "
                "again, and if it stays so, choose another disk",
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
        content = self.content
        rows = list(range(content.shape[0])) if rows is None else rows
        finished = self.finished()
        self.check_finished(rows, finished)
        kept = {name: v for name, v in content.coordinates.items() if "frame" not in v.dims}
        kept = {name: v[rows] if v.dims == ("clip",) else v for name, v in kept.items()}
        array = np.array([finished[row] for row in rows], np.float32).reshape(len(rows), *content.shape[1:3])
        return xr.DataArray(array, kept, ("clip", content.axis, "dim"), attrs=dict(content.attributes))


def stored_parts(place: str | Path) -> Mapping[str, str]:
    """Return the parts of the store at `place`, none if nothing is there; raise ValueError if it is no store."""
    folder = _folder(place)
    return _document(folder)["attributes"]["parts"] if folder.exists() else {}


def stored_values(place: str | Path) -> NDArray[np.float64]:
    """Return the settings `[value]` of the sweep in a store, bit for bit, none if it holds no sweep.

    Raises ValueError if they are not as they were written.
    """
    folder = _folder(place)
    own = [name for name in folder.names() if name.startswith("value/")]
    _check_description(folder, _document(folder), own)
    return zarr.open_group(folder.place, mode="r")["value"][:] if own else np.empty(0)


def write_clip(place: str, row: int, latents: NDArray[np.float32]) -> None:
    """Write one clip's latents `[setting dim frame]` into the store at `place`, whole or not at all."""
    array = zarr.open_group(place, mode="r+")["latents"]
    with _writing(place):
        if _is_local(place):
            _clear(Path(place, "latents", shard_name(row)), array.shape)
        array[row] = latents


def _clear(shard: Path, shape: tuple[int, ...]) -> None:
    """Remove what killed runs left where a shard is to be written."""
    for unfinished in shard.parent.glob(f"{shard.stem}.*.partial"):  # as zarr names what it has not yet written whole
        unfinished.unlink(missing_ok=True)
    # zarr reads a shard's index before it writes one, and one torn or changed would stop it.
    if shard.exists() and not is_intact(shard, shape):
        shard.unlink()


@contextmanager
def _writing(place: str) -> Iterator[None]:
    """Say what to do where nothing can be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        message = f"{place} cannot be written ({error.strerror}): set LATENTFX_CACHE to a folder that can be, or give"
        raise OSError(error.errno, f"{message} another store; what is finished there can be read") from error


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


# ------------------------------------------------------------------------------------------------------- description


def _document(folder: _Local | _Remote) -> dict[str, Any]:
    """Return what zarr.json says of the store; raise ValueError if it is none, or one of another version."""
    try:
        document = json.loads(folder.read("zarr.json"))
        attributes = document["attributes"]
        found, _, _ = attributes["format"], attributes["parts"], attributes["batch"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder.place} is not a store of latents; give another path, or delete it") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder.place} was written in format {found} and this version reads format {FORMAT}; it is left as it "
            "is: give another path, or delete it and encode again"
        )
    return document


def _check_description(
    folder: _Local | _Remote, document: Mapping[str, Any], names: Sequence[str] | None = None
) -> None:
    """Raise ValueError if zarr.json or a file of `names` (None: labels and all) is not as it was written.

    Stores that were begun before there were these checksums have none.
    """
    checksums = document["attributes"].get("checksums")
    if checksums is None:
        return
    changed = [] if checksums.get("zarr.json") == _checksum_of(document) else ["zarr.json"]
    for name in checksums if names is None else names:
        try:
            intact = name == "zarr.json" or checksums[name] == google_crc32c.value(folder.read(name))
        except (OSError, KeyError):
            intact = False
        if not intact:
            changed.append(name)
    if changed:
        raise ValueError(
            f"{folder.place} fails its checksum in {' and '.join(changed)}, which says what it holds; restore that "
            "from a copy, or delete the store and encode again"
        )


def _checksum_of(document: Mapping[str, Any]) -> int:
    """Return the crc32c of what zarr.json says, less the checksums themselves and what zarr may add for its speed."""
    attributes = {name: value for name, value in document["attributes"].items() if name != "checksums"}
    kept = [document.get("zarr_format"), document.get("node_type"), attributes]
    return google_crc32c.value(json.dumps(kept, sort_keys=True).encode())


# ------------------------------------------------------------------------------------------------------------ ledger


def _ledgers(names: Iterable[str]) -> list[str]:
    """Return those of the files in the array's folder that list clips."""
    found = (f"latents/{name}" for name in names)
    return sorted(one for one in found if one.startswith(LEDGER) and not one.endswith(".partial"))


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
    return {int(one["row"]): one["means"] for one in _records(content, record_type) if one["crc"] == _checksum(one)}


def _records(content: bytes, record_type: np.dtype) -> NDArray[np.void]:
    """Return all records, good or not; an unfinished one at the end is none."""
    whole = len(content) // record_type.itemsize * record_type.itemsize
    return np.frombuffer(content[:whole], record_type)


def _checksum(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[:-4])


# ------------------------------------------------------------------------------------------------------ verification


@dataclass(frozen=True)
class Verdict:
    """What `verify` found in a store: its sizes, and the rows that are good, bad (with the reason) and unfinished.

    `fault` is what makes the store unreadable as a whole; `damaged_records` counts those of the ledgers whose checksum
    differs, so that nothing says any more which clip they were of.
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

    With `repair`, what is bad is dropped, so that the next run encodes these clips again and no others; what makes the
    whole store unreadable is left as it is. A run that fills the store meanwhile is waited for.
    """
    folder = _folder(place)
    try:
        _check_description(folder, _document(folder))
        dims, shape = _layout(folder)
    except ValueError as error:
        return Verdict(folder.place, fault=str(error))
    verdict = _verify_clips(folder, dims, shape)
    if repair and not verdict.is_sound:
        _drop(folder, shape, verdict)
        verdict = replace(verdict, repaired=True)
    return verdict


def _layout(folder: _Local | _Remote) -> tuple[tuple[str, ...], tuple[int, ...]]:
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


def _verify_clips(folder: _Local | _Remote, dims: tuple[str, ...], shape: tuple[int, ...]) -> Verdict:
    # A writer adds a record after its shard, so ledgers are read first and then the shards.
    listed, damaged = _read_ledgers(folder, shape)
    sizes = folder.sizes("latents")
    latents = folder.latents(dims, shape)
    faults = {row: _fault(latents, row, records, sizes, shape) for row, records in sorted(listed.items())}
    good, bad = [row for row in faults if not faults[row]], {row: fault for row, fault in faults.items() if fault}
    unfinished = [row for row in range(shape[0]) if row not in listed]
    stored = sum(sizes.values())
    return Verdict(folder.place, dict(zip(dims, shape, strict=True)), stored, good, bad, unfinished, damaged)


def _read_ledgers(folder: _Local | _Remote, shape: tuple[int, ...]) -> tuple[dict[int, list[NDArray]], int]:
    """Return row -> the averages of each of its records, and how many records are damaged."""
    listed, damaged = {}, 0
    for ledger in _ledgers(folder.sizes("latents")):
        for one in _records(folder.read(ledger), _record_type(shape[1:3])):
            if one["crc"] == _checksum(one) and one["row"] < shape[0]:
                listed.setdefault(int(one["row"]), []).append(one["means"])
            else:
                damaged += 1
    return listed, damaged


def _fault(
    latents: xr.Variable, row: int, records: Sequence[NDArray], sizes: Mapping[str, int], shape: tuple[int, ...]
) -> str:
    """Return what is wrong with a clip that is listed; nothing if all is as it was written."""
    size, whole = sizes.get(shard_name(row)), shard_bytes(shape)
    if size != whole:
        return "its file is gone" if size is None else f"its file has {size} bytes of {whole}"
    try:
        values = np.asarray(latents[row].values, np.float64)
    except ValueError:
        return "its file fails its checksum"
    if not np.isfinite(values).all():
        return "its latents are not finite"
    # Averages are taken before latents are rounded to float16: of each the half of a last place, and float32's own.
    tolerance = np.abs(values).mean(-1) * 2.0**-11 * 1.02 + 2.0**-24
    if not all((np.abs(values.mean(-1) - averages) <= tolerance).all() for averages in records):
        return "its averages are not those of its latents"
    return ""


def _drop(folder: _Local | _Remote, shape: tuple[int, ...], verdict: Verdict) -> None:
    """Take the bad clips' records and whatever is damaged out of the ledgers, and then the bad clips' files."""
    for ledger in _ledgers(folder.sizes("latents")):
        part = ledger.removeprefix(LEDGER).removesuffix(".bin").removeprefix(".")
        with _writing(folder.place), folder.lock(part):
            records = _records(folder.read(ledger), _record_type(shape[1:3]))
            kept = [one.tobytes() for one in records if one["crc"] == _checksum(one) and one["row"] not in verdict.bad]
            folder.replace(ledger, b"".join(kept))
    with _writing(folder.place):
        for row in verdict.bad:
            folder.remove(f"latents/{shard_name(row)}")


# ----------------------------------------------------------------------------------------------------------- folders


def _is_local(place: str | Path) -> bool:
    return isinstance(place, Path) or "://" not in place


def _folder(place: str | Path) -> _Local | _Remote:
    return _Local(Path(place).expanduser().absolute()) if _is_local(place) else _Remote(str(place))


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

    def names(self) -> list[str]:
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    def sizes(self, name: str) -> dict[str, int]:
        return {entry.name: entry.stat().st_size for entry in os.scandir(self.path / name)}

    def replace(self, name: str, content: bytes) -> None:
        with atomic_write(self.path / name) as file:
            file.write(content)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

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

    def names(self) -> list[str]:
        self._files.invalidate_cache()
        base = self._files._strip_protocol(self._root).rstrip("/")
        return sorted(name.removeprefix(f"{base}/") for name in self._files.find(base))

    def sizes(self, name: str) -> dict[str, int]:
        self._files.invalidate_cache()
        found = self._files.ls(f"{self._root}/{name}", detail=True)
        return {one["name"].rpartition("/")[2]: one["size"] for one in found}

    def replace(self, name: str, content: bytes) -> None:
        self._files.pipe_file(f"{self._root}/{name}", content)

    def remove(self, name: str) -> None:
        if self._files.exists(f"{self._root}/{name}"):
            self._files.rm_file(f"{self._root}/{name}")

    def append(self, name: str, records: bytes, record_bytes: int) -> None:
        """Add records in an object of their own."""
        self._files.pipe_file(f"{self._root}/{name}.{uuid.uuid4().hex}", records)
