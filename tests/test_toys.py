"""Files of one's own in a folder that `LATENTFX_PLUGINS` names join every list, with nothing touched in the package."""

from __future__ import annotations

import logging
import re
import sys

import pytest

import latentfx_nb as lfx
from latentfx_nb import plugins
from latentfx_nb.analysis import registry as measures
from latentfx_nb.analysis.comparison import encoder_measures, path_table
from latentfx_nb.encoders import registry as encoders
from latentfx_nb.pages import StartHere, all_pages
from latentfx_nb.pages.compare_encoders import CompareEncoders
from latentfx_nb.pages.described import PAGES
from latentfx_nb.pages.latent_images import LatentImages
from latentfx_nb.pages.your_own_audio import YourOwnAudio
from tests.on_pages import ready, said
from tests.test_comparison import planted_means, planted_rows, straight_paths
from tests.test_your_own_audio import hand_in, wav

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

MEASURE = """
import numpy as np

import latentfx_nb as lfx


@lfx.measure("toy_reach", of="paths", better="less", heading="reach", title="toy: reach", says="how far a path leads")
def reach(paths):
    ends = paths.isel(value=-1) - paths.isel(value=0)
    return np.linalg.norm(ends.transpose("clip", "dim"), axis=1)
"""

ENCODER = """
import latentfx_nb as lfx


class Loudness:
    name, sample_rate, channels, dim, frame_rate = "toy-loudness", 16_000, 1, 4, 25.0

    def frames(self, n_samples):
        return n_samples // 640

    def encode(self, audio):
        return audio[..., : 640 * self.frames(audio.shape[-1])].unfold(-1, 160, 160).std(-1).unflatten(
            -1, (-1, 4)).squeeze(1).mT


lfx.register_encoder(Loudness())
"""

PAGE = """
import plotly.graph_objects as go

from latentfx_nb.pages.content.choice import Shown
from latentfx_nb.pages.frame import group
from latentfx_nb.pages.page import Page


class CountClips(Page):
    title, blurb, notebook = "Toy & count", "See how many clips there are.", "20_toy"
    words = "How many clips there are"
    takes_clips = True

    def rail(self):
        return [group("Source", self.clip_set)]

    @staticmethod
    def prepare(choice, clips, last, progress):
        return Shown(choice, clips)

    @staticmethod
    def figure_of(shown):
        return go.Figure([go.Bar(x=["clips"], y=[len(shown.clips)], meta="clips")])
"""

BROKEN = "import a_library_that_nobody_has"

TOYS = {"a_measure.py": MEASURE, "an_encoder.py": ENCODER, "a_page.py": PAGE}

REGISTRIES = (measures.MEASURES, encoders.REGISTERED, PAGES, sys.modules)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of plug-ins; what its files register is forgotten after the test."""
    all_pages()  # the package's own are listed first
    monkeypatch.setenv("LATENTFX_PLUGINS", str(tmp_path))
    monkeypatch.setattr(plugins, "_begun", set())
    before = [dict(registry) for registry in REGISTRIES]
    yield tmp_path
    for registry, names in zip(REGISTRIES[:3], before[:3], strict=True):
        registry.clear()
        registry.update(names)
    for name in [name for name in sys.modules if name.startswith("latentfx_plugin_")]:
        del sys.modules[name]


@pytest.fixture
def toys(folder):
    """A measure, an encoder and a page, in a file each."""
    for name, content in TOYS.items():
        (folder / name).write_text(content)
    return folder


def test_a_measure_stands_in_tables_captions_and_lists(toys):
    paths = {"HPF": straight_paths()}
    assert ("HPF", "toy_reach") in path_table(paths).index
    assert encoder_measures(planted_means(), paths, planted_rows(0.5)).index[-1] == "toy_reach"
    assert lfx.measures.glossary().loc["toy_reach", "meaning"] == "how far a path leads"


def test_an_encoder_is_listed_and_loaded(toys):
    assert lfx.list_encoders().loc["toy-loudness", "dim"] == 4
    assert lfx.load_encoder("toy-loudness").frame_rate == 25


@pytest.mark.parametrize(
    "read", [lambda: lfx.load_encoder("toy-loudness"), lambda: encoders.weights_hash("toy-loudness")]
)
def test_an_encoder_is_found_before_any_list_was_read(toys, read):
    assert read() is not None


def test_all_of_them_stand_on_the_pages(toys, bundled):
    panel = ready(CompareEncoders())
    (column,) = [one for one in panel.table.columns if one["name"] == "toy_reach"]
    assert column["heading"] == "reach"
    assert column["says"] == "toy: reach: how far a path leads (less is better)"
    assert "<td>reach</td>" in panel.html["numbers"].value
    assert "toy-loudness" in panel.shown.left
    images = ready(LatentImages(bundled[:1], encoder="toy-loudness"))
    assert said(images) == ""
    assert ("toy-loudness", "toy-loudness") in images.encoder.options


def test_the_front_page_leads_to_a_page_of_ones_own(toys):
    front = StartHere()
    (card,) = re.findall('<a data-page="20_toy" href="20_toy.ipynb">(.*?)</a>', front.cards.value)
    assert card.endswith("<b>Toy &amp; count</b><span>See how many clips there are.</span>")
    assert "<td>toy-loudness</td>" in front.instrument.drawer()["facts"][-1].value


def test_files_of_ones_own_are_opened_in_a_page_of_ones_own(toys):
    panel = ready(YourOwnAudio(encoder="logmel"))
    assert panel.page.options[-1] == ("Toy & count (20)", "20_toy")
    assert ("toy-loudness", "toy-loudness") in panel.encoder.options
    hand_in(panel, {"riff.wav": wav(1)})
    panel.page.value = "20_toy"
    panel.open_button.click()
    ready(panel)
    (opened,) = panel.place.children
    assert said(opened) == ""
    assert list(opened.figure.trace("clips").y) == [2]
    opened.clip_set.value = "bundled"
    ready(opened)
    assert list(opened.figure.trace("clips").y) == [64]


def test_a_broken_file_is_logged_and_left_out(toys, caplog):
    (toys / "a_broken_one.py").write_text(BROKEN)
    with caplog.at_level(logging.ERROR, logger=plugins.__name__):
        assert "toy-loudness" in lfx.list_encoders().index
    assert "a_broken_one.py could not be imported and is left out" in caplog.text
    assert "a_library_that_nobody_has" in caplog.text
    caplog.clear()
    assert "20_toy" in all_pages()
    assert caplog.text == ""  # once is enough


def test_without_the_folder_nothing_of_them_is_there(folder):
    assert "toy-loudness" not in lfx.list_encoders().index
    assert "20_toy" not in all_pages()
    assert "toy_reach" not in measures.all_measures()


def test_several_folders_are_read_in_their_order(folder, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setenv("LATENTFX_PLUGINS", f"{folder}:{other}")
    (other / "b_measure.py").write_text(MEASURE)
    (folder / "an_encoder.py").write_text(ENCODER)
    assert "toy_reach" in measures.all_measures()
    assert "toy-loudness" in lfx.list_encoders().index


def test_a_folder_that_is_not_there_is_named_once(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("LATENTFX_PLUGINS", str(tmp_path / "nowhere"))
    for _ in range(2):
        plugins.load_plugins()
    assert caplog.text.count("nowhere, which is no folder") == 1
