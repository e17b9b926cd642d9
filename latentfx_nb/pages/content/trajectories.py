"""Page 02, free of widgets: clips through latent space in time, in the basis of all frames of the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb import figures
from latentfx_nb.analysis.axes import hear_axes
from latentfx_nb.analysis.geometry import extent, smooth, speed
from latentfx_nb.analysis.pca import PCA
from latentfx_nb.analysis.prepared import NotShipped, effect_means, trajectory_basis
from latentfx_nb.analysis.sounds import encoded
from latentfx_nb.encoders import load_encoder
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.own import of, placed, placed_words
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, Sound
from latentfx_nb.pages.markup import heard_words, note, pca_words, table
from latentfx_nb.sound.clips import ClipSet

WINDOW_S = 0.1
"""How long the trajectories are averaged over at first: single frames jump, as the paper's Figure 2 shows."""

WINDOWS_S = (0.001, 10.0)
"""The shortest window, which smooths nothing, and the longest, over a whole clip."""

REMEMBERED = 64
"""Latents of renders that are kept, half a megabyte each."""

Encoded = Callable[[ClipSet, int, str, str], xr.DataArray]
"""Clips, a row of them, an effect and an encoder -> latents `(dim, frame)`."""


@dataclass(frozen=True)
class TrajectoriesChoice(Choice):
    """Clips and effects whose trajectories are drawn, how smooth they are, and which of them is heard."""

    encoder: str = "diffae-mini"
    rows: tuple[int, ...] = (0,)
    effects: tuple[str, ...] = ("CLN", "DIS")
    window_s: float = WINDOW_S
    heard_row: int = 0
    heard_effect: str = "DIS"
    dimensions: int = 3


@dataclass(frozen=True)
class TrajectoriesShown(Shown):
    """Trajectories of some clips through some effects."""

    choice: TrajectoriesChoice
    basis: PCA
    named: tuple[tuple[int, str], ...]  # row of the clip set and effect of each trajectory
    latents: tuple[xr.DataArray, ...]  # (dim, frame), smoothed, with the coordinates clip and effect
    encoded: Encoded  # remembers what it has encoded for this page

    @property
    def points(self) -> list[xr.DataArray]:
        """The trajectories `(frame, component)` in the picture."""
        return [self._in_picture(self.basis.transform(one)) for one in self.latents]

    @property
    def cloud(self) -> xr.DataArray:
        """Frames `(frame, component)` of the whole data set."""
        return self._in_picture(self.basis.points)

    def _in_picture(self, points: xr.DataArray | NDArray[Any]) -> xr.DataArray:
        labelled = cast(xr.DataArray, points)  # a basis of labelled latents gives labelled points
        return labelled.isel(component=slice(self.choice.dimensions))


def every_trajectory(rows: Sequence[int], effects: Sequence[str]) -> list[tuple[int, str]]:
    """Return row and effect of each trajectory that is chosen, more than are drawn if there are more."""
    return [(row, effect) for row in rows or (0,) for effect in effects or ("CLN",)]


def words_of(clips: ClipSet, row: int, effect: str) -> str:
    """Return what the trajectory of a clip through an effect is called."""
    return figures.trajectory_words(clips.table["clip"].iat[row], effect)


def heard(choice: TrajectoriesChoice, clips: ClipSet, shown: TrajectoriesShown | None) -> Heard:
    """Return the clip that is listened to, without and with its effect."""
    row, effect = choice.heard_row, choice.heard_effect
    return Heard(words_of(clips, row, effect), Sound(clips, row), Sound(clips, row, effect))


def prepare(
    choice: TrajectoriesChoice, clips: ClipSet, last: TrajectoriesShown | None, progress: Progress
) -> TrajectoriesShown:
    """Return what is chosen: the basis ships, or is fitted; the few trajectories are encoded now."""
    chosen = every_trajectory(choice.rows, choice.effects)
    named = tuple(chosen[: figures.MOST_TRAJECTORIES])
    if last is None or last.clips is not clips or last.choice.encoder != choice.encoder or named != last.named:
        progress.fade()
    if last is not None and last.clips.reference is clips.reference and last.choice.encoder == choice.encoder:
        basis = last.basis
    else:
        basis = _basis(clips.reference, choice.encoder, progress)
    encode = last.encoded if last is not None else lru_cache(REMEMBERED)(partial(_encoded, progress))
    latents = []
    for row, effect in named:
        latents.append(smooth(encode(clips, row, effect, choice.encoder), choice.window_s))
        progress.check()
    if len(chosen) > len(named):
        progress.say(f"{len(named)} of the {len(chosen)} trajectories are drawn: choose fewer clips or effects.")
    return TrajectoriesShown(choice, clips, basis, named, tuple(latents), encode)


def _basis(clips: ClipSet, encoder: str, progress: Progress) -> PCA:
    """Return the basis of all frames; its axes are named by where the renders' averages lie, where these ship."""
    basis = progress.read(trajectory_basis, clips, encoder)
    try:
        return hear_axes(basis, effect_means(clips, encoder, progress.bar, compute=False), clips)
    except NotShipped:
        return basis


def figure_of(shown: TrajectoriesShown) -> go.Figure:
    """Return the figure."""
    return placed(figures.trajectories(shown.points, shown.cloud), shown.clips)


def turned(shown: TrajectoriesShown, choice: TrajectoriesChoice) -> TrajectoriesShown:
    """Return the same for another choice of what is heard: nothing moves."""
    return replace(shown, choice=choice)


def moved(shown: TrajectoriesShown) -> Mapping[str, dict]:
    """Return nothing: what is heard is chosen beside the figure."""
    return {}


def clicked(shown: TrajectoriesShown, name: str, points: Any) -> Mapping[str, Any]:
    """A point is a trajectory and a time: listen to the trajectory."""
    number = _number(name)
    if number is None:
        return {}
    row, effect = shown.named[number]
    return {"heard_row": row, "heard_effect": effect}


def clicked_time_s(shown: TrajectoriesShown, name: str, points: Any) -> float:
    """Return the time of a point of a trajectory."""
    return float(shown.latents[_number(name) or 0]["time_s"].values[points.point_inds[0]])


def texts(shown: TrajectoriesShown) -> Mapping[str, str]:
    """Return how far each trajectory goes and strays."""
    rows = [
        (figures.trajectory_name(one), f"{float(speed(one)):.3g}", f"{float(extent(one)):.3g}") for one in shown.latents
    ]
    return {"numbers": table(("trajectory", "speed", "extent"), rows) + note(_how_measured(shown))}


def code_of(shown: TrajectoriesShown) -> str:
    """Return the lines that draw this in a notebook."""
    encoder = shown.choice.encoder
    rows, effects = (list(dict.fromkeys(part)) for part in zip(*shown.named, strict=True))
    fitted = of(shown.clips)
    heard = f"basis = lfx.hear_axes(basis, lfx.prepared.effect_means({fitted}, {encoder!r}), {fitted})\n"
    return (
        f"basis = lfx.prepared.trajectory_basis({fitted}, {encoder!r})\n"
        f"{heard if 'ends' in shown.cloud['component'].attrs else ''}"
        f"latents = lfx.encode_effects(clips[{rows}], lfx.load_encoder({encoder!r}), {effects})\n"
        f"smoothed = [lfx.smooth(one, {shown.choice.window_s:.3g}) for clip in latents for one in clip]\n"
        f"lfx.plots.trajectories([basis.transform(one) for one in smoothed][:{len(shown.latents)}], basis.points)"
    )


def _encoded(progress: Progress, clips: ClipSet, row: int, effect: str, encoder: str) -> xr.DataArray:
    latents = encoded(load_encoder(encoder), [progress.sound(Sound(clips, row, effect))])[0]
    return latents.assign_coords(clip=clips.table["clip"].iat[row], effect=effect)


def _number(name: str) -> int | None:
    """Return which trajectory a trace is, counted from 0; None if it is something else."""
    kind, _, number = name.partition(" ")
    return int(number) - 1 if kind == "trajectory" else None


def _how_measured(shown: TrajectoriesShown) -> str:
    encoder, some = shown.choice.encoder, shown.latents[0]
    share = float(np.sum(np.asarray(shown.basis.explained)[: shown.choice.dimensions]))
    words = (
        "In latent units: how far it goes in a second, and how far it strays from its middle (rms), in all dimensions, "
        f"smoothed over {shown.choice.window_s:.3g} s. The picture holds {share:.0%} of the variance of all {encoder} "
        f"frames of this data set. {pca_words('all frames', some.sizes['dim'])}{heard_words(shown.cloud)} Each line is "
        f"one clip through one effect (n = 1), no average.{placed_words(shown.clips)}"
    )
    if some.sizes["frame"] == 1:
        words += f" {encoder} gives one vector a clip, so nothing moves."
    return words
