"""Train many linear layers side by side: on the cores of the CPU, or together on another device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentfx_nb.analysis.fast.batched import train_batched
from latentfx_nb.analysis.fast.cores import train_on_cores
from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.fast.task import Progress, Task, Trained, Training, Watch


def train(tasks: Sequence[Task], device: str = "cpu", watch: Watch = lambda epochs, accuracy: None) -> list[Trained]:
    """Return the outcome of every task, trained side by side on the cores of the CPU, or together on another `device`.

    `watch` is called about ten times a second, from the calling thread. An exception that it raises ends the training
    and is passed on.
    """
    progress = Progress(tasks)
    return train_on_cores(tasks, progress, watch) if device == "cpu" else train_batched(tasks, progress, watch, device)


def compile_kernels() -> None:
    """Compile the kernels that train probes, unless they are compiled, so that no page waits three seconds for them."""
    part, ones = np.arange(4), np.ones(4, np.float32)
    train([Task(Rows(np.eye(4, dtype=np.float32)), part % 2, 2, part, part, part, ones, ones, Training(max_epochs=1))])
