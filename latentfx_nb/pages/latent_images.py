"""Figure 1: a clip, an effect and a knob; what is heard before and after, as spectrograms and as latents."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import Decoder, Encoder, load_encoder
from latentfx_nb.pages.base import STYLE, Heard, Panel, clip_label, dry_and_wet, encoded
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.pages.markup import note
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, spectrogram_db
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction

STILL_S = 0.3
"""How long the knob has to rest before decoding starts: nothing can stop a decoder halfway."""


def before_after(
    clip: Clip, encoder: Encoder, effect: str, value: float | None = None, knob: str | None = None
) -> tuple[Clip, Clip, list[xr.DataArray], list[xr.DataArray]]:
    """Return the sound before and after an effect, and of each the spectrogram and latents with their difference.

    Sounds are `[channel sample]` at -28 LUFS; spectrograms `(frequency_hz, time_s)` in dB, latents `(dim, frame)`.
    """
    sounds = render(clip, "CLN"), render(clip, effect, value, knob)
    return *sounds, *_images(encoder, sounds)


def _images(encoder: Encoder, sounds: tuple[Clip, Clip]) -> tuple[list[xr.DataArray], list[xr.DataArray]]:
    """Return spectrograms and latents of two sounds, and of both the differences."""
    spectrograms = [spectrogram_db(sound, SAMPLE_RATE_HZ) for sound in sounds]
    latents = encoded(encoder, sounds)
    return [*spectrograms, spectrograms[1] - spectrograms[0]], [*latents, latents[1] - latents[0]]


def limits(encoder: Encoder) -> str:
    """Return what this page cannot show of an encoder, in sentences; nothing if it shows all."""
    found = []
    if encoder.frame_rate is None:
        found.append(f"{encoder.name} gives one vector a clip: its images have no time in them.")
    if not isinstance(encoder, Decoder):
        found.append(f"{encoder.name} has no decoder, so there is nothing to reconstruct.")
    elif getattr(encoder, "decodes_slowly", False):
        found.append(
            f"The decoder of {encoder.name} takes minutes on {encoder.device.type.upper()}, so it does not run by "
            "itself: in a notebook, decoding.reconstruction() runs it, with a bar."
        )
    return " ".join(found)


class LatentImages(Panel):
    """Choose a clip, an effect and a knob's setting; six images and two sounds follow, then the wet one decoded.

    `source` is "bundled", a folder or a ClipSet.
    """

    def __init__(
        self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini", effect: str = "DIS", clip: int = 0
    ) -> None:
        super().__init__(source, encoder)
        self.clip = widgets.Dropdown(description="Clip", style=STYLE, layout={"width": "230px"})
        self.knob = KnobControl(effect, list(EFFECTS))
        self.limits = widgets.HTML()
        self._shown: tuple[Encoder, xr.DataArray, Heard] | None = None  # what is left to decode
        self._list_clips(clip)
        spectrograms, latents = self.first(lambda: self._read(self._chosen_sound()))
        self.figure = self.figure_widget(
            figures.latent_images(spectrograms, latents),
            "Spectrograms and latents of a clip before and after an effect, and their difference",
        )
        row = {"flex_flow": "row wrap", "align_items": "center"}
        choices = widgets.HBox([self.clip_set, self.own_files, self.encoder, self.clip, *self.knob.choices], layout=row)
        tools = FigureTools(self, "latent_images")
        self.children = [choices, self.knob.slider, self.status, self.player, self.limits, self.figure, tools]
        self.on_clips(self._clips_changed)
        for chooser in (self.encoder, self.clip):
            chooser.observe(lambda _: self._changed(), "value")
        self.knob.on_turn(self._changed)
        self.hear(self._chosen_sound())  # it is rendered already
        self.worker.submit("decode", self._decode)

    def code(self) -> str:
        """Return the lines that draw this in a notebook."""
        knob = self.knob
        turned = repr(knob.effect) + ("" if knob.spec is None else f", {knob.value:.6g}, {knob.name!r}")
        return self.clips_code() + (
            f"clip, encoder = clips[{self.clip.value}], lfx.load_encoder({self.encoder.value!r})\n"
            f"images = lfx.pages.latent_images.before_after(clip, encoder, {turned})\n"
            "dry, wet, spectrograms, latents = images\n"
            "lfx.plots.latent_images(spectrograms, latents)"
        )

    def _list_clips(self, chosen: int = 0) -> None:
        self.clip.options = [(clip_label(self.clips, row), row) for row in range(len(self.clips))]
        self.clip.value = chosen

    def _clips_changed(self) -> None:
        self._list_clips()
        self._changed()

    def _changed(self) -> None:
        heard = self._chosen_sound()
        self.hear(heard)
        self.worker.submit("render", lambda: self._show(heard))
        self.worker.submit("decode", self._decode)  # here, not when shown: so a newer turn stops this one's decoding

    def _chosen_sound(self) -> Heard:
        knob = self.knob
        return dry_and_wet(self.clips, self.clip.value, knob.effect, knob.value, knob.name, knob.text())

    def _read(self, heard: Heard) -> tuple[list[xr.DataArray], list[xr.DataArray]]:
        """Return the images of two sounds, say what this encoder lacks, and leave to decode what can be."""
        self._shown = None  # nothing to decode, should this fail
        encoder = load_encoder(self.encoder.value)
        images = _images(encoder, (self.sound(heard.dry), self.sound(heard.wet)))
        found = limits(encoder)
        self.limits.value = note(found) if found else ""
        if isinstance(encoder, Decoder) and not getattr(encoder, "decodes_slowly", False):
            self._shown = encoder, images[1][1], heard
        return images

    def _show(self, heard: Heard) -> None:
        self.status.say("")
        spectrograms, latents = self._read(heard)
        self._check()
        with self.figure.batch_update():
            for trace, image in zip(self.figure.data, [*spectrograms, *latents], strict=True):
                trace.update(figures.image_data(image))
            self.figure.update_layout(figures.image_ranges(spectrograms, latents))

    def _decode(self) -> None:
        if self._shown is None:
            return
        encoder, latents, heard = self._shown
        self.worker.cancelled.wait(STILL_S)
        self._check()
        self.status.say("Decoding …")
        decoded = reconstruction(encoder, latents, CLIP_SAMPLES)
        self._check()
        self.hear_decoded(heard, decoded)
        self.status.say("")
