"""The player and the test harness themselves, on a small page: a 3-D figure, a slider and two players."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .conftest import TAP

pytestmark = pytest.mark.browser

PAGE = """
import time

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from IPython.display import display
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.player import Player

time_s = np.arange(3 * 48000) / 48000
def tone(frequency_hz):
    return np.tile(0.2 * np.sin(2 * np.pi * frequency_hz * time_s), (2, 1)).astype(np.float32)

points = np.random.default_rng(0).uniform(-1, 1, (3, 60))
bridge, player, heard = Bridge(), Player(), ipywidgets.Label("nothing")
player.observe(lambda change: setattr(heard, "value", f"{player.time_s:.3f}"), "time_s")
heard.add_class("heard")
marker = dict(size=6, color=points[2], colorscale="Turbo")
figure = go.Figure(go.Scatter3d(x=points[0], y=points[1], z=points[2], mode="markers", marker=marker))
figure.add_trace(go.Scatter3d(x=[0.0], y=[0.0], z=[1.3], mode="markers", marker=dict(size=9, color="red")))
figure.update_layout(width=640, height=420, margin=dict(l=0, r=0, t=0, b=0), showlegend=False)
figure = go.FigureWidget(figure)
bridge.watch_over(figure, player)
slider = ipywidgets.FloatSlider(value=0, min=-1, max=1, step=0.1, description="Knob")
clicked = ipywidgets.Label("nothing")
clicked.add_class("clicked")

def turn(change):
    with figure.batch_update():
        figure.data[1].x, figure.data[1].y = [change["new"]], [change["new"]]

def choose(trace, chosen, state):
    if chosen.point_inds:
        clicked.value = str(chosen.point_inds[0])
        player.load(tone(220), tone(400 + 10 * chosen.point_inds[0]), title=f"Point {chosen.point_inds[0]}")

slider.observe(turn, "value")
figure.data[0].on_click(choose)
swap = ipywidgets.Button(description="Swap")
swap.on_click(lambda _: player.load(tone(220), tone(550), title="Swapped"))
decode = ipywidgets.Button(description="Decode")
decode.on_click(lambda _: player.load(tone(220), tone(330), title="With its reconstruction", decoded=tone(440)))
busy = ipywidgets.Button(description="Busy")
busy.on_click(lambda _: time.sleep(1.5))
offer = ipywidgets.Button(description="Offer")
offer.on_click(lambda _: player.offer(lambda: player.load(tone(220), tone(660), title="Made"), 3.0, "Offered"))
refuse = ipywidgets.Button(description="Refuse")
refuse.on_click(lambda _: player.offer(player.refuse, 3.0, "Refused"))
again = ipywidgets.Button(description="Again")

def start(_):
    player.load(tone(220), tone(330), title="Guitar 1, bars 1-2: high-pass at 400 Hz")
    slider.value, clicked.value = 0, "nothing"

again.on_click(start)
start(None)
buttons = ipywidgets.HBox([swap, decode, offer, refuse, busy, again, heard, clicked])
display(ipywidgets.VBox([figure, slider, player, buttons, bridge]))
"""

SLOW_PAGE = """
import ipywidgets
import numpy as np
import plotly.graph_objects as go
from IPython.display import display
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.player import Player

WAIT = "await new Promise((done) => setTimeout(done, 3000));"
class SlowPlayer(Player):
    _esm = WAIT + str(Player._esm)

class SlowBridge(Bridge):
    _esm = WAIT + str(Bridge._esm)

class SlowFigure(go.FigureWidget):
    _esm = WAIT + str(go.FigureWidget._esm)

noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 4800)).astype(np.float32)
player, figure = SlowPlayer(), SlowFigure(go.Figure(go.Scatter(x=[0, 1], y=[0, 1])))
player.offer(lambda: player.load(noise, noise, title="Made"), 0.1, title="Offered")
bridge = SlowBridge()
bridge.watch_over(figure)
button = ipywidgets.Button(description="Louder")

def louder(_):
    player.load(noise, 2 * noise, title="Louder")
    figure.data[0].y = [0, 2]

button.on_click(louder)
display(ipywidgets.VBox([figure, player, button, bridge]))
"""

SOUNDS_AT = """(frequency_hz) => {
  const tap = window.latentfxTap, levels_db = new Float32Array(tap.frequencyBinCount);
  tap.getFloatFrequencyData(levels_db);
  const loudest = Math.max(...levels_db), bin_hz = tap.context.sampleRate / tap.fftSize;
  return loudest > -40 && Math.abs(levels_db.indexOf(loudest) * bin_hz - frequency_hz) < 2 * bin_hz;
}"""


def notebook(path, code):
    """Write `code` as the one cell of a notebook and return its path."""
    cell = {"cell_type": "code", "id": "only", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    notebook(folder / "player.ipynb", PAGE)
    notebook(folder / "slow.ipynb", SLOW_PAGE)
    return folder


@pytest.fixture
def fresh_page(open_page, folder):
    """Yield the page as it opens, and then check what every page must keep to."""
    opened = open_page(folder / "player.ipynb")
    yield opened
    assert opened.console_errors == []
    assert opened.outside_requests == []


@pytest.fixture(scope="module")
def used_page(session_page, folder):
    """The page, with all that sounds tapped: opened once, as that takes longer than most tests."""
    opened = session_page(folder / "player.ipynb")
    opened.evaluate(TAP)
    return opened


@pytest.fixture
def page(used_page):
    """Yield a page that others have used, brought back to how it opens, and check it as a fresh one."""
    if state(used_page)["playing"] == "true":
        used_page.get_by_role("button", name="Pause").click()
    wait_for(used_page, playing="false")
    side(used_page, "wet").click()
    loop = used_page.get_by_role("button", name="Loop")
    if loop.get_attribute("aria-pressed") == "false":
        loop.click()
    used_page.get_by_role("slider", name="Position in seconds").fill("0")
    used_page.get_by_role("button", name="Again").click()
    used_page.get_by_text("Guitar 1, bars 1-2: high-pass at 400 Hz").wait_for()
    wait_for(used_page, time="0.000", listening="wet", decoded="")
    used_page.wait_for_function("document.querySelector('.clicked').innerText === 'nothing'")
    used_page.evaluate("window.latentfxShown = []")
    yield used_page
    assert used_page.console_errors == []
    assert used_page.outside_requests == []


def state(page):
    return page.locator(".latentfx-player").evaluate("(root) => ({...root.dataset})")


def wait_for(page, **expected):
    """Return once the player's data attributes are as expected."""
    page.wait_for_function(
        "(expected) => Object.entries(expected).every(([name, value]) => "
        "document.querySelector('.latentfx-player').dataset[name] === value)",
        arg=expected,
    )


def play_to(page, time_s):
    """Press Play, and return once the position is past that."""
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("(time_s) => +document.querySelector('.latentfx-player').dataset.time > time_s", arg=time_s)


def assert_in_step(page):
    """Since Play was pressed, and for some positions more, those shown have run with the clock of the sound."""
    shown = page.evaluate("window.latentfxShown.length")
    page.wait_for_function("(shown) => window.latentfxShown.length > shown + 3", arg=shown)
    position_s, clock_s = np.transpose(page.evaluate("window.latentfxShown"))
    ahead_s = position_s - clock_s
    off_s = (ahead_s - ahead_s[0] + 1.5) % 3 - 1.5  # of three seconds, in a loop
    assert np.abs(off_s).max() < 0.05


def test_the_page_is_ready_and_silent(fresh_page):
    page = fresh_page
    assert state(page)["ready"] == "true"
    assert float(state(page)["duration"]) == pytest.approx(3.0)
    assert state(page)["dry"] != state(page)["wet"]
    page.wait_for_timeout(400)
    assert state(page)["playing"] == "false"
    assert state(page)["time"] == "0.000"
    assert page.locator(".heard").inner_text() == "nothing"
    assert page.locator(".lfx-title").inner_text() == "Guitar 1, bars 1-2: high-pass at 400 Hz"
    assert 40 < page.locator(".latentfx-player").bounding_box()["height"] < 95


def test_the_position_advances_and_arrives_in_python(page):
    play_to(page, 0.6)
    assert_in_step(page)
    page.get_by_role("button", name="Pause").click()
    wait_for(page, playing="false")
    page.wait_for_function(
        "document.querySelector('.heard').innerText === document.querySelector('.latentfx-player').dataset.time"
    )


def test_a_b_keeps_the_position(page):
    wait_for(page, listening="wet")
    play_to(page, 0.3)
    page.get_by_role("button", name="Dry").focus()
    page.keyboard.press("Enter")
    wait_for(page, listening="dry", playing="true")
    assert page.get_by_role("button", name="Dry").get_attribute("aria-pressed") == "true"
    assert_in_step(page)


def side(page, name):
    """Return the button of a side, shown or not."""
    return page.locator(f".latentfx-player [data-side={name}]")


def test_decoded_is_offered_where_there_is_one(page):
    assert state(page)["decoded"] == ""
    assert [side(page, name).is_visible() for name in ("dry", "wet", "decoded")] == [True, True, False]
    before = page.locator(".latentfx-player").bounding_box()["height"]
    page.get_by_role("button", name="Decode", exact=True).click()
    side(page, "decoded").wait_for(state="visible")
    after = state(page)
    assert len({after[name] for name in ("dry", "wet", "decoded")} - {""}) == 3
    assert after["listening"] == "wet"
    assert after["playing"] == "false"
    assert page.get_by_role("button", name="Decoded").get_attribute("title") == (
        "What the model's decoder makes of the latents (3)"
    )
    assert page.locator(".latentfx-player").bounding_box()["height"] == before
    page.get_by_role("button", name="Swap").click()
    side(page, "decoded").wait_for(state="hidden")
    assert state(page)["decoded"] == ""


def test_switching_to_decoded_keeps_the_position_and_sounds(page):
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(SOUNDS_AT, arg=330)
    page.get_by_role("button", name="Decode", exact=True).click()
    side(page, "decoded").wait_for(state="visible")
    assert state(page)["listening"] == "wet"  # what arrives meanwhile changes nothing that is heard
    page.wait_for_function(SOUNDS_AT, arg=330)
    for name, frequency_hz in (("decoded", 440), ("dry", 220), ("decoded", 440), ("wet", 330)):
        side(page, name).click()
        wait_for(page, listening=name, playing="true")
        assert side(page, name).get_attribute("aria-pressed") == "true"
        page.wait_for_function(SOUNDS_AT, arg=frequency_hz)
    assert_in_step(page)


def test_who_listens_to_decoded_hears_wet_when_it_goes(page):
    page.get_by_role("button", name="Decode", exact=True).click()
    side(page, "decoded").click()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(SOUNDS_AT, arg=440)
    page.get_by_role("button", name="Swap").click()
    wait_for(page, listening="wet", decoded="", playing="true")
    assert side(page, "wet").get_attribute("aria-pressed") == "true"
    page.wait_for_function(SOUNDS_AT, arg=550)


def test_a_new_sound_swaps_in_at_the_same_position(page):
    play_to(page, 0.3)
    before = state(page)
    page.get_by_role("button", name="Swap").click()
    page.wait_for_function("document.querySelector('.lfx-title').innerText === 'Swapped'")
    page.wait_for_function("(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=before["wet"])
    after = state(page)
    assert after["dry"] == before["dry"]
    assert after["playing"] == "true"
    assert_in_step(page)


def test_a_new_sound_does_not_start(page):
    wet = state(page)["wet"]
    page.get_by_role("button", name="Swap").click()
    page.wait_for_function("(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=wet)
    page.wait_for_timeout(300)
    assert state(page)["playing"] == "false"


def test_an_offered_sound_is_made_when_it_is_played(page):
    page.get_by_role("button", name="Offer").click()
    wait_for(page, dry="", wet="", duration="0.000")
    assert page.locator(".lfx-title").inner_text() == "Offered"
    page.get_by_role("slider", name="Position in seconds").evaluate(
        "(bar) => { bar.value = 1.5; bar.dispatchEvent(new Event('input')); }"  # dragged, and not let go yet
    )
    wait_for(page, time="1.500", wet="")
    page.get_by_role("button", name="Play").click()
    wait_for(page, playing="true", duration="3.000")
    assert page.locator(".lfx-title").inner_text() == "Made"
    page.wait_for_function(SOUNDS_AT, arg=660)
    page.get_by_role("button", name="Pause").click()
    wait_for(page, playing="false")


def test_play_is_up_again_where_the_sound_cannot_be_made(page):
    page.get_by_role("button", name="Refuse").click()
    wait_for(page, dry="", wet="")
    page.get_by_role("button", name="Play").click()
    wait_for(page, playing="false", wet="")
    page.get_by_role("button", name="Offer").click()
    page.get_by_text("Offered").wait_for()
    page.get_by_role("button", name="Play").click()
    wait_for(page, playing="true", duration="3.000")


def test_seeking_and_the_end_without_a_loop(page):
    page.get_by_role("button", name="Loop").click()
    bar = page.get_by_role("slider", name="Position in seconds")
    bar.focus()
    page.keyboard.press("End")
    wait_for(page, time="3.000")
    bar.fill("2.5")
    page.get_by_role("button", name="Play").click()
    wait_for(page, playing="true")
    wait_for(page, playing="false", time="3.000")


def test_the_controls_work_before_the_first_play(fresh_page):
    page = fresh_page
    page.evaluate(TAP)
    page.get_by_role("button", name="Dry").click()
    wait_for(page, listening="dry")
    page.get_by_role("slider", name="Volume").fill("0.25")
    page.get_by_role("button", name="Loop").click()
    page.get_by_role("slider", name="Position in seconds").fill("1.5")
    wait_for(page, time="1.500", playing="false")
    play_to(page, 1.6)
    assert page.evaluate("window.latentfxShown[0][0]") == pytest.approx(1.5, abs=0.05)


def test_the_knob_moves_the_figure(page, scene):
    assert scene.pixels(page) > 200
    before = scene.shot(page)
    handle = page.locator(".jupyter-widgets.widget-slider [role=slider], .noUi-handle").first
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.js-plotly-plot').data[1].x[0] > 0.4")
    scene.settle(page)
    assert scene.changed(before, scene.shot(page)) > 100


@pytest.mark.parametrize("number", [0, 7, 31])
def test_a_click_on_a_point_changes_the_sound(page, scene, number):
    wet = state(page)["wet"]
    assert scene.click_point(page, 0, number) == (0, number)
    page.wait_for_function("(text) => document.querySelector('.clicked').innerText === text", arg=str(number))
    page.wait_for_function("(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=wet)
    assert state(page)["playing"] == "false"


def test_widgets_that_start_slowly_still_update(open_page, folder):
    page = open_page(folder / "slow.ipynb")
    assert page.late_starts  # or this test shows nothing
    assert page.locator(".lfx-title").inner_text() == "Offered"
    page.get_by_role("button", name="Play").click()
    wait_for(page, playing="true", duration="0.100")
    wet = state(page)["wet"]
    page.get_by_role("button", name="Louder").click()
    page.wait_for_function("document.querySelector('.lfx-title').innerText === 'Louder'")
    page.wait_for_function("(wet) => document.querySelector('.latentfx-player').dataset.wet !== wet", arg=wet)
    page.wait_for_function("document.querySelector('.js-plotly-plot').data[0].y[1] === 2")
    assert page.console_errors == []


def test_a_click_reaches_a_busy_kernel(page, scene):
    page.get_by_role("button", name="Busy").click()
    assert scene.click_point(page, 0, 7) == (0, 7)
    box = page.locator(".js-plotly-plot").bounding_box()
    for step in range(6):  # on over other points, whose hovers wait for the kernel too
        page.mouse.move(box["x"] + 150 + 60 * step, box["y"] + 120 + 30 * step)
        scene.settle(page)
    page.wait_for_function("document.querySelector('.clicked').innerText === '7'")
