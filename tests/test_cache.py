"""`latentfx_nb.cache`: where things are kept, and files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import platformdirs
import pytest

from latentfx_nb import cache
from latentfx_nb.cache import atomic_write, cache_dir, digest, file_digest


def test_cache_dir_is_the_folder_that_the_variable_names(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTFX_CACHE", str(tmp_path / "there"))
    assert cache_dir() == tmp_path / "there"


def test_cache_dir_knows_the_home_folder(monkeypatch):
    monkeypatch.setenv("LATENTFX_CACHE", "~/somewhere")
    assert cache_dir() == Path.home() / "somewhere"


@pytest.mark.parametrize("value", [None, ""])
def test_cache_dir_is_the_users_own_otherwise(monkeypatch, value):
    monkeypatch.delenv("LATENTFX_CACHE")
    if value is not None:
        monkeypatch.setenv("LATENTFX_CACHE", value)
    assert cache_dir() == Path(platformdirs.user_cache_dir("latentfx-nb"))


def test_the_tests_have_a_cache_of_their_own(own_cache):
    assert cache_dir() == own_cache
    assert not list(own_cache.iterdir())


def test_atomic_write_makes_its_folder_and_shows_the_file_only_when_whole(tmp_path):
    path = tmp_path / "new" / "points.bin"
    with atomic_write(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_atomic_write_keeps_the_old_file_on_an_error(tmp_path, error):
    path = tmp_path / "points.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"ne")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_replaces(tmp_path):
    path = tmp_path / "points.bin"
    for content in (b"long content", b"short"):
        with atomic_write(path) as file:
            file.write(content)
    assert path.read_bytes() == b"short"


def test_a_digest_is_of_bytes_of_text_or_of_sorted_json():
    assert digest(b"abc") == digest("abc") == hashlib.sha256(b"abc").hexdigest()
    assert digest({"b": [1, 2.5], "a": None}) == digest('{"a": null, "b": [1, 2.5]}')
    assert digest([1, 2]) != digest([2, 1])


@pytest.mark.parametrize("age_s", [-3600, 0, 3600])
def test_only_a_file_that_has_settled_is_read_once(tmp_path, monkeypatch, age_s):
    """A file's ctime cannot be set, so the clock is moved instead."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    now, read = time.time(), []
    real = cache._read_digest
    monkeypatch.setattr(cache.time, "time", lambda: now + age_s)
    monkeypatch.setattr(cache, "_read_digest", lambda name: read.append(name) or real(name))
    assert {file_digest(path), file_digest(str(path))} == {digest(b"one")}
    assert len(read) == (1 if age_s > 0 else 2)
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if path.stat().st_ctime_ns != before.st_ctime_ns:
        assert file_digest(path) == digest(b"two")
