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
# # Linear probes: does the latent space know which effect it hears?
#
# *Table 3 of the paper.* A linear probe is one layer on top of a frozen encoder: if it names the effect on recordings
# that it never heard, the latents hold that effect in a form that is easy to read off. "-T" are latents averaged over
# time, "-F" all of them, flattened. The protocol is the paper's: AdamW, batches of 32, at most 500 epochs, and a probe
# stops when its accuracy on validation recordings has not risen for 50.
#
# What to look for: the two filters are easy for every model and reverberation for the two autoencoders trained here;
# **delay and clean clips are the hardest** in time averages. Both autoencoders are ahead of the *averaged* mel
# spectrogram, and behind statistics of it that nobody trained (`logmel-stats`, `texture-stats`): the drawer's Facts say
# so first, for real recordings and for the bundled clips, of every encoder that is here.

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
shipped = ("diffae-mini", "stacked-mini-2", "logmel", "lyra-v2")
features = {f"{name}-T": lfx.prepared.effect_means(clips, name) for name in shipped}
results = lfx.train_probes(features, config=lfx.ProbeConfig(seeds=(0, 1, 2)))
lfx.probe_table(results).style.format(precision=1)

# %% tags=["static"]
accuracies = {name: lfx.probes.class_accuracy(result) for name, result in results.items()}
lfx.plots.linear_probes(accuracies, lfx.probes.confusion_matrix(results["diffae-mini-T"]))

# %% [markdown] tags=["static"]
# As the paper prints it, for VGGish and its own three sets of latents:

# %% tags=["static"]
lfx.probes.paper_table().style.format(precision=1)

# %%
import latentfx_nb as lfx

lfx.pages.LinearProbes(encoders=("diffae-mini", "logmel"))

# %% [markdown]
# **Click a cell of the matrix** to hear the renders that were confused: dry is the clean clip, wet is what the probe
# named wrongly. Flattened features have to be encoded first, which takes its time once; their probes have 2000 times as
# many weights. "Label" asks for something else than the effect: the instrument, or any column of the clip table (a
# folder's `manifest.csv` may bring its own).
#
# **What to keep in mind.** Other models and other clips than the paper's: compare orderings, not sizes. The learning
# rate is missing from the paper's text; ours is 0.01, and the curve on the right (press *Compare learning rates*) shows
# what it does. With 0.001, the 384 training renders of 64 clips are 12 steps an epoch, and a probe of time averages
# runs out of patience before it is trained: it would look as if flattened latents knew more. Probes of flattened
# latents have hundreds of times as many weights as renders to learn from; they learn those by heart within a few
# epochs, and their accuracy moves by two or three points with the seed, or with a last bit of the features. The splits
# are by recording, each fold is the test once, and every number has its 95 % interval over recordings.
#
# The links under the table save it as CSV or LaTeX; the camera in the figure's corner saves it as PNG.

# %% [markdown] tags=["static"]
# In a notebook, `table = lfx.probe_table(results)` goes on to `table.to_csv("probes.csv")` and `table.to_latex()`, and
# `figure.write_html("probes.html")` keeps a figure with its hover texts.
