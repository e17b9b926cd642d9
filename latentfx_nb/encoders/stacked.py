"""`stacked-1-encoder`, `stacked-2` and `stacked-1`: the paper's Stacked DiffAE at full size (section 2.1).

A first stage turns audio into 32 dims at 1500 Hz, feed-forward; a second one turns these into 32 dims at 94 Hz and,
by diffusion, back. Weights are the user's own checkpoint, converted once (`sources/checkpoints.py`).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch
from tqdm.auto import tqdm

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import SlowDecoder, TorchEncoder, frozen
from latentfx_nb.encoders.entry import UNSTATED, Entry
from latentfx_nb.encoders.nets.encoder1d import Encoder1d
from latentfx_nb.encoders.nets.soundstream import SoundStreamDecoder, SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import Bar, DiffusionUNet, draw, even_times
from latentfx_nb.encoders.sources.checkpoints import STACKED, N, load_network
from latentfx_nb.encoders.sources.weights import ConvertedWeights, files_hash

STAGE_1 = STACKED.weights("stage-1-encoder.safetensors", size_mb=313.8)
STAGE_2 = STACKED.weights("stage-1-encoder.safetensors", "stage-2-encoder.safetensors", size_mb=815.0)
SAMPLED = STACKED.weights(*STAGE_2.files, "stage-2-decoder.safetensors", size_mb=1501.9)
STAGE_1_DECODER = STACKED.weights("stage-1-decoder.safetensors", size_mb=314.8)
STAGE_2_DECODER = STACKED.weights("stage-2-decoder.safetensors", size_mb=686.8)

STEPS = 100
"""Steps of DDIM, as in the authors' code."""


class _Stacked(TorchEncoder):
    """The base of all stages: 48 kHz stereo, and the parts of one checkpoint."""

    sample_rate = 48_000
    channels = 2
    dim = 32
    takes_bf16 = True
    activation_factor = 480  # measured 440 at full size
    converted: ConvertedWeights  # the parts that encoding needs

    def _load(self, weights: str | Path | None) -> None:
        paths = self.converted.fetch(weights)
        self._folder = next(iter(paths.values())).parent  # of all parts: two conversions are not mixed
        self._first = self._network(STAGE_1, SoundStreamEncoder)
        self.channels, self.dim, self.hop = self._first.channels, self._first.latents, self._first.hop
        self.frame_rate = self.sample_rate / self.hop
        self.weights_hash = files_hash(paths.values())

    def _network(self, part: ConvertedWeights, network: type[N]) -> N:
        """Return the network of the last file of `part`."""
        return frozen(load_network(part.fetch(self._folder)[part.files[-1]], network), self.device)

    def _first_latents(self, audio: torch.Tensor) -> torch.Tensor:
        sound = self._input(audio)
        with self._precision():
            return torch.tanh(self._first(sound).float())

    @cached_property
    def _first_decoder(self) -> SoundStreamDecoder:
        return self._network(STAGE_1_DECODER, SoundStreamDecoder)


class Stacked1Encoder(_Stacked):
    """The first stage alone, as its encoder gives it: 32 dims at 1500 Hz, 32 x 8192 of a clip, causal."""

    name = "stacked-1-encoder"
    hop = 32
    frame_rate: float | None = _Stacked.sample_rate / hop
    converted = STAGE_1

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]` in -1..1, one frame each 32 samples of `audio [batch 2 sample]`."""
        return self._first_latents(audio)

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]` of `latents [batch 32 frame]`; nothing is drawn from `seed`.

        Raises FileNotFoundError if the decoder's part of the checkpoint is not here.
        """
        return self._first_decoder(self._latents(latents))


class Stacked2(SlowDecoder, _Stacked):
    """The second stage: 32 dims at 94 Hz, 32 x 512 of a clip, 16 times coarser than the first."""

    name = "stacked-2"
    hop = 512
    frame_rate: float | None = _Stacked.sample_rate / hop
    converted = STAGE_2

    def _load(self, weights: str | Path | None) -> None:
        super()._load(weights)
        self._second = self._network(STAGE_2, Encoder1d)
        self._ratio = self._second.hop
        self.dim, self.hop = self._second.latents, self.hop * self._ratio
        self.frame_rate = self.sample_rate / self.hop

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]` in -1..1, one frame each 512 samples of `audio [batch 2 sample]`."""
        first = self._first_latents(audio)
        with self._precision():
            return torch.tanh(self._second(first).float())

    def decode(
        self, latents: torch.Tensor, *, seed: int = 0, steps: int | None = None, bar: Bar = tqdm
    ) -> torch.Tensor:
        """Return `[batch 2 sample]`: first-stage latents drawn by 100 `steps` of DDIM from noise of `seed`, decoded.

        Raises FileNotFoundError if a decoder's part of the checkpoint is not here.
        """
        return self._first_decoder(self._drawn(self._latents(latents), seed, steps or STEPS, bar))

    def _drawn(self, latents: torch.Tensor, seed: int, steps: int, bar: Bar) -> torch.Tensor:
        """Return first-stage latents `[batch 32 frame]` drawn from noise of `seed`."""
        return draw(self._sampler, latents, self._ratio, even_times(steps), seed, bar)

    @cached_property
    def _sampler(self) -> DiffusionUNet:
        return self._network(STAGE_2_DECODER, DiffusionUNet)


class Stacked1(Stacked2):
    """The first stage as the paper takes it (section 2.1): sampled up from the second, 100 steps a clip, for GPUs."""

    name = "stacked-1"
    hop = Stacked1Encoder.hop
    frame_rate: float | None = Stacked1Encoder.frame_rate
    seed = 0
    converted = SAMPLED

    def __init__(
        self, device: str = "auto", weights: str | Path | None = None, *, bf16: bool = False, seed: int = 0
    ) -> None:
        """Load as the other stages do; `seed` fixes the noise that the first stage is drawn from."""
        self.seed = seed
        super().__init__(device, weights, bf16=bf16)

    def _load(self, weights: str | Path | None) -> None:
        super()._load(weights)
        self.dim, self.hop = self._first.latents, self._first.hop
        self.frame_rate = self.sample_rate / self.hop
        self.weights_hash = digest(f"{self.weights_hash} {self.seed} {STEPS}")

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]`, one frame each 32 samples, drawn from noise of `self.seed`."""
        second = super().encode(audio)
        drawn = self._drawn(second, self.seed, STEPS, iter)
        return drawn[..., : self.frames(audio.shape[-1])]

    @property
    def decodes_slowly(self) -> bool:
        """Whether decoding takes so long that a page should not start it by itself: the first stage's is fast."""
        return False

    def decode(  # type: ignore[override]  # nothing is sampled, so there are no steps
        self, latents: torch.Tensor, *, seed: int = 0
    ) -> torch.Tensor:
        """Return `[batch 2 sample]` of `latents [batch 32 frame]`; nothing is drawn from `seed`."""
        return self._first_decoder(self._latents(latents))


ENTRIES = tuple(Entry(model, UNSTATED, model.converted) for model in (Stacked2, Stacked1, Stacked1Encoder))
