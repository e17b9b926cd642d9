"""The figures of the shipped models' card, measured on held-out real recordings and on the bundled clips.

`python -m tools.train_mini card --real-clips FOLDER` writes `figures.json` beside the weights and the tables of
`CARD.md` between its markers. No clip measured here was trained on: real recordings never, and the bundled phrases'
seeds are kept out of training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from latentfx_nb.analysis.claims import VERDICTS, compare_claims, paper_claims, row_measures
from latentfx_nb.analysis.intervals import accuracy_interval
from latentfx_nb.analysis.prepared import path_clips
from latentfx_nb.effects import EFFECTS, Setting, render_many
from latentfx_nb.encoders import load_encoder
from latentfx_nb.encoders.mini import DiffAEMini
from latentfx_nb.encoders.nets.diffusion import DiffusionAutoencoder
from latentfx_nb.encoders.nets.texture import TextureStatistics
from latentfx_nb.encoders.running import decode_latents, encode_clips
from latentfx_nb.encoders.untrained import untrained
from latentfx_nb.paper import KNOB_RANGES, KNOB_VALUES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import normalise
from latentfx_nb.sound.clips import ClipSet, load_clips
from latentfx_nb.store.encode import encode_effects, encode_sweep
from tools import measures

DECODING = ("diffae-mini", "stacked-mini-1-encoder", "stacked-mini-2")
PROBED = ("diffae-mini", "random weights", "stacked-mini-2", "logmel", "64 MDCT bins")
SWEPT = ("diffae-mini", "random weights", "stacked-mini-2", "logmel", "64 MDCT bins")
CUTOFF_VALUES = 8

logger = logging.getLogger(__name__)


class MDCTBins(DiffAEMini):
    """No learning at all: the lowest 64 of the mid channel's 128 coefficients, up to 12 kHz."""

    name = "64 MDCT bins"
    weights_hash = hashlib.sha256(b"64 mid MDCT bins, hop 128").hexdigest()

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        audio = torch.nn.functional.pad(audio, (0, -audio.shape[-1] % self.hop))
        return self._models[0].spectrum(audio)[:, : self.dim]

    def decode(self, latents: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        missing = 2 * self.hop - self.dim
        return self._models[0].spectrum.inverse(torch.nn.functional.pad(latents, (0, 0, 0, missing)))


def _encoder(name: str):
    if name == "random weights":
        return untrained(DiffAEMini.name, 0, "cpu")
    return MDCTBins("cpu") if name == MDCTBins.name else load_encoder(name, "cpu")


# ------------------------------------------------------------------------------------------------------------ fidelity


def fidelity(encoder, clips: ClipSet) -> dict[str, float]:
    """Return how near clips at -28 LUFS come back through encoder and decoder, latents kept as float16."""
    sounds = [normalise(clip, SAMPLE_RATE_HZ) for clip in clips]
    latents = [encode_clips(encoder, [sound])[0].astype(np.float16) for sound in sounds]
    decoded = [decode_latents(encoder, one, sounds[0].shape[-1]) for one in tqdm(latents, desc=encoder.name)]
    shuffled = [measures.si_sdr_db(sounds[row - 1], one) for row, one in enumerate(decoded)]
    si_sdr = [measures.si_sdr_db(*pair) for pair in zip(sounds, decoded, strict=True)]
    mel = [measures.log_mel_l1(*pair) for pair in zip(sounds, decoded, strict=True)]
    chroma = [measures.chroma_correlation(*pair) for pair in zip(sounds, decoded, strict=True)]
    silence = np.zeros_like(sounds[0])
    back = decode_latents(encoder, encode_clips(encoder, [silence])[0], silence.shape[-1])
    return {
        "si_sdr_db_median": float(np.median(si_sdr)),
        "si_sdr_db_10th": float(np.percentile(si_sdr, 10)),
        "log_mel_l1_median": float(np.median(mel)),
        "chroma_median": float(np.median(chroma)),
        "shuffled_si_sdr_db_median": float(np.median(shuffled)),
        "silence_peak_dbfs": float(20 * np.log10(np.abs(back).max() + 1e-12)),
        "edge_error_db": float(np.median([_edge_error_db(*pair) for pair in zip(sounds, decoded, strict=True)])),
    }


def _edge_error_db(sound: NDArray, decoded: NDArray, samples: int = 256) -> float:
    """Return how much louder the error is in the outermost 5 ms than over the clip: a click would stand out."""
    error = decoded - sound
    edges = np.concatenate([error[:, :samples], error[:, -samples:]], axis=1)
    return float(10 * np.log10((np.mean(edges**2) + 1e-16) / (np.mean(error**2) + 1e-16)))


def costs(encoder, clip: NDArray) -> dict[str, float]:
    """Return milliseconds of encoding and decoding one clip, medians of five."""
    latents = encode_clips(encoder, [clip])
    return {
        "encode_ms": _median_ms(lambda: encode_clips(encoder, [clip])),
        "decode_ms": _median_ms(lambda: decode_latents(encoder, latents[0], clip.shape[-1])),
    }


def _median_ms(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


# ------------------------------------------------------------------------------------------------- what latents carry


def encoded(encoder, sets: list[ClipSet], average: bool) -> xr.DataArray:
    """Return latents or their averages of all clip sets through ten effects, one below the other."""
    return xr.concat([encode_effects(clips, encoder, average=average) for clips in sets], "clip")


def paths_of(encoder, sets: list[ClipSet], effect: str, n: int) -> xr.DataArray:
    """Return time averages `(clip, value, dim)` along a knob, of all clip sets."""
    return xr.concat([encode_sweep(clips, encoder, effect, n, average=True) for clips in sets], "clip")


def cutoff_r2(paths: xr.DataArray) -> float:
    """Return the held-out R^2 of a ridge regression from time averages to the logarithm of the cutoff.

    Five folds by recording; the penalty is chosen inside each training part, by recording too.
    """
    clips, values = paths.sizes["clip"], paths.sizes["value"]
    x = paths.transpose("clip", "value", "dim").values.reshape(clips * values, -1)
    y = np.tile(np.log(paths["value"].values), clips)
    groups = np.repeat(paths["recording"].values, values)
    predicted = np.empty_like(y)
    for train, test in GroupKFold(5).split(x, y, groups):
        inner = {alpha: _ridge_error(x[train], y[train], groups[train], alpha) for alpha in np.logspace(-1, 5, 13)}
        predicted[test] = _ridge(x[train], y[train], x[test], min(inner, key=inner.get))
    return float(r2_score(y, predicted))


def cutoff_ceiling(sets: list[ClipSet], effect: str) -> float:
    """Return the held-out R^2 that a forest of trees reaches from the same renders' texture statistics.

    No latents and nothing linear: what is to be had from a spectrum of recordings that were not heard before.
    """
    texture = TextureStatistics()
    knob = [Setting(effect, float(value)) for value in EFFECTS[effect].knob().values(CUTOFF_VALUES)]
    rows, y, groups = [], [], []
    for clips in sets:
        for renders, recording in zip(render_many(clips, knob), clips.table["recording"], strict=True):
            rows.append(texture.statistics(torch.from_numpy(np.stack(renders))).mean(-1).numpy())
            y += [np.log(setting.value) for setting in knob]
            groups += [recording] * len(knob)
    x, y = np.concatenate(rows), np.array(y)
    forest = ExtraTreesRegressor(300, max_features=0.3, random_state=0, n_jobs=-1)
    predicted = cross_val_predict(forest, x, y, groups=groups, cv=GroupKFold(5))
    return float(r2_score(y, predicted))


def _ridge(x: NDArray, y: NDArray, new: NDArray, alpha: float) -> NDArray:
    scale = StandardScaler().fit(x)
    return Ridge(alpha).fit(scale.transform(x), y).predict(scale.transform(new))


def _ridge_error(x: NDArray, y: NDArray, groups: NDArray, alpha: float) -> float:
    return sum(np.square(_ridge(x[a], y[a], x[b], alpha) - y[b]).sum() for a, b in GroupKFold(4).split(x, y, groups))


def emptiness_of(latents: xr.DataArray) -> dict[str, float]:
    """Return the median emptiness over dims, and the tenths of them that swing most and least."""
    values = latents.transpose("clip", "effect", "dim", "frame").values
    by_dim = measures.emptiness(values.reshape(-1, *values.shape[2:]))
    low, median, high = np.percentile(by_dim, (10, 50, 90))
    return {"median": float(median), "10th": float(low), "90th": float(high)}


def trial_figures(network: DiffusionAutoencoder, name: str, validation) -> dict[str, float]:
    """Return the figures that designs are chosen by: fidelity on validation phrases, probes on the bundled clips."""
    trial = type("Trial", (DiffAEMini,), {"name": name, "dim": network.layout.dim})("cpu")
    trial._models = [network]
    trial.weights_hash = hashlib.sha256(network.state_dict()["enter.weight"].numpy().tobytes()).hexdigest()
    network.temperature.fill_(0.5)
    sounds = [validation.clip(row) for row in range(0, len(validation), 2)]
    decoded = [decode_latents(trial, encode_clips(trial, [sound])[0], sound.shape[-1]) for sound in sounds]
    bundled = load_clips("bundled")
    latents, means = encode_effects(bundled, trial), encode_effects(bundled, trial, average=True)
    rows = row_measures(latents, means)
    cutoffs = {effect: encode_sweep(bundled, trial, effect, 8, average=True) for effect in ("HPF", "LPF")}
    return {
        "si_sdr_db": float(np.median([measures.si_sdr_db(*pair) for pair in zip(sounds, decoded, strict=True)])),
        "log_mel_l1": float(np.median([measures.log_mel_l1(*pair) for pair in zip(sounds, decoded, strict=True)])),
        "probe_mean": float(rows["hit_mean"].mean()),
        "probe_flat": float(rows["hit_flat"].mean()),
        **{f"r2_{effect}": cutoff_r2(path) for effect, path in cutoffs.items()},
        **{f"emptiness_{part}": value for part, value in emptiness_of(latents).items()},
    }


# ---------------------------------------------------------------------------------------------------------------- card


def figures(real_clips: Path) -> dict:
    """Return every figure of the card."""
    real, bundled = load_clips(real_clips), load_clips("bundled")
    sets = [real, bundled]
    found: dict = {"real_clips": len(real), "clips": len(real) + len(bundled), "threads": torch.get_num_threads()}
    found["weights"] = {name: _encoder(name).weights_hash for name in DECODING}
    found["fidelity"] = {name: fidelity(_encoder(name), real) for name in (*DECODING, MDCTBins.name)}
    found["cost"] = {name: costs(_encoder(name), bundled[0]) for name in (*DECODING, "stacked-mini-1")}
    rows, claims, found["latents"], found["against_flattened"] = {}, {}, {}, {}
    for name in PROBED:
        encoder = _encoder(name)
        latents, means = encoded(encoder, sets, False), encoded(encoder, sets, True)
        logger.info("%s: probing", name)
        rows[name] = row_measures(latents, means)
        found["latents"][name] = _latent_figures(rows[name], latents)
        if name in SWEPT:
            cutoffs = {effect: paths_of(encoder, sets, effect, CUTOFF_VALUES) for effect in ("HPF", "LPF")}
            found["latents"][name]["cutoff_r2"] = {effect: cutoff_r2(path) for effect, path in cutoffs.items()}
        if name in ("diffae-mini", "stacked-mini-2"):
            few = [path_clips(clips) for clips in sets]
            paths = {effect: paths_of(encoder, few, effect, KNOB_VALUES) for effect in KNOB_RANGES}
            claims[name] = paper_claims(latents, means, paths, rows[name])
    found["cutoff_ceiling"] = {effect: cutoff_ceiling(sets, effect) for effect in ("HPF", "LPF")}
    trained, random = rows["diffae-mini"], rows["random weights"]
    found["against_random"] = _difference(trained["hit_mean"], random["hit_mean"])
    parts = {"all": slice(None), "real": slice(len(real)), "bundled": slice(len(real), None)}
    for part, clips in parts.items():
        of_part = trained.isel(clip=clips)
        found["against_flattened"][part] = _difference(of_part["hit_mean"], of_part["hit_flat"])
    found["stacked_against_diffae"] = _difference(rows["stacked-mini-2"]["hit_mean"], trained["hit_mean"])
    claims["stacked-mini-2 and diffae-mini"] = compare_claims(
        {"stacked-mini-2": rows["stacked-mini-2"], "diffae-mini": trained}
    )
    found["claims"] = {name: table.to_dict("records") for name, table in claims.items()}
    return found


def _latent_figures(rows: xr.Dataset, latents: xr.DataArray) -> dict:
    recordings = np.repeat(rows["recording"].values, rows.sizes["effect"])
    return {
        "mean": accuracy_interval(rows["hit_mean"].values.ravel(), recordings),
        "flat": accuracy_interval(rows["hit_flat"].values.ravel(), recordings),
        "by_effect": dict(
            zip(rows["effect"].values.tolist(), rows["hit_mean"].mean("clip").values.tolist(), strict=True)
        ),
        "emptiness": emptiness_of(latents),
    }


def _difference(one: xr.DataArray, other: xr.DataArray) -> list[float]:
    recordings = np.repeat(one["recording"].values, one.sizes["effect"])
    return list(accuracy_interval(one.values.ravel(), recordings, other.values.ravel()))


def write_card(real_clips: Path, folder: Path) -> None:
    """Measure everything, and write `figures.json` and the tables of `CARD.md`."""
    found = figures(real_clips)
    (folder / "figures.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    write_tables(found, folder / "CARD.md")


def write_tables(found: dict, card: Path) -> None:
    """Replace what stands between the card's markers by tables of the figures."""
    before, _, rest = card.read_text(encoding="utf-8").partition("<!-- figures -->")
    after = rest.partition("<!-- end of figures -->")[2]
    body = "\n\n".join([_fidelity_table(found), _latents_table(found), _claims_tables(found)])
    card.write_text(f"{before}<!-- figures -->\n\n{body}\n\n<!-- end of figures -->{after}", encoding="utf-8")


def _markdown(rows: list[dict[str, str]]) -> str:
    head = list(rows[0])
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *(row.values() for row in rows))]
    return "\n".join(lines)


def _fidelity_table(found: dict) -> str:
    rows = [
        {
            "model": name,
            "SI-SDR median": f"{one['si_sdr_db_median']:.1f} dB",
            "10th percentile": f"{one['si_sdr_db_10th']:.1f} dB",
            "log10-mel L1": f"{one['log_mel_l1_median']:.3f}",
            "chroma": f"{one['chroma_median']:.3f}",
            "latents of another clip": f"{one['shuffled_si_sdr_db_median']:.0f} dB",
            "silence, peak": f"{one['silence_peak_dbfs']:.0f} dBFS",
            "error at the ends": f"{one['edge_error_db']:+.1f} dB",
            "encode": f"{found['cost'][name]['encode_ms']:.0f} ms" if name in found["cost"] else "",
            "decode": f"{found['cost'][name]['decode_ms']:.0f} ms" if name in found["cost"] else "",
        }
        for name, one in found["fidelity"].items()
    ]
    title = f"### Fidelity: {found['real_clips']} clips of real recordings at -28 LUFS"
    return f"{title}\n\n{_markdown(rows)}"


def _latents_table(found: dict) -> str:
    rows = []
    for name, one in found["latents"].items():
        r2 = one.get("cutoff_r2", {})
        rows.append(
            {
                "latents": name,
                "probe, time-averaged": _percent(one["mean"]),
                "probe, flattened": _percent(one["flat"]),
                "R² of the HPF / LPF cutoff": " / ".join(f"{value:.2f}" for value in r2.values()) or "not measured",
                "emptiness: median of the dims, 10th and 90th percentile": ", ".join(
                    f"{value:.3f}" for value in one["emptiness"].values()
                ),
            }
        )
    points = {
        "`diffae-mini` against the same network with random weights": found["against_random"],
        "`diffae-mini`, time-averaged against flattened": found["against_flattened"]["all"],
        "the same, of the real clips alone": found["against_flattened"]["real"],
        "the same, of the bundled clips alone": found["against_flattened"]["bundled"],
        "`stacked-mini-2` against `diffae-mini`": found["stacked_against_diffae"],
    }
    lines = [
        f"- {what}: {100 * mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
        for what, (mean, low, high) in points.items()
    ]
    lines.append(
        "- R² of the HPF / LPF cutoff that a forest of 300 trees reaches from texture statistics of the same sounds: "
        + " / ".join(f"{value:.2f}" for value in found["cutoff_ceiling"].values())
    )
    title = f"### What the latents carry: {found['clips']} clips (real and bundled) through ten effects"
    caption = "Differences of the time-averaged probe, paired over recordings, and a ceiling:"
    return "\n\n".join([title, _markdown(rows), caption, "\n".join(lines)])


def _percent(interval) -> str:
    mean, low, high = interval
    return f"{mean:.1%} ({low:.1%} to {high:.1%})"


def _claims_tables(found: dict) -> str:
    parts = ["### The paper's claims"]
    for name, records in found["claims"].items():
        rows = [
            {"claim": one["claim"], "place": one["place"], "number": one["number"], "": VERDICTS[one["holds"]]}
            for one in pd.DataFrame(records).astype(object).to_dict("records")
        ]
        parts.append(f"#### {name}\n\n{_markdown(rows)}")
    return "\n\n".join(parts)
