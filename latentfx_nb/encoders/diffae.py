"""`diffae`: the paper's DiffAE at full size (section 2.1), 64 dims at 375 Hz, with its diffusion decoder for GPUs.

The network is the DVAE of Zach Evans and Harmonai as audio-algebra uses it, written anew; its weights are the user's
own download, converted once (`sources/checkpoints.py`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from tqdm.auto import tqdm

from latentfx_nb.encoders.base import SlowDecoder, TorchEncoder, frozen
from latentfx_nb.encoders.entry import UNSTATED, Entry
from latentfx_nb.encoders.nets.soundstream import SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import Bar, DiffusionUNet, crash_times, draw
from latentfx_nb.encoders.sources.checkpoints import DIFFAE, load_network
from latentfx_nb.encoders.sources.weights import files_hash

ENCODER = DIFFAE.weights("encoder.safetensors", size_mb=79.2)
DECODER = DIFFAE.weights("decoder.safetensors", size_mb=1017.0)

STEPS = 35
"""Steps of DDIM: the authors' notebooks and their mixing code take 35, their wrapper's default is 50."""


class DiffAE(SlowDecoder, TorchEncoder):
    """DiffAE (section 2.1): 48 kHz stereo, one 64-vector in -1..1 per 128 samples, so 64 x 2048 of a clip.

    Causal: a frame depends on what came before it. On a CPU a step of the decoder takes minutes, and there are 35.
    """

    name = "diffae"
    sample_rate = 48_000
    channels = 2
    dim = 64
    hop = 128
    frame_rate: float | None = sample_rate / hop
    takes_bf16 = True
    activation_factor = 160  # measured 140 at full size

    def _load(self, weights: str | Path | None) -> None:
        path = ENCODER.fetch(weights)["encoder.safetensors"]
        self._folder = path.parent  # of the decoder too: two conversions are not mixed
        self._encoder = frozen(load_network(path, SoundStreamEncoder), self.device)
        self.channels, self.dim, self.hop = self._encoder.channels, self._encoder.latents, self._encoder.hop
        self.frame_rate = self.sample_rate / self.hop
        self.weights_hash = files_hash([path])

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 64 frame]` in -1..1, one frame each 128 samples of `audio [batch 2 sample]`."""
        sound = self._input(audio)
        with self._precision():
            return torch.tanh(self._encoder(sound).float())

    def decode(
        self, latents: torch.Tensor, *, seed: int = 0, steps: int | None = None, bar: Bar = tqdm
    ) -> torch.Tensor:
        """Return `[batch 2 sample]`, drawn by 35 `steps` of DDIM from noise of `seed`, the same for each of the batch.

        Raises ValueError unless `latents` is `[batch 64 frame]`, and FileNotFoundError if the decoder's part of the
        checkpoint is not here.
        """
        latents = self._latents(latents)
        times = crash_times(steps or STEPS)
        return torch.cat([draw(self._decoder, row, self.hop, times, seed, bar) for row in latents.split(1)])

    @cached_property
    def _decoder(self) -> DiffusionUNet:
        path = DECODER.fetch(self._folder)["decoder.safetensors"]
        return frozen(load_network(path, DiffusionUNet), self.device)


ENTRIES = (Entry(DiffAE, UNSTATED, ENCODER),)
