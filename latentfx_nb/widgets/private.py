"""How a bridge lists the private names of other libraries that it relies on."""

from __future__ import annotations

from typing import NamedTuple


class Private(NamedTuple):
    """A name that a library does not promise to keep: where it was last seen, and what it does for us."""

    library: str
    """The distribution, as pip calls it."""

    seen: str
    """The version in which the name was last seen."""

    name: str
    """Where to find it: "module:Class.attribute"."""

    use: str
