"""Page 08: files are handed in, encoded, heard, opened in other pages and taken away."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
import xarray as xr

from latentfx_nb.pages import YourOwnAudio, your_own_audio
from latentfx_nb.widgets import host
from tests.on_pages import assert_sounds, drawn, ready, said
from tests.test_figure_tools import assert_same_figure, run

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


def wav(seed=0, samples=300_000):
    content = io.BytesIO()
    sound = 0.1 * np.random.default_rng(seed).standard_normal((samples, 1))
    soundfile.write(content, sound, 48_000, format="WAV")
    return content.getvalue()


def hand_in(panel, files):
    """Send files as the page does, and wait until they are dealt with; None stands for what it keeps back."""
    for number, (name, content) in enumerate(files.items(), start=1):
        size = 10**12 if content is None else len(content)
        message = {"kind": "file", "name": name, "size": size, "left": len(files) - number}
        panel.own_files.zone._handle_custom_msg(message, [] if content is None else [content])
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


def saved(panel, name):
    return base64.b64decode(re.search(rf'download="{name}" href="data:.*?;base64,(.*?)"', panel.links.value)[1])


def test_before_anything_is_handed_in_the_bundled_clips_are_there(panel):
    assert len(drawn(panel.figure.data[0])) == 640 and len(drawn(panel.figure.data[1])) == 0
    assert "of the time averages of 640 renders (64 clips, 10 effects) x 64 features" in panel.drawn_in.value
    assert "Up to 50 files of 10 minutes, 200 MB in all" in panel.own_files.listed.value
    for button in (panel.encode_button, panel.open_button):
        button.click()
        ready(panel)
        assert "no file has been handed in yet: add some first" in said(panel)
    export = next(
        b for row in panel.children for b in getattr(row, "children", ()) if "CSV" in getattr(b, "description", "")
    )
    export.click()
    ready(panel)
    assert "nothing is encoded yet: add files and press Encode" in said(panel)


def test_files_become_points_over_the_bundled_cloud(filled):
    assert said(filled) == "4 clips through 10 effects: click a point to hear it."
    points = drawn(filled.figure.data[1])
    np.testing.assert_allclose(points, np.asarray(filled._points).reshape(-1, 3), atol=1e-5)
    assert len(points) == 40
    assert filled.figure.data[1].text[10] == "<b>pluck 2-1</b> (unknown)<br>Clean"
    np.testing.assert_allclose(drawn(filled.figure.data[2])[0], points[0])
    assert_sounds(filled.player, filled._own[0], "CLN")


def test_a_click_is_ringed_and_heard(filled):
    class Points:
        point_inds = [37]

    filled._clicked(None, Points(), None)
    ready(filled)
    assert filled.player.title == "riff-1: Pitch shift"
    np.testing.assert_allclose(drawn(filled.figure.data[2])[0], drawn(filled.figure.data[1])[37])
    assert_sounds(filled.player, filled._own[3], "PS")


def test_their_own_basis_is_drawn_on_request(filled):
    filled.space.value = "own"
    ready(filled)
    points = drawn(filled.figure.data[1])
    assert np.abs(points.mean(0)).max() < 1e-3, "a basis of their own has their mean as its origin"
    assert np.isfinite(drawn(filled.figure.data[0])).all()


def test_bad_files_are_named_and_the_good_ones_stay(panel):
    hand_in(panel, {"bad.wav": b"RIFF", "good.wav": wav(), "<img src=x>.wav": b""})
    assert "Left out: bad.wav cannot be read as audio" in panel.own_files.listed.value
    assert "<img" not in panel.own_files.listed.value
    assert list(panel.own_files.uploads.files) == ["good.wav"]
    panel.clear.click()
    ready(panel)
    assert panel.own_files.uploads.files == {} and "Left out" not in panel.own_files.listed.value


def test_encoding_is_cancelled_and_goes_on(panel, monkeypatch):
    hand_in(panel, {"riff.wav": wav(1)})
    original, encoded = your_own_audio.encode_effects, []

    def stopped(*arguments, bar, **options):
        encoded.append(1)
        with bar(total=2, desc="Encoding") as progress:
            panel.worker.cancel()
            progress.update()
        pytest.fail("it was not stopped")

    monkeypatch.setattr(your_own_audio, "encode_effects", stopped)
    panel.encode_button.click()
    ready(panel)
    assert encoded and said(panel) == "Stopped; what was finished is kept." and panel._own is None
    monkeypatch.setattr(your_own_audio, "encode_effects", original)
    panel.encode_button.click()
    ready(panel)
    assert "2 clips" in said(panel)


def test_points_and_latents_are_taken_away(filled):
    filled._export_csv()
    table = pd.read_csv(io.BytesIO(saved(filled, "points.csv")))
    filled._export_parquet()
    parquet = pd.read_parquet(io.BytesIO(saved(filled, "points.parquet")))
    assert len(table) == len(parquet) == 40
    assert {"pca_x", "own_pca_z", "umap_x", "umap_y", "effect", "text"} <= set(parquet.columns)
    np.testing.assert_allclose(parquet[["pca_x", "pca_y", "pca_z"]], drawn(filled.figure.data[1]), atol=1e-5)
    assert not any("/" in str(value) for value in parquet.astype(str).to_numpy().ravel()), "no path leaves the machine"
    filled._export_latents()
    with xr.open_dataset(io.BytesIO(saved(filled, "latents.nc")), engine="h5netcdf") as found:
        np.testing.assert_allclose(found["latents"].mean("frame"), filled._means, atol=2e-2)


def test_large_latents_are_written_where_their_owner_finds_them(filled, monkeypatch, own_cache):
    monkeypatch.setattr(your_own_audio, "MOST_LINKED", 10)
    filled._export_latents()
    assert (own_cache / "exports" / "latents.nc").exists() and "Written to" in filled.links.value
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    with pytest.raises(ValueError, match="too many for a link in a page"):
        filled._export_latents()


def test_the_clips_are_opened_in_another_page_and_then_in_the_next(filled):
    filled.page.value = "EffectClusters"
    filled.open_button.click()
    ready(filled)
    (opened,) = filled.place.children
    ready(opened)
    assert opened.clips.table["clip"].tolist() == ["pluck 2-0", "pluck 2-1", "riff-0", "riff-1"]
    filled.page.value = "LatentImages"
    filled.open_button.click()
    ready(filled)
    assert type(filled.place.children[0]).__name__ == "LatentImages"


def test_a_folder_is_named_by_who_owns_the_kernel_alone(filled, tmp_path, write_audio, noise, monkeypatch):
    folder = write_audio(tmp_path / "mine", {"a.wav": noise(50_000)})
    filled.folder.value = str(folder)
    filled.encode_button.click()
    ready(filled)
    assert "1 clips through" in said(filled)
    found, _ = run(filled.code())
    assert_same_figure(found, filled.figure.__class__(filled.figure))
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    visitor = ready(YourOwnAudio(encoder="logmel"))
    assert visitor.folder not in visitor.children[0].children
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
    assert "1 clips through" in said(panel)
    assert "Skipped: bad.flac (Format not recognised" in panel.own_files.listed.value
    panel.clear.click()
    ready(panel)
    assert "Skipped" not in panel.own_files.listed.value
