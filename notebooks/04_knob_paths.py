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
# # Knob paths: a clip moves through latent space
#
# *Figures 6-9 of the paper.* As a knob turns, the time average of a clip's latents draws a path, dark to light. The
# grey cloud is the whole data set, every clip through ten effects, and gives the axes: paths are only placed in them,
# never fitted. The diamonds show where the knob stands.
#
# **Try:** sweep the high-pass cutoff. A filter is a *linear* effect, yet its paths bend; the paper finds distortion's
# the straightest. Then draw the same clips along other knobs too (Figure 9): colours are effects, from light to dark as
# the knob goes up.
#
# **A picture is not the space.** What is drawn is a path's shadow on three axes. A helix seen from its end is a
# circle, and a circle seen from its side is a line: so every number is measured in all dimensions, and the straightness
# of the shadow stands beside it.

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
means = lfx.prepared.effect_means(clips, "diffae-mini")
pca = lfx.hear_axes(lfx.fit_pca(means), means, clips)
sweep = lfx.prepared.sweep_means(lfx.prepared.path_clips(clips), "diffae-mini", "HPF")
lfx.plots.knob_path(pca.transform(sweep), pca.points)

# %% tags=["static"]
lfx.comparison.path_measures(sweep).to_dataframe().round(2)

# %% tags=["static"]
paths = lfx.prepared.knob_paths(clips, "diffae-mini")
lfx.claims.path_claims(paths)

# %%
import latentfx_nb as lfx

lfx.pages.KnobPaths(encoder="diffae-mini", effect="HPF")

# %% [markdown]
# Along a prepared path the diamonds follow at once. The clip you listen to is also rendered, encoded and projected
# for the very value you chose, and its sound is loaded; click a point of a path to jump there.
