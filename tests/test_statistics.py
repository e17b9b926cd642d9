"""`logmel-stats`, `texture-stats`, random weights: baselines are what they say, and none is used by accident."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import skew

from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.encoders.logmel import BANDS
from latentfx_nb.encoders.nets.texture import TextureStatistics
from latentfx_nb.encoders.untrained import UNTRAINED, untrained
from tools.mini_losses import Texture

SAMPLES = 2**16


@pytest.fixture(scope="module")
def struck(noise):
    """Noise that dies away and is struck again, `[1 2 sample]`."""
    decay = np.exp(-np.arange(SAMPLES) % 8192 / 1500).astype(np.float32)
    return torch.from_numpy(noise(SAMPLES, doubled=True) * decay)[None]


def parts(vector):
    return np.split(vector[0, :, 0].numpy(), 5)


# -------------------------------------------------------------------------------------------------------- logmel-stats


def test_logmel_stats_are_moments_of_logmel(struck):
    levels = load_encoder("logmel", "cpu").encode(struck[:, :1])[0].double().numpy()
    mean, spread, change, skewness, skewness_of_change = parts(
        load_encoder("logmel-stats", "cpu").encode(struck[:, :1])
    )
    changes = np.diff(levels, axis=-1)
    assert np.allclose(mean, levels.mean(-1), atol=1e-3)
    assert np.allclose(spread, levels.std(-1), atol=1e-3)
    assert np.allclose(change, np.abs(changes).mean(-1), atol=1e-3)
    assert np.allclose(skewness, skew(levels, axis=-1), atol=1e-3)
    assert np.allclose(skewness_of_change, skew(changes, axis=-1), atol=1e-3)


def test_reversal_shows_in_the_skewness_of_changes_alone(struck):
    encoder = load_encoder("logmel-stats", "cpu")
    forward, backward = (parts(encoder.encode(x[:, :1])) for x in (struck, struck.flip(-1)))
    for one, other in zip(forward[:4], backward[:4], strict=True):
        assert np.allclose(one, other, atol=0.05)  # torch's Hann window is not quite its own mirror image
    assert np.allclose(forward[4], -backward[4], atol=0.05)
    assert np.abs(forward[4]).mean() > 0.5


@pytest.mark.parametrize("samples", [1, 700, 4096])
def test_short_and_silent_sounds_have_no_skewness_to_divide_by(samples):
    for name in ("logmel-stats", "texture-stats"):
        encoder = load_encoder(name, "cpu")
        found = encoder.encode(torch.zeros(1, encoder.channels, samples))
        assert found.shape == (1, encoder.dim, encoder.frames(samples)) and torch.isfinite(found).all()
    _, spread, change, skewness, of_change = parts(
        load_encoder("logmel-stats", "cpu").encode(torch.zeros(1, 1, samples))
    )
    assert np.allclose([spread, change], 0, atol=1e-3) and np.allclose([skewness, of_change], 0, atol=1e-3)


# ------------------------------------------------------------------------------------------------------- texture-stats


def test_texture_stats_are_what_the_shipped_models_were_trained_to_keep(struck):
    found = load_encoder("texture-stats", "cpu").encode(struck)
    assert torch.equal(found, Texture(8).statistics(struck))
    assert found.shape[1] == TextureStatistics.COUNT == Texture(8).guess.out_channels


# ------------------------------------------------------------------------------------------------------ random weights


@pytest.mark.parametrize("name", UNTRAINED)
def test_random_weights_are_those_of_their_seed(name, noise):
    sound = torch.from_numpy(noise(8192))[None]
    trained = load_encoder(name, "cpu")
    before, state = trained.encode(sound), torch.get_rng_state()
    first, again, other = (untrained(name, seed, "cpu") for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers are touched
    assert torch.equal(first.encode(sound), again.encode(sound)) and first.weights_hash == again.weights_hash
    assert not torch.allclose(first.encode(sound), other.encode(sound)) and first.weights_hash != other.weights_hash
    assert torch.equal(trained.encode(sound), before) and not torch.allclose(first.encode(sound), before)
    assert (first.dim, first.frame_rate, first.channels) == (trained.dim, trained.frame_rate, trained.channels)


def test_random_weights_keep_the_scales_of_the_input():
    trained, drawn = load_encoder("diffae-mini", "cpu"), untrained("diffae-mini", 3, "cpu")
    assert torch.equal(trained._models[0].spectrum.scale, drawn._models[0].spectrum.scale)


def test_nothing_runs_on_random_weights_unless_asked():
    drawn = untrained("diffae-mini", 0, "cpu")
    assert "random weights" in drawn.name and drawn.name not in list_encoders().index
    with pytest.raises(ValueError, match="no encoder is called"):
        load_encoder(drawn.name)
    with pytest.raises(ValueError, match="'lyra-v2' cannot be drawn untrained: choose one of diffae-mini"):
        untrained("lyra-v2", 0)


def test_bands_are_as_many_as_logmel_has():
    assert load_encoder("logmel-stats", "cpu").dim == 5 * BANDS
