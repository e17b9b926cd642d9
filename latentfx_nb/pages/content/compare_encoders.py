"""Page 09, free of widgets: every registered measure of every encoder that is ready, sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from latentfx_nb import figures
from latentfx_nb.analysis.comparison import mean_ranks
from latentfx_nb.analysis.measures import ALGEBRA_PAIRS, MEASURES, all_measures, measures_of
from latentfx_nb.analysis.prepared import compare_encoders
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.markup import measure_words, note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet

RANK = "mean rank"

READ = (
    "In brackets the 95 % interval over recordings. -T: time-averaged, -F: flattened. {measures} Paths run along the "
    "four knobs of Table 2 (page 04), n = {paths} clips; displacements are of time averages by {effects} effects, "
    "n = {clips} clips; latent algebra is learned from {pairs} pairs and tried on held-out recordings (page 07). The "
    "mean rank is over the measures that all encoders here have, 1 the best of all; it does not say how far apart they "
    "are."
)

NOTHING_YET = "No encoder is measured on these clips yet: press the button."


@dataclass(frozen=True)
class ComparisonChoice(Choice):
    """By which measure the encoders are sorted, and whether those that do not ship are to be measured."""

    sort: str = RANK
    measure: bool = False


@dataclass(frozen=True)
class ComparisonShown(Shown):
    """The measures of some encoders."""

    choice: ComparisonChoice
    names: tuple[str, ...]  # the measures that there were when the page was opened
    measured: Mapping[str, pd.DataFrame]  # by encoder: a row a measure, with value, low, high and n
    left: tuple[str, ...]  # encoders that are ready and not measured

    @property
    def measures(self) -> dict[str, pd.DataFrame]:
        """Return what is measured, sorted as is chosen."""
        return ordered(self.measured, self.choice.sort)

    @property
    def titles(self) -> dict[str, str]:
        """Return measure -> title."""
        return {name: MEASURES[name].title for name in self.names}


def sortings() -> list[tuple[str, str]]:
    """Return label and name of everything that encoders can be sorted by."""
    return [(RANK, RANK), *((measure.title, name) for name, measure in all_measures().items())]


def prepare(
    choice: ComparisonChoice, clips: ClipSet, last: ComparisonShown | None, progress: Progress
) -> ComparisonShown:
    """Return the measures of the encoders that ship for these clips; of all, shown one by one, if asked for."""
    names = tuple(all_measures()) if last is None else last.names
    same = last is not None and last.clips is clips
    measured = dict(last.measured) if last is not None and same else {}

    def shown() -> ComparisonShown:
        left = tuple(name for name in ready() if name not in measured)
        return ComparisonShown(choice, clips, names, dict(measured), left)

    if choice.measure or not same:
        for encoder in [name for name in ready() if name not in measured]:
            found = compare_encoders(clips, [encoder], progress.bar, compute=choice.measure)
            measured |= {name: frame.loc[list(names)] for name, frame in found.items()}
            if choice.measure:
                progress.show(shown())
    return shown()


def ready() -> list[str]:
    """Return the encoders that can be measured on this machine."""
    encoders = list_encoders()
    return list(encoders.index[encoders["present"]])


def ordered(measures: Mapping[str, pd.DataFrame], sort: str) -> dict[str, pd.DataFrame]:
    """Return the frames of encoders by one measure or by mean rank, the best behaved first and the unknown last."""
    if not measures:
        return {}
    if sort == RANK:
        keys = mean_ranks(measures)
    else:
        sign = -1 if MEASURES[sort].more_is_better else 1
        keys = pd.Series({name: sign * one.loc[sort, "value"] for name, one in measures.items()})
    return {name: measures[name] for name in keys.sort_values(na_position="last").index}


def figure_of(shown: ComparisonShown) -> go.Figure:
    """Return a small plot a measure."""
    return figures.encoder_comparison(shown.measures, shown.titles)


def texts(shown: ComparisonShown) -> Mapping[str, str]:
    """Return the table, and what its columns are."""
    measures = shown.measures
    if not measures:
        return {"table": note(NOTHING_YET)}
    ranks = mean_ranks(measures)
    rows = [(name, f"{ranks[name]:.1f}", *map(_cell, frame.itertuples())) for name, frame in measures.items()]
    head = ("encoder", RANK, *(MEASURES[name].heading for name in shown.names))
    saved = table_downloads(pd.concat(measures, axis=1).T, "compare_encoders")
    return {"table": f'<div style="font-size: 0.8em">{table(head, rows)}</div>{note(_caption(shown))}{saved}'}


def _caption(shown: ComparisonShown) -> str:
    first = next(iter(shown.measured.values()))
    paths, clips = (first.loc[next(iter(measures_of(kind))), "n"] for kind in ("paths", "renders"))
    words = READ.format(
        measures=measure_words(), paths=paths, clips=clips, effects=len(EFFECTS) - 1, pairs=ALGEBRA_PAIRS
    )
    return words + (f" Not measured on these clips yet: {', '.join(shown.left)}." if shown.left else "")


def _cell(row: Any) -> str:
    return "--" if np.isnan(row.value) else f"{row.value:z.2f} ({row.low:z.2f} to {row.high:z.2f})"


def encoders_of(choice: ComparisonChoice) -> Sequence[str]:
    """Return every encoder whose shipped points may be shown."""
    return ready()


def code_of(shown: ComparisonShown) -> str:
    """Return the lines that draw this in a notebook."""
    return (
        f"measures = lfx.prepared.compare_encoders(clips, {list(shown.measures)!r})\n"
        "titles = {name: measure.title for name, measure in lfx.comparison.MEASURES.items()}\n"
        "lfx.plots.encoder_comparison(measures, titles)"
    )
