"""All that pages import and read first, for the process that kernels are forked from (`latentfx_nb.kernels`)."""

import gc

import ipykernel.ipkernel  # noqa: F401  whose comms ipywidgets then takes
import ipywidgets
import plotly.io
import sklearn.model_selection  # noqa: F401  as probes do when the first is trained

import latentfx_nb as lfx
from latentfx_nb import panels

# What these two do by themselves where a kernel runs already when they are imported.
ipywidgets.register_comm_target()
plotly.io.renderers.default = "plotly_mimetype"

for page in panels.__all__:
    getattr(panels, page)
clips = lfx.load_clips("bundled")
for encoder in lfx.encoders.DEFAULT_ENCODERS:
    lfx.fit_pca(lfx.prepared.effect_means(clips, encoder))
lfx.list_encoders()
lfx.render(clips[0], "HPF")
gc.freeze()  # the collector would write to every object, and so end the sharing of its memory
