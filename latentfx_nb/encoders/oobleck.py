"""`oobleck-acestep` and `oobleck-stable-audio`: the autoencoders under two music generators, with their decoders.

Weights: https://huggingface.co/ACE-Step/Ace-Step1.5 and https://huggingface.co/stabilityai/stable-audio-open-1.0, which
is gated, subfolder vae of each, read by diffusers. Model: Evans et al. 2024, "Stable Audio Open",
https://arxiv.org/abs/2407.14358.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from latentfx_nb.encoders.pretrained import PretrainedEncoder, published_entry, read_folder
from latentfx_nb.encoders.sources.weights import HubWeights

FILES = ("config.json", "diffusion_pytorch_model.safetensors")

ACE_STEP = HubWeights(
    "oobleck-acestep",
    "ACE-Step/Ace-Step1.5",
    "19671f406d603126926c1b7e2adc169acbcade22",
    337.4,
    FILES,
    subfolder="vae",
    sha256={FILES[1]: "da17edb604c40deaf09e9b24974e590d1ca83a374070e5d0884cfa4bed9a99b0"},
)
STABLE_AUDIO = HubWeights(
    "oobleck-stable-audio",
    "stabilityai/stable-audio-open-1.0",
    "f21265c1e2710b3bd2386596943f0007f55f802e",
    624.5,
    FILES,
    subfolder="vae",
    gated=True,
    sha256={FILES[1]: "2131cdb52020b2473707465449d8bdb4f6cca61c93150a947baca02bc58ffd7b"},
)


class OobleckAceStep(PretrainedEncoder):
    """The VAE of ACE-Step 1.5 at 48 kHz stereo: 64 dims at 25 Hz, 64 x 136 of a clip, the posterior's means.

    What is left of the last frame is dropped.
    """

    name = "oobleck-acestep"
    sample_rate = 48_000
    channels = 2
    dim = 64
    hop = 1920
    frame_rate = sample_rate / hop
    shortest = hop
    strides = (2, 4, 4, 6, 10)
    activation_factor = 700  # measured 390-780 at full size: with `process.env` freed blocks are kept
    published = ACE_STEP
    library = "diffusers"

    def _read(self, library: Any, folder: Path) -> Any:
        network = read_folder(library.AutoencoderOobleck, folder, low_cpu_mem_usage=False)
        config = network.config
        channels, dim = config.audio_channels, config.decoder_input_channels
        self._declare(config.sampling_rate, channels, dim, config.downsampling_ratios)
        return network

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 64 frame]`, the means of the posterior, of `audio [batch 2 sample]`."""
        sound = self._input(audio)
        with self._precision():
            return self._network.encode(sound).latent_dist.mode().float()

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]` of `latents [batch 64 frame]`; nothing is drawn from `seed`."""
        return self._network.decode(self._latents(latents)).sample


class OobleckStableAudio(OobleckAceStep):
    """The VAE of Stable Audio Open at 44.1 kHz stereo: 64 dims at 21.5 Hz, 64 x 117 of a clip. Its licence is gated."""

    name = "oobleck-stable-audio"
    sample_rate = 44_100
    strides = (2, 4, 4, 8, 8)
    hop = 2048
    frame_rate = sample_rate / hop
    shortest = hop
    published = STABLE_AUDIO


ENTRIES = (
    published_entry(OobleckAceStep, "MIT, as reported"),
    published_entry(OobleckStableAudio, "Stability AI Community"),
)
