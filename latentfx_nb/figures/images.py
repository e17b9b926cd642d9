"""Spectrograms and latents of a clip before and after an effect (Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from latentfx_nb.figures.theme import finish


def latent_images(spectrograms: Sequence[xr.DataArray], latents: Sequence[xr.DataArray]) -> go.Figure:
    """Return six images (Figure 1): spectrograms above, latents below; before, after and difference side by side.

    `spectrograms` are three of `(frequency_hz, time_s)` in dB, `latents` three of `(dim, frame)` with the coordinate
    `time_s`; where there is one frame only, it is as wide as their attribute `length_s`. Traces are named
    "Clean: spectrogram" and so on, in that order. Differences have zero at the centre of their colours.
    """
    titles = ["Clean", "With the effect", "Difference"]
    figure = make_subplots(
        2,
        3,
        shared_xaxes="all",
        shared_yaxes="rows",
        subplot_titles=[f"{title}: spectrogram" for title in titles] + [f"{title}: latents" for title in titles],
        horizontal_spacing=0.05,
        vertical_spacing=0.11,
    )
    for row, images in enumerate((spectrograms, latents), start=1):
        axes = (f"coloraxis{2 * row - 1}", f"coloraxis{2 * row}")
        for column, image in enumerate(images, start=1):
            what = f"{titles[column - 1]}: {('spectrogram', 'latents')[row - 1]}"
            figure.add_trace(_heatmap(image, axes[column == 3]).update(name=what, meta=what), row, column)
    figure.update_yaxes(type="log", row=1)
    figure.update_yaxes(title="frequency (Hz)", row=1, col=1)
    figure.update_yaxes(title="latent dim", row=2, col=1)
    figure.update_xaxes(title="time (s)", row=2)
    figure.update_layout(image_ranges(spectrograms, latents))
    figure.update_annotations(font={"size": 13})  # the titles of the six
    return finish(figure, height=640).update_layout(margin={"t": 32})


def image_ranges(spectrograms: Sequence[xr.DataArray], latents: Sequence[xr.DataArray]) -> dict:
    """Return the four colour axes of `latent_images`, scaled to what the images hold."""
    low, high = np.percentile(latents[0], [1, 99])
    # A tenth of what the clean latents span, or rounding would fill the scale of an effect that is turned down.
    spread = float(max(np.percentile(np.abs(latents[2]), 99), 0.1 * (high - low), 1e-6))
    place = {"thickness": 10, "len": 0.42}
    upper, lower = {**place, "y": 0.8, "title": "dB"}, {**place, "y": 0.2}
    return {
        "coloraxis1": {"colorscale": "Magma", "cmin": -90, "cmax": 0, "colorbar": upper},
        "coloraxis2": {"colorscale": "RdBu_r", "cmin": -40, "cmax": 40, "colorbar": {**upper, "x": 1.09}},
        "coloraxis3": {"colorscale": "Viridis", "cmin": float(low), "cmax": float(high), "colorbar": lower},
        "coloraxis4": {"colorscale": "RdBu_r", "cmin": -spread, "cmax": spread, "colorbar": {**lower, "x": 1.09}},
    }


def image_data(image: xr.DataArray) -> dict:
    """Return x, y and z of one image of `latent_images`."""
    vertical, times = image[image.dims[0]].values, image["time_s"].values
    if len(times) == 1 and "length_s" in image.attrs:
        times = np.array([0.0, image.attrs["length_s"]])  # the edges of its only column
    return {"z": np.asarray(image, np.float32), "x": times, "y": vertical}


def _heatmap(image: xr.DataArray, axis: str) -> go.Heatmap:
    unit = image.attrs.get("units", "")
    hover = f"%{{x:.2f}} s, {str(image.dims[0]).replace('_hz', '')} %{{y:.4g}}: %{{z:.3g}} {unit}<extra></extra>"
    return go.Heatmap(**image_data(image), coloraxis=axis, hovertemplate=hover)
