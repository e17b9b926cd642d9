"""Draw the package's floors from its imports, into docs/architecture.svg: `python -m tools.draw_architecture`.

A box is a folder, with the first sentence of its `__init__`, or what lies beside the folders; an arrow leads to what a
box imports. Arrows that follow from others are left out: where `store` imports `encoders`, which import `sound`, none
leads from `store` to `sound`.
"""

from __future__ import annotations

import ast
import html
import sys
import textwrap
from pathlib import Path

from tools.imports import PACKAGE, parse, rows, top_level

TARGET = PACKAGE.parent / "docs" / "architecture.svg"
BASE = "base"
WIDTH, HEIGHT, GAP = 248, 104, 40  # pixels: a box, and the space between boxes
CHARACTERS = 35  # a line of a box holds

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif">
<title>The folders of latentfx_nb, and what each imports</title>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path \
d="M0 0 10 5 0 10z" fill="#667"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
"""
LINE = '<line x1="{0:.0f}" y1="{1:.0f}" x2="{2:.0f}" y2="{3:.0f}" stroke="#667" stroke-width="1.5" \
marker-end="url(#tip)"/>\n'
BOX = '<rect x="{x:.0f}" y="{y:.0f}" width="{w}" height="{h}" rx="8" fill="#eef3fb" stroke="#3b6ea5"/>\n'
TEXT = '<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="middle"{bold} fill="#222">{text}</text>\n'


def folders() -> dict[str, set[str]]:
    """Return each box -> those it imports; modules at the bottom of all, which have no folder, share one."""
    graph = top_level()
    shared = {name for name in graph if not (PACKAGE / name).is_dir() and any(name in graph[one] for one in graph)}
    merged = {BASE: set[str]()}
    for name, imported in graph.items():
        if name not in shared:
            merged[name] = imported - shared | ({BASE} if imported & shared else set())
    return merged


def arrows(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that follow from no others, each as (importer, imported)."""

    def below(name: str) -> set[str]:
        return graph[name].union(*(below(one) for one in graph[name]))

    return [
        (name, one)
        for name in sorted(graph)
        for one in sorted(graph[name])
        if not any(one in below(other) for other in graph[name] - {one})
    ]


def places(graph: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Return box -> its centre, below the middle of those whose arrows lead to it, as far as there is room."""
    found: dict[str, tuple[float, float]] = {}
    leading = arrows(graph)
    for number, row in enumerate(reversed(rows(graph))):
        wanted = {}
        for index, name in enumerate(row):
            above = [found[importer][0] for importer, imported in leading if imported == name]
            wanted[name] = sum(above) / len(above) if above else index * (WIDTH + GAP)
        order = sorted(row, key=lambda name: (wanted[name], name))
        middle = sum(wanted.values()) / len(row) - (len(row) - 1) * (WIDTH + GAP) / 2
        for index, name in enumerate(order):
            found[name] = (middle + index * (WIDTH + GAP), number * (HEIGHT + GAP))
    left = min(x for x, _ in found.values()) - WIDTH / 2 - GAP / 2
    return {name: (x - left, y + HEIGHT / 2 + GAP / 2) for name, (x, y) in found.items()}


def says(name: str, graph: dict[str, set[str]]) -> str:
    """Return what a box says under its name: the first sentence of what the folder says of itself."""
    if name == BASE:
        beside = sorted(set(top_level()) - set(graph))
        return f"what all others may import: {', '.join(beside)}"
    path = PACKAGE / name / "__init__.py"
    text = ast.get_docstring(parse(path if path.exists() else PACKAGE / f"{name}.py")) or ""
    return " ".join(text.split("\n\n")[0].replace("`", "").split()).rstrip(".")


def drawing() -> str:
    """Return the drawing as SVG."""
    graph = folders()
    centres = places(graph)
    width = max(x for x, _ in centres.values()) + WIDTH / 2 + GAP / 2
    height = max(y for _, y in centres.values()) + HEIGHT / 2 + GAP / 2
    parts = [HEAD.format(width=round(width), height=round(height))]
    for importer, imported in arrows(graph):
        (x, y), (to_x, to_y) = centres[importer], centres[imported]
        parts.append(LINE.format(x, y + HEIGHT / 2, to_x, to_y - HEIGHT / 2))
    for name, (x, y) in centres.items():
        parts += box(name, says(name, graph), x, y)
    return "".join([*parts, "</svg>\n"])


def box(name: str, text: str, x: float, y: float) -> list[str]:
    lines = textwrap.wrap(text, CHARACTERS, max_lines=4, placeholder=" ...")
    top = y - 7.5 * (len(lines) - 1)
    parts = [BOX.format(x=x - WIDTH / 2, y=y - HEIGHT / 2, w=WIDTH, h=HEIGHT)]
    parts.append(TEXT.format(x=x, y=top - 8, size=16, bold=' font-weight="bold"', text=html.escape(name)))
    for number, line in enumerate(lines):
        parts.append(TEXT.format(x=x, y=top + 12 + 15 * number, size=12, bold="", text=html.escape(line)))
    return parts


def main(target: Path = TARGET) -> None:
    target.write_text(drawing(), encoding="utf-8")
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
