"""Results as the datasets that ship, and back: a `store_*` and a `read_*` for each of the studies of `prepared`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from latentfx_nb.analysis.pca import PCA

CLOUD_DIMS = ("frame", "component")
"""Dims of the points of a basis of frames."""

OF_ALGEBRA = "algebra_"
"""Stands before every name of stored scores: their clips are the few held-out ones and not those of the other files."""

OF_ROWS = "row_"
"""Stands before the names of stored row measures."""

CLAIM_COLUMNS = {"claim": "claim", "place": "claim_place", "number": "claim_number"}
"""Column of a table of claims -> its stored name."""


def store_basis(basis: PCA) -> xr.Dataset:
    """Return the PCA of all frames as it ships."""
    return xr.Dataset(
        {
            "mean": ("dim", np.asarray(basis.mean, np.float64)),
            "components": (("component", "dim"), np.asarray(basis.components, np.float64)),
            "explained": ("component", np.asarray(basis.explained, np.float64)),
            "cloud": (CLOUD_DIMS, np.asarray(basis.points, np.float32)),
        }
    )


def read_basis(dataset: xr.Dataset) -> PCA:
    """Return the PCA that `store_basis` stored."""
    names = {"component": [f"PC{i + 1}" for i in range(3)]}
    shares = {"explained": [float(share) for share in dataset["explained"].values]}  # the axes' names
    dims = np.arange(dataset.sizes["dim"])
    return PCA(
        points=xr.DataArray(
            dataset["cloud"].values, {"component": ("component", names["component"], shares)}, CLOUD_DIMS
        ),
        explained=xr.DataArray(dataset["explained"].values, names, ("component",)),
        components=xr.DataArray(dataset["components"].values, {**names, "dim": dims}, ("component", "dim")),
        mean=xr.DataArray(dataset["mean"].values, {"dim": dims}, ("dim",)),
        angle=0.0,
        features=("dim",),
        axes={"dim": dims},
    )


def store_windows(table: pd.DataFrame) -> xr.Dataset:
    """Return the table of `comparison.purity_by_window` as it ships."""
    return xr.Dataset(
        {
            "window": (("row", "column"), table.to_numpy(np.float32)),
            "label": ("row", table.index.get_level_values("label").to_numpy(object)),
            "window_s": ("row", table.index.get_level_values("window_s").to_numpy(float)),
        },
        {"column": table.columns.to_numpy(object)},
    )


def read_windows(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the table that `store_windows` stored."""
    keys = [dataset["label"].values.astype(str), dataset["window_s"].values]
    index = pd.MultiIndex.from_arrays(keys, names=["label", "window_s"])
    return pd.DataFrame(dataset["window"].values, index, dataset["column"].values.astype(str))


def store_algebra(scores: xr.Dataset) -> xr.Dataset:
    """Return the scores of `algebra_study.algebra_scores` as they ship."""
    names = {name: f"{OF_ALGEBRA}{name}" for name in {*scores.variables, *scores.dims}}
    stored = scores.drop_attrs().rename(names)
    return stored.assign_coords({name: v.astype(object) for name, v in stored.coords.items() if v.dtype.kind == "U"})


def read_algebra(dataset: xr.Dataset) -> xr.Dataset:
    """Return the scores that `store_algebra` stored."""
    names = [str(name) for name in {*dataset.variables, *dataset.dims} if str(name).startswith(OF_ALGEBRA)]
    return dataset.rename({name: name.removeprefix(OF_ALGEBRA) for name in names}).drop_attrs()


class ClaimResults(NamedTuple):
    """The claims of the paper on one encoder.

    rows: `claims.row_measures`, from which they were averaged. table: that of `claims.paper_claims`.
    """

    rows: xr.Dataset
    table: pd.DataFrame


def store_claims(found: ClaimResults) -> xr.Dataset:
    """Return claims as they ship; where one is not tested, its `holds` is -1."""
    measured = {f"{OF_ROWS}{name}": values.astype(np.float32) for name, values in found.rows.data_vars.items()}
    texts = {stored: ("claim_row", found.table[name].to_numpy(object)) for name, stored in CLAIM_COLUMNS.items()}
    holds = [-1 if one is None else int(one) for one in found.table["holds"]]
    return xr.Dataset(measured | texts | {"claim_holds": ("claim_row", np.array(holds, np.int8))})


def read_claims(dataset: xr.Dataset) -> ClaimResults:
    """Return the claims that `store_claims` stored."""
    stored = [str(name) for name in dataset.data_vars if str(name).startswith(OF_ROWS)]
    rows = dataset[stored].rename({name: name.removeprefix(OF_ROWS) for name in stored})
    holds = [{1: True, 0: False}.get(int(code)) for code in dataset["claim_holds"].values]
    columns = {name: dataset[stored].values.astype(str) for name, stored in CLAIM_COLUMNS.items()}
    return ClaimResults(rows, pd.DataFrame(columns).assign(holds=pd.Series(holds, dtype=object)))
