"""Variants of a model: a layer instead of its output, latents after k quantisers, sound in chunks; and their names.

A variant is called after its model and its options, "lyra-v2@quantizers=8" or "encodec-48k@chunked". A class says in
`variants` which options its constructor takes, and which values of each; `checked` is what the constructor calls first,
and `named` gives what the variant is known by.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from latentfx_nb.cache import digest

OPTIONS = ("layer", "quantizers", "chunked")
"""Options of models, in the order in which a name has them."""

Possible = Mapping[str, Collection[int]]
"""Option -> the values that a class takes."""


def name_of(model: str, options: Mapping[str, Any]) -> str:
    """Return what a variant is called: "encodec-48k@quantizers=4@chunked"; a file or an address can be, too."""
    return "@".join([model, *(_part(option, options[option]) for option in OPTIONS if option in options)])


def options_of(name: str) -> tuple[str, dict[str, Any]]:
    """Return the model and the options of a name.

    Raises ValueError for an option that there is not, and for a name that `name_of` would write in another way.
    """
    model, *parts = name.split("@")
    options: dict[str, Any] = {}
    for part in parts:
        option, _, value = part.partition("=")
        if option not in OPTIONS or not (value.isdecimal() or part == "chunked"):
            known = ", ".join(_part(one, one != "chunked" and "NUMBER") for one in OPTIONS)
            raise ValueError(f"{name!r} is no encoder's name: after an @ stands one of {known}, not {part!r}")
        options[option] = int(value) if value else True
    if name_of(model, options) != name:
        raise ValueError(f"{name!r} is written {name_of(model, options)!r}")
    return model, options


def checked(model: str, possible: Possible, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that are given, neither None nor False; `possible` are the model's.

    Raises ValueError, with what is possible, for an option that the model does not have and for a value out of range.
    """
    given = {option: value for option, value in options.items() if value is not None and value is not False}
    for option, value in given.items():
        if option not in possible:
            raise ValueError(f"{model} has no {option}; {_has(possible)}")
        kind = bool if option == "chunked" else int
        if type(value) is not kind or value not in possible[option]:
            raise ValueError(f"{model} has no {option}={value!r}; {_has(possible)}")
    return given


def named(model: str, weights_hash: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and `weights_hash` of a variant; without options both stay as they are."""
    name = name_of(model, options)
    return name, digest(f"{weights_hash} {name}") if options else weights_hash


def words(possible: Possible) -> str:
    """Return in a few words what a model can be varied by: "quantizers 1-16, chunked"."""
    return ", ".join(option if option == "chunked" else f"{option} {_ends(possible[option])}" for option in possible)


def _part(option: str, value: Any) -> str:
    return option if option == "chunked" else f"{option}={value}"


def _ends(values: Collection[int]) -> str:
    return f"{min(values)}-{max(values)}"


def _has(possible: Possible) -> str:
    return f"it has {words(possible)}" if possible else "it has no variants"
