"""`latentfx_nb.report`: what a result depends on is in it, what nobody should pass on is not."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from latentfx_nb import __version__, paper, report
from latentfx_nb.__main__ import main
from latentfx_nb.analysis.shipped import POINTS
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.analysis.umap import fit_umap
from latentfx_nb.effects import EFFECTS, Setting, rendering, settings_hash
from latentfx_nb.encoders import DEFAULT_ENCODERS, list_encoders, load_encoder, weights_hash
from latentfx_nb.encoders.sources.weights import files_hash
from latentfx_nb.report import SETTINGS, report_text, run_report
from latentfx_nb.serving.server import PROCESS_SETTINGS
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store.encode import encode_effects

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.fixture
def found(monkeypatch, own_cache):
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(own_cache / "nothing"))
    return run_report()


def test_it_goes_through_json(found):
    assert json.loads(json.dumps(found)).keys() == found.keys()
    sections = ["made", "package", "system", "versions", "settings", "encoders", "clips", "effects", "parameters"]
    assert list(found) == [*sections, "points", "stores"]


def test_versions_are_those_installed_of_all_that_the_package_names(found):
    assert found["package"]["version"] == __version__
    for name in ("numpy", "torch", "pedalboard", "pyloudnorm", "umap-learn", "scikit-learn", "zarr"):
        assert found["versions"][name] == importlib.metadata.version(name)
    assert set(found["system"]) >= {"python", "platform", "machine", "cores", "memory_gb", "device", "threads", "gpus"}
    assert found["system"]["threads"] >= 1


def test_instructions_are_those_that_the_libraries_use(found, monkeypatch):
    """A process told to use others says so: what it computes has other last bits."""
    here = found["system"]["instructions"]
    assert all(here[name] for name in ("numpy", "blas", "torch"))
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    command = [sys.executable, "-c", "from latentfx_nb import report; print(report._instructions()['torch'])"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "DEFAULT"


def test_the_commit_is_the_checkouts(found, monkeypatch, tmp_path):
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        assert found["package"]["commit"] == subprocess.run(command, capture_output=True, text=True).stdout.strip()
        assert isinstance(found["package"]["changed"], bool)
    monkeypatch.setattr(report, "CHECKOUT", tmp_path)
    assert report._package() == {"version": __version__}
    (tmp_path / ".git").touch()  # which git takes for no repository
    assert report._package() == {"version": __version__}


def test_hashes_are_those_that_results_are_keyed_by(found):
    assert found["effects"]["table_1"] == settings_hash([Setting(label) for label in EFFECTS])
    values = EFFECTS["HPF"].knobs[0].values(paper.KNOB_VALUES).tolist()
    sweep = settings_hash([Setting("HPF", value, "cutoff_frequency_hz") for value in values])
    assert found["effects"]["HPF cutoff_frequency_hz"] == sweep
    clips = load_clips("bundled")
    assert list(found["clips"]["each"].values()) == list(clips.hashes())
    for name in ("diffae-mini", "stacked-mini-1", "logmel"):
        assert found["encoders"][name] == weights_hash(name)
    assert found["points"].keys() == {"renders", "descriptors", "who-names", *DEFAULT_ENCODERS}


def test_a_shipped_file_that_changed_shows(found, tmp_path, monkeypatch):
    shutil.copytree(POINTS, tmp_path / "points")
    monkeypatch.setattr(report, "POINTS", tmp_path / "points")
    assert run_report()["points"] == found["points"]
    with open(tmp_path / "points/logmel/settings/HPF.nc", "ab") as file:
        file.write(b"0")
    assert {name for name, digest in run_report()["points"].items() if digest != found["points"][name]} == {"logmel"}


def test_other_settings_show(found, monkeypatch):
    monkeypatch.setattr(rendering, "version", lambda name: "0.0")
    assert run_report()["effects"]["table_1"] != found["effects"]["table_1"]


def test_only_encoders_that_are_ready_are_hashed(found, own_cache, tiny_folder, monkeypatch):
    ready = list_encoders()["present"]
    assert found["encoders"].keys() == set(ready.index[ready])
    assert "diffae" not in found["encoders"] and "encodec-24k" not in found["encoders"]
    folder = own_cache / "models"
    folder.mkdir()
    for name in ("diffae", "encodec-24k"):
        (folder / name).symlink_to(tiny_folder(name))
    monkeypatch.setenv("LATENTFX_WEIGHTS", str(folder))
    hashes = run_report()["encoders"]
    assert hashes["diffae"] == files_hash([folder / "diffae" / "encoder.safetensors"])
    assert hashes["encodec-24k"] == load_encoder("encodec-24k", "cpu").weights_hash


def test_parameters_are_the_defaults(found):
    told = found["parameters"]
    assert told["probes"] == vars(ProbeConfig())
    assert told["umap"]["seed"] == fit_umap.__defaults__[1] and told["umap"]["n_neighbors"] == 15
    assert told["choice of clips"]["seed"] == paper.CHOICE_SEED


def test_stores_are_named_with_what_they_hold(own_cache):
    assert run_report()["stores"] == []
    encode_effects(load_clips("bundled")[:1], load_encoder("logmel"), ["CLN", "TRV"])
    (own_cache / "latents" / "torn.zarr").mkdir()
    (store, torn) = run_report()["stores"]
    assert store["shape"][:2] == [1, 2] and store["effects"] == settings_hash([Setting("CLN"), Setting("TRV")])
    assert re.fullmatch("[0-9a-f]{64}", store["clips"]) and re.fullmatch("[0-9a-f]{64}", store["encoder"])
    assert torn == {"store": "torn.zarr", "unreadable": True}


def test_nothing_of_the_environment_but_what_is_listed(monkeypatch):
    """A token in a variable must not travel with a report, nor must the name of the user."""
    monkeypatch.setenv("HF_TOKEN", "token-that-is-secret")
    monkeypatch.setenv("LATENTFX_SECRET", "another-secret")
    monkeypatch.setenv("LATENTFX_CLIPS", str(Path.home() / "recordings"))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    found = run_report()
    text = json.dumps(found)
    assert "secret" not in text
    assert found["settings"].keys() <= set(SETTINGS)
    assert found["settings"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert found["settings"]["LATENTFX_CLIPS"] == str(Path("~") / "recordings")
    assert not [name for name in SETTINGS if re.search("TOKEN|KEY|SECRET|PASSWORD", name)]


def test_the_list_has_the_process_settings():
    assert set(report.PROCESS_SETTINGS) == set(PROCESS_SETTINGS)


def test_the_text_has_all_sections_and_short_hashes(found):
    text = report_text(found)
    for section in found:
        assert re.search(rf"^{section}:", text, re.MULTILINE)
    assert not re.search("[0-9a-f]{64}", text)
    assert found["effects"]["table_1"][:12] in text and "n_neighbors 15" in text


def test_the_command_writes_both(tmp_path, capsys, own_cache):
    out = tmp_path / "run.json"
    assert main(["report", "--out", str(out)]) == 0
    written = json.loads(out.read_text(encoding="utf-8"))
    assert report_text(written) == capsys.readouterr().out.rstrip("\n")
    assert main(["report", "--out", str(tmp_path / "file.json" / "x")]) == 0
    (tmp_path / "plain").touch()
    assert main(["report", "--out", str(tmp_path / "plain" / "x.json")]) == 1
    assert "latentfx_nb:" in capsys.readouterr().err
