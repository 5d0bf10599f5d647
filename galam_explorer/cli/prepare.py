"""``galam prepare``."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption

__all__ = ["prepare_command"]


def prepare_command(
    survey: Annotated[str, typer.Argument(help="A survey folder, or 'demo'.")] = "demo",
    preprocess: Annotated[
        str, typer.Option(help="'robust' (the default) or 'paper' (the published parameters).")
    ] = "robust",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as there are cores by default.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make network inputs of a whole survey, and count what was rejected and why.

    A run that was stopped goes on where it was; a survey that has grown is
    prepared only where it is new.
    """
    from galam_explorer.preprocess import prepare_survey

    with ui.user_errors(debug):
        opened = ui.open_survey(survey)
        started = time.perf_counter()
        with ui.progress_bar(f"Preparing {opened.name}") as report:
            sample = prepare_survey(opened, preprocess, workers, report)
        seconds = time.perf_counter() - started
        for note in sample.notes:
            ui.say(note)
        columns = ("status", "spectrum_status", "image_status")
        counts = {column: sample.counts(column) for column in columns}
        ui.console.print(_table(counts, len(sample)))
        ui.say(sample.path)
        ui.next_step(f"galam label {survey}", f"galam serve --survey {survey}")
        ui.finish(
            {
                "path": str(sample.path),
                "preprocess": preprocess,
                "galaxies": len(sample),
                "counts": counts,
                "seconds": round(seconds, 3),
                "problems": opened.problems,
            },
            as_json,
        )


def _table(counts: dict[str, dict[str, int]], total: int) -> Table:
    title = f"{total} galaxies by the first thing that failed"
    table = ui.make_table(title, ["status"], ["galaxies", "spectra", "images"])
    for status in dict.fromkeys(key for column in counts.values() for key in column):
        cells = [column.get(status, 0) for column in counts.values()]
        shares = [f"{n} ({100 * n / max(total, 1):.1f} %)" if n else "" for n in cells]
        table.add_row(status, *shares)
    return table
