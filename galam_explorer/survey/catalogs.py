"""Reading catalogues of galaxies: CSV, ECSV, VOTable and FITS tables.

Columns are found by their usual names in any case, see
`galam_explorer.survey.catalog_rows.COLUMNS`.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.survey.catalog_rows import (
    CatalogEntry,
    NotACatalogError,
    find_columns,
    make_entry,
)

__all__ = [
    "CATALOG_SUFFIXES",
    "Catalog",
    "CatalogEntry",
    "NotACatalogError",
    "read_catalog",
]

CATALOG_SUFFIXES = {
    ".csv": "csv",
    ".ecsv": "ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".fits": "fits",
    ".fit": "fits",
}

_R_BAND = 2


@dataclass
class Catalog:
    """Entries of one or several catalogue files, found by id and by file name."""

    entries: list[CatalogEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    by_key: dict[str, CatalogEntry] = field(default_factory=dict)
    by_file: dict[str, CatalogEntry] = field(default_factory=dict)

    def add(self, entry: CatalogEntry, source: str) -> None:
        """Add one entry; a repeated galaxy id is a problem and the first entry stays."""
        if entry.keys and entry.keys[0] in self.by_key:
            first = self.by_key[entry.keys[0]].row
            text = f"id {entry.keys[0]!r} occurs again; row {first} is used"
            self.problems.append(f"{source}, row {entry.row}: {text}")
            return
        self.entries.append(entry)
        for key in entry.keys:
            self.by_key.setdefault(key, entry)
        for name in entry.files:
            self.by_file.setdefault(name, entry)

    def find(self, name: str, galaxy_id: str | None = None) -> CatalogEntry | None:
        """Entry of a file, by its name, else by `galaxy_id`, else by its name without suffix."""
        for index, key in (
            (self.by_file, name),
            (self.by_key, galaxy_id),
            (self.by_key, name.rpartition(".")[0]),
        ):
            if key and key in index:
                return index[key]
        return None


def read_catalog(path: str | Path, into: Catalog | None = None) -> Catalog:
    """Read a catalogue file.

    Rows that cannot be used (no id, file or position) and values that are not
    numbers are listed in `Catalog.problems`.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.ecsv``, ``.vot``/``.votable``/``.xml``, ``.fits``/``.fit``.
    into : Catalog, optional
        Add to this one.

    Returns
    -------
    Catalog

    Raises
    ------
    NotACatalogError
        If no column names ids, files or positions.
    GalamError
        If the file cannot be read.
    """
    path = Path(path)
    catalog = Catalog() if into is None else into
    kind = CATALOG_SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(CATALOG_SUFFIXES)
        raise GalamError(f"unknown catalogue format {path.suffix!r}", path, f"known: {known}")
    rows = _csv_rows(path, catalog) if kind == "csv" else _table_rows(path, kind)
    names = next(rows)
    columns = find_columns([str(name) for name in names], path)
    for number, values in enumerate(rows, 1):
        entry = make_entry(
            number, dict(zip(names, values, strict=False)), columns, path.name, catalog.problems
        )
        if entry is not None:
            catalog.add(entry, path.name)
    return catalog


def _csv_rows(path: Path, catalog: Catalog) -> Iterator[list[str]]:
    """The header and the rows as text; rows of another length are problems."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as stream:
            # SkyServer puts "#Table1" above the header.
            lines = (line for line in stream if line.strip() and not line.startswith("#"))
            header = next(lines, "")
            delimiter = max(",;\t|", key=header.count)
            names = next(csv.reader([header], delimiter=delimiter), [])
            yield names
            for number, values in enumerate(csv.reader(lines, delimiter=delimiter), 1):
                if len(values) != len(names):
                    text = f"{len(values)} values for {len(names)} columns; left out"
                    catalog.problems.append(f"{path.name}, row {number}: {text}")
                    values = []
                yield values
    except OSError as error:
        raise GalamError(f"cannot read this catalogue ({error.strerror})", path) from error
    except csv.Error as error:
        raise GalamError(f"not a CSV catalogue ({error})", path) from error


def _table_rows(path: Path, kind: str) -> Iterator[Iterable[Any]]:
    """The header and the rows of what astropy.table reads, angles in degrees."""
    from astropy.io import fits
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "fits":  # astropy leaves damaged files open
                with open(path, "rb") as stream, fits.open(stream, memmap=False) as hdus:
                    table = Table.read(hdus, format="fits")
            else:
                table = Table.read(path, format={"ecsv": "ascii.ecsv"}.get(kind, kind))
    except Exception as error:
        # The three readers raise anything on bad files.
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GalamError(f"cannot read this {kind} catalogue ({text})", path) from error
    columns = dict(filter(None, (_column(table, name) for name in table.colnames)))
    yield columns
    yield from zip(*columns.values(), strict=True)


def _column(table: Any, name: str) -> tuple[str, list[Any]] | None:
    """Name and values of one column: None where masked, r of five bands, degrees for angles."""
    column = table[name]
    values = np.ma.asarray(getattr(column, "value", column))
    if values.ndim == 2 and values.shape[1] == 5:
        name, values = f"{name}_r", values[:, _R_BAND]
    if values.ndim != 1:
        return None
    unit = getattr(column, "unit", None)
    if values.dtype.kind == "f" and str(unit) in ("rad", "hourangle"):
        values = values * unit.to("deg")
    return name, values.tolist()
