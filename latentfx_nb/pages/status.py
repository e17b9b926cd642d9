"""The line beside a page's player: what is being done, how far it is, and what went wrong."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import ipywidgets as widgets

from latentfx_nb.pages.markup import public
from latentfx_nb.pages.worker import main

UNITS = {"clip": "clips", "epoch": "passes", "sound": "sounds", "window": "windows", "row": "rows"}
"""What bars count, more than one of it."""

MOST_NAMED = 3
"""Clips that could not be read, in the status line."""


class Status(widgets.VBox):
    """A line beside the player: what is being done, how far it is, a button to stop it; or what went wrong.

    Every method may be called on any thread.
    """

    def __init__(self) -> None:
        self._text = widgets.HTML()
        self._bar = widgets.IntProgress(layout={"display": "none"})
        self._stop = widgets.Button(description="Cancel", layout={"display": "none"})
        self._kept: dict[str, str] = {}
        self.stopped: Callable[[], None] = lambda: None
        self._stop.on_click(lambda _: self.stopped())
        super().__init__([self._text, widgets.HBox([self._bar, self._stop])])
        self.add_class("latentfx-status")

    @property
    def text(self) -> str:
        """The line as it stands, HTML."""
        return self._text.value

    def say(self, text: str) -> None:
        """Show a plain sentence, on a dashboard without the server's folders (`markup.public`)."""
        self._write(html.escape(public(text or " ".join(filter(None, self._kept.values())))))

    def keep(self, about: str, text: str) -> None:
        """Show a sentence whenever there is nothing else to say, until another one about the same takes its place."""
        if self._kept.get(about, "") != text:
            self._kept[about] = text
            self.say("")

    def skipped(self, skipped: Mapping[str, str]) -> None:
        """Name clips that work left out, given with the reasons, until other clips are chosen."""
        first = [*skipped.values()][:MOST_NAMED]
        more = [f"{len(skipped) - MOST_NAMED} more"] if len(skipped) > MOST_NAMED else []
        self.keep("clips", f"Left out: {'; '.join([*first, *more])}.")

    def fail(self, error: Exception) -> None:
        """Show an error as a sentence with its remedy, never as a traceback; on a dashboard as `say` does."""
        red = "color: var(--lfx-bad, #b3261e)"
        said = html.escape(public(sentence(error)))
        self._write(f'<span style="{red}"><b>That did not work:</b> {said}</span>')

    @contextmanager
    def progress(
        self, total: int, initial: int = 0, desc: str = "", unit: str = "", *, check: Callable[[], None]
    ) -> Iterator[Status]:
        """Show a bar from `initial` to `total`, called and used as tqdm is; `check()` may raise to stop the work."""
        self._check, self._desc, self._unit, self._begun = check, desc, unit, (time.monotonic(), initial)
        self._total, self._done = max(total, 1), initial
        self._show_bar("flex")
        self.say(f"{self._so_far()} …")
        try:
            yield self
            self.say("")
        finally:
            self._show_bar("none")

    def update(self, n: int = 1) -> None:
        """Move the bar; raises Cancelled if the work is no longer wanted."""
        self._done += n
        self._show_bar("flex")
        self.say(f"{self._so_far()}{self._left()}")
        self._check()

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Leave out what tqdm adds to its line: the shares of time of rendering, encoding and writing."""

    def _write(self, content: str) -> None:
        def write() -> None:
            self._text.value = content

        main.call(write)

    def _show_bar(self, display: str) -> None:
        total, done = self._total, self._done

        def show() -> None:
            self._bar.max, self._bar.value = total, done
            self._bar.layout.display = self._stop.layout.display = display

        main.call(show)

    def _so_far(self) -> str:
        """Return what is being done, and how far it is."""
        return f"{self._desc}: {self._done} of {self._total} {UNITS.get(self._unit, '')}".strip()

    def _left(self) -> str:
        """Return an estimate of what is left, once there is something to estimate it from and it is worth saying."""
        start, initial = self._begun
        taken, done = time.monotonic() - start, self._done - initial
        if not done or taken < 2:
            return ""
        left = taken / done * (self._total - self._done)
        if left < 5:
            return ""
        return f", about {left / 60:.0f} min left" if left > 90 else f", about {5 * round(left / 5)} s left"


def sentence(error: Exception) -> str:
    """Return what to say of an error: its own words if they are meant for people."""
    known = isinstance(error, ValueError | OSError | ImportError | MemoryError)
    return str(error) if known else f"something unexpected went wrong ({type(error).__name__}: {error})"
