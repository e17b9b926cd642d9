"""What all pages do alike, on a small planted page: choices, jobs, errors, threads; and how large files may be."""

from __future__ import annotations

import ast
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest

from latentfx_nb.figures import STALE
from latentfx_nb.pages import content
from latentfx_nb.pages.content.choice import Choice, Shown
from latentfx_nb.pages.controls import Ask, Clicked, Field, dropdown
from latentfx_nb.pages.page import Page
from latentfx_nb.pages.worker import main
from latentfx_nb.widgets.figure import ShownFigure
from tests.on_pages import happens, ready, said
from tests.speed import PATIENCE_S

PACKAGE = Path(__file__).parents[1] / "latentfx_nb"
PAGE_LINES, MODULE_LINES, FUNCTION_LINES = 200, 350, 50

LONGER: dict[str, str] = {}
"""Functions that may be longer than `FUNCTION_LINES`, with the reason; at most three."""


@dataclass(frozen=True)
class PlantedChoice(Choice):
    """Fields of every kind: prepared, turned, looked at, waiting, asked for."""

    number: int = 1
    word: str = "one"
    rows: tuple[int, ...] = ()
    knob: int = 0
    order: str = "up"
    folder: str = ""
    ask: bool = False


@dataclass(frozen=True)
class PlantedShown(Shown):
    choice: PlantedChoice
    prepared: int  # how many choices were prepared up to this one


class Planted(Page):
    """A page that draws its number, and whose work can be watched and held up."""

    words = "A number"
    turns = frozenset({"knob"})
    looks = frozenset({"order"})
    waits = frozenset({"folder"})
    stale = ("number",)
    spare = 1
    make_choice = PlantedChoice

    def __init__(self):
        self.asked, self.turned_to, self.shown_texts = [], [], []
        self.work = lambda choice, progress: None  # what preparing does besides
        self.number, self.word = dropdown("", (1, 2, 3)), dropdown("", ("one", "two", "three"))
        self.order, self.folder = dropdown("", ("up", "down")), dropdown("", ("", "here", "there"))
        self.knob, self.button = Clicked(knob=0), Ask("ask", "Do it")
        fields = {"number": self.number, "word": self.word, "order": self.order, "folder": self.folder}
        super().__init__("bundled", *(Field(name, one) for name, one in fields.items()), self.knob, self.button)

    def rail(self):
        return [self.number, self.word]

    def prepare(self, choice, clips, last, progress):
        self.asked.append(choice)
        self.work(choice, progress)
        return PlantedShown(choice, clips, 1 if last is None else last.prepared + 1)

    @staticmethod
    def figure_of(shown):
        choice = shown.choice
        figure = go.Figure([go.Scatter(x=[choice.number], y=[len(choice.word)], meta="number")])
        return figure.add_scatter(x=[choice.knob], y=[0], meta="knob")

    @staticmethod
    def texts(shown):
        return {"says": f"{shown.choice.number}, {shown.choice.word}"}

    @staticmethod
    def code_of(shown):
        return f"number = {shown.choice.number}"

    @staticmethod
    def clicked(shown, name, points):
        return {"number": points.point_inds[0], "word": ("", "one", "two", "three")[points.point_inds[0]]}

    @staticmethod
    def turned(shown, choice):
        return replace(shown, choice=choice)

    @staticmethod
    def moved(shown):
        return {"knob": {"x": [shown.choice.knob]}}


@pytest.fixture
def page():
    found = ready(Planted())
    found.asked.clear()
    return found


def drawn(page):
    return page.figure.trace("number").x[0]


# -------------------------------------------------------------------------------------------------------------- choices


def test_a_choice_survives_being_kept():
    choice = PlantedChoice(clips="a folder", number=2, rows=(1, 2), ask=True)
    kept = choice.kept()
    assert kept["rows"] == [1, 2]
    assert PlantedChoice.of(kept) == (choice, [])


def test_fields_that_a_page_does_not_have_are_named_and_the_others_taken():
    choice, unknown = PlantedChoice.of({"number": 3, "of_another_page": 1, "and_of_a_third": 2})
    assert choice == PlantedChoice(number=3)
    assert unknown == ["and_of_a_third", "of_another_page"]


def test_a_full_screen_that_the_browser_refuses_is_said(page):
    page.bridge._handle_custom_msg({"kind": "no full screen"}, [])
    assert said(page) == "The browser does not allow this page to fill the screen."


def test_no_tooltip_says_how_long_something_takes():
    """Nobody has measured that on the visitor's machine: tooltips count what is done."""
    files = [path for path in (PACKAGE / "pages").glob("*.py") if path.name != "own_files.py"]
    said = [node.value for path in files for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
    assert len(said) > 500 and [text for text in said if "minute" in text.casefold()] == []


def test_the_status_line_names_fields_that_the_page_does_not_have(page):
    page.choose(number=3, of_another_page=1)
    ready(page)
    assert said(page) == "Left alone, as this page has no such choice: of_another_page."
    assert drawn(page) == 3


def test_fields_that_differ_are_found():
    assert PlantedChoice().differing(PlantedChoice(number=2, word="two")) == {"number", "word"}
    assert PlantedChoice().differing(PlantedChoice()) == set()


# ----------------------------------------------------------------------------------------------------- what is prepared


def test_a_page_opens_with_what_its_controls_say(page):
    assert page.shown.choice == page.choice() == PlantedChoice()
    assert page.html["says"].value == "1, one"
    assert page.code().endswith("clips = lfx.load_clips('bundled')\nnumber = 1")


def test_a_click_that_changes_two_fields_is_read_once(page):
    page.click("number", SimpleNamespace(point_inds=[2]))
    ready(page)
    assert [(choice.number, choice.word) for choice in page.asked] == [(2, "two")]
    assert drawn(page) == 2
    assert page.html["says"].value == "2, two"


def test_what_is_chosen_already_is_not_prepared_again(page):
    page.choose(number=1, word="one")
    page.number.value = 1
    ready(page)
    assert page.asked == []


def test_an_error_is_a_sentence_and_the_page_goes_on(page):
    def fail(choice, progress):
        raise ValueError("two is too many: choose one")

    page.work = fail
    page.number.value = 2
    ready(page)
    assert said(page) == "That did not work: two is too many: choose one"
    assert drawn(page) == 1
    page.work = lambda choice, progress: 1 / 0
    page.number.value = 1
    page.number.value = 3
    ready(page)
    assert said(page).startswith("That did not work: something unexpected went wrong (ZeroDivisionError")
    page.work = lambda choice, progress: None
    page.number.value = 2
    ready(page)
    assert said(page) == ""
    assert drawn(page) == 2


def test_what_was_overtaken_is_not_shown(page):
    """Neither what it shows on its way nor what it returns, though it never asks whether it is still wanted."""
    begun, go_on, brought = threading.Event(), threading.Event(), []

    def work(choice, progress):
        if choice.number == 2:
            begun.set()
            assert go_on.wait(PATIENCE_S)

    bring = page.figure.bring
    page.work, page.figure.bring = work, lambda figure: (brought.append(figure.data[0].x[0]), bring(figure))
    page.number.value = 2
    assert happens(begun)
    page.number.value = 3
    go_on.set()
    ready(page)
    assert brought == [3]
    assert drawn(page) == 3
    assert said(page) == ""  # to be overtaken is no news


def test_what_is_there_so_far_is_shown(page):
    shown = []

    def work(choice, progress):
        progress.show(PlantedShown(replace(choice, word="so far"), page.clips, 0))
        progress.move({"number": {"y": [7]}})

    page.work = work
    page.figure.observe(lambda change: shown.append(page.html["says"].value), "_py2js_update")
    page.number.value = 2
    ready(page)
    assert "2, so far" in shown
    assert page.html["says"].value == "2, one"


def test_a_job_goes_on_from_what_the_last_one_prepared_though_it_is_not_shown_yet(page):
    """The main thread, which shows it, may be busy; here it waits until both jobs are done."""
    held = threading.Event()
    page.work = lambda choice, progress: held.wait(PATIENCE_S)
    page.number.value = 2
    page.button.click()
    held.set()
    ready(page)
    assert page.shown.prepared == 3
    assert page.shown.choice.number == 2


def test_looks_apply_at_once_and_stop_nothing(page):
    begun, go_on = threading.Event(), threading.Event()

    def work(choice, progress):
        if choice.ask:
            begun.set()
            assert go_on.wait(PATIENCE_S)
            progress.check()

    page.work = work
    page.button.click()
    assert happens(begun)
    page.order.value = "down"
    assert page.shown.choice.order == "down"
    go_on.set()
    ready(page)
    assert [choice.ask for choice in page.asked] == [True]
    assert page.shown.choice.order == "down" and page.shown.prepared == 2
    assert said(page) == ""


# --------------------------------------------------------------------------------------------------- buttons and knobs


def test_a_button_asks_once(page):
    page.button.click()
    ready(page)
    page.number.value = 2
    ready(page)
    assert [choice.ask for choice in page.asked] == [True, False]


def test_a_button_may_be_pressed_again_with_nothing_else_changed(page):
    for _ in range(2):
        page.button.click()
        ready(page)
    assert [choice.ask for choice in page.asked] == [True, True]


def test_fields_wait_for_their_button(page):
    page.folder.value = "here"
    ready(page)
    assert page.asked == []
    page.number.value = 2
    ready(page)
    assert page.asked[-1].folder == ""
    page.button.click()
    ready(page)
    assert page.asked[-1].folder == "here"
    page.number.value = 3
    page.folder.value = "there"
    ready(page)
    assert page.asked[-1].folder == "here"


def test_a_turned_knob_moves_its_trace_and_prepares_nothing(page):
    for knob in (3, 5):
        page.choose(knob=knob)
        assert page.figure.trace("knob").x[0] == knob
    ready(page)
    assert page.asked == []
    assert page.shown.choice.knob == 5


def test_a_knob_still_turns_after_a_button_was_pressed(page):
    page.button.click()
    ready(page)
    page.choose(knob=4)
    assert page.figure.trace("knob").x[0] == 4


def test_a_knob_that_is_turned_while_other_things_are_prepared_is_right_afterwards(page):
    begun, go_on = threading.Event(), threading.Event()

    def work(choice, progress):
        begun.set()
        assert go_on.wait(PATIENCE_S)

    page.work = work
    page.number.value = 2
    assert happens(begun)
    page.choose(knob=6)
    assert page.figure.trace("knob").x[0] == 0  # what is shown is not what is chosen
    go_on.set()
    ready(page)
    assert (drawn(page), page.figure.trace("knob").x[0]) == (2, 6)


# -------------------------------------------------------------------------------------------------------------- threads


def test_figures_are_changed_on_the_main_thread_only(page, monkeypatch):
    threads = {}

    def watch(name):
        original = getattr(ShownFigure, name)

        def watched(self, *arguments):
            threads.setdefault(name, set()).add(threading.current_thread())
            original(self, *arguments)

        monkeypatch.setattr(ShownFigure, name, watched)

    for name in ("bring", "move", "fade"):
        watch(name)
    worked = []

    def work(choice, progress):
        worked.append(threading.current_thread())
        progress.fade()
        progress.say("working")
        progress.show(PlantedShown(choice, page.clips, 0))
        progress.move({"number": {"y": [7]}})

    page.work = work
    page.number.value = 2
    ready(page)
    page.choose(knob=3)
    ready(page)
    assert threads == {name: {threading.main_thread()} for name in ("bring", "move", "fade")}
    assert worked[0] is not threading.main_thread()


def test_what_is_drawn_fades_until_the_next_is_there(page):
    begun, go_on = threading.Event(), threading.Event()

    def work(choice, progress):
        progress.fade()
        begun.set()
        assert go_on.wait(PATIENCE_S)

    page.work = work
    page.number.value = 2
    assert happens(begun)
    main.run_queued()
    assert page.figure.trace("number").opacity == STALE
    go_on.set()
    ready(page)
    assert page.figure.trace("number").opacity is None


# ---------------------------------------------------------------------------------------------------- how it is written


def parsed(folder=PACKAGE):
    """Return path -> syntax tree of the package's files."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_content_is_free_of_widgets():
    """It may ask who looks at a page (`widgets.host`), and nothing else of the widgets."""
    trees = parsed(Path(content.__path__[0]))
    assert len(trees) >= 6
    for path, tree in trees.items():
        names = [name for name in imported(tree) if not name.startswith("latentfx_nb.widgets.host")]
        wrong = [name for name in names if name.split(".")[0] in ("ipywidgets", "anywidget", "traitlets")]
        wrong += [name for name in names if name.startswith("latentfx_nb.widgets")]
        assert wrong == [], f"{path.name} imports {', '.join(wrong)}: what is shown has to be free of widgets"


def is_page(tree):
    """Say whether a file defines a page: a class that names its notebook."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    named = [one for node in classes for one in node.body if isinstance(one, ast.Assign)]
    return any("notebook" in ast.unparse(target) for one in named for target in one.targets)


def test_pages_and_modules_are_short():
    for path, tree in parsed().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        most = PAGE_LINES if path.parent.name == "pages" and is_page(tree) else MODULE_LINES
        assert lines <= most, f"{path.relative_to(PACKAGE)} has {lines} lines: split what is over {most}"


def test_functions_are_short():
    longer = {}
    for path, tree in parsed().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    longer[f"{path.relative_to(PACKAGE).as_posix()}: {node.name}"] = lines
    assert len(LONGER) <= 3
    assert set(longer) == set(LONGER), f"split functions of over {FUNCTION_LINES} lines: {longer}"
