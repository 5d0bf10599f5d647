"""``galam fetch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from galam_explorer.cli.common import (
    DebugOption,
    JsonOption,
    console,
    finish,
    progress_bar,
    user_errors,
)
from galam_explorer.config.fetch import ARCHIVE, RSYNC, SESAME, SKYSERVER, FetchConfig
from galam_explorer.errors import GalamError

if TYPE_CHECKING:
    from galam_explorer.survey.sdss_fetch import FetchReport

__all__ = ["fetch_command"]

_SAMPLE = "Sample"
_CUTOUTS = "Cutouts"
_MANNERS = "Manners"
_MIRRORS = "Mirrors"


def fetch_command(
    out: Annotated[
        Path | None, typer.Option(help="Survey folder to make or to go on with.")
    ] = None,
    galaxy: Annotated[
        str | None,
        typer.Option(help="One galaxy instead: plate-mjd-fiber, a position, or a name."),
    ] = None,
    radius: Annotated[float, typer.Option(help="How far to look for --galaxy, arcsec.")] = 5.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the queries, addresses and cost; ask nobody.")
    ] = False,
    manifest: Annotated[
        bool,
        typer.Option(help="Select only, and write lists of spectra for rsync and aria2."),
    ] = False,
    name: Annotated[str, typer.Option(help="Name of a new survey.")] = "SDSS",
    n: Annotated[int, typer.Option(help="Galaxies.", rich_help_panel=_SAMPLE)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the choice.", rich_help_panel=_SAMPLE)] = 1,
    release: Annotated[
        str, typer.Option(help="SDSS data release.", rich_help_panel=_SAMPLE)
    ] = "dr17",
    z_min: Annotated[float, typer.Option(help="Redshift.", rich_help_panel=_SAMPLE)] = 0.002,
    z_max: Annotated[float, typer.Option(help="Redshift.", rich_help_panel=_SAMPLE)] = 0.3,
    sn_min: Annotated[
        float, typer.Option(help="S/N per pixel in r.", rich_help_panel=_SAMPLE)
    ] = 5.0,
    spectra: Annotated[bool, typer.Option(rich_help_panel=_SAMPLE)] = True,
    counts: Annotated[
        bool, typer.Option(help="Count the full selection (Fig. 1).", rich_help_panel=_SAMPLE)
    ] = True,
    cutouts: Annotated[bool, typer.Option(rich_help_panel=_CUTOUTS)] = True,
    cutout_size: Annotated[
        int, typer.Option(help="Pixels: 128, 64, 256 …", rich_help_panel=_CUTOUTS)
    ] = 128,
    cutout_scale: Annotated[
        float, typer.Option(help="Arcsec per pixel.", rich_help_panel=_CUTOUTS)
    ] = 0.396127,
    cutout_r90: Annotated[
        float,
        typer.Option(help="Field in Petrosian R90 instead, like 8.5.", rich_help_panel=_CUTOUTS),
    ] = 0.0,
    rate: Annotated[
        float, typer.Option(help="Requests/s to SkyServer.", rich_help_panel=_MANNERS)
    ] = 1.0,
    archive_rate: Annotated[
        float, typer.Option(help="Requests/s for spectra.", rich_help_panel=_MANNERS)
    ] = 4.0,
    workers: Annotated[int, typer.Option(help="Threads.", rich_help_panel=_MANNERS)] = 4,
    retries: Annotated[int, typer.Option(rich_help_panel=_MANNERS)] = 6,
    backoff: Annotated[
        float, typer.Option(help="First pause after trouble, s.", rich_help_panel=_MANNERS)
    ] = 1.0,
    timeout: Annotated[
        float, typer.Option(help="Longest silence of a service, s.", rich_help_panel=_MANNERS)
    ] = 60.0,
    skyserver: Annotated[str, typer.Option(rich_help_panel=_MIRRORS)] = SKYSERVER,
    archive: Annotated[str, typer.Option(rich_help_panel=_MIRRORS)] = ARCHIVE,
    rsync: Annotated[str, typer.Option(rich_help_panel=_MIRRORS)] = RSYNC,
    sesame: Annotated[str, typer.Option(rich_help_panel=_MIRRORS)] = SESAME,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Bring real galaxies from SDSS: the paper's selection, or any one galaxy.

    The default selection is the paper's: class GALAXY, 0.002 ≤ z ≤ 0.3, zWarning 0,
    S/N ≥ 5 in r. Stopped at any point, the same command goes on where it was; with a
    larger `--n` it extends the sample. See what it would do with `--dry-run`.

    Example: `galam fetch --n 1000 --out surveys/sdss`
    """
    with user_errors(debug):
        config = FetchConfig(
            n=n, seed=seed, release=release, z_min=z_min, z_max=z_max, sn_min=sn_min,
            spectra=spectra, cutouts=cutouts, cutout_size=cutout_size, cutout_scale=cutout_scale,
            cutout_r90=cutout_r90, rate=rate, archive_rate=archive_rate, workers=workers,
            retries=min(retries, 2) if galaxy else retries, backoff=backoff, read_timeout=timeout,
            body_timeout=2 * timeout, connect_timeout=min(10.0, timeout), skyserver=skyserver,
            archive=archive, rsync=rsync, sesame=sesame,
        )  # fmt: skip
        if dry_run:
            _dry_run(config, out, galaxy, counts, manifest, as_json)
        elif out is None:
            raise GalamError("no survey folder", "--out", "name one, like --out surveys/sdss")
        elif galaxy is not None:
            _one(config, out, galaxy, radius, as_json)
        else:
            _sample(config, out, name, counts, manifest, as_json)


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
    console.print(f"{note}\n{estimate}", highlight=False, soft_wrap=True)
    values = {"sql": queries, "sql_url": sql, "urls": urls, "estimate": estimate.to_dict()}
    finish(values | {"out": out, "config": config.hash}, as_json)


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
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    has = {"spectrum": found.spectrum is not None, "cutout": found.cutout is not None}
    with_ = " and ".join(key for key, there in has.items() if there)
    console.print(f"{out}: {found.id} with {with_}", markup=False, highlight=False, soft_wrap=True)
    values = {"survey": out, "id": found.id, "ra": found.ra, "dec": found.dec, "notes": notes}
    finish(values | has, as_json)


def _sample(
    config: FetchConfig, out: Path, name: str, counts: bool, manifest: bool, as_json: bool
) -> None:
    from galam_explorer.survey.sdss_fetch import fetch_survey

    with progress_bar("Fetching from SDSS") as progress:
        report = fetch_survey(
            config, out, name, counts, manifest, progress,
            lambda estimate: console.print(str(estimate), highlight=False, soft_wrap=True),
        )  # fmt: skip
    _show(report)
    finish(report.to_dict(), as_json)
    if not report.complete and not manifest:
        raise typer.Exit(1)


def _show(report: FetchReport) -> None:
    for note in report.notes:
        console.print(f"[cyan]note[/] {escape(note)}", highlight=False, soft_wrap=True)
    if report.commands:
        console.print("Fetch the spectra with one of these, then start the same command again")
        console.print("without --manifest; it checks them and brings the rest:")
        for command in report.commands:
            console.print(command, markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(show_header=False)
    table.add_row("galaxies", f"{report.galaxies} ({report.new} new)")
    table.add_row("  with a spectrum", str(report.with_spectrum))
    table.add_row("  with a cutout", str(report.with_cutout))
    table.add_row("in the full selection", str(report.available))
    for service, count in report.requests.items():
        table.add_row(f"requests to {service}", f"{count} ({report.bytes[service]} bytes)")
    console.print(f"{report.survey}", markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    for colour, what, reasons in (
        ("yellow", "missing", report.missing),
        ("red", "not yet", report.pending),
    ):
        for reason, count in reasons.items():
            text = f"[{colour}]{what}[/] {count} × {escape(reason)}"
            console.print(text, highlight=False, soft_wrap=True)
    if report.pending:
        console.print("Start the same command again to try what is not there yet.")
