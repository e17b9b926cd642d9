"""`logmel-stats` and `texture-stats`: statistics that nobody trained, which a trained model has to beat.

As far as these do as well, the success of probes on an encoder that was trained to keep such statistics is theirs.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from latentfx_nb.cache import digest
from latentfx_nb.encoders.base import check_audio
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.encoders.entry import OWN_LICENCE, Entry
from latentfx_nb.encoders.logmel import BANDS, HOP, LogMel
from latentfx_nb.encoders.nets.texture import QUIET, TextureStatistics

STILL_DB = 0.01
"""Deviation under which a band counts as still and not as skewed: far over rounding, far under anything audible."""


class LogMelStats(LogMel):
    """How the 64 bands of `logmel` are spread over a clip, one vector of 320.

    Of each band its mean, its deviation, its mean change from frame to frame regardless of sign, its skewness and that
    of its changes, statistic by statistic. The first 64 are the time averages of `logmel`.
    """

    name = "logmel-stats"
    dim = 5 * BANDS
    frame_rate: float | None = None
    weights_hash = digest(f"mean deviation change skewness skewness-of-change {STILL_DB} {LogMel.weights_hash}")

    def frames(self, n_samples: int) -> int:
        return 1

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 320 1]`, in dB and, for skewness, without a unit. Sounds under two frames are padded."""
        check_audio(self, audio)
        padded = functional.pad(audio, (0, max(0, 2 * HOP - audio.shape[-1])))
        levels_db = self._levels(padded)
        change_db = levels_db.diff(dim=-1)
        spread = levels_db.std(-1, correction=0)
        parts = [levels_db.mean(-1), spread, change_db.abs().mean(-1), _skewness(levels_db), _skewness(change_db)]
        return torch.cat(parts, 1)[..., None]


def _skewness(x: torch.Tensor) -> torch.Tensor:
    """Return the third standardised moment over the last axis; near 0 where `x` hardly moves."""
    apart = x - x.mean(-1, keepdim=True)
    return (apart**3).mean(-1) / apart.square().mean(-1).sqrt().clamp_min(STILL_DB) ** 3


class TextureStats:
    """211 statistics of texture in windows of 0.17 s: what `diffae-mini` and `stacked-mini-2` were trained to keep.

    Means, spreads, asymmetry and modulation of 24 bands, with echoes, stereo width and tonality (`nets/texture.py`).
    """

    name = "texture-stats"
    sample_rate = 48_000
    channels = 2
    dim = TextureStatistics.COUNT
    hop = TextureStatistics.HOP * TextureStatistics.WINDOW_HOP
    frame_rate: float | None = sample_rate / hop
    weights_hash = digest(
        f"texture {[value for name, value in sorted(vars(TextureStatistics).items()) if name.isupper()]} {QUIET}"
    )

    def __init__(self, device: str = "auto") -> None:
        self.device = choose_device(device)
        self._texture = TextureStatistics().to(self.device)

    def frames(self, n_samples: int) -> int:
        short = max(n_samples // TextureStatistics.HOP - TextureStatistics.WINDOW, 0)
        return 1 + short // TextureStatistics.WINDOW_HOP

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 211 window]` of `audio [batch 2 sample]`; sounds under a window are padded with silence."""
        check_audio(self, audio)
        sound = audio.to(self.device, torch.float32)
        window = TextureStatistics.HOP * TextureStatistics.WINDOW
        return self._texture.statistics(functional.pad(sound, (0, max(0, window - sound.shape[-1]))))


ENTRIES = (Entry(LogMelStats, OWN_LICENCE), Entry(TextureStats, OWN_LICENCE))
