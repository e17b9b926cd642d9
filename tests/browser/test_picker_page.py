"""The searchable list on a page, by keyboard and by mouse: no key has to be held, and the focus comes back."""

from __future__ import annotations

import pytest

from .conftest import WAIT_MS

pytestmark = [pytest.mark.browser, pytest.mark.ci]

SAYS = "([button, text]) => document.querySelectorAll('.lfx-rail .lfx-picked')[button].textContent === text"
PLAYS = "(sign) => document.querySelector('.lfx-popover .lfx-play').textContent === sign"
INSIDE = """() => {
  const list = document.querySelector(".lfx-popover").getBoundingClientRect();
  const room = document.querySelector(".latentfx-panel").getBoundingClientRect();
  return list.left >= room.left && list.right <= room.right && list.top >= room.top && list.bottom <= room.bottom;
}"""


def number_of(page, words):
    """Return which of the rail's buttons has a label."""
    labels = page.locator(".lfx-rail .lfx-picker > label").all_inner_texts()
    return labels.index(words)


def test_clips_are_ticked_searched_and_heard_without_a_key_held(open_page):
    page = open_page("04_knob_paths.ipynb")
    number = number_of(page, "Clips")
    button = page.locator(".lfx-rail .lfx-picked").nth(number)
    assert button.inner_text() == "8 of 64"
    button.focus()
    page.keyboard.press("ArrowDown")
    entries = page.locator(".lfx-popover .lfx-entry")
    assert entries.count() == 64
    assert page.evaluate(INSIDE)
    assert page.locator(".lfx-popover [role='listbox']").get_attribute("aria-multiselectable") == "true"
    page.keyboard.type("pno piano")
    page.wait_for_function("() => document.querySelectorAll('.lfx-popover .lfx-entry').length < 40")
    assert all(text.startswith("pno_") for text in page.locator(".lfx-popover .lfx-name").all_inner_texts())
    ticked = entries.first.get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowUp")  # stays at the first, and Space ticks from now on
    page.keyboard.press("Space")
    page.wait_for_function(SAYS, arg=[number, "7 of 64" if ticked else "9 of 64"], timeout=WAIT_MS)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('.latentfx-player').dataset.playing === 'true'", timeout=WAIT_MS
    )
    page.wait_for_function(
        "() => document.querySelector('.lfx-popover .lfx-play').textContent === '■'", timeout=WAIT_MS
    )
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('.latentfx-player').dataset.playing !== 'true'", timeout=WAIT_MS
    )
    page.keyboard.press("Escape")
    assert page.locator(".lfx-popover").count() == 0
    assert button.evaluate("(one) => one === document.activeElement")
    assert page.console_errors == []


def test_one_of_some_is_chosen_by_enter_or_a_click_and_what_is_not_ready_is_not(open_page):
    page = open_page("04_knob_paths.ipynb")
    number = number_of(page, "Encoder")
    button = page.locator(".lfx-rail .lfx-picked").nth(number)
    button.click()
    diffae = page.locator(".lfx-popover .lfx-entry").filter(has_text="convert diffae")
    assert diffae.get_attribute("aria-disabled") == "true"
    diffae.click(force=True)  # Playwright waits for what says that it is disabled
    assert page.locator(".lfx-popover").count() == 1  # nothing was chosen
    page.keyboard.type("logmel")
    page.keyboard.press("Enter")
    page.wait_for_function(SAYS, arg=[number, "logmel"], timeout=WAIT_MS)
    assert page.locator(".lfx-popover").count() == 0
    assert page.console_errors == []
