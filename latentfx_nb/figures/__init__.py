"""Arrays in, plotly figures out: nothing here computes, and every figure is complete when it is returned.

A figure a file; `theme` holds what they share.
"""

from latentfx_nb.figures.algebra import (
    BASELINE_LOOKS,
    METHOD_COLORS,
    METHOD_SYMBOLS,
    PLACE_COLORS,
    latent_algebra,
)
from latentfx_nb.figures.clusters import WINDOW_COLORS, WINDOWS_TITLE, clusters, effect_clusters, large_and_small
from latentfx_nb.figures.comparison import COMPARED_COLUMNS, encoder_comparison, encoder_ranking
from latentfx_nb.figures.images import image_data, image_ranges, latent_images
from latentfx_nb.figures.masking import LINES, dimension_masking
from latentfx_nb.figures.own_points import own_points
from latentfx_nb.figures.paths import (
    MOST_KNOBS,
    heard_trace,
    knob_path,
    knob_trace,
    path_legend,
    path_scale,
    path_trace,
)
from latentfx_nb.figures.points import COLORINGS, GREY, clip_colors, point_groups, point_looks
from latentfx_nb.figures.probes import (
    MOST_SETS,
    SET_PATTERNS,
    accuracy_bars,
    confusion_cells,
    growing_bars,
    linear_probes,
)
from latentfx_nb.figures.theme import (
    CONFIG,
    EFFECT_COLORS,
    EFFECT_SYMBOLS,
    INSTRUMENT_COLORS,
    INSTRUMENT_SYMBOLS,
    MARK,
    SET_COLORS,
    STALE,
    TEMPLATES,
    coordinates,
    effect_look,
    hover_texts,
    plain,
)
from latentfx_nb.figures.trajectories import MOST_TRAJECTORIES, trajectories, trajectory_name, trajectory_words

__all__ = [
    "PLACE_COLORS",
    "BASELINE_LOOKS",
    "METHOD_COLORS",
    "METHOD_SYMBOLS",
    "latent_algebra",
    "COLORINGS",
    "GREY",
    "clusters",
    "effect_clusters",
    "large_and_small",
    "point_groups",
    "WINDOWS_TITLE",
    "WINDOW_COLORS",
    "point_looks",
    "clip_colors",
    "own_points",
    "COMPARED_COLUMNS",
    "encoder_comparison",
    "encoder_ranking",
    "latent_images",
    "image_ranges",
    "image_data",
    "LINES",
    "dimension_masking",
    "MOST_KNOBS",
    "knob_path",
    "heard_trace",
    "path_scale",
    "path_trace",
    "path_legend",
    "knob_trace",
    "MOST_SETS",
    "SET_PATTERNS",
    "linear_probes",
    "accuracy_bars",
    "growing_bars",
    "confusion_cells",
    "EFFECT_COLORS",
    "EFFECT_SYMBOLS",
    "INSTRUMENT_COLORS",
    "INSTRUMENT_SYMBOLS",
    "SET_COLORS",
    "CONFIG",
    "MARK",
    "STALE",
    "TEMPLATES",
    "plain",
    "hover_texts",
    "coordinates",
    "effect_look",
    "MOST_TRAJECTORIES",
    "trajectories",
    "trajectory_name",
    "trajectory_words",
]
