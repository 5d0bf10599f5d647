"""Sky positions as people write them."""

from __future__ import annotations

import re

__all__ = ["parse_position"]

_NAMED_BY_POSITION = re.compile(r"^[A-Za-z]*\s*J(\d{6,}(?:\.\d+)?)([+-]\d{6,}(?:\.\d+)?)$")


def parse_position(text: str) -> tuple[float, float] | None:
    """A sky position in any form astropy reads, as J2000 degrees.

    Two plain numbers are degrees; sexagesimal pairs are hours and degrees;
    ``J094635.01-010228.6`` names are understood too.

    Returns
    -------
    tuple of float or None
        ``(ra, dec)``, or None if `text` is no position.
    """
    text = text.strip().replace(",", " ")
    if named := _NAMED_BY_POSITION.match(text):
        ra, dec = named.groups()
        text = f"{ra[:2]}:{ra[2:4]}:{ra[4:]} {dec[:3]}:{dec[3:5]}:{dec[5:]}"
    if len(text.split()) < 2 and not re.search(r"\d[hd:]", text):
        return None
    from astropy.coordinates import SkyCoord

    plain = re.fullmatch(r"[+-]?[\d.]+(e-?\d+)?\s+[+-]?[\d.]+(e-?\d+)?", text)
    try:
        found = SkyCoord(text, unit=("deg", "deg") if plain else ("hourangle", "deg")).icrs
        return float(found.ra.deg), float(found.dec.deg)
    except (ValueError, TypeError, IndexError):
        return None
