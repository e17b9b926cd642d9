"""Which clips a page shows: the bundled ones, folders, a set of one's own, files that a visitor hands in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.pages.address import plain
from latentfx_nb.pages.controls import STYLE
from latentfx_nb.pages.markup import counted
from latentfx_nb.pages.own_files import OwnFiles
from latentfx_nb.pages.status import Status
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.sound.visits import visits_folder
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.host import is_dashboard

OWN = "own"
"""What the visitor's own files are called in a `Choice`."""


class ClipSets:
    """A chooser of clip sets (`chooser`) and a drop zone for more (`own_files`); `clips` are those that are chosen.

    Clip sets are the bundled one, the folders that the environment variable `LATENTFX_CLIPS` names (separated as PATH
    is) and `source`, if it is another. Files that a visitor hands in become one more, which is drawn among the set that
    was chosen before: `clips.among`.
    """

    def __init__(
        self,
        source: str | Path | ClipSet,
        submit: Callable[[str, Callable[[], None]], None],
        status: Status,
        bridge: Bridge,
        lists_files: bool,
    ) -> None:
        self._status = status
        self._own: ClipSet | None = None
        self._reference: str | ClipSet = ""  # what own files are drawn among
        self._listing = False
        self._lists_files = lists_files
        self._visitor_known = visits_folder() is None  # else the browser says it soon
        self.wants_own = False  # they are chosen as soon as the browser has said whose they are
        self._known: Callable[[], None] = lambda: None
        self._loaded: Callable[[], None] = lambda: None
        self._changed: Callable[[], None] = lambda: None
        self.chooser = widgets.Dropdown(description="Clips", style=STYLE, layout={"width": "230px"})
        self.chooser.options, self.chooser.value = _sources(source)
        # Where they are listed they wait for a button of the page's.
        changed = (lambda: None) if lists_files else self.files_added
        self.own_files = OwnFiles(submit, changed, self.files_removed, lists_files)
        self.clips = self._load(self.chooser.value)
        bridge.on("visit", lambda told: self.own_files.visit(told.get("token"), self._visited))

    @property
    def chosen(self) -> str | ClipSet:
        """The name of what is chosen, or the set itself."""
        return self.chooser.value

    def read(self) -> Mapping[str, Any]:
        own = self._lists_files and self.own_files.uploads.files
        return {"clips": OWN if own else self._name_of(self.chosen)}

    def write(self, fields: Mapping[str, Any]) -> None:
        """Choose the clip set of that name; the visitor's own are chosen as soon as the browser says whose they are."""
        for _, source in self.chooser.options:
            if "clips" in fields and plain(fields["clips"]) == plain(self._name_of(source)):
                self.chooser.value = source
                return
        if fields.get("clips") == OWN and not self._visitor_known:
            self.wants_own = True

    def _name_of(self, source: str | ClipSet) -> str:
        """Return what a source is called in a `Choice`."""
        if source is self._own:
            return OWN
        return source.name if isinstance(source, ClipSet) else source

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when another clip set was chosen and loaded; one that cannot be is said instead."""
        self._changed = callback
        self.chooser.observe(lambda _: None if self._listing else self._take(), "value")

    def on_load(self, loaded: Callable[[], None]) -> None:
        """Call `loaded` once other clips are there, before anything reads the choice."""
        self._loaded = loaded

    def files_added(self) -> None:
        """Offer the visitor's files as a clip set, and choose it."""
        self._offer(chosen=True)

    def files_removed(self) -> None:
        """Offer the visitor's files no longer; if they were shown, go back to what they were drawn among."""
        if self._own is None:
            return
        shown = self.chosen is self._own
        self._own = None
        self._list(self.chooser.options[:-1], self._reference if shown else self.chosen)
        if shown:
            self._take()

    def on_visit(self, known: Callable[[], None]) -> None:
        """Call `known` once the browser has said who the visitor is, and that one's files are offered."""
        self._known = known

    def _visited(self, others: bool) -> None:
        """Offer what this visitor has handed in on any page; `others` says whether it is not what it was before."""
        if not self.own_files.uploads.files:
            self.files_removed()
        elif not self._lists_files and (others or self._own is None):
            self._offer(chosen=self._own is not None and self.chosen is self._own)
        self._visitor_known = True
        self._known()
        if self.wants_own and self._own is not None:
            self.chooser.value = self._own
        self.wants_own = False

    def _offer(self, chosen: bool) -> None:
        before, own = self._own, self.own_files.uploads.clips()
        options = [option for option in self.chooser.options if option[1] is not before]
        stays = self._reference if before is not None and self.chosen is before else self.chosen
        self._own = own
        self._list([*options, (f"your own audio ({counted(len(own), 'clip')})", own)], own if chosen else stays)
        if chosen:
            self._take()

    def _list(self, options: Sequence[tuple[str, Any]], chosen: str | ClipSet) -> None:
        """Offer other clip sets, of which one is chosen without being taken."""
        self._listing = True
        self.chooser.options = options
        self.chooser.value = chosen
        self._listing = False

    def _take(self) -> None:
        """Load what is chosen, and tell those that wait for it."""
        self.wants_own = False
        try:
            self.clips = self._load(self.chosen)
        except (ValueError, OSError) as error:
            self._status.fail(error)
        else:
            self._status.keep("clips", "")
            self._loaded()
            self._changed()

    def fall_back(self) -> None:
        """Choose the bundled clips."""
        self._list(self.chooser.options, "bundled")
        self.clips = self._load("bundled")

    def code(self) -> str:
        """Return the first lines of every page's code: the package, and the clips that are chosen."""
        lines = f"import latentfx_nb as lfx\n\nclips = lfx.load_clips({self._in_code(self.chosen)})\n"
        if self.clips.among is not None:
            reference = self._reference if self.chosen is self._own else self.clips.among.name
            lines += f"reference = lfx.load_clips({self._in_code(reference)})\n"
        return lines

    @staticmethod
    def _in_code(source: str | ClipSet) -> str:
        """Return how code names a source: where a server keeps its clips is of no use to a visitor."""
        named = isinstance(source, str) and (source == "bundled" or not is_dashboard())
        return f"{source!r}" if named else "FOLDER"

    def _load(self, source: str | ClipSet) -> ClipSet:
        """Return the clips of a source; what could not be used of a folder is told below the drop zone.

        The visitor's own are placed among those that were chosen before.
        """
        if source is self._own and self._own is not None:
            return self._own.placed_among(self.clips.reference)
        if source == self._reference and self.clips.among is not None:
            return self.clips.among  # the very same set, so that what is known of it stays
        clips = source if isinstance(source, ClipSet) else load_clips(source, warn=False)
        self.own_files.tell_skipped(clips.skipped)
        self._reference = source
        return clips


def _sources(own: str | Path | ClipSet) -> tuple[list[tuple[str, Any]], Any]:
    folders = [folder for folder in os.environ.get("LATENTFX_CLIPS", "").split(os.pathsep) if folder]
    sources = {"bundled": "64 bundled clips", **{folder: Path(folder).name for folder in folders}}
    own = own if isinstance(own, ClipSet) else str(own)
    options: list[tuple[str, Any]] = [(label, source) for source, label in sources.items()]
    if own not in sources:
        options.append((own.name if isinstance(own, ClipSet) else Path(own).name, own))
    return options, own
