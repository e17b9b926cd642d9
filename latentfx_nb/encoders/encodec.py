"""`encodec-48k` and `encodec-24k`: Meta's EnCodec before its residual quantiser or after part of it, with its decoder.

Weights: https://huggingface.co/facebook/encodec_48khz and encodec_24khz, read by transformers. Model: Defossez et al.
2022, "High fidelity neural audio compression", https://arxiv.org/abs/2210.13438.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from latentfx_nb.encoders.pretrained import PretrainedCodec, published_entry, read_folder
from latentfx_nb.encoders.sources.weights import HubWeights
from latentfx_nb.encoders.variants import Possible
from latentfx_nb.paper import TARGET_LUFS

WEIGHTS_48K = HubWeights(
    "encodec-48k",
    "facebook/encodec_48khz",
    "c3def8e7185ac8c8efdce6eb8c4a651e487a503e",
    76.3,
    sha256={"model.safetensors": "47a15ffbaf7bb76176d0833e10590de0a8988a7848748608cefc36a1c88adfdc"},
)
WEIGHTS_24K = HubWeights(
    "encodec-24k",
    "facebook/encodec_24khz",
    "c1dbe2ae3f1de713481a3b3e7c47f357092ee040",
    93.1,
    sha256={"model.safetensors": "37a7cb100f71a29e6c1d815aca8666a1d7ea8885ebe44c306c751a5103559d57"},
)

LEVEL = 10 ** (TARGET_LUFS / 20)
"""RMS at which sound comes back where the model divides the level out: about the loudness that every render has."""


class Encodec48k(PretrainedCodec):
    """EnCodec at 48 kHz stereo: 128 dims at 150 Hz, 128 x 820 of a clip, of the whole clip at once.

    The model divides each clip by its RMS first, as it was trained, so the level is not in the latents. `chunked` does
    so with each second, as the authors' code does: chunks of a second begin every 0.99 s, each encoded by itself, and
    their frames stand one after the other, 128 x 827 of a clip, so that times are up to 10 ms off.
    """

    name = "encodec-48k"
    sample_rate = 48_000
    channels = 2
    dim = 128
    hop = 320
    frame_rate = sample_rate / hop
    shortest = hop
    _chunk = _stride = 0  # samples; 0: the whole clip at once
    published = WEIGHTS_48K
    library = "transformers"
    variants: ClassVar[Possible] = {"quantizers": range(1, 17), "chunked": (True,)}

    def _read(self, library: Any, folder: Path) -> Any:
        network = read_folder(library.EncodecModel, folder)
        config = network.config
        self._declare(config.sampling_rate, config.audio_channels, config.hidden_size, config.upsampling_ratios)
        self._levels_out = config.normalize
        self._keep_quantisers(network, len(network.quantizer.layers))
        if self.variant.get("chunked"):
            if config.chunk_length is None:
                raise ValueError("its configuration has no chunk_length_s, so it cannot be chunked")
            self._chunk, self._stride = config.chunk_length, config.chunk_stride
            self.frame_rate = self.sample_rate / self._stride * (self._chunk // self.hop)
        return network

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`: the last one of a chunk may be part empty."""
        return sum(-(-(end - start) // self.hop) for start, end in self._chunks(n_samples))

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 128 frame]`, before the quantiser or after `quantizers`, of `audio [batch channel sample]`."""
        sound = self._input(audio)
        return torch.cat([self._encoded(sound[..., slice(*one)]) for one in self._chunks(sound.shape[-1])], -1)

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch channel sample]` of `latents [batch 128 frame]`; nothing is drawn from `seed`.

        Where the level is not in the latents, sound comes back at an RMS of about -28 dB, each chunk of it.
        """
        latents = self._latents(latents)
        chunks = latents.split(self._chunk // self.hop, -1) if self._chunk else [latents]
        sound = faded([self._network.decoder(one) for one in chunks], self._stride)
        return sound * LEVEL if self._levels_out else sound

    def _encoded(self, sound: torch.Tensor) -> torch.Tensor:
        """Return the latents of one chunk of sound, each clip's divided by its level if the model does that."""
        if self._levels_out:
            sound = sound / (sound.mean(1, keepdim=True).square().mean(-1, keepdim=True).sqrt() + 1e-8)
        return self._codec_latents(sound)

    def _before(self, sound: torch.Tensor) -> torch.Tensor:
        with self._precision():
            return self._network.encoder(sound).float()

    def _after(self, latents: torch.Tensor, quantizers: int) -> torch.Tensor:
        left, after = latents, torch.zeros_like(latents)
        for layer in self._network.quantizer.layers[:quantizers]:
            chosen = layer.decode(layer.encode(left))
            left, after = left - chosen, after + chosen
        return after

    def _chunks(self, n_samples: int) -> list[tuple[int, int]]:
        """Return where the chunks of a sound begin and end: the whole of it is one unless `chunked`."""
        length, stride = self._chunk or n_samples, self._stride or n_samples
        return [(start, min(start + length, n_samples)) for start in range(0, n_samples, stride)]


class Encodec24k(Encodec48k):
    """EnCodec at 24 kHz mono, causal: 128 dims at 75 Hz, 128 x 410 of a clip; the level is in the latents."""

    name = "encodec-24k"
    sample_rate = 24_000
    channels = 1
    frame_rate = sample_rate / Encodec48k.hop
    activation_factor = 280  # measured 170-285 at full size: with `process.env` freed blocks are kept
    published = WEIGHTS_24K
    variants: ClassVar[Possible] = {"quantizers": range(1, 33)}


def faded(sounds: Sequence[torch.Tensor], stride: int) -> torch.Tensor:
    """Return sounds `[batch channel sample]` that begin `stride` samples apart as one, faded where they overlap."""
    if len(sounds) == 1:
        return sounds[0]
    longest = sounds[0].shape[-1]
    up = torch.arange(1.0, longest + 1, device=sounds[0].device)
    ramp = torch.minimum(up, up.flip(0))
    end = max(number * stride + sound.shape[-1] for number, sound in enumerate(sounds))
    sum_, weight = sounds[0].new_zeros(*sounds[0].shape[:-1], end), ramp.new_zeros(end)
    for number, sound in enumerate(sounds):
        place = slice(number * stride, number * stride + sound.shape[-1])
        part = ramp[: sound.shape[-1]]
        sum_[..., place] += part * sound
        weight[place] += part
    return sum_ / weight


ENTRIES = (
    published_entry(Encodec48k, "MIT, by its tag on the Hub"),
    published_entry(Encodec24k, "none declared on the Hub"),
)
