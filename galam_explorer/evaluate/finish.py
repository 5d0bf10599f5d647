"""What a trained model still lacks: calibrated intervals and its training domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.calibration import (
    TARGETS,
    Calibration,
    coverage_table,
    fit_calibration,
)
from galam_explorer.evaluate.domain import fit_domain
from galam_explorer.evaluate.metrics_features import r2_per_feature
from galam_explorer.evaluate.model import BATCH, Model
from galam_explorer.evaluate.predict import from_files, model_folder
from galam_explorer.evaluate.predict_forward import run_networks
from galam_explorer.evaluate.predict_inputs import sample_batches
from galam_explorer.evaluate.predict_survey import known_noise
from galam_explorer.evaluate.predict_table import calibration_variables, interval_columns
from galam_explorer.labels import load_labels
from galam_explorer.networks.blocks import Network
from galam_explorer.preprocess import PreparedSample, load_prepared
from galam_explorer.survey import load_survey
from galam_explorer.survey.store import Survey
from galam_explorer.train.release import ModelFiles, read_model_folder, write_model_folder

__all__ = ["finish_model", "reference_labels"]

Progress = Callable[[int, int], None]
_TRAINING_ROWS = 6000
"""So many training galaxies describe the domain; more hardly change it."""


@dataclass(frozen=True, eq=False)
class _Run:
    """What the networks say of some galaxies, row by row."""

    rows: np.ndarray
    sn_r: np.ndarray
    mean: Mapping[str, np.ndarray]
    spread: Mapping[str, np.ndarray]
    features: Mapping[str, np.ndarray]


def finish_model(
    source: str | Path,
    survey: Survey | None = None,
    progress: Progress | None = None,
) -> Model:
    """Calibrate a trained model and describe its training domain; writes its folder.

    Intervals are calibrated on the validation galaxies; their coverage on the
    test galaxies is measured and stored with them (``calibration.coverage``).

    Parameters
    ----------
    source : str or Path
        A run or model folder.
    survey : Survey, optional
        The one it was trained on; the run's own by default.
    progress : callable, optional
        ``progress(done, total)`` in galaxies.

    Returns
    -------
    Model

    Raises
    ------
    GalamError
        If the survey is not the model's, is not prepared or labelled any more,
        or the folder cannot be written.
    """
    folder = model_folder(source)
    files = read_model_folder(folder)
    if files.split is None:
        raise GalamError("this model does not know its split", folder, "train it again")
    survey = _run_survey(folder) if survey is None else survey
    model = from_files(files)
    rows = _rows_by_set(model, files, survey)
    labels = reference_labels(survey, files)
    sample = load_prepared(survey, files.preprocess)
    chosen = np.random.default_rng(0).permutation(rows["train"])[:_TRAINING_ROWS]
    counts = [len(chosen), len(rows["validation"]), len(rows["test"])]
    report = _Steps(progress, sum(counts))
    only = {k: n for k, n in model.networks.items() if k in _domain_networks(model)}
    train = _run(model, only, survey, sample, np.sort(chosen), report)
    validation, test = (
        _run(model, model.networks, survey, sample, rows[name], report)
        for name in ("validation", "test")
    )
    calibration = _calibrate(validation, labels, str(files.info.get("target", "label")))
    coverage = _coverage(test, labels, calibration)
    statistics = dict(files.statistics) | _statistics(train, validation)
    info = files.info | {"calibration": calibration.to_json() | {"coverage": coverage}}
    written = write_model_folder(
        folder, info, files.weights, statistics, files.split, files.info["precision"]
    )
    return from_files(written)


class _Steps:
    """Adds up progress over several passes."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self, count: int) -> None:
        self.done += count
        if self.progress is not None:
            self.progress(self.done, self.total)


def _run_survey(folder: Path) -> Survey:
    """The survey that the run around a model folder names."""
    path = folder.parent / "run.json"
    try:
        return load_survey(json.loads(path.read_text(encoding="utf-8"))["survey"]["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(
            "the run does not say which survey it was trained on", path, "name the survey"
        ) from error


def reference_labels(survey: Survey, files: ModelFiles) -> np.ndarray:
    """What the model was trained to predict: labels, or the simulated truth.

    Returns
    -------
    ndarray, shape (n, 2)
        ``log_age``, ``m_h`` in catalogue order; NaN where there is none.

    Raises
    ------
    GalamError
        If the survey has none.
    """
    if files.label is None:
        return np.stack([survey.column(f"true_{name}").astype(float) for name in TARGETS], axis=1)
    table = load_labels(survey, files.label).table
    good = table[table["status"] == "ok"].drop_duplicates("id").set_index("id")
    return good.reindex(survey.ids)[list(TARGETS)].to_numpy(dtype=float)


def _rows_by_set(model: Model, files: ModelFiles, survey: Survey) -> dict[str, np.ndarray]:
    sets = model.splits_of(survey)
    rows = {name: np.flatnonzero(sets == name) for name in files.split.counts}
    wanted = files.split.counts
    if any(len(rows[name]) != wanted[name] for name in rows):
        raise GalamError(
            "this is not the survey that the model was trained on", survey.path, "name that one"
        )
    return rows


def _domain_networks(model: Model) -> set[str]:
    image = "m3" if "m3" in model.networks else "image_only"
    return {"m1", image}


def _run(
    model: Model,
    networks: Mapping[str, Network],
    survey: Survey,
    sample: PreparedSample,
    rows: np.ndarray,
    report: Callable[[int], None],
) -> _Run:
    noise = np.full(len(sample), np.nan)
    noise[rows] = known_noise(survey, rows)
    mean: dict[str, list] = {}
    spread: dict[str, list] = {}
    features: dict[str, list] = {}
    for inputs in sample_batches(sample, noise, rows, BATCH):
        raw = run_networks(networks, model.network, model.scaling, inputs, model.device)
        for name in raw.mean:
            mean.setdefault(name, []).append(raw.mean[name])
            spread.setdefault(name, []).append(raw.spread[name])
        for kind in ("real", "simulated", "image"):
            found = getattr(raw, kind)
            if found is None:
                found = np.full((len(inputs), 1024), np.nan, np.float32)
            features.setdefault(kind, []).append(found)
        report(len(inputs))
    joined = ({k: np.concatenate(v) for k, v in one.items()} for one in (mean, spread, features))
    return _Run(rows, noise[rows], *joined)


def _calibrate(run: _Run, labels: np.ndarray, target: str) -> Calibration:
    return fit_calibration(
        {name: mean - labels[run.rows] for name, mean in run.mean.items()},
        run.spread,
        {name: calibration_variables(name, mean, run.sn_r) for name, mean in run.mean.items()},
        target,
    )


def _coverage(run: _Run, labels: np.ndarray, calibration: Calibration) -> list[dict[str, Any]]:
    """Coverage on the test galaxies, as JSON rows."""
    columns: dict[str, np.ndarray] = {}
    for name, mean in run.mean.items():
        columns |= interval_columns(name, mean, run.spread[name], run.sn_r, calibration)
    table = coverage_table(pd.DataFrame(columns), labels[run.rows], run.sn_r, list(run.mean))
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].round(5)
    return table.to_dict("records")


def _finite(features: np.ndarray) -> np.ndarray:
    return features[np.isfinite(features[:, 0])]


def _statistics(train: _Run, validation: _Run) -> dict[str, torch.Tensor]:
    """Domains of spectra and images, and the R² of each simulated feature."""
    found: dict[str, np.ndarray] = {}
    for kind, name in (("spectrum", "real"), ("image", "image")):
        if name in train.features and name in validation.features:
            domain = fit_domain(_finite(train.features[name]), _finite(validation.features[name]))
            if domain is not None:
                found |= domain.tensors(kind)
    if {"real", "simulated"} <= set(validation.features):
        real, simulated = (validation.features[name] for name in ("real", "simulated"))
        both = np.isfinite(real[:, 0]) & np.isfinite(simulated[:, 0])
        if both.sum() > 1:
            score = r2_per_feature(real[both].astype(float), simulated[both].astype(float))
            found["feature_r2"] = score.astype(np.float32)
    return {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in found.items()}
