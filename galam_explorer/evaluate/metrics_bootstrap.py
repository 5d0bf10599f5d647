"""Intervals over galaxies and seeds: a paired, two-level bootstrap.

A draw picks galaxies with replacement, the same ones for every model, and then
seeds with replacement, the same ones for models that were trained in one run.
With few seeds the spread between them is known badly (three drawn from three
show two thirds of its variance), so it is always given beside the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import statistic

__all__ = ["Interval", "bootstrap", "bootstrap_difference"]

_CELLS = 4_000_000  # Numbers held at once.


@dataclass(frozen=True)
class Interval:
    """A statistic, averaged over seeds, and where it lies.

    Parameters
    ----------
    value : float
    low, high : float
        The central `level` of the bootstrap draws.
    seed_sd : float
        Standard deviation between seeds (ddof 1); NaN with one.
    seeds, galaxies : int
    level : float
    """

    value: float
    low: float
    high: float
    seed_sd: float
    seeds: int
    galaxies: int
    level: float = 0.95

    @property
    def clear(self) -> bool:
        """Whether zero lies outside."""
        return bool(self.low > 0 or self.high < 0)


def _rows(residual: np.ndarray, galaxies: int) -> np.ndarray:
    residual = np.atleast_2d(np.asarray(residual, float))
    if residual.ndim != 2 or residual.shape[1] != galaxies:
        raise GalamError(
            f"expected residuals (seeds, {galaxies}), not {residual.shape}", "bootstrap"
        )
    if not np.isfinite(residual).all():
        raise GalamError(
            "residuals must be finite", "bootstrap", "leave out the galaxies that lack a value"
        )
    return residual


def _draws(
    models: list[np.ndarray], reference: np.ndarray, name: str, draws: int, seed: int
) -> list[np.ndarray]:
    """The statistic of every model in every draw, each shape (draws,)."""
    function = statistic(name)
    rng = np.random.default_rng(seed)
    seeds, n = max(len(one) for one in models), len(reference)
    picked = rng.integers(0, seeds, (draws, seeds))
    values = [np.empty((draws, len(one))) for one in models]
    step = max(1, _CELLS // max(n, 1))
    for start in range(0, draws, step):
        index = rng.integers(0, n, (min(step, draws - start), n))
        again = reference[index]
        for one, value in zip(models, values, strict=True):
            for row, residual in enumerate(one):
                value[start : start + len(index), row] = function(residual[index], again)
    # A model without seeds is the same whatever seed is drawn.
    return [
        value[:, 0] if value.shape[1] == 1 else np.take_along_axis(value, picked, 1).mean(1)
        for value in values
    ]


def _interval(each: np.ndarray, drawn: np.ndarray, galaxies: int, level: float) -> Interval:
    tails = 50 * (1 - level)
    low, high = np.nanpercentile(drawn, [tails, 100 - tails])
    spread = float(np.std(each, ddof=1)) if len(each) > 1 else float("nan")
    return Interval(
        float(np.mean(each)), float(low), float(high), spread, len(each), galaxies, level
    )


def _each(residual: np.ndarray, reference: np.ndarray, name: str) -> np.ndarray:
    return statistic(name)(residual, np.broadcast_to(reference, residual.shape))


def bootstrap(
    residual: np.ndarray,
    reference: np.ndarray,
    name: str = "rmse",
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A statistic and its interval over galaxies and seeds.

    Parameters
    ----------
    residual : ndarray, shape (seeds, n) or (n,), dex
        Predicted minus reference, finite.
    reference : ndarray, shape (n,), dex
    name : str
        One of `galam_explorer.evaluate.metrics.STATISTICS`.
    draws : int
    level : float
    seed : int
        Of the draws.

    Raises
    ------
    GalamError
        On no galaxies, other shapes, values that are not finite, or an unknown name.
    """
    reference = _known(reference)
    rows = _rows(residual, len(reference))
    (drawn,) = _draws([rows], reference, name, draws, seed)
    return _interval(_each(rows, reference, name), drawn, len(reference), level)


def bootstrap_difference(
    residual: np.ndarray,
    other: np.ndarray,
    reference: np.ndarray,
    name: str = "rmse",
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    relative: bool = False,
) -> Interval:
    """Statistic of one model minus another's on the same galaxies and seeds.

    Parameters
    ----------
    residual, other : ndarray, shape (seeds, n) or (n,), dex
        Of the two models; row i of both comes from one run. A model without
        seeds has one row.
    reference, name, draws, level, seed
        As for `bootstrap`.
    relative : bool
        Divide by the other's statistic: -0.1 is 10 % below it.

    Raises
    ------
    GalamError
        As `bootstrap`, or with unequal numbers of seeds.
    """
    reference = _known(reference)
    first, second = _rows(residual, len(reference)), _rows(other, len(reference))
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise GalamError(
            f"the models have {len(first)} and {len(second)} seeds", "bootstrap",
            "compare models of the same runs",
        )  # fmt: skip
    drawn_first, drawn_second = _draws([first, second], reference, name, draws, seed)
    each_first, each_second = (_each(one, reference, name) for one in (first, second))
    each, drawn = each_first - each_second, drawn_first - drawn_second
    if relative:
        each, drawn = each / each_second, drawn / drawn_second
    return _interval(each, drawn, len(reference), level)


def _known(reference: np.ndarray) -> np.ndarray:
    reference = np.asarray(reference, float)
    if reference.ndim != 1 or not len(reference) or not np.isfinite(reference).all():
        raise GalamError("a finite reference of at least one galaxy is needed", "bootstrap")
    return reference
