"""The networks under the shipped autoencoders: a diffusion autoencoder of any framed signal, and a feed-forward one.

Both work on lapped-transform coefficients. The diffusion autoencoder splits its latents in two: *fast* dims carry the
waveform and so swing around zero; *slow* dims hear band levels alone, so they carry level, spectrum and texture, which
is what a time average can keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.mdct import MDCT

DILATIONS = (1, 2, 4)
POWER = 0.6  # of a coefficient's size: companding, so that quiet partials count
FLOOR = 1e-5  # amplitude (-100 dB) under which a coefficient's logarithm is flat
HEADROOM = 4.0  # by which a loud bass is turned down at first, so that tanh does not clip it
FAINT_SIDE = 1e-3  # power of the side over the mid's (-30 dB) under which a drawn side is taken for none
FAINT = 0.03  # level of companded coefficients under which their mean is faded out
MARGIN = 32  # frames by which a signal is continued at both ends, in the encoder and in the decoder
QUIETEST = 1e-4  # level that the decoder can still predict, of companded coefficients


@dataclass(frozen=True)
class Layout:
    """What the shapes of a network follow from; saved beside its weights."""

    channels: int  # of the signal
    hop: int  # samples a frame
    fast: int  # latent dims at the frame rate
    slow: int = 0  # latent dims that are made once in `slow_stride` frames
    slow_stride: int = 4
    slow_blocks: int = 6
    slow_width: int = 192
    bands: int = 64  # of each channel, whose levels the slow dims hear
    side: int = 0  # how many of the fast dims are the side channel's, where they are apart
    width: int = 128
    blocks: int = 6
    decoder_width: int = 192
    decoder_blocks: int = 6
    residual: bool = True  # diffusion adds what a predicted mean lacks; else it makes everything from noise

    @property
    def coefficients(self) -> int:
        return self.channels * self.hop

    @property
    def dim(self) -> int:
        return self.fast + self.slow


class Block(nn.Module):
    """Normalise each frame, look at its dilated neighbours, add; `[batch width frame]` in and out."""

    def __init__(self, width: int, dilation: int, bias: bool = True) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))
        self.near = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=bias)
        self.mix = nn.Conv1d(width, width, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normal = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-4) * self.gain
        return x + self.mix(functional.silu(self.near(normal)))


def blocks(width: int, count: int, bias: bool = True) -> nn.Sequential:
    """Return `count` blocks that go through the dilations again and again."""
    return nn.Sequential(*(Block(width, DILATIONS[i % len(DILATIONS)], bias) for i in range(count)))


class Spectrum(nn.Module):
    """A signal as companded coefficients `[batch channel*bin frame]`, and back; two channels become mid and side."""

    scale: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.transform = MDCT(layout.hop)
        self.register_buffer("scale", torch.ones(layout.coefficients, 1))  # set by the training data

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return raw coefficients of `signal [batch channel sample]`, whole frames of it."""
        return self.transform(mid_side(signal)).flatten(1, 2)

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        return mid_side(self.transform.inverse(coefficients.unflatten(1, (self.layout.channels, -1))))

    def compand(self, coefficients: torch.Tensor) -> torch.Tensor:
        return coefficients.sign() * (coefficients.abs() / self.scale) ** POWER

    def expand(self, companded: torch.Tensor) -> torch.Tensor:
        return companded.sign() * companded.abs() ** (1 / POWER) * self.scale


def mid_side(signal: torch.Tensor) -> torch.Tensor:
    """Return left and right as mid and side, or back (the rotation is its own inverse); other signals as they are."""
    if signal.shape[1] != 2:
        return signal
    left, right = signal.unbind(1)
    return torch.stack([left + right, left - right], 1) * 0.5**0.5


class Levels(nn.Module):
    """A signal as logarithmic levels of bands `[batch channel*band frame]`, one frame where the slow dims have one."""

    bands: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.transform = MDCT(layout.hop * layout.slow_stride)
        self.register_buffer("bands", band_means(layout.bands, self.transform.hop), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        coefficients = self.transform(mid_side(signal))
        around = functional.pad(coefficients, (0, 0, 1, 1))
        # The neighbours stand in for the sine transform, so that a steady partial does not flicker with its phase
        # (Daudet and Sandler, "MDCT analysis of sinusoids", IEEE Trans. Speech and Audio Processing 12, 2004).
        power = coefficients.square() + (around[:, :, 2:] - around[:, :, :-2]).square()
        return ((torch.log10(self.bands @ power + FLOOR**2) + 6) / 2).flatten(1, 2)


def band_means(count: int, bins: int) -> torch.Tensor:
    """Return weights `[count bins]` that average bins in bands: single bins below, equal ratios of frequency above."""
    edges = np.geomspace(1, bins, count + 1)
    for index in range(count):  # no band is narrower than a bin
        edges[index + 1] = max(edges[index + 1], edges[index] + 1)
    edges = np.round(edges).astype(int)
    edges[0] = 0
    bands = torch.zeros(count, bins)
    for row, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        bands[row, low:high] = 1 / (high - low)
    return bands


class FastSlowEncoder(nn.Module):
    """Coefficients and levels to what becomes latents under tanh, `[batch dim frame]`, the fast dims first.

    The two halves share nothing: what the waveform needs costs the slow dims nothing, nor the other way round.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.fast = nn.Sequential(
            nn.Conv1d(layout.coefficients, layout.width, 1),
            blocks(layout.width, layout.blocks),
            nn.Conv1d(layout.width, layout.fast, 1),
        )
        self.slow = nn.Sequential(
            nn.Conv1d(layout.channels * layout.bands, layout.slow_width, 3, padding=1),
            blocks(layout.slow_width, layout.slow_blocks),
            nn.Conv1d(layout.slow_width, layout.slow, 1),
        )

    def forward(self, companded: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        slow = _continued(self.slow, levels)
        slow = functional.interpolate(slow, scale_factor=float(self.layout.slow_stride), mode="linear")
        return torch.cat([_continued(self.fast, companded), slow], 1)


def _continued(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return `network(x)`, for which both ends of `x` go on as they are: zeros there are no sound that it knows."""
    return network(functional.pad(x, (MARGIN, MARGIN), mode="replicate"))[..., MARGIN:-MARGIN]


class Denoiser(nn.Module):
    """One step of diffusion: from noisy coefficients, their time in 0..1 and what is known of them, the velocity."""

    rates: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.decoder_width
        self.enter = nn.Conv1d(layout.coefficients, width, 1)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.body = blocks(width, layout.decoder_blocks)
        self.leave = nn.Conv1d(width, layout.coefficients, 1)
        self.register_buffer("rates", torch.exp(torch.linspace(0.0, 5.0, width // 2)), persistent=False)

    def forward(self, noisy: torch.Tensor, time: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Return the velocity `[batch coefficient frame]` at `time [batch]`."""
        phase = time[:, None] * self.rates
        embedded = self.time(torch.cat([phase.sin(), phase.cos()], 1))
        return self.leave(self.body(self.enter(noisy) + known + embedded[:, :, None]))


class Prediction(NamedTuple):
    """Of each companded coefficient `[batch coefficient frame]`: local level, mean, and spread (standard deviation)."""

    level: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    known: torch.Tensor  # features for the denoiser `[batch width frame]`


class DiffusionAutoencoder(nn.Module):
    """Signal to latents, and latents to signals drawn by DDIM from a seed."""

    temperature: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        width = layout.decoder_width
        self.spectrum = Spectrum(layout)
        self.levels = Levels(layout)
        self.encoder = FastSlowEncoder(layout)
        self.enter = nn.Conv1d(layout.dim, width, 3, padding=1)
        self.body = blocks(width, layout.decoder_blocks)
        self.mean = nn.Conv1d(width, layout.coefficients, 1)
        self.log_level = nn.Conv1d(width, layout.coefficients, 1)
        self.log_spread = nn.Conv1d(width, layout.coefficients, 1)
        self.denoiser = Denoiser(layout)
        self.register_buffer("temperature", torch.ones(()))

    def encode(self, signal: torch.Tensor) -> torch.Tensor:
        """Return latents `[batch dim frame]` of `signal [batch channel sample]`; the last frame may be part empty."""
        frames = -(-signal.shape[-1] // self.layout.hop)
        signal = functional.pad(signal, (0, -signal.shape[-1] % self.levels.transform.hop))
        companded = self.spectrum.compand(self.spectrum(signal))
        return torch.tanh(self.encoder(companded, self.levels(signal)))[..., :frames]

    def predict(self, latents: torch.Tensor) -> Prediction:
        """Return what the latents say of the companded coefficients before any noise is drawn."""
        known = self.body(self.enter(latents))
        level = QUIETEST + self.log_level(known).float().clamp(-12, 4).exp()
        if not self.layout.residual:
            return Prediction(level, torch.zeros_like(level), level, known)
        spread = level.detach() * self.log_spread(known).float().clamp(-6, 2).exp()
        return Prediction(level, self.mean(known).float() * gate(level.detach()), spread, known)

    def sample(self, latents: torch.Tensor, seed: int, steps: int, temperature: float | None = None) -> torch.Tensor:
        """Return a signal `[batch channel sample]` drawn by `steps` of DDIM from noise of `seed`, alike for each row.

        `temperature` scales that noise: 1 draws what the model believes, less draws nearer to its middle. Left out,
        it is the one that was tuned after training.
        """
        predicted = self.predict(functional.pad(latents, (MARGIN, MARGIN), mode="replicate"))
        noise = torch.randn(predicted.mean.shape[1:], generator=torch.Generator().manual_seed(seed))
        noise = noise * (self.temperature if temperature is None else temperature)
        x = noise.to(latents.device).expand_as(predicted.mean)
        times = torch.linspace(1, 0, steps + 1, device=latents.device)
        for now, then in zip(times[:-1], times[1:]):
            velocity = self.denoiser(x, now.expand(len(x)), predicted.known)
            signal, minus_noise = turn(x, -velocity, now)
            x = turn(signal, -minus_noise, then)[0]
        companded = (predicted.mean + predicted.spread * x)[..., MARGIN:-MARGIN]
        return self.spectrum.inverse(self.spectrum.expand(companded))


def gate(level: torch.Tensor) -> torch.Tensor:
    """Return 1 where `level` is heard and 0 far below: what a network adds to silence would be heard."""
    square = level.square()
    return square / (square + FAINT**2)


def turn(a: torch.Tensor, b: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `a` and `b` rotated by `time` quarter turns.

    Signal and noise become noisy signal and velocity; noisy signal and negated velocity, signal and negated noise.
    """
    angle = time * (torch.pi / 2)
    return a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin()


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
            nn.init.eye_(self.straight_in.weight[..., 0]).div_(HEADROOM)
            nn.init.eye_(self.straight_out.weight[..., 0]).mul_(HEADROOM)
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
        mid, side = (self.spectrum(signal) / self.spectrum.scale).chunk(2, 1)
        return torch.cat([self.mid.encode(mid), self.side.encode(side)], 1)

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
