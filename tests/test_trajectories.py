"""Page 02: clips through latent space in time, markers that follow the sound, clicks, without a browser."""

from __future__ import annotations

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from plotly.callbacks import Points

from latentfx_nb import figures
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.geometry import extent, smooth, speed
from latentfx_nb.effects import render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.pages import trajectories
from latentfx_nb.pages.content import trajectories as content
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.worker import Cancelled
from tests.on_pages import assert_sounds, click, drawn, ready, said

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")

Trajectories = partial(trajectories.Trajectories, encoder="logmel")


def lines(panel):
    """Return the traces of the trajectories that are drawn."""
    return [panel.figure.trace(name) for name in panel.figure.names() if name.startswith("trajectory ")]


def legend(panel):
    return [trace.name for trace in panel.figure.data if trace.showlegend and trace.visible is not False]


def cells(table):
    """Return the rows of an HTML table, as text."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def places(bridge):
    track = bridge._track
    return np.frombuffer(track["points"], "<f4").reshape(track["shape"]), track


def test_trajectories_open_on_a_clip_clean_and_distorted(bundled):
    panel = ready(Trajectories())
    assert said(panel) == ""
    assert legend(panel) == ["gtr_00_a, clean", "gtr_00_a, distortion"]
    latents = encode_clips(load_encoder("logmel"), [render(bundled[0], label) for label in ("CLN", "DIS")])
    basis = prepared.trajectory_basis(bundled, "logmel")
    for trace, own in zip(lines(panel), latents, strict=True):
        times = panel.shown.latents[0]["time_s"]
        smoothed = smooth(panel.shown.latents[0].copy(data=own), content.WINDOW_S)
        assert len(times) == own.shape[-1]
        np.testing.assert_allclose(drawn(trace), basis.transform(smoothed), atol=1e-3)
    assert panel.listen.label == "gtr_00_a, distortion"
    assert_sounds(panel.player, bundled[0], "DIS")


def test_the_player_gets_the_places_of_every_marker():
    panel = ready(Trajectories())
    points, track = places(panel.bridge)
    assert track["figure"] == panel.figure.model_id
    assert panel.figure.data[track["trace"]].meta == "now"
    assert points.shape == (2, 512, 3)
    for marker, trace in zip(points, lines(panel), strict=True):
        np.testing.assert_allclose(marker, drawn(trace), atol=1e-5)
    assert track["step_s"] == pytest.approx(512 / 48_000)


def test_the_markers_stay_the_same_trace_whatever_is_drawn():
    """The page moves them by their number, and may do so while another figure is on its way."""
    panel = ready(Trajectories())
    numbers = [places(panel.bridge)[1]["trace"]]
    for rows in ((0, 40, 50), (3,)):
        panel.chosen.value = rows
        ready(panel)
        numbers.append(places(panel.bridge)[1]["trace"])
        assert len(panel.figure.trace("now").x) == 2 * len(rows)
    assert len(set(numbers)) == 1


def test_clips_effects_and_window_can_be_chosen(bundled):
    panel = ready(Trajectories())
    panel.chosen.value, panel.effects.value = (0, 40), ("CLN", "HPF")
    ready(panel)
    assert legend(panel) == [f"{clip}, {e}" for clip in ("gtr_00_a", bundled.table["clip"].iat[40])
                             for e in ("clean", "high-pass filter")]  # fmt: skip
    assert places(panel.bridge)[0].shape[0] == 4
    assert panel.listen.label == "gtr_00_a, high-pass filter"
    panel.listen.value = (40, "HPF")
    ready(panel)
    assert_sounds(panel.player, bundled[40], "HPF")
    before = drawn(panel.figure.trace("trajectory 1"))
    panel.window_s.value = 2.0
    ready(panel)
    assert np.ptp(drawn(panel.figure.trace("trajectory 1")), axis=0).max() < 0.8 * np.ptp(before, axis=0).max()
    assert panel.listen.label.endswith("high-pass filter")
    assert panel.listen.value == (40, "HPF")


def test_speed_and_extent_are_those_of_the_smoothed_latents():
    panel = ready(Trajectories())
    rows = cells(panel.html["numbers"].value)[1:]
    assert "PCA: exact, of all frames x 64 features, centred, not standardised" in panel.html["numbers"].value
    for row, own in zip(rows, panel.shown.latents, strict=True):
        assert row == [figures.trajectory_name(own), f"{float(speed(own)):.3g}", f"{float(extent(own)):.3g}"]


def test_more_trajectories_than_can_be_told_apart_are_left_out_and_it_is_said():
    panel = ready(Trajectories())
    panel.chosen.value = (0, 1, 2, 3)
    ready(panel)
    assert len(lines(panel)) == len(legend(panel)) == figures.MOST_TRAJECTORIES
    assert "6 of the 8 trajectories are drawn" in said(panel)


def test_a_click_on_a_trajectory_is_heard_from_there_on():
    panel, sent = ready(Trajectories()), []
    panel.player.send = lambda content, buffers=None: sent.append(content)
    click(panel, "trajectory 1", 100)
    assert panel.listen.value == (0, "CLN")
    assert panel.player.title == "gtr_00_a, clean"
    assert sent == [{"kind": "seek", "time_s": pytest.approx(100.5 * 512 / 48_000)}]
    panel.figure.data[panel.figure.number("trajectory 2")]._dispatch_on_click(Points(point_inds=[]), None)
    assert panel.listen.value == (0, "CLN")
    click(panel, "data set", 3)
    assert panel.listen.value == (0, "CLN")
    assert len(sent) == 1


def test_a_click_on_a_trajectory_that_is_no_longer_chosen_changes_nothing():
    """What was chosen is still being encoded: the other trajectory is still drawn."""
    panel = ready(Trajectories())
    panel.effects.value = ("RVB",)
    panel.click("trajectory 2", SimpleNamespace(point_inds=[5]))
    assert panel.listen.value == (0, "RVB")
    assert ready(panel).player.title == "gtr_00_a, reverb"


def test_only_what_is_heard_changes_without_any_encoding(monkeypatch):
    panel = ready(Trajectories())
    monkeypatch.setattr(content, "encoded", None)
    latents = panel.shown.latents
    panel.listen.value = (0, "CLN")
    ready(panel)
    assert said(panel) == ""
    assert panel.player.title == "gtr_00_a, clean"
    assert panel.shown.latents is latents
    panel.window_s.value = 0.5  # and what was encoded once is smoothed anew
    ready(panel)
    assert said(panel) == ""
    assert "smoothed over 0.5 s" in panel.html["numbers"].value


def test_what_was_encoded_before_the_choice_was_stopped_is_kept(bundled, monkeypatch):
    original, asked = content.encoded, []
    monkeypatch.setattr(content, "encoded", lambda *given: asked.append(1) or original(*given))

    class Stopping(Progress):
        def check(self):
            if stopping:
                raise Cancelled

    choice, progress, stopping = content.TrajectoriesChoice(encoder="logmel", effects=("CLN",)), Stopping(), False
    first = content.prepare(choice, bundled, None, progress)
    more, stopping = content.TrajectoriesChoice(encoder="logmel", effects=("HPF", "DIS")), True
    with pytest.raises(Cancelled):
        content.prepare(more, bundled, first, progress)
    assert len(asked) == 2
    stopping = False
    assert len(content.prepare(more, bundled, first, progress).latents) == 2
    assert len(asked) == 3


def test_trajectories_of_other_clips_and_in_two_dimensions(few):
    panel = ready(Trajectories(few, dimensions=2))
    assert said(panel) == ""
    assert panel.figure.trace("trajectory 1").type == "scatter"
    assert panel.figure.trace("now").zorder == 1
    assert places(panel.bridge)[0].shape == (2, 512, 2)
    panel.encoder.value = "diffae-mini"
    ready(panel)
    assert said(panel) == ""
    assert places(panel.bridge)[0].shape == (2, 2048, 2)


def test_trajectories_are_prepared_without_a_page(bundled):
    choice = content.TrajectoriesChoice(encoder="logmel", rows=(0, 40), effects=("CLN", "HPF"), heard_effect="HPF")
    again, unknown = content.TrajectoriesChoice.of(choice.kept())
    assert (again, unknown) == (choice, [])
    shown = content.prepare(choice, bundled, None, Progress())
    assert shown.named == ((0, "CLN"), (0, "HPF"), (40, "CLN"), (40, "HPF"))
    figure = content.figure_of(shown)
    names = ["data set", "now", *(f"{kind} {i}" for kind in ("trajectory", "legend") for i in range(1, 5))]
    assert [trace.meta for trace in figure.data] == names
    np.testing.assert_allclose(drawn(figure.data[5]), shown.points[3], rtol=1e-5)
    assert content.heard(choice, bundled, shown).title == "gtr_00_a, high-pass filter"
    assert content.clicked(shown, "trajectory 3", None) == {"heard_row": 40, "heard_effect": "CLN"}
    assert content.clicked(shown, "legend 3", None) == {}
