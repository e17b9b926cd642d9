"""`vggish` and `vggish-paper`: the audio classifier's embeddings that the paper compares its autoencoders with.

Front end and network are those of VGGish (Hershey et al. 2017, "CNN architectures for large-scale audio
classification", https://arxiv.org/abs/1609.09430), with PCA and quantisation, as the HEAR baseline has them.
Weights: https://github.com/harritaylor/torchvggish (Apache-2.0), release v0.1.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.encoders.nets.mel import (
    BANDS,
    HOP,
    PATCH,
    PATCH_SAMPLES,
    RATE,
    WINDOW,
    audioset_filters,
    audioset_log_mel,
)
from latentfx_nb.encoders.sources.weights import Weights, check_archive
from latentfx_nb.encoders.variants import Possible

NETWORK_FILE, PCA_FILE = "vggish-10086976.pth", "vggish_pca_params-970ea276.pth"

WEIGHTS = Weights(
    family="vggish",
    url="https://github.com/harritaylor/torchvggish/releases/download/v0.1",
    sha256={
        NETWORK_FILE: "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
        PCA_FILE: "970ea276",  # all of its digest that is published
    },
    size_mb=288.7,
)

OFFSET = 0.01  # added to a band's magnitude, so that silence is ln(0.01)

WIDTHS = (64, 128, 256, 256, 512, 512)  # of the convolutions
SIZES = (4096, 4096, 128)  # of the linear layers
LIMIT = 2.0  # whitened embeddings are clipped to +-2 before they become whole numbers

_CONVOLUTIONS, _LINEARS = (0, 3, 6, 8, 11, 13), (0, 2, 4)  # where they stand in torchvggish's state dict
_POOLED = (0, 1, 3, 5)  # convolutions that a pooling follows
_HALVINGS = 2 ** len(_POOLED)


def log_mel(sound: torch.Tensor) -> torch.Tensor:
    """Return natural-log mel magnitudes `[frame 64]` float64 of `sound [sample]`, one frame each 160 samples."""
    return audioset_log_mel(sound.cpu().double(), audioset_filters(), OFFSET)


def patches(sound: torch.Tensor) -> torch.Tensor:
    """Return what the network takes of `sound [sample]`: `[patch 1 96 64]` float32, without overlap, the rest dropped.

    It is computed in float64, so on the CPU, as Apple's MPS has none.
    """
    spectra = log_mel(sound)
    whole = len(spectra) // PATCH
    return spectra[: whole * PATCH].reshape(whole, 1, PATCH, BANDS).float()


class VGGishNetwork(nn.Module):
    """Six 3x3 convolutions, four of them pooled, and three linear layers, ReLU after each; torchvggish's keys.

    `widths` are the channels of the convolutions, `sizes` the units of the linear layers, by default the published
    ones: 72 141 184 parameters.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, sizes: Sequence[int] = SIZES) -> None:
        super().__init__()
        features: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((1, *widths[:-1]), widths, strict=True)):
            features += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            features += [nn.MaxPool2d(2)] if i in _POOLED else []
        self.features = nn.Sequential(*features)
        flat = widths[-1] * (PATCH // _HALVINGS) * (BANDS // _HALVINGS)
        pairs = zip((flat, *sizes[:-1]), sizes, strict=True)
        self.embeddings = nn.Sequential(*(layer for pair in pairs for layer in (nn.Linear(*pair), nn.ReLU())))

    @classmethod
    def of(cls, weights: Mapping[str, torch.Tensor]) -> VGGishNetwork:
        """Return a network of the sizes and weights of a state dict, which it shares.

        Raises KeyError, IndexError or RuntimeError if these are not the weights of such a network.
        """
        widths = [weights[f"features.{i}.weight"].shape[0] for i in _CONVOLUTIONS]
        sizes = [weights[f"embeddings.{i}.weight"].shape[0] for i in _LINEARS]
        with torch.device("meta"):
            network = cls(widths, sizes)
        network.load_state_dict(weights, strict=True, assign=True)
        return network.float()

    def at_layer(self, patches: torch.Tensor, layer: int) -> torch.Tensor:
        """Return `[patch channel]` of log-mel `patches [patch 1 96 64]` after a layer, its ReLU and its pooling.

        Layers 1-6 are the convolutions, their maps averaged over time and band, 7-9 the linear ones.
        """
        if layer <= len(_CONVOLUTIONS):
            return self.features[: (*_CONVOLUTIONS[1:], None)[layer - 1]](patches).mean((2, 3))
        return self._linear(self.features(patches), 2 * (layer - len(_CONVOLUTIONS)))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return embeddings `[patch 128]`, none negative, of log-mel `patches [patch 1 96 64]`."""
        return self._linear(self.features(patches), None)

    def _linear(self, features: torch.Tensor, end: int | None) -> torch.Tensor:
        """Return `features [patch channel time band]` after all modules of the linear layers before `end`."""
        # The weights come from TensorFlow, which flattens (time, band, channel).
        return self.embeddings[:end](features.permute(0, 2, 3, 1).flatten(1))


def quantise(whitened: torch.Tensor) -> torch.Tensor:
    """Return whole numbers 0-255 as floats, of any shape: clipped to +-2, then rounded, halves to the even one."""
    return torch.round((whitened.clamp(-LIMIT, LIMIT) + LIMIT) * (255 / (2 * LIMIT)))


class VGGish(TorchEncoder):
    """VGGish at 16 kHz mono: one 128-vector per 0.96 s, whitened and quantised to 0-255, so standardise it for a probe.

    A clip of 262 144 samples at 48 kHz is resampled to 87 381 and gives 5 frames; what is left of the last is dropped.
    `layer=i` is the output of layer i (`VGGishNetwork.at_layer`), neither whitened nor quantised.
    """

    name = "vggish"
    sample_rate = RATE
    channels = 1
    dim = SIZES[-1]
    hop = PATCH * HOP
    frame_rate: float | None = sample_rate / hop
    shortest = PATCH_SAMPLES
    weights_hash = WEIGHTS.hash()
    variants: ClassVar[Possible] = {"layer": range(1, len(_CONVOLUTIONS) + len(_LINEARS) + 1)}

    def __init__(
        self,
        device: str = "auto",
        weights: str | Path | None = None,
        *,
        postprocess: bool = True,
        layer: int | None = None,
    ) -> None:
        """Load as the other models do; without `postprocess` embeddings stay as the network gives them.

        Raises ValueError if torch cannot use `device`, a file is not the published one or there is no such `layer`, and
        FileNotFoundError if a file is not here and cannot be fetched.
        """
        self.postprocess = postprocess
        super().__init__(device, weights, layer=layer)

    def _load(self, weights: str | Path | None) -> None:
        paths = WEIGHTS.fetch(weights)
        self._network = frozen(_read_network(paths[NETWORK_FILE]), self.device)
        self._matrix, self._means = (tensor.to(self.device) for tensor in _read_pca(paths[PCA_FILE]))
        if layer := self.variant.get("layer"):
            self.dim = self._network.at_layer(torch.zeros(1, 1, PATCH, BANDS, device=self.device), layer).shape[1]
        self.weights_hash = WEIGHTS.hash() if self.postprocess else digest(f"{WEIGHTS.hash()} raw")

    def frames(self, n_samples: int) -> int:
        """Return how many whole patches of 0.96 s (15 360 samples) are in `n_samples`; the first takes 15 600."""
        return max(0, (n_samples - WINDOW) // HOP + 1) // PATCH

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 128 frame]`: whole numbers 0-255, the raw embeddings without `postprocess`, or a `layer`.

        Raises ValueError unless `audio` is `[batch 1 sample]` of at least 15 600 samples.
        """
        # One clip at a time: in a batch sums run in another order, and rounding turns 1e-7 into a step of 1 in 255.
        return torch.stack([self._embed(sound) for sound in self._input(audio)[:, 0]])

    def _embed(self, sound: torch.Tensor) -> torch.Tensor:
        """Return `[128 frame]` of `sound [sample]`."""
        heard = patches(sound).to(self.device)
        if layer := self.variant.get("layer"):
            return self._network.at_layer(heard, layer).T
        embeddings = self._network(heard).T
        return quantise(self._matrix @ (embeddings - self._means)) if self.postprocess else embeddings


class VGGishPaper(VGGish):
    """The same network hearing 48 kHz as if it were 16 kHz: three times as slow and as low.

    That alone makes the paper's 128 x 17 of a clip (Table 3): 128 features averaged over time, 2176 flattened.
    """

    name = "vggish-paper"
    sample_rate = 48_000
    frame_rate = sample_rate / VGGish.hop


def _read_network(path: Path) -> VGGishNetwork:
    """Return the network of the sizes and weights in a .pth file; raise ValueError if it holds another."""
    weights = _read(path)
    try:
        network = VGGishNetwork.of(weights)
        if network.embeddings[-2].out_features != VGGish.dim:
            raise ValueError(f"its embeddings have {network.embeddings[-2].out_features} dims, not {VGGish.dim}")
    except Exception as error:  # other keys, other shapes and what is no tensor each raise their own
        raise _unusable(path, "network", repr(error)) from error
    return network


def _read_pca(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the whitening matrix `[128 128]` and the means `[128 1]`, float32; raise ValueError if there are none."""
    parameters = _read(path)
    try:
        matrix, means = (torch.as_tensor(parameters[f"pca_{name}"]).float() for name in ("eigen_vectors", "means"))
        if matrix.shape != (VGGish.dim, VGGish.dim) or means.numel() != VGGish.dim:
            raise ValueError(f"shapes {tuple(matrix.shape)} and {tuple(means.shape)}, not (128, 128) and (128, 1)")
    except Exception as error:  # as above
        raise _unusable(path, "PCA", repr(error)) from error
    return matrix, means.reshape(-1, 1)  # torchvggish takes them flat, too


def _read(path: Path) -> Mapping[str, Any]:
    """Return the tensors or arrays in a .pth file; raise ValueError if it cannot be read without running it."""
    try:
        check_archive(path)
        with torch.serialization.safe_globals(_ARRAY_PARTS):
            # Only the newer of torch's two formats, a zip archive, can be mapped; the published files may be older.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a torn pickle raises whatever its bytes happen to mean
        # Not torch's own text, which advises to read the file without care.
        raise _unusable(path, "weights", "it is torn, or would run code when read") from error


def _unusable(path: Path, what: str, reason: str) -> ValueError:
    return ValueError(
        f"{path} holds no {what} of VGGish that can be used ({reason}); delete it and the published file is fetched "
        f"again, or download it from {WEIGHTS.url}"
    )


def _dtype(code: str, *_: object) -> np.dtype:
    """Return the dtype that an array's pickle names: it has to be a copy, as its byte order is set afterwards.

    The flags behind the code are left out: older NumPy wrote 0 and 1 for them, which newer NumPy deprecates.
    """
    return np.dtype(code, copy=True)


# Functions and types that build an array of floats. The published PCA file holds such arrays, not tensors, and torch
# reads them only if it is told that these names are harmless. NumPy 2 moved the first one.
_RECONSTRUCT: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]  # typed as any part
_ARRAY_PARTS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((_RECONSTRUCT, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    (_dtype, "numpy.dtype"),
    np.ndarray,
    *(type(np.dtype(kind)) for kind in (np.float32, np.float64)),
]


ENTRIES = tuple(Entry(model, "Apache-2.0", WEIGHTS) for model in (VGGish, VGGishPaper))
