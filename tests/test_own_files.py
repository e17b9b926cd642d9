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
