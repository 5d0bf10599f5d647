"""A whole fetch: select, check the room, bring, write, report."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.survey.sdss_counts import full_counts
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_plan import (
    BULK_FROM,
    Estimate,
    check_disk,
    estimate_fetch,
    write_manifest,
)
from galam_explorer.survey.sdss_queries import HISTOGRAMS, SpecRow
from galam_explorer.survey.sdss_retry import ServiceError
from galam_explorer.survey.sdss_run import Fetcher
from galam_explorer.survey.sdss_select import Client, select_rows
from galam_explorer.survey.store import Survey
from galam_explorer.survey.writer import SurveyWriter

__all__ = ["FetchReport", "fetch_sample"]


@dataclass
class FetchReport:
    """What a fetch brought, and what not.

    Attributes
    ----------
    survey : Path
    requested, available : int
        Galaxies asked for, and that match the selection in all of SDSS.
    galaxies, new : int
        In the survey now, and written by this run.
    with_spectrum, with_cutout : int
    missing : dict of str to int
        Number of spectra and cutouts that will not come, by reason.
    pending : dict of str to int
        Number that may come if the fetch is started again, by reason.
    missing_file : Path, optional
        The list of both.
    requests, bytes : dict of str to int
        Sent to and received from each service by this run.
    seconds : float
    commands : list of str
        For bulk transfer, if a manifest was asked for.
    notes : list of str
    """

    survey: Path
    requested: int
    available: int = 0
    galaxies: int = 0
    new: int = 0
    with_spectrum: int = 0
    with_cutout: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    missing_file: Path | None = None
    requests: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is left that another run might bring."""
        return not self.pending and self.galaxies >= min(self.requested, self.available)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        shown = {key: value for key, value in vars(self).items() if value is not None}
        text = {key: str(shown[key]) for key in ("survey", "missing_file") if key in shown}
        return shown | text | {"complete": self.complete}


def fetch_sample(
    client: Client,
    config: FetchConfig,
    out: Path,
    stop: threading.Event,
    progress: Callable[[int, int], None],
    announce: Callable[[Estimate], None],
    name: str = "SDSS",
    counts: bool = True,
    manifest: bool = False,
) -> FetchReport:
    """Bring a sample into the survey `out`; see `galam_explorer.survey.sdss_fetch.fetch_survey`."""
    writer = SurveyWriter(out, name, "sdss", config.provenance)
    folder = FetchFolder(out)
    report = FetchReport(out, config.n)
    started = time.monotonic()
    with folder.lock():
        rows = select_rows(client, config, folder)
        report.available = folder.read_json("selection")["total"]
        if report.available < config.n:
            report.notes.append(f"only {report.available} galaxies match the selection")
        if counts:
            _keep_counts(client, config, folder, report)
        if manifest:
            report.commands = write_manifest(config, folder, rows)
            announce(estimate_fetch(config, len(rows), bulk=True))
        else:
            _bring(client, config, folder, writer, stop, rows, report, progress, announce)
        _sum_up(report, folder, rows)
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _bring(
    client: Client,
    config: FetchConfig,
    folder: FetchFolder,
    writer: SurveyWriter,
    stop: threading.Event,
    rows: list[SpecRow],
    report: FetchReport,
    progress: Callable[[int, int], None],
    announce: Callable[[Estimate], None],
) -> None:
    survey = Survey(folder.survey)
    report.notes += survey.problems
    folder.discard(row.id for row in rows if row.id in survey)
    todo = [row for row in rows if row.id not in survey]
    estimate = estimate_fetch(config, len(todo))
    announce(estimate)
    check_disk(folder.survey, estimate)
    if len(todo) >= BULK_FROM and config.spectra:
        report.notes.append("for so many spectra bulk transfer is kinder and faster: --manifest")
    fetcher = Fetcher(client, config, folder, writer, stop)
    ids = {row.id for row in rows}
    try:
        fetcher.run(todo, progress, len(rows) - len(todo))
    finally:
        folder.write_missing(fetcher.pending, ids)
    report.new = fetcher.written
    report.pending = dict(Counter(f"{k[1]}: {why}" for k, why in fetcher.pending.items()))


def _keep_counts(
    client: Client, config: FetchConfig, folder: FetchFolder, report: FetchReport
) -> None:
    """Ask for the full selection's histograms, unless they are here; no harm if it fails."""
    for column in HISTOGRAMS:
        if folder.read_json(f"full-{column}") is None:
            try:
                value = full_counts(client, config, column).to_dict()
            except ServiceError as error:
                report.notes.append(f"no counts of {column} in the full selection: {error.what}")
            else:
                folder.write_json(f"full-{column}", value)


def _sum_up(report: FetchReport, folder: FetchFolder, rows: list[SpecRow]) -> None:
    survey = Survey(folder.survey)
    report.galaxies = len(survey)
    report.with_spectrum = int(survey.column("has_spectrum").sum())
    report.with_cutout = int(survey.column("has_cutout").sum())
    ids = {row.id for row in rows}
    missing = [i for i in folder.items.values() if i.status == "missing" and i.id in ids]
    report.missing = dict(Counter(f"{item.kind}: {item.reason}" for item in missing))
    path = folder.path / "missing.csv"
    report.missing_file = path if path.is_file() else None
