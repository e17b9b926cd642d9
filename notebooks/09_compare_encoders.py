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
# # Compare encoders: which latent space is best behaved under effects?
#
# A space is well behaved if an effect has a place in it that a line can cut off, if a knob draws a straight path that
# goes the same way for every clip, and if what an effect does to one clip can be added to another. The paper asked this
# of two autoencoders and VGGish; here are the numbers of all the other pages for every encoder that is ready.
#
# **Try:** press the head *straight*, then *probe -T*; a second press turns the order round. Is the space that separates
# effects best also the one in which knobs run straight? And what does `logmel`, which is no neural model at all, do
# better than both?

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
measures = lfx.prepared.compare_encoders(clips, ["diffae-mini", "stacked-mini-2", "logmel"])
lfx.plots.encoder_ranking(measures, "straightness", lfx.comparison.MEASURES["straightness"].title)

# %% tags=["static"]
lfx.comparison.mean_ranks(measures)

# %%
import latentfx_nb as lfx

lfx.pages.CompareEncoders()
