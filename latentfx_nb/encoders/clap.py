"""`clap-music`: LAION's CLAP for music, one vector a clip in the space it shares with text.

Weights: https://huggingface.co/laion/larger_clap_music (Apache-2.0), read by transformers, the audio half only. Model:
Wu et al. 2023, "Large-scale contrastive language-audio pretraining", https://arxiv.org/abs/2211.06687.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch

from latentfx_nb.encoders.pretrained import PretrainedEncoder, published_entry, read_folder
from latentfx_nb.encoders.sources.weights import HubWeights
from latentfx_nb.encoders.variants import Possible

WEIGHTS = HubWeights(
    "clap-music",
    "laion/larger_clap_music",
    "4189a948e5e2aaa5df3e69da506e54513e977191",  # proposed to the repository, whose main branch has a pickle only
    776.3,
    ("config.json", "model.safetensors", "preprocessor_config.json"),
    sha256={"model.safetensors": "013f1d40b8981b5dd741c0ccc444ae6cf8485d7cd4333892bcb2c6e8c3047064"},
)


class ClapMusic(PretrainedEncoder):
    """CLAP's music model at 48 kHz mono: one 512-vector of length 1 a clip, of its first ten seconds.

    `layer=i` is what stage i of its transformer gives, averaged over time and frequency, as wide as that stage.
    """

    name = "clap-music"
    sample_rate = 48_000
    channels = 1
    dim = 512
    hop = 1
    frame_rate = None
    published = WEIGHTS
    library = "transformers"
    variants: ClassVar[Possible] = {"layer": range(1, 5)}

    def _read(self, library: Any, folder: Path) -> Any:
        self._features = library.ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
        if self._features.truncation != "rand_trunc":
            raise ValueError(
                f"it hears clips by {self._features.truncation!r}, which draws at random; rand_trunc is read"
            )
        network = read_folder(_audio_half(library), folder)
        if network.config.enable_fusion:
            raise ValueError(
                "it fuses several views of a clip, which are drawn at random; one without enable_fusion is read"
            )
        self.sample_rate, self.dim = self._features.sampling_rate, network.config.projection_dim
        if layer := self.variant.get("layer"):
            self.dim = _width(network.config, layer)
        return network

    def frames(self, n_samples: int) -> int:
        """Return 1: a clip of any length is one vector."""
        return 1

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[batch 512 1]`, unit vectors, of `audio [batch 1 sample]`; a `layer`'s are of any length.

        As in the model's own preparation silence fills what a clip lacks to ten seconds; one of less than half of that
        is repeated first, as often as all of it fits in.
        """
        # Cut here: the model's own preparation would cut longer sound at a random place.
        sounds = self._input(audio)[:, 0, : self._features.nb_max_samples].cpu().numpy()
        heard = self._features(list(sounds), sampling_rate=self.sample_rate, return_tensors="pt")
        layer = self.variant.get("layer")
        with self._precision():
            features = heard["input_features"].to(self.device, torch.float32)
            found = self._network(input_features=features, output_hidden_states=layer is not None)
        if layer is not None:
            return found.hidden_states[layer].float().mean((2, 3))[..., None]
        return torch.nn.functional.normalize(found.audio_embeds.float(), dim=-1)[..., None]


def _width(config: Any, layer: int) -> int:
    """Return the channels that a stage gives; all but the last halve the map and double them."""
    stages = len(config.depths)
    if layer > stages:
        raise ValueError(f"it has {stages} layers, so no layer {layer}")
    return config.patch_embeds_hidden_size * 2 ** min(layer, stages - 1)


def _audio_half(library: Any) -> type:
    """Return the class of the network without its text half, the larger one, whose weights the file holds all the same.

    transformers prints a table of all weights that it has no place for, except those that a class names so.
    """
    left_out = {"_keys_to_ignore_on_load_unexpected": ["^text_model", "^text_projection", "^logit_scale"]}
    return type("ClapAudioHalf", (library.ClapAudioModelWithProjection,), left_out)


ENTRIES = (published_entry(ClapMusic, "Apache-2.0"),)
