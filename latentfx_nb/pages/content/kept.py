"""What a page computed last, kept from one choice to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The `most` things that were used last, by what they are of.

    It is handed on from `Shown` to `Shown`, so that what a job had finished before it was stopped is still there.
    """

    def __init__(self, most: int) -> None:
        self._most, self._things = most, dict[Hashable, T]()

    def __contains__(self, of: Hashable) -> bool:
        return of in self._things

    def find(self, of: Hashable) -> T | None:
        """Return what is kept, or None."""
        return self._things.get(of)

    def keep(self, of: Hashable, thing: T) -> T:
        """Keep and return a thing; the one that was used longest ago may have to go."""
        self._things.pop(of, None)
        self._things[of] = thing
        while len(self._things) > self._most:
            del self._things[next(iter(self._things))]
        return thing

    def get(self, of: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept, or what `make` returns."""
        return self.keep(of, self._things[of] if of in self._things else make())
