"""A table that is sorted in the page by a press on a head: bars in its cells, the best of each column marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from latentfx_nb.widgets.modules import FOLDER, module_text

REVERSED = "-"
"""Stands before the name of a column in a sorting that is the other way round."""


class SortedTable(anywidget.AnyWidget):
    """A table of numbers; `value` is the column it is sorted by, the best on top, or with "-" before it below.

    `columns` have a name, a heading, what they say under the mouse and which is better, "more" or "less". `rows` have a
    name, `values` by column (None: unknown), and `cells` in the order of the columns: text, share of the column (of a
    bar), whether it is the best, and what it says. `nothing` is said as long as there are no rows. `value` raises
    `traitlets.TraitError` for what is no column.
    """

    _esm = module_text("table")
    _css = FOLDER / "table.css"

    columns: traitlets.List[Mapping[str, Any]] = traitlets.List().tag(sync=True)
    rows: traitlets.List[Mapping[str, Any]] = traitlets.List().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    corner = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    nothing = traitlets.Unicode().tag(sync=True)

    def __init__(self, columns: Sequence[Mapping[str, Any]], value: str, **traits: Any) -> None:
        super().__init__(columns=list(columns), value=value, **traits)
        self.on_msg(self._answer)

    @traitlets.validate("value")
    def _is_a_column(self, proposal: Any) -> str:
        names = [column["name"] for column in self.columns]
        if proposal["value"].removeprefix(REVERSED) not in names:
            raise traitlets.TraitError(f"no column is called {proposal['value']!r}; there are {', '.join(names)}")
        return str(proposal["value"])

    def _answer(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        if message.get("kind") == "ready":
            self.send_state(["columns", "rows", "nothing"])
