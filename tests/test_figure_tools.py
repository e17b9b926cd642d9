"""What one takes away from a page: code that draws the same, pictures, and a page that plays what is clicked."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from functools import partial
from operator import attrgetter

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import soundfile
import xarray as xr
from tqdm import tqdm

from latentfx_nb import pages, paper
from latentfx_nb.effects import render
from latentfx_nb.pages import figure_tools
from latentfx_nb.pages.figure_tools import figure_table, saved_page
from latentfx_nb.sound.clips import load_clips
from tests.on_pages import drawn
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


SILENT = partial(tqdm, disable=True)


def saved_by(panel, words):
    """Press a button of the page's tools; return name, content and type of the file that the browser is given."""
    given = []
    panel.bridge.save = lambda *file: given.append(file)
    next(one for one in panel.tools.children if getattr(one, "description", "").startswith(words)).click()
    panel.wait(PATIENCE_S)
    (file,) = given
    return file


def run(code):
    """Run lines as a notebook cell does; return the value of the last one, and the names."""
    *before, last = re.split(r"\n(?=\S)", code)
    names = {}
    exec("\n".join(before), names)
    if not re.match(r"\w+ = ", last):
        return eval(last, names), names
    exec(last, names)
    return None, names


def assert_same_figure(found, drawn, least, tolerance=1e-3):
    """Every point that the page draws is where the code draws it."""
    assert isinstance(found, go.Figure)
    compared, ours = 0, {trace.meta: trace for trace in found.data}
    for other in drawn.data:
        if other.visible is False or other.meta is None:  # the page's spare ones
            continue
        one = ours[other.meta]
        for axis in "xyz":
            code, page = (np.asarray(trace.to_plotly_json().get(axis)) for trace in (one, other))
            if code.dtype.kind != "f" or not code.size:
                continue
            np.testing.assert_allclose(code, page, atol=tolerance * max(1.0, np.nanmax(np.abs(page))))
            compared += code.size
    assert compared >= least


PANELS = {
    "LatentImages": ({"encoder": "logmel", "effect": "HPF", "clip": 3}, {}),
    "Trajectories": ({"encoder": "logmel"}, {"chosen": (0, 40), "effects": ("CLN", "DIS"), "window_s": 0.2}),
    "EffectClusters": ({"encoder": "logmel"}, {"effect": "HPF", "finder.color": "instrument"}),
    "KnobPaths": ({"encoder": "logmel", "effect": "LPF"}, {"chosen": (0, 40)}),
    "LinearProbes": ({"encoders": ("logmel",)}, {}),
    "DimensionMasking": ({"encoder": "logmel"}, {"against": "unmasked"}),
    "CompareEncoders": ({}, {"table": "straightness"}),
}


@pytest.mark.parametrize("name", PANELS)
def test_the_code_draws_what_the_page_shows(name):
    arguments, choices = PANELS[name]
    panel = getattr(pages, name)(**arguments)
    for control, value in choices.items():
        attrgetter(control)(panel).value = value
    panel.wait(PATIENCE_S)
    code = panel.code()
    assert 3 <= len(code.splitlines()) <= 9
    assert html.unescape(panel.tools.lines.value) == f"<pre>{code}</pre>"
    found, _ = run(code)
    drawn = go.Figure(panel.figure)
    if name == "KnobPaths":  # the diamonds stand where the knob does, in the code where the path begins
        begin = next(trace for trace in found.data if trace.meta == "knob")
        drawn.update_traces({axis: begin[axis] for axis in "xyz"}, {"meta": "knob"})
    assert_same_figure(found, drawn, 3 if name == "CompareEncoders" else 10)  # there are three encoders


@pytest.mark.parametrize(("mode", "choices"), [
    ("Add an effect", {"method": "mean", "pairs": 2, "strength": 0.5}),
    ("Between two clips", {"share": 0.25, "spherical": True}),
    ("Change dims", {"dims": (1, 5), "factor": 2.0}),
])  # fmt: skip
def test_the_code_moves_a_clip_as_the_page_does(mode, choices):
    panel = pages.LatentAlgebra(encoder="logmel")
    panel.mode.value = mode
    for control, value in choices.items():
        getattr(panel, control).value = value
    panel.wait(PATIENCE_S)
    lines, last = panel.code().rsplit("\n", 1)
    assert last == "sound = lfx.decoding.reconstruction(encoder, moved, lfx.paper.CLIP_SAMPLES)"  # logmel cannot
    names = {}
    exec(lines, names)
    moved = panel.shown.move.result
    np.testing.assert_allclose(np.asarray(names["moved"]), np.asarray(moved), atol=2e-3 * float(np.abs(moved).max()))


def test_masked_pairs_and_the_most_telling_dims_have_their_code():
    panel = pages.DimensionMasking(encoder="logmel")
    panel.mode.value = "two"
    panel.train_button.click()
    panel.wait(PATIENCE_S)
    found, _ = run(panel.code())
    assert isinstance(found, xr.DataArray)
    cells = panel.shown.losses.cells
    at = np.triu_indices(cells.sizes["dim"], 1)
    np.testing.assert_allclose(found.values.ravel(), cells.values[at], atol=1e-4)


def held_in(page):
    """Return the sounds that stand in a page, and which each point of a trace has."""
    sounds, traces = re.search(r"const sounds = (\[.*?\]), traces = (\{.*?\}), heard", page).groups()
    return json.loads(sounds), {int(trace): places for trace, places in json.loads(traces).items()}


def test_a_saved_page_plays_what_is_clicked():
    figure = go.Figure([go.Scatter(x=[1, 2], y=[1, 2], meta="one"), go.Scatter(x=[3, 4], y=[3, 4], meta="other")])
    wet = render(load_clips("bundled")[0], "RVB")

    def make():
        return wet

    page = saved_page(figure, {"one": [make, make], "other": [make, lambda: wet]}, SILENT)
    sounds, traces = held_in(page)
    assert len(sounds) == 2 and traces == {0: [0, 0], 1: [0, 1]}
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])))
    assert rate == paper.SAMPLE_RATE_HZ and sound.shape[1] == 2
    louder = 10 * np.log10(np.square(sound).mean() / np.square(wet / max(1, np.abs(wet).max())).mean())
    assert abs(louder) < 1
    assert 'src="http' not in page and "plotly_click" in page
    assert "const sounds" not in saved_page(figure, {})


def test_a_saved_page_holds_some_of_many_sounds(monkeypatch):
    monkeypatch.setattr(figure_tools, "MOST_SOUNDS", 3)
    quiet = np.zeros((2, 2000), np.float32)
    makes = [partial(np.copy, quiet) for _ in range(9)]
    many = go.Figure(go.Scatter(x=list(range(9)), y=list(range(9)), meta="points"))
    sounds, traces = held_in(saved_page(many, {"points": makes}, SILENT))
    assert len(sounds) == 3
    assert traces[0] == [0, None, None, None, 1, None, None, None, 2]


def test_pictures_are_asked_of_the_page_by_the_figures_address():
    panel = pages.CompareEncoders()
    sent = []
    panel.bridge.send = lambda content, buffers=None: sent.append(content)
    png, svg, *_ = panel.tools.children
    png.click()
    svg.click()
    figure = panel.figure.model_id
    assert sent == [
        {"kind": "picture", "figure": figure, "format": kind, "name": "compare_encoders"} for kind in ("png", "svg")
    ]


def test_one_press_saves_a_page_of_its_own_with_the_sounds():
    panel = pages.KnobPaths(load_clips("bundled")[[0, 40]], encoder="logmel")
    panel.wait(PATIENCE_S)
    name, page, kind = saved_by(panel, "Page")
    assert (name, kind) == ("knob_paths.html", "text/html")
    sounds, traces = held_in(page.decode())
    paths = [number for number, trace in enumerate(panel.figure.data) if trace.meta in ("paths", "heard path")]
    assert len(sounds) == 2 * 32 and list(traces) == paths
    assert all(len(traces[number]) == len(panel.figure.data[number].x) for number in paths)


def test_a_table_has_a_row_for_each_point_and_cell_that_is_drawn():
    figure = go.Figure(
        [
            go.Scatter3d(x=[1, 2], y=[3, 4], z=[5, 6], text=["<b>a</b><br>wet", None], name="points"),
            go.Heatmap(x=[0.5, 1.5], y=["one", "other", "third"], z=[[1, 2], [3, None], [5, 6]]),
            go.Scatter(x=[7], y=[8], name="hidden", visible=False),
            go.Scatter(x=[7], y=[8], name="a line to look at", hoverinfo="skip"),
            go.Scatter(x=[None], y=[None], name="empty"),
            go.Bar(x=["CHS"], y=[9.0], name="bars"),
        ]
    )
    table = figure_table(figure)
    assert list(table["trace"]) == ["points"] * 2 + ["trace 1"] * 6 + ["bars"]
    assert table[["x", "y", "z", "says"]].iloc[0].tolist() == [1, 3, 5, "a wet"]
    cell = table[(table["x"] == 1.5) & (table["y"] == "other")]
    assert len(cell) == 1 and cell["z"].isna().all()
    assert table[(table["x"] == 0.5) & (table["y"] == "third")]["z"].item() == 5
    assert table.iloc[-1][["x", "y"]].tolist() == ["CHS", 9.0]


def test_one_press_saves_the_numbers():
    panel = pages.KnobPaths(encoder="logmel")
    panel.wait(PATIENCE_S)
    name, content, kind = saved_by(panel, "Numbers")
    assert (name, kind) == ("knob_paths.csv", "text/csv")
    table = pd.read_csv(io.BytesIO(content))
    paths = table[table["trace"] == "paths"]
    there = drawn(panel.figure.data[1])
    there = there[~np.isnan(there).any(axis=1)]  # gaps between the paths are no points
    np.testing.assert_allclose(paths[["x", "y", "z"]], there, rtol=1e-5, atol=1e-5)
    assert re.match(r"gtr_00_a cutoff frequency \d", paths["says"].iloc[0])
