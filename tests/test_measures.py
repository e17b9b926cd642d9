"""`latentfx_nb.analysis.measures` and its registry: a measure of one's own stands wherever the built-in ones do."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import xarray as xr

import latentfx_nb as lfx
from latentfx_nb import figures
from latentfx_nb.analysis.comparison import encoder_measures, mean_ranks, nothing_measured, path_measures, path_table
from latentfx_nb.analysis.intervals import UNKNOWN, Estimate
from latentfx_nb.analysis.measures import ALGEBRA_PAIRS, MEASURES, glossary, measure, measures_of
from latentfx_nb.analysis.registry import KINDS, check_measure
from tests.test_comparison import CLIPS, planted_means, planted_rows, planted_scores, straight_paths

pytestmark = pytest.mark.usefixtures("built_in_measures")

TOY = """
import numpy as np

import latentfx_nb as lfx


@lfx.measure("reach", of="paths", better="less", title="knob paths: reach", says="how far a path leads")
def reach(paths):
    ends = paths.isel(value=-1) - paths.isel(value=0)
    return np.linalg.norm(ends.transpose("clip", "dim"), axis=1)  # a plain array
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A measure that is defined in a file outside of the package."""
    (tmp_path / "toy_measures.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("toy_measures").reach
    del sys.modules["toy_measures"]


def register(function=lambda paths: paths.mean(["value", "dim"]), name="own", **words):
    return measure(name, **{"of": "paths", "better": "more", "says": "something"} | words)(function)


def measured(seed=0):
    paths = {"HPF": straight_paths(0.1, seed), "DIS": straight_paths(0.1, seed + 1)}
    return encoder_measures(planted_means(1, seed), paths, planted_rows(0.5), planted_scores(0.25))


def test_a_measure_from_a_file_of_ones_own_stands_in_every_table(toy):
    paths = straight_paths()
    reached = toy(paths)
    own = path_measures(paths)["reach"]
    np.testing.assert_allclose(own, reached)
    assert list(own["recording"].values) == list(paths["recording"].values)
    row = path_table({"HPF": paths}).loc["HPF", "reach"]
    assert row["value"] == pytest.approx(reached.mean())
    assert row["n"] == CLIPS
    found = measured()
    assert list(found.index)[-1] == "reach"
    assert found.loc["reach", "low"] <= found.loc["reach", "value"] <= found.loc["reach", "high"]


def test_a_measure_from_a_file_of_ones_own_stands_in_captions_and_in_the_figure(toy):
    assert glossary("paths").loc["reach"].to_dict() == {
        "heading": "reach",
        "title": "knob paths: reach",
        "meaning": "how far a path leads",
        "better": "less",
        "place": "ours",
    }
    titles = {name: one.title for name, one in MEASURES.items()}
    figure = figures.encoder_comparison({"one": measured(), "other": measured(5)}, titles)
    assert [trace.name for trace in figure.data][-1] == "knob paths: reach"
    assert np.isfinite(figure.data[-1].x).all()


def test_a_measure_of_ones_own_counts_in_the_ranks_in_its_direction(toy):
    near, far = measured(), measured()
    near.loc["reach", "value"], far.loc["reach", "value"] = 1, 2
    ranks = mean_ranks({"near": near, "far": far})
    assert ranks["near"] < ranks["far"]


def test_measures_of_every_kind_join_and_are_computed():
    lfx.measure("spread", of="means", better="more", says="spread")(lambda means: means.std("dim"))
    lfx.measure("push", of="displacements", better="less", says="push")(lambda moved: abs(moved).mean("dim"))
    lfx.measure("miss", of="renders", better="less", says="miss")(lambda rows: 1 - rows["hit_mean"])
    lfx.measure("left", of="algebra", better="less", says="left")(lambda scores: scores["missed"].sel(k=ALGEBRA_PAIRS))
    found = measured()
    assert found.loc["miss", "value"] == pytest.approx(0.5)
    assert np.isfinite(found.loc[["spread", "push", "miss", "left"], ["value", "low", "high"]].to_numpy()).all()
    assert found.loc["left", "n"] == 6


def test_what_there_is_no_data_for_is_unknown():
    assert MEASURES["algebra_mean"].estimate(None) is UNKNOWN
    without = encoder_measures(planted_means(), {"HPF": straight_paths()}, planted_rows(0.5))
    assert without.loc["algebra_mean"].isna().sum() == 3
    assert without.loc["algebra_mean", "n"] == 0


def test_one_that_is_registered_again_replaces_itself():
    for factor in (1, 2):
        measure("own", of="paths", better="more", says="own")(
            lambda paths, by=factor: paths.mean(["value", "dim"]) * by
        )
    assert list(MEASURES).count("own") == 1
    paths = straight_paths()
    np.testing.assert_allclose(path_measures(paths)["own"], 2 * paths.mean(["value", "dim"]))


@pytest.mark.parametrize("name", list(MEASURES))
def test_built_in_measures_pass_the_trial_that_others_pass(name):
    check_measure(MEASURES[name])


def test_every_built_in_measure_says_what_it_is():
    words = glossary()
    assert (words[["heading", "title", "meaning", "place"]] != "").all(axis=None)
    assert words["heading"].is_unique
    assert words["title"].is_unique
    assert set(words["better"]) == {"more", "less"}
    assert set(KINDS) >= {one.of for one in MEASURES.values()}
    assert list(measures_of("paths")) == ["straightness", "curvature", "dimension", "correlation", "agreement"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"of": "sounds"}, "'own' is of 'sounds'; choose one of renders, paths"),
        ({"better": "larger"}, "better='larger' of the measure 'own' must be 'more' or 'less'"),
        ({"name": "straightness"}, "'straightness' is a built-in measure; give yours another name"),
        ({"heading": "turns"}, "another measure has the heading 'turns'; give 'own' one of its own"),
    ],
)
def test_words_that_do_not_fit_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        register(**words)
    assert "own" not in MEASURES


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda paths: 1.0, "'own' must return a number for each of 6 clips"),
        (lambda paths: paths.mean("clip"), "'own' must return a number for each of 6 clips"),
        (lambda paths: paths.sel(nothing=1), "'own' failed on time averages .clip, value, dim. along a knob"),
        (lambda paths: np.full(6, np.nan), "'own' found no number in time averages"),
        (lambda paths: Estimate(1, 1, 1, 1), "'own' must return a number for each of 6 clips"),
    ],
)
def test_functions_that_are_no_measure_are_refused_when_they_join(function, message):
    with pytest.raises(TypeError, match=message):
        register(function)
    assert "own" not in MEASURES


def test_measures_that_took_different_values_of_a_knob_stand_side_by_side():
    register(lambda paths: paths.isel(value=0).mean("dim"), name="start")
    register(lambda paths: paths.isel(value=-1).mean("dim"), name="end")
    paths = straight_paths().assign_coords(value=np.linspace(0, 1, 32))
    found = path_measures(paths)
    np.testing.assert_allclose(found["end"], paths.isel(value=-1).mean("dim"))
    assert "value" not in found.coords


def test_a_frame_in_which_nothing_is_known_has_every_measure(toy):
    frame = nothing_measured()
    assert list(frame.index) == list(measured().index)
    assert list(frame.columns) == list(measured().columns)
    assert frame[["value", "low", "high"]].isna().all(axis=None)


def test_labelled_results_are_averaged_over_their_other_dims():
    data = xr.DataArray(np.arange(6.0).reshape(2, 3), {"recording": ("clip", ["a", "b"])}, ("clip", "effect"))
    register(lambda moved: moved, of="displacements", name="own")
    one = MEASURES["own"]
    np.testing.assert_allclose(one.per_clip(data), [1, 4])
    assert one.estimate(data).value == 2.5
