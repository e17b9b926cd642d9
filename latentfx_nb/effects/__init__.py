"""Audio effects as data, and their rendering.

`registry` says what an effect is and finds effects by label, `table` holds the paper's ten, `rendering` puts clips
through them.
"""

from latentfx_nb.effects.registry import EFFECTS, EffectSpec, Knob, Setting, get_effect, through, typed
from latentfx_nb.effects.rendering import (
    recipe,
    render,
    render_many,
    render_normalised,
    render_settings,
    render_versions,
    settings_hash,
    sweep_settings,
)
from latentfx_nb.effects.table import TABLE_1, TURNABLE

__all__ = [
    "EFFECTS",
    "TABLE_1",
    "TURNABLE",
    "EffectSpec",
    "Knob",
    "Setting",
    "get_effect",
    "recipe",
    "render",
    "render_many",
    "render_normalised",
    "render_settings",
    "render_versions",
    "settings_hash",
    "sweep_settings",
    "through",
    "typed",
]
