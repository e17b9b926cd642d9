"""What can be chosen on page 07: three ways to move a clip's latents, and the sounds of each."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from latentfx_nb.analysis.algebra import METHODS
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.choice import Choice
from latentfx_nb.pages.content.sounds import Heard, Sound, dry_and_wet
from latentfx_nb.sound.clips import ClipSet

VECTOR, BETWEEN, DIMS = MODES = ("Add an effect", "Between two clips", "Change dims")

SOUNDS = {
    VECTOR: {"dry": "Dry", "wet": "Real effect", "decoded": "Decoded effect", "algebra": "Decoded algebra"},
    BETWEEN: {"dry": "Clip", "wet": "Other clip", "decoded": "Decoded clip", "algebra": "Decoded between"},
    DIMS: {"dry": "Dry", "wet": "Real effect", "decoded": "Decoded dry", "algebra": "Decoded, dims changed"},
}
"""What the player's four sounds are, by mode."""

PLACES = {
    VECTOR: ("dry", "real effect", "algebra"),
    BETWEEN: ("clip", "other clip", "between"),
    DIMS: ("dry", "real effect", "dims changed"),
}
"""What start, aim and result are called, by mode."""

SCALE, SWAP = CHANGES = ("scale", "take from the wet clip")
"""What is done to single dims."""

PAIRS = 8
"""Pairs that an effect is learned from at first."""

ONLY_SCORES = frozenset({"measure", "score", "decode"})
"""Fields that do not change how far the clip is moved."""


@dataclass(frozen=True)
class AlgebraChoice(Choice):
    """A clip, how its latents are moved, and by what the held-out recordings are scored."""

    encoder: str = "diffae-mini"
    mode: str = VECTOR
    row: int = 0
    effect: str = "HPF"
    method: str = "ridge"
    pairs: int = PAIRS
    strength: float = 1.0
    other: int = 0
    spherical: bool = False
    share: float = 0.5
    change: str = SCALE
    dims: tuple[int, ...] = (0,)
    factor: float = 0.0
    measure: str = "stft"
    score: bool = False
    decode: bool = False
    dimensions: int = 3

    def moving(self) -> AlgebraChoice:
        """Return the choice without what does not change how far the clip is moved."""
        return replace(self, measure="stft", score=False, decode=False)


def heard(choice: AlgebraChoice, clips: ClipSet, shown: object) -> Heard:
    """Return the clip and what it should come to: with the effect, or the other clip."""
    if choice.mode == BETWEEN:
        start, end = (clips.table["clip"].iat[row] for row in (choice.row, choice.other))
        title = f"{choice.share:.0%} of the way from {start} to {end}"
        return Heard(title, Sound(clips, choice.row), Sound(clips, choice.other))
    effect = EFFECTS[choice.effect].name
    if choice.mode == VECTOR:
        learned = f"{METHODS[choice.method]} from {choice.pairs} pairs"
        words = f"{effect}, {learned}, strength {choice.strength:.2f}"
    else:
        what = f"scaled by {choice.factor:.2f}" if choice.change == SCALE else f"from {effect.lower()}"
        named = "dim" if len(choice.dims) == 1 else "dims"
        words = f"{named} {', '.join(map(str, choice.dims)) or 'none'} {what}"
    return dry_and_wet(clips, choice.row, choice.effect, words=words)


def keeps_decoded(before: AlgebraChoice, choice: AlgebraChoice) -> bool:
    """Whoever listens to a decoded sound hears it on until the same clip's next one is there, however far it moves."""
    return _of_sounds(before) == _of_sounds(choice)


def same_sounds(choice: AlgebraChoice, clips: ClipSet) -> Hashable:
    """Return what start and aim depend on: the same for choices that only move the clip farther or another way."""
    return clips, _of_sounds(choice)


def _of_sounds(choice: AlgebraChoice) -> tuple[Hashable, ...]:
    aim = choice.other if choice.mode == BETWEEN else choice.effect
    return choice.mode, choice.encoder, choice.row, aim
