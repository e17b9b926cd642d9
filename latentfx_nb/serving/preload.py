"""All that pages import and read first, for the process that kernels are forked from (`kernels`)."""

import gc

import ipykernel.ipkernel  # noqa: F401  whose comms ipywidgets then takes
import ipywidgets
import plotly.io
import sklearn.model_selection  # noqa: F401  as probes do when the first is trained

from latentfx_nb import pages
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.prepared import effect_means
from latentfx_nb.effects import render
from latentfx_nb.encoders import DEFAULT_ENCODERS, list_encoders
from latentfx_nb.sound.clips import load_clips

# What these two do by themselves where a kernel runs already when they are imported.
ipywidgets.register_comm_target()
plotly.io.renderers.default = "plotly_mimetype"

for page in pages.__all__:
    getattr(pages, page)
clips = load_clips("bundled")
for encoder in DEFAULT_ENCODERS:
    fit_pca(effect_means(clips, encoder))
list_encoders()
render(clips[0], "HPF")
gc.freeze()  # the collector would write to every object, and so end the sharing of its memory
