"""A small picture, SVG, of how pure neighbourhoods are by the averaging window, for the drawer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from latentfx_nb.figures import WINDOW_COLORS, WINDOWS_TITLE

WIDTH, HEIGHT, LEFT, FOOT, RIGHT = 300, 180, 34, 34, 62
"""The picture, in pixels, and what its edges leave for the axes' names and those of the curves."""


def curves_picture(windows: pd.DataFrame) -> str:
    """Return `comparison.purity_by_window` as curves, one a label, with the intervals as bands; HTML."""
    ends = np.log(windows.index.get_level_values("window_s").to_numpy(float))
    low, high = ends.min(), max(ends.max(), ends.min() + 1e-9)

    def x(window_s: float) -> float:
        return LEFT + (np.log(window_s) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    curves = "".join(_curve(label, windows.loc[label], x) for label in WINDOW_COLORS if label in windows.index)
    marks = "".join(_text(LEFT - 4, _y(share), f"{share:.0%}", "end") for share in (0, 0.5, 1))
    first, last = float(np.exp(low)), float(np.exp(high))
    marks += "".join(_text(x(one), HEIGHT - FOOT + 14, f"{one:.2g} s", "middle") for one in (first, last))
    marks += _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "averaged over", "middle")
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" style="width: 100%; max-width: 420px; font-size: 10px"'
    return f'<svg role="img" aria-label="{WINDOWS_TITLE}" {size}>{marks}{curves}</svg>'


def _y(share: float) -> float:
    return 8 + (1 - share) * (HEIGHT - FOOT - 8)


def _text(x: float, y: float, words: str, anchor: str, color: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y + 3:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'


def _curve(label: str, own: pd.DataFrame, x: Callable[[float], float]) -> str:
    """Return one curve, its band and its name at its end."""
    places = [x(float(window_s)) for window_s in own.index]
    line = [f"{at:.1f},{_y(share):.1f}" for at, share in zip(places, own["purity"], strict=True)]
    above = [f"{at:.1f},{_y(share):.1f}" for at, share in zip(places, own["high"], strict=True)]
    below = [f"{at:.1f},{_y(share):.1f}" for at, share in zip(places, own["low"], strict=True)]
    color = WINDOW_COLORS[label]
    band = f'<polygon points="{" ".join([*above, *reversed(below)])}" fill="{color}" opacity="0.2"/>'
    drawn = f'<polyline points="{" ".join(line)}" fill="none" stroke="{color}" stroke-width="2"/>'
    return band + drawn + _text(places[-1] + 4, _y(own["purity"].iloc[-1]), f"same {label}", "start", color)
