"""A clip that cannot be read or encoded is left out and named, and the run goes on; what is about all stops it."""

from __future__ import annotations

import errno
import gc
import re
import warnings
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra_study import algebra_scores
from latentfx_nb.encoders import load_encoder
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import verify
from latentfx_nb.store.encode import SkippedClips, encode_effects, encode_sweep, encoded_clips
from tests.test_latents import LABELS, Quiet, Tiny, encode, encoded, finished_rows

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

ROWS = [0, 1, 3, 4, 5]


@pytest.fixture
def folder(tmp_path, noise, write_audio):
    """Six different clips."""
    return write_audio(tmp_path / "clips", {f"{i}.flac": noise(30_000 + 5000 * i, seed=i) for i in range(6)})


@pytest.fixture
def clips(folder):
    return load_clips(folder)


@pytest.fixture
def whole(clips, tmp_path):
    return encode(clips, Tiny(), tmp_path / "whole.zarr").load()


def spoil(path):
    """Zero what lies in the middle of a file, as a bad sector does: its header stays as it was."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : 2 * len(content) // 3] = bytes(2 * len(content) // 3 - len(content) // 3)
    path.write_bytes(content)


class Meanwhile(Tiny):
    """As Tiny, and something happens while the second clip is encoded."""

    def __init__(self, happens, log=None):
        super().__init__(log)
        self.happens = happens

    def encode(self, audio):
        if self.calls == 1:
            self.happens()
        return super().encode(audio)


class Once(Tiny):
    """As Tiny, and of one of its calls it makes something else."""

    def __init__(self, call, makes, log=None):
        super().__init__(log)
        self.call, self.makes = call, makes

    def encode(self, audio):
        found = super().encode(audio)
        return self.makes(found) if self.calls == self.call else found


def fail(error):
    def makes(_):
        raise error

    return makes


def named(told):
    """Return clip -> reason of the one warning among all that were caught."""
    (one,) = [warning for warning in told if warning.category is SkippedClips]
    assert one.filename == __file__ or one.filename == encode.__code__.co_filename, "it points to who called"
    return one.message.skipped


def assert_left_out(array, whole, clips, store, rows=ROWS):
    """The array holds the clips of `rows` as they are in the whole, and the store nothing of the others."""
    xr.testing.assert_identical(array.load(), whole[rows])
    assert encoded_clips(clips, array).table["clip"].tolist() == [str(row) for row in rows]
    assert finished_rows(store) == rows
    verdict = verify.verify(store)
    assert verdict.is_sound and verdict.good == rows
    assert verdict.unfinished == [row for row in range(6) if row not in rows]
    stored = xr.open_zarr(store, consolidated=False)["latents"]
    assert np.isnan(stored[verdict.unfinished].values).all(), "no wrong row and no zeros stand for it"


def test_a_file_broken_in_the_middle_is_left_out_named_and_tried_again(folder, clips, whole, tmp_path):
    exact = encode(clips, Tiny(), tmp_path / "whole.zarr", average=True)
    spoil(folder / "2.flac")
    store, log = tmp_path / "s.zarr", tmp_path / "log"
    with pytest.warns(SkippedClips, match=r"1 of 6 clips could not be encoded.*: .*2\.flac") as told:
        array = encode(clips, Tiny(log), store)
    assert list(named(told)) == ["2"] and str(folder / "2.flac") in named(told)["2"]
    assert_left_out(array, whole, clips, store)
    assert Quiet.last.count == Quiet.last.total == 6, "the bar goes to its end"
    with pytest.warns(SkippedClips):
        means = encode(clips, Tiny(log), store, average=True)
    xr.testing.assert_identical(means, exact[ROWS])
    assert len(encoded(log)) == 5, "good clips are not encoded again"
    with pytest.warns(SkippedClips):
        sweep = encode_sweep(clips, Tiny(), "HPF", 3, bar=Quiet)
    assert sweep["clip"].values.tolist() == list("01345")


@pytest.mark.parametrize("value", [np.nan, 1e5])
def test_latents_that_cannot_be_kept_are_left_out_and_made_next_time(clips, whole, tmp_path, value):
    store, log = tmp_path / "s.zarr", tmp_path / "log"
    reason = "not finite" if np.isnan(value) else "beyond 65504"
    with pytest.warns(SkippedClips, match=rf"2\.flac: tiny gave latents .*{reason}"):
        array = encode(clips, Once(3, lambda found: found + value, log), store)
    assert_left_out(array, whole, clips, store)
    log.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkippedClips)
        xr.testing.assert_identical(encode(clips, Tiny(log), store).load(), whole)
    assert len(encoded(log)) == 1


def test_a_file_deleted_meanwhile_is_left_out_and_changes_no_key(folder, clips, whole, tmp_path, own_cache):
    """Its key is what it was when it was last seen, so that a second call finds what the first one finished."""
    log = tmp_path / "log"
    with pytest.warns(SkippedClips, match=r"5\.flac") as told:
        array = encode(clips, Meanwhile((folder / "5.flac").unlink, log))
    assert list(named(told)) == ["5"]
    assert_left_out(array, whole, clips, Path(array.encoding["source"]), [0, 1, 2, 3, 4])
    before = len(encoded(log))
    with pytest.warns(SkippedClips, match=r"5\.flac"):
        again = encode(clips, Tiny(log), average=True)
    assert again["clip"].values.tolist() == list("01234") and len(encoded(log)) == before
    assert len(list((own_cache / "latents").glob("*.zarr"))) == 1


def test_files_deleted_before_anything_saw_them_are_left_out(folder, clips, whole, tmp_path):
    (folder / "2.flac").rename(tmp_path / "elsewhere")
    fresh = clips[:]
    fresh.table["file"] = [str(Path(tmp_path, "link", Path(file).name)) for file in clips.table["file"]]
    (tmp_path / "link").symlink_to(folder)
    with pytest.warns(SkippedClips, match=r"2\.flac") as told:
        array = encode(fresh, Tiny(), tmp_path / "s.zarr")
    assert list(named(told)) == ["2"]
    assert_left_out(array, whole, fresh, tmp_path / "s.zarr")


def test_a_file_that_changes_meanwhile_is_left_out(folder, clips, whole, tmp_path, noise, write_audio):
    store = tmp_path / "s.zarr"
    with pytest.warns(SkippedClips, match=r"4\.flac changed while it was encoded, or is gone; load the clips anew"):
        array = encode(clips, Meanwhile(lambda: write_audio(folder, {"4.flac": noise(30_000, seed=99)})), store)
    assert_left_out(array, whole, clips, store, [0, 1, 2, 3, 5])


def test_a_bar_that_takes_it_is_told_in_place_of_the_warning(folder, clips, tmp_path):
    class Told(Quiet):
        def skipped(self, clips):
            self.told = clips

    spoil(folder / "1.flac")
    spoil(folder / "4.flac")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkippedClips)
        encode_effects(clips, Tiny(), LABELS, tmp_path / "s.zarr", bar=Told)
    assert list(Told.last.told) == ["1", "4"]
    assert all(str(folder / f"{clip}.flac") in reason for clip, reason in Told.last.told.items())


def test_a_share_leaves_out_its_own(folder, clips, whole, tmp_path):
    spoil(folder / "2.flac")
    with pytest.warns(SkippedClips, match="1 of 2 clips"):
        share = encode(clips, Tiny(), tmp_path / "s.zarr", shard=(2, 3))
    xr.testing.assert_identical(share.load(), whole[[3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkippedClips)
        other = encode(clips, Tiny(), tmp_path / "s.zarr", shard=(3, 3), average=True)
    assert other["clip"].values.tolist() == ["4", "5"]


def test_if_all_are_bad_it_is_an_error(folder, clips, tmp_path):
    for path in folder.iterdir():
        spoil(path)
    with pytest.raises(ValueError, match=r"none of 6 clips could be encoded: .*0\.flac.*4\.flac.*; and 1 more"):
        encode(clips, Tiny(), tmp_path / "s.zarr")
    assert finished_rows(tmp_path / "s.zarr") == []


def test_who_wants_it_to_stop_says_so(folder, clips, tmp_path):
    spoil(folder / "2.flac")
    log = tmp_path / "log"
    with pytest.raises(ValueError, match=r"2\.flac"):
        encode(clips, Tiny(log), tmp_path / "s.zarr", on_error="raise")
    assert finished_rows(tmp_path / "s.zarr") in ([0, 1], [0, 1, 3])  # the next one may have been on its way
    assert len(encoded(log)) <= 3
    with pytest.raises(ValueError, match="on_error = 'ignore' is none: give 'skip'.*or 'raise'"):
        encode(clips, Tiny(), tmp_path / "s.zarr", on_error="ignore")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("the encoder broke"), TypeError("int and str"), OSError(errno.EIO, "the machine went down"),
     KeyError("a dict of the encoder's")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_is_about_no_one_clip_stops_the_run(clips, tmp_path, error):
    with pytest.raises(type(error), match=re.escape(str(error))):
        encode(clips, Once(3, fail(error)), tmp_path / "s.zarr")
    assert finished_rows(tmp_path / "s.zarr") == [0, 1]


def test_too_little_memory_stops_the_run(clips, tmp_path):
    class Greedy(Tiny):
        def encode(self, audio):
            raise MemoryError

    with pytest.raises(MemoryError, match="is more than tiny can encode in the free memory"):
        encode(clips, Greedy(), tmp_path / "s.zarr")


@pytest.mark.ci
def test_many_bad_clips_do_not_fill_the_memory(noise, write_audio, tmp_path):
    """The traceback of an error holds the sounds that it was raised over."""
    clips = load_clips(write_audio(tmp_path / "clips", {f"{i}.wav": noise(20_000, seed=i) for i in range(8)}))
    held, alive = [], []

    class Refusing(Tiny):
        def encode(self, audio):
            found = super().encode(audio)
            gc.collect()
            alive.append(sum(one() is not None for one in held))
            if self.calls > 1:
                sound = found.clone()
                held.append(weakref.ref(sound))
                raise ValueError(f"nothing comes of {sound.shape}")
            return found

    with pytest.warns(SkippedClips, match="7 of 8 clips"):
        encode(clips, Refusing(), tmp_path / "s.zarr")
    assert len(held) == 7 and max(alive) <= 2, "those of the clips that are under way"


def test_algebra_pairs_sounds_with_their_own_latents(tmp_path, noise, write_audio):
    """It takes clips by their rows, and after one that is left out these are others."""
    folder = write_audio(tmp_path / "clips", {f"{i}.wav": noise(30_000 + 5000 * i, seed=i) for i in range(6)})
    clips, encoder = load_clips(folder), load_encoder("logmel", "cpu")
    good = load_clips(folder)[ROWS]
    study = {"effects": ["HPF"], "methods": ["mean"], "shots": (1,), "held_out": 5, "bar": partial(tqdm, disable=True)}
    spoiled = bytearray((folder / "2.wav").read_bytes())
    spoiled[-4:] = np.float32(np.nan).tobytes()
    (folder / "2.wav").write_bytes(spoiled)
    with pytest.warns(SkippedClips, match=r"2\.wav"):
        scores = algebra_scores(clips, encoder, **study)
    xr.testing.assert_identical(scores, algebra_scores(good, encoder, **study))
