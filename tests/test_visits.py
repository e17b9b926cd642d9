"""Visits: files that all pages of one visitor share, nobody else sees, and that go when the visitor has left."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from latentfx_nb.sound import uploads, visits
from latentfx_nb.sound.uploads import Uploads
from latentfx_nb.sound.visits import IDLE_S, PRESENT_S, Visit, sweep
from tests.test_uploads import sound

ANN, BEN = "a1" * 16, "b2" * 32


class Time:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "visits"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("LATENTFX_VISITS", str(folder))
    return folder


@pytest.fixture
def clock():
    return Time()


def folders(root):
    return [path for path in root.iterdir() if path.is_dir()]


def visiting(token, name=None):
    """Return the files of a page of that visitor, to which one is added if it is named."""
    mine = Uploads()
    assert mine.join(Visit.of(token)) == []
    if name:
        mine.add(name, sound(1000))
    return mine


def filled(root, token, clock, size, name="a.wav"):
    """Return a visit with one file of that many bytes."""
    visit, file = Visit(root, token, clock), root.parent / name
    file.write_bytes(bytes(size))
    visit.keep(file, lambda path: path)
    return visit


def test_pages_of_a_visitor_share_files_and_another_visitor_sees_none(root):
    visiting(ANN, "riff.wav")
    other_page, stranger = visiting(ANN), visiting(BEN)
    assert other_page.files == {"riff.wav": "0.0 s, 48000 Hz, mono"} and len(other_page.clips()) == 1
    assert stranger.files == {}
    with pytest.raises(ValueError, match="no file has been handed in yet"):
        stranger.clips()
    (folder,) = folders(root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ANN not in folder.name and len(folder.name) == 64


def test_files_of_equal_names_of_two_pages_are_both_kept(root):
    one, two = visiting(ANN), visiting(ANN)
    assert [page.add("a.wav", sound(n)) for page, n in ((one, 1000), (two, 2000))] == ["a.wav", "a 2.wav"]
    one.look_again()
    assert sorted(one.files) == ["a 2.wav", "a.wav"] and len(one.clips()) == 2


def test_files_handed_in_before_the_visit_is_known_join_it(root):
    early = Uploads()
    early.add("riff.wav", sound(1000))
    clips = early.clips()
    assert early.join(Visit.of(ANN)) == []
    assert clips[0].shape[0] == 2, "what is shown by then can be read on"
    assert list(visiting(ANN).files) == ["riff.wav"]


def test_removing_deletes_for_all_pages_at_once(root):
    one, two = visiting(ANN, "riff.wav"), visiting(ANN)
    two.clear()
    assert folders(root) == []
    one.look_again()
    assert one.files == {}
    two.add("next.wav", sound(1000))
    one.look_again()
    assert list(one.files) == ["next.wav"]


def test_what_another_page_has_kept_is_checked_again(root):
    mine = visiting(ANN, "good.wav")
    (folder,) = folders(root)
    (folder / "bad.wav").write_bytes(b"RIFF....")
    mine.look_again()
    assert list(mine.files) == ["good.wav"] and list(mine.clips().table["clip"]) == ["good"]
    (folder / "good.wav").write_bytes(b"RIFF....")
    mine.look_again()
    assert mine.files == {}


def test_nothing_is_seen_by_others_before_it_was_checked(root, monkeypatch):
    mine, seen = visiting(ANN), []
    inspect = uploads.intake.inspect
    monkeypatch.setattr(uploads.intake, "inspect", lambda paths: seen.extend(Visit.of(ANN).paths()) or inspect(paths))
    kept, refused = mine.add_all([("good.wav", sound()), ("bad.wav", b"RIFF")])
    assert seen == [] and kept == ["good.wav"] and len(refused) == 1
    assert [path.name for path in Visit.of(ANN).paths()] == ["good.wav"]


@pytest.mark.parametrize("token", [
    "", "a" * 31, "a" * 65, "../" * 20, "A1" * 16, "g" * 32, "a" * 31 + "/", "a" * 32 + "\n", "٣" * 32, None, 7,
    b"a" * 32, ["a" * 32], "." * 32, "a\0" * 16,
])  # fmt: skip
def test_nothing_but_a_token_is_taken_for_one(token, root):
    assert Visit.of(token) is None
    assert folders(root) == []


def test_without_a_server_there_are_no_visits(monkeypatch):
    monkeypatch.delenv("LATENTFX_VISITS", raising=False)
    assert Visit.of(ANN) is None
    sweep()


def test_files_are_removed_ten_minutes_after_the_last_page(root, clock):
    gone, stays = filled(root, ANN, clock, 10), filled(root, BEN, clock, 10)
    clock.now += IDLE_S - 1
    stays.touch()
    sweep(clock())
    assert len(folders(root)) == 2
    clock.now += 2
    sweep(clock())
    assert folders(root) == [stays.folder] and gone.paths() == []
    gone.touch()
    assert folders(root) == [stays.folder], "a page that was left open does not bring an empty folder back"


def test_an_open_page_touches_its_visit(root, monkeypatch):
    touched = threading.Event()
    monkeypatch.setattr(visits, "TOUCH_S", 0.001)
    monkeypatch.setattr(Visit, "touch", lambda visit: touched.set())
    mine = Uploads()
    mine.join(Visit.of(ANN))
    touched.clear()
    assert touched.wait(60)


def test_the_oldest_that_is_idle_makes_room(root, clock, monkeypatch):
    monkeypatch.setenv("LATENTFX_VISITS_MB", "1")
    oldest = filled(root, "00" * 16, clock, 400_000)
    clock.now += 1
    older = filled(root, "01" * 16, clock, 400_000)
    clock.now += PRESENT_S
    older.touch()
    new = filled(root, ANN, clock, 500_000)
    assert set(folders(root)) == {older.folder, new.folder} and oldest.paths() == []
    with pytest.raises(ValueError, match=r"0\.5 MB more do not fit: files of other visitors take all the room"):
        filled(root, BEN, clock, 500_000)
    assert set(folders(root)) == {older.folder, new.folder}, "nobody who is there loses a file"


def test_the_number_of_visitors_is_bounded(root, clock, monkeypatch):
    monkeypatch.setattr(visits, "MOST_VISITS", 2)
    first = filled(root, "00" * 16, clock, 10)
    filled(root, "01" * 16, clock, 10)
    with pytest.raises(ValueError, match="try again in some minutes"):
        filled(root, ANN, clock, 10)
    filled(root, "01" * 16, clock, 10, "b.wav")
    clock.now += PRESENT_S + 1
    Visit(root, "01" * 16, clock).touch()
    filled(root, ANN, clock, 10)
    assert len(folders(root)) == 2 and first.paths() == []


def test_one_visit_is_bounded_as_uploads_are_over_all_its_pages(root, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    one, two = visiting(ANN, "a.wav"), visiting(ANN, "b.wav")
    for page in (one, two):
        with pytest.raises(ValueError, match="c.wav is one too many: 2 files are taken"):
            page.add("c.wav", sound(1000))
    assert list(visiting(BEN, "c.wav").files) == ["c.wav"]


def test_a_limit_that_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("LATENTFX_VISITS_MB", "lots")
    with pytest.raises(ValueError, match="LATENTFX_VISITS_MB is 'lots': give a whole number"):
        visits.most_kept_bytes()


def test_a_page_whose_files_do_not_fit_says_so(root, monkeypatch):
    mine = Uploads()
    mine.add("riff.wav", sound(1000))
    monkeypatch.setenv("LATENTFX_VISITS_MB", "0")
    (sentence,) = mine.join(Visit.of(ANN))
    assert sentence.startswith("riff.wav is not kept for other pages: 0.0 MB more do not fit")
    kept, (refused,) = mine.add_all([("next.wav", sound(1000))])
    assert kept == [] and "more do not fit" in refused


CRASHING = """
import os, signal, sys
from latentfx_nb.sound.uploads import Uploads
from latentfx_nb.sound.visits import Visit
mine = Uploads()
mine.join(Visit.of(sys.argv[1]))
with open(sys.argv[2], "rb") as file:
    mine.add("riff.wav", file.read())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no such signal")
def test_a_kernel_that_is_killed_leaves_nothing_behind(root, tmp_path):
    file = tmp_path / "riff.wav"
    file.write_bytes(sound(1000))
    done = subprocess.run([sys.executable, "-c", CRASHING, ANN, str(file)], check=False)
    assert done.returncode == -9
    (folder,) = folders(root)
    assert [path.name for path in folder.iterdir()] == ["riff.wav"]
    touched = folder.stat().st_mtime
    sweep(touched + IDLE_S - 1)
    assert folder.exists()
    Visit.of(BEN).clear()  # the lock of the one that was killed holds nobody up
    sweep(touched + IDLE_S + 1)
    assert folders(root) == [] and [path for path in Path(root).iterdir() if path.name != ".lock"] == []
