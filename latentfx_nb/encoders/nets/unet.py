"""The conditional U-Net that turns latents into sound (DiffAE) or into finer latents (Stacked), and its sampler.

Module names follow the public checkpoints (`DiffusionAttnUnet1D` of audio-diffusion), so that their keys load as they
are, the fixed resampling kernels included. Sizes are read off the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

import torch
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from latentfx_nb.encoders.nets.sized import SizedByWeights

Bar = Callable[[Iterable[float]], Iterable[float]]
"""Called as tqdm is, around the steps of a sampling; what it raises stops the work."""

HEAD_WIDTH = 32  # of attention
CUBIC = (-3, -9, 29, 111, 111, 29, -9, -3)  # in 256ths: the low-pass of both resamplings


class ResConvBlock(nn.Module):
    """Two convolutions of five frames, each normalised over channels and time, beside a skip.

    The norms pool over the whole clip, so a clip cannot be run in parts. The `last` block of a network ends bare.
    """

    def __init__(self, before: int, inside: int, after: int, last: bool = False) -> None:
        super().__init__()
        ending = [] if last else [nn.GroupNorm(1, after), nn.GELU()]
        self.main = nn.Sequential(
            nn.Conv1d(before, inside, 5, padding=2),
            nn.GroupNorm(1, inside),
            nn.GELU(),
            nn.Conv1d(inside, after, 5, padding=2),
            *ending,
        )
        self.skip = nn.Identity() if before == after else nn.Conv1d(before, after, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x) + self.skip(x)


class SelfAttention(nn.Module):
    """Attention of every frame to every other, in heads 32 wide, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.qkv_proj = nn.Conv1d(channels, 3 * channels, 1)
        self.out_proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, frames = x.shape
        heads = self.qkv_proj(self.norm(x)).view(batch, 3, channels // HEAD_WIDTH, HEAD_WIDTH, frames)
        query, key, value = heads.transpose(-1, -2).unbind(1)
        seen = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out_proj(seen.transpose(-1, -2).reshape(batch, channels, frames))


class Downsample(nn.Module):
    """Half as many frames, each channel by itself, mirrored at the ends."""

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor(CUBIC) / 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, -1)
        return functional.conv1d(functional.pad(x, (3, 3), "reflect"), weight, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    """Twice as many frames, each channel by itself, mirrored at the ends."""

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor(CUBIC) / 128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.kernel.to(x.dtype).expand(x.shape[1], 1, -1)
        padded = functional.pad(x, (2, 2), "reflect")
        return functional.conv_transpose1d(padded, weight, stride=2, padding=7, groups=x.shape[1])


class Level(nn.Module):
    """One level at half the rate with all levels below it; gives its output and its input, channels joined."""

    def __init__(self, widths: Sequence[int], attends: Sequence[bool]) -> None:
        super().__init__()
        outside, width, deepest = widths[0], widths[1], len(widths) == 2

        def look(channels: int) -> nn.Module:
            return SelfAttention(channels) if attends[0] else nn.Identity()

        self.main = nn.Sequential(
            Downsample(),
            ResConvBlock(outside, width, width),
            look(width),
            ResConvBlock(width, width, width),
            look(width),
            ResConvBlock(width, width, width),
            look(width),
            nn.Identity() if deepest else Level(widths[1:], attends[1:]),
            ResConvBlock(width if deepest else 2 * width, width, width),
            look(width),
            ResConvBlock(width, width, width),
            look(width),
            ResConvBlock(width, width, outside),
            look(outside),
            Upsample(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.main(x), x], 1)


class DiffusionUNet(SizedByWeights):
    """The velocity `[batch channel frame]` of a noisy signal at a time in 0..1, given latents of any frame rate.

    The number of frames is a multiple of `self.step`, and at least four of these. The defaults are DiffAE's decoder;
    `STACKED` are those of Stacked's.
    """

    def __init__(
        self,
        channels: int = 2,
        latents: int = 64,
        widths: Sequence[int] = (256, 256, *[512] * 12),
        attends: Sequence[bool] = (False,) * 8 + (True,) * 6,
        rates: int = 8,
    ) -> None:
        super().__init__()
        first = widths[0]
        self.channels = channels
        self.step = 2 ** (len(widths) - 1)
        self.timestep_embed = nn.Linear(1, rates, bias=False)
        self.net = nn.Sequential(
            ResConvBlock(channels + 2 * rates + latents, first, first),
            ResConvBlock(first, first, first),
            ResConvBlock(first, first, first),
            Level(widths, attends[1:]),
            ResConvBlock(2 * first, first, first),
            ResConvBlock(first, first, first),
            ResConvBlock(first, first, channels, last=True),
        )

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> Self:
        first, channels = weights["net.0.main.0.weight"].shape, weights["net.6.main.3.weight"].shape[0]
        rates = weights["timestep_embed.weight"].shape[0]
        widths, attends, prefix = [first[0]], [False], "net.3.main"
        while f"{prefix}.1.main.0.weight" in weights:
            widths.append(weights[f"{prefix}.1.main.0.weight"].shape[0])
            attends.append(f"{prefix}.2.qkv_proj.weight" in weights)
            prefix += ".7.main"
        return cls(channels, first[1] - channels - 2 * rates, widths, attends, rates)

    def forward(self, noisy: torch.Tensor, time: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Return the velocity of `noisy [batch channel frame]` at `time [batch]`, given `[batch latent frame]`."""
        angles = 2 * math.pi * self.timestep_embed(time[:, None])
        clock = torch.cat([angles.cos(), angles.sin()], 1)[:, :, None].expand(-1, -1, noisy.shape[-1])
        known = functional.interpolate(latents, noisy.shape[-1], mode="linear", align_corners=False)
        return self.net(torch.cat([noisy, clock, known], 1))


STACKED = {"channels": 32, "latents": 32, "widths": (512,) * 10, "attends": (False,) * 10}


def even_times(steps: int) -> torch.Tensor:
    """Return the times `[step]` of Stacked's sampling: from 1 in equal steps, 0 itself left out."""
    return 1 - torch.arange(steps, dtype=torch.float64) / steps


def crash_times(steps: int) -> torch.Tensor:
    """Return the times `[step]` of DiffAE's sampling, dense at both ends: sigma is sin^2(pi u / 2) for even u."""
    return torch.asin(torch.sin(even_times(steps) * torch.pi / 2) ** 2) * 2 / torch.pi


def sample(
    network: Callable[..., torch.Tensor],
    noise: torch.Tensor,
    latents: torch.Tensor,
    times: torch.Tensor,
    bar: Bar = tqdm,
) -> torch.Tensor:
    """Return the signal `[batch channel frame]` that DDIM without fresh noise (eta 0) draws from `noise`.

    `network(x, time [batch], latents)` gives the velocity alpha e - sigma x0, where alpha and sigma are cosine and sine
    of a quarter turn times `times [step]`, which fall from 1 (Salimans & Ho 2022, https://arxiv.org/abs/2202.00512).
    """
    x = noise
    alphas, sigmas = (part.tolist() for part in (torch.cos(times * torch.pi / 2), torch.sin(times * torch.pi / 2)))
    for step, time in enumerate(bar(times.tolist())):
        now = torch.full((len(x),), time, device=x.device)
        with torch.autocast("cuda", torch.float16, enabled=x.is_cuda):  # as the authors ran it
            velocity = network(x, now, latents).float()
        signal = alphas[step] * x - sigmas[step] * velocity
        drawn = sigmas[step] * x + alphas[step] * velocity
        if step + 1 < len(times):
            x = alphas[step + 1] * signal + sigmas[step + 1] * drawn
    return signal


def draw(
    network: DiffusionUNet,
    latents: torch.Tensor,
    ratio: int,
    times: torch.Tensor,
    seed: int,
    bar: Bar = tqdm,
) -> torch.Tensor:
    """Return `[batch channel frame*ratio]` drawn for `latents [batch latent frame]` from noise of `seed`, one for all.

    Where the network needs other lengths, the last latents go on and what is drawn for them is cut off.
    """
    frames = ratio * latents.shape[-1]
    whole = math.lcm(network.step, ratio)
    padded = max(-(-frames // whole) * whole, -(-4 * network.step // whole) * whole)
    longer = functional.pad(latents, (0, (padded - frames) // ratio), mode="replicate")
    noise = torch.randn(network.channels, padded, generator=torch.Generator().manual_seed(seed))
    start = noise.to(latents.device).expand(len(latents), -1, -1)
    return sample(network, start, longer, times, bar)[..., :frames]
