"""Broken files and extreme sounds on their way in: each gives a clip or one clear sentence, in bounds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentfx_nb.effects import render
from latentfx_nb.paper import CLIP_SAMPLES, TARGET_LUFS
from latentfx_nb.sound import audio, intake
from latentfx_nb.sound.clips import SkippedFiles, load_clips
from latentfx_nb.sound.uploads import Uploads
from latentfx_nb.widgets.sounds import encode_sounds
from tests.conftest import SOAK
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.soak

RATE = 48_000

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)

LOUD = 10 ** (96 / 20)
"""Full scale, clipped by 96 dB."""

MOST_S, MOST_MB = 5.0, 300
"""For one file: time and memory to load it and to read its clips. The time is the processor's."""


def shown(name):
    """Return a name as it is told: what is no UTF-8 of it is replaced."""
    return os.fsencode(name).decode(errors="replace")


def examples(few, many):
    """Return hypothesis's settings: the same examples each time in the short run, new ones in the long one."""
    return settings(
        max_examples=SOAK.rounds(few, many),
        derandomize=not SOAK.long,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def assert_one_sentence(said, name=None):
    """What is said is one line that names the file, and a remedy after it; nothing of Python's or of libsndfile's."""
    assert said.strip() and "\n" not in said, said
    assert name is None or name in said, said
    assert not any(word in said for word in ("Traceback", "object at 0x", "Errno", "System error", "Error opening")), (
        said
    )


# --------------------------------------------------------------------------------------------------------------- arrays

NOTES = {
    "noise": lambda generator, shape: generator.standard_normal(shape) * 0.1,
    "silence": lambda generator, shape: np.zeros(shape),
    "denormals": lambda generator, shape: generator.standard_normal(shape) * 1e-41,
    "clipped": lambda generator, shape: np.sign(generator.standard_normal(shape)) * LOUD,
    "impulse": lambda generator, shape: np.eye(*shape),
    "constant": lambda generator, shape: np.ones(shape),
    "huge": lambda generator, shape: generator.standard_normal(shape) * 1e37,
}


@st.composite
def sounds(draw):
    """Return a sound `[channel sample]`, float32, and its rate; some hold a sample that is no number."""
    channels, samples = draw(st.integers(1, 8)), draw(st.sampled_from([0, 1, 2, 3, 17, 480, 4_801, 30_000]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sound = NOTES[draw(st.sampled_from(list(NOTES)))](generator, (channels, samples)).astype(np.float32)
    if samples and draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, channels - 1)), draw(st.integers(0, samples - 1))
        sound[place] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 3e38]))
    return sound, draw(st.sampled_from(RATES))


def test_every_array_becomes_a_clip_or_a_sentence(tmp_path, soak):
    path = tmp_path / "sound.wav"

    @examples(120, 4000)
    @given(sounds())
    def check(given_sound):
        sound, rate = given_sound
        soak.count("Input", "arrays tried")
        soundfile.write(path, sound.T, rate, subtype="FLOAT")
        usable = bool(np.isfinite(sound).all() and np.abs(sound).max(initial=0) < 1e10)
        try:
            heard = audio.read(path, RATE)
        except ValueError as error:
            assert not usable
            assert_one_sentence(str(error), "sound.wav")
            soak.count("Input", "arrays refused with a sentence")
            return
        assert usable or not heard.size, "of one sample at 192 kHz nothing is left at 48 kHz, whatever it was"
        assert heard.dtype == np.float32 and heard.shape[0] == len(sound)
        assert abs(heard.shape[1] - audio.samples_at(sound.shape[1], rate, RATE)) <= 1
        assert np.isfinite(heard).all()
        if len(sound) > 2:
            with pytest.raises(ValueError, match="give mono or stereo"):
                audio.to_channels(heard, 2)
            return
        clip = audio.fit_length(audio.to_channels(heard, 2), CLIP_SAMPLES // 4)
        assert np.isfinite(audio.to_channels(clip, 1)).all()
        assert np.isfinite(audio.spectrogram_db(clip, RATE).values).all()
        measured, even = audio.loudness_lufs(clip, RATE), audio.normalise(clip, RATE)
        assert not np.isnan(measured) and np.isfinite(even).all()
        if measured > -np.inf:
            # A quiet clip may have blocks that the standard gates out, and does not where it is louder.
            assert audio.loudness_lufs(even, RATE) == pytest.approx(TARGET_LUFS, abs=0.1 if measured > -40 else 6)
        encoded = encode_sounds(clip, even, sample_rate=RATE)
        assert {len(soundfile.read(io.BytesIO(flac))[0]) for flac in encoded.values()} == {clip.shape[1]}

    check()


@pytest.mark.parametrize("label", ["CLN", "CMP", "DLY", "DIS", "RVB"])
@pytest.mark.parametrize("kind", ["silence", "denormals", "clipped", "impulse", "constant"])
def test_effects_of_extreme_clips_are_finite(label, kind, soak):
    clip = NOTES[kind](np.random.default_rng(0), (2, RATE // 2)).astype(np.float32)
    assert np.isfinite(render(clip, label)).all()
    soak.count("Input", "extreme clips through effects")


def test_loudness_at_every_rate_is_a_number(soak):
    @examples(60, 2000)
    @given(sounds())
    def check(given_sound):
        sound, rate = given_sound
        sound = sound[:2]
        if not sound.size or not np.isfinite(sound).all():
            with pytest.raises(ValueError, match="loudness needs at least one sample, all of them finite"):
                audio.loudness_lufs(sound, rate)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pyloudnorm's, of clipping
                assert not np.isnan(audio.loudness_lufs(sound, rate))
        soak.count("Input", "loudnesses measured")

    check()


# ------------------------------------------------------------------------------------------------------ a broken corpus


def flac_that_says(path, samples, rate=RATE):
    """Write 1 KB of FLAC whose header says so many samples: the 36 bits that end at byte 26 of the file."""
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((600, 1)), rate, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    assert content[:4] == b"fLaC" and int.from_bytes(content[22:26], "big") == 600
    content[21] = content[21] & 0xF0 | samples >> 32
    content[22:26] = (samples & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)


def wav_that_says(path, samples, rate=RATE, channels=1):
    """Write 1 KB of WAV whose header says so many samples, as far as its 32 bits go."""
    soundfile.write(path, np.zeros((500, channels), np.int16), rate)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = min(2 * channels * samples, 0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.fixture
def corpus(tmp_path):
    """A folder of broken files and strange ones that are fine; name -> whether a clip comes of it (None: either)."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal((30_000, 2))
    expected = {}

    def write(name, data=noise, rate=RATE, usable=True, **options):
        soundfile.write(folder / name, data, rate, **options)
        expected[name] = usable

    def keep(name, content, usable=False):
        (folder / name).write_bytes(content)
        expected[name] = usable

    for suffix in ("wav", "flac", "mp3", "ogg", "aiff"):
        write(f"good.{suffix}")
        whole = (folder / f"good.{suffix}").read_bytes()
        keep(f"cut in half.{suffix}", whole[: len(whole) // 2], usable=None)
        keep(f"cut in its header.{suffix}", whole[:20])
        keep(f"no bytes.{suffix}", b"")
        keep(f"text.{suffix}", b"this is no sound at all\n" * 100)
        keep(f"zeros.{suffix}", bytes(5000), usable=None)
        keep(f"garbage.{suffix}", np.random.default_rng(1).bytes(5000), usable=None)
    keep("FLAC in truth.wav", (folder / "good.flac").read_bytes(), usable=True)  # libsndfile looks at the content
    keep("a picture.wav", b"\x89PNG\r\n\x1a\n" + bytes(200))
    for name, value in (("NaN", np.nan), ("inf", np.inf), ("minus inf", -np.inf)):
        write(
            f"{name}.wav", np.where(np.arange(500)[:, None] == 250, value, noise[:500]), usable=False, subtype="FLOAT"
        )
    write("denormals.wav", noise * 1e-40, subtype="FLOAT")
    write("clipped by 96 dB.wav", np.sign(noise) * LOUD, subtype="FLOAT")
    write("3e38.wav", np.sign(noise) * 3e38, usable=False, subtype="FLOAT")
    write("one sample.wav", noise[:1])
    write("no samples.wav", noise[:0], usable=False)
    write("192 kHz, 8 channels.wav", np.tile(noise, 4), 192_000, usable=False)
    write("192 kHz.wav", noise, 192_000)
    write("1 Hz.wav", noise, 1, usable=False)
    write("2 GHz.wav", noise, 2_000_000_000, usable=False)
    for name in ("Übung – 録音 🎸.wav", "<img src=x onerror=alert(1)>.wav", "a'b\"c;d&e.wav", " .wav", "-rf.wav"):
        write(name)
    flac_that_says(folder / "24 h on 1 KB.flac", 24 * 3600 * RATE)
    flac_that_says(folder / "all bits.flac", 2**36 - 1, 1_000)
    wav_that_says(folder / "24 h on 1 KB.wav", 24 * 3600 * RATE)
    wav_that_says(folder / "6 channels, 24 h.wav", 24 * 3600 * RATE, channels=6)
    expected |= {"24 h on 1 KB.flac": False, "all bits.flac": False, "24 h on 1 KB.wav": True}  # WAV: what is there
    expected["6 channels, 24 h.wav"] = False
    if os.name == "posix":
        (folder / "loop a.wav").symlink_to("loop b.wav")
        (folder / "loop b.wav").symlink_to("loop a.wav")
        (folder / "nowhere.wav").symlink_to("not there.wav")
        (folder / "around").symlink_to(".")
        os.mkfifo(folder / "pipe.wav")
        expected |= dict.fromkeys(("loop a.wav", "loop b.wav", "nowhere.wav", "pipe.wav"), False)
        with contextlib.suppress(OSError):  # macOS takes no such name
            Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.wav")).write_bytes((folder / "good.wav").read_bytes())
            expected[os.fsdecode(b"\xff\xfe.wav")] = False
    (folder / "a folder.wav").mkdir()
    return folder, expected


def bounded(soak, name, job):
    """Return what `job` gives, or the ValueError that it raises, once it kept to the bounds of time and memory."""
    tracemalloc.start()
    begun = sum(os.times()[:4])  # of this process and of its children
    try:
        result = job()
    except (ValueError, FileNotFoundError) as error:
        result = error
    finally:
        taken, peak = sum(os.times()[:4]) - begun, tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
    assert taken < MOST_S, f"{name} took {taken:.1f} s"
    assert peak < MOST_MB, f"{name} took {peak:.0f} MB"
    soak.highest("Input", "seconds for a broken file", taken)
    soak.highest("Input", "peak memory for a broken file, MB", peak)
    return result


def read_all(source):
    clips = load_clips(source)
    return [np.isfinite(clip).all() and clip.shape == (2, CLIP_SAMPLES) for clip in clips]


def test_each_broken_file_gives_clips_or_one_sentence(corpus, soak):
    folder, expected = corpus
    for name, usable in expected.items():
        found = bounded(soak, name, lambda name=name: read_all(folder / name))
        soak.count("Input", "broken and strange files loaded one by one")
        if isinstance(found, Exception):
            assert usable is not True, f"{name}: {found}"
            assert_one_sentence(str(found), shown(name))
        else:
            assert usable is not False and found and all(found), name


def test_the_good_files_of_a_folder_of_broken_ones_are_read(corpus, soak):
    folder, expected = corpus
    with pytest.warns(SkippedFiles, match="files cannot be used"):
        clips = bounded(soak, "the folder", lambda: load_clips(folder))
    taken = {Path(file).name for file in clips.table["file"]}
    skipped = {Path(file).name for file in clips.skipped}
    assert taken | skipped == set(map(shown, expected)) and not taken & skipped
    assert {name for name, usable in expected.items() if usable} <= taken
    for reason in clips.skipped.values():
        assert_one_sentence(reason)
        assert str(folder) not in reason
    for row, file in enumerate(clips.table["file"]):
        read = bounded(soak, file, lambda row=row: clips[row])
        if isinstance(read, ValueError):
            assert expected[Path(file).name] is not True, f"{file}: {read}"
            assert_one_sentence(str(read), Path(file).name)
        else:
            assert read.shape == (2, CLIP_SAMPLES) and np.isfinite(read).all()


def test_the_child_judges_the_corpus_and_stays_small(corpus, soak):
    folder, expected = corpus
    names = [name for name in expected if shown(name) == name]  # a file that is handed in has a name of the kernel's
    script = (
        f"import runpy, sys; space = runpy.run_path({intake.__file__!r})\n"
        "peak = lambda: next((int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmHWM')), 0)\n"
        "def judge(path):\n"
        "    try:\n"
        "        return space['describe'](path) + f'|{peak()}'\n"
        "    except space['Unusable'] as error:\n"
        "        raise space['Unusable'](f'{error}|{peak()}')\n"
        "space['main'](sys.stdin, sys.stdout, judge)\n"
    )
    command = [sys.executable, "-P", "-c", script] if sys.platform == "linux" else intake.child_command()
    begun = time.perf_counter()
    verdicts = intake.inspect([folder / name for name in names], command)
    soak.highest("Input", "seconds of the decoding child for the whole corpus", time.perf_counter() - begun)
    peaks = []
    for name, (usable, words) in zip(names, verdicts, strict=True):
        words, _, peak = words.partition("|")
        peaks.append(int(peak or 0) / 1e3)
        assert_one_sentence(words)
        assert expected[name] is None or usable == expected[name], f"{name}: {words}"
    assert max(peaks) < 200, f"{max(peaks):.0f} MB"
    soak.highest("Input", "peak memory of the decoding child, MB", max(peaks))


def test_what_of_the_corpus_is_handed_in_is_kept_or_named(corpus, soak):
    folder, expected = corpus
    names = [name for name in expected if (folder / name).is_file() and shown(name) == name][:45]
    mine = Uploads()
    kept, refused = mine.add_all([(name, (folder / name).read_bytes()) for name in names])
    assert len(kept) + len(refused) == len(names) and len(mine.files) == len(kept)
    for sentence in refused:
        assert_one_sentence(sentence)
        assert str(mine._paths()[0].parent) not in sentence
    clips = mine.clips()
    assert not clips.skipped, "what the child let pass was found broken here"
    assert all(np.isfinite(clip).all() for clip in clips)
    soak.count("Input", "broken and strange files handed in", len(names))


@pytest.mark.skipif(os.name != "posix", reason="permissions are another matter on Windows")
def test_a_file_that_may_not_be_read_is_named(tmp_path_factory, noise, write_audio):
    """As root one may read everything, so root becomes nobody for this."""
    folder = write_audio(tmp_path_factory.mktemp("shown"), {"good.wav": noise(), "closed.wav": noise()})
    root = os.geteuid() == 0
    above = [one for one in folder.parents if root and one.stat().st_mode & 0o011 != 0o011]
    modes = [one.stat().st_mode for one in above]
    for one, mode in zip(above, modes):
        one.chmod(mode | 0o011)  # nobody keeps the group
    folder.chmod(0o755)
    (folder / "good.wav").chmod(0o644)
    (folder / "closed.wav").chmod(0)
    try:
        if root:
            os.seteuid(65_534)
        with pytest.warns(SkippedFiles, match=r"closed\.wav \("):
            clips = load_clips(folder)
        with pytest.raises(ValueError, match=r"closed\.wav.*may not be read: see to its permissions"):
            audio.read(folder / "closed.wav", RATE)
    finally:
        if root:
            os.seteuid(0)
        for one, mode in zip(above, modes):
            one.chmod(mode)
    assert clips.table["clip"].tolist() == ["good"]
    assert "may not be read" in next(iter(clips.skipped.values()))


def test_a_pipe_and_a_device_are_refused(tmp_path):
    """At once: neither ever ends."""
    if os.name != "posix":
        pytest.skip("Windows has neither among its files")
    os.mkfifo(tmp_path / "a.wav")
    for path in (tmp_path / "a.wav", Path("/dev/zero"), tmp_path):
        with pytest.raises(ValueError, match=r"cannot be read as audio \(it is a (link|folder)"):
            audio.read(path, RATE)
    with pytest.raises(ValueError, match="holds no audio|cannot be used"):
        load_clips(tmp_path)


# ---------------------------------------------------------------------------------------------------- files with faults

# Loads a folder and reads all of it, in a process of its own: a decoder that crashes is seen as that.
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
from latentfx_nb.sound.clips import load_clips
clips = load_clips(sys.argv[1])
said = list(clips.skipped.values())
for row in range(len(clips)):
    try:
        clips[row]
    except ValueError as error:
        said.append(str(error))
json.dump([len(clips), said], sys.stdout)
"""


def mutated(content, generator):
    """Return a file with some bytes changed, left out or put in: mostly near its beginning, where headers are."""
    content = bytearray(content)
    for _ in range(generator.integers(1, 9)):
        at = int(len(content) ** generator.random())
        kind = generator.integers(4)
        if kind == 0:
            content[at : at + 1] = generator.bytes(1)
        elif kind == 1:
            content[at : at + 4] = bytes([255] * 4)
        elif kind == 2:
            del content[at : at + int(generator.integers(1, 50))]
        else:
            content[at:at] = generator.bytes(int(generator.integers(1, 50)))
    return bytes(content)


def test_files_with_changed_bytes_give_clips_or_sentences(tmp_path, soak):
    generator = np.random.default_rng(0 if not soak.long else None)
    sound = 0.1 * np.random.default_rng(0).standard_normal((12_000, 2))
    for _ in range(soak.rounds(1, 40)):
        folder = tmp_path / f"{generator.integers(2**40)}"
        folder.mkdir()
        soundfile.write(folder / "good.wav", sound, RATE)
        paths = []
        for suffix in ("wav", "flac", "mp3", "ogg", "aiff"):
            soundfile.write(tmp_path / f"whole.{suffix}", sound, RATE)
            whole = (tmp_path / f"whole.{suffix}").read_bytes()
            for number in range(40):
                paths.append(folder / f"{number}.{suffix}")
                paths[-1].write_bytes(mutated(whole, generator))
        verdicts = intake.inspect(paths)
        for _, words in verdicts:
            assert_one_sentence(words)
        done = subprocess.run(
            [sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr[-2000:]
        count, said = json.loads(done.stdout)
        assert count >= 1, "not even the good file was read"
        for sentence in said:
            assert_one_sentence(sentence)
        soak.count("Input", "files with changed bytes", len(paths))
        soak.count("Input", "of them refused by the child with a sentence", sum(not usable for usable, _ in verdicts))
        # What the child lets pass is what this process then reads, so it must be readable here, too.
        for path, (usable, _) in zip(paths, verdicts, strict=True):
            if usable:
                assert np.isfinite(audio.read(path, RATE)).all()
