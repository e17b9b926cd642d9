"""The base of networks that are read from checkpoints of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import nn


class SizedByWeights(nn.Module):
    """A network that can be made empty, of the sizes that given weights have."""

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> Self:
        """Return an empty network of the sizes that `weights` have. Raises KeyError if they are of something else."""
        raise NotImplementedError
