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
# # Latent images: what one effect does to one clip
#
# *Figure 1 of the paper.* Above, what you hear, as spectrograms; below, what the encoder makes of it: one column a
# frame, one row a latent dimension. The right-hand column is the difference, white where nothing changed.
#
# **Try:** turn the distortion's drive down to 0 dB and watch the difference fade. Then choose *Time reverse*: the
# picture is mirrored. `logmel`'s averages over time stay as they were, so they cannot tell the two apart; those of
# `diffae-mini` move, as some of its dims hear that a note starts faster than it fades.

# %% tags=["static"]
# On Colab only: install the package (torch is there already) and let its widgets in.
import sys

if "google.colab" in sys.modules:
    # %pip install -q "latentfx-nb[lyra] @ git+https://github.com/latentfx/latentfx-notebooks"
    from google.colab import output

    output.enable_custom_widget_manager()

# %% tags=["static"]
import latentfx_nb as lfx

clips, encoder = lfx.load_clips("bundled"), lfx.load_encoder("diffae-mini")
dry, wet, spectrograms, latents = lfx.before_after(clips[0], encoder, "DIS", 25)
lfx.plots.latent_images(spectrograms, latents)

# %% tags=["static"]
from IPython.display import Audio, display

decoded = lfx.decoding.reconstruction(encoder, latents[1], wet.shape[-1])
rate = lfx.paper.SAMPLE_RATE_HZ
display(Audio(wet, rate=rate, normalize=False), Audio(decoded, rate=rate, normalize=False))

# %% [markdown]
# All sounds are at -28 LUFS, as in the paper (§2.2), so what you compare is never just loudness. The switch between
# *Dry*, *Wet* and *Decoded* keeps its place.
#
# *Decoded* is what the encoder's own decoder makes of the wet sound's latents, a moment after the other two, for
# encoders that have one. What is missing there did not get through the latents; what you hear did, or the decoder made
# it up to fit. Does the effect come through as well as the notes do?

# %%
import latentfx_nb as lfx

lfx.pages.LatentImages(encoder="diffae-mini", effect="DIS")
