"""What tests share: sounds, folders of them, real clips and weights from beside the checkout, a cache of their own."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.soak import Soak

RATE = 48_000
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder for this test alone, so that no test reads or fills the user's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LATENTFX_CACHE", str(folder))
    return folder


SOAK = Soak()


@pytest.fixture
def soak():
    """How many rounds to try, and where to count what was tried (`tests/soak.py`)."""
    return SOAK


def pytest_sessionfinish(exitstatus):
    if SOAK.long and exitstatus == 0:
        SOAK.write()


@pytest.fixture
def run_async():
    """Run a coroutine to its end, on a thread of its own: the browser's driver keeps an event loop in this one."""

    def run(coroutine):
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(asyncio.run, coroutine).result()

    return run


@pytest.fixture(scope="session")
def real_clips():
    from latentfx_nb.sound.clips import load_clips

    folder = SHARED / "real_clips"
    if not folder.is_dir():
        pytest.skip(f"needs real recordings in {folder}")
    return load_clips(folder)


@pytest.fixture
def own_points(tmp_path, monkeypatch):
    """A copy of the points that ship, to be changed."""
    from latentfx_nb.analysis import shipped

    folder = tmp_path / "points"
    shutil.copytree(shipped.POINTS, folder)
    monkeypatch.setattr(shipped, "POINTS", folder)
    return folder


@pytest.fixture
def published_weights(tmp_path_factory, monkeypatch):
    """Give the folder of a model family's published files; LATENTFX_WEIGHTS is set so that they alone are found."""

    def folder(family):
        found = SHARED / "models" / family
        if not found.is_dir():
            pytest.skip(f"needs the published weights in {found}")
        own = tmp_path_factory.mktemp("weights")
        (own / family).symlink_to(found)
        monkeypatch.setenv("LATENTFX_WEIGHTS", str(own))
        return found

    return folder


@pytest.fixture
def lyra_weights(published_weights):
    """The folder of Lyra's published files, with LATENTFX_WEIGHTS set so that they are found."""
    return published_weights("lyra")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Give the folder of a tiny random model, written once, of the encoder called so."""
    from tests.tiny_models import save_tiny

    written = {}

    def folder(name):
        family = name.partition("-")[0] if name.startswith(("stacked", "vggish")) else name
        if family not in written:
            written[family] = save_tiny(name, tmp_path_factory.mktemp("tiny") / family)
        return written[family]

    return folder


@pytest.fixture
def tiny_models(tiny_folder, monkeypatch):
    """As `tiny_folder`, and VGGish's random files pass for the published ones during this test."""
    from latentfx_nb.encoders import vggish
    from tests.tiny_models import published_as

    def folder(name):
        found = tiny_folder(name)
        if name.startswith("vggish"):
            monkeypatch.setattr(vggish, "WEIGHTS", published_as(found))
        return found

    return folder


@pytest.fixture(scope="session")
def tone():
    """Make a sine `[channel sample]`, the same in all channels."""

    def make(frequency_hz=440.0, samples=RATE, peak=0.5, channels=2, rate=RATE):
        sound = peak * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / rate)
        return np.tile(sound, (channels, 1)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def noise():
    """Make Gaussian noise `[channel sample]`: independent channels, or equal ones where `doubled`."""

    def make(samples=RATE, channels=2, seed=0, level=0.1, doubled=False):
        generator = np.random.default_rng(seed)
        sound = level * generator.standard_normal((1 if doubled else channels, samples))
        return np.repeat(sound, channels if doubled else 1, axis=0).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def write_audio():
    """Write `{name: [channel sample]}` into a folder, by default as 32-bit float, and return the folder."""

    def write(folder, sounds, rate=RATE, subtype="FLOAT", manifest=None):
        for name, sound in sounds.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            exact = subtype if path.suffix in (".wav", ".aiff") else None
            soundfile.write(path, np.asarray(sound).T, rate, subtype=exact)
        if manifest is not None:
            Path(folder, "manifest.csv").write_text(manifest, encoding="utf-8")
        return Path(folder)

    return write


# ------------------------------------------------------------------------------------------------------------- of pages


@pytest.fixture(scope="module")
def bundled():
    from latentfx_nb.sound.clips import load_clips

    return load_clips("bundled")


@pytest.fixture(scope="module")
def few(real_clips, tmp_path_factory):
    """A folder of two guitar clips and a piano clip, which nothing has been prepared for."""
    rows = [1, 6, 22]
    folder = tmp_path_factory.mktemp("recordings") / "few"
    folder.mkdir()
    lines = ["file,instrument,recording,licence"]
    for row in real_clips.table.iloc[rows].itertuples():
        (folder / Path(row.file).name).symlink_to(row.file)
        lines.append(f"{Path(row.file).name},{row.instrument},{row.recording},{row.licence}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("panels-cache")


@pytest.fixture
def warm_cache(own_cache, shared_cache, monkeypatch):
    """One cache for the tests of a file that only need latents to be there, not to see them computed."""
    monkeypatch.setenv("LATENTFX_CACHE", str(shared_cache))


@pytest.fixture
def no_weights(monkeypatch, own_cache):
    """A machine without Lyra's weights and without a network."""

    from latentfx_nb.encoders import registry

    def unreachable(*_arguments, **_options):
        raise OSError("there is no network")

    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache / "nothing"))
    monkeypatch.setattr("pooch.retrieve", unreachable)
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture
def bulk(monkeypatch):
    """Count the renders that are encoded for a store, as nothing that ships may need."""
    from latentfx_nb.store import pipeline

    counts = Counter()
    original = pipeline.encode_inputs

    def counted(encoder, inputs):
        counts[encoder.name] += len(inputs)
        return original(encoder, inputs)

    monkeypatch.setattr(pipeline, "encode_inputs", counted)
    return counts


@pytest.fixture
def toy(monkeypatch):
    """An encoder with a decoder that can be held up, known to the panels for this test."""
    from latentfx_nb.encoders import registry
    from tests.on_pages import Toy

    encoder = Toy()
    monkeypatch.setitem(registry.REGISTERED, "toy", encoder)
    yield encoder
    encoder.go.set()


@pytest.fixture
def summary(monkeypatch):
    from latentfx_nb.encoders import registry
    from tests.on_pages import Summary

    encoder = Summary()
    monkeypatch.setitem(registry.REGISTERED, "summary", encoder)
    return encoder


@pytest.fixture
def no_encoders_kept(monkeypatch):
    """Forget after the test which encoders it registered or loaded."""
    from latentfx_nb.encoders import registry

    monkeypatch.setattr(registry, "REGISTERED", {})
    registry.load_built_in.cache_clear()
    yield
    registry.load_built_in.cache_clear()


@pytest.fixture
def built_in_measures():
    """Forget after the test which measures it registered."""
    from latentfx_nb.analysis.measures import MEASURES

    built_in = dict(MEASURES)
    yield
    MEASURES.clear()
    MEASURES.update(built_in)
