"""Latents on disk: a zarr group that survives being killed, on this machine or at a URL that fsspec knows.

A store has one shard a clip, so that one render is read alone and one clip is written at once. Chunks carry a checksum.
A ledger beside them gets a record, with the clip's time averages, after the clip's shard is on disk: a clip without a
record, or without a whole shard, is encoded again. Several writers may fill one store, each with a ledger of its own:
shards take their names only when they are whole, and every writer gives a clip the same bits. The store's description
and labels have checksums too, kept in its attributes.
"""

from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import google_crc32c
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.codecs.numcodecs import AsType

from latentfx_nb.store.folders import Folder, folder_at, is_local
from latentfx_nb.store.ledger import LEDGER, checksum_of, ledgers, read_records, record, record_type
from latentfx_nb.store.shards import is_intact, shard_bytes, shard_name

# zarr warns of float16 and text, which are stored here as its own codecs define.
warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3 specification")


warnings.filterwarnings("ignore", message="The data type .* does not have a Zarr V3 specification")


FORMAT = 1
"""Version of the store's layout; a store of another version is refused, never read or overwritten."""

ARRAY = "latents/zarr.json"  # how zarr writes a shard; our own reader does not need it


UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class StoreSpec:
    """The contents of a store: shape of its latents `(clip, *, dim, frame)`, their labels, and hashes of their sources.

    `axis` names the second dim, "effect" or "value". `parts` maps clips, effects and encoder to their hashes, so that a
    refusal can say which differ. `versions` are those of the libraries that render, which the hash of effects covers.
    """

    shape: tuple[int, int, int, int]
    axis: str
    coordinates: Mapping[str, xr.Variable]
    attributes: Mapping[str, Any]
    parts: Mapping[str, str]
    versions: Mapping[str, str]


class Store:
    """The store of `spec` at a path or URL, there or not, complete or not."""

    def __init__(self, spec: StoreSpec, place: str | Path) -> None:
        self.spec = spec
        self.folder = folder_at(place)

    def __str__(self) -> str:
        return self.folder.place

    @contextmanager
    def lock(self, part: str = "") -> Iterator[None]:
        """Keep out a second writer of the same part, which is not possible at a URL.

        The lock is the system's, on an open file: it ends with its process, killed or not.
        """
        with ExitStack() as held:
            with explaining_write_errors(str(self)):
                held.enter_context(self.folder.lock(part))
            yield

    def create(self, batch: int, threads: int) -> None:
        """Make the empty store, unless it is there.

        Batch and threads of the encoder are kept in it: others may round differently, and a run that continues it has
        to give the same bits. Raises OSError if the disk cannot hold the latents.
        """
        if self.folder.exists():
            return
        spec = self.spec
        needed = 2 * int(np.prod(spec.shape))
        with explaining_write_errors(str(self)), self.folder.creating(needed) as place:
            skeleton = xr.Dataset(coords=spec.coordinates, attrs=spec.attributes)
            skeleton.to_zarr(place, mode="w", consolidated=False)
            group = zarr.open_group(place, mode="r+")
            create_array(group, spec.shape, spec.axis)
            files = folder_at(place)
            checksums = {name: google_crc32c.value(files.read(name)) for name in files.names() if name != "zarr.json"}
            own: dict[str, Any] = {"format": FORMAT, "parts": dict(spec.parts), "versions": dict(spec.versions)}
            own |= {"batch": batch, "threads": threads}
            document = group.metadata.to_dict()
            document["attributes"] = {**document["attributes"], **own}
            group.attrs.update({**own, "checksums": {**checksums, "zarr.json": checksum_of(document)}})

    def checked(self) -> tuple[int, int | None]:
        """Return batch and threads with which this store is encoded; raise ValueError if it holds anything else.

        The threads are None in stores from before there was a choice.
        """
        document = read_document(self.folder)
        check_description(self.folder, document, [ARRAY])
        attributes = document["attributes"]
        parts = attributes["parts"]
        differing = [name for name, digest in self.spec.parts.items() if parts.get(name) != digest]
        if differing:
            why = self._other_versions(attributes) if "effects" in differing else ""
            raise ValueError(
                f"{self} holds another data set (its {' and '.join(differing)} differ{why}); it is left as it is: "
                "give another path, or none to have one chosen"
            )
        return attributes["batch"], attributes.get("threads")

    def _other_versions(self, attributes: Mapping[str, Any]) -> str:
        """Return which libraries rendered the store in other versions; older stores do not name them."""
        here = self.spec.versions
        there = {name: v for name, v in attributes.get("versions", here).items() if v != here.get(name)}
        if not there:
            return ""
        made, installed = (" and ".join(f"{name} {one.get(name)}" for name in there) for one in (there, here))
        return f": it was rendered with {made}, and here is {installed}"

    def is_complete(self) -> bool:
        """Return whether the store exists and holds every clip; raise ValueError if another one is in its place."""
        if not self.folder.exists():
            return False
        self.checked()
        return len(self.finished()) == self.spec.shape[0]

    def finished(self) -> dict[int, NDArray[np.float32]]:
        """Return row -> time averages `[setting dim]` of the clips that a ledger lists and whose shard is whole."""
        sizes = self.folder.sizes("latents")
        listed: dict[int, NDArray[np.float32]] = {}
        for ledger in ledgers(sizes):
            listed |= read_records(self.folder.read(ledger), record_type(self.spec.shape[1:3]))
        whole = shard_bytes(self.spec.shape)
        return {row: means for row, means in listed.items() if sizes.get(shard_name(row)) == whole}

    def record(self, means: Mapping[int, NDArray[np.float32]], part: str = "") -> None:
        """List clips whose shards are on disk, with their time averages, in the ledger of this part."""
        records = b"".join(record(row, one) for row, one in means.items())
        with self.explaining_a_full_disk(), explaining_write_errors(str(self)):
            self.folder.append(f"{LEDGER}{part and '.'}{part}.bin", records, record_type(self.spec.shape[1:3]).itemsize)

    def check_finished(self, rows: Sequence[int], finished: Mapping[int, Any] | None = None) -> None:
        """Raise OSError if any of the rows is not finished: after a run that means that written clips are gone."""
        lost = sorted(set(rows) - set(self.finished() if finished is None else finished))
        if lost:
            raise OSError(
                errno.EIO,
                f"{len(lost)} clips were written to {self} and are not there, the first in row {lost[0]}: run it "
                "again, and if it stays so, choose another disk",
            )

    @contextmanager
    def explaining_a_full_disk(self) -> Iterator[None]:
        """Say in a full disk's error which clips are kept."""
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            message = f"the disk of {self} is full; {len(self.finished())} finished clips are kept: free space and "
            raise OSError(errno.ENOSPC, f"{message}run it again") from error

    def latents(self) -> xr.DataArray:
        """Return the latents, float32, read lazily.

        Reading a chunk whose checksum differs raises ValueError; a missing shard reads as NaN.
        """
        spec = self.spec
        array = xr.DataArray(self.folder.latents(("clip", spec.axis, "dim", "frame"), spec.shape), name="latents")
        array = array.assign_coords(spec.coordinates)  # labels may have been corrected since
        array.attrs = dict(spec.attributes)
        array.encoding["source"] = str(self)
        return array

    def means(self, rows: list[int] | None = None) -> xr.DataArray:
        """Return the time averages of finished clips, as exact as they were encoded."""
        spec = self.spec
        rows = list(range(spec.shape[0])) if rows is None else rows
        finished = self.finished()
        self.check_finished(rows, finished)
        kept = {name: v for name, v in spec.coordinates.items() if "frame" not in v.dims}
        kept = {name: v[rows] if v.dims == ("clip",) else v for name, v in kept.items()}
        array = np.array([finished[row] for row in rows], np.float32).reshape(len(rows), *spec.shape[1:3])
        return xr.DataArray(array, kept, ("clip", spec.axis, "dim"), attrs=dict(spec.attributes))


def stored_parts(place: str | Path) -> Mapping[str, str]:
    """Return the parts of the store at `place`, none if nothing is there; raise ValueError if it is no store."""
    folder = folder_at(place)
    return read_document(folder)["attributes"]["parts"] if folder.exists() else {}


def stored_values(place: str | Path) -> NDArray[np.float64]:
    """Return the settings `[value]` of the sweep in a store, bit for bit; an empty array if it holds no sweep.

    Raises ValueError if they changed since they were written.
    """
    folder = folder_at(place)
    own = [name for name in folder.names() if name.startswith("value/")]
    check_description(folder, read_document(folder), own)
    return np.asarray(_stored_array(folder.place, "value", "r")[:], np.float64) if own else np.empty(0)


def _stored_array(place: str, name: str, mode: Literal["r", "r+"]) -> zarr.Array:
    return cast(zarr.Array, zarr.open_group(place, mode=mode)[name])  # zarr's type says: an array or a group


def write_clip(place: str, row: int, latents: NDArray[np.float32]) -> None:
    """Write one clip's latents `[setting dim frame]` into the store at `place`, whole or not at all."""
    array = _stored_array(place, "latents", "r+")
    with explaining_write_errors(place):
        if is_local(place):
            _clear(Path(place, "latents", shard_name(row)), array.shape)
        array[row] = latents


def _clear(shard: Path, shape: tuple[int, ...]) -> None:
    """Remove what killed runs left at a shard's name."""
    for unfinished in shard.parent.glob(f"{shard.stem}.*.partial"):  # zarr's names for unfinished files
        unfinished.unlink(missing_ok=True)
    # zarr reads the old shard's index before it writes a new one, and would stop at a damaged one.
    if shard.exists() and not is_intact(shard, shape):
        shard.unlink()


@contextmanager
def explaining_write_errors(place: str) -> Iterator[None]:
    """Add a remedy to the error of a place that cannot be written to."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        message = f"{place} cannot be written ({error.strerror}): set LATENTFX_CACHE to a folder that can be, or give"
        raise OSError(error.errno, f"{message} another store; what is finished there can be read") from error


def create_array(group: zarr.Group, shape: tuple[int, int, int, int], axis: str) -> None:
    """Create the array `latents` of a store, `shape` is `(clip, setting, dim, frame)`, without any values."""
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
        fill_value=float("nan"),  # so that not even a deleted shard reads as zeros
        dimension_names=("clip", axis, "dim", "frame"),
    )


def read_document(folder: Folder) -> dict[str, Any]:
    """Return the content of the store's zarr.json; raise ValueError if it is no store, or one of another format."""
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


def check_description(folder: Folder, document: Mapping[str, Any], names: Sequence[str] | None = None) -> None:
    """Raise ValueError if zarr.json or a file of `names` (None: all that have checksums) changed since it was written.

    Older stores have no such checksums.
    """
    checksums = document["attributes"].get("checksums")
    if checksums is None:
        return
    changed = [] if checksums.get("zarr.json") == checksum_of(document) else ["zarr.json"]
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
