"""Voila as the pages are served with, which `python -m latentfx_nb.serving FOLDER ...` runs with Voila's options.

Kernels are forked (`kernels`), and plotly's 5 MB of JavaScript come from the server as a file that the page asks for
first and the browser keeps, not from each kernel as part of a widget. Voila without it shows the same pages, later.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import plotly
from jupyter_core.paths import jupyter_path
from tornado.ioloop import PeriodicCallback
from voila.app import Voila

from latentfx_nb.serving import kernels
from latentfx_nb.serving.bridge import HouseTemplate
from latentfx_nb.serving.frame import Frame
from latentfx_nb.sound import visits
from latentfx_nb.temporary import process_folder

TEMPLATES = str(Path(__file__).parent / "jupyter")
"""Where Jupyter's applications find the template, which derives from `lab`."""

BUNDLE = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
"""The JavaScript of plotly's FigureWidget."""

PLOTLY_JS = f"voila/static/{BUNDLE.name}?v={plotly.__version__}"
"""Where it is served. As the address has the version in it, browsers keep the file."""


VOILA_JS = "voila/static"
"""Where Voila serves its own scripts."""

SWEEP_MS = 60_000
"""How often the files of visitors who have left are looked for."""


class Dashboard(HouseTemplate, Voila):
    """Voila that also serves plotly's JavaScript, tells its kernels where, and sends a page's frame first."""

    template_name = "latentfx"
    served = (BUNDLE.parent,)

    def frame(self, links: Mapping[str, Callable[..., str]]) -> Frame:
        """Return what every page begins with."""
        folder = Path(self.notebook_path).parent if self.notebook_path else Path(self.root_dir)
        return Frame(folder, self.base_url, PLOTLY_JS, [f"{VOILA_JS}/{name}" for name in voila_scripts()], links)

    def start(self) -> None:
        """Serve until stopped."""
        os.environ["LATENTFX_PLOTLY_JS"] = self.base_url + PLOTLY_JS
        PeriodicCallback(visits.sweep, SWEEP_MS).start()
        super().start()


def voila_scripts() -> list[str]:
    """Return the names of the parts that Voila's script loads at its start, so that pages can ask for them before."""
    for folder in map(Path, jupyter_path("voila", "templates", "base", "static")):
        if (folder / "voila.js").is_file():
            numbers = re.findall(r"\b\w\.e\((\d+)\)", (folder / "voila.js").read_text(encoding="utf-8"))
            names = [f"{number}.voila.js" for number in dict.fromkeys(numbers)]
            return [name for name in names if (folder / name).is_file()]
    return []


def keep_visits() -> None:
    """Make the folder for visitors' files, which goes with this process, and name it to the kernels."""
    folder = process_folder() / "visits"
    folder.mkdir(mode=0o700)
    os.environ["LATENTFX_VISITS"] = str(folder)


def main() -> None:
    """Run it."""
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [TEMPLATES, os.environ.get("JUPYTER_PATH")]))
    # All that this process and those it starts put into the temporary folder goes with it.
    os.environ["TMPDIR"] = tempfile.tempdir = str(process_folder())
    keep_visits()
    kernels.prepare()
    sys.argv.append(f"--KernelProvisionerFactory.default_provisioner_name={kernels.PROVISIONER}")
    Dashboard.launch_instance()


if __name__ == "__main__":
    main()
