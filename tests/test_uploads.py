"""Files that visitors hand in: what is kept, under which name, and what is said of those that are not."""

from __future__ import annotations

import io
import os
import re

import numpy as np
import pytest
import soundfile

from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import uploads
from latentfx_nb.sound.uploads import Uploads


def sound(samples=48_000, channels=1, rate=48_000, kind="WAV", value=None, subtype=None):
    file = io.BytesIO()
    data = 0.1 * np.random.default_rng(0).standard_normal((samples, channels)) if value is None else value
    soundfile.write(file, data, rate, format=kind, subtype=subtype)
    return file.getvalue()


def test_files_become_clips():
    mine = Uploads()
    assert mine.add("riff.wav", sound(600_000)) == "riff.wav"
    assert mine.add("piece.flac", sound(48_000, 2, kind="FLAC")) == "piece.flac"
    assert mine.files == {"riff.wav": "12.5 s, 48000 Hz, mono", "piece.flac": "1.0 s, 48000 Hz, stereo"}
    clips = mine.clips()
    assert clips.table["clip"].tolist() == ["piece", "riff-0", "riff-1", "riff-2"]
    assert clips[0].shape == (2, CLIP_SAMPLES) and clips.name == "your own audio"


@pytest.mark.parametrize(("name", "content", "sentence"), [
    ("a.wav", b"RIFF....", "a.wav cannot be read as audio"),
    ("a.wav", b"", "a.wav cannot be read as audio"),
    ("notes.txt", b"hello", r"notes.txt is no audio file: \.wav, \.flac"),
    ("a.wav", sound(0, value=np.zeros((0, 1))), "a.wav is empty"),
    ("a.wav", sound(500, 6), "a.wav has 6 channels: mix it down"),
    ("a.flac", sound(300_000, kind="FLAC")[:40_000], "a.flac (cannot be read|ends after)"),
    ("a.wav", sound(500, value=np.array([[0.1], [np.nan]] * 250), subtype="FLOAT"), "a.wav holds samples that are no"),
    ("a.wav", sound(8000 * 700, rate=8000), "a.wav lasts 700 s, and 600 s are taken"),
], ids=["not a sound", "no bytes", "another kind", "no samples", "six channels", "cut", "NaN", "too long"])  # fmt: skip
def test_what_cannot_be_used_is_one_sentence_and_leaves_nothing(name, content, sentence):
    mine = Uploads()
    mine.add("good.wav", sound())
    with pytest.raises(ValueError, match=sentence) as caught:
        mine.add(name, content)
    assert "\n" not in str(caught.value) and "/" not in str(caught.value)
    assert list(mine.files) == ["good.wav"]
    assert [path.name for path in mine._paths()] == ["good.wav"]
    assert len(mine.clips()) == 1


@pytest.mark.parametrize(("name", "form"), [
    ("a microphone's.webm", ("webm", "libopus")), ("memo.m4a", ("ipod", "aac")), ("old.aac", ("adts", "aac")),
])  # fmt: skip
def test_what_browsers_and_telephones_record_is_taken(name, form):
    from tests.test_odd_audio import coded

    mine = Uploads()
    kept = mine.add(name, coded(*form, rate=48_000))
    assert re.fullmatch(r"8\.0 s, 48000 Hz, stereo", mine.files[kept])
    assert len(mine.clips()) == 2 and all(clip.any() for clip in mine.clips())


def test_a_file_that_is_cut_short_and_can_be_read_says_so():
    mine = Uploads()
    mine.add("a.wav", sound(96_000)[:96_044])
    assert mine.files == {"a.wav": "1.0 s, 48000 Hz, mono, it ends after 50% of what its header says"}


@pytest.mark.parametrize(("given", "kept"), [
    ("../../etc/passwd.wav", "passwd.wav"),
    ("C:\\music\\riff.wav", "riff.wav"),
    ("Übung №1 – 録音.wav", "Übung _1 _ 録音.wav"),
    ("<b>bold</b>.wav", "b_.wav"),
    (".hidden.wav", "hidden.wav"),
    ("x" * 300 + ".wav", "x" * 76 + ".wav"),
    ("a\nb\0c.wav", "a_b_c.wav"),
])  # fmt: skip
def test_names_are_made_safe(given, kept):
    assert Uploads().add(given, sound(1000)) == kept


def test_equal_names_are_numbered():
    mine = Uploads()
    assert [mine.add("a.wav", sound(1000)) for _ in range(3)] == ["a.wav", "a 2.wav", "a 3.wav"]


def test_silence_is_told():
    mine = Uploads()
    mine.add("a.wav", sound(48_000, value=np.zeros((48_000, 1))))
    assert mine.files["a.wav"].endswith(", silent")


def test_size_and_number_are_bounded(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    monkeypatch.setenv("LATENTFX_UPLOAD_MB", "1")
    mine = Uploads()
    mine.add("a.wav", sound(200_000))
    with pytest.raises(ValueError, match="b.wav is too large: files of 1 MB are taken in all"):
        mine.add("b.wav", sound(400_000))
    mine.add("b.wav", sound(1000))
    with pytest.raises(ValueError, match="c.wav is one too many: 2 files are taken"):
        mine.add("c.wav", sound(1000))
    monkeypatch.setenv("LATENTFX_UPLOAD_MB", "lots")
    with pytest.raises(ValueError, match="LATENTFX_UPLOAD_MB is 'lots': give a whole number"):
        uploads.most_bytes()


def test_the_folder_goes_with_its_visitor():
    mine = Uploads()
    mine.add("a.wav", sound(1000))
    folder = mine._paths()[0].parent
    mine.clear()
    assert mine.files == {} and not mine._paths()
    with pytest.raises(ValueError, match="no file has been handed in yet"):
        mine.clips()
    del mine
    assert not folder.exists()


def test_one_child_looks_at_all_files_that_come_together(monkeypatch):
    asked = []
    inspect = uploads.intake.inspect
    monkeypatch.setattr(uploads.intake, "inspect", lambda paths: asked.append(len(paths)) or inspect(paths))
    mine = Uploads()
    kept, refused = mine.add_all([("a.wav", sound()), ("b.txt", b"x"), ("c.wav", b"RIFF"), ("d.wav", sound())])
    assert asked == [3] and kept == ["a.wav", "d.wav"] == list(mine.files)
    assert [sentence.partition(" ")[0] for sentence in refused] == ["b.txt", "c.wav"]


def test_files_that_come_together_are_bounded_together(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    mine = Uploads()
    kept, refused = mine.add_all([(f"{name}.wav", sound(1000)) for name in "abc"])
    assert kept == ["a.wav", "b.wav"] and refused == [
        "c.wav is one too many: 2 files are taken; remove the others first"
    ]


@pytest.mark.soak
def test_files_that_bring_their_decoder_down_are_named_and_removed(monkeypatch, soak):
    from tests.test_intake import child

    if os.name != "posix":
        pytest.skip("Windows knows no such signals")
    monkeypatch.setattr(uploads.intake, "child_command", child)
    mine = Uploads()
    monkeypatch.setattr(uploads, "_safe", lambda name: name)
    monkeypatch.setattr(uploads, "AUDIO_SUFFIXES", ("",))
    kept, refused = mine.add_all([(name, sound(1000)) for name in ("good", "abort", "memory", "fine")])
    assert kept == ["good", "fine"] and {path.name for path in mine._paths()} == {"good", "fine"}
    assert [sentence.partition(":")[0] for sentence in refused] == [
        "abort brings its decoder down, so it is damaged", "memory needs too much memory to decode",
    ]  # fmt: skip
    soak.count("Input", "files handed in that brought their decoder down", len(refused))


def test_nothing_stays_if_no_child_can_be_started(monkeypatch):
    monkeypatch.setattr(uploads.intake, "child_command", lambda: ["/not/there"])
    mine = Uploads()
    with pytest.raises(OSError):
        mine.add("a.wav", sound())
    assert mine._paths() == [] and mine.files == {}


def test_a_file_cut_short_by_more_than_a_tenth_of_a_second_is_refused():
    """It is in the page as in the folder: what is kept can be read."""
    whole = sound(600_000, 2, kind="MP3")
    with pytest.raises(ValueError, match="a.mp3 ends after 9[0-9]% of what its header says"):
        Uploads().add("a.mp3", whole[: int(0.95 * len(whole))])
