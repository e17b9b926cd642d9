"""Limits that whoever runs a server sets."""

from __future__ import annotations

import os
import re


def megabytes(variable: str, default: int) -> int:
    """Return the bytes that an environment variable allows, in megabytes; `default` megabytes if it is not set.

    Raises ValueError for anything but a whole number.
    """
    given = os.environ.get(variable, str(default))
    if not re.fullmatch(r"[0-9]+", given):
        raise ValueError(f"{variable} is {given!r}: give a whole number of megabytes, such as {default}")
    return int(given) * 10**6
