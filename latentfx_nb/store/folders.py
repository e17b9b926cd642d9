"""The folder of a store, on this machine or at a URL: the same operations on both."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import fsspec
import xarray as xr
from filelock import FileLock

from latentfx_nb.cache import atomic_write, check_space
from latentfx_nb.store.shards import read_lazily


class Folder(Protocol):
    """The folder of a store, as the store uses it; names are relative to it, with slashes."""

    place: str
    """Its path or URL."""

    def exists(self) -> bool:
        """Return whether the store is there."""

    def lock(self, part: str) -> AbstractContextManager:
        """Return a lock on a part of the store, which only local folders have."""

    def creating(self, size: int) -> AbstractContextManager[str]:
        """Yield the place to create the store in; raise OSError if its disk does not have `size` bytes free."""

    def read(self, name: str) -> bytes:
        """Return the content of a file."""

    def latents(self, dims: tuple[str, ...], shape: tuple[int, ...]) -> xr.Variable:
        """Return the latents, read lazily."""

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    def sizes(self, name: str) -> dict[str, int]:
        """Return file name -> bytes of the files in the subfolder `name`."""

    def replace(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def append(self, name: str, records: bytes, record_bytes: int) -> None:
        """Add records of `record_bytes` each to the ledger `name`."""


def is_local(place: str | Path) -> bool:
    """Return whether a store's place is a path, and not a URL."""
    return isinstance(place, Path) or "://" not in place


def folder_at(place: str | Path) -> Folder:
    """Return the folder of a store at a path or a URL."""
    return LocalFolder(Path(place).expanduser().absolute()) if is_local(place) else RemoteFolder(str(place))


class LocalFolder(Folder):
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
        """Yield the name of a scratch folder, which takes the store's name once it is filled."""
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
        """Add records and wait until they are on disk; they replace an unfinished one at the end."""
        path = self.path / name
        path.touch()
        with open(path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.truncate(size - size % record_bytes)
            file.seek(0, os.SEEK_END)
            file.write(records)
            file.flush()
            os.fsync(file.fileno())


class RemoteFolder(Folder):
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
