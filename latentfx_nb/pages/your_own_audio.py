"""Files of one's own: hand them in, see and hear where they lie, open them in every other page, take them away."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.umap import fit_umap
from latentfx_nb.cache import cache_dir
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.pages.base import STYLE, Panel, dry_and_wet
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.markup import averages_pca_words, download, note
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.store.encode import encode_effects, encoded_clips
from latentfx_nb.store.exports import points_table, write_latents, write_parquet
from latentfx_nb.widgets.host import owns_kernel

OTHERS = {
    "Latent images (01)": "LatentImages",
    "Trajectories (02)": "Trajectories",
    "Effect clusters (03)": "EffectClusters",
    "Knob paths (04)": "KnobPaths",
    "Linear probes (05)": "LinearProbes",
    "Dimension masking (06)": "DimensionMasking",
    "Latent algebra (07)": "LatentAlgebra",
}
"""The pages that show any clips, and their panels."""

MOST_LINKED = 40 * 10**6
"""Bytes of a file that a link in the page can hold."""

UMAP_NEIGHBOURS = 15

SPACES = (("the bundled clips' PCA", "bundled"), ("their own PCA", "own"))


class YourOwnAudio(Panel):
    """Add files, or name a folder; encode them through all effects; click a point to hear it; export, or go on."""

    lists_files = True

    def __init__(self, encoder: str = "diffae-mini", dimensions: int = 3) -> None:
        super().__init__("bundled", encoder)
        self._dimensions = dimensions
        self._own: ClipSet | None = None  # what is drawn
        self._means: xr.DataArray | None = None
        self._chosen = 0, 0
        self.folder = widgets.Text(placeholder="or a folder on this machine", layout={"width": "320px"})
        self.clear = widgets.Button(description="Remove all", tooltip="removes the files that were added")
        self.encode_button = widgets.Button(
            description="Encode", button_style="primary", tooltip="through all ten effects; can be stopped and go on"
        )
        self.space = widgets.Dropdown(options=SPACES, description="Draw in", style=STYLE, layout={"width": "270px"})
        self.page = widgets.Dropdown(options=OTHERS, description="Open them in", style=STYLE, layout={"width": "320px"})
        self.open_button = widgets.Button(description="Open", tooltip="the page appears below, with these clips")
        self.links, self.drawn_in, self.place = widgets.HTML(), widgets.HTML(), widgets.VBox()
        self._bundled: PCA = fit_pca(self.read(effect_means, self.clips, encoder), dimensions)
        cloud = self._bundled.points
        self.figure = self.figure_widget(
            figures.own_points(cloud.isel(clip=slice(0)), cloud),
            "Your clips through ten effects among the bundled clips, as points in three dimensions",
        )
        self.figure.data[1].on_click(self._clicked)
        self.children = self._layout()
        self.clear.on_click(lambda _: self.worker.submit("clear", self._clear))
        self.encode_button.on_click(lambda _: self.worker.submit("encode", self._encode))
        self.open_button.on_click(lambda _: self.worker.submit("open", self._open))
        self.encoder.observe(lambda _: self.worker.submit("encode", self._encode_again), "value")
        self.space.observe(lambda _: self.worker.submit("draw", self._draw), "value")

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        named = [self.folder] if owns_kernel() else []
        first = widgets.HBox([*named, self.clear, self.encoder, self.encode_button, self.space], layout=row)
        exports = [
            self._export_button("Points (Parquet)", self._export_parquet),
            self._export_button("Points (CSV)", self._export_csv),
            self._export_button("Latents (netCDF)", self._export_latents),
        ]
        export = widgets.HBox([widgets.Label("Take away"), *exports, self.links], layout=row)
        self._show_basis()
        tools = FigureTools(self, "your_own_audio", self._sounds)
        further = widgets.HBox([self.page, self.open_button], layout=row)
        return [
            self.own_files,
            first,
            self.status,
            self.player,
            self.figure,
            tools,
            self.drawn_in,
            export,
            further,
            self.place,
        ]

    def _export_button(self, words: str, job: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=words, layout={"width": "150px"})
        button.on_click(lambda _: self.worker.submit("export", job))
        return button

    def code(self) -> str:
        """Return the lines that draw this in a notebook, from the folder that holds the files."""
        folder = self.folder.value if owns_kernel() and self.folder.value else "FOLDER"
        name = self.encoder.value
        fitted = "bundled" if self.space.value == "bundled" else "means"
        return (
            f"import latentfx_nb as lfx\n\nclips = lfx.load_clips({folder!r})\n"
            f"means = lfx.encode_effects(clips, lfx.load_encoder({name!r}), average=True)\n"
            f"bundled = lfx.prepared.effect_means(lfx.load_clips('bundled'), {name!r})\n"
            f"pca = lfx.fit_pca({fitted}, n={self._dimensions})\n"
            "lfx.plots.own_points(pca.transform(means), pca.transform(bundled))"
        )

    # ------------------------------------------------------------------------------------------------------- the files

    def files_added(self) -> None:
        """Leave the files where they stand: here they are encoded with a button."""

    def _clear(self) -> None:
        self.own_files.clear()
        self.folder.value = ""

    def _source(self) -> ClipSet:
        if owns_kernel() and self.folder.value.strip():
            clips = load_clips(self.folder.value.strip(), warn=False)
        else:
            clips = self.own_files.uploads.clips()
        self.own_files.tell_skipped(clips.skipped)
        return clips

    # ---------------------------------------------------------------------------------------------- points and sound

    def _encode(self) -> None:
        self.status.say("")
        clips = self._source()
        means = encode_effects(clips, load_encoder(self.encoder.value), average=True, bar=self.busy)
        self._bundled = fit_pca(self.read(effect_means, self.clips, self.encoder.value), self._dimensions)
        self._own, self._means, self._chosen = encoded_clips(clips, means), means, (0, 0)
        self._draw()
        self.choose(0, 0)
        self.status.say(f"{len(clips)} clips through {means.sizes['effect']} effects: click a point to hear it.")

    def _encode_again(self) -> None:
        if self._own is not None:
            self._encode()

    def _basis(self) -> PCA:
        return self._bundled if self.space.value == "bundled" else fit_pca(self._means, self._dimensions)

    def _draw(self) -> None:
        if self._means is None:
            return
        basis = self._basis()
        self._show_basis(basis)
        self._points = basis.transform(self._means)
        cloud = basis.transform(self.read(effect_means, self.clips, self.encoder.value))
        looks = figures.point_looks(self._points, "effect")
        with self.figure.batch_update():
            self.figure.data[0].update(figures.coordinates(cloud))
            self.figure.data[1].update(figures.coordinates(self._points), text=figures.hover_texts(self._points))
            self.figure.data[1].marker.update(looks)
            self.figure.data[2].update(figures.coordinates(self._points[self._chosen]))

    def _show_basis(self, basis: PCA | None = None) -> None:
        basis = basis or self._bundled
        self.drawn_in.value = note(averages_pca_words(basis.points, basis.mean.sizes["dim"]))

    def choose(self, clip: int, effect: int) -> None:
        """Ring a point and load its sound; it is not started."""
        self._chosen = clip, effect
        self.hear(dry_and_wet(self._own, clip, list(EFFECTS)[effect]))
        self.figure.data[2].update(figures.coordinates(self._points[clip, effect]))

    def _clicked(self, _trace, points, _state) -> None:
        if points.point_inds and self._means is not None:
            self.choose(*map(int, divmod(points.point_inds[0], self._means.sizes["effect"])))

    def _sounds(self) -> dict[int, list[Callable[[], Clip]]]:
        if self._own is None:
            return {}
        return {1: [partial(render, clip, label) for clip in self._own for label in EFFECTS]}

    # --------------------------------------------------------------------------------------------- onwards, and away

    def _open(self) -> None:
        """Build another page's panel for these clips below this one, in place of the last."""
        clips = self._own or self._source()
        self.status.say("Opening ...")
        name = self.page.value
        panel = getattr(import_module("latentfx_nb.pages"), name)
        chosen = {"encoders": (self.encoder.value,)} if name == "LinearProbes" else {"encoder": self.encoder.value}
        opened = panel(clips, **chosen)
        before, self.place.children = self.place.children, [opened]
        for one in before:
            one.close()
        self.status.say("")

    def _table(self) -> pd.DataFrame:
        """Return the points in the bundled and in their own PCA, and, where they are enough, in a UMAP."""
        if self._means is None:
            raise ValueError("nothing is encoded yet: add files and press Encode")
        points = {"pca": self._bundled.transform(self._means), "own_pca": fit_pca(self._means, 3).points}
        if np.prod(self._means.shape[:2]) > UMAP_NEIGHBOURS + 1:
            self.status.say("UMAP is being computed; the first one takes up to a minute.")
            points["umap"] = fit_umap(self._means, 2).points
        self.status.say("")
        return points_table(points, self._own)

    def _export_parquet(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            content = write_parquet(self._table(), Path(folder, "points.parquet")).read_bytes()
        self.links.value = download("points.parquet", "points.parquet", content, "application/vnd.apache.parquet")

    def _export_csv(self) -> None:
        self.links.value = download("points.csv", "points.csv", self._table().to_csv(index=False), "text/csv")

    def _export_latents(self) -> None:
        if self._own is None:
            raise ValueError("nothing is encoded yet: add files and press Encode")
        latents = encode_effects(self._own, load_encoder(self.encoder.value), bar=self.busy)
        if 4 * latents.size <= MOST_LINKED:
            with tempfile.TemporaryDirectory() as folder:
                content = write_latents(latents, Path(folder, "latents.nc")).read_bytes()
            self.links.value = download("latents.nc", "latents.nc", content, "application/x-netcdf")
        elif owns_kernel():
            path = write_latents(latents, cache_dir() / "exports" / "latents.nc", overwrite=True)
            self.links.value = note(f"Written to {path}")
        else:
            raise ValueError(
                f"these latents are {4 * latents.size / 1e6:.0f} MB, too many for a link in a page: take fewer clips, "
                "or run the page on your own machine"
            )
