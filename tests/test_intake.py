"""Broken and hostile audio files: what is said of them, and that all they bring down is a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from latentfx_nb.sound import intake
from latentfx_nb.sound.form import Unusable
from latentfx_nb.sound.intake import describe, inspect
from latentfx_nb.sound.readers import AudioFile

posix = pytest.mark.skipif(os.name != "posix", reason="Windows knows no such limits and signals")

FAULTS = {
    "spin": "while True: pass",
    "spin in C": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "sleep": "import time; time.sleep(600)",
    "memory": "bytearray(2**40)",
    "memory bit by bit": "kept = [bytearray(2**22) for _ in range(2**20)]",
    "arrays": "import numpy; numpy.ones(2**31)",
    "abort": "import os; os.abort()",
    "bad address": "import ctypes; ctypes.string_at(0)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "exit": "import os; os._exit(0)",
    "noise": "import sys; sys.stdout.write('[true, nonsense]x\\n' * 1000); sys.exit(3)",
}
"""What a decoder may do to its process; each file that is called so has the child's do it."""

HANGING = {"spin", "spin in C", "sleep"}
"""What never ends, however fast the machine is: it gets one second. All else gets a minute, however slow it is."""

SAID = {
    "spin": "more than 1 s", "spin in C": "more than 1 s", "sleep": "more than 1 s", "memory": "too much memory",
    "memory bit by bit": "too much memory", "arrays": "too much memory", "abort": "decoder down",
    "bad address": "decoder down", "killed": "too much memory", "exit": "decoder down", "noise": "decoder down",
}  # fmt: skip


def limit_s(path):
    return 1 if os.path.basename(path) in HANGING else 60


def child():
    """Return the command of a child whose decoder does what FAULTS says of a file's name, instead of decoding it."""
    script = (
        "import importlib.util, os, sys\n"
        f"spec = importlib.util.spec_from_file_location('intake', {intake.__file__!r})\n"
        "intake = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(intake)\n"
        f"hanging, faults = {HANGING!r}, {FAULTS!r}\n"
        "intake._limit_s = lambda path: 1 if os.path.basename(path) in hanging else 60\n"
        "def judge(path):\n"
        "    exec(faults.get(os.path.basename(path), ''), {})\n"
        "    return 'fine'\n"
        "intake.main(sys.stdin, sys.stdout, judge)\n"
    )
    return [sys.executable, "-P", "-c", script]


def test_a_good_file_is_described(tmp_path, tone, write_audio):
    write_audio(tmp_path, {"a.wav": tone(), "b.flac": tone(samples=72_000, channels=1)})
    paths = [tmp_path / "a.wav", tmp_path / "b.flac"]
    expected = ["1.0 s, 48000 Hz, stereo", "1.5 s, 48000 Hz, mono"]
    assert [describe(path) for path in paths] == expected
    assert inspect(paths) == [(True, words) for words in expected]
    assert inspect([]) == []


@pytest.mark.parametrize("rate", [999, 768_001])
def test_rates_that_no_recording_has_are_refused(tmp_path, tone, write_audio, rate):
    write_audio(tmp_path, {"a.wav": tone(samples=100)}, rate)
    with pytest.raises(Unusable, match=f"its header says {rate} Hz, and rates of 1000 to 768000 Hz are read: resample"):
        AudioFile(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [1_000, 192_000, 768_000])
def test_rates_that_recordings_have_are_read(tmp_path, tone, write_audio, rate):
    write_audio(tmp_path, {"a.wav": tone(samples=100)}, rate)
    with AudioFile(tmp_path / "a.wav") as file:
        assert (file.samplerate, file.frames) == (rate, 100)


def test_the_longest_silence_is_no_lie(tmp_path):
    """FLAC holds more samples a byte than any other format, where all of them are equal."""
    soundfile.write(tmp_path / "a.flac", np.zeros(20_000_000, np.int16), 48_000)
    with AudioFile(tmp_path / "a.flac") as file:
        assert file.frames > 300 * (tmp_path / "a.flac").stat().st_size


def test_the_child_imports_nothing_heavy(tmp_path, tone, write_audio):
    path = write_audio(tmp_path, {"a.wav": tone()}) / "a.wav"
    command = intake.child_command()
    done = subprocess.run(
        [command[0], "-X", "importtime", *command[1:]], input=f'["{path}"]', capture_output=True, text=True, check=True
    )
    assert done.stdout == '[true, "1.0 s, 48000 Hz, stereo"]\n'
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    own = {name.removeprefix("latentfx_nb.sound.") for name in imported if name.startswith("latentfx_nb")}
    assert own == {
        "latentfx_nb",
        "latentfx_nb.sound",
        "latentfx_nb.cache",
        "intake",
        "readers",
        "form",
        "ffmpeg",
        "mpeg",
    }
    libraries = {name.partition(".")[0] for name in imported}
    assert {"numpy", "soundfile"} <= libraries
    assert not libraries & {"torch", "umap", "plotly", "pandas", "xarray", "scipy", "soxr", "ipywidgets", "av"}


@posix
@pytest.mark.soak
def test_whatever_a_decoder_does_the_other_files_are_judged(monkeypatch, soak):
    monkeypatch.setattr(intake, "_limit_s", limit_s)
    for _ in range(soak.rounds(1, 10)):
        names = [name for fault in FAULTS for name in (f"good {fault}", fault)]
        begun = time.perf_counter()
        verdicts = dict(zip(names, inspect([f"/{name}" for name in names], child()), strict=True))
        taken = time.perf_counter() - begun
        for fault, said in SAID.items():
            assert verdicts[f"good {fault}"] == (True, "fine")
            usable, words = verdicts[fault]
            assert not usable and said in words and ": " in words, (fault, words)
        soak.count("Input", "decoders that hung, crashed or took all memory", len(FAULTS))
        soak.highest("Input", "seconds that a batch of such files took", taken)


@posix
def test_a_child_that_does_not_even_watch_itself_is_ended(monkeypatch):
    monkeypatch.setattr(intake, "_limit_s", lambda _: 1)
    monkeypatch.setattr(intake, "STARTING_S", 1)
    ((usable, words),) = inspect(["/a.wav"], [sys.executable, "-c", "import time; time.sleep(10**6)"])
    assert not usable and words.startswith("takes more than 1 s to decode")


def test_the_time_limit_is_for_each_file_not_for_all():
    """The watch is set anew before each, for what each may take."""
    script = (
        "import sys; from latentfx_nb.sound import intake; limits = []\n"
        "intake._limit_s, intake._limit_time = {'/a': 3, '/b': 4}.get, limits.append\n"
        "intake.main(sys.stdin, sys.stdout, lambda path: limits)"
    )
    assert inspect(["/a", "/b"], [sys.executable, "-P", "-c", script]) == [(True, [3]), (True, [3, 4])]


def test_a_large_file_may_take_longer(tmp_path):
    path = tmp_path / "a.m4a"
    path.touch()
    assert intake._limit_s(str(path)) == intake._limit_s("/not/there") == intake.DECODING_S
    os.truncate(path, 100 * 2**20)
    assert intake._limit_s(str(path)) == intake.DECODING_S + 100


@posix
def test_a_child_cannot_have_more_memory_than_its_limit():
    script = (
        f"import runpy; space = runpy.run_path({intake.__file__!r})\n"
        "space['limit_memory'](2**29)\n"
        "import resource; raise SystemExit(resource.getrlimit(resource.RLIMIT_AS)[0] != 2**29)"
    )
    if sys.platform != "linux":
        pytest.skip("macOS does not keep such a limit")
    assert subprocess.run([sys.executable, "-P", "-c", script]).returncode == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.1e10, -1.1e10])
def test_samples_are_usable_or_not(bad):
    assert intake.is_usable(np.array([0.0, 63_096.0, -1e10, 1e-42], np.float32))
    assert intake.is_usable(np.empty((2, 0), np.float32))
    assert not intake.is_usable(np.array([0.0, bad], np.float32))
