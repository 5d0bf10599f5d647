"""Calibrated predictions as columns of a table, and as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from galam_explorer.evaluate.calibration import LEVELS, TARGETS, Calibration
from galam_explorer.evaluate.domain import OUTSIDE, Domain
from galam_explorer.evaluate.domain_image import ImageDomain
from galam_explorer.evaluate.metrics_features import r2_per_galaxy
from galam_explorer.evaluate.predict_forward import Raw
from galam_explorer.evaluate.predict_inputs import Inputs
from galam_explorer.records import Prediction

__all__ = [
    "calibration_variables",
    "describe_column",
    "interval_columns",
    "prediction_columns",
    "records",
]

Columns = dict[str, np.ndarray]
Domains = Mapping[str, Domain | ImageDomain]
_NOT_FINITE = "the network gave no finite number"


def prediction_columns(
    raw: Raw,
    inputs: Inputs,
    calibration: Calibration | None,
    domains: Domains,
    mean_features: np.ndarray | None,
) -> Columns:
    """Everything that the table of predictions says of a batch.

    Parameters
    ----------
    raw : Raw
    inputs : Inputs
    calibration : Calibration, optional
        Without it intervals are NaN.
    domains : mapping of str to Domain or ImageDomain
        ``spectrum`` and ``image``; scores without are NaN.
    mean_features : ndarray, shape (1024,), optional
        Mean normalised M1 features of training galaxies.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``id``; for each predictor ``X_status``, ``X_log_age``, ``X_log_age_lo68``,
        ``X_log_age_hi68``, ``…90``, the same for ``m_h``, and ``X_domain``; then
        ``m2_r2`` and ``m2_r2_mean``.
    """
    columns: Columns = {"id": np.asarray(inputs.ids, dtype=object)}
    scores = _scores(raw, inputs, domains)
    for name, mean in raw.mean.items():
        columns[f"{name}_status"] = _status(name, inputs, mean)
        columns |= interval_columns(name, mean, raw.spread[name], inputs.sn_r, calibration)
        columns[f"{name}_domain"] = np.where(
            np.isfinite(mean[:, 0]), _score_of(name, scores, len(inputs)), np.nan
        )
    unknown = np.full(len(inputs), np.nan)
    if raw.real is not None and raw.simulated is not None:
        columns["m2_r2"] = r2_per_galaxy(raw.real, raw.simulated)
        both = np.isfinite(columns["m2_r2"])
        mean_r2 = unknown if mean_features is None else r2_per_galaxy(raw.real, mean_features)
        columns["m2_r2_mean"] = np.where(both, mean_r2, np.nan)
    else:
        columns["m2_r2"] = columns["m2_r2_mean"] = unknown
    return columns


def interval_columns(
    name: str,
    mean: np.ndarray,
    spread: np.ndarray,
    sn_r: np.ndarray,
    calibration: Calibration | None,
) -> Columns:
    """Values and ends of the intervals of one predictor.

    Parameters
    ----------
    name : str
    mean, spread : ndarray, shape (n, 2)
    sn_r : ndarray, shape (n,)
        Of the spectrum; NaN where unknown.
    calibration : Calibration, optional
    """
    columns: Columns = {}
    variables = calibration_variables(mean, sn_r)
    for column, target in enumerate(TARGETS):
        value = mean[:, column]
        widths = [np.full(len(value), np.nan)] * len(LEVELS)
        if calibration is not None:
            widths = calibration.half_widths(name, target, spread[:, column], variables)
        columns[f"{name}_{target}"] = value
        for level, width in zip(LEVELS, widths, strict=True):
            columns[f"{name}_{target}_lo{100 * level:.0f}"] = value - width
            columns[f"{name}_{target}_hi{100 * level:.0f}"] = value + width
    return columns


def calibration_variables(mean: np.ndarray, sn_r: np.ndarray) -> Columns:
    """What the intervals of a predictor may depend on; `sn_r` is NaN where unknown."""
    known = {"sn_r": np.asarray(sn_r, dtype=float)}
    return known | {target: mean[:, column] for column, target in enumerate(TARGETS)}


def _scores(raw: Raw, inputs: Inputs, domains: Domains) -> Columns:
    scores: Columns = {}
    if raw.real is not None and (spectrum := domains.get("spectrum")) is not None:
        scores["spectrum"] = spectrum.score(raw.real)
    if raw.image is not None and (image := domains.get("image")) is not None:
        scores["image"] = image.score(raw.image, inputs.images)
    return scores


def _score_of(name: str, scores: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """The score of what a predictor looks at; of both inputs the stranger one."""
    kinds = {"m1": ("spectrum",), "m4_real": ("spectrum", "image")}.get(name, ("image",))
    found = [scores[kind] for kind in kinds if kind in scores]
    return np.max(found, axis=0) if len(found) == len(kinds) else np.full(count, np.nan)


def _status(name: str, inputs: Inputs, mean: np.ndarray) -> np.ndarray:
    status = [reason[0] for reason in _reasons(name, inputs, mean)]
    return np.asarray(status, dtype=object)


def _reasons(name: str, inputs: Inputs, mean: np.ndarray) -> list[tuple[str, str]]:
    """``(status, reason)`` of a predictor for each galaxy."""
    image = list(zip(inputs.image_status, inputs.image_reason, strict=True))
    spectrum = list(zip(inputs.spectrum_status, inputs.spectrum_reason, strict=True))
    chosen = spectrum if name == "m1" else image
    if name == "m4_real":
        chosen = [a if a[0] != "ok" else b for a, b in zip(image, spectrum, strict=True)]
    finite = np.isfinite(mean).all(axis=1)
    return [
        ("not_finite", _NOT_FINITE) if one[0] == "ok" and not fine else one
        for one, fine in zip(chosen, finite, strict=True)
    ]


def records(
    columns: Columns, inputs: Inputs, raw: Raw, row: int, names: Sequence[str]
) -> dict[str, Prediction]:
    """One `Prediction` by predictor for one row."""
    made = {}
    for name in names:
        status, reason = _reasons(name, inputs, raw.mean[name])[row]
        values = {
            f"{target}_{100 * level:.0f}": (
                float(columns[f"{name}_{target}_lo{100 * level:.0f}"][row]),
                float(columns[f"{name}_{target}_hi{100 * level:.0f}"][row]),
            )
            for target in TARGETS
            for level in LEVELS
        }
        score = float(columns[f"{name}_domain"][row])
        made[name] = Prediction(
            id=str(columns["id"][row]),
            model=name,
            log_age=float(columns[f"{name}_log_age"][row]),
            m_h=float(columns[f"{name}_m_h"][row]),
            domain_score=score,
            in_domain=not score > OUTSIDE,
            status=status,
            reason=reason,
            **values,
        )
    return made


_UNITS = {"log_age": "dex(yr)", "m_h": "dex"}
_WHAT = {"log_age": "light-weighted log10(age/yr)", "m_h": "light-weighted [M/H]"}
_MODELS = {
    "m1": "M1 (spectrum)",
    "m3": "M3 (image)",
    "m4": "M4 (image and features simulated from it)",
    "m4_real": "M4 with real features (image and spectrum)",
    "image_only": "image-only network",
}


def describe_column(name: str) -> tuple[str, str]:
    """Unit in astropy's notation ("" for none) and definition of a column."""
    fixed = {
        "id": "Galaxy",
        "split": "Set of the training that the galaxy was in; empty for none",
        "m2_r2": "R2 of simulated against real features within the galaxy",
        "m2_r2_mean": "The same for the mean features of training galaxies",
    }
    if name in fixed:
        return "", fixed[name]
    model = next((one for one in sorted(_MODELS, key=len)[::-1] if name.startswith(one)), "")
    rest = name.removeprefix(f"{model}_")
    who = _MODELS.get(model, model)
    if rest == "status":
        return "", f"ok, or why {who} has no prediction"
    if rest == "domain":
        return "", f"{who}: share of validation galaxies nearer to the training domain"
    target = next((one for one in TARGETS if rest.startswith(one)), "")
    if not target:
        return "", name
    bound = rest.removeprefix(target).strip("_")
    text = f"{who}: {_WHAT[target]}"
    if bound:
        text += f", {'lower' if bound[:2] == 'lo' else 'upper'} end of the {bound[2:]} % interval"
    return _UNITS[target], text
