"""Figure 2: clips move through latent space in time, in the basis of all frames, and a marker follows the sound."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.geometry import extent, smooth, speed
from latentfx_nb.analysis.pca import PCA
from latentfx_nb.analysis.prepared import trajectory_basis
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import load_encoder
from latentfx_nb.pages.base import STYLE, Heard, Panel, Sound, clip_label, encoded
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import note, pca_words, table
from latentfx_nb.sound.clips import ClipSet

WINDOW_S = 0.1
"""How long the trajectories are averaged over at first: single frames jump, as the paper's Figure 2 shows."""

REMEMBERED = 64  # latents of renders, half a megabyte each


class _Drawn(NamedTuple):
    """What is drawn, put in place all at once."""

    clips: ClipSet
    encoder: str
    basis: PCA
    latents: list[xr.DataArray]  # (dim, frame), smoothed, with the coordinates clip and effect
    named: list[tuple[int, str]]  # row of the clip set and effect of each of them

    def points(self, dimensions: int) -> list[xr.DataArray]:
        """Return the trajectories `(frame, component)` in the picture."""
        return [self.basis.transform(one).isel(component=slice(dimensions)) for one in self.latents]


class Trajectories(Panel):
    """Choose clips and effects: their trajectories appear, and markers run along them in step with the sound.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effects: tuple[str, ...] = ("CLN", "DIS"),
        dimensions: int = 3,
    ) -> None:
        super().__init__(source, encoder)
        self._dimensions = dimensions
        self._encoded = lru_cache(maxsize=REMEMBERED)(self._encode)
        self.chosen = widgets.SelectMultiple(rows=7, layout={"width": "340px"})
        self.effects = widgets.SelectMultiple(
            options=[(f"{spec.name} ({label})", label) for label, spec in EFFECTS.items()],
            value=effects,
            rows=6,
            layout={"width": "340px"},
        )
        self.window_s = widgets.FloatLogSlider(
            WINDOW_S, min=-3, max=1, step=0.05, description="Smoothing window (s)", style=STYLE, readout_format=".3g"
        )
        self.window_s.layout.width = "100%"
        self.heard = widgets.Dropdown(description="Listen to", style=STYLE, layout={"width": "340px"})
        self.numbers = widgets.HTML()
        self._list_clips()
        self._drawn = self.first(self._read)
        self._list_clips()  # they may be the bundled ones now
        self._list_heard()
        points = self._drawn.points(dimensions)
        cloud = self._drawn.basis.points.isel(component=slice(dimensions))
        self.figure = self.figure_widget(
            figures.trajectories(points, cloud), "Paths of clips through latent space in time"
        )
        most = figures.MOST_TRAJECTORIES
        self._lines, self._legend = self.figure.data[1 : 1 + most], self.figure.data[1 + most : -1]
        self.stale = self._lines
        for number, trace in enumerate(self._lines):
            trace.on_click(lambda _trace, chosen, _state, number=number: self._clicked(number, chosen))
        self.children = self._layout()
        self._follow(points)
        self._show_numbers()
        self.hear(self._chosen_sound())  # it is rendered already
        self.on_clips(self._clips_changed)
        for chooser in (self.encoder, self.chosen, self.effects, self.window_s):
            chooser.observe(lambda _: self._listing or self._prepare(), "value")
        self.heard.observe(lambda _: self._listing or self.hear(self._chosen_sound()), "value")

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        choices = widgets.HBox([self.clip_set, self.own_files, self.encoder], layout=row)
        label = widgets.Label(f"Draw clips x effects (Ctrl-click for several; up to {figures.MOST_TRAJECTORIES})")
        side = widgets.VBox(
            [self.heard, label, self.chosen, self.effects, self.numbers],
            layout={"width": "380px", "margin": "10px 0 0 0"},
        )
        view = widgets.VBox([self.figure], layout={"flex": "1 1 500px", "min_width": "0"})
        below = widgets.HBox([view, side], layout={"width": "100%"})
        tools = FigureTools(self, "trajectories")
        return [choices, self.window_s, self.status, self.player, below, tools]

    def code(self) -> str:
        """Return the lines that draw this in a notebook."""
        drawn = self._drawn
        rows, effects = (list(dict.fromkeys(part)) for part in zip(*drawn.named, strict=True))
        return self.clips_code() + (
            f"basis = lfx.prepared.trajectory_basis(clips, {drawn.encoder!r})\n"
            f"latents = lfx.encode_effects(clips[{rows}], lfx.load_encoder({drawn.encoder!r}), {effects})\n"
            f"smoothed = [lfx.smooth(one, {self.window_s.value:.3g}) for clip in latents for one in clip]\n"
            f"lfx.plots.trajectories([basis.transform(one) for one in smoothed][:{len(drawn.latents)}], basis.points)"
        )

    def _list_clips(self) -> None:
        self._listing = True
        self.chosen.value = ()  # the page would look for rows that the new list may not have
        self.chosen.options = [(clip_label(self.clips, row), row) for row in range(len(self.clips))]
        self.chosen.value = (0,)
        self._listing = False

    def _clips_changed(self) -> None:
        self._list_clips()
        self._prepare()

    def _wanted(self) -> list[tuple[int, str]]:
        """Return row and effect of each trajectory that is chosen, more of them than are drawn if there are more."""
        return [(row, effect) for row in self.chosen.value or (0,) for effect in self.effects.value or ("CLN",)]

    def _list_heard(self) -> None:
        """Offer what is chosen to listen to: still the same, if it is there; else the first that is an effect."""
        some, before = self._wanted()[: figures.MOST_TRAJECTORIES], self.heard.label
        names = [self._name(*one) for one in some]
        wet = [one for one in some if one[1] != "CLN"]
        self._listing = True
        self.heard.value = None
        self.heard.options = list(zip(names, some, strict=True))
        self.heard.value = some[names.index(before)] if before in names else [*wet, some[0]][0]
        self._listing = False

    def _name(self, row: int, effect: str) -> str:
        return figures.trajectory_words(self.clips.table["clip"].iat[row], effect)

    def _chosen_sound(self) -> Heard:
        row, effect = self.heard.value
        return Heard(self._name(row, effect), Sound(self.clips, row), Sound(self.clips, row, effect))

    def _prepare(self) -> None:
        def job() -> None:
            self._drawn = self._read()
            self._draw()

        self._list_heard()
        self.hear(self._chosen_sound())
        self.prepare(job)

    def _read(self) -> _Drawn:
        """Return what is chosen: the basis ships, or is fitted; the few trajectories are encoded now."""
        clips, encoder, last, wanted = self.clips, self.encoder.value, getattr(self, "_drawn", None), self._wanted()
        some = wanted[: figures.MOST_TRAJECTORIES]
        if last is None or (clips, encoder, some) != (last.clips, last.encoder, last.named):
            self.fade(self.stale)
        if last is not None and last.clips is clips and last.encoder == encoder:
            basis = last.basis
        else:
            basis = self.read(trajectory_basis, clips, encoder)
        latents = []
        for row, effect in some:
            latents.append(smooth(self._encoded(clips, row, effect, encoder), self.window_s.value))
            self._check()
        if len(wanted) > len(some):
            self.status.say(f"{len(some)} of the {len(wanted)} trajectories are drawn: choose fewer clips or effects.")
        return _Drawn(clips, encoder, basis, latents, some)

    def _encode(self, clips: ClipSet, row: int, effect: str, encoder: str) -> xr.DataArray:
        latents = encoded(load_encoder(encoder), [self.sound(Sound(clips, row, effect))])[0]
        return latents.assign_coords(clip=clips.table["clip"].iat[row], effect=effect)

    def _draw(self) -> None:
        points = self._drawn.points(self._dimensions)
        flat = self._dimensions == 2
        shown = [*points, *[None] * figures.MOST_TRAJECTORIES][: figures.MOST_TRAJECTORIES]
        with self.figure.batch_update():
            self.figure.data[0].update(
                figures.coordinates(self._drawn.basis.points.isel(component=slice(self._dimensions)))
            )
            for trace, legend, path, color in zip(self._lines, self._legend, shown, figures.SET_COLORS, strict=False):
                trace.update(figures.trajectory_trace(path, color, flat), opacity=1)
                legend.update(figures.trajectory_legend(path))
            self.figure.data[-1].update(figures.now_trace(points))
        self._follow(points)
        self._show_numbers()

    def _follow(self, points: list[xr.DataArray]) -> None:
        """Hand the places to the bridge, which moves the markers with the sound."""
        places = np.stack([one.values for one in points])
        times_s = points[0]["time_s"].values
        self.bridge.follow(self.figure, len(self.figure.data) - 1, places, times_s, self.player)

    def _clicked(self, number: int, points) -> None:
        """A point is a trajectory and a time: listen to the one, from the other on."""
        drawn = self._drawn
        if points.point_inds and drawn.clips is self.clips and drawn.named[number] in self._wanted():
            self.heard.value = drawn.named[number]
            self.player.seek(float(drawn.latents[number]["time_s"].values[points.point_inds[0]]))

    def _show_numbers(self) -> None:
        drawn = self._drawn
        rows = [
            (figures.trajectory_name(one), f"{float(speed(one)):.3g}", f"{float(extent(one)):.3g}")
            for one in drawn.latents
        ]
        share = float(np.sum(np.asarray(drawn.basis.explained)[: self._dimensions]))
        text = (
            "In latent units: how far it goes in a second, and how far it strays from its middle (rms), in all "
            f"dimensions, smoothed over {self.window_s.value:.3g} s. The picture holds {share:.0%} of the variance of "
            f"all {drawn.encoder} frames of this data set. {pca_words('all frames', drawn.latents[0].sizes['dim'])} "
            "Each line is one clip through one effect (n = 1), no average."
        )
        if drawn.latents[0].sizes["frame"] == 1:
            text += f" {drawn.encoder} gives one vector a clip, so nothing moves."
        self.numbers.value = table(("trajectory", "speed", "extent"), rows) + note(text)
