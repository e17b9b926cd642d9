"""The encoders that can be listed and loaded by name: the built-in ones, and yours once you register them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.contract import check_encoder, fingerprint
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.plugins import load_plugins

FAMILIES = (
    "mini",
    "diffae",
    "stacked",
    "vggish",
    "efficientat",
    "yamnet",
    "logmel",
    "statistics",
    "lyra",
    "encodec",
    "dac",
    "oobleck",
    "clap",
)
"""Modules beside this one that hold built-in encoders, in the order of the list; each declares its `ENTRIES`."""

BUILT_IN: dict[str, Entry] = {
    entry.name: entry for family in FAMILIES for entry in import_module(f"latentfx_nb.encoders.{family}").ENTRIES
}

REGISTERED: dict[str, Encoder] = {}
"""Encoders that `register_encoder` was given, by name."""

DEFAULT_ENCODERS = ("diffae-mini", "stacked-mini-2", "logmel", "lyra-v2")
"""Encoders whose points of the bundled clips ship with the package."""


def list_encoders() -> pd.DataFrame:
    """Return a table of the known encoders, indexed by name; nothing is loaded or fetched.

    Columns: `dim`, `frame_rate_hz` (NaN: one vector a clip), `sample_rate_hz`, `channels`, `has_decoder`, `licence`,
    `size_mb`, `weights` (where they come from), `present` (whether `load_encoder` can run without a download) and
    `note` (what is missing, and the remedy).
    """
    load_plugins()
    rows = [_built_in_row(entry) for entry in BUILT_IN.values()]
    rows += [_row(model, "unknown", 0.0, "registered in this session", "") for model in REGISTERED.values()]
    return pd.DataFrame(rows).set_index("name")


def _built_in_row(entry: Entry) -> dict[str, Any]:
    size, source = (entry.weights.size_mb, entry.weights.url) if entry.weights else (0.0, "none needed")
    return _row(entry.model, entry.licence, size, source, entry.missing())


def _row(model: type[Encoder] | Encoder, licence: str, size_mb: float, weights: str, note: str) -> dict[str, Any]:
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
    _check_known(name)
    if name not in REGISTERED:
        return load_built_in(name, str(device), None if weights is None else str(weights), bf16)
    if weights is not None or bf16:
        raise ValueError(f"{name} is registered as it is: it takes neither weights nor bf16 here")
    return REGISTERED[name]


@lru_cache(maxsize=8)
def load_built_in(name: str, device: str, weights: str | None, bf16: bool) -> Encoder:
    """Return a built-in encoder; the eight that were loaded last are kept."""
    entry = BUILT_IN[name]
    if weights is not None and entry.weights is None:
        raise ValueError(f"{name} has no weights, so it cannot take them from {weights}")
    if bf16 and not getattr(entry.model, "takes_bf16", False):
        raise ValueError(f"{name} runs in float32 only; leave bf16 out")
    given: dict[str, Any] = {"weights": weights, "bf16": bf16}
    build: Callable[..., Encoder] = entry.model
    return build(device, **{option: value for option, value in given.items() if value})


def weights_hash(name: str) -> str | None:
    """Return what the latents of the encoder called `name` are keyed by, None if that takes loading its weights."""
    _check_known(name)
    return getattr(REGISTERED[name] if name in REGISTERED else BUILT_IN[name].model, "weights_hash", None)


def present_hashes() -> dict[str, str]:
    """Return name -> sha256 of the weights of every encoder that is ready; files are read where that takes it."""
    ready = list_encoders()
    found = {name: _present_hash(name) for name in ready.index[ready["present"]]}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def _present_hash(name: str) -> str | None:
    return BUILT_IN[name].present_hash() if name in BUILT_IN else weights_hash(name)


def _check_known(name: str) -> None:
    load_plugins()
    if name not in BUILT_IN and name not in REGISTERED:
        raise ValueError(f"no encoder is called {name!r}; known are {', '.join([*BUILT_IN, *REGISTERED])}")


def reloading(encoder: Encoder) -> Callable[[], Encoder]:
    """Return a function that gives the same encoder in another process.

    A built-in encoder is loaded again there, any other is sent along. The function raises ValueError where it finds
    other weights than `encoder` has.
    """
    entry = BUILT_IN.get(encoder.name)
    if entry and type(encoder) is entry.model:
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

    It is tried first, on a second of noise (`check_encoder`). One without a `weights_hash` is given one, made from its
    latents of that noise. `ModuleEncoder` turns any torch module into an encoder.

    Raises TypeError, with every point of the protocol that it fails, and ValueError if its name is a built-in one.
    """
    wrong = check_encoder(encoder)
    if wrong:
        raise TypeError(f"{type(encoder).__name__} is no Encoder: {'; '.join(wrong)} (see encoders/base.py)")
    if encoder.name in BUILT_IN:
        raise ValueError(f"{encoder.name!r} is a built-in encoder; give yours another name")
    if not hasattr(encoder, "weights_hash"):
        encoder.weights_hash = fingerprint(encoder)
    REGISTERED[encoder.name] = encoder
