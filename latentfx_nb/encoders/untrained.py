"""Shipped models as they were before training: what a probe reads off an architecture alone."""

from __future__ import annotations

import torch

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import Encoder, frozen
from latentfx_nb.encoders.mini import DiffAEMini, StackedMini1Encoder, StackedMini2
from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder

Network = DiffusionAutoencoder | FeedForwardAutoencoder

_MODELS = {model.name: model for model in (DiffAEMini, StackedMini1Encoder, StackedMini2)}

UNTRAINED = tuple(_MODELS)
"""Models that `untrained` can draw: those that ship and encode without drawing from a decoder."""


def untrained(name: str, seed: int, device: str = "auto") -> Encoder:
    """Return the shipped model `name` with its layout and input scales, and torch's first weights drawn by `seed`.

    A baseline: its name says "random weights", no list has it and `load_encoder` does not know it, so that nothing
    runs on random weights unless it asked for them here. Raises ValueError for a model that does not ship.
    """
    if name not in _MODELS:
        raise ValueError(f"{name!r} cannot be drawn untrained: choose one of {', '.join(UNTRAINED)}")
    with torch.random.fork_rng(devices=[]):
        encoder = _MODELS[name](device)
        torch.manual_seed(seed)
        encoder._models = [frozen(_first_weights(trained), encoder.device) for trained in encoder._models]
    encoder.name = f"{name}, random weights {seed}"
    encoder.weights_hash = digest(f"random {seed} {encoder.weights_hash}")
    return encoder


def _first_weights(trained: Network) -> Network:
    """Return a network of the same kind and layout as before training; the scales of its input are the same."""
    fresh = type(trained)(trained.layout)
    fresh.spectrum.load_state_dict(trained.spectrum.state_dict())
    return fresh
