"""A notebook as Colab runs it: in an environment that has the libraries and lacks the package, with Colab's own module.

Colab itself is not reached: its module is a stub, and the package is installed from this checkout, not from GitHub.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.speed import NOTEBOOK_LIMITS

pytestmark = pytest.mark.ci

ROOT = Path(__file__).resolve().parents[1]
NAME = "04_knob_paths"  # where the README's badge leads

# What a kernel of Colab has when it starts, and pip as this test wants it.
STARTUP = """
import sys, types
from pathlib import Path

google, colab, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
output.enable_custom_widget_manager = lambda: Path({folder!r}, "widgets").touch()
google.colab, colab.output = colab, output
sys.modules |= {{one.__name__: one for one in (google, colab, output)}}

def pip(line):
    import subprocess
    Path({folder!r}, "pip").write_text(line)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", {root!r}]
    subprocess.run(command, check=True, capture_output=True)

get_ipython().register_magic_function(pip)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the notebook, executed as on Colab, and the folder in which its kernel left notes."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    base = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    # A folder that a .pth file names brings its packages, but not the editable installs that its own .pth files name.
    site = Path(sysconfig.get_path("purelib", "venv", vars=base))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    startup = folder / "ipython" / "profile_default" / "startup" / "colab.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP.format(folder=str(folder), root=str(ROOT)))
    kernel = folder / "jupyter" / "kernels" / "colab" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}))
    notebook = nbformat.read(ROOT / "notebooks" / f"{NAME}.ipynb", as_version=4)
    where = "import latentfx_nb, pathlib; print(pathlib.Path(latentfx_nb.__file__).parent)"
    notebook.cells.append(nbformat.v4.new_code_cell(where))
    environment = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "LATENTFX_CACHE": str(folder / "cache"),
        "PYTHONPATH": "",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(notebook, kernel_name="colab", resources=resources, **NOTEBOOK_LIMITS)
        client.execute(env=environment)
    return notebook, folder


def test_the_first_cell_installs_the_package_and_lets_widgets_in(run):
    notebook, folder = run
    assert "git+https://github.com/latentfx/latentfx-notebooks" in (folder / "pip").read_text()
    assert (folder / "widgets").exists()
    used = notebook.cells[-1].outputs[-1].text.strip()
    assert used.startswith(str(folder / "env")), "the package came from the checkout: nothing was installed"


def test_the_figure_stands_there_with_and_without_widgets(run):
    notebook, _ = run
    kinds = [set(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("application/vnd.plotly.v1+json" in kind for kind in kinds)
    assert any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)
    assert not any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))
