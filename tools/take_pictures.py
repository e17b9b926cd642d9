"""Take a picture of every page as a visitor sees it: `python -m tools.take_pictures [PAGE ...]`, in headless Chromium.

They go into docs/ in 256 colours. For looking at a change there are `--out FOLDER`, `--width 1920`, `--theme dark` and
`--whole` (the page down to its end).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from latentfx_nb.pages.start_here import PAGES
from latentfx_nb.serving import server

ROOT = Path(__file__).resolve().parents[1]
SWIFTSHADER = "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
DRAWN = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return document.querySelector(".latentfx-panel, .latentfx-cards")
    && all(".latentfx-player").every((player) => player.dataset.ready === "true")
    && all(".latentfx-panel").length <= all(".js-plotly-plot").length;
}"""
WHOLE = 2800  # pixels, more than any page has
SETTLED_MS = 5000  # for sounds, images and scenes, which have no common sign of being there


def take_picture(browser: Browser, url: str, path: Path, width: int, whole: bool) -> None:
    """Write a PNG of a page of that many pixels: its first screen, or the `whole` of it."""
    page = browser.new_page(viewport={"width": width, "height": WHOLE if whole else 1010})  # Voila scrolls inside
    page.goto(url)
    page.wait_for_function(DRAWN, timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args()
    every = ["00_start_here", *PAGES]
    if unknown := set(chosen.pages) - set(every):
        parser.error(f"no page is called {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with server.running(port=server.free_port()) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWIFTSHADER.split())
        for name in chosen.pages or every:
            url, path = f"{address}/voila/render/{name}.ipynb?theme={chosen.theme}", chosen.out / f"{name}.png"
            take_picture(browser, url, path, chosen.width, chosen.whole)
            sys.stdout.write(f"{path}\n")
        browser.close()


if __name__ == "__main__":
    main()
