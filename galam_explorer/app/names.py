"""NGC, IC and Messier names, looked up in OpenNGC: no network is asked."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from galam_explorer.errors import GalamError

__all__ = ["NamedObject", "catalogue_name", "find_name"]

_NAME = re.compile(
    r"(NGC|IC|MESSIER|M)[\s_-]*([0-9]{1,5})\s*([A-Z]{1,2}|NED\s?[0-9]{1,2})?",
    re.ASCII | re.IGNORECASE,
)
_LISTED = "OpenNGC"
_UNTOLD = ("Galaxy", "Group of galaxies")
"""Beginnings of types that need not be said: what else it is, users should know."""


class NamedObject(NamedTuple):
    """What a name stands for; `ra` and `dec` are J2000 degrees.

    `title` is the name, with the usual one (and what it is, if no galaxy) in brackets.
    """

    title: str
    ra: float
    dec: float


def catalogue_name(text: str) -> str | None:
    """A name of the NGC, the IC or Messier's catalogue in one spelling.

    Parameters
    ----------
    text : str
        In any usual spelling: ``ngc3073``, ``NGC 3073``, ``M31``, ``Messier 31``.

    Returns
    -------
    str or None
        Such as ``NGC 3073`` and ``M 31``; None if `text` is no such name.
    """
    found = _NAME.fullmatch(text.strip())
    if found is None:
        return None
    catalogue, number, part = (one.upper() for one in found.groups(default=""))
    # Components of pairs are letters (NGC 4676A) or NED's numbers (IC 2431 NED02).
    part = f" NED{int(part[3:]):02d}" if part.startswith("NED") else part
    return f"{'M' if catalogue == 'MESSIER' else catalogue} {int(number)}{part}"


@lru_cache(maxsize=256)
def find_name(name: str) -> NamedObject:
    """Look a name up.

    Parameters
    ----------
    name : str
        As `catalogue_name` spells it.

    Raises
    ------
    GalamError
        If OpenNGC has no such object or no position of it, or is not there.
    """
    try:
        # Here, not above: only those who search for a name wait for it (0.1 s).
        from pyongc.exceptions import ObjectNotFound, UnknownIdentifier
        from pyongc.ongc import Dso
    except ImportError as error:
        raise GalamError(
            "names need the package pyongc", name, "install it, or search by id or position"
        ) from error
    try:
        found = Dso(name)
    except (ObjectNotFound, UnknownIdentifier) as error:
        raise GalamError(
            f"{_LISTED} has no such object", name, "search by another name, an id or a position"
        ) from error
    except (OSError, sqlite3.Error) as error:
        raise GalamError(
            f"{_LISTED} cannot be read ({error})", name, "search by id or position"
        ) from error
    if found.rad_coords is None:
        raise GalamError(f"{_LISTED} has no position of it ({found.type})", name)
    ra, dec = np.degrees(found.rad_coords)
    usual = catalogue_name(found.name) or found.name
    more = [] if usual == name else [usual]
    more += [] if found.type.startswith(_UNTOLD) else [found.type]
    return NamedObject(f"{name} ({', '.join(more)})" if more else name, float(ra), float(dec))
