"""Who names the effect: probes on the time averages of every encoder and baseline, on equal terms (Table 3).

Real recordings and bundled clips stand apart and are never pooled. All rows have the same splits: five seeds, by song.
`tools/publish.py who-names` measures, and the answers ship, not the sounds: how many of the seeds' probes named each
render. What is said of them here is computed from these answers: accuracies, differences of two rows on the same
renders, and whether a classifier beats the autoencoders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.intervals import Estimate, estimates
from latentfx_nb.analysis.matched import Reduction
from latentfx_nb.analysis.shipped import Piece, read
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.effects import TABLE_1, Setting, recipe

SETS = {"real": "real recordings", "bundled": "bundled clips"}
"""Sets of clips that are measured, each by itself: what they are called in a sentence."""

SIZES: Mapping[str, Reduction | None] = {
    "full": None,
    **{str(one): one for dims in (64, 32) for one in (Reduction("PCA", dims), Reduction("random", dims))},
}
"""Features as they are, and reduced to 64 and 32 numbers by PCA of the training songs or by a random projection."""

PROTOCOL = ProbeConfig(seeds=(0, 1, 2, 3, 4))
"""How every row is measured: five seeds draw splits, first weights and batches."""

CLASSIFIERS = ("efficientat-mn04", "yamnet", "vggish", "vggish-paper")
STATISTICS = ("logmel", "logmel-stats", "texture-stats")
TRAINED_HERE = ("diffae-mini", "stacked-mini-2", "stacked-mini-1", "stacked-mini-1-encoder")

CHANCE = 1 / len(TABLE_1)

DRAWN = ", random weights"
"""What follows a model's name in the name of its rows of random weights, before their seed."""

PLACE = "section 3.2, Table 3"


class Verdict(NamedTuple):
    """What is said of one encoder against others: the closest of them, the paired difference, and the outcome."""

    one: str
    other: str
    gain: Estimate
    outcome: str  # "holds", "refuted" or "undecided"


def published(clip_set: str) -> xr.Dataset | None:
    """Return the answers that ship for one of `SETS`; None if none ship for these effects and this protocol.

    `right (row, size, clip, effect)` counts the seeds whose probe named a render, `accuracy (row, size, seed)` is the
    share of renders. A row has its `kind`, its number of features `dim` and its `weights_hash`, a clip its `song`.
    """
    data = read(piece(clip_set))
    return None if data is None else data.rename(clip_hash="clip")


def piece(clip_set: str) -> Piece:
    """Return the file that ships for one of `SETS`."""
    made = {
        "measure": "who names the effect",
        "of": recipe([Setting(effect) for effect in TABLE_1]),
        "protocol": str(PROTOCOL),
        "sizes": list(SIZES),
    }
    return Piece(f"who-names/{clip_set}", made, tuple(TABLE_1))


def kind_of(row: str, decodes: bool) -> str:
    """Return what a row is: statistics, a classifier, an autoencoder, random weights or another encoder."""
    if DRAWN in row:
        return "random weights"
    if row in STATISTICS:
        return "statistics"
    if row in CLASSIFIERS:
        return "classifier"
    return "autoencoder" if decodes else "encoder"


def shares(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return name -> share of the seeds (and draws of weights) that named each render, `(size, clip, effect)`.

    Draws of random weights are one entry.
    """
    found: dict[str, list[xr.DataArray]] = {}
    for number, name in enumerate(data["row"].values):
        answers = data["right"].isel(row=number, drop=True) / data.sizes["seed"]
        found.setdefault(group_of(str(name)), []).append(answers)
    return {name: sum(draws[1:], draws[0]) / len(draws) for name, draws in found.items()}


def group_of(row: str) -> str:
    """Return a row's name without the seed of its random weights."""
    return row.partition(DRAWN)[0] + DRAWN if DRAWN in row else row


def accuracies(data: xr.Dataset) -> pd.DataFrame:
    """Return the accuracy of each name and size, best first at full size; the index is (name, size).

    The columns are value, low, high (its 95 % interval over songs) and n, with `least` and `most` of single seeds (and
    draws of weights), `dim` and `kind`.
    """
    answered = sorted(shares(data).items(), key=lambda item: -float(item[1].sel(size="full").mean()))
    keys = [(name, str(size)) for name, _ in answered for size in data["size"].values]
    found = _estimates([share.sel(size=size) for _, share in answered for size in data["size"].values], data)
    groups = np.array([group_of(str(name)) for name in data["row"].values])
    rows = []
    for (name, size), one in zip(keys, found, strict=True):
        own = data.isel(row=groups == name)
        seeds = own["accuracy"].sel(size=size).values
        rows.append((*one, seeds.min(), seeds.max(), int(own["dim"].values[0]), str(own["kind"].values[0])))
    columns = [*Estimate._fields, "least", "most", "dim", "kind"]
    return pd.DataFrame(rows, pd.MultiIndex.from_tuples(keys, names=["name", "size"]), columns)


def gains(data: xr.Dataset, size: str, one: str, others: Sequence[str]) -> list[Estimate]:
    """Return by how much `one` names more of the same renders than each of `others`, with 95 % intervals over songs."""
    found = shares(data)
    return _estimates([(found[one] - found[other]).sel(size=size) for other in others], data)


def _estimates(values: Sequence[xr.DataArray], data: xr.Dataset) -> list[Estimate]:
    """Return the mean of each of `values (clip, effect)` with its interval over songs; n counts clips."""
    return estimates(np.stack([one.mean("effect").values for one in values], axis=1), data["song"].values)


def names_of(data: xr.Dataset, kind: str) -> list[str]:
    """Return the names of one kind, in the order of the rows."""
    return list(dict.fromkeys(group_of(str(name)) for name in data["row"].values[data["kind"].values == kind]))


def verdict(data: xr.Dataset, size: str, one: str, others: Sequence[str]) -> Verdict:
    """Return whether `one` names more than every one of `others`: the number is that against its closest rival.

    It holds if the whole interval against each rival is above zero, and is refuted if against some it is below. The
    closest rival is the one whose interval reaches lowest. Raises ValueError without rivals.
    """
    if not others:
        raise ValueError(f"{one} is compared with nothing: pass the names of its rivals")
    found = dict(zip(others, gains(data, size, one, others), strict=True))
    rival = min(found, key=lambda other: found[other].low)
    refuted = min(gain.high for gain in found.values()) < 0
    outcome = "holds" if found[rival].low > 0 else "refuted" if refuted else "undecided"
    return Verdict(one, rival, found[rival], outcome)


def classifier_verdicts(data: xr.Dataset, size: str) -> list[Verdict]:
    """Return, for each classifier that was measured, whether it beats the autoencoders: the paper's headline."""
    autoencoders = names_of(data, "autoencoder")
    return [verdict(data, size, one, autoencoders) for one in names_of(data, "classifier")]


def lost(data: xr.Dataset, size: str = "full") -> Iterator[Verdict]:
    """Yield, for each model that was trained here, the baseline that names most, unless the model surely beats it.

    Baselines are statistics and the model's own random weights. The outcome is "refuted" where the model surely loses.
    """
    found = shares(data)
    for model in (name for name in TRAINED_HERE if name in found):
        baselines = [*names_of(data, "statistics"), *(name for name in found if name == model + DRAWN)]
        best = max(baselines, key=lambda name: float(found[name].sel(size=size).mean()), default=None)
        if best is not None and (against := verdict(data, size, model, [best])).outcome != "holds":
            yield against
