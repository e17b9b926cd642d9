"""How near latent algebra comes on held-out recordings, as page 07 draws and tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.analysis.algebra_study import MEASURES, REAL, few_shot_scores, method_scores, score_table
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.algebra_choice import AlgebraChoice
from latentfx_nb.pages.markup import note, table, table_downloads

TITLE = "<h3>How near algebra comes, on recordings it never learned from</h3>"

SCORED = "{n} held-out clips, taught by {k} pairs; in brackets the 95 % interval over recordings."

HOW_SCORED = (
    "Each held-out clip, of a recording each, was changed by what pairs of other recordings teach. A score is the "
    "share of the distance between doing nothing and the effect itself that is gone: 100 % all of it, 0 % none, below "
    '0 farther away than before. The number after "of" is what the effect\'s own latents get: more is not to be had '
    "from this decoder. It is better than doing nothing where the whole interval is above 0."
)

NOTHING = pd.DataFrame({"score": [np.nan], "low": [np.nan], "high": [np.nan]}, index=["-"])
"""What is drawn where nothing is scored."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Bars (the chosen method, and what the real latents get), few-shot curves, what stands over them, and the text."""

    bars: Mapping[str, pd.DataFrame]
    curves: Mapping[str, pd.DataFrame]
    titles: tuple[str, str]
    text: str


def scored(scores: xr.Dataset | None, choice: AlgebraChoice) -> Scored:
    """Return what the choice shows of `algebra_study.algebra_scores`; None if there are none yet."""
    if scores is None:
        bars = {METHODS[choice.method]: NOTHING, REAL: NOTHING}
        return Scored(bars, dict.fromkeys(METHODS.values(), NOTHING), ("Not scored yet",) * 2, _text(None, choice))
    measure = _held(scores, choice.measure)
    words = MEASURES[measure][1]
    titles = f"{words[0].upper()}{words[1:]}", f"Few-shot: {EFFECTS[choice.effect].name.lower()}"
    curves = few_shot_scores(scores, measure, choice.effect)
    return Scored(_bars(scores, measure, choice), curves, titles, _text(scores, choice))


def _held(scores: xr.Dataset, measure: str) -> str:
    """Return the measure that is chosen, or, if these scores do not hold it, the latents' own."""
    return measure if MEASURES[measure][0] in scores else "latents"


def _bars(scores: xr.Dataset, measure: str, choice: AlgebraChoice) -> Mapping[str, pd.DataFrame]:
    if choice.pairs not in scores["k"].values:
        return {METHODS[choice.method]: NOTHING, REAL: NOTHING}
    return method_scores(scores, measure, choice.method, choice.pairs)


def _text(scores: xr.Dataset | None, choice: AlgebraChoice) -> str:
    if scores is None or choice.pairs not in scores["k"].values:
        return TITLE + note("Not scored on these clips with so many pairs: press the button.")
    chosen = scores.sel(approach=[choice.method], k=[choice.pairs])
    tables = {name: score_table(chosen, name) for name, (stored, _) in MEASURES.items() if stored in scores}
    against = "by STFT distance" if "stft" in tables else "by time averages"
    head = ["effect", *(f"{MEASURES[name][1]} (%)" for name in tables), f"better than nothing, {against}"]
    rows = [_row(label, tables, choice) for label in scores["effect"].values]
    text = SCORED.format(n=scores.sizes["clip"], k=choice.pairs)
    return TITLE + table(head, rows) + note(text) + table_downloads(pd.concat(tables, axis=1), "latent_algebra")


def _row(label: str, tables: Mapping[str, pd.DataFrame], choice: AlgebraChoice) -> list[str]:
    """Return an effect's cells: its score by each measure, and whether that is better than nothing."""
    own, real = (label, choice.method, choice.pairs), (label, "real", 0)
    cells = [label]
    for scores in tables.values():
        score, low, high = (f"{100 * scores.loc[own, column]:.0f}" for column in ("score", "low", "high"))
        cells.append(f"{score} ({low} to {high}) of {100 * scores.loc[real, 'score']:.0f}")
    deciding = tables["stft" if "stft" in tables else "averages"]
    return [*cells, "yes" if deciding.loc[own, "low"] > 0 else "no"]
