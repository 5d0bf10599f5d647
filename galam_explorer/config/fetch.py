"""Choices of `galam fetch`: the selection, the cutouts, and how politely to ask."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from galam_explorer.config.base import Config

__all__ = ["ARCHIVE", "MIRRORS", "RSYNC", "SESAME", "SKYSERVER", "FetchConfig", "mirrors"]

SKYSERVER = "https://skyserver.sdss.org"
ARCHIVE = "https://data.sdss.org/sas"
RSYNC = "rsync://dtn.sdss.org"
SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame"

MIRRORS = {"skyserver": "GALAM_SKYSERVER", "archive": "GALAM_ARCHIVE", "sesame": "GALAM_SESAME"}
"""Environment variables with other addresses of the services, for mirrors and tests."""

RELEASES = (12, 13, 14, 15, 16, 17, 18, 19)
"""Data releases with spec-lite files and SkyServer's present SQL page (DR11 has none)."""
MAX_RATE = 1.0
"""SkyServer allows 60 queries a minute per client (help, "Query Limits")."""
MAX_ARCHIVE_RATE = 20.0


def mirrors() -> dict[str, str]:
    """Fields of `FetchConfig` that the environment sets."""
    return {field: os.environ[name] for field, name in MIRRORS.items() if os.environ.get(name)}


@dataclass(frozen=True)
class FetchConfig(Config):
    """What to fetch from SDSS, and how.

    The default selection is the paper's (Sect. 2.1.1). Raising `n` extends a
    sample: the galaxies of a smaller `n` are among those of a larger one.

    Parameters
    ----------
    n : int
        Number of galaxies, chosen at random from all that match.
    seed : int
        Of the random choice.
    release : str
        SDSS data release, ``"dr12"`` to ``"dr19"``.
    spec_class : str
        SDSS class of the spectra.
    z_min, z_max : float
        Redshift limits, both included.
    z_warning : int
        The value of zWarning.
    sn_min : float
        Smallest median signal-to-noise per pixel in r.
    spectra, cutouts : bool
        Whether to fetch each.
    cutout_size : int
        Pixels on a side; ImgCutout gives 64 to 2048.
    cutout_scale : float
        Arcsec per pixel; 0.396127 is ImgCutout's own default and SDSS's pixel.
    cutout_r90 : float
        If positive, the field of view in Petrosian R90 instead of `cutout_scale`
        (Galaxy Zoo 2 has about 8.5); galaxies without R90 keep `cutout_scale`.
    rate : float
        Requests per second to SkyServer (SQL and ImgCutout together), all threads.
    archive_rate : float
        Requests per second to the Science Archive Server (spectra), all threads.
    workers : int
        Threads.
    retries : int
        Further attempts after a failed one.
    backoff : float
        First pause between attempts, s; it doubles each time, with a jitter of
        one half either way.
    max_wait : float
        Longest pause, s, also where a service asks for a longer one.
    connect_timeout, read_timeout, body_timeout : float
        Seconds to connect, without a byte, and for a whole spectrum or cutout.
    sql_timeout : float
        Seconds for a query; SkyServer itself stops queries after 600.
    chunk_rows : int
        Rows expected per query, far below SkyServer's limit of 500 000.
    skyserver, archive, rsync, sesame : str
        Addresses of the services.
    """

    n: int = 1000
    seed: int = 1
    release: str = "dr17"
    spec_class: str = "GALAXY"
    z_min: float = 0.002
    z_max: float = 0.3
    z_warning: int = 0
    sn_min: float = 5.0
    spectra: bool = True
    cutouts: bool = True
    cutout_size: int = 128
    cutout_scale: float = 0.396127
    cutout_r90: float = 0.0
    rate: float = 1.0
    archive_rate: float = 4.0
    workers: int = 4
    retries: int = 6
    backoff: float = 1.0
    max_wait: float = 300.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    body_timeout: float = 120.0
    sql_timeout: float = 600.0
    chunk_rows: int = 5000
    skyserver: str = SKYSERVER
    archive: str = ARCHIVE
    rsync: str = RSYNC
    sesame: str = SESAME

    def __post_init__(self) -> None:
        self._check_selection()
        self._check_manners()
        for name, schemes in (("skyserver", "https?"), ("archive", "https?"), ("rsync", "rsync")):
            self._check_address(name, schemes)
        self._check_address("sesame", "https?")

    def _check_selection(self) -> None:
        self._whole("n", 1, 5_000_000)
        self._whole("seed", 0, 2**31 - 1)
        found = re.fullmatch(r"dr(\d+)", self.release) if isinstance(self.release, str) else None
        known = f"one of dr{', dr'.join(map(str, RELEASES))}"
        self.require(found is not None and int(found[1]) in RELEASES, "release", known)
        word = isinstance(self.spec_class, str) and re.fullmatch(r"[A-Z]{1,16}", self.spec_class)
        self.require(bool(word), "spec_class", "capital letters, like GALAXY")
        self.require(-0.1 <= self.z_min < 10, "z_min", "from -0.1 to 10")
        self.require(self.z_min < self.z_max <= 10, "z_max", f"above {self.z_min:g} and at most 10")
        self._whole("z_warning", 0, 2**31 - 1)
        self.require(0 <= self.sn_min <= 1000, "sn_min", "from 0 to 1000")
        self.require(self.spectra or self.cutouts, "cutouts", "True where spectra is False")
        self._whole("cutout_size", 64, 2048)
        self.require(0.015 <= self.cutout_scale <= 60, "cutout_scale", "from 0.015 to 60 arcsec")
        ok = self.cutout_r90 == 0 or 1 <= self.cutout_r90 <= 100
        self.require(ok, "cutout_r90", "0, or from 1 to 100")

    def _check_manners(self) -> None:
        top = MAX_RATE if self.skyserver == SKYSERVER else 1e6
        self.require(0 < self.rate <= top, "rate", f"above 0 and at most {top:g} per second")
        top = MAX_ARCHIVE_RATE if self.archive == ARCHIVE else 1e6
        self.require(0 < self.archive_rate <= top, "archive_rate", f"above 0 and at most {top:g}")
        self._whole("workers", 1, 16)
        self._whole("retries", 0, 100)
        self._whole("chunk_rows", 10, 100_000)
        for name in ("backoff", "max_wait", "connect_timeout", "read_timeout", "body_timeout"):
            self.require(0 < getattr(self, name) <= 86_400, name, "above 0 s and at most a day")
        self.require(0 < self.sql_timeout <= 86_400, "sql_timeout", "above 0 s and at most a day")

    def _whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        self.require(ok, name, f"a whole number from {low} to {high}")

    def _check_address(self, name: str, schemes: str) -> None:
        value = getattr(self, name)
        ok = isinstance(value, str) and re.fullmatch(rf"{schemes}://[^\s/?#]+(/[^\s?#]*)?", value)
        rule = "an address without a query and without a slash at the end"
        self.require(bool(ok) and not value.endswith("/"), name, rule)

    @property
    def release_number(self) -> int:
        """17 for ``"dr17"``."""
        return int(self.release[2:])

    @property
    def provenance(self) -> dict[str, Any]:
        """What decides which galaxies and cutouts come, without `n`: it may be raised."""
        names = ("release", "seed", "spec_class", "z_min", "z_max", "z_warning", "sn_min")
        names += ("spectra", "cutouts", "cutout_size", "cutout_scale", "cutout_r90")
        return {"made_by": "galam fetch"} | {name: getattr(self, name) for name in names}
