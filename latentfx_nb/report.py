"""A report of what results depend on: versions, hashes, settings and seeds, to keep beside a figure or a table.

Two reports that agree in all but time and place were made by the same code on the same data. Where `instructions`
differ, as between processors, results differ in their last bits. A report may be passed on: it names only variables of
a fixed list, and writes `~` for the home folder.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_info

from latentfx_nb import __version__, paper
from latentfx_nb.analysis.algebra import RIDGE
from latentfx_nb.analysis.algebra_study import algebra_scores
from latentfx_nb.analysis.held_out import HELD_OUT, SHOTS
from latentfx_nb.analysis.intervals import DRAWS, accuracy_interval
from latentfx_nb.analysis.masking import MASKING
from latentfx_nb.analysis.neighbours import RENDERS_BESIDE
from latentfx_nb.analysis.prepared import CLOUD_FRAMES
from latentfx_nb.analysis.shipped import POINTS
from latentfx_nb.analysis.training import ProbeConfig
from latentfx_nb.analysis.umap import UMAP_METRIC, fit_umap
from latentfx_nb.cache import cache_dir, digest, file_digest
from latentfx_nb.effects import EFFECTS, TURNABLE, Setting, settings_hash
from latentfx_nb.encoders import present_hashes
from latentfx_nb.encoders.devices import compute_devices, cpu_instructions
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.store.decoding import SEED as DECODING_SEED

OWN_SETTINGS = ("LATENTFX_CACHE", "LATENTFX_WEIGHTS", "LATENTFX_CLIPS", "LATENTFX_UPLOAD_MB", "LATENTFX_ALLOW_FOLDERS")

THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "HF_HOME")

PROCESS_ENV = Path(__file__).with_name("process.env")

PROCESS_SETTINGS = tuple(re.findall(r"^(\w+)=", PROCESS_ENV.read_text(encoding="utf-8"), re.MULTILINE))

SETTINGS = (*PROCESS_SETTINGS, *OWN_SETTINGS, *THREAD_SETTINGS)
"""The only environment variables that a report names, where they are set."""

CHECKOUT = Path(__file__).resolve().parents[1]


def run_report() -> dict[str, Any]:
    """Return a report on this installation, ready for JSON.

    Sections: `made`, `package`, `system`, `versions` (of all that the package and its extras ask for), `settings`,
    `encoders` (weights of those that are ready), `clips`, `effects`, `parameters`, `points` (that ship) and `stores`
    (in the cache). Digests are sha256. Reading weights and clips for them takes a second, or more with large models.
    """
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "package": _package(),
        "system": _system(),
        "versions": _versions(),
        "settings": {name: _without_home(os.environ[name]) for name in SETTINGS if name in os.environ},
        "encoders": present_hashes(),
        "clips": _clips(),
        "effects": _effects(),
        "parameters": _parameters(),
        "points": {folder.name: _folder_digest(folder) for folder in sorted(POINTS.iterdir())},
        "stores": list(_stores()),
    }


def report_text(report: Mapping[str, Any]) -> str:
    """Return a report as lines to read, long hashes shortened to twelve digits."""
    lines = []
    for section, content in report.items():
        if isinstance(content, Mapping):
            lines += [f"{section}:", *(f"  {name}: {_words(value)}" for name, value in content.items())]
        elif isinstance(content, list):
            lines += [f"{section}: {len(content) or 'none'}", *(f"  {_words(value)}" for value in content)]
        else:
            lines.append(f"{section}: {content}")
    return "\n".join(lines)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_words, value))
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", str(value))


def _package() -> dict[str, Any]:
    """Return the version and, in a checkout, the commit and whether files differ from it."""
    found: dict[str, Any] = {"version": __version__}
    if not (CHECKOUT / ".git").exists():
        return found
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return found if commit is None else {**found, "commit": commit, "changed": bool(changes)}


def _git(*arguments: str) -> str | None:
    """Return git's answer about the checkout, None where git is not installed or does not trust the folder."""
    command = ["git", "-C", str(CHECKOUT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _system() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "instructions": _instructions(),
        **compute_devices(),
    }


def _instructions() -> dict[str, str]:
    """Return which instructions of the processor numpy, its BLAS and torch use here."""
    simd = np.show_config("dicts")["SIMD Extensions"]
    blas = {one["architecture"] for one in threadpool_info() if "architecture" in one}
    used = {"numpy": [*simd.get("baseline", []), *simd.get("found", [])], "blas": sorted(blas)}
    return {name: " ".join(one) for name, one in used.items()} | {"torch": cpu_instructions()}


def _versions() -> dict[str, str]:
    """Return the version of each installed distribution that the package or one of its extras names."""
    requirements = importlib.metadata.requires("latentfx-nb") or []
    names = sorted({name for one in requirements for name in re.findall(r"^[\w.-]+", one)}, key=str.lower)
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed
    return found


def _clips() -> dict[str, Any]:
    clips = load_clips("bundled")
    digests = dict(zip(clips.table["clip"], clips.hashes(), strict=True))
    return {"bundled": len(clips), "together": digest(list(digests.values())), "each": digests}


def _effects() -> dict[str, Any]:
    """Return the hashes in stored renders' keys: of Table 1, and of the sweep of each effect's first knob."""
    sweeps = {}
    for label in TURNABLE:
        knob = EFFECTS[label].knob()
        values = knob.values(paper.KNOB_VALUES).tolist()
        sweeps[f"{label} {knob.name}"] = settings_hash([Setting(label, value, knob.name) for value in values])
    table = settings_hash([Setting(label) for label in EFFECTS])
    return {"lufs": paper.TARGET_LUFS, "sample_rate_hz": paper.SAMPLE_RATE_HZ, "table_1": table, **sweeps}


def _parameters() -> dict[str, Any]:
    """Return the seeds and parameters that functions take where a notebook gives none."""
    umap, scores = _defaults(fit_umap), _defaults(algebra_scores)
    return {
        "choice of clips": {"seed": paper.CHOICE_SEED},
        "pca": {"method": "exact", "standardised": False, "frames drawn behind trajectories": CLOUD_FRAMES},
        "umap": {
            **{name: umap[name] for name in ("seed", "n_neighbors", "min_dist")},
            "metric": UMAP_METRIC,
            "standardised": False,
        },
        "neighbours": {"k": RENDERS_BESIDE, "metric": UMAP_METRIC},
        "probes": asdict(ProbeConfig()),
        "masking": asdict(MASKING),
        "algebra": {"seed": scores["seed"], "ridge": RIDGE, "pairs": SHOTS, "recordings held out": HELD_OUT},
        "decoding": {"seed": DECODING_SEED},
        "intervals": {"draws": DRAWS, "seed": _defaults(accuracy_interval)["seed"]},
    }


def _defaults(function: Any) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in signature(function).parameters.items()}


def _stores() -> Iterator[dict[str, Any]]:
    """Yield each store of latents in the cache: its name, its shape and the hashes of what it was made from."""
    for path in sorted((cache_dir() / "latents").glob("*.zarr")):
        try:
            group = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
            array = json.loads((path / "latents" / "zarr.json").read_text(encoding="utf-8"))
            yield {"store": path.name, "shape": array["shape"], "format": group["format"], **group["parts"]}
        except (OSError, KeyError, TypeError, ValueError):
            yield {"store": path.name, "unreadable": True}


def _folder_digest(folder: Path) -> str:
    """Return one sha256 over the names and contents of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])


def _without_home(text: str) -> str:
    return text.replace(str(Path.home()), "~")
