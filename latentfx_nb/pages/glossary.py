"""The drawer's Words: what the field's words mean to a musician, each with a small picture.

The words are in `terms`; what a measure means is said once, where it is defined (`analysis.measures`).
"""

from __future__ import annotations

from functools import cache
from html import escape

from latentfx_nb.analysis.measures import Measure, all_measures, glossary
from latentfx_nb.pages.terms import MEASURED, MEASURES, ON, TERMS, Term

SKETCH = (
    '<svg viewBox="0 0 72 48" width="72" height="48" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-linecap="round" aria-hidden="true">{}</svg>'
)
NO_PICTURE = '<path d="M10 40h52M16 40V26M28 40V14M40 40V30M52 40V20"/>'


def words(notebook: str) -> str:
    """Return the words of the field, HTML: those of the page of that notebook first, the others behind a line."""
    return _words(notebook, tuple(all_measures().values()))


@cache
def _words(notebook: str, _measures: tuple[Measure, ...]) -> str:
    """Return what `words` does; it is made anew only when a measure has joined."""
    measured = [measure_term(name) for kind in MEASURED.get(notebook, ()) for name in glossary(kind).index]
    others = [measure_term(name) for name in glossary().index]
    here = [*(TERMS[name] for name in ON.get(notebook, ())), *measured]
    rest = [term for term in (*TERMS.values(), *others) if term not in here]
    more = f"<details><summary>More words</summary>{_list(rest)}</details>" if here else _list(rest)
    return f'<div class="lfx-words">{_list(here)}{more}</div>'


def measure_term(name: str) -> Term:
    """Return a measure as a term: its title, its meaning and which way is better, and what it is like."""
    row = glossary().loc[name]
    like, picture = MEASURES.get(name, ("", NO_PICTURE))
    meaning = f"{row['meaning'][:1].upper()}{row['meaning'][1:]} ({row['better']} is better)."
    title = row["title"].partition(": ")
    called = f"{row['heading']}: {title[2] or title[0]}"
    return Term(called, f"{meaning} {like}".strip(), picture)


def _list(terms: list[Term]) -> str:
    shown = "".join(
        f"<dt>{SKETCH.format(term.picture)}<b>{escape(term.name)}</b></dt><dd>{escape(term.words)}</dd>"
        for term in terms
    )
    return f"<dl>{shown}</dl>" if terms else ""
