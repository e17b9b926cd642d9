"""The diffusion autoencoder under the shipped encoders: it works on lapped-transform coefficients of any signal.

It splits its latents in two: *fast* dims carry the waveform and so swing around zero; *slow* dims hear band levels
alone, so they carry level, spectrum and texture, which is what a time average can keep.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.mdct import MDCT
from latentfx_nb.encoders.nets.parts import Layout, Spectrum, blocks, mid_side, without_silent_side

FLOOR = 1e-5  # amplitude (-100 dB) under which a coefficient's logarithm is flat
FAINT = 0.03  # level of companded coefficients under which their mean is faded out
MARGIN = 32  # frames by which latents are continued at both ends before they are decoded
QUIETEST = 1e-4  # level that the decoder can still predict, of companded coefficients


class Levels(nn.Module):
    """A signal as logarithmic levels of bands `[batch channel*band frame]`, one frame where the slow dims have one."""

    bands: torch.Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.transform = MDCT(layout.hop * layout.slow_stride)
        self.register_buffer("bands", band_means(layout.bands, self.transform.hop), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.of_parts(mid_side(signal))

    def of_parts(self, parts: torch.Tensor) -> torch.Tensor:
        """Return the levels of channels `[batch channel sample]`; those that are left out are silent."""
        coefficients = self.transform(parts).transpose(-1, -2)
        around = functional.pad(coefficients, (1, 1))
        # The neighbours stand in for the sine transform, so that a steady partial does not flicker with its phase
        # (Daudet and Sandler, "MDCT analysis of sinusoids", IEEE Trans. Speech and Audio Processing 12, 2004).
        power = coefficients.square() + (around[..., 2:] - around[..., :-2]).square()
        levels = _logarithm(power @ self.bands.T).transpose(-1, -2)
        missing = self.layout.channels - parts.shape[1]
        return functional.pad(levels, (0, 0, 0, 0, 0, missing), value=SILENT).flatten(1, 2)


def _logarithm(power: torch.Tensor) -> torch.Tensor:
    return (torch.log10(power + FLOOR**2) + 6) / 2


SILENT = float(_logarithm(torch.zeros((), device="cpu")))  # level of a band in which there is nothing


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
    """Coefficients and levels to latents before tanh, `[batch dim frame]`, the fast dims first.

    The two halves share no weights, so neither takes capacity from the other.
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
        """Return latents of companded coefficients, whose last channels may be left out, and of levels."""
        slow = _continued(self.slow, levels)
        slow = functional.interpolate(slow, scale_factor=float(self.layout.slow_stride), mode="linear")
        return torch.cat([_continued(self.fast, companded), slow], 1)


def _continued(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Return `network(x)` with both ends of `x` continued: zeros there would be unlike any sound it was trained on.

    Channels that `x` lacks count as zeros.
    """
    enter, body, leave = network
    weight, bias = enter.get_parameter("weight")[:, : x.shape[1]], enter.get_parameter("bias")
    margin = _margin(network)
    padded = functional.pad(x, (margin, margin), mode="replicate")
    return leave(body(functional.conv1d(padded, weight, bias, padding=weight.shape[-1] // 2)))[..., margin:-margin]


def _margin(network: nn.Module) -> int:
    """Return how many frames before and after a frame its result may hear, as a multiple of 16, which runs faster."""
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv1d))
    reach = sum(one.dilation[0] * (one.kernel_size[0] // 2) for one in convolutions)
    return -(-reach // 16) * 16


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
        # On the CPU even where the network is built on "meta": torch imports its compiler, 1.2 s, to make one there.
        rates = torch.exp(torch.linspace(0.0, 5.0, width // 2, device="cpu"))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, noisy: torch.Tensor, time: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Return the velocity `[batch coefficient frame]` at `time [batch]`."""
        phase = time[:, None] * self.rates
        embedded = self.time(torch.cat([phase.sin(), phase.cos()], 1))
        return self.leave(self.body(self.enter(noisy) + known + embedded[:, :, None]))


class Prediction(NamedTuple):
    """Local level, mean and spread (standard deviation) of each companded coefficient `[batch coefficient frame]`."""

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
        return without_silent_side(self._encode, signal)[..., :frames]

    def _encode(self, parts: torch.Tensor) -> torch.Tensor:
        """Return latents of mid and side, of the mid alone, or of other channels `[batch channel sample]`."""
        companded = self.spectrum.compand(self.spectrum.transform(parts).flatten(1, 2))
        return torch.tanh(self.encoder(companded, self.levels.of_parts(parts)))

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
    """Return 1 where `level` is audible and 0 far below: sound that a network adds to silence would be heard."""
    square = level.square()
    return square / (square + FAINT**2)


def turn(a: torch.Tensor, b: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `a` and `b` rotated by `time` quarter turns.

    Signal and noise become noisy signal and velocity; noisy signal and negated velocity, signal and negated noise.
    """
    angle = time * (torch.pi / 2)
    return a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin()
