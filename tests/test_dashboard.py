"""The dashboard: its template, plotly's JavaScript as a file, forked kernels; and Voila's own settings still hold."""

from __future__ import annotations

import re
import urllib.request

import nbformat
import plotly.graph_objects as go
import pytest
import voila

from latentfx_nb.serving import bridge, dashboard, kernels, server
from latentfx_nb.widgets.bridge import FigureWidget
from tests.speed import PATIENCE_S

SAYS = """
import os
import sys

print("its parent runs", open(f"/proc/{os.getppid()}/cmdline").read().replace(chr(0), " "))
print("torch is there:", "torch" in sys.modules)
print("plotly lies at", os.environ["LATENTFX_PLOTLY_JS"])
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What the dashboard answers for a notebook that says how its kernel was made: the address and the HTML."""
    folder = tmp_path_factory.mktemp("pages")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SAYS)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "says.ipynb")
    with server.running(folder) as (address, _):
        with urllib.request.urlopen(f"{address}/voila/render/says.ipynb", timeout=PATIENCE_S) as answer:
            yield address, answer.read().decode()


@pytest.mark.skipif(not kernels.can_fork(), reason="kernels are forked on Linux only")
def test_kernels_are_forked_with_everything_imported(page):
    _, html = page
    assert "multiprocessing.forkserver" in html
    assert "torch is there: True" in html


def test_plotlys_javascript_is_served_and_asked_for_first(page):
    address, html = page
    assert f'href="/{dashboard.PLOTLY_JS}"' in html
    assert html.index(dashboard.PLOTLY_JS) < html.index("<body")
    assert f"/{dashboard.PLOTLY_JS}" in re.search(r"plotly lies at (\S+)", html)[1]
    with urllib.request.urlopen(f"{address}/{dashboard.PLOTLY_JS}", timeout=PATIENCE_S) as answer:
        assert answer.read() == dashboard.BUNDLE.read_bytes()
        assert int(re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])[1]) > 86_400


def templates(tmp_path, text):
    """Return a folder of templates as Voila finds them, in which "lab" says `text`."""
    folder = tmp_path / "voila" / "templates" / "lab"
    folder.mkdir(parents=True)
    (folder / "index.html.j2").write_text(text)
    return [str(tmp_path / "elsewhere"), str(folder)]


def test_the_server_does_not_start_where_voila_links_other_icons(tmp_path):
    links = "".join(f'<link href="{address}">' for address in bridge.ICONS)
    bridge.check_links(templates(tmp_path / "as it was", links))
    moved = links.replace("@^5", "@^6")
    with pytest.raises(RuntimeError, match=rf"Voila {re.escape(voila.__version__)} .*all.min.css is not in its lab"):
        bridge.check_links(templates(tmp_path / "moved", moved))
    with pytest.raises(RuntimeError, match="none of nowhere"):
        bridge.check_links(["nowhere"])


def test_a_page_names_no_other_host(page):
    _, html = page
    linked = re.findall(r"""(?:src|href)\s*=\s*["'](\w+://[^"']+)""", html)
    assert linked == []
    assert html.count('href="data:text/css,"') == len(bridge.ICONS)


def test_a_figures_javascript_is_plotlys_own_where_nothing_serves_it(monkeypatch):
    monkeypatch.delenv("LATENTFX_PLOTLY_JS", raising=False)
    assert FigureWidget(go.Figure())._esm == dashboard.BUNDLE.read_text(encoding="utf-8")
    monkeypatch.setenv("LATENTFX_PLOTLY_JS", "/pages/voila/static/x.js?v=1")
    assert "new URL('/pages/voila/static/x.js?v=1', location.href)" in FigureWidget(go.Figure())._esm
