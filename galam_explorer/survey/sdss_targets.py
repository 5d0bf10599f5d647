"""What somebody means by a galaxy: its spectrum's name, a position, or its own name."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_ids import id_from_specobjid
from galam_explorer.survey.sdss_queries import SpecRow

__all__ = [
    "PICK_RADIUS",
    "Candidate",
    "SeveralCandidatesError",
    "Target",
    "choose",
    "parse_target",
    "position_id",
]

MAX_TARGET = 200
PICK_RADIUS = 0.1
"""Where to look for a candidate that was picked, arcsec: no other is so near to it."""
SAME_FIBRE = 1.5
"""Spectra within this of the position are of what is there (an SDSS fibre's radius), arcsec."""
_ID = re.compile(r"(?:spec-)?(\d{1,5})[-/ ](\d{5})[-/ ](\d{1,4})(?:\.fits?)?", re.IGNORECASE)
_ANGLE = r"([+-]?\d+(?:\.\d*)?)\s*(?:deg|d|°)?"
_DEGREES = re.compile(rf"{_ANGLE}[\s,;]+{_ANGLE}")
_SEXAGESIMAL = re.compile(r"[+-]?\d[\d.\s:hdms°'\"′″+,;-]*")


@dataclass(frozen=True)
class Target:
    """What is looked for: `kind` is ``"spectrum"``, ``"position"`` or ``"name"``.

    `spectrum` is (plate, mjd, fiber); `ra` and `dec` are J2000 degrees.
    """

    kind: str
    text: str
    spectrum: tuple[int, int, int] | None = None
    ra: float = math.nan
    dec: float = math.nan


@dataclass(frozen=True)
class Candidate:
    """What SDSS has near a position, `distance` in arcsec.

    Either a spectrum, or a galaxy of the images without one (`row.plate` is 0).
    """

    row: SpecRow
    distance: float

    @property
    def has_spectrum(self) -> bool:
        """Whether SDSS took a spectrum of it."""
        return self.row.plate > 0

    @property
    def id(self) -> str:
        """The galaxy's id, if it is fetched."""
        return self.row.id if self.has_spectrum else position_id(self.row.ra, self.row.dec)

    @property
    def target(self) -> str:
        """What to fetch, within `PICK_RADIUS`, to get this one."""
        return self.row.id if self.has_spectrum else f"{self.row.ra:.6f} {self.row.dec:.6f}"

    def __str__(self) -> str:
        row = self.row
        what = f"{row.spec_class}, z = {row.z:.4f}" if self.has_spectrum else "no spectrum"
        return f"{self.id} ({what}, r = {row.petro_mag_r:.1f}, {self.distance:.1f}″ away)"


class SeveralCandidatesError(GalamError):
    """More than one object may be meant; `candidates` has them, the nearest first."""

    candidates: tuple[Candidate, ...] = ()


def parse_target(text: str) -> Target:
    """Find out what `text` means, without asking anybody.

    Parameters
    ----------
    text : str
        ``plate-mjd-fiber`` (or a specObjID), a position in any form that
        `astropy.coordinates.SkyCoord` reads (two numbers are degrees), or a name
        for Sesame (SIMBAD, NED, VizieR).

    Raises
    ------
    GalamError
        If it is empty, too long, has control characters, or is an impossible position.
    """
    text = " ".join(text.split()) if text.isprintable() else ""
    if not text or len(text) > MAX_TARGET:
        raise GalamError(
            "this is neither a spectrum, a position nor a name",
            "galaxy",
            "give plate-mjd-fiber, a position like '146.714 -1.041', or a name like 'NGC 3073'",
        )
    if found := _ID.fullmatch(text):
        plate, mjd, fiber = (int(one) for one in found.groups())
        return Target("spectrum", text, (plate, mjd, fiber))
    if len(text) >= 17 and (named := id_from_specobjid(text)):
        plate, mjd, fiber = (int(one) for one in named.split("-"))
        return Target("spectrum", text, (plate, mjd, fiber))
    if found := _DEGREES.fullmatch(text):
        ra, dec = (float(one) for one in found.groups())
        if not (0 <= ra <= 360 and -90 <= dec <= 90):
            raise GalamError(f"RA {ra:g}°, Dec {dec:g}° is not on the sky", "position")
        return Target("position", text, ra=ra % 360.0, dec=dec)
    if _SEXAGESIMAL.fullmatch(text.lower()):
        return _sexagesimal(text)
    return Target("name", text)


def _sexagesimal(text: str) -> Target:
    from astropy.coordinates import SkyCoord

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            position = SkyCoord(text, unit=("hourangle", "deg"))
    except (ValueError, TypeError, Warning) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise GalamError(
            f"this is not a position that can be read ({reason})",
            text,
            "give degrees, or hours and degrees like '09:46:51.4 -01:02:28'",
        ) from error
    return Target("position", text, ra=float(position.ra.deg) % 360.0, dec=float(position.dec.deg))


def choose(
    candidates: list[Candidate],
    text: str,
    others: Callable[[], list[Candidate]] = list,
) -> Candidate:
    """The candidate that is meant.

    It is the only one, or the only one on the spot, or the only galaxy.

    Parameters
    ----------
    candidates : list of Candidate
    text : str
        What was asked for, for the error message.
    others : callable
        Gives more to choose from, once it is clear that a choice must be made.

    Raises
    ------
    SeveralCandidatesError
        If several may be.
    """
    for keep in (
        lambda one: True,
        lambda one: one.distance <= SAME_FIBRE,
        lambda one: one.row.spec_class == "GALAXY",
    ):
        found = [one for one in candidates if keep(one)]
        if len(found) == 1:
            return found[0]
    offered = sorted([*candidates, *others()], key=lambda one: one.distance)
    listed = "; ".join(str(one) for one in offered[:5])
    kind = "spectra" if all(one.has_spectrum for one in offered) else "objects"
    error = SeveralCandidatesError(
        f"{len(offered)} {kind} are near: {listed}", text, "name one of them"
    )
    error.candidates = tuple(offered)
    raise error


def position_id(ra: float, dec: float) -> str:
    """Id of a galaxy without a spectrum, by the IAU's rules: ``SDSS-J094651.41-010228.6``."""
    seconds = math.floor(ra % 360.0 / 15.0 * 360_000) / 100
    arcsec = math.floor(abs(dec) * 36_000) / 10
    hours, degrees = int(seconds // 3600), int(arcsec // 3600)
    sign = "-" if dec < 0 else "+"
    return (
        f"SDSS-J{hours:02d}{int(seconds // 60 % 60):02d}{seconds % 60:05.2f}"
        f"{sign}{degrees:02d}{int(arcsec // 60 % 60):02d}{arcsec % 60:04.1f}"
    )
