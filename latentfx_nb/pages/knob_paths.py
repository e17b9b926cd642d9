"""Figures 6-9: a knob moves a clip along its path, in the basis of the whole data set, with sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.claims import VERDICTS, path_claims
from latentfx_nb.analysis.comparison import PATH_MEASURES, path_measures, path_table
from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.prepared import NotShipped, effect_means, knob_paths, path_clips, sweep_means
from latentfx_nb.effects import EFFECTS, TURNABLE, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages.base import STYLE, Heard, Panel, clip_label, dry_and_wet
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.pages.markup import averages_pca_words, note, table, table_downloads
from latentfx_nb.paper import KNOB_RANGES
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

MOST_PATHS = 8

KNOBS = [(label, knob.name) for label in TURNABLE for knob in EFFECTS[label].knobs]

BEHAVIOUR = (
    "Measured in all dimensions of the time averages, not in the picture: three components show a shadow of a path, in "
    "which lengths shrink and bends towards the wall vanish; the straightness of that shadow stands beside its own. A "
    "straight line has straightness 1, turns by 0 and has one dimension; a circle turns by 6.28. One direction tells "
    "the knob: fitted on the other clips' paths, how well the place along it goes with the knob on this one. "
    "Agreement: the mean cosine between clips, from the knob's first value to its last. In brackets the 95 % interval "
    "over the clips that are drawn, n = {n}."
)

CLAIMS_TITLE = "<h3>The paper's claims, tested here</h3>"

CAVEAT = (
    "On the prepared paths of the four knobs of Table 2, whatever is drawn above. Other models and clips than the "
    "paper's: compare directions, not sizes."
)


class _Paths(NamedTuple):
    """What is drawn, put in place all at once: the knob may be turned while the next choice is being prepared."""

    clips: ClipSet
    encoder: str
    basis: PCA
    means: xr.DataArray  # (clip, value, dim)
    points: xr.DataArray  # (clip, value, component)
    others: list[xr.DataArray]  # means along further knobs, drawn but not turned

    @property
    def rows(self) -> list[int]:
        """The clips' rows in the clip set."""
        names = list(self.clips.table["clip"])
        return [names.index(clip) for clip in self.means["clip"].values]

    def other_points(self) -> list[xr.DataArray]:
        return [self.basis.transform(means) for means in self.others]


class KnobPaths(Panel):
    """Turn a knob: diamonds move along prepared paths at once; the heard clip is rendered and encoded for that value.

    A knob whose paths do not ship is heard first; then the heard clip's path is computed and drawn, then the others.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effect: str = "HPF",
        dimensions: int = 3,
    ) -> None:
        super().__init__(source, encoder)
        # Table 2's effects come first.
        self.knob = KnobControl(effect, [*KNOB_RANGES, *(label for label in TURNABLE if label not in KNOB_RANGES)])
        self.chosen = widgets.SelectMultiple(rows=8, layout={"width": "340px"})
        self.heard = widgets.Dropdown(description="Listen to", style=STYLE, layout={"width": "340px"})
        self.others = widgets.SelectMultiple(
            options=[(_knob_name(*knob), knob) for knob in KNOBS], rows=5, layout={"width": "340px"}
        )
        self.numbers, self.tables, self.claims = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.test_claims = widgets.Button(
            description="Test the claims", tooltip="encodes four knob paths of up to eight clips"
        )
        self._dimensions = dimensions
        self._list_clips()
        *_, self._drawn = self._paths()
        self.figure = self.figure_widget(
            figures.knob_path(self._drawn.points, self._drawn.basis.points, self._nearest(self._drawn)),
            "Paths of clips through latent space as a knob turns",
        )
        self.stale = self.figure.data[1 : 2 + figures.MOST_KNOBS]
        self._further = self.figure.data[3 : 2 + figures.MOST_KNOBS]
        self._legend = self.figure.data[2 + figures.MOST_KNOBS :]
        self.figure.data[1].on_click(self._clicked)
        self._show_numbers()
        self._show_claims()
        self.children = self._layout()
        self.on_clips(self._clips_changed)
        self.encoder.observe(lambda _: self._prepare(), "value")
        self.chosen.observe(lambda _: self._listing or self._prepare(), "value")
        self.others.observe(lambda _: self._prepare(), "value")
        self.test_claims.on_click(lambda _: self.worker.submit("claims", self._test_claims))
        self.heard.observe(lambda _: self._listing or self._turned(), "value")
        self.knob.on_choose(self._prepare)
        self.knob.on_turn(self._turned)
        self.offer(self._chosen_sound())

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        choices = widgets.HBox([self.clip_set, self.own_files, self.encoder, *self.knob.choices], layout=row)
        label = widgets.Label(f"Draw the paths of (up to {MOST_PATHS}; Ctrl-click for several)")
        more = widgets.Label(f"Draw their paths along these knobs too (up to {figures.MOST_KNOBS - 1})")
        side = widgets.VBox(
            [self.heard, label, self.chosen, more, self.others, self.numbers],
            layout={"width": "360px", "margin": "10px 0 0 0"},
        )
        view = widgets.VBox([self.figure], layout={"flex": "1 1 500px", "min_width": "0"})
        below = widgets.HBox([view, side], layout={"width": "100%"})
        tools = FigureTools(self, "knob_paths", self._sounds)
        return [
            *(choices, self.knob.slider, self.status, self.player, below, tools),
            *(self.tables, self.claims, self.test_claims),
        ]

    def code(self) -> str:
        """Return the lines that draw this in a notebook."""
        drawn = self._drawn
        swept = [drawn.means, *drawn.others]
        turned, *further = [(one.attrs["effect"], one.attrs["knob"]) for one in (x["value"] for x in swept)]
        lines = self.clips_code() + (
            f"pca = lfx.fit_pca(lfx.prepared.effect_means(clips, {drawn.encoder!r}), n={self._dimensions})\n"
            f"some = clips[{drawn.rows}]\n"
            f"paths = pca.transform(lfx.prepared.sweep_means(some, {drawn.encoder!r}, {turned[0]!r}, {turned[1]!r}))\n"
        )
        if further:
            sweep = f"lfx.prepared.sweep_means(some, {drawn.encoder!r}, *knob)"
            lines += f"others = [pca.transform({sweep}) for knob in {further}]\n"
        return lines + f"lfx.plots.knob_path(paths, pca.points{', others=others' if further else ''})"

    def _sounds(self) -> dict[int, list[Callable[[], Clip]]]:
        """Return what makes the sound of each point of the paths; the gap that follows each path has its last one's."""
        drawn, values = self._drawn, self._drawn.means["value"]
        every = []
        for row in drawn.rows:
            sound = partial(render, drawn.clips[row], values.attrs["effect"], knob=values.attrs["knob"])
            every += [partial(sound, value=value) for value in values.values.tolist()]
            every.append(every[-1])
        return {1: every}

    def _list_clips(self) -> None:
        options = [(clip_label(self.clips, row), row) for row in range(len(self.clips))]
        first = set(path_clips(self.clips).table["clip"])
        chosen = [row for row, clip in enumerate(self.clips.table["clip"]) if clip in first][:MOST_PATHS]
        self._listing = True  # one choice is being made here, not five
        self.chosen.value = ()  # the page would look for rows that the new list may not have
        self.chosen.options, self.heard.options = options, options
        self.chosen.value, self.heard.value = tuple(chosen), chosen[0]
        self._listing = False

    def _clips_changed(self) -> None:
        self._list_clips()
        self._prepare()

    def _prepare(self) -> None:
        """Hear what was chosen, and draw its paths as they come; a newer choice stops an older one's work."""

        def job() -> None:
            for drawn in self._paths():
                self._draw(drawn)
            self._show_claims()

        self.hear(self._chosen_sound())
        self.prepare(job)

    def _paths(self) -> Iterator[_Paths]:
        """Yield the paths that are chosen now, whole if they ship; else the heard clip's first, then the others'.

        The basis is the last one's if clips and encoder are still the same.
        """
        clips, encoder, knob = self.clips, self.encoder.value, (self.knob.effect, self.knob.name)
        knobs = [knob, *[one for one in self.others.value if one != knob][: figures.MOST_KNOBS - 1]]
        last = getattr(self, "_drawn", None)
        if last is not None and last.clips is clips and last.encoder == encoder:
            basis = last.basis
        else:
            basis = fit_pca(self.read(effect_means, clips, encoder), self._dimensions)

        read = set(encoded_clips(clips, basis.points).table["clip"])
        wanted = [row for row in self.chosen.value if clips.table["clip"].iat[row] in read]
        rows = sorted(wanted[:MOST_PATHS] or [self.heard.value])

        def paths(means: xr.DataArray, *others: xr.DataArray) -> _Paths:
            return _Paths(clips, encoder, basis, means, basis.transform(means), list(others))

        try:
            yield paths(*(sweep_means(clips[rows], encoder, *one, self.busy, compute=False) for one in knobs))
        except NotShipped:
            self.fade(self.stale)
            heard_first = sorted(rows, key=lambda row: row != self.heard.value)
            sweeps: list[xr.DataArray] = []
            for one in knobs:
                bar = self.busy_with(f"The path of {clips.table['clip'].iat[heard_first[0]]}")
                sweeps.append(sweep_means(clips[heard_first[:1]], encoder, *one, bar))
                yield paths(*sweeps)
                if len(rows) > 1:
                    rest = sweep_means(clips[heard_first[1:]], encoder, *one, self.busy_with("The other paths"))
                    both = xr.concat([sweeps[-1], rest], "clip")
                    sweeps[-1] = both.sel(clip=[clip for clip in clips[rows].table["clip"] if clip in both["clip"]])
                    yield paths(*sweeps)

    def _draw(self, drawn: _Paths) -> None:
        self._drawn = drawn
        with self.figure.batch_update():
            cloud = drawn.basis.points
            self.figure.data[0].update(**figures.coordinates(cloud), text=figures.hover_texts(cloud))
            self.figure.data[1].update(figures.path_trace(drawn.points), opacity=1)
            self.figure.data[2].update(figures.knob_trace(drawn.points, self._nearest(drawn)), opacity=1)
            others = [*drawn.other_points(), *[None] * figures.MOST_KNOBS][: figures.MOST_KNOBS - 1]
            for trace, paths in zip(self._further, others, strict=True):
                trace.update({k: v for k, v in figures.path_trace(paths).items() if k in trace}, opacity=1)
            for trace, paths in zip(self._legend, (drawn.points, *others), strict=True):
                trace.update(figures.path_legend(paths))
        self._show_numbers()
        self.worker.submit("render", self._draw_exact)

    def _is_chosen(self, drawn: _Paths) -> bool:
        """Say whether `drawn` is of what the choosers name: it is not while that is prepared, or if that failed."""
        named, knob = drawn.means["value"].attrs, self.knob
        same = drawn.clips is self.clips and drawn.encoder == self.encoder.value
        return same and (named["effect"], named["knob"]) == (knob.effect, knob.name)

    def _chosen_sound(self) -> Heard:
        knob = self.knob
        return dry_and_wet(self.clips, self.heard.value, knob.effect, knob.value, knob.name, knob.text())

    def _turned(self) -> None:
        """Load the sound and move the diamonds to the nearest prepared values now, and then to this very value."""
        self.hear(self._chosen_sound())
        drawn = self._drawn
        if self._is_chosen(drawn):
            self._move_knob(drawn, self._nearest(drawn))
        self.worker.submit("render", self._draw_exact)

    def _nearest(self, drawn: _Paths) -> xr.DataArray:
        """Return the points `(clip, component)` of the prepared value next to the knob's."""
        settings, knob = drawn.means["value"].values, self.knob
        off = np.log(settings / knob.value) if knob.spec.log else settings - knob.value
        return drawn.points.isel(value=int(np.argmin(np.abs(off))))

    def _move_knob(self, drawn: _Paths, here: xr.DataArray) -> None:
        self.figure.data[2].update(figures.knob_trace(drawn.points, here))

    def _draw_exact(self) -> None:
        drawn, wet = self._drawn, self._chosen_sound().wet
        if wet.row in drawn.rows and self._is_chosen(drawn):
            mean = encode_clips(load_encoder(drawn.encoder), [self.sound(wet)])[0].mean(axis=-1)
            self._check()
            here = np.stack([self.figure.data[2][axis] for axis in "xyz"[: self._dimensions]], axis=-1)
            here[drawn.rows.index(wet.row)] = drawn.basis.transform(mean[None])[0]
            self._move_knob(drawn, xr.DataArray(here))

    def _clicked(self, _trace, points, _state) -> None:
        """A point of a path is a clip and a value: choose both. The sound is loaded, not started."""
        if points.point_inds and self._is_chosen(self._drawn):
            values = self._drawn.means["value"].values
            path, step = divmod(points.point_inds[0], len(values) + 1)  # a gap follows each path
            self.heard.value = self._drawn.rows[path]
            self.knob.value = float(values[min(step, len(values) - 1)])

    def _show_numbers(self) -> None:
        drawn = self._drawn
        own, shadow = path_measures(drawn.means), straightness(drawn.points.rename(component="dim"))
        head = ("path", "straight", "in the picture", "turns (rad)")
        columns = (own["straightness"], shadow, own["curvature"])
        rows = [
            (clip, *(f"{one:.2f}" for one in line))
            for clip, line in zip(own["clip"].values, np.stack(columns, axis=-1), strict=True)
        ]
        share, dims = np.sum(drawn.basis.explained), drawn.means.sizes["dim"]
        self.numbers.value = table(head, rows) + note(
            f"The picture holds {share:.0%} of the data set's variance. {averages_pca_words(drawn.basis.points, dims)}"
        )
        paths = {_knob_name(**_knob_of(means)): means for means in (drawn.means, *drawn.others)}
        measured = path_table(paths)
        lines = [(knob, *(_with_interval(measured.loc[knob, name]) for name in PATH_MEASURES)) for knob in paths]
        saved = table_downloads(measured.unstack("measure").swaplevel(axis=1), "knob_paths")
        title, head = "<h3>How the drawn paths behave</h3>", ("knob", *PATH_MEASURES.values())
        self.tables.value = title + table(head, lines) + note(BEHAVIOUR.format(n=len(drawn.rows))) + saved

    def _show_claims(self) -> None:
        """Show the paper's claims tested on Table 2's four knobs: at once where their paths ship."""
        drawn = self._drawn
        try:
            self._show_claims_of(knob_paths(drawn.clips, drawn.encoder, self.busy, compute=False))
        except NotShipped:
            self.test_claims.layout.display = "flex"
            self.claims.value = CLAIMS_TITLE + note("Not tested on these clips yet: press the button.")

    def _test_claims(self) -> None:
        self._show_claims_of(knob_paths(self._drawn.clips, self._drawn.encoder, self.busy))

    def _show_claims_of(self, paths: Mapping[str, xr.DataArray]) -> None:
        found = path_claims(paths)
        rows = [(row.claim, row.place, row.number, VERDICTS[row.holds]) for row in found.itertuples()]
        head = ("claim", "place in the paper", "number here", "here it ...")
        self.test_claims.layout.display = "none"
        self.claims.value = CLAIMS_TITLE + table(head, rows) + note(CAVEAT)


def _knob_of(means: xr.DataArray) -> dict[str, str]:
    """Return effect and knob of a sweep."""
    return {name: means["value"].attrs[name] for name in ("effect", "knob")}


def _knob_name(effect: str, knob: str) -> str:
    return f"{EFFECTS[effect].name}: {EFFECTS[effect].knob(knob).words}"


def _with_interval(row: pd.Series) -> str:
    return "not known" if np.isnan(row["value"]) else f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
