"""Reading what SDSS's services answer, and telling an answer from an excuse.

SkyServer reports trouble in several ways with status 200: an HTML page
("Skyserver Error"), a JSON object with ``ErrorMessage``, a CSV with the one
column ``error_message``, or a line ``ERROR: Maximum 60 queries allowed per
minute``. ImgCutout draws "Requested (ra, dec) is outside the SDSS footprint" on
a black image, or says so with status 404.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.sdss_files import read_spectrum_file
from galam_explorer.survey.sdss_queries import SpecRow
from galam_explorer.survey.sdss_retry import BadBodyError, NotThereError, ServiceError

__all__ = [
    "OUTSIDE",
    "check_cutout",
    "check_spectrum",
    "describe_error_page",
    "parse_table",
    "spec_rows",
]

OUTSIDE = "outside the SDSS imaging footprint"
QUOTA_WAIT = 60.0
_EMPTY = ("no objects have been found", "no entries have been found", "no rows returned")
_BLACK = 0.5
"""An image with more black pixels than this has no data: real ones have at most 12 %."""
_CORE = 4


def describe_error_page(text: str) -> str:
    """One line of what an HTML, JSON or plain error page says."""
    if found := re.search(r'"error_?message"\s*:\s*"([^"]*)', text, re.IGNORECASE):
        text = found[1]
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text)
    text = re.sub(r"<[^>]*>|[{}\[\]\"]", " ", text)
    return " ".join(text.split())[:160] or "an empty page"


def parse_table(text: str, columns: Sequence[str], where: str) -> list[dict[str, str]]:
    """Rows of a CSV answer of SkyServer.

    Parameters
    ----------
    text : str
    columns : sequence of str
        What was asked for; case does not matter, and these are the keys given.
    where : str
        For the error message.

    Raises
    ------
    ServiceError
        If it is an error page, a refusal, or not what was asked for.
    """
    start = text.lstrip("\ufeff \r\n\t")[:2000]
    low = start.lower()
    if low.startswith(_EMPTY):
        return []
    if "maximum" in low and "queries allowed per minute" in low:
        error = ServiceError("too many queries in a minute", where, "wait a minute")
        error.wait = QUOTA_WAIT
        raise error
    if not start or start[0] in "<{[" or "<html" in low or '"error' in low:
        raise ServiceError(f"no table came, but: {describe_error_page(start)}", where)
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line and line[0] != "#"]
    table = list(csv.reader(lines))
    names = [name.strip().lower() for name in table[0]] if table else []
    if names == ["error_message"]:
        said = " ".join(table[1]) if len(table) > 1 else ""
        raise ServiceError(f"the query failed: {describe_error_page(said)}", where)
    wanted = [name.lower() for name in columns]
    if missing := [name for name in columns if name.lower() not in names]:
        shown = describe_error_page(start[:80])
        raise ServiceError(f"the answer has no column {missing[0]} but begins {shown!r}", where)
    if any(len(row) != len(names) for row in table):
        raise ServiceError("the table is cut short or damaged", where)
    places = [names.index(name) for name in wanted]
    return [dict(zip(columns, (row[p].strip() for p in places), strict=True)) for row in table[1:]]


def _number(text: str) -> float:
    """A float; NaN for nulls and for SDSS's -9999."""
    if text.lower() in ("", "null", "nan"):
        return math.nan
    value = float(text)
    return value if math.isfinite(value) and value > -9000 else math.nan


def _text(text: str) -> str:
    # Old CSV answers had bytes literals.
    return text.removeprefix("b'").strip("'\" ")


def spec_rows(table: list[dict[str, str]], where: str) -> list[SpecRow]:
    """Rows of a table with `sdss_queries.COLUMNS`, each spectrum once.

    Raises
    ------
    ServiceError
        If an id or a position is not a number or impossible.
    """
    rows = {}
    for line in table:
        try:
            plate, mjd, fiber = (int(line[name]) for name in ("plate", "mjd", "fiberID"))
            row = SpecRow(
                plate,
                mjd,
                fiber,
                _text(line["run2d"]),
                float(line["ra"]),
                float(line["dec"]),
                _number(line["z"]),
                int(_number(line["zWarning"])),
                _number(line["snMedian_r"]),
                _text(line["class"]),
                _number(line["petroMag_r"]),
                _number(line["petroR90_r"]),
            )
        except ValueError as error:
            raise ServiceError(f"a row has no usable numbers ({error})", where) from error
        named = 0 < plate < 10**6 and 10**4 < mjd < 10**5 and 0 < fiber < 10**5
        if not (named and 0 <= row.ra <= 360 and -90 <= row.dec <= 90):
            raise ServiceError(f"a row is impossible ({plate}-{mjd}-{fiber} {row.ra})", where)
        rows.setdefault(row.id, row)
    return list(rows.values())


def check_spectrum(path: Path, galaxy_id: str) -> Galaxy:
    """Read a spectrum file and make sure that it is the one asked for.

    Raises
    ------
    BadBodyError
        If it is damaged, not a spectrum, or another one.
    """
    try:
        galaxy = read_spectrum_file(path)
    except GalamError as error:
        raise BadBodyError(error.what, path.name) from error
    if galaxy.id not in (galaxy_id, path.stem):
        raise BadBodyError(f"this is the spectrum of {galaxy.id}, not of {galaxy_id}", path.name)
    return galaxy


def check_cutout(encoded: bytes, size: int, where: str) -> None:
    """Make sure that a cutout is a whole image of `size` px with something in it.

    Raises
    ------
    BadBodyError
        If it does not decode or has another size.
    NotThereError
        If it is the black image that ImgCutout gives outside the footprint.
    """
    try:
        pixels = decode_cutout(encoded, where)
    except GalamError as error:
        raise BadBodyError(error.what, where) from error
    if pixels.shape[:2] != (size, size):
        height, width = pixels.shape[:2]
        raise BadBodyError(f"an image of {width}×{height} px came instead of {size}×{size}", where)
    black = pixels.max(axis=2) <= 1
    middle = slice(size // 2 - _CORE, size // 2 + _CORE)
    if black.mean() > _BLACK or black[middle, middle].all():
        raise NotThereError(OUTSIDE, where)
