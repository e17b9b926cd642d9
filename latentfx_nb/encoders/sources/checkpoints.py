"""The paper's checkpoints, which a user downloads: converted to safetensors once, and read from these.

Both are Lightning checkpoints, so pickles: they are read once, with `weights_only=True`.
"""

from __future__ import annotations

import argparse
import re
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from latentfx_nb.cache import atomic_path, atomic_write, file_digest
from latentfx_nb.encoders.nets.encoder1d import Encoder1d
from latentfx_nb.encoders.nets.sized import SizedByWeights
from latentfx_nb.encoders.nets.soundstream import SoundStreamDecoder, SoundStreamEncoder
from latentfx_nb.encoders.nets.unet import DiffusionUNet
from latentfx_nb.encoders.sources.weights import SUMS, ConvertedWeights, check_archive, weights_folder

N = TypeVar("N", bound=SizedByWeights)


@dataclass(frozen=True)
class Part:
    """One network of a checkpoint: the file that it is written to, the prefix of its keys, and its class."""

    file: str
    prefix: str
    network: type[SizedByWeights]
    optional: bool = False  # whether a checkpoint may lack it: one can encode without a decoder


@dataclass(frozen=True)
class Checkpoint:
    """A published model: where to get it, what is known of its licence, and its networks."""

    family: str
    source: str
    parts: tuple[Part, ...]
    sha256: str | None  # of the published file; None: there is none to compare with

    def weights(self, *files: str, size_mb: float) -> ConvertedWeights:
        """Return converted files of this checkpoint, to be found and verified."""
        return ConvertedWeights(self.family, files, self.source, size_mb)


DIFFAE = Checkpoint(
    family="diffae",
    source=(
        "The authors' checkpoint (4 GB) is Google Drive file 1C3NMdQlmOcArGt1KL7pH32KtXVCOfXKr, linked by their "
        "project audio-algebra; no licence is stated for it, so it is for your own use and must not be passed on"
    ),
    parts=(
        Part("encoder.safetensors", "encoder_ema.", SoundStreamEncoder),
        Part("decoder.safetensors", "diffusion_ema.", DiffusionUNet, optional=True),
    ),
    sha256="6a304c3e89ea3f7ca023f4c9accc5df8de0504595db41961cc7e8b0d07876ef5",
)

STACKED = Checkpoint(
    family="stacked",
    source=(
        "The authors' checkpoint, stacked-diffae-more-310k.ckpt, has no public address and no stated licence: ask them "
        "for it, or bring one that you trained"
    ),
    parts=(
        Part("stage-1-encoder.safetensors", "autoencoder.encoder.", SoundStreamEncoder),
        Part("stage-1-decoder.safetensors", "autoencoder.decoder.", SoundStreamDecoder, optional=True),
        Part("stage-2-encoder.safetensors", "latent_encoder_ema.", Encoder1d),
        Part("stage-2-decoder.safetensors", "diffusion_ema.", DiffusionUNet, optional=True),
    ),
    sha256=None,
)

CHECKPOINTS: Mapping[str, Checkpoint] = {checkpoint.family: checkpoint for checkpoint in (DIFFAE, STACKED)}
"""Checkpoints that `python -m latentfx_nb convert` knows, by name."""


def convert(family: str, path: str | Path, folder: str | Path | None = None, sha256: str | None = None) -> list[Path]:
    """Write a checkpoint's networks, their averaged (EMA) weights, as safetensors into `folder`; return the files.

    `folder` is by default where `load_encoder` looks. The file at `path` is mapped and not read whole, one network is
    written at a time, and no code in it is run. Its sha256 has to be the published one or, for a checkpoint of your
    own, the `sha256` that you give; where neither is known it is not checked.

    Raises ValueError for an unknown family, another sha256, a file that is no checkpoint of this model or that would
    run code when read, and FileNotFoundError if there is none at `path`.
    """
    checkpoint = _known(family)
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}. {checkpoint.source}")
    folder = Path(folder).expanduser() if folder else weights_folder(family)
    with tqdm(total=1 + len(checkpoint.parts), desc=f"Converting {family}", unit="step") as progress:
        _verify(path, sha256 or checkpoint.sha256)
        networks = _networks(checkpoint, _read(path), path)  # all are checked before any is written
        progress.update()
        written = []
        for name, weights in networks.items():
            written.append(_write(folder / name, weights))
            progress.update()
    with atomic_write(folder / SUMS) as file:
        file.write("".join(f"{file_digest(one)}  {one.name}\n" for one in written).encode())
    return written


def sources(family: str | None = None) -> str:
    """Return a line for the checkpoint of `family`, or for each: where to get it, what is known of its licence."""
    chosen = CHECKPOINTS.values() if family is None else [_known(family)]
    return "\n".join(f"{checkpoint.family}: {checkpoint.source}." for checkpoint in chosen)


def load_network(path: Path, network: type[N]) -> N:
    """Return the `network` of the sizes and weights that a safetensors file holds, float32.

    Raises ValueError if the file holds anything else.
    """
    try:
        weights = {name: tensor.float() for name, tensor in load_file(path).items()}
        return _filled(network, weights)
    except Exception as error:  # a torn file, other keys and other shapes each raise their own
        raise ValueError(
            f"{path} holds no {network.__name__} ({type(error).__name__}: {_line(error)}); write it with "
            "python -m latentfx_nb convert"
        ) from error


def _known(family: str) -> Checkpoint:
    if family not in CHECKPOINTS:
        raise ValueError(f"no checkpoint is called {family!r}; known are {', '.join(CHECKPOINTS)}")
    return CHECKPOINTS[family]


def _verify(path: Path, wanted: str | None) -> None:
    if wanted is None:
        return
    found = file_digest(path)
    if found != wanted.lower():
        raise ValueError(
            f"{path} is not the published checkpoint: its sha256 is {found}, expected {wanted.lower()}; download it "
            f"again, or, if it is one of your own, say so with --sha256 {found}"
        )


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the state dict of a checkpoint, mapped where its format, a zip archive, allows."""
    try:
        check_archive(path)
        # A Lightning checkpoint keeps its options beside the weights, often in this plain record.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a torn pickle raises whatever its bytes happen to mean
        # Not torch's own text, which advises to read the file without care.
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        packed = str(error) if "would unpack" in str(error) else f"{type(error).__name__} on reading"
        reason = f"it would need {wanted[1]}" if wanted else packed
        raise ValueError(
            f"{path} is no checkpoint that can be read without running what it holds ({reason}); download it again, or "
            "save its state_dict alone with torch.save"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} holds no state_dict; give the Lightning checkpoint itself")
    return state


def _networks(
    checkpoint: Checkpoint, state: Mapping[str, torch.Tensor], path: Path
) -> dict[str, dict[str, torch.Tensor]]:
    """Return file name -> weights of each part that is there; all that its network needs, and no more."""
    networks = {}
    for part in checkpoint.parts:
        weights = {key.removeprefix(part.prefix): value for key, value in state.items() if key.startswith(part.prefix)}
        if weights:
            _check(part, weights, path)
            networks[part.file] = weights
        elif not part.optional:
            found = ", ".join(sorted({key.split(".")[0] for key in state})[:12])
            raise ValueError(f"{path} holds no {part.prefix}*, but {found}; is it another model's checkpoint?")
    _check_size(networks, path)
    return networks


def _check_size(networks: Mapping[str, Mapping[str, torch.Tensor]], path: Path) -> None:
    """Raise ValueError for tensors that are larger written than read: one number can stand for a terabyte of them."""
    claimed = sum(
        tensor.numel() * tensor.element_size() for weights in networks.values() for tensor in weights.values()
    )
    held = path.stat().st_size
    if claimed > held:
        raise ValueError(
            f"{path} is {held / 1e6:.1f} MB, but its weights would be {claimed / 1e6:.1f} MB; save its state_dict "
            "again with torch.save, each tensor contiguous"
        )


def _check(part: Part, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        _filled(part.network, weights)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path}: {part.prefix}* is no {part.network.__name__} ({_line(error)})") from error


def _line(error: Exception) -> str:
    """Return an error's text in one line, shortened: a state dict's can name 900 keys."""
    return textwrap.shorten(str(error), 400, placeholder=" ...")


def _filled(network: type[N], weights: Mapping[str, torch.Tensor]) -> N:
    with torch.device("meta"):
        empty = network.of(weights)
    empty.load_state_dict(weights, strict=True, assign=True)
    return empty


def _write(path: Path, weights: Mapping[str, torch.Tensor]) -> Path:
    with atomic_path(path) as scratch:
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, scratch)
    return path
