"""Which clips a page shows: the bundled ones, folders, a set of one's own, files that a visitor hands in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.pages.address import plain
from latentfx_nb.pages.controls import STYLE
from latentfx_nb.pages.own_files import OwnFiles
from latentfx_nb.pages.status import Status
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.widgets.host import is_dashboard


class ClipSets:
    """A chooser of clip sets (`chooser`) and a drop zone for more (`own_files`); `clips` are those that are chosen.

    Clip sets are the bundled one, the folders that the environment variable `LATENTFX_CLIPS` names (separated as PATH
    is) and `source`, if it is another; files that a visitor hands in become one more.
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
        chosen = self.chosen
        return {"clips": chosen.name if isinstance(chosen, ClipSet) else chosen}

    def write(self, fields: Mapping[str, Any]) -> None:
        for _, source in self.chooser.options:
            named = (source, source.name) if isinstance(source, ClipSet) else (source, plain(source))
            if "clips" in fields and fields["clips"] in named:
                self.chooser.value = source
                return

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
        self.chooser.options = [*options, (f"your own audio ({len(own)} clips)", own)]
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
        chosen = self.chosen
        # Where a server keeps its clips is of no use to a visitor.
        named = isinstance(chosen, str) and (chosen == "bundled" or not is_dashboard())
        source = f"{chosen!r}" if named else "FOLDER"
        return f"import latentfx_nb as lfx\n\nclips = lfx.load_clips({source})\n"

    def _load(self, source: str | ClipSet) -> ClipSet:
        """Return the clips of a source; what could not be used of a folder is told below the drop zone."""
        clips = source if isinstance(source, ClipSet) else load_clips(source, warn=False)
        self.own_files.tell_skipped(clips.skipped)
        return clips


def _sources(own: str | Path | ClipSet) -> tuple[list[tuple[str, Any]], Any]:
    folders = [folder for folder in os.environ.get("LATENTFX_CLIPS", "").split(os.pathsep) if folder]
    sources = {"bundled": "64 bundled clips", **{folder: Path(folder).name for folder in folders}}
    own = own if isinstance(own, ClipSet) else str(own)
    options: list[tuple[str, Any]] = [(label, source) for source, label in sources.items()]
    if own not in sources:
        options.append((own.name if isinstance(own, ClipSet) else Path(own).name, own))
    return options, own
