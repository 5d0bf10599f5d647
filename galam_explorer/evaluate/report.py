"""An evaluation as files: one HTML page, PNG figures, ECSV tables, a JSON summary.

::

    OUT/report.html        needs no network
    OUT/figures/*.png
    OUT/tables/*.ecsv
    OUT/summary.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from galam_explorer import __version__
from galam_explorer.config import PreprocessConfig
from galam_explorer.evaluate import report_sections as parts
from galam_explorer.evaluate.figures.printing import save_png
from galam_explorer.evaluate.protocol import Measured
from galam_explorer.evaluate.report_html import Figure, Section, render_page
from galam_explorer.evaluate.tables import (
    differences_table,
    feature_table,
    models_table,
    paper_table,
    sn_table,
    write_ecsv,
)
from galam_explorer.evaluate.tables_paper import PAPER_TABLES
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.records import CutoutStages
from galam_explorer.survey import load_survey
from galam_explorer.survey.atomic import write_text
from galam_explorer.survey.store import Survey
from galam_explorer.train.folder import RunFolder

__all__ = ["Report", "examples_of", "make_report", "read_metrics"]


@dataclass(frozen=True, eq=False)
class Report:
    """What was written, and the tables themselves.

    Parameters
    ----------
    path : Path
        The HTML page.
    models, differences, features : DataFrame
    tables : dict of str to DataFrame
        Every table by file stem.
    figures : list of Path
    """

    path: Path
    models: pd.DataFrame
    differences: pd.DataFrame
    features: pd.DataFrame
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: list[Path] = field(default_factory=list)


def read_metrics(run: str | Path) -> pd.DataFrame:
    """Epochs of a run; empty where there is only a model."""
    return pd.DataFrame(RunFolder(run).metrics())


def examples_of(
    survey: Survey, config: PreprocessConfig, tries: int = 200
) -> dict[str, CutoutStages]:
    """The first accepted and the first blended galaxy of a survey, for Fig. 3."""
    found: dict[str, CutoutStages] = {}
    for galaxy_id in survey.ids[:tries]:
        galaxy = survey[galaxy_id]
        stages = prepare_cutout(galaxy.cutout, config, galaxy_id)
        if stages.status in ("ok", "blended") and stages.status not in found:
            found[stages.status] = stages
        if len(found) == 2:
            break
    return {("accepted" if k == "ok" else k): found[k] for k in ("ok", "blended") if k in found}


def _all_tables(groups: list[Measured], draws: int) -> dict[str, pd.DataFrame]:
    measured = groups[0]
    tables = {
        "models": models_table(measured, draws),
        "differences": differences_table(measured, draws),
        "features": feature_table(measured),
        "coverage": measured.coverage,
    }
    for reference in measured.references:
        tables[f"sn_{reference}"] = sn_table(measured, reference)
    reference = next(iter(measured.references))
    for number in PAPER_TABLES:
        name = f"paper_{number.replace('.', '').lower()}"
        tables[name] = paper_table(number, groups, reference)
    for name, baseline in measured.baselines.items():
        tables[f"importance_{name}"] = baseline.importance
    return tables


def _sections(
    measured: Measured,
    tables: dict[str, pd.DataFrame],
    metrics: pd.DataFrame,
    examples: dict[str, CutoutStages],
    extra: list[Section],
) -> list[Section]:
    reference = next(iter(measured.references))
    by_sn = {name: tables[f"sn_{name}"] for name in measured.references}
    paper = {number: tables[f"paper_{number.replace('.', '').lower()}"] for number in PAPER_TABLES}
    found = [
        parts.models_section(measured, tables["models"], tables["differences"]),
        parts.feature_section(measured, tables["features"]),
        parts.sn_section(measured, by_sn, reference),
        *extra,
        parts.paper_section(paper),
        parts.prediction_section(measured, reference),
        parts.training_section(metrics, measured.runs[0]["name"]),
        parts.data_section(measured, examples),
    ]
    return [one for one in found if one is not None]


def make_report(
    groups: list[Measured],
    out: str | Path,
    metrics: pd.DataFrame | None = None,
    draws: int = 1000,
    png: bool = True,
    extra: list[Section] | None = None,
    examples: dict[str, CutoutStages] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write the report of an evaluation.

    Parameters
    ----------
    groups : list of Measured
        The first is the one reported; others fill rows of Tables A.1 and A.2.
    out : str or Path
        Folder; files of the same names are replaced.
    metrics : DataFrame, optional
        Epochs of the first run (Fig. 11).
    draws : int
        Of the bootstrap.
    png : bool
        Whether to draw the PNG files too.
    extra : list of Section, optional
        More sections (the protocols, real spectra).
    examples : dict of str to CutoutStages, optional
        For Fig. 3; looked for in the survey by default.
    progress : callable, optional
        ``progress(done, total)`` in figures.

    Returns
    -------
    Report

    Raises
    ------
    GalamError
        If the folder cannot be written.
    """
    out, measured = Path(out), groups[0]
    tables = _all_tables(groups, draws)
    if examples is None:
        config = PreprocessConfig.from_dict(measured.survey["preprocess"])
        examples = examples_of(load_survey(measured.survey["path"]), config)
    empty = pd.DataFrame()
    sections = _sections(
        measured, tables, empty if metrics is None else metrics, examples, extra or []
    )
    kept = {name: table for name, table in tables.items() if len(table)}
    for name, table in kept.items():
        write_ecsv(table, out / "tables" / f"{name}.ecsv", {"runs": measured.runs})
    blocks = [one for section in sections for one in section.blocks if isinstance(one, Figure)]
    figures = []
    for number, block in enumerate(blocks if png else []):
        figures.append(out / "figures" / f"{block.name}.png")
        save_png(block.figure, figures[-1])
        if progress is not None:
            progress(number + 1, len(blocks))
    write_text(out / "report.html", render_page(_title(measured), _lead(measured), sections))
    write_text(out / "summary.json", json.dumps(_summary(measured, tables), indent=1) + "\n")
    return Report(
        out / "report.html", tables["models"], tables["differences"], tables["features"],
        kept, figures,
    )  # fmt: skip


def _title(measured: Measured) -> str:
    return f"Age and metallicity from {measured.survey['name']}"


def _lead(measured: Measured) -> str:
    names = ", ".join(run["name"] for run in measured.runs)
    kind = {"simulated": "simulated galaxies", "sdss": "SDSS galaxies"}
    galaxies = kind.get(measured.survey["kind"], "galaxies")
    return (
        f"{measured.survey['galaxies']} {galaxies}; runs: {names}. Measured on test galaxies "
        f"alone, by galam-explorer {__version__}."
    )


def _summary(measured: Measured, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    keep = [
        "reference", "model", "quantity", "mse", "mae", "rmse", "rmse_low", "rmse_high",
        "rmse_seed_sd", "sd", "nmad", "bias", "r2", "legacy_sd", "n", "seeds",
    ]  # fmt: skip
    features = [one.summary() for one in measured.features]
    found = {
        "survey": measured.survey,
        "runs": measured.runs,
        "left_out": measured.left_out,
        "notes": measured.notes,
        "models": tables["models"][keep].to_dict("records"),
        "differences": tables["differences"].to_dict("records"),
        "features": features,
    }
    # Through pandas' floats and bools to JSON's; NaN becomes null.
    return json.loads(pd.io.json.ujson_dumps(found, double_precision=10))
