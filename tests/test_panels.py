"""`latentfx_nb.pages`: what turning, choosing and clicking do, without a browser."""

from __future__ import annotations

import base64
import html
import io
import re
import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import soundfile
import torch
from tqdm import tqdm

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.masking import masking_losses
from latentfx_nb.analysis.probes import class_accuracy, overall_accuracy, train_probes
from latentfx_nb.analysis.training import LEARNING_RATES, ProbeConfig
from latentfx_nb.effects import EFFECTS, TURNABLE, render
from latentfx_nb.encoders import _BUILT_IN, _load, _registered, list_encoders, load_encoder, stacked, vggish
from latentfx_nb.encoders.base import decode_latents, encode_clips
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.pages import (
    StartHere,
    base,
    dimension_masking,
    effect_clusters,
    knob_paths,
    latent_images,
    linear_probes,
)
from latentfx_nb.pages.base import Cancelled, Status, Worker
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.pages.start_here import PAGES
from latentfx_nb.sound.audio import loudness_lufs, normalise, samples_at, spectrogram_db
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import encode as latents
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LABELS = list(EFFECTS)
# These tests look at the panels and not at a model, so they open on the quickest encoder. The notebooks' own tests open
# them as they ship.
KnobPaths = partial(knob_paths.KnobPaths, encoder="logmel")
EffectClusters = partial(effect_clusters.EffectClusters, encoder="logmel")
LatentImages = partial(latent_images.LatentImages, encoder="logmel")
LinearProbes = partial(linear_probes.LinearProbes, encoders=("logmel",))
DimensionMasking = partial(dimension_masking.DimensionMasking, encoder="logmel")
PANELS = (KnobPaths, EffectClusters, LatentImages)


@pytest.fixture(scope="module")
def bundled():
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
    """One cache for the tests of this file that only need latents to be there, not to see them computed."""
    monkeypatch.setenv("LATENTFX_CACHE", str(shared_cache))


@pytest.fixture
def no_weights(monkeypatch, own_cache):
    """A machine without Lyra's weights and without a network."""

    def unreachable(*_arguments, **_options):
        raise OSError("there is no network")

    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache / "nothing"))
    monkeypatch.setattr("pooch.retrieve", unreachable)
    _load.cache_clear()
    yield
    _load.cache_clear()


@pytest.fixture
def bulk(monkeypatch):
    """Count the renders that are encoded for a store, as nothing that ships may need."""
    counts = Counter()
    original = latents.encode_inputs

    def counted(encoder, inputs):
        counts[encoder.name] += len(inputs)
        return original(encoder, inputs)

    monkeypatch.setattr(latents, "encode_inputs", counted)
    return counts


def ready(panel):
    panel.wait(PATIENCE_S)
    return panel


def said(panel):
    """Return the status line as a reader sees it."""
    return html.unescape(re.sub("<[^>]*>", "", panel.status.text))


def drawn(trace):
    """Return what a trace draws, `[point component]`."""
    return np.stack([np.asarray(trace[axis], float) for axis in "xyz" if axis in trace], axis=-1)


def heard(player):
    """Return both sounds as they are played, `[channel sample]`."""
    return [soundfile.read(io.BytesIO(flac), dtype="float32")[0].T for flac in (player.dry, player.wet)]


def assert_sounds(player, clip, label, value=None, knob=None):
    """The player holds `clip` without and with the effect, to 16 bits, at one gain."""
    expected = render(clip, "CLN"), render(clip, label, value, knob)
    gain = 1 / max(1.0, *(float(np.abs(sound).max()) for sound in expected))
    for sound, one in zip(heard(player), expected, strict=True):
        np.testing.assert_allclose(sound, one * gain, atol=1.01 / 2**15)


def basis_of(clips, encoder):
    """Return mean and axes of the data set's PCA, by another way than the package's."""
    means = prepared.effect_means(clips, encoder).values.reshape(-1, load_encoder(encoder).dim).astype(float)
    axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][:3]
    signs = np.sign(axes[range(3), np.abs(axes).argmax(axis=1)])
    return means.mean(axis=0), axes * signs[:, None]


def exact_point(clips, row, encoder, label, value, knob=None):
    """Render, encode, average and project one setting."""
    mean, axes = basis_of(clips, encoder)
    latent = encode_clips(load_encoder(encoder), [render(clips[row], label, value, knob)])[0]
    return axes @ (latent.astype(float).mean(axis=-1) - mean)


def click(panel, number):
    panel._clicked(None, SimpleNamespace(point_inds=[number]), None)
    return ready(panel)


# -------------------------------------------------------------------------------------------------------------- worker


class Recorder:
    def __init__(self):
        self.failed, self.stopped = [], 0
        self.worker = Worker(self.failed.append, self._stopped)
        self.gate, self.started = threading.Event(), threading.Event()

    def _stopped(self):
        self.stopped += 1

    def hold(self):
        """A job that runs until the gate opens."""
        self.started.set()
        assert self.gate.wait(PATIENCE_S)

    def until_cancelled(self):
        self.started.set()
        assert self.worker.cancelled.wait(PATIENCE_S)
        raise Cancelled

    def begin(self, kind, job):
        self.started.clear()
        self.worker.submit(kind, job)
        assert self.started.wait(PATIENCE_S)


@pytest.fixture
def recorder():
    recorder = Recorder()
    yield recorder
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)


def test_of_each_kind_only_the_newest_waiting_job_runs(recorder):
    ran = []
    recorder.begin("held", recorder.hold)
    for i in range(50):
        recorder.worker.submit("render", lambda i=i: ran.append(("render", i)))
        recorder.worker.submit("prepare", lambda i=i: ran.append(("prepare", i)))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert ran == [("render", 49), ("prepare", 49)]
    assert recorder.failed == []


def test_a_newer_job_of_its_kind_stops_a_running_one_without_a_word(recorder):
    flags = []
    recorder.begin("prepare", recorder.until_cancelled)
    recorder.worker.submit("prepare", lambda: flags.append(recorder.worker.cancelled.is_set()))
    recorder.worker.wait(PATIENCE_S)
    assert flags == [False]
    assert recorder.stopped == 0


def test_a_job_of_another_kind_stops_nothing(recorder):
    flags = []
    recorder.begin("prepare", lambda: (recorder.hold(), flags.append(recorder.worker.cancelled.is_set())))
    recorder.worker.submit("render", lambda: flags.append("rendered"))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert flags == [False, "rendered"]


def test_cancel_stops_the_running_job_and_says_so_once(recorder):
    ran = []
    recorder.begin("prepare", recorder.until_cancelled)
    recorder.worker.submit("render", lambda: ran.append(recorder.worker.cancelled.is_set()))
    recorder.worker.cancel()
    recorder.worker.wait(PATIENCE_S)
    assert recorder.stopped == 1
    assert recorder.failed == []
    assert ran == [False]


def test_cancel_with_nothing_to_do_spoils_no_later_job(recorder):
    ran = []
    recorder.worker.cancel()
    recorder.worker.submit("render", lambda: ran.append(recorder.worker.cancelled.is_set()))
    recorder.worker.wait(PATIENCE_S)
    assert ran == [False]


def test_an_exception_is_reported_and_the_next_job_runs(recorder):
    ran, error = [], KeyError("unforeseen")

    def broken():
        recorder.hold()
        raise error

    recorder.begin("prepare", broken)
    recorder.worker.submit("render", lambda: ran.append("rendered"))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert recorder.failed == [error]
    assert ran == ["rendered"]


def test_the_thread_ends_when_idle_and_a_new_one_serves_the_next_job(recorder):
    threads = []
    for _ in range(2):
        recorder.worker.submit("render", lambda: threads.append(threading.current_thread()))
        recorder.worker.wait(PATIENCE_S)
        threads[-1].join(PATIENCE_S)
        assert not threads[-1].is_alive()
    assert threads[0] is not threads[1]


def test_wait_times_out_and_names_the_job(recorder):
    recorder.begin("prepare", recorder.hold)
    with pytest.raises(TimeoutError, match="busy with 'prepare'"):
        recorder.worker.wait(0.01)


def test_wait_returns_at_once_where_nothing_was_asked_for(recorder):
    recorder.worker.wait(0.0)


# -------------------------------------------------------------------------------------------------------------- status


def test_status_shows_progress_and_clears_up():
    status = Status()
    with status.progress(total=4, initial=1, desc="logmel: HPF", check=lambda: None) as bar:
        assert (bar._bar.value, bar._bar.max) == (1, 4)
        assert status._bar.layout.display == status._stop.layout.display == "flex"
        bar.update()
        assert status.text == "logmel: HPF: 2 of 4"
    assert status.text == ""
    assert status._bar.layout.display == status._stop.layout.display == "none"


def test_status_hides_the_bar_of_work_that_stopped():
    def stop():
        raise Cancelled

    status = Status()
    with pytest.raises(Cancelled), status.progress(total=4, check=stop) as bar:
        bar.update()
    assert status._bar.layout.display == status._stop.layout.display == "none"


def test_status_tells_errors_as_text_and_not_as_html():
    status = Status()
    status.fail(ValueError("give <b>one</b> & not two"))
    assert "That did not work:" in status.text
    assert "give &lt;b&gt;one&lt;/b&gt; &amp; not two" in status.text
    status.fail(KeyError("dim"))
    assert "something unexpected went wrong (KeyError: &#x27;dim&#x27;)" in status.text
    status.say("<i>")
    assert status.text == "&lt;i&gt;"


# ---------------------------------------------------------------------------------------------------------------- knob


@pytest.mark.parametrize("label", TURNABLE)
def test_every_knob_starts_at_table_1_and_stays_in_its_range(label):
    control = KnobControl(label, LABELS)
    for knob in EFFECTS[label].knobs:
        control._parameter.value = knob.name
        assert control.spec is knob
        assert control.value == pytest.approx(EFFECTS[label].setting[knob.name])
        for value in (knob.low, knob.high):
            control.value = value
            assert control.value == pytest.approx(value)
            assert control.text() == f"{EFFECTS[label].name}, {knob.text(control.value)}"
            knob.check(control.value)
        slider = control.slider.children[0]
        assert slider.description.startswith(knob.words)


def test_an_effect_without_a_knob_says_so():
    control = KnobControl("HPF", LABELS)
    told = []
    control.on_turn(lambda: told.append(control.value))
    control.effect = "TRV"
    assert (control.spec, control.name, control.value, control.text()) == (None, None, None, "Time reverse")
    assert control.slider.children[0].value == "Time reverse has no knob."
    control.effect = "DIS"
    assert told == [None, 25.0]


def test_a_setting_is_what_one_would_type_and_last_bits_are_no_turn():
    control = KnobControl("HPF", LABELS)
    told = []
    control.on_turn(lambda: told.append(control.value))
    for value in (np.nextafter(2000.0, 0), 2000.0001, 10 ** np.log10(2000.0)):
        control.value = value
        assert control.value == 2000.0
    assert told == []
    control.value = 432.1987654
    assert told == [432.199]
    control.value = 50.0 * (1 - 1e-12)
    assert told == [432.199, 50.0]


def test_choosing_another_knob_of_an_effect_is_heard_once():
    control = KnobControl("RVB", LABELS)
    told = []
    control.on_choose(lambda: told.append(control.name))
    control._parameter.value = "damping"
    control.effect = "DLY"
    assert told == ["damping", "delay_seconds"]


# ---------------------------------------------------------------------------------------------------------- all panels


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
    assert any(label.startswith("lyra-v2 (not ready: ") for label, _ in panel.encoder.options)
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
    trace = 3 if panel_class is LatentImages else 0
    before = np.array(panel.figure.data[trace].z)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    assert said(panel) == ""
    assert np.shape(panel.figure.data[trace].z) != np.shape(before) or not np.allclose(
        panel.figure.data[trace].z, before, atol=0.1
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
        assert drawn(panel.figure.data[0]).shape == (30, 3)
        click(panel, 0)
    elif panel_class is KnobPaths:
        assert drawn(panel.figure.data[0]).shape == (30, 3)
        assert drawn(panel.figure.data[1]).shape == (3 * 33, 3)
        assert panel.figure.data[2].text == tuple(f"<b>{clip}</b>" for clip in panel.clips.table["clip"])
    assert panel.player.title.startswith(panel.clips.table["clip"].iat[0])
    panel.clip_set.value = "bundled"
    ready(panel)
    assert said(panel) == ""
    assert len(panel.clips) == 64


# ----------------------------------------------------------------------------------------------------------- knob paths


@pytest.mark.parametrize(
    ("label", "knob", "values"),
    [
        ("HPF", "cutoff_frequency_hz", (50.0, 437.5, 10_000.0)),
        ("LPF", "cutoff_frequency_hz", (123.4,)),
        ("DIS", "drive_db", (0.0, 17.3)),
        ("RVB", "room_size", (0.333,)),
    ],
)
def test_the_diamond_is_the_exact_point_of_the_value(label, knob, values, bundled, bulk):
    panel = ready(KnobPaths(effect=label))
    for value in values:
        panel.knob.value = value
        ready(panel)
        row = panel.heard.value
        place = list(panel.chosen.value).index(row)
        exact = exact_point(bundled, row, "logmel", label, value)
        np.testing.assert_allclose(drawn(panel.figure.data[2])[place], exact, atol=1e-2)  # of a spread of hundreds
        assert_sounds(panel.player, bundled[row], label, value)
        clip = bundled.table["clip"].iat[row]
        assert panel.player.title == f"{clip}: {EFFECTS[label].name}, {EFFECTS[label].knob(knob).text(value)}"
    assert bulk == {}
    assert said(panel) == ""


def test_the_exact_point_differs_from_the_nearest_prepared_one(bundled):
    """Between two prepared values, so that a diamond left on a prepared point would be seen."""
    panel = ready(KnobPaths())
    settings = panel._drawn.means["value"].values
    panel.knob.value = float(np.sqrt(settings[10] * settings[11]))
    ready(panel)
    diamonds, path = drawn(panel.figure.data[2]), panel._drawn.points.values
    heard_row = list(panel.chosen.value).index(panel.heard.value)
    gaps = np.linalg.norm(path - diamonds[:, None], axis=-1).min(axis=1)
    assert gaps[heard_row] > 0.1
    np.testing.assert_allclose(np.delete(gaps, heard_row), 0, atol=1e-3)  # the others stand on prepared points


def test_the_exact_point_with_lyra(bundled, lyra_weights, bulk):
    panel = ready(KnobPaths(encoder="lyra-v2"))
    panel.knob.value = 777.0
    ready(panel)
    exact = exact_point(bundled, panel.heard.value, "lyra-v2", "HPF", 777.0)
    np.testing.assert_allclose(drawn(panel.figure.data[2])[0], exact, atol=1e-2)
    assert bulk == {}


def test_the_exact_point_of_a_folder(few, warm_cache):
    panel = ready(KnobPaths(few))
    panel.heard.value = 2
    panel.knob.value = 3000.0
    ready(panel)
    clips = load_clips(few)
    np.testing.assert_allclose(
        drawn(panel.figure.data[2])[2], exact_point(clips, 2, "logmel", "HPF", 3000.0), atol=1e-2
    )
    assert_sounds(panel.player, clips[2], "HPF", 3000.0)


def test_the_cloud_is_the_whole_data_set_and_the_paths_lie_in_its_basis(bundled):
    panel = ready(KnobPaths())
    mean, axes = basis_of(bundled, "logmel")
    means = prepared.effect_means(bundled, "logmel").values.reshape(-1, 64)
    np.testing.assert_allclose(drawn(panel.figure.data[0]), (means - mean) @ axes.T, atol=1e-2)
    rows = list(panel.chosen.value)
    sweep = prepared.sweep_means(bundled[rows], "logmel", "HPF").values
    paths = drawn(panel.figure.data[1]).reshape(len(rows), 33, 3)
    np.testing.assert_allclose(paths[:, :32], (sweep - mean) @ axes.T, atol=1e-2)
    assert np.isnan(paths[:, 32]).all()


def test_another_effect_draws_other_paths_in_the_same_basis(bundled):
    panel = ready(KnobPaths())
    cloud, paths = drawn(panel.figure.data[0]), drawn(panel.figure.data[1])
    panel.knob.effect = "DIS"
    ready(panel)
    np.testing.assert_array_equal(drawn(panel.figure.data[0]), cloud)
    assert not np.allclose(drawn(panel.figure.data[1]), paths, equal_nan=True)
    assert "drive 0 dB" in panel.figure.data[1].text[0]
    assert panel.player.title.endswith("Distortion, drive 25 dB")


def test_choosing_clips_draws_their_paths_and_their_straightness(bundled):
    panel = ready(KnobPaths())
    rows = list(panel.chosen.value)[2:5]
    panel.chosen.value = tuple(rows)
    ready(panel)
    assert drawn(panel.figure.data[1]).shape == (3 * 33, 3)
    assert panel.figure.data[2].text == tuple(f"<b>{bundled.table['clip'].iat[row]}</b>" for row in rows)
    expected = straightness(prepared.sweep_means(bundled[rows], "logmel", "HPF"))
    shown = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>.*?</tr>", panel.numbers.value)
    assert "PCA: exact, of the time averages of 640 renders (64 clips, 10 effects) x 64 features" in panel.numbers.value
    assert shown == [(clip, f"{one:.2f}") for clip, one in zip(expected["clip"].values, expected.values)]


def test_a_clip_can_be_heard_whose_path_is_not_drawn(bundled):
    panel = ready(KnobPaths())
    row = next(row for row in range(64) if row not in panel.chosen.value)
    before = drawn(panel.figure.data[2])
    panel.heard.value = row
    ready(panel)
    assert panel.player.title.startswith(f"{bundled.table['clip'].iat[row]}: ")
    assert drawn(panel.figure.data[2]).shape == before.shape
    assert said(panel) == ""


def test_only_so_many_paths_are_drawn(monkeypatch):
    panel = ready(KnobPaths())
    chosen = panel.chosen.value
    assert len(panel.figure.data[2].text) == len(chosen) == knob_paths.MOST_PATHS
    monkeypatch.setattr(knob_paths, "MOST_PATHS", 3)
    panel.chosen.value = chosen[1:]
    ready(panel)
    assert len(panel.figure.data[2].text) == 3


def test_with_no_path_chosen_that_of_the_heard_clip_is_drawn(bundled):
    panel = ready(KnobPaths())
    panel.chosen.value = ()
    ready(panel)
    assert panel.figure.data[2].text == (f"<b>{bundled.table['clip'].iat[panel.heard.value]}</b>",)


@pytest.mark.parametrize(("path", "step", "expected"), [(0, 0, 0), (3, 17, 17), (7, 31, 31), (2, 32, 31)])
def test_a_click_on_a_path_chooses_clip_and_value(path, step, expected, bundled):
    """The gap after a path cannot be clicked; if it were, it would be the path's end."""
    panel = ready(KnobPaths())
    click(panel, 33 * path + step)
    value = panel._drawn.means["value"].values[expected]
    assert panel.heard.value == panel.chosen.value[path]
    assert panel.knob.value == pytest.approx(value)
    clip = bundled.table["clip"].iat[panel.heard.value]
    assert panel.player.title == f"{clip}: High-pass filter, {EFFECTS['HPF'].knob().text(value)}"
    assert panel.player.playing is False
    np.testing.assert_allclose(drawn(panel.figure.data[2])[path], panel._drawn.points.values[path, expected], atol=1e-2)


def test_a_click_on_nothing_changes_nothing():
    panel = ready(KnobPaths())
    before = panel.player.title, panel.player.wet
    panel._clicked(None, SimpleNamespace(point_inds=[]), None)
    ready(panel)
    assert (panel.player.title, panel.player.wet) == before


def test_of_many_values_the_last_one_is_rendered_and_shown(bundled, monkeypatch):
    panel = ready(KnobPaths())
    gate, started, rendered = threading.Event(), threading.Event(), []

    def slow(clip, label, value=None, knob=None):
        if label == "HPF":
            rendered.append(value)
            started.set()
            assert gate.wait(PATIENCE_S)
        return render(clip, label, value, knob)

    monkeypatch.setattr(base, "render", slow)
    values = np.geomspace(60, 9000, 40)
    panel.knob.value = float(values[0])
    assert started.wait(PATIENCE_S)
    for value in values[1:]:
        panel.knob.value = float(value)
    gate.set()
    ready(panel)
    assert rendered == pytest.approx([values[0], values[-1]])
    assert panel.player.title.endswith("cutoff frequency 9000 Hz")
    exact = exact_point(bundled, panel.heard.value, "logmel", "HPF", 9000.0)
    np.testing.assert_allclose(drawn(panel.figure.data[2])[0], exact, atol=1e-2)
    assert said(panel) == ""  # to be overtaken is no news


def test_long_work_says_what_is_left(monkeypatch):
    status, now = Status(), [100.0]
    monkeypatch.setattr("latentfx_nb.pages.base.time.monotonic", lambda: now[0])
    said = []
    with status.progress(total=40, initial=10, desc="Encoding", check=lambda: None) as progress:
        progress.set_postfix_str("render 60%")
        for seconds in (1, 1, 10, 100):
            now[0] += seconds
            progress.update()
            said.append(status.text)
    assert said == [
        "Encoding: 11 of 40 (render 60%)",
        "Encoding: 12 of 40, about 30 s left (render 60%)",
        "Encoding: 13 of 40, about 2 min left (render 60%)",
        "Encoding: 14 of 40, about 12 min left (render 60%)",
    ]


def test_a_figure_follows_the_theme_of_its_page(few):
    panel = ready(KnobPaths(few))
    grounds = []
    for dark in (True, False):
        panel.bridge.dark = dark
        grounds.append(panel.figure.layout.template.layout.paper_bgcolor)
    assert grounds == [figures.TEMPLATES[dark].layout.paper_bgcolor for dark in (True, False)]
    assert panel.figure.layout.scene.camera.eye.x == 1.45  # all else stays


def test_cancel_stops_a_sweep_and_keeps_finished_clips(few, monkeypatch):
    panel = ready(KnobPaths(few))
    paths = drawn(panel.figure.data[1])
    original, encoded = latents.encode_inputs, []

    def pressed(encoder, inputs):
        encoded.append(len(inputs))
        if len(encoded) == 1 and press:
            panel.status._stop.click()
        return original(encoder, inputs)

    monkeypatch.setattr(latents, "batch_size", lambda *_: 64)  # one batch a clip, whatever the machine
    monkeypatch.setattr(latents, "encode_inputs", pressed)
    press = True
    panel.knob.effect = "DIS"
    ready(panel)
    assert encoded == [32]
    assert said(panel) == "Stopped; what was finished is kept."
    assert panel.status._bar.layout.display == "none"
    np.testing.assert_array_equal(drawn(panel.figure.data[1]), paths)  # what is drawn is still the old knob's
    press = False
    panel.knob.effect = "HPF"
    ready(panel)
    panel.knob.effect = "DIS"
    ready(panel)
    assert encoded == [32, 32, 32]
    assert said(panel) == ""
    assert "drive" in panel.figure.data[1].text[0]


def test_after_a_cancelled_change_nothing_is_drawn_in_the_wrong_basis(few, warm_cache, lyra_weights, monkeypatch):
    """Both encoders have 64 dims, so a point of one would fit into the other's basis unnoticed."""
    panel = ready(KnobPaths(few))

    def stopped(*_arguments, **_options):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(knob_paths, "effect_means", stopped)
        panel.encoder.value = "lyra-v2"
        ready(panel)
    assert said(panel) == "Stopped; what was finished is kept."
    before = drawn(panel.figure.data[2])
    panel.knob.value = 5000.0
    ready(panel)
    np.testing.assert_array_equal(drawn(panel.figure.data[2]), before)
    assert panel.player.title.endswith("cutoff frequency 5000 Hz")  # the sound needs no encoder
    panel.encoder.value = "logmel"
    ready(panel)
    exact = exact_point(load_clips(few), 0, "logmel", "HPF", 5000.0)
    np.testing.assert_allclose(drawn(panel.figure.data[2])[0], exact, atol=1e-2)


@pytest.mark.parametrize("panel_class", [KnobPaths, EffectClusters])
def test_two_dimensions_need_no_webgl(panel_class):
    panel = ready(panel_class(dimensions=2))
    assert {trace.type for trace in panel.figure.data} == {"scatter"}
    if panel_class is KnobPaths:
        panel.knob.value = 300.0
        click(panel, 33 + 5)
        assert panel.heard.value == panel.chosen.value[1]
        assert drawn(panel.figure.data[2]).shape == (8, 2)
    else:
        assert drawn(panel.figure.data[0]).shape == (640, 2)
        click(panel, 47)
        np.testing.assert_allclose(drawn(panel.figure.data[4])[0], drawn(panel.figure.data[0])[47])
    assert said(panel) == ""


# ------------------------------------------------------------------------------------------------------ effect clusters


def rings(panel):
    return [drawn(ring)[0] for ring in panel.figure.data[4:8]]


def test_the_four_scenes_hold_the_shipped_points(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    for trace, view in zip(panel.figure.data, prepared.VIEWS):
        np.testing.assert_allclose(drawn(trace), points.views[view].values.reshape(-1, 3), rtol=1e-6)
    assert panel.compute_umap.layout.display == "none"
    shown = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", panel.numbers.value)
    expected = []
    for label, row in points.purity.iterrows():
        ends = points.windows.loc[label].iloc[[-1, 0]]  # the whole clip is time-averaged, one frame flattened
        np.testing.assert_allclose(ends["purity"], row[["mean", "flat"]], atol=1e-6)
        between = [f" ({100 * one.low:.0f} to {100 * one.high:.0f})" for one in ends.itertuples()]
        cells = [f"{row[kind]:.0%}{interval}" for kind, interval in zip(("mean", "flat"), between, strict=True)]
        expected.append((label, *cells, f"{row['chance']:.0%}"))
    assert shown == expected
    assert "n = 640 renders, of 64 clips from 48 recordings" in panel.numbers.value
    for part in ("640 renders x 64 features", "not standardised", "n_neighbors 15", "min_dist 0.1", "seed 0"):
        assert part in panel.numbers.value


@pytest.mark.parametrize("number", [0, 5, 321, 639])
def test_a_click_rings_the_point_in_every_scene_and_loads_its_sound(number, bundled):
    panel = ready(EffectClusters())
    click(panel, number)
    clip, effect = divmod(number, 10)
    for ring, trace in zip(rings(panel), panel.figure.data[:4], strict=True):
        np.testing.assert_allclose(ring, drawn(trace)[number], rtol=1e-6)
    assert panel.player.title == f"{bundled.table['clip'].iat[clip]}: {EFFECTS[LABELS[effect]].name}"
    assert_sounds(panel.player, bundled[clip], LABELS[effect])
    assert panel.player.playing is False


def test_of_many_clicks_the_last_one_is_heard(bundled, monkeypatch):
    panel = ready(EffectClusters())
    gate, started, rendered = threading.Event(), threading.Event(), []

    def slow(clip, label, *setting):
        rendered.append(label)
        started.set()
        assert gate.wait(PATIENCE_S)
        return render(clip, label, *setting)

    monkeypatch.setattr(base, "render", slow)
    panel.choose(0, 1)
    assert started.wait(PATIENCE_S)
    for clip in range(1, 30):
        panel.choose(clip, 5)
    gate.set()
    ready(panel)
    assert rendered == ["CLN", "CHS", "CLN", "HPF"]
    assert panel.player.title == f"{bundled.table['clip'].iat[29]}: High-pass filter"


def test_showing_one_effect_keeps_its_points_and_clicks(bundled):
    panel = ready(EffectClusters())
    points = prepared.cluster_points(bundled, "logmel")
    panel.effect.value = "HPF"
    for trace, view in zip(panel.figure.data, prepared.VIEWS):
        np.testing.assert_allclose(drawn(trace), points.views[view].sel(effect="HPF").values, rtol=1e-6)
        assert len(trace.text) == 64
        assert all(text.endswith("High-pass filter") for text in trace.text)
        assert set(trace.marker.color) == {figures.EFFECT_COLORS["HPF"]}
    click(panel, 17)
    assert panel.player.title == f"{bundled.table['clip'].iat[17]}: High-pass filter"
    np.testing.assert_allclose(rings(panel)[0], points.views["pca_mean"].sel(effect="HPF").values[17], rtol=1e-6)
    panel.effect.value = ""
    assert len(panel.figure.data[0].x) == 640


def test_colour_buttons_recolour_points_and_legend(bundled):
    panel = ready(EffectClusters())
    for coloring, colours, entries in (("instrument", 2, 3), ("clip", 64, 0), ("effect", 10, 10)):
        panel.coloring.value = coloring
        for trace in panel.figure.data[:4]:
            assert len(set(trace.marker.color)) == colours
            assert len(trace.marker.color) == 640
        legend = [trace for trace in panel.figure.data[8:] if trace.visible]
        assert [trace.meta for trace in legend] == [coloring] * entries
    assert tuple(panel.coloring.options) == figures.COLORINGS


def test_umap_of_a_folder_waits_for_its_button(few, warm_cache):
    panel = ready(EffectClusters(few))
    titles = [annotation.text for annotation in panel.figure.layout.annotations[:4]]
    assert titles[1] == "UMAP, time-averaged: not computed yet"
    assert titles[0].endswith("of the variance)")
    assert [len(trace.x) for trace in panel.figure.data[:4]] == [30, 0, 30, 0]
    assert panel.compute_umap.layout.display == "flex"
    assert panel.figure.layout.scene2.xaxis.title.text == "UMAP1"
    click(panel, 12)
    assert list(panel.figure.data[5].x) == [None]
    panel.compute_umap.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.figure.layout.annotations[1].text == "UMAP, time-averaged"
    assert [len(trace.x) for trace in panel.figure.data[:4]] == [30] * 4
    assert all(np.isfinite(drawn(trace)).all() for trace in panel.figure.data[:4])
    assert panel.compute_umap.layout.display == "none"
    np.testing.assert_allclose(rings(panel)[3], drawn(panel.figure.data[3])[12], rtol=1e-6)
    assert {len(trace.text) for trace in panel.figure.data[:4]} == {30}


def test_a_click_means_what_is_drawn_while_a_folder_cannot_be_prepared(few, bundled, monkeypatch):
    """The clip set has changed, but its points are not there: the scenes still show the old one."""
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())

    def full(*_arguments, **_options):
        raise OSError("the disk is full")

    monkeypatch.setattr(prepared, "encode_effects", full)
    panel.clip_set.value = str(few)
    ready(panel)
    assert said(panel) == "That did not work: the disk is full"
    assert len(panel.figure.data[0].x) == 640
    click(panel, 503)
    assert panel.player.title == f"{bundled.table['clip'].iat[50]}: {EFFECTS[LABELS[3]].name}"
    np.testing.assert_allclose(rings(panel)[0], drawn(panel.figure.data[0])[503], rtol=1e-6)


def test_rings_of_one_clip_set_do_not_stay_on_another(few, warm_cache, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    panel = ready(EffectClusters())
    click(panel, 503)
    panel.clip_set.value = str(few)
    ready(panel)
    clean = drawn(panel.figure.data[0])[0]
    np.testing.assert_allclose(rings(panel)[0], clean, rtol=1e-6)
    assert [list(ring.x) for ring in (panel.figure.data[5], panel.figure.data[7])] == [[None]] * 2  # no UMAP yet
    assert panel.player.title == f"{load_clips(few).table['clip'].iat[0]}: Clean"


def test_a_new_encoder_keeps_the_chosen_point(lyra_weights):
    panel = ready(EffectClusters())
    click(panel, 213)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    for ring, trace in zip(rings(panel), panel.figure.data[:4], strict=True):
        np.testing.assert_allclose(ring, drawn(trace)[213], rtol=1e-6)


CLAIMS = pd.DataFrame(
    {
        "claim": ["Averages beat", "DIS & others <b>", "VGGish"],
        "place": ["section 4", "section 3.1", "section 3.2"],
        "number": ["+1.0 points (+0.5 to +1.5)", "-0.2 (-0.3 to +0.1)", "its weights do not ship"],
        "holds": pd.Series([True, False, None], dtype=object),
    }
)


def claims_shown(panel):
    """Return the cells of the claims' table, row by row."""
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", panel.claims.value)
    return [[html.unescape(cell) for cell in row.split("</td><td>")] for row in rows]


def assert_shows_claims(panel):
    verdicts = ("holds", "does not hold", "not tested")
    expected = [[*cells, verdict] for cells, verdict in zip(CLAIMS.drop(columns="holds").values.tolist(), verdicts)]
    assert claims_shown(panel) == expected
    assert "compare directions, not sizes" in panel.claims.value
    assert panel.test_claims.layout.display == "none"


@pytest.fixture
def shipped_claims(monkeypatch):
    """Let the shipped points come with `CLAIMS`, and computed ones without, as they do."""
    original = effect_clusters.cluster_points

    def cluster_points(clips, *arguments, **options):
        return replace(original(clips, *arguments, **options), claims=CLAIMS if clips.name == "bundled" else None)

    monkeypatch.setattr(effect_clusters, "cluster_points", cluster_points)


def test_shipped_claims_are_a_table_in_words(shipped_claims):
    assert_shows_claims(ready(EffectClusters()))


def test_claims_of_a_folder_wait_for_their_button(few, warm_cache, shipped_claims, monkeypatch):
    monkeypatch.setenv("LATENTFX_CLIPS", str(few))
    asked = []

    def tested(clips, encoder, bar):
        asked.append((clips.name, encoder))
        with bar(total=1, desc="Testing the claims", unit="step") as progress:
            progress.update()
        return CLAIMS

    monkeypatch.setattr(effect_clusters, "cluster_claims", tested)
    panel = ready(EffectClusters())
    panel.clip_set.value = str(few)
    ready(panel)
    assert claims_shown(panel) == []
    assert "press the button" in panel.claims.value
    assert panel.test_claims.layout.display == "flex"
    assert asked == []
    panel.test_claims.click()
    ready(panel)
    assert asked == [(load_clips(few).name, "logmel")]
    assert said(panel) == ""
    assert_shows_claims(panel)
    panel._prepare(umap=False)  # as the UMAP button does, with umap: the tested claims stay
    assert_shows_claims(ready(panel))
    panel.clip_set.value = "bundled"
    assert_shows_claims(ready(panel))


def test_too_few_recordings_for_the_claims_are_a_sentence(few, warm_cache):
    panel = ready(EffectClusters(few))
    panel.test_claims.click()
    ready(panel)
    remedy = "5 folds need as many recordings, not 3: pass more clips, or fewer folds"
    assert said(panel) == f"That did not work: {remedy}"
    assert panel.test_claims.layout.display == "flex"
    assert len(panel.figure.data[0].x) == 30


# -------------------------------------------------------------------------------------------------------- latent images


def test_six_images_are_those_of_the_sounds(bundled):
    panel = ready(LatentImages(effect="DIS", clip=3))
    sounds = render(bundled[3], "CLN"), render(bundled[3], "DIS", 25.0)
    encoded = encode_clips(load_encoder("logmel"), sounds)
    shown = [np.asarray(trace.z) for trace in panel.figure.data]
    for image, sound in zip(shown[:2], sounds):
        np.testing.assert_allclose(image, spectrogram_db(sound, 48_000).values, atol=1e-3)
    np.testing.assert_allclose(shown[2], shown[1] - shown[0], atol=1e-3)
    np.testing.assert_allclose(shown[3:5], encoded, atol=1e-3)
    np.testing.assert_allclose(shown[5], encoded[1] - encoded[0], atol=1e-3)
    assert_sounds(panel.player, bundled[3], "DIS", 25.0)
    assert panel.player.title == f"{bundled.table['clip'].iat[3]}: Distortion, drive 25 dB"


@pytest.mark.parametrize("value", [3.0, 12.5])
def test_turning_the_knob_changes_images_and_sound(value, bundled):
    panel = ready(LatentImages())
    before, wet = [np.array(trace.z) for trace in panel.figure.data], panel.player.wet
    panel.knob.value = value
    ready(panel)
    after = [np.array(trace.z) for trace in panel.figure.data]
    changed = [not np.allclose(one, other, atol=0.1) for one, other in zip(before, after)]
    assert changed == [False, True, True, False, True, True]
    assert panel.player.wet != wet
    assert_sounds(panel.player, bundled[0], "DIS", value)
    assert panel.player.title.endswith(f"drive {value:g} dB")
    clean, difference = panel.figure.layout.coloraxis3, panel.figure.layout.coloraxis4
    least = 0.1 * (clean.cmax - clean.cmin)  # so that a difference fades as the knob is turned down
    assert difference.cmax == pytest.approx(max(np.percentile(np.abs(after[5]), 99), least), rel=1e-3)


def test_clean_and_time_reverse_have_no_knob_and_are_drawn(bundled):
    panel = ready(LatentImages())
    panel.knob.effect = "CLN"
    ready(panel)
    assert np.abs(panel.figure.data[5].z).max() == 0
    assert panel.player.title.endswith(": Clean")
    panel.knob.effect = "TRV"
    ready(panel)
    encoded = encode_clips(load_encoder("logmel"), [render(bundled[0], "TRV")])[0]
    np.testing.assert_allclose(panel.figure.data[4].z, encoded, atol=1e-3)
    assert_sounds(panel.player, bundled[0], "TRV")


def test_another_clip_and_another_encoder_change_the_images(bundled, lyra_weights):
    panel = ready(LatentImages())
    panel.clip.value = 40
    ready(panel)
    assert_sounds(panel.player, bundled[40], "DIS", 25.0)
    panel.encoder.value = "lyra-v2"
    ready(panel)
    encoded = encode_clips(load_encoder("lyra-v2"), [render(bundled[40], "DIS", 25.0)])[0]
    np.testing.assert_allclose(panel.figure.data[4].z, encoded, atol=1e-3)
    assert len(panel.figure.data[4].x) == encoded.shape[-1]


class Toy:
    """An encoder whose latents are the loudness of 10 ms blocks; its decoder buzzes in their rhythm, seeded."""

    name, sample_rate, channels, dim, frame_rate = "toy", 16_000, 1, 1, 100.0
    weights_hash, device = "toy", torch.device("cpu")

    def __init__(self):
        self.encoded, self.seeds, self.at_work, self.go = [], [], threading.Event(), threading.Event()
        self.go.set()

    def frames(self, n_samples):
        return n_samples // 160

    def encode(self, audio):
        self.encoded.append(len(audio))
        return audio[..., : 160 * self.frames(audio.shape[-1])].unfold(-1, 160, 160).std(dim=-1)

    def decode(self, latents, *, seed):
        self.at_work.set()
        assert self.go.wait(PATIENCE_S)
        self.seeds.append(seed)
        buzz = torch.rand(latents.shape[-1] * 160, generator=torch.Generator().manual_seed(seed)) - 0.5
        return latents.repeat_interleave(160, dim=-1) * buzz


@pytest.fixture
def toy(monkeypatch):
    """An encoder with a decoder that can be held up, known to the panels for this test."""
    encoder = Toy()
    monkeypatch.setitem(_registered, "toy", encoder)
    yield encoder
    encoder.go.set()


def played_decoded(player):
    return soundfile.read(io.BytesIO(player.decoded), dtype="float32")[0].T


def assert_decoded(panel, encoder, value):
    """The player holds what the decoder makes of the wet sound, as loud as the other two."""
    wet = render(panel.clips[panel.clip.value], "DIS", value)
    made = decode_latents(encoder, encode_clips(encoder, [wet])[0], wet.shape[-1], seed=0)
    expected, sound = normalise(made, 48_000), played_decoded(panel.player)
    np.testing.assert_allclose(sound, expected, atol=1.01 / 2**15)
    levels = [loudness_lufs(one, 48_000) for one in (*heard(panel.player), sound)]
    assert np.ptp(levels) < 0.1


def test_the_wet_sound_is_decoded_from_the_latents_that_are_drawn(toy, bundled):
    panel = ready(LatentImages(encoder="toy", clip=2))
    assert toy.encoded == [2]  # nothing once more for what is shown, or for the decoder
    assert toy.seeds == [0]
    assert said(panel) == ""
    assert panel.limits.value == ""
    assert panel.player.title == f"{bundled.table['clip'].iat[2]}: Distortion, drive 25 dB"
    assert_sounds(panel.player, bundled[2], "DIS", 25.0)
    assert_decoded(panel, toy, 25.0)


def test_the_wet_sound_is_decoded_by_lyra(lyra_weights):
    panel = ready(LatentImages(encoder="lyra-v2", clip=40))
    assert said(panel) == ""
    assert_decoded(panel, load_encoder("lyra-v2"), 25.0)


def test_images_and_sounds_do_not_wait_for_the_decoder(toy, bundled):
    toy.go.clear()
    panel = LatentImages(encoder="toy")
    assert toy.at_work.wait(PATIENCE_S)
    panel.voice.wait(PATIENCE_S)
    assert said(panel) == "Decoding …"
    assert_sounds(panel.player, bundled[0], "DIS", 25.0)
    assert panel.player.decoded == b""
    toy.go.set()
    ready(panel)
    assert said(panel) == ""
    assert_decoded(panel, toy, 25.0)


def test_a_turn_replaces_what_is_being_decoded(toy, bundled, monkeypatch):
    toy.go.clear()
    panel = LatentImages(encoder="toy")
    assert toy.at_work.wait(PATIENCE_S)
    loaded, load = [], panel.player.load
    monkeypatch.setattr(panel.player, "load", lambda *sounds: loaded.append(sounds[3:]) or load(*sounds))
    panel.knob.value = 3.0
    panel.knob.value = 12.5
    toy.go.set()
    ready(panel)
    assert [len(one) for one in loaded[-2:]] == [1, 2]  # the last setting comes, then decoded
    assert sum(len(one) for one in loaded) == len(loaded) + 1  # the old decoding is dropped
    assert all(title.endswith("drive 12.5 dB") for title, *_ in loaded[-2:])
    assert toy.seeds == [0, 0]
    assert said(panel) == ""
    assert_sounds(panel.player, bundled[0], "DIS", 12.5)
    assert_decoded(panel, toy, 12.5)


def test_a_turn_takes_the_old_decoded_sound_away(toy):
    panel = ready(LatentImages(encoder="toy"))
    panel.player.listening = "decoded"
    toy.go.clear()
    toy.at_work.clear()
    panel.knob.value = 3.0
    assert toy.at_work.wait(PATIENCE_S)
    panel.voice.wait(PATIENCE_S)
    assert panel.player.decoded == b""
    assert panel.player.listening == "wet"
    toy.go.set()
    assert_decoded(ready(panel), toy, 3.0)


def test_without_a_decoder_the_page_says_so(toy):
    panel = ready(LatentImages())
    assert panel.player.decoded == b""
    assert "logmel has no decoder, so there is nothing to reconstruct." in panel.limits.value
    panel.encoder.value = "toy"
    ready(panel)
    assert panel.limits.value == ""
    assert panel.player.decoded
    panel.encoder.value = "logmel"
    ready(panel)
    assert panel.player.decoded == b""
    assert "logmel has no decoder" in panel.limits.value


class Summary:
    """One vector a clip, at a rate of its own, without a decoder."""

    name, sample_rate, channels, dim, frame_rate = "summary", 22_050, 2, 4, None
    weights_hash, device = "summary", torch.device("cpu")

    def frames(self, n_samples):
        return 1

    def encode(self, audio):
        steps = audio.diff(dim=-1)
        return torch.cat([audio.std(-1), steps.std(-1)], 1)[..., None]


@pytest.fixture
def summary(monkeypatch):
    encoder = Summary()
    monkeypatch.setitem(_registered, "summary", encoder)
    return encoder


def test_one_vector_a_clip_is_an_image_as_wide_as_the_clip(summary):
    panel = ready(LatentImages(encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: its images have no time in them." in panel.limits.value
    assert "no decoder" in panel.limits.value
    for trace in panel.figure.data[3:]:
        assert np.shape(trace.z) == (4, 1)
        assert trace.x == pytest.approx([0, 262_144 / 48_000])


def test_clusters_of_one_vector_a_clip_say_that_there_is_no_time(summary, bundled):
    panel = ready(EffectClusters(bundled[:12], encoder="summary"))
    assert said(panel) == ""
    assert "summary gives one vector a clip: there is no time to average or to flatten" in panel.numbers.value
    mean, flat = (np.stack([panel.figure.data[i][axis] for axis in "xyz"]) for i in (0, 2))
    np.testing.assert_allclose(mean, flat, atol=1e-2)
    panel.test_claims.click()
    ready(panel)
    assert said(panel) == ""
    assert panel.claims.value.count("one vector a clip: no time to average") == 3
    panel.encoder.value = "logmel"
    ready(panel)
    assert "one vector" not in panel.numbers.value


def test_knob_paths_of_one_vector_a_clip(summary, bundled):
    panel = ready(KnobPaths(bundled[:4], encoder="summary"))
    assert said(panel) == ""
    assert np.isfinite(panel.figure.data[2].x).all()


def test_a_decoder_that_takes_minutes_is_not_started_by_itself(toy):
    toy.decodes_slowly = True
    panel = ready(LatentImages(encoder="toy"))
    assert toy.seeds == [] and panel.player.decoded == b""
    assert "The decoder of toy takes minutes on CPU" in panel.limits.value
    assert_sounds(panel.player, panel.clips[0], "DIS", 25.0)


def test_missing_weights_leave_nothing_to_decode(toy, no_weights):
    panel = ready(LatentImages(encoder="toy"))
    panel.encoder.value = "lyra-v2"
    ready(panel)
    assert said(panel).startswith("That did not work: the weights of lyra")
    assert toy.seeds == [0]


def test_a_decoder_that_fails_is_a_sentence_and_the_rest_stays(toy, bundled, monkeypatch):
    monkeypatch.setattr(toy, "decode", lambda latents, *, seed: torch.full((1, 1, 100), torch.nan))
    panel = ready(LatentImages(encoder="toy"))
    assert said(panel).startswith("That did not work: ")
    assert_sounds(panel.player, bundled[0], "DIS", 25.0)
    assert panel.player.decoded == b""


@pytest.mark.parametrize("name", ["toy", "lyra-v2"])
def test_silence_is_decoded_too(name, toy, lyra_weights, write_audio, tmp_path):
    folder = write_audio(tmp_path / "quiet", {"silence.wav": np.zeros((2, 48_000), np.float32)})
    panel = ready(LatentImages(folder, encoder=name))
    assert said(panel) == ""
    assert not np.any(heard(panel.player))
    assert np.isfinite(played_decoded(panel.player)).all()


def test_a_reconstruction_is_seeded_and_needs_a_decoder(toy, bundled):
    *_, wet, _, images = latent_images.before_after(bundled[0], toy, "DIS", 25)
    first, again, other = (latent_images.reconstruction(toy, images[1], wet.shape[-1], seed) for seed in (0, 0, 1))
    assert first.shape == wet.shape
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)
    assert loudness_lufs(first, 48_000) == pytest.approx(-28.0, abs=0.1)
    with pytest.raises(ValueError, match="logmel has no decoder; list_encoders"):
        latent_images.reconstruction(load_encoder("logmel"), images[1], wet.shape[-1])


# ----------------------------------------------------------------------------------------------------------- front page


def test_the_front_page_has_a_card_for_every_page_and_a_row_for_every_encoder():
    page = StartHere().value
    links = re.findall(r'<a href="([^"]+)"><b>([^<]+)</b>', page)
    assert links == [(f"{name}.ipynb", html.escape(title)) for name, (title, _) in PAGES.items()]
    for name in list_encoders().index:
        assert f"<td>{name}</td>" in page


def test_the_front_page_says_what_is_missing(no_weights):
    row = re.search(r"<td>lyra-v2</td>.*?</tr>", StartHere().value).group()
    assert "weights are fetched at first use" in html.unescape(row)
    assert "<td>ready</td>" not in row


# Every kind of encoder, on every page.


@pytest.fixture
def at_hand(tiny_models, tmp_path, monkeypatch):
    """Make a tiny random model present on this machine, as if its weights had been fetched."""

    def put(name):
        folder = tiny_models(name)
        family = name.partition("-")[0] if name.startswith(("stacked", "vggish")) else name
        (tmp_path / family).symlink_to(folder)
        if family == "vggish":
            monkeypatch.setitem(_BUILT_IN, name, replace(_BUILT_IN[name], weights=vggish.WEIGHTS))
        monkeypatch.setenv("LATENTFX_WEIGHTS", str(tmp_path))
        monkeypatch.setattr(stacked, "STEPS", 1)
        monkeypatch.setattr(prepared, "encode_sweep", partial(latents.encode_sweep, n=6))  # 32 take five times as long
        assert list_encoders().loc[name, "present"]

    _load.cache_clear()
    yield put
    _load.cache_clear()


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
    assert np.shape(images.figure.data[5].z) == (encoder.dim, frames)
    assert np.abs(images.figure.data[5].z).max() > 0
    slow = getattr(encoder, "decodes_slowly", False)
    assert bool(images.player.decoded) == (list_encoders().loc[name, "has_decoder"] and not slow)
    assert ("takes minutes" in images.limits.value) == slow
    assert ("one vector a clip" in images.limits.value) == (name == "clap-music")

    clusters = ready(EffectClusters(clips, encoder=name))
    assert said(clusters) == ""
    assert np.isfinite(clusters.figure.data[0].x).all() and np.ptp(clusters.figure.data[2].x) > 0
    assert ("one vector a clip" in clusters.numbers.value) == (name == "clap-music")

    paths = ready(KnobPaths(clips, encoder=name))
    assert said(paths) == ""
    assert np.ptp(np.asarray(paths.figure.data[1].x)[:6]) > 0


# -------------------------------------------------------------------------------------------------------- linear probes


def shown_bars(panel):
    """Return what the bars say, features -> label -> percent."""
    return {bars.name: dict(zip(bars.x, bars.y, strict=True)) for bars in panel.figure.data[:8] if bars.visible}


def table_rows(text):
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", text)
    return [[html.unescape(cell) for cell in row.split("</td><td>")] for row in rows]


@pytest.fixture(scope="module")
def probing():
    """One panel of two encoders, for tests that leave it as it opened."""
    return ready(linear_probes.LinearProbes(encoders=("logmel", "diffae-mini")))


def test_probes_are_trained_before_the_page_is_there(probing, bundled):
    results = train_probes(
        {f"{name}-T": prepared.effect_means(bundled, name) for name in ("diffae-mini", "logmel")},
        config=ProbeConfig(seeds=(0, 1, 2)), bar=partial(tqdm, disable=True),
    )  # fmt: skip
    for name, bars in shown_bars(probing).items():
        accuracy = 100 * class_accuracy(results[name])["accuracy"]
        assert bars == pytest.approx(accuracy.to_dict())
    rows = {row[0]: row for row in table_rows(probing.numbers.value)}
    assert list(rows)[:3] == ["logmel-T", "diffae-mini-T", "paper: DiffAE-T"]  # the twin of ours comes first
    assert len(rows) == 2 + 8
    overall, low, high = (100 * part for part in overall_accuracy(results["logmel-T"]))
    assert rows["logmel-T"][-2:] == [f"{overall:.1f} ({low:.0f} to {high:.0f})", f"{overall:.1f}"]
    assert rows["logmel-T"][1:3] == ["64", "0.6 k"]
    assert rows["paper: VGGish-F"][1:4] == ["2176", "21.8 k", "98.0"]
    assert "compare orderings, not sizes" in probing.numbers.value
    assert re.search(r"n = 640 renders of 48 recordings, \d seed\(s\)\.", probing.numbers.value)
    assert [row[2] for row in table_rows(probing.claims.value)] == ["holds", "holds"]


def test_the_tables_can_be_saved(probing):
    links = dict(re.findall(r'download="(.*?)" href="data:.*?;base64,(.*?)"', probing.numbers.value))
    table = pd.read_csv(io.BytesIO(base64.b64decode(links["linear_probes.csv"])), index_col=0)
    assert table.index[0] == "logmel-T"
    assert table.loc["paper: DiffAE-T", "AVG"] == 40.3
    assert base64.b64decode(links["linear_probes.tex"]).startswith(b"\\begin{tabular}")


def test_a_confused_cell_lists_its_renders_and_is_heard(probing, bundled):
    probing.choose("DLY", "CLN")
    ready(probing)
    (clip, effect), result = probing.confused.value, probing._drawn.results[probing.confused_set.value]
    assert effect == "DLY"
    names = list(result["label"].values)
    confused = (result["predicted"] == names.index("CLN")).sel(effect="DLY").any("seed")
    assert {row for _, (row, _) in probing.confused.options} == set(np.flatnonzero(confused))
    assert probing.player.title == f"{bundled.table['clip'].iat[clip]}: Delay (DLY named CLN)"
    assert_sounds(probing.player, bundled[clip], "DLY")
    probing.choose("LPF", "HPF")
    assert probing.confused.options == (("no render is", None),)


def test_a_click_on_the_matrix_chooses_the_cell(probing):
    probing._clicked(None, SimpleNamespace(xs=["PS"], ys=["CHS"]), None)
    assert probing.confused.description == "CHS named PS"


def test_pressing_train_grows_the_bars_and_shows_another_label(bundled):
    panel = ready(LinearProbes())
    grown = []
    panel.figure.data[0].on_change(lambda trace, y: grown.append(tuple(trace.x)), "y")
    panel.label.value = "instrument"
    panel.seeds.value = 1
    panel.train_button.click()
    ready(panel)
    assert grown[0] == ("overall",)
    assert list(shown_bars(panel)["logmel-T"]) == ["guitar", "piano", "overall"]
    assert list(panel.figure.data[9].x) == ["guitar", "piano"]
    assert panel.figure.data[8].y == (50, 50, 50)
    assert "paper:" not in panel.numbers.value and panel.claims.value == ""
    assert said(panel).startswith("5 probes trained")
    assert panel.confused.description in ("guitar named piano", "piano named guitar")


@pytest.mark.parametrize("column", ["style", "meter", "program"])
def test_any_column_of_the_clip_table_can_be_asked_for(column, bundled):
    panel = ready(LinearProbes())
    assert column in dict(panel.label.options)
    panel.label.value, panel.seeds.value = column, 1
    panel.train_button.click()
    ready(panel)
    labels = sorted(bundled.table[column].astype(str).unique())
    assert list(panel.figure.data[9].y) == labels
    panel._clicked(None, SimpleNamespace(xs=[labels[0]], ys=[labels[0]]), None)
    ready(panel)
    (row, effect), *_ = [value for _, value in panel.confused.options]
    assert str(bundled.table[column].iat[row]) == labels[0]
    assert panel.player.title.endswith(f": {EFFECTS[effect].name} ({labels[0]} named {labels[0]})")


def test_flattened_latents_are_probed_beside_their_averages(bundled, warm_cache):
    panel = ready(LinearProbes(bundled[:20]))
    panel.kinds.value = ("T", "F")
    panel.seeds.value = 1
    panel.train_button.click()
    ready(panel)
    assert list(shown_bars(panel)) == ["logmel-T", "logmel-F"]
    claims = [row[0] for row in table_rows(panel.claims.value)]
    assert claims[-1] == "logmel: time-averaged latents beat flattened ones on the probe"


def test_learning_rates_are_compared_at_the_press_of_a_button():
    panel = ready(LinearProbes())
    assert all(not len(curve.x) for curve in panel.figure.data[10:])
    panel.seeds.value = 1
    panel.compare_rates.click()
    ready(panel)
    assert tuple(panel.figure.data[10].x) == LEARNING_RATES
    assert panel.figure.data[10].name == "logmel-T"
    assert 10 < np.min(panel.figure.data[10].y) < np.max(panel.figure.data[10].y) < 60


def test_training_can_be_cancelled_and_says_so():
    panel = ready(LinearProbes())
    before, bars = panel.numbers.value, shown_bars(panel)
    panel.rate.value = 1e-4
    original = panel._grow

    def grow(accuracy):
        panel.status.stopped()
        original(accuracy)

    panel._grow = grow
    panel.train_button.click()
    ready(panel)
    assert said(panel) == "Stopped; what was finished is kept."
    assert panel.numbers.value == before
    assert shown_bars(panel) == bars


def test_choosing_no_features_says_so():
    panel = ready(LinearProbes())
    panel.encoders.value = ()
    panel.train_button.click()
    ready(panel)
    assert "0 feature sets are chosen: choose 1 to 8 of them" in said(panel)


@pytest.mark.parametrize("panel_class", [LinearProbes, DimensionMasking])
def test_too_few_recordings_for_a_probe_open_on_the_bundled_clips_and_say_so(panel_class, few, warm_cache):
    panel = ready(panel_class(few))
    assert "5 folds need as many recordings, not 3" in said(panel)
    assert "These are the bundled clips instead." in said(panel)
    assert panel.clip_set.value == "bundled"
    panel.clip_set.value = str(few)
    panel.train_button.click()
    ready(panel)
    assert "5 folds need as many recordings, not 3: pass more clips" in said(panel)
    panel.clip_set.value = "bundled"
    panel.train_button.click()
    ready(panel)
    assert "did not work" not in said(panel)


# ---------------------------------------------------------------------------------------------------- dimension masking


@pytest.fixture(scope="module")
def masking_panel():
    return ready(DimensionMasking())


def test_single_dims_are_masked_before_the_page_is_there(masking_panel, bundled):
    lost = masking_losses(prepared.effect_means(bundled, "logmel"), bar=partial(tqdm, disable=True)).mean("clip")
    cells = masking_panel.figure.data[0]
    np.testing.assert_allclose(np.asarray(cells.z, float), lost.values)
    assert list(cells.y) == LABELS[1:]
    worst = masking_panel.figure.data[2]
    np.testing.assert_allclose(worst.y, lost.max("dim"))
    effect = str(lost["effect"].values[lost.argmax(...)["effect"]])
    assert masking_panel.player.title == f"gtr_00_a: {EFFECTS[effect].name}"
    assert all(not line.y for line in masking_panel.figure.data[3:])
    assert masking_panel.figure.layout.annotations[2].text.endswith("click a cell of the map, or choose a clip")
    assert "No single dim is decisive" in masking_panel.numbers.value
    assert "n = 64 clips, each clean and wet, of 48 recordings." in masking_panel.numbers.value


def test_a_click_on_the_map_is_heard_and_its_dim_is_drawn(masking_panel, bundled):
    masking_panel._clicked(None, SimpleNamespace(xs=["12"], ys=["RVB"]), None)
    ready(masking_panel)
    assert masking_panel.player.title == "gtr_00_a: Reverb"
    sounds = [render(bundled[0], label) for label in ("CLN", "RVB")]
    latents = encode_clips(load_encoder("logmel"), sounds)
    for line, one in zip(masking_panel.figure.data[3:5], latents, strict=True):
        np.testing.assert_allclose(line.y, one[12], atol=1e-6)
    assert masking_panel.figure.layout.annotations[2].text == "Dim 12 over time, gtr_00_a: Reverb"
    assert [line.opacity for line in masking_panel.figure.data[3:]] == [1] * 4


def test_points_are_lost_against_the_best_model_or_the_one_that_sees_all():
    panel = ready(DimensionMasking())
    assert np.asarray(panel.figure.data[0].z, float).min() == 0
    panel.against.value = "unmasked"
    ready(panel)
    assert np.asarray(panel.figure.data[0].z, float).min() < 0
    assert panel.figure.layout.coloraxis.cmin == -panel.figure.layout.coloraxis.cmax


def test_two_dims_of_one_effect_are_a_map_of_pairs():
    panel = ready(DimensionMasking())
    assert panel.effect.layout.display == "none"
    panel.mode.value, panel.effect.value = "two", "HPF"
    assert panel.effect.layout.display == "flex"
    panel.train_button.click()
    ready(panel)
    cells = np.array(panel.figure.data[0].z, float)
    assert cells.shape == (64, 64)
    assert np.isnan(np.diag(cells)).all()
    np.testing.assert_array_equal(cells, cells.T)
    assert tuple(panel.figure.data[1].x) == ("HPF",)
    panel._clicked(None, SimpleNamespace(xs=["3"], ys=["40"]), None)
    ready(panel)
    assert [line.name for line in panel.figure.data[3:]] == [
        "dim 40, clean",
        "dim 40, HPF",
        "dim 3, clean",
        "dim 3, HPF",
    ]


def test_the_most_telling_dims_are_hidden_one_by_one():
    panel = ready(DimensionMasking(encoder="diffae-mini"))
    panel.mode.value = "greedy"
    assert panel.against.layout.display == "none"
    panel.train_button.click()
    ready(panel)
    chosen = np.asarray(panel.figure.data[0].z, float)
    np.testing.assert_allclose(chosen.sum(axis=1), 800)  # percent: each probe has hidden eight dims
    assert [bars.name for bars in panel.figure.data[1:3]] == ["8 random dims", "the 8 most telling"]
    assert np.mean(panel.figure.data[2].y) > np.mean(panel.figure.data[1].y) + 1
    assert "The paper did not try this" in panel.numbers.value


def test_pairs_of_too_many_dims_are_refused(monkeypatch):
    monkeypatch.setattr(dimension_masking, "MOST_PAIRED", 63)
    panel = ready(DimensionMasking())
    panel.mode.value = "two"
    panel.train_button.click()
    ready(panel)
    assert "64 dims have 2016 pairs, too many probes: choose an encoder of at most 63 dims" in said(panel)
