"""``galam label``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption

if TYPE_CHECKING:
    from galam_explorer.config import LabelConfig

__all__ = ["label_command"]


def label_command(
    survey: Annotated[str, typer.Argument(help="A survey folder, or 'demo'.")] = "demo",
    templates: Annotated[
        str,
        typer.Option(
            help="'embedded', 'embedded-full', a name of `galam templates get`, "
            "an npz file in pPXF's layout, or a folder of MILES FITS files."
        ),
    ] = "embedded",
    engine: Annotated[
        str, typer.Option(help="'batched' (fast) or 'ppxf' (the reference).")
    ] = "batched",
    draws: Annotated[
        int, typer.Option(min=0, help="Noise realisations for the dispersion; 0 for none.")
    ] = 100,
    mdegree: Annotated[int, typer.Option(help="Degree of multiplicative polynomials.")] = 10,
    degree: Annotated[int, typer.Option(help="Degree of additive polynomials; -1: none.")] = -1,
    emission: Annotated[
        str, typer.Option(help="Emission lines: 'mask', 'fit' (ppxf only) or 'none'.")
    ] = "mask",
    seed: Annotated[int, typer.Option(min=0, help="Of the noise realisations.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as there are cores by default.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://host:8786.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Age and metallicity of every spectrum by full-spectrum fitting, with their dispersion.

    A run that was stopped goes on with the shards that are not done. Results are
    named by a hash of all choices: other choices do not overwrite them.
    """
    with ui.user_errors(debug):
        from galam_explorer.config import LabelConfig

        config = LabelConfig(
            templates=templates,
            engine=engine,
            draws=draws,
            mdegree=mdegree,
            degree=degree,
            emission=emission,
            seed=seed,
        )
        ui.finish(_label(survey, config, workers, scheduler), as_json)


def _label(
    source: str, config: LabelConfig, workers: int | None, scheduler: str | None
) -> dict[str, Any]:
    """Label a survey, print what came out, and give the summary."""
    from galam_explorer.labels import label_survey
    from galam_explorer.labels.dispersion import dispersion_by_sn

    survey = ui.open_survey(source)
    started = time.perf_counter()
    with ui.progress_bar(f"Labelling {survey.name}") as report:
        labels = label_survey(survey, config, workers, report, scheduler)
    seconds = time.perf_counter() - started
    for note in labels.notes:
        ui.say(note)
    counts = labels.counts()
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    ui.say(f"{len(labels)} galaxies: {listed}")
    by_sn = dispersion_by_sn(labels.table, survey.column("sn_r")) if config.draws else None
    if by_sn is not None:
        ui.console.print(_table(by_sn))
    ui.say(labels.path)
    ui.next_step(f"galam train {source}", f"galam serve --survey {source}")
    return {
        "path": str(labels.path),
        "config": labels.config.hash,
        "galaxies": len(labels),
        "counts": counts,
        "dispersion": [] if by_sn is None else by_sn.to_dict("records"),
        "seconds": round(seconds, 3),
        "problems": survey.problems,
    }


def _table(by_sn: Any) -> Table:
    names = ("S/N", "galaxies", "log age (dex)", "[M/H] (dex)", "correlation")
    table = ui.make_table("Median dispersion over the noise draws", (), names)
    for row in by_sn.itertuples():
        numbers = (row.log_age_std, row.m_h_std, row.correlation)
        cells = [f"{value:.3f}" if row.galaxies else "" for value in numbers]
        high = "∞" if row.sn_high == float("inf") else f"{row.sn_high:g}"
        table.add_row(f"{row.sn_low:g}-{high}", str(row.galaxies), *cells)
    return table
