"""The front page: the instrument, a card for every page, and which encoders are ready on this machine."""

from __future__ import annotations

import base64
import html
import re

import pytest
from PIL import Image

from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages import StartHere, all_pages, start_here
from latentfx_nb.pages.knob_paths import KnobPaths
from tests.on_pages import ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LINK = re.compile(r'<a data-page="([^"]+)" href="([^"]+)">(.*?)</a>')


@pytest.fixture(scope="module")
def front():
    page = StartHere()
    ready(page.instrument)
    return page


def test_the_front_page_is_page_04s_instrument_and_opens_as_it_does(front):
    assert said(front.instrument) == ""
    assert isinstance(front.instrument, KnobPaths)
    assert front.instrument.shown.choice == ready(KnobPaths()).shown.choice
    assert "lfx-front" in front.children[0]._dom_classes
    assert front.children[0].children == (front.instrument,)
    assert start_here.Instrument not in all_pages().values()  # it is no page of its own


def test_the_front_page_has_a_card_for_every_page(front):
    cards = LINK.findall(front.cards.value)
    assert [name for name, _, _ in cards] == list(all_pages())
    for name, link, inside in cards:
        assert link == f"{name}.ipynb"
        assert f"<b>{html.escape(all_pages()[name].title)}</b>" in inside
        assert html.escape(all_pages()[name].blurb) in inside


def test_what_is_below_the_first_screen_is_named_on_its_edge(front):
    assert re.match(rf'<h2 id="([\w-]+)"><a href="#\1">{start_here.MORE}</a></h2>', front.cards.value)


def test_every_page_of_the_package_has_a_small_picture_in_both_themes():
    for name in all_pages():
        for theme in ("light", "dark"):
            path = start_here.PICTURES / f"{name}_{theme}.webp"
            assert path.stat().st_size <= 10_240, path
            with Image.open(path) as picture:
                assert picture.width >= 264, path
    known = {f"{name}_{theme}" for name in all_pages() for theme in ("light", "dark")}
    assert {path.stem for path in start_here.PICTURES.iterdir()} == known


def test_a_card_holds_its_pictures_and_loads_nothing(front, tmp_path, monkeypatch):
    shown = re.findall(r'<img class="lfx-in-(\w+)" alt="" src="([^"]+)">', front.cards.value)
    assert len(shown) == 2 * len(all_pages())
    assert all(source.startswith("data:image/webp;base64,") for _, source in shown)
    first = base64.b64decode(shown[0][1].partition(",")[2])
    assert first == (start_here.PICTURES / f"{next(iter(all_pages()))}_{shown[0][0]}.webp").read_bytes()
    monkeypatch.setattr(start_here, "PICTURES", tmp_path)  # as for a page of a plug-in
    assert "<img" not in start_here.cards()
    assert len(LINK.findall(start_here.cards())) == len(all_pages())


def test_the_drawer_has_a_row_for_every_encoder(front):
    facts = front.instrument.drawer()["facts"][-1].value
    assert "Encoders on this machine" in facts
    for name in list_encoders().index:
        assert f"<td>{name}</td>" in facts
    assert "Encoders on this machine" not in "".join(one.value for one in KnobPaths.drawer(front.instrument)["facts"])


def test_the_drawer_says_what_is_missing(no_weights):
    row = re.search(r"<td>lyra-v2</td>.*?</tr>", start_here.encoder_table()).group()
    assert "weights are fetched at first use" in html.unescape(row)
    assert "<td>ready</td>" not in row
