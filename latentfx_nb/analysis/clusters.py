"""The scenes of Figures 3-5: PCA and UMAP of a whole data set, and how pure its neighbourhoods are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb.analysis.neighbours import purity_table
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.samples import Array
from latentfx_nb.analysis.umap import UMAP_NEIGHBOURS, fit_umap

VIEWS = {
    "pca_mean": "PCA, time-averaged",
    "umap_mean": "UMAP, time-averaged",
    "pca_flat": "PCA, flattened",
    "umap_flat": "UMAP, flattened",
}
"""The four scenes: projection x what is projected."""

FLATTENED = ("dim", "frame")


@dataclass(frozen=True)
class ClusterPoints:
    """What Figures 3-5 show of one data set: points, and numbers measured on the latents and not on their picture.

    views: some of `VIEWS` -> `(clip, effect, component)`. explained: "pca_mean" and "pca_flat" -> the share of the
    variance that each component holds. purity: by effect, instrument and clip, the columns mean, flat and chance.
    claims and windows: `prepared.cluster_claims` and `prepared.window_purity` where they ship; else None.
    """

    views: dict[str, xr.DataArray]
    explained: dict[str, NDArray[np.float64]]
    purity: pd.DataFrame
    claims: pd.DataFrame | None = None
    windows: pd.DataFrame | None = None


def umap_neighbours(means: xr.DataArray) -> int:
    """Return how many neighbours UMAP is given: fewer where a single clip has fewer renders to be near to."""
    return min(UMAP_NEIGHBOURS, means.sizes["clip"] * means.sizes["effect"] - 1)


def project(latents: xr.DataArray, means: xr.DataArray, umap_dimensions: Sequence[int]) -> xr.Dataset:
    """Return all points and purities as they ship, for `points_of`.

    PCA has three components. UMAP is fitted anew with each number of components in `umap_dimensions`.
    """
    dataset = xr.Dataset(coords=means.coords).drop_vars("dim")
    purity = {}
    for kind, x, features in (("mean", means, None), ("flat", latents, FLATTENED)):
        pca = fit_pca(x, features=features)
        dataset[f"pca_{kind}"] = _unnamed(pca.points, 3)
        dataset[f"explained_{kind}"] = "component_3d", np.asarray(pca.explained)
        for n in umap_dimensions:
            points = fit_umap(x, n, n_neighbors=umap_neighbours(means), features=features).points
            dataset[f"umap_{kind}_{n}d"] = _unnamed(points, n)
        purity[kind] = purity_table(x, features=features)
    dataset["purity"] = ("label", "kind"), np.stack([table["purity"] for table in purity.values()], axis=1)
    dataset["chance"] = "label", purity["mean"]["chance"].to_numpy()
    return dataset.assign_coords(label=list(purity["mean"].index), kind=list(purity))


def _unnamed(points: Array, n: int) -> xr.DataArray:
    """Return bare points `(clip, effect, component_<n>d)`; the method's name is left to `points_of`."""
    return xr.DataArray(np.asarray(points, np.float32), dims=("clip", "effect", f"component_{n}d"))


def points_of(dataset: xr.Dataset, n: int) -> ClusterPoints:
    """Return the points of a dataset of `project` in `n` dimensions; UMAP's views are left out if it has none."""
    views, explained = {}, {}
    for view in VIEWS:
        method, kind = view.split("_")
        stored = view if method == "pca" else f"{view}_{n}d"
        if stored not in dataset:
            continue
        points = dataset[stored]
        points = points.rename({points.dims[-1]: "component"}).isel(component=slice(n))
        names = [f"{'PC' if method == 'pca' else 'UMAP'}{i + 1}" for i in range(n)]
        shares = {}
        if method == "pca":
            explained[view] = dataset[f"explained_{kind}"].values[:n]
            shares = {"explained": [float(share) for share in explained[view]]}
        views[view] = points.assign_coords(component=("component", names, shares))
    purity = dataset["purity"].to_pandas().assign(chance=dataset["chance"].values)
    return ClusterPoints(views, explained, purity)
