"""The place of a page's figure, which is made anew when what is to be drawn has no room in it."""

from __future__ import annotations

import ipywidgets as widgets
import plotly.graph_objects as go

from latentfx_nb.figures import TEMPLATES
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.figure import ShownFigure


class Picture(widgets.Box):
    """A page's figure as large as its place; `figure` is what is shown."""

    def __init__(self, words: str, spare: int, bridge: Bridge) -> None:
        self._words, self._spare, self._bridge = words, spare, bridge
        self.figure: ShownFigure | None = None
        super().__init__()
        self.add_class("lfx-picture")
        bridge.observe(lambda _: self._take_theme(), "dark")

    def bring(self, figure: go.Figure) -> None:
        """Let the figure look like `figure`: by what differs, or by a new one (points in a plane instead of space)."""
        if self.figure is not None and self.figure.has_room(figure):
            self.figure.bring(figure)
            return
        before, self.figure = self.figure, ShownFigure(figure, self._words, self._spare)
        self._bridge.watch_over(self.figure)
        self._take_theme()
        self.children = [self.figure]
        if before is not None:
            before.close()

    def _take_theme(self) -> None:
        if self.figure is not None:
            self.figure.update_layout(template=TEMPLATES[self._bridge.dark])
