"""The front page: the instrument on the first screen, and below it a pictured card for every page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages import all_pages
from latentfx_nb.pages.frame import area
from latentfx_nb.pages.knob_paths import KnobPaths
from latentfx_nb.pages.markup import public, table

PICTURES = Path(__file__).parent / "pictures"
"""A picture of each page in each theme, which `tools.take_pictures --cards` takes: NAME_light.webp, NAME_dark.webp."""

MORE = "All pages"
"""What stands on the edge of the first screen, and says that there is more below it."""


class Instrument(KnobPaths):
    """Page 04 as it stands on the front page, where the drawer also says which encoders are ready."""

    def drawer(self) -> Mapping[str, Sequence[widgets.Widget]]:
        """Return what the sections of the drawer show; the encoders come last among the facts."""
        sections = super().drawer()
        return {**sections, "facts": [*sections["facts"], widgets.HTML(encoder_table())]}


class StartHere(widgets.VBox):
    """Page 04's panel as high as the first screen, with three steps to try over it; cards of all pages follow below.

    `options` are those of `KnobPaths`. `widgets/coach.js` draws the steps, `widgets/front.css` places all of it.
    """

    def __init__(self, **options: Any) -> None:
        self.instrument = Instrument(**options)
        self.cards = widgets.HTML(f'<h2 id="lfx-more"><a href="#lfx-more">{MORE}</a></h2>{cards()}')
        super().__init__([area("front", self.instrument), area("more", self.cards)])
        self.add_class("lfx-start")


def cards() -> str:
    """Return a card for each page, HTML: its picture, its title, what one does there."""
    shown = "".join(_card(*one) for one in all_pages().items())
    return f'<nav class="latentfx-cards" aria-label="{MORE}">{shown}</nav>'


def _card(name: str, page: Any) -> str:
    words = f"<b>{html.escape(page.title)}</b><span>{html.escape(page.blurb)}</span>"
    return f'<a data-page="{name}" href="{name}.ipynb">{_pictures(name)}{words}</a>'


def _pictures(name: str) -> str:
    """Return the pictures of a page, HTML, of which the style sheet shows the theme's; an empty place without any."""
    shown = [_picture(path) for path in sorted(PICTURES.glob(f"{name}_*.webp"))]
    return f'<span class="lfx-thumbnail">{"".join(shown)}</span>'


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    theme = path.stem.rpartition("_")[2]
    return f'<img class="lfx-in-{theme}" alt="" src="data:image/webp;base64,{data}">'


def encoder_table() -> str:
    """Return the encoders as an HTML table: what each is, and whether it is ready or what to do."""
    rows = [
        (
            name,
            row["dim"],
            _rate(row["frame_rate_hz"]),
            f"{row['sample_rate_hz'] / 1000:g} kHz, {'stereo' if row['channels'] == 2 else 'mono'}",
            "yes" if row["has_decoder"] else "no",
            row["licence"],
            "ready" if row["present"] else public(row["note"]),
        )
        for name, row in list_encoders().iterrows()
    ]
    head = ("encoder", "dims", "frames", "hears", "decoder", "licence", "on this machine")
    return f'<h3>Encoders on this machine</h3><div class="latentfx-encoders">{table(head, rows)}</div>'


def _rate(frame_rate_hz: float) -> str:
    return "one a clip" if np.isnan(frame_rate_hz) else f"{frame_rate_hz:.4g} Hz"
