"""`pages.worker` and `pages.status`: the newest job of a kind wins, and what goes wrong is a sentence."""

from __future__ import annotations

import threading

import pytest

from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.status import Status
from latentfx_nb.pages.worker import Cancelled, Worker, main, wait_for
from tests.speed import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")


class Recorder:
    def __init__(self):
        self.failed, self.stopped = [], 0
        self.worker = Worker(self.failed.append, self._stopped)
        self.gate, self.started = threading.Event(), threading.Event()

    def _stopped(self):
        self.stopped += 1

    def hold(self):
        """A job that runs until the gate opens."""
        self.started.set()
        assert self.gate.wait(PATIENCE_S)

    def until_cancelled(self):
        self.started.set()
        assert self.worker.cancelled.wait(PATIENCE_S)
        raise Cancelled

    def begin(self, kind, job):
        self.started.clear()
        self.worker.submit(kind, job)
        assert self.started.wait(PATIENCE_S)


@pytest.fixture
def recorder():
    recorder = Recorder()
    yield recorder
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)


def test_of_each_kind_only_the_newest_waiting_job_runs(recorder):
    ran = []
    recorder.begin("held", recorder.hold)
    for i in range(50):
        recorder.worker.submit("render", lambda i=i: ran.append(("render", i)))
        recorder.worker.submit("prepare", lambda i=i: ran.append(("prepare", i)))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert ran == [("render", 49), ("prepare", 49)]
    assert recorder.failed == []


def test_a_newer_job_of_its_kind_stops_a_running_one_without_a_word(recorder):
    flags = []
    recorder.begin("prepare", recorder.until_cancelled)
    recorder.worker.submit("prepare", lambda: flags.append(recorder.worker.cancelled.is_set()))
    recorder.worker.wait(PATIENCE_S)
    assert flags == [False]
    assert recorder.stopped == 0


def test_a_job_of_another_kind_stops_nothing(recorder):
    flags = []
    recorder.begin("prepare", lambda: (recorder.hold(), flags.append(recorder.worker.cancelled.is_set())))
    recorder.worker.submit("render", lambda: flags.append("rendered"))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert flags == [False, "rendered"]


def test_cancel_stops_the_running_job_and_says_so_once(recorder):
    ran = []
    recorder.begin("prepare", recorder.until_cancelled)
    recorder.worker.submit("render", lambda: ran.append(recorder.worker.cancelled.is_set()))
    recorder.worker.cancel()
    recorder.worker.wait(PATIENCE_S)
    assert recorder.stopped == 1
    assert recorder.failed == []
    assert ran == [False]


def test_cancel_with_nothing_to_do_spoils_no_later_job(recorder):
    ran = []
    recorder.worker.cancel()
    recorder.worker.submit("render", lambda: ran.append(recorder.worker.cancelled.is_set()))
    recorder.worker.wait(PATIENCE_S)
    assert ran == [False]


def test_an_exception_is_reported_and_the_next_job_runs(recorder):
    ran, error = [], KeyError("unforeseen")

    def broken():
        recorder.hold()
        raise error

    recorder.begin("prepare", broken)
    recorder.worker.submit("render", lambda: ran.append("rendered"))
    recorder.gate.set()
    recorder.worker.wait(PATIENCE_S)
    assert recorder.failed == [error]
    assert ran == ["rendered"]


def test_the_thread_ends_when_idle_and_a_new_one_serves_the_next_job(recorder):
    threads = []
    for _ in range(2):
        recorder.worker.submit("render", lambda: threads.append(threading.current_thread()))
        recorder.worker.wait(PATIENCE_S)
        threads[-1].join(PATIENCE_S)
        assert not threads[-1].is_alive()
    assert threads[0] is not threads[1]


def test_wait_times_out_and_names_the_job(recorder):
    recorder.begin("prepare", recorder.hold)
    with pytest.raises(TimeoutError, match="busy with 'prepare'"):
        recorder.worker.wait(0.01)


def test_wait_returns_at_once_where_nothing_was_asked_for(recorder):
    recorder.worker.wait(0.0)


def test_status_shows_progress_and_clears_up():
    status = Status()
    with status.progress(total=4, initial=1, desc="Listening", unit="clip", check=lambda: None) as bar:
        assert status.text == "Listening: 1 of 4 clips …"
        assert (bar._bar.value, bar._bar.max) == (1, 4)
        assert status._bar.layout.display == status._stop.layout.display == "flex"
        bar.update()
        assert status.text == "Listening: 2 of 4 clips"
    assert status.text == ""
    assert status._bar.layout.display == status._stop.layout.display == "none"


def test_status_hides_the_bar_of_work_that_stopped():
    def stop():
        raise Cancelled

    status = Status()
    with pytest.raises(Cancelled), status.progress(total=4, check=stop) as bar:
        bar.update()
    assert status._bar.layout.display == status._stop.layout.display == "none"


def test_status_tells_errors_as_text_and_not_as_html():
    status = Status()
    status.fail(ValueError("give <b>one</b> & not two"))
    assert "That did not work:" in status.text
    assert "give &lt;b&gt;one&lt;/b&gt; &amp; not two" in status.text
    status.fail(KeyError("dim"))
    assert "something unexpected went wrong (KeyError: &#x27;dim&#x27;)" in status.text
    status.say("<i>")
    assert status.text == "&lt;i&gt;"


def test_long_work_says_what_is_left(monkeypatch):
    status, now = Status(), [100.0]
    monkeypatch.setattr("latentfx_nb.pages.status.time.monotonic", lambda: now[0])
    said = []
    with status.progress(total=40, initial=10, desc="Encoding", unit="clip", check=lambda: None) as progress:
        progress.set_postfix_str("render 60%")
        for seconds in (1, 1, 10, 100):
            now[0] += seconds
            progress.update()
            said.append(status.text)
    with status.progress(total=2500, desc="Training", unit="epoch", check=lambda: None) as progress:
        now[0] += 8
        progress.update(0)
        said.append(status.text)
    assert said == [
        "Encoding: 11 of 40 clips",
        "Encoding: 12 of 40 clips, about 30 s left",
        "Encoding: 13 of 40 clips, about 2 min left",
        "Encoding: 14 of 40 clips, about 12 min left",
        "Training: 0 of 2500 passes",
    ]


@pytest.mark.parametrize(("unit", "counted"), [("clip", " clips"), ("sound", " sounds"), ("step", ""), ("", "")])
def test_status_says_what_is_counted(unit, counted):
    status = Status()
    with status.progress(total=64, initial=25, desc="Algebra", unit=unit, check=lambda: None):
        assert status.text == f"Algebra: 25 of 64{counted} …"


def test_a_bar_of_some_work_says_what_all_that_work_is_for():
    bars, progress = [], Progress()
    progress.bar = lambda *arguments, desc="", **options: bars.append(desc)
    progress.bar_of("The other paths")(total=3, desc="Listening through the reverb with logmel")
    assert bars == ["The other paths: listening through the reverb with logmel"]


def test_what_goes_wrong_while_a_result_is_shown_is_told_by_its_job():
    told, shown = [], []
    worker = Worker(told.append, lambda: None)
    worker.submit("a", lambda: (main.call(lambda: 1 / 0), main.call(lambda: shown.append(1))))
    wait_for(worker, timeout_s=PATIENCE_S)
    assert [type(one) for one in told] == [ZeroDivisionError]
    assert shown == [1]
