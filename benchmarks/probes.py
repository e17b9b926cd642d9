"""One probe of the paper's size, 10 240 x 64 and ten classes, against the DataLoader loop one would write for it.

Both take the same batches, so both stop at the same epoch with the same weights, which is checked: they differ by less
than 1e-5. `--wide` trains five folds on 10 240 flattened latents of 131 072 features (or `--wide 262144`) that lie in a
store, against a DataLoader over a float16 memory map, and prints the memory at its highest. Run as
`python -m benchmarks.probes`.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
import zarr
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset
from tqdm import tqdm
from zarr.codecs.numcodecs import AsType

from latentfx_nb.analysis.fast import linear
from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.fast.task import Task, Training
from latentfx_nb.analysis.probes import train_probes
from latentfx_nb.analysis.training import ProbeConfig

ROWS, FEATURES, LABELS = 10_240, 64, 10
WIDE_EPOCHS = 4


def planted(n: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features `[row feature]` whose labels `[row]` a linear layer names more often than not."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % LABELS
    return rng.standard_normal((n, width), np.float32) + 0.25 * rng.standard_normal((LABELS, width), np.float32)[
        labels
    ], labels


def dataloader_loop(task: Task) -> np.ndarray:
    """Train a task of one probe as the paper describes it, in plain torch; return its weights `[feature+1 output]`."""
    x = torch.from_numpy((task.rows.values - task.mean) * task.scale)
    if task.seen is not None:
        x = x * torch.from_numpy(task.seen[0])
    data = TensorDataset(x, torch.from_numpy(task.labels))
    first = torch.from_numpy(task.first_weights())
    layer, best, how = torch.nn.Linear(x.shape[1], task.outputs), (-1, 0.0, first), task.training
    with torch.no_grad():
        layer.weight.copy_(first[:-1].T)
        layer.bias.copy_(first[-1])
    optimizer = torch.optim.AdamW(layer.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    held_back = DataLoader(torch.utils.data.Subset(data, task.validation.tolist()), batch_size=how.batch_size)
    risen = 0

    def loss_of(logits: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        if task.outputs == 1:
            return binary_cross_entropy_with_logits(logits[:, 0], labels.float(), reduction=reduction)
        return cross_entropy(logits, labels, reduction=reduction)

    for epoch, order in zip(range(how.max_epochs), task.orders(), strict=False):
        batches = [order[i : i + how.batch_size].tolist() for i in range(0, len(order), how.batch_size)]
        for features, labels in DataLoader(data, batch_sampler=batches):
            optimizer.zero_grad()
            loss_of(layer(features), labels).backward()
            optimizer.step()
        right, loss = 0, 0.0
        with torch.no_grad():
            for features, labels in held_back:
                logits = layer(features)
                named = logits[:, 0] > 0 if task.outputs == 1 else logits.argmax(1)
                right, loss = right + int(named.eq(labels).sum()), loss + float(loss_of(logits, labels, "sum"))
        risen = epoch if right > best[0] else risen
        if (right, -loss) > best[:2]:
            best = right, -loss, torch.cat([layer.weight.T, layer.bias[None]]).detach().clone()
        if how.patience is not None and epoch - risen >= how.patience:
            break
    return best[2].numpy()


def narrow() -> float:
    """Print what the probe takes either way; return how many times as long the loop takes."""
    x, labels = planted(ROWS, FEATURES)
    thirds = np.split(np.random.default_rng(1).permutation(ROWS), [ROWS * 3 // 5, ROWS * 4 // 5])
    mean, scale = x[thirds[0]].mean(0), 1 / x[thirds[0]].std(0)
    task = Task(Rows(x), labels, LABELS, *thirds, mean, scale, Training())
    linear.train([task])
    times = []
    for _ in range(3):
        start = time.perf_counter()
        (trained,) = linear.train([task])
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    weights = dataloader_loop(task)
    loop = time.perf_counter() - start
    apart = float(np.abs(weights - trained.weights[0]).max())
    threads = torch.get_num_threads()
    print(f"{ROWS} x {FEATURES}, {LABELS} classes, {len(thirds[0])} training rows, {threads} threads")
    print(f"DataLoader loop {loop:.1f} s, ours {min(times):.3f} s; weights differ by {apart:.1e}")
    if apart > 1e-5:
        raise SystemExit("the weights differ by more than 1e-5")
    return loop / min(times)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class _Mapped(Dataset):
    def __init__(self, x: np.ndarray, labels: np.ndarray) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.x[row].astype(np.float32)), int(self.labels[row])


def wide(width: int) -> None:
    """Print what an epoch of a probe on `width` stored features takes, and the memory that five of them take."""
    clips, effects = ROWS // LABELS, [f"effect {i}" for i in range(LABELS)]
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "latents.zarr"
        shape = (clips, LABELS, 64, width // 64)
        store = zarr.create_group(path).create_array(
            "latents", shape=shape, chunks=(1, 1, *shape[2:]), shards=(1, *shape[1:]), dtype="float32",
            filters=[AsType(encode_dtype="float16", decode_dtype="float32")], compressors=None,
            dimension_names=("clip", "effect", "dim", "frame"),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        centres = 0.02 * rng.standard_normal(shape[1:], np.float32)
        for clip in range(clips):
            store[clip] = centres + rng.standard_normal(shape[1:], np.float32)
        latents = xr.open_zarr(path, chunks=None, consolidated=False)["latents"]
        latents = latents.assign_coords(effect=effects, recording=("clip", np.arange(clips)))
        train = partial(train_probes, latents, device="cpu", bar=partial(tqdm, disable=True))
        once, more = (
            _seconds(partial(train, config=ProbeConfig(max_epochs=n, patience=None))) for n in (1, WIDE_EPOCHS)
        )
        ours = (more - once) / (WIDE_EPOCHS - 1) / ProbeConfig().folds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ahead = once - ours * ProbeConfig().folds
    print(
        f"{ROWS} x {width} in a store: {ours:.2f} s an epoch and probe, of five at once, and {ahead:.0f} s ahead of it"
    )
    print(
        f"  memory at its highest {memory:.2f} GiB, where float32 features would be {4 * ROWS * width / 2**30:.1f} GiB"
    )
    with tempfile.NamedTemporaryFile(dir=".") as file:
        x = np.memmap(file, np.float16, "w+", shape=(960, width))
        x[:] = rng.standard_normal((960, width), np.float32)
        layer = torch.nn.Linear(width, LABELS)
        optimizer = torch.optim.AdamW(layer.parameters())
        start = time.perf_counter()
        for features, labels in DataLoader(_Mapped(x, np.arange(960) % LABELS), batch_size=32, shuffle=True):
            optimizer.zero_grad()
            cross_entropy(layer(features), labels).backward()
            optimizer.step()
        loop = (time.perf_counter() - start) * (ROWS * 3 // 5) / 960  # without the validation that ours includes
    print(f"  DataLoader over a memory map: {loop:.2f} s (30 steps, scaled to 192), {loop / ours:.1f} times as long")


def main() -> None:
    """Print the figures; the last line is the ratio of the narrow probe."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--wide", nargs="?", type=int, const=131_072, metavar="FEATURES")
    width = options.parse_args().wide
    if width:
        wide(width)
    print(f"ratio={narrow():.0f}")


if __name__ == "__main__":
    main()
