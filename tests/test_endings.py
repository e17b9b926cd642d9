"""Scripts that end while a panel's thread works: with their own exit status, and not a word."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

import torch

from latentfx_nb.sound.clips import load_clips
from latentfx_nb.effects import render
from latentfx_nb.pages.worker import Cancelled, Worker

clip = load_clips("bundled")[0]
layer = torch.nn.Conv1d(2, 64, 512)

def in_torch():
    layer(torch.from_numpy(clip)[None])

def in_a_pool():
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda label: render(clip, label), ["RVB", "CHS"]))

def with_status():
    sys.exit(3)

def interrupted():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)

def job():
    while True:
        for work in (in_torch, in_a_pool):
            work()
            if worker.cancelled.is_set():
                raise Cancelled
            started.set()

worker, started = Worker(failed=lambda error: None), threading.Event()
worker.submit("work", job)
worker.submit("next", job)
started.wait()
time.sleep(PAUSE_S)
HOW()
"""


@pytest.mark.parametrize("pause_s", [0, 0.04, 0.15])
@pytest.mark.parametrize(("how", "statuses", "said"), [
    ("with_status", {3}, ""),
    ("interrupted", {-signal.SIGINT, 1}, r"Traceback \(most[^\0]*\nKeyboardInterrupt\n"),
], ids=["by itself", "by Ctrl-C"])  # fmt: skip
def test_a_script_that_ends_while_a_panel_works_keeps_its_status_and_says_nothing(how, statuses, said, pause_s):
    script = SCRIPT.replace("PAUSE_S", str(pause_s)).replace("HOW", how)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode in statuses and re.fullmatch(said, ended.stderr), ended.stderr
