"""The autoencoders that ship: `diffae-mini` and the two stages of `stacked-mini`, the paper's designs at a small size.

Trained by `tools/train_mini.py`; figures and limits stand in `bundled/weights/CARD.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors import safe_open

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.entry import OWN_LICENCE, Entry
from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder
from latentfx_nb.encoders.nets.parts import Layout
from latentfx_nb.encoders.sources.weights import ShippedWeights

DIFFAE = ShippedWeights(("diffae-mini.safetensors",))
STAGE_1 = ShippedWeights(("stacked-mini-stage-1.safetensors",))
STACKED = ShippedWeights(("stacked-mini-stage-1.safetensors", "stacked-mini-stage-2.safetensors"))

STEPS = 8
"""Steps of DDIM. Ours: 32 change SI-SDR by less than 0.5 dB and log10-mel L1 by less than 0.01 on recordings."""


class _Mini(TorchEncoder):
    """The base of the shipped models: 48 kHz stereo in, latents at a whole fraction of that rate out."""

    sample_rate = 48_000
    channels = 2
    shipped: ShippedWeights
    _models: list[Any]  # each file says which kind of network it holds

    def _load(self, weights: str | Path | None) -> None:
        """Load the shipped weights, or your own of the same names from the folder `weights`.

        Raises FileNotFoundError if the folder lacks one, and ValueError if a file is not what was shipped, or is no
        weights file of this model.
        """
        self._models = [frozen(_load_network(path), self.device) for path in self.shipped.fetch(weights).values()]
        if weights is not None:
            self.weights_hash = self.shipped.hash(weights)


class DiffAEMini(_Mini):
    """A diffusion autoencoder (section 2.1): 64 dims at 375 Hz, so 64 x 2048 of a clip.

    The first 24 dims follow the waveform; the last 40 move at 94 Hz and carry level, spectrum and texture.
    """

    name = "diffae-mini"
    dim = 64
    hop = 128
    frame_rate: float | None = _Mini.sample_rate / hop
    shipped = DIFFAE
    weights_hash = DIFFAE.hash()
    noise_floor = (
        "Rounding a clip to 16 bits, noise at -101 dB, moves diffae-mini's time average by 15 % rms on bundled clips "
        "and by 9 % on recordings (medians of 11 each; 0.5 to 17 %): differences as small as that need not be audible."
    )

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 64 frame]` in -1..1, one frame each 128 samples of `audio [batch 2 sample]`."""
        return self._models[0].encode(self._input(audio))

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]`, drawn by 8 steps of DDIM from noise of `seed`, the same for each of the batch.

        Raises ValueError unless `latents` is `[batch 64 frame]`.
        """
        return self._models[0].sample(self._latents(latents), seed, STEPS)


class StackedMini1Encoder(_Mini):
    """The stacked model's first stage alone, as its encoder gives it: 32 dims at 1500 Hz, 32 x 8192 of a clip.

    A feed-forward autoencoder with half as many numbers as the sound: its latents still follow the waveform.
    """

    name = "stacked-mini-1-encoder"
    dim = 32
    hop = 32
    frame_rate: float | None = _Mini.sample_rate / hop
    shipped = STAGE_1
    weights_hash = STAGE_1.hash()

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]` in -1..1, one frame each 32 samples of `audio [batch 2 sample]`."""
        return self._models[0].encode(self._input(audio))

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]` of `latents [batch 32 frame]`; nothing is drawn from `seed`."""
        return self._models[0].decode(self._latents(latents))


class StackedMini2(_Mini):
    """The stacked model's second stage: 32 dims at 94 Hz, 32 x 512 of a clip, 16 times coarser than the first."""

    name = "stacked-mini-2"
    dim = 32
    hop = 512
    frame_rate: float | None = _Mini.sample_rate / hop
    shipped = STACKED
    weights_hash = STACKED.hash()
    noise_floor = (
        "Rounding a clip to 16 bits, noise at -101 dB, moves stacked-mini-2's time average by 4 % rms on bundled clips "
        "and by 3 % on recordings (medians of 11 each; 0.3 to 7 %): differences as small as that need not be audible."
    )

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]` in -1..1, one frame each 512 samples of `audio [batch 2 sample]`."""
        first, second = self._models
        return second.encode(first.encode(self._input(audio)))

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]`: first-stage latents drawn by DDIM from noise of `seed`, then decoded."""
        return self._models[0].decode(self._drawn(self._latents(latents), seed))

    def _drawn(self, latents: torch.Tensor, seed: int) -> torch.Tensor:
        """Return first-stage latents `[batch 32 frame]` drawn from noise of `seed`."""
        first, second = self._models
        return first.without_faint_side(second.sample(latents, seed, STEPS))


class StackedMini1(StackedMini2):
    """The stacked model's first stage as the paper takes it (section 2.1): sampled up from the second by diffusion."""

    name = "stacked-mini-1"
    dim = 32
    hop = StackedMini1Encoder.hop
    frame_rate: float | None = StackedMini1Encoder.frame_rate
    seed = 0
    noise_floor = ""  # not measured
    weights_hash = digest(f"{STACKED.hash()} {seed}")

    def __init__(self, device: str = "auto", weights: str | Path | None = None, *, seed: int = 0) -> None:
        """Load as the other models do; `seed` fixes the noise that the first stage is drawn from."""
        self.seed = seed
        super().__init__(device, weights)

    def _load(self, weights: str | Path | None) -> None:
        super()._load(weights)
        self.weights_hash = digest(f"{self.shipped.hash(weights)} {self.seed}")

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 32 frame]`, one frame each 32 samples, drawn from noise of `self.seed`."""
        first, second = self._models
        direct = first.encode(self._input(audio))
        return self._drawn(second.encode(direct), self.seed)[..., : direct.shape[-1]]

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 2 sample]` of `latents [batch 32 frame]`; nothing is drawn from `seed`."""
        return self._models[0].decode(self._latents(latents))


_NETWORKS = {network.__name__: network for network in (DiffusionAutoencoder, FeedForwardAutoencoder)}


def _load_network(path: Path) -> torch.nn.Module:
    """Return the network of a safetensors file, whose header says what it is; raise ValueError if it is another."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
        if header["model"] != path.stem:
            raise ValueError(f"it holds {header['model']}")
        kind, layout = _NETWORKS[header["network"]], Layout(**json.loads(header["layout"]))
        with torch.device("meta"):  # where a wrong layout takes no memory
            kind(layout).load_state_dict(weights, assign=True)
        network = kind(layout)
        network.load_state_dict(weights)
    except Exception as error:
        raise ValueError(
            f"{path} holds no weights that this version can use ({type(error).__name__}: "
            f"{shorten(str(error), 400)}); write it with "
            "python -m tools.train_mini, or leave `weights` out for the shipped ones"
        ) from error
    return network


ENTRIES = tuple(
    Entry(model, OWN_LICENCE, model.shipped) for model in (DiffAEMini, StackedMini2, StackedMini1, StackedMini1Encoder)
)
