"""What a page does beside sound: what is sent to it, and that each private name is still where it was last seen."""

from __future__ import annotations

import ast
import inspect
import json
import multiprocessing.forkserver
import re
import subprocess
import sys
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import plotly
import plotly.graph_objects as go
import pytest

from latentfx_nb.serving import bridge as server_side
from latentfx_nb.widgets import bridge as page_side
from latentfx_nb.widgets.bridge import Bridge, FigureWidget
from latentfx_nb.widgets.dial import Dial

PACKAGE = Path(page_side.__file__).parents[1]
SCRIPTS = PACKAGE / "widgets"
SCRIPT_BRIDGE = SCRIPTS / "bridge.js"
SCRIPT_NAMES = re.findall(r'privateName\("(\w+)", "([\d.]+)", "([^"]+)", "([^"]+)"\)', SCRIPT_BRIDGE.read_text())
SHARED = Path(sys.prefix) / "share" / "jupyter"
SHIPPED = {
    "plotly": [Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"],
    "anywidget": [
        Path(anywidget.__file__).parent / "nbextension" / "index.js",  # as Voila and Colab load it
        SHARED / "labextensions" / "anywidget" / "static",
    ],
    "ipywidgets": [
        SHARED / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager" / "static",
        SHARED / "voila" / "labextensions" / "@voila-dashboards" / "widgets-manager8" / "static",
    ],
}
"""Where the JavaScript of each library lies that a page may load: every one of these has to hold its names."""

PLAIN = {"process", "pid", "_esm", "register_comm_target"}
"""Private names that are ordinary words elsewhere."""


def scripts_text(path):
    files = sorted(path.glob("*.js")) if path.is_dir() else [path]
    assert files, f"there is no JavaScript at {path}: where has it moved to?"
    return "".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize(("library", "seen", "name", "use"), SCRIPT_NAMES)
def test_a_private_name_stands_in_the_javascript_of_its_library(library, seen, name, use):
    for path in SHIPPED[library]:
        found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", scripts_text(path))
        assert found, (
            f"{library} {seen} had {name} ({use}), and what is installed now, at {path}, has not: see bridge.js"
        )


def test_the_list_of_private_names_is_whole():
    text = SCRIPT_BRIDGE.read_text()
    code = text[text.index("];") :]
    names = {name for _, _, name, _ in SCRIPT_NAMES}
    assert len(SCRIPT_NAMES) == text.count('privateName("')
    assert {name for name in names if name not in code} == set()
    used = set(re.findall(r"(?<![\w-])_[a-zA-Z]\w+", code))
    assert used <= names, "list them in PRIVATE"
    for path in SCRIPTS.glob("*.js"):
        if path != SCRIPT_BRIDGE:
            inside = [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", path.read_text())]
            assert inside == [], f"{path.name} uses {inside}, which belong to bridge.js"


FIND = """
import importlib, inspect, json, sys

def is_there(place):
    where, _, path = place.partition(":")
    owner = importlib.import_module(where)
    *above, name = path.split(".")
    for part in above:
        owner = getattr(owner, part, None)
    in_instances = inspect.isclass(owner) and f"self.{name} = " in inspect.getsource(owner)
    return hasattr(owner, name) or in_instances

print(json.dumps({place: is_there(place) for place in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def there():
    """Private name -> whether it is there; found in another process, as importing ipykernel changes what widgets do."""
    names = [one.name for one in page_side.PRIVATE + server_side.PRIVATE]
    run = [sys.executable, "-c", FIND, *names]
    return json.loads(subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


@pytest.mark.parametrize("one", page_side.PRIVATE + server_side.PRIVATE, ids=lambda one: one.name)
def test_a_private_name_is_where_it_was_seen(one, there):
    assert there[one.name], f"{one.library} {one.seen} had {one.name} ({one.use}), and what is installed has not"


def test_the_process_that_forks_is_known_by_its_command():
    assert server_side.FORKING in inspect.getsource(multiprocessing.forkserver.ForkServer.ensure_running)


def test_only_the_bridges_use_private_names():
    bridges = {Path(one.__file__) for one in (page_side, server_side)}
    names = {one.name.rpartition(".")[2].rpartition(":")[2] for one in page_side.PRIVATE + server_side.PRIVATE}
    names -= PLAIN
    assert {"_config", "setup_template_dirs", "pgid", "parent_handle"} <= names
    near = [path for folder in ("figures", "widgets", "pages", "serving") for path in (PACKAGE / folder).rglob("*.py")]
    for path in set(near) - bridges:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            own = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
            used = None if own else getattr(node, "attr", None)
            assert used not in names, f"{path.name}:{node.lineno} uses {used}, which belongs to a bridge"


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
    assert {"ready", "_watched", "_track", "_along", "_standing"} <= set(sent)
    assert "dark" not in sent


def test_a_picture_is_asked_for_by_the_address_of_its_figure():
    bridge, figure, sent = Bridge(), FigureWidget(go.Figure()), []
    bridge.send = lambda content, buffers=None: sent.append(content)
    bridge.picture(figure, "svg", "clusters")
    assert sent == [{"kind": "picture", "figure": figure.model_id, "format": "svg", "name": "clusters"}]


def test_a_click_in_the_page_names_trace_point_and_place():
    bridge, clicks = Bridge(), []
    bridge._answer(bridge, {"kind": "point", "trace": "paths", "number": 1}, [])  # nobody listens yet
    bridge.on_point(lambda name, points: clicks.append((name, points.point_inds, points.xs, points.ys)))
    bridge._answer(bridge, {"kind": "point", "trace": "paths", "number": 7, "x": "HPF", "y": 2}, [])
    assert clicks == [("paths", [7], ["HPF"], [2])]


def test_a_file_is_handed_to_the_browser_whole():
    bridge, sent = Bridge(), []
    bridge.send = lambda content, buffers=None: sent.append((content, buffers))
    bridge.save("points.csv", b"x,y", "text/csv")
    assert sent == [({"kind": "save", "name": "points.csv", "type": "text/csv"}, [b"x,y"])]


def test_a_figure_has_its_words_and_sends_nothing_away():
    figure = FigureWidget(go.Figure(go.Scatter(x=[1], y=[2])), "One point")
    assert figure.layout.meta == {"words": "One point"}
    assert figure._config["showSendToCloud"] is False


def test_an_image_is_sent_as_it_lies_in_memory():
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    figure = FigureWidget(go.Figure(go.Heatmap(z=image.copy(order="F"), x=[1, 2, 3])))
    rows = figure.get_state("_widget_data")["_widget_data"][0]["z"]
    assert [(row["dtype"], tuple(row["shape"])) for row in rows] == [("float32", (3,))] * 2
    np.testing.assert_array_equal([np.frombuffer(row["buffer"], np.float32) for row in rows], image)
    figure.data[0].z = image + 1
    np.testing.assert_array_equal(figure.data[0].z, image + 1)


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


def test_prepared_places_go_to_the_page_with_the_dial_that_moves_along_them():
    bridge, figure, points = Bridge(), figure_of("cloud", "knob"), np.random.default_rng(0).standard_normal((2, 5, 3))
    dial = Dial(440.0, low=50.0, high=10_000.0, knob="HPF.cutoff_frequency_hz")
    values = np.geomspace(50, 10_000, 5)
    bridge.follow_knob(dial, figure, "knob", points, values, True)
    along = bridge._along
    assert (along["dial"], along["figure"], along["trace"]) == (dial.model_id, figure.model_id, 1)
    assert (along["shape"], along["values"], along["log"]) == ([2, 5, 3], values.tolist(), True)
    np.testing.assert_array_equal(np.frombuffer(along["points"], "<f4").reshape(2, 5, 3), points.astype("<f4"))
    assert not bridge.follows(dial)  # no page stands yet
    bridge.ready = True
    assert bridge.follows(dial)
    dial.become(value=25.0, low=0.0, high=30.0, knob="DIS.drive_db")
    assert not bridge.follows(dial)
    with pytest.raises(ValueError, match="need a value for each of their steps"):
        bridge.follow_knob(dial, figure, "knob", points, values[1:], True)


def test_what_is_drawn_is_told_again_though_it_is_the_same():
    bridge, told = Bridge(), []
    bridge.observe(lambda change: told.append((change.new["value"], change.new["exact"])), "_standing")
    for exact in (False, True, True):
        bridge.stand(440.0, exact)
    assert told == [(440.0, False), (440.0, True), (440.0, True)]
