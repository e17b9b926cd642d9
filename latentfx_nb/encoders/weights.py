"""Find, fetch and verify the weights of encoders: public ones, and those that ship with the package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pooch

from latentfx_nb.cache import cache_dir

SHIPPED = Path(__file__).parents[1] / "bundled" / "weights"


@dataclass(frozen=True)
class Weights:
    """The files of one model family: a folder name, a pinned public address, and each file's sha256."""

    family: str
    url: str  # of the folder that holds the files
    sha256: Mapping[str, str]  # file name -> digest
    size_mb: float

    def find(self, folder: str | Path | None = None) -> dict[str, Path] | None:
        """Return file name -> path if every file is in `folder`, or else on this machine, and intact; else None.

        Without `folder`, `LATENTFX_WEIGHTS`, a folder with one subfolder a family, is searched first, then the cache.
        A file with another sha256 is an error, not a miss: it raises ValueError naming the file.
        """
        for place in [Path(folder).expanduser()] if folder else self._folders():
            paths = {name: place / name for name in self.sha256}
            if all(path.is_file() for path in paths.values()):
                self._verify(paths)
                return paths
        return None

    def fetch(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Return what `find` returns, downloading into the cache what is not here yet; every byte is verified.

        Nothing is downloaded where `folder` names the place to look.

        Raises FileNotFoundError, saying where files may be put by hand, if they can be neither found nor downloaded.
        """
        found = self.find(folder)
        if found:
            return found
        if folder:
            raise FileNotFoundError(f"{folder} does not hold all of {', '.join(self.sha256)}; put them there")
        folder = self._cache_folder()
        try:
            return {
                name: Path(pooch.retrieve(f"{self.url}/{name}", f"sha256:{digest}", name, folder, progressbar=True))
                for name, digest in self.sha256.items()
            }
        except (OSError, ValueError) as error:
            raise FileNotFoundError(
                f"the weights of {self.family} ({', '.join(self.sha256)}; {self.size_mb:g} MB) are neither in "
                f"{' nor in '.join(map(str, self._folders()))}, and fetching them from {self.url} failed ({error}); "
                f"put the files into {folder}, or set LATENTFX_WEIGHTS to a folder that holds {self.family}/"
            ) from error

    def hash(self) -> str:
        """Return one sha256 for all files, known without having them."""
        return _joint_hash(self.sha256)

    def _cache_folder(self) -> Path:
        return cache_dir() / "weights" / self.family

    def _folders(self) -> list[Path]:
        own = os.environ.get("LATENTFX_WEIGHTS")
        return ([Path(own).expanduser() / self.family] if own else []) + [self._cache_folder()]

    def _verify(self, paths: Mapping[str, Path]) -> None:
        for name, path in paths.items():
            digest = _digest(path)
            if digest != self.sha256[name]:
                raise ValueError(
                    f"{path} is not the published file: its sha256 is {digest}, expected {self.sha256[name]}; "
                    "delete it and it is fetched again, or put the right one there"
                )


@dataclass(frozen=True)
class ShippedWeights:
    """Files in `bundled/weights/`, verified by the digests beside them; a folder of your own may replace them."""

    files: tuple[str, ...]

    family = "mini"
    url = "shipped with the package"

    @property
    def size_mb(self) -> float:
        return round(sum(path.stat().st_size for path in self._paths(None).values() if path.exists()) / 1e6, 1)

    def find(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Return file name -> path, in `folder` or as shipped; a shipped file is verified.

        Raises FileNotFoundError if one is missing, and ValueError if a shipped one was changed.
        """
        paths = self._paths(folder)
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            remedy = "put them there" if folder else "install the package again"
            raise FileNotFoundError(f"{folder or SHIPPED} does not hold {', '.join(missing)}; {remedy}")
        for name, path in paths.items():
            digest = _digest(path)
            if folder is None and digest != _shipped_digests()[name]:
                raise ValueError(f"{path} was changed: its sha256 is {digest}; install the package again")
        return paths

    fetch = find

    def hash(self, folder: str | Path | None = None) -> str:
        """Return one sha256 for all files: of those in `folder`, or of the shipped ones, which are not read for it."""
        digests = _shipped_digests() if folder is None else {n: _digest(p) for n, p in self._paths(folder).items()}
        return _joint_hash({name: digests[name] for name in self.files})

    def _paths(self, folder: str | Path | None) -> dict[str, Path]:
        place = Path(folder).expanduser() if folder else SHIPPED
        return {name: place / name for name in self.files}


@lru_cache
def _shipped_digests() -> dict[str, str]:
    """Return file name -> sha256 as `sha256sum` writes it."""
    lines = (SHIPPED / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in map(str.split, lines)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _joint_hash(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(" ".join(f"{n}:{d}" for n, d in sorted(digests.items())).encode()).hexdigest()
