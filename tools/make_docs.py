"""Write the documentation as pages that need no server: `make docs`, into build/docs.

Every notebook is executed and becomes HTML: its figures turn, zoom and say what they are of, its knobs are gone. The
guides beside them are set from docs/*.md. All pages share one plotly.js, and nothing is fetched from a network.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import sys
from pathlib import Path

import nbclient
import nbformat
import plotly.io
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html_mistune
from plotly.offline import get_plotlyjs

from latentfx_nb.figures import CONFIG
from latentfx_nb.serving.server import process_environment

ROOT = Path(__file__).resolve().parents[1]
PLOTLY = "application/vnd.plotly.v1+json"
LONGEST_S = 600
LIVE = "*Here the live page has its knobs and its player: `make run`.*"

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.55 system-ui, sans-serif; color: #222;
  background: #fff }}
code, pre {{ background: #f3f3f3 }} pre {{ padding: .6rem; overflow-x: auto }}
img {{ max-width: 100% }} .anchor-link {{ display: none }}
td, th {{ padding: 2px 14px 2px 0; text-align: left; vertical-align: top }} a {{ color: #0b57a4 }}
</style></head><body><nav><a href="index.html">LatentFX</a></nav>{body}</body></html>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks to write (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    options = parser.parse_args()
    notebooks = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    unknown = set(options.names) - set(notebooks)
    if unknown:
        parser.error(f"no notebook is called {', '.join(sorted(unknown))}; there are {', '.join(notebooks)}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
    titles = {}
    for name, path in notebooks.items():
        notebook = nbformat.read(path, as_version=4)
        titles[name] = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
        if name in (options.names or notebooks):
            sys.stdout.write(f"{name}\n")
            (options.out / f"{name}.html").write_text(notebook_page(notebook, path.parent), encoding="utf-8")
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        titles[path.stem] = re.search(r"^# (.+)$", text, re.MULTILINE)[1]
        (options.out / f"{path.stem}.html").write_text(guide_page(text, titles[path.stem]), encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, options.out)
    (options.out / "index.html").write_text(index_page(titles), encoding="utf-8")
    sys.stdout.write(f"{options.out / 'index.html'}\n")


def notebook_page(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """Return an executed notebook as HTML; its panels, which nothing could answer, are left out."""
    notebook.cells = [cell for old in notebook.cells for cell in without_panel(old)]
    limits = dict.fromkeys(("timeout", "startup_timeout", "iopub_timeout"), LONGEST_S)
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **limits)
    client.execute(env=process_environment(os.environ))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PLOTLY in output.get("data", {}):
                output.data = {"text/html": figure_html(output.data[PLOTLY])}
    exporter = HTMLExporter(template_name="lab", exclude_input_prompt=True, exclude_output_prompt=True)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": "LatentFX"}})
    # The template would fetch require.js, MathJax and Mermaid, which no page here uses.
    page = re.sub(r'<script[^>]*\bsrc="https?://[^"]*"[^>]*>\s*</script>', "", page)
    page = re.sub(r"(?s)<script[^>]*>(?:(?!</script>).)*https?://(?:(?!</script>).)*</script>", "", page)
    return page.replace("</head>", '<script src="plotly.min.js"></script></head>', 1)


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


def guide_page(text: str, title: str) -> str:
    """Return a guide as HTML, with its links to other guides and to the notebooks led to their pages."""
    text = re.sub(r"\]\((?:\.\./)?(?:docs/|notebooks/)?([\w-]+)\.(?:md|ipynb)(#[\w-]*)?\)", r"](\1.html\2)", text)
    return PAGE.format(title=html.escape(title), body=markdown2html_mistune(text))


def index_page(titles: dict[str, str]) -> str:
    entries = [f'<li><a href="{name}.html">{html.escape(title)}</a></li>' for name, title in titles.items()]
    return PAGE.format(title="LatentFX", body=f"<h1>LatentFX</h1><ul>{''.join(entries)}</ul>")


if __name__ == "__main__":
    main()
