"""Kernels that are forked: what they know, how they are stopped, and that they end with their server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing.forkserver
import os
import subprocess
import sys
import textwrap
from functools import partial

import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from latentfx_nb.serving import kernels
from tests.speed import PATIENCE_S

forks = pytest.mark.skipif(not kernels.can_fork(), reason="kernels are forked on Linux only")


@contextlib.asynccontextmanager
async def kernel(**options):
    """Yield a manager of a forked kernel and a client to it."""
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel(**options)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=PATIENCE_S)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def value(client, expression: str):
    """Return what `expression` gives in the kernel, as JSON carries it."""
    said = []
    code = f"import json; print(json.dumps({expression}))"
    reply = await client.execute_interactive(
        code, timeout=PATIENCE_S, output_hook=lambda one: said.append(one["content"])
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return json.loads("".join(one["text"] for one in said if "text" in one))


@pytest.fixture
def forked(monkeypatch):
    """Let Jupyter fork kernels, from a process of this test's own, whatever other tests left of either."""

    def forget():
        KernelProvisionerFactory.clear_instance()  # it has read the variable, once
        multiprocessing.forkserver._forkserver._stop()
        kernels._given_up.clear()

    monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", kernels.PROVISIONER)
    forget()
    yield
    forget()


@forks
def test_a_kernel_has_all_imports_and_its_own_environment_folder_and_signals(forked, tmp_path, run_async):
    async def scenario():
        environment = {**os.environ, "LATENTFX_TRIED": "yes"}
        environment.pop("PYTEST_CURRENT_TEST")
        async with kernel(env=environment, cwd=str(tmp_path)) as (manager, client):
            wanted = ["torch", "plotly", "latentfx_nb.pages.knob_paths"]
            assert await value(client, f"[name in __import__('sys').modules for name in {wanted}]") == [True] * 3
            await value(client, "exec('import os')")
            names = "os.environ['LATENTFX_TRIED'], os.environ.get('PYTEST_CURRENT_TEST'), os.getcwd()"
            tried, removed, folder, pid, group = await value(client, f"[{names}, os.getpid(), os.getpgid(0)]")
            assert (tried, removed, folder) == ("yes", None, str(tmp_path))
            assert pid == group == manager.provisioner.pid
            targets = await value(client, "sorted(get_ipython().kernel.comm_manager.targets)")
            assert {"jupyter.widget", "jupyter.widget.control"} <= set(targets)
            return pid

    pid = run_async(scenario())
    assert not psutil.pid_exists(pid)


ENCODES = """
import torch
from latentfx_nb.encoders import load_encoder

torch.set_num_threads(2)
encoder = load_encoder("diffae-mini")
shape = tuple(encoder.encode(torch.zeros(1, 2, 48_000)).shape)
"""


@forks
def test_a_kernel_encodes_on_several_threads_with_the_encoder_that_was_there(forked, run_async):
    async def scenario():
        async with kernel() as (_, client):
            cached = "__import__('latentfx_nb.encoders.registry').encoders.registry.load_built_in.cache_info()"
            assert await value(client, f"{cached}.currsize") >= 1
            misses = await value(client, f"{cached}.misses")
            await value(client, f"exec({ENCODES!r})")
            assert await value(client, "shape") == [1, 64, 375]
            assert await value(client, f"{cached}.misses") == misses
            assert await value(client, "'voila' in __import__('sys').modules") is False

    run_async(scenario())


def test_what_is_imported_for_all_kernels_leaves_one_thread_and_torchs_number_of_them():
    code = (
        "import threading, torch; torch.set_num_threads(3); import latentfx_nb.serving.preload; "
        "assert threading.active_count() == 1, threading.enumerate(); assert torch.get_num_threads() == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@forks
def test_a_kernel_is_interrupted_restarted_and_noticed_when_it_dies(forked, run_async):
    async def scenario():
        async with kernel() as (manager, client):
            begun = asyncio.Event()
            running = asyncio.ensure_future(
                client.execute_interactive(
                    "print('begun', flush=True); __import__('time').sleep(600)",
                    timeout=PATIENCE_S,
                    output_hook=lambda one: one["msg_type"] == "stream" and begun.set(),
                )
            )
            await asyncio.wait_for(begun.wait(), PATIENCE_S)
            await manager.interrupt_kernel()
            assert (await running)["content"]["ename"] == "KeyboardInterrupt"
            first = manager.provisioner.pid
            await manager.restart_kernel(now=True)
            await client.wait_for_ready(timeout=PATIENCE_S)
            assert await value(client, "__import__('os').getpid()") == manager.provisioner.pid != first
            assert await manager.is_alive()
            psutil.Process(manager.provisioner.pid).kill()
            async with asyncio.timeout(PATIENCE_S):
                while await manager.is_alive():
                    await asyncio.sleep(0.05)

    run_async(scenario())


@forks
@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_kernels_end_when_their_server_does(how, tmp_path):
    script = tmp_path / "serve.py"
    script.write_text(
        textwrap.dedent("""
            import asyncio, os, sys
            from jupyter_client.manager import AsyncKernelManager
            from latentfx_nb.serving import kernels

            async def main():
                manager = AsyncKernelManager(kernel_name="python3")
                await manager.start_kernel()
                client = manager.client()
                client.start_channels()
                await client.wait_for_ready(timeout=600)
                print(manager.provisioner.pid, flush=True)
                await asyncio.sleep(600)

            if __name__ == "__main__":
                os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = kernels.PROVISIONER
                asyncio.run(main())
        """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as server:
        pid = int(server.stdout.readline())
        below = psutil.Process(server.pid).children(recursive=True)
        assert pid in {one.pid for one in below}
        getattr(server, how)()
        _, left = psutil.wait_procs(below, timeout=PATIENCE_S)
    assert left == []


COMMAND = [*kernels.LAUNCHER, "-f", "x"]


@pytest.fixture
def launch(monkeypatch, run_async, forked):
    """Return a function that launches a command, and the list of commands that ordinary kernels are started for."""
    ordinary = []

    async def launch_ordinary(self, cmd, **options):
        ordinary.append(cmd)
        return {}

    monkeypatch.setattr(LocalProvisioner, "launch_kernel", launch_ordinary)
    provisioner = kernels.ForkedProvisioner(kernel_id="one", kernel_spec=None)
    return lambda command: run_async(provisioner.launch_kernel(command, env={})), ordinary


def test_other_commands_start_as_they_always_do(launch):
    start, ordinary = launch
    for command in (["R", "--slave"], ["python-of-another-environment", "-m", "ipykernel_launcher"]):
        start(command)
        assert ordinary.pop() == command


@pytest.mark.parametrize(("switch", "platform"), [("0", "linux"), (None, "darwin"), (None, "win32")])
def test_kernels_are_not_forked_where_that_is_switched_off_or_not_safe(launch, monkeypatch, switch, platform):
    monkeypatch.setattr(kernels.sys, "platform", platform)
    if switch is not None:
        monkeypatch.setenv("LATENTFX_FORK", switch)
    monkeypatch.setattr(kernels, "_fork", lambda *_: pytest.fail("it was forked"))
    start, ordinary = launch
    kernels.prepare()
    start(COMMAND)
    assert ordinary == [COMMAND]


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.name == kernels.__name__]


@forks
def test_a_fork_that_fails_is_one_warning_and_an_ordinary_kernel_from_then_on(launch, monkeypatch, caplog):
    tried = []

    def refused(*_):
        tried.append(1)
        raise OSError("no process can be had")

    monkeypatch.setattr(kernels, "_fork", refused)
    start, ordinary = launch
    start(COMMAND)
    start(COMMAND)
    kernels.prepare()
    assert ordinary == [COMMAND, COMMAND]
    assert len(tried) == 1
    (said,) = warnings_of(caplog)
    assert "OSError: no process can be had" in said and "LATENTFX_FORK=0" in said


@forks
def test_a_first_fork_that_ends_badly_is_noticed_before_any_kernel(launch, monkeypatch, caplog):
    monkeypatch.setattr(kernels, "IMPORTED", ["json"])
    monkeypatch.setattr(kernels, "_try_out", partial(sys.exit, 3))
    kernels.prepare()
    start, ordinary = launch
    start(COMMAND)
    assert ordinary == [COMMAND]
    assert "exit status 3" in warnings_of(caplog)[0]


def test_the_first_fork_imports_what_multiprocessing_may_have_failed_to(monkeypatch):
    monkeypatch.setattr(kernels, "IMPORTED", ["json", "latentfx_nb.no_such_module"])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        kernels._try_out()


def test_what_is_imported_for_all_kernels_leaves_out_grammars_of_addresses():
    code = (
        "import sys; import latentfx_nb.serving.preload; assert 'jsonschema' in sys.modules; "
        "assert 'rfc3987_syntax.syntax_helpers' not in sys.modules, 'they were compiled'; "
        "import rfc3987_syntax; assert rfc3987_syntax.is_valid_syntax('iri', 'a:b')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
