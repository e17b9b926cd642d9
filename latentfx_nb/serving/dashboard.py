"""Voila as the pages are served with, which `python -m latentfx_nb.serving FOLDER ...` runs with Voila's options.

Kernels are forked (`kernels`), and plotly's 5 MB of JavaScript come from the server as a file that the page asks for
first and the browser keeps, not from each kernel as part of a widget. Voila without it shows the same pages, later.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import plotly
from voila.app import Voila

from latentfx_nb.serving import kernels
from latentfx_nb.serving.bridge import HouseTemplate
from latentfx_nb.serving.notebooks import told_of
from latentfx_nb.temporary import process_folder

TEMPLATES = str(Path(__file__).parent / "jupyter")
"""Where Jupyter's applications find the template, which derives from `lab`."""

BUNDLE = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
"""The JavaScript of plotly's FigureWidget."""

FRAME_CSS = Path(__file__).parents[1] / "widgets" / "frame.css"
"""What the frame of every page looks like, before and after its kernel has answered."""

PLOTLY_JS = f"voila/static/{BUNDLE.name}?v={plotly.__version__}"
"""Where it is served. As the address has the version in it, browsers keep the file."""


class Dashboard(HouseTemplate, Voila):
    """Voila that also serves plotly's JavaScript, and tells its template and its kernels where."""

    template_name = "latentfx"
    served = (BUNDLE.parent,)

    @property
    def told(self) -> dict[str, Any]:
        """What the template is told: the pages of the folder, read now, and what they have in common."""
        folder = None if self.notebook_path else Path(self.root_dir)
        css = FRAME_CSS.read_text(encoding="utf-8")
        return {"plotly_js": PLOTLY_JS, "frame_css": css, **told_of(folder, self.base_url)}

    def start(self) -> None:
        """Serve until stopped."""
        os.environ["LATENTFX_PLOTLY_JS"] = self.base_url + PLOTLY_JS
        super().start()


def main() -> None:
    """Run it."""
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [TEMPLATES, os.environ.get("JUPYTER_PATH")]))
    # All that this process and those it starts put into the temporary folder goes with it.
    os.environ["TMPDIR"] = tempfile.tempdir = str(process_folder())
    kernels.prepare()
    sys.argv.append(f"--KernelProvisionerFactory.default_provisioner_name={kernels.PROVISIONER}")
    Dashboard.launch_instance()


if __name__ == "__main__":
    main()
