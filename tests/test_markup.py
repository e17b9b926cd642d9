"""Names of clips and files are text wherever a page shows them; a dashboard keeps its folders and secrets to itself."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import soundfile
import xarray as xr

from latentfx_nb import figures, pages
from latentfx_nb.pages.figure_tools import figure_table, saved_page
from latentfx_nb.pages.markup import download, in_words, note, public, table
from latentfx_nb.pages.status import Status
from latentfx_nb.sound.clips import load_clips
from latentfx_nb.widgets import host
from latentfx_nb.widgets.player import plain_players
from tests.on_pages import ready, said
from tests.test_your_own_audio import hand_in, wav

EVIL = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '<a href="javascript:alert(1)">x</a>',
    "<a href='https://evil.example'>log in</a>",
    "<b>bold</b>&lt;i&gt;",
    '"><svg onload=alert(1)>',
)


class Tags(HTMLParser):
    """Collects what tags, attributes and text a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]

    def handle_data(self, data):
        self.text += data


def assert_harmless(text, name, allowed=()):
    seen = Tags(text)
    assert not {"img", "svg", "script", "a", "b", "i"} - set(allowed) & set(seen.tags) - set(allowed), text
    assert not any(one.startswith("on") for one in seen.attributes), text
    assert name in seen.text, f"{name} is not shown as it is in {seen.text}"


def in_plotly(text):
    """Return what plotly draws of a text: it takes tags for markup, and entities for letters."""
    return html.unescape(re.sub("<[^<>]*>", "", text))


@pytest.fixture
def evil_clips(tmp_path):
    """Clips whose names and instruments are markup. What no file name can hold, the manifest's columns hold."""
    lines = ["file,instrument,recording,licence"]
    sound = 0.1 * np.random.default_rng(0).standard_normal((20_000, 1))
    for number, name in enumerate(EVIL):
        file = f"{name.replace('/', '∕')}.wav"
        soundfile.write(tmp_path / file, sound, 48_000)
        quoted = [value.replace('"', '""') for value in (file, name, f"recording {number}")]
        lines.append(",".join(f'"{value}"' for value in quoted) + ",x")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return load_clips(tmp_path)


@pytest.mark.parametrize("name", EVIL)
def test_pieces_of_html_show_names_as_they_are(name):
    assert_harmless(table((name,), [(name,)]), name)
    assert_harmless(note(name), name)
    link = download(name, name, b"x", "text/plain")
    assert_harmless(link, name, allowed=("a",))
    assert Tags(link).attributes == ["download", "href"]
    status = Status()
    for say in (status.say, lambda text: status.fail(ValueError(text)), lambda text: status.fail(KeyError(text))):
        say(name)
        shown = name if "KeyError" not in status.text else repr(name)
        assert_harmless(status.text, shown, allowed=("b",))
        assert Tags(status.text).tags in ([], ["span", "b"])
    silence = np.zeros((2, 100), np.float32)
    assert_harmless(plain_players(silence, silence, title=name).children[0].value, name)


@pytest.mark.parametrize("name", EVIL)
def test_plotly_is_given_names_and_no_markup(name):
    path = {"component": ["x", "y", "z"]}
    points = xr.DataArray(
        np.zeros((1, 1, 3)),
        {"clip": [name], "effect": ["CLN"], "instrument": ("clip", [name]), **path},
        ("clip", "effect", "component"),
    )
    frames = xr.DataArray(np.zeros((2, 3)), {"time_s": ("frame", [0.0, 1.0]), **path}, ("frame", "component"))
    frames = frames.assign_coords(clip=name, effect="CLN")
    knob = xr.DataArray(
        np.zeros((1, 2, 3)), {"clip": [name], "value": [1.0, 2.0], **path}, ("clip", "value", "component")
    )
    scores = pd.DataFrame({"accuracy": [0.5], "low": [0.4], "high": [0.6]}, index=[name])
    confusion = xr.DataArray(np.eye(2), {"label": [name, "b"], "named": [name, "b"]}, ("label", "named"))
    _, _, trace, legend = figures.trajectories([frames]).data
    probes = figures.linear_probes({"set": scores}, confusion)  # bars, chance and the matrix
    texts = [
        *figures.hover_texts(points), *trace["text"], trace["name"], legend["name"],
        figures.path_trace(knob)["text"][0], figures.knob_trace(knob)["text"][0],
        *(trace.x[0] for trace in probes.data[:3]), probes.data[2].y[0],
    ]  # fmt: skip
    for text in texts:
        assert set(re.findall("<[^<>]*>", text)) <= {"<b>", "</b>", "<br>"}, text
        assert name in in_plotly(text), text
        assert not Tags(text).attributes


def test_a_saved_page_is_not_broken_by_names(evil_clips):
    names = list(evil_clips.table["clip"])
    points = xr.DataArray(
        np.random.default_rng(0).standard_normal((len(names), 1, 3)),
        {"clip": names, "effect": ["CLN"], "instrument": ("clip", list(EVIL)), "component": ["x", "y", "z"]},
        ("clip", "effect", "component"),
    )
    numbered = points.assign_coords(
        clip=[str(i) for i in range(len(names))], instrument=("clip", ["guitar"] * len(names))
    )
    silence = np.zeros((1, 2000), np.float32)
    figure = figures.clusters(points)
    sounds = {figure.data[0].meta: [lambda: silence] * len(names)}
    page, harmless = (saved_page(one, sounds, PlainBar) for one in (figure, figures.clusters(numbered)))
    for tag in ("<script", "</script", "<img", "<svg", "<a ", "</body"):
        assert page.lower().count(tag) == harmless.lower().count(tag), f"a name became {tag}"
    assert "alert(1)</script>" not in page and "<script>alert" not in page
    assert "DOMParser" in page
    says = figure_table(figure)["says"].dropna()
    assert all(any(text.startswith(name) for text in says) for name in names), "tables hold the names themselves"


class PlainBar:
    def __init__(self, **_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, *_):
        pass


def html_of(widget):
    """Yield the HTML of a panel's widgets, but for its glossary, which names nothing of a visitor's."""
    if "lfx-section-words" in getattr(widget, "_dom_classes", ()):
        return
    if type(widget).__name__ in ("HTML", "HTMLMath"):
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from html_of(child)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
@pytest.mark.parametrize("page", ["Trajectories", "LatentImages"])
def test_pages_show_evil_names_as_text(page, evil_clips):
    panel = ready(getattr(pages, page)(evil_clips, encoder="logmel"))
    assert "unexpected" not in said(panel)
    for text in html_of(panel):
        seen = Tags(text)
        assert not {"img", "svg", "script"} & set(seen.tags), text
        assert not any(one.startswith("on") for one in seen.attributes), text
    drawn = json.dumps(go.Figure(panel.figure).to_plotly_json(), default=lambda one: np.asarray(one).tolist())
    assert "<img" not in drawn and "<a " not in drawn and "<svg" not in drawn and "<script" not in drawn


def test_what_is_handed_in_or_skipped_is_named_as_text(tmp_path, monkeypatch):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "good.wav").write_bytes(wav())
    (folder / "<img src=x onerror=alert(1)>.wav").write_bytes(b"no")
    monkeypatch.setenv("LATENTFX_CLIPS", str(folder))
    panel = ready(pages.LatentImages(encoder="logmel"))
    assert "Skipped" not in panel.own_files.listed.value
    panel.clip_set.value = str(folder)
    ready(panel)
    line = "Skipped: <img src=x onerror=alert(1)>.wav (Format not recognised; it is damaged, or something else)."
    assert Tags(panel.own_files.listed.value).text == line
    assert Tags(panel.own_files.listed.value).tags == ["p"]
    hand_in(panel, {"<img src=x onerror=alert(1)>.txt": b"x", "ok.wav": wav()})
    assert "img" not in Tags(panel.own_files.listed.value).tags
    panel.clip_set.value = "bundled"
    ready(panel)
    assert "Skipped" not in panel.own_files.listed.value


# What a dashboard keeps to itself.

MESSAGES = {
    "/srv/hidden/clips/riff 1.wav cannot be read as audio (it is empty); see /etc/hidden/note.txt":
        "riff 1.wav cannot be read as audio (it is empty); see note.txt",
    "[Errno 13] Permission denied: '/srv/hidden/a b/x.wav'": "[Errno 13] Permission denied: 'x.wav'",
    "2 of 9 files cannot be used: /srv/hidden/e.wav (empty), /srv/hidden place/f.wav (mono), and are skipped":
        "2 of 9 files cannot be used: e.wav (empty), f.wav (mono), and are skipped",
    r"C:\Users\hidden\Music\x.wav ends early": "x.wav ends early",
    r"\\hidden\share\x.wav ends early": "x.wav ends early",
    "/srv/hidden does not exist, file:///srv/hidden/x.wav neither": "hidden does not exist, x.wav neither",
    "open(path='/srv/hidden/x.bin')": "open(path='x.bin')",
    "see https://zenodo.org/records/1/files and/or section 2/3, 1 / 2, 5 %/s":
        "see https://zenodo.org/records/1/files and/or section 2/3, 1 / 2, 5 %/s",
    "https://me:hidden@example.org/x failed": "https://example.org/x failed",
    "refused: token hf_abcdefgh": "refused: token [hidden]",
}  # fmt: skip


@pytest.fixture(params=[{"SERVER_SOFTWARE": "voila/0.5.13"}, {"VOILA_PREHEAT": "True"}], ids=["asked", "preheated"])
def dashboard(request, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    assert host.is_dashboard()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_dashboard_names_files_without_folders_and_no_secrets(dashboard, message):
    assert public(message) == MESSAGES[message]
    status = Status()
    status.fail(OSError(message))
    assert Tags(status.text).text == f"That did not work: {MESSAGES[message]}"
    status.fail(RuntimeError(message))
    assert Tags(status.text).text.endswith(f"(RuntimeError: {MESSAGES[message]})")
    status.say(message)
    assert Tags(status.text).text == MESSAGES[message]


@pytest.mark.parametrize("message", MESSAGES)
def test_ones_own_machine_is_told_all(monkeypatch, message):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    monkeypatch.delenv("VOILA_PREHEAT", raising=False)
    status = Status()
    status.fail(OSError(message))
    assert Tags(status.text).text == f"That did not work: {message}"


def test_folders_that_pages_read_may_have_any_name(dashboard, monkeypatch, tmp_path):
    folder = tmp_path / 'x (1), it\'s; "mine" <a>'
    monkeypatch.setenv("LATENTFX_CLIPS", str(folder))
    assert public(f"{folder}/a.wav is empty") == "a.wav is empty"


def test_a_dashboards_page_names_no_folder_of_the_server(dashboard, tmp_path, monkeypatch):
    folder = tmp_path / "hidden place" / "clips"
    folder.mkdir(parents=True)
    monkeypatch.setenv("LATENTFX_CLIPS", str(folder))
    panel = ready(pages.LatentImages(encoder="logmel"))
    panel.clip_set.value = str(folder)
    ready(panel)
    assert said(panel).startswith("That did not work: clips holds no audio")
    (folder / "bad.wav").write_bytes(b"no")
    (folder / "good.wav").write_bytes(wav())
    panel.clip_set.value = "bundled"
    panel.clip_set.value = str(folder)
    ready(panel)
    assert "Skipped: bad.wav (" in Tags(panel.own_files.listed.value).text
    assert "lfx.load_clips(FOLDER)" in panel.code()
    for text in [*html_of(panel), panel.code(), panel.player.title]:
        assert "hidden place" not in text


def test_small_numbers_are_words():
    assert [in_words(number) for number in (1, 10, 12, 13, 64)] == ["one", "ten", "twelve", "13", "64"]


def test_heads_of_tables_explain_themselves_by_hints_and_by_what_measures_mean():
    text = table(("straight", "dim", "other"), [(1, 2, 3)], {"dim": 'numbers "seen" <each>'})
    heads = dict(re.findall(r'<th title="([^"]*)">(.*?)</th>', text))
    said_of = {head: html.unescape(hint) for hint, head in heads.items()}
    assert said_of["dim"] == 'numbers "seen" <each>'
    assert said_of["straight"].endswith("is better)")
    assert "<th>other</th>" in text
