"""Projections against known answers: exact planes, numpy's SVD, separated blobs, and what is read when."""

import copy
import os
import pickle
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from latentfx_nb.analysis import neighbours as neighbours_module
from latentfx_nb.analysis import passes
from latentfx_nb.analysis import pca as pca_module
from latentfx_nb.analysis import umap as umap_module
from latentfx_nb.analysis.neighbours import neighbour_purity, neighbours, purity_table
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.umap import UMAP, fit_umap

EFFECTS = ["CLN", "CHS", "DIS", "RVB"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTFX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "umap"


def latents(clips=30, frames=None, dims=8, seed=0):
    """Latents whose effect moves them by 20, whose instrument by 4 and whose clip by 1, in noise of 0.1."""
    rng = np.random.default_rng(seed)
    shape = (clips, len(EFFECTS), dims) + ((frames,) if frames else ())
    noise = 0.1 * rng.standard_normal(shape)
    tail = (dims,) + ((1,) if frames else ())
    instrument = np.where(np.arange(clips) < clips // 2, "guitar", "piano")
    moves = 20 * rng.standard_normal((1, len(EFFECTS), *tail)) + rng.standard_normal((clips, 1, *tail))
    moves = moves + 4 * (instrument == "piano").reshape(-1, 1, *[1] * len(tail))
    x = xr.DataArray(
        (noise + moves).astype("float32"),
        {"clip": [f"c{i:02}" for i in range(clips)], "effect": EFFECTS, "dim": np.arange(dims)},
        ("clip", "effect", "dim", "frame")[: noise.ndim],
        attrs={"encoder": "toy"},
    )
    return x.assign_coords(instrument=("clip", instrument), scale=("dim", np.arange(dims)), sample_rate=24000)


def blobs(n=40, dims=10, seed=1):
    rng = np.random.default_rng(seed)
    centres = 30 * rng.standard_normal((4, 1, dims))
    return (centres + rng.standard_normal((4, n, dims))).reshape(-1, dims), np.repeat(np.arange(4), n)


def decaying(samples, features, seed=0):
    """Noise on fifty directions of falling strength, far from the origin."""
    rng = np.random.default_rng(seed)
    strengths = 10 / np.arange(1, 51) ** 0.7
    x = rng.standard_normal((samples, 50)) * strengths @ rng.standard_normal((50, features))
    return (x + 0.1 * rng.standard_normal((samples, features)) + 40).astype("float32")


def svd_scores(x, n):
    centred = x.astype("float64") - x.mean(0, dtype="float64")
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :n] * values[:n], values[:n] ** 2 / (values**2).sum()


def assert_same_up_to_sign(scores, expected):
    cosines = (scores * expected).sum(0) / np.linalg.norm(scores, axis=0) / np.linalg.norm(expected, axis=0)
    assert (1 - np.abs(cosines) < 1e-6).all(), cosines
    assert np.allclose(np.abs(scores), np.abs(expected), rtol=1e-3, atol=1e-3 * np.abs(expected).max())


# --- PCA


def test_a_tilted_plane_is_recovered_with_its_variances():
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.standard_normal((7, 2)))[0].T
    flat = rng.standard_normal((200, 2)) * [3.0, 1.0]
    pca = fit_pca(flat @ frame + 5, n=3)
    assert pca.explained.sum() == pytest.approx(1)
    assert pca.explained[2] < 1e-14
    assert np.allclose(pca.points[:, :2] @ pca.components[:2] + pca.mean, flat @ frame + 5)
    assert pca.explained[0] == pytest.approx(np.linalg.eigvalsh(np.cov(flat.T))[1] / np.cov(flat.T).trace())


@pytest.fixture
def small_dense(monkeypatch):
    """What counts as wide and tall in these tests, so that numpy's own SVD of it does not take the minute."""
    for module in (passes, neighbours_module, pca_module, umap_module):
        monkeypatch.setattr(module, "DENSE_SIDE", 200)


@pytest.mark.parametrize(
    ("samples", "features"),
    [(300, 20), (40, 190), (60, 3000), (199, 900), (500, 450), (450, 500)],
    ids=["tall", "short", "very-wide", "wide", "both-taller", "both-wider"],
)
@pytest.mark.parametrize("n", [2, 3])
def test_scores_and_variances_are_those_of_the_svd(samples, features, n, small_dense, monkeypatch):
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 2**17)
    x = decaying(samples, features)
    expected, explained = svd_scores(x, n)
    pca = fit_pca(x, n=n)
    assert_same_up_to_sign(pca.points, expected)
    assert np.allclose(pca.explained, explained, rtol=1e-5)
    assert np.allclose(pca.components @ pca.components.T, np.eye(n), atol=1e-6)
    assert pca.angle < 1e-3


@pytest.mark.parametrize("shape", [(150, 300), (300, 400)])
def test_components_ten_thousand_times_weaker_are_still_right(shape, small_dense):
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((side, 30)))[0] for side in shape)
    x = ((left * np.r_[1, 1e-4, 7e-5, 5e-5 / np.arange(1, 28)]) @ right.T).astype("float32")
    assert_same_up_to_sign(fit_pca(x).points, svd_scores(x, 3)[0])


def test_float16_far_from_the_origin_keeps_its_precision():
    x = decaying(100, 3000).astype("float16")
    assert_same_up_to_sign(fit_pca(x).points, svd_scores(x, 3)[0])


def test_signs_follow_the_largest_loading():
    x = decaying(80, 12)
    for sign in (1, -1):
        components = fit_pca(sign * x).components
        assert (components[np.arange(3), np.abs(components).argmax(1)] > 0).all()
    assert np.allclose(fit_pca(-x).points, -fit_pca(x).points)


def test_fitting_twice_gives_the_same_bits(small_dense):
    x = decaying(300, 400)
    assert np.array_equal(fit_pca(x).points, fit_pca(x).points)


def test_equal_eigenvalues_that_cannot_be_told_apart_do_not_stop_it(small_dense):
    x = np.vstack([np.eye(300, 400), -np.eye(300, 400)]).astype("float32")
    x[:, 0] *= 50
    assert abs(fit_pca(x, n=2).components[0, 0]) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(50, 300), (300, 400), (300, 30)])
def test_data_of_rank_one_have_one_component(shape, small_dense):
    rng = np.random.default_rng(0)
    line = rng.standard_normal((shape[0], 1)) * rng.standard_normal(shape[1])
    pca = fit_pca(line)
    assert np.allclose(pca.explained, [1, 0, 0], atol=1e-9)
    assert np.allclose(pca.components @ pca.components.T, np.eye(3), atol=1e-6)
    assert np.allclose(pca.points[:, 1:], 0, atol=1e-4)


def test_an_unsettled_spectrum_is_announced(small_dense, monkeypatch):
    monkeypatch.setattr(pca_module, "KRYLOV_PASSES", 2)
    noise = np.random.default_rng(0).standard_normal((300, 400))
    with pytest.warns(RuntimeWarning, match="stopped with components"):
        assert fit_pca(noise).angle > pca_module.ANGLE


def test_labels_survive_and_a_sweep_is_drawn_in_the_same_basis():
    x = latents()
    pca = fit_pca(x)
    assert pca.points.dims == ("clip", "effect", "component")
    assert list(pca.points.component.values) == ["PC1", "PC2", "PC3"]
    assert pca.points.attrs == {"encoder": "toy"}
    assert set(pca.points.coords) == {"clip", "effect", "instrument", "sample_rate", "component"}
    assert pca.components.dims == ("component", "dim") and "scale" in pca.components.coords
    assert pca.mean.dims == ("dim",)
    assert np.allclose(pca.points, (x - pca.mean) @ pca.components.T)
    assert np.allclose(pca.transform(x), pca.points)

    sweep = x.isel(effect=0, drop=True).expand_dims(value=[1.0, 2.0]).transpose("dim", "clip", "value")
    path = pca.transform(sweep)
    assert path.dims == ("clip", "value", "component")
    assert np.allclose(path.sel(value=2.0), pca.points.sel(effect="CLN"))
    one = pca.transform(x[3, 2])
    assert one.dims == ("component",) and one.effect == "DIS"
    assert np.allclose(one, pca.points[3, 2])
    assert isinstance(pca.transform(x.values), np.ndarray)
    assert np.allclose(pca.transform(x.values), pca.points)


def test_plain_arrays_of_any_rank():
    x = latents().values
    assert fit_pca(x, n=2).points.shape == (*x.shape[:2], 2)
    assert fit_pca(x, n=2).transform(x[0, 0]).shape == (2,)


@pytest.mark.parametrize("create_index", [True, False])
def test_flattening_equals_stacking(create_index):
    x = latents(frames=6)
    stacked = x.stack(feature=("dim", "frame"), create_index=create_index)
    ours, theirs = fit_pca(x, features=("dim", "frame")), fit_pca(stacked)
    assert np.allclose(ours.points, theirs.points)
    assert np.allclose(ours.components, theirs.components)
    assert ours.components.dims == theirs.components.dims == ("component", "feature")
    assert list(ours.components.coords["dim"].values[:7]) == [0] * 6 + [1]
    assert np.allclose(ours.transform(x), ours.points)


def test_blocks_change_nothing(monkeypatch):
    x = latents(frames=300)
    whole = fit_pca(x, features=("dim", "frame"))
    near = neighbours(x, 5, features=("dim", "frame"))
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 3 * x[0].size * 4)
    streamed = fit_pca(x, features=("dim", "frame"))
    assert np.allclose(streamed.points, whole.points, atol=1e-4)
    assert np.allclose(streamed.explained, whole.explained)
    assert np.array_equal(neighbours(x, 5, features=("dim", "frame")), near)


def test_a_store_is_never_in_memory_as_a_whole(tmp_path, small_dense, monkeypatch):
    x = latents(clips=450, dims=32, frames=256).astype("float16")
    x.to_dataset(name="latents").to_zarr(
        tmp_path / "x.zarr", encoding={"latents": {"chunks": (1, 4, 32, 256)}}, zarr_format=2
    )
    lazy = xr.open_zarr(tmp_path / "x.zarr", chunks=None)["latents"]
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 2**19)  # four clips
    monkeypatch.setattr(pca_module, "KRYLOV_WIDTH", 6)
    fit_pca(lazy[:8], features=("dim", "frame"))  # libraries that are imported on the way are none of the store
    tracemalloc.start()
    pca = fit_pca(lazy, features=("dim", "frame"))
    again = pca.transform(lazy)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not lazy.variable._in_memory
    assert peak < x.nbytes, (peak, x.nbytes)
    assert np.allclose(again, pca.points, atol=1e-3)
    in_memory = fit_pca(x.astype(np.float32), features=("dim", "frame"))
    assert_same_up_to_sign(*(one.points.values.reshape(-1, 3) for one in (pca, in_memory)))


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_each_pass_reads_every_sample_once(cores, small_dense, monkeypatch):
    reads = []

    class Counting(np.ndarray):
        def __getitem__(self, key):
            if isinstance(key, slice):
                reads.append(key)
            return super().__getitem__(key)

    x = decaying(700, 800).view(Counting)
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 100 * 800 * 4)
    monkeypatch.setattr("latentfx_nb.analysis.samples.cores", lambda: cores)
    pca = fit_pca(x)
    first, *reads = reads  # a few samples, for a point near their mean
    assert first.stop <= 100 and max(read.stop - read.start for read in reads) <= 100
    times = np.bincount(np.concatenate([np.arange(read.start, read.stop) for read in reads]), minlength=700)
    assert len(set(times)) == 1 and times[0] <= 1 + pca_module.KRYLOV_PASSES
    assert pca.angle <= pca_module.ANGLE
    assert_same_up_to_sign(pca.points, svd_scores(x, 3)[0])


def test_samples_far_from_the_first_ones_keep_their_variance():
    x = decaying(300, 3000)
    x[:3] += 500
    points, explained = svd_scores(x, 3)
    pca = fit_pca(x)
    assert np.allclose(pca.explained, explained, rtol=1e-5)
    assert_same_up_to_sign(pca.points, points)


def test_what_is_wrong_is_named_whatever_core_reads_it(monkeypatch):
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 2**16)
    monkeypatch.setattr("latentfx_nb.analysis.samples.cores", lambda: 4)
    x = decaying(400, 3000)
    x[[250, 399], 7] = np.inf, np.nan
    with pytest.raises(ValueError, match="first in sample 250 of 400"):
        fit_pca(x)


# --- what is refused


@pytest.mark.parametrize("fit", [fit_pca, fit_umap])
def test_refusals_name_the_value_and_the_remedy(fit):
    x, _ = blobs()
    with pytest.raises(ValueError, match="n=4 .*n=2 or n=3"):
        fit(x, n=4)
    with pytest.raises(ValueError, match="2 samples .* n=3"):
        fit(x[:2], n=3)
    with pytest.raises(ValueError, match="2 features .* n=3"):
        fit(x[:, :2], n=3)
    with pytest.raises(ValueError, match="all 160 samples are equal"):
        fit(np.full((160, 10), 0.1, "float32"))
    for bad in (np.nan, np.inf):
        broken = x.copy()
        broken[7, 3] = bad
        with pytest.raises(ValueError, match="NaN or infinite .* sample 7 of 160: drop"):
            fit(broken)
    with pytest.raises(ValueError, match="neither feature nor dim"):
        fit(latents().rename(dim="channel"))
    with pytest.raises(ValueError, match="must be distinct dims of x"):
        fit(latents(), features=("dim", "frame"))


def test_transform_refuses_other_features():
    x = latents()
    pca = fit_pca(x)
    with pytest.raises(ValueError, match="7 features along dim, the fit had 8"):
        pca.transform(x.drop_sel(dim=3))
    with pytest.raises(ValueError, match="select the same dim in the same order"):
        pca.transform(x.isel(dim=slice(None, None, -1)))
    with pytest.raises(ValueError, match="1 of 120 samples .* first sample 4"):
        pca.transform(x.where((x["clip"] != "c01") | (x["effect"] != "CLN")))


@pytest.mark.parametrize("shape", [(0, 8), (0, 4, 8), (5, 0, 8)])
def test_no_samples_have_no_points(shape):
    x, nothing = latents(), np.empty(shape, "float32")
    for fitted in (fit_pca(x), fit_umap(x, n_neighbors=5)):
        points = fitted.transform(nothing)
        assert points.shape == (*shape[:-1], 3)
        labelled = fitted.transform(x[:0])
        assert labelled.dims == ("clip", "effect", "component") and labelled.shape == (0, 4, 3)
    with pytest.raises(ValueError, match="0 samples cannot span"):
        fit_umap(nothing)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))])
@pytest.mark.parametrize("fit", [fit_pca, fit_umap])
def test_what_was_fitted_can_be_sent_to_another_process(fit, copied):
    x = latents()
    fitted = fit(x)
    first = copied(fitted)  # before it was asked for anything
    placed = fitted.transform(x[:3] + 0.1)
    for one in (first, copied(fitted)):
        xr.testing.assert_identical(one.points, fitted.points)
        xr.testing.assert_identical(one.transform(x[:3] + 0.1), placed)


# --- neighbours


def test_neighbours_are_the_nearest_and_never_oneself():
    x = np.r_[decaying(300, 5), decaying(10, 5)]  # the last ten equal earlier ones
    distances = np.linalg.norm(x[:, None].astype("float64") - x, axis=2)
    np.fill_diagonal(distances, np.inf)
    near = neighbours(x, 6)
    assert np.allclose(np.take_along_axis(distances, near, 1), np.sort(distances, 1)[:, :6])
    assert (near != np.arange(len(x))[:, None]).all()
    with pytest.raises(ValueError, match="k=310"):
        neighbours(x, 310)


def test_purity_by_hand():
    line = np.array([[0.0], [1.0], [2.1], [10.0], [11.0], [12.1]])
    assert neighbour_purity(line, [0, 0, 0, 1, 1, 1], k=2) == 1
    assert neighbour_purity(line, ["a", "b", "a", "b", "a", "b"], k=1) == 0
    with pytest.raises(ValueError, match=r"labels of shape \(2,\)"):
        neighbour_purity(line, [0, 1], k=1)


def test_random_labels_have_chance_purity():
    rng = np.random.default_rng(0)
    x = xr.DataArray(rng.standard_normal((2000, 4)), dims=("clip", "dim"))
    x = x.assign_coords(effect=("clip", rng.choice(10, 2000)), half=("clip", rng.random(2000) < 0.3))
    table = purity_table(x, by=("effect", "half"))
    assert np.allclose(table.purity, table.chance, atol=0.02)
    assert np.allclose(table.chance, [0.1, 0.58], atol=0.03)


def test_purity_table_sees_what_moves_the_latents():
    x = latents()
    table = purity_table(x)
    assert list(table.index) == ["effect", "instrument", "clip"]
    assert list(table.columns) == ["purity", "chance"]
    assert table.purity["effect"] == 1
    assert table.purity["instrument"] > 0.95 > 0.51 > table.chance["instrument"]
    assert table.purity["clip"] == 0
    assert table.chance["clip"] == pytest.approx(3 / 119)
    by_performance = x - x.mean("clip")
    assert purity_table(by_performance, k=3).purity["clip"] > 0.9
    assert purity_table(fit_pca(x).points, features="component").purity["effect"] > 0.95
    assert neighbour_purity(x, x.instrument) == neighbour_purity(x, "instrument") == table.purity["instrument"]
    assert neighbour_purity(x.transpose("effect", "dim", "clip"), "effect") == 1
    with pytest.raises(ValueError, match="no coordinate 'tempo', only"):
        purity_table(x, by=("tempo",))


# --- UMAP


def test_umap_keeps_blobs_apart_and_runs_are_identical(cache):
    x, labels = blobs()
    first = fit_umap(x, n=2, seed=3, cache=False)
    assert not cache.exists()
    assert first.points.shape == (160, 2) and first.points.dtype == np.float32
    assert neighbour_purity(first.points, labels) == 1
    again = fit_umap(x, n=2, seed=3, cache=False)
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, fit_umap(x, n=2, seed=4, cache=False).points)
    rng = np.random.default_rng(0)
    new = x[::8] + 0.1 * rng.standard_normal(x[::8].shape)
    moved = np.linalg.norm(first.transform(new) - first.points[::8], axis=1)
    assert np.median(moved) < 0.2 * first.points.std()
    assert np.array_equal(first.transform(new), again.transform(new))
    assert np.array_equal(first.transform(x), first.points)


def test_umap_labels_and_refusals():
    x = latents()
    umap = fit_umap(x, seed=1)
    assert umap.points.dims == ("clip", "effect", "component")
    assert list(umap.points.component.values) == ["UMAP1", "UMAP2", "UMAP3"]
    assert "instrument" in umap.points.coords
    assert purity_table(umap.points, features="component").purity["effect"] == 1
    one = umap.transform(x[3, 2])
    assert one.dims == ("component",) and one.effect == "DIS"
    with pytest.raises(ValueError, match="7 features"):
        umap.transform(x[..., :7])
    with pytest.raises(ValueError, match="NaN"):
        umap.transform(x.where(x["clip"] != "c01"))
    with pytest.raises(ValueError, match="n_neighbors=15 must be from 2 to 11 with 12 samples"):
        fit_umap(x[:3])
    for min_dist in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"min_dist={min_dist} must be from 0 to 1"):
            fit_umap(x, min_dist=min_dist)


@pytest.mark.parametrize("n", [2, 3])
def test_umap_says_how_few_samples_it_can_place(n):
    x = decaying(n + 2, 8)
    for few in range(n, n + 2):
        with pytest.raises(ValueError, match=rf"no fewer than {n + 2} samples by n={n} .* {few}: pass more, or call"):
            fit_umap(x[:few], n, n_neighbors=2)
    assert np.isfinite(fit_umap(x, n, n_neighbors=2).points).all()


def test_umap_of_flattened_latents_reads_blocks(monkeypatch):
    x = latents(frames=300)
    monkeypatch.setattr("latentfx_nb.analysis.samples.BLOCK_BYTES", 3 * x[0].size * 4)
    umap = fit_umap(x, n=2, features=("dim", "frame"))
    assert purity_table(umap.points, features="component").purity["effect"] == 1
    near = umap.transform(x[:5] + np.float32(0.01)) - umap.points[:5]
    assert np.median(np.abs(near)) < 0.2 * umap.points.std()


HIT = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
from latentfx_nb.analysis.umap import fit_umap
umap = fit_umap(np.load(sys.argv[1]), n=2)
assert not {"umap", "numba", "torch", "plotly"} & set(sys.modules), "a page that shows cached points must not wait"
np.save(sys.argv[2], umap.points)
"""


def test_a_cached_umap_is_there_without_importing_umap(tmp_path):
    x, _ = blobs()
    umap = fit_umap(x, n=2)
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", HIT, str(tmp_path / "x.npy"), str(tmp_path / "points.npy")]
    subprocess.run(command, check=True, env=os.environ)
    assert np.array_equal(np.load(tmp_path / "points.npy"), umap.points)
    cached = fit_umap(x, n=2)
    assert np.array_equal(cached.points, umap.points)
    assert np.array_equal(cached.transform(x[:9] + 0.1), umap.transform(x[:9] + 0.1))


def test_the_cache_tells_data_and_settings_apart(cache):
    x, _ = blobs()
    for arguments in ({}, {"n": 2}, {"seed": 1}, {"n_neighbors": 9}, {"min_dist": 0.5}):
        fit_umap(x, **arguments)
    fit_umap(x[:-1])
    assert len(list(cache.iterdir())) == 6


@pytest.fixture
def fits(monkeypatch):
    """How often umap was asked, each time another time for other points."""
    made = []

    def fit(umap):
        made.append(np.full((umap._samples.n_samples, 2), len(made), "float32"))
        return SimpleNamespace(embedding_=made[-1])

    monkeypatch.setattr(UMAP, "_fit", fit)
    return made


@pytest.mark.parametrize("wide", [False, True])
def test_last_bits_find_the_points_that_another_processor_kept(fits, wide, small_dense):
    x = decaying(160, 3000 if wide else 40)
    points = fit_umap(x, n=2).points
    for towards in (-np.inf, np.inf):
        assert np.array_equal(fit_umap(np.nextafter(x, np.float32(towards)), n=2).points, points)
    assert len(fits) == 1
    changed = x.copy()
    changed[7] += 0.01 * x[7].std()
    for other in (1.01 * x, changed, x[::-1], x[:, ::-1]):
        fit_umap(other, n=2)
    assert len(fits) == 5


def test_a_damaged_file_is_fitted_again(fits, cache):
    x, _ = blobs()
    fit_umap(x, n=2)
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-200])
    assert fit_umap(x, n=2).points[0, 0] == fit_umap(x, n=2).points[0, 0] == 1
    assert len(fits) == 2


def test_points_of_an_older_version_are_left_alone(fits, cache):
    cache.mkdir(parents=True)
    np.savez(cache / f"{64 * '0'}.npz", points=np.ones((160, 2), "float32"))
    x, _ = blobs()
    assert fit_umap(x, n=2).points[0, 0] == 0


def test_a_cache_that_cannot_be_written_costs_no_fit(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LATENTFX_CACHE", str(tmp_path / "file"))
    x, _ = blobs()
    with pytest.warns(RuntimeWarning, match="not kept .* LATENTFX_CACHE"):
        assert fit_umap(x, n=2).points.shape == (160, 2)
