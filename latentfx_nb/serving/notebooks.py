"""The notebooks of a folder as pages: their names, and the titles that the bar of every page shows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

SUITE = "LatentFX"
"""What all pages together are called."""

HOME = "00_start_here"
"""The page that the bar's mark leads to, where the folder has it."""

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#0b62b5" stroke-width="1.6" '
    'stroke-linecap="round"><path d="M4.1 12.9a6 6 0 1 1 7.8 0"/><circle cx="8" cy="8.3" r="2.6"/>'
    '<path d="M9.3 6.6l1.5-2"/></svg>'
)
"""A knob: what marks browser tabs."""

_HEADING = re.compile(r"^#\s+(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Listed:
    """A page of the bar: the name of its notebook, without the suffix, and its title."""

    name: str
    title: str


def title_of(notebook: Path) -> str:
    """Return the first heading of a notebook, up to its colon; the notebook's name where it has none to read."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    except (OSError, ValueError, KeyError, TypeError):
        return notebook.stem  # Voila says what is wrong with it when it is opened
    heading = _HEADING.search("\n".join(texts))
    return heading[1].partition(":")[0].strip() if heading else notebook.stem


def listed(folder: Path) -> list[Listed]:
    """Return the notebooks of a folder in the order of their names."""
    return [Listed(path.stem, title_of(path)) for path in sorted(folder.glob("*.ipynb"))]
