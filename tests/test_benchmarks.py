"""The benchmarks' runner, and that each benchmark says what it is and gives a ratio."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from tests.speed import SLOWNESS

FOLDER = Path(runner.__file__).parent


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of two tiny benchmarks, one of which fails, in the place of the real one."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "good.py").write_text('print("a line")\nprint("ratio=2.0")')
    (folder / "bad.py").write_text('print("so far")\nraise SystemExit(3)')
    (folder / "slow.py").write_text('import time\nprint("begun", flush=True)\ntime.sleep(600)')
    monkeypatch.setattr(runner, "FOLDER", folder)
    monkeypatch.setattr(runner, "RESULTS", folder / "RESULTS.md")
    monkeypatch.setattr(runner.write, "__defaults__", (folder / "RESULTS.md",))
    return folder


def run(monkeypatch, *names):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *names])
    return runner.main()


def test_sections_are_written_and_replaced_and_the_others_stay(elsewhere, monkeypatch, capsys):
    assert run(monkeypatch, "good") == 0
    first = (elsewhere / "RESULTS.md").read_text()
    assert first.startswith(runner.HEAD) and "ratio=2.0" in first and "cores" in first
    (elsewhere / "good.py").write_text('print("ratio=3.0")')
    assert run(monkeypatch, "bad", "good") == 1
    text = (elsewhere / "RESULTS.md").read_text()
    assert list(runner.sections(text)) == ["bad", "good"]
    assert "ratio=3.0" in text and "ratio=2.0" not in text
    assert "It failed, with exit status 3." in text and "so far" in text
    assert capsys.readouterr().err == "failed: bad\n"
    assert run(monkeypatch, "good") == 0
    assert "so far" in (elsewhere / "RESULTS.md").read_text()


def test_one_that_hangs_is_stopped(elsewhere):
    limit_s = round(3 * SLOWNESS)
    section, well = runner.run("slow", limit_s)
    assert not well and f"It was stopped after {limit_s} s." in section and "begun" in section


def test_an_unknown_one_is_named(elsewhere, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "fast")
    assert "no benchmark is called fast; there are bad, good, slow" in capsys.readouterr().err


@pytest.mark.parametrize("name", runner.names())
def test_each_says_what_it_is_how_to_run_it_and_prints_a_ratio(name):
    source = (FOLDER / f"{name}.py").read_text()
    told = ast.get_docstring(ast.parse(source))
    assert f"python -m benchmarks.{name}" in told
    assert "ratio={" in source, "the last line is exactly ratio=NUMBER"
