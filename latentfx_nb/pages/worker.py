"""Threads of a page: jobs run on a `Worker`, and what they found is handed to the one thread that changes widgets."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)


Failed = Callable[[Exception], None]
"""Tells a visitor what went wrong."""

_this_thread = threading.local()  # of a worker: `failed` tells what goes wrong


class Cancelled(Exception):
    """A job was told to stop, by its cancel button or by a newer one; what it had finished is kept."""


class Main:
    """The kernel's own thread, which alone changes widgets and figures: two at once break plotly's batches.

    Calls from another thread are queued. The kernel's event loop makes them, or, in a script, `run_queued`.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[Callable[[], None], Failed | None]] = deque()
        self._delayed: deque[Callable[[], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def find_loop(self) -> None:
        """Remember the event loop that this thread runs, if it runs one: in a kernel every cell does."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # a script, or a page that another thread opens
            return

    def call(self, function: Callable[[], None]) -> None:
        """Call `function` on the main thread: now if this is it, else soon, in the order of the calls.

        What goes wrong in it then is told as what goes wrong in the job that asked for it.
        """
        if threading.current_thread() is threading.main_thread():
            self.run_queued()
            function()
            return
        self._queue.append((function, getattr(_this_thread, "failed", None)))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.run_queued)

    def later(self, function: Callable[[], None], seconds: float = 0.25) -> None:
        """Call `function` on the main thread, this one, after a while; at once in a script, which has no event loop."""
        if self._loop is None or not self._loop.is_running():
            function()
            return
        self._delayed.append(function)
        self._loop.call_later(seconds, self.run_delayed)

    def run_delayed(self) -> None:
        """Make the calls that were to come after a while."""
        while self._delayed:
            self._delayed.popleft()()

    def run_queued(self) -> bool:
        """Make the calls that wait, on the main thread; return whether there were any."""
        if threading.current_thread() is not threading.main_thread() or not self._queue:
            return False
        while self._queue:
            function, failed = self._queue.popleft()
            try:
                function()
            except Exception as error:
                if failed is None:
                    raise
                log.exception("what a job found could not be shown")
                failed(error)
        return True


main = Main()


def _is_ending() -> bool:
    """Say whether Python is about to end: the first thing it does then is to refuse work for pools of threads."""
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(int)
        except RuntimeError as error:
            return "shutdown" in str(error)  # and not that the system has no thread to give
    return False


class _Stop(threading.Event):
    """Set where the running job is to stop: it was told to, or the main thread has ended and waits for this one."""

    def is_set(self) -> bool:
        return super().is_set() or not threading.main_thread().is_alive()


class Worker:
    """One background thread on which the newest job of each kind runs and older ones of that kind are dropped.

    A knob sends values faster than they can be rendered: only the last one matters. Where Python ends, it waits for the
    next step of the running job: a thread that is cut off inside torch or pedalboard would bring the process down.
    `failed` and `stopped` are called on this thread.
    """

    def __init__(self, failed: Callable[[Exception], None], stopped: Callable[[], None] = lambda: None) -> None:
        self._failed, self._stopped = failed, stopped
        self._waiting: dict[str, Callable[[], None]] = {}
        self._running: str | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.cancelled = _Stop()

    def submit(self, kind: str, job: Callable[[], None]) -> None:
        """Run `job` after what is running, unless another of its `kind` comes first; a running one of it is stopped."""
        with self._changed:
            self._waiting.pop(kind, None)
            self._waiting[kind] = job
            if self._running == kind:
                self.cancelled.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=False, name="latentfx-page")
                self._thread.start()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop the running job at its next step."""
        self.cancelled.set()

    def check(self) -> None:
        """Raise Cancelled if the running job is to stop."""
        if self.cancelled.is_set():
            raise Cancelled

    def wait(self, timeout_s: float = 120.0) -> None:
        """Return when nothing is left to do; raise TimeoutError if that takes longer than `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.idle, timeout_s):
                raise TimeoutError(f"the page was still busy with {self._running!r} after {timeout_s} s")

    def follow(self, other: Worker) -> None:
        """Return, in a job of this one, when another worker has nothing left to do; raise Cancelled if it is to stop.

        Raises TimeoutError as `wait` does.
        """
        other.wait()
        self.check()

    @property
    def idle(self) -> bool:
        """Whether nothing is running or waiting."""
        return not self._waiting and self._running is None

    def _run(self) -> None:
        _this_thread.failed = self._failed
        while True:
            with self._changed:
                if not self._waiting or _is_ending():
                    self._thread = None
                    return
                self._running = next(iter(self._waiting))
                job = self._waiting.pop(self._running)
                self.cancelled.clear()
            try:
                job()
            except Cancelled:
                if self._running not in self._waiting and not _is_ending():  # a newer one has its own news
                    self._stopped()
            except Exception as error:  # the page must say it and live on, whatever it was
                if not _is_ending():  # pools that are closed already are no news, and there is nobody to tell
                    log.exception("%s failed", self._running)
                    self._failed(error)
            with self._changed:
                self._running = None
                self._changed.notify_all()


def wait_for(*workers: Worker, timeout_s: float = 120.0) -> None:
    """Return when all workers are idle and the main thread, this one, has shown what they found.

    Raises TimeoutError if that takes longer than `timeout_s`.
    """
    end = time.monotonic() + timeout_s
    while True:
        main.run_queued()
        for worker in workers:
            worker.wait(max(0.0, end - time.monotonic()))
        if not main.run_queued() and all(worker.idle for worker in workers):
            main.run_delayed()
            return
