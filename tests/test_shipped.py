"""`analysis.shipped` and `tools/publish.py`: entries are found by content and recipe; adding touches no other."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile

import numpy as np
import pedalboard
import pytest
import scipy.io
import xarray as xr

from latentfx_nb.analysis import prepared, shipped, who_names
from latentfx_nb.effects import EFFECTS, TABLE_1, EffectSpec, Knob, render, rendering
from latentfx_nb.encoders import DEFAULT_ENCODERS
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.paper import KNOB_RANGES
from latentfx_nb.sound.clips import load_clips
from tests.test_last_bits import last_bits as last_bits
from tools import publish

MEASURED = tuple(prepared.STUDIES)


class Wanted(Exception):
    """Raised in place of the work that a miss asks for."""


@pytest.fixture(scope="module")
def bundled():
    return load_clips("bundled")


@pytest.fixture
def misses(monkeypatch):
    """Turn every encoding into `Wanted`: with it, what returns was shipped."""

    def wanted(*_arguments, **_options):
        raise Wanted

    for name in ("encode_effects", "encode_sweep"):
        monkeypatch.setattr(prepared, name, wanted)
        monkeypatch.setattr(publish, name, wanted)


@pytest.fixture
def other_version(monkeypatch):
    """An installation whose pedalboard calls itself otherwise, and no renders compared yet."""
    monkeypatch.setattr(rendering, "version", lambda name: "99.0" if name == "pedalboard" else "0.2.0")
    monkeypatch.setattr(shipped, "_OFF_DB", {})


def pieces(encoder):
    """Return every piece of an encoder that ships."""
    yield from (shipped.setting_piece(encoder, effect, mono) for effect in TABLE_1 for mono in (False, True))
    yield from (shipped.knob_piece(encoder, e, knob.name) for e in TABLE_1 for knob in EFFECTS[e].knobs)
    yield from (
        shipped.study_piece(encoder, name, one.knobs) for name, one in prepared.STUDIES.items() if one.suits(encoder)
    )


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.nc")}


# ------------------------------------------------------------------------------------------------------------ the files


def test_everything_ships_and_nothing_else_does():
    known = {piece.path for piece, _ in shipped.reference_pieces().values()}
    known |= {shipped.descriptor_piece(effect).path for effect in TABLE_1}
    known |= {who_names.piece(clip_set).path for clip_set in who_names.SETS}
    known |= {piece.path for encoder in DEFAULT_ENCODERS for piece in pieces(encoder)}
    assert {path for path in shipped.POINTS.rglob("*") if path.is_file()} == known


@pytest.mark.parametrize("encoder", DEFAULT_ENCODERS)
def test_every_file_serves_its_recipe(encoder, bundled):
    for piece in pieces(encoder):
        dataset = shipped.read(piece)
        assert dataset is not None, piece.place
        assert dataset.attrs["encoder"] == encoder
        assert set(json.loads(dataset.attrs["made_with"])) == {"pedalboard", "pyloudnorm"}
        some = prepared.path_clips(bundled) if "/knobs/" in piece.place else bundled
        assert list(dataset["clip_hash"].values) == some.hashes(), piece.place
        for name, variable in dataset.variables.items():
            assert variable.dtype.kind != "f" or np.isfinite(variable).all(), (piece.place, name)


def test_the_files_are_small_plain_netcdf():
    """NetCDF 3 holds arrays and text: reading it runs no code, unlike a pickle."""
    paths = list(shipped.POINTS.rglob("*.nc"))
    assert sum(path.stat().st_size for path in paths) < 8e6
    for path in paths:
        assert path.read_bytes()[:4] == b"CDF\x02"
        assert not zipfile.is_zipfile(path)
        with scipy.io.netcdf_file(path, mmap=False) as file:
            assert all(variable.data.dtype.kind in "fiS" for variable in file.variables.values())


def test_nothing_is_left_to_publish(misses, capsys):
    publish.main([])
    assert capsys.readouterr().out == ""


# ----------------------------------------------------------------------------------------------------- what is believed


def test_an_entry_is_read_without_any_other(bundled, own_points, misses):
    kept = own_points / "logmel/settings/RVB.nc"
    for path in own_points.rglob("*.nc"):
        if path != kept:
            path.unlink()
    means = prepared.effect_means(bundled[[5]], "logmel", effects=["RVB"])
    assert means.shape == (1, 1, 64)
    assert list(means["clip"].values) == [bundled.table["clip"][5]]
    with pytest.raises(Wanted):
        prepared.effect_means(bundled[[5]], "logmel", effects=["RVB", "HPF"])


def test_files_of_another_schema_are_not_read(bundled, own_points, misses, monkeypatch):
    monkeypatch.setattr(shipped, "SCHEMA", shipped.SCHEMA + 1)
    with pytest.raises(Wanted):
        prepared.effect_means(bundled, "logmel")
    assert all(shipped.read(piece) is None for piece in pieces("logmel"))


def test_a_file_under_another_name_is_not_believed(bundled, own_points, misses):
    shutil.copy(own_points / "logmel/settings/HPF.nc", own_points / "logmel/settings/LPF.nc")
    shutil.copy(own_points / "lyra-v2/settings/HPF.nc", own_points / "logmel/settings/HPF.nc")
    for effect in ("HPF", "LPF"):
        with pytest.raises(Wanted):
            prepared.effect_means(bundled, "logmel", effects=[effect])


def test_without_compute_nothing_is_encoded(bundled, own_points, misses):
    shutil.rmtree(own_points)
    for call in (
        prepared.effect_means,
        prepared.cluster_points,
        prepared.cluster_claims,
        prepared.trajectory_basis,
        prepared.window_purity,
        prepared.effect_algebra,
        prepared.knob_paths,
    ):
        with pytest.raises(prepared.NotShipped, match="in logmel do not ship for these clips"):
            call(bundled, "logmel", compute=False)
    with pytest.raises(prepared.NotShipped):
        prepared.sweep_means(bundled, "logmel", "PS", compute=False)
    assert prepared.compare_encoders(bundled, DEFAULT_ENCODERS, compute=False) == {}


def test_only_clips_whose_path_does_not_ship_are_encoded(bundled, monkeypatch):
    some = prepared.path_clips(bundled)
    other = next(row for row, clip in enumerate(bundled.table["clip"]) if clip not in set(some.table["clip"]))
    asked = []

    def sweep(clips, encoder, effect, knob, average, bar):
        asked.extend(clips.table["clip"])
        found = prepared.sweep_means(some[:1], "logmel", effect, knob)
        return found.assign_coords(clip=list(clips.table["clip"])) * 0 + 7

    monkeypatch.setattr(prepared, "encode_sweep", sweep)
    rows = sorted([other, list(bundled.table["clip"]).index(some.table["clip"][3])])
    path = prepared.sweep_means(bundled[rows], "logmel", "HPF")
    assert asked == [bundled.table["clip"][other]]
    assert list(path["clip"].values) == list(bundled.table["clip"][rows])
    assert (path.sel(clip=bundled.table["clip"][other]) == 7).all()
    xr.testing.assert_allclose(
        path.sel(clip=some.table["clip"][3]), prepared.sweep_means(some[[3]], "logmel", "HPF")[0]
    )


# ----------------------------------------------------------------------------------------------------- what adding does


TOY = EffectSpec("TOY", "Gain", pedalboard.Gain, {"gain_db": 3.0}, (Knob("gain_db", -6.0, 6.0, "dB"),))


def test_another_effect_invalidates_nothing(bundled, misses, monkeypatch):
    monkeypatch.setitem(EFFECTS, "TOY", TOY)
    for encoder in DEFAULT_ENCODERS:
        assert prepared.effect_means(bundled, encoder, compute=False).sizes["effect"] == 10
        assert prepared.cluster_points(bundled, encoder, compute=False).claims is not None
        assert list(prepared.knob_paths(bundled, encoder, compute=False)) == list(KNOB_RANGES)
        prepared.trajectory_basis(bundled, encoder, compute=False)
        prepared.effect_algebra(bundled, encoder, compute=False)
    with pytest.raises(Wanted):
        prepared.effect_means(bundled, "logmel", effects=["CLN", "TOY"])


def test_publishing_adds_files_and_leaves_all_others(bundled, own_points, monkeypatch):
    """A toy effect, a toy measure and a clip that is new: what is there stays byte for byte."""
    monkeypatch.setattr(publish, "load_clips", lambda _: bundled[:2])
    monkeypatch.setattr(prepared, "path_clips", lambda clips: clips[:1])
    monkeypatch.setattr(Knob, "values", lambda knob, n: np.array([knob.low, knob.high]))  # two settings, not 32
    monkeypatch.setattr(shipped, "REFERENCE_VALUES", (0, 1))
    monkeypatch.setattr(shipped, "TABLE_1", ("CLN", "HPF"))
    monkeypatch.setattr(publish, "TABLE_1", ("CLN", "HPF"))
    toy = prepared.Study("a number", lambda *_: 2, lambda n: xr.Dataset({"n": n}), lambda dataset: int(dataset["n"]))
    monkeypatch.setattr(prepared, "STUDIES", {"toy": toy})
    shutil.rmtree(own_points)
    first = set(published("logmel", ("renders", "settings", "knobs")))
    assert first == {
        *("renders/CLN.nc", "renders/HPF.nc", "renders/HPF-cutoff_frequency_hz.nc"),
        *("logmel/settings/CLN.nc", "logmel/settings/HPF.nc", "logmel/knobs/HPF-cutoff_frequency_hz.nc"),
    }
    before = contents(own_points)
    assert published("logmel", ("renders", "settings", "knobs")) == []
    assert published("logmel", ("toy",)) == ["logmel/measures/toy.nc"]
    monkeypatch.setitem(EFFECTS, "TOY", TOY)
    for module in (shipped, publish):
        monkeypatch.setattr(module, "TABLE_1", ("CLN", "HPF", "TOY"))
    added = set(published("logmel", ("renders", "settings", "knobs")))
    assert added == {
        *("renders/TOY.nc", "renders/TOY-gain_db.nc", "logmel/settings/TOY.nc", "logmel/knobs/TOY-gain_db.nc"),
    }
    after = contents(own_points)
    assert {name: after[name] for name in before} == before
    means = prepared.effect_means(bundled[:2], "logmel", effects=["HPF", "TOY"], compute=False)
    assert means.shape == (2, 2, 64)
    of_three = shipped.study_piece("logmel", "toy")  # the file is of two effects
    assert shipped.read_study(of_three, bundled[:2].hashes()) is None
    monkeypatch.setattr(publish, "load_clips", lambda _: bundled[:3])
    encoded = []
    real = publish.encode_effects
    monkeypatch.setattr(
        publish, "encode_effects", lambda clips, *a, **k: encoded.extend(clips.table["clip"]) or real(clips, *a, **k)
    )
    published("logmel", ("settings",))
    assert encoded == [bundled.table["clip"][2]]  # the new clip alone
    again = prepared.effect_means(bundled[:2], "logmel", effects=["HPF", "TOY"], compute=False)
    np.testing.assert_array_equal(again, means)


def published(encoder, kinds):
    return [path.relative_to(shipped.POINTS).as_posix() for path in publish.publish((encoder,), kinds)]


def test_another_encoder_adds_a_folder(bundled, own_points, monkeypatch):
    """A toy encoder, whose weights say that they are others, of two clips through one effect."""
    monkeypatch.setattr(publish, "load_clips", lambda _: bundled[:2])
    for module in (shipped, publish):
        monkeypatch.setattr(module, "TABLE_1", ("CLN",))
    toy = LogMel()
    toy.name, toy.weights_hash = "toy", "of the toy"
    monkeypatch.setattr(publish, "load_encoder", lambda _: toy)
    monkeypatch.setattr(shipped, "weights_hash", lambda name: {"toy": "of the toy"}.get(name, LogMel.weights_hash))
    before = contents(own_points)
    assert published("toy", ("settings",)) == ["toy/settings/CLN.nc"]
    after = contents(own_points)
    assert {name: after[name] for name in before} == before
    assert prepared.effect_means(bundled[:2], "toy", effects=["CLN"], compute=False).shape == (2, 1, 64)
    assert prepared.effect_means(bundled[:2], "logmel", effects=["CLN"], compute=False).shape == (2, 1, 64)


# ------------------------------------------------------------------------------------------------------- other versions


def test_versions_that_render_the_same_are_served_and_named(bundled, misses, other_version):
    assert shipped.made_with("logmel") == ""  # nothing was compared yet
    assert prepared.effect_means(bundled, "logmel").sizes == {"clip": 64, "effect": 10, "dim": 64}
    assert prepared.cluster_points(bundled, "logmel").claims is not None
    said = shipped.made_with("logmel")
    assert "were made with pedalboard 0.9" in said
    assert "here are pedalboard 99.0" in said
    assert "Renders of 14 settings were compared: they differ by 0 dB at most" in said


def test_the_same_versions_are_neither_compared_nor_named(bundled, monkeypatch):
    monkeypatch.setattr(shipped, "off_db", lambda name: pytest.fail("renders were compared"))
    prepared.effect_means(bundled, "logmel", compute=False)
    assert shipped.made_with("logmel") == ""


def test_renders_that_sound_otherwise_are_computed_and_said(bundled, misses, other_version, monkeypatch):
    spec = EFFECTS["HPF"]

    class Otherwise(pedalboard.HighpassFilter):
        def __init__(self, cutoff_frequency_hz):
            super().__init__(cutoff_frequency_hz * 1.05)

    monkeypatch.setitem(EFFECTS, "HPF", dataclasses.replace(spec, process=Otherwise))
    assert prepared.effect_means(bundled, "logmel", effects=["CLN", "LPF"], compute=False).shape == (64, 2, 64)
    with pytest.raises(Wanted):
        prepared.effect_means(bundled, "logmel", effects=["CLN", "HPF"])
    with pytest.raises(prepared.NotShipped):
        prepared.cluster_points(bundled, "logmel", compute=False)
    assert "Renders differ (HPF by 0.1" in shipped.made_with("logmel")
    assert "computed here" in shipped.made_with("logmel")


def test_publishing_refuses_renders_that_sound_otherwise(own_points, other_version, monkeypatch):
    spec = EFFECTS["DIS"]
    monkeypatch.setitem(
        EFFECTS, "DIS", dataclasses.replace(spec, process=lambda drive_db: pedalboard.Distortion(drive_db + 1))
    )
    with pytest.raises(SystemExit, match="DIS sounds otherwise here than what ships, by 0.[0-9]+ dB: install"):
        publish.main(["logmel", "renders"])


def test_the_tolerance_lies_between_a_last_bit_and_another_setting():
    """One clip is enough: each sample is one unit in the last place louder, or the setting another."""
    clip = load_clips("bundled")[0]
    louder = np.nextafter(clip, np.float32(np.inf))
    for effect, other in (("HPF", 2050.0), ("LPF", 75.0), ("DIS", 26.0), ("RVB", 0.82), ("CHS", 1.1), ("DLY", 0.51)):
        levels = shipped.levels_db(render(clip, effect))
        bit, setting = (
            shipped.levels_db(one) - levels for one in (render(louder, effect), render(clip, effect, other))
        )
        off = [np.sqrt(np.square(one).mean()) for one in (bit, setting)]
        assert off[0] < shipped.tolerance_db(effect) / 10, effect
        assert off[1] > 2 * shipped.tolerance_db(effect), effect


def test_levels_are_those_of_tones(tone):
    levels = shipped.levels_db(tone(1000.0, samples=262_144, peak=0.1))
    assert levels.shape == (9, 8)
    np.testing.assert_allclose(levels[4], -23.0, atol=0.1)  # 640 to 1280 Hz: 20 log10(0.1 / sqrt 2)
    assert (np.delete(levels, 4, axis=0) < -55).all()  # what leaks from a window without taper


# --------------------------------------------------------------------------------------------- another processor's bits


def test_what_ships_is_served_on_every_processor(bundled, misses, last_bits):
    """The recipes and all that is served are the same where numpy's last bits are others."""
    clips = prepared.path_clips(bundled)
    turned = [(effect, knob.name) for effect in TABLE_1 for knob in EFFECTS[effect].knobs]
    here = {knob: prepared.sweep_means(clips, "logmel", *knob) for knob in turned}
    with last_bits():
        assert prepared.cluster_points(bundled, "diffae-mini", compute=False).claims is not None
        assert prepared.compare_encoders(bundled, ["logmel"], compute=False)
        for knob in turned:
            xr.testing.assert_identical(prepared.sweep_means(clips, "logmel", *knob, compute=False), here[knob])
