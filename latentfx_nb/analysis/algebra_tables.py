"""Scores of latent algebra as tables: each method and each baseline with its interval, and where a method loses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.analysis.algebra_baselines import BASELINES, LEARNED, NOTHING
from latentfx_nb.analysis.intervals import accuracy_interval, interval_table, ratio_interval, removed_interval
from latentfx_nb.effects import EFFECTS

REAL = "the effect's own latents"
"""Words for what encoder and decoder allow at best."""

MEASURES = {
    "latents": ("missed", "share of the latents' displacement"),
    "averages": ("missed_mean", "share of the displacement of time averages"),
    "stft": ("stft", "multi-resolution STFT distance removed"),
    "logmel": ("logmel", "log-mel distance removed"),
    "named": ("named", "the probe names the effect"),
}
"""What a score may be of: the variable of `algebra_scores` and its words."""

COMPARED = {name: words for name, words in BASELINES.items() if name != NOTHING}
"""Baselines that are drawn, and their words: the decoded dry sound is the zero of the scores."""


def score_table(scores: xr.Dataset, measure: str) -> pd.DataFrame:
    """Return the scores of `algebra_scores` by one of the `MEASURES`, with the ends of their 95 % intervals.

    The rows are effect, approach and k. Besides the methods there are "real", the effect's own latents: what the
    encoder and its decoder allow; and, for sounds, the `BASELINES`. What learns from no pairs has k = 0. For distances
    a score is the share that is gone, summed over held-out clips: 1 all, 0 none, as if nothing had been done, below 0
    worse than nothing. For "named" it is the share of the clips. The columns are score, low, high and n, the number of
    clips.

    Raises ValueError for a measure that these scores do not hold, such as sounds without a decoder.
    """
    name = _stored(scores, measure)
    found = {key: _score(scores, name, key[0], values) for key, values in _measured(scores, name)}
    table = interval_table(found, ["effect", "approach", "k"], ["score", "low", "high"])
    return table.assign(n=scores.sizes["clip"])


def has_baselines(scores: xr.Dataset, measure: str = "stft") -> bool:
    """Say whether the `BASELINES` were scored by a measure."""
    return f"{measure}_raw" in scores


def _stored(scores: xr.Dataset, measure: str) -> str:
    """Return the variable that holds a measure."""
    name = MEASURES[measure][0] if measure in MEASURES else measure
    if name not in scores:
        held = [known for known, (stored, _) in MEASURES.items() if stored in scores]
        raise ValueError(f"these scores hold no measure {measure!r}, only {', '.join(held)}")
    return name


def _measured(scores: xr.Dataset, name: str) -> Iterator[tuple[tuple[str, str, int], NDArray[np.floating]]]:
    """Yield (effect, approach, k) of each row of a table, and what was measured there, `[clip]`."""
    moved = scores[name].transpose("effect", "approach", "k", "clip").stack(row=("effect", "approach", "k"))
    yield from ((tuple(key), moved.sel(row=key).values) for key in moved["row"].values)
    for effect in scores["effect"].values:
        of = scores.sel(effect=effect)
        yield (effect, "real", 0), of[f"{name}_real"].values
        if has_baselines(scores, name):
            yield (effect, "raw", 0), of[f"{name}_raw"].values
            yield (effect, NOTHING, 0), of[f"{name}_{NOTHING}"].values
            for k in scores["k"].values:
                yield from (((effect, one, k), of[f"{name}_{one}"].sel(k=k).values) for one in LEARNED)


def _score(scores: xr.Dataset, name: str, effect: str, values: NDArray[np.floating]) -> tuple[float, float, float]:
    recordings = scores["recording"].values
    if name == "named":
        return accuracy_interval(values, recordings)
    return removed_interval(values, scores[f"{name}_nothing"].sel(effect=effect).values, recordings)


def method_scores(scores: xr.Dataset, measure: str, approach: str, k: int) -> dict[str, pd.DataFrame]:
    """Return what one method makes of `k` pairs, what the effects' own latents get, and the baselines, if scored.

    These are frames with a row an effect, by their words. The columns are those of `score_table`, and raises as it
    does.
    """
    table = score_table(scores.sel(approach=[approach], k=[k]), measure).reset_index(["approach", "k"])
    words = {approach: METHODS[approach], "real": REAL, **COMPARED}
    return {said: table[table["approach"] == name] for name, said in words.items() if name in set(table["approach"])}


def few_shot_scores(scores: xr.Dataset, measure: str, effect: str) -> dict[str, pd.DataFrame]:
    """Return how each method, and each baseline if scored, learns one effect: frames with a row for each number of
    pairs, as `method_scores`. The raw dry sound learns nothing, and is the same at each.
    """
    table = score_table(scores.sel(effect=[effect]), measure).loc[effect]
    known = {name: said for name, said in {**METHODS, **COMPARED}.items() if name in table.index}
    frames = {said: table.loc[name] for name, said in known.items()}
    return {said: _at_each(frame, scores["k"].values) for said, frame in frames.items()}


def _at_each(frame: pd.DataFrame, shots: NDArray[np.integer]) -> pd.DataFrame:
    """Return a frame with a row for each number of pairs, the same ones if there is only that of none."""
    return frame if list(frame.index) != [0] else frame.iloc[[0] * len(shots)].set_axis(pd.Index(shots, name="k"))


def baseline_leads(scores: xr.Dataset, approach: str, k: int, measure: str = "stft") -> pd.DataFrame:
    """Return by how much more of the distance each baseline removes than a method that learned from `k` pairs.

    The rows are effect and baseline, the columns lead, low and high: the paired difference of two scores, with its 95 %
    interval over recordings. Where low is above 0, the method loses. Raises ValueError for a measure without baselines.
    """
    name = _stored(scores, measure)
    if not has_baselines(scores, name):
        raise ValueError(f"{measure!r} has no baselines here: they are scored by stft and logmel, with a decoder")
    at = dict(_measured(scores.sel(approach=[approach], k=[k]), name))
    found = {}
    for effect in scores["effect"].values:
        ours, whole = at[effect, approach, k], at[effect, NOTHING, 0]
        for one in BASELINES:
            more = ours - at[effect, one, k if one in LEARNED else 0]
            found[effect, one] = ratio_interval(more, whole, scores["recording"].values)
    return interval_table(found, ["effect", "baseline"], ["lead", "low", "high"])


def farther_effects(scores: xr.Dataset, approach: str, k: int, measure: str = "stft") -> list[str]:
    """Return the effects that end farther from the real effect than doing nothing: the whole interval is below 0."""
    leads = baseline_leads(scores, approach, k, measure).xs(NOTHING, level="baseline")
    return list(leads.index[leads["low"] > 0])


def lost_words(scores: xr.Dataset, approach: str, k: int, measure: str = "stft") -> str:
    """Return one sentence on where a method loses to which baseline, by how many percentage points of the distance.

    It counts as lost where the whole interval of `baseline_leads` is above 0; "" if it is lost nowhere.
    """
    leads = baseline_leads(scores, approach, k, measure)
    lost = leads[leads["low"] > 0]["lead"]
    parts = []
    for one, words in {NOTHING: "doing nothing", **COMPARED}.items():
        if one in lost.index.get_level_values("baseline"):
            some = lost.xs(one, level="baseline")
            named = [f"{EFFECTS[effect].name.lower()} ({100 * lead:.0f})" for effect, lead in some.items()]
            article = "" if one == NOTHING else "the "
            parts.append(f"{'than ' + article + words} for {_listed(named)}")
    if not parts:
        return ""
    method = METHODS[approach]
    return (
        f"{method[0].upper()}{method[1:]} from {k} pairs ends farther from the real effect {'; '.join(parts)} "
        f"(percentage points of the {MEASURES[measure][1].removesuffix(' removed')})."
    )


def _listed(words: Iterable[str]) -> str:
    """Return words as one lists them: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
