"""A module of the HEAR API: 24 sums of a fixed log-mel spectrum, every 25 ms."""

from __future__ import annotations

import torch

RATE = 16_000
HOP = 400
BANDS = 40
DIM = 24


class Projection(torch.nn.Module):
    """Log-magnitudes in 40 bands, of which 24 sums are taken."""

    sample_rate = RATE
    timestamp_embedding_size = DIM
    scene_embedding_size = 2 * DIM

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("bands", torch.rand(BANDS, 513, generator=generator) / 513)
        self.projection = torch.nn.Linear(BANDS, DIM)
        self.projection.weight.data = torch.randn(DIM, BANDS, generator=generator) / BANDS**0.5
        self.projection.bias.data.zero_()
        self.noise = torch.nn.Dropout(0.5)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return `[sound timestamp 24]` of `audio [sound sample]`."""
        window = torch.hann_window(1024, device=audio.device)
        spectra = torch.stft(audio, 1024, HOP, window=window, return_complex=True).abs()
        return self.noise(self.projection((self.bands @ spectra + 1e-4).log().transpose(1, 2)))


def load_model(model_file_path: str = "") -> Projection:
    """Return the model; a file holds its state dict."""
    model = Projection()
    if model_file_path:
        model.load_state_dict(torch.load(model_file_path, weights_only=True))
    return model


def get_timestamp_embeddings(audio: torch.Tensor, model: Projection) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings `[sound timestamp 24]` and their centres `[sound timestamp]` in ms."""
    embeddings = model(audio)
    timestamps = torch.arange(embeddings.shape[1]) * (1000 * HOP / RATE)
    return embeddings, timestamps.expand(len(audio), -1)


def get_scene_embeddings(audio: torch.Tensor, model: Projection) -> torch.Tensor:
    """Return mean and deviation over time, `[sound 48]`."""
    embeddings, _ = get_timestamp_embeddings(audio, model)
    return torch.cat([embeddings.mean(1), embeddings.std(1)], 1)
