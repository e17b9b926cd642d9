"""How soon a page's panel stands: `python -m benchmarks.page_start`.

In a fresh process for each page, as a kernel that has just started: the seconds for importing what the page imports,
and for making its panel from the points that ship with the package. Starting a kernel and loading a browser's part of
it come on top (`benchmarks/knob_latency.py --browser` opens a page).

`ratio=` is how many times longer page 03 takes, imports included, if nothing shipped and it had to encode the bundled
clips first (in an empty cache, and still without UMAP).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

from benchmarks.common import run_alone

ROUNDS = 3


def start(name: str, shipped: bool) -> None:
    """Import and make one panel in this process; print the seconds of both."""
    begun = time.perf_counter()
    import latentfx_nb as lfx

    panel = getattr(lfx.pages, name)
    imported = time.perf_counter()
    if not shipped:
        from pathlib import Path

        lfx.shipped.POINTS = Path("nothing ships")
    panel()
    made = time.perf_counter()
    print(json.dumps({"imports": imported - begun, "panel": made - imported}))
    sys.stdout.flush()
    os._exit(0)  # the sound that a panel prepares is none of its start


def measured(name: str, shipped: bool = True, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the medians of imports and panel over some processes."""
    options = ["--start", name] + ([] if shipped else ["--nothing-ships"])
    figures = [run_alone("benchmarks.page_start", *options).figures for _ in range(rounds)]
    return tuple(statistics.median(one[part] for one in figures) for part in ("imports", "panel"))


def main() -> None:
    """Print a line a page, then the ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--start", help=argparse.SUPPRESS)
    options.add_argument("--nothing-ships", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.start:
        start(chosen.start, not chosen.nothing_ships)
        return
    from latentfx_nb import pages

    found = {}
    for name in (page.__name__ for page in pages.all_pages().values()):
        found[name] = measured(name)
        print(f"{name:18s} imports {found[name][0]:.2f} s, panel {found[name][1]:.2f} s")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LATENTFX_CACHE"] = cache
        bare = measured("EffectClusters", shipped=False, rounds=1)
    print(f"EffectClusters, if nothing shipped: panel {bare[1]:.1f} s")
    print(f"ratio={sum(bare) / sum(found['EffectClusters']):.2f}")


if __name__ == "__main__":
    main()
