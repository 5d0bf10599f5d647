"""``galam predict``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption
from galam_explorer.cli.plugin import PluginOption

if TYPE_CHECKING:
    from galam_explorer.evaluate.model import Model
    from galam_explorer.evaluate.predict_files import FilePredictions

__all__ = ["predict_command"]

_SHOWN = 12


def predict_command(
    model: Annotated[str, typer.Argument(help="'demo', a model folder or a run folder.")],
    inputs: Annotated[
        list[str],
        typer.Argument(help="SDSS spectra (FITS), images (JPEG, PNG), folders, surveys or 'demo'."),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Table: .parquet, .csv, .ecsv, .fits, .vot or .xml.")
    ],
    scale: Annotated[
        float | None, typer.Option(help="Arcsec per pixel of images that say nothing of it.")
    ] = None,
    device: Annotated[str, typer.Option(help="'auto', 'cpu', 'cuda' or 'mps'.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that prepare; all cores by default.")
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Age and metallicity of your galaxies, with 68 % and 90 % intervals.

    An image joins the spectrum whose `plate-mjd-fiber` is in its name, or that
    lies at the position in its name. Galaxies unlike those of the training are
    counted first: their numbers are extrapolations.
    """
    from galam_explorer.evaluate.predict import load_model
    from galam_explorer.evaluate.predict_files import (
        check_output,
        predict_files,
        write_predictions,
    )

    with ui.user_errors(debug):
        check_output(out)
        loaded = load_model(model, device)
        started = time.perf_counter()
        with ui.progress_bar("Predicting") as report:
            found = predict_files(loaded, inputs, scale, workers, report)
        seconds = time.perf_counter() - started
        ui.list_lines("left out", "yellow", found.problems, _SHOWN)
        outside = _warn(loaded, found)
        write_predictions(found.table, out, {"model": loaded.name, "hash": loaded.hash})
        ui.console.print(_table(loaded, found))
        ui.say(out)
        summary = {"path": str(out), "outside_domain": outside, "seconds": round(seconds, 3)}
        ui.finish(summary | _summary(loaded, found), as_json)


def _summary(model: Model, found: FilePredictions) -> dict[str, Any]:
    return {
        "model": model.name,
        "hash": model.hash,
        "galaxies": len(found.table),
        "predicted": _predicted(model, found),
        "problems": found.problems,
    }


def _predicted(model: Model, found: FilePredictions) -> dict[str, int]:
    return {name: int((found.table[f"{name}_status"] == "ok").sum()) for name in model.predictors}


def _warn(model: Model, found: FilePredictions) -> dict[str, int]:
    """Say, before any number, how many galaxies are unlike those of the training."""
    if not model.domains:
        ui.console.print("[yellow]This model cannot tell what lies outside its training domain.[/]")
    outside = {name: found.outside(name) for name in model.predictors}
    for name, count in outside.items():
        if count:
            total = int((found.table[f"{name}_status"] == "ok").sum())
            text = f"{name}: {count} of {total} galaxies; "
            text += "their numbers and intervals are extrapolations."
            ui.say(text, "Outside the training domain", "bold yellow")
    return outside


def _table(model: Model, found: FilePredictions) -> Table:
    """The numbers of the first galaxies; intervals are the 68 % ones."""
    from galam_explorer.evaluate.domain import OUTSIDE

    count = len(found.table)
    title = f"{count} {'galaxy' if count == 1 else 'galaxies'}, {model.name}"
    numbers = [f"{name}: log age, [M/H]" for name in model.predictors]
    table = ui.make_table(title, ["galaxy"], numbers)
    for _, row in found.table.head(_SHOWN).iterrows():
        cells = []
        for name in model.predictors:
            if row[f"{name}_status"] != "ok":
                cells.append(f"[dim]{row[f'{name}_status']}[/]")
                continue
            mark = " [yellow]outside[/]" if row[f"{name}_domain"] > OUTSIDE else ""
            cells.append(f"{_number(row, name, 'log_age')}, {_number(row, name, 'm_h')}{mark}")
        table.add_row(escape(str(row["id"])), *cells)
    if len(found.table) > _SHOWN:
        table.add_row("…", *["" for _ in model.predictors])
    return table


def _number(row: Any, name: str, target: str) -> str:
    half = 0.5 * (row[f"{name}_{target}_hi68"] - row[f"{name}_{target}_lo68"])
    spread = f" ± {half:.2f}" if half == half else ""
    return f"{row[f'{name}_{target}']:.2f}{spread}"
