"""How near one clip has come on page 07, and the lines that move it so in a notebook."""

from __future__ import annotations

from latentfx_nb.analysis.algebra_tables import REAL
from latentfx_nb.analysis.moves import Move
from latentfx_nb.pages.content.algebra_choice import BETWEEN, SCALE, VECTOR
from latentfx_nb.pages.content.algebra_shown import AlgebraShown
from latentfx_nb.pages.markup import table

TOLD = ("this clip, decoded", "displacement explained", "STFT distance to the effect", "log-mel distance (dB)")


def told(shown: AlgebraShown, move: Move) -> str:
    """Return how near this one clip has come, HTML; distances follow when it is decoded."""
    if shown.choice.mode == BETWEEN:
        return ""
    rows = []
    for part, name in (("start", "doing nothing"), ("result", shown.names[2]), ("aim", REAL)):
        distances = ("", "")
        if shown.decoded is not None:
            stft, logmel = shown.decoded.distances[part]
            distances = f"{stft:.2f}", f"{logmel:.1f}"
        rows.append((name, f"{move.reached(getattr(move, part)):z.0%}", *distances))
    return table(TOLD, rows)


def farther_words(shown: AlgebraShown) -> str:
    """Return a sentence if this clip's sound got farther from the effect: then what probes name it is no success."""
    if shown.choice.mode == BETWEEN or shown.decoded is None:
        return ""
    (before, _), (after, _) = (shown.decoded.distances[part] for part in ("start", "result"))
    if after <= before:
        return ""
    return "By STFT distance the sound got farther from the effect than doing nothing, so a right name is no success."


def code_of(shown: AlgebraShown) -> str:
    """Return the lines that move the clip so in a notebook, and decode it."""
    choice, row = shown.choice, shown.choice.row
    dims, effects = list(choice.dims), f"['CLN', {choice.effect!r}]"
    if choice.mode == BETWEEN:
        moved = (
            f"z = lfx.encode_effects(clips[[{row}, {choice.other}]], encoder, ['CLN'])[:, 0]\n"
            f"moved = lfx.interpolate(z[0], z[1], {choice.share:.2f}, spherical={choice.spherical})\n"
        )
    elif choice.mode == VECTOR and shown.clips.among is not None:
        moved = (
            f"z = lfx.encode_effects(clips[[{row}]], encoder, {effects})[0]\n"
            f"pairs = lfx.encode_effects(reference[{shown.pair_rows()}], encoder, {effects})\n"
            f"effect = lfx.learn_effect(pairs[:, 0], pairs[:, 1], {choice.method!r})\n"
            f"moved = effect.apply(z[0], strength={choice.strength:.2f})\n"
        )
    elif choice.mode == VECTOR:
        rows = [row, *shown.pair_rows()]
        moved = (
            f"z = lfx.encode_effects(clips[{rows}], encoder, {effects})\n"
            f"effect = lfx.learn_effect(z[1:, 0], z[1:, 1], {choice.method!r})\n"
            f"moved = effect.apply(z[0, 0], strength={choice.strength:.2f})\n"
        )
    else:
        scaled = f"lfx.scale_dims(z[0], {dims}, {choice.factor:.2f})"
        change = scaled if choice.change == SCALE else f"lfx.swap_dims(z[0], z[1], {dims})"
        moved = f"z = lfx.encode_effects(clips[[{row}]], encoder, {effects})[0]\nmoved = {change}\n"
    sound = "sound = lfx.decoding.reconstruction(encoder, moved, lfx.paper.CLIP_SAMPLES)"
    return f"encoder = lfx.load_encoder({choice.encoder!r})\n{moved}{sound}"
