"""`latentfx_nb.widgets.player` without a browser: what is encoded, what is sent, what is refused."""

from __future__ import annotations

import io
import threading
import zlib

import ipywidgets
import numpy as np
import pytest
import soundfile

from latentfx_nb.widgets.player import Player, plain_players
from latentfx_nb.widgets.sounds import SIDES, encode_sounds

STEP = 1 / 32768


def tone(frequency_hz=440.0, peak=0.5, channels=2, samples=4800):
    time_s = np.arange(samples) / 48000
    return np.tile(peak * np.sin(2 * np.pi * frequency_hz * time_s), (channels, 1)).astype(np.float32)


def decoded(flac):
    sound, sample_rate = soundfile.read(io.BytesIO(flac), dtype="float32", always_2d=True)
    return sound.T, sample_rate


def updates(player):
    """Return the list that each later update message of `player` adds its trait names to."""
    sent = []
    player.send_state = lambda key: key and sent.append({key} if isinstance(key, str) else set(key))
    return sent


def test_flac_holds_the_samples_to_16_bits():
    dry, wet = tone(channels=1), np.random.default_rng(0).uniform(-1, 1, (2, 4800)).astype(np.float32)
    for sound, flac in zip((dry, wet), encode_sounds(dry, wet).values(), strict=True):
        back, sample_rate = decoded(flac)
        assert sample_rate == 48000
        assert back.shape == sound.shape
        assert np.abs(back - sound).max() <= 2 * STEP
        assert soundfile.info(io.BytesIO(flac)).subtype == "PCM_16"


@pytest.mark.parametrize("loudest", ["dry", "wet", "decoded"])
def test_an_over_turns_all_down_by_the_same_gain(loudest):
    sounds = {side: tone(hz, peak=0.5) for side, hz in (("dry", 440), ("wet", 220), ("decoded", 330))}
    sounds[loudest] *= 4
    flacs = encode_sounds(**sounds)
    assert list(flacs) == list(sounds)
    for side, sound in sounds.items():
        assert np.abs(decoded(flacs[side])[0] - sound / np.abs(sounds[loudest]).max()).max() <= 2 * STEP


def test_mono_stays_mono():
    assert decoded(encode_sounds(tone(channels=1), tone(channels=2))["dry"])[0].shape[0] == 1


def test_two_equal_channels_are_sent_as_one_and_others_as_two():
    doubled, stereo = tone(channels=2), np.concatenate([tone(220, channels=1), tone(330, channels=1)])
    flacs = encode_sounds(doubled, stereo)
    for flac, sound in ((flacs["dry"], doubled[:1]), (flacs["wet"], stereo)):
        back, _ = decoded(flac)
        assert back.shape == sound.shape
        assert np.abs(back - sound).max() <= 2 * STEP
    almost = doubled.copy()
    almost[1, 7] = np.nextafter(almost[1, 7], 1)
    assert decoded(encode_sounds(doubled, almost)["wet"])[0].shape[0] == 2


def test_a_sound_is_known_by_what_makes_it_without_a_look_at_its_samples(monkeypatch):
    player, dry = Player(), tone()
    player.put(player.encoded(dry, tone(220), made_by={"dry": "clip 1", "wet": "clip 1, 400 Hz"}), "one")
    monkeypatch.setattr("latentfx_nb.widgets.player.hashlib", None)
    again = player.encoded(dry, tone(110), made_by={"dry": "clip 1", "wet": "clip 1, 500 Hz"}).sides
    assert again["dry"][1] is None
    assert again["wet"][1] is not None
    louder = player.encoded(dry, tone(110, peak=2.0), made_by={"dry": "clip 1", "wet": "clip 1, 600 Hz"}).sides
    assert louder["dry"][1] is not None  # turned down, as the wet one is


def taken(player, **sounds):
    codes = {side: f"{zlib.adler32(sounds.get(side, getattr(player, side))):08x}" for side in SIDES}
    player._handle_custom_msg({"kind": "taken", "sounds": codes}, [])


def test_a_page_says_what_it_has_taken_and_is_waited_for():
    player = Player()
    player.load(tone(), tone(220))
    assert player._taken.is_set()  # no page shows it
    player._handle_custom_msg({"kind": "ready"}, [])
    player.load(tone(), tone(330))
    assert not player._taken.is_set()
    taken(player, wet=b"what came before")
    assert not player._taken.is_set()
    taken(player)
    assert player._taken.is_set()
    player.load(tone(), tone(330), title="Nothing new")
    assert player._taken.is_set()


def test_a_page_that_went_is_waited_for_once_until_it_is_heard_of_again():
    player = Player()
    player._handle_custom_msg({"kind": "ready"}, [])
    player.load(tone(), tone(220))
    player.wait_until_taken(0.0)
    player.load(tone(), tone(330))
    assert player._taken.is_set()
    taken(player)
    player.load(tone(), tone(440))
    assert not player._taken.is_set()


def test_load_sends_only_what_is_new():
    player, dry = Player(), tone()
    sent = updates(player)
    player.load(dry, tone(220), title="Guitar 1, clean")
    assert sent.pop() == {"dry", "wet", "title"}
    player.load(dry, tone(110), title="Guitar 1, clean")
    assert sent.pop() == {"wet"}
    player.load(dry.copy(), tone(110), title="Guitar 1, high-pass 400 Hz")
    assert sent.pop() == {"title"}
    player.load(dry, tone(110), title="Guitar 1, high-pass 400 Hz")
    assert not sent


def test_a_decoded_sound_comes_after_the_others_and_goes_with_the_next_ones():
    player, dry, wet, back = Player(), tone(), tone(220), tone(330)
    player.load(dry, wet, title="Distortion")
    assert player.decoded == b""
    sent = updates(player)
    player.load(dry, wet, title="Distortion", decoded=back)
    assert sent.pop() == {"decoded"}
    assert np.abs(decoded(player.decoded)[0] - back).max() <= 2 * STEP
    player.load(dry, wet, title="Distortion", decoded=back.copy())
    assert not sent
    player.load(dry, tone(110), title="Distortion")
    assert sent.pop() == {"wet", "decoded"}
    assert player.decoded == b""
    player.load(dry, tone(110), title="Distortion", decoded=back)
    assert sent.pop() == {"decoded"}


def test_who_listens_to_a_decoded_sound_that_goes_hears_the_wet_one():
    player = Player()
    player.load(tone(), tone(220), decoded=tone(330))
    player.listening = "decoded"
    player.load(tone(), tone(220), decoded=tone(110))
    assert player.listening == "decoded"
    sent = updates(player)
    player.load(tone(), tone(220))
    assert player.listening == "wet"
    assert sent == [{"decoded", "listening"}]  # one message, so that the page never plays nothing
    player.listening = "dry"
    player.load(tone(), tone(110))
    assert player.listening == "dry"


def test_a_late_click_on_a_decoded_sound_that_is_gone_is_answered_with_the_wet_one():
    player = Player()
    player.load(tone(), tone(220))
    sent = updates(player)
    player.set_state({"listening": "decoded"})
    assert player.listening == "wet"
    assert {"listening"} in sent


def test_load_hears_an_array_that_was_changed_in_place():
    player, sound = Player(), tone()
    player.load(sound, sound)
    before = player.wet
    sound *= 0.5
    player.load(sound, sound)
    assert player.wet != before


def test_a_new_over_sends_the_dry_sound_again_turned_down():
    player, dry = Player(), tone()
    player.load(dry, tone(220))
    full = player.dry
    player.load(dry, tone(220, peak=2.0))
    assert np.abs(decoded(player.dry)[0]).max() == pytest.approx(0.25, abs=1e-3)
    player.load(dry, tone(220))
    assert player.dry == full


def test_loading_neither_starts_nor_rewinds():
    player = Player(time_s=1.5)
    player.load(tone(), tone(220))
    assert not player.playing
    assert player.time_s == 1.5


def test_a_page_that_asks_gets_the_sounds_again_but_no_stale_control():
    player = Player()
    player.load(tone(), tone(220))
    sent = updates(player)
    threads = threading.active_count()
    player._handle_custom_msg({"kind": "ready"}, [])
    assert player.ready
    assert {"dry", "wet", "decoded", "title"} <= set.union(*sent)
    assert not {"playing", "listening", "volume", "loop", "time_s"} & set.union(*sent)
    assert threading.active_count() == threads


def wanted(player):
    player._handle_custom_msg({"kind": "wanted"}, [])


def test_offered_sounds_are_made_once_they_are_wanted():
    player, asked = Player(), []

    def make():
        asked.append(player.title)
        player.load(tone(), tone(220), title="Made")

    wanted(player)  # nothing is offered
    player.offer(make, 0.1, title="Offered")
    assert (player.title, player.wet, player._offered_s, asked) == ("Offered", b"", 0.1, [])
    wanted(player)
    assert (player.title, asked) == ("Made", ["Offered"])
    assert player.wet and not player.playing
    wanted(player)
    assert len(asked) == 1


def test_an_offer_takes_the_place_of_what_is_loaded_and_a_choice_that_of_an_offer():
    player, asked = Player(), []
    player.load(tone(), tone(220), decoded=tone(330))
    player.offer(lambda: asked.append(1), 0.1)
    assert player.dry == player.wet == player.decoded == b""
    wanted(player)
    wanted(player)  # as it has not come yet
    assert asked == [1, 1]
    player.load(tone(), tone(220))
    wanted(player)
    assert asked == [1, 1]
    assert player.dry and player.wet


def test_a_page_that_starts_slowly_hears_of_the_offer():
    player = Player()
    player.offer(lambda: None, 5.5, title="Offered")
    sent = updates(player)
    player._handle_custom_msg({"kind": "ready"}, [])
    assert {"_offered_s", "title"} <= set.union(*sent)


def test_play_is_up_again_where_offered_sounds_cannot_be_made():
    player = Player()
    player.offer(player.refuse, 5.5)
    player.playing = True
    sent = updates(player)
    wanted(player)
    assert player.playing is False
    assert {"playing"} in sent
    player.load(tone(), tone(220))
    player.playing = True
    player.refuse()  # of a later choice: what is loaded plays on
    assert player.playing is True


def test_the_first_state_names_the_player():
    player = Player()
    assert player._address == player.model_id == player.get_state()["_address"]


@pytest.mark.parametrize(
    ("dry", "wet", "message"),
    [
        (tone()[0], tone(), r"dry has the shape \(4800,\).*\[channel sample\]"),
        (tone(), tone().T, r"wet has the shape \(4800, 2\).*transpose"),
        (tone()[None], tone(), r"one clip of the batch"),
        (tone(), tone(samples=4799), r"dry has 4800 samples and wet 4799.*trim or pad"),
        (tone()[:, :0], tone()[:, :0], r"dry has no samples.*load a clip"),
        (tone(), tone() * np.float32(np.nan), r"wet has 9600 samples that are NaN"),
        (np.full((2, 9), np.inf), tone(samples=9), r"dry has 18 samples"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_remedy(dry, wet, message):
    player = Player()
    for call in (player.load, encode_sounds, plain_players):
        with pytest.raises(ValueError, match=message):
            call(dry, wet)
    assert player.dry == player.wet == b""


@pytest.mark.parametrize(
    ("back", "message"),
    [
        (tone()[0], r"decoded has the shape \(4800,\)"),
        (tone(samples=4799), r"dry has 4800 samples and decoded 4799.*trim or pad"),
        (tone() * np.float32(np.nan), r"decoded has 9600 samples that are NaN.*decoder that made it"),
    ],
)
def test_what_a_decoder_spoiled_is_refused_and_changes_nothing(back, message):
    player = Player()
    player.load(tone(), tone(220), title="before")
    wet = player.wet
    for call in (player.load, encode_sounds, plain_players):
        with pytest.raises(ValueError, match=message):
            call(tone(), tone(110), decoded=back)
    assert (player.wet, player.decoded, player.title) == (wet, b"", "before")


def test_the_fall_back_says_so_and_does_not_start():
    box = plain_players(tone(), tone(220), title="Piano <3>")
    assert "could not start" in box.children[0].value
    assert "Piano &lt;3&gt;" in box.children[0].value
    sounds = [row.children[1] for row in box.children[1:]]
    assert all(isinstance(sound, ipywidgets.Audio) and not sound.autoplay for sound in sounds)
    assert decoded(bytes(sounds[1].value))[0].shape == (1, 4800)
    rows = plain_players(tone(), tone(220), decoded=tone(330)).children[1:]
    assert [row.children[0].value for row in rows] == ["Dry", "Wet", "Decoded"]


def test_four_sounds_are_loaded_together_and_the_later_ones_go():
    player, sounds = Player(), {side: tone(hz) for side, hz in zip(SIDES, (220, 330, 440, 550), strict=True)}
    player.load(**sounds, title="Algebra")
    for side, sound in sounds.items():
        assert np.abs(decoded(getattr(player, side))[0] - sound).max() <= 2 * STEP
    player.listening = "algebra"
    sent = updates(player)
    player.load(sounds["dry"], sounds["wet"], title="Algebra")
    assert sent == [{"decoded", "algebra", "listening"}]
    assert player.listening == "wet"


def test_the_buttons_can_be_named():
    player = Player()
    assert player.labels == SIDES
    player.labels = {**SIDES, "dry": "Clip", "wet": "Other clip"}
    assert player.labels["wet"] == "Other clip"


def test_seeking_is_a_message_to_the_page():
    player, sent = Player(), []
    player.send = lambda content, buffers=None: sent.append(content)
    player.seek(np.float32(1.5))
    assert sent == [{"kind": "seek", "time_s": 1.5}]
