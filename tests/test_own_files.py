"""Own audio in every page that shows clips: handed in, checked, chosen."""

from __future__ import annotations

import numpy as np
import pytest

from latentfx_nb.effects import render
from latentfx_nb.pages import all_pages
from latentfx_nb.pages.your_own_audio import YourOwnAudio, encoder_argument
from latentfx_nb.widgets.dropzone import DropZone
from tests.on_pages import assert_sounds, ready, said
from tests.test_your_own_audio import hand_in, wav

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

PAGES = [name for name, page in all_pages().items() if page is not YourOwnAudio]


def opened(name):
    page = all_pages()[name]
    return ready(page(**encoder_argument(page, "logmel")))


@pytest.mark.parametrize("name", PAGES)
def test_own_files_become_a_clip_set_that_is_chosen(name):
    panel = opened(name)
    hand_in(panel, {"riff.wav": wav(1), "pluck.wav": wav(2)})
    assert panel.clip_set.label == "your own audio (4 clips)"
    assert list(panel.clips.table["clip"]) == ["pluck-0", "pluck-1", "riff-0", "riff-1"]
    assert panel.own_files.listed.value == ""
    assert "unexpected" not in said(panel)
    panel.clip_set.value = "bundled"
    ready(panel)
    assert len(panel.clips) == 64
    hand_in(panel, {"third.wav": wav(3)})
    assert [label for label, _ in panel.clip_set.options][-1] == "your own audio (6 clips)"
    assert sum(label.startswith("your own") for label, _ in panel.clip_set.options) == 1


def test_the_first_of_them_is_seen_and_heard():
    panel = opened("01_latent_images")
    hand_in(panel, {"riff.wav": wav(1)})
    assert panel.clip.options[0][0].startswith("riff-0")
    assert_sounds(panel.player, panel.clips[0], "DIS")
    assert np.abs(render(panel.clips[0], "CLN")).max() > 0


def test_what_is_not_taken_is_named_and_the_set_stays():
    panel = opened("01_latent_images")
    hand_in(panel, {"notes.txt": b"x", "huge.wav": None, "bad.wav": b"RIFF"})
    assert panel.clip_set.value == "bundled"
    for sentence in ("notes.txt is no audio file", "huge.wav is too large", "bad.wav cannot be read as audio"):
        assert f"Left out: {sentence}" in panel.own_files.listed.value
    hand_in(panel, {"good.wav": wav()})
    assert panel.own_files.listed.value == "" and panel.clip_set.label == "your own audio (2 clips)"


def test_what_the_browser_could_not_read_is_said():
    panel = opened("01_latent_images")
    message = {"kind": "file", "name": "a folder.wav", "size": 4096, "left": 0}
    panel.own_files.zone._handle_custom_msg(message, [])
    ready(panel)
    assert "a folder.wav could not be read by the browser: take files, not folders" in panel.own_files.listed.value


def test_a_box_hands_over_name_content_and_how_many_are_left():
    taken = []
    box = DropZone(taken.append, accept=[".wav"], most_bytes=10)
    box._handle_custom_msg({"kind": "file", "name": "a.wav", "size": 2, "left": 1}, [memoryview(b"ab")])
    box._handle_custom_msg({"kind": "file", "name": "b.wav", "size": 12, "left": 0}, [])
    box._handle_custom_msg({"kind": "other"}, [])
    assert taken == [("a.wav", 2, b"ab", 1), ("b.wav", 12, None, 0)]


# ------------------------------------------------------------------------------------------------- a visitor's pages


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder for visits, as the dashboard has it."""
    monkeypatch.setenv("LATENTFX_VISITS", str(tmp_path))
    return tmp_path


def visited(panel, token="a1" * 16):
    """Tell a page who its visitor is, as the browser does."""
    panel.bridge._handle_custom_msg({"kind": "visit", "token": token}, [])
    return ready(panel)


def labels(panel):
    return [label for label, _ in panel.clip_set.options]


def test_files_are_offered_on_the_visitors_other_pages_and_on_nobody_elses(server):
    first = visited(opened("01_latent_images"))
    hand_in(first, {"riff.wav": wav(1, 200_000)})
    assert first.clip_set.label == "your own audio (1 clip)"
    second = visited(opened("04_knob_paths"))
    assert second.clip_set.value == "bundled" and labels(second)[-1] == "your own audio (1 clip)"
    second.clip_set.label = "your own audio (1 clip)"
    ready(second)
    assert list(second.clips.table["clip"]) == ["riff"] and second.clips.reference.name == "bundled"
    assert labels(visited(opened("04_knob_paths"), "b2" * 16)) == ["64 bundled clips"]


def addressed(monkeypatch, name, query):
    """Open a page of a dashboard at an address."""
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setenv("QUERY_STRING", query)
    return ready(all_pages()[name]())


def test_files_that_an_address_asks_for_are_chosen_when_the_visitor_is_known(server, monkeypatch):
    hand_in(visited(opened("01_latent_images")), {"riff.wav": wav(1)})
    page = addressed(monkeypatch, "04_knob_paths", "clips=own&row=1&encoder=logmel&effect=LPF")
    assert page.clip_set.value == "bundled" and "not here" not in said(page)
    visited(page)
    choice = page.choice()
    assert (choice.clips, choice.row, choice.encoder, choice.effect) == ("own", 1, "logmel", "LPF")
    assert list(page.clips.table["clip"]) == ["riff-0", "riff-1"] and page.shown.clips is page.clips
    assert page.bridge.address["clips"] == "own"


def test_files_that_are_gone_are_said(server, monkeypatch):
    page = visited(addressed(monkeypatch, "04_knob_paths", "clips=own"))
    assert page.choice().clips == "bundled"
    assert "files of your own, which are not here: bundled clips are shown instead" in said(page)


def test_a_script_may_choose_them_too(server):
    hand_in(visited(opened("01_latent_images")), {"riff.wav": wav(1, 200_000)})
    page = opened("04_knob_paths")
    page.choose(clips="own")
    visited(page)
    assert page.choice().clips == "own" and list(page.clips.table["clip"]) == ["riff"]


def test_files_removed_on_one_page_are_gone_from_the_others(server):
    first, second = (visited(opened("01_latent_images")) for _ in range(2))
    hand_in(first, {"riff.wav": wav(1, 200_000)})
    visited(second)
    second.clip_set.label = "your own audio (1 clip)"
    ready(second)
    first.own_files.clear()
    ready(first)
    for page in (first, visited(second)):
        assert labels(page) == ["64 bundled clips"] and len(page.clips) == len(page.shown.clips) == 64


def test_files_that_another_page_adds_are_there_when_this_one_is_looked_at_again(server):
    first, second = (visited(opened("01_latent_images")) for _ in range(2))
    hand_in(first, {"riff.wav": wav(1, 200_000)})
    hand_in(visited(second), {"pluck.wav": wav(2, 200_000)})
    assert list(second.clips.table["clip"]) == ["pluck", "riff"]
    visited(first)
    assert first.clip_set.label == "your own audio (2 clips)" and len(first.shown.clips) == 2


def test_a_page_that_is_told_nonsense_keeps_its_files_to_itself(server):
    page = visited(opened("01_latent_images"), "../../etc")
    hand_in(page, {"riff.wav": wav(1, 200_000)})
    assert page.clip_set.label == "your own audio (1 clip)" and list(server.iterdir()) == []


@pytest.mark.parametrize("name", ["05_linear_probes", "06_dimension_masking"])
def test_own_clips_are_shown_by_what_was_learned_from_the_others_without_a_press(name):
    panel = opened(name)
    learned = panel.shown.results if name.startswith("05") else panel.shown.study
    hand_in(panel, {"riff.wav": wav(1, 200_000)})
    assert panel.shown.clips is panel.clips and list(panel.clips.table["clip"]) == ["riff"]
    assert (panel.shown.results if name.startswith("05") else panel.shown.study) is learned
    assert panel.choice().clips == "own"
    panel.clip_set.value = "bundled"
    ready(panel)
    assert len(panel.shown.clips) == 64
    assert (panel.shown.results if name.startswith("05") else panel.shown.study) is learned
