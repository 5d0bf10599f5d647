"""``galam evaluate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption
from galam_explorer.cli.plugin import PluginOption

__all__ = ["evaluate_command"]


def evaluate_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Run or model folders, or 'demo'. Runs that differ by their seed are averaged; "
            "those with other bands or resolution fill the paper's Tables A.1 and A.2."
        ),
    ],
    survey: Annotated[
        str | None,
        typer.Option(help="A survey folder, or 'demo'; by default the one of the training."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; by default RUN/evaluation.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws of the bootstrap.")] = 1000,
    photometry: Annotated[
        bool,
        typer.Option(help="Measure the cutouts and fit the baselines (some minutes, once)."),
    ] = True,
    png: Annotated[bool, typer.Option(help="Draw PNG files of the figures.")] = True,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Metrics on test galaxies, the paper's tables and figures: HTML, PNG, ECSV.

    Every model is measured on the same galaxies, unclipped, against the label and (for
    simulated surveys) the truth; differences come with paired bootstrap intervals.
    """
    from galam_explorer.evaluate.protocol import group_runs, measure, survey_of_run
    from galam_explorer.evaluate.report import make_report, read_metrics
    from galam_explorer.survey import load_survey

    with ui.user_errors(debug):
        started = time.perf_counter()
        opened = survey_of_run(runs[0]) if survey is None else load_survey(survey)
        groups = []
        for number, group in enumerate(group_runs(runs)):
            with ui.progress_bar(f"Measuring {', '.join(map(str, group))}") as report:
                groups.append(measure(group, opened, photometry and number == 0, report))
        folder = out or Path(runs[0]) / "evaluation"
        with ui.progress_bar("Drawing") as report:
            made = make_report(groups, folder, read_metrics(runs[0]), draws, png, progress=report)
        _show(groups[0], made)
        ui.next_step(f"galam serve --survey {opened.path} --model {runs[0]}")
        seconds = round(time.perf_counter() - started, 3)
        ui.finish(_summary(groups[0], made) | {"seconds": seconds}, as_json)


def _show(first: Any, made: Any) -> None:
    for note in first.notes:
        ui.say(note)
    for reference in first.references:
        ui.console.print(_table(made.models, reference))
    ui.say(made.path)


def _summary(first: Any, made: Any) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "galaxies": len(first.ids),
        "seeds": [run["seed"] for run in first.runs],
        "models": made.models.to_dict("records"),
        "figures": len(made.figures),
    }


def _table(models: Any, reference: str) -> Table:
    from galam_explorer.evaluate.protocol import MODEL_NAMES

    chosen = models[models["reference"] == reference]
    title = f"RMSE against the {reference}, dex [95 %]"
    table = ui.make_table(title, ["model"], ["age", "[M/H]"])
    for model in dict.fromkeys(chosen["model"]):
        mine = chosen[chosen["model"] == model]
        cells = [
            f"{one.rmse:.3f} [{one.rmse_low:.3f}, {one.rmse_high:.3f}]" for one in mine.itertuples()
        ]
        table.add_row(MODEL_NAMES.get(model, model), *(cell.replace("[", r"\[") for cell in cells))
    return table
