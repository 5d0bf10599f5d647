"""``galam simulate``."""

from __future__ import annotations

from typing import Annotated

import typer

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption
from galam_explorer.config import SimulationConfig

__all__ = ["simulate_command"]


def simulate_command(
    out: Annotated[str, typer.Option(help="The survey folder to make or to finish.")],
    n: Annotated[int, typer.Option(help="Number of galaxies.")] = 1000,
    seed: Annotated[int, typer.Option(help="Same seed, same galaxies. 0 is the demo's.")] = 1,
    spectrum_fraction: Annotated[
        float, typer.Option(help="Expected fraction with a spectrum, 0 to 1.")
    ] = 1.0,
    cutout_size: Annotated[int, typer.Option(help="Cutout side in pixels.")] = 128,
    cutout_scale: Annotated[float, typer.Option(help="Arcsec per pixel.")] = 0.396,
    workers: Annotated[int, typer.Option(help="Processes; 0 means all cores.", min=0)] = 0,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a simulated survey of galaxies as SDSS would see them.

    Spectra and gri cutouts come from the same stellar populations, so that colour and spectrum
    tell one story; what was put in is kept in `true_*` columns. The result depends on the seed
    alone. Interrupted runs resume: start the same command again.

    Example: `galam simulate --n 36000 --seed 1 --out surveys/train`
    """
    from galam_explorer.survey.simulation.run import simulate_survey

    with ui.user_errors(debug):
        config = SimulationConfig(
            n=n,
            seed=seed,
            spectrum_fraction=spectrum_fraction,
            cutout_size=cutout_size,
            cutout_scale=cutout_scale,
        )
        with ui.progress_bar("Simulating galaxies") as report:
            survey = simulate_survey(config, out, workers=workers or None, progress=report)
        with_spectrum = int(survey.column("has_spectrum").sum())
        ui.console.print(
            f"{survey.path}: {len(survey)} simulated galaxies, {with_spectrum} with a spectrum."
        )
        ui.next_step(f"galam prepare {out}", f"galam serve --survey {out}")
        ui.finish(
            {"survey": str(survey.path), "galaxies": len(survey), "with_spectrum": with_spectrum},
            as_json,
        )
