"""Many linear classifiers trained at once by AdamW, each as if it were trained alone.

A task is a set of probes that share rows, labels and batches, and differ in the features they see: their weights lie
side by side in one matrix, so that a step of all of them is two products and one pass over the weights. Tasks run side
by side on the cores of a CPU, compiled by numba, or together on a GPU, as batched products of torch. A probe that has
stopped keeps its weights while others go on. The arithmetic is that of torch's `Linear`, `cross_entropy` and `AdamW`;
two labels share one logit, as in `binary_cross_entropy_with_logits`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from typing import IO, NamedTuple

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from latentfx_nb.analysis.samples import cores

BETAS = (0.9, 0.999)
"""Decay of the two running averages: what torch's AdamW does unless told otherwise."""

EPSILON = 1e-8
"""What AdamW adds to the root of the second average: torch's default."""

TICK_S = 0.1  # between two calls of `watch`: what an eye takes for motion

BLOCK_ROWS = 64  # rows scored at a time: as many wide ones as this are still small beside a batch

DEVICE_BYTES = 4 * 2**30  # of weights, averages and batches of tasks that are trained together on a GPU

SCORE_BYTES = 2**28  # of features scored, or copied to a GPU, at a time

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
    None: never. A probe ends up with its weights of the epoch whose validation accuracy was the best; of equals, the
    one with the least loss counts (ours: where validation rows are few, equals are many).
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


class Rows:
    """Features `[row feature]`, float32 or float16, in memory."""

    def __init__(self, values: NDArray[np.floating]) -> None:
        self.values, self.shape = np.ascontiguousarray(values), values.shape

    def parts(self, rows: NDArray[np.intp], batch: int) -> Iterator[tuple[NDArray, NDArray[np.intp], slice]]:
        """Yield pieces of `rows`, each made of whole batches: a matrix, the numbers of its rows there, its place."""
        yield _readable(self.values), rows, slice(None)

    def read(self, rows: slice) -> NDArray[np.floating]:
        """Return consecutive rows `[row feature]`."""
        return self.values[rows]


class StoredRows(Rows):
    """Features `[row feature]` in a file of float16, opened unbuffered, of which only batches are ever in memory."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int]) -> None:
        self._file, self.shape = file, shape
        self._turn = threading.Lock()  # a file has one position

    def parts(self, rows: NDArray[np.intp], batch: int) -> Iterator[tuple[NDArray, NDArray[np.intp], slice]]:
        buffer = np.empty((batch, self.shape[1]), np.float16)
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            for line, row in zip(buffer, some, strict=False):
                self._fill(line, int(row))
            yield _readable(buffer[: len(some)]), np.arange(len(some)), slice(start, start + batch)

    def read(self, rows: slice) -> NDArray[np.float16]:
        start, stop, _ = rows.indices(self.shape[0])
        block = np.empty((stop - start, self.shape[1]), np.float16)
        self._fill(block, start)
        return block

    def _fill(self, block: NDArray[np.float16], row: int) -> None:
        left = memoryview(block.reshape(-1).view(np.uint8))
        with self._turn:
            self._file.seek(row * self.shape[1] * block.itemsize)
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise OSError(f"the scratch file of the features ended early, at row {row}: run it again")
                left = left[count:]


def _readable(values: NDArray[np.floating]) -> NDArray:
    """Return `values` as the kernels take them: numba has no float16, so its bits pass as integers."""
    return values.view(np.uint16) if values.dtype == np.float16 else values


@dataclass(frozen=True, eq=False)
class Task:
    """Probes to train on the same batches: rows, their labels `[row]` 0 .. `n_labels` - 1, and which of them serve.

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
    """What became of a task's probes.

    weights: `[probe feature+1 output]`, for features as the task standardises them, the bias last. epoch: `[probe]`,
    the epoch they are of, from 0. validation: `[probe]`, accuracy there. loss: `[probe]`, mean cross entropy there.
    predicted: `[probe row]`, labels of the test rows.
    """

    weights: NDArray[np.float32]
    epoch: NDArray[np.intp]
    validation: NDArray[np.float64]
    loss: NDArray[np.float64]
    predicted: NDArray[np.intp]


def train(tasks: Sequence[Task], device: str = "cpu", watch: Watch = lambda epochs, accuracy: None) -> list[Trained]:
    """Return what became of every task, trained side by side on the cores of the CPU, or together on another `device`.

    `watch` is called about ten times a second, from the calling thread; what it raises ends the training and is passed
    on.
    """
    news = _News(tasks)
    return _train_on_cores(tasks, news, watch) if device == "cpu" else _train_batched(tasks, news, watch, device)


def compile_kernels() -> None:
    """Compile what trains probes on the cores, or find it compiled, so that no page waits three seconds for it."""
    part, ones = np.arange(4), np.ones(4, np.float32)
    train([Task(Rows(np.eye(4, dtype=np.float32)), part % 2, 2, part, part, part, ones, ones, Training(max_epochs=1))])


class _News:
    """How far each task is, written by whoever trains it; and whether it should stop."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.epochs, self.accuracy = np.zeros(len(tasks), np.intp), np.zeros(len(tasks))
        self.stop = threading.Event()


class _Best:
    """The best weights so far of each probe of a task, and whether it is still worth going on."""

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
        accuracy = (_labels(logits, task) == labels[:, None]).mean(axis=0)
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
        """Return the outcome, of the logits `[row lane]` that the best weights give the test rows."""
        return Trained(self.weights, self.epoch, self.accuracy, self.loss, _labels(logits, self.task).T)


def _labels(logits: NDArray[np.float32], task: Task) -> NDArray[np.intp]:
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


# ------------------------------------------------------------------------------------------------ on the cores of a CPU


def _train_on_cores(tasks: Sequence[Task], news: _News, watch: Watch) -> list[Trained]:
    # A product of this size is done before a second BLAS thread has woken up, and every core has a task of its own.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        jobs = [pool.submit(_train_one, task, number, news) for number, task in enumerate(tasks)]
        try:
            left = set(jobs)
            while left:
                done, left = wait(left, TICK_S)
                for job in done:
                    job.result()  # raises what went wrong there, at once
                watch(news.epochs.copy(), news.accuracy.copy())
        finally:
            news.stop.set()
            pool.shutdown(cancel_futures=True)
    return [job.result() for job in jobs]


def _train_one(task: Task, number: int, news: _News) -> Trained:
    weights, best, mask, steps = task.first_weights(), _Best(task), task.mask(), 0
    averages = np.zeros_like(weights), np.zeros_like(weights)
    how = task.training
    for epoch, order in zip(range(how.max_epochs), task.orders(), strict=False):
        if news.stop.is_set():
            break
        for x, rows, place in task.rows.parts(order, how.batch_size):
            labels = task.labels[order[place]]
            steps = _steps(
                x, rows, labels, task.mean, task.scale, weights, *averages, mask, task.outputs, steps,
                how.batch_size, how.learning_rate, how.weight_decay,
            )  # fmt: skip
        best.update(epoch, _scores(task, task.validation, weights), lambda: weights)
        news.epochs[number], news.accuracy[number] = epoch + 1, best.accuracy.mean()
        if not best.running.any():
            break
    news.epochs[number] = how.max_epochs  # it has no more to do
    return best.trained(_scores(task, task.test, best.side_by_side()))


def _scores(task: Task, wanted: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits `[row lane]` of the wanted rows."""
    logits = np.empty((len(wanted), weights.shape[1]), np.float32)
    for x, rows, place in task.rows.parts(wanted, BLOCK_ROWS):
        _score(x, rows, task.mean, task.scale, weights, logits[place])
    return logits


_kernel = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def _value(x):
    """Return a stored feature as float32."""


@overload(_value, inline="always")
def _value_of(x):
    if x != types.uint16:
        return lambda x: x

    def half(x):
        # Shifted into place, the bits of a float16 are a float32 with an exponent too small by 127 - 15.
        bits = np.uint32(x)
        size = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13)).view(np.float32) * np.float32(2.0**112)
        return -size if bits & np.uint32(0x8000) else size

    return half


@_kernel
def _gather(x, rows, mean, scale, into):
    """Fill `into [row feature+1]` with the standardised rows; its last column stays as it is."""
    for i in range(rows.size):
        row = rows[i]
        for k in range(x.shape[1]):
            into[i, k] = (_value(x[row, k]) - mean[k]) * scale[k]


@_kernel
def _score(x, rows, mean, scale, weights, logits):
    """Fill `logits [row lane]`, a block of rows at a time."""
    block = np.ones((min(BLOCK_ROWS, rows.size), weights.shape[0]), np.float32)
    for start in range(0, rows.size, BLOCK_ROWS):
        some = rows[start : start + BLOCK_ROWS]
        _gather(x, some, mean, scale, block)
        np.dot(block[: some.size], weights, logits[start : start + some.size])


@_kernel
def _steps(
    x, rows, labels, mean, scale, weights, first, second, mask, outputs, steps, batch_size, learning_rate, weight_decay
):
    """Take one step for each batch of `rows`, in place; return how many steps there have been."""
    n = min(batch_size, rows.size)
    batch, logits, gradient = (
        np.ones((n, weights.shape[0]), np.float32),
        np.empty((n, weights.shape[1]), np.float32),
        np.empty_like(weights),
    )
    for start in range(0, rows.size, batch_size):
        some = rows[start : start + batch_size]
        xs, zs = batch[: some.size], logits[: some.size]
        _gather(x, some, mean, scale, batch)
        np.dot(xs, weights, zs)
        _to_residuals(zs, labels[start : start + batch_size], outputs)
        np.dot(xs.T, zs, gradient)
        steps += 1
        _adamw(weights, first, second, gradient, mask, steps, learning_rate, weight_decay)
    return steps


@_kernel
def _to_residuals(z, labels, outputs):
    """Turn logits `[row lane]` into what the mean cross entropy's gradient says of them, in place."""
    share = np.float32(1) / np.float32(labels.size)
    for i in range(labels.size):
        if outputs == 1:
            for p in range(z.shape[1]):
                z[i, p] = share * (np.float32(1) / (np.float32(1) + np.exp(-z[i, p])) - np.float32(labels[i]))
            continue
        for p in range(0, z.shape[1], outputs):
            top = z[i, p]
            for c in range(p + 1, p + outputs):
                top = max(top, z[i, c])
            total = np.float32(0)
            for c in range(p, p + outputs):
                z[i, c] = np.exp(z[i, c] - top)
                total += z[i, c]
            for c in range(p, p + outputs):
                z[i, c] *= share / total
            z[i, p + labels[i]] -= share


@_kernel
def _adamw(weights, first, second, gradient, mask, steps, learning_rate, weight_decay):
    """One step of AdamW in place, as torch takes it (Loshchilov & Hutter 2019, algorithm 2)."""
    b1, b2, epsilon = np.float32(BETAS[0]), np.float32(BETAS[1]), np.float32(EPSILON)
    kept = np.float32(1 - learning_rate * weight_decay)
    size = np.float32(learning_rate / (1 - BETAS[0] ** steps))
    root = np.float32(np.sqrt(1 - BETAS[1] ** steps))
    for k in range(weights.shape[0]):
        if mask.size:
            for j in range(weights.shape[1]):
                gradient[k, j] *= mask[k, j]
        for j in range(weights.shape[1]):
            g = gradient[k, j]
            first[k, j] += (np.float32(1) - b1) * (g - first[k, j])
            second[k, j] = b2 * second[k, j] + (np.float32(1) - b2) * g * g
            weights[k, j] = weights[k, j] * kept - size * first[k, j] / (np.sqrt(second[k, j]) / root + epsilon)


# --------------------------------------------------------------------------------------------------- together, on a GPU


def _train_batched(tasks: Sequence[Task], news: _News, watch: Watch, device: str) -> list[Trained]:
    """Train tasks of one shape together; those of another follow."""
    alike = defaultdict(list)
    for number, task in enumerate(tasks):
        alike[id(task.rows), task.outputs, task.n_probes, task.seen is None, task.training].append(number)
    trained = {}
    for numbers in alike.values():
        x = _on_device(tasks[numbers[0]].rows, device)
        lanes = tasks[numbers[0]].n_probes * tasks[numbers[0]].outputs
        at_once = max(1, DEVICE_BYTES // (x.shape[1] * 4 * (6 * lanes + 3 * tasks[numbers[0]].training.batch_size)))
        for start in range(0, len(numbers), at_once):
            some = numbers[start : start + at_once]
            found = _train_together(x, [tasks[number] for number in some], some, news, watch)
            trained |= dict(zip(some, found, strict=True))
    return [trained[number] for number in range(len(tasks))]


def _on_device(rows: Rows, device: str) -> torch.Tensor:
    """Return all features `[row feature]` on the device, in the precision they are stored in."""
    x = torch.from_numpy(rows.read(slice(0, 0))).new_empty(rows.shape, device=device)
    step = max(1, SCORE_BYTES // (4 * rows.shape[1]))
    for start in range(0, len(x), step):
        x[start : start + step] = torch.from_numpy(rows.read(slice(start, start + step)))
    return x


@dataclass
class _State:
    """What tasks that are trained together hold on the device, each with the dim `task` first."""

    labels: torch.Tensor  # [task row]
    mean: torch.Tensor  # [task 1 feature]
    scale: torch.Tensor
    mask: torch.Tensor  # [task feature+1 lane]; or [task 0 0], if nothing is hidden
    weights: torch.Tensor  # [task feature+1 lane]
    first: torch.Tensor
    second: torch.Tensor
    steps: torch.Tensor  # [task 1 1]

    @classmethod
    def of(cls, tasks: Sequence[Task], device: torch.device) -> _State:
        def stack(arrays: Iterator[NDArray]) -> torch.Tensor:
            return torch.from_numpy(np.stack(list(arrays))).to(device)

        weights = stack(task.first_weights() for task in tasks)
        return cls(
            labels=stack(task.labels.astype(np.int64) for task in tasks),
            mean=stack(task.mean[None] for task in tasks),
            scale=stack(task.scale[None] for task in tasks),
            mask=stack(task.mask() for task in tasks),
            weights=weights,
            first=torch.zeros_like(weights),
            second=torch.zeros_like(weights),
            steps=torch.zeros((len(tasks), 1, 1), dtype=torch.float64, device=device),
        )

    def pick(self, slots: Sequence[int]) -> _State:
        """Return a copy for some of the tasks."""
        index = torch.tensor(slots, device=self.steps.device)
        return _State(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def put(self, slots: Sequence[int], some: _State) -> None:
        """Take over what a step changed in a copy for some of the tasks."""
        index = torch.tensor(slots, device=self.steps.device)
        for name in ("weights", "first", "second", "steps"):
            getattr(self, name)[index] = getattr(some, name)


def _train_together(
    x: torch.Tensor, tasks: Sequence[Task], numbers: Sequence[int], news: _News, watch: Watch
) -> list[Trained]:
    """Return what became of tasks of one shape, each step of which is taken by all that have a batch left."""
    how, outputs = tasks[0].training, tasks[0].outputs
    state, bests = _State.of(tasks, x.device), [_Best(task) for task in tasks]
    orders, running = [task.orders() for task in tasks], list(range(len(tasks)))
    for epoch in range(how.max_epochs):
        rows, share = _batches([next(orders[task]) for task in running], how.batch_size, x.device)
        for step in range(rows.shape[1]):
            active = [slot for slot, task in enumerate(running) if len(tasks[task].train) > step * how.batch_size]
            if len(active) == len(running):
                _step_together(x, rows[:, step], share[:, step], state, outputs, how)
            else:
                some = state.pick(active)
                _step_together(x, rows[active, step], share[active, step], some, outputs, how)
                state.put(active, some)
        scores = _scores_together(x, [tasks[task].validation for task in running], state)
        for slot, task in enumerate(running):
            bests[task].update(epoch, scores[slot], lambda weights=state.weights[slot]: weights.cpu().numpy())
            done = how.max_epochs if not bests[task].running.any() else epoch + 1
            news.epochs[numbers[task]], news.accuracy[numbers[task]] = done, bests[task].accuracy.mean()
        watch(news.epochs.copy(), news.accuracy.copy())
        going = [slot for slot, task in enumerate(running) if bests[task].running.any()]
        if not going:
            break
        if len(going) < len(running):
            state, running = state.pick(going), [running[slot] for slot in going]
    state = _State.of(tasks, x.device)
    state.weights = torch.from_numpy(np.stack([best.side_by_side() for best in bests])).to(x.device)
    scores = _scores_together(x, [task.test for task in tasks], state)
    return [best.trained(logits) for best, logits in zip(bests, scores, strict=True)]


def _batches(orders: Sequence[NDArray[np.intp]], size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return row numbers `[task step row]` and each row's share in its batch's mean, 0 where a task has none left."""
    steps = max(-(-len(order) // size) for order in orders)
    rows, real = np.zeros((2, len(orders), steps * size), np.int64)
    for line, known, order in zip(rows, real, orders, strict=True):
        line[: len(order)], known[: len(order)] = order, 1
    real = real.reshape(len(orders), steps, size)
    share = real / np.maximum(real.sum(axis=2, keepdims=True), 1)
    shaped = torch.from_numpy(rows.reshape(real.shape)), torch.from_numpy(share.astype(np.float32))
    return shaped[0].to(device), shaped[1].to(device)


def _gather_together(x: torch.Tensor, rows: torch.Tensor, state: _State) -> torch.Tensor:
    """Return the standardised rows `[task row feature+1]`, with a last column of ones."""
    batch = torch.ones((*rows.shape, x.shape[1] + 1), device=x.device)
    batch[..., :-1] = (x[rows].float() - state.mean) * state.scale
    return batch


def _step_together(
    x: torch.Tensor, rows: torch.Tensor, share: torch.Tensor, state: _State, outputs: int, how: Training
) -> None:
    """Take one step of every task on its batch `rows [task row]`; the arithmetic of `_steps`."""
    batch = _gather_together(x, rows, state)
    z = torch.bmm(batch, state.weights)
    labels = state.labels.gather(1, rows)
    if outputs == 1:
        z = z.sigmoid() - labels[..., None]
    else:
        each = z.unflatten(2, (-1, outputs))
        z = (each.softmax(3) - torch.nn.functional.one_hot(labels, outputs)[:, :, None]).flatten(2)
    gradient = torch.bmm(batch.mT, z * share[..., None])
    if state.mask.numel():
        gradient *= state.mask
    state.steps += 1
    state.first.lerp_(gradient, 1 - BETAS[0])
    state.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    size = (how.learning_rate / (1 - BETAS[0] ** state.steps)).float()
    root = (1 - BETAS[1] ** state.steps).sqrt().float()
    state.weights.mul_(1 - how.learning_rate * how.weight_decay)
    state.weights.sub_(size * state.first / (state.second.sqrt() / root + EPSILON))


def _scores_together(x: torch.Tensor, wanted: Sequence[NDArray[np.intp]], state: _State) -> list[NDArray[np.float32]]:
    """Return each task's logits `[row lane]` of its wanted rows."""
    most = max(1, SCORE_BYTES // (8 * len(wanted) * (x.shape[1] + 1)))
    step = min(most, max(len(one) for one in wanted))
    rows, _ = _batches(wanted, step, x.device)
    logits = [torch.bmm(_gather_together(x, rows[:, i], state), state.weights) for i in range(rows.shape[1])]
    together = torch.cat(logits, dim=1).cpu().numpy()
    return [scores[: len(one)] for scores, one in zip(together, wanted, strict=True)]
