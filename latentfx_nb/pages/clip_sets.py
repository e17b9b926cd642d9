"""Which clips a page shows: the bundled ones, folders, a set of one's own, files that a visitor hands in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.pages.controls import STYLE
from latentfx_nb.pages.markup import counted
from latentfx_nb.pages.own_files import OwnFiles
from latentfx_nb.pages.status import Status
from latentfx_nb.sound.clips import ClipSet, load_clips
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
        lists_files: bool,
    ) -> None:
        self._status = status
        self._own: ClipSet | None = None
        self._reference: str | ClipSet = ""  # what own files are drawn among
        self._listing = False
        self._loaded: Callable[[], None] = lambda: None
        self.chooser = widgets.Dropdown(description="Clips", style=STYLE, layout={"width": "230px"})
        self.chooser.options, self.chooser.value = _sources(source)
        # Where they are listed they wait for a button of the page's.
        changed = (lambda: None) if lists_files else self.files_added
        self.own_files = OwnFiles(submit, changed, lists_files)
        self.clips = self._load(self.chooser.value)

    @property
    def chosen(self) -> str | ClipSet:
        """The name of what is chosen, or the set itself."""
        return self.chooser.value

    def read(self) -> Mapping[str, Any]:
        return {"clips": self._name_of(self.chosen)}

    def write(self, fields: Mapping[str, Any]) -> None:
        for _, source in self.chooser.options:
            if "clips" in fields and fields["clips"] == self._name_of(source):
                self.chooser.value = source

    def _name_of(self, source: str | ClipSet) -> str:
        """Return what a source is called in a `Choice`."""
        if source is self._own:
            return OWN
        return source.name if isinstance(source, ClipSet) else source

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` when another clip set was chosen and loaded; one that cannot be is said instead."""

        def changed(change: Mapping[str, Any]) -> None:
            if self._listing:
                return
            try:
                self.clips = self._load(change["new"])
            except (ValueError, OSError) as error:
                self._status.fail(error)
            else:
                self._status.keep("clips", "")
                self._loaded()
                callback()

        self.chooser.observe(changed, "value")

    def on_load(self, loaded: Callable[[], None]) -> None:
        """Call `loaded` once other clips are there, before anything reads the choice."""
        self._loaded = loaded

    def files_added(self) -> None:
        """Offer the visitor's files as a clip set, and choose it."""
        own = self.own_files.uploads.clips()
        options = [option for option in self.chooser.options if option[1] is not self._own]
        self._own = own
        self._listing = True  # new options change the value, but nobody has chosen yet
        self.chooser.options = [*options, (f"your own audio ({counted(len(own), 'clip')})", own)]
        self._listing = False
        self.chooser.value = own

    def fall_back(self) -> None:
        """Choose the bundled clips."""
        self._listing = True
        self.chooser.value = "bundled"
        self._listing = False
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
