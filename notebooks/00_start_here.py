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
# goes through a distortion, a filter or a reverb? Turn the knob, **hear** the result, **watch** the clip move through
# latent space, and **measure** what you saw.
#
# **Try:** press play, turn the knob, switch between *Dry* and *Wet*. Each diamond is a clip; the grey cloud is every
# clip through ten effects. Below the instrument stand all pages.
#
# The pages follow Hawley & Steinmetz, [Leveraging Neural Representations for Audio
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

lfx.pages.StartHere()

# %% [markdown]
# `diffae-mini` and the `stacked-mini` stages are small autoencoders of the paper's two designs. They ship with the
# package, decoders included; we trained them, and their card says how well they do and where they end. `logmel` is no
# neural network: it is the plain log-mel spectrogram that any claim about a neural space is held against.
#
# The paper's own models are here at full size: `diffae` and the `stacked` stages run on the authors' checkpoints, which
# you download and convert once, and `vggish-paper` hears 48 kHz as 16 kHz, as the paper's Table 3 must have. The others
# are today's codecs and embeddings, with their published weights. What each one still needs stands under *Facts*; the
# [guide to the encoders](https://github.com/latentfx/latentfx-notebooks/blob/main/docs/encoders.md) says more.
#
# Your own recordings: drop them on any page. Or start the pages with `LATENTFX_CLIPS=/a/folder`, and they stand beside
# the bundled clips; in a notebook, call `lfx.load_clips("/a/folder")`.

# %% tags=["static"]
lfx.list_encoders().drop(columns="weights")

# %% [markdown] tags=["static"]
# ## Your own encoder
#
# Any torch module joins in, here a linear autoencoder: the best one of 512-sample frames there can be, fitted to 16
# clips by a singular value decomposition. From then on its name works wherever an encoder is chosen in this notebook,
# panels included. An object of your own with the attributes of `latentfx_nb.encoders.Encoder` does as well; what it
# lacks is said when it is registered.

# %% tags=["static"]
import torch

clips = lfx.load_clips("bundled")
frames = torch.cat([torch.from_numpy(clip.mean(0)).unfold(0, 512, 512) for clip in clips[:16]])
basis = torch.linalg.svd(frames, full_matrices=False).Vh[:32, None]
down, up = torch.nn.Conv1d(1, 32, 512, 512, bias=False), torch.nn.ConvTranspose1d(32, 1, 512, 512, bias=False)
down.weight.data, up.weight.data = basis, basis
lfx.register_encoder(lfx.ModuleEncoder("linear-32", down, decoder=up, sample_rate=48_000, channels=1, hop=512))

# %% tags=["static"]
*_, spectrograms, latents = lfx.before_after(clips[20], lfx.load_encoder("linear-32"), "LPF", 500)
lfx.plots.latent_images(spectrograms, latents)
