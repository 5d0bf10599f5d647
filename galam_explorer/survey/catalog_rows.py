"""Rows of a catalogue: which column says what, and which values can be used.

Ids stay text: SDSS's 64-bit numbers do not survive a float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_ids import id_from_name, id_from_specobjid, spectrum_id

__all__ = ["COLUMNS", "CatalogEntry", "NotACatalogError", "find_columns", "make_entry"]

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


def find_columns(names: list[str], path: Path) -> dict[str, list[str]]:
    """The file's column names for each quantity of `COLUMNS`, the preferred first.

    ``identity`` is plate, MJD and fibre, if all three are there.

    Raises
    ------
    NotACatalogError
        If no column names ids, files or positions.
    """
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


def make_entry(
    number: int,
    row: dict[str, Any],
    columns: dict[str, list[str]],
    source: str,
    problems: list[str],
) -> CatalogEntry | None:
    """An entry of one row, or None if it says nothing to find a galaxy by.

    Parameters
    ----------
    number : int
        Of the row, the first is 1.
    row : dict
        Values by the file's own column names; empty for a row left out.
    columns : dict
        From `find_columns`.
    source : str
        Name of the file, for `problems`.
    problems : list of str
        Values that cannot be used are added to it.
    """
    if not row:
        return None
    where = f"{source}, row {number}"
    values: dict[str, Any] = _numbers(row, columns, where, problems)
    for name in columns["spec_class"][:1]:
        values["spec_class"] = _text(row[name])
    keys = _keys(row, columns, where, problems)
    files = [_text(row[name]).replace("\\", "/") for name in columns["file"]]
    files = [name.rpartition("/")[2] for name in files if name]
    if not (keys or files or np.isfinite(values.get("ra", np.nan))):
        problems.append(f"{where}: no id, file name or position; left out")
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
