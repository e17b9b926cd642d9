"""The words of the field in a musician's, each with a small picture: the data of `glossary`.

A picture is the inside of an SVG of 72 x 48 pixels; its lines are drawn in the colour of the text around it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word of the field: what it is called, what it means, and a picture of it, SVG."""

    name: str
    words: str
    picture: str


_DOTS = "".join(
    f'<circle cx="{x}" cy="{y}" r="2" opacity=".4"/>'
    for x, y in ((14, 30), (22, 18), (30, 34), (40, 14), (50, 28), (60, 20))
)
_FADERS = "".join(
    f'<path d="M{x} 8v32" opacity=".4"/><path d="M{x - 4} {y}h8"/>' for x, y in ((16, 30), (36, 16), (56, 24))
)

TERMS = {
    "latent": Term(
        "latents",
        "The numbers that an encoder writes down instead of the sound: a few dozen for each moment, where the sound "
        "has thousands. Think of a score that a machine invented for itself.",
        '<path d="M4 24q4-20 8 0t8 0 8 0"/><path d="M36 24h6m-3-3 3 3-3 3"/>'
        '<path d="M50 8h16v8H50zM50 20h16v8H50zM50 32h16v8H50z"/>',
    ),
    "encoder": Term(
        "encoder, decoder",
        "The encoder writes the latents; a decoder plays them back, never quite the sound that went in. "
        "“Decoded” in the player is what the decoder makes of them.",
        '<path d="M4 10v28l24-8V18zM68 10v28l-24-8V18z"/><path d="M32 24h8" stroke-dasharray="2 2"/>',
    ),
    "dim": Term(
        "dim",
        "One line of the latents, as a fader is one line of a mixer. It answers to something in the sound, which "
        "seldom has a name.",
        _FADERS,
    ),
    "average": Term(
        "time-averaged (-T), flattened (-F)",
        "-T: each dim's mean over the clip, so what it sounds like in all, without when. -F: all moments one after the "
        "other, so rhythm counts as well.",
        '<path d="M6 32q6-28 12-4t12-8 12 12 12-16 12 8" opacity=".5"/><path d="M6 25h60" stroke-dasharray="4 3"/>',
    ),
    "pca": Term(
        "PCA, PC1 · 38 %",
        "A point has as many coordinates as there are dims; PCA turns the cloud until its shadow is widest. PC1 is the "
        "direction in which the sounds differ most; 38 % is its share of all differences. Words at its ends say what "
        "one hears there more and more.",
        '<ellipse cx="36" cy="24" rx="26" ry="9" transform="rotate(-20 36 24)" opacity=".4"/>'
        '<path d="M12 33 60 15m-5-1 5 1-3 4M31 15l9 19"/>',
    ),
    "umap": Term(
        "UMAP",
        "A map that keeps neighbours together. Who is whose neighbour can be trusted; how far islands lie from each "
        "other and how large they are cannot.",
        '<circle cx="16" cy="16" r="9" opacity=".4"/><circle cx="54" cy="14" r="7" opacity=".4"/>'
        '<circle cx="40" cy="36" r="8" opacity=".4"/>'
        '<path d="M13 14h.1M18 18h.1M16 12h.1M52 13h.1M56 16h.1M38 35h.1M42 38h.1"/>',
    ),
    "path": Term(
        "knob path",
        "The line that a clip draws through the latents as a knob goes from one end to the other.",
        f'{_DOTS}<path d="M8 40Q20 8 40 22T66 8"/><path d="m40 17 5 5-5 5-5-5z" fill="currentColor"/>',
    ),
    "trajectory": Term(
        "trajectory",
        "The line that a clip draws as time passes: each note is a jump, its decay a curve.",
        '<path d="M6 40 14 10q6 14 12 18L32 8q6 18 12 22L50 14q6 14 16 20"/>',
    ),
    "purity": Term(
        "purity",
        "Ask the nine nearest neighbours of a sound which effect they have: the share that has its own. By chance it "
        "is one in ten; 100 % would be clusters as clean as stems in a folder each.",
        '<circle cx="36" cy="24" r="18" opacity=".4" stroke-dasharray="3 3"/>'
        '<path d="m36 20 4 4-4 4-4-4z" fill="currentColor"/>'
        '<path d="m28 12 3 3-3 3-3-3zM46 13l3 3-3 3-3-3zM44 29l3 3-3 3-3-3z"/><circle cx="26" cy="31" r="3"/>',
    ),
    "probe": Term(
        "linear probe",
        "A listener that may only weigh and add the latents. If it names the effect of recordings that it never heard, "
        "the encoder has kept that effect where it is easy to find.",
        '<path d="M10 42 62 6"/><circle cx="18" cy="16" r="3"/><circle cx="30" cy="12" r="3"/>'
        '<circle cx="24" cy="24" r="3"/>'
        '<path d="M44 30h6v6h-6zM56 24h6v6h-6zM54 36h6v6h-6z"/>',
    ),
    "confusion": Term(
        "confusion",
        "Which effect a probe takes for which. The diagonal is what it gets right; a bright cell beside it is a pair "
        "of effects that it mixes up: press it and hear one.",
        '<path d="M16 4h40v40H16zM29 4v40M43 4v40M16 17h40M16 31h40" opacity=".4"/>'
        '<path d="M16 4h13v13H16zM29 17h14v14H29zM43 31h13v13H43z" fill="currentColor"/>',
    ),
    "masking": Term(
        "masking",
        "Muting some dims as one mutes channels of a mixer, and asking the probe again. A dim is decisive for an "
        "effect if the probe loses it without that dim.",
        f'{_FADERS}<path d="m30 8 12 32m0-32L30 40"/>',
    ),
    "algebra": Term(
        "latent algebra",
        "Taking what an effect does to the latents of some clips, adding it to another clip's, and playing that: an "
        "effect by arithmetic, with no effect in it.",
        '<path d="M10 36 28 14m-5 1 5-1 0 5M42 36 60 14m-5 1 5-1 0 5"/><circle cx="10" cy="36" r="3"/>'
        '<circle cx="42" cy="36" r="3"/>',
    ),
    "methods": Term(
        "mean shift, ridge regression, rotation",
        "Three ways to learn an effect from pairs of dry and wet clips: move every clip by the same step; let the step "
        "depend on the clip; turn the whole space.",
        '<path d="M6 36 18 24m-4 0h4v4M28 40 34 20m-3 2 3-2 1 4M40 40l12-10m-4 0h4v4'
        'M58 38a14 14 0 0 0 6-22m-3 2 3-2 1 4"/>',
    ),
    "mean_rank": Term(
        "mean rank",
        "An encoder's place in each column, 1 for the best, averaged. It says who leads, not by how much.",
        '<path d="M8 42V26h18V12h18v20h20v10z"/><path d="M35 18v8m-2-6 2-2"/>',
    ),
    "interval": Term(
        "(0.61 to 0.74)",
        "Other recordings would have given another number; 95 of 100 times such an interval holds the true one. Two "
        "intervals that overlap widely are no difference to speak of.",
        '<path d="M12 24h48M12 18v12M60 18v12"/><circle cx="34" cy="24" r="4" fill="currentColor"/>',
    ),
    "held_out": Term(
        "held-out recordings",
        "Tested on recordings that had no part in the learning: another take of the same piece would be too easy.",
        '<path d="M6 12h36v24H6z" opacity=".4"/><path d="M50 12h16v24H50z"/>'
        '<path d="M46 4v40" stroke-dasharray="3 3"/>',
    ),
    "loudness": Term(
        "loudness matched",
        "Every sound is brought to -28 LUFS before it is heard and encoded, so that nothing wins by being louder.",
        '<path d="M8 40V14h8v26M30 40V22h8v18M52 40V8h8v32" opacity=".4"/><path d="M4 20h64" stroke-dasharray="4 3"/>',
    ),
    "stft": Term(
        "STFT distance",
        "How different two sounds are, from their spectrograms at several resolutions: 0 is the same picture.",
        '<path d="M6 8h26v32H6zM40 8h26v32H40z" opacity=".4"/>'
        '<path d="M10 34h6M10 28h14M46 34h6M46 24h16M10 16h4M46 16h10"/>',
    ),
}
"""What is explained on every page, by the names that `ON` uses."""

MEASURES = {
    "straightness": (
        "A fader that changes one thing and nothing else draws a straight line.",
        '<path d="M8 40Q16 6 64 10"/><path d="M8 40 64 10" stroke-dasharray="3 3" opacity=".5"/>',
    ),
    "curvature": (
        "As the angles of a road, added up.",
        '<path d="M8 40V22q0-10 10-10h8q10 0 10 10v4q0 10 10 10h18"/>',
    ),
    "dimension": (
        "How many faders it would take to follow one knob.",
        '<path d="M36 26 60 34m-5 2 5-2-2-4M36 26 12 36m1-5-1 5 5 1M36 26V6m-3 4 3-4 3 4"/>',
    ),
    "correlation": (
        "Whether a single meter could show where the knob stands.",
        '<path d="M8 40h56V8" opacity=".4"/>'
        '<path d="M12 38h.1M22 32h.1M30 30h.1M40 22h.1M50 18h.1M60 10h.1" stroke-width="5"/>',
    ),
    "agreement": (
        "Whether turning the same knob takes every clip the same way.",
        '<path d="M8 38 28 26m-4-1 4 1-1 4M24 24 46 12m-4-1 4 1-1 4M40 38 62 24m-4-1 4 1-1 4"/>',
    ),
    "same_effect_mean": ("Who stands next to whom, asked of all sounds.", TERMS["purity"].picture),
    "probe_mean": ("The probe of page 05.", TERMS["probe"].picture),
    "algebra_mean": ("The algebra of page 07.", TERMS["algebra"].picture),
    "effect_agreement": (
        "Whether an effect moves every clip the same way, so that it could be copied from one to another.",
        '<path d="M8 38 28 26m-4-1 4 1-1 4M24 24 46 12m-4-1 4 1-1 4M40 38 62 24m-4-1 4 1-1 4"/>',
    ),
}
"""What some measures are like, and a picture: beside what `analysis.measures.glossary` says of them."""

ON = {
    "01_latent_images": ("latent", "dim", "encoder", "loudness"),
    "02_trajectories": ("trajectory", "latent", "pca", "loudness"),
    "03_effect_clusters": ("purity", "pca", "umap", "average", "loudness"),
    "04_knob_paths": ("path", "pca", "latent", "loudness", "held_out"),
    "05_linear_probes": ("probe", "confusion", "average", "held_out", "interval"),
    "06_dimension_masking": ("masking", "probe", "dim", "held_out", "interval"),
    "07_latent_algebra": ("algebra", "methods", "encoder", "stft", "held_out", "interval", "pca"),
    "08_your_own_audio": ("latent", "pca", "umap", "loudness", "encoder"),
    "09_compare_encoders": ("mean_rank", "interval", "held_out", "encoder", "average"),
}
"""What comes first on a page, by its notebook; the others follow behind a line."""

MEASURED = {"04_knob_paths": ("paths",), "09_compare_encoders": ("renders", "paths", "displacements", "algebra")}
"""The kinds of measures that stand on a page."""
