"""What a page lets be heard: two sounds by what makes them, rendered on a thread of their own, played by the player."""

from __future__ import annotations

from latentfx_nb.pages.content.sounds import Heard, kept_renders
from latentfx_nb.pages.status import Status, sentence
from latentfx_nb.pages.worker import Worker, main
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip
from latentfx_nb.widgets.player import Player


class Hearing:
    """The player and the thread that renders for it, so that sounds wait for nothing that is prepared or trained."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self.player, self.voice = Player(), Worker(self._cannot_sound)
        self.render = kept_renders()
        self._heard: Heard | None = None
        self._decoded: tuple[Clip, ...] = ()

    def offer(self, heard: Heard) -> None:
        """Let play be pressed for two sounds; nothing is rendered before."""
        self._heard = heard
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
        self._heard, self._decoded = heard, decoded
        self.voice.submit("sound", lambda: self._load(heard, *decoded))

    def hear_decoded(self, heard: Heard, *decoded: Clip) -> None:
        """Load what a decoder made of sounds, unless others have been chosen since."""

        def job() -> None:
            if self._heard == heard:
                self._load(heard, *decoded)

        self.voice.submit("decoded", job)

    def _load(self, heard: Heard, *decoded: Clip) -> None:
        sounds = (self.render(heard.dry), self.render(heard.wet))
        encoded = self.player.encoded(*sounds, SAMPLE_RATE_HZ, *decoded)

        def load() -> None:
            if self._heard == heard:
                self._decoded = decoded
                if not self.player.put(encoded, heard.title):
                    self.player.load(*sounds, SAMPLE_RATE_HZ, heard.title, *decoded)

        main.call(load)

    def _cannot_sound(self, error: Exception) -> None:
        main.call(self.player.refuse)
        self._status.keep("sound", f"This cannot be heard: {sentence(error)}")
