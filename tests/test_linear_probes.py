"""Page 05: training, tables, confusions, learning rates, without a browser."""

from __future__ import annotations

import base64
import html
import io
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.probes import class_accuracy, overall_accuracy, train_probes
from latentfx_nb.analysis.training import LEARNING_RATES, ProbeConfig
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages import (
    dimension_masking,
    linear_probes,
)
from tests.on_pages import assert_sounds, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

LinearProbes = partial(linear_probes.LinearProbes, encoders=("logmel",))
DimensionMasking = partial(dimension_masking.DimensionMasking, encoder="logmel")


def shown_bars(panel):
    """Return what the bars say, features -> label -> percent."""
    return {bars.name: dict(zip(bars.x, bars.y, strict=True)) for bars in panel.figure.data[:8] if bars.visible}


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
    rows = {row[0]: row for row in table_rows(probing.numbers.value)}
    assert list(rows)[:3] == ["logmel-T", "diffae-mini-T", "paper: DiffAE-T"]  # the twin of ours comes first
    assert len(rows) == 2 + 8
    overall, low, high = (100 * part for part in overall_accuracy(results["logmel-T"]))
    assert rows["logmel-T"][-2:] == [f"{overall:.1f} ({low:.0f} to {high:.0f})", f"{overall:.1f}"]
    assert rows["logmel-T"][1:3] == ["64", "0.6 k"]
    assert rows["paper: VGGish-F"][1:4] == ["2176", "21.8 k", "98.0"]
    assert "compare orderings, not sizes" in probing.numbers.value
    assert re.search(r"n = 640 renders of 48 recordings, \d seed\(s\)\.", probing.numbers.value)
    assert [row[2] for row in table_rows(probing.claims.value)] == ["holds", "holds"]


def test_the_tables_can_be_saved(probing):
    links = dict(re.findall(r'download="(.*?)" href="data:.*?;base64,(.*?)"', probing.numbers.value))
    table = pd.read_csv(io.BytesIO(base64.b64decode(links["linear_probes.csv"])), index_col=0)
    assert table.index[0] == "logmel-T"
    assert table.loc["paper: DiffAE-T", "AVG"] == 40.3
    assert base64.b64decode(links["linear_probes.tex"]).startswith(b"\\begin{tabular}")


def test_a_confused_cell_lists_its_renders_and_is_heard(probing, bundled):
    probing.choose("DLY", "CLN")
    ready(probing)
    (clip, effect), result = probing.confused.value, probing._drawn.results[probing.confused_set.value]
    assert effect == "DLY"
    names = list(result["label"].values)
    confused = (result["predicted"] == names.index("CLN")).sel(effect="DLY").any("seed")
    assert {row for _, (row, _) in probing.confused.options} == set(np.flatnonzero(confused))
    assert probing.player.title == f"{bundled.table['clip'].iat[clip]}: Delay (DLY named CLN)"
    assert_sounds(probing.player, bundled[clip], "DLY")
    probing.choose("LPF", "HPF")
    assert probing.confused.options == (("no render is", None),)


def test_a_click_on_the_matrix_chooses_the_cell(probing):
    probing._clicked(None, SimpleNamespace(xs=["PS"], ys=["CHS"]), None)
    assert probing.confused.description == "CHS named PS"


def test_pressing_train_grows_the_bars_and_shows_another_label(bundled):
    panel = ready(LinearProbes())
    grown = []
    panel.figure.data[0].on_change(lambda trace, y: grown.append(tuple(trace.x)), "y")
    panel.label.value = "instrument"
    panel.seeds.value = 1
    panel.train_button.click()
    ready(panel)
    assert grown[0] == ("overall",)
    assert list(shown_bars(panel)["logmel-T"]) == ["guitar", "piano", "overall"]
    assert list(panel.figure.data[9].x) == ["guitar", "piano"]
    assert panel.figure.data[8].y == (50, 50, 50)
    assert "paper:" not in panel.numbers.value and panel.claims.value == ""
    assert said(panel).startswith("5 probes trained")
    assert panel.confused.description in ("guitar named piano", "piano named guitar")


@pytest.mark.parametrize("column", ["style", "meter", "program"])
def test_any_column_of_the_clip_table_can_be_asked_for(column, bundled):
    panel = ready(LinearProbes())
    assert column in dict(panel.label.options)
    panel.label.value, panel.seeds.value = column, 1
    panel.train_button.click()
    ready(panel)
    labels = sorted(bundled.table[column].astype(str).unique())
    assert list(panel.figure.data[9].y) == labels
    panel._clicked(None, SimpleNamespace(xs=[labels[0]], ys=[labels[0]]), None)
    ready(panel)
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
    claims = [row[0] for row in table_rows(panel.claims.value)]
    assert claims[-1] == "logmel: time-averaged latents beat flattened ones on the probe"


def test_learning_rates_are_compared_at_the_press_of_a_button():
    panel = ready(LinearProbes())
    assert all(not len(curve.x) for curve in panel.figure.data[10:])
    panel.seeds.value = 1
    panel.compare_rates.click()
    ready(panel)
    assert tuple(panel.figure.data[10].x) == LEARNING_RATES
    assert panel.figure.data[10].name == "logmel-T"
    assert 10 < np.min(panel.figure.data[10].y) < np.max(panel.figure.data[10].y) < 60


def test_training_can_be_cancelled_and_says_so():
    panel = ready(LinearProbes())
    before, bars = panel.numbers.value, shown_bars(panel)
    panel.rate.value = 1e-4
    original = panel._grow

    def grow(accuracy):
        panel.status.stopped()
        original(accuracy)

    panel._grow = grow
    panel.train_button.click()
    ready(panel)
    assert said(panel) == "Stopped; what was finished is kept."
    assert panel.numbers.value == before
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
