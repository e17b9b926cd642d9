"""The encoders there are: list them, load one, register your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from latentfx_nb.encoders import diffae, stacked, vggish
from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.encoders.clap import ClapMusic
from latentfx_nb.encoders.contract import check_encoder, fingerprint
from latentfx_nb.encoders.dac import Dac44k
from latentfx_nb.encoders.encodec import Encodec24k, Encodec48k
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.encoders.lyra import WEIGHTS as LYRA_WEIGHTS
from latentfx_nb.encoders.lyra import LyraV2
from latentfx_nb.encoders.mini import DiffAEMini, StackedMini1, StackedMini1Encoder, StackedMini2
from latentfx_nb.encoders.module import ModuleEncoder
from latentfx_nb.encoders.oobleck import OobleckAceStep, OobleckStableAudio
from latentfx_nb.encoders.sources.weights import ConvertedWeights, HubWeights, ShippedWeights, Weights, files_hash


@dataclass(frozen=True)
class _Entry:
    """What `list_encoders` says of a model without loading it."""

    model: type
    licence: str
    weights: Weights | ShippedWeights | ConvertedWeights | HubWeights | None = None  # None: the model has none
    extra: str | None = None  # the optional extra that it needs
    requires: str | None = None  # a module that the extra installs


UNSTATED = "not stated"  # so the weights must not be passed on

_BUILT_IN = {
    **{
        model.name: _Entry(model, "GPL-3.0-or-later", model.shipped)
        for model in (DiffAEMini, StackedMini2, StackedMini1, StackedMini1Encoder)
    },
    "diffae": _Entry(diffae.DiffAE, UNSTATED, diffae.ENCODER),
    "stacked-2": _Entry(stacked.Stacked2, UNSTATED, stacked.STAGE_2),
    "stacked-1": _Entry(stacked.Stacked1, UNSTATED, stacked.SAMPLED),
    "stacked-1-encoder": _Entry(stacked.Stacked1Encoder, UNSTATED, stacked.STAGE_1),
    "vggish": _Entry(vggish.VGGish, "Apache-2.0", vggish.WEIGHTS),
    "vggish-paper": _Entry(vggish.VGGishPaper, "Apache-2.0", vggish.WEIGHTS),
    "logmel": _Entry(LogMel, "GPL-3.0-or-later"),
    "lyra-v2": _Entry(LyraV2, "Apache-2.0", LYRA_WEIGHTS, "lyra", "ai_edge_litert"),
    **{
        model.name: _Entry(model, licence, model.published, model.library, model.library)
        for model, licence in (
            (Encodec48k, "MIT, by its tag on the Hub"),
            (Encodec24k, "none declared on the Hub"),
            (Dac44k, "MIT, as reported"),
            (OobleckAceStep, "MIT, as reported"),
            (OobleckStableAudio, "Stability AI Community"),
            (ClapMusic, "Apache-2.0"),
        )
    },
}
_registered: dict[str, Encoder] = {}

DEFAULT_ENCODERS = ("diffae-mini", "stacked-mini-2", "logmel", "lyra-v2")
"""Encoders whose points of the bundled clips ship with the package."""


def list_encoders() -> pd.DataFrame:
    """Return a table of the known encoders, indexed by name; nothing is loaded or fetched.

    Columns: `dim`, `frame_rate_hz` (NaN: one vector a clip), `sample_rate_hz`, `channels`, `has_decoder`, `licence`,
    `size_mb`, `weights` (where they come from), `present` (whether `load_encoder` can run without a download) and
    `note` (what is missing, and the remedy).
    """
    rows = [_built_in_row(name, entry) for name, entry in _BUILT_IN.items()]
    rows += [_row(model, "unknown", 0.0, "registered in this session", "") for model in _registered.values()]
    return pd.DataFrame(rows).set_index("name")


def _built_in_row(name: str, entry: _Entry) -> dict:
    note = ""
    if entry.requires and find_spec(entry.requires) is None:
        note = f"pip install 'latentfx-nb[{entry.extra}]'"
    elif entry.weights:
        try:
            note = "" if entry.weights.find() else entry.weights.missing
        except (ValueError, FileNotFoundError) as error:
            note = str(error)
    size, source = (entry.weights.size_mb, entry.weights.url) if entry.weights else (0.0, "none needed")
    return _row(entry.model, entry.licence, size, source, note)


def _row(model: type | Encoder, licence: str, size_mb: float, weights: str, note: str) -> dict:
    return {
        "name": model.name,
        "dim": model.dim,
        "frame_rate_hz": float("nan") if model.frame_rate is None else model.frame_rate,
        "sample_rate_hz": model.sample_rate,
        "channels": model.channels,
        "has_decoder": hasattr(model, "decode"),
        "licence": licence,
        "size_mb": size_mb,
        "weights": weights,
        "present": not note,
        "note": note,
    }


def load_encoder(name: str, device: str = "auto", weights: str | Path | None = None, *, bf16: bool = False) -> Encoder:
    """Return the encoder called `name`, ready to run on `device` ("auto": CUDA or MPS if present, else the CPU).

    `weights` is a folder that holds the model's files, instead of `LATENTFX_WEIGHTS` and the cache. `bf16` runs the
    larger networks in bfloat16 where that loses little: faster on a GPU, with another `weights_hash`, and off by about
    a percent (`benchmarks/encoders.py` prints it).

    Raises ValueError for an unknown name (listing the known ones) and for `bf16` where a model has none, ImportError
    if an optional extra is missing, and FileNotFoundError if weights can be neither found nor fetched. No model ever
    runs on random weights.
    """
    model = _known(name)
    if name in _registered:
        if weights is not None or bf16:
            raise ValueError(f"{name} is registered as it is: it takes neither weights nor bf16 here")
        return model
    return _load(name, str(device), None if weights is None else str(weights), bf16)


def weights_hash(name: str) -> str | None:
    """Return what the latents of the encoder called `name` are keyed by, None if that takes loading its weights."""
    return getattr(_known(name), "weights_hash", None)


def present_hashes() -> dict[str, str]:
    """Return name -> sha256 of the weights of every encoder that is ready; files are read where that takes it."""
    ready = list_encoders()
    found = {name: _present_hash(name) for name in ready.index[ready["present"]]}
    return {name: digest for name, digest in found.items() if digest}


def _present_hash(name: str) -> str | None:
    weights = _BUILT_IN[name].weights if name in _BUILT_IN else None
    if isinstance(weights, HubWeights):
        folder = weights.find()
        return None if folder is None else weights.hash(folder)
    if isinstance(weights, ConvertedWeights):
        return files_hash((weights.find() or {}).values())
    return weights_hash(name)


def _known(name: str) -> type | Encoder:
    if name not in _BUILT_IN and name not in _registered:
        raise ValueError(f"no encoder is called {name!r}; known are {', '.join([*_BUILT_IN, *_registered])}")
    return _registered[name] if name in _registered else _BUILT_IN[name].model


@lru_cache(maxsize=8)
def _load(name: str, device: str, weights: str | None, bf16: bool) -> Encoder:
    model = _BUILT_IN[name].model
    if weights is not None and _BUILT_IN[name].weights is None:
        raise ValueError(f"{name} has no weights, so it cannot take them from {weights}")
    if bf16 and not getattr(model, "takes_bf16", False):
        raise ValueError(f"{name} runs in float32 only; leave bf16 out")
    options = {name: value for name, value in (("weights", weights), ("bf16", bf16)) if value}
    return model(device, **options)


def reloading(encoder: Encoder) -> Callable[[], Encoder]:
    """Return what gives the same encoder in another process: built-in ones load again there, others are sent along.

    What it returns raises ValueError where other weights are found than `encoder` has.
    """
    if _BUILT_IN.get(encoder.name) and type(encoder) is _BUILT_IN[encoder.name].model:
        device = str(getattr(encoder, "device", "cpu"))
        return partial(_reload, encoder.name, device, getattr(encoder, "bf16", False), encoder.weights_hash)
    return partial(_same, encoder)


def _reload(name: str, device: str, bf16: bool, weights_hash: str) -> Encoder:
    encoder = load_encoder(name, device, bf16=bf16)
    if encoder.weights_hash != weights_hash:
        raise ValueError(
            f"{name} has other weights here than where the work was begun: put the same files into the cache, or the "
            "folder that LATENTFX_WEIGHTS names, on both machines"
        )
    return encoder


def _same(encoder: Encoder) -> Encoder:
    return encoder


def register_encoder(encoder: Encoder) -> None:
    """Make your own model known under its `name` to `load_encoder`, `list_encoders` and the panels.

    It is tried first, on a second of noise (`check_encoder`); one without a `weights_hash` is given one, of what it
    made of that. `ModuleEncoder` turns any torch module into an encoder.

    Raises TypeError, saying all that it fails of the protocol, and ValueError if its name is a built-in one.
    """
    wrong = check_encoder(encoder)
    if wrong:
        raise TypeError(f"{type(encoder).__name__} is no Encoder: {'; '.join(wrong)} (see encoders/base.py)")
    if encoder.name in _BUILT_IN:
        raise ValueError(f"{encoder.name!r} is a built-in encoder; give yours another name")
    if not hasattr(encoder, "weights_hash"):
        encoder.weights_hash = fingerprint(encoder)
    _registered[encoder.name] = encoder


__all__ = [
    "DEFAULT_ENCODERS",
    "Decoder",
    "Encoder",
    "ModuleEncoder",
    "check_encoder",
    "list_encoders",
    "load_encoder",
    "present_hashes",
    "register_encoder",
    "reloading",
    "weights_hash",
]
