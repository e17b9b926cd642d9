"""Scores of latent algebra: how near it comes to the real effect, on held-out recordings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from auraloss.freq import MultiResolutionSTFTLoss
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra import METHODS, RIDGE, EffectMap, learn_effect
from latentfx_nb.analysis.intervals import accuracy_interval, interval_table, removed_interval
from latentfx_nb.analysis.probes import named_by, train_probes
from latentfx_nb.analysis.samples import spread
from latentfx_nb.cache import cache_dir, keep, kept
from latentfx_nb.effects import EFFECTS, Setting, render
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encode_effects, encoded_clips

REAL = "the effect's own latents"
"""Words for what encoder and decoder allow at best."""

SHOTS = (1, 2, 4, 8, 16)
"""Numbers of pairs to learn from: the few-shot curve."""

HELD_OUT = 12
"""Recordings that are scored, as many of each instrument as can be."""

WET = tuple(label for label in EFFECTS if label != "CLN")

MEASURES = {
    "latents": ("missed", "share of the latents' displacement"),
    "averages": ("missed_mean", "share of the displacement of time averages"),
    "stft": ("stft", "multi-resolution STFT distance removed"),
    "logmel": ("logmel", "log-mel distance removed"),
    "named": ("named", "the probe names the effect"),
}
"""What a score may be of: the variable of `algebra_scores` and its words."""

SHORTEST = 1025
"""Samples of a sound whose STFT is compared: more than half the longest FFT, which is padded by that."""

KEPT_FORMAT = 1
"""Format of the scores in the cache folder: count it up when they are computed in another way."""


@lru_cache(maxsize=1)
def _distances() -> tuple[MultiResolutionSTFTLoss, Encoder]:
    return MultiResolutionSTFTLoss(), load_encoder("logmel", device="cpu")


def stft_distance(sound: Clip, target: Clip) -> float:
    """Return the multi-resolution STFT distance of two sounds `[channel sample]`: 0 for the same sound.

    Windows of 600, 1200 and 240 samples; spectral convergence plus the mean difference of log magnitudes (Yamamoto et
    al. 2019, as auraloss 0.4 computes it, Steinmetz & Reiss 2020).

    Raises ValueError unless both are of one shape and of at least 1025 samples.
    """
    if np.shape(sound) != np.shape(target) or np.ndim(sound) != 2 or np.shape(sound)[1] < SHORTEST:
        raise ValueError(
            f"sounds of shape {np.shape(sound)} and {np.shape(target)} cannot be compared: pass two [channel sample] "
            f"of one shape, of at least {SHORTEST} samples"
        )
    with torch.inference_mode():
        return float(_distances()[0](*(torch.from_numpy(np.asarray(one, np.float32))[None] for one in (sound, target))))


def logmel_distance_db(sound: Clip, target: Clip) -> float:
    """Return by how many dB two sounds `[channel sample]` differ, on average over 64 mel bands and all frames.

    The bands are those of the encoder `logmel`, of the mean of all channels; levels below -100 dB count as -100 dB.
    Raises ValueError unless both are of one length.
    """
    if np.shape(sound)[-1:] != np.shape(target)[-1:]:
        raise ValueError(
            f"sounds of shape {np.shape(sound)} and {np.shape(target)} differ in length: cut the longer one"
        )
    first, second = (encode_clips(_distances()[1], [one])[0] for one in (sound, target))
    return float(np.abs(first - second).mean())


def held_out_rows(clips: ClipSet, n: int = HELD_OUT) -> list[int]:
    """Return the rows of at most `n` clips to score: one a recording, spread over the set, as many of each instrument.

    Raises ValueError if the clips are of fewer than two recordings: then nothing is left to learn from.
    """
    table = clips.table.drop_duplicates("recording")
    if len(table) < 2:
        raise ValueError(
            "effects are learned on some recordings and tried on others, and all these clips are of one: add clips"
        )
    groups = [group.index for _, group in table.groupby("instrument", sort=True)]
    rows: list[int] = []
    for number, group in enumerate(groups):
        share = (n - len(rows)) // (len(groups) - number)
        rows += list(group[spread(len(group), share)])
    return sorted(map(int, rows))


def learning_rows(clips: ClipSet, row: int | None, k: int, seed: int = 0) -> list[int]:
    """Return the rows of `k` clips to learn from: drawn from all recordings but the one of clip `row`, if it is one.

    The draw depends on `seed` and `row`. A larger `k` adds rows to those of a smaller one. There may be fewer than `k`.
    """
    recordings = clips.table["recording"].to_numpy()
    others = np.arange(len(clips)) if row is None else np.flatnonzero(recordings != recordings[row])
    return np.random.default_rng([seed, row or 0]).permutation(others)[:k].tolist()


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
    bar: Callable[..., Any] = tqdm,
) -> xr.Dataset:
    """Return how near each method comes to each effect on clips of recordings that it never learned from.

    For each held-out clip, `k` of the `shots` pairs are drawn from the other recordings. A dataset over `(effect,
    approach, k, clip)`, where approach is a method (`sel` would take that word for its own), holds: `missed`, the
    squared distance of the moved latents from the effect's own, and `missed_mean`, that of their averages over time;
    `named`, whether the probe (section 3.2) takes the average for the effect; and, for an encoder with a decoder that
    does not take minutes, `stft` and `logmel`, the distances of the decoded sound from the effect itself. The same of
    doing nothing and of the effect's own latents stand beside them over `(effect, clip)`, as `*_nothing` and `*_real`.
    `score_table` makes scores of it.

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
        path = self._path(effect)
        content = kept(path)
        if content is not None:
            tick(len(self.rows) * (1 + len(self.shots) * len(self.methods)))
            return xr.load_dataset(io.BytesIO(content), engine="scipy")
        found = self._stacked(effect, [self._of_clip(effect, row, tick) for row in self.rows])
        keep(path, bytes(found.to_netcdf(engine="scipy", format="NETCDF3_64BIT")), f"the score of {effect}")
        return found

    def _path(self, effect: str) -> Path:
        """Return where the scores of an effect are kept: under a hash of all that they depend on."""
        recipe, device = [effect, Setting(effect).parameters()], getattr(self.encoder, "device", "cpu")
        drawn = [list(self.methods), list(self.shots), self.seed, self.ridge, str(device)]
        settings = [self.clips.hashes(), list(self.rows), recipe, *drawn]
        content = json.dumps([settings, self.latents.attrs["encoder"], self.latents.attrs["weights_hash"], KEPT_FORMAT])
        return cache_dir() / "algebra" / f"{hashlib.sha256(content.encode()).hexdigest()}.nc"

    def _stacked(self, effect: str, of_clips: Sequence[dict[str, NDArray[np.float32]]]) -> xr.Dataset:
        table = self.clips.table
        coordinates = {
            "effect": [effect],
            "approach": list(self.methods),
            "k": list(self.shots),
            "clip": table["clip"].to_numpy(object)[self.rows],
            "recording": ("clip", table["recording"].to_numpy(object)[self.rows]),
        }
        dims = {0: ("effect", "clip"), 2: ("effect", "approach", "k", "clip")}
        stacked = {name: np.stack([one[name] for one in of_clips], axis=-1)[None] for name in of_clips[0]}
        return xr.Dataset({name: (dims[v.ndim - 2], v) for name, v in stacked.items()}, coordinates)

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

    @cached_property
    def _decodes(self) -> bool:
        return isinstance(self.encoder, Decoder) and not getattr(self.encoder, "decodes_slowly", False)

    def _measured(self, effect: str, row: int, wet: NDArray, target: Clip, latents: Any) -> dict[str, float]:
        average = latents.mean(axis=-1)
        recording = self.clips.table["recording"].iat[row]
        found = {
            "missed": np.square(latents - wet).sum(dtype=np.float64),
            "missed_mean": np.square(average - wet.mean(axis=-1)).sum(dtype=np.float64),
            "named": named_by(self._probes, average[None], [recording])[0] == effect,
        }
        if self._decodes:
            silent = partial(tqdm, disable=True)
            sound = reconstruction(self.encoder, latents, target.shape[-1], bar=silent, cache=False)
            found |= {"stft": stft_distance(sound, target), "logmel": logmel_distance_db(sound, target)}
        return found


def score_table(scores: xr.Dataset, measure: str) -> pd.DataFrame:
    """Return the scores of `algebra_scores` by one of the `MEASURES`, with the ends of their 95 % intervals.

    The rows are effect, approach and k; besides the methods there is "real", the effect's own latents, with k = 0: what
    the encoder and its decoder allow. For distances a score is the share that is gone, summed over held-out clips: 1
    all, 0 none, as if nothing had been done, below 0 worse than nothing. For "named" it is the share of the clips. The
    columns are score, low, high and n, the number of clips.

    Raises ValueError for a measure that these scores do not hold, such as sounds without a decoder.
    """
    name = MEASURES[measure][0] if measure in MEASURES else measure
    if name not in scores:
        held = [known for known, (stored, _) in MEASURES.items() if stored in scores]
        raise ValueError(f"these scores hold no measure {measure!r}, only {', '.join(held)}")
    moved = scores[name].transpose("effect", "approach", "k", "clip").stack(row=("effect", "approach", "k"))
    found = {tuple(key): _score(scores, name, key[0], moved.sel(row=key).values) for key in moved["row"].values}
    for effect in scores["effect"].values:
        found[effect, "real", 0] = _score(scores, name, effect, scores[f"{name}_real"].sel(effect=effect).values)
    table = interval_table(found, ["effect", "approach", "k"], ["score", "low", "high"])
    return table.assign(n=scores.sizes["clip"])


def method_scores(scores: xr.Dataset, measure: str, approach: str, k: int) -> dict[str, pd.DataFrame]:
    """Return what one method makes of `k` pairs, and what the effects' own latents get: frames with a row an effect.

    The columns are those of `score_table`, and raises as it does.
    """
    table = score_table(scores.sel(approach=[approach], k=[k]), measure).reset_index(["approach", "k"])
    real = table["approach"] == "real"
    return {METHODS[approach]: table[~real], REAL: table[real]}


def few_shot_scores(scores: xr.Dataset, measure: str, effect: str) -> dict[str, pd.DataFrame]:
    """Return how each method learns one effect: frames with a row for each number of pairs, as `method_scores`."""
    table = score_table(scores.sel(effect=[effect]), measure).loc[effect]
    return {words: table.loc[name] for name, words in METHODS.items()}


def _score(scores: xr.Dataset, name: str, effect: str, values: NDArray[np.floating]) -> tuple[float, float, float]:
    recordings = scores["recording"].values
    if name == "named":
        return accuracy_interval(values, recordings)
    return removed_interval(values, scores[f"{name}_nothing"].sel(effect=effect).values, recordings)
