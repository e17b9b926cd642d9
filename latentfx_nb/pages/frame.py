"""The frame of every page: a rail of controls, a stage for the picture, a drawer of texts, a transport for sound.

`widgets/frame.css` places the areas by their classes, `widgets/frame.js` opens the drawer's sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import ipywidgets as widgets

from latentfx_nb.pages.auditions import connect_pickers
from latentfx_nb.pages.described import Described
from latentfx_nb.pages.glossary import words

SECTIONS = ("read", "facts", "claims", "words", "code", "export")
"""The sections of the drawer from top to bottom; their tabs say the same with a capital."""

NO_FULL_SCREEN = "The browser does not allow this page to fill the screen."


def area(name: str, *children: widgets.Widget) -> widgets.VBox:
    """Return one area of the frame, or a part of one: "rail", "stage", "head", "picture", "drawer", "transport"."""
    box = widgets.VBox(list(children))
    box.add_class(f"lfx-{name}")
    return box


def group(heading: str, *controls: widgets.Widget) -> widgets.VBox:
    """Return controls of the rail below a heading."""
    return area("group", widgets.HTML(f"<h2>{escape(heading)}</h2>"), *controls)


def drawer(sections: Mapping[str, Sequence[widgets.Widget]]) -> widgets.VBox:
    """Return the drawer; sections without widgets are left out. Raises ValueError for a section it does not have."""
    if unknown := set(sections) - set(SECTIONS):
        raise ValueError(f"the drawer has no section {', '.join(sorted(unknown))}; it has {', '.join(SECTIONS)}")
    return area("drawer", *(_section(name, sections[name]) for name in SECTIONS if sections.get(name)))


def _section(name: str, children: Sequence[widgets.Widget]) -> widgets.VBox:
    section = area("section", *children)
    section.add_class(f"lfx-section-{name}")
    return section


def framed(page: Described) -> list[widgets.Widget]:
    """Return the areas of a page; what all pages have in the drawer joins what the page puts there."""
    blurb = widgets.HTML(f"<p>{escape(page.blurb)}</p>")
    explained = widgets.HTML(words(page.notebook))
    shared = {"read": [blurb], "words": [explained], "code": [page.tools.lines], "export": [page.tools]}
    rail, head, own = page.rail(), page.head(), page.drawer()
    areas = [
        area("rail", *rail),
        area("stage", area("head", *head), *page.stage()),
        drawer({name: [*shared.get(name, ()), *own.get(name, ())] for name in {**shared, **own}}),
        area("transport", page.player, area("beside", page.pointing, page.status)),
    ]
    connect_pickers(page, areas)
    page.bridge.on("no full screen", lambda _: page.status.say(NO_FULL_SCREEN))
    return [page.bridge, *areas]
