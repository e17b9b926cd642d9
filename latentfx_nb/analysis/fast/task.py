"""A linear layer to train: its settings, its data, its progress and its outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentfx_nb.analysis.fast.rows import Rows

BETAS = (0.9, 0.999)
"""Decay of the two running averages: what torch's AdamW does unless told otherwise."""

EPSILON = 1e-8
"""What AdamW adds to the root of the second average: torch's default."""

TICK_S = 0.1  # between two calls of `watch`: the eye takes it for motion

Watch = Callable[[NDArray[np.intp], NDArray[np.float64]], None]
"""Called now and then with the epochs that each task has done and its probes' best validation accuracy so far, on
average, both `[task]`; what it raises ends the training."""


@dataclass(frozen=True)
class Training:
    """How a linear layer is trained (section 3.2).

    The learning rate is missing from the paper's text, and 1e-2 is ours: with it, probes agree within two points with
    logistic regression fitted to convergence, on the training rows of 64 clips and of 1024. With 1e-3 they do so on
    1024 only: 384 rows are 12 steps an epoch, and patience runs out up to 7 points too early. The weight decay is
    torch's default. `patience` is the number of epochs without a better validation accuracy after which a probe stops;
    None: never. A probe keeps its weights of the epoch with the best validation accuracy, and among equals of the one
    with the least loss (ours: where validation rows are few, equals are many).
    """

    learning_rate: float = 1e-2
    weight_decay: float = 0.01
    batch_size: int = 32
    max_epochs: int = 500
    patience: int | None = 50

    def __post_init__(self) -> None:
        for name in ("learning_rate", "batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value!r} trains nothing: it must be above zero")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay!r} would make weights grow: it must not be negative")


@dataclass(frozen=True, eq=False)
class Task:
    """Probes to train on the same batches of `rows`, whose `labels [row]` are 0 to `n_labels` - 1.

    `train`, `validation` and `test` are numbers of rows. Features are taken as `(x - mean) * scale`, both `[feature]`
    float32. `seen [probe feature]` says which features each probe sees; None: one probe sees all. Batches and first
    weights depend on `seed` alone, and all probes of a task begin alike.
    """

    rows: Rows
    labels: NDArray[np.intp]
    n_labels: int
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    training: Training = Training()
    seen: NDArray[np.bool_] | None = None
    seed: int = 0

    @property
    def outputs(self) -> int:
        """Logits of a probe: one a label, but one for two labels."""
        return 1 if self.n_labels == 2 else self.n_labels

    @property
    def n_probes(self) -> int:
        return 1 if self.seen is None else len(self.seen)

    def mask(self) -> NDArray[np.float32]:
        """Return what gradients are multiplied with, `[feature + 1, lane]`; nothing at all if nothing is hidden."""
        if self.seen is None:
            return np.empty((0, 0), np.float32)
        seen = np.concatenate([self.seen.T, np.ones((1, self.n_probes), bool)])
        return np.repeat(seen, self.outputs, axis=1).astype(np.float32)

    def first_weights(self) -> NDArray[np.float32]:
        """Return `[feature + 1, lane]`, uniform as torch's `Linear` starts; a hidden feature has weight 0, for good."""
        n = self.rows.shape[1]
        end = 1 / np.sqrt(max(n, 1))
        each = np.random.default_rng([self.seed, 0]).uniform(-end, end, (n + 1, self.outputs)).astype(np.float32)
        weights = np.tile(each, self.n_probes)
        return weights if self.seen is None else weights * self.mask()

    def orders(self) -> Iterator[NDArray[np.intp]]:
        """Yield the training rows in the order of each epoch."""
        generator = np.random.default_rng([self.seed, 1])
        while True:
            yield generator.permutation(self.train)


class Trained(NamedTuple):
    """The outcome of a task's probes.

    weights: `[probe feature+1 output]`, for features as the task standardises them, the bias last. epoch: `[probe]`,
    the epoch they are of, from 0. validation: `[probe]`, accuracy there. loss: `[probe]`, mean cross entropy there.
    predicted: `[probe row]`, labels of the test rows.
    """

    weights: NDArray[np.float32]
    epoch: NDArray[np.intp]
    validation: NDArray[np.float64]
    loss: NDArray[np.float64]
    predicted: NDArray[np.intp]


class Progress:
    """The progress of each task, updated by the trainers, and the stop flag.

    epochs: `[task]`, epochs done. accuracy: `[task]`, the probes' best validation accuracy so far, on average.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.epochs, self.accuracy = np.zeros(len(tasks), np.intp), np.zeros(len(tasks))
        self.stop = threading.Event()


class Best:
    """The best weights so far of each probe of a task, and which probes still run."""

    def __init__(self, task: Task) -> None:
        n = task.n_probes
        self.task = task
        self.weights = np.zeros((n, task.rows.shape[1] + 1, task.outputs), np.float32)
        self.accuracy, self.loss, self.epoch = np.full(n, -1.0), np.full(n, np.inf), np.zeros(n, np.intp)
        self.running = np.ones(n, bool)
        self._risen = np.zeros(n, np.intp)  # the last epoch whose accuracy was better than all before

    def update(self, epoch: int, logits: NDArray[np.float32], weights: Callable[[], NDArray[np.float32]]) -> None:
        """Take in the validation logits `[row lane]` of an epoch, and its `weights() [feature+1 lane]` if better."""
        task = self.task
        labels = task.labels[task.validation]
        accuracy = (checked_labels(logits, task) == labels[:, None]).mean(axis=0)
        candidates = np.flatnonzero(self.running & (accuracy >= self.accuracy))
        if candidates.size:
            loss = _loss(logits, task, labels, candidates)
            better = (accuracy[candidates] > self.accuracy[candidates]) | (loss < self.loss[candidates])
            loss, kept = loss[better], candidates[better]
            self._risen[kept[accuracy[kept] > self.accuracy[kept]]] = epoch
            self.accuracy[kept], self.loss[kept], self.epoch[kept] = accuracy[kept], loss, epoch
            if kept.size:
                found = weights()
                found = found.reshape(len(found), task.n_probes, task.outputs)
                self.weights[kept] = found[:, kept].transpose(1, 0, 2)
        if task.training.patience is not None:
            self.running &= epoch - self._risen < task.training.patience

    def side_by_side(self) -> NDArray[np.float32]:
        """Return the weights `[feature+1 lane]`."""
        return np.ascontiguousarray(self.weights.transpose(1, 0, 2).reshape(self.weights.shape[1], -1))

    def trained(self, logits: NDArray[np.float32]) -> Trained:
        """Return the outcome, given the logits `[row lane]` of the test rows under the best weights."""
        return Trained(self.weights, self.epoch, self.accuracy, self.loss, checked_labels(logits, self.task).T)


def checked_labels(logits: NDArray[np.float32], task: Task) -> NDArray[np.intp]:
    """Return the label `[row probe]` that each probe gives."""
    if task.outputs == 1:
        return (logits > 0).astype(np.intp)
    return logits.reshape(len(logits), task.n_probes, task.outputs).argmax(axis=2)


def _loss(
    logits: NDArray[np.float32], task: Task, labels: NDArray[np.intp], probes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the mean cross entropy of some of the probes, `[probe]`."""
    z = logits.reshape(len(logits), task.n_probes, task.outputs)[:, probes].astype(np.float64)
    if task.outputs == 1:
        return np.logaddexp(0, np.where(labels[:, None] == 1, -z[:, :, 0], z[:, :, 0])).mean(axis=0)
    top = z.max(axis=2)
    own = np.take_along_axis(z, labels[:, None, None], axis=2)[:, :, 0]
    return (np.log(np.exp(z - top[:, :, None]).sum(axis=2)) + top - own).mean(axis=0)
