"""`pages.knob`: every knob starts at Table 1, stays in its range and says in words what it is set to."""

from __future__ import annotations

import numpy as np
import pytest

from latentfx_nb.effects import EFFECTS, TURNABLE
from latentfx_nb.pages.knob import KnobControl
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
        slider = control.slider.children[0]
        assert slider.description.startswith(knob.words)


def test_an_effect_without_a_knob_says_so():
    control = KnobControl("HPF", LABELS)
    told = []
    control.on_change(lambda: told.append(control.value))
    control.effect = "TRV"
    assert (control.spec, control.name, control.value) == (None, None, None)
    assert control.slider.children[0].value == "Time reverse has no knob."
    control.effect = "DIS"
    assert told == [None, 25.0]


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
