"""What an address asks a page for: given to its controls as it opens, and written whenever something is chosen."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Protocol

from traitlets import TraitError

from latentfx_nb.analysis.prepared import NotShipped
from latentfx_nb.pages.address import FOLLOWERS, camera_of, dropped, plain, read, shortened, text, words_of, written
from latentfx_nb.pages.clip_sets import ClipSets
from latentfx_nb.pages.content.choice import Choice
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.controls import Control
from latentfx_nb.pages.once import Once
from latentfx_nb.pages.picture import Picture
from latentfx_nb.pages.progress import PageProgress
from latentfx_nb.pages.status import Status, sentence
from latentfx_nb.pages.worker import Worker, main
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.host import is_dashboard

log = logging.getLogger(__name__)

MOST_SENTENCES = 3
"""Sentences on an address in the status line."""

OPENS_WITHIN_S = 3.0
"""A page whose address asks for more than that opens without it, and computes it then, with a bar."""

PASSES = 3
"""Controls list what is in what is shown: a choice may be offered only after others were made."""


class Opened(Protocol):
    """What `Asked` needs of its page."""

    make_choice: type[Choice]
    controls: list[Control]
    private: frozenset[str]
    waits: frozenset[str]
    status: Status
    worker: Worker
    bridge: Bridge
    picture: Picture
    once: Once
    clips: ClipSet
    clip_sets: ClipSets

    def choice(self) -> Any: ...
    def list_clips(self, clips: ClipSet) -> None: ...
    def ask(self) -> None: ...
    def progress(self) -> Progress: ...


class TakesLong(Exception):
    """What an address asks for is not there at once: the page opens without it."""


class Opening(PageProgress):
    """The progress of a page that is not there yet: work that takes long stops instead of keeping it away."""

    def __init__(self, page: Any) -> None:
        super().__init__(page)
        self._end = time.monotonic() + OPENS_WITHIN_S

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise TakesLong

    def read(self, prepared: Callable[..., Any], clips: ClipSet, encoder: str, *more: Any) -> Any:
        try:
            return prepared(clips, encoder, *more, bar=self.bar, compute=False)
        except NotShipped as error:
            raise TakesLong from error


class Asked:
    """The address of one page, both ways; `fields` are those that it asks for and that were not taken yet.

    A dashboard's kernel knows its page's query when it starts. One that was started before any visitor came is told by
    the bridge, once the page stands. Elsewhere the address is not the page's.
    """

    def __init__(self, page: Opened, private: Iterable[str]) -> None:
        self._page, self._private = page, page.private | frozenset(private)
        self._defaults = self._begun = self._told = page.make_choice()
        self._given: frozenset[str] = frozenset()  # they stay in the address: other pages have other defaults
        self._sentences: list[str] = []
        self.fields: dict[str, Any] = {}
        self._arrived = self._waiting = False
        self._taking = True  # until what it asks for has been taken

    # ----------------------------------------------------------------------------------------------- the page is opened

    def open(self, prepare: Callable[[Progress], Any]) -> Any:
        """Return what `prepare` finds with the controls as the address says; without it if that takes long or fails."""
        page = self._page
        self._defaults = page.choice()
        if is_dashboard() and "QUERY_STRING" in os.environ:
            self._read(os.environ["QUERY_STRING"])
        if not self.fields:
            return prepare(page.progress())
        self._take()
        try:
            return prepare(Opening(page))
        except TakesLong:
            pass
        except Exception as error:  # whatever an address asks for, its page opens
            log.exception("what an address asks for cannot be shown")
            self._sentences.append(f"What the address asks for cannot be shown: {sentence(error)}")
            self.fields = {}
        self._write(vars(self._defaults))
        return prepare(page.progress())

    def stand(self) -> None:
        """Take over what could not be before the page was there; from now on the address says what is chosen."""
        page = self._page
        shown = page.choice()
        found = {name: getattr(shown, name) for name in self._names() - set(self.fields)}
        self._defaults, self._begun, self._told = replace(self._defaults, **found), shown, shown
        page.bridge.on_ready(self.arrive)
        page.clip_sets.on_visit(lambda: self.again() if "clips" in self.fields else None)
        page.bridge.on("camera", lambda told: self._turned(str(told.get("camera"))))
        self.again()

    def arrive(self, told: Mapping[str, Any]) -> None:
        """Take what the browser tells of itself, once: its query, if nobody knew that, and how it draws."""
        if self._arrived:
            return
        self._arrived = True
        query, flat = told.get("query"), told.get("webgl") is False or told.get("narrow") is True
        if isinstance(query, str) and told.get("dashboard") is True and "QUERY_STRING" not in os.environ:
            self._read(query)
        if flat and "dimensions" in self._names() - self._given:
            self._defaults = replace(self._defaults, dimensions=2)  # type: ignore[call-arg]  # it has that field
            self.fields["dimensions"] = 2
        if self.fields or self._sentences:
            self.again()

    def again(self) -> None:
        """Try once more what the address asks for and the page did not offer, and say what it still does not."""
        page, self._taking = self._page, True
        with page.once:
            self._take()
        asked = page.choice()
        if any(getattr(asked, name) != getattr(self._told, name) for name in page.waits & set(self.fields)):
            page.ask()  # what waits for a button is asked for by the address as well
        if self.fields:
            page.worker.submit("address", lambda: main.call(self._finish))  # once what it asks for is there
        else:
            self._finish()

    def _read(self, query: str) -> None:
        """Read a query, which is a visitor's input."""
        self.fields, self._sentences = read(query, self._page.make_choice, self._private)
        self._given = frozenset(self.fields)
        if camera := camera_of(query):
            self._page.picture.look(camera)

    def _finish(self) -> None:
        with self._page.once:
            self._take()
        refused = [name for name in self.fields if not self._is_taken(name)]
        if "clips" in refused and self._page.clip_sets.wants_own:  # the browser says soon whether they are there
            self._taking = False
            return
        self._sentences += [self._refusal(name) for name in refused if not _follows(name, refused)]
        more = len(self._sentences) - MOST_SENTENCES
        told = [*self._sentences[:MOST_SENTENCES], *([f"{more} more of it cannot be shown."] if more > 0 else [])]
        self._page.status.keep("address", " ".join(told))
        self._given -= set(refused)
        if "clips" in refused:  # its rows may come with the clips
            self._sentences = []
        else:
            self.fields = {}
        self._taking, self._begun = False, self._page.choice()
        self.tell(self._begun)

    def _refusal(self, name: str) -> str:
        asked, shown = text(self.fields[name]), text(getattr(self._page.choice(), name))
        if (name, asked) == ("clips", "own"):
            return (
                f"The address asks for files of your own, which are not here: {plain(shown)} clips are shown instead."
            )
        what = "clip set" if name == "clips" else words_of(name)
        shown = plain(shown) if name == "clips" else shown or "nothing"
        return f"The address asks for {what} {shortened(asked)}, which is not offered here: {shown} is shown instead."

    # ------------------------------------------------------------------------------------------------ what is chosen

    def tell(self, choice: Choice) -> None:
        """Have the address say what is chosen, soon: a knob that is turned changes it many times."""
        if not self._taking and choice.differing(self._told) - self._private:
            self._page.status.keep("address", "")
            self._sentences, self.fields = [], {}
        self._told = choice
        if not self._waiting:
            self._waiting = True
            main.later(self._send)

    def _send(self) -> None:
        self._waiting = False
        own = self._names()
        texts: dict[str, str | None] = dict.fromkeys(own | dropped(self._told.differing(self._begun), own))
        texts |= written(self._told, self._defaults, self._private, self._given)
        if isinstance(texts["clips"], str):
            texts["clips"] = plain(texts["clips"])
        self._page.bridge.address = texts

    def _turned(self, camera: str) -> None:
        self._page.picture.camera = camera_of(f"camera={camera}")

    # -------------------------------------------------------------------------------------------------------- controls

    def _names(self) -> set[str]:
        return {field.name for field in fields(self._page.make_choice)} - self._private

    def _take(self) -> None:
        """Give the controls what is asked for; some offer it only once others have taken it."""
        for _ in range(PASSES):
            before = [name for name in self.fields if not self._is_taken(name)]
            if not before:
                return
            self._write({name: self.fields[name] for name in before})
            if before == [name for name in self.fields if not self._is_taken(name)]:
                return

    def _is_taken(self, name: str) -> bool:
        return _same(name, getattr(self._page.choice(), name), self.fields[name])

    def _write(self, values: Mapping[str, Any]) -> None:
        for control in self._page.controls:
            own = {name: values[name] for name in control.read() if name in values and name not in self._private}
            if own:
                _set(control, own)


def _set(control: Control, values: Mapping[str, Any]) -> None:
    """Give a control its fields: one after the other, and those that it does not take alone together."""
    refused: list[str] = []
    for name, value in values.items():
        before = control.read()[name]
        if _follows(name, refused) or _same(name, before, value):
            continue
        _try(control, {name: value})
        if not _same(name, control.read()[name], value):
            refused.append(name)
            _try(control, {name: before})  # it may have taken something near
    if len(refused) > 1:
        _try(control, {name: values[name] for name in refused})


def _try(control: Control, values: Mapping[str, Any]) -> None:
    with suppress(TraitError, ValueError, LookupError, TypeError, ArithmeticError):
        control.write(values)


def _same(name: str, one: Any, other: Any) -> bool:
    """Say whether two values of a field are the same in an address; knobs keep six digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5)
    if name == "clips":
        return plain(str(one)) == plain(str(other))
    return text(one) == text(other)


def _follows(name: str, refused: Iterable[str]) -> bool:
    """Say whether a field is of no use without another one that was refused."""
    return any(name in FOLLOWERS.get(one, ()) for one in refused)
