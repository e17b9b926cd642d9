"""Write the pages of the API reference that Sphinx reads: one for the names of `latentfx_nb`, one a folder.

`make docs` does it on its way. What is public is read off the sources: functions, classes and constants of a module
whose names, and whose module's, do not begin with an underscore. Each has one entry: what `latentfx_nb` hands on stands
on that page, all else where it is defined.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import latentfx_nb
from tools.imports import rows, top_level

PACKAGE = Path(latentfx_nb.__file__).parent
LONGEST_VALUE = 60  # characters of a constant that are shown; a longer one is looked up in the source
BASE = "base"  # the page of the modules that lie in no folder

INDEX = """\
API reference
=============

Names of ``latentfx_nb`` itself, which notebooks use, stand on the first page; they are loaded when first used. The
others follow by folder, from the ground up: a folder imports only what stands before it (:doc:`architecture`).

.. toctree::
   :maxdepth: 1

{pages}
"""


@dataclass(frozen=True)
class Entry:
    """A public name of a module, and what to say to autodoc."""

    module: str  # "latentfx_nb.effects.rendering"
    name: str
    directive: str  # "autofunction", "autoclass" or "py:data"
    lines: tuple[str, ...] = ()  # what stands under it: options, then text

    def rst(self, shown_in: str = "") -> str:
        module = shown_in or self.module
        if self.directive == "py:data":
            lines = [f".. py:data:: {self.name}", f"   :module: {module}"]
        else:
            lines = [f".. {self.directive}:: {module}.{self.name}"]
        return "\n".join([*lines, *(f"   {line}".rstrip() for line in self.lines)]) + "\n"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_modules() -> list[str]:
    """Return the dotted names of all modules that are no one's private ones, folders first."""
    names = [module_name(path) for path in PACKAGE.rglob("*.py") if "bundled" not in path.parts]
    return sorted(name for name in names if not any(part.startswith("_") for part in name.split(".")))


def source(module: str) -> ast.Module:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def entries(module: str) -> list[Entry]:
    """Return what is public of what `module` defines, in its order."""
    found: dict[str, Entry] = {}
    body = source(module).body
    for node, after in zip(body, [*body[1:], None]):
        for name, directive, lines in _defined(node, after):
            if not name.startswith("_"):
                found[name] = Entry(module, name, directive, lines)
    return list(found.values())


def _defined(node: ast.stmt, after: ast.stmt | None) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name, "autofunction", ()
    elif isinstance(node, ast.ClassDef):
        yield node.name, "autoclass", (":members:", ":undoc-members:")
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        lines = _constant(ast.unparse(node.value), after)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from ((leaf.id, "py:data", lines) for leaf in ast.walk(target) if isinstance(leaf, ast.Name))


def _constant(value: str, after: ast.stmt | None) -> tuple[str, ...]:
    """Return the value of a constant, where it is short, and the text that stands below it in the source."""
    lines = [f":value: {value}"] if len(value) <= LONGEST_VALUE and "\n" not in value else []
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        lines += ["", *inspect.cleandoc(after.value.value).splitlines()]
    return tuple(lines)


def handed_on() -> dict[str, Entry]:
    """Return the names of `latentfx_nb` -> the entry of each, which names the module that defines it."""
    by_place = {(one.module, one.name): one for module in public_modules() for one in entries(module)}
    places = {name: defined_in(f"latentfx_nb.{home}", name) for name, home in latentfx_nb._HOME.items()}
    return {name: by_place[place] for name, place in places.items()}


def defined_in(module: str, name: str) -> tuple[str, str]:
    """Return the module, and the name there, that defines what `module` imports or defines as `name`."""
    for node in source(module).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return defined_in(node.module, alias.name)
    return module, name


def heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def top_page() -> str:
    """Return the page of the names that `latentfx_nb` hands on."""
    parts = [heading("latentfx_nb", "="), ".. py:module:: latentfx_nb\n", "Turn a knob, encode, measure, draw.\n"]
    group = ""
    for one in handed_on().values():
        if (folder := one.module.split(".")[1]) != group:
            group = folder
            parts.append(heading(folder, "-"))
        parts.append(one.rst("latentfx_nb"))
    return "\n".join(parts)


def folder_page(folder: str, modules: list[str]) -> str:
    """Return the page of a folder: what it says of itself, and each module's names."""
    above = {(one.module, one.name) for one in handed_on().values()}
    parts = [heading(folder, "=")]
    for module in modules:
        here = [one for one in entries(module) if (one.module, one.name) not in above]
        moved = [one.name for one in entries(module) if (one.module, one.name) in above]
        if module != f"latentfx_nb.{folder}":
            parts.append(heading(module.removeprefix("latentfx_nb."), "-"))
        parts.append(f".. automodule:: {module}\n")
        if moved:
            links = ", ".join(f":py:obj:`latentfx_nb.{name}`" for name in moved)
            parts.append(f"On the page of ``latentfx_nb``: {links}.\n")
        parts += [one.rst() for one in here]
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Return page name -> its text; folders from the ground up."""
    order = [name for row in rows(top_level()) for name in row]
    by_folder: dict[str, list[str]] = {BASE: []}
    for module in public_modules()[1:]:
        top = module.split(".")[1]
        folder = top if (PACKAGE / top).is_dir() else BASE
        by_folder.setdefault(folder, []).append(module)
    ordered = sorted(by_folder, key=lambda folder: order.index(folder) if folder in order else -1)
    texts = {f"api/{folder}": folder_page(folder, by_folder[folder]) for folder in ordered}
    names = ["latentfx_nb", *ordered]
    listed = "\n".join(f"   api/{name}" for name in names)
    return {"api": INDEX.format(pages=listed), "api/latentfx_nb": top_page(), **texts}
