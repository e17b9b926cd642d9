"""Dimension masking: what a probe of one effect against clean clips loses without some of the dims (section 3.3).

For each effect, a linear layer that does not see some of the latent dims tells clean and wet time averages apart. All
masks of a split are trained on the same batches from the same first weights, so that only the hidden dims differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.fast.rows import Rows
from latentfx_nb.analysis.fast.task import Task, Trained
from latentfx_nb.analysis.intervals import estimate
from latentfx_nb.analysis.training import (
    ProbeConfig,
    Split,
    check_finite,
    means_and_scales,
    recording_splits,
    train_tasks,
)

MASKING = ProbeConfig(max_epochs=100, patience=None)
"""The protocol of section 3.3: 100 epochs, of which the best by validation accuracy is kept."""


def mask_probes(
    means: xr.DataArray,
    hidden: ArrayLike | None = None,
    config: ProbeConfig = MASKING,
    *,
    device: str = "auto",
    bar: Callable[..., Any] = tqdm,
) -> xr.Dataset:
    """Return how well probes tell each effect from clean clips with some dims hidden from them (section 3.3).

    `means` are time averages `(clip, effect, dim)` with the coordinate `recording` and the effect CLN. `hidden [mask
    dim]` says which dims each mask hides; by default one dim each. The result holds `right (effect, mask, clip)`, the
    share of a clip's two renders that are named rightly, over all seeds (NaN: not tested), and `hidden (mask, dim)`.
    Masks are called what they hide, as in "3 and 7"; the first one hides nothing.

    Raises ValueError without CLN or without another effect, for masks that do not fit, and as `train_probes` does.
    """
    pairs = _Pairs(means, config)
    masks = np.eye(pairs.n_dims, dtype=bool) if hidden is None else np.asarray(hidden, bool)
    if masks.ndim != 2 or masks.shape[1] != pairs.n_dims:
        raise ValueError(f"masks of shape {masks.shape} do not fit {pairs.n_dims} dims: pass [mask {pairs.n_dims}]")
    masks = np.concatenate([np.zeros((1, pairs.n_dims), bool), masks])
    trained = pairs.train([masks] * len(pairs.cells), device, bar, "Masking dims")
    found = xr.Dataset({"right": pairs.right([one.predicted for one in trained], "mask")})
    names = [" and ".join(str(means["dim"].values[dim]) for dim in np.flatnonzero(mask)) for mask in masks]
    coordinates = {"mask": names, "dim": means["dim"].values}
    return found.assign(hidden=(("mask", "dim"), masks)).assign_coords(coordinates).assign_attrs(config=str(config))


def pair_masks(n_dims: int) -> NDArray[np.bool_]:
    """Return the masks `[mask dim]` that hide each two of `n_dims` dims: 496 of 32."""
    first, second = np.triu_indices(n_dims, 1)
    masks = np.zeros((len(first), n_dims), bool)
    masks[np.arange(len(first)), first] = masks[np.arange(len(first)), second] = True
    return masks


def points_lost(study: xr.Dataset, against: Literal["best", "unmasked"] = "best") -> xr.DataArray:
    """Return the percentage points that each mask of `mask_probes` costs, `(effect, mask, clip)`, without the first.

    They are lost against the best model of that effect, as the paper counts them, or against the model that sees all
    dims, which may be worse. Against the best, nearly every mask costs something, as the best of many is partly lucky.
    One clip decides 100 / clips points; `loss_interval` gives the mean over clips an interval.
    """
    right = study["right"]
    reference = right.isel(mask=0)
    if against == "best":
        reference = right.isel(mask=right.mean("clip").argmax("mask"))
    elif against != "unmasked":
        raise ValueError(f"points are lost against the 'best' or the 'unmasked' model, not against {against!r}")
    lost = 100.0 * (reference - right).isel(mask=slice(1, None))
    return lost.transpose("effect", "mask", "clip").assign_attrs(units="percentage points", against=against)


def masking_losses(
    means: xr.DataArray,
    config: ProbeConfig = MASKING,
    against: Literal["best", "unmasked"] = "best",
    *,
    device: str = "auto",
    bar: Callable[..., Any] = tqdm,
) -> xr.DataArray:
    """Return the percentage points `(effect, dim, clip)` that hiding each single dim costs: the paper's masking figure.

    Its mean over clips is what the paper draws. It is `points_lost` of `mask_probes`, and raises as they do.
    """
    lost = points_lost(mask_probes(means, None, config, device=device, bar=bar), against)
    return lost.rename(mask="dim").assign_coords(dim=means["dim"].values)


def loss_table(lost: xr.DataArray) -> dict[str, pd.DataFrame]:
    """Return for each effect what a mask costs on average and what the worst one does, of `lost (effect, mask, clip)`.

    The frames have a row an effect and the columns points, low and high (the 95 % interval over recordings). The column
    text names the worst mask. The worst of many masks is partly the worst by chance.
    """
    masks = str(lost.dims[1])
    worst = lost.mean("clip").argmax(masks)
    names = [f"without {lost[masks].values[number]}" for number in worst.values]
    return {
        "mean of all masks": loss_interval(lost.mean(masks)),
        "worst mask": loss_interval(lost.isel({masks: worst})).assign(text=names),
    }


def loss_interval(lost: xr.DataArray) -> pd.DataFrame:
    """Return the mean over clips of `lost (effect, clip)`, a row an effect, with the 95 % interval over recordings."""
    rows = {str(one["effect"].values): estimate(one.values, one["recording"].values)[:3] for one in lost}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["points", "low", "high"])


def greedy_masking(
    means: xr.DataArray,
    k: int = 8,
    config: ProbeConfig = MASKING,
    *,
    device: str = "auto",
    bar: Callable[..., Any] = tqdm,
) -> xr.Dataset:
    """Return how well probes tell each effect from clean clips as its `k` most telling dims are hidden one by one.

    The next dim to hide is the one without which the loss on validation recordings grows most (ours, not the paper's).
    The result holds `right (order, effect, hidden, clip)` for the orders "greedy" and "random" and 0 to `k` hidden
    dims, on recordings that had no part in the choice, and `chosen (effect, dim)`, the share of the probes of all seeds
    and folds that have hidden a dim by the end: dims that all of them hide carry the effect.

    Raises ValueError if `k` is not from 1 to one less than the dims, and as `mask_probes` does.
    """
    pairs = _Pairs(means, config)
    if not 1 <= k < pairs.n_dims:
        raise ValueError(f"k={k} of {pairs.n_dims} dims cannot be hidden: pass 1 to {pairs.n_dims - 1}")
    n_cells, n_dims = len(pairs.cells), pairs.n_dims
    gone = np.zeros((n_cells, n_dims), bool)
    named = [[one.predicted[0]] for one in pairs.train(list(gone[:, None]), device, bar, "Hiding no dim")]
    for step in range(1, k + 1):
        tries = [np.flatnonzero(~line) for line in gone]
        masks = [line | (np.arange(n_dims) == dims[:, None]) for line, dims in zip(gone, tries, strict=True)]
        for number, one in enumerate(pairs.train(masks, device, bar, f"Hiding dim {step} of {k}")):
            worst = int(one.loss.argmax())
            gone[number, tries[number][worst]] = True
            named[number].append(one.predicted[worst])
    greedy = pairs.right([np.stack(lines) for lines in named], "hidden")
    ranks = [np.random.default_rng([number, 2]).permutation(n_dims) for number in range(n_cells)]
    masks = [rank < np.arange(k + 1)[:, None] for rank in ranks]
    trained = pairs.train(masks, device, bar, "Hiding random dims")
    random = pairs.right([one.predicted for one in trained], "hidden")
    chosen = gone.reshape(len(pairs.effects), -1, n_dims).mean(axis=1)
    return xr.Dataset(
        {
            "right": xr.concat([greedy, random], pd.Index(["greedy", "random"], name="order")),
            "chosen": (("effect", "dim"), chosen),
        },
        {"dim": means["dim"].values, "hidden": np.arange(k + 1)},
        {"config": str(config)},
    )


class _Cell(NamedTuple):
    """One effect (from 1 on: 0 is clean), one seed and fold, counted together, and its split of the clips."""

    effect: int
    number: int
    split: Split


class _Pairs:
    """Clean clips and each effect's, as tasks: one for each cell, whose masks are trained together."""

    def __init__(self, means: xr.DataArray, config: ProbeConfig) -> None:
        self.effects = [str(label) for label in means["effect"].values if str(label) != "CLN"]
        if "CLN" not in means["effect"].values:
            raise ValueError(
                f"masking compares effects with clean clips, and CLN is not among {self.effects}: encode it too"
            )
        if not self.effects:
            raise ValueError("masking compares clean clips with effects, and there is CLN only: encode others too")
        x = means.transpose("clip", "effect", "dim").sel(effect=["CLN", *self.effects])
        self._clips, self.n_dims, self._config = x.drop_vars(["effect", "dim"], errors="ignore"), x.sizes["dim"], config
        self._rows = Rows(x.values.astype(np.float32).reshape(-1, self.n_dims))
        check_finite(self._rows.values, 0)
        self._effect_of = np.tile(np.arange(len(self.effects) + 1), x.sizes["clip"])  # of each row; 0 is clean
        recordings = x["recording"].values
        splits = [
            split
            for seed in config.seeds
            for split in recording_splits(np.zeros(len(recordings), int), recordings, config.folds, seed)[
                : config.test_folds
            ]
        ]
        self.cells = [_Cell(e, n, split) for e in range(1, len(self.effects) + 1) for n, split in enumerate(splits)]
        own = [self._pair_rows(cell.effect, cell.split.train) for cell in self.cells]
        scaling = zip(*means_and_scales(self._rows, own, config.standardise), strict=True)
        self._scaling = {cell[:2]: both for cell, both in zip(self.cells, scaling, strict=True)}

    def _pair_rows(self, effect: int, clips: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of clips as they are, and then with an effect."""
        first = clips * (len(self.effects) + 1)
        return np.concatenate([first, first + effect])

    def train(
        self, masks: Sequence[NDArray[np.bool_]], device: str, bar: Callable[..., Any], desc: str
    ) -> list[Trained]:
        """Train the probes of every cell: one for each of its masks `[mask dim]`, True where a dim is hidden."""
        return train_tasks([self._task(*both) for both in zip(self.cells, masks, strict=True)], device, bar, desc)

    def _task(self, cell: _Cell, masks: NDArray[np.bool_]) -> Task:
        train, validation, test = (self._pair_rows(cell.effect, clips) for clips in cell.split)
        labels = (self._effect_of == cell.effect).astype(np.intp)
        mean, scale = self._scaling[cell[:2]]
        return Task(
            self._rows, labels, 2, train, validation, test, mean, scale, self._config, seen=~masks, seed=cell.number
        )

    def right(self, predicted: Sequence[NDArray[np.intp]], dim: str) -> xr.DataArray:
        """Return the share `(effect, <dim>, clip)` of right answers, of each cell's labels `[mask test-row]`."""
        shape = len(self.effects), len(predicted[0]), self._clips.sizes["clip"]
        right, times = np.zeros(shape), np.zeros(shape)
        for (effect, _, split), named in zip(self.cells, predicted, strict=True):
            clean, wet = np.split(named, 2, axis=1)
            right[effect - 1][:, split.test] += ((clean == 0) + 0.0 + (wet == 1)) / 2
            times[effect - 1][:, split.test] += 1
        share = np.divide(right, times, out=np.full(shape, np.nan), where=times > 0)
        coords = {name: c for name, c in self._clips.coords.items() if c.dims == ("clip",)}
        return xr.DataArray(share, {**coords, "effect": self.effects}, ("effect", dim, "clip"))
