"""Metrics against closed forms and scikit-learn; what the bootstrap's intervals mean."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import (
    legacy_clip,
    regression_metrics,
    scatter_by_sn,
    statistic,
)
from galam_explorer.evaluate.metrics_bootstrap import bootstrap, bootstrap_difference
from galam_explorer.evaluate.metrics_features import feature_metrics


def gaussian(n: int = 200_000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_metrics_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(9.5, 0.4, 500)
    predicted = reference + rng.normal(0.05, 0.2, 500)
    found = regression_metrics(predicted, reference)
    assert found["mse"] == pytest.approx(mean_squared_error(reference, predicted))
    assert found["mae"] == pytest.approx(mean_absolute_error(reference, predicted))
    assert found["r2"] == pytest.approx(r2_score(reference, predicted))
    assert found["bias"] == pytest.approx((predicted - reference).mean())
    assert found["mse"] == pytest.approx(found["bias"] ** 2 + found["sd"] ** 2)
    assert found["n"] == 500


def test_gaussian_residuals_have_the_known_scatter() -> None:
    found = regression_metrics(0.2 * gaussian(), np.zeros(200_000))
    assert found["nmad"] == pytest.approx(0.2, rel=0.01)
    # P(|x| > 0.3) at sigma 0.2.
    assert found["outliers"] == pytest.approx(0.1336, abs=0.003)
    assert np.isnan(found["r2"])  # a constant reference has no variance to explain


def test_the_published_clip_is_1_8_sigma() -> None:
    """It drops 7 % of Gaussian residuals and shrinks their SD to 0.835."""
    residual = gaussian()
    kept = legacy_clip(residual)
    assert np.abs(residual[kept]).max() == pytest.approx(1.81, abs=0.01)
    assert 1 - kept.mean() == pytest.approx(0.0704, abs=0.002)
    assert residual[kept].std() == pytest.approx(0.835, abs=0.004)
    found = regression_metrics(residual, np.zeros_like(residual))
    assert found["legacy_sd"] == pytest.approx(residual[kept].std())
    assert found["legacy_kept"] == pytest.approx(kept.mean())


def test_missing_values_are_left_out_and_counted() -> None:
    predicted = np.array([9.0, np.nan, 9.5, 9.7])
    reference = np.array([9.1, 9.2, np.nan, 9.7])
    found = regression_metrics(predicted, reference)
    assert (found["n"], found["left_out"]) == (2, 2)
    assert found["bias"] == pytest.approx(-0.05)
    none = regression_metrics(np.full(3, np.nan), np.zeros(3))
    assert none["n"] == 0
    assert np.isnan(none["rmse"])


def test_bins_of_sn_are_the_papers() -> None:
    sn = np.array([4.9, 5.0, 9.99, 10.0, 29.9, 30.0, 200.0])
    table = scatter_by_sn(np.arange(7.0), np.zeros(7), sn)
    assert table["n"].tolist() == [2, 1, 0, 0, 1, 2]
    assert table["sn_high"].iloc[-1] == np.inf
    assert table["bias"].iloc[0] == pytest.approx(1.5)


def test_the_interval_of_a_mean_is_the_analytic_one() -> None:
    residual = 0.1 + 0.3 * gaussian(2500, seed=3)
    found = bootstrap(residual, np.zeros(2500), "bias", draws=2000)
    half = 1.96 * residual.std() / np.sqrt(2500)
    assert found.value == pytest.approx(residual.mean())
    assert found.high - found.value == pytest.approx(half, rel=0.1)
    assert found.value - found.low == pytest.approx(half, rel=0.1)
    assert np.isnan(found.seed_sd)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for trial in range(200):
        found = bootstrap(rng.normal(0, 1, 150), np.zeros(150), "rmse", 300, 0.9, seed=trial)
        hits += found.low <= 1.0 <= found.high
    assert 0.82 <= hits / 200 <= 0.96


def test_seeds_widen_the_interval() -> None:
    galaxies = gaussian(4000, seed=5)
    scale = np.array([0.9, 1.0, 1.1])[:, None]
    one = bootstrap(galaxies, np.zeros(4000), "rmse")
    three = bootstrap(scale * galaxies, np.zeros(4000), "rmse")
    assert three.value == pytest.approx(one.value, rel=1e-6)
    assert three.seed_sd == pytest.approx(0.1 * one.value, rel=1e-6)
    assert three.high - three.low > 2 * (one.high - one.low)


def test_pairing_sees_small_differences() -> None:
    """A model that is 3 % worse on every galaxy: clear when paired, lost when not."""
    better = gaussian(1500, seed=6)
    worse = 1.03 * better
    paired = bootstrap_difference(better, worse, np.zeros(1500), relative=True)
    assert paired.value == pytest.approx(1 / 1.03 - 1)
    assert paired.clear
    assert paired.high < 0
    unpaired = bootstrap_difference(better, 1.03 * gaussian(1500, seed=7), np.zeros(1500))
    assert unpaired.high - unpaired.low > 20 * (paired.high - paired.low)


def test_a_model_without_seeds_compares_with_one_that_has_them() -> None:
    seeds = np.stack([gaussian(800, seed=seed) for seed in (8, 9, 10)])
    found = bootstrap_difference(seeds, 1.5 * seeds[0], np.zeros(800))
    assert found.clear
    assert found.seeds == 3
    assert found.value == pytest.approx(-0.5, abs=0.06)
    same = bootstrap_difference(seeds, seeds, np.zeros(800))
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert not same.clear


def test_bad_input_is_named() -> None:
    with pytest.raises(GalamError, match="no metric is called 'sdd'"):
        statistic("sdd")
    with pytest.raises(GalamError, match="at least one galaxy"):
        bootstrap(np.empty(0), np.empty(0))
    with pytest.raises(GalamError, match="finite"):
        bootstrap(np.array([1.0, np.nan]), np.zeros(2))
    with pytest.raises(GalamError, match="2 and 3 seeds"):
        bootstrap_difference(np.zeros((2, 5)), np.zeros((3, 5)), np.zeros(5))
    with pytest.raises(GalamError, match="one length"):
        regression_metrics(np.zeros(3), np.zeros(4))
    with pytest.raises(GalamError, match="fit together"):
        feature_metrics(np.zeros((4, 8)), np.zeros((4, 8)), np.zeros(7))


def test_the_mean_vector_scores_high_within_galaxies_and_zero_across() -> None:
    """Why the published R² of features says little alone."""
    rng = np.random.default_rng(11)
    shape = rng.uniform(0, 1, 64)
    own = rng.normal(0, 0.05, (400, 64))
    real = shape + own
    mean = real.mean(0)
    plain = feature_metrics(real, np.broadcast_to(mean, real.shape), mean)
    assert plain.galaxy.mean() > 0.95
    np.testing.assert_allclose(plain.galaxy, plain.mean_vector)
    np.testing.assert_allclose(plain.skill, 0, atol=1e-12)
    np.testing.assert_allclose(plain.feature, 0, atol=1e-12)
    half = feature_metrics(real, shape + 0.5 * own, mean)
    assert half.summary()["skill_over_mean_vector"] == pytest.approx(0.75, abs=0.02)
    assert np.median(half.feature) == pytest.approx(0.75, abs=0.02)
    assert half.galaxy.mean() > plain.galaxy.mean()


def test_features_that_never_vary_do_not_count() -> None:
    real = np.random.default_rng(12).uniform(size=(50, 6))
    real[:, 2] = 0.0
    found = feature_metrics(real, real, real.mean(0))
    assert np.isnan(found.feature[2])
    assert found.summary()["features"] == 5
    assert found.summary()["r2_feature_median"] == 1
