"""What encoders read by transformers or diffusers share: loading a folder, and refusing what that would fill by chance.

Both libraries give weights that a file lacks random values and only log it; here that is an error. Files are
safetensors, no code comes from a repository, and nothing is fetched while loading.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from latentfx_nb.encoders.base import TorchEncoder, frozen
from latentfx_nb.encoders.weights import HubWeights


class PretrainedEncoder(TorchEncoder):
    """An encoder whose network a library reads from a folder of the Hugging Face Hub's form.

    Sizes follow the folder's configuration; the attributes of the class are the published model's.
    """

    published: HubWeights
    library: str  # which is also the extra that installs it
    whole_frames = False  # whether what is left of the last frame is dropped
    takes_bf16 = True

    def _load(self, weights: str | Path | None) -> None:
        classes = self._library()
        folder = self.published.fetch(weights)
        try:
            network = self._read(classes, folder)
        except Exception as error:  # each library raises its own for torn files, other models and missing keys
            raise ValueError(
                f"{folder} holds no {self.name} that can be used ({type(error).__name__}: {str(error)[:400]}); the "
                f"published files are at {self.published.url}"
            ) from error
        self._network = frozen(network, self.device)
        self.weights_hash = self.published.hash(folder)

    def frames(self, n_samples: int) -> int:
        """Return how many frames `encode` gives for `n_samples`."""
        return n_samples // self.hop if self.whole_frames else super().frames(n_samples)

    def _declare(self, sample_rate: int, channels: int, dim: int, hop: int) -> None:
        """Take the sizes that a configuration gives; a clip has to fill one frame."""
        self.sample_rate, self.channels, self.dim, self.hop = sample_rate, channels, dim, hop
        self.frame_rate, self.shortest = sample_rate / hop, hop

    def _library(self) -> Any:
        try:
            return import_module(self.library)
        except ImportError as error:
            raise ImportError(f"{self.name} needs {self.library}: pip install 'latentfx-nb[{self.library}]'") from error

    def _read(self, library: Any, folder: Path) -> torch.nn.Module:
        """Return the network in `folder`, having declared the sizes that its configuration gives."""
        raise NotImplementedError


def read_folder(kind: Any, folder: Path, **options: Any) -> torch.nn.Module:
    """Return `kind.from_pretrained(folder)` in float32; raise ValueError if any of its weights is not in the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the kind of weight norm that a library builds with
        network, report = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
    absent = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", ())]))
    if absent:
        raise ValueError(f"{len(absent)} of its weights are missing or of another shape, {', '.join(absent[:3])} ...")
    return network.float()
