"""The glossary: a word of the field in a musician's words, with a picture; a measure's meaning is said once."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from latentfx_nb.analysis.measures import MEASURES, glossary
from latentfx_nb.analysis.registry import measure
from latentfx_nb.pages import all_pages, terms
from latentfx_nb.pages.glossary import SKETCH, measure_term, words

pytestmark = pytest.mark.usefixtures("built_in_measures")

SAID = re.compile(r"<dt>(<svg .*?</svg>)<b>(.*?)</b></dt><dd>(.*?)</dd>")


@pytest.mark.parametrize("page", [*terms.ON, "20_toy", ""])
def test_every_page_explains_every_word_once(page):
    said = [name for _, name, _ in SAID.findall(words(page))]
    assert len(said) == len(set(said)) == len(terms.TERMS) + len(glossary())


def test_what_a_page_shows_comes_first_and_the_rest_is_folded_away():
    first, rest = words("04_knob_paths").split("<details>")
    names = [name for _, name, _ in SAID.findall(first)]
    assert names[0] == "knob path"
    assert [name for name in names if name.startswith("straight")] == ["straight: straightness"]
    assert "linear probe" in rest and "linear probe" not in names
    assert "<details>" not in words("20_toy")


def test_pages_and_measures_that_are_named_are_there():
    assert set(terms.ON) == set(all_pages())
    assert {name for named in terms.ON.values() for name in named} <= set(terms.TERMS)
    assert set(terms.MEASURES) <= set(MEASURES)
    assert set(terms.MEASURED) <= set(terms.ON)


def test_a_measure_is_described_as_where_it_is_defined():
    for name, row in glossary().iterrows():
        term = measure_term(name)
        assert row["meaning"][1:] in term.words
        assert f"({row['better']} is better)" in term.words
        assert term.name.startswith(row["heading"])


@pytest.mark.parametrize(
    "picture", [*(one.picture for one in terms.TERMS.values()), *(two for _, two in terms.MEASURES.values())]
)
def test_pictures_are_whole_small_and_take_the_colour_of_the_text(picture):
    root = ElementTree.fromstring(SKETCH.format(picture))
    assert root.attrib["stroke"] == "currentColor"
    assert len(picture) < 600
    for part in root.iter():
        assert part.attrib.get("fill", "none") in ("none", "currentColor")
        assert part.attrib.get("stroke", "currentColor") == "currentColor"


def test_it_is_made_once_and_anew_when_a_measure_joins():
    before = words("09_compare_encoders")
    assert words("09_compare_encoders") is before
    measure("reach", of="paths", better="less", title="how far <a> knob leads", says="first point to last")(
        lambda paths: ((paths.isel(value=-1) - paths.isel(value=0)) ** 2).sum("dim")
    )
    after = words("09_compare_encoders").split("<details>")[0]
    assert "how far &lt;a&gt; knob leads" in after and "First point to last (less is better)." in after
    assert "reach" not in before
