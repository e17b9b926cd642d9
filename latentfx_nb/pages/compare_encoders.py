"""Every number of the other pages for every encoder: which latent space is best behaved under effects?"""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from latentfx_nb import figures
from latentfx_nb.analysis.comparison import ALGEBRA_PAIRS, MEASURES, mean_ranks
from latentfx_nb.analysis.prepared import compare_encoders
from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages.base import STYLE, Panel
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet

RANK = "mean rank"

READ = (
    "In brackets the 95 % interval over recordings. -T: time-averaged, -F: flattened; near: of the nine nearest "
    "neighbours, how many share the effect; straight, turns, path dims, one knob, knobs agree: of the paths along the "
    "four knobs of Table 2 (page 04), n = {paths} clips; effects agree, effect dims: of the displacements of time "
    "averages by nine effects, n = {clips} clips; shift, ridge: latent algebra from {pairs} pairs on held-out "
    "recordings (page 07), and what of it can be heard. Fewer turns and dims are better behaved, of all else more. The "
    "mean rank is over the measures that all encoders here have, 1 the best of all; it does not say how far apart they "
    "are."
)


class CompareEncoders(Panel):
    """Sort the encoders by any measure; those that do not ship are measured at the press of a button.

    `source` is "bundled", a folder or a ClipSet.
    """

    def __init__(self, source: str | Path | ClipSet = "bundled") -> None:
        super().__init__(source)
        options = [(RANK, RANK), *((measure.title, name) for name, measure in MEASURES.items())]
        self.sort = widgets.Dropdown(options=options, description="Sort by", style=STYLE, layout={"width": "400px"})
        self.measure_button = widgets.Button(description="Measure the others", layout={"width": "180px"})
        self.measure_button.tooltip = "encodes these clips with every encoder that is ready; finished ones are kept"
        self.table = widgets.HTML()
        self._measures: dict[str, pd.DataFrame] = {}
        self._read(compute=False)
        titles = {name: measure.title for name, measure in MEASURES.items()}
        self.figure = self.figure_widget(
            figures.encoder_comparison(self._sorted() or {"-": _NOTHING}, titles),
            "One measure of every encoder, sorted, with intervals",
        )
        row = {"flex_flow": "row wrap", "align_items": "center"}
        choices = widgets.HBox([self.clip_set, self.own_files, self.sort, self.measure_button], layout=row)
        tools = FigureTools(self, "compare_encoders")
        self.children = [choices, self.status, self.table, self.figure, tools]
        self._show()
        self.on_clips(self._clips_changed)
        self.sort.observe(lambda _: self.worker.submit("draw", self._draw), "value")
        self.measure_button.on_click(lambda _: self.worker.submit("measure", self._measure))

    def code(self) -> str:
        """Return the lines that draw this in a notebook."""
        return self.clips_code() + (
            f"measures = lfx.prepared.compare_encoders(clips, {list(self._sorted())!r})\n"
            "titles = {name: measure.title for name, measure in lfx.comparison.MEASURES.items()}\n"
            "lfx.plots.encoder_comparison(measures, titles)"
        )

    def _clips_changed(self) -> None:
        def job() -> None:
            self._measures = {}
            self._read(compute=False)
            self._draw()

        self.worker.submit("prepare", job)

    def _measure(self) -> None:
        self._read(compute=True)
        self._draw()
        self.status.say("")

    def _read(self, compute: bool) -> None:
        """Measure what is ready and not measured yet: at once what ships, the rest one by one if asked to compute."""
        clips = self.clips
        for name in self._ready():
            if name not in self._measures:
                self._measures |= compare_encoders(clips, [name], self.busy, compute=compute)
                if compute:
                    self._draw()

    def _ready(self) -> list[str]:
        encoders = list_encoders()
        return list(encoders.index[encoders["present"]])

    def _sorted(self) -> dict[str, pd.DataFrame]:
        """Return the frames in the chosen order, the best behaved first and the unknown last."""
        if not self._measures:
            return {}
        if self.sort.value == RANK:
            keys = mean_ranks(self._measures)
        else:
            sign = -1 if MEASURES[self.sort.value].more_is_better else 1
            keys = pd.Series({name: sign * one.loc[self.sort.value, "value"] for name, one in self._measures.items()})
        return {name: self._measures[name] for name in keys.sort_values(na_position="last").index}

    def _draw(self) -> None:
        ordered = self._sorted() or {"-": _NOTHING}
        with self.figure.batch_update():
            for trace, name in zip(self.figure.data, MEASURES, strict=True):
                trace.update(figures.compared(ordered, name))
            self.figure.update_yaxes(figures.compared_axis(ordered))
        self._show()

    def _show(self) -> None:
        self.tell_made(*self._measures)
        ordered, left = self._sorted(), [name for name in self._ready() if name not in self._measures]
        self.measure_button.layout.display = "flex" if left else "none"
        if not ordered:
            self.table.value = note("No encoder is measured on these clips yet: press the button.")
            return
        ranks = mean_ranks(ordered)
        rows = [(name, f"{ranks[name]:.1f}", *map(_cell, frame.itertuples())) for name, frame in ordered.items()]
        first = next(iter(ordered.values()))
        text = READ.format(
            paths=first.loc["straightness", "n"], clips=first.loc["probe_mean", "n"], pairs=ALGEBRA_PAIRS
        )
        if left:
            text += f" Not measured on these clips yet: {', '.join(left)}."
        saved = table_downloads(pd.concat(ordered, axis=1).T, "compare_encoders")
        head = ("encoder", RANK, *(measure.heading for measure in MEASURES.values()))
        self.table.value = f'<div style="font-size: 0.8em">{table(head, rows)}</div>{note(text)}{saved}'


_NOTHING = pd.DataFrame(np.nan, list(MEASURES), ["value", "low", "high", "n"])


def _cell(row) -> str:
    return "--" if np.isnan(row.value) else f"{row.value:z.2f} ({row.low:z.2f} to {row.high:z.2f})"
