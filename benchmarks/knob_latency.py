"""How long a turn of the knob takes, stage by stage, and against a page that renders and encodes as tutorials do.

Run `python -m benchmarks.knob_latency`; lyra-v2 is measured where its weights are, and `--browser` adds what a visitor
of the page sees, in headless Chromium with software WebGL. The last line, `ratio=NUMBER`, says
how many times longer the naive way takes for `logmel` and a high-pass filter: stereo pedalboard, a new pyloudnorm meter
for every measurement, the whole data set's PCA fitted again and its whole picture sent again. Ours includes the sound.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pedalboard
import pyloudnorm
import torch
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.effects import render
from latentfx_nb.encoders import DEFAULT_ENCODERS, Encoder, list_encoders, load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import KnobPaths
from latentfx_nb.paper import SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.serving import server
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.widgets.sounds import encode_sounds

EFFECTS_TURNED = ("DIS", "RVB", "HPF", "LPF", "PS")
ROUNDS = 15

# Milliseconds after the key went down of each new position of the diamonds, of its painting, and of the new sound.
WATCH = """() => {
  const plot = document.querySelector(".js-plotly-plot"), player = document.querySelector(".latentfx-player");
  const knob = plot.data.find((trace) => trace.meta === "knob");
  let start = 0, set = [], painted = [], sound, wet = player.dataset.wet, x = knob.x;
  const now = () => performance.now() - start;
  const tell = () => {
    if (sound && painted.length > 1) window.latentfxTimes = [set[0], painted[0], set[1], painted[1], sound];
  };
  document.addEventListener("keydown", () => { start = performance.now(); set = []; painted = []; sound = 0; }, true);
  Object.defineProperty(knob, "x", { get: () => x, set: (value) => { x = value; set.push(now()); } });
  plot.on("plotly_afterplot", () => { painted.push(now()); tell(); });
  new MutationObserver(() => {
    if (player.dataset.wet === wet) return;
    wet = player.dataset.wet;
    sound = now();
    tell();
  }).observe(player, { attributes: true });
}"""
STAGES = ("prepared point", "painted", "exact point", "painted", "sound decoded")


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return milliseconds and what `work` gave."""
    start = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - start), result


def stages(panel: KnobPaths, encoder: Encoder, effect: str, value: float) -> dict[str, float]:
    """Return milliseconds for each stage of an arbitrary value's way from the knob to new data for the page."""
    clip, basis, taken = panel.clips[panel.heard_clip.value], panel.shown.basis, {}
    taken["render"], wet = timed(lambda: render(clip, effect, value))
    taken["encode"], latents = timed(lambda: encode_clips(encoder, [wet])[0])
    taken["project"], point = timed(lambda: basis.transform(latents.mean(axis=-1)[None])[0])
    taken["repaint"], _ = timed(lambda: panel.figure.move({"knob": dict(zip("xyz", point[:, None], strict=True))}))
    taken["sound"], _ = timed(lambda: encode_sounds(wet, wet, sample_rate=SAMPLE_RATE_HZ))
    return taken


def whole_turn(panel: KnobPaths, value: float) -> tuple[float, float]:
    """Return milliseconds until diamonds stand on the prepared path, and until the exact point and sound are sent."""
    start = time.perf_counter()
    panel.knob.value = value
    prepared = time.perf_counter()
    panel.wait()
    return 1000 * (prepared - start), 1000 * (time.perf_counter() - start)


def naive(clip: Clip, encoder: Encoder, cutoff_hz: float, means: xr.DataArray) -> object:
    """Do what `HPF` at one value takes, as a first notebook would."""

    def normalised(sound: Clip) -> Clip:
        measured = pyloudnorm.Meter(SAMPLE_RATE_HZ).integrated_loudness(sound.T)
        return pyloudnorm.normalize.loudness(sound, measured, TARGET_LUFS).astype(np.float32)

    wet = normalised(pedalboard.HighpassFilter(cutoff_hz)(normalised(clip), SAMPLE_RATE_HZ))
    with torch.no_grad():
        latents = encoder.encode(torch.from_numpy(wet.mean(axis=0))[None, None])[0].mean(dim=-1).numpy()
    basis = fit_pca(means)
    return basis.transform(latents[None]), figures.clusters(basis.points).to_json()


def main() -> None:
    """Print medians for each encoder and effect, then the ratio."""
    ready = list_encoders()["present"]
    rng = np.random.default_rng(0)
    for name in DEFAULT_ENCODERS:
        if not ready[name]:
            sys.stdout.write(f"{name}: not measured, it is not ready on this machine\n")
            continue
        panel, encoder = KnobPaths(encoder=name), load_encoder(name)
        panel.wait()
        for effect in EFFECTS_TURNED:
            panel.knob.effect = effect
            panel.wait(600)
            knob = panel.knob.spec
            positions = rng.uniform(0.05, 0.95, ROUNDS)
            values = knob.low * (knob.high / knob.low) ** positions if knob.log else np.interp(
                positions, [0, 1], [knob.low, knob.high])  # fmt: skip
            turns = [whole_turn(panel, value) for value in values]
            parts = [stages(panel, encoder, effect, value) for value in values]
            medians = {stage: statistics.median(part[stage] for part in parts) for stage in parts[0]}
            prepared, exact = (statistics.median(turn[i] for turn in turns) for i in (0, 1))
            described = ", ".join(f"{stage} {ms:.1f}" for stage, ms in medians.items())
            found = f"prepared path {prepared:.1f} ms, exact point and sound {exact:.0f} ms"
            sys.stdout.write(f"{name} {effect}: {found} ({described})\n")
    if "--browser" in sys.argv:
        for name in DEFAULT_ENCODERS:
            if ready[name]:
                sys.stdout.write(in_browser(name) + "\n")
    sys.stdout.write(f"ratio={ratio():.2f}\n")


def in_browser(encoder: str, presses: int = 20) -> str:
    """Return the medians that a visitor of page 04 sees, from a key press on the knob, measured in Chromium.

    New data on the prepared path, the exact point after it, and its sound, decoded and ready to play.
    """
    from playwright.sync_api import sync_playwright

    swiftshader = (
        "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
    )
    with server.running(server.notebooks_folder(), server.free_port()) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=swiftshader.split()
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{address}/voila/render/04_knob_paths.ipynb")
        page.wait_for_selector(".latentfx-player[data-ready=true][data-wet]", timeout=120_000)
        page.locator(".latentfx-panel select").nth(1).select_option(encoder)
        page.wait_for_timeout(5000)  # the first picture and the encoder's own points are drawn by then
        page.evaluate(WATCH)
        page.locator(".lfx-dial-knob").first.focus()
        times = []
        for _ in range(presses):
            page.evaluate("() => { window.latentfxTimes = []; }")
            page.keyboard.press("ArrowLeft")
            page.wait_for_function("() => window.latentfxTimes.length", timeout=20_000)
            times.append(page.evaluate("() => window.latentfxTimes"))
            page.wait_for_timeout(300)
        browser.close()
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    return f"{encoder} HPF in the browser: " + ", ".join(
        f"{stage} {ms:.0f} ms" for stage, ms in zip(STAGES, medians, strict=True)
    )


def ratio() -> float:
    """Return naive over ours, for one arbitrary value of HPF with logmel, measured in turns."""
    clips, encoder = load_clips("bundled"), load_encoder("logmel")
    means = effect_means(clips, "logmel")
    panel = KnobPaths(encoder="logmel")
    panel.wait()
    pairs = []
    for cutoff_hz in np.geomspace(100, 5000, ROUNDS):
        slow, _ = timed(lambda hz=cutoff_hz: naive(clips[0], encoder, hz, means))
        pairs.append((slow, sum(stages(panel, encoder, "HPF", cutoff_hz).values())))
    return statistics.median(slow / fast for slow, fast in pairs)


if __name__ == "__main__":
    main()
