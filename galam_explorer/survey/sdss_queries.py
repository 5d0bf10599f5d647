"""What is asked of SDSS's services: SQL text and addresses, as pure functions.

Sources of the formats:

- SQL page, its parameters and its CSV: ``astroquery.sdss`` (`SDSSClass.query_sql`);
- tables and functions: SkyServer's schema. ``SpecObj`` is ``SpecObjAll`` with
  ``sciencePrimary = 1``, ``SpecPhoto`` the precomputed join of primary spectra
  and primary photometry, distances are arcmin;
- archive paths: https://www.sdss4.org/dr17/data_access/bulk/, "Optical Spectra
  Per-Object Lite Files"; ``astroquery.sdss`` for the layout from DR18 on;
- ImgCutout: https://skyserver.sdss.org/dr12/en/help/docs/api.aspx.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlencode

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_ids import spectrum_id

__all__ = [
    "COLUMNS",
    "HISTOGRAMS",
    "KEY_PRIME",
    "PHOTO_COLUMNS",
    "SpecRow",
    "count_sql",
    "cutout_scale",
    "cutout_url",
    "histogram_sql",
    "id_sql",
    "nearby_photo_sql",
    "nearby_sql",
    "sample_key",
    "selection_sql",
    "spectrum_path",
    "spectrum_url",
]

KEY_PRIME = 2**31 - 1
"""Sample keys are below this prime, so that their squares fit SQL's bigint."""
_FACTORS = (982451653, 1500450271, 2038074743)

COLUMNS = ("plate", "mjd", "fiberID", "run2d", "ra", "dec", "z", "zWarning", "snMedian_r")
COLUMNS += ("class", "petroMag_r", "petroR90_r")
"""Columns of every answer about spectra, by their names in SkyServer."""
PHOTO_COLUMNS = ("ra", "dec", "petroMag_r", "petroR90_r", "distance")

_SELECT = ", ".join([f"s.{name}" for name in COLUMNS[:-2]] + ["p.petroMag_r", "p.petroR90_r"])
_PHOTO = "LEFT JOIN PhotoObjAll AS p ON p.objID = s.bestObjID"

HISTOGRAMS = {
    "z": ("s.z", 0.01, ""),
    "sn_r": ("s.snMedian_r", 1.0, ""),
    "petro_mag_r": ("p.petroMag_r", 0.2, " JOIN SpecPhoto AS p ON p.specObjID = s.specObjID"),
}
"""Catalogue column: (SkyServer's column, bin width, join) of the paper's Fig. 1."""

_RUN2D = re.compile(r"26|103|104|v(\d+)_\d+_\d+")
_LEGACY = ("26", "103", "104")


class SpecRow(NamedTuple):
    """One spectrum in SDSS's catalogue; NaN where a value is missing.

    Units: `ra`, `dec` deg (J2000), `petro_mag_r` AB mag, `petro_r90_r` arcsec.
    """

    plate: int
    mjd: int
    fiber: int
    run2d: str
    ra: float
    dec: float
    z: float
    z_warning: int
    sn_r: float
    spec_class: str
    petro_mag_r: float
    petro_r90_r: float

    @property
    def id(self) -> str:
        """Galaxy id, ``plate-mjd-fiber``."""
        return spectrum_id(self.plate, self.mjd, self.fiber)


def sample_key(plate: int, mjd: int, fiber: int, seed: int) -> int:
    """Pseudo-random number of a spectrum; a sample of n is the n smallest.

    The same arithmetic as in `selection_sql`, so that the choice is made by the
    server, is the same every time, and can be checked. Plain integer arithmetic
    on ids is how SkyServer's own examples draw random subsets; squaring breaks
    the lattice that a linear key would put on the fibres of a plate.

    Returns
    -------
    int
        At least 0 and below `KEY_PRIME`.
    """
    a, b, c = _FACTORS
    linear = (plate * a + mjd * b + fiber * c + _offset(seed)) % KEY_PRIME
    return linear * linear % KEY_PRIME


def _offset(seed: int) -> int:
    return (seed * 69621 + 1) * 48271 % KEY_PRIME


def _key_sql(seed: int) -> str:
    a, b, c = _FACTORS
    linear = f"(s.plate*CAST({a} AS bigint)+s.mjd*CAST({b} AS bigint)"
    linear += f"+s.fiberID*CAST({c} AS bigint)+{_offset(seed)})%{KEY_PRIME}"
    return f"(({linear})*({linear}))%{KEY_PRIME}"


def _where(config: FetchConfig) -> str:
    return (
        f"s.class = '{config.spec_class}' AND s.z BETWEEN {config.z_min:.10g} AND "
        f"{config.z_max:.10g} AND s.zWarning = {config.z_warning} "
        f"AND s.snMedian_r >= {config.sn_min:.10g}"
    )


def count_sql(config: FetchConfig) -> str:
    """Query for the number of spectra that match; one row, column ``n``."""
    return f"SELECT COUNT(*) AS n FROM SpecObj AS s WHERE {_where(config)}"


def selection_sql(config: FetchConfig, low: int, high: int) -> str:
    """Query for the matching spectra with ``low <= key < high``; columns `COLUMNS`."""
    return (
        f"SELECT {_SELECT} FROM SpecObj AS s {_PHOTO} WHERE {_where(config)} "
        f"AND {_key_sql(config.seed)} BETWEEN {low} AND {high - 1}"
    )


def histogram_sql(config: FetchConfig, column: str) -> str:
    """Query for the counts of all matching spectra in bins of `column`.

    Parameters
    ----------
    column : {"z", "sn_r", "petro_mag_r"}
        Key of `HISTOGRAMS`.

    Returns
    -------
    str
        Its answer has the columns ``bin`` (bin k covers k to k+1 widths) and ``n``.
    """
    name, width, join = HISTOGRAMS[column]
    floor = f"FLOOR({name}/{width:g})"
    return (
        f"SELECT {floor} AS bin, COUNT(*) AS n FROM SpecObj AS s{join} "
        f"WHERE {_where(config)} GROUP BY {floor}"
    )


def id_sql(plate: int, mjd: int, fiber: int) -> str:
    """Query for one spectrum by its name, the best reduction first."""
    return (
        f"SELECT {_SELECT} FROM SpecObjAll AS s {_PHOTO} WHERE s.plate = {plate} "
        f"AND s.mjd = {mjd} AND s.fiberID = {fiber} ORDER BY s.sciencePrimary DESC"
    )


def nearby_sql(ra: float, dec: float, radius: float) -> str:
    """Query for the spectra within `radius` arcsec of a position, the nearest first."""
    near = f"dbo.fGetNearbySpecObjEq({ra:.6f},{dec:.6f},{radius / 60:.6f})"
    return (
        f"SELECT TOP 50 {_SELECT}, n.distance FROM {near} AS n "
        f"JOIN SpecObj AS s ON s.specObjID = n.specObjID {_PHOTO} ORDER BY n.distance"
    )


def nearby_photo_sql(ra: float, dec: float, radius: float) -> str:
    """Query for photometric galaxies within `radius` arcsec; columns `PHOTO_COLUMNS`."""
    near = f"dbo.fGetNearbyObjEq({ra:.6f},{dec:.6f},{radius / 60:.6f})"
    return (
        f"SELECT TOP 50 p.ra, p.dec, p.petroMag_r, p.petroR90_r, n.distance FROM {near} AS n "
        "JOIN PhotoPrimary AS p ON p.objID = n.objID WHERE p.type = 3 ORDER BY n.distance"
    )


def spectrum_path(release: int, row: SpecRow) -> str:
    """Path of a spec-lite file in the Science Archive, from the release's folder on.

    SDSS-I/II reductions (run2d 26, 103, 104) and (e)BOSS ones are in folders of
    their own up to DR17 and together from DR18 on.

    Raises
    ------
    GalamError
        If the reduction is none of these (SDSS-V files have other names).
    """
    found = _RUN2D.fullmatch(row.run2d)
    if found is None or int(found[1] or 0) > 5:
        text = f"reduction {row.run2d!r} is not one of SDSS-I to IV, its files have other names"
        raise GalamError(text, row.id, "give the file to `galam import`")
    if release >= 18:
        base = "spectro/sdss/redux"
    elif row.run2d in _LEGACY:
        base = "sdss/spectro/redux"
    else:
        base = "boss/spectro/redux" if release == 12 else "eboss/spectro/redux"
    folder = f"dr{release}/{base}/{row.run2d}/spectra/lite/{row.plate:04d}"
    return f"{folder}/spec-{row.id}.fits"


def spectrum_url(config: FetchConfig, row: SpecRow) -> str:
    """Address of a spec-lite file."""
    return f"{config.archive}/{spectrum_path(config.release_number, row)}"


def cutout_scale(config: FetchConfig, r90: float) -> float:
    """Arcsec per pixel of a galaxy's cutout, within what ImgCutout takes."""
    if config.cutout_r90 and r90 > 0:
        scale = config.cutout_r90 * r90 / config.cutout_size
        return round(min(max(scale, 0.05), 20.0), 6)
    return config.cutout_scale


def cutout_url(config: FetchConfig, ra: float, dec: float, r90: float = float("nan")) -> str:
    """Address of an ImgCutout JPEG (i, r, g as R, G, B) centred on a position."""
    size = config.cutout_size
    query = {"ra": f"{ra:.6f}", "dec": f"{dec:.6f}", "scale": f"{cutout_scale(config, r90):g}"}
    query |= {"width": size, "height": size}
    where = f"{config.skyserver}/{config.release}/SkyServerWS/ImgCutout/getjpeg"
    return f"{where}?{urlencode(query)}"
