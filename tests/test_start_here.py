"""The front page: a card for every page, a row for every encoder."""

from __future__ import annotations

import html
import re

import pytest

from latentfx_nb.encoders import list_encoders
from latentfx_nb.pages import StartHere, all_pages

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


def test_the_front_page_has_a_card_for_every_page_and_a_row_for_every_encoder():
    page = StartHere().value
    links = re.findall(r'<a href="([^"]+)"><b>([^<]+)</b>', page)
    assert links == [(f"{name}.ipynb", html.escape(page.title)) for name, page in all_pages().items()]
    for name in list_encoders().index:
        assert f"<td>{name}</td>" in page


def test_the_front_page_says_what_is_missing(no_weights):
    row = re.search(r"<td>lyra-v2</td>.*?</tr>", StartHere().value).group()
    assert "weights are fetched at first use" in html.unescape(row)
    assert "<td>ready</td>" not in row
