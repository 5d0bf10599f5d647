"""Before a fetch: what it will ask, how long that takes, and lists for bulk tools."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_queries import (
    HISTOGRAMS,
    KEY_PRIME,
    SpecRow,
    count_sql,
    cutout_url,
    histogram_sql,
    selection_sql,
    spectrum_path,
    spectrum_url,
)
from galam_explorer.survey.sdss_select import PAPER_TOTAL, chunk_width
from galam_explorer.survey.writer import SHARD_SIZE

__all__ = [
    "BULK_FROM",
    "EXAMPLE",
    "Estimate",
    "check_disk",
    "estimate_fetch",
    "planned_sql",
    "planned_urls",
    "write_manifest",
]

BULK_FROM = 5000
"""From so many spectra on SDSS asks for bulk transfer ("Get all the spectra": a few thousand)."""
SPECTRUM_BYTES = 175_000
"""Spec-lite files of SDSS-I/II have 172 800 or 175 680 bytes, (e)BOSS ones about 219 000."""
CUTOUT_BYTES = 0.25
"""Per pixel: 15 ImgCutout answers of 120 px at 0.2 arcsec/px have 0.13, the authors' files 0.23."""
STORED_BYTES = 45_000
"""Per spectrum in a shard: 45 800 measured on 18 real ones."""
EXAMPLE = SpecRow(
    266, 51602, 1, "26", 146.714210, -1.041304, 0.02128, 0, 38.1, "GALAXY", float("nan"), 14.0
)
"""A galaxy of the Legacy survey, to show addresses before the catalogue is asked."""


@dataclass(frozen=True)
class Estimate:
    """What a fetch costs.

    Attributes
    ----------
    galaxies, requests : int
    download, disk, peak : int
        Bytes that come, that stay, and that are needed at most on the way.
    seconds : float
        At the stated rates, if every request works at once.
    """

    galaxies: int
    requests: int
    download: int
    disk: int
    peak: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.galaxies} galaxies: {self.requests} requests, about {_time(self.seconds)} at "
            f"the stated rates, {_size(self.download)} to download, {_size(self.disk)} on disk"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _size(size: float) -> str:
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate_fetch(
    config: FetchConfig, galaxies: int, queries: int = 0, bulk: bool = False
) -> Estimate:
    """Cost of `galaxies` more galaxies and `queries` queries.

    With `bulk`, the spectra come by other means and are all on disk for a while.
    """
    cutout = round(CUTOUT_BYTES * config.cutout_size**2) if config.cutouts else 0
    spectrum = SPECTRUM_BYTES if config.spectra else 0
    to_skyserver = queries + galaxies * config.cutouts
    to_archive = 0 if bulk else galaxies * config.spectra
    stored = galaxies * (cutout + (STORED_BYTES if config.spectra else 0))
    staged = min(galaxies, SHARD_SIZE + 64) * (spectrum + cutout)
    return Estimate(
        galaxies=galaxies,
        requests=to_skyserver + to_archive,
        download=galaxies * (spectrum + cutout),
        disk=stored,
        peak=stored + (galaxies * spectrum if bulk else staged),
        seconds=max(to_skyserver / config.rate, to_archive / config.archive_rate),
    )


def check_disk(path: Path, estimate: Estimate) -> None:
    """Raise `GalamError` unless there is room for what is to come."""
    where = next(one for one in (path, *path.absolute().parents) if one.exists())
    free = shutil.disk_usage(where).free
    if free < estimate.peak:
        raise GalamError(
            f"{_size(estimate.peak)} are needed but {_size(free)} are free",
            path,
            "free some space, or fetch fewer galaxies",
        )


def planned_sql(config: FetchConfig, total: int = PAPER_TOTAL, counts: bool = True) -> list[str]:
    """The queries of a fetch in their order.

    The number of matching spectra decides how the selection is cut into
    queries; it is the answer to the first one, here taken to be `total`.
    """
    queries, low, width = [count_sql(config)], 0, chunk_width(config, total)
    wanted = KEY_PRIME * min(1.0, config.n / total)
    while low < wanted:
        queries.append(selection_sql(config, low, min(low + width, KEY_PRIME)))
        low += width
    return queries + ([histogram_sql(config, name) for name in HISTOGRAMS] if counts else [])


def planned_urls(config: FetchConfig, rows: list[SpecRow] | None = None) -> list[str]:
    """Addresses of spectra and cutouts, of `EXAMPLE` where no galaxy is known yet."""
    urls = []
    for row in rows or [EXAMPLE]:
        urls += [spectrum_url(config, row)] if config.spectra else []
        urls += [cutout_url(config, row.ra, row.dec, row.petro_r90_r)] if config.cutouts else []
    return urls


def write_manifest(config: FetchConfig, folder: FetchFolder, rows: list[SpecRow]) -> list[str]:
    """Write lists of the spectra for rsync and aria2; the commands that use them.

    The files go where `galam fetch` looks for them: the same command then
    checks them and fetches only the rest.
    """
    here = folder.path.absolute()
    paths, links = [], []
    for row in rows:
        if folder.settled(row.id, "spectrum"):
            continue
        try:
            path = spectrum_path(config.release_number, row)
        except GalamError:  # reported when its turn comes
            continue
        name = folder.file(row.id, "spectrum").name
        paths.append(path.partition("/")[2])
        links.append(f"{config.archive}/{path}\n  out={name}")
    write_text(folder.path / "spectra.rsync", "".join(f"{one}\n" for one in sorted(paths)))
    write_text(folder.path / "spectra.aria2", "".join(f"{one}\n" for one in links))
    lists = [quote(str(here / name)) for name in ("spectra.rsync", "spectra.aria2")]
    there = quote(f"{here / 'spectra'}/")
    return [
        f"rsync -tLv --no-relative --files-from={lists[0]} "
        f"{config.rsync}/{config.release}/ {there}",
        f"aria2c -i {lists[1]} -d {there} -j 4 -c "
        "--auto-file-renaming=false --allow-overwrite=false",
    ]
