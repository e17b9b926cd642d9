"""What all pages are: `Choice -> prepare -> Shown -> figure`, read once, prepared on a thread, shown on the main one.

A page is a class below `Page`. It names its fields (`Choice`), its controls, and says, free of widgets, what is
prepared for a choice and how that is drawn. The rest is done here, for all pages alike::

    a control changes -> the `Choice` is read -> what is heard is loaded, by a thread of its own
                                              -> `prepare` runs on the worker; the newest choice wins
                                              -> `figure` and `texts` describe what it found
                                              -> on the main thread, what differs from what is shown is sent
    a knob is dragged -> `turned` moves its mark at once, `exact` follows on the worker: no other trace is touched
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import ipywidgets as widgets

from latentfx_nb.analysis.prepared import made_with
from latentfx_nb.pages.asked import Asked
from latentfx_nb.pages.clip_sets import ClipSets
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.controls import Ask, Control, Texts
from latentfx_nb.pages.described import Described
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.frame import framed
from latentfx_nb.pages.hearing import Hearing
from latentfx_nb.pages.markup import note
from latentfx_nb.pages.once import Once
from latentfx_nb.pages.picture import Picture
from latentfx_nb.pages.pointing import Pointing
from latentfx_nb.pages.progress import PageProgress
from latentfx_nb.pages.status import Status
from latentfx_nb.pages.worker import Worker, main, wait_for
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.figure import ShownFigure


class Page(Described):
    """A page: controls, a status line, a player, a figure, texts beside it and what can be taken away."""

    def __init__(self, source: str | Path | ClipSet, *controls: Control) -> None:
        """Open the page on the clips of `source`; `controls` read as the fields of its choice."""
        main.find_loop()
        self.stands, self.once = False, Once(self._changed)  # until all stands, nothing is read or drawn
        self._on_its_way: Any = None  # what was prepared, but is not shown yet
        self.status = Status()
        self.hearing = Hearing(self.status)
        self.player, self.voice, self.bridge = self.hearing.player, self.hearing.voice, Bridge()
        self.picture = Picture(self.words, self.spare, self.bridge)
        self.worker = Worker(self.status.fail, lambda: self.status.say("Stopped; what was finished is kept."))
        self.status.stopped = self.worker.cancel
        self.made, self.html = widgets.HTML(), Texts()
        self.clip_sets = ClipSets(source, self.worker.submit, self.status, self.bridge, self.lists_files)
        self.clip_set, self.own_files = self.clip_sets.chooser, self.clip_sets.own_files
        self.controls = [self.clip_sets, *controls]
        self._asks = {control.name for control in controls if isinstance(control, Ask)}
        super().__init__()
        self.add_class("latentfx-panel")
        self.list_clips(self.clips)
        self.clip_sets.on_load(self._clips_loaded)
        for control in self.controls:
            control.on_change(self._changed)
        self.address = Asked(self, self._asks)
        self._open()
        self.tools = FigureTools(self)
        self.children = framed(self)
        self.stands = True
        self.opened()
        self.address.stand()

    def opened(self) -> None:
        """Let play be pressed for what the page opens with; nothing is rendered before."""
        heard = self.heard(self.shown.choice, self.clips, self.shown)
        if heard is not None:
            self.hearing.offer(heard)

    # ------------------------------------------------------------------------------------------------ what others ask

    @property
    def clips(self) -> ClipSet:
        """The clips that are chosen."""
        return self.clip_sets.clips

    @property
    def figure(self) -> ShownFigure:
        """The figure that is shown."""
        return cast(ShownFigure, self.picture.figure)

    @property
    def latest(self) -> Any:
        """What was prepared last, for jobs that go on from it: it may not be shown yet."""
        return self._on_its_way or self.shown

    def choice(self) -> Any:
        """Return what the controls say."""
        fields: dict[str, Any] = {}
        for control in self.controls:
            fields |= control.read()
        return self.make_choice(**fields)

    def choose(self, **fields: Any) -> None:
        """Set controls to fields of the choice; those that this page does not have are named and left alone."""
        choice, unknown = self.make_choice.of(fields)
        known = {name: getattr(choice, name) for name in fields if name not in unknown}
        with self.once:
            for control in self.controls:
                control.write(known)
        if unknown:
            self.status.keep("choice", f"Left alone, as this page has no such choice: {', '.join(unknown)}.")

    def code(self) -> str:
        """Return the lines that draw what is shown in a notebook."""
        return self.clip_sets.code() + self.code_of(self.shown)

    def wait(self, timeout_s: float = 120.0) -> None:
        """Return when all that was asked for is shown, for scripts and tests.

        Raises TimeoutError if that takes longer than `timeout_s`.
        """
        wait_for(self.worker, self.voice, timeout_s=timeout_s)

    def progress(self) -> Progress:
        """Return what a job of this page's asks and says."""
        return PageProgress(self)

    # ------------------------------------------------------------------------------------------- a choice, and its way

    def _open(self) -> None:
        """Prepare and draw what the page opens with; the bundled clips, and a word, if other clips will not do."""
        try:
            shown = self.address.open(self._prepare_first)
        except (ValueError, OSError) as error:
            if self.clip_sets.chosen == "bundled":
                raise
            self.clip_sets.fall_back()
            self.list_clips(self.clips)
            shown = self._prepare_first(self.progress())
            self.status.fail(ValueError(f"{error}. These are the bundled clips instead."))
        self.shown, self._asked_clips = shown, self.clips
        self.picture.bring(self.figure_of(shown))
        self.bridge.watch_over(self.player, self.own_files.zone)
        self.pointing = Pointing(self)
        self._write(self.texts(shown), self._made(shown.choice))
        self.settle(shown)
        self._asked = self.choice()

    def _prepare_first(self, progress: Progress) -> Any:
        self._asked = self.choice()
        return self.prepare(self._asked, self.clips, None, progress)

    def _changed(self) -> None:
        if self.stands and not self.once.held:
            self._read()

    def _clips_loaded(self) -> None:
        with self.once:
            self.list_clips(self.clips)

    def _read(self) -> None:
        """Read the controls once, and do what their choice asks for."""
        choice = self.choice()
        pressed = any(getattr(choice, name) for name in self._asks)
        settled = replace(choice, **dict.fromkeys(self._asks, False))
        waiting, clips = frozenset() if pressed else self.waits, self.clips
        if clips.reference is self._asked_clips.reference:
            waiting -= {"clips"}  # a visitor's own, among those that are shown: what was computed of these stays
        elif "clips" in waiting:
            clips = self._asked_clips
        settled = replace(settled, **{name: getattr(self._asked, name) for name in waiting})
        differing = settled.differing(self._asked) | ({"clips"} if clips is not self._asked_clips else set())
        if not differing and not pressed:
            return
        before, self._asked, self._asked_clips = self._asked, settled, clips
        self.address.tell(settled)
        heard = self.heard(settled, clips, self.shown)
        keeps = "clips" not in differing and self.keeps_decoded(before, settled)
        if not self.hearing.hear_if_other(heard, keeps) and not keeps:
            self.hearing.drop_decoded()
        if differing & self.looks:
            self._look()
        if not pressed and differing <= self.turns | self.looks:
            if self.turns:
                self._turn()  # if only a look has changed, what is computed exactly still belongs to it
            return
        if not differing <= self.beside:
            self.worker.submit("further", lambda: None)  # stops what is done to what is shown now
        kind = "prepare"
        if pressed and self.waits:  # what two buttons ask for is done one after the other
            kind = next(name for name in sorted(self._asks) if getattr(choice, name))
        self._prepare(kind, choice if pressed else settled, clips)

    def ask(self) -> None:
        """Hear and prepare what is chosen, though nothing was changed: for a page that opens on something quicker."""
        self._asked, self._asked_clips = self.choice(), self.clips
        self.address.tell(self._asked)
        heard = self.heard(self._asked, self.clips, self.shown)
        if heard is not None:
            self.hearing.hear(heard)
        self._prepare("prepare", self._asked, self.clips)

    def _prepare(self, kind: str, choice: Any, clips: ClipSet) -> None:
        def job() -> None:
            self.worker.follow(self.voice)  # rendering and encoding take all cores
            self.status.say("")
            shown = self.prepare(choice, clips, self.latest, self.progress())
            self.worker.check()  # something else may have been chosen meanwhile
            self.show(shown)

        self.worker.submit(kind, job)

    def show(self, shown: Any, finished: bool = True) -> None:
        """Draw what was prepared, from any thread: it is described here, and sent on the main one.

        Once it is `finished`, the knob's very setting and what takes longer follow.
        """
        bring = self._described(shown)
        self._on_its_way = shown

        def show() -> None:
            if self._on_its_way is shown:
                self._on_its_way = None
            bring()
            self.hearing.hear_if_other(self.heard(self._asked, self._asked_clips, shown))
            if not finished:
                return
            if self.turns and self._is_asked():
                self._turn()
            self.go_further()

        main.call(show)

    def _described(self, shown: Any) -> Callable[[], None]:
        """Describe a figure and the texts beside it; return what shows them, on the main thread."""
        shown = self._looking(shown)
        figure, texts, made = self.figure_of(shown), self.texts(shown), self._made(shown.choice)

        def bring() -> None:
            self.shown = shown
            self.picture.bring(figure)
            self._write(texts, made)
            self._look()
            self._settle()

        return bring

    def _settle(self) -> None:
        with self.once:
            self.settle(self.shown)

    def show_again(self) -> None:
        """Bring the figure back to what is shown, after work that moved it was stopped."""
        self.picture.bring(self.figure_of(self.shown))

    def _is_asked(self) -> bool:
        """Say whether what is shown is what the controls say, wherever the knob and what waits for a button stand."""
        same = self.shown.clips is self._asked_clips or "clips" in self.waits
        return same and self.shown.choice.differing(self._asked) - self._asks <= self.turns | self.waits

    def _looking(self, shown: Any) -> Any:
        """Return what is shown with the looks that the controls say."""
        looks = {name: getattr(self._asked, name) for name in self.looks}
        choice = replace(shown.choice, **looks)
        return shown if choice == shown.choice else replace(shown, choice=choice)

    def _look(self) -> None:
        """Let what is shown look as the controls say, whatever is being prepared."""
        shown = self._looking(self.shown)
        if shown is not self.shown:
            self.shown = shown
            self.picture.bring(self.figure_of(shown))
            looked = self.looked(shown)
            self._write(self.texts(shown) if looked is None else looked, None)
            self._settle()

    def _turn(self) -> None:
        """Move the knob's mark as soon as its sound is sent, then compute where exactly it belongs."""
        choice = replace(self.shown.choice, **{name: getattr(self._asked, name) for name in self.turns})
        if self._is_asked() and choice != self.shown.choice:
            shown = self.turned(self.shown, choice)
            self._follow_sound(shown, {} if self.moves_itself() else self.moved(shown))
        self.worker.submit("turn", self._exact)

    def turn_drawn(self, **fields: Any) -> None:
        """Load the sound of what is drawn and turn its knob, though something else may have been chosen meanwhile."""
        shown = self.turned(self.shown, replace(self.shown.choice, **fields))
        heard = self.heard(shown.choice, shown.clips, shown)
        if heard is not None:
            self.hearing.hear(heard)
        self._follow_sound(shown, self.moved(shown))

    def _follow_sound(self, shown: Any, moved: Mapping[str, dict] | None) -> None:
        """Take over what is shown, and move it once its sound is sent: that must not wait until the page has drawn."""
        self.shown = shown
        self.hearing.after(self.picture.later(moved or {}, then=self._settle))

    def _exact(self) -> None:
        self.worker.follow(self.voice)  # the sound comes first
        before = self.shown
        if not self._is_asked():
            return
        shown = self.exact(before, self.progress())
        moved = self.moved(shown)
        bring = self._described(shown) if moved is None else lambda: self._follow_sound(shown, moved)

        def move() -> None:
            if self.shown is before:  # else something else has been prepared or turned meanwhile
                bring()

        main.call(move)

    def go_further(self) -> None:
        """Have what takes longer done to what is shown."""
        shown = self.shown

        def job() -> None:
            found = self.further(shown, self.progress())
            if found is not None:
                texts = self.texts(found)
                main.call(lambda: bring(texts, found))

        def bring(texts: Mapping[str, str], found: Any) -> None:
            if self.shown is shown:
                self.shown = found
                self._write(texts, None)

        self.worker.submit("further", job)

    def click(self, name: str, points: Any) -> None:
        """Do what a click on plotly's `points` of a trace means; nothing while other things are being prepared."""
        if self._is_asked() or not self.turns:
            self.choose(**self.clicked(self.shown, name, points))

    def _write(self, texts: Mapping[str, str], made: str | None) -> None:
        for name, content in texts.items():
            self.html[name].value = content
        if made is not None:
            self.made.value = made
        if self.stands:
            self.tools.show_code()

    def _made(self, choice: Any) -> str:
        """Say with which versions what ships was made, if these are others."""
        said = " ".join(dict.fromkeys(filter(None, map(made_with, self.encoders_of(choice)))))
        return note(said) if said else ""
