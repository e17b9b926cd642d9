"""All tasks of one shape trained together on a device, in torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from latentfx_nb.analysis.fast.rows import SCORE_BYTES, Rows
from latentfx_nb.analysis.fast.task import BETAS, EPSILON, Best, Progress, Task, Trained, Training, Watch

DEVICE_BYTES = 4 * 2**30  # of weights, averages and batches of tasks that are trained together on a GPU


def train_batched(tasks: Sequence[Task], progress: Progress, watch: Watch, device: str) -> list[Trained]:
    """Train tasks of one shape together; those of another follow."""
    alike = defaultdict(list)
    for number, task in enumerate(tasks):
        alike[id(task.rows), task.outputs, task.n_probes, task.seen is None, task.training].append(number)
    trained: dict[int, Trained] = {}
    for numbers in alike.values():
        x = _on_device(tasks[numbers[0]].rows, device)
        lanes = tasks[numbers[0]].n_probes * tasks[numbers[0]].outputs
        at_once = max(1, DEVICE_BYTES // (x.shape[1] * 4 * (6 * lanes + 3 * tasks[numbers[0]].training.batch_size)))
        for start in range(0, len(numbers), at_once):
            some = numbers[start : start + at_once]
            found = _train_together(x, [tasks[number] for number in some], some, progress, watch)
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
    """The arrays on the device of tasks that are trained together, each with the dim `task` first."""

    labels: torch.Tensor  # [task row]
    mean: torch.Tensor  # [task 1 feature]
    scale: torch.Tensor
    mask: torch.Tensor  # [task feature+1 lane]; or [task 0 0], if nothing is hidden
    weights: torch.Tensor  # [task feature+1 lane]
    first: torch.Tensor  # AdamW's running averages of the gradient and of its square
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
        """Copy back what a step changed in a copy for some of the tasks."""
        index = torch.tensor(slots, device=self.steps.device)
        for name in ("weights", "first", "second", "steps"):
            getattr(self, name)[index] = getattr(some, name)


def _train_together(
    x: torch.Tensor, tasks: Sequence[Task], numbers: Sequence[int], progress: Progress, watch: Watch
) -> list[Trained]:
    """Return the outcome of tasks of one shape; each step is taken by all that have a batch left."""
    how, outputs = tasks[0].training, tasks[0].outputs
    state, bests = _State.of(tasks, x.device), [Best(task) for task in tasks]
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
            bests[task].update(epoch, scores[slot], partial(_on_host, state.weights[slot]))
            done = how.max_epochs if not bests[task].running.any() else epoch + 1
            progress.epochs[numbers[task]], progress.accuracy[numbers[task]] = done, bests[task].accuracy.mean()
        watch(progress.epochs.copy(), progress.accuracy.copy())
        going = [slot for slot, task in enumerate(running) if bests[task].running.any()]
        if not going:
            break
        if len(going) < len(running):
            state, running = state.pick(going), [running[slot] for slot in going]
    state = _State.of(tasks, x.device)
    state.weights = torch.from_numpy(np.stack([best.side_by_side() for best in bests])).to(x.device)
    scores = _scores_together(x, [task.test for task in tasks], state)
    return [best.trained(logits) for best, logits in zip(bests, scores, strict=True)]


def _on_host(weights: torch.Tensor) -> NDArray[np.float32]:
    return weights.cpu().numpy()


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
