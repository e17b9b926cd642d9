"""One ipywidgets panel for each notebook: it drives a figure that the notebook has already shown without it."""

from latentfx_nb.panels.effect_clusters import EffectClusters
from latentfx_nb.panels.knob_paths import KnobPaths
from latentfx_nb.panels.latent_images import LatentImages
from latentfx_nb.panels.start_here import StartHere

__all__ = ["EffectClusters", "KnobPaths", "LatentImages", "StartHere"]
