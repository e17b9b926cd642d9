"""What storing latents costs, and whether compression pays: `python -m benchmarks.storage [--quick]`.

The bundled clips' latents (`diffae-mini`, 64 x 10 x 64 x 2048; `--quick`: 8 clips) are written clip by clip and read
back as one clip through all effects, as one effect of all clips, and whole: in the package's own layout; in the same
layout with zstd and with blosc's byte shuffle and lz4; as xarray and zarr store them by default; and as a plain float16
memory map, which has no labels, checks nothing and cannot go on where it stopped. Reading takes float32 from a warm
file cache, as medians over rounds in turn.

`ratio=` is the time of xarray's default for one effect of all clips over ours.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.codecs.numcodecs import AsType

from benchmarks.common import bundled_latents, stored_latents
from latentfx_nb.store.store import create_array, write_clip

DIMS = ("clip", "effect", "dim", "frame")
ROUNDS = 7


class Form(NamedTuple):
    """A way to store latents: write all of them, clip by clip, and give them to be read lazily."""

    write: Callable[[Path, np.ndarray], None]
    read: Callable[[Path], xr.DataArray | np.ndarray]


def write_ours(place: Path, latents: np.ndarray) -> None:
    create_array(zarr.create_group(place), latents.shape, "effect")
    for row, clip in enumerate(latents):
        write_clip(str(place), row, clip)


def write_with(compressor) -> Callable[[Path, np.ndarray], None]:
    def write(place: Path, latents: np.ndarray) -> None:
        array = zarr.create_group(place).create_array(
            "latents", shape=latents.shape, dtype="float32", chunks=(1, 1, *latents.shape[2:]),
            shards=(1, *latents.shape[1:]), dimension_names=DIMS,
            filters=[AsType(encode_dtype="float16", decode_dtype="float32")], compressors=[compressor, Crc32cCodec()],
        )  # fmt: skip
        for row, clip in enumerate(latents):
            array[row] = clip

    return write


def write_default(place: Path, latents: np.ndarray) -> None:
    for row in range(len(latents)):
        one = xr.Dataset({"latents": (DIMS, latents[row : row + 1].astype(np.float16))})
        one.to_zarr(place, **({"append_dim": "clip"} if row else {"mode": "w"}), consolidated=False)


def write_memmap(place: Path, latents: np.ndarray) -> None:
    array = np.lib.format.open_memmap(place, "w+", np.float16, latents.shape)
    for row, clip in enumerate(latents):
        array[row] = clip
    array.flush()


def open_zarr(place: Path) -> xr.DataArray:
    return xr.open_zarr(place, chunks=None, consolidated=False)["latents"]


DEFAULT = "xarray's default"

FORMS = {
    "ours": Form(write_ours, stored_latents),
    "ours, read by zarr": Form(write_ours, open_zarr),
    "zstd": Form(write_with(ZstdCodec(level=1)), open_zarr),
    "blosc lz4": Form(write_with(BloscCodec(cname="lz4", shuffle="shuffle", typesize=2)), open_zarr),
    DEFAULT: Form(write_default, open_zarr),
    "memory map": Form(write_memmap, lambda place: np.load(place, mmap_mode="r")),
}

READS = {"one clip": np.s_[3], "one effect": np.s_[:, 3], "all": np.s_[:]}


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def take(lazy: xr.DataArray | np.ndarray, part) -> np.ndarray:
    return np.asarray(lazy[part], np.float32)


def size(place: Path) -> int:
    return sum(path.stat().st_size for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file())


def main() -> None:
    """Print a line a form, then whether compression pays, then the ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="8 clips, two rounds")
    quick = options.parse_args().quick
    latents = bundled_latents("diffae-mini")[: 8 if quick else None]
    written, sizes, seconds = {}, {}, {name: {kind: [] for kind in READS} for name in FORMS}
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder, str(number)) for number, name in enumerate(FORMS)}
        for name, form in FORMS.items():
            written[name] = timed(lambda form=form, name=name: form.write(places[name], latents))
            sizes[name] = size(places[name])
        for _ in range(2 if quick else ROUNDS):
            for name, form in FORMS.items():
                for kind, part in READS.items():
                    lazy = form.read(places[name])
                    seconds[name][kind].append(timed(partial(take, lazy, part)))
    print(f"{len(latents)} clips of diffae-mini, {latents.astype(np.float16).nbytes / 1e6:.0f} MB as float16")
    for name in FORMS:
        reads = ", ".join(f"{kind} {1e3 * statistics.median(times):.1f} ms" for kind, times in seconds[name].items())
        print(f"{name:19s} {sizes[name] / 1e6:6.1f} MB, written in {written[name]:.2f} s; read: {reads}")
    saved = {name: 1 - sizes[name] / sizes["ours"] for name in ("zstd", "blosc lz4")}
    print("compression saves " + ", ".join(f"{share:.0%} ({name})" for name, share in saved.items()))
    middle = {name: statistics.median(times["one effect"]) for name, times in seconds.items()}
    print(f"ratio={middle[DEFAULT] / middle['ours']:.2f}")


if __name__ == "__main__":
    main()
