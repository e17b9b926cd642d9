"""Another checkout beside this one, in one run: a turn of page 04's knob, and opening pages in a browser.

    python -m benchmarks.against ../other-checkout [pages ...]

Each checkout runs in processes of its own, in turns, so that what else the machine does meets both. The other one needs
no environment: both use this one's libraries. `ratio=` is the largest of this checkout's medians over the other's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.page_opening import PAGES, median_times

HERE = Path(__file__).resolve().parents[1]
ROUNDS = 5
TURNS = """
import statistics, sys, time
import numpy as np
import latentfx_nb as lfx
panel = (lfx.pages if hasattr(lfx, "pages") else lfx.panels).KnobPaths()
panel.wait()
panel.knob.value = 300.0
panel.wait()
prepared, exact = [], []
for value in np.geomspace(100, 8000, 30):
    start = time.perf_counter()
    panel.knob.value = float(value)
    prepared.append(time.perf_counter() - start)
    panel.wait()
    exact.append(time.perf_counter() - start)
print(1000 * statistics.median(prepared), 1000 * statistics.median(exact))
"""


def turned(checkout: Path) -> tuple[float, float]:
    """Return milliseconds of a turn with diffae-mini: to the prepared path, and to the exact point and its sound."""
    run = subprocess.run([sys.executable, "-c", TURNS], cwd=checkout, env=environment(checkout), capture_output=True)
    prepared, exact = map(float, run.stdout.split()[-2:])
    return prepared, exact


def environment(checkout: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(checkout)}


@contextlib.contextmanager
def served(checkout: Path) -> Iterator[str]:
    """Serve a checkout's pages; give their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "latentfx_nb", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=checkout, env=environment(checkout), stdout=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5).close()
                break
            time.sleep(0.2)
        time.sleep(10)  # what kernels are forked from is ready by then
        yield address
    finally:
        process.terminate()
        process.wait()


def compared(what: str, ours: list[float], theirs: list[float], unit: str) -> float:
    """Print both medians; return their ratio."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"{what}: {mine:.3g} {unit} here, {other:.3g} {unit} there, {mine / other:.2f} times", flush=True)
    return mine / other


def main() -> None:
    """Print a line a measurement, then the ratio."""
    from playwright.sync_api import sync_playwright

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkout", type=Path)
    options.add_argument("pages", nargs="*", default=PAGES)
    chosen = options.parse_args()
    there = chosen.checkout.resolve()
    turns = [(turned(HERE), turned(there)) for _ in range(ROUNDS)]
    words = ("knob to the prepared path", "knob to the exact point and its sound")
    ratios = [
        compared(what, [one[0][i] for one in turns], [one[1][i] for one in turns], "ms") for i, what in enumerate(words)
    ]
    with served(HERE) as ours, served(there) as theirs, sync_playwright() as playwright:
        for page in chosen.pages:
            times = [
                [median_times(playwright, address, page, False, rounds=1)[0] for address in (ours, theirs)]
                for _ in range(ROUNDS)
            ]
            ratios.append(compared(f"{page} opened", [t[0] for t in times], [t[1] for t in times], "s"))
    print(f"ratio={max(ratios):.2f}")


if __name__ == "__main__":
    main()
