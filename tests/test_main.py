"""`latentfx`, or `python -m latentfx_nb`: what the commands write, and that an error is one sentence on stderr."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from latentfx_nb import __version__
from latentfx_nb.__main__ import COMMANDS, _parser, main
from latentfx_nb.encoders import list_encoders, load_encoder
from latentfx_nb.serving import server
from latentfx_nb.sound import clips as clips_module
from latentfx_nb.store import encode as latents
from latentfx_nb.store import pipeline
from latentfx_nb.store.encode import encode_effects, encode_sweep
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, noise, write_audio):
    """Two short recordings."""
    return write_audio(tmp_path_factory.mktemp("clips"), {f"{i}.wav": noise(40_000, seed=i) for i in range(2)})


@pytest.fixture
def encoded(monkeypatch):
    """Return the sizes of the batches that were encoded."""
    sizes = []
    original = pipeline.encode_inputs
    monkeypatch.setattr(latents, "batch_size", lambda *_: 64)
    monkeypatch.setattr(
        pipeline, "encode_inputs", lambda encoder, inputs: sizes.append(len(inputs)) or original(encoder, inputs)
    )
    return sizes


@pytest.fixture
def two_bundled(monkeypatch):
    """`warm` takes these for the bundled clips, so that no test waits for all 64."""
    clips = clips_module.load_clips("bundled")[:2]
    monkeypatch.setattr(clips_module, "load_clips", lambda source: clips)
    return clips


@pytest.fixture
def no_weights(monkeypatch, own_cache):
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache / "nothing"))


def answer(arguments, capsys):
    """Return exit status, stdout and stderr; stderr without its progress bars."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    lines = [line for line in re.split("[\r\n]", err) if line and not re.search(r"\[.*(clip/s|s/clip).*\]", line)]
    return status, out, "\n".join(lines)


# ------------------------------------------------------------------------------------------------------------- the rest


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


def test_it_runs_as_a_module_and_helps_with_examples():
    run = subprocess.run(
        [sys.executable, "-m", "latentfx_nb", "--help"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert run.returncode == 0
    assert run.stdout.startswith("usage: latentfx ")
    for command in ("serve", "encode", "verify", "warm", "encoders", "convert", "report"):
        assert re.search(rf"^ +{command} ", run.stdout, re.MULTILINE)
    for example in example_lines(run.stdout):
        _parser().parse_args(example)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_examples_that_are_taken(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    examples = example_lines(capsys.readouterr().out)
    assert examples or command == "encoders"
    for example in examples:
        assert example[0] == command
        _parser().parse_args(example)


def example_lines(text):
    """Return the arguments of each example of a help text."""
    lines = re.findall(r"^  latentfx(.*?)(?:   .*)?$", text.partition("examples:")[2], re.MULTILINE)
    return [line.split() for line in lines]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], {"open_browser": True}),
        (["serve"], {"port": server.PORT, "open_browser": False, "preheat": ()}),
        (["serve", "--port", "9000", "--open-browser"], {"port": 9000, "open_browser": True, "preheat": ()}),
    ],
)
def test_alone_it_serves_and_opens_the_browser(arguments, asked, monkeypatch):
    def serve(port=server.PORT, open_browser=False, notebooks=None, preheat=()):
        seen.append({"port": port, "open_browser": open_browser, "preheat": preheat})

    seen = []
    monkeypatch.setattr(server, "serve", serve)
    assert main(arguments) == 0
    assert seen[0].items() >= asked.items()


def test_the_console_script_is_this_command():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"latentfx": "latentfx_nb.__main__:main"}


def test_an_unknown_command_is_told_which_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["publish"])
    assert ended.value.code == 2
    assert "choose from" in (said := capsys.readouterr().err) and "encode" in said


def test_an_error_ends_the_process_with_status_1(tmp_path):
    command = [sys.executable, "-m", "latentfx_nb", "encode", str(tmp_path / "missing")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 1
    assert run.stdout == ""
    assert (
        run.stderr == f"latentfx_nb: {tmp_path / 'missing'} does not exist; give 'bundled' or a folder of audio files\n"
    )


def test_ctrl_c_says_that_what_was_finished_is_kept(folder, capsys, monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "encode_inputs", interrupted)
    assert answer(["encode", folder], capsys) == (130, "", "latentfx_nb: stopped; what was finished is kept")


def test_encoders_lists_every_encoder(capsys):
    status, out, err = answer(["encoders"], capsys)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(list_encoders().index)
    for column in ("dim", "frame_rate_hz", "licence", "present", "note"):
        assert column in lines[0]


# --------------------------------------------------------------------------------------------------------------- encode


def test_encode_says_where_the_store_is(folder, own_cache, capsys):
    status, out, err = answer(["encode", folder, "--effects", "CLN", "HPF"], capsys)
    assert (status, err) == (0, "")
    sizes, path = re.fullmatch(r"(.*?): (.*)\n", out).groups()
    assert sizes == "clip 2, effect 2, dim 64, frame 2048"
    assert Path(path).is_dir()
    assert Path(path).is_relative_to(own_cache)
    clips = clips_module.load_clips(folder)
    again = encode_effects(
        clips, load_encoder("diffae-mini"), ["CLN", "HPF"], path, bar=None
    )  # no bar: nothing is left to do
    assert np.isfinite(again.values).all()


def test_encode_again_computes_nothing(folder, encoded, capsys):
    first = answer(["encode", folder], capsys)
    assert encoded == [10, 10]
    assert answer(["encode", folder], capsys) == first
    assert encoded == [10, 10]


def test_encode_goes_on_where_it_stopped(folder, encoded, capsys, monkeypatch):
    counting, broken = pipeline.encode_inputs, []

    def breaks(encoder, inputs):
        if len(encoded) == 1 and not broken:
            broken.append(True)
            raise OSError("the machine went down")
        return counting(encoder, inputs)

    monkeypatch.setattr(pipeline, "encode_inputs", breaks)
    assert answer(["encode", folder], capsys) == (1, "", "latentfx_nb: the machine went down")
    assert encoded == [10]
    status, out, _ = answer(["encode", folder], capsys)
    assert status == 0
    assert "clip 2, effect 10" in out
    assert encoded == [10, 10]


def test_encode_along_a_knob_into_a_store_of_ones_own(folder, tmp_path, capsys):
    store = tmp_path / "mine" / "sweep.zarr"
    arguments = ["encode", folder, "--sweep", "RVB", "--knob", "damping", "-n", 3, "--store", store]
    assert answer(arguments, capsys) == (0, f"clip 2, value 3, dim 64, frame 2048: {store}\n", "")
    sweep = encode_sweep(
        clips_module.load_clips(folder), load_encoder("diffae-mini"), "RVB", 3, "damping", store, bar=None
    )
    assert list(sweep["value"].values) == [0.0, 0.5, 1.0]


def test_encode_a_share_for_a_job_array(folder, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    for share, clips in (("2/2", 1), ("1/2", 1), ("1/1", 2)):
        status, out, err = answer(["encode", folder, "--effects", "CLN", "--store", store, "--shard", share], capsys)
        assert (status, err) == (0, "") and out.startswith(f"clip {clips}, effect 1,")
    assert answer(["encode", folder, "--shard", "3/2"], capsys)[2].endswith("the first of 2 is 1/2, the last 2/2")
    with pytest.raises(SystemExit):
        main(["encode", str(folder), "--shard", "third"])
    assert "'third' is no share: write 3/16 for the third of sixteen" in capsys.readouterr().err


def test_encode_takes_one_file_and_a_cap(folder, tmp_path, noise, write_audio, capsys):
    status, out, _ = answer(["encode", folder / "1.wav", "--effects", "CLN"], capsys)
    assert (status, out[:20]) == (0, "clip 1, effect 1, di")
    long = write_audio(tmp_path, {"long.wav": noise(600_000)})
    for cap, clips in (([], 3), (["--per-recording", 2], 2)):
        status, out, _ = answer(["encode", long, "--effects", "CLN", *cap], capsys)
        assert (status, out[:6]) == (0, f"clip {clips}")


@pytest.fixture
def part_broken(tmp_path, noise, write_audio):
    """A folder of four files: one is no audio at all, one is when its header is read, and two are good."""
    folder = write_audio(tmp_path / "clips", {f"{i}.wav": noise(30_000, seed=i) for i in range(3)})
    spoiled = bytearray((folder / "1.wav").read_bytes())
    spoiled[-4:] = np.float32(np.nan).tobytes()
    (folder / "1.wav").write_bytes(spoiled)
    (folder / "note.wav").write_text("no audio")
    return folder


def test_a_folder_with_bad_files_is_encoded_to_its_end_and_the_status_says_so(part_broken, encoded, tmp_path, capsys):
    arguments = ["encode", part_broken, "--effects", "CLN", "--store", tmp_path / "s.zarr"]
    for _ in range(2):  # what is bad is tried again, and what is good is not encoded again
        status, out, err = answer(arguments, capsys)
        assert status == 3
        assert out == f"clip 2, effect 1, dim 64, frame 2048: {tmp_path / 's.zarr'}\n"
        listed, read = err.splitlines()
        assert listed.startswith(f"latentfx_nb: left out {part_broken / 'note.wav'}: ")
        assert read.startswith(f"latentfx_nb: left out {part_broken / '1.wav'} holds samples that are NaN")
        assert encoded == [1, 1]
    assert answer(["verify", tmp_path / "s.zarr"], capsys)[1].endswith("2 clips good, 0 bad, 1 unfinished\n")


def test_a_run_that_is_to_stop_at_a_bad_file_does(part_broken, tmp_path, capsys):
    arguments = ["encode", part_broken, "--effects", "CLN", "--on-error", "raise"]
    status, out, err = answer(arguments, capsys)
    assert (status, out) == (1, "")
    listed, read = err.splitlines()
    assert listed.startswith(f"latentfx_nb: left out {part_broken / 'note.wav'}: ")
    assert read.startswith(f"latentfx_nb: {part_broken / '1.wav'} holds samples that are NaN")


def test_a_folder_of_which_nothing_can_be_encoded_is_one_sentence(part_broken, capsys):
    for name in ("0.wav", "2.wav"):
        os.remove(part_broken / name)
    status, out, err = answer(["encode", part_broken, "--effects", "CLN"], capsys)
    assert (status, out) == (1, "")
    error = err.splitlines()[-1]
    assert re.fullmatch(r"latentfx_nb: none of 1 clips could be encoded: .*1\.wav holds samples that are NaN.*", error)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--encoder", "mel"], "no encoder is called 'mel'; known are diffae-mini, stacked-mini-2, "),
        (["--effects", "HPF", "XYZ"], "no effect is called 'XYZ'; choose one of CLN, CHS"),
        (["--sweep", "XYZ"], "no effect is called 'XYZ'"),
        (["--sweep", "TRV"], "TRV has no knob; effects with one: CHS, CMP"),
        (["--sweep", "HPF", "--knob", "drive_db"], "HPF has no knob 'drive_db'; it has cutoff_frequency_hz"),
        (["--sweep", "HPF", "-n", "1"], "a knob path needs at least 2 values, not 1"),
        (["--knob", "drive_db"], "--knob drive_db names what --sweep turns"),
        (["--sweep", "HPF", "--effects", "CLN"], "give one of the two"),
        (["--per-recording", "0"], "per_recording = 0 leaves no clip"),
        (["--encoder", "lyra-v2", "--device", "cuda"], "runs on the CPU only"),
    ],
)
def test_what_cannot_be_encoded_is_one_sentence(arguments, sentence, folder, own_cache, capsys):
    status, out, err = answer(["encode", folder, *arguments], capsys)
    assert (status, out) == (1, "")
    assert err.startswith("latentfx_nb: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (own_cache / "latents").exists()


def test_missing_weights_are_one_sentence(folder, no_weights, monkeypatch, capsys):
    def unreachable(*_arguments, **_options):
        raise OSError("there is no network")

    from latentfx_nb.encoders.registry import load_built_in

    monkeypatch.setattr("pooch.retrieve", unreachable)
    load_built_in.cache_clear()
    status, out, err = answer(["encode", folder, "--encoder", "lyra-v2"], capsys)
    assert (status, out) == (1, "")
    assert err.startswith("latentfx_nb: the weights of lyra")
    assert "set LATENTFX_WEIGHTS" in err


def test_another_data_set_in_the_store_is_left_as_it_is(folder, tmp_path, capsys):
    store = tmp_path / "store.zarr"
    assert answer(["encode", folder, "--effects", "CLN", "--store", store], capsys)[0] == 0
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    status, out, err = answer(["encode", folder, "--effects", "HPF", "--store", store], capsys)
    assert (status, out) == (1, "")
    assert "holds another data set (its effects differ)" in err
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


# ----------------------------------------------------------------------------------------------------------------- warm


def test_warm_prepares_the_default_encoder_once(two_bundled, no_weights, encoded, own_cache, capsys):
    status, out, err = answer(["warm"], capsys)
    assert (status, out, err) == (0, "diffae-mini: ready\n", "")
    assert encoded == [10, 10]
    stores = {path: path.stat().st_mtime_ns for path in (own_cache / "latents").rglob("c.*")}
    assert len(stores) == 2
    assert answer(["warm"], capsys)[1] == out
    assert encoded == [10, 10]
    assert {path: path.stat().st_mtime_ns for path in (own_cache / "latents").rglob("c.*")} == stores


def test_warm_takes_names(two_bundled, lyra_weights, encoded, capsys):
    assert answer(["warm", "lyra-v2"], capsys) == (0, "lyra-v2: ready\n", "")
    assert encoded == [10, 10]


def test_warm_of_an_unknown_encoder_is_one_sentence(capsys):
    status, out, err = answer(["warm", "mel"], capsys)
    assert (status, out) == (1, "")
    assert err.startswith("latentfx_nb: no encoder is called 'mel'; known are diffae-mini, stacked-mini-2, ")
