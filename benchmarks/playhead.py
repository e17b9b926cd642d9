"""How far the marker on page 02 is from the sound while it plays, against a marker that Python moves.

Run `python -m benchmarks.playhead` where there is a Chromium (on the path, or named by CHROMIUM). The page plays a
clip; at each frame of the screen, the marker that was painted and the sound's own clock are read, the latter from the
audio nodes themselves. The distance is sampled evenly in time. The other page does what a first notebook would: it
observes `player.time_s` and updates the marker in Python. The last line, `ratio=NUMBER`, is how many times farther off
that is.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from latentfx_nb.serving import server

CHROMIUM = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist "
    "--disable-background-networking --autoplay-policy=no-user-gesture-required"
)
PLAYED_S = 12.0
GRID_S = 0.005

OURS = "import latentfx_nb as lfx\npanel = lfx.pages.Trajectories()\npanel"

NAIVE = """import latentfx_nb as lfx
import numpy as np
panel = lfx.pages.Trajectories()
panel.bridge._track = {}
points, times = panel.shown.points, panel.shown.latents[0]["time_s"].values
def move(change):
    frame = int(np.abs(times - change["new"]).argmin())
    now = np.stack([one.values[frame] for one in points])
    panel.figure.move({"now": {"x": now[:, 0], "y": now[:, 1], "z": now[:, 2]}})
panel.player.observe(move, "time_s")
panel"""

# The clock of the sound: what was started last, when, and from where.
TAP = """(() => {
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, offset) {
    if (this.buffer) window.latentfxSound = { context: this.context, when, offset, length_s: this.buffer.duration };
    return start.call(this, when, offset);
  };
})()"""

# At each frame of the screen: milliseconds, the sound's position, and the x, y and z of the marker of the frame before,
# which is what has been painted by now.
WATCH = """() => {
  const plot = document.querySelector(".js-plotly-plot"), seen = window.latentfxSeen = [];
  let painted;
  const look = () => {
    const { context, when, offset, length_s } = window.latentfxSound, now = plot.data[plot.data.length - 1];
    const heard = context.currentTime - (context.outputLatency || 0) - when + offset;
    if (painted) seen.push([performance.now(), heard % length_s, ...painted]);
    painted = [now.x[0], now.y[0], now.z[0]];
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
PATH = """() => {
  const { x, y, z } = document.querySelector(".js-plotly-plot").data[1];
  return [x, y, z].map((axis) => Array.from(axis));
}"""


def distances_s(code: str, folder: Path) -> np.ndarray:
    """Return how far the marker is from the sound, in seconds, evenly sampled while a page with `code` plays."""
    cell = {"cell_type": "code", "id": "only", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "playhead.ipynb").write_text(json.dumps(notebook))
    with server.running(folder, server.free_port()) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM.split())
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.add_init_script(TAP)
        page.goto(f"{address}/voila/render/playhead.ipynb", timeout=120_000)
        page.wait_for_selector(".latentfx-player[data-ready=true]:not([data-wet=''])", timeout=120_000)
        page.wait_for_timeout(3000)
        path = np.array(page.evaluate(PATH), np.float32).T
        page.locator(".lfx-play").click()
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        page.wait_for_timeout(1000 * PLAYED_S)
        seen = np.array(page.evaluate("() => window.latentfxSeen"), float)
        browser.close()
    return evenly(seen, path)


def evenly(seen: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Return the distances of the marker from the sound on an even grid; each marker stands until the next is painted.

    `seen [frame 5]` holds milliseconds, the sound's position, and the marker; `path [frame 3]` is what it runs on.
    """
    clip_s = 262_144 / 48_000
    apart = np.abs(path[None] - seen[:, None, 2:].astype(np.float32)).sum(axis=-1)
    if apart.min(axis=1).max() > 1e-4:
        raise RuntimeError("a marker was painted off the path that it should run on")
    marker_s = (apart.argmin(axis=1) + 0.5) / len(path) * clip_s
    seen_s = seen[:, 0] / 1000
    grid = np.arange(seen_s[0], seen_s[-1], GRID_S)
    shown = np.searchsorted(seen_s, grid, side="right") - 1
    heard_s = (seen[shown, 1] + grid - seen_s[shown]) % clip_s
    distance = np.abs(marker_s[shown] - heard_s)
    return np.minimum(distance, clip_s - distance)  # the clip is looped


def main() -> None:
    """Print both pages' distances, then the ratio of their medians."""
    medians = []
    with tempfile.TemporaryDirectory() as folder:
        for name, code in (("the page moves the marker", OURS), ("Python moves it", NAIVE)):
            found = 1000 * distances_s(code, Path(folder))
            medians.append(statistics.median(found))
            high = np.percentile(found, 95)
            sys.stdout.write(f"{name}: median {medians[-1]:.0f} ms from the sound, 95 % within {high:.0f} ms\n")
    sys.stdout.write(f"ratio={medians[1] / medians[0]:.2f}\n")


if __name__ == "__main__":
    main()
