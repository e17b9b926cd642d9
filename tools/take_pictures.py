"""Take a picture of every page as a visitor sees it: `python -m tools.take_pictures [PAGE ...]`, in headless Chromium.

They go into docs/ in 256 colours. `knob_turned`, named like a page, is README's animated picture: the knob of page 04
is dragged from end to end. For looking at a change there are `--out FOLDER`, `--width 1920`, `--theme dark` and
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

from latentfx_nb.pages import all_pages
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

MOVING, TURNED = "knob_turned", "04_knob_paths"
POSITIONS = 28  # of the knob; frames go there and back
TURNED_MS = 900  # for the diamonds to arrive
FRAME_MS, HELD_MS = 110, 700  # how long a frame is shown, and those at the ends
WIDE = 1120  # pixels
MOST_BYTES = 3_000_000


def take_picture(browser: Browser, url: str, path: Path, width: int, whole: bool) -> None:
    """Write a PNG of a page of that many pixels: its first screen, or the `whole` of it."""
    page = browser.new_page(viewport={"width": width, "height": WHOLE if whole else 1010})  # Voila scrolls inside
    page.goto(url)
    page.wait_for_function(DRAWN, timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    page.close()


def take_moving_picture(browser: Browser, url: str, path: Path) -> None:
    """Write an animated WebP of page 04: its knob goes from end to end and back, and the diamonds follow."""
    page = browser.new_page(viewport={"width": 1280, "height": 1010})
    page.goto(url)
    page.wait_for_function(DRAWN, timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    panel = page.locator(".latentfx-panel").first.bounding_box()
    handle = page.locator(".latentfx-panel .widget-slider .noUi-handle").first.bounding_box()
    track = page.locator(".latentfx-panel .widget-slider .noUi-base").first.bounding_box()
    y = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    frames = []
    for step in range(POSITIONS):
        page.mouse.move(track["x"] + track["width"] * step / (POSITIONS - 1), y, steps=3)
        page.wait_for_timeout(TURNED_MS)
        frames.append(frame(page.screenshot(), panel["y"]))
    page.mouse.up()
    page.close()
    write_moving(frames, path)


def frame(screenshot: bytes, top: float) -> Image.Image:
    """Return what lies below `top` of a screenshot, as wide as a frame is."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture = picture.crop((0, int(top), picture.width, picture.height))
    return picture.resize((WIDE, round(picture.height * WIDE / picture.width)), Image.Resampling.LANCZOS)


def write_moving(frames: list[Image.Image], path: Path) -> None:
    """Write frames, there and back, as an animated WebP; raise ValueError if it is larger than README may load."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    shown_ms = [HELD_MS if one in (0, len(frames) - 1) else FRAME_MS for one in range(len(there_and_back))]
    there_and_back[0].save(
        path, save_all=True, append_images=there_and_back[1:], duration=shown_ms, loop=0, quality=75, method=6
    )
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than {MOST_BYTES}: lower WIDE or POSITIONS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args()
    every = ["00_start_here", *all_pages(), MOVING]
    if unknown := set(chosen.pages) - set(every):
        parser.error(f"no page is called {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with server.running(port=server.free_port()) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWIFTSHADER.split())
        for name in chosen.pages or every:
            notebook = TURNED if name == MOVING else name
            url = f"{address}/voila/render/{notebook}.ipynb?theme={chosen.theme}"
            path = chosen.out / (f"{name}.webp" if name == MOVING else f"{name}.png")
            if name == MOVING:
                take_moving_picture(browser, url, path)
            else:
                take_picture(browser, url, path, chosen.width, chosen.whole)
            sys.stdout.write(f"{path}\n")
        browser.close()


if __name__ == "__main__":
    main()
