"""The notebooks: they run, their pairs agree, they hold no results and no code that belongs to the package."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

import latentfx_nb as lfx
from latentfx_nb.pages import all_pages
from tests.speed import NOTEBOOK_LIMITS

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
CELL_LINES = 12
PANEL = re.compile(r"\blfx\.pages\.([A-Z]\w*)\(")


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def python(cell):
    """Return the cell's code without IPython's magics, which no parser knows."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE)


def tags(cell):
    return cell.metadata.get("tags", [])


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Return a notebook after a run in a kernel of its own; each is run once."""
    cache, done = tmp_path_factory.mktemp("notebooks-cache"), {}

    def run(name):
        if name not in done:
            notebook = read(name)
            environment = {**os.environ, "LATENTFX_CACHE": str(cache), "OMP_WAIT_POLICY": "PASSIVE"}
            resources = {"metadata": {"path": str(FOLDER)}}
            client = nbclient.NotebookClient(notebook, resources=resources, **NOTEBOOK_LIMITS)
            client.execute(env=environment)
            done[name] = notebook
        return done[name]

    return run


QUICK = ("00_start_here", "04_knob_paths")
"""Notebooks that `make test` runs; `make ci` runs all."""


@pytest.fixture(params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.ci) for name in NAMES])
def run_name(request):
    return request.param


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_there_are_notebooks():
    assert "00_start_here" in NAMES
    assert len(NAMES) >= 4


# ------------------------------------------------------------------------------------------------------------ execution


def test_it_runs(run_name, executed):
    notebook = executed(run_name)
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert not (output.output_type == "stream" and output.name == "stderr"), output.text


def test_its_pictures_and_panel_are_shown(run_name, executed):
    shown = [set(output.get("data", {})) for cell in code(executed(run_name)) for output in cell.outputs]
    assert any("application/vnd.jupyter.widget-view+json" in kinds for kinds in shown)
    if run_name != "00_start_here":
        assert any("application/vnd.plotly.v1+json" in kinds for kinds in shown)


# ---------------------------------------------------------------------------------------------------------------- pairs


def test_every_notebook_is_a_pair():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(NAMES)


def test_the_pair_is_in_sync(name):
    """What people edit and what runs are the same cells with the same tags; formatting them again changes nothing."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    script, notebook = jupytext.reads(text, fmt="py:percent"), read(name)
    cells = [[(cell.cell_type, cell.source, tags(cell)) for cell in book.cells] for book in (script, notebook)]
    assert cells[0] == cells[1]
    assert notebook.metadata.jupytext.formats == "ipynb,py:percent"
    assert notebook.metadata.kernelspec.name == script.metadata.kernelspec.name == "python3"


def test_the_pair_keeps_its_cells_through_jupytext(name):
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    written = jupytext.writes(read(name), fmt="py:percent")
    body = [re.sub(r"(?s)\A# ---\n.*?# ---\n", "", version).strip() for version in (text, written)]
    assert body[0] == body[1]


def test_no_results_are_stored(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    for cell in code(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 20_000


# ---------------------------------------------------------------------------------------------------------- house rules


def test_a_notebook_tells_and_the_package_computes(name):
    for cell in code(read(name)):
        assert len(cell.source.splitlines()) <= CELL_LINES, cell.source
        for node in ast.walk(ast.parse(python(cell))):
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda, ast.Try)
            assert not isinstance(node, kinds), cell.source


def test_the_figure_comes_before_its_panel(name):
    cells = code(read(name))
    panels = [i for i, cell in enumerate(cells) if PANEL.search(cell.source)]
    assert len(panels) == 1, "one panel a page: every figure widget ships its own JavaScript"
    if name == "00_start_here":
        return
    figures = [i for i, cell in enumerate(cells) if "lfx.plots." in cell.source]
    assert figures, "the notebook shows no figure without its panel"
    assert max(figures) < panels[0]
    last = ast.parse(python(cells[figures[0]])).body[-1]
    assert isinstance(last, ast.Expr), "the figure has to be the cell's value, or nobody sees it"


def test_what_the_panel_replaces_is_left_out_of_the_page(name):
    """Voila removes the cells tagged static: a page shows the panel, and the words."""
    removed = json.loads((FOLDER.parent / "voila.json").read_text())["TagRemovePreprocessor"]
    assert removed == {"enabled": True, "remove_cell_tags": ["static"]}
    for cell in code(read(name)):
        assert ("static" in tags(cell)) is (PANEL.search(cell.source) is None), cell.source


def test_the_page_runs_without_the_cells_that_are_left_out(name):
    """No name is used that only a removed cell defines."""
    for cell in code(read(name)):
        if "static" in tags(cell):
            continue
        tree = ast.parse(python(cell))
        stored = {alias.asname or alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        stored |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        assert {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} <= stored


def test_panels_and_plots_it_names_exist(name):
    for cell in code(read(name)):
        for path in re.findall(r"\blfx\.([\w.]+)", cell.source):
            found = lfx
            for part in path.split("."):
                found = getattr(found, part)


def test_it_opens_with_a_title_and_the_guarded_colab_cell(name):
    notebook = read(name)
    assert notebook.cells[0].cell_type == "markdown"
    assert re.match(r"# \S.*\n", notebook.cells[0].source)
    first = code(notebook)[0]
    assert 'if "google.colab" in sys.modules:' in first.source
    assert "enable_custom_widget_manager" in first.source


# ---------------------------------------------------------------------------------------------------------- front page


def test_the_front_page_links_every_notebook_and_nothing_else():
    assert set(all_pages()) == set(NAMES) - {"00_start_here"}
    assert list(all_pages()) == sorted(all_pages())
    for page in all_pages().values():
        assert page.title
        assert page.blurb.endswith((".", "?"))


def test_a_card_has_the_title_of_its_page():
    for name, page in all_pages().items():
        assert read(name).cells[0].source.startswith(f"# {page.title}")
