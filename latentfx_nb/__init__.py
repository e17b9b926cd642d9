"""Turn an audio-effect knob and watch, hear and measure what it does inside a neural audio model.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load_clips": "clips",
    "ClipSet": "clips",
    "EFFECTS": "effects",
    "render": "effects",
    "list_encoders": "encoders",
    "load_encoder": "encoders",
    "register_encoder": "encoders",
    "check_encoder": "encoders",
    "ModuleEncoder": "encoders",
    "encode_effects": "latents",
    "encode_sweep": "latents",
    "encoded_clips": "latents",
    "fit_pca": "projections",
    "fit_umap": "projections",
    "neighbour_purity": "projections",
    "purity_table": "projections",
    "straightness": "geometry",
    "total_curvature": "geometry",
    "participation_ratio": "geometry",
    "direction_agreement": "geometry",
    "knob_correlation": "geometry",
    "smooth": "geometry",
    "speed": "geometry",
    "extent": "geometry",
    "ProbeConfig": "probes",
    "train_probes": "probes",
    "probe_table": "probes",
    "accuracy_interval": "probes",
    "MASKING": "masking",
    "mask_probes": "masking",
    "masking_losses": "masking",
    "greedy_masking": "masking",
    "learn_effect": "algebra",
    "interpolate": "algebra",
    "scale_dims": "algebra",
    "swap_dims": "algebra",
    "algebra_scores": "algebra",
    "score_table": "algebra",
    "paper_claims": "claims",
    "compare_claims": "claims",
}
_MODULES = (
    *("algebra", "audio", "cache", "claims", "clips", "cluster", "comparison", "dashboard", "datasets", "decoding"),
    *("effects", "encoders", "exports", "geometry", "kernels", "latents", "linear", "masking", "panels", "paper"),
    *("player", "plots", "prepared", "probes", "projections", "report", "samples", "server", "shipped", "stores"),
    *("temporary", "uploads"),
)

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"latentfx_nb has no {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
