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
# # Dimension masking: is there a dim for each effect?
#
# *The masking figure of the paper (section 3.3).* For each effect, a linear probe tells clean clips from wet ones. Then
# one latent dim is hidden from it and it is trained again: if it does much worse, that dim knows something about the
# effect that no other one does. The paper trained 288 such probes on 32 dims and found that **no single dim is
# decisive**: the models do not disentangle effects.
#
# What to look for: a column that stands out (a dim that matters to several effects), a single dark cell (a dim for an
# effect), or, as in the paper, neither.

# %% tags=["static"]
# On Colab only: install the package (torch is there already) and let its widgets in.
import sys

if "google.colab" in sys.modules:
    # %pip install -q "latentfx-nb[lyra] @ git+https://github.com/latentfx/latentfx-notebooks"
    from google.colab import output

    output.enable_custom_widget_manager()

# %% tags=["static"]
import latentfx_nb as lfx

means = lfx.prepared.effect_means(lfx.load_clips("bundled"), "diffae-mini")
lost = lfx.masking_losses(means)
lfx.plots.dimension_masking(lost.mean("clip"), lfx.masking.loss_table(lost))

# %% tags=["static"]
import pandas as pd

pd.set_option("display.max_colwidth", None)
lfx.claims.masking_claims(lfx.masking_losses(means, against="unmasked"))

# %%
import latentfx_nb as lfx

lfx.pages.DimensionMasking(encoder="diffae-mini")

# %% [markdown]
# **Click a cell** to hear that effect on the clip you chose and to see that dim over time, clean and wet.
#
# The paper counts what is lost against *the best model of that effect*. As the best of many is a lucky one, nearly
# every cell then loses something; against *the model that sees all dims* the same cells scatter around zero. Both are
# here. With 64 clips, one clip is 1.6 points: more seeds draw other splits and steady the map.
#
# Two questions that the paper did not ask. *Two dims*: does one stand in for the other, so that only hiding both hurts?
# *The most telling, one by one*: each probe hides, again and again, the dim it misses most on validation recordings.
# Where eight of these cost far more than eight random ones, a few dims carry the effect; where not, it is spread over
# all of them.
#
# The links under the table save it and the map as CSV or LaTeX; the camera in the figure's corner saves it as PNG.

# %% [markdown] tags=["static"]
# In a notebook, `lfx.mask_probes(means, hidden)` takes any masks, `lfx.masking.pair_masks(64)` are all pairs, and
# `lfx.greedy_masking(means, k=8)` is the last of the three. Tables save with `to_csv` and `to_latex`, figures with
# `figure.write_html`.
