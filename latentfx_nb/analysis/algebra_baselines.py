"""What latent algebra is to beat: the dry sound as it is, decoded, and a static equaliser learned from the same pairs.

They are scored as algebra is (`algebra_study`): the share of the distance between the decoded dry sound and the real
effect that is gone.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.distances import DISTANCES
from latentfx_nb.analysis.equalizer import Equalizer, average_power, equalizer_of
from latentfx_nb.analysis.held_out import HELD_OUT, SHOTS, held_out_rows, learning_rows
from latentfx_nb.cache import cache_dir, keep, kept
from latentfx_nb.effects import EFFECTS, Setting, render
from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.paper import SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import Clip, normalise
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encode_effects, encoded_clips

WET = tuple(label for label in EFFECTS if label != "CLN")

NOTHING = "nothing"
"""Doing nothing: the dry latents decoded. All scores are shares of its distance, so its own is 0."""

BASELINES = {
    "raw": "raw dry sound",
    NOTHING: "decoded dry sound",
    "eq": "static equaliser on the raw dry sound",
    "eq_decoded": "static equaliser on the decoded dry sound",
}
"""Baselines of `score_table`, and their words."""

LEARNED = ("eq", "eq_decoded")
"""Those that learn from pairs."""

KEPT_FORMAT = 1
"""Format of the scores in the cache folder: count it up when they are computed in another way."""


def scores_sounds(encoder: Encoder) -> bool:
    """Say whether sounds are scored: where the encoder decodes, and not for minutes."""
    return isinstance(encoder, Decoder) and not getattr(encoder, "decodes_slowly", False)


def algebra_baselines(
    clips: ClipSet,
    encoder: Encoder,
    effects: Sequence[str] = WET,
    shots: Sequence[int] = SHOTS,
    held_out: int = HELD_OUT,
    *,
    dry: xr.DataArray | None = None,
    seed: int = 0,
    bar: Callable[..., Any] = tqdm,
) -> xr.Dataset:
    """Return how far the baselines are from each effect, on the clips that `algebra_scores` holds out.

    A dataset holds, of the distances `stft` and `logmel`: `*_raw (effect, clip)`, of the dry sound as it is, and
    `*_eq` and `*_eq_decoded (effect, clip, k)`, of that and of the decoded dry sound through the equaliser that the
    `k` pairs teach which `algebra_scores` draws. `dry` are the latents `(clip, dim, frame)`, encoded if None.

    Finished effects are kept in the cache folder. Raises ValueError for an encoder that does not decode, or only in
    minutes, and as `held_out_rows` does.
    """
    if not scores_sounds(encoder):
        raise ValueError(f"{encoder.name} does not decode at once: baselines are compared with decoded sounds")
    if dry is None:
        dry = encode_effects(clips, encoder, ["CLN"], bar=bar).sel(effect="CLN")
    clips = encoded_clips(clips, dry)
    rows = held_out_rows(clips, held_out)
    shots = [k for k in shots if all(len(learning_rows(clips, row, k, seed)) == k for row in rows)]
    study = _Baselines(clips, encoder, dry, rows, shots, seed)
    total = len(effects) * len(rows)
    with bar(total=total, desc=f"{encoder.name}: baselines of algebra", unit="sound") as progress:
        return xr.concat([study.of_effect(effect, progress.update) for effect in effects], "effect")


@dataclass
class _Baselines:
    """Effects whose baselines are scored; `dry (clip, dim, frame)` are latents without an effect."""

    clips: ClipSet
    encoder: Encoder
    dry: xr.DataArray
    rows: Sequence[int]
    shots: Sequence[int]
    seed: int

    def of_effect(self, effect: str, tick: Callable[[int], object]) -> xr.Dataset:
        """Return the distances of one effect, kept or computed; `tick` is called with how many clips were done.

        What needs no encoder is kept for all of them.
        """
        drawn = [list(self.rows), list(self.shots), self.seed]
        learned = ["baselines", KEPT_FORMAT, self.clips.hashes(), [effect, Setting(effect).parameters()], *drawn]
        raw = kept_scores(learned, f"the baselines of {effect}", lambda: self._stacked(effect, self._raw))
        encoded = [learned, self.encoder.name, self.encoder.weights_hash, str(getattr(self.encoder, "device", "cpu"))]
        decode = partial(self._decoded, gains=dict(zip(self.rows, raw["gain"].values[0], strict=True)))
        decoded = kept_scores(encoded, f"the baselines of {effect}", lambda: self._stacked(effect, decode))
        tick(len(self.rows))
        return raw.drop_vars("gain").assign(decoded.data_vars)

    def _stacked(self, effect: str, measure: Callable[[str, int], dict[str, Any]]) -> xr.Dataset:
        of_clips = [measure(effect, row) for row in self.rows]
        stacked = {name: np.stack([one[name] for one in of_clips])[None] for name in of_clips[0]}
        dims = ("effect", "clip", "k", "bin")
        variables = {name: (dims[: values.ndim], values) for name, values in stacked.items()}
        return xr.Dataset(variables, {"k": list(self.shots), **held_out_labels(self.clips, self.rows, effect)})

    def _raw(self, effect: str, row: int) -> dict[str, Any]:
        """Return the distances of the raw dry sound: a number, and `[k]` equalised; and the gains `[k bin]`."""
        sound, target = render(self.clips[row], "CLN"), render(self.clips[row], effect)
        gains = np.stack([self._learned(effect, row, k).gain for k in self.shots])
        sounds = [sound, *(_equalized(sound, gain) for gain in gains)]
        found: dict[str, Any] = {"gain": gains}
        for measure, distances in DISTANCES.items():
            raw, *equalized = np.array(distances(sounds, target), np.float32)
            found |= {f"{measure}_raw": raw, f"{measure}_eq": np.array(equalized)}
        return found

    def _decoded(self, effect: str, row: int, gains: Mapping[int, NDArray[np.float64]]) -> dict[str, Any]:
        """Return the distances `[k]` of the decoded dry sound through the equalisers of these `gains` `[k bin]`."""
        sounds, target = [_equalized(self._sound(row), gain) for gain in gains[row]], render(self.clips[row], effect)
        return {
            f"{measure}_eq_decoded": np.array(distances(sounds, target), np.float32)
            for measure, distances in DISTANCES.items()
        }

    def _learned(self, effect: str, row: int, k: int) -> Equalizer:
        rows = learning_rows(self.clips, row, k, self.seed)
        return equalizer_of([self._power("CLN", one) for one in rows], [self._power(effect, one) for one in rows])

    @cached_property
    def _power(self) -> Callable[[str, int], NDArray[np.float64]]:
        """A function that gives the average power `[bin]` of a clip through an effect, rendered once."""
        return cache(lambda effect, row: average_power(render(self.clips[row], effect)))

    @cached_property
    def _sound(self) -> Callable[[int], Clip]:
        """A function that gives the decoded dry sound of a clip; those that are held out stay in memory."""
        silent = partial(tqdm, disable=True)
        return cache(
            lambda row: reconstruction(
                self.encoder, self.dry.isel(clip=row).values, self.clips[row].shape[-1], bar=silent, cache=False
            )
        )


def _equalized(sound: Clip, gain: NDArray[np.float64]) -> Clip:
    return normalise(Equalizer(gain).apply(sound), SAMPLE_RATE_HZ)


def kept_scores(content: Any, words: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Return what the cache folder keeps under a hash of `content`, ready for JSON; else what `compute` returns."""
    path = cache_dir() / "algebra" / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()}.nc"
    stored = kept(path)
    if stored is not None:
        return xr.load_dataset(io.BytesIO(stored), engine="scipy")
    found = compute()
    keep(path, bytes(found.to_netcdf(engine="scipy", format="NETCDF3_64BIT")), words)
    return found


def held_out_labels(clips: ClipSet, rows: Sequence[int], effect: str) -> dict[str, Any]:
    """Return the coordinates of an effect's scores on the clips of those `rows`."""
    names, recordings = (clips.table[name].to_numpy(object)[list(rows)] for name in ("clip", "recording"))
    return {"effect": [effect], "clip": names, "recording": ("clip", recordings)}
