"""`latentfx_nb.analysis.axes`: axes have the words of what goes with them, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr

import latentfx_nb as lfx
from latentfx_nb.analysis import axes, prepared, shipped
from latentfx_nb.analysis.axes import Ends, axis_ends, rank_correlations, sound_descriptors, with_ends
from latentfx_nb.effects import TABLE_1, render
from latentfx_nb.encoders import DEFAULT_ENCODERS
from latentfx_nb.figures import clusters
from latentfx_nb.pages.markup import heard_words
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.sound.descriptors import DESCRIPTORS, describe

SHAPE = (12, 10)


@pytest.fixture(scope="module")
def bundled():
    return load_clips("bundled")


def described(**columns):
    """Return descriptors of 12 clips through ten effects; those that are not given are noise."""
    noise = np.random.default_rng(1).standard_normal((*SHAPE, len(DESCRIPTORS)))
    values = [columns.get(name, noise[..., i]) for i, name in enumerate(DESCRIPTORS)]
    labels = {"clip": [f"c{i}" for i in range(SHAPE[0])], "effect": list(TABLE_1), "descriptor": list(DESCRIPTORS)}
    return xr.DataArray(np.stack(values, axis=-1), labels, ("clip", "effect", "descriptor"))


def placed(*columns):
    """Return points of the same sounds, a column an axis."""
    labels = {"clip": [f"c{i}" for i in range(SHAPE[0])], "effect": list(TABLE_1)}
    labels["component"] = [f"PC{i + 1}" for i in range(len(columns))]
    return xr.DataArray(np.stack(columns, axis=-1), labels, ("clip", "effect", "component"))


def any_values(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE)


# ------------------------------------------------------------------------------------------------------------ the words


def test_rank_correlations_are_spearmans_with_ties_as_well():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((200, 3)), generator.integers(0, 4, (200, 2)).astype(float)
    y[:, 1] += x[:, 2]
    found = rank_correlations(x, y)
    expected = [[spearmanr(a, b).statistic for b in y.T] for a in x.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert rank_correlations(x, np.ones((200, 1))).tolist() == [[0], [0], [0]]


def test_an_axis_has_the_words_of_what_rises_or_falls_along_it():
    bright, wide = any_values(2), any_values(3)
    ends = axis_ends(placed(np.exp(bright), any_values(4), -wide), described(centroid_hz=bright, width=wide))
    assert ends[0] == Ends("darker", "brighter", "spectral centroid", pytest.approx(1), 120)
    assert ends[1] is None
    assert ends[2] == Ends("wider", "narrower", "stereo width", pytest.approx(-1), 120)


@pytest.mark.parametrize(("weight", "named"), [(1.0, True), (0.3, False)])
def test_below_a_half_nothing_is_said(weight, named):
    """The weight of the axis's own variation beside the descriptor's says how strongly they go together."""
    bright = any_values(2)
    points = placed(weight * bright + any_values(5), any_values(6), any_values(7))
    own = described(centroid_hz=bright)
    rho = spearmanr(points[..., 0].values.ravel(), bright.ravel()).statistic
    assert bool(rho >= axes.LEAST_RHO) is named
    assert (axis_ends(points, own)[0] is not None) is named


def test_the_strongest_names_an_axis_and_each_word_stands_at_one():
    bright = any_values(2)
    nearly, less = bright + 0.2 * any_values(8), bright + 0.7 * any_values(9)
    first, second = axis_ends(placed(less, nearly), described(centroid_hz=bright, flux=less + 0.3 * any_values(10)))
    assert (first.descriptor, second.descriptor) == ("spectral flux", "spectral centroid")


def test_few_or_silent_sounds_name_nothing():
    bright = any_values(2)
    points, own = placed(bright, any_values(3)), described(centroid_hz=bright)
    silent = own.copy()
    silent[:2] = np.nan  # two clips
    assert axis_ends(points, silent)[0].n == 100
    silent[2, 0] = np.nan
    assert axis_ends(points, silent) == [None, None]
    assert axis_ends(points.isel(clip=slice(9)), own.isel(clip=slice(9))) == [None, None]


# ---------------------------------------------------------------------------------------------------------- what ships


@pytest.mark.parametrize("effect", TABLE_1)
def test_descriptors_that_ship_agree_with_a_recomputation(effect, bundled):
    rows = [5, 40]
    ours = sound_descriptors(bundled[rows], [effect], compute=False)
    atol = {"PS": 0.05}.get(effect, 1e-3)  # a last bit may move one of pitch shift's windows
    for row, number in enumerate(rows):
        again = describe(render(bundled[number], effect))
        np.testing.assert_allclose(ours.values[row, 0], list(again.values()), rtol=2e-3, atol=atol)


def test_effects_and_clips_differ_by_more_than_that(bundled):
    ours = sound_descriptors(bundled, compute=False)
    assert ours.shape == (64, 10, len(DESCRIPTORS))
    centroid = ours.sel(descriptor="centroid_hz").median("clip")
    assert centroid.sel(effect="LPF") < 0.5 * centroid.sel(effect="CLN") < centroid.sel(effect="HPF")
    crest = ours.sel(descriptor="crest_db").median("clip")
    assert crest.sel(effect=["CMP", "DIS"]).max() < crest.sel(effect="CLN") - 3
    width = ours.sel(descriptor="width")
    assert (width.sel(effect="RVB") > 0.1).all()
    assert (width.sel(effect="CLN") == 0).all()


def test_other_sounds_are_measured_only_if_that_is_wanted(tmp_path, write_audio, noise):
    own = load_clips(write_audio(tmp_path, {"a.wav": noise(300_000)}))
    with pytest.raises(shipped.NotShipped, match="with compute=True they are measured"):
        sound_descriptors(own, ["CLN"], compute=False)
    found = sound_descriptors(own, ["CLN", "HPF"])
    np.testing.assert_allclose(found.values[0, 1], list(describe(render(own[0], "HPF")).values()), rtol=1e-5)


# ------------------------------------------------------------------------------------------------ pictures and captions


@pytest.mark.parametrize("encoder", DEFAULT_ENCODERS)
def test_axes_of_the_bundled_clips_have_true_words_in_every_encoder(encoder, bundled):
    means, own = prepared.effect_means(bundled, encoder, compute=False), sound_descriptors(bundled, compute=False)
    pca = lfx.hear_axes(lfx.fit_pca(means), means, bundled)
    ends = pca.points["component"].attrs["ends"]
    assert any(ends)
    keys = {one.words: key for key, one in DESCRIPTORS.items()}
    for place, one in enumerate(ends):
        if one is None:
            continue
        values = own.sel(descriptor=keys[one.descriptor]).values.ravel()
        assert spearmanr(pca.points.values[..., place].ravel(), values).statistic == pytest.approx(one.rho)
        assert one.n == 640
        # The tenth of the sounds at the low end has, in the middle, less of what the high end is called after.
        order = np.argsort(pca.points.values[..., place].ravel())
        low, high = np.mean(values[order[:64]]), np.mean(values[order[-64:]])
        assert bool(low < high) is (DESCRIPTORS[keys[one.descriptor]].more == one.high)
    moved = pca.transform(means[3])
    assert moved["component"].attrs == pca.points["component"].attrs


def test_words_are_left_out_where_no_descriptors_are_there(bundled, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "POINTS", tmp_path)
    monkeypatch.setattr(axes, "measure_sounds", lambda *_, **__: pytest.fail("sounds were measured"))
    points = placed(any_values(), any_values(1)).assign_coords(instrument=("clip", ["guitar"] * 12))
    points = points.assign_coords(clip=list(bundled.table["clip"][:12]))
    assert with_ends(points, bundled) is points
    assert heard_words(points) == ""
    assert clusters(points).layout.xaxis.title.text == "PC1"


def test_views_of_pca_have_words_and_those_of_umap_have_none(bundled):
    views = prepared.cluster_points(bundled, "logmel", compute=False).views
    assert {view for view, x in views.items() if "ends" in x["component"].attrs} == {"pca_mean", "pca_flat"}
    assert heard_words(views["umap_mean"]) == ""


def with_words(n):
    ends = [Ends("darker", "brighter", "spectral centroid", 0.81, 640), None, Ends("wider", "duller", "x", -0.5, 640)]
    points = placed(*(any_values(i) for i in range(n))).assign_coords(instrument=("clip", ["guitar"] * SHAPE[0]))
    known = {"explained": [0.376, 0.2, 0.1], "ends": ends}
    return points.assign_coords(component=points["component"].assign_attrs(known))


def test_in_a_plane_the_words_stand_in_the_titles():
    layout = clusters(with_words(2)).layout
    titles = layout.xaxis.title.text, layout.yaxis.title.text
    assert titles == ("← darker · PC1 · 38 % · brighter →", "PC2 · 20 %")


@pytest.mark.parametrize("scale", [1e-3, 1, 37.0])
def test_in_space_the_words_stand_at_the_ends_of_the_axis_itself(scale):
    """A title is turned around when the camera goes behind the scene; ticks stay where they are."""
    points = with_words(3).copy(data=with_words(3).values * scale)
    (scene,) = clusters(points).select_scenes()
    assert [scene[f"{axis}axis"].title.text for axis in "xyz"] == ["PC1 · 38 %", "PC2 · 20 %", "PC3 · 10 %"]
    for axis, words in (("xaxis", ("darker", "brighter")), ("zaxis", ("wider", "duller"))):
        ticks, (low, high) = scene[axis].tickvals, scene[axis].range
        assert (scene[axis].ticktext[0], scene[axis].ticktext[-1]) == words
        numbers = [float(text.replace("\N{MINUS SIGN}", "-")) for text in scene[axis].ticktext[1:-1]]
        assert numbers == pytest.approx(list(ticks[1:-1]))
        inner = 0.42 * (high - low)
        assert low < ticks[0] < low + inner < high - inner < ticks[-1] < high
        assert 2 <= len(ticks) <= 6
    assert scene.yaxis.tickvals is None


def test_the_caption_says_what_the_words_rest_on():
    said = heard_words(with_words(3))
    assert "PC1 darker to brighter: spectral centroid (rho = 0.81)" in said
    assert "PC2" not in said
    assert "n = 640 renders" in said
