"""One store's work: which clips, through which settings, by which encoder; its labels, its hashes and its name."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from latentfx_nb.cache import cache_dir, digest
from latentfx_nb.effects import EFFECTS, Setting, render_versions, settings_hash, typed
from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.running import frame_times_s
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ, TARGET_LUFS
from latentfx_nb.sound import audio
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.store import StoreSpec, stored_parts, stored_values


@dataclass(frozen=True)
class Job:
    """The latents that one store holds: of `clips` through `settings`, by `encoder`."""

    clips: ClipSet
    encoder: Encoder
    settings: Sequence[Setting]
    axis: xr.Variable  # the second dim and its coordinate

    def __post_init__(self) -> None:
        if not len(self.clips):
            raise ValueError("there are no clips to encode; load_clips('bundled') gives 64")
        if not self.settings:
            raise ValueError(f"there are no effects to render; choose some of {', '.join(EFFECTS)}")

    @property
    def dim(self) -> str:
        """Name of the second dim: "effect" or "value"."""
        return str(self.axis.dims[0])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        samples = audio.samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, self.encoder.sample_rate)
        return len(self.clips), len(self.settings), self.encoder.dim, self.encoder.frames(samples)

    @cached_property
    def hashes(self) -> list[str]:
        """Hashes of the clips as the work begins: a clip that changes later is another one."""
        return self.clips.hashes()

    @cached_property
    def parts(self) -> dict[str, str]:
        """A hash for each thing that the latents depend on, so that a refusal can name what differs."""
        return {
            "clips": digest(self.hashes),
            "effects": settings_hash(self.settings),
            "encoder": digest([self.encoder.name, self.encoder.weights_hash]),
        }

    def coordinates(self) -> dict[str, xr.Variable]:
        table = self.clips.table
        times = frame_times_s(self.encoder, self.shape[3])
        return {
            "clip": xr.Variable("clip", table["clip"].to_numpy(object)),
            "instrument": xr.Variable("clip", table["instrument"].to_numpy(object)),
            "recording": xr.Variable("clip", table["recording"].to_numpy(object)),
            self.dim: self.axis.astype(object) if self.axis.dtype.kind == "U" else self.axis,
            "dim": xr.Variable("dim", np.arange(self.shape[2])),
            "time_s": xr.Variable("frame", times, {"units": "s"}),
        }

    def attributes(self) -> dict:
        encoder = self.encoder
        attributes = {
            "encoder": encoder.name,
            "weights_hash": encoder.weights_hash,
            "sample_rate_hz": encoder.sample_rate,
            "frame_rate_hz": encoder.frame_rate,
            "hop": round(encoder.sample_rate / encoder.frame_rate) if encoder.frame_rate else None,
            "lufs": TARGET_LUFS,
            "clip_set": self.clips.name,
        }
        if hasattr(encoder, "seed"):
            attributes["seed"] = encoder.seed
        return {name: value for name, value in attributes.items() if value is not None}

    def spec(self) -> StoreSpec:
        return StoreSpec(self.shape, self.dim, self.coordinates(), self.attributes(), self.parts, render_versions())

    def rows(self, shard: tuple[int, int] | None) -> list[int]:
        """Return the rows of the i-th of n shares of the clips, `shard = (i, n)`; all without one."""
        i, n = shard or (1, 1)
        if not 1 <= i <= n:
            raise ValueError(f"shard {i}/{n} is none: the first of {n} is 1/{n}, the last {n}/{n}")
        return np.array_split(np.arange(len(self.clips)), n)[i - 1].tolist()

    def default_path(self) -> Path:
        return cache_dir() / "latents" / f"{self._kind}{digest(self.parts)[:16]}.zarr"

    @property
    def _kind(self) -> str:
        effect = self.axis.attrs.get("effect")
        return "-".join([self.encoder.name, self.dim, *([effect] if effect else []), ""])

    def begun_at(self, place: str | Path) -> Job:
        """Return the job with the settings of the sweep at `place`, if they are this job's but for their rounding.

        Settings are rounded to six digits, because their last bits differ between processors. Stores from before that
        are named after all bits of theirs.
        """
        if self.dim != "value" or stored_parts(place).get("effects") in (None, self.parts["effects"]):
            return self
        values = stored_values(place)
        if [typed(value) for value in values.tolist()] != self.axis.values.tolist():
            return self
        effect, knob = self.axis.attrs["effect"], self.axis.attrs["knob"]
        settings = [Setting(effect, value, knob) for value in values.tolist()]
        return replace(self, settings=settings, axis=self.axis.copy(data=values))

    def begun_in_cache(self) -> tuple[Job, Path]:
        """Return the job as `begun_at` its place in the cache, and that place, whether or not its store exists."""
        path = self.default_path()
        if self.dim == "value" and not path.exists():
            for other in sorted(path.parent.glob(f"{glob.escape(self._kind)}*.zarr")):
                with suppress(ValueError):  # of another format, or damaged: `verify` says so, nothing is written there
                    job = self.begun_at(other)
                    if job.default_path() == other:
                        return job, other
        return self, path
