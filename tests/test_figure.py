"""`widgets.figure`: a shown figure is brought to look like one built afresh, and only what differs is sent."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from latentfx_nb.figures import STALE
from latentfx_nb.widgets.figure import NOT_COMPARED, ShownFigure, differences

SPARE = 3
COLORS = ("#ff0000", "#00ff00", "#0000ff")


def some_points(generator):
    """Return properties of a trace, of which each may be there or not; coordinates may hold NaN."""
    size = int(generator.integers(0, 6))
    found = {axis: np.where(generator.random(size) < 0.2, np.nan, generator.random(size)) for axis in "xy"}
    if generator.random() < 0.5:
        found["text"] = [f"<b>{number}</b>" for number in range(size)]
    if generator.random() < 0.7:
        found["marker"] = {"size": float(generator.integers(1, 9)), "color": COLORS[generator.integers(3)]}
        if generator.random() < 0.5:
            found["marker"] |= {"color": generator.random(size), "colorscale": "Viridis"}
    if generator.random() < 0.3:
        found["line"] = {"width": 2}
    if generator.random() < 0.3:
        found["error_y"] = {"array": generator.random(size), "type": "data"}
    return found | {"showlegend": bool(generator.random() < 0.5)}


def some_figure(seed):
    """Return a figure of two planes and a scene, with one to four traces in each and a random layout."""
    generator = np.random.default_rng(seed)
    figure = make_subplots(1, 3, specs=[[{}, {}, {"type": "scene"}]])
    for column, kind in ((1, go.Scatter), (2, go.Bar), (3, go.Scatter3d)):
        for number in range(int(generator.integers(1, 1 + SPARE))):
            points = some_points(generator)
            if kind is go.Scatter3d:
                points["z"] = points["x"] * 2
            if kind is go.Bar:
                points.pop("line", None)
                if "marker" in points:
                    points["marker"].pop("size")
            figure.add_trace(kind(**points, name=f"{seed}", meta=f"{column}, {number}"), 1, column)
    figure.update_layout(title_text=f"figure {seed}" if generator.random() < 0.5 else None)
    if generator.random() < 0.5:
        figure.update_layout(height=int(generator.integers(200, 900)), legend={"orientation": "h"})
    if generator.random() < 0.5:
        figure.update_xaxes(range=[0.0, float(generator.random())], row=1, col=1)
    return figure


def plain(value):
    """Return lists for arrays, None for NaN, and no empty parts, so that what is drawn can be compared."""
    if isinstance(value, dict):
        kept = {key: plain(one) for key, one in value.items() if key != "uid"}
        return {key: one for key, one in kept.items() if one not in (None, {})}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in np.asarray(value, object).tolist()]
    return None if isinstance(value, float) and np.isnan(value) else value


def looks(figure):
    """Return the named traces, in the order of their names, and the layout of a figure."""
    traces = [plain(trace.to_plotly_json()) for trace in figure.data if trace.meta]
    layout = {key: one for key, one in figure.layout.to_plotly_json().items() if key not in NOT_COMPARED}
    return sorted(traces, key=lambda trace: trace["meta"]), plain(layout)


def listen(shown):
    """Return a list of the messages that a figure sends to its page from now on."""
    sent = []

    def note(change):
        if change["name"].startswith("_py2js") and change["new"]:
            sent.append(change["new"])

    shown.observe(note)
    return sent


def shown_as(figure, spare=SPARE):
    return ShownFigure(figure, "words", spare)


@pytest.mark.parametrize("seed", range(40))
def test_a_brought_figure_equals_a_freshly_built_one(seed):
    shown = shown_as(some_figure(seed))
    for other in (seed + 1000, seed + 2000, seed):
        shown.bring(some_figure(other))
        assert looks(shown) == looks(some_figure(other))
        left = [trace for trace in shown.data if not trace.meta]
        assert all(trace.visible is False for trace in left)


def test_what_a_page_shows_next_is_sent_in_one_message():
    shown = shown_as(some_figure(1))
    sent = listen(shown)
    shown.bring(some_figure(2))
    assert len(sent) == 1


def test_nothing_is_sent_where_nothing_differs():
    shown = shown_as(some_figure(3))
    sent = listen(shown)
    shown.bring(some_figure(3))
    assert sent == []
    shown.bring(some_figure(4))
    sent.clear()
    shown.bring(some_figure(4))
    assert sent == []


def test_only_what_differs_is_sent():
    figure = go.Figure([go.Scatter(x=[1, 2], y=[3, 4], marker={"size": 3, "color": "red"}, meta="a")])
    figure.add_scatter(x=[5], y=[6], meta="b")
    shown = shown_as(figure, 0)
    sent = listen(shown)
    other = go.Figure(figure)
    other.data[0].marker.color = "blue"
    shown.bring(other)
    (message,) = sent
    assert message["style_data"] == {"marker.color": ["blue"]}
    assert message["style_traces"] == [0]
    assert message["layout_data"] == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"x": np.array([1.0, np.nan])}, {"x": np.array([1.0, np.nan])}, {}),
        ({"x": np.array([1.0, np.nan])}, {"x": [1.0, np.nan]}, {}),
        ({"x": np.array([1.0, 2.0])}, {"x": np.array([1.0, 3.0])}, {"x": [1.0, 3.0]}),
        ({"x": np.array([1.0])}, {"x": np.array([1.0, 1.0])}, {"x": [1.0, 1.0]}),
        ({"marker": {"size": 1, "color": "red"}}, {"marker": {"size": 1}}, {"marker.color": None}),
        ({"marker": {"size": 1}}, {"marker": {"size": 1, "line": {"width": 2}}}, {"marker.line.width": 2}),
        ({"visible": True}, {}, {"visible": None}),
        ({"visible": 1}, {"visible": True}, {"visible": True}),
        ({"text": np.array(["a", "b"], object)}, {"text": ["a", "b"]}, {}),
    ],
)
def test_differences(old, new, expected):
    def flat(value):
        """Name leaves only, whichever part was there before."""
        found = {}
        for key, one in value.items():
            inner = flat(one) if isinstance(one, dict) else None
            found |= {f"{key}.{path}": part for path, part in inner.items()} if inner else {key: one}
        return found

    found = {path: value.tolist() if isinstance(value, np.ndarray) else value for path, value in
             flat(differences(old, new)).items()}  # fmt: skip
    assert found == expected


def test_traces_have_names_and_are_found_by_them():
    figure = go.Figure([go.Scatter(x=[1], meta="one"), go.Bar(x=[2], meta="two"), go.Scatter(x=[3], meta="three")])
    shown = shown_as(figure)
    assert list(shown.names()) == ["one", "two", "three"]
    assert list(shown.trace("three").x) == [3]
    assert shown.number("two") == 1
    with pytest.raises(KeyError, match="no trace is called 'four'; there are one, two, three"):
        shown.trace("four")
    shown.bring(go.Figure([go.Scatter(x=[4], meta="three")]))
    assert list(shown.names()) == ["three"]
    assert list(shown.trace("three").x) == [4]


def test_a_trace_is_moved_by_its_name_and_the_next_figure_undoes_it():
    figure = go.Figure([go.Scatter(x=[1], y=[2], meta="knob"), go.Scatter(x=[3], y=[4], meta="paths")])
    shown = shown_as(figure)
    sent = listen(shown)
    shown.move({"knob": {"x": [5], "marker": {"size": 9}}})
    assert list(shown.trace("knob").x) == [5] and shown.trace("knob").marker.size == 9
    assert list(shown.trace("knob").y) == [2]
    assert "paths" not in str(sent) and len(sent) == 1
    shown.move({"knob": {"x": [5]}})
    assert len(sent) == 1
    shown.bring(figure)
    assert looks(shown) == looks(figure)
    with pytest.raises(KeyError, match="no trace is called 'nobody'"):
        shown.move({"nobody": {"x": [1]}})


def test_places_that_the_page_has_moved_by_itself_are_sent_though_they_are_known():
    figure = go.Figure([go.Scatter(x=[1], y=[2], meta="knob"), go.Scatter(x=[3], y=[4], meta="paths")])
    shown, sent = shown_as(figure), []
    shown.observe(lambda change: change.new and sent.append(change.new), "_py2js_restyle")
    shown.move({"knob": {"x": [1], "y": [2]}})
    assert sent == []
    shown.forget("knob")
    shown.move({"knob": {"x": [1], "y": [2]}})
    shown.bring(figure)
    assert [(one["restyle_data"], one["restyle_traces"]) for one in sent] == [({"x": [[1]], "y": [[2]]}, [0])] * 2
    shown.move({"paths": {"x": [3], "y": [4]}})
    assert len(sent) == 2


def test_traces_fade_until_the_next_figure_comes():
    figure = go.Figure([go.Scatter(x=[1], y=[2], meta="knob", opacity=0.8), go.Scatter(x=[3], y=[4], meta="paths")])
    shown = shown_as(figure)
    shown.fade(["knob", "further paths 1"])  # a name that is not drawn now is left out
    assert shown.trace("knob").opacity == STALE
    assert shown.trace("paths").opacity is None
    shown.bring(figure)
    assert shown.trace("knob").opacity == 0.8


def test_more_traces_than_there_is_room_for_are_named():
    one = go.Scatter(x=[1], y=[2])
    shown = shown_as(go.Figure([one]), 1)
    shown.bring(go.Figure([one, one]))
    before = looks(shown)
    with pytest.raises(ValueError, match=r"the page has no room for the traces \['third'\]: raise its `spare`"):
        shown.bring(go.Figure([one, one, go.Scatter(x=[1], meta="third")]))
    with pytest.raises(ValueError, match="no room for the traces"):
        shown.bring(go.Figure([go.Bar(x=[1], y=[2], meta="bars")]))
    assert looks(shown) == before


def test_theme_and_words_are_the_pages_and_stay():
    shown = shown_as(go.Figure([go.Scatter(x=[1], y=[2])]))
    shown.update_layout(template={"layout": {"paper_bgcolor": "#123456"}})
    shown.bring(go.Figure([go.Scatter(x=[3], y=[2])], {"template": {"layout": {"paper_bgcolor": "#ffffff"}}}))
    assert shown.layout.template.layout.paper_bgcolor == "#123456"
    assert shown.layout.meta["words"] == "words"


def test_a_figure_has_room_for_the_kinds_of_traces_that_it_was_made_with():
    shown = shown_as(go.Figure([go.Scatter(x=[1], y=[2], meta="one")]), 1)
    flat, deep = go.Scatter(x=[3], y=[4]), go.Scatter3d(x=[3], y=[4], z=[5])
    assert shown.has_room(go.Figure([flat, flat]))
    assert not shown.has_room(go.Figure([flat, flat, flat]))
    assert not shown.has_room(go.Figure([deep]))


def test_a_shown_figure_is_as_large_as_its_place():
    shown = shown_as(go.Figure([go.Scatter(x=[1], y=[2], meta="one")], {"height": 600, "width": 900}))
    shown.bring(go.Figure([go.Scatter(x=[1], y=[2], meta="one")], {"height": 700}))
    assert (shown.layout.height, shown.layout.width, shown.layout.autosize) == (None, None, True)


def test_a_page_draws_the_legend_itself_and_a_notebook_leaves_it_to_plotly():
    shown = shown_as(some_figure(1))
    assert shown.layout.showlegend is False
    shown.bring(some_figure(2))
    assert shown.layout.showlegend is False
    assert some_figure(1).layout.showlegend is None


def test_a_scene_that_was_turned_stays_so_when_the_figure_changes():
    def seen_from(x):
        figure = some_figure(1)
        return figure.update_layout(scene_camera={"eye": {"x": x, "y": 0, "z": 1}})

    shown = shown_as(seen_from(1))
    shown.bring(seen_from(2))
    assert shown.layout.scene.camera.eye.x == 2
    shown.update_layout(scene_camera_eye={"x": 5, "y": 5, "z": 5})  # as the page tells it
    shown.bring(seen_from(3))
    assert shown.layout.scene.camera.eye.x == 5


def test_all_traces_of_a_view_fade_by_its_name():
    figure = go.Figure([go.Scatter(x=[1], y=[1], meta=name) for name in ("view 1 HPF", "view 1", "view 10", "cloud")])
    shown = shown_as(figure, 0)
    shown.fade(["view 1"])
    assert [trace.opacity for trace in shown.data] == [STALE, STALE, None, None]
