"""Every page in its frame: opened once, then as wide as a laptop, a small laptop and a phone, light and dark.

The knob, the player and the picture are whole on the screen, the picture has most of it and its points fill it, nothing
is cut off, lies on something else or is wider than the screen. A screenshot of each lies in pytest's folder for
temporary files.
"""

from __future__ import annotations

import pytest

from latentfx_nb.pages import all_pages

from .conftest import PROJECT, settle
from .looks import CUT_OFF, HARD_TO_READ, OVERLAPPING

pytestmark = [pytest.mark.browser, pytest.mark.ci]

LAPTOP, SMALL, PHONE = (1440, 900), (1280, 720), (390, 844)
FRONT = "00_start_here"
PAGES = [FRONT, *all_pages()]
WHOLE = {
    LAPTOP: (".latentfx-dial[data-size=large]", ".latentfx-player", ".lfx-picture"),
    SMALL: (".latentfx-dial[data-size=large]", ".latentfx-player", ".lfx-picture"),
    PHONE: (".latentfx-dial[data-size=large]", ".lfx-picture"),
}
POINTS = (FRONT, "02_trajectories", "03_effect_clusters", "04_knob_paths", "07_latent_algebra", "08_your_own_audio")
PICTURE_SHARE = 0.45

FITTED = """() => document.querySelectorAll(".js-plotly-plot").length
  && [...document.querySelectorAll(".js-plotly-plot")].every((plot) => plot._fullLayout
  && Math.abs(plot._fullLayout.width - plot.clientWidth) <= 2
  && Math.abs(plot._fullLayout.height - plot.clientHeight) <= 2)"""
# Parts that are there, and not whole on the screen.
OFF_SCREEN = """(selectors) => {
  const transport = document.querySelector(".lfx-transport").getBoundingClientRect();
  const floor = (name) => name === ".latentfx-player" ? innerHeight : Math.min(transport.top, innerHeight);
  return selectors.flatMap((selector) => [...document.querySelectorAll(selector)]
  .filter((one) => one.checkVisibility()).map((one) => [selector, one.getBoundingClientRect()])
  .filter(([name, box]) => box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > floor(name) + 1)
  .map(([name, box]) => `${name}: ${box.left} ${box.top} ${box.right} ${box.bottom}, above ${floor(name)}`));
}"""
SHARE = """() => {
  const box = document.querySelector(".lfx-picture").getBoundingClientRect();
  return box.width * box.height / (innerWidth * innerHeight);
}"""
# How much of its width the points of the picture's first scene or plane span, and its share of the picture's width.
SPAN = f"""() => {{
  const plot = document.querySelector(".lfx-picture .js-plotly-plot"), project = {PROJECT};
  const scene = plot._fullLayout._subplots.gl3d[0];
  const places = plot._fullData.flatMap((trace, curve) => {{
    if (trace.visible !== true || !trace.x || trace.x.length < 2) return [];
    const numbers = Array.from(trace.x, (x, number) => number).filter((number) => Number.isFinite(trace.x[number]));
    if (trace.scene === scene && scene) return numbers.map((number) => project([".js-plotly-plot", curve, number])[0]);
    if (scene || trace.xaxis !== "x") return [];
    return numbers.map((number) => plot._fullLayout.xaxis.d2p(trace.x[number]));
  }});
  const [left, right] = scene ? plot._fullLayout[scene].domain.x : plot._fullLayout.xaxis.domain;
  const span = (Math.max(...places) - Math.min(...places)) / (plot.clientWidth * (right - left));
  return [scene ? "space" : "plane", span, right - left];
}}"""
# Areas of the frame that lie on each other.
OVERLAPPING_AREAS = """() => {
  const sticky = getComputedStyle(document.querySelector(".lfx-transport")).position === "sticky";
  const names = [".lfx-bar", ".lfx-rail", ".lfx-stage", ".lfx-tabs", ...(sticky ? [] : [".lfx-transport"])], found = [];
  const boxes = names.map((name) => document.querySelector(name)?.getBoundingClientRect());
  boxes.forEach((a, i) => boxes.slice(0, i).forEach((b, j) => {
    if (!a || !b) return;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1) found.push(`${names[i]} on ${names[j]}`);
  }));
  return found;
}"""
# Controls and words of the rail, the head and the transport that reach out of their area, or lie on each other.
OUTSIDE = """() => [".lfx-rail", ".lfx-head", ".lfx-transport"].flatMap((name) => {
  const area = document.querySelector(name), box = area?.getBoundingClientRect();
  if (!area) return [];
  return [...area.querySelectorAll("button, select, input:not([type=file]), label, h2")]
    .filter((one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true}))
    .filter((one) => !one.closest(".lfx-legend")) // on phones it is a strip that a finger moves
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, own]) => own.width && (own.left < box.left - 1 || own.right > box.right + 1))
    .map(([one, own]) => `${name}: ${one.textContent || one.className} ${own.left} ${own.right}`);
})"""
LYING_ON_EACH_OTHER = """() => [".lfx-rail", ".lfx-head", ".lfx-transport"].flatMap((name) => {
  const area = document.querySelector(name), found = [];
  if (!area) return [];
  const all = [...area.querySelectorAll("button, select, input:not([type=file]):not([type=range])")]
    .filter((one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true}));
  const boxes = all.map((one) => one.getBoundingClientRect());
  boxes.forEach((a, i) => boxes.slice(0, i).forEach((b, j) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const inner = all[i].contains(all[j]) || all[j].contains(all[i]);
    const [one, other] = [all[i], all[j]].map(({outerHTML}) => outerHTML.slice(0, 90));
    if (wide > 2 && high > 2 && !inner) found.push(`${name}: ${one} on ${other}`);
  }));
  return found;
})"""
# Words that are cut off although nothing else says them.
CUT_OFF_WORDS = """() => [...document.querySelectorAll(
    ".lfx-bar a, .lfx-rail button, .lfx-rail label, .lfx-rail h2, .lfx-head button, .lfx-transport button")]
  .filter((one) => one.checkVisibility() && !one.title && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).overflowX !== "visible")
  .map((one) => `${one.textContent}: ${one.scrollWidth} in ${one.clientWidth}`)"""
WIDER_THAN_THE_SCREEN = """() => document.documentElement.scrollWidth > innerWidth
  || document.body.scrollWidth > innerWidth"""
SCROLLS = """() => document.documentElement.scrollHeight > innerHeight + 1"""
RAIL_SCROLLS = """() => {
  const rail = document.querySelector(".lfx-rail");
  return rail.scrollHeight > rail.clientHeight + 1 && [rail.scrollHeight, rail.clientHeight];
}"""
# Captions of a section of the drawer that have more than two lines.
LONG_CAPTIONS = """(name) => [...document.querySelectorAll(`.lfx-section-${name} p`)]
  .filter((one) => one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().height > 2.5 * parseFloat(getComputedStyle(one).lineHeight))
  .map((one) => one.textContent)"""
BRIEF = {FRONT: "claims", "04_knob_paths": "facts", "07_latent_algebra": "facts", "08_your_own_audio": "facts"}
"""Pages whose captions have two lines, and the section of the drawer that is looked at."""


@pytest.fixture(scope="module", params=PAGES)
def framed(request, session_page, tmp_path_factory):
    """One page, opened once; its name stands in `page.latentfx_name`."""
    page = session_page(f"{request.param}.ipynb")
    page.latentfx_name, page.latentfx_shots = request.param, tmp_path_factory.mktemp("frame")
    yield page
    page.context.close()


def resized(page, size, theme="light"):
    """Resize the page and wait until its figure fills its new place."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_function(FITTED)
    settle(page)
    page.screenshot(path=page.latentfx_shots / f"{page.latentfx_name}_{size[0]}_{theme}.png")


@pytest.mark.parametrize("size", [LAPTOP, SMALL, PHONE], ids=["laptop", "small", "phone"])
def test_what_one_plays_with_is_whole_on_the_screen(framed, size):
    resized(framed, size)
    assert framed.evaluate(OFF_SCREEN, list(WHOLE[size])) == []
    assert framed.evaluate(OVERLAPPING_AREAS) == []
    assert framed.evaluate(OUTSIDE) == []
    assert framed.evaluate(LYING_ON_EACH_OTHER) == []
    assert framed.evaluate(CUT_OFF_WORDS) == []
    assert not framed.evaluate(WIDER_THAN_THE_SCREEN)
    if size != PHONE and framed.latentfx_name != FRONT:
        assert not framed.evaluate(SCROLLS)


def test_captions_have_two_lines(framed):
    if framed.latentfx_name not in BRIEF:
        pytest.skip("its captions say how its numbers were measured")
    resized(framed, LAPTOP)
    section = BRIEF[framed.latentfx_name]
    tab = framed.get_by_role("button", name=section.capitalize(), exact=True)
    tab.click()
    framed.locator(f".lfx-section-{section} p").first.wait_for()
    assert framed.evaluate(LONG_CAPTIONS, section) == []
    tab.click()


def test_all_of_the_rail_of_page_07_fits_a_small_laptop_in_every_mode(framed):
    if framed.latentfx_name != "07_latent_algebra":
        pytest.skip("another page's")
    resized(framed, SMALL)
    for mode in ("Between two clips", "Change dims", "Add an effect"):
        framed.get_by_role("button", name=mode).click()
        framed.locator(".lfx-movers .latentfx-dial").first.wait_for()
        assert framed.evaluate(RAIL_SCROLLS) is False


def test_the_picture_has_most_of_the_window(framed):
    resized(framed, LAPTOP)
    assert framed.evaluate(SHARE) >= PICTURE_SHARE


def test_points_fill_the_picture_in_space_and_in_a_plane(framed):
    if framed.latentfx_name not in POINTS:
        pytest.skip("its picture is of bars and cells, which fill their axes")
    resized(framed, LAPTOP)
    kind, span, width = framed.evaluate(SPAN)
    assert kind == "space" and span >= 0.5 and width > 0.6  # small views or bars may stand beside the large one
    framed.get_by_role("button", name="2-D").click()
    framed.wait_for_function(f"() => ({SPAN})()[0] === 'plane'")
    framed.wait_for_function(FITTED)
    assert framed.evaluate(SPAN)[1] >= 0.8
    framed.screenshot(path=framed.latentfx_shots / f"{framed.latentfx_name}_plane.png")


def test_in_the_dark_it_is_as_whole_and_as_readable(framed):
    resized(framed, SMALL)
    toggle = framed.locator(".lfx-bar [data-lfx='theme']")
    toggle.click()
    framed.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    try:
        resized(framed, SMALL, "dark")
        assert framed.evaluate(OFF_SCREEN, list(WHOLE[SMALL])) == []
        assert framed.evaluate(LYING_ON_EACH_OTHER) == []
        assert framed.evaluate(CUT_OFF_WORDS) == []
        for wrong in (HARD_TO_READ, CUT_OFF, OVERLAPPING):
            assert framed.evaluate(wrong) == []
    finally:
        toggle.click()
