# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Trajectories: a clip moves through latent space in time
#
# *Figure 2 of the paper.* Each frame of a clip is a point; in time they make a path, here from light to dark. The axes
# are the first three principal components of **all frames of the whole data set**, every clip through ten effects, of
# which the grey cloud is a sample: trajectories are only placed in them, never fitted.
#
# **Try:** press play, and a diamond runs along each path in step with the sound. Drag the player's bar, or click a path
# to jump there. Then widen the smoothing window: single frames jump wildly, and the paper found that these paths "do
# not seem to follow any easily intuited pattern". Does a note's attack, or a chord, have its place?

# %% tags=["static"]
# On Colab only: install the package (torch is there already) and let its widgets in.
import sys

if "google.colab" in sys.modules:
    # %pip install -q "latentfx-nb[lyra] @ git+https://github.com/latentfx/latentfx-notebooks"
    from google.colab import output

    output.enable_custom_widget_manager()

# %% tags=["static"]
import latentfx_nb as lfx

clips = lfx.load_clips("bundled")
latents = lfx.encode_effects(clips[:1], lfx.load_encoder("diffae-mini"), ["CLN", "DIS"])
basis = lfx.prepared.trajectory_basis(clips, "diffae-mini")
basis = lfx.hear_axes(basis, lfx.prepared.effect_means(clips, "diffae-mini"), clips)
paths = [basis.transform(lfx.smooth(latents.sel(effect=e)[0], 0.1)) for e in ("CLN", "DIS")]
lfx.plots.trajectories(paths, basis.points)

# %% tags=["static"]
lfx.speed(lfx.smooth(latents, 0.1)).to_pandas().round(2)

# %%
import latentfx_nb as lfx

lfx.pages.Trajectories(encoder="diffae-mini", effects=("CLN", "DIS"))

# %% [markdown]
# Speed and extent are measured in all dimensions, not in the picture. Smoothing makes a trajectory slower, as it takes
# the jitter out: compare trajectories at the same window.
