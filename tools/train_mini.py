"""Train the autoencoders that ship: audio, three networks, their weights and the figures of their card.

    python -m tools.train_mini diffae-mini --minutes 30
    python -m tools.train_mini stacked-mini-stage-1 --minutes 2.5
    python -m tools.train_mini stacked-mini-stage-2 --minutes 20
    python -m tools.train_mini card --real-clips FOLDER
    python -m tools.train_mini diffae-mini --minutes 4 --trial from-noise --layout residual=0 --losses diffusion=1

Needs FluidSynth and the FluidR3 soundfont (Debian: `apt install fluidsynth fluid-soundfont-gm`) and mido. Audio,
checkpoints and logs go to `--work`; started again, a run goes on from its last checkpoint. A budget in minutes ends
where the machine gets to, so two runs differ; the seeds and the audio do not. When a budget is spent, the weights are
written to `latentfx_nb/bundled/weights/`; those of a `--trial` are measured instead, on validation phrases and the
bundled clips.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from tqdm import tqdm

from latentfx_nb.cache import atomic_write, cache_dir
from latentfx_nb.encoders.devices import choose_device
from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder
from latentfx_nb.encoders.nets.feedforward import FeedForwardAutoencoder
from latentfx_nb.encoders.nets.parts import Layout
from latentfx_nb.encoders.sources.weights import SHIPPED
from tools import measures, training_audio
from tools.mini_losses import WEIGHTS, Texture, diffusion_losses, feedforward_losses

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
TRAINING_PIECES, VALIDATION_PIECES = 440, 16

LAYOUTS = {
    "diffae-mini": Layout(channels=2, hop=128, fast=24, slow=40),
    "stacked-mini-stage-1": Layout(
        channels=2, hop=32, fast=32, side=8, width=96, blocks=4, decoder_width=96, decoder_blocks=4
    ),
    "stacked-mini-stage-2": Layout(channels=32, hop=16, fast=12, slow=20, bands=16, width=192, decoder_width=256),
}
FIRST_STAGE = {"stacked-mini-stage-2": "stacked-mini-stage-1"}  # whose latents are the signal

CROP = 98_304  # samples: 2 s, long enough for what a time average should know
BATCH = 8
RATE = 1.2e-3
WARM_UP = 50  # steps
AVERAGING = 0.998  # of the weights that are kept, from step to step
WHITENING = 0.3  # of the coefficients; 1 would count treble as much as bass
SILENT = 0.04  # share of the excerpts that are turned down to nothing or nearly so
CHECKPOINT_STEPS = 200
TEMPERATURES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)

logger = logging.getLogger(__name__)


class Batches:
    """Random excerpts of the training clips, and what the network takes of them."""

    def __init__(self, work: Path, first: FeedForwardAutoencoder | None, device: torch.device) -> None:
        workers = os.cpu_count() or 1
        place = work / "audio" / "training"
        self.clips = training_audio.make(place, TRAINING_PIECES, training_audio.TRAINING_SEED, SOUNDFONT, workers)
        self.rng = np.random.default_rng(0)
        self.first, self.device = first, device

    def audio(self, count: int = BATCH) -> torch.Tensor:
        """Return `[count 2 sample]`."""
        audio = self.clips.crops(self.rng, count, CROP)
        silent = self.rng.random(count) < SILENT
        audio[silent] *= self.rng.choice(np.float32([0, 1e-3, 1e-2]), (int(silent.sum()), 1, 1))
        return torch.from_numpy(audio).to(self.device)

    @torch.no_grad()
    def signal(self, audio: torch.Tensor) -> torch.Tensor:
        """Return what the network takes: the audio, or the first stage's latents of it."""
        if self.first is None:
            return audio
        with torch.autocast(audio.device.type, torch.bfloat16):
            return self.first.encode(audio).float()


class Trainer:
    """One network in training: its losses, its averaged weights, and a checkpoint that holds all of it."""

    def __init__(self, model: str, trial: str, changes: dict, losses: dict, work: Path, device: torch.device) -> None:
        torch.manual_seed(0)
        name, layout = model, replace(LAYOUTS[model], **changes)
        self.layout, self.device = layout, device
        self.weights = WEIGHTS | losses
        self.path = work / f"{trial or model}.ckpt"
        self.step, self.seconds = 0, 0.0
        self.diffuses = not name.endswith("stage-1")
        self.model = (DiffusionAutoencoder if self.diffuses else FeedForwardAutoencoder)(layout).to(device)
        first = load_checkpoint(work, FIRST_STAGE[name]).to(device) if name in FIRST_STAGE else None
        self.batches = Batches(work, first, device)
        self.texture = Texture(layout.dim).to(device) if self.diffuses else None
        self._fit_scales()
        self.parameters = [*self.model.parameters(), *(self.texture.parameters() if self.texture else [])]
        self.optimiser = torch.optim.AdamW(self.parameters, RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        if self.path.exists():
            self._resume()

    @torch.no_grad()
    def _fit_scales(self) -> None:
        """Divide every coefficient by its usual size, a part of the way to white."""
        audio = self.batches.audio(128)
        size = torch.stack([self._size(part) for part in audio.split(32)]).mean(0).sqrt()[:, None] + 1e-6
        scale = size**WHITENING * size.mean() ** (1 - WHITENING)
        # Without companding, four times the usual size leaves tanh room for peaks.
        self.model.spectrum.scale.copy_(scale if self.diffuses else 4 * scale)
        if self.texture:
            self.texture.fit_scale(audio)

    def _size(self, audio: torch.Tensor) -> torch.Tensor:
        return self.model.spectrum(self.batches.signal(audio)).square().mean((0, 2))

    def run(self, minutes: float) -> None:
        """Train until `minutes` are spent, checkpoints before a restart counted in."""
        with tqdm(total=round(minutes * 60), initial=round(self.seconds), unit="s", desc=self.path.stem) as bar:
            recent: dict[str, float] = {}
            while self.seconds < minutes * 60:
                began = time.monotonic()
                losses = self._train_step(self.seconds / (minutes * 60))
                for name, value in losses.items():
                    recent[name] = 0.98 * recent.get(name, value) + 0.02 * value
                self.step += 1
                self.seconds += time.monotonic() - began
                bar.update(round(self.seconds) - bar.n)
                if self.step % 25 == 0:
                    bar.set_postfix_str(" ".join(f"{name} {value:.3f}" for name, value in recent.items()))
                if self.step % CHECKPOINT_STEPS == 0:
                    self._save()
                    self._log(recent)
        self._save()

    def _train_step(self, share: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * min(1, (self.step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * min(share, 1)))
        audio = self.batches.audio()
        if self.diffuses:
            losses, latents = diffusion_losses(self.model, self.batches.signal(audio))
            losses["texture"] = self.texture(latents, audio)
        else:
            losses = feedforward_losses(self.model, audio)
        self.optimiser.zero_grad()
        sum(self.weights.get(name, 1.0) * value for name, value in losses.items()).backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        keep = min(AVERAGING, 1 - 1 / (self.step / 10 + 1))  # forgets its random start soon
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 1 - keep)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _save(self) -> None:
        state = {
            "layout": asdict(self.layout), "step": self.step, "seconds": self.seconds, "average": self.average,
            "model": self.model.state_dict(), "texture": self.texture.state_dict() if self.texture else {},
            "optimiser": self.optimiser.state_dict(), "torch": torch.get_rng_state(),
            "numpy": json.dumps(self.batches.rng.bit_generator.state),
        }  # fmt: skip
        with atomic_write(self.path) as file:
            torch.save(state, file)

    def _resume(self) -> None:
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        if state["layout"] != asdict(self.layout):
            raise ValueError(f"{self.path} has another layout, {state['layout']}; delete it or choose another --work")
        self.model.load_state_dict(state["model"])
        if self.texture:
            self.texture.load_state_dict(state["texture"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.seconds = state["average"], state["step"], state["seconds"]
        torch.set_rng_state(state["torch"].cpu())
        self.batches.rng.bit_generator.state = json.loads(state["numpy"])

    def _log(self, losses: dict[str, float]) -> None:
        with open(self.path.with_suffix(".jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(self.seconds), **losses}) + "\n")


def load_checkpoint(work: Path, name: str) -> nn.Module:
    """Return the averaged network of a checkpoint, frozen; raise FileNotFoundError if it was not trained yet."""
    path = work / f"{name}.ckpt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: train {name} first")
    state = torch.load(path, map_location="cpu", weights_only=True)
    layout = Layout(**state["layout"])
    model = (FeedForwardAutoencoder if name.endswith("stage-1") else DiffusionAutoencoder)(layout)
    model.load_state_dict(state["average"])
    return model.eval().requires_grad_(False)


def validation_clips(work: Path) -> training_audio.Clips:
    """Return clips of pieces that no network is trained on."""
    place, seed = work / "audio" / "validation", training_audio.VALIDATION_SEED
    return training_audio.make(place, VALIDATION_PIECES, seed, SOUNDFONT, os.cpu_count() or 1)


@torch.no_grad()
def tune_temperature(model: DiffusionAutoencoder, first: FeedForwardAutoencoder | None, work: Path) -> None:
    """Set the noise of sampling to what comes nearest in log-mel on validation clips, which are phrases of our own."""
    clips = validation_clips(work)
    distances = np.zeros(len(TEMPERATURES))
    for row in range(0, len(clips), 2):
        sound = clips.clip(row)
        signal = torch.from_numpy(sound)[None]
        latents = model.encode(signal if first is None else first.encode(signal))
        for index, temperature in enumerate(TEMPERATURES):
            drawn = model.sample(latents, 0, 8, temperature)
            decoded = drawn if first is None else first.decode(first.without_faint_side(drawn))
            decoded = decoded[0, :, : sound.shape[1]].numpy()
            distances[index] += measures.log_mel_l1(sound, decoded)
    logger.info("log-mel distance by temperature: %s", dict(zip(TEMPERATURES, distances.round(3), strict=True)))
    model.temperature.fill_(TEMPERATURES[int(distances.argmin())])


def publish(name: str, work: Path, folder: Path = SHIPPED) -> Path:
    """Write the weights of a checkpoint as float16 safetensors, with the list of digests; return the path."""
    model = load_checkpoint(work, name)
    if isinstance(model, DiffusionAutoencoder):
        tune_temperature(model, load_checkpoint(work, FIRST_STAGE[name]) if name in FIRST_STAGE else None, work)
    state = torch.load(work / f"{name}.ckpt", map_location="cpu", weights_only=True)
    # Scales span more than half precision holds.
    kept = {key: value if "scale" in key else value.half() for key, value in model.state_dict().items()}
    header = {
        "model": name,
        "network": type(model).__name__,
        "layout": json.dumps(state["layout"]),
        "steps": str(state["step"]),
        "minutes": f"{state['seconds'] / 60:.0f}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    with atomic_write(path) as file:
        file.write(save({key: value.contiguous() for key, value in kept.items()}, header))
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in sorted(folder.glob("*.safetensors"))]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Train one network, or measure what was trained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=[*LAYOUTS, "card"])
    parser.add_argument("--minutes", type=float, default=25.0, help="time budget (default: %(default)s)")
    parser.add_argument("--work", type=Path, default=cache_dir() / "training", help="audio, checkpoints and logs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--trial", default="", help="name of a design that is measured and not shipped")
    parser.add_argument("--layout", nargs="*", default=[], metavar="NAME=NUMBER", help="changes to the layout")
    parser.add_argument("--losses", nargs="*", default=[], metavar="NAME=NUMBER", help="changes to the losses' weights")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for weights and card figures")
    parser.add_argument("--real-clips", type=Path, help="held-out recordings, for the card")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.what == "card":
        from tools.mini_card import write_card

        write_card(arguments.real_clips, arguments.out)
        return
    changes, losses = (
        {k: kind(v) for k, v in (one.split("=") for one in given)}
        for kind, given in ((int, arguments.layout), (float, arguments.losses))
    )
    device = choose_device(arguments.device)
    Trainer(arguments.what, arguments.trial, changes, losses, arguments.work, device).run(arguments.minutes)
    if arguments.trial:
        from tools.mini_card import trial_figures

        model = load_checkpoint(arguments.work, arguments.trial)
        logger.info("%s: %s", arguments.trial, trial_figures(model, arguments.trial, validation_clips(arguments.work)))
    else:
        logger.info("wrote %s", publish(arguments.what, arguments.work, arguments.out))


if __name__ == "__main__":
    main()
