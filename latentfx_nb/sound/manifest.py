"""A folder's `manifest.csv`: one row a file, with its instrument, recording and licence."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

MANIFEST_COLUMNS = ("file", "instrument", "recording", "licence")


def read_manifest(manifest: Path) -> pd.DataFrame:
    """Return a manifest's rows, `file` absolute; raise ValueError, naming what is wrong with it and how to mend it."""
    rows = _read_table(manifest)
    if rows.empty:
        raise ValueError(f"{manifest} lists no files; add a row for each audio file")
    reserved = sorted({"clip", "start", "padded_samples"} & set(rows))
    if reserved:
        raise ValueError(f"{manifest} has columns {', '.join(reserved)}, which the table fills in itself; rename them")
    rows["file"] = [str((manifest.parent / file).resolve()) for file in rows["file"]]
    absent = [file for file in rows["file"] if not Path(file).is_file()]
    if absent:
        raise ValueError(f"{manifest} names files that are not there: {some(absent)}; correct or remove those rows")
    repeated = rows["file"][rows["file"].duplicated()].unique().tolist()
    if repeated:
        raise ValueError(f"{manifest} lists files more than once: {some(repeated)}; keep one row for each")
    return rows


def _read_table(manifest: Path) -> pd.DataFrame:
    """Return a manifest's cells as text, a column each; raise ValueError unless all needed columns are there."""
    try:
        text = manifest.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise ValueError(f"{manifest} is not a table in CSV (not UTF-8); save it as CSV in UTF-8") from error
    needed = ", ".join(MANIFEST_COLUMNS)
    lines = csv.reader(text.splitlines(keepends=True), delimiter=_delimiter(text), skipinitialspace=True)
    table = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    if not table:
        raise ValueError(f"{manifest} is not a table in CSV (it is empty); it needs the columns {needed}")
    (head_line, head), *body = table
    columns = [_column(name) for name in head]
    missing = [column for column in MANIFEST_COLUMNS if column not in columns]
    if missing:
        found = ", ".join(columns)
        raise ValueError(f"{manifest} lacks the columns {', '.join(missing)}; it needs {needed}, and has {found}")
    for line, cells in body:
        if any(cells[len(columns) :]):
            raise ValueError(
                f"{manifest} is not a table in CSV: line {line} has {len(cells)} cells, and line {head_line} names "
                f"{len(columns)} columns; put a cell that holds {_delimiter(text)!r} between quotes"
            )
    full = [(cells + [""] * len(columns))[: len(columns)] for _, cells in body]
    return pd.DataFrame(full, columns=columns, dtype=str)


def _delimiter(text: str) -> str:
    """Return what separates a manifest's columns: a comma, or the semicolon or tab that some programs write."""
    return max(",;\t", key=text.partition("\n")[0].count)


def _column(name: str) -> str:
    """Return a column's name without spaces around it; a needed column's in small letters."""
    plain = name.strip()
    return plain.lower() if plain.lower() in MANIFEST_COLUMNS else plain


def some(names: list[str], n: int = 5) -> str:
    """Return the first `n` names joined by commas, and how many more there are."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
