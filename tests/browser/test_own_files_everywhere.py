"""Own files in a browser: dropped or recorded once, there on every page of that visitor, and on nobody else's."""

from __future__ import annotations

import base64

import pytest

from tests.browser.conftest import RENDERED
from tests.test_your_own_audio import wav

pytestmark = [pytest.mark.browser, pytest.mark.ci]

DROP = """([content, name]) => {
  const data = new DataTransfer(), bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
  data.items.add(new File([bytes], name));
  const stage = document.querySelector(".latentfx-panel .lfx-stage"), how = {bubbles: true, cancelable: true};
  for (const type of ["dragover", "drop"]) stage.dispatchEvent(new DragEvent(type, {dataTransfer: data, ...how}));
}"""
OPTIONS = """() => [...document.querySelectorAll("select")]
  .flatMap(({ options }) => [...options].map(({ textContent }) => textContent.replace(/\\s/g, " ")))
  .filter((text) => text.startsWith("your own"))"""
CHOSEN = """(label) => [...document.querySelectorAll("select")].some(({ selectedOptions: [one] }) =>
  one?.textContent.replace(/\\s/g, " ") === label)"""
KEPT = """(words) => document.querySelector(".latentfx-kept")?.checkVisibility()
  && document.querySelector(".latentfx-kept span").textContent === words"""
ONE = "your own audio (1 clip)"


def drop(page, name, content):
    page.evaluate(DROP, [base64.b64encode(content).decode(), name])


def assert_shows_own_files(page):
    """The page is drawn with the file, the encoder and the effect that were chosen on the first one."""
    page.wait_for_function(RENDERED)
    page.wait_for_function(CHOSEN, arg=ONE)
    page.wait_for_function("() => /[?&]clips=own(&|$)/.test(location.search)")
    assert "logmel" in page.url and "effect=LPF" in page.url


def test_a_file_dropped_once_is_on_every_page_of_that_visitor(open_page):
    page = open_page("04_knob_paths.ipynb", query="&encoder=logmel&effect=LPF")
    drop(page, "riff.wav", wav(1, 200_000))
    page.wait_for_function(KEPT, arg="1 file")
    assert_shows_own_files(page)
    for name in ("01_latent_images", "03_effect_clusters", "05_linear_probes", "07_latent_algebra"):
        page.locator(f".lfx-bar a[data-page='{name}']").click()
        page.wait_for_url(f"**/{name}.ipynb*")
        assert_shows_own_files(page)
    page.reload()
    assert_shows_own_files(page)
    page.go_back()
    page.wait_for_url("**/05_linear_probes.ipynb*")
    assert_shows_own_files(page)
    stranger = open_page("04_knob_paths.ipynb")
    stranger.wait_for_function("() => document.cookie.includes('latentfx-visit')")
    assert stranger.evaluate(OPTIONS) == []
    assert page.console_errors == stranger.console_errors == []


def test_a_sound_is_recorded_and_removed(open_page):
    page = open_page("01_latent_images.ipynb", query="&encoder=logmel")
    record = page.get_by_role("button", name="Record", exact=True)
    record.click()
    page.wait_for_function("() => document.querySelector('.latentfx-record').textContent === '0:01'")
    page.get_by_role("button", name="Stop recording").click()
    page.wait_for_function(KEPT, arg="1 file")
    page.wait_for_function(CHOSEN, arg=ONE)
    page.get_by_role("button", name="Remove your files, from all pages at once").click()
    page.wait_for_function("() => !document.querySelector('.latentfx-kept').checkVisibility()")
    page.wait_for_function(CHOSEN, arg="64 bundled clips")
    assert page.evaluate(OPTIONS) == [] and page.console_errors == []
