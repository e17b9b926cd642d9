"""Voila as the pages are served with: `python -m latentfx_nb.serving.dashboard FOLDER ...`, with Voila's options.

Kernels are forked (`kernels`), and plotly's 5 MB of JavaScript come from the server as a file that the page asks for
first and the browser keeps, not from each kernel as part of a widget. Voila without it shows the same pages, later.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import plotly
from voila.app import Voila

from latentfx_nb.serving import kernels
from latentfx_nb.temporary import process_folder

TEMPLATES = str(Path(__file__).parent / "jupyter")
"""Where Jupyter's applications find the template, which derives from `lab`."""

BUNDLE = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
"""The JavaScript of plotly's FigureWidget."""

PLOTLY_JS = f"voila/static/{BUNDLE.name}?v={plotly.__version__}"  # with a version, browsers keep it


class Dashboard(Voila):
    """Voila that also serves plotly's JavaScript, and tells its template and its kernels where."""

    def setup_template_dirs(self) -> None:
        """Use the template, add the folder to those that are served and the address to what the template knows."""
        self.voila_configuration.template = "latentfx"
        super().setup_template_dirs()
        self.static_paths.append(str(BUNDLE.parent))
        self.voila_configuration.config.VoilaConfiguration.resources = {"plotly_js": PLOTLY_JS}

    def start(self) -> None:
        """Serve until stopped."""
        os.environ["LATENTFX_PLOTLY_JS"] = self.base_url + PLOTLY_JS
        super().start()


def main() -> None:
    """Run it."""
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [TEMPLATES, os.environ.get("JUPYTER_PATH")]))
    # All that this process and those it starts put into the temporary folder goes with it.
    os.environ["TMPDIR"] = tempfile.tempdir = str(process_folder())
    if kernels.CAN_FORK:
        kernels.prepare()
    sys.argv.append(f"--KernelProvisionerFactory.default_provisioner_name={kernels.PROVISIONER}")
    Dashboard.launch_instance()


if __name__ == "__main__":
    main()
