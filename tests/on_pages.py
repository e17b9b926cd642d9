"""What tests of pages share: waiting, what is said, drawn and heard, and two encoders to be held up."""

from __future__ import annotations

import html
import io
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import soundfile
import torch

from latentfx_nb.analysis import prepared
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import decode_latents, encode_clips
from latentfx_nb.pages.worker import main
from latentfx_nb.sound.audio import loudness_lufs, normalise
from tests.speed import PATIENCE_S

LABELS = list(EFFECTS)


def ready(panel):
    panel.wait(PATIENCE_S)
    return panel


def happens(event):
    """Wait for an event that another thread sets, while what threads found is shown, as a kernel's loop does."""
    end = time.monotonic() + PATIENCE_S
    while not event.wait(0.01) and time.monotonic() < end:
        main.run_queued()
    return event.is_set()


def said(panel):
    """Return the status line as a reader sees it."""
    return html.unescape(re.sub("<[^>]*>", "", panel.status.text))


def drawn(trace):
    """Return what a trace draws, `[point component]`."""
    return np.stack([np.asarray(trace[axis], float) for axis in "xyz" if axis in trace], axis=-1)


def heard(player):
    """Return both sounds as they are played, `[channel sample]`."""
    return [played(player.dry), played(player.wet)]


def played(flac):
    """Return a sound as it is played, `[channel sample]`: a single channel on both sides."""
    sound = soundfile.read(io.BytesIO(flac), dtype="float32", always_2d=True)[0].T
    return np.repeat(sound, 2, axis=0) if len(sound) == 1 else sound


def assert_sounds(player, clip, label, value=None, knob=None):
    """The player holds `clip` without and with the effect, to 16 bits, at one gain."""
    expected = render(clip, "CLN"), render(clip, label, value, knob)
    gain = 1 / max(1.0, *(float(np.abs(sound).max()) for sound in expected))
    for sound, one in zip(heard(player), expected, strict=True):
        np.testing.assert_allclose(sound, one * gain, atol=1.01 / 2**15)


def basis_of(clips, encoder):
    """Return mean and axes of the data set's PCA, by another way than the package's."""
    means = prepared.effect_means(clips, encoder).values.reshape(-1, load_encoder(encoder).dim).astype(float)
    axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][:3]
    signs = np.sign(axes[range(3), np.abs(axes).argmax(axis=1)])
    return means.mean(axis=0), axes * signs[:, None]


def exact_point(clips, row, encoder, label, value, knob=None):
    """Render, encode, average and project one setting."""
    mean, axes = basis_of(clips, encoder)
    latent = encode_clips(load_encoder(encoder), [render(clips[row], label, value, knob)])[0]
    return axes @ (latent.astype(float).mean(axis=-1) - mean)


def click(panel, name, number):
    """Click a point of a trace."""
    panel.click(name, SimpleNamespace(point_inds=[number]))
    return ready(panel)


def heard_by_now(panel):
    """Wait for the sounds that are being made, whatever else goes on, and have them shown."""
    panel.voice.wait(PATIENCE_S)
    main.run_queued()


class Toy:
    """An encoder whose latents are the loudness of 10 ms blocks; its decoder buzzes in their rhythm, seeded."""

    name, sample_rate, channels, dim, frame_rate = "toy", 16_000, 1, 1, 100.0
    weights_hash, device = "toy", torch.device("cpu")

    def __init__(self):
        self.encoded, self.seeds, self.at_work, self.go = [], [], threading.Event(), threading.Event()
        self.go.set()

    def frames(self, n_samples):
        return n_samples // 160

    def encode(self, audio):
        self.encoded.append(len(audio))
        return audio[..., : 160 * self.frames(audio.shape[-1])].unfold(-1, 160, 160).std(dim=-1)

    def decode(self, latents, *, seed):
        self.at_work.set()
        assert self.go.wait(PATIENCE_S)
        self.seeds.append(seed)
        buzz = torch.rand(latents.shape[-1] * 160, generator=torch.Generator().manual_seed(seed)) - 0.5
        return latents.repeat_interleave(160, dim=-1) * buzz


class Summary:
    """One vector a clip, at a rate of its own, without a decoder."""

    name, sample_rate, channels, dim, frame_rate = "summary", 22_050, 2, 4, None
    weights_hash, device = "summary", torch.device("cpu")

    def frames(self, n_samples):
        return 1

    def encode(self, audio):
        steps = audio.diff(dim=-1)
        return torch.cat([audio.std(-1), steps.std(-1)], 1)[..., None]


def played_decoded(player):
    return played(player.decoded)


def assert_decoded(panel, encoder, value):
    """The player holds what the decoder makes of the wet sound, as loud as the other two."""
    wet = render(panel.clips[panel.clip.value], "DIS", value)
    made = decode_latents(encoder, encode_clips(encoder, [wet])[0], wet.shape[-1], seed=0)
    expected, sound = normalise(made, 48_000), played_decoded(panel.player)
    np.testing.assert_allclose(sound, expected, atol=1.01 / 2**15)
    levels = [loudness_lufs(one, 48_000) for one in (*heard(panel.player), sound)]
    assert np.ptp(levels) < 0.1


def cells(table):
    """Return the rows of an HTML table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
