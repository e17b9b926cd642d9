"""`efficientat-mn04`: an audio classifier's last map, 384 dims at 3.125 Hz, real weights of 4 MB; or an earlier map.

Model: Schmid, Koutini and Widmer 2023, "Efficient large-scale audio tagging via transformer-to-CNN knowledge
distillation", https://arxiv.org/abs/2211.04772; their network `mn04_as`, trained to name the 527 classes of AudioSet.
Weights: https://github.com/fschmid56/EfficientAT (MIT), release v0.0.1. They are fetched from a public copy at a fixed
commit, since a release can be changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.encoders.nets.mel import mel_bands
from latentfx_nb.encoders.nets.mobilenet import V3_DIMS, V3_STRIDES, MobileNetV3
from latentfx_nb.encoders.sources.weights import Weights
from latentfx_nb.encoders.variants import Possible

FILE = "mn04_as_mAP_432.pt"

WEIGHTS = Weights(
    family="efficientat",
    url=(
        "https://raw.githubusercontent.com/nikih94/swch-audio-classification/"
        "2b362d97544673ef1da403b44ecbe1174d8619ec/resources"
    ),
    sha256={FILE: "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"},
    size_mb=4.1,
)

# The front end, as the network was trained with it. Samples and Hz count at 32 kHz.
RATE = 32_000
FFT = 1024
WINDOW = 800
HOP = 320
BANDS = 128
HIGH_HZ = 15_000.0  # of the authors' front end; 16 000, which copies of their code have, moves latents by 13 %
EMPHASIS = 0.97
FLOOR = 1e-5  # added to a band's power
CENTRE, WIDTH = -4.5, 5.0  # of the logarithm, which the network takes as (s - CENTRE) / WIDTH


class Spectra(torch.nn.Module):
    """Log-mel spectra of sounds at 32 kHz, as mn04 hears them."""

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=False))
        self.register_buffer("filters", mel_bands(BANDS, 0, HIGH_HZ, RATE, FFT).T.float().contiguous())

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Return `[batch 128 frame]` of `sound [batch sample]`, frame k centred on sample 320 k; silence is -1.4."""
        sharp = sound[:, 1:] - EMPHASIS * sound[:, :-1]
        spectrum = torch.stft(sharp, FFT, HOP, WINDOW, self.window, pad_mode="reflect", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return ((self.filters @ power + FLOOR).log() - CENTRE) / WIDTH


class EfficientATMn04(TorchEncoder):
    """mn04 at 32 kHz mono: its last map averaged over bands, 384 x 18 of a clip; the authors' features are its mean.

    **Level** is heard: 6 dB more or less move the time average of a guitar clip by 10-12 %. Frames are **not local**:
    squeeze-and-excite weighs channels by the whole clip, so muting its last 1.5 s moved the first frames by 30-40 %;
    a long sound encoded in pieces gives other frames. Compare renders of one length. What silence gives depends on its
    length. There is no decoder.
    """

    name = "efficientat-mn04"
    sample_rate = RATE
    channels = 1
    variants: ClassVar[Possible] = {"layer": range(len(V3_DIMS))}
    layer = len(V3_DIMS) - 1
    dim = V3_DIMS[layer]
    hop = HOP * V3_STRIDES[layer]
    frame_rate: float | None = RATE / hop
    first_frame_s = 0.0  # frames are centred on the samples k x hop
    shortest = FFT // 2 + 2  # what reflecting at the ends takes
    weights_hash = WEIGHTS.hash()

    def __init__(self, device: str = "auto", weights: str | Path | None = None, *, layer: int | None = None) -> None:
        """Load as the other models do; `layer`, from 0 to 16, gives the output of `features.layer`, averaged likewise.

        Such an encoder is called `efficientat-mn04@layer=5`, has that map's dims and rate, and a hash of its own.

        Raises ValueError for another layer, if torch cannot use `device` or a file is not the published one, and
        FileNotFoundError if one is not here and cannot be fetched.
        """
        super().__init__(device, weights, layer=layer)

    def _load(self, weights: str | Path | None) -> None:
        state = torch.load(WEIGHTS.fetch(weights)[FILE], map_location="cpu", weights_only=True)
        with torch.device("meta"):
            network = MobileNetV3()
        network.load_state_dict(state, assign=True)
        self._network = frozen(network, self.device)
        self._spectra = Spectra().to(self.device)
        self.layer = self.variant.get("layer", self.layer)
        self.dim, self.hop = V3_DIMS[self.layer], HOP * V3_STRIDES[self.layer]
        self.frame_rate = RATE / self.hop

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`: each halving of the spectra rounds up."""
        return -(-((n_samples - 1) // HOP + 1) * HOP // self.hop)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch dim frame]`, frame k centred on sample k x `hop`.

        Raises ValueError unless `audio` is `[batch 1 sample]` of at least 514 samples (16 ms).
        """
        return self._network.map(self._heard(audio), self.layer).mean(2)

    def class_scores(self, audio: torch.Tensor) -> torch.Tensor:
        """Return how sure the model is of each of AudioSet's 527 classes, `[batch 527]` from 0 to 1, each by itself.

        137 is Music, 140 Guitar, 153 Piano. Raises as `encode` does.
        """
        return self._network(self._heard(audio)).sigmoid()

    def _heard(self, audio: torch.Tensor) -> torch.Tensor:
        return self._spectra(self._input(audio)[:, 0])[:, None]


ENTRIES = (Entry(EfficientATMn04, "MIT", WEIGHTS),)
