"""Page 04, free of widgets: paths of clips along knobs, in the basis of the whole data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from numpy.typing import NDArray

from latentfx_nb import figures
from latentfx_nb.analysis.axes import hear_axes
from latentfx_nb.analysis.claims import path_claims
from latentfx_nb.analysis.comparison import path_measures, path_table
from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.measures import measures_of
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.prepared import NotShipped, effect_means, knob_paths, sweep_means
from latentfx_nb.effects import EFFECTS, TURNABLE, render
from latentfx_nb.encoders import load_encoder, noise_floor
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.finding import found_words, lacking
from latentfx_nb.pages.content.own import of, placed, placed_words, tested_on
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, dry_and_wet, setting_words
from latentfx_nb.pages.markup import averages_pca_words, claims_table, how, measure_words, note, table, table_downloads
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encoded_clips

MOST_PATHS = 8


BEHAVIOUR = "Means over the {n} clips that are drawn; in brackets their 95 % interval."

MEASURED = (
    "Paths are measured in all dimensions of the time averages, not in the picture: three components show a shadow of "
    "a path, in which lengths shrink and bends towards the wall vanish; the straightness of that shadow stands beside "
    "its own. {measures} Intervals are over the clips that are drawn."
)

CLAIMS_TITLE = "<h3>The paper's claims, tested here</h3>"

CAVEAT = "Other models and clips than the paper's: compare directions, not sizes."

TESTED = "The paper's claims are tested on the prepared paths of the four knobs of Table 2, whatever is drawn."


@dataclass(frozen=True)
class KnobChoice(Choice):
    """A knob's setting, the clip that is heard, those whose paths are drawn, and further knobs ("HPF.name")."""

    encoder: str = "diffae-mini"
    effect: str = "HPF"
    knob: str = "cutoff_frequency_hz"
    value: float = 2000.0
    row: int = 0
    rows: tuple[int, ...] = ()
    others: tuple[str, ...] = ()
    test_claims: bool = False
    dimensions: int = 3
    color: str = ""  # what the cloud is coloured by; grey if it is empty
    filter: str = ""  # points of the cloud whose clip, instrument or effect does not have these words are hardly seen

    def knobs(self) -> list[tuple[str, str]]:
        """Return effect and knob of each set of paths that is drawn, the one that turns first."""
        turning = f"{self.effect}.{self.knob}"
        others = [one for one in self.others if one != turning][: figures.MOST_KNOBS - 1]
        return [named(one) for one in (turning, *others)]


@dataclass(frozen=True)
class KnobShown(Shown):
    """The paths of some clips along one knob and along others, and where the knob stands on them."""

    choice: KnobChoice
    basis: PCA
    sweeps: tuple[xr.DataArray, ...]  # means (clip, value, dim), a knob each, the one that turns first
    points: tuple[xr.DataArray, ...]  # the same in the basis (clip, value, component)
    here: xr.DataArray  # (clip, component)
    claims: pd.DataFrame | None = None
    is_exact: bool = False  # the heard clip's point in `here` is that of the very setting
    heard_changed: bool = False  # since the figure was drawn, another clip is listened to

    @property
    def heard(self) -> str:
        """The clip that is listened to."""
        return str(self.clips.table["clip"].iat[self.choice.row])

    @property
    def faded(self) -> NDArray[np.bool_] | None:
        """The samples of the cloud, clip by clip, that are not looked for; None if all are."""
        return lacking(self.basis.points, self.choice.filter)

    @property
    def rows(self) -> list[int]:
        """The clips' rows in the clip set."""
        names = list(self.clips.table["clip"])
        return [names.index(clip) for clip in self.sweeps[0]["clip"].values]


def heard(choice: KnobChoice, clips: ClipSet, shown: KnobShown | None) -> Heard:
    """Return the clip that is listened to, dry and as the knob stands."""
    words = setting_words(choice.effect, choice.knob, choice.value)
    return dry_and_wet(clips, choice.row, choice.effect, choice.value, choice.knob, words)


def prepare(choice: KnobChoice, clips: ClipSet, last: KnobShown | None, progress: Progress) -> KnobShown:
    """Return the paths that are chosen; until all are computed, those that are there are shown."""
    kept, reference = ("encoder", "dimensions"), clips.reference
    if last is not None and last.clips.reference is reference and not last.choice.differing(choice) & set(kept):
        basis, claims = last.basis, last.claims
    else:
        means = progress.read(effect_means, reference, choice.encoder)
        basis, claims = hear_axes(fit_pca(means, choice.dimensions), means, reference), None
    readable = clips if clips.among is not None else encoded_clips(clips, basis.points)
    read = set(readable.table["clip"])
    wanted = [number for number in choice.rows if clips.table["clip"].iat[number] in read]
    rows = sorted(wanted[:MOST_PATHS] or [choice.row])
    if claims is None:
        claims = _claims(choice, reference, progress)

    def shown(sweeps: Sequence[xr.DataArray]) -> KnobShown:
        points = tuple(basis.transform(sweep) for sweep in sweeps)
        return KnobShown(choice, clips, basis, tuple(sweeps), points, _between(points[0], choice), claims)

    return shown(_swept(choice, clips, rows, progress, lambda sweeps: progress.show(shown(sweeps))))


def figure_of(shown: KnobShown) -> go.Figure:
    """Return the figure."""
    points, cloud = shown.points, shown.basis.points
    color, faded = shown.choice.color, shown.faded
    return placed(figures.knob_path(points[0], cloud, shown.here, points[1:], shown.heard, color, faded), shown.clips)


def turned(shown: KnobShown, choice: KnobChoice) -> KnobShown:
    """Return the diamonds on the prepared paths, between the values next to the knob's."""
    changed = shown.heard_changed or choice.row != shown.choice.row
    return replace(shown, choice=choice, here=_between(shown.points[0], choice), is_exact=False, heard_changed=changed)


def exact(shown: KnobShown, progress: Progress) -> KnobShown:
    """Return the heard clip's diamond where the very value belongs."""
    choice = shown.choice
    if choice.row not in shown.rows or shown.is_exact:
        return shown
    wet = heard(choice, shown.clips, shown).wet
    mean = encode_clips(load_encoder(choice.encoder), [progress.sound(wet)])[0].mean(axis=-1)
    progress.check()
    here = shown.here.copy()
    here[shown.rows.index(choice.row)] = shown.basis.transform(mean[None])[0]
    return replace(shown, here=here, is_exact=True)


def moved(shown: KnobShown) -> Mapping[str, dict]:
    """Return the diamonds, and the path of the clip that is heard if it is another than was drawn."""
    points = shown.points[0]
    diamonds = {"knob": figures.knob_trace(points, shown.here, shown.heard)}
    return diamonds | ({"heard path": figures.heard_trace(points, shown.heard)} if shown.heard_changed else {})


def clicked(shown: KnobShown, name: str, points: Any) -> Mapping[str, Any]:
    """A point of a path is a clip and a value: choose both. The sound is loaded, not started."""
    if name not in ("paths", "heard path"):
        return {}
    values = shown.sweeps[0]["value"].values
    path, step = divmod(points.point_inds[0], len(values) + 1)  # a gap follows each path
    row = shown.rows[path] if name == "paths" else shown.choice.row
    return {"row": row, "value": float(values[min(step, len(values) - 1)])}


def sounds(shown: KnobShown) -> Mapping[str, Sequence[Any]]:
    """Return what makes the sound of each point of the paths; the gap that follows each path has its last one's."""
    values = shown.sweeps[0]["value"]
    every = []
    for number in shown.rows:
        sound = partial(render, shown.clips[number], values.attrs["effect"], knob=values.attrs["knob"])
        every += [partial(sound, value=value) for value in values.values.tolist()]
        every.append(every[-1])
    if shown.choice.row not in shown.rows:
        return {"paths": every}
    first = shown.rows.index(shown.choice.row) * (len(values) + 1)
    return {"paths": every, "heard path": every[first : first + len(values) + 1]}


def code_of(shown: KnobShown) -> str:
    """Return the lines that draw this in a notebook."""
    encoder, (turned, *further) = shown.choice.encoder, [_knob_of(sweep) for sweep in shown.sweeps]
    fitted = of(shown.clips)
    lines = (
        f"means = lfx.prepared.effect_means({fitted}, {encoder!r})\n"
        f"pca = lfx.hear_axes(lfx.fit_pca(means, n={shown.choice.dimensions}), means, {fitted})\n"
        f"some = clips[{shown.rows}]\n"
        f"paths = pca.transform(lfx.prepared.sweep_means(some, {encoder!r}, {turned[0]!r}, {turned[1]!r}))\n"
    )
    if further:
        sweep = f"lfx.prepared.sweep_means(some, {encoder!r}, *knob)"
        lines += f"others = [pca.transform({sweep}) for knob in {further}]\n"
    more = (", others=others" if further else "") + f", heard={shown.heard!r}"
    more += f", color={shown.choice.color!r}" if shown.choice.color else ""
    return lines + f"lfx.plots.knob_path(paths, pca.points{more})"


def texts(shown: KnobShown) -> Mapping[str, str]:
    """Return the numbers of each path, how the paths of each knob behave, and the paper's claims."""
    claims = _claims_text(shown.claims) + tested_on(shown.clips)
    texts = {"numbers": _numbers(shown), "tables": _behaviour(shown), "claims": claims, "how": _how(shown)}
    return {**texts, "scale": _scale(shown), **looked(shown)}


def looked(shown: KnobShown) -> Mapping[str, str]:
    """Return how many points of the cloud are found."""
    return {"count": found_words(shown.faded)}


def _swept(
    choice: KnobChoice,
    clips: ClipSet,
    rows: list[int],
    progress: Progress,
    show: Callable[[Sequence[xr.DataArray]], None],
) -> Sequence[xr.DataArray]:
    """Return the means along each knob: whole if they ship; else the heard clip's come first, then the others'."""
    knobs, encoder = choice.knobs(), choice.encoder
    try:
        return [sweep_means(clips[rows], encoder, *one, progress.bar, compute=False) for one in knobs]
    except NotShipped:
        progress.fade()
    heard_first = sorted(rows, key=lambda number: number != choice.row)
    sweeps: list[xr.DataArray] = []
    for one in knobs:
        bar = progress.bar_of(f"The path of {clips.table['clip'].iat[heard_first[0]]}")
        sweeps.append(sweep_means(clips[heard_first[:1]], encoder, *one, bar))
        show(sweeps)
        if len(rows) > 1:
            rest = sweep_means(clips[heard_first[1:]], encoder, *one, progress.bar_of("The other paths"))
            both = xr.concat([sweeps[-1], rest], "clip")
            sweeps[-1] = both.sel(clip=[clip for clip in clips[rows].table["clip"] if clip in both["clip"]])
            show(sweeps)
    return sweeps


def _claims(choice: KnobChoice, clips: ClipSet, progress: Progress) -> pd.DataFrame | None:
    """Return the paper's claims tested on Table 2's four knobs: where their paths ship, or if it was asked for."""
    try:
        return path_claims(knob_paths(clips, choice.encoder, progress.bar, compute=choice.test_claims))
    except NotShipped:
        return None


def _between(points: xr.DataArray, choice: KnobChoice) -> xr.DataArray:
    """Return the points `(clip, component)` between the prepared values next to the knob's, as the page does itself."""
    scale = np.log if is_log(choice) else np.asarray
    settings, value = scale(points["value"].values), scale(choice.value)
    above = int(np.clip(np.searchsorted(settings, value), 1, len(settings) - 1))
    low, high = settings[above - 1], settings[above]
    part = float(np.clip((value - low) / (high - low), 0, 1))
    one, other = points.isel(value=above - 1), points.isel(value=above)
    return one.copy(data=one.values + part * (other.values - one.values))


def is_log(choice: KnobChoice) -> bool:
    """Say whether equal turns of the knob are equal ratios."""
    return EFFECTS[choice.effect].knob(choice.knob).log


def _scale(shown: KnobShown) -> str:
    """Return the colours of the paths with the ends of the knob beside them."""
    low, colors, high = figures.path_scale(shown.points[0])
    bar = f'<i style="background:linear-gradient(to right,{",".join(colors)})"></i>'
    return f'<span class="lfx-scale">{shown.choice.effect} {low} {bar} {high}</span>'


def _numbers(shown: KnobShown) -> str:
    means, points = shown.sweeps[0], shown.points[0]
    own, shadow = path_measures(means), straightness(points.rename(component="dim"))
    head = ("path", "straight", "in the picture", "turns (rad)")
    columns = np.stack((own["straightness"], shadow, own["curvature"]), axis=-1)
    rows = [(clip, *(f"{one:.2f}" for one in line)) for clip, line in zip(own["clip"].values, columns, strict=True)]
    share = np.sum(shown.basis.explained)
    return table(head, rows) + note(f"The picture holds {share:.0%} of the data set's variance.")


def _how(shown: KnobShown) -> str:
    drawn = averages_pca_words(shown.basis.points, shown.sweeps[0].sizes["dim"]) + placed_words(shown.clips)
    floor = [words] if (words := noise_floor(shown.choice.encoder)) else []
    return how(drawn, MEASURED.format(measures=measure_words("paths")), *floor, TESTED)


def _behaviour(shown: KnobShown) -> str:
    paths = {knob_words(*_knob_of(sweep)): sweep for sweep in shown.sweeps}
    measured = path_table(paths)
    measures = measures_of("paths")
    lines = [(knob, *(_with_interval(measured.loc[knob, name]) for name in measures)) for knob in paths]
    saved = table_downloads(measured.unstack("measure").swaplevel(axis=1), "knob_paths")
    title, head = "<h3>How the drawn paths behave</h3>", ("knob", *(one.heading for one in measures.values()))
    return title + table(head, lines) + note(BEHAVIOUR.format(n=len(shown.rows))) + saved


def _claims_text(claims: pd.DataFrame | None) -> str:
    if claims is None:
        return CLAIMS_TITLE + note("Not tested on these clips yet: press the button.")
    return CLAIMS_TITLE + claims_table(claims) + note(CAVEAT)


def every_knob() -> list[str]:
    """Return all knobs of all effects, "HPF.cutoff_frequency_hz"."""
    return [f"{label}.{knob.name}" for label in TURNABLE for knob in EFFECTS[label].knobs]


def named(knob: str) -> tuple[str, str]:
    """Return effect and knob of "HPF.cutoff_frequency_hz"."""
    effect, _, name = knob.partition(".")
    return effect, name


def _knob_of(means: xr.DataArray) -> tuple[str, str]:
    """Return effect and knob of a sweep."""
    return means["value"].attrs["effect"], means["value"].attrs["knob"]


def knob_words(effect: str, knob: str) -> str:
    """Return a knob in words: "High-pass filter: cutoff frequency"."""
    return f"{EFFECTS[effect].name}: {EFFECTS[effect].knob(knob).words}"


def _with_interval(line: pd.Series) -> str:
    return "not known" if np.isnan(line["value"]) else f"{line['value']:.2f} ({line['low']:.2f} to {line['high']:.2f})"
