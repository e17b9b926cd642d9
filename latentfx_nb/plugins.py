"""Files of one's own that join every page: encoders, measures, effects and pages that register themselves.

`LATENTFX_PLUGINS` names folders (separated as PATH is). Their Python files are imported, in the order of their names,
before anything is listed that they may add to.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
from pathlib import Path

log = logging.getLogger(__name__)

_begun: set[Path] = set()
_turn = threading.RLock()


def load_plugins() -> None:
    """Import the files of `LATENTFX_PLUGINS` that are not imported yet; one that fails is logged and left out."""
    folders = [folder for folder in os.environ.get("LATENTFX_PLUGINS", "").split(os.pathsep) if folder]
    with _turn:  # no list is read by another thread before it is whole
        for folder in folders:
            if not Path(folder).is_dir() and Path(folder) not in _begun:
                _begun.add(Path(folder))
                log.warning("LATENTFX_PLUGINS names %s, which is no folder: nothing is read from it", folder)
        for path in [path for folder in folders for path in sorted(Path(folder).resolve().glob("*.py"))]:
            if path not in _begun:
                _begun.add(path)  # first: a plugin may ask for the lists itself
                _load(path)


def _load(path: Path) -> None:
    name = f"latentfx_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[name]
        log.exception("%s could not be imported and is left out: mend it, then start again", path)
