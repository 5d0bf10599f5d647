"""How well predictions meet labels or truth (paper Sect. 4.1), and how sure we are of it.

Residuals are predicted minus reference, in dex. Nothing is clipped, except in
`legacy_clip` and what is named after it, which repeat the published evaluation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.labels.dispersion import SN_EDGES

__all__ = [
    "DEFINITIONS",
    "OUTLIER_DEX",
    "STATISTICS",
    "legacy_clip",
    "regression_metrics",
    "scatter_by_sn",
    "statistic",
]

OUTLIER_DEX = 0.3
"""A residual above it, a factor of two, is an outlier."""

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]

DEFINITIONS = {
    "mse": ("dex2", "mean squared residual (paper Eq. 9)"),
    "rmse": ("dex", "square root of the mean squared residual"),
    "mae": ("dex", "mean absolute residual (paper Eq. 10)"),
    "bias": ("dex", "mean residual, predicted minus reference"),
    "sd": ("dex", "standard deviation of the residuals, nothing clipped"),
    "nmad": ("dex", "1.4826 times the median absolute deviation of the residuals"),
    "r2": ("", "1 - residual sum of squares / sum of squares about the mean reference"),
    "outliers": ("", f"share of residuals above {OUTLIER_DEX} dex"),
    "legacy_sd": ("dex", "standard deviation after the published clip, 3 std(|residual|)"),
    "legacy_kept": ("", "share of galaxies that the published clip keeps"),
}
"""Unit and definition of every metric."""


def legacy_clip(residual: np.ndarray) -> np.ndarray:
    """Which residuals the published evaluation keeps, bool of the same shape.

    The paper says 3 sigma; its code cuts at three times the standard deviation
    of the *absolute* residuals, which for Gaussian residuals is 1.8 sigma.

    Parameters
    ----------
    residual : ndarray, shape (..., n), dex
        The clip is worked out along the last axis.
    """
    size = np.abs(residual)
    cut = 3.0 * size.std(axis=-1, keepdims=True)
    # Residuals of one size, or a single one, have no spread to stand out of.
    return (size <= cut) | (cut == 0)


def _r2(residual: np.ndarray, reference: np.ndarray) -> np.ndarray:
    about = reference - reference.mean(-1, keepdims=True)
    total = (about**2).mean(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, 1.0 - (residual**2).mean(-1) / total, np.nan)


def _nmad(residual: np.ndarray, _reference: np.ndarray) -> np.ndarray:
    centre = np.median(residual, axis=-1, keepdims=True)
    return 1.4826 * np.median(np.abs(residual - centre), axis=-1)


def _legacy_sd(residual: np.ndarray, _reference: np.ndarray) -> np.ndarray:
    kept = legacy_clip(residual)
    count = kept.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a large bias leaves nothing
        mean = (residual * kept).sum(-1) / count
        square = (residual**2 * kept).sum(-1) / count
    return np.sqrt(np.maximum(square - mean**2, 0.0))


STATISTICS: dict[str, Statistic] = {
    "mse": lambda residual, _: (residual**2).mean(-1),
    "rmse": lambda residual, _: np.sqrt((residual**2).mean(-1)),
    "mae": lambda residual, _: np.abs(residual).mean(-1),
    "bias": lambda residual, _: residual.mean(-1),
    "sd": lambda residual, _: residual.std(-1),
    "nmad": _nmad,
    "r2": _r2,
    "outliers": lambda residual, _: (np.abs(residual) > OUTLIER_DEX).mean(-1),
    "legacy_sd": _legacy_sd,
    "legacy_kept": lambda residual, _: legacy_clip(residual).mean(-1),
}
"""Name to ``f(residual (..., n), reference (..., n)) -> (...)``."""


def statistic(name: str) -> Statistic:
    """One of `STATISTICS`.

    Raises
    ------
    GalamError
        If there is none of that name.
    """
    if name not in STATISTICS:
        raise GalamError(f"no metric is called {name!r}", "metrics", f"use {', '.join(STATISTICS)}")
    return STATISTICS[name]


def regression_metrics(predicted: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """All metrics of one quantity over one set of galaxies.

    Parameters
    ----------
    predicted, reference : ndarray, shape (n,), dex
        Galaxies where either is not finite are left out, and counted.

    Returns
    -------
    dict
        ``n``, ``left_out`` and the keys of `DEFINITIONS`; all NaN without galaxies.

    Raises
    ------
    GalamError
        If the shapes differ.
    """
    predicted, reference = np.asarray(predicted, float), np.asarray(reference, float)
    if predicted.shape != reference.shape or predicted.ndim != 1:
        raise GalamError(
            f"expected two lists of one length, not {predicted.shape} and {reference.shape}",
            "metrics",
        )
    known = np.isfinite(predicted) & np.isfinite(reference)
    counts = {"n": int(known.sum()), "left_out": int((~known).sum())}
    if not known.any():
        return counts | dict.fromkeys(STATISTICS, float("nan"))
    reference = reference[known]
    residual = predicted[known] - reference
    return counts | {name: float(f(residual, reference)) for name, f in STATISTICS.items()}


def scatter_by_sn(
    predicted: np.ndarray,
    reference: np.ndarray,
    sn: np.ndarray,
    edges: Sequence[float] = SN_EDGES,
) -> pd.DataFrame:
    """Metrics of one quantity in bins of S/N (paper Sect. 4.3, Fig. 16).

    Parameters
    ----------
    predicted, reference, sn : ndarray, shape (n,)
    edges : sequence of float
        Bins include their lower edge.

    Returns
    -------
    DataFrame
        One row a bin: ``sn_low``, ``sn_high``, ``n``, ``left_out`` and the metrics.
    """
    sn = np.asarray(sn, float)
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = (sn >= low) & (sn < high)
        found = regression_metrics(np.asarray(predicted)[inside], np.asarray(reference)[inside])
        rows.append({"sn_low": float(low), "sn_high": float(high), **found})
    return pd.DataFrame(rows)
