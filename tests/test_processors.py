"""How `make ci` plays another processor: its switches reach child processes, and too little effect is noticed."""

from __future__ import annotations

import platform

import pytest

from latentfx_nb.serving.server import PROCESS_SETTINGS, process_environment
from tests import processors


def test_the_switches_are_joined_to_the_process_settings_and_stay_in_child_processes():
    here = processors.plain({"HOME": "/home/a", "OPENBLAS_CORETYPE": "Haswell"})
    assert here == {**PROCESS_SETTINGS, "HOME": "/home/a"}
    there = processors.other(here, ["A", "B"])
    assert there["GLIBC_TUNABLES"] == f"{PROCESS_SETTINGS['GLIBC_TUNABLES']}:{processors.GLIBC_TUNABLE}"
    assert there["NPY_DISABLE_CPU_FEATURES"] == "A B"
    assert there["ONEDNN_MAX_CPU_ISA"] == "SSE41" and there["OPENBLAS_CORETYPE"] == "Nehalem"
    assert process_environment(there) == there


@pytest.mark.skipif(platform.machine() not in processors.X86, reason="other processors may have nothing to leave out")
def test_switches_that_change_too_little_end_the_run():
    here = {"one": "a", "two": "b", "three": "c", "four": "d"}
    assert processors.changed(here, {**here, "one": "x", "two": "x", "four": "x"}) == ["one", "two", "four"]
    with pytest.raises(SystemExit, match="changed the bits of one, two, and of three of one, two, three, four"):
        processors.changed(here, {**here, "one": "x", "two": "x"})


def test_every_test_named_is_there():
    for name in processors.TESTS:
        path, _, test = name.partition("::")
        assert f"def {test}" in (processors.ROOT / path).read_text(encoding="utf-8")
