"""`dac-44k`: the Descript Audio Codec before its residual quantiser or after part of it, with its decoder.

Weights: https://huggingface.co/descript/dac_44khz, read by transformers. Model: Kumar et al. 2023, "High-fidelity audio
compression with improved RVQGAN", https://arxiv.org/abs/2306.06546.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch

from latentfx_nb.encoders.pretrained import PretrainedCodec, published_entry, read_folder
from latentfx_nb.encoders.sources.weights import HubWeights
from latentfx_nb.encoders.variants import Possible

WEIGHTS = HubWeights(
    "dac-44k",
    "descript/dac_44khz",
    "c1bc521685adf9cfe247bc39a5ca58917eda1ac4",
    306.5,
    sha256={"model.safetensors": "6128ebff483a41422b0164d079a3773b0d8d82e64c4293d775994cbf8baf913a"},
)


class Dac44k(PretrainedCodec):
    """DAC at 44.1 kHz mono: 1024 dims at 86 Hz, 1024 x 470 of a clip; what is left of the last frame is dropped."""

    name = "dac-44k"
    sample_rate = 44_100
    channels = 1
    dim = 1024
    hop = 512
    frame_rate = sample_rate / hop
    shortest = hop
    strides = (2, 4, 8, 8)
    activation_factor = 700  # measured 390-780 at full size: with `process.env` freed blocks are kept
    published = WEIGHTS
    variants: ClassVar[Possible] = {"quantizers": range(1, 10)}
    library = "transformers"

    def _read(self, library: Any, folder: Path) -> Any:
        network = read_folder(library.DacModel, folder)
        config = network.config
        self._declare(config.sampling_rate, 1, config.hidden_size, config.downsampling_ratios)
        self._keep_quantisers(network, config.n_codebooks)
        return network

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 1024 frame]`, before the quantiser or after `quantizers`, of `audio [batch 1 sample]`."""
        return self._codec_latents(self._input(audio))

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 1 sample]` of `latents [batch 1024 frame]`; nothing is drawn from `seed`."""
        return self._network.decoder(self._latents(latents))

    def _before(self, sound: torch.Tensor) -> torch.Tensor:
        with self._precision():
            return self._network.encoder(sound).float()

    def _after(self, latents: torch.Tensor, quantizers: int) -> torch.Tensor:
        return self._network.quantizer(latents, quantizers)[0]


ENTRIES = (published_entry(Dac44k, "MIT, as reported"),)
