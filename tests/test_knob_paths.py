"""Page 04: paths of clips along a knob, exact points, clicks, without a browser."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.comparison import path_measures
from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.measures import measures_of
from latentfx_nb.effects import EFFECTS, render_normalised
from latentfx_nb.pages import knob_paths
from latentfx_nb.pages.content import knob_paths as content
from latentfx_nb.pages.content import sounds
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.worker import Cancelled
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store import encode, pipeline
from tests.on_pages import (
    LABELS,
    assert_sounds,
    basis_of,
    cells,
    click,
    drawn,
    exact_point,
    happens,
    heard_by_now,
    ready,
    said,
)
from tests.speed import PATIENCE_S
from tests.test_figure_tools import run

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

# These tests look at the panels and not at a model, so they open on the quickest encoder. The notebooks' own tests open
# them as they ship.
KnobPaths = partial(knob_paths.KnobPaths, encoder="logmel")


@pytest.mark.parametrize(
    ("label", "knob", "values"),
    [
        ("HPF", "cutoff_frequency_hz", (50.0, 437.5, 10_000.0)),
        ("LPF", "cutoff_frequency_hz", (123.4,)),
        ("DIS", "drive_db", (0.0, 17.3)),
        ("RVB", "room_size", (0.333,)),
    ],
)
def test_the_diamond_is_the_exact_point_of_the_value(label, knob, values, bundled, bulk):
    panel = ready(KnobPaths(effect=label))
    for value in values:
        panel.knob.value = value
        ready(panel)
        row = panel.heard_clip.value
        place = list(panel.chosen.value).index(row)
        exact = exact_point(bundled, row, "logmel", label, value)
        np.testing.assert_allclose(
            drawn(panel.figure.trace("knob"))[place], exact, atol=1e-2
        )  # of a spread of hundreds
        assert_sounds(panel.player, bundled[row], label, value)
        clip = bundled.table["clip"].iat[row]
        assert panel.player.title == f"{clip}: {EFFECTS[label].name}, {EFFECTS[label].knob(knob).text(value)}"
    assert bulk == {}
    assert said(panel) == ""


def test_the_exact_point_differs_from_the_nearest_prepared_one(bundled):
    """Between two prepared values, so that a diamond left on a prepared point would be seen."""
    panel = ready(KnobPaths())
    settings = panel.shown.sweeps[0]["value"].values
    panel.knob.value = float(np.sqrt(settings[10] * settings[11]))
    ready(panel)
    diamonds, path = drawn(panel.figure.trace("knob")), panel.shown.points[0].values
    heard_row = list(panel.chosen.value).index(panel.heard_clip.value)
    between = path[:, 10:12].mean(axis=1)  # the value is as far from one, in ratios, as from the other
    assert np.linalg.norm(path - diamonds[:, None], axis=-1).min(axis=1)[heard_row] > 0.1
    gaps = np.linalg.norm(between - diamonds, axis=-1)
    assert gaps[heard_row] > 0.01
    np.testing.assert_allclose(np.delete(gaps, heard_row), 0, atol=1e-3)  # the others stand on their prepared paths


def test_the_exact_point_with_lyra(bundled, lyra_weights, bulk):
    panel = ready(KnobPaths(encoder="lyra-v2"))
    panel.knob.value = 777.0
    ready(panel)
    exact = exact_point(bundled, panel.heard_clip.value, "lyra-v2", "HPF", 777.0)
    np.testing.assert_allclose(drawn(panel.figure.trace("knob"))[0], exact, atol=1e-2)
    assert bulk == {}


def test_the_exact_point_of_a_folder(few, warm_cache):
    panel = ready(KnobPaths(few))
    panel.heard_clip.value = 2
    panel.knob.value = 3000.0
    ready(panel)
    clips = load_clips(few)
    np.testing.assert_allclose(
        drawn(panel.figure.trace("knob"))[2], exact_point(clips, 2, "logmel", "HPF", 3000.0), atol=1e-2
    )
    assert_sounds(panel.player, clips[2], "HPF", 3000.0)


def test_the_cloud_is_the_whole_data_set_and_the_paths_lie_in_its_basis(bundled):
    panel = ready(KnobPaths())
    mean, axes = basis_of(bundled, "logmel")
    means = prepared.effect_means(bundled, "logmel").values.reshape(-1, 64)
    np.testing.assert_allclose(drawn(panel.figure.trace("data set")), (means - mean) @ axes.T, atol=1e-2)
    rows = list(panel.chosen.value)
    sweep = prepared.sweep_means(bundled[rows], "logmel", "HPF").values
    paths = drawn(panel.figure.trace("paths")).reshape(len(rows), 33, 3)
    np.testing.assert_allclose(paths[:, :32], (sweep - mean) @ axes.T, atol=1e-2)
    assert np.isnan(paths[:, 32]).all()


def test_another_effect_draws_other_paths_in_the_same_basis(bundled):
    panel = ready(KnobPaths())
    cloud, paths = drawn(panel.figure.trace("data set")), drawn(panel.figure.trace("paths"))
    panel.knob.effect = "DIS"
    ready(panel)
    np.testing.assert_array_equal(drawn(panel.figure.trace("data set")), cloud)
    assert not np.allclose(drawn(panel.figure.trace("paths")), paths, equal_nan=True)
    assert "drive 0 dB" in panel.figure.trace("paths").text[0]
    assert panel.player.title.endswith("Distortion, drive 25 dB")


def test_choosing_clips_draws_their_paths_and_their_straightness(bundled):
    panel = ready(KnobPaths())
    rows = list(panel.chosen.value)[2:5]
    panel.chosen.value = tuple(rows)
    ready(panel)
    assert drawn(panel.figure.trace("paths")).shape == (3 * 33, 3)
    assert panel.figure.trace("knob").text == tuple(f"<b>{bundled.table['clip'].iat[row]}</b>" for row in rows)
    expected = straightness(prepared.sweep_means(bundled[rows], "logmel", "HPF"))
    shown = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>.*?</tr>", panel.html["numbers"].value)
    assert (
        "PCA: exact, of the time averages of 640 renders (64 clips, 10 effects) x 64 features"
        in panel.html["how"].value
    )
    assert shown == [(clip, f"{one:.2f}") for clip, one in zip(expected["clip"].values, expected.values)]


def test_a_clip_can_be_heard_whose_path_is_not_drawn(bundled):
    panel = ready(KnobPaths())
    row = next(row for row in range(64) if row not in panel.chosen.value)
    before = drawn(panel.figure.trace("knob"))
    panel.heard_clip.value = row
    ready(panel)
    assert panel.player.title.startswith(f"{bundled.table['clip'].iat[row]}: ")
    assert drawn(panel.figure.trace("knob")).shape == before.shape
    assert said(panel) == ""


def test_only_so_many_paths_are_drawn(monkeypatch):
    panel = ready(KnobPaths())
    chosen = panel.chosen.value
    assert len(panel.figure.trace("knob").text) == len(chosen) == content.MOST_PATHS
    monkeypatch.setattr(content, "MOST_PATHS", 3)
    panel.chosen.value = chosen[1:]
    ready(panel)
    assert len(panel.figure.trace("knob").text) == 3


def test_with_no_path_chosen_that_of_the_heard_clip_is_drawn(bundled):
    panel = ready(KnobPaths())
    panel.chosen.value = ()
    ready(panel)
    assert panel.figure.trace("knob").text == (f"<b>{bundled.table['clip'].iat[panel.heard_clip.value]}</b>",)


@pytest.mark.parametrize(("path", "step", "expected"), [(0, 0, 0), (3, 17, 17), (7, 31, 31), (2, 32, 31)])
def test_a_click_on_a_path_chooses_clip_and_value(path, step, expected, bundled):
    """The gap after a path cannot be clicked; if it were, it would be the path's end."""
    panel = ready(KnobPaths())
    click(panel, "paths", 33 * path + step)
    value = panel.shown.sweeps[0]["value"].values[expected]
    assert panel.heard_clip.value == panel.chosen.value[path]
    assert panel.knob.value == pytest.approx(value)
    clip = bundled.table["clip"].iat[panel.heard_clip.value]
    assert panel.player.title == f"{clip}: High-pass filter, {EFFECTS['HPF'].knob().text(value)}"
    assert panel.player.playing is False
    np.testing.assert_allclose(
        drawn(panel.figure.trace("knob"))[path], panel.shown.points[0].values[path, expected], atol=1e-2
    )


def test_a_click_on_the_cloud_changes_nothing():
    panel = ready(KnobPaths())
    before = panel.player.title, panel.player.wet
    panel.click("data set", SimpleNamespace(point_inds=[3]))
    ready(panel)
    assert (panel.player.title, panel.player.wet) == before


def test_of_many_values_the_last_one_is_rendered_and_shown(bundled, monkeypatch):
    panel = ready(KnobPaths())
    gate, started, rendered = threading.Event(), threading.Event(), []

    def slow(clip, setting):
        if setting.label == "HPF":
            rendered.append(setting.value)
            started.set()
            assert gate.wait(PATIENCE_S)
        return render_normalised(clip, setting)

    monkeypatch.setattr(sounds, "render_normalised", slow)
    values = np.geomspace(60, 9000, 40)
    panel.knob.value = float(values[0])
    assert happens(started)
    for value in values[1:]:
        panel.knob.value = float(value)
    gate.set()
    ready(panel)
    assert rendered == pytest.approx([values[0], values[-1]])
    assert panel.player.title.endswith("cutoff frequency 9 kHz")
    exact = exact_point(bundled, panel.heard_clip.value, "logmel", "HPF", 9000.0)
    np.testing.assert_allclose(drawn(panel.figure.trace("knob"))[0], exact, atol=1e-2)
    assert said(panel) == ""  # to be overtaken is no news


def test_a_figure_follows_the_theme_of_its_page(few):
    panel = ready(KnobPaths(few))
    grounds, eye = [], panel.figure.layout.scene.camera.eye.x
    for dark in (True, False):
        panel.bridge.dark = dark
        grounds.append(panel.figure.layout.template.layout.paper_bgcolor)
    assert grounds == [figures.TEMPLATES[dark].layout.paper_bgcolor for dark in (True, False)]
    assert panel.figure.layout.scene.camera.eye.x == eye  # all else stays


def test_cancel_stops_a_sweep_and_keeps_finished_clips(few, monkeypatch):
    panel = ready(KnobPaths(few))
    paths = drawn(panel.figure.trace("paths"))
    original, encoded = pipeline.encode_inputs, []

    def pressed(encoder, inputs):
        encoded.append(len(inputs))
        if len(encoded) == 1 and press:
            panel.status._stop.click()
        return original(encoder, inputs)

    monkeypatch.setattr(encode, "batch_size", lambda *_: 64)  # one batch a clip, whatever the machine
    monkeypatch.setattr(pipeline, "encode_inputs", pressed)
    press = True
    panel.knob.effect = "DIS"
    ready(panel)
    assert encoded == [32]
    assert said(panel) == "Stopped; what was finished is kept."
    assert panel.status._bar.layout.display == "none"
    np.testing.assert_array_equal(drawn(panel.figure.trace("paths")), paths)  # what is drawn is still the old knob's
    press = False
    panel.knob.effect = "HPF"
    ready(panel)
    panel.knob.effect = "DIS"
    ready(panel)
    assert encoded == [32, 32, 32]
    assert said(panel) == ""
    assert "drive" in panel.figure.trace("paths").text[0]


def test_after_a_cancelled_change_nothing_is_drawn_in_the_wrong_basis(few, warm_cache, lyra_weights, monkeypatch):
    """Both encoders have 64 dims, so a point of one would fit into the other's basis unnoticed."""
    panel = ready(KnobPaths(few))

    def stopped(*_arguments, **_options):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(content, "effect_means", stopped)
        panel.encoder.value = "lyra-v2"
        ready(panel)
    assert said(panel) == "Stopped; what was finished is kept."
    before = drawn(panel.figure.trace("knob"))
    panel.knob.value = 5000.0
    ready(panel)
    np.testing.assert_array_equal(drawn(panel.figure.trace("knob")), before)
    assert panel.player.title.endswith("cutoff frequency 5 kHz")  # the sound needs no encoder
    panel.encoder.value = "logmel"
    ready(panel)
    exact = exact_point(load_clips(few), 0, "logmel", "HPF", 5000.0)
    np.testing.assert_allclose(drawn(panel.figure.trace("knob"))[0], exact, atol=1e-2)


def test_two_dimensions_need_no_webgl():
    panel = ready(KnobPaths(dimensions=2))
    assert {trace.type for trace in panel.figure.data} == {"scatter"}
    panel.knob.value = 300.0
    click(panel, "paths", 33 + 5)
    assert panel.heard_clip.value == panel.chosen.value[1]
    assert drawn(panel.figure.trace("knob")).shape == (8, 2)
    assert said(panel) == ""


def test_knob_paths_of_one_vector_a_clip(summary, bundled):
    panel = ready(KnobPaths(bundled[:4], encoder="summary"))
    assert said(panel) == ""
    assert np.isfinite(panel.figure.trace("knob").x).all()


def test_knob_paths_along_further_knobs_are_drawn_and_measured(bundled):
    panel = ready(KnobPaths(bundled, effect="HPF"))
    head, own = cells(panel.html["tables"].value)
    assert head == ["knob", *(one.heading for one in measures_of("paths").values())]
    path = prepared.sweep_means(prepared.path_clips(bundled), "logmel", "HPF")
    assert own[1].startswith(f"{float(path_measures(path)['straightness'].mean()):.2f} (")
    panel.others.value = ["DIS.drive_db", "LPF.cutoff_frequency_hz"]
    ready(panel)
    assert [row[0] for row in cells(panel.html["tables"].value)[1:]] == [
        "High-pass filter: cutoff frequency", "Distortion: drive", "Low-pass filter: cutoff frequency"
    ]  # fmt: skip
    for number in (1, 2):
        assert drawn(panel.figure.trace(f"further paths {number}")).shape == (8 * 33, 3)
    panel.others.value = []
    ready(panel)
    drawn_now = {"data set", "paths", "heard path", "knob", "legend High-pass filter: cutoff frequency"}
    assert set(panel.figure.names()) == drawn_now
    assert [trace.visible for trace in panel.figure.data].count(False) == len(panel.figure.data) - len(drawn_now)


def test_the_claims_of_paths_stand_where_they_ship_and_wait_elsewhere(few, bundled, warm_cache):
    panel = ready(KnobPaths(bundled))
    rows = cells(panel.html["claims"].value)[1:]
    assert len(rows) == 2
    assert {row[-1] for row in rows} <= {"holds", "does not hold"}
    assert panel.test_claims.layout.display == "none"
    own = ready(KnobPaths(few))
    assert "press the button" in own.html["claims"].value
    own.test_claims.click()
    ready(own)
    assert said(own) == ""
    assert len(cells(own.html["claims"].value)) == 3


def test_paths_are_prepared_without_a_page(bundled):
    choice = content.KnobChoice(encoder="logmel", rows=(0, 9))
    shown = content.prepare(choice, bundled, None, Progress())
    assert shown.rows == [0, 9]
    assert {trace.meta for trace in content.figure_of(shown).data} >= {"data set", "paths", "knob"}
    again = content.prepare(replace(choice, rows=(9,)), bundled, shown, Progress())
    assert again.basis is shown.basis and again.rows == [9]
    assert content.KnobChoice.of(choice.kept()) == (choice, [])


def turn_by_hand(panel, value):
    """Turn the dial as a page does that shows it."""
    panel.knob.dial.set_state({"value": value})


def test_a_turn_by_hand_is_moved_by_the_page_and_only_what_is_exact_is_sent(bundled, monkeypatch):
    panel = ready(KnobPaths())
    panel.bridge.ready = True
    moves, move = [], panel.figure.move

    def noted(traces):
        moves.append((sorted(traces), panel.shown.is_exact))
        move(traces)

    monkeypatch.setattr(panel.figure, "move", noted)
    turn_by_hand(panel, 437.0)
    assert moves == []  # the sound goes first
    heard_by_now(panel)
    assert moves[0] == ([], False)
    ready(panel)
    assert moves[1:] == [(["knob"], True)]
    assert panel.bridge._standing["value"] == 437.0 and panel.bridge._standing["exact"]
    exact = exact_point(bundled, panel.heard_clip.value, "logmel", "HPF", 437.0)
    np.testing.assert_allclose(drawn(panel.figure.trace("knob"))[0], exact, atol=1e-2)
    moves.clear()
    panel.knob.value = 800.0
    heard_by_now(panel)
    assert moves[0] == (["knob"], False)  # what a program sets, nobody has moved


def test_an_exact_point_is_sent_though_the_kernel_takes_it_for_shown():
    panel = ready(KnobPaths())
    panel.bridge.ready = True
    panel.knob.value = 437.0
    ready(panel)
    sent, number = [], panel.figure.number("knob")
    panel.figure.observe(lambda change: change.new and sent.append(change.new), "_py2js_restyle")
    turn_by_hand(panel, 900.0)
    turn_by_hand(panel, 437.0)  # back, before anything exact was computed in between
    ready(panel)
    assert sent and sent[-1]["restyle_traces"] == [number]
    assert set(sent[-1]["restyle_data"]) == {"x", "y", "z"}


def test_the_page_is_given_the_paths_that_are_drawn(bundled):
    panel = ready(KnobPaths())
    first = panel.bridge._along
    assert first["knob"] == "HPF.cutoff_frequency_hz" and first["log"] is True
    assert first["trace"] == panel.figure.number("knob")
    points = np.frombuffer(first["points"], "<f4").reshape(first["shape"])
    np.testing.assert_array_equal(points, panel.shown.points[0].values.astype("<f4"))
    panel.knob.value = 300.0
    ready(panel)
    assert panel.bridge._along is first  # a turn sends none again
    panel.knob.effect = "DIS"
    ready(panel)
    second = panel.bridge._along
    assert (second["knob"], second["log"]) == ("DIS.drive_db", False)
    assert second["values"] == panel.shown.sweeps[0]["value"].values.tolist()


def test_the_heard_path_stands_out_with_its_ends_named(bundled):
    panel = ready(KnobPaths())
    own, others = panel.figure.trace("heard path"), panel.figure.trace("paths")
    assert own.line.width > others.line.width and others.opacity < 1
    assert [text for text in own.text if text] == ["50 Hz", "10 kHz"]
    np.testing.assert_array_equal(drawn(own)[:32], panel.shown.points[0].values[0].astype("f4"))
    knob = panel.figure.trace("knob")
    assert list(knob.marker.symbol).count("diamond") == 1 and knob.marker.symbol[0] == "diamond"
    assert "HPF 50 Hz" in panel.html["scale"].value and "10 kHz" in panel.html["scale"].value
    panel.heard_clip.value = panel.chosen.value[3]
    ready(panel)
    np.testing.assert_array_equal(
        drawn(panel.figure.trace("heard path"))[:32], panel.shown.points[0].values[3].astype("f4")
    )
    assert panel.figure.trace("knob").marker.symbol[3] == "diamond"


def test_a_click_on_the_heard_path_is_a_value_of_its_knob():
    panel = ready(KnobPaths())
    row = panel.heard_clip.value
    click(panel, "heard path", 5)
    assert panel.heard_clip.value == row
    assert panel.knob.value == panel.shown.sweeps[0]["value"].values[5]


def test_a_clip_whose_path_is_not_drawn_leaves_no_heard_path():
    panel = ready(KnobPaths())
    outside = next(row for row in range(len(panel.clips)) if row not in panel.chosen.value)
    panel.heard_clip.value = outside
    ready(panel)
    assert said(panel) == ""
    assert len(panel.figure.trace("heard path").x) == 0
    assert "diamond" not in panel.figure.trace("knob").marker.symbol


def test_a_value_out_of_range_is_refused():
    panel = ready(KnobPaths())
    with pytest.raises(ValueError, match="choose 50 to 10000 Hz"):
        panel.choose(value=20_000.0)
    assert panel.knob.value == 2000.0


# ------------------------------------------------------------------------------------------------------------ the cloud


def clouds(panel):
    """Return the traces of the cloud that are drawn, by what their names add to its own."""
    names = [name for name in panel.figure.names() if name.startswith("data set")]
    return {name.removeprefix("data set").strip(): panel.figure.trace(name) for name in names}


def test_the_cloud_is_grey_until_it_is_coloured_and_nothing_is_computed_for_that(bundled, bulk):
    panel = ready(KnobPaths())
    grey, figure = drawn(clouds(panel)[""]), panel.figure
    assert clouds(panel)[""].marker.color == figures.GREY and not clouds(panel)[""].showlegend
    panel.finder.color.value = "effect"
    assert set(clouds(panel)) == {*LABELS} and all(one.showlegend for one in clouds(panel).values())
    place = LABELS.index("HPF")
    np.testing.assert_allclose(drawn(clouds(panel)["HPF"]), grey[place::10])
    assert clouds(panel)["HPF"].marker.color == figures.EFFECT_COLORS["HPF"]
    panel.finder.color.value = "instrument"
    assert set(clouds(panel)) == {"guitar", "piano"}
    panel.finder.color.value = ""
    np.testing.assert_allclose(drawn(clouds(panel)[""]), grey)
    assert panel.figure is figure and said(panel) == "" and bulk == {}


def test_points_of_the_cloud_that_are_not_looked_for_fade_and_the_others_are_counted(bundled):
    panel = ready(KnobPaths())
    panel.finder.words.value = "piano hpf"
    piano = np.repeat(bundled.table["instrument"].to_numpy() == "piano", 10)
    expected = piano & (np.tile(np.array(LABELS), 64) == "HPF")
    assert [one == figures.GREY for one in clouds(panel)[""].marker.color] == expected.tolist()
    assert panel.html["count"].value == f"{expected.sum()} of 640 points"
    panel.finder.color.value = "effect"
    faint = {
        key: np.mean([one.startswith("rgba") for one in trace.marker.color]) for key, trace in clouds(panel).items()
    }
    assert faint.pop("HPF") == 0.5 and set(faint.values()) == {1}
    panel.finder.clear.click()
    assert panel.finder.words.value == "" and panel.html["count"].value == ""


def test_the_page_moves_the_diamonds_wherever_their_trace_has_gone(bundled):
    panel = ready(KnobPaths())
    before = panel.bridge._along["trace"]
    panel.finder.color.value = "effect"
    assert panel.bridge._along["trace"] == panel.figure.number("knob") != before


def test_what_is_looked_for_takes_no_exact_point_away(bundled):
    panel = ready(KnobPaths())
    panel.knob.value = 437.0
    panel.finder.words.value = "piano"  # before the exact point is there
    ready(panel)
    exact = exact_point(bundled, panel.heard_clip.value, "logmel", "HPF", 437.0)
    np.testing.assert_allclose(drawn(panel.figure.trace("knob"))[0], exact, atol=1e-2)
    panel.finder.words.value = ""
    assert panel.shown.is_exact


def test_a_coloured_cloud_is_drawn_by_the_lines_for_a_notebook(bundled):
    panel = ready(KnobPaths())
    panel.finder.color.value = "instrument"
    found, _ = run(panel.code())
    drawn_so = {trace.meta: trace for trace in found.data}
    for key, trace in clouds(panel).items():
        np.testing.assert_allclose(drawn(drawn_so[f"data set {key}"]), drawn(trace), atol=1e-2)
        assert drawn_so[f"data set {key}"].marker.color == trace.marker.color
