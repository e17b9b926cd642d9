"""Serve the notebooks as pages: find a port, start Voila with the process settings, say where the pages are."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PORT = 8866
START_PAGE = "00_start_here.ipynb"
KERNEL_SOCKETS = ("--KernelManager.transport=ipc",) if sys.platform == "linux" else ()
"""Voila's option to reach its kernels through files instead of TCP ports. Jupyter chooses a port before the kernel
takes it, and with several visitors at once another kernel took it meanwhile; and no other user of the machine can
connect to a file. On macOS temporary paths are too long for it; Windows does not have it."""

REFILL_S = 20
"""Seconds from opening a page with a ready kernel until the next one is prepared."""

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parent


def _read_settings(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


PROCESS_SETTINGS: Mapping[str, str] = _read_settings(_PACKAGE / "process.env")
"""Environment variables that must be set before Python starts; process.env gives the reasons."""


class ServerError(RuntimeError):
    """Voila could not be started, or has stopped by itself."""


def process_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `base` (this process's environment if None) with the process settings; its own values are kept."""
    return {**PROCESS_SETTINGS, **(os.environ if base is None else base)}


def notebooks_folder(notebooks: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute folder of the pages: `notebooks`, or the checkout's own if None.

    Raises FileNotFoundError where there is none, as beside a package installed from a wheel.
    """
    folder = (_CHECKOUT / "notebooks" if notebooks is None else Path(notebooks)).resolve()
    if not any(folder.glob("*.ipynb")):
        state = "has no .ipynb files" if folder.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"the notebooks folder {folder} {state}; the pages come with the repository, not with the installed "
            "package: clone it and run this command there"
        )
    return folder


def free_port(start: int = PORT, tries: int = 100) -> int:
    """Return the first port from `start` on that nothing on this machine listens on.

    Raises ValueError for a `start` outside 1 to 65535, ServerError if all `tries` ports are taken.
    """
    if not 1 <= start <= 65535:
        raise ValueError(f"port {start} does not exist; give one from 1 to 65535, such as {PORT}")
    end = min(start + tries, 65536)
    for port in range(start, end):
        if _is_free(port):
            return port
    raise ServerError(f"every port from {start} to {end - 1} is taken or not allowed; give another one to start at")


def _is_free(port: int) -> bool:
    families = {family for family, *_ in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
    for family in families:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # or a port would count as taken for a minute after its last server
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                # "localhost" may have an IPv6 address on a machine without IPv6; Voila passes over it, too.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
    return True


def _preheating(pages: Sequence[str], folder: Path) -> list[str]:
    """Return Voila's options to keep a kernel ready for each of `pages`, and for no other."""
    there = {path.stem for path in folder.glob("*.ipynb")}
    if unknown := sorted(set(pages) - there):
        raise ValueError(f"no page is called {', '.join(unknown)}; there are {', '.join(sorted(there))}")
    if not pages:
        return []
    others = rf"^(?!.*[\\/]({'|'.join(map(re.escape, pages))})\.ipynb$)"  # of absolute paths
    chosen = {
        "VoilaConfiguration.preheat_kernel": "True",
        "VoilaConfiguration.default_pool_size": "1",
        "VoilaKernelManager.fill_delay": str(REFILL_S),
        "VoilaKernelManager.preheat_denylist": json.dumps([others]),
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


@contextlib.contextmanager
def running(
    notebooks: str | os.PathLike[str] | None = None,
    port: int = PORT,
    *,
    preheat: Sequence[str] = (),
    timeout_s: float = START_TIMEOUT_S,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run Voila on `notebooks` while the block lasts; give its address, such as http://localhost:8866, and its process.

    Takes the first free port from `port` on. For each page of `preheat` ("04_knob_paths") a kernel that has run it
    waits for the next visitor. Raises what `notebooks_folder` and `free_port` raise, ValueError for an unknown page,
    and ServerError if Voila stops or does not answer within `timeout_s`.
    """
    folder = notebooks_folder(notebooks)
    chosen = free_port(port)
    heating = _preheating(preheat, folder)
    settings = _CHECKOUT if (_CHECKOUT / "voila.json").is_file() else folder
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "latentfx_nb.serving",
            str(folder),  # absolute: Voila answers 500 to a relative folder
            f"--port={chosen}",
            "--Voila.port_retries=0",  # or it would silently move to a port that nobody was told of
            "--no-browser",
            *KERNEL_SOCKETS,
            *heating,
        ],
        cwd=settings,  # Voila reads voila.json from here
        env=process_environment(),
        start_new_session=True,  # Ctrl-C reaches this process only, which then stops Voila once
    )
    try:
        _wait_for_answer(process, chosen, timeout_s)
        yield f"http://localhost:{chosen}", process
    finally:
        _stop(process)


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(
                f"Voila stopped while starting, with exit status {process.returncode}; see Voila's log output above"
            )
        # http.client, unlike urllib, never sends a request for this machine to a proxy.
        connection = http.client.HTTPConnection("localhost", port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.1)
    raise ServerError(f"Voila did not answer on port {port} within {timeout_s:g} s; try again on a less busy machine")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()  # Voila shuts its kernels down on this signal
    try:
        process.wait(STOP_TIMEOUT_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let a closed terminal and `kill` stop the server as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
                previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _has_screen() -> bool:
    """Say whether a browser has a window to open: else one that runs in the terminal would take that over."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def serve(
    port: int = PORT,
    open_browser: bool = False,
    notebooks: str | os.PathLike[str] | None = None,
    preheat: Sequence[str] = (),
) -> None:
    """Serve the notebooks as pages until Ctrl-C, on the first free port from `port` on, and write their address.

    This is the command `python -m latentfx_nb serve`; `open_browser` opens the first of them where there is a screen,
    `preheat` is as for `running`.
    Where it cannot go on, it raises SystemExit with a message.
    """
    try:
        with _signals_interrupt(), running(notebooks, port, preheat=preheat) as (address, process):
            if not address.endswith(f":{port}"):
                sys.stdout.write(f"Port {port} is taken, so the next free one is used.\n")
            page = f"{address}/voila/render/{START_PAGE}"
            sys.stdout.write(f"\nLatentFX is ready. Start here:\n    {page}\nAll pages: {address}/    Stop: Ctrl-C\n\n")
            sys.stdout.flush()
            if open_browser and _has_screen():
                webbrowser.open(page)
            status = process.wait()
            raise ServerError(f"Voila stopped by itself, with exit status {status}; see Voila's log output above")
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped.\n")
    except (FileNotFoundError, ServerError, ValueError) as error:
        raise SystemExit(f"latentfx_nb serve: {error}") from error
