"""The searchable list: what it offers, what can be chosen, and how its entries are heard."""

from __future__ import annotations

import pytest
import traitlets

from latentfx_nb import load_clips
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.sounds import Sound, heard_of
from latentfx_nb.pages.controls import (
    Field,
    Listed,
    encoder_options,
    list_clips,
    one_encoder,
    one_of,
    several,
    several_encoders,
)
from latentfx_nb.pages.knob_paths import KnobPaths
from latentfx_nb.widgets.picker import Picker
from tests.on_pages import heard_by_now, ready

PAIRS = [("one", 1), ("two", 2), ("three", 3)]


def said_by_page(picker, **state):
    """Do what a message of the page does."""
    picker.set_state({f"_{name}": value for name, value in state.items()})


def test_one_of_some_is_chosen_as_ipywidgets_choosers_do():
    picker = one_of("Number", PAIRS)
    assert (picker.value, picker.label, picker.index) == (1, "one", 0)
    picker.value = 3
    assert (picker.label, picker.index) == ("three", 2)
    picker.index = 1
    assert picker.value == 2
    picker.options = ["a", "b"]
    assert (picker.value, picker.options) == ("a", ("a", "b"))
    picker.options = ()
    assert (picker.value, picker.index, picker.label) == (None, None, None)


def test_none_may_be_a_value_of_its_own():
    picker = one_of("Render", [("(none)", None), ("a", 1)], 1)
    picker.value = None
    assert picker.label == "(none)"


def test_several_are_a_tuple_and_new_options_choose_none():
    picker = several("Numbers", PAIRS, (3, 1))
    assert (picker.value, picker.label, picker.index) == ((3, 1), ("three", "one"), (2, 0))
    picker.options = [("four", 4)]
    assert picker.value == ()


@pytest.mark.parametrize("value", [4, "one", None])
def test_what_is_not_offered_is_refused(value):
    picker = one_of("Number", [("one", 1)], 1)
    if value is None:
        picker.value = value  # nothing at all, as in ipywidgets
        assert picker.index is None
        return
    with pytest.raises(traitlets.TraitError, match="Number: .* is not offered; choose of one"):
        picker.value = value
    assert picker.value == 1


def test_more_than_may_be_ticked_are_refused():
    picker = several("Numbers", PAIRS, (1,), most=2)
    with pytest.raises(traitlets.TraitError, match="3 are chosen, 2 at most"):
        picker.value = (1, 2, 3)
    said_by_page(picker, chosen=[0, 1, 2])
    assert picker.value == (1, 2)


def test_a_change_is_told_once_whoever_makes_it():
    picker, told = several("Numbers", PAIRS), []
    picker.observe(lambda change: told.append(change["new"]), "value")
    picker.value = (2,)
    said_by_page(picker, chosen=[1, 2])
    picker.index = (0,)
    assert told == [(2,), (2, 3), (1,)]


@pytest.mark.parametrize("asked", [[7], [-1], ["0"], [True], [0.0], "012", None, {"0": 1}, [[0]]])
def test_a_page_that_says_nonsense_changes_nothing(asked):
    picker = one_of("Number", PAIRS, 2)
    said_by_page(picker, chosen=asked)
    assert picker.value == 2


def test_an_entry_that_is_not_ready_says_why_and_only_python_can_choose_it():
    picker = Picker(PAIRS, several=True, reasons={2: "not ready: fetch it"})
    assert picker._entries[1] == ["two", "", "not ready: fetch it"]
    said_by_page(picker, chosen=[0, 1])
    assert picker.value == (1,)
    picker.value = (2,)
    said_by_page(picker, chosen=[0, 1])
    assert picker.value == (1, 2)


def test_a_field_and_a_list_read_and_write_it():
    field = Field("rows", several("Clips", PAIRS))
    field.write({"rows": (2, 3)})
    assert field.read() == {"rows": (2, 3)}
    listed = Listed("row", one_of("Clip", PAIRS))
    listed.write({"row": 2})
    listed.write({"row": 99})
    assert listed.read() == {"row": 2}


def test_clips_are_listed_with_all_that_is_known_of_them():
    clips = load_clips("bundled")
    picker = several("Clips")
    list_clips(picker, clips, (0, 5))
    assert picker.value == (0, 5)
    assert picker.playable
    assert picker._entries[0] == ["gtr_00_a", "guitar · strum · 172 bpm · B dorian", ""]
    assert len(picker._entries) == 64


def test_encoders_say_what_they_are_or_why_they_cannot_be_chosen(no_weights):
    options, details, reasons = encoder_options()
    assert options[0] == ("diffae-mini", "diffae-mini")
    assert details["diffae-mini"] == "64 dims · 375 frames a second · decodes"
    assert details["lyra-v2"].endswith("fetched at first use")
    assert reasons["diffae"].startswith("Not ready: convert your own download once: python -m latentfx_nb convert")
    assert {name for _, name in options} == set(details) | set(reasons)
    picker = several_encoders(("logmel",))
    said_by_page(picker, chosen=[picker.index[0], [name for _, name in options].index("diffae")])
    assert picker.value == ("logmel",)
    assert one_encoder("diffae-mini").value == "diffae-mini"


def test_it_answers_a_page_that_is_ready_with_what_that_may_have_missed():
    picker, sent = one_of("Number", PAIRS, 2), []
    picker.send_state = lambda key=None: sent.append(set(key))
    picker._answer(picker, {"kind": "ready", "chosen": [1]}, [])
    assert picker.ready
    assert "_entries" in sent[-1]
    assert "_chosen" not in sent[-1]
    picker._answer(picker, {"kind": "ready", "chosen": [0]}, [])
    assert "_chosen" in sent[-1]


def test_a_play_button_calls_back_with_the_value_and_again_to_stop():
    picker, told = one_of("Number", PAIRS), []
    picker.on_play(told.append)
    for number in (1, 99, "1", None):
        picker._answer(picker, {"kind": "play", "number": number}, [])
    picker.playing = 2
    picker._answer(picker, {"kind": "play", "number": 1}, [])
    assert told == [2, None]
    assert picker.value == 1


def test_what_an_entry_sounds_like_follows_from_its_value():
    clips = load_clips("bundled")
    choice = KnobPaths.make_choice(effect="HPF", knob="cutoff_frequency_hz", value=500.0)
    assert heard_of(3, choice, clips).dry == Sound(clips, 3)
    assert heard_of(3, choice, clips).wet == Sound(clips, 3, "HPF", 500.0, "cutoff_frequency_hz")
    assert heard_of((4, "DIS"), choice, clips).wet == Sound(clips, 4, "DIS")
    assert heard_of("RVB", choice, clips).wet.effect == "RVB"
    assert heard_of("diffae-mini", choice, clips) is None
    assert set(EFFECTS) >= {"HPF", "DIS", "RVB"}


def test_a_page_plays_an_entry_and_leaves_the_choice_alone():
    panel = ready(KnobPaths())
    before, picker = panel.choice(), panel.chosen
    assert picker.model_id in panel.bridge._watched
    picker._answer(picker, {"kind": "play", "number": 9}, [])
    assert picker.playing == 9
    heard_by_now(panel)
    assert panel.player.playing
    assert panel.player.title.startswith(
        "gtr_05_a" if panel.clips.table["clip"].iat[9] == "gtr_05_a" else panel.clips.table["clip"].iat[9]
    )
    assert panel.player.wet
    assert panel.choice() == before
    picker._answer(picker, {"kind": "play", "number": 9}, [])
    assert not panel.player.playing
    assert picker.playing is None
    assert panel.player.title.startswith(panel.clips.table["clip"].iat[panel.heard_clip.value])


def test_a_page_that_pauses_shows_no_entry_as_playing():
    panel = ready(KnobPaths())
    panel.chosen._answer(panel.chosen, {"kind": "play", "number": 1}, [])
    heard_by_now(panel)
    assert panel.player.playing
    panel.player.playing = False
    assert panel.chosen.playing is None
