"""The base of encoders that transformers or diffusers read from a folder; incomplete weights are refused.

Both libraries only log which weights a file lacks, and give them random values; here that is an error. Files are
safetensors, no code comes from a repository, and nothing is fetched while loading.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.devices import out_of_memory
from latentfx_nb.encoders.entry import Entry
from latentfx_nb.encoders.sources.weights import HubWeights


class PretrainedEncoder(TorchEncoder):
    """An encoder whose network a library reads from a folder of the Hugging Face Hub's form.

    Sizes follow the folder's configuration; the attributes of the class are the published model's.
    """

    published: HubWeights
    library: str  # also the name of the extra that installs it
    strides: Sequence[int] = ()  # first layer first, of an encoder that drops an incomplete last frame
    takes_bf16 = True
    _network: Any  # the library's own class

    def _load(self, weights: str | Path | None) -> None:
        classes = self._library()
        folder = self.published.fetch(weights)
        try:
            network = self._read(classes, folder)
        except Exception as error:  # each library raises its own for torn files, other models and missing keys
            if out_of_memory(error):
                raise
            raise ValueError(
                f"{folder} holds no {self.name} that can be used ({type(error).__name__}: "
                f"{shorten(str(error), 400)}); the "
                f"published files are at {self.published.url}"
            ) from error
        self._network = frozen(network, self.device)
        self.weights_hash = self.published.hash(folder)

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`."""
        if not self.strides:
            return super().frames(n_samples)
        for stride in self.strides:
            # A layer pads by half its stride, rounded up, on either side: an odd stride sees one sample more.
            n_samples = (n_samples + stride % 2) // stride
        return n_samples

    def _declare(self, sample_rate: int, channels: int, dim: int, strides: Sequence[int]) -> None:
        """Take the sizes that a configuration gives; a clip has to fill one frame."""
        self.sample_rate, self.channels, self.dim, self.hop = sample_rate, channels, dim, math.prod(strides)
        self.frame_rate, self.shortest = sample_rate / self.hop, self.hop
        if self.strides:
            self.strides = tuple(strides)

    def _library(self) -> Any:
        try:
            return import_module(self.library)
        except ImportError as error:
            raise ImportError(f"{self.name} needs {self.library}: pip install 'latentfx-nb[{self.library}]'") from error

    def _read(self, library: Any, folder: Path) -> Any:
        """Return the network in `folder`, having declared the sizes that its configuration gives."""
        raise NotImplementedError


class PretrainedCodec(PretrainedEncoder):
    """A codec: its latents are those before its residual quantiser, or with `quantizers` those after so many of it."""

    def _keep_quantisers(self, network: Any, most: int) -> None:
        """Drop the network's quantiser if it is not needed; raise ValueError if it has fewer than are asked for."""
        wanted = self.variant.get("quantizers", 0)
        if wanted > most:
            raise ValueError(f"it has {most} quantizers, so not {wanted}")
        if not wanted:
            del network.quantizer

    def _codec_latents(self, sound: torch.Tensor) -> torch.Tensor:
        """Return `[batch dim frame]` of what the network takes, `sound [batch channel sample]`."""
        if "quantizers" not in self.variant:
            return self._before(sound)
        # One clip at a time: in a batch sums run in another order, and choosing an entry turns 1e-7 into a step.
        return torch.cat([self._after(self._before(one), self.variant["quantizers"]) for one in sound.split(1)])

    def _before(self, sound: torch.Tensor) -> torch.Tensor:
        """Return latents before the quantiser."""
        raise NotImplementedError

    def _after(self, latents: torch.Tensor, quantizers: int) -> torch.Tensor:
        """Return what the first `quantizers` make of `latents`: the sum of what each chooses for what is left."""
        raise NotImplementedError


def read_folder(kind: Any, folder: Path, **options: Any) -> Any:
    """Return `kind.from_pretrained(folder)` in float32; raise ValueError if any of its weights is not in the file."""
    with warnings.catch_warnings(), _without_bars(kind):
        warnings.simplefilter("ignore", FutureWarning)  # of the kind of weight norm that a library builds with
        network, report = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in the report, by name, and refused below
            **options,
        )
    absent = sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])])
    if absent:
        raise ValueError(f"{len(absent)} of its weights are missing or of another shape, {', '.join(absent[:3])} ...")
    return network.float()


@contextmanager
def _without_bars(kind: type) -> Iterator[None]:
    """Keep the library of a class from drawing a bar while it reads a file that is here."""
    logging = import_module(f"{kind.__mro__[1].__module__.partition('.')[0]}.utils.logging")
    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def published_entry(model: type[PretrainedEncoder], licence: str) -> Entry:
    """Return the entry of a model that its library's extra, which is called after the library, can load."""
    return Entry(model, licence, model.published, extra=model.library, requires=model.library)
