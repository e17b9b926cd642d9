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
# # LatentFX: turn an effect knob inside a neural audio model
#
# An autoencoder hears a guitar or piano clip as a cloud of numbers: its *latents*. What happens to them when the clip
# goes through a distortion, a filter or a reverb? These pages let you turn the knob, **hear** the result, **watch** it
# move through latent space, and **measure** what you saw.
#
# They follow Hawley & Steinmetz, [Leveraging Neural Representations for Audio
# Manipulation](https://arxiv.org/abs/2304.04394) (AES Europe 2023), and say where each picture stands in the paper.
# Nothing has to be downloaded first: 64 clips, two autoencoders and their prepared points come with the package.

# %% tags=["static"]
# On Colab only: install the package (torch is there already) and let its widgets in.
import sys

if "google.colab" in sys.modules:
    # %pip install -q "latentfx-nb[lyra] @ git+https://github.com/latentfx/latentfx-notebooks"
    from google.colab import output

    output.enable_custom_widget_manager()

# %%
import latentfx_nb as lfx

lfx.panels.StartHere()

# %% [markdown]
# `diffae-mini` and the `stacked-mini` stages are small autoencoders of the paper's two designs. They ship with the
# package, decoders included; we trained them, and their card says how well they do and where they end. `logmel` is no
# neural network: it is the plain log-mel spectrogram that any claim about a neural space is held against. `lyra-v2` is
# Google's published SoundStream codec; its weights (3.3 MB) are fetched once, from their public address, and checked.
#
# Your own recordings: start the pages with `LATENTFX_CLIPS=/a/folder` and they stand beside the bundled clips, or call
# `lfx.load_clips("/a/folder")` in a notebook.

# %% tags=["static"]
lfx.list_encoders().drop(columns="weights")
