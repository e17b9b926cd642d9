"""Page 03, free of widgets: PCA and UMAP of all renders in four views, and how pure their neighbourhoods are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb import figures
from latentfx_nb.analysis.clusters import ClusterPoints
from latentfx_nb.analysis.placed import placed_means, placed_points
from latentfx_nb.analysis.prepared import VIEWS, cluster_claims, cluster_points, umap_neighbours, window_purity
from latentfx_nb.effects import TABLE_1, render
from latentfx_nb.encoders import encoder_row
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.finding import by_trace, found_words, lacking, sample_of
from latentfx_nb.pages.content.own import placed, placed_words, tested_on
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, dry_and_wet
from latentfx_nb.pages.curves import curves_picture
from latentfx_nb.pages.markup import claims_table, heard_words, note, pca_words, table, umap_words
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

KINDS = {"mean": "time-averaged", "flat": "flattened", "chance": "chance"}

HOW_PURE = (
    "How pure the neighbourhoods are: the share of a point's nine nearest neighbours, measured in the latents and not "
    "in their picture, that have its effect, instrument or clip. The curves below say the same for "
    "latents averaged in windows and then flattened, from one frame (flattened) to the whole clip (time-averaged). In "
    "brackets, and as their bands, the 95 % interval over recordings; n = {renders} renders, of {clips} clips from "
    "{recordings} recordings."
)

NO_TIME = (
    "{encoder} gives one vector a clip: there is no time to average or to flatten, so flattened and averaged latents "
    "give the same pictures."
)

NOT_PLACED = "Your own clips are not here yet:\npress Compute UMAP"

NO_WINDOWS = "Averaging windows: press Test the claims."

CLAIMS_TITLE = "<h3>The paper's claims, tested here</h3>"

CAVEAT = (
    "Other models, other clips and other splits than the paper's: compare directions, not sizes. In brackets the 95 % "
    "interval over recordings; a difference holds if its whole interval is above zero."
)


@dataclass(frozen=True)
class ClustersChoice(Choice):
    """Which points are drawn and how they are coloured, and the one that is ringed and heard."""

    encoder: str = "diffae-mini"
    effect: str = ""  # the only one whose points are drawn; all if it is empty
    color: str = "effect"
    ringed_row: int = 0
    ringed_effect: str = "CLN"
    compute_umap: bool = False
    test_claims: bool = False
    dimensions: int = 3
    main_view: str = "pca_mean"  # the one that is drawn large
    filter: str = ""  # points whose clip, instrument or effect does not have these words are hardly seen
    selected: tuple[int, ...] = ()  # samples of all clips and effects, clip by clip; all if it is empty


@dataclass(frozen=True)
class ClustersShown(Shown):
    """Points of a clip set in up to four views; a visitor's own among those of their reference.

    Purities and claims are always the reference's: a few clips have no neighbourhoods of their own.
    """

    choice: ClustersChoice
    points: ClusterPoints
    drawn: ClipSet  # the clips of the points, row for row: some of `clips` may not have been encoded
    around: ClusterPoints  # the reference's; the same as `points` if the clips are their own reference

    @property
    def means(self) -> xr.DataArray:
        """The points of the time averages `(clip, effect, component)`: of all views, these are always there."""
        return self.points.views["pca_mean"]

    @property
    def effects(self) -> list[str]:
        """The effects whose points are drawn."""
        return [self.choice.effect] if self.choice.effect else [str(label) for label in self.means["effect"].values]

    @property
    def rows(self) -> list[int]:
        """The rows in the clip set of the clips that are drawn."""
        return list(pd.Index(self.clips.table["clip"]).get_indexer(self.drawn.table["clip"]))

    @property
    def windows(self) -> pd.DataFrame:
        """Purity by averaging window; empty if it is not measured."""
        return pd.DataFrame() if self.points.windows is None else self.points.windows

    @property
    def faded(self) -> NDArray[np.bool_] | None:
        """The samples of `means`, clip by clip, that are not looked for or not selected; None if all are."""
        unfound, chosen = lacking(self.means, self.choice.filter), self.choice.selected
        if not chosen:
            return unfound
        unselected = ~np.isin(np.arange(self.means.sizes["clip"] * self.means.sizes["effect"]), chosen)
        return unselected if unfound is None else unfound | unselected

    @property
    def samples(self) -> NDArray[np.int64]:
        """The numbers of the samples that are drawn, among all of `means`."""
        every = np.arange(self.means.sizes["clip"] * self.means.sizes["effect"]).reshape(self.means.shape[:2])
        labels = [str(label) for label in self.means["effect"].values]
        return every[:, [labels.index(label) for label in self.effects]].ravel()

    def sample(self, trace: str, number: int) -> int | None:
        """Return the sample that a point of a trace ("view 1 HPF") is; None for other traces."""
        kind, _, key = trace.partition(" ")[2].partition(" ") if trace.startswith("view ") else ("", "", "")
        drawn = self.means.sel(effect=self.effects)
        found = sample_of(drawn, self.choice.color, key, number) if kind else None
        return None if found is None else int(self.samples[found])

    def ringed(self, view: str) -> xr.DataArray | None:
        """Return the ringed point `(component)` of a view; None if there is no such view."""
        if view not in self.points.views:
            return None
        place = self.rows.index(_ringed_row(self.choice, self))
        return self.points.views[view].isel(clip=place).sel(effect=self.choice.ringed_effect)


def heard(choice: ClustersChoice, clips: ClipSet, shown: ClustersShown | None) -> Heard:
    """Return the ringed clip without and with its effect."""
    row = choice.ringed_row if shown is None or shown.clips is not clips else _ringed_row(choice, shown)
    return dry_and_wet(clips, row, choice.ringed_effect)


def prepare(choice: ClustersChoice, clips: ClipSet, last: ClustersShown | None, progress: Progress) -> ClustersShown:
    """Return the points; UMAP that does not ship, and the claims, only if they are asked for."""
    around = _around(choice, clips.reference, last, progress)
    points = around if clips.among is None else _placed(choice, clips, around, last, progress)
    progress.say("")
    return ClustersShown(choice, clips, points, encoded_clips(clips, points.views["pca_mean"]), around)


def figure_of(shown: ClustersShown) -> go.Figure:
    """Return one view large and the others small; one that is not computed yet has no points and says so."""
    points = shown.points
    names = [f"UMAP{i + 1}" for i in range(shown.means.sizes["component"])]
    blank = shown.means.isel(clip=slice(0)).assign_coords(component=names)
    views = {_title(shown.around, view): points.views.get(view, blank).sel(effect=shown.effects) for view in VIEWS}
    rings = [shown.ringed(view) for view in VIEWS]
    faded = _faded(shown)
    main = list(VIEWS).index(shown.choice.main_view)
    if shown.clips.among is None:
        return figures.large_and_small(views, main, shown.choice.color, rings, faded)
    around = [_drawn_around(shown, view) for view in VIEWS]
    figure = figures.large_and_small(views, main, shown.choice.color, rings, faded, around, NOT_PLACED)
    return placed(figure, shown.clips)


def _drawn_around(shown: ClustersShown, view: str) -> xr.DataArray | None:
    """Return the reference's points of a view, if there is one."""
    return shown.around.views[view].sel(effect=shown.effects) if view in shown.around.views else None


def turned(shown: ClustersShown, choice: ClustersChoice) -> ClustersShown:
    """Return the same with another point ringed."""
    return replace(shown, choice=choice)


def moved(shown: ClustersShown) -> Mapping[str, dict]:
    """Return the rings."""
    rings = {f"chosen {number}": shown.ringed(view) for number, view in enumerate(VIEWS, start=1)}
    return {name: {**figures.coordinates(ring), "opacity": 1} for name, ring in rings.items() if ring is not None}


def clicked(shown: ClustersShown, name: str, points: Any) -> Mapping[str, Any]:
    """A point of the large view is a clip and an effect: ring it, and load its sound."""
    if view_of(name) != shown.choice.main_view:
        return {}
    sample = shown.sample(name, points.point_inds[0])
    if sample is None:
        return {}
    clip, effect = divmod(sample, shown.means.sizes["effect"])
    return {"ringed_row": int(shown.rows[clip]), "ringed_effect": str(shown.means["effect"].values[effect])}


def view_of(trace: str) -> str | None:
    """Return the view that a trace ("view 2 HPF") is of; None for other traces."""
    kind, _, rest = trace.partition(" ")
    return list(VIEWS)[int(rest.split()[0]) - 1] if kind == "view" else None


def selected(shown: ClustersShown, points: Iterable[tuple[str, int]]) -> tuple[int, ...]:
    """Return the samples that points of traces are: the same in all views."""
    found = {shown.sample(name, number) for name, number in points}
    return tuple(sorted(one for one in found if one is not None))


def sounds(shown: ClustersShown) -> Mapping[str, Sequence[Any]]:
    """Return what makes the sound of each point that is drawn, in the order of the points of each trace."""
    every = [
        partial(_rendered, shown.drawn, row, effect) for row in range(len(shown.drawn)) for effect in shown.effects
    ]
    points = shown.means.sel(effect=shown.effects)
    drawn = [f"view {number}" for number, view in enumerate(VIEWS, start=1) if view in shown.points.views]
    each = [by_trace(points, shown.choice.color, view, every) for view in drawn]
    return {name: sounds for view in each for name, sounds in view.items()}


def texts(shown: ClustersShown) -> Mapping[str, str]:
    """Return how pure the neighbourhoods are, and the paper's claims."""
    timeless = np.isnan(encoder_row(shown.choice.encoder)["frame_rate_hz"])
    curves = "" if timeless else curves_picture(shown.windows) if len(shown.windows) else note(NO_WINDOWS)
    claims = _claims_text(shown.points.claims) + tested_on(shown.clips)
    return {"numbers": _numbers(shown) + curves, "claims": claims, **looked(shown)}


def looked(shown: ClustersShown) -> Mapping[str, str]:
    """Return how many points are found."""
    return {"count": found_words(_faded(shown))}


def code_of(shown: ClustersShown) -> str:
    """Return the lines that draw this in a notebook."""
    choice = shown.choice
    some = f".sel(effect=[{choice.effect!r}])" if choice.effect else ""
    if shown.clips.among is not None:
        return (
            f"pca = lfx.fit_pca(lfx.prepared.effect_means(reference, {choice.encoder!r}), n={choice.dimensions})\n"
            f"points = pca.transform(lfx.prepared.effect_means(clips, {choice.encoder!r}))\n"
            f"lfx.plots.clusters(points{some}, color={choice.color!r})"
        )
    return (
        f"points = lfx.prepared.cluster_points(clips, {choice.encoder!r}, n={choice.dimensions})\n"
        f"views = {{lfx.prepared.VIEWS[view]: x{some} for view, x in points.views.items()}}\n"
        f"lfx.plots.effect_clusters(views, color={choice.color!r}, windows=points.windows)"
    )


def _around(
    choice: ClustersChoice, reference: ClipSet, last: ClustersShown | None, progress: Progress
) -> ClusterPoints:
    """Return the points of the reference."""
    points, fitted = None, {"encoder", "dimensions"}
    if last is not None and last.clips.reference is reference and not last.choice.differing(choice) & fitted:
        points = last.around
    if points is None or choice.compute_umap:
        points = _points(choice, reference, points, progress)
    if choice.test_claims:
        windows = window_purity(reference, choice.encoder, progress.bar)
        points = replace(points, windows=windows, claims=cluster_claims(reference, choice.encoder, progress.bar))
    return points


def _points(choice: ClustersChoice, clips: ClipSet, last: ClusterPoints | None, progress: Progress) -> ClusterPoints:
    """Return the points, with UMAP if it is asked for; claims that were tested on the `last` ones stay."""
    if choice.compute_umap:
        progress.say(f"UMAP is being computed, of {len(clips) * len(TABLE_1)} renders ...")
    points = progress.read(cluster_points, clips, choice.encoder, choice.dimensions, choice.compute_umap)
    if points.claims is None and last is not None:
        return replace(points, claims=last.claims, windows=last.windows)
    return points


def _placed(
    choice: ClustersChoice, clips: ClipSet, around: ClusterPoints, last: ClustersShown | None, progress: Progress
) -> ClusterPoints:
    """Return a visitor's clips in the views of the reference: in all of them if that is asked for, else in the PCA."""
    if choice.compute_umap:
        return replace(around, views=placed_points(clips, choice.encoder, around, choice.dimensions, progress.bar))
    if last is not None and last.clips is clips and last.around.views is around.views:
        return replace(around, views=last.points.views)
    progress.fade()
    return replace(around, views={"pca_mean": placed_means(clips, choice.encoder, choice.dimensions, progress.bar)})


def _ringed_row(choice: ClustersChoice, shown: ClustersShown) -> int:
    """Return the row of the clip that is ringed: the first that is drawn, if the chosen one is not."""
    return choice.ringed_row if choice.ringed_row in shown.rows else shown.rows[0]


def _rendered(clips: ClipSet, row: int, effect: str) -> Clip:
    return render(clips[row], effect)


def _faded(shown: ClustersShown) -> NDArray[np.bool_] | None:
    """Return which of the samples that are drawn are hardly seen; None if all are seen."""
    return None if shown.faded is None else shown.faded[shown.samples]


def _title(points: ClusterPoints, view: str) -> str:
    if view not in points.views:
        return f"{VIEWS[view]}: not computed yet"
    share = points.explained.get(view)
    return VIEWS[view] if share is None else f"{VIEWS[view]} · {100 * share.sum():.0f} %"


def _numbers(shown: ClustersShown) -> str:
    encoder, means = shown.choice.encoder, shown.around.views["pca_mean"]
    clips, recordings = means.sizes["clip"], encoded_clips(shown.clips.reference, means).table["recording"].nunique()
    renders = clips * means.sizes["effect"]
    purity = shown.points.purity.index
    rows = [(label, *(_share(shown, label, kind) for kind in KINDS)) for label in purity]
    about = encoder_row(encoder)
    made = pca_words(f"{renders} renders", about["dim"]).removesuffix(".") + "; flattened: as many of every frame. "
    text = table(("neighbours of the same ...", *KINDS.values()), rows)
    text += note(HOW_PURE.format(renders=renders, clips=clips, recordings=recordings))
    made += umap_words(umap_neighbours(means))
    if shown.choice.main_view in shown.around.views:
        made += heard_words(shown.around.views[shown.choice.main_view])
    text += tested_on(shown.clips) + note(made + placed_words(shown.clips))
    return text + (note(NO_TIME.format(encoder=encoder)) if np.isnan(about["frame_rate_hz"]) else "")


def _share(shown: ClustersShown, label: str, kind: str) -> str:
    """Return how pure neighbourhoods are, with the interval where the curves have it."""
    share = f"{shown.points.purity.at[label, kind]:.0%}"
    if kind == "chance" or not len(shown.windows):
        return share
    ends = shown.windows.loc[label].iloc[-1 if kind == "mean" else 0]
    return f"{share} ({100 * ends['low']:.0f} to {100 * ends['high']:.0f})"


def _claims_text(claims: pd.DataFrame | None) -> str:
    if claims is None:
        return CLAIMS_TITLE + note("Not tested on these clips yet: press the button.")
    return CLAIMS_TITLE + claims_table(claims) + note(CAVEAT)
