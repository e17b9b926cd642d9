"""The server: its port, its folder, its environment, and a real Voila that answers and stops."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import psutil
import pytest

from latentfx_nb.serving import server
from latentfx_nb.serving.kernels import kernels_of
from tests.speed import PATIENCE_S

ROOT = Path(__file__).parents[1]


@pytest.fixture
def listener():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
def one_page(tmp_path):
    """A folder with one notebook whose page shows its kernel's process settings and where it runs."""
    source = (
        "import os\n"
        "print('policy is', os.environ['OMP_WAIT_POLICY'], 'layer is', os.environ['NUMBA_THREADING_LAYER'])\n"
        "from latentfx_nb.widgets.host import is_dashboard\n"
        "print('kernel is', os.getpid(), 'a dashboard:', is_dashboard())\n"
    )
    folder = tmp_path / "some pages"
    folder.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / server.START_PAGE)
    return folder


def get(address: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


def test_a_free_port_is_taken_as_it_is(listener):
    port = server.free_port(20000)
    assert 20000 <= port < 20100
    assert port != listener


def test_a_taken_port_gives_the_next_free_one(listener):
    assert server.free_port(listener) > listener


def test_all_ports_taken_is_an_error_that_names_them(listener):
    with pytest.raises(server.ServerError, match=f"from {listener} to {listener}"):
        server.free_port(listener, tries=1)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_an_impossible_port_is_an_error(port):
    with pytest.raises(ValueError, match=f"port {port} "):
        server.free_port(port)


@pytest.mark.parametrize(("exists", "state"), [(True, "has no .ipynb files"), (False, "does not exist")])
def test_missing_notebooks_are_an_error_with_a_remedy(tmp_path, exists, state):
    folder = tmp_path / "pages"
    if exists:
        folder.mkdir()
    with pytest.raises(FileNotFoundError, match=f"{state}.*clone"):
        server.notebooks_folder(folder)
    with pytest.raises(SystemExit, match=state):
        server.serve(notebooks=folder)


def test_the_folder_is_absolute(one_page, monkeypatch):
    monkeypatch.chdir(one_page.parent)
    assert server.notebooks_folder(one_page.name) == one_page.resolve()


def test_the_environment_holds_the_process_settings():
    environment = server.process_environment({"HOME": "/home/a", "OMP_WAIT_POLICY": "ACTIVE"})
    assert environment["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    assert environment["HOME"] == "/home/a"
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"  # the user's own choice stays


def kernels(process):
    """Return the processes of a server's kernels."""
    return {one.pid for one in kernels_of(process.pid)}


def becomes(state, wanted, wait_s=PATIENCE_S):
    """Wait until `state()` is what is wanted; fail with what it was last."""
    deadline = time.monotonic() + wait_s
    while (found := state()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_kernel_has_the_settings_and_ends_with_its_page_or_the_server(one_page, monkeypatch):
    for name in server.PROCESS_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with server.running(one_page, 20200) as (address, process):
        status, tree = get(address, "/")
        assert status == 200
        status, page = get(address, f"/voila/render/{server.START_PAGE}")
        assert status == 200
        assert "policy is PASSIVE layer is workqueue" in page
        assert len(kernels(process)) == 1
        # What Voila's page sends when it is left.
        left = re.search(r'"kernelId": "([-0-9a-f]+)"', page)[1]
        request = urllib.request.Request(f"{address}/voila/api/shutdown/{left}", data=b"_xsrf=", method="POST")
        assert urllib.request.urlopen(request, timeout=PATIENCE_S).status == 204
        becomes(lambda: kernels(process), set())
        _, page = get(address, f"/voila/render/{server.START_PAGE}")
        kernel = int(re.search(r"kernel is (\d+)", page)[1])
        assert psutil.pid_exists(kernel)
    assert process.returncode is not None
    becomes(lambda: psutil.pid_exists(kernel) and psutil.Process(kernel).status() != psutil.STATUS_ZOMBIE, False)


def test_a_preheated_page_is_answered_by_a_kernel_that_was_there(one_page):
    (one_page / "another.ipynb").write_bytes((one_page / server.START_PAGE).read_bytes())
    with server.running(one_page, 20220, preheat=["00_start_here"]) as (address, process):
        becomes(lambda: len(kernels(process)), 1)  # of two pages

        def answered_by_one_that_was_there():
            there = kernels(process)
            _, page = get(address, f"/voila/render/{server.START_PAGE}")
            assert "a dashboard: True" in page, "it must know that strangers look at it"
            return int(re.search(r"kernel is (\d+)", page)[1]) in there

        becomes(answered_by_one_that_was_there, True)


def test_only_pages_that_are_there_are_preheated(one_page):
    with pytest.raises(SystemExit, match="no page is called 99_none; there are 00_start_here"):
        server.serve(20230, notebooks=one_page, preheat=["99_none"])


def test_a_voila_that_dies_is_an_error(one_page, monkeypatch):
    monkeypatch.setattr(server.sys, "executable", str(one_page.parent / "python"))
    (one_page.parent / "python").write_text("#!/bin/sh\nexit 3\n")
    (one_page.parent / "python").chmod(0o755)
    with pytest.raises(SystemExit, match="exit status 3"):
        server.serve(20300, notebooks=one_page)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_writes_the_address_and_stops_on_a_signal(one_page, listener, number):
    code = f"from latentfx_nb.serving.server import serve; serve({listener}, notebooks={str(one_page)!r})"
    # Where the tests run in the background of a shell, its children ignore Ctrl-C unless they are told otherwise.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    run = [sys.executable, "-c", code]
    command = subprocess.Popen(run, stdout=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=heed)
    lines = []
    for line in command.stdout:
        lines.append(line)
        if "Stop: Ctrl-C" in line:
            break
    said = "".join(lines)
    address = said.split("Start here:")[1].split()[0]
    assert f"Port {listener} is taken" in said
    assert urlsplit(address).port > listener
    assert urlsplit(address).path == "/voila/render/00_start_here.ipynb"
    assert get(address, "/")[0] == 200
    command.send_signal(number)
    rest = command.stdout.read()
    assert command.wait(PATIENCE_S) == 0
    assert "Stopped." in rest
    with pytest.raises(OSError):
        get(address, "/")


@pytest.mark.parametrize(
    ("environment", "opened"), [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)]
)
def test_a_browser_is_opened_where_there_is_a_screen(monkeypatch, environment, opened):
    class Process:
        def wait(self):
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def running(notebooks, port, preheat):
        yield "http://localhost:8866", Process()

    pages = []
    monkeypatch.setattr(server, "running", running)
    monkeypatch.setattr(server.webbrowser, "open", pages.append)
    monkeypatch.setattr(server.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.serve(open_browser=True)
    assert pages == ["http://localhost:8866/voila/render/00_start_here.ipynb"] * opened
    server.serve(open_browser=False)
    assert len(pages) == opened
