"""Write the documentation as one site that needs no server: `make docs`, into build/docs.

Every notebook is executed: its figures turn, zoom and say what they are of, its knobs are gone. The guides beside them
are docs/*.md, and every public name of the package has its entry in the API reference. Sphinx sets them
(docs/conf.py), and its first warning fails. All pages share one plotly.js, and nothing is fetched from a network.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import sys
from pathlib import Path

import nbclient
import nbformat
import plotly.io
from plotly.offline import get_plotlyjs
from sphinx.cmd.build import main as sphinx

from latentfx_nb.figures import CONFIG
from latentfx_nb.serving.server import process_environment
from tools import api_pages

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/latentfx/latentfx-notebooks/blob/main"
PLOTLY = "application/vnd.plotly.v1+json"
LONGEST_S = 600
LIVE = "*Here the live page has its knobs and its player: `make run`.*"
PICTURES = (".png", ".svg", ".webp")

BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md")
USERS = ("tour", "method", "install", "library", "encoders", "data", "large-sets", "settings", "performance")
OPERATORS = ("deploy", "threats", "reliability")

TREE = """
```{{toctree}}
:hidden:
:caption: {caption}

{entries}
```
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks to execute (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    options = parser.parse_args()
    notebooks = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    unknown = set(options.names) - set(notebooks)
    if unknown:
        parser.error(f"no notebook is called {', '.join(sorted(unknown))}; there are {', '.join(notebooks)}")
    out = options.out.resolve()
    source = out.with_name(f"{out.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    write_sources(source, notebooks, options.names or list(notebooks))
    status = sphinx(["-b", "html", "-q", "-W", "--keep-going", "-d", str(source / ".doctrees"), str(source), str(out)])
    if status:
        sys.exit(status)
    sys.stdout.write(f"{out / 'index.html'}\n")


def write_sources(source: Path, notebooks: dict[str, Path], executed: list[str]) -> None:
    """Write all that Sphinx reads into one flat folder: guides, notebooks, pictures, pages of the API, its settings."""
    (source / "api").mkdir(parents=True)
    (source / "_static").mkdir()
    (source / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "conf.py", source)
    for picture in (ROOT / "docs").iterdir():
        if picture.suffix in PICTURES:
            shutil.copy(picture, source)
    for guide in (*sorted((ROOT / "docs").glob("*.md")), *(ROOT / name for name in BESIDE)):
        text = site_links(guide.read_text(encoding="utf-8"), guide.parent)
        (source / guide.name).write_text(text, encoding="utf-8")
    (source / "index.md").write_text(front_page(list(notebooks)), encoding="utf-8")
    for name, text in api_pages.pages().items():
        (source / f"{name}.rst").write_text(text, encoding="utf-8")
    for name, path in notebooks.items():
        notebook = still(nbformat.read(path, as_version=4))
        if name in executed:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
            execute(notebook, path.parent)
        nbformat.write(notebook, source / f"{name}.ipynb")


def still(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook as the site has it: with the site's links, without the panels, which nothing could answer."""
    notebook.cells = [cell for old in notebook.cells for cell in without_panel(old)]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = site_links(cell.source, ROOT / "notebooks")
    return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Fill in a notebook's outputs; a figure is HTML that the page's plotly.js draws."""
    limits = dict.fromkeys(("timeout", "startup_timeout", "iopub_timeout"), LONGEST_S)
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **limits)
    client.execute(env=process_environment(os.environ))
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PLOTLY in output.get("data", {}):
                output.data = {"text/html": figure_html(output.data[PLOTLY])}


def without_panel(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return a cell without its panel, if it has one, and no cell for what only Colab needs."""
    if "google.colab" in cell.source:
        return []
    if cell.cell_type != "code" or "static" in cell.metadata.get("tags", []):
        return [cell]
    imports = [line for line in cell.source.splitlines() if re.match(r"(import|from)\b", line)]
    cell.source = "\n".join(imports)
    return [cell, nbformat.v4.new_markdown_cell(LIVE)]


def figure_html(figure: dict) -> str:
    return plotly.io.to_html(figure, config=CONFIG, include_plotlyjs=False, full_html=False)


def site_links(text: str, folder: Path) -> str:
    """Return a text of `folder` with its links led to the site's flat pages, or to the repository for what has none."""

    def led(found: re.Match) -> str:
        target, _, anchor = found[1].partition("#")
        anchor = f"#{anchor}" if anchor else ""
        path = posixpath.normpath(posixpath.join(folder.relative_to(ROOT).as_posix(), target))
        parent, name = posixpath.split(path)
        is_page = (parent == "docs" and name.endswith(".md")) or (parent == "notebooks" and name.endswith(".ipynb"))
        if is_page or path in BESIDE or (parent == "docs" and name.endswith(PICTURES)):
            return f"]({name}{anchor})"
        return f"]({REPOSITORY}/{path}{anchor})"

    return re.sub(r"\]\((?![a-z]+:|#)([^()\s]+)\)", led, text)


def front_page(notebooks: list[str]) -> str:
    """Return README, without its badges, and the tree of all pages."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\[!\[.*\n", "", text)
    trees = {
        "Using it": USERS,
        "Pages": notebooks,
        "Serving it": OPERATORS,
        "Reference": ("api", "architecture", "design", "CONTRIBUTING", "CHANGELOG", "dependencies"),
    }
    parts = [TREE.format(caption=caption, entries="\n".join(names)) for caption, names in trees.items()]
    return site_links(text, ROOT) + "".join(parts)


if __name__ == "__main__":
    main()
