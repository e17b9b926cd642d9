"""A visitor's own clips among a reference set: its cloud and axes stay, bit for bit, and what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from latentfx_nb.analysis.placed import UnknownLabels, placed_answers, placed_points
from latentfx_nb.analysis.prepared import effect_means, sweep_means
from latentfx_nb.analysis.probes import confusion_matrix
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages.content import (
    dimension_masking,
    effect_clusters,
    knob_paths,
    latent_algebra,
    linear_probes,
    trajectories,
)
from latentfx_nb.pages.content.algebra_choice import AlgebraChoice
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.sound.uploads import Uploads
from tests.on_pages import basis_of, drawn
from tests.test_uploads import sound

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.fixture
def own(bundled):
    """Two clips of a visitor's, among the bundled ones."""
    mine = Uploads()
    mine.add("riff.wav", sound(400_000))
    return mine.clips().placed_among(bundled), mine  # the files go with `mine`


def both(content, choice, bundled, own, **own_fields):
    """Return what a page shows of the bundled clips, and then of the visitor's."""
    before = content.prepare(choice, bundled, None, Progress())
    return before, content.prepare(replace(choice, clips="own", **own_fields), own, before, Progress())


def traces(figure):
    return {trace.meta: trace for trace in figure.data}


def assert_same_cloud(content, before, after, name="data set"):
    """The cloud and the names of the axes are as they were, and the legend says whose they are."""
    figures = content.figure_of(before), content.figure_of(after)
    clouds = [traces(one)[name] for one in figures]
    np.testing.assert_array_equal(*map(drawn, clouds))
    assert clouds[1].name == "bundled clips" and clouds[1].showlegend
    titles = [[one.layout.scene[f"{axis}axis"].title.text for axis in "xyz"] for one in figures]
    assert titles[0] == titles[1]


def in_view(figure, shown, number):
    """Return the points of a view of page 03, clip by clip, from the traces of its effects."""
    labels = [str(label) for label in shown.means["effect"].values]
    each = [drawn(traces(figure)[f"view {number} {label}"]) for label in labels]
    return np.stack(each, axis=1).reshape(-1, each[0].shape[-1])


def notes(figure):
    """Return what is written into a figure because it is not drawn."""
    return [one.text for one in figure.layout.annotations if (one.name or "").startswith("not shown")]


def test_parts_of_a_set_are_placed_as_the_whole(own, bundled):
    clips, _ = own
    assert clips.reference is bundled and clips[[1]].reference is bundled and bundled.reference is bundled
    assert clips.hashes() == clips.placed_among(clips).hashes()


def test_paths_of_own_clips_are_in_the_axes_of_the_bundled_ones(own, bundled):
    clips, _ = own
    choice = knob_paths.KnobChoice(encoder="logmel", row=0)
    before, after = both(knob_paths, choice, bundled, clips)
    assert after.basis is before.basis and after.claims is before.claims
    assert_same_cloud(knob_paths, before, after)
    mean, axes = basis_of(bundled, "logmel")
    expected = (sweep_means(clips[[0]], "logmel", "HPF").values[0].astype(float) - mean) @ axes.T
    paths = drawn(traces(knob_paths.figure_of(after))["paths"])
    np.testing.assert_allclose(paths[: len(expected)], expected, atol=1e-3)
    assert "your own clips are placed in them" in knob_paths.texts(after)["how"]
    assert "of the bundled clips, not of your own" in knob_paths.texts(after)["claims"]
    assert "effect_means(reference, 'logmel')" in knob_paths.code_of(after)


def test_trajectories_of_own_clips_are_in_the_axes_of_all_bundled_frames(own, bundled):
    clips, _ = own
    choice = trajectories.TrajectoriesChoice(encoder="diffae-mini", rows=(0,), effects=("CLN",))
    before, after = both(trajectories, choice, bundled, clips)
    assert after.basis is before.basis
    assert_same_cloud(trajectories, before, after)
    latents = encode_clips(load_encoder("diffae-mini"), [render(clips[0], "CLN")])[0]
    np.testing.assert_allclose(after.latents[0].mean("frame"), latents.mean(axis=-1), rtol=1e-2, atol=1e-2)
    assert "your own clips are placed in them" in trajectories.texts(after)["numbers"]
    assert "trajectory_basis(reference, 'diffae-mini')" in trajectories.code_of(after)


def test_points_of_own_clips_lie_among_the_bundled_ones_in_all_views(own, bundled):
    clips, _ = own
    choice = effect_clusters.ClustersChoice(encoder="logmel")
    before, after = both(effect_clusters, choice, bundled, clips)
    figures = [effect_clusters.figure_of(one) for one in (before, after)]
    clouds, alone = traces(figures[1]), traces(figures[0])
    for number in range(1, 5):
        view = before.points.views[list(effect_clusters.VIEWS)[number - 1]]
        np.testing.assert_array_equal(drawn(clouds[f"data set {number}"]), np.float32(view).reshape(-1, 3))
        np.testing.assert_array_equal(drawn(alone[f"view {number} HPF"]), np.float32(view.sel(effect="HPF")))
    assert [bool(clouds[f"data set {number}"].showlegend) for number in range(1, 5)] == [True, False, False, False]
    assert clouds["data set 1"].name == "bundled clips"
    for axis in ("xaxis", "yaxis", "zaxis"):
        without, among = (figure.layout.scene[axis] for figure in figures)
        assert without.title == among.title
        assert among.range[0] <= without.range[0] and without.range[1] <= among.range[1], "noise lies outside"
    mean, axes = basis_of(bundled, "logmel")
    expected = (effect_means(clips, "logmel").sel(effect="HPF").values.astype(float) - mean) @ axes.T
    np.testing.assert_allclose(drawn(clouds["view 1 HPF"]), expected, atol=1e-3)
    assert len(drawn(clouds["view 2 HPF"])) == 0
    assert notes(figures[1]) == [effect_clusters.NOT_PLACED.replace("\n", "<br>")] * 3 and notes(figures[0]) == []
    assert after.points.purity is before.points.purity
    assert "of the bundled clips, not of your own" in effect_clusters.texts(after)["numbers"]
    assert len(effect_clusters.sounds(after)["view 1 HPF"]) == 2
    for name, chosen in (("view 1 HPF", {"ringed_row": 1, "ringed_effect": "HPF"}), ("data set 1", {})):
        assert effect_clusters.clicked(after, name, SimpleNamespace(point_inds=[1])) == chosen


@pytest.mark.parametrize("dimensions", [2, 3])
def test_own_clips_are_placed_in_the_umap_that_is_shown(own, bundled, dimensions):
    clips, _ = own
    choice = effect_clusters.ClustersChoice(encoder="logmel", dimensions=dimensions)
    some = bundled[:3]
    placed = clips.placed_among(some)
    shown = effect_clusters.prepare(replace(choice, compute_umap=True), placed, None, Progress())
    assert notes(effect_clusters.figure_of(shown)) == []
    for view, points in shown.points.views.items():
        assert points.shape == (2, 10, dimensions) and np.isfinite(points).all(), view
    near = placed_points(some.placed_among(some), "logmel", shown.around, dimensions)
    for view, points in near.items():
        cloud = shown.around.views[view]
        gap = np.linalg.norm(points.values - cloud.values, axis=-1).max()
        assert gap < 0.2 * float(np.ptp(cloud.values, axis=(0, 1)).max()), view


def few(bundled):
    """Every fourth bundled clip: enough recordings for probes, and soon trained on."""
    return bundled[::4]


def probes_shown(own, bundled, **fields):
    clips, _ = own
    reference = few(bundled)
    choice = linear_probes.ProbesChoice(encoders=("logmel",), seeds=1, **fields)
    before = linear_probes.prepare(choice, reference, None, Progress())
    placed = clips.placed_among(reference)
    return before, linear_probes.prepare(replace(choice, clips="own"), placed, before, Progress())


def titles(figure):
    return [one.text for one in figure.layout.annotations]


def test_probes_of_the_bundled_clips_name_own_ones(own, bundled):
    before, after = probes_shown(own, bundled)
    assert after.results is before.results, "nothing is trained again"
    answers = after.own["logmel-T"]
    assert answers["predicted"].shape == (5, 2, 10)
    result, means = after.results["logmel-T"], effect_means(after.clips, "logmel")
    scores = means.values[1, 3].astype(float) @ result["weight"].values[0, 2].T + result["bias"].values[0, 2]
    assert answers["predicted"].values[2, 1, 3] == scores.argmax()
    figure = linear_probes.figure_of(after)
    drawn_cells = traces(figure)["confusions"]
    expected = confusion_matrix(answers).sel(label=list(drawn_cells.y), named=list(drawn_cells.x))
    np.testing.assert_allclose(np.asarray(drawn_cells.z, float), 100 * expected.values)
    assert any(title.endswith("your own clips") for title in titles(figure))
    assert any(title.endswith("bundled clips") for title in titles(figure))
    assert not any("clips" in title for title in titles(linear_probes.figure_of(before)))
    heard = linear_probes.heard(after.choice, after.clips, after)
    assert heard is None or heard.wet.clips.table["clip"].str.startswith("riff").all()
    assert "of the bundled clips, not of your own" in linear_probes.texts(after)["numbers"]
    assert "effect_means(reference, 'logmel')" in linear_probes.code_of(after)


def test_what_nobody_knows_of_own_clips_is_said_in_the_picture(own, bundled):
    before, after = probes_shown(own, bundled, label="instrument")
    assert after.own == {}
    figure = linear_probes.figure_of(after)
    assert any(title.endswith("bundled clips: the instrument of your own is not known") for title in titles(figure))
    np.testing.assert_array_equal(after.chosen()["predicted"], before.chosen()["predicted"])
    assert linear_probes.labels_of(after.clips) == linear_probes.labels_of(before.clips)


def test_answers_need_the_features_that_were_learned_from(own, bundled):
    before, after = probes_shown(own, bundled)
    features = effect_means(after.clips, "logmel")
    with pytest.raises(ValueError, match="these probes take 64 features, not 10"):
        placed_answers(before.results["logmel-T"], features.isel(dim=slice(10)))
    with pytest.raises(UnknownLabels, match="no probe knows pedal"):
        placed_answers(before.results["logmel-T"], features.assign_coords(effect=["pedal"] * 10))


def test_the_map_of_masks_is_of_the_bundled_probes_and_the_lines_are_of_own_clips(own, bundled):
    clips, _ = own
    reference = few(bundled)
    choice = dimension_masking.MaskingChoice(encoder="logmel")
    before = dimension_masking.prepare(choice, reference, None, Progress())
    placed = clips.placed_among(reference)
    after = dimension_masking.prepare(replace(choice, clips="own"), placed, before, Progress())
    assert after.study is before.study and after.masked is before.masked
    shown = dimension_masking.exact(after, Progress())
    effect, dims = shown.cell()
    pair = [render(placed[0], label) for label in ("CLN", effect)]
    for latents, name in zip(encode_clips(load_encoder("logmel"), pair), ("clean", effect), strict=True):
        np.testing.assert_allclose(shown.lines[f"dim {dims[0]}, {name}"], latents[dims[0]], rtol=1e-5)
    figures = [dimension_masking.figure_of(one) for one in (before, shown)]
    np.testing.assert_array_equal(*(np.asarray(traces(one)["map"].z, float) for one in figures))
    assert any(title.endswith("probes of the bundled clips") for title in titles(figures[1]))
    assert not any("bundled" in title for title in titles(figures[0]))
    assert "riff-0" in titles(figures[1])[-1]
    trained = dimension_masking.prepare(replace(choice, train=True), placed, shown, Progress())
    assert trained.study is not after.study and trained.masked.table["clip"].equals(before.masked.table["clip"])


def test_own_clips_are_moved_by_what_pairs_of_bundled_clips_teach(own, bundled):
    clips, _ = own
    choice = AlgebraChoice(encoder="logmel", effect="LPF", pairs=4, method="mean")
    before = latent_algebra.prepare(choice, bundled, None, Progress())
    asked = replace(choice, clips="own", row=1)
    first = latent_algebra.prepare(asked, clips, None, Progress())
    shown = latent_algebra.prepare(asked, clips, before, Progress())
    assert shown.averages is before.averages and shown.rows == [0, 1]
    for one in (first, shown):
        assert_same_cloud(latent_algebra, before, one)
    start = encode_clips(load_encoder("logmel"), [render(clips[1], "CLN")])[0]
    np.testing.assert_allclose(shown.move.start, start, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first.drawn.move.start, start.mean(axis=-1), rtol=1e-3, atol=1e-3)
    pairs = effect_means(bundled[shown.pair_rows()], "logmel", effects=["CLN", "LPF"])
    np.testing.assert_allclose(shown.move.dry, pairs.sel(effect="CLN"), atol=1e-2)
    assert all(title.endswith("bundled clips") for title in titles(latent_algebra.figure_of(shown))[1:3])
    assert shown.named.startswith("A probe names them: ")
    assert "your own clips are placed in them" in latent_algebra.texts(shown)["how"]
    code = latent_algebra.code_of(shown)
    assert f"reference[{shown.pair_rows()}]" in code and "clips[[1]]" in code
