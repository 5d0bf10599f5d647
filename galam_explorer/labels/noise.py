"""Noise draws of a spectrum and what they say about the labels (paper Sect. 4.3, Eq. 12)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from galam_explorer.config import LabelConfig
from galam_explorer.labels.fit_input import FitInput
from galam_explorer.records import StellarPopulation

__all__ = ["noise_draws", "with_draws"]


def noise_draws(data: FitInput, config: LabelConfig) -> np.ndarray:
    """Gaussian noise to add to the flux, shape (draws, n); 0 where a pixel is not used.

    A galaxy's noise depends on the seed and its id alone, so that both engines,
    and any number of workers, see the same.
    """
    digest = hashlib.sha256(f"{config.seed}:{data.id}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    noise = rng.standard_normal((config.draws, len(data)))
    return noise * np.where(data.good, data.error, 0.0)


def with_draws(result: StellarPopulation, labels: np.ndarray) -> StellarPopulation:
    """Add the labels of the draws, shape (draws, 2), their deviations and covariance.

    Draws that could not be fitted are NaN and do not count; fewer than two leave NaN.
    """
    known = labels[np.isfinite(labels).all(1)]
    covariance = np.cov(known.T) if len(known) > 1 else np.full((2, 2), np.nan)
    return replace(
        result,
        log_age_std=float(np.sqrt(covariance[0, 0])),
        m_h_std=float(np.sqrt(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
        draws=labels,
    )
