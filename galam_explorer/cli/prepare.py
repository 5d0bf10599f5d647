"""``galam prepare``."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from galam_explorer.cli.common import (
    DebugOption,
    JsonOption,
    console,
    finish,
    progress_bar,
    user_errors,
)

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
    from galam_explorer.survey import load_survey

    with user_errors(debug):
        opened = load_survey(survey)
        for problem in opened.problems:
            console.print(f"[yellow]left out[/] {problem}", highlight=False, soft_wrap=True)
        started = time.perf_counter()
        with progress_bar(f"Preparing {opened.name}") as report:
            sample = prepare_survey(opened, preprocess, workers, report)
        seconds = time.perf_counter() - started
        for note in sample.notes:
            console.print(note, highlight=False)
        columns = ("status", "spectrum_status", "image_status")
        counts = {column: sample.counts(column) for column in columns}
        console.print(_table(counts, len(sample)))
        console.print(f"{sample.path}", highlight=False, soft_wrap=True)
        finish(
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
    table = Table(title=f"{total} galaxies by the first thing that failed")
    table.add_column("status")
    for name in ("galaxies", "spectra", "images"):
        table.add_column(name, justify="right")
    for status in dict.fromkeys(key for column in counts.values() for key in column):
        cells = [column.get(status, 0) for column in counts.values()]
        shares = [f"{n} ({100 * n / max(total, 1):.1f} %)" if n else "" for n in cells]
        table.add_row(status, *shares)
    return table
