"""What the networks have to beat: gradient boosting on photometry, and the mean.

The networks' image is cropped and resized, so it holds neither magnitude nor
size; the baseline has both. Its colours alone are the fairer rival of a network
that sees the crop, so both are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.baselines_photometry import PHOTOMETRY

__all__ = ["SETS_OF_PHOTOMETRY", "PhotometryBaseline", "fit_photometry", "mean_prediction"]

COLOURS = ("g_r", "r_i", "g_r_fibre", "r_i_fibre", "g_r_outer", "r_i_outer")
SETS_OF_PHOTOMETRY: dict[str, tuple[str, ...]] = {
    "photometry": tuple(PHOTOMETRY),
    "colours": (*COLOURS, "concentration", "axis_ratio"),
}
"""``photometry``: all that is measured. ``colours``: what the cropped image holds too."""

_RATES = (0.03, 0.1)
_LEAVES = (7, 15, 31)
_FEWEST = 20


@dataclass(frozen=True, eq=False)
class PhotometryBaseline:
    """Boosted trees from photometry to age and metallicity.

    Parameters
    ----------
    columns : tuple of str
    models : tuple
        One regressor for ``log_age``, one for ``m_h``.
    choices : tuple of dict
        Learning rate, leaves and trees that the validation galaxies chose, for each.
    importance : DataFrame
        ``column``, ``log_age``, ``m_h``: rise of the validation RMSE (dex) when
        that column is shuffled.
    """

    columns: tuple[str, ...]
    models: tuple[HistGradientBoostingRegressor, ...]
    choices: tuple[dict[str, float], ...]
    importance: pd.DataFrame = field(repr=False)

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """``log_age`` and ``m_h`` of rows of photometry, shape (n, 2); NaN without any."""
        values = table[list(self.columns)].to_numpy(float)
        found = np.column_stack([model.predict(values) for model in self.models])
        found[~np.isfinite(values).any(axis=1)] = np.nan
        return found


def _fit_one(
    x: np.ndarray, y: np.ndarray, x_valid: np.ndarray, y_valid: np.ndarray
) -> tuple[HistGradientBoostingRegressor, dict[str, float]]:
    """The best of a small grid on the validation galaxies, which also stop it early."""
    best, best_error = None, np.inf
    for rate in _RATES:
        for leaves in _LEAVES:
            model = HistGradientBoostingRegressor(
                learning_rate=rate,
                max_leaf_nodes=leaves,
                max_iter=1000,
                min_samples_leaf=min(20, max(2, len(y) // 20)),
                early_stopping=True,
                n_iter_no_change=20,
                random_state=0,
            )
            model.fit(x, y, X_val=x_valid, y_val=y_valid)
            error = float(np.mean((model.predict(x_valid) - y_valid) ** 2))
            if error < best_error:
                best, best_error = model, error
    chosen = {
        "learning_rate": best.learning_rate,
        "leaves": best.max_leaf_nodes,
        "trees": best.n_iter_,
        "validation_rmse": float(np.sqrt(best_error)),
    }
    return best, chosen


def _importance(
    models: list[HistGradientBoostingRegressor],
    columns: tuple[str, ...],
    x: np.ndarray,
    y: np.ndarray,
) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    rises = np.empty((len(columns), 2))
    for target, model in enumerate(models):
        plain = np.sqrt(np.mean((model.predict(x) - y[:, target]) ** 2))
        for column in range(len(columns)):
            shuffled = x.copy()
            shuffled[:, column] = x[order, column]
            error = np.sqrt(np.mean((model.predict(shuffled) - y[:, target]) ** 2))
            rises[column, target] = error - plain
    return pd.DataFrame({"column": columns, "log_age": rises[:, 0], "m_h": rises[:, 1]})


def fit_photometry(
    table: pd.DataFrame,
    labels: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    columns: tuple[str, ...] = SETS_OF_PHOTOMETRY["photometry"],
) -> PhotometryBaseline:
    """Fit the baseline on the networks' own training and validation galaxies.

    Parameters
    ----------
    table : DataFrame
        Photometry of n galaxies, as `measure_survey` gives it; NaN allowed.
    labels : ndarray, shape (n, 2), dex
        ``log_age`` and ``m_h``; rows that are not finite are not used.
    train, validation : ndarray, shape (n,), bool
    columns : tuple of str
        What the trees may see.

    Returns
    -------
    PhotometryBaseline

    Raises
    ------
    GalamError
        With fewer than 20 usable galaxies in either set, or unknown columns.
    """
    if unknown := [name for name in columns if name not in table.columns]:
        raise GalamError(
            f"no photometry {unknown[0]!r}", "baseline", f"use {', '.join(PHOTOMETRY)}"
        )
    x, y = table[list(columns)].to_numpy(float), np.asarray(labels, float)
    usable = np.isfinite(y).all(axis=1) & np.isfinite(x).any(axis=1)
    train, validation = train & usable, validation & usable
    for name, rows in (("training", train), ("validation", validation)):
        if rows.sum() < _FEWEST:
            raise GalamError(
                f"{int(rows.sum())} {name} galaxies have photometry and a label",
                "baseline",
                f"at least {_FEWEST} are needed",
            )
    fits = [_fit_one(x[train], y[train, i], x[validation], y[validation, i]) for i in range(2)]
    models, choices = zip(*fits, strict=True)
    importance = _importance(list(models), tuple(columns), x[validation], y[validation])
    return PhotometryBaseline(tuple(columns), models, choices, importance)


def mean_prediction(labels: np.ndarray, train: np.ndarray, n: int) -> np.ndarray:
    """The training galaxies' mean label for everyone, shape (n, 2): the floor of skill."""
    known = np.asarray(labels, float)[train]
    return np.broadcast_to(known[np.isfinite(known).all(axis=1)].mean(axis=0), (n, 2))
