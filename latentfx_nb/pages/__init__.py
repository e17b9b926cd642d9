"""One ipywidgets panel for each notebook: it drives a figure that the notebook has already shown without it.

A page loads its own panel only.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "CompareEncoders": "compare_encoders",
    "DimensionMasking": "dimension_masking",
    "EffectClusters": "effect_clusters",
    "KnobPaths": "knob_paths",
    "LatentAlgebra": "latent_algebra",
    "LatentImages": "latent_images",
    "LinearProbes": "linear_probes",
    "StartHere": "start_here",
    "Trajectories": "trajectories",
    "YourOwnAudio": "your_own_audio",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME.values():
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"latentfx_nb.pages has no {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
