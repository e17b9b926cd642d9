"""The paper's networks once more, as plain functions of a state dict: what the package's modules are held against.

Written from the description of the computation and not from the modules: no `nn.Module`, padding and resampling by
hand, attention as a sum over frames.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F


def sub(weights, prefix):
    """The weights whose names begin with `prefix.`, without it."""
    return {name.removeprefix(f"{prefix}."): w for name, w in weights.items() if name.startswith(f"{prefix}.")}


def random_weights(shapes, seed=0):
    """Random tensors of `{name: shape}`; norms' gains around 1, so that a forgotten one shows; kernels are kept."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            values /= math.sqrt(math.prod(shape[1:]))
        else:
            values *= 0.1
            values += "norm" in name or ("main.1." in name or "main.4." in name) and name.endswith("weight")
        weights[name] = values
    return weights


def causal(x, w, stride=1, dilation=1):
    kernel = w["weight"].shape[-1]
    zeros = torch.zeros(*x.shape[:2], dilation * (kernel - 1))
    return F.conv1d(torch.cat([zeros, x], -1), w["weight"], w["bias"], stride, dilation=dilation)


def unit(x, w, dilation):
    return x + causal(F.elu(causal(x, sub(w, "layers.0"), dilation=dilation)), sub(w, "layers.2"))


def soundstream_encoder(x, w, strides):
    x = F.elu(causal(x, sub(w, "layers.0")))
    for i, stride in enumerate(strides):
        block = sub(w, f"layers.{2 + 2 * i}")
        for j, dilation in enumerate((1, 3, 9, 1, 3, 9)):
            x = F.elu(unit(x, sub(block, f"layers.{2 * j}"), dilation))
        x = F.elu(causal(x, sub(block, "layers.12"), stride))
    return causal(x, sub(w, f"layers.{2 + 2 * len(strides)}"))


def soundstream_decoder(x, w, strides):
    """`strides` are the encoder's, in its order."""
    x = F.elu(causal(x, sub(w, "layers.0")))
    for j, stride in enumerate(reversed(strides)):
        block = sub(w, f"layers.{2 + 2 * j}")
        frames = x.shape[-1]
        up = sub(block, "layers.0")
        x = F.elu(F.conv_transpose1d(x, up["weight"], up["bias"], stride)[..., : frames * stride])
        for k, dilation in enumerate((1, 3, 9, 1, 3, 9)):
            x = unit(x, sub(block, f"layers.{2 + 2 * k}"), dilation)
            x = F.elu(x)  # between the units, and after the block
    if "wave_gen.weight" in w:
        envelope = 2 * torch.sigmoid(causal(x, sub(w, "env_gen"))) ** 2.3 + 1e-7
        return torch.tanh(causal(x, sub(w, "wave_gen"))) * envelope
    return causal(x, sub(w, f"layers.{2 + 2 * len(strides)}"))


def group_norm(x, gain, bias, groups):
    """By its definition: mean and variance over a group's channels and all time."""
    parts = x.reshape(len(x), groups, -1)
    parts = (parts - parts.mean(-1, keepdim=True)) / (parts.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return parts.reshape(x.shape) * gain[:, None] + bias[:, None]


def encoder1d(x, w, factors, blocks):
    def residual(x, w, groups):
        y = x
        for name in ("block1", "block2"):
            y = group_norm(y, w[f"{name}.groupnorm.weight"], w[f"{name}.groupnorm.bias"], groups)
            y = y * torch.sigmoid(y)
            y = F.conv1d(y, w[f"{name}.project.weight"], w[f"{name}.project.bias"], padding=1)
        return y + (F.conv1d(x, w["to_out.weight"], w["to_out.bias"]) if "to_out.weight" in w else x)

    x = residual(x, sub(w, "to_in.block"), 1)
    for i, factor in enumerate(factors):
        level = sub(w, f"downsamples.{i}")
        x = F.conv1d(x, level["downsample.weight"], level["downsample.bias"], stride=factor, padding=factor)
        for j in range(blocks[i]):
            x = residual(x, sub(level, f"blocks.{j}"), 8)
    return F.conv1d(x, w["to_out.weight"], w["to_out.bias"])


KERNEL = torch.tensor([-3.0, -9, 29, 111, 111, 29, -9, -3]) / 256


def mirrored(x, n):
    """`x` with `n` frames before and after it, mirrored about its first and last frame, which are not repeated."""
    before, after = x[..., 1 : n + 1].flip(-1), x[..., -n - 1 : -1].flip(-1)
    return torch.cat([before, x, after], -1)


def downsample(x):
    padded = mirrored(x, 3)
    return torch.stack([(padded[..., 2 * t : 2 * t + 8] * KERNEL).sum(-1) for t in range(x.shape[-1] // 2)], -1)


def upsample(x):
    """Each frame adds twice the kernel at twice its place; 7 are cut off at both ends of what the padding makes."""
    padded = mirrored(x, 2)
    out = torch.zeros(*x.shape[:2], 2 * padded.shape[-1] + 6)
    for t in range(padded.shape[-1]):
        out[..., 2 * t : 2 * t + 8] += 2 * KERNEL * padded[..., t : t + 1]
    return out[..., 7:-7]


def unet(x, time, latents, w, depth, attention=()):
    """The velocity; `attention` are the numbers of the levels that attend, level 1 being the outermost."""

    def block(x, w, last=False):
        y = F.conv1d(x, w["main.0.weight"], w["main.0.bias"], padding=2)
        y = F.gelu(group_norm(y, w["main.1.weight"], w["main.1.bias"], 1))
        y = F.conv1d(y, w["main.3.weight"], w["main.3.bias"], padding=2)
        if not last:
            y = F.gelu(group_norm(y, w["main.4.weight"], w["main.4.bias"], 1))
        return y + (F.conv1d(x, w["skip.weight"]) if "skip.weight" in w else x)

    def attend(x, w):
        channels = x.shape[1]
        y = group_norm(x, w["norm.weight"], w["norm.bias"], 1)
        y = F.conv1d(y, w["qkv_proj.weight"], w["qkv_proj.bias"])
        q, k, v = y[:, :channels], y[:, channels : 2 * channels], y[:, 2 * channels :]
        heads = []
        for h in range(channels // 32):
            part = slice(32 * h, 32 * h + 32)
            scores = torch.einsum("bct,bcs->bts", q[:, part] * 32**-0.25, k[:, part] * 32**-0.25)
            heads.append(torch.einsum("bts,bcs->bct", scores.softmax(-1), v[:, part]))
        return x + F.conv1d(torch.cat(heads, 1), w["out_proj.weight"], w["out_proj.bias"])

    def level(x, w, number):
        looks = number in attention
        y = downsample(x)
        for i in (1, 3, 5):
            y = block(y, sub(w, f"main.{i}"))
            y = attend(y, sub(w, f"main.{i + 1}")) if looks else y
        if number < depth:
            y = level(y, sub(w, "main.7"), number + 1)
        for i in (8, 10, 12):
            y = block(y, sub(w, f"main.{i}"))
            y = attend(y, sub(w, f"main.{i + 1}")) if looks else y
        return torch.cat([upsample(y), x], 1)

    frames = x.shape[-1]
    angles = 2 * math.pi * time[:, None] * w["timestep_embed.weight"][:, 0]
    clock = torch.cat([angles.cos(), angles.sin()], -1)[:, :, None].repeat(1, 1, frames)
    places = ((torch.arange(frames) + 0.5) * latents.shape[-1] / frames - 0.5).clamp(0, latents.shape[-1] - 1)
    low = places.floor().long()
    share = places - low
    known = latents[..., low] * (1 - share) + latents[..., (low + 1).clamp(max=latents.shape[-1] - 1)] * share
    y = torch.cat([x, clock, known], 1)
    for i in (0, 1, 2):
        y = block(y, sub(w, f"net.{i}"))
    y = level(y, sub(w, "net.3"), 2)
    for i in (4, 5):
        y = block(y, sub(w, f"net.{i}"))
    return block(y, sub(w, "net.6"), last=True)


def ddim(velocity, noise, steps, crash):
    """`velocity(x, t)`; the published loop for eta = 0, in float64 times."""
    times = []
    for i in range(steps):
        u = 1 - i / steps
        s = math.sin(math.pi * u / 2) ** 2
        times.append(2 / math.pi * math.atan2(s, math.sqrt(max(0.0, 1 - s * s))) if crash else u)
    x = noise
    for i, t in enumerate(times):
        alpha, sigma = math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)
        v = velocity(x, torch.full((len(x),), t))
        x0, e = alpha * x - sigma * v, sigma * x + alpha * v
        if i == steps - 1:
            return x0
        x = math.cos(math.pi * times[i + 1] / 2) * x0 + math.sin(math.pi * times[i + 1] / 2) * e
