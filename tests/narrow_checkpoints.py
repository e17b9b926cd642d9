"""The paper's models so narrow that a test can run them: same latents and frame rates, random weights, real files."""

from __future__ import annotations

import argparse

import torch

from latentfx_nb.cache import file_digest
from latentfx_nb.encoders.nets.encoder1d import Encoder1d
from latentfx_nb.encoders.nets.soundstream import SoundStreamDecoder, SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import DiffusionUNet
from latentfx_nb.encoders.sources.checkpoints import convert
from tests.paper_networks import random_weights

STRIDES_1 = (2, 2, 2, 2, 2)
UNET_WIDTHS, ATTENTION = (8, 8, 8, 8, 8, 32, 64, 32), (7, 8)
FACTORS, BLOCKS = (2, 2, 2, 2), (1, 2, 1, 1)


def networks(family):
    """Key prefix -> network, empty of sense."""
    if family == "diffae":
        encoder = SoundStreamEncoder(widths=(4, 6, 8, 8, 12, 8))
        unet = DiffusionUNet(widths=UNET_WIDTHS, attends=[level in ATTENTION for level in range(1, 9)])
        return {"encoder": encoder, "encoder_ema": encoder, "diffusion_ema": unet}
    return {
        "autoencoder.encoder": SoundStreamEncoder(widths=(4, 4, 6, 6, 8, 8), strides=STRIDES_1, latents=32),
        "autoencoder.decoder": SoundStreamDecoder(widths=(4, 4, 6, 6, 8, 8)),
        "latent_encoder_ema": Encoder1d(widths=(16, 16, 24, 16, 32), blocks=BLOCKS),
        "diffusion_ema": DiffusionUNet(channels=32, latents=32, widths=(8, 8, 16), attends=(False,) * 3),
    }


def state_dict(family, seed=0):
    """Random weights of a checkpoint, by its published names; averaged ones differ from the others."""
    state = {}
    for i, (prefix, network) in enumerate(networks(family).items()):
        own = network.state_dict()
        weights = random_weights({name: tuple(w.shape) for name, w in own.items()}, 10 * seed + i)
        weights |= {name: w for name, w in own.items() if name.endswith("kernel")}
        if prefix == "latent_encoder_ema":
            weights["to_out.weight"] *= 0.1  # its random blocks grow large, and tanh would show signs alone
        state |= {f"{prefix}.{name}": w for name, w in weights.items()}
    return state


def save_checkpoint(family, path, state=None):
    """Write a Lightning-like checkpoint and return its path."""
    content = {"state_dict": state or state_dict(family), "epoch": 3, "hyper_parameters": argparse.Namespace(lr=1e-4)}
    torch.save(content, path)
    return path


def save_converted(family, folder):
    """Write a narrow checkpoint and convert it into `folder` by the real path; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = save_checkpoint(family, folder / "narrow.ckpt")
    convert(family, path, folder, sha256=file_digest(path))
    path.unlink()
    return folder
