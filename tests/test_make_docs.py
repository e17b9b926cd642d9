"""`make docs`: executed notebooks, guides and the API reference as a site that needs no server and no network."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

import latentfx_nb as lfx
from tests.speed import PATIENCE_S
from tools import api_pages, make_docs

pytestmark = pytest.mark.ci

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The site with one notebook executed; Sphinx ends at the first warning of any page."""
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "tools.make_docs", "09_compare_encoders", "--out", out]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(f"{out / 'index.html'}\n")
    return out


def body(page):
    """Return what a page says itself, without the list of all pages beside it."""
    return page[page.index("<article") : page.index("</article>")]


def test_a_notebook_is_a_page_with_its_figure_and_without_its_panel(written):
    page = (written / "09_compare_encoders.html").read_text()
    assert page.count("Plotly.newPlot(") >= 1
    assert page.count('src="_static/plotly.min.js"') == 1
    assert page.index("plotly.min.js") < page.index("Plotly.newPlot(")
    assert "CompareEncoders" not in page and "google.colab" not in page
    assert "Here the live page has its knobs" in page
    assert "Traceback" not in page


def test_no_page_fetches_anything(written):
    for path in written.rglob("*.html"):
        page = path.read_text()
        fetched = re.findall(
            r"""<(?:script|img|iframe|audio|source)[^>]*\bsrc=["']([^"']+)|<link[^>]*\bhref=["']([^"']+)""", page
        )
        for source in ("".join(pair).partition("?")[0] for pair in fetched):
            local = source.startswith("data:") or source == "#" or (path.parent / source).exists()
            assert local, (path.name, source)
        assert not re.search(r"@import|(?:fetch|import)\(['\"]https?:", page)
    for style in written.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(?:https?:)?//", style.read_text()), style.name
    assert "Plotly" in (written / "_static" / "plotly.min.js").read_text()[:5000]
    assert len(list(written.rglob("*plotly*.js"))) == 1


def test_every_page_leads_to_all_notebooks_and_guides(written):
    names = [path.stem for path in (*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "docs").glob("*.md"))]
    for name in ("index", "04_knob_paths", "tour", "api"):
        links = re.findall(
            r'<li class="toctree-l1[^>]*><a[^>]*href="([\w-]+)\.html"', (written / f"{name}.html").read_text()
        )
        others = {*names, "api", "CONTRIBUTING", "CHANGELOG"} - {name}
        assert others <= set(links), name
    assert all((written / f"{name}.html").exists() for name in names)


def test_links_within_the_site_lead_somewhere(written):
    for path in written.glob("*.html"):
        for target in re.findall(r'href="(?!https?:|#|data:|mailto:)([^"#?]+)', body(path.read_text())):
            assert (path.parent / target).exists(), (path.name, target)


def test_every_public_name_has_its_entry(written):
    entries = inventory(written / "objects.inv")
    assert {f"latentfx_nb.{name}" for name in lfx.__all__ if name != "__version__"} <= entries
    above = {(one.module, one.name): name for name, one in api_pages.handed_on().items()}
    for folder in sorted(path.parent.name for path in api_pages.PACKAGE.glob("*/__init__.py")):
        for name in getattr(import_module(f"latentfx_nb.{folder}"), "__all__", ()):
            place = home(folder, name)
            known = f"latentfx_nb.{above[place]}" if place in above else ".".join(place)
            assert known in entries, f"latentfx_nb.{folder}.{name}"


def test_every_public_definition_has_its_entry(written):
    entries = inventory(written / "objects.inv")
    above = {(one.module, one.name) for one in api_pages.handed_on().values()}
    for module in api_pages.public_modules():
        assert module in entries
        for one in api_pages.entries(module):
            assert (module, one.name) in above or f"{module}.{one.name}" in entries, f"{module}.{one.name}"


def home(folder, name):
    """Return the module that defines a folder's name, and the name: of pages, which are loaded late, by the class."""
    defined = api_pages.defined_in(f"latentfx_nb.{folder}", name)
    if any(one.name == defined[1] for one in api_pages.entries(defined[0])):
        return defined
    found = getattr(import_module(f"latentfx_nb.{folder}"), name)
    return found.__module__, found.__qualname__


def inventory(path):
    """Return the names of all Python objects that a site documents."""
    with path.open("rb") as file:
        for _ in range(4):
            file.readline()
        lines = zlib.decompress(file.read()).decode().splitlines()
    return {line.split(" ", 1)[0] for line in lines if " py:" in line}


def test_links_of_guides_lead_to_the_site_or_to_the_repository():
    text = "[a](encoders.md) [b](../notebooks/03_effect_clusters.ipynb#x) [c](https://example.org/x.md) [d](#here)"
    led = make_docs.site_links(text, ROOT / "docs")
    assert led == "[a](encoders.md) [b](03_effect_clusters.ipynb#x) [c](https://example.org/x.md) [d](#here)"
    outside = make_docs.site_links("[r](../benchmarks/RESULTS.md) ![p](tour.png) [l](../CHANGELOG.md)", ROOT / "docs")
    assert outside == f"[r]({make_docs.REPOSITORY}/benchmarks/RESULTS.md) ![p](tour.png) [l](CHANGELOG.md)"
    assert make_docs.site_links("[a](docs/encoders.md)", ROOT) == "[a](encoders.md)"


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
