"""The audio player: dry, wet, decoded and edited sound on one clock, switched without a gap."""

from __future__ import annotations

import hashlib
import html
import threading
import uuid
import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import numpy as np
import traitlets
from jaxtyping import Float

from latentfx_nb.widgets.modules import FOLDER, module_text
from latentfx_nb.widgets.sounds import SIDES, as_flac, encode_sounds, matched


class Encoded(NamedTuple):
    """By side: what the sound is, and its FLAC, None where the page has it already; and the gain that all share."""

    sides: Mapping[str, tuple[Hashable, bytes | None]]
    gain: float


def plain_players(
    dry: Float[np.ndarray, "channel sample"],
    wet: Float[np.ndarray, "channel sample"],
    sample_rate: int = 48000,
    title: str = "",
    decoded: Float[np.ndarray, "channel sample"] | None = None,
    algebra: Float[np.ndarray, "channel sample"] | None = None,
) -> ipywidgets.VBox:
    """Return the announced fall-back of `Player`: a note and the browser's own audio player for each sound.

    These players have no common position and no A/B, and start only when pressed. Raises what `encode_sounds` does.
    """
    note = "The A/B player could not start; here are the sounds."
    rows = [ipywidgets.HTML(f"{note} {html.escape(title)}".strip())]
    for side, flac in encode_sounds(dry, wet, decoded, algebra, sample_rate).items():
        sound = ipywidgets.Audio(value=flac, format="flac", autoplay=False, loop=False)
        rows.append(ipywidgets.HBox([ipywidgets.Label(SIDES[side], layout={"width": "5em"}), sound]))
    return ipywidgets.VBox(rows)


class Player(anywidget.AnyWidget):
    """Two to four sounds of one length, with gap-free A/B, a play position, volume and a loop.

    `listening` ("dry", "wet" or, where they are loaded, "decoded" and "algebra"), `labels` (what their buttons say),
    `playing`, `volume` (0 to 1), `loop` and `loudness_lufs` (None: not said) can be read and set; `time_s` is the play
    position, written by the browser about 15 times a second while it plays; `ready` turns true when a page shows the
    player. Loading a sound never starts it, unless play was pressed for it; while one plays, the new one goes on from
    the same position.
    """

    _esm = module_text("player")
    _css = FOLDER / "player.css"

    dry = traitlets.Bytes().tag(sync=True)
    wet = traitlets.Bytes().tag(sync=True)
    decoded = traitlets.Bytes().tag(sync=True)
    algebra = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Dict(SIDES).tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    listening = traitlets.Enum(list(SIDES), default_value="wet").tag(sync=True)
    time_s = traitlets.Float().tag(sync=True)
    playing = traitlets.Bool().tag(sync=True)
    volume = traitlets.Float(0.8, min=0.0, max=1.0).tag(sync=True)
    loop = traitlets.Bool(True).tag(sync=True)
    loudness_lufs = traitlets.Float(None, allow_none=True).tag(sync=True)
    ready = traitlets.Bool().tag(sync=True)
    _address = traitlets.Unicode().tag(sync=True)
    _offered_s = traitlets.Float().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        # The page needs the player's own address in its first state, because later messages may be lost.
        address = uuid.uuid4().hex
        super().__init__(model_id=address, _address=address, **traits)
        self._sent: dict[str, Hashable] = {}
        self._make: Callable[[], None] | None = None
        self._taken, self._answers = threading.Event(), False
        self._taken.set()
        self.on_msg(self._answer)

    def offer(self, make: Callable[[], None], length_s: float, title: str = "") -> None:
        """Show `title` and the length of sounds that will be made on demand; what was loaded before is dropped.

        `make()` is called when the visitor presses play, a side's button or the position bar, until sounds are loaded.
        It calls `load`, at once or later; the sounds then start if play was pressed.
        """
        self._make = make
        with self.hold_sync():
            self._drop(SIDES)
            self.title, self._offered_s, self.loudness_lufs = title, length_s, None

    def load(
        self,
        dry: Float[np.ndarray, "channel sample"],
        wet: Float[np.ndarray, "channel sample"],
        sample_rate: int = 48000,
        title: str = "",
        decoded: Float[np.ndarray, "channel sample"] | None = None,
        algebra: Float[np.ndarray, "channel sample"] | None = None,
    ) -> None:
        """Show `title` and send the sounds to the page, except those that it has already.

        `decoded` is a model's reconstruction of the wet sound, `algebra` what its decoder makes of moved latents; their
        buttons are hidden without them. The sounds' loudness should be matched; peaks above 1 are treated as in
        `encode_sounds`. Raises what that raises.
        """
        self.put(self.encoded(dry, wet, sample_rate, decoded, algebra), title)

    def encoded(
        self,
        dry: Float[np.ndarray, "channel sample"],
        wet: Float[np.ndarray, "channel sample"],
        sample_rate: int = 48000,
        decoded: Float[np.ndarray, "channel sample"] | None = None,
        algebra: Float[np.ndarray, "channel sample"] | None = None,
        *,
        made_by: Mapping[str, Hashable] | None = None,
    ) -> Encoded:
        """Return what `put` takes: the slow half of `load`, which any thread may do. Raises as `load` does.

        `made_by` says, by side, what makes a sound, where that is known: its samples are not hashed then.
        """
        sounds, gain = matched(dry=dry, wet=wet, decoded=decoded, algebra=algebra)
        found: dict[str, tuple[Hashable, bytes | None]] = {}
        for side, sound in sounds.items():
            by = (made_by or {}).get(side) or hashlib.blake2b(np.ascontiguousarray(sound)).digest()
            content = (by, sound.shape, sample_rate, gain)
            there = self._sent.get(side) == content
            found[side] = content, None if there else as_flac(sound * gain, sample_rate)
        return Encoded(found, gain)

    def put(self, encoded: Encoded, title: str, loudness_lufs: float | None = None) -> bool:
        """Show title and loudness, and send what `encoded` returned; return False, with nothing done, if it is stale.

        It is where the page has lost a sound since that it had then: `load` sends all.
        """
        sounds = encoded.sides
        if any(flac is None and self._sent.get(side) != content for side, (content, flac) in sounds.items()):
            return False
        self._make = None
        with self.hold_sync():
            for side, (content, flac) in sounds.items():
                if flac is not None:
                    self.set_trait(side, flac)
                    self._sent[side] = content
            self._drop(set(SIDES) - set(sounds))
            self.title, self.loudness_lufs = title, loudness_lufs
            if self._answers and any(flac is not None for _, flac in sounds.values()):
                self._taken.clear()
        return True

    def wait_until_taken(self, timeout_s: float) -> None:
        """Return, on a thread of its own, once the page has taken the sounds that it was sent last.

        A page that does not say so in time is waited for no more, until it is heard of again.
        """
        if not self._taken.wait(timeout_s):
            self._answers = False
            self._taken.set()

    def refuse(self) -> None:
        """Release the play button if the offered sounds cannot be made; sounds that are loaded play on."""
        if not self.wet:
            self.playing = False
            self.send_state("playing")  # the kernel may hear of the press only now

    def _drop(self, sides: Iterable[str]) -> None:
        for side in sides:
            self.set_trait(side, b"")
            self._sent.pop(side, None)

    def seek(self, time_s: float) -> None:
        """Move to a position, in seconds, whether the sound plays or not."""
        self.send({"kind": "seek", "time_s": float(time_s)})

    @traitlets.observe("decoded", "algebra", "listening")
    def _hear_something(self, _change: Any) -> None:
        if self.listening in ("decoded", "algebra") and not getattr(self, self.listening):
            self.listening = "wet"

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        # Only what Python writes is sent again: a late answer must not undo what the visitor has clicked meanwhile.
        if content.get("kind") == "ready":
            self.ready = self._answers = True
            self.send_state([*SIDES, "labels", "title", "loudness_lufs", "ready", "_offered_s"])
        elif content.get("kind") == "taken":
            self._answers = True
            if content.get("sounds") == {side: f"{zlib.adler32(getattr(self, side)):08x}" for side in SIDES}:
                self._taken.set()
        elif content.get("kind") == "wanted" and self._make is not None:
            self._make()
