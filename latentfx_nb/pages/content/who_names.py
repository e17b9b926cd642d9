"""What page 05 and the guide say of who names the effect: the published table, its claims, and who loses to whom."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.intervals import Estimate
from latentfx_nb.analysis.who_names import (
    CHANCE,
    DRAWN,
    PLACE,
    PROTOCOL,
    SETS,
    SIZES,
    TRAINED_HERE,
    Verdict,
    accuracies,
    classifier_verdicts,
    gains,
    group_of,
    lost,
    published,
)
from latentfx_nb.pages.markup import counted, in_words, note, table, table_downloads
from latentfx_nb.paper import TABLE_3

HEAD = ("time averages of", "what it is", "dims", *SIZES, "single seeds")

SAME = "the same"
"""Stands where features are few enough, and nothing is reduced."""

CLAIM = "A classifier beats the autoencoders"

UNTESTED = "not tested here: its weights were out of reach"

HINTS = {
    "time averages of": "the encoder whose latents, averaged over the clip, are probed (-T)",
    "dims": "numbers that the probe sees of each render",
    "full": "percent of the renders named rightly, with the 95 % interval over songs, by the features as they are",
    "single seeds": "the least and the most of single seeds, and of single draws of random weights",
    **{name: f"the same by features reduced to {one.dims} dims: {words}" for name, one, words in (
        (name, one, "main axes of the training songs" if one.kind == "PCA" else "random directions")
        for name, one in SIZES.items() if one is not None
    )},
}  # fmt: skip
"""What the heads of the table mean."""


def measured() -> dict[str, xr.Dataset]:
    """Return the answers that ship by set, real recordings first."""
    return {name: data for name in SETS if (data := published(name)) is not None}


def rows(data: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of one set, best first, then chance and the paper's own VGGish."""
    found = accuracies(data)
    for name in found.index.unique("name"):
        own = found.loc[name]
        dims = int(own["dim"].iloc[0])
        cells = [SAME if one is not None and dims <= one.dims else shown(own.loc[size]) for size, one in SIZES.items()]
        seeds = f"{100 * own.loc['full', 'least']:.0f} to {100 * own.loc['full', 'most']:.0f}"
        yield name + draws_of(data, name), str(own["kind"].iloc[0]), str(dims), *cells, seeds
    blank = ("",) * (len(SIZES) - 1)
    yield "guessing", "chance", "0", f"{100 * CHANCE:.0f}", *blank, ""
    dims, _, _, average = TABLE_3["VGGish-T"]
    yield "VGGish, in the paper", "classifier", str(dims), f"{average:.1f} on its own clips", *blank, UNTESTED


def shown(row: pd.Series) -> str:
    """Return an accuracy in percent with its interval: "34.4 (29 to 40)"."""
    return f"{100 * row['value']:.1f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def draws_of(data: xr.Dataset, name: str) -> str:
    """Return how many draws stand behind a row of random weights: " (5 draws)"; nothing for other rows."""
    draws = sum(group_of(str(row)) == name for row in data["row"].values)
    return f" ({counted(draws, 'draw')})" if name.endswith(DRAWN) else ""


def claims() -> list[tuple[str, str, str]]:
    """Return the verdicts of the paper's headline: claim, number here, outcome; each set and size by itself."""
    found = []
    for clip_set, data in measured().items():
        for size in map(str, data["size"].values):
            for one in classifier_verdicts(data, size):
                claim = f"{CLAIM}: {one.one} on {SETS[clip_set]}, {size_words(size)} ({PLACE})"
                found.append((claim, f"{points(one.gain)} against {one.other}, its closest rival", one.outcome))
    return [*found, (f"VGGish beats the autoencoders ({PLACE})", UNTESTED, "not tested")]


def size_words(size: str) -> str:
    """Return a size in a sentence: "all dims", "PCA 64"."""
    return "all dims" if size == "full" else f"matched dims ({size})"


def points(difference: Estimate) -> str:
    """Return a difference of shares with its interval, in points: "-6.3 points (-13.7 to -0.5)"."""
    return "{:+.1f} points ({:+.1f} to {:+.1f})".format(*(100 * part for part in difference[:3]))


def lost_words() -> list[str]:
    """Return a sentence for each set and each model of ours that does not surely beat the best of its baselines."""
    return [f"On {SETS[clip_set]}, {_lost(data, one)}" for clip_set, data in measured().items() for one in lost(data)]


def _lost(data: xr.Dataset, one: Verdict) -> str:
    loses = "names fewer effects than" if one.outcome == "refuted" else "does not surely name more effects than"
    said = f"{one.one} {loses} {one.other}, its best baseline: {points(one.gain)}"
    size = f"PCA {int(data['dim'].sel(row=one.one))}"
    matched = (
        f"; at as many dims ({size}) {points(gains(data, size, one.one, [one.other])[0])}" if size in SIZES else ""
    )
    return f"{said}{matched}."


def protocol_words() -> str:
    """Return how the table was made, for a caption."""
    sets = [
        f"{data.sizes['clip']} {SETS[name]} of {len(np.unique(data['song'].values))} songs"
        for name, data in measured().items()
    ]
    rows = {str(row) for data in measured().values() for row in data["row"].values}
    left = ", ".join(sorted(set(TRAINED_HERE) - rows))
    return (
        f"Percent of the renders named rightly by a linear probe of time averages that never heard their song; chance "
        f"{100 * CHANCE:.0f}. {' and '.join(sets)}, never pooled; ten effects; "
        f"{in_words(len(PROTOCOL.seeds))} seeds draw splits and first weights; brackets: 95 % intervals over songs, of "
        "which two stems of one are one. At matched dims, features are reduced inside each split, by PCA of its "
        "training songs or by random directions. The bundled clips come from the generator that the models trained "
        "here heard, and their designs were chosen by them, so believe the real recordings first. Made by "
        "tools/publish.py who-names." + (f" Not measured yet: {left}." if left else "")
    )


@cache
def first_words() -> str:
    """Return who loses to a baseline, HTML: it stands before all other numbers."""
    return "".join(map(note, lost_words()))


@cache
def claims_text() -> str:
    """Return the verdicts of the headline as a table, HTML."""
    return table(("published: claim", "number", "result"), claims())


@cache
def published_numbers() -> str:
    """Return the published table of each set with a caption, HTML."""
    sets = measured()
    if not sets:
        return note("The table of who names the effect does not ship for these effects.")
    parts = ["<h3>Who names the effect: all encoders and baselines</h3>"]
    for name, data in sets.items():
        parts += [f"<h4>{SETS[name].capitalize()}</h4>", table(HEAD, rows(data), HINTS)]
    return "".join([*parts, note(protocol_words()), table_downloads(saved(), "who_names", "both tables")])


def saved() -> pd.DataFrame:
    """Return both tables as one frame, in percent: a row for each set, name and size."""
    frames = {name: accuracies(data) for name, data in measured().items()}
    frame = pd.concat(frames, names=["clips"])
    share = ["value", "low", "high", "least", "most"]
    return frame.assign(**{name: 100 * frame[name] for name in share})
