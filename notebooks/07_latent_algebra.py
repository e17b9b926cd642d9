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
# # Latent algebra: can an effect be added?
#
# *Section 1 of the paper.* The authors began here: take what an effect does to the latents of a few clips, add it to
# another clip's, and decode. It was "largely unsuccessful", and the paper asks why. Here the whole attempt can be
# repeated, with an effect learned from a few pairs of dry and wet clips in four ways, and put on a clip of a recording
# that had no part in it.
#
# **Try:** listen to *Real effect*, then *Decoded effect* (all that this decoder can give), then *Decoded algebra*. Turn
# the strength to 0 and to 2. Choose distortion, then reverb, and compare a mean shift with ridge regression: a shift
# moves every clip alike, a map may treat a loud note otherwise than a soft one.
#
# Beside our methods stand baselines that know no latents: the raw dry sound, and a static equaliser learned from the
# same pairs. *Facts* says first where they are nearer to the real effect.

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
latents = lfx.encode_effects(clips[:9], encoder, ["CLN", "HPF"])
dry, wet = latents.sel(effect="CLN"), latents.sel(effect="HPF")
effect = lfx.learn_effect(dry[1:], wet[1:], "ridge")
moved = effect.apply(dry[0], strength=1.0)

# %% tags=["static"]
from IPython.display import Audio

sound = lfx.decoding.reconstruction(encoder, moved, lfx.paper.CLIP_SAMPLES)
Audio(sound, rate=lfx.paper.SAMPLE_RATE_HZ, normalize=False)

# %% tags=["static"]
scores = lfx.prepared.effect_algebra(clips, "diffae-mini")
lfx.score_table(scores.sel(k=[8]), "stft").round(2)

# %% tags=["static"]
means = lfx.prepared.effect_means(clips, "diffae-mini")
pca = lfx.hear_axes(lfx.fit_pca(means), means, clips)
before, after, came = (pca.transform(z.mean("frame")) for z in (dry, wet, moved))
places = {"dry": before[0], "real effect": after[0], "algebra": came}
way = pca.transform(effect.apply(dry[0], 0.5).mean("frame")).expand_dims("value")
bars = lfx.method_scores(scores, "stft", "ridge", 8)
curves = lfx.few_shot_scores(scores, "stft", "HPF")
lfx.plots.latent_algebra(pca.points, (before[1:], after[1:]), places, way, bars, curves)

# %%
import latentfx_nb as lfx

lfx.pages.LatentAlgebra(encoder="diffae-mini", effect="HPF")

# %% [markdown]
# *Between two clips* and *Change dims* need no learning: go from one performance to another on a straight line or on a
# great circle, hold a dim still at its average, turn it over, or take it from the wet clip. What a single dim does to
# the sound is the listening side of page 06.
