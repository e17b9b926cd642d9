"""What the shipped autoencoders are trained to do: losses of the two networks, and the statistics of texture."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder, band_means, turn
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder
from latentfx_nb.encoders.nets.mdct import MDCT
from latentfx_nb.encoders.nets.parts import mid_side
from latentfx_nb.paper import SAMPLE_RATE_HZ

LATENT_NOISE = 0.02
"""Standard deviation of what is added to latents of -1 to 1 in training: no secrets in their last digits."""

WEIGHTS = {"mean": 1.0, "level": 0.1, "spread": 0.1, "diffusion": 0.3, "texture": 1.0, "saturation": 0.2}
ROOM = 1.5  # before tanh, and 0.905 after it: beyond, a dim would soon stand still at -1 or 1
QUIET = 1e-8  # power under which texture is not looked for
OUTLIER = 50.0  # squared deviations per variance that a likelihood still counts


class Texture(nn.Module):
    """Statistics of a sound's texture in short windows, and a linear guess of them from the latents' average there.

    After McDermott and Simoncelli (Neuron 71, 2011): means, spreads, asymmetry and modulation of band envelopes, with
    echoes, stereo width and tonality. They are computed from the sound alone; no effect's name or setting is used. A
    linear guess that is right in every window is right of the whole clip's time average too.
    """

    FFT, HOP = 2048, 512
    BANDS, WIDE_BANDS = 24, 6
    WINDOW, WINDOW_HOP = 16, 8  # frames of 11 ms, so 0.17 s
    RATES_HZ = (4.0, 8.0, 14.0, 25.0, 47.0)  # edges
    LAGS = (2, 3, 4, 6, 8, 10, 12)  # frames

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("fade", torch.hann_window(self.FFT), persistent=False)
        self.register_buffer("bands", band_means(self.BANDS, self.FFT // 2), persistent=False)
        count = self.statistics(torch.randn(1, 2, self.HOP * self.WINDOW)).shape[1]
        self.guess = nn.Conv1d(dim, count, 1)
        self.register_buffer("middle", torch.zeros(count, 1))
        self.register_buffer("spread", torch.ones(count, 1))

    @torch.no_grad()
    def statistics(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch statistic window]` of `audio [batch 2 sample]`, from log levels of bands at 94 Hz."""
        channels = mid_side(audio).flatten(0, 1)
        spectrum = torch.stft(channels, self.FFT, self.HOP, window=self.fade, return_complex=True)[:, 1:, :-1]
        power = spectrum.abs().square().unflatten(0, (-1, 2)) / self.FFT
        level = torch.log10(self.bands @ power + QUIET)
        tonality = level[:, 0] - self.bands @ torch.log10(power[:, 0] + QUIET)  # of a flat spectrum this is small
        mid, side, tonality = (x.unfold(-1, self.WINDOW, self.WINDOW_HOP) for x in (*level.unbind(1), tonality))
        change = mid.diff(dim=-1)
        pace = change.std(-1) + 0.02
        attack = ((change**3).mean(-1) / pace**3).clamp(-4, 4)  # a struck string rises faster than it falls
        slower = functional.avg_pool2d(mid, (1, 8), (1, 4))
        spread = [torch.log10(x.std(-1) + 0.02) for x in (mid, slower)]
        tails = mid.quantile(torch.tensor([0.1, 0.9], device=mid.device), -1).unbind(0)
        wide = [self._wide(x).mean(-1) for x in (side - mid, tonality)]
        parts = [mid.mean(-1), *spread, torch.log10(pace), attack, *tails, *wide, *self._modulation(mid)]
        return torch.cat([*parts, self._echo(change)], 1)

    def _wide(self, x: torch.Tensor) -> torch.Tensor:
        """Return means over neighbouring bands of `[batch band window frame]`."""
        return x.unflatten(1, (self.WIDE_BANDS, -1)).mean(2)

    def _modulation(self, level: torch.Tensor) -> list[torch.Tensor]:
        """Return the log power of the levels' movement in wide bands, for each range of rates."""
        moving = (level - level.mean(-1, keepdim=True)) * torch.hann_window(self.WINDOW, device=level.device)
        power = self._wide(torch.fft.rfft(moving).abs().square() / self.WINDOW)
        rate = torch.fft.rfftfreq(self.WINDOW, self.HOP / SAMPLE_RATE_HZ, device=level.device)
        return [torch.log10(power[..., (rate >= a) & (rate < b)].mean(-1) + 1e-4) for a, b in pairwise(self.RATES_HZ)]

    def _echo(self, change: torch.Tensor) -> torch.Tensor:
        """Return how far changes of level repeat after each lag: their autocorrelation, over all bands."""
        power = torch.fft.rfft(change - change.mean(-1, keepdim=True), 2 * self.WINDOW).abs().square()
        correlation = torch.fft.irfft(power).mean(1)
        return (correlation[..., list(self.LAGS)] / (correlation[..., :1] + 1e-6)).transpose(1, 2)

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
