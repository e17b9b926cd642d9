"""The state of a page in its address: it goes along the bar, survives reload and back, and opens elsewhere the same."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import list_encoders

from .conftest import RENDERED, WAIT_MS

pytestmark = [pytest.mark.browser, pytest.mark.ci]

CODE = "() => document.querySelector('.lfx-section-code')?.textContent ?? ''"
SAYS = "(words) => words.every((one) => document.querySelector('.lfx-section-code')?.textContent.includes(one))"
IN_ADDRESS = "([name, value]) => new URLSearchParams(location.search).get(name) === value"
STATUS = "(words) => document.querySelector('.latentfx-status')?.textContent.includes(words)"
# What is drawn: the coordinates of all traces that are shown.
DRAWN = """() => JSON.stringify(document.querySelector(".js-plotly-plot")._fullData
  .filter(({visible}) => visible === true)
  .map(({x, y, z}) => [x, y, z].map((axis) => axis && Array.from(axis, (one) => Number(one).toPrecision(5)))))"""
IDLE = """() => !document.querySelector(".latentfx-status .widget-button")?.checkVisibility()"""


def query_of(page):
    """Return the query of a page's address: name -> value."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def stands(page, *code):
    """Wait until a page is drawn and its code says what it is to show."""
    page.wait_for_function(RENDERED, timeout=WAIT_MS)
    page.wait_for_function(SAYS, arg=list(code), timeout=WAIT_MS)
    page.wait_for_function(IDLE, timeout=WAIT_MS)


def go(page, name):
    """Go to another page by the bar."""
    page.locator(f".lfx-bar a[data-page='{name}']").click()
    page.wait_for_url(f"**/{name}.ipynb*")


def choose_effect(page, label):
    """Choose an effect in the rail."""
    page.get_by_label("Effect", exact=True).select_option(label=EFFECTS[label].name)


def test_a_variant_of_an_encoder_goes_along_the_bar(open_page):
    if not list_encoders().loc["lyra-v2", "present"]:
        pytest.skip("Lyra's weights are not here: LATENTFX_WEIGHTS names their folder")
    page = open_page("01_latent_images.ipynb", query="&encoder=lyra-v2%40quantizers%3D8")
    stands(page, "'lyra-v2@quantizers=8'")
    assert page.locator(".latentfx-rail, .latentfx-panel").get_by_text("lyra-v2@quantizers=8").first.is_visible()
    page.reload()
    stands(page, "'lyra-v2@quantizers=8'")
    assert query_of(page)["encoder"] == "lyra-v2@quantizers=8"
    go(page, "02_trajectories")
    stands(page, "'lyra-v2@quantizers=8'")


def test_encoder_and_effect_go_along_the_bar_and_survive_reload_and_back(open_page):
    page = open_page("04_knob_paths.ipynb", query="&encoder=logmel")
    stands(page, "'logmel'", "'HPF'")
    choose_effect(page, "RVB")
    page.wait_for_function(IN_ADDRESS, arg=["effect", "RVB"], timeout=WAIT_MS)
    stands(page, "'logmel'", "'RVB'")
    go(page, "01_latent_images")
    stands(page, "'logmel'", "'RVB'")
    go(page, "03_effect_clusters")
    stands(page, "'logmel'")
    assert query_of(page)["effect"] == "RVB"
    go(page, "05_linear_probes")
    stands(page, "'logmel-T'")
    assert query_of(page)["effect"] == "RVB"
    go(page, "07_latent_algebra")
    stands(page, "'logmel'", "'RVB'")
    page.reload()
    stands(page, "'logmel'", "'RVB'")
    page.go_back()
    stands(page, "'logmel-T'")
    for name in ("03_effect_clusters", "01_latent_images"):
        page.go_back()
        page.wait_for_url(f"**/{name}.ipynb*")
    stands(page, "'logmel'", "'RVB'")
    page.go_forward()
    page.wait_for_url("**/03_effect_clusters.ipynb*")
    stands(page, "'logmel'")
    assert query_of(page)["theme"] == "light"
    assert page.console_errors == []


def test_a_copied_link_draws_the_same_in_another_browser_and_nothing_of_it_stays(open_page):
    page = open_page("04_knob_paths.ipynb", query="&effect=LPF&row=9&rows=0,9,20&token=secret&clips=own")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    stands(page, "'LPF'")
    page.wait_for_function(IN_ADDRESS, arg=["rows", "0,9,20"], timeout=WAIT_MS)
    page.locator(".lfx-bar button[data-lfx='copy']").click()
    page.wait_for_function("() => document.querySelector(\"[data-lfx='copy']\").textContent.startsWith('Copied')")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert {"rows", "effect"} <= set(parse_qs(urlsplit(copied).query))
    assert "token" not in copied and "own" not in urlsplit(copied).query
    other = open_page("04_knob_paths.ipynb", query="&" + urlsplit(copied).query.replace("theme=light&", ""))
    stands(other, "'LPF'")
    assert other.evaluate(DRAWN) == page.evaluate(DRAWN)
    third = open_page("04_knob_paths.ipynb")
    stands(third, "'HPF'")
    assert third.evaluate(DRAWN) != page.evaluate(DRAWN)


def test_bad_values_give_the_default_and_a_sentence(open_page):
    page = open_page("04_knob_paths.ipynb", query="&encoder=%3Cimg+src%3Dx%3E&row=1e9&value=nan&clips=../../etc")
    page.wait_for_function(STATUS, arg="The address", timeout=WAIT_MS)
    said = page.locator(".latentfx-status").inner_text()
    assert "asks for encoder '<img src=x>', which is not offered here: diffae-mini is shown instead." in said
    assert page.locator(".latentfx-status img").count() == 0
    stands(page, "'diffae-mini'", "'HPF'")
    page.wait_for_function("() => location.search === '?theme=light'", timeout=WAIT_MS)
    assert page.console_errors == []


def test_a_turned_camera_is_that_of_the_link(open_page):
    page = open_page("04_knob_paths.ipynb", query="&camera=0.5,1.5,1,0,0,1")
    eye = page.evaluate("() => document.querySelector('.js-plotly-plot')._fullLayout.scene.camera.eye")
    assert (eye["x"], eye["y"], eye["z"]) == (0.5, 1.5, 1)
    box = page.locator(".js-plotly-plot .gl-container canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 20, steps=6)
    page.mouse.up()
    page.wait_for_function("() => !location.search.includes('camera=0.5,1.5,1,')", timeout=WAIT_MS)
    turned = query_of(page)["camera"]
    page.reload()
    stands(page)
    eye = page.evaluate("() => document.querySelector('.js-plotly-plot')._fullLayout.scene.camera.eye")
    assert [eye["x"], eye["y"], eye["z"]] == [float(one) for one in turned.split(",")[:3]]


def test_a_narrow_screen_draws_in_the_plane_by_itself(open_page):
    page = open_page("04_knob_paths.ipynb", query="&dimensions=3")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    stands(page)
    solid = "() => document.querySelector('.js-plotly-plot')._fullLayout._subplots.gl3d.length"
    assert page.evaluate(solid) == 1
    page.goto(page.url.replace("&dimensions=3", ""))
    page.wait_for_function(f"() => document.querySelector('.js-plotly-plot') && ({solid})() === 0", timeout=WAIT_MS)
    assert "dimensions" not in query_of(page)
