"""What stands on a page before its kernel has answered, and what the bar does: theme, titles, links, a lost kernel."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from latentfx_nb.serving import kernels, server
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.browser

WAIT_MS = 1000 * PATIENCE_S
PAGE = "04_knob_paths"
# The order in which parts of the page first stand in it, told by the page itself.
RECORD = """() => {
  const wanted = {bar: ".lfx-bar", outlines: ".lfx-outlines", panel: ".latentfx-panel", drawn: ".main-svg"};
  window.order = [];
  const look = () => {
    for (const [name, selector] of Object.entries(wanted))
      if (!window.order.includes(name) && document.querySelector(selector)) window.order.push(name);
    if (!window.order.includes("gone") && window.order.includes("panel") && !document.querySelector(".lfx-outlines"))
      window.order.push("gone");
  };
  new MutationObserver(look).observe(document, {childList: true, subtree: true});
}"""
AREAS = """(selectors) => Object.fromEntries(Object.entries(selectors).map(([name, selector]) => {
  const {left, top, width, height} = document.querySelector(selector).getBoundingClientRect();
  return [name, [left, top, width, height].map(Math.round)];
}))"""
OUTLINES = {"rail": ".lfx-outline-rail", "stage": ".lfx-outline-stage", "transport": ".lfx-outline-transport"}
PANEL = {"rail": ".latentfx-panel .lfx-rail", "stage": ".latentfx-panel .lfx-stage"}
PANEL["transport"] = ".latentfx-panel .lfx-transport"
PAPER = "() => getComputedStyle(document.body).backgroundColor"
FIGURE = "() => document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor"
ROOM = "() => document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def visit(browser, voila):
    """Return a function that opens a page as far as its frame, in a browser of its own, and returns it."""
    contexts = []

    def visit_one(name=PAGE, query="", size=(1440, 900), scheme="light", **options):
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme, **options
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.warnings = []
        page.on("console", lambda said: said.type in ("warning", "error") and page.warnings.append(said.text))
        page.add_init_script(f"({RECORD})()")
        page.goto(f"{voila(server.notebooks_folder())}/voila/render/{name}.ipynb{query}", wait_until="commit")
        page.wait_for_selector(".lfx-outlines")
        return page

    yield visit_one
    for context in contexts:
        context.close()


def drawn(page):
    page.wait_for_selector(".lfx-outlines", state="detached")
    page.wait_for_selector(".latentfx-panel .main-svg", state="attached")


def test_the_panel_takes_the_place_of_its_outlines_without_a_jump(visit):
    page = visit()
    assert page.title() == "Knob paths · LatentFX"
    assert page.locator(".lfx-bar [aria-current='page']").inner_text() == "Knob paths"
    before = page.evaluate(AREAS, OUTLINES)
    drawn(page)
    after = page.evaluate(AREAS, PANEL)
    assert page.evaluate("window.order")[:3] == ["bar", "outlines", "panel"]
    assert {name: place[:3] for name, place in before.items()} == {name: place[:3] for name, place in after.items()}
    assert page.locator("[title='null']").count() == 0
    assert [text for text in page.warnings if "readback" not in text and "GPU stall" not in text] == []


def test_the_theme_changes_in_place_and_stays(visit):
    page = visit(scheme="dark")
    drawn(page)
    assert page.evaluate(PAPER) == "rgb(30, 30, 30)"  # as the system is
    page.wait_for_function(f"() => ({FIGURE})() === '#1e1e1e'")
    page.evaluate("window.marked = true")
    page.click(".lfx-bar [data-lfx='theme']")
    assert page.evaluate(PAPER) == "rgb(255, 255, 255)"
    assert "theme=light" in page.url
    page.wait_for_function(f"() => ({FIGURE})() === '#ffffff'")
    assert page.evaluate("window.marked")  # it is the same page still
    assert "theme=light" in page.locator(".lfx-bar a[data-page='01_latent_images']").get_attribute("href")
    page.goto(page.url.split("?")[0], wait_until="commit")
    page.wait_for_selector(".lfx-outlines")
    assert page.evaluate("document.body.dataset.jpThemeLight") == "true"  # as it was chosen last


def test_the_address_says_the_theme_first(visit):
    page = visit(query="?theme=dark")
    assert page.evaluate("document.body.dataset.jpThemeLight") == "false"
    assert page.locator(".lfx-bar [data-lfx='theme']").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (1100, 640), (390, 844)])
def test_the_bar_fits_every_screen_and_opens_another_page(visit, size):
    page = visit(size=size)
    assert page.evaluate(ROOM)
    menu = page.locator(".lfx-bar [data-lfx='pages']")
    if menu.is_visible():
        menu.click()
    link = page.locator(".lfx-bar a[data-page='03_effect_clusters']")
    assert link.is_visible()
    assert page.evaluate(ROOM)
    box = link.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    link.click()
    page.wait_for_url("**/03_effect_clusters.ipynb*", wait_until="commit")


def test_help_is_asked_for_in_the_bar(visit):
    page = visit()
    page.evaluate("document.addEventListener('latentfx:help', () => { window.helped = true; })")
    page.click(".lfx-bar [data-lfx='help']")
    assert page.evaluate("window.helped")


@pytest.mark.skipif(not kernels.can_fork(), reason="the kernel's process is known where it is forked")
def test_a_lost_kernel_is_said_and_the_page_opens_again(visit):
    known = {one.pid for one in kernels.kernels_of(os.getpid())}
    page = visit()
    drawn(page)
    lost = page.locator(".lfx-lost")
    assert lost.is_hidden()
    for one in kernels.kernels_of(os.getpid()):
        if one.pid not in known:
            psutil.Process(one.pid).send_signal(signal.SIGKILL)
    lost.wait_for(state="visible")
    assert "connection to Python was lost" in lost.inner_text()
    with page.expect_navigation(wait_until="commit"):
        lost.locator("button").click()
    page.wait_for_selector(".latentfx-panel", state="attached")
    assert lost.is_hidden()
