"""Another processor, as far as this one can play it: `python -m tests.processors` runs TESTS with other instructions.

Libraries choose their code by what the processor offers, and the last bits of their results hang on the choice. Here
they are told to use none of the instructions that processors of the last ten years brought, so a result that hangs on a
last bit shows itself. `make ci` runs this after the same tests have run as the processor is.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from latentfx_nb.serving.server import process_environment

ROOT = Path(__file__).resolve().parents[1]

TESTS = (
    "tests/test_last_bits.py",
    "tests/test_nearness.py",
    "tests/test_effects.py",
    "tests/test_prepared.py",
    "tests/test_shipped.py",
    "tests/test_notebooks.py",
    "tests/test_all_pages.py",
    "tests/test_knob_paths.py",
    "tests/test_latent_images.py",
    "tests/test_effect_clusters.py",
    "tests/test_linear_probes.py",
    "tests/test_dimension_masking.py",
    "tests/test_projections.py",
    "tests/test_linear.py",
    "tests/test_probes.py",
    "tests/browser/test_pages.py::test_knob_paths_are_drawn_and_follow_the_knob",
)
"""Keys, caches, rendering, shipped points, notebooks, pages, PCA and UMAP, probes, and one page in a browser."""

SWITCHES = {
    "ATEN_CPU_CAPABILITY": "default",  # torch's own loops
    "MKL_CBWR": "COMPATIBLE",  # its matrix products
    "ONEDNN_MAX_CPU_ISA": "SSE41",  # its convolutions
    "OPENBLAS_CORETYPE": "Nehalem",  # matrix products of numpy and scipy
    "NUMBA_CPU_NAME": "generic",
}
"""What holds for every processor; what a library does not know, it passes over."""

NUMPY_SWITCH, GLIBC_SWITCH = "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES"

GLIBC_TUNABLE = "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ"

X86 = ("x86_64", "AMD64")


def plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the process settings in which nothing is switched off."""
    return process_environment(
        {name: value for name, value in environment.items() if name not in (*SWITCHES, NUMPY_SWITCH)}
    )


def other(environment: Mapping[str, str], instructions: list[str]) -> dict[str, str]:
    """Return an environment without numpy's `instructions` and what else has switches; glibc's is joined to others."""
    tunables = ":".join(filter(None, [environment.get(GLIBC_SWITCH), GLIBC_TUNABLE]))
    return {**environment, **SWITCHES, NUMPY_SWITCH: " ".join(instructions), GLIBC_SWITCH: tunables}


def results() -> dict[str, str]:
    """Return digests of what this process computes."""
    import torch

    random = np.random.default_rng(0)
    values = random.uniform(0.5, 4, 4096)
    left, right = (random.standard_normal(shape) for shape in ((64, 96), (96, 48)))
    sound, kernel = (random.standard_normal(shape).astype(np.float32) for shape in ((2, 16, 2048), (32, 16, 7)))
    computed = {
        "float32 functions of numpy": functions(values.astype(np.float32)),
        "float64 functions of numpy": functions(values),
        "a convolution of torch": torch.conv1d(torch.from_numpy(sound), torch.from_numpy(kernel)).numpy(),
        "a product of BLAS": left @ right,
    }
    return {what: hashlib.sha256(bits.tobytes()).hexdigest() for what, bits in computed.items()}


def functions(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.exp(values), np.log(values), np.sin(values), np.tanh(values), values**1.7])


def told(environment: Mapping[str, str]) -> dict:
    """Return what a process in that environment says of itself: its results, and what numpy uses above the least."""
    command = [sys.executable, "-m", __spec__.name, "--results"]
    return json.loads(subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def changed(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Return which results differ; on x86, end the program where fewer than three do."""
    found = [what for what in here if there[what] != here[what]]
    if platform.machine() in X86 and len(found) < 3:
        raise SystemExit(
            f"the switches changed the bits of {', '.join(found) or 'nothing'}, and of three of {', '.join(here)} at "
            "least they have to: a library may have renamed its switch, or the environment of these processes is lost"
        )
    return found


def main() -> int:
    """Say what the switches change, then run the tests with them; return pytest's status."""
    if sys.argv[1:] == ["--results"]:
        instructions = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
        print(json.dumps({"results": results(), "instructions": instructions}))
        return 0
    here = plain(os.environ)
    as_it_is = told(here)
    there = other(here, as_it_is["instructions"])
    differing = changed(as_it_is["results"], told(there)["results"])
    print(f"With other instructions, these differ in their last bits: {', '.join(differing) or 'none'}.", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:], *TESTS], cwd=ROOT, env=there).returncode


if __name__ == "__main__":
    raise SystemExit(main())
