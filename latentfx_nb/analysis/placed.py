"""Clips among those of a reference set: in the axes that are fitted on the reference, and named by its probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.clusters import FLATTENED, ClusterPoints, umap_neighbours
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.samples import samples_of
from latentfx_nb.analysis.umap import fit_umap
from latentfx_nb.encoders import load_encoder
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects

Bar = Callable[..., Any]


class UnknownLabels(ValueError):
    """Clips have labels that no probe has learned."""


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


def placed_answers(result: xr.Dataset, features: xr.DataArray, labels: str = "effect") -> xr.Dataset:
    """Return what all probes of one result of `train_probes` name clips that none of them has heard.

    `features` are latents of these clips as those that were learned from, with a coordinate `labels`. The dataset holds
    `predicted (seed, *sample)` and `truth (*sample)` as `train_probes`' do; here `seed` numbers all probes, of every
    seed and fold.

    Raises ValueError for features of another number, UnknownLabels for a label that the probes do not know.
    """
    samples = samples_of(features, FLATTENED if set(FLATTENED) <= set(features.dims) else None)
    if samples.n_features != result.sizes["feature"]:
        raise ValueError(f"these probes take {result.sizes['feature']} features, not {samples.n_features}")
    names = [str(name) for name in result["label"].values]
    truth = [str(label) for label in samples.labels(labels)]
    if unknown := sorted(set(truth) - set(names)):
        raise UnknownLabels(f"no probe knows {', '.join(unknown)}: they learned {', '.join(names)}")
    weights = result["weight"].values.reshape(-1, *result["weight"].shape[2:])  # [probe output feature]
    biases = result["bias"].values.reshape(len(weights), 1, -1)
    rows = np.concatenate([block for _, block in samples.blocks()])
    scores = np.einsum("pof,sf->pso", weights, rows) + biases
    named = scores.argmax(axis=2) if len(names) > 2 else (scores[..., 0] > 0).astype(int)
    return xr.Dataset(
        {
            "predicted": (("seed", *samples.dims), named.astype(np.int16).reshape(-1, *samples.shape)),
            "truth": (samples.dims, np.array([names.index(label) for label in truth]).reshape(samples.shape)),
        },
        {**samples.coordinates, "label": result["label"]},
    )


def placed_names(result: xr.Dataset, features: NDArray[np.floating]) -> NDArray[Any]:
    """Return the labels `[sample]` that all probes of one result give `features [sample feature]`, by their mean score.

    They are of recordings that no probe has heard; `named_by` names those that some have.
    """
    weights, biases = result["weight"].mean(("seed", "fold")).values, result["bias"].mean(("seed", "fold")).values
    scores = np.asarray(features, np.float64) @ weights.T + biases
    numbers = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(int)
    return result["label"].values[numbers]
