"""Odd but real audio files: each is read as long as it was made, by the right library, or named with the reason."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio, ffmpeg, mpeg
from latentfx_nb.sound.clips import ShortFiles, SkippedFiles, load_clips
from latentfx_nb.sound.readers import AudioFile, form
from tests.conftest import SHARED
from tests.test_intake import child

RATE, SECONDS = 44_100, 8.0


def melody(seconds=SECONDS, rate=RATE, channels=2):
    """Return `[sample channel]` of 16 bits: loud, quiet, silent, loud, so that a bit rate that varies does.

    It is loud where the second clip begins: libmpg123 is wrong for 0.1 s where one begins in a quiet part.
    """
    time_s = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, len(time_s))
    loud = (time_s < seconds / 6) | (time_s > 0.55 * seconds)
    sound = (0.3 * np.sin(2 * np.pi * 220 * time_s) + noise * loud) * (loud | (time_s < 0.5 * seconds))
    return np.tile((np.round(sound * 2**15) / 2**15)[:, None], channels).astype(np.float32)


def written(kind, subtype=None, rate=RATE, sound=None):
    """Return a file of libsndfile's."""
    file = io.BytesIO()
    soundfile.write(file, melody(rate=rate) if sound is None else sound, rate, format=kind, subtype=subtype)
    return file.getvalue()


def coded(container, codec, rate=RATE, channels=2, container_options=None, bit_rate=None, **options):
    """Return a file of FFmpeg's."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, container_options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout="stereo" if channels == 2 else "mono", options=options)
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(melody(rate=rate, channels=channels).T), "fltp", stream.layout.name
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fitting = av.AudioResampler(stream.format, stream.layout, rate, stream.codec_context.frame_size or None)
        for part in [*fitting.resample(frame), *fitting.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def mp3(tag=False, **options):
    return coded("mp3", "libmp3lame", container_options={"write_xing": str(int(tag)), "id3v2_version": "0"}, **options)


def id3(size):
    return b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)


def flac_of_unknown_length():
    content = bytearray(written("FLAC", "PCM_16"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def wav_that_says(size, riff=None):
    content = bytearray(written("WAV", "PCM_16"))
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    content[4:8] = content[4:8] if riff is None else struct.pack("<I", riff)
    return bytes(content)


def wide_wav(tag, upper):
    """Return a WAV of 24 bits in four bytes each: in the upper three of them, or the lower."""
    samples = (melody(channels=1)[:, 0] * 2**23).astype("<i4")
    data = (samples << 8 if upper else samples).tobytes()
    extra = struct.pack("<HHI", 22, 24, 4) + bytes.fromhex("0100000000001000800000aa00389b71")
    head = struct.pack("<HHIIHH", tag, 1, RATE, 4 * RATE, 4, 24) + (extra if tag == 0xFFFE else b"")
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


MONO = melody(channels=1)
JUNK = np.random.default_rng(1).bytes(200_000)

READ = {
    # MP3: what its first frame says is true, or nothing says how long it is.
    "tagged.mp3": (lambda: written("MP3"), "libsndfile", 1),
    "tagged by FFmpeg.mp3": (lambda: mp3(tag=True), "libsndfile", 1),
    "tagged, then junk.mp3": (lambda: written("MP3") + JUNK, "libsndfile", 1),
    "of one bit rate.mp3": (lambda: mp3(bit_rate=128_000), None, 1),
    "of any bit rate.mp3": (lambda: mp3(bit_rate=96_000, abr="1"), "FFmpeg", 1),
    "behind a cover.mp3": (lambda: id3(2**20) + mp3(bit_rate=128_000), None, 1),
    "behind zeros.mp3": (lambda: bytes(200_000) + mp3(bit_rate=128_000), "FFmpeg", 1),
    "before zeros.mp3": (lambda: mp3(bit_rate=128_000) + bytes(500_000), "FFmpeg", 1),
    "before junk.mp3": (lambda: mp3(bit_rate=128_000) + JUNK, None, 1),
    "two in one.mp3": (lambda: 2 * written("MP3"), "FFmpeg", 2),
    # Streams
    "unknown.flac": (flac_of_unknown_length, "FFmpeg", 1),
    "chained.ogg": (lambda: written("OGG", "VORBIS") + written("OGG", "VORBIS"), "FFmpeg", 2),
    "chained.opus": (lambda: 2 * written("OGG", "OPUS", 48_000), "FFmpeg", 2),
    "in Ogg.oga": (lambda: coded("ogg", "flac"), "FFmpeg", 1),
    "good.ogg": (lambda: written("OGG", "VORBIS"), "libsndfile", 1),
    "good.opus": (lambda: written("OGG", "OPUS", 48_000), "libsndfile", 1),
    # What cannot seek
    "GSM.wav": (lambda: written("WAV", "GSM610", sound=MONO), "libsndfile", 1),
    "GSM.aiff": (lambda: written("AIFF", "GSM610", sound=MONO), "libsndfile", 1),
    "G721.wav": (lambda: written("WAV", "G721_32", sound=MONO), "libsndfile", 1),
    "NMS.wav": (lambda: written("WAV", "NMS_ADPCM_32", 8_000, melody(rate=8_000, channels=1)), "libsndfile", 1),
    # WAV
    "its recorder died.wav": (lambda: wav_that_says(0), "FFmpeg", 1),
    "its recorder died at once.wav": (lambda: wav_that_says(0, 0), "FFmpeg", 1),
    "in a pipe.wav": (lambda: wav_that_says(0xFFFFFFFF, 0xFFFFFFFF), "libsndfile", 1),
    "24 bits in 32.wav": (lambda: wide_wav(1, upper=True), "libsndfile", 1),
    "IMA.wav": (lambda: written("WAV", "IMA_ADPCM"), "libsndfile", 1),
    "a tag first.wav": (lambda: id3(1000) + written("WAV", "PCM_16"), "libsndfile", 1),
    "FLAC in it.wav": (lambda: coded("wav", "flac"), "FFmpeg", 1),
    # Other suffixes
    "a.m4a": (lambda: coded("ipod", "aac"), "FFmpeg", 1),
    "lossless.m4a": (lambda: coded("ipod", "alac"), "FFmpeg", 1),
    "a.aac": (lambda: coded("adts", "aac"), "FFmpeg", 1),
    "a microphone's.webm": (lambda: coded("webm", "libopus", 48_000, container_options={"live": "1"}), "FFmpeg", 1),
    "a.wma": (lambda: coded("asf", "wmav2", bit_rate=128_000), "FFmpeg", 1),
    "a.caf": (lambda: written("CAF", "PCM_16"), "libsndfile", 1),
    "a.au": (lambda: written("AU", "PCM_16"), "libsndfile", 1),
    "a.w64": (lambda: written("W64", "PCM_24"), "libsndfile", 1),
    "a.wave": (lambda: written("WAV", "PCM_24"), "libsndfile", 1),
    "a.aifc": (lambda: coded("aiff", "pcm_s16le"), "libsndfile", 1),
    # Named wrongly
    "m4a.wav": (lambda: coded("ipod", "aac"), "FFmpeg", 1),
    "matroska.wav": (lambda: coded("matroska", "pcm_s16le"), "FFmpeg", 1),
}
"""File name -> how it is made, which library reads it (None: whichever), and how many melodies are in it."""

REFUSED = {
    "24 bits below.wav": (lambda: wide_wav(1, upper=False), "24 bits stand in 4 bytes each.*export it as 24-bit WAV"),
    "24 bits, extensible.wav": (lambda: wide_wav(0xFFFE, upper=False), "24 bits stand in 4 bytes each"),
    "two rates.mp3": (lambda: written("MP3") + written("MP3", rate=16_000), "changes from 44100 Hz.*convert it to WAV"),
    "one, then two.mp3": (lambda: written("MP3", sound=MONO) + written("MP3"), "from 44100 Hz, 1 channels to 44100"),
    "two rates.ogg": (lambda: written("OGG") + written("OGG", rate=22_050), "changes on its way.*convert it to WAV"),
    "DWVW.aiff": (lambda: written("AIFF", "DWVW_16", sound=MONO), "DWVW_16 sound is damaged, or of a kind that is not"),
    "half.m4a": (lambda: coded("ipod", "aac")[:-30_000], "damaged, or something else|ends after"),
    "hole.mkv.webm": (lambda: b"\x1aE\xdf\xa3" + bytes(500), "damaged, or something else"),
    "no samples.wav": (lambda: written("WAV", sound=np.zeros((0, 1))), "empty"),
    "a play list.mp3": (lambda: b"#EXTM3U\n#EXTINF:9,\nother.wav\n", "damaged, or something else"),
    "another.mp3": (lambda: b"ffconcat version 1.0\nfile other.wav\n", "damaged, or something else"),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder of all of them, and what load_clips makes of it."""
    folder = tmp_path_factory.mktemp("odd")
    for name, (make, *_) in (READ | REFUSED).items():
        (folder / name).write_bytes(make())
    (folder / "other.wav").write_bytes(written("WAV", "PCM_16"))
    return folder, load_clips(folder, warn=False)


def clips_of(odd, name):
    folder, clips = odd
    return clips[(clips.table["file"] == str(folder / name)).to_numpy()]


@pytest.mark.parametrize("name", READ)
def test_a_file_is_as_long_as_it_was_made_and_all_of_it_is_read(odd, name):
    _, reader, times = READ[name]
    clips = clips_of(odd, name)
    path = odd[0] / name
    found = form(path)
    assert reader in (None, found.reader) and not found.remark
    assert found.frames / found.samplerate == pytest.approx(times * SECONDS, abs=0.1)
    assert len(clips) == -(-times * SECONDS * 48_000 // CLIP_SAMPLES)
    whole = audio.read(path, 48_000)
    joined = np.concatenate(list(clips), axis=1)[: len(whole)]
    heard = CLIP_SAMPLES * len(clips) - int(clips.table["padded_samples"].iat[-1])
    assert whole.shape[1] == heard, "the length in the table is the length that is read"
    assert np.abs(joined[:, :heard] - whole).max() < 1e-6
    expected = audio.resample(np.tile(melody(channels=1), (times, 1)).T, RATE, 48_000)[0]
    length = min(len(expected), heard)
    # Codecs shift by up to 0.05 s and change waves, not how loud each second is.
    loudness = [np.sqrt(np.mean(one[:length].reshape(-1, length // 48)[:48] ** 2, axis=-1))
                for one in (expected[: length // 48 * 48], joined[0, : length // 48 * 48])]  # fmt: skip
    assert np.corrcoef(loudness)[0, 1] > 0.9


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named_with_the_reason(odd, name):
    folder, clips = odd
    said = clips.skipped[str(folder / name)]
    assert re.search(REFUSED[name][1], said), said
    assert "\n" not in said and str(folder) not in said


def test_nothing_else_is_skipped(odd):
    folder, clips = odd
    assert {Path(file).name for file in clips.skipped} == set(REFUSED)


@pytest.mark.parametrize(("name", "expected"), [
    ("unknown.flac", lambda: soundfile.read(io.BytesIO(written("FLAC", "PCM_16")), dtype="float32")[0]),
    ("its recorder died.wav", lambda: soundfile.read(io.BytesIO(written("WAV", "PCM_16")), dtype="float32")[0]),
    ("FLAC in it.wav", melody), ("matroska.wav", melody), ("lossless.m4a", melody),
])  # fmt: skip
def test_what_loses_nothing_is_read_to_the_last_bit(odd, name, expected):
    with AudioFile(odd[0] / name) as file:
        assert np.array_equal(file.read(0, file.frames + 1), expected())
        assert np.array_equal(np.concatenate(list(file.blocks())), expected())


@pytest.mark.parametrize("name", ["of any bit rate.mp3", "a.m4a", "a microphone's.webm", "chained.ogg", "GSM.wav"])
def test_excerpts_are_the_same_samples_in_any_order(odd, name):
    with AudioFile(odd[0] / name) as file:
        whole = file.read(0, file.frames + 100)
        assert len(whole) == file.frames
        for first in (100_000, 5, 99_999, 200_001, 0, file.frames - 10, file.frames + 10):
            assert np.array_equal(file.read(first, 77_777), whole[first : first + 77_777])


def test_clips_read_one_after_the_other_cost_one_decoding(odd, monkeypatch):
    begun = []

    class Counted(ffmpeg._Decoding):
        def __init__(self, *args):
            begun.append(1)
            super().__init__(*args)

    monkeypatch.setattr(ffmpeg, "_Decoding", Counted)
    monkeypatch.setattr(ffmpeg, "_at_rest", {})
    clips = clips_of(odd, "two in one.mp3")
    assert len(list(clips)) == 3 and len(begun) == 1
    assert len(ffmpeg._at_rest) == 1
    clips[2], clips[2]
    assert len(begun) == 1
    clips[0]
    assert len(begun) == 2


def test_few_files_rest_half_decoded(odd, monkeypatch):
    monkeypatch.setattr(ffmpeg, "_at_rest", {})
    names = [name for name, (_, reader, _) in READ.items() if reader == "FFmpeg"]
    assert len(names) > ffmpeg.MOST_AT_REST
    for name in names:
        clips_of(odd, name)[0]
    assert len(ffmpeg._at_rest) == ffmpeg.MOST_AT_REST
    assert all(one.end - one.first < 2 * CLIP_SAMPLES for one in ffmpeg._at_rest.values())


def test_hashes_tell_what_ffmpeg_reads_and_stay_for_all_else(odd):
    for name, reader in (("good.ogg", ""), ("tagged.mp3", ""), ("of any bit rate.mp3", "FFmpeg"), ("a.m4a", "FFmpeg")):
        content = hashlib.sha256((odd[0] / name).read_bytes()).hexdigest()
        expected = [hashlib.sha256(f"{content} {start}{reader}".encode()).hexdigest() for start in (0, CLIP_SAMPLES)]
        assert clips_of(odd, name).hashes()[:2] == expected


@pytest.mark.parametrize(("name", "content", "said"), [
    ("half.wav", lambda: written("WAV", "PCM_16")[: int(RATE * SECONDS) * 2], "ends after 50% of what its header"),
    ("half.aiff", lambda: written("AIFF", "PCM_24")[: int(RATE * SECONDS) * 3], "ends after 50% of what its header"),
    ("half.ogg", lambda: written("OGG", "VORBIS")[:30_000], "its end is missing"),
    ("half in Ogg.oga", lambda: coded("ogg", "flac")[:200_000], "its end is missing"),
])  # fmt: skip
def test_a_file_that_is_cut_short_and_read_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content())
    with pytest.warns(ShortFiles, match=rf"1 of 1 files are cut short.*{name} \(.*{said}"):
        clips = load_clips(tmp_path)
    assert len(clips) and all(clip.any() for clip in clips)


def test_an_mp3_that_is_cut_short_is_as_long_as_it_says_and_raises_there(tmp_path):
    (tmp_path / "cut.mp3").write_bytes(written("MP3")[:-10_000])
    clips = load_clips(tmp_path)
    assert len(clips) == 2 and clips[0].any()
    with pytest.raises(ValueError, match=r"cut.mp3 ends \d+ samples before its header says"):
        list(clips)


def test_libmpg123_is_silent_and_nobody_else_is(tmp_path, capfd):
    path = tmp_path / "a.mp3"
    path.write_bytes(written("MP3") + bytes(50_000))  # it wonders about a size that is another one than the header's
    soundfile.read(path)
    assert "Xing stream size off" in capfd.readouterr().err
    clips = load_clips(tmp_path)
    assert len(list(clips)) == 2 and form(path).reader == "libsndfile"
    with mpeg.quiet_mpg123():
        os.write(2, b"Note: Trying to resync...\nsomebody else's line\n")
        soundfile.read(path)
    assert capfd.readouterr().err == "somebody else's line\n"


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no such limits and signals")
def test_a_file_that_brings_its_decoder_down_is_skipped_and_the_good_ones_need_no_child(tmp_path, monkeypatch):
    (tmp_path / "good").write_bytes(written("WAV", "PCM_16"))
    monkeypatch.setattr("latentfx_nb.sound.clips.AUDIO_SUFFIXES", ("",))
    monkeypatch.setattr("latentfx_nb.sound.intake.child_command", lambda _: ["/not/there"])
    assert len(load_clips(tmp_path)) == 2
    monkeypatch.setattr("latentfx_nb.sound.intake.child_command", lambda _: child())
    for name in ("abort", "memory", "killed"):
        (tmp_path / name).write_bytes(b"no audio")
    with pytest.warns(SkippedFiles, match="3 of 4 files cannot be used"):
        clips = load_clips(tmp_path)
    assert len(clips) == 2
    assert "brings its decoder down" in clips.skipped[str(tmp_path / "abort")]
    assert "needs too much memory" in clips.skipped[str(tmp_path / "memory")]


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(written("WAV", "PCM_16"))
    assert form(path).reader == "libsndfile"
    path.write_bytes(wav_that_says(0))
    assert form(path).reader == "FFmpeg"


@pytest.mark.soak
def test_two_hundred_files_of_other_programs(tmp_path, soak):
    """All are read in full or named; those that raise when read are cut short or broken in their middle."""
    maker, tools = SHARED / "odd_audio" / "make_odd_audio.py", ("lame", "ffmpeg", "sox", "flac")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing or not maker.is_file() or not soak.long:
        pytest.skip(f"needs `make soak`, {maker.name} and {', '.join(tools)}")
    subprocess.run([sys.executable, maker, tmp_path], check=True, capture_output=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShortFiles)
        clips = load_clips(tmp_path, warn=False)
    broken = set()
    for row, file in enumerate(clips.table["file"]):
        try:
            clips[row]
        except ValueError:
            broken.add(Path(file).name)
    assert broken <= {"corrupt_middle.flac", "half_vbr.mp3"}
    listed = clips.table["file"].nunique()
    assert listed > 150
    soak.count("Input", "odd files of other programs that were read", listed - len(broken))
