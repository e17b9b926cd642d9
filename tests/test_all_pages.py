"""What all pages share: clip sets, encoders, missing weights, themes, cancelling, figures that are sent once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import plotly.graph_objects as go
import pytest

from latentfx_nb.analysis import prepared
from latentfx_nb.encoders import list_encoders, load_encoder, stacked, vggish
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.encoders.registry import BUILT_IN, load_built_in
from latentfx_nb.pages import (
    DimensionMasking,
    LatentAlgebra,
    LinearProbes,
    Trajectories,
    YourOwnAudio,
    effect_clusters,
    knob_paths,
    latent_images,
)
from latentfx_nb.sound.audio import samples_at
from latentfx_nb.store.encode import encode_sweep
from tests.on_pages import click, drawn, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

# These tests look at the panels and not at a model, so they open on the quickest encoder. The notebooks' own tests open
# them as they ship.
KnobPaths = partial(knob_paths.KnobPaths, encoder="logmel")
EffectClusters = partial(effect_clusters.EffectClusters, encoder="logmel")
LatentImages = partial(latent_images.LatentImages, encoder="logmel")
PANELS = (KnobPaths, EffectClusters, LatentImages)


@pytest.mark.parametrize("panel_class", PANELS)
def test_the_bundled_clips_need_no_bulk_encoding(panel_class, bulk, monkeypatch):
    calls = []
    original = LogMel.encode
    monkeypatch.setattr(LogMel, "encode", lambda self, audio: calls.append(len(audio)) or original(self, audio))
    panel = ready(panel_class())
    assert bulk == {}
    assert said(panel) == ""
    assert sum(calls) == {KnobPaths: 0, EffectClusters: 0, LatentImages: 2}[panel_class]  # what it draws of one clip


@pytest.mark.parametrize("panel_class", PANELS)
def test_the_figure_is_wrapped_once_complete_and_sends_nothing_away(panel_class):
    panel = ready(panel_class())
    assert isinstance(panel.figure, go.FigureWidget)
    assert panel.figure._config["showSendToCloud"] is False
    assert panel.figure.model_id in panel.bridge._watched
    assert panel.player.playing is False


@pytest.mark.parametrize("panel_class", PANELS)
def test_missing_weights_are_a_sentence_and_the_panel_goes_on(panel_class, few, warm_cache, no_weights):
    panel = ready(panel_class(few))
    title = panel.player.title
    assert panel.encoder.details["lyra-v2"].endswith("MB of weights are fetched at first use")
    panel.encoder.value = "lyra-v2"
    ready(panel)
    assert said(panel).startswith("That did not work: the weights of lyra")
    assert "LATENTFX_WEIGHTS" in said(panel)
    assert "Traceback" not in panel.status.text
    panel.encoder.value = "logmel"
    ready(panel)
    assert said(panel) == ""
    assert panel.player.title == title
    if panel_class is not EffectClusters:
        wet = panel.player.wet
        panel.knob.value = panel.knob.spec.high
        ready(panel)
        assert panel.player.wet != wet
        assert said(panel) == ""


@pytest.mark.parametrize("panel_class", PANELS)
def test_another_encoder_is_drawn_anew(panel_class, lyra_weights):
    panel = ready(panel_class())
    trace = {LatentImages: "Clean: latents", EffectClusters: "view 1 HPF", KnobPaths: "data set"}[panel_class]
    before = np.array(panel.figure.trace(trace).z)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    assert said(panel) == ""
    assert np.shape(panel.figure.trace(trace).z) != np.shape(before) or not np.allclose(
        panel.figure.trace(trace).z, before, atol=0.1
    )


@pytest.mark.parametrize("panel_class", PANELS)
def test_an_unknown_folder_is_a_sentence_and_the_panel_goes_on(panel_class, monkeypatch, own_cache):
    missing = str(own_cache / "not here")
    monkeypatch.setenv("LATENTFX_CLIPS", missing)
    panel = ready(panel_class())
    clips, title = panel.clips, panel.player.title
    assert [label for label, _ in panel.clip_set.options] == ["64 bundled clips", "not here"]
    panel.clip_set.value = missing
    ready(panel)
    assert said(panel) == f"That did not work: {missing} does not exist; give 'bundled' or a folder of audio files"
    assert panel.clips is clips
    panel.clip_set.value = "bundled"
    ready(panel)
    assert said(panel) == ""
    assert panel.player.title == title


@pytest.mark.parametrize("panel_class", PANELS)
def test_a_folder_that_is_not_there_at_the_start_is_an_error(panel_class, own_cache):
    with pytest.raises(FileNotFoundError, match="does not exist; give 'bundled' or a folder"):
        panel_class(own_cache / "not here")


@pytest.mark.parametrize("panel_class", PANELS)
def test_a_folder_can_be_chosen_and_left_again(panel_class, few, warm_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(panel_class())
    panel.clip_set.value = str(few)
    ready(panel)
    assert said(panel) == ""
    assert len(panel.clips) == 3
    if panel_class is EffectClusters:
        effects = [name for name in panel.figure.names() if name.startswith("view 1 ")]
        assert len(effects) == 10
        assert {drawn(panel.figure.trace(name)).shape for name in effects} == {(3, 3)}
        click(panel, "view 1 CLN", 0)
    elif panel_class is KnobPaths:
        assert drawn(panel.figure.trace("data set")).shape == (30, 3)
        assert drawn(panel.figure.trace("paths")).shape == (3 * 33, 3)
        assert panel.figure.trace("knob").text == tuple(f"<b>{clip}</b>" for clip in panel.clips.table["clip"])
    assert panel.player.title.startswith(panel.clips.table["clip"].iat[0])
    panel.clip_set.value = "bundled"
    ready(panel)
    assert said(panel) == ""
    assert len(panel.clips) == 64


@pytest.fixture
def at_hand(tiny_models, tmp_path, monkeypatch):
    """Make a tiny random model present on this machine, as if its weights had been fetched."""

    def put(name):
        folder = tiny_models(name)
        family = name.partition("-")[0] if name.startswith(("stacked", "vggish")) else name
        (tmp_path / family).symlink_to(folder)
        if family == "vggish":
            monkeypatch.setitem(BUILT_IN, name, replace(BUILT_IN[name], weights=vggish.WEIGHTS))
        monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path))
        monkeypatch.setattr(stacked, "STEPS", 1)
        monkeypatch.setattr(prepared, "encode_sweep", partial(encode_sweep, n=6))  # 32 take five times as long
        assert list_encoders().loc[name, "present"]

    load_built_in.cache_clear()
    yield put
    load_built_in.cache_clear()


@pytest.mark.ci
@pytest.mark.parametrize(
    "name", ["diffae", "stacked-2", "stacked-1", "vggish", "vggish-paper", "encodec-48k", "encodec-24k", "dac-44k",
             "oobleck-acestep", "oobleck-stable-audio", "clap-music"]
)  # fmt: skip
def test_every_page_works_with_every_encoder(name, at_hand, bundled):
    at_hand(name)
    clips = bundled[:1]
    images = ready(LatentImages(clips, encoder=name))
    encoder = load_encoder(name)
    assert said(images) == ""
    frames = encoder.frames(samples_at(262_144, 48_000, encoder.sample_rate))
    assert np.shape(images.figure.trace("Difference: latents").z) == (encoder.dim, frames)
    assert np.abs(images.figure.trace("Difference: latents").z).max() > 0
    slow = getattr(encoder, "decodes_slowly", False)
    assert bool(images.player.decoded) == (list_encoders().loc[name, "has_decoder"] and not slow)
    assert ("takes minutes" in images.html["limits"].value) == slow
    assert ("one vector a clip" in images.html["limits"].value) == (name == "clap-music")

    clusters = ready(EffectClusters(clips, encoder=name))
    assert said(clusters) == ""
    names = [name for name in clusters.figure.names() if name.startswith(("view 1 ", "view 3 "))]
    for view in ("view 1 ", "view 3 "):
        across = np.concatenate([clusters.figure.trace(name).x for name in names if name.startswith(view)])
        assert np.isfinite(across).all() and np.ptp(across) > 0
    assert ("one vector a clip" in clusters.html["numbers"].value) == (name == "clap-music")

    paths = ready(KnobPaths(clips, encoder=name))
    assert said(paths) == ""
    assert np.ptp(np.asarray(paths.figure.trace("paths").x)[:6]) > 0


NEW = {
    "efficientat-mn04": "efficientat",
    "efficientat-mn04@layer=5": "efficientat",
    "yamnet": "yamnet",
    "lyra-v2@quantizers=8": "lyra",
    "logmel-stats": None,
}
"""Encoders of 384, 16, 1024 and 64 dims, and one of one vector a clip -> the family of their published weights."""


@pytest.mark.ci
@pytest.mark.parametrize("name", NEW)
def test_every_page_works_with_classifiers_layers_depths_and_one_vector(
    name, bundled, published_weights, warm_cache, monkeypatch
):
    if NEW[name] is not None:
        published_weights(NEW[name])
    monkeypatch.setattr(prepared, "encode_sweep", partial(encode_sweep, n=6))
    clips = bundled[:12]  # of six recordings and both instruments, so that probes have what they need
    for make in (Trajectories, EffectClusters, KnobPaths, LatentAlgebra, DimensionMasking):
        panel = ready(make(clips, encoder=name))
        assert panel.shown.choice.encoder == name, (make, said(panel))
        assert said(panel) == "" or "vector a clip" in said(panel)
    probes = ready(LinearProbes(clips, encoders=(name,)))
    assert list(probes.shown.results) == [f"{name}-T"]
    assert np.isfinite(np.asarray(probes.figure.trace("confusions").z, float)).all()
    own = ready(YourOwnAudio(encoder=name))
    assert own.shown.choice.encoder == name
