"""The results that ship with the package, entry by entry: how they are found, checked and written.

An entry is the time average of one clip through one effect in one encoder. It is found by the clip's content, the
effect's recipe and the weights' hash, without reading any other. `bundled/points/` holds, as plain NetCDF 3,

    <encoder>/settings/<effect>.nc       a row for each clip, through the effect as Table 1 sets it
    <encoder>/settings/<effect>-mono.nc  the same of an effect with a stereo width, summed to mono
    <encoder>/knobs/<effect>-<knob>.nc   a row for each of a few clips, along the 32 values of a knob
    <encoder>/measures/<study>.nc        what was computed from all clips through Table 1
    renders/<effect>[-<knob>].nc         levels of a few renders
    descriptors/<effect>.nc              descriptors of each clip's sound through the effect as Table 1 sets it

Each file says its schema, its recipe, the hash of the weights, and which versions of the rendering libraries made it.
A file is not trusted by its name or by version numbers: where other versions are installed, the renders under
`renders/` are made again, and results of renders that sound different here are not served.

`tools/publish.py` is the only writer. A new effect, knob, encoder or study is a new file and touches no other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.cache import atomic_write
from latentfx_nb.effects import TABLE_1, Setting, get_effect, recipe, render_settings, render_versions, sweep_settings
from latentfx_nb.encoders import weights_hash
from latentfx_nb.paper import KNOB_VALUES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import BUNDLED, ClipSet, load_clips
from latentfx_nb.sound.descriptors import DESCRIPTORS

POINTS = BUNDLED / "points"

SCHEMA = 1
"""Number of the format described above; files of another one are not read."""

TOLERANCE_DB = 0.02
"""By how much the levels of two renders of the same sound may differ (rms). A last bit moves them by 1e-5 dB, a cutoff
that is 1 % higher by 0.03."""

TOLERANCE_PITCH_SHIFT_DB = 1.0
"""The same of pitch shift, which looks for the best overlap of its windows: a last bit may move one, by 0.4 dB. A
twentieth of a semitone moves the levels by 3 dB."""

REFERENCE_CLIPS = ("gtr_00_a", "pno_00_a")
"""Bundled clips whose renders are compared: one of each instrument."""

REFERENCE_VALUES = (0, KNOB_VALUES // 2, KNOB_VALUES - 1)
"""Places on a knob whose renders are compared."""

BAND_EDGES_HZ = tuple(40.0 * 2.0**octave for octave in range(10))  # 40 Hz to 20 480 Hz
PARTS = 8
FLOOR_DB = -70.0


class NotShipped(LookupError):
    """Something does not ship for these clips, and the caller did not want it computed."""


@dataclass(frozen=True)
class Piece:
    """A file that ships, and the recipe that it must have been made by to be served.

    place: below `POINTS`, without the suffix. renders: names under renders/ of the renders that it was made of.
    """

    place: str
    recipe: Mapping[str, Any]
    renders: tuple[str, ...]
    encoder: str = ""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return POINTS / f"{self.place}.nc"

    def is_of(self, dataset: xr.Dataset) -> bool:
        """Say whether a file was made by this recipe, with the weights that this encoder has."""
        attributes = dataset.attrs
        if attributes.get("schema") != SCHEMA or json.loads(attributes["recipe"]) != _plain(self.recipe):
            return False
        return not self.encoder or attributes["weights_hash"] == weights_hash(self.encoder)


def setting_piece(encoder: str, effect: str, mono: bool = False) -> Piece:
    """Return the piece of clips through one effect as Table 1 sets it; its variable is `means (clip_hash, dim)`.

    `mono` makes another piece only of an effect with a stereo width.
    """
    setting = Setting(effect, mono=mono)
    name = f"{effect}-mono" if setting.summed else effect
    return Piece(f"{encoder}/settings/{name}", recipe([setting]), (effect,), encoder)


def knob_piece(encoder: str, effect: str, knob: str | None = None) -> Piece:
    """Return the piece of clips along one knob of an effect; its variable is `means (clip_hash, value, dim)`."""
    name = _knob_name(effect, knob)
    return Piece(f"{encoder}/knobs/{name}", recipe(sweep_settings(effect, KNOB_VALUES, knob)), (name,), encoder)


def study_piece(encoder: str, study: str, knobs: Sequence[str] = ()) -> Piece:
    """Return the piece of a study of all clips through Table 1, and of some along the first knob of `knobs`."""
    rows = [recipe([Setting(effect)]) for effect in TABLE_1]
    rows += [recipe(sweep_settings(effect, KNOB_VALUES)) for effect in knobs]
    renders = (*TABLE_1, *(_knob_name(effect) for effect in knobs))
    return Piece(f"{encoder}/measures/{study}", {"measure": study, "of": rows}, renders, encoder)


def descriptor_piece(effect: str) -> Piece:
    """Return the piece of sounds through an effect; its variable is `descriptors (clip_hash, descriptor)`."""
    made = {"descriptors": list(DESCRIPTORS), "of": recipe([Setting(effect)])}
    return Piece(f"descriptors/{effect}", made, (effect,))


def reference_pieces() -> dict[str, tuple[Piece, list[Setting]]]:
    """Return name -> piece and settings of all renders that are compared, of effects as they are set and of knobs."""
    found = {}
    for effect in TABLE_1:
        spec = get_effect(effect)
        chosen = {effect: [Setting(effect)]}
        for knob in spec.knobs:
            every = sweep_settings(effect, KNOB_VALUES, knob.name)
            chosen[_knob_name(effect, knob.name)] = [every[place] for place in REFERENCE_VALUES]
        for name, settings in chosen.items():
            found[name] = Piece(f"renders/{name}", recipe(settings), (name,)), settings
    return found


def _knob_name(effect: str, knob: str | None = None) -> str:
    return f"{effect}-{get_effect(effect).knob(knob).name}"


# ------------------------------------------------------------------------------------------------------------- reading


def entries(piece: Piece, hashes: Sequence[str], variable: str = "means") -> dict[int, NDArray[np.float32]]:
    """Return number in `hashes` -> what a piece holds of the clip of that hash, for those that ship.

    These are time averages `[... dim]`, or the values of another `variable`.
    """
    dataset = _trusted(piece)
    if dataset is None:
        return {}
    rows = _rows(dataset)
    values = dataset[variable].values
    return {number: values[rows[digest]] for number, digest in enumerate(hashes) if digest in rows}


def read_study(piece: Piece, hashes: Sequence[str]) -> xr.Dataset | None:
    """Return the study of the clips of these hashes, all of them and no others; else None.

    Values of single clips are over the dim `clip`, in the order of `hashes`.
    """
    dataset = _trusted(piece)
    if dataset is None:
        return None
    rows = _rows(dataset)
    wanted = [rows.get(digest) for digest in hashes]
    if None in wanted or len(wanted) != len(rows):
        return None
    dataset = dataset.isel(clip_hash=wanted).drop_vars("clip_hash")
    return dataset.rename(clip_hash="clip") if "clip_hash" in dataset.dims else dataset


def _rows(dataset: xr.Dataset) -> dict[str, int]:
    return {str(digest): row for row, digest in enumerate(dataset["clip_hash"].values)}


def _trusted(piece: Piece) -> xr.Dataset | None:
    dataset = read(piece)
    if dataset is None:
        return None
    same_versions = json.loads(dataset.attrs["made_with"]) == render_versions()
    return dataset if same_versions or all(sounds_alike(name) for name in piece.renders) else None


def read(piece: Piece) -> xr.Dataset | None:
    """Return the file of a piece, if it is there and made by this recipe; else None."""
    dataset = _load(piece.path)
    return dataset if dataset is not None and piece.is_of(dataset) else None


@lru_cache(maxsize=256)
def _load(path: Path) -> xr.Dataset | None:
    return xr.load_dataset(io.BytesIO(path.read_bytes()), engine="scipy") if path.exists() else None


# ------------------------------------------------------------------------------------------------------ other versions

_OFF_DB: dict[tuple[str, str], float] = {}  # versions and name -> how far renders of this process are off


def sounds_alike(name: str) -> bool:
    """Say whether renders made here are those that ship, by their levels, whatever the libraries' versions."""
    key = json.dumps(render_versions()), name
    if key not in _OFF_DB:
        _OFF_DB[key] = off_db(name)
    return _OFF_DB[key] <= tolerance_db(name)


def tolerance_db(name: str) -> float:
    """Return by how many dB the renders of this name may be off."""
    return TOLERANCE_PITCH_SHIFT_DB if name.startswith("PS") else TOLERANCE_DB


def off_db(name: str) -> float:
    """Return how far renders made here are from those that ship, in dB: the worst of the few that are compared.

    It is infinite if none ship by the same recipe.
    """
    piece, settings = reference_pieces()[name]
    reference = read(piece)
    if reference is None:
        return np.inf
    return float(np.sqrt(np.square(_reference_levels(settings) - reference["levels_db"].values).mean((-2, -1))).max())


def made_with(encoder: str) -> str:
    """Return a sentence on the versions that the shipped points were made with; "" if they are installed here.

    It names the renders that have been compared in this process so far.
    """
    here = render_versions()
    compared = {name: off for (versions, name), off in _OFF_DB.items() if versions == json.dumps(here)}
    dataset = read(setting_piece(encoder, "CLN"))
    made = here if dataset is None else json.loads(dataset.attrs["made_with"])
    if made == here or not compared:
        return ""
    said = f"The points that ship were made with {_words(made)}; here are {_words(here)}."
    bad = [f"{name} by {off:.2g} dB" for name, off in compared.items() if off > tolerance_db(name)]
    if bad:
        return f"{said} Renders differ ({', '.join(bad)}), so what rests on these is not shown but computed here."
    most = max(compared.values())
    return f"{said} Renders of {len(compared)} settings were compared: they differ by {most:.2g} dB at most."


def _words(versions: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {version}" for name, version in versions.items())


def _reference_levels(settings: Sequence[Setting]) -> NDArray[np.float32]:
    """Return `[clip setting band part]` of the renders that are compared."""
    clips = _reference_clips()
    return np.stack([[levels_db(sound) for sound in render_settings(clip, settings)] for clip in clips])


def _reference_clips() -> ClipSet:
    clips = load_clips("bundled")
    return clips[clips.table["clip"].isin(REFERENCE_CLIPS).to_numpy()]


def levels_db(sound: Clip) -> NDArray[np.float32]:
    """Return the levels `[band part]` of `sound [channel sample]` at 48 kHz in nine octaves and eight equal parts.

    In dB of full scale; levels below -70 dB count as -70 dB.
    """
    parts = np.stack(np.array_split(sound[:, : sound.shape[1] // PARTS * PARTS].astype(np.float64), PARTS, axis=1))
    power = np.square(np.abs(np.fft.rfft(parts, axis=-1))).mean(axis=1) * 2 / parts.shape[-1] ** 2
    starts = np.searchsorted(np.fft.rfftfreq(parts.shape[-1], 1 / SAMPLE_RATE_HZ), BAND_EDGES_HZ)
    bands = np.add.reduceat(power, starts, axis=-1)[:, : len(BAND_EDGES_HZ) - 1]
    return np.maximum(10 * np.log10(np.maximum(bands, 1e-12)), FLOOR_DB).T.astype(np.float32)


# ------------------------------------------------------------------------------------------------------------- writing


def write(piece: Piece, dataset: xr.Dataset) -> Path:
    """Write the file of a piece from `dataset`, whose clips are over `clip_hash`, and return its path."""
    attributes = {
        "schema": SCHEMA,
        "recipe": json.dumps(_plain(piece.recipe)),
        "made_with": json.dumps(render_versions()),
    }
    if piece.encoder:
        attributes |= {"encoder": piece.encoder, "weights_hash": weights_hash(piece.encoder)}
    content = dataset.drop_attrs().assign_attrs(attributes).to_netcdf(engine="scipy", format="NETCDF3_64BIT")
    with atomic_write(piece.path) as file:
        file.write(content)
    _load.cache_clear()
    return piece.path


def reference_levels(name: str) -> xr.Dataset:
    """Return `levels_db (clip_hash, setting, band, part)` of the renders of this name, as they are made here."""
    levels = _reference_levels(reference_pieces()[name][1])
    return xr.Dataset(
        {"levels_db": (("clip_hash", "setting", "band", "part"), levels)},
        {"clip_hash": np.array(_reference_clips().hashes(), object)},
    )


def _plain(content: Any) -> Any:
    """Return a recipe as JSON gives it back."""
    return json.loads(json.dumps(content))
