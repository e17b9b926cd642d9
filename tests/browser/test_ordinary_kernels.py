"""A page with an ordinary kernel, as with LATENTFX_FORK=0 and where kernels cannot be forked: it works the same."""

from __future__ import annotations

import psutil
import pytest

from .conftest import REPOSITORY, _opening, _server
from .test_pages import DIAMONDS, assert_silent, state, turn, wait_for_sound, wait_for_title

pytestmark = [pytest.mark.browser, pytest.mark.ci]


@pytest.fixture
def open_unforked(browser, monkeypatch, tmp_path):
    """As `open_page`, from a server that forks no kernels."""
    monkeypatch.setenv("LATENTFX_FORK", "0")
    with _server(REPOSITORY / "notebooks", tmp_path / "log.txt") as url, _opening(browser, lambda _: url) as opened:
        yield opened


def test_a_page_works_the_same_without_forked_kernels(open_unforked, scene):
    page = open_unforked("04_knob_paths.ipynb")
    commands = [" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)]
    assert any("ipykernel_launcher" in command for command in commands)
    assert scene.pixels(page) > 200
    first, diamonds = state(page), page.evaluate(DIAMONDS)
    turn(page, 40)
    assert wait_for_sound(page, first)["dry"]
    wait_for_title(page, "High-pass filter")
    assert page.evaluate(DIAMONDS) != diamonds
    assert_silent(page)
    assert page.console_errors == []
    assert page.outside_requests == []
