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
from latentfx_nb.encoders.variants import Possible, checked, name_of, named, options_of, words
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

    Columns: `dim`, `frame_rate_hz` (NaN: one vector a clip), `sample_rate_hz`, `channels`, `has_decoder`, `variants`
    (options of `load_encoder`, such as "quantizers 1-46"), `licence`, `size_mb`, `weights` (where they come from),
    `present` (whether `load_encoder` can run without a download) and `note` (what is missing, and the remedy).
    """
    load_plugins()
    rows = [_built_in_row(entry) for entry in BUILT_IN.values()]
    rows += [_row(model, "unknown", 0.0, "registered in this session", "") for model in REGISTERED.values()]
    return pd.DataFrame(rows).set_index("name")


def encoder_row(name: str) -> pd.Series:
    """Return the row of `list_encoders` of one encoder, or of a variant, which is loaded for it.

    Raises as `load_encoder` does.
    """
    model, options = _known(name)
    row = list_encoders().loc[model]
    if not options:
        return row
    encoder = load_encoder(name)
    rate = float("nan") if encoder.frame_rate is None else encoder.frame_rate
    changed = {"dim": encoder.dim, "frame_rate_hz": rate}
    return pd.Series({**row.to_dict(), **changed}, name=name, dtype=object)


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
        "variants": words(_variants(model)),
        "licence": licence,
        "size_mb": size_mb,
        "weights": weights,
        "present": not note,
        "note": note,
    }


def load_encoder(
    name: str,
    device: str = "auto",
    weights: str | Path | None = None,
    *,
    bf16: bool = False,
    layer: int | None = None,
    quantizers: int | None = None,
    chunked: bool | None = None,
) -> Encoder:
    """Return the encoder called `name`, ready to run on `device` ("auto": CUDA or MPS if present, else the CPU).

    `weights` is a folder that holds the model's files, instead of `LATENTFX_WEIGHTS` and the cache. `bf16` runs the
    larger networks in bfloat16 where that loses little: faster on a GPU, with another `weights_hash`, and off by about
    a percent (`benchmarks/encoders.py` prints it).

    Some models have variants (`list_encoders`): the output of a `layer`, averaged over its bands; latents after so many
    residual `quantizers`, where None is before the first; sound in chunks of a second (`chunked`). A variant has a name
    and a `weights_hash` of its own, and its name loads it: "lyra-v2@quantizers=8" is "lyra-v2" with `quantizers=8`.

    Raises ValueError for an unknown name (listing the known ones), for `bf16` where a model has none and for a variant
    that a model does not have (listing what it has), ImportError if an optional extra is missing, and
    FileNotFoundError if weights can be neither found nor fetched. No model ever runs on random weights.
    """
    given = {"layer": layer, "quantizers": quantizers, "chunked": chunked}
    model, options = _known(name)
    if name in REGISTERED:
        if weights is not None or bf16 or any(value is not None for value in given.values()):
            raise ValueError(f"{name} is registered as it is: it takes neither weights, bf16 nor variants here")
        return REGISTERED[name]
    more = checked(model, _variants(BUILT_IN[model].model), given)
    if twice := [option for option in more if options.get(option, more[option]) != more[option]]:
        raise ValueError(f"{name} says its {twice[0]} already: leave {twice[0]}={more[twice[0]]} out")
    options |= more
    return load_built_in(name_of(model, options), str(device), None if weights is None else str(weights), bf16)


@lru_cache(maxsize=8)
def load_built_in(name: str, device: str, weights: str | None, bf16: bool) -> Encoder:
    """Return a built-in encoder or a variant of one; the eight that were loaded last are kept."""
    model, options = options_of(name)
    entry = BUILT_IN[model]
    if weights is not None and entry.weights is None:
        raise ValueError(f"{model} has no weights, so it cannot take them from {weights}")
    if bf16 and not getattr(entry.model, "takes_bf16", False):
        raise ValueError(f"{model} runs in float32 only; leave bf16 out")
    given: dict[str, Any] = {"weights": weights, "bf16": bf16}
    build: Callable[..., Encoder] = entry.model
    return build(device, **{option: value for option, value in given.items() if value}, **options)


def weights_hash(name: str) -> str | None:
    """Return what the latents of the encoder called `name` are keyed by, None if that takes loading its weights."""
    model, options = _known(name)
    plain = getattr(REGISTERED[name] if name in REGISTERED else BUILT_IN[model].model, "weights_hash", None)
    return plain and named(model, plain, options)[1]


def noise_floor(name: str) -> str:
    """Return what is to be said with every number of geometry of the encoder called `name`; often an empty text."""
    model, _ = _known(name)
    return getattr(REGISTERED[name] if name in REGISTERED else BUILT_IN[model].model, "noise_floor", "")


def present_hashes() -> dict[str, str]:
    """Return name -> sha256 of the weights of every encoder that is ready; files are read where that takes it."""
    ready = list_encoders()
    found = {name: _present_hash(name) for name in ready.index[ready["present"]]}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def _present_hash(name: str) -> str | None:
    return BUILT_IN[name].present_hash() if name in BUILT_IN else weights_hash(name)


def is_known(name: str) -> bool:
    """Say whether there is an encoder, or a variant of one, called so."""
    try:
        _known(name)
    except ValueError:
        return False
    return True


def _known(name: str) -> tuple[str, dict[str, Any]]:
    """Return the model and the options of a name; raise ValueError if no encoder is called so, or has no such variant.

    A registered encoder is what its whole name says.
    """
    load_plugins()
    if name in REGISTERED:
        return name, {}
    model, options = options_of(name)
    if model not in BUILT_IN:
        raise ValueError(f"no encoder is called {name!r}; known are {', '.join([*BUILT_IN, *REGISTERED])}")
    return model, checked(model, _variants(BUILT_IN[model].model), options)


def _variants(model: type[Encoder] | Encoder) -> Possible:
    return getattr(model, "variants", {})


def reloading(encoder: Encoder) -> Callable[[], Encoder]:
    """Return a function that gives the same encoder in another process.

    A built-in encoder is loaded again there, any other is sent along. The function raises ValueError where it finds
    other weights than `encoder` has.
    """
    entry = BUILT_IN.get(encoder.name.partition("@")[0])
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
    if encoder.name.partition("@")[0] in BUILT_IN:
        raise ValueError(f"{encoder.name!r} is a built-in encoder; give yours another name")
    if not hasattr(encoder, "weights_hash"):
        encoder.weights_hash = fingerprint(encoder)
    REGISTERED[encoder.name] = encoder
