"""Templates and the reference fit by pPXF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import ppxf
import pytest
from astropy.io import fits

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import fit_ppxf, load_templates
from galam_explorer.records import Galaxy, Spectrum
from galam_explorer.survey import load_survey
from galam_explorer.survey.sdss_files import read_spectrum_file

PPXF_SPECTRA = Path(ppxf.__file__).parent / "spectra"
# Labels by an earlier script with the same templates and polynomials.
KNOWN = {
    "sdss/pairs/spec-0389-51795-0269.fits": (9.97, 0.19),
    "sdss/pairs/spec-0390-51900-0104.fits": (9.84, -0.11),
    "sdss/pairs/spec-1291-52735-0285.fits": (9.84, -0.09),
    "sdss/pairs/spec-1542-53734-0440.fits": (9.26, -0.58),
    "NGC3073_SDSS_DR18.fits": (8.69, -0.46),
    "NGC3522_SDSS_DR18.fits": (9.93, -0.10),
}


@pytest.mark.parametrize("name", KNOWN)
def test_real_spectra_give_the_known_labels(name: str, shared_data: Path) -> None:
    path = PPXF_SPECTRA / name if name.startswith("NGC") else shared_data / name
    config = LabelConfig(
        engine="ppxf", templates=str(shared_data / "ssp" / "miles_vazdekis2010"), ftol=1e-4
    )
    fit = fit_ppxf(read_spectrum_file(path), config)
    assert fit.status == "ok"
    assert (fit.log_age, fit.m_h) == pytest.approx(KNOWN[name], abs=0.05)
    assert fit.weights.shape == (9, 4)
    assert fit.weights.sum() == pytest.approx(1)
    assert fit.best_fit.shape == fit.wavelength.shape


def test_the_default_templates_are_nine_ages_by_four_metallicities() -> None:
    library = load_templates(LabelConfig())
    assert library.shape == (9, 4)
    np.testing.assert_allclose(library.m_h, [-1.71, -0.71, 0, 0.22])
    band = (library.wavelength > 5070) & (library.wavelength < 5950)
    np.testing.assert_allclose(library.flux[band].mean(0), 1)
    full = load_templates(LabelConfig(templates="embedded-full"))
    assert full.shape == (25, 9)
    assert full.digest != library.digest


def test_npz_and_folder_of_the_same_kind_agree(shared_data: Path) -> None:
    npz = load_templates(LabelConfig(templates=str(shared_data / "ssp/spectra_emiles.npz")))
    folder = load_templates(LabelConfig(templates=str(shared_data / "ssp/miles_vazdekis2010")))
    assert npz.shape == (25, 6)
    one, other = np.argmin(abs(npz.age_gyr - 1)), np.argmin(abs(folder.age_gyr - 1))
    solar = [int(np.argmin(abs(library.m_h))) for library in (npz, folder)]
    where = np.linspace(4000, 7000, 300)
    first = np.interp(where, npz.wavelength, npz.flux[:, one, solar[0]])
    second = np.interp(where, folder.wavelength, folder.flux[:, other, solar[1]])
    assert np.std(first / second) < 0.05


def write_template(folder: Path, name: str, n: int = 4300) -> None:
    header = fits.Header({"CRVAL1": 3540.5, "CDELT1": 0.9, "CRPIX1": 1})
    fits.writeto(folder / name, np.ones(n, np.float32), header)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no template FITS files"),
        (["MZp0.00T01.0000.fits", "MZp0.22T02.0000.fits"], "no template for age"),
        (["MZp0.00T01.0000.fits", "BZp0.00T01.0000.fits"], "two files"),
    ],
)
def test_a_folder_that_is_no_grid_is_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        write_template(tmp_path, name)
    with pytest.raises(GalamError, match=message):
        load_templates(LabelConfig(templates=str(tmp_path)))


def test_mixed_wavelength_grids_and_short_ones_are_refused(tmp_path: Path) -> None:
    write_template(tmp_path, "MZp0.00T01.0000.fits")
    write_template(tmp_path, "MZp0.00T02.0000.fits", 4200)
    with pytest.raises(GalamError, match="another wavelength grid"):
        load_templates(LabelConfig(templates=str(tmp_path)))
    for path in tmp_path.iterdir():
        path.unlink()
    write_template(tmp_path, "MZp0.00T01.0000.fits", 1000)
    with pytest.raises(GalamError, match="do not cover the band"):
        load_templates(LabelConfig(templates=str(tmp_path)))


def test_files_that_are_no_templates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "b.npz", templates=np.ones((3, 2, 2)))
    for name, message in (("a.npz", "not an npz"), ("b.npz", "no array"), ("c.npz", "no such")):
        with pytest.raises(GalamError, match=message):
            load_templates(LabelConfig(templates=str(tmp_path / name)))


@pytest.fixture(scope="module")
def galaxy() -> Galaxy:
    return next(one for one in load_survey("demo") if one.spectrum is not None and one.z > 0)


def test_spectra_that_cannot_be_fitted_say_why(galaxy: Galaxy) -> None:
    config, spectrum = LabelConfig(engine="ppxf"), galaxy.spectrum
    n = len(spectrum)

    def with_spectrum(flux: np.ndarray, ivar: np.ndarray) -> Galaxy:
        return replace(galaxy, spectrum=Spectrum(flux, ivar, spectrum.loglam0))

    few = np.where(np.arange(n) < 450, spectrum.ivar, 0)
    cases = {
        "no_spectrum": replace(galaxy, spectrum=None),
        "no_redshift": replace(galaxy, z=float("nan")),
        "no_overlap": replace(galaxy, z=2.5),
        "too_few_pixels": with_spectrum(spectrum.flux, few),
        "no_signal": with_spectrum(-spectrum.flux, spectrum.ivar),
    }
    for status, case in cases.items():
        fit = fit_ppxf(case, config)
        assert (fit.status, bool(fit.reason)) == (status, True)
        assert np.isnan(fit.log_age)
    assert fit_ppxf(replace(galaxy, z=-5.0), config).status == "no_redshift"
    dead = with_spectrum(spectrum.flux, np.zeros(n, np.float32))
    assert fit_ppxf(dead, config).status == "too_few_pixels"


def test_draws_give_a_dispersion_that_repeats(galaxy: Galaxy) -> None:
    config = LabelConfig(engine="ppxf", draws=4, mdegree=0, degree=4)
    one, two = fit_ppxf(galaxy, config), fit_ppxf(galaxy, config)
    assert one.draws.shape == (4, 2)
    np.testing.assert_array_equal(one.draws, two.draws)
    assert one.log_age_std == pytest.approx(np.std(one.draws[:, 0], ddof=1))
    assert one.covariance == pytest.approx(np.cov(one.draws.T)[0, 1])


def test_emission_lines_can_be_fitted_or_masked(shared_data: Path) -> None:
    path = shared_data / "sdss/pairs/spec-1542-53734-0440.fits"
    star_forming = read_spectrum_file(path)
    kept = {}
    for choice in ("mask", "fit", "none"):
        fit = fit_ppxf(star_forming, LabelConfig(engine="ppxf", emission=choice, mdegree=4))
        assert fit.status == "ok"
        kept[choice] = fit
    assert kept["mask"].n_pixels < kept["fit"].n_pixels == kept["none"].n_pixels
    assert kept["fit"].chi2 < kept["none"].chi2


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "other"},
        {"degree": -2},
        {"mdegree": 1.5},
        {"wave_min": 8000.0},
        {"emission": "fit", "engine": "batched"},
        {"draws": 1},
        {"ftol": 0.0},
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(GalamError, match=r"LabelConfig\."):
        LabelConfig(**wrong)


def test_missing_downloads_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("/nonexistent")
    monkeypatch.setattr("galam_explorer.labels.templates.templates_folder", lambda: folder)
    with pytest.raises(GalamError, match="galam templates get xsl"):
        load_templates(LabelConfig(templates="xsl"))
