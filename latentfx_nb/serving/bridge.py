"""Every private or undocumented name of Voila, Jupyter and multiprocessing that the server relies on.

`widgets.bridge` does the same for pages. This one is a module of its own because Jupyter servers and forked kernels
import it, which should not import plotly's widgets; nor does it import Voila, which no kernel needs.
tests/test_bridge.py looks up each name of `PRIVATE` in the installed library, and fails with the name if it has moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from jupyter_client.provisioning import LocalProvisioner

from latentfx_nb.widgets.private import Private

PRIVATE = (
    Private("voila", "0.5.13", "voila.app:Voila.setup_template_dirs", "finds the template, which is ours"),
    Private("voila", "0.5.13", "voila.app:Voila.voila_configuration", "holds what the template is told"),
    Private("voila", "0.5.13", "voila.app:Voila.static_paths", "the folders that are served, and plotly's"),
    Private("voila", "0.5.13", "voila.app:Voila.template_paths", "where Voila's own template is read"),
    Private("jupyter_client", "8.10.0", "jupyter_client.provisioning:LocalProvisioner.process", "the kernel's process"),
    Private("jupyter_client", "8.10.0", "jupyter_client.provisioning:LocalProvisioner.pid", "its id"),
    Private("jupyter_client", "8.10.0", "jupyter_client.provisioning:LocalProvisioner.pgid", "its group, for signals"),
    Private("ipykernel", "7.4.0", "ipykernel.kernelapp:IPKernelApp.parent_handle", "whose end ends the kernel"),
    Private("ipywidgets", "8.1.9", "ipywidgets:register_comm_target", "what a kernel that runs does at its import"),
)
"""The names that this module uses."""

FORKING = "multiprocessing.forkserver"
"""What stands in the command of the process that kernels are forked from (CPython 3.11 to 3.14)."""

REPLACED = {
    "index.html.j2": (
        "block header",
        "block body_header",
        "block body_loop",
        "voila_process(",
        "window.voila_finish()",
    ),
    "voila_setup.macro.html.j2": ("window.voila_heartbeat", "window.themeLoaded", "window.cellLoaded"),
}
"""What Voila's templates `lab` and `base` have that ours takes the place of, or calls."""


class HouseTemplate:
    """What `Voila` becomes with a template and served files of ours: `class Dashboard(HouseTemplate, Voila)`."""

    template_name: str
    served: Sequence[Path]
    """Folders that are served beside Voila's own, at voila/static/."""

    @property
    def told(self) -> Mapping[str, Any]:
        """What the template finds in `resources`."""
        raise NotImplementedError

    voila_configuration: Any
    static_paths: list[str]
    template_paths: list[str]

    def setup_template_dirs(self) -> None:
        """Find the template; raises RuntimeError if Voila's own is no longer what ours builds on."""
        self.voila_configuration.template = self.template_name
        cast(Any, super()).setup_template_dirs()
        check_template(self.template_paths)
        self.static_paths.extend(map(str, self.served))
        self.voila_configuration.config.VoilaConfiguration.resources = dict(self.told)


def check_template(template_paths: Sequence[str]) -> None:
    """Raise RuntimeError if Voila's own templates do not have what ours takes the place of, letter by letter."""
    from voila import __version__

    for file, wanted in REPLACED.items():
        paths = [Path(folder, file) for folder in template_paths if Path(folder).name in ("lab", "base")]
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        if missing := [words for words in wanted if words not in text]:
            read = ", ".join(map(str, paths)) or f"none of {', '.join(template_paths)}"
            raise RuntimeError(
                f"Voila {__version__} builds its pages otherwise: {missing[0]!r} is not in its {file} ({read}), so "
                "pages would stay empty. Install voila 0.5.13, or bring the template in latentfx_nb/serving/jupyter "
                "and latentfx_nb.serving.bridge.REPLACED to what it has now"
            )


def adopt(provisioner: LocalProvisioner, process: Any) -> None:
    """Let a provisioner watch and signal `process`, which has what `subprocess.Popen` has and leads its own group."""
    provisioner.process = process
    provisioner.pid = provisioner.pgid = process.pid


def parent_option(pid: int) -> str:
    """Return the option of a kernel's command that ends it with the process `pid`."""
    return f"--IPKernelApp.parent_handle={pid}"


def take_widgets() -> None:
    """Let the kernel that is to be here take messages to widgets, which ipywidgets asks for only if it runs already."""
    import ipywidgets

    ipywidgets.register_comm_target()
