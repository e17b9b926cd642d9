"""The pieces of HTML that panels share: tables, captions, links that save a file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

import pandas as pd


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; cells are text, not HTML."""

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    style = "<style>.latentfx-table :is(td, th) { padding: 1px 18px 1px 0; text-align: left; line-height: 1.5 }</style>"
    body = "".join(line(row, "td") for row in rows)
    return f'{style}<table class="latentfx-table">{line(head, "th")}{body}</table>'


def note(text: str) -> str:
    """Return a caption in small print, HTML."""
    return f'<p style="font-size: 0.85em; line-height: 1.45; max-width: 60em">{html.escape(text)}</p>'


def download(label: str, name: str, content: str | bytes, kind: str) -> str:
    """Return a link, HTML, that saves `content` of the MIME type `kind` as a file; nothing leaves the page."""
    data = base64.b64encode(content.encode() if isinstance(content, str) else content).decode()
    return f'<a download="{html.escape(name)}" href="data:{kind};base64,{data}">{html.escape(label)}</a>'


def table_downloads(frame: pd.DataFrame, name: str, what: str = "the table") -> str:
    """Return links, HTML, that save a table as CSV and as LaTeX (with booktabs' rules)."""
    latex = frame.to_latex(float_format="%.1f", escape=True, na_rep="--")
    csv = download("CSV", f"{name}.csv", frame.to_csv(), "text/csv")
    tex = download("LaTeX", f"{name}.tex", latex, "text/x-tex")
    return f'<p style="font-size: 0.85em">Save {what}: {csv}, {tex}</p>'
