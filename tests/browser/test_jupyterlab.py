"""A page in JupyterLab: its cells are run, its plot is painted, its knob turned, a point of it clicked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from latentfx_nb.serving.server import process_environment
from tests.speed import PATIENCE_S

from .conftest import REPOSITORY, WAIT_MS, _end, _is_local, _wait_for, pick
from .test_pages import ALL_PLACES, lone_point

pytestmark = [pytest.mark.browser, pytest.mark.ci]

NAME = "04_knob_paths"
# Ends when the cells have.
RUN_ALL = """async () => {
  const { commands, shell } = window.jupyterapp, { sessionContext } = shell.currentWidget;
  await sessionContext.ready;
  await sessionContext.session.kernel.info;
  return commands.execute("notebook:run-all-cells").then(
    (well) => ({ ended: true, well }), (error) => ({ ended: !/^Canceled/.test(error.message), error: error.message }));
}"""
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # Else a cell is drawn once it is scrolled to, and whether the panel's is in sight depends on when figures grow.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@pytest.fixture
def lab(tmp_path):
    """Serve a copy of one notebook in JupyterLab, without a password; yield the address."""
    folder, settings = tmp_path / "notebooks", tmp_path / "settings"
    folder.mkdir()
    shutil.copy(REPOSITORY / "notebooks" / f"{NAME}.ipynb", folder)
    for plugin, chosen in QUIET.items():
        package, name = plugin.split(":")
        path = settings / package / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--LabApp.news_url="]
    command += ["--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.user_settings_dir={settings}", f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}"]
    log = tmp_path / "log.txt"
    environment = process_environment({**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")})
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)


def run_all(page):
    """Run all cells, and again where the kernel was connected anew meanwhile: what it was asked is forgotten then."""
    deadline = time.monotonic() + PATIENCE_S
    while not (ran := page.evaluate(RUN_ALL))["ended"] and time.monotonic() < deadline:
        pass
    assert ran == {"ended": True, "well": True}, ran


def test_a_page_works_in_jupyterlab(lab, browser, scene, tmp_path):
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(WAIT_MS)
    errors, outside = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: _is_local(request.url) or outside.append(request.url))
    page.goto(f"{lab}/lab/tree/{NAME}.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    run_all(page)
    player = page.locator(".latentfx-player[data-ready=true]")
    try:
        player.wait_for(state="attached")
    finally:
        page.screenshot(path=tmp_path / "run.png")
    panel = ".latentfx-panel .js-plotly-plot"
    page.locator(panel).scroll_into_view_if_needed()
    painted = f"{panel} .gl-container canvas"
    page.locator(painted).first.wait_for(state="attached")
    page.wait_for_function(
        "(panel) => document.querySelector(panel)._fullLayout?.scene?._scene?.glplot?.cameraParams", arg=panel
    )
    scene.settle(page)
    before = scene.shot(page, painted)
    assert scene.pixels(page, painted) > 200
    heard = player.get_attribute("data-wet")
    page.locator(".latentfx-panel .lfx-dial-knob").first.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    changed = "(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet"
    page.wait_for_function(changed, arg=heard)
    scene.settle(page)
    assert scene.changed(before, scene.shot(page, painted)) > 50
    # This encoder's paths keep clear of each other and of the cloud, so that a point of theirs can be hit.
    places = f"() => JSON.stringify(({ALL_PLACES})(1, {panel!r}))"
    before = page.evaluate(places)
    pick(page, "Encoder", "logmel")
    page.wait_for_function(f"(before) => ({places})() !== before", arg=before)
    scene.settle(page)
    heard = player.get_attribute("data-wet")
    scene.click_point(page, 1, lone_point(page, 1, selector=panel), selector=panel)
    page.wait_for_function(changed, arg=heard)
    page.screenshot(path=tmp_path / "jupyterlab.png")
    assert errors == []
    assert outside == []
    page.close()
