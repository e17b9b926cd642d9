"""Sets of clips: bundled, the paper's own or any folder of audio files, cut to the paper's length and read lazily."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentfx_nb.cache import digest, file_digest
from latentfx_nb.paper import CHOICE_SEED, CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio, choosing, datasets, intake
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.form import HEADER_TOLERANCE_S, Form, Unusable
from latentfx_nb.sound.manifest import read_manifest, some
from latentfx_nb.sound.readers import form
from latentfx_nb.sound.songs import songs_of

BUNDLED = Path(__file__).parents[1] / "bundled"

AUDIO_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff", ".m4a", ".opus", ".webm", ".aac", ".aifc", ".au", ".caf", ".oga",
    ".w64", ".wave", ".wma",
)  # fmt: skip
"""Names of files that are taken for audio in a folder end so; their content tells what they hold."""

HEADER_TOLERANCE_SAMPLES = round(SAMPLE_RATE_HZ * HEADER_TOLERANCE_S)


class SkippedFiles(UserWarning):
    """Some files of the folder cannot be used, and were skipped."""


class ShortFiles(UserWarning):
    """Some files hold less than their headers say, or lack their ends; they are used as far as they go."""


class ClipSet(Sequence[Clip]):
    """Clips of 262 144 samples at 48 kHz, described by `.table` and read from their files when asked for.

    `clips[3]` is float32 `[2 262144]`, mono doubled to stereo (section 2.2); `clips[:8]`, `clips[[0, 5]]` and a boolean
    mask are ClipSets again. `.table` has a row a clip: `clip` (its unique id), `instrument`, `recording`, `licence`,
    `file` (absolute), `start` (sample at 48 kHz), `padded_samples` (silence added at the end; 0 for all but a
    recording's last clip) and whatever other columns the manifest holds. `mono` mixes stereo files down first, as the
    paper did; without it their channels stay apart. `skipped` are the files of the folder that could not be used, path
    -> reason; parts of the set keep all of it, as they come from the same folder. `among` is the set in whose axes
    these clips are drawn, as a visitor's few are among the bundled ones; None: in their own.
    """

    sample_rate = SAMPLE_RATE_HZ

    def __init__(
        self,
        table: pd.DataFrame,
        name: str = "clips",
        mono: bool = False,
        skipped: Mapping[str, str] | None = None,
        among: ClipSet | None = None,
    ) -> None:
        self.table = table.reset_index(drop=True)
        self.name = name
        self.mono = mono
        self.skipped = dict(skipped or {})
        self.among = among

    @property
    def reference(self) -> ClipSet:
        """The set whose axes these clips are drawn in: the one they are placed among, or they themselves."""
        return self if self.among is None else self.among

    def placed_among(self, reference: ClipSet) -> ClipSet:
        """Return the same clips, to be drawn in the axes of another set."""
        return ClipSet(self.table, self.name, self.mono, self.skipped, reference)

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> ClipSet: ...

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[Any]) -> Clip | ClipSet:
        if isinstance(index, (int, np.integer)):
            return self._read(range(len(self))[index])
        if not isinstance(index, slice) and np.asarray(index).dtype == bool:
            index = np.flatnonzero(index)
        return ClipSet(self.table.iloc[index], self.name, self.mono, self.skipped, self.among)

    def __iter__(self) -> Iterator[Clip]:
        return (self._read(row) for row in range(len(self)))

    def __repr__(self) -> str:
        counts = self.table["instrument"].value_counts().to_dict()
        described = ", ".join(f"{count} {instrument}" for instrument, count in counts.items())
        left_out = f"; {len(self.skipped)} files skipped" if self.skipped else ""
        length_s = CLIP_SAMPLES / SAMPLE_RATE_HZ
        return f"ClipSet {self.name!r}: {len(self)} clips of {length_s:.2f} s ({described}){left_out}"

    def _read(self, row: int) -> Clip:
        file, start = self.table["file"].iat[row], int(self.table["start"].iat[row])
        clip = audio.read(file, SAMPLE_RATE_HZ, start, CLIP_SAMPLES)
        missing = CLIP_SAMPLES - int(self.table["padded_samples"].iat[row]) - clip.shape[-1]
        if missing > HEADER_TOLERANCE_SAMPLES:
            raise ValueError(f"{file} ends {missing} samples before its header says; copy or export it again")
        if self.mono:
            clip = audio.to_channels(clip, 1)
        return audio.fit_length(audio.to_channels(clip, 2), CLIP_SAMPLES)

    def songs(self) -> list[str]:
        """Return the song of each clip: two stems of one song are two recordings, and one song (`sound.songs`)."""
        return songs_of(self.table)

    def hashes(self) -> list[str]:
        """Return one sha256 a clip, over its file's bytes and its place in the file: equal hashes, equal samples.

        A file is read again when it changed (`cache.file_digest`). A file that is gone, or may not be read any more,
        keeps the hash that this process last saw; one that it never saw goes by its path. Reading the clip says what is
        wrong.
        """
        files, mixed = self.table["file"], " mono" if self.mono else ""
        known = {file: _file_hash_and_reader(file) for file in files.unique()}
        return [
            digest(f"{known[file][0]} {start}{mixed}{known[file][1]}")
            for file, start in zip(files, self.table["start"], strict=True)
        ]


_last_seen: dict[str, tuple[str, str]] = {}


def _file_hash_and_reader(file: str) -> tuple[str, str]:
    """Return the hash of a file's bytes, and the library that reads them, on which its samples depend too.

    libsndfile goes unnamed, as when it was the only reader. FFmpeg is named, so clips that it reads right do not share
    a hash with the same clips as libsndfile read them, wrong.
    """
    try:
        _last_seen[file] = file_digest(file), form(file).reader.replace("libsndfile", "")
    except (OSError, Unusable):
        return _last_seen.get(file, (f"unseen {file}", ""))
    return _last_seen[file]


def load_clips(
    source: str | Path = "bundled",
    per_recording: int | None = None,
    *,
    guitarset: str | Path | None = None,
    maestro: str | Path | None = None,
    download: bool = False,
    seed: int | None = None,
    warn: bool = True,
) -> ClipSet:
    """Return the clips in `source`: "bundled" (64 shipped with the package), "paper", a folder or one audio file.

    Files (`AUDIO_SUFFIXES`; any rate; mono or stereo; in subfolders too) are cut into clips of 262 144 samples at
    48 kHz; the last one of each file is padded with silence, as `padded_samples` says. At most `per_recording` clips
    are taken from a recording (None: no cap). A `manifest.csv` in the folder (columns file, instrument, recording,
    licence; others are kept) says which files are taken and what they are; without it each file is a recording. Files
    that cannot be used are left out: `.skipped` gives the reasons, and a `SkippedFiles` warning names them (unless
    `warn` is False). A `ShortFiles` warning names files that hold less than their headers say.

    "paper" is a data set made as the paper made its own (section 2.2): 512 clips of GuitarSet and 512 of MAESTRO,
    mixed to mono and doubled, drawn by `seed` (None: `paper.CHOICE_SEED`) as `choosing` says; "guitarset" and "maestro"
    are its halves. `guitarset` and `maestro` are the folders of the data (default: mirdata's own, ~/mir_datasets);
    `download` has mirdata fetch what is in neither.

    Raises FileNotFoundError if there is no such folder. Raises ValueError if `source` is empty or no path, if it holds
    no audio that can be used, if the manifest lacks columns or names files that are not there, and if a file of the
    paper's data cannot be used. For these data it also raises what `datasets.list_files` and `choosing.choose` raise.
    """
    if per_recording is not None and per_recording < 1:
        raise ValueError(f"per_recording = {per_recording} leaves no clip; give at least 1, or None for no cap")
    path = _path_of(source)
    if source in datasets.SOURCES:
        files = datasets.list_files(str(source), guitarset, maestro, download)
        return _chosen_clips(str(source), files, CHOICE_SEED if seed is None else seed, per_recording, warn)
    if download or not (guitarset is maestro is seed is None):
        raise ValueError(f"guitarset, maestro, download and seed are for load_clips('paper'), not {str(source)!r}")
    if source == "bundled":
        return _folder_clips(BUNDLED / "clips", "bundled", per_recording, warn)
    return _folder_clips(path, path.name, per_recording, warn)


def _chosen_clips(source: str, files: pd.DataFrame, seed: int, per_recording: int | None, warn: bool) -> ClipSet:
    """Return the paper's choice among the clips of `files`, every one of which has to be usable."""
    table, skipped, short = _cut(files)
    if skipped:
        raise ValueError(f"{_unusable(skipped, len(files))}; repair or remove them")
    if short and warn:
        warnings.warn(_short(short, len(files)), ShortFiles, stacklevel=3)
    table.insert(0, "clip", _unique_ids(table))
    return ClipSet(choosing.choose(table, seed, per_recording), source, mono=True)


def _folder_clips(folder: Path, name: str, per_recording: int | None, warn: bool) -> ClipSet:
    """Return the clips of the usable files in a folder, or of one file, under a name."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist; give 'bundled' or a folder of audio files")
    files, unnamed = _list_files(folder)
    table, skipped, short = _cut(files)
    skipped, count = unnamed | skipped, len(unnamed) + len(files)
    if table.empty:
        raise ValueError(f"{_unusable(skipped, count)}; repair or remove them")
    if skipped and warn:
        told = f"{_unusable(skipped, count)}, and are skipped; repair or remove them"
        warnings.warn(told, SkippedFiles, stacklevel=3)
    if short and warn:
        warnings.warn(_short(short, count), ShortFiles, stacklevel=3)
    if per_recording is not None:
        table = table[table.groupby("recording").cumcount() < per_recording].reset_index(drop=True)
    table.insert(0, "clip", _unique_ids(table))
    return ClipSet(table, name, skipped=skipped)


def _path_of(source: object) -> Path:
    """Return the path of a folder or file; raise ValueError if `source` is none."""
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(
            f"load_clips takes one folder or one file, not {type(source).__name__}; put several files into a folder, "
            "where a manifest.csv may say which of them are taken"
        )
    if not os.fspath(source).strip():
        raise ValueError("load_clips was given an empty path; give a folder ('.' for the one you are in), or 'bundled'")
    return Path(source).expanduser()


def _list_files(folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return one row a file, with the manifest's columns and `file` absolute; and files that no table can name."""
    folder = folder.resolve()
    manifest = folder / "manifest.csv"
    if manifest.exists():
        return read_manifest(manifest), {}
    found = [folder] if folder.is_file() else intake.files_below(folder)
    # Pipes and links that lead nowhere stay in, to be named with those that cannot be used.
    found = [path for path in found if path.suffix.lower() in AUDIO_SUFFIXES]
    if not found:
        raise ValueError(f"{folder} holds no audio; put {', '.join(AUDIO_SUFFIXES)} files into it")
    base = folder.parent if folder.is_file() else folder
    named = [path for path in found if _shown(path) == str(path)]
    unnamed = {_shown(path): "its name is not valid UTF-8; rename it" for path in found if path not in named}
    recordings = [str(path.relative_to(base).with_suffix("")) for path in named]
    table = {"file": map(str, named), "instrument": "unknown", "recording": recordings, "licence": "unknown"}
    return pd.DataFrame(table), unnamed


def _shown(path: Path) -> str:
    """Return a path as text, with a sign in the place of bytes that are no UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def _cut(files: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
    """Return one row a clip, with `start` and `padded_samples`; why files give none; remarks on short files."""
    lengths: list[int] = []
    skipped: dict[str, str] = {}
    short: dict[str, str] = {}
    for file, found in zip(files["file"], intake.forms(files["file"])):
        try:
            if isinstance(found, Unusable):
                raise found
            lengths.append(_length(found))
        except Unusable as error:
            skipped[file] = str(error)
        else:
            if found.remark:
                short[file] = found.remark
    files = files[~files["file"].isin(list(skipped))]
    if not lengths:
        return files.assign(start=0, padded_samples=0), skipped, short
    counts = [-(-length // CLIP_SAMPLES) for length in lengths]
    table = files.loc[files.index.repeat(counts)].reset_index(drop=True)
    cuts = np.concatenate([np.arange(count) for count in counts])
    table["start"] = cuts * CLIP_SAMPLES
    table["padded_samples"] = np.maximum(0, table["start"] + CLIP_SAMPLES - np.repeat(lengths, counts))
    return table, skipped, short


def _length(form: Form) -> int:
    """Return a file's samples at 48 kHz; raise Unusable if it has none, or more than two channels."""
    if form.channels > 2:
        raise Unusable(f"{form.channels} channels; mix it down to mono or stereo")
    length = audio.samples_at(form.frames, form.samplerate, SAMPLE_RATE_HZ)
    if not length:
        raise Unusable("empty")
    return length


def _unusable(skipped: Mapping[str, str], of: int) -> str:
    return f"{len(skipped)} of {of} files cannot be used: {_reasoned(skipped)}"


def _short(short: Mapping[str, str], of: int) -> str:
    told = f"{len(short)} of {of} files are cut short, and used as far as they go: {_reasoned(short)}"
    return f"{told}; copy or export them again if there should be more"


def _reasoned(files: Mapping[str, str]) -> str:
    return some([f"{file} ({reason})" for file, reason in files.items()])


def _unique_ids(table: pd.DataFrame) -> list[str]:
    """Name each clip after its file, numbered where a file gives several clips, with its path where names clash."""
    files, cuts = table["file"], table["start"] // CLIP_SAMPLES
    several = (cuts > 0).groupby(files).transform("any")
    numbers = ("-" + cuts.astype(str)).where(several, "")
    names = files.map({file: Path(file).stem for file in files.unique()})
    clashing = (files.groupby(names).transform("nunique") > 1) | (names + numbers).duplicated(keep=False)
    if clashing.any():
        folder = os.path.commonpath([os.path.dirname(file) for file in files.unique()])
        paths = {file: Path(file).relative_to(folder).as_posix() for file in files[clashing].unique()}
        names = names.where(~clashing, files.map(paths))
    return (names + numbers).tolist()
