"""The address of a page: it holds what is chosen, as far as that differs from what the page opens with by default.

Whatever an address holds is checked as a visitor's input: `read` bounds and types each value, and `asked.Asked` gives
it to the controls, which take only what they offer. What cannot be shown is said in a sentence, and the default stays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

from latentfx_nb.pages.content.choice import Choice

MOST_CHARACTERS, MOST_OF_A_VALUE, MOST_ITEMS, MOST_PARAMETERS = 4000, 500, 200, 100
"""Bounds of a query, of one of its values, of the items of a value, and of how many values are looked at."""

SHOWN_CHARACTERS = 40
"""Characters of a value that a sentence repeats."""

_ONE_AND_MANY = {"encoder": "encoders", "effect": "effects", "row": "rows"}
KIN = {**_ONE_AND_MANY, **{many: one for one, many in _ONE_AND_MANY.items()}}
"""A page without the first field takes it as the second: several encoders begin with the one of another page."""

FOLLOWERS = {
    "clips": ("row", "rows", "heard_row", "ringed_row", "other", "cell", "confused"),
    "encoder": ("encoders", "dims", "confused_set", "confused"),
    "encoders": ("encoder", "dims", "confused_set", "confused"),
    "effect": ("effects", "heard_effect", "knob", "value"),
    "effects": ("effect", "knob", "value"),
    "knob": ("value",),
}
"""What is no longer meant once a field is another: the knob of one effect is not that of the next."""

DECIDES = {"clips": ("row", "rows", "other"), "effect": ("knob", "value"), "knob": ("value",)}
"""Fields whose defaults depend on another one of their page, so that they have to be said beside it."""

_WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,18})?(e[+-]?[0-9]{1,2})?", re.ASCII | re.IGNORECASE)
_TRUTHS = {"1": True, "true": True, "0": False, "false": False}
_EXPECTED = {int: "a whole number", float: "a number", bool: "1 or 0", str: "words"}


def written(
    choice: Choice, defaults: Choice, private: frozenset[str] = frozenset(), given: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the fields of a choice that are not as in `defaults`, and those that are `given`, as texts.

    What a field decides of others (`DECIDES`) stands beside it. Nothing that is `private` does.
    """
    names = (choice.differing(defaults) | given) - private
    names |= {one for name in names for one in DECIDES.get(name, ()) if getattr(choice, one, None) is not None}
    return {name: text(getattr(choice, name)) for name in sorted(names)}


def text(value: Any) -> str:
    """Return a value as it stands in an address: "diffae-mini", "440", "HPF,LPF"; nothing and no items are empty."""
    if isinstance(value, tuple):
        return ",".join(text(one).replace("%", "%25").replace(",", "%2C") for one in value)
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.6g}" if float(f"{value:.6g}") == value else repr(value)
    return "" if value is None else str(value)


def read(
    query: str, make_choice: type[Choice], private: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a choice that a query ("encoder=logmel&row=3") holds, and a sentence for each that is wrong.

    Fields of other pages and `private` ones are passed over. Values have the types that the choice declares, and are
    finite. Nothing is raised, whatever the query is.
    """
    if len(query) > MOST_CHARACTERS:
        return {}, [f"The address is longer than {MOST_CHARACTERS} characters, so nothing of it is used."]
    found: dict[str, Any] = {}
    sentences = []
    kinds = get_type_hints(make_choice)
    for name, value in _own(_pairs(query), {field.name for field in fields(make_choice)} - private).items():
        try:
            found[name] = _typed(value, kinds[name])
        except ValueError as error:
            sentences.append(f"The address gives {shortened(value)} for {words_of(name)}, where {error} is expected.")
    return found, sentences


def words_of(name: str) -> str:
    """Return what a field is called in a sentence."""
    return name.replace("_", " ")


def plain(clips: str) -> str:
    """Return what a clip set is called in an address: a folder's name, not where it is."""
    return re.split(r"[/\\]", clips.rstrip("/\\"))[-1] or clips


def shortened(value: str) -> str:
    """Return a value of an address in quotes, as far as a sentence repeats it."""
    printable = "".join(one if one.isprintable() else " " for one in value)
    return repr(printable if len(printable) <= SHOWN_CHARACTERS else f"{printable[:SHOWN_CHARACTERS]}…")


def camera_of(query: str) -> dict[str, Any] | None:
    """Return plotly's camera of a query ("camera=x,y,z,ux,uy,uz": where the eye is, what is up); None if it has none.

    A camera that cannot be is none.
    """
    if len(query) > MOST_CHARACTERS:
        return None
    parts = _pairs(query).get("camera", "").split(",")
    if len(parts) != 6 or not all(map(_NUMBER.fullmatch, parts)):
        return None
    eye, up = (dict(zip("xyz", map(float, some), strict=True)) for some in (parts[:3], parts[3:]))
    if not 0 < math.hypot(*eye.values()) < 100 or not 0 < math.hypot(*up.values()) < 100:
        return None
    return {"eye": eye, "up": up}  # what is in the middle is the figure's, which fits it to its points


def dropped(changed: Sequence[str] | set[str], own: set[str]) -> set[str]:
    """Return the fields of other pages that mean nothing any more once `changed` are, on a page with fields `own`."""
    return {name for one in changed for name in FOLLOWERS.get(one, ())} - own


def _pairs(query: str) -> dict[str, str]:
    """Return name -> value of a query; a name that stands twice has its last value."""
    try:
        found = parse_qsl(query.removeprefix("?"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:  # more than that
        return {}
    return dict(found)


def _own(pairs: Mapping[str, str], names: set[str]) -> dict[str, str]:
    """Return the pairs that are of `names`; what is not may stand for its kin, if that is not there itself."""
    found = {name: value for name, value in pairs.items() if name in names}
    for name, value in pairs.items():
        kin = KIN.get(name, "")
        if name not in names and kin in names and kin not in found and value:
            found[kin] = value if kin.endswith("s") else _first(value)
    return found


def _first(value: str) -> str:
    """Return the first item of several, but for the clean sound, which is no effect to turn."""
    items = [unquote(one) for one in value.split(",")]
    return next((one for one in items if one != "CLN"), items[0])


def _typed(value: str, kind: Any) -> Any:
    """Return a value of an address as a `kind`; raise ValueError with the words for what is expected instead."""
    if get_origin(kind) in (Union, UnionType):
        (some,) = (one for one in get_args(kind) if one is not NoneType)
        return None if value == "" else _typed(value, some)
    if get_origin(kind) is tuple:
        return _items(value, get_args(kind))
    if len(value) > MOST_OF_A_VALUE:
        raise ValueError(f"no more than {MOST_OF_A_VALUE} characters")
    if kind is Any:
        return int(value) if _WHOLE.fullmatch(value) else value
    if kind is str:
        return value
    if kind is bool and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    if kind is int and _WHOLE.fullmatch(value):
        return int(value)
    if kind is float and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    raise ValueError(_EXPECTED.get(kind, "something else"))


def _items(value: str, kinds: Sequence[Any]) -> tuple[Any, ...]:
    """Return the items of a value; `kinds` are those of a tuple, of which the last may be "..."."""
    if len(value) > MOST_OF_A_VALUE:
        raise ValueError(f"no more than {MOST_OF_A_VALUE} characters")
    items = [unquote(one) for one in value.split(",")] if value else []
    if kinds[-1] is ...:
        if len(items) > MOST_ITEMS:
            raise ValueError(f"no more than {MOST_ITEMS} items")
        kinds = [kinds[0]] * len(items)
    if len(items) != len(kinds):
        raise ValueError(f"{len(kinds)} items with commas between them")
    return tuple(_typed(one, kind) for one, kind in zip(items, kinds, strict=True))
