"""Page 01, free of widgets: a clip before and after an effect, as spectrograms and as latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import plotly.graph_objects as go
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.sounds import images
from latentfx_nb.encoders import Decoder, Encoder, load_encoder
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, dry_and_wet, setting_words
from latentfx_nb.pages.markup import note
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction

STILL_S = 0.3
"""How long the knob has to rest before decoding starts: nothing can stop a decoder halfway."""


@dataclass(frozen=True)
class ImagesChoice(Choice):
    """A clip and the setting of an effect."""

    encoder: str = "diffae-mini"
    row: int = 0
    effect: str = "DIS"
    knob: str | None = "drive_db"
    value: float | None = 25.0


@dataclass(frozen=True)
class ImagesShown(Shown):
    """Spectrograms and latents of a clip before and after, and their difference."""

    choice: ImagesChoice
    spectrograms: list[xr.DataArray]  # (frequency_hz, time_s)
    latents: list[xr.DataArray]  # (dim, frame)


def heard(choice: ImagesChoice, clips: ClipSet, shown: ImagesShown | None) -> Heard:
    """Return the clip without and with the effect."""
    words = setting_words(choice.effect, choice.knob, choice.value)
    return dry_and_wet(clips, choice.row, choice.effect, choice.value, choice.knob, words)


def prepare(choice: ImagesChoice, clips: ClipSet, last: ImagesShown | None, progress: Progress) -> ImagesShown:
    """Return the images of a choice."""
    sounds = heard(choice, clips, None)
    made = images(load_encoder(choice.encoder), progress.sound(sounds.dry), progress.sound(sounds.wet))
    progress.check()
    return ImagesShown(choice, clips, *made)


def figure_of(shown: ImagesShown) -> go.Figure:
    """Return six images."""
    return figures.latent_images(shown.spectrograms, shown.latents)


def further(shown: ImagesShown, progress: Progress) -> None:
    """Decode the wet latents once the knob rests, where that does not take minutes."""
    encoder = load_encoder(shown.choice.encoder)
    if not isinstance(encoder, Decoder) or getattr(encoder, "decodes_slowly", False):
        return
    progress.rest(STILL_S)
    progress.say("Decoding …")
    decoded = reconstruction(encoder, shown.latents[1], CLIP_SAMPLES)
    progress.check()
    progress.hear_decoded(heard(shown.choice, shown.clips, shown), decoded)
    progress.say("")


def texts(shown: ImagesShown) -> Mapping[str, str]:
    """Return what this page cannot show of the encoder."""
    found = limits(load_encoder(shown.choice.encoder))
    return {"limits": note(found) if found else ""}


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


def code_of(shown: ImagesShown) -> str:
    """Return the lines that draw this in a notebook."""
    choice = shown.choice
    turned = repr(choice.effect) + ("" if choice.knob is None else f", {choice.value:.6g}, {choice.knob!r}")
    return (
        f"clip, encoder = clips[{choice.row}], lfx.load_encoder({choice.encoder!r})\n"
        f"images = lfx.before_after(clip, encoder, {turned})\n"
        "dry, wet, spectrograms, latents = images\n"
        "lfx.plots.latent_images(spectrograms, latents)"
    )
