"""Figures 3-5: PCA and UMAP of time averages and of flattened latents, one figure of four scenes to click in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from latentfx_nb import figures
from latentfx_nb.analysis.claims import VERDICTS
from latentfx_nb.analysis.prepared import VIEWS, cluster_claims, cluster_points, umap_neighbours, window_purity
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages.base import STYLE, Heard, Panel, dry_and_wet
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import note, pca_words, table, umap_words
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

FIRST = (0, list(EFFECTS).index("CLN"))  # clip and effect of the point that is chosen at first

KINDS = {"mean": "time-averaged", "flat": "flattened", "chance": "chance"}

CAVEAT = (
    "Other models, other clips and other splits than the paper's: compare directions, not sizes. In brackets the 95 % "
    "interval over recordings; a difference holds if its whole interval is above zero."
)


class EffectClusters(Panel):
    """Colour four scenes by effect, instrument or clip; a clicked point is ringed in all of them and heard.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL. UMAP of anything
    but the bundled clips waits for its button, as the first one in a process takes long to compile; so do the paper's
    claims, which need knob paths too.
    """

    def __init__(
        self, source: str | Path | ClipSet = "bundled", encoder: str = "diffae-mini", dimensions: int = 3
    ) -> None:
        super().__init__(source, encoder)
        self.coloring = widgets.ToggleButtons(
            options=figures.COLORINGS, style={"button_width": "100px"}, layout={"width": "330px"}
        )
        self.effect = widgets.Dropdown(
            options=[("all ten effects", ""), *((f"{spec.name} ({label})", label) for label, spec in EFFECTS.items())],
            description="Show",
            style=STYLE,
            layout={"width": "230px"},
        )
        self.compute_umap = widgets.Button(description="Compute UMAP", tooltip="about a minute the first time")
        self.numbers = widgets.HTML()
        self.claims = widgets.HTML()
        self.test_claims = widgets.Button(
            description="Test the claims", tooltip="encodes knob paths of up to eight clips, then takes about a minute"
        )
        self._dimensions = dimensions
        self._chosen = FIRST
        self._asked, self._drawn_encoder = self.clips, encoder
        self._points = self.read(cluster_points, self.clips, encoder, dimensions, False)
        self._drawn = encoded_clips(self.clips, self._points.views["pca_mean"])
        self.figure = self.figure_widget(
            figures.effect_clusters(self._titled_views(), windows=self._windows()),
            "Clips through ten effects as points: PCA and UMAP, averaged over time and flattened",
        )
        self.stale = self.figure.data[: 2 * len(VIEWS)]
        self._legend, self._curves = self.figure.data[2 * len(VIEWS) : -3], self.figure.data[-3:]
        for trace in self.figure.data[: len(VIEWS)]:
            trace.on_click(self._clicked)
        self._show_numbers()
        self._show_claims()
        self.children = self._layout()
        self.on_clips(lambda: self._prepare(umap=False))
        self.encoder.observe(lambda _: self._prepare(umap=False), "value")
        self.coloring.observe(lambda _: self._recolor(), "value")
        self.effect.observe(lambda _: self._draw(), "value")
        self.compute_umap.on_click(lambda _: self._prepare(umap=True))
        self.test_claims.on_click(lambda _: self._test_claims())
        self._draw_rings()
        self.offer(self._sound_of(self._drawn, *FIRST))

    def choose(self, clip: int, effect: int) -> None:
        """Ring a point in every scene and load its sound; it is not started."""
        self._chosen = clip, effect
        self.hear(self._sound_of(self._drawn, clip, effect))
        self._draw_rings()

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        coloring = widgets.HBox([widgets.Label("Colour by"), self.coloring])
        choices = widgets.HBox(
            [self.clip_set, self.own_files, self.encoder, self.effect, coloring, self.compute_umap], layout=row
        )
        tools = FigureTools(self, "effect_clusters", self._sounds)
        return [choices, self.status, self.player, self.figure, tools, self.numbers, self.claims, self.test_claims]

    def code(self) -> str:
        """Return the lines that draw this in a notebook."""
        shown = f".sel(effect=[{self.effect.value!r}])" if self.effect.value else ""
        return self.clips_code() + (
            f"points = lfx.prepared.cluster_points(clips, {self._drawn_encoder!r}, n={self._dimensions})\n"
            f"views = {{lfx.prepared.VIEWS[view]: x{shown} for view, x in points.views.items()}}\n"
            f"lfx.plots.effect_clusters(views, color={self.coloring.value!r}, windows=points.windows)"
        )

    def _sounds(self) -> dict[int, list[Callable[[], Clip]]]:
        """Return what makes the sound of each point that is drawn, in the order of the points."""
        effects = [self.effect.value] if self.effect.value else list(EFFECTS)
        clips = self._drawn
        every = [partial(_rendered, clips, row, effect) for row in range(len(clips)) for effect in effects]
        return {number: every for number, view in enumerate(VIEWS) if view in self._points.views}

    def _titled_views(self) -> dict:
        """Return title -> points for all four views; one that is not computed yet has no points and says so."""
        views = self._points.views
        blank = views["pca_mean"].isel(clip=slice(0))
        blank = blank.assign_coords(component=[f"UMAP{i + 1}" for i in range(self._dimensions)])
        return {self._title(view): views.get(view, blank) for view in VIEWS}

    def _title(self, view: str) -> str:
        if view not in self._points.views:
            return f"{VIEWS[view]}: not computed yet"
        share = self._points.explained.get(view)
        return VIEWS[view] if share is None else f"{VIEWS[view]} ({share.sum():.0%} of the variance)"

    def _prepare(self, umap: bool) -> None:
        clips, encoder = self.clips, self.encoder.value

        def job() -> None:
            if umap:
                self.status.say("UMAP is being computed; the first one takes up to a minute.")
            points = self.read(cluster_points, clips, encoder, self._dimensions, umap)
            if points.claims is None and clips is self._asked and encoder == self._drawn_encoder:
                points = replace(points, claims=self._points.claims, windows=self._points.windows)
            if clips is not self._asked:
                self._chosen = FIRST
            # Until here a click means a point, and so a clip, of what is still drawn.
            self._asked, self._drawn_encoder, self._points = clips, encoder, points
            self._drawn = encoded_clips(clips, points.views["pca_mean"])
            self._draw()
            self._show_numbers()
            self._show_claims()
            self.status.say("")
            self.hear(self._sound_of(self._drawn, *self._chosen))

        same = clips is self._asked
        self.hear(self._sound_of(*(self._drawn, *self._chosen) if same else (clips, *FIRST)))
        self.prepare(job)

    def _test_claims(self) -> None:
        def job() -> None:
            drawn = self._asked, self._drawn_encoder  # what the tables above are of
            windows = window_purity(*drawn, self.busy)
            self._points = replace(self._points, claims=cluster_claims(*drawn, self.busy), windows=windows)
            self._show_numbers()
            self._show_claims()
            self._draw_windows()
            self.status.say("")

        self.worker.submit("claims", job)

    def _draw(self) -> None:
        with self.figure.batch_update():
            for trace, annotation, view in zip(self.figure.data, self.figure.layout.annotations, VIEWS, strict=False):
                annotation.text = self._title(view)
                points = self._points.views.get(view)
                if points is None:
                    trace.update({axis: [] for axis in "xyz"[: self._dimensions]}, opacity=1)
                    continue
                shown = self._shown(points)
                trace.update(**figures.coordinates(shown), text=figures.hover_texts(shown), opacity=1)
        self._recolor()
        self._draw_rings()
        self._draw_windows()

    def _windows(self) -> pd.DataFrame:
        return pd.DataFrame() if self._points.windows is None else self._points.windows

    def _draw_windows(self) -> None:
        with self.figure.batch_update():
            for label, curve in zip(figures.WINDOW_COLORS, self._curves, strict=True):
                curve.update(figures.window_curve(label, self._windows()))
            title = figures.WINDOWS_TITLE if len(self._windows()) else "Averaging windows: press Test the claims"
            self.figure.layout.annotations[len(VIEWS)].text = title

    def _shown(self, points):
        return points.sel(effect=[self.effect.value]) if self.effect.value else points

    def _recolor(self) -> None:
        points = self._shown(self._points.views["pca_mean"])
        looks = figures.point_looks(points, self.coloring.value)
        with self.figure.batch_update():
            for trace in self.figure.data[: len(VIEWS)]:
                trace.marker.update(looks)
            for trace in self._legend:
                trace.visible = trace.meta == self.coloring.value

    def _draw_rings(self) -> None:
        with self.figure.batch_update():
            for ring, view in zip(self.figure.data[len(VIEWS) : 2 * len(VIEWS)], VIEWS, strict=True):
                if view not in self._points.views:
                    ring.update({axis: [None] for axis in "xyz"[: self._dimensions]})
                    continue
                ring.update(figures.coordinates(self._points.views[view][self._chosen]), opacity=1)

    def _show_numbers(self) -> None:
        rows = [(label, *(self._share(label, kind) for kind in KINDS)) for label in self._points.purity.index]
        points = self._points.views["pca_mean"]
        clips = points.sizes["clip"]
        renders = clips * points.sizes["effect"]
        self.numbers.value = table(("neighbours of the same ...", *KINDS.values()), rows) + note(
            "How pure the neighbourhoods are: the share of a point's nine nearest neighbours, measured in the latents "
            "and not in their picture, that have its effect, instrument or clip. The curves below the pictures say the "
            "same for latents averaged in windows and then flattened, from one frame (flattened) to the whole clip "
            "(time-averaged). In brackets, and as their bands, the 95 % interval over recordings; "
            f"n = {renders} renders, of {clips} clips from {self._drawn.table['recording'].nunique()} recordings."
        )
        dim = list_encoders().at[self._drawn_encoder, "dim"]
        made = pca_words(f"{renders} renders", dim).removesuffix(".") + "; flattened: as many of every frame. "
        self.numbers.value += note(made + umap_words(umap_neighbours(points)))
        if np.isnan(list_encoders().at[self._drawn_encoder, "frame_rate_hz"]):
            self.numbers.value += note(
                f"{self._drawn_encoder} gives one vector a clip: there is no time to average or to flatten, so the "
                "lower pictures are the upper ones once more."
            )
        self.compute_umap.layout.display = "none" if "umap_mean" in self._points.views else "flex"

    def _share(self, label: str, kind: str) -> str:
        """Return how pure neighbourhoods are, with the interval where the curves have it."""
        share, windows = f"{self._points.purity.at[label, kind]:.0%}", self._windows()
        if kind == "chance" or not len(windows):
            return share
        ends = windows.loc[label].iloc[-1 if kind == "mean" else 0]
        return f"{share} ({100 * ends['low']:.0f} to {100 * ends['high']:.0f})"

    def _show_claims(self) -> None:
        found = self._points.claims
        self.test_claims.layout.display = "flex" if found is None else "none"
        title = "<h3>The paper's claims, tested here</h3>"
        if found is None:
            self.claims.value = title + note("Not tested on these clips yet: press the button.")
            return
        rows = [(row.claim, row.place, row.number, VERDICTS[row.holds]) for row in found.itertuples()]
        self.claims.value = (
            title + table(("claim", "place in the paper", "number here", "here it ..."), rows) + note(CAVEAT)
        )

    def _clicked(self, _trace, points, _state) -> None:
        if points.point_inds:
            clip, effect = divmod(points.point_inds[0], 1 if self.effect.value else len(EFFECTS))
            self.choose(clip, list(EFFECTS).index(self.effect.value) if self.effect.value else effect)

    def _sound_of(self, clips: ClipSet, clip: int, effect: int) -> Heard:
        return dry_and_wet(clips, clip, list(EFFECTS)[effect])


def _rendered(clips: ClipSet, row: int, effect: str) -> Clip:
    return render(clips[row], effect)
