"""Clips through an encoder, and latents through its decoder: this is where arrays turn into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.encoders.devices import choose_device, out_of_memory
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound import audio
from latentfx_nb.sound.audio import Clip

ACTIVATION_FACTOR = 128
"""Memory that a convolutional encoder takes, as a multiple of its input's bytes: measured 60-110, rounded up.

An encoder that takes more has an attribute `activation_factor`.
"""

Inputs = NDArray[np.float32] | torch.Tensor
"""Sound as an encoder takes it, `[clip channel sample]`; a tensor may lie on the encoder's device already."""


def encode_clips(encoder: Encoder, clips: Sequence[Clip], sample_rate: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Return latents `[clip dim frame]` float32 of clips `[channel sample]` of one length, in one batch.

    A batch that does not fit into memory is halved until it does. Raises ValueError if the model gives anything that
    is not finite, or another shape than it declares, MemoryError if not even one clip fits, and as `model_inputs` does.
    """
    return encode_inputs(encoder, model_inputs(encoder, clips, sample_rate))


def model_inputs(encoder: Encoder, clips: Sequence[Clip], sample_rate: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Return clips `[channel sample]` of one length as the array that `encode_inputs` takes; any thread can do this.

    Raises ValueError if there are none, or of several lengths, and as `audio.check_clip` does.
    """
    lengths = {np.shape(clip)[-1:] for clip in clips}
    if len(lengths) != 1:
        found = f"of {len(lengths)} lengths" if lengths else "none"
        raise ValueError(
            f"clips are encoded together if they are of one length, and these are {found}: pass them alone"
        )
    return np.stack([model_input(encoder, clip, sample_rate) for clip in clips])


def model_input(encoder: Encoder, clip: Clip, sample_rate: int = SAMPLE_RATE_HZ) -> Clip:
    """Return `clip [channel sample]` mixed, or doubled, and resampled to what `encoder` declares."""
    audio.check_clip(clip)
    return audio.resample(audio.to_channels(clip, encoder.channels), sample_rate, encoder.sample_rate)


def placed_inputs(encoder: Encoder, clips: Sequence[Clip], sample_rate: int = SAMPLE_RATE_HZ) -> torch.Tensor:
    """Return `model_inputs` as a tensor where `encoder` runs; any thread can do this while others are encoded.

    To a GPU they are copied from pinned memory in a stream of their own, so that the copy waits for no encoding. Where
    its memory is full they stay in the computer's. Raises as `model_inputs` does.
    """
    inputs = torch.from_numpy(model_inputs(encoder, clips, sample_rate))
    device = getattr(encoder, "device", inputs.device)
    if device.type != "cuda":
        return inputs
    try:
        return _copied(inputs, device)
    except torch.OutOfMemoryError:
        return inputs


def _copied(inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a copy on a GPU, made in a stream of its own, once it is whole."""
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        there = inputs.pin_memory().to(device, non_blocking=True)
    stream.synchronize()
    there.record_stream(torch.cuda.default_stream(device))  # where it is read: its memory is not reused before
    return there


def encode_inputs(encoder: Encoder, inputs: Inputs) -> NDArray[np.float32]:
    """Return latents `[clip dim frame]` of `inputs [clip channel sample]`; raises as `encode_clips` does."""
    with torch.inference_mode():
        latents = _encode_in_memory(encoder, torch.as_tensor(inputs))
    expected = (len(inputs), encoder.dim, encoder.frames(inputs.shape[-1]))
    if latents.shape != expected:
        raise ValueError(f"{encoder.name} gave latents of shape {latents.shape}, but declares {expected}")
    if not np.isfinite(latents).all():
        raise ValueError(f"{encoder.name} gave latents that are not finite; check the audio and its weights")
    return latents


def _encode_in_memory(encoder: Encoder, inputs: torch.Tensor) -> NDArray[np.float32]:
    """Return latents of `inputs [batch channel sample]`, encoded in halves where memory does not hold them all."""
    try:
        return encoder.encode(inputs).float().cpu().numpy()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        if len(inputs) == 1:
            place = getattr(encoder, "device", "cpu")
            raise MemoryError(
                f"one clip of {inputs.shape[-1]} samples is more than {encoder.name} can encode in the free memory of "
                f"{place}; close what else runs there, use another device or a smaller encoder"
            ) from error
    # Outside of `except`: until it ends, the error's traceback holds on to what filled the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(inputs) // 2
    return np.concatenate([_encode_in_memory(encoder, part) for part in (inputs[:half], inputs[half:])])


def decode_latents(encoder: Encoder, latents: NDArray[np.floating], length: int, seed: int = 0, **options: Any) -> Clip:
    """Return the stereo clip `[2 length]` at 48 kHz that `encoder` makes of `latents [dim frame]`.

    What the model gives is resampled, doubled if it is mono, and cut or padded to `length` samples. `options` are
    those of the encoder's own `decode`.

    Raises ValueError if the encoder has no decoder.
    """
    if not isinstance(encoder, Decoder):
        raise ValueError(f"{encoder.name} has no decoder; list_encoders() shows which ones have")
    given = torch.from_numpy(np.ascontiguousarray(latents, np.float32))[None]
    with torch.inference_mode():
        decoded = encoder.decode(given, seed=seed, **options)[0]
    sound = audio.resample(decoded.float().cpu().numpy(), encoder.sample_rate, SAMPLE_RATE_HZ)
    return audio.fit_length(audio.to_channels(sound, 2), length)


def frame_times_s(encoder: Encoder, n_frames: int) -> NDArray[np.float64]:
    """Return the middles of an encoder's frames in seconds: of the first its `first_frame_s`, or else half a frame.

    One vector a clip has the time 0.
    """
    rate = encoder.frame_rate
    if rate is None:
        return np.zeros(n_frames)
    return getattr(encoder, "first_frame_s", 0.5 / rate) + np.arange(n_frames) / rate


def batch_size(encoder: Encoder, wanted: int, n_samples: int) -> int:
    """Return how many clips of `n_samples` at 48 kHz to encode at once: `wanted`, or what half of memory holds."""
    samples = audio.samples_at(n_samples, SAMPLE_RATE_HZ, encoder.sample_rate)
    per_clip = 4 * encoder.channels * samples * getattr(encoder, "activation_factor", ACTIVATION_FACTOR)
    device = choose_device(getattr(encoder, "device", "cpu"))
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return int(max(1, min(wanted, free // 2 // per_clip)))
