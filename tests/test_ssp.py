"""The shipped SSP grid: contents, interpolation, magnitudes, agreement with MILES."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.survey.ssp import (
    GRID_PATH,
    ab_magnitudes,
    air_to_vacuum,
    load_ssp_grid,
    ssp_magnitudes,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def grid():
    return load_ssp_grid()


def test_covers_what_the_simulation_needs(grid):
    assert GRID_PATH.stat().st_size < 5_000_000
    assert grid.age_gyr[0] <= 0.064
    assert grid.age_gyr[-1] == 14
    assert grid.m_h[0] <= -1.7
    assert grid.m_h[-1] >= 0.3
    assert len(grid.m_h) >= 6
    assert grid.wavelength_air[0] <= 2000
    assert grid.wavelength_air[-1] >= 11000
    assert np.all(np.diff(grid.wavelength_air) > 0)
    sharp = (grid.wavelength_air > 3545) & (grid.wavelength_air < 7400)
    np.testing.assert_allclose(np.diff(grid.wavelength_air[sharp]), 0.9, atol=1e-6)
    assert np.all(np.isfinite(grid.flux))
    assert np.all(grid.flux > 0)
    assert np.all((grid.living_mass > 0.3) & (grid.living_mass < 1))


def test_has_the_nodes_of_the_papers_templates(grid):
    for age in (0.0631, 0.1259, 0.2512, 0.5012, 1.0, 1.9953, 3.9811, 7.9433):
        assert np.min(np.abs(grid.age_gyr / age - 1)) < 1e-3
    for m_h in (-1.71, -0.71, 0.0, 0.22):
        assert m_h in grid.m_h


def test_file_is_the_one_described():
    text = (GRID_PATH.parent / "PROVENANCE.md").read_text()
    stated = re.search(r"`([0-9a-f]{64})`", text).group(1)
    assert hashlib.sha256(GRID_PATH.read_bytes()).hexdigest() == stated


def test_arrays_cannot_be_changed(grid):
    with pytest.raises(ValueError, match="read-only"):
        grid.flux[0, 0, 0] = 1


def test_interpolation(grid):
    np.testing.assert_allclose(grid.spectrum(1.0, 0.0), grid.flux[12, 5], rtol=1e-6)
    assert grid.age_gyr[12] == 1.0
    assert grid.m_h[5] == 0.0
    weights = grid.weights(3.0, -0.3)
    assert weights.sum() == pytest.approx(1)
    assert np.all(weights >= 0)
    assert np.sum(weights.sum(axis=1) * grid.log_age) == pytest.approx(np.log10(3e9))
    assert np.sum(weights.sum(axis=0) * grid.m_h) == pytest.approx(-0.3)


@pytest.mark.parametrize(("age", "m_h"), [(0.01, 0), (20, 0), (1, -3), (1, 0.6), (np.nan, 0)])
def test_outside_the_grid(grid, age, m_h):
    with pytest.raises(GalamError, match="outside the SSP grid"):
        grid.weights(age, m_h)


def test_air_to_vacuum():
    # Line lists of SDSS give both: [O II], H beta, H alpha, Ca II.
    air = np.array([3727.09 - 1.06, 4861.33, 6562.80, 8542.09])
    vacuum = np.array([3727.09, 4862.69, 6564.61, 8544.44])
    np.testing.assert_allclose(air_to_vacuum(air), vacuum, atol=0.02)


def test_balmer_lines_lie_at_vacuum_wavelengths(grid):
    flux = grid.flux[list(grid.age_gyr).index(1.0), list(grid.m_h).index(0.0)]
    for line in (4102.89, 4862.69, 6564.61):
        near = np.abs(grid.wavelength - line) < 12
        depth = flux[near].max() - flux[near]
        centre = np.sum(grid.wavelength[near] * depth**2) / np.sum(depth**2)
        assert centre == pytest.approx(line, abs=0.6)


def test_magnitudes_of_a_flat_spectrum():
    wavelength = np.arange(3500, 9000, 1.0)
    flux = 3.631e-20 * 2.99792458e18 / wavelength**2 * 10 ** (-0.4 * 17.3)
    np.testing.assert_allclose(ab_magnitudes(wavelength, flux), 17.3, atol=1e-4)
    with pytest.raises(GalamError, match="cover"):
        ab_magnitudes(wavelength[1000:], flux[1000:])


def test_colours_redden_and_light_fades_with_age(grid):
    g, r, i = ssp_magnitudes(grid)
    old, solar = grid.age_gyr > 1, list(grid.m_h).index(0.0)
    assert np.all(np.diff(r[:, solar][old]) > 0)
    assert np.all(np.diff((g - r)[:, solar][old]) > -0.01)
    # Early-type galaxies at z = 0 have g-r 0.75-0.8 and r-i 0.35-0.4 (Fukugita et al. 1995).
    ten = int(np.argmin(np.abs(grid.age_gyr - 10)))
    assert 0.70 < (g - r)[ten, solar] < 0.86
    assert 0.32 < (r - i)[ten, solar] < 0.44
    redshifted = ssp_magnitudes(grid, 0.2)
    assert (redshifted[0] - redshifted[1])[ten, solar] > (g - r)[ten, solar] + 0.4


def test_agrees_with_miles(grid, shared_data, monkeypatch):
    spec = importlib.util.spec_from_file_location("check", ROOT / "tools" / "check_ssp_grid.py")
    check = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "check", check)  # dataclasses look themselves up there
    spec.loader.exec_module(check)
    references = check.read_miles(shared_data / "ssp" / "miles_vazdekis2010")
    assert len(references) == 36
    got = {
        (one.m_h, round(one.age_gyr, 1)): check.differences(grid, one, 3560, 7390)
        for one in references
    }
    assert max(one["lines"] for one in got.values()) < 3
    for m_h in (-0.71, 0.0, 0.22):
        for age in (4.0, 7.9):
            assert got[m_h, age]["shape"] < 5
    assert all(0.6 < one["scale"] < 1.4 for one in got.values())
