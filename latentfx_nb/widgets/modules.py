"""The widgets' JavaScript: ES modules that import each other, joined into the one text that anywidget takes.

anywidget hands a page the text of a single module, and no server can be relied on to serve others: in Colab there is
none. So each module becomes a function that returns what it exports, and an import takes names out of that.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the modules and style sheets lie."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|function|async function|class) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_DEFAULT = "export default "


@cache
def module_text(name: str, folder: Path = FOLDER) -> str:
    """Return the module `name` ("player") with all that it imports, as the text of one module without imports.

    Each imported module stands there once, before those that use it. Raises ValueError for a statement that is neither
    `import { names } from "./module.js";` nor `export` before a const, a function or a class; only the module `name`
    itself may have a default export.
    """
    modules: dict[str, str] = {}
    _collect(name, folder, modules, ())
    entry = modules.pop(name)
    return "\n".join([*modules.values(), entry])


def _collect(name: str, folder: Path, modules: dict[str, str], above: tuple[str, ...]) -> None:
    """Add a module to `modules`, after those that it imports; `above` are those that import it."""
    if name in above:
        raise ValueError(f"the modules {' -> '.join([*above, name])} import each other: move what both need to a third")
    if name in modules:
        return
    source = (folder / f"{name}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.finditer(source):
        _collect(imported[2], folder, modules, (*above, name))
    modules[name] = _entry(name, source) if not above else _wrapped(name, source)


def _entry(name: str, source: str) -> str:
    """Return the module that anywidget loads: of its exports it keeps the default one only."""
    text = _EXPORT.sub("", _IMPORT.sub(_taken, source))
    _check(name, text.replace(f"\n{_DEFAULT}", "\n", 1))
    return text


def _wrapped(name: str, source: str) -> str:
    """Return a module as a constant that holds what it exports; its other names stay its own."""
    exported = ", ".join(found[1] for found in _EXPORT.finditer(source))
    text = _EXPORT.sub("", _IMPORT.sub(_taken, source))
    _check(name, text)
    return f"const {_constant(name)} = (() => {{\n{text}return {{ {exported} }};\n}})();"


def _taken(statement: re.Match[str]) -> str:
    names = " ".join(statement[1].split()).rstrip(",").replace(" as ", ": ")
    return f"const {{ {names} }} = {_constant(statement[2])};\n"


def _constant(name: str) -> str:
    return f"{name}_module"


def _check(name: str, text: str) -> None:
    if left := _OTHER.search(text):
        raise ValueError(
            f"{name}.js says {left[0]!r}, which cannot be joined: write import {{ names }} from "
            '"./module.js"; and export before a const, a function or a class'
        )
