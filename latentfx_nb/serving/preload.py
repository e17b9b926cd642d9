"""Imports and reads all that pages need first, in the process that kernels are forked from (`kernels`)."""

# ruff: noqa: E402
import gc
import os
import sqlite3  # noqa: F401  for the shell's history
import sys
from typing import Any

# Kernels are ready a second sooner: plotly's renderers import nbformat, which imports jsonschema, which compiles 39
# grammars of international addresses if it finds this module. With None in its place it does not, and schemas of
# notebooks ask for none of them. Afterwards it can be imported as ever.
_GRAMMARS = "rfc3987_syntax"
_looked_for = sys.modules.setdefault(_GRAMMARS, None)  # type: ignore[arg-type]  # Python takes None for "cannot be"

# The debugger, which every kernel of ipykernel imports, would warn here of what does not concern a page.
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import ipykernel.debugger
import ipykernel.ipkernel  # noqa: F401  whose comms ipywidgets then takes
import IPython.core.completerlib
import IPython.core.debugger
import IPython.extensions.storemagic  # noqa: F401  these three as a shell does when it starts
import sklearn.model_selection  # noqa: F401  as probes do when the first is trained
import torch
from plotly.io import renderers

if _looked_for is None:
    del sys.modules[_GRAMMARS]

from latentfx_nb import pages
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.effects import render
from latentfx_nb.encoders import DEFAULT_ENCODERS, list_encoders
from latentfx_nb.pages.content import who_names
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.serving.bridge import take_widgets
from latentfx_nb.sound.clips import load_clips

# What ipywidgets and plotly do by themselves where a kernel runs already when they are imported.
take_widgets()
renderers.default = "plotly_mimetype"

OPENED = ("01_latent_images", "02_trajectories", "03_effect_clusters", "04_knob_paths")
"""Pages that are drawn here once as they open, free of widgets: what ships for them, what plotly and pandas import for
a figure and a table, and the default encoder are then there in every kernel. The others take seconds more, or train."""


def draw_once(page: Any) -> None:
    """Prepare and describe what a class of pages opens with."""
    shown = page.prepare(page.make_choice(), clips, None, Progress())
    page.figure_of(shown)
    page.texts(shown)


# Threads that torch has started here would be missing in every fork, which would wait for them for ever.
_threads = torch.get_num_threads()
torch.set_num_threads(1)

all_pages = pages.all_pages()
clips = load_clips("bundled")
for encoder in DEFAULT_ENCODERS:
    fit_pca(effect_means(clips, encoder))
list_encoders()
# What is on a graphics card would not survive the fork, and asking for one begins to use it.
if not (torch.version.cuda or torch.version.hip or torch.version.xpu):
    for name in OPENED:
        draw_once(all_pages[name])
for published in (who_names.first_words, who_names.published_numbers, who_names.claims_text):
    published()
render(clips[0], "HPF")
torch.set_num_threads(_threads)
gc.freeze()  # the collector would write to every object, and so end the sharing of its memory
