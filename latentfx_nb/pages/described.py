"""What a page says of itself: names, fields, and, free of widgets, what is prepared for a choice and how it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar

import ipywidgets as widgets
import plotly.graph_objects as go

from latentfx_nb.pages.content.choice import Choice
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, heard_of
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet

PAGES: dict[str, type[Described]] = {}
"""The pages that the front page leads to, by the names of their notebooks."""

FREE_OF_WIDGETS = {
    *("prepare", "figure_of", "texts", "code_of", "heard", "keeps_decoded", "clicked", "sounds", "encoders_of"),
    *("auditioned", "looked"),
    *("turned", "exact", "moved", "further"),
}
"""What a page says of itself without a widget: static methods, or functions of its `content`."""


class Described(widgets.VBox):
    """What classes of pages set and override. One with a `notebook` stands on the front page."""

    title: ClassVar[str] = ""
    blurb: ClassVar[str] = ""
    """What one does there, in a sentence for the front page."""
    notebook: ClassVar[str] = ""
    """The file name of its notebook, without the suffix."""
    takes_clips: ClassVar[bool] = True
    """Whether it shows any clips, so that files of one's own can be opened in it."""
    words: ClassVar[str] = ""
    """What the figure shows, for people who cannot see it."""
    waits: ClassVar[frozenset[str]] = frozenset()
    """Fields that wait for a button (`Ask`) before anything is prepared."""
    turns: ClassVar[frozenset[str]] = frozenset()
    """Fields of a knob, or of what is looked at: they call `turned` and `exact`, and stop nothing that is prepared."""
    beside: ClassVar[frozenset[str]] = frozenset()
    """Fields that `further` does not depend on: it goes on while they change."""
    looks: ClassVar[frozenset[str]] = frozenset()
    """Fields that change only how what is prepared is drawn: at once, whatever is being prepared."""
    stale: ClassVar[tuple[str, ...]] = ()
    """Traces that fade while something is computed that they are not of."""
    spare: ClassVar[int] = 0
    """How many more traces of a kind a later figure may have than the first."""
    lists_files: ClassVar[bool] = False
    """Whether the visitor's files are listed and wait for a button, as on the page that is about them."""
    make_choice: ClassVar[type[Choice]] = Choice
    private: ClassVar[frozenset[str]] = frozenset()
    """Fields that never stand in the page's address."""
    content: Any = SimpleNamespace()
    """A module of `pages.content`."""

    clicks_sound: ClassVar[bool] = False
    """Whether points of the figure have sounds; it is found out."""

    # What `Page` makes, for the parts of its frame.
    picture: widgets.Widget
    figure: Any
    html: Mapping[str, widgets.HTML]
    made: widgets.HTML
    player: widgets.Widget
    pointing: widgets.Widget
    status: widgets.Widget
    tools: Any
    bridge: Any
    worker: Any
    shown: Any

    def __init_subclass__(cls, **options: Any) -> None:
        """List the page, and take what it is free of widgets from its module `content`, if it has one."""
        super().__init_subclass__(**options)
        for name in FREE_OF_WIDGETS & set(vars(cls.content)) - set(vars(cls)):
            setattr(cls, name, staticmethod(getattr(cls.content, name)))
        cls.clicks_sound = cls.clicked is not Described.clicked
        if vars(cls).get("notebook"):  # a page of another's notebook is no page of its own
            PAGES[cls.notebook] = cls

    def list_clips(self, clips: ClipSet) -> None:
        """Offer the clips of a set in the page's choosers."""

    def rail(self) -> Sequence[widgets.Widget]:
        """Return the page's controls, in groups (`frame.group`), from top to bottom."""
        raise NotImplementedError

    def head(self) -> Sequence[widgets.Widget]:
        """Return what stands in the picture's head, from left to right; the legend follows it."""
        return []

    def stage(self) -> Sequence[widgets.Widget]:
        """Return what stands below the picture's head: the picture, and what belongs to it."""
        return [self.picture]

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what stands in sections of the drawer (`frame.SECTIONS`), besides what all pages have there."""
        return {"facts": [self.html["numbers"]], "claims": [self.html["claims"]]}

    def prepare(self, choice: Any, clips: ClipSet, last: Any, progress: Progress) -> Any:
        """Return the `Shown` of a choice, on the worker's thread; `last` is what was shown before, or None."""
        raise NotImplementedError

    @staticmethod
    def figure_of(shown: Any) -> go.Figure:
        """Return the whole figure: its only description."""
        raise NotImplementedError

    @staticmethod
    def texts(shown: Any) -> Mapping[str, str]:
        """Return what stands beside the figure: name -> HTML."""
        return {}

    @staticmethod
    def looked(shown: Any) -> Mapping[str, str] | None:
        """Return those of the texts that `looks` change; None if all are to be written again."""
        return None

    @staticmethod
    def code_of(shown: Any) -> str:
        """Return the lines that draw this in a notebook, but for those that load the clips."""
        return ""

    @staticmethod
    def heard(choice: Any, clips: ClipSet, shown: Any) -> Heard | None:
        """Return the sounds of a choice; `shown` is what is drawn at the time, None at first."""
        return None

    @staticmethod
    def keeps_decoded(before: Any, choice: Any) -> bool:
        """Say whether what was decoded for one choice may be heard on until the next one's is there."""
        return False

    @staticmethod
    def clicked(shown: Any, name: str, points: Any) -> Mapping[str, Any]:
        """Return the fields that a click on a point of a trace changes."""
        return {}

    @staticmethod
    def sounds(shown: Any) -> Mapping[str, Sequence[Callable[[], Clip]]]:
        """Return trace -> what makes the sound of each of its points, for the figure that is saved as a page."""
        return {}

    @staticmethod
    def auditioned(value: Any, choice: Any, clips: ClipSet) -> Heard | None:
        """Return the sounds of an entry of a list whose play button was pressed, None for one that has none."""
        return heard_of(value, choice, clips)

    @staticmethod
    def encoders_of(choice: Any) -> Sequence[str]:
        """Return the encoders whose shipped points may be shown."""
        return [choice.encoder] if hasattr(choice, "encoder") else []

    @staticmethod
    def turned(shown: Any, choice: Any) -> Any:
        """Return what to show at once for other `turns`, on the main thread; all else in `choice` is as it is shown."""
        return replace(shown, choice=choice)

    @staticmethod
    def exact(shown: Any, progress: Progress) -> Any:
        """Return what is shown once that very setting is computed, on the worker's thread."""
        return shown

    @staticmethod
    def moved(shown: Any) -> Mapping[str, dict] | None:
        """Return trace -> properties: what `turns` move. None: what `exact` returns is drawn whole, with its texts."""
        return None

    @staticmethod
    def further(shown: Any, progress: Progress) -> Any:
        """Return `shown` with what takes longer (a decoder), or None; on the worker's thread, after it is drawn."""
        return None

    def moves_itself(self) -> bool:
        """Say whether the browser has moved by itself what the turn that is being told of moves."""
        return False

    def code(self) -> str:
        """Return the lines that draw what is shown in a notebook."""
        raise NotImplementedError

    def progress(self) -> Progress:
        """Return what a job of this page's asks and says."""
        raise NotImplementedError

    def settle(self, shown: Any) -> None:
        """Bring controls in line with what is shown now."""
