"""Take pictures of the pages as a visitor sees them: `python -m tools.take_pictures [PAGE ...]`, in headless Chromium.

They go into docs/ in 256 colours. `knob_turned`, named like a page, is README's animated picture: the knob of page 04
is turned from end to end. `--cards` writes the small pictures of the front page instead, `--sheet FILE` one picture of
all pages in each size and theme, for looking at a change; for looking at one page there are `--out FOLDER`,
`--size 1920x1080` and `--theme dark`.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from latentfx_nb.pages import all_pages
from latentfx_nb.pages.start_here import PICTURES
from latentfx_nb.serving import server

ROOT = Path(__file__).resolve().parents[1]
SWIFTSHADER = "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --ignore-gpu-blocklist"
DRAWN = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return document.querySelector(".latentfx-panel")
    && all(".latentfx-player").every((player) => player.dataset.ready === "true")
    && all(".latentfx-panel").length <= all(".js-plotly-plot").length;
}"""
SETTLED_MS = 5000  # for sounds, images and scenes, which have no common sign of being there
SIZE = (1280, 800)
FRONT = "00_start_here"
THEMES = ("light", "dark")

CARD = (480, 300)  # pixels; a card is at least 264 wide
CARD_BYTES = 10_240
WITHOUT_COACH = "localStorage.setItem('latentfx-coach', '[\"closed\"]')"

SHEET_SIZES = ((1440, 900), (1280, 720), (390, 844))
SHEET_HEIGHT, SHEET_GAP = 360, 8  # pixels of a picture on the sheet, and between two

MOVING, TURNED = "knob_turned", "04_knob_paths"
KNOB = '.lfx-rail [role="slider"]'
TRAVEL_PX = 200  # from end to end, as in widgets/knob.js
POSITIONS = 28  # of the knob; frames go there and back
TURNED_MS = 900  # for the diamonds to arrive
FRAME_MS, HELD_MS = 110, 700  # how long a frame is shown, and those at the ends
WIDE = 1120  # pixels
MOST_BYTES = 3_000_000


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int], init: str = "") -> Iterator[Page]:
    """Open a page in a window of `size` and wait until it is drawn; `init` is run before its own scripts."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    if init:
        page.add_init_script(init)
    page.goto(url)
    page.wait_for_function(DRAWN, timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    yield page
    page.close()


def shot(page: Page, **options: dict) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")


def take_picture(browser: Browser, url: str, path: Path, size: tuple[int, int]) -> None:
    """Write a PNG of what a window of that size shows of a page."""
    with opened(browser, url, size) as page:
        shot(page).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


# ------------------------------------------------------------------------------------------------------ cards, a sheet


def take_card(browser: Browser, url: str, path: Path) -> None:
    """Write the small picture of a page: what its stage shows, without what stands over it."""
    with opened(browser, url, SIZE, WITHOUT_COACH) as page:
        picture = shot(page, clip=page.locator(".lfx-picture").first.bounding_box())
    write_card(picture, path)


def write_card(picture: Image.Image, path: Path) -> None:
    """Write the middle of a picture as WebP, as good as a card's size in bytes allows."""
    width = min(picture.width, picture.height * CARD[0] / CARD[1])
    height = width * CARD[1] / CARD[0]
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    small = picture.crop((round(left), round(top), round(left + width), round(top + height)))
    small = small.resize(CARD, Image.Resampling.LANCZOS)
    for quality in range(80, 0, -5):
        small.save(path, quality=quality, method=6)
        if path.stat().st_size <= CARD_BYTES:
            return
    raise ValueError(f"{path} has {path.stat().st_size} bytes, more than {CARD_BYTES}: lower CARD")


def take_sheet(browser: Browser, address: str, pages: Iterable[str], path: Path) -> None:
    """Write one picture of pages, a row each, in every size and theme; a page is opened once a theme and resized."""
    rows = []
    for name in pages:
        row = []
        for theme in THEMES:
            url = f"{address}/voila/render/{name}.ipynb?theme={theme}"
            with opened(browser, url, SHEET_SIZES[0]) as page:
                for width, height in SHEET_SIZES:
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(SETTLED_MS // 2)
                    row.append(shot(page))
        rows.append((name, row))
        sys.stdout.write(f"{name}\n")
    joined(rows).save(path)


def joined(rows: list[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Return named rows of pictures as one, each picture as high as the others."""
    small = [(name, [fitted(picture) for picture in row]) for name, row in rows]
    width = max(sum(one.width + SHEET_GAP for one in row) for _, row in small)
    sheet = Image.new("RGB", (width, len(small) * (SHEET_HEIGHT + 3 * SHEET_GAP)), "#888888")
    draw = ImageDraw.Draw(sheet)
    for number, (name, row) in enumerate(small):
        x, y = 0, number * (SHEET_HEIGHT + 3 * SHEET_GAP)
        draw.text((SHEET_GAP, y + SHEET_GAP // 2), name, fill="#ffffff")
        for picture in row:
            sheet.paste(picture, (x, y + 2 * SHEET_GAP))
            x += picture.width + SHEET_GAP
    return sheet


def fitted(picture: Image.Image) -> Image.Image:
    size = round(picture.width * SHEET_HEIGHT / picture.height), SHEET_HEIGHT
    return picture.resize(size, Image.Resampling.LANCZOS)


# -------------------------------------------------------------------------------------------------- the moving picture


def take_moving_picture(browser: Browser, url: str, path: Path) -> None:
    """Write an animated WebP of page 04: its knob goes from end to end and back, and the diamonds follow."""
    frames = []
    with opened(browser, url, SIZE) as page:
        knob = page.locator(KNOB).first.bounding_box()
        x, y = knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + TRAVEL_PX, steps=20)  # down to the low end
        for step in range(POSITIONS):
            page.mouse.move(x, y + TRAVEL_PX * (1 - step / (POSITIONS - 1)), steps=3)
            page.wait_for_timeout(TURNED_MS)
            frames.append(frame(shot(page)))
        page.mouse.up()
    write_moving(frames, path)


def frame(picture: Image.Image) -> Image.Image:
    """Return a screenshot as wide as a frame is."""
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


# ---------------------------------------------------------------------------------------------------- the command line


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--size", type=size, default=SIZE, metavar="WIDTHxHEIGHT")
    parser.add_argument("--theme", choices=THEMES, default="light")
    parser.add_argument("--cards", action="store_true", help="write the small pictures of the front page's cards")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write one picture of all sizes and themes")
    chosen = parser.parse_args()
    every = [FRONT, *all_pages(), MOVING]
    if unknown := set(chosen.pages) - set(every):
        parser.error(f"no page is called {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    chosen.pages = chosen.pages or every
    return chosen


def size(text: str) -> tuple[int, int]:
    """Return "1440x900" as two numbers; raise ValueError for anything else."""
    width, height = text.split("x")
    return int(width), int(height)


def main() -> None:
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with server.running(port=server.free_port()) as (address, _), sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWIFTSHADER.split())
        still = [name for name in chosen.pages if name != MOVING]
        if chosen.sheet:
            take_sheet(browser, address, still, chosen.sheet)
        elif chosen.cards:
            take_cards(browser, address, still)
        else:
            take_all(browser, address, chosen)
        browser.close()


def take_cards(browser: Browser, address: str, pages: Iterable[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in pages:
        for theme in THEMES if name != FRONT else ():
            path = PICTURES / f"{name}_{theme}.webp"
            take_card(browser, f"{address}/voila/render/{name}.ipynb?theme={theme}", path)
            sys.stdout.write(f"{path}\n")


def take_all(browser: Browser, address: str, chosen: argparse.Namespace) -> None:
    for name in chosen.pages:
        notebook = TURNED if name == MOVING else name
        url = f"{address}/voila/render/{notebook}.ipynb?theme={chosen.theme}"
        path = chosen.out / (f"{name}.webp" if name == MOVING else f"{name}.png")
        if name == MOVING:
            take_moving_picture(browser, url, path)
        else:
            take_picture(browser, url, path, chosen.size)
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
