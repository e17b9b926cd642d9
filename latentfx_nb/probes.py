"""Linear probes: what a linear model reads off latents it was not trained on, recordings kept apart (section 3.2).

A probe here is logistic regression, fitted to convergence on standardised features with an L2 penalty that is chosen
on recordings held back from training, as the paper chooses when to stop. The paper's is one linear layer trained by
AdamW on one split: compare directions with it, not decimals.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

FOLDS = 5
"""Folds of a probe. Ours: the paper splits once."""

DRAWS = 2000
"""Bootstrap draws of an interval. Ours: its ends then move by less than their second digit from seed to seed."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse L2 penalties that a probe may have. Ours: so wide that flattened latents and time averages each find one."""

MAX_STEPS = 5000  # of L-BFGS

BLOCK_COLUMNS = 4096  # of wide features at a time: 640 float32 rows of it are 10 MB

RANK = 1e-7  # of the largest eigenvalue: below it a Gram matrix of float32 features holds rounding


def probe_hits(
    features: ArrayLike, labels: ArrayLike, recordings: ArrayLike, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.bool_]:
    """Return for each row `[row]` whether a probe that never heard its recording names its label (section 3.2).

    `features` is `[row feature]`, held in memory as float32 and standardised on the training rows of each fold. The
    penalty of each fold's probe is the one of `STRENGTHS` that does best on a quarter of its training recordings.

    Raises ValueError if rows, labels and recordings differ in number, if there are fewer recordings than folds, or if
    a label occurs in a single recording.
    """
    x, y, groups = np.asarray(features, np.float32), np.asarray(labels), np.asarray(recordings)
    hits = np.zeros(len(y), bool)
    for train, test in grouped_folds(y, groups, folds, seed):
        reduced = _reduced(x, train)
        probe = LogisticRegression(C=_best_strength(reduced, y, groups, train, seed), max_iter=MAX_STEPS)
        probe.fit(reduced[train], y[train])
        hits[test] = probe.predict(reduced[test]) == y[test]
    return hits


def grouped_folds(
    labels: ArrayLike, recordings: ArrayLike, folds: int = FOLDS, seed: int = 0
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the rows `(train, test)` of each fold: every row is tested once, no recording is on both sides.

    Labels are spread evenly. Raises ValueError as `probe_hits` does.
    """
    labels, recordings = np.asarray(labels), np.asarray(recordings)
    if len(labels) != len(recordings):
        raise ValueError(f"{len(labels)} labels and {len(recordings)} recordings: pass one of each for every row")
    found = len(np.unique(recordings))
    if found < folds:
        raise ValueError(f"{folds} folds need as many recordings, not {found}: pass more clips, or fewer folds")
    for label in np.unique(labels):
        if len(np.unique(recordings[labels == label])) < 2:
            raise ValueError(
                f"{str(label)!r} is heard in one recording only, so it cannot be both learnt and tested: "
                "pass clips of more recordings"
            )
    return StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(recordings, labels, recordings)


def _best_strength(x: NDArray, labels: NDArray, recordings: NDArray, train: NDArray[np.intp], seed: int) -> float:
    """Return the inverse penalty that names most labels of recordings held back from `train`; of equals, the least."""
    parts = min(4, len(np.unique(recordings[train])))
    if parts < 2:
        return 1.0
    split = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    fit, check = next(split.split(train, labels[train], recordings[train]))
    fit, check = train[fit], train[check]
    if set(labels[fit]) != set(labels[train]):
        return 1.0  # too few recordings to hold one back
    probe = LogisticRegression(max_iter=MAX_STEPS, warm_start=True)
    scores = [probe.set_params(C=c).fit(x[fit], labels[fit]).score(x[check], labels[check]) for c in STRENGTHS]
    return STRENGTHS[int(np.argmax(scores))]


def _reduced(x: NDArray[np.float32], train: NDArray[np.intp]) -> NDArray[np.floating]:
    """Return all rows standardised on `train`, and rotated into its span where features are more than its rows.

    A penalty on the weights' length does not see a rotation, and weights across the span of the training rows would
    only lengthen: the probe is the same, and 131 072 features cost as much as 500.
    """
    if x.shape[1] <= len(train):
        return StandardScaler().fit(x[train]).transform(x)
    products = np.zeros((len(x), len(train)))
    for start in range(0, x.shape[1], BLOCK_COLUMNS):
        block = x[:, start : start + BLOCK_COLUMNS]
        block = StandardScaler().fit(block[train]).transform(block)
        products += block @ block[train].T
    values, vectors = np.linalg.eigh(products[train])
    if values[-1] <= 0:
        return np.zeros((len(x), 1))  # features that are all constant leave a probe to guess
    kept = values > values[-1] * RANK
    return products @ (vectors[:, kept] / np.sqrt(values[kept]))


def accuracy_interval(
    hits: ArrayLike, recordings: ArrayLike, other: ArrayLike | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `hits [row]`, or of `hits - other`, with the ends of its 95 % interval.

    The interval is a percentile bootstrap over recordings, which are drawn whole, as their rows are alike. Any measure
    of a row will do for hits. Raises ValueError if the rows differ in number, or are none.
    """
    values = np.asarray(hits, np.float64)
    recordings = np.asarray(recordings)
    if other is not None:
        if np.shape(other) != values.shape:
            raise ValueError(f"a paired difference needs rows of one shape, not {values.shape} and {np.shape(other)}")
        values = values - np.asarray(other, np.float64)
    if values.shape != recordings.shape or not values.size:
        raise ValueError(f"hits of shape {values.shape} need one recording each, not {recordings.shape}: pass [row]")
    codes = np.unique(recordings, return_inverse=True)[1]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), draws)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def masking_losses(means: xr.DataArray, folds: int = FOLDS, seed: int = 0) -> xr.DataArray:
    """Return the percentage points `(effect, dim)` that a clean-against-effect probe loses with one dim masked.

    `means` are time averages `(clip, effect, dim)` with the coordinate `recording` and the effect CLN; every other
    effect has a probe of its own (section 3.3 and its heat map). Ours differs from the paper's: converged logistic
    regression for 100 epochs of AdamW, folds by recording for one split, and the loss is counted from the unmasked
    probe and not from the best model of that effect, so it may be negative. One clip decides 100 / clips points.

    Raises ValueError without CLN, and as `probe_hits` does.
    """
    return masking_losses_by_clip(means, folds, seed).mean("clip")


def masking_losses_by_clip(means: xr.DataArray, folds: int = FOLDS, seed: int = 0) -> xr.DataArray:
    """Return what `masking_losses` averages: the percentage points `(effect, dim, clip)` each clip's two renders lose.

    Their mean over clips can be given an interval by `accuracy_interval`. Raises as `masking_losses` does.
    """
    effects = [str(label) for label in means["effect"].values]
    if "CLN" not in effects:
        raise ValueError(f"masking compares effects with clean clips, and CLN is not among {effects}: encode it too")
    x = means.transpose("clip", "effect", "dim")
    pairs = x.sel(effect="CLN").values, x.drop_sel(effect="CLN").transpose("effect", "clip", "dim")
    hits = np.stack([_masked_hits(pairs[0], wet, x["recording"].values, folds, seed) for wet in pairs[1].values])
    coords = {name: c for name, c in pairs[1].coords.items() if set(c.dims) <= {"effect", "clip", "dim"}}
    lost = 100.0 * (hits[:, :1] - hits[:, 1:])
    return xr.DataArray(lost, coords, ("effect", "dim", "clip"), attrs={"units": "percentage points"})


def _masked_hits(clean: NDArray, wet: NDArray, recordings: NDArray, folds: int, seed: int) -> NDArray[np.float64]:
    """Return each clip's share of right answers `[mask clip]`; the first mask hides nothing, mask 1 + d hides dim d."""
    x, y = np.concatenate([clean, wet]), np.repeat([0, 1], len(clean))
    n_dims = x.shape[1]
    masks = np.concatenate([np.ones((1, n_dims)), 1 - np.eye(n_dims)])  # a dim of zeros is a dim left out
    hits = np.zeros((len(masks), len(y)))
    for train, test in grouped_folds(y, np.tile(recordings, 2), folds, seed):
        scaled = StandardScaler().fit(x[train]).transform(x).astype(np.float64)
        # 3000 small fits: Newton steps need a tenth of the time of L-BFGS, and each mask starts from the last answer.
        probe = LogisticRegression(solver="newton-cholesky", warm_start=True)
        for row, mask in enumerate(masks):
            probe.fit(scaled[train] * mask, y[train])
            hits[row, test] = probe.predict(scaled[test] * mask) == y[test]
    return hits.reshape(len(masks), 2, -1).mean(axis=1)
