"""Statistics of a sound's texture in short windows: nothing is learned here, they are computed from the sound alone."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from latentfx_nb.encoders.nets.diffusion import band_means
from latentfx_nb.encoders.nets.parts import mid_side
from latentfx_nb.paper import SAMPLE_RATE_HZ

QUIET = 1e-8  # power under which texture is not looked for


class TextureStatistics(nn.Module):
    """Means, spreads, asymmetry and modulation of band envelopes, with echoes, stereo width and tonality.

    After McDermott and Simoncelli (Neuron 71, 2011). The shipped diffusion autoencoders were trained to let these be
    guessed from their latents; no effect's name or setting is used.
    """

    FFT, HOP = 2048, 512
    BANDS, WIDE_BANDS = 24, 6
    WINDOW, WINDOW_HOP = 16, 8  # frames of 11 ms, so 0.17 s
    RATES_HZ = (4.0, 8.0, 14.0, 25.0, 47.0)  # edges
    LAGS = (2, 3, 4, 6, 8, 10, 12)  # frames
    COUNT = 7 * BANDS + 2 * WIDE_BANDS + WIDE_BANDS * (len(RATES_HZ) - 1) + len(LAGS)

    fade: torch.Tensor
    bands: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fade", torch.hann_window(self.FFT), persistent=False)
        self.register_buffer("bands", band_means(self.BANDS, self.FFT // 2), persistent=False)

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
