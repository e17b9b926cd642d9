"""Kernels that start at once: forked from a process that has imported what the pages import.

A kernel of its own spends most of a page's first seconds on imports, and holds all that they load; a forked one has
them, and shares their memory with its siblings until it changes something. `dashboard` has them; so has any Jupyter
server with the option `--KernelProvisionerFactory.default_provisioner_name=latentfx-fork`.

Only on Linux: forking a process with Apple's frameworks in it is not safe, and Windows cannot. There, and where a
notebook asks for another kind of kernel, they start as they always do.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import secrets
import shutil
import sys
import tempfile
import threading
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from latentfx_nb.temporary import process_folder

PROVISIONER = "latentfx-fork"
"""The name under which pyproject.toml offers the provisioner to Jupyter."""

CAN_FORK = sys.platform == "linux"

IMPORTED = ["ipykernel.kernelapp", "latentfx_nb.serving.preload"]

LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]
"""How the command of the kernel begins that a forked one stands for."""


def _forks() -> multiprocessing.context.ForkServerContext:
    """Return the way to processes that are forked from one which has imported the above; it starts with the first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def prepare() -> None:
    """Start the process that kernels are forked from, so that the first of them finds everything imported."""
    _forks().Process(target=len, args=([],)).start()


def kernels_of(server: int) -> list[psutil.Process]:
    """Return the processes of all kernels of the server whose process id this is, forked or not."""
    found = {}
    for one in psutil.Process(server).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            found[one] = " ".join(one.cmdline()), one.ppid()
    forking = {one.pid for one, (command, _) in found.items() if "multiprocessing.forkserver" in command}
    return [one for one, (command, parent) in found.items() if "ipykernel_launcher" in command or parent in forking]


def _run_kernel(arguments: list[str], environment: dict[str, str], folder: str | None) -> None:
    """Be a kernel, in a process that was just forked."""
    from ipykernel.kernelapp import launch_new_instance

    threading.Thread(target=_end_with_server, daemon=True).start()
    os.setsid()  # signals for the kernel and its children reach nobody else
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # of the process this was forked from
    os.chdir(folder or ".")
    sys.argv = ["ipykernel_launcher", *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    launch_new_instance()


def _end_with_server() -> None:
    """End this process when the server is gone, however it went."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class _Forked:
    """A forked process, asked and told as `subprocess.Popen` is."""

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
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class ForkedProvisioner(LocalProvisioner):
    """Starts Python kernels as forks, and all others as new processes.

    Each has a temporary folder of its own, with its sockets, that is removed when the kernel is seen to have ended:
    every three seconds Jupyter looks for those that were killed.
    """

    _folder: Path | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Return the options to launch with, among them an environment that names the kernel's temporary folder."""
        if self._folder is None:
            self._folder = process_folder() / secrets.token_hex(4)
            if self.parent is not None and self.parent.transport == "ipc":
                self.parent.ip = str(self._folder / "s")  # the system takes paths of at most 107 bytes
        self._folder.mkdir(mode=0o700, exist_ok=True)  # again, where a kernel is started anew
        launched = await super().pre_launch(**kwargs)
        launched["env"]["TMPDIR"] = str(self._folder)
        return launched

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Return how to reach a kernel that was started for the command `cmd`, on the environment of `kwargs`."""
        if not CAN_FORK or cmd[: len(LAUNCHER)] != LAUNCHER:
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[len(LAUNCHER) :], dict(kwargs["env"]), kwargs.get("cwd")
        process = _forks().Process(target=_run_kernel, args=arguments, name="kernel")
        process.start()
        self.process, self.pid, self.pgid = _Forked(process), process.pid, process.pid
        return self.connection_info

    async def poll(self) -> int | None:
        """Return the kernel's exit status, None while it runs."""
        status = await super().poll()
        if status is not None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        return status
