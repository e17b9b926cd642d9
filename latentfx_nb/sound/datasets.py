"""The paper's own recordings, GuitarSet and MAESTRO of 2018: where they are, and what is in them.

mirdata (the extra `datasets`) downloads and checks them. A copy on disk is read without it and without a network: file
names, and the list that ships with MAESTRO, tell enough.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from latentfx_nb.cache import check_space
from latentfx_nb.paper import MAESTRO_YEAR
from latentfx_nb.sound import intake

SUFFIXES = (".wav", ".flac")
"""Either serves: MAESTRO is published as WAV, and many people keep it as FLAC."""

GUITARSET_FILES = 360
"""Microphone recordings in GuitarSet: 6 players, 30 lead sheets, accompaniment and solo."""

STYLES = {"BN": "Bossa Nova", "Funk": "Funk", "Jazz": "Jazz", "Rock": "Rock", "SS": "Singer-Songwriter"}


MAESTRO_PAGE = "https://magenta.tensorflow.org/datasets/maestro"

MAESTRO_COLUMNS = {"canonical_composer": "composer", "canonical_title": "title", "split": "split", "year": "year"}


@dataclass(frozen=True)
class DataSet:
    """A published data set: its licence and size, what mirdata calls its parts, and how its folder is read."""

    name: str  # mirdata's, and that of the folder in ~/mir_datasets
    title: str
    instrument: str
    licence: str
    page: str
    contents: str  # of the archive
    archive_bytes: float
    unpacked_bytes: float
    version: str
    archive: str  # mirdata's key of the one file to download
    archive_path: str  # where mirdata puts it, within the folder
    recordings: str  # mirdata's key, in a track, of the file that is used
    read: Callable[[Path], pd.DataFrame]

    @property
    def offer(self) -> str:
        """One line on the download: contents, licence, and the disk space that it takes."""
        disk = self.archive_bytes + self.unpacked_bytes
        return (
            f"{self.title} ({self.contents}; licence {self.licence}, see {self.page}), about {_gb(self.archive_bytes)} "
            f"GB to download and {_gb(disk)} GB of disk while it is unpacked"
        )

    def files(self, folder: Path) -> pd.DataFrame:
        """Return a row a recording in `folder`; raise FileNotFoundError if there is none, ValueError if some lack."""
        return self.read(folder.resolve()).assign(instrument=self.instrument, licence=self.licence)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}" if size < 1e10 else f"{size / 1e9:.0f}"


def folder_of(name: str, folder: str | Path | None = None) -> Path:
    """Return `folder`, or else where mirdata keeps the data set called `name`: ~/mir_datasets/<name>."""
    return Path(folder).expanduser() if folder is not None else Path.home() / "mir_datasets" / name


def list_files(
    source: str, guitarset: str | Path | None = None, maestro: str | Path | None = None, download: bool = False
) -> pd.DataFrame:
    """Return one row a recording of `source` ("paper", "guitarset" or "maestro"): the columns of a manifest and more.

    Of GuitarSet these are all 360 microphone recordings, with `player`, `style`, `tempo_bpm`, `key` and `mode` (comp or
    solo). Comp and solo of one lead sheet by one player are one `recording`: the solo was played over that very comp,
    so a split must not part them. Of MAESTRO these are the performances of 2018, each a recording of its own, with
    `composer`, `title`, `split` and `year`; a piece that two pianists play is two recordings. What a data set does not
    know is NaN.

    A folder is one that is given, or else mirdata's own. `download` has mirdata fetch what is in neither, verify it and
    unpack it there; the licences go to stderr first.

    Raises FileNotFoundError if a data set is not there, with the size of its download, its licence and the remedies;
    ValueError if it is there in part, or a folder is given for a data set that `source` does not take; ImportError
    without mirdata and OSError without space or network if there is something to download.
    """
    given = {"guitarset": guitarset, "maestro": maestro}
    needless = [name for name, folder in given.items() if folder is not None and name not in SOURCES[source]]
    if needless:
        raise ValueError(
            f"{source!r} takes nothing from {needless[0]}={given[needless[0]]}; leave that out, or load 'paper'"
        )
    sets = [DATA_SETS[name] for name in SOURCES[source]]
    folders = {one.name: folder_of(one.name, given[one.name]) for one in sets}
    found, absent = {}, []
    for one in sets:
        try:
            found[one.name] = one.files(folders[one.name])
        except FileNotFoundError:
            absent.append(one)
        except ValueError:
            if not (download and (folders[one.name] / one.archive_path).exists()):
                raise
            absent.append(one)  # it was interrupted: what had arrived is verified and unpacked again
    if absent and not download:
        raise FileNotFoundError(_where_to_get(absent, source, folders))
    if absent:
        found |= _download(absent, folders)
    return pd.concat([found[one.name] for one in sets], ignore_index=True)


def _where_to_get(absent: list[DataSet], source: str, folders: dict[str, Path]) -> str:
    gone = " and ".join(f"{one.title} is not in {folders[one.name]}" for one in absent)
    given = ", ".join(f"{one.name}=FOLDER" for one in absent)
    shell = " ".join(f"--{one.name} FOLDER" for one in absent)
    return (
        f"{gone}; if you have it elsewhere, say load_clips({source!r}, {given}), in the shell {shell}; if not, "
        f"download=True, in the shell --download, fetches {', and '.join(one.offer for one in absent)}"
    )


def _read_guitarset(folder: Path) -> pd.DataFrame:
    pattern = r"((\d\d)_([A-Za-z]+)\d-(\d+)-([A-G][#b]?))_(comp|solo)_mic"
    rows: dict[str, tuple[Any, ...]] = {}
    for path in intake.files_below(folder):
        named = re.fullmatch(pattern, path.stem)
        if named and named[3] in STYLES and path.suffix.lower() in SUFFIXES:
            recording, player, style, tempo, key, mode = named.groups()
            rows.setdefault(path.stem, (str(path), recording, player, STYLES[style], int(tempo), key, mode))
    if not rows:
        raise FileNotFoundError(f"{folder} holds no recordings of GuitarSet")
    if len(rows) < GUITARSET_FILES:
        raise ValueError(
            f"{folder} holds {len(rows)} of the {GUITARSET_FILES} microphone recordings of GuitarSet, and clips are "
            f"chosen among all of them; {_how_to_complete(folder)}"
        )
    columns = ["file", "recording", "player", "style", "tempo_bpm", "key", "mode"]
    return pd.DataFrame([rows[name] for name in sorted(rows)], columns=columns).astype({"tempo_bpm": "Int64"})


def _read_maestro(folder: Path) -> pd.DataFrame:
    listed = _maestro_list(folder)
    try:
        rows = pd.read_csv(listed) if listed.suffix == ".csv" else pd.DataFrame(json.loads(listed.read_bytes()))
        rows = rows[rows["year"].astype(int) == MAESTRO_YEAR]
        table = rows[list(MAESTRO_COLUMNS)].rename(columns=MAESTRO_COLUMNS).astype({"year": "Int64"})
        names = rows["audio_filename"].astype(str)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{listed} is not MAESTRO's list of performances ({error}); download it again") from error
    files = [_with_either_suffix(listed.parent / name) for name in names]
    if None in files or not files:
        raise ValueError(
            f"{folder} holds {len(files) - files.count(None)} of the {len(files)} performances of {MAESTRO_YEAR} that "
            f"{listed.name} names, and clips are chosen among all of them; {_how_to_complete(folder)}"
        )
    table = table.assign(file=list(map(str, files)), recording=[Path(name).stem for name in names])
    return table.sort_values("recording", ignore_index=True)


def _maestro_list(folder: Path) -> Path:
    """Return the list of performances in `folder`, or in the folder that the archive unpacks to; JSON first."""
    for pattern in ("maestro-v*.json", "maestro-v*.csv", "*/maestro-v*.json", "*/maestro-v*.csv"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[-1]
    if (folder / str(MAESTRO_YEAR)).is_dir():
        raise ValueError(
            f"{folder} holds recordings but not the list of them, maestro-v2.0.0.json or .csv; get it from "
            f"{MAESTRO_PAGE} and put it there"
        )
    raise FileNotFoundError(f"{folder} holds nothing of MAESTRO")


def _with_either_suffix(path: Path) -> Path | None:
    return next((one for one in (path, *map(path.with_suffix, SUFFIXES)) if one.is_file()), None)


def _how_to_complete(folder: Path) -> str:
    return (
        f"add the rest, or move the folder away and download all of it, or take what is there as clips of your own: "
        f"load_clips({str(folder)!r})"
    )


def _download(absent: list[DataSet], folders: dict[str, Path]) -> dict[str, pd.DataFrame]:
    """Return the file tables of data sets that were not there, once they are and every file in use is verified."""
    loaded = {one.name: _with_mirdata(one, folders[one.name]) for one in absent}
    needed: Counter[int] = Counter()
    for one in absent:
        folders[one.name].mkdir(parents=True, exist_ok=True)
        disk = folders[one.name].stat().st_dev
        needed[disk] += int(one.archive_bytes + one.unpacked_bytes)
        check_space(folders[one.name], needed[disk], "the data sets", "give folders on a larger disk")
    with redirect_stdout(sys.stderr):
        for one in absent:
            sys.stderr.write(f"Downloading {one.offer} to {folders[one.name]}. mirdata has this of its licence:\n")
            loaded[one.name].license()
    for one in absent:
        _fetch(one, loaded[one.name], folders[one.name] / one.archive_path)
        validate(one.name, folders[one.name])
    return {one.name: one.files(folders[one.name]) for one in absent}


def _with_mirdata(one: DataSet, folder: Path) -> Any:
    try:
        import mirdata
    except ImportError as error:
        raise ImportError(
            f"mirdata downloads and checks {one.title}, and it is not installed; say: "
            f"pip install 'latentfx-nb[datasets]', or download it yourself from {one.page} and give its folder"
        ) from error
    return mirdata.initialize(one.name, str(folder), one.version)


def _fetch(one: DataSet, dataset: Any, archive: Path) -> None:
    """Have mirdata download, verify and unpack the archive, and delete it."""
    _fetch_index(one, dataset)  # small, so what goes wrong there does so before the large one
    try:
        dataset.download([one.archive], cleanup=True)
    except (OSError, HTTPException) as error:
        raise OSError(
            f"{one.title} could not be downloaded ({_line(error)}); try again, and if {archive} is there in part, "
            f"first delete it or have it completed: curl -L -C - -o '{archive}' '{dataset.remotes[one.archive].url}'"
        ) from error


def _fetch_index(one: DataSet, dataset: Any) -> None:
    try:
        dataset.download(["index"])
    except (OSError, HTTPException) as error:
        raise OSError(
            f"mirdata's index of {one.title}, which holds its checksums, could not be put at {dataset.index_path} "
            f"({_line(error)}); see to the network and to that folder, delete the file if it is there, and try again"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def validate(name: str, folder: str | Path | None = None) -> int:
    """Return how many recordings in use of "guitarset" or "maestro" are, byte for byte, those that were published.

    The checksums are those of mirdata's index, which is fetched (below 1 MB) where mirdata does not have it yet.

    Raises ValueError, naming them, if recordings were changed, and what `list_files` raises.
    """
    if name not in DATA_SETS:
        raise ValueError(f"{name!r} is no data set; name one of {', '.join(DATA_SETS)}")
    one, folder = DATA_SETS[name], folder_of(name, folder)
    files = one.files(folder)["file"]
    dataset = _with_mirdata(one, folder)
    if not Path(dataset.index_path).exists():
        _fetch_index(one, dataset)
    from mirdata.validate import validate as compare

    tracks = json.loads(Path(dataset.index_path).read_bytes())["tracks"].values()
    sums = {Path(path).name: checksum for path, checksum in (track[one.recordings] for track in tracks)}
    changed = [file for file in tqdm(files, "checksums") if not compare(file, sums.get(Path(file).name))[1]]
    if changed:
        raise ValueError(
            f"{len(changed)} of {len(files)} recordings of {one.title} are not as they were published: "
            f"{', '.join(changed[:5])}{', ...' if len(changed) > 5 else ''}; replace them (there are checksums for WAV "
            "alone, not for copies as FLAC)"
        )
    return len(files)


DATA_SETS = {
    "guitarset": DataSet(
        name="guitarset",
        title="GuitarSet",
        instrument="guitar",
        licence="CC BY 4.0",
        page="https://zenodo.org/records/3371780",
        contents="its microphone recordings",
        archive_bytes=0.66e9,
        unpacked_bytes=0.98e9,
        version="1.1.0",
        archive="audio_mic",
        archive_path="audio_mono-mic/audio_mono-mic.zip",
        recordings="audio_mic",
        read=_read_guitarset,
    ),
    "maestro": DataSet(
        name="maestro",
        title="MAESTRO",
        instrument="piano",
        licence="CC BY-NC-SA 4.0",
        page=MAESTRO_PAGE,
        contents=f"all ten years in one archive, of which {MAESTRO_YEAR} is used",
        archive_bytes=111e9,  # its page counts 103 and 122 GB, of 2**30 bytes
        unpacked_bytes=131e9,
        version="2.0.0",
        archive="all",
        archive_path="maestro-v2.0.0.zip",
        recordings="audio",
        read=_read_maestro,
    ),
}


SOURCES = {"paper": ("guitarset", "maestro"), "guitarset": ("guitarset",), "maestro": ("maestro",)}
"""Name that `load_clips` takes -> the data sets that its clips are cut from."""
