"""Reading catalogues of galaxies: CSV, ECSV, VOTable and FITS tables.

Columns are found by their usual names in any case (see `COLUMNS`). Ids stay
text from the first byte to the last: SDSS's 64-bit ids do not survive a float.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_ids import id_from_name, id_from_specobjid, spectrum_id

__all__ = [
    "CATALOG_SUFFIXES",
    "COLUMNS",
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

COLUMNS = {
    "id": "id galaxy_id name object specobjid objid dr7objid dr8objid bestobjid asset_id source_id",
    "file": "file filename file_name image image_file image_name jpg jpeg png cutout "
    "spectrum spectrum_file spec_file fits path",
    "ra": "_raj2000 ra raj2000 ra_deg radeg ra_j2000 plug_ra raobj",
    "dec": "_dej2000 dec dej2000 decj2000 dec_deg decdeg dec_j2000 plug_dec decobj",
    "z": "redshift z_spec zspec specz z_sp z",
    "z_warning": "zwarning z_warning zwarn",
    "sn_r": "sn_r snmedian_r sn_median_r",
    "petro_mag_r": "petromag_r petro_mag_r petromagr",
    "petro_r90_r": "petror90_r petro_r90_r petror90r petrorad90_r petroth90_r",
    "spec_class": "class spec_class specclass",
    "scale": "cutout_scale scale pixel_scale pixscale arcsec_per_pixel",
}
"""Accepted names (lower case) of each quantity, the preferred one first.

A column of five numbers is split as u, g, r, i, z: its r becomes ``name_r``.
"""

_NUMBERS = ("ra", "dec", "z", "z_warning", "sn_r", "petro_mag_r", "petro_r90_r", "scale")
_EMPTY = {"", "-", "--", "null", "none", "nan", "n/a", "na", "masked"}
_ROUNDED = re.compile(r"[+-]?\d+(\.\d*)?e[+-]?\d+|[+-]?\d{16,}\.\d*", re.IGNORECASE)
_BANDS = {"u", "g", "r", "i", "z"}
_R_BAND = 2


class NotACatalogError(GalamError):
    """A table without any column of ids, file names or positions."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One usable row.

    Parameters
    ----------
    row : int
        Number of the row, the first below the header is 1.
    keys : tuple of str
        Every id in the row; the first is the galaxy's. ``plate-mjd-fiber`` comes
        first if the row says it, be it inside a specObjID.
    files : tuple of str
        File names (without folders) that the row gives.
    ra, dec : float
        J2000 degrees, NaN where unknown, as are all numbers.
    z, z_warning, sn_r, petro_mag_r, petro_r90_r, spec_class
        As in `galam_explorer.records.Galaxy`.
    scale : float
        Of the image, arcsec per pixel.
    """

    row: int
    keys: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    ra: float = float("nan")
    dec: float = float("nan")
    z: float = float("nan")
    z_warning: float = float("nan")
    sn_r: float = float("nan")
    petro_mag_r: float = float("nan")
    petro_r90_r: float = float("nan")
    scale: float = float("nan")
    spec_class: str = ""


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
    columns = _find_columns([str(name) for name in names], path)
    for number, values in enumerate(rows, 1):
        entry = _entry(number, dict(zip(names, values, strict=False)), columns, path, catalog)
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
    from astropy.table import Table

    formats = {"ecsv": "ascii.ecsv", "votable": "votable", "fits": "fits"}
    options: dict[str, Any] = {"memmap": False} if kind == "fits" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(path, format=formats[kind], **options)
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


def _find_columns(names: list[str], path: Path) -> dict[str, list[str]]:
    """The file's column names for each quantity, the preferred first."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    found = {
        quantity: [lower[alias] for alias in aliases.split() if alias in lower]
        for quantity, aliases in COLUMNS.items()
    }
    if set(lower) >= _BANDS:  # with u, g, r and i beside it, z is a magnitude
        found["z"] = [name for name in found["z"] if name.strip().lower() != "z"]
    identity = [lower.get("plate"), lower.get("mjd"), lower.get("fiberid", lower.get("fiber"))]
    found["identity"] = [name for name in identity if name] if all(identity) else []
    if not (found["id"] or found["file"] or found["identity"] or (found["ra"] and found["dec"])):
        raise NotACatalogError(
            "no column of ids, file names or positions",
            path,
            "name columns 'id', 'file', or 'ra' and 'dec' (degrees)",
        )
    return found


def _entry(
    number: int,
    row: dict[str, Any],
    columns: dict[str, list[str]],
    path: Path,
    catalog: Catalog,
) -> CatalogEntry | None:
    if not row:
        return None
    where = f"{path.name}, row {number}"
    values: dict[str, Any] = _numbers(row, columns, where, catalog.problems)
    for name in columns["spec_class"][:1]:
        values["spec_class"] = _text(row[name])
    keys = _keys(row, columns, where, catalog.problems)
    files = [_text(row[name]).replace("\\", "/") for name in columns["file"]]
    files = [name.rpartition("/")[2] for name in files if name]
    if not (keys or files or np.isfinite(values.get("ra", np.nan))):
        catalog.problems.append(f"{where}: no id, file name or position; left out")
        return None
    return CatalogEntry(number, tuple(dict.fromkeys(keys)), tuple(files), **values)


def _numbers(
    row: dict[str, Any], columns: dict[str, list[str]], where: str, problems: list[str]
) -> dict[str, float]:
    """The row's numbers; what cannot be is NaN."""
    values = {
        quantity: _number(row[columns[quantity][0]], f"{where}, {columns[quantity][0]}", problems)
        for quantity in _NUMBERS
        if columns[quantity]
    }
    for quantity in ("petro_mag_r", "petro_r90_r", "scale", "sn_r"):
        if values.get(quantity, 1.0) <= 0:  # SDSS writes -9999 for unknown
            values[quantity] = float("nan")
    ra, dec = values.get("ra", float("nan")), values.get("dec", float("nan"))
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        if np.isfinite(ra) and np.isfinite(dec):
            problems.append(f"{where}: ({ra:g}, {dec:g}) is no position in degrees")
        values["ra"] = values["dec"] = float("nan")
    return values


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.strip()
    return "" if text.lower() in _EMPTY else text


def _number(value: Any, where: str, problems: list[str]) -> float:
    """A float; NaN for an empty cell, and NaN with a problem for other text."""
    text = _text(value)
    try:
        number = float(text) if text else float("nan")
    except ValueError:
        problems.append(f"{where}: {text[:40]!r} is not a number")
        return float("nan")
    return number if np.isfinite(number) else float("nan")


def _keys(
    row: dict[str, Any], columns: dict[str, list[str]], where: str, problems: list[str]
) -> list[str]:
    keys: list[str] = []
    if columns["identity"]:
        parts = [_text(row[name]) for name in columns["identity"]]
        if all(part.isdecimal() for part in parts):
            keys.append(spectrum_id(*(int(part) for part in parts)))
    for name in columns["id"]:
        text = _text(row[name])
        if isinstance(row[name], float) or _ROUNDED.fullmatch(text):
            if text:
                problems.append(f"{where}, {name}: {text} is a rounded number; not used as id")
        elif text:
            if name.strip().lower() == "specobjid" and (decoded := id_from_specobjid(text)):
                keys.insert(0, decoded)
            keys += [key for key in (id_from_name(text), text) if key]
    return keys
