"""What a trained model still lacks: calibrated intervals and its training domain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from galam_explorer.evaluate.domain_image import fit_image_domain, pixel_statistics
from galam_explorer.evaluate.metrics_features import r2_per_feature
from galam_explorer.evaluate.model import BATCH, Model
from galam_explorer.evaluate.predict import from_files, model_folder
from galam_explorer.evaluate.predict_forward import run_networks
from galam_explorer.evaluate.predict_inputs import sample_batches
from galam_explorer.evaluate.predict_survey import known_noise
from galam_explorer.evaluate.predict_table import calibration_variables, interval_columns
from galam_explorer.labels import load_labels
from galam_explorer.networks.blocks import Network
from galam_explorer.preprocess import load_prepared
from galam_explorer.survey import load_survey
from galam_explorer.survey.store import Survey
from galam_explorer.train.release import ModelFiles, read_model_folder, write_model_folder

__all__ = ["finish_model", "reference_labels"]

Progress = Callable[[int, int], None]
_TRAINING_ROWS = 6000
"""So many training galaxies describe the domain; more hardly change it."""


@dataclass(frozen=True, eq=False)
class _Run:
    """What the networks say of some galaxies, and their labels, row by row."""

    labels: np.ndarray
    sn_r: np.ndarray
    mean: Mapping[str, np.ndarray]
    spread: Mapping[str, np.ndarray]
    features: Mapping[str, np.ndarray]


def finish_model(
    source: str | Path,
    survey: Survey | None = None,
    progress: Progress | None = None,
    calibrate_on: Sequence[Survey] = (),
    measure_on: Sequence[Survey] = (),
) -> Model:
    """Calibrate a trained model and describe its training domain; writes its folder.

    Intervals are calibrated on the validation galaxies; their coverage on the
    test galaxies is measured and stored with them (``calibration.coverage``).
    Some hundred galaxies in a bin of S/N leave several per cent to chance: further
    surveys that no network has seen make both better.

    Parameters
    ----------
    source : str or Path
        A run or model folder.
    survey : Survey, optional
        The one it was trained on; the run's own by default.
    progress : callable, optional
        ``progress(done, total)`` in galaxies.
    calibrate_on, measure_on : sequence of Survey
        Further galaxies, all of each survey, prepared and labelled like the
        training survey and disjoint from it and from each other.

    Returns
    -------
    Model

    Raises
    ------
    GalamError
        If the survey is not the model's, one is not prepared or labelled (any
        more), galaxies would be used twice, or the folder cannot be written.
    """
    folder = model_folder(source)
    files = read_model_folder(folder)
    if files.split is None:
        raise GalamError("this model does not know its split", folder, "train it again")
    survey = _run_survey(folder) if survey is None else survey
    model = from_files(files)
    rows = _rows_by_set(model, files, survey)
    _check_disjoint([survey, *calibrate_on, *measure_on])
    chosen = np.random.default_rng(0).permutation(rows["train"])[:_TRAINING_ROWS]
    more = [*calibrate_on, *measure_on]
    counts = [len(chosen), len(rows["validation"]), len(rows["test"]), *map(len, more)]
    report = _Steps(progress, sum(counts))
    only = {k: n for k, n in model.networks.items() if k in _domain_networks(model)}
    train = _run(model, files, survey, np.sort(chosen), report, only)
    validation, test = (
        _run(model, files, survey, rows[name], report) for name in ("validation", "test")
    )
    further = [_run(model, files, one, np.arange(len(one)), report) for one in more]
    seen, unseen = further[: len(calibrate_on)], further[len(calibrate_on) :]
    target = str(files.info.get("target", "label"))
    calibration = _calibrate(_joined([validation, *seen]), target)
    described = calibration.to_json() | {
        "coverage": _coverage(_joined([test, *unseen]), calibration),
        "further": {"calibrate": _names(calibrate_on), "measure": _names(measure_on)},
    }
    statistics = dict(files.statistics) | _statistics(train, validation)
    written = write_model_folder(
        folder,
        files.info | {"calibration": described},
        files.weights,
        statistics,
        files.split,
        files.info["precision"],
    )
    return from_files(written)


def _check_disjoint(surveys: Sequence[Survey]) -> None:
    """Raise `GalamError` if two surveys share a galaxy."""
    seen: set[str] = set()
    for survey in surveys:
        ids = set(survey.ids)
        if both := seen & ids:
            text = f"{len(both)} galaxies are in another of the surveys, {min(both)} for one"
            raise GalamError(text, survey.path, "calibrate and measure on different galaxies")
        seen |= ids


def _names(surveys: Sequence[Survey]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "galaxies": len(one), "provenance": one.provenance} for one in surveys
    ]


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
    files: ModelFiles,
    survey: Survey,
    rows: np.ndarray,
    report: Callable[[int], None],
    networks: Mapping[str, Network] | None = None,
) -> _Run:
    sample = load_prepared(survey, files.preprocess)
    noise = np.full(len(sample), np.nan)
    noise[rows] = known_noise(survey, rows)
    mean: dict[str, list] = {}
    spread: dict[str, list] = {}
    features: dict[str, list] = {}
    used = model.networks if networks is None else networks
    for inputs in sample_batches(sample, noise, rows, BATCH):
        raw = run_networks(used, model.network, model.scaling, inputs, model.device)
        for name in raw.mean:
            mean.setdefault(name, []).append(raw.mean[name])
            spread.setdefault(name, []).append(raw.spread[name])
        for kind in ("real", "simulated", "image"):
            found = getattr(raw, kind)
            if found is None:
                found = np.full((len(inputs), 1024), np.nan, np.float32)
            features.setdefault(kind, []).append(found)
        features.setdefault("pixels", []).append(pixel_statistics(inputs.images))
        report(len(inputs))
    joined = ({k: np.concatenate(v) for k, v in one.items()} for one in (mean, spread, features))
    return _Run(reference_labels(survey, files)[rows], noise[rows], *joined)


def _joined(runs: Sequence[_Run]) -> _Run:
    """Several surveys as one; without features."""

    def every(part: str) -> dict[str, np.ndarray]:
        names = getattr(runs[0], part)
        return {name: np.concatenate([getattr(one, part)[name] for one in runs]) for name in names}

    labels = np.concatenate([one.labels for one in runs])
    sn_r = np.concatenate([one.sn_r for one in runs])
    return _Run(labels, sn_r, every("mean"), every("spread"), {})


def _calibrate(run: _Run, target: str) -> Calibration:
    return fit_calibration(
        {name: mean - run.labels for name, mean in run.mean.items()},
        run.spread,
        {name: calibration_variables(mean, run.sn_r) for name, mean in run.mean.items()},
        target,
    )


def _coverage(run: _Run, calibration: Calibration) -> list[dict[str, Any]]:
    """Coverage on the test galaxies, as JSON rows."""
    columns: dict[str, np.ndarray] = {}
    for name, mean in run.mean.items():
        columns |= interval_columns(name, mean, run.spread[name], run.sn_r, calibration)
    table = coverage_table(pd.DataFrame(columns), run.labels, run.sn_r, list(run.mean))
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].round(5)
    return table.to_dict("records")


def _finite(features: np.ndarray) -> np.ndarray:
    return features[np.isfinite(features[:, 0])]


def _statistics(train: _Run, validation: _Run) -> dict[str, torch.Tensor]:
    """Domains of spectra and images, and the R² of each simulated feature."""
    found: dict[str, np.ndarray] = {}
    spectrum = fit_domain(*(_finite(one.features["real"]) for one in (train, validation)))
    image = fit_image_domain(
        *((one.features["image"], one.features["pixels"]) for one in (train, validation))
    )
    if spectrum is not None:
        found |= spectrum.tensors("spectrum")
    if image is not None:
        found |= image.tensors()
    if {"real", "simulated"} <= set(validation.features):
        real, simulated = (validation.features[name] for name in ("real", "simulated"))
        both = np.isfinite(real[:, 0]) & np.isfinite(simulated[:, 0])
        if both.sum() > 1:
            score = r2_per_feature(real[both].astype(float), simulated[both].astype(float))
            found["feature_r2"] = score.astype(np.float32)
    return {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in found.items()}
