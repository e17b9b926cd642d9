"""Page 09: every measure of every encoder, sorted, and measured on request."""

from __future__ import annotations

import re
import threading

import pandas as pd
import pytest
from traitlets import TraitError

import latentfx_nb as lfx
from latentfx_nb import figures
from latentfx_nb.analysis.measures import MEASURES
from latentfx_nb.pages.compare_encoders import CompareEncoders
from latentfx_nb.pages.content import compare_encoders as content
from latentfx_nb.pages.content.progress import Progress
from tests.on_pages import happens, ready, said

pytestmark = [
    pytest.mark.usefixtures("built_in_measures"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
]


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


def drawn_values(panel):
    """Return the encoders that the figure shows, from left to right, and their values."""
    trace = panel.figure.trace("ranking")
    assert list(panel.figure.layout.xaxis.ticktext) == list(trace.text)
    return list(trace.text), list(trace.y)


def test_all_that_ships_is_compared_and_sorted(lyra_weights):
    panel = ready(CompareEncoders())
    assert said(panel) == ""
    assert [column["heading"] for column in panel.table.columns] == [
        "mean rank",
        *(one.heading for one in MEASURES.values()),
    ]
    encoders, ranks = drawn_values(panel)
    assert sorted(encoders) == sorted(row["name"] for row in panel.table.rows)
    assert sorted(encoders) == ["diffae-mini", "logmel", "lyra-v2", "stacked-mini-2"]
    assert ranks == sorted(ranks)
    assert panel.html["numbers"].value.count("steps of 0.2635") == 1  # lyra's noise floor
    assert panel.figure.layout.yaxis.title.text == f"mean rank over {len(MEASURES)} measures"
    for sorting, name, falling in [
        ("curvature", "curvature", False), ("probe_mean", "probe_mean", True), ("-probe_mean", "probe_mean", False),
    ]:  # fmt: skip
        panel.table.value = sorting
        ready(panel)
        encoders, values = drawn_values(panel)
        assert values == sorted(values, reverse=falling)
        assert values == [row["values"][name] for one in encoders for row in panel.table.rows if row["name"] == one]
        assert panel.figure.layout.yaxis.title.text == MEASURES[name].title
        assert list(panel.shown.measures) == encoders
    assert "Not measured yet: stacked-mini-1" in panel.html["left"].value


def test_a_cell_has_a_number_a_bar_and_its_interval_and_the_best_is_marked(shipped):
    rows = {row["name"]: row for row in ready(CompareEncoders()).table.rows}
    names = [content.RANK, *MEASURES]
    for encoder, value in (("diffae-mini", 0.5), ("logmel", 0.25)):
        assert set(rows[encoder]["values"]) == set(names)
        for name, cell in list(zip(names, rows[encoder]["cells"], strict=True))[1:]:
            best = (encoder == "diffae-mini") == MEASURES[name].more_is_better
            assert cell["text"] == f"{value:.2f}"
            assert cell["share"] == value / 0.5
            assert cell["best"] is best
            assert f"{value:.2f} ({value:.2f} to {value:.2f})" in cell["says"]
            assert cell["says"].endswith("; the best") is best


def test_bars_of_numbers_on_both_sides_of_nothing_begin_at_the_lowest(bundled):
    frames = {"a": measured(-1.0), "b": measured(3.0), "c": measured(float("nan"))}
    choice = content.ComparisonChoice()
    rows = content.rows(content.ComparisonShown(choice, bundled, tuple(MEASURES), frames, ()))
    cells = [dict(zip([content.RANK, *MEASURES], row["cells"], strict=True))["straightness"] for row in rows]
    assert [cell["share"] for cell in cells] == [0.0, 1.0, 0.0]
    assert [cell["text"] for cell in cells] == ["-1.00", "3.00", "–"]
    assert rows[2]["values"]["straightness"] is None


def test_heads_say_what_their_columns_are_and_facts_hold_the_intervals(shipped):
    panel = ready(CompareEncoders())
    for column in panel.table.columns[1:]:
        one = MEASURES[column["name"]]
        assert column["says"] == f"{one.title}: {one.says} ({one.better} is better)"
    head, *lines = cells(panel.html["numbers"].value)
    assert head == ["measure", *panel.shown.measures]
    assert [line[0] for line in lines] == [one.heading for one in MEASURES.values()]
    assert lines[0][1] == "0.50 (0.50 to 0.50)"
    assert "by 9 effects" in panel.html["numbers"].value


def test_a_sorting_by_what_is_no_column_is_refused(shipped):
    panel = ready(CompareEncoders())
    for wrong in ("beauty", "--straightness", ""):
        with pytest.raises(TraitError, match="no column is called"):
            panel.table.value = wrong
    assert panel.choice().sort == content.RANK


def test_measuring_says_beforehand_how_much_work_it_is(bundled):
    shown = content.ComparisonShown(content.ComparisonChoice(), bundled[:2], tuple(MEASURES), {}, ("logmel", "mine"))
    sounds = 2 * 10 + 1 * 32 * 4  # ten effects; 32 settings of four knobs, for one clip of a recording
    assert content.measuring(shown).startswith(f"Not measured yet: logmel, mine. Each listens to {sounds} sounds; ")


def test_encoders_that_do_not_ship_are_measured_on_request(shipped):
    panel = ready(CompareEncoders())
    assert panel.measure_button.layout.display == "flex"
    shipped.clear()
    panel.measure_button.click()
    ready(panel)
    assert shipped == [("stacked-mini-1", True)]
    assert "stacked-mini-1" in [row["name"] for row in panel.table.rows]
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
    panel.table.value = "probe_mean"
    go_on.set()
    ready(panel)
    assert said(panel) == ""
    assert list(panel.shown.measures) == ["stacked-mini-1", "diffae-mini", "logmel"]
    assert panel.shown.choice.sort == "probe_mean"
    assert drawn_values(panel)[0] == ["stacked-mini-1", "diffae-mini", "logmel"]


def test_clips_that_nothing_ships_for_wait_for_the_button(real_clips):
    panel = ready(CompareEncoders(real_clips[[1, 6, 22]]))
    assert "No encoder is measured on these clips yet" in panel.table.nothing
    assert panel.table.rows == []
    assert drawn_values(panel)[0] == ["-"]
    panel.measure_button.click()
    ready(panel)
    assert said(panel).startswith("That did not work: 5 folds need as many recordings, not 3")


def test_a_measure_of_ones_own_has_a_column_and_a_sorting(shipped):
    lfx.measure("reach", of="paths", better="less", title="how far a knob leads", says="first point to last")(
        lambda paths: ((paths.isel(value=-1) - paths.isel(value=0)) ** 2).sum("dim")
    )
    panel = ready(CompareEncoders())
    assert panel.table.columns[-1]["heading"] == "reach"
    assert panel.table.columns[-1]["says"] == "how far a knob leads: first point to last (less is better)"
    panel.table.value = "reach"
    ready(panel)
    assert panel.figure.layout.yaxis.title.text == "how far a knob leads"
    assert list(panel.shown.measures) == ["logmel", "diffae-mini"]  # less is better


def test_nothing_is_heard_and_no_player_is_shown(shipped):
    panel = ready(CompareEncoders())
    assert panel.player.layout.display == "none"
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
    assert list(content.figure_of(whole).data[0].y) == [0.75, 0.5, 0.25]


def test_unknown_values_come_last_and_are_dashes():
    frames = {"a": measured(float("nan")), "b": measured(1.0), "c": measured(2.0)}
    assert list(content.ordered(frames, "probe_mean")) == ["c", "b", "a"]
    assert list(content.ordered(frames, "curvature")) == ["b", "c", "a"]
    assert list(content.ordered(frames, "-curvature")) == ["c", "b", "a"]
    assert list(content.ordered(frames, "-straightness")) == ["b", "c", "a"]
    assert content.ordered({}, content.RANK) == {}


def test_a_choice_can_be_kept():
    choice = content.ComparisonChoice(sort="curvature", measure=True)
    assert content.ComparisonChoice.of(choice.kept()) == (choice, [])


def test_without_encoders_the_figure_is_empty():
    figure = figures.encoder_comparison({}, {"one": "One measure"})
    assert list(figure.layout.yaxis.ticktext) == [figures.comparison.NOBODY]
    assert figure.data[0].x[0] != figure.data[0].x[0]  # NaN
    figure = figures.encoder_ranking({}, "one", "One measure")
    assert list(figure.layout.xaxis.ticktext) == [figures.comparison.NOBODY]
    assert figure.data[0].y[0] != figure.data[0].y[0]
