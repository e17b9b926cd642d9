"""A figure on a page that is brought to look like one built afresh: only what differs is sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from latentfx_nb.figures import STALE
from latentfx_nb.widgets.bridge import FigureWidget

Json = dict[str, Any]

NOT_COMPARED = {"template", "meta", "height", "width", "autosize", "showlegend"}
"""Parts of a layout that are the page's: its theme, what the figure is called, how much room it has, and its legend."""


class ShownFigure(FigureWidget):
    """A figure widget that `bring` makes look like another figure, trace by trace.

    Traces are addressed by their names, which stand in `trace.meta`. A figure that comes later may have up to `spare`
    more traces of each kind in each of its axes: plotly shows none that are added once a page stands.
    """

    def __init__(self, figure: go.Figure, words: str, spare: int = 0) -> None:
        self._shown_traces = [trace.to_plotly_json() for trace in figure.data]
        self._shown_layout = _compared_layout(figure)
        self._elsewhere: set[str] = set()
        roomy = go.Figure(figure) if spare else figure  # a copy takes a tenth of a second
        for kind in dict.fromkeys(map(_kind, self._shown_traces)):
            empty = _empty(kind)
            roomy.add_traces([empty] * spare)
            self._shown_traces += [dict(empty) for _ in range(spare)]
        roomy.update_layout(height=None, width=None, autosize=True)  # its place says how large it is
        roomy.update_layout(showlegend=False)  # the page draws it in the picture's head
        super().__init__(roomy, words)
        self._config: Json = {**self._config, "scrollZoom": True}  # the page says when (`wheel.js`)

    def trace(self, name: str) -> Any:
        """Return the trace of that name; raise KeyError if there is none."""
        return self.data[self.number(name)]

    def number(self, name: str) -> int:
        """Return where the trace of that name stands; raise KeyError if there is none."""
        for number, trace in enumerate(self._shown_traces):
            if trace.get("meta") == name:
                return number
        raise KeyError(f"no trace is called {name!r}; there are {', '.join(self.names())}")

    def names(self) -> Iterator[str]:
        """Yield the names of the traces that are drawn."""
        return (str(trace["meta"]) for trace in self._shown_traces if trace.get("meta"))

    def has_room(self, figure: go.Figure) -> bool:
        """Say whether `bring` can show `figure`: there is a trace of its kind for each of its traces."""
        room = Counter(map(_kind, self._shown_traces))
        return all(room[kind] >= number for kind, number in Counter(map(_kind, figure.data)).items())

    def forget(self, trace: str) -> None:
        """From now on, send the places of that trace's points each time: the page has moved them by itself."""
        self._elsewhere.add(trace)

    def bring(self, figure: go.Figure) -> None:
        """Send what differs between what is shown and `figure`.

        Traces of one kind in the same axes take each other's places in their order; those left over are hidden, not
        emptied, as plotly.js in a page stops at a marker that is set to nothing.

        Raises ValueError if there are more traces than room for them (`spare`).
        """
        wanted = self._placed([trace.to_plotly_json() for trace in figure.data])
        layout = self._keeping_cameras(_compared_layout(figure))
        with self.batch_update():
            for number, trace in enumerate(wanted):
                self._bring_trace(number, trace)
            self._set(self.layout, differences(self._shown_layout, layout))
        self._shown_traces, self._shown_layout = wanted, layout

    def _keeping_cameras(self, layout: Json) -> Json:
        """Return a layout whose scenes are seen as they are, where the visitor has turned them."""
        for name, scene in layout.items():
            sent = self._shown_layout.get(name, {}).get("camera") if name.startswith("scene") else None
            if sent is not None and self.layout[name].camera.to_plotly_json() != sent:
                scene["camera"] = sent
        return layout

    def move(self, traces: Mapping[str, Json]) -> None:
        """Change properties of some traces, by their names: what a turning knob moves, without the whole figure.

        A trace that is not there yet, given with its type, name and axes, takes the place of an empty one.
        """
        with self.batch_update():
            for name, properties in traces.items():
                number = self._number_for(name, properties)
                before = self._shown_traces[number]
                after = {**before, **go.Figure([{"type": before["type"], **properties}]).data[0].to_plotly_json()}
                self._bring_trace(number, after)
                self._shown_traces[number] = after

    def fade(self, names: Sequence[str]) -> None:
        """Show that traces are no longer of what is chosen, until the next figure comes.

        "view 1" names all traces of the first view: "view 1 HPF" and so on.
        """
        every = [(name, f"{name} ") for name in names]
        self.move(
            {one: {"opacity": STALE} for one in self.names() if any(one == a or one.startswith(b) for a, b in every)}
        )

    def _number_for(self, name: str, properties: Json) -> int:
        if name not in self.names() and "type" in properties:
            for number, trace in enumerate(self._shown_traces):
                if trace == _empty(_kind(properties)):
                    return number
        return self.number(name)

    def _placed(self, traces: list[Json]) -> list[Json]:
        """Return the traces in the order in which the widget has room for their kinds, with hidden ones between."""
        waiting: dict[tuple, list[Json]] = defaultdict(list)
        for trace in traces:
            waiting[_kind(trace)].append(trace)
        placed = []
        for shown in self._shown_traces:
            kind = _kind(shown)
            hidden = {name: value for name, value in shown.items() if name != "meta"} | {"visible": False}
            placed.append(waiting[kind].pop(0) if waiting[kind] else hidden)
        left = [trace.get("meta") for rest in waiting.values() for trace in rest]
        if left:
            raise ValueError(f"the page has no room for the traces {left}: raise its `spare`")
        return placed

    def _bring_trace(self, number: int, trace: Json) -> None:
        differing = differences(self._shown_traces[number], trace)
        self._set(self.data[number], differing)
        known = {axis: trace[axis] for axis in "xyz" if axis in trace and axis not in differing}
        if known and trace.get("meta") in self._elsewhere:
            self.send_again(number, known)

    @staticmethod
    def _set(part: Any, values: Mapping[str, Any]) -> None:
        for path, value in values.items():
            part[path] = value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Return what has to be set in `old` to make it `new`: path -> value, with dots; None for what is no longer there.

    Arrays are the same if their values are, NaN as NaN. No path leads to a part that has parts of its own: plotly.js
    refuses one message that sets "marker" in one trace and "marker.color" in another.
    """
    found: Json = {}
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) or isinstance(after, Mapping):
            inner = differences(_parts(before), _parts(after))
            found |= {f"{key}.{path}": value for path, value in inner.items()}
        elif not _same(before, after):
            found[key] = after
    return found


def _parts(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        if one.shape != other.shape:
            return False
        numbers = one.dtype.kind in "fiub" and other.dtype.kind in "fiub"
        return bool(np.array_equal(one, other, equal_nan=True)) if numbers else one.tolist() == other.tolist()
    return bool(type(one) is type(other) and one == other)


def _kind(trace: Any) -> tuple:
    """Return what stays of a trace as long as it is shown: its type and its axes."""
    named = [axis if axis in trace else "" for axis in ("scene", "xaxis", "yaxis")]
    return trace["type"], *(trace[axis] if axis else None for axis in named)


def _empty(kind: tuple) -> Json:
    axes = {axis: value for axis, value in zip(("scene", "xaxis", "yaxis"), kind[1:], strict=True) if value}
    return {"type": kind[0], **axes, "visible": False}


def _compared_layout(figure: go.Figure) -> Json:
    return {key: value for key, value in figure.layout.to_plotly_json().items() if key not in NOT_COMPARED}
