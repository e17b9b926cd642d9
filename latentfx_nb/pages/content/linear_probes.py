"""Page 05, free of widgets: probes of several encoders at once, what they confuse, and the learning rate."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.placed import UnknownLabels, placed_answers
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.analysis.probes import (
    UNTESTED,
    class_accuracy,
    confusion_matrix,
    learning_rate_curve,
    train_probes,
)
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import load_encoder
from latentfx_nb.figures.among import add_to_titles
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.content.own import of, reference_words
from latentfx_nb.pages.content.probe_texts import paper_marks, probe_texts
from latentfx_nb.pages.content.probe_width import other_width, width_table
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Heard, dry_and_wet
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.encode import encode_effects, encoded_clips

TRAINED = frozenset({"encoders", "kinds", "label", "rate", "seeds", "standardise", "mono"})
"""Fields that probes are trained by."""

MOST_LABELS = 24
"""Labels of a column that can be asked for: more fit neither the bars nor the matrix."""


@dataclass(frozen=True)
class ProbesChoice(Choice):
    """What is trained, and of what was trained, whose confusions are looked at, which of them, and which render."""

    encoders: tuple[str, ...] = ("diffae-mini",)
    kinds: tuple[str, ...] = ("T",)
    label: str = "effect"
    rate: float = ProbeConfig().learning_rate
    seeds: int = 3
    standardise: bool = True
    mono: bool = False  # effects with a stereo width are summed to mono
    train: bool = False
    compare_rates: bool = False
    confused_set: str | None = None  # "diffae-mini-T"; None: the first
    cell: tuple[str, str] | None = None  # a label and what it is named; None: the pair that is confused most often
    confused: tuple[int, str] | None = None  # a clip's row among those that were probed, and an effect; None: the first

    def config(self) -> ProbeConfig:
        """Return the protocol of the training."""
        seeds = tuple(range(self.seeds))
        return ProbeConfig(learning_rate=self.rate, standardise=self.standardise, seeds=seeds)


class Confused(NamedTuple):
    """A render, and the share of the probes that it was tested by which took it for something."""

    row: int
    effect: str
    share: float


@dataclass(frozen=True)
class ProbesShown(Shown):
    """Trained probes, and perhaps how accurate others are at other learning rates."""

    choice: ProbesChoice
    probed: ClipSet  # those of the clips that could be read and that are named
    results: Mapping[str, xr.Dataset]  # "diffae-mini-T" -> what `train_probes` found, of the clips' reference
    own: Mapping[str, xr.Dataset]  # the same names -> what these probes name a visitor's clips; empty if there are none
    rates: Mapping[str, pd.DataFrame] | None = None  # a row a learning rate
    news: str = ""  # what is said once this is drawn
    width: Mapping[str, xr.Dataset] = field(default_factory=dict)  # as `results`, of the other stereo width

    def chosen(self) -> xr.Dataset:
        """Return the result whose confusions are shown: of a visitor's own clips, if they can be named."""
        return self.answers()[str(self.choice.confused_set)]

    def answers(self) -> Mapping[str, xr.Dataset]:
        """Return what the probes name whom, by the name of the set."""
        return self.own or self.results

    def cell_words(self) -> str:
        """Return the chosen cell in words: "DLY named CLN"."""
        return " named ".join(self.choice.cell or ())

    def renders(self) -> list[Confused]:
        """Return the renders of the chosen cell."""
        return confused_renders(self.chosen(), self.choice.cell) if self.choice.cell else []


def prepare(choice: ProbesChoice, clips: ClipSet, last: ProbesShown | None, progress: Progress) -> ProbesShown:
    """Return newly trained probes; or, if that was asked for, those of before with the curves of learning rates.

    A visitor's own clips are named by probes that were trained on their reference.
    """
    same = last is not None and last.clips.reference is clips.reference and not last.choice.differing(choice) & TRAINED
    if last is not None and same and not choice.train and not choice.compare_rates:
        probed, own = _named(choice, clips, last.results, progress)
        return turned(
            replace(last, clips=clips, probed=probed, own=own, news=""), replace(choice, cell=None, confused=None)
        )
    probed, features = _features(choice, clips.reference, progress)
    if choice.compare_rates and last is not None:
        curve = learning_rate_curve(features, choice.label, choice.config(), bar=progress.bar)
        return replace(last, rates={name: curve.loc[name] for name in curve.index.unique("features")}, news="")
    results = _trained(choice, features, last, progress)
    probes = sum(result["epoch"].size for result in results.values())
    news = f"{probes} probes trained: each fold of recordings is the test once, for each seed."
    named, own = _named(choice, clips, results, progress)
    width = other_width(results, clips, choice.mono, choice.config(), progress) if choice.label == "effect" else {}
    shown = ProbesShown(choice, clips, probed if clips.among is None else named, results, own, news=news, width=width)
    return turned(shown, replace(choice, confused=None))


def further(shown: ProbesShown, progress: Progress) -> None:
    """Say how many probes were trained."""
    progress.say(shown.news)


def turned(shown: ProbesShown, choice: ProbesChoice) -> ProbesShown:
    """Return the confusions that are looked at; what is not there any more gives way to what is confused most often."""
    names = list(shown.results)
    name = choice.confused_set if choice.confused_set in names else names[0]
    result = shown.answers()[str(name)]
    cell = choice.cell
    if cell is None or not set(cell) <= set(result["label"].values):
        cell = _most_confused(confusion_matrix(result))
    renders = [(one.row, one.effect) for one in confused_renders(result, cell)]
    same = (name, cell) == (shown.choice.confused_set, shown.choice.cell)
    render = choice.confused if same and choice.confused in renders else next(iter(renders), None)
    return replace(shown, choice=replace(choice, confused_set=name, cell=cell, confused=render))


def moved(shown: ProbesShown) -> Mapping[str, dict]:
    """Return the matrix."""
    return {"confusions": figures.confusion_cells(confusion_matrix(shown.chosen()))}


def figure_of(shown: ProbesShown) -> go.Figure:
    """Return the figure."""
    confused, paper = str(shown.choice.confused_set), paper_marks(shown.results, shown.choice.label)
    figure = figures.linear_probes(
        _accuracies(shown), confusion_matrix(shown.chosen()), shown.rates, paper=paper, confused=confused
    )
    return figure if shown.clips.among is None else _said_whose(figure, shown)


def _said_whose(figure: go.Figure, shown: ProbesShown) -> go.Figure:
    """Write into the picture which of its parts is of a visitor's own clips."""
    others, own = reference_words(shown.clips), "your own clips"
    if not shown.own:
        own = f"{others}: the {shown.choice.label} of your own is not known"
    return add_to_titles(figure, {"ccuracy": others, "taken": own, "onfusions": own})


def heard(choice: ProbesChoice, clips: ClipSet, shown: ProbesShown | None) -> Heard | None:
    """Return the render that is listened to, and its clip; None if no render is in the cell."""
    if shown is None:
        return None
    looked = turned(shown, choice)  # what waits for a button is of no matter here
    if looked.choice.confused is None:
        return None
    row, effect = looked.choice.confused
    words = f"{EFFECTS[effect].name} ({looked.cell_words()})"
    heard = dry_and_wet(shown.probed, row, effect, words=words)
    return heard._replace(wet=heard.wet._replace(mono=choice.mono))


def clicked(shown: ProbesShown, name: str, points: Any) -> Mapping[str, Any]:
    """Return the cell of the matrix that was clicked, and the first of its renders."""
    if name != "confusions":
        return {}
    return {"cell": (html.unescape(str(points.ys[0])), html.unescape(str(points.xs[0]))), "confused": None}


def encoders_of(choice: ProbesChoice) -> Sequence[str]:
    """Return the encoders whose shipped points may be shown."""
    return choice.encoders


def code_of(shown: ProbesShown) -> str:
    """Return the lines that train and draw this in a notebook."""
    sets, mono = [], ", mono=True" if shown.choice.mono else ""
    for drawn in shown.results:
        name, kind = drawn.rsplit("-", 1)
        means, all_of_it = (
            f"prepared.effect_means({of(shown.clips)}, {name!r}{mono})",
            f"encode_effects({of(shown.clips)}, lfx.load_encoder({name!r}){mono})",
        )
        sets.append(f"{drawn!r}: lfx.{means if kind == 'T' else all_of_it}")
    config = shown.choice.config()
    chosen = f"learning_rate={config.learning_rate}, standardise={config.standardise}, seeds={config.seeds}"
    return (
        f"features = {{{', '.join(sets)}}}\n"
        f"results = lfx.train_probes(features, {shown.choice.label!r}, lfx.ProbeConfig({chosen}))\n"
        "accuracies = {name: lfx.probes.class_accuracy(result) for name, result in results.items()}\n"
        f"matrix = lfx.probes.confusion_matrix(results[{shown.choice.confused_set!r}])\n"
        "lfx.plots.linear_probes(accuracies, matrix)"
    )


def texts(shown: ProbesShown) -> Mapping[str, str]:
    """Return the table beside the paper's, and the paper's claims, if the effect was asked for."""
    named = shown.choice.label == "effect"
    width = width_table(shown.results, shown.width, shown.choice.mono) if named else ""
    return {**probe_texts(shown.results, shown.choice.label, shown.clips), "width": width}


def labels_of(clips: ClipSet) -> list[str]:
    """Return "effect" and every column of the clip table that a probe could learn."""
    found, clips = ["effect"], clips.reference
    for column in clips.table.columns.drop("recording"):
        recordings = clips.table.groupby(column, dropna=False)["recording"].nunique()
        if 2 <= len(recordings) <= MOST_LABELS and recordings.min() >= 3 and not recordings.index.hasnans:
            found.append(column)
    return found


def confused_renders(result: xr.Dataset, cell: tuple[str, str]) -> list[Confused]:
    """Return the renders of a label that some probe took for another, those that most probes did first."""
    names, (label, named) = list(result["label"].values), cell
    tested = (result["predicted"] != UNTESTED).sum("seed")
    share = (result["predicted"] == names.index(named)).sum("seed") / tested
    shares = share.where(result["truth"] == names.index(label), 0).transpose("clip", "effect").values
    renders = np.argwhere(shares > 0)[np.argsort(-shares[shares > 0], kind="stable")]
    effects = list(EFFECTS)
    return [Confused(int(row), effects[effect], float(shares[row, effect])) for row, effect in renders]


def _features(choice: ProbesChoice, clips: ClipSet, progress: Progress) -> tuple[ClipSet, dict[str, xr.DataArray]]:
    """Return the clips that could be read, and of them the chosen sets, `name-T` and `name-F`.

    Every column of the clip table is a coordinate.
    """
    chosen = [(name, kind) for name in choice.encoders for kind in choice.kinds]
    if not 1 <= len(chosen) <= figures.MOST_SETS:
        raise ValueError(f"{len(chosen)} feature sets are chosen: choose 1 to {figures.MOST_SETS} of them")
    sets = {f"{name}-{kind}": _read(clips, name, kind, choice.mono, progress) for name, kind in chosen}
    clips = encoded_clips(clips, next(iter(sets.values())))
    columns = {name: ("clip", clips.table[name].astype(str).to_numpy(object)) for name in clips.table.columns}
    return clips, {name: features.assign_coords(columns) for name, features in sets.items()}


def _named(
    choice: ProbesChoice, clips: ClipSet, results: Mapping[str, xr.Dataset], progress: Progress
) -> tuple[ClipSet, dict[str, xr.Dataset]]:
    """Return the clips that were read, and what probes name a visitor's own; nothing if their labels are not known."""
    if clips.among is None:
        return encoded_clips(clips, next(iter(results.values()))["truth"]), {}
    try:
        read, features = _features(choice, clips, progress)
        return read, {name: placed_answers(results[name], one, choice.label) for name, one in features.items()}
    except UnknownLabels:
        return encoded_clips(clips.reference, next(iter(results.values()))["truth"]), {}


def _read(clips: ClipSet, name: str, kind: str, mono: bool, progress: Progress) -> xr.DataArray:
    if kind == "T":
        return progress.read(partial(effect_means, mono=mono), clips, name)
    return encode_effects(clips, load_encoder(name), mono=mono, bar=progress.bar)


def _trained(
    choice: ProbesChoice, features: Mapping[str, xr.DataArray], last: ProbesShown | None, progress: Progress
) -> dict[str, xr.Dataset]:
    """Return trained probes; their bars grow meanwhile, and those of before come back if it is stopped."""
    too_many = range(len(features) + 1, len(last.results if last else ()) + 1)
    hidden = {f"bars {number}": {"visible": False} for number in too_many}
    before = _accuracies(last) if last else {}
    dimmed = {"confusions": {"opacity": figures.STALE}}

    def grow(accuracy: dict[str, float]) -> None:
        progress.move(figures.growing_bars(accuracy, before) | hidden | dimmed)

    try:
        return train_probes(features, choice.label, choice.config(), bar=progress.bar, watch=grow)
    except Exception:
        progress.move_back()
        raise


def _most_confused(confusion: xr.DataArray) -> tuple[str, str]:
    """Return the label that is most often taken for another one, and that one."""
    wrong = np.where(np.eye(len(confusion)), -1, confusion.values)
    label, named = np.unravel_index(wrong.argmax(), wrong.shape)
    return str(confusion["label"].values[label]), str(confusion["named"].values[named])


def _accuracies(shown: ProbesShown) -> dict[str, pd.DataFrame]:
    """Return the accuracy of each set by label."""
    return {name: class_accuracy(result) for name, result in shown.results.items()}
