"""Tiny networks with random weights, saved as the published ones are, for every encoder that a file is needed for."""

from __future__ import annotations

import dataclasses
import warnings

import torch

from latentfx_nb.cache import file_digest
from latentfx_nb.encoders import vggish
from tests.narrow_checkpoints import save_converted


def encodec(normalize, channels, rate):
    from transformers import EncodecConfig, EncodecModel

    stereo = {"norm_type": "time_group_norm", "use_causal_conv": False, "chunk_length_s": 1.0, "overlap": 0.01}
    config = EncodecConfig(
        num_filters=2, hidden_size=128, codebook_size=4, num_lstm_layers=1, sampling_rate=rate, audio_channels=channels,
        normalize=normalize, target_bandwidths=[3.0, 6.0], **(stereo if channels == 2 else {}),
    )  # fmt: skip
    return EncodecModel(config)


def dac():
    from transformers import DacConfig, DacModel

    return DacModel(DacConfig(encoder_hidden_size=4, decoder_hidden_size=32, codebook_size=4, codebook_dim=2,
                              n_codebooks=2, sampling_rate=44_100))  # fmt: skip


def oobleck(rate, ratios):
    from diffusers import AutoencoderOobleck

    return AutoencoderOobleck(encoder_hidden_size=8, downsampling_ratios=ratios, channel_multiples=[1, 1, 2, 2, 2],
                              decoder_channels=4, decoder_input_channels=4, sampling_rate=rate)  # fmt: skip


def clap(folder):
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {"num_mel_bins": 64, "spec_size": 256, "patch_size": 4, "patch_embeds_hidden_size": 8, "hidden_size": 16,
             "depths": [1, 1], "num_attention_heads": [2, 2], "num_hidden_layers": 2, "window_size": 8,
             "enable_fusion": False, "projection_dim": 512}  # fmt: skip
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
            "vocab_size": 20, "projection_dim": 512}  # fmt: skip
    ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50).save_pretrained(folder)
    return ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=512))


LIBRARY_MODELS = {
    "encodec-48k": lambda folder: encodec(True, 2, 48_000),
    "encodec-24k": lambda folder: encodec(False, 1, 24_000),
    "dac-44k": lambda folder: dac(),
    "oobleck-acestep": lambda folder: oobleck(48_000, [2, 4, 4, 6, 10]),
    "oobleck-stable-audio": lambda folder: oobleck(44_100, [2, 4, 4, 8, 8]),
    "clap-music": clap,
}


def save_tiny(name, folder):
    """Write a tiny random model for the encoder `name` into `folder`, and return it, to be given as its `weights`."""
    folder.mkdir(parents=True, exist_ok=True)
    family = name.partition("-")[0]
    if family in ("diffae", "stacked"):
        return save_converted(family, folder)
    if family == "vggish":
        return save_vggish(folder)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of diffusers' kind of weight norm
        network = LIBRARY_MODELS[name](folder)
    for key, weight in network.named_parameters():  # libraries begin with zeros, or so small that nothing comes out
        if weight.ndim > 1 and not key.endswith(("alpha", "beta")):
            weight.data = torch.randn_like(weight) / weight[0].numel() ** 0.5
    for key, buffer in network.named_buffers():
        if key.endswith("codebook.embed"):
            buffer.copy_(torch.randn_like(buffer))
    network.save_pretrained(folder)
    return folder


def save_vggish(folder):
    """Write a narrow network and its PCA under the published names; `published_as` lets them pass for these."""
    generator = torch.Generator().manual_seed(0)
    network = vggish.VGGishNetwork((4, 6, 8, 8, 10, 10), (32, 24, 128)).state_dict()
    for name, weight in network.items():
        scale = (2 / weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.05
        network[name] = 1.7 * scale * (2 * torch.rand(weight.shape, generator=generator) - 1)
    means = torch.rand(128, 1, generator=generator) / 2
    pca = {"pca_eigen_vectors": 0.3 * torch.randn(128, 128, generator=generator), "pca_means": means}
    torch.save(network, folder / vggish.NETWORK_FILE)
    torch.save(pca, folder / vggish.PCA_FILE)
    return folder


def published_as(folder):
    """Return VGGish's weights with the digests of the files in `folder`."""
    digests = {name: file_digest(folder / name) for name in (vggish.NETWORK_FILE, vggish.PCA_FILE)}
    return dataclasses.replace(vggish.WEIGHTS, sha256=digests)
