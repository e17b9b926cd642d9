"""docs/dependencies.md: it lists every pin as pinned, and no licence that does not go with ours, unless it says why."""

from __future__ import annotations

import re

import pytest

from tools.list_licences import (
    COMPATIBLE,
    NOTES,
    NVIDIA,
    PROJECT,
    TARGET,
    UNKNOWN,
    WHY,
    compatible,
    import_ms,
    licence,
    needs,
    note,
    pins,
    size_mb,
)

TEXT = TARGET.read_text(encoding="utf-8")
LISTED = {}
for line in TEXT.splitlines():
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if line.startswith("| ") and not line.startswith("| distribution"):
        LISTED[cells[0].rstrip("*")] = cells[1:]


def direct():
    """What pyproject.toml names, by canonical name."""
    extras = [one for names in PROJECT["optional-dependencies"].values() for one in names]
    return {re.match(r"[\w.-]+", one)[0].lower() for one in [*PROJECT["dependencies"], *extras]}


def test_every_pin_is_listed_as_pinned_and_nothing_else():
    assert len(LISTED) > 200
    versions = {name: cells[0] for name, cells in LISTED.items()}
    mismatched = {name for name, version in pins().items() if versions.get(name) != version}
    assert not mismatched - several_pins(), "run python -m tools.list_licences"
    assert versions.keys() == pins().keys(), "run python -m tools.list_licences"


def several_pins():
    """Names that are pinned at one version for some Pythons and at another for others."""
    lines = [line.partition("==")[0] for line in (TARGET.parents[1] / "constraints.txt").read_text().splitlines()]
    return {line.lower() for line in lines if lines.count(line) > 1}


@pytest.mark.parametrize("name", LISTED)
def test_every_licence_goes_with_ours_or_is_explained(name):
    stated, why = LISTED[name][1], LISTED[name][4]
    if stated == UNKNOWN or not compatible(stated):
        assert note(name, stated) and note(name, stated) in why, f"{name} is under {stated!r}: explain it in NOTES"


def test_licences_are_those_of_what_is_installed():
    installed = {name for name in LISTED if size_mb(name) is not None}
    assert {"numpy", "torch", "pedalboard", "voila"} <= installed
    assert {name: licence(name) for name in installed} == {name: LISTED[name][1] for name in installed}


def test_notes_are_of_licences_that_need_one():
    assert all(not compatible(LISTED[name][1]) for name in NOTES)


@pytest.mark.parametrize(
    ("stated", "good"),
    [
        ("MIT", True), ("MIT AND GPL-2.0-only", False), ("MIT OR AFL-2.1", True), ("AFL-2.1", False), ("", False),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception", True), (NVIDIA, False), (UNKNOWN, False),
        ("SSPL-1.0", False), ("CC-BY-NC-4.0", False),
    ],
)  # fmt: skip
def test_what_goes_with_ours(stated, good):
    assert compatible(stated) == good
    assert UNKNOWN not in COMPATIBLE


def test_all_that_the_project_names_says_what_for():
    assert set(WHY) == direct()
    for name, why in WHY.items():
        assert why in LISTED[name][4]


def test_what_is_required_is_told_from_extras():
    drawn = needs()
    assert {"numpy", "torch", "scipy", "tornado"} <= drawn["required"]
    assert "transformers" not in drawn["required"] and "huggingface-hub" in drawn["transformers"]
    assert LISTED["numpy"][2] == "required" and LISTED["diffusers"][2] == "`diffusers`"


def test_importing_the_package_is_quick():
    assert import_ms(3) < 1000
    assert float(re.search(r"import latentfx_nb` takes (\d+) ms", TEXT)[1]) < 1000
