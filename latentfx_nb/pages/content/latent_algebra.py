"""Page 07, free of widgets: a clip is moved, drawn, told, decoded, and held-out recordings are scored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from latentfx_nb import figures
from latentfx_nb.analysis.axes import hear_axes
from latentfx_nb.analysis.distances import logmel_distance_db, stft_distance
from latentfx_nb.analysis.held_out import learning_rows
from latentfx_nb.analysis.moves import Move, add_effect, change_dims, go_between, mean_shift
from latentfx_nb.analysis.pca import fit_pca
from latentfx_nb.analysis.placed import placed_names
from latentfx_nb.analysis.prepared import NotShipped, effect_algebra, effect_means
from latentfx_nb.analysis.probes import named_by, train_probes
from latentfx_nb.analysis.sounds import encoded
from latentfx_nb.effects import EFFECTS
from latentfx_nb.encoders import Decoder, load_encoder
from latentfx_nb.pages.content.algebra_choice import BETWEEN, PLACES, SCALE, VECTOR, AlgebraChoice, heard, same_sounds
from latentfx_nb.pages.content.algebra_choice import keeps_decoded as keeps_decoded
from latentfx_nb.pages.content.algebra_scores import BESIDE, HOW_SCORED, NOT_A_SUCCESS, scored
from latentfx_nb.pages.content.algebra_shown import PARTS, AlgebraShown, Averages, Decoded, Drawn, Memory
from latentfx_nb.pages.content.algebra_texts import code_of as code_of
from latentfx_nb.pages.content.algebra_texts import farther_words, told
from latentfx_nb.pages.content.latent_images import STILL_S
from latentfx_nb.pages.content.own import placed, placed_words, reference_words, tested_on
from latentfx_nb.pages.content.progress import Progress
from latentfx_nb.pages.content.sounds import Sound, rendered
from latentfx_nb.pages.markup import averages_pca_words, how, note
from latentfx_nb.sound.clips import ClipSet
from latentfx_nb.store.decoding import reconstruction

HOW_NAMED = (
    "The probe is linear (page 05) and was trained on other recordings than this one; of a visitor's own clip, all "
    "probes together name it. A name is not a sound: what is named right may lie farther from the effect than before."
)


def prepare(choice: AlgebraChoice, clips: ClipSet, last: AlgebraShown | None, progress: Progress) -> AlgebraShown:
    """Return the clip, moved; at first, when nothing is to be encoded, the mean shift of its time averages.

    Scores are shown even if the clip cannot be moved. Raises ValueError for fewer clips to learn from than pairs.
    """
    shown = _scored_and_averaged(choice, clips, last, progress)
    if last is None:
        return shown
    choice, sounds = shown.choice, same_sounds(shown.choice, clips)
    stale = shown.drawn.of != sounds
    if stale:
        progress.fade()
    try:
        move = shown.memory.moves.get((clips, choice.moving()), lambda: _moved(shown, progress))
    except (ValueError, OSError):
        progress.show(shown)
        if stale:
            progress.fade()
        raise
    progress.check()
    shown = replace(shown, drawn=Drawn(move.averaged(), choice.mode, sounds), move=move)
    if _data(shown) not in shown.memory.probes:
        progress.show(shown)  # training takes a while
    decoded = shown.memory.decoded.find((clips, choice.moving()))
    return replace(shown, named=_named(shown, move, progress), decoded=decoded)


def figure_of(shown: AlgebraShown) -> go.Figure:
    """Return the figure."""
    drawn, into, scores = shown.drawn.move, shown.averages.basis.transform, shown.scored
    places = map(into, (drawn.start, drawn.aim, drawn.result))
    (over_bars, over_curves), whose = scores.titles, ""
    if shown.clips.among is not None:
        whose = f", {reference_words(shown.clips)}"
    figure = figures.latent_algebra(
        shown.averages.basis.points,
        (into(drawn.dry), into(drawn.wet)),
        dict(zip(PLACES[shown.drawn.mode], places, strict=True)),
        into(drawn.way),
        scores.bars,
        scores.curves,
        (over_bars + whose, over_curves + whose),
    )
    return placed(figure, shown.clips)


def further(shown: AlgebraShown, progress: Progress) -> AlgebraShown | None:
    """Decode once the controls rest; a decoder that takes minutes waits for its button."""
    choice, move = shown.choice, shown.move
    if move is None or not isinstance(load_encoder(choice.encoder), Decoder):
        return None
    found, slow = shown.decoded, decodes_slowly(shown)
    if found is None:
        if slow and not shown.decodes:
            return None
        if not slow:
            progress.rest(STILL_S)
        found = shown.memory.decoded.keep((shown.clips, choice.moving()), _decoded(shown, move, progress))
    beside = found.sounds["aim" if choice.mode == VECTOR else "start"]
    progress.hear_decoded(heard(choice, shown.clips, shown), beside, found.sounds["result"])
    return None if shown.decoded is found else replace(shown, decoded=found)


def decodes_slowly(shown: AlgebraShown) -> bool:
    """Say whether the clip is moved and its decoder waits for a button."""
    return shown.move is not None and getattr(load_encoder(shown.choice.encoder), "decodes_slowly", False)


def texts(shown: AlgebraShown) -> Mapping[str, str]:
    """Return how near this one clip has come, once that is known, and the scores of held-out ones."""
    drawn = averages_pca_words(shown.averages.basis.points, shown.averages.means.sizes["dim"])
    made = f"The points are drawn in their own PCA. {drawn}{placed_words(shown.clips)}"
    made_so = how(HOW_SCORED, BESIDE, NOT_A_SUCCESS, made, HOW_NAMED)
    written = {"scored": shown.scored.text + tested_on(shown.clips), "how": made_so}
    if shown.move is not None and shown.named is not None:
        written["told"] = told(shown, shown.move) + note(f"{shown.named} {farther_words(shown)}".strip())
    return written


# ------------------------------------------------------------------------------------------- averages, and their scores


def _scored_and_averaged(
    choice: AlgebraChoice, clips: ClipSet, last: AlgebraShown | None, progress: Progress
) -> AlgebraShown:
    """Return averages and scores of a choice, drawn as they were, or if those were of other clips as a mean shift."""
    memory = Memory() if last is None else last.memory
    of = clips.reference, choice.encoder, choice.dimensions
    averages = memory.averages.get(of, lambda: _averages(choice, clips.reference, progress))
    if any(dim >= averages.means.sizes["dim"] for dim in choice.dims):
        choice = replace(choice, dims=(0,))  # chosen among another encoder's
    scores = _scores(choice, averages, memory, progress)
    shown_of = averages, scores is None, choice.measure, choice.method, choice.pairs, choice.effect
    measured = memory.scored.get(shown_of, lambda: scored(scores, choice))
    same = last is not None and last.averages is averages
    drawn = last.drawn if last is not None and same else _mean_shift(choice, clips, averages, progress)
    return AlgebraShown(choice, clips, memory, averages, scores, measured, drawn, decodes=choice.decode)


def _averages(choice: AlgebraChoice, clips: ClipSet, progress: Progress) -> Averages:
    means = progress.read(effect_means, clips, choice.encoder)
    names = list(clips.table["clip"])
    rows = [names.index(clip) for clip in means["clip"].values]
    read = clips if rows == list(range(len(clips))) else clips[rows]
    return Averages(read, rows, means, hear_axes(fit_pca(means, choice.dimensions), means, read))


def _scores(choice: AlgebraChoice, averages: Averages, memory: Memory, progress: Progress) -> xr.Dataset | None:
    """Return the scores where they ship, or if they were asked for."""

    def shipped() -> xr.Dataset | None:
        try:
            return effect_algebra(averages.clips, choice.encoder, compute=False)
        except NotShipped:
            return None

    found = memory.scores.get(averages, shipped)
    if found is None and choice.score:
        found = memory.scores.keep(averages, effect_algebra(averages.clips, choice.encoder, progress.bar))
    return found


def _mean_shift(choice: AlgebraChoice, clips: ClipSet, averages: Averages, progress: Progress) -> Drawn:
    """Return what can be drawn before pairs are encoded: time averages ship, and a mean shift needs no more.

    Of a visitor's own clip the two time averages are encoded.
    """
    means, effects = averages.means.sel(effect=["CLN", choice.effect]), ["CLN", choice.effect]
    if clips.among is None:
        row = averages.rows.index(choice.row) if choice.row in averages.rows else 0
        pairs = learning_rows(averages.clips, row, choice.pairs)
    else:
        own = effect_means(clips[[choice.row]], choice.encoder, progress.bar, effects=effects)
        row, pairs = means.sizes["clip"], learning_rows(averages.clips, None, choice.pairs)
        means = xr.concat([means, own], "clip", coords="minimal", compat="override", join="override")
    shift = mean_shift(means, row, choice.effect, pairs)
    return Drawn(shift, VECTOR, same_sounds(replace(choice, mode=VECTOR), clips))


# ------------------------------------------------------------------------------------------------------------- one clip


def _moved(shown: AlgebraShown, progress: Progress) -> Move:
    """Return the clip's move, encoded as far as it is not remembered."""
    choice, clips = shown.choice, shown.clips
    if choice.row not in shown.rows:
        raise ValueError(f"{clips.table['clip'].iat[choice.row]} could not be read: choose another clip")
    sounds = heard(choice, clips, shown)[1:]
    for sound in sounds:
        progress.sound(sound)
    if choice.mode == VECTOR:
        return _by_vector(shown, progress)
    start, aim = (_latents(shown, sound, progress) for sound in sounds)
    if choice.mode == BETWEEN:
        return go_between(start, aim, choice.share, choice.spherical)
    return change_dims(start, aim, choice.dims, choice.factor if choice.change == SCALE else None)


def _by_vector(shown: AlgebraShown, progress: Progress) -> Move:
    choice = shown.choice
    rows = shown.pair_rows()
    if len(rows) < choice.pairs:
        raise ValueError(f"{len(rows)} clips of other recordings are all there is to learn from: choose fewer pairs")
    learned = [(shown.clips, choice.row), *((shown.clips.reference, row) for row in rows)]
    sounds = [Sound(clips, row, label) for clips, row in learned for label in ("CLN", choice.effect)]
    latents = []
    with progress.bar(total=len(sounds), desc="Encoding pairs", unit="clip") as bar:
        for sound in sounds:
            latents.append(_latents(shown, sound, progress))
            bar.update()
    start, aim = latents[:2]
    return add_effect(start, aim, latents[2::2], latents[3::2], choice.method, choice.strength)


def _latents(shown: AlgebraShown, sound: Sound, progress: Progress) -> xr.DataArray:
    """Return the latents of a sound; those of pairs are encoded once, and their sounds would push out what is heard."""
    encoder = shown.choice.encoder
    render = progress.sound if sound in heard(shown.choice, shown.clips, shown)[1:] else rendered
    return shown.memory.latents.get((sound, encoder), lambda: encoded(load_encoder(encoder), [render(sound)])[0])


def _named(shown: AlgebraShown, move: Move, progress: Progress) -> str:
    """Return what probes that never heard this recording take the three for."""
    means = shown.averages.means
    try:
        probes = shown.memory.probes.get(_data(shown), lambda: train_probes(means, bar=progress.bar)["probe"])
    except ValueError as error:  # of too few recordings to train any
        return f"No probe can say what this is: {error}."
    averages = np.stack([getattr(move, part).values.mean(axis=-1) for part in PARTS])
    if shown.clips.among is None:
        recording = shown.clips.table["recording"].iat[shown.choice.row]
        named = named_by(probes, averages, [recording] * len(PARTS))
    else:
        named = placed_names(probes, averages)
    words = [f"{name}, {EFFECTS[one].name.lower()}" for name, one in zip(shown.names, named, strict=True)]
    return f"A probe names them: {'; '.join(words)}."


def _decoded(shown: AlgebraShown, move: Move, progress: Progress) -> Decoded:
    encoder, aim = load_encoder(shown.choice.encoder), progress.sound(heard(shown.choice, shown.clips, shown).wet)
    sounds = {}
    with progress.bar(total=len(PARTS), desc="Decoding", unit="sound") as bar:
        for part in PARTS:
            sounds[part] = reconstruction(encoder, getattr(move, part), aim.shape[-1], bar=progress.steps)
            bar.update()
    distances = {}
    if shown.choice.mode != BETWEEN:
        distances = {part: (stft_distance(one, aim), logmel_distance_db(one, aim)) for part, one in sounds.items()}
    return Decoded(sounds, distances)


def _data(shown: AlgebraShown) -> Hashable:
    return shown.averages.clips, shown.choice.encoder
