"""Another processor's last bits: nothing that names, finds or guards data may depend on them.

numpy's `geomspace`, `power` and `log` differ in the last place between processors, and no switch moves them where there
is only one kind at hand. `last_bits` stands for the other kind.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

from latentfx_nb import effects
from latentfx_nb.effects import EFFECTS, TURNABLE, Setting, registry, rendering, settings_hash
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import encode, ledger, verify
from latentfx_nb.store import job as jobs
from latentfx_nb.store import store as stores
from latentfx_nb.store.encode import encode_effects, encode_sweep
from tests.test_latents import Quiet, Tiny, content_of, encoded, finished_rows

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

MOVED = ("geomspace", "linspace", "logspace", "power", "log", "log2", "log10", "exp")

TABLE_1 = ["CLN", "CHS", "CMP", "DLY", "DIS", "HPF", "LPF", "PS", "RVB", "TRV"]

KNOBS = [(label, knob.name) for label in TURNABLE for knob in EFFECTS[label].knobs]


@pytest.fixture(params=["up", "down"])
def last_bits(request, monkeypatch):
    """A context in which every number that these functions of numpy give is off by one unit in the last place."""
    towards = np.inf if request.param == "up" else -np.inf

    def moved(function):
        def elsewhere(*arguments, **options):
            found = function(*arguments, **options)
            floats = isinstance(found, np.ndarray | np.floating) and found.dtype.kind == "f"
            return np.nextafter(found, found.dtype.type(towards)) if floats else found

        return elsewhere

    @contextmanager
    def elsewhere():
        with monkeypatch.context() as patch:
            for name in MOVED:
                patch.setattr(np, name, moved(getattr(np, name)))
            yield

    return elsewhere


def test_the_fixture_moves_what_is_computed_and_gives_it_back(last_bits):
    before = np.geomspace(50, 10_000, 32), np.log(np.float32(3.0))
    with last_bits():
        after = np.geomspace(50, 10_000, 32), np.log(np.float32(3.0))
    assert (before[0] != after[0]).all() and before[1] != after[1] and after[1].dtype == np.float32
    np.testing.assert_array_max_ulp(*(one[0] for one in (before, after)), 1)
    assert np.array_equal(np.geomspace(50, 10_000, 32), before[0])


# ---------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(("label", "name"), KNOBS)
def test_settings_of_a_knob_are_the_same_however_many(last_bits, label, name):
    """Also where one is 0, or halfway between two numbers of six digits, as 0.01765625 of 129 room sizes is."""
    knob, counts = EFFECTS[label].knob(name), [*range(2, 66), 129, 257]
    here = [knob.values(n).tolist() for n in counts]
    with last_bits():
        assert [knob.values(n).tolist() for n in counts] == here


def test_settings_are_those_that_one_types():
    assert EFFECTS["HPF"].knob().values(3).tolist() == [50.0, 707.107, 10_000.0]
    assert EFFECTS["RVB"].knob("room_size").values(129)[1] == 0.0176562
    for label, name in KNOBS:
        for value in EFFECTS[label].knob(name).values(32).tolist():
            assert value == float(f"{value:.6g}")


# ------------------------------------------------------------------------------------------------------------ stores


@pytest.fixture(scope="module")
def clips(tmp_path_factory, noise, write_audio):
    """Four different clips."""
    sounds = {f"{i}.wav": noise(20_000 + 5000 * i, channels=1, seed=i) for i in range(4)}
    return load_clips(write_audio(tmp_path_factory.mktemp("clips"), sounds))


def job(clips, label, n=32, knob=None):
    """What `encode_sweep` does, or for no label `encode_effects`, with an encoder that is made anew."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_encode", lambda job, *_: made.append(job))
        if label is None:
            encode_effects(clips, LogMel("cpu"))
        else:
            encode_sweep(clips, LogMel("cpu"), label, n, knob)
    return made[0]


def names(job):
    return job.default_path(), job.parts, settings_hash(job.settings), job.hashes, job.axis.values.tolist()


@pytest.mark.parametrize("label", [None, *TURNABLE])
def test_what_names_and_guards_a_store_is_the_same(last_bits, clips, label):
    here = names(job(clips, label))
    with last_bits():
        assert names(job(clips, label)) == here


@pytest.mark.parametrize("begun_here", [True, False])
def test_a_store_begun_on_one_processor_goes_on_on_another(last_bits, clips, tmp_path, own_cache, begun_here):
    log = tmp_path / "log"
    whole = encode_sweep(clips, Tiny(), "HPF", 5, store=tmp_path / "whole.zarr", bar=Quiet)

    def begin():
        with pytest.raises(RuntimeError, match="the encoder broke"):
            encode_sweep(clips, Tiny(log, fail_at=3), "HPF", 5, bar=Quiet)

    def go_on():
        return encode_sweep(clips, Tiny(log), "HPF", 5, bar=Quiet)

    if begun_here:
        begin()
        with last_bits():
            sweep = go_on()
    else:
        with last_bits():
            begin()
        sweep = go_on()
    (store,) = (own_cache / "latents").glob("*.zarr")
    assert len(encoded(log)) == 3 + 2, "what was finished is not encoded again"
    assert sweep["value"].values.tolist() == whole["value"].values.tolist()
    np.testing.assert_allclose(sweep, whole, rtol=2.0**-9, atol=1e-4)
    verdict = verify.verify(store)
    assert verdict.is_sound and verdict.good == [0, 1, 2, 3]


# ------------------------------------------------------- stores that were begun before settings were rounded


@pytest.fixture
def as_before(monkeypatch):
    """A context in which stores are begun as they were before: with all bits of a setting, and no versions named."""

    @contextmanager
    def before():
        with monkeypatch.context() as patch:
            patch.setattr(registry, "typed", float)
            patch.setattr(jobs, "typed", float)
            create = stores.Store.create

            def nameless(self, batch, threads):
                create(self, batch, threads)
                forget_versions(self.folder.path)

            patch.setattr(stores.Store, "create", nameless)
            yield

    return before


def forget_versions(store):
    document = json.loads((store / "zarr.json").read_text())
    document["attributes"].pop("versions", None)
    document["attributes"]["checksums"]["zarr.json"] = ledger.checksum_of(document)
    (store / "zarr.json").write_text(json.dumps(document))


def test_the_key_of_table_1_is_the_one_that_stores_have_always_had(monkeypatch):
    monkeypatch.setattr(rendering, "version", lambda name: "1.0")
    assert settings_hash([Setting(label) for label in TABLE_1]) == (
        "a48d7c897746e556f6670a8c51d22b20a5b179c74c4572bc0fe3f154bbc72d19"
    )
    assert settings_hash([Setting("HPF", value) for value in (50.0, 100.0)]) == (
        "95a2718659a02625d6fb6970b8f1e9e30e41ad75a406e94225b0d8938cb8424e"
    )


def test_an_older_store_of_table_1_is_read(as_before, clips, tmp_path):
    with as_before():
        before = encode_effects(clips, Tiny(), ["CLN", "HPF"], tmp_path / "s", bar=Quiet)
    kept = content_of(tmp_path / "s")
    xr.testing.assert_identical(encode_effects(clips, Tiny(fail_at=1), ["CLN", "HPF"], tmp_path / "s"), before)
    assert content_of(tmp_path / "s") == kept


@pytest.mark.parametrize("place", ["the cache", "a path", "a url"])
@pytest.mark.parametrize("finished", [2, 4])
def test_an_older_sweep_is_read_and_gone_on_with(last_bits, as_before, clips, tmp_path, own_cache, place, finished):
    """Whichever processor began it: it keeps its own settings, and nothing that is finished is encoded again."""
    store = {"the cache": None, "a path": tmp_path / "s.zarr", "a url": f"memory://{tmp_path.name}/s.zarr"}[place]
    log = tmp_path / "log"
    settings = np.geomspace(50, 10_000, 6)
    settings[1:-1] = np.nextafter(settings[1:-1], np.inf)
    with as_before(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects.Knob, "values", lambda self, n: settings)
        if place == "a url":
            patch.setattr(stores.Store, "create", create_at_url)
        try:
            encode_sweep(clips, Tiny(log, fail_at=finished + 1), "HPF", 6, store=store, bar=Quiet)
        except RuntimeError:
            assert finished < 4
    assert len(encoded(log)) == min(4, finished + 1)
    with last_bits():
        sweep, means = (
            encode_sweep(clips, Tiny(log), "HPF", 6, store=store, bar=Quiet, average=average)
            for average in (False, True)
        )
    assert len(encoded(log)) == 4 + (finished < 4)
    assert sweep["value"].values.tolist() == means["value"].values.tolist() == settings.tolist()
    assert settings.tolist() != EFFECTS["HPF"].knob().values(6).tolist()
    assert sweep.sizes == {"clip": 4, "value": 6, "dim": 6, "frame": 64} and np.isfinite(sweep.values).all()
    assert len(list((own_cache / "latents").glob("*.zarr"))) == (place == "the cache")


def create_at_url(self, batch, threads, create=stores.Store.create):
    self.content = dataclasses.replace(self.content, versions={})
    create(self, batch, threads)


def test_an_older_sweep_of_something_else_is_refused_by_name(as_before, clips, tmp_path, own_cache):
    store = tmp_path / "s.zarr"
    with as_before():
        encode_sweep(clips[:2], Tiny(), "CHS", 6, "depth", store=store, bar=Quiet)
    before = content_of(store)
    for refused, differs in (
        (lambda: encode_sweep(clips[:2], Tiny(), "CHS", 6, "mix", store=store), "effects"),
        (lambda: encode_sweep(clips[:2], Tiny(), "CHS", 7, "depth", store=store), "effects"),
        (lambda: encode_sweep(clips[1:3], Tiny(), "CHS", 6, "depth", store=store), "clips"),
        (lambda: encode_effects(clips[:2], Tiny(), ["CHS"], store=store), "effects"),
    ):
        with pytest.raises(ValueError, match=rf"holds another data set \(its {differs} differ\); it is left as it is"):
            refused()
    assert content_of(store) == before


def test_an_older_sweep_whose_settings_changed_on_disk_is_refused(as_before, clips, tmp_path):
    store = tmp_path / "s.zarr"
    with as_before():
        encode_sweep(clips[:1], Tiny(), "HPF", 4, store=store, bar=Quiet)
    path = next(path for path in (store / "value").rglob("*") if path.is_file() and path.name != "zarr.json")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"fails its checksum in value/"):
        encode_sweep(clips[:1], Tiny(), "HPF", 4, store=store, bar=Quiet)


def test_damaged_stores_in_the_cache_keep_no_sweep_from_its_own(as_before, clips, tmp_path, own_cache):
    log = tmp_path / "log"
    with as_before():
        ours = encode_sweep(clips[:2], Tiny(log), "HPF", 4, bar=Quiet).encoding["source"]
        others = [encode_sweep(clips[:2], Tiny(), "HPF", n, bar=Quiet).encoding["source"] for n in (3, 5, 6)]
    for other in others:
        (own_cache / "latents" / other / "zarr.json").write_text("{}")
    assert encode_sweep(clips[:2], Tiny(log), "HPF", 4, bar=Quiet).encoding["source"] == ours
    assert len(encoded(log)) == 2


# ---------------------------------------------------------------------------------------------- other versions


@pytest.mark.parametrize("complete", [True, False])
def test_a_store_of_another_pedalboard_is_refused_by_its_version(clips, tmp_path, monkeypatch, complete):
    store = tmp_path / "s.zarr"
    if complete:
        encode_effects(clips, Tiny(), ["HPF"], store, bar=Quiet)
    else:
        with pytest.raises(RuntimeError):
            encode_effects(clips, Tiny(fail_at=3), ["HPF"], store, bar=Quiet)
    before, rows = content_of(store), finished_rows(store)
    made = effects.render_versions()["pedalboard"]
    real = rendering.version
    monkeypatch.setattr(rendering, "version", lambda name: "99.1" if name == "pedalboard" else real(name))
    sentence = (
        rf"its effects differ: it was rendered with pedalboard {made}, and here is pedalboard 99\.1\); it is left"
    )
    with pytest.raises(ValueError, match=sentence):
        encode_effects(clips, Tiny(), ["HPF"], store, bar=Quiet)
    assert (content_of(store), finished_rows(store)) == (before, rows)
    forget_versions(store)
    with pytest.raises(ValueError, match=r"\(its effects differ\); it is left"):
        encode_effects(clips, Tiny(), ["HPF"], store, bar=Quiet)
