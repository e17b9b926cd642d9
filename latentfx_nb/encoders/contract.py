"""The contracts that every encoder keeps, checked on one: the report that `register_encoder` gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np
import torch

from latentfx_nb.cache import cache_dir, digest
from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.nearness import Sketch, keep_near, kept_near, random_sums
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound import audio

ATTRIBUTES = ("name", "sample_rate", "channels", "dim", "frame_rate", "frames", "encode")

NAME = r"[\w.-]+(@[\w.=-]+)*"
"""A name: letters, digits, dots and dashes; what makes it a variant stands after an @ (`encoders/variants.py`)."""

TOLERANCE = 1e-3
"""Share of the largest latent by which latents of one sound may differ: the rounding of TF32 and batching."""

KNOWN = 10_000
"""Most encoders that a cache folder knows, at a kilobyte or more each; the longest unused are dropped first."""


def check_encoder(encoder: Encoder) -> list[str]:
    """Return a sentence for each point of the protocol that `encoder` fails, with what is expected.

    A second of noise and of silence is encoded, alone and together, and decoded if there is a fast decoder.
    """
    missing = [name for name in ATTRIBUTES if not hasattr(encoder, name)]
    if missing:
        return [f"it lacks {', '.join(missing)}"]
    return list(_wrong_attributes(encoder)) or list(_wrong_latents(encoder))


def _wrong_attributes(encoder: Encoder) -> Iterator[str]:
    if not isinstance(encoder.name, str) or not re.fullmatch(NAME, encoder.name):
        yield f"name is {encoder.name!r}: give letters, digits, dots and dashes, as files are called after it"
    for attribute in ("sample_rate", "dim"):
        value = getattr(encoder, attribute)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            yield f"{attribute} is {value!r}: give a whole number above 0"
    if isinstance(encoder.channels, bool) or encoder.channels not in (1, 2):
        yield f"channels is {encoder.channels!r}: give 1 or 2, and clips are mixed or doubled to that"
    rate = encoder.frame_rate
    if rate is not None and (not isinstance(rate, Real) or isinstance(rate, bool) or not rate > 0):
        yield f"frame_rate is {rate!r}: give frames a second, or None for one vector a clip"
    known = getattr(encoder, "weights_hash", "left out")
    if not isinstance(known, str) or not known:
        yield f"weights_hash is {known!r}: give a text that changes with the weights, such as a sha256, or leave it out"
    for method in ("frames", "encode"):
        if not callable(getattr(encoder, method)):
            yield f"{method} is {getattr(encoder, method)!r}: give a method"


def fingerprint(encoder: Encoder) -> str:
    """Return a hash of the latents of a second of noise, `settled`: it stays where only their last bits differ."""
    with torch.inference_mode():
        latents = encoder.encode(_noise(encoder)).float().cpu().numpy()
    sums = random_sums(np.swapaxes(latents, 0, 1).reshape(encoder.dim, -1))
    sketch = Sketch.of(sums, np.zeros(len(sums), np.intp))
    return settled(f"{encoder.name} {latents.shape}", sketch, digest(latents.tobytes()))


def settled(name: str, sketch: Sketch, new: str) -> str:
    """Return the hash that the cache folder holds for an encoder of this name and sketch, else `new`.

    Another processor computes other last bits, over which a hash is another one. Machines that share a cache folder
    share the hash in it.
    """
    folder = cache_dir() / "encoders"
    known = kept_near(folder, name, sketch)
    if known is not None:
        return str(known)
    keep_near(folder, name, sketch, np.array(new), f"what {name.split()[0]} is known by", KNOWN)
    return new


def _noise(encoder: Encoder) -> torch.Tensor:
    """Return noise `[2 channel sample]` of about a second, which is no whole number of any model's frames."""
    samples = max(encoder.sample_rate, getattr(encoder, "shortest", 1)) + 37
    return 0.1 * torch.randn(2, encoder.channels, samples, generator=torch.Generator().manual_seed(0))


def _wrong_latents(encoder: Encoder) -> Iterator[str]:
    noise = _noise(encoder)
    samples = noise.shape[-1]
    kept = noise.clone()
    try:
        with torch.inference_mode():
            frames = encoder.frames(samples)
            together = encoder.encode(noise)
            again, alone, silent = (encoder.encode(x) for x in (kept.clone(), noise[1:], torch.zeros_like(noise[:1])))
    except Exception as error:  # noqa: BLE001 - whatever a model raises is what the report is for
        yield f"encode raised {type(error).__name__} for [2 {encoder.channels} {samples}]: {error}"
        return
    if not torch.equal(noise, kept):
        yield "encode changes the audio that it is given: work on a copy"
    wanted = (2, encoder.dim, frames)
    if not isinstance(together, torch.Tensor) or tuple(together.shape) != wanted or not together.is_floating_point():
        found = f"{together.dtype} {tuple(together.shape)}" if isinstance(together, torch.Tensor) else type(together)
        yield f"encode gives {found}, but dim and frames({samples}) declare floating-point [batch dim frame] {wanted}"
        return
    yield from _wrong_rate(encoder)
    if not (together.isfinite().all() and silent.isfinite().all()):
        yield "latents of noise or silence are not finite: look for a division by zero or the logarithm of it"
        return
    yield from _wrong_values(together, again, alone)
    if not getattr(encoder, "decodes_slowly", False):
        yield from _wrong_sound(encoder, together)


def _wrong_rate(encoder: Encoder) -> Iterator[str]:
    frames = encoder.frames(audio.samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, encoder.sample_rate))
    seconds = CLIP_SAMPLES / SAMPLE_RATE_HZ
    if encoder.frame_rate is None and frames != 1:
        yield f"frame_rate is None, which is one vector a clip, but a clip of {seconds:.2f} s has {frames} frames"
    if encoder.frame_rate is not None and abs(frames - seconds * encoder.frame_rate) > 2:
        yield f"frame_rate is {encoder.frame_rate:g} Hz, but a clip of {seconds:.2f} s has {frames} frames"


def _wrong_values(together: torch.Tensor, again: torch.Tensor, alone: torch.Tensor) -> Iterator[str]:
    allowed = TOLERANCE * float(together.abs().max())
    if again.shape != together.shape or (together - again).abs().max() > allowed:
        yield "the same audio gives other latents the second time: call eval(), and fix the seed of what is drawn"
    elif alone.shape != together[1:].shape or (together[1:] - alone).abs().max() > allowed:
        yield "a clip alone gives other latents than in a batch: normalise each clip by itself"


def _wrong_sound(encoder: Encoder, latents: torch.Tensor) -> Iterator[str]:
    if not isinstance(encoder, Decoder):
        return
    try:
        with torch.inference_mode():
            sound = encoder.decode(latents, seed=0)
    except Exception as error:  # noqa: BLE001 - likewise
        yield f"decode raised {type(error).__name__} for latents {tuple(latents.shape)}: {error}"
        return
    wanted = (2, encoder.channels)
    if not isinstance(sound, torch.Tensor) or sound.ndim != 3 or tuple(sound.shape[:2]) != wanted:
        found = tuple(sound.shape) if isinstance(sound, torch.Tensor) else type(sound)
        yield f"decode gives {found}: give [batch channel sample], here [2 {encoder.channels} sample]"
    elif not sound.isfinite().all():
        yield "decode gives sound that is not finite"
