"""How near latent algebra comes to the real effect, on held-out recordings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from auraloss.freq import MultiResolutionSTFTLoss
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.algebra import METHODS, RIDGE, learn_effect
from latentfx_nb.analysis.intervals import accuracy_interval, ratio_interval
from latentfx_nb.analysis.probes import named_by, train_probes
from latentfx_nb.analysis.samples import spread
from latentfx_nb.cache import cache_dir, keep, kept
from latentfx_nb.effects import EFFECTS, Setting, render
from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.encoders.running import encode_clips
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encode_effects, encoded_clips

REAL = "the effect's own latents"


SHOTS = (1, 2, 4, 8, 16)
"""Pairs to learn from: the few-shot curve."""


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
"""What a score may be of: the variable of `algebra_scores` and how it reads."""


SHORTEST = 1025
"""Samples of a sound whose STFT is compared: more than half the longest FFT, which is padded by that."""


KEPT_FORMAT = 1
"""Of the scores in the cache folder: counts up when they are computed in another way."""


@lru_cache(maxsize=1)
def _measures() -> tuple[MultiResolutionSTFTLoss, LogMel]:
    return MultiResolutionSTFTLoss(), LogMel("cpu")


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
        return float(_measures()[0](*(torch.from_numpy(np.asarray(one, np.float32))[None] for one in (sound, target))))


def logmel_distance_db(sound: Clip, target: Clip) -> float:
    """Return by how many dB two sounds `[channel sample]` differ, on average over 64 mel bands and all frames.

    The bands are those of the encoder `logmel`, of the mean of all channels; below -100 dB all is alike. Raises
    ValueError unless both are of one length.
    """
    if np.shape(sound)[-1:] != np.shape(target)[-1:]:
        raise ValueError(
            f"sounds of shape {np.shape(sound)} and {np.shape(target)} differ in length: cut the longer one"
        )
    first, second = (encode_clips(_measures()[1], [one])[0] for one in (sound, target))
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
    groups, rows = [group.index for _, group in table.groupby("instrument", sort=True)], []
    for number, group in enumerate(groups):
        share = (n - len(rows)) // (len(groups) - number)
        rows += list(group[spread(len(group), share)])
    return sorted(map(int, rows))


def learning_rows(clips: ClipSet, row: int, k: int, seed: int = 0) -> list[int]:
    """Return the rows of `k` clips to learn from: drawn from all recordings but the one of clip `row`.

    The draw depends on `seed` and `row`; more of them contain the fewer. There may be fewer than `k`.
    """
    recordings = clips.table["recording"].to_numpy()
    others = np.flatnonzero(recordings != recordings[row])
    return np.random.default_rng([seed, row]).permutation(others)[:k].tolist()


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
    does not take minutes, `stft` and `logmel`, the distances of the decoded sound from the effect itself. What doing
    nothing and what the effect's own latents would give stands beside them over `(effect, clip)`, as `*_nothing` and
    `*_real`. `score_table` makes scores of it.

    Decoding is seconds a clip; an effect that is done is kept in the cache folder, so that a stopped run goes on.
    Raises ValueError for unknown effects and methods, and as `held_out_rows` and `train_probes` do.
    """
    _check_study(effects, methods)
    held_out_rows(clips, held_out)  # before anything is encoded
    means = encode_effects(clips, encoder, average=True, bar=bar)
    latents = encode_effects(clips, encoder, bar=bar)
    clips = encoded_clips(clips, latents)
    rows, device = held_out_rows(clips, held_out), getattr(encoder, "device", "cpu")
    shots = [k for k in shots if all(len(learning_rows(clips, row, k, seed)) == k for row in rows)]
    probes = None
    found = []
    each = len(rows) * (1 + len(shots) * len(methods))
    with bar(total=len(effects) * each, desc=f"{encoder.name}: algebra", unit="sound") as progress:
        for effect in effects:
            recipe = [effect, Setting(effect).parameters()]
            settings = [clips.hashes(), rows, recipe, list(methods), list(shots), seed, ridge, str(device)]
            path = _kept(latents, settings)
            content = kept(path)
            if content is not None:
                found.append(xr.load_dataset(io.BytesIO(content), engine="scipy"))
                progress.update(each)
                continue
            probes = train_probes(means, bar=partial(tqdm, disable=True))["probe"] if probes is None else probes
            study = _Study(clips, encoder, latents.sel(effect=["CLN", effect]), probes, effect, ridge, seed)
            found.append(study.scores(rows, methods, shots, progress.update))
            content = bytes(found[-1].to_netcdf(engine="scipy", format="NETCDF3_64BIT"))
            keep(path, content, f"the score of {effect}")
    scores = xr.concat(found, "effect")
    return scores.assign_attrs(encoder=encoder.name, weights_hash=encoder.weights_hash, seed=seed)


def _check_study(effects: Sequence[str], methods: Sequence[str]) -> None:
    for what, given, known in (("effects", effects, WET), ("methods", methods, METHODS)):
        unknown = [name for name in given if name not in known]
        if unknown or not len(given):
            raise ValueError(f"{what} {unknown or list(given)} cannot be learned; choose some of {', '.join(known)}")


def _kept(latents: xr.DataArray, settings: Sequence[object]) -> Path:
    """Return where the scores of one effect are kept: under a hash of all that they depend on."""
    content = json.dumps([settings, latents.attrs["encoder"], latents.attrs["weights_hash"], KEPT_FORMAT])
    return cache_dir() / "algebra" / f"{hashlib.sha256(content.encode()).hexdigest()}.nc"


class _Study:
    """One effect, learned and scored; `latents (clip, effect, dim, frame)` are those of clean clips and of the effect.

    `probes` name ten effects by time averages. Sounds are scored where the encoder decodes, and not for minutes.
    """

    def __init__(
        self,
        clips: ClipSet,
        encoder: Encoder,
        latents: xr.DataArray,
        probes: xr.Dataset,
        effect: str,
        ridge: float,
        seed: int,
    ) -> None:
        self._clips, self._encoder, self._latents, self._probes = clips, encoder, latents, probes
        self._effect, self._ridge, self._seed = effect, ridge, seed
        self._decodes = isinstance(encoder, Decoder) and not getattr(encoder, "decodes_slowly", False)
        self._pair = lru_cache(maxsize=4 * max(SHOTS))(self._read_pair)

    def scores(
        self, rows: Sequence[int], methods: Sequence[str], shots: Sequence[int], tick: Callable[[], None]
    ) -> xr.Dataset:
        """Return the dataset of `algebra_scores` for one effect; `tick` hears of each latents scored but the real."""
        measured = [self._of_clip(row, methods, shots, tick) for row in rows]
        coordinates = {
            "effect": [self._effect],
            "approach": list(methods),
            "k": list(shots),
            "clip": self._clips.table["clip"].to_numpy(object)[rows],
            "recording": ("clip", self._clips.table["recording"].to_numpy(object)[rows]),
        }
        shape = {0: ("effect", "clip"), 2: ("effect", "approach", "k", "clip")}
        stacked = {name: np.stack([one[name] for one in measured], axis=-1)[None] for name in measured[0]}
        return xr.Dataset({name: (shape[v.ndim - 2], v) for name, v in stacked.items()}, coordinates)

    def _of_clip(
        self, row: int, methods: Sequence[str], shots: Sequence[int], tick: Callable[[], None]
    ) -> dict[str, NDArray[np.float32]]:
        dry, wet = self._pair(row)
        target = render(self._clips[row], self._effect)
        tick()
        found = {}
        for name, latents in (("nothing", dry), ("real", wet)):
            measured = self._measured(latents, wet, row, target)
            found |= {f"{key}_{name}": np.float32(value) for key, value in measured.items()}
        cells: dict[str, list[float]] = {key: [] for key in measured}
        for method in methods:
            for k in shots:
                pairs = [self._pair(other) for other in learning_rows(self._clips, row, k, self._seed)]
                learned = learn_effect(*(np.stack(side) for side in zip(*pairs, strict=True)), method, self._ridge)
                for key, value in self._measured(learned.apply(dry), wet, row, target).items():
                    cells[key].append(value)
                tick()
        shape = len(methods), len(shots)
        return found | {key: np.array(values, np.float32).reshape(shape) for key, values in cells.items()}

    def _read_pair(self, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        both = self._latents.isel(clip=row)
        return tuple(both.sel(effect=effect).values for effect in ("CLN", self._effect))

    def _measured(self, latents: NDArray, wet: NDArray, row: int, target: Clip) -> dict[str, float]:
        average = latents.mean(axis=-1)
        recording = self._clips.table["recording"].iat[row]
        found = {
            "missed": np.square(latents - wet).sum(dtype=np.float64),
            "missed_mean": np.square(average - wet.mean(axis=-1)).sum(dtype=np.float64),
            "named": named_by(self._probes, average[None], [recording])[0] == self._effect,
        }
        if self._decodes:
            silent = partial(tqdm, disable=True)
            sound = reconstruction(self._encoder, latents, target.shape[-1], bar=silent, cache=False)
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
    recordings = scores["recording"].values
    moved = scores[name].transpose("effect", "approach", "k", "clip").stack(row=("effect", "approach", "k"))
    found = {tuple(key): _score(scores, name, key[0], moved.sel(row=key).values) for key in moved["row"].values}
    for effect in scores["effect"].values:
        found[effect, "real", 0] = _score(scores, name, effect, scores[f"{name}_real"].sel(effect=effect).values)
    index = pd.MultiIndex.from_tuples(found, names=["effect", "approach", "k"])
    return pd.DataFrame(found.values(), index, ["score", "low", "high"]).assign(n=len(recordings))


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
    left, high, low = ratio_interval(values, scores[f"{name}_nothing"].sel(effect=effect).values, recordings)
    return 1 - left, 1 - low, 1 - high
