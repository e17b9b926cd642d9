"""Linear probes: what one linear layer reads off frozen latents of recordings that it never heard (section 3.2).

A probe is trained as the paper says, by AdamW until the accuracy on validation recordings no longer rises. Splits are
by recording: the recordings fall into folds, each fold is the test once, and the next one decides when to stop, so
every render is named by a probe that never heard its recording. All probes of a study train together (`fast`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis.intervals import Estimate, accuracy_interval, estimate, interval_table
from latentfx_nb.analysis.samples import Array
from latentfx_nb.analysis.training import LEARNING_RATES, UNTESTED, FeatureSet, ProbeConfig, Watch, train_tasks
from latentfx_nb.paper import TABLE_3, TABLE_3_CLASSES

OVERALL = "overall"


def train_probes(
    features: Mapping[str, Array] | Array,
    labels: str | ArrayLike = "effect",
    config: ProbeConfig = ProbeConfig(),
    *,
    recordings: str | ArrayLike = "recording",
    device: str = "auto",
    bar: Callable[..., Any] = tqdm,
    watch: Watch | None = None,
) -> dict[str, xr.Dataset]:
    """Return, for each named set of `features`, the answers of probes of all seeds and folds (section 3.2).

    Features are latents: those with the dim `frame` are flattened over dim and time ("-F"), time averages are taken as
    they are ("-T"); plain arrays are `[*sample feature]`. `labels` and `recordings` name coordinates of the samples, or
    are arrays along them. `device` is cpu, cuda or auto; `bar` is called as tqdm is.

    A dataset holds `predicted (seed, *sample)` and `truth (*sample)`, numbers of the coordinate `label` (predicted: -1
    where no probe was tested), `fold (seed, *sample)`, the one that tested it, `recordings (*sample)`, `weight (seed,
    fold, output, feature)` and `bias` of each probe for features as they were passed, and `epoch (seed, fold)`, that of
    the kept weights. Two labels share one output. Its attributes are the number of weights of one probe (`parameters`),
    of features, and the configuration.

    Raises ValueError as `recording_splits` does, for a coordinate that is missing, for fewer than two labels, and for
    features that are NaN or infinite; OSError if the disk has no room for a scratch file of features beyond 1 GiB.
    """
    if not isinstance(features, Mapping):
        features = {"probe": features}
    with ExitStack() as files:
        sets = {name: FeatureSet(x, labels, recordings, files, bar) for name, x in features.items()}
        tasks = {name: list(one.tasks(config)) for name, one in sets.items()}
        owners = np.repeat(np.arange(len(tasks)), [len(some) for some in tasks.values()])

        def tell(accuracy: NDArray[np.float64]) -> None:
            if watch is not None:
                watch({name: float(accuracy[owners == number].mean()) for number, name in enumerate(tasks)})

        together = [task for some in tasks.values() for task in some]
        trained = iter(train_tasks(together, device, bar, "Training probes", tell))
        return {name: sets[name].result(some, list(islice(trained, len(some))), config) for name, some in tasks.items()}


def probe_hits(
    features: Array, labels: ArrayLike, recordings: ArrayLike, config: ProbeConfig = ProbeConfig()
) -> NDArray[np.bool_]:
    """Return for each row `[row]` whether a probe that never heard its recording names its label (section 3.2).

    Only the first seed counts. Raises as `train_probes` does.
    """
    found = train_probes(features, labels, config, recordings=recordings, bar=partial(tqdm, disable=True))["probe"]
    return np.ravel(found["predicted"][0].values == found["truth"].values)


def hit_share(result: xr.Dataset) -> xr.DataArray:
    """Return how often probes named each sample rightly, `(*sample)`: its share of the seeds, NaN if it was not tested.

    `result` is one of `train_probes`; its recordings become a coordinate.
    """
    right = (result["predicted"] == result["truth"]).where(result["predicted"] != UNTESTED)
    return right.mean("seed").assign_coords(recordings=result["recordings"])


def overall_accuracy(result: xr.Dataset, other: xr.Dataset | None = None) -> tuple[float, float, float]:
    """Return the share of samples named rightly, or its gain over `other`, and the 95 % interval over recordings.

    Raises ValueError if the two were not tested on the same samples.
    """
    hits = hit_share(result)
    against = None if other is None else hit_share(other)
    if against is not None and not np.array_equal(against["recordings"], hits["recordings"]):
        raise ValueError("two accuracies are compared on the same samples, and these are of others: train both on them")
    tested = np.isfinite(hits.values)
    return accuracy_interval(
        hits.values[tested], hits["recordings"].values[tested], None if against is None else against.values[tested]
    )


def named_by(result: xr.Dataset, features: ArrayLike, recordings: ArrayLike) -> NDArray[Any]:
    """Return the labels `[sample]` that trained probes give to new `features [sample feature]`.

    Each sample is named by the probe of the first seed of `result` that never heard its recording. So latents that were
    moved can be compared with the real ones.

    Raises ValueError for a recording that no probe was tested on, and for features of another number.
    """
    features, recordings = np.asarray(features, np.float64), np.asarray(recordings)
    if features.ndim != 2 or features.shape[1] != result.sizes["feature"] or len(features) != len(recordings):
        raise ValueError(
            f"these probes take [sample {result.sizes['feature']}] and a recording for each sample, not shapes "
            f"{features.shape} and {recordings.shape}"
        )
    first = result.isel(seed=0)
    known = dict(zip(first["recordings"].values.ravel(), first["fold"].values.ravel(), strict=True))
    unheard = sorted({str(name) for name in recordings if known.get(name, UNTESTED) == UNTESTED})
    if unheard:
        raise ValueError(f"no probe was tested on {', '.join(unheard)}: train on all folds, with these recordings")
    folds = [known[name] for name in recordings]
    scores = np.einsum("sof,sf->so", first["weight"].values[folds], features) + first["bias"].values[folds]
    numbers = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(int)
    return result["label"].values[numbers]


def class_accuracy(result: xr.Dataset) -> pd.DataFrame:
    """Return, for each label and for all ("overall", the last row), the share of samples named rightly.

    The columns are accuracy, low and high (its 95 % interval over recordings), and n, the number of samples (section
    3.2: class-wise accuracy).
    """
    hits, names = hit_share(result), result["label"].values
    found: dict[str, Estimate] = {}
    for number, label in enumerate([*names, OVERALL]):
        own = (result["truth"].values == number) | (number == len(names))
        found[label] = estimate(hits.values[own], hits["recordings"].values[own])
    return pd.DataFrame.from_dict(found, orient="index", columns=["accuracy", "low", "high", "n"])


def confusion_matrix(result: xr.Dataset) -> xr.DataArray:
    """Return the share of each label's samples that probes gave each label, `(label, named)`; rows sum to 1."""
    names = result["label"].values
    counts = np.zeros((len(names), len(names)))
    truth = np.broadcast_to(result["truth"].values, result["predicted"].shape)
    tested = result["predicted"].values != UNTESTED
    np.add.at(counts, (truth[tested], result["predicted"].values[tested]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return xr.DataArray(shares, {"label": names, "named": names}, ("label", "named"))


def probe_table(results: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the results as Table 3 prints its own: percent, a row for each set of features.

    The columns are dim, probe (its weights, as Table 3 counts them), each label in Table 3's order, "overall" with the
    "low" and "high" ends of its interval, and the "class mean". The paper does not say which of the two AVG is.
    """
    rows = {}
    for name, result in results.items():
        accuracy = 100 * class_accuracy(result)[["accuracy", "low", "high"]]
        classes = accuracy["accuracy"].drop(OVERALL)
        order = [label for label in TABLE_3_CLASSES if label in classes.index]
        order += [label for label in classes.index if label not in order]
        rows[name] = {
            "dim": result.attrs["features"],
            "probe": result.attrs["parameters"],
            **classes[order].to_dict(),
            **accuracy.loc[OVERALL].rename({"accuracy": OVERALL}).to_dict(),
            "class mean": classes.mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def learning_rate_curve(
    features: Mapping[str, Array] | Array,
    labels: str | ArrayLike = "effect",
    config: ProbeConfig = ProbeConfig(),
    rates: Sequence[float] = LEARNING_RATES,
    **options: Any,
) -> pd.DataFrame:
    """Return how accurate the probes are at each learning rate: the paper's text leaves the rate out.

    The rows are features and rate, the columns accuracy, low and high (the 95 % interval over recordings). `options`
    and errors are those of `train_probes`.
    """
    found = {}
    for rate in rates:
        for name, result in train_probes(features, labels, replace(config, learning_rate=rate), **options).items():
            found[name, rate] = overall_accuracy(result)
    return interval_table(found, ["features", "rate"], ["accuracy", "low", "high"]).sort_index()


def paper_table() -> pd.DataFrame:
    """Return Table 3 as the paper prints it: the columns of `probe_table`, with "AVG" for the last four."""
    rows = {
        name: {"dim": dim, "probe": probe, **dict(zip(TABLE_3_CLASSES, classes, strict=True)), "AVG": average}
        for name, (dim, probe, classes, average) in TABLE_3.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
