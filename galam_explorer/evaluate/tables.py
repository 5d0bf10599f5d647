"""Tables of an evaluation: models, differences, features, S/N, and the paper's beside ours."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.table import Table

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import DEFINITIONS, STATISTICS, scatter_by_sn
from galam_explorer.evaluate.metrics_bootstrap import bootstrap, bootstrap_difference
from galam_explorer.evaluate.protocol import MODEL_NAMES, Measured
from galam_explorer.evaluate.tables_paper import PAPER_FEATURE_R2, PAPER_TABLES
from galam_explorer.survey.atomic import atomic_path
from galam_explorer.train.data import TARGETS

__all__ = [
    "PAIRS",
    "about_column",
    "differences_table",
    "feature_table",
    "models_table",
    "paper_table",
    "sn_table",
    "write_ecsv",
]

INTERVALS = ("rmse", "sd", "mae", "bias")
"""Metrics of the models that get an interval."""
PAIRS = (
    ("m3", "photometry"),
    ("m3", "colours"),
    ("m4", "photometry"),
    ("m4", "m3"),
    ("m4", "image_only"),
    ("image_only", "m3"),
    ("m4_real", "m4"),
    ("m4_real", "m1"),
    ("m1", "m3"),
    ("m1", "photometry"),
)
"""Models whose difference is reported, whichever sign it has."""


def models_table(measured: Measured, draws: int = 1000) -> pd.DataFrame:
    """Every metric of every model against each reference.

    Returns
    -------
    DataFrame
        Columns ``reference``, ``model``, ``quantity``, ``n``, ``seeds``, the metrics
        (means over seeds), ``NAME_low`` and ``NAME_high`` (95 % bootstrap interval over
        galaxies and seeds) and ``NAME_seed_sd`` for those in `INTERVALS`.
    """
    rows = []
    for reference, model, target in _cases(measured):
        residual = measured.residuals(model, reference, target)
        truth = measured.references[reference][:, target]
        row: dict[str, Any] = {
            "reference": reference, "model": model, "quantity": TARGETS[target],
            "n": len(truth), "seeds": len(residual),
        }  # fmt: skip
        again = np.broadcast_to(truth, residual.shape)
        row |= {name: float(f(residual, again).mean()) for name, f in STATISTICS.items()}
        for name in INTERVALS:
            found = bootstrap(residual, truth, name, draws)
            row |= {f"{name}_low": found.low, f"{name}_high": found.high}
            row[f"{name}_seed_sd"] = found.seed_sd
        rows.append(row)
    return pd.DataFrame(rows)


def _cases(measured: Measured) -> list[tuple[str, str, int]]:
    models = [name for name in MODEL_NAMES if name in measured.predictions]
    return list(itertools.product(measured.references, models, range(len(TARGETS))))


def differences_table(measured: Measured, draws: int = 1000, name: str = "rmse") -> pd.DataFrame:
    """Paired differences between models (`PAIRS`) with their intervals.

    Returns
    -------
    DataFrame
        ``reference``, ``model``, ``other``, ``quantity``, ``metric``, ``difference`` (dex),
        ``low``, ``high``, ``relative`` (of the other's), ``relative_low``,
        ``relative_high``, ``clear`` (zero lies outside), ``seeds``, ``n``.
    """
    rows = []
    for reference, (model, other), target in itertools.product(
        measured.references, PAIRS, range(len(TARGETS))
    ):
        if not {model, other} <= set(measured.predictions):
            continue
        truth = measured.references[reference][:, target]
        pair = [measured.residuals(one, reference, target) for one in (model, other)]
        plain = bootstrap_difference(*pair, truth, name, draws)
        share = bootstrap_difference(*pair, truth, name, draws, relative=True)
        rows.append(
            {
                "reference": reference, "model": model, "other": other,
                "quantity": TARGETS[target], "metric": name,
                "difference": plain.value, "low": plain.low, "high": plain.high,
                "relative": share.value, "relative_low": share.low, "relative_high": share.high,
                "clear": plain.clear, "seeds": plain.seeds, "n": plain.galaxies,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def feature_table(measured: Measured) -> pd.DataFrame:
    """Quality of the simulated features: each run, their mean, and the paper's number."""
    rows = [
        {"run": run["name"], **found.summary()}
        for run, found in zip(measured.runs, measured.features, strict=False)
    ]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    numbers = table.drop(columns="run")
    average = {"run": "mean over runs", **numbers.mean().to_dict()}
    spread = numbers.std(ddof=1) if len(rows) > 1 else numbers.iloc[0] * np.nan
    paper = {"run": "paper", "r2_galaxy_mean": PAPER_FEATURE_R2}
    extra = pd.DataFrame([average, {"run": "SD over runs", **spread.to_dict()}, paper])
    return pd.concat([table, extra], ignore_index=True)


def sn_table(measured: Measured, reference: str) -> pd.DataFrame:
    """Metrics in the paper's bins of S/N: ``model``, ``quantity`` and `scatter_by_sn`'s columns.

    Means over the seeds.
    """
    frames = []
    for model, target in itertools.product(measured.predictions, range(len(TARGETS))):
        parts = [
            scatter_by_sn(
                predicted[:, target], measured.references[reference][:, target], measured.sn_r
            )
            for predicted in measured.predictions[model]
        ]
        mean = pd.concat(parts).groupby(level=0).mean()
        mean.insert(0, "quantity", TARGETS[target])
        mean.insert(0, "model", model)
        frames.append(mean)
    return pd.concat(frames, ignore_index=True)


def paper_table(number: str, measured: list[Measured], reference: str = "label") -> pd.DataFrame:
    """One of the paper's tables with ours beside it.

    Parameters
    ----------
    number : {"1", "A.1", "A.2"}
    measured : list of Measured
        For Table 1 the first counts; for the others every set of runs stands for
        its resolution or bands, and M4's numbers are taken. Rows without runs
        are ``not run``.
    reference : str

    Returns
    -------
    DataFrame
        ``name``, and for each of ``log_age`` and ``m_h`` the columns
        ``NAME_mse``, ``_mae``, ``_bias``, ``_sd`` (the paper's, clipped),
        ``ours_NAME_mse`` … ``ours_NAME_sd`` (unclipped), ``ours_NAME_legacy_sd``;
        ``seeds`` (0: not run), ``ours``.
    """
    if number not in PAPER_TABLES:
        raise GalamError(f"the paper has no table {number!r}", "tables", "1, A.1 or A.2")
    table, rows = PAPER_TABLES[number], []
    for one in table.rows:
        row: dict[str, Any] = {"name": one.name}
        found = _ours(table.varies, one.key, measured, reference)
        for target, quantity in enumerate(TARGETS):
            for name in ("mse", "mae", "bias", "sd"):
                row[f"{quantity}_{name}"] = getattr(one, name)[target]
            for name in ("mse", "mae", "bias", "sd", "legacy_sd"):
                value = float("nan") if found is None else found[target][name]
                row[f"ours_{quantity}_{name}"] = value
        row["seeds"] = 0 if found is None else found[0]["seeds"]
        row["ours"] = "not run" if found is None else f"{row['seeds']} seeds"
        rows.append(row)
    return pd.DataFrame(rows)


def _ours(
    varies: str, key: str, measured: list[Measured], reference: str
) -> list[dict[str, float]] | None:
    model = key if varies == "model" else "m4"
    for one in measured:
        fits = varies == "model" or str(one.runs[0]["network"][varies]) == key
        # Bands and resolution are varied one at a time, as in the paper.
        if varies == "resolution":
            fits &= one.runs[0]["network"]["bands"] == "gri"
        if varies == "bands":
            fits &= one.runs[0]["network"]["resolution"] == 128
        if not (fits and model in one.predictions and reference in one.references):
            continue
        found = []
        for target in range(len(TARGETS)):
            residual = one.residuals(model, reference, target)
            truth = np.broadcast_to(one.references[reference][:, target], residual.shape)
            numbers = {name: float(f(residual, truth).mean()) for name, f in STATISTICS.items()}
            found.append(numbers | {"seeds": len(residual)})
        return found
    return None


_SUFFIXES = {
    "_seed_sd": ", standard deviation over seeds",
    "_low": ", 2.5 % of the bootstrap draws",
    "_high": ", 97.5 % of the bootstrap draws",
    "": "",
}


def about_column(name: str) -> tuple[str, str]:
    """Unit and definition of a column of these tables; empty where there is none."""
    suffix = next(one for one in _SUFFIXES if name.endswith(one))
    stem = name.removesuffix(suffix)
    fits = [one for one in DEFINITIONS if stem == one or stem.endswith(f"_{one}")]
    if not fits:
        return "", ""
    unit, definition = DEFINITIONS[max(fits, key=len)]
    return unit, definition + _SUFFIXES[suffix]


def write_ecsv(table: pd.DataFrame, path: Path, meta: dict[str, Any] | None = None) -> None:
    """Write a table as ECSV with units and definitions, atomically."""
    made = Table.from_pandas(table)
    for name in made.colnames:
        unit, made[name].description = about_column(name)
        if unit:
            made[name].unit = unit
    made.meta.update(meta or {})
    with atomic_path(path) as temporary:
        made.write(temporary, format="ascii.ecsv", overwrite=True)
