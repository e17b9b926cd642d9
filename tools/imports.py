"""What the package's files import of each other, read off their sources for the tests and the drawing of its floors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "latentfx_nb"
EXEMPT = {"__init__", "__main__"}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def dotted(path: Path) -> str:
    """Return a file's name within the package: "effects", "encoders.base", "encoders" for its __init__."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imports(tree: ast.Module, module: str, is_package: bool = False) -> Iterator[str]:
    """Yield the absolute name of everything that `tree` imports, at any depth: `from a import b` gives "a.b"."""
    base = ["latentfx_nb", *module.split(".")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = base[: len(base) - node.level + is_package] if node.level else []
            source = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))


def files() -> dict[str, Path]:
    """Return dotted name -> path of every file of the package, but for its own `__init__` and `__main__`."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if "bundled" not in path.parts)
    return {dotted(path): path for path in paths if path.stem not in EXEMPT or path.parent != PACKAGE}


def top_level() -> dict[str, set[str]]:
    """Return each folder or module of the package -> those that it imports."""
    graph: dict[str, set[str]] = {}
    for name, path in files().items():
        top = name.split(".")[0]
        found = {one.split(".")[1] for one in imports(parse(path), name, path.stem == "__init__") if _is_own(one)}
        graph.setdefault(top, set()).update(found - {top, "__version__"})
    return graph


def _is_own(imported: str) -> bool:
    return imported.startswith("latentfx_nb.")


def rows(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return folders and modules in rows, bottom up: each stands right below the lowest of those that import it."""
    height: dict[str, int] = {}
    for name in reversed(list(TopologicalSorter(graph).static_order())):
        height[name] = min((height[other] for other in graph if name in graph[other]), default=0) - 1
    return [sorted(name for name in height if height[name] == level) for level in sorted(set(height.values()))]
