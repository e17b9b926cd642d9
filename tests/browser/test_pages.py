"""The pages as a reader meets them: in Voila and headless Chromium, drawn, turned, clicked, heard and quiet.

A screenshot of each lies in pytest's folder for temporary files, for looking at.
"""

from __future__ import annotations

import base64
import io
import re
import urllib.parse

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages import all_pages

from .conftest import NUMBER_OF, PROJECT, TAP, TWO_FRAMES, WAIT_MS, pick
from .looks import CUT_OFF, HARD_TO_READ, OVERLAPPING, UNFILLED, UNNAMED

pytestmark = [pytest.mark.browser, pytest.mark.ci]

IMAGE = ".js-plotly-plot .heatmaplayer image"
PATIENCE_MS = 300  # a sound that starts by itself has started by then
# Screen places of all points of a trace, by the harness's own projection.
ALL_PLACES = f"""(curve, selector = ".js-plotly-plot") => {{
  const one = {PROJECT}, trace = document.querySelector(selector)._fullData[curve];
  return Array.from(trace.x, (_, number) => one([selector, curve, number]));
}}"""
DIAMONDS = """() => {
  const {x, y, z} = document.querySelector(".js-plotly-plot").data.find(({meta}) => meta === "knob");
  return JSON.stringify([Array.from(x), Array.from(y), Array.from(z)]);
}"""

IMAGE_SUMS = """() => document.querySelector(".js-plotly-plot")._fullData.map(
  ({z}) => Array.from(z).reduce((sum, row) => sum + Array.from(row).reduce((a, b) => a + b), 0))"""
SUMS_ARE_NOT = f"(sums) => JSON.stringify(({IMAGE_SUMS})()) !== JSON.stringify(sums)"
# A file is dropped on the panel, not on the box for files.
DROP = """([name, content]) => {
  const panel = document.querySelector(".latentfx-panel"), dataTransfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  dataTransfer.items.add(new File([bytes], name, {type: "audio/wav"}));
  const options = {dataTransfer, bubbles: true, cancelable: true};
  ["dragover", "drop"].forEach((kind) => panel.dispatchEvent(new DragEvent(kind, options)));
}"""
DROPPED = """() => document.querySelector(".latentfx-panel").innerText.includes("dropped.wav")
  || [...document.querySelectorAll("option:checked")].some(({innerText}) => /^your.own.audio/.test(innerText))"""
dropped = set()  # the pages that a file was dropped on


@pytest.fixture
def opened(open_page, tmp_path):
    """Open a page; at the end, keep a screenshot and check what every page must keep to.

    A file that is dropped on a page becomes its clips: once a page.
    """
    pages = []

    def open_one(name, **options):
        page = open_page(f"{name}.ipynb", **options)
        pages.append((name, page))
        if options.get("color_scheme") == "dark":
            assert_dark(page)
        return page

    yield open_one
    for name, page in pages:
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert page.evaluate(UNFILLED) == []
        assert page.evaluate(UNNAMED) == 0
        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate(OVERLAPPING) == []
        assert page.evaluate(HARD_TO_READ) == []
        if name not in dropped and page.locator(".latentfx-drop").count():
            dropped.add(name)
            page.evaluate(DROP, ["dropped.wav", base64.b64encode(pluck(3)).decode()])
            page.wait_for_function(DROPPED, timeout=WAIT_MS)
            page.wait_for_timeout(PATIENCE_MS)
            assert "unexpected" not in page.locator(".latentfx-panel").inner_text()
        assert page.console_errors == []
        assert page.outside_requests == []


def pluck(seconds):
    """Return plucked notes as a WAV file."""
    content, time_s = io.BytesIO(), np.arange(seconds * 48_000) / 48_000
    soundfile.write(content, 0.2 * np.sin(2 * np.pi * 220 * time_s) * np.exp(-3 * (time_s % 0.5)), 48_000, format="WAV")
    return content.getvalue()


def open_drawer(page, section):
    """Open a section of the drawer by its tab."""
    page.locator(f'.lfx-tab[data-section="{section}"]').click()


def state(page):
    return page.locator(".latentfx-player").evaluate("(root) => ({...root.dataset})")


def title(page):
    return page.locator(".latentfx-player .lfx-title").inner_text()


def wait_for_sound(page, before):
    """Return the player's state once it holds another wet sound than `before`."""
    page.wait_for_function(
        "(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=before["wet"], timeout=WAIT_MS
    )
    return state(page)


def wait_for_title(page, text):
    page.wait_for_function(
        "(text) => document.querySelector('.latentfx-player .lfx-title').innerText.includes(text)",
        arg=text,
        timeout=WAIT_MS,
    )


def turn(page, presses, key="ArrowRight"):
    """Turn the knob as a reader does with the keyboard."""
    page.locator(".latentfx-panel .lfx-dial-knob").first.focus()
    for _ in range(presses):
        page.keyboard.press(key)


OWN_POINTS = """() => document.querySelector(".js-plotly-plot").data
  .filter(({meta, visible, x}) => meta?.startsWith("points ") && visible !== false && x)
  .reduce((sum, {x}) => sum + x.length, 0)"""


def lone_point(page, curve, avoid=-1, selector=".js-plotly-plot"):
    """Return the point of a trace that is furthest from all others on the screen, so that none hides it.

    `avoid` is one that is heard already, or several.
    """
    places = np.array(page.evaluate(f"(asked) => ({ALL_PLACES})(...asked)", [curve, selector]), float)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    apart[np.isnan(apart)] = np.inf  # a gap between two paths is no point
    distances = np.where(np.isnan(places).any(axis=1), -1.0, apart.min(axis=1))
    distances[np.isin(np.arange(len(distances)), avoid)] = -1.0
    return int(np.argmax(distances))


def assert_silent(page):
    page.wait_for_timeout(PATIENCE_MS)
    assert state(page)["playing"] == "false"
    assert state(page)["time"] == "0.000"


def assert_plain(page):
    """The words stand on the page, and no code and no error."""
    text = page.locator("#rendered_cells").inner_text()
    assert len(text) > 300
    for unwanted in ("import latentfx_nb", "lfx.", "Traceback", "That did not work"):
        assert unwanted not in text.replace('lfx.load_clips("/a/folder")', "")


def assert_dark(page):
    """The page and its figure are dark all over."""
    page.wait_for_function(
        "document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor === '#1e1e1e'", timeout=WAIT_MS
    )
    page.evaluate(TWO_FRAMES)
    assert np.median(Image.open(io.BytesIO(page.screenshot())).convert("L")) < 60


def same_size(one, other):
    """Return both shots cut to the smaller: the scale beside an image may take a pixel of its width."""
    rows, columns = np.minimum(one.shape, other.shape)[:2]
    return one[:rows, :columns], other[:rows, :columns]


def pixels_like(shot, *colours):
    """Return how many pixels of a shot are within a shade of each colour "#rrggbb"."""
    wanted = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]
    return [int((np.abs(shot.astype(int) - rgb).max(axis=-1) < 48).sum()) for rgb in wanted]


def test_the_front_page_leads_to_pages_that_answer(opened):
    page = opened("00_start_here")
    assert page.locator(".latentfx-panel").count() == 1
    more = page.get_by_role("link", name="All pages")
    assert more.bounding_box()["y"] + more.bounding_box()["height"] <= page.viewport_size["height"]  # seen at once
    cards = page.locator(".latentfx-cards a").all()
    assert len(cards) == len(all_pages())
    for card, (name, one) in zip(cards, all_pages().items()):
        assert card.is_visible()
        assert card.inner_text().split("\n")[0] == one.title
        assert one.blurb in card.inner_text()
        assert card.bounding_box()["width"] > 200
        assert card.locator("img:visible").count() == 1
        assert card.get_attribute("data-page") == name
        assert urllib.parse.urlsplit(card.get_attribute("href")).path.endswith(f"{name}.ipynb")
    more.click()
    page.wait_for_function("document.querySelector('.latentfx-cards').getBoundingClientRect().top < 100")
    # An answer is a page that has run: one of them will do, as the other tests open them all.
    answer = page.request.get(urllib.parse.urljoin(page.url, card.get_attribute("href")), timeout=3 * WAIT_MS)
    assert answer.status == 200
    assert one.title in answer.text()
    page.locator(".lfx-tab[data-section=facts]").click()
    assert "ready" in page.locator(".latentfx-encoders tr", has_text=re.compile("^logmel(?!-)")).inner_text()


def test_the_front_page_has_three_steps_that_tick_themselves_off(opened):
    page = opened("00_start_here")
    steps = page.get_by_role("region", name="Three things to try")
    done = ".lfx-coach [data-done=true]"
    steps.get_by_role("button", name="Press play").wait_for()
    assert page.locator(done).count() == 0
    page.wait_for_selector(".lfx-play:enabled")
    steps.get_by_role("button", name="Press play").press("Enter")
    assert page.evaluate("document.activeElement.className") == "lfx-play"
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{done}[data-step=play]")
    page.locator(".lfx-sides [aria-pressed=false]").first.click()
    page.wait_for_selector(f"{done}[data-step=side]")
    assert page.locator(done).count() == 2  # the page has set the knob itself, which is no step
    page.locator(".lfx-rail [role=slider]").first.press("ArrowUp")
    page.wait_for_selector(f"{done}[data-step=turn]")
    steps.get_by_text("That was the whole instrument").wait_for()
    steps.get_by_role("button", name="Close").click()
    steps.wait_for(state="detached")
    page.reload()
    page.locator(".latentfx-dial").wait_for()
    page.wait_for_function("document.querySelector('.lfx-tab')")
    assert steps.count() == 0


def test_latent_images_are_drawn_and_follow_the_knob(opened, scene):
    page = opened("01_latent_images")
    assert_plain(page)
    page.wait_for_function("(image) => document.querySelectorAll(image).length === 6", arg=IMAGE, timeout=WAIT_MS)
    for index in range(6):
        assert scene.pixels(page, IMAGE, index) > 200
    assert_silent(page)
    first = state(page)
    assert title(page).endswith("Distortion, drive 25 dB")
    shots, sums = [scene.shot(page, IMAGE, index) for index in (4, 5)], page.evaluate(IMAGE_SUMS)
    turn(page, 1, "Shift+End")
    wait_for_title(page, "drive 0 dB")
    after = wait_for_sound(page, first)
    assert after["dry"] == first["dry"]
    page.wait_for_function(SUMS_ARE_NOT, arg=sums, timeout=WAIT_MS)  # the images come after the sound
    scene.settle(page)
    changed = [before != after for before, after in zip(sums, page.evaluate(IMAGE_SUMS), strict=True)]
    assert changed == [False, True, True, False, True, True]
    for before, index in zip(shots, (4, 5)):
        assert scene.changed(*same_size(before, scene.shot(page, IMAGE, index))) > 200
    assert_silent(page)


def test_latent_images_offer_the_reconstruction_where_the_encoder_has_a_decoder(opened):
    encoders = list_encoders()
    ready = encoders.index[encoders["present"] & encoders["has_decoder"]]
    if ready.empty:
        pytest.skip("no encoder with a decoder has its weights here: LATENTFX_WEIGHTS names their folder")
    page = opened("01_latent_images", color_scheme="dark")
    decoded = page.locator("[data-side=decoded]")
    pick(page, "Encoder", "logmel")
    page.get_by_text("logmel has no decoder").wait_for(state="attached", timeout=WAIT_MS)
    decoded.wait_for(state="hidden", timeout=WAIT_MS)
    pick(page, "Encoder", ready[-1])
    decoded.wait_for(state="visible", timeout=WAIT_MS)
    assert page.get_by_text("has no decoder").count() == 0
    decoded.click()
    turn(page, 1, "Shift+End")
    wait_for_title(page, "drive 0 dB")
    page.wait_for_function("document.querySelector('.latentfx-player').dataset.listening === 'wet'", timeout=WAIT_MS)
    decoded.wait_for(state="visible", timeout=WAIT_MS)
    page.wait_for_function("!document.querySelector('.latentfx-status').innerText.trim()", timeout=WAIT_MS)
    assert_silent(page)


@pytest.mark.parametrize("encoder", ["efficientat-mn04", "yamnet"])
def test_latent_images_are_drawn_of_a_published_classifier(opened, scene, encoder):
    """One has 384 dims and 18 frames, the other 1024 and 11: neither is like what ships."""
    if not list_encoders().loc[encoder, "present"]:
        pytest.skip(f"{encoder} has no weights here: LATENTFX_WEIGHTS names their folder")
    page = opened("01_latent_images", query=f"&encoder={encoder}")
    page.wait_for_function("(image) => document.querySelectorAll(image).length === 6", arg=IMAGE, timeout=WAIT_MS)
    for index in range(6):
        assert scene.pixels(page, IMAGE, index) > 200
    assert page.get_by_text(f"{encoder} has no decoder").count() == 1
    first, sums = state(page), page.evaluate(IMAGE_SUMS)
    turn(page, 1, "Shift+End")
    wait_for_title(page, "drive 0 dB")
    wait_for_sound(page, first)
    page.wait_for_function(SUMS_ARE_NOT, arg=sums, timeout=WAIT_MS)
    assert_silent(page)


def test_effect_clusters_fill_four_scenes_and_sound_when_clicked(opened, scene):
    page = opened("03_effect_clusters")
    assert_plain(page)
    assert page.locator(".js-plotly-plot").count() == 1
    for index in range(4):
        assert scene.pixels(page, index=index) > 200
    assert_silent(page)
    number = 0
    for curve in (0, 3):
        before, number = state(page), lone_point(page, curve, avoid=number)
        text = page.evaluate("([c, n]) => document.querySelector('.js-plotly-plot').data[c].text[n]", [curve, number])
        assert scene.click_point(page, curve, number) == (curve, number)
        wait_for_sound(page, before)
        clip, effect = text.removeprefix("<b>").split("</b>")[0], text.split("<br>")[1]
        wait_for_title(page, f"{clip}: {effect}")
        assert_silent(page)


def test_effect_clusters_take_another_colour(opened, scene):
    page = opened("03_effect_clusters", color_scheme="dark")
    assert min(pixels_like(scene.shot(page), "#9f04fa", "#ff00fe")) > 100  # two of the ten effects
    page.get_by_role("button", name="instrument").click()
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot').data"
        ".filter(({meta, visible}) => meta?.startsWith('view 1 ') && visible !== false).length === 2",
        timeout=WAIT_MS,
    )
    scene.settle(page)
    guitar, piano, reverb = pixels_like(scene.shot(page), "#d55e00", "#0072b2", "#9f04fa")
    assert min(guitar, piano) > 100
    assert reverb == 0


def test_knob_paths_are_drawn_and_follow_the_knob(opened, scene):
    page = opened("04_knob_paths")
    assert_plain(page)
    assert scene.pixels(page) > 200
    assert_silent(page)
    first, before, diamonds = state(page), scene.shot(page), page.evaluate(DIAMONDS)
    assert first["dry"] == first["wet"] == ""  # nothing is rendered before it is asked for
    turn(page, 40)
    assert wait_for_sound(page, first)["dry"]
    assert page.evaluate(DIAMONDS) != diamonds
    scene.settle(page)
    assert scene.changed(before, scene.shot(page)) > 100
    assert_silent(page)


LOUD = """() => {
  const levels = new Float32Array(window.latentfxTap?.fftSize ?? 0);
  window.latentfxTap?.getFloatTimeDomainData(levels);
  return levels.some((level) => Math.abs(level) > 1e-3);
}"""


def test_play_pressed_first_thing_makes_the_sound_and_plays_it(opened):
    page = opened("04_knob_paths")
    player = page.locator(".latentfx-player")
    assert title(page) == "gtr_00_a: High-pass filter, cutoff frequency 2 kHz"
    assert page.locator(".lfx-clock").inner_text() == "0.0 / 5.5 s"
    assert_silent(page)
    assert state(page)["wet"] == ""
    page.evaluate(TAP)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(
        "() => { const {wet, playing, time} = document.querySelector('.latentfx-player').dataset;"
        " return wet && playing === 'true' && +time > 0.1; }",
        timeout=WAIT_MS,
    )
    page.wait_for_function(LOUD, timeout=WAIT_MS)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("document.querySelector('.latentfx-player').dataset.playing === 'false'", timeout=WAIT_MS)
    before = state(page)
    page.get_by_label("Effect", exact=True).select_option("Chorus")  # a choice loads, and does not start
    assert wait_for_sound(page, before)["dry"] == before["dry"]
    wait_for_title(page, "gtr_00_a: Chorus, rate 1 Hz")
    assert player.get_attribute("data-playing") == "false"


@pytest.mark.ci
@pytest.mark.parametrize("pressed", ["bar", "side"])
def test_the_position_and_a_side_ask_for_the_sound_too(opened, pressed):
    page = opened("03_effect_clusters")
    if pressed == "bar":
        page.get_by_role("slider", name="Position in seconds").fill("2.5")
        page.locator(".lfx-seek").dispatch_event("change")
    else:
        page.get_by_role("button", name="Dry").click()
    page.wait_for_function("document.querySelector('.latentfx-player').dataset.wet", timeout=WAIT_MS)
    page.wait_for_timeout(PATIENCE_MS)
    assert state(page)["playing"] == "false"
    assert state(page)["time"] == ("2.500" if pressed == "bar" else "0.000")
    assert state(page)["listening"] == ("wet" if pressed == "bar" else "dry")


def click_cell(page, index, across, down):
    """Click into the middle of a heat map's cell, counted from its upper left corner."""
    place = page.evaluate(
        """([index, across, down]) => {
          const plot = document.querySelector(".js-plotly-plot"), trace = plot._fullData[index];
          const axes = [trace.xaxis.replace("x", "xaxis"), trace.yaxis.replace("y", "yaxis")];
          const [x, y] = axes.map((name) => plot._fullLayout[name]), box = plot.getBoundingClientRect();
          return [box.left + x._offset + x.c2p(across), box.top + y._offset + y.c2p(down)];
        }""",
        [index, across, down],
    )
    page.mouse.move(*place)
    page.mouse.click(*place)


def trace(page, number):
    return page.evaluate(
        """(number) => {
          const {name, x, y, visible} = document.querySelector(".js-plotly-plot").data[number];
          return {name, visible, x: Array.from(x || []), y: Array.from(y || [])};
        }""",
        number,
    )


def number_of(page, name):
    """Return where the trace of that name stands in the page's figure."""
    find = "(name) => document.querySelector('.js-plotly-plot').data.findIndex(({meta}) => meta === name)"
    return page.evaluate(find, name)


def test_linear_probes_are_trained_and_confusions_are_heard(opened):
    page = opened("05_linear_probes")
    assert_plain(page)
    first = trace(page, number_of(page, "bars 1"))
    assert first["name"] == "diffae-mini-T" and first["x"][-1] == "overall"
    assert 50 < first["y"][-1] < 100
    assert page.get_by_text("paper: DiffAE-T").count() == 1
    page.get_by_label("Seeds").select_option("1")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("10 probes trained").wait_for(timeout=WAIT_MS)
    again = trace(page, number_of(page, "bars 1"))
    assert again["x"] == first["x"] and again["y"] != first["y"]
    before = state(page)
    click_cell(page, number_of(page, "confusions"), 0, 3)
    page.get_by_text("DLY named CLN", exact=True).wait_for(timeout=WAIT_MS)
    wait_for_sound(page, before)
    wait_for_title(page, "Delay (DLY named CLN)")
    page.get_by_role("button", name="Compare learning rates").click()
    rates = "document.querySelector('.js-plotly-plot').data?.find(({meta}) => meta === 'rates 1')?.x"
    page.wait_for_function(f"{rates}?.length === 6", timeout=WAIT_MS)
    assert_silent(page)
    open_drawer(page, "facts")
    # What was found is saved from the page: the table, the figure as a page and as PNG.
    with page.expect_download(timeout=WAIT_MS) as download:
        page.locator("a[download='linear_probes.csv']").click()
    assert download.value.suggested_filename == "linear_probes.csv"
    assert "diffae-mini-T" in download.value.path().read_text()
    open_drawer(page, "export")
    with page.expect_download(timeout=WAIT_MS) as download:
        page.get_by_role("button", name="Page (HTML)", exact=True).click()
    assert download.value.suggested_filename == "linear_probes.html"
    assert "Plotly.newPlot" in download.value.path().read_text(encoding="utf-8")
    for kind, begin in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with page.expect_download(timeout=WAIT_MS) as download:
            page.get_by_role("button", name=f"Picture ({kind})", exact=True).click()
        assert download.value.suggested_filename == f"linear_probes.{kind.lower()}"
        assert download.value.path().read_bytes().startswith(begin)
    open_drawer(page, "code")
    page.get_by_text("lfx.train_probes(features").wait_for(timeout=WAIT_MS)


def test_dimension_masking_is_clicked_heard_and_drawn(opened):
    page = opened("06_dimension_masking")
    assert_plain(page)
    assert number_of(page, "line 1") == -1
    assert page.get_by_text("click a cell to hear its effect").count() == 1
    before = state(page)
    assert before["wet"] == ""
    click_cell(page, number_of(page, "map"), 20, 7)
    wait_for_sound(page, before)
    wait_for_title(page, "gtr_00_a: Reverb")
    wet = "document.querySelector('.js-plotly-plot').data?.find(({meta}) => meta === 'line 2')"
    page.wait_for_function(f"{wet}?.name === 'dim 20, RVB'", timeout=WAIT_MS)
    clean = trace(page, number_of(page, "line 1"))
    assert clean["name"] == "dim 20, clean" and len(clean["y"]) == 2048
    page.get_by_label("Hide", exact=True).select_option("two dims")
    page.get_by_label("Effect", exact=True).select_option("Delay")
    page.get_by_role("button", name="Train", exact=True).click()
    cells = "document.querySelector('.js-plotly-plot').data?.find(({meta}) => meta === 'map')"
    page.wait_for_function(f"{cells}?.z.length === 64", timeout=WAIT_MS)
    wait_for_title(page, "gtr_00_a: Delay")
    assert_silent(page)


def test_a_click_on_a_path_is_heard_and_another_effect_is_drawn(opened, scene):
    page = opened("04_knob_paths", color_scheme="dark")
    # Its paths keep clear of each other and of the cloud, so that a point of theirs can be hit.
    before = page.evaluate(ALL_PLACES, 1)
    pick(page, "Encoder", "logmel")
    moved = f"(before) => JSON.stringify(({ALL_PLACES})(1)) !== JSON.stringify(before)"
    page.wait_for_function(moved, arg=before, timeout=WAIT_MS)
    scene.settle(page)
    first = state(page)
    number = lone_point(page, 1, avoid=range(33))  # the heard path lies over the first
    text = page.evaluate("(n) => document.querySelector('.js-plotly-plot').data[1].text[n]", number)
    assert scene.click_point(page, 1, number) == (1, number)
    wait_for_sound(page, first)
    clip, setting = text.removeprefix("<b>").split("</b><br>")
    wait_for_title(page, f"{clip}: High-pass filter, {setting}")
    assert_silent(page)

    before = state(page)
    page.get_by_label("Effect", exact=True).select_option("Distortion")
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot').data[1].text[0].endsWith('drive 0 dB')", timeout=WAIT_MS
    )
    wait_for_sound(page, before)
    wait_for_title(page, "Distortion, drive 25 dB")
    scene.settle(page)
    assert scene.pixels(page) > 200
    assert_silent(page)


MARKERS = """() => {
  const { data } = document.querySelector(".js-plotly-plot"), now = data.find(({ meta }) => meta === "now");
  return [Array.from(now.x), Array.from(now.y), Array.from(now.z)];
}"""


def test_markers_run_along_trajectories_with_the_sound(opened, scene):
    page = opened("02_trajectories")
    assert_plain(page)
    assert scene.pixels(page) > 200
    assert_silent(page)
    start = page.evaluate(MARKERS)
    assert len(start[0]) == 2
    page.locator(".lfx-play").click()
    page.wait_for_function(f"(start) => JSON.stringify(({MARKERS})()) !== start", arg=str(start), timeout=WAIT_MS)
    page.wait_for_function("+document.querySelector('.latentfx-player').dataset.time > 0.5", timeout=WAIT_MS)
    page.locator(".lfx-play").click()
    # Paused, and then dragged by its bar: each marker stands on its trajectory, at the time that the player shows.
    page.locator(".lfx-seek").evaluate("(bar) => { bar.value = 2.5; bar.dispatchEvent(new Event('input')); }")
    page.wait_for_function("document.querySelector('.latentfx-player').dataset.time === '2.500'", timeout=WAIT_MS)
    on_path = f"""() => {{
      const {{ data }} = document.querySelector(".js-plotly-plot"), [x] = ({MARKERS})();
      return x.every((at, number) => {{
        const path = data.find(({{ meta }}) => meta === `trajectory ${{1 + number}}`), frame = path.x.indexOf(at);
        return path.text[frame] && Math.abs(parseFloat(path.text[frame].split("<br>")[1]) - 2.5) < 0.02;
      }});
    }}"""
    page.wait_for_function(on_path, timeout=WAIT_MS)
    before = state(page)
    pick(page, "Effects", "Reverb", "Clean", "Distortion")
    wait_for_sound(page, before)
    wait_for_title(page, "gtr_00_a, reverb")
    page.wait_for_function(f"() => ({MARKERS})()[0].length === 1", timeout=WAIT_MS)


def test_latent_algebra_is_heard_and_scored(opened, scene):
    page = opened("07_latent_algebra")
    assert_plain(page)
    assert scene.pixels(page) > 200
    page.wait_for_function("document.querySelector('.latentfx-player').dataset.algebra", timeout=WAIT_MS)
    labels = ["Dry", "Real effect", "Decoded effect", "Decoded algebra"]
    assert page.locator(".lfx-sides button:visible").all_inner_texts() == labels
    page.get_by_role("button", name="Decoded algebra").click()
    algebra = state(page)["algebra"]
    turn(page, 4, "ArrowLeft")
    other = "(old) => ![old, ''].includes(document.querySelector('.latentfx-player').dataset.algebra)"
    page.wait_for_function(other, arg=algebra, timeout=WAIT_MS)
    assert state(page)["listening"] == "algebra"
    scores = page.locator(".latentfx-table", has_text="better than nothing")
    assert scores.locator("tr").count() == 10
    page.get_by_role("button", name="Between two clips").click()
    wait_for_title(page, "50% of the way from gtr_00_a")
    page.locator(".lfx-sides button", has_text="Other clip").wait_for(timeout=WAIT_MS)
    assert_silent(page)


def test_encoders_are_compared_and_sorted(opened):
    page = opened("09_compare_encoders")
    assert_plain(page)
    first = page.locator(".latentfx-sorted tbody th")
    assert {"diffae-mini", "stacked-mini-2", "logmel"} <= set(first.all_inner_texts())
    turns = page.get_by_role("button", name="turns", exact=True)
    assert "total curvature" in turns.get_attribute("title")
    for way, of in (("ascending", 1), ("descending", -1)):
        turns.press("Enter")
        page.wait_for_selector(f"th[aria-sort={way}] button[data-column=curvature]")
        assert page.evaluate("document.activeElement.dataset.column") == "curvature"  # it may be pressed again
        column = page.evaluate(
            "[...document.querySelectorAll('thead th')].findIndex((one) => one.ariaSort !== 'none' && one.ariaSort)"
        )
        cells = [
            float(one)
            for one in page.locator(f".latentfx-sorted tbody tr > :nth-child({column + 1})").all_inner_texts()
        ]
        assert cells == sorted(cells)[::of]
        names = first.all_inner_texts()
        page.wait_for_function(
            "(names) => String(document.querySelector('.js-plotly-plot').data[0].text) === String(names)", arg=names
        )
    assert page.locator(".latentfx-sorted td.lfx-best").count() >= len(cells)


@pytest.mark.ci
@pytest.mark.parametrize("name", [name for name in all_pages() if name[:2] not in ("01", "03", "04")])
def test_other_pages_are_dark_all_over_too(opened, name):
    """That its words can be read is checked of every page."""
    opened(name, color_scheme="dark")


def test_files_of_ones_own_are_handed_in_seen_and_heard(opened, scene, tmp_path):
    page = opened("08_your_own_audio")
    assert_plain(page)
    (tmp_path / "pluck.wav").write_bytes(pluck(4))
    (tmp_path / "empty.wav").write_bytes(b"")
    page.locator(".latentfx-drop input").set_input_files([tmp_path / "pluck.wav", tmp_path / "empty.wav"])
    page.get_by_text("4.0 s, 48000 Hz, mono").wait_for(timeout=WAIT_MS)
    page.get_by_text("Left out: empty.wav cannot be read as audio").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Encode", exact=True).click()
    page.wait_for_function(f"() => ({OWN_POINTS})() === 10", timeout=WAIT_MS)
    wait_for_title(page, "pluck: Clean")
    before = state(page)
    scene.settle(page)
    curve = page.evaluate(NUMBER_OF, "points HPF")
    assert scene.click_point(page, curve, 0) == (curve, 0)
    wait_for_sound(page, before)
    assert_silent(page)
    (tmp_path / "long.wav").write_bytes(pluck(110))
    page.locator(".latentfx-drop input").set_input_files(tmp_path / "long.wav")
    page.get_by_text("110.0 s, 48000 Hz, mono").wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name="Encode", exact=True).click()
    page.get_by_role("button", name="Cancel").click(timeout=WAIT_MS)
    page.get_by_text("Stopped; what was finished is kept.").wait_for(timeout=WAIT_MS)
    assert page.evaluate(OWN_POINTS) == 10
