"""What pages say of a visitor's own clips: whose axes they are drawn in, and of which clips the numbers are."""

from __future__ import annotations

import plotly.graph_objects as go

from latentfx_nb.figures.among import mark_reference
from latentfx_nb.pages.markup import note
from latentfx_nb.sound.clips import ClipSet


def of(clips: ClipSet) -> str:
    """Return the variable of a page's code (`ClipSets.code`) that holds the clips whose axes these are drawn in."""
    return "clips" if clips.among is None else "reference"


def reference_words(clips: ClipSet) -> str:
    """Return what the clips are called whose axes these are drawn in: "bundled clips"."""
    return f"{clips.reference.name} clips"


def placed(figure: go.Figure, clips: ClipSet, said: str = "") -> go.Figure:
    """Return a picture whose cloud says whose it is, if the clips are drawn among others; `said` stands in it, too."""
    return figure if clips.among is None else mark_reference(figure, reference_words(clips), said)


def placed_words(clips: ClipSet) -> str:
    """Return a sentence for a caption, with a space before it; nothing of clips in their own axes."""
    if clips.among is None:
        return ""
    return f" The axes and the cloud are those of the {reference_words(clips)}; your own clips are placed in them."


def tested_on(clips: ClipSet) -> str:
    """Return a caption, HTML, for numbers that are of the others; nothing if the clips are their own reference."""
    return "" if clips.among is None else note(f"These numbers are of the {reference_words(clips)}, not of your own.")
