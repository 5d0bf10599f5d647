"""``survey.json``: what a survey folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text

__all__ = ["KINDS", "SCHEMA_VERSION", "read_header", "write_header"]

SCHEMA_VERSION = 1
KINDS = ("simulated", "sdss", "local")
UNITS = {
    "ra": "deg (J2000)",
    "dec": "deg (J2000)",
    "sn_r": "median S/N per pixel, r band",
    "petro_mag_r": "AB mag",
    "petro_r90_r": "arcsec",
    "cutout_scale": "arcsec/px",
    "loglam0": "log10(vacuum Angstrom); step 1e-4",
    "flux": "1e-17 erg/s/cm2/Angstrom",
    "ivar": "(1e-17 erg/s/cm2/Angstrom)**-2",
    "wdisp": "pixels of 1e-4 dex (1 sigma)",
    "true_log_age": "log10(yr), light-weighted",
    "true_m_h": "dex, light-weighted",
}


def read_header(path: Path) -> dict[str, Any]:
    """The description of the survey in folder `path`.

    Raises
    ------
    GalamError
        If there is none, it is damaged, or a newer version wrote it.
    """
    file = path / "survey.json"
    if not file.is_file():
        raise GalamError(
            "there is no survey here (no survey.json)",
            path,
            "make one with `galam simulate`, `galam import` or `galam fetch`, or use 'demo'",
        )
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
        version = int(header["schema_version"])
        header["name"], header["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(f"not a survey description ({error})", file) from error
    if version > SCHEMA_VERSION:
        raise GalamError(
            f"written by a newer version (schema {version})", file, "update galam-explorer"
        )
    return header


def write_header(path: Path, header: dict[str, Any]) -> None:
    """Write ``survey.json`` into folder `path`, atomically."""
    write_text(path / "survey.json", json.dumps(header, indent=2, sort_keys=True) + "\n")
