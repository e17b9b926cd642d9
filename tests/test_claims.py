"""`analysis.claims`: on latents made to bear a claim out it holds, on others it does not, and no number is fixed."""

from __future__ import annotations

import re
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tqdm import tqdm

from latentfx_nb.analysis import claims
from latentfx_nb.analysis.claims import compare_claims, masking_claims, paper_claims, probe_claims, row_measures
from latentfx_nb.analysis.geometry import straightness
from latentfx_nb.analysis.masking import masking_losses
from latentfx_nb.analysis.neighbours import purity_table
from latentfx_nb.analysis.probes import overall_accuracy, train_probes
from latentfx_nb.paper import EFFECT_SETTINGS, KNOB_RANGES

EFFECTS = list(EFFECT_SETTINGS)
CLIPS, DIM, FRAMES = 20, 12, 24

# A word of each claim, in the table's order.
AVERAGES, PERFORMANCE, AVERAGING, INSTRUMENTS, CURVED, STRAIGHTEST, DECISIVE, COSTS, CHANCE, VGGISH = (
    "Time-averaged latents beat",
    "group by performance",
    "Averaging over time brings out",
    "Guitar and piano",
    "curved even for linear",
    "Distortion's",
    "No single dim",
    "Masking a dim costs",
    "more often than chance",
    "VGGish",
)


def coordinates(n_clips=CLIPS):
    clip = np.arange(n_clips)
    return {
        "clip": [f"clip {i}" for i in clip],
        "effect": EFFECTS,
        "instrument": ("clip", np.where(clip % 2, "guitar", "piano")),
        "recording": ("clip", [f"r{i}" for i in clip]),
    }


def made(effect=1.0, voice=1.0, instrument=0.0, average=True, seed=0):
    """Return latents in which effect, clip and instrument move the dims by so much, and their means.

    With `average` the effect is a constant over time and the clip's notes cancel; without, the other way round.
    """
    generator = np.random.default_rng(seed)
    wave = np.cos(np.pi * np.arange(FRAMES))  # +1, -1, ...: its average is zero
    notes = generator.standard_normal((CLIPS, 1, DIM, FRAMES if average else 1))
    x = 0.3 * generator.standard_normal((CLIPS, 10, DIM, FRAMES))
    x += effect * generator.standard_normal((10, DIM, 1)) * (1 if average else wave)
    x += voice * (notes - notes.mean(axis=-1, keepdims=True) if average else notes)
    x += instrument * generator.standard_normal((DIM, 1)) * (np.arange(CLIPS) % 2)[:, None, None, None]
    latents = xr.DataArray(x.astype(np.float32), coordinates(), ("clip", "effect", "dim", "frame"))
    return latents, latents.mean("frame")


def bent(turn, n_clips=8, seed=0):
    """Return paths `(clip, value, dim)` that turn by `turn` radians, by a tenth more or less from clip to clip."""
    turns = turn * np.random.default_rng(seed).uniform(0.9, 1.1, n_clips)
    angle = turns[:, None] * np.linspace(0, 1, 32)
    radius = 1 / np.maximum(turns, 1e-6)[:, None]
    path = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle))], axis=-1)
    coords = {"clip": np.arange(n_clips), "recording": ("clip", np.arange(n_clips))}
    return xr.DataArray(path, coords, ("clip", "value", "dim"))


CURVES = {"DIS": bent(0.2), "RVB": bent(2.0), "HPF": bent(1.8), "LPF": bent(1.5)}


def row(table, words):
    (found,) = [one for one in table.itertuples() if words in one.claim]
    return found


@pytest.fixture(scope="module")
def table():
    """The claims on latents that bear most of them out."""
    return paper_claims(*made(effect=0.6, voice=2.0, instrument=2.0), CURVES)


# ------------------------------------------------------------------------------------------------------------ the table


def test_one_row_a_claim_with_its_place_and_number(table):
    assert list(table.columns) == ["claim", "place", "number", "holds"]
    assert table["claim"].is_unique
    words = (AVERAGES, PERFORMANCE, AVERAGING, INSTRUMENTS, CURVED, STRAIGHTEST, DECISIVE, COSTS, CHANCE, VGGISH)
    assert [row(table, one).Index for one in words] == list(range(len(table)))
    assert table["place"].str.startswith("section ").all()
    assert all(one is None or type(one) is bool for one in table["holds"])
    measured = table[table["holds"].notna()]
    assert measured["number"].str.contains(r"\d \(|\(.* to ", regex=True).all()
    assert set(claims.VERDICTS) == {True, False, None}


def test_vggish_is_not_tested_and_says_why(table):
    assert row(table, VGGISH).holds is None
    assert "weights do not ship" in row(table, VGGISH).number


def test_rows_that_are_there_are_used(table):
    latents, means = made(effect=0.6, voice=2.0, instrument=2.0)
    rows = row_measures(latents, means)
    again = paper_claims(None, means, CURVES, rows)
    assert again.equals(table)


def test_something_missing_is_an_error():
    latents, means = made()
    with pytest.raises(ValueError, match="all effects of the paper; encode PS too"):
        paper_claims(latents, means.drop_sel(effect="PS"), CURVES)
    with pytest.raises(ValueError, match="all paths of the paper; encode RVB too"):
        paper_claims(latents, means, {key: path for key, path in CURVES.items() if key != "RVB"})
    with pytest.raises(ValueError, match="pass more clips"):
        paper_claims(latents[:4], means[:4], CURVES)


# --------------------------------------------------------------------------------------------------- probes, neighbours


def test_an_effect_that_stays_while_the_notes_move_bears_the_paper_out(table):
    for words in (AVERAGES, PERFORMANCE, AVERAGING, INSTRUMENTS, CHANCE):
        assert row(table, words).holds is True, row(table, words)


def test_an_effect_that_only_moves_does_not():
    other = paper_claims(*made(effect=2.0, voice=0.5, average=False), CURVES)
    for words in (AVERAGES, PERFORMANCE, AVERAGING):
        assert row(other, words).holds is False, row(other, words)
    assert row(other, INSTRUMENTS).holds is False  # nothing tells them apart


def test_latents_without_an_effect_do_not_beat_chance():
    other = paper_claims(*made(effect=0.0, voice=1.0), CURVES)
    assert row(other, CHANCE).holds is False
    assert row(other, CHANCE).number.endswith("chance 10%")


def test_the_row_measures_are_the_purities():
    latents, means = made(effect=0.6)
    rows = row_measures(latents, means)
    for kind, x, features in (("mean", means, None), ("flat", latents, ("dim", "frame"))):
        purity = purity_table(x, features=features)
        for label in ("effect", "clip"):
            assert float(rows[f"same_{label}_{kind}"].mean()) == pytest.approx(purity.loc[label, "purity"], abs=2e-3)
            assert claims._chance(rows, label) == pytest.approx(purity.loc[label, "chance"])
        assert rows[f"hit_{kind}"].dims == ("clip", "effect")


def test_numbers_are_those_of_the_rows(table):
    rows = row_measures(*made(effect=0.6, voice=2.0, instrument=2.0))
    mean, flat = float(rows["hit_mean"].mean()), float(rows["hit_flat"].mean())
    assert row(table, AVERAGES).number.startswith(f"{mean:.1%} against {flat:.1%}: {100 * (mean - flat):+.1f} points (")
    assert row(table, CHANCE).number.startswith(f"time-averaged {mean:.1%} (")


@pytest.mark.parametrize("instrument", [["guitar"] * CLIPS, ["guitar"] * (CLIPS - 1) + ["piano"]])
def test_one_instrument_cannot_divide_a_space(instrument):
    latents, means = (x.assign_coords(instrument=("clip", instrument)) for x in made())
    found = row(paper_claims(latents, means, CURVES), INSTRUMENTS)
    assert found.holds is None
    assert "two instruments" in found.number


# ---------------------------------------------------------------------------------------------------------------- paths


@lru_cache(maxsize=1)
def any_rows():
    """Rows for the tests of other claims, measured once."""
    return row_measures(*made(effect=0.0))


def with_paths(paths):
    return paper_claims(None, made(effect=0.0)[1], paths, any_rows())


def test_curved_paths_and_a_straight_distortion_bear_the_paper_out(table):
    curved, straightest = row(table, CURVED), row(table, STRAIGHTEST)
    assert curved.holds is True
    expected = np.mean([straightness(CURVES[effect]).values for effect in ("HPF", "LPF")])
    assert curved.number.startswith(f"straightness {expected:.2f} (")
    assert curved.number.endswith("n = 8 clips")
    assert straightest.holds is True
    assert "against LPF, its closest rival" in straightest.number


def test_paths_have_a_table_of_their_own(table):
    own = claims.path_claims(CURVES)
    assert len(own) == 2
    pd.testing.assert_frame_equal(own, table[table["claim"].isin(own["claim"])].reset_index(drop=True))
    with pytest.raises(ValueError, match="encode RVB too, which is missing"):
        claims.path_claims({effect: path for effect, path in CURVES.items() if effect != "RVB"})


def test_straight_paths_and_a_rival_of_distortion_do_not():
    other = with_paths({"DIS": bent(1.0), "RVB": bent(0.5), "HPF": bent(0.3), "LPF": bent(2.0)})
    assert row(other, CURVED).holds is True  # on average
    assert row(other, STRAIGHTEST).holds is False
    assert "against HPF" in row(other, STRAIGHTEST).number
    straight = with_paths({effect: bent(0.3) for effect in KNOB_RANGES})
    assert row(straight, CURVED).holds is False
    assert row(straight, STRAIGHTEST).holds is False  # a tie is no win


def test_paths_that_never_move_are_not_judged():
    still = bent(1.0) * 0
    one = still.copy()
    one[0] = bent(1.0)[0]
    for paths in (dict.fromkeys(KNOB_RANGES, still), dict.fromkeys(KNOB_RANGES, one)):
        other = with_paths(paths)
        assert row(other, CURVED).holds is None
        assert row(other, STRAIGHTEST).holds is None


# -------------------------------------------------------------------------------------------------------------- masking


def masked(shifts, n_clips=60):
    """Return the claims of masking and the losses; `shifts` maps an effect to {dim: how far it is from clean}."""
    x = np.random.default_rng(0).standard_normal((n_clips, 10, DIM))
    for effect, moved in shifts.items():
        for dim, shift in moved.items():
            x[:, EFFECTS.index(effect), dim] += shift
    means = xr.DataArray(x, coordinates(n_clips), ("clip", "effect", "dim"))
    lost = masking_losses(means, against="unmasked", bar=partial(tqdm, disable=True))
    return masking_claims(lost), lost


def test_a_dim_that_alone_tells_an_effect_is_decisive():
    many = dict.fromkeys(range(DIM), 10.0)
    assert row(masked(dict.fromkeys(EFFECTS[1:], many))[0], DECISIVE).holds is True
    found, lost = masked(dict.fromkeys(EFFECTS[1:], many) | {"DLY": {7: 10.0}})
    assert row(found, DECISIVE).holds is False
    assert row(found, DECISIVE).number.startswith(f"at most {float(lost.mean('clip').max()):.1f} points (")
    assert "DLY without dim 7, worst of 12 x 9" in row(found, DECISIVE).number


@pytest.mark.parametrize("costly, expected", [(claims.COSTLY, True), (claims.CHEAP, False)])
def test_effects_that_one_dim_tells_are_those_that_masking_costs(costly, expected):
    found, _ = masked({effect: {dim: 10.0} for dim, effect in enumerate(costly)})
    assert row(found, COSTS).holds is expected


def test_all_claims_hold_those_of_masking(table):
    means = made(effect=0.6, voice=2.0, instrument=2.0)[1]
    alone = masking_claims(masking_losses(means, against="unmasked", bar=partial(tqdm, disable=True)))
    for words in (DECISIVE, COSTS):
        assert row(table, words)[1:] == row(alone, words)[1:]


# --------------------------------------------------------------------------------------------------------------- probes


def test_probes_of_an_effect_beat_chance_and_averages_beat_flattened():
    latents, means = made(effect=0.3, voice=3.0)
    results = train_probes({"toy-T": means, "toy-F": latents, "alone-F": latents}, bar=partial(tqdm, disable=True))
    found = probe_claims(results)
    assert found["claim"].tolist() == [
        *(f"{name}: a probe does better than chance" for name in results),
        "toy: time-averaged latents beat flattened ones on the probe",
    ]
    assert found["holds"].tolist() == [True, True, True, True]
    gain = overall_accuracy(results["toy-T"])[0] - overall_accuracy(results["toy-F"])[0]
    assert found["number"].iat[-1].startswith(f"{100 * gain:+.1f} points (")
    assert found["number"].iat[0].endswith("chance 10%")


# --------------------------------------------------------------------------------------------------------- two encoders


@pytest.fixture(scope="module")
def pair():
    return {"stacked": row_measures(*made(effect=2.0)), "diffae": row_measures(*made(effect=0.05, voice=2.0, seed=1))}


def test_the_one_that_clusters_more_strongly_does(pair):
    found = compare_claims(pair)
    assert list(found.columns) == ["claim", "place", "number", "holds"]
    assert len(found) == 3
    assert found["holds"].tolist() == [True] * 3
    assert found["claim"].str.startswith("stacked clusters by effect more strongly than diffae").all()
    turned = compare_claims(dict(reversed(pair.items())))
    assert turned["holds"].tolist() == [False] * 3
    mean = float(pair["stacked"]["hit_mean"].mean() - pair["diffae"]["hit_mean"].mean())
    assert f": {100 * mean:+.1f} points (" in found["number"].iat[2]
    assert f": {-100 * mean:+.1f} points (" in turned["number"].iat[2]


def test_an_encoder_does_not_beat_itself(pair):
    same = compare_claims({"stacked": pair["stacked"], "again": pair["stacked"]})
    assert same["holds"].tolist() == [False] * 3
    assert all(re.search(r": \+0\.0 points \(\+0\.0 to \+0\.0\)", number) for number in same["number"])


def test_only_two_encoders_that_heard_the_same_are_compared(pair):
    with pytest.raises(ValueError, match="two encoders are compared, not 1"):
        compare_claims({"stacked": pair["stacked"]})
    with pytest.raises(ValueError, match="stacked and diffae heard different renders"):
        compare_claims(pair | {"stacked": pair["stacked"].isel(clip=slice(10))})
