"""Star-formation and enrichment histories of simulated bulges and discs.

All histories are masses formed per population of the SSP grid. The youngest
population of the grid (63 Myr) stands for everything younger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from galam_explorer.survey.ssp import load_ssp_grid

__all__ = [
    "History",
    "bulge_history",
    "disc_history",
    "mass_weights",
    "recent_star_formation",
    "stellar_metallicity",
    "young_populations",
]

_SUBSTEPS = 8
YOUNG_GYR = 0.1
"""Stars younger than this are drawn as arms and knots and light the gas."""

# Gallazzi et al. (2005, MNRAS 362, 41), Table 2, rounded: log mass, median [M/H].
_MASS_METALLICITY = np.array(
    [
        (8.0, -0.85),
        (8.9, -0.60),
        (9.5, -0.55),
        (9.9, -0.38),
        (10.3, -0.12),
        (10.7, 0.03),
        (11.1, 0.10),
        (11.5, 0.13),
        (12.0, 0.15),
    ]
).T


_KNEE, _ROOM = 0.05, 0.18


@dataclass(frozen=True, eq=False)
class History:
    """Star formation of one component on the fine lookback grid.

    Parameters
    ----------
    rate : ndarray, shape (n_fine,)
        Relative star-formation rate at the lookback times of `lookback_grid`.
    start : float
        Lookback time of the first star, Gyr.
    """

    rate: np.ndarray
    start: float


@lru_cache(maxsize=1)
def lookback_grid() -> tuple[np.ndarray, np.ndarray]:
    """Lookback times and widths (Gyr), both (n_age * 8,), inside each age's bin.

    Bins meet half-way in log age; the first starts now, the last ends at 14.5 Gyr.
    """
    log_age = np.log10(load_ssp_grid().age_gyr)
    edges = 10 ** np.concatenate([[-9], 0.5 * (log_age[1:] + log_age[:-1]), [np.log10(14.5)]])
    edges[0] = 0
    shares = np.arange(_SUBSTEPS + 1) / _SUBSTEPS
    fine = edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * shares
    return 0.5 * (fine[:, 1:] + fine[:, :-1]).ravel(), np.diff(fine, axis=1).ravel()


def _delayed(lookback: np.ndarray, start: float, timescale: float) -> np.ndarray:
    """Delayed exponential: t exp(-t / timescale) since `start`."""
    since = np.clip(start - lookback, 0, None)
    return since * np.exp(-since / timescale)


def _normalised(rate: np.ndarray, width: np.ndarray) -> np.ndarray:
    return rate / np.sum(rate * width)


def bulge_history(
    log_mass: float, quiescent: bool, oldest: float, rng: np.random.Generator
) -> History:
    """Early, short star formation; older in more massive galaxies, sometimes refreshed.

    Parameters
    ----------
    log_mass : float
        Of the galaxy; sets the mean epoch (downsizing, Thomas et al. 2010).
    quiescent : bool
    oldest : float
        Age of the universe at the redshift, Gyr.
    rng : numpy.random.Generator
    """
    lookback, width = lookback_grid()
    epoch = 7.2 + 1.6 * (np.clip(log_mass, 9, 11.6) - 10.3) + (0.6 if quiescent else -0.4)
    timescale = 10 ** rng.normal(-0.25 if quiescent else -0.05, 0.2)
    start = np.clip(epoch + rng.normal(0, 2.0) + timescale, 2.5, oldest - 0.4)
    rate = _normalised(_delayed(lookback, start, timescale), width)
    if rng.random() < (0.3 if quiescent else 0.8):
        # A little late gas: the frosting seen in many early-type galaxies.
        at = 10 ** rng.uniform(-0.9, 0.4)
        late = np.exp(-0.5 * ((np.log(lookback / at)) / 0.4) ** 2)
        share = 10 ** rng.uniform(-3.2, -1.5 if quiescent else -1.1)
        rate = (1 - share) * rate + share * _normalised(late, width)
    return History(rate, float(start))


def disc_history(
    log_mass: float, quiescent: bool, oldest: float, rng: np.random.Generator
) -> History:
    """Extended star formation with recent ups and downs, quenched in quiescent galaxies."""
    lookback, width = lookback_grid()
    start = np.clip(rng.normal(10.0, 1.8), 4.0, oldest - 0.6)
    timescale = 10 ** (0.72 - 0.22 * (np.clip(log_mass, 8.5, 11.5) - 10) + rng.normal(0, 0.18))
    rate = _delayed(lookback, start, timescale)
    for period in (2.0, 0.7, 0.15):
        factor = 10 ** rng.normal(0, 0.17)
        rate = rate * np.where(lookback < period, factor, 1.0)
    if quiescent:
        quenched = min(10 ** rng.normal(0.5, 0.22), start - 1)
    elif rng.random() < 0.09:
        quenched = 10 ** rng.uniform(-0.9, 0.1)  # green valley
    else:
        quenched = 0.0
    since = np.clip(quenched - lookback, 0, None)
    return History(_normalised(rate * np.exp(-since / 0.35), width), float(start))


def stellar_metallicity(log_mass: float, rng: np.random.Generator) -> float:
    """[M/H] of a galaxy's stars at a mass: median relation and intrinsic scatter."""
    scatter = np.interp(log_mass, [9.0, 10.0, 11.0], [0.28, 0.22, 0.12])
    drawn = np.interp(log_mass, *_MASS_METALLICITY) + rng.normal(0, scatter)
    if drawn > _KNEE:  # yields set a soft ceiling
        drawn = _KNEE + _ROOM * np.tanh((drawn - _KNEE) / _ROOM)
    return float(drawn)


def mass_weights(
    history: History, m_h: float, enrichment: float, spread: float = 0.10
) -> np.ndarray:
    """Mass formed in each population of the grid, for one solar mass in all.

    Parameters
    ----------
    history : History
    m_h : float
        Mass-weighted mean metallicity.
    enrichment : float
        Rise of [M/H] from the first star to now, dex.
    spread : float
        Gaussian spread of [M/H] at a given age, dex.

    Returns
    -------
    ndarray, shape (n_age, n_metal)
    """
    grid = load_ssp_grid()
    _, width = lookback_grid()
    mass = history.rate * width
    by_age = mass.reshape(len(grid.age_gyr), _SUBSTEPS).sum(axis=1)
    by_age = by_age / by_age.sum()
    elapsed = 1 - np.clip(grid.age_gyr / history.start, 0, 1)
    trend = m_h + enrichment * (elapsed - np.sum(by_age * elapsed))
    centre = np.clip(trend, grid.m_h[0], grid.m_h[-1])
    # Three-point Gauss-Hermite rule of the Gaussian, shared linearly between nodes
    by_metal = np.zeros(grid.shape)
    for shift, share in ((-np.sqrt(3), 1 / 6), (0, 2 / 3), (np.sqrt(3), 1 / 6)):
        by_metal += share * _node_shares(grid.m_h, centre + shift * spread)
    return by_age[:, None] * by_metal


def _node_shares(nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear shares of `values` (n,) between sorted nodes, clipped; (n, n_node)."""
    values = np.clip(values, nodes[0], nodes[-1])
    upper = np.clip(np.searchsorted(nodes, values), 1, len(nodes) - 1)
    share = (values - nodes[upper - 1]) / (nodes[upper] - nodes[upper - 1])
    shares = np.zeros((len(values), len(nodes)))
    rows = np.arange(len(values))
    shares[rows, upper - 1] = 1 - share
    shares[rows, upper] += share
    return shares


def recent_star_formation(history: History) -> float:
    """Mean rate over the last 100 Myr, solar masses a year, per solar mass formed in all."""
    lookback, width = lookback_grid()
    recent = lookback < YOUNG_GYR
    return float(np.sum((history.rate * width)[recent]) / np.sum(width[recent]) * 1e-9)


def young_populations() -> np.ndarray:
    """Which ages of the grid are younger than `YOUNG_GYR`; bool (n_age,)."""
    return load_ssp_grid().age_gyr < YOUNG_GYR
