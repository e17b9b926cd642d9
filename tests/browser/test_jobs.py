"""What people come for, done with at most so many clicks and without scrolling, at 1440 x 900.

A drag of the knob and a dropped file count as a click each.
"""

from __future__ import annotations

import base64

import pytest

from .conftest import NUMBER_OF, PROJECT, TAP, WAIT_MS, click_point
from .test_pages import DROP, LOUD, click_cell, lone_point, number_of, pluck, state, wait_for_title

pytestmark = pytest.mark.browser

PLAYS = "document.querySelector('.latentfx-player').dataset.playing === 'true'"
LISTENS = "(side) => document.querySelector('.latentfx-player').dataset.listening === side"


class Hand:
    """A visitor's hand: it counts its clicks, and never scrolls."""

    def __init__(self, page):
        self.page, self.clicks = page, 0
        page.set_viewport_size({"width": 1440, "height": 900})
        page.evaluate(TAP)

    def press(self, name, **look):
        self.clicks += 1
        self.page.get_by_role("button", name=name, exact=True, **look).first.click()

    def point(self, trace, number):
        """Click a point where the pointer finds it."""
        click_point(self.page, self.page.evaluate(NUMBER_OF, trace), number)
        self.clicks += 1

    def drag_knob(self, pixels):
        self.clicks += 1
        box = self.page.locator(".lfx-dial-knob").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x, y - pixels, steps=10)
        self.page.mouse.up()

    def drop(self, name, content):
        self.clicks += 1
        self.page.evaluate(DROP, [name, base64.b64encode(content).decode()])

    def hears(self, title):
        """Wait until a sound of that title plays, and reaches the loudspeakers."""
        wait_for_title(self.page, title)
        self.page.wait_for_function(PLAYS, timeout=WAIT_MS)
        self.page.wait_for_function(LOUD, timeout=WAIT_MS)

    def done(self, most):
        assert self.clicks <= most
        assert self.page.evaluate("scrollY || document.querySelector('.latentfx-panel').scrollTop") == 0


@pytest.fixture
def hand(open_page):
    """Return a function that opens a page and returns a hand on it."""
    return lambda name: Hand(open_page(f"{name}.ipynb"))


def test_turn_the_high_pass_knob_and_hear_it(hand):
    visitor = hand("04_knob_paths")
    visitor.press("Play")
    visitor.hears("High-pass filter")
    before = state(visitor.page)
    visitor.drag_knob(60)
    visitor.page.wait_for_function(
        "(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=before["wet"], timeout=WAIT_MS
    )
    visitor.hears("High-pass filter")
    assert state(visitor.page)["wet"] != before["wet"]
    visitor.done(2)


def test_hear_five_points_of_a_cluster(hand):
    visitor = hand("03_effect_clusters")
    page, heard, tried = visitor.page, 0, []
    curve = page.evaluate(NUMBER_OF, "view 1 RVB")
    while heard < 5:
        number = lone_point(page, curve, avoid=tried)
        tried.append(number)
        try:
            visitor.point("view 1 RVB", number)
        except LookupError:  # another effect's point lies over it: a visitor clicks one that is seen
            continue
        heard += 1
        text = page.evaluate("([c, n]) => document.querySelector('.js-plotly-plot').data[c].text[n]", [curve, number])
        clip = text.removeprefix("<b>").split("</b>")[0]
        wait_for_title(page, clip)
        if heard == 1:
            visitor.point("view 1 RVB", number)
        visitor.hears(clip)
    visitor.done(6)


def test_compare_dry_and_wet_in_the_loop(hand):
    visitor = hand("04_knob_paths")
    visitor.press("Play")
    visitor.hears("High-pass filter")
    for side in ("Dry", "Wet"):
        visitor.press(side)
        visitor.page.wait_for_function(LISTENS, arg=side.lower(), timeout=WAIT_MS)
        visitor.hears("High-pass filter")
    assert visitor.page.get_by_role("button", name="Loop").get_attribute("aria-pressed") == "true"
    visitor.done(3)


def test_see_where_an_own_file_lies(hand):
    visitor = hand("03_effect_clusters")
    visitor.drop("riff.wav", pluck(3))
    visitor.page.wait_for_function(f"({NUMBER_OF})('data set 1') >= 0", timeout=WAIT_MS)
    curve = visitor.page.evaluate(NUMBER_OF, "view 1 HPF")
    (x, y) = visitor.page.evaluate(PROJECT, [".js-plotly-plot", curve, 0])
    box = visitor.page.locator(".lfx-picture").bounding_box()
    assert box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]
    visitor.done(2)


def test_train_probes_and_hear_a_confusion(hand):
    visitor = hand("05_linear_probes")
    visitor.press("Train")
    visitor.page.get_by_text("probes trained").wait_for(timeout=WAIT_MS)
    for _ in range(2):
        visitor.clicks += 1
        click_cell(visitor.page, number_of(visitor.page, "confusions"), 1, 4)
        wait_for_title(visitor.page, "DIS named CHS")
    visitor.hears("DIS named CHS")
    visitor.done(3)


def test_add_an_effect_by_algebra_and_hear_it(hand):
    visitor = hand("07_latent_algebra")
    visitor.page.get_by_role("button", name="Decoded algebra", exact=True).wait_for(timeout=WAIT_MS)
    visitor.press("Decoded algebra")
    visitor.press("Play")
    visitor.page.wait_for_function(LISTENS, arg="algebra", timeout=WAIT_MS)
    visitor.hears("gtr_00_a")
    visitor.done(3)
