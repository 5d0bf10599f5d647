"""How well M2's simulated features meet M1's (paper Sect. 4.2.2).

The published R² runs over the 1024 features of one galaxy. Most of its variance
is the difference between features, which every galaxy shares: the mean vector
of the training galaxies, the same for all, scores nearly as high. So that
baseline always stands beside it, and the R² of each feature across galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galam_explorer.errors import GalamError

__all__ = ["FeatureMetrics", "feature_metrics", "r2_per_feature", "r2_per_galaxy"]


@dataclass(frozen=True, eq=False)
class FeatureMetrics:
    """Quality of simulated features.

    Parameters
    ----------
    galaxy : ndarray, shape (n,)
        R² within each galaxy over its features (the paper's).
    mean_vector : ndarray, shape (n,)
        The same when the training galaxies' mean vector is the prediction.
    skill : ndarray, shape (n,)
        1 - squared error / squared error of the mean vector, within each galaxy.
    feature : ndarray, shape (k,)
        R² of each feature across galaxies; NaN for a feature that does not vary.
    """

    galaxy: np.ndarray
    mean_vector: np.ndarray
    skill: np.ndarray
    feature: np.ndarray

    def summary(self) -> dict[str, float]:
        """Averages and medians for tables."""
        varying = self.feature[np.isfinite(self.feature)]
        some = len(varying) > 0
        return {
            "galaxies": len(self.galaxy),
            "r2_galaxy_mean": float(np.nanmean(self.galaxy)),
            "r2_mean_vector_mean": float(np.nanmean(self.mean_vector)),
            "skill_over_mean_vector": float(np.nanmean(self.skill)),
            "features": len(varying),
            "r2_feature_median": float(np.median(varying)) if some else float("nan"),
            "r2_feature_p10": float(np.percentile(varying, 10)) if some else float("nan"),
            "r2_feature_p90": float(np.percentile(varying, 90)) if some else float("nan"),
            "features_below_zero": float(np.mean(varying < 0)) if some else float("nan"),
        }


def _ratio(error: np.ndarray, total: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, 1.0 - error / total, np.nan)


def r2_per_galaxy(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """R² over the features of each galaxy, the paper's definition.

    Parameters
    ----------
    real : ndarray, shape (n, k)
    simulated : ndarray, shape (n, k) or (k,)

    Returns
    -------
    ndarray, shape (n,)
    """
    about = real - real.mean(axis=1, keepdims=True)
    return _ratio(((real - simulated) ** 2).sum(axis=1), (about**2).sum(axis=1))


def r2_per_feature(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """R² of each feature across galaxies, shape (k,); NaN where `real` is constant."""
    about = real - real.mean(axis=0)
    return _ratio(((real - simulated) ** 2).sum(axis=0), (about**2).sum(axis=0))


def feature_metrics(
    real: np.ndarray, simulated: np.ndarray, mean_features: np.ndarray
) -> FeatureMetrics:
    """Compare simulated features with real ones.

    Parameters
    ----------
    real, simulated : ndarray, shape (n, k)
        M1's and M2's, each galaxy normalised to [0, 1].
    mean_features : ndarray, shape (k,)
        Mean of the *training* galaxies' real features.

    Raises
    ------
    GalamError
        If the shapes do not fit, or there are no galaxies.
    """
    real, simulated = np.asarray(real, np.float64), np.asarray(simulated, np.float64)
    mean_features = np.asarray(mean_features, np.float64)
    fits = real.ndim == 2 and real.shape == simulated.shape and len(real) > 0
    if not fits or mean_features.shape != real.shape[1:]:
        raise GalamError(
            f"real {real.shape}, simulated {simulated.shape} and mean {mean_features.shape} "
            "features do not fit together",
            "features",
        )
    error = ((real - simulated) ** 2).sum(axis=1)
    plain = ((real - mean_features) ** 2).sum(axis=1)
    return FeatureMetrics(
        galaxy=r2_per_galaxy(real, simulated),
        mean_vector=r2_per_galaxy(real, mean_features),
        skill=_ratio(error, plain),
        feature=r2_per_feature(real, simulated),
    )
