"""`lyra-v2`: Google's published SoundStream codec, real weights, 64 dims at 50 Hz, with its decoder.

Upstream: https://github.com/google/lyra (Apache-2.0), folder lyra/model_coeffs. Latents are the vectors before the
codec's residual quantiser, which the decoder takes as they are, or those after the first of its 46 codebooks, of 16
entries each (Zeghidour et al. 2021, "SoundStream", https://arxiv.org/abs/2107.03312). Lyra itself takes 16, 30 or 46.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from latentfx_nb.encoders.base import check_audio
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.encoders.sources.weights import Weights
from latentfx_nb.encoders.variants import Possible, checked, named

ENCODER_FILE, DECODER_FILE, QUANTISER_FILE = "soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite"
URL = "https://raw.githubusercontent.com/google/lyra/9cc2231473202761b91e1159d6b8d423b337b685/lyra/model_coeffs"

WEIGHTS = Weights(
    family="lyra",
    url=URL,
    sha256={
        ENCODER_FILE: "237da0b16226fb0a68d49551c81bebf614e42142af72764448359f68581e88f1",
        DECODER_FILE: "50e7839cda4f30599a3a34cfaddcd9c98449b049eee884e1a74295780448ad06",
    },
    size_mb=3.3,
)

QUANTISER = Weights(
    family="lyra",
    url=URL,
    sha256={QUANTISER_FILE: "841ee05989687d32d1f616a8ad1419fc7eda37599d3c05c7cf5a0d60ccf8ac5c"},
    size_mb=0.3,
)
"""Fetched only where it is asked for: those who have the codec need not have it."""

HOP = 320  # samples a frame, in and out


class LyraV2:
    """SoundStream of Lyra 2: 16 kHz mono, one 64-vector per 20 ms; what is left of the last frame is dropped.

    The network computes in 8 bits: latents are whole multiples of 0.2635, and jump where the sound moves smoothly.
    """

    name = "lyra-v2"
    sample_rate = 16_000
    channels = 1
    dim = 64
    frame_rate: float | None = sample_rate / HOP
    weights_hash = WEIGHTS.hash()
    variants: ClassVar[Possible] = {"quantizers": range(1, 47)}
    noise_floor = (
        "lyra-v2 computes in 8 bits: its latents are steps of 0.2635, and rounding a clip to 16 bits moves its frames "
        "by 6 to 7 % rms, their time average by 0.5 %. Differences as small as that are rounding, not sound."
    )

    def __init__(
        self, device: str = "auto", weights: str | Path | None = None, *, quantizers: int | None = None
    ) -> None:
        """Load the weights from the folder `weights`, else find them or fetch them.

        Latents are those after so many `quantizers`, if any. Raises ImportError if ai-edge-litert is missing,
        ValueError for other `quantizers` than 1 to 46 and for a `device` other than "auto" or "cpu", as the model runs
        on the CPU only, and what `Weights.find` and `Weights.fetch` raise.
        """
        options = checked("lyra-v2", self.variants, {"quantizers": quantizers})
        if str(device) not in ("auto", "cpu"):
            raise ValueError(f"lyra-v2 is a TFLite model and runs on the CPU only, not on {device!r}; use device='cpu'")
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError("lyra-v2 needs ai-edge-litert: pip install 'latentfx-nb[lyra]'") from error
        self.device = torch.device("cpu")
        self._interpreter = Interpreter
        self._files = WEIGHTS.fetch(weights) | (QUANTISER.fetch(weights) if options else {})
        self.quantizers = quantizers
        self.name, self.weights_hash = named(self.name, self.weights_hash, options)

    def frames(self, n_samples: int) -> int:
        return n_samples // HOP

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 64 frame]`, unquantised or after `quantizers`.

        Raises ValueError if `audio` is not `[batch 1 sample]` of at least 320 samples.
        """
        check_audio(self, audio)
        frames = self.frames(audio.shape[-1])
        if frames < 1:
            raise ValueError(f"{self.name} needs at least {HOP} samples (20 ms) at 16 kHz, not {audio.shape[-1]}")
        blocks = audio.cpu().numpy().astype(np.float32)[:, 0, : frames * HOP].reshape(-1, frames, 1, HOP)
        latents = self._run(ENCODER_FILE, blocks)[:, :, 0]
        latents = self._quantised(latents) if self.quantizers else latents
        return torch.from_numpy(latents[:, :, 0].transpose(0, 2, 1).copy())

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """Return `[batch 1 sample]`, 320 samples a frame of `latents [batch 64 frame]`; nothing is drawn from `seed`.

        Raises ValueError if `latents` has another shape.
        """
        if latents.ndim != 3 or latents.shape[1] != self.dim:
            raise ValueError(f"{self.name} decodes [batch 64 frame], not shape {tuple(latents.shape)}")
        blocks = latents.cpu().numpy().astype(np.float32).transpose(0, 2, 1)[:, :, None, None, :]
        return torch.from_numpy(self._run(DECODER_FILE, blocks).reshape(len(blocks), 1, -1))

    def _quantised(self, latents: np.ndarray) -> np.ndarray:
        """Return for latents `[batch frame 1 64]` the sums of the entries that the codebooks choose, one by one."""
        model = self._interpreter(str(self._files[QUANTISER_FILE]), num_threads=1)
        choose, add = (model.get_signature_runner(name) for name in ("encode", "decode"))
        depth = np.array(self.quantizers, np.int32)

        def nearest(frame: np.ndarray) -> np.ndarray:
            chosen = choose(input_frames=frame[None], num_quantizers=depth)["output_0"]
            return add(encoding_indices=chosen)["output_0"][0]

        return np.stack([[nearest(frame) for frame in clip] for clip in latents])

    def _run(self, file: str, sequences: np.ndarray) -> np.ndarray:
        """Return the model's outputs `[batch frame ...]` for `sequences [batch frame ...]`, one thread a sequence."""
        with ThreadPoolExecutor(min(len(sequences), os.cpu_count() or 1)) as pool:
            return np.stack(list(pool.map(lambda frames: self._run_one(self._files[file], frames), sequences)))

    def _run_one(self, path: Path, frames: np.ndarray) -> np.ndarray:
        # The model is streaming, and resetting its variables does not clear its state: a new interpreter does (2 ms).
        model = self._interpreter(str(path), num_threads=1)
        model.allocate_tensors()
        source, result = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
        outputs = []
        for frame in frames:
            model.set_tensor(source, frame)
            model.invoke()
            outputs.append(model.get_tensor(result))
        return np.stack(outputs)


ENTRIES = (Entry(LyraV2, "Apache-2.0", WEIGHTS, extra="lyra", requires="ai_edge_litert"),)
