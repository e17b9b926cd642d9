"""The place of a page's figure, which is made anew when what is to be drawn has no room in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from latentfx_nb.figures import TEMPLATES
from latentfx_nb.figures.narrow import stacked
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.figure import ShownFigure

Camera = Mapping[str, Any]
"""plotly's camera: where the eye is, and what is up."""


class Picture(widgets.Box):
    """A page's figure as large as its place; `figure` is what is shown.

    `camera` is where the visitor's eye is; None: where the figure has it by itself.
    """

    def __init__(self, words: str, spare: int, bridge: Bridge) -> None:
        self._words, self._spare, self._bridge = words, spare, bridge
        self.figure: ShownFigure | None = None
        self.camera: Camera | None = None
        self._drawn_camera: Camera | None = None
        self._brought = 0
        super().__init__()
        self.add_class("lfx-picture")
        self._narrowed: Callable[[go.Figure], go.Figure] | None = None
        bridge.observe(lambda _: self._take_theme(), "dark")

    def narrow(self, how: Callable[[go.Figure], go.Figure], again: Callable[[], None]) -> None:
        """Draw `how(figure)`, of `figures.narrow`, while the screen is narrow; `again()` brings it once more."""
        self._narrowed = how
        if how is stacked:  # needs more height
            self.add_class("lfx-stacks")
        self._bridge.observe(lambda _: again(), "narrow")

    def bring(self, figure: go.Figure) -> None:
        """Let the figure look like `figure`: by what differs, or by a new one (points in a plane instead of space)."""
        if self._narrowed is not None and self._bridge.narrow:
            figure = self._narrowed(figure)
        self._brought += 1
        if self.figure is not None and self.figure.has_room(figure):
            self.figure.bring(_seen_by(self._drawn_camera, figure))
            return
        self._drawn_camera = self.camera
        figure = _seen_by(self.camera, figure)
        before, self.figure = self.figure, ShownFigure(figure, self._words, self._spare)
        self._bridge.watch_over(self.figure)
        self._take_theme()
        self.children = [self.figure]
        if before is not None:
            before.close()

    def later(self, traces: Mapping[str, Any], then: Callable[[], None]) -> Callable[[], None]:
        """Return what moves traces of the figure, `then` more, unless it looks like another figure by then."""
        brought = self._brought

        def move() -> None:
            if self.figure is not None and self._brought == brought:
                self.figure.move(traces)
                then()

        return move

    def look(self, camera: Camera) -> None:
        """Look at the figure, and at later ones, from a camera that the address names."""
        self.camera = camera
        if self.figure is not None and _is_solid(self.figure):
            self.figure.update_layout(scene_camera=camera)

    def _take_theme(self) -> None:
        if self.figure is not None:
            self.figure.update_layout(template=TEMPLATES[self._bridge.dark])


def _is_solid(figure: go.Figure) -> bool:
    return any(trace.type == "scatter3d" for trace in figure.data)


def _seen_by(camera: Camera | None, figure: go.Figure) -> go.Figure:
    """Return the figure with a camera for its first scene, if it has one and the camera is given."""
    if camera is not None and _is_solid(figure):
        figure.update_layout(scene_camera=camera)
    return figure
