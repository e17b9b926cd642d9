"""`yamnet`: Google's audio classifier, 1024 dims at 2.0833 Hz, real weights of 4 MB; or an earlier map.

Model: YAMNet by Plakal and Ellis, https://github.com/tensorflow/models/tree/master/research/audioset/yamnet, trained to
name 521 classes of AudioSet. Weights: https://github.com/google-coral/coralmicro (Apache-2.0), where it is quantised
to int8 for a microcontroller. Here the weights are integers times their scales, and the network runs in float: the int8
graph rounds its input, so that a gain of 0.001 dB moves a clip's time average by 1 %, the float network by 2e-5.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.nn import functional

from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.encoders.nets.mel import HOP, PATCH, PATCH_SAMPLES, RATE, audioset_filters, audioset_log_mel
from latentfx_nb.encoders.nets.mobilenet import V1_DIMS, MobileNetV1
from latentfx_nb.encoders.sources.weights import Weights
from latentfx_nb.encoders.variants import Possible

FILE = "yamnet_spectra_in.tflite"

WEIGHTS = Weights(
    family="yamnet",
    url="https://raw.githubusercontent.com/google-coral/coralmicro/c9f665b0a8b973d35cb9d383b3e92e9f14b4dd72/models",
    sha256={FILE: "0a266465c46718f3fcc4137366be82882a8c93bfcc4f0278581a11d11dddcdf9"},
    size_mb=4.0,
)

OFFSET = 0.001  # added to a band's magnitude; VGGish adds 0.01
STEP = PATCH // 2  # spectra from one patch to the next
CONSTANTS = range(4, 60)  # of the file: weight and bias of the 27 convolutions and of the linear layer, in this order
LAYERS = range(1, 28)


class YAMNet(TorchEncoder):
    """YAMNet at 16 kHz mono: its last map averaged over time and band, 1024 x 11 of a clip.

    Frame k hears the 0.975 s from 0.48 k s on, and nothing else. Zeros at the end make a clip of any length a whole
    number of patches, so nothing of it is dropped. **Level** is heard: 6 dB more or less move the time average of a
    guitar clip by 6-9 %. There is no decoder.
    """

    name = "yamnet"
    sample_rate = RATE
    channels = 1
    variants: ClassVar[Possible] = {"layer": LAYERS}
    layer = LAYERS[-1]
    dim = V1_DIMS[-1]
    hop = STEP * HOP
    frame_rate: float | None = RATE / hop
    first_frame_s = PATCH_SAMPLES / RATE / 2
    weights_hash = WEIGHTS.hash()

    def __init__(self, device: str = "auto", weights: str | Path | None = None, *, layer: int | None = None) -> None:
        """Load as the other models do; `layer`, from 1 to 27, gives the map after that convolution, averaged likewise.

        Such an encoder is called `yamnet@layer=5`, has that map's dims, and a hash of its own.

        Raises ValueError for another layer, if torch cannot use `device` or a file is not the published one,
        ImportError if ai-edge-litert is missing, which reads the file, and FileNotFoundError if the file is not here
        and cannot be fetched.
        """
        super().__init__(device, weights, layer=layer)

    def _load(self, weights: str | Path | None) -> None:
        self._network = frozen(MobileNetV1.of(_constants(WEIGHTS.fetch(weights)[FILE])), self.device)
        self._filters = audioset_filters().float().to(self.device)
        self.layer = self.variant.get("layer", self.layer)
        self.dim = V1_DIMS[(self.layer - 1) // 2]

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`: one, and one for each 7680 samples above 15 600."""
        return 1 + -(-max(0, n_samples - PATCH_SAMPLES) // self.hop)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch dim frame]`. Raises ValueError unless `audio` is `[batch 1 sample]`."""
        patches = self._patches(audio)
        maps = self._network.map(patches.flatten(0, 1)[:, None], self.layer)
        return maps.mean((2, 3)).unflatten(0, patches.shape[:2]).transpose(1, 2).contiguous()

    def class_scores(self, audio: torch.Tensor) -> torch.Tensor:
        """Return how sure the model is of each of its 521 classes, `[batch 521]` from 0 to 1, the mean over patches.

        132 is Music, 135 Guitar, 148 Piano, 494 Silence. Raises as `encode` does.
        """
        patches = self._patches(audio)
        return self._network(patches.flatten(0, 1)[:, None]).sigmoid().unflatten(0, patches.shape[:2]).mean(1)

    def _patches(self, audio: torch.Tensor) -> torch.Tensor:
        """Return what the network hears of `audio`, `[batch patch 96 64]`, each half of the one before."""
        sound = self._input(audio)[:, 0]
        missing = PATCH_SAMPLES + (self.frames(sound.shape[-1]) - 1) * self.hop - sound.shape[-1]
        log_mel = audioset_log_mel(functional.pad(sound, (0, missing)), self._filters, OFFSET)
        return log_mel.unfold(1, PATCH, STEP).transpose(2, 3)


def _constants(path: Path) -> Iterator[torch.Tensor]:
    """Yield the weights of a TFLite file in float32, in the network's order and torch's layout."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError("yamnet needs ai-edge-litert: pip install 'latentfx-nb[lyra]'") from error
    model = Interpreter(str(path))
    details = {one["index"]: one["quantization_parameters"] for one in model.get_tensor_details()}
    for index in CONSTANTS:
        yield _in_torch(_real(torch.from_numpy(model.get_tensor(index)), details[index]))


def _real(integers: torch.Tensor, quantised: dict[str, Any]) -> torch.Tensor:
    """Return integers times their scale, of which there is one for the whole tensor or one a channel."""
    shape = [1] * integers.ndim
    shape[quantised["quantized_dimension"]] = -1
    return integers.float() * torch.from_numpy(quantised["scales"]).reshape(shape)


def _in_torch(weight: torch.Tensor) -> torch.Tensor:
    """Return a convolution's weight as torch has it: from `[out height width in]`, depthwise `[1 height width out]`."""
    if weight.ndim < 4:
        return weight
    order = (3, 0, 1, 2) if len(weight) == 1 else (0, 3, 1, 2)
    return weight.permute(order).contiguous()


ENTRIES = (Entry(YAMNet, "Apache-2.0", WEIGHTS, extra="lyra", requires="ai_edge_litert"),)
