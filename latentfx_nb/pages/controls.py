"""The controls of pages: each gives one or more fields of a page's `Choice`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import ipywidgets as widgets
import pandas as pd

from latentfx_nb.encoders import list_encoders
from latentfx_nb.sound.clips import ClipSet

STYLE = {"description_width": "initial"}


class Control(Protocol):
    """Something that a visitor sets: it reads as fields of a `Choice`, and is set by them."""

    def read(self) -> Mapping[str, Any]:
        """Return field -> value."""

    def write(self, fields: Mapping[str, Any]) -> None:
        """Take over those of the fields that are this control's."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever it has been changed."""


class Field:
    """One widget as one field, or a value that stays as it is (`Fixed`)."""

    def __init__(self, name: str, widget: widgets.Widget) -> None:
        self.name, self.widget = name, widget

    def read(self) -> Mapping[str, Any]:
        return {self.name: self.widget.value}

    def write(self, fields: Mapping[str, Any]) -> None:
        if self.name in fields:
            self.widget.value = fields[self.name]

    def on_change(self, callback: Callable[[], None]) -> None:
        self.widget.observe(lambda _: callback(), "value")


class Listed(Field):
    """A chooser that lists what is in what is shown; what is not listed cannot be chosen, and is left alone."""

    def write(self, fields: Mapping[str, Any]) -> None:
        listed = [option[1] if isinstance(option, tuple) else option for option in self.widget.options]
        if self.name in fields and fields[self.name] in (None, *listed):
            self.widget.value = fields[self.name]


class Fixed:
    """Fields that nobody can change on the page."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def read(self) -> Mapping[str, Any]:
        return self._fields

    def write(self, fields: Mapping[str, Any]) -> None:
        """Leave them as they are."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Never call it."""


class Clicked:
    """Fields that clicks on the figure set: no widget shows them."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields
        self._callbacks: list[Callable[[], None]] = []

    def read(self) -> Mapping[str, Any]:
        return dict(self._fields)

    def write(self, fields: Mapping[str, Any]) -> None:
        """Take over what is given, and call back once if that changes anything."""
        after = self._fields | {name: fields[name] for name in self._fields if name in fields}
        if after != self._fields:
            self._fields = after
            for callback in self._callbacks:
                callback()

    def on_change(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)


class Ask(widgets.Button):
    """A button that asks for something which takes long: its field is True for the one choice that it makes."""

    def __init__(self, name: str, words: str, **look: Any) -> None:
        super().__init__(description=words, **look)
        self.name, self.pressed = name, False

    def read(self) -> Mapping[str, Any]:
        pressed, self.pressed = self.pressed, False
        return {self.name: pressed}

    def write(self, fields: Mapping[str, Any]) -> None:
        """Leave it unpressed: what took long when it was asked for takes long again."""

    def on_change(self, callback: Callable[[], None]) -> None:
        def press(_: widgets.Button) -> None:
            self.pressed = True
            callback()

        self.on_click(press)

    def show(self, shown: bool) -> None:
        """Show or hide the button."""
        self.layout.display = "flex" if shown else "none"


def dropdown(words: str, options: Any = (), value: Any = None, width: str = "230px") -> widgets.Dropdown:
    """Return a chooser of one of `options`, the first unless `value` is given."""
    chooser = widgets.Dropdown(options=options, description=words, style=STYLE, layout={"width": width})
    if value is not None:
        chooser.value = value
    return chooser


def several(
    options: Any = (), value: Sequence[Any] = (), rows: int = 5, width: str = "340px"
) -> widgets.SelectMultiple:
    """Return a list of which several may be chosen."""
    return widgets.SelectMultiple(options=options, value=value, rows=rows, layout={"width": width})


def planes(chosen: int) -> widgets.ToggleButtons:
    """Return the choice between a picture in space and one in a plane."""
    chooser = widgets.ToggleButtons(options=[("3-D", 3), ("2-D", 2)], value=chosen)
    chooser.style.button_width = "auto"
    return chooser


def row(*children: widgets.Widget) -> widgets.HBox:
    """Return widgets side by side."""
    return widgets.HBox(children, layout={"flex_flow": "row wrap", "align_items": "center"})


def list_clips(chooser: widgets.Dropdown | widgets.SelectMultiple, clips: ClipSet, chosen: int | Iterable[int]) -> None:
    """Offer the clips of a set in a chooser, by row, and choose one or some."""
    if isinstance(chooser, widgets.SelectMultiple):
        chooser.value = ()  # the page would look for rows that the new list may not have
    chooser.options = [(clip_label(clips, number), number) for number in range(len(clips))]
    chooser.value = chosen if isinstance(chosen, int) else tuple(chosen)


def clip_label(clips: ClipSet, row: int) -> str:
    """Return how a clip is called in a list."""
    return f"{clips.table['clip'].iat[row]} ({clips.table['instrument'].iat[row]})"


def encoder_options() -> list[tuple[str, str]]:
    """Return label and name of every encoder, as a chooser takes them."""

    def label(name: str, row: pd.Series) -> str:
        # The whole note stands on the front page, and in the status line once this encoder is chosen.
        return name if row["present"] else f"{name} (not ready: {re.split('[:;] ', row['note'])[0]})"

    return [(label(name, row), name) for name, row in list_encoders().iterrows()]


class Texts(dict[str, widgets.HTML]):
    """Name -> the widget that shows the text of that name."""

    def __missing__(self, name: str) -> widgets.HTML:
        return self.setdefault(name, widgets.HTML())
