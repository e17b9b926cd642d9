"""What a page does besides sound, and every private name of plotly and anywidget that its Python side relies on.

`bridge.js` does the same for JavaScript, and `serving.bridge` for the server. That one is a module of its own because
a server and the process it forks kernels from should not import plotly's widgets. tests/test_bridge.py looks up each
name of `PRIVATE` in the installed library, and fails with the name if it has moved.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import plotly.graph_objects as go
import traitlets
from jaxtyping import Float
from plotly.serializers import custom_serializers

from latentfx_nb.figures import CONFIG
from latentfx_nb.widgets.dial import Dial
from latentfx_nb.widgets.modules import FOLDER, module_text
from latentfx_nb.widgets.private import Private

PRIVATE = (
    Private("plotly", "7.1.0", "plotly.basewidget:BaseFigureWidget._esm", "plotly's own JavaScript, 5 MB"),
    Private("plotly", "7.1.0", "plotly.basewidget:BaseFigureWidget._send_restyle_msg", "sends what it takes for known"),
    Private("plotly", "7.1.0", "plotly.basewidget:BaseFigureWidget._config", "the options that plotly.js draws with"),
    Private("voila", "0.5.13", "voila.utils:ENV_VARIABLE.VOILA_PREHEAT", "tells `host` that a kernel is Voila's"),
)
"""The private names that this module uses."""


Pointed = Callable[[str, Any], None]
"""Is told the name of a trace and its point: `point_inds`, `xs` and `ys`, each a list of one."""

Rested = Callable[[str | None, Any], None]
"""Is told the same of a point that the pointer rests on; None once it has left."""


def _in_rows(value: Any) -> Any:
    """Return a figure's state with each image as a list of its rows, which plotly.py sends as they lie in memory.

    It writes an image itself number by number, as text: 11 MB for a page's six instead of 3 MB.
    """
    if isinstance(value, dict):
        return {name: _in_rows(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_in_rows(one) for one in value]
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind == "f":
        return list(np.ascontiguousarray(value))
    return value


SERIALIZERS: dict[str, Any] = {
    **custom_serializers,
    "to_json": lambda value, widget: custom_serializers["to_json"](_in_rows(value), widget),
}
"""How figures are sent."""


class FigureWidget(go.FigureWidget):
    """A figure widget with the house's options, whose JavaScript comes from the server where that offers it.

    `words` tell screen readers what the figure shows.
    """

    _widget_data: Any = traitlets.List().tag(sync=True, **SERIALIZERS)
    _py2js_restyle = traitlets.Dict(allow_none=True).tag(sync=True, **SERIALIZERS)
    _py2js_update = traitlets.Dict(allow_none=True).tag(sync=True, **SERIALIZERS)

    def __init__(self, figure: go.Figure, words: str = "") -> None:
        figure.layout.meta = {
            "words": words
        }  # set before the figure is wrapped, so that it is in the widget's first state
        super().__init__(figure)
        self._config: dict[str, Any] = {**self._config, **CONFIG}

    def send_again(self, number: int, properties: Mapping[str, Any]) -> None:
        """Send properties of the trace of that number, though nothing of them has changed on this side."""
        self._send_restyle_msg({name: [value] for name, value in properties.items()}, [number])

    def forget(self, trace: str) -> None:
        """Do without a record of where the page has that trace: the page moves it by itself. `ShownFigure` does."""

    @property
    def _esm(self) -> str:
        served = os.environ.get("LATENTFX_PLOTLY_JS")
        if not served:
            return str(go.FigureWidget._esm)
        return f"export default (await import(new URL({served!r}, location.href))).default;"


class Bridge(anywidget.AnyWidget):
    """The part of a page that is neither sound nor figure. A page has one, shown anywhere on it as an empty line.

    `ready` turns true when a page has loaded it; `dark` says whether the page's theme is dark,
    `narrow` whether it is as narrow as a phone's. `address` is what a
    dashboard's page keeps in its own address: name -> text, None for what does not stand there. It also names the
    page's figures for screen readers, with the words of their `FigureWidget`, and lets them fill the page's width.
    """

    _esm = module_text("bridge_widget")
    _css = "".join((FOLDER / f"{name}.css").read_text("utf-8") for name in ("frame", "front", "legend", "bridge"))

    ready = traitlets.Bool().tag(sync=True)
    dark = traitlets.Bool().tag(sync=True)
    narrow = traitlets.Bool().tag(sync=True)
    address = traitlets.Dict().tag(sync=True)
    previews = traitlets.Bool().tag(sync=True)
    _watched = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _track = traitlets.Dict().tag(sync=True)
    _along = traitlets.Dict().tag(sync=True)
    _standing = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        # The page needs the bridge's own address in its first state, because later messages may be lost.
        address = uuid.uuid4().hex
        layout = {"height": "0", "margin": "0"}
        super().__init__(model_id=address, _watched=[address], layout=layout)
        self._clicked: Pointed | None = None
        self._told_ready: list[Callable[[Mapping[str, Any]], None]] = []
        self._rested: Rested | None = None
        self._told: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self.on_msg(self._answer)

    def watch_over(self, *widgets: ipywidgets.Widget) -> None:
        """Keep widgets of the page (figures, players, drop zones) updating even if they start slowly.

        anywidget drops every message to a widget whose JavaScript took more than 2 s to start: it is drawn and then
        never changes.
        """
        self._watched = [*self._watched, *(widget.model_id for widget in widgets)]

    def picture(self, figure: go.FigureWidget, kind: str, name: str) -> None:
        """Have the browser save a figure of the page as it stands, as `name`; `kind` is "png" or "svg"."""
        self.send({"kind": "picture", "figure": figure.model_id, "format": kind, "name": name})

    def save(self, name: str, content: bytes, kind: str) -> None:
        """Have the browser save `content` of the MIME type `kind` as a file called `name`."""
        self.send({"kind": "save", "name": name, "type": kind}, [content])

    def on_point(self, clicked: Pointed, rested: Rested | None = None) -> None:
        """Call `clicked` when a point of the page's figure was clicked, or touched.

        While `previews` is true, call `rested` when the pointer rests on one, and when it leaves.
        """
        self._clicked, self._rested = clicked, rested

    def on_ready(self, told: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `told` when a page has loaded the bridge, with what it tells of itself: a visitor may make it up.

        That is `query` (of its address), `webgl` and `narrow` (how it draws) and `dashboard` (whose address that is).
        """
        self._told_ready.append(told)

    def on(self, kind: str, told: Callable[[Mapping[str, Any]], None]) -> None:
        """Call `told` with each message of the page of a kind: a visitor may make it up.

        "select": `points`, pairs of a trace's name and a number, were drawn around in a plane; none if that was undone.
        "place": the scene of that `number` (1, 2 ...) was clicked where no point is. "clear": Escape was pressed.
        "camera": the first scene was turned, to a `camera` as it stands in an address. "step": the key for the next
        clip (`by` 1) or the one before (-1) was pressed. "visit": the `token` of the visitor, at the start and whenever
        the page is looked at again. "no full screen": the key for it was pressed, and the browser refused.
        """
        self._told[kind] = told

    def follow(
        self,
        figure: go.FigureWidget,
        trace: str | int,
        points: Float[np.ndarray, "marker frame axis"],
        times_s: Float[np.ndarray, " frame"],
        player: ipywidgets.Widget,
    ) -> None:
        """Keep the markers of a trace of a figure where the sound of a player is: at the frame that is heard.

        `trace` is its number, its `meta` or its `name`. `points` are the places of each marker at `times_s`, evenly
        spaced; with two axes the trace is flat. The page moves them without asking the kernel, which may be far away,
        so the figure's own Python side does not see them move.

        Raises ValueError if times and points do not go together, or if no trace is called so.
        """
        points = np.ascontiguousarray(points, "<f4")
        if points.ndim != 3 or points.shape[1] != len(times_s) or not len(times_s):
            raise ValueError(f"points [marker frame axis] of shape {points.shape} need a time for each frame")
        step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 1.0
        self._track = {
            "figure": figure.model_id, "trace": _number(figure, trace), "player": player.model_id,
            "shape": list(points.shape), "points": points.tobytes(), "first_s": float(times_s[0]), "step_s": step_s,
        }  # fmt: skip

    def follow_knob(
        self,
        dial: Dial,
        figure: FigureWidget,
        trace: str,
        points: Float[np.ndarray, "marker value axis"],
        values: Float[np.ndarray, " value"],
        log: bool,
    ) -> None:
        """Move the markers of a trace of a figure as `dial` turns: between the prepared `points` at rising `values`.

        Between two values lies an equal share of their ratio if `log`, else of their difference. The page moves them
        without asking the kernel, so the figure's own record of that trace is given up (`forget`). Once the dial is
        another knob, nothing is moved until the next call. Raises ValueError if values and points do not go together.
        """
        points = np.ascontiguousarray(points, "<f4")
        if points.ndim != 3 or points.shape[1] != len(values) or not len(values):
            raise ValueError(f"points [marker value axis] of shape {points.shape} need a value for each of their steps")
        figure.forget(trace)
        self._along = {
            "dial": dial.model_id, "knob": dial.knob, "figure": figure.model_id, "trace": _number(figure, trace),
            "shape": list(points.shape), "points": points.tobytes(), "values": np.asarray(values).tolist(), "log": log,
        }  # fmt: skip

    def follows(self, dial: Dial) -> bool:
        """Say whether a page that stands moves markers along the knob that the dial is now."""
        return self.ready and self._along.get("dial") == dial.model_id and self._along["knob"] == dial.knob

    def stand(self, value: float, exact: bool) -> None:
        """Tell the page what is drawn: the setting `value`, on its prepared path or exactly computed.

        It says so where an element of the class "lfx-exactness" stands.
        """
        self._standing = {"value": value, "exact": exact, "number": self._standing.get("number", 0) + 1}

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        # Only what Python writes is sent again: a late answer must not undo what the page has written meanwhile.
        if content.get("kind") == "ready":
            self.ready = True
            self.send_state(["ready", "address", "_watched", "_track", "_along", "_standing", "previews"])
            for told in self._told_ready:
                told(content)
        elif content.get("kind") == "point" and self._clicked is not None:
            self._clicked(str(content["trace"]), _place(content))
        elif content.get("kind") == "hover" and self._rested is not None:
            trace = content.get("trace")
            self._rested(None if trace is None else str(trace), _place(content))
        elif content.get("kind") in self._told:
            self._told[content["kind"]](content)


def _place(content: Mapping[str, Any]) -> SimpleNamespace:
    """Return a point as plotly's own callbacks are given it."""
    return SimpleNamespace(point_inds=[content.get("number")], xs=[content.get("x")], ys=[content.get("y")])


def _number(figure: go.FigureWidget, trace: str | int) -> int:
    """Return the number of the trace that is called so, by its `meta` or else by its `name`."""
    if isinstance(trace, int):
        return trace
    for called in ([one.meta for one in figure.data], [one.name for one in figure.data]):
        if trace in called:
            return called.index(trace)
    names = ", ".join(str(one.meta or one.name) for one in figure.data)
    raise ValueError(f"the figure has no trace called {trace!r}; its traces are called {names}")
