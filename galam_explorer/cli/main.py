"""Wires the commands together; each one lives in its own file."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from galam_explorer import __version__
from galam_explorer.cli.evaluate import evaluate_command
from galam_explorer.cli.fetch import fetch_command
from galam_explorer.cli.import_ import import_command
from galam_explorer.cli.info import info_command
from galam_explorer.cli.label import label_command
from galam_explorer.cli.predict import predict_command
from galam_explorer.cli.prepare import prepare_command
from galam_explorer.cli.serve import serve_command
from galam_explorer.cli.simulate import simulate_command
from galam_explorer.cli.templates import templates_app
from galam_explorer.cli.train import runs_command, train_command

__all__ = ["app", "main"]

app = typer.Typer(
    name="galam",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Explore how the age and metallicity of galaxies are read from spectra and images.\n\n"
    "Start with `galam serve`: the dashboard on the embedded demo survey. "
    "`galam import FOLDER --out S` reads your own files, `galam simulate` makes a survey, "
    "`galam prepare S` runs the preprocessing, `galam serve --survey S` opens the result.",
)
app.command("serve")(serve_command)
app.command("simulate")(simulate_command)
app.command("import")(import_command)
app.command("fetch")(fetch_command)
app.command("prepare")(prepare_command)
app.command("label")(label_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("predict")(predict_command)
app.command("runs")(runs_command)
app.command("info")(info_command)
app.add_typer(templates_app, name="templates")


def _version(show: bool) -> None:
    if show:
        sys.stdout.write(f"galam-explorer {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the ``galam`` script."""
    app()
