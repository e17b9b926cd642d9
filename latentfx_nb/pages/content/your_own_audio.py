"""Page 08, free of widgets: a visitor's clips through all effects, among the bundled clips; and what is exported."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb import figures
from latentfx_nb.analysis.axes import hear_axes
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.umap import fit_umap
from latentfx_nb.cache import cache_dir
from latentfx_nb.encoders import load_encoder
from latentfx_nb.figures.own_points import ring_place
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.finding import by_trace, found_words, lacking, sample_of
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, Sound, dry_and_wet, rendered
from latentfx_nb.pages.markup import averages_pca_words, counted, how, note
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects, encoded_clips
from latentfx_nb.store.exports import points_table, write_latents, write_parquet
from latentfx_nb.widgets.host import owns_kernel

MOST_SENT = 100 * 10**6
"""Bytes of a file that is sent to the page."""

UMAP_NEIGHBOURS = 15

SPACES = (("the bundled clips' PCA", "bundled"), ("their own PCA", "own"))

NOTHING_YET = "nothing is encoded yet: add files and press Encode"


@dataclass(frozen=True)
class OwnChoice(Choice):
    """An encoder, a folder if one is named, the PCA that is drawn in, and the point that is heard."""

    encoder: str = "diffae-mini"
    folder: str = ""
    space: str = "bundled"
    row: int = 0
    effect: str = "CLN"
    encode: bool = False
    dimensions: int = 3
    color: str = "effect"
    filter: str = ""  # points of one's own whose clip, instrument or effect does not have these words are hardly seen


@dataclass(frozen=True)
class OwnShown(Shown):
    """Points of the bundled clips, `clips`, and those of one's own clips as soon as they are encoded."""

    choice: OwnChoice
    around: xr.DataArray  # time averages (clip, effect, dim) of the bundled clips
    bundled: PCA[xr.DataArray]  # of these
    basis: PCA[xr.DataArray]  # that is drawn in
    own: ClipSet | None = None
    means: xr.DataArray | None = None  # time averages (clip, effect, dim) of one's own clips

    @property
    def points(self) -> xr.DataArray:
        """One's own points (clip, effect, component); at first there are none."""
        return self.bundled.points.isel(clip=slice(0)) if self.means is None else self.basis.transform(self.means)

    @property
    def faded(self) -> NDArray[np.bool_] | None:
        """One's own samples, clip by clip, that are not looked for; None if all are, or if there are none."""
        return None if self.means is None else lacking(self.means, self.choice.filter)

    @property
    def chosen(self) -> tuple[int, int] | None:
        """The numbers of the clip and the effect of the point that is heard."""
        return None if self.means is None else (self.choice.row, _labels(self.means).index(self.choice.effect))


def prepare(
    choice: OwnChoice, clips: ClipSet, last: OwnShown | None, progress: Progress, own: Callable[[], ClipSet]
) -> OwnShown:
    """Return the bundled points; with Encode, or for another encoder once there are any, the points of `own()` too."""
    if last is None:
        return _around(choice, clips, progress)
    encoded_anew = choice.encode or (last.means is not None and last.choice.encoder != choice.encoder)
    if not encoded_anew:
        flat = choice.dimensions != last.choice.dimensions
        bundled = _heard(last.around, last.around, choice, clips) if flat else last.bundled
        return _in_space(replace(last, choice=choice, bundled=bundled))
    found = own()
    means = encode_effects(found, load_encoder(choice.encoder), average=True, bar=progress.bar)
    first = replace(choice, row=0, effect=_labels(means)[0])
    shown = replace(_around(first, clips, progress), own=encoded_clips(found, means), means=means)
    progress.say(f"{counted(len(found), 'clip')} through {means.sizes['effect']} effects: click a point to hear it.")
    return _in_space(shown)


def _around(choice: OwnChoice, clips: ClipSet, progress: Progress) -> OwnShown:
    around = progress.read(effect_means, clips, choice.encoder)
    bundled = _heard(around, around, choice, clips)
    return OwnShown(choice, clips, around, bundled, bundled)


def _in_space(shown: OwnShown) -> OwnShown:
    if shown.means is None or shown.choice.space == "bundled":
        return replace(shown, basis=shown.bundled)
    return replace(shown, basis=_heard(shown.means, shown.around, shown.choice, shown.clips))


def _heard(fitted: xr.DataArray, around: xr.DataArray, choice: OwnChoice, clips: ClipSet) -> PCA[xr.DataArray]:
    """Return the PCA of `fitted`, whose axes are named by what is heard of the bundled clips along them."""
    return hear_axes(fit_pca(fitted, choice.dimensions), around, clips)


def _labels(means: xr.DataArray) -> list[str]:
    return [str(label) for label in means["effect"].values]


def figure_of(shown: OwnShown) -> go.Figure:
    """Return one's own points over the cloud of the bundled clips."""
    cloud = shown.basis.transform(shown.around)
    return figures.own_points(shown.points, cloud, shown.chosen, shown.choice.color, shown.faded)


def texts(shown: OwnShown) -> Mapping[str, str]:
    """Return how the PCA was made that is drawn in, and how many points are found."""
    points = shown.basis.points
    whose, renders = "bundled" if shown.basis is shown.bundled else "your own", np.prod(points.shape[:2])
    drawn_in = note(f"Drawn in the PCA of {renders} renders of {whose} clips.")
    made = how(averages_pca_words(points, shown.basis.mean.sizes["dim"]))
    return {"drawn_in": drawn_in, "how": made, **looked(shown)}


def looked(shown: OwnShown) -> Mapping[str, str]:
    """Return how many of one's own points are found."""
    return {"count": found_words(shown.faded)}


def heard(choice: OwnChoice, clips: ClipSet, shown: OwnShown | None) -> Heard | None:
    """Return the clip of the chosen point, dry and through its effect."""
    if shown is None or shown.own is None or choice.row >= len(shown.own):
        return None
    return dry_and_wet(shown.own, choice.row, choice.effect)


def clicked(shown: OwnShown, name: str, points: Any) -> Mapping[str, Any]:
    """A point of one's own is a clip and an effect: ring it, and load its sound; it is not started."""
    kind, _, key = name.partition(" ")
    if kind != "points" or shown.means is None:
        return {}
    sample = sample_of(shown.means, shown.choice.color, key, points.point_inds[0])
    if sample is None:
        return {}
    row, effect = divmod(sample, shown.means.sizes["effect"])
    return {"row": row, "effect": _labels(shown.means)[effect]}


def turned(shown: OwnShown, choice: OwnChoice) -> OwnShown:
    """Return another point chosen; whatever else is chosen meanwhile is not shown yet."""
    return replace(shown, choice=replace(shown.choice, row=choice.row, effect=choice.effect))


def moved(shown: OwnShown) -> Mapping[str, dict]:
    """Return the ring."""
    return {"chosen": ring_place(shown.points, shown.chosen)}


def sounds(shown: OwnShown) -> Mapping[str, Sequence[Callable[[], Any]]]:
    """Return what makes the sound of each of one's own points."""
    if shown.own is None or shown.means is None:
        return {}
    every = [Sound(shown.own, row, label) for row in range(len(shown.own)) for label in _labels(shown.means)]
    return by_trace(shown.means, shown.choice.color, "points", [partial(rendered, sound) for sound in every])


def code_of(shown: OwnShown) -> str:
    """Return the lines that draw this in a notebook, from the folder that holds the files."""
    choice = shown.choice
    folder = choice.folder if owns_kernel() and choice.folder else "FOLDER"
    fitted = "bundled" if choice.space == "bundled" else "means"
    color = "" if choice.color == "effect" else f", color={choice.color!r}"
    return (
        f"import latentfx_nb as lfx\n\nclips = lfx.load_clips({folder!r})\n"
        f"means = lfx.encode_effects(clips, lfx.load_encoder({choice.encoder!r}), average=True)\n"
        f"others = lfx.load_clips('bundled')\nbundled = lfx.prepared.effect_means(others, {choice.encoder!r})\n"
        f"pca = lfx.hear_axes(lfx.fit_pca({fitted}, n={choice.dimensions}), bundled, others)\n"
        f"lfx.plots.own_points(pca.transform(means), pca.transform(bundled){color})"
    )


# ------------------------------------------------------------------------------------------------------------- exports


def points_of(shown: OwnShown, progress: Progress) -> pd.DataFrame:
    """Return the points in the bundled and in their own PCA and, where they are enough, in a UMAP.

    Raises ValueError if nothing is encoded yet.
    """
    if shown.means is None or shown.own is None:
        raise ValueError(NOTHING_YET)
    points: dict[str, Any] = {"pca": shown.bundled.transform(shown.means), "own_pca": fit_pca(shown.means, 3).points}
    if np.prod(shown.means.shape[:2]) > UMAP_NEIGHBOURS + 1:
        progress.say(f"UMAP is being computed, of {np.prod(shown.means.shape[:2])} renders ...")
        points["umap"] = cast(xr.DataArray, fit_umap(shown.means, 2).points)  # labelled, as what it was fitted on
    progress.say("")
    return points_table(points, shown.own)


class Export(NamedTuple):
    """A file that the browser saves: its name, what is in it, and its MIME type."""

    name: str
    content: bytes
    kind: str

    def words(self) -> str:
        """Return what was saved, for the status line: "points.csv: 12 kB"."""
        size = len(self.content)
        return f"{self.name}: {size / 1e6:.1f} MB" if size >= 10**6 else f"{self.name}: {max(size / 1e3, 1):.0f} kB"


def parquet_file(shown: OwnShown, progress: Progress) -> Export:
    """Return the points as Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        content = write_parquet(points_of(shown, progress), Path(folder, "points.parquet")).read_bytes()
    return Export("points.parquet", content, "application/vnd.apache.parquet")


def csv_file(shown: OwnShown, progress: Progress) -> Export:
    """Return the points as CSV."""
    return Export("points.csv", points_of(shown, progress).to_csv(index=False).encode(), "text/csv")


def latents_file(shown: OwnShown, progress: Progress) -> Export | Path:
    """Return all latents as netCDF; of large ones, where on this machine they are written.

    Raises ValueError if nothing is encoded yet, and on a dashboard if they are too large to send.
    """
    if shown.own is None:
        raise ValueError(NOTHING_YET)
    latents = encode_effects(shown.own, load_encoder(shown.choice.encoder), bar=progress.bar)
    if 4 * latents.size <= MOST_SENT:
        with tempfile.TemporaryDirectory() as folder:
            content = write_latents(latents, Path(folder, "latents.nc")).read_bytes()
        return Export("latents.nc", content, "application/x-netcdf")
    if not owns_kernel():
        raise ValueError(
            f"these latents are {4 * latents.size / 1e6:.0f} MB, too many to send to a page: take fewer clips, or "
            "run the page on your own machine"
        )
    return write_latents(latents, cache_dir() / "exports" / "latents.nc", overwrite=True)


EXPORTS: Mapping[str, Callable[[OwnShown, Progress], Export | Path]] = {
    "Points (Parquet)": parquet_file,
    "Points (CSV)": csv_file,
    "Latents (netCDF)": latents_file,
}
"""What the page's buttons say -> what makes their files."""
