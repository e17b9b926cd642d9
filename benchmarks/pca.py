"""Exact 3-D PCA of flattened latents in a store, at the paper's size: `python -m benchmarks.pca [--wide]`.

10 240 renders of 16 384 features (`stacked-mini-2`; with `--wide` 131 072, `diffae-mini`), spliced from the bundled
clips' latents and stored as the package stores them. `fit_pca` streams them; scikit-learn's PCA with arpack, exact too,
takes all of them in memory as float32. Each way runs in a fresh process, from the store to 3-D scores: reading is
counted for all, importing for none. The ways take turns; figures are medians over the rounds, ratios too.

arpack is timed twice. What `ratio=` compares is the script one would write without this package: xarray and zarr read
the store. `same_reader_ratio=` hands arpack what our own reader reads.

With `--wide` float32 would take 5.4 GB, so arpack gives way to scikit-learn's IncrementalPCA, 640 samples at a time,
which is not exact.

`cosine=` is that of the largest angle between the space of our scores and that of a float64 Lanczos iteration's, run to
1e-12.
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
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.decomposition import PCA, IncrementalPCA

from benchmarks.common import CLIPS, run_alone, stored_latents, write_latents
from latentfx_nb.analysis.pca import fit_pca

FLATTENED = ("dim", "frame")
BATCH_CLIPS = 64


def flattened(x: xr.DataArray) -> np.ndarray:
    """Return the features `[render feature]` in memory."""
    return x.values.reshape(x.sizes["clip"] * x.sizes["effect"], -1)


def ours(place: Path) -> np.ndarray:
    """Return the scores that the package gives, from a store that it reads in blocks."""
    return fit_pca(stored_latents(place), features=FLATTENED).points.values.reshape(-1, 3)


def arpack(place: Path) -> np.ndarray:
    """Return scikit-learn's exact scores, of features that our reader put in memory."""
    return PCA(3, svd_solver="arpack").fit_transform(flattened(stored_latents(place)))


def arpack_zarr(place: Path) -> np.ndarray:
    """Return scikit-learn's exact scores, of features that xarray and zarr put in memory."""
    return PCA(3, svd_solver="arpack").fit_transform(
        flattened(xr.open_zarr(place, chunks=None, consolidated=False)["latents"])
    )


def incremental(place: Path) -> np.ndarray:
    """Return scikit-learn's scores from some clips at a time."""
    x, model = stored_latents(place), IncrementalPCA(3)
    blocks = [slice(i, i + BATCH_CLIPS) for i in range(0, x.sizes["clip"], BATCH_CLIPS)]
    for block in blocks:
        model.partial_fit(flattened(x[block]))
    return np.concatenate([model.transform(flattened(x[block])) for block in blocks])


def read_once(place: Path) -> None:
    """Read all features, a clip at a time."""
    for clip in stored_latents(place):
        clip.load()


WAYS = {way.__name__: way for way in (ours, arpack, arpack_zarr, incremental, read_once)}


def exact_scores(place: Path) -> np.ndarray:
    """Return the 3-D scores by a float64 Lanczos iteration on the covariance, which reads the store for each step."""
    x = stored_latents(place)
    n = x.sizes["clip"] * x.sizes["effect"]
    mean = sum(flattened(x[i : i + 1]).sum(axis=0, dtype=np.float64) for i in range(x.sizes["clip"])) / n

    def blocks():
        for i in range(0, x.sizes["clip"], 4):
            yield flattened(x[i : i + 4]) - mean

    covariance = LinearOperator(
        (len(mean), len(mean)), lambda v: sum(block.T @ (block @ v.ravel()) for block in blocks()), dtype=np.float64
    )
    _, axes = eigsh(covariance, 3, tol=1e-12, v0=np.random.default_rng(0).standard_normal(len(mean)))
    return np.concatenate([block @ axes for block in blocks()])


def subspace_cosine(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the cosine of the largest angle between the spaces that two sets of columns span."""
    one, other = (np.linalg.qr(columns.astype(np.float64))[0] for columns in (found, exact))
    return float(np.linalg.svd(one.T @ other, compute_uv=False).min())


def in_turns(ways: list[str], place: Path, rounds: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return the seconds of each round, and the peak memory, of each way in processes of their own."""
    seconds, peaks = {way: [] for way in ways}, dict.fromkeys(ways, 0)
    for _ in range(rounds):
        for way in ways:
            ran = run_alone("benchmarks.pca", "--way", way, str(place))
            seconds[way].append(ran.figures["seconds"])
            peaks[way] = max(peaks[way], ran.peak_bytes)
    return seconds, peaks


def one_way(way: str, place: Path) -> None:
    """Run one way in this process, write its scores beside the store and print its seconds."""
    few = xr.DataArray(np.eye(9), dims=("clip", "dim"))  # whatever is imported by a first call is imported now
    fit_pca(few)
    PCA(3, svd_solver="arpack").fit(few)
    start = time.perf_counter()
    scores = WAYS[way](place)
    seconds = time.perf_counter() - start
    if scores is not None:
        np.save(place.with_name(f"{way}.npy"), scores)
    print(json.dumps({"seconds": seconds}))


def main() -> None:
    """Print the figures of every way, then the cosine and the ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--wide", action="store_true", help="131 072 features, 2.7 GB on disk")
    options.add_argument("--quick", action="store_true", help="an eighth of the renders, one round")
    options.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.way:
        one_way(chosen.way[0], Path(chosen.way[1]))
        return
    encoder, other = ("diffae-mini", "incremental") if chosen.wide else ("stacked-mini-2", "arpack_zarr")
    ways = ["read_once", "ours", other] + ([] if chosen.wide else ["arpack"])
    rounds = 1 if chosen.quick else 2 if chosen.wide else 5
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "latents.zarr")
        write_latents(place, encoder, CLIPS // 8 if chosen.quick else CLIPS)
        n, width = (int(np.prod(sizes)) for sizes in np.reshape(stored_latents(place).shape, (2, 2)))
        print(f"{n} x {width} ({encoder}), float16 in a store; {rounds} rounds, each way in a process of its own")
        seconds, peaks = in_turns(ways, place, rounds)
        exact = exact_scores(place)
        scores = {way: np.load(place.with_name(f"{way}.npy")) for way in ways if way != "read_once"}
    cosines = {way: subspace_cosine(found, exact) for way, found in scores.items()}
    for way, found in seconds.items():
        cosine = f", cosine 1 - {1 - cosines[way]:.0e}" if way in cosines else ""
        print(f"{way:12s} {statistics.median(found):6.2f} s, {peaks[way] / 1e9:.2f} GB at most{cosine}")
    ratios = {
        way: statistics.median(one / own for one, own in zip(found, seconds["ours"])) for way, found in seconds.items()
    }
    print(f"passes={1 / ratios['read_once']:.1f} (ours, in times that the store takes to be read once)")
    if "arpack" in ratios:
        print(f"same_reader_ratio={ratios['arpack']:.2f}")
    print(f"cosine={cosines['ours']:.8f}")
    print(f"ratio={ratios[other]:.2f}")


if __name__ == "__main__":
    main()
