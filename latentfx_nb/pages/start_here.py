"""The front page: cards that lead to the pages, and which encoders are ready on this machine."""

from __future__ import annotations

import html
import os
from urllib.parse import parse_qs

import ipywidgets as widgets
import numpy as np

from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages import all_pages
from latentfx_nb.pages.markup import public, table
from latentfx_nb.widgets.host import is_dashboard

_STYLE = """<style>
.latentfx-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 16px; }
.latentfx-cards a { display: block; padding: 18px 20px; border: 1px solid #8884; border-radius: 10px;
  color: inherit; text-decoration: none; line-height: 1.45; }
.latentfx-cards a:hover, .latentfx-cards a:focus { border-color: var(--jp-content-link-color, #0072b2); }
.latentfx-theme { color: var(--jp-content-link-color, #0072b2); }
.latentfx-encoders td:not(:last-child) { white-space: nowrap; }
.latentfx-cards b { display: block; font-size: 1.15em; margin-bottom: 6px;
  color: var(--jp-content-link-color, #0072b2); }
</style>"""


class StartHere(widgets.HTML):
    """Cards that link to the pages beside this one, and a table of the encoders with what is missing."""

    def __init__(self) -> None:
        theme = dashboard_theme()
        query = f"?theme={theme}" if theme == "dark" else ""
        cards = "".join(
            f'<a href="{name}.ipynb{query}"><b>{html.escape(page.title)}</b>{html.escape(page.blurb)}</a>'
            for name, page in all_pages().items()
        )
        other = {None: None, "light": "dark", "dark": "light"}.get(theme)
        switch = f'<p><a class="latentfx-theme" href="?theme={other}">Show the pages {other}</a></p>' if other else ""
        super().__init__(f'{_STYLE}<div class="latentfx-cards">{cards}</div>{switch}{encoder_table()}')


def dashboard_theme() -> str | None:
    """Return "light" or "dark", as the page's address asks of Voila; None elsewhere, where the page has no say."""
    if not is_dashboard():
        return None
    return "dark" if parse_qs(os.environ.get("QUERY_STRING", "")).get("theme") == ["dark"] else "light"


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
    return f'<h3>Encoders</h3><div class="latentfx-encoders">{table(head, rows)}</div>'


def _rate(frame_rate_hz: float) -> str:
    return "one a clip" if np.isnan(frame_rate_hz) else f"{frame_rate_hz:.4g} Hz"
