"""What page 05 writes: the table beside the paper's Table 3, its claims, and the paper's marks in the figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.claims import VERDICTS, probe_claims
from latentfx_nb.analysis.probes import OVERALL, paper_table, probe_table
from latentfx_nb.effects import EFFECTS
from latentfx_nb.pages.content.own import tested_on
from latentfx_nb.pages.markup import note, table, table_downloads
from latentfx_nb.paper import TABLE_3_CLASSES
from latentfx_nb.sound.clips import ClipSet

Results = Mapping[str, xr.Dataset]
"""Feature set -> what its probes answered (`probes.train_probes`)."""

PAPER_NAMES = {
    "vggish": "VGGish",
    "vggish-paper": "VGGish",
    "stacked-2": "Stacked2",
    "stacked-mini-2": "Stacked2",
    "stacked-1": "Stacked1",
    "stacked-mini-1": "Stacked1",
    "diffae": "DiffAE",
    "diffae-mini": "DiffAE",
}
"""Encoders of ours -> what Table 3 calls the one of its kind."""

_NO_CLAIMS = note("The paper's claims are about effects: predict the effect to test them.")

CAVEAT = (
    "Percent of the renders of unheard recordings that are named rightly; brackets and error bars: 95 % intervals over "
    "recordings. Models, clips and splits are not the paper's: compare orderings, not sizes."
)

HINTS = {
    "features": "the encoder; -T: its latents averaged over time, -F: flattened",
    "dim": "numbers that the probe sees of each render",
    "probe": "weights of the probe",
    "overall": "all renders together, with the 95 % interval over recordings",
    "class mean": "mean of the labels' accuracies; the paper's AVG is neither this nor the overall accuracy",
    **{label: spec.name for label, spec in EFFECTS.items()},
}
"""What the heads of the table mean."""


def probe_texts(results: Results, label: str, clips: ClipSet) -> Mapping[str, str]:
    """Return the table beside the paper's, and the paper's claims, if the effect was asked for."""
    if label != "effect":
        return {"numbers": "<h3>Accuracy</h3>" + _numbers(results, label, clips), "claims": _NO_CLAIMS}
    claims = [(c.claim, c.number, VERDICTS[c.holds]) for c in probe_claims(results).itertuples()]
    return {
        "numbers": "<h3>Table 3, ours and the paper's</h3>" + _numbers(results, label, clips),
        "claims": table(("claim (section 3.2, section 4)", "number here", "result here"), claims),
    }


def _numbers(results: Results, label: str, clips: ClipSet) -> str:
    ours = saved = probe_table(results)
    rows = [
        _row(name, line, f"{line[OVERALL]:.1f} ({line['low']:.0f} to {line['high']:.0f})", f"{line['class mean']:.1f}")
        for name, line in ours.iterrows()
    ]
    if label == "effect":
        paper = _paper_rows(results)
        rows += [_row(name, line, f"AVG {line['AVG']:.1f}", "") for name, line in paper.iterrows()]
        saved = pd.concat([ours, paper])
    head = ["features", "dim", "probe", *ours.columns[2:-4], "overall", "class mean"]
    made = note(CAVEAT + _numbers_of(results)) + tested_on(clips)
    return table(head, rows, HINTS) + made + table_downloads(saved, "linear_probes")


def paper_marks(results: Results, label: str) -> dict[str, pd.Series]:
    """Return what Table 3 reports of the twin of each set, in percent by effect; nothing if another label is named."""
    if label != "effect":
        return {}
    paper = paper_table()
    twins = {name: f"{PAPER_NAMES[name[:-2]]}{name[-2:]}" for name in results if name[:-2] in PAPER_NAMES}
    return {name: paper.loc[twin, list(TABLE_3_CLASSES)] for name, twin in twins.items() if twin in paper.index}


def _paper_rows(sets: Mapping[str, Any]) -> pd.DataFrame:
    """Return Table 3 as the paper prints it, the twins of our sets first."""
    twins = [f"{PAPER_NAMES[name[:-2]]}{name[-2:]}" for name in sets if name[:-2] in PAPER_NAMES]
    paper = paper_table()
    paper = paper.loc[[*dict.fromkeys(twins), *paper.index.difference(twins, sort=False)]]
    return paper.set_axis([f"paper: {name}" for name in paper.index])


def _numbers_of(results: Results) -> str:
    """Return what the percentages are of."""
    result = next(iter(results.values()))
    recordings = np.unique(result["recordings"].values.astype(str)).size
    return f" n = {result['truth'].size} renders of {recordings} recordings, {result.sizes['seed']} seed(s)."


def _row(name: str, line: pd.Series, overall: str, mean: str) -> list[str]:
    others = ("dim", "probe", "AVG", OVERALL, "low", "high", "class mean")
    classes = [f"{line[label]:.1f}" for label in line.index if label not in others]
    return [name, f"{line['dim']:.0f}", f"{line['probe'] / 1000:.1f} k", *classes, overall, mean]
