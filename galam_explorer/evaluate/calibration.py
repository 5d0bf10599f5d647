"""Intervals that hold what they promise: learned spread × a conformal quantile.

A network gives a mean and a spread; ``score = |label - mean| / spread`` on the
validation galaxies says how far the spread can be trusted. The quantile of the
score is modelled by quantile regression on piecewise linear functions of the
signal-to-noise of the spectrum and of the predicted values, so that it holds not
only on average (Romano, Patterson & Candès 2019); a last factor with the
finite-sample correction of split conformal prediction (Lei et al. 2018) makes
it hold on average.

What an interval covers is the label that the galaxy's spectrum gives, whose
noise depends on that spectrum's S/N even if the network saw only the image.
Galaxies whose S/N is unknown (those without a spectrum) have quantiles of their
own, fitted without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.calibration_quantiles import (
    LEVELS,
    TARGETS,
    WITH_SN,
    Calibration,
    Quantile,
    Term,
)
from galam_explorer.labels.dispersion import SN_EDGES

__all__ = [
    "LEVELS",
    "TARGETS",
    "Calibration",
    "Quantile",
    "Term",
    "conformal_quantile",
    "coverage_table",
    "fit_calibration",
]

FEWEST = 20
"""Without so many validation galaxies there are no intervals."""
_PER_NODE = 150
_MOST_NODES = 5
_PER_SN_BIN = 60
_FLOOR = 1e-6


def conformal_quantile(scores: np.ndarray, level: float) -> float:
    """The ⌈(n + 1)·level⌉-th smallest score: covers a new one with at least that chance.

    Raises
    ------
    GalamError
        With so few scores that none does.
    """
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
    if rank > len(scores):
        raise GalamError(f"{len(scores)} galaxies are too few for {100 * level:.0f} % intervals")
    return float(np.partition(scores, rank - 1)[rank - 1])


def fit_calibration(
    residuals: Mapping[str, np.ndarray],
    spreads: Mapping[str, np.ndarray],
    variables: Mapping[str, Mapping[str, np.ndarray]],
    target: str,
) -> Calibration:
    """Calibrate every network on validation galaxies.

    Parameters
    ----------
    residuals, spreads : mapping of str to ndarray, shape (n, 2)
        By network: prediction - label and learned spread, dex.
    variables : mapping of str to mapping
        By network: the variables that its quantile may depend on, each (n,).
    target : {"label", "truth"}

    Returns
    -------
    Calibration
    """
    quantiles, galaxies, notes = {}, {}, []
    for network, residual in residuals.items():
        good = np.isfinite(residual).all(axis=1) & (spreads[network] > 0).all(axis=1)
        galaxies[network] = int(good.sum())
        if galaxies[network] < FEWEST:
            notes.append(
                f"{network} has no intervals: {galaxies[network]} validation galaxies, "
                f"at least {FEWEST} are needed"
            )
            continue
        known = {name: np.asarray(v, float)[good] for name, v in variables[network].items()}
        for column, name in enumerate(TARGETS):
            scores = np.abs(residual[good, column]) / spreads[network][good, column]
            blind = {key: one for key, one in known.items() if key != "sn_r"}
            seen = np.isfinite(known["sn_r"])
            with_sn = {key: one[seen] for key, one in known.items()}
            for level in LEVELS:
                quantiles[network, name, level] = fit_quantile(scores, blind, level)
                if seen.sum() >= FEWEST:
                    key = WITH_SN.format(network), name, level
                    quantiles[key] = fit_quantile(scores[seen], with_sn, level)
    return Calibration(target, galaxies, quantiles, tuple(notes))


def fit_quantile(scores: np.ndarray, variables: Mapping[str, np.ndarray], level: float) -> Quantile:
    """Quantile of `scores` as a smooth function of `variables`.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Not negative.
    variables : mapping of str to ndarray, shape (n,)
        NaN where unknown.
    level : float
    """
    # Predicting needs no scikit-learn, and this module comes with every model.
    from sklearn.linear_model import QuantileRegressor

    bases = {name: _basis(name, values) for name, values in variables.items()}
    bases = {name: one for name, one in bases.items() if one is not None}
    terms: tuple[Term, ...] = ()
    if bases:
        # Logarithms keep the order, so their quantile is the quantile's logarithm.
        design = np.hstack([hats for _, hats, _ in bases.values()])
        fit = QuantileRegressor(quantile=level, alpha=0.0, solver="highs-ipm")
        fit.fit(design, np.log(np.maximum(scores, _FLOOR)))
        terms = _terms(bases, fit.coef_)
    shape = Quantile(level, 1.0, terms)
    ratio = scores / shape(variables) if terms else scores
    return Quantile(level, conformal_quantile(ratio, level), terms)


Basis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _basis(name: str, values: np.ndarray) -> Basis | None:
    """Nodes, centred hat functions (n, k - 1) and their means; None if there is too little."""
    known = np.isfinite(values)
    nodes = _sn_nodes(values[known]) if name == "sn_r" else _even_nodes(values[known])
    if len(nodes) < 2:
        return None
    hats = np.stack([np.interp(values, nodes, row) for row in np.eye(len(nodes))[1:]], axis=1)
    means = hats[known].mean(axis=0)
    return nodes, np.where(known[:, None], hats - means, 0.0), means


def _even_nodes(values: np.ndarray) -> np.ndarray:
    """About as many galaxies between any two nodes."""
    count = min(len(values) // _PER_NODE + 1, _MOST_NODES)
    return (
        np.unique(np.quantile(values, np.linspace(0.02, 0.98, count))) if count > 1 else values[:0]
    )


def _sn_nodes(sn: np.ndarray) -> np.ndarray:
    """The median of each of the paper's bins that holds enough galaxies."""
    members = [sn[(sn >= low) & (sn < high)] for low, high in itertools.pairwise(SN_EDGES)]
    return np.unique([np.median(one) for one in members if len(one) >= _PER_SN_BIN])


def _terms(bases: Mapping[str, Basis], coefficients: np.ndarray) -> tuple[Term, ...]:
    terms, start = [], 0
    for name, (nodes, _, means) in bases.items():
        part = coefficients[start : start + len(means)]
        start += len(means)
        logs = np.concatenate([[0.0], part]) - means @ part
        terms.append(Term(name, tuple(map(float, nodes)), tuple(map(float, logs))))
    return tuple(terms)


def coverage_table(
    predictions: pd.DataFrame, labels: np.ndarray, sn_r: np.ndarray, networks: Sequence[str]
) -> pd.DataFrame:
    """Share of galaxies inside their intervals, in all and in bins.

    Parameters
    ----------
    predictions : DataFrame
        As `galam_explorer.evaluate.predict.Model.predict` gives it.
    labels : ndarray, shape (n, 2)
        What the intervals should hold, row by row; NaN rows are left out.
    sn_r : ndarray, shape (n,)
    networks : sequence of str

    Returns
    -------
    DataFrame
        ``network``, ``target``, ``level``, ``bin`` (``all``, ``S/N 5-10``, …,
        ``age third 1``, …), ``galaxies``, ``coverage``, ``error`` (binomial
        standard error), ``width`` (median full width, dex).
    """
    rows = []
    for network in networks:
        age = predictions[f"{network}_log_age"].to_numpy(float)
        for column, target in enumerate(TARGETS):
            for level in LEVELS:
                name = f"{network}_{target}"
                low = predictions[f"{name}_lo{100 * level:.0f}"].to_numpy(float)
                high = predictions[f"{name}_hi{100 * level:.0f}"].to_numpy(float)
                value = labels[:, column]
                good = np.isfinite(low) & np.isfinite(value)
                inside = (value >= low) & (value <= high)
                for title, chosen in _bins(age, sn_r, good):
                    if count := int(chosen.sum()):
                        share = float(inside[chosen].mean())
                        error = float(np.sqrt(max(level * (1 - level), 1e-9) / count))
                        width = float(np.median((high - low)[chosen]))
                        rows.append((network, target, level, title, count, share, error, width))
    columns = ["network", "target", "level", "bin", "galaxies", "coverage", "error", "width"]
    return pd.DataFrame(rows, columns=columns)


def _bins(age: np.ndarray, sn_r: np.ndarray, good: np.ndarray) -> list[tuple[str, np.ndarray]]:
    bins = [("all", good)]
    for low, high in itertools.pairwise(SN_EDGES):
        title = f"S/N {low:g}-{high:g}" if np.isfinite(high) else f"S/N ≥ {low:g}"
        bins.append((title, good & (sn_r >= low) & (sn_r < high)))
    if good.any():
        edges = np.quantile(age[good], [1 / 3, 2 / 3])
        third = np.digitize(age, edges)
        bins += [(f"age third {k + 1}", good & (third == k)) for k in range(3)]
    return bins
