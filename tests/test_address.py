"""Addresses of pages: what is written, how it is read back, and that whatever an address holds, its page opens."""

from __future__ import annotations

from dataclasses import fields, replace
from urllib.parse import urlencode

import pytest

from latentfx_nb import pages
from latentfx_nb.analysis.prepared import NotShipped
from latentfx_nb.pages import all_pages, asked
from latentfx_nb.pages.address import MOST_CHARACTERS, camera_of, dropped, plain, read, text, written
from latentfx_nb.pages.content.algebra_choice import BETWEEN, DIMS, AlgebraChoice
from latentfx_nb.pages.content.dimension_masking import MaskingChoice
from latentfx_nb.pages.content.knob_paths import KnobChoice
from latentfx_nb.pages.content.latent_images import ImagesChoice
from latentfx_nb.pages.content.linear_probes import ProbesChoice
from latentfx_nb.pages.content.trajectories import TrajectoriesChoice
from tests.on_pages import ready, said

CHOSEN = [
    KnobChoice("guitars", "logmel", "DIS", "drive_db", 12.345678, 5, (1, 2, 63), ("HPF.cutoff_frequency_hz",)),
    KnobChoice(rows=(), dimensions=2),
    ImagesChoice(effect="CLN", knob=None, value=None),
    TrajectoriesChoice(rows=(3, 4), effects=("RVB", "CLN"), window_s=0.01, heard_row=4, heard_effect="RVB"),
    ProbesChoice(encoders=("logmel", "lyra-v2"), kinds=("T", "F"), standardise=False, rate=0.003, seeds=5),
    ProbesChoice(confused_set="a, 50 % b", cell=("a, b", "100 % c"), confused=(3, "DLY")),
    MaskingChoice(mode="two", cell=("HPF", 3, 60)),
    AlgebraChoice(mode=BETWEEN, spherical=True, share=1 / 3, dims=(0, 5)),
]


# ------------------------------------------------------------------------------------------------- written and read


@pytest.mark.parametrize("choice", CHOSEN, ids=lambda choice: type(choice).__name__)
def test_a_choice_is_read_as_it_was_written(choice):
    query = urlencode(written(choice, type(choice)()))
    found, sentences = read(query, type(choice))
    assert type(choice)(**found) == choice
    assert sentences == []


def test_only_what_differs_is_written_and_what_depends_on_it():
    choice = replace(KnobChoice(), effect="LPF")
    assert written(KnobChoice(), KnobChoice()) == {}
    assert written(choice, KnobChoice()) == {"effect": "LPF", "knob": "cutoff_frequency_hz", "value": "2000"}
    assert written(replace(choice, row=3), choice, frozenset({"row"})) == {}
    assert written(choice, choice, given=frozenset({"encoder"})) == {"encoder": "diffae-mini"}


@pytest.mark.parametrize(
    ("value", "words"), [(2000.0, "2000"), (0.1, "0.1"), (1 / 3, repr(1 / 3)), (True, "1"), (None, "")]
)
def test_a_value_is_written_as_one_would_type_it(value, words):
    assert text(value) == words


def test_fields_of_other_pages_are_no_news():
    assert read("theme=dark&label=instrument&x=%00", KnobChoice) == ({}, [])


def test_one_encoder_and_several_are_kin():
    assert read("encoder=logmel", ProbesChoice)[0] == {"encoders": ("logmel",)}
    assert read("encoders=lyra-v2,logmel", KnobChoice)[0] == {"encoder": "lyra-v2"}
    assert read("encoders=lyra-v2&encoder=logmel", KnobChoice)[0] == {"encoder": "logmel"}
    assert read("effects=CLN,RVB&rows=3,4", ImagesChoice)[0] == {"effect": "RVB", "row": 3}
    assert read("effect=RVB&row=3", TrajectoriesChoice)[0] == {"effects": ("RVB",), "rows": (3,)}
    assert read("rows=3,4", KnobChoice)[0] == {"rows": (3, 4)}  # it has a clip that is heard besides


def test_what_goes_with_another_effect_goes_with_it():
    assert dropped({"effect"}, {"effect", "row"}) == {"effects", "heard_effect", "knob", "value"}
    assert dropped({"effect"}, {"effect", "knob", "value"}) == {"effects", "heard_effect"}
    assert dropped({"dimensions"}, {"dimensions"}) == set()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("row=one", "'one' for row, where a whole number"),
        ("row=1_0", "'1_0' for row"),
        ("row=99999999999999999999", "where a whole number"),
        ("value=nan", "'nan' for value, where a number is expected"),
        ("value=inf", "where a number"),
        ("value=1e99", "where a number"),
        ("rows=1,two", "where a whole number"),
        ("rows=" + ",".join(["1"] * 201), "no more than 200 items"),
        ("encoder=" + "x" * 501, "no more than 500 characters"),
        ("value=", "'' for value"),
    ],
)
def test_a_value_of_another_kind_is_named_and_left(query, words):
    if query.startswith("value=1e99"):
        assert read(query, KnobChoice) == ({"value": 1e99}, [])  # a number; the knob refuses it
        return
    found, sentences = read(query, KnobChoice)
    assert found == {}
    assert words in sentences[0]


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "%ff=%ff",
        "a" * (MOST_CHARACTERS + 1),
        "&".join(f"a{n}=1" for n in range(500)),
        "row=%F0%9F%98%80",
        "&&==;;",
        "row",
    ],
)
def test_whatever_a_query_is_reading_it_raises_nothing(query):
    for page in all_pages().values():
        found, sentences = read(query, page.make_choice)
        assert found.keys() <= {field.name for field in fields(page.make_choice)}
        assert all(isinstance(one, str) for one in sentences)


def test_only_the_name_of_a_folder_is_written():
    assert plain("/srv/clips/guitars/") == plain(r"C:\clips\guitars") == "guitars"
    assert plain("bundled") == "bundled"


def test_a_camera_is_taken_as_far_as_it_can_be():
    assert camera_of("?camera=1,-2,0.5,0,0,1")["eye"] == {"x": 1, "y": -2, "z": 0.5}
    for wrong in ("1,2,3", "nan,0,0,0,0,1", "0,0,0,0,0,1", "1,2,3,0,0,0", "1e9,0,0,0,0,1", ""):
        assert camera_of(f"camera={wrong}") is None


# --------------------------------------------------------------------------------------------------------- pages


@pytest.fixture
def visit(monkeypatch):
    """Open a page of a dashboard at a query; with `late`, on a kernel that was there before its visitor."""
    opened = []

    def visit(name, query, late=False, **browser):
        monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
        monkeypatch.delenv("QUERY_STRING", raising=False)
        if not late:
            monkeypatch.setenv("QUERY_STRING", query)
        page = ready(getattr(pages, name)())
        opened.append(page)
        told = {"kind": "ready", "query": query, "webgl": True, "narrow": False, "dashboard": True, **browser}
        page.bridge._handle_custom_msg(told, [])
        return ready(page)

    yield visit
    for page in opened:
        page.close()


def address_of(page):
    return {name: value for name, value in page.bridge.address.items() if value is not None}


ASKED = {
    "LatentImages": "encoder=logmel&effect=RVB&knob=room_size&value=0.5&row=3",
    "Trajectories": "encoder=logmel&effects=CLN,RVB&rows=2&heard_row=2&heard_effect=CLN",
    "EffectClusters": "encoder=logmel&color=instrument&ringed_row=5&ringed_effect=DLY&dimensions=2",
    "KnobPaths": "encoder=logmel&effect=LPF&knob=cutoff_frequency_hz&value=1234.5&row=9&rows=0,9&color=effect",
    "LinearProbes": "encoders=logmel&seeds=1&cell=PS,CHS",
    "DimensionMasking": "encoder=logmel&against=unmasked&row=4",
    "LatentAlgebra": "encoder=logmel&effect=RVB&strength=0.5&dims=3,5&" + urlencode({"mode": DIMS}),
    "YourOwnAudio": "encoder=logmel&dimensions=2&color=clip&filter=riff",
    "CompareEncoders": "",
}


@pytest.mark.parametrize("late", [False, True], ids=["asked for", "told later"])
@pytest.mark.parametrize("name", ASKED)
def test_a_page_opens_as_its_address_says_and_says_that_again(name, late, visit):
    query = ASKED[name]
    page = visit(name, query, late)
    choice = page.choice()
    found, _ = read(query, page.make_choice)
    assert {field: text(getattr(choice, field)) for field in found} == {
        field: text(one) for field, one in found.items()
    }
    assert "address" not in said(page)
    again, sentences = read(urlencode(address_of(page)), page.make_choice)
    assert sentences == []
    assert found.items() <= again.items()
    assert not page._asks & set(page.bridge.address)
    if name not in ("YourOwnAudio", "CompareEncoders", "LinearProbes"):
        assert page.shown.choice.differing(choice) - {"cell"} == set()


@pytest.mark.parametrize("late", [False, True], ids=["asked for", "told later"])
def test_an_address_may_ask_for_a_variant_of_an_encoder(late, visit, lyra_weights):
    name = "lyra-v2@quantizers=8"
    page = visit("LatentImages", urlencode({"encoder": name, "row": 3}), late)
    assert page.shown.choice.encoder == name and "address" not in said(page)
    assert address_of(page)["encoder"] == name
    several, _ = read(urlencode({"encoder": name}), pages.LinearProbes.make_choice)  # as another page takes it over
    assert several["encoders"] == (name,)
    assert visit("KnobPaths", "encoder=lyra-v2@quantizers=99").shown.choice.encoder == "diffae-mini"


def test_a_page_without_an_address_has_none(visit):
    page = visit("KnobPaths", "")
    assert address_of(page) == {}
    assert set(page.bridge.address) >= {"encoder", "effect", "value", "row"}
    assert page.choice().encoder == "diffae-mini"


def test_what_is_chosen_stands_in_the_address_until_it_is_as_before(visit):
    page = visit("KnobPaths", "")
    page.choose(row=9)
    assert address_of(page) == {"row": "9"}
    page.choose(row=0)
    assert address_of(page) == {}


def test_what_came_with_the_address_stays_there_for_other_pages(visit):
    """Which open with other defaults."""
    page = visit("KnobPaths", "effect=DIS")
    page.choose(effect="HPF")
    assert address_of(page)["effect"] == "HPF"


def test_another_effect_takes_the_knob_of_the_last_one_out_of_the_address(visit):
    page = visit("LatentAlgebra", "effect=DIS&knob=drive_db&value=30")
    assert not {"knob", "value"} & set(page.bridge.address)
    page.choose(effect="RVB")
    assert page.bridge.address["knob"] is page.bridge.address["value"] is None


@pytest.mark.parametrize("late", [False, True], ids=["asked for", "told later"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("encoder=foo", "The address asks for encoder 'foo', which is not offered here: diffae-mini is shown instead."),
        ("row=64", "The address asks for row '64'"),
        ("rows=1,64", "The address asks for rows '1,64'"),
        ("value=300000", "The address asks for value '300000', which is not offered here: 2000 is shown instead."),
        ("effect=TRV&knob=drive_db&value=3", "The address asks for effect 'TRV'"),
        ("knob=drive_db", "The address asks for knob 'drive_db'"),
        (
            "clips=../../etc/passwd",
            "The address asks for clip set '../../etc/passwd', which is not offered here: bundled",
        ),
        ("clips=own", "The address asks for files of your own, which are not here: bundled clips are shown instead."),
        ("dimensions=7", "The address asks for dimensions '7'"),
        ("value=nan", "The address gives 'nan' for value"),
        ("encoder=<img src=x onerror=alert(1)>", "'<img src=x onerror=alert(1)>'"),
    ],
)
def test_what_is_not_offered_is_said_and_the_default_stays(query, words, late, visit):
    page = visit("KnobPaths", query, late)
    assert words in said(page) and said(page).count("The address") == 1
    assert "<img" not in page.status.text
    assert page.choice() == page.shown.choice
    assert page.choice().differing(visit("KnobPaths", "").choice()) == set()
    assert address_of(page) == {}


def test_a_point_that_is_not_there_is_not_ringed(visit):
    page = visit("EffectClusters", "ringed_row=64&ringed_effect=FOO")
    assert (page.choice().ringed_row, page.choice().ringed_effect) == (0, "CLN")
    assert "ringed row '64'" in said(page) and "ringed effect 'FOO'" in said(page)


def test_a_sentence_goes_with_the_next_choice(visit):
    page = visit("KnobPaths", "encoder=foo")
    page.choose(row=9)
    ready(page)
    assert said(page) == ""


def test_private_fields_and_buttons_never_stand_in_an_address(visit):
    page = visit("YourOwnAudio", "folder=/etc&encode=1")
    assert page.choice().folder == ""
    page.folder.value = "/tmp"
    page.choose(dimensions=2)
    ready(page)
    assert address_of(page) == {"dimensions": "2"}


def test_in_a_notebook_the_address_is_not_the_pages(monkeypatch):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    monkeypatch.setenv("QUERY_STRING", "row=9")
    page = ready(pages.KnobPaths())
    monkeypatch.delenv("QUERY_STRING")
    page.bridge._handle_custom_msg({"kind": "ready", "query": "row=9", "dashboard": False, "webgl": True}, [])
    assert ready(page).choice().row == 0


@pytest.mark.parametrize("browser", [{"webgl": False}, {"narrow": True}])
def test_where_space_cannot_be_drawn_the_page_is_flat_by_itself(browser, visit):
    page = visit("KnobPaths", "", **browser)
    assert page.choice().dimensions == page.shown.choice.dimensions == 2
    assert address_of(page) == {}
    page.choose(dimensions=3)
    assert address_of(page) == {"dimensions": "3"}
    assert visit("KnobPaths", "dimensions=3", **browser).choice().dimensions == 3


def test_what_a_browser_makes_up_is_passed_over(visit):
    page = visit("KnobPaths", "")
    for told in ({}, {"query": 3}, {"query": None, "webgl": "no"}, {"query": "row=9" * 5000, "dashboard": True}):
        page.address._arrived = False
        page.bridge._handle_custom_msg({"kind": "ready", **told}, [])
    assert ready(page).choice().row == 0


def test_a_camera_of_the_address_is_the_figures(visit):
    page = visit("KnobPaths", "camera=1,2,0.5,0,1,0")
    assert page.figure.layout.scene.camera.eye.to_plotly_json() == {"x": 1, "y": 2, "z": 0.5}
    page.bridge._handle_custom_msg({"kind": "camera", "camera": "2,1,0,0,0,1"}, [])
    page.choose(dimensions=2)
    ready(page)
    page.choose(dimensions=3)
    assert ready(page).figure.layout.scene.camera.eye.x == 2
    page.bridge._handle_custom_msg({"kind": "camera", "camera": {"eye": 3}}, [])


def test_what_takes_long_is_computed_once_the_page_stands(monkeypatch, visit):
    """Points that do not ship: the page opens with its defaults, and they come with a bar."""
    prepare, begun = pages.KnobPaths.content.prepare, []

    def slow(choice, clips, last, progress):
        if choice.encoder == "logmel":
            begun.append(type(progress))
            progress.read(lambda *_, bar, compute=True: None if compute else _raise(NotShipped("no")), clips, "logmel")
        return prepare(choice, clips, last, progress)

    monkeypatch.setattr(pages.KnobPaths, "prepare", staticmethod(slow))
    page = visit("KnobPaths", "encoder=logmel&row=9")
    assert begun[0] is asked.Opening and len(begun) > 1
    assert page.shown.choice.encoder == "logmel" and page.shown.choice.row == 9
    assert address_of(page)["encoder"] == "logmel"


def _raise(error):
    raise error


def test_an_address_that_a_page_fails_on_gives_the_defaults_and_the_reason(monkeypatch, visit):
    prepare = pages.KnobPaths.content.prepare

    def failing(choice, clips, last, progress):
        if choice.encoder == "logmel":
            raise ValueError("logmel is away: choose another one")
        return prepare(choice, clips, last, progress)

    monkeypatch.setattr(pages.KnobPaths, "prepare", staticmethod(failing))
    page = visit("KnobPaths", "encoder=logmel")
    assert said(page) == "What the address asks for cannot be shown: logmel is away: choose another one"
    assert page.shown.choice.encoder == page.choice().encoder == "diffae-mini"


def test_a_second_visitor_sees_nothing_of_the_first(visit):
    visit("KnobPaths", "encoder=logmel&effect=DIS&row=9")
    assert visit("KnobPaths", "", late=True).choice() == visit("KnobPaths", "").choice()
