"""The picture of a page in a browser: it fills its place, its legend hides and solos, and the wheel traps nobody."""

from __future__ import annotations

import pytest

from tests.browser.conftest import PROJECT, WAIT_MS
from tests.browser.test_own_files_everywhere import drop
from tests.test_your_own_audio import wav

pytestmark = [pytest.mark.browser, pytest.mark.ci]

PLOT = ".js-plotly-plot"
SPAN = (
    """([selector, name]) => {
  const project = PROJECT, plot = document.querySelector(selector), box = plot.getBoundingClientRect();
  const places = plot._fullData.flatMap((trace, curve) => {
    if (!trace.meta?.startsWith(name) || trace.visible !== true) return [];
    return [...trace.x.keys()].filter((n) => Number.isFinite(trace.x[n])).map((number) => {
      if (trace.type === "scatter3d") return project([selector, curve, number])[0];
      const axis = plot._fullLayout[(trace.xaxis || "x").replace("x", "xaxis")];
      return box.left + axis._offset + axis.d2p(trace.x[number]);
    });
  });
  return (Math.max(...places) - Math.min(...places)) / box.width;
}"""
).replace("PROJECT", PROJECT)
VISIBLE = f"""() => Object.fromEntries(document.querySelector("{PLOT}").data.filter((trace) => trace.legendgroup)
  .map((trace) => [trace.meta, trace.visible ?? true]))"""
EYE = f"() => ({{...document.querySelector('{PLOT}')._fullLayout.scene._scene.getCamera().eye}})"


def wide(page):
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function(f"() => document.querySelector('{PLOT}')._fullLayout.width > 1000", timeout=WAIT_MS)


def test_points_fill_the_picture_in_space_and_in_a_plane(open_page):
    page = open_page("04_knob_paths.ipynb")
    wide(page)
    spans(page, 0.5)
    page.get_by_role("button", name="2-D", exact=True).click()
    page.wait_for_function(f"() => document.querySelector('{PLOT}')?.data?.[0]?.type === 'scatter'", timeout=WAIT_MS)
    wide(page)
    spans(page, 0.8)


def spans(page, share):
    """Wait until the points reach over a share of the picture's width: a figure is drawn in several frames."""
    page.wait_for_function(f"([share, ...of]) => ({SPAN})(of) >= share", arg=[share, PLOT, "data set"], timeout=WAIT_MS)


def hidden(page):
    """Return the effects that the legend hides, the same in all views."""
    found = {}
    for name, visible in page.evaluate(VISIBLE).items():
        if name.startswith("view "):
            found.setdefault(name.split()[-1], set()).add(visible)
    assert all(len(states) == 1 for states in found.values()), found
    return {effect for effect, states in found.items() if states == {"legendonly"}}


@pytest.fixture
def clusters(open_page):
    page = open_page("03_effect_clusters.ipynb")
    wide(page)
    return page


def wait_until_hidden(page, number):
    page.wait_for_function(
        f"(n) => document.querySelector('{PLOT}').data.filter((one) => one.visible === 'legendonly').length === n",
        arg=number,
        timeout=WAIT_MS,
    )


def test_the_legend_hides_and_solos_effects_in_all_views(clusters):
    keys = clusters.locator(".lfx-legend button")
    assert keys.count() == 10 and keys.first.inner_text() == "CLN clean"
    delay = clusters.get_by_role("button", name="DLY delay")
    delay.click()
    wait_until_hidden(clusters, 4)
    assert hidden(clusters) == {"DLY"} and delay.get_attribute("aria-pressed") == "false"
    delay.click(modifiers=["Alt"])
    wait_until_hidden(clusters, 36)
    assert "DLY" not in hidden(clusters)
    clusters.get_by_label("Large view").select_option("UMAP, time-averaged")  # a new figure leaves it as it is
    clusters.wait_for_function(
        f"() => document.querySelector('{PLOT}').layout.scene2.domain.x[0] === 0", timeout=WAIT_MS
    )
    wait_until_hidden(clusters, 36)
    delay.click(modifiers=["Alt"])
    wait_until_hidden(clusters, 0)


def test_the_wheel_zooms_only_when_it_is_meant_to(clusters):
    box = clusters.locator(PLOT).bounding_box()
    clusters.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    before = clusters.evaluate(EYE)
    clusters.mouse.wheel(0, 300)
    clusters.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    assert clusters.evaluate(EYE) == before
    clusters.locator(PLOT).focus()
    clusters.mouse.wheel(0, 300)
    clusters.wait_for_function(
        f"(eye) => JSON.stringify(({EYE})()) !== JSON.stringify(eye)", arg=before, timeout=WAIT_MS
    )


def test_what_is_not_looked_for_fades_and_the_count_is_said(clusters):
    clusters.get_by_placeholder("Find: clip, instrument, effect").fill("piano hpf")
    clusters.get_by_text("32 of 640 points").wait_for(timeout=WAIT_MS)
    clusters.get_by_role("button", name="Clear").click()
    clusters.get_by_text("32 of 640 points").wait_for(state="hidden", timeout=WAIT_MS)


def drawn_traces(page, name):
    """Return trace -> whether it is visible, of those whose names begin so and that draw anything."""
    script = f"""(name) => Object.fromEntries(document.querySelector("{PLOT}")._fullData
      .filter((trace) => trace.meta?.startsWith(name) && trace.visible !== false && trace.x?.length)
      .map((trace) => [trace.meta, trace.visible]))"""
    return page.evaluate(script, name)


def wait_for_traces(page, name, number):
    script = f"""([name, number]) => document.querySelector("{PLOT}")._fullData
      .filter((trace) => trace.meta?.startsWith(name) && trace.visible === true && trace.x?.length).length === number"""
    page.wait_for_function(script, arg=[name, number], timeout=WAIT_MS)


def test_the_cloud_of_page_04_is_coloured_soloed_and_searched(open_page):
    page = open_page("04_knob_paths.ipynb")
    wide(page)
    assert drawn_traces(page, "data set") == {"data set": True}  # quiet, as it opens
    page.get_by_label("Cloud").select_option("by effect")
    wait_for_traces(page, "data set", 10)
    page.get_by_role("button", name="DLY delay").click(modifiers=["Alt"])
    wait_for_traces(page, "data set", 1)
    assert drawn_traces(page, "data set")["data set DLY"] is True
    page.get_by_role("button", name="DLY delay").click(modifiers=["Alt"])
    wait_for_traces(page, "data set", 10)
    page.get_by_placeholder("Find: clip, instrument, effect").fill("guitar dly")
    page.get_by_text("32 of 640 points").wait_for(timeout=WAIT_MS)
    page.locator(PLOT).focus()
    page.keyboard.press("Escape")
    page.get_by_text("32 of 640 points").wait_for(state="hidden", timeout=WAIT_MS)
    assert page.console_errors == []


def test_the_legend_of_page_08_hides_and_solos_ones_own_points(open_page):
    page = open_page("08_your_own_audio.ipynb", query="&encoder=logmel")
    wide(page)
    assert page.locator(".lfx-legend button").count() == 0  # there is nothing yet that could be hidden
    drop(page, "riff.wav", wav(1, 200_000))
    page.get_by_text("riff.wav").first.wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Encode", exact=True).click()
    wait_for_traces(page, "points ", 10)
    page.get_by_role("button", name="HPF high-pass filter").click(modifiers=["Alt"])
    wait_for_traces(page, "points ", 1)
    assert drawn_traces(page, "points ")["points HPF"] is True
    assert drawn_traces(page, "bundled clips") == {"bundled clips": True}
    page.get_by_role("button", name="HPF high-pass filter").click(modifiers=["Alt"])
    wait_for_traces(page, "points ", 10)
    page.get_by_role("button", name="RVB reverb").click()
    wait_for_traces(page, "points ", 9)
    assert page.console_errors == []
