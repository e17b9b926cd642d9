"""UMAP at the paper's size, cold and warm, against umap-learn by itself: `python -m benchmarks.umap`.

10 240 renders: 64 time averages (`diffae-mini`) and 16 384 flattened features in a store (`stacked-mini-2`), spliced
from the bundled clips' latents. Each fit runs in a process that has just started, nothing cached: its import, the fit
in 3-D, which compiles, the first new point, which compiles again, and the median of twenty more, one at a time.

`ratio=` is umap-learn's time over ours, from nothing to the first new point, for the time averages.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.common import CLIPS, Ran, bundled_latents, run_alone, spliced, stored_latents, write_latents

FLATTENED = ("dim", "frame")
NEW_POINTS = 20
NUDGE = np.float32(1e-3)  # of a feature: a point that was not in the fit


def ours(x: xr.DataArray) -> tuple:
    """Return a fitted model's function that places a point, with nothing read from the cache or written to it."""
    from latentfx_nb.analysis.umap import fit_umap

    features = FLATTENED if "frame" in x.dims else None
    imported = time.perf_counter()
    return imported, fit_umap(x, features=features, cache=False).transform


def plain(x: xr.DataArray) -> tuple:
    """Return the same of umap-learn's own model, with the features in memory, seeded as ours."""
    import umap

    imported = time.perf_counter()
    model = umap.UMAP(n_components=3, random_state=0, n_jobs=1).fit(_rows(x))
    return imported, lambda one: model.transform(_rows(one))


WAYS = {"ours": ours, "plain": plain}


def _rows(x: xr.DataArray) -> np.ndarray:
    """Return `[render feature]` in memory."""
    return x.transpose("clip", "effect", ...).values.reshape(x.sizes["clip"] * x.sizes["effect"], -1)


def one_way(way: str, place: Path) -> None:
    """Fit and place new points in this process, and print the seconds of each step."""
    if place.suffix == ".npy":
        x = xr.DataArray(np.load(place), dims=("clip", "effect", "dim"))
    else:
        x = stored_latents(place)
    new = [x[i : i + 1, :1].load() + NUDGE for i in range(NEW_POINTS + 1)]
    start = time.perf_counter()
    imported, transform = WAYS[way](x)
    marks = [start, imported, time.perf_counter()]
    for one in new:
        transform(one)
        marks.append(time.perf_counter())
    importing, fit, first, *more = np.diff(marks).tolist()
    print(json.dumps({"import": importing, "fit": fit, "first": first, "next": statistics.median(more)}))


def compare(place: Path, described: str) -> float:
    """Print both ways' figures; return umap-learn's time over ours, to the first new point."""
    whole = {}
    for way in WAYS:
        ran: Ran = run_alone("benchmarks.umap", "--way", way, str(place))
        found = ran.figures
        whole[way] = found["import"] + found["fit"] + found["first"]
        print(
            f"{described} {way:5s}: import {found['import']:.1f} s, cold fit {found['fit']:.1f} s, first new point "
            f"{found['first']:.2f} s, the next {1e3 * found['next']:.1f} ms; {ran.peak_bytes / 1e9:.2f} GB at most"
        )
    ratio = whole["plain"] / whole["ours"]
    print(f"{described}: {ratio:.2f} times sooner than umap-learn")
    return ratio


def main() -> None:
    """Print the figures of both sizes, then the ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="640 renders")
    options.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.way:
        one_way(chosen.way[0], Path(chosen.way[1]))
        return
    clips = 64 if chosen.quick else CLIPS
    with tempfile.TemporaryDirectory() as folder:
        means, store = Path(folder, "means.npy"), Path(folder, "latents.zarr")
        np.save(means, [clip.mean(axis=-1) for clip in spliced(bundled_latents("diffae-mini"), clips)])
        ratio = compare(means, f"{10 * clips} x 64")
        write_latents(store, "stacked-mini-2", clips)
        compare(store, f"{10 * clips} x 16384")
    print(f"ratio={ratio:.2f}")


if __name__ == "__main__":
    main()
