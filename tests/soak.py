"""How often the tests of faults try, and what they counted: little in `make test`, all of it in `make soak`.

`make soak` (LATENTFX_SOAK=1) writes what was counted to docs/reliability.md, and nothing else writes there.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections import defaultdict
from pathlib import Path

RELIABILITY = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"

HEAD = """# Reliability tests

Written by `make soak`: every number here was counted by the tests that injected the faults. One wrong latent read, one
error shown to a visitor or one door that opens fails them, and then nothing is written. `make test` runs a small share
of each.
"""

MADE = "On {day}, on {cores} cores under {system}, Python {python}."


def shown(value: float) -> str:
    """Return a count whole, and anything else to three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


class Soak:
    """Says how many rounds to run, and keeps the counts: section -> what -> number or text."""

    def __init__(self) -> None:
        self.long = os.environ.get("LATENTFX_SOAK") == "1"
        self.counts: dict[str, dict[str, float | str]] = defaultdict(dict)

    def rounds(self, few: int, many: int) -> int:
        """Return `few`, or `many` if this is the long run."""
        return many if self.long else few

    def count(self, section: str, what: str, n: int = 1) -> None:
        """Add `n` to a count."""
        self.counts[section][what] = self.counts[section].get(what, 0) + n

    def highest(self, section: str, what: str, value: float) -> None:
        """Keep the highest of the values that are told."""
        self.counts[section][what] = max(self.counts[section].get(what, value), value)

    def write(self, path: Path = RELIABILITY) -> None:
        """Write the sections that were counted; those of other tests stay as they are."""
        made = MADE.format(
            day=datetime.date.today(), cores=os.cpu_count(), system=platform.system(), python=platform.python_version()
        )
        there = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:] if path.exists() else []
        sections = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in there}
        for section, counts in self.counts.items():
            rows = "\n".join(f"| {what} | {shown(value)} |" for what, value in counts.items())
            sections[section] = f"{made}\n\n| what | count |\n|---|---|\n{rows}"
        parts = [HEAD, *(f"## {name}\n\n{text}\n" for name, text in sorted(sections.items()))]
        path.write_text("\n".join(parts), encoding="utf-8")
