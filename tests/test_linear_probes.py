"""Page 05: training, tables, confusions, learning rates, without a browser."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.probes import class_accuracy, overall_accuracy, paper_table, train_probes
from latentfx_nb.analysis.training import LEARNING_RATES, ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages import dimension_masking, linear_probes
from latentfx_nb.pages.content import linear_probes as content
from latentfx_nb.pages.content import probe_width
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.paper import TABLE_3_CLASSES
from tests.on_pages import LABELS, assert_sounds, happens, heard_by_now, ready, said
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LinearProbes = partial(linear_probes.LinearProbes, encoders=("logmel",))
DimensionMasking = partial(dimension_masking.DimensionMasking, encoder="logmel")


def shown_bars(panel):
    """Return what the bars say, features -> label -> percent."""
    drawn = [panel.figure.trace(name) for name in panel.figure.names() if name.startswith("bars ")]
    return {bars.name: dict(zip(bars.x, bars.y, strict=True)) for bars in drawn if bars.visible is not False}


def click_cell(panel, label, named):
    """Click the cell of the matrix that says how often `label` is named `named`."""
    panel.click("confusions", SimpleNamespace(xs=[named], ys=[label], point_inds=[[0, 0]]))
    return ready(panel)


def table_rows(text):
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", text)
    return [[html.unescape(cell) for cell in row.split("</td><td>")] for row in rows]


@pytest.fixture(scope="module")
def probing():
    """One panel of two encoders, for tests that leave it as it opened."""
    return ready(linear_probes.LinearProbes(encoders=("logmel", "diffae-mini")))


def test_probes_are_trained_before_the_page_is_there(probing, bundled):
    results = train_probes(
        {f"{name}-T": prepared.effect_means(bundled, name) for name in ("diffae-mini", "logmel")},
        config=ProbeConfig(seeds=(0, 1, 2)), bar=partial(tqdm, disable=True),
    )  # fmt: skip
    for name, bars in shown_bars(probing).items():
        accuracy = 100 * class_accuracy(results[name])["accuracy"]
        assert bars == pytest.approx(accuracy.to_dict())
    rows = {row[0]: row for row in table_rows(probing.html["numbers"].value)}
    assert list(rows)[:3] == ["logmel-T", "diffae-mini-T", "paper: DiffAE-T"]  # the twin of ours comes first
    assert len(rows) == 2 + 8
    overall, low, high = (100 * part for part in overall_accuracy(results["logmel-T"]))
    assert rows["logmel-T"][-2:] == [f"{overall:.1f} ({low:.0f} to {high:.0f})", f"{overall:.1f}"]
    assert rows["logmel-T"][1:3] == ["64", "0.6 k"]
    assert rows["paper: VGGish-F"][1:4] == ["2176", "21.8 k", "98.0"]
    assert "compare orderings, not sizes" in probing.html["numbers"].value
    assert re.search(r"n = 640 renders of 48 recordings, \d seed\(s\)\.", probing.html["numbers"].value)
    assert [row[2] for row in table_rows(probing.html["claims"].value)] == ["holds", "holds"]


def test_the_reverb_is_named_with_its_stereo_width_and_without_and_heard_so(bundled):
    panel = ready(LinearProbes())
    config = panel.shown.choice.config()
    cells = table_rows(panel.html["width"].value)
    for mono in (False, True):
        means = prepared.effect_means(bundled, "logmel", mono=mono, compute=False)
        trained = train_probes(means, config=config, bar=partial(tqdm, disable=True))["probe"]
        accuracy = class_accuracy(trained).loc["RVB", "accuracy"]
        assert cells[0][:2] == ["logmel-T", "RVB"] and cells[0][2 + mono].startswith(f"{100 * accuracy:.1f} (")
    before = panel.shown
    panel.mono.value = True
    ready(panel)
    assert table_rows(panel.html["width"].value) == cells
    assert panel.shown.results is not before.results
    heard = content.heard(replace(panel.shown.choice, cell=("RVB", "DLY"), confused=None), bundled, panel.shown)
    assert heard is None or heard.wet.mono
    assert ", mono=True)" in panel.code()
    panel.label.value = "instrument"
    panel.train_button.click()
    ready(panel)
    assert panel.html["width"].value == ""


def test_flattened_latents_wait_for_the_switch(bundled):
    shown = content.prepare(content.ProbesChoice(encoders=("logmel",), seeds=1), bundled, None, Progress())
    flat = replace(shown, results={"logmel-F": shown.results["logmel-T"]})
    assert "not trained: turn the switch" in content.texts(replace(flat, width={}))["width"]
    assert probe_width.other_width(flat.results, bundled, False, flat.choice.config(), Progress()) == {}


def test_the_drawer_says_first_who_loses_and_has_the_published_table_and_verdicts(probing):
    first, own, _, published = probing.drawer()["facts"]
    assert "On real recordings, diffae-mini" in first.value and own is probing.html["numbers"]
    rows = {row[0]: row for row in table_rows(published.value)}
    assert {"diffae-mini", "logmel-stats", "VGGish, in the paper", "guessing"} <= set(rows)
    assert published.value.index("Real recordings") < published.value.index("Bundled clips")
    verdicts = {row[-1] for row in table_rows(probing.drawer()["claims"][-1].value)}
    assert verdicts <= {"holds", "refuted", "undecided", "not tested"} and "not tested" in verdicts


def test_the_tables_can_be_saved(probing):
    links = dict(re.findall(r'download="(.*?)" href="data:.*?;base64,(.*?)"', probing.html["numbers"].value))
    table = pd.read_csv(io.BytesIO(base64.b64decode(links["linear_probes.csv"])), index_col=0)
    assert table.index[0] == "logmel-T"
    assert table.loc["paper: DiffAE-T", "AVG"] == 40.3
    assert base64.b64decode(links["linear_probes.tex"]).startswith(b"\\begin{tabular}")


def test_a_confused_cell_lists_its_renders_and_is_heard(probing, bundled):
    click_cell(probing, "DLY", "CLN")
    (clip, effect), result = probing.confused.value, probing.shown.results[probing.confused_set.value]
    assert effect == "DLY"
    names = list(result["label"].values)
    confused = (result["predicted"] == names.index("CLN")).sel(effect="DLY").any("seed")
    assert {row for _, (row, _) in probing.confused.options} == set(np.flatnonzero(confused))
    assert probing.player.title == f"{bundled.table['clip'].iat[clip]}: Delay (DLY named CLN)"
    assert_sounds(probing.player, bundled[clip], "DLY")
    click_cell(probing, "LPF", "HPF")
    assert probing.confused.options == (("(none)", None),)


def test_the_confused_renders_are_listed_with_their_effects_and_heard_before_they_are_chosen(probing, bundled):
    click_cell(probing, "DLY", "CLN")
    picker, before = probing.confused, probing.confused.value
    assert picker.playable
    assert all(re.fullmatch(r"Delay · \d+% of its probes", picker.details[value]) for _, value in picker.options)
    row, effect = picker.options[1][1]
    picker._answer(picker, {"kind": "play", "number": 1}, [])
    heard_by_now(probing)
    assert probing.player.title == f"{bundled.table['clip'].iat[row]}: {EFFECTS[effect].name}"
    assert picker.playing == (row, effect)
    assert picker.value == before
    picker._answer(picker, {"kind": "play", "number": 1}, [])
    assert not probing.player.playing


def test_a_second_click_on_a_cell_plays_its_first_confusion():
    panel = ready(LinearProbes())
    place = SimpleNamespace(xs=["CLN"], ys=["DLY"], point_inds=[[0, 0]])
    panel.pointing._click("confusions", place)
    heard_by_now(panel)
    assert panel.player.title.endswith("Delay (DLY named CLN)")
    assert not panel.player.playing
    panel.pointing._click("confusions", place)
    heard_by_now(panel)
    assert panel.player.playing


def test_marks_are_the_papers_own_values_of_the_same_kind_of_encoder(probing):
    paper = paper_table().loc["DiffAE-T"]
    marks = probing.figure.trace("paper 2")  # the second set is diffae-mini-T; logmel has no twin
    assert dict(zip(marks.x, marks.y, strict=True)) == {label: paper[label] for label in TABLE_3_CLASSES}
    assert [name for name in probing.figure.names() if name.startswith("paper")] == ["paper 2"]


def test_heads_of_the_table_explain_themselves(probing):
    heads = dict(re.findall(r'<th title="(.*?)">(.*?)</th>', probing.html["numbers"].value))
    explained = {head: html.unescape(hint) for hint, head in heads.items()}
    assert explained["DLY"] == "Delay"
    assert explained["probe"] == "weights of the probe"


def test_a_click_on_the_matrix_chooses_the_cell(probing):
    click_cell(probing, "CHS", "PS")
    assert probing.confused.description == "CHS named PS"


def test_pressing_train_grows_the_bars_and_shows_another_label(bundled):
    panel = ready(LinearProbes())
    grown = []
    dimmed = []
    panel.figure.trace("bars 1").on_change(lambda trace, y: grown.append(tuple(trace.x)), "y")
    panel.figure.trace("confusions").on_change(lambda trace, opacity: dimmed.append(opacity), "opacity")
    panel.label.value = "instrument"
    panel.seeds.value = 1
    panel.train_button.click()
    ready(panel)
    assert dimmed == [figures.STALE, None]  # the matrix of before is no longer of what is trained
    assert grown[0][-1] == "overall"
    assert list(grown[0][:-1]) == list(EFFECTS)  # those of before stay where they are, faintly, until others are known
    assert list(shown_bars(panel)["logmel-T"]) == ["guitar", "piano", "overall"]
    assert list(panel.figure.trace("confusions").x) == ["guitar", "piano"]
    assert panel.figure.trace("chance").y == (50, 50, 50)
    assert "paper:" not in panel.html["numbers"].value
    assert "predict the effect to test them" in panel.html["claims"].value
    assert not any(name.startswith("paper") for name in panel.figure.names())
    assert said(panel).startswith("5 probes trained")
    assert panel.confused.description in ("guitar named piano", "piano named guitar")


@pytest.mark.parametrize("column", ["style", "meter", "program"])
def test_any_column_of_the_clip_table_can_be_asked_for(column, bundled):
    panel = ready(LinearProbes())
    assert column in panel.label.options
    panel.label.value, panel.seeds.value = column, 1
    panel.train_button.click()
    ready(panel)
    labels = sorted(bundled.table[column].astype(str).unique())
    assert list(panel.figure.trace("confusions").y) == labels
    click_cell(panel, labels[0], labels[0])
    (row, effect), *_ = [value for _, value in panel.confused.options]
    assert str(bundled.table[column].iat[row]) == labels[0]
    assert panel.player.title.endswith(f": {EFFECTS[effect].name} ({labels[0]} named {labels[0]})")


def test_flattened_latents_are_probed_beside_their_averages(bundled, warm_cache):
    panel = ready(LinearProbes(bundled[:20]))
    panel.kinds.value = ("T", "F")
    panel.seeds.value = 1
    panel.train_button.click()
    ready(panel)
    assert list(shown_bars(panel)) == ["logmel-T", "logmel-F"]
    claims = [row[0] for row in table_rows(panel.html["claims"].value)]
    assert claims[-1] == "logmel: time-averaged latents beat flattened ones on the probe"


def test_learning_rates_are_compared_at_the_press_of_a_button():
    panel = ready(LinearProbes())
    assert not any(name.startswith("rates") for name in panel.figure.names())
    panel.seeds.value = 1
    panel.compare_rates.click()
    ready(panel)
    assert tuple(panel.figure.trace("rates 1").x) == LEARNING_RATES
    assert panel.figure.trace("rates 1").name == "logmel-T"
    assert 10 < np.min(panel.figure.trace("rates 1").y) < np.max(panel.figure.trace("rates 1").y) < 60


def test_training_can_be_cancelled_and_says_so(monkeypatch):
    panel = ready(LinearProbes())
    before, bars = panel.html["numbers"].value, shown_bars(panel)
    panel.rate.value = 1e-4
    original, grown = figures.growing_bars, []

    def grow(accuracy, before):
        panel.status.stopped()
        grown.append(accuracy)
        return original(accuracy, before)

    monkeypatch.setattr(figures, "growing_bars", grow)
    panel.train_button.click()
    ready(panel)
    assert grown
    assert said(panel) == "Stopped; what was finished is kept."
    assert panel.html["numbers"].value == before
    assert shown_bars(panel) == bars


def test_choosing_no_features_says_so():
    panel = ready(LinearProbes())
    panel.encoders.value = ()
    panel.train_button.click()
    ready(panel)
    assert "0 feature sets are chosen: choose 1 to 8 of them" in said(panel)


@pytest.mark.parametrize("panel_class", [LinearProbes, DimensionMasking])
def test_too_few_recordings_for_a_probe_open_on_the_bundled_clips_and_say_so(panel_class, few, warm_cache):
    panel = ready(panel_class(few))
    assert "5 folds need as many recordings, not 3" in said(panel)
    assert "These are the bundled clips instead." in said(panel)
    assert panel.clip_set.value == "bundled"
    panel.clip_set.value = str(few)
    panel.train_button.click()
    ready(panel)
    assert "5 folds need as many recordings, not 3: pass more clips" in said(panel)
    panel.clip_set.value = "bundled"
    panel.train_button.click()
    ready(panel)
    assert "did not work" not in said(panel)


# ------------------------------------------------------------------------------------------------- what is looked at


def test_of_more_sets_there_are_more_bars_and_of_fewer_fewer():
    panel = ready(LinearProbes())
    panel.seeds.value = 1
    for encoders in (("logmel", "diffae-mini"), ("diffae-mini",)):
        panel.encoders.value = encoders
        panel.train_button.click()
        ready(panel)
        assert set(shown_bars(panel)) == {f"{name}-T" for name in encoders}
        assert set(panel.confused_set.options) == set(shown_bars(panel))


def test_a_cell_and_a_set_can_be_looked_at_while_probes_are_trained(monkeypatch):
    panel = ready(linear_probes.LinearProbes(encoders=("logmel", "diffae-mini")))
    train, gate, started, trainings = content.train_probes, threading.Event(), threading.Event(), []

    def slow(*arguments, **options):
        trainings.append(arguments)
        started.set()
        assert gate.wait(PATIENCE_S)
        return train(*arguments, **options)

    monkeypatch.setattr(content, "train_probes", slow)
    panel.seeds.value = 1
    panel.train_button.click()
    assert happens(started)
    panel.click("confusions", SimpleNamespace(xs=["CLN"], ys=["DLY"], point_inds=[[0, 0]]))
    heard_by_now(panel)  # the picture follows the sound
    assert panel.confused.description == "DLY named CLN"
    before = np.array(panel.figure.trace("confusions").z, float)
    panel.confused_set.value = next(one for one in panel.confused_set.options if one != panel.confused_set.value)
    heard_by_now(panel)
    assert not np.array_equal(np.array(panel.figure.trace("confusions").z, float), before)
    assert panel.player.title.endswith("Delay (DLY named CLN)")
    gate.set()
    chosen = panel.confused_set.value
    ready(panel)
    assert len(trainings) == 1  # to look at something stops nothing
    assert said(panel).startswith("10 probes trained")
    assert (panel.confused.description, panel.confused_set.value) == ("DLY named CLN", chosen)
    cells = panel.figure.trace("confusions").z
    matrix = content.confusion_matrix(panel.shown.results[chosen]).sel(label=LABELS, named=LABELS)
    np.testing.assert_allclose(np.array(cells, float), 100 * matrix.values)


def test_learning_rates_asked_for_during_a_training_are_compared_after_it():
    panel = ready(LinearProbes())
    panel.seeds.value = 1
    panel.label.value = "instrument"
    panel.train_button.click()
    panel.compare_rates.click()
    ready(panel)
    assert list(shown_bars(panel)["logmel-T"]) == ["guitar", "piano", "overall"]
    assert tuple(panel.figure.trace("rates 1").x) == LEARNING_RATES
    panel.train_button.click()  # the curves are of the probes of before
    ready(panel)
    assert not any(name.startswith("rates") for name in panel.figure.names())


def test_nothing_is_trained_before_the_button_is_pressed():
    panel = ready(LinearProbes())
    shown, bars = panel.shown.results, shown_bars(panel)
    panel.encoders.value, panel.rate.value, panel.seeds.value = ("logmel", "diffae-mini"), 1e-3, 1
    ready(panel)
    assert panel.shown.results is shown
    assert shown_bars(panel) == bars
    assert "seeds=(0, 1, 2)" in panel.code()  # of what is shown


def test_probes_are_prepared_without_widgets(bundled):
    choice = content.ProbesChoice(encoders=("logmel",), label="instrument", seeds=1)
    shown = content.prepare(choice, bundled, None, Progress())
    assert list(shown.results) == ["logmel-T"]
    assert shown.choice.confused_set == "logmel-T" and set(shown.choice.cell) == {"guitar", "piano"}
    names = [trace.meta for trace in content.figure_of(shown).data]
    assert names == ["bars 1", "chance", "confusions"]
    assert "holds" not in content.texts(shown)["claims"]
    compared = content.prepare(
        content.ProbesChoice(encoders=("logmel",), seeds=1, compare_rates=True), bundled, shown, Progress()
    )
    assert compared.results is shown.results and compared.choice == shown.choice
    assert list(compared.rates) == ["logmel-T"]


def test_a_choice_of_probes_can_be_kept():
    choice = content.ProbesChoice(encoders=("logmel", "lyra-v2"), cell=("DLY", "CLN"), confused=(3, "DLY"))
    kept = json.loads(json.dumps(choice.kept()))
    assert content.ProbesChoice.of(kept) == (choice, [])
    panel = ready(LinearProbes())
    other = {"seeds": 1, "cell": ["DLY", "CLN"], "confused_set": "lyra-v2-T", "confused": [64, "DLY"]}
    panel.choose(**panel.shown.choice.kept() | other)  # a set that is not trained and a clip that is not there
    ready(panel)
    assert panel.confused_set.value == "logmel-T"
    assert panel.confused.description == "DLY named CLN"
    assert panel.seeds.value == 1


def test_on_a_narrow_screen_the_matrix_stands_below_the_bars_and_beside_them_on_a_wide_one():
    panel = ready(LinearProbes())
    wide = panel.figure.layout.xaxis.domain
    assert wide[1] < 1
    panel.bridge.narrow = True
    assert panel.figure.layout.xaxis.domain == (0, 1) == panel.figure.layout.xaxis2.domain
    assert panel.figure.layout.yaxis2.domain[1] < panel.figure.layout.yaxis.domain[0]
    panel.bridge.narrow = False
    assert panel.figure.layout.xaxis.domain == wide
