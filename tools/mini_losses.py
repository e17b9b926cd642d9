"""What the shipped autoencoders are trained to do: losses of the two networks, and the statistics of texture."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.mdct import MDCT
from latentfx_nb.encoders.networks import DiffusionAutoencoder, FeedForwardAutoencoder, turn

LATENT_NOISE = 0.02
"""Standard deviation of what is added to latents of -1 to 1 in training: no secrets in their last digits."""

WEIGHTS = {"mean": 1.0, "level": 0.1, "spread": 0.1, "diffusion": 0.3, "texture": 0.2}
OUTLIER = 50.0  # squared deviations per variance that a likelihood still counts


class Texture(nn.Module):
    """Statistics of a sound's texture, and a linear guess of them from the time average of its latents.

    After McDermott and Simoncelli (Neuron 71, 2011): means, deviations, asymmetry and modulation of band envelopes,
    stereo width and tonality. They are computed from the sound alone; no effect's name or setting is used.
    """

    BANDS = 20
    WIDE_BANDS = 5

    def __init__(self, dim: int, samples: int) -> None:
        super().__init__()
        self.transform = MDCT(128)
        self.register_buffer("bands", torch.from_numpy(_bands(self.BANDS)), persistent=False)
        count = self.statistics(torch.randn(1, 2, samples)).shape[1]
        self.guess = nn.Linear(dim, count)
        self.register_buffer("middle", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))

    @torch.no_grad()
    def statistics(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch statistic]` of `audio [batch 2 sample]`, from log levels of bands at 94 Hz."""
        left, right = audio.unbind(1)
        power = self.transform(torch.stack([left + right, left - right], 1) * 0.5**0.5).square()
        level = torch.log10(self._pooled(power) + 1e-10)
        mid, side = level.unbind(1)
        tonality = (level - self._pooled(torch.log10(power + 1e-10)))[:, 0]  # of a flat spectrum this is small
        change = mid.diff(dim=-1)
        pace = change.std(-1) + 0.02
        attack = ((change**3).mean(-1) / pace**3).clamp(-4, 4)  # a struck string rises faster than it falls
        slower = [functional.avg_pool1d(mid, n, n // 2).std(-1) for n in (8, 32)]
        wide = [x.mean(-1).unflatten(1, (self.WIDE_BANDS, -1)).mean(2) for x in (side - mid, tonality)]
        return torch.cat([mid.mean(-1), mid.std(-1), pace, attack, *slower, *wide], 1)

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        """Return means over bands and four frames."""
        return functional.avg_pool1d((self.bands @ x).flatten(1, 2), 4).unflatten(1, (2, -1))

    def fit_scale(self, audio: torch.Tensor) -> None:
        """Set what counts as usual for each statistic."""
        values = self.statistics(audio)
        self.middle.copy_(values.mean(0))
        self.spread.copy_(values.std(0) + 1e-3)

    def forward(self, latents: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of the guess, in units of each statistic's usual spread."""
        wanted = ((self.statistics(audio) - self.middle) / self.spread).clamp(-4, 4)
        return functional.mse_loss(self.guess(latents.float().mean(-1)), wanted)


def _bands(count: int) -> np.ndarray:
    """Return means over bins `[band bin]` of a 128-bin frame: single bins (188 Hz) below, wider ones above."""
    edges = np.unique(np.round(np.geomspace(1, 128, count + 8)).astype(int))[-count - 1 :]
    edges[0] = 0
    bands = np.zeros((count, 128), np.float32)
    for row, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        bands[row, low:high] = 1 / (high - low)
    return bands


def diffusion_losses(model: DiffusionAutoencoder, signal: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the losses of one batch `[batch channel sample]`, by name, and its latents."""
    coefficients = model.spectrum(signal)
    wanted = model.spectrum.compand(coefficients)
    with torch.autocast(signal.device.type, torch.bfloat16):
        latents = model.encoder(coefficients, wanted)
        level, mean, spread, known = model.predict(latents + LATENT_NOISE * torch.randn_like(latents))
        around = functional.avg_pool2d(wanted.square()[:, None], (3, 5), 1, (1, 2), count_include_pad=False)[:, 0]
        losses = {"level": _surprise(level, around)}
        error = wanted - mean
        if model.layout.residual:
            square = error.square()
            # Loud coefficients count as they are heard; a little is kept for the faint ones.
            faint = (square / level.detach().square()).clamp(max=OUTLIER).mean()
            losses["mean"] = square.mean() / wanted.square().mean() + 0.02 * faint
            losses["spread"] = _surprise(spread, square.detach())
            known = known.detach()  # what the mean leaves over must not distract from the mean
        target = (error / spread).detach().clamp(-8, 8)
        time = torch.rand(len(signal), device=signal.device)
        noisy, velocity = turn(target, torch.randn_like(target), time[:, None, None])
        losses["diffusion"] = functional.mse_loss(model.denoiser(noisy, time, known).float(), velocity)
    return losses, latents


def _surprise(deviation: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-likelihood of a Gaussian, up to a constant."""
    return (deviation.log() + square / (2 * deviation.square())).clamp(max=OUTLIER).mean()


def feedforward_losses(model: FeedForwardAutoencoder, audio: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the losses of one batch `[batch 2 sample]`, by name."""
    with torch.autocast(audio.device.type, torch.bfloat16):
        # No noise here: it would make the model lift faint treble above it, and nothing would stay sparse.
        decoded = model.decode(model.encode(audio)).float()
    transform = MDCT(256).to(audio.device)
    scale = audio.square().mean().sqrt() + 1e-6
    squashed = [_root(transform(sound / scale)) for sound in (decoded, audio)]
    waveform = functional.l1_loss(decoded, audio) / (audio.abs().mean() + 1e-6)
    return {"spectrum": 3 * functional.l1_loss(*squashed), "waveform": waveform}


def _root(x: torch.Tensor) -> torch.Tensor:
    """Return the signed square root, its slope bounded near zero."""
    return x.sign() * ((x.abs() + 1e-5).sqrt() - 1e-5**0.5)
