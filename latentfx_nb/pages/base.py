"""What all panels share: the choice of clips and encoder, work on a thread of its own, a line that says how it goes."""

from __future__ import annotations

import html
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.prepared import NotShipped, made_with
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import Encoder, list_encoders
from latentfx_nb.encoders.base import encode_clips
from latentfx_nb.pages.markup import note, public
from latentfx_nb.pages.own_files import OwnFiles
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.widgets.bridge import Bridge, FigureWidget
from latentfx_nb.widgets.host import is_dashboard
from latentfx_nb.widgets.player import Player

log = logging.getLogger(__name__)

T = TypeVar("T")

STYLE = {"description_width": "initial"}

MOST_NAMED = 3  # clips that could not be read, in the status line

SOUNDS_KEPT = 4  # 2 MB each: what is heard is drawn, too, and the clean clip stays while its knob is turned


class Sound(NamedTuple):
    """A clip through an effect, by what makes it."""

    clips: ClipSet
    row: int
    effect: str = "CLN"
    value: float | None = None
    knob: str | None = None


class Heard(NamedTuple):
    """What the player holds, by what makes it."""

    title: str
    dry: Sound
    wet: Sound


def dry_and_wet(
    clips: ClipSet, row: int, effect: str, value: float | None = None, knob: str | None = None, words: str = ""
) -> Heard:
    """Return a clip without and with an effect, called after both (or `words` instead of the effect), to be heard."""
    title = f"{clips.table['clip'].iat[row]}: {words or EFFECTS[effect].name}"
    return Heard(title, Sound(clips, row), Sound(clips, row, effect, value, knob))


class Cancelled(Exception):
    """A job was told to stop, by its cancel button or by a newer one; what it had finished is kept."""


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
                self._thread = threading.Thread(target=self._run, daemon=False, name="latentfx-panel")
                self._thread.start()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop the running job at its next step."""
        self.cancelled.set()

    def wait(self, timeout_s: float = 120.0) -> None:
        """Return when nothing is left to do; raise TimeoutError if that takes longer than `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._waiting and self._running is None, timeout_s):
                raise TimeoutError(f"the panel was still busy with {self._running!r} after {timeout_s} s")

    def _run(self) -> None:
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


class Status(widgets.HBox):
    """A line under the controls: what is being done, how far it is, a button to stop it; or what went wrong."""

    def __init__(self) -> None:
        self._text = widgets.HTML()
        self._bar = widgets.IntProgress(layout={"width": "220px", "display": "none"})
        self._stop = widgets.Button(description="Cancel", layout={"width": "80px", "display": "none"})
        self._kept: dict[str, str] = {}
        self.stopped: Callable[[], None] = lambda: None
        self._stop.on_click(lambda _: self.stopped())
        super().__init__([self._bar, self._stop, self._text], layout={"min_height": "32px", "align_items": "center"})
        self.add_class("latentfx-status")

    @property
    def text(self) -> str:
        """The line as it stands, HTML."""
        return self._text.value

    def say(self, text: str) -> None:
        """Show a plain sentence, on a dashboard without the server's folders (`markup.public`)."""
        self._text.value = html.escape(public(text or " ".join(filter(None, self._kept.values()))))

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
        red = "color: var(--jp-error-color1, #b3261e)"
        self._text.value = (
            f'<span style="{red}"><b>That did not work:</b> {html.escape(public(_sentence(error)))}</span>'
        )

    @contextmanager
    def progress(self, total: int, initial: int = 0, desc: str = "", unit: str = "", *, check) -> Iterator[Status]:
        """Show a bar from `initial` to `total`, called and used as tqdm is; `check()` may raise to stop the work."""
        self._check, self._desc, self._postfix, self._begun = check, desc, "", (time.monotonic(), initial)
        self._bar.max, self._bar.value = max(total, 1), initial
        self._bar.layout.display = self._stop.layout.display = "flex"
        self.say(f"{desc} …")
        try:
            yield self
            self.say("")
        finally:
            self._bar.layout.display = self._stop.layout.display = "none"

    def update(self, n: int = 1) -> None:
        """Move the bar; raises Cancelled if the work is no longer wanted."""
        self._bar.value += n
        self.say(f"{self._desc}: {self._bar.value} of {self._bar.max}{self._left()}{self._postfix}")
        self._check()

    def _left(self) -> str:
        """Return an estimate of what is left, once there is something to estimate it from and it is worth saying."""
        start, initial = self._begun
        taken, done = time.monotonic() - start, self._bar.value - initial
        left = taken / max(done, 1) * (self._bar.max - self._bar.value)
        if taken < 2 or left < 5:
            return ""
        return f", about {left / 60:.0f} min left" if left > 90 else f", about {5 * round(left / 5)} s left"

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Keep what the next line adds, as tqdm does."""
        self._postfix = f" ({text})"


def _sentence(error: Exception) -> str:
    known = isinstance(error, ValueError | OSError | ImportError | MemoryError)
    return str(error) if known else f"something unexpected went wrong ({type(error).__name__}: {error})"


class Panel(widgets.VBox):
    """A panel with the choice of clip set (and of an encoder, if one is named), a status line and a player.

    Pages add the rest. Figures are changed by the `worker`'s jobs; sounds have a thread of their own, so that they wait
    for nothing that is prepared or trained. Clip sets are the bundled one, the folders that the environment variable
    `LATENTFX_CLIPS` names (separated as PATH is) and `source`, if it is another; files that a visitor hands in become
    one more.
    """

    lists_files = False
    """Whether the visitor's files are listed, as on the page that is about them."""

    def __init__(self, source: str | Path | ClipSet, encoder: str | None = None) -> None:
        self.status = Status()
        self.worker = Worker(self.status.fail, lambda: self.status.say("Stopped; what was finished is kept."))
        self.status.stopped = self.worker.cancel
        self.player, self.bridge = Player(), Bridge()
        self.voice = Worker(self._cannot_sound)
        self._heard: Heard | None = None
        self._render, self._rendering = lru_cache(SOUNDS_KEPT)(rendered), threading.Lock()
        self.made = widgets.HTML()
        self.stale: Sequence[Any] = ()  # traces that are no longer right once something else is being prepared
        self.clip_set = widgets.Dropdown(description="Clips", style=STYLE, layout={"width": "230px"})
        self.clip_set.options, self.clip_set.value = _sources(source)
        self._own: ClipSet | None = None
        self._listing_sets = False
        if encoder is not None:
            self.encoder = widgets.Dropdown(description="Encoder", style=STYLE, layout={"width": "300px"})
            self.encoder.options, self.encoder.value = encoder_options(), encoder
        self.own_files = OwnFiles(self.worker.submit, self.files_added, self.lists_files)
        self.clips = self._load(self.clip_set.value)
        self.bridge.watch_over(self.player, self.own_files.zone)
        super().__init__(layout={"width": "100%"})
        self.add_class("latentfx-panel")

    def sound(self, sound: Sound) -> Clip:
        """Return a rendered sound `[channel sample]`; what is heard and drawn is rendered once."""
        with self._rendering:
            return self._render(sound)

    def offer(self, heard: Heard) -> None:
        """Let play be pressed for two sounds; nothing is rendered before."""
        self.player.offer(lambda: self.hear(heard), CLIP_SAMPLES / SAMPLE_RATE_HZ, heard.title)

    def hear(self, heard: Heard, *decoded: Clip) -> None:
        """Render and load two sounds now, whatever else is being prepared.

        What a decoder makes of them is loaded with them, or later by `hear_decoded`.
        """
        self.status.keep("sound", "")
        self._heard = heard
        self.voice.submit("sound", lambda: self._load_sounds(heard, *decoded))

    def hear_decoded(self, heard: Heard, *decoded: Clip) -> None:
        """Load what a decoder made of sounds, unless others have been chosen since."""
        self.voice.submit("decoded", lambda: self._heard == heard and self._load_sounds(heard, *decoded))

    def _load_sounds(self, heard: Heard, *decoded: Clip) -> None:
        dry, wet = self.sound(heard.dry), self.sound(heard.wet)
        if self._heard == heard:
            self.player.load(dry, wet, SAMPLE_RATE_HZ, heard.title, *decoded)

    def _cannot_sound(self, error: Exception) -> None:
        self.player.refuse()
        self.status.keep("sound", f"This cannot be heard: {_sentence(error)}")

    def prepare(self, job: Callable[[], None], kind: str = "prepare") -> None:
        """Run a job that may encode, in place of an older one of its kind; what was chosen with it is heard first."""

        def after_the_sound() -> None:
            self.voice.wait()  # rendering and encoding take all cores
            self.status.say("")
            job()

        self.worker.submit(kind, after_the_sound)

    def read(self, prepared: Callable[..., T], clips: ClipSet, encoder: str, *more: Any) -> T:
        """Return what a function of `prepared` finds, with a bar if it has to be computed; what is drawn fades then."""
        try:
            found = prepared(clips, encoder, *more, bar=self.busy, compute=False)
        except NotShipped:
            self.fade(self.stale)
            found = prepared(clips, encoder, *more, bar=self.busy)
        self.tell_made(encoder)
        return found

    def tell_made(self, *encoders: str) -> None:
        """Say with which versions what ships was made, if these are others."""
        said = " ".join(dict.fromkeys(filter(None, map(made_with, encoders))))
        self.made.value = note(said) if said else ""

    def fade(self, traces: Sequence[Any]) -> None:
        """Show that traces of the figure are not of what is chosen now; what draws them anew has to undo it."""
        if not traces:
            return
        with self.figure.batch_update():
            for trace in traces:
                trace.opacity = figures.STALE

    def busy(self, *arguments: Any, **options: Any):
        """Stand in for tqdm: progress goes to the status line, and the cancel button or a newer job stops the work."""
        return self.status.progress(*arguments, **options, check=self._check)

    def busy_with(self, what: str) -> Callable[..., Any]:
        """Return `busy`, which says what all that work is for."""
        return lambda *arguments, desc="", **options: self.busy(*arguments, desc=f"{what} ({desc})", **options)

    def steps(self, steps: Iterable[T]) -> Iterator[T]:
        """Yield a decoder's steps, say how far they are, and stop the work if it is no longer wanted."""
        every = list(steps)
        for number, step in enumerate(every, start=1):
            self._check()
            self.status.say(f"Decoding: step {number} of {len(every)}")
            yield step

    def on_clips(self, callback: Callable[[], None]) -> None:
        """Call `callback` when another clip set was chosen and loaded; one that cannot be is said instead."""

        def changed(change: dict) -> None:
            if self._listing_sets:
                return
            try:
                self.clips = self._load(change["new"])
            except (ValueError, OSError) as error:
                self.status.fail(error)
            else:
                self.status.keep("clips", "")
                callback()

        self.clip_set.observe(changed, "value")

    def files_added(self) -> None:
        """Offer the visitor's files as a clip set, and choose it."""
        own = self.own_files.uploads.clips()
        options = [option for option in self.clip_set.options if option[1] is not self._own]
        self._own = own
        self._listing_sets = True  # new options change the value, but nobody has chosen yet
        self.clip_set.options = [*options, (f"your own audio ({len(own)} clips)", own)]
        self._listing_sets = False
        self.clip_set.value = own

    def first(self, read: Callable[[], T]) -> T:
        """Return `read()` of the clips the page opens with; if they will not do, of the bundled ones, and say so."""
        try:
            return read()
        except (ValueError, OSError) as error:
            if self.clip_set.value == "bundled":
                raise
            self.clip_set.value = "bundled"
            self.clips = self._load("bundled")
            found = read()
            self.status.fail(ValueError(f"{error}. These are the bundled clips instead."))
            return found

    def wait(self, timeout_s: float = 120.0) -> None:
        """Return when all that was asked for is done, for scripts and tests."""
        self.worker.wait(timeout_s)
        self.voice.wait(timeout_s)  # last: what was prepared may be heard

    def figure_widget(self, figure: go.Figure, words: str) -> go.FigureWidget:
        """Wrap a complete figure, once; what a slow start of the page would lose is sent again.

        `words` tell people who cannot see the figure what it is.
        """
        widget = FigureWidget(figure, words)
        self.bridge.watch_over(widget)
        self.bridge.observe(lambda change: widget.update_layout(template=figures.TEMPLATES[change["new"]]), "dark")
        return widget

    def clips_code(self) -> str:
        """Return the first lines of every page's code: the package, and the clips that are chosen."""
        chosen = self.clip_set.value
        # Where a server keeps its clips is of no use to a visitor.
        named = isinstance(chosen, str) and (chosen == "bundled" or not is_dashboard())
        source = f"{chosen!r}" if named else "FOLDER"
        return f"import latentfx_nb as lfx\n\nclips = lfx.load_clips({source})\n"

    def _check(self) -> None:
        if self.worker.cancelled.is_set():
            raise Cancelled

    def _load(self, source: str | ClipSet) -> ClipSet:
        """Return the clips of a source; what could not be used of a folder is told below the drop zone."""
        clips = source if isinstance(source, ClipSet) else load_clips(source, warn=False)
        self.own_files.tell_skipped(clips.skipped)
        return clips


def rendered(sound: Sound) -> Clip:
    """Return a sound `[channel sample]`."""
    return render(sound.clips[sound.row], sound.effect, sound.value, sound.knob)


def clip_label(clips: ClipSet, row: int) -> str:
    """Return how a clip is called in a list."""
    return f"{clips.table['clip'].iat[row]} ({clips.table['instrument'].iat[row]})"


def encoded(encoder: Encoder, sounds: Sequence[Clip]) -> list[xr.DataArray]:
    """Return the latents `(dim, frame)` of sounds `[channel sample]`, with the coordinate `time_s`."""
    length_s = sounds[0].shape[-1] / SAMPLE_RATE_HZ
    rate = encoder.frame_rate or 1 / length_s  # one vector stands for the whole clip
    latents = encode_clips(encoder, sounds)
    coordinates = {"dim": np.arange(encoder.dim), "time_s": ("frame", (np.arange(latents.shape[-1]) + 0.5) / rate)}
    return [xr.DataArray(one, coordinates, ("dim", "frame"), attrs={"length_s": length_s}) for one in latents]


def _sources(own: str | Path | ClipSet) -> tuple[list[tuple[str, Any]], Any]:
    folders = [folder for folder in os.environ.get("LATENTFX_CLIPS", "").split(os.pathsep) if folder]
    sources = {"bundled": "64 bundled clips", **{folder: Path(folder).name for folder in folders}}
    own = own if isinstance(own, ClipSet) else str(own)
    options = [(label, source) for source, label in sources.items()]
    if own not in sources:
        options.append((own.name if isinstance(own, ClipSet) else Path(own).name, own))
    return options, own


def encoder_options() -> list[tuple[str, str]]:
    """Return label and name of every encoder, as a chooser takes them."""

    def label(name: str, row: pd.Series) -> str:
        # The whole note stands on the front page, and in the status line once this encoder is chosen.
        return name if row["present"] else f"{name} (not ready: {re.split('[:;] ', row['note'])[0]})"

    return [(label(name, row), name) for name, row in list_encoders().iterrows()]
