"""Compute what ships with the package: python -m tools.publish [encoder] [what]

`what` is "renders", "settings", "knobs" or one of the measures of `prepared.MEASURES`; without it all of them are
looked at, and without `encoder` all encoders whose points ship. Only what is missing is computed, entry by entry: a
clip, an effect, a knob, an encoder or a measure that is new. To have something made again, delete its file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb import prepared, shipped
from latentfx_nb.clips import ClipSet, load_clips
from latentfx_nb.effects import TABLE_1, get_effect
from latentfx_nb.encoders import DEFAULT_ENCODERS, load_encoder
from latentfx_nb.latents import encode_effects, encode_sweep

KINDS = ("renders", "settings", "knobs", *prepared.MEASURES)


def main(arguments: list[str] | None = None) -> None:
    """Write what is missing, and say which files were written."""
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=__doc__)
    parser.add_argument("encoder", nargs="?", choices=[*DEFAULT_ENCODERS, "all"], default="all")
    parser.add_argument("what", nargs="?", choices=[*KINDS, "all"], default="all")
    options = parser.parse_args(arguments)
    kinds = KINDS if options.what == "all" else (options.what,)
    for path in publish(DEFAULT_ENCODERS if options.encoder == "all" else (options.encoder,), kinds):
        sys.stdout.write(f"{path.relative_to(shipped.POINTS)}\n")
        sys.stdout.flush()


def publish(encoders: tuple[str, ...], kinds: tuple[str, ...]) -> Iterator:
    """Yield the path of each file that was written."""
    clips = load_clips("bundled")
    yield from _renders()
    for encoder in encoders:
        if "settings" in kinds:
            yield from _settings(encoder, clips)
        if "knobs" in kinds:
            yield from _knobs(encoder, prepared.path_clips(clips))
        for name in prepared.MEASURES:
            if name in kinds:
                yield from _measure(encoder, name, clips)


def _renders() -> Iterator:
    """Write the levels of renders that are not there; those that are must be what this machine renders."""
    for name, (piece, _) in shipped.reference_pieces().items():
        if shipped.read(piece) is None:
            yield shipped.write(piece, shipped.reference_levels(name))
        elif not shipped.sounds_alike(name):
            raise SystemExit(
                f"{name} sounds otherwise here than what ships, by {shipped.off_db(name):.2g} dB: install the versions "
                f"that it was made with, or delete {piece.path} and all entries of {name} to make them again"
            )


def _settings(encoder: str, clips: ClipSet) -> Iterator:
    pieces = {effect: shipped.setting_piece(encoder, effect) for effect in TABLE_1}
    found = {effect: shipped.entries(piece, clips.hashes()) for effect, piece in pieces.items()}
    missing = [effect for effect in TABLE_1 if len(found[effect]) < len(clips)]
    if not missing:
        return
    computed = encode_effects(clips, load_encoder(encoder), missing, average=True)
    for effect in missing:
        yield _write_rows(pieces[effect], clips, dict(enumerate(computed.sel(effect=effect).values)) | found[effect])


def _knobs(encoder: str, clips: ClipSet) -> Iterator:
    for effect in TABLE_1:
        for knob in get_effect(effect).knobs:
            piece = shipped.knob_piece(encoder, effect, knob.name)
            found = shipped.entries(piece, clips.hashes())
            missing = [row for row in range(len(clips)) if row not in found]
            if missing:
                computed = encode_sweep(clips[missing], load_encoder(encoder), effect, knob=knob.name, average=True)
                yield _write_rows(piece, clips, found | dict(zip(missing, computed.values, strict=True)))


def _measure(encoder: str, name: str, clips: ClipSet) -> Iterator:
    piece = shipped.measure_piece(encoder, name, prepared.MEASURES[name].knobs)
    if shipped.measure(piece, clips.hashes()) is not None:
        return
    dataset = prepared.MEASURES[name].make(clips, encoder, prepared.tqdm)
    dataset = dataset.drop_vars(["clip", "instrument", "recording"], errors="ignore")
    if "clip" in dataset.dims:
        dataset = dataset.rename(clip="clip_hash")
    yield shipped.write(piece, dataset.assign_coords(clip_hash=np.array(clips.hashes(), object)))


def _write_rows(piece: shipped.Piece, clips: ClipSet, found: dict[int, NDArray]):
    means = np.stack([found[row] for row in range(len(clips))]).astype(np.float32)
    dims = ("clip_hash", "value", "dim")[: means.ndim] if means.ndim == 3 else ("clip_hash", "dim")
    return shipped.write(piece, xr.Dataset({"means": (dims, means)}, {"clip_hash": np.array(clips.hashes(), object)}))


if __name__ == "__main__":
    main()
