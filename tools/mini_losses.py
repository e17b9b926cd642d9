"""What the shipped autoencoders are trained to do: losses of the two networks, and a guess of texture."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder, turn
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder
from latentfx_nb.encoders.nets.mdct import MDCT
from latentfx_nb.encoders.nets.texture import TextureStatistics

LATENT_NOISE = 0.02
"""Standard deviation of what is added to latents of -1 to 1 in training: no secrets in their last digits."""

WEIGHTS = {"mean": 1.0, "level": 0.1, "spread": 0.1, "diffusion": 0.3, "texture": 1.0, "saturation": 0.2}
ROOM = 1.5  # before tanh, and 0.905 after it: beyond, a dim would soon stand still at -1 or 1
OUTLIER = 50.0  # squared deviations per variance that a likelihood still counts


class Texture(TextureStatistics):
    """Statistics of a sound's texture in short windows, and a linear guess of them from the latents' average there.

    A linear guess that is right in every window is right of the whole clip's time average too.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.guess = nn.Conv1d(dim, self.COUNT, 1)
        self.register_buffer("middle", torch.zeros(self.COUNT, 1))
        self.register_buffer("spread", torch.ones(self.COUNT, 1))

    def fit_scale(self, audio: torch.Tensor) -> None:
        """Set what counts as usual for each statistic."""
        values = self.statistics(audio)
        self.middle.copy_(values.mean((0, 2))[:, None])
        self.spread.copy_(values.std((0, 2))[:, None] + 1e-3)

    def forward(self, latents: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of the guess, in units of each statistic's usual spread."""
        wanted = ((self.statistics(audio) - self.middle) / self.spread).clamp(-4, 4)
        ratio = latents.shape[-1] * self.HOP // audio.shape[-1]  # latent frames in one of ours
        steps = functional.avg_pool1d(latents.float(), ratio) if ratio > 1 else latents.float()
        averages = functional.avg_pool1d(steps, self.WINDOW, self.WINDOW_HOP)
        return functional.mse_loss(self.guess(averages), wanted)


def diffusion_losses(model: DiffusionAutoencoder, signal: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the losses of one batch `[batch channel sample]`, by name, and its latents."""
    wanted, levels = model.spectrum.compand(model.spectrum(signal)), model.levels(signal)
    with torch.autocast(signal.device.type, torch.bfloat16):
        inner = model.encoder(wanted, levels)
        latents = torch.tanh(inner)
        level, mean, spread, known = model.predict(latents + LATENT_NOISE * torch.randn_like(latents))
        around = functional.avg_pool2d(wanted.square()[:, None], (3, 5), 1, (1, 2), count_include_pad=False)[:, 0]
        losses = {"level": _surprise(level, around)}
        losses["saturation"] = (inner.float().abs() - ROOM).clamp(min=0).square().mean()
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
