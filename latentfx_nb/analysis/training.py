"""Training of every probe: the paper's settings, splits by recording, and feature sets, in memory or on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from latentfx_nb.analysis.fast import linear
from latentfx_nb.analysis.fast.rows import SCORE_BYTES, Rows, StoredRows
from latentfx_nb.analysis.fast.task import Task, Trained, Training
from latentfx_nb.analysis.samples import Array, Samples, samples_of
from latentfx_nb.cache import cache_dir, check_space

MEMORY_BYTES = 2**30
"""Features that take more than this as float32 are kept in a scratch file, as float16, while probes are trained."""

CONSTANT = 1e-6  # share of its mean: a feature that moves less holds rounding

LEARNING_RATES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""From too slow for any data of ours to too fast."""

UNTESTED = -1  # stands for the label of a row that no probe was tested on

Watch = Callable[[dict[str, float]], None]
"""Called now and then with the mean validation accuracy, so far, of the probes of each set of features."""


@dataclass(frozen=True)
class ProbeConfig(Training):
    """The paper's protocol (section 3.2) and what it leaves open.

    `batch_size`, `max_epochs` and `patience` of the training are the paper's; `learning_rate` is ours (see `Training`).
    Ours too: `standardise` scales features by the training rows of each split; of the `folds` of recordings one tests,
    the next validates and the others train; all folds take their turn as the test, or the first `test_folds` (the paper
    splits once: 1); and all is repeated for each of the `seeds`, which draw splits, first weights and batches.
    """

    standardise: bool = True
    folds: int = 5
    test_folds: int | None = None
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds < 3:
            raise ValueError(f"folds={self.folds}: one tests, one validates and the rest train, so there must be three")
        if self.test_folds is not None and not 1 <= self.test_folds <= self.folds:
            raise ValueError(f"test_folds={self.test_folds} of {self.folds} folds: pass 1 to {self.folds}, or None")
        if not self.seeds:
            raise ValueError("seeds=() trains nothing: pass at least one")


class Split(NamedTuple):
    """The rows that a probe learns from, that decide when it stops, and that it is tested on."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def recording_splits(labels: ArrayLike, recordings: ArrayLike, folds: int = 5, seed: int = 0) -> list[Split]:
    """Return a split for each fold: every row is tested once, no recording is on two sides, labels spread evenly.

    Raises ValueError if labels and recordings differ in number, if there are fewer recordings than folds, or if a label
    is found in fewer than three recordings.
    """
    labels, recordings = np.asarray(labels), np.asarray(recordings)
    if len(labels) != len(recordings):
        raise ValueError(f"{len(labels)} labels and {len(recordings)} recordings: pass one of each for every row")
    found = len(np.unique(recordings))
    if found < folds:
        raise ValueError(f"{folds} folds need as many recordings, not {found}: pass more clips, or fewer folds")
    for label in np.unique(labels):
        if (heard := len(np.unique(recordings[labels == label]))) < 3:
            raise ValueError(
                f"{str(label)!r} is heard in {heard} recording(s), and a probe needs three, to learn from, to stop by "
                "and to be tested on: pass clips of more recordings"
            )
    from sklearn.model_selection import StratifiedGroupKFold  # half a second that pages need not open with

    shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(recordings, labels, recordings)
    parts = [test for _, test in shuffled]
    return [
        Split(np.sort(np.concatenate([parts[(k + i) % folds] for i in range(2, folds)])), parts[(k + 1) % folds], test)
        for k, test in enumerate(parts)
    ]


def train_tasks(
    tasks: Sequence[Task],
    device: str,
    bar: Callable[..., Any],
    desc: str,
    tell: Callable[[NDArray[np.float64]], None] = lambda accuracy: None,
) -> list[Trained]:
    """Return the outcome of the tasks, under a progress bar; `tell` is given their validation accuracy `[task]`."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    seen = 0
    with bar(total=sum(task.training.max_epochs for task in tasks), desc=desc, unit="epoch") as progress:

        def watch(epochs: NDArray[np.intp], accuracy: NDArray[np.float64]) -> None:
            nonlocal seen
            tell(accuracy)
            progress.update(int(epochs.sum()) - seen)
            seen = int(epochs.sum())

        return linear.train(tasks, device, watch)


class FeatureSet:
    """Features with their labels and recordings, ready for training; `files` closes their scratch file, if any."""

    def __init__(
        self,
        x: Array,
        labels: str | ArrayLike,
        recordings: str | ArrayLike,
        files: ExitStack,
        bar: Callable[..., Any],
    ) -> None:
        flattened = ("dim", "frame") if isinstance(x, xr.DataArray) and {"dim", "frame"} <= set(x.dims) else None
        self.samples = samples_of(x, flattened)
        self.names, self.truth = np.unique(self.samples.labels(labels), return_inverse=True)
        self.recordings = self.samples.labels(recordings)
        if len(self.names) < 2:
            raise ValueError(f"all samples are labelled {self.names.tolist()}: a probe needs two labels to tell apart")
        self.rows = _rows_of(self.samples, files, bar)

    def tasks(self, config: ProbeConfig) -> Iterator[Task]:
        """Yield the probe of each seed and fold."""
        for seed in config.seeds:
            splits = recording_splits(self.names[self.truth], self.recordings, config.folds, seed)[: config.test_folds]
            means, scales = means_and_scales(self.rows, [split.train for split in splits], config.standardise)
            for fold, (split, mean, scale) in enumerate(zip(splits, means, scales, strict=True)):
                number = seed * config.folds + fold
                yield Task(self.rows, self.truth, len(self.names), *split, mean, scale, config, seed=number)

    def result(self, tasks: Sequence[Task], trained: Sequence[Trained], config: ProbeConfig) -> xr.Dataset:
        """Return the dataset that `train_probes` describes."""
        samples, seeds = self.samples, len(config.seeds)
        predicted, folds = np.full((2, seeds, samples.n_samples), UNTESTED, np.int16)
        for number, (task, one) in enumerate(zip(tasks, trained, strict=True)):
            seed, fold = divmod(number, len(tasks) // seeds)
            predicted[seed, task.test], folds[seed, task.test] = one.predicted[0], fold
        scaled = [one.weights[0, :-1] * task.scale[:, None] for task, one in zip(tasks, trained, strict=True)]
        biases = [one.weights[0, -1] - task.mean @ w for task, one, w in zip(tasks, trained, scaled, strict=True)]
        dims = samples.dims
        shaped = {"truth": self.truth.astype(np.int16), "recordings": self.recordings.astype(object)}
        return xr.Dataset(
            {
                "predicted": (("seed", *dims), predicted.reshape(seeds, *samples.shape)),
                "fold": (("seed", *dims), folds.reshape(seeds, *samples.shape)),
                **{name: (dims, values.reshape(samples.shape)) for name, values in shaped.items()},
                "weight": (("seed", "fold", "output", "feature"), _by_seed([w.T for w in scaled], seeds)),
                "bias": (("seed", "fold", "output"), _by_seed(biases, seeds)),
                "epoch": (("seed", "fold"), _by_seed([one.epoch[0] for one in trained], seeds)),
            },
            {**samples.coordinates, "seed": list(config.seeds), "label": self.names.astype(object)},
            {
                "parameters": samples.n_features * tasks[0].outputs,
                "features": samples.n_features,
                "config": str(config),
            },
        )


def _by_seed(values: Sequence[ArrayLike], seeds: int) -> NDArray:
    """Return values of one probe a seed and fold as `[seed fold ...]`."""
    stacked = np.stack(values)
    return stacked.reshape(seeds, -1, *stacked.shape[1:])


def _rows_of(samples: Samples, files: ExitStack, bar: Callable[..., Any]) -> Rows:
    """Return the features in memory as float32; or, if they take over `MEMORY_BYTES`, in a scratch file as float16."""
    shape = samples.n_samples, samples.n_features
    if 4 * shape[0] * shape[1] <= MEMORY_BYTES:
        rows = np.empty(shape, np.float32)
        for place, block in samples.blocks():
            rows[place] = block
        check_finite(rows, 0)
        return Rows(rows)
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    check_space(folder, 2 * shape[0] * shape[1])
    file = files.enter_context(tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115 - `files` closes it
    with bar(total=shape[0], desc="Copying wide features", unit="row") as progress:
        for place, block in samples.blocks():
            with np.errstate(over="ignore"):
                half = block.astype(np.float16)
            check_finite(half, place.start)
            left = memoryview(half).cast("B")
            while left:
                left = left[file.write(left) :]
            progress.update(len(half))
    return StoredRows(file, shape)


def check_finite(block: NDArray[np.floating], start: int) -> None:
    """Raise ValueError if `block [row feature]`, whose first row is sample `start`, holds NaN or infinity."""
    with np.errstate(invalid="ignore"):
        total = block.sum(dtype=np.float64)
    if not np.isfinite(total):
        bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise ValueError(
            f"sample {bad} has features that are NaN, infinite or beyond what their storage holds: drop it, scale "
            "them, or encode it again"
        )


def means_and_scales(
    rows: Rows, subsets: Sequence[NDArray[np.intp]], standardise: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of each feature in each subset of rows, and one over its deviation, both `[subset feature]`.

    A feature that does not move within a subset has a scale of 0, which hides it from the probe. Rows are read once.
    Those that the same subsets share are summed together, about their own mean (Chan, Golub & LeVeque 1979), so that no
    outlier of another subset costs precision.
    """
    n, width = rows.shape
    if not standardise:
        return np.zeros((len(subsets), width), np.float32), np.ones((len(subsets), width), np.float32)
    members = np.zeros((len(subsets), n), bool)
    for line, subset in zip(members, subsets, strict=True):
        line[subset] = True
    shared, part_of = np.unique(members, axis=1, return_inverse=True)
    counts, (means, scatter) = np.zeros(shared.shape[1]), np.zeros((2, shared.shape[1], width))
    step = max(1, SCORE_BYTES // (4 * width))
    for start in range(0, n, step):
        block, parts = rows.read(slice(start, min(start + step, n))), part_of[start : start + step]
        for part in np.unique(parts):
            some = block[parts == part].astype(np.float32)
            mean, total = some.mean(axis=0, dtype=np.float64), counts[part] + len(some)
            shift = mean - means[part]
            scatter[part] += np.square(some - mean.astype(np.float32)).sum(axis=0, dtype=np.float64)
            scatter[part] += np.square(shift) * (counts[part] * len(some) / total)
            means[part] += shift * (len(some) / total)
            counts[part] = total
    found = np.empty((2, len(subsets), width), np.float32)
    for own, mean, scale in zip(shared, *found, strict=True):
        weights = counts[own] / counts[own].sum()
        centre = weights @ means[own]
        variance = scatter[own].sum(axis=0) / counts[own].sum() + weights @ np.square(means[own] - centre)
        deviation = np.sqrt(variance)
        mean[:] = centre
        scale[:] = np.divide(1, deviation, out=np.zeros(width), where=deviation > CONSTANT * np.abs(centre))
    return found[0], found[1]
