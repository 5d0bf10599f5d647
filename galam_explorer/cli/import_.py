"""``galam import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption

if TYPE_CHECKING:
    from galam_explorer.survey.local import ImportReport

__all__ = ["import_command"]

_SHOWN = 12
_ROWS = {
    "image by id": "images joined by the id in their name",
    "image by catalogue": "images joined by the catalogue",
    "image by position": "images joined by position",
    "image alone": "images without a spectrum",
    "catalogue": "catalogues read",
    "already there": "files imported before",
    "left over": "files left over",
    "bad": "files that cannot be read",
}


def import_command(
    folder: Annotated[Path, typer.Argument(help="Folder with spectra and images.")],
    out: Annotated[Path, typer.Option("--out", help="Survey folder to make or add to.")],
    name: Annotated[str | None, typer.Option(help="Name of a new survey.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="Arcsec per pixel of images not in a catalogue.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="CSV, ECSV, VOTable or FITS table to use.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Import real galaxies: SDSS `spec-*.fits` files, JPEG or PNG images, or both.

    An image belongs to the spectrum whose `plate-mjd-fiber` is in its name, or
    that a catalogue in the folder (CSV, ECSV, VOTable, FITS: ids, file names or
    `ra` and `dec`) gives, or that lies within 2 arcsec of `RA_DEC` in its name.
    Files that cannot be used are listed. Run again to add what is new.
    """
    from galam_explorer.survey.local import import_folder

    with ui.user_errors(debug):
        with ui.progress_bar("Reading files") as progress:
            report = import_folder(
                folder, out, name=name, scale=scale, catalog=catalog, progress=progress
            )
        _show(report)
        ui.finish(report.to_dict(), as_json)
    if not report.galaxies and not report.already_there:
        raise typer.Exit(1)


def _show(report: ImportReport) -> None:
    table = Table(show_header=False)
    table.add_row("files", str(report.files))
    table.add_row("galaxies written", str(report.galaxies))
    table.add_row("  with a spectrum", str(report.with_spectrum))
    table.add_row("  with an image", str(report.with_cutout))
    for outcome, text in _ROWS.items():
        if count := report.outcomes[outcome]:
            table.add_row(text, str(count))
    ui.say(f"{report.folder} → {report.survey}")
    ui.console.print(table)
    for title, style, lines in (
        ("left over", "yellow", _by_reason(report.left_over)),
        ("cannot read", "red", _by_reason(report.bad)),
        ("note", "cyan", report.notes),
    ):
        ui.list_lines(title, style, lines, _SHOWN, "all with --json")
    if not report.galaxies and not report.already_there:
        ui.console.print("[bold red]Nothing could be imported.[/]")


def _by_reason(files: list[tuple[str, str]]) -> list[str]:
    """One line a reason: the only file, or the number of files and the first."""
    groups: dict[str, list[str]] = {}
    for file, reason in files:
        groups.setdefault(reason, []).append(file)
    return [
        f"{names[0]}: {reason}"
        if len(names) == 1
        else f"{len(names)} files ({names[0]}, …): {reason}"
        for reason, names in groups.items()
    ]
