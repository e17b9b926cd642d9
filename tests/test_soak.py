"""What the long tests count is written whole, section by section."""

from __future__ import annotations

from tests.soak import HEAD, Soak


def test_counts_are_written_and_sections_of_other_runs_stay(tmp_path, monkeypatch):
    monkeypatch.delenv("LATENTFX_SOAK", raising=False)
    assert Soak().rounds(3, 100) == 3
    monkeypatch.setenv("LATENTFX_SOAK", "1")
    first, path = Soak(), tmp_path / "reliability.md"
    assert first.rounds(3, 100) == 100
    for _ in range(2):
        first.count("Store", "kills survived", 700)
    first.highest("Store", "memory, MB", 31.26)
    first.highest("Store", "memory, MB", 12)
    first.write(path)
    text = path.read_text()
    assert text.startswith(HEAD) and "| kills survived | 1,400 |\n| memory, MB | 31.3 |" in text
    second = Soak()
    second.count("Input", "files tried", 5)
    second.count("Store", "kills survived", 0)
    second.write(path)
    text = path.read_text()
    assert "| files tried | 5 |" in text and "| kills survived | 0 |" in text and "1,400" not in text
    assert text.index("## Input") < text.index("## Store") and text.count("# Reliability tests") == 1
    second.write(path)
    assert path.read_text() == text
