"""The guide to the encoders: it names each one as it is, and its recipes run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import latentfx_nb as lfx
from latentfx_nb.encoders import list_encoders, load_encoder, registry
from latentfx_nb.paper import CLIP_SAMPLES
from latentfx_nb.sound import audio

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "encoders.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"### (\w+)\n.*?```python\n(.*?)```", GUIDE, re.DOTALL))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", {})


def rows():
    """Encoder name -> its row of the guide's table."""
    found = {}
    for line in GUIDE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found |= dict.fromkeys(re.findall(r"`([\w-]+)`", cells[0]), cells)
    return found


def test_the_table_has_every_encoder_and_no_other():
    assert sorted(rows()) == sorted(list_encoders().index)


@pytest.mark.parametrize("name", list_encoders().index)
def test_sizes_and_decoders_are_as_the_encoders_declare(name):
    model = registry.BUILT_IN[name].model
    samples = audio.samples_at(CLIP_SAMPLES, 48_000, model.sample_rate)
    frames = object.__new__(model).frames(samples)  # loaded or not, it declares as many
    cells = rows()[name]
    assert f"{model.dim} x {frames}" in cells[1]
    assert ("stereo" in cells[2]) == (model.channels == 2) and f"{model.sample_rate / 1000:g} kHz" in cells[2]
    assert cells[3].startswith("yes") == hasattr(model, "decode")


def test_the_recipe_for_mimi(tmp_path, monkeypatch):
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    MimiModel(
        MimiConfig(hidden_size=512, num_filters=2, num_hidden_layers=1, intermediate_size=8, num_attention_heads=2,
                   num_key_value_heads=2, head_dim=16, codebook_size=8, codebook_dim=8, num_quantizers=2,
                   vector_quantization_hidden_dimension=8)
    ).save_pretrained(tmp_path)  # fmt: skip
    real, asked = MimiModel.from_pretrained, []

    def from_pretrained(repo, **options):
        asked.append((repo, options.pop("revision")))
        return real(tmp_path, **options)

    monkeypatch.setattr(MimiModel, "from_pretrained", from_pretrained)
    exec(RECIPES["Mimi"], {"lfx": lfx})
    mimi = load_encoder("mimi")
    assert mimi.frames(131_072) == 69
    x = 0.1 * torch.randn(1, 1, 131_072)
    with torch.no_grad():
        codes = mimi.model.encode(x).audio_codes
        ours = mimi.model.quantizer.encode(mimi.encode(x)).transpose(0, 1)
    assert torch.equal(codes, ours)  # these are the latents that it quantises
    ((repo, revision),) = asked
    assert repo == "kyutai/mimi" and re.fullmatch("[0-9a-f]{40}", revision)


def test_the_recipe_for_music2latent(monkeypatch):
    """Against a stand-in of its package's signature: [channel sample] in, [channel 64 frame] out, and back."""

    class EncoderDecoder:
        def encode(self, sound):
            assert sound.ndim == 2
            frames = (sound.shape[-1] - 3 * 512) // 4096
            blocks = sound[:, : 4096 * frames].unflatten(-1, (frames, 64, 64))
            return blocks.std(-1).transpose(1, 2)

        def decode(self, latents):
            return np.repeat(latents.mean(1).numpy(), 4096, axis=-1) * torch.rand(1).item()

    module = ModuleType("music2latent")
    module.EncoderDecoder = EncoderDecoder
    monkeypatch.setitem(sys.modules, "music2latent", module)
    exec(RECIPES["Music2Latent"], {"lfx": lfx})
    model = load_encoder("music2latent")
    assert model.frames(240_845) == 58
    assert model.decode(torch.ones(2, 64, 3), seed=1).shape == (2, 1, 12_288)
