"""What stands in the temporary folder: it goes with its process, killed or not, and what lives is left alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from latentfx_nb.serving import kernels, server

HOLDER = """
import os, sys
from latentfx_nb.temporary import process_folder
(process_folder() / "a.wav").write_bytes(b"x")
if sys.argv[1:] == ["forks"] and not os.fork():
    sys.exit()
print(process_folder(), flush=True)
sys.stdin.read()
"""

PAGE = """
import os
import tempfile
from pathlib import Path
from latentfx_nb.sound.uploads import Uploads

mine = Uploads()
kept = Path(mine._folder.name, "a.wav")
kept.write_bytes(b"x")
with tempfile.NamedTemporaryFile(delete=False) as other:
    pass
print("kernel", os.getpid(), "keeps", kept, "and", other.name, "end")
"""


@pytest.fixture
def place(monkeypatch):
    """A temporary folder for this test alone, with a short path: a socket's has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="t"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def holder(place):
    """Start processes that make their folder and wait; give each and its folder."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-c", HOLDER, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_folder_goes_with_its_process(holder, place):
    process, folder = holder()
    assert folder.parent == place and (folder / "a.wav").exists()
    process.communicate()
    assert process.returncode == 0 and list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_what_lives_stays(holder, place):
    living, kept = holder()
    killed, left = holder()
    killed.kill()
    killed.wait()
    assert (left / "a.wav").exists()
    unknown = place / "latentfx-notes"
    unknown.mkdir()
    _, own = holder()
    names = {kept.name, own.name}
    assert {path.name for path in place.iterdir()} == names | {f"{name}.lock" for name in names} | {unknown.name}
    assert (kept / "a.wav").exists() and living.poll() is None


def test_a_link_in_place_of_a_folder_is_not_followed(holder, place, tmp_path):
    (tmp_path / "mine").write_text("x")
    (place / "latentfx-0.lock").touch()
    (place / "latentfx-0").symlink_to(tmp_path, target_is_directory=True)
    holder()
    assert (tmp_path / "mine").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked there")
def test_a_forked_process_leaves_its_parents_folder(holder, place):
    _, folder = holder("forks")
    assert (folder / "a.wav").exists()


def test_a_process_that_others_are_forked_from_ends_without_a_word(place):
    """multiprocessing's own folder, which lies in ours, is removed before it."""
    script = """
import os, tempfile
from latentfx_nb.serving import kernels
from latentfx_nb.temporary import process_folder
if __name__ == "__main__":
    os.environ["TMPDIR"] = tempfile.tempdir = str(process_folder())
    kernels.prepare()
    print(len(os.listdir(process_folder())))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) == kernels.can_fork()
    assert list(place.iterdir()) == []


def waits_for(condition, wait_s=300):
    """Return once the condition holds; the limit is for what never does."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def pages(tmp_path):
    """A folder with one notebook, whose page keeps files of its visitor."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAGE)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "page.ipynb")
    return tmp_path


def opened(address):
    """Open the page; return its kernel's name and process, and the two files that it keeps."""
    with urllib.request.urlopen(f"{address}/voila/render/page.ipynb", timeout=300) as answer:
        html = answer.read().decode()
    process, *files = re.search(r"kernel (\d+) keeps (\S+) and (\S+) end", html).groups()
    assert all(Path(file).exists() for file in files)
    return re.search(r'"kernelId": "([-0-9a-f]+)"', html)[1], int(process), [Path(file) for file in files]


def close(address, name):
    """Send what Voila's page sends when it is left."""
    request = urllib.request.Request(f"{address}/voila/api/shutdown/{name}", data=b"_xsrf=", method="POST")
    urllib.request.urlopen(request, timeout=300).close()


def gone(files):
    return not any(file.exists() for file in files)


@pytest.mark.ci
@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX systems do")
def test_pages_and_servers_leave_nothing_whether_closed_or_killed(pages, place):
    with server.running(pages, 20400) as (address, process):
        before = {path.name for path in place.iterdir()}
        visits = [opened(address) for _ in range(20)]
        for name, _, _ in visits[:10]:
            close(address, name)
        waits_for(lambda: gone(file for _, _, files in visits[:10] for file in files))
        for _, kernel, _ in visits[10:]:
            os.kill(kernel, signal.SIGKILL)
        waits_for(lambda: gone(file for _, _, files in visits[10:] for file in files))
        waits_for(lambda: len(kernels.kernels_of(process.pid)) == 10)  # Jupyter starts another for each
        for name, _, _ in visits[10:]:
            close(address, name)
        waits_for(lambda: not kernels.kernels_of(process.pid))
        (own,) = (path for path in place.iterdir() if path.is_dir())
        assert not [path for path in own.rglob("*") if re.search(r"kernel|uploads|a\.wav|/s-", str(path))]
        assert {path.name for path in place.iterdir()} == before

        _, _, kept = opened(address)
        with server.running(pages, 20420) as (other, killed):
            _, _, left = opened(other)
            killed.kill()
            killed.wait()
        assert not gone(left)
        with server.running(pages, 20440):
            assert gone(left) and not gone(kept)
    assert list(place.iterdir()) == []
