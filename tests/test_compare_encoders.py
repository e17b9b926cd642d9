"""Page 09: every measure of every encoder, sorted, and measured on request."""

from __future__ import annotations

import re
import threading

import pandas as pd
import pytest

import latentfx_nb as lfx
from latentfx_nb import figures
from latentfx_nb.analysis.measures import MEASURES
from latentfx_nb.pages.compare_encoders import CompareEncoders
from latentfx_nb.pages.content import compare_encoders as content
from latentfx_nb.pages.content.progress import Progress
from tests.on_pages import happens, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


@pytest.fixture(autouse=True)
def only_here():
    """Forget after each test which measures it registered."""
    built_in = dict(MEASURES)
    yield
    MEASURES.clear()
    MEASURES.update(built_in)


def cells(table):
    """Return the rows of an HTML table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def measured(value=0.5, names=None):
    return pd.DataFrame(value, list(names or MEASURES), ["value", "low", "high", "n"])


@pytest.fixture
def shipped(monkeypatch):
    """Two of three encoders that are ready ship; what is measured is planted, and asked for in this list."""
    asked, values = [], {"diffae-mini": 0.5, "logmel": 0.25, "stacked-mini-1": 0.75}
    ships = {"diffae-mini", "logmel"}

    def compare(clips, names, bar, *, compute):
        asked.extend((name, compute) for name in names)
        return {name: measured(values[name]) for name in names if compute or name in ships}

    monkeypatch.setattr(content, "compare_encoders", compare)
    monkeypatch.setattr(content, "ready", lambda: list(values))
    return asked


def test_all_that_ships_is_compared_and_sorted(lyra_weights):
    panel = ready(CompareEncoders())
    assert said(panel) == ""
    head, *rows = cells(panel.html["table"].value)
    assert head == ["encoder", "mean rank", *(measure.heading for measure in MEASURES.values())]
    assert sorted(row[0] for row in rows) == ["diffae-mini", "logmel", "lyra-v2", "stacked-mini-2"]
    ranks = [float(row[1]) for row in rows]
    assert ranks == sorted(ranks)
    assert rows[[row[0] for row in rows].index("logmel")][-1] == "--"
    panel.sort.value = "curvature"
    ready(panel)
    turns = [float(row[head.index("turns")].split()[0]) for row in cells(panel.html["table"].value)[1:]]
    assert turns == sorted(turns)
    panel.sort.value = "probe_mean"
    ready(panel)
    rows = cells(panel.html["table"].value)[1:]
    named = [float(row[head.index("probe -T")].split()[0]) for row in rows]
    assert named == sorted(named, reverse=True)
    assert list(panel.figure.layout.yaxis.ticktext) == [row[0] for row in rows]
    assert list(panel.figure.trace("probe_mean").text) == [row[0] for row in rows]
    assert "Not measured on these clips yet: stacked-mini-1" in panel.html["table"].value


def test_the_caption_says_of_each_column_what_it_is_and_of_how_many_clips(shipped):
    panel = ready(CompareEncoders())
    words = panel.html["table"].value
    for one in MEASURES.values():
        assert f"{one.heading}: " in words
        assert f"({one.better} is better)" in words
    assert "The mean rank is over the measures that all encoders here have" in words
    assert "by 9 effects" in words


def test_encoders_that_do_not_ship_are_measured_on_request(shipped):
    panel = ready(CompareEncoders())
    assert panel.measure_button.layout.display == "flex"
    shipped.clear()
    panel.measure_button.click()
    ready(panel)
    assert shipped == [("stacked-mini-1", True)]
    assert "stacked-mini-1" in [row[0] for row in cells(panel.html["table"].value)[1:]]
    assert panel.measure_button.layout.display == "none"


def test_encoders_appear_one_by_one_and_sorting_does_not_stop_the_measuring(shipped, monkeypatch):
    panel = ready(CompareEncoders())
    compare, first, go_on = content.compare_encoders, threading.Event(), threading.Event()

    def slow(clips, names, bar, *, compute):
        if compute:
            first.set()
            assert go_on.wait(60)
        return compare(clips, names, bar, compute=compute)

    monkeypatch.setattr(content, "compare_encoders", slow)
    panel.measure_button.click()
    assert happens(first)
    panel.sort.value = "probe_mean"
    go_on.set()
    ready(panel)
    assert said(panel) == ""
    assert list(panel.shown.measures) == ["stacked-mini-1", "diffae-mini", "logmel"]
    assert panel.shown.choice.sort == "probe_mean"
    assert list(panel.figure.layout.yaxis.ticktext) == ["stacked-mini-1", "diffae-mini", "logmel"]


def test_clips_that_nothing_ships_for_wait_for_the_button(real_clips):
    panel = ready(CompareEncoders(real_clips[[1, 6, 22]]))
    assert "No encoder is measured on these clips yet" in panel.html["table"].value
    assert list(panel.figure.layout.yaxis.ticktext) == ["-"]
    panel.measure_button.click()
    ready(panel)
    assert said(panel).startswith("That did not work: 5 folds need as many recordings, not 3")


def test_a_measure_of_ones_own_has_a_column_a_plot_and_a_sorting(shipped):
    lfx.measure("reach", of="paths", better="less", title="how far a knob leads", says="first point to last")(
        lambda paths: ((paths.isel(value=-1) - paths.isel(value=0)) ** 2).sum("dim")
    )
    panel = ready(CompareEncoders())
    assert cells(panel.html["table"].value)[0][-1] == "reach"
    assert "reach: first point to last (less is better)" in panel.html["table"].value
    assert panel.figure.trace("reach").name == "how far a knob leads"
    panel.sort.value = "reach"
    ready(panel)
    assert list(panel.shown.measures) == ["logmel", "diffae-mini"]  # less is better


def test_nothing_is_heard_and_no_player_is_shown(shipped):
    panel = ready(CompareEncoders())
    assert panel.player not in panel.children
    assert not panel.player.title


def test_prepare_needs_no_page(shipped, bundled):
    class Watched(Progress):
        shown = []

        def show(self, shown):
            self.shown.append(list(shown.measures))

    choice = content.ComparisonChoice(sort="probe_mean")
    first = content.prepare(choice, bundled, None, Progress())
    assert list(first.measures) == ["diffae-mini", "logmel"]
    assert first.left == ("stacked-mini-1",)
    progress = Watched()
    asked = content.ComparisonChoice(sort="probe_mean", measure=True)
    whole = content.prepare(asked, bundled, first, progress)
    assert progress.shown == [["stacked-mini-1", "diffae-mini", "logmel"]]
    assert whole.left == ()
    assert {trace.meta for trace in content.figure_of(whole).data} == set(MEASURES)


def test_unknown_values_come_last_and_are_dashes():
    frames = {"a": measured(float("nan")), "b": measured(1.0), "c": measured(2.0)}
    assert list(content.ordered(frames, "probe_mean")) == ["c", "b", "a"]
    assert list(content.ordered(frames, "curvature")) == ["b", "c", "a"]
    assert content.ordered({}, content.RANK) == {}


def test_a_choice_can_be_kept():
    choice = content.ComparisonChoice(sort="curvature", measure=True)
    assert content.ComparisonChoice.of(choice.kept()) == (choice, [])


def test_without_encoders_the_figure_is_empty():
    figure = figures.encoder_comparison({}, {"one": "One measure"})
    assert list(figure.layout.yaxis.ticktext) == [figures.comparison.NOBODY]
    assert figure.data[0].x[0] != figure.data[0].x[0]  # NaN
