"""Intervals hold what they promise: on average, and where noise or the value changes."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.calibration import (
    LEVELS,
    Calibration,
    Term,
    conformal_quantile,
    coverage_table,
    fit_calibration,
    fit_quantile,
)
from galam_explorer.evaluate.predict_table import calibration_variables, interval_columns


def population(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Labels whose scatter depends on S/N and on the value, with a spread that misses both."""
    sn = np.clip(rng.lognormal(2.8, 0.4, n), 5, 80)
    age = rng.uniform(8.5, 10.1, n)
    scatter = 0.03 + 1.0 / sn * (1 + 2 * (age < 9.2))
    mean = np.stack([age, rng.uniform(-1, 0.3, n)], axis=1)
    # Heavier tails than a Gaussian's, so that 68 % and 90 % need factors of their own.
    labels = mean + scatter[:, None] * rng.standard_t(3, (n, 2))
    spread = np.full((n, 2), 0.1) * rng.uniform(0.8, 1.2, (n, 1))
    return {"sn": sn, "mean": mean, "labels": labels, "spread": spread}


def calibrated(data: dict[str, np.ndarray], name: str = "m1") -> Calibration:
    variables = calibration_variables(data["mean"], data["sn"])
    residual = data["mean"] - data["labels"]
    return fit_calibration({name: residual}, {name: data["spread"]}, {name: variables}, "truth")


def coverage(data: dict[str, np.ndarray], calibration: Calibration, name: str) -> pd.DataFrame:
    columns = interval_columns(name, data["mean"], data["spread"], data["sn"], calibration)
    return coverage_table(pd.DataFrame(columns), data["labels"], data["sn"], [name])


def test_coverage_holds_in_every_bin_of_noise_and_age() -> None:
    rng = np.random.default_rng(1)
    calibration = calibrated(population(rng, 4000))
    table = coverage(population(rng, 40_000), calibration, "m1")
    assert len(table) == 2 * 2 * (1 + 6 + 3)
    off = (table["coverage"] - table["level"]).abs()
    assert off[table["bin"] == "all"].max() < 0.02
    assert off.max() < 0.05


def test_one_factor_for_all_would_not_do() -> None:
    """The same data with constant quantiles fail: the test above can."""
    rng = np.random.default_rng(1)
    fitted, measured = population(rng, 4000), population(rng, 40_000)
    variables = {"m1": {"sn_r": np.full(4000, np.nan)}}
    residual = {"m1": fitted["mean"] - fitted["labels"]}
    plain = fit_calibration(residual, {"m1": fitted["spread"]}, variables, "truth")
    table = coverage(measured, plain, "m1")
    off = (table["coverage"] - table["level"]).abs()
    assert off[table["bin"] == "all"].max() < 0.02
    assert off.max() > 0.1


def test_the_finite_sample_correction_covers_at_least_its_level() -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(4000):
        scores = rng.exponential(size=31)
        covered.append(scores[-1] <= conformal_quantile(scores[:-1], 0.9))
    assert np.mean(covered) == pytest.approx(28 / 31, abs=0.02)  # ⌈31·0.9⌉/31, not 27/30
    with pytest.raises(GalamError, match="5 galaxies are too few"):
        conformal_quantile(np.ones(5), 0.9)


def test_few_galaxies_get_one_factor_and_too_few_get_none() -> None:
    rng = np.random.default_rng(3)
    few = calibrated(population(rng, 60))
    assert all(not one.terms for one in few.quantiles.values())
    # For galaxies with known S/N, and for the others.
    assert len(few.quantiles) == 2 * 2 * len(LEVELS)
    none = calibrated(population(rng, 15))
    assert not none.quantiles
    assert "15 validation galaxies" in none.notes[0]
    data = population(rng, 5)
    made = interval_columns("m1", data["mean"], data["spread"], data["sn"], none)
    assert np.isnan(made["m1_log_age_lo68"]).all()
    np.testing.assert_array_equal(made["m1_log_age"], data["mean"][:, 0])


def test_galaxies_without_a_spectrum_have_quantiles_of_their_own() -> None:
    """Their coverage holds on average though the noise of their labels is unknown."""
    rng = np.random.default_rng(4)
    calibration = calibrated(population(rng, 4000), "m4")
    data = population(rng, 40_000)
    blind = data | {"sn": np.full(40_000, np.nan)}
    table = coverage(blind, calibration, "m4")
    off = (table["coverage"] - table["level"]).abs()
    assert set(table["bin"]) == {"all", "age third 1", "age third 2", "age third 3"}
    assert off[table["bin"] == "all"].max() < 0.02
    assert off.max() < 0.05
    known = coverage(data, calibration, "m4")
    assert (known["coverage"] - known["level"]).abs().max() < 0.05


def test_intervals_nest_and_unknown_noise_gets_an_average() -> None:
    rng = np.random.default_rng(5)
    calibration = calibrated(population(rng, 2000))
    data = population(rng, 2000)
    made = interval_columns("m1", data["mean"], data["spread"], data["sn"], calibration)
    for target in ("log_age", "m_h"):
        inner = made[f"m1_{target}_hi68"] - made[f"m1_{target}_lo68"]
        outer = made[f"m1_{target}_hi90"] - made[f"m1_{target}_lo90"]
        assert (outer >= inner).all()
        assert (inner > 0).all()
    unknown = np.full(2000, np.nan)
    average = interval_columns("m1", data["mean"], data["spread"], unknown, calibration)
    width = average["m1_log_age_hi68"] - average["m1_log_age_lo68"]
    known = made["m1_log_age_hi68"] - made["m1_log_age_lo68"]
    assert known.min() < np.median(width) < known.max()


def test_unknown_labels_and_spreads_do_not_count() -> None:
    rng = np.random.default_rng(6)
    data = population(rng, 500)
    clean = calibrated(data)
    dirty = {name: np.concatenate([one, one[:40]]) for name, one in data.items()}
    dirty["labels"][500:] = np.nan
    again = calibrated(dirty)
    assert again.galaxies == clean.galaxies == {"m1": 500}
    assert again.quantiles == clean.quantiles


def test_a_calibration_survives_json() -> None:
    rng = np.random.default_rng(7)
    calibration = calibrated(population(rng, 800))
    text = json.dumps(calibration.to_json(), allow_nan=False)
    back = Calibration.from_json(json.loads(text))
    assert back.quantiles == calibration.quantiles
    assert back.target == "truth"
    with pytest.raises(GalamError, match="cannot be read"):
        Calibration.from_json({"networks": {"m1": {"log_age": {"68": {"level": 0.68}}}}})


def test_the_quantile_follows_a_known_shape() -> None:
    """Exponential scores of scale s(x) have the quantile s(x)·ln(1/(1 - level))."""
    rng = np.random.default_rng(8)
    x = rng.uniform(0, 1, 6000)
    found = fit_quantile(np.exp(2 * x) * rng.exponential(size=len(x)), {"log_age": x}, 0.9)
    grid = np.linspace(0.05, 0.95, 10)
    wanted = np.exp(2 * grid) * np.log(10)
    np.testing.assert_allclose(found({"log_age": grid}), wanted, rtol=0.12)


def test_a_term_is_flat_beyond_its_nodes_and_zero_where_unknown() -> None:
    term = Term("sn_r", (5.0, 10.0), (0.2, -0.4))
    values = term(np.array([1.0, 5.0, 7.5, 10.0, 99.0, np.nan]))
    np.testing.assert_allclose(values, [0.2, 0.2, -0.1, -0.4, -0.4, 0.0])
