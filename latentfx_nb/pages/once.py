"""Several controls set one after the other, which are read once."""

from __future__ import annotations

from collections.abc import Callable


class Once:
    """Within it controls may be set one after the other; `then` is called once, at the end of the outermost one."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._depth, self._then = 0, then

    @property
    def held(self) -> bool:
        """Whether controls are being set."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._then()
