"""The knob as a hand turns it: what moves without the kernel, what the kernel is told, what is refused."""

from __future__ import annotations

import pytest

from .conftest import WAIT_MS

pytestmark = pytest.mark.browser

STEPS = 40
# What the page sends is kept until it is let go, as if the kernel were far away.
HOLD = """() => {
  const { send } = WebSocket.prototype, held = [];
  const text = (data) => typeof data === "string" ? data : new TextDecoder("latin1").decode(data);
  WebSocket.prototype.send = function (data) { held.push([text(data), () => send.call(this, data)]); };
  window.latentfxHeld = () => held.map(([data]) => data);
  window.latentfxLetGo = () => {
    WebSocket.prototype.send = send;
    held.forEach(([, go]) => go());
  };
}"""
DIAMONDS = """() => {
  const {x, y, z} = document.querySelector(".js-plotly-plot").data.find(({meta}) => meta === "knob");
  return JSON.stringify([x, y, z].map((axis) => Array.from(axis)));
}"""
MOVED = f"(before) => ({DIAMONDS})() !== before"


def says(page, what):
    """Wait until the picture's head says whether what is drawn is exact."""
    page.wait_for_function("(what) => document.querySelector('.lfx-exactness').textContent === what", arg=what)


def value(page):
    return float(page.locator(".latentfx-dial").get_attribute("data-value"))


def drag(page, pixels):
    """Press the knob and move it up by so much, in `STEPS` steps; it is held on."""
    box = page.locator(".lfx-dial-knob").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, STEPS + 1):
        page.mouse.move(x, y - pixels * step / STEPS)


def test_a_drag_moves_the_points_without_the_kernel_and_ends_on_the_exact_one(open_page):
    page = open_page("04_knob_paths.ipynb")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator(".lfx-dial-knob").wait_for(timeout=WAIT_MS)
    before = page.evaluate(DIAMONDS)
    page.evaluate(HOLD)
    drag(page, -80)
    page.wait_for_function(MOVED, arg=before, timeout=WAIT_MS)
    says(page, "prepared path")
    last = value(page)
    assert last == pytest.approx(2000 * 200 ** (-80 / 200), rel=0.01)
    turns = [sent for sent in page.evaluate("latentfxHeld()") if '"value":' in sent]
    assert len(turns) == 1  # the others wait until the kernel has answered that one
    page.mouse.up()
    prepared = page.evaluate(DIAMONDS)
    page.evaluate("latentfxLetGo()")
    says(page, "exact")
    page.wait_for_function(MOVED, arg=prepared, timeout=WAIT_MS)
    title = page.locator(".latentfx-player .lfx-title")
    page.wait_for_function("(text) => document.querySelector('.latentfx-player .lfx-title').innerText.includes(text)",
                           arg=f"{last:g} Hz", timeout=WAIT_MS)  # fmt: skip
    assert title.inner_text().startswith("gtr_00_a")
    assert page.console_errors == []


def test_a_knob_is_typed_refuses_nonsense_and_says_its_value(open_page):
    page = open_page("04_knob_paths.ipynb")
    page.set_viewport_size({"width": 1280, "height": 720})
    knob, typed = page.locator(".lfx-dial-knob"), page.get_by_label("cutoff frequency, typed")
    knob.wait_for(timeout=WAIT_MS)
    box = knob.bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] < page.locator(".lfx-transport").bounding_box()["y"]
    typed.fill("1.5k")
    typed.press("Enter")
    assert (value(page), knob.get_attribute("aria-valuetext")) == (1500.0, "1.50 kilohertz")
    for nonsense, why in (("loud", "is no number"), ("20k", "is out of range"), ("3 dB", "is no unit")):
        typed.fill(nonsense)
        typed.press("Enter")
        assert why in page.locator(".lfx-dial-says").inner_text()
        assert value(page) == 1500.0
    typed.press("Escape")
    knob.focus()
    page.keyboard.press("Home")
    assert (value(page), knob.get_attribute("aria-label")) == (2000.0, "cutoff frequency")
    page.mouse.wheel(0, -100)
    assert value(page) == 2000.0  # the pointer is elsewhere
    knob.hover()
    page.mouse.wheel(0, -100)
    page.wait_for_function("+document.querySelector('.latentfx-dial').dataset.value > 2000")
    knob.dblclick()
    assert value(page) == 2000.0
    assert page.console_errors == []
