"""One model, and the baselines, on the test galaxies: the parts of `protocol.measure`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.baselines import (
    SETS_OF_PHOTOMETRY,
    PhotometryBaseline,
    fit_photometry,
    mean_prediction,
)
from galam_explorer.evaluate.baselines_photometry import measure_survey
from galam_explorer.evaluate.calibration import coverage_table
from galam_explorer.evaluate.metrics_features import FeatureMetrics, feature_metrics
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_survey import known_noise
from galam_explorer.preprocess import PreparedSample
from galam_explorer.survey.store import Survey

__all__ = ["Found", "run_baselines", "run_model"]

Progress = Callable[[int, int], None]


def run_baselines(
    survey: Survey,
    model: Model,
    everyone: pd.DataFrame,
    references: dict[str, np.ndarray],
    rows: np.ndarray,
    notes: list[str],
    progress: Progress | None,
) -> tuple[dict[str, PhotometryBaseline], dict[str, np.ndarray]]:
    """Baselines that learned what the networks learned, from the same galaxies."""
    sets = everyone["set"].to_numpy()
    train, validation = sets == "train", sets == "validation"
    target = references.get("label" if model.info.get("label") else "truth")
    if target is None or not (train.any() and validation.any()):
        notes.append("The baselines need the training galaxies: not run.")
        return {}, {}
    table = measure_survey(survey, model.preprocess, progress)
    usable = np.isfinite(table["g_r"].to_numpy())
    fitted, said = {}, {"mean": mean_prediction(target, train, len(rows))[None]}
    for name, columns in SETS_OF_PHOTOMETRY.items():
        try:
            fitted[name] = fit_photometry(
                table, target, train & usable, validation & usable, columns
            )
        except GalamError as error:
            notes.append(f"{name}: {error}")
            continue
        predicted = fitted[name].predict(table.iloc[rows])
        if np.isfinite(predicted).all():
            said[name] = predicted[None]
        else:
            notes.append(f"{name}: a test galaxy has no photometry; not compared.")
    return fitted, said


@dataclass(frozen=True, eq=False)
class Found:
    mean: dict[str, np.ndarray]
    features: FeatureMetrics | None
    example: dict[str, Any]
    coverage: pd.DataFrame


def run_model(
    model: Model,
    survey: Survey,
    sample: PreparedSample,
    rows: np.ndarray,
    references: dict[str, np.ndarray],
    progress: Progress | None,
) -> Found:
    noise = np.full(len(sample), np.nan)
    noise[rows] = known_noise(survey, rows)
    mean: dict[str, list[np.ndarray]] = {}
    real, simulated, tables = [], [], []
    done = 0
    for inputs, raw in model.batches(sample, noise, rows):
        for name, values in raw.mean.items():
            mean.setdefault(name, []).append(values)
        if raw.real is not None and raw.simulated is not None:
            real.append(raw.real)
            simulated.append(raw.simulated)
        if model.calibration is not None:
            tables.append(pd.DataFrame(model.columns(inputs, raw)))
        done += len(inputs)
        if progress is not None:
            progress(done, len(rows))
    features, example = None, {}
    if real and model.mean_features is not None:
        first, second = np.concatenate(real), np.concatenate(simulated)
        features = feature_metrics(first, second, model.mean_features)
        example = _example(first, second, model.mean_features, features, rows, survey)
    coverage = pd.DataFrame()
    if tables:
        target = references.get("label" if model.info.get("label") else "truth")
        if target is not None:
            coverage = coverage_table(
                pd.concat(tables, ignore_index=True), target[rows], noise[rows], list(mean)
            )
    return Found({k: np.concatenate(v) for k, v in mean.items()}, features, example, coverage)


def _example(
    real: np.ndarray,
    simulated: np.ndarray,
    mean: np.ndarray,
    found: FeatureMetrics,
    rows: np.ndarray,
    survey: Survey,
) -> dict[str, Any]:
    """The galaxy whose R² is the median: no better and no worse than most."""
    order = np.argsort(np.nan_to_num(found.galaxy, nan=-np.inf))
    row = int(order[len(order) // 2])
    return {
        "id": str(survey.catalog["id"].iloc[rows[row]]),
        "real": real[row],
        "simulated": simulated[row],
        "mean": np.asarray(mean),
        "r2": float(found.galaxy[row]),
        "r2_mean": float(found.mean_vector[row]),
    }
