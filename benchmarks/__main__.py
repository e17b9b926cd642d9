"""Run the benchmarks one after the other, each in a process of its own, and keep what they print: `make bench`.

    python -m benchmarks                all of them, an hour on two cores
    python -m benchmarks pca masking    some; the sections of the others stay as they are

Everything goes into benchmarks/RESULTS.md, with the machine and the date. A benchmark that fails, or takes longer than
its limit, is reported there, and the others go on.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import psutil
import torch

from latentfx_nb.cache import atomic_write
from latentfx_nb.serving.server import process_environment

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
LIMIT_S = 3600
NOT_ONES = ("__init__", "__main__", "common")

HEAD = """# What the benchmarks printed

Made by `make bench`. Each section is one command on one machine on one day; `ratio=` is what the section's benchmark
says it is, most often how many times longer it takes what one would otherwise write. Trust ratios, not seconds.
"""


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_ONES)


def machine() -> str:
    """Return the machine in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = (
            re.search(r"model name\s*: (.+)", info.read_text()).group(1) if "model name" in info.read_text() else model
        )
    memory = psutil.virtual_memory().total / 2**30
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {gpu}; {platform.system()}, {versions}"


def run(name: str, limit_s: float = LIMIT_S) -> tuple[str, bool]:
    """Return a benchmark's section, and whether it ended well."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    try:
        ran = subprocess.run(
            command, cwd=FOLDER.parent, env=process_environment(), stdout=subprocess.PIPE, timeout=limit_s, text=True
        )
        printed, well = ran.stdout.strip(), ran.returncode == 0
        verdict = "" if well else f"\nIt failed, with exit status {ran.returncode}."
    except subprocess.TimeoutExpired as error:
        printed = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        well, verdict = False, f"\nIt was stopped after {limit_s:.0f} s."
    today = datetime.datetime.now(datetime.UTC).date()
    text = f"## {name}\n\n`python -m benchmarks.{name}`, {today}, {machine()}\n{verdict}\n```\n{printed}\n```\n"
    return text, well


def sections(text: str) -> dict[str, str]:
    """Return the sections of a file of results, by name."""
    return {part.split("\n", 1)[0]: f"## {part}" for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def write(found: dict[str, str], path: Path = RESULTS) -> None:
    """Put sections in the place of those of the same name, and keep the others."""
    kept = sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    every = kept | found
    text = "\n".join([HEAD, *(every[name].strip() + "\n" for name in sorted(every))])
    with atomic_write(path) as file:
        file.write(text.encode())


def main() -> int:
    """Run what is asked for; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names())}")
    chosen = parser.parse_args().names or [name for name in names() if name != "gpu" or torch.cuda.is_available()]
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(names())}")
    failed = []
    for name in chosen:
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        section, well = run(name)
        write({name: section})
        sys.stdout.write(section)
        failed += [] if well else [name]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
