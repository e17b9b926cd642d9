"""Linear probes: what one linear layer reads off frozen latents, on recordings it never heard (section 3.2).

A probe is trained as the paper says, by AdamW until the accuracy on validation recordings no longer rises. Splits are
by recording: the recordings fall into folds, each fold is the test once, and the next one decides when to stop, so
every render is named by a probe that never heard its recording. All probes of a study train together (`linear`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from latentfx_nb.analysis import linear
from latentfx_nb.cache import cache_dir, check_space
from latentfx_nb.analysis.linear import Task, Trained, Training
from latentfx_nb.paper import TABLE_3, TABLE_3_CLASSES
from latentfx_nb.analysis.samples import Array, Samples

DRAWS = 2000
"""Bootstrap draws of an interval. Ours: its ends then move by less than their second digit from seed to seed."""

MEMORY_BYTES = 2**30
"""Features that take more than this as float32 are kept in a scratch file, as float16, while probes are trained."""

CONSTANT = 1e-6  # of its mean: a feature that moves less holds rounding

OVERALL = "overall"

LEARNING_RATES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""From too slow for any data of ours to too fast."""

UNTESTED = -1  # stands for the label of a row that no probe was tested on

Watch = Callable[[dict[str, float]], None]
"""Called now and then with the mean validation accuracy, so far, of the probes of each set of features."""


@dataclass(frozen=True)
class ProbeConfig(Training):
    """The paper's protocol (section 3.2) and what it leaves open.

    Of a linear layer's training, `batch_size`, `max_epochs` and `patience` are the paper's, and `learning_rate` is
    ours (see `Training`). Ours too: `standardise` features by the training rows of each split; `folds` of recordings,
    of which one tests, the next validates and the others train; all of them take their turn as the test, or the first
    `test_folds` (the paper splits once: 1); and everything again for each of the `seeds`, which draw splits, first
    weights and batches.
    """

    standardise: bool = True
    folds: int = 5
    test_folds: int | None = None
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds < 3:
            raise ValueError(f"folds={self.folds}: one tests, one validates and the rest train, so there must be three")
        if self.test_folds is not None and not 1 <= self.test_folds <= self.folds:
            raise ValueError(f"test_folds={self.test_folds} of {self.folds} folds: pass 1 to {self.folds}, or None")
        if not self.seeds:
            raise ValueError("seeds=() trains nothing: pass at least one")


class Split(NamedTuple):
    """The rows that a probe learns from, that decide when it stops, and that it is tested on."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


def recording_splits(labels: ArrayLike, recordings: ArrayLike, folds: int = 5, seed: int = 0) -> list[Split]:
    """Return a split for each fold: every row is tested once, no recording is on two sides, labels spread evenly.

    Raises ValueError if labels and recordings differ in number, if there are fewer recordings than folds, or if a label
    is heard in fewer than three.
    """
    labels, recordings = np.asarray(labels), np.asarray(recordings)
    if len(labels) != len(recordings):
        raise ValueError(f"{len(labels)} labels and {len(recordings)} recordings: pass one of each for every row")
    found = len(np.unique(recordings))
    if found < folds:
        raise ValueError(f"{folds} folds need as many recordings, not {found}: pass more clips, or fewer folds")
    for label in np.unique(labels):
        if (heard := len(np.unique(recordings[labels == label]))) < 3:
            raise ValueError(
                f"{str(label)!r} is heard in {heard} recording(s), and a probe needs three, to learn from, to stop by "
                "and to be tested on: pass clips of more recordings"
            )
    from sklearn.model_selection import StratifiedGroupKFold  # half a second that pages need not open with

    shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(recordings, labels, recordings)
    parts = [test for _, test in shuffled]
    return [
        Split(np.sort(np.concatenate([parts[(k + i) % folds] for i in range(2, folds)])), parts[(k + 1) % folds], test)
        for k, test in enumerate(parts)
    ]


def accuracy_interval(
    hits: ArrayLike, recordings: ArrayLike, other: ArrayLike | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `hits [row]`, or of `hits - other`, with the ends of its 95 % interval.

    The interval is a percentile bootstrap over recordings, which are drawn whole, as their rows are alike. Any measure
    of a row will do for hits. Raises ValueError if the rows differ in number, or are none.
    """
    values = np.asarray(hits, np.float64)
    if other is not None:
        if np.shape(other) != values.shape:
            raise ValueError(f"a paired difference needs rows of one shape, not {values.shape} and {np.shape(other)}")
        values = values - np.asarray(other, np.float64)
    return ratio_interval(values, np.ones(values.shape), recordings, draws, seed)


def ratio_interval(
    parts: ArrayLike, wholes: ArrayLike, recordings: ArrayLike, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Return the sum of `parts [row]` over the sum of `wholes [row]`, with the ends of its 95 % interval.

    The interval is the one of `accuracy_interval`. Raises ValueError if the rows differ in number, or are none.
    """
    parts, wholes, recordings = np.asarray(parts, np.float64), np.asarray(wholes, np.float64), np.asarray(recordings)
    if not parts.shape == wholes.shape == recordings.shape or not parts.size:
        raise ValueError(f"rows of shape {parts.shape} need one recording each, not {recordings.shape}: pass [row]")
    codes = np.unique(recordings, return_inverse=True)[1]
    above, below = np.bincount(codes, parts), np.bincount(codes, wholes)
    drawn = np.random.default_rng(seed).multinomial(len(above), np.full(len(above), 1 / len(above)), draws)
    low, high = np.percentile((drawn @ above) / (drawn @ below), (2.5, 97.5))
    return float(parts.sum() / wholes.sum()), float(low), float(high)


# ----------------------------------------------------------------------------------------------------- training probes


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
    """Return, for each named set of `features`, what probes of all seeds and folds say of every sample (section 3.2).

    Features are latents: those with the dim `frame` are flattened over dim and time ("-F"), time averages are taken as
    they are ("-T"); plain arrays are `[*sample feature]`. `labels` and `recordings` name coordinates of the samples, or
    are arrays along them. `device` is cpu, cuda or auto; `bar` is called as tqdm is.

    A dataset holds `predicted (seed, *sample)` and `truth (*sample)`, numbers of the coordinate `label` (predicted: -1
    where no probe was tested), `fold (seed, *sample)`, the one that tested it, `recordings (*sample)`, `weight (seed,
    fold, output, feature)` and `bias` of each probe for features as they were passed, and `epoch (seed, fold)`, the one
    that was kept; two labels share one output. Its attributes are the number of weights of one probe (`parameters`)
    and the configuration.

    Raises ValueError as `recording_splits` does, for a coordinate that is missing, for fewer than two labels, and for
    features that are NaN or infinite; OSError if the disk has no room for a scratch file of features beyond 1 GiB.
    """
    if not isinstance(features, Mapping):
        features = {"probe": features}
    with ExitStack() as files:
        sets = {name: _FeatureSet(x, labels, recordings, files, bar) for name, x in features.items()}
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

    Of several seeds the first counts. Raises as `train_probes` does.
    """
    found = train_probes(features, labels, config, recordings=recordings, bar=partial(tqdm, disable=True))["probe"]
    return np.ravel(found["predicted"][0].values == found["truth"].values)


def train_tasks(
    tasks: Sequence[Task],
    device: str,
    bar: Callable[..., Any],
    desc: str,
    tell: Callable[[NDArray[np.float64]], None] = lambda accuracy: None,
) -> list[Trained]:
    """Return what became of the tasks, under a progress bar; `tell` hears of their validation accuracy `[task]`."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    seen = 0
    with bar(total=sum(task.training.max_epochs for task in tasks), desc=desc, unit="epoch") as progress:

        def watch(epochs: NDArray[np.intp], accuracy: NDArray[np.float64]) -> None:
            nonlocal seen
            tell(accuracy)
            progress.update(int(epochs.sum()) - seen)
            seen = int(epochs.sum())

        return linear.train(tasks, device, watch)


class _FeatureSet:
    """Features with their labels and recordings, ready to be trained on; a scratch file is left to `files` to close."""

    def __init__(
        self,
        x: Array,
        labels: str | ArrayLike,
        recordings: str | ArrayLike,
        files: ExitStack,
        bar: Callable[..., Any],
    ) -> None:
        flattened = ("dim", "frame") if isinstance(x, xr.DataArray) and {"dim", "frame"} <= set(x.dims) else None
        self.samples = Samples(x, flattened)
        self.names, self.truth = np.unique(self.samples.values_of(labels), return_inverse=True)
        self.recordings = self.samples.values_of(recordings)
        if len(self.names) < 2:
            raise ValueError(f"all samples are labelled {self.names.tolist()}: a probe needs two labels to tell apart")
        self.rows = _rows(self.samples, files, bar)

    def tasks(self, config: ProbeConfig) -> Iterator[Task]:
        """Yield the probe of each seed and fold."""
        for seed in config.seeds:
            splits = recording_splits(self.names[self.truth], self.recordings, config.folds, seed)[: config.test_folds]
            means, scales = moments(self.rows, [split.train for split in splits], config.standardise)
            for fold, (split, mean, scale) in enumerate(zip(splits, means, scales, strict=True)):
                number = seed * config.folds + fold
                yield Task(self.rows, self.truth, len(self.names), *split, mean, scale, config, seed=number)

    def result(self, tasks: Sequence[Task], trained: Sequence[Trained], config: ProbeConfig) -> xr.Dataset:
        """Return the dataset that `train_probes` describes."""
        samples, seeds = self.samples, len(config.seeds)
        predicted, folds = np.full((2, seeds, samples.n_samples), UNTESTED, np.int16)
        for number, (task, one) in enumerate(zip(tasks, trained, strict=True)):
            seed, fold = divmod(number, len(tasks) // seeds)
            predicted[seed, task.test], folds[seed, task.test] = one.predicted[0], fold
        scaled = [one.weights[0, :-1] * task.scale[:, None] for task, one in zip(tasks, trained, strict=True)]
        biases = [one.weights[0, -1] - task.mean @ w for task, one, w in zip(tasks, trained, scaled, strict=True)]
        dims = tuple(samples.samples) if samples.labelled else tuple(f"axis_{i}" for i in range(len(samples.shape)))
        shaped = {"truth": self.truth.astype(np.int16), "recordings": self.recordings.astype(object)}
        return xr.Dataset(
            {
                "predicted": (("seed", *dims), predicted.reshape(seeds, *samples.shape)),
                "fold": (("seed", *dims), folds.reshape(seeds, *samples.shape)),
                **{name: (dims, values.reshape(samples.shape)) for name, values in shaped.items()},
                "weight": (("seed", "fold", "output", "feature"), _by_seed([w.T for w in scaled], seeds)),
                "bias": (("seed", "fold", "output"), _by_seed(biases, seeds)),
                "epoch": (("seed", "fold"), _by_seed([one.epoch[0] for one in trained], seeds)),
            },
            {**_sample_coordinates(samples), "seed": list(config.seeds), "label": self.names.astype(object)},
            {
                "parameters": samples.n_features * tasks[0].outputs,
                "features": samples.n_features,
                "config": str(config),
            },
        )


def _by_seed(values: Sequence[ArrayLike], seeds: int) -> NDArray:
    stacked = np.stack(values)
    return stacked.reshape(seeds, -1, *stacked.shape[1:])


def _sample_coordinates(samples: Samples) -> dict[str, xr.DataArray]:
    if not samples.labelled:
        return {}
    own = set(samples.samples)
    return {
        str(name): c.reset_coords(drop=True) for name, c in samples.x.coords.items() if set(c.dims) <= own and c.dims
    }


def _rows(samples: Samples, files: ExitStack, bar: Callable[..., Any]) -> linear.Rows:
    """Return the features in memory as float32; or, if they are too large for that, in a scratch file as float16."""
    shape = samples.n_samples, samples.n_features
    if 4 * shape[0] * shape[1] <= MEMORY_BYTES:
        rows = np.empty(shape, np.float32)
        for place, block in samples.blocks():
            rows[place] = block
        check_finite(rows, 0)
        return linear.Rows(rows)
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    check_space(folder, 2 * shape[0] * shape[1])
    file = files.enter_context(tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115 - `files` closes it
    with bar(total=shape[0], desc="Copying wide features", unit="row") as progress:
        for place, block in samples.blocks():
            with np.errstate(over="ignore"):
                half = block.astype(np.float16)
            check_finite(half, place.start)
            left = memoryview(half).cast("B")
            while left:
                left = left[file.write(left) :]
            progress.update(len(half))
    return linear.StoredRows(file, shape)


def check_finite(block: NDArray[np.floating], start: int) -> None:
    """Raise ValueError if `block [row feature]`, whose first row is sample `start`, holds NaN or infinity."""
    with np.errstate(invalid="ignore"):
        total = block.sum(dtype=np.float64)
    if not np.isfinite(total):
        bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise ValueError(
            f"sample {bad} has features that are NaN, infinite or beyond what their storage holds: drop it, scale "
            "them, or encode it again"
        )


def moments(
    rows: linear.Rows, subsets: Sequence[NDArray[np.intp]], standardise: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of each feature in each subset of rows, and one over its deviation, both `[subset feature]`.

    A feature that does not move within a subset has a scale of 0, so that its probe is spared it. Rows are read once:
    those that the same subsets share are summed up together, about their own mean (Chan, Golub & LeVeque 1979), so
    that no outlier of another subset costs precision.
    """
    n, width = rows.shape
    if not standardise:
        return np.zeros((len(subsets), width), np.float32), np.ones((len(subsets), width), np.float32)
    members = np.zeros((len(subsets), n), bool)
    for line, subset in zip(members, subsets, strict=True):
        line[subset] = True
    shared, part_of = np.unique(members, axis=1, return_inverse=True)
    counts, (means, scatter) = np.zeros(shared.shape[1]), np.zeros((2, shared.shape[1], width))
    step = max(1, linear.SCORE_BYTES // (4 * width))
    for start in range(0, n, step):
        block, parts = rows.read(slice(start, min(start + step, n))), part_of[start : start + step]
        for part in np.unique(parts):
            some = block[parts == part].astype(np.float32)
            mean, total = some.mean(axis=0, dtype=np.float64), counts[part] + len(some)
            shift = mean - means[part]
            scatter[part] += np.square(some - mean.astype(np.float32)).sum(axis=0, dtype=np.float64)
            scatter[part] += np.square(shift) * (counts[part] * len(some) / total)
            means[part] += shift * (len(some) / total)
            counts[part] = total
    found = np.empty((2, len(subsets), width), np.float32)
    for own, mean, scale in zip(shared, *found, strict=True):
        weights = counts[own] / counts[own].sum()
        centre = weights @ means[own]
        variance = scatter[own].sum(axis=0) / counts[own].sum() + weights @ np.square(means[own] - centre)
        deviation = np.sqrt(variance)
        mean[:] = centre
        scale[:] = np.divide(1, deviation, out=np.zeros(width), where=deviation > CONSTANT * np.abs(centre))
    return found[0], found[1]


# ------------------------------------------------------------------------------------------------ what probes have said


def hit_share(result: xr.Dataset) -> xr.DataArray:
    """Return how often probes named each sample rightly, `(*sample)`: its share of the seeds, NaN if it was not tested.

    `result` is one of `train_probes`; its recordings come along as a coordinate.
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

    Each sample is named by the probe that never heard its recording, of those that `train_probes` made for `result`, of
    its first seed: so latents that were moved can be held against the real ones.

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

    The columns are accuracy, low and high, the ends of its 95 % interval over recordings, and n, the number of samples
    (section 3.2: class-wise accuracy).
    """
    hits, names = hit_share(result), result["label"].values
    tested, found = np.isfinite(hits.values), {}
    for number, label in enumerate([*names, OVERALL]):
        own = tested & ((result["truth"].values == number) | (number == len(names)))
        interval = accuracy_interval(hits.values[own], hits["recordings"].values[own]) if own.any() else (np.nan,) * 3
        found[label] = *interval, int(own.sum())
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
    "low" and "high" ends of its interval, and the "class mean". Table 3's AVG says not which of the two it is.
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
    """Return how accurate the probes are for each learning rate, which the paper's text leaves out.

    The rows are features and rate, the columns accuracy, low and high (the 95 % interval over recordings). `options`
    and errors are those of `train_probes`.
    """
    found = {}
    for rate in rates:
        for name, result in train_probes(features, labels, replace(config, learning_rate=rate), **options).items():
            found[name, rate] = overall_accuracy(result)
    index = pd.MultiIndex.from_tuples(found, names=["features", "rate"])
    return pd.DataFrame(found.values(), index, ["accuracy", "low", "high"]).sort_index()


def paper_table() -> pd.DataFrame:
    """Return Table 3 as the paper prints it: the columns of `probe_table`, with "AVG" for the last four."""
    rows = {
        name: {"dim": dim, "probe": probe, **dict(zip(TABLE_3_CLASSES, classes, strict=True)), "AVG": average}
        for name, (dim, probe, classes, average) in TABLE_3.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
