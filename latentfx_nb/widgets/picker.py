"""A searchable list in a compact row: one entry or several are chosen by a click, and may be heard before that."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from latentfx_nb.widgets.modules import FOLDER, module_text


class Picker(anywidget.AnyWidget):
    """A label and a button that says what is chosen and opens a list with a search field; no key has to be held.

    `options` are labels, or pairs of label and value; `value` is one of these values, or a tuple of them with
    `several`; other values raise TraitError. New options choose the first one, or nothing with `several`, as
    ipywidgets' own choosers do; `index` and `label` say the same as `value` in numbers and labels. `most` is how many
    may be ticked, 0 for all. `playable` gives each entry a play button; `on_play` says who is called; `playing` is
    the value of the entry that sounds. `disabled` greys the whole control. `ready` turns true when a page shows it.
    """

    _esm = module_text("picker")
    _css = FOLDER / "picker.css"

    value = traitlets.Any()
    several = traitlets.Bool().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    most = traitlets.Int(0, min=0).tag(sync=True)
    playable = traitlets.Bool().tag(sync=True)
    disabled = traitlets.Bool().tag(sync=True)
    ready = traitlets.Bool().tag(sync=True)
    _address = traitlets.Unicode().tag(sync=True)
    _entries = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    _chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    _playing = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        options: Iterable[Any] = (),
        *,
        details: Mapping[Any, str] | None = None,
        reasons: Mapping[Any, str] | None = None,
        **traits: Any,
    ) -> None:
        """Offer `options`; see `offer` for `details` and `reasons`."""
        # The page needs the picker's own address in its first state, because later messages may be lost.
        address = uuid.uuid4().hex
        self._options: list[tuple[str, Any]] = []
        self._given: Any = ()
        self._reasons: dict[Any, str] = {}
        self._details: dict[Any, str] = {}
        self._play: list[Callable[[Any], None]] = []
        self.source: Any = None
        """What the entries are of (a set of clips), for those who play them."""
        value = {"value": traits.pop("value")} if "value" in traits else {}
        super().__init__(model_id=address, _address=address, **traits)
        self.offer(options, details, reasons)
        self.set_trait("value", value.get("value", self.value))
        self.on_msg(self._answer)

    # --------------------------------------------------------------------------------------------- what can be chosen

    @property
    def options(self) -> Any:
        """The labels, or pairs of label and value, as they were given."""
        return self._given

    @options.setter
    def options(self, options: Iterable[Any]) -> None:
        self.offer(options, self._details, self._reasons)

    def offer(
        self,
        options: Iterable[Any],
        details: Mapping[Any, str] | None = None,
        reasons: Mapping[Any, str] | None = None,
    ) -> None:
        """Offer other options: value -> a second line in `details`, or why visitors cannot choose it in `reasons`."""
        self._given = tuple(options.items() if isinstance(options, Mapping) else options)
        self._options = _pairs(self._given)
        self._details, self._reasons = dict(details or {}), dict(reasons or {})
        lines = [(label, self._details.get(one, ""), self._reasons.get(one, "")) for label, one in self._options]
        self._entries = [list(line) for line in lines]
        self._playing = -1
        chosen = [] if self.several or not self._options else [0]
        self._chosen = chosen
        self.value = self._value_of(chosen)  # the same number may be another value now

    def add(self, label: str, value: Any, detail: str = "") -> None:
        """Offer one option more, at the end; what is chosen stays."""
        self._given = (*_pairs(self._given), (label, value))
        self._options = _pairs(self._given)
        self._details[value] = detail
        self._entries = [*self._entries, [label, detail, ""]]

    @property
    def details(self) -> Mapping[Any, str]:
        """Value -> the second line of its entry."""
        return self._details

    @property
    def reasons(self) -> Mapping[Any, str]:
        """Value -> why visitors cannot choose it; Python still can."""
        return self._reasons

    # -------------------------------------------------------------------------------------------------- what is chosen

    @property
    def index(self) -> int | None | tuple[int, ...]:
        """The number of what is chosen, None for nothing; with `several`, a tuple of numbers."""
        return tuple(self._chosen) if self.several else next(iter(self._chosen), None)

    @index.setter
    def index(self, index: int | None | Sequence[int]) -> None:
        numbers = [] if index is None else [index] if isinstance(index, int) else list(index)
        if not all(0 <= number < len(self._options) for number in numbers):
            raise traitlets.TraitError(f"index {index!r}: there are {len(self._options)} entries, counted from 0")
        self._chosen = numbers

    @property
    def label(self) -> str | None | tuple[str, ...]:
        """The label of what is chosen, None for nothing; with `several`, a tuple of labels."""
        labels = tuple(self._options[number][0] for number in self._chosen)
        return labels if self.several else next(iter(labels), None)

    @traitlets.default("value")
    def _no_value(self) -> Any:
        return () if self.several else None

    @traitlets.validate("value")
    def _offered(self, proposal: Mapping[str, Any]) -> Any:
        numbers = self._numbers_of(proposal["value"])
        if self.several and 0 < self.most < len(numbers):
            raise traitlets.TraitError(f"{self.description or 'value'}: {len(numbers)} are chosen, {self.most} at most")
        return self._value_of(numbers)

    @traitlets.observe("value")
    def _value_chosen(self, change: Mapping[str, Any]) -> None:
        numbers = self._numbers_of(change["new"])
        if self._value_of(self._chosen) != change["new"]:
            self._chosen = numbers

    @traitlets.observe("_chosen")
    def _number_chosen(self, _: Mapping[str, Any]) -> None:
        self.value = self._value_of(self._chosen)

    def _value_of(self, numbers: Sequence[int]) -> Any:
        values = tuple(self._options[number][1] for number in numbers)
        return values if self.several else next(iter(values), None)

    def _numbers_of(self, value: Any) -> list[int]:
        """Return the numbers of a value, in its own order; raise TraitError for what is not offered."""
        offered = [one for _, one in self._options]
        if not self.several and value is None and None not in offered:
            return []
        wanted = list(value) if self.several else [value]
        if unknown := [one for one in wanted if one not in offered]:
            labels = ", ".join(label for label, _ in self._options[:8]) + (", ..." if len(offered) > 8 else "")
            raise traitlets.TraitError(
                f"{self.description or 'value'}: {unknown[0]!r} is not offered; choose of {labels or 'nothing yet'}"
            )
        return [offered.index(one) for one in dict.fromkeys(wanted)]

    # ------------------------------------------------------------------------------------------- what the page says

    def on_play(self, play: Callable[[Any], None]) -> None:
        """Call `play` with the value of an entry whose play button was pressed, and with None to stop it."""
        self._play.append(play)

    @property
    def playing(self) -> Any:
        """The value of the entry that sounds, None if none does."""
        return self._options[self._playing][1] if self._playing >= 0 else None

    @playing.setter
    def playing(self, value: Any) -> None:
        offered = [one for _, one in self._options]
        self._playing = offered.index(value) if value is not None and value in offered else -1

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what the page says; what cannot be chosen there is left out."""
        if "_chosen" not in sync_data:
            super().set_state(sync_data)
            return
        asked = sync_data["_chosen"]
        possible = self._possible(asked)
        super().set_state({**sync_data, "_chosen": possible})
        if possible != asked:
            self.send_state("_chosen")

    def _possible(self, asked: Any) -> list[int]:
        """Return those numbers of a visitor's that he can choose; what is chosen already he can leave chosen."""
        given = asked if isinstance(asked, list) else ()
        numbers = [one for one in given if type(one) is int and 0 <= one < len(self._options)]
        free = [one for one in dict.fromkeys(numbers) if one in self._chosen or not self._entries[one][2]]
        if not self.several:
            return free[:1] or list(self._chosen)
        return free[: self.most] if self.most else free

    def _answer(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("kind") == "ready":
            self.ready = True
            names = {"ready", "several", "description", "most", "playable", "disabled", "_entries", "_playing"}
            self.send_state(names if message.get("chosen") == self._chosen else names | {"_chosen"})
        elif message.get("kind") == "play" and message.get("number") in range(len(self._options)):
            number = int(message["number"])
            for play in self._play:
                play(None if number == self._playing else self._options[number][1])


def _pairs(options: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return label and value of each option."""
    if options and all(isinstance(one, list | tuple) and len(one) == 2 for one in options):
        return [(str(label), value) for label, value in options]
    return [(str(one), one) for one in options]
