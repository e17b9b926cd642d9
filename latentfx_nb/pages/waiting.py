"""What a page says while one waits, in a listener's words: the bars below name encoders, labels and steps."""

from __future__ import annotations

import re

from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.markup import in_words

UNITS = {"clip": "clips", "epoch": "passes", "sound": "sounds", "window": "windows", "row": "rows"}
"""What is counted, more than one of it."""

_ENCODING = re.compile(r"(?:(?P<what>.+) \()?(?P<encoder>[^\s():]+): (?P<labels>[A-Z]+(?: [A-Z]+)*)\)?")


def working(desc: str, unit: str, done: int, total: int) -> str:
    """Return what is being done, and how far it is: "Listening to clip 26 of 64 through ten effects with logmel"."""
    found = _ENCODING.fullmatch(desc)
    if unit != "clip" or found is None or not set(found["labels"].split()) <= set(EFFECTS):
        return f"{desc}: {done} of {total} {UNITS.get(unit, '')}".strip()
    begin = f"{found['what']}: listening" if found["what"] else "Listening"
    through = _through(found["labels"].split())
    return f"{begin} to clip {min(done + 1, total)} of {total} {through} with {found['encoder']}"


def _through(labels: list[str]) -> str:
    if len(labels) > 1:
        return f"through {in_words(len(labels))} effects"
    return "without an effect" if labels == ["CLN"] else f"through the {EFFECTS[labels[0]].name.lower()}"
