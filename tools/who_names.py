"""Measure who names the effect: `python -m tools.publish who-names [--real FOLDER]`.

Every encoder that loads here without a download is a row, with five draws of random weights of the shipped models; the
sets are the bundled clips and, apart from them, the real recordings in FOLDER. Only rows are measured that are missing
or whose weights changed, and the file is written after each, so that an interrupted run goes on. What ships says how
often each render was named, and holds neither sound nor latents (`analysis/who_names.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm import tqdm

from latentfx_nb.analysis import shipped
from latentfx_nb.analysis.matched import rightly_named
from latentfx_nb.analysis.who_names import DRAWN, PROTOCOL, SIZES, kind_of, piece
from latentfx_nb.effects import TABLE_1
from latentfx_nb.encoders import Decoder, Encoder, list_encoders, load_encoder
from latentfx_nb.encoders.untrained import UNTRAINED, untrained
from latentfx_nb.sound.clips import ClipSet, load_clips
from tools.averages import averages

DRAWS = 5
"""Draws of random weights of each model."""

Loads = Mapping[str, Callable[[], Encoder]]

quiet = partial(tqdm, disable=True)


def main(arguments: list[str]) -> None:
    """Write the rows that are missing, and say which were measured."""
    parser = argparse.ArgumentParser(prog="python -m tools.publish who-names", description=__doc__)
    parser.add_argument("--real", type=Path, help="a folder of real recordings with a manifest.csv")
    options = parser.parse_args(arguments)
    sets = {"bundled": load_clips("bundled")} | ({"real": load_clips(options.real)} if options.real else {})
    for name, clips in sets.items():
        for row in publish(name, clips, rows()):
            sys.stdout.write(f"{name}: {row}\n")
            sys.stdout.flush()


def rows() -> dict[str, Callable[[], Encoder]]:
    """Return what loads each row's encoder, by the row's name."""
    present = list_encoders()["present"]
    found = {str(name): partial(load_encoder, str(name), "cpu") for name in present.index[present]}
    drawn = {
        f"{name}{DRAWN} {seed}": partial(untrained, name, seed, "cpu") for name in UNTRAINED for seed in range(DRAWS)
    }
    return found | drawn


def publish(clip_set: str, clips: ClipSet, encoders: Loads) -> Iterator[str]:
    """Yield the name of each row that was measured and written."""
    done = _known(clip_set, clips)
    for name, load in encoders.items():
        encoder = load()
        if name in done and done[name].attrs["weights_hash"] == encoder.weights_hash:
            continue
        means = _means(name, load, clips)
        done[name] = measured(means, clips, quiet).assign_attrs(
            weights_hash=encoder.weights_hash, kind=kind_of(name, isinstance(encoder, Decoder)), dim=means.shape[-1]
        )
        _write(clip_set, clips, {row: done[row] for row in [*encoders, *done] if row in done})
        yield name


def measured(means: NDArray[np.float32], clips: ClipSet, bar: Callable) -> xr.Dataset:
    """Return the answers to time averages `[clip effect dim]`: `right (size, clip_hash, effect)` and `accuracy`."""
    x = means.reshape(-1, means.shape[-1])
    labels, songs = np.tile(list(TABLE_1), len(clips)), np.repeat(clips.songs(), len(TABLE_1))
    right: dict[str, NDArray[np.bool_]] = {}
    for size, reduction in SIZES.items():
        as_it_is = reduction is not None and x.shape[1] <= reduction.dims
        right[size] = right["full"] if as_it_is else rightly_named(x, labels, songs, reduction, PROTOCOL, bar)
    answers = np.stack([right[size] for size in SIZES])
    shape = len(SIZES), len(clips), len(TABLE_1)
    return xr.Dataset(
        {
            "right": (("size", "clip_hash", "effect"), answers.sum(1).reshape(shape).astype(np.int8)),
            "accuracy": (("size", "seed"), answers.mean(2)),
        }
    )


def _means(name: str, load: Callable[[], Encoder], clips: ClipSet) -> NDArray[np.float32]:
    """Return time averages `[clip effect dim]`, those that ship as they ship."""
    if name in list_encoders().index:
        found = [shipped.entries(shipped.setting_piece(name, effect), clips.hashes()) for effect in TABLE_1]
        if all(len(rows) == len(clips) for rows in found):
            return np.stack([[rows[row] for rows in found] for row in range(len(clips))])
    return averages(clips, {name: load})[name]


def _known(clip_set: str, clips: ClipSet) -> dict[str, xr.Dataset]:
    """Return the rows that ship, unless they are of other clips."""
    data = shipped.read(piece(clip_set))
    if data is None or list(data["clip_hash"].values) != clips.hashes():
        return {}
    about = ("weights_hash", "kind", "dim")
    known = {}
    for number, row in enumerate(data["row"].values):
        one = data.isel(row=number)
        attributes = {name: one[name].item() for name in about}
        known[str(row)] = one.reset_coords(drop=True).assign_attrs(attributes)
    return known


def _write(clip_set: str, clips: ClipSet, answers: Mapping[str, xr.Dataset]) -> None:
    bare = [one.drop_vars(list(one.coords)) for one in answers.values()]
    data = xr.concat(bare, "row", combine_attrs="drop").assign_coords(
        row=list(answers),
        size=list(SIZES),
        effect=list(TABLE_1),
        seed=list(PROTOCOL.seeds),
        clip_hash=np.array(clips.hashes(), object),
        song=("clip_hash", np.array(clips.songs(), object)),
        **{name: ("row", [one.attrs[name] for one in answers.values()]) for name in ("weights_hash", "kind", "dim")},
    )
    shipped.write(piece(clip_set), data)
