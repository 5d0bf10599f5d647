"""``galam info``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from galam_explorer.cli import common as ui
from galam_explorer.cli.common import DebugOption, JsonOption

__all__ = ["info_command"]


def info_command(
    survey: Annotated[str, typer.Argument(help="A survey folder, or 'demo'.")] = "demo",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what a survey holds, and what cannot be read in it."""
    with ui.user_errors(debug):
        opened = ui.open_survey(survey)
        summary = _summary(opened)
        table = Table(title=f"{opened.name} ({opened.kind})", show_header=False)
        for key, value in summary.items():
            if key not in ("name", "kind", "problems"):
                table.add_row(key.replace("_", " "), _text(value))
        ui.console.print(table)
        ui.finish(summary, as_json)


def _summary(survey: Any) -> dict[str, Any]:
    catalog = survey.catalog
    summary: dict[str, Any] = {
        "name": survey.name,
        "kind": survey.kind,
        "path": str(survey.path),
        "galaxies": len(catalog),
        "with_spectrum": int(catalog["has_spectrum"].sum()),
        "with_cutout": int(catalog["has_cutout"].sum()),
        "origin": {str(k): int(v) for k, v in catalog["origin"].value_counts().items()},
        "shards": len(survey.shards),
    }
    for column in ("z", "sn_r", "petro_mag_r"):
        values = catalog[column].dropna()
        summary[column] = (
            [float(v) for v in values.quantile([0.05, 0.5, 0.95])] if len(values) else []
        )
    summary["problems"] = survey.problems
    return summary


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{v} {k}" for k, v in value.items())
    if isinstance(value, list):
        return "5 %, 50 %, 95 %: " + ", ".join(f"{v:.3g}" for v in value) if value else "unknown"
    return str(value)
