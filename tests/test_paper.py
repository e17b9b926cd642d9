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
