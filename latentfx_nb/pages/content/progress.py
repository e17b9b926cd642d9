"""What `prepare` may ask and say while it works: progress bars, sounds, whether it is still wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tqdm.auto import tqdm

from latentfx_nb.analysis.prepared import NotShipped
from latentfx_nb.pages.content.sounds import Heard, Sound, rendered
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet

T = TypeVar("T")


class Progress:
    """Progress without a page, for scripts and tests: bars are tqdm's, nothing is shown, nothing is cancelled."""

    def bar(self, *arguments: Any, **options: Any) -> Any:
        """Stand in for tqdm."""
        return tqdm(*arguments, **options)

    def bar_of(self, what: str) -> Callable[..., Any]:
        """Return `bar`, which says what all that work is for."""
        return lambda *arguments, desc="", **options: self.bar(
            *arguments, desc=f"{what}: {desc[:1].lower()}{desc[1:]}", **options
        )

    def check(self) -> None:
        """Raise `worker.Cancelled` if what is being prepared is no longer wanted."""

    def rest(self, seconds: float) -> None:
        """Wait so long; raise `worker.Cancelled` as soon as something else is wanted."""

    def say(self, text: str) -> None:
        """Say what is being done, or nothing more."""

    def fade(self) -> None:
        """Show that what is drawn is not of what is chosen."""

    def show(self, shown: Any) -> None:
        """Draw what is there so far."""

    def move(self, traces: Mapping[str, dict]) -> None:
        """Change properties of some traces of what is drawn, by their names."""

    def move_back(self) -> None:
        """Draw again what was drawn before anything was moved."""

    def sound(self, sound: Sound) -> Clip:
        """Return a rendered sound `[channel sample]`."""
        return rendered(sound)

    def hear_decoded(self, heard: Heard, *decoded: Clip) -> None:
        """Let what a decoder made of two sounds be heard, unless others have been chosen since."""

    def read(self, prepared: Callable[..., T], clips: ClipSet, encoder: str, *more: Any) -> T:
        """Return what a function of `prepared` finds, with a bar if it has to be computed; what is drawn fades then."""
        try:
            return prepared(clips, encoder, *more, bar=self.bar, compute=False)
        except NotShipped:
            self.fade()
            return prepared(clips, encoder, *more, bar=self.bar)

    def steps(self, steps: Iterable[T]) -> Iterator[T]:
        """Yield a decoder's steps, and say how far they are."""
        every = list(steps)
        for number, step in enumerate(every, start=1):
            self.check()
            self.say(f"Decoding: step {number} of {len(every)}")
            yield step
