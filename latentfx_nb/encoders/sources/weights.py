"""Find, fetch and verify weights: public files, models of the Hugging Face Hub, converted checkpoints, shipped files.

Every kind has a `family`, a subfolder of `LATENTFX_WEIGHTS` that is searched first, and `find`, which downloads
nothing, and `fetch`. Nothing is unpickled here.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pooch

from latentfx_nb.cache import cache_dir, digest, file_digest

SHIPPED = Path(__file__).parents[2] / "bundled" / "weights"

FETCHED = "MB of weights are fetched at first use"
"""How the note of `list_encoders` ends for weights that take no more than that."""

SUMS = "SHA256SUMS"
"""Name of the file of digests, as `sha256sum` writes it, beside shipped and converted weights."""


@dataclass(frozen=True)
class Weights:
    """The files of one model family: a folder name, a pinned public address, and each file's sha256.

    Where a publisher gives only the first digits of a digest, in the file's name, these are compared.
    """

    family: str
    url: str  # of the folder that holds the files
    sha256: Mapping[str, str]  # file name -> digest
    size_mb: float

    @property
    def missing(self) -> str:
        """The note of `list_encoders` while the files are not here."""
        return f"{self.size_mb:g} {FETCHED}"

    def find(self, folder: str | Path | None = None) -> dict[str, Path] | None:
        """Return file name -> path if every file is in `folder`, or else on this machine, and intact; else None.

        Without `folder`, `LATENTFX_WEIGHTS`, a folder with one subfolder a family, is searched first, then the cache.
        A file with another sha256 is an error, not a miss: it raises ValueError naming the file.
        """
        place = _first_with(self.sha256, self.family, folder)
        if place is None:
            return None
        paths = {name: place / name for name in self.sha256}
        self._verify(paths)
        return paths

    def fetch(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Return what `find` returns; files that are not here yet are downloaded into the cache. All are verified.

        Nothing is downloaded where `folder` names the place to look.

        Raises FileNotFoundError, saying where files may be put by hand, if they can be neither found nor downloaded.
        """
        found = self.find(folder)
        if found:
            return found
        if folder:
            raise FileNotFoundError(f"{folder} does not hold all of {', '.join(self.sha256)}; put them there")
        folder = weights_folder(self.family)
        try:
            return {name: self._retrieve(name, folder) for name in self.sha256}
        except (OSError, ValueError) as error:
            raise FileNotFoundError(
                f"the weights of {self.family} ({', '.join(self.sha256)}; {self.size_mb:g} MB) are neither in "
                f"{_places(self.family)}, and fetching them from {self.url} failed ({error}); "
                f"put the files into {folder}, or set LATENTFX_WEIGHTS to a folder that holds {self.family}/"
            ) from error

    def _retrieve(self, name: str, folder: Path) -> Path:
        wanted = self.sha256[name]
        if len(wanted) == 64:
            return Path(pooch.retrieve(f"{self.url}/{name}", f"sha256:{wanted}", name, folder, progressbar=True))
        path = Path(pooch.retrieve(f"{self.url}/{name}", None, name, folder, progressbar=True))
        try:
            self._verify({name: path})
        except ValueError:
            path.unlink()
            raise
        return path

    def hash(self) -> str:
        """Return one sha256 for all files, known without having them."""
        return joint_hash(self.sha256)

    def _verify(self, paths: Mapping[str, Path]) -> None:
        for name, path in paths.items():
            found = file_digest(path)
            if not found.startswith(self.sha256[name]):
                raise ValueError(
                    f"{path} is not the published file: its sha256 is {found}, expected {self.sha256[name]}; "
                    "delete it and it is fetched again, or put the right one there"
                )


@dataclass(frozen=True)
class ShippedWeights:
    """Files in `bundled/weights/`, verified by the digests beside them, or in a folder of yours, taken as they are."""

    files: tuple[str, ...]

    family = "mini"
    url = "shipped with the package"
    missing = "install the package again"

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
            found = file_digest(path)
            if folder is None and found != _shipped_digests()[name]:
                raise ValueError(f"{path} was changed: its sha256 is {found}; install the package again")
        return paths

    fetch = find

    def hash(self, folder: str | Path | None = None) -> str:
        """Return one sha256 for all files: of those in `folder`, or of the shipped ones, which are not read for it."""
        digests = _shipped_digests() if folder is None else {n: file_digest(p) for n, p in self._paths(folder).items()}
        return joint_hash({name: digests[name] for name in self.files})

    def _paths(self, folder: str | Path | None) -> dict[str, Path]:
        place = Path(folder).expanduser() if folder else SHIPPED
        return {name: place / name for name in self.files}


@dataclass(frozen=True)
class ConvertedWeights:
    """Files that `python -m latentfx_nb convert` writes from a checkpoint of the user's own.

    `SHA256SUMS` beside them, written with them, is verified where it is present.
    """

    family: str
    files: tuple[str, ...]
    source: str  # where to get the checkpoint and what is known of its licence
    size_mb: float

    @property
    def url(self) -> str:
        return self.source

    @property
    def missing(self) -> str:
        return f"convert your own download once: python -m latentfx_nb convert {self.family} CKPT"

    def find(self, folder: str | Path | None = None) -> dict[str, Path] | None:
        """Return file name -> path if every file is in `folder`, or else on this machine; else None."""
        place = _first_with(self.files, self.family, folder)
        return None if place is None else {name: place / name for name in self.files}

    def fetch(self, folder: str | Path | None = None) -> dict[str, Path]:
        """Return what `find` returns, verified.

        Raises FileNotFoundError, saying how to get there, if that is nothing, and ValueError if a file was changed.
        """
        found = self.find(folder)
        if found is None:
            raise FileNotFoundError(
                f"{', '.join(self.files)} of {self.family} can be neither found in {folder or _places(self.family)} "
                f"nor downloaded; {self.missing}. {self.source}"
            )
        for name, path in found.items():
            sums = _read_sums(path.parent) if (path.parent / SUMS).is_file() else {}
            if name in sums and file_digest(path) != sums[name]:
                raise ValueError(f"{path} was changed after it was converted; convert the checkpoint again")
        return found


@dataclass(frozen=True)
class HubWeights:
    """One model of the Hugging Face Hub at a fixed commit: its configuration and safetensors, never a pickle."""

    family: str
    repo: str
    revision: str  # of the repository, all 40 digits
    size_mb: float
    files: tuple[str, ...] = ("config.json", "model.safetensors")
    subfolder: str = ""
    gated: bool = False  # whether its licence has to be accepted on the Hub first
    sha256: Mapping[str, str] = field(default_factory=dict)  # file name -> digest, of the weights at least

    @property
    def url(self) -> str:
        return f"https://huggingface.co/{self.repo}"

    @property
    def missing(self) -> str:
        fetched = f"{self.size_mb:g} {FETCHED}"
        return f"{fetched}; before that, {self.licence_step()}" if self.gated else fetched

    def find(self, folder: str | Path | None = None) -> Path | None:
        """Return the folder that holds the model's files: `folder`, or else one on this machine; None if there is none.

        Without `folder`, a family's folders are searched first, then the Hub's own cache (`HF_HOME`).
        """
        return _first_with(self.files, self.family, folder) or (None if folder else self._cached())

    def fetch(self, folder: str | Path | None = None) -> Path:
        """Return what `find` returns; files that are not here yet are downloaded into the Hub's own cache, with a bar.

        Published files are verified; a folder of your own may hold another model of the kind. Raises FileNotFoundError
        if nothing can be found or downloaded, saying what to do about a gated licence, and ValueError if what the Hub's
        cache holds is not what was published.
        """
        own = _first_with(self.files, self.family, folder)
        if own:
            return own
        if folder:
            raise FileNotFoundError(f"{folder} does not hold all of {', '.join(self.files)}; put them there")
        return self._verified(self._cached() or self._download())

    def hash(self, folder: Path) -> str:
        """Return one sha256 for the model's files in `folder`."""
        return files_hash(folder / name for name in self.files)

    def licence_step(self) -> str:
        """Return the step that a gated model needs before it can be fetched."""
        return f"accept its licence at {self.url} with an account of yours, then run: hf auth login"

    def _in_repo(self, name: str) -> str:
        return f"{self.subfolder}/{name}" if self.subfolder else name

    def _cached(self) -> Path | None:
        try:
            from huggingface_hub import try_to_load_from_cache
        except ImportError:
            return None
        paths = [try_to_load_from_cache(self.repo, self._in_repo(name), revision=self.revision) for name in self.files]
        return Path(str(paths[0])).parent if all(isinstance(path, str) for path in paths) else None

    def _download(self) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError

        try:
            wanted = [self._in_repo(name) for name in self.files]
            return Path(snapshot_download(self.repo, revision=self.revision, allow_patterns=wanted)) / self.subfolder
        except GatedRepoError as error:
            raise FileNotFoundError(f"{self.family} is gated: {self.licence_step()}") from error
        except Exception as error:  # the Hub's client raises its own, its transport's and the system's
            step = f"; {self.licence_step()}" if self.gated else ""
            raise FileNotFoundError(
                f"the weights of {self.family} ({', '.join(self.files)}; {self.size_mb:g} MB) are neither in "
                f"{_places(self.family)} nor in the Hub's cache, and fetching them from {self.url} failed "
                f"({' '.join(str(error).split())}); put the files into {weights_folder(self.family)}, or set "
                f"LATENTFX_WEIGHTS to a folder that holds {self.family}/{step}"
            ) from error

    def _verified(self, folder: Path) -> Path:
        for name, wanted in self.sha256.items():
            found = file_digest(folder / name)
            if found != wanted:
                raise ValueError(
                    f"{folder / name} is not the published file: its sha256 is {found}, expected {wanted}; delete it "
                    "and it is fetched again"
                )
        return folder


@lru_cache
def _shipped_digests() -> dict[str, str]:
    """Return file name -> sha256 as `sha256sum` writes it."""
    return _read_sums(SHIPPED)


def _read_sums(folder: Path) -> dict[str, str]:
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in map(str.split, lines)}


def weights_folder(family: str) -> Path:
    """Return the cache's folder for the weights of a model family."""
    return cache_dir() / "weights" / family


def _folders(family: str) -> list[Path]:
    """Return where a family's files are looked for, in this order."""
    own = os.environ.get("LATENTFX_WEIGHTS")
    return ([Path(own).expanduser() / family] if own else []) + [weights_folder(family)]


def _places(family: str) -> str:
    return " nor in ".join(map(str, _folders(family)))


def _first_with(names: Iterable[str], family: str, folder: str | Path | None) -> Path | None:
    """Return `folder`, or else the first of a family's folders, that holds all files called `names`; None if none."""
    places = [Path(folder).expanduser()] if folder else _folders(family)
    return next((place for place in places if all((place / name).is_file() for name in names)), None)


def check_archive(path: Path) -> None:
    """Raise ValueError if `path` is a zip archive of torch's that would unpack to more than it holds.

    torch never compresses, so an archive with compressed or overlapping entries was made to fill the memory.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    unpacked, held = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > held or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(
            f"it is {held / 1e6:.1f} MB that would unpack to {unpacked / 1e6:.1f} MB, and torch packs nothing"
        )


def files_hash(paths: Iterable[Path]) -> str:
    """Return one sha256 for the files at `paths`, by their names."""
    return joint_hash({path.name: file_digest(path) for path in paths})


def joint_hash(digests: Mapping[str, str]) -> str:
    """Return one sha256 for files with these digests, by name."""
    return digest(" ".join(f"{name}:{one}" for name, one in sorted(digests.items())))
