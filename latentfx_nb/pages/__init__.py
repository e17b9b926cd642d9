"""The pages: each a class below `Page`, in a module of its own, which drives the figure that its notebook has shown.

`pages.KnobPaths` is in `knob_paths`; what it shows is in `content.knob_paths`, free of widgets. A page loads its own
module only; the front page, through `all_pages`, every one.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def all_pages() -> dict[str, Any]:
    """Return the classes of all pages that have a notebook, those of plug-ins too, by the notebooks' names."""
    from latentfx_nb.pages.described import PAGES
    from latentfx_nb.plugins import load_plugins

    for path in FOLDER.glob("[a-z]*.py"):
        import_module(f"{__name__}.{path.stem}")
    load_plugins()
    return dict(sorted(PAGES.items()))


def __getattr__(name: str) -> Any:
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    if not (FOLDER / f"{module}.py").is_file():
        raise AttributeError(f"latentfx_nb.pages has no {name!r}")
    found = import_module(f"{__name__}.{module}")
    return found if module == name else getattr(found, name)
