"""Files of one's own: hand them in, see and hear where they lie, open them in every other page, take them away."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from latentfx_nb.effects import TABLE_1
from latentfx_nb.pages import all_pages
from latentfx_nb.pages.content import your_own_audio as content
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.controls import Ask, Clicked, Field, dropdown, one_encoder, planes
from latentfx_nb.pages.finding import Finder
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page
from latentfx_nb.pages.worker import main
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.widgets.host import is_dashboard, owns_kernel


class YourOwnAudio(Page):
    """Add files, or name a folder; encode them through all effects; click a point to hear it; export, or go on.

    `dimensions` is 3, or 2 where there is no WebGL. The cloud behind the points is that of the bundled clips.
    """

    title = "Your own audio"
    blurb = "Hand in recordings of yours, see where they lie among the others, and export the points."
    notebook = "08_your_own_audio"
    takes_clips = False
    words = "Your clips through ten effects among the bundled clips, as points in three dimensions"
    lists_files = True
    waits = frozenset({"folder"})
    private = frozenset({"folder"})
    turns = frozenset({"row", "effect"})
    looks = frozenset({"color", "filter"})
    make_choice = content.OwnChoice
    content = content

    def __init__(self, encoder: str = "diffae-mini", dimensions: int = 3) -> None:
        self.encoder = one_encoder(encoder)
        self.folder = widgets.Text(placeholder="or a folder on this machine", layout={"width": "320px"})
        words = "through all ten effects; can be stopped and go on"
        self.encode_button = Ask("encode", "Encode", button_style="primary", tooltip=words)
        self.space = dropdown("Draw in", content.SPACES, width="270px")
        self.page = dropdown("Open them in", pages_for_clips(), width="320px")
        self.place, self._point = widgets.VBox(), _ringed()
        fields = {"encoder": self.encoder, "folder": self.folder, "space": self.space}
        self.dimensions, self.finder = planes(dimensions), Finder()
        fields |= {"dimensions": self.dimensions, **self.finder.fields()}
        controls = [Field(name, widget) for name, widget in fields.items()]
        super().__init__("bundled", *controls, self._point, self.encode_button)
        self.finder.join(self, lambda: self.choose(filter=""))

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups, from top to bottom."""
        words = "the page appears in the cell below, with these clips"
        self.open_button = self._button("Open", words, "open", self._open_page)
        self.exports = [self._export_button(words, export) for words, export in content.EXPORTS.items()]
        named = [self.folder] if owns_kernel() else []
        others = [widgets.HTML(links_to_pages())] if is_dashboard() else [self.page, self.open_button]
        return [
            group("Your audio", self.own_files, *named, self.encoder, self.encode_button, self.space),
            group("See them in", *others),
        ]

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head."""
        return [self.dimensions, *self.finder.head(self)]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show."""
        return {"read": [self.html["how"]], "facts": [self.html["drawn_in"]], "export": self.exports}

    def settle(self, shown: content.OwnShown) -> None:
        """Choose the point that is ringed: the first one, once other clips are there."""
        self._point.write({"row": shown.choice.row, "effect": shown.choice.effect})

    def prepare(
        self, choice: content.OwnChoice, clips: ClipSet, last: content.OwnShown | None, progress: Progress
    ) -> content.OwnShown:
        """Return the points of a choice, and of the files that are there when they are to be encoded."""
        return content.prepare(choice, clips, last, progress, lambda: self._own_clips(choice.folder))

    def code(self) -> str:
        """Return the lines that draw what is shown in a notebook; the clips are not those of a chooser here."""
        return content.code_of(self.shown)

    def _is_asked(self) -> bool:
        """Let points be chosen whatever is being encoded: they are where they are drawn."""
        return True

    def _button(self, words: str, tooltip: str, kind: str, job: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=words, tooltip=tooltip)
        button.on_click(lambda _: self.worker.submit(kind, job))
        return button

    def _export_button(
        self, words: str, export: Callable[[content.OwnShown, Progress], content.Export | Path]
    ) -> widgets.Button:
        def job() -> None:
            made = export(self.latest, self.progress())
            if isinstance(made, Path):
                self.status.say(f"Written to {made}")
                return
            main.call(lambda: self.bridge.save(*made))
            self.status.say(made.words())

        return self._button(words, "", "export", job)

    def _own_clips(self, folder: str) -> ClipSet:
        """Return the clips of a folder or, if none is named, of the files that were handed in.

        What could not be used of a folder is told. Raises ValueError if there are none.
        """
        if owns_kernel() and folder.strip():
            clips = load_clips(folder.strip(), warn=False)
        else:
            clips = self.own_files.uploads.clips()
        main.call(lambda: self.own_files.tell_skipped(clips.skipped))
        return clips.placed_among(self.clips)

    def _open_page(self) -> None:
        """Build another page for these clips, on this thread, and put it below this one in place of the last."""
        clips = self.latest.own or self._own_clips(self.folder.value)
        self.status.say("Opening ...")
        page = all_pages()[self.page.value]
        opened = page(clips, **encoder_argument(page, self.encoder.value))

        def show() -> None:
            before, self.place.children = self.place.children, [opened]
            for one in before:
                one.close()

        main.call(show)
        self.status.say("")


def _ringed() -> Clicked:
    """Return the field of the point that is ringed, one of those that every clip has."""
    return Clicked({"row": lambda row: row >= 0, "effect": lambda effect: effect in TABLE_1}, row=0, effect="CLN")


def links_to_pages() -> str:
    """Return links, HTML, to the pages that show any clips; the page puts what is chosen here into their addresses."""
    pages = {name: page for name, page in all_pages().items() if page.takes_clips}
    links = [
        f'<a href="{name}.ipynb?clips=own" data-page="{name}">{html.escape(page.title)}</a>'
        for name, page in pages.items()
    ]
    return f'<p class="latentfx-see">{", ".join(links)}</p>'


def pages_for_clips() -> list[tuple[str, str]]:
    """Return title with number, and notebook, of every page that shows any clips."""
    pages = {name: page for name, page in all_pages().items() if page.takes_clips}
    return [(f"{page.title} ({name.partition('_')[0]})", name) for name, page in pages.items()]


def encoder_argument(page: type[Page], encoder: str) -> Mapping[str, Any]:
    """Return what a page is called with to open on an encoder, be it for one, for several or for none."""
    parameters = inspect.signature(page).parameters
    if "encoders" in parameters:
        return {"encoders": (encoder,)}
    return {"encoder": encoder} if "encoder" in parameters else {}
