"""Page 08: files are handed in, encoded, heard, opened in other pages and taken away."""

from __future__ import annotations

import io
import re
import threading
from functools import wraps

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import soundfile
import xarray as xr

from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages import knob_paths
from latentfx_nb.pages.content import your_own_audio as content
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.your_own_audio import YourOwnAudio
from latentfx_nb.widgets import host
from tests.on_pages import LABELS, assert_sounds, click, drawn, ready, said
from tests.test_figure_tools import assert_same_figure, run

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


def wav(seed=0, samples=300_000):
    file = io.BytesIO()
    sound = 0.1 * np.random.default_rng(seed).standard_normal((samples, 1))
    soundfile.write(file, sound, 48_000, format="WAV")
    return file.getvalue()


def hand_in(panel, files):
    """Send files as the page does, and wait until they are dealt with; None stands for what it keeps back."""
    for number, (name, sent) in enumerate(files.items(), start=1):
        size = 10**12 if sent is None else len(sent)
        message = {"kind": "file", "name": name, "size": size, "left": len(files) - number}
        panel.own_files.zone._handle_custom_msg(message, [] if sent is None else [sent])
    return ready(panel)


@pytest.fixture
def panel():
    return ready(YourOwnAudio(encoder="logmel"))


@pytest.fixture
def filled(panel):
    """Two files, of two clips each, are handed in and encoded."""
    hand_in(panel, {"riff.wav": wav(1), "pluck 2.wav": wav(2)})
    panel.encode_button.click()
    return ready(panel)


def own(panel):
    """Return one's own points, clip by clip, from the traces of their effects."""
    each = [drawn(panel.figure.trace(f"points {label}")) for label in LABELS]
    return np.stack(each, axis=1).reshape(-1, each[0].shape[-1])


def click_sample(panel, number):
    """Click one of one's own samples, counted clip by clip."""
    clip, effect = divmod(number, len(LABELS))
    return click(panel, f"points {LABELS[effect]}", clip)


def exported(panel, words):
    """Press a button that exports; return what the browser is given to save: name -> content."""
    given = {}
    panel.bridge.save = lambda name, content, kind: given.update({name: content})
    next(button for button in panel.exports if button.description == words).click()
    ready(panel)
    return given


def test_before_anything_is_handed_in_the_bundled_clips_are_there(panel):
    assert len(drawn(panel.figure.trace("bundled clips"))) == 640 and len(own(panel)) == 0
    assert "of the time averages of 640 renders (64 clips, 10 effects) x 64 features" in panel.html["how"].value
    assert "PCA of 640 renders of bundled clips" in panel.html["drawn_in"].value
    assert "Up to 50 files of 10 minutes, 200 MB in all" in panel.own_files.listed.value
    for button in (panel.encode_button, panel.open_button):
        button.click()
        ready(panel)
        assert "no file has been handed in yet: add some first" in said(panel)
    for words in content.EXPORTS:
        exported(panel, words)
        assert "nothing is encoded yet: add files and press Encode" in said(panel)


def test_files_become_points_over_the_bundled_cloud(filled):
    assert said(filled) == "4 clips through 10 effects: click a point to hear it."
    points = own(filled)
    np.testing.assert_allclose(points, np.asarray(filled.shown.points).reshape(-1, 3), atol=1e-5)
    assert len(points) == 40
    assert filled.figure.trace("points CLN").text[1] == "<b>pluck 2-1</b><br>Clean"
    np.testing.assert_allclose(drawn(filled.figure.trace("chosen"))[0], points[0])
    assert_sounds(filled.player, filled.shown.own[0], "CLN")


def test_a_click_is_ringed_and_heard(filled):
    click_sample(filled, 37)
    assert filled.player.title == "riff-1: Pitch shift"
    np.testing.assert_allclose(drawn(filled.figure.trace("chosen"))[0], own(filled)[37])
    assert_sounds(filled.player, filled.shown.own[3], "PS")
    click(filled, "bundled clips", 37)
    assert filled.player.title == "riff-1: Pitch shift"


def test_the_legend_has_each_effect_to_hide_and_solo_its_points(panel, filled):
    def legend(page):
        named = [trace for trace in page.figure.data if trace.showlegend and trace.visible is not False]
        return {trace.legendgroup: trace.name for trace in named}

    assert legend(filled) == legend(panel) == {label: f"{label} {EFFECTS[label].name.lower()}" for label in LABELS}
    groups = {name: filled.figure.trace(name).legendgroup for name in filled.figure.names()}
    assert all(groups[f"points {label}"] == label for label in LABELS) and groups["bundled clips"] not in LABELS


def test_points_are_coloured_by_clip_and_a_click_still_means_what_is_drawn(filled, bulk):
    filled.finder.color.value = "clip"
    assert len(set(filled.figure.trace("points").marker.color)) == 4
    click(filled, "points", 37)
    assert filled.player.title == "riff-1: Pitch shift"
    np.testing.assert_allclose(drawn(filled.figure.trace("chosen"))[0], drawn(filled.figure.trace("points"))[37])
    assert len(content.sounds(filled.shown)["points"]) == 40 and bulk == {}


def test_ones_own_points_are_looked_for_by_clip_and_effect(filled):
    filled.finder.words.value = "riff hpf"
    assert filled.html["count"].value == "2 of 40 points"
    assert [one.startswith("rgba") for one in filled.figure.trace("points HPF").marker.color] == [True] * 2 + [
        False
    ] * 2
    assert len(drawn(filled.figure.trace("bundled clips"))) == 640
    filled.finder.clear.click()
    assert filled.html["count"].value == "" and filled.finder.words.value == ""


def test_after_other_clips_are_encoded_the_first_point_is_chosen(filled):
    click_sample(filled, 37)
    filled.own_files.clear()
    hand_in(filled, {"one.wav": wav(3, 200_000)})
    filled.encode_button.click()
    ready(filled)
    assert filled.player.title == "one: Clean"
    np.testing.assert_allclose(drawn(filled.figure.trace("chosen"))[0], own(filled)[0])
    click_sample(filled, 3)
    assert filled.player.title == "one: Delay"


def test_their_own_basis_is_drawn_on_request(filled):
    filled.space.value = "own"
    ready(filled)
    points = own(filled)
    assert np.abs(points.mean(0)).max() < 1e-3, "a basis of their own has their mean as its origin"
    assert np.isfinite(drawn(filled.figure.trace("bundled clips"))).all()
    assert "of the time averages of 40 renders (4 clips, 10 effects)" in filled.html["how"].value
    assert "PCA of 40 renders of your own clips" in filled.html["drawn_in"].value
    np.testing.assert_allclose(drawn(filled.figure.trace("chosen"))[0], points[0])


def test_another_encoder_encodes_the_clips_anew_but_only_once_there_are_any(panel, bulk):
    panel.encoder.value = "diffae-mini"
    ready(panel)
    assert bulk == {}
    panel.encoder.value = "logmel"
    hand_in(panel, {"one.wav": wav(3, 200_000)})
    panel.encode_button.click()
    ready(panel)
    assert dict(bulk) == {"logmel": 10}
    panel.encoder.value = "diffae-mini"
    ready(panel)
    assert dict(bulk) == {"logmel": 10, "diffae-mini": 10}
    assert len(own(panel)) == 10
    assert "1 clip through" in said(panel)


def test_a_point_can_be_chosen_while_nothing_could_be_encoded(filled, tmp_path):
    filled.folder.value = str(tmp_path / "not here")
    filled.encode_button.click()
    ready(filled)
    assert "does not exist" in said(filled)
    click_sample(filled, 37)
    assert filled.player.title == "riff-1: Pitch shift"


def test_bad_files_are_named_and_the_good_ones_stay(panel):
    hand_in(panel, {"bad.wav": b"RIFF", "good.wav": wav(), "<img src=x>.wav": b""})
    assert "Left out: bad.wav cannot be read as audio" in panel.own_files.listed.value
    assert "<img" not in panel.own_files.listed.value
    assert list(panel.own_files.uploads.files) == ["good.wav"]
    panel.own_files.clear()
    ready(panel)
    assert panel.own_files.uploads.files == {} and "Left out" not in panel.own_files.listed.value


def test_encoding_is_cancelled_and_goes_on(panel, monkeypatch):
    hand_in(panel, {"riff.wav": wav(1)})
    original, encoded = content.encode_effects, []

    def stopped(*arguments, bar, **options):
        encoded.append(1)
        with bar(total=2, desc="Encoding") as progress:
            panel.worker.cancel()
            progress.update()
        pytest.fail("it was not stopped")

    monkeypatch.setattr(content, "encode_effects", stopped)
    panel.encode_button.click()
    ready(panel)
    assert encoded and said(panel) == "Stopped; what was finished is kept." and panel.shown.own is None
    monkeypatch.setattr(content, "encode_effects", original)
    panel.encode_button.click()
    ready(panel)
    assert "2 clips" in said(panel)


def test_points_and_latents_are_saved_at_one_press(filled):
    table = pd.read_csv(io.BytesIO(exported(filled, "Points (CSV)")["points.csv"]))
    assert re.fullmatch(r"points\.csv: \d+ kB", said(filled))
    parquet = pd.read_parquet(io.BytesIO(exported(filled, "Points (Parquet)")["points.parquet"]))
    assert len(table) == len(parquet) == 40
    assert {"pca_x", "own_pca_z", "umap_x", "umap_y", "effect", "text"} <= set(parquet.columns)
    np.testing.assert_allclose(parquet[["pca_x", "pca_y", "pca_z"]], own(filled), atol=1e-5)
    assert not any("/" in str(value) for value in parquet.astype(str).to_numpy().ravel()), "no path leaves the machine"
    saved = exported(filled, "Latents (netCDF)")["latents.nc"]
    assert said(filled) == f"latents.nc: {len(saved) / 1e6:.1f} MB"
    with xr.open_dataset(io.BytesIO(saved), engine="h5netcdf") as found:
        np.testing.assert_allclose(found["latents"].mean("frame"), filled.shown.means, atol=2e-2)


def test_large_latents_are_written_where_their_owner_finds_them(filled, monkeypatch, own_cache):
    monkeypatch.setattr(content, "MOST_SENT", 10)
    assert exported(filled, "Latents (netCDF)") == {}
    assert (own_cache / "exports" / "latents.nc").exists() and "Written to" in said(filled)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    exported(filled, "Latents (netCDF)")
    assert "too many to send to a page" in said(filled)


def test_a_dashboard_has_links_to_the_pages_that_show_any_clips(monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    panel = ready(YourOwnAudio(encoder="logmel"))
    (links,) = panel.rail()[1].children[1:]
    names = re.findall(r'<a href="(\w+)\.ipynb\?clips=own" data-page="(\w+)">', links.value)
    assert [one for one, _ in names] == [other for _, other in names] == [name for _, name in panel.page.options]


def test_the_clips_are_opened_in_another_page_and_then_in_the_next(filled):
    filled.page.value = "03_effect_clusters"
    filled.open_button.click()
    ready(filled)
    (opened,) = filled.place.children
    ready(opened)
    assert opened.clips.table["clip"].tolist() == ["pluck 2-0", "pluck 2-1", "riff-0", "riff-1"]
    assert opened.clips.reference is filled.clips
    filled.page.value = "01_latent_images"
    filled.open_button.click()
    ready(filled)
    assert type(filled.place.children[0]).__name__ == "LatentImages"


def test_a_folder_is_named_by_who_owns_the_kernel_alone(filled, tmp_path, write_audio, noise, monkeypatch):
    folder = write_audio(tmp_path / "mine", {"a.wav": noise(50_000)})
    filled.folder.value = str(folder)
    filled.encode_button.click()
    ready(filled)
    assert "1 clip through" in said(filled)
    found, _ = run(filled.code())
    assert_same_figure(found, go.Figure(filled.figure), 10)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    visitor = ready(YourOwnAudio(encoder="logmel"))
    assert filled.folder in filled.children[1].children[0].children
    assert visitor.folder not in visitor.children[1].children[0].children
    visitor.folder.value = str(folder)
    visitor.encode_button.click()
    ready(visitor)
    assert "no file has been handed in yet" in said(visitor)
    monkeypatch.setenv("LATENTFX_ALLOW_FOLDERS", "1")
    assert host.owns_kernel()


def test_broken_files_of_a_folder_are_named_below_the_drop_zone(panel, tmp_path, write_audio, noise):
    folder = write_audio(tmp_path / "mine", {"a.wav": noise(50_000)})
    (folder / "bad.flac").write_text("no")
    panel.folder.value = str(folder)
    panel.encode_button.click()
    ready(panel)
    assert "1 clip through" in said(panel)
    assert "Skipped: bad.flac (Format not recognised" in panel.own_files.listed.value
    panel.own_files.clear()
    ready(panel)
    assert "Skipped" not in panel.own_files.listed.value


def test_pages_that_show_any_clips_are_offered_with_their_numbers(panel):
    assert [label for label, _ in panel.page.options[:4]] == [
        "Latent images (01)", "Trajectories (02)", "Effect clusters (03)", "Knob paths (04)"
    ]  # fmt: skip
    assert not {"08_your_own_audio", "09_compare_encoders"} & {name for _, name in panel.page.options}


def test_a_page_opens_while_the_kernel_is_free(filled, monkeypatch):
    """It is built on the worker's thread, and put on the page by the main one."""
    threads = []
    built = knob_paths.KnobPaths.__init__

    @wraps(built)
    def watched(self, *arguments, **options):
        threads.append(threading.current_thread())
        built(self, *arguments, **options)

    monkeypatch.setattr(knob_paths.KnobPaths, "__init__", watched)
    filled.place.observe(lambda _: threads.append(threading.current_thread()), "children")
    filled.page.value = "04_knob_paths"
    filled.open_button.click()
    ready(filled)
    (opened,) = filled.place.children
    ready(opened)
    assert threads[0] is not threading.main_thread()
    assert threads[1:] == [threading.main_thread()]
    assert opened.encoder.value == "logmel"


def test_prepare_needs_no_page(bundled):
    choice = content.OwnChoice(encoder="logmel")
    some = bundled[:2]
    first = content.prepare(choice, bundled, None, Progress(), lambda: pytest.fail("nothing was to be encoded"))
    assert first.own is None and first.chosen is None and content.heard(choice, bundled, first) is None
    asked = content.OwnChoice(encoder="logmel", space="own", row=1, effect="HPF", encode=True)
    shown = content.prepare(asked, bundled, first, Progress(), lambda: some)
    assert shown.chosen == (0, 0) and shown.points.shape == (2, 10, 3)
    figure = content.figure_of(shown)
    traces = {trace.meta: trace for trace in figure.data}
    assert set(traces) == {"bundled clips", *(f"points {label}" for label in LABELS), "chosen"}
    np.testing.assert_allclose(drawn(traces["chosen"])[0], drawn(traces["points CLN"])[0])
    assert content.turned(shown, asked).chosen == (1, list(shown.means["effect"].values).index("HPF"))
    assert {name: len(found) for name, found in content.sounds(shown).items()} == {
        f"points {label}": 2 for label in LABELS
    }


def test_a_choice_can_be_kept():
    choice = content.OwnChoice(encoder="logmel", folder="mine", space="own", row=3, effect="HPF", dimensions=2)
    assert content.OwnChoice.of(choice.kept()) == (choice, [])
