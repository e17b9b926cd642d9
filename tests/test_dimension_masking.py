"""Page 06: what hiding dims costs, maps, single dims over time, without a browser."""

from __future__ import annotations

import json
import threading
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
from latentfx_nb.figures import STALE
from latentfx_nb.pages import dimension_masking
from latentfx_nb.pages.content import dimension_masking as content
from latentfx_nb.pages.content.progress import Progress
from tests.on_pages import LABELS, happens, heard_by_now, ready, said
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

DimensionMasking = partial(dimension_masking.DimensionMasking, encoder="logmel")


def click_cell(panel, down, across):
    """Click the cell of the map in the row and the column of these names."""
    panel.click("map", SimpleNamespace(xs=[across], ys=[down], point_inds=[[0, 0]]))
    return ready(panel)


def lines_of(panel):
    """Return the dims that are drawn over time."""
    return [panel.figure.trace(name) for name in panel.figure.names() if name.startswith("line ")]


@pytest.fixture(scope="module")
def masking_panel():
    return ready(DimensionMasking())


def test_single_dims_are_masked_before_the_page_is_there(masking_panel, bundled):
    lost = masking_losses(prepared.effect_means(bundled, "logmel"), bar=partial(tqdm, disable=True)).mean("clip")
    cells = masking_panel.figure.trace("map")
    np.testing.assert_allclose(np.asarray(cells.z, float), lost.values)
    assert list(cells.y) == LABELS[1:]
    worst = masking_panel.figure.trace("bars 2")
    np.testing.assert_allclose(worst.x, lost.max("dim"))
    effect = str(lost["effect"].values[lost.argmax(...)["effect"]])
    assert masking_panel.player.title == f"gtr_00_a: {EFFECTS[effect].name}"
    assert not lines_of(masking_panel)
    assert masking_panel.figure.layout.annotations[0].text.endswith("click a cell to hear its effect")
    assert "No single dim is decisive" in masking_panel.html["numbers"].value
    assert "n = 64 clips, each clean and wet, of 48 recordings." in masking_panel.html["numbers"].value


def test_a_click_on_the_map_is_heard_and_its_dim_is_drawn(masking_panel, bundled):
    click_cell(masking_panel, "RVB", "12")
    assert masking_panel.player.title == "gtr_00_a: Reverb"
    sounds = [render(bundled[0], label) for label in ("CLN", "RVB")]
    latents = encode_clips(load_encoder("logmel"), sounds)
    for line, one in zip(lines_of(masking_panel), latents, strict=True):
        np.testing.assert_allclose(line.y, one[12], atol=1e-6)
    assert masking_panel.figure.layout.annotations[2].text == "Dim 12 over time, gtr_00_a: Reverb"
    assert [line.opacity for line in lines_of(masking_panel)] == [None] * 2


def test_points_are_lost_against_the_best_model_or_the_one_that_sees_all():
    panel = ready(DimensionMasking())
    assert np.asarray(panel.figure.trace("map").z, float).min() == 0
    panel.against.value = "unmasked"
    ready(panel)
    assert np.asarray(panel.figure.trace("map").z, float).min() < 0
    assert panel.figure.layout.coloraxis.cmin == -panel.figure.layout.coloraxis.cmax


def test_two_dims_of_one_effect_are_a_map_of_pairs():
    panel = ready(DimensionMasking())
    assert panel.effect.layout.display == "none"
    panel.mode.value, panel.effect.value = "two", "HPF"
    assert panel.effect.layout.display == "flex"
    panel.train_button.click()
    ready(panel)
    cells = np.array(panel.figure.trace("map").z, float)
    assert cells.shape == (64, 64)
    assert np.isnan(np.diag(cells)).all()
    np.testing.assert_array_equal(cells, cells.T)
    assert tuple(panel.figure.trace("bars 1").y) == ("HPF",)
    click_cell(panel, "40", "3")
    assert [line.name for line in lines_of(panel)] == [
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
    chosen = np.asarray(panel.figure.trace("map").z, float)
    np.testing.assert_allclose(chosen.sum(axis=1), 800)  # percent: each probe has hidden eight dims
    random, telling = panel.figure.trace("bars 1"), panel.figure.trace("bars 2")
    assert [random.name, telling.name] == ["8 random dims", "the 8 most telling"]
    assert np.mean(telling.x) > np.mean(random.x) + 1
    assert "The paper did not try this" in panel.html["numbers"].value


def test_pairs_of_too_many_dims_are_refused(monkeypatch):
    monkeypatch.setattr(content, "MOST_PAIRED", 63)
    panel = ready(DimensionMasking())
    panel.mode.value = "two"
    panel.train_button.click()
    ready(panel)
    assert "64 dims have 2016 pairs, too many probes: choose an encoder of at most 63 dims" in said(panel)


def test_the_worst_cell_is_drawn_once_it_is_clicked_or_another_clip_is_chosen(bundled):
    panel = ready(DimensionMasking())
    effect, (dim,) = panel.shown.cell()
    panel.against.value = "unmasked"
    ready(panel)
    assert not lines_of(panel)  # nobody has asked for a dim
    panel.clip.value = 5
    ready(panel)
    clip = bundled.table["clip"].iat[5]
    assert panel.figure.layout.annotations[2].text == f"Dim {dim} over time, {clip}: {EFFECTS[effect].name}"
    assert panel.player.title == f"{clip}: {EFFECTS[effect].name}"
    click_cell(panel, effect, str(dim))
    assert [line.name for line in lines_of(panel)] == [f"dim {dim}, clean", f"dim {dim}, {effect}"]


def test_a_click_stops_no_training_and_is_heard_at_once(monkeypatch):
    panel = ready(DimensionMasking())
    train, gate, started, trainings = content.mask_probes, threading.Event(), threading.Event(), []

    def slow(*arguments, **options):
        trainings.append(arguments)
        started.set()
        assert gate.wait(PATIENCE_S)
        return train(*arguments, **options)

    monkeypatch.setattr(content, "mask_probes", slow)
    panel.train_button.click()
    assert happens(started)
    panel.click("map", SimpleNamespace(xs=["12"], ys=["RVB"], point_inds=[[0, 0]]))
    panel.against.value = "unmasked"
    heard_by_now(panel)
    assert panel.player.title == "gtr_00_a: Reverb"
    gate.set()
    ready(panel)
    assert len(trainings) == 1
    assert np.asarray(panel.figure.trace("map").z, float).min() < 0
    effect, (dim,) = panel.shown.cell()  # what was trained anew has a worst cell of its own
    assert [line.name for line in lines_of(panel)] == [f"dim {dim}, clean", f"dim {dim}, {effect}"]
    assert panel.player.title == f"gtr_00_a: {EFFECTS[effect].name}"


def test_dims_that_cannot_be_encoded_stay_faint(monkeypatch):
    panel = click_cell(ready(DimensionMasking()), "RVB", "12")

    def full(*_arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(content, "encoded", full)
    click_cell(panel, "DIS", "3")
    assert "the disk is full" in said(panel)
    assert {line.opacity for line in lines_of(panel)} == {STALE}
    monkeypatch.undo()
    click_cell(panel, "DIS", "4")
    assert {line.opacity for line in lines_of(panel)} == {None}


def test_other_clips_are_listed_once_they_are_what_is_shown(bundled, warm_cache):
    panel = ready(DimensionMasking(bundled[:20]))
    panel.clip.value = 7
    panel.clip_set.value = "bundled"
    ready(panel)
    assert len(panel.clip.options) == 20 and panel.player.title.startswith("gtr_05_a: ")
    panel.train_button.click()
    ready(panel)
    assert len(panel.clip.options) == 64
    assert panel.clip.value == 0 and panel.player.title.startswith("gtr_00_a: ")


def test_masks_are_prepared_without_widgets(bundled):
    choice = content.MaskingChoice(encoder="logmel")
    shown = content.prepare(choice, bundled, None, Progress())
    assert shown.losses.cells.dims == ("effect", "dim") and not shown.wants_lines
    assert [trace.meta for trace in content.figure_of(shown).data] == ["map", "bars 1", "bars 2"]
    chosen = content.turned(shown, content.MaskingChoice(encoder="logmel", cell=("HPF", 3), against="unmasked"))
    turned = content.exact(chosen, Progress())
    assert list(turned.lines) == ["dim 3, clean", "dim 3, HPF"]
    assert float(turned.losses.cells.min()) < 0 <= float(shown.losses.cells.min())
    again = content.exact(content.turned(turned, turned.choice), Progress())
    assert again.lines is turned.lines and again.losses is turned.losses


def test_a_choice_of_masks_can_be_kept():
    choice = content.MaskingChoice(mode="two", effect="HPF", cell=("HPF", 40, 3))
    assert content.MaskingChoice.of(json.loads(json.dumps(choice.kept()))) == (choice, [])
    panel = ready(DimensionMasking())
    title = panel.player.title
    for cell in (("HPF", 40, 3), ("HPF", 64), ("nothing", 3)):  # of another map
        panel.choose(cell=cell, row=64)
        ready(panel)
        assert said(panel) == "" and panel.player.title == title
    panel.choose(cell=["HPF", 3])
    ready(panel)
    assert panel.player.title == "gtr_00_a: High-pass filter"
