"""Is this galaxy like those that the networks were trained on?

Features of training galaxies are described by a Gaussian whose covariance is
exact along the leading principal components and the same in all other
directions (probabilistic PCA, Tipping & Bishop 1999). The Mahalanobis distance
of a galaxy becomes the share of validation galaxies that are nearer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from galam_explorer.errors import GalamError

__all__ = ["OUTSIDE", "Domain", "fit_domain"]

OUTSIDE = 0.99
"""A score above it is outside the training domain."""
COMPONENTS = 64
_MOST_QUANTILES = 2001
_FEWEST = 20
_SHRINK = 1e-4


@dataclass(frozen=True, eq=False)
class Domain:
    """What features of training galaxies look like.

    Parameters
    ----------
    mean : ndarray, shape (d,), float32
    axes : ndarray, shape (k, d), float32
        Leading principal components, of unit length.
    scales : ndarray, shape (k,), float32
        Standard deviation along each.
    rest : ndarray, shape (1,), float32
        Standard deviation along any other direction.
    distances : ndarray, shape (q,), float32
        Quantiles, from the lowest to the highest, of the validation galaxies' distances.
    """

    mean: np.ndarray
    axes: np.ndarray
    scales: np.ndarray
    rest: np.ndarray
    distances: np.ndarray

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Whitened principal components, shape (n, k), float32: near is alike."""
        self._check(features)
        return ((features - self.mean) @ self.axes.T / self.scales).astype(np.float32)

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of features (n, d), shape (n,)."""
        self._check(features)
        centred = np.asarray(features, dtype=np.float32) - self.mean
        along = centred @ self.axes.T
        beside = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        return np.sqrt(((along / self.scales) ** 2).sum(axis=1) + beside / self.rest[0] ** 2)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Share of validation galaxies that are nearer, 0 to 1, shape (n,); NaN for NaN."""
        distance = self.distance(features)
        shares = np.linspace(0.0, 1.0, len(self.distances))
        found = np.interp(distance, self.distances, shares)
        return np.where(np.isfinite(distance), found, np.nan)

    def _check(self, features: np.ndarray) -> None:
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise GalamError(
                f"expected features (n, {len(self.mean)}), not {features.shape}", "domain score"
            )

    def tensors(self, name: str) -> dict[str, np.ndarray]:
        """Arrays to store, called ``NAME.mean``, ``NAME.axes`` …"""
        return {f"{name}.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, name: str, tensors: Mapping[str, np.ndarray]) -> Domain | None:
        """Read back `tensors`; None if there are none of that name.

        Raises
        ------
        GalamError
            If some are missing or do not fit together.
        """
        found = {
            field.name: tensors[f"{name}.{field.name}"]
            for field in fields(cls)
            if f"{name}.{field.name}" in tensors
        }
        if not found:
            return None
        if len(found) == len(fields(cls)):
            domain = cls(**{key: np.asarray(one, np.float32) for key, one in found.items()})
            if domain.axes.shape == (len(domain.scales), len(domain.mean)):
                return domain
        raise GalamError("statistics are missing or do not fit together", f"domain of {name}")


def fit_domain(training: np.ndarray, validation: np.ndarray) -> Domain | None:
    """Describe the training galaxies; None where there are too few to do so.

    Parameters
    ----------
    training, validation : ndarray, shape (n, d)
        Features; validation galaxies must not be among the training ones.

    Returns
    -------
    Domain or None
    """
    if len(training) < _FEWEST or len(validation) < _FEWEST:
        return None
    training = np.asarray(training, dtype=np.float64)
    mean = training.mean(axis=0)
    centred = training - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / (len(training) - 1))
    variances, axes = np.maximum(variances[::-1], 0.0), axes.T[::-1]
    kept = min(COMPONENTS, len(mean) - 1, (len(training) - 1) // 2)
    floor = max(_SHRINK * variances[0], 1e-12)
    rest = max(float(variances[kept:].mean()), floor)
    scales = np.sqrt(np.maximum(variances[:kept], rest))
    bare = Domain(
        mean.astype(np.float32),
        axes[:kept].astype(np.float32),
        scales.astype(np.float32),
        np.array([np.sqrt(rest)], np.float32),
        np.zeros(2, np.float32),
    )
    count = min(len(validation), _MOST_QUANTILES)
    distances = np.quantile(bare.distance(validation), np.linspace(0, 1, count))
    return Domain(bare.mean, bare.axes, bare.scales, bare.rest, distances.astype(np.float32))
