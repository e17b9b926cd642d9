"""The audio player: dry, wet, decoded and edited sound on one clock, switched without a gap."""

from __future__ import annotations

import hashlib
import html
import io
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import soundfile
import traitlets
from jaxtyping import Float
from numpy.typing import ArrayLike

from latentfx_nb.widgets.modules import module_text

SIDES = {"dry": "Dry", "wet": "Wet", "decoded": "Decoded", "algebra": "Algebra"}
"""The sounds that are loaded together, and what their buttons say; the last two are there if they are given."""

CSS = """
.latentfx-player { box-sizing: border-box; max-width: 100%; min-width: 440px; padding: 7px 12px 9px;
  border: 1px solid var(--jp-border-color2, #dcdcdc); border-radius: 6px;
  background: var(--jp-layout-color1, #fff); color: var(--jp-ui-font-color1, #222);
  font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); }
.latentfx-player .lfx-title { min-height: 18px; margin-bottom: 5px; overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; color: var(--jp-ui-font-color2, #5f6368); }
.latentfx-player .lfx-row { display: flex; align-items: center; gap: 10px; height: 30px; }
.latentfx-player button { box-sizing: border-box; height: 28px; margin: 0; padding: 0 12px; cursor: pointer;
  border: 1px solid var(--jp-border-color1, #bdbdbd); background: transparent; color: inherit; font: inherit; }
.latentfx-player button:hover { background: var(--jp-layout-color2, #eee); }
.latentfx-player button:disabled { cursor: default; opacity: 0.4; }
.latentfx-player :is(button, input):focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px; }
.latentfx-player svg { display: block; width: 16px; height: 16px; fill: currentColor; }
.latentfx-player .lfx-play { flex: none; width: 28px; padding: 0 5px; border-radius: 14px; }
.latentfx-player .lfx-loop { flex: none; width: 28px; padding: 0 5px; border-color: transparent; border-radius: 5px;
  color: var(--jp-ui-font-color2, #5f6368); }
.latentfx-player .lfx-sides { display: flex; flex: none; }
.latentfx-player .lfx-sides button:first-child { border-radius: 5px 0 0 5px; }
.latentfx-player .lfx-sides button + button { margin-left: -1px; }
.latentfx-player .lfx-sides button:not(:has(~ button:not([hidden]))) { border-radius: 0 5px 5px 0; }
.latentfx-player .lfx-sides button[hidden] { display: none; }
.latentfx-player:not([data-decoded=""]) { min-width: 540px; }
.latentfx-player:not([data-algebra=""]) { min-width: 640px; }
.latentfx-player .lfx-sides button[aria-pressed="true"] { border-color: var(--jp-brand-color1, #1976d2);
  background: var(--jp-brand-color1, #1976d2); color: var(--jp-ui-inverse-font-color0, #fff); }
.latentfx-player .lfx-loop[aria-pressed="true"] { background: var(--jp-layout-color2, #eee);
  color: var(--jp-brand-color1, #1976d2); }
.latentfx-player input[type="range"] { height: 18px; margin: 0; accent-color: var(--jp-brand-color1, #1976d2); }
.latentfx-player .lfx-bar { flex: 1 1 auto; min-width: 60px; }
.latentfx-player .lfx-clock { flex: none; min-width: 74px; text-align: right; font-variant-numeric: tabular-nums; }
.latentfx-player .lfx-volume { display: flex; flex: none; align-items: center; gap: 5px;
  color: var(--jp-ui-font-color2, #5f6368); }
.latentfx-player .lfx-volume input { width: 64px; }
"""


def encode_sounds(
    dry: Float[np.ndarray, "channel sample"],
    wet: Float[np.ndarray, "channel sample"],
    decoded: Float[np.ndarray, "channel sample"] | None = None,
    algebra: Float[np.ndarray, "channel sample"] | None = None,
    sample_rate: int = 48000,
) -> dict[str, bytes]:
    """Return the sounds that are given, by name, as 16-bit FLAC.

    If a peak of any exceeds 1, the same gain brings all below it, so that their loudness stays matched.

    Raises ValueError for other shapes than one or two channels of the same length, for no samples and for NaN or
    infinity.
    """
    sounds, gain = _matched(dry=dry, wet=wet, decoded=decoded, algebra=algebra)
    return {side: _flac(sound * gain, sample_rate) for side, sound in sounds.items()}


def plain_players(
    dry: Float[np.ndarray, "channel sample"],
    wet: Float[np.ndarray, "channel sample"],
    sample_rate: int = 48000,
    title: str = "",
    decoded: Float[np.ndarray, "channel sample"] | None = None,
    algebra: Float[np.ndarray, "channel sample"] | None = None,
) -> ipywidgets.VBox:
    """Return the announced fall-back of `Player`: a note and the browser's own audio player for each sound.

    They know no common position and no A/B, and they start only when asked to. Raises as `encode_sounds` does.
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
    `playing`, `volume` (0 to 1) and `loop` can be read and set; `time_s` is the play position, written by the browser
    about 15 times a second while it plays; `ready` turns true when a page shows the player. Loading a sound never
    starts it, unless play was pressed for it; while one plays, the new one goes on from the same position.
    """

    _esm = module_text("player")
    _css = CSS

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
    ready = traitlets.Bool().tag(sync=True)
    _address = traitlets.Unicode().tag(sync=True)
    _offered_s = traitlets.Float().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        # The page needs the player's own address in its first state: a later message is what may get lost.
        address = uuid.uuid4().hex
        super().__init__(model_id=address, _address=address, **traits)
        self._sent: dict[str, bytes] = {}
        self._make: Callable[[], None] | None = None
        self.on_msg(self._answer)

    def offer(self, make: Callable[[], None], length_s: float, title: str = "") -> None:
        """Show `title` and sounds of `length_s` that are still to be made, in place of those that are loaded.

        `make()` is called whenever the page wants them, until they are there: play, a button of a side or the position
        bar was pressed. It loads them, at once or from another thread, and they start if play was pressed.
        """
        self._make = make
        with self.hold_sync():
            self._drop(SIDES)
            self.title, self._offered_s = title, length_s

    def load(
        self,
        dry: Float[np.ndarray, "channel sample"],
        wet: Float[np.ndarray, "channel sample"],
        sample_rate: int = 48000,
        title: str = "",
        decoded: Float[np.ndarray, "channel sample"] | None = None,
        algebra: Float[np.ndarray, "channel sample"] | None = None,
    ) -> None:
        """Show `title` and send the sounds, or those that differ from what was sent last.

        `decoded` is what a model's decoder makes of the wet sound, `algebra` what it makes of latents that were moved;
        without them, the page offers dry and wet only. Their loudness is taken to be matched already; peaks above 1
        are handled as in `encode_sounds`, and raises as it does.
        """
        sounds, gain = _matched(dry=dry, wet=wet, decoded=decoded, algebra=algebra)
        self._make = None
        with self.hold_sync():
            for side, sound in sounds.items():
                shape = f"{sound.shape} {sample_rate} {gain}".encode()
                content = hashlib.blake2b(np.ascontiguousarray(sound), key=hashlib.sha256(shape).digest()).digest()
                if self._sent.get(side) != content:
                    self.set_trait(side, _flac(sound * gain, sample_rate))
                    self._sent[side] = content
            self._drop(set(SIDES) - set(sounds))
            self.title = title

    def refuse(self) -> None:
        """Stop waiting for sounds that were wanted and cannot be made; those that are loaded play on."""
        if not self.wet:
            self.playing = False
            self.send_state("playing")  # the page may have told of the press only now

    def _drop(self, sides: Iterable[str]) -> None:
        for side in sides:
            self.set_trait(side, b"")
            self._sent.pop(side, None)

    def seek(self, time_s: float) -> None:
        """Go to a position, playing or not."""
        self.send({"kind": "seek", "time_s": float(time_s)})

    @traitlets.observe("decoded", "algebra", "listening")
    def _hear_something(self, _change: Any) -> None:
        if self.listening in ("decoded", "algebra") and not getattr(self, self.listening):
            self.listening = "wet"

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        # Only what Python writes is sent again: a late answer must not undo what has been clicked meanwhile.
        if content.get("kind") == "ready":
            self.ready = True
            self.send_state([*SIDES, "labels", "title", "ready", "_offered_s"])
        elif content.get("kind") == "wanted" and self._make is not None:
            self._make()


def _matched(
    dry: np.ndarray, wet: np.ndarray, **more: np.ndarray | None
) -> tuple[dict[str, Float[np.ndarray, "channel sample"]], float]:
    """Return the sounds that are given, by side, and their common gain."""
    given = {"dry": dry, "wet": wet, **{side: sound for side, sound in more.items() if sound is not None}}
    sounds = {side: _checked(sound, side) for side, sound in given.items()}
    length = sounds["dry"].shape[1]
    for side, sound in sounds.items():
        if sound.shape[1] != length:
            raise ValueError(
                f"dry has {length} samples and {side} {sound.shape[1]}, but all play on one clock: "
                "trim or pad them to one length first"
            )
    return sounds, 1.0 / max(1.0, *(float(np.abs(sound).max()) for sound in sounds.values()))


def _checked(sound: ArrayLike, name: str) -> np.ndarray:
    sound = np.asarray(sound, dtype=np.float32)
    if sound.ndim != 2 or sound.shape[0] not in (1, 2):
        raise ValueError(
            f"{name} has the shape {sound.shape}, but [channel sample] with one or two channels is expected: "
            "transpose it, or take one clip of the batch"
        )
    if sound.shape[1] == 0:
        raise ValueError(f"{name} has no samples, but at least one is expected: load a clip first")
    if not np.isfinite(sound).all():
        raise ValueError(
            f"{name} has {np.count_nonzero(~np.isfinite(sound))} samples that are NaN or infinite, but only finite "
            "ones can be played: check the effect or the decoder that made it"
        )
    return sound


def _flac(sound: np.ndarray, sample_rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound.T, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
