"""What a visitor of a dashboard sees before the page's kernel is started: the bar with all pages, and the outlines.

It is the same for every visit of a page, so it is sent at once. The template's other files lie beside `frame.html.j2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from latentfx_nb.serving.notebooks import HOME, ICON, SUITE, listed

TEMPLATE = Path(__file__).parent / "jupyter" / "voila" / "templates" / "latentfx"
"""The folder of the template."""

FRAME_CSS = Path(__file__).parents[1] / "widgets" / "frame.css"
"""What the frame of every page looks like, before and after its kernel has answered."""


class Frame:
    """The start of the HTML of every page in `folder`; `links` are the functions of Voila that link files of its own.

    The pages' titles are read once, here. Browsers ask for `scripts`, which the page needs later, from the start.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        plotly_js: str,
        scripts: Sequence[str],
        links: Mapping[str, Callable[..., str]],
    ) -> None:
        pages = listed(folder)
        self._titles = {page.name: page.title for page in pages}
        texts = [path.read_text(encoding="utf-8") for path in (FRAME_CSS, TEMPLATE / "bar.css", TEMPLATE / "first.js")]
        self._known: dict[str, Any] = {
            **links,
            "pages": pages,
            "home": f"{HOME}.ipynb" if HOME in self._titles else base_url,
            "home_page": HOME,
            "suite": SUITE,
            "icon": ICON,
            "css": "".join(texts[:2]),
            "script": texts[2],
            "base_url": base_url,
            "plotly_js": base_url + plotly_js,
            "scripts": [base_url + script for script in scripts],
        }
        loader = FileSystemLoader(TEMPLATE)
        self._template = Environment(loader=loader, autoescape=True).get_template("frame.html.j2")

    def of(self, name: str) -> str:
        """Return the start of the page `name`, whose notebook need not be among those that were there at first."""
        return self._template.render(self._known, name=name, here=self._titles.get(name, name))
