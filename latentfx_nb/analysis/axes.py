"""What one hears towards the two ends of an axis: the words of the descriptor that goes with it, if one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.pca import PCA
from latentfx_nb.analysis.shipped import NotShipped, descriptor_piece, entries
from latentfx_nb.effects import TABLE_1, Setting, render_many
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.sound.descriptors import DESCRIPTORS, describe
from latentfx_nb.store.encode import encoded_clips

LEAST_RHO = 0.5
"""How strong, either way, a descriptor's rank correlation with an axis is at least that gives it words."""

FEWEST_RENDERS = 100
"""Renders that a name needs: of one clip's ten, one of seven descriptors reaches 0.5 by chance two times in three."""


class Ends(NamedTuple):
    """What one hears towards the low and the high end of an axis, and what that rests on.

    descriptor: in words. rho: its rank correlation (Spearman) with the axis, over `n` renders.
    """

    low: str
    high: str
    descriptor: str
    rho: float
    n: int


def sound_descriptors(
    clips: ClipSet, effects: Sequence[str] | None = None, bar: Callable[..., Any] = tqdm, *, compute: bool = True
) -> xr.DataArray:
    """Return `DESCRIPTORS` of `clips` through `effects` (None: the ten of Table 1), `(clip, effect, descriptor)`.

    What ships for all the clips is read, else all are rendered and measured. Raises NotShipped if that is not wanted
    (`compute=False`), and as `render` does.
    """
    labels, hashes = list(TABLE_1 if effects is None else effects), clips.hashes()
    found = [entries(descriptor_piece(label), hashes, "descriptors") for label in labels]
    if all(len(rows) == len(clips) for rows in found):
        values = np.stack([[rows[row] for rows in found] for row in range(len(clips))])
    elif compute:
        values = measure_sounds(clips, labels, bar)
    else:
        raise NotShipped("descriptors of the sounds do not ship for these clips; with compute=True they are measured")
    coordinates = {"clip": clips.table["clip"].to_numpy(object), "effect": labels, "descriptor": list(DESCRIPTORS)}
    return xr.DataArray(values, coordinates, ("clip", "effect", "descriptor"))


def measure_sounds(clips: ClipSet, effects: Sequence[str], bar: Callable[..., Any] = tqdm) -> NDArray[np.float32]:
    """Return descriptors `[clip effect descriptor]` of clips through effects as Table 1 sets them, measured now."""

    def described(renders: list[Clip]) -> list[list[float]]:
        return [list(describe(sound).values()) for sound in renders]

    values = []
    with bar(total=len(clips), desc="Describing sounds", unit="clip") as progress:
        for one in render_many(clips, [Setting(label) for label in effects], then=described):
            values.append(one)
            progress.update()
    return np.array(values, np.float32)


def axis_ends(points: xr.DataArray, described: xr.DataArray) -> list[Ends | None]:
    """Return the ends of each axis of `points (clip, effect, component)`; None where no descriptor goes with it.

    `described (clip, effect, descriptor)` are descriptors of the same sounds. The strongest correlation names its axis
    first; then the strongest of the axes and descriptors that are left. Silent sounds have none and do not count.
    """
    names = [str(name) for name in described["descriptor"].values]
    values = described.sel(effect=points["effect"].values).transpose("clip", "effect", ...).values
    places = points.transpose("clip", "effect", "component").values
    values, places = values.reshape(-1, values.shape[-1]), places.reshape(-1, places.shape[-1])
    known = np.isfinite(values).all(axis=1) & np.isfinite(places).all(axis=1)
    ends: list[Ends | None] = [None] * places.shape[1]
    if known.sum() < FEWEST_RENDERS:
        return ends
    rhos = rank_correlations(places[known], values[known])
    left = np.abs(rhos)
    while left.max() >= LEAST_RHO:
        axis, number = map(int, np.unravel_index(left.argmax(), left.shape))
        one, rho = DESCRIPTORS[names[number]], float(rhos[axis, number])
        low, high = (one.less, one.more) if rho > 0 else (one.more, one.less)
        ends[axis] = Ends(low, high, one.words, rho, int(known.sum()))
        left[axis] = left[:, number] = 0
    return ends


def rank_correlations(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return Spearman's rank correlation of each column of `x [row a]` with each of `y [row b]`, `[a b]`.

    Equal values share their mean rank; a column whose values are all equal correlates with nothing, which is 0.
    Spearman, Am. J. Psychol. 15 (1904), https://doi.org/10.2307/1412159.
    """
    one, other = (np.stack([_ranks(column) for column in columns.T]) for columns in (x, y))
    return one @ other.T


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ranks of values `[row]`, centred and of unit length."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    ranks -= ranks.mean()
    return ranks / max(float(np.linalg.norm(ranks)), 1e-12)


def with_ends(points: xr.DataArray, clips: ClipSet, described: xr.DataArray | None = None) -> xr.DataArray:
    """Return `points (clip, effect, component)` of `clips` whose axes know their ends, for figures and captions.

    Descriptors are those `described`, or those that ship; where none do, the points come back as they are.
    """
    with suppress(NotShipped):
        labels = [str(label) for label in points["effect"].values]
        if described is None:
            described = sound_descriptors(encoded_clips(clips, points), labels, compute=False)
        return _attach(points, axis_ends(points, described))
    return points


def views_with_ends(views: dict[str, xr.DataArray], clips: ClipSet) -> dict[str, xr.DataArray]:
    """Return the views of `prepared.cluster_points`, those of PCA as `with_ends` does: UMAP's axes have no meaning."""
    return {view: with_ends(x, clips) if view.startswith("pca") else x for view, x in views.items()}


def hear_axes(
    pca: PCA[xr.DataArray], means: xr.DataArray, clips: ClipSet, described: xr.DataArray | None = None
) -> PCA[xr.DataArray]:
    """Return a PCA whose axes know what one hears towards their ends, and so do all points that it transforms.

    `means (clip, effect, dim)` are the time averages of `clips`; their places along the axes are compared with
    descriptors of their sounds, those `described` or those that ship. Where none do, the PCA comes back as it is.
    """
    ends = with_ends(pca.transform(means), clips, described)["component"].attrs.get("ends")
    if ends is None:
        return pca
    return replace(pca, points=_attach(pca.points, ends), explained=_attach(pca.explained, ends))


def _attach(points: xr.DataArray, ends: list[Ends | None]) -> xr.DataArray:
    return points.assign_coords(component=points["component"].assign_attrs(ends=ends))
