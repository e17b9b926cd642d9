"""Probes at matched dims: features reduced to as many numbers as another encoder has, inside each split.

A probe of 1024 numbers has more to read off than one of 32. What reduces them is fitted on the training rows of the
split alone: neither test nor validation recordings have a say in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.fast.task import Task
from latentfx_nb.analysis.training import ProbeConfig, check_finite, means_and_scales, recording_splits, train_tasks


@dataclass(frozen=True)
class Reduction:
    """How features become fewer: by the `dims` main axes of the training rows, or by as many random directions."""

    kind: Literal["PCA", "random"]
    dims: int

    def __str__(self) -> str:
        return f"{self.kind} {self.dims}"

    def of(self, x: NDArray[np.float32], train: NDArray[np.intp], seed: int = 0) -> NDArray[np.float32]:
        """Return `x [row feature]` as `[row dims]`, its features scaled by the rows `train` first.

        Where there are no more features than `dims`, they are returned as they are. PCA gives no more axes than there
        are training rows. `seed` draws the random directions.
        """
        if x.shape[1] <= self.dims:
            return x
        (mean,), (scale,) = means_and_scales(Rows(x), [train], standardise=True)
        scaled = (x - mean) * scale
        return np.ascontiguousarray(scaled @ self._directions(scaled[train], seed), np.float32)

    def _directions(self, rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """Return `[feature dims]`, fitted on `rows [row feature]` or drawn."""
        if self.kind == "PCA":
            return np.linalg.svd(rows, full_matrices=False)[2][: self.dims].T
        drawn = np.random.default_rng([seed, self.dims]).standard_normal((rows.shape[1], self.dims))
        return (drawn / np.sqrt(self.dims)).astype(np.float32)


def rightly_named(
    x: ArrayLike,
    labels: ArrayLike,
    songs: ArrayLike,
    reduction: Reduction | None = None,
    config: ProbeConfig = ProbeConfig(),
    bar: Callable[..., Any] = tqdm,
) -> NDArray[np.bool_]:
    """Return for each seed and row `[seed row]` whether a probe that never heard its song names its label.

    `x` is `[row feature]`; `labels` and `songs` are `[row]`. Without a `reduction` these are the probes of
    `probes.train_probes`. Raises ValueError as `recording_splits` does, and for features that are NaN or infinite.
    """
    x = np.asarray(x, np.float32)
    check_finite(x, 0)
    names, truth = np.unique(np.asarray(labels), return_inverse=True)
    tasks = [
        task
        for seed in config.seeds
        for task in _tasks(x, truth, len(names), np.asarray(songs), reduction, config, seed)
    ]
    right = np.zeros((len(config.seeds), len(x)), bool)
    for number, (task, one) in enumerate(zip(tasks, train_tasks(tasks, "cpu", bar, "Training probes"), strict=True)):
        right[number // config.folds, task.test] = one.predicted[0] == truth[task.test]
    return right


def _tasks(
    x: NDArray[np.float32],
    truth: NDArray[np.intp],
    n_labels: int,
    songs: NDArray[Any],
    reduction: Reduction | None,
    config: ProbeConfig,
    seed: int,
) -> Iterator[Task]:
    """Yield the probe of each fold of one seed."""
    for fold, split in enumerate(recording_splits(truth, songs, config.folds, seed)):
        rows = Rows(x if reduction is None else reduction.of(x, split.train, seed))
        (mean,), (scale,) = means_and_scales(rows, [split.train], config.standardise)
        yield Task(rows, truth, n_labels, *split, mean, scale, config, seed=seed * config.folds + fold)
