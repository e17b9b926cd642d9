"""The dashboard: its frame, its template, plotly's JavaScript as a file, forked kernels; and Voila's settings hold."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import urllib.error
import urllib.request
from types import SimpleNamespace

import nbformat
import plotly.graph_objects as go
import pytest
import voila

from latentfx_nb.pages import all_pages
from latentfx_nb.serving import bridge, dashboard, frame, kernels, notebooks, server
from latentfx_nb.widgets.bridge import FigureWidget
from tests.speed import PATIENCE_S

SAYS = """
import os
import sys

print("its parent runs", open(f"/proc/{os.getppid()}/cmdline").read().replace(chr(0), " "))
print("torch is there:", "torch" in sys.modules)
print("voila is there:", "voila" in sys.modules)
loaded = sys.modules["latentfx_nb.encoders.registry"].load_built_in.cache_info().currsize
print("the default encoder is there:", loaded > 0)
print("plotly lies at", os.environ["LATENTFX_PLOTLY_JS"])
"""


def write_notebook(path, *cells):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def page_of(address):
    """Return the HTML that is sent for a page, to its end."""
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a dashboard of two notebooks: one says how its kernel was made, the other is no notebook."""
    folder = tmp_path_factory.mktemp("pages")
    title = nbformat.v4.new_markdown_cell("# What <it> says: a test\n\n# Another heading")
    write_notebook(folder / "says.ipynb", title, nbformat.v4.new_code_cell(SAYS))
    (folder / "broken.ipynb").write_text("no notebook")
    with server.running(folder) as (address, _):
        yield address


@pytest.fixture(scope="module")
def html(served):
    """What is sent for a page."""
    return page_of(f"{served}/voila/render/says.ipynb")


def test_the_bar_and_the_outlines_are_sent_before_what_the_kernel_says(html):
    wanted = ['<nav class="lfx-bar"', "</nav>", 'class="lfx-outlines"', "Starting Python", '<link rel="stylesheet"']
    wanted += ["kernelId", "voila_process(1", "its parent runs", "voila_finish()", "</html>"]
    places = [html.index(one) for one in wanted]
    assert places == sorted(places)


def test_a_page_is_titled_by_its_heading_up_to_the_colon(html):
    assert "<title>What &lt;it&gt; says · LatentFX</title>" in html
    assert re.findall(r"<title>", html) == ["<title>"]
    assert '<link rel="icon" href="data:image/svg+xml,%3Csvg' in html


def test_the_bar_leads_to_the_pages_and_marks_the_one_that_is_open(html):
    links = re.findall(r'<a href="([^"]+)" data-page="([^"]+)"( aria-current="page")?>([^<]*)</a>', html)
    assert links == [
        ("broken.ipynb", "broken", "", "broken"),
        ("says.ipynb", "says", ' aria-current="page"', "What &lt;it&gt; says"),
    ]
    assert set(re.findall(r'<button type="button" data-lfx="(\w+)"', html)) == {
        *("pages", "copy", "theme", "help", "reload")
    }


def test_a_page_that_cannot_be_opened_says_so_in_its_frame(served):
    html = page_of(f"{served}/voila/render/broken.ipynb")
    assert html.index("</nav>") < html.index("latentfxFirst.fail()")


@pytest.mark.parametrize("path", ["missing.ipynb", "..%2Fsays.ipynb"])
def test_what_is_no_page_is_answered_as_voila_does(served, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{served}/voila/render/{path}", timeout=PATIENCE_S)


def test_the_titles_in_the_bar_are_those_of_the_pages():
    found = {page.name: page.title for page in notebooks.listed(server.notebooks_folder())}
    assert {name: page.title for name, page in all_pages().items()}.items() <= found.items()
    assert found[notebooks.HOME] == notebooks.SUITE


def test_a_notebook_without_a_heading_goes_by_its_name(tmp_path):
    assert notebooks.title_of(write_notebook(tmp_path / "a.ipynb", nbformat.v4.new_code_cell("# no heading"))) == "a"
    text = nbformat.v4.new_markdown_cell("Words\n\n#  A title \n")
    assert notebooks.title_of(write_notebook(tmp_path / "b.ipynb", text)) == "A title"
    (tmp_path / "c.ipynb").write_text(json.dumps({"cells": [{"cell_type": "markdown"}]}))
    assert notebooks.title_of(tmp_path / "c.ipynb") == "c"


def test_home_is_the_start_page_or_the_list_of_files(tmp_path):
    links = dict.fromkeys(("include_css", "include_js", "include_url"), str)
    page = write_notebook(tmp_path / "01_one.ipynb", nbformat.v4.new_markdown_cell("# One"))
    start = frame.Frame(tmp_path, "/base/", "plotly.js", [], links).of("01_one")
    assert '<a class="lfx-home" href="/base/"' in start
    page.rename(tmp_path / f"{notebooks.HOME}.ipynb")
    start = frame.Frame(tmp_path, "/base/", "plotly.js", [], links).of(notebooks.HOME)
    assert f'<a class="lfx-home" href="{notebooks.HOME}.ipynb" aria-current="page"' in start


def test_the_parts_of_voilas_script_are_asked_for_with_the_frame(served):
    names = dashboard.voila_scripts()
    assert len(names) > 20
    with urllib.request.urlopen(f"{served}/voila/render/says.ipynb", timeout=PATIENCE_S) as answer:
        html = answer.read().decode()
    assert [name for name in names if f'href="/voila/static/{name}"' not in html] == []


class Answer:
    """Stands in for Voila's handler."""

    notebook_path = ""
    log = logging.getLogger("answer")

    def __init__(self, *parts):
        self.parts, self.asked = parts, []

    def set_header(self, name, value):
        pass

    async def get_generator(self, path=None):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def should_use_rendered_notebook(self, data, pool_size, template_name, theme, request_args):
        self.asked.append(theme)
        return theme is None


def handler(folder, *parts):
    begun = {"folder": folder, "frame": SimpleNamespace(of=lambda name: f"frame of {name}")}
    return type("Handler", (bridge.FrameFirst, Answer), begun)(*parts)


def sent(one, path):
    async def all_parts():
        return [part async for part in one.get_generator(path)]

    return asyncio.run(all_parts())


def test_the_frame_comes_first_and_an_error_after_it_is_said_and_logged(tmp_path, caplog):
    (tmp_path / "a.ipynb").touch()
    assert sent(handler(tmp_path, "kernel", "cells"), "a.ipynb") == ["frame of a", "kernel", "cells"]
    assert sent(handler(tmp_path, "kernel", ValueError("no")), "a.ipynb") == ["frame of a", "kernel", bridge.FAILED]
    assert "a.ipynb cannot be opened" in caplog.text
    with pytest.raises(ValueError, match="no"):
        sent(handler(tmp_path, ValueError("no")), "b.ipynb")


def test_a_ready_kernel_serves_both_themes(tmp_path):
    one = handler(tmp_path)
    assert one.should_use_rendered_notebook({}, 1, None, "dark", {})
    assert one.asked == [None]


@pytest.mark.skipif(not kernels.can_fork(), reason="kernels are forked on Linux only")
def test_kernels_are_forked_with_everything_imported_but_the_server(html):
    assert "multiprocessing.forkserver" in html
    assert "torch is there: True" in html
    assert "the default encoder is there: True" in html
    assert "voila is there: False" in html


def test_plotlys_javascript_is_served_and_asked_for_first(served, html):
    assert f'href="/{dashboard.PLOTLY_JS}"' in html
    assert html.index(dashboard.PLOTLY_JS) < html.index("<body")
    assert f"/{dashboard.PLOTLY_JS}" in re.search(r"plotly lies at (\S+)", html)[1]
    with urllib.request.urlopen(f"{served}/{dashboard.PLOTLY_JS}", timeout=PATIENCE_S) as answer:
        assert answer.read() == dashboard.BUNDLE.read_bytes()
        assert int(re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])[1]) > 86_400


def test_voilas_scripts_run_once_the_page_says_which_kernel_it_has(html):
    assert html.count('<script src="/voila/static/voila.js">') == 1
    assert html.index("kernelId") < html.index('<script src="/voila/static/voila.js">')


def templates(tmp_path, missing=""):
    """Return a folder of templates as Voila finds them, which lack something."""
    folder = tmp_path / "voila" / "templates" / "lab"
    folder.mkdir(parents=True)
    for file, wanted in bridge.REPLACED.items():
        (folder / file).write_text("\n".join(words for words in wanted if words != missing))
    return [str(tmp_path / "elsewhere"), str(folder)]


def test_the_server_does_not_start_where_voila_builds_its_pages_otherwise(tmp_path):
    bridge.check_template(templates(tmp_path / "as it was"))
    with pytest.raises(RuntimeError, match=rf"Voila {re.escape(voila.__version__)} .*'voila_process\(' is not in its"):
        bridge.check_template(templates(tmp_path / "moved", "voila_process("))
    with pytest.raises(RuntimeError, match="none of nowhere"):
        bridge.check_template(["nowhere"])


def test_a_page_names_no_other_host(html):
    linked = re.findall(r"""(?:src|href)\s*=\s*["'](\w+://[^"']+)""", html)
    assert linked == []
    assert "cdn" not in html


def test_a_figures_javascript_is_plotlys_own_where_nothing_serves_it(monkeypatch):
    monkeypatch.delenv("LATENTFX_PLOTLY_JS", raising=False)
    assert FigureWidget(go.Figure())._esm == dashboard.BUNDLE.read_text(encoding="utf-8")
    monkeypatch.setenv("LATENTFX_PLOTLY_JS", "/pages/voila/static/x.js?v=1")
    assert "new URL('/pages/voila/static/x.js?v=1', location.href)" in FigureWidget(go.Figure())._esm
