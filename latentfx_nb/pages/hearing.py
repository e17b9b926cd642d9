"""What a page lets be heard: two sounds by what makes them, rendered on a thread of their own, played by the player."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from latentfx_nb.pages.content.sounds import Heard, kept_renders, played_lufs
from latentfx_nb.pages.status import Status, sentence
from latentfx_nb.pages.worker import Worker, main
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip
from latentfx_nb.widgets.player import Player

TAKEN_WITHIN_S = 2.0
"""How long a page may take to decode two sounds before the next ones are rendered all the same."""


class Hearing:
    """The player and the thread that renders for it, so that sounds wait for nothing that is prepared or trained.

    One sound at a time is on its way: the next is rendered once the page has taken it, and that is the newest.
    """

    def __init__(self, status: Status) -> None:
        self._status = status
        self.player, self.voice = Player(), Worker(self._cannot_sound)
        self.render = kept_renders()
        self._heard: Heard | None = None
        self._decoded: tuple[Clip, ...] = ()
        self._offered = True  # what is heard is not rendered before it is asked for
        self._previewed: Heard | None = None
        self._playing_before = False
        self._after: Callable[[], None] | None = None

    def offer(self, heard: Heard) -> None:
        """Let play be pressed for two sounds; nothing is rendered before."""
        self._heard, self._offered = heard, True
        self.player.offer(lambda: self.hear(heard), CLIP_SAMPLES / SAMPLE_RATE_HZ, heard.title)

    def hear_if_other(self, heard: Heard | None, keep_decoded: bool = False) -> bool:
        """Load two sounds, if they are not those that are loaded or offered; return whether they are others.

        With `keep_decoded`, what a decoder made of those before stays with them.
        """
        if heard is None or heard == self._heard:
            return False
        self.hear(heard, *(self._decoded if keep_decoded else ()))
        return True

    def drop_decoded(self) -> None:
        """Let what a decoder made no longer be heard."""
        if self._heard is not None and (self.player.decoded or self.player.algebra):
            self.hear(self._heard)

    def hear(self, heard: Heard, *decoded: Clip) -> None:
        """Render and load two sounds now, whatever else is being prepared.

        What a decoder makes of them is loaded with them, or later by `hear_decoded`.
        """
        self._status.keep("sound", "")
        self._heard, self._decoded, self._offered, self._previewed = heard, decoded, False, None
        self._sound(heard, *decoded)

    def hear_decoded(self, heard: Heard, *decoded: Clip) -> None:
        """Load what a decoder made of sounds, unless others have been chosen since."""

        def job() -> None:
            if self._heard == heard:
                self._load(heard, *decoded)

        self.voice.submit("decoded", job)

    def after(self, move: Callable[[], None]) -> None:
        """Call `move` on the main thread, this one, once the sound that is on its way is sent; now if none is.

        While sounds are chosen faster than they are rendered, each that is sent is followed by the newest move by then.
        """
        if self.voice.idle:
            main.call(move)  # what was loaded comes first
            return
        self._after = move
        self.voice.submit("after", lambda: self._follow(self._after))

    # ------------------------------------------------------------------------------------------ clicks, and previews

    def holds(self, heard: Heard | None) -> bool:
        """Say whether two sounds are those that were chosen last, and are loaded or being loaded."""
        return heard is not None and heard == self._heard and not self._offered

    def click(self, heard: Heard | None, held: bool) -> None:
        """Follow a click on the point of two sounds: the first loads them, a second, when they were `held`, plays."""
        if heard is None or heard != self._heard:
            return
        if self._offered or self._previewed is not None:
            self.hear(heard, *self._decoded)
        if held:  # the page hears of it after what is being loaded
            self.voice.submit("play", lambda: main.call(lambda: self.player.set_trait("playing", True)))

    def preview(self, heard: Heard) -> None:
        """Load and play two sounds that the pointer rests on; what is chosen stays chosen."""
        if self._previewed is None:
            self._playing_before = self.player.playing
        self._previewed = heard
        self._sound(heard)
        self.voice.submit("play", lambda: main.call(lambda: self.player.set_trait("playing", True)))

    def end_preview(self) -> None:
        """Go back to what is chosen, and to silence if nothing played before."""
        if self._previewed is None:
            return
        self._previewed = None
        if not self._playing_before:
            self.player.playing = False
        if self._heard is not None and self._offered:
            self.offer(self._heard)
        elif self._heard is not None:
            self._sound(self._heard, *self._decoded)

    # --------------------------------------------------------------------------------------------------- its own thread

    def _sound(self, heard: Heard, *decoded: Clip) -> None:
        def job() -> None:
            move = self._after
            self.player.wait_until_taken(TAKEN_WITHIN_S)
            if self._is_wanted(heard):  # else a newer one waits
                self._load(heard, *decoded)
            self._follow(move)

        self.voice.submit("sound", job)

    def _follow(self, move: Callable[[], None] | None) -> None:
        """Have done what was to come after a sound, once."""
        if move is not None:
            main.call(move)
            if self._after is move:
                self._after = None

    def _load(self, heard: Heard, *decoded: Clip) -> None:
        sounds = (self.render(heard.dry), self.render(heard.wet))
        made_by: dict[str, Hashable] = {"dry": heard.dry, "wet": heard.wet}
        encoded = self.player.encoded(*sounds, SAMPLE_RATE_HZ, *decoded, made_by=made_by)
        lufs = played_lufs(sounds[1], encoded.gain)

        def load() -> None:
            if not self._is_wanted(heard):
                return
            if self._previewed is None:
                self._decoded = decoded
            if not self.player.put(encoded, heard.title, lufs):
                self.player.load(*sounds, SAMPLE_RATE_HZ, heard.title, *decoded)

        main.call(load)

    def _is_wanted(self, heard: Heard) -> bool:
        return heard == (self._previewed or self._heard)

    def _cannot_sound(self, error: Exception) -> None:
        main.call(self.player.refuse)
        self._status.keep("sound", f"This cannot be heard: {sentence(error)}")
