"""Page 05's control for stereo width: effects that are not the same on both channels, also probed as mono doubled.

Of the ten effects the reverb alone tells itself by its width: the clips are mono, doubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pandas as pd
import xarray as xr

from latentfx_nb.analysis.prepared import NotShipped, effect_means
from latentfx_nb.analysis.probes import class_accuracy, train_probes
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.markup import note, table
from latentfx_nb.sound.clips import ClipSet

WIDTHS = {False: "with its stereo width", True: "as mono doubled"}
"""Whether effects with a width are rendered as mono -> in words."""

NOT_TRAINED = "not trained: turn the switch"


def other_width(
    results: Mapping[str, xr.Dataset], clips: ClipSet, mono: bool, config: ProbeConfig, progress: Progress
) -> dict[str, xr.Dataset]:
    """Return what probes of the time averages name at the other width, by set, where those averages ship."""
    features = {}
    for name in results:
        encoder, kind = name.rsplit("-", 1)
        if kind == "T":
            with suppress(NotShipped):
                features[name] = effect_means(clips.reference, encoder, mono=not mono, compute=False)
    return train_probes(features, "effect", config, bar=progress.bar) if features else {}


def width_table(results: Mapping[str, xr.Dataset], other: Mapping[str, xr.Dataset], mono: bool) -> str:
    """Return how accurately effects with a stereo width are named with it and without, HTML."""
    wide = [label for label in next(iter(results.values()))["label"].values if not EFFECTS[label].keeps_doubled]
    if not wide:
        return ""
    rows = []
    for name, result in results.items():
        found = {mono: class_accuracy(result), not mono: class_accuracy(other[name]) if name in other else None}
        for label in wide:
            rows.append((name, label, *(_cell(found[width], label) for width in WIDTHS)))
    words = (
        "The clips are mono, doubled, and these effects alone differ on the two channels: an encoder that hears the "
        "difference knows them without hearing the effect. As mono doubled, the mean of both channels is on each, at "
        "the same loudness."
    )
    heads = ("features", "effect", *(f"{words} (%)" for words in WIDTHS.values()))
    return "<h3>Stereo width, and without it</h3>" + table(heads, rows) + note(words)


def _cell(accuracy: pd.DataFrame | None, label: str) -> str:
    if accuracy is None:
        return NOT_TRAINED
    middle, low, high = 100 * accuracy.loc[label, ["accuracy", "low", "high"]]
    return f"{middle:.1f} ({low:.0f} to {high:.0f})"
