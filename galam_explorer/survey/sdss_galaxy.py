"""One galaxy from SDSS: find its spectrum and its image from whatever names it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy
from galam_explorer.survey.sdss_answers import check_cutout, check_spectrum, spec_rows
from galam_explorer.survey.sdss_queries import (
    COLUMNS,
    PHOTO_COLUMNS,
    SpecRow,
    cutout_scale,
    cutout_url,
    id_sql,
    nearby_photo_sql,
    nearby_sql,
    spectrum_url,
)
from galam_explorer.survey.sdss_retry import BadBodyError, NotThereError, ServiceError
from galam_explorer.survey.sdss_run import galaxy_from
from galam_explorer.survey.sdss_select import Client
from galam_explorer.survey.sdss_targets import (
    SAME_FIBRE,
    Candidate,
    Target,
    choose,
    parse_target,
    position_id,
)

__all__ = ["NamingClient", "find_candidates", "find_galaxy"]

NAN = float("nan")
_PHOTO = ("ra", "dec", "petroMag_r", "petroR90_r")
MAX_RADIUS = 180.0

Notes = Callable[[str], None]


class NamingClient(Client, Protocol):
    """A client that knows the names of galaxies, too."""

    def resolve(self, name: str) -> tuple[float, float]:
        """J2000 position of a name, deg."""


def _located(client: NamingClient, target: Target, note: Notes) -> tuple[float, float]:
    if target.kind != "name":
        return target.ra, target.dec
    ra, dec = client.resolve(target.text)
    note(f"{target.text} is at RA {ra:.5f}°, Dec {dec:+.5f}° (Sesame)")
    return ra, dec


def find_candidates(
    client: NamingClient, target: Target, radius: float, note: Notes
) -> tuple[list[Candidate], tuple[float, float]]:
    """Spectra that may be meant, the nearest first, and the position (NaN for a spectrum's name).

    Raises
    ------
    GalamError
        If the radius is not sensible, the name is unknown or SkyServer does not answer.
    """
    if not 0 < radius <= MAX_RADIUS:
        text = f"the radius must be above 0 and at most {MAX_RADIUS:g} arcsec, not {radius:g}"
        raise GalamError(text, "radius")
    if target.spectrum is not None:
        table = client.table(id_sql(*target.spectrum), COLUMNS)
        return [Candidate(row, 0.0) for row in spec_rows(table, "SkyServer")], (NAN, NAN)
    ra, dec = _located(client, target, note)
    table = client.table(nearby_sql(ra, dec, radius), (*COLUMNS, "distance"))
    rows = spec_rows(table, "SkyServer")
    nearest: dict[tuple[str, str, str], float] = {}
    for line in table:
        key = (line["plate"], line["mjd"], line["fiberID"])
        nearest.setdefault(key, _arcsec(line["distance"]))
    found = [
        Candidate(row, nearest.get((str(row.plate), str(row.mjd), str(row.fiber)), NAN))
        for row in rows
    ]
    return sorted(found, key=lambda one: one.distance), (ra, dec)


def _arcsec(arcmin: str) -> float:
    try:
        return float(arcmin) * 60
    except ValueError as error:
        raise ServiceError(f"a distance is not a number ({arcmin!r})", "SkyServer") from error


def find_galaxy(
    client: NamingClient, config: FetchConfig, target: str, radius: float, note: Notes
) -> Galaxy:
    """Bring one galaxy; see `galam_explorer.survey.sdss_fetch.fetch_galaxy`."""
    wanted = parse_target(target)
    candidates, place = find_candidates(client, wanted, radius, note)
    if candidates:
        without = partial(_without_spectrum, client, place, radius, candidates)
        row = choose(candidates, target, without).row
        if row.spec_class != "GALAXY":
            note(f"SDSS says that {row.id} is a {row.spec_class}, not a galaxy")
        spectrum = _spectrum(client, config, row, note) if config.spectra else None
    elif wanted.spectrum is not None:
        raise GalamError(
            f"SDSS {config.release.upper()} has no such spectrum",
            target,
            "check plate, MJD and fibre, or give a position",
        )
    else:
        note(f"SDSS has no spectrum within {radius:g}″")
        row, spectrum = _photometric(client, place, radius, target, note), None
    cutout = _cutout(client, config, row, note) if config.cutouts else None
    if spectrum is None and cutout is None:
        raise GalamError(
            "SDSS has neither a spectrum nor an image of this",
            target,
            "it covers about a third of the sky; upload a spectrum or an image instead",
        )
    galaxy = galaxy_from(row, spectrum, cutout) if row.plate else _unnamed(row, cutout)
    return galaxy


def _photometric(
    client: Client, place: tuple[float, float], radius: float, target: str, note: Notes
) -> SpecRow:
    """The galaxy of the images that is meant, or just the position; plate 0 marks it."""
    if found := _in_images(client, place, radius):
        return choose(found, target).row
    note(f"SDSS's images have no galaxy within {radius:g}″; this is what is there")
    return _row_without_spectrum(*place)


def _in_images(client: Client, place: tuple[float, float], radius: float) -> list[Candidate]:
    """Galaxies of the images, the nearest first."""
    table = client.table(nearby_photo_sql(*place, radius), PHOTO_COLUMNS)
    try:
        rows = [_row_without_spectrum(*(float(line[name]) for name in _PHOTO)) for line in table]
    except ValueError as error:
        raise ServiceError(f"a row has no numbers ({error})", "SkyServer") from error
    return [
        Candidate(row, _arcsec(line["distance"])) for row, line in zip(rows, table, strict=True)
    ]


def _row_without_spectrum(ra: float, dec: float, mag: float = NAN, r90: float = NAN) -> SpecRow:
    mag, r90 = (one if one > 0 else NAN for one in (mag, r90))
    return SpecRow(0, 0, 0, "", ra, dec, NAN, -1, NAN, "", mag, r90)


def _without_spectrum(
    client: Client, place: tuple[float, float], radius: float, known: list[Candidate]
) -> list[Candidate]:
    """Galaxies of the images that are none of those with a spectrum."""
    if not all(map(math.isfinite, place)):
        return []
    try:
        found = _in_images(client, place, radius)
    except ServiceError:
        # Those with a spectrum are enough to choose from.
        return []
    return [one for one in found if all(_apart(one.row, other.row) > SAME_FIBRE for other in known)]


def _apart(one: SpecRow, other: SpecRow) -> float:
    """Distance in arcsec of two positions that are near each other."""
    east = (one.ra - other.ra + 180) % 360 - 180
    east *= math.cos(math.radians(one.dec))
    return 3600 * math.hypot(east, one.dec - other.dec)


def _unnamed(row: SpecRow, cutout: Cutout | None) -> Galaxy:
    return Galaxy(
        id=position_id(row.ra, row.dec),
        origin="sdss",
        ra=row.ra % 360.0,
        dec=row.dec,
        petro_mag_r=row.petro_mag_r,
        petro_r90_r=row.petro_r90_r,
        cutout=cutout,
    )


def _spectrum(client: Client, config: FetchConfig, row: SpecRow, note: Notes) -> Galaxy | None:
    def read(body: bytes) -> Galaxy:
        with tempfile.TemporaryDirectory(prefix="galam-") as folder:
            path = Path(folder) / f"spec-{row.id}.fits"
            path.write_bytes(body)
            return check_spectrum(path, row.id)

    try:
        return client.archive.get(spectrum_url(config, row), read)[0]
    except (NotThereError, BadBodyError) as error:
        note(f"no spectrum of {row.id}: {error.what}")
        return None


def _cutout(client: Client, config: FetchConfig, row: SpecRow, note: Notes) -> Cutout | None:
    def read(body: bytes) -> Cutout:
        check_cutout(body, config.cutout_size, url)
        return Cutout(body, cutout_scale(config, row.petro_r90_r))

    url = cutout_url(config, row.ra, row.dec, row.petro_r90_r)
    try:
        return client.skyserver.get(url, read)[0]
    except (NotThereError, BadBodyError) as error:
        note(f"no image: {error.what}")
        return None
