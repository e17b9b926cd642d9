"""Take the README's picture of a page: `python -m tools.take_picture [PAGE] [FILE]`, in headless Chromium."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from latentfx_nb import server

SWIFTSHADER = "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"


def take_picture(page_name: str, path: Path) -> None:
    """Write a PNG of what a visitor of the page sees, 1280 pixels wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with server.running(port=server.free_port()) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWIFTSHADER.split())
        page = browser.new_page(viewport={"width": 1280, "height": 1010})
        page.goto(f"{address}/voila/render/{page_name}.ipynb")
        page.wait_for_selector(".latentfx-player[data-ready=true][data-wet]", timeout=120_000)
        page.wait_for_timeout(4000)
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    take_picture(sys.argv[1] if len(sys.argv) > 1 else "04_knob_paths", Path(*sys.argv[2:3] or ["docs/knob_paths.png"]))
