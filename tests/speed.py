"""How long tests wait, in one place: so long that only a hang takes longer, on a slow or busy machine too."""

from __future__ import annotations

import hashlib
import json
import time

REFERENCE_S = 0.07
"""What `_work` takes on a quiet core of the machine on which the limits were chosen."""


def _work() -> int:
    return sum(len(hashlib.sha256(bytes(n % 999)).hexdigest() + json.dumps([*range(n % 30)])) for n in range(20_000))


def _slowness() -> float:
    begun = time.perf_counter()
    _work()
    return max(1.0, (time.perf_counter() - begun) / REFERENCE_S)


SLOWNESS = _slowness()
"""How many times as long as there a piece of work takes here and now; 1 where it takes less."""

PATIENCE_S = round(240 * SLOWNESS)
"""How long to wait for what comes within seconds on a quiet machine."""

NOTEBOOK_LIMITS = dict.fromkeys(("timeout", "startup_timeout", "iopub_timeout"), PATIENCE_S)
"""For nbclient: how long a cell, the start of a kernel, and the last output of a cell that has run may take."""
