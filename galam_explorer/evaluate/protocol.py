"""The clean protocol: one split, the same test galaxies for every model, several seeds.

Only galaxies with everything (image, spectrum, reference) are compared, so that
differences between models are differences on the same galaxies. What was left
out, and why, is counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.baselines import PhotometryBaseline
from galam_explorer.evaluate.metrics_features import FeatureMetrics
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict import load_model, model_folder
from galam_explorer.evaluate.protocol_models import run_baselines, run_model
from galam_explorer.labels import load_labels
from galam_explorer.preprocess import PreparedSample, prepare_survey
from galam_explorer.survey import load_survey
from galam_explorer.survey.store import Survey
from galam_explorer.train.data import TARGETS

__all__ = ["MODEL_NAMES", "Measured", "group_runs", "measure", "survey_of_run"]

MODEL_NAMES = {
    "mean": "mean label of the training galaxies",
    "colours": "colours (gradient boosting)",
    "photometry": "photometry (gradient boosting)",
    "m3": "image-only (M3)",
    "image_only": "image-only, as large as M2+M3+M4",
    "m4": "M4, images only at inference",
    "m4_real": "M4 with real features",
    "m1": "spectra-only (M1)",
}
"""Every model that is compared, from what knows least to what knows most."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """What the models say of the test galaxies; row i is ``ids[i]``.

    Parameters
    ----------
    survey : dict
        ``name``, ``kind``, ``path``, ``galaxies``.
    runs : list of dict
        ``name``, ``seed``, ``hash``, ``parameters`` by network, ``train``, ``network``.
    ids : ndarray of str, shape (n,)
    sn_r : ndarray, shape (n,)
    references : dict of str to ndarray, shape (n, 2)
        ``label`` and, for simulated surveys, ``truth``: log_age and m_h, dex.
    predictions : dict of str to ndarray, shape (seeds, n, 2)
        By model (keys of `MODEL_NAMES`); baselines have one row.
    features : list of FeatureMetrics
        One a run; empty without M1 and M2.
    example : dict of str to ndarray
        ``real``, ``simulated``, ``mean`` (k,) of the galaxy with the median R².
    coverage : DataFrame
        As `galam_explorer.evaluate.calibration.coverage_table`, with ``run``;
        empty without calibration.
    baselines : dict of str to PhotometryBaseline
    everyone : DataFrame
        The whole survey: ``id``, ``set``, ``log_age``, ``m_h`` (labels), ``z``, ``sn_r``,
        ``petro_mag_r``, ``log_age_std``, ``m_h_std`` where known.
    left_out : dict of str to int
        Test galaxies that are not compared, by reason.
    notes : list of str
    """

    survey: dict[str, Any]
    runs: list[dict[str, Any]]
    ids: np.ndarray
    sn_r: np.ndarray
    references: dict[str, np.ndarray]
    predictions: dict[str, np.ndarray]
    features: list[FeatureMetrics] = field(default_factory=list)
    example: dict[str, Any] = field(default_factory=dict)
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    baselines: dict[str, PhotometryBaseline] = field(default_factory=dict)
    everyone: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def residuals(self, model: str, reference: str, target: int) -> np.ndarray:
        """Predicted minus reference, shape (seeds, n), dex."""
        return self.predictions[model][..., target] - self.references[reference][:, target]


def survey_of_run(run: str | Path) -> Survey:
    """The survey that a run was trained on.

    Raises
    ------
    GalamError
        If the run does not say, or the survey is gone.
    """
    path = Path(run).expanduser() / "run.json"
    try:
        where = json.loads(path.read_text(encoding="utf-8"))["survey"]["path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(
            "this does not say which survey it was trained on", path, "give --survey"
        ) from error
    return load_survey(where)


def group_runs(runs: Sequence[str | Path]) -> list[list[str | Path]]:
    """Sort runs into groups of equal networks, the first run's group first.

    Raises
    ------
    GalamError
        If one of them has no model.
    """
    groups: dict[str, list[str | Path]] = {}
    for run in runs:
        info = json.loads((model_folder(run) / "model.json").read_text(encoding="utf-8"))
        groups.setdefault(json.dumps(info["network"], sort_keys=True), []).append(run)
    return list(groups.values())


def _same(models: Sequence[Model]) -> None:
    """Seeds can be compared only if all but the seed is equal."""
    first = models[0]
    for other in models[1:]:
        for what, one, two in (
            ("split", first.split and first.split.hash, other.split and other.split.hash),
            ("preprocessing", first.preprocess, other.preprocess),
            ("labels", first.info.get("label"), other.info.get("label")),
            ("networks", first.network, other.network),
        ):
            if one != two:
                raise GalamError(
                    f"has another {what} than {first.name}", other.name,
                    "evaluate together only runs that differ by their seed",
                )  # fmt: skip


def _labels(survey: Survey, model: Model, notes: list[str]) -> pd.DataFrame:
    """Labels in catalogue order; NaN where there are none."""
    columns = [*TARGETS, "log_age_std", "m_h_std"]
    empty = pd.DataFrame(np.nan, index=range(len(survey)), columns=columns)
    fields = model.info.get("label")
    if fields is None:
        notes.append("The models learned the simulation's truth: there is no label.")
        return empty
    try:
        table = load_labels(survey, LabelConfig.from_dict(fields)).table
    except GalamError as error:
        notes.append(f"No labels: {error}")
        return empty
    good = table[table["status"] == "ok"].drop_duplicates("id").set_index("id")
    return good.reindex(survey.ids)[columns].reset_index(drop=True).astype(float)


def _everyone(survey: Survey, sets: np.ndarray, labels: pd.DataFrame) -> pd.DataFrame:
    columns = ["id", "z", "sn_r", "petro_mag_r"]
    table = survey.catalog[columns].reset_index(drop=True)
    table["set"] = sets
    for name in labels:
        table[name] = labels[name].to_numpy()
    return table


def _sets(model: Model, survey: Survey, notes: list[str]) -> np.ndarray:
    sets = model.splits_of(survey)
    if not (sets != "").any():
        notes.append("None of these galaxies was in the training survey: all of them test.")
        return np.full(len(survey), "test", dtype="<U10")
    return sets


def _test_rows(
    sample: PreparedSample, sets: np.ndarray, references: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, int]]:
    """Rows of test galaxies that have everything; the others counted by reason."""
    status = sample.status
    test = sets == "test"
    left, keep = {}, test.copy()
    for name, good in (
        ("no usable image", (status["image_status"] == "ok").to_numpy()),
        ("no usable spectrum", (status["spectrum_status"] == "ok").to_numpy()),
        *((f"no {name}", np.isfinite(v).all(axis=1)) for name, v in references.items()),
    ):
        left[name] = int((keep & ~good).sum())
        keep &= good
    return np.flatnonzero(keep), {name: count for name, count in left.items() if count}


def measure(
    runs: Sequence[str | Path],
    survey: Survey | None = None,
    photometry: bool = True,
    progress: Progress | None = None,
) -> Measured:
    """Run every model on the test galaxies of a survey.

    Parameters
    ----------
    runs : sequence of str or Path
        Run or model folders that differ by their seed.
    survey : Survey, optional
        The one that they were trained on by default.
    photometry : bool
        Measure the cutouts and fit the baselines (kept in the survey's cache).
    progress : callable, optional
        ``progress(done, total)`` in galaxies; starts anew for each step.

    Returns
    -------
    Measured

    Raises
    ------
    GalamError
        If the runs differ by more than the seed, or no galaxy is left.
    """
    if not runs:
        raise GalamError("no run was given", "evaluate")
    models = [load_model(run) for run in runs]
    _same(models)
    survey = survey_of_run(runs[0]) if survey is None else survey
    notes: list[str] = []
    sample = prepare_survey(survey, models[0].preprocess, progress=progress)
    labels, sets = _labels(survey, models[0], notes), _sets(models[0], survey, notes)
    everyone = _everyone(survey, sets, labels)
    references = _references(survey, labels)
    rows, left_out = _test_rows(sample, sets, references)
    if not len(rows):
        why = ", ".join(f"{count} have {name}" for name, count in left_out.items())
        raise GalamError(f"no test galaxy is left ({why or 'the set is empty'})", survey.path)
    baselines, predictions = {}, {}
    if photometry:
        baselines, predictions = run_baselines(
            survey, models[0], everyone, references, rows, notes, progress
        )
    found = [run_model(model, survey, sample, rows, references, progress) for model in models]
    for name in MODEL_NAMES:
        if all(name in one.mean for one in found):
            predictions[name] = np.stack([one.mean[name] for one in found])
    frames = [
        one.coverage.assign(run=model.name)
        for one, model in zip(found, models, strict=True)
        if len(one.coverage)
    ]
    return Measured(
        survey={"name": survey.name, "kind": survey.kind, "path": str(survey.path),
                "galaxies": len(survey), "preprocess": asdict(models[0].preprocess)},
        runs=[_about(model) for model in models],
        ids=np.asarray(survey.ids, dtype=str)[rows],
        sn_r=survey.column("sn_r")[rows].astype(float),
        references={name: value[rows] for name, value in references.items()},
        predictions={name: predictions[name] for name in MODEL_NAMES if name in predictions},
        features=[one.features for one in found if one.features is not None],
        example=found[0].example,
        coverage=pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(),
        baselines=baselines,
        everyone=everyone,
        left_out=left_out,
        notes=notes,
    )  # fmt: skip


def _references(survey: Survey, labels: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    values = labels[list(TARGETS)].to_numpy(float)
    if np.isfinite(values).any():
        found["label"] = values
    columns = [f"true_{name}" for name in TARGETS]
    if set(columns) <= set(survey.catalog.columns):
        truth = survey.catalog[columns].to_numpy(float)
        # Demo surveys hold a few real galaxies too, which have no truth.
        if np.isfinite(truth).all(axis=1).any():
            found["truth"] = truth
    if not found:
        raise GalamError("there is neither a label nor a truth", survey.path, "run `galam label`")
    return found


def _about(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "seed": model.info["train"]["seed"],
        "hash": model.hash,
        "parameters": {k: v["parameters"] for k, v in model.info["networks"].items()},
        "network": model.info["network"],
        "train": model.info["train"],
        "path": str(model.path),
    }
