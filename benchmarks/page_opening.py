"""How soon a page can be used, from the click: `python -m benchmarks.page_opening [PAGE ...]`.

Chromium, with WebGL in software, opens pages of a dashboard that runs on the same machine: in a new browser, and in one
that came from the start page and so has the scripts. A page counts as opened when its figures are painted and their
scenes answer, and as ready when its sound is loaded too. Kernels are forked (`serving.kernels`), started as Jupyter
does by itself, or preheated.

`ratio=` is the time of the first page with ordinary kernels and plotly's JavaScript from the kernel, as `voila` alone
has them, over that of the dashboard, both in a new browser without a preheated kernel.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from latentfx_nb.serving import server

PAGES = ("04_knob_paths", "01_latent_images", "03_effect_clusters", "07_latent_algebra")
ROUNDS = 3
REFILLED_S = server.REFILL_S + 15  # until another kernel is preheated
CHROMIUM_ARGS = [
    *("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--ignore-gpu-blocklist", "--disable-background-networking"),
    # Nothing gets out; refusing requests one by one would switch the browser's cache off.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
]
OPENED = """() => {
  const cells = document.querySelector("#rendered_cells"), plots = [...document.querySelectorAll(".js-plotly-plot")];
  return cells && getComputedStyle(cells).display !== "none" && plots.length && plots.every((plot) => plot._fullLayout
    && plot._fullLayout._subplots.gl3d.every((name) => plot._fullLayout[name]._scene?.glplot?.cameraParams));
}"""
READY = "document.querySelector('.latentfx-player')?.dataset.ready === 'true'"


@contextlib.contextmanager
def plain_voila() -> Iterator[str]:
    """Serve the pages with Voila alone."""
    port = server.free_port()
    command = [sys.executable, "-m", "voila", str(server.notebooks_folder()), f"--port={port}", "--no-browser"]
    with subprocess.Popen([*command, *server.KERNEL_SOCKETS], env=server.process_environment()) as process:
        try:
            time.sleep(8)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()


@contextlib.contextmanager
def dashboard(preheat: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve the pages as `make run` does."""
    with server.running(port=server.free_port(), preheat=preheat) as (address, _):
        time.sleep(REFILLED_S if preheat else 8)
        yield address


def opened(browser, url: str) -> tuple[float, float]:
    """Return the seconds until a page is opened and until it is ready."""
    page = browser.new_page()
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(OPENED, timeout=120_000)
    there = time.perf_counter() - begun
    page.wait_for_function(READY, timeout=120_000)
    ready = time.perf_counter() - begun
    page.wait_for_timeout(1500)
    page.close(run_before_unload=True)
    return there, ready


def median_times(
    playwright, address: str, name: str, known: bool, wait_s: float = 4, rounds: int = ROUNDS
) -> tuple[float, float]:
    """Return medians over some rounds; `known` if the browser has been at the start page."""
    times = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as profile:
            chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch_persistent_context(
                profile, executable_path=chromium, args=CHROMIUM_ARGS, viewport={"width": 1280, "height": 900}
            )
            with contextlib.closing(browser):
                if known:
                    page = browser.new_page()
                    page.goto(f"{address}/voila/render/{server.START_PAGE}")
                    page.wait_for_timeout(8000)
                times.append(opened(browser, f"{address}/voila/render/{name}.ipynb"))
        time.sleep(wait_s)
    return tuple(statistics.median(column) for column in zip(*times, strict=True))


def main() -> None:
    """Print a line a page and way, then the ratio."""
    from playwright.sync_api import sync_playwright

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("pages", nargs="*", default=PAGES)
    pages = options.parse_args().pages
    found = {}
    with sync_playwright() as playwright:

        def measure(way: str, address: str, name: str, known: bool, wait_s: float = 4) -> None:
            found[way, name] = there, ready = median_times(playwright, address, name, known, wait_s)
            print(f"{name}, {way}: opened in {there:.1f} s, with its sound in {ready:.1f} s", flush=True)

        with plain_voila() as address:
            measure("Voila alone, new browser", address, pages[0], False)
        with dashboard() as address:
            for name in pages:
                measure("new browser", address, name, False)
                measure("from the start page", address, name, True)
        with dashboard((pages[0],)) as address:
            measure("preheated, new browser", address, pages[0], False, REFILLED_S)
            measure("preheated, from the start page", address, pages[0], True, REFILLED_S)
    print(f"ratio={found['Voila alone, new browser', pages[0]][0] / found['new browser', pages[0]][0]:.2f}")


if __name__ == "__main__":
    main()
