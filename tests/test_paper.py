"""The paper's numbers, typed in a second time from its tables, and what follows from them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from latentfx_nb import paper

# "CHS Chorus rate_hz=1 ..." as Table 1 prints it, in its order.
TABLE_1 = "CLN CHS:1 CMP:-50 DLY:0.5 DIS:25 HPF:2000 LPF:70 PS:4 RVB:0.8 TRV"
TABLE_2 = {"DIS": (0, 30), "RVB": (0.01, 0.99), "HPF": (50, 10_000), "LPF": (50, 10_000)}


def test_clips_are_those_of_section_2_2():
    assert paper.SAMPLE_RATE_HZ == 48_000
    assert paper.CLIP_SAMPLES == 262_144 == 2**18
    duration_s = paper.CLIP_SAMPLES / paper.SAMPLE_RATE_HZ
    assert duration_s == pytest.approx(5.4, abs=0.1)
    assert paper.CLIPS_PER_INSTRUMENT * 2 == 1024
    assert paper.TARGET_LUFS == -28


def test_effect_settings_are_table_1():
    printed = dict((entry.split(":") + [None])[:2] for entry in TABLE_1.split())
    assert list(paper.EFFECT_SETTINGS) == list(printed)
    for label, value in printed.items():
        assert list(paper.EFFECT_SETTINGS[label].values()) == ([] if value is None else [float(value)])


def test_knob_ranges_are_table_2():
    assert {label: tuple(ends) for label, (_, *ends) in paper.KNOB_RANGES.items()} == TABLE_2
    for label, (name, low, high) in paper.KNOB_RANGES.items():
        assert low <= paper.EFFECT_SETTINGS[label][name] <= high


def test_every_number_says_where_it_stands_in_the_paper_or_that_it_is_ours():
    body = ast.parse(Path(paper.__file__).read_text(encoding="utf-8")).body
    for statement, following in zip(body, body[1:] + [None]):
        if isinstance(statement, ast.Assign):
            name = ast.unparse(statement.targets[0])
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert is_text, f"{name} has no docstring"
            place = re.search(r"[Ss]ection \d|Tables? \d|Figures? \d|Ours|ours|§\d", following.value.value)
            assert place, f"{name} names neither its place in the paper nor that it is ours"


# Table 3, as it prints it: features, dim, probe in thousands, the class columns and AVG.
TABLE_3 = """
VGGish-T 128 1.3 98.0 80.6 90.1 81.3 91.4 94.5 96.9 86.7 90.4 94.5 92.9
VGGish-F 2176 21.8 98.0 76.5 85.2 76.8 92.1 90.1 96.9 83.3 88.7 95.1 90.3
Stacked2-T 32 0.3 24.0 54.9 28.1 34.9 86.6 78.5 95.0 66.7 79.3 32.0 57.7
Stacked2-F 16384 163.9 45.2 42.2 30.2 65.1 84.7 80.9 94.4 68.2 71.3 39.2 63.1
Stacked1-T 32 0.3 29.9 59.2 27.1 26.5 88.6 71.4 96.9 54.2 74.8 36.8 57.4
Stacked1-F 262144 2621.5 14.6 37.6 9.4 29.2 41.9 59.1 88.7 24.5 58.5 48.6 41.1
DiffAE-T 64 0.7 11.2 32.5 3.6 9.3 92.9 46.1 86.9 31.0 63.5 27.1 40.3
DiffAE-F 131072 1310.7 4.4 32.7 47.7 16.3 73.6 17.0 27.0 19.3 18.6 25.6 28.9
"""


def test_probe_accuracies_are_table_3():
    assert set(paper.TABLE_3_CLASSES) == set(paper.EFFECT_SETTINGS)
    assert paper.TABLE_3_CLASSES[3:5] == ("DLY", "DIS")  # where it prints DLY, DST
    printed = [line.split() for line in TABLE_3.strip().splitlines()]
    assert list(paper.TABLE_3) == [name for name, *_ in printed]
    for name, dim, probe, *classes, average in printed:
        found = paper.TABLE_3[name]
        assert found == (int(dim), round(1000 * float(probe)), tuple(map(float, classes)), float(average))
        # Ten classes of dim weights each, to the digit that is printed.
        assert found[1] == pytest.approx(10 * found[0], rel=0.1)
