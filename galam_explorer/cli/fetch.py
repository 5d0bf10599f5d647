"""``galam fetch``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption, option
from galam_explorer.config.fetch import ARCHIVE, MIRRORS, RSYNC, SESAME, SKYSERVER, FetchConfig
from galam_explorer.errors import GalamError

if TYPE_CHECKING:
    from galam_explorer.survey.sdss_fetch import FetchReport

__all__ = ["fetch_command"]

_SAMPLE = {"rich_help_panel": "Sample"}
_CUTOUTS = {"rich_help_panel": "Cutouts"}
_MANNERS = {"rich_help_panel": "Manners"}
_MIRRORS = {"rich_help_panel": "Mirrors"}
_BULK = "Select only, and write lists of spectra for rsync and aria2."
_ONE = "One galaxy instead: plate-mjd-fiber, a position, or a name."
_DRY = "Print the queries, addresses and cost; ask nobody."
_FIELD = "Field in Petrosian R90 instead, like 8.5."
_USUAL = FetchConfig()


def fetch_command(
    out: Annotated[Path | None, option("Survey folder to make or to go on with.")] = None,
    galaxy: Annotated[str | None, option(_ONE)] = None,
    radius: Annotated[float, option("How far to look for --galaxy, arcsec.")] = 5.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_DRY)] = False,
    manifest: Annotated[bool, option(_BULK)] = False,
    name: Annotated[str, option("Name of a new survey.")] = "SDSS",
    n: Annotated[int, option("Galaxies.", **_SAMPLE)] = _USUAL.n,
    seed: Annotated[int, option("Of the choice.", **_SAMPLE)] = _USUAL.seed,
    release: Annotated[str, option("SDSS data release.", **_SAMPLE)] = _USUAL.release,
    z_min: Annotated[float, option("Smallest redshift.", **_SAMPLE)] = _USUAL.z_min,
    z_max: Annotated[float, option("Largest redshift.", **_SAMPLE)] = _USUAL.z_max,
    sn_min: Annotated[float, option("S/N per pixel in r.", **_SAMPLE)] = _USUAL.sn_min,
    spectra: Annotated[bool, option(**_SAMPLE)] = True,
    counts: Annotated[bool, option("Count the full selection (Fig. 1).", **_SAMPLE)] = True,
    cutouts: Annotated[bool, option(**_CUTOUTS)] = True,
    cutout_size: Annotated[int, option("Pixels: 128, 64, 256 …", **_CUTOUTS)] = _USUAL.cutout_size,
    cutout_scale: Annotated[float, option("Arcsec per pixel.", **_CUTOUTS)] = _USUAL.cutout_scale,
    cutout_r90: Annotated[float, option(_FIELD, **_CUTOUTS)] = _USUAL.cutout_r90,
    rate: Annotated[float, option("Requests/s to SkyServer.", **_MANNERS)] = _USUAL.rate,
    archive_rate: Annotated[float, option("Requests/s for spectra.", **_MANNERS)] = 4.0,
    workers: Annotated[int, option("Threads.", **_MANNERS)] = _USUAL.workers,
    retries: Annotated[int, option("Further attempts.", **_MANNERS)] = _USUAL.retries,
    backoff: Annotated[float, option("First pause after trouble, s.", **_MANNERS)] = 1.0,
    timeout: Annotated[float, option("Longest silence of a service, s.", **_MANNERS)] = 60.0,
    skyserver: Annotated[str, option(envvar=MIRRORS["skyserver"], **_MIRRORS)] = SKYSERVER,
    archive: Annotated[str, option(envvar=MIRRORS["archive"], **_MIRRORS)] = ARCHIVE,
    rsync: Annotated[str, option(**_MIRRORS)] = RSYNC,
    sesame: Annotated[str, option(envvar=MIRRORS["sesame"], **_MIRRORS)] = SESAME,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Bring real galaxies from SDSS: the paper's selection, or any one galaxy.

    The default selection is the paper's: class GALAXY, 0.002 ≤ z ≤ 0.3, zWarning 0,
    S/N ≥ 5 in r. Stopped at any point, the same command goes on where it was; with a
    larger `--n` it extends the sample. See what it would do with `--dry-run`.

    Example: `galam fetch --n 1000 --out surveys/sdss`
    """
    given = dict(locals())
    with ui.user_errors(debug):
        config = _config(given)
        if dry_run:
            _dry_run(config, out, galaxy, counts, manifest, as_json)
        elif out is None:
            raise GalamError("no survey folder", "--out", "name one, like --out surveys/sdss")
        elif galaxy is not None:
            _one(config, out, galaxy, radius, as_json)
        else:
            _sample(config, out, name, counts, manifest, as_json)


def _config(given: Mapping[str, Any]) -> FetchConfig:
    """The configuration of what was given; one galaxy has somebody waiting for it."""
    names = {field.name for field in fields(FetchConfig)} & set(given)
    timeout = given["timeout"]
    return FetchConfig(
        **{name: given[name] for name in names - {"retries"}},
        retries=min(given["retries"], 2) if given["galaxy"] else given["retries"],
        read_timeout=timeout,
        body_timeout=2 * timeout,
        connect_timeout=min(10.0, timeout),
    )


def _dry_run(
    config: FetchConfig,
    out: Path | None,
    galaxy: str | None,
    counts: bool,
    bulk: bool,
    as_json: bool,
) -> None:
    from galam_explorer.survey.sdss_plan import PAPER_TOTAL, estimate_fetch, planned_urls
    from galam_explorer.survey.sdss_plan import planned_sql as queries_of

    if galaxy is not None:
        raise GalamError("--dry-run is for samples", "--galaxy", "leave one of them out")
    queries, urls = queries_of(config, counts=counts), planned_urls(config)
    estimate = estimate_fetch(config, config.n, len(queries), bulk)
    sql = f"{config.skyserver}/{config.release}/en/tools/search/x_results.aspx"
    if not as_json:
        lines = [f"# {sql}?searchtool=SQL&format=csv&cmd=...", *queries]
        lines += ["", "# for each galaxy, here for one of the Legacy survey", *urls]
        sys.stdout.write("\n".join(lines) + "\n")
    note = f"The ranges hold for {PAPER_TOTAL} matches; the first answer sets them."
    ui.say(f"{note}\n{estimate}")
    values = {"sql": queries, "sql_url": sql, "urls": urls, "estimate": estimate.to_dict()}
    ui.finish(values | {"out": out, "config": config.hash}, as_json)


def _one(config: FetchConfig, out: Path, galaxy: str, radius: float, as_json: bool) -> None:
    from galam_explorer.survey import Survey, SurveyWriter
    from galam_explorer.survey.sdss_fetch import fetch_galaxy

    notes: list[str] = []
    found = fetch_galaxy(galaxy, config, radius, notes.append)
    writer = SurveyWriter(out, "SDSS galaxies", "sdss", {"made_by": "galam fetch --galaxy"})
    if found.id in Survey(out):
        notes.append(f"{found.id} was in the survey already")
    else:
        writer.append([found])
    for note in notes:
        ui.say(note)
    has = {"spectrum": found.spectrum is not None, "cutout": found.cutout is not None}
    with_ = " and ".join(key for key, there in has.items() if there)
    ui.say(f"{out}: {found.id} with {with_}")
    values = {"survey": out, "id": found.id, "ra": found.ra, "dec": found.dec, "notes": notes}
    ui.finish(values | has, as_json)


def _sample(
    config: FetchConfig, out: Path, name: str, counts: bool, manifest: bool, as_json: bool
) -> None:
    from galam_explorer.survey.sdss_fetch import fetch_survey

    with ui.progress_bar("Fetching from SDSS") as progress:
        report = fetch_survey(config, out, name, counts, manifest, progress, ui.say)
    _show(report)
    ui.finish(report.to_dict(), as_json)
    if not report.complete and not manifest:
        raise typer.Exit(1)


def _show(report: FetchReport) -> None:
    ui.list_lines("note", "cyan", report.notes)
    if report.commands:
        ui.say("Fetch the spectra with one of these, then start the same command again")
        ui.say("without --manifest; it checks them and brings the rest:")
        for command in report.commands:
            ui.say(command)
        return
    table = Table(show_header=False)
    table.add_row("galaxies", f"{report.galaxies} ({report.new} new)")
    table.add_row("  with a spectrum", str(report.with_spectrum))
    table.add_row("  with a cutout", str(report.with_cutout))
    table.add_row("in the full selection", str(report.available))
    for service, count in report.requests.items():
        table.add_row(f"requests to {service}", f"{count} ({report.bytes[service]} bytes)")
    ui.say(report.survey)
    ui.console.print(table)
    for colour, what, reasons in (
        ("yellow", "missing", report.missing),
        ("red", "not yet", report.pending),
    ):
        for reason, count in reasons.items():
            ui.say(f"{count} × {reason}", what, colour)
    if report.pending:
        ui.say("Start the same command again to try what is not there yet.")
