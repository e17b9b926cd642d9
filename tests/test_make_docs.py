"""`make docs`: executed notebooks and guides as pages that need no server and no network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.speed import PATIENCE_S
from tools import make_docs

pytestmark = pytest.mark.ci

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs")
    command = [sys.executable, ROOT / "tools" / "make_docs.py", "09_compare_encoders", "--out", out]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(f"{out / 'index.html'}\n")
    return out


def test_a_notebook_is_a_page_with_its_figure_and_without_its_panel(written):
    page = (written / "09_compare_encoders.html").read_text()
    assert page.count("Plotly.newPlot(") >= 1
    assert page.count('src="plotly.min.js"') == 1
    assert "CompareEncoders" not in page and "google.colab" not in page
    assert "Here the live page has its knobs" in page
    assert "Traceback" not in page


def test_no_page_fetches_anything(written):
    for path in written.glob("*.html"):
        page = path.read_text()
        fetched = re.findall(r"""<(?:script|img|iframe)[^>]*\bsrc=["']([^"']+)|<link[^>]*\bhref=["']([^"']+)""", page)
        for source in ("".join(pair) for pair in fetched):
            assert source.startswith("data:") or (written / source).exists(), (path.name, source)
        assert not re.search(r"@import|(?:fetch|import)\(['\"]https?:", page)
    assert "Plotly" in (written / "plotly.min.js").read_text()[:5000]


def test_the_index_leads_to_all_notebooks_and_guides(written):
    links = re.findall(r'<li><a href="([\w-]+)\.html">([^<]+)</a>', (written / "index.html").read_text())
    names = [name for name, _ in links]
    assert names == [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] + [
        path.stem for path in sorted((ROOT / "docs").glob("*.md"))
    ]
    assert all(title.strip() for _, title in links)
    for guide in (ROOT / "docs").glob("*.md"):
        assert (written / f"{guide.stem}.html").exists()


def test_links_between_guides_and_notebooks_lead_to_their_pages():
    text = "# A\n\n[a](docs/encoders.md) [b](../notebooks/03_effect_clusters.ipynb#x) [c](https://example.org/x.md)"
    page = make_docs.guide_page(text, "A")
    assert 'href="encoders.html"' in page and 'href="03_effect_clusters.html#x"' in page
    assert 'href="https://example.org/x.md"' in page


def test_a_panel_leaves_its_imports_and_a_word():
    cell = nbformat.v4.new_code_cell("import latentfx_nb as lfx\n\nlfx.pages.StartHere()")
    kept, word = make_docs.without_panel(cell)
    assert kept.source == "import latentfx_nb as lfx"
    assert word.cell_type == "markdown"
    static = nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["static"]})
    assert make_docs.without_panel(static) == [static]


def test_an_unknown_notebook_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make_docs.py", "99_none", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        make_docs.main()
    assert "no notebook is called 99_none; there are 00_start_here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
