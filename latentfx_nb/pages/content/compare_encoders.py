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
from latentfx_nb.analysis.prepared import compare_encoders, path_clips
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import is_known, list_encoders, noise_floor
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.markup import note, table, table_downloads
from latentfx_nb.paper import KNOB_RANGES, KNOB_VALUES
from latentfx_nb.sound.clips import ClipSet

RANK = "mean rank"

RANK_SAYS = "place in each column that all encoders here have, 1 the best, averaged; it does not say how far apart"

REVERSED = "-"
"""Stands before a measure by which the encoders are sorted the other way round, the worst first."""

READ = (
    "In brackets the 95 % interval over recordings; what the columns are stands under Words. Paths run along the four "
    "knobs of Table 2, n = {paths} clips; displacements are by {effects} effects, n = {clips} clips; latent algebra is "
    "learned from {pairs} pairs and tried on held-out recordings."
)

NOTHING_YET = "No encoder is measured on these clips yet: press “Measure the others”."


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
    """Return the frames of encoders by one measure or by mean rank, the best behaved first and the unknown last.

    With "-" before the name of the measure the best comes last, and the unknown after it.
    """
    if not measures:
        return {}
    name, reversed_ = sort.removeprefix(REVERSED), sort.startswith(REVERSED)
    values = pd.Series({encoder: frame.loc[name, "value"] for encoder, frame in with_rank(measures).items()})
    ascending = (_better(name) == "less") != reversed_
    return {one: measures[one] for one in values.sort_values(ascending=ascending, kind="stable").index}


def with_rank(measures: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the frames with the mean rank as their first row, which has no interval."""
    ranks = mean_ranks(measures) if measures else {}
    rows = {name: pd.DataFrame({"value": [ranks[name]]}, [RANK], dtype=float) for name in measures}
    return {name: pd.concat([rows[name], frame]) for name, frame in measures.items()}


def _better(name: str) -> str:
    return "less" if name == RANK else MEASURES[name].better


def figure_of(shown: ComparisonShown) -> go.Figure:
    """Return the encoders by the measure that they are sorted by."""
    name = shown.choice.sort.removeprefix(REVERSED)
    title = f"mean rank over {len(shown.names)} measures" if name == RANK else MEASURES[name].title
    return figures.encoder_ranking(with_rank(shown.measures), name, title)


# ------------------------------------------------------------------------------------------------------------ the table


def columns() -> list[dict[str, str]]:
    """Return what can be sorted by, as `SortedTable` takes it: the mean rank and every measure."""
    found = [{"name": RANK, "heading": RANK, "says": RANK_SAYS, "better": "less"}]
    for name, one in all_measures().items():
        says = f"{one.title}: {one.says} ({one.better} is better)"
        found.append({"name": name, "heading": one.heading, "says": says, "better": one.better})
    return found


def rows(shown: ComparisonShown) -> list[Mapping[str, Any]]:
    """Return an encoder a row, as `SortedTable` takes it: numbers, bars from zero, the best, intervals."""
    frames = with_rank(shown.measured)
    values = pd.DataFrame({name: frame["value"] for name, frame in frames.items()})
    if values.empty:
        return []
    low, high = values.min(axis=1).clip(upper=0), values.max(axis=1).clip(lower=0)
    shares = values.sub(low, axis=0).div((high - low).replace(0, 1), axis=0).fillna(0)
    best = {
        name: values.loc[name].min() if _better(name) == "less" else values.loc[name].max() for name in values.index
    }
    return [
        {
            "name": encoder,
            "values": {name: None if np.isnan(value) else float(value) for name, value in values[encoder].items()},
            "cells": [
                _cell(encoder, row, float(shares.at[row.Index, encoder]), bool(row.value == best[row.Index]))
                for row in frame.itertuples()
            ],
        }
        for encoder, frame in frames.items()
    ]


def _cell(encoder: str, row: Any, share: float, best: bool) -> dict[str, Any]:
    if np.isnan(row.value):
        return {"text": "–", "share": 0.0, "best": False, "says": f"{encoder}: not measured"}
    if row.Index == RANK:
        return {"text": f"{row.value:.1f}", "share": share, "best": best, "says": f"{encoder}: {RANK_SAYS}"}
    says = f"{encoder}, {MEASURES[row.Index].heading}: {_with_interval(row)}, n = {row.n:.0f}"
    return {"text": f"{row.value:z.2f}", "share": share, "best": best, "says": f"{says}; the best" if best else says}


def _with_interval(row: Any) -> str:
    return "–" if np.isnan(row.value) else f"{row.value:z.2f} ({row.low:z.2f} to {row.high:z.2f})"


# -------------------------------------------------------------------------------------------------------- the drawer


def texts(shown: ComparisonShown) -> Mapping[str, str]:
    """Return the numbers with their intervals, a measure a row, and what is still to be measured."""
    measures = shown.measures
    written = {"left": note(measuring(shown)) if shown.left else "", "numbers": ""}
    if measures:
        lines = [
            (MEASURES[name].heading, *(_with_interval(one.loc[name]) for one in measures.values()))
            for name in shown.names
        ]
        saved = table_downloads(pd.concat(measures, axis=1).T, "compare_encoders")
        written["numbers"] = table(("measure", *measures), lines) + note(_caption(shown)) + saved
    return written


def _caption(shown: ComparisonShown) -> str:
    first = next(iter(shown.measured.values()))
    paths, clips = (first.loc[next(iter(measures_of(kind))), "n"] for kind in ("paths", "renders"))
    said = READ.format(paths=paths, clips=clips, effects=len(EFFECTS) - 1, pairs=ALGEBRA_PAIRS)
    floors = [floor for floor in map(noise_floor, filter(is_known, shown.measured)) if floor]
    return " ".join([said, *floors])


def measuring(shown: ComparisonShown) -> str:
    """Return which encoders are left, and how many sounds measuring takes: they are rendered, and encoded by each."""
    sounds = len(shown.clips) * len(EFFECTS) + len(path_clips(shown.clips)) * KNOB_VALUES * len(KNOB_RANGES)
    work = f"Each listens to {sounds} sounds; how long that takes is said once the first are heard."
    return f"Not measured yet: {', '.join(shown.left)}. {work} What is finished is kept."


def encoders_of(choice: ComparisonChoice) -> Sequence[str]:
    """Return every encoder whose shipped points may be shown."""
    return ready()


def code_of(shown: ComparisonShown) -> str:
    """Return the lines that draw this in a notebook."""
    name = shown.choice.sort.removeprefix(REVERSED)
    measures = f"measures = lfx.prepared.compare_encoders(clips, {list(shown.measures)!r})\n"
    if name == RANK:
        return f"{measures}lfx.comparison.mean_ranks(measures)"
    return f"{measures}lfx.plots.encoder_ranking(measures, {name!r}, {MEASURES[name].title!r})"
