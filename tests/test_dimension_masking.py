"""Page 06: what hiding dims costs, maps, single dims over time, without a browser."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from tqdm import tqdm

from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.masking import masking_losses
from latentfx_nb.effects import EFFECTS, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import (
    dimension_masking,
)
from tests.on_pages import LABELS, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

DimensionMasking = partial(dimension_masking.DimensionMasking, encoder="logmel")


@pytest.fixture(scope="module")
def masking_panel():
    return ready(DimensionMasking())


def test_single_dims_are_masked_before_the_page_is_there(masking_panel, bundled):
    lost = masking_losses(prepared.effect_means(bundled, "logmel"), bar=partial(tqdm, disable=True)).mean("clip")
    cells = masking_panel.figure.data[0]
    np.testing.assert_allclose(np.asarray(cells.z, float), lost.values)
    assert list(cells.y) == LABELS[1:]
    worst = masking_panel.figure.data[2]
    np.testing.assert_allclose(worst.y, lost.max("dim"))
    effect = str(lost["effect"].values[lost.argmax(...)["effect"]])
    assert masking_panel.player.title == f"gtr_00_a: {EFFECTS[effect].name}"
    assert all(not line.y for line in masking_panel.figure.data[3:])
    assert masking_panel.figure.layout.annotations[2].text.endswith("click a cell of the map, or choose a clip")
    assert "No single dim is decisive" in masking_panel.numbers.value
    assert "n = 64 clips, each clean and wet, of 48 recordings." in masking_panel.numbers.value


def test_a_click_on_the_map_is_heard_and_its_dim_is_drawn(masking_panel, bundled):
    masking_panel._clicked(None, SimpleNamespace(xs=["12"], ys=["RVB"]), None)
    ready(masking_panel)
    assert masking_panel.player.title == "gtr_00_a: Reverb"
    sounds = [render(bundled[0], label) for label in ("CLN", "RVB")]
    latents = encode_clips(load_encoder("logmel"), sounds)
    for line, one in zip(masking_panel.figure.data[3:5], latents, strict=True):
        np.testing.assert_allclose(line.y, one[12], atol=1e-6)
    assert masking_panel.figure.layout.annotations[2].text == "Dim 12 over time, gtr_00_a: Reverb"
    assert [line.opacity for line in masking_panel.figure.data[3:]] == [1] * 4


def test_points_are_lost_against_the_best_model_or_the_one_that_sees_all():
    panel = ready(DimensionMasking())
    assert np.asarray(panel.figure.data[0].z, float).min() == 0
    panel.against.value = "unmasked"
    ready(panel)
    assert np.asarray(panel.figure.data[0].z, float).min() < 0
    assert panel.figure.layout.coloraxis.cmin == -panel.figure.layout.coloraxis.cmax


def test_two_dims_of_one_effect_are_a_map_of_pairs():
    panel = ready(DimensionMasking())
    assert panel.effect.layout.display == "none"
    panel.mode.value, panel.effect.value = "two", "HPF"
    assert panel.effect.layout.display == "flex"
    panel.train_button.click()
    ready(panel)
    cells = np.array(panel.figure.data[0].z, float)
    assert cells.shape == (64, 64)
    assert np.isnan(np.diag(cells)).all()
    np.testing.assert_array_equal(cells, cells.T)
    assert tuple(panel.figure.data[1].x) == ("HPF",)
    panel._clicked(None, SimpleNamespace(xs=["3"], ys=["40"]), None)
    ready(panel)
    assert [line.name for line in panel.figure.data[3:]] == [
        "dim 40, clean",
        "dim 40, HPF",
        "dim 3, clean",
        "dim 3, HPF",
    ]


def test_the_most_telling_dims_are_hidden_one_by_one():
    panel = ready(DimensionMasking(encoder="diffae-mini"))
    panel.mode.value = "greedy"
    assert panel.against.layout.display == "none"
    panel.train_button.click()
    ready(panel)
    chosen = np.asarray(panel.figure.data[0].z, float)
    np.testing.assert_allclose(chosen.sum(axis=1), 800)  # percent: each probe has hidden eight dims
    assert [bars.name for bars in panel.figure.data[1:3]] == ["8 random dims", "the 8 most telling"]
    assert np.mean(panel.figure.data[2].y) > np.mean(panel.figure.data[1].y) + 1
    assert "The paper did not try this" in panel.numbers.value


def test_pairs_of_too_many_dims_are_refused(monkeypatch):
    monkeypatch.setattr(dimension_masking, "MOST_PAIRED", 63)
    panel = ready(DimensionMasking())
    panel.mode.value = "two"
    panel.train_button.click()
    ready(panel)
    assert "64 dims have 2016 pairs, too many probes: choose an encoder of at most 63 dims" in said(panel)
