"""SDSS names of spectra: ``plate-mjd-fiber``, file names, specObjIDs."""

from __future__ import annotations

import re

__all__ = ["id_from_name", "id_from_specobjid", "spectrum_id"]

_SPSPEC = re.compile(r"spspec-(\d{5})-(\d{1,6})-(\d{1,4})(?!\d)", re.IGNORECASE)
_SPEC = re.compile(r"(?<![\d.])(\d{3,6})-(\d{5})-(\d{1,11})(?!\d)")


def spectrum_id(plate: int, mjd: int, fiber: int) -> str:
    """Galaxy id of an SDSS spectrum, zero-padded like its file: ``0266-51602-0001``."""
    return f"{plate:04d}-{mjd:05d}-{fiber:04d}"


def id_from_name(name: str) -> str | None:
    """Galaxy id in a file name such as ``spec-0266-51602-0001.fits``, if there is one.

    Parameters
    ----------
    name : str
        File name; ``spSpec`` names have the MJD first, all others the plate.

    Returns
    -------
    str or None
        ``plate-mjd-fiber``, zero-padded.
    """
    if found := _SPSPEC.search(name):
        mjd, plate, fiber = found.groups()
    elif found := _SPEC.search(name):
        plate, mjd, fiber = found.groups()
    else:
        return None
    # A plate of six digits (SDSS-V fields) keeps its leading zeros.
    return f"{plate.zfill(4)}-{mjd}-{fiber.zfill(4)}"


def id_from_specobjid(text: str) -> str | None:
    """Galaxy id packed in a 64-bit specObjID, if `text` is one.

    From the top, DR8 and later have 14 bits of plate, 12 of fibre, 14 of
    MJD - 50000, 14 of reduction version and 10 zeros; DR7 and earlier 16 of
    plate, 16 of MJD, 10 of fibre, 6 of target type and 16 zeros (SkyServer help,
    "ObjID encoding"). No later reduction version ends in six zero bits, which
    tells the two apart.
    """
    if not text.isdecimal() or int(text) >= 2**64:
        return None
    number = int(text)
    if number & 0xFFFF:
        plate, fiber, mjd = number >> 50, number >> 38 & 0xFFF, (number >> 24 & 0x3FFF) + 50000
    else:
        plate, mjd, fiber = number >> 48, number >> 32 & 0xFFFF, number >> 22 & 0x3FF
    plausible = plate > 0 and 0 < fiber <= 1000 and mjd > 51000
    return spectrum_id(plate, mjd, fiber) if plausible else None
