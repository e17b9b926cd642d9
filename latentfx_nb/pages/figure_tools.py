"""What one takes away from a page: its figure as a picture or as a page of its own, and the lines that make it."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import soundfile
from tqdm.auto import tqdm

from latentfx_nb import figures
from latentfx_nb.pages.described import Described
from latentfx_nb.pages.worker import main
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, is_doubled

MOST_SOUNDS = 200
"""Sounds in a saved page: some 60 KB each."""

Sounds = Mapping[str, Sequence[Callable[[], Clip]]]
"""Trace, by the name in its `meta` -> what makes the sound of each of its points."""

# What is clicked plays, and what played stops; the sounds stand in the page. A parsed document runs and loads nothing.
PLAY = """<p id="heard">Click a point to hear it.</p><script>
const sounds = {sounds}, traces = {traces}, heard = document.getElementById("heard"), audio = new Audio();
document.querySelector(".js-plotly-plot").on("plotly_click", ({{ points: [point] }}) => {{
  const own = traces[point.curveNumber], sound = sounds[own?.[point.pointNumber]];
  const lacking = own && !sound ? " (its sound is not in this file)" : "";
  const words = (point.text ?? "").replace(/<[^>]*>/g, " ");
  heard.textContent = new DOMParser().parseFromString(words, "text/html").body.textContent + lacking;
  audio.pause();
  if (sound) {{ audio.src = "data:audio/mpeg;base64," + sound; audio.play(); }}
}});</script>"""


class FigureTools(widgets.VBox):
    """Buttons that save the figure of a page at one press: PNG and SVG, a page that needs no network, the numbers.

    `lines` shows the code that draws the same in a notebook (`show_code` writes it anew). Below the buttons stands what
    the page has to say of the versions that what ships was made with.
    """

    def __init__(self, page: Described) -> None:
        self._page, self._name = page, page.notebook.partition("_")[2]
        self.lines = widgets.HTML()
        buttons = [
            self._button("Picture (PNG)", "twice as fine as the screen", lambda: self._picture("png")),
            self._button("Picture (SVG)", "scales; scenes in it do not", lambda: self._picture("svg")),
            self._button("Page (HTML)", "with its sounds; needs no network", lambda: self._submit(self._save)),
            self._button("Numbers (CSV)", "what is drawn, a row a point", lambda: self._submit(self._table)),
        ]
        super().__init__([*buttons, page.made])
        self.show_code()

    def show_code(self) -> None:
        """Write down the lines that draw what is shown now."""
        self.lines.value = f"<pre>{html.escape(self._page.code())}</pre>"

    def _button(self, words: str, tooltip: str, clicked: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=words, tooltip=tooltip)
        button.on_click(lambda _: clicked())
        return button

    def _picture(self, kind: str) -> None:
        self._page.bridge.picture(self._page.figure, kind, self._name)

    def _submit(self, job: Callable[[], None]) -> None:
        self._page.worker.submit("save", job)

    def _save(self) -> None:
        page = saved_page(go.Figure(self._page.figure), self._page.sounds(self._page.shown), self._page.progress().bar)
        self._give("html", page, "text/html")

    def _table(self) -> None:
        content = figure_table(go.Figure(self._page.figure)).to_csv(index=False, float_format="%.6g")
        self._give("csv", content, "text/csv")

    def _give(self, suffix: str, content: str, kind: str) -> None:
        main.call(lambda: self._page.bridge.save(f"{self._name}.{suffix}", content.encode(), kind))


def figure_table(figure: go.Figure) -> pd.DataFrame:
    """Return what a figure draws, a row a point: its trace, x, y and z, and what it says under the mouse.

    Cells of images are rows too. What is there for its looks only (hidden, or silent under the mouse) is left out.
    """
    frames = []
    for number, trace in enumerate(figure.data):
        if trace.visible is False or trace.hoverinfo == "skip" or trace.x is None or not len(trace.x):
            continue
        if trace.type == "heatmap":
            z = np.asarray(trace.z, float)
            columns: dict[str, Any] = {
                "x": np.tile(np.asarray(trace.x), len(z)),
                "y": np.repeat(np.asarray(trace.y), z.shape[1]),
            }
            columns |= {"z": z.ravel()}
        else:
            columns = {axis: trace[axis] for axis in "xyz" if axis in trace and trace[axis] is not None}
            if not isinstance(trace.text, str | None):
                columns["says"] = [_words(text or "") for text in trace.text]
        for axis in "xy":  # categories are names too
            if any(isinstance(one, str) for one in columns.get(axis, ())):
                columns[axis] = [html.unescape(str(one)) for one in columns[axis]]
        frames.append(pd.DataFrame({"trace": html.unescape(trace.name or f"trace {number}"), **columns}))
    drawn = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["trace", "x", "y", "z"])
    return drawn.dropna(subset=[axis for axis in "xyz" if axis in drawn], how="all")


def _words(text: str) -> str:
    """Return a hover text without plotly's markup."""
    return html.unescape(re.sub(r"(<[^>]*>)+", " ", text)).strip()


def saved_page(figure: go.Figure, sounds: Sounds, bar: Callable[..., Any] = tqdm) -> str:
    """Return a figure as a page that holds all it needs; of its sounds, `MOST_SOUNDS` at most, evenly spread."""
    page = figure.to_html(config=figures.CONFIG)
    if not sounds:
        return page
    held: dict[Callable[[], Clip], str] = {}
    every = list(dict.fromkeys(make for points in sounds.values() for make in points))
    kept = [every[i] for i in np.linspace(0, len(every) - 1, min(len(every), MOST_SOUNDS)).astype(int)]
    with bar(total=len(kept), desc="Sounds", unit="sound") as progress:
        for make in kept:
            held[make] = _mp3(make())
            progress.update()
    # A sound that several points share stands in the page once.
    places = {make: place for place, make in enumerate(held)}
    numbers = {trace.meta: number for number, trace in enumerate(figure.data)}
    traces = {numbers[name]: [places.get(make) for make in points] for name, points in sounds.items()}
    filled = PLAY.format(sounds=json.dumps(list(held.values())), traces=json.dumps(traces))
    return page.replace("</body>", f"{filled}</body>", 1)


def _mp3(sound: Clip) -> str:
    """Return a sound as base64 of an MP3, which every browser plays."""
    file = io.BytesIO()
    heard = sound[:1] if is_doubled(sound) else sound
    loudest = max(1.0, float(np.abs(heard).max()))
    soundfile.write(file, heard.T / loudest, SAMPLE_RATE_HZ, format="MP3")
    return base64.b64encode(file.getvalue()).decode()
