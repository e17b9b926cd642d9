"""`pages.knob`: every knob starts at Table 1, stays in its range and says in words what it is set to."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pytest
import traitlets

from latentfx_nb.effects import EFFECTS, TURNABLE
from latentfx_nb.pages import knob as knobs
from latentfx_nb.pages.knob import KnobControl
from latentfx_nb.widgets.bridge import Bridge
from latentfx_nb.widgets.dial import Dial
from tests.on_pages import LABELS

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.mark.parametrize("label", TURNABLE)
def test_every_knob_starts_at_table_1_and_stays_in_its_range(label):
    control = KnobControl(label, LABELS)
    for knob in EFFECTS[label].knobs:
        control._parameter.value = knob.name
        assert control.spec is knob
        assert control.value == pytest.approx(EFFECTS[label].setting[knob.name])
        for value in (knob.low, knob.high):
            control.value = value
            assert control.value == pytest.approx(value)
            assert control.read() == {"effect": label, "knob": knob.name, "value": control.value}
            knob.check(control.value)
        dial = control.slider.children[0]
        assert (dial.words, dial.unit, dial.low, dial.high) == (knob.words, knob.unit, knob.low, knob.high)
        assert dial.start == EFFECTS[label].setting[knob.name]


def test_an_effect_without_a_knob_says_so():
    control = KnobControl("HPF", LABELS)
    told = []
    control.on_change(lambda: told.append(control.value))
    control.effect = "TRV"
    assert (control.spec, control.name, control.value) == (None, None, None)
    dial, note = control.slider.children
    assert (dial.layout.display, note.layout.display, note.value) == ("none", "", "Time reverse has no knob.")
    control.effect = "DIS"
    assert told == [None, 25.0]
    assert control.slider.children == (dial, note)  # the same widgets, so nothing has to start anew
    assert (dial.layout.display, note.layout.display) == ("", "none")


def test_a_setting_is_what_one_would_type_and_last_bits_are_no_turn():
    control = KnobControl("HPF", LABELS)
    told = []
    control.on_change(lambda: told.append(control.value))
    for value in (np.nextafter(2000.0, 0), 2000.0001, 10 ** np.log10(2000.0)):
        control.value = value
        assert control.value == 2000.0
    assert told == []
    control.value = 432.1987654
    assert told == [432.199]
    control.value = 50.0 * (1 - 1e-12)
    assert told == [432.199, 50.0]


def test_choosing_another_knob_of_an_effect_is_heard_once():
    control = KnobControl("RVB", LABELS)
    told = []
    control.on_change(lambda: told.append(control.name))
    control._parameter.value = "damping"
    control.effect = "DLY"
    assert told == ["damping", "delay_seconds"]


@pytest.mark.parametrize("value", [49.0, 10_001.0, float("nan")])
def test_a_value_out_of_range_is_refused_and_the_old_one_stays(value):
    control = KnobControl("HPF", LABELS)
    with pytest.raises(ValueError, match="choose 50 to 10000 Hz"):
        control.value = value
    with pytest.raises(traitlets.TraitError, match="choose 50 to 10000 Hz"):
        control.dial.set_state({"value": value})
    assert control.value == 2000.0


def test_a_dial_knows_a_hand_from_a_program():
    dial, hands = Dial(440.0, low=50.0, high=10_000.0), []
    dial.observe(lambda _: hands.append(dial.by_hand), "value")
    dial.set_state({"value": 500.0})
    dial.value = 600.0
    assert hands == [True, False]


def test_a_page_that_shows_a_dial_is_told_how_it_stands(monkeypatch):
    dial, told = Dial(440.0, low=50.0, high=10_000.0, unit="Hz"), []
    monkeypatch.setattr(dial, "send_state", lambda key: told.append(key))
    dial.set_state({"value": 500.0})
    dial._answer(dial, {"kind": "ready"}, [])
    assert dial.ready and "value" not in told[-1]  # a late answer must not undo a turn
    dial.value = 700.0
    dial._answer(dial, {"kind": "ready"}, [])
    assert {"value", "low", "high", "start", "unit", "words"} <= set(told[-1])


class AtOnce:
    """A timer whose time is over when it starts."""

    def __init__(self, _seconds, call):
        self.start = call


def test_a_plain_slider_takes_the_place_of_a_dial_that_does_not_start(monkeypatch):
    monkeypatch.setattr(knobs.threading, "Timer", AtOnce)
    control, bridge, told = KnobControl("HPF", LABELS), Bridge(), []
    control.join(bridge)
    control.on_change(lambda: told.append(control.value))
    assert control.dial.model_id in bridge._watched
    bridge.ready = True
    sorry, place, _ = control.slider.children
    assert sorry.value == "The knob could not start; here is a plain slider."
    [slider] = place.children
    assert isinstance(slider, widgets.FloatLogSlider) and slider.description == "cutoff frequency (Hz)"
    slider.value = 1234.5678
    control.value = 60.0
    assert told == [1234.57, 60.0] and slider.value == 60.0
    control.effect = "DIS"
    assert isinstance(place.children[0], widgets.FloatSlider) and place.children[0].value == 25.0
    control.effect = "TRV"
    assert place.children == ()


def test_no_slider_takes_the_place_of_a_dial_that_has_started(monkeypatch):
    monkeypatch.setattr(knobs.threading, "Timer", AtOnce)
    control, bridge = KnobControl("HPF", LABELS), Bridge()
    control.join(bridge)
    control.dial.ready = True
    bridge.ready = True
    assert control.slider.children[0] is control.dial
