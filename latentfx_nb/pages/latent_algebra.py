"""Section 1's question, live: can an effect be added to latents as a vector, and how near does it sound?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.algebra import METHODS, interpolate, learn_effect, scale_dims, swap_dims
from latentfx_nb.analysis.algebra_study import (
    MEASURES,
    REAL,
    SHOTS,
    WET,
    few_shot_scores,
    learning_rows,
    logmel_distance_db,
    method_scores,
    score_table,
    stft_distance,
)
from latentfx_nb.analysis.pca import PCA, fit_pca
from latentfx_nb.analysis.prepared import NotShipped, effect_algebra, effect_means
from latentfx_nb.analysis.probes import named_by, train_probes
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import Decoder, Encoder, load_encoder
from latentfx_nb.pages.base import STYLE, Heard, Panel, Sound, clip_label, dry_and_wet, encoded, rendered
from latentfx_nb.pages.figure_tools import FigureTools
from latentfx_nb.pages.latent_images import STILL_S
from latentfx_nb.pages.markup import averages_pca_words, note, table, table_downloads
from latentfx_nb.sound.audio import Clip
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction
from latentfx_nb.store.encode import encoded_clips

REMEMBERED = 160  # latents of renders: 80 MB of those of diffae-mini

STEPS = 17  # points of the way that is drawn

PAIRS = 8  # that an effect is learned from at first

VECTOR, BETWEEN, DIMS = MODES = ("Effect vector", "Between two clips", "Single dims")

SOUNDS = {
    VECTOR: {"dry": "Dry", "wet": "Real effect", "decoded": "Decoded effect", "algebra": "Decoded algebra"},
    BETWEEN: {"dry": "Clip", "wet": "Other clip", "decoded": "Decoded clip", "algebra": "Decoded between"},
    DIMS: {"dry": "Dry", "wet": "Real effect", "decoded": "Decoded dry", "algebra": "Decoded, dims changed"},
}
"""What the player's four sounds are, by mode."""

PLACES = {
    VECTOR: ("dry", "real effect", "algebra"),
    BETWEEN: ("clip", "other clip", "between"),
    DIMS: ("dry", "real effect", "dims changed"),
}

CHANGES = ("scale", "take from the effect")

SCORED = (
    "Each of {n} held-out clips, of a recording each, was changed by what {k} pairs of other recordings teach. A score "
    "is the share of the distance between doing nothing and the effect itself that is gone: 100 % all of it, 0 % none, "
    "below 0 farther away than before; in brackets its 95 % interval over recordings. {real} is what the effect's own "
    "latents get: more is not to be had from this decoder. It is better than doing nothing where the whole interval is "
    "above 0."
)


class _Moved(NamedTuple):
    """One clip, moved: what is drawn, told and decoded."""

    mode: str
    encoder: Encoder
    recording: str
    heard: Heard
    sounds: tuple[Clip, Clip]
    start: xr.DataArray  # (dim, frame)
    end: xr.DataArray
    moved: xr.DataArray
    way: Callable[[float], xr.DataArray]  # 0 .. 1 -> (dim, frame)
    pairs: tuple[xr.DataArray, xr.DataArray]  # time averages (clip, dim)


class LatentAlgebra(Panel):
    """Learn an effect from a few pairs, add it to another clip's latents, and hear four sounds; or move between clips.

    `source` is "bundled", a folder or a ClipSet; `dimensions` is 3, or 2 where there is no WebGL.
    """

    def __init__(
        self,
        source: str | Path | ClipSet = "bundled",
        encoder: str = "diffae-mini",
        effect: str = "HPF",
        method: str = "ridge",
        dimensions: int = 3,
    ) -> None:
        super().__init__(source, encoder)
        self._dimensions = dimensions
        self._decoded: tuple = (None,)  # what is decoded, and its two sounds
        self._latents = lru_cache(maxsize=REMEMBERED)(self._encode)
        self._probes = lru_cache(maxsize=2)(self._train_probes)
        self.mode = widgets.ToggleButtons(options=MODES, style={"button_width": "150px"})
        self.effect = _dropdown("Effect", [(f"{EFFECTS[label].name} ({label})", label) for label in WET], effect)
        self.method = _dropdown("Learn as", [(words, name) for name, words in METHODS.items()], method)
        self.pairs = _dropdown("From pairs", SHOTS, PAIRS, "130px")
        self.clip, self.other = (widgets.Dropdown(style=STYLE, layout={"width": "230px"}) for _ in range(2))
        self.clip.description, self.other.description = "Clip", "Other clip"
        self.strength = _slider("Strength", 1.0, -1.0, 2.0)
        self.share = _slider("Share of the other clip", 0.5, 0.0, 1.0)
        self.spherical = _dropdown("On", [("a straight line", False), ("a great circle", True)], False)
        self.change = _dropdown("Dims", CHANGES, CHANGES[0])
        self.dims = widgets.SelectMultiple(description="Which dims", rows=5, style=STYLE, layout={"width": "200px"})
        self.factor = _slider("Swing times", 0.0, -1.0, 3.0)
        self.measure = _dropdown("Score", [(words, name) for name, (_, words) in MEASURES.items()], "stft", "400px")
        self.score_button = widgets.Button(
            description="Score all effects", tooltip="decodes for minutes; can go on later"
        )
        self.decode_button = widgets.Button(description="Decode", tooltip="takes minutes with this encoder")
        self.decode_button.layout.display = "none"
        self.told, self.scored = widgets.HTML(), widgets.HTML()
        self._list_clips()
        self._read()
        self._list_dims()
        self.figure = self.figure_widget(
            self._first_figure(), "How near latent algebra comes to real effects, and where the latents go"
        )
        self._scene, self._bars, self._curves = self.figure.data[:6], self.figure.data[6:8], self.figure.data[8:]
        self.stale = self._scene[1:]
        self.children = self._layout()
        self._show_controls()
        self._show_scores()
        self._shown = self._key(self._chosen_sound())  # which the first figure is of
        self.on_clips(self._clips_changed)
        self.encoder.observe(lambda _: self._prepare(), "value")
        for chooser in (self.mode, self.change):
            chooser.observe(lambda _: self._show_controls(), "value")
        turned = (self.strength, self.share, self.spherical, self.change, self.dims, self.factor, self.mode)
        for control in (self.effect, self.method, self.pairs, self.clip, self.other, *turned):
            control.observe(lambda _: self._listing or self.move(), "value")
        for control in (self.effect, self.method, self.pairs, self.measure):
            control.observe(lambda _: self.worker.submit("scores", self._show_scores), "value")
        self.score_button.on_click(lambda _: self.worker.submit("score", self._score))
        self.decode_button.on_click(lambda _: self.worker.submit("decode", self._decode))
        self.move()

    def move(self) -> None:
        """Hear what is chosen, then move it, then decode; a newer choice stops an older one's work."""
        self._hear()
        self.prepare(self._move, "move")
        self.worker.submit("decode", self._decode_soon)

    def _hear(self) -> None:
        self.player.labels = SOUNDS[self.mode.value]
        heard = self._chosen_sound()
        # Who listens to the decoded sound of this clip hears it on, until the next one is there.
        same = self._decoded[0] == self._key(heard)
        self.hear(heard, *(self._decoded[1:] if same else ()))

    def _key(self, heard: Heard) -> tuple:
        """Return what decoded sounds depend on besides how far latents are moved."""
        return self.mode.value, self.encoder.value, heard.dry, heard.wet

    def _chosen_sound(self) -> Heard:
        clips, row, mode = self.clips, self.clip.value, self.mode.value
        if mode == BETWEEN:
            other = self.other.value
            title = f"{self.share.value:.0%} of the way from {_name(clips, row)} to {_name(clips, other)}"
            return Heard(title, Sound(clips, row), Sound(clips, other))
        effect = self.effect.value
        if mode == VECTOR:
            learned = f"{METHODS[self.method.value]} from {self.pairs.value} pairs"
            words = f"{EFFECTS[effect].name}, {learned}, strength {self.strength.value:.2f}"
        else:
            scaled = self.change.value == CHANGES[0]
            what = f"times {self.factor.value:.2f}" if scaled else f"from {EFFECTS[effect].name.lower()}"
            words = f"dims {', '.join(map(str, self.dims.value)) or 'none'} {what}"
        return dry_and_wet(clips, row, effect, words=words)

    # ----------------------------------------------------------------------------------------------- choices and layout

    def _layout(self) -> list[widgets.Widget]:
        row = {"flex_flow": "row wrap", "align_items": "center"}
        first = widgets.HBox([self.clip_set, self.own_files, self.encoder, self.clip, self.mode], layout=row)
        self._controls = {
            VECTOR: [self.effect, self.method, self.pairs, self.strength],
            BETWEEN: [self.other, self.spherical, self.share],
            DIMS: [self.effect, self.change, self.dims, self.factor],
        }
        self._row = widgets.HBox(layout=row)
        tools = FigureTools(self, "latent_algebra")
        below = widgets.HBox([self.measure, self.score_button], layout=row)
        heard = [self.status, self.player, self.decode_button, self.told]
        return [first, self._row, *heard, self.figure, tools, below, self.scored]

    def code(self) -> str:
        """Return the lines that move the clip so in a notebook, and decode it."""
        (clips, name), row = self._drawn, self.clip.value
        begin = self.clips_code() + f"encoder = lfx.load_encoder({name!r})\n"
        if self.mode.value == BETWEEN:
            moved = (
                f"z = lfx.encode_effects(clips[[{row}, {self.other.value}]], encoder, ['CLN'])[:, 0]\n"
                f"moved = lfx.interpolate(z[0], z[1], {self.share.value:.2f}, spherical={self.spherical.value})\n"
            )
        elif self.mode.value == DIMS:
            dims = list(self.dims.value)
            scaled = f"lfx.scale_dims(z[0], {dims}, {self.factor.value:.2f})"
            change = scaled if self.change.value == CHANGES[0] else f"lfx.swap_dims(z[0], z[1], {dims})"
            moved = (
                f"z = lfx.encode_effects(clips[[{row}]], encoder, ['CLN', {self.effect.value!r}])[0]\n"
                f"moved = {change}\n"
            )
        else:
            rows = [row, *learning_rows(clips, row, self.pairs.value)]
            moved = (
                f"z = lfx.encode_effects(clips[{rows}], encoder, ['CLN', {self.effect.value!r}])\n"
                f"effect = lfx.learn_effect(z[1:, 0], z[1:, 1], {self.method.value!r})\n"
                f"moved = effect.apply(z[0, 0], strength={self.strength.value:.2f})\n"
            )
        return begin + moved + "sound = lfx.decoding.reconstruction(encoder, moved, lfx.paper.CLIP_SAMPLES)"

    def _show_controls(self) -> None:
        controls = self._controls[self.mode.value]
        self._row.children = [c for c in controls if c is not self.factor or self.change.value == CHANGES[0]]

    def _list_clips(self) -> None:
        options = [(clip_label(self.clips, row), row) for row in range(len(self.clips))]
        self._listing = True
        self.clip.options, self.other.options = options, options
        self.clip.value, self.other.value = 0, len(options) - 1
        self._listing = False

    def _list_dims(self) -> None:
        self._listing = True
        self.dims.value = ()
        self.dims.options = list(range(self._means.sizes["dim"]))
        self.dims.value = (0,)
        self._listing = False

    def _clips_changed(self) -> None:
        self._list_clips()
        self._prepare()

    def _prepare(self) -> None:
        def job() -> None:
            self._read()
            self._list_dims()
            cloud = self._basis.points
            self.figure.data[0].update(figures.coordinates(cloud) | {"text": figures.hover_texts(cloud)})
            self._show_scores()
            self.move()

        self._hear()
        self.prepare(job)

    def _read(self) -> None:
        """Read the time averages of what is chosen, the basis they are drawn in, and the scores, where these ship."""
        clips, name = self.clips, self.encoder.value
        self._means = self.first(lambda: self.read(effect_means, self.clips, name))
        self.clips = encoded_clips(self.clips, self._means)
        self._basis: PCA = fit_pca(self._means, self._dimensions)
        self._drawn = self.clips, name
        try:
            self._scores = effect_algebra(self.clips, name, compute=False)
        except NotShipped:
            self._scores = None  # until the button is pressed
        if self.clips is not clips:  # they would not do, or not all
            self._list_clips()

    # ------------------------------------------------------------------------------------------------------ one clip

    def _first_figure(self):
        """Return the picture before anything is encoded: time averages ship, and a mean shift needs no more."""
        row, effect = self.clip.value, self.effect.value
        rows = learning_rows(self.clips, row, self.pairs.value)
        dry, wet = (self._means.sel(effect=label) for label in ("CLN", effect))
        start, end = dry.isel(clip=row), wet.isel(clip=row)
        shift = (wet.isel(clip=rows) - dry.isel(clip=rows)).mean("clip")
        way = xr.concat(
            [start + t * shift for t in np.linspace(0, 1, STEPS)], "value", coords="minimal", compat="override"
        )
        points = [self._basis.transform(x) for x in (start, end, start + shift)]
        pairs = tuple(self._basis.transform(x.isel(clip=rows)) for x in (dry, wet))
        places = dict(zip(PLACES[VECTOR], points, strict=True))
        figure = figures.latent_algebra(
            self._basis.points, pairs, places, self._basis.transform(way), self._bar_frames(), self._curve_frames()
        )
        for annotation, text in zip(figure.layout.annotations[1:], self._titles(), strict=True):
            annotation.text = text
        return figure

    def _encode(self, clips: ClipSet, row: int, effect: str, encoder: str) -> xr.DataArray:
        sound = Sound(clips, row, effect)
        # Those of pairs are encoded once: kept, they would push out what is heard.
        made = self.sound(sound) if sound in self._chosen_sound() else rendered(sound)
        return encoded(load_encoder(encoder), [made])[0]

    def _train_probes(self, clips: ClipSet, encoder: str) -> xr.Dataset:
        return train_probes(self._means, bar=self.busy)["probe"]

    def _move(self) -> None:
        self._moved = None  # nothing to decode, should this fail
        heard = self._chosen_sound()
        if self._key(heard) != self._shown:
            self.fade(self.stale)
        sounds = self.sound(heard.dry), self.sound(heard.wet)
        moved = {VECTOR: self._by_vector, BETWEEN: self._between, DIMS: self._by_dims}[self.mode.value](heard, sounds)
        self._check()
        self._draw(moved)
        self._moved, self._shown = moved, self._key(heard)
        self._tell(moved, {})

    def _by_vector(self, heard: Heard, sounds: tuple[Clip, Clip]) -> _Moved:
        (clips, name), row, effect = self._drawn, self.clip.value, self.effect.value
        rows = learning_rows(clips, row, self.pairs.value)
        if len(rows) < self.pairs.value:
            raise ValueError(
                f"{len(rows)} clips of other recordings are all there is to learn from: choose fewer pairs"
            )
        both = [(one, label) for one in [row, *rows] for label in ("CLN", effect)]
        found = []
        with self.busy(total=len(both), desc="Encoding pairs", unit="clip") as progress:
            for one, label in both:
                found.append(self._latents(clips, one, label, name))
                progress.update()
        start, end = found[:2]
        dry, wet = ([one.values for one in found[side::2]] for side in (2, 3))
        learned = learn_effect(np.stack(dry), np.stack(wet), self.method.value)
        averages = tuple(
            xr.DataArray(np.mean(side, axis=-1), {"dim": start["dim"]}, ("clip", "dim")) for side in (dry, wet)
        )
        strength = self.strength.value
        return self._of(
            VECTOR, heard, sounds, start, end, learned.apply(start, strength),
            lambda t: learned.apply(start, t * strength), averages,
        )  # fmt: skip

    def _between(self, heard: Heard, sounds: tuple[Clip, Clip]) -> _Moved:
        (clips, name), row, other = self._drawn, self.clip.value, self.other.value
        start, end = (self._latents(clips, one, "CLN", name) for one in (row, other))
        share, spherical = self.share.value, self.spherical.value
        moved = interpolate(start, end, share, spherical)
        return self._of(BETWEEN, heard, sounds, start, end, moved, lambda t: interpolate(start, end, t, spherical))

    def _by_dims(self, heard: Heard, sounds: tuple[Clip, Clip]) -> _Moved:
        (clips, name), row, effect = self._drawn, self.clip.value, self.effect.value
        start, end = (self._latents(clips, row, label, name) for label in ("CLN", effect))
        dims, scaled = list(self.dims.value), self.change.value == CHANGES[0]
        moved = scale_dims(start, dims, self.factor.value) if scaled else swap_dims(start, end, dims)
        return self._of(DIMS, heard, sounds, start, end, moved, lambda t: interpolate(start, moved, t))

    def _of(self, mode, heard, sounds, start, end, moved, way, pairs=None) -> _Moved:
        clips, name = self._drawn
        nothing = start.mean("frame").expand_dims("clip").isel(clip=slice(0))
        recording = clips.table["recording"].iat[heard.dry.row]
        return _Moved(
            mode, load_encoder(name), recording, heard, sounds, start, end, moved, way, pairs or (nothing, nothing)
        )

    def _draw(self, moved: _Moved) -> None:
        way = [moved.way(t).mean("frame") for t in np.linspace(0, 1, STEPS)]
        points = self._basis.transform(xr.concat(way, "value", coords="minimal", compat="override"))
        pairs = [self._basis.transform(side) for side in moved.pairs]
        places = [self._basis.transform(one.mean("frame")) for one in (moved.start, moved.end, moved.moved)]
        with self.figure.batch_update():
            self._scene[1].update(figures.pair_lines(*pairs), opacity=1)
            self._scene[2].update(figures.coordinates(points), opacity=1)
            for trace, name, place in zip(self._scene[3:], PLACES[moved.mode], places, strict=True):
                trace.update(figures.algebra_place(name, place), opacity=1)

    def _decode_soon(self) -> None:
        """Decode once the controls rest; a decoder that takes minutes waits for its button."""
        slow = self._moved is not None and getattr(self._moved.encoder, "decodes_slowly", False)
        self.decode_button.layout.display = "flex" if slow else "none"
        if not slow:
            self.worker.cancelled.wait(STILL_S)
            self._check()
            self._decode()

    def _decode(self) -> None:
        moved = self._moved
        if moved is None or not isinstance(moved.encoder, Decoder):
            return
        steps = ("start", "end", "moved")
        decoded = {}
        with self.busy(total=len(steps), desc="Decoding", unit="sound") as progress:
            for name in steps:
                latents, length = getattr(moved, name), moved.sounds[0].shape[-1]
                decoded[name] = reconstruction(moved.encoder, latents, length, bar=self.steps)
                progress.update()
        beside = decoded["end"] if moved.mode == VECTOR else decoded["start"]
        self.hear_decoded(moved.heard, beside, decoded["moved"])
        self._decoded = self._key(moved.heard), beside, decoded["moved"]
        self._tell(moved, decoded)

    def _tell(self, moved: _Moved, decoded: dict[str, Clip]) -> None:
        """Say how near this one clip has come; distances follow when it is decoded."""
        if moved.mode == BETWEEN:
            self.told.value = note(self._says(moved, ("start", "end", "moved")))
            return
        rows = []
        nothing = float(np.square(moved.end - moved.start).sum())
        for part, name in (
            ("start", "doing nothing"),
            ("moved", PLACES[moved.mode][2]),
            ("end", REAL),
        ):
            latents = getattr(moved, part)
            explained = 1 - float(np.square(moved.end - latents).sum()) / nothing if nothing else np.nan
            sounds = ("", "")
            if decoded:
                aim = moved.sounds[1]
                sounds = (f"{stft_distance(decoded[part], aim):.2f}", f"{logmel_distance_db(decoded[part], aim):.1f}")
            rows.append((name, f"{explained:z.0%}", *sounds))
        head = ("this clip, decoded", "displacement explained", "STFT distance to the effect", "log-mel distance (dB)")
        self.told.value = table(head, rows) + note(self._says(moved, ("start", "end", "moved")))

    def _says(self, moved: _Moved, parts: tuple[str, ...]) -> str:
        """Return what probes that never heard this recording take the three for."""
        try:
            probes = self._probes(*self._drawn)
        except ValueError as error:  # of too few recordings to train any
            return f"No probe can say what this is: {error}."
        averages = np.stack([getattr(moved, part).values.mean(axis=-1) for part in parts])
        named = named_by(probes, averages, [moved.recording] * len(parts))
        words = [
            f"{name}: {EFFECTS[label].name.lower()}" for name, label in zip(PLACES[moved.mode], named, strict=True)
        ]
        return f"A linear probe (page 05) that never heard this recording takes them for: {'; '.join(words)}."

    # ------------------------------------------------------------------------------------------- held-out recordings

    def _score(self) -> None:
        clips, name = self._drawn
        self._scores = effect_algebra(clips, name, self.busy)
        self._show_scores()
        self.status.say("")

    def _measure(self) -> str:
        """Return the measure that is chosen, or, if these scores do not hold it, the latents' own."""
        held = self._scores is not None and MEASURES[self.measure.value][0] in self._scores
        return self.measure.value if held else "latents"

    def _bar_frames(self) -> dict[str, pd.DataFrame]:
        """Return the bars: the chosen method with the chosen number of pairs, and what the real latents get."""
        if self._scores is None or self.pairs.value not in self._scores["k"].values:
            return {METHODS[self.method.value]: NOTHING, REAL: NOTHING}
        return method_scores(self._scores, self._measure(), self.method.value, self.pairs.value)

    def _curve_frames(self) -> dict[str, pd.DataFrame]:
        """Return the few-shot curves of the chosen effect, a method each."""
        if self._scores is None:
            return dict.fromkeys(METHODS.values(), NOTHING)
        return few_shot_scores(self._scores, self._measure(), self.effect.value)

    def _titles(self) -> tuple[str, str]:
        """Return what stands over bars and curves."""
        if self._scores is None:
            return ("Not scored yet",) * 2
        measured = MEASURES[self._measure()][1]
        return f"{measured[0].upper()}{measured[1:]}", f"Few-shot: {EFFECTS[self.effect.value].name.lower()}"

    def _show_scores(self) -> None:
        with self.figure.batch_update():
            for annotation, text in zip(self.figure.layout.annotations[1:], self._titles(), strict=True):
                annotation.text = text
            for trace, (name, frame) in zip(self._bars, self._bar_frames().items(), strict=True):
                trace.update(figures.score_bars(name, frame))
            for trace, (name, frame) in zip(self._curves, self._curve_frames().items(), strict=True):
                trace.update(figures.score_curve(name, frame))
        drawn = averages_pca_words(self._basis.points, self._means.sizes["dim"])
        self.scored.value = self._score_text() + note(f"The points are drawn in their own PCA. {drawn}")
        self.score_button.layout.display = "none" if self._scores is not None else "flex"

    def _score_text(self) -> str:
        title = "<h3>How near algebra comes, on recordings it never learned from</h3>"
        if self._scores is None or self.pairs.value not in self._scores["k"].values:
            return title + note("Not scored on these clips with so many pairs: press the button.")
        chosen = self._scores.sel(approach=[self.method.value], k=[self.pairs.value])
        tables = {m: score_table(chosen, m) for m, (stored, _) in MEASURES.items() if stored in self._scores}
        key = self.method.value, self.pairs.value
        rows = []
        for label in self._scores["effect"].values:
            cells = [label]
            for scores in tables.values():
                own = scores.loc[(label, *key)]
                real = scores.loc[(label, "real", 0)]
                cells.append(f"{100 * own['score']:.0f} ({100 * own['low']:.0f} to {100 * own['high']:.0f})")
                cells[-1] += f" of {100 * real['score']:.0f}"
            last = [scores for name, scores in tables.items() if name != "named"][-2 if "stft" in tables else -1]
            cells.append("yes" if last.loc[(label, *key), "low"] > 0 else "no")
            rows.append(cells)
        against = "by STFT distance" if "stft" in tables else "by time averages"
        head = ["effect", *(f"{MEASURES[m][1]} (%)" for m in tables), f"better than nothing, {against}"]
        text = SCORED.format(n=self._scores.sizes["clip"], k=self.pairs.value, real='The number after "of"')
        saved = table_downloads(pd.concat(tables, axis=1), "latent_algebra")
        return title + table(head, rows) + note(text) + saved


NOTHING = pd.DataFrame({"score": [np.nan], "low": [np.nan], "high": [np.nan]}, index=["-"])


def _dropdown(words: str, options: Any, value: Any, width: str = "220px") -> widgets.Dropdown:
    return widgets.Dropdown(options=options, value=value, description=words, style=STYLE, layout={"width": width})


def _slider(words: str, value: float, low: float, high: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=low, max=high, step=0.05, description=words, style=STYLE, layout={"width": "340px"}
    )


def _name(clips: ClipSet, row: int) -> str:
    return clips.table["clip"].iat[row]
