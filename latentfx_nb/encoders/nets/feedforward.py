"""The feed-forward autoencoder under the first stage of `stacked-mini`; it works on lapped-transform coefficients."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.parts import Layout, Spectrum, blocks, without_silent_side

HEADROOM = 4.0  # by which a loud bass is turned down at first, so that tanh does not clip it
FAINT_SIDE = 1e-3  # power of the side over the mid's (-30 dB) under which a drawn side is taken for none


class Subbands(nn.Module):
    """One channel's coefficients to latent dims and back, the lowest straight through, the rest where it fits.

    Without a bias anywhere silence gives zeros, and zeros give silence. Each dim begins as one coefficient: from a
    random start every dim becomes a mixture of all, in which a partial is spread everywhere, and a second stage has
    nothing sparse to compress.
    """

    def __init__(self, coefficients: int, dim: int, layout: Layout) -> None:
        super().__init__()
        width, up_width = layout.width, layout.decoder_width
        self.straight_in = nn.Conv1d(coefficients, dim, 1, bias=False)
        self.straight_out = nn.Conv1d(dim, coefficients, 1, bias=False)
        self.down = nn.Sequential(
            nn.Conv1d(coefficients, width, 1, bias=False),
            blocks(width, layout.blocks, bias=False),
            nn.Conv1d(width, dim, 1, bias=False),
        )
        self.up = nn.Sequential(
            nn.Conv1d(dim, up_width, 1, bias=False),
            blocks(up_width, layout.decoder_blocks, bias=False),
            nn.Conv1d(up_width, coefficients, 1, bias=False),
        )
        with torch.no_grad():
            # Not `nn.init.eye_`: for a network on "meta" torch imports its compiler, 1.2 s, to do that.
            self.straight_in.weight[..., 0].zero_().fill_diagonal_(1 / HEADROOM)
            self.straight_out.weight[..., 0].zero_().fill_diagonal_(HEADROOM)
            for network in (self.down, self.up):
                network[-1].get_parameter("weight").mul_(0.1)

    def encode(self, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.straight_in(coefficients) + self.down(coefficients))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.straight_out(latents) + self.up(latents)


class FeedForwardAutoencoder(nn.Module):
    """Deterministic (feed-forward) autoencoder: the first stage of the stacked model.

    Mid and side share nothing, so that mono stays mono; the last `layout.side` dims are the side's.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.spectrum = Spectrum(layout)
        self.mid = Subbands(layout.hop, layout.fast - layout.side, layout)
        self.side = Subbands(layout.hop, layout.side, layout)

    def encode(self, signal: torch.Tensor) -> torch.Tensor:
        """Return latents `[batch dim frame]` in -1..1 of `signal [batch 2 sample]`."""
        signal = functional.pad(signal, (0, -signal.shape[-1] % self.layout.hop))
        return without_silent_side(self._encode, signal)

    def _encode(self, parts: torch.Tensor) -> torch.Tensor:
        """Return latents `[batch dim frame]` of mid and side `[batch 2 sample]`, or of the mid alone."""
        coefficients = self.spectrum.transform(parts).flatten(1, 2)
        scaled = coefficients / self.spectrum.scale[: coefficients.shape[1]]
        mid, *sides = scaled.split(self.layout.hop, 1)
        latents = [self.mid.encode(mid), *(self.side.encode(side) for side in sides)]
        silent = 0 if sides else self.layout.side  # no layer has a bias, so the side's latents of silence are zeros
        return functional.pad(torch.cat(latents, 1), (0, 0, 0, silent))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the signal `[batch 2 sample]` of `latents [batch dim frame]`."""
        mid, side = self._parts(latents)
        return self.spectrum.inverse(torch.cat([self.mid.decode(mid), self.side.decode(side)], 1) * self.spectrum.scale)

    def without_faint_side(self, latents: torch.Tensor) -> torch.Tensor:
        """Return drawn `latents` with the side faded out if, over the clip, it is far under the mid.

        A mono sound has no side at all, and what a second stage guesses of one would be heard as width.
        """
        mid, side = self._parts(latents)
        share = side.square().sum((1, 2), keepdim=True) / (mid.square().sum((1, 2), keepdim=True) + 1e-12)
        return torch.cat([mid, side * share / (share + FAINT_SIDE)], 1)

    def _parts(self, latents: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return latents.split([self.layout.fast - self.layout.side, self.layout.side], 1)
