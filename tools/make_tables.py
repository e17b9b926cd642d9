"""Write the tables of README.md and docs/: pages, encoders, latent algebra, benchmarks: `python -m tools.make_tables`.

Each stands between `<!-- NAME: ... -->` and `<!-- end -->`. Pages are those of the front page, encoders those of
`list_encoders`, scores and losses those that ship, ratios those of benchmarks/RESULTS.md.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr

import latentfx_nb as lfx
from latentfx_nb.analysis.algebra_tables import farther_effects, lost_words
from latentfx_nb.encoders import list_encoders, registry
from latentfx_nb.pages import all_pages
from latentfx_nb.pages.content import who_names
from latentfx_nb.paper import CLIP_SAMPLES, SAMPLE_RATE_HZ
from latentfx_nb.sound.audio import samples_at

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 8  # that a map of latent algebra learns from


def pages() -> str:
    """Return the table of pages: file, place in the paper, what one does there."""
    rows = [("`00_start_here`", "", "The instrument, with three steps to try, and all pages below it.")]
    rows += [(f"`{name}`", in_the_paper(name), page.blurb) for name, page in all_pages().items()]
    return table(("page", "in the paper", "what you do there"), rows)


def in_the_paper(page: str) -> str:
    """Return what a notebook says it shows of the paper, in the first words under its title: "Figures 6-9"."""
    text = (ROOT / "notebooks" / f"{page}.py").read_text(encoding="utf-8")
    found = re.search(r"^# \*(?:The )?([^*]+?) of the paper", text, re.MULTILINE)
    return found[1] if found else ""


def encoder_rows() -> str:
    """Return the table of encoders: what each gives, hears and needs."""
    rows = []
    for name, row in list_encoders().iterrows():
        entry = registry.BUILT_IN[name]
        hears = f"{row['sample_rate_hz'] / 1000:g} kHz {'stereo' if row['channels'] == 2 else 'mono'}"
        decoder = "yes" if row["has_decoder"] else "no"
        extra = f"`{entry.extra}`" if entry.extra else ""
        more = row["variants"], weights(row), row["licence"], extra
        rows.append((f"`{name}`", latents(row, entry.model), hears, decoder, *more))
    head = ("name", "latents of a clip", "hears", "decoder", "variants", "weights", "their licence", "extra")
    return table(head, rows)


def latents(row, model: type) -> str:
    """Return the size of a clip's latents, and their rate: "64 x 2048, 375 Hz"."""
    samples = samples_at(CLIP_SAMPLES, SAMPLE_RATE_HZ, model.sample_rate)
    size = f"{row['dim']} x {object.__new__(model).frames(samples)}"  # loaded or not, it declares as many
    return f"{size}, one vector" if np.isnan(row["frame_rate_hz"]) else f"{size}, {row['frame_rate_hz']:.4g} Hz"


def weights(row) -> str:
    """Return where a model's weights come from, and their size."""
    if row["weights"] == "none needed":
        return "none"
    size = f"{row['size_mb']:.0f} MB" if row["size_mb"] >= 10 else f"{row['size_mb']:.1f} MB"
    if row["weights"].startswith("shipped"):
        return f"ship, {size}"
    if row["weights"].startswith("http"):
        return f"fetched, {size}"
    return f"your checkpoint, converted once to {size}"


def benchmarks() -> str:
    """Return the table of benchmarks: what each says it measures, and what its last run found."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    rows = []
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, ratio = part.split("\n", 1)[0], re.findall(r"^ratio=(.+)$", part, re.MULTILINE)
        day = re.search(r"\d{4}-\d\d-\d\d", part)
        source = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8"))
        title = (ast.get_docstring(source) or "").split("\n\n")[0].partition(": `python")[0]
        what = " ".join(title.split())
        rows.append((f"`{name}`", what, ratio[-1] if ratio else "", day[0] if day else ""))
    return table(("benchmark", "what", "ratio", "day"), rows)


def algebra() -> str:
    """Return the table of latent algebra: what a map of eight pairs explains and removes, as it ships."""
    scores = scored()
    explained, heard = (lfx.score_table(scores, measure) for measure in ("missed", "stft"))
    beside = [("real", 0), ("raw", 0), ("eq", PAIRS), ("eq_decoded", PAIRS)]
    rows = []
    for effect in scores["effect"].values:
        methods = [(effect, "mean", PAIRS), (effect, "ridge", PAIRS)]
        cells = [percent(part.loc[place]) for part in (explained, heard) for place in methods]
        cells += [percent(heard.loc[(effect, *place)]) for place in beside]
        rows.append((lfx.EFFECTS[effect].name, *cells))
    head = ["in latents, mean shift", "in latents, ridge", "heard, mean shift", "heard, ridge", "heard, best"]
    head += ["raw dry", "equaliser on raw dry", "equaliser on decoded dry"]
    return table(("effect", *head), rows)


def losses() -> str:
    """Return the sentence that says where latent algebra loses to doing nothing and to the other baselines."""
    said = lost_words(scored(), "ridge", PAIRS)
    return textwrap.fill(f"In `diffae-mini`, {said[0].lower()}{said[1:]}", 118) + "\n"


def farther() -> str:
    """Return the sentence that names the effects for which latent algebra is worse than doing nothing."""
    *first, last = [lfx.EFFECTS[effect].name.lower() for effect in farther_effects(scored(), "ridge", PAIRS)]
    words = f"{', '.join(first)} and {last} come out farther from the real effect than if nothing had been done"
    return textwrap.fill(f"In `diffae-mini`, {words} ([all baselines](docs/tour.md)).", 118) + "\n"


@cache
def scored() -> xr.Dataset:
    """Return the scores of latent algebra that ship for `diffae-mini`, from eight pairs."""
    return lfx.prepared.effect_algebra(lfx.load_clips("bundled"), "diffae-mini", compute=False).sel(k=[PAIRS])


def named() -> str:
    """Return who loses, then the tables of who names the effect, and the verdicts of the headline."""
    parts = ["\n".join(f"- {sentence}" for sentence in who_names.lost_words())]
    for name, data in who_names.measured().items():
        parts += [f"**{who_names.SETS[name].capitalize()}**", table(who_names.HEAD, who_names.rows(data))]
    parts += [who_names.protocol_words(), table(("claim", "number here", "result here"), who_names.claims())]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def percent(score) -> str:
    """Return a share with its interval, in percent: "66 (59 to 72) %"."""
    value, low, high = (round(100 * score[name]) for name in ("score", "low", "high"))
    return f"{value} ({low} to {high}) %"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


TABLES: dict[str, tuple[Path, Callable[[], str]]] = {
    "pages": (ROOT / "README.md", pages),
    "encoders": (ROOT / "docs" / "encoders.md", encoder_rows),
    "algebra": (ROOT / "docs" / "library.md", algebra),
    "farther": (ROOT / "README.md", farther),
    "losses on the tour": (ROOT / "docs" / "tour.md", losses),
    "losses of the table": (ROOT / "docs" / "library.md", losses),
    "who-names": (ROOT / "docs" / "method.md", named),
    "benchmarks": (ROOT / "docs" / "performance.md", benchmarks),
}
"""What stands after `<!--` -> the file it stands in, and what writes it."""


def written(name: str) -> tuple[Path, str]:
    """Return a table's file, and its text with the table as it should be."""
    path, make = TABLES[name]
    text = path.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    if len(place.findall(text)) != 1:
        raise ValueError(f"{path} should have one place for its table: <!-- {name}: ... --> and <!-- end -->")
    return path, place.sub(lambda found: f"{found[1]}\n{make()}\n{found[2]}", text)


def main() -> None:
    for name in TABLES:
        path, text = written(name)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: {path}\n")


if __name__ == "__main__":
    main()
