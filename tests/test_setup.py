"""The set-up: pins, ranges and environments agree; the scripts say what they cannot do; Binder's recipe is used."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import latentfx_nb
from latentfx_nb.serving.server import PROCESS_SETTINGS
from tests.speed import PATIENCE_S

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
SCRIPTS = [".ci/run", "binder/postBuild", "binder/start", "tools/find_chromium.sh", "tools/make_venv.sh"]

needs_make = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="there is no make on this machine"
)
needs_bash = pytest.mark.skipif(os.name != "posix", reason="the scripts are for POSIX systems")


def pinned_versions() -> dict[str, str]:
    """The pins that hold on this system, by canonical name."""
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in PINS
        if pin.marker is None or pin.marker.evaluate()
    }


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("bash"), ROOT / name, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


# Pins and ranges


def test_constraints_are_exact_and_sorted():
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert names == sorted(names)
    for pin in PINS:
        assert re.fullmatch(r"==[\w.!]+", str(pin.specifier)), f"{pin} is no exact pin without a build label"
    assert pinned_versions()["torch"] == "2.13.0"


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_range_admits_its_pin(extra):
    pins = pinned_versions()
    for line in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            assert pins[canonicalize_name(wanted.name)] in wanted.specifier, line


def test_everything_needed_is_pinned():
    pins = pinned_versions()
    waiting = [Requirement(line) for part in (PROJECT["dependencies"], *EXTRAS.values()) for line in part]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        key = (name, frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            needs = importlib.metadata.distribution(name).requires or []
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        assert name in pins, f"{name} is needed, and constraints.txt does not pin it"
        for need in map(Requirement, needs):
            extras = wanted.extras or {""}
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(need)


def test_the_citation_and_the_project_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert latentfx_nb.__version__ == PROJECT["version"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


# The two conda environments


def environment_of(path: str) -> tuple[dict, list[str], list[str]]:
    environment = yaml.safe_load((ROOT / path).read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = [line for entry in environment["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
    return environment, conda, pip


def test_the_two_environments_agree():
    root, root_conda, root_pip = environment_of("environment.yml")
    binder, binder_conda, binder_pip = environment_of("binder/environment.yml")
    assert root["name"] == binder["name"]
    assert root["channels"] == binder["channels"]
    assert root_conda == binder_conda
    # Binder copies this file alone before it solves it, so a path to constraints.txt would not hold there.
    assert not binder_pip
    constraints, package = root_pip
    assert constraints == "-c constraints.txt"
    extras = package.removeprefix("-e ")
    assert f"pip install --no-cache-dir -c constraints.txt -e '{extras}'" in (ROOT / "binder/postBuild").read_text()


def test_the_environments_hold_the_constraints_torch_and_an_allowed_python():
    _, conda, _ = environment_of("environment.yml")
    versions = dict(entry.split("=") for entry in conda if "=" in entry)
    assert versions["pytorch-cpu"] == pinned_versions()["torch"]
    assert Version(versions["python"]) in Requirement(f"x{PROJECT['requires-python']}").specifier


def test_the_process_settings_are_the_same_everywhere():
    environment, _, _ = environment_of("environment.yml")
    assert environment["variables"] == PROCESS_SETTINGS
    assert set(PROCESS_SETTINGS) >= {"OMP_WAIT_POLICY", "GLIBC_TUNABLES", "NUMBA_THREADING_LAYER"}


@needs_bash
def test_binder_starts_its_command_with_the_process_settings(tmp_path):
    shown = subprocess.run(
        [
            ROOT / "binder/start",
            sys.executable,
            "-c",
            "import json, os, sys; print(json.dumps([sys.argv, {**os.environ}]))",
            "a b",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        check=True,
    ).stdout
    arguments, variables = json.loads(shown)
    assert arguments[1:] == ["a b"]
    assert variables.items() >= PROCESS_SETTINGS.items()


@pytest.mark.ci
@needs_bash
def test_repo2docker_uses_the_binder_folder(tmp_path):
    pytest.importorskip("repo2docker")
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    for name in ("environment.yml", "constraints.txt", "pyproject.toml", "voila.json"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Building conda environment for python=3.11" in said
    assert re.search(r'env update -p \S+ --file "binder/environment.yml"', said)
    assert "RUN ./binder/postBuild" in said
    assert 'R2D_ENTRYPOINT "${REPO_DIR}/binder/start"' in said or 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in said


# Voila


def test_voila_culls_and_leaves_preheating_to_the_command_line():
    config = json.loads((ROOT / "voila.json").read_text())
    assert config["VoilaConfiguration"]["template"] == "lab"
    assert config["VoilaConfiguration"]["strip_sources"] is True
    assert "preheat_kernel" not in config["VoilaConfiguration"]
    # Voila never sets the cookie that it asks a closing page for, so that the page's kernel would stay.
    assert config["Voila"]["tornado_settings"]["disable_check_xsrf"] is True
    assert config["MappingKernelManager"]["cull_idle_timeout"] > 0


# The scripts


@needs_bash
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_strict_bash(name):
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in path.read_text()
    subprocess.run(["bash", "-n", path], check=True)


@pytest.fixture
def bare_path(tmp_path) -> Path:
    """A folder for PATH that holds what the scripts need and neither Python nor a browser nor a package manager."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "head", "id", "sh"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


@needs_bash
def test_an_old_python_is_refused_with_a_remedy(tmp_path, bare_path):
    executable(bare_path / "python3", "#!/bin/sh\ncase $1 in --version) echo Python 3.9.2;; *) exit 1;; esac\n")
    done = run_script("tools/make_venv.sh", str(tmp_path / "venv"), PATH=str(bare_path))
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (tmp_path / "venv").exists()


@needs_bash
def test_a_python_without_ensurepip_is_refused_with_a_remedy(tmp_path, bare_path):
    lacking = """#!/bin/sh
case "$2" in
*ensurepip*) exit 1 ;;
*print*) echo 3.12 ;;
esac
"""
    executable(bare_path / "python3", lacking)
    done = run_script("tools/make_venv.sh", str(tmp_path / "venv"), PATH=str(bare_path))
    assert done.returncode == 1
    assert "sudo apt-get install python3.12-venv" in done.stderr


@needs_bash
def test_a_newer_python_is_found_where_python3_is_old(tmp_path, bare_path):
    executable(bare_path / "python3", "#!/bin/sh\nexit 1\n")
    (bare_path / "python3.12").symlink_to(sys.executable)
    done = run_script("tools/make_venv.sh", str(tmp_path / "venv"), PATH=str(bare_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv/bin/python").exists()


@needs_bash
@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have a browser in its applications folder")
def test_no_chromium_and_no_way_to_one_is_said_clearly(bare_path):
    done = run_script("tools/find_chromium.sh", PATH=str(bare_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "none could be installed" in done.stderr
    assert "SKIP_BROWSER=1" in done.stderr


@needs_bash
def test_a_stub_is_no_chromium_and_a_working_one_is_found(bare_path):
    executable(bare_path / "chromium", "#!/bin/sh\nexit 1\n")
    found = executable(bare_path / "chromium-browser", "#!/bin/sh\necho Chromium 1\n")
    done = run_script("tools/find_chromium.sh", PATH=str(bare_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(found)


@needs_bash
def test_a_missing_chromium_is_installed_with_the_package_manager(bare_path):
    if os.getuid() != 0:
        executable(bare_path / "sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    install = f"""#!/bin/sh
case "$*" in
*install*chromium*) printf '#!/bin/sh\\n' > "{bare_path}/chromium"; {shutil.which("chmod")} +x "{bare_path}/chromium" ;;
esac
echo "apt-get $*"
"""
    executable(bare_path / "apt-get", install)
    (bare_path / "true").symlink_to(shutil.which("true"))
    done = run_script("tools/find_chromium.sh", PATH=str(bare_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(bare_path / "chromium")
    assert "apt-get update" in done.stderr


@needs_bash
def test_a_named_chromium_that_does_not_start_is_refused(bare_path):
    done = run_script("tools/find_chromium.sh", PATH=str(bare_path), CHROMIUM="/nowhere/chromium")
    assert done.returncode == 1
    assert "CHROMIUM=/nowhere/chromium does not start" in done.stderr


# make, with a Python that only writes down what it is asked


@pytest.fixture
def checkout(tmp_path) -> Path:
    folder = tmp_path / "a checkout"
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "tools/make_venv.sh", "tools/find_chromium.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "latentfx_nb").mkdir()
    shutil.copy2(ROOT / "latentfx_nb/process.env", folder / "latentfx_nb")
    executable(
        folder / "python",
        """#!/bin/sh
case "$1 $2" in
"-c "* | --version*) ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*) echo "$* [$OMP_WAIT_POLICY]" >> asked ;;
esac
""",
    )
    return folder


def make(folder: Path, *arguments: str) -> list[str]:
    """Run make; return what it asked of Python."""
    asked = folder / "asked"
    asked.unlink(missing_ok=True)
    # Nothing of the make that may run these tests: it hands its own variables down.
    environment = {"PATH": os.environ["PATH"], "PYTHON": "./python", "CHROMIUM": shutil.which("true")}
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return asked.read_text().splitlines() if asked.exists() else []


@needs_make
def test_make_run_installs_once(checkout):
    torch, package, warm, serve = make(checkout, "run")
    assert "pip install" in torch
    assert "--constraint constraints.txt torch" in torch
    assert "--index-url" not in torch
    assert "--editable .[lyra]" in package
    assert warm == "-m latentfx_nb warm [PASSIVE]"
    assert serve.startswith("-m latentfx_nb serve")
    assert make(checkout, "run") == [warm, serve]


@needs_make
def test_make_test_adds_only_the_test_extra(checkout):
    make(checkout, "run")
    package, warm, pytest_call = make(checkout, "test", "ARGS=-k audio")
    assert "--editable .[lyra,transformers,diffusers,export,dask,datasets,docs,test]" in package
    assert warm == "-m latentfx_nb warm [PASSIVE]"
    run, *options = pytest_call.split(" --")
    assert run == "-m pytest -n 2" and options[-1].endswith(" -k audio [PASSIVE]")
    assert "-m not ci" in options[-1] and "browser" not in options[-1]
    assert make(checkout, "test", "SKIP_BROWSER=1")[-1].endswith(" -m not ci and not browser [PASSIVE]")


@needs_make
def test_make_ci_runs_the_slow_tests_and_then_some_with_other_instructions(checkout):
    make(checkout, "test")
    warm, slow, other = make(checkout, "ci")
    assert slow.startswith("-m pytest -n 2 --") and slow.endswith(" -m ci [PASSIVE]")
    assert other.startswith("-m tests.processors -n 2 --") and " -m " not in other.removeprefix("-m")
    _, slow, other = make(checkout, "ci", "SKIP_BROWSER=1")
    assert slow.endswith(" -m ci and not browser [PASSIVE]") and other.endswith(" -m not browser [PASSIVE]")


@needs_make
def test_make_docs_adds_the_generator_and_writes_first_what_the_guides_list(checkout):
    make(checkout, "run")
    package, warm, *tools = make(checkout, "docs", "ARGS=04_knob_paths")
    assert "--editable .[lyra,docs]" in package and warm == "-m latentfx_nb warm [PASSIVE]"
    assert tools == [
        "-m tools.make_tables [PASSIVE]",
        "-m tools.draw_architecture [PASSIVE]",
        "-m tools.make_docs 04_knob_paths [PASSIVE]",
    ]


@needs_make
def test_torch_can_come_from_pytorchs_cpu_index(checkout):
    torch = make(checkout, "run", "TORCH=cpu")[0]
    assert "--extra-index-url https://download.pytorch.org/whl/cpu torch" in torch


@needs_make
def test_new_pins_and_a_moved_checkout_install_again(checkout):
    make(checkout, "run")
    later = (checkout / ".venv/.stamps/run").stat().st_mtime + 2
    os.utime(checkout / "constraints.txt", (later, later))
    assert len(make(checkout, "run")) == 4
    moved = checkout.with_name("elsewhere")
    checkout.rename(moved)
    assert len(make(moved, "run")) == 4


# The package


@pytest.mark.ci
def test_the_wheel_holds_the_bundled_files(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "latentfx_nb", source / "latentfx_nb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    (wheel,) = tmp_path.glob("latentfx_nb-*.whl")
    shutil.unpack_archive(wheel, tmp_path / "unpacked", "zip")
    kept = {path.relative_to(source) for path in (source / "latentfx_nb").rglob("*") if path.is_file()}
    shipped = {path.relative_to(tmp_path / "unpacked") for path in (tmp_path / "unpacked").rglob("*") if path.is_file()}
    assert {path for path in kept - shipped if "egg-info" not in str(path)} == set()
