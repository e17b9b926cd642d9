"""A visitor's own files, in every page that shows clips: where to drop them, which were taken, why others were not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets as widgets

from latentfx_nb.pages.markup import note, public, table
from latentfx_nb.pages.worker import main
from latentfx_nb.sound.clips import AUDIO_SUFFIXES
from latentfx_nb.sound.uploads import MOST_FILES, MOST_SECONDS, Uploads, most_bytes
from latentfx_nb.sound.visits import Visit
from latentfx_nb.widgets.dropzone import DropZone, HandedIn

MOST_SKIPPED = 20
"""Files of a folder that are named if they cannot be used; a folder may hold thousands."""


class OwnFiles(widgets.VBox):
    """A drop zone whose files are checked one by one and kept in `uploads`; what was not taken is named under it.

    `submit(kind, job)` runs what takes time; `changed` is called on the main thread once files were taken, `removed`
    once all are gone. With `listing`, the files that were taken stand there too, and before there are any what is
    taken. So do the files of a chosen folder that could not be used.
    """

    def __init__(
        self,
        submit: Callable[[str, Callable[[], None]], None],
        changed: Callable[[], None],
        removed: Callable[[], None] = lambda: None,
        listing: bool = False,
    ) -> None:
        self.uploads = Uploads()
        self.refused: list[str] = []
        self._skipped: dict[str, str] = {}
        self._submit, self._changed, self._removed, self._listing = submit, changed, removed, listing
        self._waiting: list[HandedIn] = []
        self.zone = DropZone(
            self._hand_in,
            self.clear,
            label="Own audio: drop, choose",
            accept=list(AUDIO_SUFFIXES),
            most_bytes=most_bytes(),
            most_s=MOST_SECONDS,
        )
        self.listed = widgets.HTML()
        super().__init__([self.zone, self.listed])
        self.show()

    def clear(self) -> None:
        """Remove all files, from the visitor's other pages too."""
        self.uploads.clear()
        self.refused, self._skipped = [], {}
        self.show()
        self._removed()

    def visit(self, token: object, joined: Callable[[bool], None]) -> None:
        """Share files with the other pages of a visitor, where a server keeps them and the browser told a token.

        `joined` is then called on the main thread, and told whether there are other files than before.
        """
        visit = Visit.of(token)
        if visit is None:
            joined(False)
            return

        def join() -> None:
            before = dict(self.uploads.files)
            self.refused += self.uploads.join(visit)
            others = self.uploads.files != before
            main.call(self.show)
            main.call(lambda: joined(others))

        self._submit("visit", join)

    def tell_skipped(self, skipped: Mapping[str, str]) -> None:
        """Write down the files of the folder that is shown which could not be used: path -> reason."""
        self._skipped = dict(skipped)
        self.show()

    def show(self) -> None:
        """Write down the files, and of each other one why it was not taken."""
        taken, empty = "", ""
        if self._listing:
            taken = table(("file", ""), self.uploads.files.items()) if self.uploads.files else ""
            empty = note(
                f"Up to {MOST_FILES} files of {MOST_SECONDS / 60:.0f} minutes, {most_bytes() / 1e6:.0f} MB in all: "
                f"{', '.join(AUDIO_SUFFIXES)}. They are cut into clips of 5.5 s. The files stay on the machine that "
                "runs this page and are removed when it is closed; latents that are made of them stay in its cache."
            )
        refused = "".join(note(f"Left out: {public(sentence)}.") for sentence in self.refused)
        self.listed.value = (taken or empty) + refused + self._skipped_lines()
        self.listed.layout.display = None if self.listed.value else "none"
        self.zone.kept = len(self.uploads.files)

    def _skipped_lines(self) -> str:
        first = [f"Skipped: {Path(file).name} ({reason})." for file, reason in self._skipped.items()][:MOST_SKIPPED]
        more = len(self._skipped) - len(first)
        return "".join(map(note, first)) + (note(f"Skipped: {more} more files.") if more else "")

    def _hand_in(self, file: HandedIn) -> None:
        self._waiting.append(file)
        if not file.left:
            self._submit("files", self._take)

    def _take(self) -> None:
        """Check and keep what waits; those who are named last time are no longer."""
        self.refused, good = [], []
        while self._waiting:
            file = self._waiting.pop(0)
            try:
                self.uploads.check(file.name, file.size)
                if file.content is None:
                    raise ValueError(f"{file.name} could not be read by the browser: take files, not folders")
            except ValueError as error:
                self.refused.append(str(error))
            else:
                good.append((file.name, file.content))
        kept, refused = self.uploads.add_all(good)
        self.refused += refused
        main.call(self.show)
        if kept:
            main.call(self._changed)
