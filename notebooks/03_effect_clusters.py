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
# # Effect clusters: by effect, by instrument, or by performance?
#
# *Figures 3-5 of the paper.* Every clip goes through ten effects, and every render is one point. Left: PCA, a straight
# projection; right: UMAP, which keeps neighbours together. Above: latents averaged over time; below: all of them,
# flattened. **Click a point to hear it.**
#
# The paper finds that flattened latents group by *performance* under UMAP, that averaging over time brings out the
# *effect*, and that guitar and piano part everywhere. The table under the picture puts numbers on it for the clips and
# encoder you chose: how often do neighbours share an effect, an instrument, a clip? The table below that one tests what
# the paper says, claim by claim.

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
points = lfx.prepared.cluster_points(clips, "diffae-mini")
lfx.plots.effect_clusters({lfx.prepared.VIEWS[view]: x for view, x in points.views.items()}, color="effect")

# %% tags=["static"]
windows = lfx.prepared.window_purity(clips, "diffae-mini")
windows.groupby("label").nth([0, -1]).style.format("{:.0%}")

# %% tags=["static"]
import pandas as pd

pd.set_option("display.max_colwidth", None)
lfx.prepared.cluster_claims(clips, "diffae-mini")

# %%
import latentfx_nb as lfx

lfx.pages.EffectClusters(encoder="diffae-mini")

# %% [markdown]
# Purity is measured in the latents themselves. A point has nine nearest neighbours here because a clip has nine other
# renders: "same clip" would be 100 % if the renders of each clip kept to themselves, "same effect" if those of each
# effect did. *Chance* is what random labels would give; *low* and *high* are the ends of the 95 % interval over
# recordings, of n = 640 renders. A window is what latents are averaged over before they are flattened: one frame, or
# the whole clip.
#
# The claims are the paper's; the numbers are measured here, on these clips and this encoder. A *probe* is a linear
# classifier that is tested on recordings it never heard (section 3.2); *masking* hides one latent dim from a probe that
# tells one effect from the clean clips (section 3.3); *straightness* is the chord of a knob's path over its length. In
# brackets stands the 95 % interval over recordings: a difference *holds* if all of that interval is above zero, so
# "does not hold" may also mean that 64 clips are too few to tell. Other models, clips and splits than the paper's:
# compare directions, not sizes.
#
# The first claim is the paper's summary. With `diffae-mini` it does **not** hold: time averages and flattened latents
# name effects about equally often, although several designs were tried. The models' card
# (`latentfx_nb/bundled/weights/CARD.md`) has the figures, those of `stacked-mini-2` too, and the likely reason.
