"""One ipywidgets panel for each notebook: it drives a figure that the notebook has already shown without it."""

from latentfx_nb.panels.compare_encoders import CompareEncoders
from latentfx_nb.panels.dimension_masking import DimensionMasking
from latentfx_nb.panels.effect_clusters import EffectClusters
from latentfx_nb.panels.knob_paths import KnobPaths
from latentfx_nb.panels.latent_algebra import LatentAlgebra
from latentfx_nb.panels.latent_images import LatentImages
from latentfx_nb.panels.linear_probes import LinearProbes
from latentfx_nb.panels.start_here import StartHere
from latentfx_nb.panels.trajectories import Trajectories

__all__ = [
    "CompareEncoders",
    "CompareEncoders",
    "DimensionMasking",
    "EffectClusters",
    "KnobPaths",
    "LatentAlgebra",
    "LatentImages",
    "LinearProbes",
    "StartHere",
    "Trajectories",
]
