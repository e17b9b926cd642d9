"""Kernels that start at once: forked from a process that has imported what the pages import.

An ordinary kernel spends most of a page's first seconds on imports, and holds all that they load; a forked one has
them, and shares their memory with its siblings until it changes something. `dashboard` has them; so has any Jupyter
server with the option `--KernelProvisionerFactory.default_provisioner_name=latentfx-fork`.

Kernels are forked on Linux only: forking a process with Apple's frameworks in it is not safe, and Windows cannot.
There, with `LATENTFX_FORK=0`, after forking has failed once, and where a notebook asks for another kind of kernel,
ordinary kernels start, and pages work the same.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from latentfx_nb.serving.bridge import FORKING, adopt, parent_option
from latentfx_nb.temporary import process_folder

log = logging.getLogger(__name__)

PROVISIONER = "latentfx-fork"
"""The name under which pyproject.toml offers the provisioner to Jupyter."""

IMPORTED = ["ipykernel.kernelapp", "latentfx_nb.serving.preload"]
"""The modules that the process which kernels are forked from has imported."""

LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]
"""Start of the command line that a forked kernel replaces."""

_given_up = threading.Event()
"""Set once forking has failed."""


def can_fork() -> bool:
    """Say whether kernels are forked: on Linux, unless `LATENTFX_FORK=0` is set or forking has failed before."""
    return sys.platform == "linux" and os.environ.get("LATENTFX_FORK") != "0" and not _given_up.is_set()


def prepare() -> None:
    """Start the process that kernels are forked from, so that the first of them finds everything imported.

    A first fork tries it out; if that fails, a warning says so and ordinary kernels start from then on.
    """
    if not can_fork():
        return
    try:
        process = _fork(_try_out)
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the fork that tries it out ended with exit status {process.exitcode}")
    except Exception as error:  # noqa: BLE001  whatever it was, the pages must open
        _give_up(error)


def _fork(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Return a running process, forked from one that has imported `IMPORTED`, which starts with the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def _try_out() -> None:
    """Import what is imported already, or else fail: multiprocessing says nothing if it could not be."""
    for name in IMPORTED:
        importlib.import_module(name)


def _give_up(error: Exception) -> None:
    """Let ordinary kernels start from now on, and say so once."""
    if not _given_up.is_set():
        _given_up.set()
        log.warning(
            "Kernels cannot be forked (%s: %s). Ordinary ones start from now on: pages work the same and open some "
            "seconds later. LATENTFX_FORK=0 switches forking off.",
            type(error).__name__,
            error,
            exc_info=True,
        )


def kernels_of(server: int) -> list[psutil.Process]:
    """Return the processes of all kernels of the server whose process id this is, forked or not."""
    found = {}
    for one in psutil.Process(server).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            found[one] = " ".join(one.cmdline()), one.ppid()
    forking = {one.pid for one, (command, _) in found.items() if FORKING in command}
    return [one for one, (command, parent) in found.items() if "ipykernel_launcher" in command or parent in forking]


def _run_kernel(arguments: list[str], environment: dict[str, str], folder: str | None) -> None:
    """Run a kernel in this process, which was just forked."""
    from ipykernel.kernelapp import launch_new_instance

    threading.Thread(target=_end_with_server, daemon=True).start()
    os.setsid()  # signals for the kernel and its children reach nobody else
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it was chosen by the process this was forked from
    os.chdir(folder or ".")
    sys.argv = ["ipykernel_launcher", *arguments, parent_option(os.getppid())]
    launch_new_instance()


def _end_with_server() -> None:
    """End this process when the server has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    if parent is not None:  # it is where multiprocessing started this process
        multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


class _Forked:
    """A forked process, with the methods of `subprocess.Popen` that jupyter_client calls."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.pid is not None and self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class ForkedProvisioner(LocalProvisioner):
    """Starts Python kernels as forks, and all others as new processes.

    Each kernel has its own temporary folder, with its sockets. The folder is removed once the kernel is seen to have
    ended; Jupyter looks for killed kernels every three seconds.
    """

    _folder: Path | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Return the options to launch with, among them an environment that names the kernel's temporary folder."""
        if self._folder is None:
            self._folder = process_folder() / secrets.token_hex(4)
            if self.parent is not None and self.parent.transport == "ipc":
                self.parent.ip = str(self._folder / "s")  # the system takes paths of at most 107 bytes
        self._folder.mkdir(mode=0o700, exist_ok=True)  # it exists if the kernel is restarted
        launched = await super().pre_launch(**kwargs)
        launched["env"]["TMPDIR"] = str(self._folder)
        return launched

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Return how to reach a kernel that was started for the command `cmd`, on the environment of `kwargs`."""
        if not can_fork() or cmd[: len(LAUNCHER)] != LAUNCHER:
            return await super().launch_kernel(cmd, **kwargs)
        try:
            # Voila names some variables by members of an enumeration of its own, which a fork would import Voila for.
            environment = {str.__str__(name): str.__str__(value) for name, value in kwargs["env"].items()}
            forked = _fork(_run_kernel, cmd[len(LAUNCHER) :], environment, kwargs.get("cwd"))
        except Exception as error:  # noqa: BLE001  as above
            _give_up(error)
            return await super().launch_kernel(cmd, **kwargs)
        adopt(self, _Forked(forked))
        return self.connection_info

    async def poll(self) -> int | None:
        """Return the kernel's exit status, None while it runs."""
        status = await super().poll()
        if status is not None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        return status
