"""Many linear classifiers trained at once by AdamW, each as if it were trained alone.

A task is a set of probes that share rows, labels and batches, and differ in the features they see: their weights lie
side by side in one matrix, so that a step of all of them is two products and one pass over the weights. Tasks run side
by side on the cores of a CPU, compiled by numba, or together on a GPU, as batched products of torch. A probe that has
stopped keeps its weights while others go on. The arithmetic is that of torch's `Linear`, `cross_entropy` and `AdamW`;
two labels share one logit, as in `binary_cross_entropy_with_logits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from latentfx_nb.analysis.fast.task import BETAS, EPSILON, TICK_S, Best, Progress, Task, Trained, Watch
from latentfx_nb.analysis.samples import cores

BLOCK_ROWS = 64  # rows scored at a time: as many wide ones as this are still small beside a batch


def train_on_cores(tasks: Sequence[Task], progress: Progress, watch: Watch) -> list[Trained]:
    """Return the outcome of every task, each trained on one core."""
    # A product of this size is done before a second BLAS thread has woken up, and every core has a task of its own.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        jobs = [pool.submit(_train_one, task, number, progress) for number, task in enumerate(tasks)]
        try:
            left = set(jobs)
            while left:
                done, left = wait(left, TICK_S)
                for job in done:
                    job.result()  # raises what went wrong there, at once
                watch(progress.epochs.copy(), progress.accuracy.copy())
        finally:
            progress.stop.set()
            pool.shutdown(cancel_futures=True)
    return [job.result() for job in jobs]


def _train_one(task: Task, number: int, progress: Progress) -> Trained:
    weights, best, mask, steps = task.first_weights(), Best(task), task.mask(), 0
    averages = np.zeros_like(weights), np.zeros_like(weights)
    how = task.training
    for epoch, order in zip(range(how.max_epochs), task.orders(), strict=False):
        if progress.stop.is_set():
            break
        for x, rows, place in task.rows.parts(order, how.batch_size):
            labels = task.labels[order[place]]
            steps = _steps(
                x, rows, labels, task.mean, task.scale, weights, *averages, mask, task.outputs, steps,
                how.batch_size, how.learning_rate, how.weight_decay,
            )  # fmt: skip
        best.update(epoch, _scores(task, task.validation, weights), lambda: weights)
        progress.epochs[number], progress.accuracy[number] = epoch + 1, best.accuracy.mean()
        if not best.running.any():
            break
    progress.epochs[number] = how.max_epochs  # it has no more to do
    return best.trained(_scores(task, task.test, best.side_by_side()))


def _scores(task: Task, wanted: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits `[row lane]` of the wanted rows."""
    logits = np.empty((len(wanted), weights.shape[1]), np.float32)
    for x, rows, place in task.rows.parts(wanted, BLOCK_ROWS):
        _score(x, rows, task.mean, task.scale, weights, logits[place])
    return logits


# These say what the kernels are called with; numba compiles for the types that come.
Floats = NDArray[np.float32]
Integers = NDArray[np.intp]

_kernel = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


def _value(x: Any) -> Any:
    """Return a stored feature as float32."""


@overload(_value, inline="always")
def _value_of(x: Any) -> Callable[[Any], Any]:
    # numba wants the implementations to state their arguments as this function does, to the letter.
    def whole(x: Any) -> Any:
        return x

    def half(x: Any) -> Any:
        # Shifted into place, the bits of a float16 are a float32 with an exponent too small by 127 - 15.
        bits = np.uint32(x)
        size = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13)).view(np.float32) * np.float32(2.0**112)
        return -size if bits & np.uint32(0x8000) else size

    return half if x == types.uint16 else whole


@_kernel
def _gather(x: Floats, rows: Integers, mean: Floats, scale: Floats, into: Floats) -> None:
    """Fill `into [row feature+1]` with the standardised rows; its last column stays as it is."""
    for i in range(rows.size):
        row = rows[i]
        for k in range(x.shape[1]):
            into[i, k] = (_value(x[row, k]) - mean[k]) * scale[k]


@_kernel
def _score(x: Floats, rows: Integers, mean: Floats, scale: Floats, weights: Floats, logits: Floats) -> None:
    """Fill `logits [row lane]`, a block of rows at a time."""
    block = np.ones((min(BLOCK_ROWS, rows.size), weights.shape[0]), np.float32)
    for start in range(0, rows.size, BLOCK_ROWS):
        some = rows[start : start + BLOCK_ROWS]
        _gather(x, some, mean, scale, block)
        np.dot(block[: some.size], weights, logits[start : start + some.size])


@_kernel
def _steps(
    x: Floats, rows: Integers, labels: Integers, mean: Floats, scale: Floats, weights: Floats, first: Floats,
    second: Floats, mask: Floats, outputs: int, steps: int, batch_size: int, learning_rate: float, weight_decay: float,
) -> int:  # fmt: skip
    """Take one step for each batch of `rows`, in place; return the number of steps so far.

    `first` and `second` are AdamW's running averages of the gradient and of its square.
    """
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
def _to_residuals(z: Floats, labels: Integers, outputs: int) -> None:
    """Turn logits `[row lane]` into the gradient of the mean cross entropy with respect to them, in place."""
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
def _adamw(
    weights: Floats, first: Floats, second: Floats, gradient: Floats, mask: Floats, steps: int, learning_rate: float,
    weight_decay: float,
) -> None:  # fmt: skip
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
