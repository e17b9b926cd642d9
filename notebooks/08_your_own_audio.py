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
# # Your own audio: where do your recordings lie?
#
# Everything on the other pages, on sound of yours. Add files (or, on your own machine, name a folder), press
# **Encode**, and each clip goes through the ten effects of Table 1. Your points appear over the cloud of the bundled
# clips, in whose principal components they are placed.
#
# **Look for** whether your clips lie within the cloud: an encoder that was trained on other sounds may put all of yours
# into one corner, and then its distances say little about them. Then open your clips in another page below.

# %% tags=["static"]
# On Colab only: install the package (torch is there already) and let its widgets in.
import sys

if "google.colab" in sys.modules:
    # %pip install -q "latentfx-nb[lyra,export] @ git+https://github.com/latentfx/latentfx-notebooks"
    from google.colab import output

    output.enable_custom_widget_manager()

# %% tags=["static"]
import latentfx_nb as lfx

clips = lfx.load_clips("bundled")[::8]  # or a folder of yours
means = lfx.encode_effects(clips, lfx.load_encoder("logmel"), average=True)
others = lfx.load_clips("bundled")
bundled = lfx.prepared.effect_means(others, "logmel")
pca = lfx.hear_axes(lfx.fit_pca(bundled), bundled, others)
lfx.plots.own_points(pca.transform(means), pca.points)

# %% tags=["static"]
lfx.exports.points_table({"pca": pca.transform(means)}, clips).head()

# %%
import ipywidgets

import latentfx_nb as lfx

page = lfx.pages.YourOwnAudio(encoder="diffae-mini")
ipywidgets.VBox([page, page.place])  # in a notebook, pages that are opened from it appear below

# %% [markdown]
# *Points (Parquet)* has a row a render, with coordinates, labels and what made them;
# [Embedding Atlas](https://apple.github.io/embedding-atlas/) opens it:
# `embedding-atlas points.parquet --x umap_x --y umap_y --text text`. *Latents (netCDF)* holds every frame, for xarray
# and whatever else reads netCDF4.
