"""What is shown of page 07, and what outlives a choice there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import xarray as xr

from latentfx_nb.analysis.held_out import learning_rows
from latentfx_nb.analysis.moves import AveragedMove, Move
from latentfx_nb.analysis.pca import PCA
from latentfx_nb.pages.content.algebra_choice import PLACES, AlgebraChoice
from latentfx_nb.pages.content.algebra_scores import Scored
from latentfx_nb.pages.content.choice import Shown
from latentfx_nb.pages.content.kept import Kept
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet

REMEMBERED = 160
"""Latents of renders that are kept: 80 MB of those of diffae-mini."""

PARTS = ("start", "aim", "result")
"""What is drawn, told and decoded of a move."""


@dataclass(frozen=True, eq=False)
class Averages:
    """Time averages of the clips that could be read, the rows of these in the clip set, and the basis of the figure.

    A visitor's own clips are moved by these, which are then the others'.
    """

    clips: ClipSet
    rows: list[int]
    means: xr.DataArray  # (clip, effect, dim)
    basis: PCA

    def learning_rows(self, row: int | None, pairs: int) -> list[int]:
        """Return the rows in the clip set of so many clips to learn from, of other recordings than that of `row`.

        None stands for a clip that is none of these.
        """
        place = None if row is None else self.rows.index(row)
        return [self.rows[one] for one in learning_rows(self.clips, place, pairs)]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A move as it is drawn: in which mode, and of which sounds (`same_sounds`)."""

    move: AveragedMove
    mode: str
    of: Hashable


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder makes of start, aim and result, and how far that is from the effect itself."""

    sounds: Mapping[str, Clip]
    distances: Mapping[str, tuple[float, float]]  # STFT, log-mel in dB


@dataclass(frozen=True, eq=False)
class Memory:
    """What outlives a choice."""

    averages: Kept[Averages] = field(default_factory=lambda: Kept(1))
    latents: Kept[xr.DataArray] = field(default_factory=lambda: Kept(REMEMBERED))  # (dim, frame)
    probes: Kept[xr.Dataset] = field(default_factory=lambda: Kept(2))
    scores: Kept[xr.Dataset | None] = field(default_factory=lambda: Kept(1))
    scored: Kept[Scored] = field(default_factory=lambda: Kept(1))
    moves: Kept[Move] = field(default_factory=lambda: Kept(1))
    decoded: Kept[Decoded] = field(default_factory=lambda: Kept(1))


@dataclass(frozen=True)
class AlgebraShown(Shown):
    """A clip's move in the basis of the data set, what is told and decoded of it, and the scores.

    At first a mean shift of time averages is drawn, and there is no `move`.
    """

    choice: AlgebraChoice
    memory: Memory
    averages: Averages
    scores: xr.Dataset | None
    scored: Scored
    drawn: Drawn
    move: Move | None = None
    named: str | None = None  # a sentence: what probes take it for
    decoded: Decoded | None = None
    decodes: bool = False  # though that takes minutes

    @property
    def rows(self) -> list[int]:
        """The rows of the clips that can be moved."""
        return self.averages.rows if self.clips.among is None else list(range(len(self.clips)))

    def pair_rows(self) -> list[int]:
        """Return the rows, in the clips' reference, of what is learned from."""
        row = self.choice.row if self.clips.among is None else None
        return self.averages.learning_rows(row, self.choice.pairs)

    @property
    def names(self) -> tuple[str, str, str]:
        """What start, aim and result are called."""
        return PLACES[self.choice.mode]
