"""Two convolutional networks over spectrograms: MobileNetV3 at width 0.4 (EfficientAT's mn04) and MobileNet (YAMNet's).

Howard et al. 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244, with the activations, norms and
squeeze-and-excite of Schmid et al. 2023, https://arxiv.org/abs/2211.04772. Howard et al. 2017, "MobileNets",
https://arxiv.org/abs/1704.04861, as YAMNet has it: norms folded into weights, ReLU6 after every convolution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import accumulate
from operator import mul
from typing import NamedTuple

import torch
from torch import nn

NORM_EPS = 0.001  # of batch norm: torch's own 1e-5 moves latents by 11 %


class Shape(NamedTuple):
    """The sizes of an inverted residual block."""

    kernel: int
    expanded: int  # channels of the depthwise convolution
    out: int
    squeezed: int = 0  # channels between the layers of squeeze-and-excite; 0: the block has none
    hard: bool = False  # whether it has hard swish; else ReLU
    stride: int = 1


FIRST, LAST = 8, 384  # channels of the convolutions before and after the blocks
BLOCKS = (
    Shape(3, 8, 8),
    Shape(3, 24, 16, stride=2),
    Shape(3, 32, 16),
    Shape(5, 32, 16, 8, stride=2),
    Shape(5, 48, 16, 16),
    Shape(5, 48, 16, 16),
    Shape(3, 96, 32, hard=True, stride=2),
    Shape(3, 80, 32, hard=True),
    Shape(3, 72, 32, hard=True),
    Shape(3, 72, 32, hard=True),
    Shape(3, 192, 48, 48, hard=True),
    Shape(3, 272, 48, 72, hard=True),
    Shape(5, 272, 64, 72, hard=True, stride=2),
    Shape(5, 384, 64, 96, hard=True),
    Shape(5, 384, 64, 96, hard=True),
)
V3_DIMS = (FIRST, *(shape.out for shape in BLOCKS), LAST)
V3_STRIDES = tuple(accumulate((2, *(shape.stride for shape in BLOCKS), 1), mul))
"""Channels of each map of `MobileNetV3`, and how many spectra one of its columns stands for."""

V1_DIMS = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
V1_STRIDES = (2, 1, 2, 1, 2, 1, 2, *(1,) * 5, 2, 1)
"""Channels and strides of `MobileNetV1`: of its first convolution, then of each pair, depthwise and pointwise."""


class MobileNetV3(nn.Module):
    """Log-mel spectra `[batch 1 band frame]` to 17 maps and to 527 classes; EfficientAT's keys, 983 599 parameters."""

    def __init__(self) -> None:
        super().__init__()
        before = (FIRST, *(shape.out for shape in BLOCKS))
        self.features = nn.Sequential(
            _unit(1, FIRST, 3, nn.Hardswish, stride=2),
            *(InvertedResidual(channels, shape) for channels, shape in zip(before[:-1], BLOCKS, strict=True)),
            _unit(before[-1], LAST, 1, nn.Hardswish),
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(LAST, 512),
            nn.Hardswish(),
            nn.Dropout(),
            nn.Linear(512, 527),
        )

    def map(self, spectra: torch.Tensor, layer: int) -> torch.Tensor:
        """Return the map `[batch channel band frame]` that part `layer` of `features`, from 0 to 16, gives."""
        return self.features[: layer + 1](spectra)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of each class's odds, `[batch 527]`."""
        return self.classifier(self.features(spectra))


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, weigh channels by the whole clip, narrow; add the input where it fits."""

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        activation = nn.Hardswish if shape.hard else nn.ReLU
        wide = shape.expanded
        parts: list[nn.Module] = [_unit(channels, wide, 1, activation)] if wide != channels else []
        parts.append(_unit(wide, wide, shape.kernel, activation, shape.stride, groups=wide))
        if shape.squeezed:
            excite = nn.Sequential(SqueezeExcite(wide, shape.squeezed))
            parts.append(nn.Sequential(OrderedDict(conc_se_layers=excite)))
        self.block = nn.Sequential(*parts, _unit(wide, shape.out, 1))
        self.adds = shape.stride == 1 and channels == shape.out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.adds else self.block(x)


class SqueezeExcite(nn.Module):
    """Scale each channel by what two linear layers make of all channels' means over band and time."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.fc2(self.fc1(x.mean((2, 3))).relu()).sigmoid()
        return x * weights[:, :, None, None]


def _unit(
    before: int, after: int, kernel: int, activation: type[nn.Module] | None = None, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution, its norm and an activation: MobileNetV3's every layer."""
    convolution = nn.Conv2d(before, after, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
    norm = nn.BatchNorm2d(after, NORM_EPS)
    return nn.Sequential(convolution, norm, activation()) if activation else nn.Sequential(convolution, norm)


class MobileNetV1(nn.Module):
    """Log-mel patches `[patch 1 96 64]` (time, band) to 27 maps and to 521 classes: YAMNet's sizes."""

    def __init__(self) -> None:
        super().__init__()
        layers = [_same(1, V1_DIMS[0], 3, V1_STRIDES[0])]
        for before, after, stride in zip(V1_DIMS, V1_DIMS[1:], V1_STRIDES[1:], strict=False):
            layers += [_same(before, before, 3, stride, groups=before), _same(before, after, 1)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(V1_DIMS[-1], 521)

    @classmethod
    def of(cls, weights: Iterable[torch.Tensor]) -> MobileNetV1:
        """Return a network of `weights`: a layer's weight `[out in height width]`, its bias, the next layer's.

        Raises ValueError or RuntimeError if these are another network's.
        """
        with torch.device("meta"):
            network = cls()
        network.load_state_dict(dict(zip(network.state_dict(), weights, strict=True)), assign=True)
        return network

    def map(self, patches: torch.Tensor, layer: int) -> torch.Tensor:
        """Return the map `[patch channel time band]` that convolution `layer`, from 1 to 27, gives."""
        return self.layers[:layer](patches)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of each class's odds, `[patch 521]`."""
        return self.classifier(self.layers(patches).mean((2, 3)))


def _same(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution and ReLU6, padded as TensorFlow's SAME does: at stride 2, below and at the right only."""
    around = kernel // 2 if stride == 1 else 0
    padding = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
    return nn.Sequential(*padding, nn.Conv2d(before, after, kernel, stride, around, groups=groups), nn.ReLU6())
