"""The pieces of HTML that panels share: tables, captions, links that save a file."""

from __future__ import annotations

import base64
import html
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import xarray as xr

from latentfx_nb.analysis.claims import VERDICTS
from latentfx_nb.analysis.measures import glossary
from latentfx_nb.analysis.umap import UMAP_METRIC, UMAP_MIN_DIST, UMAP_SEED
from latentfx_nb.cache import cache_dir
from latentfx_nb.widgets.host import is_dashboard

_NAME = r"""[^\s/\\'"<>|:;,()](?:[^/\\'"<>|:;,()\n]*[^\s/\\'"<>|:;,()])?"""
_FOLDERS = re.compile(rf"(?<![\w.%~/\\-])(?!(?<=:)//)(?:[A-Za-z]:)?[/\\]+(?:{_NAME}[/\\]+)*(?=[^\s/\\])")
_SECRET = re.compile("TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)


def public(text: str) -> str:
    """Return a message as a page may show it: on a dashboard without the server's folders and secrets.

    Of absolute paths the last names stay. Values of environment variables that are called a token, a password and the
    like, and what logs in within an address, are left out. On one's own machine all of it stays.
    """
    if not is_dashboard():
        return text
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            text = text.replace(value, "[hidden]")
    for folder in _known_folders():  # those may have any characters in their names
        text = text.replace(folder + os.sep, "").replace(folder, os.path.basename(folder))
    return _FOLDERS.sub("", re.sub(r"(?<=://)[^/\s@]+@", "", re.sub(r"\bfile:/+", "/", text)))


def _known_folders() -> list[str]:
    """Return the folders that the pages read and write, the longest first."""
    named = [os.environ.get("LATENTFX_WEIGHTS", ""), *os.environ.get("LATENTFX_CLIPS", "").split(os.pathsep)]
    found = {*named, str(cache_dir()), tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~"), sys.prefix}
    return sorted((one.rstrip(os.sep) for one in found if len(one) > 3), key=len, reverse=True)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], hints: Mapping[str, str] | None = None) -> str:
    """Return an HTML table; cells are text, not HTML.

    Heads explain themselves while the mouse is on them: by `hints`, head -> text, and those that are the heading of a
    measure (`analysis.measures`) by what it means.
    """
    said = {one.heading: f"{one.meaning} ({one.better} is better)" for one in glossary().itertuples()} | dict(
        hints or {}
    )

    def line(cells: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"

    style = "<style>.latentfx-table :is(td, th) { padding: 1px 18px 1px 0; text-align: left; line-height: 1.5 }</style>"
    heads = "".join(_head(str(one), said.get(str(one), "")) for one in head)
    body = "".join(map(line, rows))
    return f'{style}<table class="latentfx-table"><tr>{heads}</tr>{body}</table>'


def _head(words: str, hint: str) -> str:
    title = f' title="{html.escape(hint)}"' if hint else ""
    return f"<th{title}>{html.escape(words)}</th>"


def claims_table(claims: pd.DataFrame, number: str = "number here") -> str:
    """Return the table of tested claims (`analysis.claims`), HTML."""
    rows = [(row.claim, row.place, row.number, VERDICTS[row.holds]) for row in claims.itertuples()]
    return table(("claim", "place in the paper", number, "result here"), rows)


def in_words(number: int) -> str:
    """Return a number as running text has it: ten, 64."""
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    return words[number] if number < len(words) else str(number)


def counted(number: int, thing: str) -> str:
    """Return a number of things: "1 clip", "3 clips"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def note(text: str) -> str:
    """Return a caption in small print, HTML."""
    return f'<p style="font-size: 0.85em; line-height: 1.45; max-width: 60em">{html.escape(text)}</p>'


def how(*texts: str) -> str:
    """Return how the page's numbers and picture were made, HTML, for those who read on: captions have two lines."""
    return "<h3>How this was made</h3>" + "".join(f"<p>{html.escape(text)}</p>" for text in texts if text)


def measure_words(of: str | None = None) -> str:
    """Return what the measures of a kind mean, or of all, for a caption: heading, meaning, what is better."""
    said = [f"{one.heading}: {one.meaning} ({one.better} is better)" for one in glossary(of).itertuples()]
    return f"{'; '.join(said)}."


def pca_words(samples: str, features: int) -> str:
    """Return how a PCA was made, for a caption; `samples` says how many rows of what."""
    return f"PCA: exact, of {samples} x {features} features, centred, not standardised, no seed."


def averages_pca_words(points: xr.DataArray, features: int) -> str:
    """Return how a PCA of time averages was made that drew `points (clip, effect, component)`, for a caption."""
    clips, effects = points.sizes["clip"], points.sizes["effect"]
    words = pca_words(f"the time averages of {clips * effects} renders ({clips} clips, {effects} effects)", features)
    return words + heard_words(points)


def heard_words(points: xr.DataArray) -> str:
    """Return what the words at the ends of PCA's axes rest on, for a caption, a space before it; nothing without any.

    `points (..., component)` are in that PCA (`analysis.axes.with_ends`).
    """
    named = zip(points["component"].values, points["component"].attrs.get("ends", ()), strict=False)
    said = {str(name): ends for name, ends in named if ends is not None}
    if not said:
        return ""
    words = [f"{name} {one.low} to {one.high}: {one.descriptor} (rho = {one.rho:.2f})" for name, one in said.items()]
    n = max(one.n for one in said.values())
    return f" Along the axes one hears: {'; '.join(words)}. These are rank correlations over n = {n} renders."


def umap_words(neighbours: int) -> str:
    """Return how a UMAP of the same rows was made, for a caption."""
    return (
        f"UMAP: of the same, n_neighbors {neighbours}, min_dist {UMAP_MIN_DIST:g}, {UMAP_METRIC}, not standardised, "
        f"seed {UMAP_SEED}."
    )


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
