"""Several visitors at once turn knobs of the dashboard: each gets each point and sound, and kernels go with them."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from benchmarks.visitors import kernel_bytes, visit
from latentfx_nb.serving import server
from latentfx_nb.serving.kernels import kernels_of
from tests.speed import PATIENCE_S

SECTION = "Load"


@pytest.mark.ci
@pytest.mark.soak
def test_visitors_at_once_all_see_and_hear_what_they_ask_for(soak, run_async):
    visitors, seconds = soak.rounds(2, 5), soak.rounds(3, 60)
    with server.running(port=server.free_port(20400)) as (address, process):
        [alone] = run_async(visit(address, 1, seconds))
        there = run_async(visit(address, visitors, seconds))  # raises SystemExit if a page shows an error
        assert len(kernels_of(process.pid)) == 1 + visitors
        held = sum(kernel_bytes(process)) / 1e9
        below = psutil.Process(process.pid).children(recursive=True)
    gone, left = psutil.wait_procs(below, timeout=PATIENCE_S)
    assert gone and not left
    assert all(one.exact_s and len(one.exact_s) == len(one.prepared_s) for one in there)
    together = np.median(np.concatenate([one.exact_s for one in there]))
    soak.highest(SECTION, "visitors held at once", visitors)
    soak.highest(SECTION, "seconds that they stayed", seconds)
    soak.count(SECTION, "knobs turned", sum(len(one.exact_s) for one in [alone, *there]))
    soak.highest(
        SECTION,
        "median time to the exact point and sound, over that of one visitor",
        together / np.median(alone.exact_s),
    )
    soak.highest(SECTION, f"memory of {1 + visitors} kernels, GB", held)
