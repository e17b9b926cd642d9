"""Compute what ships with the package: python -m tools.publish [encoder] [what]

`python -m tools.publish who-names --real FOLDER` makes the table of who names the effect (`tools/who_names.py`).

`what` is "renders", "descriptors", "settings", "knobs" or one of the studies of `prepared.STUDIES`; without it all of
them are looked at, and without `encoder` all encoders whose points ship. Only what is missing is computed, entry by
entry: a clip, an effect, a knob, an encoder or a study that is new. To have something made again, delete its file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis import prepared, shipped
from latentfx_nb.analysis.axes import measure_sounds
from latentfx_nb.effects import TABLE_1, get_effect
from latentfx_nb.encoders import DEFAULT_ENCODERS, load_encoder
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.store.encode import encode_effects, encode_sweep
from tools import who_names

KINDS = ("renders", "descriptors", "settings", "knobs", *prepared.STUDIES)


def main(arguments: list[str] | None = None) -> None:
    """Write what is missing, and say which files were written."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["who-names"]:
        return who_names.main(given[1:])
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=__doc__)
    parser.add_argument("encoder", nargs="?", choices=[*DEFAULT_ENCODERS, "all"], default="all")
    parser.add_argument("what", nargs="?", choices=[*KINDS, "all"], default="all")
    options = parser.parse_args(given)
    kinds = KINDS if options.what == "all" else (options.what,)
    for path in publish(DEFAULT_ENCODERS if options.encoder == "all" else (options.encoder,), kinds):
        sys.stdout.write(f"{path.relative_to(shipped.POINTS)}\n")
        sys.stdout.flush()


def publish(encoders: Sequence[str], kinds: Sequence[str]) -> Iterator[Path]:
    """Yield the path of each file that was written."""
    clips = load_clips("bundled")
    yield from _renders()
    if "descriptors" in kinds:
        yield from _descriptors(clips)
    for encoder in encoders:
        if "settings" in kinds:
            yield from _settings(encoder, clips)
        if "knobs" in kinds:
            yield from _knobs(encoder, prepared.path_clips(clips))
        for name in prepared.STUDIES:
            if name in kinds:
                yield from _study(encoder, name, clips)


def _renders() -> Iterator[Path]:
    """Write the levels of renders that are not there; those that are must be what this machine renders."""
    for name, (piece, _) in shipped.reference_pieces().items():
        if shipped.read(piece) is None:
            yield shipped.write(piece, shipped.reference_levels(name))
        elif not shipped.sounds_alike(name):
            raise SystemExit(
                f"{name} sounds otherwise here than what ships, by {shipped.off_db(name):.2g} dB: install the versions "
                f"that it was made with, or delete {piece.path} and all entries of {name} to make them again"
            )


def _descriptors(clips: ClipSet) -> Iterator[Path]:
    for effect in TABLE_1:
        piece = shipped.descriptor_piece(effect)
        found = shipped.entries(piece, clips.hashes(), "descriptors")
        if rows := _missing(found, clips):
            found |= dict(zip(rows, measure_sounds(clips[list(rows)], [effect])[:, 0], strict=True))
            values = np.stack([found[row] for row in range(len(clips))])
            yield _write(piece, clips, xr.Dataset({"descriptors": (("clip_hash", "descriptor"), values)}))


def _settings(encoder: str, clips: ClipSet) -> Iterator[Path]:
    for mono, some in ((False, TABLE_1), (True, tuple(e for e in TABLE_1 if not get_effect(e).keeps_doubled))):
        pieces = {effect: shipped.setting_piece(encoder, effect, mono) for effect in some}
        found = {effect: shipped.entries(piece, clips.hashes()) for effect, piece in pieces.items()}
        missing = {effect: _missing(rows, clips) for effect, rows in found.items()}
        for rows in sorted(set(missing.values()) - {()}):  # effects that lack the same clips are encoded together
            effects = [effect for effect in some if missing[effect] == rows]
            lacking, model = clips[list(rows)], load_encoder(encoder)
            computed = encode_effects(lacking, model, effects, average=True, mono=mono, on_error="raise")
            for effect in effects:
                found[effect] |= dict(zip(rows, computed.sel(effect=effect).values, strict=True))
                yield _write_means(pieces[effect], clips, found[effect], ("clip_hash", "dim"))


def _knobs(encoder: str, clips: ClipSet) -> Iterator[Path]:
    for effect in TABLE_1:
        for knob in get_effect(effect).knobs:
            piece = shipped.knob_piece(encoder, effect, knob.name)
            found = shipped.entries(piece, clips.hashes())
            rows = _missing(found, clips)
            if rows:
                some = clips[list(rows)]
                model = load_encoder(encoder)
                computed = encode_sweep(some, model, effect, knob=knob.name, average=True, on_error="raise")
                found |= dict(zip(rows, computed.values, strict=True))
                yield _write_means(piece, clips, found, ("clip_hash", "value", "dim"))


def _missing(found: Mapping[int, NDArray], clips: ClipSet) -> tuple[int, ...]:
    return tuple(row for row in range(len(clips)) if row not in found)


def _write_means(
    piece: shipped.Piece, clips: ClipSet, found: Mapping[int, NDArray[np.float32]], dims: tuple[str, ...]
) -> Path:
    means = np.stack([found[row] for row in range(len(clips))])
    return _write(piece, clips, xr.Dataset({"means": (dims, means)}))


def _study(encoder: str, name: str, clips: ClipSet) -> Iterator[Path]:
    study = prepared.STUDIES[name]
    piece = shipped.study_piece(encoder, name, study.knobs)
    if shipped.read_study(piece, clips.hashes()) is None and study.suits(encoder):
        dataset = study.make(clips, encoder, tqdm)
        dataset = dataset.drop_vars(["clip", "instrument", "recording"], errors="ignore")
        yield _write(piece, clips, dataset.rename(clip="clip_hash") if "clip" in dataset.dims else dataset)


def _write(piece: shipped.Piece, clips: ClipSet, dataset: xr.Dataset) -> Path:
    return shipped.write(piece, dataset.assign_coords(clip_hash=np.array(clips.hashes(), object)))


if __name__ == "__main__":
    main()
