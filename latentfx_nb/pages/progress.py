"""What a page's job asks and says, shown on that page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, Sound
from latentfx_nb.pages.hearing import Hearing
from latentfx_nb.pages.status import Status
from latentfx_nb.pages.worker import Worker, main
from latentfx_nb.sound.audio import Clip
from latentfx_nb.widgets.figure import ShownFigure


class Working(Protocol):
    """What a job needs of its page."""

    stands: bool
    status: Status
    worker: Worker
    hearing: Hearing
    figure: ShownFigure

    @property
    def stale(self) -> Sequence[str]:
        """Names of the traces that fade."""

    def show(self, shown: Any, finished: bool = True) -> None:
        """Draw what is there so far."""

    def show_again(self) -> None:
        """Bring the figure back to what is shown."""


class PageProgress(Progress):
    """What a page's job asks and says: the status line shows it, the cancel button and newer jobs stop it."""

    def __init__(self, page: Working) -> None:
        self._page = page

    def bar(self, *arguments: Any, **options: Any) -> Any:
        return self._page.status.progress(*arguments, **options, check=self.check)

    def check(self) -> None:
        self._page.worker.check()

    def rest(self, seconds: float) -> None:
        self._page.worker.cancelled.wait(seconds)
        self.check()

    def say(self, text: str) -> None:
        self._page.status.say(text)

    def fade(self) -> None:
        if self._page.stands:
            main.call(lambda: self._page.figure.fade(self._page.stale))

    def show(self, shown: Any) -> None:
        self.check()
        if self._page.stands:
            self._page.show(shown, finished=False)

    def move(self, traces: Mapping[str, dict]) -> None:
        if self._page.stands:
            main.call(lambda: self._page.figure.move(traces))

    def move_back(self) -> None:
        if self._page.stands:
            main.call(self._page.show_again)

    def sound(self, sound: Sound) -> Clip:
        return self._page.hearing.render(sound)

    def hear_decoded(self, heard: Heard, *decoded: Clip) -> None:
        self._page.hearing.hear_decoded(heard, *decoded)
