"""Every private or undocumented name of Voila, Jupyter and multiprocessing that the server relies on.

`widgets.bridge` does the same for pages. This one is a module of its own because Jupyter servers and forked kernels
import it, which should not import plotly's widgets; nor does it import Voila, which no kernel needs.
tests/test_bridge.py looks up each name of `PRIVATE` in the installed library, and fails with the name if it has moved.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from jupyter_client.provisioning import LocalProvisioner

from latentfx_nb.widgets.private import Private

PRIVATE = (
    Private("voila", "0.5.13", "voila.app:Voila.setup_template_dirs", "finds the template, which is ours"),
    Private("voila", "0.5.13", "voila.app:Voila.voila_configuration", "holds what the template is told"),
    Private("voila", "0.5.13", "voila.app:Voila.static_paths", "the folders that are served, and plotly's"),
    Private("voila", "0.5.13", "voila.app:Voila.template_paths", "where Voila's own template is read"),
    Private("voila", "0.5.13", "voila.app:Voila.init_handlers", "what answers which address"),
    Private("voila", "0.5.13", "voila.tornado.handler:TornadoVoilaHandler", "answers a page's"),
    Private("voila", "0.5.13", "voila.handler:VoilaHandler.get_generator", "gives a page in parts"),
    Private("voila", "0.5.13", "voila.handler:VoilaHandler.should_use_rendered_notebook", "chooses a ready kernel"),
    Private("voila", "0.5.13", "voila.utils:create_include_assets_functions", "links files of Voila's"),
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


class Begun(Protocol):
    """What every page begins with."""

    def of(self, name: str) -> str:
        """Return the start of the page `name`, as HTML."""


class HouseTemplate:
    """What `Voila` becomes with a template and served files of ours: `class Dashboard(HouseTemplate, Voila)`."""

    template_name: str
    served: Sequence[Path]
    """Folders that are served beside Voila's own, at voila/static/."""

    voila_configuration: Any
    base_url: str
    root_dir: str
    static_paths: list[str]
    template_paths: list[str]

    def frame(self, links: Mapping[str, Callable[..., str]]) -> Begun:
        """Return what every page begins with; `links` are Voila's functions include_css, include_js, include_url."""
        raise NotImplementedError

    def setup_template_dirs(self) -> None:
        """Find the template; raises RuntimeError if Voila's own is no longer what ours builds on."""
        self.voila_configuration.template = self.template_name
        cast(Any, super()).setup_template_dirs()
        check_template(self.template_paths)
        self.static_paths.extend(map(str, self.served))

    def init_handlers(self) -> list[Any]:
        """Return Voila's handlers, of which those of pages send the frame first."""
        from voila.tornado.handler import TornadoVoilaHandler
        from voila.utils import create_include_assets_functions

        frame = self.frame(create_include_assets_functions(self.template_name, self.base_url))
        begun = {"frame": frame, "folder": Path(self.root_dir)}
        ours = type("PageHandler", (FrameFirst, TornadoVoilaHandler), begun)
        handlers = cast(Any, super()).init_handlers()
        return [(one[0], ours, *one[2:]) if one[1] is TornadoVoilaHandler else one for one in handlers]


FAILED = "<script>latentfxFirst.fail()</script>"
"""What a page that cannot be opened ends with: its frame is on its way already, so no other answer can be given."""


class FrameFirst:
    """What a handler of Voila's pages becomes: it sends the frame before it asks for a kernel."""

    frame: Begun
    folder: Path
    notebook_path: str
    log: Any

    async def get_generator(self, path: str | None = None) -> AsyncIterator[str]:
        """Yield the parts of a page."""
        notebook = self.folder / (self.notebook_path or path or "")
        parts = cast(Any, super()).get_generator(path)
        if notebook.suffix != ".ipynb" or not notebook.is_file() or ".." in notebook.parts:
            async for part in parts:
                yield part
            return
        cast(Any, self).set_header("Content-Type", "text/html; charset=UTF-8")
        cast(Any, self).set_header("Cache-Control", "no-cache, no-store, must-revalidate")
        yield self.frame.of(notebook.stem)
        try:
            async for part in parts:
                yield part
        except Exception:
            self.log.exception("The page %s cannot be opened", path)
            yield FAILED

    def should_use_rendered_notebook(
        self, notebook_data: Any, pool_size: int, template_name: Any, theme: Any, request_args: Any
    ) -> bool:
        """Say whether a kernel that is ready will do: in either theme, as the page puts that on by itself."""
        ready: bool = cast(Any, super()).should_use_rendered_notebook(
            notebook_data, pool_size, template_name, None, request_args
        )
        return ready


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
