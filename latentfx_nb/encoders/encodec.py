"""`encodec-48k` and `encodec-24k`: Meta's EnCodec before its quantiser, with its decoder.

Weights: https://huggingface.co/facebook/encodec_48khz and encodec_24khz, read by transformers. Model: Defossez et al.
2022, "High fidelity neural audio compression", https://arxiv.org/abs/2210.13438.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from latentfx_nb.encoders.pretrained import PretrainedEncoder, published_entry, read_folder
from latentfx_nb.encoders.sources.weights import HubWeights
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


class Encodec48k(PretrainedEncoder):
    """EnCodec at 48 kHz stereo: 128 dims at 150 Hz, 128 x 820 of a clip, of the whole clip at once.

    The model divides each clip by its RMS first, as it was trained, so the level is not in the latents.
    """

    name = "encodec-48k"
    sample_rate = 48_000
    channels = 2
    dim = 128
    hop = 320
    frame_rate = sample_rate / hop
    shortest = hop
    published = WEIGHTS_48K
    library = "transformers"

    def _read(self, library: Any, folder: Path) -> Any:
        network = read_folder(library.EncodecModel, folder)
        config = network.config
        self._declare(config.sampling_rate, config.audio_channels, config.hidden_size, config.upsampling_ratios)
        self._levels_out = config.normalize
        del network.quantizer
        return network

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 128 frame]`, before the quantiser, of `audio [batch channel sample]`."""
        sound = self._input(audio)
        if self._levels_out:
            sound = sound / (sound.mean(1, keepdim=True).square().mean(-1, keepdim=True).sqrt() + 1e-8)
        with self._precision():
            return self._network.encoder(sound).float()

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch channel sample]` of `latents [batch 128 frame]`; nothing is drawn from `seed`.

        Where the level is not in the latents, sound comes back at an RMS of about -28 dB.
        """
        sound = self._network.decoder(self._latents(latents))
        return sound * LEVEL if self._levels_out else sound


class Encodec24k(Encodec48k):
    """EnCodec at 24 kHz mono, causal: 128 dims at 75 Hz, 128 x 410 of a clip; the level is in the latents."""

    name = "encodec-24k"
    sample_rate = 24_000
    channels = 1
    frame_rate = sample_rate / Encodec48k.hop
    activation_factor = 280  # measured 170-285 at full size: with `process.env` freed blocks are kept
    published = WEIGHTS_24K


ENTRIES = (
    published_entry(Encodec48k, "MIT, by its tag on the Hub"),
    published_entry(Encodec24k, "none declared on the Hub"),
)
