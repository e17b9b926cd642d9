"""What a page does beside sound: what is sent to it, and that each private name is still where it was last seen."""

from __future__ import annotations

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import pytest

from latentfx_nb.widgets.bridge import Bridge, FigureWidget


def test_the_first_state_names_the_bridge_and_who_else_is_watched():
    bridge, other = Bridge(), ipywidgets.Label()
    assert bridge.get_state()["_watched"] == [bridge.model_id]
    bridge.watch_over(other)
    assert bridge._watched == [bridge.model_id, other.model_id]


def test_a_page_that_asks_gets_what_python_wrote_but_not_what_the_page_said():
    bridge, sent = Bridge(), []
    bridge.send_state = lambda key: sent.extend([key] if isinstance(key, str) else key)
    bridge._handle_custom_msg({"kind": "ready"}, [])
    assert bridge.ready
    assert {"ready", "_watched", "_track"} <= set(sent)
    assert "dark" not in sent


def test_a_picture_is_asked_for_by_the_address_of_its_figure():
    bridge, figure, sent = Bridge(), FigureWidget(go.Figure()), []
    bridge.send = lambda content, buffers=None: sent.append(content)
    bridge.picture(figure, "svg", "clusters")
    assert sent == [{"kind": "picture", "figure": figure.model_id, "format": "svg", "name": "clusters"}]


def test_a_figure_has_its_words_and_sends_nothing_away():
    figure = FigureWidget(go.Figure(go.Scatter(x=[1], y=[2])), "One point")
    assert figure.layout.meta == {"words": "One point"}
    assert figure._config["showSendToCloud"] is False


def figure_of(*names):
    """Return a figure of traces, of which the first two tell their name by `meta`."""
    traces = [{"meta": name} if number < 2 else {"name": name} for number, name in enumerate(names)]
    return FigureWidget(go.Figure([go.Scatter3d(**trace) for trace in traces]))


def test_places_for_markers_are_sent_once_as_they_are():
    bridge, player, points = Bridge(), ipywidgets.Label(), np.random.default_rng(0).standard_normal((2, 5, 3))
    figure = figure_of("cloud", "paths", "now")
    bridge.follow(figure, 2, points, np.arange(5) * 0.1 + 0.05, player)
    track = bridge._track
    assert (track["figure"], track["player"]) == (figure.model_id, player.model_id)
    assert (track["trace"], track["shape"]) == (2, [2, 5, 3])
    assert (track["first_s"], track["step_s"]) == (pytest.approx(0.05), pytest.approx(0.1))
    np.testing.assert_array_equal(np.frombuffer(track["points"], "<f4").reshape(2, 5, 3), points.astype("<f4"))
    bridge.follow(figure, 2, points[:, :1], np.array([2.7]), player)  # one vector a clip
    assert bridge._track["step_s"] == 1


def test_a_trace_is_named_by_its_meta_or_its_name():
    bridge, player, points = Bridge(), ipywidgets.Label(), np.zeros((1, 1, 2))
    figure = figure_of("cloud", "paths", "now")
    for number, name in enumerate(("cloud", "paths", "now")):
        bridge.follow(figure, name, points, np.zeros(1), player)
        assert bridge._track["trace"] == number
    with pytest.raises(ValueError, match="no trace called 'then'; its traces are called cloud, paths, now"):
        bridge.follow(figure, "then", points, np.zeros(1), player)


@pytest.mark.parametrize("frames", [0, 4])
def test_places_need_a_time_each(frames):
    points = np.zeros((1, 5 if frames else 0, 3))
    with pytest.raises(ValueError, match="need a time for each frame"):
        Bridge().follow(figure_of("now"), 0, points, np.arange(frames), ipywidgets.Label())
