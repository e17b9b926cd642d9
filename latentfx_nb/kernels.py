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
import sys
import threading
from multiprocessing.context import ForkServerProcess
from typing import Any

import psutil
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

PROVISIONER = "latentfx-fork"
"""The name under which pyproject.toml offers the provisioner to Jupyter."""

CAN_FORK = sys.platform == "linux"

IMPORTED = ["ipykernel.kernelapp", "latentfx_nb.panels.preload"]

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
    below = psutil.Process(server).children(recursive=True)
    commands = {one.pid: " ".join(one.cmdline()) for one in below}
    forking = {pid for pid, command in commands.items() if "multiprocessing.forkserver" in command}
    return [one for one in below if "ipykernel_launcher" in commands[one.pid] or one.ppid() in forking]


def _run_kernel(arguments: list[str], environment: dict[str, str], folder: str | None) -> None:
    """Be a kernel, in a process that was just forked."""
    from ipykernel.kernelapp import launch_new_instance

    threading.Thread(target=_end_with_server, daemon=True).start()
    os.setsid()  # signals for the kernel and its children reach nobody else
    os.environ.clear()
    os.environ.update(environment)
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
    """Starts Python kernels as forks, and all others as new processes."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Return how to reach a kernel that was started for the command `cmd`, on the environment of `kwargs`."""
        if not CAN_FORK or cmd[: len(LAUNCHER)] != LAUNCHER:
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[len(LAUNCHER) :], dict(kwargs["env"]), kwargs.get("cwd")
        process = _forks().Process(target=_run_kernel, args=arguments, name="kernel")
        process.start()
        self.process, self.pid, self.pgid = _Forked(process), process.pid, process.pid
        return self.connection_info
