"""The registry of measures: each is one function with what tables and captions say of it.

The built-in ones are in `measures`. One of your own joins in one line. It then stands in `path_measures`, `path_table`
and `encoder_measures`, in `glossary`, and on the pages that are made of them::

    @lfx.measure("reach", of="paths", better="more", says="distance from a path's first point to its last")
    def reach(paths):  # (clip, value, dim) -> (clip)
        ends = paths.isel(value=-1) - paths.isel(value=0)
        return (ends**2).sum("dim") ** 0.5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.intervals import UNKNOWN, Estimate, estimate
from latentfx_nb.plugins import load_plugins

Data = xr.DataArray | xr.Dataset
Function = TypeVar("Function", bound=Callable[[Any], Any])

KINDS = {
    "renders": "a dataset over (clip, effect): what probes and neighbours say of each render (`claims.row_measures`)",
    "paths": "time averages (clip, value, dim) along a knob",
    "displacements": "time averages (clip, effect, dim) of each effect, less those of the clean clips",
    "means": "time averages (clip, effect, dim), with the clean clips",
    "algebra": "a dataset over (effect, approach, k, clip): the scores of `algebra_study.algebra_scores`",
}
"""What a measure may be computed from: the word for it and what its function is given."""

ALGEBRA_PAIRS = 8
"""Pairs of clips that the compared effect vectors were learned from."""


@dataclass(frozen=True)
class Measure:
    """A number by which latent spaces are compared, and what is said of it.

    function: takes data of the kind `of` (see `KINDS`), returns a number for each clip: `[clip]`, or labelled
    `(clip, ...)`, whose other dims are averaged. Where clips have none of their own it returns an `Estimate`.
    heading: stands over a column. title: over a plot. says: what it is, in a caption. better: which latent space is
    better behaved. place: where the paper looks at it, or "ours".
    """

    name: str
    function: Callable[[Any], Any]
    of: str
    heading: str
    title: str
    says: str
    better: Literal["more", "less"]
    place: str

    @property
    def more_is_better(self) -> bool:
        """Whether the larger of two values is the better behaved one."""
        return self.better == "more"

    def per_clip(self, data: Data) -> xr.DataArray:
        """Return the measure of each clip of `data`, `(clip)`. Raises TypeError if the function returns another."""
        return self._labelled(self.function(data), data)

    def estimate(self, data: Data | None) -> Estimate:
        """Return the mean over the clips of `data` with its interval over recordings; `UNKNOWN` without data."""
        if data is None:
            return UNKNOWN
        found = self.function(data)
        if isinstance(found, Estimate):
            return found
        return estimate(self._labelled(found, data).values, data["recording"].values)

    def _labelled(self, found: Any, data: Data) -> xr.DataArray:
        if not isinstance(found, xr.DataArray) and np.shape(found) == (data.sizes["clip"],):
            coordinates = {str(name): c for name, c in data.coords.items() if c.dims == ("clip",)}
            found = xr.DataArray(np.asarray(found, np.float64), coordinates, ("clip",))
        if not isinstance(found, xr.DataArray) or found.sizes.get("clip") != data.sizes["clip"]:
            raise TypeError(
                f"the measure {self.name!r} must return a number for each of {data.sizes['clip']} clips, as [clip] or "
                f"(clip, ...), not {type(found).__name__} of shape {np.shape(found)}"
            )
        # Where a function took one entry along a dim, its label stays and would not fit those of other measures.
        leftover = [name for name, c in found.coords.items() if name in data.dims and "clip" not in c.dims]
        return found.drop_vars(leftover).mean([dim for dim in found.dims if dim != "clip"])


MEASURES: dict[str, Measure] = {}
"""Every measure by name, in the order of tables: the built-in ones, then those that were registered."""

BUILT_IN: set[str] = set()
"""Names that no measure of a user's own may take."""


def measure(
    name: str,
    *,
    of: str,
    better: Literal["more", "less"],
    says: str,
    heading: str | None = None,
    title: str | None = None,
    place: str = "ours",
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function as the measure `name`; the function itself stays as it is.

    The words are those of `Measure`; `heading` is the name and `title` the heading unless they are given. The function
    is tried at once on a few planted clips. One that is registered again under its name replaces itself.

    Raises ValueError for an unknown kind or direction, for the name of a built-in measure, and for a heading that
    another measure has; TypeError if the function fails on the planted clips or returns no number for each.
    """
    if of not in KINDS:
        raise ValueError(f"the measure {name!r} is of {of!r}; choose one of {', '.join(KINDS)}")
    if better not in ("more", "less"):
        raise ValueError(f"better={better!r} of the measure {name!r} must be 'more' or 'less'")
    if name in BUILT_IN:
        raise ValueError(f"{name!r} is a built-in measure; give yours another name")
    heading = name if heading is None else heading
    if any(other.heading == heading for other in MEASURES.values() if other.name != name):
        raise ValueError(f"another measure has the heading {heading!r}; give {name!r} one of its own")

    def register(function: Function) -> Function:
        one = Measure(name, function, of, heading, heading if title is None else title, says, better, place)
        if BUILT_IN:  # tests try the built-in ones themselves, so that no import has to
            check_measure(one)
        MEASURES[name] = one
        return function

    return register


def all_measures() -> dict[str, Measure]:
    """Return every measure by name, those of plug-ins too."""
    load_plugins()
    return dict(MEASURES)


def measures_of(kind: str) -> dict[str, Measure]:
    """Return the measures of one of the `KINDS`, by name."""
    return {name: one for name, one in all_measures().items() if one.of == kind}


def glossary(of: str | None = None) -> pd.DataFrame:
    """Return what the measures mean, of one of the `KINDS` or of all: the words of captions and tables.

    The rows are measures; the columns heading, title, meaning, better ("more" or "less") and place.
    """
    chosen = all_measures() if of is None else measures_of(of)
    rows = {name: (one.heading, one.title, one.says, one.better, one.place) for name, one in chosen.items()}
    columns = ["heading", "title", "meaning", "better", "place"]
    return pd.DataFrame(list(rows.values()), pd.Index(list(rows), name="measure"), columns)


# ------------------------------------------------------------------------------------------- trying a new measure


def check_measure(one: Measure) -> None:
    """Raise TypeError unless a measure can be computed from a planted data set of its kind."""
    planted = _PLANTED[one.of]()
    try:
        found = one.per_clip(planted) if one.of == "paths" else one.estimate(planted)
    except Exception as error:
        raise TypeError(f"the measure {one.name!r} failed on {KINDS[one.of]}: {error}") from error
    if not np.isfinite(np.asarray(found, np.float64)).any():
        raise TypeError(f"the measure {one.name!r} found no number in {KINDS[one.of]}: return finite ones")


def _clip_labels() -> dict[str, tuple[str, list[str]]]:
    numbers = range(6)
    return {
        "clip": ("clip", [f"clip {i}" for i in numbers]),
        "instrument": ("clip", [f"instrument {i % 2}" for i in numbers]),
        "recording": ("clip", [f"recording {i // 2}" for i in numbers]),
    }


def _planted(**sizes: int) -> xr.DataArray:
    """Return positive random numbers over `(clip, ...)`."""
    values = np.random.default_rng(0).random((6, *sizes.values()))
    return xr.DataArray(values, _clip_labels(), ("clip", *sizes))


def _planted_effects() -> xr.DataArray:
    return _planted(effect=3, dim=4).assign_coords(effect=["CLN", "HPF", "LPF"])


def _planted_rows() -> xr.Dataset:
    names = [
        f"{name}_{kind}" for kind in ("mean", "flat") for name in ("hit", "instrument", "same_effect", "same_clip")
    ]
    return xr.Dataset({name: _planted(effect=3) for name in names})


def _planted_scores() -> xr.Dataset:
    labels = {"effect": ["HPF", "LPF"], "approach": ["mean", "frame", "ridge", "orthogonal"], "k": [1, ALGEBRA_PAIRS]}
    names = ("missed", "missed_mean", "named", "stft", "logmel")
    scores = {name: _planted(effect=2, approach=4, k=2) for name in names}
    beside = {f"{name}_{end}": _planted(effect=2) for name in names for end in ("nothing", "real")}
    return xr.Dataset(scores | beside).assign_coords(labels).transpose("effect", "approach", "k", "clip")


_PLANTED: dict[str, Callable[[], Data]] = {
    "renders": _planted_rows,
    "paths": lambda: _planted(value=8, dim=4),
    "displacements": lambda: _planted_effects().drop_sel(effect="CLN"),
    "means": _planted_effects,
    "algebra": _planted_scores,
}
