"""Clips among those of a reference set: in the axes that are fitted on the reference, and named by its probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from latentfx_nb.analysis.clusters import FLATTENED, ClusterPoints, umap_neighbours
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.umap import fit_umap
from latentfx_nb.encoders import load_encoder
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects

Bar = Callable[..., Any]


def placed_means(clips: ClipSet, encoder: str, n: int, bar: Bar = tqdm) -> xr.DataArray:
    """Return where clips through all ten effects lie in the PCA of their reference's time averages.

    Points are `(clip, effect, component)`; only the clips themselves are encoded where the reference's averages ship.
    """
    pca = fit_pca(effect_means(clips.reference, encoder, bar), n)
    return _labelled(pca.transform(effect_means(clips, encoder, bar)))


def placed_points(
    clips: ClipSet, encoder: str, around: ClusterPoints, n: int, bar: Bar = tqdm
) -> dict[str, xr.DataArray]:
    """Return where clips through all ten effects lie in all views of their reference, whose points are `around`.

    All latents of the reference are needed, and encoded if they are not in the store. UMAP places the clips among the
    points that are shown, and compiles for up to a minute in a new process.
    """
    means = effect_means(clips.reference, encoder, bar)
    model, neighbours = load_encoder(encoder), umap_neighbours(means)
    latents, own = encode_effects(clips.reference, model, bar=bar), encode_effects(clips, model, bar=bar)
    found = {"pca_mean": placed_means(clips, encoder, n, bar)}
    for kind, fitted, placed, features in (
        ("mean", means, effect_means(clips, encoder, bar), None),
        ("flat", latents, own, FLATTENED),
    ):
        points = around.views[f"umap_{kind}"].values.reshape(-1, n)
        umap = fit_umap(fitted, n, n_neighbors=neighbours, features=features, points=points)
        found[f"umap_{kind}"] = _labelled(umap.transform(placed))
    found["pca_flat"] = _labelled(fit_pca(latents, n, features=FLATTENED).transform(own))
    return found


def _labelled(points: xr.DataArray) -> xr.DataArray:
    return points.transpose("clip", "effect", "component").astype(np.float32)
