"""Turns a module of the HEAR API (HEAR 2021, https://hearbenchmark.com/hear-api.html) into an encoder.

Such a module has `load_model`, `get_timestamp_embeddings` and `get_scene_embeddings`. The API leaves open how many
frames a sound has, at which rate, on which device a model runs and what its weights are: the model is asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module, metadata
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentfx_nb.cache import digest, file_digest
from latentfx_nb.encoders.base import TorchEncoder
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.encoders.module import known_by
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import samples_at

UNEVEN_MS = 0.001
"""Milliseconds by which the spacing of timestamps may differ, as the benchmark's own validator allows."""

POOLINGS = {"timestamps": "timestamp", "scene": "scene"}
"""How frames are pooled -> what the API calls the functions and sizes for it."""


class HearEncoder(TorchEncoder):
    """A module of the HEAR API as an encoder: its timestamp embeddings, or its scene embedding, one vector a clip.

    Its name is the module's, with "-scene" for scenes. `first_frame_s` is the model's own first timestamp, and
    `frame_rate` comes from their spacing. `weights_hash` is over the module's name, the version of its distribution, or
    its source where it has none, and the state dict's names and bytes.
    """

    channels = 1

    def __init__(
        self,
        module: Any,
        weights: str | Path = "",
        pooling: str = "timestamps",
        *,
        name: str = "",
        device: str = "auto",
    ) -> None:
        """Load the model with the file `weights`, or as the module does without one; ask it about a clip of silence.

        `load_model` may fetch weights, and a module runs its own code: give only what you trust. The model is moved to
        `device` and frozen. `name` is another name for it.

        Raises ValueError for another pooling and for a model that gives other sizes than it declares, timestamps that
        are not evenly spaced or only one of them; TypeError for what is no such module, or whose model is no torch
        module; and what the module itself raises.
        """
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}: give {' or '.join(map(repr, POOLINGS))}")
        self._module, self._weights, self._kind = module, str(weights), POOLINGS[pooling]
        self.pooling, self.device = pooling, choose_device(device)
        called = str(getattr(module, "__name__", type(module).__name__))
        self.name = name or (f"{called}-scene" if pooling == "scene" else called)
        self._give = self._function(f"get_{self._kind}_embeddings")
        self._model = self._loaded()
        self.sample_rate = self._attribute("sample_rate")
        self.dim = self._attribute(f"{self._kind}_embedding_size")
        self._timestamps_ms: dict[int, NDArray[np.float64]] = {}  # by samples
        self.frame_rate = None if pooling == "scene" else self._ask_rate()
        known = f"{called} {_version(module)} {pooling}"
        self.weights_hash = digest(f"{known} {known_by(known, [self._model])}")

    def frames(self, n_samples: int) -> int:
        """Return how many timestamps the model gives for `n_samples`: it is asked once, with zeros. A scene has one."""
        return 1 if self.pooling == "scene" else len(self._asked(n_samples))

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch dim frame]` of `audio [batch 1 sample]`.

        Raises ValueError if the model gives other sizes than it declares, or other timestamps than for silence.
        """
        sound = self._input(audio)[:, 0]
        if self.pooling == "scene":
            return self._checked(self._run(sound), len(sound), 1)[..., None]
        embeddings, timestamps = self._run(sound)
        asked = self._asked(sound.shape[-1])
        given = _milliseconds(timestamps)
        if given.shape != (len(sound), len(asked)) or np.abs(given - asked).max() > _tolerance(timestamps, asked):
            raise ValueError(f"{self.name} gives other timestamps for this sound than for silence as long")
        return self._checked(embeddings, len(sound), len(asked)).transpose(1, 2).contiguous()

    def __reduce__(self) -> tuple[Callable[[], HearEncoder], tuple[()]]:
        """Be loaded again in another process, from the module's name: modules cannot be sent along."""
        called = getattr(self._module, "__name__", "")
        return partial(_again, called, self._weights, self.pooling, self.name, str(self.device), self.weights_hash), ()

    def _function(self, name: str) -> Callable[..., Any]:
        found = getattr(self._module, name, None)
        if not callable(found):
            raise TypeError(f"{self.name} is no module of the HEAR API: it has no function {name}")
        return found

    def _loaded(self) -> torch.nn.Module:
        load = self._function("load_model")
        model = load(self._weights) if self._weights else load()
        if any(one.__module__.partition(".")[0] in ("tensorflow", "keras") for one in type(model).__mro__):
            raise TypeError(f"{self.name}'s model is of TensorFlow, and models run in torch here: give a torch version")
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"{self.name}'s load_model gives {type(model).__name__}, not a torch.nn.Module")
        return model.eval().requires_grad_(False).to(self.device)

    def _attribute(self, name: str) -> int:
        found = getattr(self._model, name, None)
        if not isinstance(found, Real) or found < 1 or float(found) % 1:
            raise TypeError(f"{self.name}'s model has {name} {found!r}: HEAR wants a whole number above 0")
        return int(float(found))

    def _run(self, sound: torch.Tensor) -> Any:
        with torch.inference_mode():
            return self._give(sound, self._model)

    def _ask_rate(self) -> float:
        """Return frames a second, from the timestamps of a clip; their first is `first_frame_s`."""
        times = self._asked(samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, self.sample_rate))
        if len(times) < 2:
            raise ValueError(f"{self.name} gives {len(times)} timestamps for a clip, so no rate; use pooling='scene'")
        self.first_frame_s = float(times[0]) / 1000
        return 1000 * (len(times) - 1) / float(times[-1] - times[0])

    def _asked(self, n_samples: int) -> NDArray[np.float64]:
        """Return the timestamps of `n_samples`, in milliseconds."""
        if n_samples not in self._timestamps_ms:
            embeddings, timestamps = self._run(torch.zeros(1, n_samples, device=self.device))
            times = _milliseconds(timestamps)
            if times.ndim != 2 or len(times) != 1:
                raise ValueError(f"{self.name} gives timestamps {times.shape} for one sound, not [1 timestamp]")
            spacing = np.diff(times[0])
            if len(spacing) and not np.abs(spacing - spacing.mean()).max() <= _tolerance(timestamps, times):
                raise ValueError(
                    f"{self.name}'s timestamps are {spacing.min():g} to {spacing.max():g} ms apart, and frames have to "
                    "be evenly spaced; use pooling='scene'"
                )
            self._checked(embeddings, 1, len(times[0]))
            self._timestamps_ms[n_samples] = times[0]
        return self._timestamps_ms[n_samples]

    def _checked(self, embeddings: Any, sounds: int, frames: int) -> torch.Tensor:
        """Return embeddings as float32; raise ValueError unless they are of the sizes that the model declares."""
        found = torch.as_tensor(embeddings)
        wanted = (sounds, self.dim) if self.pooling == "scene" else (sounds, frames, self.dim)
        if tuple(found.shape) != wanted:
            raise ValueError(
                f"{self.name} gives {self._kind} embeddings {tuple(found.shape)}, but its "
                f"{self._kind}_embedding_size and timestamps say {wanted}"
            )
        return found.to(torch.float32)


def _milliseconds(timestamps: Any) -> NDArray[np.float64]:
    return torch.as_tensor(timestamps).detach().cpu().numpy().astype(np.float64)


def _tolerance(timestamps: Any, times: NDArray[np.float64]) -> float:
    """Return by how many milliseconds timestamps may differ: those in float32 are coarse after some seconds."""
    kind = torch.as_tensor(timestamps).dtype
    step = torch.finfo(kind).eps if kind.is_floating_point else 0.0
    return max(UNEVEN_MS, 2 * step * float(np.abs(times).max(initial=0.0)))


def _version(module: Any) -> str:
    """Return the version of the distribution that a module is of; where it is of none, a hash of its source."""
    called = str(getattr(module, "__name__", ""))
    found = metadata.packages_distributions().get(called.partition(".")[0], [])
    if found:
        return " ".join(f"{one} {metadata.version(one)}" for one in sorted(set(found)))
    file = getattr(module, "__file__", None)
    return file_digest(file) if file else ""


def _again(called: str, weights: str, pooling: str, name: str, device: str, weights_hash: str) -> HearEncoder:
    """Return the encoder of the module called so, in a process that can import it."""
    try:
        module = import_module(called)
    except (ImportError, ValueError) as error:  # the latter where it has no name
        raise ImportError(f"{name} needs the module {called!r}, which cannot be imported here; install it") from error
    encoder = HearEncoder(module, weights, pooling, name=name, device=device)
    if encoder.weights_hash != weights_hash:
        raise ValueError(f"{name} has other weights or another version here than where the work was begun")
    return encoder
