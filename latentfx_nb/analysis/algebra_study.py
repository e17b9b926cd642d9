"""Scores of latent algebra: how near it comes to the real effect, on held-out recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra import METHODS, RIDGE, EffectMap, learn_effect
from latentfx_nb.analysis.algebra_baselines import (
    KEPT_FORMAT,
    WET,
    algebra_baselines,
    held_out_labels,
    kept_scores,
    scores_sounds,
)
from latentfx_nb.analysis.distances import DISTANCES
from latentfx_nb.analysis.held_out import HELD_OUT, SHOTS, held_out_rows, learning_rows
from latentfx_nb.analysis.probes import named_by, train_probes
from latentfx_nb.effects import Setting, render
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encode_effects, encoded_clips


def algebra_scores(
    clips: ClipSet,
    encoder: Encoder,
    effects: Sequence[str] = WET,
    methods: Sequence[str] = tuple(METHODS),
    shots: Sequence[int] = SHOTS,
    held_out: int = HELD_OUT,
    *,
    ridge: float = RIDGE,
    seed: int = 0,
    baselines: bool = True,
    bar: Callable[..., Any] = tqdm,
) -> xr.Dataset:
    """Return how near each method comes to each effect on clips of recordings that it never learned from.

    For each held-out clip, `k` of the `shots` pairs are drawn from the other recordings. A dataset over `(effect,
    approach, k, clip)`, where approach is a method (`sel` would take that word for its own), holds: `missed`, the
    squared distance of the moved latents from the effect's own, and `missed_mean`, that of their averages over time;
    `named`, whether the probe (section 3.2) takes the average for the effect; and, for an encoder with a decoder that
    does not take minutes, `stft` and `logmel`, the distances of the decoded sound from the effect itself. The same of
    doing nothing and of the effect's own latents stand beside them over `(effect, clip)`, as `*_nothing` and `*_real`.
    So do, unless `baselines` is False, the distances of `algebra_baselines`. `score_table` makes scores of it.

    Decoding is seconds a clip; finished effects are kept in the cache folder, so that a stopped run goes on. Raises
    ValueError for unknown effects and methods, and as `held_out_rows` and `train_probes` do.
    """
    _check_study(effects, methods)
    held_out_rows(clips, held_out)  # before anything is encoded
    means = encode_effects(clips, encoder, average=True, bar=bar)
    latents = encode_effects(clips, encoder, bar=bar)
    clips = encoded_clips(clips, latents)
    rows = held_out_rows(clips, held_out)
    shots = [k for k in shots if all(len(learning_rows(clips, row, k, seed)) == k for row in rows)]
    study = _Study(clips, encoder, latents, means, rows, list(methods), shots, ridge, seed)
    total = len(effects) * len(rows) * (1 + len(shots) * len(methods))
    with bar(total=total, desc=f"{encoder.name}: algebra", unit="sound") as progress:
        scores = xr.concat([study.of_effect(effect, progress.update) for effect in effects], "effect")
    if baselines and scores_sounds(encoder):
        dry = latents.sel(effect="CLN")
        beside = algebra_baselines(clips, encoder, effects, shots, held_out, dry=dry, seed=seed, bar=bar)
        scores = scores.assign(beside.data_vars)
    return scores.assign_attrs(encoder=encoder.name, weights_hash=encoder.weights_hash, seed=seed)


def _check_study(effects: Sequence[str], methods: Sequence[str]) -> None:
    for what, given, known in (("effects", effects, WET), ("methods", methods, METHODS)):
        unknown = [name for name in given if name not in known]
        if unknown or not len(given):
            raise ValueError(f"{what} {unknown or list(given)} cannot be learned; choose some of {', '.join(known)}")


@dataclass
class _Study:
    """Effects, learned and scored; `latents (clip, effect, dim, frame)` and `means (clip, effect, dim)` hold them all.

    Sounds are scored where the encoder decodes, and not for minutes.
    """

    clips: ClipSet
    encoder: Encoder
    latents: xr.DataArray
    means: xr.DataArray
    rows: Sequence[int]
    methods: Sequence[str]
    shots: Sequence[int]
    ridge: float
    seed: int

    def of_effect(self, effect: str, tick: Callable[[int], object]) -> xr.Dataset:
        """Return the scores of one effect, kept or computed; `tick` is called with how many were just scored."""
        scored = 0

        def count(n: int) -> None:
            nonlocal scored
            scored += n
            tick(n)

        def compute() -> xr.Dataset:
            return self._stacked(effect, [self._of_clip(effect, row, count) for row in self.rows])

        found = kept_scores(self._content(effect), f"the score of {effect}", compute)
        tick(len(self.rows) * (1 + len(self.shots) * len(self.methods)) - scored)
        return found

    def _content(self, effect: str) -> list[Any]:
        """Return all that the scores of an effect depend on."""
        recipe, device = [effect, Setting(effect).parameters()], getattr(self.encoder, "device", "cpu")
        drawn = [list(self.methods), list(self.shots), self.seed, self.ridge, str(device)]
        settings = [self.clips.hashes(), list(self.rows), recipe, *drawn]
        return [settings, self.latents.attrs["encoder"], self.latents.attrs["weights_hash"], KEPT_FORMAT]

    def _stacked(self, effect: str, of_clips: Sequence[dict[str, NDArray[np.float32]]]) -> xr.Dataset:
        learned = {"approach": list(self.methods), "k": list(self.shots)}
        dims = {0: ("effect", "clip"), 2: ("effect", "approach", "k", "clip")}
        stacked = {name: np.stack([one[name] for one in of_clips], axis=-1)[None] for name in of_clips[0]}
        variables = {name: (dims[v.ndim - 2], v) for name, v in stacked.items()}
        return xr.Dataset(variables, learned | held_out_labels(self.clips, self.rows, effect))

    def _of_clip(self, effect: str, row: int, tick: Callable[[int], object]) -> dict[str, NDArray[np.float32]]:
        """Return what was measured on one held-out clip: single numbers, and `[approach k]`."""
        dry, wet = self._pair(effect, row)
        score = partial(self._measured, effect, row, wet, render(self.clips[row], effect))
        tick(1)
        found: dict[str, NDArray[np.float32]] = {}
        for name, latents in (("nothing", dry), ("real", wet)):
            found |= {f"{key}_{name}": np.array(value, np.float32) for key, value in score(latents).items()}
        cells = []
        for method in self.methods:
            for k in self.shots:
                cells.append(score(self._learned(effect, row, method, k).apply(dry)))
                tick(1)
        shape = len(self.methods), len(self.shots)
        return found | {key: np.array([one[key] for one in cells], np.float32).reshape(shape) for key in cells[0]}

    def _learned(self, effect: str, row: int, method: str, k: int) -> EffectMap:
        pairs = [self._pair(effect, other) for other in learning_rows(self.clips, row, k, self.seed)]
        dry, wet = (np.stack(side) for side in zip(*pairs, strict=True))
        return learn_effect(dry, wet, method, self.ridge)

    @cached_property
    def _pair(self) -> Callable[[str, int], tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """A function that reads the dry and wet latents `[dim frame]` of a clip; the last pairs stay in memory."""

        @lru_cache(maxsize=4 * max(SHOTS))
        def read(effect: str, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            both = self.latents.isel(clip=row)
            return both.sel(effect="CLN").values, both.sel(effect=effect).values

        return read

    @cached_property
    def _probes(self) -> xr.Dataset:
        """Probes that name ten effects by time averages."""
        return train_probes(self.means, bar=partial(tqdm, disable=True))["probe"]

    def _measured(self, effect: str, row: int, wet: NDArray, target: Clip, latents: Any) -> dict[str, float]:
        average = latents.mean(axis=-1)
        recording = self.clips.table["recording"].iat[row]
        found = {
            "missed": np.square(latents - wet).sum(dtype=np.float64),
            "missed_mean": np.square(average - wet.mean(axis=-1)).sum(dtype=np.float64),
            "named": named_by(self._probes, average[None], [recording])[0] == effect,
        }
        if scores_sounds(self.encoder):
            silent = partial(tqdm, disable=True)
            sound = reconstruction(self.encoder, latents, target.shape[-1], bar=silent, cache=False)
            found |= {name: distances([sound], target)[0] for name, distances in DISTANCES.items()}
        return found
