"""The paper's masking study, 288 probes of 100 epochs, against the DataLoader loop one would write for it.

Nine effects, 32 dims, 1024 clips clean and wet: 2048 rows of 32 features a probe, 60 % of them to train on, a fifth to
validate and a fifth to test. The loop is timed on three whole probes and scaled to 288; ours also trains the nine
probes that see all dims, which are not counted. The batched torch form, which a GPU would run, is timed beside it on
the CPU. Run as `python -m benchmarks.masking`.
"""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from benchmarks.probes import dataloader_loop
from latentfx_nb.analysis.fast.batched import train_batched
from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.fast.task import Progress, Task
from latentfx_nb.analysis.masking import MASKING, mask_probes
from latentfx_nb.analysis.training import recording_splits
from latentfx_nb.paper import EFFECT_SETTINGS

CLIPS, DIMS, TIMED = 1024, 32, 3


def means(seed: int = 0) -> xr.DataArray:
    """Return clips `(clip, effect, dim)` that effects move in a few dims, by less than clips differ by themselves."""
    rng = np.random.default_rng(seed)
    moved = rng.standard_normal((10, DIMS)) * (rng.random((10, DIMS)) < 0.3) * 0.7
    moved[list(EFFECT_SETTINGS).index("CLN")] = 0
    voices = rng.standard_normal((CLIPS, 1, DIMS))
    x = (voices + moved + rng.standard_normal((CLIPS, 10, DIMS)) * 0.7).astype(np.float32)
    coords = {"effect": list(EFFECT_SETTINGS), "recording": ("clip", np.arange(CLIPS) // 2)}
    return xr.DataArray(x, coords, ("clip", "effect", "dim"))


def tasks(x: xr.DataArray) -> list[Task]:
    """Return the 288 probes as nine tasks of 32, for the torch form."""
    rows = Rows(x.values.reshape(-1, DIMS))
    split = recording_splits(np.zeros(CLIPS, int), x["recording"].values)[0]
    found = []
    for number in range(1, 10):
        own = [np.concatenate([10 * clips, 10 * clips + number]) for clips in split]
        mean, scale = rows.values[own[0]].mean(0), 1 / rows.values[own[0]].std(0)
        labels = (np.arange(10 * CLIPS) % 10 == number).astype(np.intp)
        found.append(Task(rows, labels, 2, *own, mean, scale, MASKING, ~np.eye(DIMS, dtype=bool)))
    return found


def main() -> None:
    """Print what each way takes and how many times as long as ours the loop does."""
    x, ours = means(), []
    study = partial(mask_probes, x, None, replace(MASKING, test_folds=1), device="cpu", bar=partial(tqdm, disable=True))
    for _ in range(4):  # the first one compiles, or reads what was compiled
        start = time.perf_counter()
        study()
        ours.append(time.perf_counter() - start)
    probes = tasks(x)
    start = time.perf_counter()
    train_batched(probes, Progress(probes), lambda epochs, accuracy: None, "cpu")
    batched = time.perf_counter() - start
    start = time.perf_counter()
    for number in range(TIMED):
        dataloader_loop(replace(probes[0], seen=probes[0].seen[number : number + 1]))
    loop = (time.perf_counter() - start) / TIMED * 288
    best = min(ours[1:])
    threads = torch.get_num_threads()
    print(f"288 probes x {MASKING.max_epochs} epochs, {len(probes[0].train)} training rows, {threads} threads")
    print(f"DataLoader loop, {TIMED} probes x 96: {loop:.0f} s")
    print(f"batched torch form: {batched:.2f} s, {loop / batched:.0f} times")
    print(f"ours: first {ours[0]:.2f} s, then {best:.2f} s (of 3: {', '.join(f'{one:.2f}' for one in ours[1:])})")
    print(f"ratio={loop / best:.0f}")


if __name__ == "__main__":
    main()
