"""The controls of pages: each gives one or more fields of a page's `Choice`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import ipywidgets as widgets
import pandas as pd

from latentfx_nb.encoders import is_known, list_encoders
from latentfx_nb.encoders.sources.weights import FETCHED
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.picker import Picker

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
    """Fields that clicks on the figure set: no widget shows them. `offers` says what a field may be, where that counts.

    `offers` is field -> whether it may have a value; one that it may not is left alone.
    """

    def __init__(self, offers: Mapping[str, Callable[[Any], bool]] | None = None, **fields: Any) -> None:
        self._fields, self._offers = fields, offers or {}
        self._callbacks: list[Callable[[], None]] = []

    def read(self) -> Mapping[str, Any]:
        return dict(self._fields)

    def write(self, fields: Mapping[str, Any]) -> None:
        """Take over what is given, and call back once if that changes anything."""
        given = {name: fields[name] for name in self._fields if name in fields}
        offered = {name: value for name, value in given.items() if self._offers.get(name, lambda _: True)(value)}
        after = self._fields | offered
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


def one_of(words: str, options: Any = (), value: Any = None) -> Picker:
    """Return a searchable list of which one is chosen, the first unless `value` is given."""
    picker = Picker(options, description=words)
    if value is not None:
        picker.value = value
    return picker


def several(words: str, options: Any = (), value: Sequence[Any] = (), most: int = 0) -> Picker:
    """Return a searchable list of which several may be ticked, at most `most` (0: all)."""
    return Picker(options, description=words, several=True, most=most, value=tuple(value))


class EncoderPicker(Picker):
    """A choice of encoders, in which a variant, such as "lyra-v2@quantizers=8", is listed once Python chooses it."""

    def _numbers_of(self, value: Any) -> list[int]:
        listed = {one for _, one in self._options}
        for one in value if self.several else [value]:
            if isinstance(one, str) and one not in listed and is_known(one):
                self.add(one, one, f"a variant of {one.partition('@')[0]}")
        return super()._numbers_of(value)


def one_encoder(value: str) -> Picker:
    """Return the choice of one encoder; those that are not ready say why, and cannot be chosen on the page."""
    picker = EncoderPicker(description="Encoder")
    picker.offer(*encoder_options())
    picker.value = value
    return picker


def several_encoders(value: Sequence[str]) -> Picker:
    """Return the choice of several encoders, as `one_encoder` does of one."""
    picker = EncoderPicker(description="Encoders", several=True)
    picker.offer(*encoder_options())
    picker.value = tuple(value)
    return picker


def planes(chosen: int) -> widgets.ToggleButtons:
    """Return the choice between a picture in space and one in a plane."""
    chooser = widgets.ToggleButtons(options=[("3-D", 3), ("2-D", 2)], value=chosen)
    chooser.style.button_width = "auto"
    return chooser


def list_clips(chooser: Picker | widgets.Dropdown, clips: ClipSet, chosen: int | Iterable[int]) -> None:
    """Offer the clips of a set in a chooser, by row, and choose one or some; each can be heard before it is chosen."""
    if isinstance(chooser, Picker):
        options = [(str(name), row) for row, name in enumerate(clips.table["clip"])]
        chooser.playable, chooser.source = True, clips
        chooser.offer(options, dict(enumerate(map(clip_detail, clips.table.to_dict("records")))))
    else:
        chooser.options = [(clip_label(clips, number), number) for number in range(len(clips))]
    chooser.value = chosen if isinstance(chosen, int) else tuple(chosen)


def clip_label(clips: ClipSet, row: int) -> str:
    """Return how a clip is called in a list."""
    clip, instrument = clips.table["clip"].iat[row], clips.table["instrument"].iat[row]
    return f"{clip}" if instrument == "unknown" else f"{clip} ({instrument})"


def clip_detail(known: Mapping[str, Any]) -> str:
    """Return what a row of a clip set's table says of a clip besides its name, as far as it is known.

    That is instrument, style, tempo, key and recording; a recording that the clip is called after is not said twice.
    """
    said = {name: "" if pd.isna(value) else str(value) for name, value in known.items()}
    tempo = f"{said['tempo_bpm']} bpm" if said.get("tempo_bpm") else ""
    recording = said.get("recording", "")
    recording = "" if said["clip"].startswith(recording) else recording
    parts = [said.get("instrument", ""), said.get("style", ""), tempo, said.get("key", ""), recording]
    return " · ".join(one for one in parts if one and one != "unknown")


def encoder_options() -> tuple[list[tuple[str, str]], dict[str, str], dict[str, str]]:
    """Return every encoder as a picker takes them: label and name, a line on each, and why some cannot be chosen.

    One whose weights are fetched once it is chosen can be: the line says how large they are.
    """
    listed = list_encoders()
    can = listed["present"] | listed["note"].str.endswith(FETCHED)
    options = [(name, name) for name in [*listed.index[listed["present"]], *listed.index[~listed["present"]]]]
    details = {name: row["note"] or _encoder_detail(row) for name, row in listed[can].iterrows()}
    return options, details, {name: f"Not ready: {row['note']}" for name, row in listed[~can].iterrows()}


def _encoder_detail(row: pd.Series) -> str:
    """Return in a line what an encoder's latents are."""
    rate = "one vector a clip" if pd.isna(row["frame_rate_hz"]) else f"{row['frame_rate_hz']:.4g} frames a second"
    return f"{row['dim']} dims · {rate}" + (" · decodes" if row["has_decoder"] else "")


class Texts(dict[str, widgets.HTML]):
    """Name -> the widget that shows the text of that name."""

    def __missing__(self, name: str) -> widgets.HTML:
        return self.setdefault(name, widgets.HTML())
