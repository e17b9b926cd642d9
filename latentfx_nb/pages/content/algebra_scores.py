"""How near latent algebra comes on held-out recordings, as page 07 draws and tells it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.analysis.algebra_baselines import LEARNED
from latentfx_nb.analysis.algebra_tables import (
    COMPARED,
    MEASURES,
    REAL,
    farther_effects,
    few_shot_scores,
    has_baselines,
    lost_words,
    method_scores,
    score_table,
)
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.algebra_choice import AlgebraChoice
from latentfx_nb.pages.markup import note, table, table_downloads

TITLE = "<h3>How near algebra comes, on recordings it never learned from</h3>"

SCORED = "{n} held-out clips, taught by {k} pairs; in brackets the 95 % interval over recordings."

HOW_SCORED = (
    "Each held-out clip, of a recording each, was changed by what pairs of other recordings teach. A score is the "
    "share of the distance between doing nothing, the dry latents decoded, and the effect itself that is gone: 100 % "
    'all of it, 0 % none, below 0 farther away than before. The number after "of" is what the effect\'s own latents '
    "get: more is not to be had from this decoder. It is better than doing nothing where the whole interval is above 0."
)

BESIDE = (
    "Baselines, by STFT distance: the raw dry sound as it is; and a static equaliser, the ratio of the average spectra "
    "(4096 points) of the same pairs, on the raw dry sound and on the decoded one."
)

NOT_A_SUCCESS = (
    "A probe's name is no success where the sound got farther from the effect (marked, and hatched in the figure): "
    "moved latents can lie on the effect's side of the probe while the sound has moved away."
)

NOTHING = pd.DataFrame({"score": [np.nan], "low": [np.nan], "high": [np.nan]}, index=["-"])
"""What is drawn where nothing is scored."""

NO_CURVES = dict.fromkeys((*METHODS.values(), *COMPARED.values()), NOTHING)


@dataclass(frozen=True, eq=False)
class Scored:
    """Bars (the chosen method, what the real latents get, baselines), few-shot curves, what stands over them, the text.

    Each name is always there, with `NOTHING` where it is not scored.
    """

    bars: Mapping[str, pd.DataFrame]
    curves: Mapping[str, pd.DataFrame]
    titles: tuple[str, str]
    text: str


def scored(scores: xr.Dataset | None, choice: AlgebraChoice) -> Scored:
    """Return what the choice shows of `algebra_study.algebra_scores`; None if there are none yet."""
    if scores is None:
        return Scored(_no_bars(choice), NO_CURVES, ("Not scored yet",) * 2, _text(None, choice))
    measure = _held(scores, choice.measure)
    words = MEASURES[measure][1]
    titles = f"{words[0].upper()}{words[1:]}", f"Few-shot: {EFFECTS[choice.effect].name.lower()}"
    curves = NO_CURVES | few_shot_scores(scores, measure, choice.effect)
    return Scored(_bars(scores, measure, choice), curves, titles, _text(scores, choice))


def _held(scores: xr.Dataset, measure: str) -> str:
    """Return the measure that is chosen, or, if these scores do not hold it, the latents' own."""
    return measure if MEASURES[measure][0] in scores else "latents"


def _bars(scores: xr.Dataset, measure: str, choice: AlgebraChoice) -> Mapping[str, pd.DataFrame]:
    if choice.pairs not in scores["k"].values:
        return _no_bars(choice)
    bars = _no_bars(choice) | method_scores(scores, measure, choice.method, choice.pairs)
    if measure == "named" and has_baselines(scores):
        farther, method = farther_effects(scores, choice.method, choice.pairs), METHODS[choice.method]
        bars[method] = bars[method].assign(farther=[effect in farther for effect in bars[method].index])
    return bars


def _no_bars(choice: AlgebraChoice) -> dict[str, pd.DataFrame]:
    return dict.fromkeys((METHODS[choice.method], REAL, *COMPARED.values()), NOTHING)


def _text(scores: xr.Dataset | None, choice: AlgebraChoice) -> str:
    if scores is None or choice.pairs not in scores["k"].values:
        return TITLE + note("Not scored on these clips with so many pairs: press the button.")
    chosen = scores.sel(approach=[choice.method], k=[choice.pairs])
    tables = {name: score_table(chosen, name) for name, (stored, _) in MEASURES.items() if stored in scores}
    against = "by STFT distance" if "stft" in tables else "by time averages"
    beside = COMPARED if has_baselines(scores) else {}
    head = ["effect", *(f"{MEASURES[name][1]} (%)" for name in tables), f"better than nothing, {against}"]
    head += [f"{words} (%)" for words in beside.values()]
    farther = farther_effects(scores, choice.method, choice.pairs) if beside else []
    rows = [_row(label, tables, choice, beside, label in farther) for label in scores["effect"].values]
    text = SCORED.format(n=scores.sizes["clip"], k=choice.pairs)
    lost = lost_words(scores, choice.method, choice.pairs) if beside else ""
    first = f"<div><b>{html.escape(lost)}</b></div>" if lost else ""
    saved = pd.concat(tables, axis=1)
    return TITLE + first + table(head, rows) + note(text) + table_downloads(saved, "latent_algebra")


def _row(
    label: str, tables: Mapping[str, pd.DataFrame], choice: AlgebraChoice, beside: Iterable[str], farther: bool
) -> list[str]:
    """Return an effect's cells: its score by each measure, whether that is better than nothing, and the baselines'."""
    own, real = (label, choice.method, choice.pairs), (label, "real", 0)
    cells = [label]
    for name, scores in tables.items():
        but = ", yet the sound is farther away" if name == "named" and farther else ""
        cells.append(f"{_percent(scores.loc[own])} of {100 * scores.loc[real, 'score']:.0f}{but}")
    deciding = tables["stft" if "stft" in tables else "averages"]
    cells.append("yes" if deciding.loc[own, "low"] > 0 else "no")
    return cells + [_percent(deciding.loc[label, one, choice.pairs if one in LEARNED else 0]) for one in beside]


def _percent(score: pd.Series) -> str:
    """Return a score and its interval: "30 (24 to 35)"."""
    middle, low, high = (f"{100 * score[column]:z.0f}" for column in ("score", "low", "high"))
    return f"{middle} ({low} to {high})"
