"""`latentfx_nb.sound.clips`: folders cut into clips, manifests, ids and hashes, errors, and memory."""

from __future__ import annotations

import os
import struct
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest

from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import ClipSet, ShortFiles, SkippedFiles, load_clips

RATE = 48_000
HEADER = "file,instrument,recording,licence\n"


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "aiff"])
@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050])
@pytest.mark.parametrize("channels", [1, 2])
def test_clips_joined_are_the_whole_file(tmp_path, tone, noise, write_audio, suffix, rate, channels):
    samples = int(6.3 * rate)
    sound = 0.5 * tone(330, samples, channels=channels, rate=rate) + noise(samples, channels, level=0.02)
    path = write_audio(tmp_path, {f"a.{suffix}": sound}, rate, "PCM_16") / f"a.{suffix}"
    clips, whole = load_clips(tmp_path), audio.read(path, RATE)
    joined = np.concatenate(list(clips), axis=1)
    length = whole.shape[1]
    assert abs(length - samples * RATE / rate) < 0.06 * RATE  # Ogg and MP3 are a few frames off
    assert len(clips) == 2
    assert clips.table["start"].tolist() == [0, CLIP_SAMPLES]
    assert clips.table["padded_samples"].tolist() == [0, 2 * CLIP_SAMPLES - length]
    assert np.abs(joined[:, :length] - audio.to_channels(whole, 2)).max() < 1e-6
    assert not joined[:, length:].any()


def test_a_clip_is_float32_stereo_of_the_papers_length(tmp_path, noise, write_audio):
    mono, stereo = noise(1000, channels=1), noise(CLIP_SAMPLES)
    clips = load_clips(write_audio(tmp_path, {"mono.wav": mono, "stereo.wav": stereo}))
    assert [clip.shape for clip in clips] == [(2, CLIP_SAMPLES)] * 2
    assert all(clip.dtype == np.float32 and clip.flags.c_contiguous for clip in clips)
    assert audio.is_doubled(clips[0]) and np.array_equal(clips[0][:1, :1000], mono)
    assert np.array_equal(clips[1], stereo)
    assert clips.table["padded_samples"].tolist() == [CLIP_SAMPLES - 1000, 0]


@pytest.mark.parametrize(("missing", "count"), [(CLIP_SAMPLES - 1, 1), (1, 1), (0, 1), (-1, 2)])
def test_how_many_clips_a_length_gives(tmp_path, write_audio, missing, count):
    samples = CLIP_SAMPLES - missing
    clips = load_clips(write_audio(tmp_path, {"a.wav": np.ones((1, samples))}))
    assert len(clips) == count
    assert sum(int(clip[0].sum()) for clip in clips) == samples


def test_a_folder_without_a_manifest(tmp_path, tone, write_audio):
    sounds = {name: tone() for name in ("b.wav", "a.FLAC", "sub/c.ogg", "sub/deep/d.aiff")}
    (tmp_path / "notes.txt").write_text("no audio")
    clips = load_clips(write_audio(tmp_path, sounds))
    table = clips.table
    assert clips.name == tmp_path.name
    assert table["clip"].tolist() == ["a", "b", "c", "d"]
    assert table["recording"].tolist() == ["a", "b", "sub/c", "sub/deep/d"]
    assert set(table["instrument"]) == {"unknown"}
    assert all(os.path.isabs(file) for file in table["file"])
    assert isinstance(table, pd.DataFrame)


def test_one_file_is_a_folder_of_one(tmp_path, tone, write_audio):
    write_audio(tmp_path, {"a.wav": tone(), "b.wav": tone()})
    assert load_clips(tmp_path / "b.wav").table["clip"].tolist() == ["b"]


def test_a_relative_folder_is_found_again_from_elsewhere(tmp_path, tone, write_audio, monkeypatch):
    write_audio(tmp_path / "here", {"a.wav": tone()})
    monkeypatch.chdir(tmp_path)
    clips = load_clips("here")
    monkeypatch.chdir("/")
    assert clips[0].any()


def test_a_manifest_decides_files_labels_and_order(tmp_path, tone, write_audio):
    rows = "b.wav,piano,second,CC0,x\nsub/a.wav,guitar,first,CC BY 4.0,007\n"
    sounds = {name: tone() for name in ("b.wav", "sub/a.wav", "left_out.wav")}
    manifest = "file,instrument,recording,licence,take\n" + rows
    table = load_clips(write_audio(tmp_path, sounds, manifest=manifest)).table
    assert table["clip"].tolist() == ["b", "a"]
    assert table["instrument"].tolist() == ["piano", "guitar"]
    assert table["recording"].tolist() == ["second", "first"]
    assert table["licence"].tolist() == ["CC0", "CC BY 4.0"]
    assert table["take"].tolist() == ["x", "007"]  # other columns are kept as they stand


def test_per_recording_counts_over_all_files_of_a_recording(tmp_path, noise, write_audio):
    sounds = {"a.wav": noise(5 * CLIP_SAMPLES // 2, 1), "b.wav": noise(100, 1), "c.wav": noise(CLIP_SAMPLES + 1, 1)}
    manifest = HEADER + "a.wav,g,one,x\nb.wav,g,one,x\nc.wav,g,two,x\n"
    folder = write_audio(tmp_path, sounds, manifest=manifest)
    counts = {cap: load_clips(folder, cap).table["recording"].tolist() for cap in (None, 1, 2, 4, 9)}
    assert counts[1] == ["one", "two"]
    assert counts[2] == ["one", "one", "two", "two"]
    assert counts[4] == counts[9] == counts[None] == ["one"] * 4 + ["two"] * 2
    first, capped = load_clips(folder), load_clips(folder, 2)
    assert np.array_equal(capped[1], first[1])
    assert capped.table["padded_samples"].tolist() == [0, 0, 0, CLIP_SAMPLES - 1]


@pytest.mark.parametrize("cap", [0, -1])
def test_per_recording_that_leaves_nothing_is_refused(tmp_path, cap):
    with pytest.raises(ValueError, match=f"per_recording = {cap}.*at least 1"):
        load_clips(tmp_path, cap)


def test_ids_are_unique_whatever_the_names(tmp_path, tone, write_audio):
    sounds = {name: tone() for name in ("x/b/a.wav", "y/b/a.wav", "c/a.flac", "a-1.wav", "alone.wav")}
    sounds["a.wav"] = np.ones((1, CLIP_SAMPLES + 9))
    ids = load_clips(write_audio(tmp_path, sounds)).table["clip"]
    assert ids.is_unique
    assert sorted(ids) == ["a-1.wav", "a.wav-0", "a.wav-1", "alone", "c/a.flac", "x/b/a.wav", "y/b/a.wav"]


def test_a_number_after_a_name_does_not_meet_another_files_name(tmp_path, tone, write_audio):
    sounds = {"a-1.wav": tone(), "a.wav": np.ones((1, CLIP_SAMPLES + 9))}
    ids = load_clips(write_audio(tmp_path, sounds)).table["clip"]
    assert ids.is_unique


@pytest.fixture
def five(tmp_path, write_audio):
    sounds = {f"{name}.wav": np.full((1, 10), i / 8) for i, name in enumerate("abcde")}
    return load_clips(write_audio(tmp_path, sounds))


def values(clips):
    return [float(clip[0, 0]) * 8 for clip in clips]


def test_a_clip_set_is_indexed_as_a_sequence(five):
    assert values(five) == [0, 1, 2, 3, 4]
    assert values([five[3], five[-1], five[np.int64(2)]]) == [3, 4, 2]
    for bad in (5, -6):
        with pytest.raises(IndexError):
            five[bad]
    assert "5 unknown" in repr(five)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(slice(1, 3), [1, 2]), (slice(None, None, -2), [4, 2, 0]), ([0, 3], [0, 3]), (np.array([4, 4]), [4, 4]),
     (np.array([True, False, False, False, True]), [0, 4]), ([False, True, False, False, False], [1]),
     (slice(9, 12), []), ([], [])],
)  # fmt: skip
def test_parts_of_a_clip_set_are_clip_sets(five, index, expected):
    part = five[index]
    assert isinstance(part, ClipSet)
    assert values(part) == expected
    assert len(part) == len(expected) == len(part.table)
    assert part.table.index.tolist() == list(range(len(expected)))
    assert part.hashes() == [five.hashes()[int(row)] for row in expected]


def test_a_mask_may_come_from_the_table(five):
    assert values(five[five.table["clip"].isin(["b", "e"])]) == [1, 4]


def test_hashes_follow_content_and_place(tmp_path, tone, noise, write_audio):
    sounds = {"a.wav": tone(), "same.wav": tone(), "long.wav": noise(CLIP_SAMPLES + 9, 1)}
    clips = load_clips(write_audio(tmp_path, sounds))
    a, first, second, same = clips.hashes()
    assert a == same and len({a, first, second}) == 3
    assert load_clips(tmp_path, 1).hashes() == [a, first, same]
    write_audio(tmp_path, {"a.wav": tone(441)})
    assert load_clips(tmp_path).hashes()[1:] == [first, second, same]
    assert clips.hashes()[0] != a


# What is refused.


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist.*'bundled' or a folder"):
        load_clips(tmp_path / "nowhere")


def test_a_folder_without_audio(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    for source in (tmp_path, tmp_path / "readme.txt"):
        with pytest.raises(ValueError, match=r"holds no audio; put \.wav, \.flac"):
            load_clips(source)


def test_files_that_cannot_be_used_are_named_and_skipped(tmp_path, tone, write_audio):
    write_audio(tmp_path, {"good.wav": tone(), "six.wav": tone(channels=6), "empty.wav": np.zeros((2, 0))})
    (tmp_path / "text.mp3").write_text("not audio")
    (tmp_path / "nothing.flac").write_bytes(b"")
    with pytest.warns(SkippedFiles, match="4 of 5 files cannot be used.*and are skipped; repair or remove") as caught:
        clips = load_clips(tmp_path)
    message = str(caught[0].message)
    assert caught[0].filename == __file__, "the warning points at whoever loads the clips"
    assert "six.wav (6 channels; mix it down to mono or stereo)" in message
    assert "empty.wav (empty)" in message
    assert "text.mp3" in message and "nothing.flac" in message and "good.wav" not in message
    assert clips.table["clip"].tolist() == ["good"] and clips[0].any()
    assert {os.path.basename(file): reason for file, reason in clips.skipped.items()} == {
        "empty.wav": "empty",
        "nothing.flac": "it is empty: 0 bytes",
        "six.wav": "6 channels; mix it down to mono or stereo",
        "text.mp3": "Format not recognised; it is damaged, or something else",
    }
    assert "4 files skipped" in repr(clips)
    assert clips[:0].skipped == clips[[0]].skipped == clips.skipped


def test_a_folder_of_good_files_skips_nothing_and_warns_of_nothing(tmp_path, tone, write_audio):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clips = load_clips(write_audio(tmp_path, {"a.wav": tone()}))
        (tmp_path / "bad.wav").write_text("no")
        assert list(load_clips(tmp_path, warn=False).skipped) == [str(tmp_path / "bad.wav")]
    assert clips.skipped == {} and "skipped" not in repr(clips)


def test_a_folder_of_nothing_but_broken_files_is_an_error(tmp_path, tone, write_audio):
    write_audio(tmp_path, {"six.wav": tone(channels=6)})
    (tmp_path / "text.mp3").write_text("not audio")
    with pytest.raises(ValueError, match="2 of 2 files cannot be used.*repair or remove them") as caught:
        load_clips(tmp_path)
    assert "six.wav" in str(caught.value) and "text.mp3" in str(caught.value)


def test_a_broken_file_of_a_manifest_is_skipped(tmp_path, tone, write_audio):
    (tmp_path / "bad.wav").write_text("no")
    manifest = HEADER + "bad.wav,g,one,x\na.wav,p,two,x\n"
    with pytest.warns(SkippedFiles, match="1 of 2 files cannot be used"):
        clips = load_clips(write_audio(tmp_path, {"a.wav": tone()}, manifest=manifest))
    assert clips.table[["clip", "instrument", "recording"]].to_numpy().tolist() == [["a", "p", "two"]]


def test_samples_that_are_not_numbers_name_their_file_when_read(tmp_path, tone, write_audio):
    bad = tone()
    bad[0, 5] = np.nan
    clips = load_clips(write_audio(tmp_path, {"bad.wav": bad, "good.wav": tone()}))
    with pytest.raises(ValueError, match=r"bad\.wav holds samples that are NaN"):
        clips[0]
    assert clips[1].any()


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_a_file_cut_off_in_the_middle_is_never_read_as_silence(tmp_path, noise, write_audio, suffix):
    path = write_audio(tmp_path, {f"a.{suffix}": noise(11 * RATE)}) / f"a.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"a\.{suffix} (ends \d+ samples before|cannot be read)"):
        list(load_clips(tmp_path))


def test_a_wav_file_cut_off_in_the_middle_is_as_long_as_it_is(tmp_path, noise, write_audio):
    path = write_audio(tmp_path, {"a.wav": noise(1000)}) / "a.wav"
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.warns(ShortFiles, match=r"a\.wav \(it ends after 50% of what its header says\)"):
        clips = load_clips(tmp_path)
    assert np.array_equal(clips[0][:, :500], noise(1000)[:, :500])
    assert clips.table["padded_samples"].tolist() == [CLIP_SAMPLES - 500]


def test_a_file_that_vanished_is_named(tmp_path, tone, write_audio):
    clips = load_clips(write_audio(tmp_path, {"a.wav": tone()}))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(ValueError, match=r"a\.wav cannot be read"):
        clips[0]


@pytest.mark.parametrize(("manifest", "message"), [
    ("file,instrument\na.wav,guitar\n", "lacks the columns recording, licence"),
    (HEADER, "lists no files; add a row"),
    (HEADER + "a.wav,g,r,x\ngone.wav,g,r,x\n", r"names files that are not there: .*gone\.wav"),
    (HEADER + ",g,r,x\n", "names files that are not there"),
    ("file,instrument,recording,licence,start\na.wav,g,r,x,0\n", "has columns start, which the table fills in"),
    (HEADER + "a.wav,g,r,x\n./a.wav,g,r,x\n", r"lists files more than once: .*a\.wav"),
    (HEADER + "manifest.csv,g,r,x\n", r"1 of 1 files cannot be used: .*manifest\.csv"),
])  # fmt: skip
def test_faults_of_a_manifest(tmp_path, tone, write_audio, manifest, message):
    write_audio(tmp_path, {"a.wav": tone()}, manifest=manifest)
    with pytest.raises(ValueError, match=message):
        load_clips(tmp_path)


@pytest.mark.parametrize(("content", "said"), [
    (b"", "it is empty.*columns file, instrument, recording, licence"),
    (b"\n , \n", "it is empty"),
    (b"\xff\xfe\x00", "not UTF-8.*save it as CSV in UTF-8"),
    (HEADER.encode() + b"a.wav,g,r,x\n\na.wav,g,r,x,y\n", "line 4 has 5 cells, and line 1 names 4 columns; put a cell"),
    (b"file|instrument|recording|licence\na.wav|g|r|x\n", r"it needs file, .*, and has file\|instrument"),
])  # fmt: skip
def test_a_manifest_that_is_no_table_says_what_it_needs(tmp_path, tone, write_audio, content, said):
    write_audio(tmp_path, {"a.wav": tone()})
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"manifest.csv.*{said}"):
        load_clips(tmp_path)


def test_a_manifest_saved_by_a_spreadsheet(tmp_path, tone, write_audio):
    """It begins with a byte-order mark and its lines end with CR LF."""
    write_audio(tmp_path, {"a.wav": tone()})
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + "a.wav,Gitarre à 7,r,x\r\n"
    (tmp_path / "manifest.csv").write_bytes(text.encode())
    assert load_clips(tmp_path).table["instrument"].tolist() == ["Gitarre à 7"]


# Memory.


def test_a_hundred_thousand_clips_are_read_one_at_a_time(tmp_path):
    """One sparse file of 152 hours: 100 000 clips of 21 846 one-byte samples at 4 kHz."""
    count, rate = 100_000, 4_000
    size = count * CLIP_SAMPLES * rate // RATE
    fields = (b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8, b"data", size)
    with open(tmp_path / "long.wav", "wb") as file:
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", *fields))
        file.truncate(44 + size)
    tracemalloc.start()
    try:
        clips = load_clips(tmp_path)
        table = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        assert clips[count // 2].shape == (2, CLIP_SAMPLES)
        for row, clip in enumerate(clips):
            assert clip.shape == (2, CLIP_SAMPLES)
            if row == 20:
                break
        assert len(clips[1000:2000]) == 1000
        peak = tracemalloc.get_traced_memory()[1] - table
    finally:
        tracemalloc.stop()
    one_clip = 4 * 2 * CLIP_SAMPLES
    assert len(clips) == count
    assert clips.table["clip"].is_unique
    assert table < 1000 * count, f"{table / count:.0f} bytes a clip before anything is read"
    assert peak < 8 * one_clip, f"reading takes {peak / one_clip:.1f} clips' worth of memory"


def test_a_manifest_of_many_files_is_named_quickly_and_uniquely(monkeypatch, tmp_path):
    """Names are found in one pass over the table: 20 000 distinct files, without their audio."""
    from latentfx_nb.sound import clips as module

    files = [f"/music/{i % 200}/take{i // 2}.wav" for i in range(20_000)]
    calls = []
    real_path = module.Path
    monkeypatch.setattr(module, "Path", lambda *parts: calls.append(parts) or real_path(*parts))
    ids = module._unique_ids(pd.DataFrame({"file": files, "start": 0}))
    assert len(set(ids)) == len(files)
    assert len(calls) <= 2 * len(files)


def test_the_bundled_clips_are_64_of_two_instruments():
    clips = load_clips("bundled")
    assert len(clips) == 64
    assert clips.name == "bundled"
    assert clips.table["instrument"].value_counts().to_dict() == {"guitar": 32, "piano": 32}
    assert clips.table["clip"].is_unique
    assert clips[0].shape == (2, CLIP_SAMPLES) and clips[0].any()


@pytest.mark.parametrize("manifest", [
    "file;instrument;recording;licence;Key\na.wav;guitar;r;CC0;A\n",
    "file, instrument, recording, licence, Key\na.wav, guitar, r, CC0, A\n",
    "File,INSTRUMENT,Recording,Licence,Key\r\na.wav,guitar,r,CC0,A\r\n",
    "file\tinstrument\trecording\tlicence\tKey\na.wav\tguitar\tr\tCC0\tA\n",
    "\ufefffile,instrument,recording,licence,Key\n\n,,,,\na.wav,guitar,r,CC0,A\n,,,,\n",
    'file,instrument,recording,licence,Key,\n"a.wav",guitar,r,CC0,A,,\n',
], ids=["semicolons", "spaces", "capitals", "tabs", "empty rows", "commas at the ends"])  # fmt: skip
def test_a_manifest_as_people_and_programs_write_it(tmp_path, tone, write_audio, manifest):
    table = load_clips(write_audio(tmp_path, {"a.wav": tone()}, manifest=manifest)).table
    row = table.iloc[0]
    assert len(table) == 1 and (row["instrument"], row["recording"], row["licence"]) == ("guitar", "r", "CC0")
    assert row["Key"] == "A" and row["file"] == str(tmp_path / "a.wav")


def test_cells_that_lack_at_a_rows_end_are_empty(tmp_path, tone, write_audio):
    write_audio(tmp_path, {"a.wav": tone()}, manifest=HEADER + "a.wav,g,r\n")
    assert load_clips(tmp_path).table["licence"].tolist() == [""]


@pytest.mark.parametrize("source", ["", "  ", ["a.wav"], None, 3])
def test_what_is_no_path_is_told_so(source):
    """An unset variable of the shell is an empty path, which is the folder one is in to everything else."""
    with pytest.raises(ValueError, match="give a folder|takes one folder or one file, not"):
        load_clips(source)


@pytest.mark.skipif(os.name != "posix", reason="links need a permission on Windows")
def test_linked_folders_are_followed_once_and_loops_are_not(tmp_path, tone, write_audio):
    base = write_audio(tmp_path / "base", {"b/own.wav": tone()})
    write_audio(tmp_path / "elsewhere", {"far.wav": tone()})
    (tmp_path / "elsewhere" / "back").symlink_to(base)
    for name, target in {"a": base / "b", "c": tmp_path / "elsewhere", "d": tmp_path / "elsewhere", "e": base,
                         "f": tmp_path, "g": tmp_path / "nowhere"}.items():  # fmt: skip
        (base / name).symlink_to(target)
    table = load_clips(base).table
    assert table["file"].tolist() == [str(base / "b" / "own.wav"), str(base / "c" / "far.wav")]
    assert table["recording"].tolist() == ["b/own", "c/far"]
