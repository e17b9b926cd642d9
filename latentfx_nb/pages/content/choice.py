"""What a visitor has chosen on a page, as plain names and numbers, and what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from latentfx_nb.sound.clips import ClipSet


@dataclass(frozen=True)
class Choice:
    """What is chosen on a page: frozen and flat, names and numbers only, so that it can be compared, kept and sent.

    A page adds its own fields, each with a default and each read from one control.
    """

    clips: str = "bundled"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> tuple[Self, list[str]]:
        """Return a choice of what was kept of one, and the names in it that this page has no field for."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known
        }
        return cls(**values), sorted(set(given) - known)

    def kept(self) -> dict[str, Any]:
        """Return the choice ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def differing(self, other: Choice) -> set[str]:
        """Return the names of the fields that are not the same in another choice of the same page."""
        return {field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)}


@dataclass(frozen=True)
class Shown:
    """What is drawn, replaced whole: of which choice, from which clips. A page adds what it is drawn from."""

    choice: Choice
    clips: ClipSet
