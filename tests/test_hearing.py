"""What a page lets be heard, against a browser that takes its time: what is rendered, sent and played, and when."""

from __future__ import annotations

import threading
import zlib

import numpy as np
import pytest

from latentfx_nb import pages
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.pages.content import sounds
from latentfx_nb.pages.content.sounds import Sound, dry_and_wet, kept_renders
from latentfx_nb.pages.hearing import Hearing
from latentfx_nb.pages.status import Status
from latentfx_nb.pages.worker import main
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.widgets.sounds import SIDES
from tests.on_pages import heard_by_now, played, ready
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


class Browser:
    """A browser that shows a player: it takes sounds when the test says so."""

    def __init__(self, player):
        self.player = player
        player._handle_custom_msg({"kind": "ready"}, [])

    def take(self):
        codes = {side: f"{zlib.adler32(getattr(self.player, side)):08x}" for side in SIDES}
        self.player._handle_custom_msg({"kind": "taken", "sounds": codes}, [])


@pytest.fixture
def hearing():
    return Hearing(Status())


def heard_of(hearing):
    hearing.voice.wait(PATIENCE_S)
    main.run_queued()


def at(clips, value):
    return dry_and_wet(clips, 0, "HPF", value, "cutoff_frequency_hz", f"{value:g} Hz")


# ---------------------------------------------------------------------------------------------------- what a turn costs


@pytest.mark.parametrize("label", list(EFFECTS))
def test_what_is_kept_is_what_is_rendered_bit_for_bit(bundled, label):
    kept = kept_renders()
    assert np.array_equal(kept(Sound(bundled, 3, label)), render(bundled[3], label))
    knobs = EFFECTS[label].knobs
    if knobs:
        value, name = knobs[0].values(5)[1], knobs[0].name
        assert np.array_equal(kept(Sound(bundled, 3, label, value, name)), render(bundled[3], label, value, name))


def test_a_turn_reads_no_file_and_renders_no_clean_sound_again(bundled, hearing, monkeypatch):
    hearing.hear(at(bundled, 200.0))
    heard_of(hearing)
    rendered, normalised = [], []
    original, normalise = sounds.render_normalised, audio.normalise

    def rendering(clip, setting):
        rendered.append((setting.label, setting.value))
        return original(clip, setting)

    monkeypatch.setattr(ClipSet, "_read", None)  # a clip that is read would raise
    monkeypatch.setattr(sounds, "render_normalised", rendering)
    monkeypatch.setattr(sounds, "normalise", lambda *given: normalised.append(given) or normalise(*given))
    for value in (300.0, 400.0, 500.0):
        hearing.hear(at(bundled, value))
        heard_of(hearing)
    assert hearing.player.title.endswith("500 Hz")
    assert rendered == [("HPF", 300.0), ("HPF", 400.0), ("HPF", 500.0)]
    assert not normalised


def test_a_turn_sends_one_channel_of_the_wet_sound_alone(bundled, hearing, monkeypatch):
    hearing.hear(at(bundled, 200.0))
    heard_of(hearing)
    sent = []
    hearing.player.send_state = lambda key: key and sent.append({key} if isinstance(key, str) else set(key))
    monkeypatch.setattr("latentfx_nb.widgets.player.hashlib", None)  # nothing is hashed
    hearing.hear(at(bundled, 300.0))
    heard_of(hearing)
    assert sent == [{"wet", "title"}]
    wet = render(bundled[0], "HPF", 300.0)
    peak = max(1.0, np.abs(wet).max(), np.abs(render(bundled[0], "CLN")).max())
    assert wet.shape[0] == 2
    flac = played(hearing.player.wet)
    np.testing.assert_allclose(flac, wet / peak, atol=1.01 / 2**15)
    assert hearing.player.wet[20] & 0b1110 == 0  # FLAC's STREAMINFO: the number of channels, less one


@pytest.fixture
def sent(monkeypatch):
    """Return a function that lists what a page is sent from now on: "sound", or "figure" and its traces."""

    def of(panel):
        events = []
        panel.player.observe(lambda change: change.new and events.append("sound"), "wet")
        move = panel.figure.move

        def drawn(traces):
            events.append(("figure", *sorted(traces)))
            move(traces)

        monkeypatch.setattr(panel.figure, "move", drawn)
        return events

    return of


def test_the_sound_of_a_turn_is_sent_before_its_prepared_and_its_exact_point(bundled, sent):
    panel = ready(pages.KnobPaths(bundled, encoder="logmel"))
    events = sent(panel)
    panel.knob.value = 321.0
    ready(panel)
    assert events == ["sound", ("figure", "knob"), ("figure", "knob")]


def test_the_sound_of_a_clicked_point_is_sent_before_its_ring(clusters, sent):
    events = sent(clusters)
    point(clusters, "view 1 HPF", 5)
    ready(clusters)
    assert events[0] == "sound" and {kind for kind, *_ in events[1:]} == {"figure"}


def test_a_turn_with_no_new_sound_moves_its_mark_at_once(bundled, sent):
    panel = ready(pages.KnobPaths(bundled, encoder="logmel"))
    events = sent(panel)
    panel.hearing.after(lambda: panel.figure.move({}))
    assert events == [("figure",)]


def test_while_sounds_are_chosen_faster_than_they_are_sent_each_is_followed_by_a_move(bundled, hearing):
    browser, events = Browser(hearing.player), []
    hearing.player.observe(lambda change: change.new and events.append(hearing.player.title), "title")
    for value in (100.0, 200.0, 300.0):
        hearing.hear(at(bundled, value))
        hearing.after(lambda value=value: events.append(f"moved to {value:g}"))
    while not hearing.voice.idle:
        main.run_queued()
        browser.take()
    main.run_queued()
    last = events.index(next(title for title in events if title.endswith(": 300 Hz")))
    assert events[last + 1 :] == ["moved to 300"]
    assert all(one.startswith("moved") for one in events[1::2]) and len(events) % 2 == 0


def test_a_sound_that_cannot_be_made_holds_up_no_move(bundled, hearing, monkeypatch):
    moved = []
    monkeypatch.setattr(hearing, "render", lambda sound: 1 / 0)
    hearing.hear(at(bundled, 100.0))
    hearing.after(lambda: moved.append(1))
    heard_of(hearing)
    assert moved == [1]


# -------------------------------------------------------------------------------------------- one at a time, to the end


def test_of_forty_turns_one_at_a_time_is_on_its_way_and_the_last_arrives(bundled, hearing, monkeypatch):
    browser = Browser(hearing.player)
    on_the_way, most, rendered = [], [], []
    original, put = sounds.render_normalised, hearing.player.put

    def rendering(clip, setting):
        if setting.label == "HPF":
            on_the_way.append(setting.value)
            most.append(len(on_the_way))
            rendered.append(setting.value)
        return original(clip, setting)

    def putting(*given):
        arrived.set()
        return put(*given)

    monkeypatch.setattr(sounds, "render_normalised", rendering)
    monkeypatch.setattr(hearing.player, "put", putting)
    arrived = threading.Event()
    values = np.geomspace(60, 9000, 40).tolist()
    for number, value in enumerate(values):
        hearing.hear(at(bundled, value))
        main.run_queued()
        if number % 7 == 6 and arrived.is_set():  # the browser is slower than the hand
            arrived.clear()
            on_the_way.clear()
            browser.take()
    while not hearing.voice.idle:
        main.run_queued()
        if arrived.is_set():
            arrived.clear()
            on_the_way.clear()
            browser.take()
    main.run_queued()
    assert set(most) == {1}
    assert rendered[-1] == values[-1]
    assert len(rendered) < 40
    assert hearing.player.title.endswith(f"{values[-1]:g} Hz")


def test_a_browser_that_never_takes_a_sound_holds_up_none_for_long(bundled, hearing, monkeypatch):
    monkeypatch.setattr("latentfx_nb.pages.hearing.TAKEN_WITHIN_S", 0.0)
    Browser(hearing.player)
    for value in (200.0, 300.0, 400.0):
        hearing.hear(at(bundled, value))
        heard_of(hearing)
        assert hearing.player.title.endswith(f"{value:g} Hz")


# --------------------------------------------------------------------------------------------------------------- clicks


def point(panel, name, number, kind="point"):
    """Have the browser tell of a point that was clicked, or rested on."""
    content = {"kind": kind, "trace": name, "number": number, "x": None, "y": None}
    panel.bridge._handle_custom_msg(content, [])
    return ready(panel)


def sample(clusters, number, kind="point"):
    """Have the browser tell of a sample of the large view, counted clip by clip, on the trace of its effect."""
    clip, effect = divmod(number, len(clusters.shown.effects))
    return point(clusters, f"view 1 {clusters.shown.effects[effect]}", clip, kind)


@pytest.fixture
def clusters(bundled):
    return ready(pages.EffectClusters(bundled, encoder="logmel"))


def test_a_click_loads_a_sound_and_a_second_one_on_the_same_point_plays_it(clusters, bundled):
    sample(clusters, 13)
    clip, effect = bundled.table["clip"].iat[1], list(EFFECTS.values())[3]
    assert clusters.player.title == f"{clip}: {effect.name}"
    assert clusters.player.wet
    assert clusters.player.playing is False
    sample(clusters, 13)
    assert clusters.player.playing is True
    wet = clusters.player.wet
    sample(clusters, 14)  # and while it plays, goes over
    assert clusters.player.wet != wet
    assert clusters.player.playing is True


def test_a_first_click_on_what_the_page_opened_with_loads_it(clusters):
    number = list(EFFECTS).index(clusters.shown.choice.ringed_effect)
    assert not clusters.player.wet
    sample(clusters, number)
    assert clusters.player.wet
    assert clusters.player.playing is False
    sample(clusters, number)
    assert clusters.player.playing is True


def test_a_click_on_what_has_no_sound_plays_nothing(clusters):
    sample(clusters, 13)
    point(clusters, "legend 1", 0)
    assert clusters.player.playing is False


def test_a_path_and_a_trajectory_play_at_the_second_click(bundled):
    for panel, trace in (
        (pages.KnobPaths(bundled, encoder="logmel"), "paths"),
        (pages.Trajectories(bundled, encoder="logmel"), "trajectory 1"),
    ):
        ready(panel)
        point(panel, trace, 5)
        assert panel.player.playing is False
        point(panel, trace, 5)
        assert panel.player.playing is True


# ------------------------------------------------------------------------------------------------------------- previews


def test_a_point_that_is_rested_on_sounds_while_previews_are_on_and_what_was_chosen_comes_back(clusters):
    sample(clusters, 13)
    chosen, title, wet = clusters.choice(), clusters.player.title, clusters.player.wet
    sample(clusters, 27, "hover")
    assert clusters.player.playing is False  # they are off
    clusters.pointing.value = True
    assert clusters.bridge.previews is True
    sample(clusters, 27, "hover")
    assert clusters.player.playing is True
    assert clusters.player.wet != wet
    assert clusters.choice() == chosen
    point(clusters, None, None, "hover")
    assert (clusters.player.title, clusters.player.wet, clusters.player.playing) == (title, wet, False)


def test_a_click_on_a_point_that_is_previewed_chooses_it(clusters, bundled):
    clusters.pointing.value = True
    sample(clusters, 27, "hover")
    sample(clusters, 27)
    point(clusters, None, None, "hover")
    assert clusters.choice().ringed_row == 2
    assert clusters.player.title.startswith(bundled.table["clip"].iat[2])
    assert clusters.player.playing is True


def test_previews_that_are_switched_off_end_what_is_previewed(clusters):
    clusters.pointing.value = True
    sample(clusters, 27, "hover")
    clusters.pointing.value = False
    heard_by_now(clusters)
    assert clusters.player.playing is False
    assert clusters.player.wet == b""  # what the page opened with is offered again


# ------------------------------------------------------------------------------------------------------ keys that step


def step(panel, by):
    panel.bridge._handle_custom_msg({"kind": "step", "by": by}, [])
    return ready(panel)


def test_brackets_step_through_the_clips_that_are_listed(bundled, clusters):
    paths = ready(pages.KnobPaths(bundled, encoder="logmel"))
    rows = [row for _, row in paths.heard_clip.options]
    before = paths.choice().row
    step(paths, 1)
    assert paths.choice().row == rows[rows.index(before) + 1]
    step(paths, -1)
    step(paths, -1)
    assert paths.choice().row == rows[rows.index(before) - 1]
    step(clusters, -1)
    assert clusters.choice().ringed_row == len(bundled) - 1
    assert clusters.player.title.startswith(bundled.table["clip"].iat[-1])


def test_brackets_step_through_the_trajectories(bundled):
    panel = ready(pages.Trajectories(bundled, encoder="logmel"))
    assert panel.choice().heard_effect == "DIS"
    step(panel, 1)
    assert panel.choice().heard_effect == "CLN"


@pytest.mark.parametrize("by", [0, 2, "1", None])
def test_what_is_no_step_is_left_alone(clusters, by):
    step(clusters, by)
    assert clusters.choice().ringed_row == 0


def test_the_loudness_that_is_played_is_said(bundled, hearing):
    hearing.hear(at(bundled, 200.0))
    heard_of(hearing)
    assert audio.loudness_lufs(played(hearing.player.wet), 48_000) == pytest.approx(
        hearing.player.loudness_lufs, abs=0.1
    )
    loud, quiet = np.full((2, 48_000), 0.5, np.float32), np.zeros((2, 48_000), np.float32)
    assert sounds.played_lufs(loud, 0.5) == pytest.approx(-28 - 6.02, abs=0.01)
    assert sounds.played_lufs(quiet) is None
    hearing.offer(at(bundled, 300.0))
    assert hearing.player.loudness_lufs is None
