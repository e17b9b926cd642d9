"""Turn an audio-effect knob and watch, hear and measure what it does inside a neural audio model.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load_clips": "sound.clips",
    "ClipSet": "sound.clips",
    "EFFECTS": "effects",
    "render": "effects",
    "list_encoders": "encoders",
    "load_encoder": "encoders",
    "register_encoder": "encoders",
    "check_encoder": "encoders",
    "ModuleEncoder": "encoders",
    "HearEncoder": "encoders",
    "encode_effects": "store.encode",
    "encode_sweep": "store.encode",
    "encoded_clips": "store.encode",
    "measure": "analysis.measures",
    "fit_pca": "analysis.pca",
    "fit_umap": "analysis.umap",
    "hear_axes": "analysis.axes",
    "neighbour_purity": "analysis.neighbours",
    "purity_table": "analysis.neighbours",
    "straightness": "analysis.geometry",
    "total_curvature": "analysis.geometry",
    "participation_ratio": "analysis.geometry",
    "direction_agreement": "analysis.geometry",
    "knob_correlation": "analysis.geometry",
    "smooth": "analysis.geometry",
    "speed": "analysis.geometry",
    "extent": "analysis.geometry",
    "ProbeConfig": "analysis.training",
    "before_after": "analysis.sounds",
    "train_probes": "analysis.probes",
    "probe_table": "analysis.probes",
    "accuracy_interval": "analysis.intervals",
    "MASKING": "analysis.masking",
    "mask_probes": "analysis.masking",
    "masking_losses": "analysis.masking",
    "greedy_masking": "analysis.masking",
    "learn_effect": "analysis.algebra",
    "interpolate": "analysis.algebra",
    "scale_dims": "analysis.algebra",
    "swap_dims": "analysis.algebra",
    "algebra_scores": "analysis.algebra_study",
    "algebra_baselines": "analysis.algebra_baselines",
    "learn_equalizer": "analysis.equalizer",
    "score_table": "analysis.algebra_tables",
    "method_scores": "analysis.algebra_tables",
    "few_shot_scores": "analysis.algebra_tables",
    "baseline_leads": "analysis.algebra_tables",
    "paper_claims": "analysis.claims",
    "compare_claims": "analysis.claims",
}
_MODULES = {
    "plots": "figures",
    **{name: name for name in ("analysis", "cache", "effects", "encoders", "figures", "pages", "paper", "report")},
    **{name: name for name in ("serving", "sound", "store", "widgets")},
    **{name: f"analysis.{name}" for name in ("algebra", "claims", "comparison", "masking", "prepared", "probes")},
    **{name: f"analysis.{name}" for name in ("algebra_study", "geometry", "measures", "neighbours")},
    **{name: f"sound.{name}" for name in ("audio", "clips", "datasets", "uploads")},
    **{name: f"store.{name}" for name in ("decoding", "exports")},
}
"""What is reached as `latentfx_nb.NAME` -> where it lies. `plots` is what examples call `figures`."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"latentfx_nb has no {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
