"""What users call to get galaxies from SDSS: a sample, one galaxy, counts.

Importing this opens no connection and loads no networked library; each function
does when it is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from galam_explorer.config.fetch import FetchConfig, mirrors
from galam_explorer.records import Galaxy
from galam_explorer.survey.sdss_counts import SelectionCounts, full_counts
from galam_explorer.survey.sdss_galaxy import find_candidates, find_galaxy
from galam_explorer.survey.sdss_plan import Estimate
from galam_explorer.survey.sdss_sample import FetchReport, fetch_sample
from galam_explorer.survey.sdss_targets import Candidate, parse_target

if TYPE_CHECKING:
    from galam_explorer.survey.sdss import SdssClient

__all__ = [
    "Candidate",
    "Estimate",
    "FetchReport",
    "SelectionCounts",
    "fetch_galaxy",
    "fetch_survey",
    "find_spectra",
    "selection_histogram",
    "single_config",
]


def single_config() -> FetchConfig:
    """For one galaxy, with somebody waiting; at the addresses that the environment names.

    Raises
    ------
    GalamError
        If GALAM_SKYSERVER, GALAM_ARCHIVE or GALAM_SESAME is no address.
    """
    # Where a service asks for a minute's patience, that is said and not waited for.
    return FetchConfig(
        retries=2, connect_timeout=5.0, read_timeout=30.0, max_wait=10.0, **mirrors()
    )


def _client(
    config: FetchConfig, stop: threading.Event | None = None, patient: bool = True
) -> SdssClient:
    from galam_explorer.survey.sdss import SdssClient

    return SdssClient(config, stop, patient)


def _ignore(*_: Any) -> None:
    pass


def fetch_survey(
    config: FetchConfig,
    out: str | Path,
    name: str = "SDSS",
    counts: bool = True,
    manifest: bool = False,
    progress: Callable[[int, int], None] | None = None,
    announce: Callable[[Estimate], None] | None = None,
) -> FetchReport:
    """Bring a random sample of SDSS galaxies into a survey folder.

    Stopped at any point, by whatever means, it goes on where it was when called
    again; with a larger `config.n` it extends the sample.

    Parameters
    ----------
    config : FetchConfig
    out : str or Path
        The survey folder.
    name : str
        Of a new survey.
    counts : bool
        Also keep the full selection's counts (paper Fig. 1).
    manifest : bool
        Select only, and write lists of the spectra for rsync and aria2.
    progress : callable, optional
        Called as ``progress(done, total)``.
    announce : callable, optional
        Called with the `Estimate` before the first spectrum is asked for.

    Returns
    -------
    FetchReport

    Raises
    ------
    ServiceError
        If a service is down; what came is kept.
    GalamError
        If the folder holds something else or the disk is too small.
    """
    stop = threading.Event()
    client = _client(config, stop)
    try:
        report = fetch_sample(
            client, config, Path(out), stop, progress or _ignore, announce or _ignore, name,
            counts, manifest,
        )  # fmt: skip
    finally:
        stop.set()
    report.requests, report.bytes = client.requests, client.bytes
    return report


def fetch_galaxy(
    target: str,
    config: FetchConfig | None = None,
    radius: float = 5.0,
    note: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Galaxy:
    """Bring one galaxy from SDSS.

    Parameters
    ----------
    target : str
        ``plate-mjd-fiber``, a position in any form that astropy reads (two
        numbers are degrees), or a name.
    config : FetchConfig, optional
        Release, cutout and addresses; by default with two retries.
    radius : float
        How far from the position to look, arcsec.
    note : callable, optional
        Called with sentences about what was found and what not.
    stop : threading.Event, optional
        Ends all waiting for the services when set.

    Returns
    -------
    Galaxy
        Without a spectrum if SDSS has none within `radius`; without a cutout if
        it has a spectrum but no image.

    Raises
    ------
    SeveralCandidatesError
        If several objects may be meant.
    ServiceError
        If a service does not answer; at once (``offline`` set) without a network.
    FetchStoppedError
        If it was stopped.
    GalamError
        If SDSS has nothing there, or nobody knows the name.
    """
    config = config or single_config()
    client = _client(config, stop, patient=False)
    return find_galaxy(client, config, target, radius, note or _ignore)


def find_spectra(
    target: str, config: FetchConfig | None = None, radius: float = 5.0
) -> list[Candidate]:
    """The spectra near a position or name, the nearest first, to choose from.

    Parameters and errors are those of `fetch_galaxy`.
    """
    client = _client(config or single_config(), patient=False)
    return find_candidates(client, parse_target(target), radius, _ignore)[0]


def selection_histogram(column: str, config: FetchConfig | None = None) -> SelectionCounts:
    """Counts of all spectra of a selection in bins of a column: the paper's Fig. 1.

    The server counts, so that not 800 000 rows need to come.

    Parameters
    ----------
    column : {"z", "sn_r", "petro_mag_r"}
    config : FetchConfig, optional
        The selection; the paper's by default.

    Raises
    ------
    GalamError
        If there is no such column, or SkyServer does not answer.
    """
    config = config or FetchConfig()
    return full_counts(_client(config), config, column)
