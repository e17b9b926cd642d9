"""What a browser test needs: Voila serving a folder of notebooks, headless Chromium, and helpers for 3-D scenes.

Playwright drives an installed Chromium (`CHROMIUM` names it if it is not on the path). Without one the tests are
skipped; with `LATENTFX_REQUIRE_BROWSER=1` they fail instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from latentfx_nb.serving.server import KERNEL_SOCKETS, process_environment
from tests.speed import PATIENCE_S, SLOWNESS

REPOSITORY = pathlib.Path(__file__).parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGS = (
    "--no-sandbox",  # containers have no user namespaces
    "--use-gl=angle",  # WebGL without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",  # a microphone that beeps, and nobody to be asked for it
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",  # so "nothing autoplays" tests our code, not the browser's policy
)
SCENE = ".js-plotly-plot .gl-container canvas"
LATE_START = "[anywidget] Failed to initialize model."
WAIT_MS = 1000 * PATIENCE_S
# A widget still to come is an output that nothing has replaced, one that says "Loading widget...", or an empty box with
# no class of its own.
RENDERED = """() => {
  const cells = document.querySelector("#rendered_cells"), all = (selector) => [...document.querySelectorAll(selector)];
  return !document.querySelector("#loading") && cells && getComputedStyle(cells).display !== "none"
    && !document.querySelector("script[type='application/vnd.voila.cell-output+json'], [class='lm-Widget']:empty")
    && all(".jp-OutputArea-output").every((output) => output.textContent !== "Loading widget...")
    && all(".latentfx-player").every((player) => player.dataset.ready === "true")
    && all(".js-plotly-plot").every((plot) => plot._fullLayout
      && plot._fullLayout._subplots.gl3d.every((name) => plot._fullLayout[name]._scene?.glplot?.cameraParams));
}"""
PROJECT = """([selector, curve, number]) => {
  const plot = document.querySelector(selector), trace = plot._fullData[curve];
  const scene = plot._fullLayout[trace.scene || "scene"]._scene, camera = scene.glplot.cameraParams;
  const axes = scene.fullSceneLayout;
  let point = ["x", "y", "z"].map((name, i) => axes[name + "axis"].d2l(trace[name][number]) * scene.dataScale[i]);
  point.push(1);
  for (const matrix of [camera.model, camera.view, camera.projection]) {
    point = [0, 1, 2, 3].map((row) => [0, 1, 2, 3].reduce((sum, k) => sum + matrix[4 * k + row] * point[k], 0));
  }
  const box = scene.container.getBoundingClientRect(), [right, up] = [point[0] / point[3], point[1] / point[3]];
  return [box.left + (0.5 + 0.5 * right) * box.width, box.top + (0.5 - 0.5 * up) * box.height];
}"""
TO_THE_MIDDLE = "scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})"
LISTEN = """([selector, curve]) => {
  const plot = document.querySelector(selector);
  plot._fullLayout[plot._fullData[curve].scene || "scene"]._scene.container.TO_THE_MIDDLE;
  if (plot.latentfxSeen) return;
  plot.latentfxSeen = {hover: null, clicks: 0};
  const name = (event) => [event.points[0].curveNumber, event.points[0].pointNumber];
  plot.on("plotly_hover", (event) => { plot.latentfxSeen.hover = name(event); });
  plot.on("plotly_unhover", () => { plot.latentfxSeen.hover = null; });
  plot.on("plotly_click", (event) => { plot.latentfxSeen.clicks += 1; plot.latentfxSeen.click = name(event); });
}""".replace("TO_THE_MIDDLE", TO_THE_MIDDLE)
# From the first play on, what goes to the loudspeakers goes to an analyser too. With each play position that the page
# shows, the time of the sound's own clock is kept: how fast the machine is shows in neither.
TAP = """() => {
  const root = document.querySelector(".latentfx-player");
  window.latentfxShown = [];
  new MutationObserver(() => {
    const { time, playing } = root.dataset;
    if (playing === "true") window.latentfxShown.push([+time, window.latentfxTap.context.currentTime]);
  }).observe(root, {attributes: true, attributeFilter: ["data-time"]});
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      window.latentfxTap = new AnalyserNode(this.context, {fftSize: 8192, smoothingTimeConstant: 0});
      connect.call(this, window.latentfxTap);
    }
    return connect.call(this, to, ...rest);
  };
}"""
# Two frames: one picks what lies under the pointer, the next has reported it.
NUMBER_OF = "(name) => document.querySelector('.js-plotly-plot').data.findIndex(({meta}) => meta === name)"
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"


@pytest.fixture(scope="package")
def chromium() -> str:
    """Return the path of an installed Chromium or Chrome; skip, or fail if one is required, where there is none."""
    named = os.environ.get("CHROMIUM")
    if found := named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None):
        return found
    stop = pytest.fail if os.environ.get("LATENTFX_REQUIRE_BROWSER") == "1" else pytest.skip
    stop("no Chromium found: install one (apt-get install chromium) or name it in CHROMIUM")


@pytest.fixture(scope="package")
def browser(chromium):
    """Yield one headless Chromium, with software WebGL; its event loop ends with these tests, so others have none."""
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        yield running
        running.close()


@pytest.fixture(scope="package")
def voila(tmp_path_factory):
    """Return a function that serves a folder of `.ipynb` files with Voila and returns its URL, once per folder."""
    with contextlib.ExitStack() as servers:
        urls = {}

        def serve(folder) -> str:
            folder = pathlib.Path(folder).resolve()  # Voila answers 500 to a relative one
            if folder not in urls:
                urls[folder] = servers.enter_context(_server(folder, tmp_path_factory.mktemp("voila") / "log.txt"))
            return urls[folder]

        yield serve


@pytest.fixture
def open_page(browser, voila):
    """Return `_opening`'s function; its pages are closed after the test."""
    with _opening(browser, voila) as opened:
        yield opened


@pytest.fixture(scope="package")
def session_page(browser, voila):
    """As `open_page`, for pages that stay open."""
    with _opening(browser, voila) as opened:
        yield opened


@contextlib.contextmanager
def _opening(browser, voila):
    """Yield a function that opens a notebook (a path, or a name in `notebooks/`) and returns its Playwright page.

    The page is 1280 x 900; its kernel has run and its widgets are drawn. `page.console_errors` lists what went wrong in
    it and `page.outside_requests` each request for another host, which none gets; both grow while the page is used.
    `page.late_starts` is not empty if a widget took over 2 s to start, which the bridge makes up for.
    `color_scheme="dark"` opens it in Voila's dark theme.
    `query` ("&row=3") joins its address.
    """
    from playwright import sync_api

    with contextlib.ExitStack() as pages:

        def opened(notebook, color_scheme="light", query=""):
            path = REPOSITORY / "notebooks" / notebook  # an absolute path stays itself
            url = f"{voila(path.parent)}/voila/render/{urllib.parse.quote(path.name)}"
            context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=color_scheme)
            pages.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            page.console_errors, page.late_starts, page.outside_requests = [], [], []
            page.on("console", lambda message: message.type == "error" and _note(page, message.text))
            page.on("pageerror", lambda error: _note(page, str(error)))
            page.route(lambda address: not _is_local(address), lambda route: _refuse(route, page.outside_requests))
            page.goto(f"{url}?theme={color_scheme}{query}")
            try:
                page.wait_for_function(RENDERED)
            except sync_api.TimeoutError:
                pytest.fail(f"{path.name} is not drawn after {PATIENCE_S} s: {page.console_errors + page.late_starts}")
            if page.locator(".jp-RenderedText[data-mime-type*='error']").count():
                pytest.fail(page.locator(".jp-RenderedText[data-mime-type*='error']").first.inner_text())
            return page

        yield opened


@pytest.fixture(scope="package")
def scene() -> types.SimpleNamespace:
    """Return the helpers for plotly figures: `pixels`, `shot`, `changed`, `click_point`, `settle`."""
    return types.SimpleNamespace(
        pixels=scene_pixels, changed=pixels_changed, click_point=click_point, settle=settle, shot=_shot
    )


def scene_pixels(page, selector: str = SCENE, index: int = 0) -> int:
    """Return how many pixels of a 3-D scene are saturated, as points and paths are and axes and paper are not."""
    colour = _shot(page, selector, index).astype(int)
    return int((np.ptp(colour, axis=-1) > 40).sum())


def pixels_changed(before: np.ndarray, after: np.ndarray) -> int:
    """Return how many pixels differ visibly between two shots `[row column rgb]`; ValueError if their sizes differ."""
    if before.shape != after.shape:
        raise ValueError(
            f"the shots are {before.shape} and {after.shape}: the page has laid the figure out anew between"
        )
    return int((np.abs(before.astype(int) - after.astype(int)).max(axis=-1) > 24).sum())


def pick(page, words: str, *entries: str) -> None:
    """Choose entries in the searchable list that is called so: of a list of several, they are ticked or unticked."""
    chosen = page.locator(".latentfx-panel .lfx-picker").filter(has=page.locator("label", has_text=words)).first
    for entry in entries:
        chosen.locator(".lfx-picked").click()
        several = page.locator(".lfx-popover [role='listbox']").get_attribute("aria-multiselectable") == "true"
        page.keyboard.type(entry)
        for key in ("ArrowUp", "Space", "Escape") if several else ("Enter",):
            page.keyboard.press(key)


def settle(page) -> None:
    """Return once the page has drawn two frames."""
    page.evaluate(TWO_FRAMES)


def click_point(
    page, curve: int = 0, number: int = 0, selector: str = ".js-plotly-plot", reach: int = 12
) -> tuple[int, int]:
    """Click a point of a 3-D scatter trace as a user would and return the (trace, point) that plotly reports.

    The point's data coordinates go through the scene's own camera to the screen; the mouse moves there and spirals out
    by up to `reach` pixels until plotly hovers that point, and only then is the button pressed: plotly clicks what its
    last frame picked, so a press without a hover hits nothing or a neighbour. Raises LookupError if the point cannot be
    hovered, as when another one hides it.
    """
    page.evaluate(LISTEN, [selector, curve])
    x, y = page.evaluate(PROJECT, [selector, curve, number])
    hovered = set()
    for dx, dy in _spiral(reach):
        page.mouse.move(x + dx + 1, y + dy)  # two moves: a still pointer is not picked again
        page.mouse.move(x + dx, y + dy)
        page.evaluate(TWO_FRAMES)
        hover = page.evaluate("(selector) => document.querySelector(selector).latentfxSeen.hover", selector)
        if hover == [curve, number]:
            before = page.evaluate("(selector) => document.querySelector(selector).latentfxSeen.clicks", selector)
            page.mouse.down()
            page.wait_for_function(
                "([selector, before]) => document.querySelector(selector).latentfxSeen.clicks > before",
                arg=[selector, before],
            )
            page.mouse.up()
            return tuple(page.evaluate("(selector) => document.querySelector(selector).latentfxSeen.click", selector))
        hovered.add(tuple(hover) if hover else None)
    raise LookupError(
        f"point {number} of trace {curve} is drawn at ({x:.0f}, {y:.0f}) but within {reach} px of it plotly hovers "
        f"{hovered - {None} or 'nothing'}: choose a point that no other hides"
    )


def _spiral(reach: int):
    yield 0, 0
    for radius in range(2, reach + 1, 2):
        for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
            yield round(radius * np.cos(angle)), round(radius * np.sin(angle))


def _shot(page, selector: str = SCENE, index: int = 0) -> np.ndarray:
    from PIL import Image

    drawn = page.locator(selector).nth(index)
    drawn.evaluate(f"(drawn) => drawn.{TO_THE_MIDDLE}")  # what lies outside the window would be missing in the shot
    # What the screen shows in that place: a scene's canvas lies in a box of no size, which element shots refuse.
    png = page.screenshot(clip=drawn.bounding_box())
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _note(page, error: str) -> None:
    (page.late_starts if LATE_START in error else page.console_errors).append(error)


def _is_local(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme in ("data", "blob") or parts.hostname in ("localhost", "127.0.0.1")


def _refuse(route, outside: list[str]) -> None:
    outside.append(route.request.url)
    route.abort()


@contextlib.contextmanager
def _server(folder: pathlib.Path, log: pathlib.Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = process_environment({**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    command = [sys.executable, "-m", "latentfx_nb.serving", str(folder), "--no-browser", f"--port={port}"]
    command += [*KERNEL_SOCKETS, "--Voila.ip=127.0.0.1", "--VoilaConfiguration.show_tracebacks=True"]
    # Playwright closes a page without its farewell, with which it would end its kernel. A page that still opens has not
    # yet reached its own.
    command += [f"--MappingKernelManager.cull_idle_timeout={round(60 * SLOWNESS)}"]
    command += ["--MappingKernelManager.cull_interval=5"]
    with log.open("w") as output:
        process = subprocess.Popen(  # from the root, where Voila reads the settings that ship, voila.json
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=REPOSITORY, start_new_session=True
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)


def _wait_for(url: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # it answers; which pages it has is another question
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"no server answered at {url}:\n{log.read_text()[-3000:]}")


def _end(process: subprocess.Popen) -> None:
    # Each kernel leads a group of its own: Voila ends them on SIGTERM, so it gets the time for that.
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
            return
