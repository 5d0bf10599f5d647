"""Spectra to network inputs, through the public functions."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from galam_explorer.errors import GalamError
from galam_explorer.preprocess import prepare_spectrum
from galam_explorer.preprocess.spectra import WAVELENGTHS
from galam_explorer.records import Spectrum

BRIGHTSKY = 1 << 23
FIRST = 3.5797  # 10 ** 3.5797 is 3799 Å


def make_spectrum(n: int = 3850, loglam0: float = FIRST, seed: int = 1) -> Spectrum:
    wavelength = 10 ** (loglam0 + 1e-4 * np.arange(n))
    flux = 10 + 3e-3 * (wavelength - 5500) + 8 * np.exp(-(((wavelength - 6800) / 5) ** 2))
    error = np.full(n, 0.3)
    flux = flux + np.random.default_rng(seed).normal(0, error)
    return Spectrum(flux.astype("f4"), (error**-2).astype("f4"), loglam0, np.zeros(n, "i4"))


def test_the_grid_is_the_published_one() -> None:
    assert len(WAVELENGTHS) == 4171
    assert (WAVELENGTHS[0], WAVELENGTHS[-1]) == (3830, 8000)


def test_paper_is_linear_interpolation_and_min_max() -> None:
    spectrum = make_spectrum()
    prepared = prepare_spectrum(spectrum, "paper")
    by_hand = np.interp(WAVELENGTHS, spectrum.wavelength, spectrum.flux)
    by_hand = (by_hand - by_hand.min()) / (by_hand.max() - by_hand.min())
    assert prepared.status == "ok"
    assert prepared.values.dtype == np.float32
    np.testing.assert_allclose(prepared.values, by_hand, atol=1e-6)
    assert (prepared.values.min(), prepared.values.max()) == (0, 1)


def test_paper_ignores_ivar_and_masks_robust_uses_them() -> None:
    clean = make_spectrum()
    flux, ivar, mask = clean.flux.copy(), clean.ivar.copy(), clean.and_mask.copy()
    flux[2000:2003], ivar[2000:2003] = 500, 0  # no information
    flux[3000:3004], mask[3000:3004] = -300, BRIGHTSKY
    spoilt = dataclasses.replace(clean, flux=flux, ivar=ivar, and_mask=mask)
    assert np.median(prepare_spectrum(spoilt, "paper").values) == pytest.approx(0.39, abs=0.02)
    difference = prepare_spectrum(spoilt).values - prepare_spectrum(clean).values
    assert np.abs(difference).max() < 0.15
    assert np.sqrt((difference**2).mean()) < 0.01


def test_robust_finds_sky_residuals_by_their_error() -> None:
    clean = make_spectrum()
    flux, ivar = clean.flux.copy(), clean.ivar.copy()
    flux[3100:3104], ivar[3100:3104] = flux[3100:3104] + 25, 1 / 6.0**2
    spoilt = dataclasses.replace(clean, flux=flux, ivar=ivar)
    difference = prepare_spectrum(spoilt).values - prepare_spectrum(clean).values
    assert np.sqrt((difference**2).mean()) < 0.01


def test_robust_keeps_a_lone_spike_from_setting_the_scale_but_not_an_emission_line() -> None:
    clean = make_spectrum()
    flux = clean.flux.copy()
    flux[1500] = 200
    spiked = prepare_spectrum(dataclasses.replace(clean, flux=flux)).values
    np.testing.assert_allclose(
        np.median(spiked), np.median(prepare_spectrum(clean).values), atol=0.01
    )
    line = prepare_spectrum(clean).values
    assert abs(WAVELENGTHS[line.argmax()] - 6800) < 5


def test_a_flag_of_the_whole_fibre_does_not_discard_half_the_spectrum() -> None:
    clean = make_spectrum()
    mask = clean.and_mask.copy()
    mask[2000:] = 1 << 4  # MANYBADCOLUMNS
    flagged = prepare_spectrum(dataclasses.replace(clean, and_mask=mask))
    np.testing.assert_array_equal(flagged.values, prepare_spectrum(clean).values)


@pytest.mark.parametrize("config", ["paper", "robust"])
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"loglam0": np.log10(3831)}, "spectrum_out_of_range"),
        ({"n": 3200}, "spectrum_out_of_range"),
        ({"n": 1}, "bad_spectrum"),
        ({"ivar": 0}, "bad_spectrum"),
        ({"ivar": np.nan}, "bad_spectrum"),
        ({"flux": 3.0}, "bad_spectrum"),
        ({"flux": np.nan}, "bad_spectrum"),
        ({"loglam0": np.nan}, "bad_spectrum"),
    ],
)
def test_unusable_spectra_get_a_status(config: str, change: dict, status: str) -> None:
    options = {key: change[key] for key in ("n", "loglam0") if key in change}
    spectrum = make_spectrum(**options)
    for name in ("flux", "ivar"):
        if name in change:
            filled = np.full(len(spectrum), change[name], "f4")
            spectrum = dataclasses.replace(spectrum, **{name: filled})
    prepared = prepare_spectrum(spectrum, config)
    assert prepared.status == status
    assert prepared.reason
    assert prepared.values is None


def test_one_nan_is_bad_for_paper_and_harmless_for_robust() -> None:
    spectrum = make_spectrum()
    spectrum.flux[1000] = np.nan
    assert prepare_spectrum(spectrum, "paper").status == "bad_spectrum"
    robust = prepare_spectrum(spectrum, "robust")
    assert robust.status == "ok"
    assert np.isfinite(robust.values).all()


def test_no_spectrum_and_unknown_configuration() -> None:
    assert prepare_spectrum(None).status == "no_spectrum"
    with pytest.raises(GalamError, match="no preprocessing is called 'best'"):
        prepare_spectrum(None, "best")


def read_real(path: Path) -> Spectrum:
    with fits.open(path) as hdus:
        data = hdus[1].data
        columns = {name.lower(): name for name in data.names}
        flux, ivar, loglam, mask = (
            np.asarray(data[columns[name]]) for name in ("flux", "ivar", "loglam", "and_mask")
        )
    return Spectrum(flux.astype("f4"), ivar.astype("f4"), float(loglam[0]), mask.astype("i4"))


def test_real_spectra(shared_data: Path) -> None:
    with open(shared_data / "spectra.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    sky = 0
    for row in rows:
        spectrum = read_real(shared_data / row["file"])
        paper, robust = (prepare_spectrum(spectrum, name) for name in ("paper", "robust"))
        assert (paper.status, robust.status) == ("ok", "ok"), row["id"]
        for prepared in (paper, robust):
            assert prepared.values.shape == (4171,)
            assert prepared.values.min() >= 0
            assert prepared.values.max() <= 1
        # The published normalisation is often set by the 5577 Å sky residual.
        peaks = [WAVELENGTHS[one.values.argmax()] for one in (paper, robust)]
        sky += 5570 < peaks[0] < 5585
        assert not 5570 < peaks[1] < 5585, row["id"]
    assert sky >= 4
