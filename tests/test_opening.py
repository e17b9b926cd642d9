"""What opening a page costs: nothing is rendered or encoded but what it draws of single clips, and that once."""

from __future__ import annotations

import ast
import hashlib
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentfx_nb import figures, pages
from latentfx_nb.analysis import prepared
from latentfx_nb.analysis.held_out import learning_rows
from latentfx_nb.effects import EFFECTS, TURNABLE, EffectSpec
from latentfx_nb.encoders import running
from latentfx_nb.encoders.logmel import LogMel
from latentfx_nb.pages.content import linear_probes
from latentfx_nb.pages.hearing import Hearing
from latentfx_nb.pages.page import Page
from latentfx_nb.sound.audio import normalise
from latentfx_nb.sound.clips import load_clips
from tests.on_pages import click, happens, heard_by_now, ready, said
from tests.speed import PATIENCE_S

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KNOBS = [(label, knob.name) for label in TURNABLE for knob in EFFECTS[label].knobs]


def panel_call(page):
    """Return class and arguments of the panel in a notebook."""
    (path,) = NOTEBOOKS.glob(f"{page}_*.py")
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        if name.rpartition(".")[0] == "lfx.pages":
            options = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
            return getattr(pages, name.rpartition(".")[2]), [ast.literal_eval(one) for one in call.args], options
    raise LookupError(f"{path} opens no panel")


def content(clip):
    return hashlib.sha256(np.ascontiguousarray(clip).tobytes()).hexdigest()


@pytest.fixture
def work(monkeypatch):
    """Count renders by clip, effect and value, and list encoders with what they are given."""
    rendered, encoded = Counter(), []
    render, encode = EffectSpec.render, running._encode_in_memory

    def counted_render(self, clip, sample_rate, value=None, knob=None):
        rendered[content(clip), self.label, value] += 1
        return render(self, clip, sample_rate, value, knob)

    def counted_encode(encoder, inputs):
        encoded.extend((encoder.name, content(one)) for one in inputs.numpy())
        return encode(encoder, inputs)

    monkeypatch.setattr(EffectSpec, "render", counted_render)
    monkeypatch.setattr(running, "_encode_in_memory", counted_encode)
    return rendered, encoded


def opened(page):
    panel_class, arguments, options = panel_call(page)
    panel = panel_class(*arguments, **options)
    instrument = panel if isinstance(panel, Page) else panel.instrument
    ready(instrument)
    assert said(instrument) == ""
    return panel


@pytest.mark.parametrize("page", ["00", "03", "04", "05", "06", "08", "09"])
def test_a_page_opens_without_rendering_or_encoding(page, work, lyra_weights):
    opened(page)
    rendered, encoded = work
    assert not rendered
    assert not encoded


def drawn_by(page):
    """Return the clips and settings that pages draw one by one: row, effect and the value of its knob."""
    if page == "01":
        return [(0, "CLN", None), (0, "DIS", 25.0)]
    if page == "02":
        return [(0, "CLN", None), (0, "DIS", None)]
    rows = [0, *learning_rows(load_clips("bundled"), 0, 8)]
    return [(row, effect, None) for row in rows for effect in ("CLN", "HPF")]


@pytest.mark.parametrize("page", ["01", "02", "07"])
def test_a_page_renders_and_encodes_what_it_draws_once(page, work):
    opened(page)
    rendered, encoded = work
    clips, drawn = load_clips("bundled"), drawn_by(page)
    expected = Counter((content(normalise(clips[row], 48_000)), effect, value) for row, effect, value in drawn)
    assert rendered == expected
    assert set(expected.values()) == {1}
    own = [one for one in encoded if one[0] == "diffae-mini"]  # decoded sounds are compared by their log-mels
    assert len(own) == len(set(own)) == len(drawn)


@pytest.mark.parametrize("page", ["03", "04", "05", "06"])
def test_play_renders_the_two_sounds_that_it_plays(page, work):
    panel = opened(page)
    rendered, encoded = work
    title = panel.player.title
    assert not panel.player.wet
    panel.player._handle_custom_msg({"kind": "wanted"}, [])
    ready(panel)
    assert panel.player.dry and panel.player.wet and panel.player.title == title
    assert sum(rendered.values()) == len(rendered) <= 2  # a clean clip is one sound
    assert not encoded


@pytest.mark.parametrize(("label", "knob"), KNOBS)
def test_every_knob_shows_its_paths_and_is_heard_without_encoding(label, knob, work, monkeypatch):
    panel = opened("04")
    rendered, encoded = work
    monkeypatch.setattr(panel, "exact", lambda shown, progress: shown)  # of the very value, after it
    panel.knob.effect = "DIS" if label == "HPF" else "HPF"  # which it opens on
    panel.knob.effect = label
    panel.knob._parameter.value = knob
    ready(panel)
    assert panel.shown.sweeps[0]["value"].attrs["knob"] == knob
    assert panel.shown.sweeps[0].sizes["clip"] == 8
    assert panel.player.wet
    assert not encoded
    assert {effect for _, effect, _ in rendered} <= {"CLN", "HPF", "DIS", label}


def test_pages_open_on_shipped_points_with_another_pedalboard_and_say_so(monkeypatch, work):
    installed = prepared.made_with.__globals__["render_versions"]()
    other = installed | {"pedalboard": "99.0"}
    monkeypatch.setattr("latentfx_nb.effects.rendering.version", other.__getitem__)
    for page in ("03", "04", "05", "06", "09"):
        panel = opened(page)
        assert f"made with pedalboard {installed['pedalboard']}" in panel.made.value
        assert "here are pedalboard 99.0" in panel.made.value
        assert "Renders of" in panel.made.value
    assert not work[1]  # renders are compared, and nothing is encoded


def test_without_other_versions_nothing_is_said():
    assert opened("04").made.value == ""


# ---------------------------------------------------------------------------------------------------------- sound first


@pytest.fixture
def order(monkeypatch):
    """List what is handed to the player, encoded and drawn, in order."""
    events = []
    encode, load = LogMel.encode, Hearing._load

    def encoding(self, audio):
        events.append(("encode", len(audio)))
        return encode(self, audio)

    def loading(self, heard, *decoded):
        load(self, heard, *decoded)
        events.append(("load", heard.title))

    monkeypatch.setattr(LogMel, "encode", encoding)
    monkeypatch.setattr(Hearing, "_load", loading)
    return events


@pytest.fixture(scope="module")
def few(real_clips):
    """Three clips of three recordings, which nothing has been prepared for."""
    return real_clips[[1, 6, 22]]


def test_a_knob_that_is_not_prepared_is_heard_first_then_the_heard_path_is_drawn(few, order, monkeypatch):
    panel = ready(pages.KnobPaths(few, encoder="logmel"))
    panel.heard_clip.value = 1
    ready(panel)
    order.clear()
    show, progress = panel.show, panel.progress

    def fading():
        found = progress()
        fade = found.fade
        monkeypatch.setattr(found, "fade", lambda: (fade(), order.append(("fade", panel.status.text))))
        return found

    monkeypatch.setattr(panel, "show", lambda shown, **how: (order.append(("draw", shown.rows)), show(shown, **how)))
    monkeypatch.setattr(panel, "progress", fading)
    panel.knob.effect = "DIS"
    ready(panel)
    assert set(order[: order.index(("fade", ""))]) == {("load", f"{few.table['clip'].iat[1]}: Distortion, drive 25 dB")}
    work = order[order.index(("fade", "")) + 1 :]
    own = work.index(("draw", [1]))
    assert sum(size for what, size in work[:own]) == 32
    assert work.index(("draw", [0, 1, 2])) > own
    assert sum(size for what, size in work if what == "encode") == 3 * 32 + 1  # and the very value
    assert figures.STALE not in {panel.figure.trace(name).opacity for name in ("paths", "heard path", "knob")}


def test_paths_that_are_not_those_chosen_stay_faint(few, monkeypatch):
    panel = ready(pages.KnobPaths(few, encoder="logmel"))
    asked = []

    def full(clips, encoder, effect, knob, bar, *, compute=True):
        if not compute:
            raise prepared.NotShipped("no")
        asked.append(len(clips))
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(pages.KnobPaths.content, "sweep_means", full)
        panel.knob.effect = "DIS"
        ready(panel)
    assert asked == [1]
    assert "the disk is full" in said(panel)
    assert {panel.figure.trace(name).opacity for name in ("paths", "heard path", "knob")} == {figures.STALE}
    assert panel.player.title.endswith("Distortion, drive 25 dB")
    panel.knob.effect = "HPF"
    ready(panel)
    assert figures.STALE not in {panel.figure.trace(name).opacity for name in ("paths", "heard path", "knob")}


@pytest.mark.parametrize("page", ["02", "07"])
def test_trajectories_and_pairs_are_encoded_after_the_sound(page, order):
    name = {"02": "Trajectories", "07": "LatentAlgebra"}[page]
    panel = ready(getattr(pages, name)(encoder="logmel"))
    order.clear()
    if page == "02":
        panel.effects.value = ("RVB",)
    else:
        panel.effect.value = "RVB"
    ready(panel)
    kinds = [what for what, _ in order]
    assert "encode" in kinds
    assert kinds.index("load") < kinds.index("encode")
    assert "reverb" in panel.player.title.lower()


def test_a_sound_does_not_wait_for_training(monkeypatch):
    panel = ready(pages.LinearProbes(encoders=("logmel",)))
    gate, started = threading.Event(), threading.Event()

    def long(*_arguments, **_options):
        started.set()
        assert gate.wait(PATIENCE_S)
        raise ValueError("enough")

    monkeypatch.setattr(linear_probes, "train_probes", long)
    panel.train_button.click()
    assert happens(started)
    panel.choose(cell=("DLY", "CLN"), confused=None)
    heard_by_now(panel)
    assert panel.player.title.endswith("Delay (DLY named CLN)")
    assert panel.player.wet
    gate.set()
    ready(panel)


# ----------------------------------------------------------------------------------------------------------- bad clips


def test_a_clip_that_cannot_be_read_is_named_and_play_is_up_again(broken_file):
    panel = ready(pages.EffectClusters(encoder="logmel"))
    panel.player.playing = True
    broken_file(panel.clips, 0)
    panel.player._handle_custom_msg({"kind": "wanted"}, [])
    ready(panel)
    assert "This cannot be heard: gtr_00_a is broken" in said(panel)
    assert panel.player.playing is False
    click(panel, "view 1 HPF", 1)
    assert said(panel) == ""
    assert panel.player.wet


@pytest.fixture
def broken_file(monkeypatch):
    """Let the file of one clip of a set break off."""
    read = type(load_clips("bundled"))._read

    def breaking(clips, row):
        name = clips.table["clip"].iat[row]

        def broken(self, one):
            if self.table["clip"].iat[one] == name:
                raise ValueError(f"{name} is broken")
            return read(self, one)

        monkeypatch.setattr(type(clips), "_read", broken)

    return breaking


def test_a_broken_file_is_left_out_of_the_paths_and_named(real_clips, broken_file):
    clips = real_clips[[1, 6, 22]]
    broken_file(clips, 1)
    panel = ready(pages.KnobPaths(clips, encoder="logmel"))
    broken = clips.table["clip"].iat[1]
    assert f"{broken} is broken" in said(panel)
    assert panel.shown.rows == [0, 2]
    panel.heard_clip.value = 1
    ready(panel)
    assert "This cannot be heard" in said(panel)
    panel.heard_clip.value = 2
    panel.knob.effect = "DIS"
    ready(panel)
    assert panel.shown.rows == [0, 2]
    assert panel.player.title.endswith("Distortion, drive 25 dB")
    assert "This cannot be heard" not in said(panel)


@pytest.mark.parametrize("name", ["EffectClusters", "KnobPaths", "LinearProbes", "DimensionMasking"])
def test_the_rest_of_a_set_with_a_broken_file_is_shown_and_the_file_is_named(name, monkeypatch):
    """What `encode_effects` leaves out stands in no row: rows of what was computed are not those of the set."""
    clips, whole = load_clips("bundled"), prepared.effect_means
    lost = clips.table["clip"].iat[3]

    def tell(bar):
        with bar(total=1, desc="logmel") as progress:
            progress.skipped({lost: f"{lost}.flac breaks off"})

    def without(some, *arguments, bar, **options):
        means = whole(some, *arguments, **options)
        tell(bar)
        return means.sel(clip=means["clip"] != lost)

    def left_points(*_arguments, bar, **_options):
        tell(bar)
        return replace(points, views=left)

    points = prepared.cluster_points(clips, "logmel")
    left = {view: x.sel(clip=x["clip"] != lost) for view, x in points.views.items()}
    page = getattr(pages, name)
    read = ("cluster_points", left_points) if name == "EffectClusters" else ("effect_means", without)
    monkeypatch.setattr(page.content, *read)
    options = {"encoders": ("logmel",)} if name == "LinearProbes" else {"encoder": "logmel"}
    panel = ready(page(clips, **options))
    assert said(panel) == f"Left out: {lost}.flac breaks off."
    if name == "EffectClusters":
        click(panel, "view 1 HPF", 3)  # the fourth clip's point is of the fifth clip
        assert panel.player.title == f"{clips.table['clip'].iat[4]}: High-pass filter"
    elif name in ("LinearProbes", "DimensionMasking"):
        held = panel.shown.probed if name == "LinearProbes" else panel.shown.masked
        assert list(held.table["clip"]) == [clip for clip in clips.table["clip"] if clip != lost]
